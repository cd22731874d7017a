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

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "accel-dpdk.h"
#include "dirs.h"
#include "if-notifier.h"
#include "netdev-accel-vhost-private.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(netdev_accel_vhost_config);

/* As OVS has them for dpdkvhostuserclient ports. */
#define TX_RETRIES_DEFAULT 8
#define TX_RETRIES_MAX 32

#define SERVER_PATH "vhost-server-path"
#define LISTEN_PATH "vhost-listen-path"

/* Longest path that fits a Unix socket's address with its null byte. */
#define PATH_BYTES_MAX (sizeof ((struct sockaddr_un *) NULL)->sun_path - 1)

/* How often to look for a directory that was missing, and how long the same
 * error about the same port stays silent. */
#define DIR_CHECK_MS 1000
#define ERROR_REPEAT_MS 60000

static int OVS_PRINTF_FORMAT(2, 3)
refuse(char **errp, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    *errp = xvasprintf(format, args);
    va_end(args);
    return EINVAL;
}

/* Options */

static int
check_option_names(const char *name, const struct smap *args, bool by_name,
                   char **errp)
{
    static const char *const known[] = {
        "n_rxq", "tx-retries-max", SERVER_PATH, LISTEN_PATH
    };
    size_t n_known = by_name ? 2 : ARRAY_SIZE(known);
    const struct smap_node *node;

    SMAP_FOR_EACH (node, args) {
        size_t i;

        for (i = 0; i < n_known; i++) {
            if (!strcmp(node->key, known[i])) {
                break;
            }
        }
        if (i >= n_known) {
            return refuse(errp, "%s: unknown option '%s'; remove it (known "
                          "are n_rxq, tx-retries-max%s)", name, node->key,
                          by_name ? "" : ", "SERVER_PATH", "LISTEN_PATH);
        }
    }
    return 0;
}

static int
parse_number(const char *name, const struct smap *args, const char *key,
             int min, int max, int default_value, int *value, char **errp)
{
    const char *s = smap_get(args, key);

    *value = default_value;
    if (s && (!str_to_int(s, 10, value) || *value < min || *value > max)) {
        return refuse(errp, "%s: options:%s=%s is not a number from %d to %d; "
                      "correct it or remove it", name, key, s, min, max);
    }
    return 0;
}

/* Finds the path in 'args', relative ones under OVS's run directory. */
static int
parse_path(const char *name, const struct smap *args,
           struct accel_vhost_config *config, char **errp)
{
    const char *server = smap_get(args, SERVER_PATH);
    const char *listener = smap_get(args, LISTEN_PATH);

    if (server && listener) {
        return refuse(errp, "%s: options:"SERVER_PATH"=%s and options:"
                      LISTEN_PATH"=%s exclude each other; remove one of them",
                      name, server, listener);
    }
    if ((!server || !server[0]) && (!listener || !listener[0])) {
        return refuse(errp, "%s: no socket path; set options:"SERVER_PATH
                      " if the virtual machine listens or options:"
                      LISTEN_PATH" if the switch shall listen", name);
    }
    config->connect = server != NULL;
    config->path = abs_file_name(ovs_rundir(), server ? server : listener);
    return 0;
}

/* The socket of a port of class "accelvhostuser", as OVS places those of
 * "dpdkvhostuser" ports: in the subdirectory vhost-sock-dir of the run
 * directory.  As there, a live port's socket never moves. */
static int
derive_path(const char *name, const struct accel_vhost_config *old,
            struct accel_vhost_config *config, char **errp)
{
    const char *dir = smap_get(accel_dpdk_other_config(), "vhost-sock-dir");

    config->connect = false;
    if (old->path) {
        config->path = xstrdup(old->path);
        return 0;
    }
    if (strpbrk(name, "/\\")) {
        return refuse(errp, "%s: a port that names its socket must not have "
                      "'/' or '\\' in its name; rename it", name);
    }
    if (dir && strstr(dir, "..")) {
        return refuse(errp, "%s: other_config:vhost-sock-dir=%s must name a "
                      "subdirectory of %s; correct it", name, dir,
                      ovs_rundir());
    }
    config->path = (dir
                    ? xasprintf("%s/%s/%s", ovs_rundir(), dir, name)
                    : xasprintf("%s/%s", ovs_rundir(), name));
    return 0;
}

/* Resolves 'path', as far as it exists, into '*realp'.  Returns 0 or, if its
 * directory does not exist, a positive errno value. */
static int
resolve_path(const char *path, char **realp)
{
    int error = 0;

    *realp = realpath(path, NULL);
    if (!*realp) {
        char *dir = dir_name(path);
        char *dir_itself = xasprintf("%s/.", dir);
        char *base = base_name(path);
        char *real_dir = realpath(dir_itself, NULL);

        if (real_dir) {
            *realp = xasprintf("%s/%s", real_dir, base);
        } else {
            error = errno;
        }
        free(base);
        free(real_dir);
        free(dir_itself);
        free(dir);
    }
    return error;
}

/* Checks whether a socket can live at config->path. */
static int
check_path(const char *name, struct accel_vhost_config *config, char **errp)
{
    const char *path = config->path;
    struct stat s;
    int error;

    if (strlen(path) > PATH_BYTES_MAX) {
        return refuse(errp, "%s: socket path %s has %"PRIuSIZE" bytes where "
                      "%"PRIuSIZE" fit; choose a shorter one",
                      name, path, strlen(path), PATH_BYTES_MAX);
    }
    error = resolve_path(path, &config->real_path);
    if (error) {
        char *dir = dir_name(path);

        refuse(errp, "%s: socket path %s cannot exist (%s: %s); create the "
               "directory or choose another path", name, path, dir,
               ovs_strerror(error));
        free(dir);
        return error;
    }
    if (!stat(path, &s) && !S_ISSOCK(s.st_mode)) {
        return refuse(errp, "%s: socket path %s is taken by something that is "
                      "not a socket; remove it or choose another path",
                      name, path);
    }
    return 0;
}

int
accel_vhost_config_parse(const char *name, const struct smap *args,
                         bool by_name, const struct accel_vhost_config *old,
                         struct accel_vhost_config *config, char **errp)
{
    int n_rxq, tx_retries_max;
    int error;

    memset(config, 0, sizeof *config);
    error = check_option_names(name, args, by_name, errp);
    if (!error) {
        error = (by_name
                 ? derive_path(name, old, config, errp)
                 : parse_path(name, args, config, errp));
    }
    if (!error) {
        error = parse_number(name, args, "n_rxq", 1, VHOST_MAX_QUEUE_PAIRS,
                             VHOST_MAX_QUEUE_PAIRS, &n_rxq, errp);
    }
    if (!error) {
        error = parse_number(name, args, "tx-retries-max", 0, TX_RETRIES_MAX,
                             TX_RETRIES_DEFAULT, &tx_retries_max, errp);
    }
    if (!error) {
        config->max_qpairs = n_rxq;
        config->tx_retries_max = tx_retries_max;
        if (nullable_string_is_equal(config->path, old->path)) {
            config->real_path = xstrdup(old->real_path);
        } else {
            error = check_path(name, config, errp);
        }
    }
    if (error) {
        /* The path tells accel_vhost_config_log_error() what to wait for. */
        free(config->real_path);
        config->real_path = NULL;
    }
    return error;
}

void
accel_vhost_config_clone(struct accel_vhost_config *dst,
                         const struct accel_vhost_config *src)
{
    *dst = *src;
    dst->path = nullable_xstrdup(src->path);
    dst->real_path = nullable_xstrdup(src->real_path);
}

void
accel_vhost_config_destroy(struct accel_vhost_config *config)
{
    free(config->path);
    free(config->real_path);
    memset(config, 0, sizeof *config);
}

bool
accel_vhost_config_needs_reopen(const struct accel_vhost_config *a,
                                const struct accel_vhost_config *b)
{
    return (!nullable_string_is_equal(a->path, b->path)
            || a->connect != b->connect
            || a->max_qpairs != b->max_qpairs);
}

/* Refused configurations.
 *
 * bridge.c destroys a port that it cannot configure and tries again each time
 * that anything in the database changes, so what has been said already must
 * outlive the netdev. */

struct config_error {
    char *text;
    long long int logged;       /* When. */
    char *missing_dir;          /* Whose absence is the error, or NULL. */
};

static struct ovs_mutex errors_mutex = OVS_MUTEX_INITIALIZER;
static struct shash errors OVS_GUARDED_BY(errors_mutex)
    = SHASH_INITIALIZER(&errors);
static long long int next_dir_check OVS_GUARDED_BY(errors_mutex);

static void
config_error_delete(struct shash_node *node)
    OVS_REQUIRES(errors_mutex)
{
    struct config_error *error = node->data;

    free(error->text);
    free(error->missing_dir);
    free(error);
    shash_delete(&errors, node);
}

/* Forgets all errors that neither silence a repetition nor wait. */
static void
config_errors_expire(void)
    OVS_REQUIRES(errors_mutex)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &errors) {
        const struct config_error *error = node->data;

        if (!error->missing_dir
            && time_msec() >= error->logged + ERROR_REPEAT_MS) {
            config_error_delete(node);
        }
    }
}

void
accel_vhost_config_log_error(const char *name,
                             const struct accel_vhost_config *config,
                             const char *text)
{
    struct config_error *error;

    ovs_mutex_lock(&errors_mutex);
    config_errors_expire();
    error = shash_find_data(&errors, name);
    if (!error || strcmp(error->text, text)) {
        VLOG_WARN("%s", text);
        if (!error) {
            error = xzalloc(sizeof *error);
            shash_add(&errors, name, error);
        }
        free(error->text);
        error->text = xstrdup(text);
        error->logged = time_msec();
        free(error->missing_dir);
        error->missing_dir = NULL;
        if (config->path && !config->real_path) {
            char *dir = dir_name(config->path);
            struct stat s;

            if (stat(dir, &s)) {
                error->missing_dir = xstrdup(dir);
            }
            free(dir);
        }
    }
    ovs_mutex_unlock(&errors_mutex);
}

void
accel_vhost_config_clear_error(const char *name)
{
    struct shash_node *node;

    ovs_mutex_lock(&errors_mutex);
    node = shash_find(&errors, name);
    if (node) {
        config_error_delete(node);
    }
    ovs_mutex_unlock(&errors_mutex);
}

static bool
awaits_directory(void)
    OVS_REQUIRES(errors_mutex)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &errors) {
        const struct config_error *error = node->data;

        if (error->missing_dir) {
            return true;
        }
    }
    return false;
}

void
accel_vhost_config_run(void)
{
    struct shash_node *node;
    bool appeared = false;

    ovs_mutex_lock(&errors_mutex);
    if (!shash_is_empty(&errors) && time_msec() >= next_dir_check) {
        next_dir_check = time_msec() + DIR_CHECK_MS;
        SHASH_FOR_EACH_SAFE (node, &errors) {
            const struct config_error *error = node->data;
            struct stat s;

            if (error->missing_dir && !stat(error->missing_dir, &s)) {
                config_error_delete(node);
                appeared = true;
            }
        }
    }
    ovs_mutex_unlock(&errors_mutex);

    if (appeared) {
        if_notifier_manual_report();
    }
}

void
accel_vhost_config_wait(void)
{
    ovs_mutex_lock(&errors_mutex);
    if (awaits_directory()) {
        poll_timer_wait_until(next_dir_check);
    }
    ovs_mutex_unlock(&errors_mutex);
}
