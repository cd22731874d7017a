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

#ifndef ACCEL_OFFLOAD_H
#define ACCEL_OFFLOAD_H 1

/* offload: megaflows in the devices themselves
 * ============================================
 *
 * With "hw-offload" (netdev_is_flow_api_enabled()) each megaflow whose
 * in_port's netdev has a flow API (OVS's lib/netdev-offload.h) is offered to
 * that netdev, by threads that do nothing else ("n-offload-threads").  A
 * device may refuse; the megaflow then works as ever.
 *
 * An offered megaflow has a mark, which the device puts on packets that match
 * and that it has not handled alone: offload_find() then takes the place of
 * the lookup.  A deleted megaflow's mark finds nothing at once, and becomes
 * another one's only when it is out of the device and a grace period has
 * passed.
 *
 * The room observes a megaflow table: whoever puts and deletes flows need not
 * know of it.  A megaflow is handled by one offload thread for its life.  That
 * thread looks at what the megaflow is when its turn comes, so that changes
 * in quick succession cost one operation.
 *
 * offload_create(), _destroy() and _port_*() belong to the control thread.
 * The rest may be called from any OVS thread. */

#include <stdbool.h>
#include <stdint.h>

struct dpif_flow_attrs;
struct dpif_flow_stats;
struct megaflow;
struct megaflow_table;
struct netdev_custom_stats;
struct offload;
struct port;
struct port_table;

/* Offers the megaflows of 'flows' to the netdevs of 'ports', which OVS's
 * netdev_ports_get() knows under 'dpif_type', compared as a pointer.  Starts
 * no thread before there is something to offer. */
struct offload *offload_create(const char *dpif_type,
                               struct megaflow_table *flows,
                               struct port_table *ports);

/* To be called after the table of flows has been destroyed.  Waits for the
 * offload threads to be done with its flows. */
void offload_destroy(struct offload *);

/* Takes all flows out of the device of 'port', which was taken out of the port
 * table a grace period ago, and waits until that is done. */
void offload_port_withdraw(struct offload *, const struct port *);

/* Offers the megaflows of 'port', which is in the port table, anew. */
void offload_port_return(struct offload *, const struct port *);

/* Returns the live megaflow with 'mark', or NULL.  It lives until the thread
 * next quiesces. */
struct megaflow *offload_find(const struct offload *, uint32_t mark);

/* If the device of its in_port has taken 'megaflow', stores what the device
 * counted for it ('dpif_flow_stats') and how far it was taken ('attrs', as
 * netdev_flow_get()) and returns true. */
bool offload_get_status(const struct offload *, const struct megaflow *,
                        struct dpif_flow_stats *, struct dpif_flow_attrs *);

struct offload_counters {
    uint64_t queued;            /* Operations put in a queue. */
    uint64_t added;             /* Megaflows that a device took, */
    uint64_t modified;          /* and took again with other actions. */
    uint64_t refused;           /* Offers that a device did not take. */
    uint64_t deleted;           /* Megaflows taken out of a device. */
    uint64_t marks;             /* In use now. */
    uint64_t in_device;         /* Megaflows in devices now. */
};
void offload_get_counters(const struct offload *,
                          struct offload_counters *);

/* Fills 'stats' as dpif_class's offload_stats_get() wants them: in total and
 * per thread.  Returns 0, or EINVAL if offload is off.  'stats->counters' is
 * the caller's to free. */
int offload_get_thread_stats(const struct offload *,
                             struct netdev_custom_stats *stats);

#endif /* offload.h */
