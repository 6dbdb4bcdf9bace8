/*
 * Plain networks out of ONNX files: run step by step in plain C they give what PyTorch gave; what
 * is not plain, or does not fit together, is refused by name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "../../src/model/onnx_net.h"
#include "../../src/model/onnx_write.h"
#include "peer.h"

#define PEER_ONNX "/usr/bin/python3 tests/model/peer_onnx.py"
#define VALUES_MAX 16
#define FLOATS_MAX 4096

/* ---- an engine of loops ---- */

static float values[VALUES_MAX][FLOATS_MAX];

static size_t count_of(const struct onnx_shape *shape)
{
    return (size_t)shape->c * shape->h * shape->w;
}

/* One cell of a convolution's or a pool's output. */
static float window(const struct onnx_step *step, const struct onnx_shape *in, const float *x,
                    uint32_t out_c, uint32_t row, uint32_t col)
{
    const bool is_pool = step->op == ONNX_OP_MAX_POOL;
    double sum = is_pool ? -INFINITY : step->bias[out_c];
    for (uint32_t c = is_pool ? out_c : 0; c < (is_pool ? out_c + 1 : in->c); c++)
        for (uint32_t i = 0; i < step->kernel[0]; i++)
            for (uint32_t j = 0; j < step->kernel[1]; j++) {
                int64_t y = (int64_t)row * step->stride[0] + i - step->pad[0];
                int64_t z = (int64_t)col * step->stride[1] + j - step->pad[1];
                if (y < 0 || z < 0 || y >= in->h || z >= in->w)
                    continue;
                double value = x[(c * in->h + y) * in->w + z];
                size_t at = ((out_c * in->c + c) * step->kernel[0] + i) * step->kernel[1] + j;
                sum = is_pool ? fmax(sum, value) : sum + step->weight[at] * value;
            }
    return (float)sum;
}

static float mean_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return (float)(sum / (double)n);
}

static float linear(const struct onnx_step *step, const float *x, size_t n, size_t out)
{
    double sum = step->bias[out];
    for (size_t i = 0; i < n; i++)
        sum += step->weight[out * n + i] * x[i];
    return (float)sum;
}

static void run_step(const struct onnx_net *net, const struct onnx_step *step)
{
    const struct onnx_shape *in = &net->shapes[step->in[0]], *out = &net->shapes[step->out];
    const float *x = values[step->in[0]], *second = values[step->in[1]];
    const size_t area = (size_t)in->h * in->w;
    for (size_t i = 0; i < count_of(out); i++) {
        float *y = &values[step->out][i];
        uint32_t c = (uint32_t)(i / ((size_t)out->h * out->w));
        switch (step->op) {
        case ONNX_OP_CONV:
        case ONNX_OP_MAX_POOL:
            *y = window(step, in, x, c, (uint32_t)(i / out->w % out->h), (uint32_t)(i % out->w));
            break;
        case ONNX_OP_NORM:
            *y = x[i] * step->weight[c] + step->bias[c];
            break;
        case ONNX_OP_RELU:
            *y = x[i] > 0 ? x[i] : 0;
            break;
        case ONNX_OP_ADD:
            *y = x[i] + second[i];
            break;
        case ONNX_OP_MEAN:
        case ONNX_OP_MEAN_FLAT:
            *y = mean_of(x + i * area, area);
            break;
        case ONNX_OP_LINEAR:
            *y = linear(step, x, in->c, i);
            break;
        default:
            *y = x[i];
        }
    }
}

/* ---- files ---- */

static akin_status load(struct onnx_net **net, const char *path, uint32_t px, akin_error *err)
{
    struct akin_map map = {0};
    struct onnx_graph *graph = NULL;
    akin_status status = akin_map_open(&map, path, err);
    if (status == AKIN_OK)
        status = onnx_parse(&graph, map.data, map.size, path, err);
    if (status == AKIN_OK)
        status = onnx_net_create(net, graph, px, err);
    onnx_free(graph);
    akin_map_close(&map);
    return status;
}

static void compare(const char *folder, const char *name, uint32_t batch, size_t count)
{
    struct onnx_net *net = NULL;
    static float x[3 * 3 * 16 * 16], y[3 * 128];
    char file[AKIN_PATH_MAX];
    snprintf(file, sizeof file, "%s/%s.onnx", folder, name);
    REQUIRE_OK(load(&net, file, 0, err));
    REQUIRE(net->step_count < VALUES_MAX && count_of(&net->shapes[net->output]) == count);
    snprintf(file, sizeof file, "%s.x.f32", name);
    REQUIRE(peer_read(folder, file, x, batch * 3 * 16 * 16 * sizeof *x));
    snprintf(file, sizeof file, "%s.y.f32", name);
    REQUIRE(peer_read(folder, file, y, batch * count * sizeof *y));
    for (uint32_t n = 0; n < batch; n++) {
        memcpy(values[0], x + n * 3 * 16 * 16, 3 * 16 * 16 * sizeof *x);
        for (size_t i = 0; i < net->step_count; i++)
            run_step(net, &net->steps[i]);
        for (size_t i = 0; i < count; i++)
            CHECK_NEAR(values[net->output][i], y[n * count + i],
                       1e-4 * (1 + fabs(y[n * count + i])));
    }
    onnx_net_free(net);
}

static void refused(const char *folder, const char *name, uint32_t px, akin_status status,
                    const char *words)
{
    struct onnx_net *net = NULL;
    akin_error err = {0};
    char file[AKIN_PATH_MAX];
    REQUIRE(akin_path_join(file, folder, name, NULL) == AKIN_OK);
    CHECK_EQ(load(&net, file, px, &err), status);
    CHECK_CONTAINS(err.text, words);
    CHECK(net == NULL);
}

TEST(plain_networks_of_pytorch_give_what_pytorch_gave)
{
    const char *folder = check_folder();
    if (!peer_has_torch())
        return;
    REQUIRE(peer_run(PEER_ONNX " %s", folder) == 0);
    compare(folder, "net", 3, 10);
    compare(folder, "bn", 2, 10);
    compare(folder, "map", 3, 8 * 4 * 4);
    refused(folder, "gelu.onnx", 0, AKIN_ERR_UNSUPPORTED, "akin's own engine does not run it");
    refused(folder, "tokens.onnx", 0, AKIN_ERR_UNSUPPORTED, "operator ");
    refused(folder, "two.onnx", 0, AKIN_ERR_UNSUPPORTED, "no single input");
    refused(folder, "net.onnx", 64, AKIN_ERR_INVALID, "16 x 16 pixels, 64 was asked for");
}

/* ---- one operator at a time ---- */

static float numbers[64];

/* An operator on an image (2, 6, 6) and a weight `w` of these sizes. */
static akin_status create_one(struct onnx_net **net, const char *op, uint32_t rank,
                              const int64_t *dims, const struct onnx_attribute *attributes,
                              akin_error *err)
{
    struct onnx_writer *onnx = NULL;
    struct akin_buffer file;
    struct onnx_graph *graph = NULL;
    akin_buffer_init(&file, 1 << 20);
    akin_status status = onnx_begin(&onnx, "test", err);
    if (status != AKIN_OK)
        return status;
    onnx_input(onnx, "x", 4, (const int64_t[]){-1, 2, 6, 6});
    onnx_tensor(onnx, "w", rank, dims, numbers);
    onnx_node(onnx, op, "y", ONNX_NAMES("x", rank ? "w" : NULL), attributes);
    onnx_output(onnx, "y", 4, (const int64_t[]){-1, -1, -1, -1});
    status = onnx_finish(onnx, &file, err);
    if (status == AKIN_OK)
        status = onnx_parse(&graph, file.data, file.size, "test", err);
    if (status == AKIN_OK)
        status = onnx_net_create(net, graph, 0, err);
    onnx_free(graph);
    akin_buffer_fini(&file);
    return status;
}

static void refused_one(const char *op, uint32_t rank, const int64_t *dims,
                        const struct onnx_attribute *attributes, const char *words)
{
    struct onnx_net *net = NULL;
    akin_error err = {0};
    CHECK(create_one(&net, op, rank, dims, attributes, &err) != AKIN_OK);
    CHECK_CONTAINS(err.text, words);
    CHECK(net == NULL);
}

TEST(sizes_are_settled)
{
    struct onnx_net *net = NULL;
    REQUIRE_OK(create_one(
        &net, "Conv", 4, (const int64_t[]){4, 2, 3, 2},
        ONNX_ATTRIBUTES(onnx_ints("strides", 2, 2, 1), onnx_ints("pads", 4, 1, 0, 0, 1)), err));
    REQUIRE(net->step_count == 1 && net->output == 1);
    CHECK(net->shapes[1].c == 4 && net->shapes[1].h == 3 && net->shapes[1].w == 6);
    CHECK(net->steps[0].kernel[0] == 3 && net->steps[0].kernel[1] == 2);
    CHECK(net->steps[0].bias[3] == 0);
    onnx_net_free(net);
    net = NULL;
    REQUIRE_OK(create_one(&net, "ReduceMean", 0, NULL,
                          ONNX_ATTRIBUTES(onnx_ints("axes", 2, -1, 2), onnx_int("keepdims", 0)),
                          err));
    CHECK(net->steps[0].op == ONNX_OP_MEAN_FLAT && net->shapes[1].flat && net->shapes[1].c == 2);
    onnx_net_free(net);
    net = NULL;
    REQUIRE_OK(create_one(&net, "Flatten", 0, NULL, NULL, err));
    CHECK(net->shapes[1].flat && net->shapes[1].c == 72);
    onnx_net_free(net);
}

TEST(what_is_not_plain_is_refused_by_name)
{
    const int64_t fits[4] = {1, 2, 3, 3}, channels[4] = {1, 3, 3, 3}, large[4] = {1, 2, 3, 9};
    refused_one("Softmax", 0, NULL, NULL, "operator Softmax 'y': it is unknown");
    refused_one("Conv", 4, fits, ONNX_ATTRIBUTES(onnx_int("group", 2)), "groups");
    refused_one("Conv", 4, fits, ONNX_ATTRIBUTES(onnx_ints("dilations", 2, 2, 2)), "dilations");
    refused_one("Conv", 4, fits, ONNX_ATTRIBUTES(onnx_ints("strides", 2, 0, 1)), "strides");
    refused_one("Conv", 4, fits, ONNX_ATTRIBUTES(onnx_ints("pads", 4, 3, 0, 0, 0)), "padding");
    refused_one("Conv", 4, fits, ONNX_ATTRIBUTES(onnx_ints("pads", 4, -1, 0, 0, 0)), "pads");
    refused_one("Conv", 4, channels, NULL, "channels");
    refused_one("Conv", 4, large, NULL, "larger than the image");
    refused_one("Conv", 0, NULL, NULL, "weights");
    refused_one("Gemm", 2, fits, NULL, "not flat");
    refused_one("Add", 4, fits, NULL, "constant");
    refused_one("MaxPool", 0, NULL, NULL, "kernel");
    refused_one("ReduceMean", 0, NULL, ONNX_ATTRIBUTES(onnx_ints("axes", 1, 1)), "axes");
    refused_one("BatchNormalization", 1, (const int64_t[]){2}, NULL, "weight");
    refused_one("Flatten", 0, NULL, ONNX_ATTRIBUTES(onnx_int("axis", 2)), "axis");
    numbers[4] = NAN;
    refused_one("Conv", 4, fits, NULL, "not finite");
    numbers[4] = 0;
}

TEST(every_allocation_fails_once)
{
    const int64_t dims[4] = {1, 2, 3, 3};
    size_t used = akin_memory_used();
    akin_status status = AKIN_ERR_NO_MEMORY;
    for (long n = 0; status != AKIN_OK && n < 500; n++) {
        struct onnx_net *net = NULL;
        akin_memory_fail_at(n);
        status = create_one(&net, "Conv", 4, dims, NULL, NULL);
        akin_memory_fail_at(-1);
        CHECK(status == AKIN_OK || (status == AKIN_ERR_NO_MEMORY && !net));
        onnx_net_free(net);
    }
    CHECK_EQ(status, AKIN_OK);
    CHECK_EQ(akin_memory_used(), used);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
