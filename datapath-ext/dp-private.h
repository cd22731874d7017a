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

#ifndef ACCEL_DP_PRIVATE_H
#define ACCEL_DP_PRIVATE_H 1

/* What dp.c, dp-threads.c and dp-balance.c share.  All of it belongs to the
 * control thread. */

#include "dp.h"

/* Places all queues on threads.  There is a thread for each core that may
 * poll, as long as there is a port to poll. */
void dp_place_queues(struct dp *);

/* Stops polling 'port', which is out of the port table, until the queues are
 * placed anew.  When this returns, no thread uses it. */
void dp_stop_polling(struct dp *, const struct port *port);

/* Waits until all that was received from 'port', which nobody polls any more,
 * has been sent on: so no packet overtakes another on the way when another
 * thread polls the port next. */
void dp_await_answers(const struct port *port);

/* Returns the cores that may poll; the caller frees them. */
struct ovs_numa_dump *dp_usable_cores(struct dp *);

/* dp-balance.c */
void dp_balance_set(struct dp *, const struct dp_balance_config *);
void dp_balance_run(struct dp *);
void dp_balance_wait(const struct dp *);

#endif /* dp-private.h */
