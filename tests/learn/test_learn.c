/*
 * akin_learn as a library call: what it leaves behind, that a stopped run ends in the same weights,
 * what it refuses, and what becomes of damage. Small collections of made-up pictures; the presets'
 * smallest net. (kill -9, full disks: tests/cli/train.sh.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/learn/learn_private.h"
#include "../ingest/pictures.h"
#include "../source/make_raster.h"

/* Instrumented, the arithmetic of a step takes ten times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FEWER 4
#else
#define FEWER 1
#endif

/* ---- running ---- */

/* Stops after so many steps. */
struct stopper {
    uint64_t steps, seen;
};

static bool count_steps(void *user, const struct akin_progress *progress)
{
    struct stopper *stopper = user;
    if (!strcmp(progress->what, "steps"))
        stopper->seen++;
    return stopper->seen < stopper->steps;
}

static void options_of(struct akin_learn_options *out, const char *name)
{
    akin_learn_options_default(out);
    out->name = name;
    out->embed = false;
    out->train.epochs = 2;
    out->train.batch = 16;
    out->train.replicas = 2;
}

static akin_status learn(const struct akin_learn_options *options, struct akin_learn_report *report,
                         akin_error *err)
{
    char dir[AKIN_PATH_MAX];
    return akin_learn(at(dir, "c"), options, report, err);
}

static akin_status learn_for(uint64_t steps, const struct akin_learn_options *options,
                             struct akin_learn_report *report, akin_error *err)
{
    struct stopper stopper = {.steps = steps};
    struct akin_talk talk = {.progress = count_steps, .user = &stopper};
    struct akin_learn_options own = *options;
    own.talk = &talk;
    return learn(&own, report, err);
}

/* An instant encoder of 16 px takes no time. */
static void make_small(uint32_t tile_px, bool tile_always)
{
    char path[AKIN_PATH_MAX];
    struct akin_settings settings;
    akin_settings_default(&settings);
    settings.tile_px = tile_px;
    settings.tile_always = tile_always;
    settings.input_px = 16;
    REQUIRE_OK(akin_catalog_create(at(path, "c"), &settings, err));
}

static void collection(unsigned pictures, uint32_t tile_px)
{
    write_pictures(pictures);
    make_small(tile_px, true);
    REQUIRE_OK(add("c", NULL, NULL, err));
}

/* ---- looking ---- */

static bool is_there(const char *name)
{
    char path[AKIN_PATH_MAX];
    struct akin_file_stat stat;
    return akin_file_stat(&stat, at(path, name), NULL) == AKIN_OK;
}

static void read_named(struct akin_buffer *out, const char *name)
{
    char path[AKIN_PATH_MAX];
    akin_buffer_init(out, (size_t)1 << 28);
    REQUIRE_OK(akin_file_read(out, at(path, name), err));
}

static void check_same(const char *a, const char *b)
{
    struct akin_buffer one, other;
    read_named(&one, a);
    read_named(&other, b);
    CHECK(one.size > 0 && one.size == other.size && !memcmp(one.data, other.data, one.size));
    akin_buffer_fini(&one);
    akin_buffer_fini(&other);
}

static void check_sound(void)
{
    char path[AKIN_PATH_MAX];
    uint64_t faults = 1;
    REQUIRE_OK(akin_verify(at(path, "c"), NULL, NULL, &faults, NULL, err));
    CHECK_EQ(faults, 0);
}

static void check_refused(const struct akin_learn_options *options, akin_status status,
                          const char *text)
{
    akin_error err = {0};
    CHECK_EQ(learn(options, NULL, &err), status);
    CHECK_CONTAINS(err.text, text);
}

/* Overwrites the middle of a file. */
static void damage(const char *name, double where, size_t bytes)
{
    char path[AKIN_PATH_MAX];
    struct akin_buffer text;
    read_named(&text, name);
    size_t begin = (size_t)(where * (double)text.size);
    for (size_t i = begin; i < text.size && i < begin + bytes; i++)
        text.data[i] = (char)~text.data[i];
    REQUIRE_OK(akin_file_write_atomic(at(path, name), text.data, text.size, err));
    akin_buffer_fini(&text);
}

/* ---- to the end ---- */

TEST(a_collection_learns_and_is_embedded)
{
    struct akin_learn_options options;
    struct akin_learn_report report;
    struct akin_buffer csv;
    char path[AKIN_PATH_MAX], *used = NULL;
    akin_catalog *catalog = NULL;
    collection(6, 64); /* six textures, so that there is something to tell apart */
    options_of(&options, NULL);
    options.embed = true;
    REQUIRE_OK(learn(&options, &report, err));
    CHECK_TEXT(report.name, "trained");
    CHECK(report.tiles == 96 && report.tiles_all == 96 && report.tiles_unread == 0);
    CHECK(report.epochs == 2 && report.epochs_done == 2 && report.last.epoch == 2);
    CHECK(isfinite(report.last.loss) && report.last.loss > 0);
    CHECK(report.saved && report.embedded && !report.collapsed);
    REQUIRE_OK(akin_catalog_open(&catalog, at(path, "c"), AKIN_OPEN_READ, err));
    REQUIRE_OK(akin_catalog_value_get(catalog, AKIN_VALUE_MODEL, &used, err));
    CHECK_TEXT(used, "trained");
    akin_free(used);
    akin_catalog_close(catalog);
    check_sound();
    CHECK(is_there("c/models/trained.training/curve.svg"));
    CHECK(is_there("c/models/trained.training/samples.png"));
    CHECK(!is_there("c/models/trained.training/checkpoint.bin"));
    CHECK(!is_there("c/models/trained.training/tiles.bin"));
    read_named(&csv, "c/models/trained.training/curve.csv");
    CHECK_CONTAINS(csv.data, "\n1,2,0,0,");
    CHECK_CONTAINS(csv.data, "\n2,2,0,0,");
    akin_buffer_fini(&csv);
    check_refused(&options, AKIN_ERR_EXISTS, "another --name");
    options.resume = true;
    check_refused(&options, AKIN_ERR_NOT_FOUND, "has learnt to its end");
    /* The default is no instant encoder now; the instant one is found all the same. */
    options = (struct akin_learn_options){0};
    options_of(&options, "second");
    options.dry_run = true;
    REQUIRE_OK(learn(&options, &report, err));
    CHECK(report.tiles == 96 && report.seconds_expected > 0 && report.ram_expected > 1 << 20);
    CHECK(!is_there("c/models/second.training"));
}

TEST(a_stopped_run_ends_in_the_same_weights)
{
    struct akin_learn_options options;
    struct akin_learn_report report;
    akin_error why = {0};
    collection(3, 64);
    options_of(&options, "whole");
    REQUIRE_OK(learn(&options, &report, err));
    options_of(&options, "stopped");
    CHECK_EQ(learn_for(2, &options, &report, &why), AKIN_ERR_CANCELLED);
    CHECK(!report.saved && report.epochs_done == 0 && report.epochs == 2);
    check_refused(&options, AKIN_ERR_EXISTS, "--resume");
    check_sound();
    /* What is added meanwhile is not learnt from. */
    write_picture("in/later.png", 77, SIDE);
    REQUIRE_OK(add("c", NULL, NULL, err));
    /* Other options are not the same run. */
    akin_learn_options_default(&options);
    options.name = "stopped";
    options.resume = true;
    options.embed = false;
    options.train.seed = 2;
    check_refused(&options, AKIN_ERR_INVALID, "seed");
    options.train.seed = 0;
    options.train.epochs = 3;
    check_refused(&options, AKIN_ERR_INVALID, "epochs");
    options.train.epochs = 0;
    options.same_place = true;
    check_refused(&options, AKIN_ERR_INVALID, "same-place");
    options.same_place = false;
    CHECK_EQ(learn_for(2, &options, &report, &why), AKIN_ERR_CANCELLED);
    CHECK_EQ(report.epochs_done, 1);
    REQUIRE_OK(learn(&options, &report, err));
    CHECK(report.tiles == 48 && report.tiles_all == 64 && report.epochs_done == 2);
    check_same("c/models/whole/weights.bin", "c/models/stopped/weights.bin");
    check_sound();
}

/* As after a kill between saving the encoder and embedding with it. */
TEST(only_the_embedding_is_left)
{
    struct akin_learn_options options;
    struct akin_learn_report report;
    char path[AKIN_PATH_MAX];
    struct akin_buffer checkpoint;
    akin_error why = {0};
    collection(6, 64);
    options_of(&options, "a");
    CHECK_EQ(learn_for(1, &options, &report, &why), AKIN_ERR_CANCELLED);
    read_named(&checkpoint, "c/models/a.training/checkpoint.bin");
    options.resume = true;
    REQUIRE_OK(learn(&options, &report, err));
    REQUIRE_OK(akin_file_write_atomic(at(path, "c/models/a.training/checkpoint.bin"),
                                      checkpoint.data, checkpoint.size, err));
    options.embed = true;
    REQUIRE_OK(learn(&options, &report, err));
    CHECK(report.saved && report.embedded && report.epochs_done == 2 && report.last.loss > 0);
    CHECK(!is_there("c/models/a.training/checkpoint.bin"));
    check_sound();
    akin_buffer_fini(&checkpoint);
}

TEST(minutes_become_epochs)
{
    struct akin_learn_options options;
    struct akin_learn_report report;
    collection(3, 64);
    options_of(&options, "a");
    options.train.epochs = 0;
    options.dry_run = true;
    options.minutes = 1e-3;
    REQUIRE_OK(learn(&options, &report, err));
    CHECK_EQ(report.epochs, 1);
    options.minutes = 1e6;
    REQUIRE_OK(learn(&options, &report, err));
    CHECK_EQ(report.epochs, 100000);
    options.minutes = 0;
    REQUIRE_OK(learn(&options, &report, err));
    CHECK_EQ(report.epochs, 200);
}

/* ---- other collections ---- */

TEST(fewer_tiles_than_a_batch_and_one_tile)
{
    struct akin_learn_options options;
    struct akin_learn_report report;
    write_pictures(5);
    make_small(256, false); /* whole pictures */
    options_of(&options, "a");
    check_refused(&options, AKIN_ERR_NOT_FOUND, "no tiles yet");
    REQUIRE_OK(add("c", NULL, NULL, err));
    REQUIRE_OK(learn(&options, &report, err));
    CHECK_EQ(report.tiles, 5);
    write_pictures(1);
    make_small(256, false);
    REQUIRE_OK(add("c", NULL, NULL, err));
    check_refused(&options, AKIN_ERR_INVALID, "1 tiles");
    CHECK(!is_there("c/models/a.training"));
}

static void write_flat(const char *name, uint8_t value)
{
    char path[AKIN_PATH_MAX];
    struct akin_raster raster = {0};
    struct akin_buffer bytes;
    akin_buffer_init(&bytes, 1 << 20);
    REQUIRE_OK(akin_raster_init(&raster, 64, 64, 3, AKIN_U8, false, err));
    memset(raster.pixels, value, 64 * 64 * 3);
    REQUIRE_OK(akin_png_encode(&raster, &bytes, err));
    REQUIRE_OK(akin_file_write_atomic(at(path, name), bytes.data, bytes.size, err));
    akin_raster_fini(&raster);
    akin_buffer_fini(&bytes);
}

static unsigned warnings_of_collapse;
static void hear_collapse(void *user, enum akin_level level, const char *stage, const char *text)
{
    (void)user;
    (void)stage;
    warnings_of_collapse += level == AKIN_LEVEL_WARN && strstr(text, "COLLAPSED");
}

TEST(tiles_that_are_all_alike_collapse_and_it_is_said)
{
    struct akin_learn_options options;
    struct akin_learn_report report;
    struct akin_talk talk = {.log = hear_collapse};
    char name[32];
    write_pictures(0);
    make_small(256, false);
    for (int i = 0; i < 24; i++) {
        snprintf(name, sizeof name, "in/flat%d.png", i);
        write_flat(name, 120);
    }
    REQUIRE_OK(add("c", NULL, NULL, err));
    options_of(&options, "a");
    options.embed = true;
    options.talk = &talk;
    warnings_of_collapse = 0;
    REQUIRE_OK(learn(&options, &report, err));
    CHECK(report.collapsed && report.last.collapsed && report.saved && !report.embedded);
    CHECK_EQ(warnings_of_collapse, 1);
    CHECK(akin_model_exists(at((char[AKIN_PATH_MAX]){0}, "c"), "a"));
    CHECK(!is_there("c/index/a"));
    CHECK(!is_there("c/models/a.training/checkpoint.bin"));
    check_sound();
}

static bool finite_vectors(void *user, const struct akin_columns *columns, const float *vectors,
                           size_t n)
{
    size_t *rows = user;
    (void)columns;
    for (size_t i = 0; i < n * 256; i++)
        CHECK(isfinite(vectors[i]));
    *rows += n;
    return true;
}

/* Floats, of whose second band every seventh diagonal is not a number. */
static void write_nan(const char *name, uint32_t seed)
{
    char path[AKIN_PATH_MAX];
    GDALDatasetH dataset = make_memory(SIDE, SIDE, 3, GDT_Float32);
    float *values = akin_alloc((size_t)SIDE * SIDE, sizeof *values);
    REQUIRE(values != NULL);
    for (int b = 0; b < 3; b++) {
        for (uint32_t i = 0; i < SIDE * SIDE; i++) {
            const uint32_t x = i % SIDE, y = i / SIDE;
            values[i] = b == 1 && (x + y) % 7 == 0 ? NAN : texel(seed, x, y, (uint32_t)b);
        }
        CHECK(GDALRasterIO(GDALGetRasterBand(dataset, b + 1), GF_Write, 0, 0, SIDE, SIDE, values,
                           SIDE, SIDE, GDT_Float32, 0, 0) == CE_None);
    }
    akin_free(values);
    CHECK(save_as(dataset, "GTiff", at(path, name), NULL));
}

TEST(what_is_not_a_number_in_a_band_is_missing_and_nothing_else)
{
    struct akin_learn_options options;
    struct akin_learn_report report;
    const struct akin_embed_options embed = {.model = "a"};
    char path[AKIN_PATH_MAX];
    akin_index *index = NULL;
    size_t rows = 0;
    write_pictures(0);
    write_nan("in/a.tif", 1);
    write_nan("in/b.tif", 2);
    make_small(64, true);
    REQUIRE_OK(add("c", NULL, NULL, err));
    options_of(&options, "a");
    REQUIRE_OK(learn(&options, &report, err));
    CHECK(report.tiles == 32 && report.saved && report.tiles_unread == 0);
    CHECK(isfinite(report.last.loss) && isfinite(report.last.spread));
    REQUIRE_OK(akin_embed(at(path, "c"), &embed, NULL, err));
    REQUIRE_OK(akin_index_open(&index, at(path, "c/index/a"), AKIN_OPEN_READ, NULL, err));
    REQUIRE_OK(akin_index_each(index, finite_vectors, &rows, err));
    CHECK_EQ(rows, 32);
    akin_index_close(index);
    check_sound();
}

/* ---- damage ---- */

static unsigned tiles_left_out;
static void hear_left_out(void *user, enum akin_level level, const char *stage, const char *text)
{
    (void)user;
    (void)level;
    tiles_left_out += !strcmp(stage, "learn") && strstr(text, "is left out");
}

TEST(damaged_chips_are_skipped_named_and_counted)
{
    struct akin_learn_options options;
    struct akin_learn_report report;
    struct akin_talk talk = {.log = hear_left_out};
    char path[AKIN_PATH_MAX], **names = NULL, name[AKIN_PATH_MAX];
    size_t count = 0;
    collection(3, 64);
    REQUIRE_OK(akin_dir_list(&names, &count, at(path, "c/chips"), 16, err));
    REQUIRE(count == 1);
    snprintf(name, sizeof name, "c/chips/%s", names[0]);
    akin_names_free(names, count);
    damage(name, 0.4, 6000);
    options_of(&options, "a");
    options.talk = &talk;
    tiles_left_out = 0;
    REQUIRE_OK(learn(&options, &report, err));
    CHECK(report.tiles_unread >= 2 && report.tiles_unread < 24);
    CHECK_EQ(tiles_left_out, report.tiles_unread);
    CHECK(report.saved);
}

TEST(a_checkpoint_that_is_damaged_or_of_another_run_is_refused)
{
    struct akin_learn_options options;
    struct akin_learn_report report;
    char path[AKIN_PATH_MAX];
    struct akin_buffer good, other;
    akin_error why = {0};
    const char *const file = "c/models/a.training/checkpoint.bin";
    collection(3, 64);
    options_of(&options, "b");
    options.train.preset = "r18h";
    CHECK_EQ(learn_for(1, &options, &report, &why), AKIN_ERR_CANCELLED);
    read_named(&other, "c/models/b.training/checkpoint.bin");
    options_of(&options, "a");
    CHECK_EQ(learn_for(1, &options, &report, &why), AKIN_ERR_CANCELLED);
    read_named(&good, file);
    akin_learn_options_default(&options);
    options.name = "a";
    options.resume = true;
    options.embed = false;
    REQUIRE_OK(akin_file_write_atomic(at(path, file), other.data, other.size, err));
    check_refused(&options, AKIN_ERR_INVALID, "preset");
    static const size_t lengths[] = {0, 10, 192, 4000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        REQUIRE_OK(akin_file_write_atomic(at(path, file), good.data, lengths[i], err));
        check_refused(&options, AKIN_ERR_CORRUPT, "cut short");
    }
    REQUIRE_OK(akin_file_write_atomic(at(path, file), good.data, good.size, err));
    damage(file, 0.5, 4);
    check_refused(&options, AKIN_ERR_CORRUPT, "checksum");
    CHECK(!akin_model_exists(at(path, "c"), "a"));
    REQUIRE_OK(akin_file_write_atomic(at(path, file), good.data, good.size, err));
    REQUIRE_OK(learn(&options, &report, err)); /* nothing was lost by all that */
    akin_buffer_fini(&good);
    akin_buffer_fini(&other);
}

/* ---- the files beside the checkpoint ---- */

TEST(recipes_there_and_back_and_damaged)
{
    struct recipe recipe = {0}, back = {0};
    struct tile_choice choice = {.count = 3}, read = {0};
    uint64_t keys[] = {5, 7, UINT64_MAX};
    char folder[AKIN_PATH_MAX];
    struct akin_buffer whole;
    akin_error why = {0};
    write_pictures(0);
    at(folder, "");
    akin_train_options_default(&recipe.train);
    recipe.train.seed = UINT64_MAX;
    recipe.train.rate = 0.00123;
    recipe.same_place = true;
    snprintf(recipe.instant, sizeof recipe.instant, "instant-3");
    choice.keys = keys;
    REQUIRE_OK(recipe_save(&recipe, folder, err));
    REQUIRE_OK(recipe_load(&back, folder, err));
    CHECK_TEXT(back.train.preset, "r10h");
    CHECK_TEXT(back.train.loss, "ntxent");
    CHECK_TEXT(back.train.optimiser, "adamw");
    CHECK_TEXT(back.instant, "instant-3");
    CHECK(back.same_place && back.train.seed == UINT64_MAX && back.train.rate == 0.00123);
    CHECK(back.train.temperature == recipe.train.temperature &&
          back.train.crop_min == recipe.train.crop_min &&
          back.train.balance == recipe.train.balance && back.train.batch == recipe.train.batch);
    REQUIRE_OK(tiles_save(&choice, folder, err));
    REQUIRE_OK(tiles_load(&read, folder, err));
    CHECK(read.count == 3 && !memcmp(read.keys, keys, sizeof keys));
    choose_fini(&read);
    read_named(&whole, "tiles.bin");
    char path[AKIN_PATH_MAX];
    for (size_t i = 0; i < whole.size; i++) { /* every byte counts, and every length */
        whole.data[i] ^= 0x20;
        REQUIRE_OK(akin_file_write_atomic(at(path, "tiles.bin"), whole.data, whole.size, err));
        CHECK_EQ(tiles_load(&read, folder, &why), AKIN_ERR_CORRUPT);
        whole.data[i] ^= 0x20;
        REQUIRE_OK(akin_file_write_atomic(at(path, "tiles.bin"), whole.data, i, err));
        CHECK_EQ(tiles_load(&read, folder, &why), AKIN_ERR_CORRUPT);
    }
    akin_buffer_fini(&whole);
    static const char *const bad[] = {"", "{}", "[1]", "{\"format\": 2}", "no"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        REQUIRE_OK(akin_file_write_atomic(at(path, "recipe.json"), bad[i], strlen(bad[i]), err));
        CHECK_EQ(recipe_load(&back, folder, &why), AKIN_ERR_CORRUPT);
    }
}

/* ---- refusals ---- */

TEST(what_is_wrong_is_named)
{
    struct akin_learn_options options;
    collection(3, 64);
    options_of(&options, "a/b");
    check_refused(&options, AKIN_ERR_INVALID, "a/b");
    options_of(&options, "a.training");
    check_refused(&options, AKIN_ERR_INVALID, ".training");
    options_of(&options, "instant");
    check_refused(&options, AKIN_ERR_EXISTS, "instant");
    options_of(&options, "a");
    options.resume = true;
    check_refused(&options, AKIN_ERR_NOT_FOUND, "no checkpoint");
    options_of(&options, "a");
    options.train.input_px = 65;
    check_refused(&options, AKIN_ERR_INVALID, "64, 96 or 128");
    options_of(&options, "a");
    options.train.preset = "r99";
    check_refused(&options, AKIN_ERR_INVALID, "r99");
    options_of(&options, "a");
    options.train.replicas = 257;
    check_refused(&options, AKIN_ERR_INVALID, "1 to 256");
    options_of(&options, "a");
    options.minutes = -1;
    check_refused(&options, AKIN_ERR_INVALID, "minutes");
    options_of(&options, "a");
    options.every = 0;
    check_refused(&options, AKIN_ERR_INVALID, "checkpoint");
    options_of(&options, "a");
    options.ram_bytes = 1 << 20;
    check_refused(&options, AKIN_ERR_LIMIT, "MB");
    CHECK(!is_there("c/models/a.training"));
}

/* The tiles that memory does not hold are decoded each time, and nothing else changes. */
TEST(a_cache_of_any_size_gives_the_same_pixels)
{
    static uint8_t first[48][96 * 96 * 3];
    struct tile_choice choice = {0};
    char dir[AKIN_PATH_MAX];
    akin_catalog *catalog = NULL;
    collection(3, 64);
    REQUIRE_OK(akin_catalog_open(&catalog, at(dir, "c"), AKIN_OPEN_READ, err));
    REQUIRE_OK(choose_tiles(&choice, catalog, "instant", 1, err));
    CHECK_EQ(choice.count, 48);
    for (int full = 0; full < 3; full++) {
        struct tile_cache *cache = NULL;
        REQUIRE_OK(tile_cache_create(&cache, dir, &choice, 96, 2, NULL, err));
        tile_cache_allow(cache, full * tile_cache_bytes_all(cache) / 2);
        for (int round = 0; round < 2; round++)
            for (size_t i = 0; i < choice.count; i++) {
                const uint8_t *mask = first[0], *tile = tile_cache_get(cache, i, i % 2, &mask);
                REQUIRE(tile != NULL && mask == NULL);
                if (!full && !round)
                    memcpy(first[i], tile, sizeof first[i]);
                CHECK(!memcmp(first[i], tile, sizeof first[i]));
            }
        CHECK_EQ(tile_cache_unread(cache), 0);
        tile_cache_free(cache);
    }
    CHECK(memcmp(first[0], first[47], sizeof first[0]) != 0);
    choose_fini(&choice);
    akin_catalog_close(catalog);
}

TEST(allocations_that_fail)
{
    struct akin_learn_options options;
    bool all_went_well = false;
    collection(3, 64);
    options_of(&options, "a");
    options.dry_run = true;
    for (long n = 0; n < 100000 && !all_went_well; n += n / 4 * FEWER + 1) {
        size_t before = akin_memory_used();
        akin_error err = {0};
        akin_memory_fail_at(n);
        akin_status status = learn(&options, NULL, &err);
        akin_memory_fail_at(-1);
        all_went_well = status == AKIN_OK && n > 20000;
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
        CHECK_EQ(akin_memory_used(), before);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
