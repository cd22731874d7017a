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

/* A model of the race between a guest that puts packets on its ring and a
 * thread that goes to sleep, explored exhaustively
 * ======================================================================
 *
 * The guest makes packets available, looks whether the thread wants to be
 * notified, and kicks it if so (virtio 1.2, sections 2.7.13 and 2.8.21).  The
 * thread polls until it finds nothing and then does what vring_sleep(),
 * vhost_rx_wake() and poll_set_block() do.  Each of the two has a store buffer
 * as x86 has it (TSO): its stores reach memory in order, but as late as they
 * like, unless a barrier waits for them; its own loads see them at once.
 *
 * All interleavings of their steps and of their buffers' are visited.  Where
 * no step is left, the guest must be done, and the thread asleep with all
 * packets taken; otherwise a packet waits for a kick that never comes, and the
 * model prints how it came to that.
 *
 * usage: test-kick-model [--no-barrier] [--no-second-look]
 *                        [--no-guest-barrier]
 *
 * Each option removes what it says.  The exit status is 1 if a packet is
 * lost. */

#include <config.h>
#undef NDEBUG

#include <inttypes.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/hmap.h"
#include "ovstest.h"
#include "util.h"
#include "vhost/vring-private.h"

#define N_PACKETS 4
#define MAX_BATCH 2             /* Packets that are published at once. */
#define MAX_STORES 4            /* In a store buffer: then the CPU waits. */

/* Shared memory. */
enum var { AVAIL, EVENT, N_VARS };

/* How the thread says whether it wants a kick. */
enum kind {
    BY_FLAG,                    /* EVENT is 0 or 1. */
    BY_INDEX,                   /* EVENT is an index: the guest kicks when
                                 * AVAIL passes it. */
};

enum cpu { GUEST, THREAD, N_CPUS };

/* What each does next. */
enum guest_pc { PUBLISH, GUEST_BARRIER, SUPPRESSED, KICK, DONE };
enum thread_pc { POLL, IDLE, BARRIER, SECOND_LOOK, BLOCK, WOKEN };

struct buffer {
    uint8_t n;
    struct {
        uint8_t var;
        uint16_t value;
    } stores[MAX_STORES];
};

/* All zeros to begin with, but for EVENT; compared as bytes. */
struct state {
    uint16_t memory[N_VARS];
    struct buffer buffers[N_CPUS];
    uint8_t guest, thread;      /* enum guest_pc, enum thread_pc. */
    uint16_t published, before; /* By the guest, and before its last batch. */
    uint16_t taken;             /* By the thread. */
    bool kicked;                /* An event waits in epoll. */
};

struct node {
    struct hmap_node hmap_node; /* In model->nodes. */
    struct state state;
    const struct node *parent;
    const char *step;           /* That led here. */
    struct node *next;          /* To be explored. */
};

struct model {
    enum kind kind;
    bool no_barrier, no_second_look, no_guest_barrier;

    struct hmap nodes;
    struct node *todo, **todo_end; /* Shortest way first. */
    const struct node *lost;
};

/* Memory */

static void
store(struct state *s, enum cpu cpu, enum var var, uint16_t value)
{
    struct buffer *b = &s->buffers[cpu];

    ovs_assert(b->n < MAX_STORES);
    b->stores[b->n].var = var;
    b->stores[b->n++].value = value;
}

static uint16_t
load(const struct state *s, enum cpu cpu, enum var var)
{
    const struct buffer *b = &s->buffers[cpu];

    for (int i = b->n - 1; i >= 0; i--) {
        if (b->stores[i].var == var) {
            return b->stores[i].value;
        }
    }
    return s->memory[var];
}

static void
drain_one(struct state *s, enum cpu cpu)
{
    struct buffer *b = &s->buffers[cpu];

    s->memory[b->stores[0].var] = b->stores[0].value;
    b->n--;
    memmove(&b->stores[0], &b->stores[1], b->n * sizeof b->stores[0]);
    memset(&b->stores[b->n], 0, sizeof b->stores[0]);
}

/* Steps: each makes a new state out of 's', and adds it. */

static void
add(struct model *m, const struct node *parent, const struct state *s,
    const char *step)
{
    uint32_t hash = hash_bytes(s, sizeof *s, 0);
    struct node *node;

    HMAP_FOR_EACH_WITH_HASH (node, hmap_node, hash, &m->nodes) {
        if (!memcmp(&node->state, s, sizeof *s)) {
            return;
        }
    }
    node = xzalloc(sizeof *node);
    node->state = *s;
    node->parent = parent;
    node->step = step;
    hmap_insert(&m->nodes, &node->hmap_node, hash);
    *m->todo_end = node;
    m->todo_end = &node->next;
}

static void
ask_kick(const struct model *m, struct state *s, bool ask)
{
    store(s, THREAD, EVENT,
          m->kind == BY_FLAG ? ask : (uint16_t) (s->taken - !ask));
}

static bool
wants_kick(const struct model *m, const struct state *s)
{
    uint16_t event = load(s, GUEST, EVENT);

    return (m->kind == BY_FLAG
            ? event
            : vring_passes_event(event, s->published, s->before));
}

static unsigned int
step_guest(struct model *m, const struct node *node)
{
    struct state s = node->state;

    if (s.buffers[GUEST].n == MAX_STORES) {
        return 0;
    }
    switch ((enum guest_pc) s.guest) {
    case PUBLISH:
        for (int n = 1; n <= MIN(MAX_BATCH, N_PACKETS - s.published); n++) {
            struct state t = s;

            t.before = t.published;
            t.published += n;
            store(&t, GUEST, AVAIL, t.published);
            t.guest = m->no_guest_barrier ? SUPPRESSED : GUEST_BARRIER;
            add(m, node, &t, n == 1 ? "guest publishes a packet"
                                    : "guest publishes two packets");
        }
        return 1;

    case GUEST_BARRIER:
        if (s.buffers[GUEST].n) {
            return 0;
        }
        s.guest = SUPPRESSED;
        add(m, node, &s, "guest passes its barrier");
        return 1;

    case SUPPRESSED:
        if (wants_kick(m, &s)) {
            s.guest = KICK;
            add(m, node, &s, "guest sees that a kick is wanted");
        } else {
            s.guest = s.published < N_PACKETS ? PUBLISH : DONE;
            add(m, node, &s, "guest sees that no kick is wanted");
        }
        return 1;

    case KICK:
        /* A system call does not overtake what was stored before it. */
        if (s.buffers[GUEST].n) {
            return 0;
        }
        s.kicked = true;
        s.guest = s.published < N_PACKETS ? PUBLISH : DONE;
        add(m, node, &s, "guest kicks");
        return 1;

    case DONE:
        return 0;
    }
    OVS_NOT_REACHED();
}

/* The thread has found nothing: it may look for kicks, for the sake of other
 * queues, and it may have had enough. */
static void
step_idle(struct model *m, const struct node *node)
{
    struct state s = node->state;

    if (s.kicked) {
        s.kicked = false;
        s.thread = POLL;
        add(m, node, &s, "thread takes an event though it is awake");
        s = node->state;
    }
    s.thread = POLL;
    add(m, node, &s, "thread goes on polling");

    s = node->state;
    ask_kick(m, &s, true);
    s.thread = (!m->no_barrier ? BARRIER
                : !m->no_second_look ? SECOND_LOOK : BLOCK);
    add(m, node, &s, "thread asks for a kick");
}

static unsigned int
step_thread(struct model *m, const struct node *node)
{
    struct state s = node->state;
    uint16_t avail = load(&s, THREAD, AVAIL);

    if (s.buffers[THREAD].n == MAX_STORES) {
        return 0;
    }
    switch ((enum thread_pc) s.thread) {
    case POLL:
        if (avail != s.taken) {
            s.taken = avail;
            add(m, node, &s, "thread takes packets");
        } else {
            s.thread = IDLE;
            add(m, node, &s, "thread finds nothing");
        }
        return 1;

    case IDLE:
        step_idle(m, node);
        return 1;

    case BARRIER:
        if (s.buffers[THREAD].n) {
            return 0;
        }
        s.thread = m->no_second_look ? BLOCK : SECOND_LOOK;
        add(m, node, &s, "thread passes its barrier");
        return 1;

    case SECOND_LOOK:
        if (avail != s.taken) {
            ask_kick(m, &s, false);
            s.thread = POLL;
            add(m, node, &s, "thread finds packets and does not sleep");
        } else {
            s.thread = BLOCK;
            add(m, node, &s, "thread finds nothing again");
        }
        return 1;

    case BLOCK:
        if (!s.kicked) {
            return 0;
        }
        s.kicked = false;
        s.thread = WOKEN;
        add(m, node, &s, "thread is woken");
        return 1;

    case WOKEN:
        ask_kick(m, &s, false);
        s.thread = POLL;
        add(m, node, &s, "thread wants no more kicks");
        return 1;
    }
    OVS_NOT_REACHED();
}

static unsigned int
step_buffer(struct model *m, const struct node *node, enum cpu cpu)
{
    struct state s = node->state;

    if (!s.buffers[cpu].n) {
        return 0;
    }
    drain_one(&s, cpu);
    add(m, node, &s, cpu == GUEST ? "a store of the guest reaches memory"
                                  : "a store of the thread reaches memory");
    return 1;
}

/* Exploration */

static void
explore(struct model *m)
{
    struct state start;
    struct node *node;

    memset(&start, 0, sizeof start);
    start.memory[EVENT] = m->kind == BY_FLAG ? 0 : UINT16_MAX;
    add(m, NULL, &start, "start");
    while ((node = m->todo) != NULL) {
        const struct state *s = &node->state;

        if (!(step_guest(m, node) + step_thread(m, node)
              + step_buffer(m, node, GUEST) + step_buffer(m, node, THREAD))) {
            ovs_assert(s->guest == DONE && s->thread == BLOCK);
            if (s->taken != N_PACKETS && !m->lost) {
                m->lost = node;
            }
        }
        m->todo = node->next;
    }
}

static void
print_steps(const struct node *node)
{
    if (node) {
        print_steps(node->parent);
        printf("  %s\n", node->step);
    }
}

/* Returns true if no packet is lost. */
static bool
run(struct model *m, const char *name)
{
    struct node *node;
    bool ok;

    hmap_init(&m->nodes);
    m->todo = NULL;
    m->todo_end = &m->todo;
    m->lost = NULL;
    explore(m);
    ok = !m->lost;
    printf("suppression by %s: %"PRIuSIZE" states, %s\n", name,
           hmap_count(&m->nodes), ok ? "no packet is lost" : "packet lost:");
    print_steps(m->lost);

    HMAP_FOR_EACH_POP (node, hmap_node, &m->nodes) {
        free(node);
    }
    hmap_destroy(&m->nodes);
    return ok;
}

static void
test_kick_model_main(int argc, char *argv[])
{
    struct model m = { .kind = BY_FLAG };
    bool ok;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--no-barrier")) {
            m.no_barrier = true;
        } else if (!strcmp(argv[i], "--no-second-look")) {
            m.no_second_look = true;
        } else if (!strcmp(argv[i], "--no-guest-barrier")) {
            m.no_guest_barrier = true;
        } else {
            ovs_fatal(0, "usage: %s [--no-barrier] [--no-second-look] "
                      "[--no-guest-barrier]", argv[0]);
        }
    }
    ok = run(&m, "flag");
    m.kind = BY_INDEX;
    ok = run(&m, "index") && ok;
    exit(ok ? EXIT_SUCCESS : EXIT_FAILURE);
}

OVSTEST_REGISTER("test-kick-model", test_kick_model_main);
