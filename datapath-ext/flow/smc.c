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

/* Signature match cache
 * =====================
 *
 * As in dpif-netdev: for each of so many hashes of packets, the megaflow that
 * the last packet with it belonged to.  Keys are not stored; whether a key
 * belongs to the megaflow is seen from the megaflow's own mask.  So an answer
 * is as good as the classifier's, of which any match will do, as long as the
 * megaflow is alive. */

#include <config.h>

#include "flow/flow-private.h"

#include "hash.h"
#include "util.h"

#define SMC_ENTRIES 4096        /* 64 kB. */

struct smc_entry {
    struct flow_slot *slot;     /* NULL if unused. */
    uint64_t slot_generation;
};

#define SMC_ABSENT UINT8_MAX
BUILD_ASSERT_DECL(FLOW_U64S <= SMC_ABSENT);

struct flow_smc {
    struct smc_entry entries[SMC_ENTRIES];
    struct smc_entry last;      /* What was found last: most packets of a
                                 * burst are of one megaflow. */

    /* Where a miniflow with 'map' has the words of a struct flow that it
     * does not leave out: most keys in a row have the same map. */
    struct flowmap map;
    uint8_t where[FLOW_U64S];
};

static void
learn_map(struct flow_smc *smc, const struct flowmap *map)
{
    unsigned int n = 0;
    size_t idx;

    smc->map = *map;
    memset(smc->where, SMC_ABSENT, sizeof smc->where);
    FLOWMAP_FOR_EACH_INDEX (idx, *map) {
        smc->where[idx] = n++;
    }
}

struct flow_smc *
flow_smc_create(void)
{
    struct flow_smc *smc = xzalloc(sizeof *smc);

    learn_map(smc, &smc->map);
    return smc;
}

void
flow_smc_destroy(struct flow_smc *smc)
{
    free(smc);
}

static struct smc_entry *
find_entry(struct flow_smc *smc, const struct flow_key *key, uint32_t hash)
{
    /* The same packet comes by again after it has recirculated. */
    hash = hash_finish(hash_add(hash, MINIFLOW_GET_U32(&key->mf, recirc_id)),
                       sizeof hash);
    return &smc->entries[hash % SMC_ENTRIES];
}

/* Returns true if 'mf' matches 'key'. */
static bool
matches(struct flow_smc *smc, const struct megaflow *mf,
        const struct flow_key *key)
{
    odp_port_t in_port = u32_to_odp(MINIFLOW_GET_TYPE__(&key->mf, uint32_t,
                                                        in_port));
    const struct subtable *subtable = mf->private_->subtable;
    const uint64_t *values = miniflow_get_values(&key->mf);
    const uint64_t *words = mf->private_->words;
    uint64_t diff = 0;

    if (mf->in_port != in_port) {
        return false;
    }
    if (!flowmap_equal(smc->map, key->mf.map)) {
        learn_map(smc, &key->mf.map);
    }
    for (unsigned int i = 0; i < subtable->n_words; i++) {
        uint8_t where = smc->where[subtable->index[i]];
        uint64_t value = where != SMC_ABSENT ? values[where] : 0;

        diff |= (value & subtable->mask[i]) ^ words[i];
    }
    return !diff;
}

/* Returns the flow of 'e' if it is alive and matches 'key', or NULL. */
static inline struct megaflow *
try_entry(struct flow_smc *smc, const struct smc_entry *e,
          const struct flow_key *key)
{
    struct megaflow *mf = (e->slot
                           ? flow_slot_get(e->slot, e->slot_generation)
                           : NULL);

    return mf && matches(smc, mf, key) ? mf : NULL;
}

struct megaflow *
flow_smc_lookup(struct flow_smc *smc, const struct flow_key *key,
                uint32_t hash)
{
    struct megaflow *mf = try_entry(smc, &smc->last, key);

    if (!mf) {
        const struct smc_entry *e = find_entry(smc, key, hash);

        mf = try_entry(smc, e, key);
        if (mf) {
            smc->last = *e;
        }
    }
    return mf;
}

void
flow_smc_insert(struct flow_smc *smc, const struct flow_key *key,
                uint32_t hash, const struct megaflow *mf)
{
    struct smc_entry *e = find_entry(smc, key, hash);

    e->slot = mf->private_->slot;
    e->slot_generation = mf->private_->slot_generation;
    smc->last = *e;
}
