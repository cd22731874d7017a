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

/* "pmd-perf-metrics" and pmd-perf-show, with OVS's own lib/dpif-netdev-perf.c:
 * it records each round of polling and prints all.  While metrics are off, a
 * thread only counts, and its counters are lent to the printing functions. */

#include "pmd/pmd.h"

#include <rte_cycles.h>

#include "dpif-netdev-perf.h"
#include "openvswitch/dynamic-string.h"
#include "pmd/pmd-private.h"
#include "timeval.h"

void
perf_create(struct pmd *pmd)
{
    pmd->perf = xzalloc(sizeof *pmd->perf);
    pmd_perf_stats_init(pmd->perf);
}

void
perf_destroy(struct pmd *pmd)
{
    if (pmd->perf) {
        ovs_mutex_destroy(&pmd->perf->stats_mutex);
        ovs_mutex_destroy(&pmd->perf->clear_mutex);
        free(pmd->perf);
    }
}

static uint64_t
count(const struct pmd *pmd, enum pmd_counter counter)
{
    uint64_t n;

    atomic_read_relaxed(CONST_CAST(atomic_uint64_t *,
                                   &pmd->counters[counter]), &n);
    return n;
}

/* Recording */

bool
perf_begin(struct pmd *pmd)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    atomic_read_relaxed(&pmd->env->perf_metrics, &pmd->metered);
    if (pmd->metered) {
        /* Held, it makes others leave the clearing to us. */
        ovs_mutex_lock(&pmd->perf->stats_mutex);
        cycles_counter_update(pmd->perf);
    }
    return pmd->metered;
}

void
perf_end(struct pmd *pmd)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    ovs_mutex_unlock(&pmd->perf->stats_mutex);
}

void
perf_begin_round(struct pmd *pmd)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    pmd_perf_start_iteration(pmd->perf);
    pmd->round.bursts = count(pmd, PMD_BURSTS);
    pmd->round.upcalls = count(pmd, PMD_MISS) + count(pmd, PMD_LOST);
    pmd->round.sleep_cycles = count(pmd, PMD_SLEEP_CYCLES);
    pmd->round.lap = pmd->perf->start_tsc;
    memset(pmd->round.stages, 0, sizeof pmd->round.stages);
}

void
perf_record_lap(struct pmd *pmd, enum pmd_counter stage)
{
    uint64_t now = rte_get_tsc_cycles();

    pmd->round.stages[stage - PMD_STAGE_ANSWERS] += now - pmd->round.lap;
    pmd->round.lap = now;
}

/* Adds the stages of a round that had packets to the counters.  What no stage
 * took, of the 'cycles' of the round, is "other". */
static void
count_stages(struct pmd *pmd, uint64_t cycles)
{
    for (int i = 0; i < PMD_N_STAGES; i++) {
        uint64_t stage = MIN(pmd->round.stages[i], cycles);

        pmd_count(pmd, PMD_STAGE_ANSWERS + i, stage);
        cycles -= stage;
    }
    pmd_count(pmd, PMD_STAGE_OTHER, cycles);
}

void
perf_add_burst(struct pmd *pmd, unsigned int n)
{
    histogram_add_sample(&pmd->perf->pkts_per_batch, n);
}

void
perf_end_round(struct pmd *pmd, unsigned int n_packets)
{
    struct iter_stats *current = &pmd->perf->current;

    current->batches = count(pmd, PMD_BURSTS) - pmd->round.bursts;
    current->upcalls = (count(pmd, PMD_MISS) + count(pmd, PMD_LOST)
                        - pmd->round.upcalls);
    pmd_perf_end_iteration(
        pmd->perf, n_packets, 0,
        count(pmd, PMD_SLEEP_CYCLES) - pmd->round.sleep_cycles, true);
    if (n_packets) {
        pmd_count(pmd, PMD_STAGE_PACKETS, n_packets);
        count_stages(pmd, current->cycles);
    }
}

/* Showing */

void
pmd_learn_tsc_frequency(void)
{
    static bool learned;

    if (!learned) {
        learned = true;
        pmd_perf_estimate_tsc_frequency();
    }
}

/* Prints what the thread's counters tell, in OVS's words. */
static void
format_counters(const struct pmd *pmd, struct ds *ds, double duration)
{
    static const struct {
        enum pmd_stat_type to;
        enum pmd_counter from;
    } same[] = {
        { PMD_STAT_PHWOL_HIT, PMD_MARK_HIT },
        { PMD_STAT_EXACT_HIT, PMD_CACHE_HIT },
        { PMD_STAT_SMC_HIT, PMD_SMC_HIT },
        { PMD_STAT_MASKED_HIT, PMD_MEGAFLOW_HIT },
        { PMD_STAT_MISS, PMD_MISS },
        { PMD_STAT_LOST, PMD_LOST },
        { PMD_STAT_MASKED_LOOKUP, PMD_SUBTABLES },
        { PMD_STAT_RECV, PMD_RX },
        { PMD_STAT_RECIRC, PMD_RECIRC },
        { PMD_STAT_SENT_PKTS, PMD_SENT },
        { PMD_STAT_SENT_BATCHES, PMD_SENT_BATCHES },
        { PMD_CYCLES_ITER_IDLE, PMD_IDLE_CYCLES },
        { PMD_CYCLES_ITER_BUSY, PMD_BUSY_CYCLES },
        { PMD_SLEEP_ITER, PMD_SLEEPS },
        { PMD_CYCLES_SLEEP, PMD_SLEEP_CYCLES },
    };
    static const char theirs[] = "EMC hits:       ";
    static const char ours[] = "Flow cache hits:";
    uint64_t c[PMD_N_COUNTERS];
    struct pmd_perf_stats *s;
    char *label;

    pmd_get_counters(pmd, c);
    if (!c[PMD_IDLE_ROUNDS] && !c[PMD_BUSY_ROUNDS]) {
        ds_put_cstr(ds, "  Iterations:                    0\n");
        return;
    }
    s = xzalloc(sizeof *s);
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        atomic_init(&s->counters.n[same[i].to], c[same[i].from]);
    }
    /* The number of rounds is that of the samples in this histogram. */
    s->pkts.bin[0] = c[PMD_IDLE_ROUNDS];
    s->pkts.bin[1] = c[PMD_BUSY_ROUNDS];
    pmd_perf_format_overall_stats(ds, s, duration);
    free(s);

    label = strstr(ds_cstr(ds), theirs);
    if (label) {
        BUILD_ASSERT_DECL(sizeof theirs == sizeof ours);
        memcpy(label, ours, sizeof ours - 1);
    }
}

/* Prints what the stages of busy rounds took. */
static void
format_stages(const struct pmd *pmd, struct ds *ds)
{
    uint64_t c[PMD_N_COUNTERS], total = 0;

    pmd_get_counters(pmd, c);
    for (int i = PMD_STAGE_ANSWERS; i <= PMD_STAGE_OTHER; i++) {
        total += c[i];
    }
    if (!c[PMD_STAGE_PACKETS] || !total) {
        return;
    }
    ds_put_format(ds, "\nStages of busy iterations, %"PRIu64" packets:\n"
                  "  %-16s%14s%10s\n", c[PMD_STAGE_PACKETS], "",
                  "cycles/packet", "share");
    for (int i = PMD_STAGE_ANSWERS; i <= PMD_STAGE_OTHER; i++) {
        ds_put_format(ds, "  %-16s%14.2f%9.2f%%\n", pmd_counter_text(i),
                      c[i] / (double) c[PMD_STAGE_PACKETS],
                      100.0 * c[i] / total);
    }
    ds_put_format(ds, "  %-16s%14.2f%9.2f%%\n", "total",
                  total / (double) c[PMD_STAGE_PACKETS], 100.0);
}

/* Prints what was recorded while metrics were on. */
static void
format_records(struct pmd *pmd, struct ds *ds,
               const struct pmd_perf_params *params)
{
    ovs_mutex_lock(&pmd->perf->clear_mutex);
    if (params->histograms) {
        ds_put_char(ds, '\n');
        pmd_perf_format_histograms(ds, pmd->perf);
    }
    if (params->iter_hist_len) {
        ds_put_char(ds, '\n');
        pmd_perf_format_iteration_history(ds, pmd->perf,
                                          params->iter_hist_len);
    }
    if (params->ms_hist_len) {
        ds_put_char(ds, '\n');
        pmd_perf_format_ms_history(ds, pmd->perf, params->ms_hist_len);
    }
    ovs_mutex_unlock(&pmd->perf->clear_mutex);
}

void
pmd_format_perf(struct pmd *pmd, struct ds *ds,
                const struct pmd_perf_params *params)
{
    double duration = (time_msec() - pmd->cleared_ms) / 1000.0;
    char *now = xastrftime_msec("%H:%M:%S.###", time_wall_msec(), true);
    struct ds counters = DS_EMPTY_INITIALIZER;
    bool metered;

    pmd_learn_tsc_frequency();
    ds_put_format(ds, "\nTime: %s\nMeasurement duration: %.3f s\n\n", now,
                  duration);
    ds_put_format(ds, "pmd thread numa_id %d core_id %u:\n\n",
                  pmd_numa_id(pmd), pmd_core_id(pmd));
    format_counters(pmd, &counters, duration);
    ds_put_cstr(ds, ds_cstr(&counters));
    ds_destroy(&counters);
    atomic_read_relaxed(&pmd->env->perf_metrics, &metered);
    if (metered) {
        format_stages(pmd, ds);
        format_records(pmd, ds, params);
    }
    free(now);
}
