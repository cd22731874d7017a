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

/* What a guest may get wrong on a ring, by mistake or not. */

#include <config.h>
#undef NDEBUG

#include "test-vring.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>

#include "ovs-thread.h"
#include "util.h"

#define GOOD 60                 /* Bytes of a good frame. */
#define SIZE 64                 /* Descriptors of a ring. */
#define END (DRIVER_N_REGIONS * DRIVER_REGION_SIZE) /* Of guest memory. */

/* What a case comes to, besides 'enum vhost_drop'. */
enum {
    DELIVERED = VHOST_N_DROPS,  /* Not bad after all. */
    BREAKS                      /* The ring, and with it the port. */
};

enum { SPLIT = 1, PACKED = 2, BOTH = 3 };

struct bad_case {
    const char *name;
    int rings;                  /* On which it can happen. */
    int result;
    void (*post)(struct bench *);
};

/* Posting */

/* Posts a chain of one to three buffers.  Returns its id. */
static int
post(struct bench *b, unsigned int n, uint64_t addr0, uint32_t len0,
     uint16_t flags0, uint64_t addr1, uint32_t len1, uint16_t flags1)
{
    const struct driver_desc descs[] = {
        { addr0, len0, flags0 },
        { addr1, len1, flags1 },
        { driver_arena(5), 100, flags0 },
    };
    int id = driver_add(&b->driver, descs, n);

    ovs_assert(id >= 0);
    return id;
}

static int
post1(struct bench *b, uint64_t addr, uint32_t len, uint16_t flags)
{
    return post(b, 1, addr, len, flags, 0, 0, 0);
}

/* Posts an indirect table of 'n' entries of 'len' bytes. */
static void
post_table(struct bench *b, unsigned int n, uint32_t len, uint16_t flags)
{
    struct driver_desc descs[2048];

    ovs_assert(n <= ARRAY_SIZE(descs));
    for (unsigned int i = 0; i < n; i++) {
        descs[i] = (struct driver_desc) { driver_arena(9), len, flags };
    }
    driver_write_table(&b->driver, driver_arena(10), descs, n);
    post1(b, driver_arena(10), 16 * n, DESC_INDIRECT);
}

/* Where descriptor 'i' of the last chain is, in the ring's memory.  Chains
 * posted by this file's tests take consecutive descriptors of packed rings. */
static uint64_t
split_desc(const struct bench *b, int i)
{
    return b->driver.desc + 16 * i;
}

static uint64_t
packed_desc(const struct bench *b, int back)
{
    return b->driver.desc + 16 * ((b->driver.avail + SIZE - back) % SIZE);
}

static void
set_bits(struct bench *b, uint64_t gpa, uint16_t bits)
{
    driver_write_le(&b->driver, gpa,
                    driver_read_le(&b->driver, gpa, 2) ^ bits, 2);
}

/* Cases: the guest transmits */

static void
outside(struct bench *b)
{
    post1(b, END, 100, 0);
}

static void
below_wrap(struct bench *b)
{
    post1(b, UINT64_MAX - 50, 100, 0);
}

static void
over_the_end(struct bench *b)
{
    post1(b, END - 99, 100, 0);
}

static void
two_regions(struct bench *b)
{
    post1(b, 2 * DRIVER_REGION_SIZE - 50, 100, 0);
}

static void
huge(struct bench *b)
{
    post1(b, driver_arena(3), UINT32_MAX, 0);
}

static void
second_outside(struct bench *b)
{
    post(b, 3, driver_arena(3), 100, 0, END + 5, 100, 0);
}

static void
writable(struct bench *b)
{
    post1(b, driver_arena(3), 100, DESC_WRITE);
}

static void
second_writable(struct bench *b)
{
    post(b, 3, driver_arena(3), 100, 0, driver_arena(4), 100, DESC_WRITE);
}

static void
empty_outside(struct bench *b)
{
    post(b, 3, UINT64_MAX, 0, 0, END, 0, 0);
}

static void
all_empty(struct bench *b)
{
    post(b, 2, UINT64_MAX, 0, 0, END, 0, 0);
}

static void
half_header(struct bench *b)
{
    post1(b, driver_arena(3), b->hdr_len - 1, 0);
}

static void
header_only(struct bench *b)
{
    post1(b, driver_arena(3), b->hdr_len, 0);
}

static void
header_in_three(struct bench *b)
{
    post(b, 3, driver_arena(3), 1, 0, driver_arena(4), 3, 0);
}

static void
runt(struct bench *b)
{
    post1(b, driver_arena(3), b->hdr_len + 13, 0);
}

static void
longest(struct bench *b)
{
    post1(b, driver_arena(3), b->hdr_len + 65535, 0);
}

static void
too_long(struct bench *b)
{
    post1(b, driver_arena(3), b->hdr_len + 65536, 0);
}

static void
many_pieces(struct bench *b)
{
    post_table(b, VHOST_BURST_IOV - 4, 5, 0);
}

static void
too_many_pieces(struct bench *b)
{
    post_table(b, VHOST_BURST_IOV + 1, 5, 0);
}

static void
needs_csum(struct bench *b)
{
    driver_write_le(&b->driver, driver_arena(3), 1, 1);
    post1(b, driver_arena(3), 100, 0);
}

static void
gso(struct bench *b)
{
    driver_write_le(&b->driver, driver_arena(3) + 1, 1, 1);
    post1(b, driver_arena(3), 100, 0);
}

static void
table_empty(struct bench *b)
{
    post1(b, driver_arena(3), 0, DESC_INDIRECT);
}

static void
table_odd(struct bench *b)
{
    post1(b, driver_arena(3), 24, DESC_INDIRECT);
}

static void
table_outside(struct bench *b)
{
    post1(b, END - 16, 32, DESC_INDIRECT);
}

static void
table_then_next(struct bench *b)
{
    post(b, 2, driver_arena(3), 32, DESC_INDIRECT, driver_arena(4), 100, 0);
}

static void
table_in_table(struct bench *b)
{
    post_table(b, 2, 32, DESC_INDIRECT);
}

static void
table_buffer_outside(struct bench *b)
{
    const struct driver_desc descs[] = {
        { driver_arena(3), 100, 0 },
        { END - 1, 100, 0 },
    };

    driver_write_table(&b->driver, driver_arena(10), descs, 2);
    post1(b, driver_arena(10), 32, DESC_INDIRECT);
}

static void
table_writable(struct bench *b)
{
    post_table(b, 2, 50, DESC_WRITE);
}

/* A good frame, and then nothing, at length. */
static void
table_endless(struct bench *b)
{
    const struct driver_desc good = {
        driver_arena(9), b->hdr_len + GOOD, 0
    };

    driver_write_table(&b->driver, driver_arena(10), &good, 1);
    post1(b, driver_arena(10), (VRING_MAX_SIZE + 1) * 16, DESC_INDIRECT);
}

static void
table_loops(struct bench *b)
{
    post_table(b, 3, 50, 0);
    for (unsigned int i = 0; i < 3; i++) {
        driver_write_le(&b->driver, driver_arena(10) + 16 * i + 12,
                        DESC_NEXT, 2);
        driver_write_le(&b->driver, driver_arena(10) + 16 * i + 14, 0, 2);
    }
}

static void
table_next_outside(struct bench *b)
{
    post_table(b, 3, 50, 0);
    driver_write_le(&b->driver, driver_arena(10) + 14, 3, 2);
}

static void
avail_too_far(struct bench *b)
{
    post1(b, driver_arena(3), 100, 0);
    driver_write_le(&b->driver, b->driver.driver + 2,
                    b->driver.used + SIZE + 1, 2);
}

static void
avail_backwards(struct bench *b)
{
    driver_write_le(&b->driver, b->driver.driver + 2, b->driver.used - 1, 2);
}

static void
head_outside(struct bench *b)
{
    unsigned int slot = b->driver.avail % SIZE;

    post1(b, driver_arena(3), 100, 0);
    driver_write_le(&b->driver, b->driver.driver + 4 + 2 * slot, SIZE, 2);
}

static void
next_outside(struct bench *b)
{
    int id = post(b, 3, driver_arena(3), 100, 0, driver_arena(4), 100, 0);

    driver_write_le(&b->driver, split_desc(b, id) + 14, 0xffff, 2);
}

static void
chain_loops(struct bench *b)
{
    int id = post(b, 2, driver_arena(3), 100, 0, driver_arena(4), 100, 0);

    driver_write_le(&b->driver, split_desc(b, id) + 14, id, 2);
}

static void
packed_all_next(struct bench *b)
{
    struct driver_desc descs[SIZE];
    unsigned int n = SIZE - b->driver.n_slots;

    for (unsigned int i = 0; i < n; i++) {
        descs[i] = (struct driver_desc) { driver_arena(3), 1, 0 };
    }
    ovs_assert(driver_add(&b->driver, descs, n) >= 0);
    set_bits(b, packed_desc(b, 1) + 14, DESC_NEXT);
}

static void
packed_rest_missing(struct bench *b)
{
    post(b, 3, driver_arena(3), 100, 0, driver_arena(4), 100, 0);
    set_bits(b, packed_desc(b, 2) + 14, 0x80);
}

static void
packed_next_into_nothing(struct bench *b)
{
    post1(b, driver_arena(3), 100, 0);
    set_bits(b, packed_desc(b, 1) + 14, DESC_NEXT);
}

static const struct bad_case rx_cases[] = {
    { "buffer outside memory", BOTH, VHOST_RX_BROKEN, outside },
    { "buffer that wraps around", BOTH, VHOST_RX_BROKEN, below_wrap },
    { "buffer that leaves memory", BOTH, VHOST_RX_BROKEN, over_the_end },
    { "buffer over two regions", BOTH, VHOST_RX_BROKEN, two_regions },
    { "buffer of 4 GB", BOTH, VHOST_RX_BROKEN, huge },
    { "second buffer outside", BOTH, VHOST_RX_BROKEN, second_outside },
    { "writable buffer", BOTH, VHOST_RX_BROKEN, writable },
    { "second buffer writable", BOTH, VHOST_RX_BROKEN, second_writable },
    { "empty buffers outside", BOTH, DELIVERED, empty_outside },
    { "nothing but empty buffers", BOTH, VHOST_RX_BROKEN, all_empty },
    { "half a header", BOTH, VHOST_RX_BROKEN, half_header },
    { "nothing but a header", BOTH, VHOST_RX_TOO_SHORT, header_only },
    { "header in three buffers", BOTH, DELIVERED, header_in_three },
    { "runt frame", BOTH, VHOST_RX_TOO_SHORT, runt },
    { "longest frame", BOTH, DELIVERED, longest },
    { "frame of 64 KiB", BOTH, VHOST_RX_TOO_LONG, too_long },
    { "many pieces", BOTH, DELIVERED, many_pieces },
    { "too many pieces", BOTH, VHOST_RX_TOO_LONG, too_many_pieces },
    /* Without these features nobody reads the header. */
    { "checksum offload not negotiated", BOTH, DELIVERED, needs_csum },
    { "segmentation offload not negotiated", BOTH, DELIVERED, gso },
    { "empty table", BOTH, VHOST_RX_BROKEN, table_empty },
    { "table of odd length", BOTH, VHOST_RX_BROKEN, table_odd },
    { "table longer than any ring", BOTH, VHOST_RX_BROKEN, table_endless },
    { "table outside memory", BOTH, VHOST_RX_BROKEN, table_outside },
    { "table amid a chain", BOTH, VHOST_RX_BROKEN, table_then_next },
    { "table in a table", BOTH, VHOST_RX_BROKEN, table_in_table },
    { "table with a buffer outside", BOTH, VHOST_RX_BROKEN,
      table_buffer_outside },
    { "writable table", SPLIT, VHOST_RX_BROKEN, table_writable },
    { "writable table", PACKED, DELIVERED, table_writable },
    { "table that loops", SPLIT, VHOST_RX_BROKEN, table_loops },
    { "table that leaves itself", SPLIT, VHOST_RX_BROKEN,
      table_next_outside },
    { "available index too far", SPLIT, BREAKS, avail_too_far },
    { "available index backwards", SPLIT, BREAKS, avail_backwards },
    { "head outside the ring", SPLIT, BREAKS, head_outside },
    { "chain that leaves the ring", SPLIT, BREAKS, next_outside },
    { "chain that loops", SPLIT, BREAKS, chain_loops },
    { "chain longer than the ring", PACKED, BREAKS, packed_all_next },
    { "chain with a gap", PACKED, BREAKS, packed_rest_missing },
    { "chain without an end", PACKED, BREAKS, packed_next_into_nothing },
};

/* Takes what there is off the ring.  Returns the number of frames, and in
 * '*n_used' of chains that came back. */
static unsigned int
rx_run(struct bench *b, unsigned int *n_used)
{
    unsigned int n = 0, id;
    uint32_t len;

    for (int i = 0; i < 4; i++) {
        n += vhost_peek(b->port, 0, b->burst);
        vhost_release(b->port, 0, b->burst);
    }
    *n_used = 0;
    while (driver_get(&b->driver, &id, &len)) {
        ovs_assert(!len);
        *n_used += 1;
    }
    return n;
}

/* Sends a good frame, the case's, and a good one. */
static void
rx_case(const struct bad_case *c, bool packed)
{
    const uint64_t *drops;
    unsigned int n, n_used;
    struct bench b;

    bench_init(&b, packed, false, SIZE, SIZE - 2, 1,
               F(VIRTIO_F_VERSION_1) | F(VIRTIO_RING_F_INDIRECT_DESC));
    drops = b.port->rx->stats.drops;

    post1(&b, driver_arena(1), b.hdr_len + GOOD, 0);
    ovs_assert(rx_run(&b, &n_used) == 1 && n_used == 1);
    c->post(&b);
    if (c->result == BREAKS) {
        ovs_assert(!rx_run(&b, &n_used) && !n_used);
        ovs_assert(vhost_port_get_broken(b.port));
    } else {
        post1(&b, driver_arena(2), b.hdr_len + GOOD, 0);
        n = rx_run(&b, &n_used);
        ovs_assert(n == 1 + (c->result == DELIVERED) && n_used == 2);
        ovs_assert(!vhost_port_get_broken(b.port));
        for (int i = 0; i < VHOST_N_DROPS; i++) {
            ovs_assert(drops[i] == (i == c->result));
        }
    }
    bench_uninit(&b);
}

/* Cases: the guest receives */

static void
tx_outside(struct bench *b)
{
    post1(b, END - 50, 2000, DESC_WRITE);
}

static void
tx_second_outside(struct bench *b)
{
    /* The first is good, but the frame needs both if it may have them. */
    post1(b, driver_arena(3), 30, DESC_WRITE);
    post1(b, END, 2000, DESC_WRITE);
}

static void
tx_readable(struct bench *b)
{
    post1(b, driver_arena(3), 2000, 0);
}

static void
tx_header_split(struct bench *b)
{
    post(b, 2, driver_arena(3), 5, DESC_WRITE,
         driver_arena(4), 2000, DESC_WRITE);
}

static void
tx_short_header_short_rest(struct bench *b)
{
    post(b, 2, driver_arena(3), 5, DESC_WRITE, driver_arena(4), 20,
         DESC_WRITE);
}

static void
tx_small(struct bench *b)
{
    post1(b, driver_arena(3), 30, DESC_WRITE);
}

static void
tx_empty(struct bench *b)
{
    post1(b, UINT64_MAX, 0, DESC_WRITE);
}

static void
tx_nothing(struct bench *b OVS_UNUSED)
{
}

static const struct bad_case tx_cases[] = {
    { "buffer outside memory", BOTH, VHOST_TX_BROKEN, tx_outside },
    { "readable buffer", BOTH, VHOST_TX_BROKEN, tx_readable },
    { "header over two buffers", BOTH, DELIVERED, tx_header_split },
    { "header and rest too short", BOTH, VHOST_TX_TOO_LONG,
      tx_short_header_short_rest },
    { "buffer too small", BOTH, VHOST_TX_TOO_LONG, tx_small },
    { "empty buffer", BOTH, VHOST_TX_TOO_LONG, tx_empty },
    { "no buffer", BOTH, VHOST_TX_NO_DESC, tx_nothing },
    { "available index too far", SPLIT, VHOST_TX_BROKEN, avail_too_far },
    { "head outside the ring", SPLIT, VHOST_TX_BROKEN, head_outside },
}, mergeable_cases[] = {
    { "buffer too small", BOTH, VHOST_TX_NO_DESC, tx_small },
    { "empty buffer", BOTH, VHOST_TX_NO_DESC, tx_empty },
    { "second buffer outside", BOTH, VHOST_TX_BROKEN, tx_second_outside },
    { "header and rest too short", BOTH, VHOST_TX_NO_DESC,
      tx_short_header_short_rest },
};

static int
tx_run(struct bench *b, unsigned int *n_used)
{
    uint8_t bytes[GOOD] = { 0 };
    const struct vhost_frame frame = { .data = bytes, .data_len = GOOD };
    struct vhost_tx tx;
    unsigned int id;
    uint32_t len;
    int drop;

    vhost_tx_begin(b->port, 0, &tx);
    drop = vhost_tx_put(&tx, &frame);
    vhost_tx_end(&tx);
    *n_used = 0;
    while (driver_get(&b->driver, &id, &len)) {
        *n_used += 1;
    }
    return drop < 0 ? DELIVERED : drop;
}

static void
tx_case(const struct bad_case *c, bool packed, bool mergeable)
{
    unsigned int n_used;
    struct bench b;
    bool breaks;

    bench_init(&b, packed, true, SIZE, SIZE - 2, 0,
               F(VIRTIO_F_VERSION_1)
               | (mergeable ? F(VIRTIO_NET_F_MRG_RXBUF) : 0));

    post1(&b, driver_arena(1), 2000, DESC_WRITE);
    ovs_assert(tx_run(&b, &n_used) == DELIVERED && n_used == 1);

    c->post(&b);
    ovs_assert(tx_run(&b, &n_used) == c->result);
    breaks = vhost_port_get_broken(b.port) != NULL;
    ovs_assert(breaks == (c->post == avail_too_far
                          || c->post == head_outside));
    if (breaks) {
        ovs_assert(!n_used);
        ovs_assert(tx_run(&b, &n_used) == VHOST_TX_NO_LINK);
    } else if (c->result != VHOST_TX_TOO_LONG) {
        /* Only buffers that can never do stay in the way. */
        ovs_assert(!n_used == (c->result == VHOST_TX_NO_DESC));
        post1(&b, driver_arena(2), 2000, DESC_WRITE);
        ovs_assert(tx_run(&b, &n_used) == DELIVERED && n_used);
    }
    bench_uninit(&b);
}

/* A guest that moves the available index of a split ring to and fro, from
 * another CPU, while we look. */
struct mover {
    struct driver *driver;
    atomic_bool stop;
};

static void *
move_index(void *mover_)
{
    struct mover *mover = mover_;
    struct driver *d = mover->driver;
    uint16_t *idx = (void *) driver_ptr(d, d->driver + 2);
    bool stop;

    do {
        /* Neither is overtaken by the other. */
        __atomic_store_n(idx, 1, __ATOMIC_SEQ_CST);
        __atomic_store_n(idx, SIZE, __ATOMIC_SEQ_CST);
        atomic_read(&mover->stop, &stop);
    } while (!stop);
    return NULL;
}

/* Takes up to 'n' chains at once, again and again: no more may be taken. */
static void
moving_index(bool to_guest, unsigned int n, unsigned int n_rounds)
{
    struct vring_buffer buffers[SIZE];
    uint32_t lens[SIZE];
    struct mover mover;
    pthread_t thread;
    struct bench b;

    BUILD_ASSERT(SIZE > VHOST_BURST);
    bench_init(&b, false, to_guest, SIZE, 0, 0, F(VIRTIO_F_VERSION_1));
    for (unsigned int i = 0; i < SIZE; i++) {
        post1(&b, driver_arena(i), b.hdr_len + GOOD,
              to_guest ? DESC_WRITE : 0);
        lens[i] = b.hdr_len + GOOD;
    }
    mover.driver = &b.driver;
    atomic_init(&mover.stop, false);
    thread = ovs_thread_create("mover", move_index, &mover);
    while (n_rounds--) {
        if (to_guest) {
            ovs_assert(vring_take(b.ring, lens, n, buffers) <= n);
        } else {
            ovs_assert(vring_peek(b.ring, b.burst) <= n);
        }
        ovs_assert(!b.ring->broken);
        b.ring->next_avail = b.ring->avail_seen = 0;
    }
    atomic_store(&mover.stop, true);
    xpthread_join(thread, NULL);
    bench_uninit(&b);
}

void
test_vring_bad(void)
{
    unsigned int n = 0;

    for (int packed = 0; packed < 2; packed++) {
        int ring = packed ? PACKED : SPLIT;

        for (size_t i = 0; i < ARRAY_SIZE(rx_cases); i++) {
            if (rx_cases[i].rings & ring) {
                printf("rx %s: %s\n", packed ? "packed" : "split",
                       rx_cases[i].name);
                rx_case(&rx_cases[i], packed);
                n++;
            }
        }
        for (size_t i = 0; i < ARRAY_SIZE(tx_cases); i++) {
            if (tx_cases[i].rings & ring) {
                printf("tx %s: %s\n", packed ? "packed" : "split",
                       tx_cases[i].name);
                tx_case(&tx_cases[i], packed, false);
                n++;
            }
        }
        for (size_t i = 0; i < ARRAY_SIZE(mergeable_cases); i++) {
            printf("tx %s mergeable: %s\n", packed ? "packed" : "split",
                   mergeable_cases[i].name);
            tx_case(&mergeable_cases[i], packed, true);
            n++;
        }
    }
    moving_index(false, VHOST_BURST, 200000);
    moving_index(true, 4, 200000);
    printf("%u cases\n", n);
}
