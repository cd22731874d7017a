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
 * ring.  Longer chains leave descriptors behind that fit nowhere; then we had
 * better believe the front end. */

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

/* Returns true if the ring's descriptors are as they must be when the device
 * is at 'd' in a round with wrap counter 'w'.  With 'single', no chain may be
 * longer than one descriptor. */
static bool
position_fits(const struct vring_packed_desc *desc, unsigned int size,
              unsigned int d, bool w, bool single)
{
    bool ahead = true;          /* Still in the available ones? */

    for (unsigned int k = 0; k < size; k++) {
        unsigned int i = (d + k) % size;
        bool wrap = i >= d ? w : !w;
        enum slot slot = read_slot(desc, i);

        ahead = ahead && slot == slot_avail(wrap);
        if (ahead) {
            if (single && guest_load16(&desc[i].flags) & VRING_DESC_F_NEXT) {
                return false;
            }
        } else if (slot != slot_used(!wrap)) {
            return false;
        }
    }
    return true;
}

/* Stores in '*dp' and '*wp' the only position that may fit. */
static void
position_guess(const struct vring_packed_desc *desc, unsigned int size,
               unsigned int *dp, bool *wp)
{
    enum slot first = read_slot(desc, 0);
    enum slot last = read_slot(desc, size - 1);
    enum slot prev = first;

    /* An available descriptor after a used one is where we were. */
    if (slot_is_avail(first) && !slot_is_avail(last)) {
        *dp = 0;
        *wp = first == SLOT_AVAIL_1;
        return;
    }
    for (unsigned int i = 1; i < size; i++) {
        enum slot slot = read_slot(desc, i);

        if (slot_is_avail(slot) && !slot_is_avail(prev)) {
            *dp = i;
            *wp = slot == SLOT_AVAIL_1;
            return;
        }
        prev = slot;
    }

    /* All are available, or all used: it is where the rounds meet. */
    *dp = 0;
    for (unsigned int i = 1; i < size; i++) {
        if (read_slot(desc, i) != first) {
            *dp = i;
            break;
        }
    }
    if (slot_is_avail(first)) {
        *wp = (first == SLOT_AVAIL_1) == !*dp;
    } else {
        *wp = (first == SLOT_USED_1) == !!*dp;
    }
}

/* The front end says that the packed ring of 'size' descriptors at 'desc' is a
 * new one.  If it is not, and its position can be told, stores the latter in
 * '*index' and '*wrap' and returns true.
 *
 * The driver may be adding descriptors meanwhile; a position that it confuses
 * does not fit, and is looked for once more. */
bool
vring_packed_resume(const struct vring_packed_desc *desc, unsigned int size,
                    uint16_t *index, bool *wrap)
{
    for (int i = 0; i < 3; i++) {
        unsigned int d;
        bool w;

        if (position_fits(desc, size, 0, true, false)) {
            return false;
        }
        position_guess(desc, size, &d, &w);
        if (position_fits(desc, size, d, w, true)) {
            *index = d;
            *wrap = w;
            return true;
        }
    }
    return false;
}
