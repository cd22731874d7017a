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

# Open vSwitch's own system suite, from its source tree, on accel bridges.
EXTRA_DIST += \
	tests/run-system-userspace \
	tests/shards.py \
	tests/system-userspace-testsuite.at

tests/system-userspace/testsuite: tests/system-userspace-testsuite.at tests/accel-macros.at build-aux/system-suite tests/package.m4 tests/system-userspace.mk ovs.mk
	$(AM_V_GEN)$(system_suite) $(srcdir)/tests/system-userspace-testsuite.at $(@D) $(system_suite_dirs)
	$(AM_V_at)sed -i 's/datapath_type="*netdev"*/datapath_type=accel/; s/netdev@ovs-netdev/accel@ovs-accel/' $@

# Stock's, of its own programs on netdev bridges, to compare with.
tests/system-userspace-stock/testsuite: build-aux/system-suite ovs.mk
	$(AM_V_GEN)$(system_suite) '$(OVS_SRC)/tests/system-userspace-testsuite.at' $(@D) '$(OVS_BUILD)' '$(OVS_SRC)' '$(OVS_BUILD)'

check-system-userspace: tests/system-userspace/testsuite tests/system-userspace-stock/testsuite $(sbin_PROGRAMS)
	$(PYTHON3) $(srcdir)/tests/run-system-userspace --source '$(OVS_SRC)/tests' --ovs-build '$(OVS_BUILD)' \
	    system-userspace tests/system-userspace tests/system-userspace-stock $(TESTSUITEFLAGS)
.PHONY: check-system-userspace

clean-local: clean-system-userspace
clean-system-userspace:
	rm -rf tests/system-userspace tests/system-userspace-stock
.PHONY: clean-system-userspace
