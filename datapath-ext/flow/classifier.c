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

/* Tuple space search: a subtable for each in_port and distinct mask.
 *
 * A lookup expands the key once to a struct flow, so that each subtable
 * fetches the words it masks by index, whatever the packet's miniflow looks
 * like. */

#include <config.h>

#include "flow/flow-private.h"

#include <limits.h>
#include <string.h>

#include "hash.h"
#include "util.h"

/* One hit in this many is counted (by each thread): the counter is shared. */
#define HIT_SAMPLING 16

struct flow_port *
flow_port_create(odp_port_t in_port)
{
    struct flow_port *port = xzalloc(sizeof *port);

    port->in_port = in_port;
    pvector_init(&port->subtables);
    hmap_init(&port->by_mask);
    for (size_t i = 0; i < FLOW_N_SHAPES; i++) {
        ovsrcu_init(&port->unions[i], NULL);
    }
    return port;
}

void
flow_port_destroy(struct flow_port *port)
{
    for (size_t i = 0; i < FLOW_N_SHAPES; i++) {
        free(ovsrcu_get_protected(struct flow_union *, &port->unions[i]));
    }
    hmap_destroy(&port->by_mask);
    pvector_destroy(&port->subtables);
    free(port);
}

/* Stores the nonzero words of 'wc' but for in_port. */
static unsigned int
compress_mask(const struct flow_wildcards *wc, uint8_t index[],
              uint64_t mask[])
{
    struct flow masks = wc->masks;
    unsigned int n = 0;

    masks.in_port.odp_port = 0;
    for (size_t i = 0; i < FLOW_U64S; i++) {
        uint64_t word = flow_u64_value(&masks, i);

        if (word) {
            index[n] = i;
            mask[n++] = word;
        }
    }
    return n;
}

struct subtable *
flow_port_get_subtable(struct flow_port *port,
                        const struct flow_wildcards *wc, bool *addedp)
{
    uint64_t mask[FLOW_U64S];
    uint8_t index[FLOW_U64S];
    unsigned int n = compress_mask(wc, index, mask);
    uint32_t hash = hash_bytes(index, n, hash_words64(mask, n, 0));
    struct subtable *subtable;

    *addedp = false;
    HMAP_FOR_EACH_WITH_HASH (subtable, node, hash, &port->by_mask) {
        if (subtable->n_words == n
            && !memcmp(subtable->index, index, n)
            && !memcmp(subtable->mask, mask, n * sizeof mask[0])) {
            return subtable;
        }
    }

    subtable = xzalloc(sizeof *subtable + n * sizeof mask[0]);
    cmap_init(&subtable->rules);
    subtable->n_words = n;
    memcpy(subtable->index, index, n);
    memcpy(subtable->mask, mask, n * sizeof mask[0]);
    hmap_insert(&port->by_mask, &subtable->node, hash);
    pvector_insert(&port->subtables, subtable, 0);
    pvector_publish(&port->subtables);
    *addedp = true;
    return subtable;
}

static void
subtable_destroy(struct subtable *subtable)
{
    cmap_destroy(&subtable->rules);
    free(subtable);
}

bool
flow_port_put_subtable(struct flow_port *port, struct subtable *subtable)
{
    if (!cmap_is_empty(&subtable->rules)) {
        return false;
    }
    hmap_remove(&port->by_mask, &subtable->node);
    pvector_remove(&port->subtables, subtable);
    pvector_publish(&port->subtables);
    ovsrcu_postpone(subtable_destroy, subtable);
    return true;
}

uint32_t
subtable_mask_flow(const struct subtable *subtable, const struct flow *flow,
                   uint64_t *words)
{
    uint32_t hash = 0;

    for (size_t i = 0; i < subtable->n_words; i++) {
        words[i] = (flow_u64_value(flow, subtable->index[i])
                    & subtable->mask[i]);
        hash = hash_add64(hash, words[i]);
    }
    return hash_finish(hash, subtable->n_words);
}

void
subtable_get_wildcards(const struct subtable *subtable,
                       struct flow_wildcards *wc)
{
    flow_wildcards_init_catchall(wc);
    for (size_t i = 0; i < subtable->n_words; i++) {
        *flow_u64_lvalue(&wc->masks, subtable->index[i]) = subtable->mask[i];
    }
}

void
subtable_insert(struct subtable *subtable, struct megaflow_private *rule)
{
    cmap_insert(&subtable->rules, &rule->rule_node, rule->rule_hash);
}

void
subtable_remove(struct subtable *subtable, struct megaflow_private *rule)
{
    cmap_remove(&subtable->rules, &rule->rule_node, rule->rule_hash);
}

static void
subtable_count_hit(struct subtable *subtable)
{
    static thread_local unsigned int n_hits;
    unsigned int orig;

    if (++n_hits % HIT_SAMPLING == 0) {
        atomic_add_relaxed(&subtable->hits, 1, &orig);
    }
}

struct megaflow *
flow_port_lookup(const struct flow_port *port, const struct flow *flow,
                  unsigned int *n_probed)
{
    struct subtable *subtable;
    uint64_t words[FLOW_U64S];

    PVECTOR_FOR_EACH (subtable, &port->subtables) {
        uint32_t hash = subtable_mask_flow(subtable, flow, words);
        const struct megaflow_private *rule;

        (*n_probed)++;
        CMAP_FOR_EACH_WITH_HASH (rule, rule_node, hash, &subtable->rules) {
            if (!memcmp(rule->words, words,
                        subtable->n_words * sizeof words[0])) {
                subtable_count_hit(subtable);
                return megaflow_from_private(rule);
            }
        }
    }
    return NULL;
}

void
flow_port_rank(struct flow_port *port)
{
    struct subtable *subtable;

    HMAP_FOR_EACH (subtable, node, &port->by_mask) {
        unsigned int hits;

        /* A hit that is lost between the two matters little. */
        atomic_read_relaxed(&subtable->hits, &hits);
        atomic_store_relaxed(&subtable->hits, 0);
        pvector_change_priority(&port->subtables, subtable,
                                MIN(hits, INT_MAX));
    }
    pvector_publish(&port->subtables);
}
