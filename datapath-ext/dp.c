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

#include "dp.h"

#include <errno.h>

#include "conntrack.h"
#include "dp-private.h"
#include "netdev-offload.h"
#include "odp-util.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "ovs-rcu.h"
#include "pmd/placement.h"
#include "seq.h"

VLOG_DEFINE_THIS_MODULE(accel_dp);

static bool
any_port(const struct port *port OVS_UNUSED)
{
    return true;
}

static bool
wants_reconfiguration(const struct port *port)
{
    return netdev_is_reconf_required(port->netdev);
}

/* Returns a port for which 'test' says true.  A loop that removes ports calls
 * this each time anew: it waits for grace periods, over which no iteration
 * through the table can last. */
static struct port *
find_port(const struct dp *dp, bool (*test)(const struct port *))
{
    struct port *port;

    PORT_TABLE_FOR_EACH (port, &dp->ports) {
        if (test(port)) {
            return port;
        }
    }
    return NULL;
}

/* Transmit queues that are asked of each device: one for each thread that can
 * exist, so that the number need not follow the threads. */
static unsigned int
wanted_txqs(void)
{
    return MIN(PORT_MAX_SLOTS - 1, ovs_numa_get_n_cores()) + 1;
}

struct dp *
dp_create(const char *name, const char *dpif_type,
          struct vhost_port *(*vhost)(const struct netdev *))
{
    struct dp *dp = xzalloc(sizeof *dp);

    dp->name = xstrdup(name);
    dp->vhost = vhost;
    dp->port_seq = seq_create();
    ovs_mutex_init(&dp->pmds_mutex);
    port_table_init(&dp->ports);
    dp->flows = megaflow_table_create();
    dp->offload = offload_create(dpif_type, dp->flows, &dp->ports);
    dp->upcall = upcall_create(name, dp->flows);
    upcall_set_n_threads(dp->upcall, 1);
    dp->meters = meter_table_create();
    dp->bonds = bond_table_create();
    dp->conntrack = conntrack_init();

    dp->rules.isolate = true;

    dp->env.dp_name = dp->name;
    dp->env.ports = &dp->ports;
    dp->env.flows = dp->flows;
    dp->env.offload = dp->offload;
    dp->env.upcall = dp->upcall;
    dp->env.meters = dp->meters;
    dp->env.bonds = dp->bonds;
    dp->env.conntrack = dp->conntrack;
    atomic_init(&dp->env.max_sleep_us, 0);
    atomic_init(&dp->env.busy_poll, false);
    atomic_init(&dp->env.perf_metrics, false);
    dp->env.cache_entries = FLOW_CACHE_DEFAULT;
    dp->shared = pmd_create_shared(&dp->env);
    return dp;
}

void
dp_destroy(struct dp *dp)
{
    struct port *port;

    while ((port = find_port(dp, any_port))) {
        dp_port_del(dp, port->port_no);
    }
    ovs_assert(!dp->n_pmds);
    pmd_destroy_shared(dp->shared);
    upcall_destroy(dp->upcall);
    conntrack_destroy(dp->conntrack);
    bond_table_destroy(dp->bonds);
    meter_table_destroy(dp->meters);
    megaflow_table_destroy(dp->flows);
    offload_destroy(dp->offload);
    port_table_destroy(&dp->ports);
    seq_destroy(dp->port_seq);
    ovs_mutex_destroy(&dp->pmds_mutex);
    free(dp->pmds);
    placement_destroy(&dp->placement);
    free(dp->cpu_mask);
    free(dp->problem);
    free(dp->name);
    free(dp);
}

/* Ports */

/* Takes 'port' away from all threads.  Afterwards the caller alone uses it,
 * and calls dp_place_queues() when it is done. */
static void
withdraw_port(struct dp *dp, struct port *port)
{
    port_table_remove(&dp->ports, port);
    dp_stop_polling(dp, port);
    offload_port_withdraw(dp->offload, port);
}

/* Two ways to end what withdraw_port() began. */

static void
return_port(struct dp *dp, struct port *port)
{
    port_table_insert(&dp->ports, port);
    offload_port_return(dp->offload, port);
}

static void
close_withdrawn_port(struct port *port)
{
    netdev_uninit_flow_api(port->netdev);
    port_close(port);
}

/* Applies what netdevs ask for, such as another number of queues.  What they
 * ask for meanwhile may have to wait: guests do not keep us here. */
static void
reconfigure(struct dp *dp)
{
    size_t n = cmap_count(&dp->ports.ports);
    struct port *port;

    while (n-- && (port = find_port(dp, wants_reconfiguration))) {
        withdraw_port(dp, port);
        dp_await_answers(port);
        if (port_configure(port, wanted_txqs(), dp->vhost)) {
            seq_change(dp->port_seq);
            close_withdrawn_port(port);
        } else {
            return_port(dp, port);
        }
    }
    dp_place_queues(dp);
}

static odp_port_t
choose_port_no(const struct dp *dp)
{
    for (uint32_t no = 1; no <= UINT16_MAX; no++) {
        if (!port_table_find(&dp->ports, u32_to_odp(no))) {
            return u32_to_odp(no);
        }
    }
    return ODPP_NONE;
}

int
dp_port_add(struct dp *dp, const char *name, const char *type,
            odp_port_t *port_no)
{
    struct port *port;
    int error;

    if (port_table_find_by_name(&dp->ports, name)) {
        return EEXIST;
    }
    if (*port_no == ODPP_NONE) {
        *port_no = choose_port_no(dp);
        if (*port_no == ODPP_NONE) {
            return EFBIG;
        }
    } else if (port_table_find(&dp->ports, *port_no)) {
        return EBUSY;
    }

    error = port_open(name, type, *port_no, &port);
    if (error) {
        return error;
    }
    error = port_configure(port, wanted_txqs(), dp->vhost);
    if (!error) {
        error = netdev_turn_flags_on(port->netdev, NETDEV_PROMISC,
                                     &port->saved_flags);
    }
    if (error) {
        port_close(port);
        return error;
    }
    port_table_insert(&dp->ports, port);
    dp_place_queues(dp);
    seq_change(dp->port_seq);
    return 0;
}

int
dp_port_del(struct dp *dp, odp_port_t port_no)
{
    struct port *port = port_table_find(&dp->ports, port_no);

    if (!port) {
        return ENODEV;
    }
    withdraw_port(dp, port);
    close_withdrawn_port(port);
    dp_place_queues(dp);
    seq_change(dp->port_seq);
    return 0;
}

int
dp_port_renumber(struct dp *dp, const char *name, odp_port_t port_no)
{
    struct port *port = port_table_find_by_name(&dp->ports, name);

    if (!port) {
        return ENODEV;
    } else if (port_table_find(&dp->ports, port_no)) {
        return EBUSY;
    }
    withdraw_port(dp, port);
    dp_await_answers(port);
    port->port_no = port_no;
    return_port(dp, port);
    dp_place_queues(dp);
    seq_change(dp->port_seq);
    return 0;
}

int
dp_port_set_affinity(struct dp *dp, odp_port_t port_no, const char *affinity)
{
    struct port *port = port_table_find(&dp->ports, port_no);

    if (!port) {
        return ENODEV;
    }
    if (affinity && !placement_affinity_is_valid(affinity)) {
        VLOG_ERR("%s: pmd-rxq-affinity \"%s\" is not a list of QUEUE:CORE "
                 "pairs: correct it", netdev_get_name(port->netdev), affinity);
        return EINVAL;
    }
    if (!nullable_string_is_equal(affinity, port->rxq_affinity)) {
        free(port->rxq_affinity);
        port->rxq_affinity = nullable_xstrdup(affinity);
        dp_request_placement(dp);
    }
    return 0;
}

int
dp_port_set_steering(struct dp *dp, odp_port_t port_no, bool by_hash)
{
    struct port *port = port_table_find(&dp->ports, port_no);

    if (!port) {
        return ENODEV;
    }
    if (by_hash != port->hashes_txqs) {
        /* What was sent to the old queues has left before the first packet
         * goes to the new ones, so that flows keep their order. */
        withdraw_port(dp, port);
        dp_await_answers(port);
        port->hashes_txqs = by_hash;
        return_port(dp, port);
        dp_place_queues(dp);
        VLOG_INFO("%s: Tx packet steering mode has been set to '%s'.",
                  netdev_get_name(port->netdev), by_hash ? "hash" : "thread");
    }
    return 0;
}

/* The rest */

void
dp_run(struct dp *dp)
{
    struct port *port;

    PORT_TABLE_FOR_EACH (port, &dp->ports) {
        if (!port->is_pmd) {
            pmd_poll_shared(dp->shared, port);
        }
    }
    if (find_port(dp, wants_reconfiguration)) {
        reconfigure(dp);
    }
    dp_balance_run(dp);
    if (dp->wants_placement) {
        dp_place_queues(dp);
    }
    megaflow_table_run(dp->flows);
}

void
dp_wait(struct dp *dp)
{
    const struct port *port;

    dp_balance_wait(dp);
    if (dp->wants_placement) {
        poll_immediate_wake();
    }
    PORT_TABLE_FOR_EACH (port, &dp->ports) {
        netdev_wait_reconf_required(port->netdev);
        for (unsigned int i = 0; !port->is_pmd && i < port->n_rxq; i++) {
            netdev_rxq_wait(port->rxqs[i]);
        }
    }
}

void
dp_get_counters(struct dp *dp, uint64_t totals[PMD_N_COUNTERS])
{
    pmd_get_counters(dp->shared, totals);
    ovs_mutex_lock(&dp->pmds_mutex);
    for (size_t i = 0; i < dp->n_pmds; i++) {
        uint64_t counters[PMD_N_COUNTERS];

        pmd_get_counters(dp->pmds[i], counters);
        for (int j = 0; j < PMD_N_COUNTERS; j++) {
            totals[j] += counters[j];
        }
    }
    ovs_mutex_unlock(&dp->pmds_mutex);
}
