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

/* What a machine could do at best: a bare loop between two guests.
 *
 * For each frame of a guest it does what no switch can do without, and nothing
 * else: takes the frame off the ring, copies its head to memory of its own,
 * hashes addresses and ports, looks up one entry of a table, copies the frame
 * once, to the other guest, and gives buffers back.  So its cycles per packet
 * are the floor that a switch is measured against.
 *
 *     vhost-floor --cpu=1 vm1.sock vm2.sock
 *
 * connects to the front ends that listen at these sockets (testpmd with
 * virtio-user ports "server=1", say, or "vhost-guest run --listen"), prints
 * "running", and forwards until SIGTERM comes or a guest leaves.  For each
 * line that it reads, and at the end, it prints what it has done so far:
 *
 *     packets=61000000 busy=7991000000 idle=1109000000
 *
 * 'busy' are the cycles (of the time stamp counter) of rounds that found
 * packets, 'idle' those of the others since the first packet.
 *
 * Not for guests that one does not trust: addresses and indexes are checked,
 * but a guest that breaks the rules, or uses what is not served (receive
 * buffers of several descriptors), ends the program, and one that cuts its
 * memory short kills it.
 *
 * What helps and what does not, measured on an EPYC of the fourth generation,
 * is said where it is done. */

#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_pause.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "hash.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-numa.h"
#include "ovs-thread.h"
#include "unaligned.h"
#include "util.h"
#include "vhost/vring-private.h"
#include "vhost-floor.h"

#define BURST 32
#define SNAPSHOT 128
#define TABLE_SIZE 4096

/* Looks at empty rings are this far apart.  Each look takes a cache line away
 * from the guest: without a pause it sends less than half as much. */
#define PAUSES 20

/* Nothing that makes a header worth reading is offered.  It lies in a cache
 * line of its own, the transfer of which is a sixth of the cost of a short
 * frame.  Indirect descriptors and use in order are, as by switches: they
 * decide when DPDK's driver frees chains of buffers, and so whether those that
 * it goes through exceed the caches. */
#define FEATURES ((1ull << VIRTIO_F_ANY_LAYOUT)             \
                  | (1ull << VIRTIO_F_IN_ORDER)             \
                  | (1ull << VIRTIO_F_RING_PACKED)          \
                  | (1ull << VIRTIO_F_VERSION_1)            \
                  | (1ull << VIRTIO_NET_F_MRG_RXBUF)        \
                  | (1ull << VIRTIO_RING_F_INDIRECT_DESC)   \
                  | (1ull << VHOST_USER_F_PROTOCOL_FEATURES))

struct totals {
    atomic_uint64_t packets;
    atomic_uint64_t busy;       /* Cycles of rounds with packets. */
    atomic_uint64_t idle;       /* Cycles of those without. */
};

static struct guest guests[2];
static struct ovs_mutex mutex = OVS_MUTEX_INITIALIZER;

static bool started OVS_GUARDED_BY(mutex); /* Has the loop? */
static uint64_t last_change OVS_GUARDED_BY(mutex);

static uint8_t snapshots[BURST][SNAPSHOT];
static uint32_t table[TABLE_SIZE];

static int cpu = -1;
static atomic_bool stop = false;
static atomic_bool stopped = true; /* Is the loop out of the rings? */
static struct totals totals;

/* Copies in pieces of 16 bytes what is short: faster than to call anything,
 * and than "rep movsb". */
static inline void
copy(uint8_t *dst, const uint8_t *src, size_t n)
{
    if (n < 16 || n > 2 * SNAPSHOT) {
        copy_piece(dst, src, n);
        return;
    }
    for (size_t i = 0; i < n - 16; i += 16) {
        memcpy(dst + i, src + i, 16);
    }
    memcpy(dst + n - 16, src + n - 16, 16);
}

/* Hashes the addresses and ports of UDP or TCP in IPv4 without options, or
 * else what is in their place. */
static inline uint32_t
hash_frame(const uint8_t *frame)
{
    uint32_t hash = hash_add(0, frame[23]);

    for (int i = 26; i < 38; i += 4) {
        hash = hash_add(hash, get_unaligned_u32((const void *) (frame + i)));
    }
    return hash_finish(hash, 13);
}

static inline void
put_hdr(uint8_t *dst, unsigned int n_buffers)
{
    struct virtio_net_hdr_mrg_rxbuf hdr = { .num_buffers = n_buffers };

    if (memcmp(dst, &hdr, HDR_LEN)) {
        /* DPDK's driver leaves it as it is, in a line of its own. */
        memcpy(dst, &hdr, HDR_LEN);
    }
}

/* Returns true if all that a frame's first buffer holds is the virtio-net
 * header: DPDK's driver makes such chains. */
static inline bool
is_hdr(const struct buf *buf)
{
    return buf->len == HDR_LEN;
}

/* Puts the frame in the chain at '*srcp', with its head in 'snapshot', into as
 * many buffers at '*dstp' as it lies in, and moves both on to the next. */
static void
copy_chain(const struct ring *ring, const struct buf **srcp,
           struct buf **dstp, const uint8_t *snapshot)
{
    const struct buf *src = *srcp + is_hdr(*srcp);
    struct buf *dst = *dstp;
    int n_left = 0;             /* Buffers of 'src' less those of 'dst'. */
    uint32_t done = SNAPSHOT + (src == *srcp ? HDR_LEN : 0);
    uint32_t filled = HDR_LEN + SNAPSHOT;

    check(src->len >= done && dst->len >= filled, ring->guest,
          "a chain that begins with little");
    copy(dst->data + HDR_LEN, snapshot, SNAPSHOT);
    for (;;) {
        uint32_t n = MIN(src->len - done, dst->len - filled);

        copy(dst->data + filled, src->data + done, n);
        done += n;
        filled += n;
        if (done == src->len) {
            if (src->n) {
                break;
            }
            src++;
            n_left++;
            done = 0;
        }
        if (filled == dst->len) {
            dst++;
            n_left--;
            filled = 0;
        }
        check(n_left >= 0, ring->guest, "receive buffers smaller than others");
    }
    check(!n_left, ring->guest, "receive buffers larger than others");
    dst->len = filled;
    put_hdr((*dstp)->data, dst + 1 - *dstp);
    *srcp = src + 1;
    *dstp = dst + 1;
}

/* Puts the frames in the buffers from 'src' to 'end', with their heads in
 * 'snapshots', into as many at 'dst'. */
static inline void
copy_frames(const struct ring *ring, const struct buf *src,
            const struct buf *end, struct buf *dst)
{
    for (const uint8_t (*snapshot)[SNAPSHOT] = snapshots; src < end;
         snapshot++) {
        uint32_t len = src->len - HDR_LEN;
        uint32_t head = MIN(len, SNAPSHOT);

        if (OVS_UNLIKELY(!src->n)) {
            copy_chain(ring, &src, &dst, *snapshot);
            continue;
        }
        check(src->len <= dst->len && dst->n == 1, ring->guest,
              "a frame longer than a receive buffer, or a chain of those");
        put_hdr(dst->data, 1);
        copy(dst->data + HDR_LEN, *snapshot, head);
        if (len > head) {
            copy(dst->data + HDR_LEN + head, src->data + HDR_LEN + head,
                 len - head);
        }
        dst->len = src->len;
        src++;
        dst++;
    }
}

/* Takes snapshots of the frames in 'n' buffers.  Returns how many frames they
 * are, and stores in how many buffers these lie. */
static inline unsigned int
take_snapshots(const struct buf src[], unsigned int n, unsigned int *n_data)
{
    unsigned int n_frames = 0;
    bool begins = true;

    *n_data = n;
    for (unsigned int i = 0; i < n; i++) {
        uint32_t end = MIN(src[i].len, HDR_LEN + VRING_PREFETCH_READ);

        for (uint32_t j = begins ? HDR_LEN : 0; j < end;
             j += CACHE_LINE_SIZE) {
            OVS_PREFETCH(src[i].data + j);
        }
        begins = src[i].n;
    }
    begins = true;
    for (unsigned int i = 0; i < n; i++) {
        if (OVS_LIKELY(begins)) {
            bool hdr = is_hdr(&src[i]);
            const struct buf *first = &src[i] + hdr;
            uint32_t skip = hdr ? 0 : HDR_LEN;

            *n_data -= hdr;
            copy(snapshots[n_frames++], first->data + skip,
                 MIN(first->len - skip, SNAPSHOT));
        }
        begins = src[i].n;
    }
    return n_frames;
}

/* Takes buffers for as many, if there are enough. */
static inline bool
ring_take_all(struct ring *ring, struct buf bufs[], unsigned int n)
{
    uint16_t next_avail = ring->next_avail;
    bool avail_wrap = ring->avail_wrap;

    if (OVS_UNLIKELY(ring_take(ring, bufs, n) != n)) {
        ring->next_avail = next_avail;
        ring->avail_wrap = avail_wrap;
        return false;
    }
    return true;
}

/* Forwards a burst.  Returns the number of frames. */
static inline unsigned int
forward(struct ring *from, struct ring *to)
{
    struct buf src[BURST + MAX_CHAIN], dst[BURST + 2 * MAX_CHAIN];
    unsigned int n = ring_take(from, src, BURST);
    unsigned int n_frames, n_data;
    uint32_t n_ports = 0;

    if (!n) {
        return 0;
    }
    n_frames = take_snapshots(src, n, &n_data);

    /* All entries say "1 port", the other guest: the compiler cannot know. */
    for (unsigned int i = 0; i < n_frames; i++) {
        n_ports += table[hash_frame(snapshots[i]) % TABLE_SIZE];
    }
    if (n_ports == n_frames && ring_take_all(to, dst, n_data)) {
        copy_frames(to, src, src + n, dst);
        ring_give(to, dst, n_data, true);
    }
    ring_give(from, src, n, false);
    return n_frames;
}

static bool
stopping(void)
{
    bool b;

    atomic_read_relaxed(&stop, &b);
    return b;
}

/* Adds to a counter that only the caller's thread changes. */
static inline void
count(atomic_uint64_t *counter, uint64_t n)
{
    uint64_t value;

    atomic_read_relaxed(counter, &value);
    atomic_store_relaxed(counter, value + n);
}

static void
forward_until_stopped(void)
{
    uint64_t then = rte_rdtsc();
    bool begun = false;

    while (!stopping()) {
        unsigned int n = (forward(&guests[0].rings[1], &guests[1].rings[0])
                          + forward(&guests[1].rings[1],
                                    &guests[0].rings[0]));
        uint64_t now;

        for (int i = 0; !n && i < PAUSES; i++) {
            rte_pause();
        }
        now = rte_rdtsc();
        begun = begun || n;
        if (begun) {
            count(&totals.packets, n);
            count(n ? &totals.busy : &totals.idle, now - then);
        }
        then = now;
    }
}

static void *
loop_main(void *aux OVS_UNUSED)
{
    if (cpu >= 0 && ovs_numa_thread_setaffinity_core(cpu)) {
        ovs_fatal(0, "cannot run on CPU %d", cpu);
    }
    forward_until_stopped();
    atomic_store(&stopped, true);
    return NULL;
}

static void
totals_show(void)
{
    uint64_t packets, busy, idle;

    atomic_read_relaxed(&totals.packets, &packets);
    atomic_read_relaxed(&totals.busy, &busy);
    atomic_read_relaxed(&totals.idle, &idle);
    printf("packets=%"PRIu64" busy=%"PRIu64" idle=%"PRIu64"\n", packets,
           busy, idle);
    fflush(stdout);
}

static bool
asked(void)
{
    char line[16];

    return fgets(line, sizeof line, stdin) != NULL;
}

static void *
ask_main(void *aux OVS_UNUSED)
{
    while (asked()) {
        totals_show();
    }
    return NULL;
}

/* Sessions */

static struct guest *
guest_find(int vid)
{
    char path[PATH_MAX] = "";

    rte_vhost_get_ifname(vid, path, sizeof path);
    return &guests[!!strcmp(path, guests[0].path)];
}

static void
leave_rings(void)
{
    bool done;

    do {
        atomic_read(&stopped, &done);
    } while (!done);
}

/* Whatever changes after the loop has started ends it first. */
static int
guest_changed(int vid, bool running, int ring, bool enabled)
{
    struct guest *guest = guest_find(vid);

    ovs_mutex_lock(&mutex);
    if (started) {
        atomic_store(&stop, true);
        leave_rings();
    }
    guest->vid = vid;
    if (ring < 0) {
        guest->running = running;
    } else if (ring < 2) {
        guest->enabled[ring] = enabled;
    }
    last_change = rte_rdtsc();
    ovs_mutex_unlock(&mutex);
    return 0;
}

static int
new_device(int vid)
{
    return guest_changed(vid, true, -1, false);
}

static void
destroy_device(int vid)
{
    guest_changed(vid, false, -1, false);
}

static int
vring_state_changed(int vid, uint16_t ring, int enable)
{
    return guest_changed(vid, false, ring, enable);
}

static void
ring_init(struct guest *guest, int i, bool packed)
{
    struct ring *ring = &guest->rings[i];
    uint16_t avail, used;
    struct rte_vhost_vring v;

    if (rte_vhost_get_vhost_vring(guest->vid, i, &v)
        || rte_vhost_get_vring_base(guest->vid, i, &avail, &used)) {
        ovs_fatal(0, "%s: no ring %d", guest->path, i);
    }
    *ring = (struct ring) {
        .guest = guest,
        .packed = packed,
        .size = v.size,
        .callfd = v.callfd,
        .desc = v.desc,
        .avail = v.avail,
        .used = v.used,
        .next_avail = packed ? avail & 0x7fff : avail,
        .next_used = packed ? used & 0x7fff : used,
        .avail_wrap = avail >> 15,
        .used_wrap = used >> 15,
        .seen = avail,
    };
    if (packed) {
        ring->device->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
    } else {
        ring->used->flags = VRING_USED_F_NO_NOTIFY;
    }
}

/* Takes the rings over, if both guests have had theirs running for a while:
 * there are several steps to that.  Returns true if successful. */
static bool
take_rings(void)
    OVS_REQUIRES(mutex)
{
    if (rte_rdtsc() - last_change < rte_get_tsc_hz()) {
        /* Who maps memory may go on doing so. */
        return false;
    }
    for (int i = 0; i < 2; i++) {
        const struct guest *guest = &guests[i];

        if (!guest->running || !guest->enabled[0] || !guest->enabled[1]) {
            return false;
        }
    }
    for (int i = 0; i < 2; i++) {
        uint64_t features;

        if (rte_vhost_get_mem_table(guests[i].vid, &guests[i].memory)
            || rte_vhost_get_negotiated_features(guests[i].vid, &features)
            || !(features & (1ull << VIRTIO_F_VERSION_1))) {
            ovs_fatal(0, "%s: no memory, or a legacy device", guests[i].path);
        }
        for (int j = 0; j < 2; j++) {
            ring_init(&guests[i], j,
                      features & (1ull << VIRTIO_F_RING_PACKED));
        }
    }
    return true;
}

static void
guest_connect(struct guest *guest, const char *path)
{
    static const struct rte_vhost_device_ops ops = {
        .new_device = new_device,
        .destroy_device = destroy_device,
        .vring_state_changed = vring_state_changed,
    };
    uint64_t features;

    /* testpmd makes the second one's socket once the first is connected. */
    guest->path = abs_file_name(NULL, path);
    while (access(guest->path, F_OK) && !stopping()) {
        usleep(1000);
    }
    if (rte_vhost_driver_register(guest->path, RTE_VHOST_USER_CLIENT)
        || rte_vhost_driver_get_features(guest->path, &features)
        || rte_vhost_driver_disable_features(guest->path,
                                             features & ~FEATURES)
        || rte_vhost_driver_callback_register(guest->path, &ops)
        || rte_vhost_driver_start(guest->path)) {
        ovs_fatal(0, "cannot use socket %s", guest->path);
    }
}

static void
parse_options(int argc, char *argv[])
{
    static const struct option options[] = {
        { "cpu", required_argument, NULL, 'c' },
        { NULL, 0, NULL, 0 },
    };
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (opt == 'c' && str_to_int(optarg, 10, &cpu) && cpu >= 0) {
            continue;
        }
        exit(EXIT_FAILURE);
    }
    if (argc - optind != 2) {
        ovs_fatal(0, "usage: %s [--cpu=N] SOCKET SOCKET", program_name);
    }
}

static void
on_sigterm(int signr OVS_UNUSED)
{
    atomic_store(&stop, true);
}

int
main(int argc, char *argv[])
{
    char *eal[] = { argv[0], "--no-huge", "--legacy-mem", "-m", "64",
                    "--no-pci", "--no-telemetry", "--log-level=error",
                    xasprintf("--file-prefix=floor%ld", (long) getpid()) };
    bool run = false;

    set_program_name(argv[0]);
    parse_options(argc, argv);
    vlog_set_levels(NULL, VLF_CONSOLE, VLL_WARN);
    ovs_numa_init();
    if (rte_eal_init(ARRAY_SIZE(eal), eal) < 0) {
        ovs_fatal(0, "DPDK does not start");
    }
    for (int i = 0; i < TABLE_SIZE; i++) {
        table[i] = 1;
    }
    signal(SIGTERM, on_sigterm);
    for (int i = 0; i < 2; i++) {
        guest_connect(&guests[i], argv[optind + i]);
    }

    while (!run && !stopping()) {
        usleep(10000);
        ovs_mutex_lock(&mutex);
        started = run = take_rings();
        atomic_store(&stopped, !run);
        ovs_mutex_unlock(&mutex);
    }
    if (run) {
        printf("running\n");
        fflush(stdout);
        ovs_thread_create("ask", ask_main, NULL);
        xpthread_join(ovs_thread_create("loop", loop_main, NULL), NULL);
        totals_show();
    }

    /* librte_vhost's threads are best not asked to end. */
    _exit(EXIT_SUCCESS);
}
