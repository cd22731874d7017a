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

#include "vhost/offload.h"
#include "vhost/vring.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <unistd.h>

#include "openvswitch/vlog.h"
#include "vhost/vhost.h"
#include "vhost/vring-packed.h"
#include "vhost/vring-private.h"
#include "vhost/vring-split.h"

VLOG_DEFINE_THIS_MODULE(vhost_vring);

/* Where a packed ring begins, in the format of struct vring_config. */
#define VRING_PACKED_NEW 0x8000

/* Life of a ring */

/* Checks that the 'len' bytes at 'area' are usable. */
static bool
area_ok(const struct vring_config *c, const void *area, size_t len,
        size_t align)
{
    return (area && !((uintptr_t) area % align)
            && guest_memory_find_host(c->memory, area, len));
}

static const char *
check_split(const struct vring_config *c)
{
    size_t event = c->features & (1ull << VIRTIO_RING_F_EVENT_IDX)
                   ? 0 : sizeof(uint16_t);

    if (!IS_POW2(c->size)) {
        return "size that is not a power of two";
    } else if (!area_ok(c, c->desc, c->size * sizeof(struct vring_desc),
                        VRING_DESC_ALIGN_SIZE)) {
        return "descriptor table outside guest memory or misaligned";
    } else if (!area_ok(c, c->driver,
                        vring_split_driver_bytes(c->size) - event,
                        VRING_AVAIL_ALIGN_SIZE)) {
        return "available ring outside guest memory or misaligned";
    } else if (!area_ok(c, c->device,
                        vring_split_device_bytes(c->size) - event,
                        VRING_USED_ALIGN_SIZE)) {
        return "used ring outside guest memory or misaligned";
    }
    return NULL;
}

static const char *
check_packed(const struct vring_config *c)
{
    size_t event = sizeof(struct vring_packed_desc_event);

    if (!area_ok(c, c->desc, c->size * sizeof(struct vring_packed_desc),
                 VRING_DESC_ALIGN_SIZE)) {
        return "descriptor ring outside guest memory or misaligned";
    } else if (!area_ok(c, c->driver, event, 4)
               || !area_ok(c, c->device, event, 4)) {
        return "event suppression area outside guest memory or misaligned";
    } else if ((c->avail_base & 0x7fff) >= c->size
               || (c->used_base & 0x7fff) >= c->size) {
        return "start index beyond its size";
    }
    return NULL;
}

static void
vring_start_split(struct vhost_ring *ring, const struct vring_config *c)
{
    ring->split.desc = c->desc;
    ring->split.avail = c->driver;
    ring->split.used = c->device;
    ring->next_avail = c->avail_base;
    ring->next_used = c->used_base;
    ring->avail_seen = ring->next_avail;
    vring_split_start(ring);
}

static void
vring_start_packed(struct vhost_ring *ring, const struct vring_config *c)
{
    ring->packed.desc = c->desc;
    ring->packed.driver = c->driver;
    ring->packed.device = c->device;
    ring->next_avail = c->avail_base & 0x7fff;
    ring->avail_wrap = c->avail_base >> 15;
    ring->next_used = c->used_base & 0x7fff;
    ring->used_wrap = c->used_base >> 15;
    if (c->avail_base == VRING_PACKED_NEW
        && (c->to_guest || !ring->in_order)
        && vring_packed_resume(c->desc, c->size, c->to_guest,
                               &ring->next_avail, &ring->avail_wrap)) {
        ring->next_used = ring->next_avail;
        ring->used_wrap = ring->avail_wrap;
        VLOG_INFO("%s: ring %u resumes at descriptor %"PRIu16", which the "
                  "front end did not know", c->name, c->index,
                  ring->next_avail);
    }
    vring_packed_start(ring);
}

/* Makes a ring after 'c' and stores it in '*ringp', or NULL in case of error.
 * Returns NULL or what is wrong with the ring, a literal.
 * The memory snapshot must outlive the ring.  In either case 'c->callfd' now
 * belongs to this function. */
const char *
vring_create(const struct vring_config *c, struct vhost_ring **ringp)
{
    bool packed = c->features & (1ull << VIRTIO_F_RING_PACKED);
    struct vhost_ring *ring;
    const char *problem;

    *ringp = NULL;
    if (guest_memory_is_lost(c->memory)) {
        problem = "memory that its owner has truncated";
    } else if (!c->size || c->size > VRING_MAX_SIZE) {
        problem = "size out of range";
    } else {
        problem = packed ? check_packed(c) : check_split(c);
    }
    if (problem) {
        if (c->callfd >= 0) {
            close(c->callfd);
        }
        return problem;
    }

    ring = xzalloc_cacheline(sizeof *ring);
    ring->memory = c->memory;
    ring->region = c->memory->regions;
    ring->size = c->size;
    ring->is_packed = packed;
    ring->to_guest = c->to_guest;
    ring->mergeable = c->features & (1ull << VIRTIO_NET_F_MRG_RXBUF);
    ring->event_idx = c->features & (1ull << VIRTIO_RING_F_EVENT_IDX);
    ring->indirect = c->features & (1ull << VIRTIO_RING_F_INDIRECT_DESC);
    ring->in_order = c->features & (1ull << VIRTIO_F_IN_ORDER);
    ring->offloads = c->features & VHOST_OFFLOAD_FEATURES;
    ring->reads_hdr = c->features & VHOST_HOST_OFFLOADS;
    /* Virtio 1.2 section 5.1.6.1: a legacy header ends before num_buffers. */
    ring->hdr_len = (c->features & (1ull << VIRTIO_F_VERSION_1)
                     || ring->mergeable || packed
                     ? sizeof(struct virtio_net_hdr_v1)
                     : sizeof(struct virtio_net_hdr));
    ring->callfd = c->callfd;
    ring->name = c->name;
    ring->index = c->index;
    if (c->to_guest) {
        ring->scratch = xmalloc(sizeof *ring->scratch
                                + VHOST_BURST_IOV * sizeof(struct iovec));
    }
    if (packed) {
        vring_start_packed(ring, c);
    } else {
        vring_start_split(ring, c);
    }

    *ringp = ring;
    return NULL;
}

/* No thread may be using 'ring'. */
void
vring_destroy(struct vhost_ring *ring)
{
    if (ring) {
        if (ring->callfd >= 0) {
            close(ring->callfd);
        }
        free(ring->scratch);
        free_cacheline(ring);
    }
}

/* Stores the position of 'ring', which no thread may be using, in the format
 * of struct vring_config. */
void
vring_get_base(const struct vhost_ring *ring, uint16_t *avail, uint16_t *used)
{
    *avail = ring->next_avail;
    *used = ring->next_used;
    if (ring->is_packed) {
        *avail |= ring->avail_wrap << 15;
        *used |= ring->used_wrap << 15;
    }
}

/* Trouble */

/* Marks the chain behind 'sg' as malformed.  A guest could do this with every
 * frame, so each ring complains once. */
void
vring_sg_malformed(struct vhost_ring *ring, struct vring_sg *sg,
                   const char *reason, uint64_t addr, uint32_t len)
{
    sg->malformed = reason;
    sg->end = sg->next;
    if (!ring->warned) {
        ring->warned = true;
        VLOG_WARN("%s: guest sent a malformed descriptor chain on ring %u: %s "
                  "(address 0x%"PRIx64", length %"PRIu32"); its frame is "
                  "dropped, and further ones are counted only",
                  ring->name, ring->index, reason, addr, len);
    }
}

/* Says why vring_sg_add() does not add a buffer to 'sg'.  The guest may post
 * buffers of no length, whose address means nothing. */
void
vring_sg_refuse(struct vhost_ring *ring, struct vring_sg *sg, uint64_t addr,
                uint32_t len, uint16_t flags)
{
    if (!(flags & VRING_DESC_F_WRITE) == ring->to_guest) {
        vring_sg_malformed(ring, sg, "buffer for the wrong direction", addr,
                           len);
    } else if (!len || sg->malformed) {
        return;
    } else if (sg->next >= sg->end) {
        sg->too_long = true;
    } else {
        vring_sg_malformed(ring, sg, "buffer outside guest memory", addr, len);
    }
}

/* Marks 'ring' as broken because of 'reason', a literal, and the offending
 * 'value'.  Returns false, for convenience. */
bool
vring_break(struct vhost_ring *ring, const char *reason, unsigned int value)
{
    ring->broken = reason;
    VLOG_WARN("%s: guest broke ring %u: %s (%u); the port stops until the "
              "guest resets its device", ring->name, ring->index, reason,
              value);
    return false;
}

/* One branch on the type of the ring each */

static inline bool ALWAYS_INLINE
vring_next(struct vhost_ring *ring, bool packed, bool to_guest,
           struct vring_chain *chain, struct vring_sg *sg)
{
    if (OVS_UNLIKELY(ring->broken != NULL)) {
        return false;
    }
    return (packed
            ? vring_packed_next(ring, to_guest, chain, sg)
            : vring_split_next(ring, to_guest, chain, sg));
}

static inline unsigned int ALWAYS_INLINE
vring_take_plain(struct vhost_ring *ring, bool packed, bool to_guest,
                 const uint32_t lens[], unsigned int n,
                 struct vring_buffer buffers[])
{
    return (packed
            ? vring_packed_take_plain(ring, to_guest, lens, n, buffers)
            : vring_split_take_plain(ring, to_guest, lens, n, buffers));
}

static inline void ALWAYS_INLINE
vring_use(struct vhost_ring *ring, bool packed,
          const struct vring_chain *chain, uint32_t len)
{
    if (packed) {
        vring_packed_use(ring, chain, len);
    } else {
        vring_split_use(ring, chain, len);
    }
    ring->n_unpublished++;
}

/* Where the next chain is taken, so as to go back there. */
struct vring_position {
    uint16_t next_avail;
    bool avail_wrap;
};

static inline struct vring_position
vring_tell(const struct vhost_ring *ring)
{
    return (struct vring_position) {
        .next_avail = ring->next_avail,
        .avail_wrap = ring->avail_wrap,
    };
}

static inline void
vring_seek(struct vhost_ring *ring, struct vring_position pos)
{
    ring->next_avail = pos.next_avail;
    ring->avail_wrap = pos.avail_wrap;
}

/* Receive: the guest's transmit rings */

/* Takes the next chain off 'ring' as the 'i'th of 'burst', whatever it is.
 * Returns false if there is none for this burst. */
static bool
vring_peek_any(struct vhost_ring *ring, bool packed, struct vhost_burst *burst,
               unsigned int i)
{
    struct vring_buffer *buffer = &burst->chains[i];
    struct vhost_frame *frame = &burst->store[i];
    struct vring_position pos = vring_tell(ring);
    struct vring_sg sg;

    vring_sg_init(&sg, &burst->iov[burst->n_iov],
                  VHOST_BURST_IOV - burst->n_iov);
    if (!vring_next(ring, packed, false, &buffer->chain, &sg)) {
        return false;
    }
    if (OVS_UNLIKELY(sg.too_long) && burst->n_iov) {
        /* It has the next burst to itself. */
        vring_seek(ring, pos);
        return false;
    }

    buffer->p = NULL;
    buffer->chain.len = MIN(sg.bytes, UINT32_MAX);
    frame->iov = &burst->iov[burst->n_iov];
    frame->n_iov = sg.next - frame->iov;
    burst->fates[i] = (sg.malformed ? VHOST_RX_BROKEN
                       : sg.too_long ? VHOST_RX_TOO_LONG
                       : VHOST_N_DROPS);
    burst->n_iov += frame->n_iov;
    return true;
}

static inline unsigned int ALWAYS_INLINE
vring_peek__(struct vhost_ring *ring, bool packed, struct vhost_burst *burst)
{
    unsigned int n = 0;

    burst->n_iov = 0;
    while (OVS_LIKELY(!ring->broken)) {
        n += vring_take_plain(ring, packed, false, NULL, VHOST_BURST - n,
                              &burst->chains[n]);
        if (OVS_LIKELY(n >= VHOST_BURST)
            || !vring_peek_any(ring, packed, burst, n)) {
            break;
        }
        n++;
    }
    burst->n_chains = n;
    return n;
}

/* Takes up to VHOST_BURST chains off 'ring', a guest's transmit ring, into
 * 'burst->chains', and fills in 'iov' and 'n_iov' of those frames of
 * 'burst->store' that are not one plain buffer, with the virtio-net header
 * still in front, and their 'fates'.  Returns their number. */
unsigned int
vring_peek(struct vhost_ring *ring, struct vhost_burst *burst)
{
    return (ring->is_packed
            ? vring_peek__(ring, true, burst)
            : vring_peek__(ring, false, burst));
}

/* Gives all chains of 'burst' back as if they were one, which saves the guest
 * and us most of the cache lines: with VIRTIO_F_IN_ORDER, the last one's id
 * stands for all up to it (virtio 1.2 sections 2.7.9 and 2.8.8). */
static void
vring_use_in_order(struct vhost_ring *ring, const struct vhost_burst *burst)
{
    struct vring_chain chain = burst->chains[0].chain;

    chain.id = burst->chains[burst->n_chains - 1].chain.id;
    vring_use(ring, ring->is_packed, &chain, 0);
    if (!ring->is_packed) {
        ring->next_used += burst->n_chains - 1;
        return;
    }
    for (unsigned int i = 1; i < burst->n_chains; i++) {
        vring_packed_advance(ring, burst->chains[i].chain.n_desc,
                             &ring->next_used, &ring->used_wrap);
    }
}

/* Gives all chains of 'burst' back.  Returns true if the guest wants a
 * vring_call(). */
bool
vring_release(struct vhost_ring *ring, const struct vhost_burst *burst)
{
    if (ring->in_order && burst->n_chains) {
        vring_use_in_order(ring, burst);
        return vring_publish(ring);
    }
    for (unsigned int i = 0; i < burst->n_chains; i++) {
        vring_use(ring, ring->is_packed, &burst->chains[i].chain, 0);
    }
    return vring_publish(ring);
}

static void
vring_ask_kick(struct vhost_ring *ring, bool ask)
{
    if (ring->is_packed) {
        vring_packed_ask_kick(ring, ask);
    } else {
        vring_split_ask_kick(ring, ask);
    }
}

/* Asks the guest to notify us when it puts something on 'ring', a guest's
 * transmit ring.  If there is something by then, undoes that and returns
 * false. */
bool
vring_sleep(struct vhost_ring *ring)
{
    vring_ask_kick(ring, true);

    /* The guest puts something on the ring and then looks whether we want to
     * be notified; we do it the other way around.  One of us must see the
     * other's write.  tests/test-kick-model.c shows what it takes. */
    atomic_thread_fence(memory_order_seq_cst);
    if (ring->is_packed
        ? vring_packed_is_empty(ring) : vring_split_is_empty(ring)) {
        return true;
    }
    vring_ask_kick(ring, false);
    return false;
}

/* Ends what vring_sleep() began. */
void
vring_wake(struct vhost_ring *ring)
{
    vring_ask_kick(ring, false);
}

/* Transmit: the guest's receive rings */

/* Returns the most chains that a frame may be spread over. */
static inline unsigned int
vring_max_chains(const struct vhost_ring *ring)
{
    return ring->mergeable ? VRING_MAX_CHAINS : 1;
}

/* Finds a buffer in one piece for each of 'n' frames on 'ring', a guest's
 * receive ring, and gets it ready for being written.  'lens' are the lengths
 * of the frames, headers included.  Stops before a chain that is not such a
 * buffer: vring_gather() says what is the matter.  Returns how many it found.
 *
 * The caller fills the buffers and gives them back with vring_give(), in the
 * order taken, before it calls vring_gather(). */
unsigned int
vring_take(struct vhost_ring *ring, const uint32_t lens[], unsigned int n,
           struct vring_buffer buffers[])
{
    if (OVS_UNLIKELY(ring->broken != NULL)) {
        return 0;
    }
    return (ring->is_packed
            ? vring_take_plain(ring, true, true, lens, n, buffers)
            : vring_take_plain(ring, false, true, lens, n, buffers));
}

/* Gives the guest 'n' buffers; 'lens' says how many bytes of each were filled.
 * It sees that with the next vring_publish(). */
void
vring_give(struct vhost_ring *ring, const struct vring_buffer buffers[],
           const uint32_t lens[], unsigned int n)
{
    if (ring->is_packed) {
        vring_packed_use_plain(ring, buffers, lens, n);
    } else {
        vring_split_use_plain(ring, buffers, lens, n);
    }
}

/* Goes on, whatever the chains are, with what began at 'start': there are 'n'
 * plain ones so far, for 'bytes' bytes. */
static enum vring_gather
vring_gather_any(struct vhost_ring *ring, bool packed, uint64_t len,
                 struct vring_position start, unsigned int n, uint64_t bytes)
{
    const unsigned int max = vring_max_chains(ring);
    struct vring_scratch *s = ring->scratch;
    enum vring_gather error;
    struct vring_sg sg;

    vring_sg_init(&sg, s->iov + n, VHOST_BURST_IOV - n);
    sg.bytes = bytes;
    do {
        uint64_t before = sg.bytes;

        if (OVS_UNLIKELY(n >= max)) {
            error = VRING_GATHER_TOO_LONG;
            goto error;
        }
        if (!vring_next(ring, packed, true, &s->chains[n], &sg)) {
            error = VRING_GATHER_EMPTY;
            goto error;
        }
        s->chains[n++].len = MIN(sg.bytes - before, UINT32_MAX);
        if (OVS_UNLIKELY(sg.malformed)) {
            /* The good ones before it must go too: chains return in order. */
            for (unsigned int i = 0; i < n; i++) {
                vring_use(ring, packed, &s->chains[i], 0);
            }
            return VRING_GATHER_MALFORMED;
        }
        if (OVS_UNLIKELY(sg.too_long && sg.bytes < len)) {
            error = VRING_GATHER_TOO_LONG;
            goto error;
        }
    } while (sg.bytes < len);
    s->n_chains = n;
    return VRING_GATHER_OK;

error:
    vring_seek(ring, start);
    return error;
}

static inline enum vring_gather ALWAYS_INLINE
vring_gather__(struct vhost_ring *ring, bool packed, uint64_t len)
{
    struct vring_position start = vring_tell(ring);
    uint64_t bytes = 0;
    unsigned int n = 0;

    if (OVS_LIKELY(!ring->broken)) {
        n = (packed
             ? vring_packed_gather_plain(ring, len, vring_max_chains(ring),
                                         &bytes)
             : vring_split_gather_plain(ring, len, vring_max_chains(ring),
                                        &bytes));
    }
    if (OVS_UNLIKELY(bytes < len)) {
        return vring_gather_any(ring, packed, len, start, n, bytes);
    }
    ring->scratch->n_chains = n;
    return VRING_GATHER_OK;
}

/* Finds buffers for 'len' bytes, header included, on 'ring', a guest's receive
 * ring.  If that is successful, the caller fills those at
 * 'ring->scratch->iov', then calls vring_commit(); otherwise the ring stays as
 * it is, except that a malformed chain is given back. */
enum vring_gather
vring_gather(struct vhost_ring *ring, uint64_t len)
{
    return (ring->is_packed
            ? vring_gather__(ring, true, len)
            : vring_gather__(ring, false, len));
}

static inline void ALWAYS_INLINE
vring_commit__(struct vhost_ring *ring, bool packed, uint64_t len)
{
    const struct vring_scratch *s = ring->scratch;

    for (unsigned int i = 0; i < s->n_chains; i++) {
        uint32_t n = MIN(len, s->chains[i].len);

        vring_use(ring, packed, &s->chains[i], n);
        len -= n;
    }
}

/* Gives the guest the buffers that vring_gather() found, 'len' bytes of which
 * were filled.  It sees them with the next vring_publish(). */
void
vring_commit(struct vhost_ring *ring, uint64_t len)
{
    if (ring->is_packed) {
        vring_commit__(ring, true, len);
    } else {
        vring_commit__(ring, false, len);
    }
}

/* Both */

/* Shows the guest all that was given back.  Returns true if it wants a
 * vring_call(). */
bool
vring_publish(struct vhost_ring *ring)
{
    bool call;

    if (!ring->n_unpublished) {
        return false;
    }
    ring->n_unpublished = 0;

    if (ring->is_packed) {
        vring_packed_publish(ring);
    } else {
        vring_split_publish(ring);
    }

    /* The guest asks for notifications and then looks at the ring; we do it
     * the other way around.  One of us must see the other's write. */
    atomic_thread_fence(memory_order_seq_cst);
    call = (ring->is_packed
            ? vring_packed_wants_call(ring)
            : vring_split_wants_call(ring)) || !ring->signalled_valid;
    ring->signalled = ring->next_used;
    ring->signalled_valid = true;
    return call && ring->callfd >= 0;
}

/* Notifies the guest.  Its end of the descriptor may be anything, so this must
 * not block; an eventfd that is full notifies just as well. */
void
vring_call(const struct vhost_ring *ring)
{
    uint64_t one = 1;
    ssize_t n;

    if (ring->callfd >= 0) {
        do {
            n = write(ring->callfd, &one, sizeof one);
        } while (n < 0 && errno == EINTR);
    }
}
