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

#include "util.h"

/* Frames that go back out of the memory that they came in, untouched. */

struct vg_bounce {
    struct vg_queue *rxq;       /* To which 'parts' belong. */
    struct vg_buf buf;          /* All of 'parts', for the transmit ring. */
    struct vg_buf *parts[VG_MAX_SEGS];
    unsigned int n_parts;
};

/* One more for each queue than its ring can take. */
static size_t
pool_size(const struct vg_net *net)
{
    const struct vg_config *config = &net->dev.config;

    return config->n_pairs * (config->ring_size + (size_t) 1);
}

/* Starts to bounce, or stops.  Only frames in single descriptors per receive
 * buffer can be. */
void
vg_bounce_set(struct vg_net *net, bool on)
{
    size_t n = pool_size(net);

    net->bounce = on;
    if (on && !net->bounces) {
        net->bounces = xcalloc(n, sizeof *net->bounces);
        net->free_bounces = xcalloc(n, sizeof *net->free_bounces);
        vg_bounce_reset(net);
    }
}

/* Forgets all that are on their way: their rings are about to be reset. */
void
vg_bounce_reset(struct vg_net *net)
{
    size_t n = pool_size(net);

    for (size_t i = 0; net->bounces && i < n; i++) {
        net->free_bounces[i] = &net->bounces[i];
    }
    net->n_free_bounces = net->bounces ? n : 0;
}

void
vg_bounce_uninit(struct vg_net *net)
{
    free(net->bounces);
    free(net->free_bounces);
}

/* Puts the frame that lies in 'n' buffers of 'q', the first of which is 'buf'
 * with 'used' bytes, on the transmit ring of the same queue pair.  Returns its
 * length, or 0 if it cannot; then the buffers are with 'q' again. */
size_t
vg_bounce_frame(struct vg_net *net, struct vg_queue *q, struct vg_buf *buf,
                uint32_t used, unsigned int n)
{
    struct vg_ring *out = net->txqs[q - net->rxqs].ring;
    struct vg_bounce *b;
    uint16_t n_buffers = 0;
    size_t len = 0;

    b = net->free_bounces[--net->n_free_bounces];
    b->rxq = q;
    b->n_parts = 0;

    /* The driver leaves this field of the header empty. */
    vg_buf_write(buf, offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers),
                 &n_buffers, sizeof n_buffers);
    while (buf) {
        b->buf.segs[b->n_parts].iov_base = buf->segs[0].iov_base;
        b->buf.segs[b->n_parts].iov_len = used;
        b->parts[b->n_parts++] = buf;
        len += used;
        buf = b->n_parts < n ? vg_ring_get(q->ring, &used) : NULL;
    }
    b->buf.n_segs = b->n_parts;
    b->buf.writable = false;
    b->buf.indirect = (b->n_parts > 1
                       && vg_dev_has(&net->dev, VIRTIO_RING_F_INDIRECT_DESC));
    if (b->n_parts < n || vg_ring_add(out, &b->buf)) {
        vg_bounce_done(net, &b->buf);
        return 0;
    }
    return len - VG_HDR_LEN;
}

/* If 'buf' bounces, gives back what it is made of and returns true. */
bool
vg_bounce_done(struct vg_net *net, struct vg_buf *buf)
{
    size_t n = pool_size(net);
    struct vg_bounce *b = CONTAINER_OF(buf, struct vg_bounce, buf);

    if (!net->bounces || b < net->bounces || b >= net->bounces + n) {
        return false;
    }
    for (unsigned int i = 0; i < b->n_parts; i++) {
        b->rxq->free[b->rxq->n_free++] = b->parts[i];
    }
    net->free_bounces[net->n_free_bounces++] = b;
    return true;
}
