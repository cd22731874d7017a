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

/* Driver's side of a packed virtqueue: virtio 1.2, section 2.8. */

#define DESC_AVAIL (1 << VRING_PACKED_DESC_F_AVAIL)
#define DESC_USED (1 << VRING_PACKED_DESC_F_USED)
#define EVENT_WRAP (1 << VRING_PACKED_EVENT_F_WRAP_CTR)

struct packed_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t id;
    ATOMIC(uint16_t) flags;
};
BUILD_ASSERT_DECL(sizeof(struct packed_desc) == sizeof(struct vring_desc));

/* Event suppression structure (section 2.8.14): offset and wrap counter in
 * the low half, flags in the high half, read and written in one go. */
struct packed_event {
    ATOMIC(uint32_t) value;
};

static void
packed_want_call(struct vg_ring *ring, bool want)
{
    struct packed_event *driver = ring->driver;
    uint32_t place = ring->used_idx | (ring->used_wrap ? EVENT_WRAP : 0);
    uint32_t flags = (!want ? VRING_PACKED_EVENT_FLAG_DISABLE
                      : ring->event_idx ? VRING_PACKED_EVENT_FLAG_DESC
                      : VRING_PACKED_EVENT_FLAG_ENABLE);

    atomic_store_explicit(&driver->value, flags << 16 | place,
                          memory_order_relaxed);
}

static void
packed_reset(struct vg_ring *ring)
{
    packed_want_call(ring, false);
}

static void
packed_add_indirect(struct vg_ring *ring, struct vg_buf *buf, uint16_t id,
                    struct iovec *whole)
{
    struct packed_desc *table = ring->tables;

    table += (size_t) id * VG_MAX_SEGS;
    for (unsigned int i = 0; i < buf->n_segs; i++) {
        table[i].addr = vg_mem_gpa(ring->mem, buf->segs[i].iov_base);
        table[i].len = buf->segs[i].iov_len;
        table[i].id = 0;
        atomic_init(&table[i].flags, buf->writable ? VRING_DESC_F_WRITE : 0);
    }
    whole->iov_base = table;
    whole->iov_len = buf->n_segs * sizeof *table;
}

/* Writes the next descriptor of the ring.  The first one since the last
 * publication keeps its old flags until the next: the device reads in order
 * and so does not see what is behind it either. */
static void
packed_put(struct vg_ring *ring, const struct iovec *seg, uint16_t id,
           uint16_t flags, bool first)
{
    struct packed_desc *descs = ring->desc;
    struct packed_desc *desc = &descs[ring->avail_idx];

    flags |= ring->avail_wrap ? DESC_AVAIL : DESC_USED;
    desc->addr = vg_mem_gpa(ring->mem, seg->iov_base);
    desc->len = seg->iov_len;
    desc->id = id;
    if (first) {
        ring->held_flags = flags;
        ring->held_idx = ring->avail_idx;
    } else {
        atomic_store_explicit(&desc->flags, flags, memory_order_release);
    }
    if (++ring->avail_idx == ring->size) {
        ring->avail_idx = 0;
        ring->avail_wrap = !ring->avail_wrap;
    }
}

static void
packed_add(struct vg_ring *ring, struct vg_buf *buf)
{
    uint16_t id = vg_ring_take_id(ring);
    bool first = !ring->n_new;

    if (buf->indirect) {
        struct iovec whole;

        packed_add_indirect(ring, buf, id, &whole);
        packed_put(ring, &whole, id, VRING_DESC_F_INDIRECT, first);
        ring->n_descs[id] = 1;
    } else {
        uint16_t flags = buf->writable ? VRING_DESC_F_WRITE : 0;

        for (unsigned int i = 0; i < buf->n_segs; i++) {
            bool last = i + 1 == buf->n_segs;

            packed_put(ring, &buf->segs[i], id,
                       flags | (last ? 0 : VRING_DESC_F_NEXT),
                       first && !i);
        }
        ring->n_descs[id] = buf->n_segs;
    }
    ring->bufs[id] = buf;
}

static bool
packed_publish(struct vg_ring *ring)
{
    struct packed_desc *descs = ring->desc;
    struct packed_event *device = ring->device;
    uint16_t flags, event;
    uint32_t value;

    atomic_store_explicit(&descs[ring->held_idx].flags, ring->held_flags,
                          memory_order_release);

    /* Section 2.8.21.3.1: look for the device's wish only now. */
    atomic_thread_fence(memory_order_seq_cst);
    atomic_read_explicit(&device->value, &value, memory_order_relaxed);
    flags = value >> 16;
    if (flags != VRING_PACKED_EVENT_FLAG_DESC) {
        return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
    }
    event = value & ~EVENT_WRAP;
    if (!(value & EVENT_WRAP) == ring->avail_wrap) {
        /* A place in the round before this one. */
        event -= ring->size;
    }
    return vring_need_event(event, ring->avail_idx,
                            ring->avail_idx - ring->n_new);
}

static bool
packed_has_used(const struct vg_ring *ring)
{
    struct packed_desc *descs = ring->desc;
    uint16_t flags;

    atomic_read_explicit(&descs[ring->used_idx].flags, &flags,
                         memory_order_acquire);
    return (!(flags & DESC_AVAIL) == !ring->used_wrap
            && !(flags & DESC_USED) == !ring->used_wrap);
}

static struct vg_buf *
packed_get(struct vg_ring *ring, uint32_t *len)
{
    const struct packed_desc *descs = ring->desc;
    const struct packed_desc *desc = &descs[ring->used_idx];
    uint16_t id = desc->id;
    struct vg_buf *buf;

    *len = desc->len;
    buf = vg_ring_claim(ring, id);
    if (buf) {
        unsigned int idx = ring->used_idx + ring->n_descs[id];

        vg_ring_give_id(ring, id);
        if (idx >= ring->size) {
            idx -= ring->size;
            ring->used_wrap = !ring->used_wrap;
        }
        ring->used_idx = idx;
    }
    return buf;
}

/* Available place and wrap counter in the low half, used ones in the high
 * half (vhost-user specification, "A vring state description"). */
static uint32_t
packed_base(const struct vg_ring *ring)
{
    uint32_t place = ring->used_idx | (ring->used_wrap ? EVENT_WRAP : 0);

    return place << 16 | place;
}

static int
packed_ahead(const struct vg_ring *ring, uint32_t base)
{
    int ahead = (int) (base & ~EVENT_WRAP & UINT16_MAX) - ring->used_idx;

    if (!(base & EVENT_WRAP) == ring->used_wrap) {
        ahead += ring->size;
    }
    return ahead;
}

const struct vg_ring_class vg_packed_class = {
    .name = "packed",
    .reset = packed_reset,
    .add = packed_add,
    .publish = packed_publish,
    .get = packed_get,
    .has_used = packed_has_used,
    .want_call = packed_want_call,
    .base = packed_base,
    .ahead = packed_ahead,
};
