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

#ifndef VHOST_MESSAGE_H
#define VHOST_MESSAGE_H 1

/* Messages from the front end
 * ===========================
 *
 * librte_vhost shows us each message before it acts on it.  This is where we
 * refuse what we do not serve, and what it would not check well enough. */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/compiler.h"

/* Requests of the vhost-user protocol specification (QEMU's
 * docs/interop/vhost-user.rst) that this room cares about. */
enum vhost_user_request {
    VHOST_USER_NONE = 0,

    /* About a ring whose index is the first field of the payload. */
    VHOST_USER_SET_VRING_NUM = 8,
    VHOST_USER_SET_VRING_ADDR = 9,
    VHOST_USER_SET_VRING_BASE = 10,
    VHOST_USER_GET_VRING_BASE = 11,
    VHOST_USER_SET_VRING_ENABLE = 18,

    /* About a ring whose index is in the first byte of the payload. */
    VHOST_USER_SET_VRING_KICK = 12,
    VHOST_USER_SET_VRING_CALL = 13,
    VHOST_USER_SET_VRING_ERR = 14,

    /* About the device. */
    VHOST_USER_GET_FEATURES = 1,
    VHOST_USER_GET_PROTOCOL_FEATURES = 15,
    VHOST_USER_GET_QUEUE_NUM = 17,
    VHOST_USER_GET_STATUS = 40,
    VHOST_USER_SET_FEATURES = 2,
    VHOST_USER_SET_PROTOCOL_FEATURES = 16,
    VHOST_USER_SET_STATUS = 39,
    VHOST_USER_SET_MEM_TABLE = 5,
    VHOST_USER_SET_OWNER = 3,
    VHOST_USER_RESET_OWNER = 4,
    VHOST_USER_NET_SET_MTU = 20,
};

#define VHOST_USER_MAX_REGIONS 8

/* A region in VHOST_USER_SET_MEM_TABLE. */
struct vhost_user_region {
    uint64_t gpa;
    uint64_t size;
    uint64_t user_addr;
    uint64_t mmap_offset;
};

/* A message as librte_vhost hands it to rte_vhost_user_extern_ops.  DPDK does
 * not publish this layout, but keeps it for the sake of external handlers (its
 * lib/vhost/vhost_user.h says so); the payload's size is DPDK 22.11's. */
OVS_PACKED(
struct vhost_user_message {
    uint32_t request;
    uint32_t flags;
    uint32_t size;              /* Of the payload. */
    union {
        uint64_t u64;
        struct {
            uint32_t index;
            uint32_t num;
        } state;                /* Also the start of vring addresses. */
        struct {
            uint32_t n;
            uint32_t padding;
            struct vhost_user_region regions[VHOST_USER_MAX_REGIONS];
        } memory;
        uint8_t bytes[632];
    } payload;
    int fds[VHOST_USER_MAX_REGIONS];
    int n_fds;
});

bool vhost_message_get_ring(const struct vhost_user_message *,
                            unsigned int *index);
char *vhost_message_check(const struct vhost_user_message *,
                          unsigned int max_qpairs);
void vhost_message_close_fds(struct vhost_user_message *);

#endif /* vhost/message.h */
