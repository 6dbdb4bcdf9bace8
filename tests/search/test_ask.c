/*
 * Questions on collections whose vectors are known: every answer is compared with what a plain loop
 * over all rows would say.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "vectors.h"

#define ROWS 600
#define NUMBERS 6

/* Row i of the random collection: a grid of places of 8 degrees with half overlap, three times, and
 * every tenth vector the same, so that there are ties. */
static void random_numbers(float out[NUMBERS], size_t i)
{
    for (size_t j = 0; j < NUMBERS; j++)
        out[j] = (float)(akin_random_unit(11, i % 10 ? i : 0, j) - 0.5);
}

static struct akin_columns random_columns(uint64_t key, size_t i)
{
    const double west = -180 + 4.0 * (double)(i / 3 % 80), south = -40 + 4.0 * (double)(i / 240);
    struct akin_interval time = akin_interval_unknown();
    const char *months[] = {"2004-01", "2004-02", "2004-03"};
    akin_interval_parse(&time, months[i % 3], NULL);
    struct akin_bbox box = {west, south, west + 8, south + 8};
    return vectors_columns(key, i % 50 == 49 ? akin_bbox_unknown() : box, time);
}

static akin_status make_random(struct vectors *made, akin_error *err)
{
    akin_status status = vectors_begin(made, check_folder(), err);
    if (status != AKIN_OK)
        return status;
    uint32_t scene = vectors_scene(made, "/images/one.tif", NULL);
    for (size_t i = 0; status == AKIN_OK && i < ROWS; i++) {
        float numbers[NUMBERS];
        random_numbers(numbers, i);
        uint64_t key = akin_tile_key(scene, 0, (uint32_t)(i / 30), (uint32_t)(i % 30));
        status = vectors_add(made, random_columns(key, i), numbers, NUMBERS, err);
    }
    vectors_end(made);
    return status;
}

/* ---- the plain loop ---- */

struct everything {
    const akin_engine *engine;
    struct akin_columns *columns;
    float *vectors;
    size_t count, dim;
};

static bool take_rows(void *user, const struct akin_columns *columns, const float *vectors,
                      size_t n)
{
    struct everything *all = user;
    memcpy(all->columns + all->count, columns, n * sizeof *columns);
    memcpy(all->vectors + all->count * all->dim, vectors, n * all->dim * sizeof *vectors);
    all->count += n;
    return true;
}

static struct everything read_all(const akin_engine *engine)
{
    struct akin_index_stats stats;
    akin_index_stats(akin_engine_index(engine), &stats);
    struct everything all = {.engine = engine, .dim = stats.dim};
    all.columns = calloc(stats.rows, sizeof *all.columns);
    all.vectors = calloc(stats.rows * stats.dim, sizeof *all.vectors);
    akin_index_each(akin_engine_index(engine), take_rows, &all, NULL);
    return all;
}

static void free_all(struct everything *all)
{
    free(all->columns);
    free(all->vectors);
}

struct expected {
    size_t row;
    double score;
    uint64_t key;
};

static int by_rank(const void *a, const void *b)
{
    const struct expected *x = a, *y = b;
    if (fabs(x->score - y->score) > 1e-6)
        return x->score > y->score ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key);
}

/* The ranking of all rows by their best score over `count` vectors. */
static struct expected *rank_all(const struct everything *all, const float *vectors, size_t count)
{
    struct expected *ranking = calloc(all->count, sizeof *ranking);
    for (size_t i = 0; i < all->count; i++) {
        ranking[i] = (struct expected){i, -2, all->columns[i].key};
        for (size_t q = 0; q < count; q++) {
            double score = 0;
            for (size_t d = 0; d < all->dim; d++)
                score += (double)vectors[q * all->dim + d] * all->vectors[i * all->dim + d];
            ranking[i].score = fmax(ranking[i].score, fmin(1, score));
        }
    }
    qsort(ranking, all->count, sizeof *ranking, by_rank);
    return ranking;
}

/* Whether the answers are the first of the ranking; equal scores may differ in their last bits, so
 * that only neighbours whose scores are near may change places. */
static void check_answers(const struct akin_answers *answers, const struct expected *ranking)
{
    for (size_t i = 0; i < answers->count; i++) {
        CHECK_NEAR(answers->answers[i].score, ranking[i].score, 2e-6);
        if (i && answers->answers[i].score == answers->answers[i - 1].score)
            CHECK(answers->answers[i].key > answers->answers[i - 1].key);
    }
}

static akin_status add_tile(struct akin_question *question, akin_engine *engine, uint64_t key,
                            bool unlike, akin_error *err)
{
    struct akin_example example = {.kind = AKIN_EXAMPLE_TILE, .key = key, .unlike = unlike};
    return akin_question_add(question, engine, &example, err);
}

static akin_status add_vector(struct akin_question *question, akin_engine *engine,
                              const float *vector, bool unlike, akin_error *err)
{
    struct akin_example example = {.kind = AKIN_EXAMPLE_VECTOR, .vector = vector, .unlike = unlike};
    return akin_question_add(question, engine, &example, err);
}

/* ---- ranking ---- */

TEST(one_like_gives_its_nearest_neighbours)
{
    struct vectors made;
    akin_engine *engine = NULL;
    struct akin_answers answers = {0};
    REQUIRE_OK(make_random(&made, err));
    REQUIRE_OK(akin_engine_open(&engine, made.dir, NULL, err));
    struct everything all = read_all(engine);
    CHECK_EQ(all.count, ROWS);
    struct akin_question question;
    akin_question_init(&question);
    question.k = 37;
    question.keep_examples = true;
    REQUIRE_OK(add_tile(&question, engine, all.columns[123].key, false, err));
    REQUIRE_OK(akin_ask(engine, &question, &answers, err));
    CHECK_EQ(answers.count, 37);
    CHECK_EQ(answers.answers[0].key, all.columns[123].key);
    CHECK_EQ(answers.answers[0].scene, 1);
    CHECK_EQ(answers.answers[0].columns.bbox_e7[0], all.columns[123].bbox_e7[0]);
    float *query = calloc(all.dim, sizeof *query);
    memcpy(query, all.vectors + 123 * all.dim, all.dim * sizeof *query);
    akin_normalize(query, all.dim);
    struct expected *ranking = rank_all(&all, query, 1);
    check_answers(&answers, ranking);
    CHECK_TEXT(answers.explain.way, "exact scan");
    CHECK_EQ(answers.explain.likes, 1);
    CHECK_EQ(answers.explain.unlikes, 0);
    CHECK_EQ(answers.explain.vectors, 1);
    CHECK_EQ(answers.explain.work.rows_scanned + answers.explain.work.rows_filtered, ROWS);
    akin_answers_free(&answers);
    CHECK(!answers.answers);

    question.keep_examples = false;
    REQUIRE_OK(akin_ask(engine, &question, &answers, err));
    CHECK_EQ(answers.count, 37);
    for (size_t i = 0; i < answers.count; i++)
        CHECK(answers.answers[i].key != all.columns[123].key);
    check_answers(&answers, ranking + 1);
    akin_answers_free(&answers);
    akin_question_fini(&question);
    free(ranking);
    free(query);
    free_all(&all);
    akin_engine_close(engine);
}

TEST(likes_and_unlikes_are_put_together_as_rocchio_says)
{
    struct vectors made;
    akin_engine *engine = NULL;
    struct akin_answers answers = {0};
    REQUIRE_OK(make_random(&made, err));
    REQUIRE_OK(akin_engine_open(&engine, made.dir, NULL, err));
    struct everything all = read_all(engine);
    struct akin_question question;
    akin_question_init(&question);
    question.k = ROWS;
    question.keep_examples = true;
    const size_t likes[] = {7, 90, 451}, unlikes[] = {33, 205};
    float *query = calloc(all.dim, sizeof *query);
    for (size_t e = 0; e < 5; e++) {
        size_t row = e < 3 ? likes[e] : unlikes[e - 3];
        float *unit = calloc(all.dim, sizeof *unit);
        memcpy(unit, all.vectors + row * all.dim, all.dim * sizeof *unit);
        akin_normalize(unit, all.dim);
        for (size_t d = 0; d < all.dim; d++)
            query[d] += unit[d] * (e < 3 ? 1.0f / 3 : -0.5f / 2);
        free(unit);
        REQUIRE_OK(add_tile(&question, engine, all.columns[row].key, e >= 3, err));
    }
    akin_normalize(query, all.dim);
    struct expected *ranking = rank_all(&all, query, 1);
    REQUIRE_OK(akin_ask(engine, &question, &answers, err));
    CHECK_EQ(answers.count, ROWS);
    check_answers(&answers, ranking);
    CHECK_EQ(answers.explain.likes, 3);
    CHECK_EQ(answers.explain.unlikes, 2);
    akin_answers_free(&answers);
    akin_question_fini(&question);
    free(ranking);
    free(query);
    free_all(&all);
    akin_engine_close(engine);
}

TEST(filters_thresholds_and_more_than_there_are)
{
    struct vectors made;
    akin_engine *engine = NULL;
    struct akin_answers answers = {0};
    REQUIRE_OK(make_random(&made, err));
    REQUIRE_OK(akin_engine_open(&engine, made.dir, NULL, err));
    struct everything all = read_all(engine);
    struct akin_question question;
    akin_question_init(&question);
    question.k = 100000;
    REQUIRE_OK(add_tile(&question, engine, all.columns[5].key, false, err));
    REQUIRE_OK(akin_ask(engine, &question, &answers, err));
    CHECK_EQ(answers.count, ROWS - 1);
    const float middle = answers.answers[200].score;
    size_t above = 0;
    for (size_t i = 0; i < answers.count; i++)
        above += answers.answers[i].score >= middle;
    akin_answers_free(&answers);

    question.threshold = middle;
    REQUIRE_OK(akin_ask(engine, &question, &answers, err));
    CHECK_EQ(answers.count, above);
    akin_answers_free(&answers);

    question.threshold = -INFINITY;
    REQUIRE_OK(akin_interval_parse(&question.filter.time, "2004-02", err));
    question.filter.bbox = (struct akin_bbox){-100, -90, 0, 90};
    size_t matching = 0;
    for (size_t i = 0; i < all.count; i++)
        matching += i != 5 && akin_filter_matches(&question.filter, &all.columns[i]);
    REQUIRE_OK(akin_ask(engine, &question, &answers, err));
    CHECK(matching > 10);
    CHECK_EQ(answers.count, matching);
    for (size_t i = 0; i < answers.count; i++)
        CHECK(akin_filter_matches(&question.filter, &answers.answers[i].columns));
    akin_answers_free(&answers);
    akin_question_fini(&question);
    free_all(&all);
    akin_engine_close(engine);
}

/* ---- collapse=place ---- */

static bool same_place(const struct akin_columns *best, const struct akin_columns *other)
{
    struct akin_bbox a = akin_columns_bbox(best), b = akin_columns_bbox(other);
    double lon_a, lat_a, lon_b, lat_b;
    if (!akin_bbox_known(a) || !akin_bbox_known(b))
        return false;
    akin_bbox_center(a, &lon_a, &lat_a);
    akin_bbox_center(b, &lon_b, &lat_b);
    return fabs(akin_lon_wrap(lon_b - lon_a)) < 0.4995 * akin_bbox_width_deg(a) &&
           fabs(lat_b - lat_a) < 0.4995 * (a.north - a.south);
}

TEST(collapse_keeps_the_best_of_a_place_whatever_k)
{
    struct vectors made;
    akin_engine *engine = NULL;
    struct akin_answers ranked = {0}, answers = {0};
    REQUIRE_OK(make_random(&made, err));
    REQUIRE_OK(akin_engine_open(&engine, made.dir, NULL, err));
    struct everything all = read_all(engine);
    struct akin_question question;
    akin_question_init(&question);
    question.k = ROWS;
    REQUIRE_OK(add_tile(&question, engine, all.columns[77].key, false, err));
    REQUIRE_OK(akin_ask(engine, &question, &ranked, err));
    CHECK_EQ(ranked.count, ROWS - 1);
    size_t places[ROWS], place_count = 0; /* greedy over the whole ranking */
    for (size_t i = 0; i < ranked.count; i++) {
        bool known = false;
        for (size_t p = 0; p < place_count && !known; p++)
            known = same_place(&ranked.answers[places[p]].columns, &ranked.answers[i].columns);
        if (!known)
            places[place_count++] = i;
    }
    CHECK(place_count > 150 && place_count < 300);
    question.collapse_place = true;
    for (size_t k = 1; k <= ROWS; k = k < 4 ? k + 1 : k * 3) {
        question.k = k;
        REQUIRE_OK(akin_ask(engine, &question, &answers, err));
        CHECK_EQ(answers.count, k < place_count ? k : place_count);
        for (size_t p = 0; p < answers.count; p++)
            CHECK_EQ(answers.answers[p].key, ranked.answers[places[p]].key);
        akin_answers_free(&answers);
    }
    question.k = ROWS;
    REQUIRE_OK(akin_ask(engine, &question, &answers, err));
    size_t behind = 0;
    for (size_t p = 0; p < answers.count; p++)
        behind += answers.answers[p].collapsed;
    CHECK_EQ(answers.count + behind, ROWS - 1);
    akin_answers_free(&answers);
    akin_answers_free(&ranked);
    akin_question_fini(&question);
    free_all(&all);
    akin_engine_close(engine);
}

/* 299 tiles of one place before the second, across the antimeridian: many times what one scan
 * finds. */
TEST(collapse_looks_on_until_enough_places_are_found)
{
    struct vectors made;
    akin_engine *engine = NULL;
    struct akin_answers answers = {0};
    REQUIRE_OK(vectors_begin(&made, check_folder(), err));
    const uint32_t scene = vectors_scene(&made, "/a.tif", NULL);
    for (uint32_t i = 0; i < 300; i++) {
        const bool far = i == 150;
        struct akin_bbox box =
            far ? (struct akin_bbox){50, 50, 51, 51} : (struct akin_bbox){179.5, 0, -179.5, 1};
        const float numbers[2] = {1, far ? 5 : (float)i * 1e-3f};
        REQUIRE_OK(vectors_add(
            &made, vectors_columns(akin_tile_key(scene, 0, 0, i), box, akin_interval_unknown()),
            numbers, 2, err));
    }
    vectors_end(&made);
    REQUIRE_OK(akin_engine_open(&engine, made.dir, NULL, err));
    struct akin_question question;
    akin_question_init(&question);
    question.k = 2;
    question.collapse_place = true;
    float *query = calloc(made.dim, sizeof *query);
    query[0] = 1;
    REQUIRE_OK(add_vector(&question, engine, query, false, err));
    REQUIRE_OK(akin_ask(engine, &question, &answers, err));
    CHECK_EQ(answers.count, 2);
    CHECK_EQ(answers.answers[0].key, akin_tile_key(scene, 0, 0, 0));
    CHECK_EQ(answers.answers[0].collapsed, 298);
    CHECK_EQ(answers.answers[1].key, akin_tile_key(scene, 0, 0, 150));
    akin_answers_free(&answers);
    free(query);
    akin_question_fini(&question);
    akin_engine_close(engine);
}

/* ---- points ---- */

TEST(a_point_is_the_latest_tile_with_the_nearest_centre)
{
    struct vectors made;
    akin_engine *engine = NULL;
    const char *months[] = {"2004-01", "2004-07", ""};
    REQUIRE_OK(vectors_begin(&made, check_folder(), err));
    const uint32_t scene = vectors_scene(&made, "/a.tif", NULL);
    for (uint32_t month = 0; month < 3; month++)
        for (uint32_t i = 0; i < 3; i++) { /* centres at 172, 176 and -180 */
            struct akin_interval time = akin_interval_unknown();
            if (*months[month])
                REQUIRE_OK(akin_interval_parse(&time, months[month], err));
            struct akin_bbox box = {168 + 4.0 * i, 0, 176 + 4.0 * i, 8};
            if (box.east > 180)
                box.east -= 360;
            const float numbers[3] = {1, (float)month, (float)i};
            REQUIRE_OK(vectors_add(&made,
                                   vectors_columns(akin_tile_key(scene, 0, month, i), box, time),
                                   numbers, 3, err));
        }
    vectors_end(&made);
    REQUIRE_OK(akin_engine_open(&engine, made.dir, NULL, err));
    const struct {
        double lon, lat;
        const char *time;
        uint32_t month, tile;
    } cases[] = {
        {175, 4, "", 1, 1},        {173, 4, "", 1, 0},           {-177, 4, "", 1, 2},
        {179, 4, "", 1, 2},        {175, 4, "2004-01-15", 0, 1}, {175, 4, "2004-03", 0, 1},
        {175, 4, "2004-06", 1, 1}, {168, 0, "2003", 0, 0},       {176, 8, "2010", 1, 1},
        {180, 4, "2004-07", 1, 2}, {-180, 4, "2004-07", 1, 2},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct akin_example example = {.kind = AKIN_EXAMPLE_POINT,
                                       .lon_deg = cases[c].lon,
                                       .lat_deg = cases[c].lat,
                                       .time = akin_interval_unknown()};
        if (*cases[c].time)
            REQUIRE_OK(akin_interval_parse(&example.time, cases[c].time, err));
        struct akin_question question;
        struct akin_answers answers = {0};
        akin_question_init(&question);
        question.k = 1;
        question.keep_examples = true;
        REQUIRE_OK(akin_question_add(&question, engine, &example, err));
        REQUIRE_OK(akin_ask(engine, &question, &answers, err));
        CHECK_EQ(answers.answers[0].key, akin_tile_key(scene, 0, cases[c].month, cases[c].tile));
        akin_answers_free(&answers);
        akin_question_fini(&question);
    }
    akin_engine_close(engine);
}

/* ---- errors ---- */

TEST(questions_that_make_no_sense_are_refused)
{
    struct vectors made;
    akin_engine *engine = NULL;
    struct akin_answers answers = {0};
    akin_error error = {0};
    REQUIRE_OK(make_random(&made, err));
    REQUIRE_OK(akin_engine_open(&engine, made.dir, NULL, err));
    struct akin_question question;
    akin_question_init(&question);
    CHECK_EQ(akin_ask(engine, &question, &answers, &error), AKIN_ERR_INVALID);
    CHECK_CONTAINS(error.text, "no example");
    CHECK_EQ(add_tile(&question, engine, 0xdeadbeef12345678, false, &error), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(error.text, "deadbeef12345678");
    float *vector = calloc(made.dim, sizeof *vector);
    CHECK_EQ(add_vector(&question, engine, vector, false, &error), AKIN_ERR_INVALID);
    vector[1] = NAN;
    CHECK_EQ(add_vector(&question, engine, vector, false, &error), AKIN_ERR_INVALID);
    CHECK_EQ(add_vector(&question, engine, NULL, false, &error), AKIN_ERR_INVALID);
    vector[1] = 3;
    REQUIRE_OK(add_vector(&question, engine, vector, true, err));
    CHECK_EQ(akin_ask(engine, &question, &answers, &error), AKIN_ERR_INVALID);
    CHECK_CONTAINS(error.text, "only counter-examples");
    vector[1] = -2;
    REQUIRE_OK(add_vector(&question, engine, vector, false, err));
    question.k = 0;
    CHECK_EQ(akin_ask(engine, &question, &answers, &error), AKIN_ERR_INVALID);
    question.k = 100001;
    CHECK_EQ(akin_ask(engine, &question, &answers, &error), AKIN_ERR_INVALID);
    CHECK_CONTAINS(error.text, "100001");
    question.k = 3;
    question.threshold = NAN;
    CHECK_EQ(akin_ask(engine, &question, &answers, &error), AKIN_ERR_INVALID);
    question.threshold = -INFINITY;
    REQUIRE_OK(akin_ask(engine, &question, &answers, err));
    CHECK_EQ(answers.count, 3);
    akin_answers_free(&answers);
    CHECK(!answers.answers);

    struct akin_example nowhere = {
        .kind = AKIN_EXAMPLE_POINT, .lon_deg = 10, .lat_deg = 89, .time = akin_interval_unknown()};
    CHECK_EQ(akin_question_add(&question, engine, &nowhere, &error), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(error.text, "10,89");
    nowhere.lat_deg = 91;
    CHECK_EQ(akin_question_add(&question, engine, &nowhere, &error), AKIN_ERR_INVALID);
    nowhere.lat_deg = NAN;
    CHECK_EQ(akin_question_add(&question, engine, &nowhere, &error), AKIN_ERR_INVALID);
    struct akin_example odd = {.kind = (enum akin_example_kind)99};
    CHECK_EQ(akin_question_add(&question, engine, &odd, &error), AKIN_ERR_INVALID);
    CHECK_EQ(akin_ask(NULL, &question, &answers, &error), AKIN_ERR_INVALID);
    CHECK_EQ(akin_question_add(NULL, engine, &odd, &error), AKIN_ERR_INVALID);
    free(vector);
    akin_question_fini(&question);
    akin_question_fini(&question);
    akin_question_fini(NULL);
    akin_engine_close(engine);
    akin_engine_close(NULL);
    akin_answers_free(NULL);
}

TEST(examples_that_cancel_each_other_are_refused)
{
    struct vectors made;
    akin_engine *engine = NULL;
    struct akin_answers answers = {0};
    akin_error error = {0};
    REQUIRE_OK(make_random(&made, err));
    REQUIRE_OK(akin_engine_open(&engine, made.dir, NULL, err));
    struct akin_question question;
    akin_question_init(&question);
    float *vector = calloc(made.dim, sizeof *vector);
    vector[0] = 1;
    REQUIRE_OK(add_vector(&question, engine, vector, false, err));
    vector[0] = -1;
    REQUIRE_OK(add_vector(&question, engine, vector, false, err));
    CHECK_EQ(akin_ask(engine, &question, &answers, &error), AKIN_ERR_INVALID);
    CHECK_CONTAINS(error.text, "cancel");
    free(vector);
    akin_question_fini(&question);
    akin_engine_close(engine);
}

TEST(collections_in_which_nothing_is_searchable_say_what_to_do)
{
    akin_engine *engine = NULL;
    akin_error error = {0};
    char dir[AKIN_PATH_MAX];
    const char *folder = check_folder();
    REQUIRE_OK(akin_path_join(dir, folder, "empty", err));
    CHECK_EQ(akin_engine_open(&engine, dir, NULL, &error), AKIN_ERR_NOT_FOUND);
    REQUIRE_OK(akin_catalog_create(dir, NULL, err));
    CHECK_EQ(akin_engine_open(&engine, dir, NULL, &error), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(error.text, "akin add");
    struct vectors made;
    REQUIRE_OK(vectors_begin(&made, folder, err));
    vectors_end(&made);
    CHECK_EQ(akin_engine_open(&engine, made.dir, NULL, &error), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(error.text, "akin add");
    struct akin_engine_options options = {.model = "other"};
    CHECK_EQ(akin_engine_open(&engine, made.dir, &options, &error), AKIN_ERR_NOT_FOUND);
    options.model = "../instant";
    CHECK_EQ(akin_engine_open(&engine, made.dir, &options, &error), AKIN_ERR_INVALID);
    CHECK(!engine);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
