/*
 * Walks: a part's live rows by key, and the least of several walks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "radix.h"
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

/* The memtable's live rows, sorted. */
static akin_status sort_rows(struct walk *walk, akin_error *err)
{
    size_t rows = walk->part->rows, count = 0;
    struct radix_entry *entries = akin_alloc(rows, 2 * sizeof *entries);
    uint32_t *sorted = akin_alloc(rows, sizeof *sorted);
    if (!entries || !sorted) {
        akin_free(entries);
        akin_free(sorted);
        return akin_error_memory(err, rows * 2 * sizeof *entries, "order of rows");
    }
    for (size_t row = 0; row < rows; row++)
        if (!bitmap_test(walk->part->dead, row))
            entries[count++] =
                (struct radix_entry){part_columns(walk->part, row)->key, (uint32_t)row};
    radix_sort(entries, entries + rows, count); /* keys are unique among live rows */
    for (size_t i = 0; i < count; i++)
        sorted[i] = entries[i].row;
    akin_free(entries);
    walk->sorted = sorted;
    walk->places = count;
    return AKIN_OK;
}

static size_t row_at(const struct walk *walk, size_t place)
{
    return walk->sorted ? walk->sorted[place] : segment_key_row(walk->part->segment, place);
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

akin_status walk_begin(struct walk *walk, const struct part *part, akin_error *err)
{
    *walk = (struct walk){.part = part, .places = part->rows};
    if (!part->segment) {
        akin_status status = sort_rows(walk, err);
        if (status)
            return status;
    }
    settle(walk);
    return AKIN_OK;
}

akin_status walk_begin_at(struct walk *walk, const struct part *part, uint64_t first,
                          akin_error *err)
{
    akin_status status = walk_begin(walk, part, err);
    if (status != AKIN_OK)
        return status;
    if (part->segment)
        walk->place = segment_lower_bound(part->segment, first);
    settle(walk);
    while (walk->left && part_columns(part, walk->row)->key < first)
        walk_next(walk);
    return AKIN_OK;
}

void walk_next(struct walk *walk)
{
    walk->place++;
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
    uint64_t best = 0;
    for (size_t i = 0; i < count; i++) {
        if (!walks[i].left)
            continue;
        uint64_t key = part_columns(walks[i].part, walks[i].row)->key;
        if (least == count || key < best) {
            best = key;
            least = i;
        }
    }
    return least;
}
