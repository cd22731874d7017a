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

#include <config.h>

#include "pmd/placement.h"

#include <stdlib.h>

#include "dpdk.h"
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "port/port.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(accel_placement);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

/* A core and how many queues it has got so far. */
struct core {
    unsigned int core_id;
    int numa_id;
    unsigned int n_rxqs;
    bool isolated;
};

bool
placement_parse_affinity(const char *affinity, unsigned int qid,
                         unsigned int *core_id)
{
    char *copy = nullable_xstrdup(affinity);
    char *save_ptr = NULL;
    bool found = false;

    for (char *pair = copy ? strtok_r(copy, ", ", &save_ptr) : NULL; pair;
         pair = strtok_r(NULL, ", ", &save_ptr)) {
        unsigned int queue, core;

        if (ovs_scan(pair, "%u:%u", &queue, &core) && queue == qid) {
            *core_id = core;
            found = true;
        }
    }
    free(copy);
    return found;
}

bool
placement_affinity_is_valid(const char *affinity)
{
    char *copy = xstrdup(affinity);
    char *save_ptr = NULL;
    bool valid = true;

    for (char *pair = strtok_r(copy, ", ", &save_ptr); pair && valid;
         pair = strtok_r(NULL, ", ", &save_ptr)) {
        unsigned int queue, core;
        int n = 0;

        valid = ovs_scan(pair, "%u:%u%n", &queue, &core, &n) && !pair[n];
    }
    free(copy);
    return valid;
}

static int
compare_places(const void *a_, const void *b_)
{
    const struct pmd_rxq_place *a = a_;
    const struct pmd_rxq_place *b = b_;
    uint32_t a_no = odp_to_u32(a->port->port_no);
    uint32_t b_no = odp_to_u32(b->port->port_no);

    return (a_no != b_no ? (a_no < b_no ? -1 : 1)
            : a->qid < b->qid ? -1 : a->qid > b->qid);
}

static struct pmd_rxq_place *
list_rxqs(const struct port_table *ports, size_t *n)
{
    struct pmd_rxq_place *places = NULL;
    size_t allocated = 0;
    struct port *port;

    *n = 0;
    PORT_TABLE_FOR_EACH (port, ports) {
        for (unsigned int qid = 0; port->is_pmd && qid < port->n_rxq; qid++) {
            if (*n == allocated) {
                places = x2nrealloc(places, &allocated, sizeof *places);
            }
            places[(*n)++] = (struct pmd_rxq_place) {
                .port = port,
                .qid = qid,
                .core_id = NON_PMD_CORE_ID,
                .numa_id = netdev_get_numa_id(port->netdev),
            };
        }
    }
    if (*n) {
        qsort(places, *n, sizeof *places, compare_places);
    }
    return places;
}

static void
place(struct pmd_rxq_place *p, struct core *core)
{
    p->core_id = core->core_id;
    p->numa_id = core->numa_id;
    core->n_rxqs++;
}

static void
place_pinned(struct pmd_rxq_place *p, struct core *cores, size_t n_cores)
{
    unsigned int core_id;

    if (!placement_parse_affinity(p->port->rxq_affinity, p->qid, &core_id)) {
        return;
    }
    p->pinned = true;
    for (size_t i = 0; i < n_cores; i++) {
        if (cores[i].core_id == core_id) {
            cores[i].isolated = true;
            place(p, &cores[i]);
            return;
        }
    }
    VLOG_WARN_RL(&rl, "%s: pmd-rxq-affinity puts queue %u on core %u, which "
                 "is not in pmd-cpu-mask: nobody polls the queue until one "
                 "of them changes", netdev_get_name(p->port->netdev), p->qid,
                 core_id);
}

static void
place_freely(struct pmd_rxq_place *p, struct core *cores, size_t n_cores)
{
    struct core *best = NULL;
    bool best_local = false;

    for (size_t i = 0; i < n_cores; i++) {
        struct core *core = &cores[i];
        bool local = p->numa_id < 0 || core->numa_id == p->numa_id;

        if (core->isolated) {
            continue;
        }
        if (!best || local > best_local
            || (local == best_local && core->n_rxqs < best->n_rxqs)) {
            best = core;
            best_local = local;
        }
    }
    if (best) {
        place(p, best);
    } else {
        VLOG_WARN_RL(&rl, "%s: no core is left to poll queue %u, because all "
                     "in pmd-cpu-mask have pinned queues: add cores to it",
                     netdev_get_name(p->port->netdev), p->qid);
    }
}

static int
compare_cores(const void *a_, const void *b_)
{
    const struct core *a = a_;
    const struct core *b = b_;

    return a->core_id < b->core_id ? -1 : a->core_id > b->core_id;
}

struct pmd_rxq_place *
placement_make(const struct port_table *ports,
               const struct ovs_numa_dump *dump, size_t *n)
{
    size_t n_cores = ovs_numa_dump_count(dump);
    struct core *cores = xcalloc(n_cores, sizeof *cores);
    const struct ovs_numa_info_core *info;
    struct pmd_rxq_place *places = list_rxqs(ports, n);
    size_t i = 0;

    FOR_EACH_CORE_ON_DUMP (info, dump) {
        cores[i].core_id = info->core_id;
        cores[i++].numa_id = info->numa_id;
    }
    qsort(cores, n_cores, sizeof *cores, compare_cores);

    for (i = 0; i < *n; i++) {
        place_pinned(&places[i], cores, n_cores);
    }
    for (i = 0; i < *n; i++) {
        if (!places[i].pinned) {
            place_freely(&places[i], cores, n_cores);
        }
    }
    free(cores);
    return places;
}
