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

/* dpif-accel/metrics: all counters as OpenMetrics 1.0.0 text
 * ==========================================================
 *
 * The samples of one metric family stand together, whatever datapath they are
 * of.  So all counters are read first, and printed then: what is told of one
 * port is of one moment, as far as the counters' owners allow. */

#include "dpif-accel.h"

#include "conntrack.h"
#include "dp.h"
#include "openvswitch/dynamic-string.h"
#include "unixctl.h"
#include "util.h"
#include "vhost/vhost.h"

/* What is read.  Labels come first: put_fields() counts on it. */

struct dp_sample {
    char *labels;
    uint64_t flows, masks, connections;
    uint64_t asked, lost, queued, upcall_threads;
    uint64_t offload_flows;
    uint64_t offload_operations[4];
};

struct thread_sample {
    char *labels;
    uint64_t counters[PMD_N_COUNTERS];
};

struct port_sample {
    char *labels;
    char *info;                 /* More labels. */
    struct port_totals totals;
    uint64_t up, rx_queues, asleep;
    uint64_t rx_bytes, tx_bytes;
    bool has_bytes;
    bool is_vhost;
    uint64_t guest_drops[VHOST_N_DROPS];    /* If 'is_vhost'. */
};

struct rxq_sample {
    char *labels;
};

struct metrics {
    struct dp_sample *dps;
    struct thread_sample *threads;
    struct port_sample *ports;
    struct rxq_sample *rxqs;
    size_t n_dps, n_threads, n_ports, n_rxqs;
};

/* Appends NAME="VALUE" to a list of labels. */
static void
put_label(struct ds *ds, const char *name, const char *value)
{
    ds_put_format(ds, "%s%s=\"", ds->length ? "," : "", name);
    for (; *value; value++) {
        if (*value == '\n') {
            ds_put_cstr(ds, "\\n");
        } else {
            if (*value == '"' || *value == '\\') {
                ds_put_char(ds, '\\');
            }
            ds_put_char(ds, *value);
        }
    }
    ds_put_char(ds, '"');
}

static void
read_thread(const struct dp *dp, const struct pmd *pmd,
            struct thread_sample *sample)
{
    struct ds labels = DS_EMPTY_INITIALIZER;
    char core[16] = "main", numa[16] = "";

    if (pmd_core_id(pmd) != NON_PMD_CORE_ID) {
        snprintf(core, sizeof core, "%u", pmd_core_id(pmd));
        snprintf(numa, sizeof numa, "%d", pmd_numa_id(pmd));
    }
    put_label(&labels, "datapath", dp->name);
    put_label(&labels, "core", core);
    put_label(&labels, "numa", numa);
    sample->labels = ds_steal_cstr(&labels);
    pmd_get_counters(pmd, sample->counters);
}

static void
read_guest_drops(const struct vhost_port *vhost, uint64_t *drops)
{
    struct vhost_queue_stats rx, tx;

    vhost_port_sum_stats(vhost, true, &rx);
    vhost_port_sum_stats(vhost, false, &tx);
    for (int i = 0; i < VHOST_N_DROPS; i++) {
        drops[i] = rx.drops[i] + tx.drops[i];
    }
}

static void
read_port(const struct dp *dp, const struct port *port,
          struct port_sample *sample)
{
    struct ds labels = DS_EMPTY_INITIALIZER;
    struct netdev_stats stats;
    char number[16];

    put_label(&labels, "datapath", dp->name);
    put_label(&labels, "port", netdev_get_name(port->netdev));
    sample->labels = ds_steal_cstr(&labels);

    snprintf(number, sizeof number, "%"PRIu32, odp_to_u32(port->port_no));
    put_label(&labels, "number", number);
    put_label(&labels, "type", port->type);
    sample->info = ds_steal_cstr(&labels);

    port_get_totals(port, &sample->totals);
    sample->up = netdev_get_carrier(port->netdev);
    sample->rx_queues = port->n_rxq;
    sample->is_vhost = port->vhost != NULL;
    if (port->vhost) {
        sample->asleep = dpif_accel_n_asleep(port);
        read_guest_drops(port->vhost, sample->guest_drops);
    }
    if (!netdev_get_stats(port->netdev, &stats)
        && stats.rx_bytes != UINT64_MAX && stats.tx_bytes != UINT64_MAX) {
        sample->rx_bytes = stats.rx_bytes;
        sample->tx_bytes = stats.tx_bytes;
        sample->has_bytes = true;
    }
}

static void
read_rxq(const struct dp *dp, const struct pmd_rxq_place *rxq,
         struct rxq_sample *sample)
{
    struct ds labels = DS_EMPTY_INITIALIZER;
    char queue[16], core[16] = "none";

    snprintf(queue, sizeof queue, "%u", rxq->qid);
    if (rxq->core_id != NON_PMD_CORE_ID) {
        snprintf(core, sizeof core, "%u", rxq->core_id);
    }
    put_label(&labels, "datapath", dp->name);
    put_label(&labels, "port", netdev_get_name(rxq->port->netdev));
    put_label(&labels, "queue", queue);
    put_label(&labels, "core", core);
    sample->labels = ds_steal_cstr(&labels);
}

static void
read_dp_itself(const struct dp *dp, struct dp_sample *sample)
{
    struct ds labels = DS_EMPTY_INITIALIZER;
    struct offload_counters offload;
    struct upcall_stats upcalls;
    uint32_t n_conns = 0;

    put_label(&labels, "datapath", dp->name);
    sample->labels = ds_steal_cstr(&labels);
    sample->flows = megaflow_table_count(dp->flows);
    sample->masks = megaflow_table_n_masks(dp->flows);

    upcall_get_stats(dp->upcall, &upcalls);
    sample->asked = upcalls.asked;
    sample->lost = upcalls.lost;
    sample->queued = upcalls.queued;
    sample->upcall_threads = upcalls.n_threads;

    conntrack_get_nconns(dp->conntrack, &n_conns);
    sample->connections = n_conns;

    offload_get_counters(dp->offload, &offload);
    sample->offload_flows = offload.in_device;
    sample->offload_operations[0] = offload.added;
    sample->offload_operations[1] = offload.modified;
    sample->offload_operations[2] = offload.refused;
    sample->offload_operations[3] = offload.deleted;
}

/* Returns array 'samples' of 'n' elements of 'size' bytes, moved, with 'more'
 * of them behind, all zeros. */
static void *
enlarge(void *samples, size_t n, size_t more, size_t size)
{
    char *larger = xrealloc(samples, (n + more) * size);

    memset(larger + n * size, 0, more * size);
    return larger;
}

static void
read_dp(struct dp *dp, void *metrics_)
{
    struct metrics *m = metrics_;
    const struct port **ports;
    size_t n_ports;

    m->dps = enlarge(m->dps, m->n_dps, 1, sizeof *m->dps);
    read_dp_itself(dp, &m->dps[m->n_dps++]);

    m->threads = enlarge(m->threads, m->n_threads, dp->n_pmds + 1,
                         sizeof *m->threads);
    for (size_t i = 0; i <= dp->n_pmds; i++) {
        read_thread(dp, i < dp->n_pmds ? dp->pmds[i] : dp->shared,
                    &m->threads[m->n_threads++]);
    }

    ports = dpif_accel_ports(dp, &n_ports);
    m->ports = enlarge(m->ports, m->n_ports, n_ports, sizeof *m->ports);
    for (size_t i = 0; i < n_ports; i++) {
        read_port(dp, ports[i], &m->ports[m->n_ports++]);
    }
    free(ports);

    m->rxqs = enlarge(m->rxqs, m->n_rxqs, dp->placement.n_rxqs,
                      sizeof *m->rxqs);
    for (size_t i = 0; i < dp->placement.n_rxqs; i++) {
        read_rxq(dp, &dp->placement.rxqs[i], &m->rxqs[m->n_rxqs++]);
    }
}

static void
metrics_destroy(struct metrics *m)
{
    for (size_t i = 0; i < m->n_dps; i++) {
        free(m->dps[i].labels);
    }
    for (size_t i = 0; i < m->n_threads; i++) {
        free(m->threads[i].labels);
    }
    for (size_t i = 0; i < m->n_ports; i++) {
        free(m->ports[i].labels);
        free(m->ports[i].info);
    }
    for (size_t i = 0; i < m->n_rxqs; i++) {
        free(m->rxqs[i].labels);
    }
    free(m->dps);
    free(m->threads);
    free(m->ports);
    free(m->rxqs);
}

/* What is printed */

#define PREFIX "ovs_accel_"

enum family_type { COUNTER, GAUGE, INFO };

struct family {
    const char *name;           /* Without PREFIX and suffix. */
    enum family_type type;
    const char *help;
};

/* A unit is the end of the name of what it is the unit of. */
static const char *
family_unit(const struct family *family)
{
    static const char *const units[] = { "packets", "bytes", "cycles" };
    const char *end = strrchr(family->name, '_');

    for (size_t i = 0; end && i < ARRAY_SIZE(units); i++) {
        if (!strcmp(end + 1, units[i])) {
            return units[i];
        }
    }
    return NULL;
}

static void
put_family(struct ds *ds, const struct family *family)
{
    static const char *const types[] = { "counter", "gauge", "info" };
    const char *unit = family_unit(family);

    ds_put_format(ds, "# TYPE "PREFIX"%s %s\n", family->name,
                  types[family->type]);
    if (unit) {
        ds_put_format(ds, "# UNIT "PREFIX"%s %s\n", family->name, unit);
    }
    ds_put_format(ds, "# HELP "PREFIX"%s %s\n", family->name, family->help);
}

/* 'key' and 'value' are one more label, if 'key' is nonnull. */
static void
put_sample(struct ds *ds, const struct family *family, const char *labels,
           const char *key, const char *value, uint64_t n)
{
    static const char *const suffixes[] = { "_total", "", "_info" };

    ds_put_format(ds, PREFIX"%s%s{%s", family->name, suffixes[family->type],
                  labels);
    if (key) {
        ds_put_format(ds, ",%s=\"%s\"", key, value);
    }
    ds_put_format(ds, "} %"PRIu64"\n", n);
}

/* A family whose samples are each a field of a 'struct dp_sample' or 'struct
 * port_sample'. */
struct field_family {
    struct family family;
    size_t offset;              /* Of a uint64_t. */
};

static void
put_fields(struct ds *ds, const struct field_family *families,
           size_t n_families, const void *samples, size_t n, size_t size)
{
    BUILD_ASSERT(offsetof(struct dp_sample, labels) == 0);
    BUILD_ASSERT(offsetof(struct port_sample, labels) == 0);
    for (size_t f = 0; f < n_families; f++) {
        put_family(ds, &families[f].family);
        for (size_t i = 0; i < n; i++) {
            const char *sample = (const char *) samples + i * size;
            const char *labels;
            uint64_t value;

            memcpy(&labels, sample, sizeof labels);
            memcpy(&value, sample + families[f].offset, sizeof value);
            put_sample(ds, &families[f].family, labels, NULL, NULL, value);
        }
    }
}

/* Datapaths */

#define DP_FIELD(NAME, TYPE, FIELD, HELP)                       \
    { { NAME, TYPE, HELP }, offsetof(struct dp_sample, FIELD) }
static const struct field_family dp_families[] = {
    DP_FIELD("flows", GAUGE, flows, "Megaflows installed."),
    DP_FIELD("flow_masks", GAUGE, masks, "Masks of the megaflows."),
    DP_FIELD("upcalls", COUNTER, asked,
             "Flow misses and userspace actions that ofproto was asked "
             "about."),
    DP_FIELD("upcall_lost_packets", COUNTER, lost,
             "Packets dropped because ofproto was not asked about them."),
    DP_FIELD("upcall_queued_packets", GAUGE, queued,
             "Packets that wait for an upcall thread."),
    DP_FIELD("upcall_threads", GAUGE, upcall_threads, "Upcall threads."),
    DP_FIELD("connections", GAUGE, connections,
             "Connections that the connection tracker knows."),
    DP_FIELD("offload_flows", GAUGE, offload_flows,
             "Megaflows that network devices hold."),
};

static void
put_dps(struct ds *ds, const struct metrics *m)
{
    static const char *const operations[] = {
        "added", "modified", "refused", "deleted",
    };
    static const struct family offload = {
        "offload_operations", COUNTER,
        "Megaflows offered to network devices, by what came of it.",
    };

    put_fields(ds, dp_families, ARRAY_SIZE(dp_families), m->dps, m->n_dps,
               sizeof *m->dps);
    put_family(ds, &offload);
    for (size_t i = 0; i < m->n_dps; i++) {
        for (size_t j = 0; j < ARRAY_SIZE(operations); j++) {
            put_sample(ds, &offload, m->dps[i].labels, "result",
                       operations[j], m->dps[i].offload_operations[j]);
        }
    }
}

/* Threads */

struct thread_family {
    struct family family;
    const char *key;            /* NULL: 'counters' has one entry. */
    struct {
        enum pmd_counter counter;
        const char *value;      /* Of label 'key'. */
    } counters[PMD_N_STAGES];
    size_t n;
};

#define THREAD_FAMILY(NAME, COUNTER_, HELP)                             \
    { { NAME, COUNTER, HELP }, NULL, { { COUNTER_, NULL } }, 1 }
static const struct thread_family thread_families[] = {
    THREAD_FAMILY("thread_received_packets", PMD_RX,
                  "Packets received from ports."),
    THREAD_FAMILY("thread_recirculated_packets", PMD_RECIRC,
                  "Packets that went through the flow table once more."),
    { { "thread_road_packets", COUNTER,
        "Packets received, by the road that they took through the thread." },
      "road", { { PMD_MAIN_ROAD, "main" }, { PMD_SIDE_ROAD, "side" } }, 2 },
    { { "thread_lookup_packets", COUNTER,
        "Packets received or recirculated, by what found their flow." },
      "result",
      { { PMD_MARK_HIT, "offload_hit" },
        { PMD_CACHE_HIT, "cache_hit" },
        { PMD_SMC_HIT, "smc_hit" },
        { PMD_MEGAFLOW_HIT, "megaflow_hit" },
        { PMD_MISS, "miss" },
        { PMD_LOST, "lost" } }, 6 },
    THREAD_FAMILY("thread_cache_misses", PMD_CACHE_MISS,
                  "Lookups that the flow cache could not answer."),
    THREAD_FAMILY("thread_cache_evictions", PMD_CACHE_EVICTION,
                  "Entries of the flow cache that others replaced."),
    THREAD_FAMILY("thread_cache_unfit_packets", PMD_CACHE_NEVER,
                  "Packets of a kind that the flow cache does not hold."),
    THREAD_FAMILY("thread_subtables_probed", PMD_SUBTABLES,
                  "Subtables of megaflows that lookups went through."),
    THREAD_FAMILY("thread_copies", PMD_COPIES,
                  "Copies of frames from a guest's memory into another's or "
                  "into a dp_packet."),
    THREAD_FAMILY("thread_made_packets", PMD_PACKETS_MADE,
                  "Frames that were made dp_packets of."),
    THREAD_FAMILY("thread_sent_packets", PMD_SENT,
                  "Packets given to ports in batches."),
    THREAD_FAMILY("thread_sent_batches", PMD_SENT_BATCHES,
                  "Batches given to ports."),
    THREAD_FAMILY("thread_bursts", PMD_BURSTS, "Bursts received."),
    { { "thread_iterations", COUNTER,
        "Rounds of polling, by whether they found packets." },
      "state", { { PMD_BUSY_ROUNDS, "busy" }, { PMD_IDLE_ROUNDS, "idle" } },
      2 },
    { { "thread_cycles", COUNTER,
        "TSC cycles in rounds that found packets, in others, and asleep." },
      "state",
      { { PMD_BUSY_CYCLES, "busy" },
        { PMD_IDLE_CYCLES, "idle" },
        { PMD_SLEEP_CYCLES, "sleep" } }, 3 },
    THREAD_FAMILY("thread_sleeps", PMD_SLEEPS, "Times that it slept."),
    THREAD_FAMILY("thread_kicks", PMD_KICKS,
                  "Queues of silent guests that a kick woke."),
    { { "thread_stage_cycles", COUNTER,
        "TSC cycles in stages of busy rounds, while pmd-perf-metrics is on." },
      "stage",
      { { PMD_STAGE_ANSWERS, "answers" },
        { PMD_STAGE_EMPTY, "empty" },
        { PMD_STAGE_PEEK, "peek" },
        { PMD_STAGE_CLASSIFY, "classify" },
        { PMD_STAGE_EXECUTE, "execute" },
        { PMD_STAGE_PUT, "put" },
        { PMD_STAGE_RELEASE, "release" },
        { PMD_STAGE_SIDE_ROAD, "side_road" },
        { PMD_STAGE_OTHER, "other" } }, PMD_N_STAGES },
    THREAD_FAMILY("thread_stage_packets", PMD_STAGE_PACKETS,
                  "Packets received while pmd-perf-metrics was on."),
};

static void
put_threads(struct ds *ds, const struct metrics *m)
{
    for (size_t f = 0; f < ARRAY_SIZE(thread_families); f++) {
        const struct thread_family *tf = &thread_families[f];

        put_family(ds, &tf->family);
        for (size_t i = 0; i < m->n_threads; i++) {
            const struct thread_sample *thread = &m->threads[i];

            for (size_t j = 0; j < tf->n; j++) {
                put_sample(ds, &tf->family, thread->labels, tf->key,
                           tf->counters[j].value,
                           thread->counters[tf->counters[j].counter]);
            }
        }
    }
}

/* Ports */

#define PORT_FIELD(NAME, TYPE, FIELD, HELP)                             \
    { { "port_" NAME, TYPE, HELP }, offsetof(struct port_sample, FIELD) }
static const struct field_family port_families[] = {
    PORT_FIELD("up", GAUGE, up, "1 if the port has a link, 0 if not."),
    PORT_FIELD("rx_queues", GAUGE, rx_queues, "Receive queues in use."),
    PORT_FIELD("rx_queues_asleep", GAUGE, asleep,
               "Receive queues that wait for the guest to kick."),
    PORT_FIELD("received_packets", COUNTER, totals.rx,
               "Packets received: forwarded, consumed, dropped or in flight."),
    PORT_FIELD("received_main_road_packets", COUNTER, totals.rx_main_road,
               "Packets received that took the main road alone."),
    PORT_FIELD("forwarded_packets", COUNTER, totals.forwarded,
               "Packets received and output to some port."),
    PORT_FIELD("consumed_packets", COUNTER, totals.consumed,
               "Packets received and taken by userspace."),
    PORT_FIELD("in_flight_packets", GAUGE, totals.in_flight,
               "Packets received that wait for an upcall thread."),
    PORT_FIELD("copies", COUNTER, totals.copies,
               "Frames of the guest that were copied into dp_packets."),
    PORT_FIELD("output_packets", COUNTER, totals.tx_tried,
               "Outputs to the port: sent or dropped."),
    PORT_FIELD("output_main_road_packets", COUNTER, totals.tx_main_road,
               "Outputs to the port by the main road."),
    PORT_FIELD("sent_packets", COUNTER, totals.tx_sent,
               "Packets that the port took."),
};

static void
put_port_info(struct ds *ds, const struct metrics *m)
{
    static const struct family info = { "port", INFO, "Ports." };

    put_family(ds, &info);
    for (size_t i = 0; i < m->n_ports; i++) {
        const struct port_sample *port = &m->ports[i];

        ds_put_format(ds, PREFIX"port_info{%s,%s} 1\n", port->labels,
                      port->info);
    }
}

static void
put_rxqs(struct ds *ds, const struct metrics *m)
{
    static const struct family info = {
        "rxq", INFO, "Receive queues, and the cores whose threads poll them.",
    };

    put_family(ds, &info);
    for (size_t i = 0; i < m->n_rxqs; i++) {
        put_sample(ds, &info, m->rxqs[i].labels, NULL, NULL, 1);
    }
}

static void
put_port_bytes(struct ds *ds, const struct metrics *m, bool rx)
{
    static const struct family families[] = {
        { "port_sent_bytes", COUNTER, "Bytes that the port took." },
        { "port_received_bytes", COUNTER, "Bytes received." },
    };

    put_family(ds, &families[rx]);
    for (size_t i = 0; i < m->n_ports; i++) {
        const struct port_sample *port = &m->ports[i];

        if (port->has_bytes) {
            put_sample(ds, &families[rx], port->labels, NULL, NULL,
                       rx ? port->rx_bytes : port->tx_bytes);
        }
    }
}

static void
put_port_drops(struct ds *ds, const struct metrics *m)
{
    static const struct family dropped = {
        "port_dropped_packets", COUNTER,
        "Packets received that went nowhere, by reason.",
    };

    put_family(ds, &dropped);
    for (size_t i = 0; i < m->n_ports; i++) {
        for (int j = 0; j < PORT_N_DROPS; j++) {
            put_sample(ds, &dropped, m->ports[i].labels, "reason",
                       port_drop_name(j), m->ports[i].totals.dropped[j]);
        }
    }
}

/* What a guest's port did not take: from the guest ('rx'), before it was
 * received, or from us. */
static void
put_guest_drops(struct ds *ds, const struct metrics *m, bool rx)
{
    static const struct family families[] = {
        { "port_output_dropped_packets", COUNTER,
          "Outputs to the port that it did not take, by reason." },
        { "port_refused_packets", COUNTER,
          "Frames of the guest that count as not received, by reason." },
    };
    static const bool is_rx[VHOST_N_DROPS] = {
#define VHOST_DROP(ENUM, NAME, TEXT) [VHOST_##ENUM] = true,
        VHOST_RX_DROPS
#undef VHOST_DROP
    };
    const struct family *family = &families[rx];

    put_family(ds, family);
    for (size_t i = 0; i < m->n_ports; i++) {
        const struct port_sample *port = &m->ports[i];

        for (int j = 0; port->is_vhost && j < VHOST_N_DROPS; j++) {
            if (rx == is_rx[j]) {
                put_sample(ds, family, port->labels, "reason",
                           vhost_drop_name(j), port->guest_drops[j]);
            }
        }
        if (!rx && !port->is_vhost) {
            put_sample(ds, family, port->labels, "reason", "device",
                       port->totals.tx_dropped);
        }
    }
}

static void
put_ports(struct ds *ds, const struct metrics *m)
{
    put_port_info(ds, m);
    put_rxqs(ds, m);
    put_fields(ds, port_families, ARRAY_SIZE(port_families), m->ports,
               m->n_ports, sizeof *m->ports);
    put_port_bytes(ds, m, true);
    put_port_bytes(ds, m, false);
    put_port_drops(ds, m);
    put_guest_drops(ds, m, false);
    put_guest_drops(ds, m, true);
}

static void
unixctl_metrics(struct unixctl_conn *conn, int argc OVS_UNUSED,
                const char *argv[] OVS_UNUSED, void *aux OVS_UNUSED)
{
    static const struct family info = { "switch", INFO, "The daemon." };
    struct ds labels = DS_EMPTY_INITIALIZER;
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct metrics m;

    memset(&m, 0, sizeof m);
    dpif_accel_for_each(read_dp, &m);

    put_label(&labels, "ovs_version", VERSION);
    put_family(&ds, &info);
    put_sample(&ds, &info, ds_cstr(&labels), NULL, NULL, 1);
    put_dps(&ds, &m);
    put_threads(&ds, &m);
    put_ports(&ds, &m);
    ds_put_cstr(&ds, "# EOF\n");
    unixctl_command_reply(conn, ds_cstr(&ds));

    ds_destroy(&labels);
    ds_destroy(&ds);
    metrics_destroy(&m);
}

void
dpif_accel_metrics_register(void)
{
    unixctl_command_register("dpif-accel/metrics", "", 0, 0, unixctl_metrics,
                             NULL);
}
