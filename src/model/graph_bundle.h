/*
 * Graphs in bf16 whose tensors lie in bundles (akin/vec/bundle.h), where this CPU has matrix tiles:
 * the same operations as oneDNN's (graph_ops.c, graph_infer.c), of kernels of our own. Measured with
 * AMX: a convolution of ResNet-18 takes a fifth to a twentieth of oneDNN 2.6's time.
 *
 * Nothing is padded, nothing is kept twice: a convolution sums up its channels' statistics while it
 * writes, a normalised tensor is made again where its gradient needs it, the end of a block is one
 * pass forward and two backward.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_GRAPH_BUNDLE_H
#define MODEL_GRAPH_BUNDLE_H

#include "graph_private.h"

/* A convolution, or a pooling, as positions that are linked by taps. */
struct bundle_shape {
    uint32_t in_px, out_px, side, stride; /* padding side / 2 */
};

enum bundle_order {
    BUNDLE_FORWARD, /* by position of the result: {of the input, tap} */
    BUNDLE_BACK,    /* by position of the input: {of the result, tap} */
    BUNDLE_TAPS     /* by tap: {of the input, of the result} */
};

/* Links in groups: those of group g are links[start[g]] to links[start[g + 1]]. */
struct bundle_links {
    uint32_t *start;
    struct akin_link *links;
    size_t groups;
};

/* One direction of one convolution. Steps are of elements. */
struct bundle_plan {
    struct bundle_links links;
    uint32_t in, out; /* channels of what is read and of what is written */
    size_t depth, taps;
    size_t positions;               /* of what is written */
    size_t x_step, x_row, x_bundle; /* from position, image, bundle to the next */
    akin_bf16 *weights;             /* owned by the graph; made by graph_refresh */
    int8_t *weights8;               /* in 8 bits, made once */
    const float *scale, *bias;      /* in 8 bits: as akin_bundle_end8 */
};

struct bundle_weight_plan {
    struct bundle_links links; /* by tap */
    uint32_t in, out;          /* multiples of 32; in of the stem: elements of a patch's row */
    uint32_t plain_in, side;
    size_t in_positions, positions, taps, bundles_at_once;
    bool stem;
    size_t x_row, x_bundle; /* stem: of the picture */
};

size_t bundle_count(const struct graph *graph);
/* Images of that bundle. */
size_t bundle_images(const struct graph *graph, size_t bundle);
/* A tensor in bundles, of `px` x `px` positions; of bytes with what convolve8 reads behind them. */
int bundle_tensor(struct graph *graph, uint32_t c, uint32_t px);
int bundle_tensor8(struct graph *graph, uint32_t c, uint32_t px, float unit, bool is_signed);
/* Owned by the graph; false after a failure. */
bool bundle_link(struct graph *graph, struct bundle_links *out, const struct bundle_shape *shape,
                 enum bundle_order order);
/* The step that runs a plan from one buffer to another; its `end` and sums are the caller's. */
struct graph_step *bundle_push(struct graph *graph, struct graph_list *list, const char *name,
                               const struct bundle_plan *plan, int x, int y);

/* graph_convolution and graph_folded of a bundled graph; at->bias counts where `folded`. */
int bundle_convolution(struct graph *graph, int x, const struct graph_folded *at, bool folded,
                       int add_to, bool adds);
/* The same of the input, a picture. */
int bundle_stem(struct graph *graph, int x, const struct graph_folded *at, bool folded);
/* graph_quantise, and graph_folded_int8 after its weights have been brought to steps: those (out, in,
 * k, k), and what makes a step of the result, of `unit`, of a sum (out). */
int bundle_quantise(struct graph *graph, int x, float unit);
struct bundle_steps {
    const int8_t *weights;
    const float *scale, *bias;
    float unit;
};
int bundle_convolution8(struct graph *graph, int x, const struct graph_folded *at, int add_to,
                        const struct bundle_steps *steps);
/* The weight gradient; x in buffer `from` or, where it is normalised, before that. */
void bundle_weight_gradient(struct graph *graph, const struct bundle_weight_plan *plan, int x,
                            int y, size_t weight);
int bundle_batch_norm(struct graph *graph, int x, const struct graph_norm *norm, bool relu);
int bundle_shortcut(struct graph *graph, int x);
int bundle_add_relu(struct graph *graph, int a, int b);
int bundle_max_pool(struct graph *graph, int x);
int bundle_mean(struct graph *graph, int x);
void bundle_read_map(const struct graph *graph, int tensor, size_t n, float *out);

#endif
