/*
 * Convolutions in bundles: which positions meet in which tap, the loops around the kernels, and
 * weights in their layout.
 *
 * Weights of some output channels stay in the second-level cache while all bundles go by; where all
 * of them fit, a bundle is read once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_bundle.h"

#define WEIGHTS_BYTES (1u << 20) /* that stay in the second-level cache beside the activations */

size_t bundle_count(const struct graph *graph)
{
    return (graph->images + AKIN_BUNDLE - 1) / AKIN_BUNDLE;
}

size_t bundle_images(const struct graph *graph, size_t bundle)
{
    size_t left = graph->images - bundle * AKIN_BUNDLE;
    return left < AKIN_BUNDLE ? left : AKIN_BUNDLE;
}

static int make_tensor(struct graph *graph, uint32_t c, uint32_t px, dnnl_data_type_t dtype)
{
    /* The description serves for its size only: oneDNN has no such layout. */
    const uint32_t sizes[4] = {(uint32_t)bundle_count(graph) * AKIN_BUNDLE, c, px, px};
    graph_md md = graph_md_of(graph, 4, sizes, dtype, dnnl_nhwc);
    int y = graph_tensor(graph, &md);
    if (y >= 0) {
        graph->tensors[y].bundled = true;
        graph->tensors[y].learns = true;
    }
    return y;
}

int bundle_tensor(struct graph *graph, uint32_t c, uint32_t px)
{
    return make_tensor(graph, c, px, dnnl_bf16);
}

int bundle_tensor8(struct graph *graph, uint32_t c, uint32_t px, float unit, bool is_signed)
{
    int y = make_tensor(graph, c, px, is_signed ? dnnl_s8 : dnnl_u8);
    if (y >= 0) {
        graph->buffers[graph->tensors[y].value].bytes += AKIN_ALIGN;
        graph->tensors[y].unit = unit;
    }
    return y;
}

/* ---- links ---- */

/* The input's position that the tap of that position of the result meets; false beyond the edge. */
static bool position_met(const struct bundle_shape *shape, uint32_t at, uint32_t tap, uint32_t *out)
{
    uint32_t y = at / shape->out_px * shape->stride + tap / shape->side;
    uint32_t x = at % shape->out_px * shape->stride + tap % shape->side;
    const uint32_t pad = shape->side / 2, px = shape->in_px;
    *out = (y - pad) * px + (x - pad);
    return y >= pad && x >= pad && y - pad < px && x - pad < px;
}

bool bundle_link(struct graph *graph, struct bundle_links *out, const struct bundle_shape *shape,
                 enum bundle_order order)
{
    const uint32_t results = shape->out_px * shape->out_px, taps = shape->side * shape->side;
    const size_t groups[] = {results, (size_t)shape->in_px * shape->in_px, taps};
    *out = (struct bundle_links){.groups = groups[order]};
    out->start = graph_own(graph, (out->groups + 2) * sizeof *out->start);
    out->links = graph_own(graph, (size_t)results * taps * sizeof *out->links);
    if (graph->status != AKIN_OK)
        return false;
    for (int fill = 0; fill < 2; fill++) { /* counts, then fills: start[g + 1] is where g is */
        for (uint32_t at = 0; at < results; at++)
            for (uint32_t tap = 0; tap < taps; tap++) {
                uint32_t met;
                if (!position_met(shape, at, tap, &met))
                    continue;
                const struct akin_link by[] = {{met, tap}, {at, tap}, {met, at}};
                const uint32_t group[] = {at, met, tap};
                if (fill)
                    out->links[out->start[group[order] + 1]++] = by[order];
                else
                    out->start[group[order] + 2]++;
            }
        for (size_t g = 0; g < out->groups && !fill; g++)
            out->start[g + 2] += out->start[g + 1];
    }
    return true;
}

/* ---- running ---- */

/* args: x, y and perhaps the sums of y's channels and of their squares. */
static void run_convolution(struct graph *graph, const struct graph_step *step)
{
    const struct bundle_plan *plan = step->bundle;
    const akin_bf16 *x = graph_buffer_data(graph, step->args[0].buffer);
    akin_bf16 *y = graph_buffer_data(graph, step->args[1].buffer);
    double *sums = step->arg_count > 2 ? graph_buffer_data(graph, step->args[2].buffer) : NULL;
    const size_t strips = plan->out / 32, w_step = plan->depth * AKIN_BLOCK;
    const size_t strip = plan->taps * w_step, y_step = (size_t)AKIN_BUNDLE * plan->out;
    const size_t resident = WEIGHTS_BYTES / (strip * sizeof(akin_bf16)) + 1;
    struct akin_bundle_end end = {.relu = step->end.relu};
    if (sums)
        memset(sums, 0, 2 * plan->out * sizeof *sums);
    graph->bundle->begin();
    for (size_t first = 0; first < strips; first += resident)
        for (size_t b = 0; b < bundle_count(graph); b++)
            for (size_t s = first; s < strips && s < first + resident; s++) {
                akin_bf16 *to = y + b * plan->positions * y_step + s * 32;
                end.bias = step->end.bias ? step->end.bias + s * 32 : NULL;
                end.sums = sums ? sums + s * 32 : NULL;
                end.squares = sums ? sums + plan->out + s * 32 : NULL;
                end.count = (uint32_t)bundle_images(graph, b);
                for (size_t p = 0; p < plan->positions; p++, to += y_step) {
                    const uint32_t begin = plan->links.start[p];
                    end.add = step->end.add ? to : NULL;
                    graph->bundle->convolve(to, plan->out, x + b * plan->x_bundle, plan->x_step,
                                            plan->x_row, plan->weights + s * strip, w_step,
                                            plan->links.links + begin,
                                            plan->links.start[p + 1] - begin, plan->depth, &end);
                }
            }
    graph->bundle->end();
}

static void run_weights(struct graph *graph, const struct graph_step *step)
{
    const struct bundle_plan *plan = step->bundle;
    graph->bundle->weights(plan->weights, step->from, plan->out, plan->depth, plan->taps,
                           step->turned);
}

struct graph_step *bundle_push(struct graph *graph, struct graph_list *list, const char *name,
                               const struct bundle_plan *plan, int x, int y)
{
    struct graph_step *step = graph_push(graph, list, name);
    step->run = run_convolution;
    step->bundle = plan;
    graph_arg(graph, step, 0, NULL, x);
    graph_arg(graph, step, 0, NULL, y);
    return step;
}

/* A plan between two tensors; `weight` is the offset of the plain weights (out, in, k, k), turned
 * where the plan goes back. */
static struct bundle_plan *make_plan(struct graph *graph, const struct bundle_shape *shape,
                                     uint32_t in, uint32_t out, size_t weight, bool back)
{
    struct bundle_plan *plan = graph_own(graph, sizeof *plan);
    const uint32_t px = back ? shape->out_px : shape->in_px,
                   to = back ? shape->in_px : shape->out_px;
    if (!plan)
        return NULL;
    *plan = (struct bundle_plan){.in = in,
                                 .out = out,
                                 .depth = in / 32,
                                 .taps = (size_t)shape->side * shape->side,
                                 .positions = (size_t)to * to,
                                 .x_step = (size_t)AKIN_BUNDLE * in,
                                 .x_row = in,
                                 .x_bundle = (size_t)px * px * AKIN_BUNDLE * in};
    plan->weights = graph_own(graph, plan->taps * in * out * sizeof *plan->weights);
    if (!bundle_link(graph, &plan->links, shape, back ? BUNDLE_BACK : BUNDLE_FORWARD))
        return NULL;
    struct graph_step *step = graph_push(graph, &graph->refresh, "bundle weights");
    step->run = run_weights;
    step->bundle = plan;
    step->from = graph->options.parameters + weight;
    step->turned = back;
    return plan;
}

/* ---- building ---- */

static void push_gradients(struct graph *graph, int x, int y, const struct bundle_shape *shape,
                           size_t weight, bool adds)
{
    const uint32_t in = graph->tensors[x].c, out = graph->tensors[y].c;
    const struct bundle_plan *back = make_plan(graph, shape, out, in, weight, true);
    const int from = graph_gradient_buffer(graph, y), to = graph_gradient_buffer(graph, x);
    if (graph->status != AKIN_OK)
        return;
    bundle_push(graph, &graph->backward, "bundle data gradient", back, from, to)->end.add =
        adds || graph->tensors[x].shared;
    struct bundle_weight_plan plan = {.in = in,
                                      .out = out,
                                      .plain_in = in,
                                      .side = shape->side,
                                      .in_positions = (size_t)shape->in_px * shape->in_px,
                                      .positions = (size_t)shape->out_px * shape->out_px,
                                      .taps = (size_t)shape->side * shape->side};
    if (bundle_link(graph, &plan.links, shape, BUNDLE_TAPS))
        bundle_weight_gradient(graph, &plan, x, y, weight);
}

int bundle_convolution(struct graph *graph, int x, const struct graph_folded *at, bool folded,
                       int add_to, bool adds)
{
    const struct graph_tensor *in = &graph->tensors[x];
    const struct bundle_shape shape = {.in_px = in->h,
                                       .out_px = (in->h + 2 * (at->k / 2) - at->k) / at->stride + 1,
                                       .side = at->k,
                                       .stride = at->stride};
    if (in->c % 32 || at->out % 32)
        return graph_fail(graph, AKIN_ERR_UNSUPPORTED, "a convolution of %u to %u channels", in->c,
                          at->out);
    const struct bundle_plan *plan = make_plan(graph, &shape, in->c, at->out, at->weight, false);
    int y = bundle_tensor(graph, at->out, shape.out_px);
    if (y < 0 || !plan)
        return -1;
    in = &graph->tensors[x];
    if (add_to >= 0) /* written over the shortcut */
        graph->tensors[y].value = graph->tensors[add_to].value;
    if (graph->options.training)
        push_gradients(graph, x, y, &shape, at->weight, adds);
    struct graph_step *step = bundle_push(graph, &graph->forward, "bundle convolution", plan,
                                          in->value, graph->tensors[y].value);
    step->end =
        (struct akin_square_end){.bias = folded ? graph->options.parameters + at->bias : NULL,
                                 .add = add_to >= 0,
                                 .relu = folded && at->relu};
    if (graph->options.training) {
        graph->tensors[y].sums = graph_buffer(graph, 2 * (size_t)at->out * sizeof(double));
        graph_arg(graph, step, 0, NULL, graph->tensors[y].sums);
    }
    return graph->status == AKIN_OK ? y : -1;
}
