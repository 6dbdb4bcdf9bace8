/*
 * safetensors: what is written comes back; every type that other tools write is read; every lie in
 * a header is refused by name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../check.h"
#include "akin/array.h"

/* A file in memory: a header, as long as it is, and data behind it. */
struct bytes {
    unsigned char data[1024];
    size_t size;
};

static struct bytes file_of(const char *header, const void *data, size_t data_size)
{
    struct bytes file = {.size = 8 + strlen(header) + data_size};
    uint64_t length = strlen(header);
    memcpy(file.data, &length, 8);
    memcpy(file.data + 8, header, length);
    if (data_size)
        memcpy(file.data + 8 + length, data, data_size);
    return file;
}

static akin_safetensors *parsed(const struct bytes *file)
{
    akin_safetensors *tensors = NULL;
    akin_error err = {0};
    if (akin_safetensors_parse(&tensors, file->data, file->size, "test", &err) != AKIN_OK)
        printf("# %s\n", err.text);
    return tensors;
}

/* Refused, with `part` in the reason. */
static void refused(const struct bytes *file, size_t size, const char *part)
{
    akin_safetensors *tensors = NULL;
    akin_error err = {0};
    CHECK(akin_safetensors_parse(&tensors, file->data, size, "test", &err) != AKIN_OK);
    CHECK(tensors == NULL);
    CHECK_CONTAINS(err.text, part);
}

static void refused_header(const char *header, const char *part)
{
    static const float data[2] = {1, 2};
    struct bytes file = file_of(header, data, sizeof data);
    refused(&file, file.size, part);
}

TEST(what_is_written_comes_back)
{
    const char *dir = check_folder();
    char path[AKIN_PATH_MAX];
    const float stem[6] = {1, -2, 3.5f, 0, NAN, 6}, one = 42;
    const struct akin_tensor tensors[] = {
        {.name = "stem.weight", .rank = 2, .dims = {2, 3}, .count = 6, .data = stem},
        {.name = "empty", .rank = 1, .dims = {0}, .count = 0, .data = NULL},
        {.name = "bias", .rank = 0, .count = 1, .data = &one},
    };
    const char *const metadata[] = {"format", "pt", "made by", "akin \"1\"", NULL};
    akin_safetensors *file = NULL;
    float out[6];
    snprintf(path, sizeof path, "%s/a.safetensors", dir);
    REQUIRE_OK(akin_safetensors_write(path, tensors, 3, metadata, err));
    REQUIRE_OK(akin_safetensors_open(&file, path, err));
    CHECK_EQ(akin_safetensors_count(file), 3);
    CHECK_TEXT(akin_safetensors_at(file, 0)->name, "bias");
    CHECK_TEXT(akin_safetensors_at(file, 2)->name, "stem.weight");
    CHECK_TEXT(akin_safetensors_metadata(file, "made by"), "akin \"1\"");
    CHECK(akin_safetensors_metadata(file, "else") == NULL);
    CHECK(akin_safetensors_find(file, "else") == NULL);
    const struct akin_tensor *found = akin_safetensors_find(file, "stem.weight");
    REQUIRE(found && found->rank == 2 && found->dims[0] == 2 && found->dims[1] == 3);
    REQUIRE_OK(akin_safetensors_floats(file, found, out, err));
    CHECK(!memcmp(out, stem, sizeof stem));
    CHECK_EQ((uintptr_t)found->data % 4, 0);
    found = akin_safetensors_find(file, "bias");
    REQUIRE(found && found->rank == 0 && found->count == 1);
    REQUIRE_OK(akin_safetensors_floats(file, found, out, err));
    CHECK(out[0] == 42);
    akin_safetensors_close(file);
}

TEST(every_type_of_other_tools_is_read)
{
    /* A byte before each, so that nothing is aligned. */
    static const unsigned char data[] = {
        0xfe,                   /* i8: -2 */
        0x00, 0x3e, 0x00, 0xc0, /* f16: 1.5, -2 */
        0xc0, 0x3f,             /* bf16: 1.5 */
        200,                    /* u8 */
        1,    0,    0,    0,    0, 0, 0, 0,
    };
    struct bytes file = file_of("{\"a\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                                "\"b\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[1,5]},"
                                "\"c\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[5,7]},"
                                "\"d\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[7,8]},"
                                "\"e\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[8,16]}}",
                                data, sizeof data);
    akin_safetensors *tensors = parsed(&file);
    static const float expected[] = {-2, 1.5f, 1.5f, 200};
    akin_error refusal = {0};
    float out[2];
    REQUIRE(tensors != NULL);
    for (size_t i = 0; i < 4; i++) {
        REQUIRE_OK(akin_safetensors_floats(tensors, akin_safetensors_at(tensors, i), out, err));
        CHECK(out[0] == expected[i]);
        CHECK(i != 1 || out[1] == -2);
    }
    CHECK_EQ(akin_safetensors_floats(tensors, akin_safetensors_at(tensors, 4), out, &refusal),
             AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(refusal.text, "'e' is of type I64");
    akin_safetensors_close(tensors);
}

#define GOOD "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"

TEST(a_file_cut_short_is_refused_at_every_length)
{
    struct bytes file = file_of(GOOD, "12345678", 8);
    akin_safetensors *whole = parsed(&file);
    CHECK(whole != NULL);
    akin_safetensors_close(whole);
    for (size_t size = 0; size < file.size; size++)
        refused(&file, size, "'test'");
    file.data[7] = 0x7f;
    refused(&file, file.size, "a header of");
}

TEST(lies_in_a_header_are_refused)
{
    refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,12]}}", "outside");
    refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", "outside");
    refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", "outside");
    refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8.5]}}", "outside");
    refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "outside");
    refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", "not fill");
    refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4],"
                   "\"data_offsets\":[0,8]}}",
                   "not fill");
    refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", "shape");
    refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],"
                   "\"data_offsets\":[0,8]}}",
                   "shape");
    refused_header("{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", "F31");
    refused_header("{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", "dtype");
    refused_header("{\"a\":7}", "dtype");
    refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", "gap");
    refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "4 bytes");
    refused_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                   "\"b\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[3,8]}}",
                   "overlaps");
    refused_header("{\"a\":{\"dtype\":\"F32\"", "not JSON");
    refused_header("[1]", "not a safetensors");
}

TEST(what_cannot_be_written_is_refused_and_leaves_nothing)
{
    const char *dir = check_folder();
    char path[AKIN_PATH_MAX];
    const float data[2] = {0};
    struct akin_tensor twice[] = {
        {.name = "a", .rank = 1, .dims = {2}, .count = 2, .data = data},
        {.name = "a", .rank = 1, .dims = {2}, .count = 2, .data = data},
    };
    akin_error err = {0};
    snprintf(path, sizeof path, "%s/a.safetensors", dir);
    CHECK_EQ(akin_safetensors_write(path, twice, 2, NULL, &err), AKIN_ERR_INVALID);
    CHECK_CONTAINS(err.text, "'a'");
    twice[0].count = 1;
    CHECK_EQ(akin_safetensors_write(path, twice, 1, NULL, &err), AKIN_ERR_INVALID);
    CHECK_CONTAINS(err.text, "disagree");
    twice[0].count = 2;
    twice[0].name = "__metadata__";
    CHECK_EQ(akin_safetensors_write(path, twice, 1, NULL, &err), AKIN_ERR_INVALID);
    CHECK_EQ(akin_file_stat(&(struct akin_file_stat){0}, path, NULL), AKIN_ERR_NOT_FOUND);
}

/* Out of memory at any moment is said, and nothing is lost. */
TEST(every_allocation_fails_once)
{
    const char *dir = check_folder();
    char path[AKIN_PATH_MAX];
    const float data[2] = {3, 4};
    const struct akin_tensor tensor = {
        .name = "a", .rank = 1, .dims = {2}, .count = 2, .data = data};
    const char *const metadata[] = {"format", "pt", NULL};
    struct bytes file = file_of(GOOD, "12345678", 8);
    akin_status status = AKIN_ERR_NO_MEMORY;
    snprintf(path, sizeof path, "%s/a.safetensors", dir);
    for (long n = 0; status != AKIN_OK && n < 1000; n++) {
        akin_memory_fail_at(n);
        status = akin_safetensors_write(path, &tensor, 1, metadata, NULL);
        akin_memory_fail_at(-1);
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
    }
    CHECK_EQ(status, AKIN_OK);
    status = AKIN_ERR_NO_MEMORY;
    size_t used = akin_memory_used();
    for (long n = 0; status != AKIN_OK && n < 1000; n++) {
        akin_safetensors *tensors = NULL;
        akin_memory_fail_at(n);
        status = akin_safetensors_parse(&tensors, file.data, file.size, "test", NULL);
        akin_memory_fail_at(-1);
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
        akin_safetensors_close(tensors);
    }
    CHECK_EQ(status, AKIN_OK);
    CHECK_EQ(akin_memory_used(), used);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
