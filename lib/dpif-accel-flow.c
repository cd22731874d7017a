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

#include "dpif-accel.h"

#include <errno.h>

#include "action/action.h"
#include "dp.h"
#include "dp-packet.h"
#include "dpdk.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"

VLOG_DEFINE_THIS_MODULE(dpif_accel_flow);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

/* Flows that one call of dpif_flow_dump_next() may return. */
#define DUMP_BATCH 50

/* From Netlink attributes */

/* In the words of dpif-netdev: people and tests look for these lines. */
static void
log_unparsable(const char *what, const struct nlattr *key, size_t key_len,
               const struct nlattr *mask, size_t mask_len,
               enum odp_key_fitness fitness)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    if (!VLOG_DROP_ERR(&rl)) {
        odp_flow_format(key, key_len, mask, mask_len, NULL, &ds, true);
        VLOG_ERR("internal error parsing flow %s %s (%s)", what,
                 ds_cstr(&ds), odp_key_fitness_to_string(fitness));
    }
    ds_destroy(&ds);
}

/* Parses a key into 'flow'. */
static int
flow_from_key(const struct nlattr *key, size_t key_len, bool probe,
              struct flow *flow)
{
    enum odp_key_fitness fitness;

    fitness = odp_flow_key_to_flow(key, key_len, flow, NULL);
    if (fitness) {
        if (!probe) {
            log_unparsable("key", key, key_len, NULL, 0, fitness);
        }
        return EINVAL;
    }
    return flow->ct_state & CS_UNSUPPORTED_MASK ? EINVAL : 0;
}

static int
match_from_put(const struct dpif_flow_put *put, struct match *match)
{
    bool probe = put->flags & DPIF_FP_PROBE;
    enum odp_key_fitness fitness;
    int error;

    memset(match, 0, sizeof *match);
    error = flow_from_key(put->key, put->key_len, probe, &match->flow);
    if (error) {
        return error;
    }
    fitness = odp_flow_key_to_mask(put->mask, put->mask_len, &match->wc,
                                   &match->flow, NULL);
    if (fitness) {
        if (!probe) {
            log_unparsable("mask", put->key, put->key_len, put->mask,
                           put->mask_len, fitness);
        }
        return EINVAL;
    }
    if (match->wc.masks.in_port.odp_port != ODPP_NONE) {
        VLOG_ERR_RL(&rl, "failed to put%s flow: in_port is not an exact match",
                    put->flags & DPIF_FP_CREATE ? "[create]" : "[modify]");
        return EINVAL;
    }

    /* See install() in datapath-ext/upcall/ask.c. */
    if (!match->wc.masks.vlans[0].tci) {
        match->wc.masks.vlans[0].tci = htons(VLAN_VID_MASK | VLAN_CFI);
    }
    return 0;
}

static ovs_u128
ufid_of(const ovs_u128 *given, const struct flow *flow)
{
    ovs_u128 ufid;

    if (given) {
        return *given;
    }
    odp_flow_key_hash(flow, sizeof *flow, &ufid);
    return ufid;
}

static void
put_stats(const struct megaflow_stats *from, struct dpif_flow_stats *to)
{
    if (to) {
        to->n_packets = from->packets;
        to->n_bytes = from->bytes;
        to->used = from->used;
        to->tcp_flags = from->tcp_flags;
    }
}

/* What the device that has taken 'mf', if any, has counted and how far it has
 * taken it. */
static void
get_device_status(const struct dp *dp, const struct megaflow *mf,
                  struct dpif_flow_stats *stats, struct dpif_flow_attrs *attrs)
{
    if (!offload_get_status(dp->offload, mf, stats, attrs)) {
        memset(stats, 0, sizeof *stats);
        memset(attrs, 0, sizeof *attrs);
        attrs->dp_layer = "ovs";
    }
}

static void
add_stats(const struct dpif_flow_stats *from, struct dpif_flow_stats *to)
{
    if (to) {
        to->n_packets += from->n_packets;
        to->n_bytes += from->n_bytes;
        to->used = MAX(to->used, from->used);
        to->tcp_flags |= from->tcp_flags;
    }
}

/* To Netlink attributes */

static void
to_dpif_flow(const struct dp *dp, const struct megaflow *mf,
             struct ofpbuf *key, struct ofpbuf *mask, struct dpif_flow *flow,
             bool terse)
{
    struct dpif_flow_stats of_device;
    struct megaflow_stats stats;

    memset(flow, 0, sizeof *flow);
    if (!terse) {
        const struct action_program *program = megaflow_program(mf);
        struct odp_flow_key_parms parms = {
            .flow = &mf->flow,
            .mask = &mf->mask.masks,
            .support = megaflow_support,
        };

        flow->key = ofpbuf_tail(key);
        odp_flow_key_from_flow(&parms, key);
        flow->key_len = (char *) ofpbuf_tail(key) - (char *) flow->key;

        flow->mask = ofpbuf_tail(mask);
        parms.key_buf = key;
        odp_flow_key_from_mask(&parms, mask);
        flow->mask_len = (char *) ofpbuf_tail(mask) - (char *) flow->mask;

        flow->actions = program->actions;
        flow->actions_len = program->actions_len;
    }
    flow->ufid = mf->ufid;
    flow->ufid_present = true;
    flow->pmd_id = NON_PMD_CORE_ID;
    get_device_status(dp, mf, &of_device, &flow->attrs);
    megaflow_get_stats(mf, &stats);
    put_stats(&stats, &flow->stats);
    add_stats(&of_device, &flow->stats);
}

/* Operations */

static int
flow_put(struct dp *dp, const struct dpif_flow_put *put)
{
    bool probe = put->flags & DPIF_FP_PROBE;
    struct action_program *program;
    struct megaflow_stats stats;
    struct match match;
    const char *why;
    ovs_u128 ufid;
    int error;
    int flags = ((put->flags & DPIF_FP_CREATE ? MEGAFLOW_CREATE : 0)
                 | (put->flags & DPIF_FP_MODIFY ? MEGAFLOW_MODIFY : 0)
                 | (put->flags & DPIF_FP_ZERO_STATS
                    ? MEGAFLOW_ZERO_STATS : 0));

    /* EINVAL tells a feature probe "no" without a warning in the log. */
    error = match_from_put(put, &match);
    if (error) {
        return probe ? EINVAL : error;
    }
    error = action_program_compile(put->actions, put->actions_len, &program,
                                   &why);
    if (error) {
        if (!probe) {
            VLOG_ERR_RL(&rl, "%s: action %s is not supported by datapath type "
                        "\"accel\" (%s)", dp->name, why, ovs_strerror(error));
        }
        return probe ? EINVAL : error;
    }
    ufid = ufid_of(put->ufid, &match.flow);
    error = megaflow_table_put(dp->flows, &ufid, &match, ODPP_NONE, flags,
                               program, &stats, NULL);
    if (error) {
        action_program_free(program);
    } else {
        put_stats(&stats, put->stats);
    }
    return error;
}

static int
flow_del(struct dp *dp, const struct dpif_flow_del *del)
{
    struct dpif_flow_stats of_device;
    struct dpif_flow_attrs attrs;
    const struct megaflow *mf;
    struct megaflow_stats stats;
    struct flow flow;
    ovs_u128 ufid;
    int error;

    if (!del->ufid) {
        error = flow_from_key(del->key, del->key_len, false, &flow);
        if (error) {
            return error;
        }
    }
    ufid = ufid_of(del->ufid, &flow);
    mf = megaflow_table_find(dp->flows, &ufid);
    if (!mf) {
        return ENOENT;
    }
    /* Afterwards the device may have forgotten it. */
    get_device_status(dp, mf, &of_device, &attrs);
    error = megaflow_table_del(dp->flows, &ufid, &stats);
    if (!error) {
        put_stats(&stats, del->stats);
        add_stats(&of_device, del->stats);
    }
    return error;
}

static int
flow_get(struct dp *dp, const struct dpif_flow_get *get)
{
    const struct megaflow *mf;
    struct flow flow;
    ovs_u128 ufid;
    int error;

    if (!get->ufid) {
        error = flow_from_key(get->key, get->key_len, false, &flow);
        if (error) {
            return error;
        }
    }
    ufid = ufid_of(get->ufid, &flow);
    mf = megaflow_table_find(dp->flows, &ufid);
    if (!mf) {
        return ENOENT;
    }
    to_dpif_flow(dp, mf, get->buffer, get->buffer, get->flow, false);
    return 0;
}

static int
execute(struct dp *dp, const struct dpif_execute *execute)
{
    size_t size = dp_packet_size(execute->packet);
    struct action_program *program;
    const char *why;
    int error;

    if (size < ETH_HEADER_LEN || size > UINT16_MAX) {
        return EINVAL;
    }
    error = action_program_compile(execute->actions, execute->actions_len,
                                   &program, &why);
    if (error) {
        if (!execute->probe) {
            VLOG_ERR_RL(&rl, "%s: action %s of a packet is not supported by "
                        "datapath type \"accel\" (%s)", dp->name, why,
                        ovs_strerror(error));
        }
        return error;
    }
    if (!execute->probe) {
        /* Actions may select by hash, which a packet from ofproto lacks. */
        if (!dp_packet_rss_valid(execute->packet)) {
            dp_packet_set_rss_hash(execute->packet,
                                   flow_hash_5tuple(execute->flow, 0));
        }
        pmd_execute(dp->shared, execute->packet, execute->flow,
                    program->actions, program->actions_len);
    }
    action_program_free(program);
    return 0;
}

void
dpif_accel_operate(struct dpif *dpif, struct dpif_op **ops, size_t n_ops,
                   enum dpif_offload_type offload_type OVS_UNUSED)
{
    struct dp *dp = dpif_accel_dp(dpif);

    for (size_t i = 0; i < n_ops; i++) {
        struct dpif_op *op = ops[i];

        switch (op->type) {
        case DPIF_OP_FLOW_PUT:
            op->error = flow_put(dp, &op->flow_put);
            break;
        case DPIF_OP_FLOW_DEL:
            op->error = flow_del(dp, &op->flow_del);
            break;
        case DPIF_OP_FLOW_GET:
            op->error = flow_get(dp, &op->flow_get);
            break;
        case DPIF_OP_EXECUTE:
            op->error = execute(dp, &op->execute);
            break;
        }
    }
}

int
dpif_accel_flow_flush(struct dpif *dpif)
{
    megaflow_table_flush(dpif_accel_dp(dpif)->flows);
    return 0;
}

/* Dumps */

struct flow_dump {
    struct dpif_flow_dump up;
    struct ovs_mutex mutex;
    struct cmap_position pos OVS_GUARDED;
    bool done OVS_GUARDED;
};

struct flow_dump_thread {
    struct dpif_flow_dump_thread up;
    struct flow_dump *dump;
    struct odputil_keybuf keys[DUMP_BATCH];
    struct odputil_keybuf masks[DUMP_BATCH];
};

struct dpif_flow_dump *
dpif_accel_flow_dump_create(const struct dpif *dpif, bool terse,
                            struct dpif_flow_dump_types *types OVS_UNUSED)
{
    struct flow_dump *dump = xzalloc(sizeof *dump);

    dpif_flow_dump_init(&dump->up, dpif);
    dump->up.terse = terse;
    ovs_mutex_init(&dump->mutex);
    return &dump->up;
}

int
dpif_accel_flow_dump_destroy(struct dpif_flow_dump *dump_)
{
    struct flow_dump *dump = CONTAINER_OF(dump_, struct flow_dump, up);

    ovs_mutex_destroy(&dump->mutex);
    free(dump);
    return 0;
}

struct dpif_flow_dump_thread *
dpif_accel_flow_dump_thread_create(struct dpif_flow_dump *dump)
{
    struct flow_dump_thread *thread = xmalloc(sizeof *thread);

    dpif_flow_dump_thread_init(&thread->up, dump);
    thread->dump = CONTAINER_OF(dump, struct flow_dump, up);
    return &thread->up;
}

void
dpif_accel_flow_dump_thread_destroy(struct dpif_flow_dump_thread *thread_)
{
    free(CONTAINER_OF(thread_, struct flow_dump_thread, up));
}

int
dpif_accel_flow_dump_next(struct dpif_flow_dump_thread *thread_,
                          struct dpif_flow *flows, int max_flows)
{
    struct flow_dump_thread *thread
        = CONTAINER_OF(thread_, struct flow_dump_thread, up);
    const struct megaflow *found[DUMP_BATCH];
    struct flow_dump *dump = thread->dump;
    struct dp *dp = dpif_accel_dp(dump->up.dpif);
    int limit = MIN(max_flows, DUMP_BATCH);
    int n = 0;

    ovs_mutex_lock(&dump->mutex);
    while (n < limit && !dump->done) {
        found[n] = megaflow_table_next(dp->flows, &dump->pos);
        if (found[n]) {
            n++;
        } else {
            dump->done = true;
        }
    }
    ovs_mutex_unlock(&dump->mutex);

    for (int i = 0; i < n; i++) {
        struct ofpbuf key, mask;

        ofpbuf_use_stack(&key, &thread->keys[i], sizeof thread->keys[i]);
        ofpbuf_use_stack(&mask, &thread->masks[i], sizeof thread->masks[i]);
        to_dpif_flow(dp, found[i], &key, &mask, &flows[i], dump->up.terse);
    }
    return n;
}
