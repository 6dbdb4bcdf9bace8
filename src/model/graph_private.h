/*
 * Inside a graph: tensors, the buffers they lie in, steps, and the plan of memory (graph.c); the
 * operations over oneDNN (graph_ops.c, graph_infer.c, graph_int8.c) or over kernels of our own
 * (graph_winograd.c, graph_bundle*.c). Only these files know oneDNN.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_GRAPH_PRIVATE_H
#define MODEL_GRAPH_PRIVATE_H

#include <dnnl.h>
#include <string.h>

#include "akin/vec.h"
#include "graph.h"

#define GRAPH_STEPS_MAX 512
#define GRAPH_BLOCKS_MAX 1024
#define GRAPH_TENSORS_MAX 256
#define GRAPH_BUFFERS_MAX 768
#define GRAPH_ARGS_MAX 10
#define GRAPH_FREED_MAX 2048 /* primitives and memories to destroy at the end */

typedef dnnl_memory_desc_t graph_md;

/* A piece of the arena. It lives from its first use to its last, or always where it is kept. */
struct graph_buffer {
    size_t bytes, offset;
    int alias;       /* the buffer that this one is another name of; -1 = none */
    int first, last; /* steps, forward and then backward; -1 = unused */
    bool kept;
};

/* How a normalised tensor is made again for the backward pass, so that it need not be kept. */
struct graph_again {
    int x; /* the tensor it is made from, which is kept anyway; -1 = cannot be */
    int mean, variance;
    graph_md channels;
    dnnl_memory_t scale, shift;
    unsigned flags;
};

struct graph_tensor {
    graph_md md;
    struct graph_again again;
    int value, gradient; /* buffers; the gradient is -1 until someone needs it */
    bool learns;         /* false for the input: nobody wants its gradient */
    /* In bundles (graph_bundle.h). A normalised one knows what it is made from and how: `value` is
     * written only where a relu follows. */
    bool bundled;
    bool shared;      /* a shortcut has left a gradient to which the next one's is added */
    int from, normal; /* tensor, buffer of the norm; -1 = not normalised */
    int sums;         /* buffer: of its channels, as it was written */
    int picture;      /* buffer: the input's */
    struct graph_norm norm;
    float unit; /* of u8 and s8: what a step is worth; else 0 */
    uint32_t n, c, h, w;
};

/* What a step reads or writes: a buffer seen through a description. oneDNN arguments have a memory
 * and an id; arguments of our own functions only their place in the list. */
struct graph_arg {
    int id;
    int buffer; /* -1: the memory has its data already */
    dnnl_memory_t memory;
};

struct graph_step {
    const char *name;
    dnnl_primitive_t primitive; /* or run */
    void (*run)(struct graph *graph, const struct graph_step *step);
    struct graph_arg args[GRAPH_ARGS_MAX];
    int arg_count;
    size_t count;       /* run: elements, rows, ... */
    size_t in, out;     /* run: channels */
    int x, y;           /* run: tensors, where their layout matters */
    uint32_t k, stride; /* run: of a convolution */
    const float *from;  /* run: parameters or statistics */
    float *to;          /* run: gradients or statistics */
    enum graph_dtype dtype;
    const struct winograd *plan; /* run: winograd's */
    /* run: of bundles */
    const struct bundle_plan *bundle;
    const struct bundle_weight_plan *bundle_weights;
    const struct bundle_picture *picture;
    const struct bundle_links *links;
    struct graph_norm norm, other_norm;
    struct akin_square_end end;
    bool turned;
};

struct graph_list {
    struct graph_step steps[GRAPH_STEPS_MAX];
    int count;
};

struct graph {
    struct graph_options options;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_data_type_t dtype;
    const struct akin_bundle_kernels *bundle; /* NULL: oneDNN's layouts */
    struct graph_tensor tensors[GRAPH_TENSORS_MAX];
    int tensor_count;
    struct graph_buffer buffers[GRAPH_BUFFERS_MAX];
    int buffer_count;
    struct graph_list forward, backward, refresh; /* backward is run from its end */
    dnnl_memory_t memories[GRAPH_FREED_MAX];
    size_t memory_count;
    void *blocks[GRAPH_BLOCKS_MAX]; /* weights in their layouts, plans: owned, live always */
    size_t block_count, block_bytes;
    void *arena;
    size_t arena_bytes;
    float momentum;
    uint32_t images;           /* of a forward pass: the first so many of the batch */
    struct graph_step nowhere; /* what is pushed after a failure */
    akin_status status;        /* of building: the first failure */
    akin_error error;
};

/* ---- graph.c ---- */

/* Records a failure of building; later constructors do nothing. Returns -1. */
int graph_fail(struct graph *graph, akin_status status, const char *format, ...) AKIN_PRINTF(3, 4);
/* True where oneDNN said success; else records which call it was. */
bool graph_ok(struct graph *graph, dnnl_status_t status, const char *what);
int graph_buffer(struct graph *graph, size_t bytes);
/* A new tensor with a value buffer; -1 after a failure. */
int graph_tensor(struct graph *graph, const graph_md *md);
/* The buffer of a tensor's gradient, made at need. */
int graph_gradient_buffer(struct graph *graph, int tensor);
struct graph_step *graph_push(struct graph *graph, struct graph_list *list, const char *name);
/* The second buffer becomes another name of the first: whoever writes one writes both. */
void graph_alias(struct graph *graph, int buffer, int other);
void *graph_buffer_data(const struct graph *graph, int buffer); /* once it is placed */
/* An argument that lies in a buffer, or (memory) has its own data. */
void graph_arg(struct graph *graph, struct graph_step *step, int id, const graph_md *md,
               int buffer);
void graph_arg_memory(struct graph *graph, struct graph_step *step, int id, dnnl_memory_t memory);
/* A memory over `data`, freed with the graph. */
dnnl_memory_t graph_memory(struct graph *graph, const graph_md *md, void *data);
/* The same over fresh memory that lives as long as the graph. */
dnnl_memory_t graph_block(struct graph *graph, const graph_md *md);
/* Whether oneDNN would run its reference code, which is there to be right and not to be fast. */
bool graph_is_reference(const_dnnl_primitive_desc_t desc);
/* Fresh memory that lives as long as the graph; NULL after a failure. */
void *graph_own(struct graph *graph, size_t bytes);
/* Makes the step's primitive from a description and frees that; refuses implementations that are
 * only oneDNN's reference (they take a hundred times as long) where `fast`. */
void graph_primitive(struct graph *graph, struct graph_step *step, dnnl_primitive_desc_t desc,
                     bool fast);
/* A step that copies `from` to `to` in another layout or type. */
struct graph_step *graph_reorder(struct graph *graph, struct graph_list *list, const char *name,
                                 const graph_md *from, const graph_md *to);
graph_md graph_md_of(struct graph *graph, uint32_t rank, const uint32_t *dims,
                     dnnl_data_type_t dtype, dnnl_format_tag_t tag);
size_t graph_elements(const graph_md *md); /* with padding */

/* bf16 by its bits. */
static inline float graph_widen(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* Round to nearest even; NaN stays NaN. */
static inline uint16_t graph_narrow(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* How a blocked layout (n, c / block, h, w, block) is walked. */
struct graph_walk {
    const void *data;
    graph_md md;
    size_t block;
    bool wide;  /* bf16 */
    float unit; /* of u8; else 0 */
};

struct graph_walk graph_walk_of(const struct graph *graph, const graph_md *md, int buffer);
/* All channels of one pixel, side by side, as f32. */
void graph_read_pixel(const struct graph_walk *walk, size_t n, size_t h, size_t w, float *out);

/* ---- graph_ops.c ---- */

/* x in the layout that a convolution asked for. */
int graph_convert(struct graph *graph, int x, const graph_md *md);
/* A copy of the parameters at `from` (laid out as `plain`) in oneDNN's layout and type, made anew by
 * graph_refresh. */
dnnl_memory_t graph_blocked_weights(struct graph *graph, const graph_md *plain, float *from,
                                    const graph_md *md);

/* The buffer for a data gradient of x: x's own, or, where it adds to what is there, one whose sum
 * with it is pushed here. */
int graph_sum_target(struct graph *graph, int x, bool adds);

/* ---- graph_winograd.c ---- */

bool graph_winograd_fits(const struct graph *graph, int x, uint32_t out, uint32_t k,
                         uint32_t stride);
/* The forward step; `weight` is the offset of the plain weights. Returns the result. */
int graph_winograd(struct graph *graph, int x, size_t weight, uint32_t out);
/* The backward steps; `from` holds the values of x. */
void graph_winograd_gradients(struct graph *graph, int x, int from, int y, size_t weight,
                              bool adds);
/* With bias, relu and shortcut: see graph_folded. */
int graph_winograd_folded(struct graph *graph, int x, const struct graph_folded *at, int add_to);

/* ---- graph_columns.c ---- */

/* The step for a convolution's weight gradient: x its input, whose values are in `from`, y its
 * result; `plain` describes the weights, `to` receives their gradient. */
void graph_column_weight_gradient(struct graph *graph, int x, int from, int y,
                                  const graph_md *plain, dnnl_dim_t stride, float *to);

#endif
