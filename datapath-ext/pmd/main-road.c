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

/* The main road: from a guest to a guest
 * ======================================
 *
 * main_road_poll() serves one receive queue: it peeks a burst, finds each
 * frame's megaflow, runs the megaflow's program on the snapshot of the header,
 * puts the frames into the receivers' rings, and publishes.  A frame
 * is copied once, from the sender's buffers to the receiver's; no dp_packet is
 * made.  What cannot travel this way is copied into a dp_packet and handed to
 * the side road, in its place in the order.
 *
 * Order: outputs leave in the order of the frames, but that a program is run
 * on frames in a row at once, each of its outputs on all of them, as OVS does
 * with a batch.  Both roads keep what they have to send, so before a frame
 * changes the road, the other road is flushed. */

#include "action/action.h"
#include "odp-util.h"
#include "pmd/pmd-private.h"
#include "timeval.h"

/* Classify */

struct dp_packet *
frame_to_packet(const struct vhost_frame *frame, odp_port_t in_port)
{
    struct dp_packet *packet = vhost_frame_to_packet(frame, VHOST_SNAPSHOT);

    pkt_metadata_init(&packet->md, in_port);
    return packet;
}

static void
count_packets_made(struct pmd *pmd, const struct port *in, unsigned int n)
{
    pmd_count(pmd, PMD_PACKETS_MADE, n);
    pmd_count(pmd, PMD_COPIES, n);
    port_count(&port_books(in, pmd->slot)->copies, n);
}

/* Copies 'frame' into a dp_packet received on 'in', for the side road. */
static struct dp_packet *
leave_main_road(struct pmd *pmd, const struct vhost_frame *frame,
                const struct port *in)
{
    count_packets_made(pmd, in, 1);
    return frame_to_packet(frame, in->port_no);
}

static void
frame_key(struct pmd *pmd, const struct vhost_frame *frame,
          const struct port *in, struct flow_key *key)
{
    struct dp_packet *packet;

    if (flow_key_extract_head(frame->data, frame->data_len,
                              vhost_frame_len(frame), in->port_no, key)) {
        return;
    }
    packet = leave_main_road(pmd, frame, in);
    flow_key_extract(packet, key);
    dp_packet_delete(packet);
}

/* Finds the megaflow of a frame that the cache does not know. */
static struct megaflow *
classify_slowly(struct pmd *pmd, struct flow_cache *cache,
                const struct vhost_frame *frame, const struct port *in,
                const struct flow_cache_key *cache_key, uint16_t *tcp_flags)
{
    unsigned int n_probed = 0;
    struct megaflow *flow;
    struct flow_key key;

    frame_key(pmd, frame, in, &key);
    flow = megaflow_table_lookup(pmd->env->flows, &key, &n_probed);
    pmd_count(pmd, PMD_SUBTABLES, n_probed);
    if (flow) {
        pmd_count(pmd, PMD_MEGAFLOW_HIT, 1);
        *tcp_flags = flow_key_tcp_flags(&key);
        if (cache_key->shape == FLOW_SHAPE_NONE) {
            pmd_count(pmd, PMD_CACHE_NEVER, 1);
        } else if (flow_cache_insert(cache, cache_key, flow)) {
            pmd_count(pmd, PMD_CACHE_EVICTION, 1);
        }
    }
    return flow;
}

/* Makes a run of its own of each frame that the cache does not know, with the
 * megaflow that the table has for it, or NULL.  (A flow that is newer than the
 * key may be that of some frames with the key only.) */
static void
classify_rest(struct pmd *pmd, struct flow_cache *cache, const struct port *in)
{
    struct flow_cache_burst *lookup = &pmd->main->lookup;
    struct flow_cache_run runs[FLOW_CACHE_BURST];
    unsigned int n = 0, i = 0;

    for (unsigned int j = 0; j < lookup->n_runs; j++) {
        const struct flow_cache_run *run = &lookup->runs[j];

        if (run->flow) {
            runs[n++] = *run;
            i = run->end;
        }
        for (; i < run->end; i++) {
            runs[n] = (struct flow_cache_run) {
                .key = run->key, .end = i + 1,
            };
            runs[n].flow = classify_slowly(pmd, cache,
                                           pmd->main->burst.frames[i], in,
                                           run->key, &runs[n].tcp_flags);
            n++;
        }
    }
    memcpy(lookup->runs, runs, n * sizeof *runs);
    lookup->n_runs = n;
}

/* Divides the burst into runs of frames of the same megaflow, or NULL, in
 * main->lookup. */
static void
classify(struct pmd *pmd, const struct port *in)
{
    struct flow_cache *cache = ovsrcu_get(struct flow_cache *, &pmd->cache);
    struct main_road *mr = pmd->main;
    struct flow_cache_burst *lookup = &mr->lookup;
    unsigned int n = mr->burst.n;
    unsigned int n_hits;

    BUILD_ASSERT(FLOW_CACHE_BURST >= VHOST_BURST);
    BUILD_ASSERT(FLOW_CACHE_READABLE <= VHOST_SNAPSHOT);
    for (unsigned int i = 0; i < n; i++) {
        const struct vhost_frame *frame = mr->burst.frames[i];

        lookup->frames[i] = (struct flow_cache_frame) {
            frame->data, vhost_frame_len(frame),
        };
    }
    n_hits = flow_cache_lookup(cache, in->port_no, lookup, n);
    if (OVS_UNLIKELY(n_hits < n)) {
        classify_rest(pmd, cache, in);
    }
    pmd_count(pmd, PMD_CACHE_HIT, n_hits);
    pmd_count(pmd, PMD_CACHE_MISS, n - n_hits);
}

/* Output */

/* Puts 'n' frames into a guest's ring: the one copy.  Returns how many it
 * took. */
static unsigned int
put_on_queue(struct pmd *pmd, struct port *port, unsigned int txq,
             const struct vhost_frame *const *frames, unsigned int n)
{
    unsigned int n_sent;
    struct vhost_tx tx;

    vhost_tx_begin(port->vhost, txq, &tx);
    n_sent = vhost_tx_put_burst(&tx, frames, n);
    vhost_tx_end(&tx);
    pmd_count(pmd, PMD_SENT_BATCHES, 1);
    return n_sent;
}

/* Puts the frames of 'output' into the rings that their hashes say. */
static unsigned int
put_by_hash(struct pmd *pmd, const struct main_output *output)
{
    const struct vhost_frame *part[ARRAY_SIZE(output->frames)];
    unsigned int txqs[ARRAY_SIZE(output->frames)];
    unsigned int n_sent = 0;

    for (unsigned int i = 0; i < output->n; i++) {
        txqs[i] = tx_steer_frame(output->port, output->frames[i]);
    }
    for (unsigned int txq = 0; txq < output->port->n_txq; txq++) {
        unsigned int n = 0;

        for (unsigned int i = 0; i < output->n; i++) {
            if (txqs[i] == txq) {
                part[n++] = output->frames[i];
            }
        }
        if (n) {
            n_sent += put_on_queue(pmd, output->port, txq, part, n);
        }
    }
    return n_sent;
}

/* Puts the frames that go to one guest into its rings. */
static void
put_frames(struct pmd *pmd, struct main_output *output)
{
    struct port_books *books = port_books(output->port, pmd->slot);
    struct port *port = output->port;
    unsigned int n_sent;

    if (OVS_LIKELY(!port->hashes_txqs)) {
        n_sent = put_on_queue(pmd, port, pmd_txq(pmd, port), output->frames,
                              output->n);
    } else {
        n_sent = put_by_hash(pmd, output);
    }
    port_count(&books->tx_tried, output->n);
    port_count(&books->tx_main_road, output->n);
    port_count(&books->tx_sent, n_sent);
    port_count(&books->tx_dropped, output->n - n_sent);
    pmd_count(pmd, PMD_COPIES, n_sent);
    pmd_count(pmd, PMD_SENT, output->n);
    output->n = 0;
}

static void
flush(struct pmd *pmd)
{
    struct main_road *mr = pmd->main;

    perf_lap(pmd, PMD_STAGE_EXECUTE);
    for (unsigned int i = 0; i < mr->n_outputs; i++) {
        put_frames(pmd, &mr->outputs[i]);
    }
    mr->n_outputs = 0;
    mr->n_clones = 0;
    perf_lap(pmd, PMD_STAGE_PUT);
}

/* Returns what is on its way to 'out', with room for 'n' more frames. */
static struct main_output *
get_output(struct pmd *pmd, struct port *out, unsigned int n)
{
    struct main_road *mr = pmd->main;
    struct main_output *output;
    unsigned int i;

    BUILD_ASSERT(ARRAY_SIZE(output->frames) >= VHOST_BURST);
    for (i = 0; i < mr->n_outputs; i++) {
        if (mr->outputs[i].port == out) {
            break;
        }
    }
    if (i == MAIN_OUTPUTS
        || (i < mr->n_outputs
            && mr->outputs[i].n + n > ARRAY_SIZE(output->frames))) {
        flush(pmd);
        i = 0;
    }
    output = &mr->outputs[i];
    if (i == mr->n_outputs) {
        output->port = out;
        mr->n_outputs++;
    }
    return output;
}

/* Returns 'frame' as it is now, in memory that later edits do not touch. */
static const struct vhost_frame *
clone_frame(struct main_road *mr, const struct vhost_frame *frame)
{
    struct vhost_frame *clone = &mr->clones[mr->n_clones++];

    *clone = *frame;
    clone->data = clone->room + (frame->data - frame->room);
    return clone;
}

/* Adds 'n' frames to what goes to 'out', a guest.  Until the next flush() they
 * stay as they are, unless 'edits_follow'. */
static void
output_to_guest(struct pmd *pmd, struct port *out,
                struct vhost_frame *const frames[], unsigned int n,
                bool edits_follow)
{
    struct main_road *mr = pmd->main;
    struct main_output *output;

    BUILD_ASSERT(ARRAY_SIZE(mr->clones) >= VHOST_BURST);
    if (edits_follow && mr->n_clones + n > ARRAY_SIZE(mr->clones)) {
        flush(pmd);
    }
    output = get_output(pmd, out, n);
    if (OVS_LIKELY(!edits_follow)) {
        memcpy(&output->frames[output->n], frames, n * sizeof *frames);
    } else {
        for (unsigned int i = 0; i < n; i++) {
            output->frames[output->n + i] = clone_frame(mr, frames[i]);
        }
    }
    output->n += n;
}

/* Copies 'n' frames, received on 'in', for 'out', which is no guest. */
static void
output_to_netdev(struct pmd *pmd, const struct port *in, struct port *out,
                 struct vhost_frame *const frames[], unsigned int n)
{
    perf_lap(pmd, PMD_STAGE_EXECUTE);
    count_packets_made(pmd, in, n);
    for (unsigned int i = 0; i < n; i++) {
        struct dp_packet *packet = vhost_frame_to_mbuf(frames[i]);

        pkt_metadata_init(&packet->md, in->port_no);
        side_road_output(pmd, packet, out);
    }
    perf_lap(pmd, PMD_STAGE_SIDE_ROAD);
}

/* Execute */

/* Outputs 'n' frames to 'out'.  Only another guest can take them as they
 * are. */
static void
output(struct pmd *pmd, const struct port *in, struct port *out,
       const struct action_op *op, struct vhost_frame *const frames[],
       unsigned int n)
{
    if (OVS_LIKELY(out->vhost)) {
        output_to_guest(pmd, out, frames, n, op->output.edits_follow);
    } else {
        output_to_netdev(pmd, in, out, frames, n);
    }
}

/* Returns the port 'port_no', or NULL.  Most frames go to few ports.  A port
 * that has gone is freed a grace period after the sequence number has
 * changed. */
static inline struct port *
find_output(struct pmd *pmd, odp_port_t port_no)
{
    unsigned int seq = port_table_seq(pmd->env->ports);
    struct main_road *mr = pmd->main;
    size_t i = odp_to_u32(port_no) % ARRAY_SIZE(mr->outs);

    if (OVS_UNLIKELY(seq != mr->outs_seq)) {
        mr->outs_seq = seq;
        for (size_t j = 0; j < ARRAY_SIZE(mr->outs); j++) {
            mr->outs[j].port_no = ODPP_NONE;
            mr->outs[j].port = NULL;
        }
    }
    if (OVS_UNLIKELY(port_no != mr->outs[i].port_no)) {
        mr->outs[i].port_no = port_no;
        mr->outs[i].port = port_table_find_output(pmd->env->ports, port_no);
    }
    return mr->outs[i].port;
}

/* Runs a direct program on 'n' frames, received on 'in', one operation on all
 * of them after the other.  Returns their fate: -1 if an output was tried,
 * else why they went nowhere. */
static int
run_program(struct pmd *pmd, const struct action_program *program,
            const struct port *in, struct vhost_frame *const frames[],
            const struct action_layers layers[], unsigned int n)
{
    const struct action_op *op;
    int fate = PORT_DROP_ACTION;

    ACTION_FOR_EACH_OP (op, program) {
        if (op->type == ACTION_OP_OUTPUT) {
            struct port *out = find_output(pmd, op->output.port);

            if (out) {
                output(pmd, in, out, op, frames, n);
                fate = -1;
            } else {
                port_drop_count(PORT_DROP_NO_PORT, n);
                fate = fate < 0 ? fate : PORT_DROP_NO_PORT;
            }
        } else {
            action_edit(op, frames, layers, n);
        }
    }
    return fate;
}

/* Returns true if the checksum that 'frame' asks for lies where flows may
 * match on the frame.  The side road fills it in before it looks. */
static inline bool
has_odd_csum(const struct vhost_frame *frame)
{
    return OVS_UNLIKELY(frame->offload.csum) && !frame->offload.csum_l4;
}

/* Returns the program of 'flow' if it is direct, or NULL. */
static inline const struct action_program *
direct_program(const struct megaflow *flow)
{
    const struct action_program *p = flow ? megaflow_program(flow) : NULL;

    return p && p->direct ? p : NULL;
}

/* Returns true if the direct program 'p', or NULL, leads 'frame', of 'shape',
 * along the main road, and tells the 'layers' that it edits. */
static inline bool
takes_main_road(const struct action_program *p,
                const struct vhost_frame *frame, uint32_t shape,
                struct action_layers *layers)
{
    return (p && !has_odd_csum(frame)
            && (!p->edits
                || (!frame->offload.csum
                    && action_program_fits(p, frame, flow_shape_headers(shape),
                                           layers))));
}

/* Frames in a row of which one program of one flow is to be run: numbers
 * 'first' to 'end' - 1 of the burst. */
struct batch {
    unsigned int first, end;
    struct megaflow *flow;
    const struct action_program *program;
    uint64_t n_bytes;
    uint16_t tcp_flags;         /* Bitwise OR. */
};

/* Takes the frames of 'batch' to their outputs and makes it empty. */
static void
finish_batch(struct pmd *pmd, struct port *in, struct batch *batch)
{
    struct main_road *mr = pmd->main;
    struct port_books *books = port_books(in, pmd->slot);
    unsigned int n = batch->end - batch->first;
    int fate;

    if (!n) {
        return;
    }
    fate = run_program(pmd, batch->program, in,
                       &mr->burst.frames[batch->first],
                       &mr->layers[batch->first], n);
    if (fate == PORT_DROP_ACTION) {
        action_program_count_drops(batch->program, n);
    }
    megaflow_count(batch->flow, pmd->slot, n, batch->n_bytes,
                   batch->tcp_flags, pmd->now);
    port_count(fate < 0 ? &books->forwarded : &books->dropped[fate], n);
    batch->first = batch->end;
    batch->n_bytes = batch->tcp_flags = 0;
}

/* Adds 'n' frames, of 'n_bytes', from number 'i' on, which are in 'run', to
 * 'batch', or finishes that and begins another one. */
static inline void
add_to_batch(struct pmd *pmd, struct port *in, struct batch *batch,
             unsigned int i, unsigned int n, uint64_t n_bytes,
             const struct flow_cache_run *run,
             const struct action_program *program)
{
    if (batch->end != i || batch->flow != run->flow
        || batch->program != program) {
        finish_batch(pmd, in, batch);
        *batch = (struct batch) { i, i, run->flow, program, 0, 0 };
    }
    batch->end += n;
    batch->n_bytes += n_bytes;
    batch->tcp_flags |= run->tcp_flags;
}

/* Returns how many of the 'n' frames come before one with an odd checksum, and
 * stores the sum of their lengths. */
static inline unsigned int
count_even(struct vhost_frame *const frames[], unsigned int n,
           uint64_t *n_bytes)
{
    uint64_t sum = 0;
    unsigned int i;

    for (i = 0; i < n && !has_odd_csum(frames[i]); i++) {
        sum += vhost_frame_len(frames[i]);
    }
    *n_bytes = sum;
    return i;
}

/* Returns true if an earlier frame of the same microflow is at the upcall
 * threads, so that 'frame' has to wait; then it has been queued. */
static bool
wait_for_earlier(struct pmd *pmd, const struct vhost_frame *frame,
                 struct port *in, struct batch *batch)
{
    struct flow_key key;

    if (has_odd_csum(frame)) {
        return false;
    }
    frame_key(pmd, frame, in, &key);
    if (!upcall_client_holds(pmd->client, &key)) {
        return false;
    }
    finish_batch(pmd, in, batch);
    flush(pmd);
    side_road_miss(pmd, leave_main_road(pmd, frame, in), &key, in);
    perf_lap(pmd, PMD_STAGE_SIDE_ROAD);
    return true;
}

/* Puts 'frame', whose flow is 'flow' if that is known, aside for the side
 * road. */
static void
execute_aside(struct pmd *pmd, struct port *in,
              const struct vhost_frame *frame, struct megaflow *flow)
{
    struct main_road *mr = pmd->main;

    mr->aside_flows[dp_packet_batch_size(&mr->aside)]
        = has_odd_csum(frame) ? NULL : flow;
    dp_packet_batch_add(&mr->aside, leave_main_road(pmd, frame, in));
    perf_lap(pmd, PMD_STAGE_SIDE_ROAD);
}

/* Sends what was put aside, and what the side road has to send. */
static void
flush_aside(struct pmd *pmd, struct port *in)
{
    struct main_road *mr = pmd->main;

    if (!dp_packet_batch_is_empty(&mr->aside)) {
        side_road_forward(pmd, &mr->aside, in, mr->aside_flows);
        dp_packet_batch_init(&mr->aside);
    }
    if (pmd->n_side_outputs) {
        side_road_flush(pmd);
        perf_lap(pmd, PMD_STAGE_SIDE_ROAD);
    }
}

/* Executes frames 'i' to 'run->end' - 1.  'waiting' says that frames may have
 * to wait.  Returns how many took the main road. */
static unsigned int
execute_run(struct pmd *pmd, struct port *in, const struct flow_cache_run *run,
            unsigned int i, struct batch *batch, bool *waiting)
{
    /* The flow may get another program at any time, so it is this one that is
     * to be run. */
    const struct action_program *program = direct_program(run->flow);
    struct main_road *mr = pmd->main;
    unsigned int n_main = 0;

    if (OVS_LIKELY(program && !program->edits && !*waiting
                   && dp_packet_batch_is_empty(&mr->aside))) {
        uint64_t n_bytes;

        n_main = count_even(&mr->burst.frames[i], run->end - i, &n_bytes);
        if (OVS_LIKELY(n_main)) {
            add_to_batch(pmd, in, batch, i, n_main, n_bytes, run, program);
            i += n_main;
        }
    }
    for (; i < run->end; i++) {
        struct vhost_frame *frame = mr->burst.frames[i];
        bool stays = takes_main_road(program, frame, run->key->shape,
                                     &mr->layers[i]);

        if (stays && OVS_UNLIKELY(!dp_packet_batch_is_empty(&mr->aside))) {
            flush_aside(pmd, in);
            *waiting = upcall_client_has_pending(pmd->client, in->port_no);
        }
        if (OVS_UNLIKELY(*waiting)
            && wait_for_earlier(pmd, frame, in, batch)) {
            continue;
        }
        if (OVS_LIKELY(stays)) {
            add_to_batch(pmd, in, batch, i, 1,
                         vhost_frame_len(frame), run, program);
            n_main++;
        } else {
            finish_batch(pmd, in, batch);
            flush(pmd);
            execute_aside(pmd, in, frame, run->flow);
        }
    }
    return n_main;
}

static void
execute(struct pmd *pmd, struct port *in)
{
    struct main_road *mr = pmd->main;
    struct batch batch = { .end = 0 };
    unsigned int n_main = 0, i = 0;
    bool waiting;

    dp_packet_batch_init(&mr->aside);
    waiting = upcall_client_has_pending(pmd->client, in->port_no);
    for (unsigned int j = 0; j < mr->lookup.n_runs; j++) {
        const struct flow_cache_run *run = &mr->lookup.runs[j];

        n_main += execute_run(pmd, in, run, i, &batch, &waiting);
        i = run->end;
    }
    finish_batch(pmd, in, &batch);
    pmd_count(pmd, PMD_MAIN_ROAD, n_main);
    pmd_count(pmd, PMD_SIDE_ROAD, mr->burst.n - n_main);
    port_count(&port_books(in, pmd->slot)->rx_main_road, n_main);
}

unsigned int
main_road_poll(struct pmd *pmd, struct port *in, unsigned int qid)
{
    struct main_road *mr = pmd->main;
    unsigned int n;

    vhost_enter();
    n = vhost_peek(in->vhost, qid, &mr->burst);
    if (n) {
        perf_lap(pmd, PMD_STAGE_PEEK);
        pmd_count(pmd, PMD_RX, n);
        pmd_count(pmd, PMD_BURSTS, 1);
        port_count(&port_books(in, pmd->slot)->rx, n);

        classify(pmd, in);
        perf_lap(pmd, PMD_STAGE_CLASSIFY);
        execute(pmd, in);
        flush(pmd);
        flush_aside(pmd, in);
    }
    vhost_release(in->vhost, qid, &mr->burst);
    vhost_exit();
    perf_lap(pmd, n ? PMD_STAGE_RELEASE : PMD_STAGE_EMPTY);
    return n;
}
