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

/* Random test of vhost/offload.c: against hostile headers, and of the frames
 * that it makes. */

#include <config.h>
#undef NDEBUG

#include "vhost/offload.h"

#include <stdio.h>
#include <stdlib.h>

#include "csum.h"
#include "dp-packet.h"
#include "ovstest.h"
#include "packets.h"
#include "random.h"
#include "random-frame.h"
#include "util.h"
#include "vhost/vhost.h"

/* A TCP or UDP frame, as a guest sends it that leaves the rest to us. */
struct sample {
    uint8_t *data;              /* Of exactly 'len' bytes. */
    uint32_t len;
    uint32_t l3, l4, payload;   /* Where these begin. */
    bool v6, tcp;
    struct virtio_net_hdr_v1 hdr;
};

static uint32_t
pseudo_header(const uint8_t *l3, bool v6, uint8_t proto, uint32_t len)
{
    uint8_t buf[40] = { 0 };

    if (v6) {
        memcpy(buf, l3 + 8, 32);
    } else {
        memcpy(buf, l3 + 12, 8);
    }
    buf[33] = proto;
    buf[34] = len >> 8;
    buf[35] = len;
    return csum_continue(0, buf, sizeof buf);
}

static void
write_be16(uint8_t *p, uint16_t x)
{
    p[0] = x >> 8;
    p[1] = x;
}

static void
make_headers(struct sample *s)
{
    uint8_t *l3 = s->data + s->l3, *l4 = s->data + s->l4;
    uint8_t proto = s->tcp ? IPPROTO_TCP : IPPROTO_UDP;
    ovs_be16 sum;

    if (s->l3 == 18) {
        write_be16(s->data + 12, ETH_TYPE_VLAN);
    }
    write_be16(l3 - 2, s->v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP);
    if (s->v6) {
        l3[0] = 0x60;
        write_be16(l3 + 4, s->len - s->l4);
        l3[6] = proto;
    } else {
        l3[0] = 0x45;
        write_be16(l3 + 2, s->len - s->l3);
        l3[6] = l3[7] = 0;
        l3[9] = proto;
    }
    if (s->tcp) {
        l4[12] = (s->payload - s->l4) / 4 << 4;
    } else {
        write_be16(l4 + 4, s->len - s->l4);
    }
    sum = ~csum_finish(pseudo_header(l3, s->v6, proto, s->len - s->l4));
    memcpy(l4 + (s->tcp ? 16 : 6), &sum, sizeof sum);
}

static void
make_sample(struct sample *s, uint32_t max_payload)
{
    uint32_t size = 1 + random_range(max_payload);

    s->tcp = !random_one_in(3);
    s->v6 = random_one_in(2);
    s->l3 = random_one_in(2) ? 18 : 14;
    s->l4 = s->l3 + (s->v6 ? 40 : 20);
    s->payload = s->l4 + (s->tcp ? 20 + 4 * random_range(11) : 8);
    s->len = s->payload + size;
    s->data = xmalloc(s->len);
    random_bytes(s->data, s->len);
    make_headers(s);

    memset(&s->hdr, 0, sizeof s->hdr);
    s->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    s->hdr.csum_start = s->l4;
    s->hdr.csum_offset = s->tcp ? 16 : 6;
    if (s->tcp && !random_one_in(4)) {
        s->hdr.gso_type = (s->v6 ? VIRTIO_NET_HDR_GSO_TCPV6
                           : VIRTIO_NET_HDR_GSO_TCPV4);
        s->hdr.gso_size = size / VHOST_MAX_SEGMENTS + 1 + random_range(3000);
        if (s->data[s->l4 + 13] & TCP_CWR) {
            s->hdr.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
        }
    }
}

static bool
parse(const struct sample *s, struct vhost_offload *o)
{
    uint32_t head = MIN(s->len, VHOST_SNAPSHOT);
    uint8_t *snapshot = xmemdup(s->data, head);
    bool ok = vhost_offload_from_hdr(&s->hdr, VHOST_OFFLOAD_FEATURES, snapshot,
                                     head, s->len, o);

    free(snapshot);
    return ok;
}

/* Checks the checksums of a frame that is sent. */
static void
check_csums(const uint8_t *frame, uint32_t len, const struct sample *s)
{
    const uint8_t *l3 = frame + s->l3, *l4 = frame + s->l4;
    uint32_t sum = pseudo_header(l3, s->v6, s->tcp ? IPPROTO_TCP : IPPROTO_UDP,
                                 len - s->l4);

    ovs_assert(!csum_finish(csum_continue(sum, l4, len - s->l4)));
    ovs_assert(s->tcp || l4[6] || l4[7]);
}

static void
check_segment(const struct sample *s, const uint8_t *segment, uint32_t len,
              uint32_t ofs, bool last)
{
    const uint8_t *l3 = segment + s->l3, *l4 = segment + s->l4;
    uint32_t index = (ofs - s->payload) / s->hdr.gso_size;
    uint8_t flags = s->data[s->l4 + 13];
    ovs_be32 seq, seq0;

    check_csums(segment, len, s);
    if (s->v6) {
        ovs_assert(((l3[4] << 8) | l3[5]) == len - s->l4);
    } else {
        uint16_t id0 = (s->data[s->l3 + 4] << 8) + s->data[s->l3 + 5];

        ovs_assert(((l3[2] << 8) | l3[3]) == len - s->l3);
        ovs_assert(((l3[4] << 8) | l3[5]) == (uint16_t) (id0 + index));
        ovs_assert(!csum(l3, 20));
    }
    memcpy(&seq, l4 + 4, sizeof seq);
    memcpy(&seq0, s->data + s->l4 + 4, sizeof seq0);
    ovs_assert(ntohl(seq) == (uint32_t) (ntohl(seq0) + ofs - s->payload));
    flags &= ~((last ? 0 : TCP_FIN | TCP_PSH) | (index ? TCP_CWR : 0));
    ovs_assert(l4[13] == flags);
    ovs_assert(!memcmp(segment + s->payload, s->data + ofs,
                       len - s->payload));
}

static void
test_segments(const struct sample *s, const struct vhost_offload *o)
{
    uint8_t *segment = xmalloc(s->payload + s->hdr.gso_size);
    uint32_t ofs = s->payload;

    ovs_assert(o->hdr_len == s->payload && o->l3 == s->l3);
    while (ofs < s->len) {
        uint32_t n = vhost_offload_segment(o, s->data, s->len, ofs, segment);

        ovs_assert(n == MIN(s->hdr.gso_size, s->len - ofs));
        memcpy(segment + s->payload, s->data + ofs, n);
        check_segment(s, segment, s->payload + n, ofs, ofs + n == s->len);
        ofs += n;
    }
    free(segment);
}

/* To flags of OVS's and back; addresses change in between. */
static void
test_packet(const struct sample *s, const struct vhost_offload *o)
{
    struct dp_packet *packet = dp_packet_new(s->len);
    struct vhost_offload back;
    uint8_t *data;

    dp_packet_put(packet, s->data, s->len);
    vhost_offload_to_packet(o, packet);
    ovs_assert(dp_packet_hwol_is_tso(packet) == (o->gso != VHOST_GSO_NONE));
    ovs_assert(s->tcp ? dp_packet_hwol_l4_is_tcp(packet)
               : dp_packet_hwol_l4_is_udp(packet));

    data = dp_packet_data(packet);
    random_bytes(data + s->l3 + (s->v6 ? 8 : 12), s->v6 ? 32 : 8);
    ovs_assert(vhost_offload_from_packet(packet, 1518, &back));
    ovs_assert(back.csum && back.csum_start == o->csum_start
               && back.csum_offset == o->csum_offset);
    if (o->gso != VHOST_GSO_NONE && s->len - s->l3 > 1500) {
        ovs_assert(back.gso == o->gso && back.hdr_len == o->hdr_len
                   && back.ecn == o->ecn);
        ovs_assert(back.gso_size == 1500 - (s->payload - s->l3));
    } else {
        ovs_assert(back.gso == VHOST_GSO_NONE);
        vhost_offload_checksum(&back, data, s->len);
        check_csums(data, s->len, s);
    }
    ovs_assert(s->v6 || !csum(data + s->l3, 20));
    dp_packet_delete(packet);
}

/* To the header for another guest, and who is to do the work. */
static void
test_hdr(const struct sample *s, const struct vhost_offload *o)
{
    uint32_t ecn = 1u << VIRTIO_NET_F_GUEST_ECN;
    struct virtio_net_hdr_v1 hdr = { .flags = 0 };

    vhost_offload_to_hdr(o, &hdr);
    if (o->gso != VHOST_GSO_NONE) {
        ovs_assert(hdr.gso_type == s->hdr.gso_type);
        ovs_assert(hdr.gso_size == s->hdr.gso_size);
        ovs_assert(o->ecn == !!(s->data[s->l4 + 13] & TCP_CWR));
    } else {
        ovs_assert(hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE);
    }
    ovs_assert(vhost_offload_is_served(o, VHOST_OFFLOAD_FEATURES));
    ovs_assert(vhost_offload_is_served(o, VHOST_OFFLOAD_FEATURES & ~ecn)
               == !(hdr.gso_type & VIRTIO_NET_HDR_GSO_ECN));
}

static void
test_good(void)
{
    struct vhost_offload o;
    struct sample s;

    make_sample(&s, random_one_in(10) ? 60000 : 4000);
    ovs_assert(parse(&s, &o) && o.csum);
    ovs_assert((o.gso != VHOST_GSO_NONE)
               == (s.hdr.gso_type && s.len - s.payload > s.hdr.gso_size));
    test_hdr(&s, &o);
    test_packet(&s, &o);
    if (o.gso != VHOST_GSO_NONE) {
        test_segments(&s, &o);
    } else {
        vhost_offload_checksum(&o, s.data, s.len);
        check_csums(s.data, s.len, &s);
    }
    free(s.data);
}

static void
cut_up(const struct sample *s, const struct vhost_offload *o)
{
    uint8_t *headers = xmalloc(o->hdr_len);
    unsigned int n_segments = 0;

    ovs_assert(o->l3 < o->csum_start && o->csum_start + 20 <= o->hdr_len);
    ovs_assert(o->hdr_len < s->len);
    for (uint32_t ofs = o->hdr_len; ofs < s->len; n_segments++) {
        ofs += vhost_offload_segment(o, s->data, s->len, ofs, headers);
    }
    ovs_assert(n_segments <= VHOST_MAX_SEGMENTS);
    free(headers);
}

/* What is accepted, however odd, stays within the frame. */
static void
test_odd(void)
{
    static const uint8_t types[] = { 0, 1, 3, 4, 5, 0x81, 0xff };
    struct vhost_offload o;
    struct sample s;

    make_sample(&s, 300);
    for (int i = random_range(3); i >= 0; i--) {
        uint32_t ofs = random_range(MIN(s.len, s.payload + 1));

        s.data[ofs] = random_uint32();
    }
    switch (random_range(6)) {
    case 0:
        s.hdr.csum_start = random_range(s.len + 10);
        break;
    case 1:
        s.hdr.csum_offset = random_uint32();
        break;
    case 2:
        s.hdr.gso_type = types[random_range(ARRAY_SIZE(types))];
        break;
    case 3:
        s.hdr.gso_size = random_range(3);
        break;
    case 4:
        s.hdr.flags = random_uint32();
        break;
    default:
        s.len = 14 + random_range(s.len - 13);
        s.data = xrealloc(s.data, s.len);
        break;
    }
    if (parse(&s, &o)) {
        struct dp_packet *packet = dp_packet_new(s.len);

        dp_packet_put(packet, s.data, s.len);
        vhost_offload_to_packet(&o, packet);
        dp_packet_delete(packet);
        ovs_assert(o.csum_start + o.csum_offset + 2 <= s.len);
        if (o.gso == VHOST_GSO_NONE) {
            vhost_offload_checksum(&o, s.data, s.len);
        } else {
            cut_up(&s, &o);
        }
    }
    free(s.data);
}

static void
test_refused(void)
{
    struct vhost_offload o;
    struct sample s;

    do {
        make_sample(&s, 3000);
    } while (!s.hdr.gso_type && (free(s.data), true));
    ovs_assert(!vhost_offload_from_hdr(&s.hdr, 0, s.data, 128, s.len, &o));
    ovs_assert(!vhost_offload_from_hdr(&s.hdr, 1u << VIRTIO_NET_F_CSUM,
                                       s.data, 128, s.len, &o));
    s.hdr.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
    ovs_assert(!vhost_offload_from_hdr(
                   &s.hdr,
                   VHOST_OFFLOAD_FEATURES & ~(1u << VIRTIO_NET_F_HOST_ECN),
                   s.data, 128, s.len, &o));
    s.hdr.gso_type &= ~VIRTIO_NET_HDR_GSO_ECN;
    s.hdr.gso_size = 0;
    ovs_assert(!parse(&s, &o));
    s.hdr.gso_size = 100;
    s.hdr.gso_type ^= VIRTIO_NET_HDR_GSO_TCPV4 ^ VIRTIO_NET_HDR_GSO_TCPV6;
    ovs_assert(!parse(&s, &o));
    s.hdr.gso_type = VIRTIO_NET_HDR_GSO_ECN;
    ovs_assert(!parse(&s, &o));
    s.hdr.gso_type = VIRTIO_NET_HDR_GSO_NONE;
    ovs_assert(parse(&s, &o));
    s.hdr.csum_start = s.len - 17;
    ovs_assert(!parse(&s, &o));
    s.hdr.csum_start = s.len - 18;
    ovs_assert(parse(&s, &o));
    s.hdr.flags = 0;
    ovs_assert(!parse(&s, &o));
    free(s.data);
}

static void
test_vhost_offload_main(int argc, char *argv[])
{
    uint32_t seed;

    set_program_name(argv[0]);
    if (argc < 2) {
        ovs_fatal(0, "usage: %s ROUNDS [SEED]", argv[0]);
    }
    random_init();
    seed = argc > 2 ? strtoul(argv[2], NULL, 0) : random_uint32();
    printf("seed %"PRIu32"\n", seed);
    fflush(stdout);
    random_set_seed(seed);
    for (int i = atoi(argv[1]); i > 0; i--) {
        test_good();
        test_odd();
        test_refused();
    }
}

OVSTEST_REGISTER("test-vhost-offload", test_vhost_offload_main);
