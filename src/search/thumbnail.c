/*
 * Pictures for people: a chip, or a query image, as a JPEG small enough for a page. A chip that is
 * a JPEG of the right size is passed on as it lies in the pack; everything else is averaged by
 * area, each target pixel over the whole source pixels below it, scaled as for the encoder and
 * compressed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "thumbnail.h"

#include <math.h>

#include "engine.h"

static uint8_t scaled(double value, double low, double high)
{
    double x = 255 * (value - low) / (high - low);
    return x >= 255 ? 255 : x > 0 ? (uint8_t)(x + 0.5) : 0; /* NaN becomes 0 */
}

struct span {
    uint32_t begin, end;
};

/* The source pixels below target pixel i of `to`; at least one. */
static struct span span_of(uint32_t i, uint32_t from, uint32_t to)
{
    uint32_t begin = (uint32_t)((uint64_t)i * from / to);
    uint32_t end = (uint32_t)(((uint64_t)i + 1) * from / to);
    return (struct span){begin, end > begin ? end : begin + 1};
}

/* Mean of the valid samples of one band; NaN where there is none. */
static double mean_of(const struct akin_raster *raster, struct span xs, struct span ys,
                      uint32_t band)
{
    double sum = 0;
    size_t count = 0;
    for (uint32_t y = ys.begin; y < ys.end; y++)
        for (uint32_t x = xs.begin; x < xs.end; x++) {
            size_t pixel = (size_t)y * raster->width + x;
            if (raster->valid && !raster->valid[pixel])
                continue;
            double value = akin_raster_value(raster, pixel * raster->bands + band);
            if (isfinite(value)) {
                sum += value;
                count++;
            }
        }
    return count ? sum / (double)count : NAN;
}

static void reduce(const struct akin_raster *raster, const struct akin_scaling *scaling,
                   struct akin_raster *out)
{
    uint8_t *to = out->pixels;
    for (uint32_t y = 0; y < out->height; y++)
        for (uint32_t x = 0; x < out->width; x++)
            for (uint32_t band = 0; band < out->bands; band++)
                *to++ = scaled(mean_of(raster, span_of(x, raster->width, out->width),
                                       span_of(y, raster->height, out->height), band),
                               scaling->low[band], scaling->high[band]);
}

static uint32_t reduced_side(uint32_t side, uint32_t longest, uint32_t max_px)
{
    if (!max_px || longest <= max_px)
        return side;
    uint32_t reduced = (uint32_t)(((uint64_t)side * max_px + longest / 2) / longest);
    return reduced ? reduced : 1;
}

akin_status thumbnail_reduce(const struct akin_raster *raster, const struct akin_scaling *scaling,
                             uint32_t max_px, struct akin_raster *out, akin_error *err)
{
    const uint32_t longest = raster->width > raster->height ? raster->width : raster->height;
    akin_status status = akin_raster_init(out, reduced_side(raster->width, longest, max_px),
                                          reduced_side(raster->height, longest, max_px),
                                          raster->bands < 3 ? 1 : 3, AKIN_U8, false, err);
    if (status == AKIN_OK)
        reduce(raster, scaling, out);
    return status;
}

akin_status thumbnail_encode(const struct akin_raster *raster, const struct akin_scaling *scaling,
                             uint32_t max_px, struct akin_buffer *out, akin_error *err)
{
    struct akin_raster small = {0};
    akin_status status = thumbnail_reduce(raster, scaling, max_px, &small, err);
    if (status == AKIN_OK)
        status = akin_jpeg_encode(&small, THUMBNAIL_QUALITY, out, err);
    akin_raster_fini(&small);
    return status;
}

akin_status akin_engine_picture(akin_engine *engine, uint64_t key, uint32_t max_px,
                                struct akin_buffer *out, akin_error *err)
{
    if (!engine || !out)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine given");
    const void *chip, *jpeg;
    size_t bytes, jpeg_bytes;
    struct akin_raster raster = {0};
    struct akin_scaling scaling;
    akin_status status = engine_chip(engine, key, &chip, &bytes, err);
    if (status == AKIN_OK)
        status = akin_chip_jpeg(chip, bytes, &jpeg, &jpeg_bytes, err);
    if (status == AKIN_OK && jpeg && !max_px)
        return akin_buffer_append(out, jpeg, jpeg_bytes, err);
    if (status == AKIN_OK)
        status = engine_decode(engine, key, chip, bytes, &raster, &scaling, err);
    if (status != AKIN_OK)
        return status;
    if (jpeg && raster.width <= max_px && raster.height <= max_px)
        status = akin_buffer_append(out, jpeg, jpeg_bytes, err);
    else
        status = thumbnail_encode(&raster, &scaling, max_px, out, err);
    akin_raster_fini(&raster);
    return status;
}
