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

# The unit tests' program: OVS's ovstest with test-*.c of ours in it, each
# registered with OVSTEST_REGISTER (see tests/ovstest.h in the OVS source).
noinst_PROGRAMS += tests/test-accel
test_accel_sources = \
	tests/flow-model.c \
	tests/flow-model.h \
	tests/offload-device.c \
	tests/offload-device.h \
	tests/random-frame.c \
	tests/random-frame.h \
	tests/test-action-compile.c \
	tests/test-action.c \
	tests/test-bond.c \
	tests/test-dp.c \
	tests/test-flow-threads.c \
	tests/test-flow.c \
	tests/test-guest-track.c \
	tests/test-kick-model.c \
	tests/test-meter.c \
	tests/test-offload.c \
	tests/test-placement.c \
	tests/test-random-frames.c \
	tests/test-upcall-random.c \
	tests/test-upcall.c \
	tests/test-vhost-offload.c \
	tests/test-vhost-packet.c \
	tests/test-vring-bad.c \
	tests/test-vring-memory.c \
	tests/test-vring-resume.c \
	tests/test-vring-sleep.c \
	tests/test-vring.c \
	tests/test-vring.h \
	tests/upcall-fixture.c \
	tests/upcall-fixture.h \
	tests/vhost-guest-packed.c \
	tests/vhost-guest-ring.c \
	tests/vhost-guest-split.c \
	tests/vhost-guest-track.c \
	tests/vhost-guest.h \
	tests/vring-driver.c \
	tests/vring-driver.h

tests_test_accel_SOURCES = $(test_accel_sources) $(datapath_ext_sources)
tests_test_accel_LDADD = $(OVS_OVSTEST_OBJECTS) $(OVS_LIBS)
tests_test_accel_DEPENDENCIES = $(OVS_OVSTEST_OBJECTS) $(OVS_ARCHIVES)

# The scripted guest of system tests.
noinst_PROGRAMS += tests/vhost-guest
tests_vhost_guest_SOURCES = \
	tests/vhost-guest-bounce.c \
	tests/vhost-guest-cmd.c \
	tests/vhost-guest-frame.c \
	tests/vhost-guest-net.c \
	tests/vhost-guest-packed.c \
	tests/vhost-guest-ping.c \
	tests/vhost-guest-proto.c \
	tests/vhost-guest-ring.c \
	tests/vhost-guest-show.c \
	tests/vhost-guest-silent.c \
	tests/vhost-guest-split.c \
	tests/vhost-guest-track.c \
	tests/vhost-guest.c \
	tests/vhost-guest.h
tests_vhost_guest_LDADD = $(OVS_LIBS)
tests_vhost_guest_DEPENDENCIES = $(OVS_ARCHIVES)

# The bare loop that a switch is measured against.
noinst_PROGRAMS += tests/vhost-floor
tests_vhost_floor_SOURCES = \
	datapath-ext/vhost/copy.c \
	tests/vhost-floor.c \
	tests/vhost-floor.h
tests_vhost_floor_LDADD = $(OVS_LIBS)
tests_vhost_floor_DEPENDENCIES = $(OVS_ARCHIVES)

# How near two CPUs are to each other.
noinst_PROGRAMS += tests/cpu-probe
tests_cpu_probe_SOURCES = tests/cpu-probe.c
tests_cpu_probe_LDADD = $(OVS_LIBS)
tests_cpu_probe_DEPENDENCIES = $(OVS_ARCHIVES)

# Where the suites' macros come from: ours first, then OVS's.
autotest = $(AUTOM4TE) --language=autotest -I tests -I '$(srcdir)' -I '$(OVS_SRC)'

# The programs of the suites: ours first, then OVS's.  Autotest wants them by
# absolute names.
autotest_path = $(abs_top_builddir)/vswitchd:$(abs_top_builddir)/tests:$(OVS_BUILD)/vswitchd:$(OVS_BUILD)/utilities:$(OVS_BUILD)/ovsdb:$(OVS_BUILD)/vtep:$(OVS_BUILD)/tests
run_suite = $(PYTHON3) $(srcdir)/build-aux/run-suite --source '$(srcdir)/tests' --source '$(OVS_SRC)/tests'

# Unit tests.
testsuite_at = \
	tests/action.at \
	tests/bench.at \
	tests/documentation.at \
	tests/dp.at \
	tests/flow.at \
	tests/meter.at \
	tests/offload.at \
	tests/packaging.at \
	tests/placement.at \
	tests/testsuite.at \
	tests/tools.at \
	tests/upcall.at \
	tests/vring.at \
	tests/vswitchd.at
EXTRA_DIST += $(testsuite_at) tests/check-man.py tests/test-bench.py tests/test-tools.py

tests/testsuite: $(testsuite_at) tests/package.m4 ovs.mk
	$(AM_V_GEN)$(autotest) -o $@.tmp $(srcdir)/tests/testsuite.at
	$(AM_V_at)mv $@.tmp $@
CLEANFILES += tests/testsuite

check-local: tests/testsuite $(sbin_PROGRAMS) $(noinst_PROGRAMS)
	$(run_suite) check tests -- AUTOTEST_PATH='$(autotest_path)' OVS_SRC='$(OVS_SRC)' $(TESTSUITEFLAGS)

# System tests, of a switch that really runs.  They want root.
system_accel_at = \
	tests/accel-macros.at \
	tests/accelvhost.at \
	tests/dummy.at \
	tests/system-accel-change.at \
	tests/system-accel-clients.at \
	tests/system-accel-ct.at \
	tests/system-accel-guests.at \
	tests/system-accel-howto.at \
	tests/system-accel-metrics.at \
	tests/system-accel-miss.at \
	tests/system-accel-offload.at \
	tests/system-accel-openflow.at \
	tests/system-accel-ovn.at \
	tests/system-accel-pmd.at \
	tests/system-accel-ports.at \
	tests/system-accel-sleep.at \
	tests/system-accel-testsuite.at \
	tests/system-accel-tools.at \
	tests/system-accel-tso.at \
	tests/system-accel.at \
	tests/vhost-hostile.at
EXTRA_DIST += $(system_accel_at) tests/check-dashboard.py tests/check-metrics.py tests/complete.bash tests/in-terminal.py tests/tso-frames.py tests/vhost-hostile.py

# What runs pages of Documentation/howto.
EXTRA_DIST += tests/howto-qemu.py tests/run-howto.py

system_suite = AUTOM4TE='$(AUTOM4TE)' $(srcdir)/build-aux/system-suite
system_suite_dirs = '$(abs_top_builddir)' '$(OVS_SRC)' '$(OVS_BUILD)'
isolated = $(srcdir)/build-aux/isolated

tests/system-accel/testsuite: $(system_accel_at) build-aux/system-suite tests/package.m4 ovs.mk
	$(AM_V_GEN)$(system_suite) $(srcdir)/tests/system-accel-testsuite.at $(@D) $(system_suite_dirs)

check-system-accel: all tests/system-accel/testsuite
	$(isolated) $(run_suite) system-accel tests/system-accel -- $(TESTSUITEFLAGS)
.PHONY: check-system-accel

clean-local:
	rm -rf tests/testsuite.dir tests/testsuite.log tests/*.results
	rm -rf tests/system-accel
DISTCLEANFILES += tests/atconfig

include tests/differential.mk
include tests/ovs-unit.mk
include tests/system-userspace.mk
