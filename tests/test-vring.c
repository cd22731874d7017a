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

/* Tests of vhost/: rings, and what test-vring-*.c test.  Random tests take a
 * number of rounds and a seed, and print the seed. */

#include <config.h>
#undef NDEBUG

#include "test-vring.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ovstest.h"
#include "packets.h"
#include "random.h"
#include "util.h"

#define FILL 0xee               /* What receive buffers are made of. */
#define MAX_FRAME 9500          /* Longest frame in random tests. */

/* Both sides of a ring */

static struct vhost_port *
make_port(struct vhost_ring *ring, bool to_guest)
{
    struct vhost_port *port = xzalloc_cacheline(sizeof *port);

    port->rx = xzalloc_cacheline(sizeof *port->rx);
    port->tx = xzalloc_cacheline(sizeof *port->tx);
    ovs_spin_init(&port->tx->lock);
    atomic_init(&port->rx->ring, to_guest ? NULL : ring);
    atomic_init(&port->tx->ring, to_guest ? ring : NULL);
    port->tx_map = xzalloc(sizeof *port->tx_map);
    atomic_init(&port->n_tx, to_guest);
    atomic_init(&port->max_frame, MAX_FRAME);
    atomic_init(&port->tx_retries_max, 0);
    atomic_init(&port->up, true);
    atomic_init(&port->rx_policer, NULL);
    atomic_init(&port->tx_policer, NULL);
    atomic_init(&port->broken, NULL);
    atomic_init(&port->broken_told, false);
    return port;
}

void
bench_init(struct bench *b, bool packed, bool to_guest, unsigned int size,
           unsigned int start, bool wrap, uint64_t features)
{
    if (packed) {
        features |= F(VIRTIO_F_RING_PACKED) | F(VIRTIO_F_VERSION_1);
    }
    driver_init(&b->driver, packed, size, start, wrap,
                features & F(VIRTIO_RING_F_EVENT_IDX));
    b->ring = driver_make_ring(&b->driver, to_guest, features);
    b->port = make_port(b->ring, to_guest);
    b->hdr_len = (features & (F(VIRTIO_F_VERSION_1)
                              | F(VIRTIO_NET_F_MRG_RXBUF)) ? 12 : 10);
    b->burst = xmalloc_cacheline(sizeof *b->burst);
}

void
bench_uninit(struct bench *b)
{
    vring_destroy(b->ring);
    driver_uninit(&b->driver);
    ovs_spin_destroy(&b->port->tx->lock);
    free_cacheline(b->port->rx);
    free_cacheline(b->port->tx);
    free(b->port->tx_map);
    free_cacheline(b->port);
    free_cacheline(b->burst);
}

static uint64_t
random_features(void)
{
    static const int bits[] = {
        VIRTIO_F_VERSION_1, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_RING_F_EVENT_IDX,
        VIRTIO_RING_F_INDIRECT_DESC, VIRTIO_F_IN_ORDER,
    };
    uint64_t features = 0;

    for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
        if (random_range(2)) {
            features |= F(bits[i]);
        }
    }
    return features;
}

static void
bench_init_random(struct bench *b, bool to_guest, uint64_t *features)
{
    bool packed = random_range(2);
    unsigned int size = packed ? 1 + random_range(DRIVER_MAX_SIZE)
                               : 1 << random_range(9);
    unsigned int start = packed ? random_range(size)
                                : 0xffff & -random_range(300);

    *features = random_features();
    bench_init(b, packed, to_guest, size, start, random_range(2), *features);
}

/* Random frames and layouts */

static uint8_t
random_byte(void)
{
    return random_uint32();
}

/* Mostly short frames, sometimes long ones. */
static unsigned int
random_len(unsigned int min, unsigned int max)
{
    unsigned int limit = random_range(4) ? 200 : max;

    return min + random_range(MIN(limit, max) - min + 1);
}

/* Cuts 'len' bytes of arena memory from '*gpa' on into up to 'max' buffers,
 * with gaps and empty ones between, and advances '*gpa'.  Returns how many. */
static unsigned int
random_cut(struct driver_desc *descs, unsigned int max, uint64_t *gpa,
           unsigned int len, uint16_t flags)
{
    unsigned int n = 0;

    do {
        unsigned int piece = n == max - 1 || random_range(3)
                             ? len : random_range(len + 1);

        *gpa += 1 + random_range(20);
        descs[n] = (struct driver_desc) {
            /* An empty buffer may be anywhere. */
            .addr = piece ? *gpa : UINT64_MAX - random_range(10),
            .len = piece,
            .flags = flags,
        };
        n++;
        *gpa += piece;
        len -= piece;
    } while (len || (n < max && !random_range(10)));
    return n;
}

/* Posts the chain of 'n' 'descs', as it is or in an indirect table in the
 * arena's first KB, or, if split, partly so. */
static int
random_post(struct driver *d, uint64_t arena, const struct driver_desc *descs,
            unsigned int n, uint64_t features)
{
    struct driver_desc outer[DRIVER_MAX_SIZE];
    unsigned int direct = d->packed ? 0 : random_range(n);
    uint64_t table = arena + random_range(64);

    if (!(features & F(VIRTIO_RING_F_INDIRECT_DESC)) || random_range(2)) {
        return driver_add(d, descs, n);
    }

    memcpy(outer, descs, direct * sizeof *descs);
    outer[direct] = (struct driver_desc) {
        .addr = table, .len = 16 * (n - direct), .flags = DESC_INDIRECT,
    };
    driver_write_table(d, table, descs + direct, n - direct);
    return driver_add(d, outer, direct + 1);
}

/* Receive */

struct rx_frame {
    unsigned int arena;
    int id;
    unsigned int len;
    uint8_t data[MAX_FRAME];
};

/* Posts a random frame, with the bytes kept in 'f'.  Returns false if there is
 * no room. */
static bool
rx_post(struct bench *b, struct rx_frame *f, uint64_t features)
{
    uint64_t arena = driver_arena(f->arena);
    uint64_t start = arena + 1024;
    uint64_t gpa = start;
    struct driver_desc descs[32];
    unsigned int n, done = 0;

    f->len = random_len(ETH_HEADER_LEN, MAX_FRAME);
    for (unsigned int i = 0; i < f->len; i++) {
        f->data[i] = random_byte();
    }

    n = random_cut(descs, 1 + random_range(20), &gpa, b->hdr_len + f->len, 0);
    for (unsigned int i = 0; i < n; i++) {
        for (unsigned int j = 0; j < descs[i].len; j++, done++) {
            /* All of the header is 0, but for fields that do not matter. */
            uint8_t byte = (done >= b->hdr_len ? f->data[done - b->hdr_len]
                            : done < 2 ? 0 : random_byte());

            driver_write_le(&b->driver, descs[i].addr + j, byte, 1);
        }
    }
    f->id = random_post(&b->driver, arena, descs, n, features);
    return f->id >= 0;
}

/* Checks that 'frame' is 'f'. */
static void
rx_compare(const struct vhost_frame *frame, const struct rx_frame *f)
{
    unsigned int done = frame->data_len;

    ovs_assert(frame->data_len == MIN(f->len, VHOST_SNAPSHOT));
    ovs_assert(vhost_frame_len(frame) == f->len);
    ovs_assert(frame->data == frame->room + VHOST_HEADROOM);
    ovs_assert(!memcmp(frame->data, f->data, frame->data_len));
    for (unsigned int i = 0; i < frame->n_iov; i++) {
        ovs_assert(done + frame->iov[i].iov_len <= f->len);
        ovs_assert(!memcmp(frame->iov[i].iov_base, f->data + done,
                           frame->iov[i].iov_len));
        done += frame->iov[i].iov_len;
    }
    ovs_assert(done == f->len);
}

/* The guest transmits: posts frames, the device takes and returns them. */
static void
rx_round(unsigned int n_steps)
{
    struct rx_frame *frames = xmalloc(DRIVER_MAX_SIZE * sizeof *frames);
    struct vhost_queue_stats stats;
    unsigned int head = 0, tail = 0;
    uint64_t n_bytes = 0;
    uint64_t features;
    struct bench b;

    bench_init_random(&b, false, &features);
    for (unsigned int step = 0; step < n_steps; step++) {
        unsigned int n, id;
        uint32_t len;

        for (int i = random_range(70); i > 0; i--) {
            struct rx_frame *f = &frames[head % DRIVER_MAX_SIZE];

            f->arena = head % DRIVER_N_ARENAS;
            if (head - tail >= b.driver.size || !rx_post(&b, f, features)) {
                break;
            }
            head++;
        }
        driver_random_suppression(&b.driver);

        n = vhost_peek(b.port, 0, b.burst);
        ovs_assert(n == MIN(head - tail, VHOST_BURST));
        for (unsigned int i = 0; i < n; i++) {
            const struct rx_frame *f = &frames[(tail + i) % DRIVER_MAX_SIZE];

            rx_compare(b.burst->frames[i], f);
            n_bytes += f->len;
        }
        vhost_release(b.port, 0, b.burst);

        while (driver_get(&b.driver, &id, &len)) {
            ovs_assert(n--);
            ovs_assert(frames[tail % DRIVER_MAX_SIZE].id == id && !len);
            tail++;
        }
        ovs_assert(!n);
        driver_check_call(&b.driver);
    }

    stats = b.port->rx->stats;
    ovs_assert(stats.packets == tail && stats.bytes == n_bytes);
    for (int i = 0; i < VHOST_N_DROPS; i++) {
        ovs_assert(!stats.drops[i]);
    }
    bench_uninit(&b);
    free(frames);
}

/* Transmit */

struct tx_chain {
    unsigned int n;
    struct driver_desc descs[32];
    unsigned int len;           /* Of its buffers. */
    unsigned int n_left;        /* First bytes that are not FILL. */
};

/* Moves the buffers of 'c' so that what follows the virtio-net header begins a
 * cache line, and writes the usual header there, perhaps with a wrong byte:
 * what a guest leaves behind that has received to the same buffer before. */
static void
tx_leave_header(struct bench *b, struct tx_chain *c)
{
    uint8_t hdr[12] = { [10] = 1 };
    unsigned int i = 0, shift;
    const uint8_t *frame;

    while (!c->descs[i].len) {
        i++;
    }
    frame = driver_ptr(&b->driver, c->descs[i].addr + b->hdr_len);
    shift = -(uintptr_t) frame % CACHE_LINE_SIZE;
    for (unsigned int j = i; j < c->n; j++) {
        c->descs[j].addr += c->descs[j].len ? shift : 0;
    }
    if (random_range(2)) {
        hdr[random_range(sizeof hdr)] ^= 1 << random_range(8);
    }
    c->n_left = MIN(c->descs[i].len, sizeof hdr);
    driver_write(&b->driver, c->descs[i].addr, hdr, c->n_left);
}

static bool
tx_post(struct bench *b, struct tx_chain chains[], unsigned int arena_no,
        uint64_t features)
{
    uint64_t arena = driver_arena(arena_no);
    uint64_t gpa = arena + 1024;
    struct tx_chain c;
    int id;

    memset(driver_ptr(&b->driver, gpa), FILL, DRIVER_ARENA_SIZE - 1024);
    c.len = random_len(1, MAX_FRAME + b->hdr_len);
    c.n = random_cut(c.descs, 1 + random_range(20), &gpa, c.len, DESC_WRITE);
    c.n_left = 0;
    if (random_range(2)) {
        tx_leave_header(b, &c);
    }
    id = random_post(&b->driver, arena, c.descs, c.n, features);
    if (id >= 0) {
        chains[id] = c;
    }
    return id >= 0;
}

/* Appends the first 'len' bytes of chain 'c' to the '*n' ones at 'data', and
 * checks that the others were left alone. */
static void
tx_collect(const struct bench *b, const struct tx_chain *c, unsigned int len,
           uint8_t *data, unsigned int *n)
{
    unsigned int n_left = c->n_left;

    ovs_assert(len <= c->len);
    for (unsigned int i = 0; i < c->n; i++) {
        const struct driver_desc *desc = &c->descs[i];

        for (unsigned int j = 0; j < desc->len; j++) {
            uint8_t byte = driver_read_le(&b->driver, desc->addr + j, 1);

            if (len) {
                data[(*n)++] = byte;
                len--;
            } else {
                ovs_assert(byte == FILL || n_left);
            }
            n_left -= !!n_left;
        }
        if (desc->len) {
            ovs_assert(driver_read_le(&b->driver, desc->addr + desc->len, 1)
                       == FILL);
        }
    }
    ovs_assert(!len);
}

/* Takes one frame off the ring, and checks its header and that it is 'len'
 * bytes at 'frame'. */
static void
tx_get(struct bench *b, const struct tx_chain chains[], const uint8_t *frame,
       unsigned int len, unsigned int *n_posted)
{
    static uint8_t data[MAX_FRAME + 12];
    unsigned int n = 0, n_chains = 0, id;
    uint32_t used;

    do {
        ovs_assert(driver_get(&b->driver, &id, &used));
        tx_collect(b, &chains[id], used, data, &n);
        n_chains++;
        *n_posted -= 1;
    } while (n < b->hdr_len + len);

    ovs_assert(n == b->hdr_len + len);
    for (unsigned int i = 0; i < 10; i++) {
        ovs_assert(!data[i]);
    }
    if (b->hdr_len == 12) {
        ovs_assert(data[10] + data[11] * 256 == n_chains);
    } else {
        ovs_assert(n_chains == 1);
    }
    ovs_assert(!memcmp(data + b->hdr_len, frame, len));
}

/* Puts together a frame of 'len' random bytes at 'bytes', cut into data and
 * tail at random places. */
static void
random_frame(struct vhost_frame *frame, struct iovec iov[], uint8_t *bytes,
             unsigned int len)
{
    unsigned int at, n;

    for (unsigned int i = 0; i < len; i++) {
        bytes[i] = random_byte();
    }
    frame->data = bytes;
    frame->data_len = random_range(2) ? MIN(len, VHOST_SNAPSHOT)
                                      : random_range(len + 1);
    frame->tail_len = len - frame->data_len;
    frame->iov = iov;
    frame->n_iov = 0;
    for (at = frame->data_len; at < len; at += n) {
        n = random_range(2) ? len - at : 1 + random_range(len - at);
        iov[frame->n_iov].iov_base = bytes + at;
        iov[frame->n_iov].iov_len = n;
        frame->n_iov++;
    }
}

/* Checks that no posted buffer has got lost: sends small frames as long as
 * there is room, and then there must be hardly any. */
static void
tx_drain(struct bench *b, const struct tx_chain chains[],
         unsigned int *n_posted)
{
    uint8_t bytes[ETH_HEADER_LEN] = { 1, 2, 3 };
    const struct vhost_frame frame = {
        .data = bytes,
        .data_len = sizeof bytes,
    };
    unsigned int left = 0, n = 0;
    int drop;

    do {
        struct vhost_tx tx;

        vhost_tx_begin(b->port, 0, &tx);
        drop = vhost_tx_put(&tx, &frame);
        vhost_tx_end(&tx);
        if (drop < 0) {
            tx_get(b, chains, bytes, sizeof bytes, n_posted);
        }
    } while (drop < 0);
    ovs_assert(drop == VHOST_TX_NO_DESC);

    for (unsigned int id = 0; id < b->driver.size; id++) {
        if (b->driver.n_desc[id]) {
            left += chains[id].len;
            n++;
        }
    }
    ovs_assert(n == *n_posted && left < b->hdr_len + sizeof bytes);
}

/* Puts 'max' random frames of up to 'max_len' bytes, keeping those sent in
 * 'bytes' and 'lens'.  Returns how many were sent; '*drop' is the reason why
 * the last one was not, or -1. */
static unsigned int
tx_send(struct bench *b, uint8_t (*bytes)[MAX_FRAME], unsigned int lens[],
        unsigned int max, unsigned int max_len, int *drop)
{
    static struct iovec iov[MAX_FRAME];
    struct vhost_frame *frame = xzalloc_cacheline(sizeof *frame);
    unsigned int n_sent = 0;
    struct vhost_tx tx;

    *drop = -1;
    vhost_tx_begin(b->port, 0, &tx);
    for (unsigned int i = 0; i < max; i++) {
        unsigned int len = random_len(ETH_HEADER_LEN, max_len);

        random_frame(frame, iov, bytes[n_sent], len);
        *drop = vhost_tx_put(&tx, frame);
        if (*drop < 0) {
            lens[n_sent++] = len;
        } else if (*drop == VHOST_TX_TOO_LONG) {
            ovs_assert(!b->ring->mergeable);
        } else {
            ovs_assert(*drop == VHOST_TX_NO_DESC);
        }
    }
    vhost_tx_end(&tx);
    free_cacheline(frame);
    return n_sent;
}

/* Puts 'max' random frames of 'lens' bytes, all at once.  Returns how many
 * were sent; '*drop' is the reason why others were not, or -1. */
static unsigned int
tx_send_burst(struct bench *b, uint8_t (*bytes)[MAX_FRAME],
              const unsigned int lens[], unsigned int max, int *drop)
{
    static struct iovec iov[VHOST_BURST][MAX_FRAME];
    struct vhost_frame *store = xzalloc_cacheline(VHOST_BURST * sizeof *store);
    uint64_t too_long = b->port->tx->stats.drops[VHOST_TX_TOO_LONG];
    const struct vhost_frame *frames[VHOST_BURST];
    struct vhost_tx tx;
    unsigned int n;

    for (unsigned int i = 0; i < max; i++) {
        random_frame(&store[i], iov[i], bytes[i], lens[i]);
        frames[i] = &store[i];
    }
    vhost_tx_begin(b->port, 0, &tx);
    n = vhost_tx_put_burst(&tx, frames, max);
    vhost_tx_end(&tx);
    *drop = (n == max ? -1
             : b->port->tx->stats.drops[VHOST_TX_TOO_LONG] > too_long
             ? VHOST_TX_TOO_LONG : VHOST_TX_NO_DESC);
    free_cacheline(store);
    return n;
}

/* Like tx_send(), all at once.  The frames have one length: so if a buffer is
 * too small for one, it is for those behind it, and what is sent comes
 * first. */
static unsigned int
tx_send_alike(struct bench *b, uint8_t (*bytes)[MAX_FRAME],
              unsigned int lens[], unsigned int max, unsigned int max_len,
              int *drop)
{
    unsigned int len = random_len(ETH_HEADER_LEN, max_len);

    for (unsigned int i = 0; i < max; i++) {
        lens[i] = len;
    }
    return tx_send_burst(b, bytes, lens, max, drop);
}

/* The device has frames, for which the guest may or may not have room. */
static void
tx_round(unsigned int n_steps)
{
    struct tx_chain *chains = xmalloc(DRIVER_MAX_SIZE * sizeof *chains);
    uint8_t (*bytes)[MAX_FRAME] = xmalloc(VHOST_BURST * sizeof *bytes);
    unsigned int arena = 0, n_posted = 0;
    unsigned int max_len = MAX_FRAME;
    uint64_t features;
    struct bench b;

    bench_init_random(&b, true, &features);
    for (unsigned int step = 0; step < n_steps; step++) {
        unsigned int max = random_range(VHOST_BURST + 1);
        unsigned int lens[VHOST_BURST];
        unsigned int n_sent, id;
        uint32_t used;
        int drop;

        for (int i = random_range(70); i > 0; i--) {
            if (n_posted >= b.driver.size
                || !tx_post(&b, chains, arena % DRIVER_N_ARENAS, features)) {
                break;
            }
            arena++;
            n_posted++;
        }
        driver_random_suppression(&b.driver);

        n_sent = (random_range(2) ? tx_send : tx_send_alike)(
            &b, bytes, lens, max, max_len, &drop);
        for (unsigned int i = 0; i < n_sent; i++) {
            tx_get(&b, chains, bytes[i], lens[i], &n_posted);
        }
        ovs_assert(!driver_get(&b.driver, &id, &used));
        driver_check_call(&b.driver);

        /* If the next buffer is too small for most frames, get it out of the
         * way with a minimal one; if it is too small for that, too, nothing
         * more is going to happen. */
        if (drop == VHOST_TX_TOO_LONG && max_len == ETH_HEADER_LEN) {
            break;
        }
        max_len = drop == VHOST_TX_TOO_LONG ? ETH_HEADER_LEN : MAX_FRAME;
    }

    if (b.ring->mergeable) {
        tx_drain(&b, chains, &n_posted);
    }
    ovs_assert(!b.port->tx->stats.drops[VHOST_TX_BROKEN]
               && !b.port->tx->stats.drops[VHOST_TX_NO_LINK]);
    bench_uninit(&b);
    free(bytes);
    free(chains);
}

/* The device has a burst of frames some of which take one buffer each, and
 * others two or three.  There is room for all of them. */
static void
tx_mixed_round(void)
{
    const unsigned int buffer_len = 300;
    struct tx_chain *chains = xmalloc(DRIVER_MAX_SIZE * sizeof *chains);
    uint8_t (*bytes)[MAX_FRAME] = xmalloc(VHOST_BURST * sizeof *bytes);
    unsigned int lens[VHOST_BURST];
    unsigned int n_posted, n_sent;
    struct bench b;
    int drop;

    bench_init(&b, random_range(2), true, 128, 0, true,
               F(VIRTIO_F_VERSION_1) | F(VIRTIO_NET_F_MRG_RXBUF));
    for (n_posted = 0; n_posted < 3 * VHOST_BURST; n_posted++) {
        struct tx_chain c = { .n = 1, .len = buffer_len };
        uint64_t gpa = driver_arena(n_posted / 16) + n_posted % 16 * 512;

        memset(driver_ptr(&b.driver, gpa), FILL, buffer_len + 1);
        c.descs[0] = (struct driver_desc) {
            .addr = gpa, .len = buffer_len, .flags = DESC_WRITE,
        };
        chains[driver_add(&b.driver, c.descs, 1)] = c;
    }
    for (unsigned int i = 0; i < VHOST_BURST; i++) {
        lens[i] = (random_range(2) ? 60 + random_range(200)
                   : 300 + random_range(3 * buffer_len - b.hdr_len - 299));
    }

    n_sent = tx_send_burst(&b, bytes, lens, VHOST_BURST, &drop);
    ovs_assert(n_sent == VHOST_BURST && drop == -1);
    for (unsigned int i = 0; i < VHOST_BURST; i++) {
        tx_get(&b, chains, bytes[i], lens[i], &n_posted);
    }
    bench_uninit(&b);
    free(bytes);
    free(chains);
}

/* usage: test-vring TEST [ROUNDS [SEED]] */
static void
test_vring_main(int argc, char *argv[])
{
    const char *test = argc > 1 ? argv[1] : "";
    unsigned int n = argc > 2 ? atoi(argv[2]) : 100;

    if (argc > 3) {
        random_set_seed(atoi(argv[3]));
    } else {
        uint32_t seed;

        random_init();
        seed = random_uint32() | 1;
        random_set_seed(seed);
        printf("seed %"PRIu32"\n", seed);
    }

    if (!strcmp(test, "rx") || !strcmp(test, "tx")) {
        for (unsigned int i = 0; i < n; i++) {
            if (test[0] == 'r') {
                rx_round(100);
            } else {
                tx_round(100);
                tx_mixed_round();
            }
        }
    } else if (!strcmp(test, "memory")) {
        test_vring_memory();
    } else if (!strcmp(test, "copy")) {
        test_vring_copy(n);
    } else if (!strcmp(test, "resume")) {
        test_vring_resume(n);
    } else if (!strcmp(test, "quiesce")) {
        test_vring_quiesce(n);
    } else if (!strcmp(test, "bad")) {
        test_vring_bad();
    } else {
        ovs_fatal(0, "usage: %s rx|tx|resume|memory|copy|quiesce|bad "
                  "[ROUNDS [SEED]]", argv[0]);
    }
}

OVSTEST_REGISTER("test-vring", test_vring_main);
