# -*- autoconf -*-

# Copyright (c) 2026 The OVS-Accel Authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

dnl ACCEL_CHECK_MAKE
dnl
dnl The Makefile includes ovs.mk, which it makes itself: a GNU make matter.
dnl The word "include" is substituted to hide the line from automake.
AC_DEFUN([ACCEL_CHECK_MAKE],
  [AC_CACHE_CHECK([whether ${MAKE-make} is GNU make], [accel_cv_gnu_make],
     [AS_IF([${MAKE-make} --version 2>/dev/null | grep 'GNU Make' >/dev/null],
        [accel_cv_gnu_make=yes], [accel_cv_gnu_make=no])])
   AS_IF([test $accel_cv_gnu_make = no],
     [AC_MSG_ERROR([GNU make is needed (Debian package make)])])
   AC_SUBST([accel_include], [include])])

dnl ACCEL_CHECK_COMPILER
AC_DEFUN([ACCEL_CHECK_COMPILER],
  [AC_CHECK_PROGS([accel_compiler], [${CC-gcc} cc clang])
   AS_IF([test -z "$accel_compiler"],
     [AC_MSG_ERROR([a C compiler is needed (Debian package gcc)])])])

dnl ACCEL_MISSING(WHAT, PACKAGE)
dnl
dnl Notes that WHAT, which Debian package PACKAGE brings, is missing, for
dnl ACCEL_CHECK_DEPENDENCIES to tell.
AC_DEFUN([ACCEL_MISSING],
  [AS_VAR_APPEND([accel_missing], ["
  $1 (Debian package $2)"])
   AS_VAR_APPEND([accel_packages], [" $2"])])

m4_define([ACCEL_OVS_TARBALL], [/usr/src/openvswitch/openvswitch.tar.gz])

dnl ACCEL_CHECK_OVS
dnl
dnl Finds Open vSwitch: a finished build, or the source to build it from.
dnl Substitutes OVS_BUILD and OVS_SOURCE, sets automake conditional OVS_FINISHED.
AC_DEFUN([ACCEL_CHECK_OVS],
  [AC_ARG_WITH([ovs-build],
     [AS_HELP_STRING([--with-ovs-build=DIR],
        [directory of a finished Open vSwitch build; without one, make builds
         Open vSwitch from the source])])
   AC_ARG_WITH([ovs-source],
     [AS_HELP_STRING([--with-ovs-source=TREE|TARBALL],
        [source of Open vSwitch @<:@default:
         /usr/src/openvswitch/openvswitch.tar.gz, of Debian package
         openvswitch-source@:>@])],
     [], [with_ovs_source=ACCEL_OVS_TARBALL])
   AS_CASE([$with_ovs_build],
     [yes], [AC_MSG_ERROR([--with-ovs-build wants the directory of a build])],
     [no], [with_ovs_build=])
   AC_MSG_CHECKING([for Open vSwitch])
   AS_IF([test -n "$with_ovs_build"],
     [OVS_BUILD=`cd "$with_ovs_build" 2>/dev/null && pwd`
      AS_IF([test -z "$OVS_BUILD"],
        [AC_MSG_ERROR([$with_ovs_build (--with-ovs-build) is not a directory])])
      accel_error=`"$srcdir/build-aux/ovs-flags" --check "$OVS_BUILD" 2>&1` ||
        AC_MSG_ERROR([$accel_error])
      OVS_SOURCE=
      AC_MSG_RESULT([build in $OVS_BUILD])],
     [AS_IF([test -f "$with_ovs_source" || test -d "$with_ovs_source"],
        [OVS_SOURCE=`cd "\`dirname "$with_ovs_source"\`" && pwd`/`basename "$with_ovs_source"`],
        [test "$with_ovs_source" = ACCEL_OVS_TARBALL],
        [OVS_SOURCE=ACCEL_OVS_TARBALL
         ACCEL_MISSING(ACCEL_OVS_TARBALL, [openvswitch-source])],
        [AC_MSG_ERROR([$with_ovs_source (--with-ovs-source) is neither a tree \
nor a tarball])])
      OVS_BUILD=`pwd`/ovs/build
      AC_MSG_RESULT([source in $OVS_SOURCE, built by make])])
   AC_SUBST([OVS_BUILD])
   AC_SUBST([OVS_SOURCE])
   AM_CONDITIONAL([OVS_FINISHED], [test -z "$OVS_SOURCE"])])

dnl ACCEL_NEED_HEADER(HEADER, LIBRARY, PACKAGE)
dnl
dnl Notes PACKAGE as missing if HEADER is not there.  With a finished OVS
dnl build, only if that build links with LIBRARY.
AC_DEFUN([ACCEL_NEED_HEADER],
  [AS_IF([test -n "$OVS_SOURCE" ||
          "$srcdir/build-aux/ovs-flags" --links "$OVS_BUILD" $2],
     [AC_MSG_CHECKING([for $1])
      AC_PREPROC_IFELSE([AC_LANG_SOURCE([[#include <$1>]])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         ACCEL_MISSING([$1], [$3])])])])

dnl ACCEL_NEED_PROGRAM(VARIABLE, PROGRAM, PACKAGE)
AC_DEFUN([ACCEL_NEED_PROGRAM],
  [AC_PATH_PROG([$1], [$2], [], [/usr/bin$PATH_SEPARATOR$PATH])
   AS_IF([test -z "$$1"], [ACCEL_MISSING([$2], [$3])])])

dnl ACCEL_CHECK_DEPENDENCIES
dnl
dnl Checks for all that compiling and linking wants, and names in one message
dnl whatever is missing, with the Debian package that brings it.
AC_DEFUN([ACCEL_CHECK_DEPENDENCIES],
  [ACCEL_NEED_PROGRAM([PKG_CONFIG], [pkg-config], [pkg-config])
   ACCEL_NEED_PROGRAM([AUTOM4TE], [autom4te], [autoconf])
   ACCEL_NEED_PROGRAM([PYTHON3], [python3], [python3])
   AC_MSG_CHECKING([for libdpdk])
   AS_IF([test -z "$PKG_CONFIG"], [AC_MSG_RESULT([unknown])],
     [accel_dpdk=`$PKG_CONFIG --modversion libdpdk 2>/dev/null`],
     [AC_MSG_RESULT([$accel_dpdk])],
     [AC_MSG_RESULT([no])
      ACCEL_MISSING([libdpdk], [libdpdk-dev])])
   ACCEL_NEED_HEADER([openssl/ssl.h], [ssl], [libssl-dev])
   ACCEL_NEED_HEADER([cap-ng.h], [cap-ng], [libcap-ng-dev])
   ACCEL_NEED_HEADER([numa.h], [numa], [libnuma-dev])
   ACCEL_NEED_HEADER([pcap.h], [pcap], [libpcap-dev])
   ACCEL_NEED_HEADER([xdp/xsk.h], [xdp], [libxdp-dev])
   ACCEL_NEED_HEADER([bpf/bpf.h], [bpf], [libbpf-dev])
   ACCEL_NEED_HEADER([unbound.h], [unbound], [libunbound-dev])
   AS_IF([test -n "$accel_missing"],
     [AC_MSG_ERROR([these are missing:$accel_missing
Install them with: apt-get install$accel_packages])])])

dnl ACCEL_CHECK_RST2MAN
dnl
dnl Looks for what makes man pages.  Without it there are none.
AC_DEFUN([ACCEL_CHECK_RST2MAN],
  [AC_CHECK_PROGS([RST2MAN], [rst2man rst2man.py])
   AM_CONDITIONAL([HAVE_RST2MAN], [test -n "$RST2MAN"])])

dnl ACCEL_CHECK_SPHINX
dnl
dnl Looks for what makes web pages of the documentation.
AC_DEFUN([ACCEL_CHECK_SPHINX],
  [AC_CHECK_PROGS([SPHINXBUILD], [sphinx-build])])

dnl ACCEL_ENABLE_WERROR
AC_DEFUN([ACCEL_ENABLE_WERROR],
  [AC_ARG_ENABLE([Werror],
     [AS_HELP_STRING([--enable-Werror], [make warnings errors])],
     [], [enable_Werror=no])
   ACCEL_WERROR=
   AS_IF([test "$enable_Werror" != no], [ACCEL_WERROR=-Werror])
   AC_SUBST([ACCEL_WERROR])])

dnl ACCEL_ENABLE_SANITIZERS
AC_DEFUN([ACCEL_ENABLE_SANITIZERS],
  [AC_ARG_ENABLE([sanitizers],
     [AS_HELP_STRING([--enable-sanitizers],
        [compile our sources with AddressSanitizer and
         UndefinedBehaviorSanitizer])],
     [], [enable_sanitizers=no])
   ACCEL_SANITIZERS=
   AS_IF([test "$enable_sanitizers" != no],
     [ACCEL_SANITIZERS="-fsanitize=address,undefined \
-fno-sanitize-recover=undefined -fno-omit-frame-pointer"])
   AC_SUBST([ACCEL_SANITIZERS])])
