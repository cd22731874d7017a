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

#include "bond.h"

#include <errno.h>

#include "cmap.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "util.h"

/* What the buckets of a bond sent; outlives the maps. */
struct bond_counters {
    atomic_ullong n_bytes[BOND_BUCKETS];
};

/* A map, immutable. */
struct bond {
    struct cmap_node node;
    uint32_t id;
    struct bond_counters *counters;
    odp_port_t members[BOND_BUCKETS];
};

struct bond_table {
    struct ovs_mutex mutex;     /* Held to change 'bonds'. */
    struct cmap bonds;          /* Of 'struct bond's, by id. */
};

struct bond_table *
bond_table_create(void)
{
    struct bond_table *table = xmalloc(sizeof *table);

    ovs_mutex_init(&table->mutex);
    cmap_init(&table->bonds);
    return table;
}

static void
bond_free(struct bond *bond)
{
    free(bond->counters);
    free(bond);
}

void
bond_table_destroy(struct bond_table *table)
{
    struct bond *bond;

    CMAP_FOR_EACH (bond, node, &table->bonds) {
        ovsrcu_postpone(bond_free, bond);
    }
    cmap_destroy(&table->bonds);
    ovs_mutex_destroy(&table->mutex);
    free(table);
}

static uint32_t
bond_hash(uint32_t id)
{
    return hash_int(id, 0);
}

static struct bond *
bond_find(const struct bond_table *table, uint32_t id)
{
    struct bond *bond;

    CMAP_FOR_EACH_WITH_HASH (bond, node, bond_hash(id), &table->bonds) {
        if (bond->id == id) {
            return bond;
        }
    }
    return NULL;
}

void
bond_add(struct bond_table *table, uint32_t id,
         const odp_port_t members[BOND_BUCKETS])
{
    struct bond *bond = xmalloc(sizeof *bond);
    struct bond *old;

    bond->id = id;
    memcpy(bond->members, members, sizeof bond->members);

    ovs_mutex_lock(&table->mutex);
    old = bond_find(table, id);
    if (old) {
        bond->counters = old->counters;
        cmap_replace(&table->bonds, &old->node, &bond->node, bond_hash(id));
        ovsrcu_postpone(free, old);
    } else {
        bond->counters = xzalloc(sizeof *bond->counters);
        cmap_insert(&table->bonds, &bond->node, bond_hash(id));
    }
    ovs_mutex_unlock(&table->mutex);
}

int
bond_del(struct bond_table *table, uint32_t id)
{
    struct bond *bond;

    ovs_mutex_lock(&table->mutex);
    bond = bond_find(table, id);
    if (bond) {
        cmap_remove(&table->bonds, &bond->node, bond_hash(id));
        ovsrcu_postpone(bond_free, bond);
    }
    ovs_mutex_unlock(&table->mutex);
    return bond ? 0 : ENOENT;
}

int
bond_get_stats(const struct bond_table *table, uint32_t id,
               uint64_t n_bytes[BOND_BUCKETS])
{
    struct bond *bond = bond_find(table, id);

    for (size_t i = 0; bond && i < BOND_BUCKETS; i++) {
        unsigned long long int n;

        atomic_read_relaxed(&bond->counters->n_bytes[i], &n);
        n_bytes[i] = n;
    }
    return bond ? 0 : ENOENT;
}

bool
bond_choose(const struct bond_table *table, uint32_t id, uint32_t hash,
            uint32_t n_bytes, odp_port_t *member)
{
    const struct bond *bond = bond_find(table, id);
    unsigned int bucket = hash & BOND_MASK;
    unsigned long long int orig;

    if (!bond) {
        return false;
    }
    atomic_add_relaxed(&bond->counters->n_bytes[bucket], n_bytes, &orig);
    *member = bond->members[bucket];
    return true;
}

void
bond_format(const struct bond_table *table, struct ds *ds)
{
    const struct bond *bond;

    if (cmap_is_empty(&table->bonds)) {
        return;
    }
    ds_put_cstr(ds, "Bonds:\n");
    CMAP_FOR_EACH (bond, node, &table->bonds) {
        ds_put_format(ds, "  bond-id %"PRIu32":\n", bond->id);
        for (size_t i = 0; i < BOND_BUCKETS; i++) {
            ds_put_format(ds, "    bucket %"PRIuSIZE" - member %"PRIu32"\n", i,
                          odp_to_u32(bond->members[i]));
        }
    }
}
