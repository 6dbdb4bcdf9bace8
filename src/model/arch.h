/*
 * A backbone as data: which layers a net has, and where each of its numbers lies. Training, files
 * and exports all read this one table, so that no layer is listed twice.
 *
 * All that is learnt lies in one flat vector of f32 (`parameters`), all that is counted (running
 * mean and variance of batch normalisation) in another (`statistics`): optimiser, checkpoint and
 * all-reduce never see a layer. Names are torchvision's, so that weights go in and out of other
 * tools as they are.
 *
 *   x (n, bands, px, px) -> stem (stride 2) [-> max-pool] -> 4 stages of basic blocks (He et al.,
 *   CVPR 2016), each but the first at stride 2 -> mean over the map -> head: linear, BN, relu,
 *   linear (only in training; Chen et al., ICML 2020)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_ARCH_H
#define MODEL_ARCH_H

#include <stdbool.h>

#include "akin/core.h"

#define ARCH_STAGES 4
#define ARCH_TENSORS_MAX 160
#define ARCH_HIDDEN 512 /* of the head */
#define ARCH_OUT 128    /* z */

enum arch_preset { ARCH_R10H, ARCH_R18H, ARCH_R18, ARCH_PRESETS };

struct arch {
    enum arch_preset preset;
    uint32_t bands;
    uint32_t stem_px; /* kernel: 3, or 7 for r18 */
    bool max_pool;    /* 3x3 stride 2 after the stem: r18, as in the paper */
    uint32_t blocks;  /* a stage: 1 or 2 */
    uint32_t width[ARCH_STAGES];
};

enum arch_role {
    ARCH_WEIGHT,   /* convolution (out, in, k, k) or linear (out, in): weight decay */
    ARCH_SCALE,    /* BN weight: no decay */
    ARCH_SHIFT,    /* BN bias: no decay */
    ARCH_MEAN,     /* in statistics */
    ARCH_VARIANCE, /* in statistics */
};

struct arch_tensor {
    char name[48]; /* "layer2.0.downsample.0.weight"; of the head "head.0.weight" */
    enum arch_role role;
    uint32_t rank, dims[4];
    size_t offset, count; /* floats, in parameters or in statistics; offsets are multiples of 16 */
    bool head;            /* of use in training only */
};

struct arch_table {
    struct arch arch;
    struct arch_tensor tensors[ARCH_TENSORS_MAX];
    size_t count;
    size_t parameter_count; /* floats with their gaps, which are zero for ever */
    size_t statistic_count;
};

/* AKIN_ERR_INVALID names the presets there are; bands 1..AKIN_BANDS_MAX. */
akin_status arch_init(struct arch *out, const char *preset, uint32_t bands, akin_error *err);
const char *arch_name(enum arch_preset preset);
void arch_table_init(struct arch_table *out, const struct arch *arch);
/* NULL where there is none. */
const struct arch_tensor *arch_find(const struct arch_table *table, const char *name);
/* He's normal initialisation (ICCV 2015, fan-in), BN 1 and 0, running mean 0 and variance 1;
 * depends on the seed only. */
void arch_initialise(const struct arch_table *table, uint64_t seed, float *parameters,
                     float *statistics);
/* 1 for each parameter under weight decay, else 0. decay (parameter_count). */
void arch_decay_mask(const struct arch_table *table, uint8_t *decay);

#endif
