/*
 * What can be seen of learning without labels. All of it is computed from unit vectors; what is not
 * finite counts as zero and so shows as collapse. The singular values are those of unit z as it is,
 * not centred, from the eigenvalues of its Gram matrix in doubles: in floats, noise of 1e-7 would
 * become singular values of 3e-4, of which a hundred are a rank of their own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "watch.h"

#include <math.h>
#include <string.h>

#include "akin/vec.h"

#define BLOCK 128 /* rows whose scores are held at once */

/* out (dim, rows) <- rows of x turned into columns. */
static void turn(float *out, const float *x, size_t rows, size_t dim)
{
    for (size_t row = 0; row < rows; row++)
        for (size_t d = 0; d < dim; d++)
            out[d * rows + row] = x[row * dim + d];
}

/* ---- views ---- */

struct views {
    size_t rows, dim;
    float *unit, *turned; /* (rows, dim); (dim, rows / 2): one half at a time */
    float *scores;        /* (BLOCK, rows / 2) */
    double *columns;      /* (dim, rows) */
    double *gram, *vectors, *values;
};

static double alignment_of(const struct views *v)
{
    size_t half = v->rows / 2;
    double sum = 0;
    for (size_t i = 0; i < half; i++)
        sum += akin_kernels()->dot(v->unit + i * v->dim, v->unit + (half + i) * v->dim, v->dim);
    return sum / (double)half;
}

/* Sum of exp(-2 |a - b|^2) over the pairs a < b of one half: |a - b|^2 = 2 - 2 cos. */
static double sum_of_pairs(const struct views *v, const float *unit)
{
    size_t half = v->rows / 2;
    double sum = 0;
    turn(v->turned, unit, half, v->dim);
    for (size_t begin = 0; begin < half; begin += BLOCK) {
        size_t count = half - begin < BLOCK ? half - begin : BLOCK;
        akin_matmul(NULL, v->scores, unit + begin * v->dim, v->turned, count, half, v->dim);
        for (size_t i = 0; i < count; i++)
            for (size_t j = begin + i + 1; j < half; j++)
                sum += exp(4 * (double)v->scores[i * half + j] - 4);
    }
    return sum;
}

/* Pairs of different tiles in the same view, as in the paper: two views of one tile are no
 * evidence of clumping. */
static double uniformity_of(const struct views *v)
{
    size_t half = v->rows / 2;
    double pairs = (double)half * ((double)half - 1);
    return log((sum_of_pairs(v, v->unit) + sum_of_pairs(v, v->unit + half * v->dim)) / pairs);
}

static double deviation_of(const struct views *v)
{
    double sum = 0;
    for (size_t d = 0; d < v->dim; d++) {
        const double *column = v->columns + d * v->rows;
        double mean = 0, square = 0;
        for (size_t i = 0; i < v->rows; i++)
            mean += column[i] / (double)v->rows;
        for (size_t i = 0; i < v->rows; i++)
            square += (column[i] - mean) * (column[i] - mean) / (double)v->rows;
        sum += sqrt(square);
    }
    return sum / sqrt((double)v->dim); /* the mean over dim, times sqrt(dim) */
}

static akin_status find_effective_rank(double *out, const struct views *v, akin_error *err)
{
    for (size_t i = 0; i < v->dim; i++)
        for (size_t j = 0; j <= i; j++)
            v->gram[i * v->dim + j] = v->gram[j * v->dim + i] = akin_kernels()->dot_f64(
                v->columns + i * v->rows, v->columns + j * v->rows, v->rows);
    akin_status status = akin_eigen_symmetric(v->values, v->vectors, v->dim, v->gram, v->dim, err);
    if (status != AKIN_OK)
        return status;
    double sum = 0, entropy = 0;
    for (size_t i = 0; i < v->dim; i++)
        sum += sqrt(fmax(v->values[i], 0));
    for (size_t i = 0; i < v->dim; i++) {
        double share = sum > 0 ? sqrt(fmax(v->values[i], 0)) / sum : 0;
        entropy -= share > 0 ? share * log(share) : 0;
    }
    *out = exp(entropy);
    return AKIN_OK;
}

static akin_status look_at_views(struct watch_report *out, struct views *v, akin_error *err)
{
    for (size_t i = 0; i < v->rows; i++)
        akin_normalize(v->unit + i * v->dim, v->dim);
    for (size_t i = 0; i < v->rows; i++)
        for (size_t d = 0; d < v->dim; d++)
            v->columns[d * v->rows + i] = v->unit[i * v->dim + d];
    struct watch_report report = {
        .alignment = alignment_of(v), .uniformity = uniformity_of(v), .deviation = deviation_of(v)};
    akin_status status = find_effective_rank(&report.effective_rank, v, err);
    if (status == AKIN_OK)
        *out = report;
    return status;
}

akin_status watch_views(struct watch_report *out, const float *z, size_t rows, size_t dim,
                        akin_error *err)
{
    if (rows < 4 || rows % 2 || dim == 0)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "cannot judge %zu vectors of %zu values: there must be two views of "
                              "two tiles at least",
                              rows, dim);
    akin_status status;
    size_t half = rows / 2;
    struct views v = {.rows = rows, .dim = dim};
    v.unit = akin_alloc(rows, dim * sizeof *v.unit);
    v.turned = akin_alloc(half, dim * sizeof *v.turned);
    v.scores = akin_alloc(half, BLOCK * sizeof *v.scores);
    v.columns = akin_alloc(rows, dim * sizeof *v.columns);
    v.gram = akin_alloc(dim, dim * sizeof *v.gram);
    v.vectors = akin_alloc(dim, dim * sizeof *v.vectors);
    v.values = akin_alloc(dim, sizeof *v.values);
    if (v.unit && v.turned && v.scores && v.columns && v.gram && v.vectors && v.values) {
        memcpy(v.unit, z, rows * dim * sizeof *z);
        status = look_at_views(out, &v, err);
    } else {
        status = akin_error_memory(err, rows * dim * sizeof *v.columns, "a look at the views");
    }
    akin_free(v.unit);
    akin_free(v.turned);
    akin_free(v.scores);
    akin_free(v.columns);
    akin_free(v.gram);
    akin_free(v.vectors);
    akin_free(v.values);
    return status;
}

/* ---- agreement ---- */

struct side {
    const float *x;
    size_t dim;
    float *turned; /* (dim, count) */
    float *scores; /* (BLOCK, count) */
};

struct agreement {
    struct side a, b;
    size_t count, k, begin; /* begin: of the block at work */
    struct akin_hit *hits;  /* (threads, 2 k) */
    unsigned char *marks;   /* (threads, count), all zero between two rows */
    uint32_t *common;       /* (count): neighbours that a tile has on both sides */
};

/* The k nearest of tile `row`, without itself. */
static size_t find_neighbours(const struct agreement *g, const float *scores, size_t row,
                              struct akin_hit *hits)
{
    struct akin_topk topk;
    akin_topk_init(&topk, hits, g->k);
    for (size_t i = 0; i < g->count; i++)
        if (i != row && scores[i] >= topk.threshold)
            akin_topk_push(&topk, (struct akin_hit){.key = i, .score = scores[i]});
    return akin_topk_finish(&topk);
}

static void compare_rows(void *user, size_t begin, size_t end, unsigned worker)
{
    const struct agreement *g = user;
    struct akin_hit *hits = g->hits + worker * 2 * g->k;
    unsigned char *marks = g->marks + worker * g->count;
    for (size_t i = begin; i < end; i++) {
        size_t row = g->begin + i, found;
        uint32_t common = 0;
        found = find_neighbours(g, g->a.scores + i * g->count, row, hits);
        for (size_t n = 0; n < found; n++)
            marks[hits[n].key] = 1;
        found = find_neighbours(g, g->b.scores + i * g->count, row, hits);
        for (size_t n = 0; n < found; n++)
            common += marks[hits[n].key];
        g->common[row] = common;
        /* Whose marks these were is overwritten by now. */
        memset(marks, 0, g->count);
    }
}

static void score_block(const struct side *side, size_t begin, size_t rows, size_t count,
                        akin_pool *pool)
{
    akin_matmul(pool, side->scores, side->x + begin * side->dim, side->turned, rows, count,
                side->dim);
}

static double share_in_common(struct agreement *g, akin_pool *pool)
{
    uint64_t common = 0;
    turn(g->a.turned, g->a.x, g->count, g->a.dim);
    turn(g->b.turned, g->b.x, g->count, g->b.dim);
    for (g->begin = 0; g->begin < g->count; g->begin += BLOCK) {
        size_t rows = g->count - g->begin < BLOCK ? g->count - g->begin : BLOCK;
        score_block(&g->a, g->begin, rows, g->count, pool);
        score_block(&g->b, g->begin, rows, g->count, pool);
        akin_pool_for(pool, rows, 0, compare_rows, g);
    }
    for (size_t i = 0; i < g->count; i++)
        common += g->common[i];
    return (double)common / ((double)g->count * (double)g->k);
}

akin_status watch_agreement(double *out, const float *a, size_t dim_a, const float *b, size_t dim_b,
                            size_t count, size_t k, akin_pool *pool, akin_error *err)
{
    if (count < 2 || k == 0)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "cannot compare the %zu nearest neighbours of %zu tiles", k, count);
    akin_status status = AKIN_OK;
    size_t threads = akin_pool_threads(pool);
    struct agreement g = {.a = {.x = a, .dim = dim_a}, .b = {.x = b, .dim = dim_b}};
    g.count = count;
    g.k = k < count ? k : count - 1;
    g.a.turned = akin_alloc(count, dim_a * sizeof *g.a.turned);
    g.b.turned = akin_alloc(count, dim_b * sizeof *g.b.turned);
    g.a.scores = akin_alloc(count, BLOCK * sizeof *g.a.scores);
    g.b.scores = akin_alloc(count, BLOCK * sizeof *g.b.scores);
    g.hits = akin_alloc(g.k, 2 * threads * sizeof *g.hits);
    g.marks = akin_alloc_zero(count, threads);
    g.common = akin_alloc(count, sizeof *g.common);
    if (g.a.turned && g.b.turned && g.a.scores && g.b.scores && g.hits && g.marks && g.common)
        *out = share_in_common(&g, pool);
    else
        status = akin_error_memory(err, count * (dim_a + dim_b + 2 * BLOCK) * sizeof *a,
                                   "a comparison of neighbours");
    akin_free(g.a.turned);
    akin_free(g.b.turned);
    akin_free(g.a.scores);
    akin_free(g.b.scores);
    akin_free(g.hits);
    akin_free(g.marks);
    akin_free(g.common);
    return status;
}
