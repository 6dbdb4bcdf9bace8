/*
 * For the tests of approximate search: vectors in clusters, as learnt embeddings are, whose clusters also have places and
 * times of their own; and how much of the exact answer a search finds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_INDEX_CLOUD_H
#define TESTS_INDEX_CLOUD_H

#include "rows.h"

#define CLOUD_CLUSTERS 60
#define CLOUD_QUERIES 128

struct cloud {
    uint32_t dim;
    enum akin_metric metric;
    uint64_t stream; /* of random numbers */
    uint32_t list_rows;
};

static inline float cloud_normal(struct rows_random *random)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += rows_unit(random);
    return (float)sum;
}

/* Vector `n` of the cloud; *cluster where it belongs. Rows and questions are drawn alike. */
static inline void cloud_vector(const struct cloud *cloud, uint64_t n, float *out,
                                uint32_t *cluster)
{
    struct rows_random own = {cloud->stream + 1000 + n, 0};
    *cluster = (uint32_t)rows_below(&own, CLOUD_CLUSTERS);
    struct rows_random shared = {cloud->stream + *cluster, 0};
    float spread = (float)(0.2 + 0.5 * rows_unit(&shared));
    for (uint32_t i = 0; i < cloud->dim; i++)
        out[i] = cloud_normal(&shared) + spread * cloud_normal(&own);
    if (cloud->metric == AKIN_METRIC_COSINE)
        akin_normalize(out, cloud->dim);
    else
        for (uint32_t i = 0; i < cloud->dim; i++)
            out[i] *= 0.2f + (float)(cloud->metric == AKIN_METRIC_DOT) * 0.1f * spread;
}

/* A place and a time near the cluster's, qualities at random. */
static inline struct akin_columns cloud_columns(uint64_t key, uint64_t n, uint32_t cluster)
{
    struct rows_random random = {n, 5000};
    struct akin_columns columns = rows_columns(key, &random);
    double lon = cluster * 6.0 - 179 + 4 * rows_unit(&random);
    double lat = cluster % 7 * 20.0 - 70 + 10 * rows_unit(&random);
    int32_t box[4] = {(int32_t)(lon * 1e7), (int32_t)(lat * 1e7), (int32_t)((lon + 0.5) * 1e7),
                      (int32_t)((lat + 0.5) * 1e7)};
    memcpy(columns.bbox_e7, box, sizeof box);
    columns.hilbert = akin_hilbert_key(lon + 0.25, lat + 0.25);
    columns.begin_ms = (int64_t)(cluster * 100 + rows_below(&random, 150)) * 86400000;
    columns.end_ms = columns.begin_ms + 86400000;
    return columns;
}

/* Rows [first, first + n) of the cloud under keys from `key` on. */
static inline bool cloud_add(akin_index *index, const struct cloud *cloud, uint64_t first, size_t n,
                             uint64_t key)
{
    struct akin_columns *columns = malloc(n * sizeof *columns);
    float *vectors = malloc(n * cloud->dim * sizeof *vectors);
    akin_error err = {0};
    for (size_t i = 0; i < n; i++) {
        uint32_t cluster;
        cloud_vector(cloud, first + i, vectors + i * cloud->dim, &cluster);
        columns[i] = cloud_columns(key + i, first + i, cluster);
    }
    bool added = akin_index_add(index, columns, vectors, n, &err) == AKIN_OK;
    if (!added)
        printf("# add: %s\n", err.text);
    free(columns);
    free(vectors);
    return added;
}

/* Questions of the cloud, (CLOUD_QUERIES, dim), to be freed. */
static inline float *cloud_questions(const struct cloud *cloud)
{
    float *vectors = malloc(CLOUD_QUERIES * cloud->dim * sizeof *vectors);
    for (uint64_t i = 0; i < CLOUD_QUERIES; i++) {
        uint32_t cluster;
        cloud_vector(cloud, 1u << 30 | i, vectors + i * cloud->dim, &cluster);
    }
    return vectors;
}

static inline akin_index *cloud_open(const char *path, const struct cloud *cloud,
                                     uint32_t memtable_rows, akin_pool *pool)
{
    struct akin_index_options options;
    akin_error err = {0};
    akin_index *index = NULL;
    akin_index_options_default(&options);
    options.dim = cloud->dim;
    options.metric = cloud->metric;
    options.memtable_rows = memtable_rows;
    options.coded_rows = 500;
    options.list_rows = cloud->list_rows;
    options.background = false;
    options.pool = pool;
    if (akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, &err) != AKIN_OK)
        printf("# open: %s\n", err.text);
    return index;
}

/* The share of the exact answers that `query` finds, its lists asked `batch` at a time. A hit counts by its score: of
 * equals any will do. *work (may be NULL): of the last. Negative where a search fails or an answer is out of order. */
static inline double cloud_recall(const akin_index *index, struct akin_index_query query,
                                  size_t batch, struct akin_index_work *work)
{
    size_t total = query.count, k = query.k, found = 0, wanted = 0;
    struct akin_index_stats stats;
    akin_index_stats(index, &stats);
    struct akin_hit *hits = malloc(total * k * sizeof *hits),
                    *truth = malloc(total * k * sizeof *truth);
    size_t *counts = malloc(total * sizeof *counts), *true_counts = malloc(total * sizeof *counts);
    struct akin_index_query exact = query;
    exact.recall = 1;
    exact.probes = exact.rerank = 0;
    bool good = akin_index_search(index, &exact, truth, true_counts, NULL, NULL) == AKIN_OK;
    const float *vectors = query.vectors;
    for (size_t first = 0; good && first < total; first += batch) {
        query.vectors = vectors + first * stats.dim;
        query.count = total - first < batch ? total - first : batch;
        good = akin_index_search(index, &query, hits + first * k, counts + first, work, NULL) ==
               AKIN_OK;
    }
    for (size_t list = 0; good && list < total; list++) {
        const struct akin_hit *hit = hits + list * k, *best = truth + list * k;
        float last = true_counts[list] ? best[true_counts[list] - 1].score : INFINITY;
        wanted += true_counts[list];
        good &= counts[list] <= true_counts[list];
        for (size_t i = 0; i < counts[list]; i++) {
            found += hit[i].score >= last;
            good &= i == 0 || akin_hit_compare(&hit[i - 1], &hit[i]) < 0;
        }
    }
    free(hits);
    free(truth);
    free(counts);
    free(true_counts);
    return !good ? -1 : wanted ? (double)found / (double)wanted : 1;
}

static inline struct akin_index_query cloud_query(const float *questions, size_t k)
{
    return (struct akin_index_query){
        .vectors = questions, .count = CLOUD_QUERIES, .k = k, .threshold = -INFINITY};
}

#endif
