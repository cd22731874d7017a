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

/* Frames as dp_packets, and back
 * ==============================
 *
 * What a polling thread makes of a guest's frames it mostly frees a moment
 * later, when it has put them into another guest's ring.  So each thread keeps
 * a few dp_packets for the next burst: malloc() is not made for that.
 *
 * Netdevs of other classes free what they send by themselves.  So what goes
 * straight to one of them is an mbuf from a pool, of which DPDK keeps some for
 * each thread.  A netdev of class "dpdk" sends that as it is, where it would
 * have to copy another dp_packet into an mbuf of its own.  But OVS aborts
 * where an mbuf lacks room (dp_packet_resize()), so that packets with which
 * more is to be done are none. */

#include <rte_errno.h>
#include <rte_mbuf.h>

#include "dp-packet.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "vhost/offload.h"
#include "vhost/vhost.h"
#include "vhost/vhost-private.h"
#include "vhost/vring-private.h"

VLOG_DEFINE_THIS_MODULE(vhost_packet);

/* Bytes of a packet that is kept: enough for frames of the common MTU with
 * room for headers before them. */
#define KEPT_SIZE 2048

/* Mbufs of all polling threads, 24 MB of them, and of these how many a thread
 * has at hand, roughly.  Devices of DPDK may hold more than there are, as they
 * free what they have sent when they need the room: then other frames are
 * copied into packets of the usual kind. */
#define N_MBUFS 8191
#define N_MBUFS_AT_HAND 128
#define MBUF_SIZE 2048          /* Bytes of each, and as many of headroom as
                                 * all mbufs have. */

struct kept_packets {
    unsigned int n;
    struct dp_packet *packets[2 * VHOST_BURST];
};

static void
free_kept(void *kept_)
{
    struct kept_packets *kept = kept_;

    while (kept->n) {
        dp_packet_delete(kept->packets[--kept->n]);
    }
    free(kept);
}

/* Makes 'kept' be freed when the calling thread ends. */
static void
free_kept_finally(struct kept_packets *kept)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static ovsthread_key_t key;

    if (ovsthread_once_start(&once)) {
        ovsthread_key_create(&key, free_kept);
        ovsthread_once_done(&once);
    }
    ovsthread_setspecific(key, kept);
}

/* Returns what the calling thread keeps. */
static inline struct kept_packets *
get_kept(void)
{
    static thread_local struct kept_packets *kept;

    if (OVS_UNLIKELY(!kept)) {
        kept = xzalloc(sizeof *kept);
        free_kept_finally(kept);
    }
    return kept;
}

/* Returns an empty packet with room for 'len' bytes and VHOST_TAILROOM behind
 * 'headroom', which is less for the longest frames: OVS counts the bytes of a
 * buffer in 16 bits. */
static struct dp_packet *
new_packet(struct kept_packets *kept, size_t len, size_t headroom)
{
    struct dp_packet *packet;
    size_t size;

    headroom = len < UINT16_MAX ? MIN(headroom, UINT16_MAX - len) : 0;
    size = headroom + len + VHOST_TAILROOM;
    if (OVS_LIKELY(kept->n && size <= KEPT_SIZE)) {
        packet = kept->packets[--kept->n];
        dp_packet_use(packet, dp_packet_base(packet), KEPT_SIZE);
    } else {
        size = MAX(size, KEPT_SIZE);
        packet = dp_packet_new(size);
        dp_packet_set_allocated(packet, MIN(size, UINT16_MAX));
    }
    dp_packet_set_data(packet, (uint8_t *) dp_packet_base(packet) + headroom);
    return packet;
}

/* Copies 'frame' into 'packet', in which there is room. */
static void
fill_packet(struct dp_packet *packet, const struct vhost_frame *frame)
{
    uint8_t *p = dp_packet_data(packet);

    copy_head(p, frame->data, frame->data_len);
    p += frame->data_len;
    for (uint32_t i = 0; i < frame->n_iov; i++) {
        memcpy(p, frame->iov[i].iov_base, frame->iov[i].iov_len);
        p += frame->iov[i].iov_len;
    }
    dp_packet_set_size(packet, p - (uint8_t *) dp_packet_data(packet));
    vhost_offload_to_packet(&frame->offload, packet);
}

struct dp_packet *
vhost_frame_to_packet(const struct vhost_frame *frame, size_t headroom)
{
    struct dp_packet *packet = new_packet(get_kept(), vhost_frame_len(frame),
                                          headroom);

    fill_packet(packet, frame);
    return packet;
}

/* The pool of mbufs, or NULL if DPDK has no memory for it. */
static struct rte_mempool *mbufs;

static void
init_mbuf(struct rte_mempool *pool OVS_UNUSED, void *aux OVS_UNUSED,
          void *packet, unsigned int i OVS_UNUSED)
{
    dp_packet_init_dpdk(packet);
}

void
vhost_packet_init(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;

    if (!ovsthread_once_start(&once)) {
        return;
    }
    mbufs = rte_pktmbuf_pool_create("ovs-accel", N_MBUFS, N_MBUFS_AT_HAND,
                                    sizeof(struct dp_packet)
                                    - sizeof(struct rte_mbuf),
                                    RTE_PKTMBUF_HEADROOM + MBUF_SIZE,
                                    SOCKET_ID_ANY);
    if (mbufs) {
        rte_mempool_obj_iter(mbufs, init_mbuf, NULL);
    } else {
        VLOG_WARN("DPDK has no memory for %d mbufs (%s), so what guests send "
                  "to physical ports is copied twice; give it 24 MB more by "
                  "other_config:dpdk-socket-mem and restart ovs-vswitchd",
                  N_MBUFS, rte_strerror(rte_errno));
    }
    ovsthread_once_done(&once);
}

struct dp_packet *
vhost_frame_to_mbuf(const struct vhost_frame *frame)
{
    struct dp_packet *packet;
    struct rte_mbuf *mbuf;

    mbuf = (OVS_LIKELY(mbufs && vhost_frame_len(frame) <= MBUF_SIZE)
            ? rte_pktmbuf_alloc(mbufs) : NULL);
    if (OVS_UNLIKELY(!mbuf)) {
        return vhost_frame_to_packet(frame, RTE_PKTMBUF_HEADROOM);
    }
    packet = CONTAINER_OF(mbuf, struct dp_packet, mbuf);
    dp_packet_reset_offsets(packet);
    dp_packet_reset_cutlen(packet);
    packet->packet_type = htonl(PT_ETH);
    fill_packet(packet, frame);
    return packet;
}

static void
free_packets(struct dp_packet *packets[], unsigned int n)
{
    struct kept_packets *kept = get_kept();

    for (unsigned int i = 0; i < n; i++) {
        struct dp_packet *packet = packets[i];

        if (packet->source == DPBUF_MALLOC
            && dp_packet_get_allocated(packet) == KEPT_SIZE
            && kept->n < ARRAY_SIZE(kept->packets)) {
            kept->packets[kept->n++] = packet;
        } else {
            dp_packet_delete(packet);
        }
    }
}

void
vhost_tx_put_packets(struct vhost_tx *tx, struct dp_packet *packets[],
                     unsigned int n)
{
    const struct vhost_frame *frames[VHOST_BURST];
    struct vhost_frame store[VHOST_BURST];
    unsigned int n_frames = 0;
    uint32_t max_frame;

    BUILD_ASSERT(NETDEV_MAX_BURST <= VHOST_BURST);
    atomic_read_relaxed(&tx->port->max_frame, &max_frame);
    for (unsigned int i = 0; i < n; i++) {
        struct vhost_frame *frame = &store[n_frames];

        frame->data = dp_packet_data(packets[i]);
        frame->data_len = dp_packet_size(packets[i]);
        frame->tail_len = 0;
        frame->iov = NULL;
        if (vhost_offload_from_packet(packets[i], max_frame,
                                      &frame->offload)) {
            frames[n_frames++] = frame;
        } else {
            vhost_stat_add(&tx->stats->drops[VHOST_TX_OFFLOAD], 1);
        }
    }
    if (n_frames) {
        vhost_tx_put_burst(tx, frames, n_frames);
    }
    free_packets(packets, n);
}
