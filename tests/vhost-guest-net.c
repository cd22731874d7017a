/*
 * Copyright (c) 2026 The OVS-Accel Authors.
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
#include "vhost-guest.h"

#include <errno.h>

#include "dp-packet.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "pcap-file.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(vhost_guest_net);

#define RX_BATCH 64             /* Frames taken from a queue at a time. */
#define DEV_EVERY 64            /* Runs between looks at the socket. */
#define RATE_SLACK_US 20000     /* How much of a delay a job makes up for. */

/* Queues. */

/* Cuts the areas for the buffers of 'q', 'room' bytes each, from all regions
 * of guest memory. */
static int
queue_open(struct vg_queue *q, struct vg_dev *dev, unsigned int ring,
           size_t room)
{
    uint16_t size = dev->config.ring_size;

    q->ring = &dev->rings[ring];
    q->bufs = xcalloc(size, sizeof *q->bufs);
    q->free = xcalloc(size, sizeof *q->free);
    q->stride = ROUND_UP(room + VG_LAYOUT_SLACK, 64);
    for (unsigned int i = 0; i < dev->mem.n_regions; i++) {
        q->areas[i] = vg_mem_alloc(&dev->mem, i, q->stride * size);
        if (!q->areas[i]) {
            return ENOMEM;
        }
    }
    return 0;
}

static void
queue_reset(struct vg_queue *q)
{
    for (q->n_free = 0; q->n_free < q->ring->size; q->n_free++) {
        q->free[q->n_free] = &q->bufs[q->n_free];
    }
}

static void
queue_give(struct vg_queue *q, struct vg_buf *buf)
{
    q->free[q->n_free++] = buf;
}

/* Adds the next free buffer of 'q', laid out over 'len' bytes, to its ring.
 * The first 'n_iov' pieces of its contents come from 'iov'. */
static int
queue_add(struct vg_queue *q, struct vg_dev *dev,
          const struct vg_layout *layout, size_t len, bool writable,
          const struct iovec *iov, size_t n_iov)
{
    unsigned int n_areas = dev->mem.n_regions;
    char *areas[VG_MAX_REGIONS];
    struct vg_buf *buf;
    size_t index, ofs = 0;
    int error;

    if (!q->n_free) {
        return EAGAIN;
    }
    buf = q->free[q->n_free - 1];
    index = buf - q->bufs;
    for (unsigned int i = 0; i < n_areas; i++) {
        areas[i] = q->areas[(index + i) % n_areas] + index * q->stride;
    }
    vg_layout_apply(layout, areas, n_areas, len,
                    vg_dev_has(dev, VIRTIO_RING_F_INDIRECT_DESC), buf);
    buf->writable = writable;
    for (size_t i = 0; i < n_iov; i++) {
        vg_buf_write(buf, ofs, iov[i].iov_base, iov[i].iov_len);
        ofs += iov[i].iov_len;
    }
    error = vg_ring_add(q->ring, buf);
    if (!error) {
        q->n_free--;
    }
    return error;
}

/* Transmission. */

static bool
tx_reap(struct vg_net *net, struct vg_queue *q)
{
    struct vg_buf *buf;
    uint32_t len;
    bool any = false;

    while ((buf = vg_ring_get(q->ring, &len))) {
        net->counters.tx_used++;
        if (!vg_bounce_done(net, buf)) {
            queue_give(q, buf);
        }
        any = true;
    }
    return any;
}

static int
tx_put(struct vg_net *net, struct vg_queue *q,
       const struct virtio_net_hdr_mrg_rxbuf *hdr,
       const struct vg_layout *layout, uint8_t *frame, size_t len)
{
    struct iovec iov[2] = {
        { CONST_CAST(struct virtio_net_hdr_mrg_rxbuf *, hdr), VG_HDR_LEN },
        { frame, len },
    };
    int error = queue_add(q, &net->dev, layout, VG_HDR_LEN + len, false,
                          iov, 2);

    if (!error) {
        net->counters.tx_frames++;
        net->counters.tx_bytes += len;
        q->frames++;
    }
    return error;
}

/* Sends the answer in 'tx_scratch' on the transmit side of 'q'. */
static void
tx_answer(struct vg_net *net, const struct vg_queue *rxq, size_t len)
{
    static const struct virtio_net_hdr_mrg_rxbuf hdr;
    static const struct vg_layout single = { .kind = VG_SINGLE };
    struct vg_queue *txq = &net->txqs[rxq - net->rxqs];

    tx_reap(net, txq);
    if (tx_put(net, txq, &hdr, &single, net->tx_scratch, len)) {
        net->counters.unanswered++;
    } else {
        net->counters.answered++;
    }
}

/* Reception. */

static void
rx_error(struct vg_net *net, const char *what)
{
    net->counters.rx_errors++;
    ovs_strlcpy(net->rx_error, what, sizeof net->rx_error);
}

static void
rx_keep(struct vg_net *net, const struct virtio_net_hdr *hdr,
        const uint8_t *data, size_t len)
{
    struct vg_frame *f = &net->kept[net->n_kept++ % net->config.n_kept];

    if (!f->data || f->len < len) {
        free(f->data);
        f->data = xmalloc(len);
    }
    memcpy(f->data, data, len);
    f->len = len;
    f->hdr = *hdr;
}

static void
rx_verify(struct vg_net *net, unsigned int ring, const uint8_t *data,
          size_t len)
{
    struct vg_counters *c = &net->counters;
    struct vg_mark mark;
    struct vg_track **track, old;

    switch (vg_frame_check(data, len, &mark)) {
    case VG_FOREIGN:
        c->rx_foreign++;
        break;

    case VG_CORRUPT:
        c->rx_corrupt++;
        break;

    case VG_GOOD:
        track = &net->tracks[mark.generator];
        if (!*track) {
            *track = vg_track_create(net->dev.config.n_pairs > 1);
        }
        old = **track;
        vg_track_note(*track, &mark, ring);
        c->rx_good += (*track)->good - old.good;
        c->rx_duplicate += (*track)->duplicate - old.duplicate;
        c->rx_reordered += (*track)->reordered - old.reordered;
        c->rx_crossed += (*track)->crossed - old.crossed;
        c->rx_moves = MAX(c->rx_moves, (*track)->moves);
        if (net->ping && mark.generator == net->ping->stream.generator) {
            vg_ping_note(net->ping, mark.seq);
        }
        break;

    default:
        OVS_NOT_REACHED();
    }
}

static void
rx_deliver(struct vg_net *net, struct vg_queue *q,
           const struct virtio_net_hdr *hdr, const uint8_t *data, size_t len)
{
    net->counters.rx_frames++;
    net->counters.rx_bytes += len;
    q->frames++;
    if (net->config.n_kept) {
        rx_keep(net, hdr, data, len);
    }
    if (net->record) {
        struct dp_packet packet;

        dp_packet_use_const(&packet, data, len);
        ovs_pcap_write(net->record, &packet);
    }
    rx_verify(net, q - net->rxqs, data, len);

    if ((net->echo || net->respond) && len >= ETH_HEADER_LEN
        && len <= net->config.max_frame) {
        uint8_t *tx = net->tx_scratch;

        memcpy(tx, data, len);
        if (net->respond && vg_respond(&net->responder, tx, len)) {
            tx_answer(net, q, len);
        } else if (net->echo) {
            memcpy(tx, data + ETH_ADDR_LEN, ETH_ADDR_LEN);
            memcpy(tx + ETH_ADDR_LEN, data, ETH_ADDR_LEN);
            tx_answer(net, q, len);
        }
    }
}

/* Collects the rest of a frame that spans 'n' buffers; '*len' bytes of it are
 * in 'rx_scratch' already.  Returns false if it is no proper frame. */
static bool
rx_merge(struct vg_net *net, struct vg_queue *q, unsigned int n, size_t *len)
{
    bool fits = true;

    for (unsigned int i = 1; i < n; i++) {
        uint32_t part;
        struct vg_buf *buf = vg_ring_get(q->ring, &part);

        if (!buf) {
            rx_error(net, "fewer used buffers than num_buffers says");
            return false;
        }
        fits = fits && part <= VG_MAX_FRAME - *len;
        if (fits) {
            vg_buf_read(buf, 0, net->rx_scratch + *len, part);
            *len += part;
        }
        queue_give(q, buf);
    }
    if (!fits) {
        rx_error(net, "frame of more than 64 KiB");
    }
    return fits;
}

/* Does 'hdr' ask for nothing but what was negotiated? */
static bool
rx_hdr_is_ok(const struct vg_dev *dev, const struct virtio_net_hdr *hdr)
{
    bool csum = hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;

    if (hdr->flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM
        || (csum && !vg_dev_has(dev, VIRTIO_NET_F_GUEST_CSUM))) {
        return false;
    }
    if (hdr->gso_type & VIRTIO_NET_HDR_GSO_ECN
        && (hdr->gso_type == VIRTIO_NET_HDR_GSO_ECN
            || !vg_dev_has(dev, VIRTIO_NET_F_GUEST_ECN))) {
        return false;
    }
    switch (hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE:
        return true;
    case VIRTIO_NET_HDR_GSO_TCPV4:
        return csum && vg_dev_has(dev, VIRTIO_NET_F_GUEST_TSO4);
    case VIRTIO_NET_HDR_GSO_TCPV6:
        return csum && vg_dev_has(dev, VIRTIO_NET_F_GUEST_TSO6);
    default:
        return false;
    }
}

/* Sends the frame in 'buf' and the 'n' - 1 used buffers behind it back. */
static void
rx_bounce(struct vg_net *net, struct vg_queue *q, struct vg_buf *buf,
          uint32_t used, unsigned int n)
{
    struct vg_queue *txq = &net->txqs[q - net->rxqs];
    size_t len;

    if (n > VG_MAX_SEGS) {
        rx_error(net, "frame in more buffers than can bounce");
        queue_give(q, buf);
        return;
    }
    tx_reap(net, txq);
    len = vg_bounce_frame(net, q, buf, used, n);
    if (!len) {
        net->counters.unanswered++;
        return;
    }
    net->counters.answered++;
    net->counters.rx_frames++;
    net->counters.rx_bytes += len;
    net->counters.tx_frames++;
    net->counters.tx_bytes += len;
    q->frames++;
    txq->frames++;
}

/* Takes one frame from 'q'.  Returns false if there is none. */
static bool
rx_take(struct vg_net *net, struct vg_queue *q)
{
    struct virtio_net_hdr_mrg_rxbuf hdr;
    unsigned int n = 1;
    uint32_t used;
    struct vg_buf *buf = vg_ring_get(q->ring, &used);
    size_t len;

    if (!buf) {
        return false;
    }
    if (used < VG_HDR_LEN || used - VG_HDR_LEN > VG_MAX_FRAME) {
        rx_error(net, "used length is not that of a header and a frame");
        queue_give(q, buf);
        return true;
    }
    len = used - VG_HDR_LEN;
    vg_buf_read(buf, 0, &hdr, sizeof hdr);
    if (!rx_hdr_is_ok(&net->dev, &hdr.hdr)) {
        rx_error(net, "header asks for offloads that were not negotiated");
    }
    if (vg_dev_has(&net->dev, VIRTIO_NET_F_MRG_RXBUF)) {
        n = hdr.num_buffers;
        if (!n) {
            rx_error(net, "num_buffers is 0");
        }
    }
    if (net->bounce) {
        rx_bounce(net, q, buf, used, n);
    } else if (n <= 1 && buf->n_segs == 1
        && !((uintptr_t) buf->segs[0].iov_base % sizeof(uint32_t))) {
        rx_deliver(net, q, &hdr.hdr,
                   (uint8_t *) buf->segs[0].iov_base + VG_HDR_LEN, len);
        queue_give(q, buf);
    } else {
        vg_buf_read(buf, VG_HDR_LEN, net->rx_scratch, len);
        queue_give(q, buf);
        if (rx_merge(net, q, n, &len)) {
            rx_deliver(net, q, &hdr.hdr, net->rx_scratch, len);
        }
    }
    return true;
}

static void
rx_fill(struct vg_net *net, struct vg_queue *q)
{
    if (!net->hold_rx && net->link == VG_UP) {
        while (!queue_add(q, &net->dev, &net->config.rx_layout,
                          net->config.rx_size, true, NULL, 0)) {
            continue;
        }
        vg_ring_publish(q->ring);
    }
}

/* Jobs. */

/* Returns how many frames 'job' may send now.  What it could not send in time
 * is not made up for later, except for a little. */
static uint64_t
job_allowance(struct vg_job *job)
{
    uint64_t n = MIN(job->burst, job->count - job->sent);

    if (job->rate) {
        long long int now = time_usec();
        uint64_t most = MAX(job->rate * RATE_SLACK_US, 1000000);

        job->credit += (now - job->refilled) * job->rate;
        job->credit = MIN(job->credit, most);
        job->refilled = now;
        n = MIN(n, job->credit / 1000000);
    }
    return n;
}

static int
job_put(struct vg_net *net, struct vg_job *job)
{
    unsigned int flow = (job->n_frames ? 0
                         : net->next_seq % job->stream.n_flows);
    struct vg_queue *q = &net->txqs[job->queue < 0
                                    ? flow % net->dev.n_enabled
                                    : job->queue];
    int error;

    if (job->n_frames) {
        struct vg_frame *f = &job->frames[job->sent % job->n_frames];

        return tx_put(net, q, &job->hdr, &job->layout, f->data, f->len);
    }
    if (!q->n_free) {
        return EAGAIN;
    }
    vg_stream_make(&job->stream, net->next_seq, net->tx_scratch);
    error = tx_put(net, q, &job->hdr, &job->layout, net->tx_scratch,
                   job->stream.size);
    if (!error) {
        net->next_seq = (net->next_seq + 1) % VG_MAX_SEQ;
    }
    return error;
}

/* Sends a burst of the job.  Returns true if a frame was sent. */
static bool
job_run(struct vg_net *net)
{
    struct vg_job *job = net->job;
    uint64_t n = job_allowance(job);
    uint64_t i;

    for (i = 0; i < n && !job_put(net, job); i++) {
        job->sent++;
    }
    job->credit -= job->rate ? i * 1000000 : 0;
    if (i) {
        for (unsigned int q = 0; q < net->dev.n_pairs; q++) {
            vg_ring_publish(net->txqs[q].ring);
        }
    }
    return i > 0;
}

/* Sends the next numbered frame of 'stream' at once, and stores its number in
 * '*seq'. */
int
vg_net_send(struct vg_net *net, const struct vg_stream *stream, uint32_t *seq)
{
    static const struct virtio_net_hdr_mrg_rxbuf hdr;
    static const struct vg_layout single = { .kind = VG_SINGLE };
    int error;

    vg_stream_make(stream, net->next_seq, net->tx_scratch);
    error = tx_put(net, &net->txqs[0], &hdr, &single, net->tx_scratch,
                   stream->size);
    if (!error) {
        *seq = net->next_seq;
        net->next_seq = (net->next_seq + 1) % VG_MAX_SEQ;
        vg_ring_publish(net->txqs[0].ring);
    }
    return error;
}

/* Starts 'job', which vg_net_end_job() gives back.  There must be none. */
void
vg_net_start_job(struct vg_net *net, struct vg_job *job)
{
    ovs_assert(!net->job && !net->ping);
    job->refilled = time_usec();
    job->credit = 0;
    job->sent = 0;
    job->lost_before = net->counters.tx_lost;
    net->job = job;
}

/* Ends the present job, wherever it is, and returns it. */
struct vg_job *
vg_net_end_job(struct vg_net *net)
{
    struct vg_job *job = net->job;

    net->job = NULL;
    return job;
}

/* Returns true if all frames of the job have been sent and the device has
 * given back every transmit buffer, or lost it in a reset. */
bool
vg_net_job_is_done(const struct vg_net *net)
{
    return net->job->sent >= net->job->count && !vg_net_tx_inflight(net);
}

/* Frames that the device has not given back. */
uint64_t
vg_net_tx_inflight(const struct vg_net *net)
{
    const struct vg_counters *c = &net->counters;

    return c->tx_frames - c->tx_used - c->tx_lost;
}

/* The device. */

/* Opens a network device.  On failure stores a message that the caller must
 * free in '*error'; vg_net_close() must follow in any case. */
int
vg_net_open(struct vg_net *net, const struct vg_config *config,
            const struct vg_net_config *net_config, char **error)
{
    int retval;

    memset(net, 0, sizeof *net);
    net->config = *net_config;
    net->tx_scratch = xzalloc(VG_MAX_FRAME);
    net->rx_scratch = xzalloc(VG_MAX_FRAME);
    net->kept = xcalloc(net_config->n_kept, sizeof *net->kept);
    net->rxqs = xcalloc(config->n_pairs, sizeof *net->rxqs);
    net->txqs = xcalloc(config->n_pairs, sizeof *net->txqs);

    retval = vg_dev_open(&net->dev, config, error);
    if (retval) {
        return retval;
    }
    for (unsigned int i = 0; !retval && i < config->n_pairs; i++) {
        retval = queue_open(&net->rxqs[i], &net->dev, 2 * i,
                            net_config->rx_size);
        if (!retval) {
            retval = queue_open(&net->txqs[i], &net->dev, 2 * i + 1,
                                VG_HDR_LEN + net_config->max_frame);
            queue_reset(&net->rxqs[i]);
            queue_reset(&net->txqs[i]);
        }
    }
    if (retval) {
        *error = xstrdup("memory regions are too small for the buffers");
    }
    return retval;
}

void
vg_net_close(struct vg_net *net)
{
    vg_net_clear(net);
    vg_net_record(net, NULL);
    for (unsigned int i = 0; i < net->dev.config.n_pairs; i++) {
        free(net->rxqs[i].bufs);
        free(net->rxqs[i].free);
        free(net->txqs[i].bufs);
        free(net->txqs[i].free);
    }
    for (unsigned int i = 0; i < net->config.n_kept; i++) {
        free(net->kept[i].data);
    }
    vg_dev_close(&net->dev);
    free(net->kept);
    free(net->rxqs);
    free(net->txqs);
    free(net->tx_scratch);
    free(net->rx_scratch);
    vg_bounce_uninit(net);
}

/* Takes what the device has given back by now from all rings. */
static bool
net_drain(struct vg_net *net, unsigned int limit)
{
    bool any = false;

    for (unsigned int i = 0; i < net->dev.n_pairs; i++) {
        struct vg_queue *rxq = &net->rxqs[i];
        unsigned int n = 0;

        while (n < limit && rx_take(net, rxq)) {
            n++;
        }
        if (tx_reap(net, &net->txqs[i]) || n) {
            any = true;
            rx_fill(net, rxq);
        }
        vg_ring_publish(net->txqs[i].ring);
    }
    return any;
}

/* Takes the last used buffers and forgets the others: their rings are about
 * to be reset. */
static void
net_forget(struct vg_net *net)
{
    struct vg_counters *c = &net->counters;

    net->link = VG_DOWN;
    net_drain(net, UINT_MAX);
    c->tx_lost = c->tx_frames - c->tx_used;
    for (unsigned int i = 0; i < net->dev.config.n_pairs; i++) {
        queue_reset(&net->rxqs[i]);
        queue_reset(&net->txqs[i]);
    }
    vg_bounce_reset(net);
}

static void
net_set_link(struct vg_net *net)
{
    if (net->dev.link == VG_DOWN) {
        net_forget(net);
    }
    net->link = net->dev.link;
    for (unsigned int i = 0; i < net->dev.n_pairs; i++) {
        rx_fill(net, &net->rxqs[i]);
    }
}

/* Does what there is to do, in bounded portions.  Returns true if anything
 * moved, so that there may be more at once. */
bool
vg_net_run(struct vg_net *net)
{
    bool any;

    if (net->dev.link == VG_DOWN || !(net->n_runs++ % DEV_EVERY)) {
        vg_dev_run(&net->dev);
    }
    if (net->link != net->dev.link) {
        net_set_link(net);
    }
    if (net->link != VG_UP) {
        return false;
    }
    any = net_drain(net, RX_BATCH);
    if (net->job) {
        any |= job_run(net);
    }
    if (net->ping) {
        any |= vg_ping_run(net);
    }
    for (unsigned int i = 0; i < 2 * net->dev.n_pairs; i++) {
        vg_ring_disarm(&net->dev.rings[i]);
    }
    return any;
}

/* Wakes poll_block() up when vg_net_run() has something to do, by asking the
 * device for calls. */
void
vg_net_wait(struct vg_net *net)
{
    vg_dev_wait(&net->dev);
    if (net->link != VG_UP) {
        return;
    }
    for (unsigned int i = 0; i < 2 * net->dev.n_pairs; i++) {
        struct vg_ring *ring = &net->dev.rings[i];

        if (ring->n_inflight) {
            if (vg_ring_arm(ring)) {
                poll_fd_wait(ring->callfd, POLLIN);
            } else {
                poll_immediate_wake();
            }
        }
    }
    if (net->ping
        || (net->job && net->job->rate && net->job->sent < net->job->count)) {
        poll_timer_wait(1);
    }
}

/* Stops the rings and takes what is in them. */
int
vg_net_stop(struct vg_net *net)
{
    int error = vg_dev_stop(&net->dev);

    net->link = net->dev.link;
    net_drain(net, UINT_MAX);
    if (error) {
        net_forget(net);
    }
    return error;
}

/* Starts stopped rings again, see vg_dev_start(). */
int
vg_net_start(struct vg_net *net, bool reset)
{
    int error;

    if (reset) {
        net_forget(net);
    }
    error = vg_dev_start(&net->dev, reset);
    net_set_link(net);
    return error;
}

/* Stops giving receive buffers to the device, or starts again. */
void
vg_net_hold_rx(struct vg_net *net, bool hold)
{
    net->hold_rx = hold;
    for (unsigned int i = 0; i < net->dev.n_pairs; i++) {
        rx_fill(net, &net->rxqs[i]);
    }
}

/* Writes all frames that are received from now on to pcap file 'file_name'
 * (NULL: no longer), each at once. */
int
vg_net_record(struct vg_net *net, const char *file_name)
{
    if (net->record) {
        ovs_pcap_close(net->record);
        net->record = NULL;
    }
    if (file_name) {
        net->record = ovs_pcap_open(file_name, "wb");
        return net->record ? 0 : errno;
    }
    return 0;
}

/* Starts all books afresh, except for frames that are in flight. */
void
vg_net_clear(struct vg_net *net)
{
    uint64_t inflight = vg_net_tx_inflight(net);

    memset(&net->counters, 0, sizeof net->counters);
    net->counters.tx_frames = inflight;
    if (net->job) {
        net->job->lost_before = 0;
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(net->tracks); i++) {
        vg_track_destroy(net->tracks[i]);
        net->tracks[i] = NULL;
    }
    for (unsigned int i = 0; i < net->dev.config.n_pairs; i++) {
        net->rxqs[i].frames = net->txqs[i].frames = 0;
    }
    net->n_kept = 0;
    net->rx_error[0] = '\0';
}
