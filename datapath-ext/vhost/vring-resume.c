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

#include "vhost/vring-private.h"

/* Finding our way back into a packed ring
 * =======================================
 *
 * When we start anew, the front end tells where each ring is to be continued.
 * QEMU does not know that for packed rings if their old back-end died without
 * a word: it says 0, as for a new ring, and the guest would never hear from us
 * again.  The position can be read off the ring, though, as long as chains
 * have one descriptor each (Linux's and DPDK's drivers see to that, most of
 * the time, with indirect tables and mergeable buffers), because we give
 * chains back in order.
 *
 * Let the device be at index 'd' in a round with wrap counter 'w', and let the
 * driver be 'm' descriptors ahead.  Then, going around from 'd', the next 'm'
 * descriptors are available, and all others used, each with the wrap counter
 * of the round in which that happened.  Only one (d, w, m) fits any such
 * ring.
 *
 * If our predecessor died in the midst of a burst, the first descriptor is not
 * marked as used, as this is done by vring_packed_publish(), but others behind
 * it are, up to 'hole' after it.  Those that share its cache line may be
 * unmarked, too, because vring_packed_use_plain() writes them last, or the
 * first one before them if it is the last in the line.
 *
 * Longer chains leave descriptors behind that fit nowhere; then we had better
 * believe the front end.  So do those that vring_use_in_order() skips; DPDK's
 * driver, which is the only one known to ask for that, starts its rings anew
 * when we do. */

/* What the flags of a descriptor say. */
enum slot {
    SLOT_USED_0, SLOT_USED_1,   /* In a round with this wrap counter. */
    SLOT_AVAIL_0, SLOT_AVAIL_1
};

static enum slot
slot_used(bool wrap)
{
    return wrap ? SLOT_USED_1 : SLOT_USED_0;
}

static enum slot
slot_avail(bool wrap)
{
    return wrap ? SLOT_AVAIL_1 : SLOT_AVAIL_0;
}

static enum slot
read_slot(const struct vring_packed_desc *desc, unsigned int i)
{
    uint16_t flags = guest_load16_acquire(&desc[i].flags);
    bool avail = flags & (1u << VRING_PACKED_DESC_F_AVAIL);
    bool used = flags & (1u << VRING_PACKED_DESC_F_USED);

    return avail == used ? slot_used(avail) : slot_avail(avail);
}

static bool
slot_is_avail(enum slot slot)
{
    return slot == SLOT_AVAIL_0 || slot == SLOT_AVAIL_1;
}

/* A position in a ring. */
struct position {
    unsigned int d;
    bool w;
    unsigned int hole;
};

/* Returns true if the ring's descriptors are as they must be when the device
 * is at 'p->d' in a round with wrap counter 'p->w', and stores 'p->hole'. */
static bool
position_fits(const struct vring_packed_desc *desc, unsigned int size,
              struct position *p)
{
    enum { FIRST, HOLE, AVAIL, USED } part = FIRST;

    p->hole = 0;
    for (unsigned int k = 0; k < size; k++) {
        unsigned int i = (p->d + k) % size;
        bool wrap = i >= p->d ? p->w : !p->w;
        enum slot slot = read_slot(desc, i);

        if (part != USED && slot == slot_avail(wrap)) {
            part = k < vring_packed_line_rest(p->d) ? FIRST : AVAIL;
        } else if (part < AVAIL && k && slot == slot_used(wrap)) {
            part = HOLE;
            p->hole = k;
        } else if (slot == slot_used(!wrap)) {
            part = USED;
        } else {
            return false;
        }
    }
    return true;
}

/* Does any descriptor that may be available continue in the next one? */
static bool
has_long_chains(const struct vring_packed_desc *desc, unsigned int size)
{
    for (unsigned int i = 0; i < size; i++) {
        if (slot_is_avail(read_slot(desc, i))
            && guest_load16(&desc[i].flags) & VRING_DESC_F_NEXT) {
            return true;
        }
    }
    return false;
}

/* Stores the position that fits, if all descriptors are available, or all are
 * used: it is where the rounds meet. */
static void
position_guess_uniform(const struct vring_packed_desc *desc, unsigned int size,
                       struct position *p)
{
    enum slot first = read_slot(desc, 0);

    p->d = 0;
    for (unsigned int i = 1; i < size; i++) {
        if (read_slot(desc, i) != first) {
            p->d = i;
            break;
        }
    }
    if (slot_is_avail(first)) {
        p->w = (first == SLOT_AVAIL_1) == !p->d;
    } else {
        p->w = (first == SLOT_USED_1) == !!p->d;
    }
}

/* Is the descriptor in front of 'i', or one that a burst which begins at 'i'
 * marks early, a used one? */
static bool
meets_used(const struct vring_packed_desc *desc, unsigned int size,
           unsigned int i)
{
    bool meets = !slot_is_avail(read_slot(desc, (i + size - 1) % size));

    for (unsigned int k = 1; k <= vring_packed_line_rest(i) && !meets; k++) {
        meets = !slot_is_avail(read_slot(desc, (i + k) % size));
    }
    return meets;
}

/* Looks for the position that fits, next to where available and used
 * descriptors meet.  Returns false if there is none. */
static bool
position_find(const struct vring_packed_desc *desc, unsigned int size,
              struct position *p)
{
    unsigned int n_meet = 0;

    for (unsigned int i = 0; i < size && n_meet <= 16; i++) {
        enum slot slot = read_slot(desc, i);

        if (slot_is_avail(slot) && meets_used(desc, size, i)) {
            p->d = i;
            p->w = slot == SLOT_AVAIL_1;
            if (position_fits(desc, size, p)) {
                return true;
            }
            n_meet++;
        }
    }
    if (!n_meet) {
        position_guess_uniform(desc, size, p);
        return position_fits(desc, size, p);
    }
    return false;
}

/* Publishes what is left of the burst at 'p'.  A frame whose descriptor was
 * not written any more is lost: nobody knows its length.  The guest's driver
 * drops a frame that is only a header as too short. */
static void
publish_rest(struct vring_packed_desc *desc, unsigned int size, bool to_guest,
             const struct position *p)
{
    bool first_written = vring_packed_line_rest(p->d) == 1;

    for (unsigned int left = p->hole + 1; left; left--) {
        unsigned int k = left - 1;
        unsigned int i = (p->d + k) % size;
        bool wrap = i >= p->d ? p->w : !p->w;
        bool written = k ? read_slot(desc, i) == slot_used(wrap)
                         : first_written;
        uint16_t flags = to_guest ? VRING_DESC_F_WRITE : 0;

        if (wrap) {
            flags |= ((1u << VRING_PACKED_DESC_F_AVAIL)
                      | (1u << VRING_PACKED_DESC_F_USED));
        }
        if (!written) {
            desc[i].len = to_guest ? sizeof(struct virtio_net_hdr_v1) : 0;
        }
        guest_store16_release(&desc[i].flags, flags);
        first_written |= written && k < vring_packed_line_rest(p->d);
    }
}

/* The front end says that the packed ring of 'size' descriptors at 'desc' is a
 * new one.  If it is not, and its position can be told, publishes what a
 * predecessor left half published, stores the position in '*index' and
 * '*wrap', and returns true.
 *
 * The driver may be adding descriptors meanwhile; a position that it confuses
 * does not fit, and is looked for once more. */
bool
vring_packed_resume(struct vring_packed_desc *desc, unsigned int size,
                    bool to_guest, uint16_t *index, bool *wrap)
{
    for (int i = 0; i < 3; i++) {
        struct position p = { .d = 0, .w = true };

        if (position_fits(desc, size, &p) && !p.hole) {
            return false;
        }
        if (!has_long_chains(desc, size) && position_find(desc, size, &p)) {
            *index = p.d;
            *wrap = p.w;
            if (p.hole) {
                publish_rest(desc, size, to_guest, &p);
                *wrap = p.w != (p.d + p.hole + 1 >= size);
                *index = (p.d + p.hole + 1) % size;
            }
            return true;
        }
    }
    return false;
}
