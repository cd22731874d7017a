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

#include <linux/virtio_net.h>
#include <rte_cycles.h>

#include "dp-packet.h"
#include "vhost/offload.h"
#include "vhost/vhost.h"
#include "vhost/vhost-private.h"
#include "vhost/vring-private.h"

/* Writes to pieces of guest memory in turn. */
struct iov_writer {
    const struct iovec *iov;    /* The piece after the current one. */
    uint8_t *p;                 /* Where to write next. */
    size_t left;                /* Room there. */
};

/* Appends the 'n' bytes at 'src', for which there is room. */
static inline void ALWAYS_INLINE
iov_writer_put(struct iov_writer *w, const void *src_, size_t n)
{
    const uint8_t *src = src_;

    while (OVS_UNLIKELY(n > w->left)) {
        if (w->left) {
            copy_piece(w->p, src, w->left);
            src += w->left;
            n -= w->left;
        }
        w->p = w->iov->iov_base;
        w->left = w->iov->iov_len;
        w->iov++;
    }
    copy_piece(w->p, src, n);
    w->p += n;
    w->left -= n;
}

/* Appends the tail of 'frame'. */
static inline void
iov_writer_put_tail(struct iov_writer *w, const struct vhost_frame *frame)
{
    const struct iovec *tail = frame->iov;

    for (uint32_t left = frame->tail_len; left; tail++) {
        uint32_t n = MIN(left, tail->iov_len);

        iov_writer_put(w, tail->iov_base, n);
        left -= n;
    }
}

/* Writes the virtio-net header of 'frame', which goes to 'n_buffers'
 * buffers. */
static void
frame_put_hdr(const struct vhost_ring *ring, const struct vhost_frame *frame,
              struct iov_writer *w, unsigned int n_buffers)
{
    struct virtio_net_hdr_v1 hdr = { .num_buffers = n_buffers };

    if (frame->offload.csum) {
        vhost_offload_to_hdr(&frame->offload, &hdr);
    }
    iov_writer_put(w, &hdr, ring->hdr_len);
}

BUILD_ASSERT_DECL(sizeof(struct virtio_net_hdr_v1) == 12);
BUILD_ASSERT_DECL(offsetof(struct virtio_net_hdr_v1, num_buffers) == 10);

/* After a header that had to be written, so many are written without looking
 * first. */
#define BLIND_HDRS 15

/* Returns true if there is no need to write the usual virtio-net header, which
 * is zero but for its 'end', to the buffer at 'p' on 'ring': it is there.
 *
 * DPDK's driver leaves the header of a received frame as it is, in a cache
 * line of its own, and posts the buffer again.  As long as nobody writes to
 * that line, it need not go from core to core, which is a fourth of the cost
 * of a short frame where cores are far from each other.  It is not prefetched,
 * either: that takes longer than finding it.
 *
 * Where guests do write there, a look takes the line twice.
 *
 * A device should not read such buffers (virtio 1.2, section 2.7.5.1), as
 * there is nothing in them to rely on.  Nor do we: what is found decides only
 * whether the same bytes are written again. */
static inline bool
hdr_is_there(struct vhost_ring *ring, const uint8_t *p, uint32_t end)
{
    if (!vring_hdr_is_apart(ring, p)) {
        return false;
    }
    if (ring->n_blind_hdrs) {
        ring->n_blind_hdrs--;
        return false;
    }
    if (OVS_LIKELY(!(guest_load32(p) | guest_load32(p + 4)
                     | (guest_load32(p + 8) ^ end)))) {
        return true;
    }
    ring->n_blind_hdrs = BLIND_HDRS;
    return false;
}

/* Writes the usual virtio-net header to the buffer at 'p'. */
static inline void ALWAYS_INLINE
put_usual_hdr(struct vhost_ring *ring, uint8_t *p, unsigned int n_buffers)
{
    uint32_t end = n_buffers << 16;

    if (OVS_UNLIKELY(ring->hdr_len != sizeof(struct virtio_net_hdr_v1))) {
        memset(p, 0, sizeof(struct virtio_net_hdr));
    } else if (!hdr_is_there(ring, p, end)) {
        memset(p, 0, 8);
        memcpy(p + 8, &end, sizeof end);
    }
}

/* Writes virtio-net header and 'frame', which asks for nothing special, to the
 * buffer at 'p', in which there is room.
 *
 * Writing to the guest's cache lines takes long, and stores become visible in
 * order.  So nothing here may read in one piece what was just written in
 * several: that would wait for all stores before it. */
static inline void ALWAYS_INLINE
frame_copy_plain(struct vhost_ring *ring, const struct vhost_frame *frame,
                 uint8_t *p)
{
    struct iov_writer w = {
        .p = p + ring->hdr_len + frame->data_len,
        .left = frame->tail_len,
    };

    put_usual_hdr(ring, p, 1);
    copy_head(p + ring->hdr_len, frame->data, frame->data_len);
    iov_writer_put_tail(&w, frame);
}

/* Writes virtio-net header and 'frame' to the buffers that vring_gather()
 * found. */
static inline void
frame_copy_gathered(struct vhost_ring *ring, const struct vhost_frame *frame)
{
    const struct vring_scratch *s = ring->scratch;
    struct iov_writer w = {
        .iov = s->iov + 1,
        .p = s->iov[0].iov_base,
        .left = s->iov[0].iov_len,
    };

    if (OVS_LIKELY(w.left >= ring->hdr_len && !frame->offload.csum)) {
        put_usual_hdr(ring, w.p, s->n_chains);
        w.p += ring->hdr_len;
        w.left -= ring->hdr_len;
    } else {
        frame_put_hdr(ring, frame, &w, s->n_chains);
    }
    iov_writer_put(&w, frame->data, frame->data_len);
    iov_writer_put_tail(&w, frame);
}

void
vhost_tx_begin(struct vhost_port *port, unsigned int qid, struct vhost_tx *tx)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    uint32_t n;

    atomic_read_relaxed(&port->n_tx, &n);
    if (OVS_LIKELY(n)) {
        uint16_t mapped;

        atomic_read_relaxed(&port->tx_map[qid % n], &mapped);
        qid = mapped;
    } else {
        qid = 0;
    }

    tx->port = port;
    tx->queue = &port->tx[qid];
    tx->stats = &tx->queue->stats;
    tx->n_puts = 0;
    tx->n_retries = 0;

    ovs_spin_lock(&tx->queue->lock);
    tx->ring = vhost_queue_get_ring(tx->queue);
    if (tx->ring && (vhost_port_check_ring(port, tx->ring)
                     || !vhost_port_may_run(port))) {
        tx->ring = NULL;
    }
}

/* Lets the guest have what was put so far, and look at it, in the hope that it
 * posts more buffers.  Returns false if that is not worth trying. */
static bool
vhost_tx_retry(struct vhost_tx *tx)
{
    uint32_t max;

    atomic_read_relaxed(&tx->port->tx_retries_max, &max);
    if (!tx->n_puts || tx->n_retries >= max) {
        return false;
    }

    tx->n_puts = 0;
    tx->n_retries++;
    vhost_stat_add(&tx->stats->tx_retries, 1);
    if (vring_publish(tx->ring)) {
        vring_call(tx->ring);
        vhost_stat_add(&tx->stats->notifications, 1);
    }
    return true;
}

/* Finds room for 'bytes' bytes, header included.  Returns VHOST_N_DROPS if
 * there is, or the reason for dropping the frame. */
static inline enum vhost_drop
vhost_tx_gather(struct vhost_tx *tx, uint64_t bytes)
{
    for (;;) {
        switch (vring_gather(tx->ring, bytes)) {
        case VRING_GATHER_OK:
            return VHOST_N_DROPS;

        case VRING_GATHER_TOO_LONG:
            return VHOST_TX_TOO_LONG;

        case VRING_GATHER_MALFORMED:
            return VHOST_TX_BROKEN;

        case VRING_GATHER_EMPTY:
            if (vhost_port_check_ring(tx->port, tx->ring)) {
                tx->ring = NULL;
                return VHOST_TX_BROKEN;
            }
            if (!vhost_tx_retry(tx)) {
                return VHOST_TX_NO_DESC;
            }
            break;
        }
    }
}

/* Decides about a frame of 'len' bytes, the largest segment of which has
 * 'largest'.  Returns VHOST_N_DROPS if there is room for it now, or the reason
 * for dropping it. */
static inline enum vhost_drop
vhost_tx_admit(struct vhost_tx *tx, uint32_t len, uint32_t largest)
{
    struct vhost_policer *policer;
    uint32_t max_frame;

    atomic_read_relaxed(&tx->port->max_frame, &max_frame);
    if (OVS_UNLIKELY(largest > max_frame)) {
        return VHOST_TX_TOO_LONG;
    }
    atomic_read_explicit(&tx->port->tx_policer, &policer,
                         memory_order_acquire);
    if (OVS_UNLIKELY(policer) && !policer->run(policer, len, rte_rdtsc())) {
        return VHOST_TX_POLICED;
    }
    return vhost_tx_gather(tx, (uint64_t) len + tx->ring->hdr_len);
}

/* Copies 'frame' as it is.  Returns VHOST_N_DROPS, or the reason for dropping
 * it. */
static inline enum vhost_drop
vhost_tx_copy(struct vhost_tx *tx, const struct vhost_frame *frame)
{
    uint32_t len = vhost_frame_len(frame);
    enum vhost_drop drop;

    drop = vhost_tx_admit(tx, len, OVS_UNLIKELY(frame->offload.gso)
                                   ? frame->offload.hdr_len
                                     + frame->offload.gso_size : len);
    if (OVS_LIKELY(drop == VHOST_N_DROPS)) {
        frame_copy_gathered(tx->ring, frame);
        vring_commit(tx->ring, (uint64_t) len + tx->ring->hdr_len);
        tx->n_puts++;
    }
    return drop;
}

/* Sends the frame of 'len' bytes in the queue's 'linear' in segments. */
static enum vhost_drop
vhost_tx_segment(struct vhost_tx *tx, const struct vhost_offload *offload,
                 uint32_t len)
{
    OVS_ALIGNED_VAR(8) uint8_t headers[VHOST_MAX_HEADERS];
    uint8_t *linear = tx->queue->linear;
    struct iovec payload;
    struct vhost_frame segment = {
        .data = headers,
        .data_len = offload->hdr_len,
        .iov = &payload,
    };
    enum vhost_drop drop = VHOST_N_DROPS;

    for (uint32_t ofs = offload->hdr_len;
         ofs < len && drop == VHOST_N_DROPS && tx->ring;
         ofs += payload.iov_len) {
        payload.iov_base = linear + ofs;
        payload.iov_len = vhost_offload_segment(offload, linear, len, ofs,
                                                headers);
        segment.tail_len = payload.iov_len;
        drop = vhost_tx_copy(tx, &segment);
    }
    return drop;
}

/* Sends 'frame' after doing what the guest does not do itself. */
static enum vhost_drop
vhost_tx_finish(struct vhost_tx *tx, const struct vhost_frame *frame)
{
    const struct vhost_offload *offload = &frame->offload;
    struct vhost_frame finished = {
        .data = tx->queue->linear,
        .data_len = vhost_frame_len(frame),
    };
    struct iov_writer w = { .p = finished.data, .left = VHOST_MAX_FRAME };

    /* A VLAN tag, say, was pushed onto a frame of the greatest length. */
    if (finished.data_len > VHOST_MAX_FRAME) {
        return VHOST_TX_TOO_LONG;
    }
    iov_writer_put(&w, frame->data, frame->data_len);
    iov_writer_put_tail(&w, frame);
    if (offload->gso != VHOST_GSO_NONE) {
        return vhost_tx_segment(tx, offload, finished.data_len);
    }
    vhost_offload_checksum(offload, finished.data, finished.data_len);
    return vhost_tx_copy(tx, &finished);
}

int
vhost_tx_put(struct vhost_tx *tx, const struct vhost_frame *frame)
{
    enum vhost_drop drop;

    if (OVS_UNLIKELY(!tx->ring)) {
        drop = VHOST_TX_NO_LINK;
    } else if (OVS_UNLIKELY(frame->offload.csum)
               && !vhost_offload_is_served(&frame->offload,
                                           tx->ring->offloads)) {
        drop = vhost_tx_finish(tx, frame);
    } else {
        drop = vhost_tx_copy(tx, frame);
    }

    if (OVS_UNLIKELY(drop != VHOST_N_DROPS)) {
        vhost_stat_add(&tx->stats->drops[drop], 1);
        return drop;
    }
    vhost_stat_add(&tx->stats->packets, 1);
    vhost_stat_add(&tx->stats->bytes, vhost_frame_len(frame));
    return -1;
}

/* Returns how many of the 'n' frames ask for nothing special and have up to
 * 'longest' bytes, up to the first that does or has not, and stores their
 * lengths, headers included. */
static inline unsigned int
tx_count_plain(const struct vhost_tx *tx,
               const struct vhost_frame *const frames[], unsigned int n,
               uint32_t longest, uint32_t lens[])
{
    const uint32_t hdr_len = tx->ring->hdr_len;
    uint32_t max_frame;
    unsigned int i;

    atomic_read_relaxed(&tx->port->max_frame, &max_frame);
    longest = MIN(longest, max_frame);
    for (i = 0; i < n; i++) {
        uint32_t len = vhost_frame_len(frames[i]);

        if (OVS_UNLIKELY(len > longest || frames[i]->offload.csum)) {
            break;
        }
        lens[i] = hdr_len + len;
    }
    return i;
}

/* Puts the first of the 'n' frames, up to VHOST_BURST, as long as they have
 * no more than 'longest' bytes, ask for nothing special, and find a buffer
 * each.  The others have to be looked at more closely.  Returns how many were
 * put.
 *
 * The buffers' first cache lines are on their way while others are filled.
 * The descriptors, of which several share a line that the guest looks at, are
 * written together. */
static unsigned int
tx_put_plain(struct vhost_tx *tx, const struct vhost_frame *const frames[],
             unsigned int n, uint32_t longest)
{
    struct vring_buffer buffers[VHOST_BURST];
    struct vhost_ring *ring = tx->ring;
    uint32_t lens[VHOST_BURST];
    uint64_t n_bytes = 0;

    n = tx_count_plain(tx, frames, MIN(n, VHOST_BURST), longest, lens);
    if (!n) {
        return 0;
    }
    n = vring_take(ring, lens, n, buffers);
    for (unsigned int i = 0; i < n; i++) {
        frame_copy_plain(ring, frames[i], buffers[i].p);
        n_bytes += lens[i];
    }
    vring_give(ring, buffers, lens, n);
    tx->n_puts += n;
    vhost_stat_add(&tx->stats->packets, n);
    vhost_stat_add(&tx->stats->bytes, n_bytes - n * ring->hdr_len);
    return n;
}

/* Returns true if 'frame', which vhost_tx_put() has just put, as it is, took
 * several buffers. */
static bool
tx_was_spread(const struct vhost_tx *tx, const struct vhost_frame *frame)
{
    return (!frame->offload.csum
            && tx->ring->scratch->iov[0].iov_len < tx->ring->hdr_len
                                                   + vhost_frame_len(frame));
}

unsigned int
vhost_tx_put_burst(struct vhost_tx *tx,
                   const struct vhost_frame *const frames[], unsigned int n)
{
    uint32_t longest = UINT32_MAX; /* Longer ones took several buffers. */
    struct vhost_policer *policer;
    unsigned int n_sent = 0;
    bool stalled = false;       /* The last frame found no buffer. */

    atomic_read_explicit(&tx->port->tx_policer, &policer,
                         memory_order_acquire);
    for (unsigned int i = 0; i < n;) {
        unsigned int n_plain = (OVS_LIKELY(tx->ring && !policer && !stalled)
                                ? tx_put_plain(tx, frames + i, n - i, longest)
                                : 0);

        n_sent += n_plain;
        i += n_plain;
        if (OVS_UNLIKELY(i < n && n_plain < VHOST_BURST)) {
            stalled = vhost_tx_put(tx, frames[i]) >= 0;
            n_sent += !stalled;
            if (!stalled && tx_was_spread(tx, frames[i])) {
                longest = MIN(longest, vhost_frame_len(frames[i]) - 1);
            }
            i++;
        }
    }
    return n_sent;
}

void
vhost_tx_end(struct vhost_tx *tx)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    bool call = tx->ring && vring_publish(tx->ring);

    if (call) {
        vhost_stat_add(&tx->stats->notifications, 1);
    }
    ovs_spin_unlock(&tx->queue->lock);

    if (OVS_UNLIKELY(vhost_port_get_broken(tx->port) != NULL)) {
        /* Nobody may come by for long if the guest's queues are asleep. */
        vhost_port_tell_broken(tx->port);
    }

    /* The system call need not hold up others; the ring stays where it is
     * until vhost_exit(). */
    if (call) {
        vring_call(tx->ring);
    }
}
