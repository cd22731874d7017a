/* Copyright (c) 2026 The OVS-Accel Authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */


#ifndef NETDEV_ACCEL_VHOST_H
#define NETDEV_ACCEL_VHOST_H 1

/* netdev-accel-vhost: vhost-user ports served by our own ring code
 * ================================================================
 *
 * Two netdev classes over datapath-ext/vhost:
 *
 *   - "accelvhost": options:vhost-server-path (the front end, QEMU, listens;
 *     we connect and reconnect) or options:vhost-listen-path (we listen).
 *     Stands in for "dpdkvhostuserclient" on an accel bridge.
 *
 *   - "accelvhostuser": we listen on a socket named after the port, in the
 *     directory that other_config:vhost-sock-dir names.  Stands in for
 *     "dpdkvhostuser" on an accel bridge.
 *
 * On a netdev bridge they work through rxq_recv() and send().  The accel
 * datapath takes the 'struct vhost_port' instead and reads the rings itself.
 *
 * Configuration, as for any netdev, comes from OVS's main thread. */

struct netdev;
struct vhost_port;

void netdev_accel_vhost_register(void);

/* The port behind 'netdev', or NULL if 'netdev' is of another class or has
 * none.  Stays valid until the next netdev_reconfigure() of 'netdev' or until
 * the last reference to 'netdev' is closed; the datapath stops using it
 * before either and asks again after the former.  Any thread. */
struct vhost_port *netdev_accel_vhost_get_port(const struct netdev *netdev);

#endif /* netdev-accel-vhost.h */
