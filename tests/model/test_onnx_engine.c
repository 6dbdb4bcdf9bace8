/*
 * Plain networks on akin's own engine: they give what ONNX Runtime gives; what the engine does not
 * have is refused by name; as brought encoders they need no ONNX Runtime at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "../../src/model/onnx_engine.h"
#include "../../src/model/onnx_write.h"
#include "../../src/model/ort.h"
#include "onnxruntime.h"
#include "tiles.h"

#define PX 32
#define BANDS 3
#define OUT 20

static struct onnx_writer *onnx;

static void put_random(const char *name, const char *suffix, uint32_t rank, const int64_t *dims,
                       double low, double high)
{
    char full[64];
    float values[40000];
    size_t count = 1;
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    for (uint32_t i = 0; i < rank; i++)
        count *= (size_t)dims[i];
    REQUIRE(count <= sizeof values / sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(low + (high - low) * akin_random_unit(5, (uint64_t)name[0], i));
    onnx_tensor(onnx, full, rank, dims, values);
}

/* A convolution called `name`; in, out: channels. */
static void put_convolution(const char *name, const char *x, int64_t in, int64_t out, int k,
                            int stride, bool bias)
{
    char weight[64], bias_name[64];
    const double range = sqrt(6.0 / (double)(in * k * k));
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias_name, sizeof bias_name, "%s.bias", name);
    put_random(name, "weight", 4, (const int64_t[]){out, in, k, k}, -range, range);
    if (bias)
        put_random(name, "bias", 1, &out, -0.3, 0.3);
    onnx_node(onnx, "Conv", name, ONNX_NAMES(x, weight, bias ? bias_name : NULL),
              ONNX_ATTRIBUTES(onnx_ints("kernel_shape", 2, k, k),
                              onnx_ints("strides", 2, stride, stride),
                              onnx_ints("pads", 4, k / 2, k / 2, k / 2, k / 2)));
}

static void put_norm(const char *name, const char *x, int64_t channels)
{
    static const char *const parts[4] = {"scale", "shift", "mean", "variance"};
    char full[4][64];
    for (int i = 0; i < 4; i++) {
        snprintf(full[i], sizeof full[i], "%s.%s", name, parts[i]);
        put_random(name, parts[i], 1, &channels, i % 3 ? -0.3 : 0.5, i % 3 ? 0.3 : 1.5);
    }
    onnx_node(onnx, "BatchNormalization", name, ONNX_NAMES(x, full[0], full[1], full[2], full[3]),
              ONNX_ATTRIBUTES(onnx_float("epsilon", 1e-5f)));
}

static void put_relu(const char *name, const char *x)
{
    onnx_node(onnx, "Relu", name, ONNX_NAMES(x), NULL);
}

static void put_mean(void)
{
    onnx_node(onnx, "GlobalAveragePool", "mean", ONNX_NAMES("o6"), NULL);
    onnx_node(onnx, "Flatten", "flat", ONNX_NAMES("mean"), NULL);
    put_random("y", "weight", 2, (const int64_t[]){OUT, 32}, -1, 1);
    put_random("y", "bias", 1, (const int64_t[]){OUT}, -1, 1);
    onnx_node(onnx, "Gemm", "y", ONNX_NAMES("flat", "y.weight", "y.bias"),
              ONNX_ATTRIBUTES(onnx_int("transB", 1)));
}

/* A small residual net: stem with norm and max-pool, a block with its own shortcut, a block at stride
 * 2 with a convolution as its shortcut, before or after the block's own two; then to the end that is
 * asked for. */
static void put_net(struct akin_buffer *file, bool shortcut_last, const char *output)
{
    const bool is_map = !strcmp(output, "o6");
    REQUIRE_OK(onnx_begin(&onnx, "test", err));
    onnx_input(onnx, "x", 4, (const int64_t[]){-1, BANDS, PX, PX});
    put_convolution("a1", "x", BANDS, 16, 7, 2, false);
    put_norm("b1", "a1", 16);
    put_relu("c1", "b1");
    onnx_node(onnx, "MaxPool", "d1", ONNX_NAMES("c1"),
              ONNX_ATTRIBUTES(onnx_ints("kernel_shape", 2, 3, 3), onnx_ints("strides", 2, 2, 2),
                              onnx_ints("pads", 4, 1, 1, 1, 1)));
    put_convolution("e2", "d1", 16, 16, 3, 1, true);
    put_relu("f2", "e2");
    put_convolution("g3", "f2", 16, 16, 3, 1, false);
    put_norm("h3", "g3", 16);
    onnx_node(onnx, "Add", "i3", ONNX_NAMES("h3", "d1"), NULL);
    put_relu("j3", "i3");
    if (!shortcut_last)
        put_convolution("k4", "j3", 16, 32, 1, 2, true);
    put_convolution("l5", "j3", 16, 32, 3, 2, true);
    put_relu("m5", "l5");
    put_convolution("n6", "m5", 32, 32, 3, 1, true);
    if (shortcut_last)
        put_convolution("k4", "j3", 16, 32, 1, 2, true);
    onnx_node(onnx, "Add", "p6", ONNX_NAMES("n6", "k4"), NULL);
    put_relu("o6", "p6");
    if (!is_map)
        put_mean();
    onnx_output(onnx, output, is_map ? 4 : 2, (const int64_t[]){-1, is_map ? 32 : OUT, 4, 4});
    akin_buffer_init(file, 1 << 20);
    REQUIRE_OK(onnx_finish(onnx, file, err));
}

static akin_status engine_of(struct onnx_engine **engine, struct onnx_net **net,
                             const struct akin_buffer *file, akin_error *err)
{
    struct onnx_graph *graph = NULL;
    akin_status status = onnx_parse(&graph, file->data, file->size, "test", err);
    if (status == AKIN_OK)
        status = onnx_net_create(net, graph, 0, err);
    if (status == AKIN_OK)
        status = onnx_engine_create(engine, *net, err);
    onnx_free(graph);
    return status;
}

/* ---- beside ONNX Runtime ---- */

static void compare(bool shortcut_last, const char *output, size_t count)
{
    const char *library = onnxruntime();
    static float x[BANDS * PX * PX];
    struct akin_buffer file;
    struct ort_session *session = NULL;
    struct onnx_engine *engine = NULL;
    struct onnx_net *net = NULL;
    if (!library)
        return;
    put_net(&file, shortcut_last, output);
    REQUIRE_OK(ort_session_create(&session, library, file.data, file.size, "test", err));
    REQUIRE_OK(engine_of(&engine, &net, &file, err));
    for (uint64_t image = 0; image < 3; image++) {
        struct ort_result expected = {0};
        const float *given = NULL;
        for (size_t i = 0; i < sizeof x / sizeof *x; i++)
            x[i] = (float)(4 * akin_random_unit(image, 2, i) - 2);
        REQUIRE_OK(
            ort_run(session, 0, 0, x, 4, (const int64_t[]){1, BANDS, PX, PX}, &expected, err));
        REQUIRE_OK(onnx_engine_run(engine, x, &given, err));
        REQUIRE(expected.count == count);
        for (size_t i = 0; i < count; i++)
            CHECK_NEAR(given[i], expected.data[i], 1e-4 * (1 + fabs(expected.data[i])));
        ort_result_free(&expected);
    }
    ort_session_free(session);
    onnx_engine_free(engine);
    onnx_net_free(net);
    akin_buffer_fini(&file);
}

TEST(vectors_are_those_of_onnx_runtime)
{
    compare(false, "y", OUT);
    compare(true, "y", OUT);
}

TEST(maps_are_those_of_onnx_runtime)
{
    compare(false, "o6", 32 * 4 * 4);
}

/* ---- as a brought encoder ---- */

TEST(a_plain_net_needs_no_onnx_runtime)
{
    const char *folder = check_folder();
    struct tiles tiles = tiles_make(3, PX, BANDS);
    const struct akin_onnx_options options = {
        .scale = 255, .mean_count = 1, .mean = {128}, .std_count = 1, .std = {64}};
    static float x[BANDS * PX * PX];
    char path[AKIN_PATH_MAX];
    struct akin_buffer file;
    struct onnx_engine *engine = NULL;
    struct onnx_net *net = NULL;
    akin_model *model = NULL, *opened = NULL;
    akin_encoder *encoder = NULL;
    float vectors[3 * OUT];
    const float *expected = NULL;
    put_net(&file, false, "y");
    setenv("AKIN_ONNXRUNTIME", "/nowhere/libonnxruntime.so.1", 1);
    REQUIRE_OK(akin_path_join(path, folder, "plain.onnx", err));
    REQUIRE_OK(akin_file_write_atomic(path, file.data, file.size, err));
    REQUIRE_OK(akin_model_import_onnx(&model, "plain", path, &options, err));
    REQUIRE_OK(akin_model_save(model, folder, err));
    REQUIRE_OK(akin_model_open(&opened, folder, "plain", err));
    CHECK(!memcmp(akin_model_info(model), akin_model_info(opened), sizeof *akin_model_info(model)));
    CHECK_EQ(akin_model_info(opened)->dim, OUT);
    REQUIRE_OK(akin_encoder_create(&encoder, opened, err));
    REQUIRE_OK(akin_encoder_run(encoder, 3, tiles.inputs, NULL, vectors, err));
    REQUIRE_OK(engine_of(&engine, &net, &file, err));
    for (size_t t = 0; t < 3; t++) {
        double dot = 0, square = 0;
        for (size_t i = 0; i < sizeof x / sizeof *x; i++)
            x[i] = (tiles.inputs[t][i % (PX * PX) * BANDS + i / (PX * PX)] - 128.0f) / 64;
        REQUIRE_OK(onnx_engine_run(engine, x, &expected, err));
        for (size_t i = 0; i < OUT; i++) {
            dot += (double)expected[i] * vectors[t * OUT + i];
            square += (double)expected[i] * expected[i];
        }
        CHECK(tiles_is_unit(vectors + t * OUT, OUT));
        CHECK_NEAR(dot, sqrt(square), 1e-4 * sqrt(square));
    }
    unsetenv("AKIN_ONNXRUNTIME");
    onnx_engine_free(engine);
    onnx_net_free(net);
    akin_encoder_free(encoder);
    akin_model_free(opened);
    akin_model_free(model);
    akin_buffer_fini(&file);
    tiles_free(&tiles);
}

/* ---- what the engine does not have ---- */

static void refused(int k, int pad, bool own_sum, const char *words)
{
    struct akin_buffer file;
    struct onnx_engine *engine = NULL;
    struct onnx_net *net = NULL;
    akin_error err = {0};
    const int px = PX + 2 * pad - k + 1;
    REQUIRE(onnx_begin(&onnx, "test", NULL) == AKIN_OK);
    onnx_input(onnx, "x", 4, (const int64_t[]){1, 16, PX, PX});
    put_random("a", "weight", 4, (const int64_t[]){16, 16, k, k}, -1, 1);
    onnx_node(onnx, "Conv", "a", ONNX_NAMES("x", "a.weight"),
              ONNX_ATTRIBUTES(onnx_ints("kernel_shape", 2, k, k),
                              onnx_ints("pads", 4, pad, pad, pad, pad)));
    if (own_sum)
        onnx_node(onnx, "Add", "b", ONNX_NAMES("a", "x"), NULL);
    onnx_output(onnx, own_sum ? "b" : "a", 4, (const int64_t[]){1, 16, px, px});
    akin_buffer_init(&file, 1 << 20);
    REQUIRE(onnx_finish(onnx, &file, NULL) == AKIN_OK);
    CHECK_EQ(engine_of(&engine, &net, &file, &err), AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(err.text, words);
    CHECK(engine == NULL);
    onnx_net_free(net);
    akin_buffer_fini(&file);
}

TEST(what_the_engine_does_not_have_is_refused_by_name)
{
    refused(4, 1, false, "operator 0 (Conv): a kernel that is not square and odd");
    refused(3, 0, false, "operator 0 (Conv): padding that is not half the kernel");
    refused(3, 1, true, "operator 1 (Add): it in this place");
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
