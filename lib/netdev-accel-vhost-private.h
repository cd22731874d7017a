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


#ifndef NETDEV_ACCEL_VHOST_PRIVATE_H
#define NETDEV_ACCEL_VHOST_PRIVATE_H 1

/* Shared by the files of netdev-accel-vhost only. */

#include "netdev-provider.h"
#include "openvswitch/list.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "vhost/vhost.h"

struct dp_packet_batch;
struct ds;
struct sset;

/* What the Interface's options say. */
struct accel_vhost_config {
    char *path;                 /* Absolute, as the user wrote it. */
    char *real_path;            /* Without symbolic links, to find twins. */
    bool connect;               /* The front end listens. */
    uint16_t max_qpairs;
    uint32_t tx_retries_max;
};

struct accel_vhost_qos;

struct netdev_accel_vhost {
    struct netdev up;
    struct ovs_list all_node;   /* In 'all_devs', under 'all_mutex'. */

    /* NULL unless open.  Written under 'mutex'; the data plane and
     * librte_vhost's threads read it. */
    OVSRCU_TYPE(struct vhost_port *) port;

    struct ovs_mutex mutex;
    struct accel_vhost_config wanted OVS_GUARDED;   /* As configured. */
    struct accel_vhost_config applied OVS_GUARDED;  /* What 'port' has. */
    enum netdev_flags flags OVS_GUARDED;
    struct eth_addr hwaddr OVS_GUARDED;
    int mtu OVS_GUARDED;
    int refused_mtu OVS_GUARDED;    /* Asked for out of range, or 0. */
    uint32_t policing_kbits OVS_GUARDED;        /* 0: no policing. */
    uint32_t policing_burst_kbits OVS_GUARDED;
    struct accel_vhost_qos *qos OVS_GUARDED;    /* NULL: none. */

    /* What the guest did last, under 'guest_mutex', which is taken inside
     * 'mutex' or alone, and never held while the port is created or destroyed:
     * librte_vhost's threads take it. */
    struct ovs_mutex guest_mutex;
    bool link OVS_GUARDED;
    long long int carrier_resets OVS_GUARDED;
    unsigned int n_qpairs OVS_GUARDED;  /* At least 1. */
    int numa_id OVS_GUARDED;
    bool changed OVS_GUARDED;   /* To be announced again. */
};

bool netdev_accel_vhost_is_ours(const struct netdev *);
struct netdev_accel_vhost *netdev_accel_vhost_cast(const struct netdev *);

/* netdev-accel-vhost-config.c */

/* Parses 'args'.  'old' is the configuration that holds now (its 'path' is
 * NULL at first): a path that did not change is not checked again, because a
 * front end that went away may take its directory along.  'by_name' tells
 * class "accelvhostuser".
 *
 * Returns 0 with '*config' for the caller to destroy, or a positive errno
 * value with '*errp' set to a sentence. */
int accel_vhost_config_parse(const char *name, const struct smap *args,
                             bool by_name,
                             const struct accel_vhost_config *old,
                             struct accel_vhost_config *config, char **errp);
void accel_vhost_config_clone(struct accel_vhost_config *,
                              const struct accel_vhost_config *);
void accel_vhost_config_destroy(struct accel_vhost_config *);

/* Whether going from 'a' to 'b' takes a new vhost_port. */
bool accel_vhost_config_needs_reopen(const struct accel_vhost_config *a,
                                     const struct accel_vhost_config *b);

/* Logs that 'name' was refused because of 'error', once, though bridge.c tries
 * again at each turn. */
void accel_vhost_config_log_error(const char *name,
                                  const struct accel_vhost_config *,
                                  const char *error);
void accel_vhost_config_clear_error(const char *name);

/* Tells OVS to configure again when a directory has appeared whose absence
 * made a port fail. */
void accel_vhost_config_run(void);
void accel_vhost_config_wait(void);

/* netdev-accel-vhost-qos.c: the netdev_class members of these names.
 * accel_vhost_qos_attach() hands policing and QoS to a port just opened. */
void accel_vhost_qos_attach(struct netdev_accel_vhost *dev,
                            struct vhost_port *)
    OVS_REQUIRES(dev->mutex);
void accel_vhost_qos_destroy(struct accel_vhost_qos *);

/* Selects the queue that a QoS type with queues counts the frames to which the
 * calling thread sends from now on: at first, and for frames of the main road,
 * 0. */
void accel_vhost_set_tx_priority(uint32_t skb_priority);

int accel_vhost_set_policing(struct netdev *, unsigned int kbits_rate,
                             unsigned int kbits_burst,
                             unsigned int kpkts_rate,
                             unsigned int kpkts_burst);
int accel_vhost_get_qos_types(const struct netdev *, struct sset *types);
int accel_vhost_get_qos(const struct netdev *, const char **typep,
                        struct smap *details);
int accel_vhost_set_qos(struct netdev *, const char *type,
                        const struct smap *details);
int accel_vhost_get_queue(const struct netdev *, unsigned int queue_id,
                          struct smap *details);
int accel_vhost_set_queue(struct netdev *, unsigned int queue_id,
                          const struct smap *details);
int accel_vhost_delete_queue(struct netdev *, unsigned int queue_id);
int accel_vhost_get_queue_stats(const struct netdev *, unsigned int queue_id,
                                struct netdev_queue_stats *);
int accel_vhost_queue_dump_start(const struct netdev *, void **statep);
int accel_vhost_queue_dump_next(const struct netdev *, void *state,
                                unsigned int *queue_id, struct smap *details);
int accel_vhost_queue_dump_done(const struct netdev *, void *state);
int accel_vhost_dump_queue_stats(const struct netdev *,
                                 void (*cb)(unsigned int queue_id,
                                            struct netdev_queue_stats *,
                                            void *aux),
                                 void *aux);

/* netdev-accel-vhost-rxtx.c: the netdev_class members of these names. */
struct netdev_rxq *accel_vhost_rxq_alloc(void);
int accel_vhost_rxq_construct(struct netdev_rxq *);
void accel_vhost_rxq_destruct(struct netdev_rxq *);
void accel_vhost_rxq_dealloc(struct netdev_rxq *);
bool accel_vhost_rxq_enabled(struct netdev_rxq *);
int accel_vhost_rxq_recv(struct netdev_rxq *, struct dp_packet_batch *,
                         int *qfill);
int accel_vhost_send(struct netdev *, int qid, struct dp_packet_batch *,
                     bool concurrent_txq);

/* netdev-accel-vhost-stats.c: the netdev_class members of these names, and
 * "ovs-appctl accelvhost/show". */
int accel_vhost_get_stats(const struct netdev *, struct netdev_stats *);
int accel_vhost_get_custom_stats(const struct netdev *,
                                 struct netdev_custom_stats *);
int accel_vhost_get_status(const struct netdev *, struct smap *status);
void accel_vhost_format(struct netdev_accel_vhost *, struct ds *);

#endif /* netdev-accel-vhost-private.h */
