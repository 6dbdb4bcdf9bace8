/*
 * A plain convolutional network out of an ONNX graph: a list of steps with their sizes settled and
 * their weights at hand, ready for an engine that knows nothing of ONNX. Operators that are not
 * among these, and options of theirs that such networks do not use (groups, dilations, other
 * padding), are refused by name: ONNX Runtime runs those (ort.h).
 *
 * All values are (n, c, h, w), or (n, c) once flattened; what is given here is of one image.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_ONNX_NET_H
#define MODEL_ONNX_NET_H

#include "onnx_read.h"

#define ONNX_STEPS_MAX 1024
#define ONNX_SIDE_MAX 65536 /* of a value: channels, rows or columns */

/* ONNX's operator, ours */
#define ONNX_OPS(X)                                                                                \
    X(Conv, CONV)               /* weight (c_out, c_in, kernel), bias (c_out) */                   \
    X(BatchNormalization, NORM) /* x * weight + bias, by channel */                                \
    X(Relu, RELU)                                                                                  \
    X(Add, ADD)                /* of two values of one shape */                                    \
    X(MaxPool, MAX_POOL)       /* what is padded counts for nothing */                             \
    X(GlobalAveragePool, MEAN) /* over rows and columns */                                         \
    X(ReduceMean, MEAN_FLAT)   /* the same, and flat */                                            \
    X(Flatten, FLATTEN)                                                                            \
    X(Gemm, LINEAR) /* weight (c_out, c_in), bias (c_out) */

enum onnx_op {
#define X(name, op) ONNX_OP_##op,
    ONNX_OPS(X)
#undef X
        ONNX_OP_COUNT
};

struct onnx_shape {
    uint32_t c, h, w;
    bool flat; /* (n, c): h and w are 1 */
};

struct onnx_step {
    enum onnx_op op;
    uint32_t in[2], out; /* numbers of values; in[1] of ADD only */
    uint32_t kernel[2], stride[2];
    uint32_t pad[4];            /* top, left, bottom, right */
    const float *weight, *bias; /* owned by the net; bias zeros where the file has none */
};

struct onnx_net {
    struct onnx_step steps[ONNX_STEPS_MAX];
    struct onnx_shape shapes[ONNX_STEPS_MAX + 1]; /* of the values; the image is value 0 */
    size_t step_count;
    uint32_t output; /* number of the value */
    akin_arena *arena;
};

/* The net that gives the graph's first output. input_px: where the file leaves the size open, else
 * 0 or the same. AKIN_ERR_UNSUPPORTED names the operator; AKIN_ERR_CORRUPT where sizes do not fit
 * each other. The graph is not needed afterwards. */
akin_status onnx_net_create(struct onnx_net **out, const struct onnx_graph *graph,
                            uint32_t input_px, akin_error *err);
void onnx_net_free(struct onnx_net *net);

#endif
