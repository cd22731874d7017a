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

#include "random-frame.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#include "openvswitch/util.h"
#include "packets.h"
#include "random.h"
#include "util.h"

/* A frame being written. */
struct writer {
    uint8_t *frame;
    size_t len;
};

/* No header or payload below is longer than this. */
#define MAX_PIECE 64

bool
random_one_in(uint32_t n)
{
    return !random_range(n);
}

static void
put(struct writer *w, unsigned int n_bytes, uint64_t value)
{
    ovs_assert(w->len + n_bytes <= RANDOM_FRAME_MAX);
    while (n_bytes--) {
        w->frame[w->len++] = value >> (n_bytes * 8);
    }
}

static void
put_random(struct writer *w, unsigned int n_bytes)
{
    while (n_bytes--) {
        put(w, 1, random_uint8());
    }
}

static void
set_u16(struct writer *w, size_t ofs, uint16_t value)
{
    w->frame[ofs] = value >> 8;
    w->frame[ofs + 1] = value;
}

/* Of a few, so that they recur. */
static uint16_t
some_port(void)
{
    static const uint16_t ports[] = { 53, 80, 443, 0x5051, 0xffff };

    return ports[random_range(ARRAY_SIZE(ports))];
}

static void
put_mac(struct writer *w)
{
    if (random_one_in(8)) {
        put(w, ETH_ADDR_LEN, UINT64_C(0xffffffffffff));
    } else {
        put(w, ETH_ADDR_LEN, UINT64_C(0x020000000000) + random_range(3));
    }
}

static void
put_ipv4_addr(struct writer *w)
{
    put(w, 4, 0x0a000000 + (random_range(2) << 8) + random_range(3));
}

static void
put_ipv6_addr(struct writer *w)
{
    put(w, 8, UINT64_C(0x20010db800000000) + random_range(2));
    put(w, 8, random_range(3));
}

static void
put_tcp(struct writer *w)
{
    unsigned int offset = random_one_in(6) ? random_range(16) : 5;

    put(w, 2, some_port());
    put(w, 2, some_port());
    put(w, 4, random_uint32());
    put(w, 4, random_uint32());
    put(w, 2, (offset << 12) | random_range(random_one_in(4) ? 4096 : 4));
    put_random(w, 6);
    if (random_one_in(2)) {
        put_random(w, random_range(MAX_PIECE));
    }
}

static void
put_ports(struct writer *w, unsigned int header_len)
{
    put(w, 2, some_port());
    put(w, 2, some_port());
    put_random(w, header_len - 4);
}

static void
put_nd_options(struct writer *w)
{
    while (random_one_in(2)) {
        put(w, 1, random_one_in(8) ? random_uint8() : 1 + random_range(2));
        put(w, 1, random_one_in(8) ? random_range(4) : 1);
        put_mac(w);
    }
}

static void
put_icmpv6(struct writer *w)
{
    if (random_one_in(2)) {
        put(w, 1, ND_NEIGHBOR_SOLICIT + random_range(2));
        put(w, 1, random_one_in(4));
        put_random(w, 6);
        put_ipv6_addr(w);
        put_nd_options(w);
    } else {
        put(w, 1, 128 + random_range(2));
        put(w, 1, random_range(2));
        put_random(w, 6);
    }
}

static void
put_l4(struct writer *w, uint8_t proto)
{
    switch (proto) {
    case IPPROTO_TCP:
        put_tcp(w);
        break;
    case IPPROTO_UDP:
        put_ports(w, UDP_HEADER_LEN);
        break;
    case IPPROTO_SCTP:
        put_ports(w, SCTP_HEADER_LEN);
        break;
    case IPPROTO_ICMP:
        put(w, 1, random_one_in(2) ? 8 : 0);
        put(w, 1, random_range(2));
        put_random(w, 6);
        break;
    case IPPROTO_IGMP:
        put(w, 1, 0x11 + random_range(2));
        put_random(w, 3);
        put_ipv4_addr(w);
        break;
    case IPPROTO_ICMPV6:
        put_icmpv6(w);
        break;
    default:
        break;
    }
    if (random_one_in(2)) {
        put_random(w, random_range(MAX_PIECE));
    }
    if (random_one_in(8)) {
        put_random(w, 300 + random_range(800));
    }
}

static uint8_t
some_proto(bool ipv6)
{
    static const uint8_t protos[] = {
        IPPROTO_TCP, IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDP,
        IPPROTO_SCTP, IPPROTO_GRE, 0, IPPROTO_IGMP,
    };
    uint32_t i = random_range(ARRAY_SIZE(protos) + 3);

    if (i < ARRAY_SIZE(protos)) {
        return protos[i];
    }
    return ipv6 == !random_one_in(8) ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
}

/* A length that is mostly 'right'. */
static uint16_t
some_len(uint16_t right)
{
    if (!random_one_in(10)) {
        return right;
    }
    return (random_one_in(2) ? random_range(right + 40)
            : random_one_in(2) ? right - random_range(right + 1)
            : random_uint16());
}

static uint16_t
some_frag(void)
{
    return (!random_one_in(4) ? 0x4000
            : random_one_in(2) ? IP_MORE_FRAGMENTS
            : random_one_in(2) ? 185
            : random_uint16());
}

static void
put_ipv4(struct writer *w)
{
    size_t start = w->len;
    unsigned int ihl = random_one_in(6) ? random_range(16) : 5;
    uint8_t proto = some_proto(false);

    put(w, 1, 0x40 | ihl);
    put(w, 1, random_range(3) << 2);
    put(w, 2, 0);
    put_random(w, 2);
    put(w, 2, some_frag());
    put(w, 1, 63 + random_range(2));
    put(w, 1, proto);
    put_random(w, 2);
    put_ipv4_addr(w);
    put_ipv4_addr(w);
    if (ihl > 5) {
        put_random(w, (ihl - 5) * 4);
    }
    put_l4(w, proto);
    set_u16(w, start + 2, some_len(w->len - start));
}

/* Puts one extension header of type 'type' that says it is followed by one of
 * type 'next'. */
static void
put_ipv6_ext(struct writer *w, uint8_t type, uint8_t next)
{
    unsigned int units = random_range(3);

    put(w, 1, next);
    if (type == IPPROTO_FRAGMENT) {
        put(w, 1, 0);
        put(w, 2, random_one_in(2) ? 0 : random_one_in(2) ? 1 : 0x60);
        put_random(w, 4);
    } else {
        put(w, 1, random_one_in(8) ? random_uint8() : units);
        put_random(w, type == IPPROTO_AH ? (units + 2) * 4 - 2
                                         : units * 8 + 6);
    }
}

static void
put_ipv6(struct writer *w)
{
    static const uint8_t ext_types[] = {
        IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_AH,
        IPPROTO_FRAGMENT,
    };
    uint8_t next[5];
    size_t start = w->len;
    int n_exts = random_one_in(5) ? 1 + random_range(3) : 0;

    for (int i = 0; i < n_exts; i++) {
        next[i] = ext_types[random_range(ARRAY_SIZE(ext_types))];
    }
    next[n_exts] = some_proto(true);

    put(w, 4, 0x60000000 | (random_range(3) << 22) | random_range(2));
    put(w, 2, 0);
    put(w, 1, next[0]);
    put(w, 1, 63 + random_range(2));
    put_ipv6_addr(w);
    put_ipv6_addr(w);
    for (int i = 0; i < n_exts; i++) {
        put_ipv6_ext(w, next[i], next[i + 1]);
    }
    put_l4(w, next[n_exts]);
    set_u16(w, start + 4, some_len(w->len - start - IPV6_HEADER_LEN));
}

static void
put_arp(struct writer *w)
{
    put(w, 2, random_one_in(20) ? 6 : 1);
    put(w, 2, random_one_in(20) ? ETH_TYPE_IPV6 : ETH_TYPE_IP);
    put(w, 2, random_one_in(20) ? 0x0604 + random_range(2) : 0x0604);
    put(w, 2, random_one_in(20) ? random_uint16() : 1 + random_range(2));
    put_mac(w);
    put_ipv4_addr(w);
    put_mac(w);
    put_ipv4_addr(w);
}

static void
put_nsh(struct writer *w)
{
    put(w, 2, random_one_in(8) ? random_uint16() : 0x0fc6);
    put(w, 1, random_one_in(8) ? 2 : 1);
    put(w, 1, 3);
    put(w, 4, 0x100 + random_range(3));
    put_random(w, 16);
}

static void
put_llc(struct writer *w)
{
    put(w, 2, random_range(ETH_TYPE_MIN));
    if (random_one_in(2)) {
        put(w, 8, UINT64_C(0xaaaa030000000000)
                  | (random_one_in(4) ? random_range(ETH_TYPE_MIN)
                     : ETH_TYPE_IP));
        put_ipv4(w);
    } else {
        put_random(w, MAX_PIECE);
    }
}

/* Puts Ethertype and what belongs to it. */
static void
put_l3(struct writer *w)
{
    switch (random_range(20)) {
    case 0:
        put_llc(w);
        break;
    case 1:
        put(w, 2, random_one_in(2) ? ETH_TYPE_MPLS : ETH_TYPE_MPLS_MCAST);
        put_random(w, random_range(MAX_PIECE));
        break;
    case 2:
        put(w, 2, ETH_TYPE_NSH);
        put_nsh(w);
        break;
    case 3:
        put(w, 2, random_one_in(2) ? 0x88cc : 0x0600 + random_range(0x800));
        put_random(w, random_range(MAX_PIECE));
        break;
    case 4:
        put(w, 2, random_one_in(4) ? ETH_TYPE_RARP : ETH_TYPE_ARP);
        put_arp(w);
        break;
    case 5:
        /* A tag without what should follow it. */
        put(w, 2, ETH_TYPE_VLAN_8021Q);
        put_random(w, random_range(5));
        break;
    case 6: case 7: case 8: case 9: case 10: case 11: case 12:
        put(w, 2, ETH_TYPE_IPV6);
        put_ipv6(w);
        break;
    default:
        put(w, 2, ETH_TYPE_IP);
        put_ipv4(w);
        break;
    }
}

size_t
random_frame(uint8_t frame[RANDOM_FRAME_MAX])
{
    struct writer w = { .frame = frame };

    put_mac(&w);
    put_mac(&w);
    for (int i = 0; i < 3 && random_one_in(2); i++) {
        put(&w, 2, random_one_in(3) ? ETH_TYPE_VLAN_8021AD
                                    : ETH_TYPE_VLAN_8021Q);
        put(&w, 2, (random_one_in(4) ? 0x3000 : 0)
                   | (random_one_in(2) ? 0x1000 : 0)
                   | random_range(3));
    }
    put_l3(&w);

    if (random_one_in(3) && w.len < ETH_TOTAL_MIN) {
        put_random(&w, ETH_TOTAL_MIN - w.len);
    }
    if (random_one_in(16)) {
        put_random(&w, random_range(RANDOM_FRAME_MAX - w.len));
    }
    if (random_one_in(12) && w.len > ETH_HEADER_LEN) {
        w.len = ETH_HEADER_LEN + random_range(w.len - ETH_HEADER_LEN);
    }
    if (random_one_in(16)) {
        frame[random_range(MIN(w.len, 100))] = random_uint8();
    }
    return random_one_in(100) ? random_range(ETH_HEADER_LEN) : w.len;
}
