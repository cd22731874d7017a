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

#ifndef VHOST_QUIESCE_H
#define VHOST_QUIESCE_H 1

/* Waiting for the threads of the data plane
 * ==========================================
 *
 * Threads touch guest memory and rings only between vhost_enter() and
 * vhost_exit() (see vhost.h).  Whoever takes a ring or memory away first makes
 * it unreachable, then calls vhost_quiesce(), and then may free it.
 *
 * This is not OVS's RCU because librte_vhost unmaps guest memory from within a
 * message handler of its own thread, which cannot wait as long as an RCU grace
 * period may take: here the wait lasts one burst of packets at most.  For the
 * same reason a thread never blocks within a section. */

/* Waits until every thread that is in a section now has left it.  Must not be
 * called from within a section.  Returns how long that took, in
 * microseconds. */
unsigned int vhost_quiesce(void);

#endif /* vhost/quiesce.h */
