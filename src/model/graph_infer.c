/*
 * What a net needs that only encodes: a convolution with everything that follows it in one step
 * (bias, shortcut, relu), and maps read back pixel by pixel.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_bundle.h"

struct folded {
    graph_md source, weights, bias, result, plain;
    dnnl_primitive_desc_t desc;
};

/* relu(conv + bias) or relu(conv + bias + what the result's memory holds already) */
static dnnl_primitive_attr_t attributes(struct graph *graph, bool relu, bool adds)
{
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    if (graph_ok(graph, dnnl_primitive_attr_create(&attr), "attributes") &&
        graph_ok(graph, dnnl_post_ops_create(&ops), "attributes") &&
        (!adds || graph_ok(graph, dnnl_post_ops_append_sum(ops, 1), "a sum")) &&
        (!relu ||
         graph_ok(graph, dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0), "relu")))
        graph_ok(graph, dnnl_primitive_attr_set_post_ops(attr, ops), "attributes");
    if (ops)
        dnnl_post_ops_destroy(ops);
    return attr;
}

/* With AVX-512 oneDNN, if asked, takes nhwc for bf16, in which a ResNet-18 is a third slower. */
static dnnl_format_tag_t layout_of(uint32_t channels)
{
    bool wide =
        (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
    return wide && channels % 16 == 0 ? dnnl_nChw16c : dnnl_format_tag_any;
}

static void describe(struct graph *graph, struct folded *it, const struct graph_tensor *in,
                     const struct graph_folded *at, bool adds)
{
    const uint32_t k = at->k, px = (in->h + 2 * (k / 2) - k) / at->stride + 1;
    const uint32_t sizes[4] = {in->n, in->c, in->h, in->w}, kernel[4] = {at->out, in->c, k, k},
                   result[4] = {in->n, at->out, px, px};
    const dnnl_dims_t stride = {at->stride, at->stride}, padding = {k / 2, k / 2};
    graph_md source = in->md, weights, target;
    if (!in->learns)
        source = graph_md_of(graph, 4, sizes, graph->dtype, dnnl_format_tag_any);
    weights = graph_md_of(graph, 4, kernel, graph->dtype, dnnl_format_tag_any);
    target = graph_md_of(graph, 4, result, graph->dtype, layout_of(at->out));
    it->plain = graph_md_of(graph, 4, kernel, dnnl_f32, dnnl_oihw);
    it->bias = graph_md_of(graph, 1, &at->out, dnnl_f32, dnnl_a);
    dnnl_primitive_attr_t attr = attributes(graph, at->relu, adds);
    dnnl_convolution_desc_t desc;
    if (graph->status == AKIN_OK &&
        graph_ok(graph,
                 dnnl_convolution_forward_desc_init(&desc, dnnl_forward_inference,
                                                    dnnl_convolution_direct, &source, &weights,
                                                    &it->bias, &target, stride, padding, padding),
                 "a convolution") &&
        graph_ok(graph, dnnl_primitive_desc_create(&it->desc, &desc, attr, graph->engine, NULL),
                 "a convolution")) {
        it->source = *dnnl_primitive_desc_query_md(it->desc, dnnl_query_src_md, 0);
        it->weights = *dnnl_primitive_desc_query_md(it->desc, dnnl_query_weights_md, 0);
        it->result = *dnnl_primitive_desc_query_md(it->desc, dnnl_query_dst_md, 0);
    }
    if (attr)
        dnnl_primitive_attr_destroy(attr);
}

int graph_folded(struct graph *graph, int x, const struct graph_folded *at, int add_to)
{
    struct folded it = {0};
    if (x < 0 || graph->status != AKIN_OK)
        return -1;
    if (graph->bundle)
        return graph->tensors[x].bundled ? bundle_convolution(graph, x, at, true, add_to, false)
                                         : bundle_stem(graph, x, at, true);
    if (graph_winograd_fits(graph, x, at->out, at->k, at->stride) &&
        (add_to < 0 || dnnl_memory_desc_equal(&graph->tensors[x].md, &graph->tensors[add_to].md)))
        return graph_winograd_folded(graph, x, at, add_to);
    describe(graph, &it, &graph->tensors[x], at, add_to >= 0);
    if (graph->status != AKIN_OK)
        return -1;
    x = graph_convert(graph, x, &it.source);
    int y = graph_tensor(graph, &it.result);
    if (y >= 0 && add_to >= 0) { /* the result is written over the shortcut */
        if (!dnnl_memory_desc_equal(&it.result, &graph->tensors[add_to].md))
            graph_fail(graph, AKIN_ERR_UNSUPPORTED, "a shortcut has another layout");
        graph->tensors[y].value = graph->tensors[add_to].value;
    }
    float *parameters = graph->options.parameters;
    dnnl_memory_t weights =
        graph_blocked_weights(graph, &it.plain, parameters + at->weight, &it.weights);
    struct graph_step *step = graph_push(graph, &graph->forward, "folded convolution");
    graph_primitive(graph, step, it.desc, true);
    if (graph->status != AKIN_OK)
        return -1;
    graph->tensors[y].learns = true;
    graph_arg(graph, step, DNNL_ARG_SRC, &it.source, graph->tensors[x].value);
    graph_arg_memory(graph, step, DNNL_ARG_WEIGHTS, weights);
    graph_arg_memory(graph, step, DNNL_ARG_BIAS,
                     graph_memory(graph, &it.bias, parameters + at->bias));
    graph_arg(graph, step, DNNL_ARG_DST, &it.result, graph->tensors[y].value);
    return graph->status == AKIN_OK ? y : -1;
}

void graph_keep(struct graph *graph, int tensor)
{
    if (tensor >= 0 && graph->status == AKIN_OK)
        graph->buffers[graph->tensors[tensor].value].kept = true;
}

void graph_map_size(const struct graph *graph, int tensor, uint32_t *channels, uint32_t *px)
{
    *channels = graph->tensors[tensor].c;
    *px = graph->tensors[tensor].h;
}

void graph_read_map(const struct graph *graph, int tensor, size_t n, float *out)
{
    const struct graph_tensor *it = &graph->tensors[tensor];
    if (it->bundled) {
        bundle_read_map(graph, tensor, n, out);
        return;
    }
    struct graph_walk walk = graph_walk_of(graph, &it->md, it->value);
    walk.unit = it->unit;
    for (size_t h = 0; h < it->h; h++)
        for (size_t w = 0; w < it->w; w++, out += it->c)
            graph_read_pixel(&walk, n, h, w, out);
}
