/*
 * The weight gradient of convolutions for which oneDNN has only its reference (maps of 2x2 and
 * below, large kernels over one band): im2col and one matrix product,
 *
 *     dw (out, k * k * in) = dy (rows, out)^T * columns (rows, k * k * in),   rows = n * h * w
 *
 * over a few images at a time, so that the columns stay in the cache.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_private.h"

#define COLUMNS_BYTES (1u << 20)

/* The k x k pixels about one position of the result, zeros outside. */
static void read_patch(const struct graph_walk *x, const struct graph_step *step, size_t n,
                       size_t h, size_t w, float *out)
{
    long top = (long)(h * step->stride) - (long)(step->k / 2);
    long left = (long)(w * step->stride) - (long)(step->k / 2);
    for (long i = top; i < top + (long)step->k; i++)
        for (long j = left; j < left + (long)step->k; j++, out += step->in) {
            if (i < 0 || j < 0 || i >= x->md.dims[2] || j >= x->md.dims[3])
                memset(out, 0, step->in * sizeof *out);
            else
                graph_read_pixel(x, n, (size_t)i, (size_t)j, out);
        }
}

/* (out, k * k, in) -> (out, in, k, k) */
static void transpose_kernels(const struct graph_step *step, const float *from)
{
    size_t cells = (size_t)step->k * step->k;
    for (size_t o = 0; o < step->out; o++)
        for (size_t c = 0; c < step->in; c++)
            for (size_t i = 0; i < cells; i++)
                step->to[(o * step->in + c) * cells + i] = from[(o * cells + i) * step->in + c];
}

static void run_columns(struct graph *graph, const struct graph_step *step)
{
    const struct graph_tensor *result = &graph->tensors[step->y];
    struct graph_walk x = graph_walk_of(graph, &graph->tensors[step->x].md, step->args[0].buffer);
    struct graph_walk dy = graph_walk_of(graph, &result->md, step->args[1].buffer);
    float *dw = graph_buffer_data(graph, step->args[2].buffer);
    float *columns = graph_buffer_data(graph, step->args[3].buffer);
    float *rows_of_dy = graph_buffer_data(graph, step->args[4].buffer);
    size_t width = (size_t)step->k * step->k * step->in, row = 0, done = 0;
    for (size_t n = 0; n < result->n; n++) {
        for (size_t h = 0; h < result->h; h++)
            for (size_t w = 0; w < result->w; w++, row++) {
                read_patch(&x, step, n, h, w, columns + row * width);
                graph_read_pixel(&dy, n, h, w, rows_of_dy + row * step->out);
            }
        if (row + (size_t)result->h * result->w <= step->count && n + 1 < result->n)
            continue;
        dnnl_sgemm('T', 'N', (dnnl_dim_t)step->out, (dnnl_dim_t)width, (dnnl_dim_t)row, 1,
                   rows_of_dy, (dnnl_dim_t)step->out, columns, (dnnl_dim_t)width, done ? 1 : 0, dw,
                   (dnnl_dim_t)width);
        done += row;
        row = 0;
    }
    transpose_kernels(step, dw);
}

void graph_column_weight_gradient(struct graph *graph, int x, int from, int y,
                                  const graph_md *plain, dnnl_dim_t stride, float *to)
{
    const struct graph_tensor *in = &graph->tensors[x], *result = &graph->tensors[y];
    struct graph_step *step = graph_push(graph, &graph->backward, "weight gradient by columns");
    size_t width = (size_t)plain->dims[2] * (size_t)plain->dims[3] * in->c;
    size_t map = (size_t)result->h * result->w;
    size_t images = COLUMNS_BYTES / (width * map * sizeof(float)) + 1;
    step->run = run_columns;
    step->x = x;
    step->y = y;
    step->k = (uint32_t)plain->dims[2];
    step->stride = (uint32_t)stride;
    step->in = in->c;
    step->out = result->c;
    step->count = images * map;
    step->to = to;
    graph_arg(graph, step, 0, &in->md, from);
    graph_arg(graph, step, 0, &result->md, graph_gradient_buffer(graph, y));
    const size_t bytes[3] = {step->out * width, step->count * width, step->count * step->out};
    for (int i = 0; i < 3; i++)
        graph_arg(graph, step, 0, plain, graph_buffer(graph, bytes[i] * sizeof(float)));
}
