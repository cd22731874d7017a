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

/* Drops in dpif-netdev's coverage counters
 * ========================================
 *
 * Users, and OVS's tests, look for datapath_drop_* of ovs-appctl
 * coverage/show.  Names of counters are unique in a program and dpif-netdev
 * has defined these, so its counters are made to count our drops, too. */

#include "coverage.h"
#include "port/port.h"
#include "util.h"

/* Only such builds of OVS have the counter, and ask devices to undo things. */
#ifdef ALLOW_EXPERIMENTAL_API
#define STOCK_HW_MISS_COUNTER \
    STOCK_COUNTER(HW_MISS, datapath_drop_hw_miss_recover)
#else
#define STOCK_HW_MISS_COUNTER
#endif

/* Drop reason and the counter in OVS's lib/dpif-netdev.c. */
#define STOCK_COUNTERS                                                  \
    STOCK_COUNTER(UPCALL_OFF, datapath_drop_lock_error)                 \
    STOCK_COUNTER(UPCALL_ERROR, datapath_drop_upcall_error)             \
    STOCK_COUNTER(USERSPACE, datapath_drop_userspace_action_error)      \
    STOCK_COUNTER(NO_PORT, datapath_drop_invalid_port)                  \
    STOCK_COUNTER(RECIRC, datapath_drop_recirc_error)                   \
    STOCK_HW_MISS_COUNTER                                               \
    STOCK_COUNTER(INVALID, datapath_drop_rx_invalid_packet)             \
    STOCK_COUNTER(METER, datapath_drop_meter)                           \
    STOCK_COUNTER(NO_BOND, datapath_drop_invalid_bond)                  \
    STOCK_COUNTER(NO_TUNNEL, datapath_drop_invalid_tnl_port)            \
    STOCK_COUNTER(TUNNEL_PUSH, datapath_drop_tunnel_push_error)         \
    STOCK_COUNTER(TUNNEL_POP, datapath_drop_tunnel_pop_error)

/* Our drops that no counter has been told of yet. */
static atomic_uint untold[PORT_N_DROPS];

void
port_drop_count(enum port_drop reason, unsigned int n)
{
    unsigned int old;

    atomic_add_relaxed(&untold[reason], n, &old);
}

/* Returns and forgets the drops for 'reason'.  OVS's lib/coverage.c calls
 * counters' functions under its lock. */
static unsigned int
tell(enum port_drop reason)
{
    unsigned int n, old;

    atomic_read_relaxed(&untold[reason], &n);
    atomic_sub_relaxed(&untold[reason], n, &old);
    return n;
}

/* What NAME's own function counted on this thread, and our drops. */
#define STOCK_COUNTER(REASON, NAME)                                     \
    extern struct coverage_counter counter_##NAME;                      \
    static unsigned int (*stock_##NAME)(void);                          \
    static unsigned int                                                 \
    count_##NAME(void)                                                  \
    {                                                                   \
        return stock_##NAME() + tell(PORT_DROP_##REASON);               \
    }
STOCK_COUNTERS
#undef STOCK_COUNTER

typedef unsigned int count_function(void);

/* 'count' is const for those who only read a counter. */
static count_function *
replace_count(struct coverage_counter *counter, count_function *count)
{
    count_function *old = counter->count;

    memcpy(CONST_CAST(void *, (const void *) &counter->count), &count,
           sizeof count);
    return old;
}

OVS_CONSTRUCTOR(port_drop_join_counters) {
#define STOCK_COUNTER(REASON, NAME)                                     \
    stock_##NAME = replace_count(&counter_##NAME, count_##NAME);
    STOCK_COUNTERS
#undef STOCK_COUNTER
}
