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

#include "netlink.h"

static const struct nl_policy ct_policy[__OVS_CT_ATTR_MAX] = {
    [OVS_CT_ATTR_COMMIT] = { .type = NL_A_FLAG, .optional = true },
    [OVS_CT_ATTR_ZONE] = { .type = NL_A_U16, .optional = true },
    [OVS_CT_ATTR_MARK] = { .type = NL_A_UNSPEC, .optional = true,
                           .min_len = 2 * sizeof(uint32_t),
                           .max_len = 2 * sizeof(uint32_t) },
    [OVS_CT_ATTR_LABELS] = { .type = NL_A_UNSPEC, .optional = true,
                             .min_len = 2 * sizeof(struct ovs_key_ct_labels),
                             .max_len = 2 * sizeof(struct ovs_key_ct_labels),
                           },
    [OVS_CT_ATTR_HELPER] = { .type = NL_A_STRING, .optional = true },
    [OVS_CT_ATTR_NAT] = { .type = NL_A_NESTED, .optional = true },
    [OVS_CT_ATTR_FORCE_COMMIT] = { .type = NL_A_FLAG, .optional = true },
    [OVS_CT_ATTR_TIMEOUT] = { .type = NL_A_STRING, .optional = true },
};

static const struct nl_policy nat_policy[__OVS_NAT_ATTR_MAX] = {
    [OVS_NAT_ATTR_SRC] = { .type = NL_A_FLAG, .optional = true },
    [OVS_NAT_ATTR_DST] = { .type = NL_A_FLAG, .optional = true },
    [OVS_NAT_ATTR_IP_MIN] = { .type = NL_A_UNSPEC, .optional = true,
                              .max_len = sizeof(union ct_addr) },
    [OVS_NAT_ATTR_IP_MAX] = { .type = NL_A_UNSPEC, .optional = true,
                              .max_len = sizeof(union ct_addr) },
    [OVS_NAT_ATTR_PROTO_MIN] = { .type = NL_A_U16, .optional = true },
    [OVS_NAT_ATTR_PROTO_MAX] = { .type = NL_A_U16, .optional = true },
};

static void
get_addr(const struct nlattr *a, union ct_addr *addr)
{
    if (a) {
        memcpy(addr, nl_attr_get(a), nl_attr_get_size(a));
    }
}

/* Fills in ct->nat from 'nat'.  The upper end of a range that has only a lower
 * one is the same. */
static int
parse_nat(const struct nlattr *nat, struct action_ct *ct)
{
    struct nlattr *a[__OVS_NAT_ATTR_MAX];
    struct nat_action_info_t *info = &ct->nat;

    if (!nl_parse_nested(nat, nat_policy, a, ARRAY_SIZE(a))) {
        return EINVAL;
    }
    ct->has_nat = true;
    info->nat_action = ((a[OVS_NAT_ATTR_SRC] ? NAT_ACTION_SRC : 0)
                        | (a[OVS_NAT_ATTR_DST] ? NAT_ACTION_DST : 0));
    get_addr(a[OVS_NAT_ATTR_IP_MIN], &info->min_addr);
    get_addr(a[OVS_NAT_ATTR_IP_MAX]
             ? a[OVS_NAT_ATTR_IP_MAX] : a[OVS_NAT_ATTR_IP_MIN],
             &info->max_addr);
    if (a[OVS_NAT_ATTR_PROTO_MIN]) {
        info->min_port = nl_attr_get_u16(a[OVS_NAT_ATTR_PROTO_MIN]);
        info->max_port = info->min_port;
    }
    if (a[OVS_NAT_ATTR_PROTO_MAX]) {
        info->max_port = nl_attr_get_u16(a[OVS_NAT_ATTR_PROTO_MAX]);
    }
    if (a[OVS_NAT_ATTR_PROTO_MIN] || a[OVS_NAT_ATTR_PROTO_MAX]) {
        info->nat_action |= (info->nat_action & NAT_ACTION_SRC
                             ? NAT_ACTION_SRC_PORT
                             : info->nat_action & NAT_ACTION_DST
                             ? NAT_ACTION_DST_PORT : 0);
    }
    return 0;
}

int
action_ct_parse(const struct nlattr *action, struct action_ct *ct)
{
    struct nlattr *a[__OVS_CT_ATTR_MAX];

    memset(ct, 0, sizeof *ct);
    if (!nl_parse_nested(action, ct_policy, a, ARRAY_SIZE(a))) {
        return EINVAL;
    }
    ct->force = a[OVS_CT_ATTR_FORCE_COMMIT] != NULL;
    ct->commit = ct->force || a[OVS_CT_ATTR_COMMIT];
    if (a[OVS_CT_ATTR_ZONE]) {
        ct->zone = nl_attr_get_u16(a[OVS_CT_ATTR_ZONE]);
    }
    if (a[OVS_CT_ATTR_MARK]) {
        ct->mark = nl_attr_get(a[OVS_CT_ATTR_MARK]);
    }
    if (a[OVS_CT_ATTR_LABELS]) {
        ct->labels = nl_attr_get(a[OVS_CT_ATTR_LABELS]);
    }
    if (a[OVS_CT_ATTR_HELPER]) {
        ct->helper = nl_attr_get_string(a[OVS_CT_ATTR_HELPER]);
    }
    if (a[OVS_CT_ATTR_TIMEOUT]) {
        ct->timeout = nl_attr_get_string(a[OVS_CT_ATTR_TIMEOUT]);
    }
    return a[OVS_CT_ATTR_NAT] ? parse_nat(a[OVS_CT_ATTR_NAT], ct) : 0;
}
