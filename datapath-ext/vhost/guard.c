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

#include "vhost/guard.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-thread.h"
#include "util.h"
#include "vhost/memory.h"

VLOG_DEFINE_THIS_MODULE(vhost_guard);

/* A guarded mapping.  The handler reads these while others change them, but
 * the one that it is looking for stays, because the thread is using it. */
struct guard {
    atomic_uintptr_t start;
    atomic_size_t size;         /* 0 if not in use. */
    struct guest_memory *memory;
};

static struct guard guards[4096];
static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;

static struct sigaction old_action;

/* Returns the guard of the mapping that 'addr' is in, or NULL. */
static struct guard *
guard_find(uintptr_t addr)
{
    for (size_t i = 0; i < ARRAY_SIZE(guards); i++) {
        struct guard *g = &guards[i];
        uintptr_t start;
        size_t size;

        atomic_read_explicit(&g->size, &size, memory_order_acquire);
        atomic_read_explicit(&g->start, &start, memory_order_acquire);
        if (addr - start < size) {
            return g;
        }
    }
    return NULL;
}

/* Although this is a signal handler, it may log: the signal comes from a load
 * or store in guest memory, and no lock that logging takes is held there. */
static void
guard_handler(int signum, siginfo_t *info, void *context OVS_UNUSED)
{
    struct guard *g = guard_find((uintptr_t) info->si_addr);
    int saved_errno = errno;
    struct guest_memory *mem;
    uintptr_t start;
    size_t size;

    if (!g) {
        /* Not ours.  It comes again at once, and meets whoever was here
         * before. */
        sigaction(signum, &old_action, NULL);
        return;
    }

    mem = g->memory;
    atomic_read_relaxed(&g->start, &start);
    atomic_read_relaxed(&g->size, &size);
    if (mmap((void *) start, size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0)
        == MAP_FAILED) {
        sigaction(signum, &old_action, NULL);
        return;
    }
    atomic_store_relaxed(&mem->lost, true);
    atomic_store_relaxed(mem->broken, "guest memory was truncated");
    VLOG_WARN("%s: guest memory was truncated by its owner; the port stops "
              "until the guest shares memory anew", mem->name);
    errno = saved_errno;
}

static void
guard_init(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;

    if (ovsthread_once_start(&once)) {
        struct sigaction action = {
            .sa_sigaction = guard_handler,
            .sa_flags = SA_SIGINFO | SA_RESTART,
        };

        sigemptyset(&action.sa_mask);
        if (sigaction(SIGBUS, &action, &old_action)) {
            VLOG_WARN("cannot handle SIGBUS (%s): guests that truncate their "
                      "memory would end this process", ovs_strerror(errno));
        }
        ovsthread_once_done(&once);
    }
}

/* Guards the 'size' bytes at 'map', which belong to 'memory'.  Returns a
 * handle for vhost_guard_remove(). */
int
vhost_guard_add(struct guest_memory *memory, void *map, size_t size)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
    int result = -1;

    guard_init();
    ovs_mutex_lock(&mutex);
    for (size_t i = 0; size && i < ARRAY_SIZE(guards); i++) {
        struct guard *g = &guards[i];
        size_t old_size;

        atomic_read_relaxed(&g->size, &old_size);
        if (!old_size) {
            g->memory = memory;
            atomic_store_explicit(&g->start, (uintptr_t) map,
                                  memory_order_release);
            atomic_store_explicit(&g->size, size, memory_order_release);
            result = i;
            break;
        }
    }
    ovs_mutex_unlock(&mutex);

    if (size && result < 0) {
        VLOG_WARN_RL(&rl, "more than %"PRIuSIZE" regions of guest memory: "
                     "further ones are not guarded", ARRAY_SIZE(guards));
    }
    return result;
}

/* Does nothing if 'guard' is negative. */
void
vhost_guard_remove(int guard)
{
    if (guard >= 0) {
        ovs_mutex_lock(&mutex);
        atomic_store_relaxed(&guards[guard].size, 0);
        ovs_mutex_unlock(&mutex);
    }
}
