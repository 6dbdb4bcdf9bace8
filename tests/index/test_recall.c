/*
 * Recall of approximate search against exact search through the life of an index: after building, adding, removing, reopening,
 * merging, new epochs and churn; for all metrics, few and many answers, thresholds and batches. Run under each kernel
 * tier by `make test`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cloud.h"

#define N (ROWS_SLOW ? 3000u : 12000u)
#define RECALL AKIN_RECALL_DEFAULT

static const struct cloud plain = {.dim = 48, .metric = AKIN_METRIC_COSINE, .stream = 1};

/* How much of the ten best is found, by default; the way is checked to be by codes. */
static double recall_of(const akin_index *index, const float *questions)
{
    struct akin_index_query query = cloud_query(questions, 10);
    struct akin_index_work work = {0};
    double recall = cloud_recall(index, query, 1, &work);
    CHECK(work.way == AKIN_WAY_CODES && work.codes_scanned > 0 && work.reranked_f16 >= 10);
    return recall;
}

TEST(through_the_life_of_an_index)
{
    const char *path = check_folder();
    float *questions = cloud_questions(&plain);
    akin_index *index = cloud_open(path, &plain, N / 8, NULL);
    struct akin_index_stats stats, later;
    REQUIRE(index && cloud_add(index, &plain, 0, N / 4, 0));
    REQUIRE_OK(akin_index_flush(index, err));
    REQUIRE_OK(akin_index_settle(index, true, err));
    akin_index_stats(index, &stats);
    CHECK(stats.rows_coded == N / 4);
    CHECK(recall_of(index, questions) >= RECALL);

    for (size_t i = 2; i < 8; i++) /* into several segments and the log */
        REQUIRE(cloud_add(index, &plain, N / 8 * i, N / 8, N / 8 * i));
    REQUIRE(cloud_add(index, &plain, N, N / 16, N));
    CHECK(recall_of(index, questions) >= RECALL);

    REQUIRE_OK(akin_index_remove(index, N / 8, N / 2, NULL, err));
    CHECK(recall_of(index, questions) >= RECALL);
    akin_index_close(index);
    index = cloud_open(path, &plain, N / 8, NULL);
    REQUIRE(index);
    CHECK(recall_of(index, questions) >= RECALL);

    REQUIRE_OK(akin_index_settle(index, true, err));
    akin_index_stats(index, &later);
    CHECK(recall_of(index, questions) >= RECALL);
    /* More than twice the rows that the first epoch was trained for. */
    REQUIRE(cloud_add(index, &plain, 2 * N, 2 * N, 2 * N));
    REQUIRE_OK(akin_index_flush(index, err));
    REQUIRE_OK(akin_index_settle(index, false, err));
    akin_index_stats(index, &later);
    CHECK(later.epoch > stats.epoch);
    CHECK(recall_of(index, questions) >= RECALL);
    akin_index_close(index);
    free(questions);
}

/* With the same settings, an index half of whose rows were replaced finds what a fresh one finds. Its lists are long, so that
 * they were not trained on just the rows that they hold. */
TEST(churn_costs_no_recall)
{
    const struct cloud cloud = {
        .dim = 48, .metric = AKIN_METRIC_COSINE, .stream = 1, .list_rows = 200};
    char path[AKIN_PATH_MAX], other[AKIN_PATH_MAX];
    const char *folder = check_folder();
    float *questions = cloud_questions(&cloud);
    REQUIRE_OK(akin_path_join(path, folder, "churned", err));
    REQUIRE_OK(akin_path_join(other, folder, "fresh", err));
    akin_index *index = cloud_open(path, &cloud, N / 8, NULL);
    akin_index *fresh = cloud_open(other, &cloud, 2 * N, NULL);
    REQUIRE(index && fresh && cloud_add(index, &cloud, 0, N, 0));
    REQUIRE_OK(akin_index_settle(index, true, err));
    for (size_t i = 0; i < 8; i++) {
        REQUIRE_OK(akin_index_remove(index, N / 16 * i, N / 16 * (i + 1) - 1, NULL, err));
        REQUIRE(cloud_add(index, &cloud, N + N / 16 * i, N / 16, N + N / 16 * i));
    }
    REQUIRE_OK(akin_index_settle(index, false, err));
    REQUIRE(cloud_add(fresh, &cloud, N / 2, N, N / 2));
    REQUIRE_OK(akin_index_flush(fresh, err));
    REQUIRE_OK(akin_index_settle(fresh, true, err));
    struct akin_index_query query = cloud_query(questions, 10);
    query.probes = 2;
    query.rerank = 16;
    double churned = cloud_recall(index, query, 1, NULL);
    double new = cloud_recall(fresh, query, 1, NULL);
    printf("# churned %.4f, fresh %.4f\n", churned, new);
    CHECK(churned >= new - (ROWS_SLOW ? 0.02 : 0.01) && new > 0.8 && new < 1);
    akin_index_close(index);
    akin_index_close(fresh);
    free(questions);
}

static akin_index *built(const struct cloud *cloud, size_t n, akin_pool *pool)
{
    akin_error err = {0};
    akin_index *index = cloud_open(check_folder(), cloud, (uint32_t)(n + n / 2), pool);
    if (!index || !cloud_add(index, cloud, 0, n, 0) || akin_index_flush(index, &err) ||
        akin_index_settle(index, true, &err) || !cloud_add(index, cloud, n, n / 16, n)) {
        printf("# built: %s\n", err.text);
        akin_index_close(index);
        return NULL;
    }
    return index;
}

static void check_metric(enum akin_metric metric, uint32_t dim)
{
    const struct cloud cloud = {.dim = dim, .metric = metric, .stream = 7777};
    float *questions = cloud_questions(&cloud);
    akin_index *index = built(&cloud, N, NULL);
    REQUIRE(index);
    CHECK(recall_of(index, questions) >= RECALL);
    struct akin_index_query query = cloud_query(questions, 10);
    query.recall = 0.99f;
    CHECK(cloud_recall(index, query, 1, NULL) >= 0.985);
    akin_index_close(index);
    free(questions);
}

TEST(inner_product)
{
    check_metric(AKIN_METRIC_DOT, 40);
}

TEST(squared_distance)
{
    check_metric(AKIN_METRIC_L2, 200);
}

TEST(one_two_and_four_bits)
{
    check_metric(AKIN_METRIC_COSINE, 256);
    check_metric(AKIN_METRIC_COSINE, 100);
    check_metric(AKIN_METRIC_COSINE, 32);
}

TEST(few_answers_and_many)
{
    float *questions = cloud_questions(&plain);
    akin_index *index = built(&plain, N, NULL);
    REQUIRE(index);
    static const size_t many[] = {1, 10, 100, 1000, 5000, 20000};
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        struct akin_index_query query = cloud_query(questions, many[i]);
        struct akin_index_work work;
        query.count = 32;
        double recall = cloud_recall(index, query, 1, &work);
        printf("# %zu answers: way %d, %.0f lists, recall %.4f\n", many[i], (int)work.way,
               (double)work.lists_probed, recall);
        CHECK(recall >= RECALL);
        CHECK(cloud_recall(index, query, 32, NULL) >= RECALL);
        if (many[i] == 100)
            CHECK(work.way == AKIN_WAY_CODES);
    }
    akin_index_close(index);
    free(questions);
}

TEST(everything_above_a_score)
{
    float *questions = cloud_questions(&plain);
    akin_index *index = built(&plain, N, NULL);
    REQUIRE(index);
    static const float bars[] = {0.3f, 0.6f, 0.8f, 0.9f, 0.97f, 1.5f};
    for (size_t i = 0; i < sizeof bars / sizeof *bars; i++) {
        struct akin_index_query query = cloud_query(questions, 10000);
        query.count = 32;
        query.threshold = bars[i];
        struct akin_index_work work;
        double recall = cloud_recall(index, query, 1, &work);
        printf("# above %.2f: way %d, recall %.4f\n", (double)bars[i], (int)work.way, recall);
        CHECK(recall >= RECALL);
    }
    akin_index_close(index);
    free(questions);
}

/* Rows that are all the same, and more of them than candidates: any will do, but as many as wanted. */
TEST(equal_rows)
{
    const struct cloud one = {.dim = 64, .metric = AKIN_METRIC_COSINE, .stream = 3};
    akin_index *index = cloud_open(check_folder(), &one, 4000, NULL);
    struct akin_columns columns[1000];
    float *vectors = calloc(1000, 64 * sizeof *vectors);
    REQUIRE(index && vectors);
    for (size_t i = 0; i < 2000; i++) {
        uint32_t cluster;
        cloud_vector(&one, 5, vectors + i % 1000 * 64, &cluster);
        columns[i % 1000] = cloud_columns(i, i, cluster);
        if (i % 1000 == 999)
            REQUIRE_OK(akin_index_add(index, columns, vectors, 1000, err));
    }
    REQUIRE_OK(akin_index_flush(index, err));
    REQUIRE_OK(akin_index_settle(index, true, err));
    struct akin_index_query query = cloud_query(vectors, 300);
    query.count = 3;
    query.probes = 4;
    query.rerank = 400;
    CHECK(cloud_recall(index, query, 1, NULL) == 1);
    CHECK(cloud_recall(index, query, 3, NULL) == 1);
    akin_index_close(index);
    free(vectors);
}

int main(int argc, char **argv)
{
    return rows_main(argc, argv);
}
