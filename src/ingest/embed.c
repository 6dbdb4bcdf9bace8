/*
 * Embedding again, from chips: with an encoder that is there, with one brought from elsewhere
 * (embed_import.c), or with the instant one fitted anew (embed_refit.c). The new index is filled beside the old one in batches (embed_batch.c); what it has
 * already is not done again, so that a stop costs at most a batch. The catalogue's default changes
 * last, in one step.
 *
 * Which tiles there are is read from the default encoder's index, which `akin add` keeps complete;
 * where that very index is to be completed (a segment of it was lost), from all the others'.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "embed_batch.h"

#define VALUE_UNFINISHED "model.unfinished" /* a refit whose index is not complete yet */

struct embed {
    const struct akin_embed_options *options;
    struct akin_embed_report *report;
    akin_catalog *catalog;
    akin_pool *pool;
    char *used; /* name of the collection's default encoder */
    akin_model *model;
    akin_encoder_pool *encoders;
    akin_index *to;
    struct embed_batch *batch;
    float *vectors;       /* (batch->tiles_max, dim) */
    uint64_t done, total; /* rows of the index that is walked over */
    uint64_t resumed;     /* of them there already */
    akin_status status;   /* of the callback that walks over it */
    akin_error *err;
};

/* ---- the walk over an index ---- */

static akin_status embed_batch_run(struct embed *embed)
{
    struct embed_batch *batch = embed->batch;
    embed_batch_decode(batch);
    akin_status status = akin_encoder_pool_run(embed->encoders, batch->count, batch->inputs,
                                               batch->filled, embed->vectors, embed->err);
    if (status == AKIN_OK && batch->count)
        status =
            akin_index_add(embed->to, batch->columns, embed->vectors, batch->count, embed->err);
    if (status == AKIN_OK)
        embed->report->tiles_embedded += batch->count;
    embed_batch_clear(batch);
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
        embed->done++;
        if (akin_index_get(embed->to, columns[i].key, NULL, NULL, NULL) == AKIN_OK) {
            embed->resumed++;
            continue;
        }
        embed->status = embed_batch_push(embed->batch, &columns[i], embed->err);
        if (embed->status == AKIN_OK && embed_batch_is_full(embed->batch))
            embed->status = embed_batch_run(embed);
    }
    return embed->status == AKIN_OK;
}

static akin_status open_index(akin_index **out, struct embed *embed, const char *name,
                              enum akin_open mode, const struct akin_model_info *info)
{
    char path[AKIN_PATH_MAX];
    struct akin_index_options options;
    akin_index_options_default(&options);
    options.dim = info ? info->dim : 0;
    options.model = info ? info->fingerprint : 0;
    options.talk = embed->options->talk;
    options.pool = embed->pool;
    akin_status status = index_path(path, embed->catalog, name, embed->err);
    return status == AKIN_OK ? akin_index_open(out, path, mode, &options, embed->err) : status;
}

/* Embeds what the index of encoder `name` has and the new one lacks. */
static akin_status embed_from(struct embed *embed, const char *name)
{
    akin_index *from = NULL;
    struct akin_index_stats stats;
    akin_status status = open_index(&from, embed, name, AKIN_OPEN_READ, NULL);
    if (status != AKIN_OK)
        return status;
    akin_index_stats(from, &stats);
    embed->done = embed->resumed = 0;
    embed->total = stats.rows;
    status = akin_index_each(from, embed_rows, embed, embed->err);
    if (status == AKIN_OK)
        status = embed->status;
    if (status == AKIN_OK && embed->batch->count)
        status = embed_batch_run(embed);
    akin_index_close(from);
    return status;
}

/* The default encoder's own index is completed from those of all others. */
static akin_status embed_from_others(struct embed *embed)
{
    char **names = NULL, path[AKIN_PATH_MAX];
    size_t count = 0;
    struct akin_file_stat stat;
    akin_status status =
        akin_model_list(&names, &count, akin_catalog_dir(embed->catalog), embed->err);
    for (size_t i = 0; i < count && status == AKIN_OK; i++) {
        if (!strcmp(names[i], embed->used))
            continue;
        status = index_path(path, embed->catalog, names[i], embed->err);
        if (status == AKIN_OK && akin_file_stat(&stat, path, NULL) == AKIN_OK)
            status = embed_from(embed, names[i]);
    }
    akin_names_free(names, count);
    return status;
}

static akin_status embed_all(struct embed *embed)
{
    akin_status status =
        embed->report->was_default ? embed_from_others(embed) : embed_from(embed, embed->used);
    if (status == AKIN_OK && embed->report->tiles_embedded)
        status = akin_index_flush(embed->to, embed->err);
    if (status == AKIN_OK)
        index_settle(embed->to, embed->options->talk);
    struct akin_index_stats stats;
    akin_index_stats(embed->to, &stats);
    embed->report->tiles_indexed = stats.rows;
    return status;
}

/* ---- which encoder ---- */

/* The one brought or named, or the refit that was not finished; embed->model stays NULL where it has to be a
 * new refit. */
static akin_status open_model(struct embed *embed)
{
    const char *dir = akin_catalog_dir(embed->catalog);
    char *unfinished = NULL;
    if (embed->options->onnx_path)
        return embed_import(&embed->model, embed->catalog, embed->options->model,
                            embed->options->onnx_path, embed->options->onnx, embed->err);
    if (embed->options->model)
        return akin_model_open(&embed->model, dir, embed->options->model, embed->err);
    akin_status status =
        akin_catalog_value_get(embed->catalog, VALUE_UNFINISHED, &unfinished, embed->err);
    if (status == AKIN_OK && akin_model_exists(dir, unfinished))
        status = akin_model_open(&embed->model, dir, unfinished, embed->err);
    else if (status == AKIN_ERR_NOT_FOUND)
        status = AKIN_OK;
    akin_free(unfinished);
    return status;
}

static akin_status refit(struct embed *embed)
{
    akin_index *from = NULL;
    akin_status status = open_index(&from, embed, embed->used, AKIN_OPEN_READ, NULL);
    if (status == AKIN_OK)
        status = embed_refit(&embed->model, embed->catalog, from, embed->batch, embed->err);
    /* Noted first: an encoder that is saved and not noted would be nobody's, and the next refit
     * another one. */
    if (status == AKIN_OK)
        status = akin_catalog_value_set(embed->catalog, VALUE_UNFINISHED,
                                        akin_model_info(embed->model)->name, embed->err);
    if (status == AKIN_OK)
        status = akin_model_save(embed->model, akin_catalog_dir(embed->catalog), embed->err);
    akin_index_close(from);
    return status;
}

static akin_status choose_precision(struct embed *embed)
{
    const enum akin_precision wanted = embed->options->precision;
    akin_index *from = NULL;
    akin_status status = AKIN_OK;
    if (embed_precision_measures(embed->model, wanted))
        status = open_index(&from, embed, embed->used, AKIN_OPEN_READ, NULL);
    if (status == AKIN_OK)
        status =
            embed_precision(embed->model, wanted, embed->catalog, from, embed->batch, embed->err);
    akin_index_close(from);
    embed->report->precision = akin_model_precision(embed->model);
    akin_model_calibration(&embed->report->calibration, embed->model);
    return status;
}

/* Everything that embedding takes; the batch is cut for the encoder, whose input may have a size of
 * its own. */
static akin_status prepare(struct embed *embed)
{
    const struct akin_settings *settings = akin_catalog_settings(embed->catalog);
    if (!embed->options->model && !embed->options->onnx_path &&
        embed->options->precision > AKIN_PRECISION_F32)
        return akin_error_set(embed->err, AKIN_ERR_INVALID,
                              "precision %s is for trained encoders: name one",
                              akin_precision_name(embed->options->precision));
    akin_status status = open_model(embed);
    if (status != AKIN_OK)
        return status;
    uint32_t px = embed->model ? akin_model_info(embed->model)->input_px : settings->input_px;
    if ((status = akin_pool_create(&embed->pool, embed->options->threads, embed->err)) != AKIN_OK ||
        (status = embed_batch_create(&embed->batch, embed->catalog, px, embed->pool,
                                     embed->options->talk, embed->err)) != AKIN_OK ||
        (!embed->model && (status = refit(embed)) != AKIN_OK))
        return status;
    const struct akin_model_info *info = akin_model_info(embed->model);
    if (info->bands != settings->bands)
        return akin_error_set(embed->err, AKIN_ERR_INVALID,
                              "encoder '%s' takes %u bands, the collection has %u", info->name,
                              info->bands, settings->bands);
    if ((status = choose_precision(embed)) != AKIN_OK)
        return status;
    embed->vectors = akin_alloc(embed->batch->tiles_max, info->dim * sizeof(float));
    if (!embed->vectors)
        return akin_error_memory(embed->err, embed->batch->tiles_max * info->dim * sizeof(float),
                                 "a batch of vectors");
    status = akin_encoder_pool_create(&embed->encoders, embed->model, embed->pool, embed->err);
    if (status == AKIN_OK)
        status = open_index(&embed->to, embed, info->name, AKIN_OPEN_WRITE, info);
    return status;
}

/* ---- all of it ---- */

static akin_status open_collection(struct embed *embed, const char *dir)
{
    struct akin_catalog_counts counts;
    akin_status status = akin_catalog_open(&embed->catalog, dir, AKIN_OPEN_WRITE, embed->err);
    if (status != AKIN_OK)
        return status;
    if (!akin_catalog_settings(embed->catalog)->chips)
        return akin_error_set(embed->err, AKIN_ERR_UNSUPPORTED,
                              "'%s' keeps no chips (akin init --no-chips), so its tiles cannot be "
                              "embedded again",
                              dir);
    status = akin_catalog_value_get(embed->catalog, AKIN_VALUE_MODEL, &embed->used, embed->err);
    if (status == AKIN_ERR_NOT_FOUND)
        return akin_error_set(embed->err, status,
                              "the collection has no tiles yet: akin add first");
    if (status == AKIN_OK)
        status = akin_catalog_count(embed->catalog, &counts, embed->err);
    if (status == AKIN_OK)
        embed->report->tiles = counts.tiles_kept;
    return status;
}

/* The index is complete: the encoder becomes the default, a refit is one no longer. */
static akin_status finish(struct embed *embed)
{
    const char *name = akin_model_info(embed->model)->name;
    char *unfinished = NULL;
    akin_status status = akin_catalog_begin(embed->catalog, embed->err);
    if (status != AKIN_OK)
        return status;
    if (!embed->options->keep_default)
        status = akin_catalog_value_set(embed->catalog, AKIN_VALUE_MODEL, name, embed->err);
    if (status == AKIN_OK &&
        akin_catalog_value_get(embed->catalog, VALUE_UNFINISHED, &unfinished, NULL) == AKIN_OK &&
        !strcmp(unfinished, name))
        status = akin_catalog_value_set(embed->catalog, VALUE_UNFINISHED, "", embed->err);
    akin_free(unfinished);
    if (status == AKIN_OK)
        return akin_catalog_commit(embed->catalog, embed->err);
    akin_catalog_rollback(embed->catalog);
    return status;
}

static akin_status embed_collection(struct embed *embed, const char *dir)
{
    akin_status status = open_collection(embed, dir);
    if (status == AKIN_OK)
        status = prepare(embed);
    if (status != AKIN_OK)
        return status;
    const char *name = akin_model_info(embed->model)->name;
    snprintf(embed->report->model, sizeof embed->report->model, "%s", name);
    embed->report->was_default = !strcmp(name, embed->used);
    status = embed_all(embed);
    return status == AKIN_OK ? finish(embed) : status;
}

akin_status akin_embed(const char *dir, const struct akin_embed_options *options,
                       struct akin_embed_report *report, akin_error *err)
{
    static const struct akin_embed_options defaults;
    struct akin_embed_report unused;
    struct embed embed = {
        .options = options ? options : &defaults, .report = report ? report : &unused, .err = err};
    *embed.report = (struct akin_embed_report){0};
    akin_status status = embed_collection(&embed, dir);
    if (embed.batch)
        embed.report->tiles_failed = embed.batch->failed;
    akin_encoder_pool_free(embed.encoders);
    embed_batch_free(embed.batch);
    akin_free(embed.vectors);
    akin_free(embed.used);
    akin_index_close(embed.to);
    akin_model_free(embed.model);
    akin_pool_free(embed.pool);
    akin_catalog_close(embed.catalog);
    return status;
}
