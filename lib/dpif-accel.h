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

#ifndef DPIF_ACCEL_H
#define DPIF_ACCEL_H 1

/* dpif-accel: the datapath type "accel"
 * =====================================
 *
 * Translates the calls of OVS's struct dpif_class into those of the engine in
 * datapath-ext/ (dp.h), as lib/dpif-netlink.c does for the kernel's datapath.
 * No ring and no packet is touched here. */

#include "dpif-provider.h"
#include "ovs-atomic.h"

struct dp;
struct port;

extern const struct dpif_class dpif_accel_class;

/* A datapath under its name, shared by the dpifs that are open on it. */
struct dpif_accel_dp {
    struct dp *dp;
    const struct dpif_class *class;     /* dpif_accel_class or a copy. */
    struct ovs_refcount ref_cnt;
    bool destroyed;
    uint64_t last_tnl_seq;      /* Of tnl_conf_seq, when last run. */
};

struct dpif_accel {
    struct dpif dpif;
    struct dpif_accel_dp *adp;
    uint64_t last_port_seq;
};

/* True of dpif_accel_class and of its copies under other names: see
 * dpif-accel-dummy.c. */
int dpif_accel_open(const struct dpif_class *, const char *name, bool create,
                    struct dpif **);
static inline bool
dpif_is_accel(const struct dpif *dpif)
{
    return dpif->dpif_class->open == dpif_accel_open;
}

static inline struct dpif_accel *
dpif_accel_cast(const struct dpif *dpif)
{
    ovs_assert(dpif_is_accel(dpif));
    return CONTAINER_OF(dpif, struct dpif_accel, dpif);
}

static inline struct dp *
dpif_accel_dp(const struct dpif *dpif)
{
    return dpif_accel_cast(dpif)->adp->dp;
}

/* Calls 'cb' for each datapath, in order of names; for appctl commands. */
void dpif_accel_for_each(void (*cb)(struct dp *, void *aux), void *aux);

/* dpif-accel-flow.c */
int dpif_accel_flow_flush(struct dpif *);
struct dpif_flow_dump *dpif_accel_flow_dump_create(
    const struct dpif *, bool terse, struct dpif_flow_dump_types *);
int dpif_accel_flow_dump_destroy(struct dpif_flow_dump *);
struct dpif_flow_dump_thread *dpif_accel_flow_dump_thread_create(
    struct dpif_flow_dump *);
void dpif_accel_flow_dump_thread_destroy(struct dpif_flow_dump_thread *);
int dpif_accel_flow_dump_next(struct dpif_flow_dump_thread *,
                              struct dpif_flow *, int max_flows);
void dpif_accel_operate(struct dpif *, struct dpif_op **, size_t n_ops,
                        enum dpif_offload_type);

/* dpif-accel-config.c */
int dpif_accel_set_config(struct dpif *, const struct smap *other_config);
int dpif_accel_port_set_config(struct dpif *, odp_port_t,
                               const struct smap *other_config);

/* dpif-accel-dummy.c */

/* The number that tests expect for a port that is called 'name': the number in
 * the name, plus 100 if it is a bridge's ("br*"), or ODPP_NONE if there is
 * none or it is taken. */
odp_port_t dpif_accel_dummy_port_no(const struct dp *, const char *name);

/* Gives a port of a dummy datapath another number.  Returns NULL, or what is
 * wrong with the arguments, for the caller to free. */
char *dpif_accel_dummy_renumber(const char *dp_name, const char *port_name,
                                odp_port_t new_no);

/* dpif-accel-ct.c */
int dpif_accel_ct_dump_start(struct dpif *, struct ct_dpif_dump_state **,
                             const uint16_t *zone, int *n_buckets);
int dpif_accel_ct_dump_next(struct dpif *, struct ct_dpif_dump_state *,
                            struct ct_dpif_entry *);
int dpif_accel_ct_dump_done(struct dpif *, struct ct_dpif_dump_state *);
int dpif_accel_ct_flush(struct dpif *, const uint16_t *zone,
                        const struct ct_dpif_tuple *);
int dpif_accel_ct_set_maxconns(struct dpif *, uint32_t);
int dpif_accel_ct_get_maxconns(struct dpif *, uint32_t *);
int dpif_accel_ct_get_nconns(struct dpif *, uint32_t *);
int dpif_accel_ct_set_tcp_seq_chk(struct dpif *, bool);
int dpif_accel_ct_get_tcp_seq_chk(struct dpif *, bool *);
int dpif_accel_ct_get_features(struct dpif *, enum ct_features *);
int dpif_accel_ct_set_limits(struct dpif *, const uint32_t *default_limit,
                             const struct ovs_list *limits);
int dpif_accel_ct_get_limits(struct dpif *, uint32_t *default_limit,
                             const struct ovs_list *request,
                             struct ovs_list *reply);
int dpif_accel_ct_del_limits(struct dpif *, const struct ovs_list *limits);
int dpif_accel_ct_set_timeout_policy(struct dpif *,
                                     const struct ct_dpif_timeout_policy *);
int dpif_accel_ct_get_timeout_policy(struct dpif *, uint32_t id,
                                     struct ct_dpif_timeout_policy *);
int dpif_accel_ct_del_timeout_policy(struct dpif *, uint32_t id);
int dpif_accel_ct_get_timeout_policy_name(struct dpif *, uint32_t id,
                                          uint16_t dl_type, uint8_t nw_proto,
                                          char **name, bool *is_generic);
int dpif_accel_ipf_set_enabled(struct dpif *, bool v6, bool enable);
int dpif_accel_ipf_set_min_frag(struct dpif *, bool v6, uint32_t);
int dpif_accel_ipf_set_max_nfrags(struct dpif *, uint32_t);
int dpif_accel_ipf_get_status(struct dpif *, struct dpif_ipf_status *);
int dpif_accel_ipf_dump_start(struct dpif *, struct ipf_dump_ctx **);
int dpif_accel_ipf_dump_next(struct dpif *, void *ctx, char **dump);
int dpif_accel_ipf_dump_done(struct dpif *, void *ctx);

/* dpif-accel-meter.c */
void dpif_accel_meter_get_features(const struct dpif *,
                                   struct ofputil_meter_features *);
int dpif_accel_meter_set(struct dpif *, ofproto_meter_id,
                         struct ofputil_meter_config *);
int dpif_accel_meter_get(const struct dpif *, ofproto_meter_id,
                         struct ofputil_meter_stats *, uint16_t n_bands);
int dpif_accel_meter_del(struct dpif *, ofproto_meter_id,
                         struct ofputil_meter_stats *, uint16_t n_bands);
int dpif_accel_bond_add(struct dpif *, uint32_t id, odp_port_t *members);
int dpif_accel_bond_del(struct dpif *, uint32_t id);
int dpif_accel_bond_stats_get(struct dpif *, uint32_t id, uint64_t *n_bytes);

/* dpif-accel-unixctl.c */
void dpif_accel_unixctl_register(void);

/* Returns the ports of 'dp' in order of numbers; the caller frees the array
 * and is the control thread. */
const struct port **dpif_accel_ports(const struct dp *dp, size_t *n);

/* The receive queues of a guest's port that wait for the guest to kick. */
unsigned int dpif_accel_n_asleep(const struct port *);

/* dpif-accel-metrics.c */
void dpif_accel_metrics_register(void);

#endif /* dpif-accel.h */
