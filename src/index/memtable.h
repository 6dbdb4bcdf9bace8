/*
 * Private to index: the memtable, the rows of the log in memory. Rows are only ever appended, in
 * chunks that never move, so that a view (chunk pointers and a row count) stays true while the
 * writer goes on. The table itself belongs to the one writer; views only keep it alive.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_MEMTABLE_H
#define INDEX_MEMTABLE_H

#include <stdatomic.h>

#include "akin/vec.h"
#include "layout.h"

struct chunk {
    uint64_t keys[BLOCK_ROWS]; /* again, close together: keys are looked up by reading them all */
    struct akin_columns columns[BLOCK_ROWS];
    akin_f16 vectors[]; /* (BLOCK_ROWS, dim) */
};

struct memtable {
    atomic_uint refs;
    uint32_t dim;
    size_t rows; /* committed; rows staged behind them are nobody's yet */
    struct chunk **chunks;
    size_t chunk_count, chunk_capacity;
    uint32_t *slots; /* hash of keys: row + 1, or 0; linear probing, at most half full */
    size_t slot_count;
};

akin_status memtable_create(struct memtable **out, uint32_t dim, akin_error *err);
struct memtable *memtable_ref(struct memtable *table);
void memtable_unref(struct memtable *table); /* takes NULL */

/* Room for `more` rows behind the committed ones, in chunks and in the hash. */
akin_status memtable_reserve(struct memtable *table, size_t more, akin_error *err);
/* The place of row i < committed + reserved. */
static inline akin_f16 *memtable_vector(const struct memtable *table, size_t i)
{
    return table->chunks[i / BLOCK_ROWS]->vectors + i % BLOCK_ROWS * table->dim;
}
static inline struct akin_columns *memtable_columns(const struct memtable *table, size_t i)
{
    return &table->chunks[i / BLOCK_ROWS]->columns[i % BLOCK_ROWS];
}
void memtable_stage(struct memtable *table, size_t i, const struct akin_columns *columns);
/* The newest committed row of a key, dead or not; SIZE_MAX where there is none. */
size_t memtable_find(const struct memtable *table, uint64_t key);
/* Commits the next staged row; returns the row that had its key before, or SIZE_MAX. */
size_t memtable_commit(struct memtable *table);

#endif
