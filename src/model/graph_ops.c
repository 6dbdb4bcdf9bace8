/*
 * The operations of a net that learns, over oneDNN 2.6 (3.x has another C API: this file and
 * graph_infer.c are what would change).
 *
 * Backward steps are pushed in the reverse of the order in which they run. Where two paths meet in
 * an addition, both get the very same gradient, so their buffers become one (graph_alias) and
 * nothing is copied.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "graph_bundle.h"

/* ---- plain loops over buffers of f32 or bf16 ---- */

/* y = relu(a + b) */
static void run_add_relu(struct graph *graph, const struct graph_step *step)
{
    void *y = graph_buffer_data(graph, step->args[0].buffer);
    const void *a = graph_buffer_data(graph, step->args[1].buffer);
    const void *b = graph_buffer_data(graph, step->args[2].buffer);
    if (step->dtype == GRAPH_F32) {
        float *restrict out = y;
        const float *restrict left = a, *restrict right = b;
        for (size_t i = 0; i < step->count; i++) {
            float sum = left[i] + right[i];
            out[i] = sum > 0 ? sum : 0;
        }
        return;
    }
    uint16_t *restrict out = y;
    const uint16_t *restrict left = a, *restrict right = b;
    for (size_t i = 0; i < step->count; i++) {
        float sum = graph_widen(left[i]) + graph_widen(right[i]);
        out[i] = graph_narrow(sum > 0 ? sum : 0);
    }
}

/* g = 0 where y is not above 0 */
static void run_mask(struct graph *graph, const struct graph_step *step)
{
    void *gradient = graph_buffer_data(graph, step->args[0].buffer);
    const void *value = graph_buffer_data(graph, step->args[1].buffer);
    if (step->dtype == GRAPH_F32) {
        float *restrict g = gradient;
        const float *restrict y = value;
        for (size_t i = 0; i < step->count; i++)
            g[i] = y[i] > 0 ? g[i] : 0;
        return;
    }
    uint16_t *restrict g = gradient;
    const uint16_t *restrict y = value;
    for (size_t i = 0; i < step->count; i++)
        g[i] = y[i] && !(y[i] >> 15) ? g[i] : 0;
}

/* g += d */
static void run_accumulate(struct graph *graph, const struct graph_step *step)
{
    void *to = graph_buffer_data(graph, step->args[0].buffer);
    const void *from = graph_buffer_data(graph, step->args[1].buffer);
    if (step->dtype == GRAPH_F32) {
        float *restrict g = to;
        const float *restrict d = from;
        for (size_t i = 0; i < step->count; i++)
            g[i] += d[i];
        return;
    }
    uint16_t *restrict g = to;
    const uint16_t *restrict d = from;
    for (size_t i = 0; i < step->count; i++)
        g[i] = graph_narrow(graph_widen(g[i]) + graph_widen(d[i]));
}

static void push_loop(struct graph *graph, struct graph_list *list, const char *name,
                      void (*run)(struct graph *, const struct graph_step *), const graph_md *md,
                      const int *buffers, int count)
{
    struct graph_step *step = graph_push(graph, list, name);
    step->run = run;
    step->count = graph_elements(md);
    step->dtype = md->data_type == dnnl_bf16 ? GRAPH_BF16 : GRAPH_F32;
    for (int i = 0; i < count; i++)
        graph_arg(graph, step, 0, md, buffers[i]);
}

/* ---- input ---- */

int graph_input(struct graph *graph, uint32_t bands, uint32_t px)
{
    const uint32_t dims[4] = {graph->options.batch, bands, px, px};
    graph_md md = graph_md_of(graph, 4, dims, dnnl_f32, dnnl_nchw);
    int x = graph_tensor(graph, &md);
    if (x >= 0)
        graph->buffers[graph->tensors[x].value].kept = true;
    return x;
}

int graph_convert(struct graph *graph, int x, const graph_md *md)
{
    const graph_md from = graph->tensors[x].md;
    if (dnnl_memory_desc_equal(&from, md))
        return x;
    int y = graph_tensor(graph, md);
    if (y < 0)
        return -1;
    struct graph_step *step = graph_reorder(graph, &graph->forward, "layout", &from, md);
    graph_arg(graph, step, DNNL_ARG_FROM, &from, graph->tensors[x].value);
    graph_arg(graph, step, DNNL_ARG_TO, md, graph->tensors[y].value);
    graph->tensors[y].learns = graph->tensors[x].learns;
    return y;
}

/* ---- convolution ---- */

struct convolution {
    graph_md source, weights, plain, result; /* as oneDNN chose; plain: (out, in, k, k) f32 */
    graph_md any_weights;
    dnnl_dims_t stride, padding;
    dnnl_primitive_desc_t forward; /* a hint for the backward ones */
    size_t offset;
};

static void choose_layouts(struct graph *graph, struct convolution *it, int x, uint32_t out,
                           uint32_t k, uint32_t stride)
{
    const struct graph_tensor *in = &graph->tensors[x];
    const uint32_t px = (in->h + 2 * (k / 2) - k) / stride + 1;
    const uint32_t sizes[4] = {in->n, in->c, in->h, in->w}, kernel[4] = {out, in->c, k, k},
                   result[4] = {in->n, out, px, px};
    graph_md source = in->md, target;
    if (!in->learns) /* pictures come as they are: let oneDNN say what it likes */
        source = graph_md_of(graph, 4, sizes, graph->dtype, dnnl_format_tag_any);
    it->any_weights = graph_md_of(graph, 4, kernel, graph->dtype, dnnl_format_tag_any);
    it->plain = graph_md_of(graph, 4, kernel, dnnl_f32, dnnl_oihw);
    target = graph_md_of(graph, 4, result, graph->dtype, dnnl_format_tag_any);
    for (int i = 0; i < 2; i++) {
        it->stride[i] = stride;
        it->padding[i] = k / 2;
    }
    dnnl_convolution_desc_t desc;
    if (graph->status != AKIN_OK ||
        !graph_ok(graph,
                  dnnl_convolution_forward_desc_init(
                      &desc, dnnl_forward_training, dnnl_convolution_direct, &source,
                      &it->any_weights, NULL, &target, it->stride, it->padding, it->padding),
                  "a convolution") ||
        !graph_ok(graph, dnnl_primitive_desc_create(&it->forward, &desc, NULL, graph->engine, NULL),
                  "a convolution"))
        return;
    it->source = *dnnl_primitive_desc_query_md(it->forward, dnnl_query_src_md, 0);
    it->weights = *dnnl_primitive_desc_query_md(it->forward, dnnl_query_weights_md, 0);
    it->result = *dnnl_primitive_desc_query_md(it->forward, dnnl_query_dst_md, 0);
}

dnnl_memory_t graph_blocked_weights(struct graph *graph, const graph_md *plain, float *from,
                                    const graph_md *md)
{
    dnnl_memory_t blocked = graph_block(graph, md);
    struct graph_step *step = graph_reorder(graph, &graph->refresh, "weights", plain, md);
    graph_arg_memory(graph, step, DNNL_ARG_FROM, graph_memory(graph, plain, from));
    graph_arg_memory(graph, step, DNNL_ARG_TO, blocked);
    return blocked;
}

/* Normalises x once more, by the statistics it had, into `buffer`: pushed after the steps that read
 * it, so that it runs before them. A pass over memory, where keeping every normalised tensor would
 * take a third more of it. */
static void push_again(struct graph *graph, const struct graph_tensor *tensor, int buffer)
{
    const struct graph_again *again = &tensor->again;
    dnnl_batch_normalization_desc_t desc;
    dnnl_primitive_desc_t chosen = NULL;
    if (graph->status != AKIN_OK ||
        !graph_ok(graph,
                  dnnl_batch_normalization_forward_desc_init(&desc, dnnl_forward_inference,
                                                             &tensor->md, GRAPH_NORM_EPSILON,
                                                             again->flags | dnnl_use_global_stats),
                  "batch normalisation") ||
        !graph_ok(graph, dnnl_primitive_desc_create(&chosen, &desc, NULL, graph->engine, NULL),
                  "batch normalisation"))
        return;
    struct graph_step *step = graph_push(graph, &graph->backward, "norm again");
    graph_primitive(graph, step, chosen, true);
    graph_arg(graph, step, DNNL_ARG_SRC, &tensor->md, graph->tensors[again->x].value);
    graph_arg(graph, step, DNNL_ARG_DST, &tensor->md, buffer);
    graph_arg(graph, step, DNNL_ARG_MEAN, &again->channels, again->mean);
    graph_arg(graph, step, DNNL_ARG_VARIANCE, &again->channels, again->variance);
    graph_arg_memory(graph, step, DNNL_ARG_SCALE, again->scale);
    graph_arg_memory(graph, step, DNNL_ARG_SHIFT, again->shift);
}

/* `from` holds the values of x. */
static void push_weight_gradient(struct graph *graph, const struct convolution *it, int x, int from,
                                 int y)
{
    graph_md any = it->any_weights;
    dnnl_convolution_desc_t desc;
    dnnl_primitive_desc_t chosen = NULL;
    any.data_type = dnnl_f32;
    if (graph->status != AKIN_OK)
        return;
    if (!graph_ok(graph,
                  dnnl_convolution_backward_weights_desc_init(&desc, dnnl_convolution_direct,
                                                              &it->source, &any, NULL, &it->result,
                                                              it->stride, it->padding, it->padding),
                  "a convolution's weight gradient") ||
        !graph_ok(graph,
                  dnnl_primitive_desc_create(&chosen, &desc, NULL, graph->engine, it->forward),
                  "a convolution's weight gradient"))
        return;
    if (graph_is_reference(chosen)) {
        dnnl_primitive_desc_destroy(chosen);
        graph_column_weight_gradient(graph, x, from, y, &it->plain, it->stride[0],
                                     graph->options.gradients + it->offset);
        return;
    }
    graph_md blocked = *dnnl_primitive_desc_query_md(chosen, dnnl_query_diff_weights_md, 0);
    int buffer = graph_buffer(graph, dnnl_memory_desc_get_size(&blocked));
    struct graph_step *plain =
        graph_reorder(graph, &graph->backward, "plain weight gradient", &blocked, &it->plain);
    graph_arg(graph, plain, DNNL_ARG_FROM, &blocked, buffer);
    graph_arg_memory(graph, plain, DNNL_ARG_TO,
                     graph_memory(graph, &it->plain, graph->options.gradients + it->offset));
    struct graph_step *step = graph_push(graph, &graph->backward, "weight gradient");
    graph_primitive(graph, step, chosen, true);
    graph_arg(graph, step, DNNL_ARG_SRC, &it->source, from);
    graph_arg(graph, step, DNNL_ARG_DIFF_DST, &it->result, graph_gradient_buffer(graph, y));
    graph_arg(graph, step, DNNL_ARG_DIFF_WEIGHTS, &blocked, buffer);
}

int graph_sum_target(struct graph *graph, int x, bool adds)
{
    const graph_md md = graph->tensors[x].md;
    int gradient = graph_gradient_buffer(graph, x);
    if (!adds)
        return gradient;
    int part = graph_buffer(graph, dnnl_memory_desc_get_size(&md));
    push_loop(graph, &graph->backward, "gradient sum", run_accumulate, &md,
              (const int[2]){gradient, part}, 2);
    return part;
}

static void push_data_gradient(struct graph *graph, const struct convolution *it,
                               dnnl_memory_t forward_weights, int x, int y, bool adds)
{
    dnnl_convolution_desc_t desc;
    dnnl_primitive_desc_t chosen = NULL;
    if (graph->status != AKIN_OK ||
        !graph_ok(graph,
                  dnnl_convolution_backward_data_desc_init(
                      &desc, dnnl_convolution_direct, &it->source, &it->any_weights, &it->result,
                      it->stride, it->padding, it->padding),
                  "a convolution's data gradient") ||
        !graph_ok(graph,
                  dnnl_primitive_desc_create(&chosen, &desc, NULL, graph->engine, it->forward),
                  "a convolution's data gradient"))
        return;
    graph_md md = *dnnl_primitive_desc_query_md(chosen, dnnl_query_weights_md, 0);
    dnnl_memory_t weights =
        dnnl_memory_desc_equal(&md, &it->weights)
            ? forward_weights
            : graph_blocked_weights(graph, &it->plain, graph->options.parameters + it->offset, &md);
    int to = graph_sum_target(graph, x, adds);
    struct graph_step *step = graph_push(graph, &graph->backward, "data gradient");
    graph_primitive(graph, step, chosen, true);
    graph_arg(graph, step, DNNL_ARG_DIFF_DST, &it->result, graph_gradient_buffer(graph, y));
    graph_arg_memory(graph, step, DNNL_ARG_WEIGHTS, weights);
    graph_arg(graph, step, DNNL_ARG_DIFF_SRC, &it->source, to);
}

/* The buffer in which a backward step finds x's values: kept, or made again. */
static int values_for_gradient(struct graph *graph, int x)
{
    const struct graph_tensor *in = &graph->tensors[x];
    return in->again.x < 0 ? in->value : graph_buffer(graph, dnnl_memory_desc_get_size(&in->md));
}

static int winograd(struct graph *graph, int x, size_t weight, uint32_t out, bool adds)
{
    int y = graph_winograd(graph, x, weight, out);
    if (y < 0 || !graph->options.training)
        return y;
    int from = values_for_gradient(graph, x);
    graph_winograd_gradients(graph, x, from, y, weight, adds);
    if (from != graph->tensors[x].value)
        push_again(graph, &graph->tensors[x], from);
    return graph->status == AKIN_OK ? y : -1;
}

/* y = convolution of x by oneDNN; x is in the layout that it asked for. */
static int direct(struct graph *graph, const struct convolution *it, int x, bool adds)
{
    int y = graph_tensor(graph, &it->result);
    if (y < 0) {
        dnnl_primitive_desc_destroy(it->forward);
        return -1;
    }
    graph->tensors[y].learns = true;
    dnnl_memory_t weights = graph_blocked_weights(
        graph, &it->plain, graph->options.parameters + it->offset, &it->weights);
    if (graph->options.training) {
        if (graph->tensors[x].learns)
            push_data_gradient(graph, it, weights, x, y, adds);
        int from = values_for_gradient(graph, x);
        push_weight_gradient(graph, it, x, from, y);
        if (from != graph->tensors[x].value)
            push_again(graph, &graph->tensors[x], from);
    }
    struct graph_step *step = graph_push(graph, &graph->forward, "convolution");
    graph_primitive(graph, step, it->forward, true);
    graph_arg(graph, step, DNNL_ARG_SRC, &it->source, graph->tensors[x].value);
    graph_arg_memory(graph, step, DNNL_ARG_WEIGHTS, weights);
    graph_arg(graph, step, DNNL_ARG_DST, &it->result, graph->tensors[y].value);
    return graph->status == AKIN_OK ? y : -1;
}

int graph_convolution(struct graph *graph, int x, size_t weight, uint32_t out, uint32_t k,
                      uint32_t stride, bool adds)
{
    struct convolution it = {.offset = weight};
    if (x < 0 || graph->status != AKIN_OK)
        return -1;
    if (graph->bundle) {
        const struct graph_folded at = {.weight = weight, .out = out, .k = k, .stride = stride};
        return graph->tensors[x].bundled ? bundle_convolution(graph, x, &at, false, -1, adds)
                                         : bundle_stem(graph, x, &at, false);
    }
    if (graph_winograd_fits(graph, x, out, k, stride))
        return winograd(graph, x, weight, out, adds);
    choose_layouts(graph, &it, x, out, k, stride);
    if (graph->status == AKIN_OK)
        x = graph_convert(graph, x, &it.source);
    if (graph->status == AKIN_OK)
        return direct(graph, &it, x, adds);
    if (it.forward)
        dnnl_primitive_desc_destroy(it.forward);
    return -1;
}

/* ---- batch normalisation ---- */

/* Running statistics follow the batch's. */
static void run_statistics(struct graph *graph, const struct graph_step *step)
{
    const float *mean = graph_buffer_data(graph, step->args[0].buffer);
    const float *variance = graph_buffer_data(graph, step->args[1].buffer);
    float *running_mean = step->to, *running_variance = step->to + step->in;
    float momentum = graph->momentum;
    float unbiased = step->count > 1 ? (float)step->count / (float)(step->count - 1) : 1;
    for (size_t i = 0; i < step->out && momentum > 0; i++) {
        running_mean[i] += momentum * (mean[i] - running_mean[i]);
        running_variance[i] += momentum * (unbiased * variance[i] - running_variance[i]);
    }
}

struct norm {
    graph_md channels, scale_shift;
    dnnl_memory_t scale, shift;
    int mean, variance, marks; /* buffers; marks: where relu let through, or -1 */
    graph_md marks_md;
    unsigned flags;
    dnnl_primitive_desc_t forward;
};

static void push_norm_gradient(struct graph *graph, const struct norm *it,
                               const struct graph_norm *at, int x, int y)
{
    const graph_md *md = &graph->tensors[x].md;
    dnnl_batch_normalization_desc_t desc;
    dnnl_primitive_desc_t chosen = NULL;
    if (graph->status != AKIN_OK ||
        !graph_ok(graph,
                  dnnl_batch_normalization_backward_desc_init(&desc, dnnl_backward, md, md,
                                                              GRAPH_NORM_EPSILON, it->flags),
                  "batch normalisation, backward") ||
        !graph_ok(graph,
                  dnnl_primitive_desc_create(&chosen, &desc, NULL, graph->engine, it->forward),
                  "batch normalisation, backward"))
        return;
    struct graph_step *step = graph_push(graph, &graph->backward, "norm gradient");
    graph_primitive(graph, step, chosen, true);
    graph_arg(graph, step, DNNL_ARG_SRC, md, graph->tensors[x].value);
    graph_arg(graph, step, DNNL_ARG_DIFF_DST, md, graph_gradient_buffer(graph, y));
    graph_arg(graph, step, DNNL_ARG_DIFF_SRC, md, graph_gradient_buffer(graph, x));
    graph_arg(graph, step, DNNL_ARG_MEAN, &it->channels, it->mean);
    graph_arg(graph, step, DNNL_ARG_VARIANCE, &it->channels, it->variance);
    graph_arg_memory(graph, step, DNNL_ARG_SCALE, it->scale);
    graph_arg_memory(graph, step, DNNL_ARG_SHIFT, it->shift);
    float *gradients = graph->options.gradients;
    graph_arg_memory(graph, step, DNNL_ARG_DIFF_SCALE,
                     graph_memory(graph, &it->channels, gradients + at->scale));
    graph_arg_memory(graph, step, DNNL_ARG_DIFF_SHIFT,
                     graph_memory(graph, &it->channels, gradients + at->shift));
    if (it->marks >= 0)
        graph_arg(graph, step, DNNL_ARG_WORKSPACE, &it->marks_md, it->marks);
}

static bool describe_norm(struct graph *graph, struct norm *it, int x, bool relu)
{
    const struct graph_tensor *in = &graph->tensors[x];
    dnnl_batch_normalization_desc_t desc;
    it->flags = dnnl_use_scale | dnnl_use_shift | (relu ? dnnl_fuse_norm_relu : 0u);
    it->channels = graph_md_of(graph, 1, (const uint32_t[1]){in->c}, dnnl_f32, dnnl_a);
    if (graph->status != AKIN_OK ||
        !graph_ok(graph,
                  dnnl_batch_normalization_forward_desc_init(&desc, dnnl_forward_training, &in->md,
                                                             GRAPH_NORM_EPSILON, it->flags),
                  "batch normalisation") ||
        !graph_ok(graph, dnnl_primitive_desc_create(&it->forward, &desc, NULL, graph->engine, NULL),
                  "batch normalisation"))
        return false;
    it->mean = graph_buffer(graph, in->c * sizeof(float));
    it->variance = graph_buffer(graph, in->c * sizeof(float));
    it->marks = -1;
    if (relu) {
        it->marks_md = *dnnl_primitive_desc_query_md(it->forward, dnnl_query_workspace_md, 0);
        it->marks = graph_buffer(graph, dnnl_memory_desc_get_size(&it->marks_md));
    }
    return graph->status == AKIN_OK;
}

int graph_batch_norm(struct graph *graph, int x, const struct graph_norm *at, bool relu)
{
    struct norm it = {0};
    if (x >= 0 && graph->status == AKIN_OK && graph->tensors[x].bundled)
        return bundle_batch_norm(graph, x, at, relu);
    if (x < 0 || !describe_norm(graph, &it, x, relu))
        return -1;
    const struct graph_tensor *in = &graph->tensors[x];
    float *parameters = graph->options.parameters;
    int y = graph_tensor(graph, &in->md);
    it.scale = graph_memory(graph, &it.channels, parameters + at->scale);
    it.shift = graph_memory(graph, &it.channels, parameters + at->shift);
    if (y < 0)
        return -1;
    graph->tensors[y].learns = true;
    if (graph->options.training)
        push_norm_gradient(graph, &it, at, x, y);
    graph->tensors[y].again = (struct graph_again){.x = x,
                                                   .mean = it.mean,
                                                   .variance = it.variance,
                                                   .channels = it.channels,
                                                   .scale = it.scale,
                                                   .shift = it.shift,
                                                   .flags = it.flags};
    struct graph_step *step = graph_push(graph, &graph->forward, "norm");
    graph_primitive(graph, step, it.forward, true);
    graph_arg(graph, step, DNNL_ARG_SRC, &in->md, in->value);
    graph_arg(graph, step, DNNL_ARG_DST, &in->md, graph->tensors[y].value);
    graph_arg(graph, step, DNNL_ARG_MEAN, &it.channels, it.mean);
    graph_arg(graph, step, DNNL_ARG_VARIANCE, &it.channels, it.variance);
    graph_arg_memory(graph, step, DNNL_ARG_SCALE, it.scale);
    graph_arg_memory(graph, step, DNNL_ARG_SHIFT, it.shift);
    if (relu)
        graph_arg(graph, step, DNNL_ARG_WORKSPACE, &it.marks_md, it.marks);
    struct graph_step *running = graph_push(graph, &graph->forward, "running statistics");
    running->run = run_statistics;
    running->count = (size_t)in->n * in->h * in->w;
    running->to = graph->options.statistics + at->mean;
    running->in = at->variance - at->mean;
    running->out = in->c;
    graph_arg(graph, running, 0, &it.channels, it.mean);
    graph_arg(graph, running, 0, &it.channels, it.variance);
    return graph->status == AKIN_OK ? y : -1;
}

/* ---- residual blocks ---- */

int graph_shortcut(struct graph *graph, int x)
{
    if (x < 0 || graph->status != AKIN_OK)
        return -1;
    if (graph->tensors[x].bundled)
        return bundle_shortcut(graph, x);
    const graph_md md = graph->tensors[x].md;
    int y = graph_tensor(graph, &md);
    if (y < 0)
        return -1;
    graph->tensors[y].value = graph->tensors[x].value; /* the same numbers */
    graph->tensors[y].learns = true;
    if (graph->options.training)
        push_loop(graph, &graph->backward, "shortcut gradient", run_accumulate, &md,
                  (const int[2]){graph_gradient_buffer(graph, x), graph_gradient_buffer(graph, y)},
                  2);
    return y;
}

int graph_add_relu(struct graph *graph, int a, int b)
{
    if (a < 0 || b < 0 || graph->status != AKIN_OK)
        return -1;
    if (graph->tensors[a].bundled)
        return bundle_add_relu(graph, a, b);
    const graph_md md = graph->tensors[a].md;
    if (!dnnl_memory_desc_equal(&md, &graph->tensors[b].md))
        return graph_fail(graph, AKIN_ERR_UNSUPPORTED, "the two sides of a sum differ in layout");
    int y = graph_tensor(graph, &md);
    if (y < 0)
        return -1;
    graph->tensors[y].learns = true;
    push_loop(
        graph, &graph->forward, "add", run_add_relu, &md,
        (const int[3]){graph->tensors[y].value, graph->tensors[a].value, graph->tensors[b].value},
        3);
    if (!graph->options.training)
        return y;
    int gradient = graph_gradient_buffer(graph, y);
    graph_alias(graph, gradient, graph_gradient_buffer(graph, a));
    graph_alias(graph, gradient, graph_gradient_buffer(graph, b));
    push_loop(graph, &graph->backward, "relu gradient", run_mask, &md,
              (const int[2]){gradient, graph->tensors[y].value}, 2);
    return graph->status == AKIN_OK ? y : -1;
}

/* ---- pooling ---- */

struct pooling {
    dnnl_alg_kind_t kind;
    dnnl_dims_t kernel, stride, padding, dilation;
};

static int pool(struct graph *graph, int x, const struct pooling *it)
{
    const struct graph_tensor *in = &graph->tensors[x];
    const uint32_t px =
        (uint32_t)((in->h + 2 * it->padding[0] - it->kernel[0]) / it->stride[0] + 1);
    const uint32_t sizes[4] = {in->n, in->c, px, px};
    graph_md any = graph_md_of(graph, 4, sizes, graph->dtype, dnnl_format_tag_any);
    dnnl_pooling_v2_desc_t desc;
    dnnl_primitive_desc_t forward = NULL, backward = NULL;
    if (graph->status != AKIN_OK ||
        !graph_ok(graph,
                  dnnl_pooling_v2_forward_desc_init(&desc, dnnl_forward_training, it->kind, &in->md,
                                                    &any, it->stride, it->kernel, it->dilation,
                                                    it->padding, it->padding),
                  "pooling") ||
        !graph_ok(graph, dnnl_primitive_desc_create(&forward, &desc, NULL, graph->engine, NULL),
                  "pooling"))
        return -1;
    const graph_md md = *dnnl_primitive_desc_query_md(forward, dnnl_query_dst_md, 0);
    const graph_md marks = *dnnl_primitive_desc_query_md(forward, dnnl_query_workspace_md, 0);
    int y = graph_tensor(graph, &md), buffer = -1;
    if (it->kind == dnnl_pooling_max)
        buffer = graph_buffer(graph, dnnl_memory_desc_get_size(&marks));
    if (graph->options.training && y >= 0 &&
        graph_ok(graph,
                 dnnl_pooling_v2_backward_desc_init(&desc, it->kind, &in->md, &md, it->stride,
                                                    it->kernel, it->dilation, it->padding,
                                                    it->padding),
                 "pooling, backward") &&
        graph_ok(graph, dnnl_primitive_desc_create(&backward, &desc, NULL, graph->engine, forward),
                 "pooling, backward")) {
        struct graph_step *step = graph_push(graph, &graph->backward, "pooling gradient");
        graph_primitive(graph, step, backward, true);
        graph_arg(graph, step, DNNL_ARG_DIFF_DST, &md, graph_gradient_buffer(graph, y));
        graph_arg(graph, step, DNNL_ARG_DIFF_SRC, &in->md, graph_gradient_buffer(graph, x));
        if (buffer >= 0)
            graph_arg(graph, step, DNNL_ARG_WORKSPACE, &marks, buffer);
    }
    struct graph_step *step = graph_push(graph, &graph->forward, "pooling");
    graph_primitive(graph, step, forward, true);
    graph_arg(graph, step, DNNL_ARG_SRC, &in->md, in->value);
    if (y >= 0) {
        graph_arg(graph, step, DNNL_ARG_DST, &md, graph->tensors[y].value);
        graph->tensors[y].learns = true;
    }
    if (buffer >= 0)
        graph_arg(graph, step, DNNL_ARG_WORKSPACE, &marks, buffer);
    return graph->status == AKIN_OK ? y : -1;
}

int graph_max_pool(struct graph *graph, int x)
{
    static const struct pooling it = {
        .kind = dnnl_pooling_max, .kernel = {3, 3}, .stride = {2, 2}, .padding = {1, 1}};
    if (x < 0 || graph->status != AKIN_OK)
        return -1;
    return graph->tensors[x].bundled ? bundle_max_pool(graph, x) : pool(graph, x, &it);
}

int graph_mean(struct graph *graph, int x)
{
    if (x < 0 || graph->status != AKIN_OK)
        return -1;
    if (graph->tensors[x].bundled)
        return bundle_mean(graph, x);
    struct pooling it = {.kind = dnnl_pooling_avg_exclude_padding, .stride = {1, 1}};
    it.kernel[0] = graph->tensors[x].h;
    it.kernel[1] = graph->tensors[x].w;
    int y = pool(graph, x, &it);
    if (y < 0)
        return -1;
    /* From here on in plain f32: the head, the loss and whoever wants the features. */
    const graph_md from = graph->tensors[y].md;
    const uint32_t sizes[4] = {graph->tensors[y].n, graph->tensors[y].c, 1, 1};
    const graph_md plain = graph_md_of(graph, 4, sizes, dnnl_f32, dnnl_nchw);
    int z = graph_tensor(graph, &plain);
    if (z < 0)
        return -1;
    graph->tensors[z].learns = true;
    if (graph->options.training) {
        struct graph_step *back =
            graph_reorder(graph, &graph->backward, "plain gradient", &plain, &from);
        graph_arg(graph, back, DNNL_ARG_FROM, &plain, graph_gradient_buffer(graph, z));
        graph_arg(graph, back, DNNL_ARG_TO, &from, graph_gradient_buffer(graph, y));
    }
    struct graph_step *step = graph_reorder(graph, &graph->forward, "plain", &from, &plain);
    graph_arg(graph, step, DNNL_ARG_FROM, &from, graph->tensors[y].value);
    graph_arg(graph, step, DNNL_ARG_TO, &plain, graph->tensors[z].value);
    return graph->status == AKIN_OK ? z : -1;
}

/* ---- linear ---- */

/* y (n, out) = x (n, in) * w (out, in)^T */
static void run_linear(struct graph *graph, const struct graph_step *step)
{
    const float *x = graph_buffer_data(graph, step->args[0].buffer);
    float *y = graph_buffer_data(graph, step->args[1].buffer);
    dnnl_dim_t n = (dnnl_dim_t)step->count, in = (dnnl_dim_t)step->in, out = (dnnl_dim_t)step->out;
    dnnl_sgemm('N', 'T', n, out, in, 1, x, in, step->from, in, 0, y, out);
}

/* dw (out, in) = dy^T * x;  dx (n, in) = dy * w */
static void run_linear_gradient(struct graph *graph, const struct graph_step *step)
{
    const float *x = graph_buffer_data(graph, step->args[0].buffer);
    const float *dy = graph_buffer_data(graph, step->args[1].buffer);
    float *dx = graph_buffer_data(graph, step->args[2].buffer);
    dnnl_dim_t n = (dnnl_dim_t)step->count, in = (dnnl_dim_t)step->in, out = (dnnl_dim_t)step->out;
    dnnl_sgemm('T', 'N', out, in, n, 1, dy, out, x, in, 0, step->to, in);
    dnnl_sgemm('N', 'N', n, in, out, 1, dy, out, step->from, in, 0, dx, in);
}

int graph_linear(struct graph *graph, int x, size_t weight, uint32_t out)
{
    if (x < 0 || graph->status != AKIN_OK)
        return -1;
    const struct graph_tensor *in = &graph->tensors[x];
    const uint32_t sizes[4] = {in->n, out, 1, 1};
    const graph_md md = graph_md_of(graph, 4, sizes, dnnl_f32, dnnl_nchw);
    int y = graph_tensor(graph, &md);
    if (y < 0)
        return -1;
    graph->tensors[y].learns = true;
    struct graph_step *steps[2] = {graph_push(graph, &graph->forward, "linear"), NULL};
    graph_arg(graph, steps[0], 0, &in->md, in->value);
    graph_arg(graph, steps[0], 0, &md, graph->tensors[y].value);
    steps[0]->run = run_linear;
    if (graph->options.training) {
        steps[1] = graph_push(graph, &graph->backward, "linear gradient");
        graph_arg(graph, steps[1], 0, &in->md, in->value);
        graph_arg(graph, steps[1], 0, &md, graph_gradient_buffer(graph, y));
        graph_arg(graph, steps[1], 0, &in->md, graph_gradient_buffer(graph, x));
        steps[1]->run = run_linear_gradient;
        steps[1]->to = graph->options.gradients + weight;
    }
    for (int i = 0; i < 2 && steps[i]; i++) {
        steps[i]->count = in->n;
        steps[i]->in = in->c;
        steps[i]->out = out;
        steps[i]->from = graph->options.parameters + weight;
    }
    return graph->status == AKIN_OK ? y : -1;
}
