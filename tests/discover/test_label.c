/*
 * Labelling: on vectors of two kinds the classifier learns from a few marks, sure picks are of the kind
 * that is liked, uncertain ones lie between, diverse ones apart; nothing that was judged comes again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../../src/discover/logistic.h"
#include "../check.h"
#include "../search/vectors.h"
#include "akin/discover.h"

#define EACH 400 /* tiles of either kind, and of those between */

static struct vectors collection;
static akin_engine *engine;

/* Kinds 0 and 1 lie around the first two axes, 2 around the middle between them; noise in six more. */
static akin_status make(akin_error *err)
{
    akin_status status = vectors_begin(&collection, check_folder(), err);
    const uint32_t scene = status == AKIN_OK ? vectors_scene(&collection, "/a.png", NULL) : 0;
    float *vectors = calloc(3 * EACH, collection.dim * sizeof *vectors);
    struct akin_columns *columns = calloc(3 * EACH, sizeof *columns);
    for (uint32_t i = 0; i < 3 * EACH && status == AKIN_OK; i++) {
        float *vector = vectors + i * collection.dim;
        const uint32_t kind = i / EACH;
        vector[0] = kind == 0 ? 1.0f : kind == 2 ? 0.7f : 0;
        vector[1] = kind == 1 ? 1.0f : kind == 2 ? 0.7f : 0;
        for (int d = 0; d < 8; d++)
            vector[d] += 0.3f * (float)(akin_random_unit(5, i, (uint64_t)d) - 0.5);
        akin_normalize(vector, collection.dim);
        columns[i] = vectors_columns(akin_tile_key(scene, 0, kind, i % EACH), akin_bbox_unknown(),
                                     akin_interval_unknown());
    }
    if (status == AKIN_OK)
        status = akin_index_add(collection.index, columns, vectors, 3 * EACH, err);
    free(vectors);
    free(columns);
    vectors_end(&collection);
    return status == AKIN_OK ? akin_engine_open(&engine, collection.dir, NULL, err) : status;
}

static struct akin_label label(uint32_t kind, uint32_t i, enum akin_mark_kind mark)
{
    return (struct akin_label){akin_tile_key(1, 0, kind, i), mark};
}

static size_t label_some(struct akin_label *labels, uint32_t each)
{
    size_t count = 0;
    for (uint32_t i = 0; i < each; i++) {
        labels[count++] = label(0, i * 7, AKIN_MARK_LIKE);
        labels[count++] = label(1, i * 7, AKIN_MARK_UNLIKE);
    }
    return count;
}

static uint32_t kind_of(const struct akin_label_pick *pick)
{
    return akin_tile_row(pick->key);
}

TEST(a_fit_has_no_gradient_left_and_parts_what_can_be_parted)
{
    float x[40][3], target[40], weight[40], weights[3], bias;
    const float *rows[40];
    for (int i = 0; i < 40; i++) {
        rows[i] = x[i];
        for (int d = 0; d < 3; d++)
            x[i][d] = (float)akin_random_unit(1, (uint64_t)i, (uint64_t)d) / 2;
        target[i] = x[i][0] > x[i][1] ? 1 : 0;
        weight[i] = 1 + (float)(i % 3);
    }
    const struct logistic_samples samples = {rows, target, weight, 40, 3};
    REQUIRE_OK(logistic_fit(&samples, 1e-2, weights, &bias, err));
    double gradient[4] = {0}, total = 0;
    for (int i = 0; i < 40; i++)
        total += (double)weight[i];
    for (int d = 0; d < 3; d++)
        gradient[d] = 1e-2 * (double)weights[d];
    for (int i = 0; i < 40; i++) {
        const double p = logistic_probability(logistic_score(weights, bias, x[i], 3));
        for (int d = 0; d < 4; d++)
            gradient[d] +=
                (double)weight[i] / total * (p - (double)target[i]) * (d < 3 ? (double)x[i][d] : 1);
    }
    for (int d = 0; d < 4; d++)
        CHECK_NEAR(gradient[d], 0, 2e-4);
    CHECK(weights[0] > 0 && weights[1] < 0);
    CHECK_NEAR(logistic_probability(800), 1, 1e-12);
    CHECK_NEAR(logistic_probability(-800), 0, 1e-12);
}

TEST(sure_picks_are_of_the_kind_that_is_liked)
{
    struct akin_label labels[64];
    struct akin_label_next next = {0};
    struct akin_label_options options;
    REQUIRE_OK(make(err));
    akin_label_options_default(&options);
    options.mode = AKIN_LABEL_SURE;
    options.count = 50;
    const size_t count = label_some(labels, 6);
    REQUIRE_OK(akin_label_next(engine, labels, count, &options, &next, err));
    CHECK_EQ(next.count, 50);
    CHECK_EQ(next.likes, 6);
    CHECK_EQ(next.unlikes, 6);
    CHECK(next.random > 300);
    for (size_t i = 0; i < next.count; i++) {
        CHECK_EQ(kind_of(&next.picks[i]), 0);
        CHECK(next.picks[i].probability > 0.5);
        CHECK(!i || next.picks[i].probability <= next.picks[i - 1].probability);
        for (size_t l = 0; l < count; l++)
            CHECK(next.picks[i].key != labels[l].key);
    }
    CHECK_NEAR(next.precision, 1, 1e-9);
    /* The same again is the same. */
    struct akin_label_next again = {0};
    REQUIRE_OK(akin_label_next(engine, labels, count, &options, &again, err));
    for (size_t i = 0; i < next.count; i++)
        CHECK_EQ(again.picks[i].key, next.picks[i].key);
    akin_label_next_free(&again);
    akin_label_next_free(&next);
    akin_engine_close(engine);
}

/* How far a tile is on the side of the first kind. */
static double side_of(uint64_t key)
{
    float vector[AKIN_DIM_MAX];
    CHECK_EQ(akin_index_get(akin_engine_index(engine), key, NULL, vector, NULL), AKIN_OK);
    return (double)vector[0] - (double)vector[1];
}

TEST(uncertain_picks_lie_between_and_diverse_ones_apart)
{
    struct akin_label labels[64];
    struct akin_label_next next[2] = {{0}, {0}};
    struct akin_label_options options;
    REQUIRE_OK(make(err));
    akin_label_options_default(&options);
    options.count = 10;
    const size_t count = label_some(labels, 8);
    double likeness[2] = {0};
    for (int mode = 0; mode < 2; mode++) {
        options.mode = mode ? AKIN_LABEL_DIVERSE : AKIN_LABEL_UNCERTAIN;
        REQUIRE_OK(akin_label_next(engine, labels, count, &options, &next[mode], err));
        CHECK_EQ(next[mode].count, 10);
        float *vectors = calloc(10 * collection.dim, sizeof *vectors);
        for (size_t i = 0; i < 10; i++)
            REQUIRE_OK(akin_index_get(akin_engine_index(engine), next[mode].picks[i].key, NULL,
                                      vectors + i * collection.dim, err));
        for (size_t i = 0; i < 10; i++)
            for (size_t j = 0; j < i; j++)
                likeness[mode] += (double)akin_kernels()->dot(
                    vectors + i * collection.dim, vectors + j * collection.dim, collection.dim);
        free(vectors);
    }
    /* Random tiles count against, so the border lies between what is liked and all else: picks are at
     * the edge of the liked kind. */
    double likes = 0, others = 0, picked = 0;
    for (uint32_t i = 0; i < EACH; i++) {
        likes += side_of(label(0, i, AKIN_MARK_LIKE).key) / EACH;
        others += side_of(label(2, i, AKIN_MARK_LIKE).key) / EACH;
    }
    for (size_t i = 0; i < 10; i++) {
        CHECK(fabs(next[0].picks[i].probability - 0.5) < 0.2);
        picked += side_of(next[0].picks[i].key) / 10;
    }
    CHECK(picked < likes - 0.05 && picked > others + 0.05);
    CHECK(likeness[1] < likeness[0]);
    akin_label_next_free(&next[0]);
    akin_label_next_free(&next[1]);
    akin_engine_close(engine);
}

TEST(people_who_disagree_leave_a_tile_unsure_and_exceptions_hold)
{
    struct akin_label labels[8] = {{0}};
    struct akin_label_next next = {0}, rest = {0};
    struct akin_label_options options;
    REQUIRE_OK(make(err));
    akin_label_options_default(&options);
    options.mode = AKIN_LABEL_SURE;
    labels[0] = label(0, 1, AKIN_MARK_LIKE);
    labels[1] = label(0, 2, AKIN_MARK_LIKE);
    labels[2] = label(0, 2, AKIN_MARK_UNLIKE);
    labels[3] = label(0, 3, AKIN_MARK_UNLIKE);
    labels[4] = label(0, 3, AKIN_MARK_LIKE);
    labels[5] = label(0, 3, AKIN_MARK_LIKE);
    labels[6] = label(9, 9, AKIN_MARK_LIKE); /* gone */
    REQUIRE_OK(akin_label_next(engine, labels, 7, &options, &next, err));
    CHECK_EQ(next.likes, 2);
    CHECK_EQ(next.unlikes, 0);
    CHECK(isnan(next.precision));
    for (size_t i = 0; i < next.count; i++)
        CHECK(next.picks[i].key != labels[1].key);
    const uint64_t except[] = {next.picks[0].key};
    options.except = except;
    options.except_count = 1;
    REQUIRE_OK(akin_label_next(engine, labels, 7, &options, &rest, err));
    CHECK_EQ(rest.picks[0].key, next.picks[1].key);
    akin_label_next_free(&rest);
    akin_label_next_free(&next);
    labels[0].kind = AKIN_MARK_UNSURE;
    CHECK_EQ(akin_label_next(engine, labels, 1, &options, &next, NULL), AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_label_next(engine, NULL, 0, &options, &next, NULL), AKIN_ERR_NOT_FOUND);
    options.count = 0;
    CHECK_EQ(akin_label_next(engine, labels, 1, &options, &next, NULL), AKIN_ERR_INVALID);
    akin_engine_close(engine);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
