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

/* Meters and bonds of datapath type "accel". */

#include "dpif-accel.h"

#include "dp.h"

void
dpif_accel_meter_get_features(const struct dpif *dpif OVS_UNUSED,
                              struct ofputil_meter_features *features)
{
    meter_get_features(features);
}

int
dpif_accel_meter_set(struct dpif *dpif, ofproto_meter_id id,
                     struct ofputil_meter_config *config)
{
    return meter_set(dpif_accel_dp(dpif)->meters, id.uint32, config);
}

int
dpif_accel_meter_get(const struct dpif *dpif, ofproto_meter_id id,
                     struct ofputil_meter_stats *stats, uint16_t n_bands)
{
    return meter_get(dpif_accel_dp(dpif)->meters, id.uint32, stats, n_bands);
}

int
dpif_accel_meter_del(struct dpif *dpif, ofproto_meter_id id,
                     struct ofputil_meter_stats *stats, uint16_t n_bands)
{
    return meter_del(dpif_accel_dp(dpif)->meters, id.uint32, stats, n_bands);
}

int
dpif_accel_bond_add(struct dpif *dpif, uint32_t id, odp_port_t *members)
{
    bond_add(dpif_accel_dp(dpif)->bonds, id, members);
    return 0;
}

int
dpif_accel_bond_del(struct dpif *dpif, uint32_t id)
{
    return bond_del(dpif_accel_dp(dpif)->bonds, id);
}

int
dpif_accel_bond_stats_get(struct dpif *dpif, uint32_t id, uint64_t *n_bytes)
{
    return bond_get_stats(dpif_accel_dp(dpif)->bonds, id, n_bytes);
}
