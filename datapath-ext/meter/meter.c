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

#include "meter.h"

#include <errno.h>

#include "cmap.h"
#include "dp-packet.h"
#include "openvswitch/ofp-meter.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"

#define METER_MAX_ID (1 << 18)  /* Ids are below. */
#define METER_MAX_BANDS 8
#define METER_FLAGS (OFPMF13_STATS | OFPMF13_PKTPS | OFPMF13_KBPS       \
                     | OFPMF13_BURST)

/* Of a band that no packet exceeded. */
#define NO_BAND -1

/* A token is 1/1000 packet (OFPMF13_PKTPS) or 1 bit: so a band gets 'rate'
 * tokens, in packets or kilobits per second, each millisecond. */
struct meter_band {
    uint32_t rate;
    uint64_t capacity;
    uint64_t tokens;
    uint64_t packets, bytes;    /* Dropped. */
};

struct meter {
    struct cmap_node node;
    uint32_t id;
    bool counts_packets;        /* Tokens are for packets, not bits. */
    uint16_t n_bands;
    uint64_t fill_time;         /* After which all bands are full, ms. */

    struct ovs_mutex mutex;     /* Protects the following. */
    long long int used;         /* When packets came last, us. */
    uint64_t packets, bytes;    /* Dropped or not. */
    struct meter_band bands[];
};

struct meter_table {
    struct cmap meters;         /* Of 'struct meter's, by id. */
    struct ovs_mutex mutex;     /* Held to change 'meters'. */
};

struct meter_table *
meter_table_create(void)
{
    struct meter_table *table = xmalloc(sizeof *table);

    cmap_init(&table->meters);
    ovs_mutex_init(&table->mutex);
    return table;
}

static void
meter_free(struct meter *meter)
{
    ovs_mutex_destroy(&meter->mutex);
    free(meter);
}

void
meter_table_destroy(struct meter_table *table)
{
    struct meter *meter;

    CMAP_FOR_EACH (meter, node, &table->meters) {
        ovsrcu_postpone(meter_free, meter);
    }
    cmap_destroy(&table->meters);
    ovs_mutex_destroy(&table->mutex);
    free(table);
}

static uint32_t
meter_hash(uint32_t id)
{
    return hash_int(id, 0);
}

static struct meter *
meter_find(const struct meter_table *table, uint32_t id)
{
    struct meter *meter;

    CMAP_FOR_EACH_WITH_HASH (meter, node, meter_hash(id), &table->meters) {
        if (meter->id == id) {
            return meter;
        }
    }
    return NULL;
}

void
meter_get_features(struct ofputil_meter_features *features)
{
    *features = (struct ofputil_meter_features) {
        .max_meters = METER_MAX_ID,
        .band_types = 1 << OFPMBT13_DROP,
        .capabilities = METER_FLAGS,
        .max_bands = METER_MAX_BANDS,
    };
}

static int
check_config(uint32_t id, const struct ofputil_meter_config *config)
{
    if (id >= METER_MAX_ID) {
        return EFBIG;
    } else if (config->flags & ~METER_FLAGS) {
        return EBADF;
    } else if (config->n_bands > METER_MAX_BANDS) {
        return EINVAL;
    }
    for (size_t i = 0; i < config->n_bands; i++) {
        if (config->bands[i].type != OFPMBT13_DROP) {
            return ENODEV;
        }
    }
    return 0;
}

static struct meter *
meter_create(uint32_t id, const struct ofputil_meter_config *config)
{
    struct meter *meter = xzalloc(sizeof *meter
                                  + config->n_bands * sizeof *meter->bands);

    meter->id = id;
    meter->counts_packets = config->flags & OFPMF13_PKTPS;
    meter->n_bands = config->n_bands;
    ovs_mutex_init_adaptive(&meter->mutex);
    meter->used = time_usec();
    for (size_t i = 0; i < config->n_bands; i++) {
        struct meter_band *band = &meter->bands[i];

        band->rate = config->bands[i].rate;
        band->capacity = config->bands[i].burst_size * UINT64_C(1000);
        band->tokens = band->capacity;
        if (band->rate) {
            meter->fill_time = MAX(meter->fill_time,
                                   band->capacity / band->rate);
        }
    }
    return meter;
}

int
meter_set(struct meter_table *table, uint32_t id,
          struct ofputil_meter_config *config)
{
    struct meter *meter, *old;
    int error;

    error = check_config(id, config);
    if (error) {
        return error;
    }
    for (size_t i = 0; i < config->n_bands; i++) {
        if (!config->bands[i].burst_size) {
            config->bands[i].burst_size = config->bands[i].rate;
        }
    }

    meter = meter_create(id, config);
    ovs_mutex_lock(&table->mutex);
    old = meter_find(table, id);
    if (old) {
        cmap_replace(&table->meters, &old->node, &meter->node,
                     meter_hash(id));
        ovsrcu_postpone(meter_free, old);
    } else {
        cmap_insert(&table->meters, &meter->node, meter_hash(id));
    }
    ovs_mutex_unlock(&table->mutex);
    return 0;
}

static void
meter_get_stats(struct meter *meter, struct ofputil_meter_stats *stats,
                uint16_t n_bands)
{
    ovs_mutex_lock(&meter->mutex);
    stats->packet_in_count = meter->packets;
    stats->byte_in_count = meter->bytes;
    stats->n_bands = MIN(n_bands, meter->n_bands);
    for (size_t i = 0; i < stats->n_bands; i++) {
        stats->bands[i].packet_count = meter->bands[i].packets;
        stats->bands[i].byte_count = meter->bands[i].bytes;
    }
    ovs_mutex_unlock(&meter->mutex);
}

int
meter_get(struct meter_table *table, uint32_t id,
          struct ofputil_meter_stats *stats, uint16_t n_bands)
{
    struct meter *meter = meter_find(table, id);

    if (!meter) {
        return id >= METER_MAX_ID ? EFBIG : ENOENT;
    }
    if (stats) {
        meter_get_stats(meter, stats, n_bands);
    }
    return 0;
}

int
meter_del(struct meter_table *table, uint32_t id,
          struct ofputil_meter_stats *stats, uint16_t n_bands)
{
    int error;

    ovs_mutex_lock(&table->mutex);
    error = meter_get(table, id, stats, n_bands);
    if (!error) {
        struct meter *meter = meter_find(table, id);

        cmap_remove(&table->meters, &meter->node, meter_hash(id));
        ovsrcu_postpone(meter_free, meter);
    }
    ovs_mutex_unlock(&table->mutex);
    return error;
}

/* Applies a meter */

static uint64_t
tokens_for(const struct meter *meter, const struct dp_packet *packet)
{
    return (meter->counts_packets
            ? 1000
            : dp_packet_size(packet) * UINT64_C(8));
}

/* Fills the buckets up for the time since packets came last.  Threads read the
 * clock before they take the lock, so time may seem to go back. */
static void
meter_refill(struct meter *meter, long long int now)
    OVS_REQUIRES(meter->mutex)
{
    long long int elapsed = now / 1000 - meter->used / 1000;
    uint64_t ms = MIN(MAX(elapsed, 0), meter->fill_time);

    for (size_t i = 0; i < meter->n_bands; i++) {
        struct meter_band *band = &meter->bands[i];

        band->tokens = MIN(band->tokens + ms * band->rate, band->capacity);
    }
    meter->used = MAX(meter->used, now);
}

/* Counts the batch, and takes tokens for each packet from each band.  Stores
 * for each packet the exceeded band of the highest rate, or NO_BAND. */
static void
meter_charge(struct meter *meter, struct dp_packet_batch *batch,
             int exceeded[NETDEV_MAX_BURST])
    OVS_REQUIRES(meter->mutex)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        uint64_t want = tokens_for(meter, packet);
        uint32_t worst = 0;

        meter->packets++;
        meter->bytes += dp_packet_size(packet);
        exceeded[i] = NO_BAND;
        for (size_t j = 0; j < meter->n_bands; j++) {
            struct meter_band *band = &meter->bands[j];

            if (band->tokens >= want) {
                band->tokens -= want;
            } else if (exceeded[i] == NO_BAND || band->rate > worst) {
                exceeded[i] = j;
                worst = band->rate;
            }
        }
    }
}

static void
meter_drop(struct meter *meter, struct dp_packet_batch *batch,
           const int exceeded[NETDEV_MAX_BURST])
    OVS_REQUIRES(meter->mutex)
{
    size_t n = dp_packet_batch_size(batch);
    struct dp_packet *packet;
    size_t i;

    DP_PACKET_BATCH_REFILL_FOR_EACH (i, n, packet, batch) {
        if (exceeded[i] == NO_BAND) {
            dp_packet_batch_refill(batch, packet, i);
        } else {
            struct meter_band *band = &meter->bands[exceeded[i]];

            band->packets++;
            band->bytes += dp_packet_size(packet);
            dp_packet_delete(packet);
        }
    }
}

unsigned int
meter_run(struct meter_table *table, struct dp_packet_batch *batch,
          uint32_t id, long long int now)
{
    struct meter *meter = meter_find(table, id);
    size_t n = dp_packet_batch_size(batch);
    int exceeded[NETDEV_MAX_BURST];

    if (!meter) {
        return 0;
    }
    ovs_mutex_lock(&meter->mutex);
    meter_refill(meter, now);
    meter_charge(meter, batch, exceeded);
    meter_drop(meter, batch, exceeded);
    ovs_mutex_unlock(&meter->mutex);
    return n - dp_packet_batch_size(batch);
}
