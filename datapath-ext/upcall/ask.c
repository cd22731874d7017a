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

#include "upcall/upcall.h"

#include <errno.h>

#include "action/action.h"
#include "coverage.h"
#include "dp-packet.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/vlog.h"
#include "upcall/upcall-private.h"

VLOG_DEFINE_THIS_MODULE(accel_upcall_ask);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);
static struct vlog_rate_limit debug_rl = VLOG_RATE_LIMIT_INIT(600, 600);

/* Enters a stretch in which the callback may be called, if upcalls are
 * enabled.  May nest: a callback can execute packets that miss. */
static bool
ask_begin(struct upcall *u)
{
    bool enabled;

    ovs_mutex_lock(&u->mutex);
    enabled = u->enabled && u->cb;
    if (enabled) {
        u->n_running++;
        u->n_asked++;
    } else {
        u->n_lost++;
    }
    ovs_mutex_unlock(&u->mutex);
    return enabled;
}

static void
ask_end(struct upcall *u)
{
    ovs_mutex_lock(&u->mutex);
    if (!--u->n_running) {
        xpthread_cond_broadcast(&u->idle);
    }
    ovs_mutex_unlock(&u->mutex);
}

/* In the words of dpif-netdev: people and tests look for these lines. */
static void
log_upcall(const struct upcall *u, enum dpif_upcall_type type,
           const struct dp_packet *packet, const struct flow *flow)
{
    struct odp_flow_key_parms parms = {
        .flow = flow,
        .support = megaflow_support,
    };
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct odputil_keybuf stub;
    struct ofpbuf key;
    char *text;

    if (VLOG_DROP_DBG(&debug_rl)) {
        return;
    }
    ofpbuf_use_stack(&key, &stub, sizeof stub);
    odp_flow_key_from_flow(&parms, &key);
    odp_flow_key_format(key.data, key.size, &ds);
    text = ofp_dp_packet_to_string(packet);
    VLOG_DBG("%s: %s upcall:\n%s\n%s", u->dp_name,
             dpif_upcall_type_to_string(type), ds_cstr(&ds), text);
    free(text);
    ds_destroy(&ds);
}

/* Installs the megaflow that ofproto's callback described.  It has made its
 * ukey already, so the flow must go in: a flow whose actions cannot be
 * compiled drops, and the log says so. */
static void
install(struct upcall *u, const ovs_u128 *ufid, struct match *match,
        odp_port_t orig_in_port, const struct ofpbuf *actions)
{
    struct action_program *program;
    const char *why;
    int error;

    /* Netlink attributes cannot say "any VLAN or none", and what is dumped
     * must match what is installed: exact match on absence, as
     * dpif_flow_put() does. */
    if (!match->wc.masks.vlans[0].tci) {
        match->wc.masks.vlans[0].tci = htons(VLAN_VID_MASK | VLAN_CFI);
    }

    error = action_program_compile(actions->data, actions->size, &program,
                                   &why);
    if (error) {
        VLOG_ERR_RL(&rl, "%s: action %s is not supported by this datapath "
                    "(%s), the flow drops packets: remove it from the "
                    "OpenFlow rules", u->dp_name, why, ovs_strerror(error));
        error = action_program_compile(NULL, 0, &program, &why);
        ovs_assert(!error);
    }
    error = megaflow_table_put(u->flows, ufid, match, orig_in_port,
                               MEGAFLOW_CREATE, program, NULL, NULL);
    if (error) {
        /* EEXIST: another thread has resolved the same microflow. */
        action_program_free(program);
        if (error != EEXIST) {
            VLOG_WARN_RL(&rl, "%s: failed to install a flow (%s)", u->dp_name,
                         ovs_strerror(error));
        }
    }
}

static enum upcall_verdict
ask_ofproto(struct upcall *u, struct dp_packet *packet, struct match *match,
            struct ofpbuf *actions)
{
    struct ofpbuf put_actions;
    ovs_u128 ufid;
    int error;

    odp_flow_key_hash(&match->flow, sizeof match->flow, &ufid);
    ofpbuf_init(&put_actions, 0);
    log_upcall(u, DPIF_UC_MISS, packet, &match->flow);
    error = u->cb(packet, &match->flow, &ufid, NON_PMD_CORE_ID, DPIF_UC_MISS,
                  NULL, actions, &match->wc, &put_actions, u->cb_aux);
    if (!error) {
        install(u, &ufid, match, packet->md.orig_in_port,
                put_actions.size ? &put_actions : actions);
    }
    ofpbuf_uninit(&put_actions);
    return !error || error == ENOSPC ? UPCALL_RUN : UPCALL_DROP;
}

enum upcall_verdict
upcall_ask_miss(struct upcall *u, struct dp_packet *packet,
                const struct flow_key *key, struct ofpbuf *actions,
                enum port_drop *reason)
{
    enum upcall_verdict verdict;
    struct match match;

    if (megaflow_table_lookup(u->flows, key, NULL)) {
        return UPCALL_FOUND;
    }
    if (!ask_begin(u)) {
        *reason = PORT_DROP_UPCALL_OFF;
        return UPCALL_DROP;
    }
    memset(&match, 0, sizeof match);
    flow_key_expand(key, &match.flow);
    verdict = ask_ofproto(u, packet, &match, actions);
    ask_end(u);
    *reason = PORT_DROP_UPCALL_ERROR;
    return verdict;
}

enum upcall_verdict
upcall_ask_action(struct upcall *u, struct dp_packet *packet,
                  const struct nlattr *userdata, struct ofpbuf *actions,
                  enum port_drop *reason)
{
    struct flow flow;
    ovs_u128 ufid;
    int error;

    if (!ask_begin(u)) {
        *reason = PORT_DROP_UPCALL_OFF;
        return UPCALL_DROP;
    }
    flow_extract(packet, &flow);
    odp_flow_key_hash(&flow, sizeof flow, &ufid);
    log_upcall(u, DPIF_UC_ACTION, packet, &flow);
    error = u->cb(packet, &flow, &ufid, NON_PMD_CORE_ID, DPIF_UC_ACTION,
                  userdata, actions, NULL, NULL, u->cb_aux);
    ask_end(u);
    *reason = PORT_DROP_USERSPACE;

    /* EAGAIN: ofproto has taken what it wanted of the packet, for a controller
     * or a collector, and has no actions for it. */
    return (!error || error == ENOSPC || error == EAGAIN
            ? UPCALL_RUN : UPCALL_DROP);
}
