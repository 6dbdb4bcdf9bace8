/*
 * akin's index as the benches use it: filled from a set and asked, through include/akin/index.h only.
 *
 * Places, times and qualities for the rows of a set are made up, with filters of a known selectivity. Rows come in the order of time;
 * a row's place follows its vector, as like land lies together: the longitude is the rank of one projection of it, the
 * latitude that of another. Quality is drawn at random.
 *
 *     "random-PERCENT"    rows drawn at random, by texture and missing pixels
 *     "cluster-PERCENT"   a window of longitudes within a stretch of time
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_BENCH_OURS_H
#define AKIN_BENCH_OURS_H

#include <math.h>

#include "akin/index.h"
#include "bench_set.h"

#define BENCH_ADD 8192u
#define BENCH_TIME_MS 86400000000 /* 1,000 days, over which rows are spread */

struct bench_rank {
    float value;
    uint32_t row;
};

static inline int bench_rank_compare(const void *a, const void *b)
{
    const struct bench_rank *x = a, *y = b;
    return x->value < y->value ? -1 : x->value > y->value;
}

/* ranks[row] in [0, 1) of the rows' projections on a random direction. */
static inline void bench_ranks(float *ranks, const struct bench_set *set, uint64_t stream)
{
    float direction[4096];
    struct bench_rank *order = akin_alloc(set->rows, sizeof *order);
    if (!order)
        bench_die("out of memory", set->title);
    for (uint32_t j = 0; j < set->dim; j++)
        direction[j] = (float)akin_random_unit(11, stream, j) - 0.5f;
    for (size_t row = 0; row < set->rows; row++)
        order[row] = (struct bench_rank){
            akin_kernels()->dot(set->base + row * set->dim, direction, set->dim), (uint32_t)row};
    qsort(order, set->rows, sizeof *order, bench_rank_compare);
    for (size_t i = 0; i < set->rows; i++)
        ranks[order[i].row] = (float)((double)i / (double)set->rows);
    akin_free(order);
}

/* Keys are the rows' numbers. Freed by akin_free. */
static inline struct akin_columns *bench_columns_make(const struct bench_set *set)
{
    struct akin_columns *columns = akin_alloc_zero(set->rows, sizeof *columns);
    float *east = akin_alloc(set->rows, sizeof *east),
          *north = akin_alloc(set->rows, sizeof *north);
    if (!columns || !east || !north)
        bench_die("out of memory", set->title);
    bench_ranks(east, set, 0);
    bench_ranks(north, set, 1);
    for (size_t row = 0; row < set->rows; row++) {
        struct akin_columns *c = &columns[row];
        double lon = east[row] * 359.9 - 180, lat = north[row] * 169.9 - 85;
        c->key = row;
        c->begin_ms = (int64_t)((double)row / (double)set->rows * BENCH_TIME_MS);
        c->end_ms = c->begin_ms;
        for (int corner = 0; corner < 4; corner++) {
            c->corner_e7[2 * corner] = (int32_t)(lon * 1e7);
            c->corner_e7[2 * corner + 1] = (int32_t)(lat * 1e7);
        }
        memcpy(c->bbox_e7, c->corner_e7, sizeof c->bbox_e7);
        c->hilbert = akin_hilbert_key(lon, lat);
        c->nodata = (uint8_t)akin_random_below(11, 2, row, 256);
        c->texture = (uint8_t)akin_random_below(11, 3, row, 256);
    }
    akin_free(east);
    akin_free(north);
    return columns;
}

/* The filter of that name; an unknown name ends the program. */
static inline void bench_filter(struct akin_filter *out, const char *name)
{
    const char *dash = strchr(name, '-');
    double share = dash ? strtod(dash + 1, NULL) / 100 : 0;
    akin_filter_init(out);
    if (!(share > 0 && share < 1))
        bench_die("not a filter", name);
    double side = sqrt(share);
    if (strncmp(name, "random-", 7) == 0) {
        double steps = round(256 * (share < 0.05 ? side : share));
        out->texture_min = (256 - steps) / 2;
        if (share < 0.05)
            out->nodata_max = (steps - 0.5) / 255;
    } else if (strncmp(name, "cluster-", 8) == 0) {
        double from = (1 - side) / 2;
        out->bbox = (struct akin_bbox){from * 359.9 - 180, -90, (from + side) * 359.9 - 180, 90};
        out->time = (struct akin_interval){(int64_t)(from * BENCH_TIME_MS),
                                           (int64_t)((from + side) * BENCH_TIME_MS)};
    } else
        bench_die("not a filter", name);
}

/* "recall=0.95", "probes=16,rerank=60" or "exact", then perhaps ",filter=NAME", which *filter is for: one question a call. */
static inline struct akin_index_query bench_query(struct akin_filter *filter, const char *setting)
{
    const char *name = bench_filter_of(setting);
    if (*name)
        bench_filter(filter, name);
    return (struct akin_index_query){.count = 1,
                                     .k = BENCH_K,
                                     .threshold = -INFINITY,
                                     .filter = *name ? filter : NULL,
                                     .recall = strncmp(setting, "exact", 5) == 0
                                                   ? 1
                                                   : (float)bench_parameter(setting, "recall", 0),
                                     .probes = (uint32_t)bench_parameter(setting, "probes", 0),
                                     .rerank = (uint32_t)bench_parameter(setting, "rerank", 0)};
}

/* What akin could not do ends the program. */
static inline void bench_check(akin_status status, const akin_error *why)
{
    if (status)
        bench_die("akin", why->text);
}

/* Makes an index of the set's dimension and metric in the folder, anew. */
static inline akin_index *bench_index_make(const char *path, const struct bench_set *set,
                                           struct akin_index_options *options)
{
    akin_index *index;
    akin_error why = {0};
    options->dim = set->dim;
    options->metric = set->l2 ? AKIN_METRIC_L2 : AKIN_METRIC_COSINE;
    bench_check(akin_index_open(&index, path, AKIN_OPEN_WRITE, options, &why), &why);
    return index;
}

/* Rows [from, to), a few thousand a call. */
static inline void bench_index_add(akin_index *index, const struct bench_set *set,
                                   const struct akin_columns *columns, size_t from, size_t to)
{
    akin_error why = {0};
    for (size_t row = from; row < to; row += BENCH_ADD) {
        size_t n = to - row < BENCH_ADD ? to - row : BENCH_ADD;
        bench_check(akin_index_add(index, columns + row, set->base + row * set->dim, n, &why),
                    &why);
    }
}

/* All rows in segments, nothing left to do in the background. */
static inline void bench_index_rest(akin_index *index)
{
    akin_error why = {0};
    bench_check(akin_index_flush(index, &why), &why);
    bench_check(akin_index_settle(index, true, &why), &why);
}

#endif
