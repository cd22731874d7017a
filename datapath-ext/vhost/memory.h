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

#ifndef VHOST_MEMORY_H
#define VHOST_MEMORY_H 1

/* Guest memory
 * ============
 *
 * A 'struct guest_memory' says where the memory regions that a front end has
 * shared are mapped here.  It never changes: when the front end sends new
 * regions, rings are taken down, a new one is made and rings are set up
 * again.  So any thread that holds a live ring may translate addresses. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/compiler.h"
#include "ovs-atomic.h"
#include "util.h"

#define GUEST_MEMORY_MAX_REGIONS 8 /* As in VHOST_USER_SET_MEM_TABLE. */

/* One mapped region of guest memory. */
struct guest_region {
    uint64_t gpa;               /* First guest physical address. */
    uint64_t size;              /* In bytes. */
    uint8_t *hva;               /* Where 'gpa' is mapped. */

    /* All of the mapping, which may begin before 'hva', if it is to be
     * guarded. */
    void *map;
    size_t map_size;
};

struct guest_memory {
    /* Set by the guard, see guard.h. */
    atomic_bool lost;           /* Some of it is not the guest's any more. */
    ATOMIC(const char *) *broken; /* Where to say so. */
    const char *name;           /* Whose memory, for the log. */
    int guards[GUEST_MEMORY_MAX_REGIONS]; /* Of each region, or -1. */

    unsigned int n_regions;
    struct guest_region regions[];
};

struct guest_memory *guest_memory_create(const struct guest_region *,
                                         unsigned int n);
void guest_memory_destroy(struct guest_memory *);
void guest_memory_guard(struct guest_memory *, const char *name,
                        ATOMIC(const char *) *broken);

void *guest_memory_search(const struct guest_memory *,
                          const struct guest_region **hint, uint64_t gpa,
                          uint64_t len);
const struct guest_region *
guest_memory_find_host(const struct guest_memory *, const void *p, size_t len);

/* Returns true if the guard found that 'mem' is not all there. */
static inline bool
guest_memory_is_lost(const struct guest_memory *mem)
{
    bool lost;

    atomic_read_relaxed(&CONST_CAST(struct guest_memory *, mem)->lost, &lost);
    return lost;
}

/* Returns where the 'len' bytes of guest physical memory at 'gpa' are mapped,
 * or NULL if they do not lie within a single region.  (Where no bytes at all
 * are mapped means nothing.)  '*hint' is the region that was used last,
 * initially the first one. */
static inline void *
guest_memory_translate(const struct guest_memory *mem,
                       const struct guest_region **hint, uint64_t gpa,
                       uint64_t len)
{
    const struct guest_region *r = *hint;
    uint64_t offset = gpa - r->gpa;
    uint64_t end;

    /* An address below the region wraps around to a huge offset. */
    if (OVS_LIKELY(!__builtin_add_overflow(offset, len, &end)
                   && end <= r->size)) {
        return r->hva + offset;
    }
    return guest_memory_search(mem, hint, gpa, len);
}

#endif /* vhost/memory.h */
