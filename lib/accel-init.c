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

/* How Open vSwitch learns of us, without a patch: the linker redirects its
 * call of bridge_init() to here (--wrap=bridge_init). */

#include "vswitchd/bridge.h"
#include "dpif.h"
#include "dpif-accel.h"
#include "netdev-accel-vhost.h"

void __real_bridge_init(const char *remote);
void __wrap_bridge_init(const char *remote);

void
__wrap_bridge_init(const char *remote)
{
    netdev_accel_vhost_register();
    dp_register_provider(&dpif_accel_class);
    dpif_accel_unixctl_register();
    dpif_accel_metrics_register();
    __real_bridge_init(remote);
}
