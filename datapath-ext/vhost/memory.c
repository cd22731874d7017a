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

#include "vhost/memory.h"

#include "util.h"
#include "vhost/guard.h"

/* Returns a new snapshot of the 'n' 'regions'.  Guest addresses that wrap
 * around 2**64 have no business in there: such regions are left out, so that
 * nothing translates to them.  The array always has a first element, if only
 * an empty one, because guest_memory_translate() looks at it unasked. */
struct guest_memory *
guest_memory_create(const struct guest_region *regions, unsigned int n)
{
    struct guest_memory *mem;

    ovs_assert(n <= GUEST_MEMORY_MAX_REGIONS);
    mem = xzalloc(sizeof *mem + MAX(n, 1) * sizeof mem->regions[0]);
    atomic_init(&mem->lost, false);
    for (unsigned int i = 0; i < n; i++) {
        if (regions[i].size && regions[i].gpa <= -regions[i].size) {
            mem->regions[mem->n_regions++] = regions[i];
        }
    }

    return mem;
}

void
guest_memory_destroy(struct guest_memory *mem)
{
    if (mem && mem->broken) {
        for (unsigned int i = 0; i < mem->n_regions; i++) {
            vhost_guard_remove(mem->guards[i]);
        }
    }
    free(mem);
}

/* Guards the mappings of 'mem' until it is destroyed: if it turns out that
 * some of it is not there any more, '*broken' is set to a sentence that says
 * so, and 'mem->lost' to true.  'name', not copied, is for log messages.  No
 * ring of 'mem' may be live yet. */
void
guest_memory_guard(struct guest_memory *mem, const char *name,
                   ATOMIC(const char *) *broken)
{
    mem->name = name;
    mem->broken = broken;
    for (unsigned int i = 0; i < mem->n_regions; i++) {
        mem->guards[i] = vhost_guard_add(mem, mem->regions[i].map,
                                         mem->regions[i].map_size);
    }
}

/* The slow half of guest_memory_translate(). */
void *
guest_memory_search(const struct guest_memory *mem,
                    const struct guest_region **hint, uint64_t gpa,
                    uint64_t len)
{
    for (unsigned int i = 0; i < mem->n_regions; i++) {
        const struct guest_region *r = &mem->regions[i];
        uint64_t offset = gpa - r->gpa;

        if (offset < r->size && len <= r->size - offset) {
            *hint = r;
            return r->hva + offset;
        }
    }

    return NULL;
}

/* Returns the region that holds all 'len' bytes at host address 'p', or NULL
 * if there is none. */
const struct guest_region *
guest_memory_find_host(const struct guest_memory *mem, const void *p,
                       size_t len)
{
    for (unsigned int i = 0; i < mem->n_regions; i++) {
        const struct guest_region *r = &mem->regions[i];
        uint64_t offset = (uintptr_t) p - (uintptr_t) r->hva;

        if (offset < r->size && len <= r->size - offset) {
            return r;
        }
    }

    return NULL;
}
