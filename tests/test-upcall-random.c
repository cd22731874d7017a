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

/* Random test of upcall/: clients on several threads send packets of few
 * microflows on few ports, a callback that keeps ukeys as ofproto does answers
 * this and that, and the control thread deletes flows, disables upcalls and
 * changes the number of upcall threads at any time.
 *
 * Each packet has one fate; packets of a microflow are delivered in order; one
 * callback runs at a time for each in_port; and each ukey has its flow. */

#include <config.h>
#undef NDEBUG

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "hash.h"
#include "netlink.h"
#include "openvswitch/hmap.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "ovstest.h"
#include "random.h"
#include "random-frame.h"
#include "upcall-fixture.h"

#define N_CLIENTS 3
#define N_FLOWS 32              /* Microflows of a client on a port. */
#define INLINE_PORT 0           /* The control thread's; others: clients'. */

/* ofproto's half of a megaflow. */
struct ukey {
    struct hmap_node node;
    ovs_u128 ufid;
};

struct random_test {
    struct upcall_fixture f;
    uint32_t seed;
    atomic_uint n_called;
    atomic_uint n_done;         /* Clients that have ended. */
    atomic_bool busy[UPCALL_FIXTURE_PORTS];     /* A callback runs. */

    struct ovs_mutex mutex;
    struct hmap ukeys OVS_GUARDED;
};

enum fate { FATE_OPEN, FATE_DELIVERED, FATE_DROPPED };

struct sent_packet {
    uint8_t in_port;
    uint8_t flow;
    bool action;
    uint8_t fate;
};

struct random_client {
    struct random_test *test;
    struct upcall_client *up;
    unsigned int index;
    uint32_t n_packets;         /* To be sent. */
    uint32_t n_sent;            /* Also the id of the last packet. */
    struct sent_packet *sent;   /* By id. */

    /* Id of the packet that was delivered last. */
    uint32_t last[UPCALL_FIXTURE_PORTS][N_FLOWS];
    uint32_t last_action[UPCALL_FIXTURE_PORTS];
};

/* The callback */

static uint32_t
hash_ufid(const ovs_u128 *ufid)
{
    return ufid->u32[0];
}

static bool
install_ukey(struct random_test *t, const ovs_u128 *ufid)
{
    struct ukey *ukey;

    ovs_mutex_lock(&t->mutex);
    HMAP_FOR_EACH_WITH_HASH (ukey, node, hash_ufid(ufid), &t->ukeys) {
        if (ovs_u128_equals(ukey->ufid, *ufid)) {
            ovs_mutex_unlock(&t->mutex);
            return false;
        }
    }
    ukey = xmalloc(sizeof *ukey);
    ukey->ufid = *ufid;
    hmap_insert(&t->ukeys, &ukey->node, hash_ufid(ufid));
    ovs_mutex_unlock(&t->mutex);
    return true;
}

static int
answer_miss(struct random_test *t, uint32_t random, const ovs_u128 *ufid,
            struct ofpbuf *actions, struct flow_wildcards *wc,
            struct ofpbuf *put_actions)
{
    static const uint16_t masks[] = { 0xffff, 0xfffe, 0xfff8, 0xffe0 };

    upcall_fixture_wildcards(wc, masks[random >> 8 & 3]);
    if (random & 3) {
        upcall_fixture_actions(actions);
    }
    switch (random >> 2 & 15) {
    case 0:
        return EINVAL;
    case 1:
        return ENOSPC;
    case 2:
        /* Not supported: the flow must go in nonetheless. */
        nl_msg_end_nested(put_actions, nl_msg_start_nested(
                              put_actions, OVS_ACTION_ATTR_CT));
        break;
    default:
        break;
    }
    return install_ukey(t, ufid) ? 0 : ENOSPC;
}

static int
answer_action(uint32_t random, const struct dp_packet *packet,
              const struct nlattr *userdata, struct ofpbuf *actions)
{
    static const int results[] = { 0, EAGAIN, ENOSPC, EINVAL };
    int result = results[random & 3];

    ovs_assert(nl_attr_get_u32(userdata) == upcall_fixture_packet_id(packet));
    if (!result || result == ENOSPC) {
        upcall_fixture_actions(actions);
    }
    return result;
}

static int
random_cb(const struct dp_packet *packet, const struct flow *flow,
          ovs_u128 *ufid, unsigned int pmd_id, enum dpif_upcall_type type,
          const struct nlattr *userdata, struct ofpbuf *actions,
          struct flow_wildcards *wc, struct ofpbuf *put_actions, void *test_)
{
    struct random_test *t = test_;
    atomic_bool *busy = &t->busy[odp_to_u32(flow->in_port.odp_port)];
    bool was_busy = false;
    unsigned int n_called;
    uint32_t random;
    int result;

    ovs_assert(pmd_id == NON_PMD_CORE_ID);
    ovs_assert(atomic_compare_exchange_strong(busy, &was_busy, true));
    atomic_add(&t->n_called, 1, &n_called);
    random = hash_int(n_called, t->seed);
    if (random & (1u << 16)) {
        sched_yield();
    }
    result = (type == DPIF_UC_MISS
              ? answer_miss(t, random, ufid, actions, wc, put_actions)
              : answer_action(random, packet, userdata, actions));
    atomic_store(busy, false);
    return result;
}

/* Clients */

static void
tell_fate(struct random_client *c, const struct dp_packet *packet,
          enum fate fate)
{
    uint32_t id = upcall_fixture_packet_id(packet);
    struct sent_packet *s = &c->sent[id];

    ovs_assert(id && id <= c->n_sent);
    ovs_assert(s->fate == FATE_OPEN);
    s->fate = fate;
    if (fate == FATE_DELIVERED) {
        uint32_t *last = (s->action
                          ? &c->last_action[s->in_port]
                          : &c->last[s->in_port][s->flow]);

        ovs_assert(*last < id);
        *last = id;
    }
}

/* Takes 'packet', which it takes, to its end or to the upcall threads, as a
 * polling thread does. */
static void
forward(struct random_client *c, struct dp_packet *packet,
        const struct upcall_origin *origin)
{
    odp_port_t in_port = packet->md.in_port.odp_port;
    enum port_drop reason = PORT_N_DROPS;
    enum fate fate = FATE_DELIVERED;
    struct flow_key key;
    bool holds;

    flow_key_extract(packet, &key);
    holds = upcall_client_holds(c->up, &key);
    ovs_assert(!holds || upcall_client_has_pending(c->up, in_port));
    if (holds || !megaflow_table_lookup(c->test->f.flows, &key, NULL)) {
        if (upcall_client_miss(c->up, packet, &key, origin, &reason)) {
            return;
        }
        ovs_assert(reason == PORT_DROP_UPCALL_QUEUE
                   || (reason == PORT_DROP_UPCALL_OFF && !holds));
        fate = FATE_DROPPED;
    }
    tell_fate(c, packet, fate);
    dp_packet_delete(packet);
}

/* Sends 'packet' up for a userspace action. */
static void
send_action(struct random_client *c, struct dp_packet *packet,
            const struct upcall_origin *origin)
{
    enum port_drop reason = PORT_N_DROPS;
    struct ofpbuf userdata;

    ofpbuf_init(&userdata, 0);
    nl_msg_put_u32(&userdata, 1, upcall_fixture_packet_id(packet));
    if (!upcall_client_action(c->up, packet, userdata.data, origin, &reason)) {
        ovs_assert(reason == PORT_DROP_UPCALL_QUEUE
                   || reason == PORT_DROP_UPCALL_OFF);
        tell_fate(c, packet, FATE_DROPPED);
        dp_packet_delete(packet);
    }
    ofpbuf_uninit(&userdata);
}

static void
send_packet(struct random_client *c)
{
    uint32_t id = ++c->n_sent;
    struct sent_packet *s = &c->sent[id];
    struct upcall_origin origin;
    struct dp_packet *packet;

    s->in_port = 1 + random_range(UPCALL_FIXTURE_PORTS - 1);
    s->flow = random_range(N_FLOWS);
    s->action = random_one_in(8);
    packet = upcall_fixture_packet(s->in_port, c->index * N_FLOWS + s->flow,
                                   id);
    origin.port = random_one_in(8) ? NULL : c->test->f.ports[s->in_port];
    origin.open = random_one_in(2);
    origin.depth = id;
    if (s->action) {
        send_action(c, packet, &origin);
    } else {
        forward(c, packet, &origin);
    }
}

static void
take_answers(struct random_client *c)
{
    struct upcall_answer a;

    while (upcall_client_next(c->up, &a)) {
        uint32_t id = upcall_fixture_packet_id(a.packet);
        const struct sent_packet *s = &c->sent[id];

        ovs_assert(a.miss == !s->action);
        ovs_assert(a.origin.depth == id);
        ovs_assert(!a.origin.port
                   || a.origin.port == c->test->f.ports[s->in_port]);
        if (a.verdict == UPCALL_FOUND) {
            ovs_assert(a.miss);
            forward(c, a.packet, &a.origin);
        } else {
            tell_fate(c, a.packet, (a.verdict == UPCALL_RUN
                                    ? FATE_DELIVERED : FATE_DROPPED));
            dp_packet_delete(a.packet);
        }
        if (a.origin.port) {
            port_unref(a.origin.port);
        }
    }
}

static void *
client_main(void *c_)
{
    struct random_client *c = c_;
    unsigned int n_done;

    random_set_seed(hash_int(c->index, c->test->seed) | 1);
    c->up = upcall_client_create(c->test->f.upcall, -1);
    while (c->n_sent < c->n_packets) {
        bool wait = random_one_in(4);

        take_answers(c);
        for (int n = random_range(32); n && c->n_sent < c->n_packets; n--) {
            send_packet(c);
        }
        do {
            take_answers(c);
            ovsrcu_quiesce();
            sched_yield();
        } while (wait && upcall_client_is_busy(c->up));
    }
    while (upcall_client_is_busy(c->up)) {
        take_answers(c);
        ovsrcu_quiesce();
        sched_yield();
    }
    upcall_client_destroy(c->up);
    atomic_add(&c->test->n_done, 1, &n_done);
    return NULL;
}

/* Returns how many packets were delivered. */
static uint32_t
check_client(const struct random_client *c)
{
    uint32_t n_delivered = 0;

    ovs_assert(c->n_sent == c->n_packets);
    for (uint32_t id = 1; id <= c->n_sent; id++) {
        ovs_assert(c->sent[id].fate != FATE_OPEN);
        n_delivered += c->sent[id].fate == FATE_DELIVERED;
    }
    return n_delivered;
}

/* The control thread */

/* Deletes a flow, then its ukey, as a revalidator does. */
static void
revalidate(struct random_test *t)
{
    struct ukey *ukey = NULL;

    ovs_mutex_lock(&t->mutex);
    if (!hmap_is_empty(&t->ukeys)) {
        ukey = CONTAINER_OF(hmap_random_node(&t->ukeys), struct ukey, node);
    }
    ovs_mutex_unlock(&t->mutex);

    /* Nobody else frees ukeys.  A flow that is not there is on its way in. */
    if (ukey && !megaflow_table_del(t->f.flows, &ukey->ufid, NULL)) {
        sched_yield();
        ovs_mutex_lock(&t->mutex);
        hmap_remove(&t->ukeys, &ukey->node);
        ovs_mutex_unlock(&t->mutex);
        free(ukey);
    }
}

static void
miss_inline(struct random_test *t)
{
    struct dp_packet *packet = upcall_fixture_packet(
        INLINE_PORT, random_range(N_FLOWS), 0);
    enum port_drop reason = PORT_N_DROPS;
    struct ofpbuf actions;
    struct flow_key key;

    flow_key_extract(packet, &key);
    ofpbuf_init(&actions, 0);
    ignore(upcall_ask_miss(t->f.upcall, packet, &key, &actions, &reason));
    ofpbuf_uninit(&actions);
    dp_packet_delete(packet);
}

static void
control(struct random_test *t)
{
    unsigned int n_done;

    do {
        switch (random_range(32)) {
        case 0:
            upcall_set_n_threads(t->f.upcall, 1 + random_range(3));
            break;
        case 1:
            upcall_disable(t->f.upcall);
            sched_yield();
            upcall_enable(t->f.upcall);
            break;
        case 2:
            miss_inline(t);
            break;
        default:
            revalidate(t);
            break;
        }
        ovsrcu_quiesce();
        sched_yield();
        atomic_read(&t->n_done, &n_done);
    } while (n_done < N_CLIENTS);
}

/* Checks that there is a flow for each ukey and none else. */
static void
check_ukeys(struct random_test *t)
{
    struct ukey *ukey;

    ovs_mutex_lock(&t->mutex);
    ovs_assert(hmap_count(&t->ukeys) == megaflow_table_count(t->f.flows));
    HMAP_FOR_EACH_POP (ukey, node, &t->ukeys) {
        ovs_assert(megaflow_table_find(t->f.flows, &ukey->ufid));
        free(ukey);
    }
    hmap_destroy(&t->ukeys);
    ovs_mutex_unlock(&t->mutex);
    ovs_mutex_destroy(&t->mutex);
}

static void
test_upcall_random(uint32_t n_packets, uint32_t seed)
{
    struct random_client *clients = xcalloc(N_CLIENTS, sizeof *clients);
    struct random_test *t = xzalloc(sizeof *t);
    pthread_t threads[N_CLIENTS];
    uint32_t n_delivered = 0;

    t->seed = seed;
    ovs_mutex_init(&t->mutex);
    ovs_mutex_lock(&t->mutex);
    hmap_init(&t->ukeys);
    ovs_mutex_unlock(&t->mutex);
    upcall_fixture_init(&t->f, random_cb, t);
    upcall_set_n_threads(t->f.upcall, 2);
    for (unsigned int i = 0; i < N_CLIENTS; i++) {
        clients[i] = (struct random_client) {
            .test = t,
            .index = i,
            .n_packets = n_packets,
            .sent = xcalloc(n_packets + 1, sizeof *clients[i].sent),
        };
        threads[i] = ovs_thread_create("client", client_main, &clients[i]);
    }
    control(t);
    for (unsigned int i = 0; i < N_CLIENTS; i++) {
        xpthread_join(threads[i], NULL);
        n_delivered += check_client(&clients[i]);
        free(clients[i].sent);
    }
    printf("%"PRIu32" of %"PRIu32" packets delivered\n", n_delivered,
           N_CLIENTS * n_packets);
    ovs_assert(n_delivered);
    check_ukeys(t);
    upcall_fixture_destroy(&t->f);
    free(clients);
    free(t);
}

static void
test_upcall_random_main(int argc, char *argv[])
{
    uint32_t seed;

    set_program_name(argv[0]);
    if (argc < 2) {
        ovs_fatal(0, "usage: %s PACKETS [SEED]", argv[0]);
    }
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    random_init();
    seed = argc > 2 ? strtoul(argv[2], NULL, 0) : random_uint32();
    printf("seed %"PRIu32"\n", seed);
    fflush(stdout);
    random_set_seed(seed | 1);
    ovsrcu_quiesce_end();
    test_upcall_random(strtoul(argv[1], NULL, 0), seed);

    /* So that a memory checker sees what is left. */
    ovsrcu_exit();
}

OVSTEST_REGISTER("test-upcall-random", test_upcall_random_main);
