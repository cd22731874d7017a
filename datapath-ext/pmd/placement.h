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

/* Which core polls which receive queue: part of pmd/, for dp*.c, which call it
 * on the control thread.
 *
 * The rules, and what is logged, are those of OVS's userspace datapath
 * (lib/dpif-netdev.c, rxq_scheduling()), as vswitchd/vswitch.xml and
 * Documentation/topics/dpdk/pmd.rst of OVS document them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/vlog.h"

struct ovs_numa_dump;
struct port_table;
struct port;

/* "pmd-rxq-assign". */
enum placement_algo {
    PLACE_CYCLES,               /* By load, up and down the cores in turn. */
    PLACE_ROUNDROBIN,           /* In turn. */
    PLACE_GROUP,                /* By load, each on the least loaded core. */
};

struct placement_rules {
    enum placement_algo algo;
    bool isolate;               /* "pmd-rxq-isolate": cores with pinned queues
                                 * take no others. */
};

struct pmd_core {
    unsigned int core_id;
    int numa_id;
    bool isolated;
    unsigned int n_rxqs;
    uint64_t cycles;            /* Sum of its queues' 'cycles'. */
    uint64_t capacity;          /* What it can do in the same time, or 0 if
                                 * unknown.  For placement_variance(); the
                                 * caller sets it. */
};

struct pmd_rxq_place {
    struct port *port;
    unsigned int qid;
    unsigned int core_id;       /* NON_PMD_CORE_ID: no core may poll it. */
    uint64_t cycles;            /* Measured, see port_load_sum(). */
    bool pinned;                /* By "pmd-rxq-affinity". */
};

struct placement {
    struct pmd_core *cores;     /* In order of core ids. */
    size_t n_cores;
    struct pmd_rxq_place *rxqs; /* In order of port numbers and queues. */
    size_t n_rxqs;
};

/* Places each queue of each polled port in 'ports' on one of the first
 * 'max_cores' of 'cores': where its "pmd-rxq-affinity" says, else as 'rules'
 * say, on a core of the device's NUMA node if possible.  Logs what it does at
 * 'level'; at VLL_DBG nothing is logged as a warning, either.  The caller
 * frees '*p' with placement_destroy(). */
void placement_make(struct placement *p, const struct port_table *ports,
                    const struct ovs_numa_dump *cores, size_t max_cores,
                    const struct placement_rules *rules,
                    enum vlog_level level);
void placement_destroy(struct placement *);

/* Forgets the queues of 'port'. */
void placement_forget(struct placement *, const struct port *port);

/* Sums up again what the queues have cost, leaving all in place. */
void placement_measure(struct placement *);

/* Returns the core with 'core_id', or NULL. */
struct pmd_core *placement_find_core(const struct placement *,
                                     unsigned int core_id);

/* Returns true if a queue that is not pinned is on a core of another NUMA node
 * than its device. */
bool placement_crosses_numa(const struct placement *);

/* Returns true if there are cores on more than one NUMA node. */
bool placement_has_nodes(const struct placement *);

/* Returns the variance of the load, in percent of 'capacity', of the cores of
 * NUMA node 'numa_id' that are not isolated. */
uint64_t placement_variance(const struct placement *, int numa_id);

const char *placement_algo_name(enum placement_algo);

/* Parses 'affinity' ("QUEUE:CORE,...") for queue 'qid'.  Returns true and
 * stores the core if it names one. */
bool placement_parse_affinity(const char *affinity, unsigned int qid,
                              unsigned int *core_id);

/* Returns true if 'affinity' is well-formed. */
bool placement_affinity_is_valid(const char *affinity);

#endif /* placement.h */
