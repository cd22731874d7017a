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
#include <rte_cycles.h>
#include <rte_meter.h>

#include "openvswitch/vlog.h"
#include "packets.h"
#include "vhost/quiesce.h"
#include "vhost/vhost.h"
#include "vhost/vhost-private.h"

VLOG_DEFINE_THIS_MODULE(vhost_policer);

/* Ingress policing with the meter that OVS's netdev-dpdk uses for it: a single
 * bucket of 'burst' bytes that fills at 'rate', fed with the bytes that follow
 * the Ethernet header. */
struct vhost_rx_policer {
    struct ovs_spin lock;       /* All queues of the port share the meter. */
    struct rte_meter_srtcm meter;
    struct rte_meter_srtcm_profile profile;
};

static struct vhost_rx_policer *
vhost_rx_policer_create(uint64_t rate, uint64_t burst)
{
    struct rte_meter_srtcm_params params = {
        .cir = rate,
        .cbs = MAX(burst, 1),
    };
    struct vhost_rx_policer *policer = xzalloc(sizeof *policer);

    if (rte_meter_srtcm_profile_config(&policer->profile, &params)
        || rte_meter_srtcm_config(&policer->meter, &policer->profile)) {
        VLOG_ERR("cannot police at %"PRIu64" bytes/s with a burst of %"PRIu64
                 " bytes", rate, burst);
        free(policer);
        return NULL;
    }
    ovs_spin_init(&policer->lock);
    return policer;
}

static void
vhost_rx_policer_destroy(struct vhost_rx_policer *policer)
{
    if (policer) {
        ovs_spin_destroy(&policer->lock);
        free(policer);
    }
}

/* Drops the frames of 'burst' that are above the rate, counting them in
 * 'stats'.  Returns the sum of their lengths. */
uint64_t
vhost_rx_policer_run(struct vhost_rx_policer *policer,
                     struct vhost_burst *burst,
                     struct vhost_queue_stats *stats)
{
    uint64_t now = rte_rdtsc();
    uint64_t n_bytes = 0;
    unsigned int n = 0;

    ovs_spin_lock(&policer->lock);
    for (unsigned int i = 0; i < burst->n; i++) {
        struct vhost_frame *frame = burst->frames[i];
        uint32_t len = vhost_frame_len(frame) - ETH_HEADER_LEN;

        if (rte_meter_srtcm_color_blind_check(&policer->meter,
                                              &policer->profile, now, len)
            == RTE_COLOR_GREEN) {
            burst->frames[n++] = frame;
        } else {
            n_bytes += len + ETH_HEADER_LEN;
        }
    }
    ovs_spin_unlock(&policer->lock);

    vhost_stat_add(&stats->drops[VHOST_RX_POLICED], burst->n - n);
    burst->n = n;
    return n_bytes;
}

void
vhost_port_set_rx_policer(struct vhost_port *port, uint64_t rate,
                          uint64_t burst)
{
    struct vhost_rx_policer *new, *old;

    new = rate ? vhost_rx_policer_create(rate, burst) : NULL;
    atomic_read_relaxed(&port->rx_policer, &old);
    atomic_store_explicit(&port->rx_policer, new, memory_order_release);
    vhost_quiesce();
    vhost_rx_policer_destroy(old);
}

void
vhost_port_set_tx_policer(struct vhost_port *port,
                          struct vhost_policer *policer)
{
    atomic_store_explicit(&port->tx_policer, policer, memory_order_release);
    vhost_quiesce();
}
