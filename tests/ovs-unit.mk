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

# Open vSwitch's own unit suite, from its source tree, with our class as the
# dummy datapath.
EXTRA_DIST += \
	tests/ovs-unit-exclusions \
	tests/run-ovs-unit

# The log modules and commands of dpif-netdev that groups name, and ours; and
# two lines of statistics that dpctl/show prints of every datapath but netdev.
# One group takes the order in which dpif-netdev dumps flows for granted.
ovs_unit_sed = \
	-e 's/dpif_netdev:\(file:\)*dbg/accel_flow:\1dbg accel_upcall_ask:\1dbg accel_offload:\1dbg accel_balance:\1dbg/g' \
	-e 's/dpif_netdev|DBG|flow_add/accel_flow|DBG|flow_add/g' \
	-e 's,dpif-netdev/,dpif-accel/,g' \
	-e 's,^  flows: 0$$,&\n  masks: hit:0 total:0 hit/pkt:0.00\n  cache: hit:0 hit-rate:0.00%,' \
	-e "s,dump-flows | sed 's/\.\*.*/used:0\.001s/'$$,& | sort,"

tests/ovs-unit/testsuite: build-aux/system-suite tests/package.m4 tests/ovs-unit.mk ovs.mk
	$(AM_V_GEN)$(system_suite) '$(OVS_SRC)/tests/testsuite.at' $(@D) $(system_suite_dirs)
	$(AM_V_at)sed -i $(ovs_unit_sed) $@

check-ovs-unit: tests/ovs-unit/testsuite $(sbin_PROGRAMS)
	$(PYTHON3) $(srcdir)/tests/run-ovs-unit --source '$(OVS_SRC)/tests' --exclusions '$(srcdir)/tests/ovs-unit-exclusions' ovs-unit $(<D) $(TESTSUITEFLAGS)
.PHONY: check-ovs-unit

clean-local: clean-ovs-unit
clean-ovs-unit:
	rm -rf tests/ovs-unit
.PHONY: clean-ovs-unit
