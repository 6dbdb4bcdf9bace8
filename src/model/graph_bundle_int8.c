/*
 * Encoding in 8 bits in bundles: what graph_int8.c says, with tiles of bytes. The stem is bf16 here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_bundle.h"

#define WEIGHTS_BYTES (1u << 20) /* as in graph_bundle.c */

/* ---- into 8 bits ---- */

/* args: y, x; unit of y in *from */
static void run_quantise(struct graph *graph, const struct graph_step *step)
{
    const struct graph_tensor *y = &graph->tensors[step->y];
    graph->bundle->quantise(graph_buffer_data(graph, step->args[0].buffer),
                            graph_buffer_data(graph, step->args[1].buffer), 1 / y->unit,
                            bundle_count(graph) * AKIN_BUNDLE * y->h * y->w * y->c);
}

int bundle_quantise(struct graph *graph, int x, float unit)
{
    const struct graph_tensor *in = &graph->tensors[x];
    int y = bundle_tensor8(graph, in->c, in->h, unit, false);
    if (y < 0)
        return -1;
    struct graph_step *step = graph_push(graph, &graph->forward, "bundle quantisation");
    step->run = run_quantise;
    step->y = y;
    graph_arg(graph, step, 0, NULL, graph->tensors[y].value);
    graph_arg(graph, step, 0, NULL, in->value);
    return graph->status == AKIN_OK ? y : -1;
}

/* ---- convolution ---- */

/* args: x, y, over which it is written where it adds; x: the shortcut's tensor */
static void run_convolution(struct graph *graph, const struct graph_step *step)
{
    const struct bundle_plan *plan = step->bundle;
    const uint8_t *x = graph_buffer_data(graph, step->args[0].buffer);
    uint8_t *y = graph_buffer_data(graph, step->args[1].buffer);
    const struct graph_tensor *result = &graph->tensors[step->y];
    const struct graph_tensor *shortcut = step->end.add ? &graph->tensors[step->x] : NULL;
    const size_t strips = plan->out / 32, w_step = plan->depth * AKIN_BLOCK8;
    const size_t strip = plan->taps * w_step, y_step = (size_t)AKIN_BUNDLE * plan->out;
    const size_t resident = WEIGHTS_BYTES / strip + 1;
    struct akin_bundle_end8 end = {.y_signed = result->md.data_type == dnnl_s8};
    if (shortcut) {
        end.add_scale = shortcut->unit / result->unit;
        end.add_signed = shortcut->md.data_type == dnnl_s8;
    }
    graph->bundle->begin();
    for (size_t first = 0; first < strips; first += resident)
        for (size_t b = 0; b < bundle_count(graph); b++)
            for (size_t s = first; s < strips && s < first + resident; s++) {
                uint8_t *to = y + b * plan->positions * y_step + s * 32;
                end.scale = plan->scale + s * 32;
                end.bias = plan->bias + s * 32;
                for (size_t p = 0; p < plan->positions; p++, to += y_step) {
                    const uint32_t begin = plan->links.start[p];
                    end.add = shortcut ? to : NULL;
                    graph->bundle->convolve8(to, plan->out, x + b * plan->x_bundle, plan->x_step,
                                             plan->x_row, plan->weights8 + s * strip, w_step,
                                             plan->links.links + begin,
                                             plan->links.start[p + 1] - begin, plan->depth, &end);
                }
            }
    graph->bundle->end();
}

/* steps (out, in, taps) into blocks. */
static void lay_weights(const struct bundle_plan *plan, const int8_t *steps)
{
    for (size_t o = 0; o < plan->out; o++)
        for (size_t i = 0; i < plan->in; i++)
            for (size_t t = 0; t < plan->taps; t++) {
                const size_t block = (o / 32 * plan->taps + t) * plan->depth + i / 64;
                plan->weights8[block * AKIN_BLOCK8 + akin_bundle_weight8(i % 64, o % 32)] =
                    *steps++;
            }
}

static const struct bundle_plan *make_plan(struct graph *graph, const struct bundle_shape *shape,
                                           uint32_t in, uint32_t out,
                                           const struct bundle_steps *steps)
{
    struct bundle_plan *plan = graph_own(graph, sizeof *plan);
    if (!plan)
        return NULL;
    *plan = (struct bundle_plan){.in = in,
                                 .out = out,
                                 .depth = (in + 63) / 64,
                                 .taps = (size_t)shape->side * shape->side,
                                 .positions = (size_t)shape->out_px * shape->out_px,
                                 .x_step = (size_t)AKIN_BUNDLE * in,
                                 .x_row = in,
                                 .x_bundle = (size_t)shape->in_px * shape->in_px * AKIN_BUNDLE * in,
                                 .scale = steps->scale,
                                 .bias = steps->bias};
    plan->weights8 = graph_own(graph, plan->taps * plan->depth * out / 32 * AKIN_BLOCK8);
    if (!plan->weights8 || !bundle_link(graph, &plan->links, shape, BUNDLE_FORWARD))
        return NULL;
    lay_weights(plan, steps->weights);
    return plan;
}

int bundle_convolution8(struct graph *graph, int x, const struct graph_folded *at, int add_to,
                        const struct bundle_steps *steps)
{
    const struct graph_tensor *in = &graph->tensors[x];
    const struct bundle_shape shape = {.in_px = in->h,
                                       .out_px = (in->h + 2 * (at->k / 2) - at->k) / at->stride + 1,
                                       .side = at->k,
                                       .stride = at->stride};
    /* A row of 96 channels would meet the next one's among those that have weights. */
    if ((in->c % 64 && in->c != 32) || at->out % 32)
        return graph_fail(graph, AKIN_ERR_UNSUPPORTED,
                          "a convolution of %u to %u channels in 8 bits", in->c, at->out);
    const struct bundle_plan *plan = make_plan(graph, &shape, in->c, at->out, steps);
    int y = plan ? bundle_tensor8(graph, at->out, shape.out_px, steps->unit, !at->relu) : -1;
    if (y < 0)
        return -1;
    if (add_to >= 0) /* written over the shortcut */
        graph->tensors[y].value = graph->tensors[add_to].value;
    struct graph_step *step = graph_push(graph, &graph->forward, "bundle convolution in 8 bits");
    step->run = run_convolution;
    step->bundle = plan;
    step->x = add_to;
    step->y = y;
    step->end.add = add_to >= 0;
    graph_arg(graph, step, 0, NULL, graph->tensors[x].value);
    graph_arg(graph, step, 0, NULL, graph->tensors[y].value);
    return graph->status == AKIN_OK ? y : -1;
}
