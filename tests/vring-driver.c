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
#undef NDEBUG

#include "vring-driver.h"

#include <linux/virtio_config.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "random.h"
#include "util.h"

/* Packed descriptor flags. */
#define PACKED_AVAIL 0x0080
#define PACKED_USED 0x8000

/* Event suppression flags of packed rings. */
#define EVENT_ENABLE 0
#define EVENT_DISABLE 1
#define EVENT_DESC 2

/* Memory */

/* Returns where guest address 'gpa' is; the regions lie here in reverse. */
uint8_t *
driver_ptr(const struct driver *d, uint64_t gpa)
{
    unsigned int region = gpa / DRIVER_REGION_SIZE;

    ovs_assert(region < DRIVER_N_REGIONS);
    return d->memory + ((DRIVER_N_REGIONS - 1 - region) * DRIVER_REGION_SIZE
                        + gpa % DRIVER_REGION_SIZE);
}

uint64_t
driver_arena(unsigned int i)
{
    ovs_assert(i < DRIVER_N_ARENAS);
    return DRIVER_REGION_SIZE + (uint64_t) i * DRIVER_ARENA_SIZE;
}

void
driver_write(struct driver *d, uint64_t gpa, const void *src_, size_t n)
{
    const uint8_t *src = src_;

    for (size_t i = 0; i < n; i++) {
        *driver_ptr(d, gpa + i) = src[i];
    }
}

uint64_t
driver_read_le(const struct driver *d, uint64_t gpa, int n)
{
    uint64_t value = 0;

    for (int i = 0; i < n; i++) {
        value |= (uint64_t) *driver_ptr(d, gpa + i) << 8 * i;
    }
    return value;
}

void
driver_write_le(struct driver *d, uint64_t gpa, uint64_t value, int n)
{
    for (int i = 0; i < n; i++) {
        *driver_ptr(d, gpa + i) = value >> 8 * i;
    }
}

/* Life */

/* Sets up the ring with 'size' descriptors, the first chain being number
 * 'start' in the round 'wrap'. */
void
driver_init(struct driver *d, bool packed, unsigned int size,
            unsigned int start, bool wrap, bool event_idx)
{
    struct guest_region regions[DRIVER_N_REGIONS] = { { .gpa = 0 } };

    ovs_assert(size <= DRIVER_MAX_SIZE);
    memset(d, 0, sizeof *d);
    d->packed = packed;
    d->event_idx = event_idx;
    d->size = size;
    d->memory = xzalloc(DRIVER_N_REGIONS * DRIVER_REGION_SIZE);
    for (unsigned int i = 0; i < DRIVER_N_REGIONS; i++) {
        regions[i].gpa = i * DRIVER_REGION_SIZE;
        regions[i].size = DRIVER_REGION_SIZE;
        regions[i].hva = driver_ptr(d, regions[i].gpa);
    }
    d->map = guest_memory_create(regions, DRIVER_N_REGIONS);

    d->desc = 0;
    d->driver = 0x10000;
    d->device = 0x20000;
    d->avail = d->used = d->weighed = start;
    d->avail_wrap = d->used_wrap = d->weighed_wrap = wrap;
    d->first = true;
    d->n_free = size;
    for (unsigned int i = 0; i < size; i++) {
        unsigned int j = random_range(i + 1);

        d->free[i] = d->free[j];
        d->free[j] = i;
    }
    if (packed) {
        /* Whoever comes to a ring in its middle finds used descriptors: those
         * of this round behind, of the last one ahead. */
        for (unsigned int i = 0; i < size; i++) {
            bool round = i < start ? wrap : !wrap;

            driver_write_le(d, d->desc + 16 * i + 14,
                            round ? PACKED_AVAIL | PACKED_USED : 0, 2);
        }
    } else {
        driver_write_le(d, d->driver + 2, start, 2);
        driver_write_le(d, d->device + 2, start, 2);
    }
    d->callfd = eventfd(0, EFD_NONBLOCK);
}

void
driver_uninit(struct driver *d)
{
    guest_memory_destroy(d->map);
    free(d->memory);
    close(d->callfd);
}

/* Makes the device's side of the ring, before any chain is there. */
struct vhost_ring *
driver_make_ring(struct driver *d, bool to_guest, uint64_t features)
{
    uint16_t base = d->used | (d->packed ? d->used_wrap << 15 : 0);
    struct vring_config config = {
        .name = "test",
        .index = !to_guest,
        .to_guest = to_guest,
        .features = features,
        .size = d->size,
        .desc = driver_ptr(d, d->desc),
        .driver = driver_ptr(d, d->driver),
        .device = driver_ptr(d, d->device),
        .memory = d->map,
        .callfd = dup(d->callfd),
        .avail_base = base,
        .used_base = base,
    };
    struct vhost_ring *ring;
    const char *problem;

    d->in_order = features & (1ull << VIRTIO_F_IN_ORDER);
    problem = vring_create(&config, &ring);

    if (problem) {
        ovs_fatal(0, "ring with %s", problem);
    }
    return ring;
}

/* Chains */

/* Writes a descriptor: split rings have flags before 'next_or_id', packed ones
 * behind. */
void
driver_write_desc(struct driver *d, uint64_t gpa,
                  const struct driver_desc *desc, uint16_t next_or_id,
                  uint16_t flags)
{
    driver_write_le(d, gpa, desc->addr, 8);
    driver_write_le(d, gpa + 8, desc->len, 4);
    driver_write_le(d, gpa + (d->packed ? 14 : 12), desc->flags | flags, 2);
    driver_write_le(d, gpa + (d->packed ? 12 : 14), next_or_id, 2);
}

/* Writes an indirect table.  A split one is linked backwards. */
void
driver_write_table(struct driver *d, uint64_t gpa,
                   const struct driver_desc *descs, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        bool last = i == n - 1;

        if (d->packed) {
            driver_write_desc(d, gpa + 16 * i, &descs[i], 0, 0);
        } else {
            /* The first one stays first. */
            unsigned int slot = i ? n - i : 0;

            driver_write_desc(d, gpa + 16 * slot, &descs[i],
                              last ? 0 : n - i - 1, last ? 0 : DESC_NEXT);
        }
    }
}

static int
split_add(struct driver *d, const struct driver_desc *descs, unsigned int n)
{
    uint16_t index[DRIVER_MAX_SIZE];

    for (unsigned int i = 0; i < n; i++) {
        index[i] = d->free[--d->n_free];
    }
    for (unsigned int i = 0; i < n; i++) {
        bool last = i == n - 1;

        driver_write_desc(d, d->desc + 16 * index[i], &descs[i],
                          last ? 0xbeef : index[i + 1], last ? 0 : DESC_NEXT);
    }

    driver_write_le(d, d->driver + 4 + 2 * (d->avail % d->size), index[0], 2);
    d->avail = (d->avail + 1) & 0xffff;
    driver_write_le(d, d->driver + 2, d->avail, 2);
    return index[0];
}

static void
packed_step(const struct driver *d, unsigned int *slot, bool *wrap)
{
    unsigned int next = *slot + 1;

    if (next == d->size) {
        next = 0;
        *wrap = !*wrap;
    }
    *slot = next;
}

static int
packed_add(struct driver *d, const struct driver_desc *descs, unsigned int n)
{
    uint16_t id = d->free[--d->n_free];
    unsigned int first = d->avail;
    uint16_t first_flags = 0;

    for (unsigned int i = 0; i < n; i++) {
        uint16_t flags = ((d->avail_wrap ? PACKED_AVAIL : PACKED_USED)
                          | (i < n - 1 ? DESC_NEXT : 0));

        /* Only the last descriptor's id counts. */
        driver_write_desc(d, d->desc + 16 * d->avail, &descs[i],
                          i < n - 1 ? 0xdead : id, flags);
        if (!i) {
            /* Must not be available before the rest. */
            first_flags = descs[i].flags | flags;
            driver_write_le(d, d->desc + 16 * d->avail + 14,
                            first_flags ^ PACKED_AVAIL, 2);
        }
        packed_step(d, &d->avail, &d->avail_wrap);
    }
    driver_write_le(d, d->desc + 16 * first + 14, first_flags, 2);
    d->n_slots += n;
    return id;
}

/* Posts a chain of the 'n' 'descs'.  Returns its id, or -1 if there is no
 * room. */
int
driver_add(struct driver *d, const struct driver_desc *descs, unsigned int n)
{
    int id;

    if (n > d->n_free || (d->packed && n > d->size - d->n_slots)) {
        return -1;
    }
    id = d->packed ? packed_add(d, descs, n) : split_add(d, descs, n);
    d->n_desc[id] = n;
    d->order[d->order_head++ % DRIVER_MAX_SIZE] = id;
    return id;
}

static bool
split_get(struct driver *d, unsigned int *idp, uint32_t *len)
{
    uint64_t elem = d->device + 4 + 8 * (d->used % d->size);
    unsigned int id = driver_read_le(d, elem, 4);

    if (driver_read_le(d, d->device + 2, 2) == d->used) {
        return false;
    }

    *idp = id;
    *len = driver_read_le(d, elem + 4, 4);
    return true;
}

/* Takes chain 'id' back. */
static void
split_free(struct driver *d, unsigned int id)
{
    uint16_t i = id;

    for (unsigned int left = d->n_desc[id]; left; left--) {
        d->free[d->n_free++] = i;
        i = driver_read_le(d, d->desc + 16 * i + 14, 2);
    }
    d->used = (d->used + 1) & 0xffff;
}

static bool
packed_get(struct driver *d, unsigned int *idp, uint32_t *len)
{
    uint64_t desc = d->desc + 16 * d->used;
    uint16_t flags = driver_read_le(d, desc + 14, 2);
    unsigned int id = driver_read_le(d, desc + 12, 2);

    if (!!(flags & PACKED_AVAIL) != d->used_wrap
        || !!(flags & PACKED_USED) != d->used_wrap) {
        return false;
    }

    *idp = id;
    *len = driver_read_le(d, desc + 8, 4);
    ovs_assert((flags & DESC_WRITE) == (*len ? DESC_WRITE : 0));
    return true;
}

/* Takes chain 'id' back. */
static void
packed_free(struct driver *d, unsigned int id)
{
    for (unsigned int left = d->n_desc[id]; left; left--) {
        packed_step(d, &d->used, &d->used_wrap);
    }
    d->n_slots -= d->n_desc[id];
    d->free[d->n_free++] = id;
}

/* Finds out how many chains the device used with the id of the last of them.
 * Those it wrote to must each be used by themselves. */
static void
batch_begin(struct driver *d, unsigned int last, uint32_t len)
{
    do {
        ovs_assert(d->order_tail + d->n_batch < d->order_head);
    } while (d->order[(d->order_tail + d->n_batch++) % DRIVER_MAX_SIZE]
             != last);
    ovs_assert(d->n_batch == 1 || (d->in_order && !len));
}

/* Takes a used chain.  Returns false if there is none. */
bool
driver_get(struct driver *d, unsigned int *id, uint32_t *len)
{
    unsigned int i;

    *len = 0;
    if (!d->n_batch) {
        if (!(d->packed ? packed_get(d, &i, len) : split_get(d, &i, len))) {
            return false;
        }
        ovs_assert(i < d->size && d->n_desc[i]);
        batch_begin(d, i, *len);
    }
    i = d->order[d->order_tail++ % DRIVER_MAX_SIZE];
    d->n_batch--;
    if (d->packed) {
        packed_free(d, i);
    } else {
        split_free(d, i);
    }
    d->n_desc[i] = 0;
    *id = i;
    return true;
}

/* Notifications */

/* Asks for notifications always, never, or at some point ahead or behind. */
void
driver_random_suppression(struct driver *d)
{
    if (d->packed) {
        unsigned int slot = d->used;
        bool wrap = d->used_wrap;

        for (int i = random_range(2 * d->size); i > 0; i--) {
            packed_step(d, &slot, &wrap);
        }
        driver_write_le(d, d->driver, slot | wrap << 15, 2);
        driver_write_le(d, d->driver + 2,
                        random_range(d->event_idx ? 3 : 2), 2);
    } else if (d->event_idx) {
        driver_write_le(d, d->driver + 4 + 2 * d->size,
                        d->used + random_range(2 * d->size) - d->size / 2, 2);
    } else {
        driver_write_le(d, d->driver, random_range(2), 2);
    }
}

/* Does the driver want to be notified, the device having come from
 * 'd->weighed' to 'd->used'? */
static bool
driver_wants_call(const struct driver *d)
{
    unsigned int event = driver_read_le(d, d->driver, 2) & 0x7fff;
    bool event_wrap = driver_read_le(d, d->driver + 1, 1) >> 7;
    unsigned int slot = d->weighed;
    bool wrap = d->weighed_wrap;

    if (!d->packed && !d->event_idx) {
        return !(driver_read_le(d, d->driver, 2) & 1);
    } else if (!d->packed) {
        event = driver_read_le(d, d->driver + 4 + 2 * d->size, 2);
    } else if (driver_read_le(d, d->driver + 2, 2) != EVENT_DESC) {
        return driver_read_le(d, d->driver + 2, 2) == EVENT_ENABLE;
    }

    while (slot != d->used || (d->packed && wrap != d->used_wrap)) {
        if (slot == event && (!d->packed || wrap == event_wrap)) {
            return true;
        }
        if (d->packed) {
            packed_step(d, &slot, &wrap);
        } else {
            slot = (slot + 1) & 0xffff;
        }
    }
    return false;
}

/* To be called when the driver has taken what the device published at once:
 * checks whether the device notified the driver if, and only if, it should. */
void
driver_check_call(struct driver *d)
{
    bool moved = d->used != d->weighed || d->used_wrap != d->weighed_wrap;
    bool want = moved && (d->first || driver_wants_call(d));
    uint64_t calls;

    ovs_assert((read(d->callfd, &calls, sizeof calls) > 0) == want);
    d->weighed = d->used;
    d->weighed_wrap = d->used_wrap;
    d->first = d->first && !moved;
}
