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

#ifndef ACCEL_UPCALL_FIXTURE_H
#define ACCEL_UPCALL_FIXTURE_H 1

/* What the tests of upcall/ share: a flow table, upcalls, and ports without a
 * netdev; packets whose microflow is their in_port and UDP destination port
 * and that carry a number. */

#include "dp-packet.h"
#include "flow/megaflow.h"
#include "openvswitch/ofpbuf.h"
#include "port/port.h"
#include "upcall/upcall.h"

#define UPCALL_FIXTURE_PORTS 8

struct upcall_fixture {
    struct megaflow_table *flows;
    struct upcall *upcall;
    struct port *ports[UPCALL_FIXTURE_PORTS];
};

/* Upcalls are enabled, but no thread runs. */
void upcall_fixture_init(struct upcall_fixture *, upcall_callback *,
                         void *aux);

/* Checks that no packet waits any more. */
void upcall_fixture_destroy(struct upcall_fixture *);

struct dp_packet *upcall_fixture_packet(unsigned int in_port, uint16_t flow,
                                        uint32_t id);
uint32_t upcall_fixture_packet_id(const struct dp_packet *);
uint16_t upcall_fixture_packet_flow(const struct dp_packet *);

/* What a callback answers: a mask that has 'flow' bits of the microflow, and
 * some actions. */
void upcall_fixture_wildcards(struct flow_wildcards *, uint16_t flow);
void upcall_fixture_actions(struct ofpbuf *actions);

#endif /* upcall-fixture.h */
