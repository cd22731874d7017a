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
#undef NDEBUG

#include "test-vring.h"

#include "random.h"
#include "util.h"
#include "vhost/vring-private.h"

#define FRAME_LEN 60

/* Finding back into a packed ring of which the front end says that it is new,
 * where all chains have 'n_desc' descriptors: possible if that is 1. */
static void
resume_round(unsigned int n_desc)
{
    const struct driver_desc descs[] = {
        { driver_arena(0), 100, 0 },
        { driver_arena(1), 100, 0 },
        { driver_arena(2), 100, 0 },
    };
    unsigned int size = n_desc + random_range(DRIVER_MAX_SIZE - n_desc + 1);
    uint16_t used_flags = 0, *unpublished = NULL;
    struct bench b;

    bench_init(&b, true, false, size, 0, true, 0);
    for (unsigned int step = 0; step < 200; step++) {
        bool fresh = (!b.ring->next_avail && b.ring->avail_wrap
                      && !unpublished);
        unsigned int id, n;
        uint16_t index;
        uint32_t len;
        bool wrap;

        if (vring_packed_resume(b.ring->packed.desc, size, false, &index,
                                &wrap)) {
            ovs_assert(!fresh && n_desc == 1);
            ovs_assert(index == b.ring->next_avail);
            ovs_assert(wrap == b.ring->avail_wrap);
            ovs_assert(!unpublished || *unpublished == used_flags);
        } else {
            ovs_assert(fresh || n_desc > 1);
            if (unpublished) {
                *unpublished = used_flags;
            }
        }
        unpublished = NULL;

        n = random_range(2) ? random_range(4) : random_range(size + 1);
        while (n && driver_add(&b.driver, descs, n_desc) >= 0) {
            n--;
        }
        if (random_range(4)) {
            uint16_t *first = &b.ring->packed.desc[b.ring->next_used].flags;
            uint16_t avail_flags = *first;

            n = vhost_peek(b.port, 0, b.burst);
            vhost_release(b.port, 0, b.burst);
            if (n > 1 && random_range(2)) {
                /* As if it had been killed just before publication. */
                unpublished = first;
                used_flags = *first;
                *first = avail_flags;
            }
        }
        while (!unpublished && random_range(8)
               && driver_get(&b.driver, &id, &len)) {
            continue;
        }
    }
    bench_uninit(&b);
}

/* Puts as many frames as it can, up to 'n' and then up to 'n_more', into the
 * ring, and publishes them together.  Returns how many of the first it put,
 * and stores how many of the others. */
static unsigned int
put_burst(struct bench *b, unsigned int n, unsigned int *n_more)
{
    static struct vhost_frame frame = { .data_len = FRAME_LEN };
    const struct vhost_frame *frames[VHOST_BURST];
    unsigned int n_sent;
    struct vhost_tx tx;

    frame.data = frame.room;
    for (unsigned int i = 0; i < VHOST_BURST; i++) {
        frames[i] = &frame;
    }
    vhost_tx_begin(b->port, 0, &tx);
    n_sent = vhost_tx_put_burst(&tx, frames, n);
    *n_more = vhost_tx_put_burst(&tx, frames, *n_more);
    vhost_tx_end(&tx);
    return n_sent;
}

/* Makes the last burst, of 'n' frames from descriptor 'first' on, look as if
 * its sender had been killed before it had written all descriptors, which were
 * 'before'.  Returns how many frames are lost. */
static unsigned int
unwrite_burst(struct bench *b, const struct vring_packed_desc before[],
              unsigned int first, unsigned int n)
{
    struct vring_packed_desc *desc = b->ring->packed.desc;
    unsigned int n_line = 4 - first % 4;
    unsigned int n_written = 1 + random_range(n_line);

    desc[first].flags = before[first].flags;
    if (n_line == 1 || n <= n_line) {
        return 0;
    }
    for (unsigned int k = n_written; k < n_line; k++) {
        unsigned int i = (first + k) % b->driver.size;

        desc[i] = before[i];
    }
    if (n_written > 1) {
        return n_line - n_written;
    }
    if (random_range(2)) {
        desc[first] = before[first];
    }
    return n_line;
}

/* Same for a guest's receive ring. */
static void
resume_tx_round(void)
{
    const struct driver_desc desc = { driver_arena(0), 100, DESC_WRITE };
    unsigned int size = 1 + random_range(DRIVER_MAX_SIZE);
    struct vring_packed_desc *before = xmalloc(size * sizeof *before);
    struct bench b;

    bench_init(&b, true, true, size, 0, true, 0);
    for (unsigned int step = 0; step < 200; step++) {
        unsigned int first = b.ring->next_used, n_got = 0;
        unsigned int id, n, n_more, n_lost = 0;
        uint32_t len;

        n = random_range(size + 1);
        while (n && driver_add(&b.driver, &desc, 1) >= 0) {
            n--;
        }
        memcpy(before, b.ring->packed.desc, size * sizeof *before);
        n_more = random_range(2) ? random_range(VHOST_BURST + 1) : 0;
        n = put_burst(&b, random_range(VHOST_BURST + 1), &n_more);
        if (n + n_more > 1 && random_range(2)) {
            uint16_t index;
            bool wrap;

            /* Those put later are written after all of the first. */
            n_lost = unwrite_burst(&b, before, first, n_more ? 0 : n);
            ovs_assert(vring_packed_resume(b.ring->packed.desc, size, true,
                                           &index, &wrap));
            ovs_assert(index == b.ring->next_avail);
            ovs_assert(wrap == b.ring->avail_wrap);
        }
        while (driver_get(&b.driver, &id, &len)) {
            n_got++;
            if (len == b.hdr_len) {
                n_lost--;
            } else {
                ovs_assert(len == b.hdr_len + FRAME_LEN);
            }
        }
        ovs_assert(n_got == n + n_more && !n_lost);
    }
    bench_uninit(&b);
    free(before);
}

/* Gives more buffers back than there are descriptors, which is what a guest
 * that makes used ones available again at the wrong moment brings about. */
static void
give_too_many(unsigned int size)
{
    struct vring_buffer buffers[VHOST_BURST];
    struct vring_packed_desc *desc, *behind;
    uint32_t lens[VHOST_BURST];
    struct bench b;

    bench_init(&b, true, true, size, 0, true, 0);
    desc = b.ring->packed.desc;
    behind = xmemdup(&desc[size], 4 * sizeof *desc);
    memset(buffers, 0, sizeof buffers);
    for (unsigned int i = 0; i < VHOST_BURST; i++) {
        buffers[i].chain.n_desc = 1;
        lens[i] = 100;
    }
    for (unsigned int n = 1; n <= VHOST_BURST; n++) {
        vring_give(b.ring, buffers, lens, n);
        ovs_assert(b.ring->next_used < size);
        vring_publish(b.ring);
        ovs_assert(!memcmp(behind, &desc[size], 4 * sizeof *desc));
    }
    free(behind);
    bench_uninit(&b);
}

void
test_vring_resume(unsigned int n_rounds)
{
    for (unsigned int size = 1; size < 8; size++) {
        give_too_many(size);
    }

    for (unsigned int i = 0; i < n_rounds; i++) {
        resume_round(1);
        resume_round(3);
        resume_tx_round();
    }
}
