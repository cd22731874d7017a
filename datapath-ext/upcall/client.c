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

#include "upcall/upcall.h"

#include <sys/eventfd.h>

#include "dp-packet.h"
#include "hash.h"
#include "netlink.h"
#include "upcall/upcall-private.h"

/* A microflow whose first packet is away. */
struct upcall_pending {
    struct hmap_node node;      /* In client->pending, by hash of key. */
    odp_port_t in_port;
    struct ovs_list waiting;    /* Of 'struct waiting_packet's. */
    struct flow_key key;
};

/* A later packet of that microflow. */
struct waiting_packet {
    struct ovs_list node;
    struct dp_packet *packet;
    struct upcall_origin origin;
};

/* What a client knows of an in_port. */
struct pending_port {
    struct hmap_node node;      /* In client->ports; kept when empty. */
    odp_port_t in_port;
    unsigned int n_pending;     /* Entries. */
    unsigned int n_waiting;     /* Packets in them. */
};

struct upcall_client {
    struct upcall *upcall;
    struct hmap pending;        /* Of 'struct upcall_pending's. */
    struct hmap ports;          /* Of 'struct pending_port's. */
    struct ovs_list ready;      /* Waiting packets of closed entries. */
    unsigned int n_away;        /* Items at the upcall threads. */
    struct upcall_item *answered;   /* What upcall_client_next() gave last. */
    struct mpsc_queue answers;  /* Of 'struct upcall_item's. */
    int eventfd;                /* Tells the thread of them, or -1. */
};

struct upcall_client *
upcall_client_create(struct upcall *u, int eventfd)
{
    struct upcall_client *client = xzalloc(sizeof *client);

    client->upcall = u;
    client->eventfd = eventfd;
    hmap_init(&client->pending);
    hmap_init(&client->ports);
    ovs_list_init(&client->ready);
    mpsc_queue_init(&client->answers);
    return client;
}

static void
free_answered(struct upcall_client *client)
{
    if (client->answered) {
        ofpbuf_uninit(&client->answered->actions);
        free(client->answered->userdata);
        free(client->answered);
        client->answered = NULL;
    }
}

void
upcall_client_destroy(struct upcall_client *client)
{
    struct pending_port *pp;

    ovs_assert(!upcall_client_is_busy(client));
    free_answered(client);
    HMAP_FOR_EACH_POP (pp, node, &client->ports) {
        free(pp);
    }
    hmap_destroy(&client->ports);
    hmap_destroy(&client->pending);
    mpsc_queue_destroy(&client->answers);
    free(client);
}

bool
upcall_client_is_busy(const struct upcall_client *client)
{
    return client->n_away || !ovs_list_is_empty(&client->ready);
}

static struct pending_port *
find_port(const struct upcall_client *client, odp_port_t in_port)
{
    struct pending_port *pp;

    HMAP_FOR_EACH_WITH_HASH (pp, node, hash_int(odp_to_u32(in_port), 0),
                             &client->ports) {
        if (pp->in_port == in_port) {
            return pp;
        }
    }
    return NULL;
}

static struct pending_port *
get_port(struct upcall_client *client, odp_port_t in_port)
{
    struct pending_port *pp = find_port(client, in_port);

    if (!pp) {
        pp = xzalloc(sizeof *pp);
        pp->in_port = in_port;
        hmap_insert(&client->ports, &pp->node,
                    hash_int(odp_to_u32(in_port), 0));
    }
    return pp;
}

bool
upcall_client_has_pending(const struct upcall_client *client,
                          odp_port_t in_port)
{
    const struct pending_port *pp;

    if (hmap_is_empty(&client->pending)) {
        return false;
    }
    pp = find_port(client, in_port);
    return pp && pp->n_pending;
}

static struct upcall_pending *
find_pending(const struct upcall_client *client, const struct flow_key *key)
{
    struct upcall_pending *pending;

    HMAP_FOR_EACH_WITH_HASH (pending, node, flow_key_hash(key),
                             &client->pending) {
        if (flow_key_equal(&pending->key, key)) {
            return pending;
        }
    }
    return NULL;
}

bool
upcall_client_holds(const struct upcall_client *client,
                    const struct flow_key *key)
{
    return find_pending(client, key) != NULL;
}

const struct flow_key *
upcall_item_key(const struct upcall_item *item)
{
    return &item->pending->key;
}

static struct upcall_origin
take_off(const struct upcall_origin *origin)
{
    if (origin->port) {
        port_ref(origin->port);
        if (origin->open) {
            atomic_count_inc(&origin->port->n_in_flight);
        }
    }
    return *origin;
}

/* The reference to the port is the caller's now. */
static struct upcall_origin
land(const struct upcall_origin *origin)
{
    if (origin->port && origin->open) {
        atomic_count_dec(&origin->port->n_in_flight);
    }
    return *origin;
}

/* Prepares 'packet' for a stay that grace periods end in. */
static void
forget_conn(struct dp_packet *packet)
{
    /* OVS's lib/conntrack.c keeps it for the next ct(), which finds it anew
     * then; it may be freed meanwhile. */
    packet->md.conn = NULL;
}

static struct upcall_item *
create_item(struct upcall_client *client, struct dp_packet *packet,
            const struct upcall_origin *origin)
{
    struct upcall_item *item = xzalloc(sizeof *item);

    item->client = client;
    forget_conn(packet);
    item->packet = packet;
    item->origin = take_off(origin);
    ofpbuf_init(&item->actions, 0);
    return item;
}

/* Undoes create_item(), but for the packet. */
static void
discard_item(struct upcall_item *item)
{
    struct upcall_origin origin = land(&item->origin);

    if (origin.port) {
        port_unref(origin.port);
    }
    ofpbuf_uninit(&item->actions);
    free(item->userdata);
    free(item);
}

/* Puts 'packet' behind the first packet of 'pending'. */
static bool
wait_behind(struct upcall_client *client, struct upcall_pending *pending,
            struct dp_packet *packet, const struct upcall_origin *origin,
            enum port_drop *reason)
{
    struct pending_port *pp = get_port(client, pending->in_port);
    struct waiting_packet *wp;

    if (pp->n_waiting >= UPCALL_WAITING_MAX) {
        *reason = PORT_DROP_UPCALL_QUEUE;
        return false;
    }
    wp = xmalloc(sizeof *wp);
    forget_conn(packet);
    wp->packet = packet;
    wp->origin = take_off(origin);
    ovs_list_push_back(&pending->waiting, &wp->node);
    pp->n_waiting++;
    return true;
}

bool
upcall_client_miss(struct upcall_client *client, struct dp_packet *packet,
                   const struct flow_key *key,
                   const struct upcall_origin *origin,
                   enum port_drop *reason)
{
    odp_port_t in_port = packet->md.in_port.odp_port;
    struct upcall_pending *pending = find_pending(client, key);
    struct upcall_item *item;

    if (pending) {
        return wait_behind(client, pending, packet, origin, reason);
    }

    pending = xmalloc(sizeof *pending);
    pending->in_port = in_port;
    pending->key = *key;
    ovs_list_init(&pending->waiting);
    item = create_item(client, packet, origin);
    item->pending = pending;
    if (!upcall_enqueue(client->upcall, in_port, item, reason)) {
        discard_item(item);
        free(pending);
        return false;
    }
    hmap_insert(&client->pending, &pending->node, flow_key_hash(key));
    get_port(client, in_port)->n_pending++;
    client->n_away++;
    return true;
}

bool
upcall_client_action(struct upcall_client *client, struct dp_packet *packet,
                     const struct nlattr *userdata,
                     const struct upcall_origin *origin,
                     enum port_drop *reason)
{
    odp_port_t in_port = packet->md.in_port.odp_port;
    struct upcall_item *item = create_item(client, packet, origin);

    item->userdata = (userdata
                      ? xmemdup(userdata, NLA_ALIGN(userdata->nla_len))
                      : NULL);
    if (!upcall_enqueue(client->upcall, in_port, item, reason)) {
        discard_item(item);
        return false;
    }
    client->n_away++;
    return true;
}

void
upcall_client_answer(struct upcall_item *item)
{
    struct upcall_client *client = item->client;

    /* From here on the item is the client's. */
    mpsc_queue_insert(&client->answers, &item->answer_node);
    if (client->eventfd >= 0) {
        eventfd_write(client->eventfd, 1);
    }
}

/* Closes 'pending', whose first packet is back and whose flow, if there is
 * one, is published: what waited behind it may go on. */
static void
close_pending(struct upcall_client *client, struct upcall_pending *pending)
{
    struct pending_port *pp = get_port(client, pending->in_port);

    pp->n_pending--;
    pp->n_waiting -= ovs_list_size(&pending->waiting);
    hmap_remove(&client->pending, &pending->node);
    ovs_list_push_back_all(&client->ready, &pending->waiting);
    free(pending);
}

bool
upcall_client_next(struct upcall_client *client, struct upcall_answer *answer)
{
    struct mpsc_queue_node *node;
    struct upcall_item *item;

    free_answered(client);
    if (!ovs_list_is_empty(&client->ready)) {
        struct waiting_packet *wp = CONTAINER_OF(
            ovs_list_pop_front(&client->ready), struct waiting_packet, node);

        answer->verdict = UPCALL_FOUND;
        answer->miss = true;
        answer->actions = NULL;
        answer->packet = wp->packet;
        answer->origin = land(&wp->origin);
        free(wp);
        return true;
    }
    if (!client->n_away) {
        return false;
    }

    mpsc_queue_acquire(&client->answers);
    node = mpsc_queue_pop(&client->answers);
    mpsc_queue_release(&client->answers);
    if (!node) {
        return false;
    }
    item = CONTAINER_OF(node, struct upcall_item, answer_node);
    client->n_away--;
    client->answered = item;
    answer->verdict = item->verdict;
    answer->reason = item->reason;
    answer->miss = item->pending != NULL;
    answer->actions = &item->actions;
    answer->packet = item->packet;
    answer->origin = land(&item->origin);
    if (item->pending) {
        close_pending(client, item->pending);
    }
    return true;
}
