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

#ifndef VHOST_SESSION_H
#define VHOST_SESSION_H 1

/* What happens on a port's socket, as told by librte_vhost's threads. */

struct rte_vhost_device_ops;
struct vhost_port;

extern const struct rte_vhost_device_ops vhost_session_ops;

const struct vhost_port *vhost_session_register(struct vhost_port *);
void vhost_session_unregister(struct vhost_port *);

#endif /* vhost/session.h */
