/*
 * Walks: a part's live rows in posting order or in key order, and the least of several walks, which
 * is all that a merge is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "segment.h"
#include "view.h"

int posting_compare(const struct akin_columns *a, const struct akin_columns *b)
{
    if (a->hilbert != b->hilbert)
        return a->hilbert < b->hilbert ? -1 : 1;
    if (a->begin_ms != b->begin_ms)
        return a->begin_ms < b->begin_ms ? -1 : 1;
    return a->key < b->key ? -1 : a->key > b->key;
}

struct sort_entry {
    const struct akin_columns *columns;
    uint32_t row;
};

static int compare_posting(const void *a, const void *b)
{
    return posting_compare(((const struct sort_entry *)a)->columns,
                           ((const struct sort_entry *)b)->columns);
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = ((const struct sort_entry *)a)->columns->key;
    uint64_t y = ((const struct sort_entry *)b)->columns->key;
    return x < y ? -1 : x > y;
}

/* The memtable's live rows, sorted. */
static akin_status sort_rows(struct walk *walk, akin_error *err)
{
    size_t rows = walk->part->rows, count = 0;
    struct sort_entry *entries = akin_alloc(rows, sizeof *entries);
    uint32_t *sorted = akin_alloc(rows, sizeof *sorted);
    if (!entries || !sorted) {
        akin_free(entries);
        akin_free(sorted);
        return akin_error_memory(err, rows * sizeof *entries, "order of rows");
    }
    for (size_t row = 0; row < rows; row++)
        if (!bitmap_test(walk->part->dead, row))
            entries[count++] = (struct sort_entry){part_columns(walk->part, row), (uint32_t)row};
    /* Keys are unique among live rows, so both orders are total. */
    qsort(entries, count, sizeof *entries,
          walk->order == WALK_POSTING ? compare_posting : compare_keys);
    for (size_t i = 0; i < count; i++)
        sorted[i] = entries[i].row;
    akin_free(entries);
    walk->sorted = sorted;
    walk->places = count;
    return AKIN_OK;
}

static size_t row_at(const struct walk *walk, size_t place)
{
    if (walk->sorted)
        return walk->sorted[place];
    if (walk->order == WALK_KEYS)
        return segment_key_row(walk->part->segment, place);
    return place;
}

/* Steps over dead rows to the first live one at or behind `place`. */
static void settle(struct walk *walk)
{
    for (walk->left = false; walk->place < walk->places; walk->place++) {
        walk->row = row_at(walk, walk->place);
        if (walk->row != SIZE_MAX && !bitmap_test(walk->part->dead, walk->row)) {
            walk->left = true;
            return;
        }
    }
}

akin_status walk_begin(struct walk *walk, const struct part *part, enum walk_order order,
                       akin_error *err)
{
    *walk = (struct walk){.part = part, .order = order, .places = part->rows};
    if (!part->segment) {
        akin_status status = sort_rows(walk, err);
        if (status)
            return status;
    }
    settle(walk);
    return AKIN_OK;
}

void walk_next(struct walk *walk)
{
    walk->place++;
    settle(walk);
}

void walk_rewind(struct walk *walk)
{
    walk->place = 0;
    settle(walk);
}

void walk_fini(struct walk *walk)
{
    akin_free(walk->sorted);
    *walk = (struct walk){0};
}

/* A linear search: there are at most a few dozen walks. */
size_t walk_least(const struct walk *walks, size_t count)
{
    size_t least = count;
    const struct akin_columns *best = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!walks[i].left)
            continue;
        const struct akin_columns *columns = part_columns(walks[i].part, walks[i].row);
        bool before = !best || (walks[i].order == WALK_KEYS ? columns->key < best->key
                                                            : posting_compare(columns, best) < 0);
        if (before) {
            best = columns;
            least = i;
        }
    }
    return least;
}
