/*
 * What churn costs: an index of which half the rows are removed and as many new ones added, a scene at a time, beside one that
 * was built of the same rows at once. Recall@10 of both against exact search, at the same settings.
 *
 *     bench_index_churn SET-FOLDER WORK-FOLDER
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bench.h"
#include "bench_ours.h"

#define SCENE 64u /* rows that go together */

struct churn {
    struct bench_set set;
    struct akin_columns *columns;
    size_t half;     /* scenes: [0, 2 half) are there first, [2 half, 3 half) come */
    uint32_t *order; /* of the first 2 half scenes; the first half of it goes */
    uint64_t *exact; /* (queries, BENCH_K) keys */
};

static akin_index *make_index(char path[4096], const struct churn *c, const char *work_folder)
{
    struct akin_index_options options;
    bench_path(path, work_folder, "churn-XXXXXX");
    if (!mkdtemp(path))
        bench_die("cannot make a folder in", work_folder);
    akin_index_options_default(&options);
    return bench_index_make(path, &c->set, &options);
}

static void churn_scenes(akin_index *index, const struct churn *c)
{
    akin_error why = {0};
    for (size_t i = 0; i < c->half; i++) {
        uint64_t first = (uint64_t)c->order[i] * SCENE;
        size_t new = (2 * c->half + i) * SCENE;
        bench_check(akin_index_remove(index, first, first + SCENE - 1, NULL, &why), &why);
        bench_index_add(index, &c->set, c->columns, new, new + SCENE);
    }
}

/* The rows that a churned index ends with, in batches: those that stay, then those that came. */
static void add_what_stays(akin_index *index, const struct churn *c)
{
    akin_error why = {0};
    struct akin_columns *columns = akin_alloc(BENCH_ADD, sizeof *columns);
    float *vectors = akin_alloc(BENCH_ADD, c->set.dim * sizeof *vectors);
    size_t n = 0;
    if (!columns || !vectors)
        bench_die("out of memory", c->set.title);
    for (size_t i = c->half; i < 2 * c->half; i++) {
        size_t row = (size_t)c->order[i] * SCENE;
        memcpy(columns + n, c->columns + row, SCENE * sizeof *columns);
        memcpy(vectors + n * c->set.dim, c->set.base + row * c->set.dim,
               SCENE * c->set.dim * sizeof *vectors);
        n += SCENE;
        if (n + SCENE > BENCH_ADD || i + 1 == 2 * c->half) {
            bench_check(akin_index_add(index, columns, vectors, n, &why), &why);
            n = 0;
        }
    }
    bench_index_add(index, &c->set, c->columns, 2 * c->half * SCENE, 3 * c->half * SCENE);
    akin_free(columns);
    akin_free(vectors);
}

/* Keys of the ten nearest of every question, one question a call; returns seconds. */
static double search_all(akin_index *index, const struct churn *c, const char *setting,
                         uint64_t *keys)
{
    struct akin_filter filter;
    struct akin_index_query query = bench_query(&filter, setting);
    akin_error why = {0};
    double began = bench_now_s();
    for (size_t q = 0; q < c->set.queries; q++) {
        struct akin_hit hits[BENCH_K];
        size_t count;
        query.vectors = c->set.query + q * c->set.dim;
        bench_check(akin_index_search(index, &query, hits, &count, NULL, &why), &why);
        for (size_t i = 0; i < BENCH_K; i++)
            keys[q * BENCH_K + i] = i < count ? hits[i].key : UINT64_MAX;
    }
    return bench_now_s() - began;
}

static double recall_of(const struct churn *c, const uint64_t *keys)
{
    size_t found = 0;
    for (size_t q = 0; q < c->set.queries; q++)
        for (size_t i = 0; i < BENCH_K; i++)
            for (size_t j = 0; j < BENCH_K; j++)
                found += c->exact[q * BENCH_K + i] == keys[q * BENCH_K + j];
    return (double)found / (double)(c->set.queries * BENCH_K);
}

static void compare(akin_index *churned, akin_index *fresh, const struct churn *c)
{
    static const char *const settings[] = {
        "recall=0.95",         "recall=0.99",         "probes=4,rerank=60", "probes=8,rerank=60",
        "probes=16,rerank=60", "probes=32,rerank=60", "probes=64,rerank=60"};
    uint64_t *keys = akin_alloc(c->set.queries, BENCH_K * sizeof *keys);
    if (!keys)
        bench_die("out of memory", "answers");
    search_all(fresh, c, "exact", c->exact);
    printf(
        "| setting | recall after churn | of a fresh build | QPS after churn | of a fresh build |\n"
        "| --- | --- | --- | --- | --- |\n");
    for (size_t s = 0; s < sizeof settings / sizeof *settings; s++) {
        akin_index *both[2] = {churned, fresh};
        double recall[2], qps[2];
        for (int i = 0; i < 2; i++) {
            search_all(both[i], c, settings[s], keys); /* warms up */
            qps[i] = (double)c->set.queries / search_all(both[i], c, settings[s], keys);
            recall[i] = recall_of(c, keys);
        }
        printf("| %s | %.4f | %.4f | %.0f | %.0f |\n", settings[s], recall[0], recall[1], qps[0],
               qps[1]);
    }
    akin_free(keys);
}

int main(int argc, char **argv)
{
    struct churn c = {0};
    char churned_path[4096], fresh_path[4096];
    if (argc != 3)
        bench_die("usage", "bench_index_churn SET-FOLDER WORK-FOLDER");
    c.set = bench_set_open(argv[1]);
    c.half = c.set.rows / SCENE / 3;
    c.columns = bench_columns_make(&c.set);
    c.order = akin_alloc(2 * c.half, sizeof *c.order);
    c.exact = akin_alloc(c.set.queries, BENCH_K * sizeof *c.exact);
    if (!c.half || !c.order || !c.exact)
        bench_die("too few rows, or out of memory", argv[1]);
    akin_random_permutation(c.order, (uint32_t)(2 * c.half), 17, 0);
    akin_index *churned = make_index(churned_path, &c, argv[2]);
    akin_index *fresh = make_index(fresh_path, &c, argv[2]);
    bench_index_add(churned, &c.set, c.columns, 0, 2 * c.half * SCENE);
    bench_index_rest(churned);
    churn_scenes(churned, &c);
    bench_index_rest(churned);
    add_what_stays(fresh, &c);
    bench_index_rest(fresh);
    compare(churned, fresh, &c);
    akin_index_close(churned);
    akin_index_close(fresh);
    bench_remove(churned_path);
    bench_remove(fresh_path);
    akin_free(c.exact);
    akin_free(c.order);
    akin_free(c.columns);
    return 0;
}
