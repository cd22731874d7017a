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

#include "offload/offload-private.h"

#include <errno.h>

#include "action/action.h"
#include "cmap.h"
#include "dpif.h"
#include "flow/megaflow.h"
#include "hash.h"
#include "id-pool.h"
#include "netdev-offload.h"
#include "netdev-offload-provider.h"
#include "netdev-provider.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "port/port.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(accel_offload);

/* Marks are never 0 and never UINT32_MAX, as in dpif-netdev. */
#define MIN_MARK 1
#define MAX_MARK (UINT32_MAX - 1)

struct counters {
    atomic_uint64_t queued;
    atomic_uint64_t added;
    atomic_uint64_t modified;
    atomic_uint64_t refused;
    atomic_uint64_t deleted;
};

struct offload {
    const char *dpif_type;
    struct megaflow_table *table;
    struct port_table *ports;
    struct counters counters;

    struct ovs_mutex mutex;     /* Held to change the following. */
    struct cmap flows;          /* Of struct offload_flow, by ufid. */
    struct cmap marks;          /* The same ones, by mark. */
    struct id_pool *free_marks OVS_GUARDED;
};

/* What there is beside a megaflow that is offered.  It outlives the megaflow,
 * until the device and its thread have done with it. */
struct offload_flow {
    struct offload *offload;
    struct offload_op put_op;   /* Offers the megaflow as it is then. */
    struct offload_op del_op;   /* The last one: nothing follows it. */
    struct cmap_node ufid_node;
    struct cmap_node mark_node;
    ovs_u128 ufid;
    odp_port_t in_port;
    uint32_t mark;

    OVSRCU_TYPE(struct megaflow *) megaflow;    /* NULL: deleted. */
    atomic_bool in_device;      /* Whether 'netdev' is nonnull, for others. */

    /* What the device told last. */
    struct ovs_mutex status_mutex;
    bool status_known OVS_GUARDED;
    struct dpif_flow_stats stats OVS_GUARDED;
    struct dpif_flow_attrs attrs OVS_GUARDED;

    /* For the offload thread alone. */
    struct netdev *netdev;      /* A reference, if a device has it: whose. */
    struct ovs_list flows_node; /* In struct offload_thread's 'flows'. */
};

static struct offload_flow *
find_flow(const struct offload *o, const ovs_u128 *ufid)
{
    struct offload_flow *of;

    CMAP_FOR_EACH_WITH_HASH (of, ufid_node, ufid->u32[0], &o->flows) {
        if (ovs_u128_equals(of->ufid, *ufid)) {
            return of;
        }
    }
    return NULL;
}

struct megaflow *
offload_find(const struct offload *o, uint32_t mark)
{
    struct offload_flow *of;

    CMAP_FOR_EACH_WITH_HASH (of, mark_node, hash_int(mark, 0), &o->marks) {
        if (of->mark == mark) {
            return ovsrcu_get(struct megaflow *, &of->megaflow);
        }
    }
    return NULL;
}

/* Returns the netdev to which flows of port 'port_no' are offered, a reference
 * that the caller has to close, or NULL if there is no such port.  A tunnel
 * port's is not that of the port table, under which many tunnels can be. */
static struct netdev *
get_netdev(const struct offload *o, odp_port_t port_no)
{
    return (port_table_find(o->ports, port_no)
            ? netdev_ports_get(port_no, o->dpif_type)
            : NULL);
}

/* On offload threads */

/* Takes a flow out of its device, if it is in one. */
static int
take_out(struct offload_flow *of)
{
    int error = 0;

    if (of->netdev) {
        error = netdev_flow_del(of->netdev, &of->ufid, NULL);
        netdev_close(of->netdev);
        of->netdev = NULL;
        atomic_store_relaxed(&of->in_device, false);
        ovs_mutex_lock(&of->status_mutex);
        of->status_known = false;
        ovs_mutex_unlock(&of->status_mutex);
        ovs_list_remove(&of->flows_node);
        atomic_count_inc64(&of->offload->counters.deleted);
    }
    return error;
}

static int
offer(struct offload_flow *of, const struct megaflow *mf,
      struct netdev *netdev)
{
    const struct action_program *program = megaflow_program(mf);
    struct offload_info info = {
        .flow_mark = of->mark,
        .orig_in_port = mf->orig_in_port,
    };
    struct match match;

    memset(&match, 0, sizeof match);
    match.flow = mf->flow;
    match.wc = mf->mask;
    return netdev_flow_put(netdev, &match,
                           CONST_CAST(struct nlattr *, program->actions),
                           program->actions_len, &of->ufid, &info, NULL);
}

/* Offers 'mf' to the device of its in_port.  A port in the table does not go
 * away before this thread next quiesces. */
static int
put_in(struct offload_flow *of, const struct megaflow *mf,
       struct offload_thread *thread)
{
    struct netdev *netdev = get_netdev(of->offload, of->in_port);
    struct counters *counters = &of->offload->counters;
    int error = netdev ? offer(of, mf, netdev) : ENODEV;

    if (error) {
        if (netdev) {
            atomic_count_inc64(&counters->refused);
        }
        /* The device may have kept what it was told before. */
        take_out(of);
    } else if (of->netdev) {
        atomic_count_inc64(&counters->modified);
    } else {
        of->netdev = netdev_ref(netdev);
        ovs_list_push_back(&thread->flows, &of->flows_node);
        atomic_store_relaxed(&of->in_device, true);
        atomic_count_inc64(&counters->added);
    }
    netdev_close(netdev);
    return error;
}

/* After a grace period, in which packets that carry the mark are done with. */
static void
free_flow(struct offload_flow *of)
{
    struct offload *o = of->offload;

    ovs_mutex_lock(&o->mutex);
    id_pool_free_id(o->free_marks, of->mark);
    ovs_mutex_unlock(&o->mutex);
    ovs_mutex_destroy(&of->status_mutex);
    free(of);
}

static void
log_result(const struct offload_flow *of, const char *what, int error)
{
    VLOG_DBG("%s to %s netdev flow "UUID_FMT, error ? "failed" : "succeed",
             what, UUID_ARGS((struct uuid *) &of->ufid));
}

static void
run_put(struct offload_op *op, struct offload_thread *thread)
{
    struct offload_flow *of = CONTAINER_OF(op, struct offload_flow, put_op);
    struct megaflow *mf = ovsrcu_get(struct megaflow *, &of->megaflow);

    if (mf) {
        const char *what = of->netdev ? "modify" : "add";

        log_result(of, what, put_in(of, mf, thread));
    }
}

static void
run_del(struct offload_op *op, struct offload_thread *thread OVS_UNUSED)
{
    struct offload_flow *of = CONTAINER_OF(op, struct offload_flow, del_op);

    if (of->netdev) {
        log_result(of, "delete", take_out(of));
    }
    ovsrcu_postpone(free_flow, of);
}

/* What offload_port_withdraw() is about. */
struct withdrawal {
    const struct offload *offload;
    const struct port *port;
};

static void
run_withdrawal(void *w_, struct offload_thread *thread)
{
    const struct withdrawal *w = w_;
    struct offload_flow *of;

    LIST_FOR_EACH_SAFE (of, flows_node, &thread->flows) {
        if (of->offload == w->offload && of->in_port == w->port->port_no) {
            take_out(of);
        }
    }
    /* Flows of tunnel ports that came in through this one, too. */
    netdev_flow_flush(w->port->netdev);
}

static void
do_nothing(void *aux OVS_UNUSED, struct offload_thread *thread OVS_UNUSED)
{
}

/* On other threads */

static void
queue_op(struct offload_flow *of, struct offload_op *op)
{
    if (offload_op_queue(op, netdev_offload_ufid_to_thread_id(of->ufid))) {
        atomic_count_inc64(&of->offload->counters.queued);
    }
}

static bool
has_flow_api(const struct offload *o, odp_port_t port_no)
{
    struct netdev *netdev = get_netdev(o, port_no);
    bool has = netdev && ovsrcu_get(const struct netdev_flow_api *,
                                    &netdev->flow_api);

    netdev_close(netdev);
    return has;
}

static struct offload_flow *
add_flow(struct offload *o, struct megaflow *mf)
    OVS_REQUIRES(o->mutex)
{
    struct offload_flow *of;
    uint32_t mark;

    if (!id_pool_alloc_id(o->free_marks, &mark)) {
        return NULL;
    }
    of = xzalloc(sizeof *of);
    of->offload = o;
    offload_op_init(&of->put_op, run_put);
    offload_op_init(&of->del_op, run_del);
    of->ufid = mf->ufid;
    of->in_port = mf->in_port;
    of->mark = mark;
    ovsrcu_init(&of->megaflow, mf);
    atomic_init(&of->in_device, false);
    ovs_mutex_init(&of->status_mutex);
    cmap_insert(&o->flows, &of->ufid_node, of->ufid.u32[0]);
    cmap_insert(&o->marks, &of->mark_node, hash_int(mark, 0));
    return of;
}

static void
flow_was_put(void *o_, struct megaflow *mf)
{
    struct offload *o = o_;
    struct offload_flow *of;

    if (!netdev_is_flow_api_enabled()) {
        return;
    }
    ovs_mutex_lock(&o->mutex);
    of = find_flow(o, &mf->ufid);
    if (!of && has_flow_api(o, mf->in_port)) {
        of = add_flow(o, mf);
    }
    if (of) {
        queue_op(of, &of->put_op);
    }
    ovs_mutex_unlock(&o->mutex);
}

static void
flow_was_removed(void *o_, struct megaflow *mf)
{
    struct offload *o = o_;
    struct offload_flow *of;

    if (!netdev_is_flow_api_enabled()) {
        return;
    }
    ovs_mutex_lock(&o->mutex);
    of = find_flow(o, &mf->ufid);
    if (of) {
        cmap_remove(&o->flows, &of->ufid_node, of->ufid.u32[0]);
        cmap_remove(&o->marks, &of->mark_node, hash_int(of->mark, 0));
        ovsrcu_set(&of->megaflow, NULL);
        queue_op(of, &of->del_op);
    }
    ovs_mutex_unlock(&o->mutex);
}

static const struct megaflow_observer observer = {
    .put = flow_was_put,
    .removed = flow_was_removed,
};

struct offload *
offload_create(const char *dpif_type, struct megaflow_table *table,
               struct port_table *ports)
{
    struct offload *o = xzalloc(sizeof *o);

    o->dpif_type = dpif_type;
    o->table = table;
    o->ports = ports;
    ovs_mutex_init(&o->mutex);
    cmap_init(&o->flows);
    cmap_init(&o->marks);
    ovs_mutex_lock(&o->mutex);
    o->free_marks = id_pool_create(MIN_MARK, MAX_MARK - MIN_MARK + 1);
    ovs_mutex_unlock(&o->mutex);
    megaflow_table_observe(table, &observer, o);
    return o;
}

static void
offload_free(struct offload *o)
{
    ovs_assert(!cmap_count(&o->flows));
    ovs_mutex_lock(&o->mutex);
    id_pool_destroy(o->free_marks);
    ovs_mutex_unlock(&o->mutex);
    cmap_destroy(&o->flows);
    cmap_destroy(&o->marks);
    ovs_mutex_destroy(&o->mutex);
    free(o);
}

void
offload_destroy(struct offload *o)
{
    if (netdev_is_flow_api_enabled()) {
        offload_call_all(do_nothing, NULL);
    }
    /* After free_flow() of all flows, which was postponed before. */
    ovsrcu_postpone(offload_free, o);
}

void
offload_port_withdraw(struct offload *o, const struct port *port)
{
    if (netdev_is_flow_api_enabled()) {
        struct withdrawal w = { .offload = o, .port = port };

        offload_call_all(run_withdrawal, &w);
    }
}

void
offload_port_return(struct offload *o, const struct port *port)
{
    if (netdev_is_flow_api_enabled()) {
        megaflow_table_tell_again(o->table, port->port_no);
    }
}

/* Statistics */

/* Asks 'netdev' for the state of its flow.  A device that is busy with the
 * flow does not answer; then it is as it was last: counters must not go back.
 * Returns false if it never answered. */
static bool
update_status(struct offload_flow *of, struct netdev *netdev)
    OVS_REQUIRES(of->status_mutex)
{
    struct dpif_flow_stats stats = { .n_packets = 0 };
    struct dpif_flow_attrs attrs = { .offloaded = false };
    uint64_t buffer[1024 / 8];
    struct nlattr *actions;
    struct match match;
    struct ofpbuf buf;

    ofpbuf_use_stack(&buf, buffer, sizeof buffer);
    if (!netdev_flow_get(netdev, &match, &actions, &of->ufid, &stats, &attrs,
                         &buf)) {
        of->status_known = true;
        of->stats = stats;
        of->attrs = attrs;
    }
    return of->status_known;
}

bool
offload_get_status(const struct offload *o, const struct megaflow *mf,
                   struct dpif_flow_stats *stats,
                   struct dpif_flow_attrs *attrs)
{
    struct offload_flow *of;
    struct netdev *netdev;
    bool in_device, known;

    if (!netdev_is_flow_api_enabled()) {
        return false;
    }
    of = find_flow(o, &mf->ufid);
    if (!of) {
        return false;
    }
    atomic_read_relaxed(&of->in_device, &in_device);
    netdev = in_device ? get_netdev(o, mf->in_port) : NULL;
    if (!netdev) {
        return false;
    }
    ovs_mutex_lock(&of->status_mutex);
    known = update_status(of, netdev);
    *stats = of->stats;
    *attrs = of->attrs;
    ovs_mutex_unlock(&of->status_mutex);
    netdev_close(netdev);
    return known;
}

static uint64_t
read_counter(const atomic_uint64_t *counter)
{
    uint64_t value;

    atomic_read_relaxed(CONST_CAST(atomic_uint64_t *, counter), &value);
    return value;
}

void
offload_get_counters(const struct offload *o, struct offload_counters *c)
{
    /* What went out went in before. */
    c->deleted = read_counter(&o->counters.deleted);
    c->added = read_counter(&o->counters.added);
    c->modified = read_counter(&o->counters.modified);
    c->refused = read_counter(&o->counters.refused);
    c->queued = read_counter(&o->counters.queued);
    c->marks = cmap_count(&o->marks);
    c->in_device = c->added - c->deleted;
}

/* Adds to 'n_flows', one for each offload thread, those that are in the
 * devices of our ports. */
static void
count_flows(const struct offload *o, uint64_t *n_flows, unsigned int n)
{
    uint64_t *of_port = xcalloc(n, sizeof *of_port);
    const struct port *port;

    PORT_TABLE_FOR_EACH (port, o->ports) {
        memset(of_port, 0, n * sizeof *of_port);
        if (!netdev_flow_get_n_flows(port->netdev, of_port)) {
            for (unsigned int i = 0; i < n; i++) {
                n_flows[i] += of_port[i];
            }
        }
    }
    free(of_port);
}

/* Rows of offload_get_thread_stats(), named as dpif-netdev names them. */
#define N_ROWS 6

static void
get_thread_rows(unsigned int id, uint64_t n_flows, uint64_t rows[N_ROWS])
{
    struct offload_thread_stats stats;

    offload_thread_get_stats(id, &stats);
    rows[0] = stats.n_queued;
    rows[1] = n_flows;
    rows[2] = stats.cma;
    rows[3] = stats.cma_stddev;
    rows[4] = stats.ema;
    rows[5] = stats.ema_stddev;
}

/* 'who' is what the rows are of. */
static void
put_rows(struct netdev_custom_counter *counters, const char *who,
         const uint64_t rows[N_ROWS])
{
    static const char *const names[N_ROWS] = {
        "Enqueued offloads",
        "Inserted offloads",
        "Cumulative Average latency (us)",
        "Cumulative Latency stddev (us)",
        "Exponential Average latency (us)",
        "Exponential Latency stddev (us)",
    };

    for (int i = 0; i < N_ROWS; i++) {
        snprintf(counters[i].name, sizeof counters[i].name, "  %5s %33s", who,
                 names[i]);
        counters[i].value = rows[i];
    }
}

int
offload_get_thread_stats(const struct offload *o,
                         struct netdev_custom_stats *stats)
{
    unsigned int n = netdev_offload_thread_nb();
    uint64_t total[N_ROWS] = { 0 };
    uint64_t *n_flows;

    if (!netdev_is_flow_api_enabled()) {
        return EINVAL;
    }
    stats->size = N_ROWS * (n + 1);
    stats->counters = xcalloc(stats->size, sizeof *stats->counters);
    n_flows = xcalloc(n, sizeof *n_flows);
    count_flows(o, n_flows, n);
    for (unsigned int id = 0; id < n; id++) {
        uint64_t rows[N_ROWS];
        char who[16];

        get_thread_rows(id, n_flows[id], rows);
        snprintf(who, sizeof who, "[%3u]", id);
        put_rows(&stats->counters[N_ROWS * (id + 1)], who, rows);
        for (int i = 0; i < N_ROWS; i++) {
            total[i] += rows[i];
        }
    }
    /* Latencies: the average of the threads. */
    for (int i = 2; i < N_ROWS; i++) {
        total[i] /= n;
    }
    put_rows(stats->counters, "Total", total);
    free(n_flows);
    return 0;
}
