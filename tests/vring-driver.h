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

#ifndef ACCEL_VRING_DRIVER_H
#define ACCEL_VRING_DRIVER_H 1

/* A virtio driver for tests of rings
 * ==================================
 *
 * The guest's side of one virtqueue, split or packed, over memory of its own,
 * in the simplest way: byte by byte after virtio 1.2 sections 2.7 and 2.8, one
 * chain at a time, slow, without any of the structs that the device's side
 * uses.  It is what that side is compared with.
 *
 * It may be told to post nonsense: descriptors are written as they are given,
 * and the ring's memory is there for the test to corrupt. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/memory.h"
#include "vhost/vring.h"

/* Guest memory has four regions of this size.  The rings are in the first, at
 * guest address 0.  The others hold an arena per descriptor of the ring;
 * neighbors in guest addresses, they are not neighbors here. */
#define DRIVER_REGION_SIZE (2u << 20)
#define DRIVER_N_REGIONS 4
#define DRIVER_ARENA_SIZE (16u << 10)
#define DRIVER_MAX_SIZE 256

/* Arenas are numbered; each is of DRIVER_ARENA_SIZE bytes. */
#define DRIVER_N_ARENAS DRIVER_MAX_SIZE

/* Descriptor flags. */
#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4

/* A descriptor of a chain.  NEXT is added by the driver where it belongs. */
struct driver_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
};

struct driver {
    bool packed;
    bool event_idx;
    bool in_order;
    unsigned int size;

    uint8_t *memory;            /* All regions, in an order of their own. */
    struct guest_memory *map;

    uint64_t desc, driver, device; /* Guest addresses of the areas. */

    /* Position: of the next descriptor to make available, and the next to be
     * used; 'wrap's are a packed ring's. */
    unsigned int avail, used;
    bool avail_wrap, used_wrap;

    /* Free descriptors (split) or buffer ids (packed). */
    unsigned int n_free;
    uint16_t free[DRIVER_MAX_SIZE];

    /* Per chain in flight, by id. */
    unsigned int n_desc[DRIVER_MAX_SIZE];

    /* Ids of the chains in flight, in order, and how many of them the device
     * used at once with the last one's id.  With VIRTIO_F_IN_ORDER. */
    uint16_t order[DRIVER_MAX_SIZE];
    unsigned int order_head, order_tail, n_batch;

    unsigned int n_slots;       /* Descriptors of a packed ring in use. */

    int callfd;
    unsigned int weighed;       /* When the device last weighed a call: */
    bool weighed_wrap;          /* 'used' as above. */
    bool first;                 /* It never did. */
};

void driver_init(struct driver *, bool packed, unsigned int size,
                 unsigned int start, bool wrap, bool event_idx);
void driver_uninit(struct driver *);
struct vhost_ring *driver_make_ring(struct driver *, bool to_guest,
                                    uint64_t features);

uint8_t *driver_ptr(const struct driver *, uint64_t gpa);
uint64_t driver_arena(unsigned int i);
void driver_write(struct driver *, uint64_t gpa, const void *, size_t);
uint64_t driver_read_le(const struct driver *, uint64_t gpa, int n);
void driver_write_le(struct driver *, uint64_t gpa, uint64_t value, int n);
void driver_write_desc(struct driver *, uint64_t gpa,
                       const struct driver_desc *, uint16_t next_or_id,
                       uint16_t flags);

int driver_add(struct driver *, const struct driver_desc *, unsigned int n);
void driver_write_table(struct driver *, uint64_t gpa,
                        const struct driver_desc *, unsigned int n);
bool driver_get(struct driver *, unsigned int *id, uint32_t *len);

void driver_random_suppression(struct driver *);
void driver_check_call(struct driver *);

#endif /* vring-driver.h */
