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

#include <linux/virtio_ring.h>

#include "ovs-atomic.h"
#include "util.h"

/* Driver's side of a split virtqueue: virtio 1.2, section 2.7. */

struct split_avail {
    ATOMIC(uint16_t) flags;
    ATOMIC(uint16_t) idx;
    ATOMIC(uint16_t) ring[];    /* And used_event behind the last entry. */
};

struct split_used_elem {
    ATOMIC(uint32_t) id;
    ATOMIC(uint32_t) len;
};

struct split_used {
    ATOMIC(uint16_t) flags;
    ATOMIC(uint16_t) idx;
    struct split_used_elem ring[]; /* And avail_event behind the last. */
};

static ATOMIC(uint16_t) *
used_event(const struct vg_ring *ring)
{
    struct split_avail *avail = ring->driver;

    return &avail->ring[ring->size];
}

static ATOMIC(uint16_t) *
avail_event(const struct vg_ring *ring)
{
    struct split_used *used = ring->device;

    return (ATOMIC(uint16_t) *) &used->ring[ring->size];
}

static void
split_want_call(struct vg_ring *ring, bool want)
{
    struct split_avail *avail = ring->driver;

    if (ring->event_idx) {
        /* There is no way to say "never" (section 2.7.7.1), but half the
         * index space away is far enough. */
        atomic_store_explicit(used_event(ring),
                              ring->used_idx + (want ? 0 : 0x8000),
                              memory_order_relaxed);
    } else {
        atomic_store_explicit(&avail->flags,
                              want ? 0 : VRING_AVAIL_F_NO_INTERRUPT,
                              memory_order_relaxed);
    }
}

static void
split_reset(struct vg_ring *ring)
{
    /* The device expects a power of 2 (section 2.7). */
    ovs_assert(IS_POW2(ring->size));
    split_want_call(ring, false);
}

static void
split_set_desc(struct vg_ring *ring, struct vring_desc *desc,
               const struct iovec *seg, bool writable, int next)
{
    desc->addr = vg_mem_gpa(ring->mem, seg->iov_base);
    desc->len = seg->iov_len;
    desc->flags = ((writable ? VRING_DESC_F_WRITE : 0)
                   | (next >= 0 ? VRING_DESC_F_NEXT : 0));
    desc->next = MAX(next, 0);
}

static void
split_add_indirect(struct vg_ring *ring, struct vg_buf *buf, uint16_t head)
{
    struct vring_desc *table = ring->tables;
    struct vring_desc *ring_descs = ring->desc;
    struct iovec whole;

    table += (size_t) head * VG_MAX_SEGS;
    for (unsigned int i = 0; i < buf->n_segs; i++) {
        split_set_desc(ring, &table[i], &buf->segs[i], buf->writable,
                       i + 1 < buf->n_segs ? i + 1 : -1);
    }
    whole.iov_base = table;
    whole.iov_len = buf->n_segs * sizeof *table;
    split_set_desc(ring, &ring_descs[head], &whole, false, -1);
    ring_descs[head].flags = VRING_DESC_F_INDIRECT;
}

static void
split_add(struct vg_ring *ring, struct vg_buf *buf)
{
    struct vring_desc *descs = ring->desc;
    struct split_avail *avail = ring->driver;
    uint16_t head = vg_ring_take_id(ring);

    if (buf->indirect) {
        split_add_indirect(ring, buf, head);
        ring->n_descs[head] = 1;
    } else {
        uint16_t id = head;

        for (unsigned int i = 0; i < buf->n_segs; i++) {
            bool last = i + 1 == buf->n_segs;
            uint16_t next = last ? 0 : vg_ring_take_id(ring);

            split_set_desc(ring, &descs[id], &buf->segs[i], buf->writable,
                           last ? -1 : next);
            /* The chain stays linked here: the device could change its own
             * view of it. */
            ring->next_free[id] = next;
            id = next;
        }
        ring->n_descs[head] = buf->n_segs;
    }
    ring->bufs[head] = buf;
    atomic_store_explicit(&avail->ring[ring->avail_idx++ % ring->size], head,
                          memory_order_relaxed);
}

static bool
split_publish(struct vg_ring *ring)
{
    struct split_avail *avail = ring->driver;
    struct split_used *used = ring->device;
    uint16_t old, event, flags;

    atomic_read_explicit(&avail->idx, &old, memory_order_relaxed);
    atomic_store_explicit(&avail->idx, ring->avail_idx, memory_order_release);

    /* Section 2.7.13.4.1: look for the device's wish after the index is
     * out, not before. */
    atomic_thread_fence(memory_order_seq_cst);
    if (ring->event_idx) {
        atomic_read_explicit(avail_event(ring), &event, memory_order_relaxed);
        return vring_need_event(event, ring->avail_idx, old);
    }
    atomic_read_explicit(&used->flags, &flags, memory_order_relaxed);
    return !(flags & VRING_USED_F_NO_NOTIFY);
}

static bool
split_has_used(const struct vg_ring *ring)
{
    struct split_used *used = ring->device;
    uint16_t idx;

    atomic_read_explicit(&used->idx, &idx, memory_order_acquire);
    return idx != ring->used_idx;
}

static struct vg_buf *
split_get(struct vg_ring *ring, uint32_t *len)
{
    struct split_used *used = ring->device;
    struct split_used_elem *elem = &used->ring[ring->used_idx % ring->size];
    uint16_t n, id16;
    uint16_t idx;
    uint32_t id;

    atomic_read_explicit(&used->idx, &idx, memory_order_acquire);
    if ((uint16_t) (idx - ring->used_idx) > ring->size) {
        ring->broken = "device's used index is ahead by more than the ring";
        return NULL;
    }
    atomic_read_explicit(&elem->id, &id, memory_order_relaxed);
    atomic_read_explicit(&elem->len, len, memory_order_relaxed);

    struct vg_buf *buf = vg_ring_claim(ring, id);
    if (buf) {
        id16 = id;
        for (n = ring->n_descs[id]; n; n--) {
            uint16_t next = ring->next_free[id16];

            vg_ring_give_id(ring, id16);
            id16 = next;
        }
        ring->used_idx++;
    }
    return buf;
}

/* Only the available index is in SET_VRING_BASE: the device reads the used
 * index from the ring. */
static uint32_t
split_base(const struct vg_ring *ring)
{
    return ring->used_idx;
}

static int
split_ahead(const struct vg_ring *ring, uint32_t base)
{
    return (int16_t) (base - ring->used_idx);
}

const struct vg_ring_class vg_split_class = {
    .name = "split",
    .reset = split_reset,
    .add = split_add,
    .publish = split_publish,
    .get = split_get,
    .has_used = split_has_used,
    .want_call = split_want_call,
    .base = split_base,
    .ahead = split_ahead,
};
