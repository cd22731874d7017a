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

/* What odp_execute_actions() leaves to the datapath
 * ==================================================
 *
 * Actions that need more than the packet: ports, the connection tracker,
 * meters, bonds, ofproto.  execute_cb() gets batches of packets of one
 * megaflow, or copies of them. */

#include "action/action.h"
#include "bond/bond.h"
#include "conntrack.h"
#include "ct-dpif.h"
#include "meter/meter.h"
#include "netlink.h"
#include "odp-execute.h"
#include "openvswitch/vlog.h"
#include "pmd/side-road.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(accel_side_action);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

#define MAX_RECIRC_DEPTH 6      /* As dpif-netdev has it. */

/* One run of actions. */
struct side_run {
    struct pmd *pmd;
    const struct flow *flow;    /* Of the packet as the actions found it. */
};

/* Returns the packets of 'batch', or copies of them, made in 'copies', if they
 * are not ours to take, with truncation applied. */
static struct dp_packet_batch *
own_batch(struct dp_packet_batch *batch, bool should_steal,
          struct dp_packet_batch *copies)
{
    struct dp_packet_batch *own = batch;

    if (!should_steal) {
        struct dp_packet *packet;

        own = copies;
        dp_packet_batch_clone(own, batch);
        DP_PACKET_BATCH_FOR_EACH (i, packet, own) {
            dp_packet_prealloc_tailroom(packet, VHOST_TAILROOM);
        }
        dp_packet_batch_reset_cutlen(batch);
    }
    dp_packet_batch_apply_cutlen(own);
    return own;
}

static void
output(struct pmd *pmd, struct dp_packet_batch *own, odp_port_t port_no)
{
    struct port *port = port_table_find_output(pmd->env->ports, port_no);

    if (port) {
        pmd->fates->tried |= side_bits(own);
        side_output_batch(pmd, own, port);
    } else {
        side_drop_batch(pmd, own, PORT_DROP_NO_PORT);
    }
}

static void
execute_lb_output(struct pmd *pmd, struct dp_packet_batch *own,
                  uint32_t bond_id)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, own) {
        odp_port_t member;

        if (bond_choose(pmd->env->bonds, bond_id,
                        dp_packet_get_rss_hash(packet),
                        dp_packet_size(packet), &member)) {
            struct dp_packet_batch single;

            dp_packet_batch_init_packet(&single, packet);
            output(pmd, &single, member);
        } else {
            side_drop(pmd, packet, PORT_DROP_NO_BOND);
        }
    }
}

static bool
may_recirculate(struct pmd *pmd, struct dp_packet_batch *own)
{
    if (pmd->depth < MAX_RECIRC_DEPTH) {
        return true;
    }
    VLOG_WARN_RL(&rl, "Packet dropped. Max recirculation depth exceeded.");
    side_drop_batch(pmd, own, PORT_DROP_RECIRC);
    return false;
}

static void
recirculate(struct pmd *pmd, struct dp_packet_batch *own)
{
    pmd_count(pmd, PMD_RECIRC, dp_packet_batch_size(own));
    pmd->depth++;
    side_road_again(pmd, own);
    pmd->depth--;
}

static void
execute_recirc(struct pmd *pmd, struct dp_packet_batch *own,
               uint32_t recirc_id)
{
    struct dp_packet *packet;

    if (may_recirculate(pmd, own)) {
        DP_PACKET_BATCH_FOR_EACH (i, packet, own) {
            packet->md.recirc_id = recirc_id;
        }
        recirculate(pmd, own);
    }
}

/* Returns the netdev of tunnel port 'port_no', or NULL. */
static struct netdev *
find_tunnel(const struct pmd *pmd, odp_port_t port_no)
{
    struct port *port = port_table_find(pmd->env->ports, port_no);

    return (port && netdev_has_tunnel_push_pop(port->netdev)
            ? port->netdev : NULL);
}

static void
execute_tnl_pop(struct pmd *pmd, struct dp_packet_batch *own,
                odp_port_t port_no)
{
    struct netdev *tunnel = find_tunnel(pmd, port_no);
    size_t n = dp_packet_batch_size(own);
    uint64_t bits = side_bits(own);
    struct dp_packet *packet;

    if (!may_recirculate(pmd, own)) {
        return;
    } else if (!tunnel) {
        side_drop_batch(pmd, own, PORT_DROP_NO_TUNNEL);
        return;
    }
    netdev_pop_header(tunnel, own);
    side_count_drops(pmd, own, n, bits, PORT_DROP_TUNNEL_POP);
    DP_PACKET_BATCH_FOR_EACH (i, packet, own) {
        packet->md.in_port.odp_port = port_no;
    }
    recirculate(pmd, own);
}

/* Encapsulates the packets where they are: outputs follow.  Without any the
 * work can be saved. */
static void
execute_tnl_push(struct pmd *pmd, struct dp_packet_batch *batch,
                 const struct ovs_action_push_tnl *push, bool should_steal)
{
    struct netdev *tunnel = find_tunnel(pmd, push->tnl_port);
    size_t n = dp_packet_batch_size(batch);
    uint64_t bits = side_bits(batch);

    if (should_steal) {
        dp_packet_delete_batch(batch, true);
        return;
    }
    dp_packet_batch_apply_cutlen(batch);
    if (tunnel) {
        netdev_push_header(tunnel, batch, push);
    } else {
        dp_packet_delete_batch(batch, true);
        dp_packet_batch_init(batch);
    }
    side_count_drops(pmd, batch, n, bits, PORT_DROP_TUNNEL_PUSH);
}

static uint32_t
timeout_policy(const struct action_ct *ct)
{
    uint32_t id = DEFAULT_TP_ID;

    if (ct->timeout && !str_to_uint(ct->timeout, 10, &id)) {
        VLOG_WARN_RL(&rl, "Invalid Timeout Policy ID: %s.", ct->timeout);
        return DEFAULT_TP_ID;
    }
    return id;
}

/* Sends the packets through the connection tracker.  It may keep fragments
 * (which come one by one, see side-road.c) and give those that became whole:
 * they count as the one that completed them.  It may also give fragments that
 * it despairs of, whatever the packets are. */
static void
execute_ct(const struct side_run *run, struct dp_packet_batch *batch,
           const struct nlattr *a)
{
    struct pmd *pmd = run->pmd;
    size_t n = dp_packet_batch_size(batch);
    unsigned int number = SIDE_NOBODY;
    struct action_ct ct;

    if (run->flow->nw_frag) {
        number = side_number(batch->packets[0]);
        n = 0;
    }
    if (action_ct_parse(a, &ct)) {
        return;
    }
    if (ct.has_nat && ct.nat.nat_action && !ct.commit) {
        VLOG_WARN_RL(&rl, "NAT specified without commit.");
    }
    conntrack_execute(pmd->env->conntrack, batch, run->flow->dl_type, ct.force,
                      ct.commit, ct.zone, ct.mark, ct.labels,
                      run->flow->tp_src, run->flow->tp_dst, ct.helper,
                      ct.has_nat ? &ct.nat : NULL, pmd->now,
                      timeout_policy(&ct));
    if (dp_packet_batch_is_empty(batch)) {
        pmd->fates->consumed |= UINT64_C(1) << number;
    }
    for (size_t i = n; i < dp_packet_batch_size(batch); i++) {
        side_set_number(batch->packets[i], number);
    }
}

static void
execute_userspace(struct pmd *pmd, struct dp_packet_batch *own,
                  const struct nlattr *a)
{
    const struct nlattr *userdata = nl_attr_find_nested(
        a, OVS_USERSPACE_ATTR_USERDATA);
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, own) {
        side_road_userspace(pmd, packet, userdata);
    }
}

static void
execute_meter(struct pmd *pmd, struct dp_packet_batch *batch, uint32_t id)
{
    size_t n = dp_packet_batch_size(batch);
    uint64_t bits = side_bits(batch);

    meter_run(pmd->env->meters, batch, id, time_usec());
    side_count_drops(pmd, batch, n, bits, PORT_DROP_METER);
}

/* Runs 'a', which is about the packets of 'batch' themselves. */
static void
execute_in_place(const struct side_run *run, struct dp_packet_batch *batch,
                 const struct nlattr *a, bool should_steal)
{
    struct pmd *pmd = run->pmd;

    switch (nl_attr_type(a)) {
    case OVS_ACTION_ATTR_TUNNEL_PUSH:
        execute_tnl_push(pmd, batch, nl_attr_get(a), should_steal);
        return;
    case OVS_ACTION_ATTR_CT:
        execute_ct(run, batch, a);
        break;
    case OVS_ACTION_ATTR_METER:
        execute_meter(pmd, batch, nl_attr_get_u32(a));
        break;
    }
    dp_packet_delete_batch(batch, should_steal);
}

static void
execute_cb(void *run_, struct dp_packet_batch *batch, const struct nlattr *a,
           bool should_steal)
{
    const struct side_run *run = run_;
    struct dp_packet_batch copies, *own;
    struct pmd *pmd = run->pmd;

    switch (nl_attr_type(a)) {
    case OVS_ACTION_ATTR_OUTPUT:
        own = own_batch(batch, should_steal, &copies);
        output(pmd, own, nl_attr_get_odp_port(a));
        break;
    case OVS_ACTION_ATTR_LB_OUTPUT:
        own = own_batch(batch, should_steal, &copies);
        execute_lb_output(pmd, own, nl_attr_get_u32(a));
        break;
    case OVS_ACTION_ATTR_USERSPACE:
        own = own_batch(batch, should_steal, &copies);
        execute_userspace(pmd, own, a);
        break;
    case OVS_ACTION_ATTR_RECIRC:
        own = own_batch(batch, should_steal, &copies);
        execute_recirc(pmd, own, nl_attr_get_u32(a));
        break;
    case OVS_ACTION_ATTR_TUNNEL_POP:
        own = own_batch(batch, should_steal, &copies);
        execute_tnl_pop(pmd, own, nl_attr_get_odp_port(a));
        break;
    default:
        execute_in_place(run, batch, a, should_steal);
        break;
    }
}

void
side_action_run(struct pmd *pmd, struct dp_packet_batch *batch, bool steal,
                const struct flow *flow, const struct nlattr *actions,
                size_t actions_len)
{
    struct side_run run = { .pmd = pmd, .flow = flow };

    odp_execute_actions(&run, batch, steal, actions, actions_len, execute_cb);
}
