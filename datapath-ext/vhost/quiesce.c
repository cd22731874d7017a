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

#include "vhost/quiesce.h"

#include <sched.h>
#include <time.h>

#include "openvswitch/list.h"
#include "ovs-thread.h"
#include "timeval.h"
#include "util.h"
#include "vhost/vhost.h"

/* What a thread tells the others: an odd 'sequence' means that it is within a
 * section, and which. */
struct quiesce_record {
    OVS_ALIGNED_VAR(CACHE_LINE_SIZE) atomic_uint64_t sequence;
    unsigned int depth;         /* Nested sections; for the thread itself. */
    struct ovs_list node;       /* In 'records'. */
};

static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list records OVS_GUARDED_BY(mutex)
    = OVS_LIST_INITIALIZER(&records);

static __thread struct quiesce_record *self;

/* Serves only to learn of the end of a thread. */
static pthread_key_t exit_key;

static void
quiesce_unregister(void *record_)
{
    struct quiesce_record *record = record_;

    ovs_mutex_lock(&mutex);
    ovs_list_remove(&record->node);
    ovs_mutex_unlock(&mutex);

    free_cacheline(record);
}

static struct quiesce_record *
quiesce_register(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    struct quiesce_record *record;

    if (ovsthread_once_start(&once)) {
        xpthread_key_create(&exit_key, quiesce_unregister);
        ovsthread_once_done(&once);
    }

    record = xzalloc_cacheline(sizeof *record);
    atomic_init(&record->sequence, 0);

    ovs_mutex_lock(&mutex);
    ovs_list_push_back(&records, &record->node);
    ovs_mutex_unlock(&mutex);

    xpthread_setspecific(exit_key, record);
    self = record;
    return record;
}

void
vhost_enter(void)
{
    struct quiesce_record *record = self ? self : quiesce_register();
    uint64_t sequence;

    if (record->depth++) {
        return;
    }
    atomic_read_relaxed(&record->sequence, &sequence);
    atomic_store_relaxed(&record->sequence, sequence + 1);

    /* Pairs with the fence in vhost_quiesce(): either that function sees us
     * here, or we see what was made unreachable before it was called. */
    atomic_thread_fence(memory_order_seq_cst);
}

void
vhost_exit(void)
{
    uint64_t sequence;

    if (--self->depth) {
        return;
    }
    atomic_read_relaxed(&self->sequence, &sequence);
    atomic_store_explicit(&self->sequence, sequence + 1,
                          memory_order_release);
}

/* Waits for the thread behind 'record' to leave the section that it is in, if
 * any.  A thread that was preempted in its section needs the CPU more than we
 * do, hence the yield, then the sleep. */
static void
quiesce_wait(struct quiesce_record *record)
{
    const struct timespec pause = { .tv_nsec = 10 * 1000 };
    uint64_t before, now;

    atomic_read_explicit(&record->sequence, &before, memory_order_acquire);
    if (!(before & 1)) {
        return;
    }

    for (int i = 0; ; i++) {
        atomic_read_explicit(&record->sequence, &now, memory_order_acquire);
        if (now != before) {
            return;
        } else if (i < 10) {
            sched_yield();
        } else {
            /* Not xnanosleep(): librte_vhost's threads have no RCU state and
             * must not get one, as they would never quiesce. */
            nanosleep(&pause, NULL);
        }
    }
}

unsigned int
vhost_quiesce(void)
{
    long long int start = time_usec();
    struct quiesce_record *record;

    atomic_thread_fence(memory_order_seq_cst);

    ovs_mutex_lock(&mutex);
    LIST_FOR_EACH (record, node, &records) {
        quiesce_wait(record);
    }
    ovs_mutex_unlock(&mutex);

    return MAX(0, time_usec() - start);
}
