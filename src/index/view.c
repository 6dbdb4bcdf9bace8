/*
 * Views and their parts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "view.h"

#include <string.h>

#include "segment.h"

static void part_fini(struct part *part)
{
    segment_unref(part->segment);
    memtable_unref(part->memtable);
    bitmap_unref(part->dead);
    akin_free(part->chunks);
}

akin_status view_create(struct view **out, size_t parts, akin_error *err)
{
    struct view *view = akin_alloc_zero(1, sizeof *view);
    struct part *array = akin_alloc_zero(parts, sizeof *array);
    if (!view || !array) {
        akin_free(view);
        akin_free(array);
        return akin_error_memory(err, parts * sizeof *array, "view of the index");
    }
    atomic_init(&view->refs, 1);
    view->part_count = parts;
    view->parts = array;
    *out = view;
    return AKIN_OK;
}

struct view *view_ref(struct view *view)
{
    atomic_fetch_add(&view->refs, 1);
    return view;
}

void view_unref(struct view *view)
{
    if (!view || atomic_fetch_sub(&view->refs, 1) != 1)
        return;
    for (size_t i = 0; i < view->part_count; i++)
        part_fini(&view->parts[i]);
    akin_free(view->parts);
    akin_free(view);
}

akin_status part_of_memtable(struct part *dst, struct memtable *table, akin_error *err)
{
    struct chunk **chunks = akin_alloc(table->chunk_count, sizeof *chunks);
    if (!chunks)
        return akin_error_memory(err, table->chunk_count * sizeof *chunks, "view of the index");
    if (table->chunk_count)
        memcpy(chunks, table->chunks, table->chunk_count * sizeof *chunks);
    akin_free(dst->chunks);
    dst->chunks = chunks;
    if (!dst->memtable)
        dst->memtable = memtable_ref(table);
    dst->rows = table->rows;
    return AKIN_OK;
}

akin_status part_copy(struct part *dst, const struct part *src, akin_error *err)
{
    if (src->memtable) {
        akin_status status = part_of_memtable(dst, src->memtable, err);
        if (status)
            return status;
    } else {
        dst->segment = segment_ref(src->segment);
    }
    dst->rows = src->rows;
    dst->dead = bitmap_ref(src->dead);
    dst->tomb_file = src->tomb_file;
    dst->tomb_count = src->tomb_count;
    return AKIN_OK;
}

akin_status part_own_dead(struct part *part, akin_error *err)
{
    /* A memtable grows: its bitmap must cover the rows that are there by now. */
    size_t bits = part->memtable ? part->memtable->chunk_count * BLOCK_ROWS : part->rows;
    if (part->dead_is_own && part->dead->bits >= bits)
        return AKIN_OK;
    struct bitmap *copy = bitmap_copy(part->dead, bits);
    if (!copy)
        return akin_error_memory(err, bits / 8, "tombstones");
    bitmap_unref(part->dead);
    part->dead = copy;
    part->dead_is_own = true;
    return AKIN_OK;
}

void part_block(struct block *out, const struct part *part, size_t index)
{
    size_t first = index * BLOCK_ROWS, left = part->rows - first;
    out->first = first;
    out->count = left < BLOCK_ROWS ? left : BLOCK_ROWS;
    if (part->segment) {
        out->columns = part->segment->columns + first;
        out->vectors = part->segment->vectors + first * part->segment->dim;
        out->zone = part->segment->zones + index;
    } else {
        out->columns = part->chunks[index]->columns;
        out->vectors = part->chunks[index]->vectors;
        out->zone = NULL;
    }
}

const struct akin_columns *part_columns(const struct part *part, size_t row)
{
    return part->segment ? part->segment->columns + row
                         : part->chunks[row / BLOCK_ROWS]->columns + row % BLOCK_ROWS;
}

const akin_f16 *part_vector(const struct part *part, size_t row)
{
    if (part->segment)
        return part->segment->vectors + row * part->segment->dim;
    return part->chunks[row / BLOCK_ROWS]->vectors + row % BLOCK_ROWS * part->memtable->dim;
}

/* The hash belongs to the writer; others look through the keys, newest first: 32k of them take
 * about 10 us. */
static size_t find_in_chunks(const struct part *part, uint64_t key)
{
    for (size_t row = part->rows; row-- > 0;)
        if (part->chunks[row / BLOCK_ROWS]->keys[row % BLOCK_ROWS] == key)
            return row;
    return SIZE_MAX;
}

size_t part_find(const struct part *part, uint64_t key)
{
    size_t row = part->segment ? segment_find(part->segment, key) : find_in_chunks(part, key);
    return row == SIZE_MAX || bitmap_test(part->dead, row) ? SIZE_MAX : row;
}
