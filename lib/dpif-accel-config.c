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

/* Reads the keys of Open_vSwitch and Interface other_config that
 * vswitchd/vswitch.xml of OVS documents for the userspace datapath.
 * Documentation/topics/configuration.rst lists what becomes of each. */

#include "dpif-accel.h"

#include "dp.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "sset.h"

VLOG_DEFINE_THIS_MODULE(accel_config);

/* Limits and defaults, as in lib/dpif-netdev.c. */
#define MAX_SLEEP_US 10000
#define BALANCE_MINUTES 1
#define BALANCE_MAX_MINUTES 20000
#define BALANCE_LOAD_PERCENT 95
#define BALANCE_IMPROVEMENT_PERCENT 25

/* A key that has no effect here, and why. */
struct idle_key {
    const char *key;
    const char *why;
};

/* Says once for each key of 'keys' that is set that it does nothing here. */
static void
note_idle(const struct smap *config, const struct idle_key *keys,
          size_t n_keys)
{
    static struct sset noted = SSET_INITIALIZER(&noted);

    for (size_t i = 0; i < n_keys; i++) {
        if (smap_get(config, keys[i].key) && sset_add(&noted, keys[i].key)) {
            VLOG_INFO("other_config:%s has no effect on datapath type "
                      "\"accel\": %s", keys[i].key, keys[i].why);
        }
    }
}

static void
get_rules(const struct smap *config, struct placement_rules *rules)
{
    const char *assign = smap_get_def(config, "pmd-rxq-assign", "cycles");

    if (!strcmp(assign, "roundrobin")) {
        rules->algo = PLACE_ROUNDROBIN;
    } else if (!strcmp(assign, "group")) {
        rules->algo = PLACE_GROUP;
    } else {
        if (strcmp(assign, "cycles")) {
            VLOG_WARN("Unsupported rx queue to PMD assignment mode in "
                      "pmd-rxq-assign. Defaulting to 'cycles'.");
        }
        rules->algo = PLACE_CYCLES;
    }

    rules->isolate = smap_get_bool(config, "pmd-rxq-isolate", true);
    if (!rules->isolate && rules->algo != PLACE_GROUP) {
        VLOG_WARN("pmd-rxq-isolate can only be set false when using "
                  "pmd-rxq-assign=group");
        rules->isolate = true;
    }
}

static unsigned int
get_percent(const struct smap *config, const char *key, unsigned int def)
{
    unsigned int percent = smap_get_uint(config, key, def);

    return percent > 100 ? def : percent;
}

static void
get_balance(const struct smap *config, struct dp_balance_config *balance)
{
    uint64_t minutes = smap_get_ullong(config, "pmd-auto-lb-rebal-interval",
                                       BALANCE_MINUTES);

    if (!minutes || minutes > BALANCE_MAX_MINUTES) {
        minutes = BALANCE_MINUTES;
    }
    balance->interval_ms = minutes * 60000;
    balance->enabled = smap_get_bool(config, "pmd-auto-lb", false);
    balance->load_percent = get_percent(
        config, "pmd-auto-lb-load-threshold", BALANCE_LOAD_PERCENT);
    balance->improvement_percent = get_percent(
        config, "pmd-auto-lb-improvement-threshold",
        BALANCE_IMPROVEMENT_PERCENT);
}

static unsigned int
get_cache_entries(const struct smap *config)
{
    unsigned long long int n = smap_get_ullong(config, "pmd-flow-cache-size",
                                               FLOW_CACHE_DEFAULT);

    return MIN(MAX(n, FLOW_CACHE_MIN), FLOW_CACHE_MAX);
}

int
dpif_accel_set_config(struct dpif *dpif, const struct smap *other_config)
{
    static const struct idle_key idle[] = {
        { "emc-insert-inv-prob", "it has a flow cache of its own" },
        { "smc-enable", "it has a flow cache of its own" },
        { "tx-flush-interval", "packets are sent at the end of the burst that "
          "they came with" },
    };
    struct dp_config config = {
        .cpu_mask = smap_get(other_config, "pmd-cpu-mask"),
        .max_sleep_us = MIN(MAX_SLEEP_US, smap_get_ullong(
                                other_config, "pmd-maxsleep", 0)),
        .busy_poll = smap_get_bool(other_config, "pmd-busy-poll", false),
        .perf_metrics = smap_get_bool(other_config, "pmd-perf-metrics",
                                      false),
        .cache_entries = get_cache_entries(other_config),
    };

    note_idle(other_config, idle, ARRAY_SIZE(idle));
    get_rules(other_config, &config.rules);
    get_balance(other_config, &config.balance);
    dp_set_config(dpif_accel_dp(dpif), &config);
    return 0;
}

int
dpif_accel_port_set_config(struct dpif *dpif, odp_port_t port_no,
                           const struct smap *other_config)
{
    static const struct idle_key idle[] = {
        { "emc-enable", "it has a flow cache of its own" },
    };
    struct dp *dp = dpif_accel_dp(dpif);
    int error;

    note_idle(other_config, idle, ARRAY_SIZE(idle));
    error = dp_port_set_steering(dp, port_no,
                                 !strcmp("hash", smap_get_def(
                                     other_config, "tx-steering", "")));
    return error ? error : dp_port_set_affinity(
        dp, port_no, smap_get(other_config, "pmd-rxq-affinity"));
}
