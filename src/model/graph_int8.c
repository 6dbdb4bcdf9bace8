/*
 * Encoding in 8 bits: what follows the stem is u8 between two convolutions, one unit a tensor, taken
 * from the largest value that a sample of tiles gave; weights are s8, one unit an output channel; sums
 * are s32 (Jacob et al., CVPR 2018, without zero points: what follows a relu begins at 0).
 *
 *   y = unit_y * clamp(round((sum q_x q_w + bias / (unit_x unit_w)) * unit_x unit_w / unit_y
 *                            + q_shortcut * unit_shortcut / unit_y))
 *
 * CPUs without VNNI add the products of two neighbouring channels in 16 bits and saturate there. An
 * encoder must give the same on every CPU, so that units of weights are taken large enough for no
 * pair to reach that (1.5 times finer than 7 bits for all weights).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "graph_bundle.h"

#define STEPS 127        /* of s8 */
#define PAIR_STEPS 127   /* 128 * 255 still fits 16 bits: one is left for rounding */
#define RANGE_MIN 1e-20f /* below it a tensor is as good as zero */

static float unit_of(float range, dnnl_data_type_t dtype)
{
    return (range > RANGE_MIN ? range : 1) / (dtype == dnnl_u8 ? 255 : 127);
}

/* ---- ranges ---- */

static void run_range(struct graph *graph, const struct graph_step *step)
{
    const void *data = graph_buffer_data(graph, step->args[0].buffer);
    float most = *step->to;
    for (size_t i = 0; i < step->count; i++) {
        float x = fabsf(step->dtype == GRAPH_F32 ? ((const float *)data)[i]
                                                 : graph_widen(((const uint16_t *)data)[i]));
        if (x > most)
            most = x;
    }
    *step->to = most;
}

void graph_measure_range(struct graph *graph, int x, float *range)
{
    if (x < 0 || graph->status != AKIN_OK)
        return;
    const graph_md md = graph->tensors[x].md;
    struct graph_step *step = graph_push(graph, &graph->forward, "range");
    step->run = run_range;
    step->count = graph_elements(&md);
    step->dtype = md.data_type == dnnl_bf16 ? GRAPH_BF16 : GRAPH_F32;
    step->to = range;
    graph_arg(graph, step, 0, &md, graph->tensors[x].value);
}

/* ---- into 8 bits ---- */

/* An attribute that multiplies by scales: (1) of all, or (count) by channel, dimension 1 of a
 * result. */
static dnnl_primitive_attr_t scaling(struct graph *graph, const float *scales, size_t count)
{
    dnnl_primitive_attr_t attr = NULL;
    if (graph_ok(graph, dnnl_primitive_attr_create(&attr), "attributes"))
        graph_ok(graph,
                 dnnl_primitive_attr_set_output_scales(attr, (dnnl_dim_t)count, count > 1 ? 2 : 0,
                                                       scales),
                 "scales");
    return attr;
}

int graph_quantise(struct graph *graph, int x, float range)
{
    if (x < 0 || graph->status != AKIN_OK)
        return -1;
    const struct graph_tensor *in = &graph->tensors[x];
    const graph_md from = in->md;
    const uint32_t sizes[4] = {in->n, in->c, in->h, in->w};
    const graph_md md = graph_md_of(graph, 4, sizes, dnnl_u8, dnnl_nhwc);
    const float unit = unit_of(range, dnnl_u8), scale = 1 / unit;
    if (in->bundled)
        return bundle_quantise(graph, x, unit);
    const int source = in->value, y = graph_tensor(graph, &md);
    if (y < 0)
        return -1;
    graph->tensors[y].learns = true;
    graph->tensors[y].unit = unit;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_attr_t attr = scaling(graph, &scale, 1);
    struct graph_step *step = graph_push(graph, &graph->forward, "quantisation");
    if (graph->status == AKIN_OK &&
        graph_ok(graph,
                 dnnl_reorder_primitive_desc_create(&desc, &from, graph->engine, &md, graph->engine,
                                                    attr),
                 "quantisation"))
        graph_primitive(graph, step, desc, false);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    graph_arg(graph, step, DNNL_ARG_FROM, &from, source);
    graph_arg(graph, step, DNNL_ARG_TO, &md, graph->tensors[y].value);
    return graph->status == AKIN_OK ? y : -1;
}

/* ---- convolution ---- */

/* What one convolution needs while it is made. */
struct eight_bits {
    graph_md source, plain, weights, bias, result;
    dnnl_primitive_desc_t desc;
    float unit;    /* of the result */
    float *scales; /* (out): from sums to steps of the result */
    int8_t *steps; /* (out, in, k, k), lives as long as the graph */
    float *biases; /* (out), in steps of the sums; lives as long as the graph */
};

/* The smallest unit in which no weight, and no two of one sign that are multiplied and added
 * together, have too many steps. weights (in, taps) of one output channel. */
static float unit_of_channel(const float *weights, size_t in, size_t taps)
{
    float most = 0;
    for (size_t i = 0; i < in; i++)
        for (size_t t = 0; t < taps; t++) {
            float one = weights[i * taps + t],
                  next = (i ^ 1) < in ? weights[(i ^ 1) * taps + t] : 0;
            float both = fmaxf(fabsf(one) / STEPS, fabsf(one + next) / PAIR_STEPS);
            most = fmaxf(most, both);
        }
    return most > RANGE_MIN ? most : 1;
}

static void quantise_weights(struct graph *graph, struct eight_bits *it,
                             const struct graph_tensor *in, const struct graph_folded *at)
{
    const float *weights = graph->options.parameters + at->weight;
    const float *bias = graph->options.parameters + at->bias;
    const size_t taps = (size_t)at->k * at->k, each = in->c * taps;
    it->scales = graph_own(graph, at->out * sizeof(float));
    it->biases = graph_own(graph, at->out * sizeof(float));
    it->steps = graph_own(graph, at->out * each);
    for (size_t o = 0; o < at->out && graph->status == AKIN_OK; o++) {
        float of_weights = unit_of_channel(weights + o * each, in->c, taps);
        float unit = in->unit * of_weights;
        for (size_t i = o * each; i < (o + 1) * each; i++)
            it->steps[i] = (int8_t)lrintf(weights[i] / of_weights);
        it->scales[o] = unit / it->unit;
        it->biases[o] = bias[o] / unit;
    }
}

/* clamp(scale * (sums + bias) [+ shortcut]): clamped at 0 where the result is u8, which is relu. */
static dnnl_primitive_attr_t attributes(struct graph *graph, const struct eight_bits *it,
                                        size_t channels, const struct graph_tensor *shortcut)
{
    dnnl_primitive_attr_t attr = scaling(graph, it->scales, channels);
    dnnl_post_ops_t ops = NULL;
    if (shortcut && graph_ok(graph, dnnl_post_ops_create(&ops), "attributes") &&
        graph_ok(
            graph,
            dnnl_post_ops_append_sum_v2(ops, shortcut->unit / it->unit, shortcut->md.data_type),
            "a sum"))
        graph_ok(graph, dnnl_primitive_attr_set_post_ops(attr, ops), "attributes");
    if (ops)
        dnnl_post_ops_destroy(ops);
    return attr;
}

static void describe(struct graph *graph, struct eight_bits *it, const struct graph_tensor *in,
                     const struct graph_folded *at, const struct graph_tensor *shortcut)
{
    const uint32_t k = at->k, px = (in->h + 2 * (k / 2) - k) / at->stride + 1;
    const uint32_t kernel[4] = {at->out, in->c, k, k}, result[4] = {in->n, at->out, px, px};
    const dnnl_dims_t stride = {at->stride, at->stride}, padding = {k / 2, k / 2};
    it->source = in->md;
    it->plain = graph_md_of(graph, 4, kernel, dnnl_s8, dnnl_oihw);
    it->weights = graph_md_of(graph, 4, kernel, dnnl_s8, dnnl_format_tag_any);
    it->bias = graph_md_of(graph, 1, &at->out, dnnl_f32, dnnl_a);
    it->result = graph_md_of(graph, 4, result, at->relu ? dnnl_u8 : dnnl_s8, dnnl_nhwc);
    if (graph->status != AKIN_OK)
        return;
    dnnl_primitive_attr_t attr = attributes(graph, it, at->out, shortcut);
    dnnl_convolution_desc_t desc;
    if (graph->status == AKIN_OK &&
        graph_ok(graph,
                 dnnl_convolution_forward_desc_init(
                     &desc, dnnl_forward_inference, dnnl_convolution_direct, &it->source,
                     &it->weights, &it->bias, &it->result, stride, padding, padding),
                 "a convolution in 8 bits") &&
        graph_ok(graph, dnnl_primitive_desc_create(&it->desc, &desc, attr, graph->engine, NULL),
                 "a convolution in 8 bits"))
        it->weights = *dnnl_primitive_desc_query_md(it->desc, dnnl_query_weights_md, 0);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
}

int graph_folded_int8(struct graph *graph, int x, const struct graph_folded *at, int add_to,
                      float range)
{
    struct eight_bits it = {.unit = unit_of(range, at->relu ? dnnl_u8 : dnnl_s8)};
    if (x < 0 || graph->status != AKIN_OK)
        return -1;
    const struct graph_tensor *shortcut = add_to >= 0 ? &graph->tensors[add_to] : NULL;
    quantise_weights(graph, &it, &graph->tensors[x], at);
    if (graph->status == AKIN_OK && graph->tensors[x].bundled) {
        for (uint32_t o = 0; o < at->out; o++) /* in steps of the result */
            it.biases[o] *= it.scales[o];
        const struct bundle_steps steps = {it.steps, it.scales, it.biases, it.unit};
        return bundle_convolution8(graph, x, at, add_to, &steps);
    }
    if (graph->status == AKIN_OK)
        describe(graph, &it, &graph->tensors[x], at, shortcut);
    if (graph->status != AKIN_OK)
        return -1;
    int y = graph_tensor(graph, &it.result);
    if (y >= 0 && shortcut) /* the result is written over the shortcut */
        graph->tensors[y].value = shortcut->value;
    dnnl_memory_t weights = graph_block(graph, &it.weights);
    struct graph_step *order =
        graph_reorder(graph, &graph->refresh, "weights", &it.plain, &it.weights);
    graph_arg_memory(graph, order, DNNL_ARG_FROM, graph_memory(graph, &it.plain, it.steps));
    graph_arg_memory(graph, order, DNNL_ARG_TO, weights);
    struct graph_step *step = graph_push(graph, &graph->forward, "convolution in 8 bits");
    graph_primitive(graph, step, it.desc, true);
    if (graph->status != AKIN_OK)
        return -1;
    graph->tensors[y].learns = true;
    graph->tensors[y].unit = it.unit;
    graph_arg(graph, step, DNNL_ARG_SRC, &it.source, graph->tensors[x].value);
    graph_arg_memory(graph, step, DNNL_ARG_WEIGHTS, weights);
    graph_arg_memory(graph, step, DNNL_ARG_BIAS, graph_memory(graph, &it.bias, it.biases));
    graph_arg(graph, step, DNNL_ARG_DST, &it.result, graph->tensors[y].value);
    return graph->status == AKIN_OK ? y : -1;
}
