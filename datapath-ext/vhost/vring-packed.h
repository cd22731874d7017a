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

#ifndef VHOST_VRING_PACKED_H
#define VHOST_VRING_PACKED_H 1

/* Packed virtqueues: virtio 1.2 section 2.8.  Only for vring.c. */

#include "vhost/vring-private.h"

#define PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED (1u << VRING_PACKED_DESC_F_USED)

/* Asks the guest to notify us when it makes the next descriptor available, or
 * not to as long as somebody polls the ring (section 2.8.14).  Both fields at
 * once, as they belong together. */
static inline void
vring_packed_ask_kick(struct vhost_ring *ring, bool ask)
{
    uint32_t event;

    if (!ask) {
        event = VRING_PACKED_EVENT_FLAG_DISABLE << 16;
    } else if (ring->event_idx) {
        event = (VRING_PACKED_EVENT_FLAG_DESC << 16
                 | ring->avail_wrap << VRING_PACKED_EVENT_F_WRAP_CTR
                 | ring->next_avail);
    } else {
        event = VRING_PACKED_EVENT_FLAG_ENABLE << 16;
    }
    guest_store32(ring->packed.device, event);
}

static inline void
vring_packed_start(struct vhost_ring *ring)
{
    vring_packed_ask_kick(ring, false);
}

/* Is a descriptor with these 'flags' available to us, in the round of the ring
 * that 'wrap' stands for?  See section 2.8.1. */
static inline bool
vring_packed_is_avail(uint16_t flags, bool wrap)
{
    return ((flags & (PACKED_AVAIL | PACKED_USED))
            == (wrap ? PACKED_AVAIL : PACKED_USED));
}

static inline bool
vring_packed_is_empty(const struct vhost_ring *ring)
{
    uint16_t flags = guest_load16(&ring->packed.desc[ring->next_avail].flags);

    return !vring_packed_is_avail(flags, ring->avail_wrap);
}

static inline void
vring_packed_advance(const struct vhost_ring *ring, uint16_t n,
                     uint16_t *index, bool *wrap)
{
    unsigned int i = *index + n;

    if (i >= ring->size) {
        i -= ring->size;
        *wrap = !*wrap;
    }
    *index = i;
}

/* Adds the descriptors of an indirect table to 'sg': all of them, in order
 * (section 2.8.7).
 *
 * DPDK's driver, as of 22.11, leaves VRING_DESC_F_WRITE set on the header of
 * each frame that it sends by a table.  We only read from there. */
static inline void
vring_packed_walk_table(struct vhost_ring *ring, bool to_guest,
                        struct vring_sg *sg, uint64_t addr, uint32_t len,
                        uint16_t flags)
{
    unsigned int n;
    const uint8_t *table;

    table = vring_sg_table(ring, sg, addr, len, flags, &n);
    if (!table) {
        return;
    }

    for (unsigned int i = 0; i < n && !sg->malformed && !sg->too_long; i++) {
        struct vring_packed_desc e;

        guest_read(&e, table + i * sizeof e, sizeof e);
        if (e.flags & VRING_DESC_F_INDIRECT) {
            vring_sg_malformed(ring, sg, "indirect table in indirect table",
                               e.addr, e.len);
            return;
        }
        if (!to_guest) {
            e.flags &= ~VRING_DESC_F_WRITE;
        }
        if (!vring_sg_add(ring, to_guest, sg, e.addr, e.len, e.flags)) {
            vring_sg_refuse(ring, sg, e.addr, e.len, e.flags);
        }
    }
}

BUILD_ASSERT_DECL(offsetof(struct vring_packed_desc, id)
                  == offsetof(struct vring_packed_desc, len) + 4);
BUILD_ASSERT_DECL(offsetof(struct vring_packed_desc, flags)
                  == offsetof(struct vring_packed_desc, len) + 6);

/* Takes the next chain, adding its pieces to 'sg'.  Returns false if there is
 * none or the ring is broken.
 *
 * The driver makes the first descriptor of a chain available last, so when
 * that one is, all the others must be. */
static inline bool ALWAYS_INLINE
vring_packed_next(struct vhost_ring *ring, bool to_guest,
                  struct vring_chain *chain, struct vring_sg *sg)
{
    const struct vring_packed_desc *desc = ring->packed.desc;
    uint16_t i = ring->next_avail;
    bool wrap = ring->avail_wrap;
    uint64_t rest = guest_load64_acquire(&desc[i].len);
    unsigned int n = 0;

    if (!vring_packed_is_avail(rest >> 48, wrap)) {
        return false;
    }
    for (;;) {
        uint64_t addr = guest_load64(&desc[i].addr);
        uint16_t flags = rest >> 48;

        if (OVS_UNLIKELY(!vring_sg_add(ring, to_guest, sg, addr, rest,
                                       flags))) {
            if (flags & VRING_DESC_F_INDIRECT) {
                vring_packed_walk_table(ring, to_guest, sg, addr, rest, flags);
            } else {
                vring_sg_refuse(ring, sg, addr, rest, flags);
            }
        }
        vring_packed_advance(ring, 1, &i, &wrap);
        n++;
        if (!(flags & VRING_DESC_F_NEXT)) {
            break;
        }
        if (OVS_UNLIKELY(n >= ring->size)) {
            return vring_break(ring, "descriptor chain that loops", i);
        }
        rest = guest_load64(&desc[i].len);
        if (OVS_UNLIKELY(!vring_packed_is_avail(rest >> 48, wrap))) {
            return vring_break(ring, "descriptor chain whose rest is not "
                               "available", i);
        }
    }

    chain->id = rest >> 32;
    chain->n_desc = n;
    ring->next_avail = i;
    ring->avail_wrap = wrap;
    return true;
}

/* All that decides about a descriptor but its address is read at once, as the
 * second half of it, and its flags are compared at once, where they are
 * there. */
#define PACKED_WRAPS ((uint64_t) (PACKED_AVAIL | PACKED_USED) << 48)
#define PACKED_PLAIN_MASK (PACKED_WRAPS | (uint64_t) VRING_PLAIN_MASK << 48)

/* Returns those flags of an available descriptor at 'next_avail' that is a
 * whole chain, of one buffer. */
static inline uint64_t
vring_packed_plain_flags(const struct vhost_ring *ring, bool to_guest)
{
    uint64_t flags = (VRING_PLAIN_FLAGS(to_guest)
                      | (ring->avail_wrap ? PACKED_AVAIL : PACKED_USED));

    return flags << 48;
}

/* Goes from descriptor 'slot', which has those flags, to the next one. */
static inline void ALWAYS_INLINE
vring_packed_step(const struct vhost_ring *ring, unsigned int *slot,
                  uint64_t *flags)
{
    *slot += 1;
    if (OVS_UNLIKELY(*slot == ring->size)) {
        *slot = 0;
        *flags ^= PACKED_WRAPS;
    }
}

/* Makes 'slot', where an available descriptor has 'flags', the next one to be
 * taken. */
static inline void
vring_packed_go_on(struct vhost_ring *ring, unsigned int slot, uint64_t flags)
{
    ring->next_avail = slot;
    ring->avail_wrap = flags & (uint64_t) PACKED_AVAIL << 48;
}

/* Takes up to 'n' chains into 'buffers', as long as each is one plain buffer,
 * as nearly all are, and, if the ring is 'to_guest', of 'lens' bytes at least.
 * Gets the caches ready for what will be done to them.  Returns how many it
 * took: vring_packed_next() knows what to do about the next one. */
static inline unsigned int ALWAYS_INLINE
vring_packed_take_plain(struct vhost_ring *ring, bool to_guest,
                        const uint32_t lens[], unsigned int n,
                        struct vring_buffer buffers[])
{
    const struct vring_reach reach = vring_get_reach(ring, to_guest);
    const struct vring_packed_desc *desc = ring->packed.desc;
    uint64_t flags = vring_packed_plain_flags(ring, to_guest);
    unsigned int slot = ring->next_avail;
    unsigned int i;

    for (i = 0; i < n; i++) {
        uint64_t rest = guest_load64_acquire(&desc[slot].len);
        uint32_t len = rest;

        if ((rest & PACKED_PLAIN_MASK) != flags
            || !vring_set_buffer(ring, reach, to_guest,
                                 guest_load64(&desc[slot].addr), len,
                                 rest >> 32, to_guest ? lens[i] : len,
                                 &buffers[i])) {
            break;
        }
        vring_packed_step(ring, &slot, &flags);
    }
    vring_packed_go_on(ring, slot, flags);
    return i;
}

/* Takes chains for 'len' bytes, 'max' at most, into 'ring->scratch', as long
 * as each is one plain buffer.  Returns how many it took, and stores for how
 * many bytes they are. */
static inline unsigned int ALWAYS_INLINE
vring_packed_gather_plain(struct vhost_ring *ring, uint64_t len,
                          unsigned int max, uint64_t *bytes)
{
    const struct vring_packed_desc *desc = ring->packed.desc;
    uint64_t flags = vring_packed_plain_flags(ring, true);
    unsigned int slot = ring->next_avail;
    uint64_t sum = 0;
    unsigned int n;

    for (n = 0; n < max && sum < len; n++) {
        uint64_t rest = guest_load64_acquire(&desc[slot].len);

        if ((rest & PACKED_PLAIN_MASK) != flags
            || !vring_set_piece(ring, n, guest_load64(&desc[slot].addr), rest,
                                rest >> 32)) {
            break;
        }
        sum += (uint32_t) rest;
        vring_packed_step(ring, &slot, &flags);
    }
    vring_packed_go_on(ring, slot, flags);
    *bytes = sum;
    return n;
}

static inline uint16_t
vring_packed_used_flags(bool wrap, uint32_t len)
{
    return ((wrap ? PACKED_AVAIL | PACKED_USED : 0)
            | (len ? VRING_DESC_F_WRITE : 0));
}

/* Makes descriptor 'i' a used one. */
static inline void
vring_packed_write_used(const struct vhost_ring *ring, uint16_t i,
                        const struct vring_chain *chain, uint32_t len,
                        uint64_t flags)
{
    guest_store64_release(&ring->packed.desc[i].len,
                          len | (uint64_t) chain->id << 32 | flags << 48);
}

/* Gives 'chain' back, with 'len' bytes written to it.  Chains go back in the
 * order they came, so that a used descriptor takes the place of the first one
 * of its own chain.
 *
 * Drivers look at used descriptors in order.  So all flags but those of the
 * first can be written at once, and vring_packed_publish() with a single write
 * shows the guest the whole batch. */
static inline void
vring_packed_use(struct vhost_ring *ring, const struct vring_chain *chain,
                 uint32_t len)
{
    if (!ring->n_unpublished) {
        struct vring_packed_desc *d = &ring->packed.desc[ring->next_used];

        ring->first_used = ring->next_used;
        ring->first_used_flags = vring_packed_used_flags(ring->used_wrap, len);
        d->id = chain->id;
        d->len = len;
    } else {
        vring_packed_write_used(ring, ring->next_used, chain, len,
                                vring_packed_used_flags(ring->used_wrap, len));
    }
    vring_packed_advance(ring, chain->n_desc, &ring->next_used,
                         &ring->used_wrap);
}

/* Same for a burst of 'n' chains of one descriptor each, to all of which
 * something was written.
 *
 * The guest may be polling the first one that is not published yet, and take
 * its cache line away after each write to it.  So the descriptors that share
 * it are written last, just before they are published. */
static inline void
vring_packed_use_plain(struct vhost_ring *ring,
                       const struct vring_buffer buffers[],
                       const uint32_t lens[], unsigned int n)
{
    unsigned int n_first = vring_packed_line_rest(ring->next_used);
    uint16_t i = ring->next_used;
    bool wrap = ring->used_wrap;
    uint16_t flags;

    if (ring->n_unpublished || n_first == 1) {
        n_first = n;
    } else {
        /* A guest can make us take more chains than the ring has. */
        n_first = MIN(n_first, MIN(n, ring->size));
        vring_packed_advance(ring, n_first, &i, &wrap);
    }
    flags = vring_packed_used_flags(wrap, 1);
    for (unsigned int j = n_first; j < n; j++) {
        vring_packed_write_used(ring, i, &buffers[j].chain, lens[j], flags);
        if (OVS_UNLIKELY(++i == ring->size)) {
            i = 0;
            wrap = !wrap;
            flags = vring_packed_used_flags(wrap, 1);
        }
    }
    for (unsigned int j = 0; j < n_first; j++) {
        vring_packed_use(ring, &buffers[j].chain, lens[j]);
        ring->n_unpublished++;
    }
    if (n_first < n) {
        ring->next_used = i;
        ring->used_wrap = wrap;
    }
}

static inline void
vring_packed_publish(struct vhost_ring *ring)
{
    guest_store16_release(&ring->packed.desc[ring->first_used].flags,
                          ring->first_used_flags);
}

/* Says whether the guest wants to be notified of that (section 2.8.14). */
static inline bool
vring_packed_wants_call(const struct vhost_ring *ring)
{
    /* Both fields at once, as they belong together. */
    uint32_t event = guest_load32(ring->packed.driver);
    uint16_t flags = (event >> 16) & 3;
    uint16_t offset = event & 0x7fff;
    bool wrap = event & 0x8000;
    uint16_t old = ring->signalled;

    if (flags != VRING_PACKED_EVENT_FLAG_DESC || !ring->event_idx) {
        return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
    }

    /* Count from the start of the round that 'next_used' is in: what lies in
     * the round before becomes negative. */
    if (ring->next_used <= old) {
        old -= ring->size;
    }
    if (wrap != ring->used_wrap) {
        offset -= ring->size;
    }
    return vring_passes_event(offset, ring->next_used, old);
}

#endif /* vhost/vring-packed.h */
