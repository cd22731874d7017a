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

#ifndef ACCEL_MEGAFLOW_H
#define ACCEL_MEGAFLOW_H 1

/* flow: from a frame to its megaflow
 * ==================================
 *
 * Four things, from the packet to the table:
 *
 *   - 'struct flow_key': what miniflow_extract() finds in a packet, the key of
 *     the classifier.
 *
 *   - 'struct flow_cache', one per polling thread: finds the megaflow of a
 *     frame from its raw header bytes, without parsing it into a flow_key.
 *
 *   - 'struct flow_smc', one per thread: finds the megaflow of a key without
 *     the classifier.
 *
 *   - 'struct megaflow_table', one per datapath: all megaflows, by unique id
 *     and by classifier (one subtable per in_port and distinct mask).
 *
 * Who may call what: megaflow_table_put(), _del() and _flush() take the
 * table's lock and may be called from any OVS thread.  Lookups are lock-free,
 * from any OVS thread; what they return lives until the thread next quiesces
 * (ovs-rcu.h).  A flow_cache or flow_smc belongs to one thread.
 *
 * Megaflows carry no priority: any live match will do. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmap.h"
#include "dpif.h"
#include "flow.h"
#include "openvswitch/types.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"

struct action_headers;
struct action_program;
struct dp_packet;
struct match;
struct odp_support;
struct ofpbuf;

/* Key */

struct flow_key {
    size_t len;                 /* Bytes of 'mf' and 'buf' in use. */
    struct miniflow mf;
    uint64_t buf[FLOW_MAX_PACKET_U64S];
};

/* Extracts the key of 'packet' (md.in_port and so on set), and its offsets. */
void flow_key_extract(struct dp_packet *packet, struct flow_key *);

/* Same for the first pass of a frame received on 'in_port', of which only
 * 'data_len' of 'len' bytes are at 'data'.  Returns false if they do not
 * suffice to extract the key as flow_key_extract() on the whole frame would:
 * then copy it to a dp_packet. */
bool flow_key_extract_head(const void *data, size_t data_len, size_t len,
                           odp_port_t in_port, struct flow_key *);

void flow_key_expand(const struct flow_key *, struct flow *);
bool flow_key_equal(const struct flow_key *, const struct flow_key *);
uint32_t flow_key_hash(const struct flow_key *);

/* TCP flags in host byte order as OVS counts them, 0 if not TCP. */
uint16_t flow_key_tcp_flags(const struct flow_key *);

/* Does for 'packet', if it is plain (untagged TCP or UDP in IPv4), what
 * flow_key_extract() does to a packet, and sets its RSS hash to what
 * miniflow_hash_5tuple() of the key is, without making the key.  Returns false
 * if it is not plain.  There must be an Ethernet header. */
bool flow_parse_plain(struct dp_packet *packet, uint16_t *tcp_flags);

/* Megaflow */

/* What megaflows can match, for their Netlink attributes. */
extern const struct odp_support megaflow_support;

struct megaflow_stats {
    uint64_t packets;
    uint64_t bytes;
    long long int used;         /* Last use, time_msec(), 0 if never. */
    uint16_t tcp_flags;         /* Bitwise OR, host byte order. */
};

struct megaflow {
    /* What is read for each packet, in one cache line. */

    /* Current actions: replaced, never changed (flow modification). */
    OVSRCU_TYPE(struct action_program *) program;
    struct flow_counters *counters;     /* Private to flow/, */
    unsigned int n_slots;       /* and elements beyond the first. */

    ovs_u128 ufid;
    struct flow flow;           /* The unmasked flow that ofproto gave. */
    struct flow_wildcards mask;
    odp_port_t in_port;
    odp_port_t orig_in_port;    /* Of the first packet, before a tunnel's
                                 * header was popped, or ODPP_NONE. */
    uint32_t recirc_id;

    /* Private to flow/. */
    struct megaflow_private *private_;
};

static inline const struct action_program *
megaflow_program(const struct megaflow *mf)
{
    return ovsrcu_get(struct action_program *, &mf->program);
}

/* Counts a packet (or several) for 'mf'.  'slot' is the caller's: 0 for
 * threads without one (then with atomic additions), else each slot has one
 * writer.  'now' is time_msec(). */
void megaflow_count(struct megaflow *mf, unsigned int slot,
                    uint64_t n_packets, uint64_t n_bytes, uint16_t tcp_flags,
                    long long int now);
void megaflow_get_stats(const struct megaflow *, struct megaflow_stats *);

/* Table */

struct megaflow_table;

struct megaflow_table *megaflow_table_create(void);
void megaflow_table_destroy(struct megaflow_table *);

/* Slots 1...n_slots get counters of their own in megaflows created from now
 * on; a thread with a higher slot counts in slot 0. */
void megaflow_table_set_slots(struct megaflow_table *, unsigned int n_slots);

enum megaflow_put_flags {
    MEGAFLOW_CREATE = 1 << 0,   /* Allow creating a new flow. */
    MEGAFLOW_MODIFY = 1 << 1,   /* Allow replacing the actions. */
    MEGAFLOW_ZERO_STATS = 1 << 2,
};

/* Is told of each change of the table, under the table's lock: in order, and
 * of a removed flow before its memory is freed. */
struct megaflow_observer {
    void (*put)(void *aux, struct megaflow *);      /* New or new actions. */
    void (*removed)(void *aux, struct megaflow *);
};

/* Before any flow is put. */
void megaflow_table_observe(struct megaflow_table *,
                            const struct megaflow_observer *, void *aux);

/* Tells the observer of each flow of 'in_port' as if it were put. */
void megaflow_table_tell_again(struct megaflow_table *, odp_port_t in_port);

/* Installs or modifies the flow with id 'ufid', matching what 'match' says
 * (match->wc un-wildcarded for all that counts; in_port is made exact).
 * 'orig_in_port' is for a new flow, see struct megaflow.  Takes ownership of
 * 'program' on success only.  If nonnull, 'stats' gets the
 * statistics as they were before a modification (zero for a new flow) and
 * '*mfp' the flow.  Returns 0, EEXIST (exists and no MEGAFLOW_MODIFY), ENOENT
 * (does not exist and no MEGAFLOW_CREATE) or ENOSPC (over MEGAFLOW_MAX).
 *
 * A flow that is modified keeps its match: ofproto gives 'ufid' and a match
 * that went through Netlink attributes, which cannot express all that the
 * match of an upcall can. */
#define MEGAFLOW_MAX 1000000
int megaflow_table_put(struct megaflow_table *, const ovs_u128 *ufid,
                       const struct match *match, odp_port_t orig_in_port,
                       int flags, struct action_program *program,
                       struct megaflow_stats *stats, struct megaflow **mfp);

/* Deletes and stores its last statistics.  Returns 0 or ENOENT. */
int megaflow_table_del(struct megaflow_table *, const ovs_u128 *ufid,
                       struct megaflow_stats *);
void megaflow_table_flush(struct megaflow_table *);

struct megaflow *megaflow_table_find(const struct megaflow_table *,
                                     const ovs_u128 *ufid);

/* Returns a live megaflow that matches 'key', or NULL.  Adds to '*n_probed'
 * (if nonnull) the subtables looked at. */
struct megaflow *megaflow_table_lookup(const struct megaflow_table *,
                                       const struct flow_key *key,
                                       unsigned int *n_probed);

size_t megaflow_table_count(const struct megaflow_table *);     /* Flows. */
size_t megaflow_table_n_masks(const struct megaflow_table *);

/* Iterates over all flows; '*pos' starts zeroed; NULL at the end.  The thread
 * may quiesce between calls; flows put or deleted meanwhile may be missed. */
struct megaflow *megaflow_table_next(const struct megaflow_table *,
                                     struct cmap_position *pos);

/* Ranks masks by use and forgets masks that are no longer used.  To be called
 * now and then (more than once a second does no more) by one thread. */
void megaflow_table_run(struct megaflow_table *);

/* Flow cache */

struct flow_cache;

#define FLOW_SHAPE_NONE 0

/* Returns what is known of the headers of all first-pass frames in whose
 * flow_cache_key there is 'shape'.  Never NULL. */
const struct action_headers *flow_shape_headers(uint32_t shape);

/* Entries of a flow cache.  With its share of what finds it, an entry takes
 * 132 bytes. */
#define FLOW_CACHE_MIN 8
#define FLOW_CACHE_DEFAULT (256 * 1024)
#define FLOW_CACHE_MAX (16 * 1024 * 1024)

/* Most frames that are looked up at once. */
#define FLOW_CACHE_BURST 32

/* Bytes of memory that must be readable where a frame's data is, however short
 * the frame. */
#define FLOW_CACHE_READABLE 96

/* A first-pass frame (recirc_id 0, no tunnel or conntrack state, mark and
 * priority zero) of 'len' bytes, the first FLOW_CACHE_READABLE of which, if it
 * has so many, are at 'data'. */
struct flow_cache_frame {
    const uint8_t *data;
    uint32_t len;
};

/* Raw header bytes under the union mask that was current at lookup. */
#define FLOW_CACHE_WORDS 11
struct flow_cache_key {
    uint64_t generation;        /* Of the union mask. */
    uint64_t hash;
    uint16_t shape;             /* FLOW_SHAPE_NONE: not cacheable. */
    uint16_t n_words;           /* In 'words'. */
    odp_port_t in_port;
    uint64_t words[FLOW_CACHE_WORDS];
};

/* Frames in a row that have the same key, as those of one megaflow often
 * have. */
struct flow_cache_run {
    const struct flow_cache_key *key;   /* In 'store' of the burst. */
    struct megaflow *flow;      /* NULL for a miss. */
    unsigned int end;           /* Number of the frame after the last one. */
    uint16_t tcp_flags;         /* For a hit, bitwise OR in host byte order, 0
                                 * if not TCP. */
    void *entry;                /* Private. */
};

/* Frames that are looked up together. */
struct flow_cache_burst {
    struct flow_cache_frame frames[FLOW_CACHE_BURST];

    /* What flow_cache_lookup() says of them. */
    unsigned int n_runs;
    struct flow_cache_run runs[FLOW_CACHE_BURST];
    struct flow_cache_key store[FLOW_CACHE_BURST];
};

/* 'n_entries' is FLOW_CACHE_MIN to FLOW_CACHE_MAX, rounded up to a power of
 * two.  'slot' is that in which the thread that the cache is for counts.
 * Takes constant time; memory for entries is used as they are.  Any thread may
 * create and destroy a cache; it is freed after a grace period. */
struct flow_cache *flow_cache_create(struct megaflow_table *,
                                     unsigned int n_entries,
                                     unsigned int slot);
void flow_cache_destroy(struct flow_cache *);

/* Looks up the first 'n' frames of the burst, received on 'in_port', and asks
 * the processor to fetch what running programs and counting will read of the
 * flows.  Returns the number of hits. */
unsigned int flow_cache_lookup(struct flow_cache *, odp_port_t in_port,
                               struct flow_cache_burst *, unsigned int n);

/* Remembers that frames with 'key' belong to 'mf', if the key was made under a
 * union mask that covers mf's mask.  Returns true if that took the place of
 * another entry. */
bool flow_cache_insert(struct flow_cache *, const struct flow_cache_key *key,
                       struct megaflow *mf);

/* Signature match cache */

struct flow_smc;

struct flow_smc *flow_smc_create(void);

/* No lookup in the table may be under way any more. */
void flow_smc_destroy(struct flow_smc *);

/* Returns a live megaflow that matches 'key', a packet's whose hash is 'hash',
 * or NULL if it knows none: then the table may. */
struct megaflow *flow_smc_lookup(struct flow_smc *, const struct flow_key *,
                                 uint32_t hash);

/* Remembers what the table has found for that. */
void flow_smc_insert(struct flow_smc *, const struct flow_key *,
                     uint32_t hash, const struct megaflow *);

#endif /* megaflow.h */
