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

#ifndef ACCEL_PORT_H
#define ACCEL_PORT_H 1

/* port: the ports of a datapath, and their books
 * ==============================================
 *
 * A 'struct port' is a netdev of any class under its datapath port number.
 * Ports with a vhost_port behind them are served by the main road; all others
 * by netdev_rxq_recv() and netdev_send().
 *
 * The books hold law 6 of the design: each packet received has one fate
 * (forwarded, consumed or dropped for a reason), and each output attempt was
 * sent or dropped for a reason.  Each thread writes books of its own.
 *
 * port_table_insert(), _remove(), port_open(), port_configure() and
 * port_close() belong to the control thread (the caller of dp_*() functions).
 * Lookups are lock-free from any OVS thread; a port found lives until the
 * thread next quiesces (ovs-rcu.h), because the control thread waits for a
 * grace period between taking a port out of the table and closing or
 * reconfiguring it. */

#include <stdbool.h>
#include <stdint.h>

#include "cmap.h"
#include "netdev.h"
#include "openvswitch/types.h"
#include "ovs-atomic.h"

struct smap;
struct vhost_port;

/* Threads have slots: 0 is for all that do not poll (the main thread and
 * whoever executes packets beside it, under one lock), 1...PORT_MAX_SLOTS - 1
 * for polling threads. */
#define PORT_MAX_SLOTS 128

/* Why a received packet went nowhere, and what it counts as in OVS's own
 * coverage.  Each text is a whole sentence, for people. */
#define PORT_DROPS                                                           \
    PORT_DROP(ACTION, "drop_action",                                         \
              "the flow's actions output the packet nowhere")                \
    PORT_DROP(UPCALL_QUEUE, "upcall_queue_full",                             \
              "the port has too many flow misses waiting")                   \
    PORT_DROP(UPCALL_OFF, "upcall_disabled",                                 \
              "a flow miss while ofproto takes none")                        \
    PORT_DROP(UPCALL_ERROR, "upcall_error",                                  \
              "ofproto had no actions for a flow miss")                      \
    PORT_DROP(NO_PORT, "no_such_port",                                       \
              "all outputs of the flow are to ports that are gone")          \
    PORT_DROP(RECIRC, "recirc_depth",                                        \
              "the packet recirculated too often")                           \
    PORT_DROP(HW_MISS, "hw_miss_recover",                                    \
              "what the device did to the packet could not be undone")       \
    PORT_DROP(INVALID, "invalid_packet",                                     \
              "the packet is too short to be an Ethernet frame")             \
    PORT_DROP(USERSPACE, "userspace_action_error",                           \
              "ofproto could not carry out a userspace action")              \
    PORT_DROP(METER, "meter", "the rate of a meter was exceeded")            \
    PORT_DROP(NO_BOND, "no_such_bond", "the bond of the flow is gone")       \
    PORT_DROP(NO_TUNNEL, "no_such_tunnel",                                   \
              "the tunnel port of the flow is gone")                         \
    PORT_DROP(TUNNEL_PUSH, "tunnel_push_error",                              \
              "the packet could not be encapsulated")                        \
    PORT_DROP(TUNNEL_POP, "tunnel_pop_error",                                \
              "the packet could not be decapsulated")

enum port_drop {
#define PORT_DROP(ENUM, NAME, TEXT) PORT_DROP_##ENUM,
    PORT_DROPS
#undef PORT_DROP
    PORT_N_DROPS
};

const char *port_drop_name(enum port_drop);

/* Counts 'n' packets in the coverage counter that dpif-netdev has for
 * 'reason' (datapath_drop_*), if it has one.  Any thread may call this. */
void port_drop_count(enum port_drop reason, unsigned int n);

/* Written by one thread at a time with port_count(), read by any. */
struct port_books {
    OVS_ALIGNED_VAR(CACHE_LINE_SIZE) atomic_uint64_t rx;
                                        /* Packets received by the datapath. */
    atomic_uint64_t rx_main_road;       /* Of 'rx', by the main road alone. */
    atomic_uint64_t forwarded;          /* At least one output tried. */
    atomic_uint64_t consumed;           /* Userspace took the packet. */
    atomic_uint64_t dropped[PORT_N_DROPS];
    atomic_uint64_t copies;             /* Frame copies made to serve 'rx'. */

    atomic_uint64_t tx_tried;           /* Output attempts to this port. */
    atomic_uint64_t tx_main_road;       /* Of 'tx_tried', by the main road. */
    atomic_uint64_t tx_sent;            /* Accepted by the device. */
    atomic_uint64_t tx_dropped;         /* Refused: see device's statistics. */
};

/* Adds 'n' to a counter that only the calling thread writes. */
static inline void
port_count(atomic_uint64_t *counter, uint64_t n)
{
    uint64_t old;

    atomic_read_relaxed(counter, &old);
    atomic_store_relaxed(counter, old + n);
}

/* Load */

/* The load of queues and threads is measured in intervals of so many ms of
 * OVS's time, of which the last ones are remembered (a minute). */
#define PORT_LOAD_INTERVAL_MS 5000
#define PORT_LOAD_INTERVALS 12

/* Written by one thread, read by any. */
struct port_load_history {
    atomic_uint64_t n;          /* Intervals recorded, ever. */
    atomic_uint64_t cycles[PORT_LOAD_INTERVALS];
};

/* Records 'cycles' as the load of 'n' equal intervals, 1 or more. */
void port_load_record(struct port_load_history *, uint64_t cycles,
                      unsigned int n);

/* Returns the sum of the newest 'n' intervals, 1...PORT_LOAD_INTERVALS. */
uint64_t port_load_sum(const struct port_load_history *, unsigned int n);

/* What polling one receive queue and forwarding its packets costs. */
struct port_load {
    OVS_ALIGNED_VAR(CACHE_LINE_SIZE) uint64_t cycles;
                                /* In this interval: the polling thread's. */
    struct port_load_history history;
};

struct port {
    odp_port_t port_no;
    struct cmap_node node;      /* In the port table. */
    struct netdev *netdev;
    char *type;                 /* Netdev class under which it was opened. */
    struct netdev_saved_flags *saved_flags;

    /* Fixed from port_configure() to the next one. */
    struct vhost_port *vhost;   /* NULL: an ordinary netdev. */
    bool is_pmd;                /* Polling threads poll it. */
    unsigned int n_rxq;
    struct netdev_rxq **rxqs;
    struct port_load *loads;    /* Of each rxq.  Kept when queues change. */
    unsigned int n_txq;
    bool shared_txqs;           /* Fewer txqs than threads. */

    char *rxq_affinity;         /* "pmd-rxq-affinity", or NULL. */
    bool hashes_txqs;           /* "tx-steering" is hash: packets spread over
                                 * the txqs by their hashes. */

    /* Packets that wait for upcall threads: received, fate open. */
    atomic_count n_in_flight;

    /* One for the port table, and one for each packet from here that waits for
     * upcall threads.  They keep the books (not the netdev) alive. */
    struct ovs_refcount ref_cnt;

    struct port_books *books;   /* PORT_MAX_SLOTS of them. */
};

static inline struct port_books *
port_books(const struct port *port, unsigned int slot)
{
    return &port->books[slot];
}

/* True if packets that were received on 'port' wait for upcall threads. */
static inline bool
port_is_awaited(const struct port *port)
{
    return ovs_refcount_read(&port->ref_cnt) > 1;
}

/* The sum of all threads' books.  What a guest's port has sent and dropped is
 * read from vhost's own counters: a second, independent count. */
struct port_totals {
    uint64_t rx, rx_main_road, forwarded, consumed, copies;
    uint64_t dropped[PORT_N_DROPS];
    uint64_t tx_tried, tx_main_road, tx_sent, tx_dropped;
    uint64_t in_flight;
};
void port_get_totals(const struct port *, struct port_totals *);

/* True if both books of 'totals' balance.  Only meaningful while no packet is
 * being processed. */
bool port_totals_balance(const struct port_totals *totals);

/* Opens netdev 'name' of class 'type' as port 'port_no'.  On failure returns a
 * positive errno value. */
int port_open(const char *name, const char *type, odp_port_t port_no,
              struct port **);

/* Brings the netdev into the state that was asked of it (netdev_reconfigure())
 * with 'n_txq' transmit queues wanted, and opens its receive queues.  'vhost'
 * tells the vhost_port of a netdev, or NULL.  No thread may use 'port'. */
int port_configure(struct port *, unsigned int n_txq,
                   struct vhost_port *(*vhost)(const struct netdev *));

/* Closes the netdev and drops the table's reference.  No thread may use
 * 'port', but for the books of packets in flight. */
void port_close(struct port *);

struct port *port_ref(struct port *);
void port_unref(struct port *);

/* Table */

struct port_table {
    struct cmap ports;          /* Of 'struct port's, by port_no. */
    atomic_uint seq;            /* Changes whenever a port comes or goes. */
};

void port_table_init(struct port_table *);
void port_table_destroy(struct port_table *);
void port_table_insert(struct port_table *, struct port *);
void port_table_remove(struct port_table *, struct port *);
struct port *port_table_find(const struct port_table *, odp_port_t);

/* Changes whenever a port comes or goes: as long as it has not, what was found
 * before is still there. */
static inline unsigned int
port_table_seq(const struct port_table *table)
{
    unsigned int seq;

    atomic_read_explicit(&CONST_CAST(struct port_table *, table)->seq, &seq,
                         memory_order_acquire);
    return seq;
}

/* The port to output to, or NULL.  Native tunnels take packets by tnl_push
 * only: as in dpif-netdev, no such port is there to output to. */
struct port *port_table_find_output(const struct port_table *, odp_port_t);
struct port *port_table_find_by_name(const struct port_table *, const char *);

#define PORT_TABLE_FOR_EACH(P, TABLE) CMAP_FOR_EACH (P, node, &(TABLE)->ports)

#endif /* port.h */
