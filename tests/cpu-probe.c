/*
 * Copyright (c) 2026 The OVS-Accel Authors.
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

/* Properties of a pair of CPUs, on which the speed of guests and switch
 * depends more than on anything else, and which change from one moment to the
 * next where CPUs are virtual.
 *
 *     cpu-probe 0 1
 *
 * prints, for each line that it reads,
 *
 *   - for "transfer" how many cycles of the time stamp counter it takes to
 *     hand a cache line from CPU 0 to CPU 1 or back,
 *
 *   - for "compute" how many cycles it takes the slower of the two CPUs to add
 *     some numbers while the other does so as well: more than usual if one of
 *     them shares a core with the other, or with another virtual machine's,
 *
 *   - for "wake" how many microseconds it takes CPU 0, after 20 ms in which
 *     neither did anything, to wake up a thread that sleeps on CPU 1,
 *
 *   - for "copy" how many cycles it takes CPU 1 to copy a frame of 64 KB from
 *     one guest's receive buffers to another's. */

#include <config.h>

#include <errno.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-numa.h"
#include "ovs-thread.h"
#include "util.h"

/* A line goes to and fro TRIPS times in each of SAMPLES samples. */
#define SAMPLES 21
#define TRIPS 100

#define WAKES 11
#define SILENCE 20000           /* Microseconds. */

#define ADDITIONS 10000         /* Six at a time, in each of SAMPLES. */

/* Two guests' receive rings, as in the rows about large frames. */
#define BUFFERS 1024
#define BUFFER_SIZE 2048
#define BUFFER_STRIDE 3072
#define FRAME_BUFFERS (65536 / BUFFER_SIZE)
#define FRAMES 24               /* In each of SAMPLES samples. */

#define CACHE_LINE 128          /* Two: some CPUs fetch pairs. */

static struct {
    OVS_ALIGNED_VAR(CACHE_LINE) atomic_uint32_t turn;
    OVS_ALIGNED_VAR(CACHE_LINE) int cpus[2];
} pair;

static int wake_fd;
static OVS_ALIGNED_VAR(CACHE_LINE) atomic_uint32_t n_woken;
static atomic_llong woken_at;   /* In nanoseconds. */

static void
run_on(int where)
{
    if (ovs_numa_thread_setaffinity_core(where)) {
        ovs_fatal(0, "cannot run on CPU %d", where);
    }
}

static long long int
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int
compare(const void *a_, const void *b_)
{
    const double *a = a_, *b = b_;

    return *a < *b ? -1 : *a > *b;
}

static double
median(double values[], size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return values[n / 2];
}

static void
show(double value)
{
    printf("%.1f\n", value);
    fflush(stdout);
}

static void
await(atomic_uint32_t *counter, uint32_t value)
{
    uint32_t now;

    do {
        atomic_read_explicit(counter, &now, memory_order_acquire);
    } while (now != value);
}

static void *
transfer_main(void *aux OVS_UNUSED)
{
    run_on(pair.cpus[1]);
    for (uint32_t i = 0; i < SAMPLES * TRIPS; i++) {
        await(&pair.turn, 2 * i + 1);
        atomic_store_explicit(&pair.turn, 2 * i + 2, memory_order_release);
    }
    return NULL;
}

static void
show_transfer(void)
{
    double cycles[SAMPLES];
    pthread_t other;

    atomic_store(&pair.turn, 0);
    other = ovs_thread_create("transfer", transfer_main, NULL);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        uint64_t then = rte_rdtsc();

        for (uint32_t j = i * TRIPS; j < (i + 1) * TRIPS; j++) {
            atomic_store_explicit(&pair.turn, 2 * j + 1, memory_order_release);
            await(&pair.turn, 2 * j + 2);
        }
        cycles[i] = (rte_rdtsc() - then) / (2.0 * TRIPS);
    }
    xpthread_join(other, NULL);
    show(median(cycles, SAMPLES));
}

/* In a register. */
static inline void
add(uint64_t *x, uint64_t y)
{
    *x += y;
    __asm__ volatile ("" : "+r" (*x));
}

/* Returns the median of the samples' cycles.  Additions that do not wait for
 * each other are enough for all that a core can do at a time. */
static double
compute(void)
{
    uint64_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0;
    double cycles[SAMPLES];

    for (size_t i = 0; i < SAMPLES; i++) {
        uint64_t then = rte_rdtsc();

        for (uint32_t j = 0; j < ADDITIONS; j++) {
            add(&a, j);
            add(&b, j);
            add(&c, j);
            add(&d, j);
            add(&e, j);
            add(&f, j);
        }
        cycles[i] = rte_rdtsc() - then;
    }
    return median(cycles, SAMPLES);
}

static void *
compute_main(void *cycles)
{
    run_on(pair.cpus[1]);
    atomic_store(&pair.turn, 1);
    await(&pair.turn, 2);
    *(double *) cycles = compute();
    return NULL;
}

static void
show_compute(void)
{
    double mine, others;
    pthread_t other;

    atomic_store(&pair.turn, 0);
    other = ovs_thread_create("compute", compute_main, &others);
    await(&pair.turn, 1);
    atomic_store(&pair.turn, 2);
    mine = compute();
    xpthread_join(other, NULL);
    show(MAX(mine, others));
}

/* Sleeps as polling threads do. */
static void *
wake_main(void *aux OVS_UNUSED)
{
    struct epoll_event event = { .events = EPOLLIN };
    int epoll_fd = epoll_create1(0);

    run_on(pair.cpus[1]);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event)) {
        ovs_fatal(errno, "epoll_ctl");
    }
    for (uint32_t i = 0; i < WAKES; i++) {
        eventfd_t value;

        while (epoll_wait(epoll_fd, &event, 1, -1) != 1) {
            continue;
        }
        atomic_store(&woken_at, now_ns());
        ignore(eventfd_read(wake_fd, &value));
        atomic_store(&n_woken, i + 1);
    }
    close(epoll_fd);
    return NULL;
}

static void
show_wake(void)
{
    double us[WAKES];
    pthread_t other;

    atomic_store(&n_woken, 0);
    other = ovs_thread_create("wake", wake_main, NULL);
    for (uint32_t i = 0; i < WAKES; i++) {
        long long int then, now;

        usleep(SILENCE);
        then = now_ns();
        if (eventfd_write(wake_fd, 1)) {
            ovs_fatal(errno, "eventfd_write");
        }
        await(&n_woken, i + 1);
        atomic_read(&woken_at, &now);
        us[i] = (now - then) / 1000.0;
    }
    xpthread_join(other, NULL);
    show(median(us, WAKES));
}

/* Copies forwards, as much at a time as the baseline's registers hold. */
static void
copy_buffer(uint8_t *dst, const uint8_t *src)
{
    for (size_t i = 0; i < BUFFER_SIZE; i += 16) {
        memcpy(dst + i, src + i, 16);
    }
}

static void *
copy_main(void *cycles_)
{
    const size_t size = (size_t) BUFFERS * BUFFER_STRIDE;
    uint8_t *guests[] = { xzalloc(size), xzalloc(size) };
    double *cycles = cycles_;
    size_t next = 0;

    run_on(pair.cpus[1]);
    for (size_t i = 0; i < SAMPLES; i++) {
        uint64_t then = rte_rdtsc();

        for (size_t j = 0; j < FRAMES * FRAME_BUFFERS; j++) {
            bool back = j / FRAME_BUFFERS % 2;

            copy_buffer(guests[!back] + next, guests[back] + next);
            next = (next + BUFFER_STRIDE) % size;
        }
        cycles[i] = (rte_rdtsc() - then) / (double) FRAMES;
    }
    free(guests[0]);
    free(guests[1]);
    return NULL;
}

static void
show_copy(void)
{
    double cycles[SAMPLES];

    xpthread_join(ovs_thread_create("copy", copy_main, cycles), NULL);
    show(median(cycles, SAMPLES));
}

int
main(int argc, char *argv[])
{
    char line[16];

    set_program_name(argv[0]);
    if (argc != 3 || !str_to_int(argv[1], 10, &pair.cpus[0])
        || !str_to_int(argv[2], 10, &pair.cpus[1])
        || pair.cpus[0] == pair.cpus[1]) {
        ovs_fatal(0, "usage: %s CPU CPU, with two CPUs", program_name);
    }
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);
    ovs_numa_init();
    wake_fd = eventfd(0, EFD_NONBLOCK);
    run_on(pair.cpus[0]);
    while (fgets(line, sizeof line, stdin)) {
        if (!strcmp(line, "transfer\n")) {
            show_transfer();
        } else if (!strcmp(line, "compute\n")) {
            show_compute();
        } else if (!strcmp(line, "wake\n")) {
            show_wake();
        } else if (!strcmp(line, "copy\n")) {
            show_copy();
        } else {
            ovs_fatal(0, "none of \"transfer\", \"compute\", \"wake\", "
                      "\"copy\": %s", line);
        }
    }
    return EXIT_SUCCESS;
}
