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
 * ofproto sends.
 *
 * Packets travel in batches.  forward() finds the megaflow of each packet of a
 * batch, and then runs each megaflow's actions once, on all packets of the
 * batch that are of this megaflow.  Packets that recirculate go through
 * forward() again, together. */

#include "action/action.h"
#include "netdev-offload.h"
#include "openvswitch/ofpbuf.h"
#include "pmd/side-road.h"
#include "timeval.h"

/* Asking ofproto */

/* Does what the answer to an upcall says with 'packet', which it takes. */
static void
run_answer(struct pmd *pmd, struct dp_packet *packet,
           enum upcall_verdict verdict, const struct ofpbuf *actions,
           enum port_drop reason)
{
    struct dp_packet_batch batch;
    struct flow flow;

    switch (verdict) {
    case UPCALL_RUN:
        flow_extract(packet, &flow);
        dp_packet_batch_init_packet(&batch, packet);
        side_action_run(pmd, &batch, true, &flow, actions->data,
                        actions->size);
        break;
    case UPCALL_FOUND:
        dp_packet_batch_init_packet(&batch, packet);
        side_road_again(pmd, &batch);
        break;
    case UPCALL_DROP:
        side_drop(pmd, packet, reason);
        break;
    }
}

/* What the shared context was about. */
struct inline_asker {
    struct side_fates *fates;
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
    asker->fates = pmd->fates;
    asker->depth = pmd->depth;
    side_road_flush(pmd);
    pmd->fates = NULL;
    pmd->depth = 0;
    ovs_mutex_unlock(&pmd->mutex);
}

static void
inline_ask_end(struct pmd *pmd, const struct inline_asker *asker)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    ovs_mutex_lock(&pmd->mutex);
    pmd->fates = asker->fates;
    pmd->depth = asker->depth;
}

/* What is to be known again of the packet that is being processed when it
 * comes back from the upcall threads. */
static struct upcall_origin
origin(const struct pmd *pmd, bool open)
{
    return (struct upcall_origin) {
        .port = pmd->fates->port,
        .open = open,
        .depth = pmd->depth,
    };
}

void
side_road_userspace(struct pmd *pmd, struct dp_packet *packet,
                    const struct nlattr *userdata)
{
    struct upcall_origin from = origin(pmd, false);
    uint64_t bit = side_bit(packet);
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
        if (verdict == UPCALL_RUN) {
            pmd->fates->consumed |= bit;
        }
        run_answer(pmd, packet, verdict, &actions, reason);
        ofpbuf_uninit(&actions);
    } else if (upcall_client_action(pmd->client, packet, userdata, &from,
                                    &reason)) {
        pmd->fates->consumed |= bit;
    } else {
        side_drop(pmd, packet, reason);
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
    struct side_fates *fates = pmd->fates;
    uint64_t open = (side_bit(packet) & fates->open & ~fates->in_flight
                     & ~fates->tried);
    struct upcall_origin from = origin(pmd, open != 0);
    enum port_drop reason;

    if (upcall_client_miss(pmd->client, packet, key, &from, &reason)) {
        fates->in_flight |= open;
    } else {
        pmd_count(pmd, PMD_LOST, 1);
        side_drop(pmd, packet, reason);
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
    uint16_t tcp_flags;

    if (dp_packet_rss_valid(packet)) {
        return parse_tcp_flags(packet, NULL, NULL, NULL);
    }
    if (OVS_LIKELY(flow_parse_plain(packet, &tcp_flags))) {
        return tcp_flags;
    }
    extract_key(packet, &key);
    return flow_key_tcp_flags(&key);
}

/* Packets that wait for others of their batch, with their flows. */
struct gathered {
    unsigned int n;
    struct dp_packet *packets[NETDEV_MAX_BURST];
    struct megaflow *flows[NETDEV_MAX_BURST];
    uint32_t hashes[NETDEV_MAX_BURST];
    uint16_t tcp_flags[NETDEV_MAX_BURST];
};

/* Counts the packets of 'batch', which it takes, for 'flow' and runs its
 * actions. */
static void
run_flow(struct pmd *pmd, struct dp_packet_batch *batch,
         struct megaflow *flow, uint16_t tcp_flags)
{
    const struct action_program *program = megaflow_program(flow);
    struct dp_packet *packet;
    uint64_t n_bytes = 0;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        n_bytes += dp_packet_size(packet);
    }
    megaflow_count(flow, pmd->slot, dp_packet_batch_size(batch), n_bytes,
                   tcp_flags, pmd->now);
    if (!program->actions_len) {
        side_drop_batch(pmd, batch, PORT_DROP_ACTION);
        return;
    }
    side_action_run(pmd, batch, true, &flow->flow, program->actions,
                    program->actions_len);
}

/* Returns true if packet 'j' of 'g' is of the same microflow as one from 'i'
 * on that is still there. */
static bool
has_earlier(const struct gathered *g, unsigned int i, unsigned int j)
{
    for (; i < j; i++) {
        if (g->flows[i] && g->hashes[i] == g->hashes[j]) {
            return true;
        }
    }
    return false;
}

/* Moves packet 'i' of 'g', and later ones of its flow, to 'batch', and returns
 * their TCP flags.
 *
 * None overtakes another of its microflow, which may have found another flow:
 * flows come and go, and overlap in passing.  Fragments go one by one: the
 * connection tracker keeps them, and only the one that completes a datagram
 * makes it give them. */
static uint16_t
take_batch(struct gathered *g, unsigned int i, struct dp_packet_batch *batch)
{
    struct megaflow *flow = g->flows[i];
    unsigned int end = flow->flow.nw_frag ? i + 1 : g->n;
    uint16_t tcp_flags = 0;
    uint64_t left = 0;          /* Of packets left behind: hashes, roughly. */

    dp_packet_batch_init(batch);
    for (unsigned int j = i; j < end; j++) {
        uint64_t bit = UINT64_C(1) << g->hashes[j] % 64;

        if (!g->flows[j]) {
            continue;           /* Went with an earlier one. */
        }
        if (g->flows[j] == flow && !(left & bit && has_earlier(g, i, j))) {
            g->flows[j] = NULL;
            tcp_flags |= g->tcp_flags[j];
            dp_packet_batch_add(batch, g->packets[j]);
        } else {
            left |= bit;
        }
    }
    return tcp_flags;
}

/* Lets the packets of 'g' go on, those of each flow together. */
static void
run_gathered(struct pmd *pmd, struct gathered *g)
{
    for (unsigned int i = 0; i < g->n; i++) {
        struct megaflow *flow = g->flows[i];

        if (flow) {
            struct dp_packet_batch batch;
            uint16_t tcp_flags = take_batch(g, i, &batch);

            run_flow(pmd, &batch, flow, tcp_flags);
        }
    }
    g->n = 0;
}

/* True if some packet of the same port as 'packet' is at the upcall threads,
 * so that 'packet' may have to wait behind it. */
static bool
may_have_to_wait(const struct pmd *pmd, const struct dp_packet *packet)
{
    return (pmd->client
            && upcall_client_has_pending(pmd->client,
                                         packet->md.in_port.odp_port));
}

/* Returns the flow of 'packet' with 'key', which is 'flow' if that is known,
 * or NULL if there is none or an earlier packet of the same microflow waits
 * for one. */
static struct megaflow *
lookup(struct pmd *pmd, const struct dp_packet *packet,
       const struct flow_key *key, struct megaflow *flow)
{
    uint32_t hash = dp_packet_get_rss_hash(packet);
    unsigned int n_probed = 0;

    if (may_have_to_wait(pmd, packet)
        && upcall_client_holds(pmd->client, key)) {
        return NULL;
    } else if (flow) {
        return flow;
    }
    flow = flow_smc_lookup(pmd->smc, key, hash);
    if (OVS_LIKELY(flow)) {
        pmd_count(pmd, PMD_SMC_HIT, 1);
        return flow;
    }
    flow = megaflow_table_lookup(pmd->env->flows, key, &n_probed);
    pmd_count(pmd, PMD_SUBTABLES, n_probed);
    if (flow) {
        pmd_count(pmd, PMD_MEGAFLOW_HIT, 1);
        flow_smc_insert(pmd->smc, key, hash, flow);
    }
    return flow;
}

/* Adds 'packet', which it takes, to 'g', unless it misses.  'flow' is its flow
 * if that is known. */
static void
gather(struct pmd *pmd, struct gathered *g, struct dp_packet *packet,
       struct megaflow *flow)
{
    struct flow_key key;

    if (dp_packet_size(packet) < ETH_HEADER_LEN) {
        side_drop(pmd, packet, PORT_DROP_INVALID);
        return;
    }
    if (flow && !may_have_to_wait(pmd, packet)) {
        g->tcp_flags[g->n] = parse_known(packet);
    } else {
        extract_key(packet, &key);
        flow = lookup(pmd, packet, &key, flow);
        if (!flow) {
            if (!pmd->client) {
                /* It goes on at once and must not overtake them. */
                run_gathered(pmd, g);
            }
            miss(pmd, packet, &key);
            return;
        }
        g->tcp_flags[g->n] = flow_key_tcp_flags(&key);
    }
    g->packets[g->n] = packet;
    g->hashes[g->n] = dp_packet_get_rss_hash(packet);
    g->flows[g->n++] = flow;
}

/* Takes the packets of 'batch' to their outputs.  'flows' tells those flows
 * that are known already, unless it is NULL. */
static void
forward(struct pmd *pmd, struct dp_packet_batch *batch,
        struct megaflow *const flows[])
{
    struct dp_packet *packet;
    struct gathered g;

    g.n = 0;
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        gather(pmd, &g, packet, flows ? flows[i] : NULL);
    }
    run_gathered(pmd, &g);
}

void
side_road_again(struct pmd *pmd, struct dp_packet_batch *batch)
{
    forward(pmd, batch, NULL);
}

void
side_road_forward(struct pmd *pmd, struct dp_packet_batch *batch,
                  struct port *in, struct megaflow *const flows[])
{
    struct side_fates fates, *outer;

    outer = side_fates_begin(pmd, &fates, in, batch);
    forward(pmd, batch, flows);
    side_fates_end(pmd, outer);
}

void
side_road_miss(struct pmd *pmd, struct dp_packet *packet,
               const struct flow_key *key, struct port *in)
{
    struct side_fates fates, *outer;
    struct dp_packet_batch batch;

    dp_packet_batch_init_packet(&batch, packet);
    outer = side_fates_begin(pmd, &fates, in, &batch);
    miss(pmd, packet, key);
    side_fates_end(pmd, outer);
}

static void
forward_answer(struct pmd *pmd, const struct upcall_answer *answer)
{
    struct side_fates fates, *outer;
    struct dp_packet_batch batch;

    if (answer->miss) {
        count_verdict(pmd, answer->verdict);
    }
    dp_packet_batch_init_packet(&batch, answer->packet);
    outer = side_fates_begin(pmd, &fates, answer->origin.port, &batch);
    if (!answer->origin.open) {
        fates.open = 0;
    }
    pmd->depth = answer->origin.depth;
    run_answer(pmd, answer->packet, answer->verdict, answer->actions,
               answer->reason);
    pmd->depth = 0;
    side_fates_end(pmd, outer);
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

/* Returns the megaflow that the device has found for 'packet', or NULL. */
static struct megaflow *
find_marked(struct pmd *pmd, const struct dp_packet *packet)
{
    struct megaflow *flow;
    uint32_t mark;

    if (!dp_packet_has_flow_mark(packet, &mark)) {
        return NULL;
    }
    flow = offload_find(pmd->env->offload, mark);
    return flow && flow->in_port == packet->md.in_port.odp_port ? flow : NULL;
}

/* Undoes what the device of 'in', which may have flows of ours, did to the
 * packets of 'batch', and stores the flows that it has found in 'flows'. */
static void
look_at_device(struct pmd *pmd, struct port *in,
               struct dp_packet_batch *batch, struct megaflow *flows[])
{
    size_t n = dp_packet_batch_size(batch);
    uint64_t bits = side_bits(batch);
    struct dp_packet *packet;
    size_t i, n_kept = 0;

    DP_PACKET_BATCH_REFILL_FOR_EACH (i, n, packet, batch) {
        if (recover(in, packet)) {
            flows[n_kept] = find_marked(pmd, packet);
            pmd_count(pmd, PMD_MARK_HIT, flows[n_kept] != NULL);
            dp_packet_batch_refill(batch, packet, i);
            n_kept++;
        }
    }
    side_count_drops(pmd, batch, n, bits, PORT_DROP_HW_MISS);
}

/* Forwards 'batch', as received on 'in'. */
static void
forward_received(struct pmd *pmd, struct dp_packet_batch *batch,
                 struct port *in)
{
    struct megaflow *flows[NETDEV_MAX_BURST];
    struct side_fates fates, *outer;
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        pkt_metadata_init(&packet->md, in->port_no);
    }
    outer = side_fates_begin(pmd, &fates, in, batch);
    if (OVS_UNLIKELY(netdev_is_flow_api_enabled())) {
        look_at_device(pmd, in, batch, flows);
        forward(pmd, batch, flows);
    } else {
        forward(pmd, batch, NULL);
    }
    side_fates_end(pmd, outer);
}

unsigned int
side_road_poll(struct pmd *pmd, struct port *in, unsigned int qid)
{
    struct dp_packet_batch batch;
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
    forward_received(pmd, &batch, in);
    side_road_flush(pmd);
    return n;
}

struct dp_packet *
side_road_execute(struct pmd *pmd, struct dp_packet *packet,
                  const struct flow *flow, const struct nlattr *actions,
                  size_t actions_len)
{
    struct side_fates fates, *outer;
    struct dp_packet_batch batch;

    pmd->now = time_msec();
    dp_packet_batch_init_packet(&batch, packet);
    outer = side_fates_begin(pmd, &fates, NULL, &batch);
    side_action_run(pmd, &batch, false, flow, actions, actions_len);
    side_fates_end(pmd, outer);
    side_road_flush(pmd);
    if (dp_packet_batch_size(&batch) == 1) {
        return batch.packets[0];
    }
    /* The connection tracker gave several fragments: the caller has no place
     * for them. */
    dp_packet_delete_batch(&batch, true);
    return NULL;
}
