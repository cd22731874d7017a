# -*- shell-script -*-
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

# What ovs-accel-sandbox, ovs-accel-check and ovs-accel-bench share: installing
# Debian packages and building.  To be sourced by a POSIX shell, as root, with
# accel_top set to the top of the source tree.
#
#     accel_install $accel_packages_build $accel_packages_test
#     accel_prepare                       # Open vSwitch and the source tree
#     accel_build main                    # our build, in $accel_work/main
#     eval "$("$accel_work/main/utilities/ovs-accel-env")"
#
# All of them print progress to stdout, and end the shell with one sentence on
# stderr when they fail.

accel_packages_build="autoconf automake bzip2 gcc git libbpf-dev libcap-ng-dev
    libc6-dev libdpdk-dev libnuma-dev libpcap-dev libssl-dev libtool
    libunbound-dev libxdp-dev make openvswitch-source pkg-config python3"
accel_packages_guest="busybox-static cpio dpdk dpdk-dev iproute2 procps
    qemu-system-x86 socat"
accel_packages_test="$accel_packages_guest clang conntrack curl dnsmasq-base
    ethtool iptables iputils-arping iputils-ping kmod lftp libvirt-clients
    libxml2-utils net-tools netcat-openbsd nftables python3-docutils
    python3-netaddr python3-prometheus-client python3-pyftpdlib
    python3-pyparsing python3-pytest python3-scapy python3-setuptools
    python3-sortedcontainers python3-sphinx python3-yaml rpm tcpdump wget"

# What "make check-package check-rpm" needs besides.
accel_packages_deb="$accel_packages_guest debhelper debootstrap lintian
    rpm rpmlint systemd-container"

# Everything that is made for these commands is made here, whatever state the
# source tree itself is in.
accel_work=$accel_top/_build
accel_ovs_tarball=/usr/src/openvswitch/openvswitch.tar.gz
accel_start=$(date +%s)

accel_say()
{
    printf '[%4d s] %s\n' $(($(date +%s) - accel_start)) "$*"
}

accel_die()
{
    echo "${0##*/}: $*" >&2
    exit 1
}

accel_require_root()
{
    test "$(id -u)" = 0 || accel_die "must run as root: sudo $0"
}

accel_pid=
trap 'test -z "$accel_pid" || kill $accel_pid; exit 1' HUP INT TERM

# Runs a command, for at most LIMIT seconds, with its output in file LOG, and
# says every half minute that NAME is still at it.
accel_watch()   # NAME LIMIT LOG COMMAND...
{
    watch_name=$1 watch_limit=$2 watch_log=$3
    shift 3
    timeout -k 10 "$watch_limit" "$@" >"$watch_log" 2>&1 </dev/null &
    accel_pid=$! ticks=0
    while sleep 0.2 && kill -0 $accel_pid 2>/dev/null; do
        ticks=$((ticks + 1))
        test $((ticks % 150)) -ne 0 ||
            accel_say "$watch_name: $(tail -n 1 "$watch_log" | cut -c1-60)"
    done
    wait $accel_pid
    status=$?
    accel_pid=
    test $status -ne 124 ||
        echo "$watch_name took more than $watch_limit s" >>"$watch_log"
    return $status
}

# Does the same for a command without which there is no going on: when it
# fails, ends the shell with sentence WHAT and the log's last lines.
accel_must()    # WHAT NAME LIMIT LOG COMMAND...
{
    what=$1
    shift
    accel_watch "$@" || {
        tail -n 20 "$watch_log" >&2
        accel_die "$what; see $watch_log"
    }
}

# Prints those of the packages "$@" that are not installed.
accel_missing_packages()
{
    for package; do
        case $(dpkg-query -W -f='${db:Status-Abbrev}\n' "$package" \
                   2>/dev/null) in
        *ii\ *) ;;
        *) echo "$package" ;;
        esac
    done
}

# Installs those of the packages "$@" that are missing.
accel_install()
{
    command -v dpkg-query >/dev/null ||
        accel_die "only Debian is served: dpkg-query is missing"
    missing=$(accel_missing_packages "$@")
    test -n "$missing" || return 0

    accel_say "installing $(echo $missing)"
    mkdir -p "$accel_work"
    for command in update "install -y --no-install-recommends $missing"; do
        accel_must "packages cannot be installed" "apt-get ${command%% *}" \
                   1800 "$accel_work/apt.log" \
                   env DEBIAN_FRONTEND=noninteractive \
                   apt-get -o DPkg::Lock::Timeout=300 $command
    done
}

# Prints the names of the files of the source tree.
accel_sources()
{
    cd "$accel_top"
    if test -e .git; then
        git -c safe.directory='*' ls-files --cached --others --exclude-standard
    elif test -e config.status; then
        accel_die "$accel_top is configured; run make distclean there first"
    else
        find . -path ./_build -prune -o -type f -printf '%P\n'
    fi
}

# Mirrors the source tree as symbolic links in $accel_work/src.  One cannot
# build out of a tree that is itself configured, and this way root leaves
# nothing among the user's files.
accel_mirror()
{
    src=$accel_work/src
    mkdir -p "$src"
    find "$src" -type l -delete
    accel_sources >"$accel_work/sources"
    while read -r file; do
        case $file in
        */*) mkdir -p "$src/${file%/*}" ;;
        esac
        if test -f "$accel_top/$file"; then
            ln -s "$accel_top/$file" "$src/$file"
        fi
    done <"$accel_work/sources"
    test -e "$src/configure" ||
        accel_must "boot.sh failed" boot.sh 300 "$accel_work/boot.log" \
                   "$src/boot.sh"
}

# Sets OVS_BUILD to a finished Open vSwitch build: the one that make made in
# the source tree, or one in the user's cache that is built now if need be.
# Several trees and runs may share it.
accel_find_ovs()
{
    ovs_build=$accel_top/build-aux/ovs-build
    key=$("$ovs_build" --key "$accel_ovs_tarball")
    OVS_BUILD=$accel_top/ovs/build
    if test "$(cat "$accel_top/ovs/stamp" 2>/dev/null)" != "$key"; then
        dir=${XDG_CACHE_HOME:-$HOME/.cache}/ovs-accel/$key
        accel_must "Open vSwitch could not be built" "Open vSwitch" 3600 \
                   "$accel_work/ovs.log" \
                   "$ovs_build" "$accel_ovs_tarball" "$dir"
        OVS_BUILD=$dir/build
    fi
}

accel_prepare()
{
    mkdir -p "$accel_work"
    accel_say "looking for a build of Open vSwitch"
    accel_find_ovs
    accel_say "Open vSwitch is built in $OVS_BUILD"
    accel_mirror
}

# Configures $accel_work/NAME with the given arguments, unless it is already.
accel_configure()   # NAME ARGUMENT...
{
    dir=$accel_work/$1
    shift
    set -- --with-ovs-build="$OVS_BUILD" "$@"
    if test "$(cat "$dir/arguments" 2>/dev/null)" != "$*"; then
        rm -rf "$dir"
        mkdir -p "$dir"
        (cd "$dir" && "$accel_work/src/configure" "$@") || return 1
        echo "$*" >"$dir/arguments"
    fi
}

# Configures and builds $accel_work/NAME.
accel_build()       # NAME ARGUMENT...
{
    accel_say "building in $accel_work/$1"
    log=$accel_work/$1.log
    accel_configure "$@" >"$log" 2>&1 </dev/null || {
        tail -n 20 "$log" >&2
        accel_die "configure failed; see $log"
    }
    accel_must "the build failed" "build" 1800 "$log" \
               make -C "$accel_work/$1" -j"$(nproc)"
}
