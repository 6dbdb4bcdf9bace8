/*
 * The ways of a search: which one is taken, that a filter of any share, random or clustered in space and time, costs no recall,
 * that exceptions hold, and that batches, threads and several vectors answer as one vector in one thread
 * does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cloud.h"

#define N (ROWS_SLOW ? 4000u : 30000u)
#define RECALL AKIN_RECALL_DEFAULT

static const struct cloud plain = {.dim = 40, .metric = AKIN_METRIC_COSINE, .stream = 21};

static const char *folder; /* of the last one built */

static akin_index *built(akin_pool *pool)
{
    akin_error err = {0};
    akin_index *index = cloud_open(folder = check_folder(), &plain, N / 4, pool);
    if (!index || !cloud_add(index, &plain, 0, N, 0) || akin_index_settle(index, false, &err) ||
        !cloud_add(index, &plain, N, N / 32, N)) {
        printf("# built: %s\n", err.text);
        akin_index_close(index);
        return NULL;
    }
    return index;
}

static void check_filter(const akin_index *index, const float *questions,
                         const struct akin_filter *filter, const char *name)
{
    static const char *const ways[] = {"exact", "filtered", "masked", "codes"};
    struct akin_index_query query = cloud_query(questions, 10);
    struct akin_index_work work;
    query.filter = filter;
    double recall = cloud_recall(index, query, 1, &work);
    printf("# %s: %s, about %.0f match, recall %.4f\n", name, ways[work.way],
           work.matches_estimated, recall);
    CHECK(recall >= RECALL);
    CHECK(cloud_recall(index, query, 32, NULL) >= RECALL);
    query.probes = 4; /* by codes, whatever the planner thinks */
    recall = cloud_recall(index, query, 1, &work);
    CHECK(work.way == AKIN_WAY_MASKED || work.way == AKIN_WAY_CODES ||
          work.segments_skipped == work.segments);
    printf("# by 4 lists: way %d, recall %.4f\n", (int)work.way, recall);
    CHECK(recall >= 0.5);
}

TEST(filters_of_any_share_cost_no_recall)
{
    static const double shares[] = {0.001, 0.01, 0.1, 0.5};
    float *questions = cloud_questions(&plain);
    akin_index *index = built(NULL);
    REQUIRE(index);
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        struct akin_filter random, space, time;
        akin_filter_init(&random);
        random.nodata_max = sqrt(shares[i]);
        random.gap_max = sqrt(shares[i]);
        check_filter(index, questions, &random, "random");
        akin_filter_init(&space);
        space.bbox = (struct akin_bbox){-180, -90, -180 + 360 * shares[i], 90};
        check_filter(index, questions, &space, "space");
        akin_filter_init(&time);
        time.time.begin_ms = 3000 * INT64_C(86400000);
        time.time.end_ms = time.time.begin_ms + (int64_t)(6000 * shares[i]) * 86400000;
        check_filter(index, questions, &time, "time");
    }
    akin_index_close(index);
    free(questions);
}

TEST(scenes_polygons_and_several_at_once)
{
    float *questions = cloud_questions(&plain);
    akin_index *index = built(NULL);
    uint32_t scenes[] = {0, 7};
    struct akin_filter filter;
    REQUIRE(index);
    akin_filter_init(&filter);
    filter.scenes = scenes; /* all keys are of scene 0 */
    filter.scene_count = 2;
    check_filter(index, questions, &filter, "scene");
    filter.bbox = (struct akin_bbox){100, -80, -100, 80};
    filter.time = (struct akin_interval){0, 5000 * INT64_C(86400000)};
    filter.texture_min = 40;
    check_filter(index, questions, &filter, "all at once");
    filter.scenes = scenes + 1;
    filter.scene_count = 1;
    struct akin_index_query query = cloud_query(questions, 10);
    struct akin_index_work work;
    query.filter = &filter;
    CHECK(cloud_recall(index, query, 8, &work) == 1);
    CHECK_EQ(work.rows_scanned, 0);
    akin_index_close(index);
    free(questions);
}

TEST(exceptions_are_left_out_and_made_up_for)
{
    float *questions = cloud_questions(&plain);
    akin_index *index = built(NULL);
    REQUIRE(index);
    struct akin_hit hits[100], second[100];
    uint64_t except[100];
    size_t count, more;
    struct akin_index_query query = cloud_query(questions, 100);
    query.count = 1;
    REQUIRE_OK(akin_index_search(index, &query, hits, &count, NULL, err));
    CHECK_EQ(count, 100);
    for (size_t i = 0; i < 100; i++) {
        size_t at = i;
        for (; at > 0 && except[at - 1] > hits[i].key; at--)
            except[at] = except[at - 1];
        except[at] = hits[i].key;
    }
    query.except = except;
    query.except_count = 100;
    REQUIRE_OK(akin_index_search(index, &query, second, &more, NULL, err));
    CHECK_EQ(more, 100);
    for (size_t i = 0; i < more; i++)
        for (size_t e = 0; e < 100; e++)
            CHECK(second[i].key != except[e]);
    CHECK(cloud_recall(index, query, 1, NULL) >= 0.9);
    akin_index_close(index);
    free(questions);
}

/* Whether two searches answer alike, hit by hit. */
static bool same(const akin_index *a, const akin_index *b, const struct akin_index_query *query,
                 size_t batch)
{
    size_t k = query->k, total = query->count;
    struct akin_hit *hits = calloc(2 * total * k, sizeof *hits);
    size_t *counts = calloc(2 * total, sizeof *counts);
    struct akin_index_query part = *query;
    bool good = akin_index_search(a, query, hits, counts, NULL, NULL) == AKIN_OK;
    for (size_t i = 0; good && i < total; i += batch) {
        part.vectors = query->vectors + i * plain.dim;
        part.count = total - i < batch ? total - i : batch;
        good = akin_index_search(b, &part, hits + (total + i) * k, counts + total + i, NULL,
                                 NULL) == AKIN_OK;
    }
    for (size_t i = 0; good && i < total; i++) {
        good = counts[i] == counts[total + i];
        for (size_t h = 0; good && h < counts[i]; h++)
            good = hits[i * k + h].key == hits[(total + i) * k + h].key &&
                   hits[i * k + h].score == hits[(total + i) * k + h].score;
    }
    free(hits);
    free(counts);
    return good;
}

TEST(batches_and_threads_answer_as_one_does)
{
    akin_pool *pool = NULL;
    float *questions = cloud_questions(&plain);
    REQUIRE_OK(akin_pool_create(&pool, 3, err));
    akin_index *index = built(pool), *alone = NULL;
    REQUIRE(index);
    struct akin_index_options options;
    akin_index_options_default(&options);
    REQUIRE_OK(akin_index_open(&alone, folder, AKIN_OPEN_READ, &options, err));
    struct akin_filter filter;
    akin_filter_init(&filter);
    for (size_t k = 1; k <= 1000; k *= 10) {
        struct akin_index_query query = cloud_query(questions, k);
        CHECK(same(index, alone, &query, 1));
        CHECK(same(index, alone, &query, 7));
        filter.nodata_max = 0.6;
        query.filter = &filter;
        CHECK(same(index, alone, &query, 1));
        query.probes = 12;
        CHECK(same(index, alone, &query, 5));
    }
    akin_index_close(alone);
    akin_index_close(index);
    akin_pool_free(pool);
    free(questions);
}

/* The best of several vectors, by codes: near the exact one, and no row twice. */
TEST(the_best_of_several_vectors)
{
    float *questions = cloud_questions(&plain);
    akin_index *index = built(NULL);
    REQUIRE(index);
    size_t found = 0, wanted = 0;
    for (size_t first = 0; first + 5 <= 100; first += 5) {
        struct akin_hit hits[50], truth[50];
        size_t count, true_count;
        struct akin_index_work work;
        struct akin_index_query query = cloud_query(questions + first * plain.dim, 50);
        query.count = 5;
        query.best_of = true;
        REQUIRE_OK(akin_index_search(index, &query, hits, &count, &work, err));
        CHECK(work.way == AKIN_WAY_CODES);
        query.recall = 1;
        REQUIRE_OK(akin_index_search(index, &query, truth, &true_count, &work, err));
        CHECK(work.way == AKIN_WAY_EXACT && true_count == 50);
        wanted += true_count;
        for (size_t i = 0; i < count; i++)
            for (size_t t = 0; t < true_count; t++)
                found += hits[i].key == truth[t].key && hits[i].score == truth[t].score;
        for (size_t i = 1; i < count; i++)
            CHECK(akin_hit_compare(&hits[i - 1], &hits[i]) < 0);
    }
    CHECK((double)found >= RECALL * (double)wanted);
    akin_index_close(index);
    free(questions);
}

TEST(stages_are_measured_when_asked_for)
{
    float *questions = cloud_questions(&plain);
    akin_index *index = built(NULL);
    REQUIRE(index);
    struct akin_hit hits[10];
    size_t count;
    struct akin_index_work work;
    struct akin_index_query query = cloud_query(questions, 10);
    query.count = 1;
    REQUIRE_OK(akin_index_search(index, &query, hits, &count, &work, err));
    for (size_t i = 0; i < AKIN_STAGES; i++)
        CHECK_EQ(work.stage_ns[i], 0);
    CHECK(work.lists > work.lists_probed && work.lists_probed > 0);
    query.stages = true;
    REQUIRE_OK(akin_index_search(index, &query, hits, &count, &work, err));
    CHECK(work.stage_ns[AKIN_STAGE_SCAN] > 0 && work.stage_ns[AKIN_STAGE_RERANK] > 0);
    query.recall = 1.5f;
    CHECK_EQ(akin_index_search(index, &query, hits, &count, NULL, NULL), AKIN_ERR_INVALID);
    akin_index_close(index);
    free(questions);
}

int main(int argc, char **argv)
{
    return rows_main(argc, argv);
}
