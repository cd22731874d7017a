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

#include "flow-model.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "action/action.h"
#include "dp-packet.h"
#include "flow/flow-private.h"
#include "odp-util.h"
#include "random-frame.h"
#include "random.h"
#include "util.h"

#define N_PORTS 3

struct action_program *
flow_model_program(void)
{
    struct action_program *program;
    const char *why;

    ovs_assert(!action_program_compile(NULL, 0, &program, &why));
    return program;
}

odp_port_t
flow_model_port(void)
{
    return u32_to_odp(1 + random_range(N_PORTS));
}

void
flow_model_extract(const uint8_t *frame, size_t len, odp_port_t in_port,
                   struct flow_key *key, struct flow *flow,
                   uint16_t *tcp_flags)
{
    struct dp_packet *packet = dp_packet_clone_data(frame, len);

    packet->md.in_port.odp_port = in_port;
    flow_key_extract(packet, key);
    flow_extract(packet, flow);
    *tcp_flags = (is_ip_any(flow) && flow->nw_proto == IPPROTO_TCP
                  ? ntohs(flow->tcp_flags) : 0);
    dp_packet_delete(packet);
}

/* Random masks. */

#define FIELD(NAME) { offsetof(struct flow, NAME),                      \
                      MEMBER_SIZEOF(struct flow, NAME) }
static const struct {
    size_t ofs, size;
} fields[] = {
    FIELD(dl_dst), FIELD(dl_src), FIELD(dl_type), FIELD(vlans[0].tpid),
    FIELD(vlans[0].tci), FIELD(vlans[1].qtag), FIELD(mpls_lse[0]),
    FIELD(nw_src), FIELD(nw_dst), FIELD(ipv6_src), FIELD(ipv6_dst),
    FIELD(ipv6_label), FIELD(nw_frag), FIELD(nw_tos), FIELD(nw_ttl),
    FIELD(nw_proto), FIELD(nd_target), FIELD(arp_sha), FIELD(arp_tha),
    FIELD(tcp_flags), FIELD(nsh), FIELD(tp_src), FIELD(tp_dst),
    FIELD(igmp_group_ip4),
};

static void
set_mask(struct flow_wildcards *wc, size_t ofs, size_t size)
{
    memset((uint8_t *) &wc->masks + ofs, 0xff, size);
}

/* A mask as ofproto would make it, or with random bits here and there. */
void
flow_model_wildcards(struct flow_wildcards *wc)
{
    flow_wildcards_init_catchall(wc);
    if (!random_one_in(8)) {
        WC_MASK_FIELD(wc, dl_type);
        WC_MASK_FIELD(wc, nw_frag);
        WC_MASK_FIELD(wc, recirc_id);
        WC_MASK_FIELD(wc, packet_type);
    }
    for (int i = random_range(10); i > 0; i--) {
        size_t j = random_range(ARRAY_SIZE(fields));
        size_t ofs = fields[j].ofs;
        size_t size = fields[j].size;

        if (random_one_in(4)) {
            /* Some bytes of the field, or bits of one of them. */
            ofs += random_range(size);
            size = random_one_in(2) ? fields[j].ofs + size - ofs : 0;
            ((uint8_t *) &wc->masks)[ofs] |= random_uint8();
        }
        set_mask(wc, ofs, size);
    }
    if (random_one_in(4)) {
        wc->masks.vlans[0].tci |= htons(VLAN_CFI | VLAN_VID_MASK);
    }
    WC_MASK_FIELD(wc, in_port);
}

/* Table and list. */

static struct flow_model_flow *
flow_model_find(struct flow_model *model, const ovs_u128 *ufid)
{
    for (size_t i = 0; i < model->n; i++) {
        if (ovs_u128_equals(model->flows[i].ufid, *ufid)) {
            return &model->flows[i];
        }
    }
    return NULL;
}

bool
flow_model_matches(const struct flow_model *model, const struct flow *packet)
{
    for (size_t i = 0; i < model->n; i++) {
        const struct match *match = &model->flows[i].match;

        if (flow_equal_except(&match->flow, packet, &match->wc)) {
            return true;
        }
    }
    return false;
}

static bool
same_mask(const struct flow_model_flow *a, const struct flow_model_flow *b)
{
    return (a->match.flow.in_port.odp_port == b->match.flow.in_port.odp_port
            && flow_wildcards_equal(&a->match.wc, &b->match.wc));
}

static void
model_check_counts(const struct flow_model *model)
{
    size_t n_masks = 0;

    for (size_t i = 0; i < model->n; i++) {
        bool first = true;

        for (size_t j = 0; j < i; j++) {
            first &= !same_mask(&model->flows[i], &model->flows[j]);
        }
        n_masks += first;
    }
    ovs_assert(megaflow_table_count(model->table) == model->n);
    ovs_assert(megaflow_table_n_masks(model->table) == n_masks);
}

/* Puts a flow that matches packets like 'packet', if there is room. */
static void
model_put(struct flow_model *model, const struct flow *packet)
{
    struct flow_model_flow *f = &model->flows[model->n];
    struct action_program *program;
    struct megaflow_stats stats;
    struct megaflow *mf;
    struct match match;

    if (model->n >= FLOW_MODEL_MAX_FLOWS) {
        return;
    }
    model->n++;
    memset(f, 0, sizeof *f);
    f->ufid.u32[0] = random_range(20);      /* Hashes collide. */
    f->ufid.u64.hi = ++model->last_id;
    f->match.flow = *packet;
    flow_model_wildcards(&f->match.wc);
    f->program = program = flow_model_program();

    /* The table makes in_port exact. */
    match = f->match;
    match.wc.masks.in_port.odp_port = u32_to_odp(random_range(2));
    ovs_assert(megaflow_table_put(model->table, &f->ufid, &match, ODPP_NONE,
                                  MEGAFLOW_MODIFY, program, NULL, NULL)
               == ENOENT);
    ovs_assert(!megaflow_table_put(model->table, &f->ufid, &match, ODPP_NONE,
                                   MEGAFLOW_CREATE, program, &stats, &mf));
    ovs_assert(!stats.packets && !stats.bytes && !stats.used);
    ovs_assert(megaflow_program(mf) == program);
    ovs_assert(mf->in_port == packet->in_port.odp_port);
    ovs_assert(flow_wildcards_equal(&mf->mask, &f->match.wc));
    ovs_assert(megaflow_table_find(model->table, &f->ufid) == mf);
    ovs_assert(megaflow_table_put(model->table, &f->ufid, &f->match,
                                  ODPP_NONE, MEGAFLOW_CREATE, program, NULL,
                                  NULL) == EEXIST);
}

static void
model_check_stats(const struct flow_model_flow *f,
                  const struct megaflow_stats *stats)
{
    ovs_assert(stats->packets == f->packets);
    ovs_assert(stats->bytes == f->packets * 100);
    ovs_assert(stats->tcp_flags == f->tcp_flags);
    ovs_assert(stats->used == f->used);
}

static void
model_modify(struct flow_model *model)
{
    struct flow_model_flow *f = &model->flows[random_range(model->n)];
    struct action_program *program = flow_model_program();
    struct megaflow_stats stats;
    int flags = MEGAFLOW_MODIFY;
    struct megaflow *mf;
    struct match match = f->match;

    /* The flow keeps its match. */
    match.wc.masks.nw_src ^= OVS_BE32_MAX;

    flags |= random_one_in(2) ? MEGAFLOW_ZERO_STATS : 0;
    flags |= random_one_in(2) ? MEGAFLOW_CREATE : 0;
    ovs_assert(!megaflow_table_put(model->table, &f->ufid, &match, ODPP_NONE,
                                   flags, program, &stats, &mf));
    ovs_assert(megaflow_program(mf) == program);
    ovs_assert(flow_wildcards_equal(&mf->mask, &f->match.wc));
    model_check_stats(f, &stats);
    f->program = program;
    if (flags & MEGAFLOW_ZERO_STATS) {
        f->packets = f->tcp_flags = f->used = 0;
    }
}

static void
model_delete(struct flow_model *model)
{
    struct flow_model_flow *f = &model->flows[random_range(model->n)];
    struct megaflow_stats stats;

    ovs_assert(!megaflow_table_del(model->table, &f->ufid, &stats));
    model_check_stats(f, &stats);
    ovs_assert(megaflow_table_del(model->table, &f->ufid, &stats) == ENOENT);
    ovs_assert(!megaflow_table_find(model->table, &f->ufid));
    *f = model->flows[--model->n];
}

static void
model_iterate(struct flow_model *model)
{
    struct cmap_position pos = { 0, 0, 0 };
    struct megaflow *mf;
    size_t n = 0;

    while ((mf = megaflow_table_next(model->table, &pos)) != NULL) {
        const struct flow_model_flow *f = flow_model_find(model, &mf->ufid);

        ovs_assert(f && f->program == megaflow_program(mf));
        n++;
    }
    ovs_assert(n == model->n);
}

static void
model_flush(struct flow_model *model)
{
    megaflow_table_flush(model->table);
    model->n = 0;
}

/* One random change, of a flow for 'packet' if it is an addition. */
void
flow_model_change(struct flow_model *model, const struct flow *packet)
{
    uint32_t dice = random_range(200);

    if (!dice) {
        model_flush(model);
    } else if (dice < 4) {
        model_iterate(model);
    } else if (dice < 6) {
        flow_table_narrow(model->table);
        flow_table_rank(model->table);
    } else if (dice < 110 || !model->n) {
        model_put(model, packet);
    } else if (dice < 130) {
        model_modify(model);
    } else {
        model_delete(model);
    }
    model_check_counts(model);
}

/* Checks that 'mf' is a flow to find for 'packet', and counts it. */
void
flow_model_check_hit(struct flow_model *model, struct megaflow *mf,
                const struct flow *packet)
{
    struct flow_model_flow *f = flow_model_find(model, &mf->ufid);
    uint16_t flags = random_range(4);

    ovs_assert(f);
    ovs_assert(f->program == megaflow_program(mf));
    ovs_assert(flow_equal_except(&f->match.flow, packet, &f->match.wc));

    f->packets++;
    f->used = ++model->clock;
    f->tcp_flags |= flags;
    megaflow_count(mf, random_range(5), 1, 100, flags, f->used);
}
