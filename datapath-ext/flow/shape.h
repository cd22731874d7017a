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

#ifndef ACCEL_SHAPE_H
#define ACCEL_SHAPE_H 1

/* Header shapes
 * =============
 *
 * The *shape* of a frame stands for every branch that miniflow_extract() takes
 * on it: how many VLAN tags, which protocols, fragment or not, and that all
 * its length checks pass.  For frames of one shape each bit of struct flow is
 * either the same in all of them, or a bit at a fixed place in the header.  So
 * a megaflow's mask can be translated to a mask of raw header bytes.
 *
 * Frames that are malformed or rare (IP options, IPv6 extension headers,
 * neighbor discovery, MPLS, NSH, LLC, three tags...) have no shape. */

#include <stddef.h>
#include <stdint.h>

#include "flow/megaflow.h"
#include "packets.h"

enum shape_l4 {
    SHAPE_L4_OTHER,             /* One that miniflow_extract() skips. */
    SHAPE_L4_TCP,
    SHAPE_L4_UDP,
    SHAPE_L4_SCTP,
    SHAPE_L4_ICMP,              /* ICMP on IPv4, ICMPv6 but ND on IPv6. */
    SHAPE_N_L4
};

enum shape_kind {
    SHAPE_OTHER,                /* An Ethertype with nothing to parse. */
    SHAPE_ARP,
    SHAPE_IPV4,                 /* + enum shape_l4. */
    SHAPE_IPV4_FIRST = SHAPE_IPV4 + SHAPE_N_L4, /* First fragment; same. */
    SHAPE_IPV4_LATER = SHAPE_IPV4_FIRST + SHAPE_N_L4,
    SHAPE_IPV6,                 /* + enum shape_l4. */
    SHAPE_N_KINDS = SHAPE_IPV6 + SHAPE_N_L4
};

/* Shapes are numbered 1 + n_vlans * SHAPE_N_KINDS + kind. */
#define FLOW_N_SHAPES (1 + (1 + FLOW_MAX_VLAN_HEADERS) * SHAPE_N_KINDS)
BUILD_ASSERT_DECL(FLOW_N_SHAPES <= 64);

/* Longest header of a frame with a shape, and the same in 64-bit words. */
#define SHAPE_MAX_HEADER (ETH_HEADER_LEN                          \
                          + FLOW_MAX_VLAN_HEADERS * VLAN_HEADER_LEN   \
                          + IPV6_HEADER_LEN + TCP_HEADER_LEN)
#define SHAPE_WORDS DIV_ROUND_UP(SHAPE_MAX_HEADER, 8)

static inline uint16_t
shape_get_u16(const uint8_t *p)
{
    return (p[0] << 8) | p[1];
}

/* Returns the enum shape_l4, or -1. */
static inline int
shape_parse_l4(const uint8_t *l4, size_t size, uint8_t proto, bool ipv6)
{
    switch (proto) {
    case IPPROTO_TCP:
        if (size >= TCP_HEADER_LEN) {
            size_t tcp_len = (l4[12] >> 4) * 4;

            if (tcp_len >= TCP_HEADER_LEN && tcp_len <= size) {
                return SHAPE_L4_TCP;
            }
        }
        return -1;

    case IPPROTO_UDP:
        return size >= UDP_HEADER_LEN ? SHAPE_L4_UDP : -1;

    case IPPROTO_SCTP:
        return size >= SCTP_HEADER_LEN ? SHAPE_L4_SCTP : -1;

    case IPPROTO_ICMP:
        return !ipv6 && size >= ICMP_HEADER_LEN ? SHAPE_L4_ICMP : -1;

    case IPPROTO_ICMPV6:
        if (!ipv6 || size < sizeof(struct icmp6_data_header)
            || ((l4[0] == ND_NEIGHBOR_SOLICIT || l4[0] == ND_NEIGHBOR_ADVERT)
                && l4[1] == 0)) {
            return -1;
        }
        return SHAPE_L4_ICMP;

    case IPPROTO_IGMP:
        return -1;

    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
    case IPPROTO_AH:
    case IPPROTO_FRAGMENT:
        return ipv6 ? -1 : SHAPE_L4_OTHER;

    default:
        return SHAPE_L4_OTHER;
    }
}

/* Returns the enum shape_kind, or -1. */
static inline int
shape_parse_ipv4(const uint8_t *l3, size_t size)
{
    int l4, base = SHAPE_IPV4;
    size_t tot_len;
    uint16_t frag;

    if (size < IP_HEADER_LEN || IP_IHL(l3[0]) != IP_HEADER_LEN / 4) {
        return -1;
    }
    /* The difference wraps around if there is less than 'tot_len'. */
    tot_len = shape_get_u16(l3 + 2);
    if (size - tot_len > UINT16_MAX || tot_len < IP_HEADER_LEN) {
        return -1;
    }

    frag = shape_get_u16(l3 + 6);
    if (OVS_UNLIKELY(frag & (IP_FRAG_OFF_MASK | IP_MORE_FRAGMENTS))) {
        if (frag & IP_FRAG_OFF_MASK) {
            return SHAPE_IPV4_LATER;
        }
        base = SHAPE_IPV4_FIRST;
    }
    l4 = shape_parse_l4(l3 + IP_HEADER_LEN, tot_len - IP_HEADER_LEN, l3[9],
                        false);
    return l4 < 0 ? l4 : base + l4;
}

uint32_t shape_parse_any(const uint8_t *data, size_t len);

/* Returns the shape of a frame of 'len' bytes, the first SHAPE_MAX_HEADER of
 * which, if it has so many, are at 'data', or FLOW_SHAPE_NONE.  If it returns
 * a shape, these are all that miniflow_extract() would read from the frame. */
static inline uint32_t
shape_parse(const uint8_t *data, size_t len)
{
    int kind;

    if (OVS_UNLIKELY(len < ETH_HEADER_LEN
                     || shape_get_u16(data + 2 * ETH_ADDR_LEN)
                        != ETH_TYPE_IP)) {
        return shape_parse_any(data, len);
    }
    kind = shape_parse_ipv4(data + ETH_HEADER_LEN, len - ETH_HEADER_LEN);
    return kind < 0 ? FLOW_SHAPE_NONE : 1 + kind;
}

/* Bytes of header that a shape covers, at most SHAPE_MAX_HEADER. */
unsigned int shape_header_len(uint32_t shape);

/* Where the TCP header of a frame of each shape is, 0 if not TCP. */
extern uint8_t shape_tcp_ofs[];

/* TCP flags of a frame of 'shape' in host byte order, 0 if not TCP. */
static inline uint16_t
shape_tcp_flags(uint32_t shape, const uint8_t *data)
{
    unsigned int ofs = shape_tcp_ofs[shape];

    return ofs ? ((data[ofs + 12] << 8) | data[ofs + 13]) & 0x0fff : 0;
}

/* Returns true if a first-pass frame of 'shape' may match a flow, given the
 * 'n_words' nonzero words of its mask, their indexes in struct flow, and the
 * masked flow's values for them (in_port is not looked at). */
bool shape_can_match(uint32_t shape, unsigned int n_words,
                     const uint8_t index[], const uint64_t mask[],
                     const uint64_t values[]);

/* Stores the raw header bytes, in words in memory order, that frames of
 * 'shape' are matched on under 'wc'. */
void shape_raw_mask(uint32_t shape, const struct flow_wildcards *wc,
                    uint64_t raw[SHAPE_WORDS]);

#endif /* shape.h */
