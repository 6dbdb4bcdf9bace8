/*
 * Weight gradients in bundles: for every tap
 *
 *     dw (in, out) = the sum over bundles and positions of x (32 images, in)^T * dy (32 images, out)
 *
 * Inputs are turned (and, where they are normalised, normalised again) once for all taps; sums stay
 * in tiles while the positions of a piece go by, pieces such that what they read stays in the
 * second-level cache. The stem's patches are read where they overlap in the picture.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_bundle.h"

#define PIECE_BYTES (768u << 10)
#define TAPS_MAX 121

/* Positions whose operands are a piece. */
static size_t piece_of(const struct bundle_weight_plan *plan)
{
    size_t row = plan->stem ? plan->taps * plan->in : plan->in;
    size_t piece = PIECE_BYTES / ((row + plan->out) * AKIN_BUNDLE * sizeof(akin_bf16));
    return piece < 1 ? 1 : piece < plan->positions ? piece : plan->positions;
}

/* ---- operands ---- */

struct operands {
    const akin_bf16 *x, *dy;
    const struct akin_affine *normal;
    bool relu;
    akin_bf16 *left, *right;
    float *sums; /* (taps, in / 32, out / 32, AKIN_BLOCK) */
};

/* All positions of `count` bundles from the first on, turned. */
static void turn_maps(const struct graph *graph, const struct bundle_weight_plan *plan,
                      const struct operands *it, size_t first, size_t count)
{
    const size_t blocks = plan->in / 32, rows = count * plan->in_positions;
    const akin_bf16 *x = it->x + first * plan->in_positions * AKIN_BUNDLE * plan->in;
    akin_bf16 *to = it->left;
    for (size_t p = 0; p < rows; p++, x += (size_t)AKIN_BUNDLE * plan->in)
        for (size_t c = 0; c < blocks; c++, to += AKIN_BLOCK) {
            struct akin_affine normal = {NULL, NULL};
            if (it->normal)
                normal =
                    (struct akin_affine){it->normal->scale + c * 32, it->normal->shift + c * 32};
            graph->bundle->transpose(to, x + c * 32, plan->in, it->normal ? &normal : NULL,
                                     it->relu);
        }
}

/* The patches' rows of positions begin..end, turned. */
static void turn_patches(const struct graph *graph, const struct bundle_weight_plan *plan,
                         const struct operands *it, size_t bundle, size_t begin, size_t end)
{
    const akin_bf16 *x = it->x + bundle * plan->x_bundle;
    akin_bf16 *to = it->left;
    for (size_t p = begin; p < end; p++)
        for (size_t t = 0; t < plan->taps; t++)
            for (size_t c = 0; c < plan->in; c += 32, to += AKIN_BLOCK)
                graph->bundle->transpose(to, x + plan->links.links[p * plan->taps + t].x + c,
                                         plan->x_row, NULL, false);
}

static void pair_gradients(const struct graph *graph, const struct bundle_weight_plan *plan,
                           const struct operands *it, size_t first, size_t rows)
{
    const akin_bf16 *dy = it->dy + first * AKIN_BUNDLE * plan->out;
    akin_bf16 *to = it->right;
    for (size_t p = 0; p < rows; p++, dy += (size_t)AKIN_BUNDLE * plan->out)
        for (size_t c = 0; c < plan->out; c += 32, to += AKIN_BLOCK)
            graph->bundle->pair(to, dy + c, plan->out);
}

/* ---- products ---- */

/* One tap's product of all channels. x_bundle and y_bundle: blocks between bundles. */
static void multiply_tap(const struct graph *graph, const struct bundle_weight_plan *plan,
                         const struct operands *it, size_t tap, const akin_bf16 *left,
                         const akin_bf16 *right, const struct akin_link *links, size_t count,
                         size_t bundles, bool add)
{
    const size_t ins = plan->in / 32, outs = plan->out / 32;
    for (size_t i = 0; i < ins; i++)
        for (size_t o = 0; o < outs; o++)
            graph->bundle->correlate(
                it->sums + ((tap * ins + i) * outs + o) * AKIN_BLOCK, left + i * AKIN_BLOCK,
                ins * AKIN_BLOCK, plan->in_positions * ins * AKIN_BLOCK, right + o * AKIN_BLOCK,
                outs * AKIN_BLOCK, plan->positions * outs * AKIN_BLOCK, links, count, bundles, add);
}

static void sum_maps(struct graph *graph, const struct bundle_weight_plan *plan,
                     const struct operands *it)
{
    const size_t all = bundle_count(graph), piece = piece_of(plan);
    for (size_t b = 0; b < all; b += plan->bundles_at_once) {
        const size_t bundles = all - b < plan->bundles_at_once ? all - b : plan->bundles_at_once;
        uint32_t at[TAPS_MAX];
        memcpy(at, plan->links.start, plan->taps * sizeof *at);
        turn_maps(graph, plan, it, b, bundles);
        pair_gradients(graph, plan, it, b * plan->positions, bundles * plan->positions);
        for (size_t p = 0; p < plan->positions; p += piece)
            for (size_t t = 0; t < plan->taps; t++) {
                const uint32_t begin = at[t];
                while (at[t] < plan->links.start[t + 1] && plan->links.links[at[t]].y < p + piece)
                    at[t]++;
                if (at[t] > begin || !(b + p))
                    multiply_tap(graph, plan, it, t, it->left, it->right, plan->links.links + begin,
                                 at[t] - begin, bundles, b + p > 0);
            }
    }
}

static void sum_patches(struct graph *graph, const struct bundle_weight_plan *plan,
                        const struct operands *it)
{
    const size_t piece = piece_of(plan);
    const struct akin_link *order = plan->links.links + plan->positions * plan->taps;
    for (size_t b = 0; b < bundle_count(graph); b++)
        for (size_t p = 0; p < plan->positions; p += piece) {
            const size_t end = p + piece < plan->positions ? p + piece : plan->positions;
            turn_patches(graph, plan, it, b, p, end);
            pair_gradients(graph, plan, it, b * plan->positions + p, end - p);
            for (size_t t = 0; t < plan->taps; t++)
                multiply_tap(graph, plan, it, t, it->left + t * (plan->in / 32) * AKIN_BLOCK,
                             it->right, order, end - p, 1, b + p > 0);
        }
}

/* sums -> plain (out, in, k, k), 16 x 16 channels at a time: their tiles stay in the first cache. */
static void write_maps(const struct bundle_weight_plan *plan, const float *sums, float *to)
{
    const size_t ins = plan->in / 32, outs = plan->out / 32, taps = plan->taps;
    for (size_t o = 0; o < plan->out; o += 16)
        for (size_t i = 0; i < plan->in; i += 16) {
            const float *tile = sums + (i / 32 * outs + o / 32) * AKIN_BLOCK +
                                (i % 32 / 16 * 2 + o % 32 / 16) * 256;
            for (size_t c = 0; c < 16; c++)
                for (size_t k = 0; k < 16; k++) {
                    float *weight = to + ((o + c) * plan->in + i + k) * taps;
                    for (size_t t = 0; t < taps; t++)
                        weight[t] = tile[t * ins * outs * AKIN_BLOCK + k * 16 + c];
                }
        }
}

/* The stem's taps are rows; an element of a row is (column, band). */
static void write_patches(const struct bundle_weight_plan *plan, const float *sums, float *to)
{
    const size_t ins = plan->in / 32, outs = plan->out / 32, bands = plan->plain_in;
    for (size_t o = 0; o < plan->out; o++)
        for (size_t b = 0; b < bands; b++)
            for (size_t t = 0; t < plan->taps; t++)
                for (size_t k = 0; k < plan->side; k++) {
                    const size_t i = k * bands + b;
                    *to++ = sums[((t * ins + i / 32) * outs + o / 32) * AKIN_BLOCK +
                                 (i % 32 / 16 * 2 + o % 32 / 16) * 256 + i % 16 * 16 + o % 16];
                }
}

/* args: x, dy, left, right, sums and perhaps the norm of x. */
static void run_weight_gradient(struct graph *graph, const struct graph_step *step)
{
    const struct bundle_weight_plan *plan = step->bundle_weights;
    struct akin_affine normal = {NULL, NULL};
    if (step->arg_count > 5) {
        normal.scale = graph_buffer_data(graph, step->args[5].buffer);
        normal.shift = normal.scale + plan->in;
    }
    const struct operands it = {.x = graph_buffer_data(graph, step->args[0].buffer),
                                .dy = graph_buffer_data(graph, step->args[1].buffer),
                                .normal = normal.scale ? &normal : NULL,
                                .relu = step->end.relu,
                                .left = graph_buffer_data(graph, step->args[2].buffer),
                                .right = graph_buffer_data(graph, step->args[3].buffer),
                                .sums = graph_buffer_data(graph, step->args[4].buffer)};
    graph->bundle->begin();
    if (plan->stem)
        sum_patches(graph, plan, &it);
    else
        sum_maps(graph, plan, &it);
    graph->bundle->end();
    if (plan->stem)
        write_patches(plan, it.sums, step->to);
    else
        write_maps(plan, it.sums, step->to);
}

/* ---- building ---- */

void bundle_weight_gradient(struct graph *graph, const struct bundle_weight_plan *at, int x, int y,
                            size_t weight)
{
    const struct graph_tensor *in = &graph->tensors[x];
    struct bundle_weight_plan *plan = graph_own(graph, sizeof *plan);
    if (!plan)
        return;
    if (at->taps > TAPS_MAX) {
        graph_fail(graph, AKIN_ERR_LIMIT, "a convolution of %zu taps", at->taps);
        return;
    }
    *plan = *at;
    const size_t map = (plan->in_positions * plan->in + plan->positions * plan->out) * AKIN_BUNDLE *
                       sizeof(akin_bf16);
    const size_t all = bundle_count(graph), some = 2 * (size_t)PIECE_BYTES / map + 1;
    plan->bundles_at_once = plan->stem ? 1 : some < all ? some : all;
    const size_t rows = plan->stem ? piece_of(plan) : plan->bundles_at_once * plan->positions;
    const size_t left = plan->stem ? rows * plan->taps : plan->bundles_at_once * plan->in_positions;
    struct graph_step *step = graph_push(graph, &graph->backward, "bundle weight gradient");
    step->run = run_weight_gradient;
    step->bundle_weights = plan;
    step->to = graph->options.gradients + weight;
    const bool normal = in->normal >= 0;
    step->end.relu = normal;
    graph_arg(graph, step, 0, NULL,
              plan->stem ? in->picture
              : normal   ? graph->tensors[in->from].value
                         : in->value);
    graph_arg(graph, step, 0, NULL, graph_gradient_buffer(graph, y));
    graph_arg(graph, step, 0, NULL,
              graph_buffer(graph, left * AKIN_BUNDLE * plan->in * sizeof(akin_bf16)));
    graph_arg(graph, step, 0, NULL,
              graph_buffer(graph, rows * AKIN_BUNDLE * plan->out * sizeof(akin_bf16)));
    graph_arg(graph, step, 0, NULL,
              graph_buffer(graph, plan->taps * plan->in * plan->out * sizeof(float)));
    if (normal)
        graph_arg(graph, step, 0, NULL, in->normal);
}
