/*
 * The ONNX writer: each part is one protobuf message, made in `part` and appended to the graph with
 * its length; the model around the graph is written last, when the graph's length is known. Weights
 * go from the caller's memory straight to the graph.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "onnx_write.h"

#include <string.h>

#include "protobuf.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "raw_data is written as it lies in memory, which must be little-endian"
#endif

#define PART_BYTES_MAX (1u << 20) /* a message without its weights */

struct onnx_writer {
    struct akin_buffer graph, part, inner, metadata;
    akin_status status; /* the first failure, and its words */
    akin_error err;
};

const char *onnx_element_name(int element)
{
    switch (element) {
    case ONNX_FLOAT:
        return "float32";
    case ONNX_UINT8:
        return "uint8";
    case ONNX_INT8:
        return "int8";
    case ONNX_INT32:
        return "int32";
    case ONNX_INT64:
        return "int64";
    case ONNX_BOOL:
        return "bool";
    case ONNX_FLOAT16:
        return "float16";
    case ONNX_DOUBLE:
        return "float64";
    case ONNX_BFLOAT16:
        return "bfloat16";
    default:
        return "another type";
    }
}

/* Runs a step that writes only where none before it failed. */
#define STEP(writer, call)                                                                         \
    ((writer)->status = (writer)->status == AKIN_OK ? (call) : (writer)->status)

static void put_varint(struct onnx_writer *writer, uint32_t number, int64_t value)
{
    STEP(writer, protobuf_put_varint(&writer->part, number, (uint64_t)value, &writer->err));
}

static void put_text(struct onnx_writer *writer, uint32_t number, const char *text)
{
    STEP(writer, protobuf_put_text(&writer->part, number, text, &writer->err));
}

/* Ends what is in `from` as a field of `to`. */
static void close_part(struct onnx_writer *writer, struct akin_buffer *to, uint32_t number,
                       struct akin_buffer *from)
{
    STEP(writer, protobuf_put_bytes(to, number, from->data, from->size, &writer->err));
    akin_buffer_clear(from);
}

akin_status onnx_begin(struct onnx_writer **out, const char *graph_name, akin_error *err)
{
    struct onnx_writer *writer = akin_alloc_zero(1, sizeof *writer);
    if (!writer)
        return akin_error_memory(err, sizeof *writer, "an ONNX writer");
    akin_buffer_init(&writer->graph, ONNX_BYTES_MAX);
    akin_buffer_init(&writer->part, PART_BYTES_MAX);
    akin_buffer_init(&writer->inner, PART_BYTES_MAX);
    akin_buffer_init(&writer->metadata, PART_BYTES_MAX);
    STEP(writer, protobuf_put_text(&writer->graph, ONNX_GRAPH_NAME, graph_name, &writer->err));
    *out = writer;
    return AKIN_OK;
}

void onnx_abort(struct onnx_writer *writer)
{
    if (!writer)
        return;
    akin_buffer_fini(&writer->graph);
    akin_buffer_fini(&writer->part);
    akin_buffer_fini(&writer->inner);
    akin_buffer_fini(&writer->metadata);
    akin_free(writer);
}

/* TensorShapeProto into `inner`. */
static void put_shape(struct onnx_writer *writer, uint32_t rank, const int64_t *dims)
{
    for (uint32_t i = 0; i < rank; i++) {
        if (dims[i] < 0)
            put_text(writer, ONNX_DIM_PARAM, "n");
        else
            put_varint(writer, ONNX_DIM_VALUE, dims[i]);
        close_part(writer, &writer->inner, ONNX_SHAPE_DIM, &writer->part);
    }
}

/* ValueInfoProto { name, type { tensor_type { elem_type, shape } } }, from the inside out. */
static void put_value(struct onnx_writer *writer, uint32_t number, const char *name, uint32_t rank,
                      const int64_t *dims)
{
    put_shape(writer, rank, dims);
    put_varint(writer, ONNX_TENSOR_TYPE_ELEMENT, ONNX_FLOAT);
    close_part(writer, &writer->part, ONNX_TENSOR_TYPE_SHAPE, &writer->inner);
    close_part(writer, &writer->inner, ONNX_TYPE_TENSOR, &writer->part);
    put_text(writer, ONNX_VALUE_NAME, name);
    close_part(writer, &writer->part, ONNX_VALUE_TYPE, &writer->inner);
    close_part(writer, &writer->graph, number, &writer->part);
}

void onnx_input(struct onnx_writer *writer, const char *name, uint32_t rank, const int64_t *dims)
{
    put_value(writer, ONNX_GRAPH_INPUT, name, rank, dims);
}

void onnx_output(struct onnx_writer *writer, const char *name, uint32_t rank, const int64_t *dims)
{
    put_value(writer, ONNX_GRAPH_OUTPUT, name, rank, dims);
}

/* The tensor's head in `part`, the numbers behind it: not through `part`, they may be long. */
static void put_tensor(struct onnx_writer *writer, const char *name, uint32_t rank,
                       const int64_t *dims, enum onnx_element element, size_t element_bytes,
                       const void *data)
{
    size_t bytes = element_bytes;
    for (uint32_t i = 0; i < rank; i++) {
        put_varint(writer, ONNX_TENSOR_DIMS, dims[i]);
        if (dims[i] < 0 || !akin_size_mul(&bytes, bytes, (size_t)dims[i]) || bytes > ONNX_BYTES_MAX)
            STEP(writer, akin_error_set(&writer->err, AKIN_ERR_LIMIT,
                                        "tensor '%.80s' is too large for an ONNX file", name));
    }
    put_varint(writer, ONNX_TENSOR_TYPE, element);
    put_text(writer, ONNX_TENSOR_NAME, name);
    STEP(writer, protobuf_put_head(&writer->part, ONNX_TENSOR_RAW, bytes, &writer->err));
    STEP(writer, protobuf_put_head(&writer->graph, ONNX_GRAPH_INITIALIZER,
                                   writer->part.size + bytes, &writer->err));
    STEP(writer,
         akin_buffer_append(&writer->graph, writer->part.data, writer->part.size, &writer->err));
    STEP(writer, akin_buffer_append(&writer->graph, data, bytes, &writer->err));
    akin_buffer_clear(&writer->part);
}

void onnx_tensor(struct onnx_writer *writer, const char *name, uint32_t rank, const int64_t *dims,
                 const float *data)
{
    put_tensor(writer, name, rank, dims, ONNX_FLOAT, sizeof *data, data);
}

void onnx_tensor_i64(struct onnx_writer *writer, const char *name, size_t count,
                     const int64_t *data)
{
    const int64_t dims[1] = {(int64_t)count};
    put_tensor(writer, name, 1, dims, ONNX_INT64, sizeof *data, data);
}

/* ---- operators ---- */

struct onnx_attribute onnx_int(const char *name, int64_t value)
{
    return (struct onnx_attribute){.name = name, .type = ONNX_ATTRIBUTE_INT, .i = value};
}

struct onnx_attribute onnx_float(const char *name, float value)
{
    return (struct onnx_attribute){.name = name, .type = ONNX_ATTRIBUTE_FLOAT, .f = value};
}

struct onnx_attribute onnx_ints(const char *name, uint32_t count, ...)
{
    struct onnx_attribute attribute = {.name = name, .type = ONNX_ATTRIBUTE_LIST};
    va_list args;
    va_start(args, count);
    for (; attribute.count < count && attribute.count < ONNX_RANK_MAX; attribute.count++)
        attribute.ints[attribute.count] = va_arg(args, int);
    va_end(args);
    return attribute;
}

/* AttributeProto into `inner`, through `part`, which is empty before and after. */
static void put_attribute(struct onnx_writer *writer, const struct onnx_attribute *attribute)
{
    put_text(writer, ONNX_ATTRIBUTE_NAME, attribute->name);
    put_varint(writer, ONNX_ATTRIBUTE_TYPE, attribute->type);
    if (attribute->type == ONNX_ATTRIBUTE_INT)
        put_varint(writer, ONNX_ATTRIBUTE_I, attribute->i);
    if (attribute->type == ONNX_ATTRIBUTE_FLOAT)
        STEP(writer,
             protobuf_put_float(&writer->part, ONNX_ATTRIBUTE_F, attribute->f, &writer->err));
    for (uint32_t i = 0; i < attribute->count; i++)
        put_varint(writer, ONNX_ATTRIBUTE_INTS, attribute->ints[i]);
    close_part(writer, &writer->inner, ONNX_NODE_ATTRIBUTE, &writer->part);
}

void onnx_node(struct onnx_writer *writer, const char *op, const char *output,
               const char *const *inputs, const struct onnx_attribute *attributes)
{
    for (; *inputs; inputs++)
        put_text(writer, ONNX_NODE_INPUT, *inputs);
    put_text(writer, ONNX_NODE_OUTPUT, output);
    put_text(writer, ONNX_NODE_NAME, output);
    put_text(writer, ONNX_NODE_OP, op);
    STEP(writer,
         akin_buffer_append(&writer->inner, writer->part.data, writer->part.size, &writer->err));
    akin_buffer_clear(&writer->part);
    for (; attributes && attributes->name; attributes++)
        put_attribute(writer, attributes);
    close_part(writer, &writer->graph, ONNX_GRAPH_NODE, &writer->inner);
}

void onnx_metadata(struct onnx_writer *writer, const char *key, const char *value)
{
    put_text(writer, ONNX_ENTRY_KEY, key);
    put_text(writer, ONNX_ENTRY_VALUE, value);
    close_part(writer, &writer->metadata, ONNX_MODEL_METADATA, &writer->part);
}

/* ModelProto: all but the graph and the metadata into `part`. */
static void put_model(struct onnx_writer *writer)
{
    STEP(writer, protobuf_put_varint(&writer->inner, ONNX_OPSET_VERSION, ONNX_OPSET, &writer->err));
    put_varint(writer, ONNX_MODEL_IR, ONNX_IR_VERSION);
    put_text(writer, ONNX_MODEL_PRODUCER, "akin");
    close_part(writer, &writer->part, ONNX_MODEL_OPSET, &writer->inner);
}

akin_status onnx_finish(struct onnx_writer *writer, struct akin_buffer *out, akin_error *err)
{
    const struct akin_buffer *graph = &writer->graph;
    size_t size = out->size;
    put_model(writer);
    STEP(writer, akin_buffer_append(out, writer->part.data, writer->part.size, &writer->err));
    STEP(writer,
         akin_buffer_append(out, writer->metadata.data, writer->metadata.size, &writer->err));
    STEP(writer, protobuf_put_bytes(out, ONNX_MODEL_GRAPH, graph->data, graph->size, &writer->err));
    akin_status status = writer->status;
    if (status != AKIN_OK) {
        out->size = size;
        if (err)
            *err = writer->err;
        status = akin_error_context(err, status, "writing ONNX");
    }
    onnx_abort(writer);
    return status;
}
