/*
 * Splitting lists that have grown too long, after LIRE (SPFresh, SOSP 2023): 2-means of a long list's
 * rows; the rows of the lists beside it are assigned anew as well, since some are nearer to one of
 * the two. Deviations: splits come at a merge and many at once, in a new epoch, instead of one by one
 * beside inserts; all rows of those lists are assigned anew instead of those that LIRE's two
 * conditions single out, which a merge writes anyway.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "epoch_file.h"
#include "kmeans.h"

#define ROUNDS 8u
#define BESIDE 8u /* lists beside a split one whose rows are assigned anew */

struct splitting {
    const struct epoch *from;
    const uint64_t *counts;
    uint64_t rows_max;
    const float *sample;
    size_t n;
    struct kmeans_members members; /* the sample's rows by list */
    struct centroid_table flat;    /* the lists as they were, and behind them what splits added */
    uint32_t added;
    uint32_t *renumber;
    /* One list's rows at a time; (rows_most) each. */
    size_t rows_most;
    float *rotated;
    int8_t *quantized;
    float *scales;
    uint32_t *order, *nearest;
    struct centroid_table two;
    struct akin_candidate *scored; /* (lists) */
    int32_t *dots;                 /* (lists) */
};

static bool is_long(const struct splitting *s, uint32_t list)
{
    return s->counts[list] > s->rows_max;
}

static size_t sampled(const struct splitting *s, uint32_t list)
{
    return s->members.starts[list + 1] - s->members.starts[list];
}

static akin_status splitting_create(struct splitting *s, const uint32_t *of, akin_error *err)
{
    uint32_t lists = s->from->lists.count, wide = s->from->shape.wide, longs = 0;
    for (size_t i = 0; i < s->n; i++)
        if (of[i] >= s->from->lists_used)
            return akin_error_set(err, AKIN_ERR_INVALID, "row %zu is of list %u of %u", i, of[i],
                                  s->from->lists_used);
    akin_status status = kmeans_members_create(&s->members, lists, s->n, err);
    if (status)
        return status;
    kmeans_sort(&s->members, lists, of, s->n);
    for (uint32_t l = 0; l < s->from->lists_used; l++) {
        longs += is_long(s, l);
        if (is_long(s, l) && sampled(s, l) > s->rows_most)
            s->rows_most = sampled(s, l);
    }
    status = centroid_table_create(&s->flat, lists + longs, wide, err);
    if (!status)
        status = centroid_table_create(&s->two, 2, wide, err);
    if (status)
        return status;
    s->rotated = akin_alloc(s->rows_most, wide * sizeof *s->rotated);
    s->quantized = akin_alloc(s->rows_most, wide);
    s->scales = akin_alloc(s->rows_most, sizeof *s->scales);
    s->order = akin_alloc(s->rows_most, sizeof *s->order);
    s->nearest = akin_alloc(s->rows_most, sizeof *s->nearest);
    s->scored = akin_alloc(lists, sizeof *s->scored);
    s->dots = akin_alloc(lists, sizeof *s->dots);
    if (!s->rotated || !s->quantized || !s->scales || !s->order || !s->nearest || !s->scored ||
        !s->dots)
        return akin_error_memory(err, s->rows_most * wide * 5, "splitting lists");
    return AKIN_OK;
}

static void splitting_free(struct splitting *s)
{
    kmeans_members_free(&s->members);
    centroid_table_free(&s->flat);
    centroid_table_free(&s->two);
    akin_free(s->rotated);
    akin_free(s->quantized);
    akin_free(s->scales);
    akin_free(s->order);
    akin_free(s->nearest);
    akin_free(s->scored);
    akin_free(s->dots);
}

/* The rows of `list`, rotated. */
static struct kmeans_rows gather(struct splitting *s, uint32_t list)
{
    const struct epoch *from = s->from;
    size_t wide = from->shape.wide, n = sampled(s, list);
    for (size_t i = 0; i < n; i++) {
        size_t row = s->members.members[s->members.starts[list] + i];
        rotation_apply(&from->rotation, s->rotated + i * wide, s->sample + row * from->dim);
        s->scales[i] = akin_quantize_i8(s->quantized + i * wide, s->rotated + i * wide, wide);
        s->order[i] = (uint32_t)i;
    }
    return (struct kmeans_rows){s->rotated, s->order, s->quantized, s->scales, n, from->shape.wide};
}

/* The lists beside `list` lose their numbers: their rows are to be assigned anew. */
static void loosen(struct splitting *s, uint32_t list)
{
    const struct centroids *lists = &s->from->lists;
    uint32_t wide = s->from->shape.wide;
    akin_kernels()->dots_i8_tiles(s->dots, 0, s->from->list_values + (size_t)list * wide, 1,
                                  lists->tiles, lists->sums, lists->count / TILE, wide / 4);
    for (uint32_t l = 0; l < s->from->lists_used; l++) {
        float product = (float)s->dots[l] * lists->scales[list] * lists->scales[l];
        s->scored[l] = (struct akin_candidate){product - lists->halves[l], l};
    }
    float threshold;
    size_t near = akin_kernels()->keep_best(s->scored, s->from->lists_used, BESIDE + 1, &threshold);
    for (size_t i = 0; i < near; i++)
        s->renumber[s->scored[i].row] = UINT32_MAX;
    s->renumber[list] = UINT32_MAX;
}

/* A list whose rows do not part stays as it is. */
static akin_status split_list(struct splitting *s, uint32_t list, akin_error *err)
{
    struct kmeans_rows rows = gather(s, list);
    centroid_table_clear(&s->two, 0);
    centroid_table_clear(&s->two, 1);
    akin_status status = kmeans_run(&s->two, 2, s->nearest, &rows, ROUNDS, NULL, err);
    if (status || s->two.scales[0] == 0 || s->two.scales[1] == 0)
        return status;
    centroid_table_copy(&s->flat, list, &s->two.is, 0);
    centroid_table_copy(&s->flat, s->from->lists.count + s->added++, &s->two.is, 1);
    loosen(s, list);
    return AKIN_OK;
}

static akin_status write_split(struct splitting *s, const char *dir, uint64_t id, uint64_t rows,
                               akin_error *err)
{
    struct tree_built built;
    akin_status status = tree_build(&built, &s->flat.is, s->from->shape.wide, err);
    if (status)
        return status;
    for (uint32_t l = 0; l < built.lists_used; l++) {
        uint32_t was = built.order[l];
        if (was < s->from->lists.count && s->renumber[was] != UINT32_MAX)
            s->renumber[was] = l;
    }
    struct epoch_head head = {.id = id,
                              .rows_trained = rows,
                              .seed = s->from->seed,
                              .dim = s->from->dim,
                              .metric = s->from->shape.metric,
                              .bits = s->from->shape.bits,
                              .unit = s->from->rotation.unit,
                              .residual = s->from->residual};
    status = epoch_write(dir, &head, &built, err);
    tree_built_free(&built);
    return status;
}

akin_status epoch_split(const struct epoch *from, const char *dir, uint64_t id, uint64_t rows,
                        const uint64_t *counts, uint64_t rows_max, const float *sample,
                        const uint32_t *of, size_t n, uint32_t *renumber, akin_error *err)
{
    struct splitting s = {.from = from,
                          .counts = counts,
                          .rows_max = rows_max,
                          .sample = sample,
                          .n = n,
                          .renumber = renumber};
    akin_status status = splitting_create(&s, of, err);
    for (uint32_t l = 0; l < from->lists.count && !status; l++) {
        renumber[l] = l < from->lists_used ? 0 : UINT32_MAX;
        if (l < from->lists_used)
            centroid_table_copy(&s.flat, l, &from->lists, l);
    }
    for (uint32_t l = 0; l < from->lists_used && !status; l++)
        if (is_long(&s, l) && sampled(&s, l) > 1)
            status = split_list(&s, l, err);
    if (!status)
        status = write_split(&s, dir, id, rows, err);
    splitting_free(&s);
    return status;
}
