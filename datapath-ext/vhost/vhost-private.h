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

#ifndef VHOST_PRIVATE_H
#define VHOST_PRIVATE_H 1

/* What the files of this room share about a port.
 *
 * Locking, outermost first: librte_vhost's own locks (it calls us with some of
 * them held, so nothing that might take them is called with ours held), the
 * list of ports, a port's 'mutex', the quiescing mutex.  Threads of the data
 * plane take none of these, only the spin locks of transmit queues and of the
 * ingress policer. */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/compiler.h"
#include "openvswitch/hmap.h"
#include "openvswitch/thread.h"
#include "ovs-atomic.h"
#include "vhost/memory.h"
#include "vhost/vhost.h"
#include "vhost/vring.h"

struct vhost_rx_policer;

/* One direction of one queue pair, as long as the port lives.  Statistics are
 * written by one thread at a time: the one that polls the queue, or that holds
 * 'lock'. */
struct vhost_queue {
    OVS_ALIGNED_VAR(CACHE_LINE_SIZE) ATOMIC(struct vhost_ring *) ring;
    struct ovs_spin lock;       /* For transmitting. */
    uint8_t *linear;            /* VHOST_MAX_FRAME bytes for frames on which
                                 * we do an offload; NULL if none is offered
                                 * on a tx queue, and on rx queues. */
    struct vhost_queue_stats stats;

    /* Of rx queues: see sleep.c.  The first three are guarded by the port's
     * mutex. */
    struct vhost_waiter waiter; /* Has an 'epfd' of -1 if there is none. */
    uint64_t cookie;            /* For it. */
    int kickfd;                 /* Our own, of the present ring, or -1. */
    atomic_bool heard;          /* Do kicks for the ring reach the waiter? */
    atomic_bool asleep;         /* Written by the polling thread. */
};

/* What this room knows of a ring of the front end. */
struct vhost_ring_state {
    bool enabled;               /* librte_vhost says that it can run. */
    const char *problem;        /* Why it does not nevertheless, or NULL. */
    uint16_t size;              /* When last live. */
};

struct vhost_port {
    /* For the data plane. */
    struct vhost_queue *rx;     /* Each 'max_qpairs' elements. */
    struct vhost_queue *tx;
    atomic_uint32_t n_tx;       /* Live tx queues... */
    atomic_uint16_t *tx_map;    /* ...and which these are. */
    atomic_uint32_t max_frame;
    atomic_bool up;             /* Administratively. */
    atomic_uint32_t tx_retries_max;
    ATOMIC(struct vhost_rx_policer *) rx_policer;
    ATOMIC(struct vhost_policer *) tx_policer;
    ATOMIC(const char *) broken; /* What stopped it (a literal), or NULL. */
    atomic_bool broken_told;    /* Did 'ops->changed' hear of it? */

    /* Fixed. */
    char *name;
    char *path;
    bool connect;
    bool offloads;
    uint16_t max_qpairs;
    const struct vhost_port_ops *ops;
    void *aux;

    /* What the guest has negotiated. */
    atomic_bool link;
    atomic_uint32_t n_qpairs;
    atomic_int numa;

    struct hmap_node node;      /* In session.c's 'ports'. */

    struct ovs_mutex mutex;
    bool closing OVS_GUARDED;   /* vhost_port_destroy() has begun. */
    int vid OVS_GUARDED;        /* librte_vhost's handle, or -1. */
    bool running OVS_GUARDED;   /* Between new_device and destroy_device. */
    uint32_t request OVS_GUARDED; /* Message in work, or VHOST_USER_NONE. */
    uint64_t features OVS_GUARDED;
    struct guest_memory *memory OVS_GUARDED;
    struct vhost_ring_state *rings OVS_GUARDED; /* 2 * max_qpairs elements. */
    int held OVS_GUARDED;       /* Ring that 'request' changes, or below. */
    char *error OVS_GUARDED;    /* What was refused last, or NULL. */
    unsigned int quiesce_max OVS_GUARDED; /* In microseconds. */
};

#define VHOST_MAX_FRAME 65535

/* Values of 'held'. */
#define VHOST_HELD_NONE (-1)
#define VHOST_HELD_ALL (-2)

/* Adds 'n' to '*counter', which only the calling thread writes. */
static inline void
vhost_stat_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline struct vhost_ring *
vhost_queue_get_ring(const struct vhost_queue *queue)
{
    struct vhost_ring *ring;

    atomic_read_explicit(&CONST_CAST(struct vhost_queue *, queue)->ring,
                         &ring, memory_order_acquire);
    return ring;
}


/* Returns what was wrong with the ring that stopped 'port', or NULL. */
static inline const char *
vhost_port_get_broken(const struct vhost_port *port)
{
    const char *reason;

    atomic_read_relaxed(&CONST_CAST(struct vhost_port *, port)->broken,
                        &reason);
    return reason;
}

void vhost_port_tell_broken(struct vhost_port *);

/* Returns true if neither the user nor a broken guest has stopped 'port'. */
static inline bool
vhost_port_may_run(struct vhost_port *port)
{
    bool up;

    atomic_read_relaxed(&port->up, &up);
    if (OVS_UNLIKELY(vhost_port_get_broken(port) != NULL)) {
        vhost_port_tell_broken(port);
        return false;
    }
    return up;
}

/* Stops 'port' if 'ring', which the caller has just used, turned out to be
 * broken.  Returns true if so. */
static inline bool
vhost_port_check_ring(struct vhost_port *port, const struct vhost_ring *ring)
{
    if (OVS_LIKELY(!ring->broken)) {
        return false;
    }
    atomic_store_relaxed(&port->broken, ring->broken);
    return true;
}

/* packet.c */

/* Makes what vhost_frame_to_mbuf() takes.  DPDK's EAL must be up. */
void vhost_packet_init(void);

/* sleep.c */
void vhost_queue_init_waiter(struct vhost_queue *);
void vhost_rx_ring_up(struct vhost_queue *, int kickfd);
void vhost_rx_ring_down(struct vhost_queue *);
void vhost_rx_look(struct vhost_queue *);

uint64_t vhost_rx_policer_run(struct vhost_rx_policer *, struct vhost_burst *,
                              struct vhost_queue_stats *);

#endif /* vhost/vhost-private.h */
