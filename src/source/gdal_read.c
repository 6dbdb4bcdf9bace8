/*
 * Windows of a GDAL dataset as plain arrays: bands interleaved in the smallest of our sample types,
 * palettes and inks turned into colours, and one mask out of GDAL's three kinds (no-data values,
 * mask bands, alpha). Reduced reading takes a band's overviews, whose masks GDAL keeps beside them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "gdal_image.h"

static GDALDataType gdal_type(enum akin_dtype dtype)
{
    static const GDALDataType types[AKIN_DTYPE_COUNT] = {GDT_Byte, GDT_UInt16, GDT_Int16,
                                                         GDT_Float32};
    return types[dtype];
}

bool gdal_has_mask(GDALRasterBandH band)
{
    const int flags = gdal.GDALGetMaskFlags(band);
    return !(flags & (GMF_ALL_VALID | GMF_ALPHA));
}

/* The band at the source's level. */
static GDALRasterBandH at_level(const akin_source *source, GDALRasterBandH band)
{
    return source->level.index < 0 ? band : gdal.GDALGetOverview(band, source->level.index);
}

static bool has_level(GDALRasterBandH band, int level, int width, int height)
{
    if (level >= gdal.GDALGetOverviewCount(band))
        return false;
    GDALRasterBandH overview = gdal.GDALGetOverview(band, level);
    return overview && gdal.GDALGetRasterBandXSize(overview) == width &&
           gdal.GDALGetRasterBandYSize(overview) == height;
}

/* An overview serves only if every band, and the alpha, has it in the same size. */
static bool level_is_whole(const struct gdal_image *image, int level, int width, int height)
{
    for (uint32_t b = 0; b < image->band_count; b++)
        if (!has_level(image->bands[b], level, width, height))
            return false;
    return !image->alpha || has_level(image->alpha, level, width, height);
}

void gdal_set_level(akin_source *source, uint32_t px)
{
    const struct gdal_image *image = source->image;
    source->level.index = -1;
    source->level.width = source->info.width;
    source->level.height = source->info.height;
    if (px == UINT32_MAX)
        return;
    struct gdal_talk talk;
    gdal_listen(&talk);
    const int levels = gdal.GDALGetOverviewCount(image->bands[0]);
    for (int i = 0; i < levels; i++) {
        GDALRasterBandH overview = gdal.GDALGetOverview(image->bands[0], i);
        if (!overview)
            continue;
        const int width = gdal.GDALGetRasterBandXSize(overview);
        const int height = gdal.GDALGetRasterBandYSize(overview);
        if (width < 1 || height < 1 || (uint32_t)(width > height ? width : height) < px ||
            (uint32_t)width >= source->level.width || !level_is_whole(image, i, width, height))
            continue;
        source->level.index = i;
        source->level.width = (uint32_t)width;
        source->level.height = (uint32_t)height;
    }
    gdal_hush();
}

/* Reads one band's window into `to`, one sample every `step` bytes. */
static bool read_band(GDALRasterBandH band, struct akin_window w, GDALDataType type, void *to,
                      size_t step)
{
    return band && gdal.GDALRasterIOEx(band, GF_Read, (int)w.x, (int)w.y, (int)w.width,
                                       (int)w.height, to, (int)w.width, (int)w.height, type,
                                       (GSpacing)step, (GSpacing)step * w.width, NULL) == CE_None;
}

/* The file's own bands of these indices, interleaved. At full resolution in one call, so that a
 * block that holds all bands is decoded once even where GDAL's cache is small. */
static bool read_samples(const akin_source *source, struct akin_window w, const uint32_t *bands,
                         uint32_t count, enum akin_dtype dtype, void *to)
{
    const struct gdal_image *image = source->image;
    const size_t size = akin_dtype_size(dtype), step = size * count;
    if (source->level.index < 0) {
        int numbers[AKIN_BANDS_MAX];
        for (uint32_t b = 0; b < count; b++)
            numbers[b] = image->numbers[bands[b]];
        return gdal.GDALDatasetRasterIOEx(
                   image->dataset, GF_Read, (int)w.x, (int)w.y, (int)w.width, (int)w.height, to,
                   (int)w.width, (int)w.height, gdal_type(dtype), (int)count, numbers,
                   (GSpacing)step, (GSpacing)step * w.width, (GSpacing)size, NULL) == CE_None;
    }
    for (uint32_t b = 0; b < count; b++)
        if (!read_band(at_level(source, image->bands[bands[b]]), w, gdal_type(dtype),
                       (char *)to + b * size, step))
            return false;
    return true;
}

/* ---- the mask ---- */

static akin_status need_mask(struct akin_raster *raster, akin_error *err)
{
    if (raster->valid)
        return AKIN_OK;
    const size_t count = (size_t)raster->width * raster->height;
    raster->valid = akin_alloc(count, 1);
    if (!raster->valid)
        return akin_error_memory(err, count, "the mask");
    memset(raster->valid, 255, count);
    return AKIN_OK;
}

/* Clears raster->valid where `mask` is below `half`. A band at a time: mask bands are 0 or 255,
 * some 1; soft ones count from 128. */
static void merge_mask(struct akin_raster *raster, const uint8_t *mask)
{
    const size_t count = (size_t)raster->width * raster->height;
    uint8_t top = 0;
    for (size_t i = 0; i < count; i++)
        top |= mask[i];
    const uint8_t half = top > 1 ? 128 : 1;
    for (size_t i = 0; i < count; i++)
        if (mask[i] < half)
            raster->valid[i] = 0;
}

static bool merge_alpha(const akin_source *source, struct akin_window w, struct akin_raster *out,
                        float *scratch)
{
    const struct gdal_image *image = source->image;
    if (!read_band(at_level(source, image->alpha), w, GDT_Float32, scratch, sizeof *scratch))
        return false;
    const size_t count = (size_t)w.width * w.height;
    for (size_t i = 0; i < count; i++)
        if (!(scratch[i] >= (float)image->alpha_half))
            out->valid[i] = 0;
    return true;
}

/* What the masks of the bands read say, each mask once; *read is false where GDAL fails. */
static akin_status read_mask(const akin_source *source, struct akin_window w, const uint32_t *bands,
                             uint32_t count, struct akin_raster *out, bool *read, akin_error *err)
{
    const struct gdal_image *image = source->image;
    const size_t pixels = (size_t)w.width * w.height;
    void *scratch = NULL;
    akin_status status = AKIN_OK;
    *read = true;
    bool dataset_done = false;
    for (uint32_t b = 0; b < count && status == AKIN_OK && *read; b++) {
        GDALRasterBandH band = image->bands[bands[b]];
        const bool shared = gdal.GDALGetMaskFlags(band) & GMF_PER_DATASET;
        if (!gdal_has_mask(band) || (shared && dataset_done))
            continue;
        dataset_done |= shared;
        status = need_mask(out, err);
        if (status == AKIN_OK && !scratch && !(scratch = akin_alloc(pixels, sizeof(float))))
            status = akin_error_memory(err, pixels * sizeof(float), "the mask");
        if (status != AKIN_OK)
            break;
        GDALRasterBandH level = at_level(source, band);
        *read = level && read_band(gdal.GDALGetMaskBand(level), w, GDT_Byte, scratch, 1);
        if (*read)
            merge_mask(out, scratch);
    }
    if (status == AKIN_OK && *read && image->alpha) {
        status = need_mask(out, err);
        if (status == AKIN_OK && !scratch && !(scratch = akin_alloc(pixels, sizeof(float))))
            status = akin_error_memory(err, pixels * sizeof(float), "the mask");
        if (status == AKIN_OK)
            *read = merge_alpha(source, w, out, scratch);
    }
    akin_free(scratch);
    return status;
}

/* ---- the three kinds ---- */

static void sign_bytes(struct akin_raster *raster)
{
    int16_t *sample = raster->pixels;
    const size_t count = (size_t)raster->width * raster->height * raster->bands;
    for (size_t i = 0; i < count; i++)
        sample[i] = (int16_t)(sample[i] > 127 ? sample[i] - 256 : sample[i]);
}

/* Black and white as 0 and 255, not 0 and 1. */
static void spread_bits(unsigned factor, struct akin_raster *raster)
{
    uint8_t *sample = raster->pixels;
    const size_t count = (size_t)raster->width * raster->height * raster->bands;
    for (size_t i = 0; i < count; i++)
        sample[i] = (uint8_t)(sample[i] * factor > 255 ? 255 : sample[i] * factor);
}

/* Indices to colours; an index past the table or a colour that is see-through is missing. */
static void colour_palette(const struct gdal_image *image, const uint16_t *index,
                           const uint32_t *bands, uint32_t count, struct akin_raster *out)
{
    const size_t pixels = (size_t)out->width * out->height;
    uint8_t *to = out->pixels;
    for (size_t i = 0; i < pixels; i++, to += count) {
        static const uint8_t nothing[4] = {0};
        const uint8_t *colour =
            index[i] < image->palette_count ? image->palette[index[i]] : nothing;
        for (uint32_t b = 0; b < count; b++)
            to[b] = colour[bands[b]];
        if (colour[3] < 128)
            out->valid[i] = 0;
    }
}

static void colour_cmyk(const uint8_t *ink, const uint32_t *bands, uint32_t count,
                        struct akin_raster *out)
{
    const size_t pixels = (size_t)out->width * out->height;
    uint8_t *to = out->pixels;
    for (size_t i = 0; i < pixels; i++, ink += 4)
        for (uint32_t b = 0; b < count; b++)
            *to++ = (uint8_t)(((255u - ink[bands[b]]) * (255u - ink[3]) + 127) / 255);
}

/* Reads into out->pixels; false where GDAL fails. */
static akin_status read_kind(const akin_source *source, struct akin_window w, const uint32_t *bands,
                             uint32_t count, struct akin_raster *out, bool *read, akin_error *err)
{
    static const uint32_t first_four[4] = {0, 1, 2, 3};
    const struct gdal_image *image = source->image;
    if (image->kind == GDAL_SAMPLES) {
        *read = read_samples(source, w, bands, count, out->dtype, out->pixels);
        if (*read && image->signed_bytes && out->dtype == AKIN_I16)
            sign_bytes(out);
        if (*read && image->stretch)
            spread_bits(image->stretch, out);
        return AKIN_OK;
    }
    const bool palette = image->kind == GDAL_PALETTE;
    struct akin_raster raw;
    akin_status status = akin_raster_init(&raw, w.width, w.height, palette ? 1 : 4,
                                          palette ? AKIN_U16 : AKIN_U8, false, err);
    if (status != AKIN_OK)
        return status;
    *read = read_samples(source, w, first_four, raw.bands, raw.dtype, raw.pixels);
    if (*read && palette)
        status = need_mask(out, err);
    if (*read && status == AKIN_OK && palette)
        colour_palette(image, raw.pixels, bands, count, out);
    else if (*read && status == AKIN_OK)
        colour_cmyk(raw.pixels, bands, count, out);
    akin_raster_fini(&raw);
    return status;
}

akin_status gdal_read(akin_source *source, struct akin_window window, const uint32_t *bands,
                      uint32_t count, struct akin_raster *out, akin_error *err)
{
    static const uint32_t all_inks[4] = {0, 1, 2, 3};
    const struct gdal_image *image = source->image;
    const bool plain = image->kind == GDAL_SAMPLES;
    struct akin_raster made;
    akin_status status =
        akin_raster_init(&made, window.width, window.height, count, source->info.dtype, false, err);
    if (status != AKIN_OK)
        return status;
    struct gdal_talk talk;
    gdal_listen(&talk);
    bool read = false;
    status = read_kind(source, window, bands, count, &made, &read, err);
    if (status == AKIN_OK && read)
        status = read_mask(source, window, plain ? bands : all_inks,
                           plain ? count : image->band_count, &made, &read, err);
    gdal_hush();
    if (status == AKIN_OK && (!read || talk.damaged))
        status = akin_error_set(
            err, AKIN_ERR_CORRUPT, "cannot read '%s' at %u,%u (%u x %u): truncated or damaged (%s)",
            source->name, window.x, window.y, window.width, window.height, gdal_reason(&talk));
    if (status == AKIN_OK)
        *out = made;
    else
        akin_raster_fini(&made);
    return status;
}
