/*
 * Coded segments: epochs come, rows go through flush, merge and new epochs, and stay what they were; every
 * file is whole after each step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rows.h"

static struct akin_index_stats stats_of(const akin_index *index)
{
    struct akin_index_stats stats;
    akin_index_stats(index, &stats);
    return stats;
}

static bool exact_answers(const struct rows_model *model, const akin_index *index,
                          struct rows_random *random)
{
    float vectors[3 * ROWS_DIM];
    struct akin_index_query query = {
        .vectors = vectors, .count = 3, .k = 20, .threshold = -INFINITY, .recall = 1};
    for (int i = 0; i < 3; i++)
        rows_vector(vectors + (size_t)i * ROWS_DIM, random);
    return model_agrees(model, index, &query);
}

/* Adds, replaces and removes scenes of 40 rows. */
static bool churn(akin_index *index, struct rows_model *model, uint32_t from, uint32_t to,
                  struct rows_random *random)
{
    akin_error why = {0};
    for (uint32_t scene = from; scene < to; scene++) {
        akin_status status = rows_add(index, model, scene, 40, random, &why);
        if (!status && scene % 5 == 0)
            status =
                rows_add(index, model, 1 + (uint32_t)rows_below(random, scene), 40, random, &why);
        if (!status && scene % 7 == 0) {
            uint64_t first = akin_tile_key(1 + (uint32_t)rows_below(random, scene), 0, 0, 0);
            status = akin_index_remove(index, first, first + 29, NULL, &why);
            model_remove(model, first, first + 29);
        }
        if (status) {
            printf("# scene %u: %s\n", scene, why.text);
            return false;
        }
    }
    return true;
}

TEST(codes_from_the_first_epoch_to_the_next)
{
    struct rows_model model = {0};
    struct rows_random random = {50, 0};
    const char *path = check_folder();
    akin_index *index = rows_open_coded(path, 150, 400, false, NULL);
    REQUIRE(index != NULL);
    uint64_t first = 0, epochs = 0;
    for (uint32_t scene = 1; scene < ROWS_STEPS(160); scene += 8) {
        REQUIRE(churn(index, &model, scene, scene + 8, &random));
        struct akin_index_stats stats = stats_of(index);
        if (stats.epoch != first) {
            first = stats.epoch;
            epochs++;
            CHECK_EQ(stats.segments_coded, stats.segments);
            CHECK(stats.lists > 1);
        }
        CHECK(model_is_whole(&model, index));
        CHECK(exact_answers(&model, index, &random));
        CHECK_EQ(rows_verify(path, true), 0);
        if (scene % 3 == 0) {
            akin_index_close(index);
            index = rows_open_coded(path, 150, 400, false, NULL);
            REQUIRE(index != NULL);
        }
    }
    CHECK(epochs >= 1);
    CHECK(ROWS_SLOW || epochs >= 2);
    REQUIRE_OK(akin_index_flush(index, err));
    REQUIRE_OK(akin_index_settle(index, true, err));
    struct akin_index_stats stats = stats_of(index);
    CHECK_EQ(stats.segments, 1);
    CHECK_EQ(stats.rows_coded, stats.rows);
    CHECK_EQ(stats.tombstones, 0);
    CHECK(model_is_whole(&model, index));
    akin_index_close(index);
    CHECK_EQ(rows_verify(path, true), 0);
    model_fini(&model);
}

/* The same rows by the same calls, in the background and beside it: what is in the index does not depend on
 * when upkeep comes. */
TEST(upkeep_beside_the_writer)
{
    struct rows_model model = {0};
    struct rows_random random = {51, 0};
    const char *path = check_folder();
    akin_pool *pool = NULL;
    REQUIRE_OK(akin_pool_create(&pool, 2, err));
    akin_index *index = rows_open_coded(path, 100, 300, true, pool);
    REQUIRE(index != NULL);
    for (uint32_t scene = 1; scene < ROWS_STEPS(300); scene += 10) {
        REQUIRE(churn(index, &model, scene, scene + 10, &random));
        CHECK(model_is_whole(&model, index));
        CHECK(exact_answers(&model, index, &random));
        if (scene % 50 == 1)
            REQUIRE_OK(akin_index_settle(index, false, err));
        if (scene % 30 == 1) { /* in the middle of whatever is going on */
            akin_index_close(index);
            CHECK_EQ(rows_verify(path, true), 0);
            index = rows_open_coded(path, 100, 300, true, pool);
            REQUIRE(index != NULL);
        }
    }
    REQUIRE_OK(akin_index_flush(index, err));
    REQUIRE_OK(akin_index_settle(index, true, err));
    CHECK_EQ(stats_of(index).segments, 1);
    CHECK_EQ(stats_of(index).rows_coded, model.count);
    CHECK(model_is_whole(&model, index));
    akin_index_close(index);
    CHECK_EQ(rows_verify(path, true), 0);
    akin_pool_free(pool);
    model_fini(&model);
}

/* Rows that crowd into one list: it is split, without training all anew. */
TEST(long_lists_are_split)
{
    struct rows_model model = {0};
    struct rows_random random = {52, 0};
    const char *path = check_folder();
    akin_index *index = rows_open_coded(path, 5000, 400, false, NULL);
    REQUIRE(index != NULL);
    REQUIRE_OK(rows_add(index, &model, 1, 600, &random, err));
    REQUIRE_OK(akin_index_flush(index, err));
    struct akin_index_stats before = stats_of(index), after;
    CHECK(before.epoch != 0);
    for (uint32_t i = 0; i < 500; i++) { /* fewer than would be trained for */
        struct akin_columns columns = rows_columns(akin_tile_key(2, 0, 0, i), &random);
        float vector[ROWS_DIM] = {1, 1};
        for (int d = 0; d < ROWS_DIM; d++)
            vector[d] += 0.1f * (float)rows_unit(&random);
        akin_normalize(vector, ROWS_DIM);
        REQUIRE_OK(akin_index_add(index, &columns, vector, 1, err));
        model_add(&model, &columns, vector);
    }
    REQUIRE_OK(akin_index_flush(index, err));
    after = stats_of(index);
    CHECK(after.epoch != before.epoch);
    CHECK(after.lists > before.lists && after.lists < 2 * before.lists);
    CHECK_EQ(after.rows_coded, 1100);
    CHECK(model_is_whole(&model, index));
    CHECK(exact_answers(&model, index, &random));
    akin_index_close(index);
    CHECK_EQ(rows_verify(path, true), 0);
    model_fini(&model);
}

int main(int argc, char **argv)
{
    return rows_main(argc, argv);
}
