/*
 * Copyright (c) 2026 The OVS-Accel Authors.
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

#include "vhost-guest.h"

#include <sys/resource.h>

#include "util.h"

/* A crowd of guests that never send anything. */

/* A guest has about eight file descriptors: more than usual limits allow if
 * there are hundreds of them. */
static void
raise_fd_limit(void)
{
    struct rlimit limit;

    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Opens 'n' guests with rings of the kind that 'config' describes, but small
 * ones, at its path with ".1", ".2"... appended.  Fails like vg_net_open(). */
int
vg_silent_open(struct vg_silent *silent, const struct vg_config *config,
               unsigned int n, char **error)
{
    const struct vg_net_config net_config = {
        .max_frame = 2048,
        .rx_size = 2048,
    };
    struct vg_config c = *config;

    if (n) {
        raise_fd_limit();
    }
    silent->nets = xcalloc(n, sizeof *silent->nets);
    c.n_pairs = 1;
    c.ring_size = 64;
    c.n_regions = 1;
    c.region_size = 1 << 20;
    for (silent->n = 0; silent->n < n; silent->n++) {
        int retval;

        c.path = xasprintf("%s.%u", config->path, silent->n + 1);
        retval = vg_net_open(&silent->nets[silent->n], &c, &net_config,
                             error);
        if (retval) {
            return retval;
        }
    }
    return 0;
}

void
vg_silent_close(struct vg_silent *silent)
{
    for (unsigned int i = 0; i < silent->n; i++) {
        char *path = silent->nets[i].dev.config.path;

        vg_net_close(&silent->nets[i]);
        free(path);
    }
    free(silent->nets);
}

void
vg_silent_run(struct vg_silent *silent)
{
    for (unsigned int i = 0; i < silent->n; i++) {
        vg_net_run(&silent->nets[i]);
    }
}

void
vg_silent_wait(struct vg_silent *silent)
{
    for (unsigned int i = 0; i < silent->n; i++) {
        vg_net_wait(&silent->nets[i]);
    }
}
