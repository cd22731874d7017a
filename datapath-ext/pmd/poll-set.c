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

#include <errno.h>
#include <rte_cycles.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "pmd/pmd-private.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(accel_poll_set);

/* The poll set
 *
 * A thread polls the queues of its list.  A guest's queue that has been silent
 * falls asleep: the guest is asked to kick, and the queue is not looked at
 * until it does.  When all are asleep, the thread blocks.  Other queues, which
 * can only be polled, never sleep. */

/* How long a guest must have been silent.  It is many times what a kick costs
 * (one or two microseconds of the guest's time, and some more for waking a
 * thread that blocks), so that polling in vain and kicking in vain cost about
 * the same at worst, and it is above any round trip in the machine, so that
 * neither a busy guest nor one that waits for each answer falls asleep. */
#define SILENCE_US 500

/* How often a thread that is busy looks for kicks.  The look costs less than
 * a microsecond, however many queues are asleep, so that is about 1 % of its
 * time, and a queue that wakes waits for no longer than this.  A thread that
 * polled in vain looks in each round: it has the time, and where a guest
 * answers another one, its queue may well be asleep. */
#define LOOK_US 50

/* How old the time may be that flows' statistics are kept with. */
#define NOW_US 100

/* Kicks that are taken at once. */
#define MAX_KICKS 64

/* Cookies of the set's eventfd and of the waiter's.  Those of queues have the
 * lower half of the list's serial number above their index. */
#define COOKIE_WAKE UINT64_MAX
#define COOKIE_WAKE_QUEUES (UINT64_MAX - 1)

static uint64_t
make_cookie(uint64_t serial, size_t i)
{
    return serial << 32 | i;
}

static int
create_eventfd(int epfd, uint64_t cookie)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLET,
        .data.u64 = cookie,
    };
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    /* Fails, too, if there is no 'epfd'. */
    if (fd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event)) {
        VLOG_FATAL("cannot make what a polling thread waits with (%s): raise "
                   "the limit of open files", ovs_strerror(errno));
    }
    return fd;
}

void
poll_set_create(struct pmd *pmd)
{
    struct poll_set *set = &pmd->poll_set;

    set->waiter.epfd = epoll_create1(EPOLL_CLOEXEC);
    set->waiter.eventfd = create_eventfd(set->waiter.epfd, COOKIE_WAKE_QUEUES);
    set->eventfd = create_eventfd(set->waiter.epfd, COOKIE_WAKE);
}

void
poll_set_destroy(struct pmd *pmd)
{
    struct poll_set *set = &pmd->poll_set;

    close(set->waiter.epfd);
    close(set->waiter.eventfd);
    close(set->eventfd);
    free(set->queues);
    free(set->awake);
}

void
poll_set_attach(struct pmd *pmd, const struct pmd_poll_list *old,
                const struct pmd_poll_list *list)
{
    for (size_t i = 0; old && i < old->n; i++) {
        const struct pmd_rxq *rxq = &old->polled[i].rxq;

        if (rxq->port->vhost) {
            vhost_rx_detach(rxq->port->vhost, rxq->qid);
        }
    }
    for (size_t i = 0; i < list->n; i++) {
        const struct pmd_rxq *rxq = &list->polled[i].rxq;

        if (rxq->port->vhost) {
            vhost_rx_attach(rxq->port->vhost, rxq->qid, &pmd->poll_set.waiter,
                            make_cookie(list->serial, i));
        }
    }
}

void
poll_set_wake(struct pmd *pmd)
{
    eventfd_write(pmd->poll_set.eventfd, 1);
}

void
poll_set_wake_queues(struct pmd *pmd)
{
    eventfd_write(pmd->poll_set.waiter.eventfd, 1);
}

/* Polls queue 'i' of 'list', and its guest need not kick.  That it did not
 * sleep does no harm. */
static void
wake_queue(struct pmd *pmd, const struct pmd_poll_list *list, size_t i)
{
    const struct pmd_rxq *rxq = &list->polled[i].rxq;
    struct poll_set *set = &pmd->poll_set;
    struct poll_queue *q = &set->queues[i];

    if (!q->awake) {
        q->awake = true;
        q->n_empty = 0;
        set->awake[set->n_awake++] = i;
        if (rxq->port->vhost) {
            vhost_enter();
            vhost_rx_wake(rxq->port->vhost, rxq->qid);
            vhost_exit();
        }
    }
}

static void
wake_all(struct pmd *pmd, const struct pmd_poll_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        wake_queue(pmd, list, i);
    }
}

/* Begins with 'list', which is new, all of it awake. */
static void
load(struct pmd *pmd, const struct pmd_poll_list *list)
{
    struct poll_set *set = &pmd->poll_set;

    free(set->queues);
    free(set->awake);
    set->queues = xcalloc(list->n, sizeof *set->queues);
    set->awake = xcalloc(list->n, sizeof *set->awake);
    set->serial = list->serial;
    set->n_queues = list->n;
    set->n_awake = 0;
    /* DPDK runs, or there is no guest's queue. */
    set->look_cycles = rte_get_tsc_hz() * LOOK_US / 1000000;
    set->silence_cycles = rte_get_tsc_hz() * SILENCE_US / 1000000;
    set->now_cycles = rte_get_tsc_hz() * NOW_US / 1000000;
    wake_all(pmd, list);
}

/* Wakes the queues that 'events' are about.  A cookie of another list can be
 * ignored: a list begins with all queues awake. */
static void
handle(struct pmd *pmd, const struct pmd_poll_list *list,
       const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t cookie = events[i].data.u64;
        uint32_t index = cookie;

        if (cookie == COOKIE_WAKE_QUEUES) {
            wake_all(pmd, list);
        } else if (index < list->n
                   && cookie == make_cookie(list->serial, index)) {
            pmd_count(pmd, PMD_KICKS, !pmd->poll_set.queues[index].awake);
            wake_queue(pmd, list, index);
        }
    }
}

/* Nothing that an event tells of is missed, as long as it is looked at after
 * the event was taken: here the list, then, in the caller, answers and
 * queues. */
const struct pmd_poll_list *
poll_set_begin(struct pmd *pmd, uint64_t now, bool idle)
{
    struct poll_set *set = &pmd->poll_set;
    struct epoll_event events[MAX_KICKS];
    const struct pmd_poll_list *list;
    int n = 0;

    if (set->n_awake < set->n_queues && (idle || now >= set->next_look)) {
        set->next_look = now + set->look_cycles;
        n = epoll_wait(set->waiter.epfd, events, MAX_KICKS, 0);
    }
    list = ovsrcu_get(struct pmd_poll_list *, &pmd->poll_list);
    if (OVS_UNLIKELY(list->serial != set->serial)) {
        load(pmd, list);
    }
    handle(pmd, list, events, n);
    return list;
}

bool
poll_set_retire(struct pmd *pmd, const struct pmd_poll_list *list, size_t i)
{
    struct poll_set *set = &pmd->poll_set;
    const struct pmd_rxq *rxq = &list->polled[set->awake[i]].rxq;
    struct poll_queue *q = &set->queues[set->awake[i]];
    bool asleep = false, busy_poll;

    atomic_read_relaxed(&pmd->env->busy_poll, &busy_poll);
    if (!busy_poll) {
        vhost_enter();
        asleep = vhost_rx_sleep(rxq->port->vhost, rxq->qid);
        vhost_exit();
    }
    q->n_empty = 0;
    if (asleep) {
        q->awake = false;
        set->awake[i] = set->awake[--set->n_awake];
    }
    return asleep;
}

/* Returns true if the thread may block.  Whatever changes after this look at
 * it comes with an event. */
static bool
may_block(struct pmd *pmd)
{
    struct poll_set *set = &pmd->poll_set;
    bool exiting;

    atomic_read_explicit(&pmd->exiting, &exiting, memory_order_acquire);
    return (!set->n_awake
            && ovsrcu_get(struct pmd_poll_list *,
                          &pmd->poll_list)->serial == set->serial
            && (!exiting || upcall_client_is_busy(pmd->client)));
}

bool
poll_set_block(struct pmd *pmd, int timeout)
{
    struct poll_set *set = &pmd->poll_set;
    struct epoll_event events[MAX_KICKS];
    const struct pmd_poll_list *list;
    uint64_t start;
    int n;

    if (!may_block(pmd)) {
        return false;
    }
    start = rte_get_tsc_cycles();
    ovsrcu_quiesce_start();
    n = epoll_wait(set->waiter.epfd, events, MAX_KICKS, timeout);
    ovsrcu_quiesce_end();
    if (set->n_queues) {
        pmd_count(pmd, PMD_SLEEPS, 1);
        pmd_count(pmd, PMD_SLEEP_CYCLES, rte_get_tsc_cycles() - start);
    }
    list = ovsrcu_get(struct pmd_poll_list *, &pmd->poll_list);
    if (list->serial == set->serial) {
        handle(pmd, list, events, n);
    }
    return true;
}
