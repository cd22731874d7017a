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


/* Test of the scripted guest's books on the order of frames, against a model
 * that keeps all frames and counts them in the plainest way. */

#include <config.h>
#undef NDEBUG

#include "vhost-guest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ovstest.h"
#include "random.h"
#include "util.h"

#define N_FLOWS 3
#define N_RINGS 3
#define N_FRAMES 60

/* Frames by number: the ring that each was found in, or -1. */
struct model {
    int rings[N_FRAMES];
    uint64_t reordered, crossed, moves;
};

static void
model_note(struct model *m, uint32_t seq, int ring)
{
    bool late = false, late_in_ring = false;
    int last = -1;
    uint64_t moves = 0;

    m->rings[seq] = ring;
    for (uint32_t i = seq % N_FLOWS; i < N_FRAMES; i += N_FLOWS) {
        if (m->rings[i] >= 0) {
            late |= i > seq;
            late_in_ring |= i > seq && m->rings[i] == ring;
            moves += last >= 0 && m->rings[i] != last;
            last = m->rings[i];
        }
    }
    m->reordered += late_in_ring;
    m->crossed += late && !late_in_ring;
    m->moves = MAX(m->moves, moves);
}

/* Shuffles 'seqs', some of them not far, so that all degrees of disorder are
 * there. */
static void
shuffle(uint32_t seqs[N_FRAMES])
{
    unsigned int reach = 1 + random_range(N_FRAMES);

    for (unsigned int i = 0; i < N_FRAMES; i++) {
        seqs[i] = i;
    }
    for (unsigned int i = 0; i < N_FRAMES; i++) {
        unsigned int j = i + random_range(MIN(reach, N_FRAMES - i));
        uint32_t seq = seqs[i];

        seqs[i] = seqs[j];
        seqs[j] = seq;
    }
}

static void
track_round(unsigned int n_rings)
{
    struct vg_track *track = vg_track_create(n_rings > 1);
    unsigned int stay = 1 + random_range(N_FRAMES);
    uint32_t seqs[N_FRAMES];
    struct model m = { .moves = 0 };

    for (unsigned int i = 0; i < N_FRAMES; i++) {
        m.rings[i] = -1;
    }
    shuffle(seqs);
    for (unsigned int i = 0; i < N_FRAMES; i++) {
        const struct vg_mark mark = {
            .flow = seqs[i] % N_FLOWS,
            .seq = seqs[i],
        };
        unsigned int ring = seqs[i] / stay % n_rings;

        if (!random_range(10)) {
            continue;
        } else if (!random_range(20)) {
            ring = random_range(n_rings);
        }
        vg_track_note(track, &mark, ring);
        model_note(&m, mark.seq, ring);
        ovs_assert(track->reordered == m.reordered);
        ovs_assert(track->crossed == m.crossed);
        ovs_assert(track->moves == m.moves);
    }
    vg_track_destroy(track);
}

/* usage: test-guest-track ROUNDS [SEED] */
static void
test_guest_track_main(int argc, char *argv[])
{
    unsigned int n = argc > 1 ? atoi(argv[1]) : 100;
    uint32_t seed;

    random_init();
    seed = argc > 2 ? atoi(argv[2]) : random_uint32() | 1;
    random_set_seed(seed);
    printf("seed %"PRIu32"\n", seed);
    for (unsigned int i = 0; i < n; i++) {
        track_round(1 + i % N_RINGS);
    }
}

OVSTEST_REGISTER("test-guest-track", test_guest_track_main);
