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

#include "pmd/pmd.h"

#include <rte_cycles.h>
#include <rte_pause.h>

#include "coverage.h"
#include "dpdk.h"
#include "dpif-netdev-perf.h"
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "ovs-rcu.h"
#include "pmd/pmd-private.h"
#include "timeval.h"

VLOG_DEFINE_THIS_MODULE(accel_pmd);

/* Rounds of polling and packets, added up, between two looks at what happens
 * rarely.  Others wait for us to quiesce, so this must not take long even
 * where each packet is a system call. */
#define WORK_PER_QUIESCE 1024

/* A thread with little to do sleeps a microsecond longer each round, up to
 * "pmd-maxsleep", until a queue has a burst of half the usual size or more.
 * All of this is as in lib/dpif-netdev.c. */
#define SLEEP_STEP_US 1
#define LARGE_BURST (NETDEV_MAX_BURST / 2)
#define TIMER_RESOLUTION_NS 1000

const char *
pmd_counter_text(enum pmd_counter counter)
{
    static const char *const texts[] = {
#define PMD_COUNTER(ENUM, TEXT) TEXT,
        PMD_COUNTERS
#undef PMD_COUNTER
    };

    return texts[counter];
}

static struct pmd *
create(struct pmd_env *env, unsigned int core_id, int numa_id,
       unsigned int slot)
{
    struct pmd *pmd = xzalloc_cacheline(sizeof *pmd);

    pmd->env = env;
    pmd->core_id = core_id;
    pmd->numa_id = numa_id;
    pmd->slot = slot;
    pmd->smc = flow_smc_create();
    pmd->cleared_ms = time_msec();
    ovs_mutex_init(&pmd->mutex);
    atomic_init(&pmd->exiting, false);
    return pmd;
}

static void
destroy(struct pmd *pmd)
{
    perf_destroy(pmd);
    flow_smc_destroy(pmd->smc);
    ovs_mutex_destroy(&pmd->mutex);
    free_cacheline(pmd);
}

struct pmd *
pmd_create_shared(struct pmd_env *env)
{
    return create(env, NON_PMD_CORE_ID, OVS_NUMA_UNSPEC, 0);
}

void
pmd_destroy_shared(struct pmd *pmd)
{
    destroy(pmd);
}

unsigned int
pmd_core_id(const struct pmd *pmd)
{
    return pmd->core_id;
}

int
pmd_numa_id(const struct pmd *pmd)
{
    return pmd->numa_id;
}

unsigned int
pmd_slot(const struct pmd *pmd)
{
    return pmd->slot;
}

bool
pmd_poll_shared(struct pmd *pmd, struct port *port)
{
    unsigned int n = 0;

    ovs_mutex_lock(&pmd->mutex);
    for (unsigned int i = 0; i < port->n_rxq; i++) {
        if (netdev_rxq_enabled(port->rxqs[i])) {
            n += side_road_poll(pmd, port, i);
        }
    }
    ovs_mutex_unlock(&pmd->mutex);
    return n > 0;
}

void
pmd_execute(struct pmd *pmd, struct dp_packet *packet,
            const struct flow *flow, const struct nlattr *actions,
            size_t actions_len)
{
    struct dp_packet *result;

    /* The caller may need the packet still, and actions may take it. */
    result = dp_packet_clone(packet);
    dp_packet_prealloc_tailroom(result, VHOST_TAILROOM);
    ovs_mutex_lock(&pmd->mutex);
    result = side_road_execute(pmd, result, flow, actions, actions_len);
    ovs_mutex_unlock(&pmd->mutex);
    if (result) {
        dp_packet_swap(packet, result);
        dp_packet_delete(result);
    }
}

static bool
polls_already(const struct pmd_poll_list *list, const struct pmd_rxq *rxqs,
              size_t n)
{
    bool same = list && list->n == n;

    for (size_t i = 0; same && i < n; i++) {
        same = (list->polled[i].rxq.port == rxqs[i].port
                && list->polled[i].rxq.qid == rxqs[i].qid);
    }
    return same;
}

void
pmd_set_poll_list(struct pmd *pmd, const struct pmd_rxq *rxqs, size_t n)
{
    struct pmd_poll_list *old = ovsrcu_get_protected(struct pmd_poll_list *,
                                                     &pmd->poll_list);
    struct pmd_poll_list *list;

    if (polls_already(old, rxqs, n)) {
        return;
    }
    list = xmalloc(sizeof *list + n * sizeof *list->polled);
    list->serial = old ? old->serial + 1 : 0;
    list->n = n;
    for (size_t i = 0; i < n; i++) {
        list->polled[i].rxq = rxqs[i];
        list->polled[i].load = &rxqs[i].port->loads[rxqs[i].qid];
    }
    poll_set_attach(pmd, old, list);
    ovsrcu_set(&pmd->poll_list, list);
    if (old) {
        ovsrcu_postpone(free, old);
    }
    poll_set_wake(pmd);
}

void
pmd_wake(struct pmd *pmd)
{
    poll_set_wake_queues(pmd);
}

void
pmd_renew_cache(struct pmd *pmd)
{
    struct flow_cache *old = ovsrcu_get_protected(struct flow_cache *,
                                                  &pmd->cache);

    ovsrcu_set(&pmd->cache, flow_cache_create(pmd->env->flows,
                                              pmd->env->cache_entries,
                                              pmd->slot));
    flow_cache_destroy(old);
}

/* Load */

static uint64_t
read_counter(const struct pmd *pmd, enum pmd_counter counter)
{
    uint64_t value;

    atomic_read_relaxed(CONST_CAST(atomic_uint64_t *,
                                   &pmd->counters[counter]), &value);
    return value;
}

static void
begin_interval(struct pmd *pmd, long long int now)
{
    struct pmd_clock *clock = &pmd->clock;

    clock->end = now + PORT_LOAD_INTERVAL_MS;
    clock->busy = read_counter(pmd, PMD_BUSY_CYCLES);
    clock->total = (clock->busy + read_counter(pmd, PMD_IDLE_CYCLES)
                    + read_counter(pmd, PMD_SLEEP_CYCLES));
}

/* Records what the interval has cost when it is over.  If the thread comes
 * late, because it had no CPU, several intervals are over.  A new list begins
 * a new history of the thread, but not of the queues. */
static void
measure_load(struct pmd *pmd)
{
    const struct pmd_poll_list *list = ovsrcu_get(struct pmd_poll_list *,
                                                  &pmd->poll_list);
    bool renew = pmd->clock.serial != list->serial;
    struct pmd_clock before = pmd->clock;
    long long int now = time_msec();
    unsigned int n;

    if (!renew && now < before.end) {
        return;
    }
    n = MIN(1 + (now - before.end) / PORT_LOAD_INTERVAL_MS,
            PORT_LOAD_INTERVALS);
    begin_interval(pmd, now);
    for (size_t i = 0; i < list->n; i++) {
        struct port_load *load = list->polled[i].load;

        if (!renew) {
            port_load_record(&load->history, load->cycles, n);
        }
        load->cycles = 0;
    }
    if (renew) {
        pmd->clock.serial = list->serial;
        atomic_store_relaxed(&pmd->busy.n, 0);
        atomic_store_relaxed(&pmd->total.n, 0);
    } else {
        port_load_record(&pmd->busy, pmd->clock.busy - before.busy, n);
        port_load_record(&pmd->total, pmd->clock.total - before.total, n);
    }
}

void
pmd_get_load(const struct pmd *pmd, unsigned int n, struct pmd_load *load)
{
    uint64_t recorded;

    atomic_read_relaxed(CONST_CAST(atomic_uint64_t *, &pmd->total.n),
                        &recorded);
    load->n_intervals = MIN(n, recorded);
    load->busy = port_load_sum(&pmd->busy, load->n_intervals);
    load->total = port_load_sum(&pmd->total, load->n_intervals);
}

bool
pmd_is_overloaded(const struct pmd *pmd, unsigned int percent)
{
    struct pmd_load older = { 0, 0, 0 };

    for (unsigned int i = 1; i <= PORT_LOAD_INTERVALS; i++) {
        struct pmd_load load;

        pmd_get_load(pmd, i, &load);
        if (load.n_intervals < i
            || ((load.busy - older.busy) * 100
                < (load.total - older.total) * percent)) {
            return false;
        }
        older = load;
    }
    return true;
}

/* Polling threads */

/* Asking for the time takes as long as forwarding two frames.  So that is not
 * done for each burst: the statistics of flows, to which the time goes, are in
 * milliseconds. */
static inline void
update_now(struct pmd *pmd, uint64_t tsc)
{
    if (tsc - pmd->now_tsc >= pmd->poll_set.now_cycles) {
        pmd->now = time_msec();
        pmd->now_tsc = tsc;
    }
}

/* What happened in a round of polling. */
struct round {
    unsigned int n;             /* Packets. */
    bool full;                  /* A burst was large: there is work to do. */
};

/* Polls each queue of 'list' that is awake once.  What it costs is put down to
 * the queues that had packets.  'start' is the TSC now. */
static struct round
poll_round(struct pmd *pmd, const struct pmd_poll_list *list, uint64_t start)
{
    struct round round = { .n = side_road_answers(pmd), .full = false };
    const struct poll_set *set = &pmd->poll_set;
    size_t i = 0;

    while (i < set->n_awake) {
        const struct pmd_polled *polled = &list->polled[set->awake[i]];
        const struct pmd_rxq *rxq = &polled->rxq;
        unsigned int n_answers, n;

        /* Packets that come back must go on before those that follow them
         * on the same queue are classified. */
        n_answers = side_road_answers(pmd);
        perf_lap(pmd, PMD_STAGE_ANSWERS);
        if (rxq->port->vhost) {
            update_now(pmd, start);
            n = main_road_poll(pmd, rxq->port, rxq->qid);
        } else {
            n = side_road_poll(pmd, rxq->port, rxq->qid);
            perf_lap(pmd, n ? PMD_STAGE_SIDE_ROAD : PMD_STAGE_EMPTY);
        }
        if (n) {
            uint64_t now = rte_get_tsc_cycles();

            polled->load->cycles += now - start;
            start = now;
            if (OVS_UNLIKELY(pmd->metered)) {
                perf_add_burst(pmd, n);
            }
        }
        round.n += n_answers + n;
        round.full |= n >= LARGE_BURST;
        if (!rxq->port->vhost || !poll_set_note(pmd, list, i, n, start)) {
            i++;
        }
    }
    return round;
}

/* Sleeps, if the user allows it, after a round without a large burst, and
 * returns true if so.  '*sleep_us' is for how long; it grows from round to
 * round. */
static bool
rest(struct pmd *pmd, const struct round *round, uint32_t *sleep_us)
{
    uint32_t max;
    bool sleeps;

    atomic_read_relaxed(&pmd->env->max_sleep_us, &max);
    if (round->full || !max) {
        *sleep_us = 0;
    }
    sleeps = *sleep_us > 0;
    if (sleeps) {
        uint64_t start = rte_get_tsc_cycles();

        pmd_count(pmd, PMD_SLEEPS, 1);
        xnanosleep_no_quiesce(*sleep_us * 1000ULL);
        pmd_count(pmd, PMD_SLEEP_CYCLES, rte_get_tsc_cycles() - start);
    } else if (!round->n) {
        rte_pause();
    }
    *sleep_us = MIN(max, *sleep_us + SLEEP_STEP_US);
    return sleeps;
}

/* Blocks if there is nothing to poll, but not beyond the end of this interval,
 * so that others see what the thread does not do. */
static void
block(struct pmd *pmd, uint32_t *sleep_us)
{
    int timeout = -1;

    if (pmd->poll_set.n_queues) {
        long long int left = pmd->clock.end - time_msec();

        timeout = MAX(1, MIN(left, PORT_LOAD_INTERVAL_MS));
    }
    if (poll_set_block(pmd, timeout)) {
        *sleep_us = 0;
    }
}

/* Polls for a while, or until the thread has slept or has nothing to poll, so
 * that what happens rarely costs nothing. */
static void
poll_for_a_while(struct pmd *pmd, uint32_t *sleep_us)
{
    uint64_t n_busy = 0, n_idle = 0, start = rte_get_tsc_cycles();
    bool slept = false, idle = true, metered = perf_begin(pmd);
    unsigned int work = 0;

    do {
        const struct pmd_poll_list *list;
        struct round round;
        uint64_t end;

        if (OVS_UNLIKELY(metered)) {
            perf_begin_round(pmd);
        }
        list = poll_set_begin(pmd, start, idle);
        if (idle) {
            /* Looking for kicks is not work on packets. */
            end = rte_get_tsc_cycles();
            pmd_count(pmd, PMD_IDLE_CYCLES, end - start);
            start = end;
        }
        round = poll_round(pmd, list, start);
        idle = !round.n;
        end = rte_get_tsc_cycles();
        pmd_count(pmd, round.n ? PMD_BUSY_CYCLES : PMD_IDLE_CYCLES,
                  end - start);
        if (round.n) {
            n_busy++;
        } else {
            n_idle++;
        }
        start = end;
        if (OVS_LIKELY(pmd->poll_set.n_awake)) {
            slept = rest(pmd, &round, sleep_us);
        }
        work += round.n + 1;
        if (OVS_UNLIKELY(metered)) {
            perf_end_round(pmd, round.n);
        }
    } while (work < WORK_PER_QUIESCE && !slept && pmd->poll_set.n_awake);
    if (metered) {
        perf_end(pmd);
    }
    pmd_count(pmd, PMD_BUSY_ROUNDS, n_busy);
    pmd_count(pmd, PMD_IDLE_ROUNDS, n_idle);
}

static void
poll_until_told(struct pmd *pmd)
{
    uint32_t sleep_us = 0;
    bool exiting;

    do {
        poll_for_a_while(pmd, &sleep_us);
        measure_load(pmd);
        coverage_try_clear();
        ovsrcu_quiesce();
        block(pmd, &sleep_us);
        atomic_read_explicit(&pmd->exiting, &exiting, memory_order_acquire);
    } while (!exiting || upcall_client_is_busy(pmd->client));
}

static void *
pmd_thread_main(void *pmd_)
{
    struct pmd *pmd = pmd_;
    bool attached;

    ovs_numa_thread_setaffinity_core(pmd->core_id);
    set_timer_resolution(TIMER_RESOLUTION_NS);
    attached = dpdk_available() && dpdk_attach_thread(pmd->core_id);
    pmd->main = xzalloc_cacheline(sizeof *pmd->main);

    poll_until_told(pmd);

    free_cacheline(pmd->main);
    if (attached) {
        dpdk_detach_thread();
    }
    return NULL;
}

struct pmd *
pmd_start(struct pmd_env *env, unsigned int core_id, int numa_id,
          unsigned int slot)
{
    struct pmd *pmd = create(env, core_id, numa_id, slot);
    char name[32];

    pmd->clock.serial = UINT64_MAX;     /* Nothing has been measured yet. */
    poll_set_create(pmd);
    pmd->client = upcall_client_create(env->upcall,
                                       pmd->poll_set.eventfd);
    perf_create(pmd);
    pmd_renew_cache(pmd);
    pmd_set_poll_list(pmd, NULL, 0);
    /* OVS appends a number; it calls its own the same. */
    snprintf(name, sizeof name, "pmd-c%02u/id:", core_id);
    pmd->thread = ovs_thread_create(name, pmd_thread_main, pmd);
    VLOG_INFO("PMD thread on numa_id: %d, core id: %2u created.", numa_id,
              core_id);
    return pmd;
}

void
pmd_stop(struct pmd *pmd)
{
    atomic_store_explicit(&pmd->exiting, true, memory_order_release);
    poll_set_wake(pmd);
    ovsrcu_quiesce_start();
    xpthread_join(pmd->thread, NULL);
    ovsrcu_quiesce_end();
    /* An upcall thread may still be about to tell of the last answer. */
    ovsrcu_synchronize();

    VLOG_INFO("PMD thread on numa_id: %d, core id: %2u destroyed.",
              pmd->numa_id, pmd->core_id);
    upcall_client_destroy(pmd->client);
    flow_cache_destroy(ovsrcu_get_protected(struct flow_cache *,
                                            &pmd->cache));
    poll_set_destroy(pmd);
    free(ovsrcu_get_protected(struct pmd_poll_list *, &pmd->poll_list));
    destroy(pmd);
}

/* Counters */

void
pmd_get_counters(const struct pmd *pmd, uint64_t counters[PMD_N_COUNTERS])
{
    for (int i = 0; i < PMD_N_COUNTERS; i++) {
        counters[i] = read_counter(pmd, i) - pmd->cleared[i];
    }
}

void
pmd_clear_counters(struct pmd *pmd)
{
    for (int i = 0; i < PMD_N_COUNTERS; i++) {
        pmd->cleared[i] = read_counter(pmd, i);
    }
    pmd->cleared_ms = time_msec();
    if (pmd->perf) {
        pmd_perf_stats_clear(pmd->perf);
    }
}
