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

/* Copies 'frame' into a dp_packet received on 'in', for the side road. */
static struct dp_packet *
leave_main_road(struct pmd *pmd, const struct vhost_frame *frame,
                const struct port *in)
{
    pmd_count(pmd, PMD_PACKETS_MADE, 1);
    pmd_count(pmd, PMD_COPIES, 1);
    port_count(&port_books(in, pmd->slot)->copies, 1);
    return frame_to_packet(frame, in->port_no);
}

static void
frame_key(struct pmd *pmd, const struct vhost_frame *frame,
          const struct port *in, struct flow_key *key)
{
    struct dp_packet *packet;

    if (flow_key_extract_head(frame->data, frame->data_len,
                              frame->data_len + frame->tail_len, in->port_no,
                              key)) {
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

/* Stores the megaflow of each frame, or NULL, in main->lookup. */
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
            frame->data, frame->data_len + frame->tail_len,
        };
    }
    n_hits = flow_cache_lookup(cache, in->port_no, lookup, n);
    for (unsigned int i = 0; OVS_UNLIKELY(n_hits < n) && i < n; i++) {
        if (!lookup->flows[i]) {
            lookup->flows[i] = classify_slowly(pmd, cache, mr->burst.frames[i],
                                               in, lookup->keys[i],
                                               &lookup->tcp_flags[i]);
        }
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
    for (unsigned int i = 0; i < n; i++) {
        output->frames[output->n + i] = (OVS_UNLIKELY(edits_follow)
                                         ? clone_frame(mr, frames[i])
                                         : frames[i]);
    }
    output->n += n;
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
        perf_lap(pmd, PMD_STAGE_EXECUTE);
        for (unsigned int i = 0; i < n; i++) {
            side_road_output(pmd, leave_main_road(pmd, frames[i], in), out);
        }
        perf_lap(pmd, PMD_STAGE_SIDE_ROAD);
    }
}

/* Returns the port 'port_no', or NULL.  Most frames of a burst go the same
 * way. */
static inline struct port *
find_output(struct pmd *pmd, odp_port_t port_no)
{
    struct main_road *mr = pmd->main;

    if (OVS_UNLIKELY(port_no != mr->out_no)) {
        mr->out_no = port_no;
        mr->out = port_table_find_output(pmd->env->ports, port_no);
    }
    return mr->out;
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

/* Returns the program of 'flow' if it leads 'frame', of 'shape', along the
 * main road, or NULL, and tells the 'layers' that it edits.  The flow may get
 * another program at any time, so it is this one that is to be run. */
static inline const struct action_program *
main_road_program(const struct megaflow *flow,
                  const struct vhost_frame *frame, uint32_t shape,
                  struct action_layers *layers)
{
    const struct action_program *program;

    if (!flow || has_odd_csum(frame)) {
        return NULL;
    }
    program = megaflow_program(flow);
    return (program->direct
            && (!program->edits
                || (!frame->offload.csum
                    && action_program_fits(program, frame,
                                           flow_shape_headers(shape),
                                           layers)))
            ? program : NULL);
}

/* Frames in a row of which one program of one flow is to be run: numbers
 * 'first' to 'end' - 1 of the burst. */
struct run {
    unsigned int first, end;
    struct megaflow *flow;
    const struct action_program *program;
    uint64_t n_bytes;
    uint16_t tcp_flags;         /* Bitwise OR. */
};

/* Takes the frames of 'run' to their outputs and makes it empty. */
static void
finish_run(struct pmd *pmd, struct port *in, struct run *run)
{
    struct vhost_frame *const *frames = &pmd->main->burst.frames[run->first];
    struct port_books *books = port_books(in, pmd->slot);
    unsigned int n = run->end - run->first;
    int fate;

    if (!n) {
        return;
    }
    fate = run_program(pmd, run->program, in, frames,
                       &pmd->main->layers[run->first], n);
    if (fate == PORT_DROP_ACTION) {
        action_program_count_drops(run->program, n);
    }
    megaflow_count(run->flow, pmd->slot, n, run->n_bytes, run->tcp_flags,
                   pmd->now);
    port_count(fate < 0 ? &books->forwarded : &books->dropped[fate], n);
    run->first = run->end;
}

/* Adds frame number 'i' to 'run', or finishes that and begins another one. */
static inline void
add_to_run(struct pmd *pmd, struct port *in, struct run *run, unsigned int i,
           struct megaflow *flow, const struct action_program *program)
{
    const struct vhost_frame *frame = pmd->main->burst.frames[i];

    if (OVS_UNLIKELY(run->end != i || run->flow != flow
                     || run->program != program)) {
        finish_run(pmd, in, run);
        *run = (struct run) { i, i, flow, program, 0, 0 };
    }
    run->end++;
    run->n_bytes += frame->data_len + frame->tail_len;
    run->tcp_flags |= pmd->main->lookup.tcp_flags[i];
}

/* Returns true if an earlier frame of the same microflow is at the upcall
 * threads, so that 'frame' has to wait; then it has been queued. */
static bool
wait_for_earlier(struct pmd *pmd, const struct vhost_frame *frame,
                 struct port *in, struct run *run)
{
    struct flow_key key;

    if (has_odd_csum(frame)) {
        return false;
    }
    frame_key(pmd, frame, in, &key);
    if (!upcall_client_holds(pmd->client, &key)) {
        return false;
    }
    finish_run(pmd, in, run);
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

static void
execute(struct pmd *pmd, struct port *in)
{
    struct main_road *mr = pmd->main;
    struct run run = { .end = 0 };
    unsigned int n_main = 0;
    bool waiting;               /* May a frame have to wait? */

    mr->out_no = ODPP_NONE;
    mr->out = NULL;
    dp_packet_batch_init(&mr->aside);
    waiting = upcall_client_has_pending(pmd->client, in->port_no);
    for (unsigned int i = 0; i < mr->burst.n; i++) {
        struct vhost_frame *frame = mr->burst.frames[i];
        struct megaflow *flow = mr->lookup.flows[i];
        const struct action_program *program;

        program = main_road_program(flow, frame, mr->lookup.keys[i]->shape,
                                    &mr->layers[i]);
        if (OVS_LIKELY(program)
            && OVS_UNLIKELY(!dp_packet_batch_is_empty(&mr->aside))) {
            flush_aside(pmd, in);
            waiting = upcall_client_has_pending(pmd->client, in->port_no);
        }
        if (OVS_UNLIKELY(waiting)
            && wait_for_earlier(pmd, frame, in, &run)) {
            continue;
        }
        if (OVS_LIKELY(program)) {
            add_to_run(pmd, in, &run, i, flow, program);
            n_main++;
        } else {
            finish_run(pmd, in, &run);
            flush(pmd);
            execute_aside(pmd, in, frame, flow);
        }
    }
    finish_run(pmd, in, &run);
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
        pmd->now = time_msec();
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
