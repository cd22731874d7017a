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

#ifndef ACCEL_PMD_H
#define ACCEL_PMD_H 1

/* pmd: threads that move packets
 * ==============================
 *
 * A 'struct pmd' is a context that moves packets between ports: a polling
 * thread (pmd_start()), or the context that the main thread and others share
 * (pmd_create_shared()).
 *
 * Two roads lead from a receive queue to the outputs:
 *
 *   - The main road (main-road.c) takes bursts from vhost ports.  A frame
 *     whose megaflow has a direct program is copied once, from the sender's
 *     memory to the receiver's.
 *
 *   - The side road (side-road.c) carries everything else in dp_packets.
 *
 * A polling thread polls the queues of its poll list, an immutable array that
 * the control thread replaces.  Queues of silent guests leave the poll set
 * (poll-set.c) until their guests notify us, and a thread with none left
 * blocks.  The functions below belong to the control thread, but
 * pmd_execute(), which any thread may call. */

#include <stdbool.h>
#include <stdint.h>

#include "flow/megaflow.h"
#include "offload/offload.h"
#include "port/port.h"
#include "upcall/upcall.h"

struct bond_table;
struct conntrack;
struct dp_packet;
struct meter_table;
struct nlattr;
struct ds;
struct pmd;
struct pmd_perf_params;

/* What all threads of a datapath share. */
struct pmd_env {
    const char *dp_name;
    struct port_table *ports;
    struct megaflow_table *flows;
    struct offload *offload;
    struct upcall *upcall;
    struct meter_table *meters;
    struct bond_table *bonds;
    struct conntrack *conntrack;
    atomic_uint32_t max_sleep_us;   /* "pmd-maxsleep": longest sleep of an idle
                                     * thread, 0 to poll without pause. */
    atomic_bool busy_poll;      /* "pmd-busy-poll": poll silent guests, too. */
    atomic_bool perf_metrics;   /* "pmd-perf-metrics". */
    unsigned int cache_entries; /* "pmd-flow-cache-size": of a thread's flow
                                 * cache.  For the control thread. */
};

/* The shared context: slot 0, txq 0, misses resolved inline. */
struct pmd *pmd_create_shared(struct pmd_env *);
void pmd_destroy_shared(struct pmd *);

/* Starts a polling thread on CPU 'core_id' of NUMA node 'numa_id', with an
 * empty poll list.  It blocks while its list is empty.  'slot' is
 * 1...PORT_MAX_SLOTS - 1, unique.  Aborts if there are no file descriptors
 * left. */
struct pmd *pmd_start(struct pmd_env *, unsigned int core_id, int numa_id,
                      unsigned int slot);

/* Stops and frees a thread whose poll list is empty, after the packets that it
 * has at the upcall threads have come back. */
void pmd_stop(struct pmd *);

unsigned int pmd_core_id(const struct pmd *);   /* NON_PMD_CORE_ID: shared. */
int pmd_numa_id(const struct pmd *);
unsigned int pmd_slot(const struct pmd *);

struct pmd_rxq {
    struct port *port;
    unsigned int qid;
};

/* Gives 'pmd' the 'n' queues at 'rxqs' to poll (copied), unless it has the
 * same already.  The old list may be in use until a grace period has
 * passed. */
void pmd_set_poll_list(struct pmd *, const struct pmd_rxq *rxqs, size_t n);

/* Gives 'pmd' a new flow cache, empty, of env->cache_entries entries.  The
 * thread takes it for its next burst. */
void pmd_renew_cache(struct pmd *);

/* Makes 'pmd' look at once at what changed in its 'struct pmd_env'. */
void pmd_wake(struct pmd *);

/* Receives and forwards one batch from each queue of 'port' on the calling
 * thread.  'shared' is the shared context.  Returns true if there was one. */
bool pmd_poll_shared(struct pmd *shared, struct port *port);

/* Executes 'actions' on 'packet' of 'flow' (dpif_execute()): 'packet' is the
 * caller's and is left as the actions left it. */
void pmd_execute(struct pmd *shared, struct dp_packet *packet,
                 const struct flow *flow, const struct nlattr *actions,
                 size_t actions_len);

/* What a thread has done in the newest intervals (see port.h) that it polled
 * its present list. */
struct pmd_load {
    unsigned int n_intervals;   /* How many are told of. */
    uint64_t busy;              /* Cycles in rounds that found packets. */
    uint64_t total;             /* All cycles. */
};

/* Stores the load in the newest 'n' (1...PORT_LOAD_INTERVALS) intervals, or as
 * many as there were. */
void pmd_get_load(const struct pmd *, unsigned int n, struct pmd_load *);

/* Returns true if in each of the last PORT_LOAD_INTERVALS intervals 'percent'
 * of the thread's cycles, or more, were busy. */
bool pmd_is_overloaded(const struct pmd *, unsigned int percent);

/* Stages of a busy round of polling: the cycles that each took, while
 * "pmd-perf-metrics" were on. */
#define PMD_STAGES                                              \
    PMD_COUNTER(STAGE_ANSWERS, "upcall answers")                \
    PMD_COUNTER(STAGE_EMPTY, "empty queues")                    \
    PMD_COUNTER(STAGE_PEEK, "peek")                             \
    PMD_COUNTER(STAGE_CLASSIFY, "classify")                     \
    PMD_COUNTER(STAGE_EXECUTE, "execute")                       \
    PMD_COUNTER(STAGE_PUT, "put")                               \
    PMD_COUNTER(STAGE_RELEASE, "release")                       \
    PMD_COUNTER(STAGE_SIDE_ROAD, "side road")                   \
    PMD_COUNTER(STAGE_OTHER, "other")
#define PMD_N_STAGES (PMD_STAGE_OTHER - PMD_STAGE_ANSWERS + 1)

/* Counters of a thread, since it was started or last cleared. */
#define PMD_COUNTERS                                            \
    PMD_COUNTER(RX, "packets received")                         \
    PMD_COUNTER(MAIN_ROAD, "main road packets")                 \
    PMD_COUNTER(SIDE_ROAD, "side road packets")                 \
    PMD_COUNTER(COPIES, "copies")                               \
    PMD_COUNTER(PACKETS_MADE, "dp_packets made")                \
    PMD_COUNTER(RECIRC, "packet recirculations")                \
    PMD_COUNTER(MARK_HIT, "phwol hits")                         \
    PMD_COUNTER(CACHE_HIT, "flow cache hits")                   \
    PMD_COUNTER(CACHE_MISS, "flow cache misses")                \
    PMD_COUNTER(CACHE_EVICTION, "flow cache evictions")         \
    PMD_COUNTER(CACHE_NEVER, "flow cache unfit packets")        \
    PMD_COUNTER(SMC_HIT, "smc hits")                            \
    PMD_COUNTER(MEGAFLOW_HIT, "megaflow hits")                  \
    PMD_COUNTER(SUBTABLES, "subtables probed")                  \
    PMD_COUNTER(MISS, "miss with success upcall")               \
    PMD_COUNTER(LOST, "miss with failed upcall")                \
    PMD_COUNTER(SENT, "packets sent")                           \
    PMD_COUNTER(SENT_BATCHES, "output batches")                 \
    PMD_COUNTER(BURSTS, "bursts")                               \
    PMD_COUNTER(IDLE_ROUNDS, "idle iterations")                 \
    PMD_COUNTER(BUSY_ROUNDS, "busy iterations")                 \
    PMD_COUNTER(IDLE_CYCLES, "idle cycles")                     \
    PMD_COUNTER(BUSY_CYCLES, "processing cycles")               \
    PMD_COUNTER(SLEEP_CYCLES, "sleep cycles")                   \
    PMD_COUNTER(SLEEPS, "sleeps")                               \
    PMD_COUNTER(KICKS, "queues woken by a kick")                \
    PMD_STAGES                                                  \
    PMD_COUNTER(STAGE_PACKETS, "packets in stages")

enum pmd_counter {
#define PMD_COUNTER(ENUM, TEXT) PMD_##ENUM,
    PMD_COUNTERS
#undef PMD_COUNTER
    PMD_N_COUNTERS
};

const char *pmd_counter_text(enum pmd_counter);
void pmd_get_counters(const struct pmd *, uint64_t counters[PMD_N_COUNTERS]);
void pmd_clear_counters(struct pmd *);

/* Prints how a polling thread performs, as 'params' of dpif-netdev-perf.h
 * say. */
void pmd_format_perf(struct pmd *, struct ds *,
                     const struct pmd_perf_params *params);

/* To be called before metrics are switched on.  May block for 100 ms. */
void pmd_learn_tsc_frequency(void);

#endif /* pmd.h */
