/*
 * An image in memory: allocation with every size checked, and the rule that a mask which says
 * nothing is not there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "source_private.h"

#define RASTER_BYTES_MAX ((size_t)1 << 31)

akin_status akin_raster_init(struct akin_raster *raster, uint32_t width, uint32_t height,
                             uint32_t bands, enum akin_dtype dtype, bool with_mask, akin_error *err)
{
    *raster = (struct akin_raster){0};
    size_t count, bytes;
    if (!akin_size_mul(&count, width, height) || !akin_size_mul(&bytes, count, bands) ||
        !akin_size_mul(&bytes, bytes, akin_dtype_size(dtype)) || bytes > RASTER_BYTES_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT,
                              "an image of %u x %u pixels and %u bands of type %s does not fit the "
                              "limit of 2 GiB in memory",
                              width, height, bands, akin_dtype_name(dtype));
    void *pixels = akin_alloc(bytes, 1);
    uint8_t *valid = with_mask ? akin_alloc(count, 1) : NULL;
    if (!pixels || (with_mask && !valid)) {
        akin_free(pixels);
        akin_free(valid);
        return akin_error_memory(err, bytes, "pixels");
    }
    if (valid)
        memset(valid, 255, count);
    *raster = (struct akin_raster){width, height, bands, dtype, pixels, valid};
    return AKIN_OK;
}

void akin_raster_fini(struct akin_raster *raster)
{
    if (!raster)
        return;
    akin_free(raster->pixels);
    akin_free(raster->valid);
    *raster = (struct akin_raster){0};
}

void raster_drop_full_mask(struct akin_raster *raster)
{
    const size_t count = (size_t)raster->width * raster->height;
    if (!raster->valid || memchr(raster->valid, 0, count))
        return;
    akin_free(raster->valid);
    raster->valid = NULL;
}
