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
#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <rte_alarm.h>
#include <rte_vhost.h>

#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "util.h"
#include "vhost/offload.h"
#include "vhost/session.h"
#include "vhost/socket.h"
#include "vhost/vhost.h"
#include "vhost/vhost-private.h"

VLOG_DEFINE_THIS_MODULE(vhost);

/* Features that the guest may negotiate, out of those that librte_vhost
 * offers, with VHOST_IDLE_OFFLOADS, and with VHOST_OFFLOAD_FEATURES if every
 * way out of the switch completes them.  Chains go back in the order they came
 * (VIRTIO_F_IN_ORDER), so that one of them can stand for a burst.  No dirty
 * logging (VHOST_F_LOG_ALL), so that QEMU refuses to migrate; nothing that
 * changes addresses (VIRTIO_F_ACCESS_PLATFORM). */
#define FEATURES ((1ull << VIRTIO_F_ANY_LAYOUT)             \
                  | (1ull << VIRTIO_F_IN_ORDER)             \
                  | (1ull << VIRTIO_F_RING_PACKED)          \
                  | (1ull << VIRTIO_F_VERSION_1)            \
                  | (1ull << VIRTIO_NET_F_GUEST_ANNOUNCE)   \
                  | (1ull << VIRTIO_NET_F_MQ)               \
                  | (1ull << VIRTIO_NET_F_MRG_RXBUF)        \
                  | (1ull << VIRTIO_NET_F_MTU)              \
                  | (1ull << VIRTIO_RING_F_EVENT_IDX)       \
                  | (1ull << VIRTIO_RING_F_INDIRECT_DESC)   \
                  | (1ull << VHOST_USER_F_PROTOCOL_FEATURES))

/* What the front end may negotiate of the vhost-user protocol. */
#define PROTOCOL_FEATURES ((1ull << VHOST_USER_PROTOCOL_F_MQ)           \
                           | (1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK)  \
                           | (1ull << VHOST_USER_PROTOCOL_F_NET_MTU)    \
                           | (1ull << VHOST_USER_PROTOCOL_F_STATUS))

/* Hands the socket of 'port' to librte_vhost.  Returns true if successful. */
static bool
port_start(struct vhost_port *port)
{
    uint64_t served = FEATURES | VHOST_IDLE_OFFLOADS
                      | (port->offloads ? VHOST_OFFLOAD_FEATURES : 0);
    uint64_t features, protocol;

    if (rte_vhost_driver_register(port->path, port->connect
                                  ? RTE_VHOST_USER_CLIENT : 0)) {
        return false;
    }

    /* Unlike rte_vhost_driver_set_features(), this keeps librte_vhost's notion
     * of when a network device is ready. */
    if (!rte_vhost_driver_get_features(port->path, &features)
        && !rte_vhost_driver_disable_features(port->path,
                                              features & ~served)
        && !rte_vhost_driver_get_protocol_features(port->path, &protocol)
        && !rte_vhost_driver_set_protocol_features(
            port->path, protocol & PROTOCOL_FEATURES)
        && !rte_vhost_driver_callback_register(port->path,
                                               &vhost_session_ops)
        && !rte_vhost_driver_start(port->path)) {
        return true;
    }
    rte_vhost_driver_unregister(port->path);
    return false;
}

/* Life of a port */

static struct vhost_queue *
queues_create(unsigned int n)
{
    struct vhost_queue *queues = xzalloc_cacheline(n * sizeof *queues);

    for (unsigned int i = 0; i < n; i++) {
        atomic_init(&queues[i].ring, NULL);
        vhost_queue_init_waiter(&queues[i]);
        ovs_spin_init(&queues[i].lock);
    }
    return queues;
}

static void
queues_destroy(struct vhost_queue *queues, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        ovs_spin_destroy(&queues[i].lock);
        free(queues[i].linear);
    }
    free_cacheline(queues);
}

static struct vhost_port *
port_alloc(const struct vhost_port_params *params)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct vhost_port *port = xzalloc_cacheline(sizeof *port);
    unsigned int n = params->max_qpairs;

    port->rx = queues_create(n);
    port->tx = queues_create(n);
    port->tx_map = xzalloc(n * sizeof *port->tx_map);
    port->rings = xzalloc(2 * n * sizeof *port->rings);
    port->name = xstrdup(params->name);
    port->path = xstrdup(params->path);
    port->connect = params->connect;
    port->offloads = params->offloads;
    for (unsigned int i = 0; port->offloads && i < n; i++) {
        port->tx[i].linear = xmalloc(VHOST_MAX_FRAME);
    }
    port->max_qpairs = n;
    port->ops = params->ops;
    port->aux = params->aux;
    port->vid = -1;
    port->held = VHOST_HELD_NONE;
    atomic_init(&port->n_tx, 0);
    atomic_init(&port->max_frame, UINT32_MAX);
    atomic_init(&port->up, true);
    atomic_init(&port->tx_retries_max, params->tx_retries_max);
    atomic_init(&port->rx_policer, NULL);
    atomic_init(&port->tx_policer, NULL);
    atomic_init(&port->broken, NULL);
    atomic_init(&port->broken_told, false);
    atomic_init(&port->link, false);
    atomic_init(&port->n_qpairs, 0);
    atomic_init(&port->numa, -1);
    ovs_mutex_init(&port->mutex);
    return port;
}

static void
port_free(struct vhost_port *port)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    vhost_port_set_rx_policer(port, 0, 0);
    ovs_mutex_destroy(&port->mutex);
    guest_memory_destroy(port->memory);
    queues_destroy(port->rx, port->max_qpairs);
    queues_destroy(port->tx, port->max_qpairs);
    free(port->tx_map);
    free(port->rings);
    free(port->error);
    free(port->name);
    free(port->path);
    free_cacheline(port);
}

int
vhost_port_create(const struct vhost_port_params *params,
                  struct vhost_port **portp, char **errp)
{
    const struct vhost_port *other;
    struct vhost_port *port;
    char *problem = NULL;
    int error;

    ovs_assert(params->max_qpairs >= 1
               && params->max_qpairs <= VHOST_MAX_QUEUE_PAIRS);

    vhost_packet_init();
    *portp = NULL;
    port = port_alloc(params);
    other = vhost_session_register(port);
    if (other) {
        error = EEXIST;
        problem = xasprintf("%s: socket path \"%s\" is already used by port "
                            "%s", port->name, port->path, other->name);
    } else {
        problem = vhost_socket_check(params->name, params->path,
                                     params->connect, &error);
        if (!error && !port_start(port)) {
            error = EIO;
            problem = xasprintf("%s: librte_vhost cannot serve socket \"%s\"; "
                                "its reason is in the log", port->name,
                                port->path);
        }
        if (error) {
            vhost_session_unregister(port);
        }
    }

    if (error) {
        port_free(port);
        if (errp) {
            *errp = problem;
        } else {
            free(problem);
        }
        return error;
    }

    *portp = port;
    return 0;
}

static void
port_alarm(void *port_)
{
    struct vhost_port *port = port_;

    port->ops->changed(port->aux);
}

/* To be called by threads of the data plane when they see that 'port' is
 * broken: tells its owner, once, from another thread. */
void
vhost_port_tell_broken(struct vhost_port *port)
{
    bool told;

    atomic_read_relaxed(&port->broken_told, &told);
    if (!told && port->ops
        && atomic_compare_exchange_strong(&port->broken_told, &told, true)) {
        rte_eal_alarm_set(1, port_alarm, port);
    }
}

void
vhost_port_destroy(struct vhost_port *port)
{
    if (port) {
        ovs_mutex_lock(&port->mutex);
        port->closing = true;
        ovs_mutex_unlock(&port->mutex);

        /* Waits for callbacks to end, and takes down what is there. */
        rte_vhost_driver_unregister(port->path);
        rte_eal_alarm_cancel(port_alarm, port);
        vhost_session_unregister(port);
        port_free(port);
    }
}

void
vhost_port_set_up(struct vhost_port *port, bool up)
{
    ovs_mutex_lock(&port->mutex);
    atomic_store_relaxed(&port->up, up);
    for (unsigned int i = 0; i < port->max_qpairs; i++) {
        vhost_rx_look(&port->rx[i]);
    }
    ovs_mutex_unlock(&port->mutex);
}

void
vhost_port_set_max_frame(struct vhost_port *port, uint32_t max_frame)
{
    atomic_store_relaxed(&port->max_frame, max_frame);
}

void
vhost_port_set_tx_retries_max(struct vhost_port *port, uint32_t max)
{
    atomic_store_relaxed(&port->tx_retries_max, max);
}

/* What the guest has negotiated */

bool
vhost_port_get_link(const struct vhost_port *port_)
{
    struct vhost_port *port = CONST_CAST(struct vhost_port *, port_);
    bool link;

    atomic_read_relaxed(&port->link, &link);
    return link && !vhost_port_get_broken(port);
}

unsigned int
vhost_port_get_n_qpairs(const struct vhost_port *port_)
{
    struct vhost_port *port = CONST_CAST(struct vhost_port *, port_);
    uint32_t n;

    atomic_read_relaxed(&port->n_qpairs, &n);
    return n;
}

int
vhost_port_get_numa(const struct vhost_port *port_)
{
    struct vhost_port *port = CONST_CAST(struct vhost_port *, port_);
    int numa;

    atomic_read_relaxed(&port->numa, &numa);
    return numa;
}

static void
status_add_features(const struct vhost_port *port, struct smap *status)
    OVS_REQUIRES(port->mutex)
{
    static const struct {
        const char *key;
        unsigned int bit;
    } flags[] = {
        { "mergeable", VIRTIO_NET_F_MRG_RXBUF },
        { "indirect", VIRTIO_RING_F_INDIRECT_DESC },
        { "event_idx", VIRTIO_RING_F_EVENT_IDX },
    };

    smap_add_format(status, "features", "0x%016"PRIx64, port->features);
    smap_add(status, "ring",
             port->features & (1ull << VIRTIO_F_RING_PACKED)
             ? "packed" : "split");
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        smap_add(status, flags[i].key,
                 port->features & (1ull << flags[i].bit) ? "true" : "false");
    }
    smap_add_format(status, "queues", "%u", vhost_port_get_n_qpairs(port));
    for (unsigned int i = 0; i < 2 * port->max_qpairs; i++) {
        if (port->rings[i].enabled) {
            smap_add_nocopy(status, xasprintf("vring_%u_size", i),
                            xasprintf("%"PRIu16, port->rings[i].size));
        }
    }
}

void
vhost_port_get_status(const struct vhost_port *port, struct smap *status)
{
    const char *broken;

    smap_add(status, "mode", port->connect ? "client" : "server");
    smap_add(status, "socket", port->path);

    ovs_mutex_lock(&port->mutex);
    broken = vhost_port_get_broken(port);
    if (broken) {
        smap_add_format(status, "state", "broken: %s", broken);
    } else {
        smap_add(status, "state",
                 port->running ? "running"
                 : port->vid >= 0 ? "connected"
                 : port->connect ? "connecting" : "listening");
    }
    if (port->error) {
        smap_add(status, "refused", port->error);
    }
    if (port->running) {
        status_add_features(port, status);
    }
    smap_add_format(status, "quiesce_max_us", "%u", port->quiesce_max);
    ovs_mutex_unlock(&port->mutex);
}

/* Statistics */

static const struct {
    const char *name;
    const char *text;
} drops[] = {
#define VHOST_DROP(ENUM, NAME, TEXT) [VHOST_##ENUM] = { NAME, TEXT },
    VHOST_RX_DROPS
    VHOST_TX_DROPS
#undef VHOST_DROP
};

const char *
vhost_drop_name(enum vhost_drop drop)
{
    return drops[drop].name;
}

const char *
vhost_drop_text(enum vhost_drop drop)
{
    return drops[drop].text;
}

void
vhost_port_get_queue_stats(const struct vhost_port *port, bool rx,
                           unsigned int qid, struct vhost_queue_stats *stats)
{
    const struct vhost_queue *queue = rx ? &port->rx[qid] : &port->tx[qid];
    const uint64_t *src = (const uint64_t *) &queue->stats;
    uint64_t *dst = (uint64_t *) stats;

    /* Whoever counts does not stop for us; each counter is consistent in
     * itself. */
    BUILD_ASSERT_DECL(sizeof *stats % sizeof *dst == 0);
    if (qid >= port->max_qpairs) {
        memset(stats, 0, sizeof *stats);
        return;
    }
    for (size_t i = 0; i < sizeof *stats / sizeof *dst; i++) {
        dst[i] = __atomic_load_n(&src[i], __ATOMIC_RELAXED);
    }
}

void
vhost_port_sum_stats(const struct vhost_port *port, bool rx,
                     struct vhost_queue_stats *sum)
{
    uint64_t *dst = (uint64_t *) sum;

    memset(sum, 0, sizeof *sum);
    for (unsigned int qid = 0; qid < port->max_qpairs; qid++) {
        struct vhost_queue_stats stats;
        const uint64_t *src = (const uint64_t *) &stats;

        vhost_port_get_queue_stats(port, rx, qid, &stats);
        for (size_t i = 0; i < sizeof *sum / sizeof *dst; i++) {
            dst[i] += src[i];
        }
    }
}
