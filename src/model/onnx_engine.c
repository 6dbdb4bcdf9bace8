/*
 * From an ONNX net's steps to the engine's: see the head of onnx_engine.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "onnx_engine.h"

#include <string.h>

#include "akin/vec.h"
#include "graph.h"

#define NO_STEP SIZE_MAX
#define ALIGN_FLOATS 16

struct onnx_engine {
    const struct onnx_net *net; /* borrowed */
    struct graph *graph;
    float *parameters; /* folded weights and biases */
    int input, last;   /* tensors of the graph: the image, and the map that the tail begins with */
    size_t tail;       /* step that it begins with */
    float *map;        /* (h, w, c), as the graph gives it */
    float *value[2];   /* of the tail, in turns */
};

/* While it is built. */
struct builder {
    struct onnx_engine *engine;
    const struct onnx_net *net;
    int tensor[ONNX_STEPS_MAX + 1];       /* of the values; -1 where none yet */
    uint32_t pending[ONNX_STEPS_MAX + 1]; /* readers of the values that are still to come */
    bool done[ONNX_STEPS_MAX];            /* steps that a convolution took in */
    size_t floats;                        /* of the parameters used so far */
    akin_error *err;
};

static akin_status unsupported(const struct builder *builder, size_t step, const char *why)
{
    static const char *const names[] = {
#define X(name, op) #name,
        ONNX_OPS(X)
#undef X
    };
    return akin_error_set(builder->err, AKIN_ERR_UNSUPPORTED,
                          "operator %zu (%s): %s, which akin's own engine does not have", step,
                          names[builder->net->steps[step].op], why);
}

static size_t round_up(size_t floats)
{
    return (floats + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

/* The only step that reads the value; NO_STEP where there are more, or it is the output. */
static size_t only_reader(const struct builder *builder, uint32_t value)
{
    const struct onnx_net *net = builder->net;
    if (builder->pending[value] != 1 || value == net->output)
        return NO_STEP;
    for (size_t s = 0; s < net->step_count; s++)
        if (!builder->done[s] &&
            (net->steps[s].in[0] == value ||
             (net->steps[s].op == ONNX_OP_ADD && net->steps[s].in[1] == value)))
            return s;
    return NO_STEP;
}

/* ---- a convolution and what follows it ---- */

/* A norm behind it goes into weights and bias. */
static void fold_norm(const struct onnx_step *norm, float *weight, float *bias, uint32_t out,
                      size_t per)
{
    for (uint32_t o = 0; o < out; o++) {
        for (size_t i = 0; i < per; i++)
            weight[o * per + i] *= norm->weight[o];
        bias[o] = bias[o] * norm->weight[o] + norm->bias[o];
    }
}

/* The step takes the reader in: its value is then the reader's. */
static void take(struct builder *builder, size_t reader, uint32_t *value)
{
    const struct onnx_step *step = &builder->net->steps[reader];
    builder->done[reader] = true;
    builder->pending[step->in[0]]--;
    if (step->op == ONNX_OP_ADD)
        builder->pending[step->in[1]]--;
    *value = step->out;
}

/* The sum's other side where the convolution's result can be written over it: it is there, nothing
 * else will read it, and it is not what the convolution itself reads. */
static int other_side(const struct builder *builder, const struct onnx_step *add, uint32_t value,
                      uint32_t source)
{
    const uint32_t other = add->in[0] == value ? add->in[1] : add->in[0];
    if (other == value || other == source || builder->pending[other] != 1 || other == 0 ||
        other == builder->net->output)
        return -1;
    return builder->tensor[other];
}

static akin_status push_convolution(struct builder *builder, size_t at)
{
    const struct onnx_step *step = &builder->net->steps[at];
    const struct onnx_shape *in = &builder->net->shapes[step->in[0]];
    const uint32_t out = builder->net->shapes[step->out].c, k = step->kernel[0];
    const size_t per = (size_t)in->c * k * k;
    uint32_t value = step->out;
    int add_to = -1;
    if (k != step->kernel[1] || k % 2 == 0 || step->stride[0] != step->stride[1])
        return unsupported(builder, at, "a kernel that is not square and odd");
    for (int i = 0; i < 4; i++)
        if (step->pad[i] != k / 2)
            return unsupported(builder, at, "padding that is not half the kernel");
    struct graph_folded folded = {.weight = builder->floats,
                                  .bias = builder->floats + round_up(out * per),
                                  .out = out,
                                  .k = k,
                                  .stride = step->stride[0]};
    float *weight = builder->engine->parameters + folded.weight;
    float *bias = builder->engine->parameters + folded.bias;
    builder->floats = folded.bias + round_up(out);
    memcpy(weight, step->weight, out * per * sizeof *weight);
    memcpy(bias, step->bias, out * sizeof *bias);
    size_t reader = only_reader(builder, value);
    if (reader != NO_STEP && builder->net->steps[reader].op == ONNX_OP_NORM) {
        fold_norm(&builder->net->steps[reader], weight, bias, out, per);
        take(builder, reader, &value);
        reader = only_reader(builder, value);
    }
    if (reader != NO_STEP && builder->net->steps[reader].op == ONNX_OP_ADD) {
        add_to = other_side(builder, &builder->net->steps[reader], value, step->in[0]);
        if (add_to >= 0) {
            take(builder, reader, &value);
            reader = only_reader(builder, value);
        }
    }
    if (reader != NO_STEP && builder->net->steps[reader].op == ONNX_OP_RELU) {
        folded.relu = true;
        take(builder, reader, &value);
    }
    builder->tensor[value] =
        graph_folded(builder->engine->graph, builder->tensor[step->in[0]], &folded, add_to);
    return AKIN_OK;
}

static akin_status push_pool(struct builder *builder, size_t at)
{
    const struct onnx_step *step = &builder->net->steps[at];
    for (int i = 0; i < 4; i++)
        if (step->pad[i] != 1 || step->kernel[i % 2] != 3 || step->stride[i % 2] != 2)
            return unsupported(builder, at, "pooling that is not 3x3 at stride 2, padded by 1");
    const struct onnx_shape *in = &builder->net->shapes[step->in[0]];
    if (builder->net->shapes[step->out].h != (in->h - 1) / 2 + 1)
        return unsupported(builder, at, "pooling that rounds up");
    builder->tensor[step->out] =
        graph_max_pool(builder->engine->graph, builder->tensor[step->in[0]]);
    return AKIN_OK;
}

/* ---- the steps in their order ---- */

static bool of_tail(enum onnx_op op)
{
    return op == ONNX_OP_MEAN || op == ONNX_OP_MEAN_FLAT || op == ONNX_OP_FLATTEN ||
           op == ONNX_OP_LINEAR;
}

static akin_status push(struct builder *builder, size_t at)
{
    const struct onnx_step *step = &builder->net->steps[at];
    const struct onnx_shape *out = &builder->net->shapes[step->out];
    akin_status status = AKIN_OK;
    if (out->h != out->w)
        return unsupported(builder, at, "a map that is not square");
    if (step->op == ONNX_OP_CONV)
        status = push_convolution(builder, at);
    else if (step->op == ONNX_OP_MAX_POOL)
        status = push_pool(builder, at);
    else
        status = unsupported(builder, at, "it in this place");
    builder->pending[step->in[0]]--;
    return status;
}

/* From `at` on one step after the other, each of what the one before gave, to the output. */
static akin_status check_tail(const struct builder *builder, size_t at, uint32_t value)
{
    const struct onnx_net *net = builder->net;
    for (; at < net->step_count; at++) {
        const enum onnx_op op = net->steps[at].op;
        if ((!of_tail(op) && op != ONNX_OP_RELU) || net->steps[at].in[0] != value)
            return unsupported(builder, at, "it in this place");
        value = net->steps[at].out;
    }
    return value == net->output ? AKIN_OK
                                : unsupported(builder, net->step_count - 1, "an output before it");
}

static void count_readers(struct builder *builder)
{
    const struct onnx_net *net = builder->net;
    for (size_t s = 0; s < net->step_count; s++) {
        builder->pending[net->steps[s].in[0]]++;
        if (net->steps[s].op == ONNX_OP_ADD)
            builder->pending[net->steps[s].in[1]]++;
        builder->tensor[s + 1] = -1;
    }
}

static akin_status build(struct builder *builder)
{
    struct onnx_engine *engine = builder->engine;
    const struct onnx_net *net = builder->net;
    const struct graph_options options = {.batch = 1, .parameters = engine->parameters};
    akin_status status = graph_create(&engine->graph, &options, builder->err);
    if (status != AKIN_OK)
        return status;
    if (net->shapes[0].h != net->shapes[0].w)
        return akin_error_set(builder->err, AKIN_ERR_UNSUPPORTED, "an image that is not square");
    count_readers(builder);
    engine->input = builder->tensor[0] =
        graph_input(engine->graph, net->shapes[0].c, net->shapes[0].h);
    size_t at = 0;
    for (; at < net->step_count && status == AKIN_OK && !of_tail(net->steps[at].op); at++)
        if (!builder->done[at])
            status = push(builder, at);
    if (status != AKIN_OK)
        return status;
    const uint32_t end = at < net->step_count ? net->steps[at].in[0] : net->output;
    engine->tail = at;
    engine->last = builder->tensor[end];
    if (at == 0 || end == 0)
        return akin_error_set(builder->err, AKIN_ERR_UNSUPPORTED, "a net without convolutions");
    status = check_tail(builder, at, end);
    graph_keep(engine->graph, engine->last);
    if (status == AKIN_OK)
        status = graph_finish(engine->graph, -1, builder->err);
    return status == AKIN_OK ? graph_refresh(engine->graph, builder->err) : status;
}

/* Floats of all weights and biases, and of the largest value. */
static void measure(const struct onnx_net *net, size_t *parameters, size_t *value)
{
    *parameters = 0;
    *value = 0;
    for (size_t s = 0; s < net->step_count; s++) {
        const struct onnx_step *step = &net->steps[s];
        const struct onnx_shape *in = &net->shapes[step->in[0]], *out = &net->shapes[step->out];
        const size_t size = (size_t)out->c * out->h * out->w;
        if (step->op == ONNX_OP_CONV)
            *parameters += round_up(out->c) +
                           round_up((size_t)out->c * in->c * step->kernel[0] * step->kernel[1]);
        *value = size > *value ? size : *value;
    }
}

akin_status onnx_engine_create(struct onnx_engine **out, const struct onnx_net *net,
                               akin_error *err)
{
    size_t parameters, value;
    struct onnx_engine *engine = akin_alloc_zero(1, sizeof *engine);
    struct builder *builder = akin_alloc_zero(1, sizeof *builder);
    akin_status status = AKIN_OK;
    measure(net, &parameters, &value);
    if (engine) {
        engine->net = net;
        engine->parameters = akin_alloc_zero(parameters + 1, sizeof(float));
        engine->map = akin_alloc(value + 1, 3 * sizeof(float));
    }
    if (!engine || !builder || !engine->parameters || !engine->map) {
        status = akin_error_memory(err, (parameters + 3 * value) * sizeof(float), "a network");
        goto out;
    }
    engine->value[0] = engine->map + value + 1;
    engine->value[1] = engine->value[0] + value + 1;
    builder->engine = engine;
    builder->net = net;
    builder->err = err;
    status = build(builder);
out:
    akin_free(builder);
    if (status == AKIN_OK)
        *out = engine;
    else
        onnx_engine_free(engine);
    return status;
}

void onnx_engine_free(struct onnx_engine *engine)
{
    if (!engine)
        return;
    graph_free(engine->graph);
    akin_free(engine->parameters);
    akin_free(engine->map);
    akin_free(engine);
}

/* ---- running ---- */

/* (c, pixels) -> (c) */
static void mean_of(const struct onnx_shape *shape, const float *from, float *to)
{
    const size_t pixels = (size_t)shape->h * shape->w;
    for (uint32_t c = 0; c < shape->c; c++) {
        double sum = 0;
        for (size_t i = 0; i < pixels; i++)
            sum += from[c * pixels + i];
        to[c] = (float)(sum / (double)pixels);
    }
}

static void run_tail_step(const struct onnx_net *net, const struct onnx_step *step,
                          const float *from, float *to)
{
    const struct onnx_shape *in = &net->shapes[step->in[0]];
    const size_t count = (size_t)in->c * in->h * in->w;
    switch (step->op) {
    case ONNX_OP_MEAN:
    case ONNX_OP_MEAN_FLAT:
        mean_of(in, from, to);
        break;
    case ONNX_OP_LINEAR:
        for (uint32_t o = 0; o < net->shapes[step->out].c; o++)
            to[o] = akin_kernels()->dot(step->weight + o * count, from, count) + step->bias[o];
        break;
    case ONNX_OP_RELU:
        for (size_t i = 0; i < count; i++)
            to[i] = from[i] > 0 ? from[i] : 0;
        break;
    default: /* flatten: (c, h, w) as it lies */
        memcpy(to, from, count * sizeof *to);
    }
}

akin_status onnx_engine_run(struct onnx_engine *engine, const float *input, const float **out,
                            akin_error *err)
{
    const struct onnx_net *net = engine->net;
    const struct onnx_shape *image = &net->shapes[0];
    uint32_t channels, side;
    memcpy(graph_data(engine->graph, engine->input), input,
           (size_t)image->c * image->h * image->w * sizeof *input);
    akin_status status = graph_forward(engine->graph, err);
    if (status != AKIN_OK)
        return status;
    graph_map_size(engine->graph, engine->last, &channels, &side);
    graph_read_map(engine->graph, engine->last, 0, engine->map);
    const size_t pixels = (size_t)side * side;
    for (size_t i = 0; i < pixels; i++)
        for (uint32_t c = 0; c < channels; c++)
            engine->value[0][c * pixels + i] = engine->map[i * channels + c];
    unsigned at = 0;
    for (size_t s = engine->tail; s < net->step_count; s++, at = 1 - at)
        run_tail_step(net, &net->steps[s], engine->value[at], engine->value[1 - at]);
    *out = engine->value[at];
    return AKIN_OK;
}
