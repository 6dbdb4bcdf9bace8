/*
 * Rasters made for the tests, by GDAL and TurboJPEG themselves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_MAKE_RASTER_H
#define AKIN_TESTS_MAKE_RASTER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cpl_string.h>
#include <gdal.h>
#include <ogr_srs_api.h>
#include <turbojpeg.h>

#include "../check.h"
#include "akin/source.h"

/* One pixel in a picture with structure: no two windows alike. */
static inline double pattern(int x, int y, int band)
{
    return (x * 7 + y * 13 + band * 31 + (x * y) % 11) % 256;
}

static inline GDALDatasetH make_memory(int width, int height, int bands, GDALDataType type)
{
    GDALAllRegister();
    GDALDatasetH dataset =
        GDALCreate(GDALGetDriverByName("MEM"), "", width, height, bands, type, NULL);
    for (int b = 0; b < bands; b++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                double value = pattern(x, y, b);
                CHECK(GDALRasterIO(GDALGetRasterBand(dataset, b + 1), GF_Write, x, y, 1, 1, &value,
                                   1, 1, GDT_Float64, 0, 0) == CE_None);
            }
    return dataset;
}

/* Copies `dataset` to a file and closes it. `option` is one creation option or NULL. False where
 * the driver is not here. */
static inline bool save_as(GDALDatasetH dataset, const char *driver, const char *path,
                           const char *option)
{
    const char *const options[] = {option, NULL};
    GDALDriverH by = GDALGetDriverByName(driver);
    GDALDatasetH copy =
        by ? GDALCreateCopy(by, path, dataset, FALSE, (char **)(uintptr_t)options, NULL, NULL)
           : NULL;
    if (copy)
        GDALClose(copy);
    GDALClose(dataset);
    return copy != NULL;
}

static inline const char *in_folder(char out[AKIN_PATH_MAX], const char *folder, const char *name)
{
    CHECK(akin_path_join(out, folder, name, NULL) == AKIN_OK);
    return out;
}

/* Opens and reads all of an image, all bands. */
static inline akin_status read_whole(const char *path, const struct akin_source_options *options,
                                     struct akin_source_info *info, struct akin_raster *out,
                                     akin_error *err)
{
    akin_source *source;
    uint32_t bands[AKIN_BANDS_MAX];
    *out = (struct akin_raster){0};
    *info = (struct akin_source_info){0};
    akin_status status = akin_source_open(&source, path, options, err);
    if (status != AKIN_OK)
        return status;
    *info = *akin_source_info(source);
    for (uint32_t b = 0; b < info->bands; b++)
        bands[b] = b;
    const struct akin_window all = {0, 0, info->width, info->height};
    status = akin_source_read(source, all, bands, info->bands, out, err);
    akin_source_close(source);
    return status;
}

#endif
