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
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(vhost_guest_proto);

/* Front-end's side of the vhost-user protocol, as in the vhost-user
 * specification.  Requests are made one at a time and block until the back-end
 * has answered; it is asked to acknowledge those that have no reply of their
 * own (protocol feature REPLY_ACK), so that what it refuses shows. */

enum vg_request {
    GET_FEATURES = 1,
    SET_FEATURES = 2,
    SET_OWNER = 3,
    SET_MEM_TABLE = 5,
    SET_VRING_NUM = 8,
    SET_VRING_ADDR = 9,
    SET_VRING_BASE = 10,
    GET_VRING_BASE = 11,
    SET_VRING_KICK = 12,
    SET_VRING_CALL = 13,
    GET_PROTOCOL_FEATURES = 15,
    SET_PROTOCOL_FEATURES = 16,
    GET_QUEUE_NUM = 17,
    SET_VRING_ENABLE = 18,
};

#define FLAG_VERSION 0x1
#define FLAG_REPLY 0x4
#define FLAG_NEED_REPLY 0x8

#define F_PROTOCOL_FEATURES 30
#define PROTOCOL_F_MQ 0
#define PROTOCOL_F_REPLY_ACK 3

#define RETRY_MS 100            /* Between attempts to connect. */

struct vg_msg_region {
    uint64_t gpa;
    uint64_t size;
    uint64_t user_addr;
    uint64_t mmap_offset;
};

struct vg_msg_mem {
    uint32_t n_regions;
    uint32_t padding;
    struct vg_msg_region regions[VG_MAX_REGIONS];
};

/* Up to 'size', a message's header; then its payload. */
struct vg_msg {
    uint32_t request;
    uint32_t flags;
    uint32_t size;
    union {
        uint64_t u64;
        struct vhost_vring_state state;
        struct vhost_vring_addr addr;
        struct vg_msg_mem mem;
    };
} __attribute__((packed));

#define MSG_HDR_LEN offsetof(struct vg_msg, u64)

static const char *
request_name(uint32_t request)
{
    switch ((enum vg_request) request) {
    case GET_FEATURES: return "GET_FEATURES";
    case SET_FEATURES: return "SET_FEATURES";
    case SET_OWNER: return "SET_OWNER";
    case SET_MEM_TABLE: return "SET_MEM_TABLE";
    case SET_VRING_NUM: return "SET_VRING_NUM";
    case SET_VRING_ADDR: return "SET_VRING_ADDR";
    case SET_VRING_BASE: return "SET_VRING_BASE";
    case GET_VRING_BASE: return "GET_VRING_BASE";
    case SET_VRING_KICK: return "SET_VRING_KICK";
    case SET_VRING_CALL: return "SET_VRING_CALL";
    case GET_PROTOCOL_FEATURES: return "GET_PROTOCOL_FEATURES";
    case SET_PROTOCOL_FEATURES: return "SET_PROTOCOL_FEATURES";
    case GET_QUEUE_NUM: return "GET_QUEUE_NUM";
    case SET_VRING_ENABLE: return "SET_VRING_ENABLE";
    default: return "request";
    }
}

/* Notes what went wrong and returns 'error'. */
static int OVS_PRINTF_FORMAT(3, 4)
dev_fail(struct vg_dev *dev, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    free(dev->error);
    dev->error = xvasprintf(format, args);
    va_end(args);
    dev->n_failures++;
    VLOG_WARN("%s: %s", dev->config.path, dev->error);
    return error;
}

/* Sends 'msg' with the 'n_fds' descriptors in 'fds'. */
static int
msg_send(struct vg_dev *dev, const struct vg_msg *msg, const int *fds,
         size_t n_fds)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int) * VG_MAX_REGIONS)];
    } control;
    struct iovec iov = {
        .iov_base = CONST_CAST(struct vg_msg *, msg),
        .iov_len = MSG_HDR_LEN + msg->size,
    };
    struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t n;

    if (n_fds) {
        struct cmsghdr *cmsg;

        memset(&control, 0, sizeof control);
        hdr.msg_control = control.buf;
        hdr.msg_controllen = CMSG_SPACE(sizeof *fds * n_fds);
        cmsg = CMSG_FIRSTHDR(&hdr);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof *fds * n_fds);
        memcpy(CMSG_DATA(cmsg), fds, sizeof *fds * n_fds);
    }
    n = sendmsg(dev->fd, &hdr, MSG_NOSIGNAL);
    return n == iov.iov_len ? 0 : n < 0 ? errno : EIO;
}

static int
msg_read(struct vg_dev *dev, void *buf, size_t size)
{
    ssize_t n = size ? recv(dev->fd, buf, size, MSG_WAITALL) : 0;

    return n == size ? 0 : n < 0 ? errno : ECONNRESET;
}

static int
msg_recv(struct vg_dev *dev, uint32_t request, struct vg_msg *reply)
{
    int error = msg_read(dev, reply, MSG_HDR_LEN);

    if (!error) {
        if (reply->request != request || !(reply->flags & FLAG_REPLY)
            || reply->size > sizeof *reply - MSG_HDR_LEN) {
            return EPROTO;
        }
        error = msg_read(dev, &reply->u64, reply->size);
    }
    return error;
}

/* Makes the request in 'msg', whose payload is 'size' bytes, and waits for
 * the reply that belongs to it: one with a payload of its own in '*msg' if
 * 'answered', else an acknowledgement if the back-end knows how. */
static int
dev_request(struct vg_dev *dev, enum vg_request request, struct vg_msg *msg,
            size_t size, const int *fds, size_t n_fds, bool answered)
{
    bool ack = !answered && dev->protocol & (1 << PROTOCOL_F_REPLY_ACK);
    int error;

    msg->request = request;
    msg->flags = FLAG_VERSION | (ack ? FLAG_NEED_REPLY : 0);
    msg->size = size;
    error = msg_send(dev, msg, fds, n_fds);
    if (!error && (answered || ack)) {
        error = msg_recv(dev, request, msg);
    }
    if (error) {
        return dev_fail(dev, error, "%s: no proper answer (%s)",
                        request_name(request), ovs_strerror(error));
    } else if (ack && msg->u64) {
        return dev_fail(dev, EPROTO, "%s: refused by the back-end",
                        request_name(request));
    }
    return 0;
}

static int
dev_get_u64(struct vg_dev *dev, enum vg_request request, uint64_t *value)
{
    struct vg_msg msg;
    int error = dev_request(dev, request, &msg, 0, NULL, 0, true);

    *value = error ? 0 : msg.u64;
    return error;
}

static int
dev_set_u64(struct vg_dev *dev, enum vg_request request, uint64_t value)
{
    struct vg_msg msg = { .u64 = value };

    return dev_request(dev, request, &msg, sizeof msg.u64, NULL, 0, false);
}

static int
dev_set_state(struct vg_dev *dev, enum vg_request request, unsigned int ring,
              unsigned int num)
{
    struct vg_msg msg = { .state = { .index = ring, .num = num } };

    return dev_request(dev, request, &msg, sizeof msg.state, NULL, 0, false);
}

static int
dev_set_fd(struct vg_dev *dev, enum vg_request request, unsigned int ring,
           int fd)
{
    struct vg_msg msg = { .u64 = ring };

    return dev_request(dev, request, &msg, sizeof msg.u64, &fd, 1, false);
}

static int
dev_set_mem_table(struct vg_dev *dev)
{
    struct vg_msg msg = { .mem = { .n_regions = dev->mem.n_regions } };
    int fds[VG_MAX_REGIONS];

    for (unsigned int i = 0; i < dev->mem.n_regions; i++) {
        const struct vg_region *r = &dev->mem.regions[i];

        msg.mem.regions[i].gpa = r->gpa;
        msg.mem.regions[i].size = r->size;
        msg.mem.regions[i].user_addr = (uintptr_t) r->base;
        msg.mem.regions[i].mmap_offset = r->file_offset;
        fds[i] = r->fd;
    }
    return dev_request(dev, SET_MEM_TABLE, &msg,
                       offsetof(struct vg_msg_mem, regions)
                       + dev->mem.n_regions * sizeof(struct vg_msg_region),
                       fds, dev->mem.n_regions, false);
}

/* Segmentation with ECN, which netdev-dpdk does not offer. */
#define ECN_FEATURES (UINT64_C(1) << VIRTIO_NET_F_HOST_ECN      \
                      | UINT64_C(1) << VIRTIO_NET_F_GUEST_ECN)

/* Chooses among the features that the back-end offers.  Those that decide
 * what a test tests are not optional. */
static int
dev_negotiate(struct vg_dev *dev)
{
    const struct vg_config *c = &dev->config;
    uint64_t must = (UINT64_C(1) << VIRTIO_F_VERSION_1
                     | UINT64_C(1) << F_PROTOCOL_FEATURES
                     | (uint64_t) c->packed << VIRTIO_F_RING_PACKED
                     | (uint64_t) c->mergeable << VIRTIO_NET_F_MRG_RXBUF
                     | (uint64_t) c->indirect << VIRTIO_RING_F_INDIRECT_DESC
                     | (uint64_t) c->event_idx << VIRTIO_RING_F_EVENT_IDX
                     | (c->offloads & ~ECN_FEATURES));
    uint64_t may = ((c->n_pairs > 1 ? UINT64_C(1) << VIRTIO_NET_F_MQ : 0)
                    | (c->offloads & ECN_FEATURES));
    uint64_t missing, pairs = 1;
    int error;

    dev->protocol = 0;
    error = dev_get_u64(dev, GET_FEATURES, &dev->offered);
    if (error) {
        return error;
    }
    missing = must & ~dev->offered;
    if (missing) {
        return dev_fail(dev, ENOTSUP,
                        "the back-end does not offer feature bits %#"PRIx64,
                        missing);
    }
    dev->features = must | (may & dev->offered);

    error = dev_get_u64(dev, GET_PROTOCOL_FEATURES, &dev->offered_protocol);
    if (!error) {
        dev->protocol = (dev->offered_protocol
                         & (1 << PROTOCOL_F_MQ | 1 << PROTOCOL_F_REPLY_ACK));
        error = dev_set_u64(dev, SET_PROTOCOL_FEATURES, dev->protocol);
    }
    if (!error && dev->protocol & (1 << PROTOCOL_F_MQ)) {
        error = dev_get_u64(dev, GET_QUEUE_NUM, &pairs);
    }
    dev->max_pairs = MIN(pairs, UINT_MAX);
    dev->n_pairs = MIN(c->n_pairs, dev->max_pairs);
    dev->n_enabled = MIN(dev->want_enabled, dev->n_pairs);
    if (!error && !dev->n_pairs) {
        error = dev_fail(dev, EPROTO, "the back-end serves no queue pair");
    }
    if (!error) {
        error = dev_set_u64(dev, SET_FEATURES, dev->features);
    }
    return error;
}

static int
dev_start_ring(struct vg_dev *dev, unsigned int i)
{
    const struct vg_ring *ring = &dev->rings[i];
    struct vg_msg addr = {
        .addr = {
            .index = i,
            .desc_user_addr = (uintptr_t) ring->desc,
            .avail_user_addr = (uintptr_t) ring->driver,
            .used_user_addr = (uintptr_t) ring->device,
        },
    };
    int error;

    error = dev_set_state(dev, SET_VRING_NUM, i, ring->size);
    if (!error) {
        error = dev_set_state(dev, SET_VRING_BASE, i, dev->bases[i]);
    }
    if (!error) {
        error = dev_request(dev, SET_VRING_ADDR, &addr, sizeof addr.addr,
                            NULL, 0, false);
    }
    if (!error) {
        error = dev_set_fd(dev, SET_VRING_KICK, i, ring->kickfd);
    }
    if (!error) {
        error = dev_set_fd(dev, SET_VRING_CALL, i, ring->callfd);
    }
    return error;
}

static int
dev_enable_rings(struct vg_dev *dev)
{
    for (unsigned int i = 0; i < 2 * dev->n_pairs; i++) {
        int error = dev_set_state(dev, SET_VRING_ENABLE, i,
                                  i / 2 < dev->n_enabled);

        if (error) {
            return error;
        }
    }
    return 0;
}

/* Starts all rings.  A ring runs from its first kick on ("Ring states"), also
 * if there is nothing new in it. */
static int
dev_start_rings(struct vg_dev *dev)
{
    int error = 0;

    for (unsigned int i = 0; !error && i < 2 * dev->n_pairs; i++) {
        error = dev_start_ring(dev, i);
    }
    if (!error) {
        error = dev_enable_rings(dev);
    }
    for (unsigned int i = 0; !error && i < 2 * dev->n_pairs; i++) {
        vg_ring_kick(&dev->rings[i]);
    }
    return error;
}

static void
dev_reset_rings(struct vg_dev *dev)
{
    for (unsigned int i = 0; i < 2 * dev->config.n_pairs; i++) {
        vg_ring_reset(&dev->rings[i], vg_dev_has(dev, VIRTIO_F_RING_PACKED),
                      vg_dev_has(dev, VIRTIO_RING_F_EVENT_IDX));
        dev->bases[i] = vg_ring_base(&dev->rings[i]);
    }
}

static int
dev_handshake(struct vg_dev *dev)
{
    struct vg_msg owner;
    int error = dev_negotiate(dev);

    if (!error) {
        error = dev_request(dev, SET_OWNER, &owner, 0, NULL, 0, false);
    }
    if (!error) {
        error = dev_set_mem_table(dev);
    }
    if (!error) {
        dev_reset_rings(dev);
        error = dev_start_rings(dev);
    }
    return error;
}

static void
dev_disconnect(struct vg_dev *dev)
{
    if (dev->fd >= 0) {
        close(dev->fd);
        dev->fd = -1;
    }
    dev->link = VG_DOWN;
    dev->retry_at = time_msec() + RETRY_MS;
}

static void
dev_connected(struct vg_dev *dev, int fd)
{
    long long int ms = dev->config.timeout_ms;
    struct timeval tv = {
        .tv_sec = ms / 1000,
        .tv_usec = ms % 1000 * 1000,
    };

    dev->fd = fd;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    if (dev_handshake(dev)) {
        dev_disconnect(dev);
    } else {
        dev->link = VG_UP;
        dev->n_handshakes++;
        VLOG_INFO("%s: link up", dev->config.path);
    }
}

static void
dev_seek(struct vg_dev *dev)
{
    int fd;

    if (dev->config.listen) {
        fd = accept(dev->listen_fd, NULL, NULL);
        if (fd < 0) {
            return;
        }
    } else {
        if (time_msec() < dev->retry_at) {
            return;
        }
        fd = make_unix_socket(SOCK_STREAM, false, NULL, dev->config.path);
        if (fd < 0) {
            dev->retry_at = time_msec() + RETRY_MS;
            return;
        }
    }
    dev_connected(dev, fd);
}

/* Notices that the back-end has gone: it never speaks unasked. */
static void
dev_watch(struct vg_dev *dev)
{
    char c;
    ssize_t n = recv(dev->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n > 0) {
        dev_fail(dev, EPROTO, "the back-end spoke unasked");
    } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    VLOG_INFO("%s: link down", dev->config.path);
    dev_disconnect(dev);
}

/* Opens 'dev' as 'config' says, which it copies.  A handshake happens as soon
 * as vg_dev_run() finds the other end.  On failure stores a message that the
 * caller must free in '*error'; vg_dev_close() must follow in any case. */
int
vg_dev_open(struct vg_dev *dev, const struct vg_config *config, char **error)
{
    int retval;

    memset(dev, 0, sizeof *dev);
    dev->config = *config;
    dev->config.path = xstrdup(config->path);
    dev->fd = dev->listen_fd = -1;
    dev->allow = true;
    dev->want_enabled = config->n_pairs;
    dev->rings = xcalloc(2 * config->n_pairs, sizeof *dev->rings);
    dev->bases = xcalloc(2 * config->n_pairs, sizeof *dev->bases);

    retval = vg_mem_init(&dev->mem, config->n_regions, config->region_size);
    for (unsigned int i = 0; !retval && i < 2 * config->n_pairs; i++) {
        retval = vg_ring_init(&dev->rings[i], &dev->mem, i,
                              config->ring_size);
        dev->rings[i].shuffle = config->shuffle;
    }
    if (retval) {
        *error = xasprintf("cannot make guest memory of %u * %"PRIuSIZE
                           " bytes (%s)", config->n_regions,
                           config->region_size, ovs_strerror(retval));
        return retval;
    }
    dev->features = (uint64_t) config->packed << VIRTIO_F_RING_PACKED;
    dev_reset_rings(dev);

    if (config->listen) {
        dev->listen_fd = make_unix_socket(SOCK_STREAM, true, config->path,
                                          NULL);
        if (dev->listen_fd < 0 || listen(dev->listen_fd, 1)) {
            retval = dev->listen_fd < 0 ? -dev->listen_fd : errno;
            *error = xasprintf("cannot listen on %s (%s)", config->path,
                               ovs_strerror(retval));
            return retval;
        }
    }
    return 0;
}

void
vg_dev_close(struct vg_dev *dev)
{
    if (dev->listen_fd >= 0) {
        close(dev->listen_fd);
        unlink(dev->config.path);
    }
    dev_disconnect(dev);
    for (unsigned int i = 0; i < 2 * dev->config.n_pairs; i++) {
        vg_ring_uninit(&dev->rings[i]);
    }
    vg_mem_uninit(&dev->mem);
    free(dev->rings);
    free(dev->bases);
    free(dev->error);
    free(dev->config.path);
}

/* Makes the next step: connects or notices that the link is gone.  'link'
 * goes through VG_DOWN between any two handshakes, for at least one return
 * from here.  A handshake blocks for as long as the back-end takes, at most
 * 'timeout_ms' per request. */
void
vg_dev_run(struct vg_dev *dev)
{
    if (dev->link != VG_DOWN) {
        dev_watch(dev);
    } else if (dev->allow) {
        dev_seek(dev);
    }
}

void
vg_dev_wait(struct vg_dev *dev)
{
    if (dev->link != VG_DOWN) {
        poll_fd_wait(dev->fd, POLLIN);
    } else if (dev->allow && dev->config.listen) {
        poll_fd_wait(dev->listen_fd, POLLIN);
    } else if (dev->allow) {
        poll_timer_wait_until(dev->retry_at);
    }
}

/* Allows connections, or cuts the present one and has no new one. */
void
vg_dev_allow(struct vg_dev *dev, bool allow)
{
    dev->allow = allow;
    if (!allow) {
        dev_disconnect(dev);
    }
}

/* Stops all rings, as a hypervisor does when its guest pauses or shuts down.
 * On failure the link goes down. */
int
vg_dev_stop(struct vg_dev *dev)
{
    ovs_assert(dev->link == VG_UP);
    for (unsigned int i = 0; i < 2 * dev->n_pairs; i++) {
        struct vg_msg msg = { .state = { .index = i } };
        int error = dev_request(dev, GET_VRING_BASE, &msg, sizeof msg.state,
                                NULL, 0, true);

        if (error) {
            dev_disconnect(dev);
            return error;
        }
        dev->bases[i] = msg.state.num;
    }
    dev->link = VG_STOPPED;
    return 0;
}

/* Starts stopped rings: where they were, or if 'reset' afresh, as after a
 * reset of the device by its driver.  On failure the link goes down. */
int
vg_dev_start(struct vg_dev *dev, bool reset)
{
    int error;

    ovs_assert(dev->link == VG_STOPPED);
    if (reset) {
        dev_reset_rings(dev);
    } else if (vg_dev_has(dev, VIRTIO_F_RING_PACKED)) {
        /* Not every back-end fills in the used half. */
        for (unsigned int i = 0; i < 2 * dev->n_pairs; i++) {
            dev->bases[i] = ((dev->bases[i] & UINT16_MAX)
                             | (vg_ring_base(&dev->rings[i])
                                & ~UINT32_C(0xffff)));
        }
    }
    error = dev_set_u64(dev, SET_FEATURES, dev->features);
    if (!error) {
        error = dev_set_mem_table(dev);
    }
    if (!error) {
        error = dev_start_rings(dev);
    }
    if (error) {
        dev_disconnect(dev);
        return error;
    }
    dev->link = VG_UP;
    return 0;
}

/* Enables queue pairs 0 to 'n' - 1 and disables the others, also for later
 * handshakes.  Returns EINVAL if there are fewer. */
int
vg_dev_enable_pairs(struct vg_dev *dev, unsigned int n)
{
    if (!n || n > (dev->link == VG_DOWN ? dev->config.n_pairs
                   : dev->n_pairs)) {
        return EINVAL;
    }
    dev->want_enabled = dev->n_enabled = n;
    return dev->link == VG_UP ? dev_enable_rings(dev) : 0;
}

bool
vg_dev_has(const struct vg_dev *dev, unsigned int feature)
{
    return dev->features & UINT64_C(1) << feature;
}
