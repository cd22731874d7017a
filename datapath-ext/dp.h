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

#ifndef ACCEL_DP_H
#define ACCEL_DP_H 1

/* dp: the datapath object that ties the rooms together
 * ====================================================
 *
 * A 'struct dp' owns ports (port/), megaflows (flow/), what devices take of
 * them (offload/), upcall threads (upcall/), polling threads (pmd/), meters
 * (meter/), bonds (bond/) and OVS's connection tracker.  It knows nothing of
 * ovsdb, ofproto or dpif: lib/dpif-accel.c translates.
 *
 * Unless said otherwise, functions belong to the control thread (OVS's main
 * thread).  Functions that take or give megaflows are thread-safe: see
 * flow/megaflow.h.  So are those of conntrack.h, which are called with the
 * tracker itself. */

#include <stdbool.h>

#include "bond/bond.h"
#include "dpif.h"
#include "flow/megaflow.h"
#include "meter/meter.h"
#include "offload/offload.h"
#include "ovs-thread.h"
#include "pmd/placement.h"
#include "pmd/pmd.h"
#include "port/port.h"
#include "upcall/upcall.h"

struct conntrack;

/* "pmd-auto-lb" and what goes with it. */
struct dp_balance_config {
    bool enabled;
    uint64_t interval_ms;       /* "pmd-auto-lb-rebal-interval". */
    unsigned int load_percent;  /* "pmd-auto-lb-load-threshold". */
    unsigned int improvement_percent;
                                /* "pmd-auto-lb-improvement-threshold". */
};

struct dp_balance {
    struct dp_balance_config config;
    long long int last;         /* Time of the last look at the load, or 0. */
    bool changed;               /* Placed anew since. */
    bool possible;              /* What that look said: can it help? */
};

struct dp {
    char *name;
    struct port_table ports;
    struct megaflow_table *flows;
    struct offload *offload;
    struct upcall *upcall;
    struct meter_table *meters;
    struct bond_table *bonds;
    struct conntrack *conntrack;    /* Owned; see conntrack.h of OVS. */

    struct pmd_env env;         /* The above, for pmd/. */
    struct pmd *shared;         /* The main thread's context. */
    struct vhost_port *(*vhost)(const struct netdev *);

    struct ovs_mutex pmds_mutex;    /* Held to change the two below, and to
                                     * read them on other threads. */
    struct pmd **pmds;          /* Polling threads, in order of cores. */
    size_t n_pmds;

    struct placement placement; /* Who polls what. */
    bool wants_placement;       /* dp_run() is to place the queues anew. */
    struct dp_balance balance;

    struct placement_rules rules;
    char *cpu_mask;             /* "pmd-cpu-mask", or NULL. */
    char *problem;              /* What is wrong with it, or NULL. */
    struct seq *port_seq;       /* Changes when ports come or go. */
};

/* 'dpif_type' is the type as OVS's netdev_ports_get() compares it, a constant.
 * 'vhost' tells the vhost_port behind a netdev, or returns NULL. */
struct dp *dp_create(const char *name, const char *dpif_type,
                     struct vhost_port *(*vhost)(const struct netdev *));
void dp_destroy(struct dp *);

/* Polls what polling threads do not, and reconfigures what asks for it. */
void dp_run(struct dp *);
void dp_wait(struct dp *);

/* Adds netdev 'name' of class 'type'.  If '*port_no' is ODPP_NONE, chooses a
 * number.  Returns EEXIST if the device is a port already, EBUSY if the
 * number is taken, or what opening the device returned. */
int dp_port_add(struct dp *, const char *name, const char *type,
                odp_port_t *port_no);
int dp_port_del(struct dp *, odp_port_t);

/* Gives port 'name' number 'port_no'.  Returns ENODEV if there is no such
 * port, EBUSY if the number is taken. */
int dp_port_renumber(struct dp *, const char *name, odp_port_t port_no);

/* "pmd-rxq-affinity" of a port, as "QUEUE:CORE,...", or NULL. */
int dp_port_set_affinity(struct dp *, odp_port_t, const char *affinity);

/* "tx-steering" of a port: by hash, or the queue of the thread. */
int dp_port_set_steering(struct dp *, odp_port_t, bool by_hash);

/* What the keys of the userspace datapath in Open_vSwitch other_config say. */
struct dp_config {
    const char *cpu_mask;       /* "pmd-cpu-mask" (hex), or NULL. */
    uint32_t max_sleep_us;      /* "pmd-maxsleep". */
    bool busy_poll;             /* "pmd-busy-poll". */
    bool perf_metrics;          /* "pmd-perf-metrics". */
    unsigned int cache_entries; /* "pmd-flow-cache-size", FLOW_CACHE_MIN to
                                 * FLOW_CACHE_MAX. */
    struct placement_rules rules;
    struct dp_balance_config balance;
};

/* Applies 'config'.  Queues are placed anew by the next dp_run(). */
void dp_set_config(struct dp *, const struct dp_config *config);

/* Makes the next dp_run() place all queues anew, by the load that has been
 * measured. */
void dp_request_placement(struct dp *);

/* Returns true if some port is served by polling threads. */
bool dp_has_polled_port(const struct dp *);

/* Sums up the counters of all threads.  Any thread may call this: ofproto's
 * upcall and revalidator threads do. */
void dp_get_counters(struct dp *, uint64_t totals[PMD_N_COUNTERS]);

#endif /* dp.h */
