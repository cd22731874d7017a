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

#include "action/action.h"

#include <netinet/in.h>
#include <netinet/ip6.h>
#include <string.h>

#include "csum.h"
#include "flow.h"
#include "openvswitch/util.h"
#include "unaligned.h"
#include "vhost/vhost.h"

/* These follow lib/odp-execute.c and lib/packets.c of OVS to the byte, also in
 * the two forms that zero has in a checksum: a checksum is only touched if its
 * field changes, and updated in 16-bit steps in the same order. */

#define TYPE_BIT(TYPE) (1u << ACTION_OP_##TYPE)
#define L3_TYPES (TYPE_BIT(IPV4_SET) | TYPE_BIT(IPV6_SET)   \
                  | TYPE_BIT(TCP_SET) | TYPE_BIT(UDP_SET))

/* A part of a frame: 'in_data' bytes of its 'len' are at 'p'. */
struct part {
    uint8_t *p;
    uint32_t in_data;
    uint32_t len;
};

/* Returns the offset of what follows the VLAN tags (at most 'max_tags') of the
 * 'len' bytes at 'data', and stores its Ethertype in '*type'. */
static uint32_t
skip_tags(const uint8_t *data, uint32_t len, unsigned int max_tags,
          ovs_be16 *type)
{
    uint32_t ofs = ETH_HEADER_LEN;

    for (;;) {
        memcpy(type, data + ofs - sizeof *type, sizeof *type);
        if (!eth_type_vlan(*type) || !max_tags--
            || len - ofs < VLAN_HEADER_LEN) {
            return ofs;
        }
        ofs += VLAN_HEADER_LEN;
    }
}

/* Checks that 'l4' holds the header of 'proto' as far as operations of
 * 'types' edit it. */
static bool
l4_fits(uint8_t proto, const struct part *l4, uint32_t types)
{
    uint32_t usable = MIN(l4->in_data, l4->len);

    switch (proto) {
    case IPPROTO_TCP: {
        const struct tcp_header *tcp = (const void *) l4->p;
        uint32_t hdr_len;

        if (usable < TCP_HEADER_LEN || types & TYPE_BIT(UDP_SET)) {
            return false;
        }
        hdr_len = 4 * TCP_OFFSET(tcp->tcp_ctl);
        return hdr_len >= TCP_HEADER_LEN && hdr_len <= l4->len;
    }
    case IPPROTO_UDP:
        return usable >= UDP_HEADER_LEN && !(types & TYPE_BIT(TCP_SET));
    case IPPROTO_ICMPV6:
        return (usable >= sizeof(struct icmp6_header)
                && !(types & (TYPE_BIT(TCP_SET) | TYPE_BIT(UDP_SET))));
    default:
        return !(types & (TYPE_BIT(TCP_SET) | TYPE_BIT(UDP_SET)));
    }
}

static bool
ipv4_fits(const struct part *l3, uint32_t types, struct action_layers *layers)
{
    const struct ip_header *ip = (const void *) l3->p;
    uint32_t ip_len, tot_len;

    if (types & TYPE_BIT(IPV6_SET) || l3->in_data < IP_HEADER_LEN) {
        return false;
    }

    ip_len = 4 * IP_IHL(ip->ip_ihl_ver);
    tot_len = ntohs(ip->ip_tot_len);
    if (ip_len < IP_HEADER_LEN || ip_len > l3->in_data || ip_len > tot_len
        || tot_len > l3->len) {
        return false;
    }

    struct part l4 = { l3->p + ip_len, l3->in_data - ip_len,
                       tot_len - ip_len };
    layers->l4 = l4.p;
    return l4_fits(ip->ip_proto, &l4, types);
}

static bool
ipv6_fits(const struct part *l3, uint32_t types, struct action_layers *layers)
{
    const struct ovs_16aligned_ip6_hdr *ip = (const void *) l3->p;
    uint32_t payload_len;

    if (types & TYPE_BIT(IPV4_SET) || l3->in_data < IPV6_HEADER_LEN) {
        return false;
    }
    payload_len = ntohs(ip->ip6_plen);
    if (payload_len > l3->len - IPV6_HEADER_LEN) {
        return false;
    }

    switch (ip->ip6_nxt) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
    case IPPROTO_AH:
    case IPPROTO_FRAGMENT:
        return false;
    default: {
        struct part l4 = { l3->p + IPV6_HEADER_LEN,
                           l3->in_data - IPV6_HEADER_LEN, payload_len };

        layers->l4 = l4.p;
        return l4_fits(ip->ip6_nxt, &l4, types);
    }
    }
}

/* Looks for headers that operations of 'types' can edit. */
static bool
find_layers(const struct vhost_frame *frame, uint32_t types,
            struct action_layers *layers)
{
    ovs_be16 type;
    uint32_t ofs;

    /* Behind more tags than OVS looks at is no network header. */
    ofs = skip_tags(frame->data, frame->data_len, flow_vlan_limit, &type);

    struct part l3 = { frame->data + ofs, frame->data_len - ofs,
                       frame->data_len - ofs + frame->tail_len };
    layers->l3 = l3.p;
    return (type == htons(ETH_TYPE_IP) ? ipv4_fits(&l3, types, layers)
            : type == htons(ETH_TYPE_IPV6) ? ipv6_fits(&l3, types, layers)
            : false);
}

bool
action_program_fits(const struct action_program *p,
                    const struct vhost_frame *frame,
                    const struct action_headers *headers,
                    struct action_layers *layers)
{
    uint32_t popped = p->n_pops * VLAN_HEADER_LEN;
    uint32_t types = p->op_types & L3_TYPES;

    if (!p->edits) {
        return true;
    } else if (frame->data_len < ETH_HEADER_LEN + popped
               || frame->data - frame->room < p->n_pushes * VLAN_HEADER_LEN) {
        return false;
    } else if (types & ~headers->op_types) {
        return find_layers(frame, types, layers);
    }
    layers->l3 = frame->data + headers->l3_ofs;
    layers->l4 = frame->data + headers->l4_ofs;
    return true;
}

/* Writing the header anew costs less than moving it: nothing is read in one
 * piece that was just written in several, which would have to wait until the
 * writes are out of the processor's store buffer. */
static void
l2_edit(struct vhost_frame *frame, const struct action_l2 *l2)
{
    uint64_t first, first_keep, first_key;
    uint32_t last, last_keep, last_key;
    ovs_be16 type;
    uint8_t *data = frame->data;

    BUILD_ASSERT(sizeof first + sizeof last == 2 * ETH_ADDR_LEN);
    memcpy(&first, data, sizeof first);
    memcpy(&last, data + sizeof first, sizeof last);
    memcpy(&first_keep, l2->keep, sizeof first);
    memcpy(&last_keep, l2->keep + sizeof first, sizeof last);
    memcpy(&first_key, l2->macs, sizeof first);
    memcpy(&last_key, l2->macs + sizeof first, sizeof last);

    data += skip_tags(data, frame->data_len, l2->n_pops, &type)
            - ETH_HEADER_LEN;
    for (size_t i = 0; i < l2->n_tags; i++) {
        data -= VLAN_HEADER_LEN;
        memcpy(data + 2 * ETH_ADDR_LEN, &l2->tags[i], VLAN_HEADER_LEN);
    }

    first = first_key | (first & first_keep);
    last = last_key | (last & last_keep);
    memcpy(data, &first, sizeof first);
    memcpy(data + sizeof first, &last, sizeof last);
    frame->data_len += frame->data - data;
    frame->data = data;
}

/* Returns the checksum, in the header 'l4' of 'proto', that covers the
 * addresses of the packet, or NULL. */
static ovs_be16 *
find_csum(uint8_t proto, void *l4, bool ipv6)
{
    if (proto == IPPROTO_TCP) {
        struct tcp_header *tcp = l4;

        return &tcp->tcp_csum;
    } else if (proto == IPPROTO_UDP) {
        struct udp_header *udp = l4;

        return udp->udp_csum ? &udp->udp_csum : NULL;
    } else if (proto == IPPROTO_ICMPV6 && ipv6) {
        struct icmp6_header *icmp6 = l4;

        return &icmp6->icmp6_cksum;
    }
    return NULL;
}

/* In UDP, zero says that there is no checksum. */
static ovs_be16
finish_csum(uint8_t proto, ovs_be16 sum)
{
    return proto == IPPROTO_UDP && !sum ? htons(0xffff) : sum;
}

static void
ipv4_set_addr(const struct action_layers *layers, ovs_16aligned_be32 *addr,
              ovs_be32 key, ovs_be32 mask)
{
    struct ip_header *ip = (void *) layers->l3;
    ovs_be32 old = get_16aligned_be32(addr);
    ovs_be32 new = key | (old & ~mask);

    if (new != old) {
        ovs_be16 *sum = find_csum(ip->ip_proto, layers->l4, false);

        if (sum) {
            *sum = finish_csum(ip->ip_proto, recalc_csum32(*sum, old, new));
        }
        ip->ip_csum = recalc_csum32(ip->ip_csum, old, new);
        put_16aligned_be32(addr, new);
    }
}

/* Sets '*field', which is the upper byte of its 16-bit word in the header if
 * 'upper', else the lower. */
static void
ipv4_set_byte(struct ip_header *ip, uint8_t *field, uint8_t key, uint8_t mask,
              bool upper)
{
    int shift = upper ? 8 : 0;
    uint8_t new = key | (*field & ~mask);

    if (mask && new != *field) {
        ip->ip_csum = recalc_csum16(ip->ip_csum, htons(*field << shift),
                                    htons(new << shift));
        *field = new;
    }
}

static void
ipv4_set(const struct action_layers *layers, const struct ovs_key_ipv4 *key,
         const struct ovs_key_ipv4 *mask)
{
    struct ip_header *ip = (void *) layers->l3;

    if (mask->ipv4_src) {
        ipv4_set_addr(layers, &ip->ip_src, key->ipv4_src, mask->ipv4_src);
    }
    if (mask->ipv4_dst) {
        ipv4_set_addr(layers, &ip->ip_dst, key->ipv4_dst, mask->ipv4_dst);
    }
    ipv4_set_byte(ip, &ip->ip_tos, key->ipv4_tos, mask->ipv4_tos, false);
    ipv4_set_byte(ip, &ip->ip_ttl, key->ipv4_ttl, mask->ipv4_ttl, true);
}

static void
ipv6_set_addr(const struct action_layers *layers, ovs_16aligned_be32 addr[4],
              const struct in6_addr *key, const struct in6_addr *mask)
{
    const struct ovs_16aligned_ip6_hdr *ip = (const void *) layers->l3;
    struct in6_addr new;
    ovs_be16 *sum;

    memcpy(&new, addr, sizeof new);
    for (size_t i = 0; i < sizeof new.s6_addr; i++) {
        new.s6_addr[i] = key->s6_addr[i] | (new.s6_addr[i]
                                            & ~mask->s6_addr[i]);
    }
    if (!memcmp(addr, &new, sizeof new)) {
        return;
    }

    sum = find_csum(ip->ip6_nxt, layers->l4, true);
    if (sum) {
        *sum = finish_csum(ip->ip6_nxt, recalc_csum128(*sum, addr, &new));
    }
    memcpy(addr, &new, sizeof new);
}

static void
ipv6_set(const struct action_layers *layers, const struct ovs_key_ipv6 *key,
         const struct ovs_key_ipv6 *mask)
{
    struct ovs_16aligned_ip6_hdr *ip = (void *) layers->l3;
    ovs_be32 flow = get_16aligned_be32(&ip->ip6_flow);
    ovs_be32 label = flow & htonl(IPV6_LABEL_MASK);
    uint8_t tclass = ntohl(flow) >> 20;

    ipv6_set_addr(layers, ip->ip6_src.be32, &key->ipv6_src, &mask->ipv6_src);
    ipv6_set_addr(layers, ip->ip6_dst.be32, &key->ipv6_dst, &mask->ipv6_dst);

    tclass = key->ipv6_tclass | (tclass & ~mask->ipv6_tclass);
    label = key->ipv6_label | (label & ~mask->ipv6_label);
    put_16aligned_be32(&ip->ip6_flow, (flow & htonl(0xf0000000))
                       | htonl((uint32_t) tclass << 20) | label);
    ip->ip6_hlim = key->ipv6_hlimit | (ip->ip6_hlim & ~mask->ipv6_hlimit);
}

/* Sets '*port' and updates '*sum', if nonnull. */
static void
set_port(ovs_be16 *port, ovs_be16 key, ovs_be16 mask, ovs_be16 *sum)
{
    ovs_be16 new = key | (*port & ~mask);

    if (new != *port) {
        if (sum) {
            *sum = recalc_csum16(*sum, *port, new);
        }
        *port = new;
    }
}

static void
tcp_set(void *l4, const struct ovs_key_tcp *key,
        const struct ovs_key_tcp *mask)
{
    struct tcp_header *tcp = l4;

    set_port(&tcp->tcp_src, key->tcp_src, mask->tcp_src, &tcp->tcp_csum);
    set_port(&tcp->tcp_dst, key->tcp_dst, mask->tcp_dst, &tcp->tcp_csum);
}

static void
udp_set(void *l4, const struct ovs_key_udp *key,
        const struct ovs_key_udp *mask)
{
    struct udp_header *udp = l4;
    ovs_be16 *sum = find_csum(IPPROTO_UDP, udp, false);

    set_port(&udp->udp_src, key->udp_src, mask->udp_src, sum);
    set_port(&udp->udp_dst, key->udp_dst, mask->udp_dst, sum);
    if (sum) {
        *sum = finish_csum(IPPROTO_UDP, *sum);
    }
}

void
action_edit(const struct action_op *op, struct vhost_frame *const frames[],
            const struct action_layers layers[], unsigned int n)
{
    switch (op->type) {
    case ACTION_OP_L2:
        for (unsigned int i = 0; i < n; i++) {
            l2_edit(frames[i], &op->l2);
        }
        break;
    case ACTION_OP_IPV4_SET:
        for (unsigned int i = 0; i < n; i++) {
            ipv4_set(&layers[i], &op->ipv4.key, &op->ipv4.mask);
        }
        break;
    case ACTION_OP_IPV6_SET:
        for (unsigned int i = 0; i < n; i++) {
            ipv6_set(&layers[i], &op->ipv6.key, &op->ipv6.mask);
        }
        break;
    case ACTION_OP_TCP_SET:
        for (unsigned int i = 0; i < n; i++) {
            tcp_set(layers[i].l4, &op->tcp.key, &op->tcp.mask);
        }
        break;
    case ACTION_OP_UDP_SET:
        for (unsigned int i = 0; i < n; i++) {
            udp_set(layers[i].l4, &op->udp.key, &op->udp.mask);
        }
        break;
    case ACTION_OP_OUTPUT:
    default:
        OVS_NOT_REACHED();
    }
}
