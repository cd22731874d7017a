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

/* What has come of a stream of numbered frames, and in what order.
 *
 * A ring keeps the order of what is put into it.  What is put into two of them
 * has none: who polls one after the other may see the later frame first.  So
 * it takes the numbers of the frames to tell a switch that puts a flow into
 * another ring from then on from one that mixes up its frames or spreads them
 * over the rings. */

#include <config.h>
#include "vhost-guest.h"

#include "bitmap.h"
#include "util.h"

/* A frame, and the ring that it was found in. */
struct vg_found {
    uint32_t seq;
    unsigned int ring;
};

struct vg_flow {
    struct vg_found *frames;    /* In the order of their numbers. */
    size_t n, allocated;
    uint64_t moves;             /* From one frame to the next. */
};

struct vg_track *
vg_track_create(bool multiqueue)
{
    struct vg_track *track = xzalloc(sizeof *track);

    track->flow_next = xcalloc(VG_MAX_FLOWS, sizeof *track->flow_next);
    track->seen = bitmap_allocate(0);
    track->flows = (multiqueue ? xcalloc(VG_MAX_FLOWS, sizeof *track->flows)
                    : NULL);
    return track;
}

void
vg_track_destroy(struct vg_track *track)
{
    if (track) {
        for (size_t i = 0; track->flows && i < VG_MAX_FLOWS; i++) {
            free(track->flows[i].frames);
        }
        free(track->flows);
        free(track->flow_next);
        free(track->seen);
        free(track);
    }
}

static void
track_grow(struct vg_track *track, uint32_t seq)
{
    size_t n = MAX(track->n_seen, 65536);

    while (n <= seq) {
        n *= 2;
    }
    if (n > track->n_seen) {
        unsigned long *seen = bitmap_allocate(n);

        memcpy(seen, track->seen, bitmap_n_bytes(track->n_seen));
        free(track->seen);
        track->seen = seen;
        track->n_seen = n;
    }
}

/* Books frame 'seq' of 'flow', found in 'ring'.  Returns true if one with a
 * higher number was found there before. */
static bool
note_ring(struct vg_flow *flow, uint32_t seq, unsigned int ring)
{
    const struct vg_found *before, *after;
    bool late = false;
    size_t i = flow->n;

    if (flow->n == flow->allocated) {
        flow->frames = x2nrealloc(flow->frames, &flow->allocated,
                                  sizeof *flow->frames);
    }
    for (; i > 0 && flow->frames[i - 1].seq > seq; i--) {
        late |= flow->frames[i - 1].ring == ring;
        flow->frames[i] = flow->frames[i - 1];
    }
    flow->frames[i] = (struct vg_found) { seq, ring };
    flow->n++;

    before = i > 0 ? &flow->frames[i - 1] : NULL;
    after = i + 1 < flow->n ? &flow->frames[i + 1] : NULL;
    flow->moves += before && before->ring != ring;
    flow->moves += after && after->ring != ring;
    flow->moves -= before && after && before->ring != after->ring;
    return late;
}

void
vg_track_note(struct vg_track *track, const struct vg_mark *mark,
              unsigned int ring)
{
    bool late, late_in_ring;

    track_grow(track, mark->seq);
    if (bitmap_is_set(track->seen, mark->seq)) {
        track->duplicate++;
        return;
    }
    bitmap_set1(track->seen, mark->seq);
    track->good++;
    track->next_seq = MAX(track->next_seq, mark->seq + 1);

    late = late_in_ring = mark->seq < track->flow_next[mark->flow];
    if (!late) {
        track->flow_next[mark->flow] = mark->seq + 1;
    }
    if (track->flows) {
        struct vg_flow *flow = &track->flows[mark->flow];

        late_in_ring = note_ring(flow, mark->seq, ring);
        track->moves = MAX(track->moves, flow->moves);
    }
    track->reordered += late_in_ring;
    track->crossed += late && !late_in_ring;
}
