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

void
test_vring_resume(unsigned int n_rounds)
{
    for (unsigned int i = 0; i < n_rounds; i++) {
        resume_round(1);
        resume_round(3);
    }
}
