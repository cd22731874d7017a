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

# What OVS sees of the engine: the classes.

lib_sources = \
	lib/accel-dpdk.c \
	lib/accel-dpdk.h \
	lib/accel-init.c \
	lib/dpif-accel-config.c \
	lib/dpif-accel-ct.c \
	lib/dpif-accel-dummy.c \
	lib/dpif-accel-flow.c \
	lib/dpif-accel-meter.c \
	lib/dpif-accel-metrics.c \
	lib/dpif-accel-unixctl.c \
	lib/dpif-accel.c \
	lib/dpif-accel.h \
	lib/netdev-accel-vhost-config.c \
	lib/netdev-accel-vhost-private.h \
	lib/netdev-accel-vhost-stats.c \
	lib/netdev-accel-vhost-rxtx.c \
	lib/netdev-accel-vhost-qos.c \
	lib/netdev-accel-vhost.c \
	lib/netdev-accel-vhost.h
