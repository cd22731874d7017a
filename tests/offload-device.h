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

#ifndef ACCEL_OFFLOAD_DEVICE_H
#define ACCEL_OFFLOAD_DEVICE_H 1

/* A device for the tests of offload/: netdevs of class "test-offload", which
 * do nothing but to take flows.  It remembers what it was given, can be told
 * to refuse, and its door can be kept shut. */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/types.h"
#include "ovs-thread.h"

#define OFFLOAD_DEVICE_THREADS 3

/* What all flows must have. */
#define OFFLOAD_DEVICE_ORIG_IN_PORT 7

/* Held to keep offload threads from what they are about to do. */
extern struct ovs_mutex offload_device_door;

/* Registers the class and its flow API, and turns offload on, with so many
 * threads as above. */
void offload_device_init(void);
void offload_device_destroy(void);

size_t offload_device_n_flows(void);
unsigned int offload_device_n_puts(void);       /* Taken or refused. */

/* A busy device does not tell what it has counted. */
void offload_device_busy(bool);

/* 'forgets' tells whether it loses a flow of which it refuses new actions. */
void offload_device_refuse(bool refuses, bool forgets);

/* Returns the mark of the flow with 'ufid' and stores its output port, or
 * returns 0 if the device does not have it. */
uint32_t offload_device_look(const ovs_u128 *ufid, uint32_t *output);

#endif /* offload-device.h */
