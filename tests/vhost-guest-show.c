/*
 * Copyright (c) 2026 The OVS-Accel Authors.
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
#include "vhost-guest.h"

#include <inttypes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "openvswitch/dynamic-string.h"
#include "unixctl.h"
#include "util.h"

/* Commands that look. */

/* Counters. */

static const struct {
    const char *name;
    size_t offset;
} counter_names[] = {
#define COUNTER(NAME) { #NAME, offsetof(struct vg_counters, NAME) }
    COUNTER(tx_frames), COUNTER(tx_bytes), COUNTER(tx_used),
    COUNTER(tx_lost), COUNTER(rx_frames), COUNTER(rx_bytes),
    COUNTER(rx_errors), COUNTER(rx_good), COUNTER(rx_duplicate),
    COUNTER(rx_reordered), COUNTER(rx_crossed), COUNTER(rx_corrupt),
    COUNTER(rx_foreign), COUNTER(rx_moves), COUNTER(answered),
    COUNTER(unanswered),
#undef COUNTER
};

static uint64_t
counter_value(const struct vg_net *net, size_t i)
{
    return *ALIGNED_CAST(const uint64_t *, (const char *) &net->counters
                                           + counter_names[i].offset);
}

static uint64_t
n_broken(const struct vg_net *net)
{
    uint64_t n = 0;

    for (unsigned int i = 0; i < 2 * net->dev.config.n_pairs; i++) {
        n += net->dev.rings[i].broken != NULL;
    }
    return n;
}

static bool
find_queue_counter(const struct vg_net *net, const char *name,
                   uint64_t *value)
{
    unsigned int i;
    int n = 0;

    if (ovs_scan(name, "rxq%u.frames%n", &i, &n)
        && !name[n] && i < net->dev.config.n_pairs) {
        *value = net->rxqs[i].frames;
    } else if (ovs_scan(name, "txq%u.frames%n", &i, &n)
               && !name[n] && i < net->dev.config.n_pairs) {
        *value = net->txqs[i].frames;
    } else if (ovs_scan(name, "rxq%u.calls%n", &i, &n)
               && !name[n] && i < net->dev.config.n_pairs) {
        *value = net->rxqs[i].ring->n_calls;
    } else if (ovs_scan(name, "txq%u.kicks%n", &i, &n)
               && !name[n] && i < net->dev.config.n_pairs) {
        *value = net->txqs[i].ring->n_kicks;
    } else {
        return false;
    }
    return true;
}

static bool
find_generator_counter(const struct vg_net *net, const char *name,
                       uint64_t *value)
{
    static const struct vg_track nothing;
    const struct vg_track *track;
    unsigned int i;
    int n = 0;

    if (!ovs_scan(name, "gen%u.%n", &i, &n) || i >= ARRAY_SIZE(net->tracks)) {
        return false;
    }
    name += n;
    track = net->tracks[i] ? net->tracks[i] : &nothing;
    if (!strcmp(name, "good")) {
        *value = track->good;
    } else if (!strcmp(name, "duplicate")) {
        *value = track->duplicate;
    } else if (!strcmp(name, "reordered")) {
        *value = track->reordered;
    } else if (!strcmp(name, "moves")) {
        *value = track->moves;
    } else if (!strcmp(name, "next_seq")) {
        *value = track->next_seq;
    } else {
        return false;
    }
    return true;
}

/* Stores the value of counter 'name' in '*value'.  Returns false if there is
 * no such counter. */
bool
vg_show_counter(const struct vg_net *net, const char *name, uint64_t *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(counter_names); i++) {
        if (!strcmp(name, counter_names[i].name)) {
            *value = counter_value(net, i);
            return true;
        }
    }
    if (!strcmp(name, "link")) {
        *value = net->link == VG_UP;
    } else if (!strcmp(name, "handshakes")) {
        *value = net->dev.n_handshakes;
    } else if (!strcmp(name, "failures")) {
        *value = net->dev.n_failures;
    } else if (!strcmp(name, "broken")) {
        *value = n_broken(net);
    } else if (!strcmp(name, "tx_inflight")) {
        *value = vg_net_tx_inflight(net);
    } else if (!strcmp(name, "kept")) {
        *value = net->n_kept;
    } else {
        return (find_queue_counter(net, name, value)
                || find_generator_counter(net, name, value));
    }
    return true;
}

static void
cmd_counters(struct unixctl_conn *conn, int argc OVS_UNUSED,
             const char *argv[] OVS_UNUSED, void *guest_)
{
    static const char *const more[] = {
        "link", "handshakes", "failures", "broken", "tx_inflight", "kept",
    };
    struct vg_guest *guest = guest_;
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < ARRAY_SIZE(counter_names); i++) {
        ds_put_format(&ds, "%s=%"PRIu64"\n", counter_names[i].name,
                      counter_value(&guest->net, i));
    }
    for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
        uint64_t value = 0;

        vg_show_counter(&guest->net, more[i], &value);
        ds_put_format(&ds, "%s=%"PRIu64"\n", more[i], value);
    }
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
}

static void
cmd_get(struct unixctl_conn *conn, int argc OVS_UNUSED, const char *argv[],
        void *guest_)
{
    struct vg_guest *guest = guest_;
    uint64_t value;

    if (vg_show_counter(&guest->net, argv[1], &value)) {
        char s[32];

        snprintf(s, sizeof s, "%"PRIu64"\n", value);
        unixctl_command_reply(conn, s);
    } else {
        unixctl_command_reply_error(conn, "no such counter");
    }
}

/* Prints a line for 'ring', ring number 'i'. */
static void
show_ring(const struct vg_net *net, unsigned int i, struct ds *ds)
{
    const struct vg_ring *ring = &net->dev.rings[i];
    const struct vg_queue *q = i % 2 ? &net->txqs[i / 2] : &net->rxqs[i / 2];

    ds_put_format(ds, "%s %u: %s, frames %"PRIu64", held by the switch %u, "
                  "kicks %"PRIu64", suppressed %"PRIu64", calls %"PRIu64"%s"
                  "%s\n", i % 2 ? "txq" : "rxq", i / 2,
                  i / 2 < net->dev.n_enabled ? "enabled" : "disabled",
                  q->frames, ring->n_inflight, ring->n_kicks, ring->n_quiet,
                  ring->n_calls, ring->broken ? ", broken: " : "",
                  ring->broken ? ring->broken : "");
}

static void
show_features(const struct vg_dev *dev, struct ds *ds)
{
    static const struct {
        unsigned int bit;
        const char *name;
    } names[] = {
        { VIRTIO_F_VERSION_1, "version_1" },
        { VIRTIO_F_RING_PACKED, "packed" },
        { VIRTIO_NET_F_MRG_RXBUF, "mrg_rxbuf" },
        { VIRTIO_RING_F_INDIRECT_DESC, "indirect_desc" },
        { VIRTIO_RING_F_EVENT_IDX, "event_idx" },
        { VIRTIO_NET_F_MQ, "mq" },
    };

    ds_put_cstr(ds, "features:");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (vg_dev_has(dev, names[i].bit)) {
            ds_put_format(ds, " %s", names[i].name);
        }
    }
    ds_put_format(ds, "\noffered: %#"PRIx64", protocol %#"PRIx64"\n",
                  dev->offered, dev->offered_protocol);
}

static void
cmd_status(struct unixctl_conn *conn, int argc OVS_UNUSED,
           const char *argv[] OVS_UNUSED, void *guest_)
{
    const struct vg_guest *guest = guest_;
    const struct vg_net *net = &guest->net;
    const struct vg_dev *dev = &net->dev;
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "link: %s\n", (net->link == VG_UP ? "up"
                                      : net->link == VG_STOPPED ? "stopped"
                                      : "down"));
    ds_put_format(&ds, "socket: %s %s\n",
                  dev->config.listen ? "listen" : "connect",
                  dev->config.path);
    ds_put_format(&ds, "ring: %s of %"PRIu16"\n", dev->rings->class->name,
                  dev->config.ring_size);
    show_features(dev, &ds);
    ds_put_format(&ds, "queue pairs: %u wanted, %u served, %u enabled\n",
                  dev->config.n_pairs, dev->max_pairs, dev->n_enabled);
    for (unsigned int i = 0; i < 2 * dev->n_pairs; i++) {
        show_ring(net, i, &ds);
    }
    ds_put_format(&ds, "generator: %"PRIu8", next_seq %"PRIu32"\n",
                  guest->id, net->next_seq);
    ds_put_format(&ds, "seed: %"PRIu32"\n", guest->seed);
    ds_put_format(&ds, "last failure: %s\n",
                  dev->error ? dev->error : "none");
    ds_put_format(&ds, "last rx error: %s\n",
                  net->rx_error[0] ? net->rx_error : "none");
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
}

static void
cmd_rx(struct unixctl_conn *conn, int argc OVS_UNUSED,
       const char *argv[] OVS_UNUSED, void *guest_)
{
    const struct vg_guest *guest = guest_;
    const struct vg_net *net = &guest->net;
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < ARRAY_SIZE(net->tracks); i++) {
        const struct vg_track *t = net->tracks[i];

        if (t) {
            ds_put_format(&ds, "gen%"PRIuSIZE": good=%"PRIu64" duplicate="
                          "%"PRIu64" reordered=%"PRIu64" crossed=%"PRIu64
                          " missing=%"PRIu64"\n", i, t->good, t->duplicate,
                          t->reordered, t->crossed, t->next_seq - t->good);
        }
    }
    ds_put_format(&ds, "corrupt=%"PRIu64" foreign=%"PRIu64"\n",
                  net->counters.rx_corrupt, net->counters.rx_foreign);
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
}

static void
show_hdr(const struct vg_frame *f, struct ds *ds)
{
    const struct virtio_net_hdr *hdr = &f->hdr;

    ds_put_format(ds, "len=%"PRIuSIZE" flags=%u gso_type=%u gso_size=%u "
                  "hdr_len=%u csum_start=%u csum_offset=%u", f->len,
                  hdr->flags, hdr->gso_type, hdr->gso_size, hdr->hdr_len,
                  hdr->csum_start, hdr->csum_offset);
}

static void
show_data(const struct vg_frame *f, struct ds *ds)
{
    for (size_t i = 0; i < f->len; i++) {
        ds_put_format(ds, "%02"PRIx8, f->data[i]);
    }
}

/* Prints the last frames received, the latest last. */
static void
show_kept(struct unixctl_conn *conn, int argc, const char *argv[],
          const struct vg_net *net,
          void (*show)(const struct vg_frame *, struct ds *))
{
    uint64_t n = MIN(net->n_kept, net->config.n_kept);
    struct ds ds = DS_EMPTY_INITIALIZER;
    unsigned int want;

    if (argc > 1) {
        if (!str_to_uint(argv[1], 10, &want)) {
            unixctl_command_reply_error(conn, "not a number of frames");
            return;
        }
        n = MIN(n, want);
    }
    for (uint64_t i = net->n_kept - n; i < net->n_kept; i++) {
        show(&net->kept[i % net->config.n_kept], &ds);
        ds_put_char(&ds, '\n');
    }
    unixctl_command_reply(conn, ds_cstr(&ds));
    ds_destroy(&ds);
}

static void
cmd_dump(struct unixctl_conn *conn, int argc, const char *argv[],
         void *guest_)
{
    const struct vg_guest *guest = guest_;

    show_kept(conn, argc, argv, &guest->net, show_data);
}

static void
cmd_headers(struct unixctl_conn *conn, int argc, const char *argv[],
            void *guest_)
{
    const struct vg_guest *guest = guest_;

    show_kept(conn, argc, argv, &guest->net, show_hdr);
}

/* Registers the commands of this file. */
void
vg_show_init(struct vg_guest *guest)
{
    unixctl_command_register("status", "", 0, 0, cmd_status, guest);
    unixctl_command_register("counters", "", 0, 0, cmd_counters, guest);
    unixctl_command_register("get", "COUNTER", 1, 1, cmd_get, guest);
    unixctl_command_register("rx", "", 0, 0, cmd_rx, guest);
    unixctl_command_register("dump", "[N]", 0, 1, cmd_dump, guest);
    unixctl_command_register("headers", "[N]", 0, 1, cmd_headers, guest);
}
