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

#include <inttypes.h>

#include "accel-dpdk.h"
#include "netdev-accel-vhost-private.h"
#include "openvswitch/dynamic-string.h"
#include "smap.h"
#include "util.h"

/* Where a drop appears in OVS's standard statistics.  As with OVS's own vhost
 * ports, rx_dropped and tx_dropped count every frame that went no further
 * than this port; the errors are those among them that were the guest's
 * fault. */
enum drop_class {
    DROP_ONLY,
    DROP_ERROR,
    DROP_LENGTH_ERROR,          /* Also an error. */
};

static enum drop_class
drop_classify(enum vhost_drop drop)
{
    switch (drop) {
    case VHOST_RX_BROKEN:
    case VHOST_RX_OFFLOAD:
    case VHOST_TX_BROKEN:
    case VHOST_TX_OFFLOAD:
        return DROP_ERROR;

    case VHOST_RX_TOO_SHORT:
    case VHOST_RX_TOO_LONG:
        return DROP_LENGTH_ERROR;

    case VHOST_RX_POLICED:
    case VHOST_TX_NO_LINK:
    case VHOST_TX_NO_DESC:
    case VHOST_TX_TOO_LONG:
    case VHOST_TX_POLICED:
        return DROP_ONLY;

    case VHOST_N_DROPS:
    default:
        OVS_NOT_REACHED();
    }
}

int
accel_vhost_get_stats(const struct netdev *netdev, struct netdev_stats *stats)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    struct vhost_queue_stats rx, tx;
    struct vhost_port *port;

    memset(stats, 0xff, sizeof *stats);
    memset(&rx, 0, sizeof rx);
    memset(&tx, 0, sizeof tx);

    ovs_mutex_lock(&dev->mutex);
    port = ovsrcu_get(struct vhost_port *, &dev->port);
    if (port) {
        vhost_port_sum_stats(port, true, &rx);
        vhost_port_sum_stats(port, false, &tx);
    }
    ovs_mutex_unlock(&dev->mutex);

    stats->rx_packets = rx.packets;
    stats->rx_bytes = rx.bytes;
    stats->tx_packets = tx.packets;
    stats->tx_bytes = tx.bytes;
    stats->rx_dropped = stats->rx_errors = stats->rx_length_errors = 0;
    stats->tx_errors = stats->tx_dropped = 0;
    for (enum vhost_drop drop = 0; drop < VHOST_N_DROPS; drop++) {
        enum drop_class class = drop_classify(drop);

        stats->rx_dropped += rx.drops[drop];
        stats->tx_dropped += tx.drops[drop];
        if (class != DROP_ONLY) {
            stats->rx_errors += rx.drops[drop];
            stats->tx_errors += tx.drops[drop];
        }
        if (class == DROP_LENGTH_ERROR) {
            stats->rx_length_errors += rx.drops[drop];
        }
    }
    return 0;
}

static uint64_t
n_drops(const struct vhost_queue_stats *stats)
{
    uint64_t n = 0;

    for (size_t i = 0; i < VHOST_N_DROPS; i++) {
        n += stats->drops[i];
    }
    return n;
}

static void OVS_PRINTF_FORMAT(3, 4)
add_counter(struct netdev_custom_stats *stats, uint64_t value,
            const char *format, ...)
{
    struct netdev_custom_counter *counter = &stats->counters[stats->size++];
    va_list args;

    counter->value = value;
    va_start(args, format);
    vsnprintf(counter->name, sizeof counter->name, format, args);
    va_end(args);
}

static void
add_queue_counters(struct netdev_custom_stats *stats,
                   const struct vhost_port *port, bool rx, unsigned int qid)
{
    const char *dir = rx ? "rx" : "tx";
    struct vhost_queue_stats queue;

    vhost_port_get_queue_stats(port, rx, qid, &queue);
    add_counter(stats, queue.packets, "%s_q%u_packets", dir, qid);
    add_counter(stats, queue.bytes, "%s_q%u_bytes", dir, qid);
    add_counter(stats, n_drops(&queue), "%s_q%u_drops", dir, qid);
    add_counter(stats, queue.notifications, "%s_q%u_notifications", dir, qid);
    if (rx) {
        add_counter(stats, queue.sleeps, "rx_q%u_sleeps", qid);
    }
}

int
accel_vhost_get_custom_stats(const struct netdev *netdev,
                             struct netdev_custom_stats *stats)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    unsigned int n_queues = netdev->n_rxq;
    struct vhost_port *port;

    /* One counter per reason, and nine per pair of queues. */
    stats->counters = xcalloc(VHOST_N_DROPS + n_queues * 9,
                              sizeof *stats->counters);
    stats->size = 0;

    ovs_mutex_lock(&dev->mutex);
    port = ovsrcu_get(struct vhost_port *, &dev->port);
    if (port) {
        struct vhost_queue_stats rx, tx;

        vhost_port_sum_stats(port, true, &rx);
        vhost_port_sum_stats(port, false, &tx);
        for (enum vhost_drop drop = 0; drop < VHOST_N_DROPS; drop++) {
            add_counter(stats, rx.drops[drop] + tx.drops[drop], "%s",
                        vhost_drop_name(drop));
        }
        for (unsigned int qid = 0; qid < n_queues; qid++) {
            add_queue_counters(stats, port, true, qid);
            add_queue_counters(stats, port, false, qid);
        }
    }
    ovs_mutex_unlock(&dev->mutex);
    return 0;
}

int
accel_vhost_get_status(const struct netdev *netdev, struct smap *status)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    static const char *const unserved[] = {
        "vhost-iommu-support", "vhost-postcopy-support",
    };
    struct vhost_port *port;

    smap_add(status, "driver_name", netdev_get_type(netdev));
    for (size_t i = 0; i < ARRAY_SIZE(unserved); i++) {
        if (smap_get_bool(accel_dpdk_other_config(), unserved[i], false)) {
            smap_add(status, unserved[i], "not served");
        }
    }

    ovs_mutex_lock(&dev->mutex);
    port = ovsrcu_get(struct vhost_port *, &dev->port);
    if (port) {
        vhost_port_get_status(port, status);
        smap_add_format(status, "max_queues", "%"PRIu16,
                        dev->applied.max_qpairs);
    }
    if (dev->refused_mtu) {
        smap_add_format(status, "mtu_error", "MTU %d is out of range",
                        dev->refused_mtu);
    }
    ovs_mutex_unlock(&dev->mutex);
    return 0;
}

/* Appends to 's' what an administrator wants to know of a port in trouble. */
void
accel_vhost_format(struct netdev_accel_vhost *dev, struct ds *s)
{
    struct smap status = SMAP_INITIALIZER(&status);
    const struct smap_node **nodes;
    struct vhost_port *port;

    accel_vhost_get_status(&dev->up, &status);
    nodes = smap_sort(&status);
    ds_put_format(s, "%s:\n", netdev_get_name(&dev->up));
    for (size_t i = 0; i < smap_count(&status); i++) {
        ds_put_format(s, "  %s: %s\n", nodes[i]->key, nodes[i]->value);
    }
    free(nodes);
    smap_destroy(&status);

    ovs_mutex_lock(&dev->mutex);
    port = ovsrcu_get(struct vhost_port *, &dev->port);
    if (port) {
        struct vhost_queue_stats rx, tx;

        vhost_port_sum_stats(port, true, &rx);
        vhost_port_sum_stats(port, false, &tx);
        ds_put_format(s, "  received: %"PRIu64"\n", rx.packets);
        ds_put_format(s, "  sent: %"PRIu64"\n", tx.packets);
        for (enum vhost_drop drop = 0; drop < VHOST_N_DROPS; drop++) {
            uint64_t n = rx.drops[drop] + tx.drops[drop];

            if (n) {
                ds_put_format(s, "  dropped: %"PRIu64" (%s)\n", n,
                              vhost_drop_text(drop));
            }
        }
    }
    ovs_mutex_unlock(&dev->mutex);
}
