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

#include <config.h>
#include "vhost-guest.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_ring.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ovs-atomic.h"
#include "random.h"
#include "util.h"

/* Everything that is handed out starts on a cache line, as in a guest. */
#define VG_ALIGN 64

/* Guest memory.
 *
 * Region 0 starts at guest address 0, region n at n * 4 GiB; each is a file
 * of its own and starts at a different offset in it, so that a back-end that
 * mixes up guest address, user address and file offset does not get far. */

/* Makes 'n_regions' regions of 'region_size' bytes.  Pages that nobody writes
 * cost nothing.  The caller must call vg_mem_uninit(), also after failure. */
int
vg_mem_init(struct vg_mem *mem, unsigned int n_regions, size_t region_size)
{
    size_t page = get_page_size();

    ovs_assert(n_regions && n_regions <= VG_MAX_REGIONS);
    mem->n_regions = 0;
    for (unsigned int i = 0; i < n_regions; i++) {
        struct vg_region *r = &mem->regions[i];

        r->size = ROUND_UP(region_size, page);
        r->used = page;         /* Leaves guest address 0 unused. */
        r->gpa = (uint64_t) i << 32;
        r->file_offset = i * 16 * page;
        r->base = MAP_FAILED;
        r->fd = memfd_create("vhost-guest", MFD_CLOEXEC);
        mem->n_regions++;
        if (r->fd < 0 || ftruncate(r->fd, r->file_offset + r->size)) {
            return errno;
        }
        r->base = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED,
                       r->fd, r->file_offset);
        if (r->base == MAP_FAILED) {
            return errno;
        }
    }
    return 0;
}

void
vg_mem_uninit(struct vg_mem *mem)
{
    for (unsigned int i = 0; i < mem->n_regions; i++) {
        struct vg_region *r = &mem->regions[i];

        if (r->base != MAP_FAILED) {
            munmap(r->base, r->size);
        }
        if (r->fd >= 0) {
            close(r->fd);
        }
    }
    mem->n_regions = 0;
}

/* Returns 'size' zeroed bytes in 'region' (modulo the number of regions),
 * which live as long as 'mem', or NULL if the region is full. */
void *
vg_mem_alloc(struct vg_mem *mem, unsigned int region, size_t size)
{
    struct vg_region *r = &mem->regions[region % mem->n_regions];
    void *p = r->base + r->used;

    size = ROUND_UP(size, VG_ALIGN);
    if (size > r->size - r->used) {
        return NULL;
    }
    r->used += size;
    return p;
}

/* Returns the guest-physical address of 'p', which must be in 'mem'. */
uint64_t
vg_mem_gpa(const struct vg_mem *mem, const void *p)
{
    for (unsigned int i = 0; i < mem->n_regions; i++) {
        const struct vg_region *r = &mem->regions[i];
        uintptr_t offset = (uintptr_t) p - (uintptr_t) r->base;

        if (offset < r->size) {
            return r->gpa + offset;
        }
    }
    OVS_NOT_REACHED();
}

/* Buffers. */

size_t
vg_buf_len(const struct vg_buf *buf)
{
    size_t len = 0;

    for (unsigned int i = 0; i < buf->n_segs; i++) {
        len += buf->segs[i].iov_len;
    }
    return len;
}

/* Finds the part of 'seg' that holds bytes '*offset' and following, at most
 * 'n' of them, and moves '*offset' past the segment or to 0. */
static size_t
seg_part(const struct iovec *seg, size_t *offset, size_t n, char **start)
{
    size_t skip = MIN(*offset, seg->iov_len);

    *offset -= skip;
    *start = (char *) seg->iov_base + skip;
    return MIN(n, seg->iov_len - skip);
}

/* Writes 'n' bytes at 'offset' of 'buf', or as many as fit. */
void
vg_buf_write(const struct vg_buf *buf, size_t offset, const void *data,
             size_t n)
{
    const char *src = data;

    for (unsigned int i = 0; i < buf->n_segs && n; i++) {
        char *start;
        size_t part = seg_part(&buf->segs[i], &offset, n, &start);

        memcpy(start, src, part);
        src += part;
        n -= part;
    }
}

/* Reads 'n' bytes at 'offset' of 'buf', or as many as it has. */
void
vg_buf_read(const struct vg_buf *buf, size_t offset, void *data, size_t n)
{
    char *dst = data;

    for (unsigned int i = 0; i < buf->n_segs && n; i++) {
        char *start;
        size_t part = seg_part(&buf->segs[i], &offset, n, &start);

        memcpy(dst, start, part);
        dst += part;
        n -= part;
    }
}

/* Parses "single", "chain=N", "indirect", "indirect=N" or "random".  Returns
 * NULL, or an error message that the caller must free. */
char *
vg_layout_parse(const char *s, struct vg_layout *layout)
{
    char name[16];
    unsigned int n = 2;
    int n_read = sscanf(s, "%15[a-z]=%u", name, &n);

    layout->n = n;
    if (n_read < 1 || !n || n > VG_MAX_SEGS) {
        /* Fall through to the error. */
    } else if (!strcmp(name, "indirect")) {
        layout->kind = VG_INDIRECT;
        return NULL;
    } else if (!strcmp(name, "chain") && n_read == 2) {
        layout->kind = VG_CHAIN;
        return NULL;
    } else if (!strcmp(name, "single") && n_read == 1) {
        layout->kind = VG_SINGLE;
        return NULL;
    } else if (!strcmp(name, "random") && n_read == 1) {
        layout->kind = VG_RANDOM;
        return NULL;
    }
    return xasprintf("layout \"%s\" is none of single, chain=N, indirect, "
                     "indirect=N, random (N from 1 to %d)", s, VG_MAX_SEGS);
}

static void
layout_even(unsigned int n, char *const areas[], unsigned int n_areas,
            size_t len, struct vg_buf *buf)
{
    size_t offset = 0;

    n = MIN(n, len);
    for (unsigned int i = 0; i < n; i++) {
        size_t end = len * (i + 1) / n;

        buf->segs[i].iov_base = areas[i % n_areas] + offset;
        buf->segs[i].iov_len = end - offset;
        offset = end;
    }
    buf->n_segs = n;
}

/* Cuts at random places; every other cut is a short one, because headers that
 * lie across descriptors are what goes wrong first. */
static void
layout_random(char *const areas[], unsigned int n_areas, size_t len,
              struct vg_buf *buf)
{
    unsigned int n = 1 + random_range(MIN(len, VG_LAYOUT_SLACK / VG_ALIGN));
    size_t offset = 0;
    size_t left = len;

    for (unsigned int i = 0; i < n; i++) {
        size_t most = left - (n - 1 - i);
        size_t part = left;

        if (i < n - 1) {
            most = random_range(2) ? most : MIN(most, 20);
            part = 1 + random_range(most);
        }
        offset += random_range(VG_ALIGN);
        buf->segs[i].iov_base = areas[random_range(n_areas)] + offset;
        buf->segs[i].iov_len = part;
        offset += part;
        left -= part;
    }
    buf->n_segs = n;
}

/* Lays 'len' bytes of 'buf' out as 'layout' says.  The 'n_areas' of 'areas'
 * are pieces of guest memory in different regions, for this buffer alone, of
 * 'len' + VG_LAYOUT_SLACK bytes each. */
void
vg_layout_apply(const struct vg_layout *layout, char *const areas[],
                unsigned int n_areas, size_t len, bool indirect_ok,
                struct vg_buf *buf)
{
    switch (layout->kind) {
    case VG_SINGLE:
        layout_even(1, areas, n_areas, len, buf);
        buf->indirect = false;
        break;

    case VG_CHAIN:
        layout_even(layout->n, areas, n_areas, len, buf);
        buf->indirect = false;
        break;

    case VG_INDIRECT:
        layout_even(layout->n, areas, n_areas, len, buf);
        buf->indirect = indirect_ok;
        break;

    case VG_RANDOM:
        layout_random(areas, n_areas, len, buf);
        buf->indirect = indirect_ok && random_range(2);
        break;

    default:
        OVS_NOT_REACHED();
    }
}

/* Rings. */

/* Prepares 'ring' for 'size' entries in 'region' of 'mem', which must stay.
 * Returns ENOMEM if the region is full.  vg_ring_reset() must follow before
 * anything else, and vg_ring_uninit() at the end, also after failure. */
int
vg_ring_init(struct vg_ring *ring, struct vg_mem *mem, unsigned int region,
             uint16_t size)
{
    ovs_assert(size && size <= VG_MAX_RING);
    memset(ring, 0, sizeof *ring);
    ring->mem = mem;
    ring->size = size;

    /* Room for either ring type: it is negotiated at each handshake. */
    ring->desc = vg_mem_alloc(mem, region, size * sizeof(struct vring_desc));
    ring->driver = vg_mem_alloc(mem, region, 6 + 2 * size);
    ring->device = vg_mem_alloc(mem, region, 6 + 8 * size);
    ring->tables = vg_mem_alloc(mem, region, (size_t) size * VG_MAX_SEGS
                                             * sizeof(struct vring_desc));

    ring->bufs = xcalloc(size, sizeof *ring->bufs);
    ring->n_descs = xcalloc(size, sizeof *ring->n_descs);
    ring->next_free = xcalloc(size, sizeof *ring->next_free);
    ring->kickfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ring->callfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!ring->desc || !ring->driver || !ring->device || !ring->tables) {
        return ENOMEM;
    }
    return ring->kickfd < 0 || ring->callfd < 0 ? EMFILE : 0;
}

void
vg_ring_uninit(struct vg_ring *ring)
{
    if (ring->bufs) {
        close(ring->kickfd);
        close(ring->callfd);
        free(ring->bufs);
        free(ring->n_descs);
        free(ring->next_free);
        ring->bufs = NULL;
    }
}

static void
drain_eventfd(int fd)
{
    uint64_t n;

    ignore(read(fd, &n, sizeof n));
}

/* Empties 'ring' and makes it one that the device has not seen yet.  Buffers
 * that the device held are forgotten. */
void
vg_ring_reset(struct vg_ring *ring, bool packed, bool event_idx)
{
    uint16_t size = ring->size;
    uint16_t *order = xmalloc(size * sizeof *order);

    for (unsigned int i = 0; i < size; i++) {
        unsigned int j = ring->shuffle ? random_range(i + 1) : i;

        order[i] = order[j];
        order[j] = i;
    }
    for (unsigned int i = 0; i < size; i++) {
        ring->next_free[order[i]] = order[(i + 1) % size];
        ring->bufs[i] = NULL;
    }
    ring->free_head = order[0];
    free(order);

    ring->class = packed ? &vg_packed_class : &vg_split_class;
    ring->event_idx = event_idx;
    ring->n_free = size;
    ring->avail_idx = ring->used_idx = 0;
    ring->avail_wrap = ring->used_wrap = true;
    ring->n_new = 0;
    ring->n_inflight = 0;
    ring->armed = false;
    ring->broken = NULL;

    memset(ring->desc, 0, size * sizeof(struct vring_desc));
    memset(ring->driver, 0, 6 + 2 * size);
    memset(ring->device, 0, 6 + 8 * size);
    ring->class->reset(ring);
    drain_eventfd(ring->kickfd);
    drain_eventfd(ring->callfd);
}

bool
vg_ring_is_packed(const struct vg_ring *ring)
{
    return ring->class == &vg_packed_class;
}

/* Adds 'buf' to 'ring'.  The device sees it after vg_ring_publish(), and owns
 * it until vg_ring_get() returns it.  Returns EAGAIN if the ring has too few
 * entries left, EIO if the ring is broken. */
int
vg_ring_add(struct vg_ring *ring, struct vg_buf *buf)
{
    unsigned int n = buf->indirect ? 1 : buf->n_segs;

    if (ring->broken) {
        return EIO;
    } else if (n > ring->n_free) {
        return EAGAIN;
    }
    ring->class->add(ring, buf);
    ring->n_free -= n;
    ring->n_new += n;
    ring->n_inflight++;
    return 0;
}

/* Lets the device see what was added, and kicks it if it asks for that. */
void
vg_ring_publish(struct vg_ring *ring)
{
    if (ring->n_new) {
        if (ring->class->publish(ring)) {
            vg_ring_kick(ring);
        } else {
            ring->n_quiet++;
        }
        ring->n_new = 0;
    }
}

/* Kicks the device, whether it wants to be or not. */
void
vg_ring_kick(struct vg_ring *ring)
{
    uint64_t one = 1;

    ring->n_kicks++;
    ignore(write(ring->kickfd, &one, sizeof one));
}

/* Returns the next buffer that the device has used, and stores in '*len' how
 * many bytes it says it wrote.  Returns NULL if there is none or the ring is
 * broken. */
struct vg_buf *
vg_ring_get(struct vg_ring *ring, uint32_t *len)
{
    struct vg_buf *buf;

    if (ring->broken || !ring->class->has_used(ring)) {
        return NULL;
    }
    buf = ring->class->get(ring, len);
    if (buf) {
        ring->n_inflight--;
        if (buf->writable && *len > vg_buf_len(buf)) {
            ring->broken = "device wrote more than the buffer holds";
            buf = NULL;
        }
    }
    return buf;
}

/* Asks the device for a call at the next used buffer.  Returns false if there
 * is one already: then the caller must not sleep on 'callfd'. */
bool
vg_ring_arm(struct vg_ring *ring)
{
    if (ring->broken) {
        return true;
    }
    if (!ring->armed) {
        ring->armed = true;
        ring->class->want_call(ring, true);
    }

    /* The device must either see our wish or have its buffer seen by us. */
    atomic_thread_fence(memory_order_seq_cst);
    return !ring->class->has_used(ring);
}

/* Takes the wish of vg_ring_arm() back, if there is one. */
void
vg_ring_disarm(struct vg_ring *ring)
{
    if (ring->armed) {
        uint64_t n;

        if (read(ring->callfd, &n, sizeof n) == sizeof n) {
            ring->n_calls += n;
        }
        ring->armed = false;
        ring->class->want_call(ring, false);
    }
}

/* Returns where the device starts, for SET_VRING_BASE: at the buffer after
 * the last one that we got back. */
uint32_t
vg_ring_base(const struct vg_ring *ring)
{
    return ring->class->base(ring);
}

/* Returns how many ring entries the device, whose answer to GET_VRING_BASE
 * was 'base', has taken but not given back.  If it is negative, the device
 * has lost count. */
int
vg_ring_ahead(const struct vg_ring *ring, uint32_t base)
{
    return ring->class->ahead(ring, base);
}

uint16_t
vg_ring_take_id(struct vg_ring *ring)
{
    uint16_t id = ring->free_head;

    ring->free_head = ring->next_free[id];
    return id;
}

void
vg_ring_give_id(struct vg_ring *ring, uint16_t id)
{
    ring->next_free[id] = ring->free_head;
    ring->free_head = id;
}

/* Returns the buffer that the device gives back under 'id' and notes that it
 * is ours again, or breaks the ring and returns NULL. */
struct vg_buf *
vg_ring_claim(struct vg_ring *ring, uint32_t id)
{
    struct vg_buf *buf = id < ring->size ? ring->bufs[id] : NULL;

    if (!buf) {
        ring->broken = "device used a buffer that it does not own";
        return NULL;
    }
    ring->bufs[id] = NULL;
    ring->n_free += ring->n_descs[id];
    return buf;
}
