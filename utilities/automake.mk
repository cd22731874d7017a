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

EXTRA_DIST += \
	utilities/ovs-accel-bench \
	utilities/ovs-accel-check \
	utilities/ovs-accel-guest \
	utilities/ovs-accel-lib.sh \
	utilities/ovs-accel-sandbox \
	utilities/ovs_accel/bench/__init__.py \
	utilities/ovs_accel/bench/__main__.py \
	utilities/ovs_accel/bench/catalog.py \
	utilities/ovs_accel/bench/edits.py \
	utilities/ovs_accel/bench/floor.py \
	utilities/ovs_accel/bench/flows.py \
	utilities/ovs_accel/bench/guest_to_guest.py \
	utilities/ovs_accel/bench/latency.py \
	utilities/ovs_accel/bench/machine.py \
	utilities/ovs_accel/bench/near.py \
	utilities/ovs_accel/bench/report.py \
	utilities/ovs_accel/bench/results.py \
	utilities/ovs_accel/bench/scenario.py \
	utilities/ovs_accel/bench/side.py \
	utilities/ovs_accel/bench/side_road.py \
	utilities/ovs_accel/bench/silent.py \
	utilities/ovs_accel/bench/tcp.py \
	utilities/ovs_accel/bench/tso.py \
	utilities/ovs_accel/image.py \
	utilities/ovs_accel/program.py \
	utilities/ovs_accel/qemu.py \
	utilities/ovs_accel/sandbox.py \
	utilities/ovs_accel/scripted.py \
	utilities/ovs_accel/switch.py \
	utilities/ovs_accel/testpmd.py \
	utilities/ovs_accel/verify.py

# Tools for users.  They are installed beside their modules, as they lie here,
# with links to them where programs are.
dist_pkgdata_SCRIPTS = \
	utilities/ovs-accel-bugreport \
	utilities/ovs-accel-textfile \
	utilities/ovs-accel-top
tool_moduledir = $(pkgdatadir)/ovs_accel
dist_tool_module_DATA = \
	utilities/ovs_accel/__init__.py \
	utilities/ovs_accel/bugreport.py \
	utilities/ovs_accel/metrics.py \
	utilities/ovs_accel/proc.py \
	utilities/ovs_accel/screen.py \
	utilities/ovs_accel/textfile.py \
	utilities/ovs_accel/top.py \
	utilities/ovs_accel/unixctl.py

# What Prometheus and Grafana are given; an administrator enables it.
dist_pkgdata_DATA = \
	utilities/ovs-accel-grafana.json \
	utilities/ovs-accel-textfile.timer
nodist_pkgdata_DATA = utilities/ovs-accel-textfile.service
EXTRA_DIST += utilities/ovs-accel-textfile.service.in
CLEANFILES += utilities/ovs-accel-textfile.service
utilities/ovs-accel-textfile.service: utilities/ovs-accel-textfile.service.in Makefile
	$(AM_V_GEN)sed 's,@bindir[@],$(bindir),' $(srcdir)/utilities/ovs-accel-textfile.service.in >$@

# Loaded when the first of these commands is completed.  Debian's
# openvswitch-common has what completes ovs-appctl otherwise, under another name.
completiondir = $(datadir)/bash-completion/completions
dist_completion_DATA = utilities/ovs-accel-completion.bash
completed = $(notdir $(dist_pkgdata_SCRIPTS)) ovs-appctl.bash

install-data-hook:
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	for tool in $(notdir $(dist_pkgdata_SCRIPTS)); do \
	    ln -srf "$(DESTDIR)$(pkgdatadir)/$$tool" "$(DESTDIR)$(bindir)/$$tool" || exit 1; \
	done
	for name in $(completed); do \
	    ln -sf ovs-accel-completion.bash "$(DESTDIR)$(completiondir)/$$name" || exit 1; \
	done
uninstall-hook:
	cd '$(DESTDIR)$(completiondir)' && rm -f $(completed)
	cd '$(DESTDIR)$(bindir)' && rm -f $(notdir $(dist_pkgdata_SCRIPTS))
