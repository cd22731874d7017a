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

/* Random test of pmd/placement.c, with dummy ports and dummy cores. */

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
#define MAX_RXQS 4

struct core_load {
    unsigned int n_rxqs;
    bool usable;
    bool isolated;
};

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

/* Checks the places of pinned queues and returns the cores' loads. */
static void
check_pinned(const struct pmd_rxq_place *places, size_t n,
             const struct ovs_numa_dump *cores,
             struct core_load loads[N_CORES])
{
    memset(loads, 0, N_CORES * sizeof *loads);
    for (unsigned int i = 0; i < N_CORES; i++) {
        loads[i].usable = ovs_numa_dump_contains_core(cores, i % 2, i);
    }
    for (size_t i = 0; i < n; i++) {
        const struct pmd_rxq_place *p = &places[i];
        unsigned int core_id;

        ovs_assert(p->pinned == placement_parse_affinity(
                       p->port->rxq_affinity, p->qid, &core_id));
        if (p->pinned) {
            ovs_assert(p->core_id == (loads[core_id].usable
                                      ? core_id : NON_PMD_CORE_ID));
            loads[core_id].isolated = true;
        }
        if (p->core_id != NON_PMD_CORE_ID) {
            ovs_assert(p->core_id < N_CORES && loads[p->core_id].usable);
            ovs_assert(p->numa_id == p->core_id % 2);
            loads[p->core_id].n_rxqs++;
        }
    }
}

/* Checks the places of all other queues: on a core without pinned ones, of
 * their node if there is one. */
static void
check_free(const struct pmd_rxq_place *places, size_t n,
           const struct core_load loads[N_CORES])
{
    unsigned int n_free[2] = { 0, 0 };

    for (unsigned int i = 0; i < N_CORES; i++) {
        n_free[i % 2] += loads[i].usable && !loads[i].isolated;
    }
    for (size_t i = 0; i < n; i++) {
        const struct pmd_rxq_place *p = &places[i];
        int local = netdev_get_numa_id(p->port->netdev);

        if (p->pinned) {
            continue;
        } else if (!n_free[0] && !n_free[1]) {
            ovs_assert(p->core_id == NON_PMD_CORE_ID);
        } else {
            ovs_assert(p->core_id != NON_PMD_CORE_ID);
            ovs_assert(!loads[p->core_id].isolated);
            ovs_assert(p->numa_id == local || !n_free[local]);
        }
    }
}

/* If queues of either node can stay there, loads of its cores differ by one at
 * most. */
static void
check_balance(const struct core_load loads[N_CORES])
{
    for (unsigned int node = 0; node < 2; node++) {
        unsigned int min = UINT_MAX, max = 0;

        for (unsigned int i = node; i < N_CORES; i += 2) {
            if (loads[i].usable && !loads[i].isolated) {
                min = MIN(min, loads[i].n_rxqs);
                max = MAX(max, loads[i].n_rxqs);
            }
        }
        ovs_assert(min == UINT_MAX || max - min <= 1);
    }
}

/* Checks that each queue has one place, in order. */
static void
check_order(const struct pmd_rxq_place *places, size_t n, size_t n_rxqs)
{
    ovs_assert(n == n_rxqs);
    for (size_t i = 1; i < n; i++) {
        uint32_t a = odp_to_u32(places[i - 1].port->port_no);
        uint32_t b = odp_to_u32(places[i].port->port_no);

        ovs_assert(a < b || (a == b && places[i - 1].qid < places[i].qid));
    }
}

static void
test_once(void)
{
    bool pins = random_one_in(2);
    unsigned int n_ports = 1 + random_range(MAX_PORTS);
    struct pmd_rxq_place *before = NULL;
    struct port *ports[MAX_PORTS];
    struct port_table table;
    struct ovs_numa_dump *cores;
    size_t n_before = 0, n_rxqs = 0;
    char mask[8];

    snprintf(mask, sizeof mask, "%x", 1 + random_range((1u << N_CORES) - 1));
    cores = ovs_numa_dump_cores_with_cmask(mask);
    port_table_init(&table);
    for (unsigned int i = 0; i < n_ports; i++) {
        struct core_load loads[N_CORES];
        struct pmd_rxq_place *places;
        size_t n;

        ports[i] = add_port(&table, i + 1, pins);
        n_rxqs += ports[i]->n_rxq;
        places = placement_make(&table, cores, &n);
        check_order(places, n, n_rxqs);
        check_pinned(places, n, cores, loads);
        check_free(places, n, loads);
        check_balance(loads);

        /* A new port does not move old ones, unless it is pinned. */
        for (size_t j = 0; !pins && j < n_before; j++) {
            ovs_assert(places[j].core_id == before[j].core_id);
        }
        free(before);
        before = places;
        n_before = n;
    }
    free(before);
    ovs_numa_dump_destroy(cores);
    for (unsigned int i = 0; i < n_ports; i++) {
        port_table_remove(&table, ports[i]);
        ovsrcu_synchronize();
        port_close(ports[i]);
    }
    port_table_destroy(&table);
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
    for (int i = atoi(argv[1]); i > 0; i--) {
        test_once();
    }

    /* So that a memory checker sees what is left. */
    ovsrcu_exit();
}

OVSTEST_REGISTER("test-placement", test_placement_main);
