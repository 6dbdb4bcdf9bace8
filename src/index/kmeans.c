/*
 * k-means. Rows are summed in their order and lists are independent of each other, so that the
 * answer does not depend on the pool.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kmeans.h"

#include <math.h>
#include <string.h>

#define TAKE_FROM_MIN 8u /* rows of a list that another may start from */
#define ROWS_AT_ONCE 4096u
#define LISTS_AT_ONCE 16u

akin_status kmeans_members_create(struct kmeans_members *out, uint32_t lists, size_t n,
                                  akin_error *err)
{
    struct kmeans_members m = {akin_alloc((size_t)lists + 2, sizeof *m.starts),
                               akin_alloc(n, sizeof *m.members)};
    if (!m.starts || !m.members) {
        kmeans_members_free(&m);
        return akin_error_memory(err, (lists + n) * sizeof *m.members, "k-means");
    }
    *out = m;
    return AKIN_OK;
}

void kmeans_members_free(struct kmeans_members *members)
{
    akin_free(members->starts);
    akin_free(members->members);
    memset(members, 0, sizeof *members);
}

void kmeans_sort(struct kmeans_members *members, uint32_t lists, const uint32_t *nearest, size_t n)
{
    uint32_t *ends = members->starts + 1; /* of list l, at ends[l], once its rows are in place */
    memset(members->starts, 0, ((size_t)lists + 2) * sizeof *members->starts);
    for (size_t i = 0; i < n; i++)
        ends[nearest[i] + 1]++;
    for (uint32_t l = 1; l <= lists; l++)
        ends[l] += ends[l - 1];
    for (size_t i = 0; i < n; i++)
        members->members[ends[nearest[i]]++] = (uint32_t)i;
}

/* ---- means ---- */

struct means_job {
    struct centroid_table *table;
    const struct kmeans_rows *rows;
    const struct kmeans_members *members;
    float *sums; /* (workers, wide) */
};

static const float *row_of(const struct kmeans_rows *rows, size_t i)
{
    return rows->values + (size_t)rows->order[i] * rows->wide;
}

static void means_piece(void *user, size_t begin, size_t end, unsigned worker)
{
    struct means_job *job = user;
    const struct akin_kernels *kernels = akin_kernels();
    const struct kmeans_members *members = job->members;
    uint32_t wide = job->rows->wide;
    float *sum = job->sums + (size_t)worker * wide;
    for (size_t l = begin; l < end; l++) {
        uint32_t first = members->starts[l], count = members->starts[l + 1] - first;
        if (count == 0) {
            centroid_table_clear(job->table, (uint32_t)l);
            continue;
        }
        memset(sum, 0, wide * sizeof *sum);
        for (uint32_t i = 0; i < count; i++)
            kernels->axpy(sum, 1, row_of(job->rows, members->members[first + i]), wide);
        for (uint32_t j = 0; j < wide; j++)
            sum[j] /= (float)count;
        centroid_table_set(job->table, (uint32_t)l, sum);
    }
}

akin_status kmeans_means(struct centroid_table *table, uint32_t lists,
                         const struct kmeans_rows *rows, const struct kmeans_members *members,
                         akin_pool *pool, akin_error *err)
{
    struct means_job job = {table, rows, members, NULL};
    job.sums = akin_alloc((size_t)akin_pool_threads(pool) * rows->wide, sizeof *job.sums);
    if (!job.sums)
        return akin_error_memory(err, rows->wide * sizeof *job.sums, "k-means");
    akin_pool_for(pool, lists, LISTS_AT_ONCE, means_piece, &job);
    akin_free(job.sums);
    return AKIN_OK;
}

/* ---- runs ---- */

struct run {
    struct centroid_table *table;
    const struct kmeans_rows *rows;
    uint32_t lists, *nearest;
    struct kmeans_members members;
    uint32_t *sizes; /* (lists): as if lists that others start from were halved */
    float *best;     /* (n) */
    int32_t *dots;   /* (workers, NEAREST_DOTS) */
};

static void nearest_piece(void *user, size_t begin, size_t end, unsigned worker)
{
    struct run *run = user;
    struct quantized_rows rows = {run->rows->quantized + begin * run->rows->wide,
                                  run->rows->scales + begin, end - begin};
    for (size_t i = begin; i < end; i++)
        run->best[i] = -INFINITY, run->nearest[i] = 0;
    centroids_nearest(&run->table->is, run->rows->wide, 0, (run->lists + TILE - 1) / TILE * TILE,
                      &rows, run->best + begin, run->nearest + begin,
                      run->dots + (size_t)worker * NEAREST_DOTS);
}

static uint32_t largest(const uint32_t *sizes, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
        if (sizes[i] > sizes[best])
            best = i;
    return best;
}

/* Lists without rows begin anew inside the largest ones, whose rows they will share. */
static void start_empty(struct run *run)
{
    const struct kmeans_members *members = &run->members;
    for (uint32_t l = 0; l < run->lists; l++)
        run->sizes[l] = members->starts[l + 1] - members->starts[l];
    for (uint32_t l = 0; l < run->lists; l++) {
        if (members->starts[l + 1] != members->starts[l])
            continue;
        uint32_t from = largest(run->sizes, run->lists), size = run->sizes[from];
        if (size < TAKE_FROM_MIN)
            return;
        uint32_t row = members->members[members->starts[from] + size / 2];
        centroid_table_set(run->table, l, row_of(run->rows, row));
        run->sizes[from] = size - size / 2;
    }
}

static akin_status run_create(struct run *run, akin_pool *pool, akin_error *err)
{
    size_t n = run->rows->n;
    run->sizes = akin_alloc(run->lists, sizeof *run->sizes);
    run->best = akin_alloc(n, sizeof *run->best);
    run->dots = akin_alloc((size_t)akin_pool_threads(pool) * NEAREST_DOTS, sizeof *run->dots);
    if (!run->sizes || !run->best || !run->dots)
        return akin_error_memory(err, n * sizeof *run->best, "k-means");
    return kmeans_members_create(&run->members, run->lists, n, err);
}

static void run_free(struct run *run)
{
    kmeans_members_free(&run->members);
    akin_free(run->sizes);
    akin_free(run->best);
    akin_free(run->dots);
}

akin_status kmeans_run(struct centroid_table *table, uint32_t lists, uint32_t *nearest,
                       const struct kmeans_rows *rows, uint32_t iterations, akin_pool *pool,
                       akin_error *err)
{
    struct run run = {.table = table, .rows = rows, .nearest = nearest};
    run.lists = rows->n < lists ? (uint32_t)rows->n : lists;
    akin_status status = run_create(&run, pool, err);
    for (uint32_t l = 0; l < run.lists && !status; l++)
        centroid_table_set(table, l, row_of(rows, (size_t)l * rows->n / run.lists));
    for (uint32_t i = 0; i < iterations && !status; i++) {
        akin_pool_for(pool, rows->n, ROWS_AT_ONCE, nearest_piece, &run);
        kmeans_sort(&run.members, run.lists, nearest, rows->n);
        status = kmeans_means(table, run.lists, rows, &run.members, pool, err);
        if (!status && i + 1 < iterations)
            start_empty(&run);
    }
    run_free(&run);
    return status;
}
