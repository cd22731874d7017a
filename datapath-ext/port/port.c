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

#include "port/port.h"

#include <errno.h>

#include "hash.h"
#include "openvswitch/vlog.h"
#include "util.h"
#include "vhost/vhost.h"

VLOG_DEFINE_THIS_MODULE(accel_port);

const char *
port_drop_name(enum port_drop reason)
{
    static const char *const names[] = {
#define PORT_DROP(ENUM, NAME, TEXT) NAME,
        PORT_DROPS
#undef PORT_DROP
    };

    return names[reason];
}

void
port_load_record(struct port_load_history *history, uint64_t cycles,
                 unsigned int n)
{
    uint64_t last;

    atomic_read_relaxed(&history->n, &last);
    for (unsigned int i = 0; i < n; i++) {
        atomic_store_relaxed(
            &history->cycles[(last + i) % PORT_LOAD_INTERVALS], cycles / n);
    }
    atomic_store_relaxed(&history->n, last + n);
}

static uint64_t
read_counter(const atomic_uint64_t *counter)
{
    uint64_t value;

    atomic_read_relaxed(CONST_CAST(atomic_uint64_t *, counter), &value);
    return value;
}

uint64_t
port_load_sum(const struct port_load_history *history, unsigned int n)
{
    uint64_t last = read_counter(&history->n);
    uint64_t sum = 0;

    for (unsigned int i = 1; i <= n && i <= last; i++) {
        sum += read_counter(&history->cycles[(last - i)
                                             % PORT_LOAD_INTERVALS]);
    }
    return sum;
}

/* Replaces what we know of output by what the rings have counted. */
static void
get_vhost_totals(const struct port *port, struct port_totals *t)
{
    t->tx_sent = t->tx_dropped = 0;
    for (unsigned int qid = 0; qid < VHOST_MAX_QUEUE_PAIRS; qid++) {
        struct vhost_queue_stats stats;

        vhost_port_get_queue_stats(port->vhost, false, qid, &stats);
        t->tx_sent += stats.packets;
        for (int i = 0; i < VHOST_N_DROPS; i++) {
            t->tx_dropped += stats.drops[i];
        }
    }
}

void
port_get_totals(const struct port *port, struct port_totals *t)
{
    memset(t, 0, sizeof *t);
    t->in_flight = atomic_count_get(
        CONST_CAST(atomic_count *, &port->n_in_flight));
    for (unsigned int slot = 0; slot < PORT_MAX_SLOTS; slot++) {
        const struct port_books *b = port_books(port, slot);

        t->rx += read_counter(&b->rx);
        t->rx_main_road += read_counter(&b->rx_main_road);
        t->forwarded += read_counter(&b->forwarded);
        t->consumed += read_counter(&b->consumed);
        t->copies += read_counter(&b->copies);
        for (int i = 0; i < PORT_N_DROPS; i++) {
            t->dropped[i] += read_counter(&b->dropped[i]);
        }
        t->tx_tried += read_counter(&b->tx_tried);
        t->tx_main_road += read_counter(&b->tx_main_road);
        t->tx_sent += read_counter(&b->tx_sent);
        t->tx_dropped += read_counter(&b->tx_dropped);
    }
    if (port->vhost) {
        get_vhost_totals(port, t);
    }
}

bool
port_totals_balance(const struct port_totals *t)
{
    uint64_t fates = t->forwarded + t->consumed + t->in_flight;

    for (int i = 0; i < PORT_N_DROPS; i++) {
        fates += t->dropped[i];
    }
    return t->rx == fates && t->tx_tried == t->tx_sent + t->tx_dropped;
}

int
port_open(const char *name, const char *type, odp_port_t port_no,
          struct port **portp)
{
    enum netdev_flags flags;
    struct netdev *netdev;
    struct port *port;
    int error;

    error = netdev_open(name, type, &netdev);
    if (error) {
        return error;
    }
    if (!netdev_get_flags(netdev, &flags) && flags & NETDEV_LOOPBACK) {
        VLOG_ERR("%s: a loopback device cannot be a port, choose another",
                 name);
        netdev_close(netdev);
        return EINVAL;
    }

    port = xzalloc_cacheline(sizeof *port);
    port->port_no = port_no;
    port->netdev = netdev;
    port->type = xstrdup(type);
    atomic_count_init(&port->n_in_flight, 0);
    ovs_refcount_init(&port->ref_cnt);
    port->books = xzalloc_cacheline(PORT_MAX_SLOTS * sizeof *port->books);
    *portp = port;
    return 0;
}

static void
close_rxqs(struct port *port)
{
    for (unsigned int i = 0; i < port->n_rxq; i++) {
        netdev_rxq_close(port->rxqs[i]);
    }
    free(port->rxqs);
    port->rxqs = NULL;
    port->n_rxq = 0;
}

/* Makes room for the loads of 'n' queues, of which the first 'n_old' were
 * there. */
static void
keep_loads(struct port *port, unsigned int n_old, unsigned int n)
{
    struct port_load *loads = xzalloc_cacheline(n * sizeof *loads);

    for (unsigned int i = 0; i < MIN(n_old, n); i++) {
        loads[i] = port->loads[i];
    }
    free_cacheline(port->loads);
    port->loads = loads;
}

static int
open_rxqs(struct port *port)
{
    unsigned int n = netdev_n_rxq(port->netdev);

    port->rxqs = xcalloc(n, sizeof *port->rxqs);
    for (unsigned int i = 0; i < n; i++) {
        int error = netdev_rxq_open(port->netdev, &port->rxqs[i], i);

        if (error) {
            VLOG_ERR("%s: cannot receive packets from queue %u (%s)",
                     netdev_get_name(port->netdev), i, ovs_strerror(error));
            close_rxqs(port);
            return error;
        }
        port->n_rxq++;
    }
    return 0;
}

int
port_configure(struct port *port, unsigned int n_txq,
               struct vhost_port *(*vhost)(const struct netdev *))
{
    unsigned int n_old = port->n_rxq;
    int error;

    close_rxqs(port);
    netdev_set_tx_multiq(port->netdev, n_txq);
    if (netdev_is_reconf_required(port->netdev)) {
        error = netdev_reconfigure(port->netdev);
        if (error && error != EOPNOTSUPP) {
            VLOG_ERR("%s: the device refuses its configuration (%s)",
                     netdev_get_name(port->netdev), ovs_strerror(error));
            return error;
        }
    }
    error = open_rxqs(port);
    if (error) {
        return error;
    }
    keep_loads(port, n_old, port->n_rxq);
    if (port->vhost && port->vhost != vhost(port->netdev)) {
        /* Another socket: its counters, and so our books, start anew. */
        memset(port->books, 0, PORT_MAX_SLOTS * sizeof *port->books);
    }
    port->vhost = vhost(port->netdev);
    port->is_pmd = netdev_is_pmd(port->netdev);
    port->n_txq = MAX(1, netdev_n_txq(port->netdev));
    port->shared_txqs = port->n_txq < n_txq;
    return 0;
}

void
port_close(struct port *port)
{
    close_rxqs(port);
    netdev_restore_flags(port->saved_flags);
    netdev_close(port->netdev);
    port->netdev = NULL;
    port_unref(port);
}

struct port *
port_ref(struct port *port)
{
    ovs_refcount_ref(&port->ref_cnt);
    return port;
}

void
port_unref(struct port *port)
{
    if (ovs_refcount_unref(&port->ref_cnt) == 1) {
        free(port->type);
        free(port->rxq_affinity);
        free_cacheline(port->loads);
        free_cacheline(port->books);
        free_cacheline(port);
    }
}

static uint32_t
hash_port_no(odp_port_t port_no)
{
    return hash_int(odp_to_u32(port_no), 0);
}

void
port_table_init(struct port_table *table)
{
    cmap_init(&table->ports);
    atomic_init(&table->seq, 0);
}

void
port_table_destroy(struct port_table *table)
{
    cmap_destroy(&table->ports);
}

static void
port_table_changed(struct port_table *table)
{
    unsigned int seq;

    atomic_read_relaxed(&table->seq, &seq);
    atomic_store_explicit(&table->seq, seq + 1, memory_order_release);
}

void
port_table_insert(struct port_table *table, struct port *port)
{
    cmap_insert(&table->ports, &port->node, hash_port_no(port->port_no));
    port_table_changed(table);
}

void
port_table_remove(struct port_table *table, struct port *port)
{
    cmap_remove(&table->ports, &port->node, hash_port_no(port->port_no));
    port_table_changed(table);
}

struct port *
port_table_find(const struct port_table *table, odp_port_t port_no)
{
    struct port *port;

    CMAP_FOR_EACH_WITH_HASH (port, node, hash_port_no(port_no),
                             &table->ports) {
        if (port->port_no == port_no) {
            return port;
        }
    }
    return NULL;
}

struct port *
port_table_find_output(const struct port_table *table, odp_port_t port_no)
{
    struct port *port = port_table_find(table, port_no);

    return (port && (port->vhost || !netdev_has_tunnel_push_pop(port->netdev))
            ? port : NULL);
}

struct port *
port_table_find_by_name(const struct port_table *table, const char *name)
{
    struct port *port;

    PORT_TABLE_FOR_EACH (port, table) {
        if (!strcmp(netdev_get_name(port->netdev), name)) {
            return port;
        }
    }
    return NULL;
}
