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

#ifndef VHOST_VRING_H
#define VHOST_VRING_H 1

/* Virtqueues, from the device's side
 * ==================================
 *
 * A 'struct vhost_ring' is one live virtqueue, split (virtio 1.2 section 2.7)
 * or packed (2.8).  It knows nothing of sessions or ports, nor of frames
 * beyond the virtio-net header: it takes descriptor chains off the ring, turns
 * them into pieces of host memory, and gives them back.
 *
 * The configuration of a vring does not change as long as it lives.  Its
 * position belongs to one thread at a time: the one that polls the queue, or
 * the one that holds the queue's transmit lock.
 *
 * What the guest may do wrong falls in two classes.  A chain whose buffers are
 * bad ("malformed") costs one frame: the chain is given back and the ring goes
 * on.  A ring whose structure is bad cannot be continued: 'broken' is set and
 * the ring is not touched again. */

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util.h"
#include "vhost/memory.h"
#include "vhost/vhost.h"

#ifdef WORDS_BIGENDIAN
#error "virtio is little-endian and this code does not swap bytes."
#endif

#define VRING_MAX_SIZE 32768    /* Virtio 1.2, sections 2.7 and 2.8. */

/* The most receive buffers that one frame is spread over. */
#define VRING_MAX_CHAINS 1024

/* What it takes to make a vring.  The areas are as in virtio 1.2 section 2.6:
 * descriptor table, available and used ring of a split ring; descriptor ring,
 * driver and device event suppression of a packed one. */
struct vring_config {
    const char *name;           /* Port, for log messages; not copied. */
    unsigned int index;         /* As the front end counts its rings. */
    bool to_guest;              /* Guest's receive ring: we write buffers. */
    uint64_t features;          /* As negotiated. */
    uint32_t size;
    void *desc;
    void *driver;
    void *device;
    const struct guest_memory *memory;
    int callfd;                 /* Ours to close, or negative. */
    uint16_t avail_base;        /* As in VHOST_USER_SET_VRING_BASE: a packed */
    uint16_t used_base;         /* ring's wrap counter is in bit 15. */
};

/* Where vring_gather() puts what it finds. */
struct vring_scratch {
    unsigned int n_chains;
    struct vring_chain chains[VRING_MAX_CHAINS];
    struct iovec iov[];         /* VHOST_BURST_IOV elements. */
};
BUILD_ASSERT_DECL(VRING_MAX_CHAINS <= VHOST_BURST_IOV);

struct vhost_ring {
    /* Configuration. */
    union {
        struct {
            const struct vring_desc *desc;
            const struct vring_avail *avail;
            struct vring_used *used;
        } split;
        struct {
            struct vring_packed_desc *desc;
            const struct vring_packed_desc_event *driver;
            struct vring_packed_desc_event *device;
        } packed;
    };
    const struct guest_memory *memory;
    uint16_t size;
    uint8_t hdr_len;            /* Of the virtio-net header: 10 or 12. */
    bool is_packed;
    bool to_guest;
    bool mergeable;
    bool event_idx;
    bool indirect;
    bool in_order;
    uint32_t offloads;          /* Of VHOST_OFFLOAD_FEATURES, negotiated. */
    bool reads_hdr;             /* A virtio-net header may ask for some. */
    int callfd;

    /* Position. */
    uint16_t next_avail;        /* Index of the next chain to take. */
    uint16_t next_used;         /* Index of the next chain to give back. */
    bool avail_wrap;            /* Packed: wrap counters of these two. */
    bool used_wrap;
    uint16_t avail_seen;        /* Split: available index when last read. */
    uint16_t n_unpublished;     /* Given back, but not shown to the guest. */
    uint16_t signalled;         /* 'next_used' when last weighing a call. */
    bool signalled_valid;
    const struct guest_region *region; /* Hint: guest_memory_translate(). */
    uint8_t n_blind_hdrs;       /* Headers to write without a look: tx.c. */

    /* Packed: the first of the used descriptors that are not published yet.
     * Its flags, once written, let the guest see all of them. */
    uint16_t first_used;
    uint16_t first_used_flags;

    /* Trouble. */
    bool warned;                /* Of a malformed chain? */
    const char *broken;         /* What broke the ring (a literal), or NULL. */

    struct vring_scratch *scratch; /* If 'to_guest'. */
    const char *name;
    unsigned int index;
};

const char *vring_create(const struct vring_config *, struct vhost_ring **);
void vring_destroy(struct vhost_ring *);
void vring_get_base(const struct vhost_ring *, uint16_t *avail,
                    uint16_t *used);

unsigned int vring_peek(struct vhost_ring *, struct vhost_burst *);
bool vring_release(struct vhost_ring *, const struct vhost_burst *);
bool vring_sleep(struct vhost_ring *);
void vring_wake(struct vhost_ring *);

/* What vring_gather() says. */
enum vring_gather {
    VRING_GATHER_OK,            /* There is room. */
    VRING_GATHER_EMPTY,         /* Not enough buffers on the ring for now. */
    VRING_GATHER_TOO_LONG,      /* The buffers are too small. */
    VRING_GATHER_MALFORMED      /* A chain was bad, and was given back. */
};

unsigned int vring_take(struct vhost_ring *, const uint32_t lens[],
                        unsigned int n, struct vring_buffer[]);
void vring_give(struct vhost_ring *, const struct vring_buffer[],
                const uint32_t lens[], unsigned int n);
enum vring_gather vring_gather(struct vhost_ring *, uint64_t len);
void vring_commit(struct vhost_ring *, uint64_t len);
bool vring_publish(struct vhost_ring *);
void vring_call(const struct vhost_ring *);

#endif /* vhost/vring.h */
