/*
 * Random rows: places among all rows of all files, the dead ones and those drawn before drawn again, up
 * to eight times as many draws as rows are wanted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "handle.h"

#define DRAWS_EACH 8

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts, and leaves each key once. */
static size_t settle(uint64_t *keys, size_t count)
{
    size_t kept = 0;
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 0; i < count; i++)
        if (!kept || keys[kept - 1] != keys[i])
            keys[kept++] = keys[i];
    return kept;
}

static bool draw(const struct view *view, uint64_t place, uint64_t *key)
{
    for (size_t i = 0; i < view->part_count; i++) {
        const struct part *part = &view->parts[i];
        if (place >= part->rows) {
            place -= part->rows;
            continue;
        }
        *key = part_columns(part, place)->key;
        return !bitmap_test(part->dead, place);
    }
    return false;
}

akin_status akin_index_sample(const akin_index *index, uint64_t seed, uint64_t *keys, size_t n,
                              size_t *count, akin_error *err)
{
    struct view *view = handle_view(index);
    uint64_t rows = 0, draws = 0;
    size_t found = 0;
    (void)err;
    for (size_t i = 0; i < view->part_count; i++)
        rows += view->parts[i].rows;
    while (rows && found < n && draws < DRAWS_EACH * (uint64_t)n) {
        while (found < n && draws < DRAWS_EACH * (uint64_t)n)
            found += draw(view, akin_random_below(seed, 0, draws++, rows), &keys[found]);
        found = settle(keys, found);
    }
    view_unref(view);
    *count = found;
    return AKIN_OK;
}
