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

/* Packets that leave the side road: batched by port until
 * side_road_flush(). */

#include "pmd/side-road.h"

/* Sends 'batch', which it takes.  Returns how many packets were refused. */
static size_t
send_on_queue(struct pmd *pmd, struct port *port, unsigned int txq,
              struct dp_packet_batch *batch)
{
    size_t n = dp_packet_batch_size(batch);

    pmd_count(pmd, PMD_SENT_BATCHES, 1);
    return netdev_send(port->netdev, txq, batch,
                       port->shared_txqs || port->hashes_txqs) ? n : 0;
}

/* Sends each packet of 'batch', which it takes, on the queue that its hash
 * says.  Returns how many packets were refused. */
static size_t
send_by_hash(struct pmd *pmd, struct port *port, struct dp_packet_batch *batch)
{
    size_t n = dp_packet_batch_size(batch), n_refused = 0;
    unsigned int txqs[NETDEV_MAX_BURST];
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        txqs[i] = tx_steer_packet(port, packet);
    }
    for (unsigned int txq = 0; txq < port->n_txq; txq++) {
        struct dp_packet_batch part;

        dp_packet_batch_init(&part);
        for (size_t i = 0; i < n; i++) {
            if (txqs[i] == txq) {
                dp_packet_batch_add(&part, batch->packets[i]);
            }
        }
        if (!dp_packet_batch_is_empty(&part)) {
            n_refused += send_on_queue(pmd, port, txq, &part);
        }
    }
    return n_refused;
}

static void
send_output(struct pmd *pmd, struct side_output *output)
{
    struct port *port = output->port;
    struct port_books *books = port_books(port, pmd->slot);
    size_t n = dp_packet_batch_size(&output->batch);
    size_t n_refused;

    n_refused = (OVS_UNLIKELY(port->hashes_txqs)
                 ? send_by_hash(pmd, port, &output->batch)
                 : send_on_queue(pmd, port, pmd_txq(pmd, port),
                                 &output->batch));
    port_count(&books->tx_tried, n);
    port_count(&books->tx_dropped, n_refused);
    port_count(&books->tx_sent, n - n_refused);
    pmd_count(pmd, PMD_SENT, n);
    dp_packet_batch_init(&output->batch);
}

void
side_road_flush(struct pmd *pmd)
{
    for (unsigned int i = 0; i < pmd->n_side_outputs; i++) {
        struct side_output *output = &pmd->side_outputs[i];

        if (!dp_packet_batch_is_empty(&output->batch)) {
            send_output(pmd, output);
        }
    }
    pmd->n_side_outputs = 0;
}

static struct side_output *
find_output(struct pmd *pmd, struct port *port)
{
    struct side_output *output;

    for (unsigned int i = 0; i < pmd->n_side_outputs; i++) {
        if (pmd->side_outputs[i].port == port) {
            return &pmd->side_outputs[i];
        }
    }
    if (pmd->n_side_outputs == SIDE_OUTPUTS) {
        side_road_flush(pmd);
    }
    output = &pmd->side_outputs[pmd->n_side_outputs++];
    output->port = port;
    dp_packet_batch_init(&output->batch);
    return output;
}

/* Adds 'packet', which it takes, to 'output'.  Netdevs of DPDK take a whole
 * batch for mbufs if its first packet is one, so that packets of different
 * sources do not share one. */
static void
add_output(struct pmd *pmd, struct side_output *output,
           struct dp_packet *packet)
{
    if (!dp_packet_batch_is_empty(&output->batch)
        && output->batch.packets[0]->source != packet->source) {
        send_output(pmd, output);
    }
    dp_packet_batch_add(&output->batch, packet);
    if (dp_packet_batch_is_full(&output->batch)) {
        send_output(pmd, output);
    }
}

void
side_road_output(struct pmd *pmd, struct dp_packet *packet, struct port *port)
{
    struct side_output *output = find_output(pmd, port);

    add_output(pmd, output, packet);
}

void
side_output_batch(struct pmd *pmd, struct dp_packet_batch *batch,
                  struct port *port)
{
    struct side_output *output = find_output(pmd, port);
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        add_output(pmd, output, packet);
    }
}
