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

/* Tests of flow/: each random test takes a number of rounds and a seed, and
 * prints the seed. */

#include <config.h>
#undef NDEBUG

#include "flow/flow-private.h"
#include "flow/megaflow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dp-packet.h"
#include "flow-model.h"
#include "odp-util.h"
#include "ovstest.h"
#include "random.h"
#include "random-frame.h"
#include "unaligned.h"
#include "util.h"

/* What vhost_peek() copies of a frame, see vhost/vhost.h. */
#define SNAPSHOT 128

/* Keys. */

/* Checks extraction from the first 'data_len' bytes; returns true if they
 * sufficed. */
static bool
check_head(const uint8_t *frame, size_t len, size_t data_len,
           const struct flow_key *whole, uint16_t tcp_flags)
{
    uint8_t *head = xmemdup(frame, data_len ? data_len : 1);
    struct flow_key key;
    bool ok;

    ok = flow_key_extract_head(head, data_len, len, u32_to_odp(1), &key);
    ovs_assert(ok || data_len < len);
    if (ok) {
        ovs_assert(flow_key_equal(&key, whole));
        ovs_assert(flow_key_tcp_flags(&key) == tcp_flags);
    }
    free(head);
    return ok;
}

/* Returns whether the frame is a plain one, for which it checks that
 * flow_parse_plain() leaves it as extracting its key would. */
static bool
check_plain(const uint8_t *frame, size_t len, const struct flow_key *key,
            uint16_t tcp_flags)
{
    struct dp_packet *packet = dp_packet_clone_data(frame, len);
    struct dp_packet *extracted = dp_packet_clone(packet);
    struct flow_key other;
    uint16_t flags;
    bool plain;

    plain = flow_parse_plain(packet, &flags);
    if (plain) {
        flow_key_extract(extracted, &other);
        ovs_assert(flags == tcp_flags);
        ovs_assert(dp_packet_get_rss_hash(packet)
                   == miniflow_hash_5tuple(&key->mf, 0));
        ovs_assert(packet->l2_5_ofs == extracted->l2_5_ofs
                   && packet->l3_ofs == extracted->l3_ofs
                   && packet->l4_ofs == extracted->l4_ofs
                   && packet->l2_pad_size == extracted->l2_pad_size);
    }
    dp_packet_delete(extracted);
    dp_packet_delete(packet);
    return plain;
}

/* The head's bytes are in memory of their own, so that a checker notices who
 * reads beyond; without one, the comparison does, mostly. */
static void
test_key(int n, unsigned int n_shapes)
{
    bool seen[FLOW_N_SHAPES] = { false };
    unsigned int n_seen = 0, n_plain = 0;

    while (n--) {
        uint8_t frame[RANDOM_FRAME_MAX];
        size_t len = random_frame(frame);
        struct flow expanded, flow;
        struct flow_key key;
        uint16_t tcp_flags;
        uint32_t shape;

        flow_model_extract(frame, len, u32_to_odp(1), &key, &flow, &tcp_flags);
        flow_key_expand(&key, &expanded);
        ovs_assert(flow_equal(&flow, &expanded));
        ovs_assert(flow_key_tcp_flags(&key) == tcp_flags);

        n_plain += (len >= ETH_HEADER_LEN
                    && check_plain(frame, len, &key, tcp_flags));
        check_head(frame, len, len, &key, tcp_flags);
        check_head(frame, len, random_range(len + 1), &key, tcp_flags);

        /* A snapshot suffices for all frames with a shape. */
        shape = shape_parse(frame, len);
        ovs_assert(check_head(frame, len, MIN(len, SNAPSHOT), &key, tcp_flags)
                   || !shape);
        if (shape && !seen[shape]) {
            ovs_assert(shape_header_len(shape) <= len);
            seen[shape] = true;
            n_seen++;
        }
    }
    ovs_assert(n_plain);
    if (n_seen < n_shapes) {
        ovs_fatal(0, "only %u of %u shapes seen", n_seen, n_shapes);
    }
}

static void
test_flow_key(struct ovs_cmdl_context *ctx)
{
    int rounds = atoi(ctx->argv[1]);

    for (int limit = 1; limit <= FLOW_MAX_VLAN_HEADERS; limit++) {
        flow_limit_vlans(limit);
        test_key(rounds, (1 + limit) * SHAPE_N_KINDS);
    }
}

/* Table. */

/* Fills in metadata as recirculation, conntrack or a tunnel would. */
static void
random_metadata(struct pkt_metadata *md)
{
    switch (random_range(8)) {
    case 0:
        md->recirc_id = 1 + random_range(2);
        md->dp_hash = random_range(2);
        break;
    case 1:
        md->ct_state = random_range(4);
        md->ct_zone = random_range(2);
        md->ct_mark = random_range(2);
        break;
    case 2:
        md->skb_priority = random_range(2);
        md->pkt_mark = random_range(2);
        break;
    case 3:
        md->tunnel.ip_dst = htonl(0x0a000001);
        md->tunnel.tun_id = htonll(random_range(2));
        break;
    default:
        break;
    }
}

static void
test_flow_table(struct ovs_cmdl_context *ctx)
{
    struct flow_model *model = xzalloc(sizeof *model);

    model->table = megaflow_table_create();
    for (int n = atoi(ctx->argv[1]); n > 0; n--) {
        uint8_t frame[RANDOM_FRAME_MAX];
        struct dp_packet *packet;
        unsigned int n_probed = 0;
        struct megaflow *mf;
        struct flow_key key;
        struct flow flow;

        packet = dp_packet_clone_data(frame, random_frame(frame));
        random_metadata(&packet->md);
        packet->md.in_port.odp_port = flow_model_port();
        flow_key_extract(packet, &key);
        flow_key_expand(&key, &flow);
        dp_packet_delete(packet);

        mf = megaflow_table_lookup(model->table, &key, &n_probed);
        ovs_assert(n_probed <= megaflow_table_n_masks(model->table));
        if (mf) {
            flow_model_check_hit(model, mf, &flow);
        } else {
            ovs_assert(!flow_model_matches(model, &flow));
        }

        if (random_one_in(3)) {
            megaflow_table_set_slots(model->table, random_range(4));
            flow_model_change(model, &flow);
        }
        if (random_one_in(32)) {
            ovsrcu_quiesce();
        }
    }
    megaflow_table_destroy(model->table);
    free(model);
}

/* Cache against the list. */

struct test_frame {
    uint8_t bytes[RANDOM_FRAME_MAX];
    size_t len;
    odp_port_t in_port;
};

/* A frame like one of before, for another port or with a byte changed. */
static void
near_miss(struct test_frame *f)
{
    if (random_one_in(4)) {
        f->in_port = flow_model_port();
    } else if (random_one_in(4)) {
        f->len = random_range(f->len + 1);
    } else if (f->len) {
        f->bytes[random_range(MIN(f->len, 96))] ^= 1u << random_range(8);
    }
}

struct cache_test {
    struct flow_model model;
    struct flow_cache *cache;
    struct test_frame frames[256];
    unsigned int n_hits;
};

/* What the cache reads beyond the end of a short frame must not matter. */
struct cache_frame {
    struct flow_cache_frame frame;
    uint8_t *room;
};

static void
cache_frame_init(struct cache_frame *cf, const uint8_t *bytes, size_t len)
{
    uint32_t data_len = MIN(len, SNAPSHOT);
    size_t size = MAX(data_len, FLOW_CACHE_READABLE);

    cf->room = xmalloc(size);
    random_bytes(cf->room, size);
    memcpy(cf->room, bytes, data_len);
    cf->frame = (struct flow_cache_frame) { cf->room, len };
}

/* Looks up a single frame. */
static struct megaflow *
cache_lookup(struct flow_cache *cache, odp_port_t in_port,
             const uint8_t *bytes, size_t len, struct flow_cache_key *key,
             uint16_t *tcp_flags)
{
    struct flow_cache_burst burst;
    struct cache_frame cf;
    unsigned int n_hits;

    cache_frame_init(&cf, bytes, len);
    burst.frames[0] = cf.frame;
    n_hits = flow_cache_lookup(cache, in_port, &burst, 1);
    ovs_assert(burst.n_runs == 1 && burst.runs[0].end == 1);
    ovs_assert(n_hits == (burst.runs[0].flow != NULL));
    free(cf.room);
    *key = *burst.runs[0].key;
    *tcp_flags = burst.runs[0].tcp_flags;
    return burst.runs[0].flow;
}

/* Looks a frame up, and adds it to the cache if it was not there. */
static void
cache_test_lookup(struct cache_test *t, const struct test_frame *f)
{
    uint16_t tcp_flags, tcp_flags_hit = 0xffff;
    struct flow_cache_key cache_key;
    struct megaflow *mf, *again;
    struct flow_key key;
    struct flow flow;

    flow_model_extract(f->bytes, f->len, f->in_port, &key, &flow, &tcp_flags);
    mf = cache_lookup(t->cache, f->in_port, f->bytes, f->len, &cache_key,
                      &tcp_flags_hit);
    if (mf) {
        t->n_hits++;
        ovs_assert(tcp_flags_hit == tcp_flags);
        flow_model_check_hit(&t->model, mf, &flow);
    } else if ((mf = megaflow_table_lookup(t->model.table, &key, NULL))) {
        flow_model_check_hit(&t->model, mf, &flow);
        flow_cache_insert(t->cache, &cache_key, mf);
        again = cache_lookup(t->cache, f->in_port, f->bytes, f->len,
                             &cache_key, &tcp_flags_hit);
        ovs_assert(again == (cache_key.shape ? mf : NULL));
        ovs_assert(shape_parse(f->bytes, f->len) == cache_key.shape);
    } else {
        ovs_assert(!flow_model_matches(&t->model, &flow));

        /* Insert the wrong thing, as a thread that is late would. */
        flow_model_change(&t->model, &flow);
        mf = megaflow_table_lookup(t->model.table, &key, NULL);
        if (mf) {
            flow_cache_insert(t->cache, &cache_key, mf);
        }
    }
}

static void
check_same_key(const struct flow_cache_key *a, const struct flow_cache_key *b)
{
    ovs_assert(a->shape == b->shape);
    ovs_assert(!a->shape
               || (a->in_port == b->in_port
                   && a->generation == b->generation
                   && a->hash == b->hash
                   && a->n_words == b->n_words
                   && !memcmp(a->words, b->words,
                              a->n_words * sizeof *a->words)));
}

/* Looks up a burst of frames like 'f', many of them equal to the one before,
 * all at once and one by one. */
static void
cache_test_burst(struct cache_test *t, const struct test_frame *f)
{
    struct cache_frame copies[FLOW_CACHE_BURST];
    struct flow_cache_burst burst, one;
    unsigned int n = random_range(FLOW_CACHE_BURST + 1);
    unsigned int n_hits;
    struct test_frame near = *f;

    for (unsigned int i = 0; i < n; i++) {
        if (random_one_in(3)) {
            near = *f;
        } else if (random_one_in(3)) {
            near_miss(&near);
        }
        cache_frame_init(&copies[i], near.bytes, near.len);
        burst.frames[i] = copies[i].frame;
    }
    n_hits = flow_cache_lookup(t->cache, f->in_port, &burst, n);
    ovs_assert((burst.n_runs ? burst.runs[burst.n_runs - 1].end : 0) == n);
    for (unsigned int i = 0, j = 0; j < burst.n_runs; j++) {
        const struct flow_cache_run *run = &burst.runs[j];
        uint16_t tcp_flags = 0;

        ovs_assert(run->end > i);
        for (; i < run->end; i++) {
            one.frames[0] = burst.frames[i];
            n_hits -= flow_cache_lookup(t->cache, f->in_port, &one, 1);
            ovs_assert(run->flow == one.runs[0].flow);
            tcp_flags |= one.runs[0].tcp_flags;
            check_same_key(run->key, one.runs[0].key);
            free(copies[i].room);
        }
        ovs_assert(!run->flow || run->tcp_flags == tcp_flags);
    }
    ovs_assert(!n_hits);
}

static void
test_flow_cache(struct ovs_cmdl_context *ctx)
{
    struct cache_test *t = xzalloc(sizeof *t);
    int rounds = atoi(ctx->argv[1]);

    t->model.table = megaflow_table_create();
    t->cache = flow_cache_create(t->model.table,
                                 random_one_in(2) ? 16 : 4096, 0);
    for (int n = rounds; n > 0; n--) {
        struct test_frame *f = &t->frames[random_range(
            ARRAY_SIZE(t->frames))];
        uint16_t tcp_flags;
        struct flow_key key;
        struct flow flow;

        if (!f->len || random_one_in(50)) {
            f->len = random_frame(f->bytes);
            f->in_port = flow_model_port();
        } else if (random_one_in(10)) {
            near_miss(f);
        }
        cache_test_lookup(t, f);
        for (int i = 0; i < 2; i++) {
            struct test_frame near = *f;

            near_miss(&near);
            cache_test_lookup(t, &near);
        }
        if (random_one_in(8)) {
            cache_test_burst(t, f);
        }

        if (random_one_in(20)) {
            flow_model_extract(f->bytes, f->len, f->in_port, &key, &flow,
                               &tcp_flags);
            if (random_one_in(10)) {
                flow.recirc_id = 1;
            }
            flow_model_change(&t->model, &flow);
        }
        if (random_one_in(32)) {
            ovsrcu_quiesce();
        }
        if (random_one_in(1000)) {
            flow_limit_vlans(1 + random_range(FLOW_MAX_VLAN_HEADERS));
        }
    }
    ovs_assert(t->n_hits > rounds / 20);
    flow_cache_destroy(t->cache);
    megaflow_table_destroy(t->model.table);
    free(t);
}

/* Cache, one thing at a time. */

static const uint8_t tcp_frame[60] = {
    0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x02,
    0x08, 0x00,
    0x45, 0x00, 0x00, 0x28, 0x00, 0x00, 0x40, 0x00, 0x40, IPPROTO_TCP,
    0x00, 0x00, 0x0a, 0x00, 0x00, 0x01, 0x0a, 0x00, 0x00, 0x02,
    0x00, 0x00, 0x00, 0x50, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x50, 0x10,
};

/* Looks 'n' connections up, adding to the cache what is not there.  Returns
 * the number of misses. */
static unsigned int
lookup_connections(struct megaflow_table *table, struct flow_cache *cache,
                   uint8_t proto, unsigned int n)
{
    unsigned int n_misses = 0;

    for (unsigned int i = 0; i < n; i++) {
        uint8_t frame[sizeof tcp_frame];
        struct flow_cache_key cache_key;
        struct flow_key key;
        uint16_t tcp_flags;

        memcpy(frame, tcp_frame, sizeof frame);
        frame[23] = proto;
        frame[35] = i;
        if (!cache_lookup(cache, u32_to_odp(1), frame, sizeof frame,
                          &cache_key, &tcp_flags)) {
            struct megaflow *mf;

            ovs_assert(flow_key_extract_head(frame, sizeof frame,
                                             sizeof frame, u32_to_odp(1),
                                             &key));
            mf = megaflow_table_lookup(table, &key, NULL);
            ovs_assert(mf);
            flow_cache_insert(cache, &cache_key, mf);
            n_misses++;
        } else {
            ovs_assert(tcp_flags == (proto == IPPROTO_TCP ? TCP_ACK : 0));
        }
    }
    return n_misses;
}

static void
put_simple(struct megaflow_table *table, uint64_t id,
           const struct match *match)
{
    ovs_u128 ufid = { .u64 = { .lo = id } };

    ovs_assert(!megaflow_table_put(table, &ufid, match, ODPP_NONE,
                                   MEGAFLOW_CREATE, flow_model_program(), NULL,
                                   NULL));
}

static void
delete_simple(struct megaflow_table *table, uint64_t id)
{
    ovs_u128 ufid = { .u64 = { .lo = id } };
    struct megaflow_stats stats;

    ovs_assert(!megaflow_table_del(table, &ufid, &stats));
}

/* One cache entry serves all connections between two MACs, until a flow for
 * TCP asks for more, and again when that has gone. */
static void
test_flow_union(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    struct megaflow_table *table = megaflow_table_create();
    struct flow_cache *cache = flow_cache_create(table, 1024, 0);
    struct match match;
    struct flow_key key;
    uint16_t tcp_flags;

    flow_model_extract(tcp_frame, sizeof tcp_frame, u32_to_odp(1), &key,
                       &match.flow, &tcp_flags);
    flow_wildcards_init_catchall(&match.wc);
    WC_MASK_FIELD(&match.wc, recirc_id);
    WC_MASK_FIELD(&match.wc, dl_src);
    WC_MASK_FIELD(&match.wc, dl_dst);
    WC_MASK_FIELD(&match.wc, dl_type);
    WC_MASK_FIELD(&match.wc, nw_frag);
    put_simple(table, 1, &match);
    ovs_assert(lookup_connections(table, cache, IPPROTO_TCP, 100) == 1);
    ovs_assert(lookup_connections(table, cache, IPPROTO_UDP, 100) == 1);

    /* Another port's flows do not matter... */
    WC_MASK_FIELD(&match.wc, nw_proto);
    WC_MASK_FIELD(&match.wc, tp_src);
    match.flow.dl_src.ea[5]++;
    match.flow.in_port.odp_port = u32_to_odp(2);
    put_simple(table, 2, &match);
    ovs_assert(!lookup_connections(table, cache, IPPROTO_TCP, 100));

    /* ...nor do those of other passes... */
    match.flow.in_port.odp_port = u32_to_odp(1);
    match.flow.recirc_id = 5;
    put_simple(table, 3, &match);
    ovs_assert(!lookup_connections(table, cache, IPPROTO_TCP, 100));

    /* ...but one that can match frames of this shape does. */
    match.flow.recirc_id = 0;
    put_simple(table, 4, &match);
    ovs_assert(lookup_connections(table, cache, IPPROTO_TCP, 100) == 100);
    ovs_assert(!lookup_connections(table, cache, IPPROTO_TCP, 100));
    ovs_assert(!lookup_connections(table, cache, IPPROTO_UDP, 100));

    delete_simple(table, 4);
    ovs_assert(!lookup_connections(table, cache, IPPROTO_TCP, 100));
    flow_table_narrow(table);
    ovs_assert(lookup_connections(table, cache, IPPROTO_TCP, 100) == 1);
    ovs_assert(!lookup_connections(table, cache, IPPROTO_UDP, 100));

    /* A flow in the slot of another one is not mistaken for it. */
    match.flow.dl_src.ea[5]--;
    put_simple(table, 5, &match);
    delete_simple(table, 1);
    match.wc.masks.tp_src = 0;
    put_simple(table, 1, &match);
    ovs_assert(lookup_connections(table, cache, IPPROTO_TCP, 100) == 100);

    flow_cache_destroy(cache);
    megaflow_table_destroy(table);
}

/* Looks up many keys that are not there in a cache that is so small that their
 * tags often are. */
static void
test_flow_tags(struct ovs_cmdl_context *ctx)
{
    struct megaflow_table *table = megaflow_table_create();
    struct flow_cache *cache = flow_cache_create(table, FLOW_CACHE_MIN, 0);
    uint8_t frame[sizeof tcp_frame];
    struct flow_cache_key cache_key;
    struct flow_key key;
    struct match match;
    uint16_t tcp_flags;

    flow_model_extract(tcp_frame, sizeof tcp_frame, u32_to_odp(1), &key,
                       &match.flow, &tcp_flags);
    flow_wildcards_init_catchall(&match.wc);
    WC_MASK_FIELD(&match.wc, tp_src);
    WC_MASK_FIELD(&match.wc, nw_src);
    for (uint16_t i = 0; i < 8; i++) {
        match.flow.tp_src = htons(i);
        put_simple(table, i + 1, &match);
    }
    ovs_assert(lookup_connections(table, cache, IPPROTO_TCP, 8) == 8);
    ovs_assert(!lookup_connections(table, cache, IPPROTO_TCP, 8));

    memcpy(frame, tcp_frame, sizeof frame);
    for (int i = atoi(ctx->argv[1]); i > 0; i--) {
        uint32_t nw_src = random_uint32();

        memcpy(frame + 26, &nw_src, sizeof nw_src);
        ovs_assert(!cache_lookup(cache, u32_to_odp(1), frame, sizeof frame,
                                 &cache_key, &tcp_flags)
                   || !memcmp(frame, tcp_frame, sizeof frame));
    }

    flow_cache_destroy(cache);
    megaflow_table_destroy(table);
}

/* Looks up the frames whose two bytes at 'ofs' are less than 'n', adding to
 * the cache what is not there.  Returns the number of misses. */
static unsigned int
lookup_numbers(struct flow_cache *cache, struct megaflow *mf, size_t ofs,
               uint16_t n)
{
    uint8_t frame[sizeof tcp_frame];
    struct flow_cache_key key;
    unsigned int n_misses = 0;
    uint16_t tcp_flags;

    memcpy(frame, tcp_frame, sizeof frame);
    for (uint16_t i = 0; i < n; i++) {
        put_unaligned_be16((void *) (frame + ofs), htons(i));
        if (!cache_lookup(cache, u32_to_odp(1), frame, sizeof frame, &key,
                          &tcp_flags)) {
            flow_cache_insert(cache, &key, mf);
            n_misses++;
        }
    }
    return n_misses;
}

/* Three quarters of a cache's entries can be in use at once, whichever bytes
 * the frames differ in, and also when it is full of entries that are not of
 * use any more. */
static void
test_flow_room(struct ovs_cmdl_context *ctx)
{
    struct megaflow_table *table = megaflow_table_create();
    struct flow_cache *cache = flow_cache_create(table, 4096, 0);
    struct flow_key key;
    struct match match;
    uint16_t tcp_flags;

    flow_model_extract(tcp_frame, sizeof tcp_frame, u32_to_odp(1), &key,
                       &match.flow, &tcp_flags);
    flow_wildcards_init_catchall(&match.wc);
    put_simple(table, 1, &match);

    /* This one matches none of the frames, but its bytes are in the keys. */
    match.flow.nw_src = match.flow.nw_dst = OVS_BE32_MAX;
    match.flow.tp_src = match.flow.tp_dst = OVS_BE16_MAX;
    for (size_t ofs = 26; ofs < 38; ofs += 2) {
        int rounds = 0;

        flow_wildcards_init_catchall(&match.wc);
        if (ofs < 30) {
            WC_MASK_FIELD(&match.wc, nw_src);
        } else if (ofs < 34) {
            WC_MASK_FIELD(&match.wc, nw_dst);
        } else if (ofs < 36) {
            WC_MASK_FIELD(&match.wc, tp_src);
        } else {
            WC_MASK_FIELD(&match.wc, tp_dst);
        }
        put_simple(table, 2, &match);
        flow_table_narrow(table);
        while (lookup_numbers(cache, megaflow_table_lookup(table, &key, NULL),
                              ofs, 3072)) {
            ovs_assert(++rounds < atoi(ctx->argv[1]));
        }
        delete_simple(table, 2);
    }

    flow_cache_destroy(cache);
    megaflow_table_destroy(table);
}

static const struct ovs_cmdl_command commands[] = {
    { "key", "rounds", 1, 2, test_flow_key, OVS_RO },
    { "table", "rounds", 1, 2, test_flow_table, OVS_RO },
    { "cache", "rounds", 1, 2, test_flow_cache, OVS_RO },
    { "tags", "rounds", 1, 2, test_flow_tags, OVS_RO },
    { "room", "rounds", 1, 2, test_flow_room, OVS_RO },
    { "union", NULL, 0, 0, test_flow_union, OVS_RO },
    { NULL, NULL, 0, 0, NULL, OVS_RO },
};

static void
test_flow_main(int argc, char *argv[])
{
    struct ovs_cmdl_context ctx = { .argc = argc - 1, .argv = argv + 1 };
    uint32_t seed;

    set_program_name(argv[0]);
    random_init();
    seed = argc > 3 ? strtoul(argv[3], NULL, 0) : random_uint32();
    printf("seed %"PRIu32"\n", seed);
    fflush(stdout);
    random_set_seed(seed);
    ovsrcu_quiesce_end();
    ovs_cmdl_run_command(&ctx, commands);

    /* So that a memory checker sees what is left. */
    ovsrcu_exit();
}

OVSTEST_REGISTER("test-flow", test_flow_main);
