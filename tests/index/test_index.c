/*
 * The index against a plain model: random adds, replacements, removals, flushes and reopenings, and
 * every kind of question, with the same answers to the last bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rows.h"

#define SCENES 40
#define TILES 60

static void random_filter(struct akin_filter *filter, uint32_t *scenes, struct rows_random *random)
{
    akin_filter_init(filter);
    if (rows_below(random, 2)) {
        double west = rows_unit(random) * 360 - 180, width = rows_unit(random) * 200;
        double south = rows_unit(random) * 150 - 90;
        filter->bbox = (struct akin_bbox){
            west, south, west + width > 180 ? west + width - 360 : west + width, south + 30};
    }
    if (rows_below(random, 2)) {
        filter->time.begin_ms = (int64_t)rows_below(random, 1000) * 86400000;
        filter->time.end_ms = filter->time.begin_ms + (int64_t)rows_below(random, 100) * 86400000;
    }
    if (!rows_below(random, 3))
        filter->nodata_max = rows_unit(random);
    if (!rows_below(random, 3))
        filter->gap_max = rows_unit(random);
    if (!rows_below(random, 3))
        filter->texture_min = rows_unit(random) * 127;
    if (!rows_below(random, 3)) {
        filter->scenes = scenes;
        for (uint32_t s = 0; s < SCENES; s++)
            if (!rows_below(random, 4))
                scenes[filter->scene_count++] = s;
    }
}

static bool random_question(const struct rows_model *model, const akin_index *index,
                            struct rows_random *random)
{
    static const size_t counts[] = {1, 1, 1, 2, 5, 70}, ks[] = {1, 3, 10, 50, 5000};
    float vectors[70 * ROWS_DIM];
    uint32_t scenes[SCENES];
    uint64_t except[3];
    struct akin_filter filter;
    struct akin_index_query query = {.vectors = vectors, .threshold = -INFINITY};
    query.count = counts[rows_below(random, 6)];
    query.k = ks[rows_below(random, 5)];
    query.best_of = rows_below(random, 2);
    for (size_t i = 0; i < query.count; i++)
        rows_vector(vectors + i * ROWS_DIM, random);
    random_filter(&filter, scenes, random);
    if (rows_below(random, 2))
        query.filter = &filter;
    if (!rows_below(random, 3))
        query.threshold = (float)rows_unit(random) - 0.3f;
    if (!rows_below(random, 3) && model->count > 10) {
        size_t at = (size_t)rows_below(random, model->count - 3);
        for (int i = 0; i < 3; i++)
            except[i] = model->rows[at].columns.key + (uint64_t)i;
        query.except = except;
        query.except_count = 3;
    }
    return model_agrees(model, index, &query);
}

static bool random_batch(akin_index *index, struct rows_model *model, struct rows_random *random)
{
    static const size_t sizes[] = {1, 2, 7, 30, 150};
    struct akin_columns columns[150];
    float vectors[150 * ROWS_DIM];
    akin_error why = {0};
    size_t n = sizes[rows_below(random, 5)];
    for (size_t i = 0; i < n; i++) { /* replacements, and twice the same key in one batch */
        uint32_t scene = (uint32_t)rows_below(random, SCENES);
        columns[i] =
            rows_columns(akin_tile_key(scene, 0, 0, (uint32_t)rows_below(random, TILES)), random);
        rows_vector(vectors + i * ROWS_DIM, random);
    }
    if (akin_index_add(index, columns, vectors, n, &why) != AKIN_OK) {
        printf("# add: %s\n", why.text);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        model_add(model, &columns[i], vectors + i * ROWS_DIM);
    return true;
}

static bool random_removal(akin_index *index, struct rows_model *model, struct rows_random *random)
{
    uint32_t scene = (uint32_t)rows_below(random, SCENES);
    uint64_t first = akin_tile_key(scene, 0, 0, 0), last = first | UINT32_MAX, removed = 0;
    if (rows_below(random, 2))
        last = first + rows_below(random, TILES);
    return akin_index_remove(index, first, last, &removed, NULL) == AKIN_OK &&
           removed == model_remove(model, first, last);
}

TEST(random_operations_against_a_model)
{
    struct rows_random random = {1, 0};
    struct rows_model model = {0};
    const char *folder = check_folder();
    char path[512];
    snprintf(path, sizeof path, "%s/index", folder);
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 200);
    REQUIRE(index != NULL);
    for (int step = 0; step < ROWS_STEPS(4000); step++) {
        uint64_t what = rows_below(&random, 100);
        bool good = true;
        if (what < 40) {
            good = random_batch(index, &model, &random);
        } else if (what < 50) {
            good = random_removal(index, &model, &random);
        } else if (what < 90) {
            good = random_question(&model, index, &random);
        } else if (what < 96) {
            good = akin_index_flush(index, NULL) == AKIN_OK;
        } else if (what < 99) {
            akin_index_close(index);
            index = rows_open(path, AKIN_OPEN_WRITE, 200);
            REQUIRE(index != NULL);
            good = model_is_whole(&model, index);
        } else {
            good = rows_verify(path, true) == 0;
        }
        if (!CHECK(good)) {
            printf("# at step %d (%d)\n", step, (int)what);
            break;
        }
    }
    CHECK(model_is_whole(&model, index));
    struct akin_index_stats stats;
    akin_index_stats(index, &stats);
    CHECK(stats.segments > 0 && stats.segments <= 16);
    akin_index_close(index);
    CHECK_EQ(rows_verify(path, true), 0);
    model_fini(&model);
}

TEST(segments_merge_and_the_folder_holds_only_what_is_named)
{
    struct rows_random random = {2, 0};
    struct rows_model model = {0};
    const char *path = check_folder();
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 64);
    REQUIRE(index != NULL);
    for (uint32_t scene = 1; scene <= 100; scene++)
        REQUIRE_OK(rows_add(index, &model, scene, 64, &random, err));
    struct akin_index_stats stats;
    akin_index_stats(index, &stats);
    CHECK(stats.segments <= 16);
    CHECK_EQ(stats.rows, 6400);
    CHECK_EQ(stats.rows_in_log, 0);
    char **names;
    size_t count;
    REQUIRE_OK(akin_dir_list(&names, &count, path, 1000, err));
    CHECK_EQ(count, stats.segments + 3); /* MANIFEST, LOCK, one log */
    akin_names_free(names, count);
    CHECK(model_is_whole(&model, index));
    akin_index_close(index);
    CHECK_EQ(rows_verify(path, true), 0);
    model_fini(&model);
}

TEST(a_batch_larger_than_the_memtable)
{
    struct rows_random random = {3, 0};
    struct rows_model model = {0};
    const char *path = check_folder();
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 100);
    REQUIRE(index != NULL);
    REQUIRE_OK(rows_add(index, &model, 1, 3000, &random, err));
    REQUIRE_OK(rows_add(index, &model, 2, 50, &random, err));
    CHECK(model_is_whole(&model, index));
    akin_index_close(index);
    index = rows_open(path, AKIN_OPEN_READ, 0);
    REQUIRE(index != NULL);
    CHECK(model_is_whole(&model, index));
    akin_index_close(index);
    model_fini(&model);
}

TEST(rows_emptied_segments_go)
{
    struct rows_random random = {4, 0};
    const char *path = check_folder();
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 64);
    struct akin_index_stats stats;
    uint64_t removed = 0;
    REQUIRE(index != NULL);
    REQUIRE_OK(rows_add(index, NULL, 1, 64, &random, err));
    REQUIRE_OK(rows_add(index, NULL, 2, 100, &random, err));
    REQUIRE_OK(akin_index_remove(index, 0, UINT64_MAX, &removed, err));
    CHECK_EQ(removed, 164);
    REQUIRE_OK(akin_index_remove(index, 0, UINT64_MAX, &removed, err));
    CHECK_EQ(removed, 0);
    REQUIRE_OK(akin_index_flush(index, err));
    akin_index_stats(index, &stats);
    CHECK_EQ(stats.rows, 0);
    CHECK_EQ(stats.segments, 0);
    CHECK_EQ(stats.tombstones, 0);
    akin_index_close(index);
    CHECK_EQ(rows_verify(path, true), 0);
}

TEST(get_finds_one_row_wherever_it_lies)
{
    struct rows_random random = {5, 0};
    struct rows_model model = {0};
    akin_index *index = rows_open(check_folder(), AKIN_OPEN_WRITE, 64);
    REQUIRE(index != NULL);
    REQUIRE_OK(rows_add(index, &model, 1, 64, &random, err));
    REQUIRE_OK(rows_add(index, &model, 2, 10, &random, err));
    for (size_t i = 0; i < model.count; i++) {
        struct akin_columns columns;
        float vector[ROWS_DIM], wide[ROWS_DIM];
        REQUIRE_OK(akin_index_get(index, model.rows[i].columns.key, &columns, vector, err));
        akin_kernels()->f32_from_f16(wide, model.rows[i].half, ROWS_DIM);
        CHECK(!memcmp(&columns, &model.rows[i].columns, sizeof columns));
        CHECK(!memcmp(vector, wide, sizeof wide));
    }
    akin_error why = {0};
    CHECK_EQ(akin_index_get(index, 12345, NULL, NULL, &why), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(why.text, "0000000000003039");
    akin_index_close(index);
    model_fini(&model);
}

TEST(what_cannot_be_added_is_refused_whole)
{
    struct rows_random random = {6, 0};
    struct akin_columns columns[3];
    float vectors[3 * ROWS_DIM];
    akin_error why = {0};
    struct akin_index_stats stats;
    akin_index *index = rows_open(check_folder(), AKIN_OPEN_WRITE, 64);
    REQUIRE(index != NULL);
    for (uint32_t i = 0; i < 3; i++) {
        columns[i] = rows_columns(i + 1, &random);
        rows_vector(vectors + i * ROWS_DIM, &random);
    }
    vectors[2 * ROWS_DIM] = NAN;
    CHECK_EQ(akin_index_add(index, columns, vectors, 3, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "0000000000000003");
    vectors[2 * ROWS_DIM] = INFINITY;
    CHECK_EQ(akin_index_add(index, columns, vectors, 3, &why), AKIN_ERR_INVALID);
    vectors[2 * ROWS_DIM] = 3;
    CHECK_EQ(akin_index_add(index, columns, vectors, 3, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "length");
    memset(vectors + 2 * ROWS_DIM, 0, ROWS_DIM * sizeof *vectors);
    columns[1].bbox_e7[0] = columns[1].bbox_e7[1] = columns[1].bbox_e7[2] = 0;
    columns[1].bbox_e7[3] = 900000001;
    CHECK_EQ(akin_index_add(index, columns, vectors, 3, &why), AKIN_ERR_INVALID);
    akin_index_stats(index, &stats);
    CHECK_EQ(stats.rows, 0);
    columns[1].bbox_e7[3] = 900000000;
    REQUIRE_OK(akin_index_add(index, columns, vectors, 3, err)); /* zero vectors are fine */
    REQUIRE_OK(akin_index_add(index, NULL, NULL, 0, err));
    akin_index_stats(index, &stats);
    CHECK_EQ(stats.rows, 3);
    akin_index_close(index);
}

TEST(questions_that_make_no_sense)
{
    float vector[ROWS_DIM] = {1};
    struct akin_hit hit;
    size_t count = 77;
    akin_index *index = rows_open(check_folder(), AKIN_OPEN_WRITE, 64);
    REQUIRE(index != NULL);
    struct akin_index_query query = {.vectors = vector, .count = 1, .k = 1, .threshold = -INFINITY};
    REQUIRE_OK(akin_index_search(index, &query, &hit, &count, NULL, err));
    CHECK_EQ(count, 0); /* an empty index answers */
    query.k = 0;
    CHECK_EQ(akin_index_search(index, &query, &hit, &count, NULL, NULL), AKIN_ERR_INVALID);
    query.k = 100001;
    CHECK_EQ(akin_index_search(index, &query, &hit, &count, NULL, NULL), AKIN_ERR_INVALID);
    query.k = 1;
    query.count = 0;
    CHECK_EQ(akin_index_search(index, &query, &hit, &count, NULL, NULL), AKIN_ERR_INVALID);
    query.count = 4097;
    CHECK_EQ(akin_index_search(index, &query, &hit, &count, NULL, NULL), AKIN_ERR_INVALID);
    query.count = 1;
    query.threshold = NAN;
    CHECK_EQ(akin_index_search(index, &query, &hit, &count, NULL, NULL), AKIN_ERR_INVALID);
    query.threshold = 0;
    vector[3] = NAN;
    CHECK_EQ(akin_index_search(index, &query, &hit, &count, NULL, NULL), AKIN_ERR_INVALID);
    akin_index_close(index);
}

/* What a search relies on: a row's score does not depend on its place in a block or on how many
 * queries are scored with it. */
TEST(a_score_does_not_depend_on_the_place_of_its_row)
{
    static const size_t dims[] = {1, 7, 24, 100, 224, 257};
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
            enum { ROWS = 37, QUERIES = 9 };
            size_t dim = dims[d];
            float *queries = malloc(QUERIES * dim * sizeof *queries);
            akin_f16 *rows = malloc(ROWS * dim * sizeof *rows);
            struct rows_random random = {70 + d, 0};
            float all[QUERIES * ROWS], one;
            for (size_t i = 0; i < QUERIES * dim; i++)
                queries[i] = (float)rows_unit(&random) - 0.5f;
            for (size_t i = 0; i < ROWS * dim; i++) {
                float value = (float)rows_unit(&random) - 0.5f;
                k->f16_from_f32(&rows[i], &value, 1);
            }
            k->dots_f16_block(all, ROWS, queries, QUERIES, rows, ROWS, dim);
            int differ = 0;
            for (size_t q = 0; q < QUERIES; q++)
                for (size_t r = 0; r < ROWS; r++) {
                    k->dots_f16_block(&one, 1, queries + q * dim, 1, rows + r * dim, 1, dim);
                    differ += one != all[q * ROWS + r];
                }
            if (!CHECK_EQ(differ, 0))
                printf("# %s, %zu dimensions\n", *name, dim);
            free(queries);
            free(rows);
        }
    }
}

TEST(opening_what_is_not_there_or_something_else)
{
    const char *path = check_folder();
    struct akin_index_options options;
    akin_error why = {0};
    akin_index *index = NULL, *second = NULL;
    akin_index_options_default(&options);
    CHECK_EQ(akin_index_open(&index, path, AKIN_OPEN_READ, NULL, &why), AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_index_open(&index, path, AKIN_OPEN_WRITE, NULL, &why), AKIN_ERR_NOT_FOUND);
    options.dim = 16;
    options.model = 5;
    REQUIRE_OK(akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, err));
    CHECK_EQ(akin_index_open(&second, path, AKIN_OPEN_WRITE, &options, &why), AKIN_ERR_BUSY);
    akin_index_close(index);
    options.dim = 17;
    CHECK_EQ(akin_index_open(&index, path, AKIN_OPEN_READ, &options, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "16 dimensions");
    options.dim = 0;
    options.model = 6;
    CHECK_EQ(akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, &why), AKIN_ERR_INVALID);
    options.model = 0;
    REQUIRE_OK(akin_index_open(&index, path, AKIN_OPEN_READ, &options, err));
    struct akin_index_stats stats;
    akin_index_stats(index, &stats);
    CHECK_EQ(stats.dim, 16);
    CHECK_EQ(stats.model, 5);
    CHECK_EQ(akin_index_remove(index, 0, 1, NULL, &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_index_flush(index, &why), AKIN_ERR_INVALID);
    akin_index_close(index);
    akin_index_close(NULL);
}

/* What an earlier akin wrote (no runs) is served, and written anew it has them. */
TEST(segments_without_runs_are_read)
{
    static const char *const names[] = {"MANIFEST", "log-3.wal", "segment-1.2.tomb",
                                        "segment-1.seg", "segment-3.seg"};
    const char *path = check_folder();
    struct rows_model model = {0};
    struct rows_random random = {10, 0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char from[AKIN_PATH_MAX], to[AKIN_PATH_MAX];
        struct akin_map map = {0};
        REQUIRE_OK(akin_path_join(from, "tests/index/golden/without-runs", names[i], err));
        REQUIRE_OK(akin_path_join(to, path, names[i], err));
        REQUIRE_OK(akin_map_open(&map, from, err));
        REQUIRE_OK(akin_file_write_atomic(to, map.data, map.size, err));
        akin_map_close(&map);
    }
    for (uint32_t scene = 1; scene <= 3; scene++)
        REQUIRE_OK(rows_add(NULL, &model, scene, scene < 3 ? 6 : 3, &random, err));
    model_remove(&model, akin_tile_key(1, 0, 0, 2), akin_tile_key(1, 0, 0, 3));
    CHECK_EQ(rows_verify(path, true), 0);
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 0);
    REQUIRE(index != NULL);
    CHECK(model_is_whole(&model, index));
    for (int i = 0; i < 30; i++)
        CHECK(random_question(&model, index, &random));
    REQUIRE_OK(rows_add(index, &model, 4, 9, &random, err));
    REQUIRE_OK(akin_index_flush(index, err));
    CHECK(model_is_whole(&model, index));
    akin_index_close(index);
    CHECK_EQ(rows_verify(path, true), 0);
    model_fini(&model);
}

int main(int argc, char **argv)
{
    return rows_main(argc, argv);
}
