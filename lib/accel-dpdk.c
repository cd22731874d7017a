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
#include "accel-dpdk.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>

#include "dpdk.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "svec.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(accel_dpdk);

#define HUGEPAGES_DIR "/sys/kernel/mm/hugepages"
#define PCI_DEVICES_DIR "/sys/bus/pci/devices"

/* EAL without huge pages takes all its memory at the start, from ordinary
 * pages that stay untouched until they are used.  librte_vhost wants some tens
 * of kilobytes per queue of it. */
#define NO_HUGE_MB 256

/* Fewer free huge pages than this would start EAL and fail the ports. */
#define HUGE_MIN_MB 64

/* The linker sends OVS's calls of dpdk_init() to __wrap_dpdk_init(), and ours
 * of __real_dpdk_init() to OVS's function (ld's --wrap=dpdk_init). */
void __real_dpdk_init(const struct smap *ovs_other_config);
void __wrap_dpdk_init(const struct smap *ovs_other_config);

static struct smap other_config = SMAP_INITIALIZER(&other_config);

/* bridge_run() calls this once per iteration of the main loop, before it opens
 * a bridge or a port. */
void
__wrap_dpdk_init(const struct smap *ovs_other_config)
{
    if (ovs_other_config && !smap_equal(&other_config, ovs_other_config)) {
        smap_destroy(&other_config);
        smap_clone(&other_config, ovs_other_config);
    }
    __real_dpdk_init(ovs_other_config);
}

const struct smap *
accel_dpdk_other_config(void)
{
    return &other_config;
}

/* Megabytes of free huge pages of all sizes.  EAL's in-memory mode needs no
 * hugetlbfs mount to use them. */
static uint64_t
free_hugepages_mb(void)
{
    struct dirent *entry;
    uint64_t total_kb = 0;
    DIR *dir = opendir(HUGEPAGES_DIR);

    if (!dir) {
        return 0;
    }
    while ((entry = readdir(dir)) != NULL) {
        unsigned long long page_kb, n_free;
        char *path;
        FILE *file;

        if (!ovs_scan(entry->d_name, "hugepages-%llukB", &page_kb)) {
            continue;
        }
        path = xasprintf("%s/%s/free_hugepages", HUGEPAGES_DIR,
                         entry->d_name);
        file = fopen(path, "r");
        if (file) {
            if (fscanf(file, "%llu", &n_free) == 1) {
                total_kb += page_kb * n_free;
            }
            fclose(file);
        }
        free(path);
    }
    closedir(dir);
    return total_kb / 1024;
}

/* Tells whether one of the words of 'extra' is one of EAL's 'options' (null at
 * the end), alone, with "=VALUE" or, for a short option, with its value. */
static bool
extra_has_option(const struct svec *extra, const char *const options[])
{
    const char *word;
    size_t i;

    SVEC_FOR_EACH (i, word, extra) {
        for (size_t j = 0; options[j]; j++) {
            size_t len = strlen(options[j]);

            if (!strncmp(word, options[j], len)
                && (!word[len] || word[len] == '=' || len == 2)) {
                return true;
            }
        }
    }
    return false;
}

/* Tells whether the user has said where DPDK's memory comes from. */
static bool
user_chose_memory(const struct svec *extra)
{
    static const char *const keys[] = {
        "dpdk-alloc-mem", "dpdk-socket-mem", "dpdk-socket-limit",
        "dpdk-hugepage-dir",
    };
    static const char *const options[] = {
        "-m", "--socket-mem", "--socket-limit", "--huge-dir", "--no-huge",
        "--legacy-mem", "--in-memory", "--huge-unlink",
        "--single-file-segments", "--match-allocations", NULL,
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (smap_get(&other_config, keys[i])) {
            return true;
        }
    }
    return extra_has_option(extra, options);
}

/* Starts EAL through OVS's dpdk_init(), which adds what the dpdk-* keys say,
 * redirects DPDK's log to OVS's and registers OVS's dpdk* netdev classes.  The
 * user's dpdk-extra comes last, because EAL heeds the last of two equal
 * options. */
static void
start_eal(void)
{
    static const char *const pci_options[] = {
        "-a", "-w", "-b", "--allow", "--block", "--no-pci", NULL,
    };
    const char *user_extra = smap_get_def(&other_config, "dpdk-extra", "");
    struct svec words = SVEC_EMPTY_INITIALIZER;
    struct ds extra = DS_EMPTY_INITIALIZER;
    struct smap config;
    bool no_huge;

    svec_parse_words(&words, user_extra);
    no_huge = (!user_chose_memory(&words)
               && free_hugepages_mb() < HUGE_MIN_MB);
    if (no_huge) {
        /* --no-huge excludes --in-memory, which OVS adds unless it sees
         * --legacy-mem; --no-shconf keeps memory out of the file system as
         * --in-memory would. */
        VLOG_INFO("fewer than %d MB of huge pages are free: starting DPDK "
                  "with %d MB of ordinary memory", HUGE_MIN_MB, NO_HUGE_MB);
        ds_put_format(&extra, "--no-huge --legacy-mem --no-shconf "
                      "--no-telemetry -m %d --file-prefix=ovs-accel-%ld ",
                      NO_HUGE_MB, (long int) getpid());
    }
    if (!extra_has_option(&words, pci_options)) {
        /* Allowing a device that is none keeps EAL from taking those that it
         * finds.  Unlike with --no-pci, a port of type dpdk can still ask for
         * its own. */
        ds_put_cstr(&extra, (access(PCI_DEVICES_DIR, F_OK)
                             ? "--no-pci " : "-a 0000:00:00.0 "));
    }
    ds_put_cstr(&extra, user_extra);

    smap_clone(&config, &other_config);
    smap_replace(&config, "dpdk-init", "try");
    smap_replace(&config, "dpdk-extra", ds_cstr(&extra));
    __real_dpdk_init(&config);
    smap_destroy(&config);
    svec_destroy(&words);
    ds_destroy(&extra);

    if (no_huge && dpdk_available()) {
        /* EAL made it for the files that --no-shconf spares. */
        rmdir(rte_eal_get_runtime_dir());
    }
}

int
accel_dpdk_start(char **errp)
{
    static bool tried;
    const char *dpdk_init_value = smap_get(&other_config, "dpdk-init");

    if (dpdk_available()) {
        return 0;
    }

    if (!tried && dpdk_init_value) {
        if (strcasecmp(dpdk_init_value, "true")
            && strcasecmp(dpdk_init_value, "try")) {
            if (errp) {
                *errp = xasprintf("DPDK is switched off by other_config:"
                                  "dpdk-init=%s; remove that key",
                                  dpdk_init_value);
            }
            return ENODEV;
        }
        /* OVS has tried. */
        tried = true;
    }

    if (!tried) {
        tried = true;
        start_eal();
        if (dpdk_available()) {
            return 0;
        }
    }
    if (errp) {
        *errp = xstrdup("DPDK failed to start (the log says why); fix "
                        "other_config:dpdk-*, then restart ovs-vswitchd");
    }
    return ENODEV;
}
