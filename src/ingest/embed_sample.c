/*
 * A random sample of an index's tiles. Which are drawn depends on their keys and the seed alone, not
 * on the order in which they lie.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "embed_batch.h"

#define STREAM_SAMPLE 0x7265666974u

struct draw {
    uint64_t rank; /* random by key: the smallest ones are the sample */
    struct akin_columns columns;
};

struct drawing {
    struct draw *draws;
    size_t count, max;
    uint64_t seed;
};

static int compare_draws(const void *a, const void *b)
{
    const struct draw *x = a, *y = b;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static bool draw_rows(void *user, const struct akin_columns *columns, const float *vectors,
                      size_t n)
{
    struct drawing *drawing = user;
    (void)vectors;
    for (size_t i = 0; i < n; i++) {
        if (drawing->count == drawing->max) { /* twice as many as wanted: keep the better half */
            qsort(drawing->draws, drawing->count, sizeof *drawing->draws, compare_draws);
            drawing->count = drawing->max / 2;
        }
        drawing->draws[drawing->count++] = (struct draw){
            akin_random_u64(drawing->seed, STREAM_SAMPLE, columns[i].key), columns[i]};
    }
    return true;
}

akin_status embed_sample(struct akin_columns **out, size_t *count, akin_index *index, uint64_t seed,
                         size_t max, akin_error *err)
{
    struct drawing drawing = {.seed = seed, .max = 2 * max};
    struct akin_columns *columns = akin_alloc(max, sizeof *columns);
    drawing.draws = akin_alloc(drawing.max, sizeof *drawing.draws);
    akin_status status = AKIN_OK;
    if (!columns || !drawing.draws)
        status = akin_error_memory(err, drawing.max * sizeof *drawing.draws, "a sample");
    if (status == AKIN_OK)
        status = akin_index_each(index, draw_rows, &drawing, err);
    if (status == AKIN_OK) {
        qsort(drawing.draws, drawing.count, sizeof *drawing.draws, compare_draws);
        *count = drawing.count < max ? drawing.count : max;
        for (size_t i = 0; i < *count; i++)
            columns[i] = drawing.draws[i].columns;
        *out = columns;
    } else {
        akin_free(columns);
    }
    akin_free(drawing.draws);
    return status;
}
