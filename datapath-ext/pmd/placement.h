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

#ifndef ACCEL_PLACEMENT_H
#define ACCEL_PLACEMENT_H 1

/* Which core polls which receive queue: part of pmd/, for dp.c. */

#include <stdbool.h>
#include <stddef.h>

struct ovs_numa_dump;
struct port_table;
struct port;

struct pmd_rxq_place {
    struct port *port;
    unsigned int qid;
    unsigned int core_id;       /* NON_PMD_CORE_ID: no core may poll it. */
    int numa_id;
    bool pinned;                /* By "pmd-rxq-affinity". */
};

/* Places each queue of each polled port in 'ports' on one of 'cores': where
 * its "pmd-rxq-affinity" says, else on the core with the fewest queues, of the
 * device's NUMA node if possible.  Cores with pinned queues take no others.
 * Returns an array of '*n' places that the caller frees, in order of port
 * numbers, so that the places of old ports do not depend on new ones. */
struct pmd_rxq_place *placement_make(const struct port_table *ports,
                                     const struct ovs_numa_dump *cores,
                                     size_t *n);

/* Parses 'affinity' ("QUEUE:CORE,...") for queue 'qid'.  Returns true and
 * stores the core if it names one. */
bool placement_parse_affinity(const char *affinity, unsigned int qid,
                              unsigned int *core_id);

/* Returns true if 'affinity' is well-formed. */
bool placement_affinity_is_valid(const char *affinity);

#endif /* placement.h */
