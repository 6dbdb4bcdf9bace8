/*
 * Rocchio: the mean of the likes minus a share of the mean of the unlikes. An image with several
 * windows is several possible likes of which the best counts; for one such image that is exact (a
 * vector a window), for more the combinations would multiply, so each then stands for itself with
 * its mean window.
 *
 * Cosines ask for a direction, so all means are made unit length. For inner products they stay as
 * they are. A distance asks for a point: the likes' mean, moved away from the unlikes' by half of
 * the way between them (weights of 1.5 and -0.5 keep it one whatever the origin).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "question_vectors.h"

#include <string.h>

#include "akin/vec.h"

#define UNLIKE_SHARE 0.5f

/* sum += weight * (mean of the example's windows, unit length). An example of a metric without unit
 * length has one window. */
static void add_mean(float *sum, float *scratch, const struct example *item, uint32_t dim,
                     float weight, enum akin_metric metric)
{
    const struct akin_kernels *kernels = akin_kernels();
    memset(scratch, 0, dim * sizeof *scratch);
    for (size_t w = 0; w < item->windows; w++)
        kernels->axpy(scratch, 1, item->vectors + w * dim, dim);
    if (metric == AKIN_METRIC_COSINE)
        akin_normalize(scratch, dim);
    kernels->axpy(sum, weight, scratch, dim);
}

struct tally {
    size_t likes, unlikes, wide; /* wide: likes of more than one window */
    const struct example *last_wide;
};

static struct tally tally_of(const struct akin_example_set *set)
{
    struct tally tally = {0};
    for (size_t i = 0; i < set->count; i++) {
        const struct example *item = &set->items[i];
        *(item->unlike ? &tally.unlikes : &tally.likes) += 1;
        if (!item->unlike && item->windows > 1) {
            tally.wide++;
            tally.last_wide = item;
        }
    }
    return tally;
}

/* base (dim): everything but `open`, the example that stays a set of alternatives (may be NULL). */
static void make_base(float *base, float *scratch, const struct akin_example_set *set,
                      struct tally tally, const struct example *open, enum akin_metric metric)
{
    const bool point = metric == AKIN_METRIC_L2 && tally.unlikes;
    const float like_share = point ? 1 + UNLIKE_SHARE : 1;
    memset(base, 0, set->dim * sizeof *base);
    for (size_t i = 0; i < set->count; i++) {
        const struct example *item = &set->items[i];
        if (item != open)
            add_mean(base, scratch, item, set->dim,
                     item->unlike ? -UNLIKE_SHARE / (float)tally.unlikes
                                  : like_share / (float)tally.likes,
                     metric);
    }
}

/* out (windows of `open`, dim) from the base; returns how many are not zero, where that matters. */
static size_t spread(float *out, const float *base, uint32_t dim, const struct example *open,
                     size_t likes, enum akin_metric metric)
{
    const size_t windows = open ? open->windows : 1;
    size_t kept = 0;
    for (size_t w = 0; w < windows; w++) {
        float *vector = out + kept * dim;
        memcpy(vector, base, dim * sizeof *vector);
        if (open)
            akin_kernels()->axpy(vector, 1 / (float)likes, open->vectors + w * dim, dim);
        kept += metric != AKIN_METRIC_COSINE || akin_normalize(vector, dim) > 0;
    }
    return kept;
}

akin_status question_vectors_make(const struct akin_example_set *set, uint32_t dim,
                                  enum akin_metric metric, float **out, size_t *count,
                                  akin_error *err)
{
    if (!set || !set->count)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the question has no example: give an image, a tile or a point");
    if (set->dim != dim)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the question was made with another encoder (%u numbers a vector, "
                              "this one has %u)",
                              set->dim, dim);
    const struct tally tally = tally_of(set);
    if (!tally.likes)
        return akin_error_set(
            err, AKIN_ERR_INVALID,
            "the question has only counter-examples: give at least one example of "
            "what is wanted");
    const struct example *open = tally.wide == 1 ? tally.last_wide : NULL;
    const size_t rows = (open ? open->windows : 1) + 2; /* and two of scratch */
    float *vectors = akin_alloc(rows, set->dim * sizeof *vectors);
    if (!vectors)
        return akin_error_memory(err, rows * set->dim * sizeof *vectors, "a question's vectors");
    float *base = vectors + (rows - 2) * set->dim;
    make_base(base, base + set->dim, set, tally, open, metric);
    *count = spread(vectors, base, set->dim, open, tally.likes, metric);
    if (!*count) {
        akin_free(vectors);
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the examples and counter-examples cancel each other out");
    }
    *out = vectors;
    return AKIN_OK;
}
