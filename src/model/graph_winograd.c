/*
 * Convolutions by Winograd's method (winograd.h) as steps of a graph: the same three that graph_ops.c
 * makes of oneDNN's, where layout and shape allow it. bf16 stays with oneDNN, which has instructions
 * for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph_private.h"
#include "winograd.h"

/* x, y or dy, dx, scratch: buffers; `from`: frequencies of the weights */
static void run_convolution(struct graph *graph, const struct graph_step *step)
{
    winograd_run(step->plan, step->from, graph_buffer_data(graph, step->args[0].buffer),
                 graph_buffer_data(graph, step->args[1].buffer), &step->end,
                 graph_buffer_data(graph, step->args[2].buffer));
}

static void run_weight_gradient(struct graph *graph, const struct graph_step *step)
{
    winograd_weight_gradient(step->plan, graph_buffer_data(graph, step->args[0].buffer),
                             graph_buffer_data(graph, step->args[1].buffer), step->to,
                             graph_buffer_data(graph, step->args[2].buffer));
}

static void run_weights(struct graph *graph, const struct graph_step *step)
{
    (void)graph;
    winograd_weights(step->plan, step->to, step->from, step->turned);
}

/* The channels side by side in a plain blocked layout; 0 for any other. */
static uint32_t block_of(const graph_md *md)
{
    const dnnl_blocking_desc_t *blocking = &md->format_desc.blocking;
    if (md->format_kind != dnnl_blocked || blocking->inner_nblks != 1 ||
        blocking->inner_idxs[0] != 1)
        return 0;
    return (uint32_t)blocking->inner_blks[0];
}

bool graph_winograd_fits(const struct graph *graph, int x, uint32_t out, uint32_t k,
                         uint32_t stride)
{
    const struct graph_tensor *in = &graph->tensors[x];
    const struct winograd_shape shape = {
        .in = in->c, .out = out, .px = in->h, .batch = in->n, .block = block_of(&in->md)};
    struct winograd plan;
    return k == 3 && stride == 1 && in->learns && graph->dtype == dnnl_f32 && shape.block &&
           winograd_init(&plan, &shape, NULL) == AKIN_OK;
}

static struct winograd *make_plan(struct graph *graph, const struct graph_tensor *in, uint32_t from,
                                  uint32_t to)
{
    const struct winograd_shape shape = {
        .in = from, .out = to, .px = in->h, .batch = in->n, .block = block_of(&in->md)};
    struct winograd *plan = graph_own(graph, sizeof *plan);
    if (plan && winograd_init(plan, &shape, NULL) != AKIN_OK) {
        graph_fail(graph, AKIN_ERR_UNSUPPORTED, "a convolution's shape");
        return NULL;
    }
    return plan;
}

/* Frequencies of the weights at `from`, made anew by graph_refresh. */
static float *push_weights(struct graph *graph, const struct winograd *plan, const float *from,
                           bool turned)
{
    float *frequencies = plan ? graph_own(graph, winograd_weight_bytes(plan)) : NULL;
    struct graph_step *step = graph_push(graph, &graph->refresh, "winograd weights");
    step->run = run_weights;
    step->plan = plan;
    step->from = from;
    step->to = frequencies;
    step->turned = turned;
    return frequencies;
}

static struct graph_step *push_run(struct graph *graph, struct graph_list *list, const char *name,
                                   const struct winograd *plan, const float *frequencies,
                                   const graph_md *md, int x, int y)
{
    if (graph->status != AKIN_OK)
        return &graph->nowhere;
    struct graph_step *step = graph_push(graph, list, name);
    step->run = run_convolution;
    step->plan = plan;
    step->from = frequencies;
    graph_arg(graph, step, 0, md, x);
    graph_arg(graph, step, 0, md, y);
    graph_arg(graph, step, 0, md, graph_buffer(graph, winograd_scratch_bytes(plan)));
    return step;
}

static graph_md result_of(struct graph *graph, const struct graph_tensor *in, uint32_t out)
{
    const uint32_t sizes[4] = {in->n, out, in->h, in->w};
    return graph_md_of(graph, 4, sizes, dnnl_f32,
                       block_of(&in->md) == 16 ? dnnl_nChw16c : dnnl_nChw8c);
}

void graph_winograd_gradients(struct graph *graph, int x, int from, int y, size_t weight, bool adds)
{
    const graph_md md = graph->tensors[x].md, result = graph->tensors[y].md;
    const uint32_t in = graph->tensors[x].c, out = graph->tensors[y].c;
    struct winograd *plan = make_plan(graph, &graph->tensors[x], in, out);
    struct winograd *back = make_plan(graph, &graph->tensors[x], out, in);
    if (graph->status != AKIN_OK)
        return;
    float *turned = push_weights(graph, back, graph->options.parameters + weight, true);
    int to = graph_sum_target(graph, x, adds);
    push_run(graph, &graph->backward, "winograd data gradient", back, turned, &md,
             graph_gradient_buffer(graph, y), to);
    struct graph_step *step = graph_push(graph, &graph->backward, "winograd weight gradient");
    step->run = run_weight_gradient;
    step->plan = plan;
    step->to = graph->options.gradients + weight;
    graph_arg(graph, step, 0, &md, from);
    graph_arg(graph, step, 0, &result, graph_gradient_buffer(graph, y));
    graph_arg(graph, step, 0, &md, graph_buffer(graph, winograd_gradient_scratch_bytes(plan)));
}

/* y <- convolution of x; y is made here, or written over `add_to`. */
static int push_forward(struct graph *graph, int x, size_t weight, uint32_t out, int add_to,
                        const struct akin_square_end *end)
{
    const struct graph_tensor *in = &graph->tensors[x];
    const graph_md md = result_of(graph, in, out);
    struct winograd *plan = make_plan(graph, in, in->c, out);
    int y = graph_tensor(graph, &md);
    if (y < 0)
        return -1;
    graph->tensors[y].learns = true;
    if (add_to >= 0)
        graph->tensors[y].value = graph->tensors[add_to].value;
    float *frequencies = push_weights(graph, plan, graph->options.parameters + weight, false);
    push_run(graph, &graph->forward, "winograd", plan, frequencies, &md, in->value,
             graph->tensors[y].value)
        ->end = *end;
    return graph->status == AKIN_OK ? y : -1;
}

int graph_winograd(struct graph *graph, int x, size_t weight, uint32_t out)
{
    const struct akin_square_end end = {0};
    return push_forward(graph, x, weight, out, -1, &end);
}

int graph_winograd_folded(struct graph *graph, int x, const struct graph_folded *at, int add_to)
{
    const struct akin_square_end end = {
        .bias = graph->options.parameters + at->bias, .add = add_to >= 0, .relu = at->relu};
    return push_forward(graph, x, at->weight, at->out, add_to, &end);
}
