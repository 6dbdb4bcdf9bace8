/*
 * Robust limits for scaling to 8 bits: the 2nd and the 98th percentile of a sample. The sample is
 * up to 8 x 8 windows on a regular grid over the image, or all of a small image: always the same
 * pixels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "source_private.h"

#define SAMPLE_PIXELS_MAX ((size_t)1 << 20)
#define SAMPLE_VALUES_MAX ((size_t)1 << 22) /* over all bands: 16 MB */
#define WINDOW_PX 128

struct sample {
    float *values; /* (bands, capacity) */
    size_t capacity, count;
    uint32_t bands;
};

static void sample_add(struct sample *sample, const struct akin_raster *raster)
{
    const size_t pixels = (size_t)raster->width * raster->height;
    for (size_t i = 0; i < pixels && sample->count < sample->capacity; i++) {
        if (raster->valid && !raster->valid[i])
            continue;
        for (uint32_t b = 0; b < sample->bands; b++)
            sample->values[b * sample->capacity + sample->count] =
                akin_raster_value(raster, i * sample->bands + b);
        sample->count++;
    }
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void limits_of(float *values, size_t count, double *low, double *high)
{
    qsort(values, count, sizeof *values, by_value);
    *low = values[(size_t)(0.02 * (double)(count - 1) + 0.5)];
    *high = values[(size_t)(0.98 * (double)(count - 1) + 0.5)];
    if (!(*high > *low))
        *high = *low + fmax(1, fabs(*low) * 1e-6);
}

/* Windows in a grid of `across` x `down`, each inside its cell's middle. */
static akin_status sample_windows(struct sample *sample, akin_source *source, const uint32_t *bands,
                                  akin_error *err)
{
    const struct akin_source_info *info = &source->info;
    const size_t pixels = (size_t)WINDOW_PX * WINDOW_PX;
    uint32_t across = 8, down = 8;
    while ((size_t)across * down * pixels > sample->capacity && across > 1)
        across = down = across - 1;
    const uint32_t width = info->width < WINDOW_PX ? info->width : WINDOW_PX;
    const uint32_t height = info->height < WINDOW_PX ? info->height : WINDOW_PX;
    for (uint32_t row = 0; row < down; row++)
        for (uint32_t col = 0; col < across; col++) {
            const struct akin_window window = {
                (uint32_t)((uint64_t)(info->width - width) * (2 * col + 1) / (2 * across)),
                (uint32_t)((uint64_t)(info->height - height) * (2 * row + 1) / (2 * down)), width,
                height};
            struct akin_raster raster;
            const akin_status status =
                akin_source_read(source, window, bands, sample->bands, &raster, err);
            if (status != AKIN_OK)
                return status;
            sample_add(sample, &raster);
            akin_raster_fini(&raster);
        }
    return AKIN_OK;
}

/* All of a small image; of a larger one whose windows were all empty, a reduced copy. */
static akin_status sample_whole(struct sample *sample, akin_source *source, uint32_t max_px,
                                const uint32_t *bands, akin_error *err)
{
    struct akin_raster raster;
    const akin_status status =
        akin_source_read_reduced(source, max_px, bands, sample->bands, &raster, err);
    if (status != AKIN_OK)
        return status;
    sample_add(sample, &raster);
    akin_raster_fini(&raster);
    return AKIN_OK;
}

akin_status akin_source_percentiles(akin_source *source, const uint32_t *bands, uint32_t band_count,
                                    double *low, double *high, akin_error *err)
{
    struct band_pick pick;
    akin_status status = pick_plan(&pick, source, bands, band_count, err);
    if (status != AKIN_OK)
        return status;
    struct sample sample = {.bands = band_count, .capacity = SAMPLE_VALUES_MAX / band_count};
    if (sample.capacity > SAMPLE_PIXELS_MAX)
        sample.capacity = SAMPLE_PIXELS_MAX;
    const uint64_t pixels = (uint64_t)source->info.width * source->info.height;
    sample.values = akin_alloc(sample.capacity * band_count, sizeof(float));
    if (!sample.values)
        return akin_error_memory(err, sample.capacity * band_count * sizeof(float), "a sample");
    if (pixels <= sample.capacity) {
        status = sample_whole(&sample, source, UINT32_MAX - 1, bands, err);
    } else {
        status = sample_windows(&sample, source, bands, err);
        if (status == AKIN_OK && sample.count == 0)
            status = sample_whole(&sample, source, 256, bands, err);
    }
    if (status == AKIN_OK && sample.count == 0)
        status = akin_error_set(err, AKIN_ERR_NOT_FOUND,
                                "'%s' has no valid pixel: nothing but no-data", source->name);
    for (uint32_t b = 0; status == AKIN_OK && b < band_count; b++)
        limits_of(sample.values + b * sample.capacity, sample.count, &low[b], &high[b]);
    akin_free(sample.values);
    return status;
}
