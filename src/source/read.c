/*
 * Reading on top of the two ways in: checks the window, reads each band once, forms what was asked
 * for, and marks as missing what is no number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "source_private.h"

/* NaN and infinite samples are missing pixels. The mask is made only when one is found. */
static akin_status mark_not_finite(struct akin_raster *raster, akin_error *err)
{
    if (raster->dtype != AKIN_F32)
        return AKIN_OK;
    const size_t count = (size_t)raster->width * raster->height;
    const float *sample = raster->pixels;
    for (size_t i = 0; i < count; i++) {
        bool finite = true;
        for (uint32_t b = 0; b < raster->bands; b++)
            finite &= isfinite(*sample++) != 0;
        if (finite)
            continue;
        if (!raster->valid) {
            raster->valid = akin_alloc(count, 1);
            if (!raster->valid)
                return akin_error_memory(err, count, "the mask");
            memset(raster->valid, 255, count);
        }
        raster->valid[i] = 0;
    }
    return AKIN_OK;
}

akin_status source_read_level(akin_source *source, struct akin_window window,
                              const struct band_pick *pick, struct akin_raster *out,
                              akin_error *err)
{
    struct akin_raster loaded = {0};
    akin_status status =
        source->ops->read(source, window, pick->load, pick->load_count, &loaded, err);
    if (status == AKIN_OK)
        status = mark_not_finite(&loaded, err);
    if (status == AKIN_OK) {
        raster_drop_full_mask(&loaded);
        status = pick_apply(pick, &loaded, out, err);
    }
    akin_raster_fini(&loaded);
    return status;
}

akin_status akin_source_read(akin_source *source, struct akin_window window, const uint32_t *bands,
                             uint32_t band_count, struct akin_raster *out, akin_error *err)
{
    *out = (struct akin_raster){0};
    const struct akin_source_info *info = &source->info;
    if (!window.width || !window.height || window.x >= info->width || window.y >= info->height ||
        window.width > info->width - window.x || window.height > info->height - window.y)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "a window of %u x %u at %u,%u is not within '%s' (%u x %u)",
                              window.width, window.height, window.x, window.y, source->name,
                              info->width, info->height);
    struct band_pick pick;
    akin_status status = pick_plan(&pick, source, bands, band_count, err);
    if (status != AKIN_OK)
        return status;
    source->ops->set_level(source, UINT32_MAX);
    return source_read_level(source, window, &pick, out, err);
}

akin_status akin_source_lonlat(akin_source *source, size_t n, const double *x, const double *y,
                               double *lon_deg, double *lat_deg, akin_error *err)
{
    if (!source->place)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "'%s' has no georeference: give one with --bbox and --crs",
                              source->name);
    place_lonlat(source->place, n, x, y, lon_deg, lat_deg);
    return AKIN_OK;
}
