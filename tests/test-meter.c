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

/* Test of meter/meter.c. */

#include <config.h>
#undef NDEBUG

#include "meter/meter.h"

#include <errno.h>

#include "dp-packet.h"
#include "openvswitch/ofp-meter.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "ovstest.h"
#include "timeval.h"
#include "util.h"

#define N_THREADS 4
#define N_BATCHES 1000
#define THREAD_BATCH 8

/* A point in time after all calls of meter_set(), on a whole millisecond. */
static long long int base;

static long long int
at_ms(unsigned int ms)
{
    return base + ms * 1000LL;
}

static int
set_meter(struct meter_table *table, uint32_t id, uint16_t flags,
          unsigned int n_bands, const uint32_t rates_and_bursts[][2])
{
    struct ofputil_meter_band bands[16] = { { 0 } };
    struct ofputil_meter_config config = {
        .flags = flags,
        .n_bands = n_bands,
        .bands = bands,
    };
    int error;

    for (size_t i = 0; i < n_bands; i++) {
        bands[i].type = OFPMBT13_DROP;
        bands[i].rate = rates_and_bursts[i][0];
        bands[i].burst_size = rates_and_bursts[i][1];
    }
    error = meter_set(table, id, &config);
    for (size_t i = 0; !error && i < n_bands; i++) {
        ovs_assert(bands[i].burst_size == (rates_and_bursts[i][1]
                                           ? rates_and_bursts[i][1]
                                           : rates_and_bursts[i][0]));
    }
    return error;
}

/* Sends 'n' packets, of 'sizes' bytes if nonnull, through meter 'id'.  Returns
 * a map of those that passed, after a check that they did in order. */
static uint32_t
run(struct meter_table *table, uint32_t id, unsigned int n,
    const uint32_t sizes[], long long int now)
{
    struct dp_packet_batch batch;
    struct dp_packet *packet;
    unsigned int n_dropped;
    uint32_t passed = 0;

    dp_packet_batch_init(&batch);
    for (unsigned int i = 0; i < n; i++) {
        packet = dp_packet_new(2048);
        dp_packet_put_zeros(packet, sizes ? sizes[i] : 64);
        *(uint8_t *) dp_packet_data(packet) = i;
        dp_packet_batch_add(&batch, packet);
    }
    n_dropped = meter_run(table, &batch, id, now);
    ovs_assert(n_dropped + dp_packet_batch_size(&batch) == n);
    DP_PACKET_BATCH_FOR_EACH (i, packet, &batch) {
        uint32_t bit = 1u << *(uint8_t *) dp_packet_data(packet);

        ovs_assert(bit > passed);
        passed |= bit;
    }
    dp_packet_delete_batch(&batch, true);
    return passed;
}

static void
check_stats(struct meter_table *table, uint32_t id, uint64_t packets,
            uint64_t bytes, unsigned int n_bands, const uint64_t dropped[])
{
    struct ofputil_meter_band_stats bands[16];
    struct ofputil_meter_stats stats = { .bands = bands };

    ovs_assert(!meter_get(table, id, &stats, ARRAY_SIZE(bands)));
    ovs_assert(stats.packet_in_count == packets);
    ovs_assert(stats.byte_in_count == bytes);
    ovs_assert(stats.n_bands == n_bands);
    for (size_t i = 0; i < n_bands; i++) {
        ovs_assert(bands[i].packet_count == dropped[i]);
    }
}

static void
test_packets(struct meter_table *table)
{
    const uint32_t bands[][2] = { { 100, 10 } };

    ovs_assert(!set_meter(table, 1, OFPMF13_PKTPS | OFPMF13_BURST, 1, bands));
    ovs_assert(run(table, 1, 32, NULL, at_ms(0)) == 0x3ff);
    ovs_assert(run(table, 1, 32, NULL, at_ms(55)) == 0x1f);
    /* Half a packet was left. */
    ovs_assert(run(table, 1, 2, NULL, at_ms(60)) == 1);
    /* Time that seems to go back brings nothing, also not when it is back. */
    ovs_assert(run(table, 1, 2, NULL, at_ms(20)) == 0);
    ovs_assert(run(table, 1, 2, NULL, at_ms(60)) == 0);
    /* A bucket holds no more than a burst. */
    ovs_assert(run(table, 1, 32, NULL, at_ms(1000000)) == 0x3ff);
    check_stats(table, 1, 102, 102 * 64, 1, (uint64_t[]) { 76 });

    /* A new configuration starts anew. */
    ovs_assert(!set_meter(table, 1, OFPMF13_PKTPS, 1, bands));
    check_stats(table, 1, 0, 0, 1, (uint64_t[]) { 0 });
    ovs_assert(!meter_del(table, 1, NULL, 0));
}

/* Without a burst size, the rate is the burst: 8 kilobits are 1000 bytes. */
static void
test_kilobits(struct meter_table *table)
{
    const uint32_t bands[][2] = { { 8, 0 } };

    ovs_assert(!set_meter(table, 2, OFPMF13_KBPS, 1, bands));
    ovs_assert(run(table, 2, 3, (uint32_t[]) { 400, 700, 400 }, at_ms(0))
               == 5);
    /* 200 bytes are left, 100 are added. */
    ovs_assert(run(table, 2, 2, (uint32_t[]) { 301, 300 }, at_ms(100)) == 2);
    check_stats(table, 2, 5, 2101, 1, (uint64_t[]) { 2 });
    ovs_assert(!meter_del(table, 2, NULL, 0));
}

/* A dropped packet counts in the band of the highest rate, and takes tokens
 * from the bands that had some. */
static void
test_bands(struct meter_table *table)
{
    const uint32_t bands[][2] = { { 10, 4 }, { 20, 6 }, { 0, 20 } };

    ovs_assert(!set_meter(table, 3, OFPMF13_PKTPS | OFPMF13_BURST, 3, bands));
    ovs_assert(run(table, 3, 10, NULL, at_ms(0)) == 0xf);
    check_stats(table, 3, 10, 640, 3, (uint64_t[]) { 2, 4, 0 });
    ovs_assert(run(table, 3, 12, NULL, at_ms(10000)) == 0xf);
    check_stats(table, 3, 22, 22 * 64, 3, (uint64_t[]) { 4, 10, 0 });
    /* A band of rate 0 never gets a token again. */
    ovs_assert(run(table, 3, 1, NULL, at_ms(20000)) == 0);
    check_stats(table, 3, 23, 23 * 64, 3, (uint64_t[]) { 4, 10, 1 });
    ovs_assert(!meter_del(table, 3, NULL, 0));
}

static void
test_errors(struct meter_table *table)
{
    const uint32_t bands[16][2] = { { 1, 1 } };
    struct ofputil_meter_band band = { .type = OFPMBT13_DSCP_REMARK };
    struct ofputil_meter_config config = { .n_bands = 1, .bands = &band };
    struct ofputil_meter_features f;
    struct ofputil_meter_stats stats;

    meter_get_features(&f);
    ovs_assert(f.max_meters == 1 << 18 && f.max_bands == 8 && !f.max_color);
    ovs_assert(f.band_types == 1 << OFPMBT13_DROP);
    ovs_assert(f.capabilities == (OFPMF13_KBPS | OFPMF13_PKTPS | OFPMF13_BURST
                                  | OFPMF13_STATS));

    ovs_assert(set_meter(table, f.max_meters, 0, 1, bands) == EFBIG);
    ovs_assert(set_meter(table, 1, 1 << 15, 1, bands) == EBADF);
    ovs_assert(set_meter(table, 1, 0, f.max_bands + 1, bands) == EINVAL);
    ovs_assert(meter_set(table, 1, &config) == ENODEV);
    ovs_assert(meter_get(table, 1, &stats, 0) == ENOENT);
    ovs_assert(meter_get(table, f.max_meters, &stats, 0) == EFBIG);
    ovs_assert(meter_del(table, 1, NULL, 0) == ENOENT);
    ovs_assert(!set_meter(table, f.max_meters - 1, 0, f.max_bands, bands));

    /* What no meter limits passes. */
    ovs_assert(run(table, 1, 31, NULL, at_ms(0)) == 0x7fffffff);
}

/* Meters that each of two threads adds and deletes over and over. */
#define N_REPLACED 20

static void *
run_batches(void *table)
{
    for (int i = 0; i < N_BATCHES; i++) {
        run(table, 4, THREAD_BATCH, NULL, at_ms(0));
    }
    return NULL;
}

/* Threads together get what one alone would. */
static void
test_threads(struct meter_table *table)
{
    const uint32_t bands[][2] = { { 100000, 500 } };
    const uint64_t n = N_THREADS * N_BATCHES * THREAD_BATCH;
    pthread_t threads[N_THREADS];

    ovs_assert(!set_meter(table, 4, OFPMF13_PKTPS | OFPMF13_BURST, 1, bands));
    for (size_t i = 0; i < N_THREADS; i++) {
        threads[i] = ovs_thread_create("meter", run_batches, table);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        xpthread_join(threads[i], NULL);
    }
    check_stats(table, 4, n, n * 64, 1, (uint64_t[]) { n - 500 });
}

static void
replace_meters(struct meter_table *table, uint32_t first)
{
    const uint32_t bands[][2] = { { 1, 1 } };

    for (int i = 0; i < N_BATCHES; i++) {
        for (uint32_t id = first; id < first + 2 * N_REPLACED; id += 2) {
            ovs_assert(!set_meter(table, id, 0, 1, bands));
        }
        for (uint32_t id = first; id < first + 2 * N_REPLACED; id += 2) {
            ovs_assert(!meter_del(table, id, NULL, 0));
        }
    }
}

static void *
replace_odd_meters(void *table)
{
    replace_meters(table, 1001);
    return NULL;
}

/* ofproto adds meters on one thread and deletes others on another. */
static void
test_replacing(struct meter_table *table)
{
    pthread_t thread = ovs_thread_create("meter", replace_odd_meters, table);

    replace_meters(table, 1000);
    xpthread_join(thread, NULL);
    for (uint32_t id = 1000; id < 1002 + 2 * N_REPLACED; id++) {
        ovs_assert(meter_get(table, id, NULL, 0) == ENOENT);
    }
}

static void
test_meter_main(int argc OVS_UNUSED, char *argv[])
{
    struct meter_table *table;

    set_program_name(argv[0]);
    ovsrcu_quiesce_end();
    base = time_usec() / 1000 * 1000 + 60000000;
    table = meter_table_create();
    test_packets(table);
    test_kilobits(table);
    test_bands(table);
    test_errors(table);
    test_threads(table);
    test_replacing(table);
    meter_table_destroy(table);

    /* So that a memory checker sees what is left. */
    ovsrcu_exit();
}

OVSTEST_REGISTER("test-meter", test_meter_main);
