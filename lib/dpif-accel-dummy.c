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

/* The datapath type "dummy", for tests
 * ====================================
 *
 * "ovs-vswitchd --enable-dummy" offers a datapath whose internal ports are
 * dummy devices and whose port numbers can be foreseen.  In stock OVS it is
 * dpif-netdev in disguise; here it is dpif-accel, so that OVS's own unit tests
 * test us.  The linker redirects OVS's call of dpif_dummy_register() to here
 * (--wrap=dpif_dummy_register). */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dp.h"
#include "dpif-accel.h"
#include "dummy.h"
#include "odp-util.h"
#include "sset.h"
#include "unixctl.h"

void __wrap_dpif_dummy_register(enum dummy_level);

/* Classes are never unregistered for good, so this is never freed. */
static void
register_as(const char *type)
{
    struct dpif_class *class = xmemdup(&dpif_accel_class, sizeof *class);

    class->type = xstrdup(type);
    dp_register_provider(class);
}

static void
take_place_of(const char *type)
{
    int error = dp_unregister_provider(type);

    /* EAFNOSUPPORT: there is none, as on systems other than Linux. */
    if (!error || error == EAFNOSUPPORT) {
        register_as(type);
    }
}

static void
change_port_number(struct unixctl_conn *conn, int argc OVS_UNUSED,
                   const char *argv[], void *aux OVS_UNUSED)
{
    unsigned int new_no = strtoul(argv[3], NULL, 10);
    char *error;

    error = dpif_accel_dummy_renumber(argv[1], argv[2], u32_to_odp(new_no));
    if (error) {
        unixctl_command_reply_error(conn, error);
        free(error);
    } else {
        unixctl_command_reply(conn, NULL);
    }
}

/* To unregister or list classes registers OVS's own first, so it must not
 * happen where nothing is overridden: a --disable-system that comes later on
 * the command line would be too late. */
void
__wrap_dpif_dummy_register(enum dummy_level level)
{
    if (level == DUMMY_OVERRIDE_ALL) {
        struct sset types = SSET_INITIALIZER(&types);
        const char *type;

        dp_enumerate_types(&types);
        SSET_FOR_EACH (type, &types) {
            take_place_of(type);
        }
        sset_destroy(&types);
    } else if (level == DUMMY_OVERRIDE_SYSTEM) {
        take_place_of("system");
    }
    register_as("dummy");
    unixctl_command_register("dpif-dummy/change-port-number",
                             "dp port new-number", 3, 3,
                             change_port_number, NULL);
}

odp_port_t
dpif_accel_dummy_port_no(const struct dp *dp, const char *name)
{
    uint32_t base = strncmp(name, "br", 2) ? 0 : 100;
    size_t prefix = strcspn(name, "0123456789");
    odp_port_t port_no;

    if (name[prefix]) {
        port_no = u32_to_odp(base + strtol(name + prefix, NULL, 10));
        if (port_no != ODPP_LOCAL && port_no != ODPP_NONE
            && !port_table_find(&dp->ports, port_no)) {
            return port_no;
        }
    }
    return ODPP_NONE;
}
