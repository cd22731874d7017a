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

#include "flow/flow-private.h"

#include "action/action.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"

VLOG_DEFINE_THIS_MODULE(accel_flow);

/* As dpif-netdev has it, whose wording ours follows: people and tests look for
 * these lines. */
static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(600, 600);

const struct odp_support megaflow_support = {
    .recirc = true,
    .ct_state = true,
    .ct_state_nat = true,
    .ct_zone = true,
    .ct_mark = true,
    .ct_label = true,
    .ct_orig_tuple = true,
    .ct_orig_tuple6 = true,
    .max_vlan_headers = SIZE_MAX,
    .max_mpls_depth = SIZE_MAX,
};

static void
format_flow(const struct megaflow *mf, struct ds *ds)
{
    struct odputil_keybuf key_stub, mask_stub;
    struct ofpbuf key, mask;
    struct odp_flow_key_parms parms = {
        .flow = &mf->flow,
        .mask = &mf->mask.masks,
        .support = megaflow_support,
    };

    ofpbuf_use_stack(&key, &key_stub, sizeof key_stub);
    ofpbuf_use_stack(&mask, &mask_stub, sizeof mask_stub);
    odp_flow_key_from_flow(&parms, &key);
    parms.key_buf = &key;
    odp_flow_key_from_mask(&parms, &mask);
    odp_flow_format(key.data, key.size, mask.data, mask.size, NULL, ds,
                    false);
}

void
flow_log_put(const struct megaflow *mf, const struct action_program *old,
             const struct action_program *new)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct match match;

    if (VLOG_DROP_DBG(&rl)) {
        return;
    }

    ds_put_cstr(&ds, old ? "flow_mod: " : "flow_add: ");
    odp_format_ufid(&mf->ufid, &ds);
    ds_put_char(&ds, ' ');
    format_flow(mf, &ds);
    if (old) {
        ds_put_cstr(&ds, ", old_actions:");
        format_odp_actions(&ds, old->actions, old->actions_len, NULL);
    }
    ds_put_cstr(&ds, ", actions:");
    format_odp_actions(&ds, new->actions, new->actions_len, NULL);
    VLOG_DBG("%s", ds_cstr(&ds));

    ds_clear(&ds);
    memset(&match, 0, sizeof match);
    match.flow = mf->flow;
    match.wc = mf->mask;
    match_format(&match, NULL, &ds, OFP_DEFAULT_PRIORITY);
    VLOG_DBG("flow match: %s", ds_cstr(&ds));
    ds_destroy(&ds);
}
