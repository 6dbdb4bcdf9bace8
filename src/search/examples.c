/*
 * From an example to vectors. An image goes the way of an indexed one (akin_tile_query, the same
 * encoder), so that an image of the collection finds itself with score 1; a tile's vector is read
 * from the index; a point is the tile there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "examples.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "examples_point.h"
#include "thumbnail.h"
#include "turns.h"

static void example_fini(struct example *item)
{
    akin_free(item->name);
    akin_free(item->vectors);
    akin_buffer_fini(&item->picture);
}

static akin_status set_name(struct example *item, const char *name, akin_error *err)
{
    item->name = akin_strdup(name);
    return item->name ? AKIN_OK : akin_error_memory(err, strlen(name) + 1, "an example's name");
}

static akin_status alloc_vectors(struct example *item, size_t windows, uint32_t dim,
                                 akin_error *err)
{
    item->vectors = akin_alloc_zero(windows, dim * sizeof(float));
    item->windows = windows;
    return item->vectors ? AKIN_OK
                         : akin_error_memory(err, windows * dim * sizeof(float), "an example");
}

/* ---- images ---- */

/* The collection's scaling for the image's sample type; of a type that the collection has never
 * seen, the image's own percentiles. */
static akin_status image_scaling(akin_engine *engine, akin_source *source, const char *name,
                                 struct akin_scaling *out, akin_error *err)
{
    const enum akin_dtype dtype = akin_source_info(source)->dtype;
    akin_status status = engine_scaling(engine, dtype, out, err);
    if (status != AKIN_ERR_NOT_FOUND)
        return status;
    const uint32_t bands = akin_catalog_settings(engine->catalog)->bands;
    uint32_t map[AKIN_BANDS_MAX];
    status = akin_source_map_bands(source, bands, map, err);
    if (status != AKIN_OK)
        return status;
    akin_log(engine->talk, AKIN_LEVEL_WARN, "search",
             "'%s' has %s samples and this collection has none: scaled by its own percentiles",
             name, akin_dtype_name(dtype));
    out->bands = bands;
    return akin_source_percentiles(source, map, bands, out->low, out->high, err);
}

/* What the contact sheet shows of the image. An image without one is still a question, so only a
 * warning. */
static void image_picture(akin_engine *engine, akin_source *source,
                          const struct akin_scaling *scaling, struct example *item)
{
    akin_error err = {0};
    uint32_t map[AKIN_BANDS_MAX];
    struct akin_raster raster = {0};
    akin_status status = akin_source_map_bands(source, scaling->bands, map, &err);
    if (status == AKIN_OK)
        status = akin_source_read_reduced(source, EXAMPLE_PICTURE_PX, map, scaling->bands, &raster,
                                          &err);
    if (status == AKIN_OK)
        status = thumbnail_encode(&raster, scaling, EXAMPLE_PICTURE_PX, &item->picture, &err);
    akin_raster_fini(&raster);
    if (status == AKIN_OK)
        return;
    akin_buffer_clear(&item->picture);
    akin_log(engine->talk, AKIN_LEVEL_WARN, "search", "no picture of '%s': %s", item->name,
             err.text);
}

/* Leaves out the windows about which the encoder can say nothing (all zeros). */
static void drop_empty_windows(struct example *item, uint32_t dim)
{
    size_t kept = 0;
    for (size_t w = 0; w < item->windows; w++) {
        float *vector = item->vectors + w * dim;
        if (akin_normalize(vector, dim) > 0)
            memmove(item->vectors + kept++ * dim, vector, dim * sizeof *vector);
    }
    item->windows = kept;
}

static akin_status encode_image(akin_engine *engine, akin_source *source, struct example *item,
                                bool turns, akin_error *err)
{
    struct akin_scaling scaling;
    struct akin_strip strip = {0};
    struct akin_settings settings = *akin_catalog_settings(engine->catalog);
    settings.input_px = akin_model_info(engine->model)->input_px; /* an encoder has its own */
    akin_status status = image_scaling(engine, source, item->name, &scaling, err);
    if (status == AKIN_OK)
        status = akin_tile_query(&strip, source, &settings, &scaling, AKIN_QUERY_WINDOWS_MAX, err);
    if (status != AKIN_OK)
        return akin_error_context(err, status, "example '%s'", item->name);
    if (strip.count) {
        status = alloc_vectors(item, strip.count, engine->dim, err);
        if (status == AKIN_OK)
            status = (turns ? turns_encode : engine_encode)(engine, strip.tiles, strip.count,
                                                            item->vectors, err);
        if (status == AKIN_OK)
            drop_empty_windows(item, engine->dim);
    }
    akin_strip_free(&strip);
    if (status == AKIN_OK && !item->windows)
        status = akin_error_set(err, AKIN_ERR_INVALID,
                                "example '%s': too few of its pixels are there, or all are alike: "
                                "nothing to compare",
                                item->name);
    if (status == AKIN_OK)
        image_picture(engine, source, &scaling, item);
    return status;
}

static akin_status load_image(akin_engine *engine, const struct akin_example *given,
                              struct example *item, bool turns, akin_error *err)
{
    const bool in_memory = given->kind == AKIN_EXAMPLE_BYTES;
    if (!akin_model_encodes(engine->model)) {
        akin_encoder *none;
        return akin_encoder_create(&none, engine->model, err); /* says why there is none */
    }
    if (in_memory ? !given->bytes : !given->path)
        return akin_error_set(err, AKIN_ERR_INVALID, "an image example without %s",
                              in_memory ? "bytes" : "a path");
    akin_status status = set_name(item, given->path ? given->path : "the given image", err);
    if (status != AKIN_OK)
        return status;
    struct akin_source_options options;
    akin_source_options_default(&options);
    options.uploads = in_memory;
    if (in_memory && given->pixels_max)
        options.pixels_max = given->pixels_max;
    akin_source *source = NULL;
    if (in_memory)
        status =
            akin_source_open_memory(&source, given->bytes, given->size, item->name, &options, err);
    else
        status = akin_source_open(&source, given->path, &options, err);
    if (status == AKIN_OK) {
        item->bbox = akin_source_info(source)->bbox;
        item->time = akin_source_info(source)->time;
        status = encode_image(engine, source, item, turns, err);
    }
    akin_source_close(source);
    return status;
}

/* ---- tiles, points, vectors ---- */

static akin_status load_tile(akin_engine *engine, uint64_t key, struct example *item, bool turns,
                             akin_error *err)
{
    struct akin_columns columns;
    akin_status status = alloc_vectors(item, 1, engine->dim, err);
    if (status == AKIN_OK)
        status = akin_index_get(engine->index, key, &columns, item->vectors, err);
    if (status == AKIN_ERR_NOT_FOUND)
        return akin_error_set(err, status,
                              "there is no tile %016" PRIx64 " in this collection's index", key);
    if (status == AKIN_OK && turns)
        status = turns_encode_key(engine, key, item->vectors, err);
    if (status != AKIN_OK)
        return status;
    if (engine->metric == AKIN_METRIC_COSINE && akin_normalize(item->vectors, engine->dim) <= 0)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "tile %016" PRIx64 " has no features (a blank picture): nothing to "
                              "compare",
                              key);
    item->has_key = true;
    item->key = key;
    item->bbox = akin_columns_bbox(&columns);
    item->time = akin_columns_interval(&columns);
    if (item->name)
        return AKIN_OK;
    char text[AKIN_TILE_KEY_TEXT_MAX];
    akin_tile_key_format(text, key);
    return set_name(item, text, err);
}

static akin_status load_point(akin_engine *engine, const struct akin_example *given,
                              struct example *item, bool turns, akin_error *err)
{
    uint64_t key;
    char text[64];
    akin_status status =
        example_point_find(engine, given->lon_deg, given->lat_deg, given->time, &key, err);
    if (status != AKIN_OK)
        return status;
    snprintf(text, sizeof text, "at %.6g,%.6g", given->lon_deg, given->lat_deg);
    status = set_name(item, text, err);
    return status == AKIN_OK ? load_tile(engine, key, item, turns, err) : status;
}

/* Unit length where only the direction counts. */
static bool settle_vector(float *vector, uint32_t dim, enum akin_metric metric)
{
    if (metric == AKIN_METRIC_COSINE)
        return akin_normalize(vector, dim) > 0;
    for (uint32_t i = 0; i < dim; i++)
        if (!isfinite(vector[i]))
            return false;
    return true;
}

static akin_status load_vector(akin_engine *engine, const struct akin_example *given,
                               struct example *item, akin_error *err)
{
    if (!given->vector)
        return akin_error_set(err, AKIN_ERR_INVALID, "a vector example without a vector");
    akin_status status = set_name(item, given->path ? given->path : "vector", err);
    if (status == AKIN_OK)
        status = alloc_vectors(item, 1, engine->dim, err);
    if (status != AKIN_OK)
        return status;
    memcpy(item->vectors, given->vector, engine->dim * sizeof(float));
    if (!settle_vector(item->vectors, engine->dim, engine->metric))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "%s: %u numbers that are all zeros, or not all finite", item->name,
                              engine->dim);
    return AKIN_OK;
}

/* ---- the question ---- */

void akin_question_init(struct akin_question *question)
{
    *question = (struct akin_question){.k = 20, .threshold = -INFINITY};
    akin_filter_init(&question->filter);
}

void akin_question_fini(struct akin_question *question)
{
    if (!question)
        return;
    struct akin_example_set *set = question->examples;
    for (size_t i = 0; set && i < set->count; i++)
        example_fini(&set->items[i]);
    if (set)
        akin_free(set->items);
    akin_free(set);
    question->examples = NULL;
    akin_free(question->scenes);
    question->scenes = NULL;
}

/* The question's set, with room for one more. */
static akin_status make_room(struct akin_question *question, uint32_t dim, akin_error *err)
{
    struct akin_example_set *set = question->examples;
    if (!set) {
        set = akin_alloc_zero(1, sizeof *set);
        if (!set)
            return akin_error_memory(err, sizeof *set, "a question");
        set->dim = dim;
        question->examples = set;
    }
    if (set->dim != dim)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the question was begun with another encoder (%u numbers a vector, "
                              "this one has %u)",
                              set->dim, dim);
    if (set->count == EXAMPLES_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "more than %u examples in one question",
                              EXAMPLES_MAX);
    if (set->count < set->capacity)
        return AKIN_OK;
    const size_t capacity = set->capacity ? 2 * set->capacity : 4;
    struct example *items =
        akin_realloc(set->items, set->capacity * sizeof *items, capacity * sizeof *items);
    if (!items)
        return akin_error_memory(err, capacity * sizeof *items, "examples");
    set->items = items;
    set->capacity = capacity;
    return AKIN_OK;
}

static akin_status load(akin_engine *engine, const struct akin_example *given, struct example *item,
                        bool turns, akin_error *err)
{
    switch (given->kind) {
    case AKIN_EXAMPLE_IMAGE:
    case AKIN_EXAMPLE_BYTES:
        return load_image(engine, given, item, turns, err);
    case AKIN_EXAMPLE_TILE:
        return load_tile(engine, given->key, item, turns, err);
    case AKIN_EXAMPLE_POINT:
        return load_point(engine, given, item, turns, err);
    case AKIN_EXAMPLE_VECTOR:
        return load_vector(engine, given, item, err);
    }
    return akin_error_set(err, AKIN_ERR_INVALID, "no such kind of example: %d", (int)given->kind);
}

akin_status akin_question_add(struct akin_question *question, akin_engine *engine,
                              const struct akin_example *example, akin_error *err)
{
    if (!question || !engine || !example)
        return akin_error_set(err, AKIN_ERR_INVALID, "no question, engine or example given");
    akin_status status = make_room(question, engine->dim, err);
    if (status != AKIN_OK)
        return status;
    const double begin_ms = engine_now_ms();
    struct example item = {.kind = example->kind,
                           .unlike = example->unlike,
                           .bbox = akin_bbox_unknown(),
                           .time = akin_interval_unknown()};
    akin_buffer_init(&item.picture, EXAMPLE_PICTURE_MAX);
    status = load(engine, example, &item, question->turns, err);
    if (status != AKIN_OK) {
        example_fini(&item);
        return status;
    }
    struct akin_example_set *set = question->examples;
    set->items[set->count++] = item;
    set->encode_ms += engine_now_ms() - begin_ms;
    return AKIN_OK;
}
