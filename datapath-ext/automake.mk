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

datapath_ext_vhost =
datapath_ext_flow = \
	datapath-ext/flow/cache.c \
	datapath-ext/flow/classifier.c \
	datapath-ext/flow/flow-private.h \
	datapath-ext/flow/key.c \
	datapath-ext/flow/megaflow.h \
	datapath-ext/flow/shape.c \
	datapath-ext/flow/shape.h \
	datapath-ext/flow/table.c \
	datapath-ext/flow/union.c
datapath_ext_action = \
	datapath-ext/action/action.h \
	datapath-ext/action/compile.c \
	datapath-ext/action/edit.c
datapath_ext_pmd =
datapath_ext_upcall =
datapath_ext_port =

datapath_ext_sources = \
	$(datapath_ext_vhost) \
	$(datapath_ext_flow) \
	$(datapath_ext_action) \
	$(datapath_ext_pmd) \
	$(datapath_ext_upcall) \
	$(datapath_ext_port)
