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

/* Tests of what rings rest on: guest memory, copying it, and waiting until no
 * thread uses it. */

#include <config.h>
#undef NDEBUG

#include "test-vring.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ovs-thread.h"
#include "random.h"
#include "util.h"
#include "vhost/quiesce.h"
#include "vhost/vring-private.h"

/* Guest memory */

static void
test_regions(void)
{
    static uint8_t ram[3 * 4096];
    const struct guest_region regions[] = {
        { 0x10000, 4096, ram, NULL, 0 },
        { 0x11000, 4096, ram + 8192, NULL, 0 },
        { UINT64_MAX - 4095, 4096, ram + 4096, NULL, 0 },
        /* Wraps around: left out. */
        { UINT64_MAX - 10, 4096, ram + 4096, NULL, 0 },
    };
    static const struct {
        uint64_t gpa, len;
        int at;                 /* In 'ram', or -1. */
    } cases[] = {
        { 0x10000, 1, 0 },
        { 0x10000, 4096, 0 },
        { 0x10000, 4097, -1 },  /* Into the next region. */
        { 0x10fff, 1, 4095 },
        { 0x10fff, 2, -1 },
        { 0x11000, 4096, 8192 },
        { 0x11001, 4096, -1 },
        { 0x12000, 1, -1 },
        { 0x0ffff, 1, -1 },
        { 0x0ffff, 2, -1 },
        { 0x10001, UINT64_MAX, -1 },
        { 0x10001, UINT64_MAX - 0x10000, -1 },
        { UINT64_MAX, 1, 8191 },
        { UINT64_MAX, 2, -1 },
        { UINT64_MAX - 4095, 4096, 4096 },
        { 0, 1, -1 },
        { 0, UINT64_MAX, -1 },
    };
    struct guest_memory *mem = guest_memory_create(regions,
                                                   ARRAY_SIZE(regions));
    struct guest_memory *none = guest_memory_create(NULL, 0);
    const struct guest_region *region;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        /* Whatever region was used before. */
        for (unsigned int hint = 0; hint < mem->n_regions; hint++) {
            const struct guest_region *h = &mem->regions[hint];
            uint8_t *p = guest_memory_translate(mem, &h, cases[i].gpa,
                                                cases[i].len);

            ovs_assert(p == (cases[i].at < 0 ? NULL : ram + cases[i].at));
        }
        region = none->regions;
        ovs_assert(!guest_memory_translate(none, &region, cases[i].gpa,
                                           cases[i].len));
    }
    ovs_assert(mem->n_regions == 3);
    ovs_assert(guest_memory_find_host(mem, ram, 4096) == &mem->regions[0]);
    ovs_assert(!guest_memory_find_host(mem, ram + 1, 4096));
    ovs_assert(!guest_memory_find_host(mem, ram + 3 * 4096, 1));
    guest_memory_destroy(mem);
    guest_memory_destroy(none);
}

/* A guest that truncates its memory: no signal is left for us, the port is
 * stopped, and other memory stays as it is. */
static void
test_lost(void)
{
    const size_t size = 4 * 4096;
    struct guest_region regions[2];
    struct guest_memory *mem;
    ATOMIC(const char *) broken;
    const char *reason;
    int fds[2];

    atomic_init(&broken, NULL);
    memset(regions, 0, sizeof regions);
    for (int i = 0; i < 2; i++) {
        fds[i] = memfd_create("test", 0);
        ovs_assert(fds[i] >= 0 && !ftruncate(fds[i], size));
        regions[i].gpa = i * size;
        regions[i].size = regions[i].map_size = size;
        regions[i].map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
                              fds[i], 0);
        ovs_assert(regions[i].map != MAP_FAILED);
        regions[i].hva = regions[i].map;
        memset(regions[i].hva, 1, size);
    }
    mem = guest_memory_create(regions, 2);
    guest_memory_guard(mem, "test", &broken);

    ovs_assert(!ftruncate(fds[0], 4096));
    ovs_assert(regions[0].hva[0] == 1 && !guest_memory_is_lost(mem));
    ovs_assert(*(volatile uint8_t *) &regions[0].hva[5000] == 0);
    ovs_assert(guest_memory_is_lost(mem));
    atomic_read(&broken, &reason);
    ovs_assert(reason);
    *(volatile uint8_t *) &regions[0].hva[size - 1] = 5;
    ovs_assert(regions[0].hva[size - 1] == 5);
    ovs_assert(regions[1].hva[5000] == 1);

    guest_memory_destroy(mem);
    for (int i = 0; i < 2; i++) {
        munmap(regions[i].map, size);
        close(fds[i]);
    }
}

void
test_vring_memory(void)
{
    test_regions();
    test_lost();
}

/* Quiescing */

struct quiesce_aux {
    ATOMIC(int *) object;
    atomic_bool stop;
};

static void *
quiesce_reader(void *aux_)
{
    struct quiesce_aux *aux = aux_;
    bool stop;

    do {
        int *object;

        vhost_enter();
        atomic_read_explicit(&aux->object, &object, memory_order_acquire);
        for (int i = 0; object && i < 100; i++) {
            ovs_assert(*(volatile int *) object == 42);
        }
        vhost_exit();
        atomic_read_relaxed(&aux->stop, &stop);
    } while (!stop);
    return NULL;
}

/* Threads that come and go look at an object that is replaced all the time. */
void
test_vring_quiesce(unsigned int n_rounds)
{
    pthread_t threads[3];
    struct quiesce_aux aux;

    atomic_init(&aux.object, NULL);
    for (unsigned int round = 0; round < 10; round++) {
        atomic_init(&aux.stop, false);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
            threads[i] = ovs_thread_create("reader", quiesce_reader, &aux);
        }
        for (unsigned int i = 0; i < n_rounds / 10; i++) {
            int *object = xmalloc(sizeof *object);

            *object = 42;
            atomic_store_explicit(&aux.object, object, memory_order_release);
            sched_yield();
            atomic_store_explicit(&aux.object, NULL, memory_order_release);
            vhost_quiesce();
            *object = 0;
            free(object);
        }
        atomic_store_relaxed(&aux.stop, true);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
            xpthread_join(threads[i], NULL);
        }
    }
    vhost_quiesce();
}

/* Copying */

#define COPY_MAX 5000
#define COPY_ROOM (COPY_MAX + 2 * 4096)

/* Copies random pieces from and to random places, byte for byte, too, and
 * compares all of the memory.  Says which function copies long ones. */
void
test_vring_copy(unsigned int n_rounds)
{
    static uint8_t src[COPY_ROOM], dst[COPY_ROOM], expected[COPY_ROOM];

#ifdef __x86_64__
    printf("%s\n", __builtin_cpu_supports("avx2") ? "avx2" : "memmove");
#else
    printf("memmove\n");
#endif
    for (size_t i = 0; i < COPY_ROOM; i++) {
        src[i] = random_uint32();
        dst[i] = expected[i] = random_uint32();
    }
    for (unsigned int i = 0; i < n_rounds; i++) {
        uint32_t from = random_range(4096), to = random_range(4096);
        uint32_t n = random_range(random_range(2) ? COPY_MAX
                                                  : 2 * COPY_SHORT);

        if (!random_range(4)) {
            to = from;
        }
        copy_piece(dst + to, src + from, n);
        for (uint32_t j = 0; j < n; j++) {
            expected[to + j] = src[from + j];
        }
        ovs_assert(!memcmp(dst, expected, COPY_ROOM));
        src[random_range(COPY_ROOM)] = random_uint32();
    }

    /* Pieces that overlap end where they should. */
    for (unsigned int i = 0; i < n_rounds; i++) {
        uint32_t from = random_range(4096), to = random_range(4096);
        uint32_t n = random_range(COPY_MAX);

        memcpy(expected, dst, COPY_ROOM);
        copy_piece(dst + to, dst + from, n);
        ovs_assert(!memcmp(dst, expected, to));
        ovs_assert(!memcmp(dst + to + n, expected + to + n,
                           COPY_ROOM - to - n));
    }
}
