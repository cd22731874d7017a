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
#include "openvswitch/vlog.h"
#include "ovs-numa.h"
#include "ovs-rcu.h"
#include "pmd/pmd-private.h"
#include "timeval.h"

VLOG_DEFINE_THIS_MODULE(accel_pmd);

/* Entries in the flow cache of a polling thread. */
#define FLOW_CACHE_ENTRIES (128 * 1024)

/* Rounds of polling and packets, added up, between two looks at what happens
 * rarely.  Others wait for us to quiesce, so this must not take long even
 * where each packet is a system call. */
#define WORK_PER_QUIESCE 1024

/* An idle thread sleeps a microsecond longer each time that it finds nothing,
 * up to "pmd-maxsleep". */
#define SLEEP_STEP_US 1

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
    ovs_mutex_init(&pmd->mutex);
    atomic_init(&pmd->exiting, false);
    return pmd;
}

static void
destroy(struct pmd *pmd)
{
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
    ovs_mutex_lock(&pmd->mutex);
    result = side_road_execute(pmd, dp_packet_clone(packet), flow, actions,
                               actions_len);
    ovs_mutex_unlock(&pmd->mutex);
    if (result) {
        dp_packet_swap(packet, result);
        dp_packet_delete(result);
    }
}

void
pmd_set_poll_list(struct pmd *pmd, const struct pmd_rxq *rxqs, size_t n)
{
    struct pmd_poll_list *old = ovsrcu_get_protected(struct pmd_poll_list *,
                                                     &pmd->poll_list);
    struct pmd_poll_list *list = xmalloc(sizeof *list + n * sizeof *rxqs);

    list->n = n;
    for (size_t i = 0; i < n; i++) {
        list->rxqs[i] = rxqs[i];
    }
    ovsrcu_set(&pmd->poll_list, list);
    if (old) {
        ovsrcu_postpone(free, old);
    }
}

/* Polling threads */

static unsigned int
poll_round(struct pmd *pmd)
{
    const struct pmd_poll_list *list = ovsrcu_get(struct pmd_poll_list *,
                                                  &pmd->poll_list);
    unsigned int n = side_road_answers(pmd);

    for (size_t i = 0; i < list->n; i++) {
        const struct pmd_rxq *rxq = &list->rxqs[i];

        /* Packets that come back must go on before those that follow them
         * on the same queue are classified. */
        n += side_road_answers(pmd);
        if (rxq->port->vhost) {
            n += main_road_poll(pmd, rxq->port, rxq->qid);
        } else {
            n += side_road_poll(pmd, rxq->port, rxq->qid);
        }
    }
    return n;
}

/* Sleeps, if the user allows it, after a round without a packet.  '*sleep_us'
 * is how long the last sleep since a packet was. */
static void
rest(struct pmd *pmd, uint32_t *sleep_us)
{
    uint32_t max;

    atomic_read_relaxed(&pmd->env->max_sleep_us, &max);
    if (!max) {
        rte_pause();
        return;
    }
    *sleep_us = MIN(max, *sleep_us + SLEEP_STEP_US);
    pmd_count(pmd, PMD_SLEEPS, 1);
    xnanosleep_no_quiesce(*sleep_us * 1000ULL);
}

static void
poll_until_told(struct pmd *pmd)
{
    uint64_t start = rte_get_tsc_cycles();
    uint32_t sleep_us = 0;
    unsigned int work = 0;
    bool exiting = false;

    while (!exiting || upcall_client_is_busy(pmd->client)) {
        unsigned int n = poll_round(pmd);
        uint64_t now;

        if (n) {
            sleep_us = 0;
        } else {
            rest(pmd, &sleep_us);
        }
        now = rte_get_tsc_cycles();
        pmd_count(pmd, n ? PMD_BUSY_CYCLES : PMD_IDLE_CYCLES, now - start);
        start = now;

        work += n + 1;
        if (work >= WORK_PER_QUIESCE || sleep_us) {
            work = 0;
            coverage_try_clear();
            ovsrcu_quiesce();
            atomic_read_explicit(&pmd->exiting, &exiting,
                                 memory_order_acquire);
        }
    }
}

static void *
pmd_thread_main(void *pmd_)
{
    struct pmd *pmd = pmd_;
    bool attached;

    ovs_numa_thread_setaffinity_core(pmd->core_id);
    attached = dpdk_available() && dpdk_attach_thread(pmd->core_id);
    pmd->cache = flow_cache_create(pmd->env->flows, FLOW_CACHE_ENTRIES);
    pmd->main = xzalloc_cacheline(sizeof *pmd->main);

    poll_until_told(pmd);

    free_cacheline(pmd->main);
    flow_cache_destroy(pmd->cache);
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

    pmd->client = upcall_client_create(env->upcall);
    pmd_set_poll_list(pmd, NULL, 0);
    /* OVS appends a number; it calls its own the same. */
    snprintf(name, sizeof name, "pmd-c%02u/id:", core_id);
    pmd->thread = ovs_thread_create(name, pmd_thread_main, pmd);
    VLOG_INFO("%s: polling thread on core %u of NUMA node %d started",
              env->dp_name, core_id, numa_id);
    return pmd;
}

void
pmd_stop(struct pmd *pmd)
{
    atomic_store_explicit(&pmd->exiting, true, memory_order_release);
    ovsrcu_quiesce_start();
    xpthread_join(pmd->thread, NULL);
    ovsrcu_quiesce_end();

    VLOG_INFO("%s: polling thread on core %u ended", pmd->env->dp_name,
              pmd->core_id);
    upcall_client_destroy(pmd->client);
    free(ovsrcu_get_protected(struct pmd_poll_list *, &pmd->poll_list));
    destroy(pmd);
}

/* Counters */

void
pmd_get_counters(const struct pmd *pmd, uint64_t counters[PMD_N_COUNTERS])
{
    for (int i = 0; i < PMD_N_COUNTERS; i++) {
        atomic_read_relaxed(CONST_CAST(atomic_uint64_t *, &pmd->counters[i]),
                            &counters[i]);
        counters[i] -= pmd->cleared[i];
    }
}

void
pmd_clear_counters(struct pmd *pmd)
{
    for (int i = 0; i < PMD_N_COUNTERS; i++) {
        atomic_read_relaxed(&pmd->counters[i], &pmd->cleared[i]);
    }
}
