/*
 * How good the answers are: leave-one-out over every labelled tile. Rows are kept as f16, as the
 * index has them; blocks of queries run against all rows, each thread with its own scores and its
 * own ranking. A query's figures go to a place of its own and are added up in order at the end, so
 * that the result does not depend on threads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "eval_labels.h"
#include "eval_score.h"

#define BLOCK 8 /* queries that share one reading of the rows */

/* The labelled rows, in key order. */
struct rows {
    akin_f16 *vectors; /* (capacity, dim) */
    int32_t *classes;  /* [capacity] */
    size_t count, capacity;
    uint64_t unlabelled;
};

static void rows_fini(struct rows *rows)
{
    akin_free(rows->vectors);
    akin_free(rows->classes);
}

/* ---- gathering ---- */

struct gathering {
    struct rows *rows;
    const struct eval_labels *labels;
    uint32_t dim;
};

static bool gather(void *user, const struct akin_columns *columns, const float *vectors, size_t n)
{
    struct gathering *gathering = user;
    struct rows *rows = gathering->rows;
    const size_t dim = gathering->dim;
    for (size_t i = 0; i < n; i++) {
        int32_t class = eval_labels_of(gathering->labels, akin_tile_scene(columns[i].key));
        if (class < 0 || rows->count == rows->capacity) {
            rows->unlabelled++;
            continue;
        }
        rows->classes[rows->count] = class;
        akin_kernels()->f16_from_f32(rows->vectors + rows->count++ * dim, vectors + i * dim, dim);
    }
    return true;
}

static akin_status gather_rows(akin_engine *engine, const struct eval_labels *labels,
                               struct rows *rows, akin_error *err)
{
    struct akin_index_stats stats;
    akin_index_stats(engine->index, &stats);
    rows->capacity = (size_t)stats.rows;
    rows->vectors = akin_alloc(rows->capacity, engine->dim * sizeof *rows->vectors);
    rows->classes = akin_alloc(rows->capacity, sizeof *rows->classes);
    if (!rows->vectors || !rows->classes)
        return akin_error_memory(err, rows->capacity * engine->dim * sizeof *rows->vectors,
                                 "the tiles' vectors");
    struct gathering gathering = {rows, labels, engine->dim};
    akin_status status = akin_index_each(engine->index, gather, &gathering, err);
    if (status == AKIN_OK && rows->count < 2)
        status = akin_error_set(err, AKIN_ERR_INVALID,
                                "%zu of %llu tiles have a label: at least 2 are needed",
                                rows->count, (unsigned long long)stats.rows);
    return status;
}

static int compare_classes(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* How many classes take part. */
static akin_status count_classes(const struct rows *rows, uint64_t *out, akin_error *err)
{
    int32_t *sorted = akin_alloc(rows->count, sizeof *sorted);
    if (!sorted)
        return akin_error_memory(err, rows->count * sizeof *sorted, "classes");
    memcpy(sorted, rows->classes, rows->count * sizeof *sorted);
    qsort(sorted, rows->count, sizeof *sorted, compare_classes);
    uint64_t count = 1;
    for (size_t i = 1; i < rows->count; i++)
        count += sorted[i] != sorted[i - 1];
    *out = count;
    akin_free(sorted);
    return AKIN_OK;
}

/* ---- queries ---- */

/* What one thread works with. */
struct bench {
    float *queries;          /* (BLOCK, dim) */
    float *scores;           /* (BLOCK, n) */
    struct eval_item *a, *b; /* [n] */
};

struct run {
    const struct rows *rows;
    uint32_t dim;
    struct bench *benches;      /* [threads] */
    struct eval_query *queries; /* [n]: what came out */
    const struct akin_talk *talk;
    pthread_mutex_t talking;
    size_t done; /* under `talking` */
    atomic_bool stop;
};

static void report(struct run *run, size_t more)
{
    pthread_mutex_lock(&run->talking);
    run->done += more;
    const struct akin_progress progress = {
        .what = "queries", .done = run->done, .total = run->rows->count};
    if (!akin_progress(run->talk, &progress))
        atomic_store(&run->stop, true);
    pthread_mutex_unlock(&run->talking);
}

static void run_block(struct run *run, const struct bench *bench, size_t block)
{
    const struct rows *rows = run->rows;
    const struct akin_kernels *kernels = akin_kernels();
    const size_t first = block * BLOCK;
    const size_t count = rows->count - first < BLOCK ? rows->count - first : BLOCK;
    kernels->f32_from_f16(bench->queries, rows->vectors + first * run->dim, count * run->dim);
    kernels->dots_f16_block(bench->scores, rows->count, bench->queries, count, rows->vectors,
                            rows->count, run->dim);
    for (size_t q = 0; q < count; q++)
        run->queries[first + q] = eval_score_query(bench->scores + q * rows->count, rows->classes,
                                                   rows->count, first + q, bench->a, bench->b);
    report(run, count);
}

static void run_blocks(void *user, size_t begin, size_t end, unsigned worker)
{
    struct run *run = user;
    for (size_t block = begin; block < end && !atomic_load(&run->stop); block++)
        run_block(run, &run->benches[worker], block);
}

static void benches_free(struct bench *benches, unsigned threads)
{
    for (unsigned i = 0; benches && i < threads; i++) {
        akin_free(benches[i].queries);
        akin_free(benches[i].scores);
        akin_free(benches[i].a);
        akin_free(benches[i].b);
    }
    akin_free(benches);
}

static akin_status benches_create(struct bench **out, unsigned threads, size_t n, uint32_t dim,
                                  akin_error *err)
{
    struct bench *benches = akin_alloc_zero(threads, sizeof *benches);
    bool whole = benches;
    for (unsigned i = 0; whole && i < threads; i++) {
        struct bench *bench = &benches[i];
        bench->queries = akin_alloc(BLOCK, dim * sizeof *bench->queries);
        bench->scores = akin_alloc(n, BLOCK * sizeof *bench->scores);
        bench->a = akin_alloc(n, sizeof *bench->a);
        bench->b = akin_alloc(n, sizeof *bench->b);
        whole = bench->queries && bench->scores && bench->a && bench->b;
    }
    if (!whole) {
        benches_free(benches, threads);
        return akin_error_memory(
            err, threads * n * (BLOCK * sizeof(float) + 2 * sizeof(struct eval_item)), "scores");
    }
    *out = benches;
    return AKIN_OK;
}

static akin_status run_all(akin_engine *engine, struct run *run, akin_error *err)
{
    const size_t n = run->rows->count;
    akin_status status = benches_create(&run->benches, engine->threads, n, engine->dim, err);
    if (status != AKIN_OK)
        return status;
    run->queries = akin_alloc(n, sizeof *run->queries);
    if (run->queries) {
        pthread_mutex_init(&run->talking, NULL);
        /* A block at a time whatever the threads: what a kernel rounds may depend on the block's
         * size. */
        akin_pool_for(engine->pool, (n + BLOCK - 1) / BLOCK, 1, run_blocks, run);
        pthread_mutex_destroy(&run->talking);
        if (atomic_load(&run->stop))
            status = akin_error_set(err, AKIN_ERR_CANCELLED, "stopped after %zu of %zu queries",
                                    run->done, n);
    } else {
        status = akin_error_memory(err, n * sizeof *run->queries, "queries");
    }
    benches_free(run->benches, engine->threads);
    return status;
}

/* ---- the whole ---- */

static void add_up(const struct run *run, struct akin_eval_result *out)
{
    const size_t n = run->rows->count;
    size_t with_ap = 0;
    for (size_t i = 0; i < n; i++) {
        const struct eval_query *query = &run->queries[i];
        out->p_at_1 += query->p_at_1;
        out->p_at_10 += query->p_at_10;
        out->map += query->ap;
        out->knn5 += query->knn5;
        with_ap += query->has_ap;
    }
    out->p_at_1 /= (double)n;
    out->p_at_10 /= (double)n;
    out->map = with_ap ? out->map / (double)with_ap : 0;
    out->knn5 /= (double)n;
}

static void warn_of_unknown(const struct akin_talk *talk, const struct eval_labels *labels,
                            const char *path)
{
    if (labels->unknown)
        akin_log(talk, AKIN_LEVEL_WARN, "eval", "'%s': %llu rows name no scene of this collection",
                 path, (unsigned long long)labels->unknown);
}

akin_status akin_eval(akin_engine *engine, const struct akin_eval_options *options,
                      struct akin_eval_result *out, akin_error *err)
{
    if (!engine || !options || !options->labels || !out)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "no labels given: \"folder\" or the path of a CSV");
    if (engine->metric != AKIN_METRIC_COSINE)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "eval compares by cosine, and this collection's vectors are compared "
                              "otherwise: import them with --metric cosine");
    struct akin_eval_result result = {0};
    struct eval_labels labels = {0};
    struct rows rows = {0};
    struct run run = {
        .rows = &rows, .dim = engine->dim, .talk = options->talk ? options->talk : engine->talk};
    akin_status status = eval_labels_load(&labels, engine->catalog, options->labels, err);
    if (status == AKIN_OK) {
        warn_of_unknown(run.talk, &labels, options->labels);
        status = gather_rows(engine, &labels, &rows, err);
    }
    if (status == AKIN_OK)
        status = count_classes(&rows, &result.classes, err);
    if (status == AKIN_OK)
        status = run_all(engine, &run, err);
    if (status == AKIN_OK) {
        result.tiles = rows.count;
        result.unlabelled = rows.unlabelled;
        result.unknown = labels.unknown;
        add_up(&run, &result);
        snprintf(result.model, sizeof result.model, "%s", akin_model_info(engine->model)->name);
        *out = result;
    }
    akin_free(run.queries);
    rows_fini(&rows);
    eval_labels_fini(&labels);
    return status;
}
