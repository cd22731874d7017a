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

#ifndef ACCEL_METER_H
#define ACCEL_METER_H 1

/* meter: OpenFlow meters
 * ======================
 *
 * A meter limits the rate of the packets that megaflows send through it.  Each
 * of its bands is a token bucket; a packet that finds the bucket of some band
 * empty is dropped, and counted in the band of the highest rate among those.
 *
 * The features, the errors and the arithmetic are those of datapath type
 * "netdev" (lib/dpif-netdev.c), so that a controller sees the same meters.
 *
 * Any thread may call meter_run(), _set(), _get() and _del(): ofproto deletes
 * meters on the RCU thread.  Threads that share a meter take its lock in turn,
 * once per batch. */

#include <stdint.h>

struct dp_packet_batch;
struct meter_table;
struct ofputil_meter_config;
struct ofputil_meter_features;
struct ofputil_meter_stats;

struct meter_table *meter_table_create(void);

/* No thread may be in meter_run() any more. */
void meter_table_destroy(struct meter_table *);

void meter_get_features(struct ofputil_meter_features *);

/* Makes or replaces meter 'id', whose buckets are full.  A band of 'config'
 * without a burst size gets its rate as burst size, there too.  Returns 0,
 * EFBIG if 'id' is too high, EBADF for flags and ENODEV for bands of unknown
 * type, or EINVAL if there are too many bands. */
int meter_set(struct meter_table *, uint32_t id,
              struct ofputil_meter_config *);

/* Tells the counters of meter 'id' and of up to 'n_bands' bands, for which
 * the caller has room in 'stats' (which may be NULL).  Returns 0, EFBIG or
 * ENOENT. */
int meter_get(struct meter_table *, uint32_t id, struct ofputil_meter_stats *,
              uint16_t n_bands);

/* As meter_get(), and removes the meter. */
int meter_del(struct meter_table *, uint32_t id, struct ofputil_meter_stats *,
              uint16_t n_bands);

/* Deletes the packets of the batch that exceed meter 'id' and keeps the others
 * in order.  'now' is time_usec() as of when they were received.  Returns the
 * number of packets dropped: none if there is no such meter. */
unsigned int meter_run(struct meter_table *, struct dp_packet_batch *,
                       uint32_t id, long long int now);

#endif /* meter.h */
