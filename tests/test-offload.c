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

/* Tests of offload/ with the device of offload-device.h.
 *
 * Usage: test-accel test-offload cases
 *        test-accel test-offload random ROUNDS [SEED] */

#include <config.h>
#undef NDEBUG

#include "offload/offload-private.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "action/action.h"
#include "dpif.h"
#include "flow/megaflow.h"
#include "hash.h"
#include "netdev-offload.h"
#include "netdev-provider.h"
#include "netlink.h"
#include "odp-util.h"
#include "offload-device.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "ovstest.h"
#include "port/port.h"
#include "random.h"

#define N_PORTS 2               /* Numbered from 1. */
#define N_FLOWS 64
#define ORIG_IN_PORT u32_to_odp(OFFLOAD_DEVICE_ORIG_IN_PORT)
#define N_THREADS OFFLOAD_DEVICE_THREADS

/* What dp.c and OVS's dpif.c do */

static char test_type[] = "test";

struct fixture {
    struct port_table ports;
    struct megaflow_table *flows;
    struct offload *offload;
};

static struct port *
find_port(const struct fixture *f, unsigned int no)
{
    return port_table_find(&f->ports, u32_to_odp(no));
}

static void
add_port(struct fixture *f, unsigned int no)
{
    struct port *port;
    char name[8];

    snprintf(name, sizeof name, "p%u", no);
    ovs_assert(!port_open(name, "test-offload", u32_to_odp(no), &port));
    port_table_insert(&f->ports, port);
    netdev_set_dpif_type(port->netdev, test_type);
    ovs_assert(!netdev_ports_insert(port->netdev, &(struct dpif_port) {
                                        .name = name,
                                        .type = test_type,
                                        .port_no = port->port_no,
                                    }));
    offload_port_return(f->offload, port);
}

static void
withdraw_port(struct fixture *f, struct port *port)
{
    port_table_remove(&f->ports, port);
    ovsrcu_synchronize();
    offload_port_withdraw(f->offload, port);
}

static void
close_port(struct port *port)
{
    odp_port_t port_no = port->port_no;

    netdev_uninit_flow_api(port->netdev);
    port_close(port);
    ovs_assert(!netdev_ports_remove(port_no, test_type));
}

static void
delete_port(struct fixture *f, unsigned int no)
{
    struct port *port = find_port(f, no);

    withdraw_port(f, port);
    close_port(port);
}

static void
fixture_init(struct fixture *f)
{
    port_table_init(&f->ports);
    f->flows = megaflow_table_create();
    f->offload = offload_create(test_type, f->flows, &f->ports);
    for (unsigned int no = 1; no <= N_PORTS; no++) {
        add_port(f, no);
    }
}

static void
fixture_destroy(struct fixture *f)
{
    for (unsigned int no = 1; no <= N_PORTS; no++) {
        if (find_port(f, no)) {
            delete_port(f, no);
        }
    }
    megaflow_table_destroy(f->flows);
    offload_destroy(f->offload);
    port_table_destroy(&f->ports);
    ovs_assert(!offload_device_n_flows());
}

/* Flow 'i' comes in through port 1 + i % N_PORTS. */
static ovs_u128
ufid_of(unsigned int i)
{
    return (ovs_u128) { .u32 = { hash_int(i, 0), i, 0, 1 } };
}

static void
put_flow(struct fixture *f, unsigned int i, uint32_t output)
{
    struct action_program *program;
    ovs_u128 ufid = ufid_of(i);
    struct ofpbuf actions;
    struct match match;
    const char *why;

    memset(&match, 0, sizeof match);
    match.flow.in_port.odp_port = u32_to_odp(1 + i % N_PORTS);
    match.flow.dl_type = htons(i);
    match.wc.masks.dl_type = OVS_BE16_MAX;

    ofpbuf_init(&actions, 0);
    nl_msg_put_u32(&actions, OVS_ACTION_ATTR_OUTPUT, output);
    ovs_assert(!action_program_compile(actions.data, actions.size, &program,
                                       &why));
    ofpbuf_uninit(&actions);
    ovs_assert(!megaflow_table_put(f->flows, &ufid, &match, ORIG_IN_PORT,
                                   MEGAFLOW_CREATE | MEGAFLOW_MODIFY, program,
                                   NULL, NULL));
}

static bool
delete_flow(struct fixture *f, unsigned int i)
{
    ovs_u128 ufid = ufid_of(i);

    return !megaflow_table_del(f->flows, &ufid, NULL);
}

static void
do_nothing(void *aux OVS_UNUSED, struct offload_thread *thread OVS_UNUSED)
{
}

static void
await_threads(void)
{
    offload_call_all(do_nothing, NULL);
}

/* Checks that flow 'i' is in the device with the actions that it has, and
 * returns its mark. */
static uint32_t
check_offloaded(const struct fixture *f, unsigned int i, uint32_t output)
{
    struct dpif_flow_stats stats;
    struct dpif_flow_attrs attrs;
    ovs_u128 ufid = ufid_of(i);
    const struct megaflow *mf = megaflow_table_find(f->flows, &ufid);
    uint32_t found, mark = offload_device_look(&ufid, &found);

    ovs_assert(mf && mark && found == output);
    ovs_assert(offload_find(f->offload, mark) == mf);
    ovs_assert(offload_get_status(f->offload, mf, &stats, &attrs));
    ovs_assert(stats.n_packets == output && attrs.offloaded
               && !strcmp(attrs.dp_layer, "dpdk"));
    return mark;
}

static void
check_not_offloaded(const struct fixture *f, unsigned int i)
{
    struct dpif_flow_stats stats;
    struct dpif_flow_attrs attrs;
    ovs_u128 ufid = ufid_of(i);
    const struct megaflow *mf = megaflow_table_find(f->flows, &ufid);
    uint32_t output;

    ovs_assert(!offload_device_look(&ufid, &output));
    ovs_assert(!mf || !offload_get_status(f->offload, mf, &stats, &attrs));
}

static struct offload_counters
counters_of(const struct fixture *f)
{
    struct offload_counters c;

    offload_get_counters(f->offload, &c);
    return c;
}

/* Cases */

static void
test_life(struct fixture *f)
{
    struct offload_counters c;
    uint32_t mark;

    put_flow(f, 0, 10);
    await_threads();
    mark = check_offloaded(f, 0, 10);
    offload_device_busy(true);
    check_offloaded(f, 0, 10);
    offload_device_busy(false);
    put_flow(f, 0, 11);
    await_threads();
    ovs_assert(check_offloaded(f, 0, 11) == mark);
    ovs_assert(delete_flow(f, 0));
    ovs_assert(!offload_find(f->offload, mark));
    await_threads();
    check_not_offloaded(f, 0);

    c = counters_of(f);
    ovs_assert(c.queued == 3 && c.added == 1 && c.modified == 1
               && c.deleted == 1 && !c.refused && !c.in_device && !c.marks);
}

static void
test_refused(struct fixture *f)
{
    uint64_t refused = counters_of(f).refused;

    offload_device_refuse(true, false);
    put_flow(f, 0, 10);
    await_threads();
    check_not_offloaded(f, 0);
    ovs_assert(counters_of(f).refused == refused + 1);

    offload_device_refuse(false, false);
    put_flow(f, 0, 11);
    await_threads();
    check_offloaded(f, 0, 11);

    /* Its old actions must not stay in the device. */
    for (int forgets = 0; forgets < 2; forgets++) {
        offload_device_refuse(true, forgets);
        put_flow(f, 0, 12);
        await_threads();
        check_not_offloaded(f, 0);
        offload_device_refuse(false, forgets);
        put_flow(f, 0, 13);
        await_threads();
        check_offloaded(f, 0, 13);
    }
    offload_device_refuse(false, false);
    ovs_assert(counters_of(f).refused == refused + 3);
    ovs_assert(delete_flow(f, 0));
    await_threads();
    check_not_offloaded(f, 0);
}

/* A mark is not another flow's while the device still gives it to packets. */
static void
test_mark_reuse(struct fixture *f)
{
    uint32_t mark, other;

    put_flow(f, 0, 10);
    await_threads();
    mark = check_offloaded(f, 0, 10);

    ovs_mutex_lock(&offload_device_door);
    ovs_assert(delete_flow(f, 0));
    ovs_assert(!offload_find(f->offload, mark));
    put_flow(f, 1, 10);
    put_flow(f, 0, 12);
    ovs_assert(!offload_find(f->offload, mark));
    ovs_mutex_unlock(&offload_device_door);
    await_threads();
    ovs_assert(check_offloaded(f, 1, 10) != mark);
    ovs_assert(check_offloaded(f, 0, 12) != mark);

    /* Afterwards it is: marks do not run out. */
    do {
        ovsrcu_synchronize();
        put_flow(f, 2, 10);
        await_threads();
        other = check_offloaded(f, 2, 10);
        ovs_assert(delete_flow(f, 2));
    } while (other != mark);
    megaflow_table_flush(f->flows);
    await_threads();
    ovs_assert(!offload_device_n_flows());
}

/* What changes often while the device is busy costs one operation. */
static void
test_changes_meanwhile(struct fixture *f)
{
    unsigned int n_puts;

    ovs_mutex_lock(&offload_device_door);
    put_flow(f, 0, 10);
    n_puts = offload_device_n_puts();
    for (unsigned int i = 1; i < N_FLOWS; i++) {
        put_flow(f, i, 10);
        put_flow(f, i, 11);
        if (i % 2) {
            ovs_assert(delete_flow(f, i));
        } else {
            put_flow(f, i, 12);
        }
    }
    ovs_mutex_unlock(&offload_device_door);
    await_threads();

    /* Each thread may have had one put half done. */
    ovs_assert(offload_device_n_puts() - n_puts <= N_FLOWS / 2 + N_THREADS);
    for (unsigned int i = 1; i < N_FLOWS; i++) {
        if (i % 2) {
            check_not_offloaded(f, i);
        } else {
            check_offloaded(f, i, 12);
        }
    }
    megaflow_table_flush(f->flows);
    await_threads();
    ovs_assert(!offload_device_n_flows() && !counters_of(f).marks);
}

/* A port goes while operations on its flows are queued. */
static void
test_port_removal(struct fixture *f)
{
    struct port *port = find_port(f, 1);

    for (unsigned int i = 0; i < N_FLOWS / 2; i++) {
        put_flow(f, i, 10);
    }
    await_threads();
    ovs_mutex_lock(&offload_device_door);
    for (unsigned int i = 0; i < N_FLOWS; i++) {
        put_flow(f, i, 11);
    }
    for (unsigned int i = 0; i < N_FLOWS; i += 8) {
        ovs_assert(delete_flow(f, i));
    }
    port_table_remove(&f->ports, port);
    ovs_mutex_unlock(&offload_device_door);
    ovsrcu_synchronize();
    offload_port_withdraw(f->offload, port);
    for (unsigned int i = 0; i < N_FLOWS; i++) {
        if (1 + i % N_PORTS == 1) {
            check_not_offloaded(f, i);
        }
    }
    close_port(port);

    /* What is done to its flows now reaches no device. */
    for (unsigned int i = 0; i < N_FLOWS; i++) {
        if (i % 8) {
            put_flow(f, i, 12);
        }
    }
    await_threads();
    ovs_assert(offload_device_n_flows() == N_FLOWS / 2);

    /* It comes back, perhaps with another netdev. */
    add_port(f, 1);
    await_threads();
    for (unsigned int i = 0; i < N_FLOWS; i++) {
        if (i % 8) {
            check_offloaded(f, i, 12);
        }
    }
    megaflow_table_flush(f->flows);
    await_threads();
    ovs_assert(!offload_device_n_flows());
}

static void
test_thread_stats(struct fixture *f)
{
    struct netdev_custom_stats stats;

    for (unsigned int i = 0; i < N_FLOWS; i++) {
        put_flow(f, i, 10);
    }
    await_threads();
    ovs_assert(!offload_get_thread_stats(f->offload, &stats));
    ovs_assert(stats.size == 6 * (N_THREADS + 1));
    ovs_assert(!strcmp(stats.counters[1].name,
                       "  Total                 Inserted offloads"));
    ovs_assert(stats.counters[0].value == 0);
    ovs_assert(stats.counters[1].value == N_FLOWS);
    ovs_assert(!strcmp(stats.counters[6 + 1].name,
                       "  [  0]                 Inserted offloads"));
    free(stats.counters);
    megaflow_table_flush(f->flows);
    await_threads();
}

/* A flow of a port without flow API is none of ours. */
static void
test_other_port(struct fixture *f)
{
    uint64_t queued = counters_of(f).queued;

    netdev_uninit_flow_api(find_port(f, 1)->netdev);
    put_flow(f, 0, 10);
    ovs_assert(counters_of(f).queued == queued && !counters_of(f).marks);
    ovs_assert(delete_flow(f, 0));
    ovs_assert(!netdev_init_flow_api(find_port(f, 1)->netdev));
}

static void
test_cases(void)
{
    static void (*const cases[])(struct fixture *) = {
        test_life, test_refused, test_mark_reuse, test_changes_meanwhile,
        test_port_removal, test_thread_stats, test_other_port,
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;

        fixture_init(&f);
        cases[i](&f);
        fixture_destroy(&f);
    }
}

/* Random */

struct random_test {
    struct fixture f;
    int rounds;
    uint32_t seed;
    atomic_bool done;

    /* Each thread puts and deletes every N_THREADS-th flow. */
    atomic_uint n_started;
    uint32_t output[N_FLOWS];   /* 0: not there. */
};

static void *
changer_main(void *test_)
{
    struct random_test *test = test_;
    unsigned int me;

    atomic_add(&test->n_started, 1, &me);
    random_set_seed((test->seed + me) | 1);
    for (int round = 1; round <= test->rounds; round++) {
        unsigned int i = me + N_THREADS * random_range(N_FLOWS / N_THREADS);

        if (!random_range(3)) {
            ovs_assert(delete_flow(&test->f, i) == (test->output[i] != 0));
            test->output[i] = 0;
        } else {
            put_flow(&test->f, i, round);
            test->output[i] = round;
        }
        if (!random_range(100)) {
            offload_device_refuse(!random_range(2), true);
        }
        ovsrcu_quiesce();
    }
    return NULL;
}

/* Finds flows by mark, as polling threads do. */
static void *
finder_main(void *test_)
{
    struct random_test *test = test_;
    bool done = false;

    while (!done) {
        for (int i = 0; i < 100; i++) {
            uint32_t mark = 1 + random_range(2 * N_FLOWS);
            struct megaflow *mf = offload_find(test->f.offload, mark);

            if (mf) {
                ovs_assert(mf->ufid.u32[3] == 1 && megaflow_program(mf));
                megaflow_count(mf, 0, 1, 1, 0, 1);
            }
        }
        ovsrcu_quiesce();
        sched_yield();
        atomic_read(&test->done, &done);
    }
    return NULL;
}

static void
change_port(struct fixture *f, unsigned int no)
{
    struct port *port = find_port(f, no);

    if (!port) {
        add_port(f, no);
    } else if (!random_range(2)) {
        delete_port(f, no);
    } else {
        withdraw_port(f, port);
        port_table_insert(&f->ports, port);
        offload_port_return(f->offload, port);
    }
}

/* Everything that is there is in the device, and nothing else. */
static void
check_all(struct random_test *test)
{
    size_t n = 0;

    offload_device_refuse(false, true);
    for (unsigned int no = 1; no <= N_PORTS; no++) {
        if (!find_port(&test->f, no)) {
            add_port(&test->f, no);
        } else {
            offload_port_return(test->f.offload, find_port(&test->f, no));
        }
    }
    await_threads();
    for (unsigned int i = 0; i < N_FLOWS; i++) {
        if (test->output[i]) {
            check_offloaded(&test->f, i, test->output[i]);
            n++;
        }
    }
    ovs_assert(offload_device_n_flows() == n
               && counters_of(&test->f).marks == n
               && counters_of(&test->f).in_device == n);
}

static void
test_random(int rounds, uint32_t seed)
{
    struct random_test test = { .rounds = rounds, .seed = seed };
    pthread_t changers[N_THREADS], finder;

    fixture_init(&test.f);
    atomic_init(&test.done, false);
    atomic_init(&test.n_started, 0);
    finder = ovs_thread_create("finder", finder_main, &test);
    for (int i = 0; i < N_THREADS; i++) {
        changers[i] = ovs_thread_create("changer", changer_main, &test);
    }
    for (int i = 0; i < rounds / 100; i++) {
        change_port(&test.f, 1 + random_range(N_PORTS));
    }
    ovsrcu_quiesce_start();
    for (int i = 0; i < N_THREADS; i++) {
        xpthread_join(changers[i], NULL);
    }
    atomic_store(&test.done, true);
    xpthread_join(finder, NULL);
    ovsrcu_quiesce_end();
    check_all(&test);
    fixture_destroy(&test.f);
}

static void
test_offload_main(int argc, char *argv[])
{
    uint32_t seed;

    set_program_name(argv[0]);
    if (argc < 2 || (!strcmp(argv[1], "random") && argc < 3)) {
        ovs_fatal(0, "usage: %s cases | random ROUNDS [SEED]", argv[0]);
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    offload_device_init();
    ovsrcu_quiesce_end();
    if (!strcmp(argv[1], "cases")) {
        test_cases();
    } else {
        random_init();
        seed = argc > 3 ? strtoul(argv[3], NULL, 0) : random_uint32();
        printf("seed %"PRIu32"\n", seed);
        fflush(stdout);
        random_set_seed(seed | 1);
        test_random(atoi(argv[2]), seed);
    }
    offload_device_destroy();
    ovsrcu_exit();
}

OVSTEST_REGISTER("test-offload", test_offload_main);
