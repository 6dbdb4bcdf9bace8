/*
 * The table of a backbone's tensors, in the order of torchvision's ResNet. The head comes last, so
 * that what is kept after training is one prefix of the parameters.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "akin/catalog.h"
#include "arch.h"

#define ALIGN_FLOATS 16 /* a tensor begins on a cache line */
#define STREAM_WEIGHTS 0x77656967687473u

static const struct preset {
    const char *name;
    uint32_t stem_px, blocks, width;
    bool max_pool;
} presets[ARCH_PRESETS] = {
    [ARCH_R10H] = {"r10h", 3, 1, 32, false},
    [ARCH_R18H] = {"r18h", 3, 2, 32, false},
    [ARCH_R18] = {"r18", 7, 2, 64, true},
};

const char *arch_name(enum arch_preset preset)
{
    return presets[preset].name;
}

akin_status arch_init(struct arch *out, const char *preset, uint32_t bands, akin_error *err)
{
    if (!bands || bands > AKIN_BANDS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "%u bands: 1 to %d can be learnt from", bands,
                              AKIN_BANDS_MAX);
    for (unsigned i = 0; i < ARCH_PRESETS; i++) {
        const struct preset *one = &presets[i];
        if (strcmp(preset, one->name) != 0)
            continue;
        *out = (struct arch){.preset = i,
                             .bands = bands,
                             .stem_px = one->stem_px,
                             .max_pool = one->max_pool,
                             .blocks = one->blocks};
        for (unsigned s = 0; s < ARCH_STAGES; s++)
            out->width[s] = one->width << s;
        return AKIN_OK;
    }
    return akin_error_set(err, AKIN_ERR_INVALID,
                          "'%s' is not a preset: there are r10h, r18h and r18", preset);
}

static void add_tensor(struct arch_table *table, const char *prefix, const char *suffix,
                       enum arch_role role, const uint32_t dims[4], bool head)
{
    struct arch_tensor *tensor = &table->tensors[table->count++];
    size_t *end = role == ARCH_MEAN || role == ARCH_VARIANCE ? &table->statistic_count
                                                             : &table->parameter_count;
    *tensor = (struct arch_tensor){.role = role, .count = 1, .offset = *end, .head = head};
    snprintf(tensor->name, sizeof tensor->name, "%s.%s", prefix, suffix);
    for (unsigned i = 0; i < 4 && dims[i]; i++) {
        tensor->dims[tensor->rank++] = dims[i];
        tensor->count *= dims[i];
    }
    *end += (tensor->count + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

static void add_convolution(struct arch_table *table, const char *name, uint32_t out, uint32_t in,
                            uint32_t px)
{
    add_tensor(table, name, "weight", ARCH_WEIGHT, (uint32_t[4]){out, in, px, px}, false);
}

static void add_norm(struct arch_table *table, const char *name, uint32_t channels, bool head)
{
    static const struct {
        const char *suffix;
        enum arch_role role;
    } parts[] = {{"weight", ARCH_SCALE},
                 {"bias", ARCH_SHIFT},
                 {"running_mean", ARCH_MEAN},
                 {"running_var", ARCH_VARIANCE}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        add_tensor(table, name, parts[i].suffix, parts[i].role, (uint32_t[4]){channels}, head);
}

static void add_block(struct arch_table *table, unsigned stage, unsigned block, uint32_t in,
                      uint32_t out, bool shortcut)
{
    char name[32];
    for (unsigned i = 1; i <= 2; i++) {
        snprintf(name, sizeof name, "layer%u.%u.conv%u", stage + 1, block, i);
        add_convolution(table, name, out, i == 1 ? in : out, 3);
        snprintf(name, sizeof name, "layer%u.%u.bn%u", stage + 1, block, i);
        add_norm(table, name, out, false);
    }
    if (!shortcut)
        return;
    snprintf(name, sizeof name, "layer%u.%u.downsample.0", stage + 1, block);
    add_convolution(table, name, out, in, 1);
    snprintf(name, sizeof name, "layer%u.%u.downsample.1", stage + 1, block);
    add_norm(table, name, out, false);
}

void arch_table_init(struct arch_table *out, const struct arch *arch)
{
    *out = (struct arch_table){.arch = *arch};
    uint32_t in = arch->width[0], last = arch->width[ARCH_STAGES - 1];
    add_convolution(out, "conv1", in, arch->bands, arch->stem_px);
    add_norm(out, "bn1", in, false);
    for (unsigned s = 0; s < ARCH_STAGES; s++)
        for (unsigned b = 0; b < arch->blocks; b++) {
            add_block(out, s, b, in, arch->width[s], s > 0 && b == 0);
            in = arch->width[s];
        }
    add_tensor(out, "head.0", "weight", ARCH_WEIGHT, (uint32_t[4]){ARCH_HIDDEN, last}, true);
    add_norm(out, "head.1", ARCH_HIDDEN, true);
    add_tensor(out, "head.3", "weight", ARCH_WEIGHT, (uint32_t[4]){ARCH_OUT, ARCH_HIDDEN}, true);
}

const struct arch_tensor *arch_find(const struct arch_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (!strcmp(table->tensors[i].name, name))
            return &table->tensors[i];
    return NULL;
}

/* Box and Muller: a normal number from two uniform ones. */
static float normal(uint64_t seed, uint64_t counter)
{
    double u = akin_random_unit(seed, STREAM_WEIGHTS, 2 * counter);
    double v = akin_random_unit(seed, STREAM_WEIGHTS, 2 * counter + 1);
    return (float)(sqrt(-2 * log1p(-u)) * cos(2 * 3.14159265358979323846 * v));
}

void arch_initialise(const struct arch_table *table, uint64_t seed, float *parameters,
                     float *statistics)
{
    memset(parameters, 0, table->parameter_count * sizeof *parameters);
    memset(statistics, 0, table->statistic_count * sizeof *statistics);
    for (size_t t = 0; t < table->count; t++) {
        const struct arch_tensor *tensor = &table->tensors[t];
        float *at = (tensor->role == ARCH_VARIANCE ? statistics : parameters) + tensor->offset;
        float deviation = sqrtf(2.0f * (float)tensor->dims[0] / (float)tensor->count);
        if (tensor->role == ARCH_WEIGHT)
            for (size_t i = 0; i < tensor->count; i++)
                at[i] = deviation * normal(seed, tensor->offset + i);
        else if (tensor->role == ARCH_SCALE || tensor->role == ARCH_VARIANCE)
            for (size_t i = 0; i < tensor->count; i++)
                at[i] = 1;
    }
}

void arch_decay_mask(const struct arch_table *table, uint8_t *decay)
{
    memset(decay, 0, table->parameter_count);
    for (size_t t = 0; t < table->count; t++)
        if (table->tensors[t].role == ARCH_WEIGHT)
            memset(decay + table->tensors[t].offset, 1, table->tensors[t].count);
}
