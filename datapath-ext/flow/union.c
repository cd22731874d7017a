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

#include <string.h>

#include "util.h"

static struct flow_union *
union_get(const struct flow_port *port, uint32_t shape)
{
    return ovsrcu_get_protected(struct flow_union *, &port->unions[shape]);
}

/* Replaces the union of 'shape' by 'raw', or by none if that is null. */
static void
union_set(struct flow_port *port, uint32_t shape, const uint64_t *raw,
          uint64_t *generation)
{
    struct flow_union *old = union_get(port, shape);
    struct flow_union *new = NULL;

    if (raw) {
        new = xzalloc(sizeof *new);
        *generation += 1;
        new->generation = *generation;
        for (size_t i = 0; i < SHAPE_WORDS; i++) {
            new->raw[i] = raw[i];
            if (raw[i]) {
                new->index[new->n_words++] = i;
            }
        }
    }
    ovsrcu_set(&port->unions[shape], new);
    if (old) {
        ovsrcu_postpone(free, old);
    }
}

/* Adds 'src' to 'dst' and returns true if that changed 'dst'. */
static bool
raw_or(uint64_t dst[SHAPE_WORDS], const uint64_t src[SHAPE_WORDS])
{
    uint64_t added = 0;

    for (size_t i = 0; i < SHAPE_WORDS; i++) {
        added |= src[i] & ~dst[i];
        dst[i] |= src[i];
    }
    return added != 0;
}

void
union_add_flow(struct megaflow_private *p, uint64_t *generation)
{
    struct subtable *subtable = p->subtable;
    struct flow_wildcards wc;

    subtable_get_wildcards(subtable, &wc);
    p->shapes = 0;
    for (uint32_t shape = 1; shape < FLOW_N_SHAPES; shape++) {
        uint64_t raw[SHAPE_WORDS], sum[SHAPE_WORDS];
        const struct flow_union *old;

        if (!shape_can_match(shape, subtable->n_words, subtable->index,
                             subtable->mask, p->words)) {
            continue;
        }
        p->shapes |= UINT64_C(1) << shape;
        if (subtable->n_per_shape[shape]++) {
            continue;
        }

        old = union_get(p->port, shape);
        memset(sum, 0, sizeof sum);
        if (old) {
            memcpy(sum, old->raw, sizeof sum);
        }
        shape_raw_mask(shape, &wc, raw);
        if (raw_or(sum, raw) || !old) {
            union_set(p->port, shape, sum, generation);
        }
    }
}

void
union_remove_flow(struct megaflow_private *p)
{
    for (uint32_t shape = 1; shape < FLOW_N_SHAPES; shape++) {
        if (p->shapes & (UINT64_C(1) << shape)
            && !--p->subtable->n_per_shape[shape]) {
            p->port->unions_stale = true;
        }
    }
}

/* Stores the union that the flows of today need for 'shape'.  Returns false if
 * there are none that can match. */
static bool
union_compute(const struct flow_port *port, uint32_t shape,
              uint64_t sum[SHAPE_WORDS])
{
    const struct subtable *subtable;
    bool found = false;

    memset(sum, 0, SHAPE_WORDS * sizeof sum[0]);
    HMAP_FOR_EACH (subtable, node, &port->by_mask) {
        if (subtable->n_per_shape[shape]) {
            uint64_t raw[SHAPE_WORDS];
            struct flow_wildcards wc;

            subtable_get_wildcards(subtable, &wc);
            shape_raw_mask(shape, &wc, raw);
            raw_or(sum, raw);
            found = true;
        }
    }
    return found;
}

void
union_narrow(struct flow_port *port, uint64_t *generation)
{
    if (!port->unions_stale) {
        return;
    }
    port->unions_stale = false;

    for (uint32_t shape = 1; shape < FLOW_N_SHAPES; shape++) {
        const struct flow_union *old = union_get(port, shape);
        uint64_t sum[SHAPE_WORDS];

        if (!old) {
            continue;
        }
        if (!union_compute(port, shape, sum)) {
            union_set(port, shape, NULL, generation);
        } else if (memcmp(old->raw, sum, sizeof sum)) {
            union_set(port, shape, sum, generation);
        }
    }
}

bool
union_covers(const struct flow_union *u, uint32_t shape,
             const struct flow_wildcards *wc)
{
    uint64_t raw[SHAPE_WORDS];
    uint64_t outside = 0;

    shape_raw_mask(shape, wc, raw);
    for (size_t i = 0; i < SHAPE_WORDS; i++) {
        outside |= raw[i] & ~u->raw[i];
    }
    return !outside;
}
