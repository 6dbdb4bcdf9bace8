/*
 * Weights from elsewhere: a trainer begins with those of a .safetensors file instead of random ones,
 * be it that another collection's encoder wrote it (trained_export.c) or another tool whose ResNet
 * has torchvision's names. What belongs to no net of ours (a classifier, counters of batches) is
 * passed over; a layer more or less than the net has is refused, because the net would not be the
 * one that learnt.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "akin/array.h"
#include "trainer.h"

#define SHAPE_TEXT_MAX 64

static void shape_text(char out[SHAPE_TEXT_MAX], const struct akin_tensor *tensor)
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < tensor->rank && used < SHAPE_TEXT_MAX - 24; i++)
        used += (size_t)snprintf(out + used, SHAPE_TEXT_MAX - used, "%s%llu", i ? "x" : "",
                                 (unsigned long long)tensor->dims[i]);
}

static bool same_shape(const struct akin_tensor *a, const struct arch_tensor *b)
{
    bool same = a->rank == b->rank;
    for (uint32_t i = 0; i < b->rank && same; i++)
        same = a->dims[i] == b->dims[i];
    return same;
}

/* Whether a name is one of a backbone's layers, of which none may be left over. */
static bool is_layer(const char *name)
{
    return (!strncmp(name, "layer", 5) || !strncmp(name, "conv1.", 6) ||
            !strncmp(name, "bn1.", 4)) &&
           !akin_text_ends_with(name, ".num_batches_tracked");
}

/* AKIN_ERR_INVALID says what does not fit, without the file's name. */
static akin_status check_fit(const akin_safetensors *file, const struct arch_table *table,
                             akin_error *err)
{
    const char *preset = arch_name(table->arch.preset);
    char shape[SHAPE_TEXT_MAX];
    for (size_t i = 0; i < table->count; i++) {
        const struct arch_tensor *own = &table->tensors[i];
        const struct akin_tensor *tensor = akin_safetensors_find(file, own->name);
        if (own->head)
            continue;
        if (!tensor)
            return akin_error_set(err, AKIN_ERR_INVALID, "'%s' of %s is not in it", own->name,
                                  preset);
        shape_text(shape, tensor);
        if (i == 0 && tensor->rank == 4 && tensor->dims[0] == own->dims[0] &&
            tensor->dims[1] != own->dims[1] && tensor->dims[2] == own->dims[2])
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "it learnt from %llu bands, and the tiles have %u",
                                  (unsigned long long)tensor->dims[1], own->dims[1]);
        if (!same_shape(tensor, own))
            return akin_error_set(err, AKIN_ERR_INVALID, "'%s' is %s, not as %s has it", own->name,
                                  shape, preset);
    }
    for (size_t i = 0; i < akin_safetensors_count(file); i++) {
        const char *name = akin_safetensors_at(file, i)->name;
        if (is_layer(name) && !arch_find(table, name))
            return akin_error_set(err, AKIN_ERR_INVALID, "its '%s' is no part of %s", name, preset);
    }
    return AKIN_OK;
}

akin_status akin_weights_preset(const char **out, const char *path, uint32_t bands, akin_error *err)
{
    akin_safetensors *file = NULL;
    struct arch_table *table = akin_alloc(1, sizeof *table);
    akin_error first = {0};
    *out = NULL;
    akin_status status = table ? akin_safetensors_open(&file, path, err)
                               : akin_error_memory(err, sizeof *table, "a net's layers");
    for (unsigned preset = 0; preset < ARCH_PRESETS && status == AKIN_OK && !*out; preset++) {
        struct arch arch;
        akin_error own = {0};
        status = arch_init(&arch, arch_name(preset), bands, err);
        if (status != AKIN_OK)
            break;
        arch_table_init(table, &arch);
        if (check_fit(file, table, &own) == AKIN_OK)
            *out = arch_name(preset);
        /* The reason that is told is of the net whose stem it has. */
        const struct akin_tensor *stem = akin_safetensors_find(file, table->tensors[0].name);
        if (!first.text[0] || (stem && stem->rank == 4 && stem->dims[0] == arch.width[0] &&
                               stem->dims[2] == arch.stem_px))
            first = own;
    }
    if (status == AKIN_OK && !*out)
        status = akin_error_set(err, AKIN_ERR_INVALID,
                                "'%s' has the weights of none of r10h, r18h and r18: %s", path,
                                first.text);
    akin_safetensors_close(file);
    akin_free(table);
    return status;
}

/* Into parameters and statistics, which have the table's sizes. */
static akin_status read_all(const akin_safetensors *file, const struct arch_table *table,
                            float *parameters, float *statistics, akin_error *err)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct arch_tensor *own = &table->tensors[i];
        const bool counted = own->role == ARCH_MEAN || own->role == ARCH_VARIANCE;
        float *at = (counted ? statistics : parameters) + own->offset;
        if (own->head)
            continue;
        akin_status status =
            akin_safetensors_floats(file, akin_safetensors_find(file, own->name), at, err);
        if (status != AKIN_OK)
            return status;
        for (size_t k = 0; k < own->count; k++)
            if (!isfinite(at[k]) || (own->role == ARCH_VARIANCE && at[k] < 0))
                return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' has %g among its numbers",
                                      own->name, (double)at[k]);
    }
    return AKIN_OK;
}

akin_status akin_trainer_load_weights(akin_trainer *trainer, const char *path, akin_error *err)
{
    const struct arch_table *table = &trainer->table;
    const size_t parameters = table->parameter_count, statistics = table->statistic_count;
    akin_safetensors *file = NULL;
    float *copy = akin_alloc(parameters + statistics, sizeof *copy);
    akin_status status =
        copy ? akin_safetensors_open(&file, path, err)
             : akin_error_memory(err, (parameters + statistics) * sizeof *copy, "weights");
    if (status == AKIN_OK) {
        memcpy(copy, trainer->replica[0].parameters, parameters * sizeof *copy); /* the head's */
        memcpy(copy + parameters, trainer->replica[0].statistics, statistics * sizeof *copy);
        status = check_fit(file, table, err);
        if (status == AKIN_OK)
            status = read_all(file, table, copy, copy + parameters, err);
        if (status != AKIN_OK)
            status = akin_error_context(err, status, "'%s'", path);
    }
    for (unsigned r = 0; r < trainer->replicas && status == AKIN_OK; r++) {
        memcpy(trainer->replica[r].parameters, copy, parameters * sizeof *copy);
        memcpy(trainer->replica[r].statistics, copy + parameters, statistics * sizeof *copy);
    }
    akin_safetensors_close(file);
    akin_free(copy);
    return status;
}
