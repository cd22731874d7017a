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
 * which are verified in full.  That is 132 bytes per entry, 33 MB for 2^18, of
 * which the operating system backs what has been in use.
 *
 * An entry is valid as long as its flow lives in the slot under the generation
 * that the entry remembers.  It need not be dropped when a union changes:
 * lookups then make keys of another generation, which cannot equal it.
 *
 * With many flows, what a lookup reads is in no near cache, and each thing it
 * reads says where the next one is: tags, entry, slot, flow, program and
 * counters.  So a burst is looked up in stages, each of which asks the
 * processor to fetch what the next one reads for every frame.  With few flows,
 * or few that differ by what is matched on, most frames have the key of the
 * one before, so that they take no lookup at all. */

#include <config.h>

#include "flow/flow-private.h"

#include <string.h>
#include <sys/mman.h>

#include "random.h"
#include "util.h"

#define SET_WAYS 8
BUILD_ASSERT_DECL(FLOW_CACHE_MIN % SET_WAYS == 0);

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
BUILD_ASSERT_DECL(SHAPE_WORDS <= FLOW_CACHE_WORDS);
BUILD_ASSERT_DECL(SHAPE_WORDS * 8 <= FLOW_CACHE_READABLE);

struct flow_cache {
    struct megaflow_table *table;
    struct entry *entries;      /* SET_WAYS for each set, */
    struct tags *tags;          /* and what follows them: one for each. */
    uint32_t set_mask;
    uint64_t seed;              /* So that nobody can aim at a set. */
    unsigned int slot;          /* Where its thread counts. */

    /* The in_port last looked up, valid while 'ports_seq' is the table's. */
    odp_port_t in_port;
    unsigned int ports_seq;
    struct flow_port *port;
};

/* Returns 'size' bytes of zeros.  No page of them is there before the thread
 * that the cache is for has used it, so it is on that thread's NUMA node, and
 * whoever creates a cache does not take long.  Huge pages, where the system
 * lends them, save lookups some of what it takes to find a page. */
static void *
map_zeros(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        out_of_memory();
    }
    madvise(p, size, MADV_HUGEPAGE);
    return p;
}

static size_t
n_sets(const struct flow_cache *cache)
{
    return (size_t) cache->set_mask + 1;
}

/* Of 'entries' and 'tags', in bytes. */
static size_t
cache_size(const struct flow_cache *cache)
{
    return n_sets(cache) * (SET_WAYS * sizeof *cache->entries
                            + sizeof *cache->tags);
}

struct flow_cache *
flow_cache_create(struct megaflow_table *table, unsigned int n_entries,
                  unsigned int slot)
{
    struct flow_cache *cache = xzalloc(sizeof *cache);

    cache->table = table;
    cache->slot = slot;
    cache->set_mask = ROUND_UP_POW2(n_entries) / SET_WAYS - 1;
    cache->entries = map_zeros(cache_size(cache));
    cache->tags = (struct tags *) (cache->entries
                                   + n_sets(cache) * SET_WAYS);
    cache->seed = random_uint64();
    cache->ports_seq = flow_table_ports_seq(table) - 1;
    return cache;
}

static void
cache_free(struct flow_cache *cache)
{
    munmap(cache->entries, cache_size(cache));
    free(cache);
}

void
flow_cache_destroy(struct flow_cache *cache)
{
    if (cache) {
        ovsrcu_postpone(cache_free, cache);
    }
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

/* Tags and sets */

static inline uint16_t
tag_from_hash(uint64_t hash)
{
    uint16_t tag = hash >> 48;

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

static inline uint32_t
set_of(const struct flow_cache *cache, const struct flow_cache_key *key)
{
    return key->hash & cache->set_mask;
}

static inline bool
entry_equals(const struct entry *e, const struct flow_cache_key *key)
{
    uint64_t diff = e->union_generation ^ key->generation;

    for (unsigned int i = 0; i < key->n_words; i++) {
        diff |= e->words[i] ^ key->words[i];
    }
    return !diff;
}

/* Returns the entry of 'key', or NULL. */
static struct entry *
find_entry(const struct flow_cache *cache, const struct flow_cache_key *key)
{
    uint32_t set = set_of(cache, key);
    uint16_t tag = tag_from_hash(key->hash);

    for (int i = 0; i < SET_WAYS / 4; i++) {
        uint64_t matches = match_tags(cache->tags[set].tags[i], tag);

        for (; matches; matches = zero_rightmost_1bit(matches)) {
            struct entry *e = &cache->entries[set * SET_WAYS + i * 4
                                              + raw_ctz(matches) / 16];

            if (entry_equals(e, key)) {
                return e;
            }
        }
    }
    return NULL;
}

/* Looking up: keys */

static inline uint64_t
hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 32);
}

static uint64_t
hash_key(const struct flow_cache *cache, const struct flow_cache_key *key)
{
    uint64_t hash = hash_word(cache->seed, key->generation);
    unsigned int n_words = key->n_words;

    for (unsigned int i = 0; i < n_words; i++) {
        hash = hash_word(hash, key->words[i]);
    }
    return hash;
}

/* Masks the header at 'data' with 'u'.  Bytes beyond the end of a short frame
 * may be read, but are masked out.  Returns true if the key is the same as
 * 'last', which then stands for it; if not, its hash, shape and in_port are
 * still to be stored. */
static inline bool
make_key(const struct flow_union *u, const uint8_t *data,
         const struct flow_cache_key *last, struct flow_cache_key *key)
{
    static const uint64_t no_words[SHAPE_WORDS];
    uint64_t diff = u->generation ^ last->generation;
    const uint64_t *last_words = diff ? no_words : last->words;
    unsigned int n_words = u->n_words;

    for (unsigned int i = 0; i < n_words; i++) {
        size_t j = u->index[i];
        uint64_t word;

        memcpy(&word, data + j * 8, sizeof word);
        word &= u->raw[j];
        key->words[i] = word;
        diff |= word ^ last_words[i];
    }
    if (!diff) {
        return true;
    }
    key->n_words = n_words;
    key->generation = u->generation;
    return false;
}

/* Frames in a row that have the same key, as those of one megaflow often
 * have: looked up once. */
struct run {
    const struct flow_cache_key *key;   /* Of the first one. */
    struct entry *entry;
    unsigned int end;           /* Number of the frame after the last one. */
};

/* Makes the keys of the frames, and 'runs' of those that are the same, and
 * asks for their sets' tags.  Returns the number of runs. */
static unsigned int
make_keys(struct flow_cache *cache, odp_port_t in_port,
          struct flow_cache_burst *burst, unsigned int n, struct run runs[])
{
    static const struct flow_cache_key none = { .shape = FLOW_SHAPE_NONE };
    const struct flow_port *port = find_port(cache, in_port);
    const struct flow_cache_key *last = &none;
    unsigned int n_runs = 0;

    for (unsigned int i = 0; i < n; i++) {
        const struct flow_cache_frame *f = &burst->frames[i];
        struct flow_cache_key *key = &burst->store[n_runs];
        const struct flow_union *u = NULL;

        uint32_t shape = shape_parse(f->data, f->len);

        if (OVS_LIKELY(port && shape)) {
            u = ovsrcu_get(struct flow_union *, &port->unions[shape]);
        }
        if (OVS_UNLIKELY(!u)) {
            /* It cannot be cached, or no flow can match. */
            key->shape = FLOW_SHAPE_NONE;
            last = &none;
        } else {
            burst->tcp_flags[i] = shape_tcp_flags(shape, f->data);
            if (make_key(u, f->data, last, key)) {
                runs[n_runs - 1].end = i + 1;
                continue;
            }
            key->shape = shape;
            key->in_port = in_port;
            key->hash = hash_key(cache, key);
            OVS_PREFETCH(&cache->tags[set_of(cache, key)]);
            last = key;
        }
        runs[n_runs++] = (struct run) { .key = key, .end = i + 1 };
    }
    return n_runs;
}

/* Looking up: entries */

/* Finds the first entry of each run's set that has its tag, and asks for
 * it. */
static void
find_tags(struct flow_cache *cache, struct run runs[], unsigned int n)
{
    BUILD_ASSERT(SET_WAYS == 8);
    for (unsigned int i = 0; i < n; i++) {
        const struct flow_cache_key *key = runs[i].key;
        uint16_t tag = tag_from_hash(key->hash);
        uint32_t set = set_of(cache, key);
        const uint64_t *tags = cache->tags[set].tags;
        struct entry *e = &cache->entries[set * SET_WAYS];
        uint64_t matches;

        if (OVS_UNLIKELY(key->shape == FLOW_SHAPE_NONE)) {
            continue;
        }
        matches = match_tags(tags[0], tag);
        if (!matches) {
            matches = match_tags(tags[1], tag);
            e += SET_WAYS / 2;
        }
        if (OVS_LIKELY(matches)) {
            runs[i].entry = e + raw_ctz(matches) / 16;
            OVS_PREFETCH(runs[i].entry);
        }
    }
}

/* Replaces the entries that find_tags() found by those that equal the keys,
 * and asks for their slots. */
static void
find_entries(const struct flow_cache *cache, struct run runs[],
             unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        struct entry *e = runs[i].entry;

        if (OVS_LIKELY(e)) {
            if (OVS_UNLIKELY(!entry_equals(e, runs[i].key))) {
                /* Another one may have the tag, too. */
                e = runs[i].entry = find_entry(cache, runs[i].key);
            }
            if (OVS_LIKELY(e)) {
                OVS_PREFETCH(e->slot);
            }
        }
    }
}

/* Returns the flow of entry 'e', and notes that it was hit, or NULL if the
 * flow is gone. */
static inline struct megaflow *
hit_entry(struct flow_cache *cache, const struct entry *e)
{
    struct megaflow *mf = flow_slot_get(e->slot, e->slot_generation);
    size_t i = e - cache->entries;
    struct tags *tags = &cache->tags[i / SET_WAYS];
    unsigned int bit = 1u << i % SET_WAYS;

    if (OVS_UNLIKELY(!mf)) {
        set_tag(tags, i % SET_WAYS, 0);
    } else if (OVS_UNLIKELY(!(tags->used & bit))) {
        tags->used |= bit;
    }
    return mf;
}

unsigned int
flow_cache_lookup(struct flow_cache *cache, odp_port_t in_port,
                  struct flow_cache_burst *burst, unsigned int n)
{
    struct run runs[FLOW_CACHE_BURST];
    unsigned int n_hits = 0, n_runs, i = 0;

    n_runs = make_keys(cache, in_port, burst, n, runs);
    find_tags(cache, runs, n_runs);
    find_entries(cache, runs, n_runs);
    for (const struct run *run = runs; run < runs + n_runs; run++) {
        struct megaflow *mf = NULL;

        if (OVS_LIKELY(run->entry)) {
            mf = hit_entry(cache, run->entry);
            if (OVS_LIKELY(mf)) {
                n_hits += run->end - i;
                OVS_PREFETCH(mf);
            }
        }
        for (; i < run->end; i++) {
            burst->flows[i] = mf;
            burst->keys[i] = run->key;
        }
    }
    for (const struct run *run = runs; run < runs + n_runs; run++) {
        const struct megaflow *mf = burst->flows[run->end - 1];

        if (OVS_LIKELY(mf)) {
            megaflow_prefetch(mf, cache->slot);
        }
    }
    return n_hits;
}

/* Inserting */

/* Returns a free way of the set, or one that was not hit lately, and tells
 * which. */
static unsigned int
choose_way(struct tags *tags, bool *evicts)
{
    *evicts = false;
    for (unsigned int way = 0; way < SET_WAYS; way++) {
        if (!get_tag(tags, way)) {
            return way;
        }
    }
    *evicts = true;
    for (;;) {
        unsigned int way = tags->hand;

        tags->hand = (way + 1) % SET_WAYS;
        if (!(tags->used & (1u << way))) {
            return way;
        }
        tags->used &= ~(1u << way);
    }
}

/* Returns an entry for 'key', which has none. */
static struct entry *
new_entry(struct flow_cache *cache, const struct flow_cache_key *key,
          bool *evicts)
{
    uint32_t set = set_of(cache, key);
    struct tags *tags = &cache->tags[set];
    unsigned int way = choose_way(tags, evicts);

    set_tag(tags, way, tag_from_hash(key->hash));
    tags->used &= ~(1u << way);
    return &cache->entries[set * SET_WAYS + way];
}

bool
flow_cache_insert(struct flow_cache *cache, const struct flow_cache_key *key,
                  struct megaflow *mf)
{
    const struct flow_union *u;
    struct flow_port *port;
    bool evicts = false;
    struct entry *e;

    if (key->shape == FLOW_SHAPE_NONE || mf->in_port != key->in_port) {
        return false;
    }

    port = find_port(cache, key->in_port);
    u = port ? ovsrcu_get(struct flow_union *, &port->unions[key->shape])
             : NULL;
    if (!u || u->generation != key->generation
        || !union_covers(u, key->shape, &mf->mask)) {
        return false;
    }

    e = find_entry(cache, key);
    if (!e) {
        e = new_entry(cache, key, &evicts);
    }
    e->slot = mf->private_->slot;
    e->slot_generation = mf->private_->slot_generation;
    e->union_generation = key->generation;
    memcpy(e->words, key->words, key->n_words * sizeof key->words[0]);
    return evicts;
}
