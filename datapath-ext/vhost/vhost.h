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

#ifndef ACCEL_VHOST_H
#define ACCEL_VHOST_H 1

/* vhost: the switch's end of a vhost-user connection
 * ==================================================
 *
 * A 'struct vhost_port' is one vhost-user socket and the guest (front end)
 * behind it.  librte_vhost speaks the protocol on its own threads; this room
 * reads and writes the rings.  Guest memory is hostile: everything is read
 * once, into memory of our own, and each address is checked together with its
 * length against one memory region.
 *
 * Words are the guest's, as in virtio 1.2 section 5.1: the guest *transmits*
 * on its TX rings, so we receive ("rx", peek) from them, and we transmit
 * ("tx", put) into its RX rings.
 *
 * Who may call what:
 *
 *   - vhost_port_create/destroy/set_*, vhost_rx_attach/detach: one control
 *     thread at a time (OVS's main thread).  They may block until the threads
 *     of the data plane have left the port's rings; they never wait for the
 *     guest.
 *
 *   - vhost_enter/exit, vhost_peek/release, vhost_rx_sleep/wake, vhost_tx_*:
 *     any thread.  Between vhost_enter() and vhost_exit() the guest's memory
 *     and rings stay mapped, so a thread encloses each burst in them and does
 *     not block in between.  At most one thread at a time receives from a
 *     given rx queue.  Any number of threads transmit: a ring's lock is held
 *     from vhost_tx_begin() to vhost_tx_end(), and a thread holds at most one.
 *
 *   - vhost_port_get_*: any thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "openvswitch/compiler.h"
#include "ovs-atomic.h"
#include "smap.h"
#include "util.h"

struct dp_packet;
struct vhost_port;
struct vhost_queue;
struct vhost_ring;

#define VHOST_MAX_QUEUE_PAIRS 128  /* librte_vhost's VHOST_MAX_QUEUE_PAIRS. */
#define VHOST_BURST 32             /* Frames per vhost_peek(). */
#define VHOST_SNAPSHOT 128         /* Bytes of each frame that peek copies. */
#define VHOST_HEADROOM 64          /* Room before them, for pushed headers. */
#define VHOST_TAILROOM 64          /* Room behind them in a dp_packet, because
                                    * odp-execute.c writes an ARP, MPLS or
                                    * ICMP header whole, and frames are cut
                                    * anywhere. */
#define VHOST_BURST_IOV 1024       /* Pieces in a burst of chains that are not
                                    * one buffer, and the longest chain that
                                    * is accepted. */

/* Life of a port */

/* Called from DPDK's own threads, with no lock of this room held. */
struct vhost_port_ops {
    /* The link came up or went down, perhaps because the guest broke it, or
     * the number of queue pairs that the guest enabled changed: see
     * vhost_port_get_link(), vhost_port_get_n_qpairs(). */
    void (*changed)(void *aux);
};

struct vhost_port_params {
    const char *name;           /* For log messages. */
    const char *path;           /* Unix socket, absolute. */
    bool connect;               /* True: front end listens, we connect and
                                 * reconnect.  False: we listen. */
    uint16_t max_qpairs;        /* 1...VHOST_MAX_QUEUE_PAIRS: what
                                 * GET_QUEUE_NUM answers; rings beyond are
                                 * refused. */
    uint32_t tx_retries_max;    /* 0...32: see vhost_tx_put(). */
    bool offloads;              /* Offer checksum and TCP segmentation
                                 * offload to the guest, both ways. */
    const struct vhost_port_ops *ops;
    void *aux;
};

/* Returns 0 or a positive errno value, with '*errp' (if nonnull) set to a
 * sentence for the user, which the caller frees.  DPDK's EAL must be up. */
int vhost_port_create(const struct vhost_port_params *, struct vhost_port **,
                      char **errp);

/* Closes the socket and frees 'port'.  No thread may be using 'port': the
 * caller has removed it from all poll lists and port tables and waited for a
 * grace period.  Waits for calls of 'changed' to end, so the caller must not
 * hold a lock that these take. */
void vhost_port_destroy(struct vhost_port *port);

/* Largest frame in bytes (without FCS, with one VLAN tag) that is sent to the
 * guest; larger ones are dropped as VHOST_TX_TOO_LONG.  Of a frame that is to
 * be cut into segments, these count.  Takes effect at once. */
void vhost_port_set_max_frame(struct vhost_port *, uint32_t max_frame);

/* An interface that is administratively down receives nothing, and what is
 * sent to it is dropped as VHOST_TX_NO_LINK.  New ports are up. */
void vhost_port_set_up(struct vhost_port *, bool up);

/* See vhost_tx_put(). */
void vhost_port_set_tx_retries_max(struct vhost_port *, uint32_t);

/* Ingress policer: 'rate' in bytes/s and 'burst' in bytes, 0 for none.  Frames
 * above the rate are dropped by vhost_peek() as VHOST_RX_POLICED. */
void vhost_port_set_rx_policer(struct vhost_port *, uint64_t rate,
                               uint64_t burst);

/* Egress policer (OVS's QoS types "egress-policer" and "trtcm-policer").
 * 'run' is called with each frame's length in bytes and current TSC, from any
 * thread, with the policer's own locking; false drops the frame as
 * VHOST_TX_POLICED.  Null removes it; returns after its last use. */
struct vhost_policer {
    bool (*run)(struct vhost_policer *, uint32_t len, uint64_t tsc);
};
void vhost_port_set_tx_policer(struct vhost_port *, struct vhost_policer *);

/* What the guest has negotiated. */
bool vhost_port_get_link(const struct vhost_port *);    /* Device running and
                                                         * queue 0 enabled. */
unsigned int vhost_port_get_n_qpairs(const struct vhost_port *);
int vhost_port_get_numa(const struct vhost_port *);     /* Node or -1. */

/* Adds keys to 'status': mode, socket, state ("connecting", "listening",
 * "connected", "running", "broken: REASON"), features (hex), ring
 * ("split", "packed"), mergeable, indirect, event_idx, queues (pairs),
 * vring_N_size of each ring N, quiesce_max_us, and "refused" if something that
 * the front end wanted was: a sentence.
 *
 * Must not be called between vhost_enter() and vhost_exit(). */
void vhost_port_get_status(const struct vhost_port *, struct smap *status);

/* Statistics.  Each reason is a whole sentence, for people. */
#define VHOST_RX_DROPS                                                       \
    VHOST_DROP(RX_BROKEN, "rx_broken",                                       \
               "descriptor chain that leaves guest memory or is malformed")  \
    VHOST_DROP(RX_TOO_SHORT, "rx_too_short",                                 \
               "frame shorter than an Ethernet header")                      \
    VHOST_DROP(RX_TOO_LONG, "rx_too_long",                                   \
               "frame longer than 65,535 bytes or chain of over 1,024 pieces")\
    VHOST_DROP(RX_OFFLOAD, "rx_offload",                                     \
               "frame that asks for an offload of another kind than "        \
               "negotiated or does not fit it")                              \
    VHOST_DROP(RX_POLICED, "rx_policed",                                     \
               "frame above the ingress policing rate")

#define VHOST_TX_DROPS                                                       \
    VHOST_DROP(TX_NO_LINK, "tx_no_link", "guest not connected or queue off")  \
    VHOST_DROP(TX_NO_DESC, "tx_no_desc", "guest posted no receive buffer")    \
    VHOST_DROP(TX_TOO_LONG, "tx_too_long",                                   \
               "frame longer than the MTU or than the guest's buffers")      \
    VHOST_DROP(TX_BROKEN, "tx_broken",                                       \
               "receive buffer that leaves guest memory or is malformed")    \
    VHOST_DROP(TX_POLICED, "tx_policed",                                     \
               "frame above the egress policing rate")                       \
    VHOST_DROP(TX_OFFLOAD, "tx_offload",                                     \
               "packet that asks for an offload that does not fit it")

enum vhost_drop {
#define VHOST_DROP(ENUM, NAME, TEXT) VHOST_##ENUM,
    VHOST_RX_DROPS
    VHOST_TX_DROPS
#undef VHOST_DROP
    VHOST_N_DROPS
};

const char *vhost_drop_name(enum vhost_drop);
const char *vhost_drop_text(enum vhost_drop);

struct vhost_queue_stats {
    uint64_t packets;           /* Frames peeked or sent. */
    uint64_t bytes;             /* Of Ethernet frames, without FCS. */
    uint64_t drops[VHOST_N_DROPS];
    uint64_t notifications;     /* Of ours to the guest. */
    uint64_t tx_retries;        /* See vhost_tx_put(). */
    uint64_t sleeps;            /* See vhost_rx_sleep(). */
};

/* 'rx' or tx statistics of queue 'qid', since the port was created (they
 * survive reconnects); all zero for a queue beyond 'max_qpairs'. */
void vhost_port_get_queue_stats(const struct vhost_port *, bool rx,
                                unsigned int qid, struct vhost_queue_stats *);

/* The sums of these over all queues. */
void vhost_port_sum_stats(const struct vhost_port *, bool rx,
                          struct vhost_queue_stats *sum);

/* Quiescing */

/* Enters and leaves a section in which no ring and no guest memory goes away.
 * Cheap (a store and a fence).  Sections nest. */
void vhost_enter(void);
void vhost_exit(void);

/* Receive: guest to us */

/* What is left to do on a frame, by the guest that gets it or else by us.
 * Offsets are from the start of the frame, and within it.  While 'csum' is
 * set, the frame must not be edited. */
enum vhost_gso { VHOST_GSO_NONE, VHOST_GSO_TCP4, VHOST_GSO_TCP6 };
struct vhost_offload {
    bool csum;                  /* Sum up all from 'csum_start' on, and... */
    bool csum_l4;               /* The sum is that of TCP or UDP, at the place
                                 * where OVS sees these: no flow matches on
                                 * it. */
    uint8_t gso;                /* ...before, cut it up: 'enum vhost_gso'. */
    bool ecn;                   /* Only the first segment may have CWR set. */
    uint16_t csum_start;
    uint16_t csum_offset;       /* Place of the sum, from 'csum_start'. */
    uint16_t gso_size;          /* Payload of a segment, at least 1. */
    uint16_t l3;                /* If 'gso': layer 3, */
    uint16_t hdr_len;           /* and payload. */
};

/* Tells 'packet', which has the bytes of a frame, what is left to do on it, by
 * the flags that OVS has for it (and sets its layer 3 and 4); does what OVS
 * has no flags for. */
void vhost_offload_to_packet(const struct vhost_offload *, struct dp_packet *);

/* A frame as peeked.  'data' points to its first 'data_len' bytes, copied into
 * 'room' with headroom before them; the rest ('len' - 'data_len' bytes when
 * nothing was pushed or popped) is in guest memory, at 'iov'. */
struct vhost_frame {
    uint8_t *data;              /* Into 'room', or where an action put it. */
    uint32_t data_len;
    uint32_t tail_len;          /* Bytes at 'iov'. */
    const struct iovec *iov;    /* Checked host addresses of the tail. */
    uint32_t n_iov;
    struct vhost_offload offload;
    OVS_ALIGNED_VAR(CACHE_LINE_SIZE) uint8_t room[VHOST_HEADROOM
                                                  + VHOST_SNAPSHOT];
};

/* Returns the number of bytes of 'frame', without the virtio-net header. */
static inline uint32_t
vhost_frame_len(const struct vhost_frame *frame)
{
    return frame->data_len + frame->tail_len;
}

/* Returns a copy of 'frame' as a dp_packet with 'headroom' bytes before it
 * (less if that and the frame are more than 65,535) and VHOST_TAILROOM behind,
 * and with what is left to do on it told as
 * vhost_offload_to_packet() does.  The caller sets its metadata. */
struct dp_packet *vhost_frame_to_packet(const struct vhost_frame *frame,
                                        size_t headroom);

/* Same for a packet with which nothing is to be done any more but send it by a
 * netdev: mostly an mbuf, with RTE_PKTMBUF_HEADROOM bytes before the frame.
 * There is nothing behind it that may be used. */
struct dp_packet *vhost_frame_to_mbuf(const struct vhost_frame *frame);

/* One descriptor chain.  Private, like the next one. */
struct vring_chain {
    uint16_t id;                /* Split: head's index.  Packed: buffer id. */
    uint16_t n_desc;            /* Packed: descriptors in the ring. */
    uint32_t len;               /* Bytes of its buffers. */
};

/* A chain of one buffer, as nearly all are. */
struct vring_buffer {
    struct vring_chain chain;
    uint8_t *p;                 /* 'chain.len' bytes of guest memory. */
};

struct vhost_burst {
    unsigned int n;             /* Frames to serve in 'frames'. */
    struct vhost_frame *frames[VHOST_BURST];
    /* Private: */
    struct vhost_ring *ring;
    unsigned int n_chains;      /* Chains taken, dropped ones included. */
    struct vring_buffer chains[VHOST_BURST];    /* 'p' is NULL for those that
                                                 * are not one buffer: then */
    uint8_t fates[VHOST_BURST]; /* 'enum vhost_drop', VHOST_N_DROPS if good. */
    struct vhost_frame store[VHOST_BURST];
    struct iovec tails[VHOST_BURST];    /* Of those that are. */
    unsigned int n_iov;
    struct iovec iov[VHOST_BURST_IOV];  /* Of those that are not. */
};

/* Takes up to VHOST_BURST frames off rx queue 'qid' into 'burst', without
 * giving their buffers back.  Malformed and policed ones are dropped and
 * counted here.  Returns burst->n.  If a ring is found broken, the port stops
 * ("broken" in its status) with one log line and everybody else goes on.
 *
 * Must be followed by vhost_release(), also when 0 is returned. */
unsigned int vhost_peek(struct vhost_port *, unsigned int qid,
                        struct vhost_burst *burst);

/* Returns all chains of 'burst' to the guest and notifies it if it wants. */
void vhost_release(struct vhost_port *, unsigned int qid,
                   struct vhost_burst *burst);

/* Waiting for a silent guest
 *
 * As a rule a guest does not notify us, because somebody polls its rings.  The
 * thread that polls an rx queue may ask for a notification ("kick") instead
 * and leave the queue alone until then.  It waits in epoll_wait(). */
struct vhost_waiter {
    int epfd;                   /* Kicks arrive here, as EPOLLIN events with
                                 * the 'cookie' of vhost_rx_attach(). */
    int eventfd;                /* 1 is added when a queue may have something
                                 * without a kick, its ring being new, say:
                                 * then look at all queues.  The owner has it
                                 * in 'epfd', edge-triggered. */
};

/* Makes kicks for rx queue 'qid' arrive at 'waiter', which must remain as it
 * is until vhost_rx_detach(), or until this is called again.  Rings may come
 * and go meanwhile. */
void vhost_rx_attach(struct vhost_port *, unsigned int qid,
                     const struct vhost_waiter *waiter, uint64_t cookie);
void vhost_rx_detach(struct vhost_port *, unsigned int qid);

/* Asks the guest to kick when it puts something on rx queue 'qid', and looks
 * at the ring once more.  If that is empty, or not there, returns true: the
 * caller need not look again before it has heard from the waiter that is
 * attached.  Otherwise, or if the guest cannot kick, undoes it and returns
 * false: look again.
 *
 * No packet waits for a kick that does not come: either the second look finds
 * it, or the guest finds that it is asked to kick. */
bool vhost_rx_sleep(struct vhost_port *, unsigned int qid);

/* Ends what vhost_rx_sleep() began, if it did: no more kicks, please. */
void vhost_rx_wake(struct vhost_port *, unsigned int qid);

/* Returns true between these two.  Any thread may call this. */
bool vhost_rx_is_asleep(const struct vhost_port *, unsigned int qid);

/* Transmit: us to guest */

struct vhost_tx {
    struct vhost_port *port;
    struct vhost_ring *ring;         /* NULL if the guest is not there. */
    struct vhost_queue_stats *stats;
    unsigned int n_puts;        /* Frames put since last publication. */
    /* Private: */
    struct vhost_queue *queue;
    unsigned int n_retries;
};

/* Locks the receive ring that serves tx queue 'qid' (modulo the queues that
 * the guest enabled) and starts a burst. */
void vhost_tx_begin(struct vhost_port *, unsigned int qid, struct vhost_tx *);

/* Copies one frame ('data', 'data_len', then the 'tail_len' bytes at 'iov')
 * into the guest's next receive buffers: the one copy of the main road.
 * 'frame' may come from another port's burst.  Returns -1 if sent, else the
 * reason of the drop.  Counts either.
 *
 * A guest that did not negotiate the offload of the frame gets it with the
 * checksum filled in, or in segments, at the price of a second copy; it still
 * counts as one frame.
 *
 * When the guest has no free buffer, publishes what this burst has put so far
 * and looks again, up to tx_retries_max times as long as that made progress
 * (as OVS's tx-retries-max does). */
int vhost_tx_put(struct vhost_tx *, const struct vhost_frame *frame);

/* Same for 'n' frames, in order.  Returns how many were sent. */
unsigned int vhost_tx_put_burst(struct vhost_tx *,
                                const struct vhost_frame *const frames[],
                                unsigned int n);

/* Same for 'n' packets of OVS's, up to NETDEV_MAX_BURST, and what their flags
 * ask for.  Takes them. */
void vhost_tx_put_packets(struct vhost_tx *, struct dp_packet *packets[],
                          unsigned int n);

/* Publishes, notifies the guest if it wants, and unlocks. */
void vhost_tx_end(struct vhost_tx *);

#endif /* vhost.h */
