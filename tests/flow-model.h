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

#ifndef ACCEL_FLOW_MODEL_H
#define ACCEL_FLOW_MODEL_H 1

/* A megaflow table beside a plain list of what should be in it, and what tests
 * of flow/ need to fill both with random flows.  For one thread. */

#include "flow/megaflow.h"
#include "openvswitch/match.h"

#define FLOW_MODEL_MAX_FLOWS 64

struct flow_model_flow {
    ovs_u128 ufid;
    struct match match;
    const struct action_program *program;
    uint64_t packets;
    uint16_t tcp_flags;
    long long int used;
};

struct flow_model {
    struct megaflow_table *table;
    struct flow_model_flow flows[FLOW_MODEL_MAX_FLOWS];
    size_t n;
    uint64_t last_id;
    long long int clock;
};

/* One random change of table and list, and a check of their counts.  An added
 * flow matches 'packet'. */
void flow_model_change(struct flow_model *, const struct flow *packet);

/* Checks that 'mf', as found for 'packet', is one that the list has for it,
 * and counts it in both. */
void flow_model_check_hit(struct flow_model *, struct megaflow *mf,
                          const struct flow *packet);

/* Returns true if some flow on the list matches 'packet'. */
bool flow_model_matches(const struct flow_model *, const struct flow *packet);

/* Random masks, as ofproto would make them, or with bits here and there; one
 * of a few ports; a program that drops. */
void flow_model_wildcards(struct flow_wildcards *);
odp_port_t flow_model_port(void);
struct action_program *flow_model_program(void);

/* Extracts the way OVS does, from a packet of its own. */
void flow_model_extract(const uint8_t *frame, size_t len, odp_port_t in_port,
                        struct flow_key *, struct flow *, uint16_t *tcp_flags);

#endif /* flow-model.h */
