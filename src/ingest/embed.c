/*
 * Embedding again, from chips: with an encoder that is there, or with the instant one fitted anew
 * on a sample of all that the collection holds by now. The new index is filled beside the old one
 * in batches; what it has already is not done again, so that a stop costs at most a batch. The
 * catalogue's default changes last, in one step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_private.h"

#define BATCH 1024
#define STREAM_REFIT 0x7265666974u
#define VALUE_UNFINISHED "model.unfinished" /* a refit whose index is not complete yet */

struct embed {
    const struct akin_embed_options *options;
    akin_catalog *catalog;
    const struct akin_settings *settings;
    akin_pool *pool;
    akin_chips *chips;
    akin_index *from, *to;
    akin_model *model;
    akin_encoder_pool *encoders;
    uint32_t input_px; /* the encoder's */
    struct akin_scaling scaling[AKIN_DTYPE_COUNT];

    /* a batch */
    struct akin_columns columns[BATCH];
    struct akin_buffer chip_bytes[BATCH];
    uint8_t *inputs[BATCH], *filled[BATCH];
    bool usable[BATCH];
    size_t count;
    float *vectors; /* (BATCH, dim) */

    uint64_t done, total, resumed, failed;
    akin_status status; /* of the callback that walks the old index */
    akin_error *err;
};

/* ---- chips to inputs ---- */

static void log_chip(struct embed *embed, uint64_t key, const akin_error *why)
{
    char text[AKIN_TILE_KEY_TEXT_MAX];
    akin_tile_key_format(text, key);
    akin_log(embed->options->talk, AKIN_LEVEL_WARN, STAGE, "tile %s is left out: %s", text,
             why->text);
    embed->failed++;
}

/* The chips of the batch's tiles, copied: a borrowed chip lasts only until the next is asked
 * for. */
static akin_status fetch_chips(struct embed *embed)
{
    for (size_t i = 0; i < embed->count; i++) {
        const void *chip = NULL;
        size_t bytes = 0;
        akin_error why = {0};
        akin_buffer_clear(&embed->chip_bytes[i]);
        akin_status status =
            akin_chips_find(embed->chips, embed->columns[i].key, &chip, &bytes, &why);
        embed->usable[i] = status == AKIN_OK;
        if (status == AKIN_OK)
            status = akin_buffer_append(&embed->chip_bytes[i], chip, bytes, &why);
        if (status == AKIN_ERR_NO_MEMORY)
            return akin_error_set(embed->err, status, "%s", why.text);
        if (!embed->usable[i])
            log_chip(embed, embed->columns[i].key, &why);
    }
    return AKIN_OK;
}

static void prepare(struct embed *embed, size_t i)
{
    struct akin_raster raster = {0};
    const struct akin_buffer *chip = &embed->chip_bytes[i];
    embed->usable[i] = akin_chip_decode(chip->data, chip->size, &raster, NULL) == AKIN_OK &&
                       raster.bands == embed->settings->bands &&
                       akin_tile_input(&raster, &embed->scaling[raster.dtype], embed->input_px,
                                       embed->inputs[i], embed->filled[i], NULL) == AKIN_OK;
    akin_raster_fini(&raster);
}

static void prepare_loop(void *user, size_t begin, size_t end, unsigned worker)
{
    struct embed *embed = user;
    (void)worker;
    for (size_t i = begin; i < end; i++)
        if (embed->usable[i])
            prepare(embed, i);
}

/* Inputs of the batch, those that cannot be had marked unusable and logged. */
static akin_status prepare_batch(struct embed *embed)
{
    bool had_chip[BATCH];
    akin_status status = fetch_chips(embed);
    if (status != AKIN_OK)
        return status;
    memcpy(had_chip, embed->usable, sizeof had_chip);
    akin_pool_for(embed->pool, embed->count, 4, prepare_loop, embed);
    akin_error why = {.text = "its chip is damaged"};
    for (size_t i = 0; i < embed->count; i++)
        if (had_chip[i] && !embed->usable[i])
            log_chip(embed, embed->columns[i].key, &why);
    return AKIN_OK;
}

/* ---- a fit on the collection as it is ---- */

struct draw {
    uint64_t rank; /* random by key: the smallest ones are the sample */
    struct akin_columns columns;
};

struct drawing {
    struct draw *draws;
    size_t count, max;
    uint64_t seed;
};

static int compare_draws(const void *a, const void *b)
{
    const struct draw *x = a, *y = b;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static bool draw_rows(void *user, const struct akin_columns *columns, const float *vectors,
                      size_t n)
{
    struct drawing *drawing = user;
    (void)vectors;
    for (size_t i = 0; i < n; i++) {
        if (drawing->count == drawing->max) { /* twice as many as wanted: keep the better half */
            qsort(drawing->draws, drawing->count, sizeof *drawing->draws, compare_draws);
            drawing->count = drawing->max / 2;
        }
        drawing->draws[drawing->count++] =
            (struct draw){akin_random_u64(drawing->seed, STREAM_REFIT, columns[i].key), columns[i]};
    }
    return true;
}

/* Reads the sample's inputs into inputs[] and filled[] (entries owned by the caller); *count is how
 * many could be had. */
static akin_status read_sample(struct embed *embed, const struct drawing *drawing, uint8_t **inputs,
                               uint8_t **filled, size_t *count)
{
    size_t cells = (size_t)embed->input_px * embed->input_px;
    *count = 0;
    for (size_t at = 0; at < drawing->count; at += BATCH) {
        embed->count = drawing->count - at < BATCH ? drawing->count - at : BATCH;
        for (size_t i = 0; i < embed->count; i++)
            embed->columns[i] = drawing->draws[at + i].columns;
        akin_status status = prepare_batch(embed);
        if (status != AKIN_OK)
            return status;
        for (size_t i = 0; i < embed->count; i++) {
            if (!embed->usable[i])
                continue;
            size_t bytes = cells * embed->settings->bands;
            uint8_t *block = akin_alloc(1, bytes + cells);
            if (!block)
                return akin_error_memory(embed->err, bytes, "a tile of the sample");
            memcpy(block, embed->inputs[i], bytes);
            memcpy(block + bytes, embed->filled[i], cells);
            filled[*count] = block + bytes;
            inputs[(*count)++] = block;
        }
    }
    embed->failed = 0; /* they are met, and counted, again */
    return AKIN_OK;
}

static akin_status fit_on(struct embed *embed, const struct drawing *drawing, const char *name)
{
    struct akin_instant_options options;
    uint8_t **inputs = akin_alloc(drawing->count, sizeof *inputs);
    uint8_t **filled = akin_alloc(drawing->count, sizeof *filled);
    size_t count = 0;
    akin_status status = AKIN_OK;
    if (!inputs || !filled)
        status = akin_error_memory(embed->err, drawing->count * sizeof *inputs, "the sample");
    if (status == AKIN_OK)
        status = read_sample(embed, drawing, inputs, filled, &count);
    if (status == AKIN_OK && !count)
        status = akin_error_set(embed->err, AKIN_ERR_NOT_FOUND, "no tile to fit an encoder on");
    akin_instant_options_default(&options, embed->settings->input_px, embed->settings->bands);
    options.seed = embed->settings->seed;
    if (status == AKIN_OK)
        status = akin_instant_fit(&embed->model, name, &options, count,
                                  (const uint8_t *const *)inputs, (const uint8_t *const *)filled,
                                  NULL, embed->pool, embed->options->talk, embed->err);
    for (size_t i = 0; i < count; i++)
        akin_free(inputs[i]);
    akin_free(inputs);
    akin_free(filled);
    return status;
}

/* The first name of instant-2, instant-3, ... that no encoder has. */
static void next_name(char out[AKIN_NAME_MAX], const char *dir)
{
    for (unsigned n = 2; n < 1000000; n++) {
        snprintf(out, AKIN_NAME_MAX, AKIN_INSTANT_NAME "-%u", n);
        if (!akin_model_exists(dir, out))
            return;
    }
}

static akin_status refit(struct embed *embed)
{
    char name[AKIN_NAME_MAX];
    struct drawing drawing = {.max = 2 * AKIN_INSTANT_FIT_TILES, .seed = embed->settings->seed};
    drawing.draws = akin_alloc(drawing.max, sizeof *drawing.draws);
    if (!drawing.draws)
        return akin_error_memory(embed->err, drawing.max * sizeof *drawing.draws, "the sample");
    akin_status status = akin_index_each(embed->from, draw_rows, &drawing, embed->err);
    qsort(drawing.draws, drawing.count, sizeof *drawing.draws, compare_draws);
    if (drawing.count > AKIN_INSTANT_FIT_TILES)
        drawing.count = AKIN_INSTANT_FIT_TILES;
    next_name(name, akin_catalog_dir(embed->catalog));
    if (status == AKIN_OK)
        status = fit_on(embed, &drawing, name);
    /* Noted first: an encoder that is saved and not noted would be nobody's, and the next refit
     * another one. */
    if (status == AKIN_OK)
        status = akin_catalog_value_set(embed->catalog, VALUE_UNFINISHED, name, embed->err);
    if (status == AKIN_OK)
        status = akin_model_save(embed->model, akin_catalog_dir(embed->catalog), embed->err);
    akin_free(drawing.draws);
    return status;
}

/* ---- the walk over the old index ---- */

static akin_status embed_batch(struct embed *embed)
{
    const uint8_t *inputs[BATCH], *filled[BATCH];
    size_t kept = 0;
    akin_status status = prepare_batch(embed);
    for (size_t i = 0; i < embed->count && status == AKIN_OK; i++) {
        if (!embed->usable[i])
            continue;
        embed->columns[kept] = embed->columns[i];
        inputs[kept] = embed->inputs[i];
        filled[kept++] = embed->filled[i];
    }
    if (status == AKIN_OK)
        status = akin_encoder_pool_run(embed->encoders, kept, inputs, filled, embed->vectors,
                                       embed->err);
    if (status == AKIN_OK && kept)
        status = akin_index_add(embed->to, embed->columns, embed->vectors, kept, embed->err);
    embed->done += embed->count;
    embed->count = 0;
    struct akin_progress progress = {"tiles", embed->done, embed->total, embed->resumed, NULL};
    if (status == AKIN_OK && !akin_progress(embed->options->talk, &progress))
        status = akin_error_set(embed->err, AKIN_ERR_CANCELLED, "stopped");
    return status;
}

static bool embed_rows(void *user, const struct akin_columns *columns, const float *vectors,
                       size_t n)
{
    struct embed *embed = user;
    (void)vectors;
    for (size_t i = 0; i < n && embed->status == AKIN_OK; i++) {
        if (akin_index_get(embed->to, columns[i].key, NULL, NULL, NULL) == AKIN_OK) {
            embed->done++;
            embed->resumed++;
            continue;
        }
        embed->columns[embed->count++] = columns[i];
        if (embed->count == BATCH)
            embed->status = embed_batch(embed);
    }
    return embed->status == AKIN_OK;
}

static akin_status embed_all(struct embed *embed)
{
    struct akin_index_stats stats;
    akin_index_stats(embed->from, &stats);
    embed->total = stats.rows;
    embed->count = 0;
    akin_status status = akin_index_each(embed->from, embed_rows, embed, embed->err);
    if (status == AKIN_OK)
        status = embed->status;
    if (status == AKIN_OK && embed->count)
        status = embed_batch(embed);
    return status == AKIN_OK ? akin_index_flush(embed->to, embed->err) : status;
}

/* ---- all of it ---- */

static akin_status open_one(akin_index **out, struct embed *embed, const char *name,
                            enum akin_open mode, uint32_t dim, uint32_t model)
{
    char path[AKIN_PATH_MAX];
    struct akin_index_options options;
    akin_index_options_default(&options);
    options.dim = dim;
    options.model = model;
    options.talk = embed->options->talk;
    akin_status status = index_path(path, embed->catalog, name, embed->err);
    return status == AKIN_OK ? akin_index_open(out, path, mode, &options, embed->err) : status;
}

static akin_status open_old(struct embed *embed)
{
    char *name = NULL;
    akin_status status =
        akin_catalog_value_get(embed->catalog, AKIN_VALUE_MODEL, &name, embed->err);
    if (status == AKIN_ERR_NOT_FOUND)
        return akin_error_set(embed->err, status,
                              "the collection has no tiles yet: akin add first");
    if (status == AKIN_OK && embed->options->model && !strcmp(name, embed->options->model))
        status = akin_error_set(embed->err, AKIN_ERR_INVALID,
                                "'%s' is the collection's encoder already", name);
    if (status == AKIN_OK)
        status = open_one(&embed->from, embed, name, AKIN_OPEN_READ, 0, 0);
    akin_free(name);
    return status;
}

/* The encoder to embed with: the one named, or the refit that was not finished; embed->model stays
 * NULL where it has to be a new refit. */
static akin_status open_new(struct embed *embed)
{
    const char *dir = akin_catalog_dir(embed->catalog);
    char *unfinished = NULL;
    akin_status status = AKIN_OK;
    if (embed->options->model)
        return akin_model_open(&embed->model, dir, embed->options->model, embed->err);
    status = akin_catalog_value_get(embed->catalog, VALUE_UNFINISHED, &unfinished, embed->err);
    if (status == AKIN_OK && akin_model_exists(dir, unfinished))
        status = akin_model_open(&embed->model, dir, unfinished, embed->err);
    else if (status == AKIN_ERR_NOT_FOUND)
        status = AKIN_OK;
    akin_free(unfinished);
    return status;
}

static akin_status alloc_batch(struct embed *embed)
{
    size_t cells = (size_t)embed->input_px * embed->input_px;
    for (size_t i = 0; i < BATCH; i++) {
        akin_buffer_init(&embed->chip_bytes[i], (size_t)1 << 31);
        embed->inputs[i] = akin_alloc(cells, embed->settings->bands + 1);
        if (!embed->inputs[i])
            return akin_error_memory(embed->err, cells, "a batch of tiles");
        embed->filled[i] = embed->inputs[i] + cells * embed->settings->bands;
    }
    return AKIN_OK;
}

static akin_status alloc_encoders(struct embed *embed)
{
    embed->vectors = akin_alloc(BATCH, akin_model_info(embed->model)->dim * sizeof(float));
    if (!embed->vectors)
        return akin_error_memory(embed->err, BATCH, "a batch of vectors");
    return akin_encoder_pool_create(&embed->encoders, embed->model, embed->pool, embed->err);
}

static akin_status load_scalings(struct embed *embed)
{
    for (enum akin_dtype dtype = AKIN_U8; dtype < AKIN_DTYPE_COUNT; dtype++) {
        akin_status status = scaling_load(&embed->scaling[dtype], NULL, embed->catalog, dtype,
                                          embed->settings->bands, embed->err);
        if (status != AKIN_OK)
            return status;
    }
    return AKIN_OK;
}

static akin_status embed_collection(struct embed *embed, const char *dir)
{
    akin_status status = akin_catalog_open(&embed->catalog, dir, AKIN_OPEN_WRITE, embed->err);
    if (status != AKIN_OK)
        return status;
    embed->settings = akin_catalog_settings(embed->catalog);
    if (!embed->settings->chips)
        return akin_error_set(embed->err, AKIN_ERR_UNSUPPORTED,
                              "'%s' keeps no chips (akin init --no-chips), so its tiles cannot be "
                              "embedded again",
                              dir);
    if ((status = open_old(embed)) != AKIN_OK || (status = load_scalings(embed)) != AKIN_OK ||
        (status = akin_pool_create(&embed->pool, embed->options->threads, embed->err)) != AKIN_OK ||
        (status = akin_chips_open(&embed->chips, embed->catalog, embed->err)) != AKIN_OK ||
        (status = open_new(embed)) != AKIN_OK)
        return status;
    embed->input_px =
        embed->model ? akin_model_info(embed->model)->input_px : embed->settings->input_px;
    if ((status = alloc_batch(embed)) != AKIN_OK ||
        (!embed->model && (status = refit(embed)) != AKIN_OK) ||
        (status = alloc_encoders(embed)) != AKIN_OK)
        return status;
    const struct akin_model_info *info = akin_model_info(embed->model);
    if (info->bands != embed->settings->bands)
        return akin_error_set(embed->err, AKIN_ERR_INVALID,
                              "encoder '%s' takes %u bands, the collection has %u", info->name,
                              info->bands, embed->settings->bands);
    status = open_one(&embed->to, embed, info->name, AKIN_OPEN_WRITE, info->dim, info->fingerprint);
    if (status == AKIN_OK)
        status = embed_all(embed);
    if (status == AKIN_OK)
        status = akin_catalog_begin(embed->catalog, embed->err);
    if (status != AKIN_OK)
        return status;
    status = akin_catalog_value_set(embed->catalog, AKIN_VALUE_MODEL, info->name, embed->err);
    if (status == AKIN_OK)
        status = akin_catalog_value_set(embed->catalog, VALUE_UNFINISHED, "", embed->err);
    if (status == AKIN_OK)
        return akin_catalog_commit(embed->catalog, embed->err);
    akin_catalog_rollback(embed->catalog);
    return status;
}

static void embed_fini(struct embed *embed)
{
    akin_encoder_pool_free(embed->encoders);
    for (size_t i = 0; i < BATCH; i++) {
        akin_buffer_fini(&embed->chip_bytes[i]);
        akin_free(embed->inputs[i]);
    }
    akin_free(embed->vectors);
    akin_chips_close(embed->chips);
    akin_index_close(embed->to);
    akin_index_close(embed->from);
    akin_model_free(embed->model);
    akin_pool_free(embed->pool);
    akin_catalog_close(embed->catalog);
}

akin_status akin_embed(const char *dir, const struct akin_embed_options *options,
                       char name[AKIN_NAME_MAX], uint64_t *failed, akin_error *err)
{
    static const struct akin_embed_options defaults;
    struct embed *embed = akin_alloc_zero(1, sizeof *embed);
    if (!embed)
        return akin_error_memory(err, sizeof *embed, "a batch of tiles");
    embed->options = options ? options : &defaults;
    embed->err = err;
    akin_status status = embed_collection(embed, dir);
    if (embed->model)
        snprintf(name, AKIN_NAME_MAX, "%s", akin_model_info(embed->model)->name);
    if (failed)
        *failed = embed->failed;
    embed_fini(embed);
    akin_free(embed);
    return status;
}
