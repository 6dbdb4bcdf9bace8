/*
 * ONNX Runtime through its table of functions: what PyTorch exported gives what PyTorch gave; what
 * akin writes is taken and gives what plain C gives; what is wrong is refused in words.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <unistd.h>

#include "../../src/model/onnx_write.h"
#include "../../src/model/ort.h"
#include "onnxruntime.h"
#include "peer.h"

#define PEER_ONNX "/usr/bin/python3 tests/model/peer_onnx.py"

/* First: nothing is loaded yet. */
TEST(without_onnx_runtime_the_install_command_is_given)
{
    const char *folder = check_folder(), *given = getenv("AKIN_ONNXRUNTIME");
    struct ort_session *session = NULL;
    akin_error err = {0};
    char here[AKIN_PATH_MAX], saved[AKIN_PATH_MAX];
    snprintf(saved, sizeof saved, "%s", given ? given : "");
    REQUIRE(getcwd(here, sizeof here) && chdir(folder) == 0);
    unsetenv("AKIN_ONNXRUNTIME");
    akin_status status = ort_session_create(&session, NULL, "hello", 5, "a.onnx", &err);
    if (ort_version()[0]) {
        check_skip("ONNX Runtime is installed for all");
    } else {
        CHECK_EQ(status, AKIN_ERR_NOT_FOUND);
        CHECK_CONTAINS(err.text, "npm install --ignore-scripts onnxruntime-node");
    }
    CHECK_EQ(ort_session_create(&session, "libm.so.6", "hello", 5, "a.onnx", &err),
             ort_version()[0] ? AKIN_ERR_INVALID : AKIN_ERR_UNSUPPORTED);
    CHECK(session == NULL);
    if (given)
        setenv("AKIN_ONNXRUNTIME", saved, 1);
    REQUIRE(chdir(here) == 0);
}

static akin_status open_file(struct ort_session **out, const char *library, const char *folder,
                             const char *name, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct akin_map map = {0};
    akin_status status = akin_path_join(path, folder, name, err);
    if (status == AKIN_OK)
        status = akin_map_open(&map, path, err);
    if (status == AKIN_OK)
        status = ort_session_create(out, library, map.data, map.size, path, err);
    akin_map_close(&map);
    return status;
}

/* One export: the same numbers as PyTorch, for `count` of them. */
static void compare(const char *library, const char *folder, const char *name, uint32_t batch,
                    size_t count)
{
    struct ort_session *session = NULL;
    struct ort_result result = {0};
    static float x[3 * 3 * 16 * 16], y[3 * 17 * 8];
    char file[64];
    snprintf(file, sizeof file, "%s.x.f32", name);
    REQUIRE(peer_read(folder, file, x, batch * 3 * 16 * 16 * sizeof *x));
    snprintf(file, sizeof file, "%s.y.f32", name);
    REQUIRE(peer_read(folder, file, y, count * sizeof *y));
    snprintf(file, sizeof file, "%s.onnx", name);
    REQUIRE_OK(open_file(&session, library, folder, file, err));
    const struct ort_value *in = ort_input(session, 0);
    int64_t dims[4] = {batch};
    CHECK_EQ(ort_input_count(session), 1);
    CHECK_TEXT(in->name, "pixels");
    CHECK_TEXT(ort_output(session, 0)->name, "features");
    CHECK_EQ(in->element, ONNX_FLOAT);
    CHECK(in->rank == 4 && (in->dims[0] == -1 || in->dims[0] == batch));
    for (int i = 1; i < 4; i++)
        dims[i] = in->dims[i];
    REQUIRE_OK(ort_run(session, 0, 0, x, 4, dims, &result, err));
    CHECK_EQ(result.count, count);
    CHECK_EQ(result.dims[0], batch);
    for (size_t i = 0; i < count && i < result.count; i++)
        CHECK_NEAR(result.data[i], y[i], 1e-4 * (1 + fabs(y[i])));
    ort_result_free(&result);
    ort_session_free(session);
}

TEST(what_pytorch_exported_gives_what_pytorch_gave)
{
    const char *folder = check_folder(), *library = onnxruntime();
    if (!library || !peer_has_torch())
        return;
    REQUIRE(peer_run(PEER_ONNX " %s", folder) == 0);
    compare(library, folder, "net", 3, 3 * 10);
    compare(library, folder, "bn", 2, 2 * 10);
    compare(library, folder, "map", 3, 3 * 8 * 4 * 4);
    compare(library, folder, "tokens", 3, 3 * 17 * 8);
    compare(library, folder, "nhwc", 3, 3 * 8);
    compare(library, folder, "gelu", 3, 3 * 8);
    CHECK(ort_version()[0] != '\0');
}

/* ---- what akin writes ---- */

#define PX 4
#define IN 2
#define MAPS 3
#define OUT 5

static const float mean[IN] = {10, 20}, scale[IN] = {0.1f, 0.05f};
static float weights[MAPS * IN * 9], bias[MAPS], head[OUT * 2 * MAPS], head_bias[OUT];

/* Every operator that an encoder of ours is made of. */
static akin_status write_net(struct akin_buffer *out, akin_error *err)
{
    struct onnx_writer *onnx = NULL;
    akin_status status = onnx_begin(&onnx, "test", err);
    if (status != AKIN_OK)
        return status;
    onnx_metadata(onnx, "made by", "a test");
    onnx_input(onnx, "x", 4, (const int64_t[]){-1, IN, PX, PX});
    onnx_tensor(onnx, "mean", 4, (const int64_t[]){1, IN, 1, 1}, mean);
    onnx_tensor(onnx, "scale", 4, (const int64_t[]){1, IN, 1, 1}, scale);
    onnx_tensor(onnx, "w", 4, (const int64_t[]){MAPS, IN, 3, 3}, weights);
    onnx_tensor(onnx, "b", 1, (const int64_t[]){MAPS}, bias);
    onnx_tensor(onnx, "head", 2, (const int64_t[]){OUT, 2 * MAPS}, head);
    onnx_tensor(onnx, "head_b", 1, (const int64_t[]){OUT}, head_bias);
    onnx_tensor_i64(onnx, "places", 2, (const int64_t[]){2, 3});
    onnx_node(onnx, "Sub", "centred", ONNX_NAMES("x", "mean"), NULL);
    onnx_node(onnx, "Mul", "scaled", ONNX_NAMES("centred", "scale"), NULL);
    onnx_node(onnx, "Conv", "conv", ONNX_NAMES("scaled", "w", "b"),
              ONNX_ATTRIBUTES(onnx_ints("kernel_shape", 2, 3, 3), onnx_ints("pads", 4, 1, 1, 1, 1),
                              onnx_ints("strides", 2, 1, 1)));
    onnx_node(onnx, "Relu", "relu", ONNX_NAMES("conv"), NULL);
    onnx_node(onnx, "Add", "twice", ONNX_NAMES("relu", "relu"), NULL);
    onnx_node(onnx, "MaxPool", "pool", ONNX_NAMES("twice"),
              ONNX_ATTRIBUTES(onnx_ints("kernel_shape", 2, 2, 2), onnx_ints("strides", 2, 2, 2)));
    onnx_node(onnx, "GlobalAveragePool", "average", ONNX_NAMES("pool"), NULL);
    onnx_node(onnx, "Flatten", "flat", ONNX_NAMES("average"), ONNX_ATTRIBUTES(onnx_int("axis", 1)));
    onnx_node(onnx, "Mul", "squares", ONNX_NAMES("pool", "pool"), NULL);
    onnx_node(onnx, "ReduceSum", "sum", ONNX_NAMES("squares", "places"),
              ONNX_ATTRIBUTES(onnx_int("keepdims", 0)));
    onnx_node(onnx, "Sqrt", "root", ONNX_NAMES("sum"), NULL);
    onnx_node(onnx, "Concat", "both", ONNX_NAMES("flat", "root"),
              ONNX_ATTRIBUTES(onnx_int("axis", 1)));
    onnx_node(onnx, "Gemm", "z", ONNX_NAMES("both", "head", "head_b"),
              ONNX_ATTRIBUTES(onnx_int("transB", 1), onnx_float("alpha", 0.5f)));
    onnx_node(onnx, "ReduceMean", "middle", ONNX_NAMES("z"),
              ONNX_ATTRIBUTES(onnx_ints("axes", 1, 1), onnx_int("keepdims", 1)));
    onnx_node(onnx, "Sub", "around", ONNX_NAMES("z", "middle"), NULL);
    onnx_node(onnx, "ReduceL2", "length", ONNX_NAMES("around"),
              ONNX_ATTRIBUTES(onnx_ints("axes", 1, 1), onnx_int("keepdims", 1)));
    onnx_node(onnx, "Div", "unit", ONNX_NAMES("around", "length"), NULL);
    onnx_node(onnx, "LpNormalization", "y", ONNX_NAMES("unit"),
              ONNX_ATTRIBUTES(onnx_int("axis", 1), onnx_int("p", 2)));
    onnx_output(onnx, "y", 2, (const int64_t[]){-1, OUT});
    return onnx_finish(onnx, out, err);
}

/* One value of the convolution, doubled after the relu. */
static double convolve(const float *x, int map, int row, int col)
{
    double sum = bias[map];
    for (int c = 0; c < IN; c++)
        for (int i = -1; i <= 1; i++)
            for (int j = -1; j <= 1; j++)
                if (row + i >= 0 && row + i < PX && col + j >= 0 && col + j < PX)
                    sum += weights[(map * IN + c) * 9 + (i + 1) * 3 + j + 1] * scale[c] *
                           (x[(c * PX + row + i) * PX + col + j] - mean[c]);
    return 2 * fmax(sum, 0);
}

static void expect(const float *x, double y[OUT])
{
    double both[2 * MAPS], middle = 0, length = 0;
    for (int m = 0; m < MAPS; m++) {
        double sum = 0, squares = 0;
        for (int cell = 0; cell < 4; cell++) {
            double most = 0;
            for (int i = 0; i < 4; i++)
                most = fmax(most, convolve(x, m, cell / 2 * 2 + i / 2, cell % 2 * 2 + i % 2));
            sum += most;
            squares += most * most;
        }
        both[m] = sum / 4;
        both[MAPS + m] = sqrt(squares);
    }
    for (int o = 0; o < OUT; o++) {
        y[o] = head_bias[o];
        for (int i = 0; i < 2 * MAPS; i++)
            y[o] += 0.5 * head[o * 2 * MAPS + i] * both[i];
        middle += y[o] / OUT;
    }
    for (int o = 0; o < OUT; o++)
        length += (y[o] - middle) * (y[o] - middle);
    for (int o = 0; o < OUT; o++)
        y[o] = (y[o] - middle) / sqrt(length);
}

TEST(what_akin_writes_gives_what_plain_c_gives)
{
    const char *library = onnxruntime();
    struct ort_session *session = NULL;
    struct ort_result result = {0};
    struct akin_buffer file;
    float x[2 * IN * PX * PX];
    if (!library)
        return;
    peer_fill(weights, MAPS * IN * 9, 1, 1);
    peer_fill(bias, MAPS, 1, 2);
    peer_fill(head, OUT * 2 * MAPS, 1, 3);
    peer_fill(head_bias, OUT, 1, 4);
    peer_fill(x, 2 * IN * PX * PX, 20, 5);
    akin_buffer_init(&file, ONNX_BYTES_MAX);
    REQUIRE_OK(write_net(&file, err));
    REQUIRE_OK(ort_session_create(&session, library, file.data, file.size, "ours", err));
    CHECK_EQ(ort_input(session, 0)->dims[0], -1);
    CHECK_EQ(ort_input(session, 0)->dims[1], IN);
    CHECK_EQ(ort_output(session, 0)->dims[1], OUT);
    REQUIRE_OK(ort_run(session, 0, 0, x, 4, (const int64_t[]){2, IN, PX, PX}, &result, err));
    REQUIRE(result.rank == 2 && result.dims[0] == 2 && result.dims[1] == OUT);
    for (int n = 0; n < 2; n++) {
        double y[OUT];
        expect(x + n * IN * PX * PX, y);
        for (int o = 0; o < OUT; o++)
            CHECK_NEAR(result.data[n * OUT + o], y[o], 1e-5);
    }
    ort_result_free(&result);
    ort_session_free(session);
    akin_buffer_fini(&file);
}

/* ---- what is wrong ---- */

/* A net of one operator. */
static void write_one(struct akin_buffer *out, const char *op)
{
    struct onnx_writer *onnx = NULL;
    akin_buffer_init(out, 1 << 20);
    REQUIRE_OK(onnx_begin(&onnx, "test", err));
    onnx_input(onnx, "x", 2, (const int64_t[]){-1, 4});
    onnx_node(onnx, op, "y", ONNX_NAMES("x"), NULL);
    onnx_output(onnx, "y", 2, (const int64_t[]){-1, 4});
    REQUIRE_OK(onnx_finish(onnx, out, err));
}

TEST(files_that_it_does_not_take_are_refused_in_its_words)
{
    const char *library = onnxruntime();
    struct ort_session *session = NULL;
    struct akin_buffer file;
    akin_error err = {0};
    if (!library)
        return;
    CHECK_EQ(ort_session_create(&session, library, "hello", 5, "a.onnx", &err), AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(err.text, "'a.onnx': ONNX Runtime says: ");
    write_one(&file, "Frobnicate");
    CHECK_EQ(ort_session_create(&session, library, file.data, file.size, "a.onnx", &err),
             AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(err.text, "Frobnicate");
    akin_buffer_fini(&file);
    write_one(&file, "Relu");
    CHECK_EQ(ort_session_create(&session, library, file.data, file.size / 2, "a.onnx", &err),
             AKIN_ERR_CORRUPT);
    CHECK(session == NULL);
    akin_buffer_fini(&file);
}

TEST(a_batch_of_another_shape_is_refused_and_the_next_one_runs)
{
    const char *library = onnxruntime();
    struct ort_session *session = NULL;
    struct ort_result result = {0};
    struct akin_buffer file;
    const float x[8] = {-1, 2, -3, 4, 5, 6, -7, 8};
    akin_error err = {0};
    if (!library)
        return;
    write_one(&file, "Relu");
    REQUIRE(ort_session_create(&session, library, file.data, file.size, "a.onnx", NULL) == AKIN_OK);
    CHECK_EQ(ort_run(session, 0, 0, x, 2, (const int64_t[]){2, 3}, &result, &err),
             AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(err.text, "'a.onnx': ONNX Runtime says: ");
    CHECK_EQ(ort_run(session, 0, 0, x, 2, (const int64_t[]){2, -4}, &result, &err),
             AKIN_ERR_INVALID);
    CHECK(result.value == NULL);
    REQUIRE(ort_run(session, 0, 0, x, 2, (const int64_t[]){2, 4}, &result, NULL) == AKIN_OK);
    CHECK(result.count == 8 && result.data[0] == 0 && result.data[1] == 2 && result.data[7] == 8);
    ort_result_free(&result);
    ort_session_free(session);
    akin_buffer_fini(&file);
}

/* Last: the library is loaded by now, where there is one. */
TEST(another_library_than_the_one_in_use_is_refused)
{
    struct ort_session *session = NULL;
    akin_error err = {0};
    CHECK(ort_session_create(&session, "/nowhere/libonnxruntime.so.1", "x", 1, "a.onnx", &err) !=
          AKIN_OK);
    CHECK_CONTAINS(err.text, "/nowhere/libonnxruntime.so.1");
    CHECK(session == NULL);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
