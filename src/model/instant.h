/*
 * The instant encoder inside (include/akin/model.h tells what it is; docs/MODEL.md how it was
 * chosen).
 *
 *   input (px, px, bands) u8
 *     -> channels (px, px, channels) f32   the first principal axes of the collection's pixel
 *     values
 *     -> rcf (2 * filters)                 random convolutional features
 *     instant_features.c
 *     -> histogram (histogram_size)        colours, gradients, local patterns
 *     instant_histogram.c
 *     -> each: principal components, half-whitened, unit length; side by side, unit length
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_INSTANT_H
#define MODEL_INSTANT_H

#include "akin/model.h"
#include "pca.h"

#define INSTANT_CHANNELS_MAX 4
#define INSTANT_PATCH_PX_MAX 9
#define INSTANT_PATCH_VALUES_MAX                                                                   \
    (INSTANT_PATCH_PX_MAX * INSTANT_PATCH_PX_MAX * INSTANT_CHANNELS_MAX)
#define INSTANT_STRIDE 2       /* between positions of the filters; 3 costs quality */
#define INSTANT_DEAD_ZONE 0.5f /* standard deviations on either side that count as no response */
#define INSTANT_COLOUR_AXES 3
#define INSTANT_LEVELS 4 /* of gradients: 64, 32, 16, 8 px */
#define INSTANT_GRADIENT_BINS 12
#define INSTANT_PATTERN_RADII 2
#define INSTANT_PATTERNS 36 /* classes of 8 neighbours' signs under rotation */

/* The whole encoder: one block of floats, and where its parts begin, in the order of the file. */
struct instant {
    struct akin_instant_options options;
    uint32_t channels;     /* min(bands, INSTANT_CHANNELS_MAX) */
    uint32_t patch_values; /* patch_px * patch_px * channels */
    uint32_t rcf_size;     /* 2 * filters: both signs */
    uint32_t histogram_size;
    float *weights; /* owned */
    size_t weight_count;
    float *band_mean; /* (bands) */
    float *band_axes; /* (channels, bands): channel = axis * (pixel - mean), in units of the first
                                 axis's standard deviation */
    float *colour_scale; /* (channels): 1 / standard deviation of each channel */
    float *filters; /* (filters / 16, patch_values, 16): as akin_kernels.conv_rectify_sum has it */
    float *bias;    /* (filters) */
    struct pca rcf, histogram;
};

/* An encoder of zeros, to be fitted or read into. AKIN_ERR_INVALID names the option and its
 * range. */
akin_status instant_create(struct instant **out, const struct akin_instant_options *options,
                           akin_error *err);
void instant_free(struct instant *instant);
/* Moves the weights into `block` (weight_count), which someone else owns: an encoder that is part of
 * another one. */
void instant_place(struct instant *instant, float *block);

/* One thread's memory. Parts of one block, owned by whoever gave it. */
struct instant_scratch {
    float *channels; /* (px, px, channels) */
    float *plane;    /* (px, px): the first channel, then its halves */
    uint8_t *there;  /* (px, px): 0 where the cell was filled; halved with it */
    float *rcf, *histogram;
};
size_t instant_scratch_bytes(const struct instant *instant);
void instant_scratch_init(struct instant_scratch *out, const struct instant *instant, void *memory);

/* Channels of `count` pixels; pixels (count, bands) u8, out (count, channels). */
void instant_channels(const struct instant *instant, const uint8_t *pixels, size_t count,
                      float *out);
/* Both features of one tile; false, with nothing written, where every cell was filled. */
bool instant_features(const struct instant *instant, const struct instant_scratch *scratch,
                      const uint8_t *input, const uint8_t *filled, float *rcf, float *histogram);
/* From features (used up) to the unit vector: out (rcf_dim + histogram_dim). */
void instant_project(const struct instant *instant, float *rcf, float *histogram, float *out);

/* ---- instant_histogram.c ---- */

uint32_t histogram_colour_size(uint32_t channels);
uint32_t histogram_size(uint32_t channels);
/* scratch->channels is filled in; scratch->plane and ->there are used. filled may be NULL. */
void histogram_run(const struct instant *instant, const struct instant_scratch *scratch,
                   const uint8_t *filled, float *out);

#endif
