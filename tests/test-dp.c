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

/* Random test of a whole datapath, without guests: its threads receive
 * packets of few microflows from netdevs that exist here only, while ports
 * come and go, change their queues and move between threads, flows are
 * deleted, upcalls disabled, and other threads execute packets and read
 * statistics.
 *
 * One thread polls a queue at a time; packets of a microflow leave each netdev
 * in order; and the books of each port balance and agree with what the netdevs
 * have seen. */

#include <config.h>
#undef NDEBUG

#include "dp.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "hash.h"
#include "netdev-provider.h"
#include "netlink.h"
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "ovs-rcu.h"
#include "ovstest.h"
#include "random.h"
#include "random-frame.h"
#include "upcall-fixture.h"

#define N_PORTS 4               /* Numbered from 1. */
#define MAX_RXQS 4
#define N_FLOWS 16              /* Microflows of a queue. */
#define N_EPOCHS 1024           /* Lives of a port. */

/* A packet's number says from which port it is and which one it is of its
 * microflow; the microflow, from which life of the port and which queue. */
#define ID(PORT, SEQ) ((uint32_t) (PORT) << 28 | (SEQ))
#define MICROFLOW(EPOCH, QID, FLOW) \
    (((EPOCH) * MAX_RXQS + (QID)) * N_FLOWS + (FLOW))
#define N_MICROFLOWS (N_EPOCHS * MAX_RXQS * N_FLOWS)
BUILD_ASSERT_DECL(N_MICROFLOWS == UINT16_MAX + 1);

/* What stays of a port while its netdev comes and goes. */
struct life {
    unsigned int epoch;
    atomic_uint64_t n_received;         /* In this epoch. */
    atomic_uint64_t n_sent;
    atomic_bool polled[MAX_RXQS];       /* A thread is in rxq_recv()... */
    atomic_bool sending[MAX_RXQS];      /* ...or in send(). */
    uint32_t seq[MAX_RXQS][N_FLOWS];

    struct ovs_mutex mutex;
    uint32_t last[N_PORTS + 1][N_MICROFLOWS] OVS_GUARDED;   /* Sent here. */
};

static struct life lives[N_PORTS + 1];
static atomic_uint n_bursts;    /* Received by all. */
static atomic_uint wanted_rxqs;
static atomic_bool silent;      /* Nothing is received any more. */
static struct ovs_mutex stp_mutex;      /* See execute_packet(). */
static uint32_t seed;

/* The netdevs */

static struct netdev *
test_netdev_alloc(void)
{
    return xzalloc(sizeof(struct netdev));
}

static int
test_netdev_construct(struct netdev *netdev OVS_UNUSED)
{
    return 0;
}

static void
test_netdev_destruct(struct netdev *netdev OVS_UNUSED)
{
}

static void
test_netdev_dealloc(struct netdev *netdev)
{
    free(netdev);
}

static int
test_netdev_reconfigure(struct netdev *netdev)
{
    unsigned int n;

    atomic_read(&wanted_rxqs, &n);
    netdev->n_rxq = n;
    netdev->n_txq = n;
    return 0;
}

static int
test_netdev_update_flags(struct netdev *netdev OVS_UNUSED,
                         enum netdev_flags off OVS_UNUSED,
                         enum netdev_flags on OVS_UNUSED,
                         enum netdev_flags *old_flags)
{
    *old_flags = NETDEV_UP | NETDEV_PROMISC;
    return 0;
}

static unsigned int
port_no_of(const struct netdev *netdev)
{
    return atoi(netdev_get_name(netdev) + 1);
}

static int
test_netdev_send(struct netdev *netdev, int qid,
                 struct dp_packet_batch *batch, bool concurrent_txq)
{
    struct life *life = &lives[port_no_of(netdev)];
    bool was_sending = false;
    struct dp_packet *packet;
    uint64_t old;

    ovs_assert(qid < netdev->n_txq);
    ovs_assert(concurrent_txq
               || atomic_compare_exchange_strong(&life->sending[qid],
                                                 &was_sending, true));
    atomic_add(&life->n_sent, dp_packet_batch_size(batch), &old);
    ovs_mutex_lock(&life->mutex);
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        uint32_t id = upcall_fixture_packet_id(packet);

        if (id) {
            uint32_t *last = &life->last[id >> 28][
                upcall_fixture_packet_flow(packet)];

            ovs_assert(*last < id);
            *last = id;
        }
    }
    ovs_mutex_unlock(&life->mutex);
    if (!concurrent_txq) {
        atomic_store(&life->sending[qid], false);
    }
    dp_packet_delete_batch(batch, true);
    return 0;
}

static struct netdev_rxq *
test_netdev_rxq_alloc(void)
{
    return xzalloc(sizeof(struct netdev_rxq));
}

static int
test_netdev_rxq_construct(struct netdev_rxq *rxq OVS_UNUSED)
{
    return 0;
}

static void
test_netdev_rxq_destruct(struct netdev_rxq *rxq OVS_UNUSED)
{
}

static void
test_netdev_rxq_dealloc(struct netdev_rxq *rxq)
{
    free(rxq);
}

static int
test_netdev_rxq_recv(struct netdev_rxq *rxq, struct dp_packet_batch *batch,
                     int *qfill OVS_UNUSED)
{
    unsigned int port_no = port_no_of(rxq->netdev), qid = rxq->queue_id;
    struct life *life = &lives[port_no];
    bool was_polled = false, is_silent;
    size_t n = random_range(NETDEV_MAX_BURST);
    unsigned int old_bursts;
    uint64_t old;

    atomic_read(&silent, &is_silent);
    if (is_silent || random_one_in(2) || !n) {
        return EAGAIN;
    }
    ovs_assert(atomic_compare_exchange_strong(&life->polled[qid], &was_polled,
                                              true));
    for (size_t i = 0; i < n; i++) {
        unsigned int flow = random_range(N_FLOWS);

        dp_packet_batch_add(batch, upcall_fixture_packet(
                                port_no, MICROFLOW(life->epoch, qid, flow),
                                ID(port_no, ++life->seq[qid][flow])));
    }
    atomic_add(&life->n_received, n, &old);
    atomic_add(&n_bursts, 1, &old_bursts);
    atomic_store(&life->polled[qid], false);
    return 0;
}

#define TEST_NETDEV(TYPE, IS_PMD)                 \
    {                                             \
        .type = TYPE,                             \
        .is_pmd = IS_PMD,                         \
        .alloc = test_netdev_alloc,               \
        .construct = test_netdev_construct,       \
        .destruct = test_netdev_destruct,         \
        .dealloc = test_netdev_dealloc,           \
        .reconfigure = test_netdev_reconfigure,   \
        .update_flags = test_netdev_update_flags, \
        .send = test_netdev_send,                 \
        .rxq_alloc = test_netdev_rxq_alloc,       \
        .rxq_construct = test_netdev_rxq_construct, \
        .rxq_destruct = test_netdev_rxq_destruct, \
        .rxq_dealloc = test_netdev_rxq_dealloc,   \
        .rxq_recv = test_netdev_rxq_recv,         \
    }

/* The control thread polls the first one. */
static const struct netdev_class test_netdev_classes[] = {
    TEST_NETDEV("test-main", false),
    TEST_NETDEV("test-pmd", true),
};

/* ofproto's part */

/* The first pass outputs to odd ports and may recirculate, the second pass
 * outputs to even ports.  Port N_PORTS + 1 does not exist. */
static void
compose_actions(uint32_t random, bool second_pass, struct ofpbuf *actions)
{
    if (random & 1) {
        size_t nest = nl_msg_start_nested(actions, OVS_ACTION_ATTR_USERSPACE);

        nl_msg_put_u32(actions, OVS_USERSPACE_ATTR_PID, 0);
        nl_msg_end_nested(actions, nest);
    }
    for (unsigned int port = second_pass ? 2 : 1; port <= N_PORTS + 1;
         port += 2) {
        if (random & (2u << port)) {
            nl_msg_put_u32(actions, OVS_ACTION_ATTR_OUTPUT, port);
        }
    }
    if (!second_pass && random & (1u << 10)) {
        nl_msg_put_u32(actions, OVS_ACTION_ATTR_RECIRC, 1);
    }
}

/* Executes a packet as ofproto does, perhaps under a lock that its callback
 * takes, too, such as that of STP. */
static void
execute_packet(struct dp *dp, uint32_t random)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct dp_packet *packet = upcall_fixture_packet(0, 0, 0);
    bool lock = random & (1u << 30);
    struct ofpbuf actions;
    struct flow flow;

    flow_extract(packet, &flow);
    ofpbuf_init(&actions, 0);
    compose_actions(random, false, &actions);
    if (lock) {
        ovs_mutex_lock(&stp_mutex);
    }
    pmd_execute(dp->shared, packet, &flow, actions.data, actions.size);
    if (lock) {
        ovs_mutex_unlock(&stp_mutex);
    }
    ofpbuf_uninit(&actions);
    dp_packet_delete(packet);
}

static int
test_cb(const struct dp_packet *packet OVS_UNUSED, const struct flow *flow,
        ovs_u128 *ufid OVS_UNUSED, unsigned int pmd_id OVS_UNUSED,
        enum dpif_upcall_type type, const struct nlattr *userdata OVS_UNUSED,
        struct ofpbuf *actions, struct flow_wildcards *wc,
        struct ofpbuf *put_actions OVS_UNUSED, void *dp)
{
    static atomic_uint n_called = 0;
    uint64_t counters[PMD_N_COUNTERS];
    unsigned int n;
    uint32_t random;

    atomic_add(&n_called, 1, &n);
    random = hash_int(n, seed);
    switch (random >> 27) {
    case 0:
        sched_yield();
        break;
    case 1:
        dp_get_counters(dp, counters);
        break;
    case 2:
        execute_packet(dp, hash_int(n, seed + 1) | (1u << 30));
        break;
    default:
        break;
    }
    if (type != DPIF_UC_MISS) {
        return EAGAIN;
    }
    upcall_fixture_wildcards(wc, random & (1u << 20) ? 0xffff : 0xfffe);
    compose_actions(random >> 8, flow->recirc_id != 0, actions);
    return random >> 24 & 7 ? 0 : ENOSPC;
}

static void *
executor_main(void *dp)
{
    bool is_silent = false;

    while (!is_silent) {
        execute_packet(dp, random_uint32());
        ovsrcu_quiesce();
        sched_yield();
        atomic_read(&silent, &is_silent);
    }
    return NULL;
}

/* The control thread */

static struct vhost_port *
no_vhost(const struct netdev *netdev OVS_UNUSED)
{
    return NULL;
}

static bool
port_exists(const struct dp *dp, unsigned int no)
{
    return port_table_find(&dp->ports, u32_to_odp(no)) != NULL;
}

/* Checks the books of port 'no', once nobody uses the datapath. */
static void
check_books(const struct dp *dp, unsigned int no)
{
    const struct port *port = port_table_find(&dp->ports, u32_to_odp(no));
    struct life *life = &lives[no];
    uint64_t n_received, n_sent;
    struct port_totals t;

    atomic_read(&life->n_received, &n_received);
    atomic_read(&life->n_sent, &n_sent);
    port_get_totals(port, &t);
    ovs_assert(port_totals_balance(&t) && !t.in_flight);
    ovs_assert(t.rx == n_received && t.tx_sent == n_sent && !t.tx_dropped);
    printf("port %u: received %"PRIu64", sent %"PRIu64"\n", no, t.rx,
           t.tx_sent);
}

static void
add_or_delete_port(struct dp *dp, unsigned int no)
{
    if (port_exists(dp, no)) {
        ovs_assert(!dp_port_del(dp, u32_to_odp(no)));
    } else if (lives[no].epoch + 1 < N_EPOCHS) {
        const char *type = test_netdev_classes[no > 1].type;
        odp_port_t port_no = u32_to_odp(no);
        char name[8];

        lives[no].epoch++;
        atomic_store(&lives[no].n_received, 0);
        atomic_store(&lives[no].n_sent, 0);
        snprintf(name, sizeof name, "n%u", no);
        ovs_assert(!dp_port_add(dp, name, type, &port_no));
        ovs_assert(dp_port_add(dp, name, type, &port_no) == EEXIST);
    }
}

static void
change_port(struct dp *dp, unsigned int no)
{
    struct port *port = port_table_find(&dp->ports, u32_to_odp(no));
    char affinity[16];

    if (!port) {
        return;
    } else if (random_one_in(2)) {
        atomic_store(&wanted_rxqs, 1 + random_range(MAX_RXQS));
        netdev_request_reconfigure(port->netdev);
    } else {
        snprintf(affinity, sizeof affinity, "%u:%u", random_range(MAX_RXQS),
                 random_range(2));
        ovs_assert(!dp_port_set_affinity(
                       dp, u32_to_odp(no),
                       random_one_in(2) ? affinity : NULL));
    }
}

static void
delete_flow(struct dp *dp)
{
    struct cmap_position pos = { 0, 0, 0 };
    struct megaflow *mf = NULL;

    for (int i = random_range(64); i >= 0; i--) {
        struct megaflow *next = megaflow_table_next(dp->flows, &pos);

        mf = next ? next : mf;
    }
    if (mf) {
        ovs_assert(!megaflow_table_del(dp->flows, &mf->ufid, NULL));
    }
}

static void
configure(struct dp *dp, const char *cpu_mask)
{
    const struct dp_config config = {
        .cpu_mask = cpu_mask,
        .max_sleep_us = 20,
        .cache_entries = FLOW_CACHE_MIN << random_range(10),
        .rules = { .algo = random_range(3), .isolate = random_one_in(2) },
    };

    dp_set_config(dp, &config);
}

static void
change_something(struct dp *dp)
{
    static const char *const masks[] = { "1", "2", "3", NULL };

    switch (random_range(40)) {
    case 0:
    case 1:
        add_or_delete_port(dp, 1 + random_range(N_PORTS));
        break;
    case 2:
    case 3:
    case 4:
        change_port(dp, 1 + random_range(N_PORTS));
        break;
    case 5:
        configure(dp, masks[random_range(ARRAY_SIZE(masks))]);
        break;
    case 8:
        dp_request_placement(dp);
        break;
    case 6:
        upcall_set_n_threads(dp->upcall, 1 + random_range(2));
        break;
    case 7:
        upcall_disable(dp->upcall);
        upcall_enable(dp->upcall);
        break;
    case 9:
        megaflow_table_flush(dp->flows);
        break;
    default:
        delete_flow(dp);
        break;
    }
}

/* Lets polling threads, if there are any, receive some bursts. */
static void
let_poll(struct dp *dp)
{
    unsigned int start, now, n = random_range(16);

    atomic_read(&n_bursts, &start);
    do {
        dp_run(dp);
        ovsrcu_quiesce();
        sched_yield();
        atomic_read(&n_bursts, &now);
    } while (dp->n_pmds && now - start < n);
}

/* Waits until all that was received has been sent on. */
static void
drain(struct dp *dp)
{
    const struct port *port;
    bool busy;

    atomic_store(&silent, true);
    do {
        ovsrcu_synchronize();
        busy = false;
        PORT_TABLE_FOR_EACH (port, &dp->ports) {
            busy |= port_is_awaited(port);
        }
    } while (busy);
    ovsrcu_synchronize();
}

static void
test_dp(int rounds)
{
    struct dp *dp = dp_create("test", "test", no_vhost);
    pthread_t executor;

    for (unsigned int i = 0; i <= N_PORTS; i++) {
        ovs_mutex_init(&lives[i].mutex);
    }
    ovs_mutex_init_recursive(&stp_mutex);
    atomic_store(&wanted_rxqs, 2);
    configure(dp, NULL);
    upcall_register_cb(dp->upcall, test_cb, dp);
    upcall_enable(dp->upcall);
    for (unsigned int no = 1; no <= N_PORTS; no++) {
        add_or_delete_port(dp, no);
    }
    executor = ovs_thread_create("executor", executor_main, dp);
    for (int i = 0; i < rounds; i++) {
        change_something(dp);
        let_poll(dp);
    }
    drain(dp);
    xpthread_join(executor, NULL);
    for (unsigned int no = 1; no <= N_PORTS; no++) {
        if (port_exists(dp, no)) {
            check_books(dp, no);
        }
    }
    upcall_disable(dp->upcall);
    dp_destroy(dp);
    ovs_mutex_destroy(&stp_mutex);
    for (unsigned int i = 0; i <= N_PORTS; i++) {
        ovs_mutex_destroy(&lives[i].mutex);
    }
}

static void
test_dp_main(int argc, char *argv[])
{
    set_program_name(argv[0]);
    if (argc < 2) {
        ovs_fatal(0, "usage: %s ROUNDS [SEED]", argv[0]);
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    ovs_numa_init();
    netdev_register_provider(&test_netdev_classes[0]);
    netdev_register_provider(&test_netdev_classes[1]);
    random_init();
    seed = argc > 2 ? strtoul(argv[2], NULL, 0) : random_uint32();
    printf("seed %"PRIu32"\n", seed);
    fflush(stdout);
    random_set_seed(seed | 1);
    ovsrcu_quiesce_end();
    test_dp(atoi(argv[1]));

    /* So that a memory checker sees what is left. */
    ovsrcu_exit();
}

OVSTEST_REGISTER("test-dp", test_dp_main);
