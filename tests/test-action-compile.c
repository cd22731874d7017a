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


/* Tests what compilation of actions accepts, and what becomes of it. */

#include <config.h>
#undef NDEBUG

#include "action/action.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coverage.h"
#include "netlink.h"
#include "odp-execute.h"
#include "odp-util.h"
#include "openvswitch/ofpbuf.h"
#include "ovstest.h"
#include "random.h"
#include "util.h"

/* Makes 'actions' of the string 's'. */
static void
parse_actions(const char *s, struct ofpbuf *actions)
{
    ofpbuf_init(actions, 0);
    if (odp_actions_from_string(s, NULL, actions)) {
        ovs_fatal(0, "%s: syntax error", s);
    }
}

static void
compile_and_print(const struct nlattr *actions, size_t len)
{
    struct action_program *p;
    const char *why;
    int error;

    error = action_program_compile(actions, len, &p, &why);
    if (error) {
        printf("%s: %s\n",
               error == EINVAL ? "EINVAL" : ovs_strerror(error), why);
        ovs_assert(!p);
        return;
    }

    ovs_assert(p->actions_len == len && !memcmp(p->actions, actions, len));
    ovs_assert(p->direct || (!p->n_ops && !p->edits));
    if (p->direct) {
        printf("direct, %u operations%s\n", p->n_ops,
               p->edits ? ", edits" : "");
    } else {
        printf("side road\n");
    }
    action_program_free(p);
}

/* Usage: test-action-compile list ACTIONS...  Prints what becomes of each. */
static void
test_list(struct ovs_cmdl_context *ctx)
{
    for (int i = 1; i < ctx->argc; i++) {
        struct ofpbuf actions;

        parse_actions(ctx->argv[i], &actions);
        compile_and_print(actions.data, actions.size);
        ofpbuf_uninit(&actions);
    }
}

/* Puts 'actions' within 'depth' clones, samples and check_pkt_lens. */
static void
nest(struct ofpbuf *actions, int depth)
{
    while (depth--) {
        struct ofpbuf inner;
        size_t ofs;

        ofpbuf_init(&inner, 0);
        ofpbuf_put(&inner, actions->data, actions->size);
        ofpbuf_clear(actions);
        switch (random_range(3)) {
        case 0:
            nl_msg_put_unspec(actions, OVS_ACTION_ATTR_CLONE, inner.data,
                              inner.size);
            break;
        case 1:
            ofs = nl_msg_start_nested(actions, OVS_ACTION_ATTR_SAMPLE);
            nl_msg_put_u32(actions, OVS_SAMPLE_ATTR_PROBABILITY, 1000);
            nl_msg_put_unspec(actions, OVS_SAMPLE_ATTR_ACTIONS, inner.data,
                              inner.size);
            nl_msg_end_nested(actions, ofs);
            break;
        default:
            ofs = nl_msg_start_nested(actions, OVS_ACTION_ATTR_CHECK_PKT_LEN);
            nl_msg_put_u16(actions, OVS_CHECK_PKT_LEN_ATTR_PKT_LEN, 100);
            nl_msg_put_unspec(actions,
                              OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER,
                              NULL, 0);
            nl_msg_put_unspec(actions,
                              OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL,
                              inner.data, inner.size);
            nl_msg_end_nested(actions, ofs);
            break;
        }
        ofpbuf_uninit(&inner);
    }
}

static int
compile_nested(const char *s, int depth)
{
    struct action_program *p;
    struct ofpbuf actions;
    const char *why;
    int error;

    parse_actions(s, &actions);
    nest(&actions, depth);
    error = action_program_compile(actions.data, actions.size, &p, &why);
    action_program_free(p);
    ofpbuf_uninit(&actions);
    return error;
}

static void
test_nesting(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    for (int depth = 0; depth < 60; depth++) {
        ovs_assert(!compile_nested("1,pop_vlan,2", depth));
        ovs_assert(!compile_nested("1,meter(3),ct(nat),2", depth));
    }
    ovs_assert(compile_nested("1", 70) == EINVAL);
    ovs_assert(compile_nested("1", 700) == EINVAL);
}

/* Compiles one action of 'type', with 'size' bytes of payload, and then an
 * output if 'more'. */
static int
compile_raw(int type, const void *payload, size_t size, bool more,
            struct action_program **p)
{
    struct ofpbuf actions;
    const char *why;
    int error;

    ofpbuf_init(&actions, 0);
    nl_msg_put_unspec(&actions, type, payload, size);
    if (more) {
        nl_msg_put_odp_port(&actions, OVS_ACTION_ATTR_OUTPUT, u32_to_odp(1));
    }
    error = action_program_compile(actions.data, actions.size, p, &why);
    ofpbuf_uninit(&actions);
    return error;
}

/* Compiles a set action of NSH's base header, whose attribute has 'size'
 * bytes. */
static int
compile_set_nsh(int type, size_t size, struct action_program **p)
{
    uint8_t base[64] = { 0 };
    struct ofpbuf nsh;
    size_t ofs;
    int error;

    ofpbuf_init(&nsh, 0);
    ofs = nl_msg_start_nested(&nsh, OVS_KEY_ATTR_NSH);
    nl_msg_put_unspec(&nsh, OVS_NSH_KEY_ATTR_BASE, base, size);
    nl_msg_end_nested(&nsh, ofs);
    error = compile_raw(type, nsh.data, nsh.size, true, p);
    ofpbuf_uninit(&nsh);
    return error;
}

/* Compiles a tnl_push() that says it has 'header_len' bytes of header and has
 * 'len'. */
static int
compile_tnl_push(uint32_t header_len, size_t len)
{
    struct ovs_action_push_tnl push[2] = { { .header_len = header_len } };
    struct action_program *p;
    int error;

    error = compile_raw(OVS_ACTION_ATTR_TUNNEL_PUSH, push,
                        offsetof(struct ovs_action_push_tnl, header) + len,
                        true, &p);
    action_program_free(p);
    return error;
}

/* What dpctl's syntax cannot say: well-formed actions and, with a byte more or
 * less, malformed ones. */
static void
test_raw(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    static const struct raw {
        int type;
        size_t size;
        uint8_t payload[8];
    } raws[] = {
        { OVS_ACTION_ATTR_OUTPUT, 4, { 1 } },
        { OVS_ACTION_ATTR_PUSH_VLAN, 4, { 0x81, 0, 0, 1 } },
        { OVS_ACTION_ATTR_POP_VLAN, 0, { 0 } },
        { OVS_ACTION_ATTR_RECIRC, 4, { 7 } },
        { OVS_ACTION_ATTR_HASH, 8, { OVS_HASH_ALG_L4 } },
        { OVS_ACTION_ATTR_HASH, 8, { OVS_HASH_ALG_SYM_L4 } },
        { OVS_ACTION_ATTR_PUSH_MPLS, 8, { 0, 0, 1, 64, 0x88, 0x47 } },
        { OVS_ACTION_ATTR_POP_MPLS, 2, { 8, 0 } },
        { OVS_ACTION_ATTR_POP_ETH, 0, { 0 } },
        { OVS_ACTION_ATTR_POP_NSH, 0, { 0 } },
        { OVS_ACTION_ATTR_TRUNC, 4, { 100 } },
        { OVS_ACTION_ATTR_ADD_MPLS, 8, { 0, 0, 1, 64, 0x88, 0x47 } },
        { OVS_ACTION_ATTR_DROP, 4, { 0 } },
        { OVS_ACTION_ATTR_CT_CLEAR, 0, { 0 } },
        { OVS_ACTION_ATTR_METER, 4, { 1 } },
        { OVS_ACTION_ATTR_LB_OUTPUT, 4, { 1 } },
        { OVS_ACTION_ATTR_TUNNEL_POP, 4, { 1 } },
    };
    static const uint8_t bad_hash[8] = { 99 };
    struct action_program *p;

    for (const struct raw *raw = raws; raw < raws + ARRAY_SIZE(raws); raw++) {
        bool direct = (raw->type == OVS_ACTION_ATTR_OUTPUT
                       || raw->type == OVS_ACTION_ATTR_PUSH_VLAN
                       || raw->type == OVS_ACTION_ATTR_POP_VLAN);

        ovs_assert(!compile_raw(raw->type, raw->payload, raw->size, true, &p));
        ovs_assert(p->direct == direct && p->n_ops == (direct ? 2 : 0));
        action_program_free(p);

        ovs_assert(compile_raw(raw->type, raw->payload, raw->size + 1, true,
                               &p) == EINVAL);
        ovs_assert(!raw->size
                   || compile_raw(raw->type, raw->payload, raw->size - 1, true,
                                  &p) == EINVAL);
    }
    ovs_assert(compile_raw(OVS_ACTION_ATTR_HASH, bad_hash, 8, true,
                           &p) == EINVAL);
    ovs_assert(compile_raw(OVS_ACTION_ATTR_UNSPEC, NULL, 0, true,
                           &p) == EINVAL);
    ovs_assert(compile_raw(OVS_ACTION_ATTR_MAX + 1, NULL, 0, true,
                           &p) == EINVAL);

    ovs_assert(!compile_tnl_push(50, 50));
    ovs_assert(compile_tnl_push(51, 50) == EINVAL);
    ovs_assert(!compile_tnl_push(TNL_PUSH_HEADER_SIZE, TNL_PUSH_HEADER_SIZE));
    ovs_assert(compile_tnl_push(TNL_PUSH_HEADER_SIZE + 1,
                                TNL_PUSH_HEADER_SIZE + 1) == EINVAL);

    ovs_assert(compile_set_nsh(OVS_ACTION_ATTR_SET, 16, &p) == EINVAL);
    ovs_assert(compile_set_nsh(OVS_ACTION_ATTR_SET_MASKED, 8, &p) == EINVAL);
    ovs_assert(!compile_set_nsh(OVS_ACTION_ATTR_SET, 8, &p));
    ovs_assert(!p->direct);
    action_program_free(p);
    ovs_assert(!compile_set_nsh(OVS_ACTION_ATTR_SET_MASKED, 16, &p));
    ovs_assert(!p->direct);
    action_program_free(p);
}

/* Explicit drops take the main road and are counted as OVS counts them. */
static void
test_drop(struct ovs_cmdl_context *ctx OVS_UNUSED)
{
    extern struct coverage_counter counter_drop_action_of_pipeline;
    extern struct coverage_counter counter_drop_action_congestion;
    enum xlate_error reason = XLATE_CONGESTION_DROP;
    struct action_program *p;

    odp_execute_init();
    ovs_assert(!compile_raw(OVS_ACTION_ATTR_DROP, &reason, sizeof reason,
                            false, &p));
    ovs_assert(p->direct && !p->n_ops && !p->edits);
    action_program_count_drops(p, 100);
    action_program_count_drops(p, 0);
    ovs_assert(counter_drop_action_congestion.count() == 100);
    ovs_assert(counter_drop_action_of_pipeline.count() == 0);
    action_program_free(p);

    /* No actions at all: a drop that OVS does not count. */
    const char *why;
    ovs_assert(!action_program_compile(NULL, 0, &p, &why));
    ovs_assert(p->direct && !p->n_ops);
    action_program_count_drops(p, 5);
    ovs_assert(counter_drop_action_of_pipeline.count() == 0);
    action_program_free(p);
}

/* Usage: test-action-compile share ACTIONS ACTIONS.  Compiles the first twice
 * and the others, which are different, once. */
static void
test_share(struct ovs_cmdl_context *ctx)
{
    struct action_program *p[3];
    struct ofpbuf actions[2];
    const char *why;

    for (int i = 0; i < 2; i++) {
        parse_actions(ctx->argv[1 + i], &actions[i]);
    }
    for (int i = 0; i < 3; i++) {
        const struct ofpbuf *a = &actions[i == 1];

        ovs_assert(!action_program_compile(a->data, a->size, &p[i], &why));
        ovs_assert(p[i]->actions_len == a->size
                   && !memcmp(p[i]->actions, a->data, a->size));
    }
    ovs_assert(p[0] == p[2] && p[0] != p[1]);

    /* What one user frees stays the other one's. */
    action_program_free(p[0]);
    ovs_assert(!memcmp(p[2]->actions, actions[0].data, actions[0].size));
    action_program_free(p[1]);
    action_program_free(p[2]);
    for (int i = 0; i < 2; i++) {
        ofpbuf_uninit(&actions[i]);
    }
}

/* Usage: test-action-compile mutate ACTIONS...  Compiles each with random
 * bytes changed, in memory of exactly its size, for sanitizers to watch. */
static void
test_mutate(struct ovs_cmdl_context *ctx)
{
    uint32_t seed = random_uint32() | 1;
    unsigned int n_errors = 0;

    printf("seed %"PRIu32"\n", seed);
    fflush(stdout);
    random_set_seed(seed);
    for (int i = 1; i < ctx->argc; i++) {
        struct ofpbuf actions;

        parse_actions(ctx->argv[i], &actions);
        for (int j = 0; j < 10000; j++) {
            size_t len = random_range(actions.size) + 1;
            uint8_t *copy = xmemdup(actions.data, len);
            struct action_program *p;
            const char *why;

            for (int k = random_range(4); k > 0; k--) {
                copy[random_range(len)] = random_range(2) ? random_range(32)
                                          : random_uint8();
            }
            if (action_program_compile((const void *) copy, len, &p, &why)) {
                ovs_assert(!p && why);
                n_errors++;
            }
            action_program_free(p);
            free(copy);
        }
        ofpbuf_uninit(&actions);
    }
    ovs_assert(n_errors);
}

static void
test_action_compile_main(int argc, char *argv[])
{
    static const struct ovs_cmdl_command commands[] = {
        {"list", "ACTIONS...", 1, INT_MAX, test_list, OVS_RO},
        {"raw", NULL, 0, 0, test_raw, OVS_RO},
        {"drop", NULL, 0, 0, test_drop, OVS_RO},
        {"nesting", NULL, 0, 0, test_nesting, OVS_RO},
        {"share", "ACTIONS ACTIONS", 2, 2, test_share, OVS_RO},
        {"mutate", "ACTIONS...", 1, INT_MAX, test_mutate, OVS_RO},
        {NULL, NULL, 0, 0, NULL, OVS_RO},
    };
    struct ovs_cmdl_context ctx = { .argc = argc - 1, .argv = argv + 1 };

    set_program_name(argv[0]);
    ovs_cmdl_run_command(&ctx, commands);
}

OVSTEST_REGISTER("test-action-compile", test_action_compile_main);
