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

/* Connection tracking and reassembly as ovs-appctl dpctl and ofproto see them.
 * A datapath has one tracker, of OVS's conntrack library, which reassembles
 * with OVS's ipf library. */

#include "dpif-accel.h"

#include <errno.h>

#include "conntrack.h"
#include "conntrack-tp.h"
#include "ct-dpif.h"
#include "dp.h"
#include "ipf.h"
#include "openvswitch/list.h"
#include "util.h"

static struct conntrack *
tracker(const struct dpif *dpif)
{
    return dpif_accel_dp(dpif)->conntrack;
}

static struct ipf *
reassembly(const struct dpif *dpif)
{
    return conntrack_ipf_ctx(tracker(dpif));
}

/* Connections */

struct ct_dump {
    struct ct_dpif_dump_state up;
    struct conntrack_dump dump;
};

int
dpif_accel_ct_dump_start(struct dpif *dpif, struct ct_dpif_dump_state **state,
                         const uint16_t *zone, int *n_buckets)
{
    struct ct_dump *dump = xzalloc(sizeof *dump);

    *state = &dump->up;
    return conntrack_dump_start(tracker(dpif), &dump->dump, zone, n_buckets);
}

int
dpif_accel_ct_dump_next(struct dpif *dpif OVS_UNUSED,
                        struct ct_dpif_dump_state *state,
                        struct ct_dpif_entry *entry)
{
    return conntrack_dump_next(&CONTAINER_OF(state, struct ct_dump, up)->dump,
                               entry);
}

int
dpif_accel_ct_dump_done(struct dpif *dpif OVS_UNUSED,
                        struct ct_dpif_dump_state *state)
{
    struct ct_dump *dump = CONTAINER_OF(state, struct ct_dump, up);
    int error = conntrack_dump_done(&dump->dump);

    free(dump);
    return error;
}

int
dpif_accel_ct_flush(struct dpif *dpif, const uint16_t *zone,
                    const struct ct_dpif_tuple *tuple)
{
    return (tuple
            ? conntrack_flush_tuple(tracker(dpif), tuple, zone ? *zone : 0)
            : conntrack_flush(tracker(dpif), zone));
}

int
dpif_accel_ct_set_maxconns(struct dpif *dpif, uint32_t maxconns)
{
    return conntrack_set_maxconns(tracker(dpif), maxconns);
}

int
dpif_accel_ct_get_maxconns(struct dpif *dpif, uint32_t *maxconns)
{
    return conntrack_get_maxconns(tracker(dpif), maxconns);
}

int
dpif_accel_ct_get_nconns(struct dpif *dpif, uint32_t *nconns)
{
    return conntrack_get_nconns(tracker(dpif), nconns);
}

int
dpif_accel_ct_set_tcp_seq_chk(struct dpif *dpif, bool enabled)
{
    return conntrack_set_tcp_seq_chk(tracker(dpif), enabled);
}

int
dpif_accel_ct_get_tcp_seq_chk(struct dpif *dpif, bool *enabled)
{
    *enabled = conntrack_get_tcp_seq_chk(tracker(dpif));
    return 0;
}

int
dpif_accel_ct_get_features(struct dpif *dpif OVS_UNUSED,
                           enum ct_features *features)
{
    if (features) {
        *features = CONNTRACK_F_ZERO_SNAT;
    }
    return 0;
}

/* Limits of zones */

int
dpif_accel_ct_set_limits(struct dpif *dpif, const uint32_t *default_limit,
                         const struct ovs_list *limits)
{
    struct ct_dpif_zone_limit *zl;
    int error = 0;

    if (default_limit) {
        error = zone_limit_update(tracker(dpif), DEFAULT_ZONE, *default_limit);
    }
    LIST_FOR_EACH (zl, node, limits) {
        if (error) {
            break;
        }
        error = zone_limit_update(tracker(dpif), zl->zone, zl->limit);
    }
    return error;
}

/* Appends the limit of 'zone' to 'reply', if 'zone' has one of its own, or
 * 'or_default' and there is a default one.  Returns whether it did. */
static bool
push_limit(struct conntrack *ct, int zone, bool or_default,
           struct ovs_list *reply)
{
    struct conntrack_zone_limit czl = zone_limit_get(ct, zone);

    if (czl.zone != zone && !(or_default && czl.zone == DEFAULT_ZONE)) {
        return false;
    }
    ct_dpif_push_zone_limit(reply, zone, czl.limit,
                            atomic_count_get(&czl.count));
    return true;
}

int
dpif_accel_ct_get_limits(struct dpif *dpif, uint32_t *default_limit,
                         const struct ovs_list *request,
                         struct ovs_list *reply)
{
    struct conntrack *ct = tracker(dpif);
    struct conntrack_zone_limit czl = zone_limit_get(ct, DEFAULT_ZONE);
    struct ct_dpif_zone_limit *zl;

    if (czl.zone != DEFAULT_ZONE) {
        return EINVAL;
    }
    *default_limit = czl.limit;
    LIST_FOR_EACH (zl, node, request) {
        if (!push_limit(ct, zl->zone, true, reply)) {
            return EINVAL;
        }
    }
    if (ovs_list_is_empty(request)) {
        for (int zone = MIN_ZONE; zone <= MAX_ZONE; zone++) {
            push_limit(ct, zone, false, reply);
        }
    }
    return 0;
}

int
dpif_accel_ct_del_limits(struct dpif *dpif, const struct ovs_list *limits)
{
    struct ct_dpif_zone_limit *zl;
    int error = 0;

    LIST_FOR_EACH (zl, node, limits) {
        error = zone_limit_delete(tracker(dpif), zl->zone);
        if (error) {
            break;
        }
    }
    return error;
}

/* Timeout policies */

int
dpif_accel_ct_set_timeout_policy(struct dpif *dpif,
                                 const struct ct_dpif_timeout_policy *policy)
{
    struct timeout_policy tp = { .policy = *policy };

    return timeout_policy_update(tracker(dpif), &tp);
}

int
dpif_accel_ct_get_timeout_policy(struct dpif *dpif, uint32_t id,
                                 struct ct_dpif_timeout_policy *policy)
{
    const struct timeout_policy *tp = timeout_policy_get(tracker(dpif), id);

    if (!tp) {
        return ENOENT;
    }
    *policy = tp->policy;
    return 0;
}

int
dpif_accel_ct_del_timeout_policy(struct dpif *dpif, uint32_t id)
{
    return timeout_policy_delete(tracker(dpif), id);
}

/* One policy serves all protocols, under its number. */
int
dpif_accel_ct_get_timeout_policy_name(struct dpif *dpif OVS_UNUSED,
                                      uint32_t id,
                                      uint16_t dl_type OVS_UNUSED,
                                      uint8_t nw_proto OVS_UNUSED,
                                      char **name, bool *is_generic)
{
    *name = xasprintf("%"PRIu32, id);
    *is_generic = true;
    return 0;
}

/* Reassembly */

int
dpif_accel_ipf_set_enabled(struct dpif *dpif, bool v6, bool enable)
{
    return ipf_set_enabled(reassembly(dpif), v6, enable);
}

int
dpif_accel_ipf_set_min_frag(struct dpif *dpif, bool v6, uint32_t min_frag)
{
    return ipf_set_min_frag(reassembly(dpif), v6, min_frag);
}

int
dpif_accel_ipf_set_max_nfrags(struct dpif *dpif, uint32_t max_nfrags)
{
    return ipf_set_max_nfrags(reassembly(dpif), max_nfrags);
}

static void
put_ipf_status(const struct ipf_proto_status *from,
               struct dpif_ipf_proto_status *to)
{
    to->nfrag_accepted = from->nfrag_accepted;
    to->nfrag_completed_sent = from->nfrag_completed_sent;
    to->nfrag_expired_sent = from->nfrag_expired_sent;
    to->nfrag_too_small = from->nfrag_too_small;
    to->nfrag_overlap = from->nfrag_overlap;
    to->nfrag_purged = from->nfrag_purged;
    to->min_frag_size = from->min_frag_size;
    to->enabled = from->enabled;
}

int
dpif_accel_ipf_get_status(struct dpif *dpif, struct dpif_ipf_status *status)
{
    struct ipf_status ours;

    ipf_get_status(reassembly(dpif), &ours);
    put_ipf_status(&ours.v4, &status->v4);
    put_ipf_status(&ours.v6, &status->v6);
    status->nfrag = ours.nfrag;
    status->nfrag_max = ours.nfrag_max;
    return 0;
}

int
dpif_accel_ipf_dump_start(struct dpif *dpif OVS_UNUSED,
                          struct ipf_dump_ctx **ctx)
{
    return ipf_dump_start(ctx);
}

int
dpif_accel_ipf_dump_next(struct dpif *dpif, void *ctx, char **dump)
{
    return ipf_dump_next(reassembly(dpif), ctx, dump);
}

int
dpif_accel_ipf_dump_done(struct dpif *dpif OVS_UNUSED, void *ctx)
{
    return ipf_dump_done(ctx);
}
