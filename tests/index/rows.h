/*
 * For the tests of index: made-up rows, and a plain model of what an index must answer, kept in an
 * array and searched by brute force with the same kernel, so that scores can be compared for
 * equality.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_INDEX_ROWS_H
#define TESTS_INDEX_ROWS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"
#include "akin/index.h"

/* Sanitizers make everything several times slower. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROWS_SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ROWS_SLOW 1
#endif
#endif
#ifndef ROWS_SLOW
#define ROWS_SLOW 0
#endif
#define ROWS_STEPS(normal) (ROWS_SLOW ? (normal) / 8 + 1 : (normal))

#define ROWS_DIM 24
#define ROWS_SEED 7

struct rows_random {
    uint64_t stream, counter;
};

static inline uint64_t rows_below(struct rows_random *random, uint64_t n)
{
    return akin_random_below(ROWS_SEED, random->stream, random->counter++, n);
}

static inline double rows_unit(struct rows_random *random)
{
    return akin_random_unit(ROWS_SEED, random->stream, random->counter++);
}

/* A unit vector; one in 8 is one of four fixed ones, so that there are ties. */
static inline void rows_vector(float *out, struct rows_random *random)
{
    struct rows_random fixed = {1000 + rows_below(random, 4), 0};
    struct rows_random *from = rows_below(random, 8) ? random : &fixed;
    for (int i = 0; i < ROWS_DIM; i++)
        out[i] = (float)(rows_unit(from) - 0.5);
    akin_normalize(out, ROWS_DIM);
}

static inline struct akin_columns rows_columns(uint64_t key, struct rows_random *random)
{
    struct akin_columns columns = {.key = key};
    columns.begin_ms = AKIN_TIME_MAX;
    columns.end_ms = AKIN_TIME_MIN;
    columns.hilbert = UINT32_MAX;
    for (int i = 0; i < 8; i++)
        columns.corner_e7[i] = AKIN_E7_UNKNOWN;
    for (int i = 0; i < 4; i++)
        columns.bbox_e7[i] = AKIN_E7_UNKNOWN;
    if (rows_below(random, 8)) {
        columns.begin_ms = (int64_t)rows_below(random, 1000) * 86400000;
        columns.end_ms = columns.begin_ms + (int64_t)rows_below(random, 3) * 86400000;
    }
    if (rows_below(random, 8)) {
        double lon = rows_unit(random) * 360 - 180, lat = rows_unit(random) * 170 - 85;
        double west = lon - 2, east = lon + 2, x, y;
        struct akin_bbox box = {west < -180 ? west + 360 : west, lat - 1,
                                east > 180 ? east - 360 : east, lat + 1};
        columns.bbox_e7[0] = (int32_t)(box.west * 1e7);
        columns.bbox_e7[1] = (int32_t)(box.south * 1e7);
        columns.bbox_e7[2] = (int32_t)(box.east * 1e7);
        columns.bbox_e7[3] = (int32_t)(box.north * 1e7);
        akin_bbox_center(box, &x, &y);
        columns.hilbert = akin_hilbert_key(x, y);
    }
    columns.nodata = (uint8_t)rows_below(random, 256);
    columns.gap = (uint8_t)rows_below(random, 256);
    columns.texture = (uint8_t)rows_below(random, 256);
    return columns;
}

/* ---- the model ---- */

struct rows_row {
    struct akin_columns columns;
    float vector[ROWS_DIM]; /* as given */
    akin_f16 half[ROWS_DIM];
};

struct rows_model {
    struct rows_row *rows;
    size_t count, capacity;
};

static inline struct rows_row *model_find(struct rows_model *model, uint64_t key)
{
    for (size_t i = 0; i < model->count; i++)
        if (model->rows[i].columns.key == key)
            return &model->rows[i];
    return NULL;
}

static inline void model_add(struct rows_model *model, const struct akin_columns *columns,
                             const float *vector)
{
    struct rows_row *row = model_find(model, columns->key);
    if (!row) {
        if (model->count == model->capacity) {
            model->capacity = 2 * model->capacity + 64;
            model->rows = realloc(model->rows, model->capacity * sizeof *model->rows);
            if (!model->rows)
                abort();
        }
        row = &model->rows[model->count++];
    }
    row->columns = *columns;
    memcpy(row->vector, vector, sizeof row->vector);
    akin_kernels()->f16_from_f32(row->half, vector, ROWS_DIM);
}

static inline size_t model_remove(struct rows_model *model, uint64_t first, uint64_t last)
{
    size_t kept = 0, before = model->count;
    for (size_t i = 0; i < before; i++)
        if (model->rows[i].columns.key < first || model->rows[i].columns.key > last)
            model->rows[kept++] = model->rows[i];
    model->count = kept;
    return before - kept;
}

static inline void model_fini(struct rows_model *model)
{
    free(model->rows);
    memset(model, 0, sizeof *model);
}

static int model_compare(const void *a, const void *b)
{
    return akin_hit_compare(a, b);
}

/* One answer list, for vectors [first, first + count) of the query taken by their best. */
static inline size_t model_list(const struct rows_model *model,
                                const struct akin_index_query *query, size_t first, size_t count,
                                struct akin_hit *hits)
{
    struct akin_hit *all = malloc((model->count + 1) * sizeof *all);
    size_t n = 0;
    for (size_t i = 0; i < model->count; i++) {
        const struct rows_row *row = &model->rows[i];
        float best = -INFINITY;
        bool excepted = false;
        for (size_t e = 0; e < query->except_count; e++)
            excepted |= query->except[e] == row->columns.key;
        if (excepted || (query->filter && !akin_filter_matches(query->filter, &row->columns)))
            continue;
        for (size_t q = first; q < first + count; q++) {
            float score;
            akin_kernels()->dots_f16_block(&score, 1, query->vectors + q * ROWS_DIM, 1, row->half,
                                           1, ROWS_DIM);
            best = fmaxf(best, score);
        }
        if (best >= query->threshold)
            all[n++] = (struct akin_hit){.key = row->columns.key, .score = best};
    }
    qsort(all, n, sizeof *all, model_compare);
    n = n < query->k ? n : query->k;
    memcpy(hits, all, n * sizeof *hits);
    free(all);
    return n;
}

/* Whether the index answers as the model does; says the first difference. */
static inline bool model_agrees(const struct rows_model *model, const akin_index *index,
                                const struct akin_index_query *query)
{
    size_t lists = query->best_of ? 1 : query->count;
    struct akin_hit *hits = malloc(lists * query->k * sizeof *hits);
    struct akin_hit *wanted = malloc(query->k * sizeof *wanted);
    size_t *counts = malloc(lists * sizeof *counts);
    akin_error err = {0};
    bool same = akin_index_search(index, query, hits, counts, NULL, &err) == AKIN_OK;
    if (!same)
        printf("# search: %s\n", err.text);
    for (size_t list = 0; same && list < lists; list++) {
        size_t n = model_list(model, query, query->best_of ? 0 : list,
                              query->best_of ? query->count : 1, wanted);
        if (n != counts[list])
            printf("# list %zu has %zu hits, not %zu\n", list, counts[list], n);
        same = n == counts[list];
        for (size_t i = 0; same && i < n; i++) {
            const struct akin_hit *a = &hits[list * query->k + i], *b = &wanted[i];
            same = a->key == b->key && a->score == b->score;
            if (!same)
                printf("# list %zu hit %zu: %016llx %.9g, not %016llx %.9g\n", list, i,
                       (unsigned long long)a->key, a->score, (unsigned long long)b->key, b->score);
        }
    }
    free(hits);
    free(wanted);
    free(counts);
    return same;
}

/* Everything that the model has and nothing else, by akin_index_each. */
struct rows_each {
    struct rows_model *model;
    uint64_t last;
    size_t seen;
    bool good;
};

static inline bool rows_each_check(void *user, const struct akin_columns *columns,
                                   const float *vectors, size_t n)
{
    struct rows_each *each = user;
    for (size_t i = 0; i < n; i++) {
        struct rows_row *row = model_find(each->model, columns[i].key);
        float wide[ROWS_DIM];
        if (!row || (each->seen && columns[i].key <= each->last)) {
            each->good = false;
            printf("# row %016llx is unknown or out of order\n",
                   (unsigned long long)columns[i].key);
            return false;
        }
        akin_kernels()->f32_from_f16(wide, row->half, ROWS_DIM);
        each->good &= !memcmp(&columns[i], &row->columns, sizeof *columns) &&
                      !memcmp(wide, vectors + i * ROWS_DIM, sizeof wide);
        each->last = columns[i].key;
        each->seen++;
    }
    return each->good;
}

static inline bool model_is_whole(struct rows_model *model, const akin_index *index)
{
    struct rows_each each = {.model = model, .good = true};
    struct akin_index_stats stats;
    akin_error err = {0};
    if (akin_index_each(index, rows_each_check, &each, &err) != AKIN_OK)
        printf("# each: %s\n", err.text);
    akin_index_stats(index, &stats);
    if (each.seen != model->count || stats.rows != model->count)
        printf("# %zu rows seen, %llu in stats, %zu wanted\n", each.seen,
               (unsigned long long)stats.rows, model->count);
    return each.good && each.seen == model->count && stats.rows == model->count;
}

/* ---- opening and verifying ---- */

static inline akin_index *rows_open(const char *path, enum akin_open mode, uint32_t memtable_rows)
{
    struct akin_index_options options;
    akin_error err = {0};
    akin_index *index = NULL;
    akin_index_options_default(&options);
    options.dim = ROWS_DIM;
    options.memtable_rows = memtable_rows;
    options.background = false; /* what happens at a flush has happened when it returns */
    if (akin_index_open(&index, path, mode, &options, &err) != AKIN_OK)
        printf("# open: %s\n", err.text);
    return index;
}

/* A writer of an index that gets codes at `coded_rows` rows, 16 a list. */
static inline akin_index *rows_open_coded(const char *path, uint32_t memtable_rows,
                                          uint32_t coded_rows, bool background, akin_pool *pool)
{
    struct akin_index_options options;
    akin_error err = {0};
    akin_index *index = NULL;
    akin_index_options_default(&options);
    options.dim = ROWS_DIM;
    options.memtable_rows = memtable_rows;
    options.coded_rows = coded_rows;
    options.list_rows = 16;
    options.background = background;
    options.pool = pool;
    if (akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, &err) != AKIN_OK)
        printf("# open: %s\n", err.text);
    return index;
}

static inline void rows_fault(void *user, const char *file, const char *text)
{
    if (user)
        printf("# fault: %s: %s\n", file, text);
}

/* The number of faults; each is printed where `loud`. */
static inline uint64_t rows_verify(const char *path, bool loud)
{
    uint64_t faults = 0;
    akin_error err = {0};
    if (akin_index_verify(path, rows_fault, loud ? &err : NULL, &faults, NULL, &err) != AKIN_OK) {
        printf("# verify: %s\n", err.text);
        return UINT64_MAX;
    }
    return faults;
}

/* Adds `n` made-up rows with keys (scene, 0, 0, 0..n) to index and model (either may be NULL). */
static inline akin_status rows_add(akin_index *index, struct rows_model *model, uint32_t scene,
                                   size_t n, struct rows_random *random, akin_error *err)
{
    struct akin_columns *columns = calloc(n + 1, sizeof *columns);
    float *vectors = calloc(n + 1, ROWS_DIM * sizeof *vectors);
    for (size_t i = 0; i < n; i++) {
        columns[i] =
            rows_columns(akin_tile_key(scene, 0, (uint32_t)(i >> 14), (uint32_t)i), random);
        rows_vector(vectors + i * ROWS_DIM, random);
    }
    akin_status status = index ? akin_index_add(index, columns, vectors, n, err) : AKIN_OK;
    for (size_t i = 0; !status && model && i < n; i++)
        model_add(model, &columns[i], vectors + i * ROWS_DIM);
    free(columns);
    free(vectors);
    return status;
}

/* main() of each test here: thousands of fsyncs wait for a disk for nothing, so the folders go to
 * memory where there is such a place and no other was asked for. */
static inline int rows_main(int argc, char **argv)
{
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    return check_main(argc, argv);
}

#endif
