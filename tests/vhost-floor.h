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

#ifndef VHOST_FLOOR_H
#define VHOST_FLOOR_H 1

/* Rings of the bare loop, see vhost-floor.c, to which these functions are
 * private: of one thread, without checks that guests who play by the rules can
 * do without. */

#include <inttypes.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <rte_vhost.h>
#include <sys/eventfd.h>

#include "ovs-atomic.h"
#include "util.h"

#define MAX_CHAIN 8             /* Buffers of one frame, at most. */
#define HDR_LEN sizeof(struct virtio_net_hdr_mrg_rxbuf)

#define PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED (1u << VRING_PACKED_DESC_F_USED)

struct ring {
    const struct guest *guest;
    bool packed;
    uint16_t size;
    int callfd;
    union {
        struct vring_desc *desc;
        struct vring_packed_desc *packed_desc;
    };
    union {
        struct vring_avail *avail;
        struct vring_packed_desc_event *driver;
    };
    union {
        struct vring_used *used;
        struct vring_packed_desc_event *device;
    };
    uint16_t next_avail, next_used;
    bool avail_wrap, used_wrap; /* Packed. */
    uint16_t seen;              /* Split: available index when last read. */
};

struct guest {
    char *path;
    int vid;
    bool running;
    bool enabled[2];            /* Ring 0: guest receives.  1: it sends. */
    struct rte_vhost_memory *memory;
    struct ring rings[2];
};

/* A buffer on its way. */
struct buf {
    uint8_t *data;              /* Header and frame, in guest memory. */
    uint32_t len;
    uint16_t id;                /* Of the chain. */
    uint16_t n;                 /* If a chain ends here, its descriptors on
                                 * the ring, or else 0. */
};

static void
check(bool ok, const struct guest *guest, const char *problem)
{
    if (OVS_UNLIKELY(!ok)) {
        ovs_fatal(0, "%s: %s, which is not served here", guest->path,
                  problem);
    }
}

/* Returns the 'len' bytes at 'addr' of the guest's memory. */
static inline uint8_t *
translate(const struct ring *ring, uint64_t addr, uint32_t len)
{
    const struct rte_vhost_memory *mem = ring->guest->memory;

    for (unsigned int i = 0; i < mem->nregions; i++) {
        const struct rte_vhost_mem_region *r = &mem->regions[i];
        uint64_t offset = addr - r->guest_phys_addr;

        if (OVS_LIKELY(offset < r->size && len <= r->size - offset)) {
            return (uint8_t *) (uintptr_t) r->host_user_addr + offset;
        }
    }
    check(false, ring->guest, "a buffer outside its memory");
    OVS_NOT_REACHED();
}

/* Returns the buffer of a descriptor, number 'n' of its chain. */
static inline struct buf
buf_get(const struct ring *ring, uint64_t addr, uint32_t len, uint16_t id,
        uint16_t flags, unsigned int n)
{
    bool more = flags & VRING_DESC_F_NEXT;

    check(n <= MAX_CHAIN && len > (n > 1 ? 0 : HDR_LEN - more), ring->guest,
          "a buffer of nothing, or a long chain");
    return (struct buf) { translate(ring, addr, len), len, id,
                          OVS_UNLIKELY(more) ? 0 : n };
}

/* Takes the chain in an indirect table, which lies there in order.  Returns
 * how many buffers it has. */
static unsigned int
table_take(const struct ring *ring, uint64_t addr, uint32_t len, uint16_t id,
           struct buf bufs[])
{
    const struct vring_desc *d = (void *) translate(ring, addr, len);
    unsigned int n = len / sizeof *d;

    BUILD_ASSERT(sizeof *d == sizeof(struct vring_packed_desc));
    check(n > 0, ring->guest, "an empty indirect table");
    for (unsigned int i = 0; i < n; i++) {
        bufs[i] = buf_get(ring, d[i].addr, d[i].len, id,
                          i < n - 1 ? VRING_DESC_F_NEXT : 0, i + 1);
    }
    bufs[n - 1].n = 1;
    return n;
}

static inline void
ring_advance(const struct ring *ring, uint16_t *index, bool *wrap, uint16_t n)
{
    *index += n;
    if (*index >= ring->size) {
        *index -= ring->size;
        *wrap = !*wrap;
    }
}

/* Takes chains off a packed ring, as long as they have less than 'n' buffers
 * together: with the last one there may be up to MAX_CHAIN - 1 more.
 * Prefetching descriptors gains nothing: they are read in order. */
static inline unsigned int
packed_take(struct ring *ring, struct buf bufs[], unsigned int n)
{
    unsigned int in_chain = 0;
    unsigned int i;

    for (i = 0; i < n || in_chain; i++) {
        struct vring_packed_desc *d = &ring->packed_desc[ring->next_avail];
        uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);

        /* The first descriptor of a chain becomes available last. */
        if (!in_chain && (!(flags & PACKED_AVAIL) == ring->avail_wrap
                          || !(flags & PACKED_USED) != ring->avail_wrap)) {
            break;
        }
        if (OVS_UNLIKELY(flags & VRING_DESC_F_INDIRECT)) {
            i += table_take(ring, d->addr, d->len, d->id, &bufs[i]) - 1;
        } else {
            bufs[i] = buf_get(ring, d->addr, d->len, d->id, flags, ++in_chain);
            in_chain = bufs[i].n ? 0 : in_chain;
        }
        ring_advance(ring, &ring->next_avail, &ring->avail_wrap, 1);
    }
    return i;
}

/* Gives chains of 'n' buffers back, in which the guest finds bufs[].len bytes
 * if it 'receives'.  The first descriptor comes last, and shows all of
 * them. */
static inline void
packed_give(struct ring *ring, const struct buf bufs[], unsigned int n,
            bool receives)
{
    struct vring_packed_desc *first = &ring->packed_desc[ring->next_used];
    uint16_t write = receives ? VRING_DESC_F_WRITE : 0;
    bool first_wrap = ring->used_wrap;

    for (unsigned int i = 0; i < n; i++) {
        struct vring_packed_desc *d = &ring->packed_desc[ring->next_used];

        if (OVS_UNLIKELY(!bufs[i].n)) {
            continue;
        }
        d->len = receives ? bufs[i].len : 0;
        d->id = bufs[i].id;
        if (d != first) {
            __atomic_store_n(&d->flags, write | (ring->used_wrap
                                                 ? PACKED_AVAIL | PACKED_USED
                                                 : 0), __ATOMIC_RELEASE);
        }
        ring_advance(ring, &ring->next_used, &ring->used_wrap, bufs[i].n);
    }
    __atomic_store_n(&first->flags, write | (first_wrap
                                             ? PACKED_AVAIL | PACKED_USED
                                             : 0), __ATOMIC_RELEASE);
}

/* As packed_take().  Does not look at the available index again while there is
 * enough. */
static inline unsigned int
split_take(struct ring *ring, struct buf bufs[], unsigned int n)
{
    uint16_t mask = ring->size - 1;
    uint16_t avail = ring->seen - ring->next_avail;
    unsigned int i = 0;

    if (avail < n) {
        ring->seen = __atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE);
        avail = ring->seen - ring->next_avail;
        check(avail <= ring->size, ring->guest, "an index too far ahead");
    }
    for (; avail && i < n; avail--) {
        uint16_t id = ring->avail->ring[ring->next_avail++ & mask] & mask;
        const struct vring_desc *d = &ring->desc[id];
        unsigned int in_chain = 1;

        if (OVS_UNLIKELY(d->flags & VRING_DESC_F_INDIRECT)) {
            i += table_take(ring, d->addr, d->len, id, &bufs[i]);
            continue;
        }
        bufs[i] = buf_get(ring, d->addr, d->len, id, d->flags, in_chain);
        while (OVS_UNLIKELY(!bufs[i++].n)) {
            d = &ring->desc[d->next & mask];
            bufs[i] = buf_get(ring, d->addr, d->len, id, d->flags,
                              ++in_chain);
        }
    }
    return i;
}

static inline void
split_give(struct ring *ring, const struct buf bufs[], unsigned int n,
           bool receives)
{
    for (unsigned int i = 0; i < n; i++) {
        struct vring_used_elem *e;

        if (OVS_UNLIKELY(!bufs[i].n)) {
            continue;
        }
        e = &ring->used->ring[ring->next_used++ & (ring->size - 1)];
        e->id = bufs[i].id;
        e->len = receives ? bufs[i].len : 0;
    }
    __atomic_store_n(&ring->used->idx, ring->next_used, __ATOMIC_RELEASE);
}

static inline unsigned int
ring_take(struct ring *ring, struct buf bufs[], unsigned int n)
{
    return (ring->packed ? packed_take(ring, bufs, n)
            : split_take(ring, bufs, n));
}

static inline void
ring_give(struct ring *ring, const struct buf bufs[], unsigned int n,
          bool receives)
{
    if (!n) {
        return;
    }
    if (ring->packed) {
        packed_give(ring, bufs, n, receives);
    } else {
        split_give(ring, bufs, n, receives);
    }

    atomic_thread_fence(memory_order_seq_cst);
    if (ring->packed
        ? ring->driver->flags != VRING_PACKED_EVENT_FLAG_DISABLE
        : !(ring->avail->flags & VRING_AVAIL_F_NO_INTERRUPT)) {
        eventfd_write(ring->callfd, 1);
    }
}

#endif /* vhost-floor.h */
