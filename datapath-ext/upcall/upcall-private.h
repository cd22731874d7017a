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

#ifndef ACCEL_UPCALL_PRIVATE_H
#define ACCEL_UPCALL_PRIVATE_H 1

/* What the files of upcall/ share. */

#include "mpsc-queue.h"
#include "openvswitch/hmap.h"
#include "openvswitch/ofpbuf.h"
#include "ovs-thread.h"
#include "upcall/upcall.h"

struct upcall_pending;

/* A packet on its way to an upcall thread and back. */
struct upcall_item {
    struct ovs_list queue_node;         /* In upcall_queue. */
    struct mpsc_queue_node answer_node; /* In upcall_client. */
    struct upcall_client *client;

    struct dp_packet *packet;
    struct upcall_origin origin;
    struct upcall_pending *pending;     /* NULL: a userspace action. */
    struct nlattr *userdata;            /* Of that action, or NULL. */

    enum upcall_verdict verdict;        /* Set by the upcall thread. */
    enum port_drop reason;
    struct ofpbuf actions;
};

/* Packets of one in_port that wait to be asked about. */
struct upcall_queue {
    struct hmap_node node;              /* In upcall->queues, by in_port;
                                         * stays for the next miss. */
    odp_port_t in_port;
    struct ovs_list items;
    size_t n_items;
    struct ovs_list ready_node;         /* In upcall->ready, if not busy. */
    bool busy;                          /* An upcall thread serves it. */
};

struct upcall {
    char *dp_name;
    struct megaflow_table *flows;

    struct ovs_mutex mutex;
    pthread_cond_t work;                /* 'ready' grew, or 'exiting'. */
    pthread_cond_t idle;                /* 'n_running' fell to 0. */
    bool enabled OVS_GUARDED;
    unsigned int n_running OVS_GUARDED; /* Callbacks under way. */
    struct hmap queues OVS_GUARDED;     /* Of 'struct upcall_queue's. */
    struct ovs_list ready OVS_GUARDED;  /* Queues with items, not busy. */
    uint64_t n_asked OVS_GUARDED;
    uint64_t n_lost OVS_GUARDED;
    uint64_t n_queued OVS_GUARDED;
    bool exiting OVS_GUARDED;           /* Threads are to end. */

    /* Control thread only. */
    pthread_t *threads;
    unsigned int n_threads;

    upcall_callback *cb;                /* Changed while disabled only. */
    void *cb_aux;
};

/* Queues 'item' of 'in_port'.  Returns false if upcalls are disabled or the
 * queue is full, and sets '*reason'. */
bool upcall_enqueue(struct upcall *, odp_port_t in_port, struct upcall_item *,
                    enum port_drop *reason);

/* Hands 'item' back to its client.  Any thread. */
void upcall_client_answer(struct upcall_item *);

/* The key of an item's pending entry. */
const struct flow_key *upcall_item_key(const struct upcall_item *);

#endif /* upcall-private.h */
