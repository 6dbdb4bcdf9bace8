/*
 * Fuzzes what an upload goes through: an image's bytes are opened as an untrusted one is, and read,
 * whole and by a window. Much of what runs is GDAL's and the decoders' own code: that is the point,
 * it runs in the same process.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "akin/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_size(const struct akin_raster *raster, uint32_t width, uint32_t height)
{
    if (raster->width > width || raster->height > height || !raster->width || !raster->height)
        abort();
}

static void read_all(akin_source *source)
{
    const struct akin_source_info *info = akin_source_info(source);
    struct akin_window window = {info->width / 2, info->height / 2, 1, 1};
    struct akin_raster raster = {0};
    uint32_t bands[AKIN_BANDS_MAX], count = info->bands == 1 ? 1 : 3;
    double low[AKIN_BANDS_MAX], high[AKIN_BANDS_MAX];
    if (!info->width || !info->height || !info->bands || info->bands > AKIN_BANDS_MAX)
        abort();
    if (akin_source_map_bands(source, count, bands, NULL) != AKIN_OK)
        return;
    if (akin_source_read(source, window, bands, count, &raster, NULL) == AKIN_OK)
        check_size(&raster, 1, 1);
    akin_raster_fini(&raster);
    raster = (struct akin_raster){0};
    if (akin_source_read_reduced(source, 64, bands, count, &raster, NULL) == AKIN_OK)
        check_size(&raster, 64, 64);
    akin_raster_fini(&raster);
    akin_source_percentiles(source, bands, count, low, high, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct akin_source_options options;
    akin_source *source = NULL;
    akin_error err = {0};
    akin_source_setup((uint64_t)32 << 20);
    akin_source_options_default(&options);
    options.uploads = true;
    options.pixels_max = (uint64_t)1 << 20;
    if (akin_source_open_memory(&source, data, size, "input", &options, &err) == AKIN_OK)
        read_all(source);
    else if (source || !err.text[0])
        abort();
    akin_source_close(source);
    return 0;
}
