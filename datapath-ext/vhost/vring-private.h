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

#ifndef VHOST_VRING_PRIVATE_H
#define VHOST_VRING_PRIVATE_H 1

/* What split and packed rings have in common.
 *
 * Guest memory changes under our eyes.  So whatever decides anything is read
 * exactly once, by the functions here, into variables of our own. */

#include <string.h>

#include "openvswitch/compiler.h"
#include "ovs-atomic.h"
#include "vhost/memory.h"
#include "vhost/vring.h"

/* Functions that do nothing but prefetching are to be inlined always: GCC 12
 * takes them for functions without any effect, and leaves out calls of them.
 *
 * The bytes of a frame, from its first one, that are worth prefetching: those
 * of its headers, and what is copied before the hardware has noticed where
 * this goes.  More than that only keeps it from doing better: for frames of
 * 512 and 1518 bytes, that was 10 and 13 % of all cycles. */
#define VRING_PREFETCH_READ 256
#define VRING_PREFETCH_WRITE 128

static inline uint16_t
guest_load16(const void *p)
{
    return __atomic_load_n((const uint16_t *) p, __ATOMIC_RELAXED);
}

static inline uint16_t
guest_load16_acquire(const void *p)
{
    return __atomic_load_n((const uint16_t *) p, __ATOMIC_ACQUIRE);
}

static inline uint32_t
guest_load32(const void *p)
{
    return __atomic_load_n((const uint32_t *) p, __ATOMIC_RELAXED);
}

static inline uint64_t
guest_load64_acquire(const void *p)
{
    return __atomic_load_n((const uint64_t *) p, __ATOMIC_ACQUIRE);
}

static inline uint64_t
guest_load64(const void *p)
{
    return __atomic_load_n((const uint64_t *) p, __ATOMIC_RELAXED);
}

static inline void
guest_store16(void *p, uint16_t value)
{
    __atomic_store_n((uint16_t *) p, value, __ATOMIC_RELAXED);
}

static inline void
guest_store16_release(void *p, uint16_t value)
{
    __atomic_store_n((uint16_t *) p, value, __ATOMIC_RELEASE);
}

static inline void
guest_store32(void *p, uint32_t value)
{
    __atomic_store_n((uint32_t *) p, value, __ATOMIC_RELAXED);
}

static inline void
guest_store64_release(void *p, uint64_t value)
{
    __atomic_store_n((uint64_t *) p, value, __ATOMIC_RELEASE);
}

/* Gets the cache line at 'p' ready for being written, which takes it away from
 * the guest's core.  The instruction is not in the baseline that compilers
 * assume for x86-64, but every such CPU executes it, if only as a no-op. */
static inline void
prefetch_write(const void *p)
{
#ifdef __x86_64__
    asm volatile("prefetchw %0" : : "m" (*(const char *) p));
#else
    OVS_PREFETCH_WRITE(p);
#endif
}

/* Copies 'n' bytes of guest memory to 'dst'.  The fence keeps the compiler
 * from reading guest memory again later, in place of 'dst'. */
static inline void
guest_read(void *dst, const void *src, size_t n)
{
    memcpy(dst, src, n);
    atomic_signal_fence(memory_order_seq_cst);
}

/* Copies 'n' bytes of a frame's head.  Mostly that is 64 to 192 bytes, for
 * which a few copies of fixed size, which may overlap, do without a call. */
static inline void
copy_head(void *dst_, const void *src_, size_t n)
{
    const uint8_t *src = src_;
    uint8_t *dst = dst_;

    if (OVS_UNLIKELY(n < 8 || n > 192)) {
        memcpy(dst, src, n);
    } else if (OVS_LIKELY(n >= 64)) {
        memcpy(dst, src, 64);
        if (n > 128) {
            memcpy(dst + 64, src + 64, 64);
        }
        if (n > 80) {
            memcpy(dst + n - 64, src + n - 64, 64);
        } else if (n > 64) {
            /* A short frame with tags. */
            memcpy(dst + n - 16, src + n - 16, 16);
        }
    } else if (n >= 16) {
        if (n > 32) {
            memcpy(dst + 16, src + 16, 16);
            memcpy(dst + n - 32, src + n - 32, 16);
        }
        memcpy(dst, src, 16);
        memcpy(dst + n - 16, src + n - 16, 16);
    } else {
        memcpy(dst, src, 8);
        memcpy(dst + n - 8, src + n - 8, 8);
    }
}

/* The C library's memmove() goes backwards through more bytes than these where
 * source and destination lie alike within their pages (glibc's
 * sysdeps/x86_64/multiarch/memmove-vec-unaligned-erms.S, "4k aliasing"), as
 * two guests' buffers often do.  Processors fetch ahead better forwards:
 * backwards, what is not in the caches of the first two levels takes two to
 * three times as long. */
#define COPY_SHORT 256

/* Copies 'n' bytes, which are more than COPY_SHORT, forwards, on a CPU that
 * has AVX2.  If source and destination overlap, what arrives is not defined;
 * nothing else happens. */
void copy_avx2(void *dst, const void *src, size_t n);

/* Copies 'n' bytes of a frame.  Both ends may be memory of the same guest,
 * which may let them overlap. */
static inline void
copy_piece(void *dst, const void *src, size_t n)
{
#ifdef __x86_64__
    if (n > COPY_SHORT && __builtin_cpu_supports("avx2")) {
        copy_avx2(dst, src, n);
        return;
    }
#endif
    memmove(dst, src, n);
}

/* Pieces of host memory that make up a chain, in the making. */
struct vring_sg {
    struct iovec *next;         /* Where the next piece goes... */
    struct iovec *end;          /* ...if this is not reached.  It is at 'next'
                                 * if 'malformed'. */
    uint64_t bytes;             /* Sum of the pieces. */
    const char *malformed;      /* If nonnull, what is wrong. */
    bool too_long;              /* More pieces than there is room for. */
};

static inline void
vring_sg_init(struct vring_sg *sg, struct iovec *iov, unsigned int max)
{
    sg->next = iov;
    sg->end = iov + max;
    sg->bytes = 0;
    sg->malformed = NULL;
    sg->too_long = false;
}

void vring_sg_malformed(struct vhost_ring *, struct vring_sg *,
                        const char *reason, uint64_t addr, uint32_t len);
void vring_sg_refuse(struct vhost_ring *, struct vring_sg *, uint64_t addr,
                     uint32_t len, uint16_t flags);
bool vring_break(struct vhost_ring *, const char *reason, unsigned int value);

/* Returns the number of descriptors that share a cache line with descriptor
 * 'i' of a packed ring, from that one on, if the ring is aligned to a line. */
static inline unsigned int
vring_packed_line_rest(unsigned int i)
{
    const unsigned int per_line = CACHE_LINE_SIZE
                                  / sizeof(struct vring_packed_desc);

    return per_line - i % per_line;
}

bool vring_packed_resume(struct vring_packed_desc *, unsigned int size,
                         bool to_guest, uint16_t *index, bool *wrap);

/* A descriptor is a whole chain, of one buffer, if all that is set of these
 * flags is VRING_DESC_F_WRITE, and that only if the ring is 'to_guest'. */
#define VRING_PLAIN_MASK (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE \
                          | VRING_DESC_F_INDIRECT)
#define VRING_PLAIN_FLAGS(TO_GUEST) ((TO_GUEST) ? VRING_DESC_F_WRITE : 0)

/* Does a frame in the buffer at 'p' begin a cache line, so that nothing but
 * the virtio-net header is to be written to the one before? */
static inline bool
vring_hdr_is_apart(const struct vhost_ring *ring, const uint8_t *p)
{
    return !(((uintptr_t) p + ring->hdr_len) % CACHE_LINE_SIZE);
}

/* The bytes of buffers that are worth prefetching: those from 'first' to
 * 'end' - 1 that will be used, the virtio-net header only if it is read.
 * Constants of a ring, to be kept in registers. */
struct vring_reach {
    uint32_t first, end;
};

static inline struct vring_reach
vring_get_reach(const struct vhost_ring *ring, bool to_guest)
{
    return (struct vring_reach) {
        .first = to_guest || !ring->reads_hdr ? ring->hdr_len : 0,
        .end = ring->hdr_len + (to_guest ? VRING_PREFETCH_WRITE
                                         : VRING_PREFETCH_READ),
    };
}

/* Gets the caches ready for reading, or if it is 'to_guest' for writing, the
 * first 'used' bytes of the buffer at 'p'.  If the header has a cache line of
 * its own, that is left out: it may well be there already, see tx.c. */
static inline void ALWAYS_INLINE
vring_prefetch_buffer(struct vring_reach reach, bool to_guest,
                      const uint8_t *p, uint32_t used)
{
    const uint8_t *end = p + MIN(used, reach.end);
    const uint8_t *line = (const uint8_t *) ROUND_DOWN(
        (uintptr_t) p + reach.first, CACHE_LINE_SIZE);

    for (; line < end; line += CACHE_LINE_SIZE) {
        if (to_guest) {
            prefetch_write(line);
        } else {
            OVS_PREFETCH(line);
        }
    }
}

/* Makes 'buffer' the plain one of 'len' bytes at guest address 'addr', and
 * gets the caches ready for what will be done to its first 'used' bytes.
 * Returns false if it will not do. */
static inline bool ALWAYS_INLINE
vring_set_buffer(struct vhost_ring *ring, struct vring_reach reach,
                 bool to_guest, uint64_t addr, uint32_t len, uint16_t id,
                 uint32_t used, struct vring_buffer *buffer)
{
    uint8_t *p = guest_memory_translate(ring->memory, &ring->region, addr,
                                        len);

    if (OVS_UNLIKELY(!p || len < used)) {
        return false;
    }
    vring_prefetch_buffer(reach, to_guest, p, used);
    buffer->chain.id = id;
    buffer->chain.n_desc = 1;
    buffer->chain.len = len;
    buffer->p = p;
    return true;
}

/* Makes the 'n'th piece and chain of 'ring->scratch' the plain buffer of 'len'
 * bytes at guest address 'addr'.  Returns false if it will not do. */
static inline bool ALWAYS_INLINE
vring_set_piece(struct vhost_ring *ring, unsigned int n, uint64_t addr,
                uint32_t len, uint16_t id)
{
    struct vring_scratch *s = ring->scratch;
    uint8_t *p = guest_memory_translate(ring->memory, &ring->region, addr,
                                        len);

    if (OVS_UNLIKELY(!p || !len)) {
        return false;
    }
    s->chains[n] = (struct vring_chain) { .id = id, .n_desc = 1, .len = len };
    s->iov[n].iov_base = p;
    s->iov[n].iov_len = len;
    return true;
}

/* Adds the buffer that a descriptor describes to 'sg'.  Returns false if it is
 * not a usual one, for vring_sg_refuse() or another function.
 *
 * What is prefetched is as if each piece began with a virtio-net header, of
 * which the first one alone has one: that hardly makes a difference. */
static inline bool ALWAYS_INLINE
vring_sg_add(struct vhost_ring *ring, bool to_guest, struct vring_sg *sg,
             uint64_t addr, uint32_t len, uint16_t flags)
{
    uint8_t *p;

    if (OVS_UNLIKELY((flags & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT))
                     != VRING_PLAIN_FLAGS(to_guest))
        || OVS_UNLIKELY(!len || sg->next >= sg->end)) {
        return false;
    }
    p = guest_memory_translate(ring->memory, &ring->region, addr, len);
    if (OVS_UNLIKELY(!p)) {
        return false;
    }
    if (!to_guest) {
        vring_prefetch_buffer(vring_get_reach(ring, false), false, p, len);
    }
    sg->next->iov_base = p;
    sg->next->iov_len = len;
    sg->next++;
    sg->bytes += len;
    return true;
}

/* Returns the indirect descriptor table that a descriptor points to, and the
 * number of its descriptors in '*n'; or NULL if it is no good, which marks
 * 'sg'.  The table's alignment is the guest's business. */
static inline const void *
vring_sg_table(struct vhost_ring *ring, struct vring_sg *sg,
               uint64_t addr, uint32_t len, uint16_t flags, unsigned int *n)
{
    const char *reason;
    const void *table;

    if (!ring->indirect) {
        reason = "indirect descriptor table that was not negotiated";
    } else if (flags & VRING_DESC_F_NEXT) {
        reason = "indirect descriptor table within a chain";
    } else if (!len || len % sizeof(struct vring_desc)
               || len > VRING_MAX_SIZE * sizeof(struct vring_desc)) {
        /* Linux and DPDK make none longer than the ring, and a walk through
         * millions of empty descriptors would hold up everyone. */
        reason = "indirect descriptor table of odd length";
    } else {
        table = guest_memory_translate(ring->memory, &ring->region,
                                       addr, len);
        if (table) {
            *n = len / sizeof(struct vring_desc);
            return table;
        }
        reason = "indirect descriptor table outside guest memory";
    }
    vring_sg_malformed(ring, sg, reason, addr, len);
    return NULL;
}

/* Says whether a counter that goes from 'old' to 'new' passes 'event' (virtio
 * 1.2 section 2.7.10). */
static inline bool
vring_passes_event(uint16_t event, uint16_t new, uint16_t old)
{
    return (uint16_t) (new - event - 1) < (uint16_t) (new - old);
}

#endif /* vhost/vring-private.h */
