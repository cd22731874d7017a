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

#include "flow/megaflow.h"

#include <string.h>

#include "dp-packet.h"
#include "flow/shape.h"
#include "hash.h"
#include "unaligned.h"

BUILD_ASSERT_DECL(offsetof(struct flow_key, buf)
                  == offsetof(struct flow_key, mf) + sizeof(struct miniflow));

void
flow_key_extract(struct dp_packet *packet, struct flow_key *key)
{
    miniflow_extract(packet, &key->mf);
    key->len = sizeof key->mf + MINIFLOW_VALUES_SIZE(
        miniflow_n_values(&key->mf));
}

bool
flow_key_extract_head(const void *data, size_t data_len, size_t len,
                      odp_port_t in_port, struct flow_key *key)
{
    struct dp_packet packet;

    /* Below, miniflow_extract() is told that the whole frame is there.  It is
     * known not to read beyond the header of a frame that has a shape. */
    if (data_len < len
        && (data_len < SHAPE_MAX_HEADER || !shape_parse(data, len))) {
        return false;
    }

    dp_packet_use_const(&packet, data, data_len);
    dp_packet_set_size(&packet, len);
    packet.md.in_port.odp_port = in_port;
    flow_key_extract(&packet, key);
    return true;
}

void
flow_key_expand(const struct flow_key *key, struct flow *flow)
{
    miniflow_expand(&key->mf, flow);
}

bool
flow_key_equal(const struct flow_key *a, const struct flow_key *b)
{
    return a->len == b->len && !memcmp(&a->mf, &b->mf, a->len);
}

/* Both 'mf' and 'buf' are whole 64-bit words, one after the other. */
uint32_t
flow_key_hash(const struct flow_key *key)
{
    return hash_words64((const uint64_t *) &key->mf, key->len / 8, 0);
}

/* Returns true if miniflow_extract() finds ports at 'l4', of which there are
 * 'size' bytes, and stores the TCP flags, 0 if 'proto' is not TCP. */
static bool
parse_ports(const void *l4, size_t size, uint8_t proto, uint16_t *tcp_flags)
{
    const struct tcp_header *tcp = l4;

    *tcp_flags = 0;
    if (proto == IPPROTO_UDP) {
        return size >= UDP_HEADER_LEN;
    } else if (proto != IPPROTO_TCP || size < TCP_HEADER_LEN) {
        return false;
    }
    *tcp_flags = TCP_FLAGS(tcp->tcp_ctl);
    return (TCP_OFFSET(tcp->tcp_ctl) * 4 >= TCP_HEADER_LEN
            && size >= TCP_OFFSET(tcp->tcp_ctl) * 4);
}

bool
flow_parse_plain(struct dp_packet *packet, uint16_t *tcp_flags)
{
    const struct eth_header *eth = dp_packet_data(packet);
    const struct ip_header *ip = (const void *) (eth + 1);
    size_t left = dp_packet_size(packet);
    uint16_t len;
    uint32_t hash;

    if (left < ETH_HEADER_LEN + IP_HEADER_LEN || !dp_packet_is_eth(packet)
        || eth->eth_type != htons(ETH_TYPE_IP)
        || ip->ip_ihl_ver != IP_IHL_VER(IP_HEADER_LEN / 4, 4)
        || IP_IS_FRAGMENT(ip->ip_frag_off)) {
        return false;
    }
    left -= ETH_HEADER_LEN;
    len = ntohs(ip->ip_tot_len);
    if (len < IP_HEADER_LEN || len > left || left - len > UINT16_MAX
        || !parse_ports(ip + 1, len - IP_HEADER_LEN, ip->ip_proto,
                        tcp_flags)) {
        return false;
    }
    dp_packet_reset_offsets(packet);
    dp_packet_set_l2_pad_size(packet, left - len);
    packet->l3_ofs = ETH_HEADER_LEN;
    packet->l4_ofs = ETH_HEADER_LEN + IP_HEADER_LEN;

    /* As miniflow_hash_5tuple() does it. */
    hash = hash_add(0, get_16aligned_be32(&ip->ip_src));
    hash = hash_add(hash, get_16aligned_be32(&ip->ip_dst));
    hash = hash_add(hash, ip->ip_proto);
    hash = hash_add(hash, get_unaligned_be32((const void *) (ip + 1)));
    dp_packet_set_rss_hash(packet, hash_finish(hash, 42));
    return true;
}

uint16_t
flow_key_tcp_flags(const struct flow_key *key)
{
    /* The field also holds the type of a neighbor discovery option. */
    return (MINIFLOW_IN_MAP(&key->mf, FLOW_U64_OFFSET(tcp_flags))
            && MINIFLOW_GET_U8(&key->mf, nw_proto) == IPPROTO_TCP
            ? miniflow_get_tcp_flags(&key->mf)
            : 0);
}
