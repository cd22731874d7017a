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

#include "dpif-accel.h"

#include <errno.h>

#include "accel-dpdk.h"
#include "dp.h"
#include "netdev-accel-vhost.h"
#include "netdev-provider.h"
#include "netdev-vport.h"
#include "odp-util.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "seq.h"
#include "sset.h"
#include "tnl-neigh-cache.h"
#include "tnl-ports.h"

VLOG_DEFINE_THIS_MODULE(dpif_accel);

static struct ovs_mutex dps_mutex = OVS_MUTEX_INITIALIZER;
static struct shash dps OVS_GUARDED_BY(dps_mutex)
    = SHASH_INITIALIZER(&dps);  /* Of 'struct dpif_accel_dp's. */

static int
dpif_accel_enumerate(struct sset *all_dps, const struct dpif_class *class)
{
    struct shash_node *node;

    ovs_mutex_lock(&dps_mutex);
    SHASH_FOR_EACH (node, &dps) {
        const struct dpif_accel_dp *adp = node->data;

        if (adp->class == class) {
            sset_add(all_dps, node->name);
        }
    }
    ovs_mutex_unlock(&dps_mutex);
    return 0;
}

void
dpif_accel_for_each(void (*cb)(struct dp *, void *aux), void *aux)
{
    const struct shash_node **nodes;

    ovs_mutex_lock(&dps_mutex);
    nodes = shash_sort(&dps);
    for (size_t i = 0; i < shash_count(&dps); i++) {
        const struct dpif_accel_dp *adp = nodes[i]->data;

        cb(adp->dp, aux);
    }
    free(nodes);
    ovs_mutex_unlock(&dps_mutex);
}

static bool
class_is_dummy(const struct dpif_class *class)
{
    return class != &dpif_accel_class;
}

/* Classes that accel serves under another name: what OpenStack, libvirt hooks
 * and scripts write for netdev bridges works here as it is.  A port of a
 * physical DPDK device needs EAL before its class exists. */
static const char *
dpif_accel_port_open_type(const struct dpif_class *class, const char *type)
{
    if (!strcmp(type, "internal")) {
        return class_is_dummy(class) ? "dummy-internal" : "tap";
    } else if (!strcmp(type, "dpdkvhostuserclient")) {
        return "accelvhost";
    } else if (!strcmp(type, "dpdkvhostuser")) {
        return "accelvhostuser";
    } else if (!strcmp(type, "dpdk")) {
        char *error = NULL;

        if (accel_dpdk_start(&error)) {
            VLOG_ERR_ONCE("a port of type dpdk cannot be opened: %s", error);
            free(error);
        }
    }
    return type;
}

static int
create_dp(const struct dpif_class *class, const char *name,
          struct dpif_accel_dp **adpp)
    OVS_REQUIRES(dps_mutex)
{
    struct dpif_accel_dp *adp = xzalloc(sizeof *adp);
    odp_port_t local = ODPP_LOCAL;
    int error;

    adp->dp = dp_create(name, class->type, netdev_accel_vhost_get_port);
    adp->class = class;
    adp->last_tnl_seq = seq_read(tnl_conf_seq);
    ovs_refcount_init(&adp->ref_cnt);
    error = dp_port_add(adp->dp, name,
                        dpif_accel_port_open_type(class, "internal"), &local);
    if (error) {
        dp_destroy(adp->dp);
        free(adp);
        return error;
    }
    shash_add(&dps, name, adp);
    *adpp = adp;
    return 0;
}

int
dpif_accel_open(const struct dpif_class *class, const char *name, bool create,
                struct dpif **dpifp)
{
    struct dpif_accel_dp *adp;
    int error = 0;

    ovs_mutex_lock(&dps_mutex);
    adp = shash_find_data(&dps, name);
    if (adp) {
        error = adp->class != class ? EINVAL : create ? EEXIST : 0;
    } else {
        error = create ? create_dp(class, name, &adp) : ENODEV;
    }
    if (!error) {
        struct dpif_accel *dpif = xzalloc(sizeof *dpif);
        uint16_t netflow_id = hash_string(name, 0);

        dpif_init(&dpif->dpif, class, name, netflow_id >> 8, netflow_id);
        dpif->adp = adp;
        dpif->last_port_seq = seq_read(adp->dp->port_seq);
        ovs_refcount_ref(&adp->ref_cnt);
        *dpifp = &dpif->dpif;
    }
    ovs_mutex_unlock(&dps_mutex);
    return error;
}

static void
unref_dp(struct dpif_accel_dp *adp)
    OVS_REQUIRES(dps_mutex)
{
    if (ovs_refcount_unref(&adp->ref_cnt) == 1) {
        shash_find_and_delete(&dps, adp->dp->name);
        dp_destroy(adp->dp);
        free(adp);
    }
}

static void
dpif_accel_close(struct dpif *dpif_)
{
    struct dpif_accel *dpif = dpif_accel_cast(dpif_);

    ovs_mutex_lock(&dps_mutex);
    unref_dp(dpif->adp);
    ovs_mutex_unlock(&dps_mutex);
    free(dpif);
}

static int
dpif_accel_destroy(struct dpif *dpif_)
{
    struct dpif_accel_dp *adp = dpif_accel_cast(dpif_)->adp;

    ovs_mutex_lock(&dps_mutex);
    if (!adp->destroyed) {
        /* Drops the reference that the name holds; 'dpif' has its own. */
        adp->destroyed = true;
        unref_dp(adp);
    }
    ovs_mutex_unlock(&dps_mutex);
    return 0;
}

/* OVS asks lib/dpif-netdev.c whether a datapath encapsulates tunnels, counts
 * explicit drops and balances bonds itself (lib/dpif.c).  So do we
 * (--wrap=dpif_is_netdev). */
bool __real_dpif_is_netdev(const struct dpif *);
bool __wrap_dpif_is_netdev(const struct dpif *);

bool
__wrap_dpif_is_netdev(const struct dpif *dpif)
{
    return (dpif->dpif_class->open == dpif_accel_open
            || __real_dpif_is_netdev(dpif));
}

/* DPDK's flow API knows the tunnels that it can serve by the name of
 * dpif-netdev's datapath type (lib/netdev-dpdk.c).  Those on our bridges it
 * can serve as well (--wrap=netdev_dpdk_flow_api_supported). */
bool __real_netdev_dpdk_flow_api_supported(struct netdev *);
bool __wrap_netdev_dpdk_flow_api_supported(struct netdev *);

bool
__wrap_netdev_dpdk_flow_api_supported(struct netdev *netdev)
{
    const char *type = netdev_get_type(netdev);
    const char *dpif_type = netdev_get_dpif_type(netdev);

    return ((dpif_type && !strcmp(dpif_type, dpif_accel_class.type)
             && (!strcmp(type, "vxlan") || !strcmp(type, "gre")))
            || __real_netdev_dpdk_flow_api_supported(netdev));
}

/* Returns true if ofproto should look at its tunnels anew. */
static bool
dpif_accel_run(struct dpif *dpif)
{
    struct dpif_accel_dp *adp = dpif_accel_cast(dpif)->adp;
    uint64_t tnl_seq;
    bool changed;

    dp_run(adp->dp);
    tnl_neigh_cache_run();
    tnl_port_map_run();

    tnl_seq = seq_read(tnl_conf_seq);
    changed = tnl_seq != adp->last_tnl_seq;
    adp->last_tnl_seq = tnl_seq;
    return changed;
}

static void
dpif_accel_wait(struct dpif *dpif)
{
    struct dpif_accel_dp *adp = dpif_accel_cast(dpif)->adp;

    dp_wait(adp->dp);
    seq_wait(tnl_conf_seq, adp->last_tnl_seq);
}

static int
dpif_accel_get_stats(const struct dpif *dpif, struct dpif_dp_stats *stats)
{
    struct dp *dp = dpif_accel_dp(dpif);
    uint64_t c[PMD_N_COUNTERS];

    dp_get_counters(dp, c);
    memset(stats, 0, sizeof *stats);
    stats->n_cache_hit = c[PMD_CACHE_HIT] + c[PMD_SMC_HIT];
    stats->n_hit = (c[PMD_MARK_HIT] + stats->n_cache_hit
                    + c[PMD_MEGAFLOW_HIT]);
    stats->n_missed = c[PMD_MISS];
    stats->n_lost = c[PMD_LOST];
    stats->n_mask_hit = c[PMD_SUBTABLES];
    stats->n_flows = megaflow_table_count(dp->flows);
    stats->n_masks = megaflow_table_n_masks(dp->flows);
    return 0;
}

/* Ports */

static int
dpif_accel_port_add(struct dpif *dpif, struct netdev *netdev,
                    odp_port_t *port_no)
{
    char buf[NETDEV_VPORT_NAME_BUFSIZE];
    const char *name;

    /* Tunnels of one kind and UDP port share one datapath port. */
    name = netdev_vport_get_dpif_port(netdev, buf, sizeof buf);
    if (*port_no == ODPP_NONE && class_is_dummy(dpif->dpif_class)) {
        *port_no = dpif_accel_dummy_port_no(dpif_accel_dp(dpif), name);
    }
    return dp_port_add(dpif_accel_dp(dpif), name, netdev_get_type(netdev),
                       port_no);
}

char *
dpif_accel_dummy_renumber(const char *dp_name, const char *port_name,
                          odp_port_t new_no)
{
    const char *problem = NULL;
    struct dpif_accel_dp *adp;

    ovs_mutex_lock(&dps_mutex);
    adp = shash_find_data(&dps, dp_name);
    if (!adp || !class_is_dummy(adp->class)) {
        problem = "unknown datapath or not a dummy";
    } else if (new_no == ODPP_LOCAL || new_no == ODPP_NONE) {
        problem = "bad port number";
    } else {
        switch (dp_port_renumber(adp->dp, port_name, new_no)) {
        case ENODEV:
            problem = "unknown port";
            break;
        case EBUSY:
            problem = "port number already in use";
            break;
        }
    }
    ovs_mutex_unlock(&dps_mutex);
    return nullable_xstrdup(problem);
}

static int
dpif_accel_port_del(struct dpif *dpif, odp_port_t port_no)
{
    return (port_no == ODPP_LOCAL
            ? EINVAL
            : dp_port_del(dpif_accel_dp(dpif), port_no));
}

static void
answer_port_query(const struct port *port, struct dpif_port *dpif_port)
{
    dpif_port->name = xstrdup(netdev_get_name(port->netdev));
    dpif_port->type = xstrdup(port->type);
    dpif_port->port_no = port->port_no;
}

static int
answer_query(const struct port *port, struct dpif_port *dpif_port)
{
    if (port && dpif_port) {
        answer_port_query(port, dpif_port);
    }
    return port ? 0 : ENODEV;
}

static int
dpif_accel_port_query_by_number(const struct dpif *dpif, odp_port_t port_no,
                                struct dpif_port *dpif_port)
{
    return answer_query(port_table_find(&dpif_accel_dp(dpif)->ports, port_no),
                        dpif_port);
}

static int
dpif_accel_port_query_by_name(const struct dpif *dpif, const char *name,
                              struct dpif_port *dpif_port)
{
    return answer_query(port_table_find_by_name(&dpif_accel_dp(dpif)->ports,
                                                name), dpif_port);
}

/* A port dump is a snapshot, taken when it starts. */
struct port_dump {
    struct dpif_port *ports;
    size_t n, next;
};

static int
dpif_accel_port_dump_start(const struct dpif *dpif, void **dump_)
{
    const struct dp *dp = dpif_accel_dp(dpif);
    struct port_dump *dump = xzalloc(sizeof *dump);
    const struct port *port;
    size_t allocated = 0;

    PORT_TABLE_FOR_EACH (port, &dp->ports) {
        if (dump->n == allocated) {
            dump->ports = x2nrealloc(dump->ports, &allocated,
                                     sizeof *dump->ports);
        }
        answer_port_query(port, &dump->ports[dump->n++]);
    }
    *dump_ = dump;
    return 0;
}

static int
dpif_accel_port_dump_next(const struct dpif *dpif OVS_UNUSED, void *dump_,
                          struct dpif_port *dpif_port)
{
    struct port_dump *dump = dump_;

    if (dump->next >= dump->n) {
        return EOF;
    }
    *dpif_port = dump->ports[dump->next++];
    return 0;
}

static int
dpif_accel_port_dump_done(const struct dpif *dpif OVS_UNUSED, void *dump_)
{
    struct port_dump *dump = dump_;

    for (size_t i = 0; i < dump->n; i++) {
        dpif_port_destroy(&dump->ports[i]);
    }
    free(dump->ports);
    free(dump);
    return 0;
}

static int
dpif_accel_port_poll(const struct dpif *dpif_, char **devname OVS_UNUSED)
{
    struct dpif_accel *dpif = dpif_accel_cast(dpif_);
    uint64_t seq = seq_read(dpif->adp->dp->port_seq);

    if (seq == dpif->last_port_seq) {
        return EAGAIN;
    }
    dpif->last_port_seq = seq;
    return ENOBUFS;
}

static void
dpif_accel_port_poll_wait(const struct dpif *dpif_)
{
    const struct dpif_accel *dpif = dpif_accel_cast(dpif_);

    seq_wait(dpif->adp->dp->port_seq, dpif->last_port_seq);
}

/* The rest */

static int
dpif_accel_offload_stats_get(struct dpif *dpif,
                             struct netdev_custom_stats *stats)
{
    return offload_get_thread_stats(dpif_accel_dp(dpif)->offload, stats);
}

static int
dpif_accel_handlers_set(struct dpif *dpif, uint32_t n_handlers)
{
    upcall_set_n_threads(dpif_accel_dp(dpif)->upcall, MAX(1, n_handlers));
    return 0;
}

static int
dpif_accel_queue_to_priority(const struct dpif *dpif OVS_UNUSED,
                             uint32_t queue_id, uint32_t *priority)
{
    *priority = queue_id;
    return 0;
}

static void
dpif_accel_register_upcall_cb(struct dpif *dpif, upcall_callback *cb,
                              void *aux)
{
    upcall_register_cb(dpif_accel_dp(dpif)->upcall, cb, aux);
}

static void
dpif_accel_enable_upcall(struct dpif *dpif)
{
    upcall_enable(dpif_accel_dp(dpif)->upcall);
}

static void
dpif_accel_disable_upcall(struct dpif *dpif)
{
    upcall_disable(dpif_accel_dp(dpif)->upcall);
}

static char *
dpif_accel_get_datapath_version(void)
{
    return xstrdup("<built-in>");
}

const struct dpif_class dpif_accel_class = {
    .type = "accel",
    .cleanup_required = true,
    .enumerate = dpif_accel_enumerate,
    .port_open_type = dpif_accel_port_open_type,
    .open = dpif_accel_open,
    .close = dpif_accel_close,
    .destroy = dpif_accel_destroy,
    .run = dpif_accel_run,
    .wait = dpif_accel_wait,
    .get_stats = dpif_accel_get_stats,
    .port_add = dpif_accel_port_add,
    .port_del = dpif_accel_port_del,
    .port_set_config = dpif_accel_port_set_config,
    .port_query_by_number = dpif_accel_port_query_by_number,
    .port_query_by_name = dpif_accel_port_query_by_name,
    .port_dump_start = dpif_accel_port_dump_start,
    .port_dump_next = dpif_accel_port_dump_next,
    .port_dump_done = dpif_accel_port_dump_done,
    .port_poll = dpif_accel_port_poll,
    .port_poll_wait = dpif_accel_port_poll_wait,
    .flow_flush = dpif_accel_flow_flush,
    .flow_dump_create = dpif_accel_flow_dump_create,
    .flow_dump_destroy = dpif_accel_flow_dump_destroy,
    .flow_dump_thread_create = dpif_accel_flow_dump_thread_create,
    .flow_dump_thread_destroy = dpif_accel_flow_dump_thread_destroy,
    .flow_dump_next = dpif_accel_flow_dump_next,
    .operate = dpif_accel_operate,
    .offload_stats_get = dpif_accel_offload_stats_get,
    .handlers_set = dpif_accel_handlers_set,
    .set_config = dpif_accel_set_config,
    .queue_to_priority = dpif_accel_queue_to_priority,
    .register_upcall_cb = dpif_accel_register_upcall_cb,
    .enable_upcall = dpif_accel_enable_upcall,
    .disable_upcall = dpif_accel_disable_upcall,
    .get_datapath_version = dpif_accel_get_datapath_version,
    .ct_dump_start = dpif_accel_ct_dump_start,
    .ct_dump_next = dpif_accel_ct_dump_next,
    .ct_dump_done = dpif_accel_ct_dump_done,
    .ct_flush = dpif_accel_ct_flush,
    .ct_set_maxconns = dpif_accel_ct_set_maxconns,
    .ct_get_maxconns = dpif_accel_ct_get_maxconns,
    .ct_get_nconns = dpif_accel_ct_get_nconns,
    .ct_set_tcp_seq_chk = dpif_accel_ct_set_tcp_seq_chk,
    .ct_get_tcp_seq_chk = dpif_accel_ct_get_tcp_seq_chk,
    .ct_set_limits = dpif_accel_ct_set_limits,
    .ct_get_limits = dpif_accel_ct_get_limits,
    .ct_del_limits = dpif_accel_ct_del_limits,
    .ct_set_timeout_policy = dpif_accel_ct_set_timeout_policy,
    .ct_get_timeout_policy = dpif_accel_ct_get_timeout_policy,
    .ct_del_timeout_policy = dpif_accel_ct_del_timeout_policy,
    .ct_get_timeout_policy_name = dpif_accel_ct_get_timeout_policy_name,
    .ct_get_features = dpif_accel_ct_get_features,
    .ipf_set_enabled = dpif_accel_ipf_set_enabled,
    .ipf_set_min_frag = dpif_accel_ipf_set_min_frag,
    .ipf_set_max_nfrags = dpif_accel_ipf_set_max_nfrags,
    .ipf_get_status = dpif_accel_ipf_get_status,
    .ipf_dump_start = dpif_accel_ipf_dump_start,
    .ipf_dump_next = dpif_accel_ipf_dump_next,
    .ipf_dump_done = dpif_accel_ipf_dump_done,
    .meter_get_features = dpif_accel_meter_get_features,
    .meter_set = dpif_accel_meter_set,
    .meter_get = dpif_accel_meter_get,
    .meter_del = dpif_accel_meter_del,
    .bond_add = dpif_accel_bond_add,
    .bond_del = dpif_accel_bond_del,
    .bond_stats_get = dpif_accel_bond_stats_get,
};
