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

/* Random test of pmd/placement.c against a reference, with dummy ports and
 * dummy cores. */

#include <config.h>
#undef NDEBUG

#include "pmd/placement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpif.h"
#include "dummy.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "ovs-rcu.h"
#include "ovstest.h"
#include "port/port.h"
#include "random.h"
#include "random-frame.h"
#include "smap.h"
#include "util.h"

/* Even cores on node 0, odd ones on node 1. */
#define N_CORES 8
#define DUMMY_CORES "0,1,0,1,0,1,0,1"
#define MAX_PORTS 6
#define MAX_RXQS 5

static struct vhost_port *
no_vhost(const struct netdev *netdev OVS_UNUSED)
{
    return NULL;
}

/* Adds a port with up to MAX_RXQS queues, some of which are perhaps pinned to
 * some core. */
static struct port *
add_port(struct port_table *table, unsigned int port_no, bool pins)
{
    unsigned int n_rxq = 1 + random_range(MAX_RXQS);
    struct smap args = SMAP_INITIALIZER(&args);
    struct ds affinity = DS_EMPTY_INITIALIZER;
    struct port *port;
    char name[16];

    snprintf(name, sizeof name, "p%u", port_no);
    ovs_assert(!port_open(name, "dummy-pmd", u32_to_odp(port_no), &port));
    smap_add_format(&args, "n_rxq", "%u", n_rxq);
    smap_add_format(&args, "numa_id", "%u", random_range(2));
    ovs_assert(!netdev_set_config(port->netdev, &args, NULL));
    smap_destroy(&args);
    ovs_assert(!port_configure(port, 1, no_vhost));
    ovs_assert(port->is_pmd && port->n_rxq == n_rxq);

    for (unsigned int qid = 0; pins && qid < n_rxq; qid++) {
        if (random_one_in(4)) {
            ds_put_format(&affinity, "%s%u:%u", affinity.length ? "," : "",
                          qid, random_range(N_CORES));
        }
    }
    port->rxq_affinity = affinity.length ? ds_steal_cstr(&affinity) : NULL;
    ds_destroy(&affinity);
    port_table_insert(table, port);
    return port;
}

/* Gives some queues of 'port' a load. */
static void
add_loads(struct port *port)
{
    for (unsigned int qid = 0; qid < port->n_rxq; qid++) {
        for (unsigned int n = random_range(20); n > 0; n--) {
            port_load_record(&port->loads[qid].history, random_range(4), 1);
        }
    }
}

/* The reference: the same rules in another way.  A node's cores are taken by
 * counting how often one was taken. */
struct model {
    struct placement_rules rules;
    bool usable[N_CORES];
    bool isolated[N_CORES];
    uint64_t cycles[N_CORES];
    unsigned int n_rxqs[N_CORES];
    unsigned int n_turns[2];    /* Of each node. */
    unsigned int n_remote;      /* Queues that looked for another node. */
};

static bool
node_is_free(const struct model *m, unsigned int node)
{
    for (unsigned int i = node; i < N_CORES; i += 2) {
        if (m->usable[i] && !m->isolated[i]) {
            return true;
        }
    }
    return false;
}

/* Returns the 'n'th usable core of 'node' in the order of turns. */
static unsigned int
core_of_turn(const struct model *m, unsigned int node, unsigned int n)
{
    unsigned int cores[N_CORES], n_cores = 0;

    for (unsigned int i = node; i < N_CORES; i += 2) {
        if (m->usable[i]) {
            cores[n_cores++] = i;
        }
    }
    if (m->rules.algo == PLACE_ROUNDROBIN) {
        return cores[n % n_cores];
    }
    n %= 2 * n_cores;
    return cores[n < n_cores ? n : 2 * n_cores - 1 - n];
}

static unsigned int
lightest_core(const struct model *m, unsigned int node, bool by_cycles)
{
    unsigned int best = NON_PMD_CORE_ID;

    for (unsigned int i = node; i < N_CORES; i += 2) {
        if (m->usable[i] && !m->isolated[i]
            && (best == NON_PMD_CORE_ID
                || (by_cycles ? m->cycles[i] < m->cycles[best]
                    : m->n_rxqs[i] < m->n_rxqs[best]))) {
            best = i;
        }
    }
    return best;
}

static unsigned int
model_core(struct model *m, const struct pmd_rxq_place *rxq)
{
    unsigned int node = netdev_get_numa_id(rxq->port->netdev);
    bool has_cores[2] = { false, false };
    unsigned int core;

    for (unsigned int i = 0; i < N_CORES; i++) {
        has_cores[i % 2] |= m->usable[i];
    }
    if (!node_is_free(m, node)) {
        /* The nodes with cores, in turn. */
        unsigned int n_nodes = has_cores[0] + has_cores[1];
        unsigned int tries = 0;

        do {
            if (tries++ == n_nodes) {
                return NON_PMD_CORE_ID;
            }
            node = n_nodes == 2 ? m->n_remote++ % 2 : !has_cores[0];
        } while (!node_is_free(m, node));
    }
    if (m->rules.algo == PLACE_GROUP) {
        return lightest_core(m, node, rxq->cycles);
    }
    do {
        core = core_of_turn(m, node, m->n_turns[node]++);
    } while (m->isolated[core]);
    return core;
}

static void
model_add(struct model *m, const struct pmd_rxq_place *rxq, unsigned int core,
          bool pinned)
{
    ovs_assert(rxq->core_id == core);
    ovs_assert(rxq->pinned == pinned);
    if (core != NON_PMD_CORE_ID) {
        m->cycles[core] += rxq->cycles;
        m->n_rxqs[core]++;
    }
}

/* Returns the queue without a place with the largest load, or the first one if
 * loads do not matter. */
static size_t
next_rxq(const struct model *m, const struct placement *p, const bool *done)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < p->n_rxqs; i++) {
        if (!done[i] && (best == SIZE_MAX
                         || (m->rules.algo != PLACE_ROUNDROBIN
                             && p->rxqs[i].cycles > p->rxqs[best].cycles))) {
            best = i;
        }
    }
    return best;
}

/* Checks 'p' against the reference. */
static void
check_model(struct model *m, const struct placement *p)
{
    bool *done = xcalloc(p->n_rxqs, sizeof *done);
    size_t i;

    for (i = 0; i < p->n_rxqs; i++) {
        const struct pmd_rxq_place *rxq = &p->rxqs[i];
        unsigned int core;

        ovs_assert(rxq->cycles == port_load_sum(
                       &rxq->port->loads[rxq->qid].history, 12));
        if (placement_parse_affinity(rxq->port->rxq_affinity, rxq->qid, &core)
            && m->usable[core]) {
            m->isolated[core] |= m->rules.isolate;
            model_add(m, rxq, core, true);
            done[i] = true;
        }
    }
    while ((i = next_rxq(m, p, done)) != SIZE_MAX) {
        model_add(m, &p->rxqs[i], model_core(m, &p->rxqs[i]), false);
        done[i] = true;
    }
    for (i = 0; i < p->n_cores; i++) {
        const struct pmd_core *core = &p->cores[i];

        ovs_assert(core->numa_id == core->core_id % 2);
        ovs_assert(core->isolated == m->isolated[core->core_id]);
        ovs_assert(core->n_rxqs == m->n_rxqs[core->core_id]);
        ovs_assert(core->cycles == m->cycles[core->core_id]);
    }
    free(done);
}

/* Checks that each queue has one place, in order, and each core, too. */
static void
check_order(const struct placement *p, size_t n_rxqs)
{
    ovs_assert(p->n_rxqs == n_rxqs);
    for (size_t i = 1; i < p->n_rxqs; i++) {
        uint32_t a = odp_to_u32(p->rxqs[i - 1].port->port_no);
        uint32_t b = odp_to_u32(p->rxqs[i].port->port_no);

        ovs_assert(a < b
                   || (a == b && p->rxqs[i - 1].qid < p->rxqs[i].qid));
    }
    for (size_t i = 1; i < p->n_cores; i++) {
        ovs_assert(p->cores[i - 1].core_id < p->cores[i].core_id);
    }
}

/* Checks what is told of a placement against the definitions. */
static void
check_summary(struct placement *p)
{
    bool crosses = false, nodes[2] = { false, false };

    for (size_t i = 0; i < p->n_rxqs; i++) {
        const struct pmd_rxq_place *rxq = &p->rxqs[i];

        crosses |= (rxq->core_id != NON_PMD_CORE_ID && !rxq->pinned
                    && (netdev_get_numa_id(rxq->port->netdev)
                        != rxq->core_id % 2));
    }
    for (size_t i = 0; i < p->n_cores; i++) {
        nodes[p->cores[i].numa_id] = true;
        p->cores[i].capacity = 1000;
    }
    ovs_assert(placement_crosses_numa(p) == crosses);
    ovs_assert(placement_has_nodes(p) == (nodes[0] && nodes[1]));
    for (int node = 0; node < 2; node++) {
        uint64_t loads[N_CORES], n = 0, sum = 0, squares = 0;

        for (size_t i = 0; i < p->n_cores; i++) {
            if (p->cores[i].numa_id == node && !p->cores[i].isolated) {
                loads[n++] = p->cores[i].cycles * 100 / 1000;
                sum += loads[n - 1];
            }
        }
        for (size_t i = 0; i < n; i++) {
            squares += (loads[i] - sum / n) * (loads[i] - sum / n);
        }
        ovs_assert(placement_variance(p, node) == (n ? squares / n : 0));
    }
}

static void
remove_port(struct port_table *table, struct port *port)
{
    port_table_remove(table, port);
    ovsrcu_synchronize();
    port_close(port);
}

static void
test_once(void)
{
    const struct placement_rules rules = {
        .algo = random_range(3),
        .isolate = random_one_in(2),
    };
    unsigned int n_ports = 1 + random_range(MAX_PORTS);
    uint32_t mask = 1 + random_range((1u << N_CORES) - 1);
    bool pins = random_one_in(2);
    struct port *ports[MAX_PORTS];
    struct ovs_numa_dump *cores;
    struct port_table table;
    size_t n_rxqs = 0;
    char cmask[8];

    snprintf(cmask, sizeof cmask, "%"PRIx32, mask);
    cores = ovs_numa_dump_cores_with_cmask(cmask);
    port_table_init(&table);
    for (unsigned int i = 0; i < n_ports; i++) {
        struct model m = { .rules = rules };
        struct placement p;

        for (unsigned int core = 0; core < N_CORES; core++) {
            m.usable[core] = mask & (1u << core);
        }
        ports[i] = add_port(&table, i + 1, pins);
        if (random_one_in(2)) {
            add_loads(ports[i]);
        }
        n_rxqs += ports[i]->n_rxq;
        placement_make(&p, &table, cores, N_CORES, &rules, VLL_INFO);
        check_order(&p, n_rxqs);
        check_model(&m, &p);
        check_summary(&p);

        placement_measure(&p);
        check_summary(&p);
        placement_forget(&p, ports[i]);
        check_order(&p, n_rxqs - ports[i]->n_rxq);
        placement_destroy(&p);
    }
    ovs_numa_dump_destroy(cores);
    for (unsigned int i = 0; i < n_ports; i++) {
        remove_port(&table, ports[i]);
    }
    port_table_destroy(&table);
}

/* Places five queues with 'loads' on cores 3, 5 and 7, of one node, and checks
 * on which ones they are. */
static void
check_example(enum placement_algo algo, const unsigned int loads[5],
              const unsigned int expected[5])
{
    const struct placement_rules rules = { .algo = algo, .isolate = true };
    struct ovs_numa_dump *cores = ovs_numa_dump_cores_with_cmask("a8");
    struct port_table table;
    struct placement p;
    struct port *port;

    port_table_init(&table);
    do {
        port = add_port(&table, 1, false);
    } while (port->n_rxq != MAX_RXQS
             && (remove_port(&table, port), true));
    for (unsigned int i = 0; i < MAX_RXQS; i++) {
        port_load_record(&port->loads[i].history, loads[i], 1);
    }
    placement_make(&p, &table, cores, N_CORES, &rules, VLL_INFO);
    for (unsigned int i = 0; i < MAX_RXQS; i++) {
        ovs_assert(p.rxqs[i].core_id == expected[i]);
    }
    placement_destroy(&p);
    remove_port(&table, port);
    port_table_destroy(&table);
    ovs_numa_dump_destroy(cores);
}

/* The examples of OVS's Documentation/topics/dpdk/pmd.rst. */
static void
test_examples(void)
{
    static const unsigned int cycles[] = { 30, 80, 60, 70, 10 };
    static const unsigned int on_cycles[] = { 7, 3, 7, 5, 5 };
    static const unsigned int group[] = { 10, 80, 50, 70, 10 };
    static const unsigned int on_group[] = { 7, 3, 7, 5, 7 };
    static const unsigned int on_roundrobin[] = { 3, 5, 7, 3, 5 };

    check_example(PLACE_CYCLES, cycles, on_cycles);
    check_example(PLACE_GROUP, group, on_group);
    check_example(PLACE_ROUNDROBIN, group, on_roundrobin);
}

/* Histories keep the newest intervals. */
static void
test_history(void)
{
    struct port_load_history history;
    uint64_t values[100];
    unsigned int i = 0;

    memset(&history, 0, sizeof history);
    while (i < ARRAY_SIZE(values)) {
        unsigned int n_any = 1 + random_range(20);
        unsigned int n_new = MIN(n_any, ARRAY_SIZE(values) - i);
        uint64_t value = random_uint32();

        for (unsigned int n = 1; n <= PORT_LOAD_INTERVALS; n++) {
            uint64_t sum = 0;

            for (unsigned int j = 1; j <= n && j <= i; j++) {
                sum += values[i - j];
            }
            ovs_assert(port_load_sum(&history, n) == sum);
        }
        port_load_record(&history, value, n_new);
        for (unsigned int j = 0; j < n_new; j++) {
            values[i++] = value / n_new;
        }
    }
}

static void
test_affinity(void)
{
    static const char *const bad[] = {
        "x", "0", "0:", ":1", "0:x", "0:1;1:2", "0:1x", "0:1,1",
    };
    unsigned int core_id = 7;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        ovs_assert(!placement_affinity_is_valid(bad[i]));
    }
    ovs_assert(placement_affinity_is_valid(""));
    ovs_assert(placement_affinity_is_valid("0:3, 2:1"));
    ovs_assert(!placement_parse_affinity(NULL, 0, &core_id));
    ovs_assert(!placement_parse_affinity("0:3,2:1", 1, &core_id));
    ovs_assert(core_id == 7);
    ovs_assert(placement_parse_affinity("0:3,2:1", 2, &core_id));
    ovs_assert(core_id == 1);
}

static void
test_placement_main(int argc, char *argv[])
{
    uint32_t seed;

    set_program_name(argv[0]);
    if (argc < 2) {
        ovs_fatal(0, "usage: %s ROUNDS [SEED]", argv[0]);
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    ovs_numa_set_dummy(DUMMY_CORES);
    ovs_numa_init();
    netdev_dummy_register(DUMMY_OVERRIDE_NONE);
    random_init();
    seed = argc > 2 ? strtoul(argv[2], NULL, 0) : random_uint32();
    printf("seed %"PRIu32"\n", seed);
    fflush(stdout);
    random_set_seed(seed);
    ovsrcu_quiesce_end();
    test_affinity();
    test_history();
    test_examples();
    for (int i = atoi(argv[1]); i > 0; i--) {
        test_once();
    }

    /* So that a memory checker sees what is left. */
    ovsrcu_exit();
}

OVSTEST_REGISTER("test-placement", test_placement_main);
