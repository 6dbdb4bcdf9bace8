/*
 * From an ONNX graph to a list of steps. Names become numbers once, constants (initialisers, and
 * operators Constant and Identity) are looked through, batch-norm becomes a gain and a shift, and
 * Gemm's options are worked into its weights: an engine sees sizes and floats only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "onnx_net.h"

#include <math.h>
#include <string.h>

#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define NAMES_MAX (2 * ONNX_STEPS_MAX)
#define KERNEL_MAX 64

static const char *const op_names[ONNX_OP_COUNT] = {
#define X(name, op) #name,
    ONNX_OPS(X)
#undef X
};

/* What a name stands for: a value, or a constant out of an operator. */
struct name {
    const char *text;
    uint32_t value;
    const struct onnx_tensor *constant; /* NULL for a value */
};

struct loader {
    const struct onnx_graph *graph;
    struct onnx_net *net;
    struct name names[NAMES_MAX];
    size_t name_count;
    const struct onnx_node *node; /* at work */
    akin_error *err;
};

static akin_status refuse(struct loader *loader, const char *what)
{
    return akin_error_set(loader->err, AKIN_ERR_UNSUPPORTED,
                          "'%s': operator %.40s '%.80s': %s; akin's own engine does not run it",
                          loader->graph->what, loader->node->op, loader->node->name, what);
}

static akin_status misfit(struct loader *loader, const char *what)
{
    return akin_error_set(loader->err, AKIN_ERR_CORRUPT, "'%s': operator %.40s '%.80s': %s",
                          loader->graph->what, loader->node->op, loader->node->name, what);
}

/* ---- names ---- */

/* The last of this name; NULL where there is none. */
static const struct name *find_name(const struct loader *loader, const char *text)
{
    for (size_t i = loader->name_count; i > 0; i--)
        if (!strcmp(loader->names[i - 1].text, text))
            return &loader->names[i - 1];
    return NULL;
}

static akin_status add_name(struct loader *loader, const char *text, uint32_t value,
                            const struct onnx_tensor *constant)
{
    if (loader->name_count == NAMES_MAX)
        return akin_error_set(loader->err, AKIN_ERR_LIMIT, "'%s' has more than %d values",
                              loader->graph->what, NAMES_MAX);
    loader->names[loader->name_count++] = (struct name){text, value, constant};
    return AKIN_OK;
}

/* The operator's index-th input as a constant; NULL where it is left out or is none. */
static const struct onnx_tensor *constant_input(const struct loader *loader, uint32_t index)
{
    if (index >= loader->node->input_count)
        return NULL;
    const char *text = loader->node->inputs[index];
    const struct name *name = find_name(loader, text);
    return name ? name->constant : onnx_find_tensor(loader->graph, text);
}

static akin_status value_input(struct loader *loader, uint32_t index, uint32_t *out)
{
    const struct name *name =
        index < loader->node->input_count ? find_name(loader, loader->node->inputs[index]) : NULL;
    if (!name || name->constant)
        return refuse(loader,
                      "an input that is a constant, missing, or made by no operator before");
    *out = name->value;
    return AKIN_OK;
}

/* ---- attributes ---- */

static int64_t int_attribute(const struct loader *loader, const char *name, int64_t otherwise)
{
    const struct onnx_attribute *attribute = onnx_find_attribute(loader->node, name);
    return attribute ? attribute->i : otherwise;
}

static float float_attribute(const struct loader *loader, const char *name, float otherwise)
{
    const struct onnx_attribute *attribute = onnx_find_attribute(loader->node, name);
    return attribute ? attribute->f : otherwise;
}

/* `count` numbers of [min, max], or all `otherwise`. */
static bool list_attribute(const struct loader *loader, const char *name, uint32_t *out,
                           uint32_t count, uint32_t min, uint32_t max, uint32_t otherwise)
{
    const struct onnx_attribute *attribute = onnx_find_attribute(loader->node, name);
    if (attribute && (attribute->type != ONNX_ATTRIBUTE_LIST || attribute->count != count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = attribute ? attribute->ints[i] : otherwise;
        if (value < min || value > max)
            return false;
        out[i] = (uint32_t)value;
    }
    return true;
}

/* Kernel (settled by the caller for a convolution), stride and padding of a window that slides. */
static akin_status read_window(struct loader *loader, struct onnx_step *step,
                               const struct onnx_shape *in, struct onnx_shape *out)
{
    const struct onnx_attribute *auto_pad = onnx_find_attribute(loader->node, "auto_pad");
    uint32_t one[2];
    if (auto_pad && (!auto_pad->s || strcmp(auto_pad->s, "NOTSET") != 0))
        return refuse(loader, "auto_pad");
    if (!list_attribute(loader, "dilations", one, 2, 1, 1, 1))
        return refuse(loader, "dilations");
    if (!list_attribute(loader, "strides", step->stride, 2, 1, KERNEL_MAX, 1) ||
        !list_attribute(loader, "pads", step->pad, 4, 0, KERNEL_MAX, 0))
        return refuse(loader, "strides or pads out of range");
    if (in->flat || step->pad[0] >= step->kernel[0] || step->pad[1] >= step->kernel[1] ||
        step->pad[2] >= step->kernel[0] || step->pad[3] >= step->kernel[1] ||
        in->h + step->pad[0] + step->pad[2] < step->kernel[0] ||
        in->w + step->pad[1] + step->pad[3] < step->kernel[1])
        return misfit(loader, "the window is larger than the image, or its padding than it");
    out->h = (in->h + step->pad[0] + step->pad[2] - step->kernel[0]) / step->stride[0] + 1;
    out->w = (in->w + step->pad[1] + step->pad[3] - step->kernel[1]) / step->stride[1] + 1;
    return AKIN_OK;
}

/* ---- weights ---- */

/* The constant's floats, in the net's memory; all finite. */
static akin_status read_floats(struct loader *loader, const struct onnx_tensor *tensor, float **out)
{
    if (tensor->why || tensor->element != ONNX_FLOAT) /* its count may be any */
        return refuse(loader, "weights that are not float32, or not in this file");
    float *floats = akin_arena_alloc(loader->net->arena, tensor->count, sizeof *floats);
    if (!floats)
        return akin_error_memory(loader->err, tensor->count * sizeof *floats, "weights");
    akin_status status = onnx_floats(loader->graph, tensor, floats, loader->err);
    for (size_t i = 0; i < tensor->count && status == AKIN_OK; i++)
        if (!isfinite(floats[i]))
            status = misfit(loader, "a weight is not finite");
    if (status == AKIN_OK)
        *out = floats;
    return status;
}

/* The index-th input, (count); zeros where it may be left out and is. */
static akin_status read_vector(struct loader *loader, uint32_t index, uint32_t count, bool optional,
                               float **out)
{
    const struct onnx_tensor *tensor = constant_input(loader, index);
    const bool left_out = index >= loader->node->input_count || !loader->node->inputs[index][0];
    if (optional && left_out) {
        *out = akin_arena_alloc(loader->net->arena, count, sizeof **out);
        if (!*out)
            return akin_error_memory(loader->err, count * sizeof **out, "weights");
        memset(*out, 0, count * sizeof **out);
        return AKIN_OK;
    }
    if (!tensor || tensor->rank != 1 || tensor->count != count)
        return misfit(loader, "a weight is no constant, or not a number a channel");
    return read_floats(loader, tensor, out);
}

static bool is_size(int64_t value)
{
    return value >= 1 && value <= ONNX_SIDE_MAX;
}

static akin_status load_conv(struct loader *loader, struct onnx_step *step,
                             const struct onnx_shape *in, struct onnx_shape *out)
{
    const struct onnx_tensor *weight = constant_input(loader, 1);
    float *floats = NULL, *bias = NULL;
    if (int_attribute(loader, "group", 1) != 1)
        return refuse(loader, "groups");
    if (!weight || weight->rank != 4 || !is_size(weight->dims[0]) || weight->dims[1] != in->c ||
        weight->dims[2] < 1 || weight->dims[2] > KERNEL_MAX || weight->dims[3] < 1 ||
        weight->dims[3] > KERNEL_MAX)
        return misfit(loader, "the weights do not fit the image's channels");
    step->kernel[0] = (uint32_t)weight->dims[2];
    step->kernel[1] = (uint32_t)weight->dims[3];
    *out = (struct onnx_shape){.c = (uint32_t)weight->dims[0]};
    akin_status status = read_window(loader, step, in, out);
    if (status == AKIN_OK)
        status = read_floats(loader, weight, &floats);
    if (status == AKIN_OK)
        status = read_vector(loader, 2, out->c, true, &bias);
    step->weight = floats;
    step->bias = bias;
    return status;
}

/* (x - mean) / sqrt(variance + epsilon) * scale + shift as one gain and one shift. */
static akin_status load_norm(struct loader *loader, struct onnx_step *step,
                             const struct onnx_shape *in)
{
    const float epsilon = float_attribute(loader, "epsilon", 1e-5f);
    float *scale = NULL, *shift = NULL, *mean = NULL, *variance = NULL;
    if (int_attribute(loader, "training_mode", 0) != 0)
        return refuse(loader, "training mode");
    akin_status status = read_vector(loader, 1, in->c, false, &scale);
    if (status == AKIN_OK)
        status = read_vector(loader, 2, in->c, false, &shift);
    if (status == AKIN_OK)
        status = read_vector(loader, 3, in->c, false, &mean);
    if (status == AKIN_OK)
        status = read_vector(loader, 4, in->c, false, &variance);
    for (uint32_t c = 0; c < in->c && status == AKIN_OK; c++) {
        if (!(variance[c] + epsilon > 0))
            return misfit(loader, "a variance that is not positive");
        scale[c] = (float)(scale[c] / sqrt((double)variance[c] + epsilon));
        shift[c] -= mean[c] * scale[c];
    }
    step->weight = scale;
    step->bias = shift;
    return status;
}

/* alpha A B + beta C, with B (in, out), or (out, in) under transB; stored as (out, in). */
static akin_status load_linear(struct loader *loader, struct onnx_step *step,
                               const struct onnx_shape *in, struct onnx_shape *out)
{
    const struct onnx_tensor *weight = constant_input(loader, 1);
    const bool is_stored = int_attribute(loader, "transB", 0) != 0;
    const float alpha = float_attribute(loader, "alpha", 1);
    const float beta = float_attribute(loader, "beta", 1);
    float *bias = NULL, *read = NULL, *floats;
    if (!in->flat || int_attribute(loader, "transA", 0) != 0)
        return refuse(loader, "an input that is not flat");
    if (!weight || weight->rank != 2 || weight->dims[is_stored] != in->c ||
        !is_size(weight->dims[!is_stored]))
        return misfit(loader, "the weights do not fit the input");
    *out = (struct onnx_shape){(uint32_t)weight->dims[!is_stored], 1, 1, true};
    akin_status status = read_floats(loader, weight, &read);
    if (status == AKIN_OK)
        status = read_vector(loader, 2, out->c, true, &bias);
    if (status != AKIN_OK)
        return status;
    floats = akin_arena_alloc(loader->net->arena, weight->count, sizeof *floats);
    if (!floats)
        return akin_error_memory(loader->err, weight->count * sizeof *floats, "weights");
    for (size_t o = 0; o < out->c; o++) {
        for (size_t i = 0; i < in->c; i++)
            floats[o * in->c + i] = alpha * read[is_stored ? o * in->c + i : i * out->c + o];
        bias[o] *= beta;
    }
    step->weight = floats;
    step->bias = bias;
    return AKIN_OK;
}

/* ---- steps without weights ---- */

static akin_status load_pool(struct loader *loader, struct onnx_step *step,
                             const struct onnx_shape *in, struct onnx_shape *out)
{
    if (int_attribute(loader, "ceil_mode", 0) != 0 || loader->node->output_count > 1)
        return refuse(loader, "ceil_mode, or indices as an output");
    if (!list_attribute(loader, "kernel_shape", step->kernel, 2, 1, KERNEL_MAX, 0))
        return refuse(loader, "a kernel that is not of 2 sizes");
    *out = (struct onnx_shape){.c = in->c};
    return read_window(loader, step, in, out);
}

/* Of opset 13: axes as an attribute. Only the mean over rows and columns. */
static akin_status load_mean(struct loader *loader, struct onnx_step *step,
                             const struct onnx_shape *in, struct onnx_shape *out)
{
    const struct onnx_attribute *axes = onnx_find_attribute(loader->node, "axes");
    const bool keep = int_attribute(loader, "keepdims", 1) != 0;
    if (in->flat)
        return misfit(loader, "its input is flat");
    if (step->op == ONNX_OP_MEAN_FLAT) {
        uint32_t seen = 0;
        for (uint32_t i = 0; axes && i < axes->count; i++) {
            int64_t axis = axes->ints[i] < 0 ? axes->ints[i] + 4 : axes->ints[i];
            seen |= axis >= 0 && axis < 4 ? 1u << axis : 1;
        }
        if (!axes || axes->count != 2 || seen != (1u << 2 | 1u << 3))
            return refuse(loader, "a mean over other axes than rows and columns");
        step->op = keep ? ONNX_OP_MEAN : ONNX_OP_MEAN_FLAT;
    }
    *out = (struct onnx_shape){in->c, 1, 1, step->op == ONNX_OP_MEAN_FLAT};
    return AKIN_OK;
}

static akin_status load_flatten(struct loader *loader, const struct onnx_shape *in,
                                struct onnx_shape *out)
{
    const uint64_t count = (uint64_t)in->c * in->h * in->w;
    if (int_attribute(loader, "axis", 1) != 1)
        return refuse(loader, "another axis than 1");
    if (count > ONNX_SIDE_MAX)
        return refuse(loader, "a vector of too many numbers");
    *out = (struct onnx_shape){(uint32_t)count, 1, 1, true};
    return AKIN_OK;
}

static akin_status load_add(struct loader *loader, struct onnx_step *step,
                            const struct onnx_shape *in)
{
    akin_status status = value_input(loader, 1, &step->in[1]);
    if (status != AKIN_OK)
        return status;
    const struct onnx_shape *other = &loader->net->shapes[step->in[1]];
    return other->c == in->c && other->h == in->h && other->w == in->w && other->flat == in->flat
               ? AKIN_OK
               : refuse(loader, "two shapes that differ");
}

/* ---- the list ---- */

static akin_status load_step(struct loader *loader, enum onnx_op op)
{
    struct onnx_net *net = loader->net;
    struct onnx_step step = {.op = op};
    if (net->step_count == ONNX_STEPS_MAX)
        return akin_error_set(loader->err, AKIN_ERR_LIMIT, "'%s' has more than %d operators",
                              loader->graph->what, ONNX_STEPS_MAX);
    akin_status status = value_input(loader, 0, &step.in[0]);
    if (status != AKIN_OK)
        return status;
    const struct onnx_shape *in = &net->shapes[step.in[0]];
    struct onnx_shape out = *in;
    if (op == ONNX_OP_CONV)
        status = load_conv(loader, &step, in, &out);
    else if (op == ONNX_OP_NORM)
        status = load_norm(loader, &step, in);
    else if (op == ONNX_OP_ADD)
        status = load_add(loader, &step, in);
    else if (op == ONNX_OP_MAX_POOL)
        status = load_pool(loader, &step, in, &out);
    else if (op == ONNX_OP_MEAN || op == ONNX_OP_MEAN_FLAT)
        status = load_mean(loader, &step, in, &out);
    else if (op == ONNX_OP_FLATTEN)
        status = load_flatten(loader, in, &out);
    else if (op == ONNX_OP_LINEAR)
        status = load_linear(loader, &step, in, &out);
    if (status != AKIN_OK)
        return status;
    step.out = (uint32_t)net->step_count + 1;
    net->shapes[step.out] = out;
    net->steps[net->step_count++] = step;
    return add_name(loader, loader->node->outputs[0], step.out, NULL);
}

/* Constant and Identity only give a name to what is there. */
static akin_status load_alias(struct loader *loader)
{
    const struct onnx_node *node = loader->node;
    const bool is_constant = !strcmp(node->op, "Constant");
    const struct onnx_attribute *value = onnx_find_attribute(node, "value");
    const struct onnx_tensor *constant =
        is_constant ? (value ? value->tensor : NULL) : constant_input(loader, 0);
    uint32_t number = 0;
    if (is_constant && !constant)
        return refuse(loader, "a constant that is no tensor");
    akin_status status = constant ? AKIN_OK : value_input(loader, 0, &number);
    return status == AKIN_OK ? add_name(loader, node->outputs[0], number, constant) : status;
}

static akin_status load_node(struct loader *loader)
{
    const struct onnx_node *node = loader->node;
    if (node->output_count < 1)
        return misfit(loader, "it has no output");
    if (node->domain[0] && strcmp(node->domain, "ai.onnx") != 0)
        return refuse(loader, "of another domain");
    if (!strcmp(node->op, "Constant") || !strcmp(node->op, "Identity"))
        return load_alias(loader);
    for (int op = 0; op < ONNX_OP_COUNT; op++)
        if (!strcmp(node->op, op_names[op]))
            return load_step(loader, (enum onnx_op)op);
    return refuse(loader, "it is unknown");
}

static akin_status load_input(struct loader *loader, uint32_t px)
{
    const struct onnx_graph *graph = loader->graph;
    const struct onnx_value *input = graph->inputs;
    if (graph->input_count != 1 || input->rank != 4 || input->element != ONNX_FLOAT ||
        !is_size(input->dims[1]))
        return akin_error_set(loader->err, AKIN_ERR_UNSUPPORTED,
                              "'%s' has no single input (n, channels, rows, columns) of float32",
                              graph->what);
    const int64_t rows = input->dims[2] > 0 ? input->dims[2] : px;
    const int64_t cols = input->dims[3] > 0 ? input->dims[3] : px;
    if (!is_size(rows) || !is_size(cols) || (px && (rows != px || cols != px)))
        return akin_error_set(loader->err, AKIN_ERR_INVALID,
                              "'%s' takes images of %lld x %lld pixels, %u was asked for",
                              graph->what, (long long)rows, (long long)cols, px);
    loader->net->shapes[0] =
        (struct onnx_shape){(uint32_t)input->dims[1], (uint32_t)rows, (uint32_t)cols, false};
    return add_name(loader, input->name, 0, NULL);
}

static akin_status load_net(struct loader *loader, uint32_t px)
{
    const struct onnx_graph *graph = loader->graph;
    akin_status status = load_input(loader, px);
    for (size_t i = 0; i < graph->node_count && status == AKIN_OK; i++) {
        loader->node = &graph->nodes[i];
        status = load_node(loader);
    }
    if (status != AKIN_OK)
        return status;
    const struct name *output = find_name(loader, graph->outputs[0].name);
    if (!output || output->constant)
        return akin_error_set(loader->err, AKIN_ERR_CORRUPT, "'%s': no operator makes output '%s'",
                              graph->what, graph->outputs[0].name);
    loader->net->output = output->value;
    return AKIN_OK;
}

akin_status onnx_net_create(struct onnx_net **out, const struct onnx_graph *graph,
                            uint32_t input_px, akin_error *err)
{
    struct onnx_net *net = akin_alloc_zero(1, sizeof *net);
    struct loader *loader = akin_alloc_zero(1, sizeof *loader);
    akin_status status = AKIN_OK;
    if (!net || !loader)
        status = akin_error_memory(err, sizeof *net + sizeof *loader, "a network");
    if (status == AKIN_OK)
        status = akin_arena_create(&net->arena, ARENA_BYTES_MAX, err);
    if (status == AKIN_OK) {
        *loader = (struct loader){.graph = graph, .net = net, .err = err};
        status = load_net(loader, input_px);
    }
    akin_free(loader);
    if (status == AKIN_OK)
        *out = net;
    else
        onnx_net_free(net);
    return status;
}

void onnx_net_free(struct onnx_net *net)
{
    if (!net)
        return;
    akin_arena_free(net->arena);
    akin_free(net);
}
