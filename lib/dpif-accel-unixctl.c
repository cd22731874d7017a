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

/* The ovs-appctl commands of datapath type "accel". */

#include "dpif-accel.h"

#include "dp.h"
#include "dpdk.h"
#include "dpif-netdev-perf.h"
#include "netdev-offload.h"
#include "openvswitch/dynamic-string.h"
#include "unixctl.h"
#include "util.h"
#include "vhost/vhost.h"

struct show_args {
    const char *dp_name;        /* NULL: all. */
    struct ds *ds;
    void (*show)(struct dp *, struct ds *);
    bool found;
};

static void
show_one(struct dp *dp, void *args_)
{
    struct show_args *args = args_;

    if (!args->dp_name || !strcmp(args->dp_name, dp->name)) {
        args->found = true;
        args->show(dp, args->ds);
    }
}

static void
reply_no_such_dp(struct unixctl_conn *conn, const char *name)
{
    char *error = xasprintf("%s: there is no such datapath of type \"accel\", "
                            "dpctl/dump-dps lists those that are", name);

    unixctl_command_reply_error(conn, error);
    free(error);
}

/* Runs 'show' (aux) on the datapath that is named, or on all. */
static void
unixctl_show(struct unixctl_conn *conn, int argc, const char *argv[],
             void *show)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct show_args args = {
        .dp_name = argc > 1 ? argv[1] : NULL,
        .ds = &ds,
        .show = show,
    };

    dpif_accel_for_each(show_one, &args);
    if (args.dp_name && !args.found) {
        reply_no_such_dp(conn, args.dp_name);
    } else {
        unixctl_command_reply(conn, ds_cstr(&ds));
    }
    ds_destroy(&ds);
}

/* Threads */

/* What the commands about threads take: [-pmd core] [-secs n] [dp], and those
 * of pmd-perf-show. */
struct pmd_args {
    struct ds *ds;
    const char *dp_name;        /* NULL: all. */
    bool found;                 /* There is such a datapath. */
    bool filter;                /* Only 'core_id'. */
    unsigned int core_id;
    unsigned int secs;          /* 0: all that is remembered. */
    struct pmd_perf_params perf;
    void (*show)(const struct dp *, struct pmd *, struct pmd_args *);
    void (*begin)(const struct dp *, struct pmd_args *);    /* Or NULL. */
    void (*end)(const struct dp *, struct pmd_args *);      /* Or NULL. */
};

static void
show_pmds(struct dp *dp, void *args_)
{
    struct pmd_args *args = args_;

    if (args->dp_name && strcmp(args->dp_name, dp->name)) {
        return;
    }
    args->found = true;
    if (args->begin) {
        args->begin(dp, args);
    }
    for (size_t i = 0; i <= dp->n_pmds; i++) {
        struct pmd *pmd = i < dp->n_pmds ? dp->pmds[i] : dp->shared;

        if (!args->filter || pmd_core_id(pmd) == args->core_id) {
            args->show(dp, pmd, args);
        }
    }
    if (args->end && !args->filter) {
        args->end(dp, args);
    }
}

static size_t
parse_history_len(const char *s)
{
    long int n = strtol(s, NULL, 10);

    return MAX(0, MIN(n, HISTORY_LEN));
}

/* Parses the arguments and runs 'args', which says what to show. */
static void
unixctl_show_pmds(struct unixctl_conn *conn, int argc, const char *argv[],
                  struct pmd_args *args)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    args->ds = &ds;
    args->perf.histograms = true;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-nh")) {
            args->perf.histograms = false;
        } else if (!strcmp(argv[i], "-it") && i + 1 < argc) {
            args->perf.iter_hist_len = parse_history_len(argv[++i]);
        } else if (!strcmp(argv[i], "-ms") && i + 1 < argc) {
            args->perf.ms_hist_len = parse_history_len(argv[++i]);
        } else if (!strcmp(argv[i], "-pmd") && i + 1 < argc) {
            args->filter = str_to_uint(argv[++i], 10, &args->core_id);
        } else if (!strcmp(argv[i], "-secs") && i + 1 < argc) {
            if (!str_to_uint(argv[++i], 10, &args->secs)) {
                args->secs = 0;
            }
        } else {
            args->dp_name = argv[i];
        }
    }
    dpif_accel_for_each(show_pmds, args);
    if (args->found || !args->dp_name) {
        unixctl_command_reply(conn, ds_cstr(&ds));
    } else {
        reply_no_such_dp(conn, args->dp_name);
    }
    ds_destroy(&ds);
}

static void
format_pmd(const struct pmd *pmd, struct ds *ds)
{
    if (pmd_core_id(pmd) == NON_PMD_CORE_ID) {
        ds_put_cstr(ds, "main thread:\n");
    } else {
        ds_put_format(ds, "pmd thread numa_id %d core_id %u:\n",
                      pmd_numa_id(pmd), pmd_core_id(pmd));
    }
}

static double
ratio(uint64_t a, uint64_t b)
{
    return b ? a / (double) b : 0.0;
}

static void
show_cycles(const uint64_t c[PMD_N_COUNTERS], struct ds *ds)
{
    uint64_t total = c[PMD_IDLE_CYCLES] + c[PMD_BUSY_CYCLES];

    if (!total) {
        return;
    }
    ds_put_format(ds, "  idle cycles: %"PRIu64" (%.02f%%)\n",
                  c[PMD_IDLE_CYCLES], 100 * ratio(c[PMD_IDLE_CYCLES], total));
    ds_put_format(ds, "  processing cycles: %"PRIu64" (%.02f%%)\n",
                  c[PMD_BUSY_CYCLES], 100 * ratio(c[PMD_BUSY_CYCLES], total));
    if (c[PMD_RX]) {
        ds_put_format(ds, "  avg cycles per packet: %.02f (%"PRIu64"/%"PRIu64
                      ")\n", ratio(total, c[PMD_RX]), total, c[PMD_RX]);
        ds_put_format(ds, "  avg processing cycles per packet: %.02f (%"PRIu64
                      "/%"PRIu64")\n", ratio(c[PMD_BUSY_CYCLES], c[PMD_RX]),
                      c[PMD_BUSY_CYCLES], c[PMD_RX]);
    }
}

static void
show_counter(const uint64_t c[PMD_N_COUNTERS], enum pmd_counter counter,
             struct ds *ds)
{
    ds_put_format(ds, "  %s: %"PRIu64"\n", pmd_counter_text(counter),
                  c[counter]);
}

/* What OVS's datapath has, too, in its order, then what only ours has. */
static void
show_pmd_stats(const struct dp *dp OVS_UNUSED, struct pmd *pmd,
               struct pmd_args *args)
{
    static const enum pmd_counter more[] = {
        PMD_CACHE_MISS, PMD_CACHE_EVICTION, PMD_CACHE_NEVER, PMD_MAIN_ROAD,
        PMD_SIDE_ROAD, PMD_COPIES, PMD_PACKETS_MADE, PMD_SUBTABLES,
        PMD_BURSTS, PMD_SLEEPS, PMD_KICKS,
    };
    struct ds *ds = args->ds;
    uint64_t c[PMD_N_COUNTERS];

    pmd_get_counters(pmd, c);
    format_pmd(pmd, ds);
    show_counter(c, PMD_RX, ds);
    show_counter(c, PMD_RECIRC, ds);
    ds_put_format(ds, "  avg. datapath passes per packet: %.02f\n",
                  ratio(c[PMD_RX] + c[PMD_RECIRC], c[PMD_RX]));
    show_counter(c, PMD_MARK_HIT, ds);
    show_counter(c, PMD_CACHE_HIT, ds);
    show_counter(c, PMD_SMC_HIT, ds);
    show_counter(c, PMD_MEGAFLOW_HIT, ds);
    ds_put_format(ds, "  avg. subtable lookups per megaflow hit: %.02f\n",
                  ratio(c[PMD_SUBTABLES], c[PMD_MEGAFLOW_HIT]));
    show_counter(c, PMD_MISS, ds);
    show_counter(c, PMD_LOST, ds);
    ds_put_format(ds, "  avg. packets per output batch: %.02f\n",
                  ratio(c[PMD_SENT], c[PMD_SENT_BATCHES]));
    show_cycles(c, ds);
    for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
        show_counter(c, more[i], ds);
    }
    ds_put_format(ds, "  avg. packets per burst: %.02f\n",
                  ratio(c[PMD_RX], c[PMD_BURSTS]));
}

static void
unixctl_pmd_stats_show(struct unixctl_conn *conn, int argc,
                       const char *argv[], void *aux OVS_UNUSED)
{
    struct pmd_args args = { .show = show_pmd_stats };

    unixctl_show_pmds(conn, argc, argv, &args);
}

static void
clear_pmd_stats(const struct dp *dp OVS_UNUSED, struct pmd *pmd,
                struct pmd_args *args OVS_UNUSED)
{
    pmd_clear_counters(pmd);
}

static void
unixctl_pmd_stats_clear(struct unixctl_conn *conn, int argc,
                        const char *argv[], void *aux OVS_UNUSED)
{
    struct pmd_args args = { .show = clear_pmd_stats };

    unixctl_show_pmds(conn, argc, argv, &args);
}

static void
show_pmd_perf(const struct dp *dp OVS_UNUSED, struct pmd *pmd,
              struct pmd_args *args)
{
    if (pmd_core_id(pmd) != NON_PMD_CORE_ID) {
        pmd_format_perf(pmd, args->ds, &args->perf);
    }
}

static void
unixctl_pmd_perf_show(struct unixctl_conn *conn, int argc,
                      const char *argv[], void *aux OVS_UNUSED)
{
    struct pmd_args args = { .show = show_pmd_perf };

    unixctl_show_pmds(conn, argc, argv, &args);
}

/* Queues */

static unsigned int
n_intervals(const struct pmd_args *args)
{
    unsigned int n = DIV_ROUND_UP(args->secs * 1000ULL, PORT_LOAD_INTERVAL_MS);

    return n && n <= PORT_LOAD_INTERVALS ? n : PORT_LOAD_INTERVALS;
}

static void
begin_rxqs(const struct dp *dp, struct pmd_args *args)
{
    if (dp->problem) {
        ds_put_format(args->ds, "problem: %s\n", dp->problem);
    }
    ds_put_format(args->ds, "Displaying last %u seconds pmd usage %%\n",
                  n_intervals(args) * (PORT_LOAD_INTERVAL_MS / 1000));
}

/* By names, not by numbers as in the placement. */
static int
compare_rxqs(const void *a_, const void *b_)
{
    const struct pmd_rxq_place *const *a = a_;
    const struct pmd_rxq_place *const *b = b_;
    int cmp = strcmp(netdev_get_name((*a)->port->netdev),
                     netdev_get_name((*b)->port->netdev));

    return cmp ? cmp : (*a)->qid < (*b)->qid ? -1 : (*a)->qid > (*b)->qid;
}

/* Returns the queues that are placed on 'core_id', sorted; the caller frees
 * them. */
static const struct pmd_rxq_place **
rxqs_of_core(const struct dp *dp, unsigned int core_id, size_t *n)
{
    const struct placement *p = &dp->placement;
    const struct pmd_rxq_place **rxqs = xcalloc(p->n_rxqs, sizeof *rxqs);

    *n = 0;
    for (size_t i = 0; i < p->n_rxqs; i++) {
        if (p->rxqs[i].core_id == core_id) {
            rxqs[(*n)++] = &p->rxqs[i];
        }
    }
    if (*n) {
        qsort(rxqs, *n, sizeof *rxqs, compare_rxqs);
    }
    return rxqs;
}

static void
format_usage(struct ds *ds, uint64_t cycles, uint64_t total)
{
    if (total) {
        ds_put_format(ds, "%2"PRIu64" %%\n", cycles * 100 / total);
    } else {
        ds_put_cstr(ds, "NOT AVAIL\n");
    }
}

static void
show_rxqs(const struct dp *dp, struct pmd *pmd, struct pmd_args *args)
{
    unsigned int n_iv = n_intervals(args);
    const struct pmd_rxq_place **rxqs;
    const struct pmd_core *core;
    struct pmd_load load;
    uint64_t total, sum = 0;
    size_t n;

    core = placement_find_core(&dp->placement, pmd_core_id(pmd));
    if (!core) {
        return;
    }
    /* As in OVS's datapath, the share of all the time asked for. */
    pmd_get_load(pmd, n_iv, &load);
    total = load.n_intervals ? load.total / load.n_intervals * n_iv : 0;

    format_pmd(pmd, args->ds);
    ds_put_format(args->ds, "  isolated : %s\n",
                  core->isolated ? "true" : "false");
    rxqs = rxqs_of_core(dp, pmd_core_id(pmd), &n);
    for (size_t i = 0; i < n; i++) {
        const struct port *port = rxqs[i]->port;
        unsigned int qid = rxqs[i]->qid;
        uint64_t cycles = port_load_sum(&port->loads[qid].history, n_iv);

        ds_put_format(args->ds, "  port: %-16s  queue-id: %2u %s  pmd usage: ",
                      netdev_get_name(port->netdev), qid,
                      netdev_rxq_enabled(port->rxqs[qid]) ? "(enabled) "
                                                          : "(disabled)");
        format_usage(args->ds, cycles, total);
        sum += cycles;
    }
    if (n) {
        uint64_t busy = MIN(load.busy, total);

        ds_put_cstr(args->ds, "  overhead: ");
        format_usage(args->ds, busy > sum ? busy - sum : 0, total);
    }
    free(rxqs);
}

/* Tells of queues that no thread polls. */
static void
end_rxqs(const struct dp *dp, struct pmd_args *args)
{
    size_t n;
    const struct pmd_rxq_place **rxqs = rxqs_of_core(dp, NON_PMD_CORE_ID, &n);

    for (size_t i = 0; i < n; i++) {
        ds_put_format(args->ds, "not polled: port %s, queue-id %u\n",
                      netdev_get_name(rxqs[i]->port->netdev), rxqs[i]->qid);
    }
    free(rxqs);
}

static void
unixctl_pmd_rxq_show(struct unixctl_conn *conn, int argc, const char *argv[],
                     void *aux OVS_UNUSED)
{
    struct pmd_args args = {
        .show = show_rxqs,
        .begin = begin_rxqs,
        .end = end_rxqs,
    };

    unixctl_show_pmds(conn, argc, argv, &args);
}

static void
rebalance(struct dp *dp, struct ds *ds)
{
    dp_request_placement(dp);
    ds_clear(ds);
    ds_put_cstr(ds, "pmd rxq rebalance requested.\n");
}

/* Books */

unsigned int
dpif_accel_n_asleep(const struct port *port)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < port->n_rxq; i++) {
        n += vhost_rx_is_asleep(port->vhost, i);
    }
    return n;
}

static void
show_port(const struct port *port, struct ds *ds)
{
    struct port_totals t;

    port_get_totals(port, &t);
    ds_put_format(ds, "  port %"PRIu32": %s (%s)\n",
                  odp_to_u32(port->port_no), netdev_get_name(port->netdev),
                  port->type);
    ds_put_format(ds, "    received: %"PRIu64" (main road %"PRIu64
                  ", copies %"PRIu64")\n", t.rx, t.rx_main_road, t.copies);
    if (port->vhost) {
        ds_put_format(ds, "    rx queues: %u, asleep until the guest kicks: "
                      "%u\n", port->n_rxq, dpif_accel_n_asleep(port));
    }
    ds_put_format(ds, "    forwarded: %"PRIu64", consumed: %"PRIu64
                  ", in flight: %"PRIu64"\n", t.forwarded, t.consumed,
                  t.in_flight);
    for (int i = 0; i < PORT_N_DROPS; i++) {
        if (t.dropped[i]) {
            ds_put_format(ds, "    dropped, %s: %"PRIu64"\n",
                          port_drop_name(i), t.dropped[i]);
        }
    }
    ds_put_format(ds, "    output: %"PRIu64" (main road %"PRIu64"), sent: "
                  "%"PRIu64", dropped: %"PRIu64"\n", t.tx_tried,
                  t.tx_main_road, t.tx_sent, t.tx_dropped);
    ds_put_format(ds, "    books: %s\n",
                  port_totals_balance(&t) ? "balance" : "DO NOT BALANCE");
}

static int
compare_ports(const void *a_, const void *b_)
{
    const struct port *const *a = a_;
    const struct port *const *b = b_;
    uint32_t a_no = odp_to_u32((*a)->port_no);
    uint32_t b_no = odp_to_u32((*b)->port_no);

    return a_no < b_no ? -1 : a_no > b_no;
}

const struct port **
dpif_accel_ports(const struct dp *dp, size_t *n)
{
    size_t n_ports = cmap_count(&dp->ports.ports);
    const struct port **ports = xcalloc(n_ports, sizeof *ports);
    const struct port *port;

    *n = 0;
    PORT_TABLE_FOR_EACH (port, &dp->ports) {
        if (*n < n_ports) {
            ports[(*n)++] = port;
        }
    }
    qsort(ports, *n, sizeof *ports, compare_ports);
    return ports;
}

static void
stats_show(struct dp *dp, struct ds *ds)
{
    struct upcall_stats upcalls;
    const struct port **ports;
    size_t n;

    upcall_get_stats(dp->upcall, &upcalls);
    ds_put_format(ds, "%s:\n", dp->name);
    ds_put_format(ds, "  flows: %"PRIuSIZE", masks: %"PRIuSIZE"\n",
                  megaflow_table_count(dp->flows),
                  megaflow_table_n_masks(dp->flows));
    ds_put_format(ds, "  upcalls: %"PRIu64", lost: %"PRIu64", queued: %"PRIu64
                  ", threads: %u\n", upcalls.asked, upcalls.lost,
                  upcalls.queued, upcalls.n_threads);
    ports = dpif_accel_ports(dp, &n);
    for (size_t i = 0; i < n; i++) {
        show_port(ports[i], ds);
    }
    free(ports);
}

static void
bond_show(struct dp *dp, struct ds *ds)
{
    bond_format(dp->bonds, ds);
}

static void
offload_stats_show(struct dp *dp, struct ds *ds)
{
    struct offload_counters c;

    offload_get_counters(dp->offload, &c);
    ds_put_format(ds, "%s:\n", dp->name);
    ds_put_format(ds, "  offload: %s\n",
                  netdev_is_flow_api_enabled() ? "on" : "off");
    ds_put_format(ds, "  operations enqueued: %"PRIu64"\n", c.queued);
    ds_put_format(ds, "  flows added: %"PRIu64", modified: %"PRIu64
                  ", refused: %"PRIu64", deleted: %"PRIu64"\n", c.added,
                  c.modified, c.refused, c.deleted);
    ds_put_format(ds, "  flows in devices: %"PRIu64"\n", c.in_device);
    ds_put_format(ds, "  active marks: %"PRIu64"\n", c.marks);
}

void
dpif_accel_unixctl_register(void)
{
    unixctl_command_register("dpif-accel/stats-show", "[dp]", 0, 1,
                             unixctl_show, stats_show);
    unixctl_command_register("dpif-accel/pmd-stats-show", "[-pmd core] [dp]",
                             0, 3, unixctl_pmd_stats_show, NULL);
    unixctl_command_register("dpif-accel/pmd-stats-clear", "[-pmd core] [dp]",
                             0, 3, unixctl_pmd_stats_clear, NULL);
    unixctl_command_register("dpif-accel/pmd-rxq-show",
                             "[-pmd core] [-secs secs] [dp]",
                             0, 5, unixctl_pmd_rxq_show, NULL);
    unixctl_command_register("dpif-accel/pmd-perf-show",
                             "[-nh] [-it iter-history-len] "
                             "[-ms ms-history-len] [-pmd core] [dp]",
                             0, 8, unixctl_pmd_perf_show, NULL);
    unixctl_command_register("dpif-accel/pmd-perf-log-set",
                             "on|off [-b before] [-a after] [-e|-ne] "
                             "[-us usec] [-q qlen]",
                             0, 10, pmd_perf_log_set_cmd, NULL);
    unixctl_command_register("dpif-accel/pmd-rxq-rebalance", "[dp]", 0, 1,
                             unixctl_show, rebalance);
    unixctl_command_register("dpif-accel/offload-stats-show", "[dp]", 0, 1,
                             unixctl_show, offload_stats_show);
    unixctl_command_register("dpif-accel/bond-show", "[dp]", 0, 1,
                             unixctl_show, bond_show);
}
