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

#ifndef ACCEL_PMD_PRIVATE_H
#define ACCEL_PMD_PRIVATE_H 1

/* What the files of pmd/ share. */

#include "action/action.h"
#include "dp-packet.h"
#include "ovs-thread.h"
#include "pmd/pmd.h"
#include "vhost/vhost.h"

/* dp_packets on their way to a port, sent as a batch. */
struct side_output {
    struct port *port;
    struct dp_packet_batch batch;
};
#define SIDE_OUTPUTS 16

/* Frames of the main road on their way to a guest. */
struct main_output {
    struct port *port;
    unsigned int n;
    const struct vhost_frame *frames[2 * VHOST_BURST];
};
#define MAIN_OUTPUTS 16

/* Working memory of the main road. */
struct main_road {
    struct vhost_burst burst;
    struct flow_cache_burst lookup; /* Whose the frames of 'burst' are. */
    struct action_layers layers[VHOST_BURST];

    /* The ports last output to, by their number's last bits, valid while
     * 'outs_seq' is the port table's. */
    unsigned int outs_seq;
    struct {
        odp_port_t port_no;
        struct port *port;      /* NULL if there is none. */
    } outs[16];

    /* Outputs of this burst, by receiver. */
    unsigned int n_outputs;
    struct main_output outputs[MAIN_OUTPUTS];

    /* Frames that were output and then edited further. */
    unsigned int n_clones;
    struct vhost_frame clones[VHOST_BURST];

    /* What leaves for the side road, with the flows that are known. */
    struct dp_packet_batch aside;
    struct megaflow *aside_flows[VHOST_BURST];
};

struct pmd_polled {
    struct pmd_rxq rxq;
    struct port_load *load;
};

struct pmd_poll_list {
    uint64_t serial;            /* Of the lists that the thread was given. */
    size_t n;
    struct pmd_polled polled[];
};

/* What a thread knows of a queue of its list. */
struct poll_queue {
    bool awake;                 /* Is it polled? */
    uint32_t n_empty;           /* Looks in a row that found nothing, and... */
    uint64_t since;             /* ...TSC when they began. */
};

/* Which queues of its list a thread polls: those of guests' ports that have
 * been silent are left out until the guest kicks.  The thread's own, but
 * the first two, which are fixed. */
struct poll_set {
    struct vhost_waiter waiter;
    int eventfd;                /* Tells of a new list, of 'exiting' and of
                                 * answers.  Also in the waiter's 'epfd'. */
    uint64_t serial;            /* Of the list that the rest is about. */
    size_t n_queues;
    struct poll_queue *queues;
    size_t n_awake;
    uint32_t *awake;            /* Indexes of the queues that are polled. */
    uint64_t next_look;         /* TSC at which to look for kicks again... */
    uint64_t look_cycles;       /* ...after so long, and how long a guest must
                                 * have been silent. */
    uint64_t silence_cycles;
    uint64_t now_cycles;        /* For how long 'now' of the thread is good. */
};

/* A round of polling of which metrics are recorded. */
struct pmd_round {
    uint64_t bursts, upcalls, sleep_cycles;     /* Counters at its begin. */
    uint64_t lap;               /* TSC when the last stage ended. */
    uint64_t stages[PMD_N_STAGES];      /* Cycles. */
};

/* What a polling thread measures in intervals, see port.h. */
struct pmd_clock {
    uint64_t serial;            /* Of the list that this is about. */
    long long int end;          /* Of this interval, in time_msec(). */
    uint64_t busy, total;       /* Cycles when it began. */
};

struct pmd {
    struct pmd_env *env;
    unsigned int core_id;
    int numa_id;
    unsigned int slot;
    long long int now;          /* time_msec() of this burst, or shortly */
    uint64_t now_tsc;           /* before it, as of this TSC. */

    OVSRCU_TYPE(struct flow_cache *) cache; /* Polling threads only, */
    struct upcall_client *client;           /* these three too. */
    struct main_road *main;

    struct flow_smc *smc;       /* Of packets on the side road. */
    struct side_fates *fates;   /* Of the packets being processed on the side
                                 * road, or NULL. */
    unsigned int depth;         /* Recirculations of them. */
    unsigned int n_side_outputs;
    struct side_output side_outputs[SIDE_OUTPUTS];

    atomic_uint64_t counters[PMD_N_COUNTERS];   /* Written by this thread. */
    uint64_t cleared[PMD_N_COUNTERS];   /* What pmd_clear_counters() saw, */
    long long int cleared_ms;           /* and when. */

    /* Polling threads. */
    OVSRCU_TYPE(struct pmd_poll_list *) poll_list;
    struct poll_set poll_set;
    pthread_t thread;
    atomic_bool exiting;

    struct pmd_perf_stats *perf;        /* "pmd-perf-metrics", */
    bool metered;                       /* which are on, */
    struct pmd_round round;             /* and what this round did. */

    struct pmd_clock clock;
    struct port_load_history busy;      /* Of the present list. */
    struct port_load_history total;

    /* The shared context: held while it is used, but not while ofproto is
     * asked about a packet. */
    struct ovs_mutex mutex;
};

static inline void
pmd_count(struct pmd *pmd, enum pmd_counter counter, uint64_t n)
{
    port_count(&pmd->counters[counter], n);
}

/* The tx queue of 'port' that 'pmd' sends to, unless the port's "tx-steering"
 * is hash.  Both roads use the same one, so that in a guest with several
 * queues no packet overtakes another that went to a queue of its own. */
static inline unsigned int
pmd_txq(const struct pmd *pmd, const struct port *port)
{
    return pmd->slot % port->n_txq;
}

/* main-road.c */

/* Takes a burst from rx queue 'qid' of vhost port 'in' to its outputs.
 * Returns the number of frames. */
unsigned int main_road_poll(struct pmd *, struct port *in, unsigned int qid);

/* Copies 'frame', received on 'in_port', into a dp_packet. */
struct dp_packet *frame_to_packet(const struct vhost_frame *frame,
                                  odp_port_t in_port);

/* poll-set.c */

/* Called by the control thread; the thread must not run any more, and a grace
 * period must have passed, when the set is destroyed. */
void poll_set_create(struct pmd *);
void poll_set_destroy(struct pmd *);

/* Called by the control thread before it gives the thread 'list' in place of
 * 'old' (null the first time), so that kicks reach it. */
void poll_set_attach(struct pmd *, const struct pmd_poll_list *old,
                     const struct pmd_poll_list *list);

/* Wakes the thread: there is a new list, or it is to exit.  Any thread may
 * call this. */
void poll_set_wake(struct pmd *);

/* Makes the thread poll all of its queues, for a while at least.  Any thread
 * may call this. */
void poll_set_wake_queues(struct pmd *);

/* The following are called by the thread itself. */

/* To be called at the start of each round, at TSC 'now'; 'idle' says that the
 * last one found nothing to do.  Returns the list to poll, of which the first
 * 'poll_set.n_awake' indexes in 'poll_set.awake' are due. */
const struct pmd_poll_list *poll_set_begin(struct pmd *, uint64_t now,
                                           bool idle);

/* Decides about the queue that is the 'i'th of those awake, a guest's, which
 * has been silent.  Returns true if it fell asleep: another one, or none, is
 * the 'i'th now. */
bool poll_set_retire(struct pmd *, const struct pmd_poll_list *, size_t i);

/* If no queue is awake and nothing else is to be done, blocks until there is,
 * for 'timeout' ms at most, or without end if that is negative.  The thread
 * quiesces.  Returns true if it slept. */
bool poll_set_block(struct pmd *, int timeout);

/* An empty look takes so little time that a thread that was preempted, or one
 * with much to do, could take one or two of them for silence. */
#define POLL_SET_MIN_LOOKS 16

/* Notes that the 'i'th queue that is awake, of 'rxq', had 'n' packets at TSC
 * 'now'.  Returns like poll_set_retire(). */
static inline bool
poll_set_note(struct pmd *pmd, const struct pmd_poll_list *list, size_t i,
              unsigned int n, uint64_t now)
{
    struct poll_set *set = &pmd->poll_set;
    struct poll_queue *q = &set->queues[set->awake[i]];

    if (OVS_LIKELY(n)) {
        q->n_empty = 0;
    } else if (!q->n_empty++) {
        q->since = now;
    } else if (q->n_empty >= POLL_SET_MIN_LOOKS
               && now - q->since >= set->silence_cycles) {
        return poll_set_retire(pmd, list, i);
    }
    return false;
}

/* perf.c */
void perf_create(struct pmd *);
void perf_destroy(struct pmd *);

/* Called by a polling thread.  perf_begin() returns true if metrics are on;
 * then rounds are to be recorded until perf_end(). */
bool perf_begin(struct pmd *);
void perf_end(struct pmd *);
void perf_begin_round(struct pmd *);
void perf_add_burst(struct pmd *, unsigned int n_packets);
void perf_end_round(struct pmd *, unsigned int n_packets);

/* Puts what has passed since the last call, or the begin of the round, down to
 * 'stage', PMD_STAGE_*. */
void perf_record_lap(struct pmd *, enum pmd_counter stage);
static inline void
perf_lap(struct pmd *pmd, enum pmd_counter stage)
{
    if (OVS_UNLIKELY(pmd->metered)) {
        perf_record_lap(pmd, stage);
    }
}

/* tx-steering.c */

/* Return the tx queue of 'port', whose "tx-steering" is hash, that takes
 * 'packet' or 'frame'. */
unsigned int tx_steer_packet(const struct port *port,
                             struct dp_packet *packet);
unsigned int tx_steer_frame(const struct port *port,
                            const struct vhost_frame *frame);

/* side-road.c */

/* Receives a batch from rx queue 'qid' of 'in' and forwards it.  Returns the
 * number of packets. */
unsigned int side_road_poll(struct pmd *, struct port *in, unsigned int qid);

/* Takes the packets of 'batch', received on 'in' (metadata set), to their
 * outputs.  Takes ownership.  'flows' tells each packet's flow if that is
 * known, or NULL.  The outputs are sent by side_road_flush(). */
void side_road_forward(struct pmd *, struct dp_packet_batch *batch,
                       struct port *in, struct megaflow *const flows[]);

/* Takes 'packet', received on 'in' (metadata set), which is known to miss. */
void side_road_miss(struct pmd *, struct dp_packet *packet,
                    const struct flow_key *key, struct port *in);

/* Runs 'actions' on 'packet' of 'flow', which nobody received, and sends its
 * outputs.  Returns it as the actions left it, or NULL if they took it. */
struct dp_packet *side_road_execute(struct pmd *, struct dp_packet *packet,
                                    const struct flow *flow,
                                    const struct nlattr *actions,
                                    size_t actions_len);

/* Takes packets that came back from upcall threads on.  Returns how many. */
unsigned int side_road_answers(struct pmd *);

/* side-output.c */

/* Outputs 'packet', which it takes, to 'port', which is not a guest's. */
void side_road_output(struct pmd *, struct dp_packet *packet,
                      struct port *port);

/* Sends what is on its way. */
void side_road_flush(struct pmd *);

#endif /* pmd-private.h */
