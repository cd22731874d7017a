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
#undef NDEBUG

#include "upcall-fixture.h"

#include "netlink.h"
#include "ovs-rcu.h"
#include "packets.h"
#include "util.h"

/* Where a frame holds what makes the difference. */
enum { FLOW_OFS = 36, ID_OFS = 42, FRAME_LEN = 60 };

static const uint8_t udp_frame[FRAME_LEN] = {
    0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x02,
    0x08, 0x00,
    0x45, 0x00, 0x00, 0x2e, 0x00, 0x00, 0x40, 0x00, 0x40, IPPROTO_UDP,
    0x00, 0x00, 0x0a, 0x00, 0x00, 0x01, 0x0a, 0x00, 0x00, 0x02,
    0x00, 0x50, 0x00, 0x00, 0x00, 0x1a, 0x00, 0x00,
};

/* A port with books and no netdev. */
static struct port *
create_port(unsigned int port_no)
{
    struct port *port = xzalloc_cacheline(sizeof *port);

    port->port_no = u32_to_odp(port_no);
    port->books = xzalloc_cacheline(PORT_MAX_SLOTS * sizeof *port->books);
    atomic_count_init(&port->n_in_flight, 0);
    ovs_refcount_init(&port->ref_cnt);
    return port;
}

void
upcall_fixture_init(struct upcall_fixture *f, upcall_callback *cb, void *aux)
{
    for (unsigned int i = 0; i < UPCALL_FIXTURE_PORTS; i++) {
        f->ports[i] = create_port(i);
    }
    f->flows = megaflow_table_create();
    f->upcall = upcall_create("test", f->flows);
    upcall_register_cb(f->upcall, cb, aux);
    upcall_enable(f->upcall);
}

void
upcall_fixture_destroy(struct upcall_fixture *f)
{
    upcall_destroy(f->upcall);
    megaflow_table_destroy(f->flows);
    for (unsigned int i = 0; i < UPCALL_FIXTURE_PORTS; i++) {
        ovs_assert(!atomic_count_get(&f->ports[i]->n_in_flight));
        ovs_assert(!port_is_awaited(f->ports[i]));
        port_unref(f->ports[i]);
    }
}

struct dp_packet *
upcall_fixture_packet(unsigned int in_port, uint16_t flow, uint32_t id)
{
    struct dp_packet *packet = dp_packet_clone_data(udp_frame, FRAME_LEN);
    uint8_t *data = dp_packet_data(packet);
    ovs_be16 port = htons(flow);

    memcpy(data + FLOW_OFS, &port, sizeof port);
    memcpy(data + ID_OFS, &id, sizeof id);
    pkt_metadata_init(&packet->md, u32_to_odp(in_port));
    return packet;
}

uint32_t
upcall_fixture_packet_id(const struct dp_packet *packet)
{
    uint32_t id;

    memcpy(&id, (const uint8_t *) dp_packet_data(packet) + ID_OFS, sizeof id);
    return id;
}

uint16_t
upcall_fixture_packet_flow(const struct dp_packet *packet)
{
    ovs_be16 port;

    memcpy(&port, (const uint8_t *) dp_packet_data(packet) + FLOW_OFS,
           sizeof port);
    return ntohs(port);
}

void
upcall_fixture_wildcards(struct flow_wildcards *wc, uint16_t flow)
{
    flow_wildcards_init_catchall(wc);
    WC_MASK_FIELD(wc, in_port);
    WC_MASK_FIELD(wc, recirc_id);
    WC_MASK_FIELD(wc, packet_type);
    WC_MASK_FIELD(wc, dl_type);
    WC_MASK_FIELD(wc, nw_frag);
    WC_MASK_FIELD(wc, nw_proto);
    wc->masks.tp_dst = htons(flow);
}

void
upcall_fixture_actions(struct ofpbuf *actions)
{
    nl_msg_put_u32(actions, OVS_ACTION_ATTR_OUTPUT, 1);
}
