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

/* The side road: packets in dp_packets
 * ====================================
 *
 * Everything that the main road does not take: packets from ordinary netdevs,
 * flows with actions beyond header edits and outputs, misses, and packets that
 * ofproto sends.  side-action.c runs the actions, one packet at a time, so
 * that each packet's fate is known; what goes out is batched by port until
 * side_road_flush(). */

#include "action/action.h"
#include "netdev-offload.h"
#include "openvswitch/ofpbuf.h"
#include "pmd/pmd-private.h"
#include "timeval.h"

/* Fate */

static void
fate_begin(struct pmd *pmd, struct pmd_fate *fate, struct port *port)
{
    fate->port = port;
    fate->told = !port;
    fate->tried = fate->consumed = fate->in_flight = false;
    fate->reason = PORT_DROP_ACTION;
    pmd->fate = fate;
}

/* Books the packet for which fate_begin() was called.  'outer' is the packet
 * in whose processing that happened (upcalls can execute packets). */
static void
fate_end(struct pmd *pmd, const struct pmd_fate *fate, struct pmd_fate *outer)
{
    pmd->fate = outer;
    if (!fate->told && !fate->in_flight) {
        struct port_books *books = port_books(fate->port, pmd->slot);

        port_count(fate->tried ? &books->forwarded
                   : fate->consumed ? &books->consumed
                   : &books->dropped[fate->reason], 1);
    }
}

void
side_road_count_drops(struct pmd *pmd, enum port_drop reason, unsigned int n)
{
    if (n) {
        port_drop_count(reason, n);
        pmd->fate->reason = reason;
    }
}

void
side_road_drop(struct pmd *pmd, struct dp_packet *packet,
               enum port_drop reason)
{
    side_road_count_drops(pmd, reason, 1);
    dp_packet_delete(packet);
}

/* Output */

/* Sends 'batch', which it takes.  Returns how many packets were refused. */
static size_t
send_on_queue(struct pmd *pmd, struct port *port, unsigned int txq,
              struct dp_packet_batch *batch)
{
    size_t n = dp_packet_batch_size(batch);

    pmd_count(pmd, PMD_SENT_BATCHES, 1);
    return netdev_send(port->netdev, txq, batch,
                       port->shared_txqs || port->hashes_txqs) ? n : 0;
}

/* Sends each packet of 'batch', which it takes, on the queue that its hash
 * says.  Returns how many packets were refused. */
static size_t
send_by_hash(struct pmd *pmd, struct port *port, struct dp_packet_batch *batch)
{
    size_t n = dp_packet_batch_size(batch), n_refused = 0;
    unsigned int txqs[NETDEV_MAX_BURST];
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        txqs[i] = tx_steer_packet(port, packet);
    }
    for (unsigned int txq = 0; txq < port->n_txq; txq++) {
        struct dp_packet_batch part;

        dp_packet_batch_init(&part);
        for (size_t i = 0; i < n; i++) {
            if (txqs[i] == txq) {
                dp_packet_batch_add(&part, batch->packets[i]);
            }
        }
        if (!dp_packet_batch_is_empty(&part)) {
            n_refused += send_on_queue(pmd, port, txq, &part);
        }
    }
    return n_refused;
}

static void
send_output(struct pmd *pmd, struct side_output *output)
{
    struct port *port = output->port;
    struct port_books *books = port_books(port, pmd->slot);
    size_t n = dp_packet_batch_size(&output->batch);
    size_t n_refused;

    n_refused = (OVS_UNLIKELY(port->hashes_txqs)
                 ? send_by_hash(pmd, port, &output->batch)
                 : send_on_queue(pmd, port, pmd_txq(pmd, port),
                                 &output->batch));
    port_count(&books->tx_tried, n);
    port_count(&books->tx_dropped, n_refused);
    port_count(&books->tx_sent, n - n_refused);
    pmd_count(pmd, PMD_SENT, n);
    dp_packet_batch_init(&output->batch);
}

void
side_road_flush(struct pmd *pmd)
{
    for (unsigned int i = 0; i < pmd->n_side_outputs; i++) {
        struct side_output *output = &pmd->side_outputs[i];

        if (!dp_packet_batch_is_empty(&output->batch)) {
            send_output(pmd, output);
        }
    }
    pmd->n_side_outputs = 0;
}

static struct side_output *
find_output(struct pmd *pmd, struct port *port)
{
    struct side_output *output;

    for (unsigned int i = 0; i < pmd->n_side_outputs; i++) {
        if (pmd->side_outputs[i].port == port) {
            return &pmd->side_outputs[i];
        }
    }
    if (pmd->n_side_outputs == SIDE_OUTPUTS) {
        side_road_flush(pmd);
    }
    output = &pmd->side_outputs[pmd->n_side_outputs++];
    output->port = port;
    dp_packet_batch_init(&output->batch);
    return output;
}

void
side_road_output(struct pmd *pmd, struct dp_packet *packet, struct port *port)
{
    struct side_output *output = find_output(pmd, port);

    dp_packet_batch_add(&output->batch, packet);
    if (dp_packet_batch_is_full(&output->batch)) {
        send_output(pmd, output);
    }
}

/* Asking ofproto */

static void
run_actions(struct pmd *pmd, struct dp_packet *packet, const struct flow *flow,
            const struct nlattr *actions, size_t actions_len)
{
    struct dp_packet_batch batch;

    dp_packet_batch_init_packet(&batch, packet);
    side_action_run(pmd, &batch, true, flow, actions, actions_len);
}

/* Does what the answer to an upcall says with 'packet', which it takes. */
static void
run_answer(struct pmd *pmd, struct dp_packet *packet,
           enum upcall_verdict verdict, const struct ofpbuf *actions,
           enum port_drop reason)
{
    struct flow flow;

    switch (verdict) {
    case UPCALL_RUN:
        flow_extract(packet, &flow);
        run_actions(pmd, packet, &flow, actions->data, actions->size);
        break;
    case UPCALL_FOUND:
        side_road_again(pmd, packet);
        break;
    case UPCALL_DROP:
        side_road_drop(pmd, packet, reason);
        break;
    }
}

/* What the shared context was about. */
struct inline_asker {
    struct pmd_fate *fate;
    unsigned int depth;
};

/* Lets other threads, and packets that ofproto's callback executes, use the
 * shared context while ofproto is asked.  The callback takes locks that other
 * threads hold while they execute packets, such as that of STP, so
 * 'pmd->mutex' must not be held. */
static void
inline_ask_begin(struct pmd *pmd, struct inline_asker *asker)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    asker->fate = pmd->fate;
    asker->depth = pmd->depth;
    side_road_flush(pmd);
    pmd->fate = NULL;
    pmd->depth = 0;
    ovs_mutex_unlock(&pmd->mutex);
}

static void
inline_ask_end(struct pmd *pmd, const struct inline_asker *asker)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    ovs_mutex_lock(&pmd->mutex);
    pmd->fate = asker->fate;
    pmd->depth = asker->depth;
}

/* What is to be known again of the packet that is being processed when it
 * comes back from the upcall threads. */
static struct upcall_origin
origin(const struct pmd *pmd, bool open)
{
    return (struct upcall_origin) {
        .port = pmd->fate->port,
        .open = open,
        .depth = pmd->depth,
    };
}

void
side_road_userspace(struct pmd *pmd, struct dp_packet *packet,
                    const struct nlattr *userdata)
{
    struct upcall_origin from = origin(pmd, false);
    enum port_drop reason;

    if (!pmd->client) {
        enum upcall_verdict verdict;
        struct inline_asker asker;
        struct ofpbuf actions;

        ofpbuf_init(&actions, 0);
        inline_ask_begin(pmd, &asker);
        verdict = upcall_ask_action(pmd->env->upcall, packet, userdata,
                                    &actions, &reason);
        inline_ask_end(pmd, &asker);
        pmd->fate->consumed |= verdict == UPCALL_RUN;
        run_answer(pmd, packet, verdict, &actions, reason);
        ofpbuf_uninit(&actions);
    } else if (upcall_client_action(pmd->client, packet, userdata, &from,
                                    &reason)) {
        pmd->fate->consumed = true;
    } else {
        side_road_drop(pmd, packet, reason);
    }
}

/* Lookup */

static void
count_verdict(struct pmd *pmd, enum upcall_verdict verdict)
{
    if (verdict != UPCALL_FOUND) {
        pmd_count(pmd, verdict == UPCALL_RUN ? PMD_MISS : PMD_LOST, 1);
    }
}

/* Resolves a miss of 'packet', which it takes, on the calling thread. */
static void
miss_inline(struct pmd *pmd, struct dp_packet *packet,
            const struct flow_key *key)
{
    enum port_drop reason = PORT_DROP_UPCALL_ERROR;
    enum upcall_verdict verdict;
    struct inline_asker asker;
    struct ofpbuf actions;

    ofpbuf_init(&actions, 0);
    inline_ask_begin(pmd, &asker);
    verdict = upcall_ask_miss(pmd->env->upcall, packet, key, &actions,
                              &reason);
    inline_ask_end(pmd, &asker);
    count_verdict(pmd, verdict);
    run_answer(pmd, packet, verdict, &actions, reason);
    ofpbuf_uninit(&actions);
}

/* Gives 'packet', which it takes, to the upcall threads, with its fate unless
 * that is told already. */
static void
miss_queued(struct pmd *pmd, struct dp_packet *packet,
            const struct flow_key *key)
{
    struct pmd_fate *fate = pmd->fate;
    bool open = !fate->told && !fate->in_flight && !fate->tried;
    struct upcall_origin from = origin(pmd, open);
    enum port_drop reason;

    if (upcall_client_miss(pmd->client, packet, key, &from, &reason)) {
        fate->in_flight |= open;
    } else {
        pmd_count(pmd, PMD_LOST, 1);
        side_road_drop(pmd, packet, reason);
    }
}

static void
miss(struct pmd *pmd, struct dp_packet *packet, const struct flow_key *key)
{
    if (pmd->client) {
        miss_queued(pmd, packet, key);
    } else {
        miss_inline(pmd, packet, key);
    }
}

static void
extract_key(struct dp_packet *packet, struct flow_key *key)
{
    flow_key_extract(packet, key);
    if (!dp_packet_rss_valid(packet)) {
        /* Actions may select by hash.  Netdevs with RSS bring their own. */
        dp_packet_set_rss_hash(packet, miniflow_hash_5tuple(&key->mf, 0));
    }
}

/* Brings 'packet', whose flow is known without a key, into the state that
 * making the key would leave, and returns its TCP flags. */
static uint16_t
parse_known(struct dp_packet *packet)
{
    struct flow_key key;

    if (OVS_LIKELY(dp_packet_rss_valid(packet))) {
        return parse_tcp_flags(packet, NULL, NULL, NULL);
    }
    extract_key(packet, &key);
    return flow_key_tcp_flags(&key);
}

/* Counts 'packet', which it takes, for 'flow' and runs its actions. */
static void
run_flow(struct pmd *pmd, struct dp_packet *packet, struct megaflow *flow,
         uint16_t tcp_flags)
{
    const struct action_program *program = megaflow_program(flow);

    megaflow_count(flow, pmd->slot, 1, dp_packet_size(packet), tcp_flags,
                   pmd->now);
    if (!program->actions_len) {
        side_road_drop(pmd, packet, PORT_DROP_ACTION);
        return;
    }
    run_actions(pmd, packet, &flow->flow, program->actions,
                program->actions_len);
}

void
side_road_again(struct pmd *pmd, struct dp_packet *packet)
{
    unsigned int n_probed = 0;
    struct megaflow *flow;
    struct flow_key key;

    if (dp_packet_size(packet) < ETH_HEADER_LEN) {
        side_road_drop(pmd, packet, PORT_DROP_INVALID);
        return;
    }
    extract_key(packet, &key);
    flow = (pmd->client
            && upcall_client_has_pending(pmd->client,
                                         packet->md.in_port.odp_port)
            && upcall_client_holds(pmd->client, &key)
            ? NULL
            : megaflow_table_lookup(pmd->env->flows, &key, &n_probed));
    pmd_count(pmd, PMD_SUBTABLES, n_probed);
    if (!flow) {
        miss(pmd, packet, &key);
        return;
    }
    pmd_count(pmd, PMD_MEGAFLOW_HIT, 1);
    run_flow(pmd, packet, flow, flow_key_tcp_flags(&key));
}

void
side_road_forward(struct pmd *pmd, struct dp_packet *packet, struct port *in)
{
    struct pmd_fate fate, *outer = pmd->fate;

    fate_begin(pmd, &fate, in);
    side_road_again(pmd, packet);
    fate_end(pmd, &fate, outer);
}

void
side_road_forward_flow(struct pmd *pmd, struct dp_packet *packet,
                       struct port *in, struct megaflow *flow)
{
    struct pmd_fate fate, *outer = pmd->fate;

    fate_begin(pmd, &fate, in);
    run_flow(pmd, packet, flow, parse_known(packet));
    fate_end(pmd, &fate, outer);
}

void
side_road_miss(struct pmd *pmd, struct dp_packet *packet,
               const struct flow_key *key, struct port *in)
{
    struct pmd_fate fate, *outer = pmd->fate;

    fate_begin(pmd, &fate, in);
    miss(pmd, packet, key);
    fate_end(pmd, &fate, outer);
}

static void
forward_answer(struct pmd *pmd, const struct upcall_answer *answer)
{
    struct pmd_fate fate, *outer = pmd->fate;

    if (answer->miss) {
        count_verdict(pmd, answer->verdict);
    }
    fate_begin(pmd, &fate, answer->origin.port);
    fate.told |= !answer->origin.open;
    pmd->depth = answer->origin.depth;
    run_answer(pmd, answer->packet, answer->verdict, answer->actions,
               answer->reason);
    pmd->depth = 0;
    fate_end(pmd, &fate, outer);
}

unsigned int
side_road_answers(struct pmd *pmd)
{
    struct upcall_answer answer;
    unsigned int n = 0;

    while (upcall_client_next(pmd->client, &answer)) {
        if (!n++) {
            pmd->now = time_msec();
        }
        forward_answer(pmd, &answer);
        if (answer.origin.port) {
            port_unref(answer.origin.port);
        }
    }
    if (n) {
        side_road_flush(pmd);
    }
    return n;
}

/* Packets that devices have looked at */

/* Undoes what the device of 'in' did to 'packet' before it gave up, so that it
 * can be forwarded as received.  Returns false if that fails: then 'packet' is
 * gone. */
static bool
recover(struct port *in OVS_UNUSED, struct dp_packet *packet OVS_UNUSED)
{
    int error = 0;

#ifdef ALLOW_EXPERIMENTAL_API   /* Of DPDK, without which it always fails. */
    error = netdev_hw_miss_packet_recover(in->netdev, packet);
#endif
    return !error || error == EOPNOTSUPP;
}

/* Returns the megaflow that the device has found for 'packet', or NULL.  None
 * is good while a packet of the same port is at the upcall threads: it might
 * be of the same microflow, and go first. */
static struct megaflow *
find_marked(struct pmd *pmd, const struct dp_packet *packet)
{
    odp_port_t in_port = packet->md.in_port.odp_port;
    struct megaflow *flow;
    uint32_t mark;

    if (!dp_packet_has_flow_mark(packet, &mark)
        || (pmd->client && upcall_client_has_pending(pmd->client, in_port))) {
        return NULL;
    }
    flow = offload_find(pmd->env->offload, mark);
    return flow && flow->in_port == in_port ? flow : NULL;
}

/* Like side_road_forward(), for a packet that comes from a device which may
 * have flows of ours. */
static void
forward_offloaded(struct pmd *pmd, struct dp_packet *packet, struct port *in)
{
    struct pmd_fate fate, *outer = pmd->fate;
    struct megaflow *flow;

    fate_begin(pmd, &fate, in);
    if (!recover(in, packet)) {
        side_road_count_drops(pmd, PORT_DROP_HW_MISS, 1);
    } else if (dp_packet_size(packet) >= ETH_HEADER_LEN
               && (flow = find_marked(pmd, packet))) {
        pmd_count(pmd, PMD_MARK_HIT, 1);
        run_flow(pmd, packet, flow, parse_known(packet));
    } else {
        side_road_again(pmd, packet);
    }
    fate_end(pmd, &fate, outer);
}

unsigned int
side_road_poll(struct pmd *pmd, struct port *in, unsigned int qid)
{
    bool offloads = netdev_is_flow_api_enabled();
    struct dp_packet_batch batch;
    struct dp_packet *packet;
    size_t n;

    dp_packet_batch_init(&batch);
    if (netdev_rxq_recv(in->rxqs[qid], &batch, NULL)) {
        return 0;
    }
    n = dp_packet_batch_size(&batch);
    pmd->now = time_msec();
    pmd_count(pmd, PMD_RX, n);
    pmd_count(pmd, PMD_BURSTS, 1);
    pmd_count(pmd, PMD_SIDE_ROAD, n);
    port_count(&port_books(in, pmd->slot)->rx, n);
    DP_PACKET_BATCH_FOR_EACH (i, packet, &batch) {
        pkt_metadata_init(&packet->md, in->port_no);
        if (OVS_UNLIKELY(offloads)) {
            forward_offloaded(pmd, packet, in);
        } else {
            side_road_forward(pmd, packet, in);
        }
    }
    side_road_flush(pmd);
    return n;
}

struct dp_packet *
side_road_execute(struct pmd *pmd, struct dp_packet *packet,
                  const struct flow *flow, const struct nlattr *actions,
                  size_t actions_len)
{
    struct pmd_fate fate, *outer = pmd->fate;
    struct dp_packet_batch batch;

    pmd->now = time_msec();
    fate_begin(pmd, &fate, NULL);
    dp_packet_batch_init_packet(&batch, packet);
    side_action_run(pmd, &batch, false, flow, actions, actions_len);
    fate_end(pmd, &fate, outer);
    side_road_flush(pmd);
    if (dp_packet_batch_size(&batch) == 1) {
        return batch.packets[0];
    }
    /* The connection tracker gave several fragments: the caller has no place
     * for them. */
    dp_packet_delete_batch(&batch, true);
    return NULL;
}
