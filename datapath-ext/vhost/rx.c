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

#include "packets.h"
#include "vhost/offload.h"
#include "vhost/vhost.h"
#include "vhost/vhost-private.h"
#include "vhost/vring-private.h"

BUILD_ASSERT_DECL(VHOST_N_DROPS <= UINT8_MAX);

/* Moves the first 'size' bytes of '*n' pieces at '*iov', which has that many,
 * to 'dst'. */
static inline void
iov_pull(struct iovec **iovp, uint32_t *n, void *dst_, size_t size)
{
    struct iovec *iov = *iovp;
    uint8_t *dst = dst_;

    while (size && size >= iov->iov_len) {
        memcpy(dst, iov->iov_base, iov->iov_len);
        dst += iov->iov_len;
        size -= iov->iov_len;
        iov++;
    }
    if (size) {
        memcpy(dst, iov->iov_base, size);
        iov->iov_base = (uint8_t *) iov->iov_base + size;
        iov->iov_len -= size;
    }
    *n -= iov - *iovp;
    *iovp = iov;
}

/* Takes virtio-net header and snapshot of 'frame' out of its chain, leaving
 * the tail. */
static void
frame_pull(const struct vhost_ring *ring, struct vhost_frame *frame,
           struct virtio_net_hdr_v1 *hdr)
{
    struct iovec *iov = CONST_CAST(struct iovec *, frame->iov);

    iov_pull(&iov, &frame->n_iov, hdr, ring->hdr_len);
    iov_pull(&iov, &frame->n_iov, frame->data, frame->data_len);
    frame->iov = iov;
}

/* Same for a frame in the plain buffer at 'p'; 'tail' is where to say where
 * the tail is.  The header is only copied if it is to be read: it lies in a
 * cache line of its own in many a guest, so this is one less to fetch from the
 * guest's core. */
static inline void
frame_snapshot(const struct vhost_ring *ring, struct vhost_frame *frame,
               const uint8_t *p, struct iovec *tail,
               struct virtio_net_hdr_v1 *hdr)
{
    if (OVS_UNLIKELY(ring->reads_hdr)) {
        /* There is a whole Ethernet header behind it, so this stays within the
         * buffer even where the header is shorter. */
        memcpy(hdr, p, sizeof *hdr);
    }
    p += ring->hdr_len;
    copy_head(frame->data, p, frame->data_len);
    tail->iov_base = CONST_CAST(uint8_t *, p) + frame->data_len;
    tail->iov_len = frame->tail_len;
    frame->iov = tail;
    frame->n_iov = 1;
}

/* Returns the reason for dropping chain 'i' of 'burst', which is not a frame
 * of a length that is served, or of which we know that it is bad. */
static enum vhost_drop
frame_refuse(const struct vhost_ring *ring, const struct vhost_burst *burst,
             unsigned int i)
{
    const struct vring_buffer *buffer = &burst->chains[i];

    if (!buffer->p && burst->fates[i] != VHOST_N_DROPS) {
        return burst->fates[i];
    } else if (buffer->chain.len < ring->hdr_len) {
        return VHOST_RX_BROKEN;
    }
    return (buffer->chain.len < ring->hdr_len + ETH_HEADER_LEN
            ? VHOST_RX_TOO_SHORT : VHOST_RX_TOO_LONG);
}

/* Makes a frame of chain 'i' of 'burst'.  Returns the reason for dropping it,
 * or VHOST_N_DROPS. */
static inline enum vhost_drop ALWAYS_INLINE
frame_init(const struct vhost_ring *ring, struct vhost_burst *burst,
           unsigned int i)
{
    const struct vring_buffer *buffer = &burst->chains[i];
    struct vhost_frame *frame = &burst->store[i];
    /* Wraps around if there is no room for an Ethernet header. */
    uint32_t payload = buffer->chain.len - ring->hdr_len - ETH_HEADER_LEN;
    struct virtio_net_hdr_v1 hdr;
    uint32_t len;

    if (OVS_UNLIKELY(payload > VHOST_MAX_FRAME - ETH_HEADER_LEN
                     || (!buffer->p && burst->fates[i] != VHOST_N_DROPS))) {
        return frame_refuse(ring, burst, i);
    }
    len = payload + ETH_HEADER_LEN;
    frame->data = frame->room + VHOST_HEADROOM;
    frame->data_len = MIN(len, VHOST_SNAPSHOT);
    frame->tail_len = len - frame->data_len;
    if (OVS_LIKELY(buffer->p)) {
        frame_snapshot(ring, frame, buffer->p, &burst->tails[i], &hdr);
    } else {
        frame_pull(ring, frame, &hdr);
    }
    /* Guest memory is not read again in place of what was copied. */
    atomic_signal_fence(memory_order_seq_cst);

    frame->offload.csum = false;
    frame->offload.gso = VHOST_GSO_NONE;
    if (OVS_UNLIKELY(ring->reads_hdr)
        && OVS_UNLIKELY(hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM
                        || hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE)
        && !vhost_offload_from_hdr(&hdr, ring->offloads, frame->data,
                                   frame->data_len, len, &frame->offload)) {
        return VHOST_RX_OFFLOAD;
    }
    return VHOST_N_DROPS;
}

/* Makes frames of the chains of 'burst', and drops those of which there are
 * none.  Returns the sum of the frames' lengths. */
static uint64_t
burst_init(struct vhost_burst *burst, struct vhost_queue_stats *stats)
{
    const struct vhost_ring *ring = burst->ring;
    uint64_t n_bytes = 0;
    unsigned int n = 0;

    for (unsigned int i = 0; i < burst->n_chains; i++) {
        enum vhost_drop drop = frame_init(ring, burst, i);

        if (OVS_LIKELY(drop == VHOST_N_DROPS)) {
            burst->frames[n++] = &burst->store[i];
            n_bytes += burst->chains[i].chain.len;
        } else {
            vhost_stat_add(&stats->drops[drop], 1);
        }
    }
    burst->n = n;
    return n_bytes - n * ring->hdr_len;
}

unsigned int
vhost_peek(struct vhost_port *port, unsigned int qid,
           struct vhost_burst *burst)
{
    struct vhost_queue *queue = &port->rx[qid];
    struct vhost_rx_policer *policer;
    struct vhost_ring *ring;
    uint64_t n_bytes;

    burst->n = 0;
    burst->n_chains = 0;
    burst->ring = NULL;
    ring = vhost_queue_get_ring(queue);
    if (!ring || !vhost_port_may_run(port)) {
        return 0;
    }

    vring_peek(ring, burst);
    if (vhost_port_check_ring(port, ring) || !burst->n_chains) {
        return 0;
    }

    burst->ring = ring;
    n_bytes = burst_init(burst, &queue->stats);

    atomic_read_explicit(&port->rx_policer, &policer, memory_order_acquire);
    if (OVS_UNLIKELY(policer)) {
        n_bytes -= vhost_rx_policer_run(policer, burst, &queue->stats);
    }
    vhost_stat_add(&queue->stats.packets, burst->n);
    vhost_stat_add(&queue->stats.bytes, n_bytes);
    return burst->n;
}

void
vhost_release(struct vhost_port *port, unsigned int qid,
              struct vhost_burst *burst)
{
    if (burst->ring && vring_release(burst->ring, burst)) {
        vring_call(burst->ring);
        vhost_stat_add(&port->rx[qid].stats.notifications, 1);
    }
}
