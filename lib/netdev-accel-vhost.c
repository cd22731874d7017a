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
#include "netdev-accel-vhost.h"

#include <errno.h>
#include <inttypes.h>

#include <rte_lcore.h>

#include "accel-dpdk.h"
#include "fatal-signal.h"
#include "hash.h"
#include "netdev-accel-vhost-private.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "smap.h"
#include "timeval.h"
#include "unixctl.h"
#include "userspace-tso.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(netdev_accel_vhost);

/* MTUs that OVS's vhost ports take: from RFC 791's least, 68, to a frame of
 * 9,728 bytes with two VLAN tags and FCS.  A frame may exceed the MTU by an
 * Ethernet header and one tag. */
#define MIN_MTU 68
#define MAX_MTU 9702
#define FRAME_OVERHEAD (ETH_HEADER_LEN + VLAN_HEADER_LEN)

/* Taken inside the netdev library's mutex and outside each port's: also makes
 * creation and destruction of ports one at a time. */
static struct ovs_mutex all_mutex = OVS_MUTEX_INITIALIZER;
static struct ovs_list all_devs OVS_GUARDED_BY(all_mutex)
    = OVS_LIST_INITIALIZER(&all_devs);

static const struct netdev_class accel_vhost_class;
static const struct netdev_class accel_vhostuser_class;

bool
netdev_accel_vhost_is_ours(const struct netdev *netdev)
{
    const struct netdev_class *class = netdev_get_class(netdev);

    return class == &accel_vhost_class || class == &accel_vhostuser_class;
}

struct netdev_accel_vhost *
netdev_accel_vhost_cast(const struct netdev *netdev)
{
    ovs_assert(netdev_accel_vhost_is_ours(netdev));
    return CONTAINER_OF(netdev, struct netdev_accel_vhost, up);
}

static struct vhost_port *
accel_vhost_port(const struct netdev_accel_vhost *dev)
{
    return ovsrcu_get(struct vhost_port *, &dev->port);
}

struct vhost_port *
netdev_accel_vhost_get_port(const struct netdev *netdev)
{
    return (netdev_accel_vhost_is_ours(netdev)
            ? accel_vhost_port(netdev_accel_vhost_cast(netdev))
            : NULL);
}

/* Life cycle */

static struct netdev *
accel_vhost_alloc(void)
{
    struct netdev_accel_vhost *dev = xzalloc(sizeof *dev);

    return &dev->up;
}

static int
accel_vhost_construct(struct netdev *netdev)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);

    if (userspace_tso_enabled()) {
        netdev->ol_flags |= (NETDEV_TX_OFFLOAD_TCP_TSO
                             | NETDEV_TX_OFFLOAD_TCP_CKSUM
                             | NETDEV_TX_OFFLOAD_UDP_CKSUM
                             | NETDEV_TX_OFFLOAD_SCTP_CKSUM
                             | NETDEV_TX_OFFLOAD_IPV4_CKSUM);
    }
    ovs_mutex_init(&dev->mutex);
    ovs_mutex_init(&dev->guest_mutex);
    ovsrcu_init(&dev->port, NULL);

    ovs_mutex_lock(&dev->mutex);
    dev->flags = NETDEV_UP | NETDEV_PROMISC;
    eth_addr_random(&dev->hwaddr);
    dev->mtu = ETH_PAYLOAD_MAX;
    ovs_mutex_unlock(&dev->mutex);

    ovs_mutex_lock(&dev->guest_mutex);
    dev->n_qpairs = 1;
    dev->numa_id = NETDEV_NUMA_UNSPEC;
    ovs_mutex_unlock(&dev->guest_mutex);

    ovs_mutex_lock(&all_mutex);
    ovs_list_push_back(&all_devs, &dev->all_node);
    ovs_mutex_unlock(&all_mutex);
    return 0;
}

/* When to announce changes again, in msec; LLONG_MAX for never.
 *
 * bridge.c may miss a change that follows another one closely.  It writes the
 * state of a port just made to the database, and the library below it drops
 * the next write if that equals what the database had before the first one, as
 * it does when a guest reconnects at once.  Also, our callers' threads may be
 * preempted halfway through netdev_change_seq_changed(), with the main thread
 * awake but nothing to find yet. */
#define ANNOUNCE_AGAIN_MS 1000
static atomic_llong announce_time = ATOMIC_VAR_INIT(LLONG_MAX);

static void
accel_vhost_announce_again(void)
{
    struct netdev_accel_vhost *dev;
    long long int when;

    atomic_read_relaxed(&announce_time, &when);
    if (time_msec() < when) {
        return;
    }
    atomic_store_relaxed(&announce_time, LLONG_MAX);

    ovs_mutex_lock(&all_mutex);
    LIST_FOR_EACH (dev, all_node, &all_devs) {
        bool changed;

        ovs_mutex_lock(&dev->guest_mutex);
        changed = dev->changed;
        dev->changed = false;
        ovs_mutex_unlock(&dev->guest_mutex);
        if (changed) {
            netdev_change_seq_changed(&dev->up);
        }
    }
    ovs_mutex_unlock(&all_mutex);
}

/* Looks at what the guest did and passes it on.  Runs on librte_vhost's
 * threads, and once on ours when the port is open. */
static void
accel_vhost_guest_changed(void *dev_)
{
    struct netdev_accel_vhost *dev = dev_;
    struct vhost_port *port = accel_vhost_port(dev);
    bool reconfigure = false;
    unsigned int n_qpairs;
    int numa_id;
    bool link;

    if (!port) {
        /* Just being created: accel_vhost_open() is going to call. */
        return;
    }

    ovs_mutex_lock(&dev->guest_mutex);
    link = vhost_port_get_link(port);
    if (link != dev->link) {
        dev->link = link;
        dev->carrier_resets++;
    }

    /* A guest that reboots comes back with the queues that it had, most
     * likely: keep them, to spare the datapath the change. */
    n_qpairs = vhost_port_get_n_qpairs(port);
    if (link && n_qpairs && n_qpairs != dev->n_qpairs) {
        dev->n_qpairs = n_qpairs;
        reconfigure = true;
    }

    numa_id = vhost_port_get_numa(port);
    if (numa_id >= 0 && numa_id != dev->numa_id) {
        dev->numa_id = numa_id;
        reconfigure = true;
    }
    dev->changed = true;
    atomic_store_relaxed(&announce_time, time_msec() + ANNOUNCE_AGAIN_MS);
    ovs_mutex_unlock(&dev->guest_mutex);

    if (reconfigure) {
        netdev_request_reconfigure(&dev->up);
    }
    netdev_change_seq_changed(&dev->up);
}

static const struct vhost_port_ops accel_vhost_port_ops = {
    .changed = accel_vhost_guest_changed,
};

static void
accel_vhost_close(struct netdev_accel_vhost *dev)
    OVS_REQUIRES(all_mutex, dev->mutex)
{
    struct vhost_port *port = accel_vhost_port(dev);

    if (port) {
        ovsrcu_set(&dev->port, NULL);
        vhost_port_destroy(port);
        if (!dev->applied.connect) {
            fatal_signal_remove_file_to_unlink(dev->applied.path);
        }
        ovs_mutex_lock(&dev->guest_mutex);
        dev->carrier_resets += dev->link;
        dev->link = false;
        ovs_mutex_unlock(&dev->guest_mutex);
        netdev_change_seq_changed(&dev->up);
    }
    accel_vhost_config_destroy(&dev->applied);
}

/* Opens the port that dev->wanted asks for.  EAL must be up. */
static int
accel_vhost_open(struct netdev_accel_vhost *dev, char **errp)
    OVS_REQUIRES(all_mutex, dev->mutex)
{
    const struct vhost_port_params params = {
        .name = netdev_get_name(&dev->up),
        .path = dev->wanted.path,
        .connect = dev->wanted.connect,
        .max_qpairs = dev->wanted.max_qpairs,
        .tx_retries_max = dev->wanted.tx_retries_max,
        .offloads = userspace_tso_enabled(),
        .ops = &accel_vhost_port_ops,
        .aux = dev,
    };
    struct vhost_port *port;
    int error;

    error = vhost_port_create(&params, &port, errp);
    if (error) {
        return error;
    }
    if (!dev->wanted.connect) {
        fatal_signal_add_file_to_unlink(dev->wanted.path);
    }
    accel_vhost_config_clone(&dev->applied, &dev->wanted);
    vhost_port_set_max_frame(port, dev->mtu + FRAME_OVERHEAD);
    vhost_port_set_up(port, (dev->flags & NETDEV_UP) != 0);
    accel_vhost_qos_attach(dev, port);

    ovs_mutex_lock(&dev->guest_mutex);
    if (dev->numa_id == NETDEV_NUMA_UNSPEC) {
        /* Until a guest comes. */
        dev->numa_id = rte_lcore_to_socket_id(rte_get_main_lcore());
    }
    ovs_mutex_unlock(&dev->guest_mutex);
    ovsrcu_set(&dev->port, port);
    accel_vhost_guest_changed(dev);
    VLOG_INFO("%s: %s socket %s", netdev_get_name(&dev->up),
              dev->applied.connect ? "connecting to" : "listening on",
              dev->applied.path);
    return 0;
}

static void
accel_vhost_destruct(struct netdev *netdev)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);

    ovs_mutex_lock(&all_mutex);
    ovs_list_remove(&dev->all_node);
    ovs_mutex_lock(&dev->mutex);
    accel_vhost_close(dev);
    accel_vhost_config_destroy(&dev->wanted);
    accel_vhost_qos_destroy(dev->qos);
    ovs_mutex_unlock(&dev->mutex);
    ovs_mutex_unlock(&all_mutex);

    ovs_mutex_destroy(&dev->guest_mutex);
    ovs_mutex_destroy(&dev->mutex);
}

static void
accel_vhost_dealloc(struct netdev *netdev)
{
    free(CONTAINER_OF(netdev, struct netdev_accel_vhost, up));
}

/* Configuration */

/* Returns the name of another of our ports whose socket is 'config''s, or
 * NULL. */
static const char *
find_path_owner(const struct netdev_accel_vhost *dev,
                const struct accel_vhost_config *config)
    OVS_REQUIRES(all_mutex)
{
    const struct netdev_accel_vhost *other;

    LIST_FOR_EACH (other, all_node, &all_devs) {
        bool same;

        if (other == dev) {
            continue;
        }
        ovs_mutex_lock(&other->mutex);
        same = (nullable_string_is_equal(other->wanted.real_path,
                                         config->real_path)
                || nullable_string_is_equal(other->applied.real_path,
                                            config->real_path));
        ovs_mutex_unlock(&other->mutex);
        if (same) {
            return netdev_get_name(&other->up);
        }
    }
    return NULL;
}

/* Says once for all ports what OVS's vhost ports have and ours have not. */
static void
warn_about_unserved_config(void)
{
    const struct smap *config = accel_dpdk_other_config();

    if (smap_get_bool(config, "vhost-iommu-support", false)) {
        VLOG_WARN_ONCE("other_config:vhost-iommu-support=true is not served "
                       "by accelvhost ports; remove it, and the IOMMU from "
                       "virtual machines that insist on one");
    }
    if (smap_get_bool(config, "vhost-postcopy-support", false)) {
        VLOG_WARN_ONCE("other_config:vhost-postcopy-support=true is not "
                       "served by accelvhost ports; remove it");
    }
}

/* Makes 'config' the wanted configuration.  Opens the port if there is none
 * yet; a port that is in use changes in accel_vhost_reconfigure(), when the
 * datapath has put it down. */
static int
accel_vhost_apply(struct netdev_accel_vhost *dev,
                  const struct accel_vhost_config *config, char **errp)
    OVS_REQUIRES(all_mutex, dev->mutex)
{
    struct vhost_port *port = accel_vhost_port(dev);
    int error = 0;

    accel_vhost_config_destroy(&dev->wanted);
    accel_vhost_config_clone(&dev->wanted, config);
    if (!port) {
        error = accel_vhost_open(dev, errp);
        if (error) {
            accel_vhost_config_destroy(&dev->wanted);
        }
    } else if (accel_vhost_config_needs_reopen(&dev->applied, &dev->wanted)) {
        netdev_request_reconfigure(&dev->up);
    } else {
        dev->applied.tx_retries_max = dev->wanted.tx_retries_max;
        vhost_port_set_tx_retries_max(port, dev->wanted.tx_retries_max);
    }
    return error;
}

static int
accel_vhost_set_config(struct netdev *netdev, const struct smap *args,
                       char **errp)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    const char *name = netdev_get_name(netdev);
    struct accel_vhost_config config;
    const char *owner;
    char *reason = NULL;
    int error;

    ovs_mutex_lock(&all_mutex);
    ovs_mutex_lock(&dev->mutex);
    error = accel_vhost_config_parse(
        name, args, netdev_get_class(netdev) == &accel_vhostuser_class,
        &dev->wanted, &config, errp);
    ovs_mutex_unlock(&dev->mutex);

    if (!error) {
        owner = find_path_owner(dev, &config);
        if (owner) {
            *errp = xasprintf("%s: socket path %s is already used by port %s; "
                              "choose another path", name, config.path, owner);
            error = EADDRINUSE;
        }
    }
    if (!error) {
        warn_about_unserved_config();
        error = accel_dpdk_start(&reason);
        if (error) {
            *errp = xasprintf("%s: %s", name, reason);
            free(reason);
        }
    }
    if (!error) {
        ovs_mutex_lock(&dev->mutex);
        error = accel_vhost_apply(dev, &config, errp);
        ovs_mutex_unlock(&dev->mutex);
    }
    ovs_mutex_unlock(&all_mutex);

    if (error) {
        accel_vhost_config_log_error(name, &config, *errp);
    } else {
        accel_vhost_config_clear_error(name);
    }
    accel_vhost_config_destroy(&config);
    return error;
}

static int
accel_vhost_reconfigure(struct netdev *netdev)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    char *reason = NULL;
    int error = 0;

    ovs_mutex_lock(&all_mutex);
    ovs_mutex_lock(&dev->mutex);
    if (!dev->wanted.path) {
        error = EINVAL;
        reason = xasprintf("%s: no socket path is configured",
                           netdev_get_name(netdev));
    } else if (accel_vhost_config_needs_reopen(&dev->applied, &dev->wanted)) {
        accel_vhost_close(dev);
        error = accel_vhost_open(dev, &reason);
    }

    if (!error) {
        ovs_mutex_lock(&dev->guest_mutex);
        netdev->n_rxq = MIN(dev->n_qpairs, dev->applied.max_qpairs);
        netdev->n_txq = netdev->n_rxq;
        ovs_mutex_unlock(&dev->guest_mutex);
    } else {
        VLOG_ERR("%s", reason);
        free(reason);
    }
    ovs_mutex_unlock(&dev->mutex);
    ovs_mutex_unlock(&all_mutex);
    return error;
}

static int
accel_vhost_get_config(const struct netdev *netdev, struct smap *args)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);

    ovs_mutex_lock(&dev->mutex);
    if (dev->applied.path) {
        smap_add(args, (dev->applied.connect
                        ? "vhost-server-path" : "vhost-listen-path"),
                 dev->applied.path);
        smap_add_format(args, "n_rxq", "%"PRIu16, dev->applied.max_qpairs);
        smap_add_format(args, "tx-retries-max", "%"PRIu32,
                        dev->applied.tx_retries_max);
    }
    smap_add_format(args, "configured_rx_queues", "%d", netdev->n_rxq);
    smap_add_format(args, "configured_tx_queues", "%d", netdev->n_txq);
    smap_add_format(args, "mtu", "%d", dev->mtu);
    ovs_mutex_unlock(&dev->mutex);
    return 0;
}

static int
accel_vhost_get_numa_id(const struct netdev *netdev)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    int numa_id;

    ovs_mutex_lock(&dev->guest_mutex);
    numa_id = dev->numa_id;
    ovs_mutex_unlock(&dev->guest_mutex);
    return numa_id;
}

static int
accel_vhost_set_etheraddr(struct netdev *netdev, const struct eth_addr mac)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    bool changed;

    ovs_mutex_lock(&dev->mutex);
    changed = !eth_addr_equals(dev->hwaddr, mac);
    dev->hwaddr = mac;
    ovs_mutex_unlock(&dev->mutex);

    if (changed) {
        netdev_change_seq_changed(netdev);
    }
    return 0;
}

static int
accel_vhost_get_etheraddr(const struct netdev *netdev, struct eth_addr *mac)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);

    ovs_mutex_lock(&dev->mutex);
    *mac = dev->hwaddr;
    ovs_mutex_unlock(&dev->mutex);
    return 0;
}

/* The kernel does not know the port.  Numbers it as lib/netdev-dpdk.c does, so
 * that a collector knows a port of the same name by the same number whichever
 * class serves it. */
static int
accel_vhost_get_ifindex(const struct netdev *netdev)
{
    return 1 + hash_string(netdev_get_name(netdev), 0) % 0xfffffe;
}

static int
accel_vhost_get_mtu(const struct netdev *netdev, int *mtup)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);

    ovs_mutex_lock(&dev->mutex);
    *mtup = dev->mtu;
    ovs_mutex_unlock(&dev->mutex);
    return 0;
}

/* bridge.c asks again at each turn and has no place for an error of ours: say
 * it once, and keep it for the Interface's status column. */
static int
accel_vhost_set_mtu(struct netdev *netdev, int mtu)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    bool valid = mtu >= MIN_MTU && mtu <= MAX_MTU;
    bool changed = false;

    ovs_mutex_lock(&dev->mutex);
    if (!valid) {
        if (dev->refused_mtu != mtu) {
            VLOG_WARN("%s: MTU %d is not in the range from %d to %d; correct "
                      "mtu_request (the MTU stays at %d)",
                      netdev_get_name(netdev), mtu, MIN_MTU, MAX_MTU,
                      dev->mtu);
            dev->refused_mtu = mtu;
            changed = true;
        }
    } else {
        struct vhost_port *port = accel_vhost_port(dev);

        changed = dev->mtu != mtu || dev->refused_mtu;
        dev->mtu = mtu;
        dev->refused_mtu = 0;
        if (port) {
            vhost_port_set_max_frame(port, mtu + FRAME_OVERHEAD);
        }
    }
    ovs_mutex_unlock(&dev->mutex);

    if (changed) {
        netdev_change_seq_changed(netdev);
    }
    return valid ? 0 : EINVAL;
}

static int
accel_vhost_get_carrier(const struct netdev *netdev, bool *carrier)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);

    ovs_mutex_lock(&dev->guest_mutex);
    *carrier = dev->link;
    ovs_mutex_unlock(&dev->guest_mutex);
    return 0;
}

static long long int
accel_vhost_get_carrier_resets(const struct netdev *netdev)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    long long int resets;

    ovs_mutex_lock(&dev->guest_mutex);
    resets = dev->carrier_resets;
    ovs_mutex_unlock(&dev->guest_mutex);
    return resets;
}

static int
accel_vhost_update_flags(struct netdev *netdev, enum netdev_flags off,
                         enum netdev_flags on, enum netdev_flags *old_flags)
{
    struct netdev_accel_vhost *dev = netdev_accel_vhost_cast(netdev);
    enum netdev_flags flags;

    if ((off | on) & ~(NETDEV_UP | NETDEV_PROMISC)) {
        return EINVAL;
    }

    ovs_mutex_lock(&dev->mutex);
    *old_flags = dev->flags;
    flags = (dev->flags & ~off) | on;
    dev->flags = flags;
    if (accel_vhost_port(dev)) {
        vhost_port_set_up(accel_vhost_port(dev), (flags & NETDEV_UP) != 0);
    }
    ovs_mutex_unlock(&dev->mutex);

    if (flags != *old_flags) {
        netdev_change_seq_changed(netdev);
    }
    return 0;
}

/* Classes */

static void
accel_vhost_run(const struct netdev_class *class)
{
    if (class == &accel_vhost_class) {
        accel_vhost_announce_again();
        accel_vhost_config_run();
    }
}

static void
accel_vhost_wait(const struct netdev_class *class)
{
    if (class == &accel_vhost_class) {
        long long int when;

        atomic_read_relaxed(&announce_time, &when);
        if (when != LLONG_MAX) {
            poll_timer_wait_until(when);
        }
        accel_vhost_config_wait();
    }
}

#define ACCEL_VHOST_CLASS_MEMBERS                               \
    .is_pmd = true,                                             \
    .run = accel_vhost_run,                                     \
    .wait = accel_vhost_wait,                                   \
    .alloc = accel_vhost_alloc,                                 \
    .construct = accel_vhost_construct,                         \
    .destruct = accel_vhost_destruct,                           \
    .dealloc = accel_vhost_dealloc,                             \
    .get_config = accel_vhost_get_config,                       \
    .set_config = accel_vhost_set_config,                       \
    .reconfigure = accel_vhost_reconfigure,                     \
    .get_numa_id = accel_vhost_get_numa_id,                     \
    .set_etheraddr = accel_vhost_set_etheraddr,                 \
    .get_etheraddr = accel_vhost_get_etheraddr,                 \
    .get_ifindex = accel_vhost_get_ifindex,                     \
    .get_mtu = accel_vhost_get_mtu,                             \
    .set_mtu = accel_vhost_set_mtu,                             \
    .get_carrier = accel_vhost_get_carrier,                     \
    .get_carrier_resets = accel_vhost_get_carrier_resets,       \
    .update_flags = accel_vhost_update_flags,                   \
    .get_stats = accel_vhost_get_stats,                         \
    .get_custom_stats = accel_vhost_get_custom_stats,           \
    .get_status = accel_vhost_get_status,                       \
    .set_policing = accel_vhost_set_policing,                   \
    .get_qos_types = accel_vhost_get_qos_types,                 \
    .get_qos = accel_vhost_get_qos,                             \
    .set_qos = accel_vhost_set_qos,                             \
    .get_queue = accel_vhost_get_queue,                         \
    .set_queue = accel_vhost_set_queue,                         \
    .delete_queue = accel_vhost_delete_queue,                   \
    .get_queue_stats = accel_vhost_get_queue_stats,             \
    .dump_queue_stats = accel_vhost_dump_queue_stats,           \
    .queue_dump_start = accel_vhost_queue_dump_start,           \
    .queue_dump_next = accel_vhost_queue_dump_next,             \
    .queue_dump_done = accel_vhost_queue_dump_done,             \
    .rxq_alloc = accel_vhost_rxq_alloc,                         \
    .rxq_construct = accel_vhost_rxq_construct,                 \
    .rxq_destruct = accel_vhost_rxq_destruct,                   \
    .rxq_dealloc = accel_vhost_rxq_dealloc,                     \
    .rxq_enabled = accel_vhost_rxq_enabled,                     \
    .rxq_recv = accel_vhost_rxq_recv,                           \
    .send = accel_vhost_send

static const struct netdev_class accel_vhost_class = {
    .type = "accelvhost",
    ACCEL_VHOST_CLASS_MEMBERS,
};

static const struct netdev_class accel_vhostuser_class = {
    .type = "accelvhostuser",
    ACCEL_VHOST_CLASS_MEMBERS,
};

static void
accel_vhost_unixctl_show(struct unixctl_conn *conn, int argc,
                         const char *argv[], void *aux OVS_UNUSED)
{
    struct ds reply = DS_EMPTY_INITIALIZER;
    struct netdev_accel_vhost *dev;
    bool found = argc < 2;

    ovs_mutex_lock(&all_mutex);
    LIST_FOR_EACH (dev, all_node, &all_devs) {
        if (argc < 2 || !strcmp(argv[1], netdev_get_name(&dev->up))) {
            accel_vhost_format(dev, &reply);
            found = true;
        }
    }
    ovs_mutex_unlock(&all_mutex);

    if (found) {
        unixctl_command_reply(conn, ds_cstr(&reply));
    } else {
        unixctl_command_reply_error(conn, "no accelvhost port of this name");
    }
    ds_destroy(&reply);
}

void
netdev_accel_vhost_register(void)
{
    netdev_register_provider(&accel_vhost_class);
    netdev_register_provider(&accel_vhostuser_class);
    unixctl_command_register("accelvhost/show", "[port]", 0, 1,
                             accel_vhost_unixctl_show, NULL);
}
