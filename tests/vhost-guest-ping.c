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

#include "vhost-guest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

/* Round trips. */

#define LOST_NS UINT64_C(5000000000) /* Who is not back by then is lost. */

static uint64_t
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

/* Sends the next frame if its time has come.  Returns true if one was sent. */
bool
vg_ping_run(struct vg_net *net)
{
    struct vg_ping *ping = net->ping;
    uint64_t now = now_ns();

    if (ping->inflight && now - ping->sent_at > LOST_NS) {
        ping->inflight = false;
        ping->n_lost++;
    }
    if (ping->inflight || vg_ping_is_done(ping) || now < ping->next_at) {
        return false;
    }

    /* Making the frame does not count. */
    ping->sent_at = now_ns();
    if (vg_net_send(net, &ping->stream, &ping->seq)) {
        return false;
    }
    ping->inflight = true;
    ping->n_sent++;
    return true;
}

/* Notes that frame 'seq' is back. */
void
vg_ping_note(struct vg_ping *ping, uint32_t seq)
{
    if (ping->inflight && seq == ping->seq) {
        uint64_t now = now_ns();

        ping->times[ping->n_back++] = now - ping->sent_at;
        ping->next_at = now + ping->gap;
        ping->inflight = false;
    }
}

bool
vg_ping_is_done(const struct vg_ping *ping)
{
    return ping->n_sent >= ping->count && !ping->inflight;
}

static int
compare_times(const void *a_, const void *b_)
{
    const uint64_t *a = a_, *b = b_;

    return *a < *b ? -1 : *a > *b;
}

/* Returns the percentiles of the round trips, in ns, for the caller to
 * free. */
char *
vg_ping_report(const struct vg_ping *ping)
{
    static const struct {
        const char *name;
        double share;
    } percentiles[] = {
        { "min", 0 }, { "p50", .5 }, { "p90", .9 }, { "p99", .99 },
        { "p99.9", .999 }, { "max", 1 },
    };
    struct ds ds = DS_EMPTY_INITIALIZER;
    size_t n = ping->n_back;

    ds_put_format(&ds, "sent=%"PRIuSIZE" back=%"PRIuSIZE" lost=%"PRIuSIZE,
                  ping->n_sent, n, ping->n_lost);
    qsort(ping->times, n, sizeof *ping->times, compare_times);
    for (size_t i = 0; n && i < ARRAY_SIZE(percentiles); i++) {
        ds_put_format(&ds, " %s=%"PRIu64, percentiles[i].name,
                      ping->times[(size_t) ((n - 1) * percentiles[i].share)]);
    }
    return ds_steal_cstr(&ds);
}
