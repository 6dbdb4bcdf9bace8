/*
 * Encoders on disk: what is saved comes back the same; what is damaged, unfinished or of another
 * version is refused by name; nothing is overwritten.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../check.h"
#include "tiles.h"

#define PX 16
#define DIM 44

static akin_model *make_model(const char *name)
{
    struct tiles tiles = tiles_make(3, PX, 3);
    struct akin_instant_options options = tiles_options(PX, 3);
    akin_model *model = NULL;
    akin_instant_fit(&model, name, &options, 3, tiles.inputs, NULL, NULL, NULL, NULL, NULL);
    tiles_free(&tiles);
    return model;
}

static void path_of(char *out, const char *dir, const char *name, const char *file)
{
    snprintf(out, AKIN_PATH_MAX, "%s/models/%s/%s", dir, name, file);
}

TEST(what_is_saved_comes_back)
{
    const char *dir = check_folder();
    akin_model *model = make_model("instant-1"), *again = NULL;
    akin_encoder *one = NULL, *two = NULL;
    struct tiles tiles = tiles_make(20, PX, 3);
    float first[DIM], second[DIM];
    REQUIRE(model != NULL);
    CHECK(!akin_model_exists(dir, "instant-1"));
    REQUIRE_OK(akin_model_save(model, dir, err));
    CHECK(akin_model_exists(dir, "instant-1"));
    REQUIRE_OK(akin_model_open(&again, dir, "instant-1", err));
    CHECK(!memcmp(akin_model_info(model), akin_model_info(again), sizeof(struct akin_model_info)));
    CHECK_TEXT(akin_model_info(again)->kind, "instant");
    CHECK_EQ(akin_model_info(again)->dim, DIM);
    REQUIRE_OK(akin_encoder_create(&one, model, err));
    REQUIRE_OK(akin_encoder_create(&two, again, err));
    for (size_t i = 0; i < tiles.count; i++) {
        REQUIRE_OK(akin_encoder_run(one, 1, &tiles.inputs[i], &tiles.filled[i], first, err));
        REQUIRE_OK(akin_encoder_run(two, 1, &tiles.inputs[i], &tiles.filled[i], second, err));
        CHECK(!memcmp(first, second, sizeof first));
    }
    akin_encoder_free(one);
    akin_encoder_free(two);
    akin_model_free(model);
    akin_model_free(again);
    tiles_free(&tiles);
}

TEST(a_name_is_taken_once)
{
    const char *dir = check_folder();
    akin_model *model = make_model("a");
    akin_error taken = {0};
    REQUIRE(model != NULL);
    REQUIRE_OK(akin_model_save(model, dir, err));
    CHECK_EQ(akin_model_save(model, dir, &taken), AKIN_ERR_EXISTS);
    CHECK_CONTAINS(taken.text, "another name");
    akin_model_free(model);
}

TEST(list_shows_complete_ones_only)
{
    const char *dir = check_folder();
    akin_model *a = make_model("a"), *b = make_model("b.2");
    char path[AKIN_PATH_MAX], **names = NULL;
    size_t count = 0;
    REQUIRE(a && b);
    CHECK(akin_model_list(&names, &count, "/nowhere/at/all", NULL) != AKIN_OK);
    REQUIRE_OK(akin_model_save(b, dir, err));
    snprintf(path, sizeof path, "%s/models/half", dir);
    REQUIRE(mkdir(path, 0777) == 0);
    snprintf(path, sizeof path, "%s/models/c.tmp-77", dir);
    REQUIRE(mkdir(path, 0777) == 0);
    REQUIRE_OK(akin_model_list(&names, &count, dir, err));
    CHECK_EQ(count, 1);
    akin_names_free(names, count);
    REQUIRE_OK(akin_model_save(a, dir, err));
    CHECK(access(path, F_OK) != 0); /* what a killed writer left is swept by the next */
    REQUIRE_OK(akin_model_list(&names, &count, dir, err));
    REQUIRE(count == 2);
    CHECK_TEXT(names[0], "a");
    CHECK_TEXT(names[1], "b.2");
    akin_names_free(names, count);
    akin_model *model = NULL;
    akin_error err = {0};
    CHECK_EQ(akin_model_open(&model, dir, "c", &err), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(err.text, "there are: a, b.2");
    CHECK_EQ(akin_model_open(&model, dir, "half", &err), AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_model_open(&model, "/nowhere", "c", &err), AKIN_ERR_NOT_FOUND);
    akin_model_free(a);
    akin_model_free(b);
}

TEST(names)
{
    static const char *const good[] = {"a", "instant-1", "A.b_C-9"};
    static const char *const bad[] = {"",    ".",   "..",       ".a",     "a/b",
                                      "a b", "a\n", "\xc3\xa4", "a.tmp-1"};
    char long_name[AKIN_NAME_MAX + 1];
    memset(long_name, 'x', sizeof long_name);
    long_name[AKIN_NAME_MAX] = 0;
    CHECK_EQ(akin_model_check_name(long_name, NULL), AKIN_ERR_INVALID);
    long_name[AKIN_NAME_MAX - 1] = 0;
    CHECK_EQ(akin_model_check_name(long_name, NULL), AKIN_OK);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK_EQ(akin_model_check_name(good[i], NULL), AKIN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_EQ(akin_model_check_name(bad[i], NULL), AKIN_ERR_INVALID);
    CHECK_EQ(akin_model_check_name(NULL, NULL), AKIN_ERR_INVALID);
}

/* ---- damage ---- */

static size_t read_file(const char *path, unsigned char *out, size_t max)
{
    FILE *file = fopen(path, "rb");
    size_t bytes = file ? fread(out, 1, max, file) : 0;
    if (file)
        fclose(file);
    return bytes;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, size, file) == size);
    if (file)
        fclose(file);
}

static akin_status open_status(const char *dir, akin_error *err)
{
    akin_model *model = NULL;
    akin_status status = akin_model_open(&model, dir, "a", err);
    CHECK((status == AKIN_OK) == (model != NULL));
    akin_model_free(model);
    return status;
}

static unsigned char original[1 << 20], damaged[1 << 20];

/* Saves model "a"; the path of its weights, which are in `original`. Returns their size. */
static size_t save_original(const char *dir, char *path)
{
    akin_model *model = make_model("a");
    if (!model || akin_model_save(model, dir, NULL) != AKIN_OK)
        return 0;
    akin_model_free(model);
    path_of(path, dir, "a", "weights.bin");
    return read_file(path, original, sizeof original);
}

TEST(cut_short_at_any_length)
{
    const char *dir = check_folder();
    char path[AKIN_PATH_MAX];
    size_t size = save_original(dir, path);
    REQUIRE(size > 1000 && size < sizeof original);
    const size_t lengths[] = {0, 1, 8, 127, 128, 129, 131, 132, 500, size / 2, size - 4, size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        akin_error err = {0};
        write_file(path, original, lengths[i]);
        CHECK_EQ(open_status(dir, &err), AKIN_ERR_CORRUPT);
        CHECK_CONTAINS(err.text, "weights.bin");
    }
    memcpy(damaged, original, size);
    write_file(path, damaged, size + 4); /* and too long */
    CHECK_EQ(open_status(dir, NULL), AKIN_ERR_CORRUPT);
    write_file(path, original, size);
    CHECK_EQ(open_status(dir, NULL), AKIN_OK);
}

TEST(flipped_bits)
{
    const char *dir = check_folder();
    char path[AKIN_PATH_MAX];
    size_t size = save_original(dir, path);
    REQUIRE(size > 1000);
    for (size_t at = 0; at < size; at += at < 128 ? 1 : size / 40) {
        memcpy(damaged, original, size);
        damaged[at] ^= (unsigned char)(1 << at % 8);
        write_file(path, damaged, size);
        CHECK_EQ(open_status(dir, NULL), AKIN_ERR_CORRUPT);
    }
}

/* A header that is whole but says something else, with both checksums right. */
static akin_status open_forged(const char *dir, const char *path, size_t size, size_t at,
                               uint32_t value)
{
    memcpy(damaged, original, size);
    memcpy(damaged + at, &value, sizeof value);
    uint32_t sum = akin_crc32c(0, damaged + 128, size - 128);
    memcpy(damaged + 28, &sum, sizeof sum);
    sum = akin_crc32c(0, damaged, 124);
    memcpy(damaged + 124, &sum, sizeof sum);
    write_file(path, damaged, size);
    return open_status(dir, NULL);
}

TEST(forged_headers)
{
    const char *dir = check_folder();
    char path[AKIN_PATH_MAX];
    size_t size = save_original(dir, path);
    REQUIRE(size > 1000);
    const uint32_t nan_bits = 0x7fc00000;
    CHECK_EQ(open_forged(dir, path, size, 8, 2), AKIN_ERR_VERSION);
    CHECK_EQ(open_forged(dir, path, size, 8, 0), AKIN_ERR_CORRUPT);
    CHECK_EQ(open_forged(dir, path, size, 12, 99), AKIN_ERR_VERSION);
    CHECK_EQ(open_forged(dir, path, size, 16, 1u << 30), AKIN_ERR_CORRUPT); /* input_px */
    CHECK_EQ(open_forged(dir, path, size, 20, 0), AKIN_ERR_CORRUPT);        /* bands */
    CHECK_EQ(open_forged(dir, path, size, 20, 1), AKIN_ERR_CORRUPT);
    CHECK_EQ(open_forged(dir, path, size, 24, DIM + 1), AKIN_ERR_CORRUPT); /* dim */
    CHECK_EQ(open_forged(dir, path, size, 48, 5), AKIN_ERR_CORRUPT);       /* weight_count */
    CHECK_EQ(open_forged(dir, path, size, 52, 1), AKIN_ERR_CORRUPT);
    for (size_t setting = 0; setting < 4; setting++) {
        CHECK_EQ(open_forged(dir, path, size, 56 + 4 * setting, 0), AKIN_ERR_CORRUPT);
        CHECK_EQ(open_forged(dir, path, size, 56 + 4 * setting, UINT32_MAX), AKIN_ERR_CORRUPT);
    }
    CHECK_EQ(open_forged(dir, path, size, 72, 2000000), AKIN_ERR_CORRUPT); /* power 2 */
    CHECK_EQ(open_forged(dir, path, size, 128 + 40, nan_bits), AKIN_ERR_CORRUPT);
}

TEST(a_card_of_something_else)
{
    static const char *const cards[] = {
        "", "{", "[]", "{\"kind\":\"instant\"}",
        "{\"kind\":\"instant\",\"dim\":44,\"fingerprint\":\"00000000\"}"};
    const char *dir = check_folder();
    char path[AKIN_PATH_MAX];
    REQUIRE(save_original(dir, path) > 1000);
    path_of(path, dir, "a", "card.json");
    for (size_t i = 0; i < sizeof cards / sizeof *cards; i++) {
        akin_error err = {0};
        write_file(path, cards[i], strlen(cards[i]));
        CHECK_EQ(open_status(dir, &err), AKIN_ERR_CORRUPT);
        CHECK_CONTAINS(err.text, "card");
    }
    REQUIRE(unlink(path) == 0);
    CHECK_EQ(open_status(dir, NULL), AKIN_ERR_NOT_FOUND);
}

TEST(each_allocation_of_save_and_open)
{
    const char *dir = check_folder();
    akin_model *model = make_model("a");
    REQUIRE(model != NULL);
    size_t before = akin_memory_used();
    akin_status status = AKIN_ERR_NO_MEMORY;
    for (long i = 0; status == AKIN_ERR_NO_MEMORY && i < 1000; i++) {
        akin_memory_fail_at(i);
        status = akin_model_save(model, dir, NULL);
        akin_memory_fail_at(-1);
        CHECK_EQ(akin_model_exists(dir, "a"), status == AKIN_OK);
        CHECK_EQ(akin_memory_used(), before);
    }
    CHECK_EQ(status, AKIN_OK);
    status = AKIN_ERR_NO_MEMORY;
    for (long i = 0; status != AKIN_OK && i < 1000; i++) {
        akin_model *again = NULL;
        akin_memory_fail_at(i);
        status = akin_model_open(&again, dir, "a", NULL);
        akin_memory_fail_at(-1);
        akin_model_free(again);
        /* jansson calls a string that it has no memory for a wrong one */
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY || status == AKIN_ERR_CORRUPT);
        CHECK_EQ(akin_memory_used(), before);
    }
    CHECK_EQ(status, AKIN_OK);
    akin_model_free(model);
}

TEST(no_rights)
{
    if (geteuid() == 0) {
        check_skip("root may write anywhere");
        return;
    }
    const char *dir = check_folder();
    akin_model *model = make_model("a");
    REQUIRE(model && chmod(dir, 0500) == 0);
    CHECK_EQ(akin_model_save(model, dir, NULL), AKIN_ERR_DENIED);
    chmod(dir, 0700);
    akin_model_free(model);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
