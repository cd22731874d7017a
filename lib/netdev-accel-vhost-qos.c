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

#include <rte_meter.h>
#include <rte_spinlock.h>

#include "hash.h"
#include "netdev-accel-vhost-private.h"
#include "openvswitch/hmap.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "packets.h"
#include "smap.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(netdev_accel_vhost_qos);

/* Policing and the QoS types of OVS's dpdkvhostuserclient ports, with their
 * keys, units and arithmetic (see vswitch.xml): rates and bursts count bytes
 * of frames without their Ethernet header. */

/* Burst of an ingress policer for which the user gave none. */
#define POLICING_BURST_KBITS 8000

/* Rates as RFC 4115 names them.  "egress-policer" has the first two only. */
struct qos_rates {
    uint64_t cir;               /* Committed rate, bytes/s. */
    uint64_t cbs;               /* Committed burst, bytes. */
    uint64_t eir;               /* Excess rate, bytes/s. */
    uint64_t ebs;               /* Excess burst, bytes. */
};

struct trtcm_meter {
    struct qos_rates rates;
    struct rte_meter_trtcm_rfc4115_profile profile;
    struct rte_meter_trtcm_rfc4115 state;
};

/* One Queue of a "trtcm-policer". */
struct qos_queue {
    struct hmap_node node;      /* In struct accel_vhost_qos's 'queues'. */
    uint32_t queue_id;
    struct trtcm_meter meter;
    struct netdev_queue_stats stats;
};

struct accel_vhost_qos {
    struct vhost_policer policer;
    const struct qos_type *type;
    struct qos_rates rates;

    /* Meters change with each frame, on any thread; queues when the user
     * changes them. */
    rte_spinlock_t lock;
    union {
        struct {
            struct rte_meter_srtcm_profile profile;
            struct rte_meter_srtcm state;
        } srtcm;
        struct trtcm_meter trtcm;
    };
    struct hmap queues;         /* Of "struct qos_queue"s. */
};

struct qos_type {
    const char *name;
    bool has_queues;
    int (*init)(struct accel_vhost_qos *);
    bool (*run)(struct accel_vhost_qos *, uint32_t len, uint64_t tsc);
};

DEFINE_STATIC_PER_THREAD_DATA(uint32_t, tx_priority, 0);

void
accel_vhost_set_tx_priority(uint32_t skb_priority)
{
    *tx_priority_get() = skb_priority;
}

/* Meters */

static int
srtcm_init(struct accel_vhost_qos *qos)
{
    struct rte_meter_srtcm_params params = {
        .cir = qos->rates.cir, .cbs = qos->rates.cbs,
    };
    int error = rte_meter_srtcm_profile_config(&qos->srtcm.profile, &params);

    return -(error ? error : rte_meter_srtcm_config(&qos->srtcm.state,
                                                    &qos->srtcm.profile));
}

static bool
srtcm_run(struct accel_vhost_qos *qos, uint32_t len, uint64_t tsc)
{
    enum rte_color color;

    color = rte_meter_srtcm_color_blind_check(&qos->srtcm.state,
                                              &qos->srtcm.profile, tsc, len);
    return color == RTE_COLOR_GREEN;
}

static int
trtcm_meter_init(struct trtcm_meter *meter, const struct qos_rates *rates)
{
    struct rte_meter_trtcm_rfc4115_params params = {
        .cir = rates->cir, .eir = rates->eir,
        .cbs = rates->cbs, .ebs = rates->ebs,
    };
    int error = rte_meter_trtcm_rfc4115_profile_config(&meter->profile,
                                                       &params);

    meter->rates = *rates;
    return -(error ? error : rte_meter_trtcm_rfc4115_config(&meter->state,
                                                            &meter->profile));
}

static int
trtcm_init(struct accel_vhost_qos *qos)
{
    return trtcm_meter_init(&qos->trtcm, &qos->rates);
}

static struct qos_queue *
qos_find_queue(const struct accel_vhost_qos *qos, uint32_t queue_id)
{
    struct qos_queue *queue;

    HMAP_FOR_EACH_WITH_HASH (queue, node, hash_int(queue_id, 0),
                             &qos->queues) {
        if (queue->queue_id == queue_id) {
            return queue;
        }
    }
    return NULL;
}

/* A frame must pass the meter of its queue, which colours it, and then that of
 * the port.  Frames of unknown queues use queue 0, which bridge.c always
 * makes. */
static bool
trtcm_run(struct accel_vhost_qos *qos, uint32_t len, uint64_t tsc)
{
    struct qos_queue *queue = qos_find_queue(qos, *tx_priority_get());
    enum rte_color color;

    if (!queue) {
        queue = qos_find_queue(qos, 0);
    }
    if (!queue) {
        return false;
    }

    color = rte_meter_trtcm_rfc4115_color_blind_check(
        &queue->meter.state, &queue->meter.profile, tsc, len);
    if (color == RTE_COLOR_RED) {
        queue->stats.tx_errors++;
    } else {
        queue->stats.tx_packets++;
        queue->stats.tx_bytes += len;
    }
    color = rte_meter_trtcm_rfc4115_color_aware_check(
        &qos->trtcm.state, &qos->trtcm.profile, tsc, len, color);
    return color != RTE_COLOR_RED;
}

static const struct qos_type qos_types[] = {
    { "egress-policer", false, srtcm_init, srtcm_run },
    { "trtcm-policer", true, trtcm_init, trtcm_run },
};

static bool
qos_policer_run(struct vhost_policer *policer, uint32_t len, uint64_t tsc)
{
    struct accel_vhost_qos *qos = CONTAINER_OF(policer, struct accel_vhost_qos,
                                               policer);
    bool pass;

    rte_spinlock_lock(&qos->lock);
    pass = qos->type->run(qos, len - MIN(len, ETH_HEADER_LEN), tsc);
    rte_spinlock_unlock(&qos->lock);
    return pass;
}

/* QoS */

static const struct qos_type *
qos_type_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(qos_types); i++) {
        if (!strcmp(qos_types[i].name, name)) {
            return &qos_types[i];
        }
    }
    return NULL;
}

static void
qos_rates_from_details(struct qos_rates *rates, const struct qos_type *type,
                       const struct smap *details)
{
    rates->cir = smap_get_ullong(details, "cir", 0);
    rates->cbs = smap_get_ullong(details, "cbs", 0);
    rates->eir = type->has_queues ? smap_get_ullong(details, "eir", 0) : 0;
    rates->ebs = type->has_queues ? smap_get_ullong(details, "ebs", 0) : 0;
}

static void
qos_rates_to_details(const struct qos_rates *rates,
                     const struct qos_type *type, struct smap *details)
{
    smap_add_format(details, "cir", "%"PRIu64, rates->cir);
    smap_add_format(details, "cbs", "%"PRIu64, rates->cbs);
    if (type->has_queues) {
        smap_add_format(details, "eir", "%"PRIu64, rates->eir);
        smap_add_format(details, "ebs", "%"PRIu64, rates->ebs);
    }
}

static int
qos_create(const struct qos_type *type, const struct qos_rates *rates,
           struct accel_vhost_qos **qosp)
{
    struct accel_vhost_qos *qos = xzalloc(sizeof *qos);
    int error;

    qos->policer.run = qos_policer_run;
    qos->type = type;
    qos->rates = *rates;
    rte_spinlock_init(&qos->lock);
    hmap_init(&qos->queues);

    error = type->init(qos);
    if (error) {
        accel_vhost_qos_destroy(qos);
        qos = NULL;
    }
    *qosp = qos;
    return error;
}

void
accel_vhost_qos_destroy(struct accel_vhost_qos *qos)
{
    if (qos) {
        struct qos_queue *queue;

        HMAP_FOR_EACH_POP (queue, node, &qos->queues) {
            free(queue);
        }
        hmap_destroy(&qos->queues);
        free(qos);
    }
}

int
accel_vhost_get_qos_types(const struct netdev *netdev OVS_UNUSED,
                          struct sset *types)
{
    for (size_t i = 0; i < ARRAY_SIZE(qos_types); i++) {
        sset_add(types, qos_types[i].name);
    }
    return 0;
}

int
accel_vhost_get_qos(const struct netdev *netdev, const char **typep,
                    struct smap *details)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);

    ovs_mutex_lock(&dev->mutex);
    if (dev->qos) {
        *typep = dev->qos->type->name;
        qos_rates_to_details(&dev->qos->rates, dev->qos->type, details);
    } else {
        *typep = "";
    }
    ovs_mutex_unlock(&dev->mutex);
    return 0;
}

static void
qos_replace(struct netdev_accel_vhost *dev, struct accel_vhost_qos *qos)
    OVS_REQUIRES(dev->mutex)
{
    struct vhost_port *port = ovsrcu_get(struct vhost_port *, &dev->port);

    if (port) {
        /* Does not return while a thread still runs the old one. */
        vhost_port_set_tx_policer(port, qos ? &qos->policer : NULL);
    }
    accel_vhost_qos_destroy(dev->qos);
    dev->qos = qos;
}

int
accel_vhost_set_qos(struct netdev *netdev, const char *type_name,
                    const struct smap *details)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    const struct qos_type *type = qos_type_from_name(type_name);
    int error = 0;

    ovs_mutex_lock(&dev->mutex);
    if (type) {
        struct accel_vhost_qos *qos;
        struct qos_rates rates;

        qos_rates_from_details(&rates, type, details);
        if (!dev->qos || dev->qos->type != type
            || memcmp(&dev->qos->rates, &rates, sizeof rates)) {
            error = qos_create(type, &rates, &qos);
            if (!error) {
                qos_replace(dev, qos);
            }
        }
    } else if (!type_name[0]) {
        if (dev->qos) {
            qos_replace(dev, NULL);
        }
    } else {
        error = EOPNOTSUPP;
    }
    ovs_mutex_unlock(&dev->mutex);

    if (error) {
        VLOG_ERR("%s: cannot set QoS of type '%s' (%s); correct the type (one "
                 "of egress-policer, trtcm-policer) or its rates",
                 netdev_get_name(netdev), type_name, ovs_strerror(error));
    }
    return error;
}

/* Queues */

int
accel_vhost_get_queue(const struct netdev *netdev, unsigned int queue_id,
                      struct smap *details)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    int error = EOPNOTSUPP;

    ovs_mutex_lock(&dev->mutex);
    if (dev->qos && dev->qos->type->has_queues) {
        struct qos_queue *queue = qos_find_queue(dev->qos, queue_id);

        if (queue) {
            qos_rates_to_details(&queue->meter.rates, dev->qos->type, details);
        }
        error = queue ? 0 : EINVAL;
    }
    ovs_mutex_unlock(&dev->mutex);
    return error;
}

/* Sets queue 'queue_id' of 'qos'.  Queue 0 without 'details' has the rates of
 * the port. */
static int
qos_set_queue(struct accel_vhost_qos *qos, unsigned int queue_id,
              const struct smap *details)
{
    struct qos_queue *queue;
    struct trtcm_meter meter;
    struct qos_rates rates;
    int error;

    if (!queue_id && smap_is_empty(details)) {
        rates = qos->rates;
    } else {
        qos_rates_from_details(&rates, qos->type, details);
    }
    queue = qos_find_queue(qos, queue_id);
    if (queue && !memcmp(&queue->meter.rates, &rates, sizeof rates)) {
        return 0;
    }
    error = trtcm_meter_init(&meter, &rates);
    if (error) {
        return error;
    }

    rte_spinlock_lock(&qos->lock);
    if (!queue) {
        queue = xzalloc(sizeof *queue);
        queue->queue_id = queue_id;
        queue->stats.created = time_msec();
        hmap_insert(&qos->queues, &queue->node, hash_int(queue_id, 0));
    }
    queue->meter = meter;
    rte_spinlock_unlock(&qos->lock);
    return 0;
}

int
accel_vhost_set_queue(struct netdev *netdev, unsigned int queue_id,
                      const struct smap *details)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    int error = EOPNOTSUPP;

    ovs_mutex_lock(&dev->mutex);
    if (dev->qos && dev->qos->type->has_queues) {
        error = qos_set_queue(dev->qos, queue_id, details);
        if (error) {
            VLOG_ERR("%s: cannot set QoS queue %u (%s); correct its rates",
                     netdev_get_name(netdev), queue_id, ovs_strerror(error));
        }
    }
    ovs_mutex_unlock(&dev->mutex);
    return error;
}

int
accel_vhost_delete_queue(struct netdev *netdev, unsigned int queue_id)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    int error = EOPNOTSUPP;

    ovs_mutex_lock(&dev->mutex);
    if (dev->qos && dev->qos->type->has_queues) {
        struct qos_queue *queue;

        rte_spinlock_lock(&dev->qos->lock);
        queue = qos_find_queue(dev->qos, queue_id);
        if (queue) {
            hmap_remove(&dev->qos->queues, &queue->node);
        }
        rte_spinlock_unlock(&dev->qos->lock);
        error = queue ? 0 : EINVAL;
        free(queue);
    }
    ovs_mutex_unlock(&dev->mutex);
    return error;
}

int
accel_vhost_get_queue_stats(const struct netdev *netdev, unsigned int queue_id,
                            struct netdev_queue_stats *stats)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    int error = EOPNOTSUPP;

    ovs_mutex_lock(&dev->mutex);
    if (dev->qos && dev->qos->type->has_queues) {
        const struct qos_queue *queue;

        rte_spinlock_lock(&dev->qos->lock);
        queue = qos_find_queue(dev->qos, queue_id);
        if (queue) {
            *stats = queue->stats;
        }
        rte_spinlock_unlock(&dev->qos->lock);
        error = queue ? 0 : EINVAL;
    }
    ovs_mutex_unlock(&dev->mutex);
    return error;
}

/* Queue ids at the start of a dump: the caller deletes queues as it goes. */
struct qos_queue_dump {
    size_t n, next;
    uint32_t ids[];
};

int
accel_vhost_queue_dump_start(const struct netdev *netdev, void **statep)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    struct qos_queue_dump *dump = NULL;

    ovs_mutex_lock(&dev->mutex);
    if (dev->qos && dev->qos->type->has_queues) {
        size_t n = hmap_count(&dev->qos->queues);
        const struct qos_queue *queue;

        dump = xzalloc(sizeof *dump + n * sizeof dump->ids[0]);
        HMAP_FOR_EACH (queue, node, &dev->qos->queues) {
            dump->ids[dump->n++] = queue->queue_id;
        }
    }
    ovs_mutex_unlock(&dev->mutex);

    *statep = dump;
    return dump ? 0 : EOPNOTSUPP;
}

int
accel_vhost_queue_dump_next(const struct netdev *netdev, void *state,
                            unsigned int *queue_id, struct smap *details)
{
    struct qos_queue_dump *dump = state;

    while (dump->next < dump->n) {
        *queue_id = dump->ids[dump->next++];
        if (!accel_vhost_get_queue(netdev, *queue_id, details)) {
            return 0;
        }
    }
    return EOF;
}

int
accel_vhost_queue_dump_done(const struct netdev *netdev OVS_UNUSED,
                            void *state)
{
    free(state);
    return 0;
}

int
accel_vhost_dump_queue_stats(const struct netdev *netdev,
                             void (*cb)(unsigned int queue_id,
                                        struct netdev_queue_stats *,
                                        void *aux),
                             void *aux)
{
    struct qos_queue_dump *dump;
    void *state;
    int error;

    error = accel_vhost_queue_dump_start(netdev, &state);
    if (error) {
        return error;
    }
    dump = state;
    for (size_t i = 0; i < dump->n; i++) {
        struct netdev_queue_stats stats;

        if (!accel_vhost_get_queue_stats(netdev, dump->ids[i], &stats)) {
            cb(dump->ids[i], &stats, aux);
        }
    }
    return accel_vhost_queue_dump_done(netdev, dump);
}

/* Ingress policing */

static void
policing_attach(struct netdev_accel_vhost *dev, struct vhost_port *port)
    OVS_REQUIRES(dev->mutex)
{
    vhost_port_set_rx_policer(port, dev->policing_kbits * UINT64_C(1000) / 8,
                              (dev->policing_burst_kbits * UINT64_C(1000)
                               / 8));
}

int
accel_vhost_set_policing(struct netdev *netdev, unsigned int kbits_rate,
                         unsigned int kbits_burst, unsigned int kpkts_rate,
                         unsigned int kpkts_burst OVS_UNUSED)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);

    if (!kbits_rate) {
        kbits_burst = 0;
    } else if (!kbits_burst) {
        kbits_burst = POLICING_BURST_KBITS;
    }

    ovs_mutex_lock(&dev->mutex);
    if (dev->policing_kbits != kbits_rate
        || dev->policing_burst_kbits != kbits_burst) {
        struct vhost_port *port = ovsrcu_get(struct vhost_port *, &dev->port);

        dev->policing_kbits = kbits_rate;
        dev->policing_burst_kbits = kbits_burst;
        if (port) {
            policing_attach(dev, port);
        }
    }
    ovs_mutex_unlock(&dev->mutex);

    if (kpkts_rate) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);

        VLOG_WARN_RL(&rl, "%s: ingress_policing_kpkts_rate=%u is not served; "
                     "use ingress_policing_rate",
                     netdev_get_name(netdev), kpkts_rate);
        return EOPNOTSUPP;
    }
    return 0;
}

void
accel_vhost_qos_attach(struct netdev_accel_vhost *dev, struct vhost_port *port)
{
    if (dev->policing_kbits) {
        policing_attach(dev, port);
    }
    if (dev->qos) {
        vhost_port_set_tx_policer(port, &dev->qos->policer);
    }
}
