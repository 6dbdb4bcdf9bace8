/*
 * Private to index: scratch, what one thread needs to search. An index keeps those that are not in use, so that a
 * search allocates nothing once a like one has been.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_SCRATCH_H
#define INDEX_SCRATCH_H

#include <pthread.h>

#include "akin/index.h"
#include "candidates.h"
#include "epoch.h"

/* A block of memory that only grows. */
struct growing {
    void *data;
    size_t bytes;
};

/* Epochs that a view has at a time, mostly; more are prepared anew in each search. */
#define EPOCH_SLOTS 3

struct scratch {
    struct scratch *next;
    struct akin_index_work work;
    bool stages;       /* measure them */
    uint64_t stage_at; /* when the present one began, ns */

    struct growing lists, hits; /* topk (lists) and their buffers (lists, 2 k) */
    struct growing scores;      /* f32 (queries, BLOCK_ROWS) */
    struct growing best;        /* f32 (BLOCK_ROWS), for best_of */
    struct growing match;       /* u8 (BLOCK_ROWS): whether a row matches, once asked */
    struct growing wide;        /* f32 (dim), for score_rows */

    struct candidates candidates;
    struct growing items;       /* of candidates */
    struct growing masks;       /* u32, of a step's blocks */
    struct growing quantized;   /* int8 (dim): the query */
    struct growing group;       /* of a batch; see batch.c */
    struct growing parts;       /* of the view, those with codes */
    struct growing spans, rows; /* struct matching, u32: of matches */
    struct epoch_slot {
        struct epoch_query query;
        uint64_t epoch;
        uint32_t crc;
    } slots[EPOCH_SLOTS]; /* the latest used first */
};

struct scratch_pool {
    pthread_mutex_t mutex;
    struct scratch *idle;
};
void scratch_pool_init(struct scratch_pool *pool);
void scratch_pool_fini(struct scratch_pool *pool);

/* One that nobody uses. NULL: out of memory. */
struct scratch *scratch_take(struct scratch_pool *pool, bool stages);
/* Gives it back; one that has become very large is freed. Takes NULL. */
void scratch_give(struct scratch_pool *pool, struct scratch *scratch);

/* Room for count * size bytes, whose contents are lost where it has to grow. */
akin_status growing_need(struct growing *growing, size_t count, size_t size, akin_error *err);
/* `lists` empty lists of the k best. */
akin_status scratch_need_lists(struct scratch *scratch, size_t lists, size_t k, akin_error *err);
static inline struct akin_topk *scratch_list(const struct scratch *scratch, size_t list)
{
    return (struct akin_topk *)scratch->lists.data + list;
}
/* What an epoch's queries need, in slots[0]. */
akin_status scratch_need_query(struct scratch *scratch, const struct epoch *epoch, akin_error *err);

/* The time since the last call, or since it was taken, goes to a stage. */
void scratch_count_stage(struct scratch *scratch, enum akin_index_stage stage);
static inline void scratch_stage(struct scratch *scratch, enum akin_index_stage stage)
{
    if (scratch->stages)
        scratch_count_stage(scratch, stage);
}
/* into += from, but for the way and the numbers that are of the index. */
void scratch_add_work(struct akin_index_work *into, const struct akin_index_work *from);

#endif
