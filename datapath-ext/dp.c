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
#include "dpdk.h"
#include "odp-util.h"
#include "openvswitch/dynamic-string.h"
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
dp_create(const char *name, struct vhost_port *(*vhost)(const struct netdev *))
{
    struct dp *dp = xzalloc(sizeof *dp);

    dp->name = xstrdup(name);
    dp->vhost = vhost;
    dp->port_seq = seq_create();
    ovs_mutex_init(&dp->pmds_mutex);
    port_table_init(&dp->ports);
    dp->flows = megaflow_table_create();
    dp->upcall = upcall_create(name, dp->flows);
    upcall_set_n_threads(dp->upcall, 1);
    dp->meters = meter_table_create();
    dp->bonds = bond_table_create();
    dp->conntrack = conntrack_init();

    dp->env.dp_name = dp->name;
    dp->env.ports = &dp->ports;
    dp->env.flows = dp->flows;
    dp->env.upcall = dp->upcall;
    dp->env.meters = dp->meters;
    dp->env.bonds = dp->bonds;
    dp->env.conntrack = dp->conntrack;
    atomic_init(&dp->env.max_sleep_us, 0);
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
    port_table_destroy(&dp->ports);
    seq_destroy(dp->port_seq);
    ovs_mutex_destroy(&dp->pmds_mutex);
    free(dp->pmds);
    free(dp->places);
    free(dp->cpu_mask);
    free(dp->problem);
    free(dp->name);
    free(dp);
}

/* Polling threads */

static struct pmd *
find_pmd(const struct dp *dp, unsigned int core_id)
{
    for (size_t i = 0; i < dp->n_pmds; i++) {
        if (pmd_core_id(dp->pmds[i]) == core_id) {
            return dp->pmds[i];
        }
    }
    return NULL;
}

static unsigned int
free_slot(const struct dp *dp)
{
    for (unsigned int slot = 1; ; slot++) {
        bool used = false;

        for (size_t i = 0; i < dp->n_pmds; i++) {
            used |= pmd_slot(dp->pmds[i]) == slot;
        }
        if (!used) {
            return slot;
        }
    }
}

static struct pmd *
get_pmd(struct dp *dp, unsigned int core_id, int numa_id)
{
    struct pmd *pmd = find_pmd(dp, core_id);

    if (!pmd && dp->n_pmds < PORT_MAX_SLOTS - 1) {
        unsigned int slot = free_slot(dp);

        megaflow_table_set_slots(dp->flows, MAX(slot, dp->n_pmds + 1));
        pmd = pmd_start(&dp->env, core_id, numa_id, slot);
        ovs_mutex_lock(&dp->pmds_mutex);
        dp->pmds = xrealloc(dp->pmds, (dp->n_pmds + 1) * sizeof *dp->pmds);
        dp->pmds[dp->n_pmds++] = pmd;
        ovs_mutex_unlock(&dp->pmds_mutex);
    }
    return pmd;
}

/* Returns the number of 'places' on the core of 'pmd', and if nonnull stores
 * them in 'rxqs'. */
static size_t
rxqs_of(const struct pmd *pmd, const struct pmd_rxq_place *places,
        size_t n_places, struct pmd_rxq *rxqs)
{
    size_t n = 0;

    for (size_t i = 0; i < n_places; i++) {
        if (places[i].core_id == pmd_core_id(pmd)) {
            if (rxqs) {
                rxqs[n].port = places[i].port;
                rxqs[n].qid = places[i].qid;
            }
            n++;
        }
    }
    return n;
}

static void
set_poll_lists(struct dp *dp, const struct pmd_rxq_place *places,
               size_t n_places)
{
    struct pmd_rxq *rxqs = xcalloc(n_places, sizeof *rxqs);

    for (size_t i = 0; i < dp->n_pmds; i++) {
        pmd_set_poll_list(dp->pmds[i], rxqs,
                          rxqs_of(dp->pmds[i], places, n_places, rxqs));
    }
    free(rxqs);
}

/* Returns true if in 'places' some queue of 'port' is with another thread than
 * it is now. */
static bool
port_moves(const struct dp *dp, const struct port *port,
           const struct pmd_rxq_place *places, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct pmd_rxq_place *p = &places[i];

        for (size_t j = 0; p->port == port && j < dp->n_places; j++) {
            const struct pmd_rxq_place *old = &dp->places[j];

            if (old->port == port && old->qid == p->qid
                && old->core_id != p->core_id) {
                return true;
            }
        }
    }
    return false;
}

/* Waits until all that was received from 'port', which nobody polls any more,
 * has been sent on: so no packet overtakes another on the way when another
 * thread polls the port next. */
static void
await_answers(const struct port *port)
{
    while (port_is_awaited(port)) {
        ovsrcu_synchronize();
    }
    /* What came back last is sent before the thread quiesces. */
    ovsrcu_synchronize();
}

/* Stops polling the ports of which 'places' moves a queue to another thread.
 * All other ports are polled on. */
static void
stop_moving_ports(struct dp *dp, const struct pmd_rxq_place *places, size_t n)
{
    struct pmd_rxq_place *staying = xcalloc(n, sizeof *staying);
    size_t n_staying = 0;

    for (size_t i = 0; i < n; i++) {
        if (!port_moves(dp, places[i].port, places, n)) {
            staying[n_staying++] = places[i];
        }
    }
    if (n_staying < n) {
        set_poll_lists(dp, staying, n_staying);
        ovsrcu_synchronize();
        for (size_t i = 0; i < n; i++) {
            if (port_moves(dp, places[i].port, places, n)) {
                await_answers(places[i].port);
            }
        }
    }
    free(staying);
}

static struct ovs_numa_dump *
usable_cores(struct dp *dp)
{
    struct ovs_numa_dump *cores;
    char *problem = NULL;

    if (dp->cpu_mask) {
        cores = ovs_numa_dump_cores_with_cmask(dp->cpu_mask);
        if (cores && ovs_numa_dump_count(cores)) {
            free(dp->problem);
            dp->problem = NULL;
            return cores;
        }
        ovs_numa_dump_destroy(cores);
        problem = xasprintf("pmd-cpu-mask \"%s\" selects no core of this "
                            "machine: set it to cores that exist; until then "
                            "one core of each NUMA node polls",
                            dp->cpu_mask);
    }
    if (problem && (!dp->problem || strcmp(problem, dp->problem))) {
        VLOG_ERR("%s: %s", dp->name, problem);
    }
    free(dp->problem);
    dp->problem = problem;
    return ovs_numa_dump_n_cores_per_numa(1);
}

static void
stop_idle_threads(struct dp *dp, const struct pmd_rxq_place *places, size_t n)
{
    struct pmd **idle = xcalloc(dp->n_pmds, sizeof *idle);
    size_t n_idle = 0, n_kept = 0;

    ovs_mutex_lock(&dp->pmds_mutex);
    for (size_t i = 0; i < dp->n_pmds; i++) {
        struct pmd *pmd = dp->pmds[i];

        if (rxqs_of(pmd, places, n, NULL)) {
            dp->pmds[n_kept++] = pmd;
        } else {
            idle[n_idle++] = pmd;
        }
    }
    dp->n_pmds = n_kept;
    ovs_mutex_unlock(&dp->pmds_mutex);

    for (size_t i = 0; i < n_idle; i++) {
        pmd_stop(idle[i]);
    }
    free(idle);
}

/* Places all queues on threads, starts those that are needed and stops those
 * that are not. */
static void
place_queues(struct dp *dp)
{
    struct ovs_numa_dump *cores = usable_cores(dp);
    struct pmd_rxq_place *places;
    size_t n;

    places = placement_make(&dp->ports, cores, &n);
    ovs_numa_dump_destroy(cores);
    for (size_t i = 0; i < n; i++) {
        if (places[i].core_id != NON_PMD_CORE_ID) {
            get_pmd(dp, places[i].core_id, places[i].numa_id);
        }
    }
    stop_moving_ports(dp, places, n);
    set_poll_lists(dp, places, n);
    stop_idle_threads(dp, places, n);
    free(dp->places);
    dp->places = places;
    dp->n_places = n;
}

/* Ports */

static void
forget_places(struct dp *dp, const struct port *port)
{
    size_t n = 0;

    for (size_t i = 0; i < dp->n_places; i++) {
        if (dp->places[i].port != port) {
            dp->places[n++] = dp->places[i];
        }
    }
    dp->n_places = n;
}

/* Takes 'port' away from all threads.  Afterwards the caller alone uses it,
 * and calls place_queues() when it is done. */
static void
withdraw_port(struct dp *dp, struct port *port)
{
    port_table_remove(&dp->ports, port);
    forget_places(dp, port);
    set_poll_lists(dp, dp->places, dp->n_places);
    ovsrcu_synchronize();
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
        await_answers(port);
        if (port_configure(port, wanted_txqs(), dp->vhost)) {
            seq_change(dp->port_seq);
            port_close(port);
        } else {
            port_table_insert(&dp->ports, port);
        }
    }
    place_queues(dp);
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
    place_queues(dp);
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
    port_close(port);
    place_queues(dp);
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
    await_answers(port);
    port->port_no = port_no;
    port_table_insert(&dp->ports, port);
    place_queues(dp);
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
        place_queues(dp);
    }
    return 0;
}

/* The rest */

void
dp_set_config(struct dp *dp, const char *cpu_mask, uint32_t max_sleep_us)
{
    atomic_store_relaxed(&dp->env.max_sleep_us, max_sleep_us);
    if (!nullable_string_is_equal(cpu_mask, dp->cpu_mask)) {
        free(dp->cpu_mask);
        dp->cpu_mask = nullable_xstrdup(cpu_mask);
        place_queues(dp);
    }
}

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
    megaflow_table_run(dp->flows);
}

void
dp_wait(struct dp *dp)
{
    const struct port *port;

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

void
dp_format_placement(const struct dp *dp, struct ds *ds)
{
    if (dp->problem) {
        ds_put_format(ds, "problem: %s\n", dp->problem);
    }
    for (size_t i = 0; i < dp->n_pmds; i++) {
        const struct pmd *pmd = dp->pmds[i];

        ds_put_format(ds, "pmd thread numa_id %d core_id %u:\n",
                      pmd_numa_id(pmd), pmd_core_id(pmd));
        for (size_t j = 0; j < dp->n_places; j++) {
            const struct pmd_rxq_place *p = &dp->places[j];

            if (p->core_id == pmd_core_id(pmd)) {
                ds_put_format(ds, "  port: %-16s  queue-id: %2u%s\n",
                              netdev_get_name(p->port->netdev), p->qid,
                              p->pinned ? "  (pinned)" : "");
            }
        }
    }
    for (size_t j = 0; j < dp->n_places; j++) {
        const struct pmd_rxq_place *p = &dp->places[j];

        if (p->core_id == NON_PMD_CORE_ID) {
            ds_put_format(ds, "not polled:\n  port: %-16s  queue-id: %2u\n",
                          netdev_get_name(p->port->netdev), p->qid);
        }
    }
}
