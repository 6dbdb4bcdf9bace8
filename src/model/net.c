/*
 * ResNet (He et al., CVPR 2016) with SimCLR's head, from the table of its tensors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net.h"

struct builder {
    struct graph *graph;
    const struct arch_table *table;
    /* Encoding: of the next convolution's result. At most one of both. */
    float *measured;
    const float *ranges;
};

static size_t offset_of(const struct builder *builder, const char *prefix, const char *suffix)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%s", prefix, suffix);
    return arch_find(builder->table, name)->offset;
}

static int convolution(const struct builder *builder, int x, const char *name, uint32_t stride,
                       bool adds)
{
    char weight[64];
    snprintf(weight, sizeof weight, "%s.weight", name);
    const struct arch_tensor *tensor = arch_find(builder->table, weight);
    return graph_convolution(builder->graph, x, tensor->offset, tensor->dims[0], tensor->dims[2],
                             stride, adds);
}

static int norm(const struct builder *builder, int x, const char *name, bool relu)
{
    const struct graph_norm at = {
        .scale = offset_of(builder, name, "weight"),
        .shift = offset_of(builder, name, "bias"),
        .mean = offset_of(builder, name, "running_mean"),
        .variance = offset_of(builder, name, "running_var"),
    };
    return graph_batch_norm(builder->graph, x, &at, relu);
}

/* relu(bn2(conv2(relu(bn1(conv1 x)))) + shortcut x) */
static int block(const struct builder *builder, int x, unsigned stage, unsigned index)
{
    char name[4][32];
    static const char *const parts[4] = {"conv%u", "bn%u", "downsample.0", "downsample.1"};
    uint32_t stride = stage > 0 && index == 0 ? 2 : 1;
    int shortcut, y = x;
    for (unsigned i = 2; i < 4; i++)
        snprintf(name[i], sizeof name[i], "layer%u.%u.%s", stage + 1, index, parts[i]);
    if (stride == 1)
        shortcut = graph_shortcut(builder->graph, x);
    else
        shortcut = norm(builder, convolution(builder, x, name[2], 2, true), name[3], false);
    for (unsigned i = 1; i <= 2; i++) {
        snprintf(name[0], sizeof name[0], "layer%u.%u.conv%u", stage + 1, index, i);
        snprintf(name[1], sizeof name[1], "layer%u.%u.bn%u", stage + 1, index, i);
        y = norm(builder, convolution(builder, y, name[0], i == 1 ? stride : 1, false), name[1],
                 i == 1);
    }
    return graph_add_relu(builder->graph, y, shortcut);
}

akin_status net_create(struct net *out, const struct arch_table *table, uint32_t px,
                       const struct graph_options *options, akin_error *err)
{
    const struct arch *arch = &table->arch;
    struct net net = {0};
    struct graph_options bundled = *options;
    bundled.bundled = true; /* widths are multiples of 32 */
    akin_status status = graph_create(&net.graph, &bundled, err);
    if (status != AKIN_OK)
        return status;
    const struct builder builder = {.graph = net.graph, .table = table};
    net.input = graph_input(net.graph, arch->bands, px);
    int x = norm(&builder, convolution(&builder, net.input, "conv1", 2, false), "bn1", true);
    if (arch->max_pool)
        x = graph_max_pool(net.graph, x);
    for (unsigned s = 0; s < ARCH_STAGES; s++) {
        for (unsigned b = 0; b < arch->blocks; b++)
            x = block(&builder, x, s, b);
        net.stage[s] = x;
    }
    x = graph_mean(net.graph, x);
    x = graph_linear(net.graph, x, offset_of(&builder, "head.0", "weight"), ARCH_HIDDEN);
    x = norm(&builder, x, "head.1", true);
    net.z = graph_linear(net.graph, x, offset_of(&builder, "head.3", "weight"), ARCH_OUT);
    status = graph_finish(net.graph, net.z, err);
    if (status == AKIN_OK)
        *out = net;
    else
        graph_free(net.graph);
    return status;
}

/* ---- encoding ---- */

void net_norm_name(char *out, size_t size, const char *convolution)
{
    const char *conv = strstr(convolution, "conv");
    size_t stem = conv ? (size_t)(conv - convolution) : strlen(convolution) - 1;
    snprintf(out, size, "%.*s%s", (int)stem, convolution, conv ? "bn" : "1");
    if (conv)
        snprintf(out + stem + 2, size - stem - 2, "%s", conv + 4);
}

static void fold_one(const struct builder *builder, const struct arch_tensor *weight,
                     const float *parameters, const float *statistics, float *out)
{
    char name[48], norm[56];
    snprintf(name, sizeof name, "%.*s", (int)(strlen(weight->name) - strlen(".weight")),
             weight->name);
    net_norm_name(norm, sizeof norm, name);
    const float *scale = parameters + offset_of(builder, norm, "weight");
    const float *shift = parameters + offset_of(builder, norm, "bias");
    const float *mean = statistics + offset_of(builder, norm, "running_mean");
    const float *variance = statistics + offset_of(builder, norm, "running_var");
    float *bias = out + offset_of(builder, norm, "bias");
    size_t per = weight->count / weight->dims[0];
    for (size_t o = 0; o < weight->dims[0]; o++) {
        float factor = scale[o] / sqrtf(variance[o] + GRAPH_NORM_EPSILON);
        for (size_t i = 0; i < per; i++)
            out[weight->offset + o * per + i] = parameters[weight->offset + o * per + i] * factor;
        bias[o] = shift[o] - mean[o] * factor;
    }
}

void net_fold(const struct arch_table *table, const float *parameters, const float *statistics,
              float *out)
{
    const struct builder builder = {.table = table};
    memset(out, 0, table->parameter_count * sizeof *out);
    for (size_t t = 0; t < table->count; t++)
        if (table->tensors[t].role == ARCH_WEIGHT && table->tensors[t].rank == 4)
            fold_one(&builder, &table->tensors[t], parameters, statistics, out);
}

static int folded(struct builder *builder, int x, const char *name, uint32_t stride, bool relu,
                  int add_to)
{
    char weight[64], norm[56];
    snprintf(weight, sizeof weight, "%s.weight", name);
    net_norm_name(norm, sizeof norm, name);
    const struct arch_tensor *tensor = arch_find(builder->table, weight);
    const struct graph_folded at = {.weight = tensor->offset,
                                    .bias = offset_of(builder, norm, "bias"),
                                    .out = tensor->dims[0],
                                    .k = tensor->dims[2],
                                    .stride = stride,
                                    .relu = relu};
    if (builder->ranges)
        return graph_folded_int8(builder->graph, x, &at, add_to, *builder->ranges++);
    int y = graph_folded(builder->graph, x, &at, add_to);
    if (builder->measured)
        graph_measure_range(builder->graph, y, builder->measured++);
    return y;
}

static int folded_block(struct builder *builder, int x, unsigned stage, unsigned index)
{
    char name[3][40];
    static const char *const parts[3] = {"conv1", "conv2", "downsample.0"};
    uint32_t stride = stage > 0 && index == 0 ? 2 : 1;
    for (unsigned i = 0; i < 3; i++)
        snprintf(name[i], sizeof name[i], "layer%u.%u.%s", stage + 1, index, parts[i]);
    int shortcut = stride == 1 ? x : folded(builder, x, name[2], stride, false, -1);
    int y = folded(builder, x, name[0], stride, true, -1);
    return folded(builder, y, name[1], 1, true, shortcut);
}

/* The stem, in floats: its input is a picture. Returns what the stages read. */
static int folded_stem(struct builder *builder, int x)
{
    const float *ranges = builder->ranges;
    builder->ranges = NULL;
    x = folded(builder, x, "conv1", 2, true, -1);
    if (builder->table->arch.max_pool)
        x = graph_max_pool(builder->graph, x);
    if (!ranges)
        return x;
    builder->ranges = ranges + 1;
    return graph_quantise(builder->graph, x, ranges[0]);
}

static akin_status create_folded(struct net *out, struct builder *builder, uint32_t px,
                                 const struct graph_options *options, akin_error *err)
{
    const struct arch *arch = &builder->table->arch;
    struct net net = {.z = -1};
    struct graph_options bundled = *options;
    bundled.bundled = true;
    akin_status status = graph_create(&net.graph, &bundled, err);
    if (status != AKIN_OK)
        return status;
    builder->graph = net.graph;
    net.input = graph_input(net.graph, arch->bands, px);
    int x = folded_stem(builder, net.input);
    for (unsigned s = 0; s < ARCH_STAGES; s++) {
        for (unsigned b = 0; b < arch->blocks; b++)
            x = folded_block(builder, x, s, b);
        net.stage[s] = x;
        graph_keep(net.graph, x);
    }
    status = graph_finish(net.graph, -1, err);
    if (status == AKIN_OK)
        status = graph_refresh(net.graph, err);
    if (status == AKIN_OK)
        *out = net;
    else
        graph_free(net.graph);
    return status;
}

size_t net_range_count(const struct arch_table *table)
{
    size_t count = 0;
    for (size_t t = 0; t < table->count; t++)
        count += table->tensors[t].role == ARCH_WEIGHT && table->tensors[t].rank == 4;
    return count;
}

akin_status net_create_folded(struct net *out, const struct arch_table *table, uint32_t px,
                              const struct graph_options *options, float *measured, akin_error *err)
{
    struct builder builder = {.table = table, .measured = measured};
    return create_folded(out, &builder, px, options, err);
}

akin_status net_create_int8(struct net *out, const struct arch_table *table, uint32_t px,
                            const struct graph_options *options, const float *ranges,
                            akin_error *err)
{
    struct builder builder = {.table = table, .ranges = ranges};
    return create_folded(out, &builder, px, options, err);
}

void net_fini(struct net *net)
{
    if (net)
        graph_free(net->graph);
}
