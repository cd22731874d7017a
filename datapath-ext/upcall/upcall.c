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

#include "upcall/upcall.h"

#include "coverage.h"
#include "dp-packet.h"
#include "hash.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "upcall/upcall-private.h"

VLOG_DEFINE_THIS_MODULE(accel_upcall);

COVERAGE_DEFINE(accel_upcall_lost);

/* Items that a thread takes from a port before the next port's turn. */
#define UPCALL_TURN 16

struct upcall *
upcall_create(const char *dp_name, struct megaflow_table *flows)
{
    struct upcall *u = xzalloc(sizeof *u);

    u->dp_name = xstrdup(dp_name);
    u->flows = flows;
    ovs_mutex_init(&u->mutex);
    xpthread_cond_init(&u->work, NULL);
    xpthread_cond_init(&u->idle, NULL);
    ovs_mutex_lock(&u->mutex);
    hmap_init(&u->queues);
    ovs_list_init(&u->ready);
    ovs_mutex_unlock(&u->mutex);
    return u;
}

void
upcall_destroy(struct upcall *u)
{
    struct upcall_queue *queue;

    upcall_disable(u);
    upcall_set_n_threads(u, 0);
    ovs_mutex_lock(&u->mutex);
    HMAP_FOR_EACH_POP (queue, node, &u->queues) {
        free(queue);
    }
    hmap_destroy(&u->queues);
    ovs_mutex_unlock(&u->mutex);
    xpthread_cond_destroy(&u->work);
    xpthread_cond_destroy(&u->idle);
    ovs_mutex_destroy(&u->mutex);
    free(u->threads);
    free(u->dp_name);
    free(u);
}

void
upcall_register_cb(struct upcall *u, upcall_callback *cb, void *aux)
{
    u->cb = cb;
    u->cb_aux = aux;
}

void
upcall_enable(struct upcall *u)
{
    ovs_mutex_lock(&u->mutex);
    u->enabled = true;
    ovs_mutex_unlock(&u->mutex);
}

/* Gives all that is queued back unanswered. */
static void
drain_queues(struct upcall *u)
    OVS_REQUIRES(u->mutex)
{
    struct upcall_queue *queue;

    HMAP_FOR_EACH (queue, node, &u->queues) {
        struct upcall_item *item;

        LIST_FOR_EACH_POP (item, queue_node, &queue->items) {
            item->verdict = UPCALL_DROP;
            item->reason = PORT_DROP_UPCALL_OFF;
            u->n_lost++;
            upcall_client_answer(item);
        }
        u->n_queued -= queue->n_items;
        queue->n_items = 0;
        if (!queue->busy) {
            ovs_list_remove(&queue->ready_node);
            ovs_list_init(&queue->ready_node);
        }
    }
}

void
upcall_disable(struct upcall *u)
{
    ovs_mutex_lock(&u->mutex);
    u->enabled = false;
    drain_queues(u);
    while (u->n_running) {
        ovs_mutex_cond_wait(&u->idle, &u->mutex);
    }
    ovs_mutex_unlock(&u->mutex);
}

static struct upcall_queue *
find_queue(struct upcall *u, odp_port_t in_port)
    OVS_REQUIRES(u->mutex)
{
    uint32_t hash = hash_int(odp_to_u32(in_port), 0);
    struct upcall_queue *queue;

    HMAP_FOR_EACH_WITH_HASH (queue, node, hash, &u->queues) {
        if (queue->in_port == in_port) {
            return queue;
        }
    }
    queue = xzalloc(sizeof *queue);
    queue->in_port = in_port;
    ovs_list_init(&queue->items);
    ovs_list_init(&queue->ready_node);
    hmap_insert(&u->queues, &queue->node, hash);
    return queue;
}

bool
upcall_enqueue(struct upcall *u, odp_port_t in_port, struct upcall_item *item,
               enum port_drop *reason)
{
    struct upcall_queue *queue;
    bool ok = false;

    ovs_mutex_lock(&u->mutex);
    queue = find_queue(u, in_port);
    if (!u->enabled) {
        *reason = PORT_DROP_UPCALL_OFF;
    } else if (queue->n_items >= UPCALL_QUEUE_MAX) {
        *reason = PORT_DROP_UPCALL_QUEUE;
    } else {
        ovs_list_push_back(&queue->items, &item->queue_node);
        u->n_queued++;
        if (!queue->n_items++ && !queue->busy) {
            ovs_list_push_back(&u->ready, &queue->ready_node);
            xpthread_cond_signal(&u->work);
        }
        ok = true;
    }
    if (!ok) {
        u->n_lost++;
        COVERAGE_INC(accel_upcall_lost);
    }
    ovs_mutex_unlock(&u->mutex);
    return ok;
}

/* Upcall threads */

static void
answer_item(struct upcall *u, struct upcall_item *item)
{
    item->verdict = (item->pending
                     ? upcall_ask_miss(u, item->packet, upcall_item_key(item),
                                       &item->actions, &item->reason)
                     : upcall_ask_action(u, item->packet, item->userdata,
                                         &item->actions, &item->reason));
    upcall_client_answer(item);
}

/* Serves one turn of 'queue', which the caller has marked busy. */
static void
serve_queue(struct upcall *u, struct upcall_queue *queue)
    OVS_REQUIRES(u->mutex)
{
    for (int i = 0; i < UPCALL_TURN && queue->n_items; i++) {
        struct ovs_list *node = ovs_list_pop_front(&queue->items);

        queue->n_items--;
        u->n_queued--;
        ovs_mutex_unlock(&u->mutex);
        answer_item(u, CONTAINER_OF(node, struct upcall_item, queue_node));
        ovs_mutex_lock(&u->mutex);
    }
}

static void *
upcall_thread_main(void *u_)
{
    struct upcall *u = u_;

    ovs_mutex_lock(&u->mutex);
    while (!u->exiting) {
        struct upcall_queue *queue;

        if (ovs_list_is_empty(&u->ready)) {
            ovsrcu_quiesce_start();
            ovs_mutex_cond_wait(&u->work, &u->mutex);
            ovsrcu_quiesce_end();
            continue;
        }
        queue = CONTAINER_OF(ovs_list_pop_front(&u->ready),
                             struct upcall_queue, ready_node);
        ovs_list_init(&queue->ready_node);
        queue->busy = true;
        serve_queue(u, queue);
        queue->busy = false;
        if (queue->n_items) {
            ovs_list_push_back(&u->ready, &queue->ready_node);
        }
        ovs_mutex_unlock(&u->mutex);
        ovsrcu_quiesce();
        ovs_mutex_lock(&u->mutex);
    }
    ovs_mutex_unlock(&u->mutex);
    return NULL;
}

static void
stop_threads(struct upcall *u)
{
    ovs_mutex_lock(&u->mutex);
    u->exiting = true;
    xpthread_cond_broadcast(&u->work);
    ovs_mutex_unlock(&u->mutex);

    ovsrcu_quiesce_start();
    for (unsigned int i = 0; i < u->n_threads; i++) {
        xpthread_join(u->threads[i], NULL);
    }
    ovsrcu_quiesce_end();

    ovs_mutex_lock(&u->mutex);
    u->exiting = false;
    ovs_mutex_unlock(&u->mutex);
    free(u->threads);
    u->threads = NULL;
    u->n_threads = 0;
}

void
upcall_set_n_threads(struct upcall *u, unsigned int n)
{
    if (n == u->n_threads) {
        return;
    }
    stop_threads(u);
    u->threads = xcalloc(n, sizeof *u->threads);
    for (unsigned int i = 0; i < n; i++) {
        u->threads[i] = ovs_thread_create("accel_upcall",
                                          upcall_thread_main, u);
    }
    u->n_threads = n;
}

void
upcall_get_stats(struct upcall *u, struct upcall_stats *stats)
{
    ovs_mutex_lock(&u->mutex);
    stats->asked = u->n_asked;
    stats->lost = u->n_lost;
    stats->queued = u->n_queued;
    stats->n_threads = u->n_threads;
    ovs_mutex_unlock(&u->mutex);
}
