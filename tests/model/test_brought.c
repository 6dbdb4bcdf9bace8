/*
 * Brought encoders: how a tile goes into somebody's network and a vector comes out, by nets whose
 * result is known; what is saved comes back; what does not fit is refused with what there is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "../../src/model/onnx_write.h"
#include "akin/model.h"
#include "onnxruntime.h"
#include "peer.h"
#include "tiles.h"

#define PX 8
#define PEER_ONNX "/usr/bin/python3 tests/model/peer_onnx.py"

static char path[AKIN_PATH_MAX];

/* FOLDER/NAME with these bytes; its path is `path`. */
static void put_file(const char *folder, const char *name, const void *bytes, size_t size)
{
    REQUIRE_OK(akin_path_join(path, folder, name, err));
    REQUIRE_OK(akin_file_write_atomic(path, bytes, size, err));
}

/* FOLDER/a.onnx: one operator between an input and an output of these shapes; `reshape` is its second
 * input, if any. */
static void put_net(const char *folder, const char *op, const int64_t in[4], uint32_t out_rank,
                    const int64_t *out, const int64_t *reshape,
                    const struct onnx_attribute *attributes)
{
    struct onnx_writer *onnx = NULL;
    struct akin_buffer file;
    akin_buffer_init(&file, 1 << 20);
    REQUIRE_OK(onnx_begin(&onnx, "test", err));
    onnx_input(onnx, "pixels", 4, in);
    if (reshape)
        onnx_tensor_i64(onnx, "shape", out_rank, reshape);
    onnx_node(onnx, op, "features", ONNX_NAMES("pixels", reshape ? "shape" : NULL), attributes);
    onnx_output(onnx, "features", out_rank, out);
    REQUIRE_OK(onnx_finish(onnx, &file, err));
    put_file(folder, "a.onnx", file.data, file.size);
    akin_buffer_fini(&file);
}

/* A map as large as the tile: each cell is its pixel. */
static void put_map(const char *folder)
{
    const int64_t shape[4] = {-1, 3, PX, PX};
    put_net(folder, "Relu", shape, 4, shape, NULL, NULL);
}

/* The mean over rows and columns: (n, 3). */
static void put_mean(const char *folder, const int64_t in[4], int first_axis)
{
    put_net(
        folder, "ReduceMean", in, 2, (const int64_t[]){-1, 3}, NULL,
        ONNX_ATTRIBUTES(onnx_ints("axes", 2, first_axis, first_axis + 1), onnx_int("keepdims", 0)));
}

static akin_model *imported(const struct akin_onnx_options *options)
{
    akin_model *model = NULL;
    akin_error err = {0};
    if (akin_model_import_onnx(&model, "brought", path, options, &err) != AKIN_OK)
        check_text(err.text, "", __FILE__, __LINE__, "error");
    return model;
}

static void refused(const struct akin_onnx_options *options, akin_status status, const char *words)
{
    akin_model *model = NULL;
    akin_error err = {0};
    CHECK_EQ(akin_model_import_onnx(&model, "brought", path, options, &err), status);
    CHECK_CONTAINS(err.text, words);
    CHECK(model == NULL);
}

static void run_one(const akin_model *model, const uint8_t *tile, const uint8_t *filled, float *out)
{
    akin_encoder *encoder = NULL;
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    REQUIRE_OK(akin_encoder_run(encoder, 1, &tile, &filled, out, err));
    akin_encoder_free(encoder);
}

/* Mean of each band over the pixels with a mask, through gain and offset, at unit length. */
static void expect_mean(const uint8_t *tile, const uint8_t *filled, double gain,
                        const double offset[3], double out[3])
{
    double length = 0;
    for (int b = 0; b < 3; b++) {
        double sum = 0, count = 0;
        for (int i = 0; i < PX * PX; i++)
            if (!filled || filled[i]) {
                sum += gain * tile[3 * i + b] + offset[b];
                count++;
            }
        out[b] = sum / count;
        length += out[b] * out[b];
    }
    for (int b = 0; b < 3; b++)
        out[b] /= sqrt(length);
}

static void check_vector(const float *vector, const double expected[3])
{
    for (int b = 0; b < 3; b++)
        CHECK_NEAR(vector[b], expected[b], 1e-5);
}

static const double no_offset[3];

TEST(a_vector_comes_out_as_it_is_and_comes_back_from_disk)
{
    const char *folder = check_folder(), *library = onnxruntime();
    const struct akin_onnx_options options = {.library = library};
    struct tiles tiles = tiles_make(3, PX, 3);
    float first[3 * 3], again[3];
    double expected[3];
    akin_model *model, *opened = NULL;
    akin_encoder *encoder = NULL;
    if (!library) {
        tiles_free(&tiles);
        return;
    }
    put_mean(folder, (const int64_t[]){-1, 3, PX, PX}, 2);
    model = imported(&options);
    REQUIRE(model != NULL);
    const struct akin_model_info *info = akin_model_info(model);
    CHECK_TEXT(info->kind, "brought");
    CHECK(info->bands == 3 && info->input_px == PX && info->dim == 3);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    REQUIRE_OK(akin_encoder_run(encoder, 3, tiles.inputs, NULL, first, err));
    akin_encoder_free(encoder);
    REQUIRE_OK(akin_model_save(model, folder, err));
    setenv("AKIN_ONNXRUNTIME", library, 1);
    REQUIRE_OK(akin_model_open(&opened, folder, "brought", err));
    CHECK(!memcmp(akin_model_info(opened), info, sizeof *info));
    for (int i = 0; i < 3; i++) {
        expect_mean(tiles.inputs[i], NULL, 1, no_offset, expected);
        check_vector(first + 3 * i, expected);
        run_one(opened, tiles.inputs[i], NULL, again);
        CHECK(!memcmp(again, first + 3 * i, sizeof again));
    }
    akin_model_free(model);
    akin_model_free(opened);
    tiles_free(&tiles);
}

TEST(channels_last_are_seen_by_their_sizes)
{
    const char *folder = check_folder(), *library = onnxruntime();
    struct akin_onnx_options options = {.library = library};
    struct tiles tiles = tiles_make(1, PX, 3);
    double expected[3];
    float vector[3];
    if (!library) {
        tiles_free(&tiles);
        return;
    }
    expect_mean(tiles.inputs[0], NULL, 1, no_offset, expected);
    put_mean(folder, (const int64_t[]){1, PX, PX, 3}, 1);
    akin_model *model = imported(&options);
    REQUIRE(model && akin_model_info(model)->input_px == PX);
    run_one(model, tiles.inputs[0], NULL, vector);
    check_vector(vector, expected);
    akin_model_free(model);
    options.layout = "nchw";
    refused(&options, AKIN_ERR_INVALID, "8 x 3 pixels (-1: any) in layout nchw");
    tiles_free(&tiles);
}

TEST(a_fixed_batch_gives_the_same)
{
    const char *folder = check_folder(), *library = onnxruntime();
    const struct akin_onnx_options options = {.library = library};
    struct tiles tiles = tiles_make(1, PX, 3);
    double expected[3];
    float vector[3];
    if (!library) {
        tiles_free(&tiles);
        return;
    }
    expect_mean(tiles.inputs[0], NULL, 1, no_offset, expected);
    for (int64_t batch = 1; batch <= 4; batch += 3) {
        put_mean(folder, (const int64_t[]){batch, 3, PX, PX}, 2);
        akin_model *model = imported(&options);
        REQUIRE(model != NULL);
        run_one(model, tiles.inputs[0], NULL, vector);
        check_vector(vector, expected);
        akin_model_free(model);
    }
    tiles_free(&tiles);
}

TEST(the_card_beside_the_file_and_options_before_it)
{
    static const char card[] = "{\"scale\":255,\"mean\":[10,20,30],\"std\":2,\"else\":[]}";
    const char *folder = check_folder(), *library = onnxruntime();
    struct akin_onnx_options options = {.library = library};
    struct tiles tiles = tiles_make(1, PX, 3);
    double expected[3];
    float vector[3];
    if (!library) {
        tiles_free(&tiles);
        return;
    }
    put_file(folder, "a.json", card, strlen(card));
    put_mean(folder, (const int64_t[]){-1, 3, PX, PX}, 2);
    akin_model *model = imported(&options);
    REQUIRE(model != NULL);
    run_one(model, tiles.inputs[0], NULL, vector);
    expect_mean(tiles.inputs[0], NULL, 0.5, (const double[]){-5, -10, -15}, expected);
    check_vector(vector, expected);
    akin_model_free(model);
    options.mean_count = 1;
    options.mean[0] = 100;
    model = imported(&options);
    REQUIRE(model != NULL);
    run_one(model, tiles.inputs[0], NULL, vector);
    expect_mean(tiles.inputs[0], NULL, 0.5, (const double[]){-50, -50, -50}, expected);
    check_vector(vector, expected);
    akin_model_free(model);
    options.std_count = 1;
    refused(&options, AKIN_ERR_INVALID, "deviation of 0");
    options.std_count = 2;
    refused(&options, AKIN_ERR_INVALID, "2 deviations");
    tiles_free(&tiles);
}

TEST(cards_that_are_wrong_are_refused)
{
    static const struct {
        const char *card, *words;
    } cases[] = {
        {"{\"scale\":", "not JSON"},
        {"{\"scale\":3}", "not 1 or 255"},
        {"{\"scale\":\"x\"}", "scale"},
        {"{\"mean\":[1,\"x\",3]}", "'mean'"},
        {"{\"std\":[]}", "'std'"},
        {"{\"pooling\":\"max\"}", "auto, none, mean, cls, patches-mean"},
        {"{\"layout\":1}", "layout"},
        {"{\"input_px\":4}", "8 x 8"},
        {"{\"output\":\"logits\"}", "there are features float32 (-1, 3)"},
        {"{\"input\":\"image\"}", "there are pixels float32 (-1, 3, 8, 8)"},
    };
    const char *folder = check_folder(), *library = onnxruntime();
    const struct akin_onnx_options options = {.library = library};
    if (!library)
        return;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_file(folder, "a.json", cases[i].card, strlen(cases[i].card));
        put_mean(folder, (const int64_t[]){-1, 3, PX, PX}, 2);
        refused(&options, AKIN_ERR_INVALID, cases[i].words);
    }
}

TEST(a_map_is_pooled_where_pixels_are_there)
{
    const char *folder = check_folder(), *library = onnxruntime();
    const struct akin_onnx_options options = {.library = library};
    struct tiles tiles = tiles_make(2, PX, 3);
    uint8_t nothing[PX * PX] = {0};
    const uint8_t *mask = tiles.filled[1];
    double expected[3];
    float vector[3], cells[PX * PX * 3];
    uint32_t rows = 0, cols = 0;
    akin_encoder *encoder = NULL;
    if (!library) {
        tiles_free(&tiles);
        return;
    }
    put_map(folder);
    akin_model *model = imported(&options);
    REQUIRE(model && mask && akin_model_info(model)->dim == 3);
    run_one(model, tiles.inputs[1], NULL, vector);
    expect_mean(tiles.inputs[1], NULL, 1, no_offset, expected);
    check_vector(vector, expected);
    run_one(model, tiles.inputs[1], mask, vector);
    expect_mean(tiles.inputs[1], mask, 1, no_offset, expected);
    check_vector(vector, expected);
    run_one(model, tiles.inputs[1], nothing, vector);
    CHECK(vector[0] == 0 && vector[1] == 0 && vector[2] == 0);
    REQUIRE_OK(akin_encoder_create(&encoder, model, err));
    REQUIRE_OK(akin_encoder_cells(encoder, NULL, NULL, &rows, &cols, NULL, err));
    CHECK(rows == PX && cols == PX);
    REQUIRE_OK(akin_encoder_cells(encoder, tiles.inputs[1], mask, &rows, &cols, cells, err));
    for (int i = 0; i < PX * PX; i++) {
        const uint8_t *p = tiles.inputs[1] + 3 * i;
        double length = sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]);
        for (int b = 0; b < 3; b++)
            CHECK_NEAR(cells[3 * i + b], mask[i] && length > 0 ? p[b] / length : 0, 1e-5);
    }
    akin_encoder_free(encoder);
    akin_model_free(model);
    tiles_free(&tiles);
}

/* 100 pixels of one band as 10 tokens of 10: a class token and 9 patches. */
TEST(tokens_are_pooled_as_told)
{
    static const char *const poolings[] = {NULL, "cls", "patches-mean", "mean", "none"};
    static const uint32_t dims[] = {10, 10, 10, 10, 100};
    static const int first[] = {0, 0, 1, 0, 0}, last[] = {1, 1, 10, 10, 1};
    const char *folder = check_folder(), *library = onnxruntime();
    struct akin_onnx_options options = {.library = library};
    const int64_t tokens[3] = {-1, 10, 10};
    uint8_t tile[100];
    if (!library)
        return;
    for (int i = 0; i < 100; i++)
        tile[i] = (uint8_t)(i * 37 % 251);
    put_net(folder, "Reshape", (const int64_t[]){-1, 1, 10, 10}, 3, tokens,
            (const int64_t[]){0, 10, 10}, NULL);
    for (int p = 0; p < 5; p++) {
        float vector[100];
        double mean[100] = {0}, length = 0;
        options.pooling = poolings[p];
        akin_model *model = imported(&options);
        REQUIRE(model != NULL);
        REQUIRE(check_equal(akin_model_info(model)->dim, dims[p], __FILE__, __LINE__, "dim"));
        run_one(model, tile, NULL, vector);
        for (uint32_t i = 0; i < dims[p]; i++) {
            for (int t = first[p]; t < last[p]; t++)
                mean[i] += tile[t * 10 + (int)i];
            length += mean[i] * mean[i];
        }
        for (uint32_t i = 0; i < dims[p]; i++)
            CHECK_NEAR(vector[i], mean[i] / sqrt(length), 1e-5);
        akin_model_free(model);
    }
}

TEST(bands_and_channels_may_differ)
{
    const char *folder = check_folder(), *library = onnxruntime();
    struct akin_onnx_options options = {.library = library, .bands = 1};
    struct tiles grey = tiles_make(1, PX, 1), four = tiles_make(1, PX, 4);
    float vector[3];
    if (!library) {
        tiles_free(&grey);
        tiles_free(&four);
        return;
    }
    put_mean(folder, (const int64_t[]){-1, 3, PX, PX}, 2);
    akin_model *model = imported(&options);
    REQUIRE(model && akin_model_info(model)->bands == 1);
    run_one(model, grey.inputs[0], NULL, vector);
    CHECK_NEAR(vector[0], 1 / sqrt(3), 1e-6);
    CHECK(vector[0] == vector[1] && vector[1] == vector[2]);
    akin_model_free(model);
    options.bands = 4;
    model = imported(&options);
    REQUIRE(model && akin_model_info(model)->bands == 4);
    run_one(model, four.inputs[0], NULL, vector);
    double sum[3] = {0}, length = 0;
    for (int b = 0; b < 3; b++) {
        for (int i = 0; i < PX * PX; i++)
            sum[b] += four.inputs[0][4 * i + b];
        length += sum[b] * sum[b];
    }
    for (int b = 0; b < 3; b++)
        CHECK_NEAR(vector[b], sum[b] / sqrt(length), 1e-5);
    akin_model_free(model);
    options.bands = 2;
    refused(&options, AKIN_ERR_INVALID, "the collection has 2 bands");
    tiles_free(&grey);
    tiles_free(&four);
}

TEST(no_number_comes_out_as_nothing)
{
    const char *folder = check_folder(), *library = onnxruntime();
    const struct akin_onnx_options options = {
        .library = library, .mean_count = 1, .mean = {2}, .pooling = "mean"};
    const int64_t shape[4] = {-1, 3, PX, PX};
    struct tiles tiles = tiles_make(1, PX, 3);
    float vector[3] = {1, 1, 1};
    if (!library) {
        tiles_free(&tiles);
        return;
    }
    put_net(folder, "Log", shape, 4, shape, NULL, NULL); /* of what is below 0 */
    akin_model *model = imported(&options);
    REQUIRE(model != NULL);
    run_one(model, tiles.inputs[0], NULL, vector);
    CHECK(vector[0] == 0 && vector[1] == 0 && vector[2] == 0);
    akin_model_free(model);
    tiles_free(&tiles);
}

TEST(what_does_not_fit_is_refused_with_what_there_is)
{
    const char *folder = check_folder(), *library = onnxruntime();
    struct akin_onnx_options options = {.library = library};
    const int64_t open[4] = {-1, 3, -1, -1}, oblong[4] = {-1, 3, 8, 9};
    if (!library)
        return;
    put_map(folder);
    options.pooling = "cls";
    refused(&options, AKIN_ERR_UNSUPPORTED, "output 'features': the network's output has 4");
    options.pooling = "none";
    options.input_px = 9;
    refused(&options, AKIN_ERR_INVALID, "8 x 8");
    options.input_px = 0;
    put_net(folder, "Relu", open, 4, open, NULL, NULL);
    refused(&options, AKIN_ERR_INVALID, "input size is 0");
    options.input_px = 2000;
    refused(&options, AKIN_ERR_INVALID, "1 to 1024 pixels");
    options.input_px = 64; /* 3 * 64 * 64 numbers are too many */
    refused(&options, AKIN_ERR_UNSUPPORTED, "at most 4096");
    options.input_px = 0;
    put_net(folder, "Relu", oblong, 4, oblong, NULL, NULL);
    refused(&options, AKIN_ERR_INVALID, "8 x 9");
    put_net(folder, "Frobnicate", open, 4, open, NULL, NULL);
    refused(&options, AKIN_ERR_CORRUPT, "Frobnicate");
    put_file(folder, "a.onnx", "no network", 10);
    refused(&options, AKIN_ERR_CORRUPT, "a.onnx");
    akin_path_join(path, folder, "b.onnx", NULL);
    refused(&options, AKIN_ERR_NOT_FOUND, "b.onnx");
}

TEST(networks_of_pytorch_are_brought_in)
{
    const char *folder = check_folder(), *library = onnxruntime();
    const struct akin_onnx_options options = {.library = library};
    static float x[3 * 16 * 16];
    static uint8_t tile[16 * 16 * 3];
    float y[10], vector[10];
    double dot = 0, length = 0;
    if (!library || !peer_has_torch())
        return;
    REQUIRE(peer_run(PEER_ONNX " %s", folder) == 0);
    REQUIRE_OK(akin_path_join(path, folder, "two.onnx", err));
    refused(&options, AKIN_ERR_UNSUPPORTED, "2 inputs");
    REQUIRE_OK(akin_path_join(path, folder, "net.onnx", err));
    akin_model *model = imported(&options);
    REQUIRE(model && akin_model_info(model)->dim == 10 && akin_model_info(model)->input_px == 16);
    struct akin_map map = {0};
    char file[AKIN_PATH_MAX];
    REQUIRE_OK(akin_path_join(file, folder, "net.x.f32", err));
    REQUIRE_OK(akin_map_open(&map, file, err));
    memcpy(x, map.data, sizeof x);
    akin_map_close(&map);
    REQUIRE_OK(akin_path_join(file, folder, "net.y.f32", err));
    REQUIRE_OK(akin_map_open(&map, file, err));
    memcpy(y, map.data, sizeof y);
    akin_map_close(&map);
    for (int b = 0; b < 3; b++)
        for (int i = 0; i < 256; i++)
            tile[3 * i + b] = (uint8_t)lround(255 * (double)x[256 * b + i]);
    run_one(model, tile, NULL, vector);
    for (int i = 0; i < 10; i++) {
        dot += (double)vector[i] * y[i];
        length += (double)y[i] * y[i];
    }
    CHECK(dot / sqrt(length) > 0.9999); /* the tile has 8 bits a band */
    akin_model_free(model);
}

TEST(a_file_that_was_exchanged_or_lost_is_found)
{
    const char *folder = check_folder(), *library = onnxruntime();
    const struct akin_onnx_options options = {.library = library};
    akin_model *opened = NULL;
    akin_error err = {0};
    if (!library)
        return;
    put_map(folder);
    akin_model *model = imported(&options);
    REQUIRE(model && akin_model_save(model, folder, NULL) == AKIN_OK);
    akin_model_free(model);
    setenv("AKIN_ONNXRUNTIME", library, 1);
    put_file(folder, "models/brought/model.onnx", "another", 7);
    CHECK_EQ(akin_model_open(&opened, folder, "brought", &err), AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(err.text, "model.onnx' is damaged");
    REQUIRE(akin_file_remove(path, NULL) == AKIN_OK);
    CHECK(akin_model_open(&opened, folder, "brought", &err) != AKIN_OK);
    CHECK_CONTAINS(err.text, "model.onnx");
    CHECK(opened == NULL);
}

TEST(every_allocation_fails_once)
{
    const char *folder = check_folder(), *library = onnxruntime();
    const struct akin_onnx_options options = {.library = library};
    akin_status status = AKIN_ERR_NO_MEMORY;
    if (!library)
        return;
    put_map(folder);
    put_file(folder, "a.json", "{\"mean\":[0,0,0]}", 16);
    REQUIRE_OK(akin_path_join(path, folder, "a.onnx", err));
    akin_model *model = imported(&options);
    akin_model_free(model);
    size_t used = akin_memory_used();
    for (long n = 0; status != AKIN_OK && n < 500; n++) {
        model = NULL;
        akin_memory_fail_at(n);
        status = akin_model_import_onnx(&model, "brought", path, &options, NULL);
        akin_memory_fail_at(-1);
        CHECK(status == AKIN_OK || (status == AKIN_ERR_NO_MEMORY && !model));
        akin_model_free(model);
    }
    CHECK_EQ(status, AKIN_OK);
    CHECK_EQ(akin_memory_used(), used);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
