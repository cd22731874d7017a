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

/* What becomes of packets on the side road: see struct side_fates. */

#include "pmd/side-road.h"
#include "util.h"

BUILD_ASSERT_DECL(SIDE_NOBODY < 64);

void
side_set_number(struct dp_packet *packet, unsigned int number)
{
    ((uint8_t *) packet)[SIDE_NUMBER_OFS] = number;
}

uint64_t
side_bits(const struct dp_packet_batch *batch)
{
    struct dp_packet *packet;
    uint64_t bits = 0;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        bits |= side_bit(packet);
    }
    return bits;
}

struct side_fates *
side_fates_begin(struct pmd *pmd, struct side_fates *fates, struct port *port,
                 struct dp_packet_batch *batch)
{
    struct side_fates *outer = pmd->fates;
    struct dp_packet *packet;

    BUILD_ASSERT(PORT_N_DROPS <= UINT8_MAX);
    memset(fates, 0, sizeof *fates);
    memset(fates->reasons, PORT_DROP_ACTION, sizeof fates->reasons);
    fates->port = port;
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        side_set_number(packet, i);
    }
    if (port) {
        fates->open = (UINT64_C(1) << dp_packet_batch_size(batch)) - 1;
    }
    pmd->fates = fates;
    return outer;
}

void
side_fates_end(struct pmd *pmd, struct side_fates *outer)
{
    const struct side_fates *fates = pmd->fates;
    uint64_t open = fates->open & ~fates->in_flight;

    pmd->fates = outer;
    if (open) {
        struct port_books *books = port_books(fates->port, pmd->slot);
        uint64_t dropped = open & ~(fates->tried | fates->consumed);

        port_count(&books->forwarded, count_1bits(open & fates->tried));
        port_count(&books->consumed,
                   count_1bits(open & fates->consumed & ~fates->tried));
        for (; dropped; dropped = zero_rightmost_1bit(dropped)) {
            port_count(&books->dropped[fates->reasons[raw_ctz(dropped)]], 1);
        }
    }
}

void
side_drop(struct pmd *pmd, struct dp_packet *packet, enum port_drop reason)
{
    port_drop_count(reason, 1);
    pmd->fates->reasons[side_number(packet)] = reason;
    dp_packet_delete(packet);
}

void
side_drop_batch(struct pmd *pmd, struct dp_packet_batch *batch,
                enum port_drop reason)
{
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        side_drop(pmd, packet, reason);
    }
}

void
side_count_drops(struct pmd *pmd, const struct dp_packet_batch *batch,
                 size_t n, uint64_t bits, enum port_drop reason)
{
    size_t n_left = dp_packet_batch_size(batch);

    if (OVS_UNLIKELY(n > n_left)) {
        port_drop_count(reason, n - n_left);
        bits &= ~side_bits(batch);
        for (; bits; bits = zero_rightmost_1bit(bits)) {
            pmd->fates->reasons[raw_ctz(bits)] = reason;
        }
    }
}
