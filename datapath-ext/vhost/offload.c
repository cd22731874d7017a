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

#include "vhost/offload.h"

#include "crc32c.h"
#include "csum.h"
#include "dp-packet.h"
#include "packets.h"
#include "unaligned.h"
#include "vhost/vhost.h"

#define TCP_CSUM_OFS offsetof(struct tcp_header, tcp_csum)
#define UDP_CSUM_OFS offsetof(struct udp_header, udp_csum)
#define IPV6_ADDRS_OFS offsetof(struct ovs_16aligned_ip6_hdr, ip6_src)

/* Where the layers of a frame begin. */
struct layers {
    bool v6;
    uint8_t proto;
    uint16_t l3, l4;
    uint16_t l3_len;            /* As the IP header tells it. */
};

static bool
find_layer3(const uint8_t *data, uint32_t len, ovs_be16 *type, uint32_t *ofs)
{
    for (*ofs = 2 * ETH_ADDR_LEN; *ofs + sizeof *type <= len;
         *ofs += VLAN_HEADER_LEN) {
        memcpy(type, data + *ofs, sizeof *type);
        if (!eth_type_vlan(*type)) {
            *ofs += sizeof *type;
            return true;
        }
    }
    return false;
}

static bool
find_layer4_ip(const uint8_t *data, uint32_t left, struct layers *l)
{
    const struct ip_header *ip = (const void *) data;
    unsigned int ip_len;

    if (left < IP_HEADER_LEN || IP_VER(ip->ip_ihl_ver) != 4
        || ip->ip_frag_off & htons(IP_MORE_FRAGMENTS | IP_FRAG_OFF_MASK)) {
        return false;
    }
    ip_len = IP_IHL(ip->ip_ihl_ver) * 4;
    l->v6 = false;
    l->proto = ip->ip_proto;
    l->l4 = l->l3 + ip_len;
    l->l3_len = ntohs(ip->ip_tot_len);
    return ip_len >= IP_HEADER_LEN && ip_len <= left;
}

static bool
find_layer4_ipv6(const uint8_t *data, uint32_t left, struct layers *l)
{
    const struct ovs_16aligned_ip6_hdr *ip6 = (const void *) data;

    if (left < IPV6_HEADER_LEN || *data >> 4 != 6) {
        return false;
    }
    l->v6 = true;
    l->proto = ip6->ip6_nxt;
    l->l4 = l->l3 + IPV6_HEADER_LEN;
    l->l3_len = MIN(IPV6_HEADER_LEN + ntohs(ip6->ip6_plen), UINT16_MAX);
    return true;
}

/* Finds the layers of an IP packet that is no fragment and has no extension
 * headers, of which the first 'len' bytes are at 'data'.  Returns false if
 * they are not there. */
static bool
find_layers(const uint8_t *data, uint32_t len, struct layers *l)
{
    ovs_be16 type;
    uint32_t l3;

    if (!find_layer3(data, len, &type, &l3)) {
        return false;
    }
    l->l3 = l3;
    return (type == htons(ETH_TYPE_IP)
            ? find_layer4_ip(data + l3, len - l3, l)
            : type == htons(ETH_TYPE_IPV6)
            && find_layer4_ipv6(data + l3, len - l3, l));
}

/* The virtio-net header */

/* Checks and completes what is asked of a frame of 'len' bytes, the first
 * 'data_len' of them at 'data', to be cut into segments.  The headers must be
 * consistent with one another: segments are made from them. */
static bool
check_segmentation(uint8_t gso_type, const uint8_t *data, uint32_t data_len,
                   uint32_t len, struct vhost_offload *o)
{
    const struct tcp_header *tcp;
    struct layers l;
    uint32_t payload;

    if (!o->gso_size || !find_layers(data, data_len, &l)
        || l.proto != IPPROTO_TCP
        || l.v6 != (gso_type == VIRTIO_NET_HDR_GSO_TCPV6)
        || l.l3 + l.l3_len != len || l.l4 + TCP_HEADER_LEN > data_len
        || o->csum_start != l.l4 || o->csum_offset != TCP_CSUM_OFS) {
        return false;
    }
    tcp = (const void *) (data + l.l4);
    o->hdr_len = l.l4 + TCP_OFFSET(tcp->tcp_ctl) * 4;
    if (o->hdr_len < l.l4 + TCP_HEADER_LEN || o->hdr_len > data_len) {
        return false;
    }
    payload = len - o->hdr_len;
    o->l3 = l.l3;
    o->gso = (payload <= o->gso_size ? VHOST_GSO_NONE
              : l.v6 ? VHOST_GSO_TCP6 : VHOST_GSO_TCP4);
    return payload && DIV_ROUND_UP(payload, o->gso_size) <= VHOST_MAX_SEGMENTS;
}

/* Returns true if 'o' asks for the checksum of TCP or UDP where this is.  It
 * may lie anywhere else, as in what a tunnel of the guest carries. */
static bool
is_l4_csum(const struct vhost_offload *o, const uint8_t *data,
           uint32_t data_len)
{
    struct layers l;

    return (find_layers(data, data_len, &l)
            && o->csum_start == l.l4
            && ((l.proto == IPPROTO_TCP && o->csum_offset == TCP_CSUM_OFS)
                || (l.proto == IPPROTO_UDP
                    && o->csum_offset == UDP_CSUM_OFS)));
}

/* Takes what header 'hdr' asks for a frame of 'len' bytes, the first
 * 'data_len' of them at 'data', with 'features' negotiated.  Returns false if
 * it was not negotiated or does not fit the frame. */
bool
vhost_offload_from_hdr(const struct virtio_net_hdr_v1 *hdr, uint32_t features,
                       const uint8_t *data, uint32_t data_len, uint32_t len,
                       struct vhost_offload *o)
{
    uint8_t gso_type = hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
    uint32_t wanted = 1u << VIRTIO_NET_F_CSUM;

    memset(o, 0, sizeof *o);
    o->csum = true;
    o->csum_start = hdr->csum_start;
    o->csum_offset = hdr->csum_offset;
    o->csum_l4 = is_l4_csum(o, data, data_len);
    o->gso_size = hdr->gso_size;
    if (hdr->gso_type != gso_type) {
        o->ecn = true;
        wanted |= 1u << VIRTIO_NET_F_HOST_ECN;
    }
    switch (gso_type) {
    case VIRTIO_NET_HDR_GSO_NONE:
        if (o->ecn) {
            return false;
        }
        break;
    case VIRTIO_NET_HDR_GSO_TCPV4:
        wanted |= 1u << VIRTIO_NET_F_HOST_TSO4;
        break;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        wanted |= 1u << VIRTIO_NET_F_HOST_TSO6;
        break;
    default:
        return false;
    }
    return (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM
            && (features & wanted) == wanted
            && o->csum_start >= ETH_HEADER_LEN
            && o->csum_start + o->csum_offset + sizeof(ovs_be16) <= len
            && (gso_type == VIRTIO_NET_HDR_GSO_NONE
                || check_segmentation(gso_type, data, data_len, len, o)));
}

void
vhost_offload_to_hdr(const struct vhost_offload *o,
                     struct virtio_net_hdr_v1 *hdr)
{
    hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    hdr->csum_start = o->csum_start;
    hdr->csum_offset = o->csum_offset;
    if (o->gso != VHOST_GSO_NONE) {
        hdr->gso_type = (o->gso == VHOST_GSO_TCP6
                         ? VIRTIO_NET_HDR_GSO_TCPV6
                         : VIRTIO_NET_HDR_GSO_TCPV4);
        hdr->gso_type |= o->ecn ? VIRTIO_NET_HDR_GSO_ECN : 0;
        hdr->gso_size = o->gso_size;
        hdr->hdr_len = o->hdr_len;
    }
}

/* Returns true if a guest with 'features' does what 'o' says itself. */
bool
vhost_offload_is_served(const struct vhost_offload *o, uint32_t features)
{
    uint32_t wanted = 1u << VIRTIO_NET_F_GUEST_CSUM;

    if (o->gso == VHOST_GSO_TCP4) {
        wanted |= 1u << VIRTIO_NET_F_GUEST_TSO4;
    } else if (o->gso == VHOST_GSO_TCP6) {
        wanted |= 1u << VIRTIO_NET_F_GUEST_TSO6;
    }
    if (o->gso != VHOST_GSO_NONE && o->ecn) {
        wanted |= 1u << VIRTIO_NET_F_GUEST_ECN;
    }
    return (features & wanted) == wanted;
}

/* Software */

/* Fills in the checksum of 'frame', whose checksum field has the sum of the
 * pseudo header in it, as 'o' says. */
void
vhost_offload_checksum(const struct vhost_offload *o, uint8_t *frame,
                       uint32_t len)
{
    ovs_be16 sum = csum(frame + o->csum_start, len - o->csum_start);

    if (!sum && o->csum_offset == UDP_CSUM_OFS) {
        sum = htons(0xffff);
    }
    memcpy(frame + o->csum_start + o->csum_offset, &sum, sizeof sum);
}

/* Sums up the pseudo header of a packet of 'l4_len' bytes beyond layer 3. */
static uint32_t
sum_pseudo_header(const uint8_t *l3, bool v6, uint8_t proto, uint16_t l4_len)
{
    uint32_t sum;

    sum = (v6
           ? csum_continue(0, l3 + IPV6_ADDRS_OFS, 2 * sizeof(struct in6_addr))
           : csum_continue(0, l3 + offsetof(struct ip_header, ip_src), 8));
    return csum_add16(csum_add16(sum, htons(proto)), htons(l4_len));
}

static void
write_ip_csum(struct ip_header *ip)
{
    ip->ip_csum = 0;
    ip->ip_csum = csum(ip, IP_IHL(ip->ip_ihl_ver) * 4);
}

static void
set_ip_len(const struct vhost_offload *o, uint8_t *l3, uint16_t len,
           unsigned int index)
{
    if (o->gso == VHOST_GSO_TCP6) {
        struct ovs_16aligned_ip6_hdr *ip6 = (void *) l3;

        ip6->ip6_plen = htons(len - IPV6_HEADER_LEN);
    } else {
        struct ip_header *ip = (void *) l3;

        ip->ip_tot_len = htons(len);
        ip->ip_id = htons(ntohs(ip->ip_id) + index);
        write_ip_csum(ip);
    }
}

/* Writes the headers of the segment of 'frame', 'len' bytes, whose payload
 * starts at 'ofs', to 'headers', which has room for o->hdr_len bytes.  Returns
 * the length of the payload. */
uint32_t
vhost_offload_segment(const struct vhost_offload *o, const uint8_t *frame,
                      uint32_t len, uint32_t ofs, uint8_t *headers)
{
    uint32_t n = MIN(o->gso_size, len - ofs);
    struct tcp_header *tcp = (void *) (headers + o->csum_start);
    uint16_t l4_len = o->hdr_len - o->csum_start + n;
    uint16_t flags;
    uint32_t sum;

    memcpy(headers, frame, o->hdr_len);
    set_ip_len(o, headers + o->l3, o->hdr_len - o->l3 + n,
               (ofs - o->hdr_len) / o->gso_size);

    flags = TCP_FLAGS(tcp->tcp_ctl);
    if (ofs > o->hdr_len) {
        flags &= ~TCP_CWR;
    }
    if (ofs + n < len) {
        flags &= ~(TCP_FIN | TCP_PSH);
    }
    tcp->tcp_ctl = TCP_CTL(flags, TCP_OFFSET(tcp->tcp_ctl));
    put_16aligned_be32(&tcp->tcp_seq,
                       htonl(ntohl(get_16aligned_be32(&tcp->tcp_seq))
                             + ofs - o->hdr_len));

    tcp->tcp_csum = 0;
    sum = sum_pseudo_header(headers + o->l3, o->gso == VHOST_GSO_TCP6,
                            IPPROTO_TCP, l4_len);
    sum = csum_continue(sum, tcp, o->hdr_len - o->csum_start);
    tcp->tcp_csum = csum_finish(csum_continue(sum, frame + ofs, n));
    return n;
}

/* OVS's packets */

void
vhost_offload_to_packet(const struct vhost_offload *o,
                        struct dp_packet *packet)
{
    uint8_t *data = dp_packet_data(packet);
    struct layers l;

    if (!o->csum) {
        return;
    }
    if (!o->csum_l4 || !find_layers(data, dp_packet_size(packet), &l)) {
        /* OVS has no flag for it. */
        vhost_offload_checksum(o, data, dp_packet_size(packet));
        return;
    }
    dp_packet_set_l3(packet, data + l.l3);
    dp_packet_set_l4(packet, data + l.l4);
    if (l.v6) {
        dp_packet_hwol_set_tx_ipv6(packet);
    } else {
        dp_packet_hwol_set_tx_ipv4(packet);
    }
    if (l.proto == IPPROTO_TCP) {
        dp_packet_hwol_set_csum_tcp(packet);
    } else {
        dp_packet_hwol_set_csum_udp(packet);
    }
    if (o->gso != VHOST_GSO_NONE) {
        dp_packet_hwol_set_tcp_seg(packet);
    }
}

/* Virtio has no offload for this checksum. */
static bool
finish_sctp(struct dp_packet *packet)
{
    struct sctp_header *sctp = dp_packet_l4(packet);

    if (dp_packet_l4_size(packet) < SCTP_HEADER_LEN) {
        return false;
    }
    put_16aligned_be32(&sctp->sctp_csum, 0);
    put_16aligned_be32(&sctp->sctp_csum,
                       crc32c((const void *) sctp,
                              dp_packet_l4_size(packet)));
    return true;
}

/* Asks for 'packet', a TCP packet, to be cut up so that its segments fit the
 * MTU of a receiver whose longest frame, with a VLAN tag, is 'max_frame', as
 * OVS's netdev-dpdk does. */
static bool
ask_for_segments(struct dp_packet *packet, bool v6, uint32_t max_frame,
                 struct vhost_offload *o)
{
    const struct tcp_header *tcp = dp_packet_l4(packet);
    uint32_t len = o->csum_start + dp_packet_l4_size(packet);
    uint32_t tcp_len = TCP_OFFSET(tcp->tcp_ctl) * 4;
    uint32_t mtu = (MIN(max_frame, UINT16_MAX) - ETH_HEADER_LEN
                    - VLAN_HEADER_LEN);

    o->hdr_len = o->csum_start + tcp_len;
    if (tcp_len < TCP_HEADER_LEN || o->hdr_len >= len
        || o->hdr_len - o->l3 >= mtu || o->hdr_len > VHOST_MAX_HEADERS) {
        return false;
    }
    o->gso_size = mtu - (o->hdr_len - o->l3);
    o->ecn = TCP_FLAGS(tcp->tcp_ctl) & TCP_CWR;
    o->gso = (len - o->hdr_len <= o->gso_size ? VHOST_GSO_NONE
              : v6 ? VHOST_GSO_TCP6 : VHOST_GSO_TCP4);
    return DIV_ROUND_UP(len - o->hdr_len, o->gso_size) <= VHOST_MAX_SEGMENTS;
}

/* Takes what the flags of 'packet' ask for.  Headers may have been rewritten
 * since they were set, so checksums are prepared anew.  Returns false if the
 * packet is not one that such flags are for. */
bool
vhost_offload_from_packet(struct dp_packet *packet, uint32_t max_frame,
                          struct vhost_offload *o)
{
    bool tso = dp_packet_hwol_is_tso(packet);
    uint8_t *l3 = dp_packet_l3(packet);
    uint8_t *l4 = dp_packet_l4(packet);
    size_t l4_size = dp_packet_l4_size(packet);
    bool tcp, v6;
    ovs_be16 sum;

    memset(o, 0, sizeof *o);
    if (!tso && !dp_packet_hwol_l4_mask(packet)) {
        return true;
    } else if (!l3 || !l4 || l4 - l3 < IP_HEADER_LEN) {
        return false;
    }
    v6 = *l3 >> 4 == 6;
    if (!v6) {
        write_ip_csum((void *) l3);
    } else if (l4 - l3 < IPV6_HEADER_LEN) {
        return false;
    }
    if (dp_packet_hwol_l4_is_sctp(packet)) {
        return finish_sctp(packet);
    }

    tcp = tso || dp_packet_hwol_l4_is_tcp(packet);
    if (l4_size < (tcp ? TCP_HEADER_LEN : UDP_HEADER_LEN)) {
        return false;
    }
    o->csum = true;
    o->l3 = l3 - (uint8_t *) dp_packet_data(packet);
    o->csum_start = l4 - (uint8_t *) dp_packet_data(packet);
    o->csum_offset = tcp ? TCP_CSUM_OFS : UDP_CSUM_OFS;
    sum = ~csum_finish(sum_pseudo_header(l3, v6,
                                         tcp ? IPPROTO_TCP : IPPROTO_UDP,
                                         l4_size));
    memcpy(l4 + o->csum_offset, &sum, sizeof sum);
    return !tso || ask_for_segments(packet, v6, max_frame, o);
}
