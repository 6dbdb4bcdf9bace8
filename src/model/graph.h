/*
 * A net as two flat lists of steps, over oneDNN: no autograd. Each constructor pushes its forward
 * step, and where the graph learns its backward steps; training is forward, loss, backward, update,
 * refresh. Shapes are fixed when the graph is built, so that nothing is allocated in a step.
 *
 *     graph_create(&g, &options, &err);
 *     int x = graph_input(g, bands, px), y = graph_convolution(g, x, ...), z = ...;
 *     graph_finish(g, &err);            plans memory; tells the first thing that went wrong
 *     graph_refresh(g); graph_forward(g); ... graph_backward(g);
 *
 * A buffer lives from the step that writes it to the last that reads it; buffers that do not live at
 * the same time share memory. One thread works on a graph at a time, and it alone: oneDNN's own
 * threads (OpenMP) are never used, a replica a core is faster and does not spin (MODEL.md).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_GRAPH_H
#define MODEL_GRAPH_H

#include <stdbool.h>

#include "akin/core.h"

#define GRAPH_NORM_EPSILON 1e-5f /* of batch normalisation, as PyTorch */

enum graph_dtype { GRAPH_F32, GRAPH_BF16 };

struct graph_options {
    uint32_t batch;
    enum graph_dtype dtype; /* of activations and blocked weights; masters are f32 */
    bool training;
    /* Lays tensors in bundles of 32 images, where that is fast (graph_bundles): convolutions have
     * multiples of 32 channels. */
    bool bundled;
    /* Flat vectors, borrowed; their layout is the caller's, constructors get offsets. gradients may
     * be NULL where the graph does not learn. */
    float *parameters, *gradients, *statistics;
};

struct graph;

akin_status graph_create(struct graph **out, const struct graph_options *options, akin_error *err);
void graph_free(struct graph *graph);
/* Whether this CPU has instructions for it; f32 always. */
bool graph_has_dtype(enum graph_dtype dtype);
/* Whether graphs of that type may lie in bundles here: then a batch of 32 costs as much as one. */
bool graph_bundles(enum graph_dtype dtype);
/* Whether 8 bits are faster than floats here. */
bool graph_int8_pays(void);

/* Constructors return the new tensor's number. After a failure they return -1, take -1 and do
 * nothing: graph_finish tells. */

/* (batch, bands, px, px) f32, plain nchw: fill it through graph_data. */
int graph_input(struct graph *graph, uint32_t bands, uint32_t px);
/* No bias, padding k / 2. weight is the offset of (out, in, k, k) in the parameters. `adds`: x has
 * another reader, pushed later, which leaves a gradient to which this one's is added (a block's
 * shortcut is pushed before its convolutions). */
int graph_convolution(struct graph *graph, int x, size_t weight, uint32_t out, uint32_t k,
                      uint32_t stride, bool adds);
struct graph_norm {
    size_t scale, shift;   /* offsets in parameters */
    size_t mean, variance; /* offsets in statistics */
};
/* Batch normalisation by the batch's statistics, which move the running ones by graph_set_momentum
 * (Ioffe and Szegedy, ICML 2015; eps 1e-5, unbiased running variance as PyTorch). */
int graph_batch_norm(struct graph *graph, int x, const struct graph_norm *norm, bool relu);
/* The other way to a block's end: pushed before its convolutions, its gradient is added to x's. */
int graph_shortcut(struct graph *graph, int x);
/* relu(a + b); a and b have no other reader. */
int graph_add_relu(struct graph *graph, int a, int b);
int graph_max_pool(struct graph *graph, int x); /* 3x3, stride 2, padding 1 */
int graph_mean(struct graph *graph, int x);     /* over the map -> (batch, channels, 1, 1) f32 */
int graph_linear(struct graph *graph, int x, size_t weight, uint32_t out);

/* For encoding: relu(convolution + bias [+ shortcut]) in one step. Offsets of (out, in, k, k) and
 * (out) in the parameters; add_to is the shortcut, which is written over, or -1. */
struct graph_folded {
    size_t weight, bias;
    uint32_t out, k, stride;
    bool relu;
};
int graph_folded(struct graph *graph, int x, const struct graph_folded *at, int add_to);
/* For encoding in 8 bits. A range is the largest value of a tensor: where the graph holds floats,
 * *range becomes the larger of itself and what x has in each forward pass (borrowed); a tensor of u8
 * is made from floats that are not below 0; after that convolutions stay in 8 bits. Weights and bias
 * are taken from the parameters as they are now. */
void graph_measure_range(struct graph *graph, int x, float *range);
int graph_quantise(struct graph *graph, int x, float range);
int graph_folded_int8(struct graph *graph, int x, const struct graph_folded *at, int add_to,
                      float range);
/* The tensor's values stay until the end of the forward pass. */
void graph_keep(struct graph *graph, int tensor);

/* `output` is whose gradient starts the backward pass, -1 where none does. */
akin_status graph_finish(struct graph *graph, int output, akin_error *err);
size_t graph_bytes(const struct graph *graph); /* activations, gradients, blocked weights */

/* Input or output values, (batch, ...) f32; lasts as long as the graph. */
float *graph_data(struct graph *graph, int tensor);
float *graph_gradient(struct graph *graph, int tensor);       /* of `output` */
void graph_set_momentum(struct graph *graph, float momentum); /* share of the new; 0 = none */
/* Later forward passes of a graph that encodes need only give the first `images` of the batch; it
 * takes less time where that saves a bundle. */
void graph_set_images(struct graph *graph, uint32_t images);

void graph_map_size(const struct graph *graph, int tensor, uint32_t *channels, uint32_t *px);
/* One image of a kept tensor as plain f32: out (px, px, channels). */
void graph_read_map(const struct graph *graph, int tensor, size_t n, float *out);

akin_status graph_refresh(struct graph *graph, akin_error *err); /* blocked weights <- parameters */
akin_status graph_forward(struct graph *graph, akin_error *err);
akin_status graph_backward(struct graph *graph, akin_error *err); /* gradients are overwritten */

#endif
