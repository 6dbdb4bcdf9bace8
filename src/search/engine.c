/*
 * The engine: everything that an answer needs, opened once. A collection in which nothing is
 * searchable yet is an error here, with the command that changes it, so that no later step has to
 * think of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "engine.h"

#include <stdio.h>
#include <time.h>

#include "akin/ingest.h"

static akin_status empty_error(const char *dir, akin_error *err)
{
    return akin_error_set(err, AKIN_ERR_NOT_FOUND,
                          "'%s' has no tiles to search yet: take imagery in with "
                          "'akin add %s SOURCE...'",
                          dir, dir);
}

/* out[AKIN_NAME_MAX]: the one asked for, else the collection's default. */
static akin_status model_name(char *out, akin_catalog *catalog, const char *wanted, akin_error *err)
{
    char *text = NULL;
    const char *name = wanted;
    if (!name) {
        akin_status status = akin_catalog_value_get(catalog, AKIN_VALUE_MODEL, &text, err);
        if (status != AKIN_OK && status != AKIN_ERR_NOT_FOUND)
            return status;
        name = text ? text : AKIN_INSTANT_NAME;
    }
    akin_status status = akin_model_check_name(name, err);
    if (status == AKIN_OK)
        snprintf(out, AKIN_NAME_MAX, "%s", name);
    akin_free(text);
    return status;
}

static akin_status open_model(akin_engine *engine, const char *dir, const char *wanted,
                              akin_error *err)
{
    char name[AKIN_NAME_MAX];
    akin_status status = model_name(name, engine->catalog, wanted, err);
    if (status != AKIN_OK)
        return status;
    if (!wanted && !akin_model_exists(dir, name))
        return empty_error(dir, err);
    status = akin_model_open(&engine->model, dir, name, err);
    if (status != AKIN_OK)
        return status;
    const struct akin_model_info *info = akin_model_info(engine->model);
    const struct akin_settings *settings = akin_catalog_settings(engine->catalog);
    if (info->bands != settings->bands)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "encoder '%s' of '%s' takes %u bands, the collection has %u: it "
                              "belongs to another collection",
                              name, dir, info->bands, settings->bands);
    engine->dim = info->dim;
    return AKIN_OK;
}

/* An add embeds with the default encoder only: another one's index may be behind. */
static akin_status warn_if_behind(akin_engine *engine, const char *dir, uint64_t rows,
                                  akin_error *err)
{
    struct akin_catalog_counts counts;
    const char *name = akin_model_info(engine->model)->name;
    akin_status status = akin_catalog_count(engine->catalog, &counts, err);
    if (status == AKIN_OK && rows < counts.tiles_kept)
        akin_log(engine->talk, AKIN_LEVEL_WARN, "search",
                 "'%s' has embedded %llu of %llu tiles: 'akin embed %s --model %s --keep-default' "
                 "does the others",
                 name, (unsigned long long)rows, (unsigned long long)counts.tiles_kept, dir, name);
    return status;
}

static akin_status open_index(akin_engine *engine, const char *dir, const char *wanted,
                              akin_error *err)
{
    const struct akin_model_info *info = akin_model_info(engine->model);
    char folder[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    akin_status status = akin_path_join(folder, dir, "index", err);
    if (status == AKIN_OK)
        status = akin_path_join(path, folder, info->name, err);
    if (status != AKIN_OK)
        return status;
    struct akin_index_options options;
    akin_index_options_default(&options);
    options.dim = info->dim;
    options.model = info->fingerprint;
    /* A pool of one would only make searches of several clones take turns. */
    options.pool = engine->threads > 1 ? engine->pool : NULL;
    options.talk = engine->talk;
    status = akin_index_open(&engine->index, path, AKIN_OPEN_READ, &options, err);
    if (status == AKIN_ERR_NOT_FOUND && wanted)
        return akin_error_set(err, status,
                              "nothing in '%s' is embedded with '%s' yet: "
                              "'akin embed %s --model %s'",
                              dir, info->name, dir, info->name);
    if (status == AKIN_ERR_NOT_FOUND)
        return empty_error(dir, err);
    if (status != AKIN_OK)
        return status;
    struct akin_index_stats stats;
    akin_index_stats(engine->index, &stats);
    engine->metric = stats.metric;
    if (!stats.rows)
        return empty_error(dir, err);
    return wanted ? warn_if_behind(engine, dir, stats.rows, err) : AKIN_OK;
}

akin_status akin_engine_open(akin_engine **out, const char *dir,
                             const struct akin_engine_options *options, akin_error *err)
{
    if (!out || !dir)
        return akin_error_set(err, AKIN_ERR_INVALID, "no collection given");
    const struct akin_engine_options defaults = {0};
    if (!options)
        options = &defaults;
    akin_engine *engine = akin_alloc_zero(1, sizeof *engine);
    if (!engine)
        return akin_error_memory(err, sizeof *engine, "the search engine");
    engine->talk = options->talk;
    akin_status status = akin_catalog_open(&engine->catalog, dir, AKIN_OPEN_READ, err);
    if (status == AKIN_OK)
        status = akin_pool_create(&engine->pool, options->threads, err);
    if (status != AKIN_OK)
        goto out;
    engine->threads = akin_pool_threads(engine->pool);
    status = open_model(engine, dir, options->model, err);
    if (status == AKIN_OK)
        status = akin_encoder_pool_create(&engine->encoders, engine->model, engine->pool, err);
    if (status == AKIN_OK)
        status = open_index(engine, dir, options->model, err);
out:
    if (status == AKIN_OK)
        *out = engine;
    else
        akin_engine_close(engine);
    return status;
}

akin_status akin_engine_clone(akin_engine **out, const akin_engine *base, akin_error *err)
{
    if (!out || !base)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine given");
    akin_engine *engine = akin_alloc_zero(1, sizeof *engine);
    if (!engine)
        return akin_error_memory(err, sizeof *engine, "a search engine");
    engine->base = base;
    engine->talk = base->talk;
    engine->threads = 1;
    engine->dim = base->dim;
    engine->metric = base->metric;
    engine->model = base->model;
    engine->index = base->index;
    akin_status status =
        akin_catalog_open(&engine->catalog, akin_catalog_dir(base->catalog), AKIN_OPEN_READ, err);
    if (status == AKIN_OK)
        status = akin_encoder_pool_create(&engine->encoders, engine->model, NULL, err);
    if (status == AKIN_OK)
        *out = engine;
    else
        akin_engine_close(engine);
    return status;
}

akin_status akin_engine_refresh(akin_engine *engine, bool *changed, akin_error *err)
{
    if (!engine || engine->base)
        return akin_error_set(err, AKIN_ERR_INVALID, "only an opened engine can be refreshed");
    return akin_index_refresh(engine->index, changed, err);
}

void akin_engine_close(akin_engine *engine)
{
    if (!engine)
        return;
    scene_cache_fini(&engine->scenes);
    akin_chips_close(engine->chips);
    akin_encoder_pool_free(engine->encoders);
    akin_encoder_free(engine->cells);
    if (!engine->base) {
        akin_index_close(engine->index);
        akin_model_free(engine->model);
    }
    akin_pool_free(engine->pool);
    akin_catalog_close(engine->catalog);
    akin_free(engine);
}

const akin_index *akin_engine_index(const akin_engine *engine)
{
    return engine ? engine->index : NULL;
}

const struct akin_model_info *akin_engine_model(const akin_engine *engine)
{
    return engine ? akin_model_info(engine->model) : NULL;
}

akin_status akin_engine_scene(akin_engine *engine, uint32_t id, const struct akin_scene **out,
                              akin_error *err)
{
    if (!engine || !out)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine given");
    return scene_cache_get(&engine->scenes, engine->catalog, id, out, err);
}

double engine_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

akin_status engine_scaling(akin_engine *engine, enum akin_dtype dtype, struct akin_scaling *out,
                           akin_error *err)
{
    const uint32_t bands = akin_catalog_settings(engine->catalog)->bands;
    char name[AKIN_NAME_MAX];
    snprintf(name, sizeof name, AKIN_VALUE_SCALING_PREFIX "%s", akin_dtype_name(dtype));
    char *text = NULL;
    akin_status status = akin_catalog_value_get(engine->catalog, name, &text, err);
    if (status == AKIN_ERR_NOT_FOUND && dtype == AKIN_U8) {
        akin_scaling_identity(out, bands);
        return AKIN_OK;
    }
    if (status != AKIN_OK)
        return status;
    status = akin_scaling_parse(out, text, err);
    if (status == AKIN_OK && out->bands != bands)
        status = akin_error_set(err, AKIN_ERR_CORRUPT,
                                "'%s' in the catalogue has %u bands, the collection %u", name,
                                out->bands, bands);
    akin_free(text);
    return status;
}

akin_status engine_chip(akin_engine *engine, uint64_t key, const void **chip, size_t *bytes,
                        akin_error *err)
{
    if (!akin_catalog_settings(engine->catalog)->chips)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "this collection keeps no pictures of its tiles (--no-chips)");
    akin_status status = AKIN_OK;
    if (!engine->chips)
        status = akin_chips_open(&engine->chips, engine->catalog, err);
    return status == AKIN_OK ? akin_chips_find(engine->chips, key, chip, bytes, err) : status;
}

akin_status akin_engine_chip(akin_engine *engine, uint64_t key, const void **chip, size_t *bytes,
                             akin_error *err)
{
    if (!engine || !chip || !bytes)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine given");
    return engine_chip(engine, key, chip, bytes, err);
}

akin_status engine_decode(akin_engine *engine, uint64_t key, const void *chip, size_t bytes,
                          struct akin_raster *raster, struct akin_scaling *scaling, akin_error *err)
{
    const uint32_t bands = akin_catalog_settings(engine->catalog)->bands;
    akin_status status = akin_chip_decode(chip, bytes, raster, err);
    if (status != AKIN_OK)
        return status;
    status = engine_scaling(engine, raster->dtype, scaling, err);
    if (status == AKIN_OK && raster->bands != bands)
        status = akin_error_set(err, AKIN_ERR_CORRUPT,
                                "the chip of tile %016llx has %u bands, the collection %u",
                                (unsigned long long)key, raster->bands, bands);
    if (status != AKIN_OK)
        akin_raster_fini(raster);
    return status;
}

akin_status engine_tile(akin_engine *engine, uint64_t key, struct akin_raster *raster,
                        struct akin_scaling *scaling, akin_error *err)
{
    const void *chip;
    size_t bytes;
    akin_status status = engine_chip(engine, key, &chip, &bytes, err);
    return status == AKIN_OK ? engine_decode(engine, key, chip, bytes, raster, scaling, err)
                             : status;
}

akin_status engine_input(akin_engine *engine, uint64_t key, uint8_t **out, uint8_t **filled,
                         akin_error *err)
{
    const struct akin_model_info *info = akin_model_info(engine->model);
    const size_t cells = (size_t)info->input_px * info->input_px;
    struct akin_raster raster = {0};
    struct akin_scaling scaling;
    akin_status status = engine_tile(engine, key, &raster, &scaling, err);
    if (status != AKIN_OK)
        return status;
    uint8_t *input = akin_alloc(cells, info->bands + 1);
    if (input)
        status = akin_tile_input(&raster, &scaling, info->input_px, input,
                                 input + cells * info->bands, err);
    else
        status = akin_error_memory(err, cells * (info->bands + 1), "a tile's input");
    akin_raster_fini(&raster);
    if (status != AKIN_OK) {
        akin_free(input);
        return status;
    }
    *out = input;
    *filled = input + cells * info->bands;
    return AKIN_OK;
}

akin_status engine_encode(akin_engine *engine, const struct akin_tile *tiles, size_t n,
                          float *vectors, akin_error *err)
{
    const uint8_t *inputs[AKIN_QUERY_WINDOWS_MAX], *filled[AKIN_QUERY_WINDOWS_MAX];
    for (size_t i = 0; i < n; i++) {
        inputs[i] = tiles[i].input;
        filled[i] = tiles[i].filled;
    }
    return akin_encoder_pool_run(engine->encoders, n, inputs, filled, vectors, err);
}
