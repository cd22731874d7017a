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

#ifndef ACCEL_BOND_H
#define ACCEL_BOND_H 1

/* bond: bonds that the datapath balances
 * ======================================
 *
 * With other_config:lb-output-action=true, ofproto gives the datapath a bond's
 * map of buckets to members, and flows say lb_output(BOND).  The hash of a
 * packet selects the bucket, and so the port; moving load to another member
 * takes a new map, no new flows.  The datapath counts what each bucket sent,
 * from which ofproto rebalances.
 *
 * bond_choose() takes no lock, and any thread may call it.  All functions are
 * thread-safe. */

#include <stdbool.h>
#include <stdint.h>

#include "dpif.h"

struct bond_table;
struct ds;

struct bond_table *bond_table_create(void);

/* No thread may be in bond_choose() any more. */
void bond_table_destroy(struct bond_table *);

/* Makes bond 'id', or gives it another map and keeps its counters. */
void bond_add(struct bond_table *, uint32_t id,
              const odp_port_t members[BOND_BUCKETS]);

/* These return 0, or ENOENT if there is no such bond. */
int bond_del(struct bond_table *, uint32_t id);
int bond_get_stats(const struct bond_table *, uint32_t id,
                   uint64_t n_bytes[BOND_BUCKETS]);

/* Tells to which port a packet of 'n_bytes' bytes whose RSS hash is 'hash'
 * goes, and counts it there.  Returns false if there is no such bond. */
bool bond_choose(const struct bond_table *, uint32_t id, uint32_t hash,
                 uint32_t n_bytes, odp_port_t *member);

/* Appends all maps to 'ds' as ovs-appctl dpif-netdev/bond-show does. */
void bond_format(const struct bond_table *, struct ds *);

#endif /* bond.h */
