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


#ifndef ACCEL_DPDK_H
#define ACCEL_DPDK_H 1

/* accel-dpdk: starts DPDK's EAL when the first port needs it
 * ==========================================================
 *
 * Open vSwitch starts EAL only where other_config:dpdk-init asks for it.  Here
 * the first port that needs DPDK starts it, as dpdk-init=try would, without
 * huge pages if the machine has none to give, and without taking PCI devices
 * that nobody asked for.  All dpdk-* keys hold; dpdk-init=false forbids it.
 *
 * OVS's main thread only. */

struct smap;

/* Starts EAL unless it runs already.  Returns 0 if DPDK is there, otherwise a
 * positive errno value with '*errp' (if 'errp' is nonnull) set to a sentence
 * for the user, which the caller frees.  EAL can be tried once per process:
 * every call after a failed one fails, too. */
int accel_dpdk_start(char **errp);

/* The Open_vSwitch table's other_config as of the last time that bridge_run()
 * saw it; empty before.  Valid until the main thread's next iteration. */
const struct smap *accel_dpdk_other_config(void);

#endif /* accel-dpdk.h */
