/*
 * ONNX files: what the writer writes the reader reads, to the last attribute; what PyTorch exports
 * is read; what is cut short, lies or is no ONNX at all is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../../src/model/onnx_read.h"
#include "../../src/model/onnx_write.h"
#include "../../src/model/protobuf.h"
#include "peer.h"

#define PEER_ONNX "/usr/bin/python3 tests/model/peer_onnx.py"

static const float weights[6] = {1, -2, 3, 4.5f, 0, 6};

static akin_status write_small(struct akin_buffer *out, akin_error *err)
{
    struct onnx_writer *onnx = NULL;
    akin_status status = onnx_begin(&onnx, "small", err);
    if (status != AKIN_OK)
        return status;
    onnx_input(onnx, "x", 4, (const int64_t[]){-1, 3, 8, 300});
    onnx_tensor(onnx, "w", 2, (const int64_t[]){2, 3}, weights);
    onnx_tensor(onnx, "a", 0, NULL, weights + 3);
    onnx_tensor_i64(onnx, "axes", 3, (const int64_t[]){2, -1, INT64_MAX});
    onnx_node(onnx, "Conv", "c", ONNX_NAMES("x", "w"),
              ONNX_ATTRIBUTES(onnx_ints("pads", 4, 1, 0, 1, -1), onnx_int("group", -7),
                              onnx_float("alpha", 0.25f)));
    onnx_node(onnx, "Relu", "y", ONNX_NAMES("c"), NULL);
    onnx_node(onnx, "Add", "z", ONNX_NAMES("y", "y"), NULL);
    onnx_node(onnx, "Relu", "r", ONNX_NAMES("z"), NULL);
    onnx_output(onnx, "r", 2, (const int64_t[]){-1, 10});
    onnx_metadata(onnx, "key", "value");
    return onnx_finish(onnx, out, err);
}

static void check_nodes(const struct onnx_graph *graph)
{
    const struct onnx_node *conv = &graph->nodes[0];
    REQUIRE(graph->node_count == 4);
    CHECK_TEXT(conv->op, "Conv");
    CHECK_TEXT(conv->name, "c");
    CHECK_TEXT(conv->domain, "");
    REQUIRE(conv->input_count == 2 && conv->output_count == 1 && conv->attribute_count == 3);
    CHECK_TEXT(conv->inputs[1], "w");
    CHECK_TEXT(conv->outputs[0], "c");
    const struct onnx_attribute *pads = onnx_find_attribute(conv, "pads");
    const struct onnx_attribute *group = onnx_find_attribute(conv, "group");
    const struct onnx_attribute *alpha = onnx_find_attribute(conv, "alpha");
    REQUIRE(pads && group && alpha && !onnx_find_attribute(conv, "beta"));
    CHECK(pads->type == ONNX_ATTRIBUTE_LIST && pads->count == 4);
    CHECK(pads->ints[0] == 1 && pads->ints[1] == 0 && pads->ints[3] == -1);
    CHECK(group->type == ONNX_ATTRIBUTE_INT && group->i == -7);
    CHECK(alpha->type == ONNX_ATTRIBUTE_FLOAT && alpha->f == 0.25f);
}

TEST(what_is_written_is_read)
{
    struct akin_buffer file;
    struct onnx_graph *graph = NULL;
    char operators[64];
    float floats[6];
    int64_t integers[3];
    akin_buffer_init(&file, 1 << 20);
    REQUIRE_OK(write_small(&file, err));
    REQUIRE_OK(onnx_parse(&graph, file.data, file.size, "small", err));
    CHECK_EQ(graph->ir_version, ONNX_IR_VERSION);
    CHECK_EQ(graph->opset, ONNX_OPSET);
    CHECK_TEXT(graph->producer, "akin");
    check_nodes(graph);
    REQUIRE(graph->input_count == 1 && graph->output_count == 1 && graph->tensor_count == 3);
    CHECK_TEXT(graph->inputs[0].name, "x");
    CHECK(graph->inputs[0].rank == 4 && graph->inputs[0].dims[0] == -1);
    CHECK_EQ(graph->inputs[0].dims[3], 300);
    CHECK_EQ(graph->inputs[0].element, ONNX_FLOAT);
    CHECK_TEXT(graph->outputs[0].name, "r");
    const struct onnx_tensor *w = onnx_find_tensor(graph, "w"), *a = onnx_find_tensor(graph, "a");
    const struct onnx_tensor *axes = onnx_find_tensor(graph, "axes");
    REQUIRE(w && a && axes && !onnx_find_tensor(graph, "b"));
    CHECK(w->rank == 2 && w->dims[0] == 2 && w->dims[1] == 3 && w->count == 6);
    REQUIRE_OK(onnx_floats(graph, w, floats, err));
    CHECK(!memcmp(floats, weights, sizeof weights));
    CHECK(a->rank == 0 && a->count == 1);
    REQUIRE_OK(onnx_integers(graph, axes, integers, err));
    CHECK(integers[0] == 2 && integers[1] == -1 && integers[2] == INT64_MAX);
    CHECK_EQ(onnx_floats(graph, axes, floats, NULL), AKIN_ERR_UNSUPPORTED);
    onnx_operators(graph, operators, sizeof operators);
    CHECK_TEXT(operators, "Add, Conv, Relu");
    onnx_operators(graph, operators, 7);
    CHECK_TEXT(operators, "Add, C");
    onnx_free(graph);
    akin_buffer_fini(&file);
}

/* A copy that ends with the file, so that a sanitizer sees a read behind it. */
static akin_status parse_exactly(struct onnx_graph **out, const void *bytes, size_t size,
                                 akin_error *err)
{
    void *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, bytes, size);
    akin_status status = onnx_parse(out, copy, size, "test", err);
    free(copy);
    return status;
}

TEST(a_file_cut_short_is_refused_at_every_length)
{
    struct akin_buffer file;
    akin_buffer_init(&file, 1 << 20);
    REQUIRE_OK(write_small(&file, err));
    for (size_t size = 0; size < file.size; size++) {
        struct onnx_graph *graph = NULL;
        akin_error err = {0};
        CHECK_EQ(parse_exactly(&graph, file.data, size, &err), AKIN_ERR_CORRUPT);
        CHECK_CONTAINS(err.text, "'test'");
        CHECK(graph == NULL);
    }
    akin_buffer_fini(&file);
}

TEST(what_pytorch_exports_is_read)
{
    static const char *const names[] = {"net.onnx", "bn.onnx", "tokens.onnx", "gelu.onnx"};
    static const char *const expected[] = {
        "Add, Conv, Flatten, Gemm, GlobalAveragePool, MaxPool, Relu",
        "Add, BatchNormalization, Conv, Flatten, Gemm, GlobalAveragePool, MaxPool, Relu",
        "Concat, Constant, Conv",
        "Erf",
    };
    const char *folder = check_folder();
    if (!peer_has_torch())
        return;
    REQUIRE(peer_run(PEER_ONNX " %s", folder) == 0);
    for (size_t i = 0; i < 4; i++) {
        char path[AKIN_PATH_MAX], operators[256];
        struct akin_map map = {0};
        struct onnx_graph *graph = NULL;
        REQUIRE_OK(akin_path_join(path, folder, names[i], err));
        REQUIRE_OK(akin_map_open(&map, path, err));
        REQUIRE_OK(onnx_parse(&graph, map.data, map.size, path, err));
        onnx_operators(graph, operators, sizeof operators);
        CHECK_CONTAINS(operators, expected[i]);
        CHECK_EQ(graph->opset, 13);
        CHECK_TEXT(graph->producer, "pytorch");
        CHECK_EQ(graph->input_count, 1);
        CHECK_TEXT(graph->inputs[0].name, "pixels");
        CHECK_EQ(graph->inputs[0].dims[0], i == 1 ? 2 : -1);
        CHECK_EQ(graph->inputs[0].dims[2], 16);
        onnx_free(graph);
        akin_map_close(&map);
    }
}

/* ---- lies ---- */

/* A model around one initialiser, made by hand. */
static void wrap(struct akin_buffer *out, const struct akin_buffer *tensor)
{
    struct akin_buffer graph, node;
    akin_buffer_init(&graph, 1 << 20);
    akin_buffer_init(&node, 1 << 20);
    akin_buffer_init(out, 1 << 20);
    protobuf_put_text(&node, ONNX_NODE_OP, "Relu", NULL);
    protobuf_put_text(&node, ONNX_NODE_OUTPUT, "y", NULL);
    protobuf_put_bytes(&graph, ONNX_GRAPH_NODE, node.data, node.size, NULL);
    protobuf_put_bytes(&graph, ONNX_GRAPH_INITIALIZER, tensor->data, tensor->size, NULL);
    protobuf_put_bytes(&graph, ONNX_GRAPH_OUTPUT, "", 0, NULL);
    protobuf_put_varint(out, ONNX_MODEL_IR, 7, NULL);
    protobuf_put_bytes(out, ONNX_MODEL_GRAPH, graph.data, graph.size, NULL);
    akin_buffer_fini(&graph);
    akin_buffer_fini(&node);
}

/* A tensor of f32 with these sizes and so many bytes of data. */
static struct akin_buffer tensor_of(const int64_t *dims, size_t rank, size_t bytes)
{
    static const char zeros[64];
    struct akin_buffer tensor;
    akin_buffer_init(&tensor, 1 << 20);
    for (size_t i = 0; i < rank; i++)
        protobuf_put_varint(&tensor, ONNX_TENSOR_DIMS, (uint64_t)dims[i], NULL);
    protobuf_put_varint(&tensor, ONNX_TENSOR_TYPE, ONNX_FLOAT, NULL);
    protobuf_put_text(&tensor, ONNX_TENSOR_NAME, "t", NULL);
    protobuf_put_bytes(&tensor, ONNX_TENSOR_RAW, zeros, bytes, NULL);
    return tensor;
}

static akin_status parse_tensor(struct akin_buffer *file, struct akin_buffer *tensor,
                                struct onnx_graph **graph, akin_error *err)
{
    wrap(file, tensor);
    akin_buffer_fini(tensor);
    return onnx_parse(graph, file->data, file->size, "test", err);
}

TEST(tensors_that_lie_are_refused)
{
    static const struct {
        int64_t dims[10];
        size_t rank, bytes;
        const char *words; /* NULL: it is taken */
    } cases[] = {
        {{2, 3}, 2, 24, NULL},
        {{2, 3}, 2, 20, "does not fill"},
        {{2, 3}, 2, 28, "does not fill"},
        {{2, -3}, 2, 24, "shape"},
        {{1LL << 32, 1LL << 32}, 2, 24, "shape"},
        {{1LL << 61, 4}, 2, 24, "does not fill"},
        {{1, 1, 1, 1, 1, 1, 1, 1, 1}, 9, 4, "shape"},
        {{0, 5}, 2, 0, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct akin_buffer tensor = tensor_of(cases[i].dims, cases[i].rank, cases[i].bytes), file;
        struct onnx_graph *graph = NULL;
        akin_error err = {0};
        akin_status status = parse_tensor(&file, &tensor, &graph, &err);
        CHECK_EQ(status, cases[i].words ? AKIN_ERR_CORRUPT : AKIN_OK);
        CHECK_CONTAINS(err.text, cases[i].words ? cases[i].words : "");
        onnx_free(graph);
        akin_buffer_fini(&file);
    }
}

/* Taken, since ONNX Runtime may run them, but not read. */
TEST(numbers_elsewhere_or_of_another_kind_are_said_to_be)
{
    struct akin_buffer tensor = tensor_of((const int64_t[]){2}, 1, 8), file;
    struct onnx_graph *graph = NULL;
    akin_error err = {0};
    float out[2];
    protobuf_put_varint(&tensor, ONNX_TENSOR_LOCATION, 1, NULL);
    REQUIRE(parse_tensor(&file, &tensor, &graph, &err) == AKIN_OK);
    CHECK_EQ(onnx_floats(graph, onnx_find_tensor(graph, "t"), out, &err), AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(err.text, "in another file");
    onnx_free(graph);
    akin_buffer_fini(&file);
    graph = NULL;
    tensor = tensor_of((const int64_t[]){2}, 1, 4);
    protobuf_put_varint(&tensor, ONNX_TENSOR_TYPE, ONNX_FLOAT16, NULL);
    REQUIRE(parse_tensor(&file, &tensor, &graph, &err) == AKIN_OK);
    CHECK_EQ(onnx_floats(graph, onnx_find_tensor(graph, "t"), out, &err), AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(err.text, "is float16, not float32");
    onnx_free(graph);
    akin_buffer_fini(&file);
}

TEST(integers_as_a_packed_list_are_read)
{
    static const unsigned char list[] = {5,    0xff, 0xff, 0xff, 0xff, 0xff,
                                         0xff, 0xff, 0xff, 0xff, 1};
    struct akin_buffer tensor, file;
    struct onnx_graph *graph = NULL;
    int64_t out[2];
    akin_buffer_init(&tensor, 1 << 20);
    protobuf_put_bytes(&tensor, ONNX_TENSOR_DIMS, "\2", 1, NULL);
    protobuf_put_varint(&tensor, ONNX_TENSOR_TYPE, ONNX_INT64, NULL);
    protobuf_put_text(&tensor, ONNX_TENSOR_NAME, "t", NULL);
    protobuf_put_bytes(&tensor, ONNX_TENSOR_INT64S, list, sizeof list, NULL);
    REQUIRE(parse_tensor(&file, &tensor, &graph, NULL) == AKIN_OK);
    REQUIRE_OK(onnx_integers(graph, onnx_find_tensor(graph, "t"), out, err));
    CHECK(out[0] == 5 && out[1] == -1);
    onnx_free(graph);
    akin_buffer_fini(&file);
}

TEST(what_is_no_onnx_is_refused)
{
    static const char *const files[] = {"", "hello, world", "\x89PNG\r\n\x1a\n", "\x08\x07",
                                        "\x3a\x02\x0b\x0c"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct onnx_graph *graph = NULL;
        akin_error err = {0};
        CHECK_EQ(parse_exactly(&graph, files[i], strlen(files[i]), &err), AKIN_ERR_CORRUPT);
        CHECK_CONTAINS(err.text, "not an ONNX file");
    }
}

/* ---- limits ---- */

TEST(a_tensor_too_large_for_a_file_is_said_at_the_end)
{
    struct onnx_writer *onnx = NULL;
    struct akin_buffer file;
    akin_error err = {0};
    akin_buffer_init(&file, 1 << 20);
    REQUIRE(onnx_begin(&onnx, "large", NULL) == AKIN_OK);
    onnx_tensor(onnx, "vast", 2, (const int64_t[]){1 << 20, 1 << 20}, weights);
    onnx_node(onnx, "Relu", "y", ONNX_NAMES("vast"), NULL);
    CHECK_EQ(onnx_finish(onnx, &file, &err), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(err.text, "'vast' is too large");
    CHECK_EQ(file.size, 0);
    onnx_abort(NULL);
    akin_buffer_fini(&file);
}

TEST(every_allocation_fails_once)
{
    size_t used = akin_memory_used();
    akin_status status = AKIN_ERR_NO_MEMORY;
    for (long n = 0; status != AKIN_OK && n < 1000; n++) {
        struct akin_buffer file;
        struct onnx_graph *graph = NULL;
        akin_buffer_init(&file, 1 << 20);
        akin_memory_fail_at(n);
        status = write_small(&file, NULL);
        CHECK(status == AKIN_OK || (status == AKIN_ERR_NO_MEMORY && file.size == 0));
        if (status == AKIN_OK)
            status = onnx_parse(&graph, file.data, file.size, "test", NULL);
        akin_memory_fail_at(-1);
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
        onnx_free(graph);
        akin_buffer_fini(&file);
    }
    CHECK_EQ(status, AKIN_OK);
    CHECK_EQ(akin_memory_used(), used);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
