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

/* Test of vhost/packet.c: frames as dp_packets and as mbufs. */

#include <config.h>
#undef NDEBUG

#include "vhost/vhost.h"

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dp-packet.h"
#include "openvswitch/vlog.h"
#include "ovstest.h"
#include "packets.h"
#include "random.h"
#include "util.h"
#include "vhost/vhost-private.h"

#define MAX_LEN 65535
#define MAX_PIECES 4

static uint8_t bytes[MAX_LEN];

/* Makes 'frame' one of the first 'len' of 'bytes', with its tail in up to
 * MAX_PIECES pieces at 'iov'. */
static void
make_frame(struct vhost_frame *frame, uint32_t len, struct iovec *iov)
{
    uint32_t ofs = MIN(len, VHOST_SNAPSHOT);

    memset(frame, 0, sizeof *frame);
    frame->data = frame->room + VHOST_HEADROOM;
    frame->data_len = ofs;
    frame->tail_len = len - ofs;
    frame->iov = iov;
    memcpy(frame->data, bytes, ofs);
    while (ofs < len) {
        uint32_t left = len - ofs;
        uint32_t n = (frame->n_iov == MAX_PIECES - 1
                      ? left : 1 + random_range(left));

        iov[frame->n_iov].iov_base = bytes + ofs;
        iov[frame->n_iov++].iov_len = n;
        ofs += n;
    }
}

/* Checks that 'packet' is like a new one that has 'len' of 'bytes'. */
static void
check_packet(const struct dp_packet *packet, uint32_t len)
{
    ovs_assert(dp_packet_size(packet) == len);
    ovs_assert(!memcmp(dp_packet_data(packet), bytes, len));
    ovs_assert(dp_packet_headroom(packet) == MIN(RTE_PKTMBUF_HEADROOM,
                                                 UINT16_MAX - len));
    ovs_assert(dp_packet_tailroom(packet) <= UINT16_MAX);
    ovs_assert(packet->packet_type == htonl(PT_ETH));
    ovs_assert(!packet->cutlen);
    ovs_assert(!packet->l2_pad_size && packet->l2_5_ofs == UINT16_MAX);
    ovs_assert(packet->l3_ofs == UINT16_MAX && packet->l4_ofs == UINT16_MAX);
    ovs_assert(!dp_packet_rss_valid(packet));
    ovs_assert(!(*dp_packet_ol_flags_ptr(packet)
                 & DP_PACKET_OL_SUPPORTED_MASK));
}

/* Leaves traces of use in 'packet'. */
static void
use_packet(struct dp_packet *packet)
{
    dp_packet_push_zeros(packet, dp_packet_headroom(packet));
    dp_packet_set_rss_hash(packet, 1);
    dp_packet_hwol_set_csum_tcp(packet);
    dp_packet_set_cutlen(packet, ETH_HEADER_LEN);
    packet->packet_type = htonl(PT_MPLS);
    packet->l2_pad_size = packet->l2_5_ofs = 1;
    packet->l3_ofs = packet->l4_ofs = 1;
}

static struct dp_packet *
make_mbuf(uint32_t len)
{
    struct iovec iov[MAX_PIECES];
    struct dp_packet *packet;
    struct vhost_frame frame;

    make_frame(&frame, len, iov);
    packet = vhost_frame_to_mbuf(&frame);
    check_packet(packet, len);
    return packet;
}

static void
start_dpdk(void)
{
    char *argv[] = { "test-vhost-packet", "--no-huge", "--legacy-mem", "-m",
                     "64", "--no-pci", "--no-telemetry", "--no-shconf",
                     "--log-level=error",
                     xasprintf("--file-prefix=packet%ld", (long) getpid()) };

    ovs_assert(rte_eal_init(ARRAY_SIZE(argv), argv) >= 0);
    /* EAL made it for the files that --no-shconf spares. */
    rmdir(rte_eal_get_runtime_dir());
    vhost_packet_init();
}

/* Frames are mbufs as long as they fit. */
static void
test_lengths(void)
{
    uint32_t longest = 0;

    for (uint32_t len = ETH_HEADER_LEN; len <= MAX_LEN;
         len += len < 3000 || len >= 65300 ? 1 : 100) {
        struct dp_packet *packet = make_mbuf(len);

        if (packet->source == DPBUF_DPDK) {
            ovs_assert(longest == 0 || longest == len - 1);
            longest = len;
        }
        use_packet(packet);
        dp_packet_delete(packet);
    }
    ovs_assert(longest >= VLAN_ETH_HEADER_LEN + 1500);
}

/* When there are no more mbufs, frames are other packets, and mbufs again when
 * these have come back. */
static void
test_exhausted(void)
{
    struct dp_packet **packets = NULL;
    size_t allocated = 0, n = 0;

    do {
        if (n >= allocated) {
            packets = x2nrealloc(packets, &allocated, sizeof *packets);
        }
        packets[n] = make_mbuf(ETH_TOTAL_MIN);
    } while (packets[n++]->source == DPBUF_DPDK);
    ovs_assert(packets[n - 1]->source == DPBUF_MALLOC);
    for (size_t i = 0; i < n; i++) {
        check_packet(packets[i], ETH_TOTAL_MIN);
        dp_packet_delete(packets[i]);
    }
    for (size_t i = 0; i < n - 1; i++) {
        packets[i] = make_mbuf(ETH_TOTAL_MIN);
        ovs_assert(packets[i]->source == DPBUF_DPDK);
    }
    for (size_t i = 0; i < n - 1; i++) {
        dp_packet_delete(packets[i]);
    }
    printf("%"PRIuSIZE" mbufs\n", n - 1);
    free(packets);
}

static void
test_vhost_packet_main(int argc, char *argv[])
{
    struct dp_packet *packet;
    uint32_t seed;

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    random_init();
    seed = argc > 1 ? strtoul(argv[1], NULL, 0) : random_uint32();
    printf("seed %"PRIu32"\n", seed);
    fflush(stdout);
    random_set_seed(seed);
    random_bytes(bytes, sizeof bytes);

    packet = make_mbuf(ETH_TOTAL_MIN);
    ovs_assert(packet->source == DPBUF_MALLOC);
    dp_packet_delete(packet);
    start_dpdk();
    test_lengths();
    test_exhausted();
}

OVSTEST_REGISTER("test-vhost-packet", test_vhost_packet_main);
