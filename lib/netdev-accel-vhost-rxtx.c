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

#include "dp-packet.h"
#include "dpif-netdev.h"
#include "netdev-accel-vhost.h"
#include "netdev-accel-vhost-private.h"
#include "util.h"

/* Packets of a port on a netdev bridge: copied whole between the rings and
 * dp_packets.  The accel datapath reads and writes the rings itself. */

struct netdev_rxq_accel_vhost {
    struct netdev_rxq up;
    struct vhost_burst burst;
};

struct netdev_rxq *
accel_vhost_rxq_alloc(void)
{
    struct netdev_rxq_accel_vhost *rxq = xmalloc_cacheline(sizeof *rxq);

    memset(&rxq->up, 0, sizeof rxq->up);
    return &rxq->up;
}

int
accel_vhost_rxq_construct(struct netdev_rxq *rxq OVS_UNUSED)
{
    return 0;
}

void
accel_vhost_rxq_destruct(struct netdev_rxq *rxq OVS_UNUSED)
{
}

void
accel_vhost_rxq_dealloc(struct netdev_rxq *rxq)
{
    free_cacheline(CONTAINER_OF(rxq, struct netdev_rxq_accel_vhost, up));
}

bool
accel_vhost_rxq_enabled(struct netdev_rxq *rxq)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(rxq->netdev);
    bool enabled;

    ovs_mutex_lock(&dev->guest_mutex);
    enabled = dev->link && rxq->queue_id < dev->n_qpairs;
    ovs_mutex_unlock(&dev->guest_mutex);
    return enabled;
}

int
accel_vhost_rxq_recv(struct netdev_rxq *rxq_, struct dp_packet_batch *batch,
                     int *qfill)
{
    struct netdev_rxq_accel_vhost *rxq
        = CONTAINER_OF(rxq_, struct netdev_rxq_accel_vhost, up);
    struct vhost_port *port = netdev_accel_vhost_get_port(rxq_->netdev);
    struct vhost_burst *burst = &rxq->burst;

    BUILD_ASSERT_DECL(VHOST_BURST <= NETDEV_MAX_BURST);

    if (!port) {
        return EAGAIN;
    }

    vhost_enter();
    vhost_peek(port, rxq_->queue_id, burst);
    for (size_t i = 0; i < burst->n; i++) {
        dp_packet_batch_add(batch,
                            vhost_frame_to_packet(burst->frames[i],
                                                  DP_NETDEV_HEADROOM));
    }
    vhost_release(port, rxq_->queue_id, burst);
    vhost_exit();

    if (dp_packet_batch_is_empty(batch)) {
        return EAGAIN;
    }
    dp_packet_batch_init_packet_fields(batch);
    if (qfill) {
        *qfill = -ENOTSUP;
    }
    return 0;
}

/* Returns how many packets of 'batch' from 'first' on have the same priority,
 * which a QoS policy may look at. */
static unsigned int
count_peers(const struct dp_packet_batch *batch, unsigned int first)
{
    uint32_t priority = batch->packets[first]->md.skb_priority;
    unsigned int i = first;

    do {
        i++;
    } while (i < dp_packet_batch_size(batch)
             && batch->packets[i]->md.skb_priority == priority);
    return i - first;
}

/* netdev_send() has dropped packets that want an offload, unless
 * "userspace-tso-enable" makes us offer them. */
int
accel_vhost_send(struct netdev *netdev, int qid, struct dp_packet_batch *batch,
                 bool concurrent_txq OVS_UNUSED)
{
    struct vhost_port *port = netdev_accel_vhost_get_port(netdev);
    struct vhost_tx tx;
    unsigned int n;

    if (OVS_UNLIKELY(!port)) {
        dp_packet_delete_batch(batch, true);
        return 0;
    }
    vhost_enter();
    vhost_tx_begin(port, qid, &tx);
    for (unsigned int i = 0; i < dp_packet_batch_size(batch); i += n) {
        n = count_peers(batch, i);
        accel_vhost_set_tx_priority(batch->packets[i]->md.skb_priority);
        vhost_tx_put_packets(&tx, &batch->packets[i], n);
    }
    vhost_tx_end(&tx);
    vhost_exit();
    accel_vhost_set_tx_priority(0);
    return 0;
}
