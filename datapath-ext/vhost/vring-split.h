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

#ifndef VHOST_VRING_SPLIT_H
#define VHOST_VRING_SPLIT_H 1

/* Split virtqueues: virtio 1.2 section 2.7.  Only for vring.c. */

#include "vhost/vring-private.h"

/* The used_event field follows the available ring, avail_event the used
 * ring. */
static inline const void *
vring_split_used_event(const struct vhost_ring *ring)
{
    return &ring->split.avail->ring[ring->size];
}

static inline void *
vring_split_avail_event(struct vhost_ring *ring)
{
    return &ring->split.used->ring[ring->size];
}

/* Bytes of the areas of a ring of 'size' descriptors, the event fields
 * included. */
static inline size_t
vring_split_driver_bytes(uint32_t size)
{
    return sizeof(struct vring_avail) + (size + 1) * sizeof(uint16_t);
}

static inline size_t
vring_split_device_bytes(uint32_t size)
{
    return (sizeof(struct vring_used) + size * sizeof(struct vring_used_elem)
            + sizeof(uint16_t));
}

/* Asks the guest to notify us of the next chain that it makes available, or
 * not to as long as somebody polls the ring.  With EVENT_IDX there is no way
 * to say "never" (section 2.7.7.1): the guest notifies us once in 65,536
 * chains. */
static inline void
vring_split_ask_kick(struct vhost_ring *ring, bool ask)
{
    if (ring->event_idx) {
        guest_store16(vring_split_avail_event(ring),
                      ring->next_avail - (ask ? 0 : 1));
    } else {
        guest_store16(&ring->split.used->flags,
                      ask ? 0 : VRING_USED_F_NO_NOTIFY);
    }
}

static inline bool
vring_split_is_empty(const struct vhost_ring *ring)
{
    return guest_load16(&ring->split.avail->idx) == ring->next_avail;
}

static inline void
vring_split_start(struct vhost_ring *ring)
{
    guest_store16(&ring->split.used->flags, 0);
    vring_split_ask_kick(ring, false);
}

/* Adds the descriptors of an indirect table to 'sg'. */
static inline void
vring_split_walk_table(struct vhost_ring *ring, bool to_guest,
                       struct vring_sg *sg, uint64_t addr, uint32_t len,
                       uint16_t flags)
{
    unsigned int i = 0;
    unsigned int n;
    const uint8_t *table;

    table = vring_sg_table(ring, sg, addr, len, flags, &n);
    if (!table) {
        return;
    }

    /* No more rounds than descriptors: the guest may link a circle. */
    for (unsigned int left = n; left; left--) {
        struct vring_desc e;

        guest_read(&e, table + i * sizeof e, sizeof e);
        if (e.flags & VRING_DESC_F_INDIRECT) {
            vring_sg_malformed(ring, sg, "indirect table in indirect table",
                               e.addr, e.len);
            return;
        }
        if (!vring_sg_add(ring, to_guest, sg, e.addr, e.len, e.flags)) {
            vring_sg_refuse(ring, sg, e.addr, e.len, e.flags);
        }
        if (!(e.flags & VRING_DESC_F_NEXT) || sg->malformed || sg->too_long) {
            return;
        }
        if (e.next >= n) {
            break;
        }
        i = e.next;
    }
    vring_sg_malformed(ring, sg, "chain without an end in indirect table",
                       addr, len);
}

BUILD_ASSERT_DECL(offsetof(struct vring_desc, flags)
                  == offsetof(struct vring_desc, len) + 4);
BUILD_ASSERT_DECL(offsetof(struct vring_desc, next)
                  == offsetof(struct vring_desc, len) + 6);

/* Adds the descriptors of the chain that starts at 'head' to 'sg'.  Returns
 * false if that broke the ring. */
static inline bool ALWAYS_INLINE
vring_split_walk(struct vhost_ring *ring, bool to_guest, unsigned int head,
                 struct vring_sg *sg)
{
    const struct vring_desc *desc = ring->split.desc;
    const unsigned int size = ring->size;
    unsigned int i = head;

    for (unsigned int left = size; left; left--) {
        uint64_t addr, rest;
        uint16_t flags;

        if (OVS_UNLIKELY(i >= size)) {
            return vring_break(ring, "descriptor index beyond the ring", i);
        }

        rest = guest_load64(&desc[i].len);
        addr = guest_load64(&desc[i].addr);
        flags = rest >> 32;
        if (OVS_UNLIKELY(!vring_sg_add(ring, to_guest, sg, addr, rest,
                                       flags))) {
            if (flags & VRING_DESC_F_INDIRECT) {
                vring_split_walk_table(ring, to_guest, sg, addr, rest, flags);
                return true;
            }
            vring_sg_refuse(ring, sg, addr, rest, flags);
        }
        if (!(flags & VRING_DESC_F_NEXT)) {
            return true;
        }
        i = rest >> 48;
    }

    return vring_break(ring, "descriptor chain that loops", head);
}

/* Returns the number of chains to take, or 0 if there is none or the ring is
 * broken.  The available index shares a cache line with what the guest writes,
 * so do not look at it again while there is enough to do. */
static inline unsigned int
vring_split_n_avail(struct vhost_ring *ring, unsigned int enough)
{
    uint16_t n = ring->avail_seen - ring->next_avail;

    if (n < enough) {
        uint16_t avail = guest_load16_acquire(&ring->split.avail->idx);

        n = avail - ring->next_avail;
        if (OVS_UNLIKELY(n > ring->size)) {
            vring_break(ring, "available index too far ahead", n);
            return 0;
        }
        ring->avail_seen = avail;
    }
    return n;
}

/* Takes the next chain, adding its pieces to 'sg'.  Returns false if there is
 * none or the ring is broken. */
static inline bool ALWAYS_INLINE
vring_split_next(struct vhost_ring *ring, bool to_guest,
                 struct vring_chain *chain, struct vring_sg *sg)
{
    unsigned int slot = ring->next_avail & (ring->size - 1);

    if (!vring_split_n_avail(ring, 1)) {
        return false;
    }

    chain->id = guest_load16(&ring->split.avail->ring[slot]);
    chain->n_desc = 1;
    if (!vring_split_walk(ring, to_guest, chain->id, sg)) {
        return false;
    }
    ring->next_avail++;
    return true;
}

/* Like vring_packed_take_plain(). */
static inline unsigned int ALWAYS_INLINE
vring_split_take_plain(struct vhost_ring *ring, bool to_guest,
                       const uint32_t lens[], unsigned int n,
                       struct vring_buffer buffers[])
{
    const struct vring_reach reach = vring_get_reach(ring, to_guest);
    const struct vring_avail *avail = ring->split.avail;
    const struct vring_desc *desc = ring->split.desc;
    const unsigned int mask = ring->size - 1;
    /* A variable of its own: MIN() would look twice. */
    unsigned int n_avail = vring_split_n_avail(ring, n);
    unsigned int next = ring->next_avail;
    unsigned int i;

    n = MIN(n, n_avail);
    for (i = 0; i < n; i++) {
        unsigned int head = guest_load16(&avail->ring[(next + i) & mask]);
        uint64_t rest;
        uint32_t len;

        if (OVS_UNLIKELY(head > mask)) {
            break;
        }
        len = rest = guest_load64(&desc[head].len);
        if (((rest >> 32) & VRING_PLAIN_MASK) != VRING_PLAIN_FLAGS(to_guest)
            || !vring_set_buffer(ring, reach, to_guest,
                                 guest_load64(&desc[head].addr), len, head,
                                 to_guest ? lens[i] : len, &buffers[i])) {
            break;
        }
    }
    ring->next_avail = next + i;
    return i;
}

/* Like vring_packed_gather_plain(). */
static inline unsigned int ALWAYS_INLINE
vring_split_gather_plain(struct vhost_ring *ring, uint64_t len,
                         unsigned int max, uint64_t *bytes)
{
    const struct vring_avail *avail = ring->split.avail;
    const struct vring_desc *desc = ring->split.desc;
    const unsigned int mask = ring->size - 1;
    unsigned int n_avail = vring_split_n_avail(ring, 1);
    unsigned int next = ring->next_avail;
    uint64_t sum = 0;
    unsigned int n;

    max = MIN(max, n_avail);
    for (n = 0; n < max && sum < len; n++) {
        unsigned int head = guest_load16(&avail->ring[(next + n) & mask]);
        uint64_t rest;

        if (OVS_UNLIKELY(head > mask)) {
            break;
        }
        rest = guest_load64(&desc[head].len);
        if (((rest >> 32) & VRING_PLAIN_MASK) != VRING_PLAIN_FLAGS(true)
            || !vring_set_piece(ring, n, guest_load64(&desc[head].addr), rest,
                                head)) {
            break;
        }
        sum += (uint32_t) rest;
    }
    ring->next_avail = next + n;
    *bytes = sum;
    return n;
}

/* Gives 'chain' back, with 'len' bytes written to it. */
static inline void
vring_split_use(struct vhost_ring *ring, const struct vring_chain *chain,
                uint32_t len)
{
    struct vring_used_elem *elem;

    elem = &ring->split.used->ring[ring->next_used & (ring->size - 1)];
    elem->id = chain->id;
    elem->len = len;
    ring->next_used++;
}

/* Same for a burst of 'n' chains. */
static inline void
vring_split_use_plain(struct vhost_ring *ring,
                      const struct vring_buffer buffers[],
                      const uint32_t lens[], unsigned int n)
{
    const unsigned int mask = ring->size - 1;
    struct vring_used *used = ring->split.used;
    unsigned int next = ring->next_used;

    for (unsigned int i = 0; i < n; i++) {
        struct vring_used_elem *elem = &used->ring[(next + i) & mask];

        elem->id = buffers[i].chain.id;
        elem->len = lens[i];
    }
    ring->next_used += n;
    ring->n_unpublished += n;
}

/* Shows the guest what was given back. */
static inline void
vring_split_publish(struct vhost_ring *ring)
{
    guest_store16_release(&ring->split.used->idx, ring->next_used);
}

/* Says whether the guest wants to be notified of that. */
static inline bool
vring_split_wants_call(const struct vhost_ring *ring)
{
    if (!ring->event_idx) {
        return !(guest_load16(&ring->split.avail->flags)
                 & VRING_AVAIL_F_NO_INTERRUPT);
    }
    return vring_passes_event(guest_load16(vring_split_used_event(ring)),
                              ring->next_used, ring->signalled);
}

#endif /* vhost/vring-split.h */
