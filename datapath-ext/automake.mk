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

# The engine, room by room, headers included.

datapath_ext_vhost = \
	datapath-ext/vhost/copy.c \
	datapath-ext/vhost/guard.c \
	datapath-ext/vhost/guard.h \
	datapath-ext/vhost/memory.c \
	datapath-ext/vhost/memory.h \
	datapath-ext/vhost/message.c \
	datapath-ext/vhost/message.h \
	datapath-ext/vhost/policer.c \
	datapath-ext/vhost/offload.c \
	datapath-ext/vhost/offload.h \
	datapath-ext/vhost/packet.c \
	datapath-ext/vhost/port.c \
	datapath-ext/vhost/quiesce.c \
	datapath-ext/vhost/quiesce.h \
	datapath-ext/vhost/rx.c \
	datapath-ext/vhost/session.c \
	datapath-ext/vhost/session.h \
	datapath-ext/vhost/sleep.c \
	datapath-ext/vhost/socket.c \
	datapath-ext/vhost/socket.h \
	datapath-ext/vhost/tx.c \
	datapath-ext/vhost/vhost-private.h \
	datapath-ext/vhost/vhost.h \
	datapath-ext/vhost/vring-packed.h \
	datapath-ext/vhost/vring-private.h \
	datapath-ext/vhost/vring-resume.c \
	datapath-ext/vhost/vring-split.h \
	datapath-ext/vhost/vring.c \
	datapath-ext/vhost/vring.h
datapath_ext_flow = \
	datapath-ext/flow/cache.c \
	datapath-ext/flow/classifier.c \
	datapath-ext/flow/flow-private.h \
	datapath-ext/flow/key.c \
	datapath-ext/flow/log.c \
	datapath-ext/flow/megaflow.h \
	datapath-ext/flow/shape.c \
	datapath-ext/flow/shape.h \
	datapath-ext/flow/smc.c \
	datapath-ext/flow/table.c \
	datapath-ext/flow/union.c
datapath_ext_action = \
	datapath-ext/action/action.h \
	datapath-ext/action/compile.c \
	datapath-ext/action/ct.c \
	datapath-ext/action/edit.c
datapath_ext_offload = \
	datapath-ext/offload/offload-private.h \
	datapath-ext/offload/offload.c \
	datapath-ext/offload/offload.h \
	datapath-ext/offload/threads.c
datapath_ext_pmd = \
	datapath-ext/pmd/main-road.c \
	datapath-ext/pmd/perf.c \
	datapath-ext/pmd/placement.c \
	datapath-ext/pmd/placement.h \
	datapath-ext/pmd/pmd-private.h \
	datapath-ext/pmd/pmd.c \
	datapath-ext/pmd/pmd.h \
	datapath-ext/pmd/poll-set.c \
	datapath-ext/pmd/side-action.c \
	datapath-ext/pmd/side-fate.c \
	datapath-ext/pmd/side-output.c \
	datapath-ext/pmd/side-road.c \
	datapath-ext/pmd/side-road.h \
	datapath-ext/pmd/tx-steering.c
datapath_ext_upcall = \
	datapath-ext/upcall/ask.c \
	datapath-ext/upcall/client.c \
	datapath-ext/upcall/upcall-private.h \
	datapath-ext/upcall/upcall.c \
	datapath-ext/upcall/upcall.h
datapath_ext_meter = \
	datapath-ext/meter/meter.c \
	datapath-ext/meter/meter.h
datapath_ext_bond = \
	datapath-ext/bond/bond.c \
	datapath-ext/bond/bond.h
datapath_ext_port = \
	datapath-ext/port/drop.c \
	datapath-ext/port/port.c \
	datapath-ext/port/port.h

datapath_ext_sources = \
	datapath-ext/dp-balance.c \
	datapath-ext/dp-private.h \
	datapath-ext/dp-threads.c \
	datapath-ext/dp.c \
	datapath-ext/dp.h \
	$(datapath_ext_vhost) \
	$(datapath_ext_flow) \
	$(datapath_ext_action) \
	$(datapath_ext_offload) \
	$(datapath_ext_pmd) \
	$(datapath_ext_upcall) \
	$(datapath_ext_meter) \
	$(datapath_ext_bond) \
	$(datapath_ext_port)
