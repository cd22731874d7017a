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
#include "ovs-numa.h"
#include "port/port.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(accel_placement);

/* The cores of one NUMA node, and whose turn it is. */
struct node {
    int numa_id;
    struct pmd_core **cores;
    size_t n_cores;
    size_t n_isolated;
    size_t next;
    bool down;                  /* Going down the cores. */
};

/* A placement in the making. */
struct plan {
    struct placement *placement;
    const struct placement_rules *rules;
    enum vlog_level level;      /* Of what happens, */
    enum vlog_level warn_level; /* and of what may be a mistake. */
    struct node *nodes;         /* In order of their numbers. */
    size_t n_nodes;
    size_t next_remote;         /* Node that takes the next queue that cannot
                                 * stay on its own node. */
};

const char *
placement_algo_name(enum placement_algo algo)
{
    switch (algo) {
    case PLACE_ROUNDROBIN:
        return "roundrobin";
    case PLACE_GROUP:
        return "group";
    case PLACE_CYCLES:
    default:
        return "cycles";
    }
}

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

/* Queues and cores */

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

static uint64_t
rxq_cycles(const struct port *port, unsigned int qid)
{
    return port_load_sum(&port->loads[qid].history, PORT_LOAD_INTERVALS);
}

static void
list_rxqs(struct placement *p, const struct port_table *ports)
{
    size_t allocated = 0;
    struct port *port;

    PORT_TABLE_FOR_EACH (port, ports) {
        for (unsigned int qid = 0; port->is_pmd && qid < port->n_rxq; qid++) {
            if (p->n_rxqs == allocated) {
                p->rxqs = x2nrealloc(p->rxqs, &allocated, sizeof *p->rxqs);
            }
            p->rxqs[p->n_rxqs++] = (struct pmd_rxq_place) {
                .port = port,
                .qid = qid,
                .core_id = NON_PMD_CORE_ID,
                .cycles = rxq_cycles(port, qid),
            };
        }
    }
    if (p->n_rxqs) {
        qsort(p->rxqs, p->n_rxqs, sizeof *p->rxqs, compare_places);
    }
}

static int
compare_cores(const void *a_, const void *b_)
{
    const struct pmd_core *a = a_;
    const struct pmd_core *b = b_;

    return a->core_id < b->core_id ? -1 : a->core_id > b->core_id;
}

static void
list_cores(struct placement *p, const struct ovs_numa_dump *dump,
           size_t max_cores)
{
    const struct ovs_numa_info_core *info;

    p->cores = xcalloc(ovs_numa_dump_count(dump), sizeof *p->cores);
    FOR_EACH_CORE_ON_DUMP (info, dump) {
        p->cores[p->n_cores].core_id = info->core_id;
        p->cores[p->n_cores++].numa_id = info->numa_id;
    }
    qsort(p->cores, p->n_cores, sizeof *p->cores, compare_cores);
    p->n_cores = MIN(p->n_cores, max_cores);
}

static int
compare_nodes(const void *a_, const void *b_)
{
    const struct node *a = a_;
    const struct node *b = b_;

    return a->numa_id < b->numa_id ? -1 : a->numa_id > b->numa_id;
}

static struct node *
find_node(const struct plan *plan, int numa_id)
{
    for (size_t i = 0; i < plan->n_nodes; i++) {
        if (plan->nodes[i].numa_id == numa_id) {
            return &plan->nodes[i];
        }
    }
    return NULL;
}

static void
list_nodes(struct plan *plan)
{
    struct placement *p = plan->placement;

    plan->nodes = xcalloc(p->n_cores, sizeof *plan->nodes);
    for (size_t i = 0; i < p->n_cores; i++) {
        struct node *node = find_node(plan, p->cores[i].numa_id);

        if (!node) {
            node = &plan->nodes[plan->n_nodes++];
            node->numa_id = p->cores[i].numa_id;
            node->cores = xcalloc(p->n_cores, sizeof *node->cores);
        }
        node->cores[node->n_cores++] = &p->cores[i];
    }
    qsort(plan->nodes, plan->n_nodes, sizeof *plan->nodes, compare_nodes);
}

static void
plan_destroy(struct plan *plan)
{
    for (size_t i = 0; i < plan->n_nodes; i++) {
        free(plan->nodes[i].cores);
    }
    free(plan->nodes);
}

/* Placing */

static void
add_rxq(struct pmd_core *core, const struct pmd_rxq_place *rxq)
{
    core->n_rxqs++;
    core->cycles += rxq->cycles;
}

/* Returns what log messages tell of the load of 'rxq'; the caller frees it. */
static char *
describe_load(const struct plan *plan, const struct pmd_rxq_place *rxq)
{
    return (plan->rules->algo == PLACE_ROUNDROBIN
            ? xstrdup("")
            : xasprintf(" (measured processing cycles %"PRIu64")",
                        rxq->cycles));
}

/* Places 'rxq' if the user has pinned it to a core that we have.  Returns
 * false if it is still to be placed. */
static bool
place_pinned(struct plan *plan, struct pmd_rxq_place *rxq)
{
    const char *name = netdev_get_name(rxq->port->netdev);
    struct pmd_core *core;
    unsigned int core_id;
    char *load;

    if (!placement_parse_affinity(rxq->port->rxq_affinity, rxq->qid,
                                  &core_id)) {
        return false;
    }
    core = placement_find_core(plan->placement, core_id);
    if (!core) {
        VLOG(plan->warn_level,
             "Core %2u cannot be pinned with port '%s' rx queue %u. Use "
             "pmd-cpu-mask to enable a pmd on core %u. An alternative core "
             "will be assigned.", core_id, name, rxq->qid, core_id);
        return false;
    }

    if (plan->rules->isolate && !core->isolated) {
        core->isolated = true;
        find_node(plan, core->numa_id)->n_isolated++;
    }
    rxq->pinned = true;
    rxq->core_id = core->core_id;
    add_rxq(core, rxq);
    load = describe_load(plan, rxq);
    VLOG(plan->level, "Core %2u on numa node %d is pinned with port '%s' rx "
         "queue %u%s", core->core_id, core->numa_id, name, rxq->qid, load);
    free(load);
    return true;
}

/* Returns the node whose cores take 'rxq': that of its device, else the others
 * in turn, or NULL if all cores are isolated. */
static struct node *
choose_node(struct plan *plan, int numa_id)
{
    struct node *node = find_node(plan, numa_id);

    if (node && node->n_isolated < node->n_cores) {
        return node;
    }
    for (size_t i = 0; i < plan->n_nodes; i++) {
        node = &plan->nodes[plan->next_remote];
        plan->next_remote = (plan->next_remote + 1) % plan->n_nodes;
        if (node->n_isolated < node->n_cores) {
            return node;
        }
    }
    return NULL;
}

/* Returns the core of 'node' whose turn it is.  If 'bounce', turns round at
 * each end (1 2 3 3 2 1 1), else starts again (1 2 3 1 2 3). */
static struct pmd_core *
next_in_turn(struct node *node, bool bounce)
{
    struct pmd_core *core = node->cores[node->next];

    if (node->down ? node->next > 0 : node->next + 1 < node->n_cores) {
        node->next += node->down ? -1 : 1;
    } else if (bounce) {
        node->down = !node->down;
    } else {
        node->next = 0;
    }
    return core;
}

/* Returns the core of 'node' with the least load or, for a queue without load,
 * with the fewest queues. */
static struct pmd_core *
least_loaded(const struct node *node, bool has_load)
{
    struct pmd_core *best = NULL;

    for (size_t i = 0; i < node->n_cores; i++) {
        struct pmd_core *core = node->cores[i];

        if (!core->isolated
            && (!best || (has_load ? core->cycles < best->cycles
                          : core->n_rxqs < best->n_rxqs))) {
            best = core;
        }
    }
    return best;
}

static struct pmd_core *
choose_core(struct node *node, enum placement_algo algo, bool has_load)
{
    struct pmd_core *core;

    if (algo == PLACE_GROUP) {
        return least_loaded(node, has_load);
    }
    do {
        core = next_in_turn(node, algo == PLACE_CYCLES);
    } while (core->isolated);
    return core;
}

/* Places 'rxq', which is not pinned. */
static void
place_freely(struct plan *plan, struct pmd_rxq_place *rxq)
{
    const char *name = netdev_get_name(rxq->port->netdev);
    int numa_id = netdev_get_numa_id(rxq->port->netdev);
    struct node *node = choose_node(plan, numa_id);
    char *load = describe_load(plan, rxq);

    if (node) {
        struct pmd_core *core = choose_core(node, plan->rules->algo,
                                            rxq->cycles > 0);

        if (node->numa_id != numa_id && numa_id != OVS_NUMA_UNSPEC) {
            VLOG(plan->level, "There's no available (non-isolated) pmd thread "
                 "on numa node %d. Port '%s' rx queue %u will be assigned to "
                 "a pmd on numa node %d. This may lead to reduced "
                 "performance.", numa_id, name, rxq->qid, node->numa_id);
        }
        VLOG(plan->level, "Core %2u on numa node %d assigned port '%s' rx "
             "queue %u%s.", core->core_id, core->numa_id, name, rxq->qid,
             load);
        rxq->core_id = core->core_id;
        add_rxq(core, rxq);
    } else {
        VLOG(plan->warn_level, "No non-isolated pmd on any numa available for "
             "port '%s' rx queue %u%s. This rx queue will not be polled.",
             name, rxq->qid, load);
    }
    free(load);
}

/* Largest load first; queues of equal load in their usual order. */
static int
compare_loads(const void *a_, const void *b_)
{
    const struct pmd_rxq_place *const *a = a_;
    const struct pmd_rxq_place *const *b = b_;

    return ((*a)->cycles != (*b)->cycles
            ? ((*a)->cycles > (*b)->cycles ? -1 : 1)
            : compare_places(*a, *b));
}

void
placement_make(struct placement *p, const struct port_table *ports,
               const struct ovs_numa_dump *cores, size_t max_cores,
               const struct placement_rules *rules, enum vlog_level level)
{
    struct plan plan = {
        .placement = p,
        .rules = rules,
        .level = level,
        .warn_level = level == VLL_DBG ? VLL_DBG : VLL_WARN,
    };
    struct pmd_rxq_place **todo;
    size_t n = 0;

    memset(p, 0, sizeof *p);
    list_cores(p, cores, max_cores);
    list_rxqs(p, ports);
    list_nodes(&plan);

    todo = xcalloc(p->n_rxqs, sizeof *todo);
    for (size_t i = 0; i < p->n_rxqs; i++) {
        if (!place_pinned(&plan, &p->rxqs[i])) {
            todo[n++] = &p->rxqs[i];
        }
    }
    if (n && rules->algo != PLACE_ROUNDROBIN) {
        qsort(todo, n, sizeof *todo, compare_loads);
    }
    if (n && level != VLL_DBG) {
        VLOG(level, "Performing pmd to rx queue assignment using %s "
             "algorithm.", placement_algo_name(rules->algo));
    }
    for (size_t i = 0; i < n; i++) {
        place_freely(&plan, todo[i]);
    }
    free(todo);
    plan_destroy(&plan);
}

void
placement_destroy(struct placement *p)
{
    free(p->cores);
    free(p->rxqs);
    memset(p, 0, sizeof *p);
}

/* Afterwards */

void
placement_forget(struct placement *p, const struct port *port)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n_rxqs; i++) {
        if (p->rxqs[i].port != port) {
            p->rxqs[n++] = p->rxqs[i];
        }
    }
    p->n_rxqs = n;
}

struct pmd_core *
placement_find_core(const struct placement *p, unsigned int core_id)
{
    for (size_t i = 0; i < p->n_cores; i++) {
        if (p->cores[i].core_id == core_id) {
            return &p->cores[i];
        }
    }
    return NULL;
}

void
placement_measure(struct placement *p)
{
    for (size_t i = 0; i < p->n_cores; i++) {
        p->cores[i].n_rxqs = 0;
        p->cores[i].cycles = 0;
    }
    for (size_t i = 0; i < p->n_rxqs; i++) {
        struct pmd_rxq_place *rxq = &p->rxqs[i];
        struct pmd_core *core = placement_find_core(p, rxq->core_id);

        rxq->cycles = rxq_cycles(rxq->port, rxq->qid);
        if (core) {
            add_rxq(core, rxq);
        }
    }
}

bool
placement_crosses_numa(const struct placement *p)
{
    for (size_t i = 0; i < p->n_rxqs; i++) {
        const struct pmd_rxq_place *rxq = &p->rxqs[i];
        const struct pmd_core *core = placement_find_core(p, rxq->core_id);

        if (core && !rxq->pinned
            && core->numa_id != netdev_get_numa_id(rxq->port->netdev)) {
            return true;
        }
    }
    return false;
}

bool
placement_has_nodes(const struct placement *p)
{
    for (size_t i = 1; i < p->n_cores; i++) {
        if (p->cores[i].numa_id != p->cores[0].numa_id) {
            return true;
        }
    }
    return false;
}

static uint64_t
load_percent(const struct pmd_core *core)
{
    return core->capacity ? core->cycles * 100 / core->capacity : 0;
}

uint64_t
placement_variance(const struct placement *p, int numa_id)
{
    uint64_t sum = 0, squares = 0, mean, n = 0;

    for (size_t i = 0; i < p->n_cores; i++) {
        if (p->cores[i].numa_id == numa_id && !p->cores[i].isolated) {
            sum += load_percent(&p->cores[i]);
            n++;
        }
    }
    if (!n) {
        return 0;
    }
    mean = sum / n;
    for (size_t i = 0; i < p->n_cores; i++) {
        if (p->cores[i].numa_id == numa_id && !p->cores[i].isolated) {
            int64_t off = load_percent(&p->cores[i]) - mean;

            squares += off * off;
        }
    }
    return squares / n;
}
