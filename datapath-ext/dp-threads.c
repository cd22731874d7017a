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

/* The polling threads of a datapath, and which queues each polls. */

#include "dp-private.h"

#include "dpdk.h"
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "ovs-rcu.h"

VLOG_DEFINE_THIS_MODULE(accel_threads);

bool
dp_has_polled_port(const struct dp *dp)
{
    const struct port *port;

    PORT_TABLE_FOR_EACH (port, &dp->ports) {
        if (port->is_pmd) {
            return true;
        }
    }
    return false;
}

/* Threads */

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

static void
start_thread(struct dp *dp, const struct pmd_core *core)
{
    unsigned int slot = free_slot(dp);
    struct pmd *pmd;
    size_t i;

    megaflow_table_set_slots(dp->flows, MAX(slot, dp->n_pmds + 1));
    pmd = pmd_start(&dp->env, core->core_id, core->numa_id, slot);
    ovs_mutex_lock(&dp->pmds_mutex);
    dp->pmds = xrealloc(dp->pmds, (dp->n_pmds + 1) * sizeof *dp->pmds);
    for (i = dp->n_pmds++; i > 0; i--) {
        if (pmd_core_id(dp->pmds[i - 1]) < core->core_id) {
            break;
        }
        dp->pmds[i] = dp->pmds[i - 1];
    }
    dp->pmds[i] = pmd;
    ovs_mutex_unlock(&dp->pmds_mutex);
}

/* Stops the threads on cores that 'p' does not have.  They poll nothing any
 * more.  Returns true if there were any. */
static bool
stop_threads(struct dp *dp, const struct placement *p)
{
    struct pmd **unwanted = xcalloc(dp->n_pmds, sizeof *unwanted);
    size_t n_unwanted = 0, n_kept = 0;

    ovs_mutex_lock(&dp->pmds_mutex);
    for (size_t i = 0; i < dp->n_pmds; i++) {
        struct pmd *pmd = dp->pmds[i];
        const struct pmd_core *core = placement_find_core(p, pmd_core_id(pmd));

        if (core && core->numa_id == pmd_numa_id(pmd)) {
            dp->pmds[n_kept++] = pmd;
        } else {
            unwanted[n_unwanted++] = pmd;
        }
    }
    dp->n_pmds = n_kept;
    ovs_mutex_unlock(&dp->pmds_mutex);

    for (size_t i = 0; i < n_unwanted; i++) {
        pmd_stop(unwanted[i]);
    }
    free(unwanted);
    return n_unwanted > 0;
}

/* Starts the threads that are missing for 'p'.  Returns true if there were
 * any. */
static bool
start_threads(struct dp *dp, const struct placement *p)
{
    bool started = false;

    for (size_t i = 0; i < p->n_cores; i++) {
        if (!find_pmd(dp, p->cores[i].core_id)) {
            start_thread(dp, &p->cores[i]);
            started = true;
        }
    }
    return started;
}

static void
log_threads(const struct placement *p)
{
    for (size_t i = 0; i < p->n_cores; i++) {
        int numa_id = p->cores[i].numa_id;
        size_t n = 0, first = SIZE_MAX;

        for (size_t j = 0; j < p->n_cores; j++) {
            if (p->cores[j].numa_id == numa_id) {
                first = MIN(first, j);
                n++;
            }
        }
        if (first == i) {
            VLOG_INFO("There are %"PRIuSIZE" pmd threads on numa node %d", n,
                      numa_id);
        }
    }
}

/* Poll lists */

/* Gives each thread those of the 'n' queues at 'places' that are on its
 * core. */
static void
set_poll_lists(struct dp *dp, const struct pmd_rxq_place *places, size_t n)
{
    struct pmd_rxq *rxqs = xcalloc(n, sizeof *rxqs);

    for (size_t i = 0; i < dp->n_pmds; i++) {
        size_t n_rxqs = 0;

        for (size_t j = 0; j < n; j++) {
            if (places[j].core_id == pmd_core_id(dp->pmds[i])) {
                rxqs[n_rxqs].port = places[j].port;
                rxqs[n_rxqs++].qid = places[j].qid;
            }
        }
        pmd_set_poll_list(dp->pmds[i], rxqs, n_rxqs);
    }
    free(rxqs);
}

/* Returns true if in 'p' some queue of 'port' is with another thread than it
 * is now. */
static bool
port_moves(const struct dp *dp, const struct port *port,
           const struct placement *p)
{
    const struct placement *now = &dp->placement;

    for (size_t i = 0; i < p->n_rxqs; i++) {
        const struct pmd_rxq_place *rxq = &p->rxqs[i];

        for (size_t j = 0; rxq->port == port && j < now->n_rxqs; j++) {
            const struct pmd_rxq_place *old = &now->rxqs[j];

            if (old->port == port && old->qid == rxq->qid
                && old->core_id != rxq->core_id) {
                return true;
            }
        }
    }
    return false;
}

void
dp_await_answers(const struct port *port)
{
    while (port_is_awaited(port)) {
        ovsrcu_synchronize();
    }
    /* What came back last is sent before the thread quiesces. */
    ovsrcu_synchronize();
}

/* Stops polling the ports of which 'p' moves a queue to another thread.  All
 * other ports are polled on. */
static void
stop_moving_ports(struct dp *dp, const struct placement *p)
{
    struct pmd_rxq_place *staying = xcalloc(p->n_rxqs, sizeof *staying);
    size_t n_staying = 0;

    for (size_t i = 0; i < p->n_rxqs; i++) {
        if (!port_moves(dp, p->rxqs[i].port, p)) {
            staying[n_staying++] = p->rxqs[i];
        }
    }
    if (n_staying < p->n_rxqs) {
        set_poll_lists(dp, staying, n_staying);
        ovsrcu_synchronize();
        for (size_t i = 0; i < p->n_rxqs; i++) {
            if (port_moves(dp, p->rxqs[i].port, p)) {
                dp_await_answers(p->rxqs[i].port);
            }
        }
    }
    free(staying);
}

void
dp_stop_polling(struct dp *dp, const struct port *port)
{
    placement_forget(&dp->placement, port);
    set_poll_lists(dp, dp->placement.rxqs, dp->placement.n_rxqs);
    ovsrcu_synchronize();
}

/* Placing */

static void
set_problem(struct dp *dp, char *problem)
{
    if (problem && (!dp->problem || strcmp(problem, dp->problem))) {
        VLOG_ERR("%s: %s", dp->name, problem);
    }
    free(dp->problem);
    dp->problem = problem;
}

struct ovs_numa_dump *
dp_usable_cores(struct dp *dp)
{
    char *problem = NULL;

    if (!dp_has_polled_port(dp)) {
        return ovs_numa_dump_n_cores_per_numa(0);
    }
    if (dp->cpu_mask && dp->cpu_mask[0]) {
        struct ovs_numa_dump *cores;

        cores = ovs_numa_dump_cores_with_cmask(dp->cpu_mask);
        if (cores && ovs_numa_dump_count(cores)) {
            set_problem(dp, NULL);
            return cores;
        }
        ovs_numa_dump_destroy(cores);
        problem = xasprintf("pmd-cpu-mask \"%s\" selects no core of this "
                            "machine: set it to cores that exist; until then "
                            "one core of each NUMA node polls",
                            dp->cpu_mask);
    }
    set_problem(dp, problem);
    return ovs_numa_dump_n_cores_per_numa(1);
}

void
dp_place_queues(struct dp *dp)
{
    struct ovs_numa_dump *cores = dp_usable_cores(dp);
    struct placement p;
    bool changed;

    dp->wants_placement = false;
    placement_make(&p, &dp->ports, cores, PORT_MAX_SLOTS - 1, &dp->rules,
                   VLL_INFO);
    ovs_numa_dump_destroy(cores);

    stop_moving_ports(dp, &p);
    changed = stop_threads(dp, &p);
    changed |= start_threads(dp, &p);
    if (changed) {
        log_threads(&p);
    }
    set_poll_lists(dp, p.rxqs, p.n_rxqs);
    placement_destroy(&dp->placement);
    dp->placement = p;
    dp->balance.changed = true;
}

void
dp_request_placement(struct dp *dp)
{
    dp->wants_placement = true;
}

/* Configuration */

static void
set_rules(struct dp *dp, const struct placement_rules *rules)
{
    if (rules->algo != dp->rules.algo) {
        VLOG_INFO("Rxq to PMD assignment mode changed to: '%s'.",
                  placement_algo_name(rules->algo));
        dp_request_placement(dp);
    }
    if (rules->isolate != dp->rules.isolate) {
        VLOG_INFO("pmd-rxq-affinity %s PMD core",
                  rules->isolate ? "isolates" : "does not isolate");
        dp_request_placement(dp);
    }
    dp->rules = *rules;
}

static void
set_max_sleep(struct dp *dp, uint32_t max_sleep_us)
{
    static bool told;
    uint32_t old;

    atomic_read_relaxed(&dp->env.max_sleep_us, &old);
    if (max_sleep_us != old || !told) {
        told = true;
        atomic_store_relaxed(&dp->env.max_sleep_us, max_sleep_us);
        VLOG_INFO("PMD max sleep request is %"PRIu32" usecs.", max_sleep_us);
        VLOG_INFO("PMD load based sleeps are %s.",
                  max_sleep_us ? "enabled" : "disabled");
    }
}

static void
set_busy_poll(struct dp *dp, bool busy_poll)
{
    bool old;

    atomic_read_relaxed(&dp->env.busy_poll, &old);
    if (busy_poll != old) {
        atomic_store_relaxed(&dp->env.busy_poll, busy_poll);
        for (size_t i = 0; i < dp->n_pmds; i++) {
            pmd_wake(dp->pmds[i]);
        }
        VLOG_INFO("PMD threads %s.", busy_poll
                  ? "poll silent guests, too"
                  : "wait for silent guests to notify them");
    }
}

static void
set_perf_metrics(struct dp *dp, bool perf_metrics)
{
    bool old;

    atomic_read_relaxed(&dp->env.perf_metrics, &old);
    if (perf_metrics != old) {
        pmd_learn_tsc_frequency();
        atomic_store_relaxed(&dp->env.perf_metrics, perf_metrics);
        VLOG_INFO("PMD performance metrics collection %s",
                  perf_metrics ? "enabled" : "disabled");
    }
}

static void
set_cache_entries(struct dp *dp, unsigned int n_entries)
{
    if (n_entries != dp->env.cache_entries) {
        dp->env.cache_entries = n_entries;
        for (size_t i = 0; i < dp->n_pmds; i++) {
            pmd_renew_cache(dp->pmds[i]);
        }
        VLOG_INFO("The flow cache of each PMD thread has %u entries.",
                  ROUND_UP_POW2(n_entries));
    }
}

void
dp_set_config(struct dp *dp, const struct dp_config *config)
{
    if (!nullable_string_is_equal(config->cpu_mask, dp->cpu_mask)) {
        free(dp->cpu_mask);
        dp->cpu_mask = nullable_xstrdup(config->cpu_mask);
        dp_request_placement(dp);
    }
    set_rules(dp, &config->rules);
    dp_balance_set(dp, &config->balance);
    set_max_sleep(dp, config->max_sleep_us);
    set_busy_poll(dp, config->busy_poll);
    set_perf_metrics(dp, config->perf_metrics);
    set_cache_entries(dp, config->cache_entries);
}
