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

#ifndef ACCEL_FLOW_PRIVATE_H
#define ACCEL_FLOW_PRIVATE_H 1

/* What the files of flow/ share.
 *
 * table.c owns the flows and the lock; classifier.c finds the flow of a key;
 * union.c keeps, per in_port and header shape, the union of the flows' masks;
 * shape.c knows where a flow's fields lie in a raw header; cache.c uses the
 * latter two to find flows without a key; smc.c remembers what the classifier
 * has found. */

#include "cmap.h"
#include "flow/megaflow.h"
#include "flow/shape.h"
#include "openvswitch/hmap.h"
#include "ovs-rcu.h"
#include "pvector.h"

/* Flows of one in_port with the same mask.  'rules' changes under the table's
 * lock and is read by anyone; the mask never changes. */
struct subtable {
    struct hmap_node node;      /* In struct flow_port's 'by_mask'. */
    struct cmap rules;          /* Of struct megaflow_private. */
    atomic_uint hits;           /* Since the last ranking, sampled. */
    uint32_t n_per_shape[FLOW_N_SHAPES];    /* Flows that can match frames of
                                             * the shape. */
    unsigned int n_words;       /* Nonzero words in the mask. */
    uint8_t index[FLOW_U64S];   /* Each one's index in struct flow... */
    uint64_t mask[];            /* ...and value, in_port left out. */
};

/* Union of the masks of all flows that can match frames of one in_port and
 * shape, as a mask of raw header words.  Immutable. */
struct flow_union {
    uint64_t generation;        /* Unique in the table. */
    uint32_t n_words;
    uint8_t index[SHAPE_WORDS]; /* Nonzero words of 'raw'. */
    uint64_t raw[SHAPE_WORDS];
};

/* All that is known of an in_port that has flows. */
struct flow_port {
    struct cmap_node node;      /* In struct megaflow_table's 'ports'. */
    odp_port_t in_port;
    struct pvector subtables;   /* By hits. */
    struct hmap by_mask;        /* Same subtables, for writers. */
    OVSRCU_TYPE(struct flow_union *) unions[FLOW_N_SHAPES];
    bool unions_stale;          /* Flows went, some union may be too wide. */
};

/* Where cache entries look for their flow.  A slot's memory stays a slot until
 * the table is destroyed.  A flow lives in a slot under one generation; an
 * entry that remembers another one is about a flow that is gone. */
struct flow_slot {
    OVSRCU_TYPE(struct megaflow *) megaflow;
    atomic_uint64_t generation;
};

/* Returns the flow that lives in 'slot' under 'generation', or NULL if it is
 * gone.  The flow is read before the generation: if a later flow of the slot
 * is seen, so is the generation's change. */
static inline struct megaflow *
flow_slot_get(struct flow_slot *slot, uint64_t generation)
{
    struct megaflow *mf = ovsrcu_get(struct megaflow *, &slot->megaflow);
    uint64_t now;

    atomic_read_explicit(&slot->generation, &now, memory_order_acquire);
    return now == generation ? mf : NULL;
}

struct flow_counters {
    atomic_uint64_t packets;
    atomic_uint64_t bytes;
    atomic_llong used;
    atomic_uint16_t tcp_flags;
    uint8_t pad[CACHE_LINE_SIZE - 3 * 8 - 2];
};
BUILD_ASSERT_DECL(sizeof(struct flow_counters) == CACHE_LINE_SIZE);

struct megaflow_private {
    struct cmap_node ufid_node; /* In struct megaflow_table's 'flows'. */
    struct cmap_node rule_node; /* In struct subtable's 'rules'. */
    uint32_t rule_hash;
    uint64_t *words;            /* Masked flow, as struct subtable's 'mask'. */
    struct flow_slot *slot;
    uint64_t slot_generation;
    struct flow_port *port;
    struct subtable *subtable;
    uint64_t shapes;            /* 1-bits: shapes it can match. */

    /* Statistics at the time they were last zeroed, null if never. */
    OVSRCU_TYPE(struct megaflow_stats *) base;
};

/* Asks the processor to fetch what running the program of 'mf' and counting in
 * 'slot' will read. */
static inline void
megaflow_prefetch(const struct megaflow *mf, unsigned int slot)
{
    OVS_PREFETCH(ovsrcu_get(struct action_program *, &mf->program));
    OVS_PREFETCH_WRITE(&mf->counters[slot]);
}

/* A flow and what is private in it, one allocation. */
struct megaflow_body {
    struct megaflow megaflow;
    struct megaflow_private private_;
};

static inline struct megaflow *
megaflow_from_private(const struct megaflow_private *p)
{
    return &CONTAINER_OF(p, struct megaflow_body, private_)->megaflow;
}

/* Table */

/* Changes whenever an in_port comes or goes. */
unsigned int flow_table_ports_seq(const struct megaflow_table *);

/* Null if no flow has 'in_port'. */
struct flow_port *flow_table_find_port(const struct megaflow_table *,
                                       odp_port_t in_port);

/* Logs at debug level that 'mf' now has 'new' actions, in place of 'old'
 * unless NULL. */
void flow_log_put(const struct megaflow *mf, const struct action_program *old,
                  const struct action_program *new);

/* What megaflow_table_run() does from time to time. */
void flow_table_rank(struct megaflow_table *);
void flow_table_narrow(struct megaflow_table *);

/* Classifier.  Writers hold the table's lock. */

struct flow_port *flow_port_create(odp_port_t in_port);
void flow_port_destroy(struct flow_port *);     /* After a grace period. */
static inline bool
flow_port_is_empty(const struct flow_port *port)
{
    return hmap_is_empty(&port->by_mask);
}

/* Finds or adds the subtable of 'wc'; '*addedp' tells. */
struct subtable *flow_port_get_subtable(struct flow_port *,
                                         const struct flow_wildcards *wc,
                                         bool *addedp);
/* Removes 'subtable' if it has no rules; returns true if so. */
bool flow_port_put_subtable(struct flow_port *, struct subtable *);

/* Stores the words of 'flow' that 'subtable' masks and returns their hash. */
uint32_t subtable_mask_flow(const struct subtable *, const struct flow *,
                            uint64_t *words);
void subtable_get_wildcards(const struct subtable *, struct flow_wildcards *);

void subtable_insert(struct subtable *, struct megaflow_private *);
void subtable_remove(struct subtable *, struct megaflow_private *);

/* Any live flow of 'port' that matches, or null. */
struct megaflow *flow_port_lookup(const struct flow_port *,
                                   const struct flow *,
                                   unsigned int *n_probed);

/* Sorts the subtables by their hits since last time. */
void flow_port_rank(struct flow_port *);

/* Unions.  Writers hold the table's lock; '*generation' is the last used. */

/* Accounts for a new flow, whose 'words', 'port' and 'subtable' are set, and
 * widens what it must.  Call before publishing the flow. */
void union_add_flow(struct megaflow_private *, uint64_t *generation);
void union_remove_flow(struct megaflow_private *);

/* Makes stale unions no wider than the flows that there are. */
void union_narrow(struct flow_port *, uint64_t *generation);

/* True if the mask 'wc', for frames of 'shape', lies within the union. */
bool union_covers(const struct flow_union *, uint32_t shape,
                  const struct flow_wildcards *wc);

#endif /* flow-private.h */
