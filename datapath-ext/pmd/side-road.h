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

#ifndef ACCEL_SIDE_ROAD_H
#define ACCEL_SIDE_ROAD_H 1

/* What the files of the side road share
 * =====================================
 *
 * side-road.c finds the flows of packets and asks ofproto about those that
 * have none; side-action.c runs the flows' actions; side-output.c sends what
 * they output; side-fate.c keeps the books.
 *
 * All of them work on batches.  What becomes of each packet of a burst is
 * noted in bit masks, for which a packet carries its number in the burst with
 * it; so do copies of it. */

#include "pmd/pmd-private.h"

/* What became of the packets of a burst.  Masks have the bit 1 << i for packet
 * number i. */
struct side_fates {
    struct port *port;          /* Where they were received, or NULL. */
    uint64_t open;              /* Not in the books of 'port' yet. */
    uint64_t tried;             /* Some output was tried. */
    uint64_t consumed;          /* Userspace took a copy. */
    uint64_t in_flight;         /* Wait for upcall threads, which settle it. */
    uint8_t reasons[NETDEV_MAX_BURST + 1];      /* PORT_DROP_*, if not. */
};

/* The number of packets that are of no burst. */
#define SIDE_NOBODY NETDEV_MAX_BURST

/* side-fate.c */

/* Makes 'fates' those of 'pmd', for the packets of 'batch' received on 'port'
 * (or NULL), until fates_end().  Returns the ones that it had, which
 * fates_end() gives back: upcalls can execute packets. */
struct side_fates *side_fates_begin(struct pmd *, struct side_fates *fates,
                                    struct port *port,
                                    struct dp_packet_batch *batch);

/* Books the packets. */
void side_fates_end(struct pmd *, struct side_fates *outer);

/* A packet's number travels in bytes of struct dp_packet that OVS leaves
 * unused, between the packet's type and its metadata.  Copying a packet copies
 * them, and popping a tunnel header, which clears the metadata, leaves them
 * alone. */
#define SIDE_NUMBER_OFS                                 \
    (offsetof(struct dp_packet, packet_type)            \
     + MEMBER_SIZEOF(struct dp_packet, packet_type))
BUILD_ASSERT_DECL(SIDE_NUMBER_OFS < offsetof(struct dp_packet, md));
BUILD_ASSERT_DECL(SIDE_NUMBER_OFS > offsetof(struct dp_packet, l2_pad_size));

static inline unsigned int
side_number(const struct dp_packet *packet)
{
    return ((const uint8_t *) packet)[SIDE_NUMBER_OFS];
}

void side_set_number(struct dp_packet *, unsigned int number);
static inline uint64_t
side_bit(const struct dp_packet *packet)
{
    return UINT64_C(1) << side_number(packet);
}
uint64_t side_bits(const struct dp_packet_batch *);

/* Frees 'packet', or the packets of 'batch'.  If no output of one was or will
 * be tried, 'reason' says why. */
void side_drop(struct pmd *, struct dp_packet *packet, enum port_drop reason);
void side_drop_batch(struct pmd *, struct dp_packet_batch *batch,
                     enum port_drop reason);

/* Same for those that have been taken out of 'batch', and freed, since it had
 * 'n' packets with 'bits'. */
void side_count_drops(struct pmd *, const struct dp_packet_batch *batch,
                      size_t n, uint64_t bits, enum port_drop reason);

/* side-output.c */

/* Outputs the packets of 'batch', which it takes, to 'port'. */
void side_output_batch(struct pmd *, struct dp_packet_batch *batch,
                       struct port *port);

/* side-action.c */

/* Runs 'actions' on 'batch', whose packets it takes if 'steal'.  'flow' is
 * what the actions were made for. */
void side_action_run(struct pmd *, struct dp_packet_batch *batch, bool steal,
                     const struct flow *flow, const struct nlattr *actions,
                     size_t actions_len);

/* side-road.c, for actions */

/* Finds the megaflows of the packets of 'batch', which it takes, and runs
 * their actions. */
void side_road_again(struct pmd *, struct dp_packet_batch *batch);

/* Gives 'packet', which it takes, to ofproto, for userspace(userdata). */
void side_road_userspace(struct pmd *, struct dp_packet *packet,
                         const struct nlattr *userdata);

#endif /* side-road.h */
