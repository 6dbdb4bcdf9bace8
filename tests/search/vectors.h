/*
 * Collections for the tests of search whose tiles, places, times and vectors are given, not found
 * in pictures: a catalogue with scenes, an encoder fitted on a few made-up tiles (its only use is
 * its number of dimensions), and an index.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_SEARCH_VECTORS_H
#define AKIN_TESTS_SEARCH_VECTORS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "akin/search.h"
#include "akin/tile.h"

#define VECTORS_PX 16
#define VECTORS_TILES 12

struct vectors {
    char dir[AKIN_PATH_MAX];
    akin_catalog *catalog;
    akin_index *index;
    uint32_t dim;
};

static inline akin_status vectors_fit(struct vectors *to, akin_error *err)
{
    static uint8_t tiles[VECTORS_TILES][VECTORS_PX * VECTORS_PX];
    const uint8_t *inputs[VECTORS_TILES];
    for (int t = 0; t < VECTORS_TILES; t++) {
        inputs[t] = tiles[t];
        for (int i = 0; i < VECTORS_PX * VECTORS_PX; i++)
            tiles[t][i] = (uint8_t)(akin_random_u64(3, (uint64_t)t, (uint64_t)i) >> (t % 4)) & 255;
    }
    struct akin_instant_options options;
    akin_instant_options_default(&options, VECTORS_PX, 1);
    options.filters = 16;
    options.rcf_dim = options.histogram_dim = 16;
    akin_model *model = NULL;
    char path[AKIN_PATH_MAX], folder[AKIN_PATH_MAX];
    akin_status status = akin_instant_fit(&model, "instant", &options, VECTORS_TILES, inputs, NULL,
                                          NULL, NULL, NULL, err);
    if (status == AKIN_OK)
        status = akin_model_save(model, to->dir, err);
    if (status == AKIN_OK)
        status = akin_path_join(folder, to->dir, "index", err);
    if (status == AKIN_OK)
        status = akin_path_join(path, folder, "instant", err);
    if (status == AKIN_OK) {
        struct akin_index_options index;
        akin_index_options_default(&index);
        to->dim = index.dim = akin_model_info(model)->dim;
        index.model = akin_model_info(model)->fingerprint;
        status = akin_index_open(&to->index, path, AKIN_OPEN_WRITE, &index, err);
    }
    akin_model_free(model);
    return status;
}

/* Begins a collection in the folder `parent`, without chips. */
static inline akin_status vectors_begin(struct vectors *to, const char *parent, akin_error *err)
{
    *to = (struct vectors){0};
    struct akin_settings settings;
    akin_settings_default(&settings);
    settings.input_px = VECTORS_PX;
    settings.bands = 1;
    settings.chips = false;
    akin_status status = akin_path_join(to->dir, parent, "collection", err);
    if (status == AKIN_OK)
        status = akin_catalog_create(to->dir, &settings, err);
    if (status == AKIN_OK)
        status = akin_catalog_open(&to->catalog, to->dir, AKIN_OPEN_WRITE, err);
    return status == AKIN_OK ? vectors_fit(to, err) : status;
}

/* Adds a scene and returns its id, 0 where that failed. */
static inline uint32_t vectors_scene(struct vectors *to, const char *uri, const char *label)
{
    struct akin_scene scene;
    akin_scene_init(&scene);
    scene.uri = (char *)(uintptr_t)uri;
    scene.label = (char *)(uintptr_t)label;
    scene.state = AKIN_SCENE_EMBEDDED;
    return akin_catalog_scene_add(to->catalog, &scene, NULL) == AKIN_OK ? scene.id : 0;
}

/* Columns of a tile that is its box; an unknown box or interval for none. */
static inline struct akin_columns vectors_columns(uint64_t key, struct akin_bbox box,
                                                  struct akin_interval time)
{
    struct akin_columns columns = {
        .key = key, .begin_ms = time.begin_ms, .end_ms = time.end_ms, .hilbert = UINT32_MAX};
    for (int i = 0; i < 8; i++)
        columns.corner_e7[i] = AKIN_E7_UNKNOWN;
    for (int i = 0; i < 4; i++)
        columns.bbox_e7[i] = AKIN_E7_UNKNOWN;
    if (!akin_bbox_known(box))
        return columns;
    const double corners[8] = {box.west, box.north, box.east, box.north,
                               box.east, box.south, box.west, box.south};
    const double sides[4] = {box.west, box.south, box.east, box.north};
    double lon, lat;
    for (int i = 0; i < 8; i++)
        columns.corner_e7[i] = (int32_t)lround(corners[i] * 1e7);
    for (int i = 0; i < 4; i++)
        columns.bbox_e7[i] = (int32_t)lround(sides[i] * 1e7);
    akin_bbox_center(box, &lon, &lat);
    columns.hilbert = akin_hilbert_key(lon, lat);
    return columns;
}

/* Adds one row; the first `n` numbers of the vector are given, the others are 0. It is made unit
 * length. */
static inline akin_status vectors_add(struct vectors *to, struct akin_columns columns,
                                      const float *first, size_t n, akin_error *err)
{
    float *vector = calloc(to->dim, sizeof *vector);
    memcpy(vector, first, n * sizeof *vector);
    akin_normalize(vector, to->dim);
    akin_status status = akin_index_add(to->index, &columns, vector, 1, err);
    free(vector);
    return status;
}

/* Closes what writes; the collection can then be searched. */
static inline void vectors_end(struct vectors *to)
{
    akin_index_close(to->index);
    akin_catalog_close(to->catalog);
    to->index = NULL;
    to->catalog = NULL;
}

#endif
