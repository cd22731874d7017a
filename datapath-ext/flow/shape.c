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

#include "flow/shape.h"

#include <string.h>

#include "action/action.h"
#include "compiler.h"
#include "flow.h"
#include "util.h"

/* Where one byte of struct flow comes from: 'shift' is how far its bits are
 * shifted left (or right, if negative) in the raw byte. */
struct shape_byte {
    uint16_t flow_ofs;
    uint8_t raw_ofs;
    int8_t shift;
};

#define SHAPE_MAX_BYTES 96

struct shape {
    /* For each bit of a frame's flow: either its 'variable' bit is 1 and it
     * is in the raw header, or it has the value in 'known'. */
    uint64_t variable[FLOW_U64S];
    uint64_t known[FLOW_U64S];

    struct shape_byte bytes[SHAPE_MAX_BYTES];
    unsigned int n_bytes;
    unsigned int header_len;
};

static struct shape shapes[FLOW_N_SHAPES];
uint8_t shape_tcp_ofs[FLOW_N_SHAPES];
static struct action_headers headers[FLOW_N_SHAPES];

const struct action_headers *
flow_shape_headers(uint32_t shape)
{
    return &headers[shape];
}

/* Parsing frames: what shape_parse() does not do itself.  The functions return
 * the kind or -1. */

static inline int
parse_ipv6(const uint8_t *l3, size_t size)
{
    size_t plen;
    int l4;

    if (size < IPV6_HEADER_LEN) {
        return -1;
    }
    size -= IPV6_HEADER_LEN;
    plen = shape_get_u16(l3 + 4);
    if (plen > size || size - plen > UINT16_MAX) {
        return -1;
    }
    l4 = shape_parse_l4(l3 + IPV6_HEADER_LEN, plen, l3[6], true);
    return l4 < 0 ? l4 : SHAPE_IPV6 + l4;
}

static int
parse_arp(const uint8_t *l3, size_t size)
{
    /* Ethernet and IPv4 addresses of 6 and 4 bytes, and an operation that
     * fits struct flow's nw_proto. */
    static const uint8_t start[] = { 0, 1, 8, 0, ETH_ADDR_LEN, 4, 0 };

    return (size >= ARP_ETH_HEADER_LEN && !memcmp(l3, start, sizeof start)
            ? SHAPE_ARP : -1);
}

static inline int
parse_ethertype(uint16_t type, const uint8_t *l3, size_t size)
{
    switch (type) {
    case ETH_TYPE_IP:
        return shape_parse_ipv4(l3, size);

    case ETH_TYPE_IPV6:
        return parse_ipv6(l3, size);

    case ETH_TYPE_ARP:
        return parse_arp(l3, size);

    case ETH_TYPE_RARP:
    case ETH_TYPE_MPLS:
    case ETH_TYPE_MPLS_MCAST:
    case ETH_TYPE_NSH:
        return -1;

    default:
        return type >= ETH_TYPE_MIN ? SHAPE_OTHER : -1;
    }
}

uint32_t
shape_parse_any(const uint8_t *data, size_t len)
{
    const size_t tag_and_type = VLAN_HEADER_LEN + sizeof(ovs_be16);
    size_t ofs = 2 * ETH_ADDR_LEN;
    int n_vlans = 0;
    uint16_t type;
    int kind;

    if (len < ETH_HEADER_LEN) {
        return FLOW_SHAPE_NONE;
    }

    type = shape_get_u16(data + ofs);
    while ((type == ETH_TYPE_VLAN_8021Q || type == ETH_TYPE_VLAN_8021AD)
           && n_vlans < flow_vlan_limit) {
        if (len - ofs < tag_and_type) {
            return FLOW_SHAPE_NONE;
        }
        ofs += VLAN_HEADER_LEN;
        n_vlans++;
        type = shape_get_u16(data + ofs);
    }
    ofs += sizeof(ovs_be16);

    kind = parse_ethertype(type, data + ofs, len - ofs);
    return kind < 0 ? FLOW_SHAPE_NONE : 1 + n_vlans * SHAPE_N_KINDS + kind;
}

unsigned int
shape_header_len(uint32_t shape)
{
    return shapes[shape].header_len;
}

/* Matching under a shape */

bool
shape_can_match(uint32_t shape_id, unsigned int n_words,
                const uint8_t index[], const uint64_t mask[],
                const uint64_t values[])
{
    const struct shape *shape = &shapes[shape_id];

    for (size_t i = 0; i < n_words; i++) {
        size_t j = index[i];

        if ((values[i] ^ shape->known[j]) & mask[i] & ~shape->variable[j]) {
            return false;
        }
    }
    return true;
}

void
shape_raw_mask(uint32_t shape_id, const struct flow_wildcards *wc,
               uint64_t raw_[SHAPE_WORDS])
{
    const struct shape *shape = &shapes[shape_id];
    const uint8_t *variable = (const uint8_t *) shape->variable;
    const uint8_t *mask = (const uint8_t *) &wc->masks;
    uint8_t *raw = (uint8_t *) raw_;

    memset(raw, 0, SHAPE_WORDS * sizeof raw_[0]);
    for (size_t i = 0; i < shape->n_bytes; i++) {
        const struct shape_byte *b = &shape->bytes[i];
        unsigned int bits = mask[b->flow_ofs] & variable[b->flow_ofs];

        raw[b->raw_ofs] |= b->shift < 0 ? bits >> -b->shift : bits << b->shift;
    }
}

/* Describing shapes */

#define FLOW_BYTE(WORDS, OFS) (((uint8_t *) (WORDS))[OFS])

static void
map_shifted(struct shape *shape, size_t flow_ofs, size_t raw_ofs, int shift)
{
    ovs_assert(shape->n_bytes < SHAPE_MAX_BYTES);
    shape->bytes[shape->n_bytes++] = (struct shape_byte) {
        .flow_ofs = flow_ofs, .raw_ofs = raw_ofs, .shift = shift,
    };
    FLOW_BYTE(shape->variable, flow_ofs) = 0xff;
}

static void
map_bytes(struct shape *shape, size_t flow_ofs, size_t raw_ofs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        map_shifted(shape, flow_ofs + i, raw_ofs + i, 0);
    }
}

#define MAP_FIELD(SHAPE, FIELD, RAW_OFS)                            \
    map_bytes(SHAPE, offsetof(struct flow, FIELD), RAW_OFS,         \
              MEMBER_SIZEOF(struct flow, FIELD))

/* Makes the 'bits' of a byte of flow known to be 'value'. */
static void
set_known(struct shape *shape, size_t flow_ofs, uint8_t bits, uint8_t value)
{
    FLOW_BYTE(shape->variable, flow_ofs) &= ~bits;
    FLOW_BYTE(shape->known, flow_ofs) |= value;
}

static void
set_dl_type(struct shape *shape, uint16_t type)
{
    set_known(shape, offsetof(struct flow, dl_type), 0xff, type >> 8);
    set_known(shape, offsetof(struct flow, dl_type) + 1, 0xff, type);
}

static void
set_nw_proto(struct shape *shape, uint8_t proto)
{
    set_known(shape, offsetof(struct flow, nw_proto), 0xff, proto);
}

/* Returns where the network header starts. */
static size_t
describe_l2(struct shape *shape, unsigned int n_vlans)
{
    size_t ofs = 0;

    MAP_FIELD(shape, dl_dst, ofs);
    MAP_FIELD(shape, dl_src, ofs + ETH_ADDR_LEN);
    ofs += 2 * ETH_ADDR_LEN;
    for (unsigned int i = 0; i < n_vlans; i++) {
        MAP_FIELD(shape, vlans[i].qtag, ofs);

        /* miniflow_extract() sets this bit: the tag is there. */
        set_known(shape, offsetof(struct flow, vlans[i].tci),
                  VLAN_CFI >> 8, VLAN_CFI >> 8);
        ofs += VLAN_HEADER_LEN;
    }
    MAP_FIELD(shape, dl_type, ofs);
    return ofs + sizeof(ovs_be16);
}

static void
describe_arp(struct shape *shape, size_t l3)
{
    set_dl_type(shape, ETH_TYPE_ARP);
    MAP_FIELD(shape, nw_proto, l3 + 7);     /* Low byte of the operation. */
    MAP_FIELD(shape, arp_sha, l3 + 8);
    MAP_FIELD(shape, nw_src, l3 + 14);
    MAP_FIELD(shape, arp_tha, l3 + 18);
    MAP_FIELD(shape, nw_dst, l3 + 24);
    shape->header_len = l3 + ARP_ETH_HEADER_LEN;
}

static void
describe_ipv4(struct shape *shape, size_t l3, uint8_t nw_frag)
{
    set_dl_type(shape, ETH_TYPE_IP);
    set_known(shape, offsetof(struct flow, nw_frag), 0xff, nw_frag);
    MAP_FIELD(shape, nw_tos, l3 + 1);
    MAP_FIELD(shape, nw_ttl, l3 + 8);
    MAP_FIELD(shape, nw_proto, l3 + 9);
    MAP_FIELD(shape, nw_src, l3 + 12);
    MAP_FIELD(shape, nw_dst, l3 + 16);
    shape->header_len = l3 + IP_HEADER_LEN;
}

static void
describe_ipv6(struct shape *shape, size_t l3)
{
    size_t label = offsetof(struct flow, ipv6_label);

    set_dl_type(shape, ETH_TYPE_IPV6);

    /* Four bits of version, eight of traffic class, twenty of label. */
    map_shifted(shape, offsetof(struct flow, nw_tos), l3, -4);
    map_shifted(shape, offsetof(struct flow, nw_tos), l3 + 1, 4);
    map_bytes(shape, label + 1, l3 + 1, 3);
    set_known(shape, label + 1, 0xf0, 0);

    MAP_FIELD(shape, nw_proto, l3 + 6);
    MAP_FIELD(shape, nw_ttl, l3 + 7);
    MAP_FIELD(shape, ipv6_src, l3 + 8);
    MAP_FIELD(shape, ipv6_dst, l3 + 24);
    shape->header_len = l3 + IPV6_HEADER_LEN;
}

/* Says what of frames of 'shape', whose IP header has been described, can be
 * edited: shape_parse_l4() and its callers have found all of it. */
static void
describe_headers(const struct shape *shape, enum shape_l4 l4, bool ipv6)
{
    struct action_headers *h = &headers[shape - shapes];

    h->l4_ofs = shape->header_len;
    h->l3_ofs = h->l4_ofs - (ipv6 ? IPV6_HEADER_LEN : IP_HEADER_LEN);
    h->op_types = 1u << (ipv6 ? ACTION_OP_IPV6_SET : ACTION_OP_IPV4_SET);
    if (l4 == SHAPE_L4_TCP) {
        h->op_types |= 1u << ACTION_OP_TCP_SET;
    } else if (l4 == SHAPE_L4_UDP) {
        h->op_types |= 1u << ACTION_OP_UDP_SET;
    }
}

/* Describes what follows the IP header. */
static void
describe_l4(struct shape *shape, enum shape_l4 l4, bool ipv6)
{
    static const uint8_t protos[SHAPE_N_L4] = {
        [SHAPE_L4_TCP] = IPPROTO_TCP,
        [SHAPE_L4_UDP] = IPPROTO_UDP,
        [SHAPE_L4_SCTP] = IPPROTO_SCTP,
        [SHAPE_L4_ICMP] = IPPROTO_ICMP,
    };
    size_t ofs = shape->header_len;

    describe_headers(shape, l4, ipv6);
    if (l4 == SHAPE_L4_OTHER) {
        return;
    }

    if (l4 == SHAPE_L4_ICMP) {
        set_nw_proto(shape, ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
        map_bytes(shape, offsetof(struct flow, tp_src) + 1, ofs, 1);
        map_bytes(shape, offsetof(struct flow, tp_dst) + 1, ofs + 1, 1);
        shape->header_len += ICMP_HEADER_LEN;
        return;
    }

    set_nw_proto(shape, protos[l4]);
    MAP_FIELD(shape, tp_src, ofs);
    MAP_FIELD(shape, tp_dst, ofs + 2);
    if (l4 == SHAPE_L4_TCP) {
        MAP_FIELD(shape, tcp_flags, ofs + 12);
        set_known(shape, offsetof(struct flow, tcp_flags), 0xf0, 0);
        shape_tcp_ofs[shape - shapes] = ofs;
        shape->header_len += TCP_HEADER_LEN;
    } else {
        shape->header_len += (l4 == SHAPE_L4_UDP ? UDP_HEADER_LEN
                              : SCTP_HEADER_LEN);
    }
}

static void
describe_shape(struct shape *shape, unsigned int n_vlans,
               enum shape_kind kind)
{
    size_t l3 = describe_l2(shape, n_vlans);

    if (kind >= SHAPE_IPV6) {
        describe_ipv6(shape, l3);
        describe_l4(shape, kind - SHAPE_IPV6, true);
    } else if (kind == SHAPE_IPV4_LATER) {
        describe_ipv4(shape, l3, FLOW_NW_FRAG_ANY | FLOW_NW_FRAG_LATER);
    } else if (kind >= SHAPE_IPV4_FIRST) {
        describe_ipv4(shape, l3, FLOW_NW_FRAG_ANY);
        describe_l4(shape, kind - SHAPE_IPV4_FIRST, false);
    } else if (kind >= SHAPE_IPV4) {
        describe_ipv4(shape, l3, 0);
        describe_l4(shape, kind - SHAPE_IPV4, false);
    } else if (kind == SHAPE_ARP) {
        describe_arp(shape, l3);
    } else {
        shape->header_len = l3;
    }
    ovs_assert(shape->header_len <= SHAPE_MAX_HEADER);
}

OVS_CONSTRUCTOR(shape_describe_all) {
    for (uint32_t i = 1; i < FLOW_N_SHAPES; i++) {
        describe_shape(&shapes[i], (i - 1) / SHAPE_N_KINDS,
                       (i - 1) % SHAPE_N_KINDS);
    }
}
