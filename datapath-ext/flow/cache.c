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
 * A key has two sets, and its entry may be in either: mostly in the first one,
 * but in the other one where that one is full, so that a cache can be nearly
 * full without pushing out what is in use.  Entries that are pushed out, and
 * come back, try either set, which soon finds a place for all.
 *
 * An entry is valid as long as its flow lives in the slot under the generation
 * that the entry remembers.  It need not be dropped when a union changes:
 * lookups then make keys of another generation, which cannot equal it.
 *
 * With many flows, what a lookup reads is in no near cache, and each thing it
 * reads says where the next one is: tags, entry, slot, flow, program and
 * counters.  So a burst is looked up in stages, each of which asks the
 * processor to fetch what the next one reads.  With few flows, or few that
 * differ by what is matched on, most frames have the key of the one before:
 * such a run of frames is looked up once. */

#include <config.h>

#include "flow/flow-private.h"

#include <string.h>
#include <sys/mman.h>

#include "odp-util.h"
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

    /* The in_ports last looked up, by their number's last bits, valid while
     * 'ports_seq' is the table's. */
    unsigned int ports_seq;
    struct {
        odp_port_t in_port;
        struct flow_port *port;
    } ports[16];
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
    size_t i = odp_to_u32(in_port) % ARRAY_SIZE(cache->ports);
    unsigned int seq = flow_table_ports_seq(cache->table);

    if (OVS_UNLIKELY(seq != cache->ports_seq)) {
        cache->ports_seq = seq;
        for (size_t j = 0; j < ARRAY_SIZE(cache->ports); j++) {
            cache->ports[j].in_port = ODPP_NONE;
            cache->ports[j].port = NULL;
        }
    }
    if (OVS_UNLIKELY(in_port != cache->ports[i].in_port)) {
        cache->ports[i].in_port = in_port;
        cache->ports[i].port = flow_table_find_port(cache->table, in_port);
    }
    return cache->ports[i].port;
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

static inline uint32_t
other_set_of(const struct flow_cache *cache, const struct flow_cache_key *key)
{
    return key->hash >> 24 & cache->set_mask;
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

/* Returns the entry of 'key' in 'set', or NULL. */
static struct entry *
find_in_set(const struct flow_cache *cache, uint32_t set,
            const struct flow_cache_key *key)
{
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

/* Returns the entry of 'key', or NULL. */
static struct entry *
find_entry(const struct flow_cache *cache, const struct flow_cache_key *key)
{
    struct entry *e = find_in_set(cache, set_of(cache, key), key);

    return e ? e : find_in_set(cache, other_set_of(cache, key), key);
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

    /* What the last word's last bytes say must be in all bits, too. */
    return hash_word(hash, cache->seed);
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

/* Returns the union for frames of 'shape' received on 'port', or NULL if they
 * cannot be cached, or no flow can match. */
static inline const struct flow_union *
get_union(const struct flow_port *port, uint32_t shape)
{
    return (port && shape != FLOW_SHAPE_NONE
            ? ovsrcu_get(struct flow_union *, &port->unions[shape]) : NULL);
}

/* Makes the keys of the burst's frames, and runs of those that are the same,
 * and asks for their sets' tags. */
static void
make_keys(struct flow_cache *cache, odp_port_t in_port,
          struct flow_cache_burst *burst, unsigned int n)
{
    static const struct flow_cache_key none = { .shape = FLOW_SHAPE_NONE };
    const struct flow_port *port = find_port(cache, in_port);
    const struct flow_cache_key *last = &none;
    const struct flow_union *u = NULL;
    uint32_t shape_of_u = FLOW_SHAPE_NONE;
    struct flow_cache_run *run = NULL;
    unsigned int n_runs = 0;

    for (unsigned int i = 0; i < n; i++) {
        const struct flow_cache_frame *f = &burst->frames[i];
        struct flow_cache_key *key = &burst->store[n_runs];
        uint32_t shape = shape_parse(f->data, f->len);
        uint16_t tcp_flags = shape_tcp_flags(shape, f->data);

        if (OVS_UNLIKELY(shape != shape_of_u)) {
            shape_of_u = shape;
            u = get_union(port, shape);
        }
        if (OVS_UNLIKELY(!u)) {
            key->shape = FLOW_SHAPE_NONE;
            last = &none;
        } else if (make_key(u, f->data, last, key)) {
            run->end = i + 1;
            run->tcp_flags |= tcp_flags;
            continue;
        } else {
            key->shape = shape;
            key->in_port = in_port;
            key->hash = hash_key(cache, key);
            OVS_PREFETCH(&cache->tags[set_of(cache, key)]);
            last = key;
        }
        run = &burst->runs[n_runs++];
        *run = (struct flow_cache_run) {
            .key = key, .end = i + 1, .tcp_flags = tcp_flags,
        };
    }
    burst->n_runs = n_runs;
}

/* Looking up: entries */

/* Returns the first entry of 'set' that has 'tag', or NULL. */
static inline struct entry *
find_tag(const struct flow_cache *cache, uint32_t set, uint16_t tag)
{
    struct entry *e = &cache->entries[set * SET_WAYS];
    const uint64_t *tags = cache->tags[set].tags;
    uint64_t matches = match_tags(tags[0], tag);

    BUILD_ASSERT(SET_WAYS == 8);
    if (!matches) {
        matches = match_tags(tags[1], tag);
        e += SET_WAYS / 2;
    }
    return OVS_LIKELY(matches) ? e + raw_ctz(matches) / 16 : NULL;
}

/* Finds an entry that has its tag for each run, and asks for it. */
static void
find_tags(struct flow_cache *cache, struct flow_cache_run runs[],
          unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        const struct flow_cache_key *key = runs[i].key;
        uint16_t tag = tag_from_hash(key->hash);
        struct entry *e;

        if (OVS_UNLIKELY(key->shape == FLOW_SHAPE_NONE)) {
            continue;
        }
        e = find_tag(cache, set_of(cache, key), tag);
        if (OVS_UNLIKELY(!e)) {
            e = find_tag(cache, other_set_of(cache, key), tag);
        }
        if (OVS_LIKELY(e)) {
            runs[i].entry = e;
            OVS_PREFETCH(e);
        }
    }
}

/* Replaces the entries that find_tags() found by those that equal the keys,
 * and asks for their slots. */
static void
find_entries(const struct flow_cache *cache, struct flow_cache_run runs[],
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
    struct flow_cache_run *runs = burst->runs;
    unsigned int n_hits = 0, start = 0;

    make_keys(cache, in_port, burst, n);
    find_tags(cache, runs, burst->n_runs);
    find_entries(cache, runs, burst->n_runs);
    for (unsigned int i = 0; i < burst->n_runs; i++) {
        if (OVS_LIKELY(runs[i].entry)) {
            runs[i].flow = hit_entry(cache, runs[i].entry);
            if (OVS_LIKELY(runs[i].flow)) {
                n_hits += runs[i].end - start;
                OVS_PREFETCH(runs[i].flow);
            }
        }
        start = runs[i].end;
    }
    for (unsigned int i = 0; i < burst->n_runs; i++) {
        if (OVS_LIKELY(runs[i].flow)) {
            megaflow_prefetch(runs[i].flow, cache->slot);
        }
    }
    return n_hits;
}

/* Inserting */

/* Returns a free way of the set, or SET_WAYS. */
static unsigned int
find_free_way(const struct tags *tags)
{
    unsigned int way = 0;

    while (way < SET_WAYS && get_tag(tags, way)) {
        way++;
    }
    return way;
}

/* Returns a way of the set that was not hit since the hand last passed. */
static unsigned int
find_idle_way(struct tags *tags)
{
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
    uint32_t sets[] = { set_of(cache, key), other_set_of(cache, key) };
    uint32_t set = sets[0];
    unsigned int way = find_free_way(&cache->tags[set]);

    if (way == SET_WAYS) {
        set = sets[1];
        way = find_free_way(&cache->tags[set]);
    }
    *evicts = way == SET_WAYS;
    if (*evicts) {
        set = sets[random_uint32() % ARRAY_SIZE(sets)];
        way = find_idle_way(&cache->tags[set]);
    }

    set_tag(&cache->tags[set], way, tag_from_hash(key->hash));
    cache->tags[set].used &= ~(1u << way);
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
