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

#include "vhost/message.h"

#include <inttypes.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

BUILD_ASSERT_DECL(offsetof(struct vhost_user_message, fds) == 644);

/* If 'msg' is about one ring, stores which in '*index' and returns true. */
bool
vhost_message_get_ring(const struct vhost_user_message *msg,
                       unsigned int *index)
{
    switch (msg->request) {
    case VHOST_USER_SET_VRING_NUM:
    case VHOST_USER_SET_VRING_ADDR:
    case VHOST_USER_SET_VRING_BASE:
    case VHOST_USER_GET_VRING_BASE:
    case VHOST_USER_SET_VRING_ENABLE:
        *index = msg->payload.state.index;
        return true;

    case VHOST_USER_SET_VRING_KICK:
    case VHOST_USER_SET_VRING_CALL:
    case VHOST_USER_SET_VRING_ERR:
        *index = msg->payload.u64 & 0xff;
        return true;

    default:
        return false;
    }
}

/* Is 'request' one that may come, given the features that we offer? */
static bool
is_served(uint32_t request)
{
    switch (request) {
    case VHOST_USER_GET_FEATURES:
    case VHOST_USER_SET_FEATURES:
    case VHOST_USER_SET_OWNER:
    case VHOST_USER_RESET_OWNER:
    case VHOST_USER_SET_MEM_TABLE:
    case VHOST_USER_SET_VRING_NUM:
    case VHOST_USER_SET_VRING_ADDR:
    case VHOST_USER_SET_VRING_BASE:
    case VHOST_USER_GET_VRING_BASE:
    case VHOST_USER_SET_VRING_KICK:
    case VHOST_USER_SET_VRING_CALL:
    case VHOST_USER_SET_VRING_ERR:
    case VHOST_USER_GET_PROTOCOL_FEATURES:
    case VHOST_USER_SET_PROTOCOL_FEATURES:
    case VHOST_USER_GET_QUEUE_NUM:
    case VHOST_USER_SET_VRING_ENABLE:
    case VHOST_USER_NET_SET_MTU:
    case VHOST_USER_SET_STATUS:
    case VHOST_USER_GET_STATUS:
        return true;

    default:
        return false;
    }
}

/* Memory beyond the end of its file cannot be touched: SIGBUS. */
static char *
check_regions(const struct vhost_user_message *msg)
{
    unsigned int n = msg->payload.memory.n;

    if (n > VHOST_USER_MAX_REGIONS || msg->n_fds != n) {
        return xasprintf("%u memory regions with %d file descriptors (at most "
                         "%d, one each)", n, msg->n_fds,
                         VHOST_USER_MAX_REGIONS);
    }

    for (unsigned int i = 0; i < n; i++) {
        uint64_t size = msg->payload.memory.regions[i].size;
        uint64_t offset = msg->payload.memory.regions[i].mmap_offset;
        struct stat s;

        if (fstat(msg->fds[i], &s)) {
            return xasprintf("memory region %u without a file", i);
        } else if (S_ISREG(s.st_mode)
                   && (size > s.st_size || offset > s.st_size - size)) {
            return xasprintf("memory region %u of %"PRIu64" bytes at offset "
                             "%"PRIu64" in a file of %"PRIu64" bytes",
                             i, size, offset, (uint64_t) s.st_size);
        }
    }
    return NULL;
}

/* Returns NULL if 'msg' is fit to be seen by librte_vhost, otherwise what is
 * wrong with it, to be freed by the caller. */
char *
vhost_message_check(const struct vhost_user_message *msg,
                    unsigned int max_qpairs)
{
    unsigned int index;

    if (!is_served(msg->request)) {
        return xasprintf("request %"PRIu32", which needs a feature that was "
                         "not offered", msg->request);
    } else if (vhost_message_get_ring(msg, &index)
               && index >= 2 * max_qpairs) {
        return xasprintf("ring %u, but the port is limited to %u queue pairs, "
                         "that is rings 0 to %u", index, max_qpairs,
                         2 * max_qpairs - 1);
    } else if (msg->request == VHOST_USER_SET_MEM_TABLE) {
        return check_regions(msg);
    }
    return NULL;
}

/* librte_vhost leaves the descriptors of messages that we refuse to us. */
void
vhost_message_close_fds(struct vhost_user_message *msg)
{
    for (int i = 0; i < MIN(msg->n_fds, VHOST_USER_MAX_REGIONS); i++) {
        if (msg->fds[i] >= 0) {
            close(msg->fds[i]);
            msg->fds[i] = -1;
        }
    }
    msg->n_fds = 0;
}
