/*
 * The instant encoder's run: from a tile's bytes to its vector. Random convolutional features (Rolf
 * et al., MOSAIKS, 2021): what share of the tile looks how much like each of a few hundred patches
 * of the collection, or like its negative.
 *
 * All the time goes into akin_kernels.conv_rectify_sum; the standardisation of its responses and
 * the dead zone are folded into weights and bias when the encoder is fitted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "instant.h"

#include <math.h>
#include <string.h>

#include "akin/vec.h"

/* A part shorter than this after whitening differs from the collection's mean by rounding alone. */
#define PART_LENGTH_MIN 1e-3f

static akin_status check_options(const struct akin_instant_options *options, akin_error *err)
{
    const struct {
        const char *name;
        uint32_t value, min, max;
    } ranges[] = {
        {"input_px", options->input_px, 16, 512},
        {"bands", options->bands, 1, AKIN_BANDS_MAX},
        {"filters", options->filters, 16, 1024},
        {"patch_px", options->patch_px, 3, INSTANT_PATCH_PX_MAX},
        {"rcf_dim", options->rcf_dim, 1, 2 * options->filters},
        {"histogram_dim", options->histogram_dim, 1,
         histogram_size(options->bands < INSTANT_CHANNELS_MAX ? options->bands
                                                              : INSTANT_CHANNELS_MAX)},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (ranges[i].value < ranges[i].min || ranges[i].value > ranges[i].max)
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "instant encoder: %s is %u, not between %u and %u",
                                  ranges[i].name, ranges[i].value, ranges[i].min, ranges[i].max);
    if (options->filters % 16)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "instant encoder: filters is %u, not a multiple of 16",
                              options->filters);
    if (!(options->power >= 0 && options->power <= 1))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "instant encoder: power is %g, not between 0 and 1", options->power);
    return AKIN_OK;
}

/* Hands out the parts of one block in the order of the file; with a NULL block it only counts. */
static size_t lay_out(struct instant *instant, float *block)
{
    const struct akin_instant_options *options = &instant->options;
    struct pca *rcf = &instant->rcf, *histogram = &instant->histogram;
    const struct {
        float **part;
        size_t count;
    } parts[] = {
        {&instant->band_mean, options->bands},
        {&instant->band_axes, (size_t)instant->channels * options->bands},
        {&instant->colour_scale, instant->channels},
        {&instant->filters, (size_t)options->filters * instant->patch_values},
        {&instant->bias, options->filters},
        {&rcf->mean, rcf->in},
        {&rcf->basis, (size_t)rcf->in * rcf->out},
        {&histogram->mean, histogram->in},
        {&histogram->basis, (size_t)histogram->in * histogram->out},
    };
    size_t total = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (block)
            *parts[i].part = block + total;
        total += parts[i].count;
    }
    return total;
}

akin_status instant_create(struct instant **out, const struct akin_instant_options *options,
                           akin_error *err)
{
    akin_status status = check_options(options, err);
    if (status != AKIN_OK)
        return status;
    struct instant *instant = akin_alloc_zero(1, sizeof *instant);
    if (!instant)
        return akin_error_memory(err, sizeof *instant, "an encoder");
    instant->options = *options;
    instant->channels =
        options->bands < INSTANT_CHANNELS_MAX ? options->bands : INSTANT_CHANNELS_MAX;
    instant->patch_values = options->patch_px * options->patch_px * instant->channels;
    instant->rcf_size = 2 * options->filters;
    instant->histogram_size = histogram_size(instant->channels);
    instant->rcf.in = instant->rcf_size;
    instant->rcf.out = options->rcf_dim;
    instant->histogram.in = instant->histogram_size;
    instant->histogram.out = options->histogram_dim;
    instant->weight_count = lay_out(instant, NULL);
    instant->weights = akin_alloc_zero(instant->weight_count, sizeof *instant->weights);
    if (!instant->weights) {
        status = akin_error_memory(err, instant->weight_count * sizeof(float), "an encoder");
        instant_free(instant);
        return status;
    }
    lay_out(instant, instant->weights);
    *out = instant;
    return AKIN_OK;
}

void instant_place(struct instant *instant, float *block)
{
    memcpy(block, instant->weights, instant->weight_count * sizeof *block);
    akin_free(instant->weights);
    instant->weights = NULL;
    lay_out(instant, block);
}

void instant_free(struct instant *instant)
{
    if (!instant)
        return;
    akin_free(instant->weights);
    akin_free(instant);
}

/* Where the parts of a thread's memory begin, each on its own cache line; returns the size of
 * all. */
static size_t divide_scratch(size_t begins[5], const struct instant *instant)
{
    size_t pixels = (size_t)instant->options.input_px * instant->options.input_px, total = 0;
    const size_t bytes[5] = {pixels * instant->channels * sizeof(float), pixels * sizeof(float),
                             instant->rcf_size * sizeof(float),
                             instant->histogram_size * sizeof(float), pixels};
    for (size_t i = 0; i < 5; i++) {
        begins[i] = total;
        total += (bytes[i] + AKIN_ALIGN - 1) / AKIN_ALIGN * AKIN_ALIGN;
    }
    return total;
}

size_t instant_scratch_bytes(const struct instant *instant)
{
    size_t begins[5];
    return divide_scratch(begins, instant);
}

void instant_scratch_init(struct instant_scratch *out, const struct instant *instant, void *memory)
{
    unsigned char *bytes = memory;
    size_t begins[5];
    divide_scratch(begins, instant);
    out->channels = (float *)(bytes + begins[0]);
    out->plane = (float *)(bytes + begins[1]);
    out->rcf = (float *)(bytes + begins[2]);
    out->histogram = (float *)(bytes + begins[3]);
    out->there = bytes + begins[4];
}

void instant_channels(const struct instant *instant, const uint8_t *pixels, size_t count,
                      float *out)
{
    uint32_t bands = instant->options.bands, channels = instant->channels;
    for (size_t i = 0; i < count; i++, pixels += bands, out += channels) {
        for (uint32_t c = 0; c < channels; c++) {
            const float *axis = instant->band_axes + (size_t)c * bands;
            float sum = 0;
            for (uint32_t b = 0; b < bands; b++)
                sum += axis[b] * ((float)pixels[b] - instant->band_mean[b]);
            out[c] = sum;
        }
    }
}

/* The next run of positions in a row whose patch has its centre on a pixel that was there: from
 * *begin on, returns its length. centres: the mask's row through the patches' centres, or NULL. */
static size_t next_run(const uint8_t *centres, size_t positions, size_t *begin)
{
    size_t end;
    if (!centres)
        return positions - *begin;
    while (*begin < positions && !centres[*begin * INSTANT_STRIDE])
        ++*begin;
    for (end = *begin; end < positions && centres[end * INSTANT_STRIDE]; end++)
        ;
    return end - *begin;
}

/* Means over the positions of both sides of each filter's response; square roots, as they are
 * skewed. Patches centred on what was filled are left out: what is mirrored there is no texture of
 * the tile. */
static void rcf_run(const struct instant *instant, const float *channels, const uint8_t *filled,
                    float *out)
{
    const struct akin_kernels *kernels = akin_kernels();
    size_t px = instant->options.input_px, patch = instant->options.patch_px;
    size_t filters = instant->options.filters, row = px * instant->channels;
    size_t step = INSTANT_STRIDE * (size_t)instant->channels;
    size_t positions = (px - patch) / INSTANT_STRIDE + 1, counted = 0, run;
    memset(out, 0, instant->rcf_size * sizeof *out);
    for (size_t y = 0; y < positions; y++) {
        const float *at = channels + y * INSTANT_STRIDE * row;
        const uint8_t *centres =
            filled ? filled + (y * INSTANT_STRIDE + patch / 2) * px + patch / 2 : NULL;
        for (size_t x = 0; (run = next_run(centres, positions, &x)) > 0; x += run) {
            kernels->conv_rectify_sum(out, out + filters, at + x * step, row, step, run,
                                      instant->filters, instant->bias, filters, patch,
                                      patch * instant->channels, 2 * INSTANT_DEAD_ZONE);
            counted += run;
        }
    }
    float scale = 1.0f / (float)(counted ? counted : 1);
    for (size_t i = 0; i < instant->rcf_size; i++)
        out[i] = sqrtf(out[i] * scale);
}

bool instant_features(const struct instant *instant, const struct instant_scratch *scratch,
                      const uint8_t *input, const uint8_t *filled, float *rcf, float *histogram)
{
    size_t pixels = (size_t)instant->options.input_px * instant->options.input_px;
    bool any = !filled;
    for (size_t i = 0; !any && i < pixels; i++)
        any = filled[i] != 0;
    if (!any)
        return false;
    instant_channels(instant, input, pixels, scratch->channels);
    rcf_run(instant, scratch->channels, filled, rcf);
    histogram_run(instant, scratch, filled, histogram);
    return true;
}

/* Unit length. A tile that is the collection's mean (all its tiles are alike) still gets a vector:
 * the first axis, so that it is found by its equals. */
static void finish_part(float *part, size_t n)
{
    const struct akin_kernels *kernels = akin_kernels();
    if (kernels->dot(part, part, n) < PART_LENGTH_MIN * PART_LENGTH_MIN) {
        memset(part, 0, n * sizeof *part);
        part[0] = 1;
    }
    akin_normalize(part, n);
}

void instant_project(const struct instant *instant, float *rcf, float *histogram, float *out)
{
    size_t rcf_dim = instant->options.rcf_dim, histogram_dim = instant->options.histogram_dim;
    pca_apply(&instant->rcf, rcf, out);
    pca_apply(&instant->histogram, histogram, out + rcf_dim);
    finish_part(out, rcf_dim);
    finish_part(out + rcf_dim, histogram_dim);
    akin_normalize(out, rcf_dim + histogram_dim);
}
