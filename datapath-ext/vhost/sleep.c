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
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ovs-thread.h"
#include "util.h"
#include "vhost/vhost.h"
#include "vhost/vhost-private.h"

/* Waiting for a silent guest
 *
 * The guest's kick descriptor is registered with the waiter's epoll descriptor
 * as long as the ring lives, also while the thread polls and the guest is
 * asked not to kick: going to sleep costs no system call.  The registration is
 * edge-triggered and the descriptor is never read, so a guest cannot make the
 * thread block there. */

void
vhost_queue_init_waiter(struct vhost_queue *queue)
{
    queue->waiter.epfd = queue->waiter.eventfd = -1;
    queue->kickfd = -1;
    atomic_init(&queue->heard, false);
    atomic_init(&queue->asleep, false);
}

/* Makes kicks arrive at the waiter, if there are both. */
static void
start_hearing(struct vhost_queue *queue)
{
    if (queue->waiter.epfd >= 0 && queue->kickfd >= 0) {
        struct epoll_event event = {
            .events = EPOLLIN | EPOLLET,
            .data.u64 = queue->cookie,
        };

        atomic_store_relaxed(&queue->heard,
                             !epoll_ctl(queue->waiter.epfd, EPOLL_CTL_ADD,
                                        queue->kickfd, &event));
    }
}

/* Must come before the descriptor is closed: the guest keeps a copy, for the
 * sake of which the kernel would keep the registration. */
static void
stop_hearing(struct vhost_queue *queue)
{
    bool heard;

    atomic_read_relaxed(&queue->heard, &heard);
    if (heard) {
        epoll_ctl(queue->waiter.epfd, EPOLL_CTL_DEL, queue->kickfd, NULL);
        atomic_store_relaxed(&queue->heard, false);
    }
}

/* The front end may send any file as a kick descriptor, also one with a poll
 * function that blocks, as FUSE has it. */
static bool
is_eventfd(int fd)
{
    static const char eventfd[] = "anon_inode:[eventfd]";
    char path[32], target[sizeof eventfd];
    ssize_t n;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    n = readlink(path, target, sizeof target);
    return n == sizeof eventfd - 1 && !memcmp(target, eventfd, n);
}

/* 'queue' is about to get a ring whose guest kicks 'kickfd', if that is not
 * negative.  A guest that cannot kick is polled. */
void
vhost_rx_ring_up(struct vhost_queue *queue, int kickfd)
{
    if (kickfd >= 0 && is_eventfd(kickfd)) {
        queue->kickfd = fcntl(kickfd, F_DUPFD_CLOEXEC, 0);
        start_hearing(queue);
    }
}

/* Nobody uses the ring of 'queue' any more. */
void
vhost_rx_ring_down(struct vhost_queue *queue)
{
    stop_hearing(queue);
    if (queue->kickfd >= 0) {
        close(queue->kickfd);
        queue->kickfd = -1;
    }
}

/* Has the waiter of 'queue' look at it. */
void
vhost_rx_look(struct vhost_queue *queue)
{
    uint64_t one = 1;

    if (queue->waiter.eventfd >= 0) {
        ignore(write(queue->waiter.eventfd, &one, sizeof one));
    }
}

void
vhost_rx_attach(struct vhost_port *port, unsigned int qid,
                const struct vhost_waiter *waiter, uint64_t cookie)
{
    struct vhost_queue *queue = &port->rx[qid];

    ovs_mutex_lock(&port->mutex);
    stop_hearing(queue);
    queue->waiter = *waiter;
    queue->cookie = cookie;
    start_hearing(queue);
    ovs_mutex_unlock(&port->mutex);
}

void
vhost_rx_detach(struct vhost_port *port, unsigned int qid)
{
    struct vhost_queue *queue = &port->rx[qid];

    ovs_mutex_lock(&port->mutex);
    stop_hearing(queue);
    queue->waiter.epfd = queue->waiter.eventfd = -1;
    ovs_mutex_unlock(&port->mutex);
}

bool
vhost_rx_sleep(struct vhost_port *port, unsigned int qid)
{
    struct vhost_queue *queue = &port->rx[qid];
    struct vhost_ring *ring = vhost_queue_get_ring(queue);

    /* Without a ring, or when the port is down, there is nothing to receive
     * until vhost_rx_look() is called. */
    if (ring && vhost_port_may_run(port)) {
        bool heard;

        atomic_read_relaxed(&queue->heard, &heard);
        if (!heard || !vring_sleep(ring)) {
            return false;
        }
        if (vhost_port_get_broken(port)) {
            /* By that look, at memory that the guest has taken back. */
            vhost_port_tell_broken(port);
        }
    }
    atomic_store_relaxed(&queue->asleep, true);
    vhost_stat_add(&queue->stats.sleeps, 1);
    return true;
}

void
vhost_rx_wake(struct vhost_port *port, unsigned int qid)
{
    struct vhost_queue *queue = &port->rx[qid];

    if (vhost_rx_is_asleep(port, qid)) {
        struct vhost_ring *ring = vhost_queue_get_ring(queue);

        atomic_store_relaxed(&queue->asleep, false);
        if (ring && !ring->broken) {
            vring_wake(ring);
        }
    }
}

bool
vhost_rx_is_asleep(const struct vhost_port *port, unsigned int qid)
{
    bool asleep;

    atomic_read_relaxed(&port->rx[qid].asleep, &asleep);
    return asleep;
}
