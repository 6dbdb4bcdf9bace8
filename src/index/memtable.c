/*
 * The memtable.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "memtable.h"

#include <string.h>

akin_status memtable_create(struct memtable **out, uint32_t dim, akin_error *err)
{
    struct memtable *table = akin_alloc_zero(1, sizeof *table);
    if (!table)
        return akin_error_memory(err, sizeof *table, "memtable");
    atomic_init(&table->refs, 1);
    table->dim = dim;
    *out = table;
    return AKIN_OK;
}

struct memtable *memtable_ref(struct memtable *table)
{
    if (table)
        atomic_fetch_add(&table->refs, 1);
    return table;
}

void memtable_unref(struct memtable *table)
{
    if (!table || atomic_fetch_sub(&table->refs, 1) != 1)
        return;
    for (size_t i = 0; i < table->chunk_count; i++)
        akin_free(table->chunks[i]);
    akin_free(table->chunks);
    akin_free(table->slots);
    akin_free(table);
}

static uint64_t row_key(const struct memtable *table, size_t row)
{
    return table->chunks[row / BLOCK_ROWS]->keys[row % BLOCK_ROWS];
}

/* The slot that has `key`, or the free one where it belongs. Multiplicative hash: a scene's keys
 * differ in their low bits, the product's high bits mix them. */
static size_t slot_of(const struct memtable *table, uint64_t key)
{
    size_t mask = table->slot_count - 1;
    size_t slot = (size_t)(key * 0x9e3779b97f4a7c15u >> 32) & mask;
    while (table->slots[slot] && row_key(table, table->slots[slot] - 1) != key)
        slot = (slot + 1) & mask;
    return slot;
}

static akin_status grow_slots(struct memtable *table, size_t rows, akin_error *err)
{
    size_t count = table->slot_count ? table->slot_count : 1024;
    while (count < 2 * rows)
        count *= 2;
    if (count == table->slot_count)
        return AKIN_OK;
    uint32_t *old = table->slots, *slots = akin_alloc_zero(count, sizeof *slots);
    if (!slots)
        return akin_error_memory(err, count * sizeof *slots, "memtable");
    size_t old_count = table->slot_count;
    table->slots = slots;
    table->slot_count = count;
    for (size_t i = 0; i < old_count; i++)
        if (old[i])
            slots[slot_of(table, row_key(table, old[i] - 1))] = old[i];
    akin_free(old);
    return AKIN_OK;
}

static akin_status grow_chunks(struct memtable *table, size_t count, akin_error *err)
{
    if (count > table->chunk_capacity) {
        size_t capacity = count + table->chunk_capacity;
        struct chunk **chunks = akin_realloc(table->chunks, table->chunk_capacity * sizeof *chunks,
                                             capacity * sizeof *chunks);
        if (!chunks)
            return akin_error_memory(err, capacity * sizeof *chunks, "memtable");
        table->chunks = chunks;
        table->chunk_capacity = capacity;
    }
    size_t bytes = sizeof(struct chunk) + (size_t)BLOCK_ROWS * table->dim * sizeof(akin_f16);
    for (; table->chunk_count < count; table->chunk_count++) {
        struct chunk *chunk = akin_alloc(1, bytes);
        if (!chunk)
            return akin_error_memory(err, bytes, "memtable");
        table->chunks[table->chunk_count] = chunk;
    }
    return AKIN_OK;
}

akin_status memtable_reserve(struct memtable *table, size_t more, akin_error *err)
{
    if (more > UINT32_MAX / 4 - table->rows)
        return akin_error_set(err, AKIN_ERR_LIMIT, "more than %u rows in the log: flush first",
                              UINT32_MAX / 4);
    size_t rows = table->rows + more;
    akin_status status = grow_chunks(table, (rows + BLOCK_ROWS - 1) / BLOCK_ROWS, err);
    return status ? status : grow_slots(table, rows, err);
}

void memtable_stage(struct memtable *table, size_t i, const struct akin_columns *columns)
{
    struct chunk *chunk = table->chunks[i / BLOCK_ROWS];
    memcpy(&chunk->columns[i % BLOCK_ROWS], columns, sizeof *columns);
    chunk->keys[i % BLOCK_ROWS] = columns->key;
}

size_t memtable_find(const struct memtable *table, uint64_t key)
{
    if (!table->slot_count)
        return SIZE_MAX;
    uint32_t found = table->slots[slot_of(table, key)];
    return found ? found - 1 : SIZE_MAX;
}

size_t memtable_commit(struct memtable *table)
{
    size_t row = table->rows++;
    uint32_t *slot = &table->slots[slot_of(table, row_key(table, row))];
    size_t before = *slot ? *slot - 1 : SIZE_MAX;
    *slot = (uint32_t)row + 1;
    return before;
}
