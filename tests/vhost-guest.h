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

#ifndef VHOST_GUEST_H
#define VHOST_GUEST_H 1

/* The guest's side of a vhost-user port, for tests.
 *
 * A switch that serves vhost-user ports is the "back-end" of the vhost-user
 * protocol and the "device" of virtio.  This library is the other end: the
 * front-end that a hypervisor is, and the driver that a guest is, in one
 * process and one thread, scripted.  It never shares code with the datapath
 * that it tests, so that a mistake in one is not repeated in the other.
 *
 * Layers, bottom up; each uses only those before it:
 *
 *   - vhost-guest-ring.c: guest memory (memfds at scattered guest addresses),
 *     buffers, the layout of a buffer over descriptors, and what both ring
 *     types have in common.
 *
 *   - vhost-guest-split.c, vhost-guest-packed.c: the driver's side of split
 *     and packed virtqueues (virtio 1.2, sections 2.7 and 2.8).
 *
 *   - vhost-guest-proto.c: the front-end's side of the vhost-user protocol
 *     (vhost-user specification, "docs/interop/vhost-user.rst" in QEMU), as
 *     listening or as connecting end of the socket.
 *
 *   - vhost-guest-frame.c: numbered frames, made and verified.
 *
 *   - vhost-guest-track.c: which of them have come, and in what order.
 *
 *   - vhost-guest-net.c: a network device on top: sends, receives, verifies,
 *     answers, and counts, all by its own books.
 *
 *   - vhost-guest-ping.c: measures round trips.
 *
 *   - vhost-guest-bounce.c: sends back what is received, out of the same
 *     memory.
 *
 *   - vhost-guest-silent.c: many guests in one process, all of them silent.
 *
 *   - vhost-guest-show.c, vhost-guest-cmd.c, vhost-guest.c: the command-line
 *     program.
 *
 * The rings can also be used alone, without a socket, on plain memory.
 *
 * Nothing here is thread-safe: call everything from one thread.  Lengths are
 * in bytes.  Functions that return 'int' return 0 or a positive errno. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <linux/vhost_types.h>
#include <linux/virtio_net.h>

#include "openvswitch/types.h"
#include "packets.h"

#ifdef WORDS_BIGENDIAN
#error "virtio 1.0 rings are little-endian, and so must the host be."
#endif

/* Bytes of the virtio-net header of VIRTIO_F_VERSION_1 (virtio 1.2,
 * section 5.1.6). */
#define VG_HDR_LEN sizeof(struct virtio_net_hdr_mrg_rxbuf)

#define VG_MAX_REGIONS 8        /* As in SET_MEM_TABLE. */
#define VG_MAX_SEGS 64          /* Descriptors in a chain. */
#define VG_MAX_PAIRS 64         /* Queue pairs of a device. */
#define VG_MAX_FRAME 65536      /* Bytes in a frame. */
#define VG_MAX_RING 32768       /* Entries in a ring. */

/* Guest memory. */

struct vg_region {
    int fd;
    char *base;                 /* Where it is mapped here. */
    size_t size;
    size_t used;                /* Bytes handed out. */
    uint64_t gpa;               /* Guest-physical address. */
    uint64_t file_offset;       /* Of 'base' within 'fd'. */
};

struct vg_mem {
    struct vg_region regions[VG_MAX_REGIONS];
    unsigned int n_regions;
};

int vg_mem_init(struct vg_mem *, unsigned int n_regions, size_t region_size);
void vg_mem_uninit(struct vg_mem *);
void *vg_mem_alloc(struct vg_mem *, unsigned int region, size_t size);
uint64_t vg_mem_gpa(const struct vg_mem *, const void *);

/* A buffer: what one descriptor chain describes. */

struct vg_buf {
    struct iovec segs[VG_MAX_SEGS];
    unsigned int n_segs;
    bool writable;              /* For the device to write (receive). */
    bool indirect;              /* Behind one indirect descriptor. */
};

size_t vg_buf_len(const struct vg_buf *);
void vg_buf_write(const struct vg_buf *, size_t offset, const void *, size_t);
void vg_buf_read(const struct vg_buf *, size_t offset, void *, size_t);

/* How a buffer is laid out over descriptors. */

enum vg_layout_kind {
    VG_SINGLE,                  /* One descriptor. */
    VG_CHAIN,                   /* 'n' descriptors of about the same size. */
    VG_INDIRECT,                /* The same in an indirect table. */
    VG_RANDOM,                  /* Random cuts, gaps, regions, indirection. */
};

struct vg_layout {
    enum vg_layout_kind kind;
    unsigned int n;
};

/* Room that a layout needs beyond the bytes of the buffer. */
#define VG_LAYOUT_SLACK 1024

char *vg_layout_parse(const char *, struct vg_layout *);
void vg_layout_apply(const struct vg_layout *, char *const areas[],
                     unsigned int n_areas, size_t len, bool indirect_ok,
                     struct vg_buf *);

/* A virtqueue, seen by its driver. */

struct vg_ring {
    const struct vg_ring_class *class;
    struct vg_mem *mem;
    uint16_t size;
    bool event_idx;
    bool shuffle;               /* Hand out buffer ids in random order? */

    /* The three areas of a virtqueue (virtio 1.2, section 2.6), and an
     * indirect table for each buffer id. */
    void *desc;
    void *driver;
    void *device;
    void *tables;

    int kickfd;                 /* We write: buffers are available. */
    int callfd;                 /* The device writes: buffers are used. */

    /* By buffer id. */
    struct vg_buf **bufs;       /* What the device holds, or NULL. */
    uint16_t *n_descs;          /* Ring entries it takes. */
    uint16_t *next_free;
    uint16_t free_head;
    uint16_t n_free;            /* Ring entries free. */

    uint16_t avail_idx, used_idx;
    bool avail_wrap, used_wrap; /* Packed rings only. */
    uint16_t n_new;             /* Ring entries added, not yet published. */
    uint16_t held_flags;        /* Packed: flags of the first of those. */
    uint16_t held_idx;          /* Packed: and its place. */
    unsigned int n_inflight;    /* Buffers that the device holds. */
    bool armed;                 /* Device asked to call? */

    uint64_t n_kicks, n_quiet;  /* Publications with and without a kick. */
    uint64_t n_calls;           /* Times that the device called. */
    const char *broken;         /* What the device did wrong, or NULL. */
};

int vg_ring_init(struct vg_ring *, struct vg_mem *, unsigned int region,
                 uint16_t size);
void vg_ring_uninit(struct vg_ring *);
void vg_ring_reset(struct vg_ring *, bool packed, bool event_idx);
bool vg_ring_is_packed(const struct vg_ring *);
int vg_ring_add(struct vg_ring *, struct vg_buf *);
void vg_ring_publish(struct vg_ring *);
void vg_ring_kick(struct vg_ring *);
struct vg_buf *vg_ring_get(struct vg_ring *, uint32_t *len);
bool vg_ring_arm(struct vg_ring *);
void vg_ring_disarm(struct vg_ring *);
uint32_t vg_ring_base(const struct vg_ring *);
int vg_ring_ahead(const struct vg_ring *, uint32_t base);

/* What a ring type has to provide.  'bufs', 'n_descs', the free list and
 * 'broken' are in its hands within add() and get(). */
struct vg_ring_class {
    const char *name;
    void (*reset)(struct vg_ring *);

    /* Makes 'buf', which fits, known to the device at the next publish(). */
    void (*add)(struct vg_ring *, struct vg_buf *buf);

    /* Publishes all that was added.  Returns true if the device wants to be
     * told. */
    bool (*publish)(struct vg_ring *);

    struct vg_buf *(*get)(struct vg_ring *, uint32_t *len);
    bool (*has_used)(const struct vg_ring *);

    /* Asks the device to call at the next used buffer, or not to. */
    void (*want_call)(struct vg_ring *, bool);

    /* The state as in SET_VRING_BASE, and how many entries the state 'base'
     * of the device is ahead of what we took from the ring. */
    uint32_t (*base)(const struct vg_ring *);
    int (*ahead)(const struct vg_ring *, uint32_t base);
};

extern const struct vg_ring_class vg_split_class;
extern const struct vg_ring_class vg_packed_class;

/* For the ring types. */
uint16_t vg_ring_take_id(struct vg_ring *);
void vg_ring_give_id(struct vg_ring *, uint16_t id);
struct vg_buf *vg_ring_claim(struct vg_ring *, uint32_t id);

/* A device: the socket and its rings.  Receive and transmit rings alternate:
 * ring 2n receives and ring 2n + 1 transmits, for queue pair n. */

struct vg_config {
    char *path;                 /* Of the socket. */
    bool listen;                /* Bind to 'path' rather than connect. */
    bool packed;
    bool mergeable;
    bool indirect;
    bool event_idx;
    bool shuffle;
    uint64_t offloads;          /* Features of offloads to negotiate. */
    unsigned int n_pairs;
    uint16_t ring_size;
    unsigned int n_regions;
    size_t region_size;
    long long int timeout_ms;   /* For a reply of the back-end. */
};

enum vg_link {
    VG_DOWN,                    /* Not connected. */
    VG_UP,                      /* Rings run. */
    VG_STOPPED,                 /* Connected, rings stopped on command. */
};

struct vg_dev {
    struct vg_config config;
    struct vg_mem mem;
    struct vg_ring *rings;      /* 2 * config.n_pairs of them. */

    enum vg_link link;
    bool allow;                 /* May a connection exist? */
    int listen_fd;
    int fd;
    long long int retry_at;     /* When to connect next, time_msec(). */

    uint64_t offered;           /* Features of the back-end... */
    uint64_t features;          /* ...and those in force. */
    uint64_t offered_protocol;
    uint64_t protocol;
    unsigned int max_pairs;     /* That the back-end serves. */
    unsigned int n_pairs;       /* In use, at most both limits. */
    unsigned int want_enabled;  /* Queue pairs to enable... */
    unsigned int n_enabled;     /* ...and enabled. */
    uint32_t *bases;            /* Where each ring starts or was stopped. */

    uint64_t n_handshakes;
    uint64_t n_failures;        /* Handshakes and requests that failed. */
    char *error;                /* The last of those, or NULL. */
};

int vg_dev_open(struct vg_dev *, const struct vg_config *, char **error);
void vg_dev_close(struct vg_dev *);
void vg_dev_run(struct vg_dev *);
void vg_dev_wait(struct vg_dev *);
void vg_dev_allow(struct vg_dev *, bool allow);
int vg_dev_stop(struct vg_dev *);
int vg_dev_start(struct vg_dev *, bool reset);
int vg_dev_enable_pairs(struct vg_dev *, unsigned int n);
bool vg_dev_has(const struct vg_dev *, unsigned int feature);

/* Numbered frames. */

/* A stream of UDP frames.  Frame number 'seq' belongs to flow 'seq' modulo
 * 'n_flows'; flows differ in UDP source port, and beyond VG_FLOW_PORTS in
 * IPv4 source address. */
struct vg_stream {
    uint8_t generator;          /* Tells several senders apart. */
    size_t size;                /* Of a frame, without FCS. */
    unsigned int n_flows;       /* Up to VG_MAX_FLOWS. */
    struct eth_addr src_mac, dst_mac;
    ovs_be32 src_ip, dst_ip;
    uint16_t dst_port;
    int vlan;                   /* VLAN id of a tag, or -1. */
};

#define VG_MAX_FLOWS 65536
#define VG_FLOW_PORTS 32768
#define VG_MAX_SEQ (UINT32_C(1) << 30)

enum vg_verdict {
    VG_FOREIGN,                 /* Not a numbered frame. */
    VG_CORRUPT,                 /* Numbered, with a checksum wrong. */
    VG_GOOD,
};

struct vg_mark {
    uint8_t generator;
    uint16_t flow;
    uint32_t seq;
};

size_t vg_stream_min_size(const struct vg_stream *);
void vg_stream_make(const struct vg_stream *, uint32_t seq, void *frame);
enum vg_verdict vg_frame_check(const void *frame, size_t len,
                               struct vg_mark *);

/* What a receiver saw of one generator. */
struct vg_track {
    uint64_t good;              /* Distinct frames, intact. */
    uint64_t duplicate;         /* Seen before. */
    uint64_t reordered;         /* Good, but after a later one of its flow in
                                 * the same ring... */
    uint64_t crossed;           /* ...or only in another one. */
    uint64_t moves;             /* Most often that a flow changed its ring, in
                                 * the order of its frames' numbers. */
    uint32_t next_seq;          /* Highest number seen, plus one. */
    unsigned long *seen;
    size_t n_seen;              /* Bits in 'seen'. */
    uint32_t *flow_next;        /* By flow: highest number seen, plus one. */
    struct vg_flow *flows;      /* By flow: its rings.  NULL: there is one. */
};

/* 'multiqueue': frames may come in several rings. */
struct vg_track *vg_track_create(bool multiqueue);
void vg_track_destroy(struct vg_track *);

/* Books a good frame, found in receive ring 'ring'. */
void vg_track_note(struct vg_track *, const struct vg_mark *,
                   unsigned int ring);

/* Answers to ARP requests and ICMP echo requests for one address. */
struct vg_responder {
    struct eth_addr mac;
    ovs_be32 ip;
};

bool vg_respond(const struct vg_responder *, void *frame, size_t len);

/* The network device. */

struct vg_queue {
    struct vg_ring *ring;
    struct vg_buf *bufs;        /* As many as the ring has entries. */
    struct vg_buf **free;
    unsigned int n_free;
    char *areas[VG_MAX_REGIONS];
    size_t stride;              /* Bytes per buffer in each of 'areas'. */
    uint64_t frames;            /* Put into or taken from the ring. */
};

struct vg_frame {
    struct virtio_net_hdr hdr;  /* If received. */
    size_t len;
    uint8_t *data;
};

/* Frames to send, one after the other. */
struct vg_job {
    struct vg_stream stream;    /* If 'n_frames' is 0. */
    struct vg_frame *frames;    /* Else these, in turn. */
    size_t n_frames;
    struct virtio_net_hdr_mrg_rxbuf hdr;
    uint64_t count;             /* UINT64_MAX: until halted. */
    uint64_t sent;
    uint64_t lost_before;       /* counters.tx_lost at the start. */
    uint64_t rate;              /* Frames per second; 0 for no limit. */
    unsigned int burst;         /* Frames per publication, at most. */
    int queue;                  /* Or -1 to spread flows over the queues. */
    struct vg_layout layout;
    uint64_t credit;            /* Millionths of a frame that are due... */
    long long int refilled;     /* ...at this time_usec(). */
};

/* One frame at a time, sent to somebody who sends it back. */
struct vg_ping {
    struct vg_stream stream;
    size_t count;
    uint64_t gap;               /* Silence before each, in ns. */

    size_t n_sent, n_back, n_lost;
    bool inflight;
    uint32_t seq;               /* Of the last one sent... */
    uint64_t sent_at;           /* ...at this time, in ns. */
    uint64_t next_at;           /* When to send the next. */
    uint64_t *times;            /* Of the 'n_back' round trips, in ns. */
};

struct vg_counters {
    uint64_t tx_frames;         /* Put into transmit rings. */
    uint64_t tx_bytes;
    uint64_t tx_used;           /* Given back by the device. */
    uint64_t tx_lost;           /* In flight when their ring was reset. */
    uint64_t rx_frames;
    uint64_t rx_bytes;
    uint64_t rx_errors;         /* Used buffers that are no proper frame. */
    uint64_t rx_good;           /* Numbered frames, intact... */
    uint64_t rx_duplicate;      /* ...seen before (not in rx_good)... */
    uint64_t rx_reordered;      /* ...late (also in rx_good)... */
    uint64_t rx_crossed;        /* ...late for other rings (in rx_good)... */
    uint64_t rx_corrupt;        /* ...or damaged. */
    uint64_t rx_foreign;        /* Not numbered. */
    uint64_t rx_moves;          /* Most often that a flow changed its ring. */
    uint64_t answered;          /* Frames echoed and requests answered... */
    uint64_t unanswered;        /* ...or not, for want of a buffer. */
};

struct vg_net_config {
    size_t max_frame;           /* To send. */
    size_t rx_size;             /* Of a receive buffer, header included. */
    struct vg_layout rx_layout;
    unsigned int n_kept;        /* Last received frames to keep. */
};

struct vg_net {
    struct vg_net_config config;
    struct vg_dev dev;
    enum vg_link link;          /* As the queues know it. */
    unsigned int n_runs;        /* Of vg_net_run(). */
    struct vg_queue *rxqs, *txqs;

    struct vg_counters counters;
    struct vg_track *tracks[UINT8_MAX + 1];
    struct vg_frame *kept;      /* Frame n is at n % config.n_kept. */
    uint64_t n_kept;            /* Ever kept. */
    char rx_error[128];         /* The last one, or empty. */
    struct pcap_file *record;   /* Takes all that is received, or NULL. */

    bool hold_rx;               /* Give no receive buffers to the device. */
    bool echo;
    bool bounce;
    struct vg_bounce *bounces;  /* Enough for all transmit rings. */
    struct vg_bounce **free_bounces;
    size_t n_free_bounces;
    bool respond;
    struct vg_responder responder;
    struct vg_job *job;         /* Or NULL. */
    struct vg_ping *ping;       /* Or NULL. */
    uint32_t next_seq;          /* Of the next numbered frame. */
    uint8_t *tx_scratch, *rx_scratch;
};

int vg_net_open(struct vg_net *, const struct vg_config *,
                const struct vg_net_config *, char **error);
void vg_net_close(struct vg_net *);
bool vg_net_run(struct vg_net *);
void vg_net_wait(struct vg_net *);
void vg_net_start_job(struct vg_net *, struct vg_job *);
struct vg_job *vg_net_end_job(struct vg_net *);
bool vg_net_job_is_done(const struct vg_net *);
uint64_t vg_net_tx_inflight(const struct vg_net *);
void vg_net_clear(struct vg_net *);
int vg_net_stop(struct vg_net *);
int vg_net_start(struct vg_net *, bool reset);
void vg_net_hold_rx(struct vg_net *, bool hold);
int vg_net_record(struct vg_net *, const char *file_name);
int vg_net_send(struct vg_net *, const struct vg_stream *, uint32_t *seq);

void vg_bounce_set(struct vg_net *, bool on);
void vg_bounce_reset(struct vg_net *);
void vg_bounce_uninit(struct vg_net *);
size_t vg_bounce_frame(struct vg_net *, struct vg_queue *, struct vg_buf *,
                       uint32_t used, unsigned int n);
bool vg_bounce_done(struct vg_net *, struct vg_buf *);

bool vg_ping_run(struct vg_net *);
void vg_ping_note(struct vg_ping *, uint32_t seq);
bool vg_ping_is_done(const struct vg_ping *);
char *vg_ping_report(const struct vg_ping *);

/* Guests that are there, with receive buffers posted, and never send. */
struct vg_silent {
    struct vg_net *nets;
    unsigned int n;
};

int vg_silent_open(struct vg_silent *, const struct vg_config *,
                   unsigned int n, char **error);
void vg_silent_close(struct vg_silent *);
void vg_silent_run(struct vg_silent *);
void vg_silent_wait(struct vg_silent *);

/* The program: commands from the control socket (lib/unixctl.h). */

/* Counter 'name' OP 'value'. */
struct vg_condition {
    char name[32];
    char op[3];
    uint64_t value;
};

struct unixctl_conn;
struct vg_guest {
    struct vg_net net;
    struct vg_net *echo;        /* Sends back what it receives, or NULL. */
    struct vg_silent silent;
    uint8_t id;                 /* Generator number. */
    uint32_t seed;
    bool exiting;

    /* Commands whose answer is due later. */
    struct unixctl_conn *job_conn;      /* If 'net.job' or 'net.ping'. */
    long long int job_deadline;
    struct unixctl_conn *wait_conn;     /* Or NULL. */
    long long int wait_deadline;
    struct vg_condition condition;
};

void vg_cmd_init(struct vg_guest *);
void vg_cmd_run(struct vg_guest *);
void vg_cmd_wait(const struct vg_guest *);
void vg_show_init(struct vg_guest *);
bool vg_show_counter(const struct vg_net *, const char *name, uint64_t *value);

#endif /* vhost-guest.h */
