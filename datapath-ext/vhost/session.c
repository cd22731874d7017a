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

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <rte_vhost.h>

#include "hash.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "util.h"
#include "vhost/message.h"
#include "vhost/quiesce.h"
#include "vhost/session.h"
#include "vhost/socket.h"
#include "vhost/vhost.h"
#include "vhost/vhost-private.h"

VLOG_DEFINE_THIS_MODULE(vhost_session);

/* Sessions
 * ========
 *
 * librte_vhost's callbacks come in surprising orders: rings become enabled
 * before there is a device, or change while there is one.  So the callbacks
 * only take notes, in struct vhost_port, and session_update() compares these
 * with the rings that are live and takes down or sets up what differs.
 *
 * While librte_vhost works on a message that changes a ring, or memory, the
 * rings concerned are "held": from the pre-handler, before anything changes,
 * to the post-handler.  When the message fails there is no post-handler; then
 * whatever callback comes next lets go.
 *
 * A ring that is taken down gives its position to librte_vhost, which is asked
 * for it when the ring is set up again.  Between these, the front end may ask
 * for or change it. */

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

static struct ovs_mutex ports_mutex = OVS_MUTEX_INITIALIZER;

/* Ports by path, and by librte_vhost's handle of their connection. */
static struct hmap ports OVS_GUARDED_BY(ports_mutex)
    = HMAP_INITIALIZER(&ports);
static struct vhost_port *by_vid[RTE_MAX_VHOST_DEVICE]
    OVS_GUARDED_BY(ports_mutex);

static struct vhost_port *
session_find_path(const char *path)
    OVS_REQUIRES(ports_mutex)
{
    struct vhost_port *port;

    HMAP_FOR_EACH_WITH_HASH (port, node, hash_string(path, 0), &ports) {
        if (!strcmp(port->path, path)) {
            return port;
        }
    }
    return NULL;
}

/* Makes 'port' known to the callbacks.  Returns NULL, or the port that already
 * uses its path. */
const struct vhost_port *
vhost_session_register(struct vhost_port *port)
{
    const struct vhost_port *other;

    ovs_mutex_lock(&ports_mutex);
    other = session_find_path(port->path);
    if (!other) {
        hmap_insert(&ports, &port->node, hash_string(port->path, 0));
    }
    ovs_mutex_unlock(&ports_mutex);
    return other;
}

void
vhost_session_unregister(struct vhost_port *port)
{
    ovs_mutex_lock(&ports_mutex);
    hmap_remove(&ports, &port->node);
    for (size_t i = 0; i < ARRAY_SIZE(by_vid); i++) {
        if (by_vid[i] == port) {
            by_vid[i] = NULL;
        }
    }
    ovs_mutex_unlock(&ports_mutex);
}

/* Returns the port whose connection is 'vid'.  It is not freed while
 * librte_vhost calls us, because vhost_port_destroy() waits for that. */
static struct vhost_port *
session_find(int vid)
{
    struct vhost_port *port;

    ovs_mutex_lock(&ports_mutex);
    port = by_vid[vid];
    ovs_mutex_unlock(&ports_mutex);
    return port;
}

/* Rings */

/* The front end's even rings are the guest's receive rings. */
static struct vhost_queue *
session_queue(struct vhost_port *port, unsigned int i)
{
    return i % 2 ? &port->rx[i / 2] : &port->tx[i / 2];
}

static bool
session_wants_ring(const struct vhost_port *port, unsigned int i)
    OVS_REQUIRES(port->mutex)
{
    return (port->running && port->memory
            && port->held != VHOST_HELD_ALL && port->held != (int) i
            && port->rings[i].enabled && !port->rings[i].problem);
}

/* Tells transmitting threads which queues there are. */
static void
session_map_tx(struct vhost_port *port)
    OVS_REQUIRES(port->mutex)
{
    uint32_t n = 0;

    for (unsigned int i = 0; i < port->max_qpairs; i++) {
        if (vhost_queue_get_ring(&port->tx[i])) {
            atomic_store_relaxed(&port->tx_map[n++], i);
        }
    }
    atomic_store_relaxed(&port->n_tx, n);
}

static void
session_take_down(struct vhost_port *port)
    OVS_REQUIRES(port->mutex)
{
    struct {
        struct vhost_ring *ring;
        unsigned int index;
    } down[2 * VHOST_MAX_QUEUE_PAIRS];
    unsigned int us;
    size_t n = 0;

    for (unsigned int i = 0; i < 2 * port->max_qpairs; i++) {
        struct vhost_queue *queue = session_queue(port, i);
        struct vhost_ring *ring = vhost_queue_get_ring(queue);

        if (ring && !session_wants_ring(port, i)) {
            atomic_store_relaxed(&queue->ring, NULL);
            down[n].ring = ring;
            down[n].index = i;
            n++;
        }
    }
    if (!n) {
        return;
    }

    session_map_tx(port);
    us = vhost_quiesce();
    port->quiesce_max = MAX(port->quiesce_max, us);
    for (size_t i = 0; i < n; i++) {
        uint16_t avail, used;

        vring_get_base(down[i].ring, &avail, &used);
        rte_vhost_set_vring_base(port->vid, down[i].index, avail, used);
        if (down[i].index % 2) {
            vhost_rx_ring_down(&port->rx[down[i].index / 2]);
        }
        vring_destroy(down[i].ring);
    }
}

/* Returns a copy of the guest's notification descriptor 'fd' of our own, as
 * librte_vhost closes its one when it likes.  Not to block on it is a property
 * that all copies share, but front ends make theirs nonblocking anyway. */
static int
dup_callfd(int fd)
{
    int copy = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (copy >= 0) {
        fcntl(copy, F_SETFL, fcntl(copy, F_GETFL) | O_NONBLOCK);
    }
    return copy;
}

static void
session_set_up_ring(struct vhost_port *port, unsigned int i)
    OVS_REQUIRES(port->mutex)
{
    struct vhost_ring_state *state = &port->rings[i];
    struct vhost_queue *queue = session_queue(port, i);
    struct rte_vhost_vring v;
    struct vhost_ring *ring;

    struct vring_config config = {
        .name = port->name,
        .index = i,
        .to_guest = !(i % 2),
        .features = port->features,
        .memory = port->memory,
    };
    if (rte_vhost_get_vhost_vring(port->vid, i, &v)
        || rte_vhost_get_vring_base(port->vid, i, &config.avail_base,
                                    &config.used_base)) {
        state->problem = "no configuration";
        return;
    }
    config.size = v.size;
    config.desc = v.desc;
    config.driver = v.avail;
    config.device = v.used;
    config.callfd = dup_callfd(v.callfd);

    state->problem = vring_create(&config, &ring);
    if (state->problem) {
        VLOG_WARN_RL(&rl, "%s: cannot serve ring %u of %u descriptors: %s",
                     port->name, i, config.size, state->problem);
        free(port->error);
        port->error = xasprintf("ring %u of %u descriptors: %s", i,
                                config.size, state->problem);
        return;
    }
    state->size = config.size;

    /* The guest may be waiting for a notification that a predecessor of ours
     * owed it.  One too many does no harm. */
    vring_call(ring);
    if (!config.to_guest) {
        vhost_rx_ring_up(queue, v.kickfd);
    }
    atomic_store_explicit(&queue->ring, ring, memory_order_release);
    vhost_rx_look(queue);
}

static void
session_set_up(struct vhost_port *port)
    OVS_REQUIRES(port->mutex)
{
    for (unsigned int i = 0; i < 2 * port->max_qpairs; i++) {
        if (session_wants_ring(port, i)
            && !vhost_queue_get_ring(session_queue(port, i))) {
            session_set_up_ring(port, i);
        }
    }
    session_map_tx(port);
}

/* Makes the live rings agree with what 'port' says. */
static void
session_update(struct vhost_port *port)
    OVS_REQUIRES(port->mutex)
{
    session_take_down(port);
    session_set_up(port);
}

/* Works out anew what the rest of the switch may know of the guest.  Returns
 * true if it changed. */
static bool
session_refresh(struct vhost_port *port)
    OVS_REQUIRES(port->mutex)
{
    uint32_t n_qpairs = 0, old_n_qpairs;
    bool link, old_link;

    if (port->running) {
        for (unsigned int i = 0; i < 2 * port->max_qpairs; i++) {
            if (port->rings[i].enabled) {
                n_qpairs = i / 2 + 1;
            }
        }
    }
    link = (port->running
            && port->rings[0].enabled && !port->rings[0].problem
            && port->rings[1].enabled && !port->rings[1].problem);

    atomic_read_relaxed(&port->n_qpairs, &old_n_qpairs);
    atomic_read_relaxed(&port->link, &old_link);
    atomic_store_relaxed(&port->n_qpairs, n_qpairs);
    atomic_store_relaxed(&port->link, link);
    return (link != old_link || n_qpairs != old_n_qpairs) && !port->closing;
}

/* Ends a callback. */
static void
session_unlock(struct vhost_port *port, bool changed)
    OVS_RELEASES(port->mutex)
{
    ovs_mutex_unlock(&port->mutex);
    if (changed && port->ops) {
        port->ops->changed(port->aux);
    }
}

/* Stops the device: all rings go, and it takes a new_device() callback to get
 * them back. */
static void
session_stop(struct vhost_port *port)
    OVS_REQUIRES(port->mutex)
{
    port->running = false;
    session_update(port);
    atomic_store_relaxed(&port->broken, NULL);
    atomic_store_relaxed(&port->broken_told, false);
}

static void
session_drop_memory(struct vhost_port *port)
    OVS_REQUIRES(port->mutex)
{
    guest_memory_destroy(port->memory);
    port->memory = NULL;
}

static void
session_load_memory(struct vhost_port *port)
    OVS_REQUIRES(port->mutex)
{
    struct guest_region regions[GUEST_MEMORY_MAX_REGIONS];
    struct rte_vhost_memory *mem;
    unsigned int n;

    session_drop_memory(port);
    if (rte_vhost_get_mem_table(port->vid, &mem)) {
        return;
    }

    n = MIN(mem->nregions, ARRAY_SIZE(regions));
    for (unsigned int i = 0; i < n; i++) {
        const struct rte_vhost_mem_region *r = &mem->regions[i];

        regions[i].gpa = r->guest_phys_addr;
        regions[i].size = r->size;
        regions[i].hva = (uint8_t *) (uintptr_t) r->host_user_addr;
        regions[i].map = r->mmap_addr;
        regions[i].map_size = r->mmap_size;
    }
    port->memory = guest_memory_create(regions, n);
    guest_memory_guard(port->memory, port->name, &port->broken);
    free(mem);
}

/* Message handlers */

static void
session_refuse(struct vhost_port *port, struct vhost_user_message *msg,
               char *problem)
    OVS_REQUIRES(port->mutex)
{
    VLOG_WARN_RL(&rl, "%s: refusing message from the front end at %s: %s",
                 port->name, port->path, problem);
    free(port->error);
    port->error = problem;
    vhost_message_close_fds(msg);
}

/* Takes down what 'msg' is going to change. */
static void
session_prepare(struct vhost_port *port, const struct vhost_user_message *msg)
    OVS_REQUIRES(port->mutex)
{
    unsigned int i;

    port->request = msg->request;
    port->held = VHOST_HELD_NONE;

    switch (msg->request) {
    case VHOST_USER_SET_MEM_TABLE:
        port->held = VHOST_HELD_ALL;
        session_update(port);
        session_drop_memory(port);
        break;

    case VHOST_USER_RESET_OWNER:
        for (i = 0; i < 2 * port->max_qpairs; i++) {
            port->rings[i].enabled = false;
        }
        session_stop(port);
        session_drop_memory(port);
        break;

    case VHOST_USER_GET_VRING_BASE:
        /* librte_vhost stops the whole device for this. */
        session_stop(port);
        break;

    case VHOST_USER_SET_VRING_NUM:
    case VHOST_USER_SET_VRING_ADDR:
    case VHOST_USER_SET_VRING_BASE:
    case VHOST_USER_SET_VRING_KICK:
    case VHOST_USER_SET_VRING_CALL:
        if (vhost_message_get_ring(msg, &i)) {
            port->held = i;
            port->rings[i].problem = NULL;
            session_update(port);
        }
        break;

    default:
        break;
    }
}

static enum rte_vhost_msg_result
session_pre_message(int vid, void *msg_)
{
    struct vhost_user_message *msg = msg_;
    struct vhost_port *port = session_find(vid);
    enum rte_vhost_msg_result result = RTE_VHOST_MSG_RESULT_NOT_HANDLED;
    char *problem;

    if (!port) {
        vhost_message_close_fds(msg);
        return RTE_VHOST_MSG_RESULT_ERR;
    }

    ovs_mutex_lock(&port->mutex);
    problem = vhost_message_check(msg, port->max_qpairs);
    if (problem) {
        session_refuse(port, msg, problem);
        result = RTE_VHOST_MSG_RESULT_ERR;
    } else if (msg->request == VHOST_USER_GET_QUEUE_NUM) {
        vhost_message_close_fds(msg);
        msg->payload.u64 = port->max_qpairs;
        msg->size = sizeof msg->payload.u64;
        result = RTE_VHOST_MSG_RESULT_REPLY;
    } else {
        session_prepare(port, msg);
    }
    ovs_mutex_unlock(&port->mutex);
    return result;
}

static enum rte_vhost_msg_result
session_post_message(int vid, void *msg_)
{
    const struct vhost_user_message *msg = msg_;
    struct vhost_port *port = session_find(vid);

    if (port) {
        ovs_mutex_lock(&port->mutex);
        if (msg->request == VHOST_USER_SET_MEM_TABLE) {
            session_load_memory(port);
        }
        port->held = VHOST_HELD_NONE;
        session_update(port);
        ovs_mutex_unlock(&port->mutex);
    }
    return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

/* Device callbacks */

static int
session_new_connection(int vid)
{
    static const struct rte_vhost_user_extern_ops extern_ops = {
        .pre_msg_handle = session_pre_message,
        .post_msg_handle = session_post_message,
    };
    char path[PATH_MAX];
    struct vhost_port *port;

    if (rte_vhost_get_ifname(vid, path, sizeof path)
        || rte_vhost_extern_callback_register(vid, &extern_ops, NULL)) {
        return -1;
    }

    ovs_mutex_lock(&ports_mutex);
    port = session_find_path(path);
    if (!port) {
        ovs_mutex_unlock(&ports_mutex);
        return -1;
    }
    /* A front end that comes back may be faster than the news that it was
     * gone.  So a new connection replaces an old one, whose messages, should
     * any come, have no port any more. */
    for (size_t i = 0; i < ARRAY_SIZE(by_vid); i++) {
        if (by_vid[i] == port) {
            by_vid[i] = NULL;
        }
    }
    by_vid[vid] = port;
    ovs_mutex_unlock(&ports_mutex);
    vhost_socket_limit(path);

    ovs_mutex_lock(&port->mutex);
    if (port->vid >= 0) {
        VLOG_WARN_RL(&rl, "%s: a new connection to %s replaces the one there "
                     "was", port->name, port->path);
        session_stop(port);
        session_drop_memory(port);
    }
    for (unsigned int i = 0; i < 2 * port->max_qpairs; i++) {
        port->rings[i] = (struct vhost_ring_state) { .enabled = false };
    }
    port->vid = vid;
    port->request = VHOST_USER_NONE;
    port->held = VHOST_HELD_NONE;
    VLOG_INFO_RL(&rl, "%s: connected to %s", port->name, port->path);
    session_unlock(port, session_refresh(port));
    return 0;
}

static void
session_destroy_connection(int vid)
{
    struct vhost_port *port = session_find(vid);

    if (!port) {
        return;
    }
    ovs_mutex_lock(&ports_mutex);
    by_vid[vid] = NULL;
    ovs_mutex_unlock(&ports_mutex);

    ovs_mutex_lock(&port->mutex);
    session_stop(port);
    session_drop_memory(port);
    port->vid = -1;
    VLOG_INFO_RL(&rl, "%s: connection to %s closed", port->name, port->path);
    session_unlock(port, session_refresh(port));
}

static int
session_new_device(int vid)
{
    struct vhost_port *port = session_find(vid);

    if (!port) {
        return -1;
    }

    ovs_mutex_lock(&port->mutex);
    rte_vhost_get_negotiated_features(vid, &port->features);
    atomic_store_relaxed(&port->numa, rte_vhost_get_numa_node(vid));
    free(port->error);
    port->error = NULL;
    port->held = VHOST_HELD_NONE;
    port->running = true;
    session_update(port);
    VLOG_INFO_RL(&rl, "%s: guest is up (features 0x%"PRIx64")", port->name,
                 port->features);
    session_unlock(port, session_refresh(port));
    return 0;
}

static void
session_destroy_device(int vid)
{
    struct vhost_port *port = session_find(vid);

    if (port) {
        ovs_mutex_lock(&port->mutex);
        session_stop(port);
        VLOG_INFO_RL(&rl, "%s: guest is down", port->name);
        session_unlock(port, session_refresh(port));
    }
}

/* Nothing that takes librte_vhost's queue locks may be called from here: they
 * are held, and not recursive. */
static int
session_vring_state_changed(int vid, uint16_t i, int enable)
{
    struct vhost_port *port = session_find(vid);
    bool changed = false;

    if (port && i < 2 * port->max_qpairs) {
        ovs_mutex_lock(&port->mutex);
        port->rings[i].enabled = enable;
        port->rings[i].problem = NULL;
        port->held = VHOST_HELD_NONE;
        session_update(port);

        /* For a new notification descriptor, librte_vhost switches a ring off
         * and at once on again.  That is no news. */
        if (enable || (port->request != VHOST_USER_SET_VRING_KICK
                       && port->request != VHOST_USER_SET_VRING_CALL)) {
            changed = session_refresh(port);
        }
        session_unlock(port, changed);
    }
    return 0;
}

const struct rte_vhost_device_ops vhost_session_ops = {
    .new_connection = session_new_connection,
    .destroy_connection = session_destroy_connection,
    .new_device = session_new_device,
    .destroy_device = session_destroy_device,
    .vring_state_changed = session_vring_state_changed,
};
