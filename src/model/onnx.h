/*
 * What ONNX's files are made of (onnx.proto, ONNX 1.8: IR version 7, operators of opset 13): the
 * field numbers, shared by the writer and the reader so that no number stands twice, and an
 * operator's attributes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_ONNX_H
#define MODEL_ONNX_H

#include "akin/core.h"

#define ONNX_IR_VERSION 7
#define ONNX_OPSET 13
#define ONNX_RANK_MAX 8
#define ONNX_BYTES_MAX ((size_t)INT32_MAX) /* protobuf's own limit */

enum { ONNX_MODEL_IR = 1, ONNX_MODEL_PRODUCER, ONNX_MODEL_PRODUCER_VERSION };
enum { ONNX_MODEL_GRAPH = 7, ONNX_MODEL_OPSET = 8, ONNX_MODEL_METADATA = 14 };
enum { ONNX_ENTRY_KEY = 1, ONNX_ENTRY_VALUE };
enum { ONNX_OPSET_DOMAIN = 1, ONNX_OPSET_VERSION };
enum {
    ONNX_GRAPH_NODE = 1,
    ONNX_GRAPH_NAME = 2,
    ONNX_GRAPH_INITIALIZER = 5,
    ONNX_GRAPH_INPUT = 11,
    ONNX_GRAPH_OUTPUT = 12,
    ONNX_GRAPH_SPARSE = 15
};
enum {
    ONNX_NODE_INPUT = 1,
    ONNX_NODE_OUTPUT,
    ONNX_NODE_NAME,
    ONNX_NODE_OP,
    ONNX_NODE_ATTRIBUTE,
    ONNX_NODE_DOMAIN = 7
};
enum {
    ONNX_ATTRIBUTE_NAME = 1,
    ONNX_ATTRIBUTE_F = 2,
    ONNX_ATTRIBUTE_I = 3,
    ONNX_ATTRIBUTE_S = 4,
    ONNX_ATTRIBUTE_T = 5,
    ONNX_ATTRIBUTE_INTS = 8,
    ONNX_ATTRIBUTE_TYPE = 20
};
enum {
    ONNX_TENSOR_DIMS = 1,
    ONNX_TENSOR_TYPE = 2,
    ONNX_TENSOR_FLOATS = 4,
    ONNX_TENSOR_INT64S = 7,
    ONNX_TENSOR_NAME = 8,
    ONNX_TENSOR_RAW = 9,
    ONNX_TENSOR_LOCATION = 14
};
enum { ONNX_VALUE_NAME = 1, ONNX_VALUE_TYPE };
enum { ONNX_TYPE_TENSOR = 1 };
enum { ONNX_TENSOR_TYPE_ELEMENT = 1, ONNX_TENSOR_TYPE_SHAPE };
enum { ONNX_SHAPE_DIM = 1 };
enum { ONNX_DIM_VALUE = 1, ONNX_DIM_PARAM };

/* TensorProto.DataType; the same numbers in ONNX Runtime. */
enum onnx_element {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_BOOL = 9,
    ONNX_FLOAT16 = 10,
    ONNX_DOUBLE = 11,
    ONNX_BFLOAT16 = 16
};
/* "float32" and so on; "type 99" is "another type". */
const char *onnx_element_name(int element);

struct onnx_tensor;

/* AttributeProto.AttributeType; one that is none of these is kept as its number. */
enum onnx_attribute_type {
    ONNX_ATTRIBUTE_NONE = 0,
    ONNX_ATTRIBUTE_FLOAT = 1,
    ONNX_ATTRIBUTE_INT = 2,
    ONNX_ATTRIBUTE_STRING = 3,
    ONNX_ATTRIBUTE_TENSOR = 4,
    ONNX_ATTRIBUTE_LIST = 7 /* INTS */
};

struct onnx_attribute {
    const char *name;
    enum onnx_attribute_type type;
    int64_t i;
    float f;
    const char *s;
    uint32_t count; /* of ints */
    int64_t ints[ONNX_RANK_MAX];
    const struct onnx_tensor *tensor; /* read only */
};

#endif
