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

#include "offload-device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dpif.h"
#include "netdev-offload.h"
#include "netdev-offload-provider.h"
#include "netdev-provider.h"
#include "netlink.h"
#include "odp-util.h"
#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "smap.h"
#include "util.h"

struct ovs_mutex offload_device_door = OVS_MUTEX_INITIALIZER;

struct device_flow {
    struct hmap_node node;      /* In struct device's 'flows'. */
    ovs_u128 ufid;
    struct netdev *netdev;
    unsigned int tid;
    uint32_t mark;
    uint32_t output;            /* What its actions output to. */
};

static struct device {
    struct ovs_mutex mutex;
    struct hmap flows OVS_GUARDED;
    unsigned int n_puts OVS_GUARDED;
    bool refuses OVS_GUARDED;
    bool busy OVS_GUARDED;
    bool forgets OVS_GUARDED;   /* A refused flow's earlier actions. */
} device = {
    .mutex = OVS_MUTEX_INITIALIZER,
};

static struct device_flow *
device_find(const ovs_u128 *ufid)
    OVS_REQUIRES(device.mutex)
{
    struct device_flow *flow;

    HMAP_FOR_EACH_WITH_HASH (flow, node, ufid->u32[0], &device.flows) {
        if (ovs_u128_equals(flow->ufid, *ufid)) {
            return flow;
        }
    }
    return NULL;
}

static void
device_forget(struct device_flow *flow)
    OVS_REQUIRES(device.mutex)
{
    hmap_remove(&device.flows, &flow->node);
    free(flow);
}

static void
pass_door(void)
{
    ovs_mutex_lock(&offload_device_door);
    ovs_mutex_unlock(&offload_device_door);
}

static int
device_put__(struct netdev *netdev, uint32_t output, const ovs_u128 *ufid,
             uint32_t mark)
    OVS_REQUIRES(device.mutex)
{
    struct device_flow *flow = device_find(ufid);
    struct device_flow *other;

    device.n_puts++;
    if (device.refuses) {
        if (flow && device.forgets) {
            device_forget(flow);
        }
        return EOPNOTSUPP;
    }
    if (!flow) {
        flow = xzalloc(sizeof *flow);
        flow->ufid = *ufid;
        flow->netdev = netdev;
        flow->mark = mark;
        flow->tid = netdev_offload_thread_id();
        HMAP_FOR_EACH (other, node, &device.flows) {
            ovs_assert(other->mark != mark);
        }
        hmap_insert(&device.flows, &flow->node, ufid->u32[0]);
    }
    ovs_assert(flow->netdev == netdev && flow->mark == mark);
    ovs_assert(flow->tid == netdev_offload_thread_id()
               && flow->tid < OFFLOAD_DEVICE_THREADS);
    flow->output = output;
    return 0;
}

static int
device_put(struct netdev *netdev, struct match *match, struct nlattr *actions,
           size_t actions_len, const ovs_u128 *ufid,
           struct offload_info *info, struct dpif_flow_stats *stats OVS_UNUSED)
{
    int error;

    ovs_assert(actions_len == NLA_HDRLEN + sizeof(uint32_t));
    ovs_assert(match->wc.masks.in_port.odp_port == ODPP_NONE);
    ovs_assert(info->orig_in_port == u32_to_odp(OFFLOAD_DEVICE_ORIG_IN_PORT));
    pass_door();
    ovs_mutex_lock(&device.mutex);
    error = device_put__(netdev, nl_attr_get_u32(actions), ufid,
                         info->flow_mark);
    ovs_mutex_unlock(&device.mutex);
    return error;
}

static int
device_del(struct netdev *netdev, const ovs_u128 *ufid,
           struct dpif_flow_stats *stats OVS_UNUSED)
{
    struct device_flow *flow;

    pass_door();
    ovs_mutex_lock(&device.mutex);
    flow = device_find(ufid);
    ovs_assert(flow || device.forgets);
    if (flow) {
        ovs_assert(flow->netdev == netdev);
        ovs_assert(flow->tid == netdev_offload_thread_id());
        device_forget(flow);
    }
    ovs_mutex_unlock(&device.mutex);
    return flow ? 0 : ENOENT;
}

static int
device_get(struct netdev *netdev OVS_UNUSED, struct match *match OVS_UNUSED,
           struct nlattr **actions OVS_UNUSED, const ovs_u128 *ufid,
           struct dpif_flow_stats *stats, struct dpif_flow_attrs *attrs,
           struct ofpbuf *buf OVS_UNUSED)
{
    const struct device_flow *flow;

    ovs_mutex_lock(&device.mutex);
    flow = device.busy ? NULL : device_find(ufid);
    if (flow) {
        stats->n_packets = flow->output;
        attrs->offloaded = true;
        attrs->dp_layer = "dpdk";
    }
    ovs_mutex_unlock(&device.mutex);
    return flow ? 0 : ENOENT;
}

static int
device_get_n_flows(struct netdev *netdev, uint64_t *n_flows)
{
    const struct device_flow *flow;

    ovs_mutex_lock(&device.mutex);
    HMAP_FOR_EACH (flow, node, &device.flows) {
        n_flows[flow->tid] += flow->netdev == netdev;
    }
    ovs_mutex_unlock(&device.mutex);
    return 0;
}

static int
device_init(struct netdev *netdev)
{
    return strcmp(netdev_get_type(netdev), "test-offload") ? EOPNOTSUPP : 0;
}

static const struct netdev_flow_api device_api = {
    .type = "test-offload",
    .flow_put = device_put,
    .flow_del = device_del,
    .flow_get = device_get,
    .flow_get_n_flows = device_get_n_flows,
    .init_flow_api = device_init,
};

size_t
offload_device_n_flows(void)
{
    size_t n;

    ovs_mutex_lock(&device.mutex);
    n = hmap_count(&device.flows);
    ovs_mutex_unlock(&device.mutex);
    return n;
}

unsigned int
offload_device_n_puts(void)
{
    unsigned int n;

    ovs_mutex_lock(&device.mutex);
    n = device.n_puts;
    ovs_mutex_unlock(&device.mutex);
    return n;
}

void
offload_device_busy(bool busy)
{
    ovs_mutex_lock(&device.mutex);
    device.busy = busy;
    ovs_mutex_unlock(&device.mutex);
}

void
offload_device_refuse(bool refuses, bool forgets)
{
    ovs_mutex_lock(&device.mutex);
    device.refuses = refuses;
    device.forgets = forgets;
    ovs_mutex_unlock(&device.mutex);
}

uint32_t
offload_device_look(const ovs_u128 *ufid, uint32_t *output)
{
    const struct device_flow *flow;
    uint32_t mark = 0;

    ovs_mutex_lock(&device.mutex);
    flow = device_find(ufid);
    if (flow) {
        mark = flow->mark;
        *output = flow->output;
    }
    ovs_mutex_unlock(&device.mutex);
    return mark;
}

/* The netdevs, which do nothing */

static struct netdev *
test_alloc(void)
{
    return xzalloc(sizeof(struct netdev));
}

static int
test_construct(struct netdev *netdev OVS_UNUSED)
{
    return 0;
}

static void
test_destruct(struct netdev *netdev OVS_UNUSED)
{
}

static void
test_dealloc(struct netdev *netdev)
{
    free(netdev);
}

static int
test_update_flags(struct netdev *netdev OVS_UNUSED,
                  enum netdev_flags off OVS_UNUSED,
                  enum netdev_flags on OVS_UNUSED, enum netdev_flags *old)
{
    *old = NETDEV_UP;
    return 0;
}

static const struct netdev_class test_class = {
    .type = "test-offload",
    .alloc = test_alloc,
    .construct = test_construct,
    .destruct = test_destruct,
    .dealloc = test_dealloc,
    .update_flags = test_update_flags,
};

void
offload_device_init(void)
{
    struct smap config = SMAP_INITIALIZER(&config);

    ovs_mutex_lock(&device.mutex);
    hmap_init(&device.flows);
    ovs_mutex_unlock(&device.mutex);
    netdev_register_provider(&test_class);
    netdev_register_flow_api_provider(&device_api);
    smap_add(&config, "hw-offload", "true");
    smap_add_format(&config, "n-offload-threads", "%d",
                    OFFLOAD_DEVICE_THREADS);
    netdev_set_flow_api_enabled(&config);
    smap_destroy(&config);
}

void
offload_device_destroy(void)
{
    ovs_mutex_lock(&device.mutex);
    hmap_destroy(&device.flows);
    ovs_mutex_unlock(&device.mutex);
}
