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

/* Tests of upcall/, one thing at a time.  test-upcall-random.c has the others.
 *
 * No test depends on timing: where one waits, it is for a condition. */

#include <config.h>
#undef NDEBUG

#include <errno.h>
#include <sched.h>

#include "command-line.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "ovstest.h"
#include "upcall-fixture.h"

/* A client that the test's own thread plays, and how to know when what. */
struct gate_test {
    struct upcall_fixture f;
    struct upcall_client *client;
    atomic_uint n_called;       /* Callbacks that began. */
    atomic_uint n_passes;       /* Callbacks that may end. */
    atomic_uint n_calls[4];     /* Callbacks that began, by in_port. */
    atomic_uint first_2_at;     /* 'n_called' when port 2's first one began. */
    int result;
};

static unsigned int
get(atomic_uint *counter)
{
    unsigned int value;

    atomic_read_explicit(counter, &value, memory_order_acquire);
    return value;
}

static unsigned int
increment(atomic_uint *counter)
{
    unsigned int old;

    atomic_add_explicit(counter, 1, &old, memory_order_acq_rel);
    return old + 1;
}

/* Waits until 'counter' is 'value' at least. */
static void
wait_for(atomic_uint *counter, unsigned int value)
{
    while (get(counter) < value) {
        sched_yield();
    }
}

static int
gate_cb(const struct dp_packet *packet OVS_UNUSED, const struct flow *flow,
        ovs_u128 *ufid OVS_UNUSED, unsigned int pmd_id,
        enum dpif_upcall_type type OVS_UNUSED,
        const struct nlattr *userdata OVS_UNUSED, struct ofpbuf *actions,
        struct flow_wildcards *wc, struct ofpbuf *put_actions OVS_UNUSED,
        void *test_)
{
    struct gate_test *t = test_;
    unsigned int in_port = odp_to_u32(flow->in_port.odp_port);
    unsigned int n;

    ovs_assert(pmd_id == NON_PMD_CORE_ID);
    increment(&t->n_calls[in_port]);
    n = increment(&t->n_called);
    if (in_port == 2 && !get(&t->first_2_at)) {
        atomic_store(&t->first_2_at, n);
    }
    wait_for(&t->n_passes, n);
    if (wc) {
        upcall_fixture_wildcards(wc, 0xfff8);
    }
    upcall_fixture_actions(actions);
    return t->result;
}

static struct gate_test *
gate_test_create(unsigned int n_threads)
{
    struct gate_test *t = xzalloc(sizeof *t);

    upcall_fixture_init(&t->f, gate_cb, t);
    upcall_set_n_threads(t->f.upcall, n_threads);
    t->client = upcall_client_create(t->f.upcall, -1);
    return t;
}

static void
gate_test_open(struct gate_test *t)
{
    atomic_store(&t->n_passes, UINT32_MAX);
}

static void
gate_test_destroy(struct gate_test *t)
{
    upcall_client_destroy(t->client);
    upcall_fixture_destroy(&t->f);
    free(t);
}

/* Sends packet 'id' of 'flow' the way a polling thread does.  Returns 0 if it
 * was queued, ENOENT if it hit a flow, else the drop's reason negated. */
static int
send_packet(struct gate_test *t, unsigned int in_port, uint16_t flow,
            uint32_t id)
{
    struct upcall_origin origin = { .port = t->f.ports[in_port],
                                    .open = true };
    struct dp_packet *packet = upcall_fixture_packet(in_port, flow, id);
    enum port_drop reason = PORT_N_DROPS;
    struct flow_key key;
    bool queued, holds;

    flow_key_extract(packet, &key);
    /* What the connection tracker remembers may be freed meanwhile. */
    packet->md.conn = (struct conn *) packet;
    holds = upcall_client_holds(t->client, &key);
    ovs_assert(!holds || upcall_client_has_pending(t->client,
                                                   u32_to_odp(in_port)));
    if (!holds && megaflow_table_lookup(t->f.flows, &key, NULL)) {
        dp_packet_delete(packet);
        return ENOENT;
    }
    queued = upcall_client_miss(t->client, packet, &key, &origin, &reason);
    if (!queued) {
        dp_packet_delete(packet);
    }
    return queued ? 0 : -(int) reason;
}

/* Waits for the next packet that comes back, checks its verdict and returns
 * its id. */
static uint32_t
next_answer(struct gate_test *t, enum upcall_verdict verdict,
            enum port_drop reason)
{
    struct upcall_answer a;
    uint32_t id;

    while (!upcall_client_next(t->client, &a)) {
        ovs_assert(upcall_client_is_busy(t->client));
        sched_yield();
    }
    ovs_assert(a.verdict == verdict);
    ovs_assert(verdict != UPCALL_DROP || a.reason == reason);
    ovs_assert(verdict != UPCALL_RUN || a.actions->size);
    ovs_assert(!a.packet->md.conn);
    id = upcall_fixture_packet_id(a.packet);
    dp_packet_delete(a.packet);
    port_unref(a.origin.port);
    return id;
}

static void
no_answer(struct gate_test *t)
{
    struct upcall_answer a;

    ovs_assert(!upcall_client_next(t->client, &a));
    ovs_assert(!upcall_client_is_busy(t->client));
}

/* Packets wait behind the first of their microflow, also when another
 * microflow brings a megaflow that covers them. */
static void
test_upcall_order(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    struct gate_test *t = gate_test_create(3);

    ovs_assert(!send_packet(t, 1, 16, 1));
    wait_for(&t->n_called, 1);
    ovs_assert(!send_packet(t, 1, 16, 2));
    ovs_assert(!send_packet(t, 1, 17, 3));
    ovs_assert(!send_packet(t, 1, 16, 4));
    ovs_assert(!send_packet(t, 1, 17, 5));
    ovs_assert(atomic_count_get(&t->f.ports[1]->n_in_flight) == 5);
    ovs_assert(port_is_awaited(t->f.ports[1]));

    /* The second microflow finds the megaflow of the first. */
    gate_test_open(t);
    ovs_assert(next_answer(t, UPCALL_RUN, 0) == 1);
    ovs_assert(send_packet(t, 1, 18, 6) == ENOENT);
    ovs_assert(!send_packet(t, 1, 17, 7));
    ovs_assert(next_answer(t, UPCALL_FOUND, 0) == 2);
    ovs_assert(next_answer(t, UPCALL_FOUND, 0) == 4);
    ovs_assert(next_answer(t, UPCALL_FOUND, 0) == 3);
    ovs_assert(!upcall_client_has_pending(t->client, u32_to_odp(1)));
    ovs_assert(send_packet(t, 1, 17, 8) == ENOENT);
    ovs_assert(next_answer(t, UPCALL_FOUND, 0) == 5);
    ovs_assert(next_answer(t, UPCALL_FOUND, 0) == 7);
    no_answer(t);
    ovs_assert(get(&t->n_called) == 1);
    ovs_assert(megaflow_table_count(t->f.flows) == 1);
    ovs_assert(!port_is_awaited(t->f.ports[1]));

    /* What is pending on one port does not matter to another. */
    ovs_assert(!send_packet(t, 2, 16, 9));
    ovs_assert(upcall_client_has_pending(t->client, u32_to_odp(2)));
    ovs_assert(!upcall_client_has_pending(t->client, u32_to_odp(1)));
    ovs_assert(next_answer(t, UPCALL_RUN, 0) == 9);
    no_answer(t);
    gate_test_destroy(t);
}

/* A port that floods drops beyond its bound, and does not keep another port
 * from being served soon. */
static void
test_upcall_bound(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    struct gate_test *t = gate_test_create(1);
    struct upcall_stats stats;
    uint32_t n = 1, n_waiting;

    /* One is with the upcall thread, the others fill the queue. */
    ovs_assert(!send_packet(t, 1, 0, n));
    wait_for(&t->n_called, 1);
    while (!send_packet(t, 1, n * 8, n + 1)) {
        n++;
        ovs_assert(n <= UPCALL_QUEUE_MAX + 1);
    }
    ovs_assert(n == UPCALL_QUEUE_MAX + 1);
    ovs_assert(send_packet(t, 1, n * 8, 0) == -PORT_DROP_UPCALL_QUEUE);
    upcall_get_stats(t->f.upcall, &stats);
    ovs_assert(stats.queued == UPCALL_QUEUE_MAX && stats.lost == 2);

    /* Those who wait behind have a bound of their own. */
    for (n_waiting = 0; !send_packet(t, 1, 0, 0); n_waiting++) {
        ovs_assert(n_waiting < UPCALL_WAITING_MAX);
    }
    ovs_assert(n_waiting == UPCALL_WAITING_MAX);
    ovs_assert(send_packet(t, 1, 8, 0) == -PORT_DROP_UPCALL_QUEUE);

    ovs_assert(!send_packet(t, 2, 0, 0));
    gate_test_open(t);
    wait_for(&t->n_calls[2], 1);
    ovs_assert(get(&t->first_2_at) <= 1 + 32);
    for (uint32_t i = 0; i < n + 1; i++) {
        next_answer(t, UPCALL_RUN, 0);
        for (; !i && n_waiting; n_waiting--) {
            next_answer(t, UPCALL_FOUND, 0);
        }
    }
    no_answer(t);
    ovs_assert(megaflow_table_count(t->f.flows) == n + 1);

    /* There is room again. */
    ovs_assert(!send_packet(t, 1, UINT16_MAX, 1));
    ovs_assert(!send_packet(t, 1, UINT16_MAX, 2));
    ovs_assert(next_answer(t, UPCALL_RUN, 0) == 1);
    ovs_assert(next_answer(t, UPCALL_FOUND, 0) == 2);
    no_answer(t);
    gate_test_destroy(t);
}

/* What else the callback may return. */
static void
test_upcall_errors(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    struct gate_test *t = gate_test_create(1);

    gate_test_open(t);
    t->result = ENOSPC;
    ovs_assert(!send_packet(t, 1, 0, 1));
    ovs_assert(next_answer(t, UPCALL_RUN, 0) == 1);
    t->result = EINVAL;
    ovs_assert(!send_packet(t, 1, 0, 2));
    ovs_assert(next_answer(t, UPCALL_DROP, PORT_DROP_UPCALL_ERROR) == 2);
    ovs_assert(!megaflow_table_count(t->f.flows));
    t->result = 0;
    ovs_assert(!send_packet(t, 1, 0, 3));
    ovs_assert(next_answer(t, UPCALL_RUN, 0) == 3);
    ovs_assert(send_packet(t, 1, 0, 4) == ENOENT);
    no_answer(t);
    gate_test_destroy(t);
}

struct disabler {
    struct upcall *upcall;
    atomic_uint done;
};

static void *
disabler_main(void *d_)
{
    struct disabler *d = d_;

    upcall_disable(d->upcall);
    increment(&d->done);
    return NULL;
}

/* upcall_disable() gives back what is queued, and waits for the callback that
 * runs. */
static void
test_upcall_disable(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    struct gate_test *t = gate_test_create(1);
    struct disabler d = { .upcall = t->f.upcall };
    struct upcall_stats stats;
    pthread_t thread;

    ovs_assert(!send_packet(t, 1, 0, 1));
    wait_for(&t->n_called, 1);
    ovs_assert(!send_packet(t, 1, 0, 2));
    ovs_assert(!send_packet(t, 1, 8, 3));
    ovs_assert(!send_packet(t, 2, 8, 4));
    thread = ovs_thread_create("disabler", disabler_main, &d);
    do {
        upcall_get_stats(t->f.upcall, &stats);
    } while (stats.queued);
    ovs_assert(!get(&d.done));
    ovs_assert(send_packet(t, 3, 0, 0) == -PORT_DROP_UPCALL_OFF);

    /* The order between ports is not determined. */
    ovs_assert(next_answer(t, UPCALL_DROP, PORT_DROP_UPCALL_OFF)
               + next_answer(t, UPCALL_DROP, PORT_DROP_UPCALL_OFF) == 3 + 4);
    ovs_assert(!get(&d.done));
    gate_test_open(t);
    ovs_assert(next_answer(t, UPCALL_RUN, 0) == 1);
    ovs_assert(next_answer(t, UPCALL_FOUND, 0) == 2);
    no_answer(t);
    xpthread_join(thread, NULL);
    ovs_assert(get(&d.done));

    upcall_enable(t->f.upcall);
    ovs_assert(!send_packet(t, 1, 8, 5));
    ovs_assert(next_answer(t, UPCALL_RUN, 0) == 5);
    gate_test_destroy(t);
}

/* Misses that are resolved on the calling thread, and a callback that executes
 * packets that miss. */
struct inline_test {
    struct upcall_fixture f;
    unsigned int n_called;
};

static enum upcall_verdict
ask_inline(struct inline_test *t, uint16_t flow)
{
    struct dp_packet *packet = upcall_fixture_packet(1, flow, 0);
    enum port_drop reason = PORT_N_DROPS;
    enum upcall_verdict verdict;
    struct ofpbuf actions;
    struct flow_key key;

    flow_key_extract(packet, &key);
    ofpbuf_init(&actions, 0);
    verdict = upcall_ask_miss(t->f.upcall, packet, &key, &actions, &reason);
    ovs_assert(verdict != UPCALL_DROP || reason == PORT_DROP_UPCALL_OFF);
    ofpbuf_uninit(&actions);
    dp_packet_delete(packet);
    return verdict;
}

static int
nested_cb(const struct dp_packet *packet OVS_UNUSED, const struct flow *flow,
          ovs_u128 *ufid OVS_UNUSED, unsigned int pmd_id OVS_UNUSED,
          enum dpif_upcall_type type OVS_UNUSED,
          const struct nlattr *userdata OVS_UNUSED, struct ofpbuf *actions,
          struct flow_wildcards *wc, struct ofpbuf *put_actions OVS_UNUSED,
          void *test_)
{
    struct inline_test *t = test_;

    t->n_called++;
    if (flow->tp_dst == htons(1)) {
        ovs_assert(ask_inline(t, 2) == UPCALL_RUN);
        ovs_assert(ask_inline(t, 2) == UPCALL_FOUND);
    }
    upcall_fixture_wildcards(wc, 0xffff);
    upcall_fixture_actions(actions);
    return 0;
}

static void
test_upcall_inline(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    struct inline_test t = { .n_called = 0 };

    upcall_fixture_init(&t.f, nested_cb, &t);
    ovs_assert(ask_inline(&t, 1) == UPCALL_RUN);
    ovs_assert(ask_inline(&t, 1) == UPCALL_FOUND);
    ovs_assert(t.n_called == 2 && megaflow_table_count(t.f.flows) == 2);
    upcall_disable(t.f.upcall);
    ovs_assert(ask_inline(&t, 1) == UPCALL_FOUND);
    ovs_assert(ask_inline(&t, 3) == UPCALL_DROP);
    ovs_assert(t.n_called == 2);
    upcall_fixture_destroy(&t.f);
}

static const struct ovs_cmdl_command commands[] = {
    { "order", NULL, 0, 0, test_upcall_order, OVS_RO },
    { "bound", NULL, 0, 0, test_upcall_bound, OVS_RO },
    { "errors", NULL, 0, 0, test_upcall_errors, OVS_RO },
    { "disable", NULL, 0, 0, test_upcall_disable, OVS_RO },
    { "inline", NULL, 0, 0, test_upcall_inline, OVS_RO },
    { NULL, NULL, 0, 0, NULL, OVS_RO },
};

static void
test_upcall_main(int argc, char *argv[])
{
    struct ovs_cmdl_context ctx = { .argc = argc - 1, .argv = argv + 1 };

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    ovsrcu_quiesce_end();
    ovs_cmdl_run_command(&ctx, commands);

    /* So that a memory checker sees what is left. */
    ovsrcu_exit();
}

OVSTEST_REGISTER("test-upcall", test_upcall_main);
