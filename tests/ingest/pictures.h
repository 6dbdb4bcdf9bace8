/*
 * Collections of made-up pictures for the tests of ingest, in a fresh folder a case.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_INGEST_PICTURES_H
#define AKIN_TESTS_INGEST_PICTURES_H

#include <math.h>
#include <stdio.h>

#include "../check.h"
#include "akin/ingest.h"

#define SIDE 160 /* of a picture: 81 tiles of 32 px */

static char base[AKIN_PATH_MAX - 256];

static inline const char *at(char out[AKIN_PATH_MAX], const char *name)
{
    snprintf(out, AKIN_PATH_MAX, "%s/%.200s", base, name);
    return out;
}

static inline uint8_t texel(uint32_t seed, uint32_t x, uint32_t y, uint32_t band)
{
    double wave = 3 + seed % 11, turn = seed * 0.7;
    double v = sin((x * cos(turn) + y * sin(turn)) / wave) + 0.4 * sin((x + band * y) / 5.0) +
               akin_random_unit(seed, 1, ((uint64_t)y << 32 | x) * 4 + band);
    return (uint8_t)(v < -1.5 ? 20 : v > 2.5 ? 240 : 20 + (v + 1.5) * 55);
}

static inline void write_picture(const char *name, uint32_t seed, uint32_t side)
{
    char path[AKIN_PATH_MAX];
    struct akin_raster raster = {0};
    struct akin_buffer bytes;
    akin_buffer_init(&bytes, 1 << 26);
    REQUIRE_OK(akin_raster_init(&raster, side, side, 3, AKIN_U8, false, err));
    for (uint32_t y = 0; y < side; y++)
        for (uint32_t x = 0; x < side; x++)
            for (uint32_t b = 0; b < 3; b++)
                ((uint8_t *)raster.pixels)[(y * side + x) * 3 + b] = texel(seed, x, y, b);
    REQUIRE_OK(akin_png_encode(&raster, &bytes, err));
    REQUIRE_OK(akin_file_write_atomic(at(path, name), bytes.data, bytes.size, err));
    akin_raster_fini(&raster);
    akin_buffer_fini(&bytes);
}

/* Folder "in" with `count` pictures a0.png, a1.png, ... */
static inline void write_pictures(unsigned count)
{
    char path[AKIN_PATH_MAX], name[64];
    snprintf(base, sizeof base, "%s", check_folder());
    REQUIRE_OK(akin_dir_create(at(path, "in"), err));
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "in/a%u.png", i);
        write_picture(name, i + 1, SIDE);
    }
}

/* The encoder sees 32 px: a quarter of the work of the default, which is most of it under ASan. */
static inline void make_collection(const char *name, uint32_t tile_px)
{
    char path[AKIN_PATH_MAX];
    struct akin_settings settings;
    akin_settings_default(&settings);
    settings.tile_px = tile_px;
    settings.input_px = 32;
    settings.tile_always = tile_px != 256;
    REQUIRE_OK(akin_catalog_create(at(path, name), &settings, err));
}

static inline akin_status add(const char *name, struct akin_add_options *options,
                              struct akin_add_report *report, akin_error *err)
{
    char dir[AKIN_PATH_MAX], in[AKIN_PATH_MAX];
    const char *sources[] = {at(in, "in")};
    return akin_add(at(dir, name), sources, 1, options, report, err);
}

#endif
