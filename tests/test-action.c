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


/* Runs random programs on random frames, and compares what they output with
 * what odp_execute_actions() does. */

#include <config.h>
#undef NDEBUG

#include "action/action.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dp-packet.h"
#include "flow.h"
#include "flow/shape.h"
#include "netlink.h"
#include "odp-execute.h"
#include "odp-util.h"
#include "openvswitch/ofpbuf.h"
#include "ovstest.h"
#include "pmd/pmd-private.h"
#include "random.h"
#include "random-frame.h"
#include "util.h"
#include "vhost/vhost.h"

/* Random frames: those of random-frame.h, many of them odd, and plain ones
 * that a program which suits them has to take. */

struct test_frame {
    uint8_t bytes[RANDOM_FRAME_MAX];
    size_t len;
    ovs_be16 type;              /* Behind the tags. */
    uint8_t proto;              /* Of an IP packet. */
    bool plain;
    unsigned int n_tags;        /* Of a plain frame. */
};

/* Puts 'n' bytes of which zero checksums are likely to come. */
static void
put_bytes(struct test_frame *f, size_t n)
{
    int style = random_range(4);

    while (n--) {
        f->bytes[f->len++] = (style == 0 ? 0 : style == 1 ? 0xff
                              : random_uint8());
    }
}

static void
put_be16(struct test_frame *f, uint16_t x)
{
    f->bytes[f->len++] = x >> 8;
    f->bytes[f->len++] = x;
}

static void
put_ethernet(struct test_frame *f)
{
    static const uint16_t types[] = {
        ETH_TYPE_IP, ETH_TYPE_IP, ETH_TYPE_IPV6, ETH_TYPE_IPV6,
        ETH_TYPE_ARP, ETH_TYPE_MPLS, 0x88b5, 100,
    };
    uint16_t type = types[random_range(ARRAY_SIZE(types))];

    put_bytes(f, 2 * ETH_ADDR_LEN);
    f->n_tags = random_one_in(2) ? 0 : random_range(4);
    for (unsigned int i = 0; i < f->n_tags; i++) {
        put_be16(f, random_one_in(2) ? ETH_TYPE_VLAN_8021Q
                 : ETH_TYPE_VLAN_8021AD);
        put_bytes(f, 2);
    }
    put_be16(f, type);
    f->type = htons(type);
}

/* Puts 40 bytes, enough for any header of protocol 'proto', and chooses it. */
static void
put_l4(struct test_frame *f)
{
    static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP,
                                      IPPROTO_ICMPV6, IPPROTO_SCTP };
    uint8_t *l4 = &f->bytes[f->len];

    f->proto = protos[random_range(ARRAY_SIZE(protos))];
    put_bytes(f, 40);
    if (f->proto == IPPROTO_TCP) {
        l4[12] = (5 + random_range(6)) << 4;
    } else if (f->proto == IPPROTO_UDP && random_one_in(3)) {
        l4[6] = l4[7] = 0;      /* No checksum. */
    }
}

static void
put_ipv4(struct test_frame *f)
{
    size_t words = random_one_in(4) ? 5 + random_range(11) : 5;
    uint8_t *ip = &f->bytes[f->len];

    put_bytes(f, words * 4);
    put_l4(f);
    ip[0] = 0x40 | words;
    ip[2] = 0;
    ip[3] = words * 4 + 40;
    ip[6] = ip[7] = 0;
    ip[9] = f->proto;
}

static void
put_ipv6(struct test_frame *f)
{
    uint8_t *ip = &f->bytes[f->len];

    put_bytes(f, 40);
    put_l4(f);
    ip[4] = 0;
    ip[5] = 40;
    ip[6] = f->proto;
}

static void
plain_frame(struct test_frame *f)
{
    put_ethernet(f);
    if (f->type == htons(ETH_TYPE_IP)) {
        put_ipv4(f);
    } else if (f->type == htons(ETH_TYPE_IPV6)) {
        put_ipv6(f);
    }
    put_bytes(f, random_one_in(2) ? 0 : random_range(200));
    f->plain = true;
}

static void
odd_frame(struct test_frame *f)
{
    struct dp_packet packet;
    struct flow flow;

    /* vhost_peek() drops shorter ones. */
    while (f->len < ETH_HEADER_LEN) {
        f->len = random_frame(f->bytes);
    }
    dp_packet_use_const(&packet, f->bytes, f->len);
    pkt_metadata_init(&packet.md, u32_to_odp(1));
    flow_extract(&packet, &flow);
    f->type = flow.dl_type;
    f->proto = flow.nw_proto;
}

/* Makes of 'f' what vhost_peek() would: a snapshot and a tail, in pieces. */
static void
peek_frame(struct test_frame *f, struct vhost_frame *frame,
           struct iovec iov[2])
{
    size_t tail, first;

    memset(frame, 0xa5, sizeof *frame);
    frame->data = frame->room + VHOST_HEADROOM;
    frame->data_len = MIN(f->len, VHOST_SNAPSHOT);
    memcpy(frame->data, f->bytes, frame->data_len);

    tail = f->len - frame->data_len;
    first = tail ? random_range(tail + 1) : 0;
    iov[0].iov_base = f->bytes + frame->data_len;
    iov[0].iov_len = first;
    iov[1].iov_base = f->bytes + frame->data_len + first;
    iov[1].iov_len = tail - first;
    frame->iov = iov;
    frame->n_iov = 2;
    frame->tail_len = tail;
}

/* Random actions. */

/* Appends an action that sets all of the 'size'-byte field group 'type', or
 * bits of it. */
static void
put_set(struct ofpbuf *actions, enum ovs_key_attr type, size_t size)
{
    bool masked = !random_one_in(3);
    size_t ofs = nl_msg_start_nested(actions,
                                     masked ? OVS_ACTION_ATTR_SET_MASKED
                                     : OVS_ACTION_ATTR_SET);
    uint8_t *key = nl_msg_put_unspec_uninit(actions, type,
                                            masked ? 2 * size : size);

    memset(key, random_one_in(2) ? 0 : 0xff, size);
    if (random_one_in(2)) {
        random_bytes(key, size);
    }
    if (type == OVS_KEY_ATTR_IPV6) {
        /* A label has 20 bits. */
        key[offsetof(struct ovs_key_ipv6, ipv6_label)] = 0;
        key[offsetof(struct ovs_key_ipv6, ipv6_label) + 1] &= 0xf;
    }
    if (masked) {
        uint8_t *mask = key + size;

        for (size_t i = 0; i < size; i++) {
            mask[i] = (random_one_in(3) ? 0 : random_one_in(2) ? 0xff
                       : random_uint8());
            key[i] &= mask[i];
        }
    }
    nl_msg_end_nested(actions, ofs);
}

/* Appends a set action.  It suits a frame of protocols 'type' and 'proto',
 * unless false is returned. */
static bool
put_random_set(struct ofpbuf *actions, ovs_be16 type, uint8_t proto)
{
    bool ipv4 = type == htons(ETH_TYPE_IP);
    bool ipv6 = type == htons(ETH_TYPE_IPV6);
    int group = random_range(5);

    if (!random_one_in(50)) {
        /* Choose one that suits. */
        if (!ipv4 && !ipv6) {
            group = 0;
        } else if (group > 2 && proto != IPPROTO_TCP && proto != IPPROTO_UDP) {
            group = ipv4 ? 1 : 2;
        } else if (group > 2) {
            group = proto == IPPROTO_TCP ? 3 : 4;
        } else if (group) {
            group = ipv4 ? 1 : 2;
        }
    }

    switch (group) {
    case 0:
        put_set(actions, OVS_KEY_ATTR_ETHERNET,
                sizeof(struct ovs_key_ethernet));
        return true;
    case 1:
        put_set(actions, OVS_KEY_ATTR_IPV4, sizeof(struct ovs_key_ipv4));
        return ipv4;
    case 2:
        put_set(actions, OVS_KEY_ATTR_IPV6, sizeof(struct ovs_key_ipv6));
        return ipv6;
    case 3:
        put_set(actions, OVS_KEY_ATTR_TCP, sizeof(struct ovs_key_tcp));
        return (ipv4 || ipv6) && proto == IPPROTO_TCP;
    default:
        put_set(actions, OVS_KEY_ATTR_UDP, sizeof(struct ovs_key_udp));
        return (ipv4 || ipv6) && proto == IPPROTO_UDP;
    }
}

/* Fills 'actions' with up to 12 outputs and edits and returns true if all suit
 * frame 'f'. */
static bool
random_actions(struct ofpbuf *actions, const struct test_frame *f)
{
    bool suits = true;
    int n = random_range(13);

    ofpbuf_clear(actions);
    while (n--) {
        struct ovs_action_push_vlan vlan;

        switch (random_range(5)) {
        case 0:
            nl_msg_put_odp_port(actions, OVS_ACTION_ATTR_OUTPUT,
                                u32_to_odp(random_range(5)));
            break;
        case 1:
            vlan.vlan_tpid = htons(random_one_in(2) ? ETH_TYPE_VLAN_8021Q
                                   : ETH_TYPE_VLAN_8021AD);
            vlan.vlan_tci = htons(random_uint16());
            nl_msg_put_unspec(actions, OVS_ACTION_ATTR_PUSH_VLAN, &vlan,
                              sizeof vlan);
            break;
        case 2:
            nl_msg_put_flag(actions, OVS_ACTION_ATTR_POP_VLAN);
            break;
        default:
            if (!put_random_set(actions, f->type, f->proto)) {
                suits = false;
            }
            break;
        }
    }
    if (random_one_in(2)) {
        nl_msg_put_odp_port(actions, OVS_ACTION_ATTR_OUTPUT, u32_to_odp(9));
    }
    return suits;
}

/* Comparison.  Either side appends, for each output, port number, length and
 * bytes to an ofpbuf.  A program is run on so many equal frames at once. */
#define N_EQUAL 2

static void
log_output(struct ofpbuf *log, odp_port_t port, uint32_t len)
{
    ofpbuf_put(log, &port, sizeof port);
    ofpbuf_put(log, &len, sizeof len);
}

static void
run_program(const struct action_program *p,
            struct vhost_frame *frames[N_EQUAL],
            const struct action_layers layers[N_EQUAL], struct ofpbuf *log)
{
    const struct action_op *op;

    ACTION_FOR_EACH_OP (op, p) {
        if (op->type != ACTION_OP_OUTPUT) {
            action_edit(op, frames, layers, N_EQUAL);
            continue;
        }
        for (int i = 0; i < N_EQUAL; i++) {
            const struct vhost_frame *frame = frames[i];

            ovs_assert(frame->data >= frame->room);
            log_output(log, op->output.port, vhost_frame_len(frame));
            ofpbuf_put(log, frame->data, frame->data_len);
            for (uint32_t j = 0; j < frame->n_iov; j++) {
                ofpbuf_put(log, frame->iov[j].iov_base,
                           frame->iov[j].iov_len);
            }
        }
    }
}

static void
output_cb(void *log, struct dp_packet_batch *batch, const struct nlattr *a,
          bool should_steal)
{
    struct dp_packet *packet;

    ovs_assert(nl_attr_type(a) == OVS_ACTION_ATTR_OUTPUT);
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        log_output(log, nl_attr_get_odp_port(a), dp_packet_size(packet));
        ofpbuf_put(log, dp_packet_data(packet), dp_packet_size(packet));
    }
    dp_packet_delete_batch(batch, should_steal);
}

static void
run_odp_execute(const struct ofpbuf *actions, const struct test_frame *f,
                struct ofpbuf *log)
{
    struct dp_packet_batch batch;

    dp_packet_batch_init(&batch);
    for (int i = 0; i < N_EQUAL; i++) {
        struct dp_packet *packet = dp_packet_new_with_headroom(f->len, 128);
        struct flow flow;

        dp_packet_put(packet, f->bytes, f->len);
        pkt_metadata_init(&packet->md, u32_to_odp(1));
        flow_extract(packet, &flow);
        dp_packet_batch_add(&batch, packet);
    }
    odp_execute_actions(log, &batch, true, actions->data, actions->size,
                        output_cb);
}

static void
check_summary(const struct action_program *p)
{
    const struct action_op *op, *later;
    bool edits = false;

    ACTION_FOR_EACH_OP (op, p) {
        bool follow = false;

        for (later = op + 1; later < p->ops + p->n_ops; later++) {
            follow |= later->type != ACTION_OP_OUTPUT;
        }
        if (op->type == ACTION_OP_OUTPUT) {
            ovs_assert(op->output.edits_follow == follow);
        } else {
            edits = true;
        }
    }
    ovs_assert(p->edits == edits);
}

static void
print_case(const struct test_frame *f, const struct ofpbuf *actions)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    format_odp_actions(&s, actions->data, actions->size, NULL);
    ds_put_char(&s, '\n');
    ds_put_hex_dump(&s, f->bytes, f->len, 0, false);
    fputs(ds_cstr(&s), stdout);
    ds_destroy(&s);
}

/* Frames whose headers were known. */
static uint32_t n_known;

/* Says whether 'p' fits 'frame', be its headers known by its shape or not. */
static bool
program_fits(const struct action_program *p, const struct vhost_frame *frame,
             struct action_layers *layers)
{
    uint32_t len = vhost_frame_len(frame);
    uint32_t shape = (frame->data_len < MIN(len, SHAPE_MAX_HEADER)
                      ? FLOW_SHAPE_NONE : shape_parse(frame->data, len));
    const struct action_headers *headers = flow_shape_headers(shape);
    static const struct action_headers unknown;
    bool fits = action_program_fits(p, frame, headers, layers);
    struct action_layers found;

    if (action_program_fits(p, frame, &unknown, &found)) {
        ovs_assert(fits);
        if (p->op_types & headers->op_types) {
            ovs_assert(found.l3 == layers->l3 && found.l4 == layers->l4);
            n_known++;
        }
    }
    return fits;
}

/* Compares one random case.  Returns true if the program took it. */
static bool
compare_one(struct ofpbuf *actions, struct ofpbuf *ours, struct ofpbuf *theirs)
{
    struct action_layers layers[N_EQUAL];
    struct vhost_frame *frames[N_EQUAL];
    struct vhost_frame store[N_EQUAL];
    struct test_frame f = { .len = 0 };
    struct iovec iov[N_EQUAL][2];
    struct action_program *p;
    const char *why;
    bool suits, fits;

    if (random_one_in(2)) {
        plain_frame(&f);
    } else {
        odd_frame(&f);
    }
    suits = random_actions(actions, &f);
    ovs_assert(!action_program_compile(actions->data, actions->size, &p,
                                       &why));
    check_summary(p);

    fits = p->direct;
    for (int i = 0; i < N_EQUAL; i++) {
        frames[i] = &store[i];
        peek_frame(&f, frames[i], iov[i]);
        fits = fits && program_fits(p, frames[i], &layers[i]);
    }
    if (fits) {
        ofpbuf_clear(ours);
        ofpbuf_clear(theirs);
        run_program(p, frames, layers, ours);
        run_odp_execute(actions, &f, theirs);
        if (!ofpbuf_equal(ours, theirs)) {
            print_case(&f, actions);
            printf("ours:\n");
            ovs_hex_dump(stdout, ours->data, ours->size, 0, false);
            printf("theirs:\n");
            ovs_hex_dump(stdout, theirs->data, theirs->size, 0, false);
            ovs_fatal(0, "outputs differ");
        }
    } else if (p->direct && suits && f.plain && f.n_tags <= flow_vlan_limit
               && p->n_pops <= f.n_tags) {
        print_case(&f, actions);
        ovs_fatal(0, "plain frame does not fit");
    }
    action_program_free(p);
    return fits;
}

/* Usage: test-action compare [N [SEED]]. */
static void
test_compare(struct ovs_cmdl_context *ctx)
{
    uint32_t n = ctx->argc > 1 ? strtoul(ctx->argv[1], NULL, 0) : 100000;
    uint32_t seed = ctx->argc > 2 ? strtoul(ctx->argv[2], NULL, 0) : 0;
    struct ofpbuf actions, ours, theirs;
    uint32_t n_fits = 0;

    if (!seed) {
        seed = random_uint32() | 1;
    }
    printf("seed %"PRIu32"\n", seed);
    fflush(stdout);
    random_set_seed(seed);
    odp_execute_init();

    ofpbuf_init(&actions, 0);
    ofpbuf_init(&ours, 0);
    ofpbuf_init(&theirs, 0);
    for (uint32_t i = 0; i < n; i++) {
        flow_limit_vlans(1 + i % 2);
        n_fits += compare_one(&actions, &ours, &theirs);
    }
    ofpbuf_uninit(&actions);
    ofpbuf_uninit(&ours);
    ofpbuf_uninit(&theirs);

    printf("%"PRIu32" of %"PRIu32" cases compared\n", n_fits, n);
    ovs_assert(n_fits >= n / 2);
    ovs_assert(n_known >= n / 4);
}

/* odp_execute_actions() writes an ARP header whole, even if the packet ends
 * within it.  Checks that it then stays within memory of the packet. */
static void
test_cut(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    static const char set_arp[] = "set(arp(sip=1.2.3.4,tip=1.2.3.5,op=2,"
        "sha=02:00:00:00:00:01,tha=02:00:00:00:00:02))";
    const size_t whole = ETH_HEADER_LEN + ARP_ETH_HEADER_LEN;
    struct ofpbuf actions;

    odp_execute_init();
    ofpbuf_init(&actions, 0);
    ovs_assert(!odp_actions_from_string(set_arp, NULL, &actions));
    for (size_t len = ETH_HEADER_LEN; len <= whole; len++) {
        struct vhost_frame frame = { .data_len = len };
        struct dp_packet_batch batch;
        struct dp_packet *packet;

        frame.data = frame.room;
        packet = frame_to_packet(&frame, ODPP_NONE);
        ovs_assert(len + dp_packet_tailroom(packet) >= whole);
        dp_packet_set_l3(packet, dp_packet_at_assert(packet, ETH_HEADER_LEN,
                                                     0));
        dp_packet_batch_init_packet(&batch, packet);
        odp_execute_actions(NULL, &batch, true, actions.data, actions.size,
                            NULL);
        dp_packet_delete_batch(&batch, true);
    }
    ofpbuf_uninit(&actions);
}

static void
test_action_main(int argc, char *argv[])
{
    static const struct ovs_cmdl_command commands[] = {
        {"compare", "[N [SEED]]", 0, 2, test_compare, OVS_RO},
        {"cut", NULL, 0, 0, test_cut, OVS_RO},
        {NULL, NULL, 0, 0, NULL, OVS_RO},
    };
    struct ovs_cmdl_context ctx = { .argc = argc - 1, .argv = argv + 1 };

    set_program_name(argv[0]);
    ovs_cmdl_run_command(&ctx, commands);
}

OVSTEST_REGISTER("test-action", test_action_main);
