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

#include "offload/offload-private.h"

#include "mov-avg.h"
#include "netdev-offload.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"

/* How many latencies make up the exponential average, as in dpif-netdev. */
#define EMA_N 100

struct thread {
    struct offload_thread up;
    struct ovs_mutex mutex;
    pthread_cond_t work;
    struct ovs_list queue OVS_GUARDED;  /* Of struct offload_op. */
    uint64_t n_queued OVS_GUARDED;
    struct mov_avg_cma cma OVS_GUARDED;
    struct mov_avg_ema ema OVS_GUARDED;
};

/* Started once and for all: OVS counts thread ids up to "n-offload-threads",
 * which cannot change either. */
static struct thread *threads;
static unsigned int n_threads;

static struct offload_op *
next_op(struct thread *thread)
{
    struct offload_op *op;

    ovs_mutex_lock(&thread->mutex);
    while (ovs_list_is_empty(&thread->queue)) {
        ovsrcu_quiesce_start();
        ovs_mutex_cond_wait(&thread->work, &thread->mutex);
        ovsrcu_quiesce_end();
    }
    op = CONTAINER_OF(ovs_list_pop_front(&thread->queue), struct offload_op,
                      node);
    op->queued = false;
    thread->n_queued--;
    ovs_mutex_unlock(&thread->mutex);
    return op;
}

static void *
thread_main(void *thread_)
{
    struct thread *thread = thread_;

    /* netdev_offload_thread_init() would count on from the threads of
     * dpif-netdev, if it has some, and abort.  No device is a port of both. */
    *netdev_offload_thread_id_get() = thread->up.id;

    for (;;) {
        struct offload_op *op = next_op(thread);
        long long int latency = op->since;

        op->run(op, &thread->up);
        latency = time_usec() - latency;

        ovs_mutex_lock(&thread->mutex);
        mov_avg_cma_update(&thread->cma, latency);
        mov_avg_ema_update(&thread->ema, latency);
        ovs_mutex_unlock(&thread->mutex);
        ovsrcu_quiesce();
    }
    OVS_NOT_REACHED();
}

static void
start_threads(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;

    if (!ovsthread_once_start(&once)) {
        return;
    }
    n_threads = netdev_offload_thread_nb();
    threads = xcalloc(n_threads, sizeof *threads);
    for (unsigned int i = 0; i < n_threads; i++) {
        struct thread *thread = &threads[i];

        thread->up.id = i;
        ovs_list_init(&thread->up.flows);
        ovs_mutex_init(&thread->mutex);
        xpthread_cond_init(&thread->work, NULL);
        ovs_mutex_lock(&thread->mutex);
        ovs_list_init(&thread->queue);
        mov_avg_cma_init(&thread->cma);
        mov_avg_ema_init(&thread->ema, EMA_N);
        ovs_mutex_unlock(&thread->mutex);
        ovs_thread_create("hw_offload", thread_main, thread);
    }
    ovsthread_once_done(&once);
}

bool
offload_op_queue(struct offload_op *op, unsigned int id)
{
    struct thread *thread;
    bool queued;

    start_threads();
    thread = &threads[id];
    ovs_mutex_lock(&thread->mutex);
    queued = op->queued;
    if (!queued) {
        op->queued = true;
        op->since = time_usec();
        ovs_list_push_back(&thread->queue, &op->node);
        if (!thread->n_queued++) {
            xpthread_cond_signal(&thread->work);
        }
    }
    ovs_mutex_unlock(&thread->mutex);
    return !queued;
}

/* Calls on all threads */

struct call {
    void (*cb)(void *aux, struct offload_thread *);
    void *aux;

    struct ovs_mutex mutex;
    pthread_cond_t done;
    unsigned int n_left OVS_GUARDED;
};

struct call_op {
    struct offload_op op;
    struct call *call;
};

static void
run_call(struct offload_op *op, struct offload_thread *thread)
{
    struct call *call = CONTAINER_OF(op, struct call_op, op)->call;

    call->cb(call->aux, thread);
    ovs_mutex_lock(&call->mutex);
    if (!--call->n_left) {
        xpthread_cond_signal(&call->done);
    }
    ovs_mutex_unlock(&call->mutex);
}

void
offload_call_all(void (*cb)(void *aux, struct offload_thread *), void *aux)
{
    struct call call = { .cb = cb, .aux = aux };
    struct call_op *ops;

    start_threads();
    ovs_mutex_init(&call.mutex);
    xpthread_cond_init(&call.done, NULL);
    ops = xcalloc(n_threads, sizeof *ops);

    ovs_mutex_lock(&call.mutex);
    call.n_left = n_threads;
    for (unsigned int i = 0; i < n_threads; i++) {
        ops[i].call = &call;
        offload_op_init(&ops[i].op, run_call);
        offload_op_queue(&ops[i].op, i);
    }
    while (call.n_left) {
        ovs_mutex_cond_wait(&call.done, &call.mutex);
    }
    ovs_mutex_unlock(&call.mutex);

    free(ops);
    xpthread_cond_destroy(&call.done);
    ovs_mutex_destroy(&call.mutex);
}

void
offload_thread_get_stats(unsigned int id, struct offload_thread_stats *stats)
{
    struct thread *thread;

    start_threads();
    thread = &threads[id];
    ovs_mutex_lock(&thread->mutex);
    stats->n_queued = thread->n_queued;
    stats->cma = mov_avg_cma(&thread->cma);
    stats->cma_stddev = mov_avg_cma_std_dev(&thread->cma);
    stats->ema = mov_avg_ema(&thread->ema);
    stats->ema_stddev = mov_avg_ema_std_dev(&thread->ema);
    ovs_mutex_unlock(&thread->mutex);
}
