/*
 * akin_embed as a library call: which tiles it does and does not do again, what it leaves out, which
 * encoder is the default afterwards; encoders with an input size of their own; stops and
 * allocations that fail. (kill -9: tests/cli/kill.sh and embed.sh.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "akin/index.h"
#include "akin/model.h"
#include "akin/tile.h"
#include "akin/vec.h"
#include "pictures.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FEWER 5
#else
#define FEWER 1
#endif

#define TILES 81 /* of a picture */

/* ---- what is in a collection ---- */

static akin_status open_index(akin_index **out, const char *model, enum akin_open mode,
                              akin_error *err)
{
    char path[AKIN_PATH_MAX], relative[AKIN_NAME_MAX + 16];
    snprintf(relative, sizeof relative, "c/index/%s", model);
    return akin_index_open(out, at(path, relative), mode, NULL, err);
}

static uint64_t rows_of(const char *model)
{
    struct akin_index_stats stats = {0};
    akin_index *index = NULL;
    if (CHECK(open_index(&index, model, AKIN_OPEN_READ, NULL) == AKIN_OK))
        akin_index_stats(index, &stats);
    akin_index_close(index);
    return stats.rows;
}

static void check_default(const char *name)
{
    char path[AKIN_PATH_MAX], *found = NULL;
    akin_catalog *catalog = NULL;
    REQUIRE_OK(akin_catalog_open(&catalog, at(path, "c"), AKIN_OPEN_READ, err));
    CHECK(akin_catalog_value_get(catalog, AKIN_VALUE_MODEL, &found, NULL) == AKIN_OK);
    CHECK_TEXT(found, name);
    akin_free(found);
    akin_catalog_close(catalog);
}

static void check_sound(void)
{
    char path[AKIN_PATH_MAX];
    uint64_t faults = 1;
    REQUIRE_OK(akin_verify(at(path, "c"), NULL, NULL, &faults, NULL, err));
    CHECK_EQ(faults, 0);
}

/* One row of an index of collection "c". */
static void get_vector(float *vector, const char *model, uint64_t key)
{
    struct akin_columns columns;
    akin_index *index = NULL;
    REQUIRE_OK(open_index(&index, model, AKIN_OPEN_READ, err));
    REQUIRE_OK(akin_index_get(index, key, &columns, vector, err));
    akin_index_close(index);
}

static void remove_rows(const char *model, uint64_t first, uint64_t last)
{
    akin_index *index = NULL;
    REQUIRE_OK(open_index(&index, model, AKIN_OPEN_WRITE, err));
    REQUIRE_OK(akin_index_remove(index, first, last, NULL, err));
    akin_index_close(index);
}

static void begin(unsigned pictures)
{
    char path[AKIN_PATH_MAX];
    struct akin_settings settings;
    write_pictures(pictures);
    akin_settings_default(&settings);
    settings.tile_px = 32;
    settings.tile_always = true;
    settings.input_px = 16; /* a fit takes no time */
    REQUIRE_OK(akin_catalog_create(at(path, "c"), &settings, err));
    REQUIRE_OK(add("c", NULL, NULL, err));
}

static akin_status embed(const char *model, bool keep_default, struct akin_embed_report *report,
                         akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct akin_embed_options options = {.model = model, .keep_default = keep_default};
    return akin_embed(at(path, "c"), &options, report, err);
}

/* ---- which tiles ---- */

TEST(embedding_again_with_a_refit)
{
    struct akin_embed_report report;
    struct akin_add_report added;
    begin(4);
    REQUIRE_OK(embed(NULL, false, &report, err));
    CHECK_TEXT(report.model, "instant-2");
    CHECK(!report.was_default);
    CHECK_EQ(report.tiles, 4 * TILES);
    CHECK_EQ(report.tiles_embedded, 4 * TILES);
    CHECK_EQ(report.tiles_indexed, 4 * TILES);
    CHECK_EQ(report.tiles_failed, 0);
    check_default("instant-2");
    check_sound();
    write_picture("in/a9.png", 9, SIDE);
    REQUIRE_OK(add("c", NULL, &added, err)); /* goes into the new one */
    CHECK_EQ(added.tiles_added, TILES);
    CHECK_EQ(rows_of("instant-2"), 5 * TILES);
    REQUIRE_OK(embed(AKIN_INSTANT_NAME, false, &report, err));
    CHECK_EQ(report.tiles_embedded, TILES);
    check_default("instant");
    check_sound();
}

TEST(another_encoder_catches_up_and_the_default_stays)
{
    struct akin_embed_report report;
    struct akin_add_report added;
    begin(2);
    REQUIRE_OK(embed(NULL, true, &report, err));
    CHECK_TEXT(report.model, "instant-2");
    check_default("instant");
    REQUIRE_OK(embed(NULL, true, &report, err)); /* that one is done: the next is another */
    CHECK_TEXT(report.model, "instant-3");
    write_picture("in/a9.png", 9, SIDE);
    REQUIRE_OK(add("c", NULL, &added, err));
    CHECK_EQ(rows_of("instant"), 3 * TILES);
    CHECK_EQ(rows_of("instant-2"), 2 * TILES);
    REQUIRE_OK(embed("instant-2", true, &report, err));
    CHECK_EQ(report.tiles_embedded, TILES);
    CHECK_EQ(rows_of("instant-2"), 3 * TILES);
    check_default("instant");
    check_sound();
}

TEST(the_default_itself_is_completed)
{
    struct akin_embed_report report;
    begin(2);
    REQUIRE_OK(embed(AKIN_INSTANT_NAME, false, &report, err));
    CHECK(report.was_default);
    CHECK_EQ(report.tiles_embedded, 0);
    CHECK_EQ(report.tiles_indexed, report.tiles);

    /* What no other encoder's index knows cannot come back, and is said. */
    remove_rows("instant", akin_tile_key(1, 0, 0, 0), akin_tile_key(1, 0, 1, 8));
    REQUIRE_OK(embed(AKIN_INSTANT_NAME, false, &report, err));
    CHECK_EQ(report.tiles_embedded, 0);
    CHECK_EQ(report.tiles_indexed, 2 * TILES - 18);
    CHECK_EQ(report.tiles, 2 * TILES);

    REQUIRE_OK(embed(NULL, false, &report, err));
    remove_rows("instant-2", akin_tile_key(2, 0, 0, 0), akin_tile_key(2, 0, 1, 8));
    REQUIRE_OK(embed("instant-2", false, &report, err));
    CHECK(report.was_default);
    CHECK_EQ(report.tiles_embedded, 18);
    CHECK_EQ(report.tiles_indexed, 2 * TILES - 18);
}

TEST(an_old_encoder_does_not_bring_back_what_is_gone)
{
    char path[AKIN_PATH_MAX];
    float before[224] = {0}, after[224] = {0};
    struct akin_add_options options;
    struct akin_add_report added;
    begin(4);
    get_vector(before, "instant", akin_tile_key(2, 0, 1, 1));
    REQUIRE_OK(embed(NULL, false, NULL, err));
    write_picture("in/a1.png", 77, SIDE);
    REQUIRE_OK(akin_file_remove(at(path, "in/a2.png"), err));
    akin_add_options_default(&options);
    options.drop_missing = true;
    REQUIRE_OK(add("c", &options, &added, err));
    CHECK_EQ(added.scenes_replaced, 1);
    CHECK_EQ(added.scenes_dropped, 1);
    REQUIRE_OK(embed(AKIN_INSTANT_NAME, false, NULL, err));
    CHECK_EQ(rows_of("instant"), 3 * TILES);
    check_sound();

    /* The changed picture's vectors are those of its new pixels. */
    get_vector(after, "instant", akin_tile_key(2, 0, 1, 1));
    CHECK(akin_kernels()->dot(before, after, 224) < 0.99f);
}

/* ---- chips that cannot be had ---- */

struct heard {
    unsigned tiles;
    char last[256];
};

static void hear(void *user, enum akin_level level, const char *stage, const char *text)
{
    struct heard *heard = user;
    (void)stage;
    if (level != AKIN_LEVEL_WARN || !strstr(text, "is left out"))
        return;
    heard->tiles++;
    snprintf(heard->last, sizeof heard->last, "%s", text);
}

/* One wrong byte in the middle of a pack is one chip: that tile is named and left out, and the
 * others are embedded. */
TEST(a_damaged_chip_is_left_out_and_counted)
{
    char path[AKIN_PATH_MAX];
    struct akin_buffer bytes;
    struct akin_embed_report report;
    struct heard heard = {0};
    const struct akin_talk talk = {.log = hear, .user = &heard};
    const struct akin_embed_options options = {.talk = &talk};
    begin(2);
    akin_buffer_init(&bytes, 1 << 26);
    at(path, "c/chips/0000000000000001.pack");
    REQUIRE_OK(akin_file_read(&bytes, path, err));
    ((uint8_t *)bytes.data)[bytes.size / 2] ^= 0x55;
    REQUIRE_OK(akin_file_write_atomic(path, bytes.data, bytes.size, err));
    akin_buffer_fini(&bytes);
    REQUIRE_OK(akin_embed(at(path, "c"), &options, &report, err));
    CHECK_EQ(report.tiles_failed, 1);
    CHECK_EQ(report.tiles_embedded, 2 * TILES - 1);
    CHECK_EQ(report.tiles_indexed, 2 * TILES - 1);
    CHECK_EQ(heard.tiles, 2); /* in the fit's sample, and here */
    CHECK_CONTAINS(heard.last, "tile 0");
    CHECK_EQ(rows_of("instant-2"), 2 * TILES - 1);
    check_default("instant-2");
}

/* ---- an encoder with an input size of its own ---- */

#define WIDE_PX 32
#define WIDE_DIM 44

/* An encoder "wide" of collection "c" whose input is twice the collection's. */
static void make_wide(void)
{
    enum { N = 12, BYTES = WIDE_PX * WIDE_PX * 3 };
    static uint8_t tiles[N][BYTES];
    const uint8_t *inputs[N];
    char path[AKIN_PATH_MAX];
    struct akin_instant_options options;
    akin_model *model = NULL;
    for (uint32_t t = 0; t < N; t++) {
        inputs[t] = tiles[t];
        for (uint32_t i = 0; i < BYTES; i++)
            tiles[t][i] = texel(t + 1, i / 3 % WIDE_PX, i / 3 / WIDE_PX, i % 3);
    }
    akin_instant_options_default(&options, WIDE_PX, 3);
    options.filters = 32;
    options.rcf_dim = 20;
    options.histogram_dim = 24;
    REQUIRE_OK(akin_instant_fit(&model, "wide", &options, N, inputs, NULL, NULL, NULL, NULL, err));
    REQUIRE_OK(akin_model_save(model, at(path, "c"), err));
    akin_model_free(model);
}

/* What the add pipeline cuts and what is read from a chip are the same picture, both at the
 * encoder's size. */
TEST(an_encoder_with_another_input_size)
{
    const uint64_t key = akin_tile_key(3, 0, 4, 4);
    float added[WIDE_DIM] = {0}, embedded[WIDE_DIM] = {0}, other[WIDE_DIM] = {0};
    struct akin_embed_report report;
    begin(2);
    make_wide();
    REQUIRE_OK(embed("wide", false, &report, err));
    CHECK_EQ(report.tiles_embedded, 2 * TILES);
    check_default("wide");
    write_picture("in/a9.png", 9, SIDE);
    REQUIRE_OK(add("c", NULL, NULL, err));
    CHECK_EQ(rows_of("wide"), 3 * TILES);
    get_vector(added, "wide", key);
    get_vector(other, "wide", akin_tile_key(1, 0, 4, 4));
    REQUIRE_OK(embed("instant", false, &report, err));
    remove_rows("wide", key, key);
    REQUIRE_OK(embed("wide", false, &report, err));
    CHECK_EQ(report.tiles_embedded, 1);
    get_vector(embedded, "wide", key);
    CHECK(akin_kernels()->dot(added, embedded, WIDE_DIM) > 0.95f); /* a chip is a JPEG */
    CHECK(akin_kernels()->dot(added, other, WIDE_DIM) < 0.9f);
    check_sound();
}

TEST(an_encoder_of_other_bands_is_refused)
{
    uint8_t tile[32 * 32];
    const uint8_t *input = tile;
    char path[AKIN_PATH_MAX];
    struct akin_instant_options options;
    akin_model *model = NULL;
    akin_error why = {0};
    begin(1);
    memset(tile, 9, sizeof tile);
    akin_instant_options_default(&options, 32, 1);
    REQUIRE_OK(akin_instant_fit(&model, "grey", &options, 1, &input, NULL, NULL, NULL, NULL, err));
    REQUIRE_OK(akin_model_save(model, at(path, "c"), err));
    akin_model_free(model);
    CHECK_EQ(embed("grey", false, NULL, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "1 bands, the collection has 3");
    check_default("instant");
}

/* ---- stops ---- */

static bool stop_at_once(void *user, const struct akin_progress *progress)
{
    ++*(int *)user;
    return progress->done == 0;
}

TEST(stopped_and_gone_on)
{
    int calls = 0;
    char path[AKIN_PATH_MAX];
    const struct akin_talk talk = {.progress = stop_at_once, .user = &calls};
    struct akin_embed_report report;
    begin(14); /* more than a batch */
    make_wide();
    const struct akin_embed_options options = {.model = "wide", .talk = &talk};
    CHECK_EQ(akin_embed(at(path, "c"), &options, &report, NULL), AKIN_ERR_CANCELLED);
    CHECK_EQ(calls, 1);
    CHECK(report.tiles_embedded > 0 && report.tiles_embedded < 14 * TILES);
    CHECK_EQ(rows_of("wide"), report.tiles_embedded);
    check_default("instant");
    const uint64_t before = report.tiles_embedded;
    REQUIRE_OK(embed("wide", false, &report, err));
    CHECK_EQ(report.tiles_embedded, 14 * TILES - before);
    check_default("wide");
    check_sound();
}

TEST(allocations_that_fail)
{
    struct akin_embed_report report;
    unsigned failed = 0;
    begin(1);
    make_wide();
    for (long n = 0; n < 2000; n += 1 + n * FEWER / 4) {
        akin_error why = {0};
        akin_memory_fail_at(n);
        akin_status status = embed("wide", false, &report, &why);
        akin_memory_fail_at(-1);
        failed += status != AKIN_OK;
        CHECK(status == AKIN_OK || why.text[0]);
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
    }
    CHECK(failed > 3);
    REQUIRE_OK(embed("wide", false, &report, err));
    check_default("wide");
}

TEST(a_wrong_place_says_so)
{
    char path[AKIN_PATH_MAX];
    struct akin_embed_report report;
    akin_error why = {0};
    write_pictures(1);
    CHECK_EQ(embed("instant", false, &report, &why), AKIN_ERR_NOT_FOUND);
    make_collection("c", 32);
    CHECK_EQ(embed("instant", false, &report, &why), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(why.text, "akin add");
    REQUIRE_OK(add("c", NULL, NULL, err));
    CHECK_EQ(embed("nobody", false, &report, &why), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(why.text, "instant");
    CHECK_EQ(akin_embed(at(path, "nowhere"), NULL, NULL, &why), AKIN_ERR_NOT_FOUND);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
