/*
 * The first convolution, of a picture with few bands: the picture is brought to bf16, pixel by pixel
 * with its bands side by side and zeros around it, and a row of a patch is then one run of k * bands
 * elements. Runs of whole 32 elements are read in its place, and what is read too much meets zeros
 * among the weights: no patch is ever copied.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_bundle.h"

struct bundle_picture {
    uint32_t bands, px, pad;
    size_t row, image; /* elements */
};

static struct bundle_picture picture_of(const struct graph_tensor *x, uint32_t k, size_t run)
{
    struct bundle_picture it = {.bands = x->c, .px = x->h, .pad = k / 2};
    it.row = (size_t)(it.px + 2 * it.pad) * it.bands;
    /* What the last run reads too much; an odd number of cache lines keeps images out of each other's
     * way in the caches. */
    it.image = ((it.row * (it.px + 2 * it.pad) + run) * sizeof(akin_bf16) / AKIN_ALIGN + 1) | 1;
    it.image *= AKIN_ALIGN / sizeof(akin_bf16);
    return it;
}

/* args: x (batch, bands, px, px) f32, the picture, whose borders stay zeros */
static void run_picture(struct graph *graph, const struct graph_step *step)
{
    const struct bundle_picture *it = step->picture;
    const float *x = graph_buffer_data(graph, step->args[0].buffer);
    akin_bf16 *picture = graph_buffer_data(graph, step->args[1].buffer);
    const size_t pixels = (size_t)it->px * it->px;
    for (size_t n = 0; n < graph->images; n++)
        for (size_t b = 0; b < it->bands; b++, x += pixels)
            for (size_t r = 0; r < it->px; r++) {
                akin_bf16 *to =
                    picture + n * it->image + (r + it->pad) * it->row + it->pad * it->bands + b;
                for (size_t c = 0; c < it->px; c++)
                    to[c * it->bands] = graph_narrow(x[r * it->px + c]);
            }
}

/* weights (out / 32, k rows, depth, AKIN_BLOCK) from plain (out, bands, k, k) */
static void run_weights(struct graph *graph, const struct graph_step *step)
{
    (void)graph;
    const struct bundle_plan *plan = step->bundle;
    const size_t k = plan->taps, bands = step->in;
    const float *plain = step->from;
    for (size_t o = 0; o < plan->out; o++)
        for (size_t b = 0; b < bands; b++)
            for (size_t row = 0; row < k; row++)
                for (size_t column = 0; column < k; column++) {
                    const size_t i = column * bands + b;
                    const size_t block = (o / 32 * k + row) * plan->depth + i / 32;
                    plan->weights[block * AKIN_BLOCK + akin_bundle_weight(i % 32, o % 32)] =
                        graph_narrow(*plain++);
                }
}

/* By position: the picture's elements where the rows of its patch begin; behind them, the order of
 * one piece of patches for the weight gradient (graph_bundle_weights.c). */
static bool link_patches(struct graph *graph, struct bundle_links *out,
                         const struct bundle_picture *picture, uint32_t px, uint32_t k,
                         uint32_t stride)
{
    const size_t positions = (size_t)px * px;
    *out = (struct bundle_links){.groups = positions};
    out->start = graph_own(graph, (positions + 1) * sizeof *out->start);
    out->links = graph_own(graph, positions * (k + 1) * sizeof *out->links);
    if (graph->status != AKIN_OK)
        return false;
    struct akin_link *link = out->links;
    for (uint32_t p = 0; p < positions; p++) {
        const size_t top = (size_t)(p / px) * stride, left = (size_t)(p % px) * stride;
        for (uint32_t row = 0; row < k; row++)
            *link++ = (struct akin_link){
                (uint32_t)((top + row) * picture->row + left * picture->bands), row};
        out->start[p + 1] = (p + 1) * k;
    }
    for (uint32_t p = 0; p < positions; p++)
        *link++ = (struct akin_link){p * k, p};
    return true;
}

int bundle_stem(struct graph *graph, int x, const struct graph_folded *at, bool folded)
{
    const struct graph_tensor *in = &graph->tensors[x];
    const uint32_t px = (in->h + 2 * (at->k / 2) - at->k) / at->stride + 1;
    const size_t run = ((size_t)at->k * in->c + 31) / 32 * 32,
                 images = AKIN_BUNDLE * bundle_count(graph);
    struct bundle_picture *picture = graph_own(graph, sizeof *picture);
    struct bundle_plan *plan = graph_own(graph, sizeof *plan);
    if (graph->status != AKIN_OK)
        return -1;
    *picture = picture_of(in, at->k, run);
    *plan = (struct bundle_plan){.in = (uint32_t)run,
                                 .out = at->out,
                                 .depth = run / 32,
                                 .taps = at->k,
                                 .positions = (size_t)px * px,
                                 .x_step = 1,
                                 .x_row = picture->image,
                                 .x_bundle = AKIN_BUNDLE * picture->image};
    plan->weights = graph_own(graph, plan->taps * run * at->out * sizeof *plan->weights);
    const int pixels = graph_buffer(graph, images * picture->image * sizeof(akin_bf16));
    const int source = in->value;
    if (!link_patches(graph, &plan->links, picture, px, at->k, at->stride))
        return -1;
    graph->buffers[pixels].kept = true;
    int y = bundle_tensor(graph, at->out, px);
    if (y < 0)
        return -1;
    struct graph_step *weights = graph_push(graph, &graph->refresh, "bundle stem weights");
    weights->run = run_weights;
    weights->bundle = plan;
    weights->from = graph->options.parameters + at->weight;
    weights->in = graph->tensors[x].c;
    if (graph->options.training) {
        const struct bundle_weight_plan back = {.links = plan->links,
                                                .in = (uint32_t)run,
                                                .out = at->out,
                                                .plain_in = graph->tensors[x].c,
                                                .side = at->k,
                                                .positions = plan->positions,
                                                .taps = at->k,
                                                .stem = true,
                                                .x_row = plan->x_row,
                                                .x_bundle = plan->x_bundle};
        graph->tensors[x].picture = pixels;
        bundle_weight_gradient(graph, &back, x, y, at->weight);
    }
    struct graph_step *step = graph_push(graph, &graph->forward, "bundle picture");
    step->run = run_picture;
    step->picture = picture;
    graph_arg(graph, step, 0, NULL, source);
    graph_arg(graph, step, 0, NULL, pixels);
    step =
        bundle_push(graph, &graph->forward, "bundle stem", plan, pixels, graph->tensors[y].value);
    step->end = (struct akin_square_end){
        .bias = folded ? graph->options.parameters + at->bias : NULL, .relu = folded && at->relu};
    if (graph->options.training) {
        graph->tensors[y].sums = graph_buffer(graph, 2 * (size_t)at->out * sizeof(double));
        graph_arg(graph, step, 0, NULL, graph->tensors[y].sums);
    }
    return graph->status == AKIN_OK ? y : -1;
}
