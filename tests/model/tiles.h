/*
 * Made-up tiles for the model's tests: stripes, spots and noise of several sizes, each from its
 * number alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_TILES_H
#define AKIN_TESTS_TILES_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "akin/model.h"

struct tiles {
    size_t count, tile_bytes, mask_bytes;
    uint8_t *bytes, *masks;
    const uint8_t **inputs, **filled; /* filled: every third tile has a filled stripe, else NULL */
};

static inline void tiles_draw(uint8_t *tile, size_t number, uint32_t px, uint32_t bands)
{
    double turn = 3.14 * akin_random_unit(7, 1, number);
    double size = 2 + 20 * akin_random_unit(7, 2, number);
    double noise = 60 * akin_random_unit(7, 3, number);
    for (size_t i = 0; i < (size_t)px * px; i++) {
        double x = (double)(i % px), y = (double)(i / px);
        double wave = sin((x * cos(turn) + y * sin(turn)) / size);
        for (uint32_t b = 0; b < bands; b++) {
            double middle = 60 + 120 * akin_random_unit(7, 10 + b, number);
            double value = middle + 40 * wave + noise * (akin_random_unit(number, b, i) - 0.5);
            tile[i * bands + b] = (uint8_t)fmin(255, fmax(0, value));
        }
    }
}

static inline struct tiles tiles_make(size_t count, uint32_t px, uint32_t bands)
{
    struct tiles tiles = {
        .count = count, .tile_bytes = (size_t)px * px * bands, .mask_bytes = (size_t)px * px};
    tiles.bytes = malloc(count * tiles.tile_bytes);
    tiles.masks = malloc(count * tiles.mask_bytes);
    tiles.inputs = malloc(count * sizeof *tiles.inputs);
    tiles.filled = malloc(count * sizeof *tiles.filled);
    for (size_t i = 0; i < count; i++) {
        uint8_t *mask = tiles.masks + i * tiles.mask_bytes;
        tiles_draw(tiles.bytes + i * tiles.tile_bytes, i, px, bands);
        memset(mask, 255, tiles.mask_bytes);
        memset(mask + (i % px) * px / 2, 0, (size_t)px * px / 4);
        tiles.inputs[i] = tiles.bytes + i * tiles.tile_bytes;
        tiles.filled[i] = i % 3 == 1 ? mask : NULL;
    }
    return tiles;
}

static inline void tiles_free(struct tiles *tiles)
{
    free(tiles->bytes);
    free(tiles->masks);
    free(tiles->inputs);
    free(tiles->filled);
}

/* Small enough that a fit of a thousand views takes no time. */
static inline struct akin_instant_options tiles_options(uint32_t px, uint32_t bands)
{
    struct akin_instant_options options;
    akin_instant_options_default(&options, px, bands);
    options.filters = 32;
    options.rcf_dim = 20;
    options.histogram_dim = 24;
    return options;
}

/* 1 where all is finite, -1 where not; else the squared length is written. */
static inline bool tiles_is_unit(const float *vector, size_t n)
{
    double length = 0;
    for (size_t i = 0; i < n; i++)
        length += (double)vector[i] * vector[i];
    return fabs(length - 1) < 1e-4; /* false for NaN */
}

#endif
