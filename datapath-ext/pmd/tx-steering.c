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

/* Ports with "tx-steering=hash": packets spread over the port's tx queues,
 * each flow on one, whatever thread and road it comes by. */

#include "odp-util.h"
#include "pmd/pmd-private.h"

static unsigned int
txq_of_key(const struct port *port, const struct flow_key *key)
{
    return miniflow_hash_5tuple(&key->mf, 0) % port->n_txq;
}

unsigned int
tx_steer_packet(const struct port *port, struct dp_packet *packet)
{
    struct flow_key key;

    if (dp_packet_rss_valid(packet)) {
        return dp_packet_get_rss_hash(packet) % port->n_txq;
    }
    flow_key_extract(packet, &key);
    return txq_of_key(port, &key);
}

unsigned int
tx_steer_frame(const struct port *port, const struct vhost_frame *frame)
{
    struct flow_key key;

    if (!flow_key_extract_head(frame->data, frame->data_len,
                               vhost_frame_len(frame), ODPP_NONE, &key)) {
        struct dp_packet *packet = frame_to_packet(frame, ODPP_NONE);

        flow_key_extract(packet, &key);
        dp_packet_delete(packet);
    }
    return txq_of_key(port, &key);
}
