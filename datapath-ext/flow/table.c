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

#include "flow/flow-private.h"

#include <errno.h>
#include <string.h>

#include "action/action.h"
#include "hash.h"
#include "openvswitch/match.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"

/* Slots come in blocks, which stay until the table goes. */
#define SLOTS_PER_BLOCK 4096
#define MAX_BLOCKS DIV_ROUND_UP(MEGAFLOW_MAX, SLOTS_PER_BLOCK)

/* How often masks are ranked, and unions narrowed: that makes cache entries of
 * the port and shape useless. */
#define RANK_INTERVAL 1000      /* ms */
#define NARROW_INTERVAL 10000   /* ms */

struct megaflow_table {
    struct cmap flows;          /* Of struct megaflow_private, by ufid. */
    struct cmap ports;          /* Of struct flow_port. */
    atomic_uint ports_seq;
    atomic_uint n_slots;        /* See megaflow_table_set_slots(). */
    atomic_count n_masks;
    const struct megaflow_observer *observer;   /* Or NULL. */
    void *observer_aux;

    struct ovs_mutex mutex;
    uint64_t generation OVS_GUARDED;        /* Last used by a union. */
    struct flow_slot *blocks[MAX_BLOCKS] OVS_GUARDED;
    unsigned int n_blocks OVS_GUARDED;
    struct flow_slot **free_slots OVS_GUARDED;
    size_t n_free_slots OVS_GUARDED;

    /* For the thread that calls megaflow_table_run(), in time_msec(). */
    long long int next_rank;
    long long int next_narrow;
};

/* Slots */

static struct flow_slot *
slot_alloc(struct megaflow_table *table)
    OVS_REQUIRES(table->mutex)
{
    if (!table->n_free_slots) {
        struct flow_slot *block;

        ovs_assert(table->n_blocks < MAX_BLOCKS);
        block = xcalloc(SLOTS_PER_BLOCK, sizeof *block);
        table->blocks[table->n_blocks++] = block;
        table->free_slots = xrealloc(table->free_slots,
                                     table->n_blocks * SLOTS_PER_BLOCK
                                     * sizeof *table->free_slots);
        for (size_t i = 0; i < SLOTS_PER_BLOCK; i++) {
            table->free_slots[table->n_free_slots++] = &block[i];
        }
    }
    return table->free_slots[--table->n_free_slots];
}

/* From here on no cache entry finds the slot's flow.  The generation changes
 * first: whoever sees the next flow in the slot also sees the change. */
static void
slot_free(struct megaflow_table *table, struct flow_slot *slot)
    OVS_REQUIRES(table->mutex)
{
    uint64_t generation;

    atomic_read_relaxed(&slot->generation, &generation);
    atomic_store_relaxed(&slot->generation, generation + 1);
    ovsrcu_set(&slot->megaflow, NULL);
    table->free_slots[table->n_free_slots++] = slot;
}

/* Statistics */

void
megaflow_count(struct megaflow *mf, unsigned int slot, uint64_t n_packets,
               uint64_t n_bytes, uint16_t tcp_flags, long long int now)
{
    if (OVS_LIKELY(slot && slot <= mf->n_slots)) {
        struct flow_counters *c = &mf->counters[slot];
        uint64_t packets, bytes;
        uint16_t flags;

        atomic_read_relaxed(&c->packets, &packets);
        atomic_store_relaxed(&c->packets, packets + n_packets);
        atomic_read_relaxed(&c->bytes, &bytes);
        atomic_store_relaxed(&c->bytes, bytes + n_bytes);
        atomic_store_relaxed(&c->used, now);
        atomic_read_relaxed(&c->tcp_flags, &flags);
        if (tcp_flags & ~flags) {
            atomic_store_relaxed(&c->tcp_flags, flags | tcp_flags);
        }
    } else {
        struct flow_counters *c = &mf->counters[0];
        long long int used;
        uint16_t orig_flags;
        uint64_t orig;

        atomic_add_relaxed(&c->packets, n_packets, &orig);
        atomic_add_relaxed(&c->bytes, n_bytes, &orig);
        atomic_or_relaxed(&c->tcp_flags, tcp_flags, &orig_flags);
        atomic_read_relaxed(&c->used, &used);
        while (used < now
               && !atomic_compare_exchange_weak_relaxed(&c->used, &used,
                                                        now)) {
            continue;
        }
    }
}

/* Everything counted since the flow was created. */
static void
sum_counters(const struct megaflow *mf, struct megaflow_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    for (size_t i = 0; i <= mf->n_slots; i++) {
        struct flow_counters *c = &mf->counters[i];
        uint64_t packets, bytes;
        long long int used;
        uint16_t flags;

        atomic_read_relaxed(&c->packets, &packets);
        atomic_read_relaxed(&c->bytes, &bytes);
        atomic_read_relaxed(&c->used, &used);
        atomic_read_relaxed(&c->tcp_flags, &flags);
        stats->packets += packets;
        stats->bytes += bytes;
        stats->used = MAX(stats->used, used);
        stats->tcp_flags |= flags;
    }
}

void
megaflow_get_stats(const struct megaflow *mf, struct megaflow_stats *stats)
{
    const struct megaflow_stats *base;

    /* Read before the counters, which are thus no less. */
    base = ovsrcu_get(struct megaflow_stats *, &mf->private_->base);
    sum_counters(mf, stats);
    if (base) {
        stats->packets -= base->packets;
        stats->bytes -= base->bytes;
        if (!stats->packets) {
            stats->used = 0;
        }
    }
}

/* Other threads go on counting meanwhile, so the counters stay. */
static void
megaflow_zero_stats(struct megaflow *mf)
{
    struct megaflow_stats *old, *new = xmalloc(sizeof *new);

    for (size_t i = 0; i <= mf->n_slots; i++) {
        atomic_store_relaxed(&mf->counters[i].tcp_flags, 0);
    }
    sum_counters(mf, new);
    old = ovsrcu_get_protected(struct megaflow_stats *, &mf->private_->base);
    ovsrcu_set(&mf->private_->base, new);
    if (old) {
        ovsrcu_postpone(free, old);
    }
}

/* Flows */

static struct megaflow_body *
megaflow_create(const ovs_u128 *ufid, const struct match *match,
                odp_port_t orig_in_port, struct action_program *program,
                unsigned int n_slots, unsigned int max_words)
{
    size_t counters_size = (n_slots + 1) * sizeof(struct flow_counters);
    struct flow_counters *counters;
    struct megaflow_body *body;
    struct megaflow *mf;

    /* Counters are next to what else is used for each packet, so that it is
     * mostly one page of memory to find. */
    counters = xzalloc_cacheline(counters_size + sizeof *body
                                 + max_words * sizeof(uint64_t));
    body = ALIGNED_CAST(struct megaflow_body *,
                        (char *) counters + counters_size);
    body->private_.words = ALIGNED_CAST(uint64_t *, body + 1);
    ovsrcu_init(&body->private_.base, NULL);

    mf = &body->megaflow;
    mf->n_slots = n_slots;
    mf->counters = counters;
    mf->ufid = *ufid;
    mf->flow = match->flow;
    mf->mask = match->wc;
    memset(&mf->mask.masks.in_port, 0xff, sizeof mf->mask.masks.in_port);
    mf->in_port = match->flow.in_port.odp_port;
    mf->orig_in_port = orig_in_port;
    mf->recirc_id = match->flow.recirc_id;
    mf->private_ = &body->private_;
    ovsrcu_init(&mf->program, program);
    return body;
}

static void
megaflow_free(struct megaflow *mf)
{
    struct megaflow_body *body = CONTAINER_OF(mf, struct megaflow_body,
                                              megaflow);

    action_program_free(ovsrcu_get_protected(struct action_program *,
                                             &mf->program));
    free(ovsrcu_get_protected(struct megaflow_stats *,
                              &body->private_.base));
    free_cacheline(mf->counters);
}

static uint32_t
hash_ufid(const ovs_u128 *ufid)
{
    /* Flow ids are hashes already. */
    return ufid->u32[0];
}

struct megaflow *
megaflow_table_find(const struct megaflow_table *table, const ovs_u128 *ufid)
{
    struct megaflow_private *p;

    CMAP_FOR_EACH_WITH_HASH (p, ufid_node, hash_ufid(ufid), &table->flows) {
        struct megaflow *mf = megaflow_from_private(p);

        if (ovs_u128_equals(mf->ufid, *ufid)) {
            return mf;
        }
    }
    return NULL;
}

/* Ports */

struct flow_port *
flow_table_find_port(const struct megaflow_table *table, odp_port_t in_port)
{
    struct flow_port *port;

    CMAP_FOR_EACH_WITH_HASH (port, node, hash_odp_port(in_port),
                             &table->ports) {
        if (port->in_port == in_port) {
            return port;
        }
    }
    return NULL;
}

unsigned int
flow_table_ports_seq(const struct megaflow_table *table)
{
    unsigned int seq;

    atomic_read_explicit(
        &CONST_CAST(struct megaflow_table *, table)->ports_seq, &seq,
        memory_order_acquire);
    return seq;
}

static void
ports_changed(struct megaflow_table *table)
    OVS_REQUIRES(table->mutex)
{
    unsigned int seq;

    atomic_read_relaxed(&table->ports_seq, &seq);
    atomic_store_explicit(&table->ports_seq, seq + 1, memory_order_release);
}

static struct flow_port *
get_port(struct megaflow_table *table, odp_port_t in_port)
    OVS_REQUIRES(table->mutex)
{
    struct flow_port *port = flow_table_find_port(table, in_port);

    if (!port) {
        port = flow_port_create(in_port);
        cmap_insert(&table->ports, &port->node, hash_odp_port(in_port));
        ports_changed(table);
    }
    return port;
}

static void
put_port(struct megaflow_table *table, struct flow_port *port)
    OVS_REQUIRES(table->mutex)
{
    if (flow_port_is_empty(port)) {
        cmap_remove(&table->ports, &port->node, hash_odp_port(port->in_port));
        ports_changed(table);
        ovsrcu_postpone(flow_port_destroy, port);
    }
}

/* Changing the table */

static struct megaflow *
table_insert(struct megaflow_table *table, const ovs_u128 *ufid,
             const struct match *match, odp_port_t orig_in_port,
             struct action_program *program)
    OVS_REQUIRES(table->mutex)
{
    struct flow_port *port = get_port(table, match->flow.in_port.odp_port);
    struct megaflow_private *p;
    struct megaflow_body *body;
    struct subtable *subtable;
    unsigned int n_slots;
    bool added;

    subtable = flow_port_get_subtable(port, &match->wc, &added);
    if (added) {
        atomic_count_inc(&table->n_masks);
    }
    atomic_read_relaxed(&table->n_slots, &n_slots);
    body = megaflow_create(ufid, match, orig_in_port, program, n_slots,
                           subtable->n_words);
    p = &body->private_;
    p->port = port;
    p->subtable = subtable;
    p->rule_hash = subtable_mask_flow(subtable, &match->flow, p->words);
    p->slot = slot_alloc(table);
    atomic_read_relaxed(&p->slot->generation, &p->slot_generation);

    union_add_flow(p, &table->generation);
    ovsrcu_set(&p->slot->megaflow, &body->megaflow);
    cmap_insert(&table->flows, &p->ufid_node, hash_ufid(ufid));
    subtable_insert(subtable, p);
    return &body->megaflow;
}

static void
table_remove(struct megaflow_table *table, struct megaflow *mf)
    OVS_REQUIRES(table->mutex)
{
    struct megaflow_private *p = mf->private_;

    cmap_remove(&table->flows, &p->ufid_node, hash_ufid(&mf->ufid));
    subtable_remove(p->subtable, p);
    slot_free(table, p->slot);
    union_remove_flow(p);
    if (flow_port_put_subtable(p->port, p->subtable)) {
        atomic_count_dec(&table->n_masks);
    }
    put_port(table, p->port);
    if (table->observer) {
        table->observer->removed(table->observer_aux, mf);
    }
    ovsrcu_postpone(megaflow_free, mf);
}

static int
table_put__(struct megaflow_table *table, const ovs_u128 *ufid,
            const struct match *match, odp_port_t orig_in_port, int flags,
            struct action_program *program, struct megaflow_stats *stats,
            struct megaflow **mfp)
    OVS_REQUIRES(table->mutex)
{
    struct megaflow *mf = megaflow_table_find(table, ufid);
    struct action_program *old;

    if (!mf) {
        if (!(flags & MEGAFLOW_CREATE)) {
            return ENOENT;
        } else if (cmap_count(&table->flows) >= MEGAFLOW_MAX) {
            return ENOSPC;
        }
        mf = table_insert(table, ufid, match, orig_in_port, program);
        flow_log_put(mf, NULL, program);
        if (stats) {
            memset(stats, 0, sizeof *stats);
        }
    } else {
        if (!(flags & MEGAFLOW_MODIFY)) {
            return EEXIST;
        }
        if (stats) {
            megaflow_get_stats(mf, stats);
        }
        old = ovsrcu_get_protected(struct action_program *, &mf->program);
        ovsrcu_set(&mf->program, program);
        flow_log_put(mf, old, program);
        ovsrcu_postpone(action_program_free, old);
        if (flags & MEGAFLOW_ZERO_STATS) {
            megaflow_zero_stats(mf);
        }
    }
    if (table->observer) {
        table->observer->put(table->observer_aux, mf);
    }
    if (mfp) {
        *mfp = mf;
    }
    return 0;
}

int
megaflow_table_put(struct megaflow_table *table, const ovs_u128 *ufid,
                   const struct match *match, odp_port_t orig_in_port,
                   int flags, struct action_program *program,
                   struct megaflow_stats *stats, struct megaflow **mfp)
{
    int error;

    ovs_mutex_lock(&table->mutex);
    error = table_put__(table, ufid, match, orig_in_port, flags, program,
                        stats, mfp);
    ovs_mutex_unlock(&table->mutex);
    return error;
}

int
megaflow_table_del(struct megaflow_table *table, const ovs_u128 *ufid,
                   struct megaflow_stats *stats)
{
    struct megaflow *mf;

    ovs_mutex_lock(&table->mutex);
    mf = megaflow_table_find(table, ufid);
    if (mf) {
        table_remove(table, mf);
        if (stats) {
            megaflow_get_stats(mf, stats);
        }
    }
    ovs_mutex_unlock(&table->mutex);
    return mf ? 0 : ENOENT;
}

void
megaflow_table_flush(struct megaflow_table *table)
{
    struct megaflow_private *p;

    ovs_mutex_lock(&table->mutex);
    CMAP_FOR_EACH (p, ufid_node, &table->flows) {
        table_remove(table, megaflow_from_private(p));
    }
    ovs_mutex_unlock(&table->mutex);
}

void
flow_table_rank(struct megaflow_table *table)
{
    struct flow_port *port;

    ovs_mutex_lock(&table->mutex);
    CMAP_FOR_EACH (port, node, &table->ports) {
        flow_port_rank(port);
    }
    ovs_mutex_unlock(&table->mutex);
}

void
flow_table_narrow(struct megaflow_table *table)
{
    struct flow_port *port;

    ovs_mutex_lock(&table->mutex);
    CMAP_FOR_EACH (port, node, &table->ports) {
        union_narrow(port, &table->generation);
    }
    ovs_mutex_unlock(&table->mutex);
}

void
megaflow_table_run(struct megaflow_table *table)
{
    long long int now = time_msec();

    if (now >= table->next_rank) {
        flow_table_rank(table);
        table->next_rank = now + RANK_INTERVAL;
    }
    if (now >= table->next_narrow) {
        flow_table_narrow(table);
        table->next_narrow = now + NARROW_INTERVAL;
    }
}

/* Reading the table */

struct megaflow *
megaflow_table_lookup(const struct megaflow_table *table,
                      const struct flow_key *key, unsigned int *n_probed)
{
    odp_port_t in_port = u32_to_odp(MINIFLOW_GET_TYPE__(&key->mf, uint32_t,
                                                        in_port));
    const struct flow_port *port = flow_table_find_port(table, in_port);
    unsigned int dummy = 0;
    struct flow flow;

    if (!port) {
        return NULL;
    }
    flow_key_expand(key, &flow);
    return flow_port_lookup(port, &flow, n_probed ? n_probed : &dummy);
}

size_t
megaflow_table_count(const struct megaflow_table *table)
{
    return cmap_count(&table->flows);
}

size_t
megaflow_table_n_masks(const struct megaflow_table *table)
{
    return atomic_count_get(
        &CONST_CAST(struct megaflow_table *, table)->n_masks);
}

struct megaflow *
megaflow_table_next(const struct megaflow_table *table,
                    struct cmap_position *pos)
{
    struct cmap_node *node = cmap_next_position(&table->flows, pos);

    return (node
            ? megaflow_from_private(CONTAINER_OF(
                node, struct megaflow_private, ufid_node))
            : NULL);
}

/* Life */

struct megaflow_table *
megaflow_table_create(void)
{
    struct megaflow_table *table = xzalloc(sizeof *table);

    cmap_init(&table->flows);
    cmap_init(&table->ports);
    ovs_mutex_init(&table->mutex);
    return table;
}

static void
table_free(struct megaflow_table *table)
{
    ovs_mutex_lock(&table->mutex);
    for (size_t i = 0; i < table->n_blocks; i++) {
        free(table->blocks[i]);
    }
    free(table->free_slots);
    ovs_mutex_unlock(&table->mutex);

    ovs_mutex_destroy(&table->mutex);
    cmap_destroy(&table->ports);
    cmap_destroy(&table->flows);
    free(table);
}

void
megaflow_table_destroy(struct megaflow_table *table)
{
    if (table) {
        megaflow_table_flush(table);
        ovsrcu_postpone(table_free, table);
    }
}

void
megaflow_table_observe(struct megaflow_table *table,
                       const struct megaflow_observer *observer, void *aux)
{
    table->observer = observer;
    table->observer_aux = aux;
}

void
megaflow_table_tell_again(struct megaflow_table *table, odp_port_t in_port)
{
    struct megaflow_private *p;

    ovs_mutex_lock(&table->mutex);
    CMAP_FOR_EACH (p, ufid_node, &table->flows) {
        if (p->port->in_port == in_port) {
            table->observer->put(table->observer_aux,
                                 megaflow_from_private(p));
        }
    }
    ovs_mutex_unlock(&table->mutex);
}

void
megaflow_table_set_slots(struct megaflow_table *table, unsigned int n_slots)
{
    atomic_store_relaxed(&table->n_slots, n_slots);
}
