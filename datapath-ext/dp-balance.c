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

/* "pmd-auto-lb": places the queues anew when a thread is overloaded and a dry
 * run says that it helps.  The rules, and what is logged, are those of
 * lib/dpif-netdev.c (pmd_rebalance_dry_run() and its callers). */

#include "dp-private.h"

#include "dpdk.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "timeval.h"

VLOG_DEFINE_THIS_MODULE(accel_balance);

#define MS_PER_MINUTE 60000

void
dp_balance_set(struct dp *dp, const struct dp_balance_config *new)
{
    struct dp_balance_config *old = &dp->balance.config;
    uint64_t minutes = new->interval_ms / MS_PER_MINUTE;
    bool tell = new->enabled != old->enabled;

    if (new->interval_ms != old->interval_ms) {
        VLOG_INFO("PMD auto load balance interval set to %"PRIu64" mins",
                  minutes);
        tell = true;
    }
    if (new->improvement_percent != old->improvement_percent) {
        VLOG_INFO("PMD auto load balance improvement threshold set to %u%%",
                  new->improvement_percent);
        tell = true;
    }
    if (new->load_percent != old->load_percent) {
        VLOG_INFO("PMD auto load balance load threshold set to %u%%",
                  new->load_percent);
        tell = true;
    }
    *old = *new;
    if (tell && new->enabled) {
        VLOG_INFO("PMD auto load balance is enabled, interval %"PRIu64" mins, "
                  "pmd load threshold %u%%, improvement threshold %u%%.",
                  minutes, new->load_percent, new->improvement_percent);
    } else if (tell) {
        dp->balance.last = 0;
        VLOG_INFO("PMD auto load balance is disabled.");
    }
}

static bool
is_isolated(const struct dp *dp, const struct pmd *pmd)
{
    const struct pmd_core *core = placement_find_core(&dp->placement,
                                                      pmd_core_id(pmd));

    return core && core->isolated;
}

static bool
some_thread_is_overloaded(const struct dp *dp)
{
    for (size_t i = 0; i < dp->n_pmds; i++) {
        if (!is_isolated(dp, dp->pmds[i])
            && pmd_is_overloaded(dp->pmds[i],
                                 dp->balance.config.load_percent)) {
            return true;
        }
    }
    return false;
}

static bool
some_port_changes(const struct dp *dp)
{
    const struct port *port;

    PORT_TABLE_FOR_EACH (port, &dp->ports) {
        if (netdev_is_reconf_required(port->netdev)) {
            return true;
        }
    }
    return false;
}

/* Returns true if there are two cores that are not isolated, and more than one
 * queue on one of them. */
static bool
has_choice(const struct dp *dp)
{
    bool several_rxqs = false;
    size_t n_cores = 0;

    for (size_t i = 0; i < dp->placement.n_cores; i++) {
        const struct pmd_core *core = &dp->placement.cores[i];

        if (!core->isolated) {
            n_cores++;
            several_rxqs |= core->n_rxqs > 1;
        }
    }
    return n_cores > 1 && several_rxqs;
}

static bool
needs_dry_run(struct dp *dp)
{
    struct dp_balance *balance = &dp->balance;

    if (!balance->changed) {
        if (!balance->possible) {
            VLOG_DBG("PMD auto load balance nothing to do, no configuration "
                     "changes since last check.");
        }
        return balance->possible;
    }
    balance->changed = false;
    if (dp->rules.algo == PLACE_ROUNDROBIN) {
        VLOG_DBG("PMD auto load balance nothing to do, "
                 "pmd-rxq-assign=roundrobin assignment type configured.");
        balance->possible = false;
    } else {
        balance->possible = has_choice(dp);
        if (!balance->possible) {
            VLOG_DBG("PMD auto load balance nothing to do, not enough "
                     "non-isolated PMDs or RxQs.");
        }
    }
    return balance->possible;
}

/* Tells 'p' what its cores can do in the time in which the load of queues is
 * measured. */
static void
set_capacities(const struct dp *dp, struct placement *p)
{
    for (size_t i = 0; i < dp->n_pmds; i++) {
        struct pmd_core *core = placement_find_core(p,
                                                    pmd_core_id(dp->pmds[i]));
        struct pmd_load load;

        pmd_get_load(dp->pmds[i], PORT_LOAD_INTERVALS, &load);
        if (core && load.n_intervals) {
            core->capacity = (load.total / load.n_intervals
                              * PORT_LOAD_INTERVALS);
        }
    }
}

/* Returns true if on NUMA node 'numa_id' the variance of the load is as much
 * better in 'estimate' as it has to be. */
static bool
node_improves(const struct dp *dp, const struct placement *estimate,
              int numa_id)
{
    uint64_t now = placement_variance(&dp->placement, numa_id);
    uint64_t then = placement_variance(estimate, numa_id);
    uint64_t improvement = then < now ? (now - then) * 100 / now : 0;

    VLOG_DBG("Numa node %d. Current variance %"PRIu64" Estimated variance "
             "%"PRIu64". Variance improvement %"PRIu64"%%.", numa_id, now,
             then, improvement);
    return improvement >= dp->balance.config.improvement_percent;
}

static bool
improves(const struct dp *dp, const struct placement *estimate)
{
    bool met = false;

    if (placement_crosses_numa(estimate) && placement_has_nodes(estimate)) {
        VLOG_DBG("PMD auto load balance detected cross-numa polling with "
                 "multiple numa nodes. Unable to accurately estimate.");
        return false;
    }
    for (size_t i = 0; i < estimate->n_cores; i++) {
        int numa_id = estimate->cores[i].numa_id;
        size_t j = 0;

        while (estimate->cores[j].numa_id != numa_id) {
            j++;
        }
        if (i == j) {
            met |= node_improves(dp, estimate, numa_id);
        }
    }
    VLOG_DBG("PMD load variance improvement threshold %u%% is %s.",
             dp->balance.config.improvement_percent, met ? "met" : "not met");
    return met;
}

static bool
dry_run(struct dp *dp)
{
    struct ovs_numa_dump *cores = dp_usable_cores(dp);
    struct placement estimate;
    bool met;

    VLOG_DBG("PMD auto load balance performing dry run.");
    placement_make(&estimate, &dp->ports, cores, PORT_MAX_SLOTS - 1,
                   &dp->rules, VLL_DBG);
    placement_measure(&dp->placement);
    set_capacities(dp, &estimate);
    set_capacities(dp, &dp->placement);
    met = improves(dp, &estimate);
    placement_destroy(&estimate);
    ovs_numa_dump_destroy(cores);
    return met;
}

void
dp_balance_run(struct dp *dp)
{
    struct dp_balance *balance = &dp->balance;
    long long int now = time_msec();

    if (!balance->config.enabled) {
        return;
    } else if (!balance->last) {
        balance->last = now;
    } else if (now > balance->last + (long long) balance->config.interval_ms) {
        balance->last = now;
        if (some_thread_is_overloaded(dp)
            && !dp->wants_placement && !some_port_changes(dp)
            && needs_dry_run(dp) && dry_run(dp)) {
            VLOG_INFO("PMD auto load balance dry run. Requesting datapath "
                      "reconfigure.");
            dp_request_placement(dp);
        }
    }
}

void
dp_balance_wait(const struct dp *dp)
{
    const struct dp_balance *balance = &dp->balance;

    if (balance->config.enabled && balance->last) {
        poll_timer_wait_until(balance->last + balance->config.interval_ms + 1);
    }
}
