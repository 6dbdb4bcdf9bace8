/*
 * Reads an .onnx file from anywhere: which operators it uses, what goes in and out, its weights.
 * Everything is bounded and checked; nothing of the network is run here. ONNX Runtime runs any file
 * (ort.h); this reader is for a look at one, and for plain networks on our own engine
 * (onnx_net.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_ONNX_READ_H
#define MODEL_ONNX_READ_H

#include "onnx.h"

#define ONNX_NODES_MAX 65536 /* and as many initialisers */
#define ONNX_LINKS_MAX 256   /* inputs, or outputs, of a node */

struct onnx_tensor {
    const char *name;
    int element; /* enum onnx_element, or a number that is none of those */
    uint32_t rank;
    int64_t dims[ONNX_RANK_MAX];
    size_t count; /* of elements */
    /* As stored, perhaps unaligned, borrowed from the file; NULL where the numbers are in a way
     * that akin does not read: `why` says so. */
    const unsigned char *data;
    size_t bytes;
    bool packed_varints; /* int64 as a packed list */
    const char *why;
};

struct onnx_value {
    const char *name;
    int element;
    uint32_t rank;
    int64_t dims[ONNX_RANK_MAX]; /* -1: open */
    bool has_shape;
};

struct onnx_node {
    const char *op, *name; /* name may be "" */
    const char *domain;    /* "" for ONNX's own operators */
    uint32_t input_count, output_count, attribute_count;
    const char *const *inputs; /* "" for one that is left out */
    const char *const *outputs;
    const struct onnx_attribute *attributes;
};

struct onnx_graph {
    char *what; /* names the file in errors */
    akin_arena *arena;
    int64_t ir_version, opset;
    const char *producer;
    struct onnx_node *nodes;
    size_t node_count;
    struct onnx_tensor *tensors; /* sorted by name */
    size_t tensor_count;
    struct onnx_value *inputs, *outputs; /* inputs that are initialisers, too, left out */
    size_t input_count, output_count;
};

/* Reads a graph out of bytes that stay the caller's and are needed until the graph is freed;
 * `what` names them in errors. AKIN_ERR_CORRUPT: not ONNX, or damaged; AKIN_ERR_LIMIT. */
akin_status onnx_parse(struct onnx_graph **out, const void *bytes, size_t size, const char *what,
                       akin_error *err);
void onnx_free(struct onnx_graph *graph);

/* NULL where there is none of this name. */
const struct onnx_tensor *onnx_find_tensor(const struct onnx_graph *graph, const char *name);
const struct onnx_attribute *onnx_find_attribute(const struct onnx_node *node, const char *name);
/* A tensor's numbers, out (tensor->count); AKIN_ERR_UNSUPPORTED where it is of another type or
 * lies in another file. */
akin_status onnx_floats(const struct onnx_graph *graph, const struct onnx_tensor *tensor,
                        float *out, akin_error *err);
akin_status onnx_integers(const struct onnx_graph *graph, const struct onnx_tensor *tensor,
                          int64_t *out, akin_error *err);
/* The operators in use, sorted, each once: "Add, Conv, Relu". Cut off at `size`. */
void onnx_operators(const struct onnx_graph *graph, char *out, size_t size);

#endif
