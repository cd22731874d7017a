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

#ifndef ACCEL_ACTION_H
#define ACCEL_ACTION_H 1

/* action: datapath actions, compiled
 * ==================================
 *
 * A megaflow's actions (OVS_ACTION_ATTR_* netlink attributes, see
 * include/linux/openvswitch.h) are compiled once, when the flow is installed,
 * into a 'struct action_program'.  A *direct* program holds only header edits
 * and outputs: the main road runs it on a frame's snapshot, without a
 * dp_packet.  Any other program is run by the side road, which hands
 * 'actions' to OVS's odp_execute_actions().
 *
 * Whatever action_edit() does must leave the same bytes as
 * odp_execute_actions() would: tests/test-action.c compares the two.
 *
 * Programs are immutable, and one serves all who compile the same actions.
 * Any thread may run one; whoever publishes it frees it after an RCU grace
 * period. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conntrack.h"
#include "odp-netlink.h"
#include "openvswitch/types.h"
#include "packets.h"

struct ds;
struct nlattr;
struct vhost_frame;

enum action_op_type {
    ACTION_OP_OUTPUT,
    ACTION_OP_L2,               /* MAC addresses and VLAN tags. */
    ACTION_OP_IPV4_SET,
    ACTION_OP_IPV6_SET,
    ACTION_OP_TCP_SET,
    ACTION_OP_UDP_SET,
};

/* A direct program pushes, or pops, at most this many tags: they must fit the
 * headroom of a frame, and popping must leave headers in its snapshot. */
#define ACTION_MAX_TAGS 8

/* All that is done to the layer 2 of a frame between two outputs, which comes
 * down to this: in MAC addresses that the frame had, bits but those to 'keep'
 * become those of 'macs', the outermost 'n_pops' tags go (or as many as there
 * are), and 'tags' come instead. */
struct action_l2 {
    uint8_t macs[2 * ETH_ADDR_LEN];     /* In the order of the header. */
    uint8_t keep[2 * ETH_ADDR_LEN];
    uint8_t n_pops;
    uint8_t n_tags;
    struct ovs_action_push_vlan tags[ACTION_MAX_TAGS];  /* Innermost first. */
};

struct action_op {
    enum action_op_type type;
    union {
        struct {
            odp_port_t port;
            bool edits_follow;  /* A later operation edits the frame, so this
                                 * output needs a copy of the header. */
        } output;
        struct action_l2 l2;
        struct { struct ovs_key_ipv4 key, mask; } ipv4;
        struct { struct ovs_key_ipv6 key, mask; } ipv6;
        struct { struct ovs_key_tcp key, mask; } tcp;
        struct { struct ovs_key_udp key, mask; } udp;
    };
};

struct action_program {
    const struct nlattr *actions;   /* As ofproto gave them; our copy. */
    size_t actions_len;             /* In bytes. */
    bool direct;                    /* The main road can run it. */
    bool edits;                     /* Some operation is not an output. */
    bool explicit_drop;             /* Nothing but a drop with a reason. */
    uint32_t op_types;              /* Bit 1 << type for each type in 'ops'. */
    unsigned int n_pushes;          /* VLAN tags that 'ops' push, */
    unsigned int n_pops;            /* and pop.  A tag that is popped before
                                     * it is output does not count. */
    unsigned int n_ops;             /* In 'ops'; 0 if not direct, or drop. */
    struct action_op ops[];
};

#define ACTION_FOR_EACH_OP(OP, PROGRAM)                                 \
    for ((OP) = (PROGRAM)->ops;                                         \
         (OP) < (PROGRAM)->ops + (PROGRAM)->n_ops; (OP)++)

/* Compiles the 'len' bytes at 'actions' (none: drop).  Returns 0 and stores a
 * program that the caller frees, or EINVAL for malformed or unknown actions,
 * and points '*why' at a constant string that names the action that was
 * refused.  Any thread may compile and free. */
int action_program_compile(const struct nlattr *actions, size_t len,
                           struct action_program **, const char **why);
void action_program_free(struct action_program *);

/* A ct() action (OVS_ACTION_ATTR_CT), in the terms of conntrack_execute() in
 * OVS's lib/conntrack.h. */
struct action_ct {
    bool commit;
    bool force;
    uint16_t zone;
    const uint32_t *mark;       /* Value and mask, or NULL. */
    const struct ovs_key_ct_labels *labels; /* Value and mask, or NULL. */
    const char *helper;         /* "ftp", "tftp" or NULL. */
    const char *timeout;        /* Number of a timeout policy, or NULL. */
    bool has_nat;
    struct nat_action_info_t nat;   /* If 'has_nat'. */
};

/* Parses 'action' into 'ct', which refers to it.  Returns 0 or EINVAL.  In
 * programs, no ct() action fails to parse. */
int action_ct_parse(const struct nlattr *action, struct action_ct *ct);

/* Counts 'n' frames that 'p' dropped on the main road in OVS's coverage
 * counters drop_action_*, if 'p' is an explicit drop with a reason.  (The side
 * road needs no call: odp_execute_actions() counts.) */
void action_program_count_drops(const struct action_program *p,
                                unsigned int n);

/* Where the headers of a frame that a program edits are, as far as it does
 * edit them.  They stay there when tags before them are pushed or popped. */
struct action_layers {
    uint8_t *l3;
    uint8_t *l4;
};

/* What somebody who has parsed a frame knows of its headers. */
struct action_headers {
    uint32_t op_types;          /* Bit 1 << type for each type of operation on
                                 * L3 or L4 that can be made.  If any, */
    uint8_t l3_ofs, l4_ofs;     /* where these start, in bytes. */
};

/* Returns true if each edit of direct program 'p' can be made on 'frame',
 * whose data_len bytes must hold all headers that 'p' edits (L2 to L4), and
 * fills in 'layers'.  False means that the frame, still unchanged, must take
 * the side road: cut headers, IPv6 extension headers (fragments among them)
 * and other odd frames.  If 'headers' do not say it all, it parses 'frame'. */
bool action_program_fits(const struct action_program *p,
                         const struct vhost_frame *frame,
                         const struct action_headers *headers,
                         struct action_layers *layers);

/* Makes one edit ('op' is not an output) on each of 'n' frames, moving 'data'
 * and 'data_len' when a tag is pushed (into the headroom of frame->room) or
 * popped.  action_program_fits() has said true and told the frames'
 * 'layers'. */
void action_edit(const struct action_op *op,
                 struct vhost_frame *const frames[],
                 const struct action_layers layers[], unsigned int n);

#endif /* action.h */
