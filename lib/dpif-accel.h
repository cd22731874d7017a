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

extern const struct dpif_class dpif_accel_class;

/* A datapath under its name, shared by the dpifs that are open on it. */
struct dpif_accel_dp {
    struct dp *dp;
    const struct dpif_class *class;     /* dpif_accel_class or a copy. */
    struct ovs_refcount ref_cnt;
    bool destroyed;
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

/* dpif-accel-dummy.c */

/* The number that tests expect for a port that is called 'name': the number in
 * the name, plus 100 if it is a bridge's ("br*"), or ODPP_NONE if there is
 * none or it is taken. */
odp_port_t dpif_accel_dummy_port_no(const struct dp *, const char *name);

/* Gives a port of a dummy datapath another number.  Returns NULL, or what is
 * wrong with the arguments, for the caller to free. */
char *dpif_accel_dummy_renumber(const char *dp_name, const char *port_name,
                                odp_port_t new_no);

/* dpif-accel-unixctl.c */
void dpif_accel_unixctl_register(void);

#endif /* dpif-accel.h */
