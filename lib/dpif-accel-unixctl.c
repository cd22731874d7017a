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
#include "openvswitch/dynamic-string.h"
#include "unixctl.h"

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
        ds_put_format(&ds, "%s: there is no such datapath of type \"accel\", "
                      "dpctl/dump-dps lists those that are", args.dp_name);
        unixctl_command_reply_error(conn, ds_cstr(&ds));
    } else {
        unixctl_command_reply(conn, ds_cstr(&ds));
    }
    ds_destroy(&ds);
}

/* Threads */

static void
for_each_pmd(struct dp *dp, void (*cb)(struct pmd *, struct ds *),
             struct ds *ds)
{
    cb(dp->shared, ds);
    for (size_t i = 0; i < dp->n_pmds; i++) {
        cb(dp->pmds[i], ds);
    }
}

static void
show_cycles(const uint64_t c[PMD_N_COUNTERS], struct ds *ds)
{
    uint64_t total = c[PMD_IDLE_CYCLES] + c[PMD_BUSY_CYCLES];

    if (!total) {
        return;
    }
    ds_put_format(ds, "  idle cycles: %"PRIu64" (%.02f%%)\n",
                  c[PMD_IDLE_CYCLES], 100.0 * c[PMD_IDLE_CYCLES] / total);
    ds_put_format(ds, "  processing cycles: %"PRIu64" (%.02f%%)\n",
                  c[PMD_BUSY_CYCLES], 100.0 * c[PMD_BUSY_CYCLES] / total);
    if (c[PMD_RX]) {
        ds_put_format(ds, "  avg cycles per packet: %.02f (%"PRIu64"/%"PRIu64
                      ")\n", total / (double) c[PMD_RX], total, c[PMD_RX]);
        ds_put_format(ds, "  avg processing cycles per packet: %.02f (%"PRIu64
                      "/%"PRIu64")\n",
                      c[PMD_BUSY_CYCLES] / (double) c[PMD_RX],
                      c[PMD_BUSY_CYCLES], c[PMD_RX]);
    }
}

static void
show_pmd_stats(struct pmd *pmd, struct ds *ds)
{
    uint64_t c[PMD_N_COUNTERS];

    pmd_get_counters(pmd, c);
    if (pmd_core_id(pmd) == NON_PMD_CORE_ID) {
        ds_put_cstr(ds, "main thread:\n");
    } else {
        ds_put_format(ds, "pmd thread numa_id %d core_id %u:\n",
                      pmd_numa_id(pmd), pmd_core_id(pmd));
    }
    for (int i = 0; i < PMD_N_COUNTERS; i++) {
        if (i != PMD_IDLE_CYCLES && i != PMD_BUSY_CYCLES) {
            ds_put_format(ds, "  %s: %"PRIu64"\n", pmd_counter_text(i), c[i]);
        }
    }
    ds_put_format(ds, "  avg. packets per burst: %.02f\n",
                  c[PMD_BURSTS] ? c[PMD_RX] / (double) c[PMD_BURSTS] : 0.0);
    show_cycles(c, ds);
}

static void
pmd_stats_show(struct dp *dp, struct ds *ds)
{
    for_each_pmd(dp, show_pmd_stats, ds);
}

static void
clear_pmd_stats(struct pmd *pmd, struct ds *ds OVS_UNUSED)
{
    pmd_clear_counters(pmd);
}

static void
pmd_stats_clear(struct dp *dp, struct ds *ds)
{
    for_each_pmd(dp, clear_pmd_stats, ds);
}

static void
pmd_rxq_show(struct dp *dp, struct ds *ds)
{
    dp_format_placement(dp, ds);
}

/* Books */

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

static void
stats_show(struct dp *dp, struct ds *ds)
{
    size_t n = 0, n_ports = cmap_count(&dp->ports.ports);
    const struct port **ports = xcalloc(n_ports, sizeof *ports);
    struct upcall_stats upcalls;
    const struct port *port;

    PORT_TABLE_FOR_EACH (port, &dp->ports) {
        if (n < n_ports) {
            ports[n++] = port;
        }
    }
    qsort(ports, n, sizeof *ports, compare_ports);

    upcall_get_stats(dp->upcall, &upcalls);
    ds_put_format(ds, "%s:\n", dp->name);
    ds_put_format(ds, "  flows: %"PRIuSIZE", masks: %"PRIuSIZE"\n",
                  megaflow_table_count(dp->flows),
                  megaflow_table_n_masks(dp->flows));
    ds_put_format(ds, "  upcalls: %"PRIu64", lost: %"PRIu64", queued: %"PRIu64
                  ", threads: %u\n", upcalls.asked, upcalls.lost,
                  upcalls.queued, upcalls.n_threads);
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

void
dpif_accel_unixctl_register(void)
{
    unixctl_command_register("dpif-accel/stats-show", "[dp]", 0, 1,
                             unixctl_show, stats_show);
    unixctl_command_register("dpif-accel/pmd-stats-show", "[dp]", 0, 1,
                             unixctl_show, pmd_stats_show);
    unixctl_command_register("dpif-accel/pmd-stats-clear", "[dp]", 0, 1,
                             unixctl_show, pmd_stats_clear);
    unixctl_command_register("dpif-accel/pmd-rxq-show", "[dp]", 0, 1,
                             unixctl_show, pmd_rxq_show);
    unixctl_command_register("dpif-accel/bond-show", "[dp]", 0, 1,
                             unixctl_show, bond_show);
}
