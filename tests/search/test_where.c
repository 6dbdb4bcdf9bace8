/*
 * Where inside a tile: pictures made of two halves, asked for by what one half shows; the maps as an
 * array and as a picture; an encoder whose input has a size of its own; what cannot be answered.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "akin/search.h"
#include "akin/tile.h"
#include "drawn.h"

#define HALF 48 /* pixels */

/* pictures/both.png: picture 100 on the left, 101 on the right, as the collection's pictures 0 and 1
 * show them, each alone. */
static akin_status draw_both(akin_error *err)
{
    const uint32_t bands[] = {0, 1, 2};
    char path[AKIN_PATH_MAX];
    struct akin_raster both = {0};
    struct akin_buffer png;
    akin_buffer_init(&png, 1 << 24);
    path_of(path, "pictures/both.png");
    akin_status status = akin_raster_init(&both, 2 * HALF, 2 * HALF, 3, AKIN_U8, false, err);
    for (uint32_t half = 0; half < 2 && status == AKIN_OK; half++) {
        akin_source *source = NULL;
        struct akin_raster one = {0};
        status = draw(path, 100 + half, HALF, 2 * HALF, err);
        if (status == AKIN_OK)
            status = akin_source_open(&source, path, NULL, err);
        if (status == AKIN_OK)
            status = akin_source_read(source, (struct akin_window){0, 0, HALF, 2 * HALF}, bands, 3,
                                      &one, err);
        for (size_t y = 0; status == AKIN_OK && y < 2 * HALF; y++)
            memcpy((uint8_t *)both.pixels + (2 * y + half) * HALF * 3,
                   (uint8_t *)one.pixels + y * HALF * 3, HALF * 3);
        akin_source_close(source);
        akin_raster_fini(&one);
    }
    if (status == AKIN_OK)
        status = akin_png_encode(&both, &png, err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, png.data, png.size, err);
    akin_raster_fini(&both);
    akin_buffer_fini(&png);
    return status;
}

/* The collection of add_pictures, and both.png as its scene PICTURES + 1. */
static akin_status add_both(char dir[AKIN_PATH_MAX], akin_error *err)
{
    char path[AKIN_PATH_MAX];
    const char *sources[] = {path};
    akin_status status = add_pictures(dir, true, err);
    if (status == AKIN_OK)
        status = draw_both(err);
    path_of(path, "pictures/both.png");
    return status == AKIN_OK ? akin_add(dir, sources, 1, NULL, NULL, err) : status;
}

static const uint64_t both_key = (uint64_t)(PICTURES + 1) << 32;

/* The question of the collection's picture `number`. */
static akin_status ask_for(struct akin_question *question, akin_engine *engine, uint32_t number,
                           akin_error *err)
{
    struct akin_example tile = {.kind = AKIN_EXAMPLE_TILE,
                                .key = akin_tile_key(number + 1, 0, 0, 0)};
    akin_question_init(question);
    return akin_question_add(question, engine, &tile, err);
}

/* Mean score of the columns [begin, end). */
static double mean_of(const struct akin_where *map, uint32_t begin, uint32_t end)
{
    double sum = 0;
    for (uint32_t row = 0; row < map->rows; row++)
        for (uint32_t col = begin; col < end; col++)
            sum += map->scores[row * map->cols + col];
    return sum / (map->rows * (end - begin));
}

TEST(each_half_is_found_where_it_is)
{
    char dir[AKIN_PATH_MAX];
    akin_engine *engine = NULL;
    REQUIRE_OK(add_both(dir, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, NULL, err));
    for (uint32_t half = 0; half < 2; half++) {
        struct akin_question question;
        struct akin_where map = {0};
        REQUIRE_OK(ask_for(&question, engine, half, err));
        REQUIRE_OK(akin_where(engine, &question, both_key, &map, err));
        CHECK_EQ(map.key, both_key);
        REQUIRE(map.rows > 1 && map.cols > 1);
        /* The middle columns see both. */
        double left = mean_of(&map, 0, map.cols / 2 - 1);
        double right = mean_of(&map, map.cols / 2 + 1, map.cols);
        CHECK(half ? right > left + 0.1 : left > right + 0.1);
        for (size_t c = 0; c < (size_t)map.rows * map.cols; c++)
            CHECK(map.scores[c] >= -1 && map.scores[c] <= 1);
        akin_where_free(&map);
        akin_question_fini(&question);
    }
    akin_engine_close(engine);
}

/* ---- as files ---- */

TEST(an_array_that_numpy_reads)
{
    float scores[2][6] = {{1, 2, 3, 4, 5, 6}, {-1, -0.5f, 0, 0.25f, 0.5f, 1}};
    const struct akin_where maps[2] = {{1, 2, 3, scores[0]}, {2, 2, 3, scores[1]}};
    const struct akin_where other = {3, 3, 2, scores[0]};
    struct akin_buffer npy;
    akin_buffer_init(&npy, 1 << 20);
    REQUIRE_OK(akin_where_npy(maps, 2, &npy, err));
    const unsigned char *bytes = (const unsigned char *)npy.data;
    REQUIRE(npy.size > 10 + sizeof scores);
    CHECK(!memcmp(bytes, "\x93NUMPY\x01\x00", 8));
    const size_t head = 10 + bytes[8] + 256 * (size_t)bytes[9];
    CHECK_EQ(head % 64, 0);
    REQUIRE(npy.size == head + sizeof scores);
    CHECK(bytes[head - 1] == '\n');
    char text[256] = "";
    memcpy(text, bytes + 10, head - 10 < sizeof text ? head - 10 : sizeof text - 1);
    CHECK_CONTAINS(text, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 3), }");
    CHECK(!memcmp(bytes + head, scores, sizeof scores));
    const struct akin_where mixed[2] = {maps[0], other};
    CHECK_EQ(akin_where_npy(mixed, 2, &npy, NULL), AKIN_ERR_INVALID);
    akin_buffer_fini(&npy);
}

/* A map that is high on the left and low on the right: there the picture is bright and coloured, here
 * it is grey. */
TEST(a_picture_with_heat_where_the_score_is)
{
    const uint32_t bands[] = {0, 1, 2};
    char dir[AKIN_PATH_MAX];
    akin_engine *engine = NULL;
    akin_source *source = NULL;
    struct akin_buffer png;
    struct akin_raster raster = {0};
    float scores[4] = {0.9f, 0.1f, 0.9f, 0.1f};
    struct akin_where maps[6];
    REQUIRE_OK(add_both(dir, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, NULL, err));
    akin_buffer_init(&png, 1 << 26);
    for (int i = 0; i < 6; i++)
        maps[i] = (struct akin_where){both_key, 2, 2, scores};
    REQUIRE_OK(akin_where_png(engine, maps, 6, &png, err));
    REQUIRE_OK(akin_source_open_memory(&source, png.data, png.size, "heat.png", NULL, err));
    const struct akin_source_info *info = akin_source_info(source);
    CHECK_EQ(info->width, 5 * 260 + 4);
    CHECK_EQ(info->height, 2 * 260 + 4);
    REQUIRE_OK(
        akin_source_read(source, (struct akin_window){4, 4, 256, 256}, bands, 3, &raster, err));
    double colour[2] = {0};
    const uint8_t *pixels = raster.pixels;
    for (size_t i = 0; i < 256 * 256; i++)
        colour[i % 256 >= 128] += abs(pixels[3 * i] - pixels[3 * i + 2]);
    CHECK(colour[0] > 20.0 * 256 * 128);
    CHECK(colour[1] < colour[0] / 3);
    for (size_t y = 0; y < 256; y += 51) /* the far right: grey as it is */
        CHECK(abs(pixels[3 * (256 * y + 255)] - pixels[3 * (256 * y + 255) + 2]) <= 1);
    akin_raster_fini(&raster);
    akin_source_close(source);
    akin_buffer_clear(&png);
    maps[0] = (struct akin_where){both_key, 1, 1, scores}; /* one cell, all scores alike */
    REQUIRE_OK(akin_where_png(engine, maps, 1, &png, err));
    CHECK_EQ(akin_where_png(engine, maps, 0, &png, NULL), AKIN_ERR_INVALID);
    CHECK_EQ(akin_where_png(engine, maps, AKIN_WHERE_MAX + 1, &png, NULL), AKIN_ERR_INVALID);
    akin_buffer_fini(&png);
    akin_engine_close(engine);
}

/* ---- what cannot be answered ---- */

TEST(questions_without_an_answer)
{
    char dir[AKIN_PATH_MAX];
    akin_engine *engine = NULL;
    struct akin_question question;
    struct akin_where map = {0};
    akin_error why = {0};
    REQUIRE_OK(add_pictures(dir, true, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, NULL, err));
    akin_question_init(&question);
    CHECK_EQ(akin_where(engine, &question, akin_tile_key(1, 0, 0, 0), &map, &why),
             AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "no example");
    REQUIRE_OK(ask_for(&question, engine, 1, err));
    CHECK_EQ(akin_where(engine, &question, akin_tile_key(99, 0, 0, 0), &map, &why),
             AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_where(NULL, &question, 1, &map, &why), AKIN_ERR_INVALID);
    REQUIRE_OK(akin_where(engine, &question, akin_tile_key(1, 0, 0, 0), &map, err));
    akin_where_free(&map);
    size_t before = akin_memory_used();
    for (long at = 0; at < 4; at++) { /* its own: vectors, input, cells, scores */
        akin_memory_fail_at(at);
        CHECK_EQ(akin_where(engine, &question, akin_tile_key(1, 0, 0, 0), &map, NULL),
                 AKIN_ERR_NO_MEMORY);
        akin_memory_fail_at(-1);
    }
    CHECK(map.scores == NULL);
    REQUIRE_OK(akin_where(engine, &question, akin_tile_key(1, 0, 0, 0), &map, err));
    akin_where_free(&map);
    akin_where_free(&map);
    CHECK_EQ(akin_memory_used(), before);
    akin_question_fini(&question);
    akin_engine_close(engine);
}

TEST(a_collection_without_chips_says_so)
{
    char dir[AKIN_PATH_MAX];
    akin_engine *engine = NULL;
    struct akin_question question;
    struct akin_where map = {0};
    akin_error why = {0};
    REQUIRE_OK(add_pictures(dir, false, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, NULL, err));
    REQUIRE_OK(ask_for(&question, engine, 0, err));
    CHECK_EQ(akin_where(engine, &question, akin_tile_key(1, 0, 0, 0), &map, &why),
             AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(why.text, "--no-chips");
    akin_question_fini(&question);
    akin_engine_close(engine);
}

/* ---- an encoder with an input size of its own ---- */

#define WIDE_PX 48

/* Fitted on noise of 12 kinds: good enough to tell pictures apart. */
static akin_status save_wide(const char *dir, akin_error *err)
{
    enum { N = 12, BYTES = WIDE_PX * WIDE_PX * 3 };
    static uint8_t tiles[N][BYTES];
    const uint8_t *inputs[N];
    struct akin_instant_options options;
    akin_model *model = NULL;
    for (uint64_t t = 0; t < N; t++) {
        inputs[t] = tiles[t];
        for (uint64_t i = 0; i < BYTES; i++)
            tiles[t][i] = (uint8_t)(20 * t + akin_random_u64(5, t, i / (1 + t % 5)) % 60);
    }
    akin_instant_options_default(&options, WIDE_PX, 3);
    akin_status status =
        akin_instant_fit(&model, "wide", &options, N, inputs, NULL, NULL, NULL, NULL, err);
    if (status == AKIN_OK)
        status = akin_model_save(model, dir, err);
    akin_model_free(model);
    return status;
}

TEST(a_question_is_cut_for_its_encoder)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX], name[64];
    const struct akin_engine_options wide = {.model = "wide"};
    const struct akin_embed_options options = {.model = "wide", .keep_default = true};
    akin_engine *engine = NULL;
    akin_error why = {0};
    REQUIRE_OK(add_pictures(dir, true, err));
    REQUIRE_OK(save_wide(dir, err));
    CHECK_EQ(akin_engine_open(&engine, dir, &wide, &why), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(why.text, "--model wide");
    REQUIRE_OK(akin_embed(dir, &options, NULL, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, &wide, err));
    size_t found = 0;
    for (uint32_t i = 0; i < PICTURES; i++) {
        struct akin_question question;
        struct akin_answers answers = {0};
        struct akin_where map = {0};
        const struct akin_example example = {.kind = AKIN_EXAMPLE_IMAGE, .path = path};
        snprintf(name, sizeof name, "pictures/%02u.png", i);
        path_of(path, name);
        akin_question_init(&question);
        REQUIRE_OK(akin_question_add(&question, engine, &example, err));
        REQUIRE_OK(akin_ask(engine, &question, &answers, err));
        REQUIRE(answers.count > 0);
        found += answers.answers[0].key == akin_tile_key(i + 1, 0, 0, 0) &&
                 answers.answers[0].score > 0.95f;
        REQUIRE_OK(akin_where(engine, &question, answers.answers[0].key, &map, err));
        akin_where_free(&map);
        akin_answers_free(&answers);
        akin_question_fini(&question);
    }
    CHECK_EQ(found, PICTURES);
    akin_engine_close(engine);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
