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

/* Takes the snapshot of 'frame' out of its chain, leaving the tail, and the
 * header if it is to be read. */
static inline void
frame_snapshot(const struct vhost_ring *ring, struct vhost_frame *frame,
               struct virtio_net_hdr_v1 *hdr)
{
    struct iovec *iov = CONST_CAST(struct iovec *, frame->iov);

    if (OVS_LIKELY(frame->n_iov == 1)) {
        const uint8_t *p = iov->iov_base;

        if (OVS_UNLIKELY(ring->reads_hdr)) {
            /* There is a whole Ethernet header behind it, so this stays
             * within the chain even where the header is shorter. */
            memcpy(hdr, p, sizeof *hdr);
        }
        p += ring->hdr_len;
        copy_head(frame->data, p, frame->data_len);
        iov->iov_base = CONST_CAST(uint8_t *, p) + frame->data_len;
        iov->iov_len = frame->tail_len;
    } else {
        iov_pull(&iov, &frame->n_iov, hdr, ring->hdr_len);
        iov_pull(&iov, &frame->n_iov, frame->data, frame->data_len);
        frame->iov = iov;
    }
    atomic_signal_fence(memory_order_seq_cst);
}

/* Makes a frame of chain 'i' of 'burst'.  Returns the reason for dropping it,
 * or VHOST_N_DROPS. */
static inline enum vhost_drop
frame_init(const struct vhost_ring *ring, struct vhost_burst *burst,
           unsigned int i)
{
    struct vhost_frame *frame = &burst->store[i];
    uint64_t bytes = burst->bytes[i];
    struct virtio_net_hdr_v1 hdr;
    uint32_t len;

    if (OVS_UNLIKELY(burst->fates[i] != VHOST_N_DROPS)) {
        return burst->fates[i];
    } else if (OVS_UNLIKELY(bytes < ring->hdr_len)) {
        return VHOST_RX_BROKEN;
    } else if (OVS_UNLIKELY(bytes > ring->hdr_len + VHOST_MAX_FRAME)) {
        return VHOST_RX_TOO_LONG;
    }
    len = bytes - ring->hdr_len;
    if (OVS_UNLIKELY(len < ETH_HEADER_LEN)) {
        return VHOST_RX_TOO_SHORT;
    }

    frame->data = frame->room + VHOST_HEADROOM;
    frame->data_len = MIN(len, VHOST_SNAPSHOT);
    frame->tail_len = len - frame->data_len;
    frame_snapshot(ring, frame, &hdr);

    frame->offload.csum = false;
    frame->offload.gso = VHOST_GSO_NONE;
    if (OVS_LIKELY(!ring->reads_hdr)) {
        /* It lies in a cache line of its own in many a guest: one less to
         * fetch from the guest's core. */
        return VHOST_N_DROPS;
    }
    if (OVS_UNLIKELY(hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM
                     || hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE)
        && !vhost_offload_from_hdr(&hdr, ring->offloads, frame->data,
                                   frame->data_len, len, &frame->offload)) {
        return VHOST_RX_OFFLOAD;
    }
    return VHOST_N_DROPS;
}

unsigned int
vhost_peek(struct vhost_port *port, unsigned int qid,
           struct vhost_burst *burst)
{
    struct vhost_queue *queue = &port->rx[qid];
    struct vhost_rx_policer *policer;
    struct vhost_ring *ring;
    uint64_t n_bytes = 0;

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
    for (unsigned int i = 0; i < burst->n_chains; i++) {
        enum vhost_drop drop = frame_init(ring, burst, i);

        if (OVS_LIKELY(drop == VHOST_N_DROPS)) {
            burst->frames[burst->n++] = &burst->store[i];
        } else {
            vhost_stat_add(&queue->stats.drops[drop], 1);
        }
    }

    atomic_read_explicit(&port->rx_policer, &policer, memory_order_acquire);
    if (OVS_UNLIKELY(policer)) {
        vhost_rx_policer_run(policer, burst, &queue->stats);
    }

    for (unsigned int i = 0; i < burst->n; i++) {
        n_bytes += burst->frames[i]->data_len + burst->frames[i]->tail_len;
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
