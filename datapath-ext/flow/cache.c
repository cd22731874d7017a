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

/* Flow cache
 * ==========
 *
 * Sets of SET_WAYS entries.  A set has a struct tags, half a cache line, with
 * a 16-bit tag for each entry, all compared at once, and an array of entries,
 * two cache lines each (of which masks that leave up to five words use one),
 * which are verified in full.  That is 132 bytes per entry, 33 MB for 2^18; of
 * the entries' 32 MB the operating system backs what has been in use.
 *
 * An entry is valid as long as its flow lives in the slot under the generation
 * that the entry remembers.  It need not be dropped when a union changes:
 * lookups then make keys of another generation, which cannot equal it. */

#include <config.h>

#include "flow/flow-private.h"

#include <string.h>

#include "random.h"
#include "util.h"

#define SET_WAYS 8

struct tags {
    uint64_t tags[SET_WAYS / 4];    /* Four 16-bit tags each, 0 if unused. */
    uint8_t used;               /* 1-bits: hit since the hand last passed. */
    uint8_t hand;               /* Way to look at next for eviction. */
    uint8_t pad[32 - SET_WAYS * 2 - 2];
};
BUILD_ASSERT_DECL(CACHE_LINE_SIZE % sizeof(struct tags) == 0);

struct entry {
    struct flow_slot *slot;
    uint64_t slot_generation;
    uint64_t union_generation;  /* Implies table, in_port, shape and mask. */
    uint64_t words[SHAPE_WORDS];
    uint8_t pad[2 * CACHE_LINE_SIZE - (3 + SHAPE_WORDS) * 8];
};
BUILD_ASSERT_DECL(sizeof(struct entry) == 2 * CACHE_LINE_SIZE);
BUILD_ASSERT_DECL(MEMBER_SIZEOF(struct flow_cache_key, bytes)
                  >= SHAPE_WORDS * 8);

struct flow_cache {
    struct megaflow_table *table;
    struct tags *tags;
    struct entry *entries;      /* SET_WAYS for each element of 'tags'. */
    uint32_t set_mask;
    uint64_t seed;              /* So that nobody can aim at a set. */

    /* The in_port last looked up, valid while 'ports_seq' is the table's. */
    odp_port_t in_port;
    unsigned int ports_seq;
    struct flow_port *port;

    /* Written by the owner only, read by anyone. */
    atomic_uint64_t hits;
    atomic_uint64_t misses;
    atomic_uint64_t uncacheable;
};

struct flow_cache *
flow_cache_create(struct megaflow_table *table, unsigned int n_entries)
{
    uint32_t n_sets = ROUND_UP_POW2(MAX(n_entries, SET_WAYS)) / SET_WAYS;
    struct flow_cache *cache = xzalloc(sizeof *cache);

    cache->table = table;
    cache->tags = xzalloc_cacheline(n_sets * sizeof *cache->tags);
    cache->entries = xmalloc_cacheline((size_t) n_sets * SET_WAYS
                                       * sizeof *cache->entries);
    cache->set_mask = n_sets - 1;
    cache->seed = random_uint64();
    cache->ports_seq = flow_table_ports_seq(table) - 1;
    return cache;
}

void
flow_cache_destroy(struct flow_cache *cache)
{
    if (cache) {
        free_cacheline(cache->entries);
        free_cacheline(cache->tags);
        free(cache);
    }
}

static inline void
count(atomic_uint64_t *counter)
{
    uint64_t value;

    atomic_read_relaxed(counter, &value);
    atomic_store_relaxed(counter, value + 1);
}

/* A port that has gone is freed a grace period after the sequence number has
 * changed, so an unchanged number means that the pointer is good until this
 * thread quiesces. */
static inline struct flow_port *
find_port(struct flow_cache *cache, odp_port_t in_port)
{
    unsigned int seq = flow_table_ports_seq(cache->table);

    if (OVS_UNLIKELY(seq != cache->ports_seq || in_port != cache->in_port)) {
        cache->port = flow_table_find_port(cache->table, in_port);
        cache->in_port = in_port;
        cache->ports_seq = seq;
    }
    return cache->port;
}

static inline uint64_t
hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 32);
}

/* Masks the header with 'u' and hashes it. */
static void
make_key(const struct flow_cache *cache, const struct flow_union *u,
         const uint8_t *data, uint32_t data_len, struct flow_cache_key *key)
{
    uint64_t hash = hash_word(cache->seed, u->generation);
    uint64_t copy[SHAPE_WORDS];

    if (OVS_UNLIKELY(data_len < sizeof copy)) {
        memset(copy, 0, sizeof copy);
        memcpy(copy, data, data_len);
        data = (const uint8_t *) copy;
    }
    for (size_t i = 0; i < u->n_words; i++) {
        size_t j = u->index[i];
        uint64_t word;

        memcpy(&word, data + j * 8, sizeof word);
        word &= u->raw[j];
        memcpy(key->bytes + i * 8, &word, sizeof word);
        hash = hash_word(hash, word);
    }
    key->len = u->n_words * 8;
    key->generation = u->generation;
    key->hash = hash;
}

static inline uint16_t
tag_from_hash(uint32_t hash)
{
    uint16_t tag = hash >> 16;

    return tag ? tag : 1;
}

/* Returns a word with a 1-bit for each of the four 16-bit 'tags' that equals
 * 'tag', at bit 15 of its place. */
static inline uint64_t
match_tags(uint64_t tags, uint16_t tag)
{
    const uint64_t low = UINT64_C(0x7fff7fff7fff7fff);
    uint64_t diff = tags ^ (tag * UINT64_C(0x0001000100010001));

    return ~(((diff & low) + low) | diff | low);
}

static inline uint16_t
get_tag(const struct tags *tags, unsigned int way)
{
    return tags->tags[way / 4] >> (way % 4 * 16);
}

static inline void
set_tag(struct tags *tags, unsigned int way, uint16_t tag)
{
    unsigned int shift = way % 4 * 16;

    tags->tags[way / 4] &= ~(UINT64_C(0xffff) << shift);
    tags->tags[way / 4] |= (uint64_t) tag << shift;
}

/* Returns the way of the entry of 'key' in the set, or -1. */
static inline int
find_entry(const struct tags *tags, const struct entry *entries,
           const struct flow_cache_key *key)
{
    uint16_t tag = tag_from_hash(key->hash);

    for (int i = 0; i < SET_WAYS / 4; i++) {
        uint64_t matches = match_tags(tags->tags[i], tag);

        for (; matches; matches = zero_rightmost_1bit(matches)) {
            int way = i * 4 + raw_ctz(matches) / 16;
            const struct entry *e = &entries[way];

            if (e->union_generation == key->generation
                && !memcmp(e->words, key->bytes, key->len)) {
                return way;
            }
        }
    }
    return -1;
}

/* The flow is read before the generation: if a later flow of the slot is seen,
 * so is the generation's change. */
static inline struct megaflow *
entry_get_flow(const struct entry *e)
{
    struct megaflow *mf = ovsrcu_get(struct megaflow *, &e->slot->megaflow);
    uint64_t generation;

    atomic_read_explicit(&e->slot->generation, &generation,
                         memory_order_acquire);
    return generation == e->slot_generation ? mf : NULL;
}

static struct megaflow *
cache_find(struct flow_cache *cache, const struct flow_cache_key *key)
{
    uint32_t set = key->hash & cache->set_mask;
    struct tags *tags = &cache->tags[set];
    const struct entry *entries = &cache->entries[set * SET_WAYS];
    int way = find_entry(tags, entries, key);
    struct megaflow *mf;

    if (way < 0) {
        return NULL;
    }
    mf = entry_get_flow(&entries[way]);
    if (OVS_UNLIKELY(!mf)) {
        set_tag(tags, way, 0);
    } else if (!(tags->used & (1u << way))) {
        tags->used |= 1u << way;
    }
    return mf;
}

struct megaflow *
flow_cache_lookup(struct flow_cache *cache, odp_port_t in_port,
                  const uint8_t *data, uint32_t data_len, uint32_t len,
                  struct flow_cache_key *key, uint16_t *tcp_flags)
{
    uint32_t shape = shape_parse(data, data_len, len);
    const struct flow_union *u = NULL;
    const struct flow_port *port;
    struct megaflow *mf;

    key->shape = FLOW_SHAPE_NONE;
    if (OVS_UNLIKELY(!shape)) {
        count(&cache->uncacheable);
        return NULL;
    }

    port = find_port(cache, in_port);
    if (OVS_LIKELY(port)) {
        u = ovsrcu_get(struct flow_union *, &port->unions[shape]);
    }
    if (OVS_UNLIKELY(!u)) {
        /* No flow can match. */
        count(&cache->misses);
        return NULL;
    }

    make_key(cache, u, data, data_len, key);
    key->shape = shape;
    key->in_port = in_port;
    mf = cache_find(cache, key);
    if (OVS_UNLIKELY(!mf)) {
        count(&cache->misses);
        return NULL;
    }
    count(&cache->hits);
    *tcp_flags = shape_tcp_flags(shape, data);
    return mf;
}

/* Returns a free way of the set, or one that was not hit lately. */
static unsigned int
choose_way(struct tags *tags)
{
    for (unsigned int way = 0; way < SET_WAYS; way++) {
        if (!get_tag(tags, way)) {
            return way;
        }
    }
    for (;;) {
        unsigned int way = tags->hand;

        tags->hand = (way + 1) % SET_WAYS;
        if (!(tags->used & (1u << way))) {
            return way;
        }
        tags->used &= ~(1u << way);
    }
}

void
flow_cache_insert(struct flow_cache *cache, const struct flow_cache_key *key,
                  struct megaflow *mf)
{
    uint32_t set = key->hash & cache->set_mask;
    const struct flow_union *u;
    struct flow_port *port;
    struct entry *entries;
    struct tags *tags;
    int way;

    if (key->shape == FLOW_SHAPE_NONE || mf->in_port != key->in_port) {
        return;
    }

    port = find_port(cache, key->in_port);
    u = port ? ovsrcu_get(struct flow_union *, &port->unions[key->shape])
             : NULL;
    if (!u || u->generation != key->generation
        || !union_covers(u, key->shape, &mf->mask)) {
        return;
    }

    tags = &cache->tags[set];
    entries = &cache->entries[set * SET_WAYS];
    way = find_entry(tags, entries, key);
    if (way < 0) {
        way = choose_way(tags);
    }
    entries[way].slot = mf->private_->slot;
    entries[way].slot_generation = mf->private_->slot_generation;
    entries[way].union_generation = key->generation;
    memcpy(entries[way].words, key->bytes, key->len);
    set_tag(tags, way, tag_from_hash(key->hash));
    tags->used &= ~(1u << way);
}

void
flow_cache_get_stats(const struct flow_cache *cache_,
                     struct flow_cache_stats *stats)
{
    struct flow_cache *cache = CONST_CAST(struct flow_cache *, cache_);

    atomic_read_relaxed(&cache->hits, &stats->hits);
    atomic_read_relaxed(&cache->misses, &stats->misses);
    atomic_read_relaxed(&cache->uncacheable, &stats->uncacheable);
}
