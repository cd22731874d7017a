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

#ifndef VHOST_OFFLOAD_H
#define VHOST_OFFLOAD_H 1

/* Checksum and segmentation offloads (virtio 1.2, section 5.1.6)
 * ==============================================================
 *
 * What the virtio-net header of a frame asks for, and doing it in software for
 * a guest that did not negotiate it.  Functions touch only the memory that
 * they are given, never a guest's. */

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>

struct dp_packet;
struct vhost_offload;

/* Virtio features of offloads: all are in the first 32 bits.  Segmentation of
 * UDP (USO) is not among them: OVS's packets have no flag for it. */
#define VHOST_OFFLOAD_FEATURES ((1u << VIRTIO_NET_F_CSUM)           \
                                | (1u << VIRTIO_NET_F_GUEST_CSUM)   \
                                | (1u << VIRTIO_NET_F_HOST_TSO4)    \
                                | (1u << VIRTIO_NET_F_HOST_TSO6)    \
                                | (1u << VIRTIO_NET_F_HOST_ECN)     \
                                | (1u << VIRTIO_NET_F_GUEST_TSO4)   \
                                | (1u << VIRTIO_NET_F_GUEST_TSO6)   \
                                | (1u << VIRTIO_NET_F_GUEST_ECN))

/* Those that ask nothing of us as long as the others are not offered: what the
 * guest would accept, and a variant of what it may not send.  Ports of OVS's
 * netdev-dpdk offer them even without TSO, and QEMU does not go over to a back
 * end that lacks a feature that its guest has negotiated.  So HOST_ECN is
 * here, which a device must not offer without HOST_TSO4 or HOST_TSO6 (virtio
 * 1.2, sections 2.2.2 and 5.1.3.1): those ports do. */
#define VHOST_IDLE_OFFLOADS ((1u << VIRTIO_NET_F_GUEST_CSUM)        \
                             | (1u << VIRTIO_NET_F_GUEST_TSO4)      \
                             | (1u << VIRTIO_NET_F_GUEST_TSO6)      \
                             | (1u << VIRTIO_NET_F_GUEST_ECN)       \
                             | (1u << VIRTIO_NET_F_GUEST_UFO)       \
                             | (1u << VIRTIO_NET_F_HOST_ECN))

/* Those without which a guest may not ask for anything in a frame's header
 * (virtio 1.2, section 5.1.6.2). */
#define VHOST_HOST_OFFLOADS ((1u << VIRTIO_NET_F_CSUM)              \
                             | (1u << VIRTIO_NET_F_HOST_TSO4)       \
                             | (1u << VIRTIO_NET_F_HOST_TSO6))

/* Most segments of a frame: its sender must not keep us busy for long. */
#define VHOST_MAX_SEGMENTS 2048

/* Longest headers of a frame that is segmented in software. */
#define VHOST_MAX_HEADERS 256

bool vhost_offload_from_hdr(const struct virtio_net_hdr_v1 *,
                            uint32_t features, const uint8_t *data,
                            uint32_t data_len, uint32_t len,
                            struct vhost_offload *);
void vhost_offload_to_hdr(const struct vhost_offload *,
                          struct virtio_net_hdr_v1 *);
bool vhost_offload_is_served(const struct vhost_offload *, uint32_t features);

bool vhost_offload_from_packet(struct dp_packet *, uint32_t max_frame,
                               struct vhost_offload *);

void vhost_offload_checksum(const struct vhost_offload *, uint8_t *frame,
                            uint32_t len);
uint32_t vhost_offload_segment(const struct vhost_offload *,
                               const uint8_t *frame, uint32_t len,
                               uint32_t ofs, uint8_t *headers);

#endif /* vhost/offload.h */
