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

#include <errno.h>
#include <string.h>

#include "dp-packet.h"
#include "hash.h"
#include "netlink.h"
#include "odp-execute.h"
#include "odp-util.h"
#include "openvswitch/hmap.h"
#include "openvswitch/util.h"
#include "ovs-thread.h"
#include "util.h"

/* As deep as ofproto nests one action in another: MAX_DEPTH in OVS's
 * ofproto/ofproto-dpif-xlate.c. */
#define MAX_NESTING 64

/* What an action's payload looks like. */
enum shape {
    SHAPE_UNKNOWN,              /* There is no such action. */
    SHAPE_FIXED,                /* 'len' bytes. */
    SHAPE_NESTED,               /* Attributes that only callbacks look at. */
    SHAPE_HASH,
    SHAPE_SET,
    SHAPE_SET_MASKED,
    SHAPE_CT,
    SHAPE_TNL_PUSH,
    SHAPE_PUSH_NSH,
    SHAPE_CLONE,
    SHAPE_SAMPLE,
    SHAPE_CHECK_PKT_LEN,
};

struct action_info {
    const char *name;           /* As dpctl prints it. */
    enum shape shape;
    size_t len;                 /* For SHAPE_FIXED, in bytes. */
};

static const struct action_info action_infos[__OVS_ACTION_ATTR_MAX] = {
    [OVS_ACTION_ATTR_OUTPUT] = { "output", SHAPE_FIXED, sizeof(uint32_t) },
    [OVS_ACTION_ATTR_USERSPACE] = { "userspace", SHAPE_NESTED, 0 },
    [OVS_ACTION_ATTR_SET] = { "set", SHAPE_SET, 0 },
    [OVS_ACTION_ATTR_PUSH_VLAN] = { "push_vlan", SHAPE_FIXED,
                                    sizeof(struct ovs_action_push_vlan) },
    [OVS_ACTION_ATTR_POP_VLAN] = { "pop_vlan", SHAPE_FIXED, 0 },
    [OVS_ACTION_ATTR_SAMPLE] = { "sample", SHAPE_SAMPLE, 0 },
    [OVS_ACTION_ATTR_RECIRC] = { "recirc", SHAPE_FIXED, sizeof(uint32_t) },
    [OVS_ACTION_ATTR_HASH] = { "hash", SHAPE_HASH, 0 },
    [OVS_ACTION_ATTR_PUSH_MPLS] = { "push_mpls", SHAPE_FIXED,
                                    sizeof(struct ovs_action_push_mpls) },
    [OVS_ACTION_ATTR_POP_MPLS] = { "pop_mpls", SHAPE_FIXED,
                                   sizeof(ovs_be16) },
    [OVS_ACTION_ATTR_SET_MASKED] = { "set", SHAPE_SET_MASKED, 0 },
    [OVS_ACTION_ATTR_CT] = { "ct", SHAPE_CT, 0 },
    [OVS_ACTION_ATTR_TRUNC] = { "trunc", SHAPE_FIXED,
                                sizeof(struct ovs_action_trunc) },
    [OVS_ACTION_ATTR_PUSH_ETH] = { "push_eth", SHAPE_FIXED,
                                   sizeof(struct ovs_action_push_eth) },
    [OVS_ACTION_ATTR_POP_ETH] = { "pop_eth", SHAPE_FIXED, 0 },
    [OVS_ACTION_ATTR_CT_CLEAR] = { "ct_clear", SHAPE_FIXED, 0 },
    [OVS_ACTION_ATTR_PUSH_NSH] = { "push_nsh", SHAPE_PUSH_NSH, 0 },
    [OVS_ACTION_ATTR_POP_NSH] = { "pop_nsh", SHAPE_FIXED, 0 },
    [OVS_ACTION_ATTR_METER] = { "meter", SHAPE_FIXED, sizeof(uint32_t) },
    [OVS_ACTION_ATTR_CLONE] = { "clone", SHAPE_CLONE, 0 },
    [OVS_ACTION_ATTR_CHECK_PKT_LEN] = { "check_pkt_len",
                                        SHAPE_CHECK_PKT_LEN, 0 },
    [OVS_ACTION_ATTR_ADD_MPLS] = { "add_mpls", SHAPE_FIXED,
                                   sizeof(struct ovs_action_add_mpls) },
    [OVS_ACTION_ATTR_TUNNEL_PUSH] = { "tnl_push", SHAPE_TNL_PUSH, 0 },
    [OVS_ACTION_ATTR_TUNNEL_POP] = { "tnl_pop", SHAPE_FIXED,
                                     sizeof(uint32_t) },
    [OVS_ACTION_ATTR_DROP] = { "drop", SHAPE_FIXED, sizeof(uint32_t) },
    [OVS_ACTION_ATTR_LB_OUTPUT] = { "lb_output", SHAPE_FIXED,
                                    sizeof(uint32_t) },
};

/* A field group that odp_execute_actions() can set.  It aborts on any other,
 * so that compilation must refuse them. */
struct set_info {
    size_t len;                 /* Of the key in bytes; 0 if there is none. */
    bool masked;                /* It has a masked form too. */
};

static const struct set_info set_infos[__OVS_KEY_ATTR_MAX] = {
    [OVS_KEY_ATTR_PRIORITY] = { sizeof(uint32_t), true },
    [OVS_KEY_ATTR_SKB_MARK] = { sizeof(uint32_t), true },
    [OVS_KEY_ATTR_DP_HASH] = { sizeof(uint32_t), true },
    [OVS_KEY_ATTR_RECIRC_ID] = { sizeof(uint32_t), true },
    [OVS_KEY_ATTR_ETHERNET] = { sizeof(struct ovs_key_ethernet), true },
    [OVS_KEY_ATTR_MPLS] = { sizeof(struct ovs_key_mpls), true },
    [OVS_KEY_ATTR_ARP] = { sizeof(struct ovs_key_arp), true },
    [OVS_KEY_ATTR_IPV4] = { sizeof(struct ovs_key_ipv4), true },
    [OVS_KEY_ATTR_IPV6] = { sizeof(struct ovs_key_ipv6), true },
    [OVS_KEY_ATTR_TCP] = { sizeof(struct ovs_key_tcp), true },
    [OVS_KEY_ATTR_UDP] = { sizeof(struct ovs_key_udp), true },
    [OVS_KEY_ATTR_SCTP] = { sizeof(struct ovs_key_sctp), true },
    [OVS_KEY_ATTR_ICMP] = { sizeof(struct ovs_key_icmp), false },
    [OVS_KEY_ATTR_ICMPV6] = { sizeof(struct ovs_key_icmpv6), false },
    [OVS_KEY_ATTR_ND] = { sizeof(struct ovs_key_nd), true },
    [OVS_KEY_ATTR_ND_EXTENSIONS] = { sizeof(struct ovs_key_nd_extensions),
                                     true },
};

static int check_actions(const struct nlattr *, size_t len,
                         unsigned int depth, const char **why);

/* Returns true if the payload of 'a' is a row of whole attributes. */
static bool
nested_is_whole(const struct nlattr *a)
{
    const struct nlattr *b;
    size_t left;

    NL_NESTED_FOR_EACH (b, left, a) {
        continue;
    }
    return !left;
}

/* Checks NSH attribute 'a', whose members have room for a mask behind the key
 * if 'masked', and may be MD2 metadata if 'push'. */
static bool
nsh_is_valid(const struct nlattr *a, bool masked, bool push)
{
    size_t factor = masked ? 2 : 1;
    const struct nlattr *b;
    bool has_base = false;
    size_t left;

    NL_NESTED_FOR_EACH (b, left, a) {
        size_t len = nl_attr_get_size(b);

        switch (nl_attr_type(b)) {
        case OVS_NSH_KEY_ATTR_BASE:
            if (len != factor * sizeof(struct ovs_nsh_key_base)) {
                return false;
            }
            has_base = true;
            break;
        case OVS_NSH_KEY_ATTR_MD1:
            if (len != factor * sizeof(struct ovs_nsh_key_md1)) {
                return false;
            }
            break;
        case OVS_NSH_KEY_ATTR_MD2:
            if (!push || len > NSH_CTX_HDRS_MAX_LEN) {
                return false;
            }
            break;
        default:
            return false;
        }
    }
    return has_base && !left;
}

/* Returns the one attribute that is the payload of 'a', or NULL. */
static const struct nlattr *
get_only(const struct nlattr *a)
{
    const struct nlattr *only = nl_attr_get(a);
    size_t left = nl_attr_get_size(a);

    return (nl_attr_is_valid(only, left) && NLA_ALIGN(only->nla_len) >= left
            ? only : NULL);
}

static bool
push_nsh_is_valid(const struct nlattr *a)
{
    const struct nlattr *key = get_only(a);

    return (key && nl_attr_type(key) == OVS_KEY_ATTR_NSH
            && nsh_is_valid(key, false, true));
}

/* Lengths of what is in a set(tunnel()).  odp_tun_key_from_attr() relies on
 * them. */
static const struct nl_policy tunnel_policy[__OVS_TUNNEL_KEY_ATTR_MAX] = {
    [OVS_TUNNEL_KEY_ATTR_ID] = { .type = NL_A_BE64, .optional = true },
    [OVS_TUNNEL_KEY_ATTR_IPV4_SRC] = { .type = NL_A_BE32, .optional = true },
    [OVS_TUNNEL_KEY_ATTR_IPV4_DST] = { .type = NL_A_BE32, .optional = true },
    [OVS_TUNNEL_KEY_ATTR_IPV6_SRC] = { .type = NL_A_IPV6, .optional = true },
    [OVS_TUNNEL_KEY_ATTR_IPV6_DST] = { .type = NL_A_IPV6, .optional = true },
    [OVS_TUNNEL_KEY_ATTR_TOS] = { .type = NL_A_U8, .optional = true },
    [OVS_TUNNEL_KEY_ATTR_TTL] = { .type = NL_A_U8 },
    [OVS_TUNNEL_KEY_ATTR_TP_SRC] = { .type = NL_A_BE16, .optional = true },
    [OVS_TUNNEL_KEY_ATTR_TP_DST] = { .type = NL_A_BE16, .optional = true },
    [OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS] = {
        .type = NL_A_UNSPEC, .optional = true,
        .max_len = TUN_METADATA_TOT_OPT_SIZE },
    [OVS_TUNNEL_KEY_ATTR_VXLAN_OPTS] = { .type = NL_A_NESTED,
                                         .optional = true },
    [OVS_TUNNEL_KEY_ATTR_ERSPAN_OPTS] = {
        .type = NL_A_UNSPEC, .optional = true,
        .min_len = sizeof(struct erspan_metadata) },
    [OVS_TUNNEL_KEY_ATTR_GTPU_OPTS] = {
        .type = NL_A_UNSPEC, .optional = true,
        .min_len = sizeof(struct gtpu_metadata) },
};

static bool
tunnel_is_valid(const struct nlattr *key)
{
    struct nlattr *attrs[__OVS_TUNNEL_KEY_ATTR_MAX];
    struct flow_tnl tunnel;

    memset(&tunnel, 0, sizeof tunnel);
    return (nl_parse_nested(key, tunnel_policy, attrs, ARRAY_SIZE(attrs))
            && odp_tun_key_from_attr(key, &tunnel, NULL) != ODP_FIT_ERROR);
}

static int
check_set(const struct nlattr *a, bool masked)
{
    const struct nlattr *key = get_only(a);
    enum ovs_key_attr type;
    size_t len;

    if (!key) {
        return EINVAL;
    }

    type = nl_attr_type(key);
    if (type == OVS_KEY_ATTR_TUNNEL) {
        return !masked && tunnel_is_valid(key) ? 0 : EINVAL;
    } else if (type == OVS_KEY_ATTR_NSH) {
        return nsh_is_valid(key, masked, false) ? 0 : EINVAL;
    } else if (type >= __OVS_KEY_ATTR_MAX) {
        return EINVAL;
    }

    len = set_infos[type].len;
    if (!len || (masked && !set_infos[type].masked)) {
        return EINVAL;
    }
    return nl_attr_get_size(key) == (masked ? 2 * len : len) ? 0 : EINVAL;
}

static int
check_sample(const struct nlattr *a, unsigned int depth, const char **why)
{
    const struct nlattr *actions = NULL;
    bool has_probability = false;
    const struct nlattr *b;
    size_t left;

    NL_NESTED_FOR_EACH (b, left, a) {
        switch (nl_attr_type(b)) {
        case OVS_SAMPLE_ATTR_PROBABILITY:
            if (nl_attr_get_size(b) != sizeof(uint32_t)) {
                return EINVAL;
            }
            has_probability = true;
            break;
        case OVS_SAMPLE_ATTR_ACTIONS:
            actions = b;
            break;
        default:
            return EINVAL;
        }
    }
    if (left || !actions || !has_probability) {
        return EINVAL;
    }
    return check_actions(nl_attr_get(actions), nl_attr_get_size(actions),
                         depth + 1, why);
}

static int
check_check_pkt_len(const struct nlattr *a, unsigned int depth,
                    const char **why)
{
    unsigned int seen = 0;
    const struct nlattr *b;
    size_t left;

    NL_NESTED_FOR_EACH (b, left, a) {
        unsigned int type = nl_attr_type(b);
        int error;

        switch (type) {
        case OVS_CHECK_PKT_LEN_ATTR_PKT_LEN:
            if (nl_attr_get_size(b) != sizeof(uint16_t)) {
                return EINVAL;
            }
            break;
        case OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER:
        case OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL:
            error = check_actions(nl_attr_get(b), nl_attr_get_size(b),
                                  depth + 1, why);
            if (error) {
                return error;
            }
            break;
        default:
            return EINVAL;
        }
        if (seen & (1u << type)) {
            return EINVAL;
        }
        seen |= 1u << type;
    }

    /* odp_execute_actions() needs all three. */
    return (!left
            && seen == ((1u << OVS_CHECK_PKT_LEN_ATTR_PKT_LEN)
                        | (1u << OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER)
                        | (1u << OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL))
            ? 0 : EINVAL);
}

static bool
hash_is_valid(const struct nlattr *a)
{
    const struct ovs_action_hash *hash = nl_attr_get(a);

    return (nl_attr_get_size(a) == sizeof *hash
            && (hash->hash_alg == OVS_HASH_ALG_L4
                || hash->hash_alg == OVS_HASH_ALG_SYM_L4));
}

static bool
tnl_push_is_valid(const struct nlattr *a)
{
    const struct ovs_action_push_tnl *push = nl_attr_get(a);

    size_t ofs = offsetof(struct ovs_action_push_tnl, header);
    size_t size = nl_attr_get_size(a);

    return (size >= ofs
            && push->header_len == size - ofs
            && push->header_len <= sizeof push->header);
}

static int
check_action(const struct nlattr *a, unsigned int depth, const char **why)
{
    unsigned int type = nl_attr_type(a);
    const struct action_info *info;
    struct action_ct ct;

    if (type >= ARRAY_SIZE(action_infos)) {
        *why = "unknown action";
        return EINVAL;
    }

    info = &action_infos[type];
    *why = info->name;
    switch (info->shape) {
    case SHAPE_FIXED:
        return nl_attr_get_size(a) == info->len ? 0 : EINVAL;
    case SHAPE_NESTED:
        return nested_is_whole(a) ? 0 : EINVAL;
    case SHAPE_HASH:
        return hash_is_valid(a) ? 0 : EINVAL;
    case SHAPE_SET:
        return check_set(a, false);
    case SHAPE_SET_MASKED:
        return check_set(a, true);
    case SHAPE_CT:
        return action_ct_parse(a, &ct);
    case SHAPE_TNL_PUSH:
        return tnl_push_is_valid(a) ? 0 : EINVAL;
    case SHAPE_PUSH_NSH:
        return push_nsh_is_valid(a) ? 0 : EINVAL;
    case SHAPE_CLONE:
        return check_actions(nl_attr_get(a), nl_attr_get_size(a), depth + 1,
                             why);
    case SHAPE_SAMPLE:
        return check_sample(a, depth, why);
    case SHAPE_CHECK_PKT_LEN:
        return check_check_pkt_len(a, depth, why);
    case SHAPE_UNKNOWN:
    default:
        *why = "unknown action";
        return EINVAL;
    }
}

/* Checks that odp_execute_actions() can run 'actions' without reading beyond
 * them and without aborting.  Returns 0 or EINVAL. */
static int
check_actions(const struct nlattr *actions, size_t len, unsigned int depth,
              const char **why)
{
    const struct nlattr *a;
    size_t left;

    if (depth >= MAX_NESTING) {
        *why = "actions nested too deeply";
        return EINVAL;
    }
    NL_ATTR_FOR_EACH (a, left, actions, len) {
        int error = check_action(a, depth, why);

        if (error) {
            return error;
        }
    }
    if (left) {
        *why = "cut action";
        return EINVAL;
    }
    return 0;
}

/* Stores the 'size' bytes of key in 'key' and 'mask', which is all ones if 'a'
 * has none. */
static void
get_key(const struct nlattr *a, bool masked, void *key, void *mask,
        size_t size)
{
    const uint8_t *data = nl_attr_get(a);

    memcpy(key, data, size);
    if (masked) {
        memcpy(mask, data + size, size);
    } else {
        memset(mask, 0xff, size);
    }
}

/* Compiling: the program, and the operation that edits layer 2 since its last
 * output, or NULL. */
struct compiler {
    struct action_program *p;
    struct action_l2 *l2;
};

static struct action_op *
add_op(struct compiler *c, enum action_op_type type)
{
    struct action_op *op = &c->p->ops[c->p->n_ops++];

    op->type = type;
    return op;
}

/* Returns the operation for edits of layer 2.  There is one between outputs,
 * as these edits and those of other layers do not see each other. */
static struct action_l2 *
get_l2(struct compiler *c)
{
    if (!c->l2) {
        c->l2 = &add_op(c, ACTION_OP_L2)->l2;
        memset(c->l2->keep, 0xff, sizeof c->l2->keep);
    }
    return c->l2;
}

static void
set_mac(struct action_l2 *l2, size_t ofs, struct eth_addr key,
        struct eth_addr mask)
{
    for (size_t i = 0; i < ETH_ADDR_LEN; i++) {
        l2->macs[ofs + i] = key.ea[i] | (l2->macs[ofs + i] & ~mask.ea[i]);
        l2->keep[ofs + i] &= ~mask.ea[i];
    }
}

/* Returns false if that is too many tags. */
static bool
push_tag(struct action_l2 *l2, const struct ovs_action_push_vlan *tag)
{
    if (l2->n_tags == ACTION_MAX_TAGS) {
        return false;
    }
    l2->tags[l2->n_tags] = *tag;
    l2->tags[l2->n_tags++].vlan_tci &= htons(~VLAN_CFI);
    return true;
}

static bool
pop_tag(struct action_l2 *l2)
{
    if (l2->n_tags) {
        l2->n_tags--;
        return true;
    }
    return l2->n_pops++ < ACTION_MAX_TAGS;
}

/* Adds what sets the field group under set action 'a'.  Returns false if no
 * operation does that. */
static bool
compile_set(struct compiler *c, const struct nlattr *a, bool masked)
{
    const struct nlattr *key = nl_attr_get(a);
    struct ovs_key_ethernet eth, eth_mask;
    struct action_op *op;

    switch (nl_attr_type(key)) {
    case OVS_KEY_ATTR_ETHERNET:
        get_key(key, masked, &eth, &eth_mask, sizeof eth);
        set_mac(get_l2(c), 0, eth.eth_dst, eth_mask.eth_dst);
        set_mac(get_l2(c), ETH_ADDR_LEN, eth.eth_src, eth_mask.eth_src);
        return true;
    case OVS_KEY_ATTR_IPV4:
        op = add_op(c, ACTION_OP_IPV4_SET);
        get_key(key, masked, &op->ipv4.key, &op->ipv4.mask,
                sizeof op->ipv4.key);
        return true;
    case OVS_KEY_ATTR_IPV6:
        op = add_op(c, ACTION_OP_IPV6_SET);
        get_key(key, masked, &op->ipv6.key, &op->ipv6.mask,
                sizeof op->ipv6.key);
        return true;
    case OVS_KEY_ATTR_TCP:
        op = add_op(c, ACTION_OP_TCP_SET);
        get_key(key, masked, &op->tcp.key, &op->tcp.mask, sizeof op->tcp.key);
        return true;
    case OVS_KEY_ATTR_UDP:
        op = add_op(c, ACTION_OP_UDP_SET);
        get_key(key, masked, &op->udp.key, &op->udp.mask, sizeof op->udp.key);
        return true;
    default:
        return false;
    }
}

/* Adds what does 'a', which check_action() has passed.  Returns false if no
 * operation does that. */
static bool
compile_action(struct compiler *c, const struct nlattr *a)
{
    const struct ovs_action_push_vlan *vlan;

    switch (nl_attr_type(a)) {
    case OVS_ACTION_ATTR_OUTPUT:
        add_op(c, ACTION_OP_OUTPUT)->output.port = nl_attr_get_odp_port(a);
        c->l2 = NULL;
        return true;
    case OVS_ACTION_ATTR_PUSH_VLAN:
        /* pop_vlan takes off only tags that OVS knows. */
        vlan = nl_attr_get(a);
        return eth_type_vlan(vlan->vlan_tpid) && push_tag(get_l2(c), vlan);
    case OVS_ACTION_ATTR_POP_VLAN:
        return pop_tag(get_l2(c));
    case OVS_ACTION_ATTR_SET:
        return compile_set(c, a, false);
    case OVS_ACTION_ATTR_SET_MASKED:
        return compile_set(c, a, true);
    default:
        return false;
    }
}

/* Fills in what follows from the operations of 'p'. */
static void
summarize(struct action_program *p)
{
    for (size_t i = p->n_ops; i > 0; i--) {
        struct action_op *op = &p->ops[i - 1];

        p->op_types |= 1u << op->type;
        if (op->type == ACTION_OP_OUTPUT) {
            op->output.edits_follow = p->edits;
        } else {
            p->edits = true;
        }
        if (op->type == ACTION_OP_L2) {
            p->n_pushes += op->l2.n_tags;
            p->n_pops += op->l2.n_pops;
        }
    }
}

/* Returns true if 'p' does nothing but drop, with a reason. */
static bool
is_explicit_drop(const struct action_program *p)
{
    return (p->actions_len
            && nl_attr_type(p->actions) == OVS_ACTION_ATTR_DROP
            && NLA_ALIGN(p->actions->nla_len) >= p->actions_len);
}

/* Fills in the operations of 'p', if operations can do what its actions ask
 * for. */
static void
compile_ops(struct action_program *p)
{
    struct compiler c = { .p = p };
    const struct nlattr *a;
    size_t left;

    if (is_explicit_drop(p)) {
        p->direct = p->explicit_drop = true;
        return;
    }

    NL_ATTR_FOR_EACH_UNSAFE (a, left, p->actions, p->actions_len) {
        if (!compile_action(&c, a)) {
            p->n_ops = 0;
            return;
        }
    }
    summarize(p);
    if (p->n_pushes <= ACTION_MAX_TAGS && p->n_pops <= ACTION_MAX_TAGS) {
        p->direct = true;
    } else {
        p->edits = false;
        p->n_ops = p->op_types = p->n_pushes = p->n_pops = 0;
    }
}

/* Sharing programs */

/* A program and its users.  Most flows do what many others do; where there are
 * many flows, a program of each one's own would be one more thing to fetch for
 * each packet. */
struct shared_program {
    PADDED_MEMBERS(CACHE_LINE_SIZE,
        struct hmap_node node;  /* In 'programs', by hash of the actions. */
        unsigned int n_users;
    );
    struct action_program program;
};

static struct ovs_mutex programs_mutex = OVS_MUTEX_INITIALIZER;
static struct hmap programs OVS_GUARDED_BY(programs_mutex)
    = HMAP_INITIALIZER(&programs);

static struct shared_program *
program_find(const struct nlattr *actions, size_t len, uint32_t hash)
    OVS_REQUIRES(programs_mutex)
{
    struct shared_program *s;

    HMAP_FOR_EACH_WITH_HASH (s, node, hash, &programs) {
        if (s->program.actions_len == len
            && (!len || !memcmp(s->program.actions, actions, len))) {
            return s;
        }
    }
    return NULL;
}

static struct shared_program *
program_create(const struct nlattr *actions, size_t len)
{
    const struct nlattr *a;
    struct shared_program *s;
    size_t n = 0, left;

    NL_ATTR_FOR_EACH_UNSAFE (a, left, actions, len) {
        n++;
    }
    s = xzalloc_cacheline(sizeof *s + n * sizeof *s->program.ops);
    /* Never NULL, which would say "unknown" where flows are logged. */
    s->program.actions = len ? xmemdup(actions, len) : xzalloc(1);
    s->program.actions_len = len;
    compile_ops(&s->program);
    return s;
}

int
action_program_compile(const struct nlattr *actions, size_t len,
                       struct action_program **programp, const char **why)
{
    uint32_t hash = hash_bytes(actions, len, 0);
    struct shared_program *s;
    int error;

    error = check_actions(actions, len, 0, why);
    if (error) {
        *programp = NULL;
        return error;
    }

    ovs_mutex_lock(&programs_mutex);
    s = program_find(actions, len, hash);
    if (!s) {
        s = program_create(actions, len);
        hmap_insert(&programs, &s->node, hash);
    }
    s->n_users++;
    ovs_mutex_unlock(&programs_mutex);

    *programp = &s->program;
    return 0;
}

void
action_program_free(struct action_program *p)
{
    struct shared_program *s;
    bool last;

    if (!p) {
        return;
    }

    s = CONTAINER_OF(p, struct shared_program, program);
    ovs_mutex_lock(&programs_mutex);
    last = !--s->n_users;
    if (last) {
        hmap_remove(&programs, &s->node);
    }
    ovs_mutex_unlock(&programs_mutex);
    if (last) {
        free(CONST_CAST(struct nlattr *, p->actions));
        free_cacheline(s);
    }
}

void
action_program_count_drops(const struct action_program *p, unsigned int n)
{
    if (p->explicit_drop) {
        /* Only odp_execute_actions() has access to the counters.  It counts a
         * batch that it does not own without a look at the packets in it. */
        struct dp_packet_batch batch;

        dp_packet_batch_init(&batch);
        for (; n; n -= batch.count) {
            batch.count = MIN(n, NETDEV_MAX_BURST);
            odp_execute_actions(NULL, &batch, false, p->actions,
                                p->actions_len, NULL);
        }
    }
}
