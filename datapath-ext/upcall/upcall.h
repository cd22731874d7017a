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

#ifndef ACCEL_UPCALL_H
#define ACCEL_UPCALL_H 1

/* upcall: asking ofproto what to do with a packet
 * ===============================================
 *
 * A packet that no megaflow matches, or whose actions say userspace(), goes to
 * ofproto through dpif's upcall callback.  A polling thread never calls it: it
 * gives the packet to its 'struct upcall_client', upcall threads ask, and the
 * answer comes back to the same polling thread, which alone sends packets on.
 * Threads that do not poll (the main thread, packet-out) ask inline, with
 * upcall_ask_*().
 *
 * Order: while the first packet of a microflow is away, its client holds a
 * pending entry, and each later packet of that microflow, whether it misses or
 * hits a flow that another microflow brought, waits behind it
 * (upcall_client_holds()).  The entry is closed only after the flow has been
 * published.
 *
 * Fairness: each in_port has a queue of its own of bounded length.  Upcall
 * threads serve the ports in turn, and one port is served by one thread at a
 * time, which repeats the lookup before it asks: so one microflow is never
 * asked about twice, which ofproto's ukeys would punish with a lasting ENOSPC.
 *
 * Who may call what: upcall_ask_*(), any OVS thread; a client's functions, the
 * thread that owns it; the rest, the control thread.  Upcall threads never
 * wait for the control thread. */

#include <stdbool.h>
#include <stdint.h>

#include "dpif.h"
#include "flow/megaflow.h"
#include "openvswitch/list.h"
#include "port/port.h"

struct dp_packet;
struct ofpbuf;
struct upcall;
struct upcall_client;

/* Misses and userspace actions that one in_port may have queued, and packets
 * that may wait behind pending misses in one client per in_port. */
#define UPCALL_QUEUE_MAX 512
#define UPCALL_WAITING_MAX 2048

/* 'dp_name' is for log messages.  Starts with upcalls disabled and no
 * threads. */
struct upcall *upcall_create(const char *dp_name, struct megaflow_table *);
void upcall_destroy(struct upcall *);

void upcall_register_cb(struct upcall *, upcall_callback *, void *aux);
void upcall_enable(struct upcall *);

/* Waits until no callback is running and gives what is queued back to its
 * clients unanswered (PORT_DROP_UPCALL_OFF). */
void upcall_disable(struct upcall *);

/* Starts or stops threads so that 'n' run. */
void upcall_set_n_threads(struct upcall *, unsigned int n);

struct upcall_stats {
    uint64_t asked;             /* Callbacks made. */
    uint64_t lost;              /* Packets that were not asked about. */
    uint64_t queued;            /* Now. */
    unsigned int n_threads;
};
void upcall_get_stats(struct upcall *, struct upcall_stats *);

/* Asking inline */

enum upcall_verdict {
    UPCALL_RUN,                 /* Run 'actions' on the packet. */
    UPCALL_FOUND,               /* A megaflow is there: look it up again. */
    UPCALL_DROP,                /* Drop; '*reason' says why. */
};

/* Asks about a miss of 'packet' with 'key' and installs the megaflow. */
enum upcall_verdict upcall_ask_miss(struct upcall *, struct dp_packet *packet,
                                    const struct flow_key *key,
                                    struct ofpbuf *actions,
                                    enum port_drop *reason);

/* Carries out userspace(userdata) for 'packet'. */
enum upcall_verdict upcall_ask_action(struct upcall *, struct dp_packet *,
                                      const struct nlattr *userdata,
                                      struct ofpbuf *actions,
                                      enum port_drop *reason);

/* Asking from a polling thread */

/* With each answer, 1 is added to 'eventfd', if that is not negative, so that
 * the thread may block.  It must remain open for a grace period after the last
 * answer was taken. */
struct upcall_client *upcall_client_create(struct upcall *, int eventfd);

/* All answers must have been taken: !upcall_client_is_busy(), and a grace
 * period must have passed since. */
void upcall_client_destroy(struct upcall_client *);
bool upcall_client_is_busy(const struct upcall_client *);

/* What a client wants to know again of a packet that comes back. */
struct upcall_origin {
    struct port *port;          /* Where it was received, or NULL.  A reference
                                 * is kept meanwhile. */
    bool open;                  /* Its fate is not in the books of 'port' yet:
                                 * it counts as in flight. */
    unsigned int depth;         /* How often it has recirculated. */
};

/* Queues a miss (or 'packet' behind the pending miss of the same key).  Takes
 * 'packet' if it returns true, else sets '*reason'. */
bool upcall_client_miss(struct upcall_client *, struct dp_packet *packet,
                        const struct flow_key *key,
                        const struct upcall_origin *,
                        enum port_drop *reason);

/* Queues a userspace action of 'packet', which it takes if it returns true.
 * 'userdata' may be NULL. */
bool upcall_client_action(struct upcall_client *, struct dp_packet *packet,
                          const struct nlattr *userdata,
                          const struct upcall_origin *,
                          enum port_drop *reason);

/* True if packets of 'in_port' are pending, so that upcall_client_holds() must
 * be asked for each key. */
bool upcall_client_has_pending(const struct upcall_client *,
                               odp_port_t in_port);

/* True if a packet with 'key' has to wait: pass it to upcall_client_miss(). */
bool upcall_client_holds(const struct upcall_client *,
                         const struct flow_key *key);

/* A packet that comes back. */
struct upcall_answer {
    enum upcall_verdict verdict;
    enum port_drop reason;
    bool miss;                          /* Else a userspace action. */
    struct dp_packet *packet;           /* The caller's now. */
    struct upcall_origin origin;        /* As given.  'port' is a reference, to
                                         * be released when the packet's
                                         * outputs are gathered. */
    struct ofpbuf *actions;             /* Until the next call. */
};

/* Takes the next packet that came back, first ones and those that waited
 * behind them (as UPCALL_FOUND), in order.  Returns false if there is none. */
bool upcall_client_next(struct upcall_client *, struct upcall_answer *);

#endif /* upcall.h */
