/*
 * Made-up pictures, and collections of them through the whole pipeline, for the tests of search.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_SEARCH_DRAWN_H
#define AKIN_TESTS_SEARCH_DRAWN_H

#include <math.h>
#include <stdio.h>

#include "../check.h"
#include "akin/ingest.h"

/* Waves whose length, direction and colour depend on the number; noise on top. */
static inline akin_status draw(const char *path, uint64_t number, uint32_t width, uint32_t height,
                               akin_error *err)
{
    struct akin_raster raster = {0};
    struct akin_buffer png;
    akin_buffer_init(&png, 1 << 24);
    akin_status status = akin_raster_init(&raster, width, height, 3, AKIN_U8, false, err);
    uint8_t *to = raster.pixels;
    const double turn = 3.14 * akin_random_unit(number, 1, 0);
    const double length = 1.5 + 9 * akin_random_unit(number, 1, 1);
    for (uint32_t y = 0; status == AKIN_OK && y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t band = 0; band < 3; band++) {
                double wave = sin((x * cos(turn) + y * sin(turn)) / length);
                double middle = 60 + 130 * akin_random_unit(number, 2, band);
                double noise = 30 * akin_random_unit(number, 3 + band, (uint64_t)y * width + x);
                *to++ = (uint8_t)(middle + 30 * wave + noise - 15);
            }
    if (status == AKIN_OK)
        status = akin_png_encode(&raster, &png, err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, png.data, png.size, err);
    akin_raster_fini(&raster);
    akin_buffer_fini(&png);
    return status;
}

static char base[1024]; /* this case's folder */

static inline void path_of(char out[AKIN_PATH_MAX], const char *name)
{
    snprintf(out, AKIN_PATH_MAX, "%s/%s", base, name);
}

#define PICTURES 24

/* Pictures of 90 x 60 without a place: a tile each. */
static inline akin_status add_pictures(char dir[AKIN_PATH_MAX], bool chips, akin_error *err)
{
    char folder[AKIN_PATH_MAX], path[AKIN_PATH_MAX], name[64];
    snprintf(base, sizeof base, "%s", check_folder());
    path_of(dir, "collection");
    path_of(folder, "pictures");
    akin_status status = akin_dir_create(folder, err);
    for (uint64_t i = 0; status == AKIN_OK && i < PICTURES; i++) {
        snprintf(name, sizeof name, "pictures/%02d.png", (int)i);
        path_of(path, name);
        status = draw(path, 100 + i, 90, 60, err);
    }
    struct akin_settings settings;
    akin_settings_default(&settings);
    settings.chips = chips;
    settings.input_px = 32;
    if (status == AKIN_OK)
        status = akin_catalog_create(dir, &settings, err);
    const char *sources[] = {folder};
    struct akin_add_report report;
    struct akin_add_options options;
    akin_add_options_default(&options);
    if (status == AKIN_OK)
        status = akin_add(dir, sources, 1, &options, &report, err);
    if (status == AKIN_OK && report.tiles_added != PICTURES)
        status = akin_error_set(err, AKIN_ERR_CORRUPT, "%d tiles", (int)report.tiles_added);
    return status;
}

#endif
