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

/* A guest's transmit ring that sleeps and wakes
 *
 * One thread is the guest: the scripted guest's ring code.  Another is a
 * polling thread that goes to sleep as soon as it finds nothing.  The guest
 * makes packets available at random moments and waits for them to be taken: no
 * later packet comes to the rescue of one that was overlooked. */

#include <config.h>
#undef NDEBUG

#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ovs-thread.h"
#include "ovstest.h"
#include "random.h"
#include "test-vring.h"
#include "util.h"
#include "vhost-guest.h"

#define RING_SIZE 64
#define MAX_BATCH 4
#define FRAME_LEN 64

/* When the test fails: a thread that waits this long waits for ever. */
#define PATIENCE_MS 60000

struct sleep_test {
    /* The guest. */
    struct vg_mem mem;
    struct vg_ring ring;
    struct vg_buf bufs[RING_SIZE];
    unsigned int n_bufs;        /* Of them, those not in use. */
    struct vg_buf *free[RING_SIZE];

    /* The switch. */
    struct guest_memory *map;
    struct vhost_queue queue;
    struct vhost_port port;
    struct vhost_waiter waiter;
    struct vhost_burst burst;

    atomic_uint64_t n_taken;
    uint64_t n_sent, n_total;
};

static void
test_init(struct sleep_test *t, bool packed, bool event_idx)
{
    struct vring_config config = {
        .name = "test",
        .index = 1,
        .features = (F(VIRTIO_F_VERSION_1)
                     | (packed ? F(VIRTIO_F_RING_PACKED) : 0)
                     | (event_idx ? F(VIRTIO_RING_F_EVENT_IDX) : 0)),
        .size = RING_SIZE,
        .callfd = -1,
        .avail_base = packed ? 0x8000 : 0,
        .used_base = packed ? 0x8000 : 0,
    };
    struct guest_region region = { .gpa = 0 };
    struct vhost_ring *ring;

    ovs_assert(!vg_mem_init(&t->mem, 1, 1 << 20)
               && !vg_ring_init(&t->ring, &t->mem, 0, RING_SIZE));
    vg_ring_reset(&t->ring, packed, event_idx);
    for (int i = 0; i < RING_SIZE; i++) {
        t->bufs[i].segs[0].iov_len = sizeof(struct virtio_net_hdr_v1)
                                     + FRAME_LEN;
        t->bufs[i].segs[0].iov_base = vg_mem_alloc(
            &t->mem, 0, t->bufs[i].segs[0].iov_len);
        t->bufs[i].n_segs = 1;
        t->free[t->n_bufs++] = &t->bufs[i];
    }

    region.size = t->mem.regions[0].size;
    region.hva = (uint8_t *) t->mem.regions[0].base;
    t->map = guest_memory_create(&region, 1);
    config.memory = t->map;
    config.desc = t->ring.desc;
    config.driver = t->ring.driver;
    config.device = t->ring.device;
    ovs_assert(!vring_create(&config, &ring));

    ovs_mutex_init(&t->port.mutex);
    atomic_init(&t->port.up, true);
    t->port.max_qpairs = 1;
    t->port.rx = &t->queue;
    vhost_queue_init_waiter(&t->queue);
    t->waiter.epfd = epoll_create1(0);
    t->waiter.eventfd = eventfd(0, 0);
    vhost_rx_ring_up(&t->queue, t->ring.kickfd);
    atomic_init(&t->queue.ring, ring);
    vhost_rx_attach(&t->port, 0, &t->waiter, 42);
}

static void
test_uninit(struct sleep_test *t)
{
    vhost_rx_detach(&t->port, 0);
    vhost_rx_ring_down(&t->queue);
    vring_destroy(vhost_queue_get_ring(&t->queue));
    close(t->waiter.epfd);
    close(t->waiter.eventfd);
    ovs_mutex_destroy(&t->port.mutex);
    guest_memory_destroy(t->map);
    vg_ring_uninit(&t->ring);
    vg_mem_uninit(&t->mem);
}

/* The polling thread */

static bool
fall_asleep(struct sleep_test *t)
{
    bool asleep;

    vhost_enter();
    asleep = vhost_rx_sleep(&t->port, 0);
    vhost_exit();
    ovs_assert(asleep == vhost_rx_is_asleep(&t->port, 0));
    return asleep;
}

static void
await_kick(struct sleep_test *t)
{
    struct epoll_event event;

    if (epoll_wait(t->waiter.epfd, &event, 1, PATIENCE_MS) != 1) {
        ovs_fatal(0, "a packet waits and no kick comes");
    }
    ovs_assert(event.data.u64 == 42);
    vhost_enter();
    vhost_rx_wake(&t->port, 0);
    vhost_exit();
    ovs_assert(!vhost_rx_is_asleep(&t->port, 0));
}

static void *
poller_main(void *t_)
{
    struct sleep_test *t = t_;
    uint64_t n_taken = 0;

    while (n_taken < t->n_total) {
        unsigned int n;

        vhost_enter();
        n = vhost_peek(&t->port, 0, &t->burst);
        vhost_release(&t->port, 0, &t->burst);
        vhost_exit();
        n_taken += n;
        atomic_store_explicit(&t->n_taken, n_taken, memory_order_release);
        if (!n && fall_asleep(t)) {
            await_kick(t);
        }
    }
    return NULL;
}

/* The guest */

static void
reap(struct sleep_test *t)
{
    struct vg_buf *buf;
    uint32_t len;

    while ((buf = vg_ring_get(&t->ring, &len)) != NULL) {
        t->free[t->n_bufs++] = buf;
    }
    ovs_assert(!t->ring.broken);
}

/* Sends a few packets, all at once or not. */
static void
send_batch(struct sleep_test *t)
{
    unsigned int n = 1 + random_range(MAX_BATCH);
    bool at_once = random_range(2);

    n = MIN(n, t->n_total - t->n_sent);
    while (n) {
        reap(t);
        if (t->n_bufs) {
            ovs_assert(!vg_ring_add(&t->ring, t->free[--t->n_bufs]));
            t->n_sent++;
            n--;
        }
        if (!at_once || !n) {
            vg_ring_publish(&t->ring);
        }
    }
}

static void
guest_main(struct sleep_test *t)
{
    while (t->n_sent < t->n_total) {
        uint64_t n_taken;

        send_batch(t);
        do {
            atomic_read_explicit(&t->n_taken, &n_taken, memory_order_acquire);
        } while (n_taken < t->n_sent && (sched_yield(), true));

        /* Some time between the first look of the thread and its sleep. */
        if (random_range(2)) {
            for (volatile int i = random_range(300); i > 0; i--) {
                continue;
            }
        } else {
            sched_yield();
        }
    }
}

static void
test_sleep(bool packed, bool event_idx, uint64_t n_total)
{
    struct sleep_test *t = xzalloc_cacheline(sizeof *t);
    pthread_t poller;

    test_init(t, packed, event_idx);
    t->n_total = n_total;
    poller = ovs_thread_create("poller", poller_main, t);
    guest_main(t);
    xpthread_join(poller, NULL);
    ovs_assert(t->queue.stats.packets == n_total);
    printf("%s, event_idx %d: slept %"PRIu64" times, %"PRIu64" kicks, "
           "%"PRIu64" times without\n", packed ? "packed" : "split",
           event_idx, t->queue.stats.sleeps, t->ring.n_kicks,
           t->ring.n_quiet);
    ovs_assert(t->ring.n_kicks && t->queue.stats.sleeps);
    test_uninit(t);
    free_cacheline(t);
}

/* usage: test-vring-sleep PACKETS [SEED] */
static void
test_vring_sleep_main(int argc, char *argv[])
{
    uint64_t n = argc > 1 ? atoi(argv[1]) : 10000;
    uint32_t seed;

    random_init();
    seed = argc > 2 ? atoi(argv[2]) : random_uint32() | 1;
    random_set_seed(seed);
    printf("seed %"PRIu32"\n", seed);
    for (int i = 0; i < 4; i++) {
        test_sleep(i & 1, i & 2, n);
    }
}

OVSTEST_REGISTER("test-vring-sleep", test_vring_sleep_main);
