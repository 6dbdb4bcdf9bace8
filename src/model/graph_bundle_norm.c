/*
 * Batch normalisation, ends of blocks and pooling in bundles. A norm's scale and shift by channel
 * are all that is kept of it; without a relu behind it nothing is written at all until the end of
 * the block, which adds, rectifies and writes in one pass.
 *
 *     y = A x + S,  A = gamma r,  S = beta - A mean,  r = 1 / sqrt(variance + epsilon)
 *     dx = A g - A (dbeta + xhat dgamma) / N,  xhat = (x - mean) r,  over the N values of a channel
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "graph_bundle.h"

/* What is kept of a norm: (scale, shift, mean, r), by channel. */
#define NORM_PARTS 4
/* Scratch of its gradient: sums in double of g, of g x and of g other; then three factors in f32 for
 * each of up to two norms. */
#define SUM_PARTS 3
#define FACTOR_PARTS 6

static size_t rows_of(const struct graph_tensor *x)
{
    return (size_t)x->md.dims[0] * x->h * x->w;
}

static struct akin_affine affine_of(const struct graph *graph, int normal, uint32_t c)
{
    const float *values = graph_buffer_data(graph, normal);
    return (struct akin_affine){values, values + c};
}

/* ---- forward ---- */

/* args: sums of x and of its squares, norm; count is N */
static void run_statistics(struct graph *graph, const struct graph_step *step)
{
    const double *sums = graph_buffer_data(graph, step->args[0].buffer);
    float *norm = graph_buffer_data(graph, step->args[1].buffer);
    const struct graph_norm *at = &step->norm;
    const float *parameters = graph->options.parameters;
    float *running_mean = graph->options.statistics + at->mean;
    float *running_variance = graph->options.statistics + at->variance;
    const double n = (double)step->count, unbiased = n > 1 ? n / (n - 1) : 1;
    const size_t c = step->out;
    for (size_t i = 0; i < c; i++) {
        double mean = sums[i] / n, variance = fmax(sums[c + i] / n - mean * mean, 0);
        double r = 1 / sqrt(variance + (double)GRAPH_NORM_EPSILON);
        norm[i] = parameters[at->scale + i] * (float)r;
        norm[c + i] = parameters[at->shift + i] - norm[i] * (float)mean;
        norm[2 * c + i] = (float)mean;
        norm[3 * c + i] = (float)r;
        if (!(graph->momentum > 0))
            continue;
        running_mean[i] += graph->momentum * ((float)mean - running_mean[i]);
        running_variance[i] +=
            graph->momentum * ((float)(unbiased * variance) - running_variance[i]);
    }
}

/* args: y, x, norm */
static void run_normalise(struct graph *graph, const struct graph_step *step)
{
    const struct akin_affine normal = affine_of(graph, step->args[2].buffer, (uint32_t)step->out);
    graph->bundle->normalise(graph_buffer_data(graph, step->args[0].buffer),
                             graph_buffer_data(graph, step->args[1].buffer), &normal, NULL, NULL,
                             true, step->count, step->out);
}

/* args: y, x, norm, other, perhaps other's norm */
static void run_end(struct graph *graph, const struct graph_step *step)
{
    const struct akin_affine normal = affine_of(graph, step->args[2].buffer, (uint32_t)step->out);
    struct akin_affine second = {NULL, NULL};
    if (step->arg_count > 4)
        second = affine_of(graph, step->args[4].buffer, (uint32_t)step->out);
    graph->bundle->normalise(graph_buffer_data(graph, step->args[0].buffer),
                             graph_buffer_data(graph, step->args[1].buffer), &normal,
                             graph_buffer_data(graph, step->args[3].buffer),
                             second.scale ? &second : NULL, true, step->count, step->out);
}

/* ---- backward ---- */

/* From sums of g and of g x: the gradients of scale and shift, and factors (a, b, shift) of dx =
 * a g + b x + shift. */
static void make_factors(struct graph *graph, const struct graph_norm *at, const double *sum,
                         const double *by_x, const float *norm, double n, size_t c, float *factors)
{
    float *gradients = graph->options.gradients;
    for (size_t i = 0; i < c; i++) {
        const double a = (double)norm[i], mean = (double)norm[2 * c + i],
                     r = (double)norm[3 * c + i];
        const double dscale = r * (by_x[i] - mean * sum[i]), b = -a * r * dscale / n;
        gradients[at->scale + i] = (float)dscale;
        gradients[at->shift + i] = (float)sum[i];
        factors[i] = (float)a;
        factors[c + i] = (float)b;
        factors[2 * c + i] = (float)(-a * sum[i] / n - b * mean);
    }
}

static void run_gradient(struct graph *graph, akin_bf16 *dx, const akin_bf16 *dy,
                         const akin_bf16 *x, const float *factors, const struct akin_affine *normal,
                         size_t rows, size_t c)
{
    const size_t each = rows / bundle_count(graph), step = each * c;
    for (size_t b = 0; b < bundle_count(graph); b++)
        graph->bundle->gradient(dx + b * step, dy + b * step, x + b * step, factors, factors + c,
                                factors + 2 * c, normal, bundle_images(graph, b), each, c);
}

static double values_of(const struct graph *graph, const struct graph_step *step)
{
    return (double)(step->count / ((size_t)AKIN_BUNDLE * bundle_count(graph))) *
           graph->options.batch;
}

/* args: dx, dy, x, norm, scratch */
static void run_norm_gradient(struct graph *graph, const struct graph_step *step)
{
    const size_t c = step->out;
    const struct akin_affine normal = affine_of(graph, step->args[3].buffer, (uint32_t)c);
    akin_bf16 *dy = graph_buffer_data(graph, step->args[1].buffer);
    const akin_bf16 *x = graph_buffer_data(graph, step->args[2].buffer);
    double *sums = graph_buffer_data(graph, step->args[4].buffer);
    float *factors = (float *)(sums + SUM_PARTS * c);
    memset(sums, 0, SUM_PARTS * c * sizeof *sums);
    graph->bundle->gradient_sums(sums, dy, NULL, &normal, x, NULL, step->count, c);
    make_factors(graph, &step->norm, sums, sums + c, normal.scale, values_of(graph, step), c,
                 factors);
    run_gradient(graph, graph_buffer_data(graph, step->args[0].buffer), dy, x, factors, &normal,
                 step->count, c);
}

/* args: dy (which becomes g), y, scratch, dx, x, norm, perhaps other's dx, x, norm */
static void run_end_gradient(struct graph *graph, const struct graph_step *step)
{
    const size_t c = step->out;
    const bool both = step->arg_count > 6;
    const double n = values_of(graph, step);
    akin_bf16 *dy = graph_buffer_data(graph, step->args[0].buffer);
    double *sums = graph_buffer_data(graph, step->args[2].buffer);
    float *factors = (float *)(sums + SUM_PARTS * c);
    const akin_bf16 *x[2] = {graph_buffer_data(graph, step->args[4].buffer), NULL};
    if (both)
        x[1] = graph_buffer_data(graph, step->args[7].buffer);
    memset(sums, 0, SUM_PARTS * c * sizeof *sums);
    graph->bundle->gradient_sums(sums, dy, graph_buffer_data(graph, step->args[1].buffer), NULL,
                                 x[0], x[1], step->count, c);
    for (int i = 0; i < 1 + both; i++) {
        make_factors(graph, i ? &step->other_norm : &step->norm, sums, sums + (1 + (size_t)i) * c,
                     graph_buffer_data(graph, step->args[5 + 3 * i].buffer), n, c, factors);
        run_gradient(graph, graph_buffer_data(graph, step->args[3 + 3 * i].buffer), dy, x[i],
                     factors, NULL, step->count, c);
    }
}

static int scratch_of(struct graph *graph, size_t c)
{
    return graph_buffer(graph, c * (SUM_PARTS * sizeof(double) + FACTOR_PARTS * sizeof(float)));
}

static struct graph_step *push(struct graph *graph, struct graph_list *list, const char *name,
                               void (*run)(struct graph *, const struct graph_step *),
                               const struct graph_tensor *x, const int *buffers, int count)
{
    struct graph_step *step = graph_push(graph, list, name);
    step->run = run;
    step->count = rows_of(x);
    step->out = x->c;
    for (int i = 0; i < count; i++)
        graph_arg(graph, step, 0, NULL, buffers[i]);
    return step;
}

/* ---- building ---- */

int bundle_batch_norm(struct graph *graph, int x, const struct graph_norm *norm, bool relu)
{
    const struct graph_tensor in = graph->tensors[x];
    int y = bundle_tensor(graph, in.c, in.h);
    if (y < 0)
        return -1;
    struct graph_tensor *result = &graph->tensors[y];
    result->from = x;
    result->normal = graph_buffer(graph, NORM_PARTS * (size_t)in.c * sizeof(float));
    result->norm = *norm;
    struct graph_step *step = push(graph, &graph->forward, "bundle statistics", run_statistics, &in,
                                   (const int[]){in.sums, result->normal}, 2);
    step->norm = *norm;
    step->count = (size_t)graph->options.batch * in.h * in.w;
    if (!relu)
        return graph->status == AKIN_OK ? y : -1; /* the end of the block does the rest */
    push(graph, &graph->forward, "bundle norm", run_normalise, &in,
         (const int[]){result->value, in.value, result->normal}, 3);
    if (graph->options.training)
        push(graph, &graph->backward, "bundle norm gradient", run_norm_gradient, &in,
             (const int[]){graph_gradient_buffer(graph, x), graph_gradient_buffer(graph, y),
                           in.value, result->normal, scratch_of(graph, in.c)},
             5)
            ->norm = *norm;
    return graph->status == AKIN_OK ? y : -1;
}

/* The same tensor, and the same gradient: the end of the block leaves it there, and the block's
 * convolution adds to it. */
int bundle_shortcut(struct graph *graph, int x)
{
    int y = bundle_tensor(graph, graph->tensors[x].c, graph->tensors[x].h);
    if (y < 0)
        return -1;
    graph->tensors[y].value = graph->tensors[x].value;
    graph->tensors[x].shared = true;
    if (graph->options.training)
        graph->tensors[y].gradient = graph_gradient_buffer(graph, x);
    return y;
}

int bundle_add_relu(struct graph *graph, int a, int b)
{
    const struct graph_tensor *left = &graph->tensors[a], *right = &graph->tensors[b];
    if (left->normal < 0 || !right->bundled || left->c != right->c || left->h != right->h)
        return graph_fail(graph, AKIN_ERR_UNSUPPORTED, "the two sides of a sum");
    int y = bundle_tensor(graph, left->c, left->h);
    if (y < 0)
        return -1;
    const bool both = right->normal >= 0;
    const int value = graph->tensors[y].value, x = left->from, other = both ? right->from : b;
    push(graph, &graph->forward, "bundle end", run_end, left,
         (const int[]){value, graph->tensors[x].value, left->normal, graph->tensors[other].value,
                       right->normal},
         both ? 5 : 4);
    if (!graph->options.training)
        return y;
    int gradient = graph_gradient_buffer(graph, y);
    if (!both)
        graph_alias(graph, gradient, graph_gradient_buffer(graph, b));
    const int args[] = {gradient,
                        value,
                        scratch_of(graph, left->c),
                        graph_gradient_buffer(graph, x),
                        graph->tensors[x].value,
                        left->normal,
                        both ? graph_gradient_buffer(graph, other) : -1,
                        graph->tensors[other].value,
                        right->normal};
    struct graph_step *step = push(graph, &graph->backward, "bundle end gradient", run_end_gradient,
                                   left, args, both ? 9 : 6);
    step->norm = left->norm;
    step->other_norm = right->norm;
    return graph->status == AKIN_OK ? y : -1;
}

/* ---- pooling ---- */

#define POOL_SIDE 3

/* args: y, marks, x */
static void run_max(struct graph *graph, const struct graph_step *step)
{
    const struct bundle_links *links = step->links;
    const size_t n = (size_t)AKIN_BUNDLE * step->out;
    akin_bf16 *y = graph_buffer_data(graph, step->args[0].buffer);
    uint8_t *marks = graph_buffer_data(graph, step->args[1].buffer);
    const akin_bf16 *x = graph_buffer_data(graph, step->args[2].buffer);
    for (size_t b = 0; b < bundle_count(graph); b++, x += step->in * n)
        for (size_t p = 0; p < links->groups; p++, y += n, marks += n) {
            const struct akin_link *first = links->links + links->start[p];
            memcpy(y, x + first->x * n, n * sizeof *y);
            memset(marks, (int)first->y, n);
            for (const struct akin_link *l = first + 1; l < links->links + links->start[p + 1]; l++)
                graph->bundle->max(y, marks, x + l->x * n, (uint8_t)l->y, n);
        }
}

/* args: dx, marks, dy */
static void run_max_gradient(struct graph *graph, const struct graph_step *step)
{
    const struct bundle_links *links = step->links;
    const size_t n = (size_t)AKIN_BUNDLE * step->out;
    akin_bf16 *dx = graph_buffer_data(graph, step->args[0].buffer);
    const uint8_t *marks = graph_buffer_data(graph, step->args[1].buffer);
    const akin_bf16 *dy = graph_buffer_data(graph, step->args[2].buffer);
    for (size_t b = 0; b < bundle_count(graph); b++, dy += step->in * n, marks += step->in * n)
        for (size_t p = 0; p < links->groups; p++, dx += n)
            graph->bundle->max_gradient(dx, dy, marks, links->links + links->start[p],
                                        links->start[p + 1] - links->start[p], n);
}

int bundle_max_pool(struct graph *graph, int x)
{
    const struct graph_tensor in = graph->tensors[x];
    const struct bundle_shape shape = {in.h, (in.h - 1) / 2 + 1, POOL_SIDE, 2};
    const size_t in_positions = (size_t)in.h * in.w;
    struct bundle_links *links = graph_own(graph, 2 * sizeof *links);
    int y = bundle_tensor(graph, in.c, shape.out_px);
    if (y < 0 || !links || !bundle_link(graph, &links[0], &shape, BUNDLE_FORWARD))
        return -1;
    const int marks = graph_buffer(graph, rows_of(&graph->tensors[y]) * in.c);
    struct graph_step *step = push(graph, &graph->forward, "bundle pooling", run_max, &in,
                                   (const int[]){graph->tensors[y].value, marks, in.value}, 3);
    step->links = &links[0];
    step->in = in_positions;
    if (!graph->options.training || !bundle_link(graph, &links[1], &shape, BUNDLE_BACK))
        return graph->status == AKIN_OK ? y : -1;
    step = push(
        graph, &graph->backward, "bundle pooling gradient", run_max_gradient, &in,
        (const int[]){graph_gradient_buffer(graph, x), marks, graph_gradient_buffer(graph, y)}, 3);
    step->links = &links[1];
    step->in = links[0].groups;
    return graph->status == AKIN_OK ? y : -1;
}

/* args: y (batch, c) f32, x; in is its positions */
static void run_mean(struct graph *graph, const struct graph_step *step)
{
    float *y = graph_buffer_data(graph, step->args[0].buffer);
    const akin_bf16 *x = graph_buffer_data(graph, step->args[1].buffer);
    const size_t c = step->out, n = (size_t)AKIN_BUNDLE * c;
    memset(y, 0, graph->options.batch * c * sizeof *y);
    for (size_t b = 0; b < bundle_count(graph); b++, y += n)
        for (size_t p = 0; p < step->in; p++, x += n)
            for (size_t i = 0; i < bundle_images(graph, b) * c; i++)
                y[i] += graph_widen(x[i]) / (float)step->in;
}

/* args: dy (batch, c) f32, dx */
static void run_mean_gradient(struct graph *graph, const struct graph_step *step)
{
    const float *dy = graph_buffer_data(graph, step->args[0].buffer);
    akin_bf16 *dx = graph_buffer_data(graph, step->args[1].buffer);
    const size_t c = step->out, n = (size_t)AKIN_BUNDLE * c;
    for (size_t b = 0; b < bundle_count(graph); b++, dy += n)
        for (size_t p = 0; p < step->in; p++, dx += n) {
            const size_t there = bundle_images(graph, b) * c;
            for (size_t i = 0; i < there; i++)
                dx[i] = graph_narrow(dy[i] / (float)step->in);
            memset(dx + there, 0, (n - there) * sizeof *dx);
        }
}

int bundle_mean(struct graph *graph, int x)
{
    const struct graph_tensor in = graph->tensors[x];
    const uint32_t sizes[4] = {graph->options.batch, in.c, 1, 1};
    const graph_md md = graph_md_of(graph, 4, sizes, dnnl_f32, dnnl_nchw);
    int y = graph_tensor(graph, &md);
    if (y < 0)
        return -1;
    graph->tensors[y].learns = true;
    push(graph, &graph->forward, "bundle mean", run_mean, &in,
         (const int[]){graph->tensors[y].value, in.value}, 2)
        ->in = (size_t)in.h * in.w;
    if (graph->options.training)
        push(graph, &graph->backward, "bundle mean gradient", run_mean_gradient, &in,
             (const int[]){graph_gradient_buffer(graph, y), graph_gradient_buffer(graph, x)}, 2)
            ->in = (size_t)in.h * in.w;
    return graph->status == AKIN_OK ? y : -1;
}

void bundle_read_map(const struct graph *graph, int tensor, size_t n, float *out)
{
    const struct graph_tensor *it = &graph->tensors[tensor];
    const void *data = graph_buffer_data(graph, it->value);
    const size_t positions = (size_t)it->h * it->w, step = (size_t)AKIN_BUNDLE * it->c;
    size_t at = n / AKIN_BUNDLE * positions * step + n % AKIN_BUNDLE * it->c;
    for (size_t p = 0; p < positions; p++, at += step, out += it->c)
        for (size_t c = 0; c < it->c; c++)
            out[c] = it->unit > 0 ? it->unit * (float)((const uint8_t *)data)[at + c]
                                  : graph_widen(((const akin_bf16 *)data)[at + c]);
}
