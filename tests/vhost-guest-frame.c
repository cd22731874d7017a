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

#include <config.h>
#include "vhost-guest.h"

#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

#include "csum.h"
#include "hash.h"
#include "util.h"

/* Numbered frames: Ethernet, maybe a VLAN tag, IPv4, UDP, and in the payload
 * a mark that tells the frame from all others.  Whatever the switch may
 * rewrite is covered by the checksums of IPv4 and UDP, which it must keep
 * right; the rest also by a hash of our own. */

#define MARK_MAGIC UINT32_C(0x76677565)

/* At the start of the UDP payload. */
struct mark_payload {
    ovs_be32 magic;
    ovs_be32 hash;              /* Of all that follows. */
    ovs_be32 seq;
    ovs_be16 flow;
    ovs_be16 len;               /* Of the UDP payload. */
    uint8_t generator;
    uint8_t zero;
} __attribute__((packed));

#define HASH_FROM offsetof(struct mark_payload, seq)

/* Where the parts of a frame are, 0 if absent. */
struct frame_map {
    size_t l3, l4, payload;
    size_t payload_len;
};

static ovs_be16
get_be16(const uint8_t *p)
{
    ovs_be16 value;

    memcpy(&value, p, sizeof value);
    return value;
}

static uint8_t *
put_be16(uint8_t *p, ovs_be16 value)
{
    memcpy(p, &value, sizeof value);
    return p + sizeof value;
}

/* Returns the checksum over the UDP datagram of 'udp_len' bytes at 'udp' and
 * its pseudo header.  It is 0 if the datagram's own is right. */
static uint16_t
udp_csum(const struct ip_header *ip, const struct udp_header *udp,
         size_t udp_len)
{
    uint32_t sum = csum_continue(0, &ip->ip_src, 8);

    sum += htons(IPPROTO_UDP) + htons(udp_len);
    return (OVS_FORCE uint16_t) csum_finish(csum_continue(sum, udp, udp_len));
}

size_t
vg_stream_min_size(const struct vg_stream *stream)
{
    return (ETH_HEADER_LEN + (stream->vlan >= 0 ? VLAN_HEADER_LEN : 0)
            + IP_HEADER_LEN + UDP_HEADER_LEN + sizeof(struct mark_payload));
}

static void
make_payload(const struct vg_stream *stream, uint32_t seq, uint8_t *p,
             size_t len)
{
    struct mark_payload mark = {
        .magic = htonl(MARK_MAGIC),
        .seq = htonl(seq),
        .flow = htons(seq % stream->n_flows),
        .len = htons(len),
        .generator = stream->generator,
    };
    uint32_t fill = hash_2words(seq, stream->generator);
    size_t i = sizeof mark;

    for (; i + sizeof fill <= len; i += sizeof fill) {
        memcpy(p + i, &fill, sizeof fill);
        fill += 0x9e3779b9;
    }
    memcpy(p + i, &fill, len - i);
    memcpy(p, &mark, sizeof mark);
    mark.hash = htonl(hash_bytes(p + HASH_FROM, len - HASH_FROM, 0));
    memcpy(p, &mark, sizeof mark);
}

/* Makes frame number 'seq' of 'stream' in the 'stream->size' bytes at
 * 'frame', which must be aligned as malloc() does. */
void
vg_stream_make(const struct vg_stream *stream, uint32_t seq, void *frame)
{
    uint32_t flow = seq % stream->n_flows;
    uint8_t *p = frame;
    size_t len = stream->size - ETH_HEADER_LEN;
    struct ip_header ip = {
        .ip_ihl_ver = IP_IHL_VER(5, 4),
        .ip_id = htons(seq),
        .ip_frag_off = htons(IP_DF),
        .ip_ttl = 64,
        .ip_proto = IPPROTO_UDP,
    };
    struct udp_header udp = {
        .udp_src = htons(1024 + flow % VG_FLOW_PORTS),
        .udp_dst = htons(stream->dst_port),
    };

    memcpy(p, &stream->dst_mac, ETH_ADDR_LEN);
    memcpy(p + ETH_ADDR_LEN, &stream->src_mac, ETH_ADDR_LEN);
    p += 2 * ETH_ADDR_LEN;
    if (stream->vlan >= 0) {
        p = put_be16(p, htons(ETH_TYPE_VLAN_8021Q));
        p = put_be16(p, htons(stream->vlan));
        len -= VLAN_HEADER_LEN;
    }
    p = put_be16(p, htons(ETH_TYPE_IP));

    ip.ip_tot_len = htons(len);
    put_16aligned_be32(&ip.ip_src, htonl(ntohl(stream->src_ip)
                                         + flow / VG_FLOW_PORTS));
    put_16aligned_be32(&ip.ip_dst, stream->dst_ip);
    ip.ip_csum = csum(&ip, sizeof ip);
    memcpy(p, &ip, sizeof ip);
    p += sizeof ip;
    len -= sizeof ip;

    make_payload(stream, seq, p + sizeof udp, len - sizeof udp);
    udp.udp_len = htons(len);
    memcpy(p, &udp, sizeof udp);
    udp.udp_csum = (OVS_FORCE ovs_be16) udp_csum(&ip, (void *) p, len);
    if (!udp.udp_csum) {
        udp.udp_csum = htons(0xffff);
    }
    memcpy(p, &udp, sizeof udp);
}

/* Finds a UDP datagram in 'frame', behind up to two VLAN tags. */
static bool
map_frame(const uint8_t *frame, size_t len, struct frame_map *map)
{
    size_t ofs = 2 * ETH_ADDR_LEN;
    size_t ihl, ip_len;

    for (int tags = 0; tags < 2; tags++) {
        ovs_be16 type;

        if (len < ofs + sizeof type + VLAN_HEADER_LEN) {
            return false;
        }
        type = get_be16(frame + ofs);
        if (!eth_type_vlan(type)) {
            break;
        }
        ofs += VLAN_HEADER_LEN;
    }
    if (len < ofs + 2 + IP_HEADER_LEN + UDP_HEADER_LEN
        || get_be16(frame + ofs) != htons(ETH_TYPE_IP)) {
        return false;
    }
    map->l3 = ofs + 2;

    ihl = (frame[map->l3] & 0xf) * 4;
    ip_len = ntohs(get_be16(frame + map->l3 + 2));
    if (frame[map->l3] >> 4 != 4 || ihl < IP_HEADER_LEN
        || frame[map->l3 + 9] != IPPROTO_UDP
        || ip_len > len - map->l3 || ip_len < ihl + UDP_HEADER_LEN) {
        return false;
    }
    map->l4 = map->l3 + ihl;
    map->payload = map->l4 + UDP_HEADER_LEN;
    map->payload_len = ip_len - ihl - UDP_HEADER_LEN;
    return true;
}

/* Tells what 'frame' is.  If it is good, fills in '*mark'. */
enum vg_verdict
vg_frame_check(const void *frame_, size_t len, struct vg_mark *mark)
{
    const uint8_t *frame = frame_;
    struct mark_payload payload;
    struct frame_map map;
    size_t udp_len;

    if (!map_frame(frame, len, &map) || map.payload_len < sizeof payload) {
        return VG_FOREIGN;
    }
    memcpy(&payload, frame + map.payload, sizeof payload);
    if (payload.magic != htonl(MARK_MAGIC)) {
        return VG_FOREIGN;
    }

    udp_len = UDP_HEADER_LEN + map.payload_len;
    if (csum(frame + map.l3, map.l4 - map.l3)
        || udp_csum((void *) (frame + map.l3), (void *) (frame + map.l4),
                    udp_len)
        || ntohs(payload.len) != map.payload_len
        || ntohl(payload.hash) != hash_bytes(frame + map.payload + HASH_FROM,
                                             map.payload_len - HASH_FROM, 0)
        || ntohl(payload.seq) >= VG_MAX_SEQ) {
        return VG_CORRUPT;
    }
    mark->generator = payload.generator;
    mark->flow = ntohs(payload.flow);
    mark->seq = ntohl(payload.seq);
    return VG_GOOD;
}

static bool
respond_arp(const struct vg_responder *r, uint8_t *frame, size_t len)
{
    struct arp_eth_header arp;

    if (len < ETH_HEADER_LEN + sizeof arp) {
        return false;
    }
    memcpy(&arp, frame + ETH_HEADER_LEN, sizeof arp);
    if (arp.ar_op != htons(ARP_OP_REQUEST)
        || get_16aligned_be32(&arp.ar_tpa) != r->ip) {
        return false;
    }
    arp.ar_op = htons(ARP_OP_REPLY);
    arp.ar_tha = arp.ar_sha;
    arp.ar_tpa = arp.ar_spa;
    arp.ar_sha = r->mac;
    put_16aligned_be32(&arp.ar_spa, r->ip);
    memcpy(frame + ETH_HEADER_LEN, &arp, sizeof arp);
    return true;
}

static bool
respond_ping(const struct vg_responder *r, uint8_t *frame, size_t len)
{
    struct ip_header ip;
    struct icmp_header icmp;
    uint8_t *l4 = frame + ETH_HEADER_LEN + sizeof ip;

    if (len < ETH_HEADER_LEN + sizeof ip + sizeof icmp) {
        return false;
    }
    memcpy(&ip, frame + ETH_HEADER_LEN, sizeof ip);
    memcpy(&icmp, l4, sizeof icmp);
    if (ip.ip_ihl_ver != IP_IHL_VER(5, 4) || ip.ip_proto != IPPROTO_ICMP
        || get_16aligned_be32(&ip.ip_dst) != r->ip
        || icmp.icmp_type != ICMP_ECHO) {
        return false;
    }
    ip.ip_dst = ip.ip_src;
    put_16aligned_be32(&ip.ip_src, r->ip);
    memcpy(frame + ETH_HEADER_LEN, &ip, sizeof ip);
    icmp.icmp_csum = recalc_csum16(icmp.icmp_csum, htons(ICMP_ECHO << 8),
                                   htons(ICMP_ECHOREPLY << 8));
    icmp.icmp_type = ICMP_ECHOREPLY;
    memcpy(l4, &icmp, sizeof icmp);
    return true;
}

/* If 'frame' is an ARP request or an untagged ICMP echo request for the
 * address of 'r', turns it into the answer and returns true. */
bool
vg_respond(const struct vg_responder *r, void *frame_, size_t len)
{
    uint8_t *frame = frame_;
    ovs_be16 type;
    bool answer;

    if (len < ETH_HEADER_LEN) {
        return false;
    }
    type = get_be16(frame + 2 * ETH_ADDR_LEN);
    answer = (type == htons(ETH_TYPE_ARP) ? respond_arp(r, frame, len)
              : type == htons(ETH_TYPE_IP) ? respond_ping(r, frame, len)
              : false);
    if (answer) {
        memcpy(frame, frame + ETH_ADDR_LEN, ETH_ADDR_LEN);
        memcpy(frame + ETH_ADDR_LEN, &r->mac, ETH_ADDR_LEN);
    }
    return answer;
}
