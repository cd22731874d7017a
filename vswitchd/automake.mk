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

sbin_PROGRAMS += vswitchd/ovs-vswitchd

# Functions of OVS whose callers in other objects get __wrap_FUNCTION of ours
# instead.  What each is for stands beside its definition in lib/.
vswitchd_wraps = \
	bridge_init \
	dpdk_init \
	dpif_dummy_register \
	dpif_is_netdev \
	netdev_dpdk_flow_api_supported

# OVS's own daemon, as its build made it, and our objects.  These are linked
# one by one: from an archive the linker would leave out those that only a
# constructor ties to the rest.
vswitchd_ovs_vswitchd_SOURCES = $(lib_sources) $(datapath_ext_sources)
vswitchd_ovs_vswitchd_LDFLAGS = \
	$(AM_LDFLAGS) \
	$(OVS_VSWITCHD_LDFLAGS) \
	$(vswitchd_wraps:%=-Wl,--wrap=%)
vswitchd_ovs_vswitchd_LDADD = $(OVS_VSWITCHD_OBJECTS) $(OVS_LIBS)
vswitchd_ovs_vswitchd_DEPENDENCIES = $(OVS_VSWITCHD_OBJECTS) $(OVS_ARCHIVES)
