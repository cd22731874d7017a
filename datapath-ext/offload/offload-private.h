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

#ifndef ACCEL_OFFLOAD_PRIVATE_H
#define ACCEL_OFFLOAD_PRIVATE_H 1

/* What the files of offload/ share.
 *
 * threads.c runs the threads, of which there is one set in the process;
 * offload.c decides what they do.  The threads start when they are first
 * needed, which must not be before offload is on. */

#include <stdbool.h>
#include <stdint.h>

#include "offload/offload.h"
#include "openvswitch/list.h"

struct offload_thread {
    unsigned int id;            /* As netdev_offload_thread_id(). */
    struct ovs_list flows;      /* Flows that it has put in devices.  For the
                                 * thread itself. */
};

/* Something to do for an offload thread. */
struct offload_op {
    struct ovs_list node;       /* In the thread's queue. */
    bool queued;
    long long int since;        /* In the queue, time_usec(). */
    void (*run)(struct offload_op *, struct offload_thread *);
};

static inline void
offload_op_init(struct offload_op *op,
                void (*run)(struct offload_op *, struct offload_thread *))
{
    op->queued = false;
    op->run = run;
}

/* Puts 'op' at the end of the queue of thread 'id', unless it is in that
 * queue.  Returns true if it was not.  'op' must live until it has run. */
bool offload_op_queue(struct offload_op *, unsigned int id);

/* Calls 'cb' on each offload thread after what is queued, and waits. */
void offload_call_all(void (*cb)(void *aux, struct offload_thread *),
                      void *aux);

struct offload_thread_stats {
    uint64_t n_queued;          /* Now. */
    double cma, cma_stddev;     /* Microseconds from offload_op_queue() to */
    double ema, ema_stddev;     /* done: cumulative and exponential average. */
};

void offload_thread_get_stats(unsigned int id, struct offload_thread_stats *);

#endif /* offload-private.h */
