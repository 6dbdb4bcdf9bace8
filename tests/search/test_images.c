/*
 * Images as questions, through the whole pipeline: made-up pictures are taken in by akin_add, then
 * asked for by file, by bytes, by windows, and their pictures are looked at.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <unistd.h>

#include "drawn.h"
#include "vectors.h"

static akin_status ask_one(akin_engine *engine, const struct akin_example *example, size_t k,
                           struct akin_answers *answers, akin_error *err)
{
    struct akin_question question;
    akin_question_init(&question);
    question.k = k;
    akin_status status = akin_question_add(&question, engine, example, err);
    if (status == AKIN_OK)
        status = akin_ask(engine, &question, answers, err);
    akin_question_fini(&question);
    return status;
}

TEST(every_image_finds_itself_first_with_score_one)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX], name[64];
    akin_engine *engine = NULL;
    REQUIRE_OK(add_pictures(dir, true, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, NULL, err));
    for (int i = 0; i < PICTURES; i++) {
        snprintf(name, sizeof name, "pictures/%02d.png", i);
        path_of(path, name);
        struct akin_buffer bytes;
        struct akin_answers answers = {0}, again = {0};
        const struct akin_scene *scene = NULL;
        struct akin_example example = {.kind = AKIN_EXAMPLE_IMAGE, .path = path};
        REQUIRE_OK(ask_one(engine, &example, 5, &answers, err));
        CHECK_EQ(answers.count, 5);
        CHECK_NEAR(answers.answers[0].score, 1, 2e-3);
        CHECK(answers.answers[0].score <= 1);
        CHECK(answers.answers[1].score < 0.99);
        REQUIRE_OK(akin_engine_scene(engine, answers.answers[0].scene, &scene, err));
        CHECK_TEXT(strrchr(scene->uri, '/'), strrchr(path, '/'));
        /* The same as bytes. */
        akin_buffer_init(&bytes, 1 << 24);
        REQUIRE_OK(akin_file_read(&bytes, path, err));
        example = (struct akin_example){
            .kind = AKIN_EXAMPLE_BYTES, .bytes = bytes.data, .size = bytes.size};
        REQUIRE_OK(ask_one(engine, &example, 5, &again, err));
        for (size_t a = 0; a < 5; a++) {
            CHECK_EQ(again.answers[a].key, answers.answers[a].key);
            CHECK(again.answers[a].score == answers.answers[a].score);
        }
        akin_buffer_fini(&bytes);
        akin_answers_free(&answers);
        akin_answers_free(&again);
    }
    akin_engine_close(engine);
}

TEST(files_that_are_no_images_are_named)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    akin_engine *engine = NULL;
    akin_error error = {0};
    struct akin_answers answers = {0};
    REQUIRE_OK(add_pictures(dir, true, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, NULL, err));
    path_of(path, "nothing-here.png");
    struct akin_example example = {.kind = AKIN_EXAMPLE_IMAGE, .path = path};
    CHECK(ask_one(engine, &example, 5, &answers, &error) != AKIN_OK);
    CHECK_CONTAINS(error.text, "nothing-here.png");
    REQUIRE_OK(akin_file_write_atomic(path, "no picture", 10, err));
    CHECK(ask_one(engine, &example, 5, &answers, &error) != AKIN_OK);
    CHECK_CONTAINS(error.text, "nothing-here.png");
    example = (struct akin_example){.kind = AKIN_EXAMPLE_BYTES, .bytes = "GIF89a", .size = 6};
    CHECK(ask_one(engine, &example, 5, &answers, &error) != AKIN_OK);
    example = (struct akin_example){.kind = AKIN_EXAMPLE_BYTES};
    CHECK_EQ(ask_one(engine, &example, 5, &answers, &error), AKIN_ERR_INVALID);
    example = (struct akin_example){.kind = AKIN_EXAMPLE_IMAGE};
    CHECK_EQ(ask_one(engine, &example, 5, &answers, &error), AKIN_ERR_INVALID);
    CHECK(!answers.answers);
    akin_engine_close(engine);
}

/* ---- whichever way it lies ---- */

/* A picture turned by a quarter, beside the other. */
static akin_status turn_picture(const char *to, const char *from, akin_error *err)
{
    struct akin_raster raster = {0}, turned = {0};
    struct akin_buffer png;
    const uint32_t bands[] = {0, 1, 2};
    akin_source *source = NULL;
    akin_buffer_init(&png, 1 << 24);
    akin_status status = akin_source_open(&source, from, NULL, err);
    if (status == AKIN_OK) {
        const struct akin_source_info *info = akin_source_info(source);
        const struct akin_window all = {0, 0, info->width, info->height};
        status = akin_source_read(source, all, bands, 3, &raster, err);
    }
    if (status == AKIN_OK)
        status = akin_raster_init(&turned, raster.height, raster.width, 3, AKIN_U8, false, err);
    for (size_t y = 0; status == AKIN_OK && y < raster.height; y++)
        for (size_t x = 0; x < raster.width; x++)
            memcpy((uint8_t *)turned.pixels + (x * raster.height + raster.height - 1 - y) * 3,
                   (uint8_t *)raster.pixels + (y * raster.width + x) * 3, 3);
    if (status == AKIN_OK)
        status = akin_png_encode(&turned, &png, err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(to, png.data, png.size, err);
    akin_source_close(source);
    akin_raster_fini(&raster);
    akin_raster_fini(&turned);
    akin_buffer_fini(&png);
    return status;
}

static akin_status ask_turned(akin_engine *engine, const struct akin_example *example,
                              struct akin_answers *answers, akin_error *err)
{
    struct akin_question question;
    akin_question_init(&question);
    question.k = PICTURES;
    question.turns = true;
    question.keep_examples = true;
    akin_status status = akin_question_add(&question, engine, example, err);
    if (status == AKIN_OK)
        status = akin_ask(engine, &question, answers, err);
    akin_question_fini(&question);
    return status;
}

static void check_answers(const struct akin_answers *a, const struct akin_answers *b,
                          double tolerance)
{
    REQUIRE(a->count == PICTURES && b->count == PICTURES);
    for (size_t i = 0; i < PICTURES; i++)
        CHECK_NEAR(a->answers[i].score, b->answers[i].score, tolerance);
    CHECK_EQ(a->answers[0].key, b->answers[0].key);
}

TEST(with_turns_a_turned_picture_asks_the_same)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX], turned[AKIN_PATH_MAX];
    akin_engine *engine = NULL;
    struct akin_answers plain = {0}, plain_turned = {0}, upright = {0}, lying = {0}, tile = {0};
    REQUIRE_OK(add_pictures(dir, true, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, NULL, err));
    path_of(path, "pictures/05.png");
    path_of(turned, "turned.png");
    REQUIRE_OK(turn_picture(turned, path, err));
    struct akin_example example = {.kind = AKIN_EXAMPLE_IMAGE, .path = path};
    REQUIRE_OK(ask_one(engine, &example, PICTURES, &plain, err));
    REQUIRE_OK(ask_turned(engine, &example, &upright, err));
    example.path = turned;
    REQUIRE_OK(ask_one(engine, &example, PICTURES, &plain_turned, err));
    REQUIRE_OK(ask_turned(engine, &example, &lying, err));
    check_answers(&upright, &lying, 1e-3);
    CHECK(plain_turned.answers[0].score < plain.answers[0].score - 5e-3); /* without, it does not */
    CHECK(upright.answers[0].score < 1 - 1e-3);
    /* A tile of the collection is read from its chip, which is a JPEG. */
    example = (struct akin_example){.kind = AKIN_EXAMPLE_TILE, .key = plain.answers[0].key};
    REQUIRE_OK(ask_turned(engine, &example, &tile, err));
    check_answers(&upright, &tile, 0.05);
    akin_answers_free(&plain);
    akin_answers_free(&plain_turned);
    akin_answers_free(&upright);
    akin_answers_free(&lying);
    akin_answers_free(&tile);
    akin_engine_close(engine);
}

TEST(turning_tiles_needs_their_pictures_and_memory)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    akin_engine *engine = NULL;
    akin_error why = {0};
    struct akin_answers answers = {0}, turned = {0};
    REQUIRE_OK(add_pictures(dir, false, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, NULL, err));
    path_of(path, "pictures/05.png");
    struct akin_example example = {.kind = AKIN_EXAMPLE_IMAGE, .path = path};
    REQUIRE_OK(ask_turned(engine, &example, &answers, err));
    example = (struct akin_example){.kind = AKIN_EXAMPLE_TILE, .key = answers.answers[0].key};
    CHECK_EQ(ask_turned(engine, &example, &turned, &why), AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(why.text, "--no-chips");
    akin_answers_free(&answers);
    /* Each allocation in turn: an error, or an answer. */
    example = (struct akin_example){.kind = AKIN_EXAMPLE_IMAGE, .path = path};
    akin_status status = AKIN_ERR_NO_MEMORY;
    for (long at = 0; at < 1000 && status != AKIN_OK; at++) {
        akin_memory_fail_at(at);
        status = ask_turned(engine, &example, &answers, NULL);
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
    }
    akin_memory_fail_at(-1);
    CHECK_EQ(status, AKIN_OK);
    akin_answers_free(&answers);
    akin_engine_close(engine);
}

/* ---- windows ---- */

/* Pictures in tiles of 32 without overlap: a strip of `count` pictures side by side. */
static akin_status draw_strip(const char *path, const uint64_t *numbers, uint32_t count,
                              akin_error *err)
{
    struct akin_raster strip = {0}, one = {0};
    struct akin_buffer png;
    akin_buffer_init(&png, 1 << 24);
    akin_status status = akin_raster_init(&strip, 32 * count, 32, 3, AKIN_U8, false, err);
    for (uint32_t i = 0; status == AKIN_OK && i < count; i++) {
        status = draw(path, numbers[i], 32, 32, err);
        akin_buffer_clear(&png);
        akin_source *source = NULL;
        if (status == AKIN_OK)
            status = akin_source_open(&source, path, NULL, err);
        const uint32_t bands[] = {0, 1, 2};
        if (status == AKIN_OK)
            status =
                akin_source_read(source, (struct akin_window){0, 0, 32, 32}, bands, 3, &one, err);
        for (uint32_t y = 0; status == AKIN_OK && y < 32; y++)
            memcpy((uint8_t *)strip.pixels + ((size_t)y * 32 * count + 32 * i) * 3,
                   (uint8_t *)one.pixels + (size_t)y * 96, 96);
        akin_source_close(source);
        akin_raster_fini(&one);
        one = (struct akin_raster){0};
    }
    if (status == AKIN_OK)
        status = akin_png_encode(&strip, &png, err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, png.data, png.size, err);
    akin_raster_fini(&strip);
    akin_buffer_fini(&png);
    return status;
}

/* A collection of strips of 12 tiles, numbers 500..511. */
static akin_status add_strip(char dir[AKIN_PATH_MAX], akin_error *err)
{
    uint64_t numbers[12];
    char path[AKIN_PATH_MAX];
    snprintf(base, sizeof base, "%s", check_folder());
    path_of(path, "strip.png");
    path_of(dir, "collection");
    for (uint64_t i = 0; i < 12; i++)
        numbers[i] = 500 + i;
    akin_status status = draw_strip(path, numbers, 12, err);
    struct akin_settings settings;
    akin_settings_default(&settings);
    settings.tile_always = true;
    settings.tile_px = 32;
    settings.overlap = 0;
    settings.input_px = 32;
    if (status == AKIN_OK)
        status = akin_catalog_create(dir, &settings, err);
    const char *sources[] = {path};
    struct akin_add_report report;
    struct akin_add_options options;
    akin_add_options_default(&options);
    return status == AKIN_OK ? akin_add(dir, sources, 1, &options, &report, err) : status;
}

TEST(of_the_windows_of_one_image_the_best_counts)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    akin_engine *engine = NULL;
    struct akin_answers answers = {0};
    REQUIRE_OK(add_strip(dir, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, NULL, err));
    /* Two windows that are in the collection, one that is not. */
    path_of(path, "query.png");
    REQUIRE_OK(draw_strip(path, (const uint64_t[]){503, 900, 509}, 3, err));
    struct akin_example example = {.kind = AKIN_EXAMPLE_IMAGE, .path = path};
    REQUIRE_OK(ask_one(engine, &example, 12, &answers, err));
    CHECK_EQ(answers.count, 12);
    CHECK_EQ(answers.explain.vectors, 3);
    CHECK_EQ(answers.explain.likes, 1);
    uint32_t first = akin_tile_col(answers.answers[0].key),
             second = akin_tile_col(answers.answers[1].key);
    CHECK((first == 3 && second == 9) || (first == 9 && second == 3));
    CHECK_NEAR(answers.answers[0].score, 1, 2e-3);
    CHECK_NEAR(answers.answers[1].score, 1, 2e-3);
    CHECK(answers.answers[2].score < 0.98);
    akin_answers_free(&answers);

    /* Two images of several windows: each stands for itself with its mean, so one vector. */
    struct akin_question question;
    akin_question_init(&question);
    REQUIRE_OK(akin_question_add(&question, engine, &example, err));
    REQUIRE_OK(akin_question_add(&question, engine, &example, err));
    REQUIRE_OK(akin_ask(engine, &question, &answers, err));
    CHECK_EQ(answers.explain.vectors, 1);
    CHECK(answers.answers[0].score < 0.98);
    akin_answers_free(&answers);
    akin_question_fini(&question);

    /* One of several windows and a tile: a vector a window, each the mean of the two. */
    akin_question_init(&question);
    struct akin_example tile = {.kind = AKIN_EXAMPLE_TILE, .key = akin_tile_key(1, 0, 0, 5)};
    REQUIRE_OK(akin_question_add(&question, engine, &example, err));
    REQUIRE_OK(akin_question_add(&question, engine, &tile, err));
    question.keep_examples = true;
    REQUIRE_OK(akin_ask(engine, &question, &answers, err));
    CHECK_EQ(answers.explain.vectors, 3);
    CHECK(akin_tile_col(answers.answers[0].key) == 3 ||
          akin_tile_col(answers.answers[0].key) == 5 || akin_tile_col(answers.answers[0].key) == 9);
    CHECK(answers.answers[0].score < 0.98);
    akin_answers_free(&answers);
    akin_question_fini(&question);
    akin_engine_close(engine);
}

TEST(an_image_of_too_many_windows_says_how_many)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    akin_engine *engine = NULL;
    akin_error error = {0};
    struct akin_answers answers = {0};
    REQUIRE_OK(add_strip(dir, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, NULL, err));
    path_of(path, "large.png");
    REQUIRE_OK(draw(path, 1, 32 * 17, 32 * 16, err));
    struct akin_example example = {.kind = AKIN_EXAMPLE_IMAGE, .path = path};
    CHECK_EQ(ask_one(engine, &example, 5, &answers, &error), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(error.text, "272");
    CHECK_CONTAINS(error.text, "large.png");
    REQUIRE_OK(draw(path, 1, 32 * 16, 32 * 16, err));
    REQUIRE_OK(ask_one(engine, &example, 5, &answers, err));
    CHECK_EQ(answers.explain.vectors, AKIN_QUERY_WINDOWS_MAX);
    akin_answers_free(&answers);
    akin_engine_close(engine);
}

/* ---- pictures ---- */

TEST(pictures_fit_the_size_asked_for)
{
    char dir[AKIN_PATH_MAX];
    akin_engine *engine = NULL;
    REQUIRE_OK(add_pictures(dir, true, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, NULL, err));
    const struct {
        uint32_t max_px, width, height;
    } cases[] = {{0, 90, 60}, {256, 90, 60}, {90, 90, 60}, {45, 45, 30}, {7, 7, 5}, {1, 1, 1}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct akin_buffer jpeg;
        struct akin_raster raster = {0};
        akin_buffer_init(&jpeg, 1 << 20);
        REQUIRE_OK(
            akin_engine_picture(engine, akin_tile_key(1, 0, 0, 0), cases[c].max_px, &jpeg, err));
        REQUIRE_OK(akin_jpeg_decode(jpeg.data, jpeg.size, 1 << 20, &raster, err));
        CHECK_EQ(raster.width, cases[c].width);
        CHECK_EQ(raster.height, cases[c].height);
        CHECK_EQ(raster.bands, 3);
        /* Its mean is that of the picture as it was drawn: to within the noise of JPEG. */
        for (uint32_t band = 0; band < 3; band++) {
            double sum = 0;
            for (size_t i = 0; i < (size_t)raster.width * raster.height; i++)
                sum += ((uint8_t *)raster.pixels)[3 * i + band];
            CHECK_NEAR(sum / (raster.width * raster.height),
                       60 + 130 * akin_random_unit(100, 2, band), 6);
        }
        akin_raster_fini(&raster);
        akin_buffer_fini(&jpeg);
    }
    struct akin_buffer none;
    akin_error error = {0};
    akin_buffer_init(&none, 1 << 20);
    CHECK_EQ(akin_engine_picture(engine, akin_tile_key(77, 0, 0, 0), 0, &none, &error),
             AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_engine_picture(NULL, 1, 0, &none, &error), AKIN_ERR_INVALID);
    akin_buffer_fini(&none);
    akin_engine_close(engine);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

TEST(the_sheet_shows_the_pictures_of_examples_and_answers)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    akin_engine *engine = NULL;
    struct akin_question question;
    struct akin_answers answers = {0};
    struct akin_buffer page;
    akin_buffer_init(&page, 1 << 24);
    REQUIRE_OK(add_pictures(dir, true, err));
    REQUIRE_OK(akin_engine_open(&engine, dir, NULL, err));
    akin_question_init(&question);
    question.k = 6;
    path_of(path, "pictures/03.png");
    struct akin_example image = {.kind = AKIN_EXAMPLE_IMAGE, .path = path};
    struct akin_example tile = {
        .kind = AKIN_EXAMPLE_TILE, .key = akin_tile_key(9, 0, 0, 0), .unlike = true};
    REQUIRE_OK(akin_question_add(&question, engine, &image, err));
    REQUIRE_OK(akin_question_add(&question, engine, &tile, err));
    CHECK_EQ(unlink(path), 0); /* nothing is borrowed: the sheet shows it all the same */
    REQUIRE_OK(akin_ask(engine, &question, &answers, err));
    REQUIRE_OK(akin_answers_html(engine, &question, &answers, "waves", &page, err));
    CHECK_EQ(count_of(page.data, "<img alt=\""), 8);
    CHECK_EQ(count_of(page.data, "src=\"data:image/jpeg;base64,/9j/"), 8);
    CHECK_EQ(count_of(page.data, "class=\"none\""), 0);
    CHECK_EQ(count_of(page.data, "class=\"map\""), 0);
    CHECK_EQ(count_of(page.data, "pictures</bdi>"), 0); /* no label at the top of the source */
    akin_buffer_fini(&page);
    akin_answers_free(&answers);
    akin_question_fini(&question);
    akin_engine_close(engine);
}

TEST(the_scenes_borrowed_last_stay)
{
    struct vectors made;
    akin_engine *engine = NULL;
    char uri[32];
    const struct akin_scene *first = NULL, *other = NULL;
    REQUIRE_OK(vectors_begin(&made, check_folder(), err));
    REQUIRE_OK(akin_catalog_begin(made.catalog, err));
    for (int i = 1; i <= 5000; i++) {
        snprintf(uri, sizeof uri, "/%d.tif", i);
        REQUIRE(vectors_scene(&made, uri, NULL) == (uint32_t)i);
    }
    REQUIRE_OK(akin_catalog_commit(made.catalog, err));
    const float one = 1;
    REQUIRE_OK(vectors_add(
        &made,
        vectors_columns(akin_tile_key(1, 0, 0, 0), akin_bbox_unknown(), akin_interval_unknown()),
        &one, 1, err));
    vectors_end(&made);
    REQUIRE_OK(akin_engine_open(&engine, made.dir, NULL, err));
    for (uint32_t round = 0; round < 2; round++) {
        REQUIRE_OK(akin_engine_scene(engine, 17, &first, err));
        for (uint32_t i = 1; i < 4096; i++) {
            REQUIRE_OK(akin_engine_scene(engine, 17 + i, &other, err));
            if (i == 4095)
                CHECK_TEXT(other->uri, "/4112.tif");
        }
        CHECK_TEXT(first->uri, "/17.tif"); /* ASan would know */
        CHECK_EQ(first->id, 17);
    }
    for (uint32_t i = 1; i <= 5000; i += 7) {
        REQUIRE_OK(akin_engine_scene(engine, i, &other, err));
        CHECK_EQ(other->id, i);
    }
    akin_error error = {0};
    CHECK_EQ(akin_engine_scene(engine, 5001, &other, &error), AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_engine_scene(NULL, 1, &other, &error), AKIN_ERR_INVALID);
    akin_engine_close(engine);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
