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

/* Test of bond/bond.c. */

#include <config.h>
#undef NDEBUG

#include "bond/bond.h"

#include <errno.h>

#include "openvswitch/dynamic-string.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "ovstest.h"
#include "util.h"

#define N_THREADS 3
#define N_PACKETS 1000000

static void
make_map(odp_port_t members[BOND_BUCKETS], uint32_t n_members)
{
    for (size_t i = 0; i < BOND_BUCKETS; i++) {
        members[i] = u32_to_odp(1 + i % n_members);
    }
}

static void
test_one_thread(struct bond_table *table)
{
    odp_port_t members[BOND_BUCKETS], member;
    uint64_t n_bytes[BOND_BUCKETS];
    struct ds ds = DS_EMPTY_INITIALIZER;
    const char *map = "Bonds:\n"
                      "  bond-id 7:\n"
                      "    bucket 0 - member 1\n"
                      "    bucket 1 - member 2\n";

    bond_format(table, &ds);
    ovs_assert(!ds.length);
    ovs_assert(!bond_choose(table, 7, 0, 100, &member));
    ovs_assert(bond_del(table, 7) == ENOENT);
    ovs_assert(bond_get_stats(table, 7, n_bytes) == ENOENT);

    make_map(members, 2);
    bond_add(table, 7, members);
    ovs_assert(bond_choose(table, 7, 0x12345603, 100, &member));
    ovs_assert(member == u32_to_odp(2));
    ovs_assert(bond_choose(table, 7, 0xff00, 60, &member));
    ovs_assert(member == u32_to_odp(1));

    /* Another map, the same counters. */
    make_map(members, 3);
    bond_add(table, 7, members);
    ovs_assert(bond_choose(table, 7, 3, 11, &member));
    ovs_assert(member == u32_to_odp(1));
    ovs_assert(!bond_get_stats(table, 7, n_bytes));
    ovs_assert(n_bytes[3] == 111 && n_bytes[0] == 60 && !n_bytes[1]);

    bond_format(table, &ds);
    ovs_assert(!strncmp(ds_cstr(&ds), map, strlen(map)));
    ovs_assert(strstr(ds_cstr(&ds), "    bucket 255 - member 1\n"));
    ds_destroy(&ds);

    /* A bond made anew starts at zero. */
    ovs_assert(!bond_del(table, 7));
    ovs_assert(!bond_choose(table, 7, 0, 100, &member));
    bond_add(table, 7, members);
    ovs_assert(!bond_get_stats(table, 7, n_bytes) && !n_bytes[3]);
}

static void *
choose(void *table)
{
    for (uint32_t i = 0; i < N_PACKETS; i++) {
        odp_port_t member;

        ovs_assert(bond_choose(table, 8, i, 1, &member));
        ovs_assert(odp_to_u32(member) - 1 == i % BOND_BUCKETS % 2
                   || odp_to_u32(member) - 1 == i % BOND_BUCKETS % 3);
        if (!(i % 1000)) {
            ovsrcu_quiesce();
        }
    }
    return NULL;
}

/* No packet is miscounted or lost while maps change. */
static void
test_threads(struct bond_table *table)
{
    odp_port_t members[BOND_BUCKETS];
    uint64_t n_bytes[BOND_BUCKETS];
    pthread_t threads[N_THREADS];
    uint64_t total = 0;

    make_map(members, 2);
    bond_add(table, 8, members);
    for (size_t i = 0; i < N_THREADS; i++) {
        threads[i] = ovs_thread_create("bond", choose, table);
    }
    for (int i = 0; i < 1000; i++) {
        make_map(members, 2 + i % 2);
        bond_add(table, 8, members);
        ovsrcu_quiesce();
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        xpthread_join(threads[i], NULL);
    }
    ovs_assert(!bond_get_stats(table, 8, n_bytes));
    for (size_t i = 0; i < BOND_BUCKETS; i++) {
        total += n_bytes[i];
    }
    ovs_assert(total == N_THREADS * N_PACKETS);
}

static void
test_bond_main(int argc OVS_UNUSED, char *argv[])
{
    struct bond_table *table;

    set_program_name(argv[0]);
    ovsrcu_quiesce_end();
    table = bond_table_create();
    test_one_thread(table);
    test_threads(table);
    bond_table_destroy(table);

    /* So that a memory checker sees what is left. */
    ovsrcu_exit();
}

OVSTEST_REGISTER("test-bond", test_bond_main);
