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

/* Readers look up bursts of frames, each in a flow cache of its own and, what
 * is not there, in the classifier, while writers put, modify and delete flows
 * with random masks, so that unions widen and narrow all the time.
 *
 * Each verdict must be one that was right at some moment between the begin and
 * the end of its lookup: a flow that matches what OVS extracts from the frame,
 * and that was not deleted before; or none, unless a flow that matches was
 * there all the time. */

#include <config.h>
#undef NDEBUG

#include "action/action.h"
#include "flow/flow-private.h"
#include "flow/megaflow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow-model.h"
#include "odp-util.h"
#include "ovs-thread.h"
#include "ovstest.h"
#include "random.h"
#include "random-frame.h"
#include "util.h"

#define N_READERS 2
#define N_WRITERS 2
#define MAX_CHANGES 1000000

/* Most frames are like another one but for a few bits, so that they often have
 * the same key under one union and another one under the next.  One frame has
 * a port of its own, which comes and goes with its flow. */
#define N_FRAMES 64
#define N_FAMILIES 6
#define LONELY_PORT 99

/* A frame and the flow that a writer puts for it and deletes again. */
struct frame {
    uint8_t bytes[RANDOM_FRAME_MAX];
    size_t len;
    odp_port_t in_port;
    struct flow_key key;        /* What OVS extracts, */
    struct flow flow;           /* and the same, expanded. */
    uint16_t tcp_flags;

    atomic_uint life;           /* Odd while its flow is there for sure. */
    unsigned int id;            /* Of its flow, 0 if none; the writer's. */
};

struct test {
    struct megaflow_table *table;
    struct frame frames[N_FRAMES];
    uint32_t seed;
    unsigned int n_changes;     /* Of a writer. */

    atomic_uint n_writers;      /* That are at work. */
    atomic_uint n_deleted;
    atomic_uint *deleted_at;    /* By flow id, 0 if not deleted. */
};

struct worker {
    struct test *test;
    unsigned int number;        /* Of the reader, or of the writer. */
    uint32_t seed;
    odp_port_t in_port;         /* Readers: of the last burst. */
    uint64_t n_hits;            /* Readers: in the cache, */
    uint64_t n_smc_hits;        /* in the signature match cache, */
    uint64_t n_found;           /* in the classifier, */
    uint64_t n_none;            /* and nowhere. */
};

/* Frames */

/* The bits in which frames of a family differ mostly. */
static void
random_relative(struct frame *f)
{
    f->bytes[ETH_ADDR_LEN - 1] ^= random_range(4);
    f->bytes[2 * ETH_ADDR_LEN - 1] ^= random_range(4);
    if (random_one_in(4)) {
        f->bytes[random_range(MIN(f->len, 96))] ^= 1u << random_range(8);
    }
}

/* Makes a frame that the cache can hold, like 'base' unless that is NULL. */
static void
make_frame(struct frame *f, const struct frame *base)
{
    do {
        if (base) {
            memcpy(f->bytes, base->bytes, sizeof f->bytes);
            f->len = base->len;
            f->in_port = base->in_port;
            random_relative(f);
        } else {
            f->len = random_frame(f->bytes);
            f->in_port = flow_model_port();
        }
    } while (!shape_parse(f->bytes, f->len));
}

static void
make_frames(struct test *t)
{
    for (size_t i = 0; i < N_FRAMES; i++) {
        struct frame *f = &t->frames[i];

        make_frame(f, i < N_FAMILIES ? NULL : &t->frames[i % N_FAMILIES]);
        if (i == N_FRAMES - 1) {
            f->in_port = u32_to_odp(LONELY_PORT);
        }
        flow_model_extract(f->bytes, f->len, f->in_port, &f->key, &f->flow,
                           &f->tcp_flags);
    }
}

/* Readers */

/* Frames of one in_port, which are looked up together, and what was known when
 * that began. */
struct lookup {
    unsigned int n;
    struct frame *frames[FLOW_CACHE_BURST];
    unsigned int life[FLOW_CACHE_BURST];
    unsigned int n_deleted;
};

static void
begin_lookup(struct worker *reader, struct lookup *lookup)
{
    unsigned int n = 1 + random_range(FLOW_CACHE_BURST);
    struct test *t = reader->test;

    if (random_one_in(2)) {
        reader->in_port = t->frames[random_one_in(4) ? N_FRAMES - 1
                                    : random_range(N_FRAMES)].in_port;
    }
    lookup->n = 0;
    while (lookup->n < n) {
        struct frame *f = &t->frames[random_range(N_FRAMES)];

        if (f->in_port == reader->in_port) {
            atomic_read_explicit(&f->life, &lookup->life[lookup->n],
                                 memory_order_acquire);
            lookup->frames[lookup->n++] = f;
        }
    }
    atomic_read_explicit(&t->n_deleted, &lookup->n_deleted,
                         memory_order_acquire);
}

/* Checks that 'mf' is right for frame 'i', and counts it as a thread would. */
static void
check_found(const struct worker *reader, const struct lookup *lookup,
            unsigned int i, struct megaflow *mf, uint16_t tcp_flags)
{
    const struct frame *f = lookup->frames[i];
    unsigned int deleted_at;

    ovs_assert(flow_equal_except(&mf->flow, &f->flow, &mf->mask));
    atomic_read_explicit(&reader->test->deleted_at[mf->ufid.u64.hi],
                         &deleted_at, memory_order_acquire);
    ovs_assert(!deleted_at || deleted_at > lookup->n_deleted);
    ovs_assert(tcp_flags == f->tcp_flags);
    ovs_assert(megaflow_program(mf)->direct);
    megaflow_count(mf, reader->number, 1, f->len, tcp_flags, 1);
}

/* Checks that frame 'i' had no flow at some moment. */
static void
check_none(const struct lookup *lookup, unsigned int i)
{
    unsigned int life;

    atomic_thread_fence(memory_order_acquire);
    atomic_read_explicit(&lookup->frames[i]->life, &life,
                         memory_order_acquire);
    ovs_assert(life != lookup->life[i] || life % 2 == 0);
}

/* Returns the flow of 'f', found with its key, or NULL.  Few hashes, so that
 * several frames share one. */
static struct megaflow *
find_by_key(struct worker *reader, struct flow_smc *smc,
            const struct frame *f)
{
    uint32_t hash = flow_key_hash(&f->key) % (N_FRAMES / 4);
    struct megaflow *mf;

    mf = flow_smc_lookup(smc, &f->key, hash);
    if (mf) {
        reader->n_smc_hits++;
        return mf;
    }
    mf = megaflow_table_lookup(reader->test->table, &f->key, NULL);
    if (mf) {
        flow_smc_insert(smc, &f->key, hash, mf);
        reader->n_found++;
    }
    return mf;
}

/* Checks what the cache, or else the classifier, says of frame 'i', which is
 * in 'run'. */
static void
read_frame(struct worker *reader, struct flow_cache *cache,
           struct flow_smc *smc, const struct lookup *lookup, unsigned int i,
           const struct flow_cache_run *run)
{
    const struct frame *f = lookup->frames[i];
    struct megaflow *mf = run->flow;

    if (!mf) {
        mf = find_by_key(reader, smc, f);
        if (mf && random_one_in(2)) {
            flow_cache_insert(cache, run->key, mf);
        }
    }
    if (mf) {
        check_found(reader, lookup, i, mf, flow_key_tcp_flags(&f->key));
    } else {
        check_none(lookup, i);
        reader->n_none++;
    }
}

static void
read_burst(struct worker *reader, struct flow_cache *cache,
           struct flow_smc *smc)
{
    struct flow_cache_burst burst;
    struct lookup lookup;

    begin_lookup(reader, &lookup);
    for (unsigned int i = 0; i < lookup.n; i++) {
        const struct frame *f = lookup.frames[i];

        burst.frames[i] = (struct flow_cache_frame) {
            f->bytes, f->len,
        };
    }
    reader->n_hits += flow_cache_lookup(cache, reader->in_port, &burst,
                                        lookup.n);
    for (unsigned int i = 0, j = 0; j < burst.n_runs; j++) {
        const struct flow_cache_run *run = &burst.runs[j];
        uint16_t tcp_flags = 0;

        for (; i < run->end; i++) {
            tcp_flags |= lookup.frames[i]->tcp_flags;
            read_frame(reader, cache, smc, &lookup, i, run);
        }
        ovs_assert(!run->flow || run->tcp_flags == tcp_flags);
    }
}

static void *
reader_main(void *reader_)
{
    struct worker *reader = reader_;
    struct test *t = reader->test;
    struct flow_smc *smc = flow_smc_create();
    struct flow_cache *cache;
    unsigned int n_writers;

    random_set_seed(reader->seed);
    cache = flow_cache_create(t->table, FLOW_CACHE_MIN << random_range(8), 0);
    do {
        for (int n = random_range(16); n >= 0; n--) {
            read_burst(reader, cache, smc);
        }
        ovsrcu_quiesce();
        atomic_read_relaxed(&t->n_writers, &n_writers);
    } while (n_writers);
    flow_cache_destroy(cache);
    flow_smc_destroy(smc);
    return NULL;
}

/* Writers.  Each has the frames of which the index modulo N_WRITERS is its
 * number. */

/* Many masks have a bit or two of those in which relatives differ, so that
 * unions remain small. */
static void
random_mask(struct flow_wildcards *wc)
{
    if (random_one_in(8)) {
        flow_model_wildcards(wc);
        return;
    }
    flow_wildcards_init_catchall(wc);
    WC_MASK_FIELD(wc, in_port);
    WC_MASK_FIELD(wc, recirc_id);
    WC_MASK_FIELD(wc, dl_type);
    WC_MASK_FIELD(wc, nw_frag);
    wc->masks.dl_dst.ea[ETH_ADDR_LEN - 1] = random_range(4);
    wc->masks.dl_src.ea[ETH_ADDR_LEN - 1] = random_range(4);
}

static void
put_flow(struct test *t, struct frame *f, unsigned int id, int flags)
{
    ovs_u128 ufid = { .u64 = { .lo = id, .hi = id } };
    struct match match = { .flow = f->flow };

    random_mask(&match.wc);
    ovs_assert(!megaflow_table_put(t->table, &ufid, &match, ODPP_NONE, flags,
                                   flow_model_program(), NULL, NULL));
}

static void
delete_flow(struct test *t, const struct frame *f)
{
    ovs_u128 ufid = { .u64 = { .lo = f->id, .hi = f->id } };
    struct megaflow_stats stats;
    unsigned int n_deleted;

    ovs_assert(!megaflow_table_del(t->table, &ufid, &stats));
    atomic_add_explicit(&t->n_deleted, 1, &n_deleted, memory_order_acq_rel);
    atomic_store_explicit(&t->deleted_at[f->id], n_deleted + 1,
                          memory_order_release);
}

static void
change_life(struct frame *f)
{
    unsigned int orig;

    atomic_add_explicit(&f->life, 1, &orig, memory_order_seq_cst);
}

static void
write_once(struct test *t, struct frame *f, unsigned int id)
{
    if (!f->id) {
        /* Few flows leave unions more room to change. */
        if (random_one_in(4)) {
            put_flow(t, f, id, MEGAFLOW_CREATE);
            f->id = id;
            change_life(f);
        }
    } else if (random_one_in(4)) {
        put_flow(t, f, f->id, MEGAFLOW_MODIFY);
    } else {
        change_life(f);
        delete_flow(t, f);
        f->id = 0;
    }
    if (random_one_in(4)) {
        flow_table_narrow(t->table);
    }
    if (random_one_in(50)) {
        flow_table_rank(t->table);
    }
}

static void *
writer_main(void *writer_)
{
    struct worker *writer = writer_;
    struct test *t = writer->test;
    unsigned int orig;

    random_set_seed(writer->seed);
    for (unsigned int n = 0; n < t->n_changes; n++) {
        unsigned int i = random_range(N_FRAMES / N_WRITERS);

        write_once(t, &t->frames[i * N_WRITERS + writer->number],
                   1 + n * N_WRITERS + writer->number);
        if (n % 16 == 0) {
            ovsrcu_quiesce();
        }
    }
    atomic_sub_relaxed(&t->n_writers, 1, &orig);
    return NULL;
}

/* The whole */

static void
run(struct test *t)
{
    struct worker workers[N_READERS + N_WRITERS];
    pthread_t threads[ARRAY_SIZE(workers)];
    uint64_t n_hits = 0, n_smc_hits = 0, n_found = 0, n_none = 0;

    for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
        bool reads = i < N_READERS;

        workers[i] = (struct worker) {
            .test = t,
            .number = reads ? i : i - N_READERS,
            .seed = random_uint32() | 1,
            .in_port = t->frames[0].in_port,
        };
        threads[i] = ovs_thread_create(reads ? "reader" : "writer",
                                       reads ? reader_main : writer_main,
                                       &workers[i]);
    }

    /* Else nothing would be freed meanwhile. */
    ovsrcu_quiesce_start();
    for (size_t i = 0; i < ARRAY_SIZE(workers); i++) {
        xpthread_join(threads[i], NULL);
        n_hits += workers[i].n_hits;
        n_smc_hits += workers[i].n_smc_hits;
        n_found += workers[i].n_found;
        n_none += workers[i].n_none;
    }
    ovsrcu_quiesce_end();
    printf("%"PRIu64" hits, %"PRIu64" of signatures, %"PRIu64" found by the "
           "classifier, %"PRIu64" without a flow\n", n_hits, n_smc_hits,
           n_found, n_none);
    ovs_assert(n_hits && n_smc_hits && n_found && n_none);
}

/* Usage: test-flow-threads CHANGES [SEED]. */
static void
test_flow_threads_main(int argc, char *argv[])
{
    struct test *t = xzalloc(sizeof *t);
    size_t n_ids;

    set_program_name(argv[0]);
    if (argc < 2) {
        ovs_fatal(0, "usage: %s CHANGES [SEED]", argv[0]);
    }
    random_init();
    t->seed = argc > 2 ? strtoul(argv[2], NULL, 0)
              : random_uint32() | 1;
    printf("seed %"PRIu32"\n", t->seed);
    fflush(stdout);
    random_set_seed(t->seed);

    t->n_changes = MIN(atoi(argv[1]), MAX_CHANGES) / N_WRITERS;
    n_ids = 1 + t->n_changes * N_WRITERS;
    t->deleted_at = xcalloc(n_ids, sizeof *t->deleted_at);
    t->table = megaflow_table_create();
    megaflow_table_set_slots(t->table, N_READERS - 1);
    atomic_init(&t->n_writers, N_WRITERS);
    make_frames(t);

    ovsrcu_quiesce_end();
    run(t);
    megaflow_table_destroy(t->table);
    free(t->deleted_at);
    free(t);

    /* So that a memory checker sees what is left. */
    ovsrcu_exit();
}

OVSTEST_REGISTER("test-flow-threads", test_flow_threads_main);
