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

# The same random frames through a netdev and an accel bridge.  SEED, TABLES,
# FRAMES and CONNTRACK may be given; it wants root.
EXTRA_DIST += \
	tests/differential/__init__.py \
	tests/differential/bed.py \
	tests/differential/case.py \
	tests/differential/flows.py \
	tests/differential/frames.py \
	tests/differential/pcap.py \
	tests/differential/ports.py \
	tests/differential/tables.py \
	tests/differential/unixctl.py \
	tests/run-differential

differential_flags = \
	$(if $(SEED),--seed $(SEED)) \
	$(if $(TABLES),--tables $(TABLES)) \
	$(if $(FRAMES),--frames $(FRAMES)) \
	$(if $(CONNTRACK),--conntrack)

check-differential: all
	eval "`utilities/ovs-accel-env`" && PATH="$(abs_top_builddir)/tests:$$PATH" \
	  $(isolated) $(PYTHON3) -B $(srcdir)/tests/run-differential $(differential_flags) \
	  --results tests/differential.results --failed tests/differential-failed.json
.PHONY: check-differential
CLEANFILES += tests/differential.results tests/differential-failed.json
