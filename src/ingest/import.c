/*
 * akin_import: vectors that were made elsewhere become a collection, or more of one. The file is read
 * once, a batch at a time; memory does not depend on its size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "import.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const metric_names[] = {"cosine", "dot", "l2"};

void akin_import_options_default(struct akin_import_options *out)
{
    *out = (struct akin_import_options){.ram_bytes = (uint64_t)2 << 30};
}

/* ---- the collection ---- */

/* Opens DIR for writing; made where there is nothing, once it is known that the columns are good. */
static akin_status open_catalog(struct import *import, const char *dir, akin_error *err)
{
    struct akin_file_stat stat;
    struct akin_settings settings;
    if (akin_file_stat(&stat, dir, NULL) == AKIN_ERR_NOT_FOUND) {
        akin_status status = import_columns_check(import->columns, err);
        akin_settings_default(&settings);
        settings.chips = false;
        if (status == AKIN_OK)
            status = akin_catalog_create(dir, &settings, err);
        if (status != AKIN_OK)
            return status;
        import->checked = true;
    }
    return akin_catalog_open(&import->catalog, dir, AKIN_OPEN_WRITE, err);
}

/* *name is the model that the collection has, freed with akin_free; NULL where it is empty. */
static akin_status current_model(struct import *import, const char *dir, char **name,
                                 akin_error *err)
{
    struct akin_catalog_counts counts;
    uint64_t scenes = 0;
    akin_status status = akin_catalog_value_get(import->catalog, AKIN_VALUE_MODEL, name, err);
    if (status != AKIN_ERR_NOT_FOUND)
        return status;
    *name = NULL;
    status = akin_catalog_count(import->catalog, &counts, err);
    for (size_t i = 0; i < AKIN_SCENE_STATE_COUNT; i++)
        scenes += counts.scenes[i];
    if (status == AKIN_OK && scenes)
        return akin_error_set(
            err, AKIN_ERR_INVALID,
            "'%s' holds images: vectors that were made elsewhere need a collection "
            "of their own",
            dir);
    return status;
}

static akin_status check_model(const struct import *import, const akin_model *model,
                               const char *dir, akin_error *err)
{
    const struct akin_model_info *info = akin_model_info(model);
    const char *wanted = import->options->model;
    if (akin_model_encodes(model))
        return akin_error_set(
            err, AKIN_ERR_INVALID,
            "'%s' holds imagery: vectors that were made elsewhere need a collection "
            "of their own",
            dir);
    if (wanted && strcmp(wanted, info->name) != 0)
        return akin_error_set(
            err, AKIN_ERR_INVALID,
            "the vectors of '%s' are called '%s', not '%s': another model's need a "
            "collection of their own",
            dir, info->name, wanted);
    if (info->dim != import->dim)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' has vectors of %u numbers, those of '%s' have %u",
                              import->record.path, import->dim, dir, info->dim);
    return AKIN_OK;
}

/* The collection's model, made where it has none. The metric is not known before the index is open,
 * so the model comes last into the catalogue (open_index). */
static akin_status open_model(struct import *import, akin_model **model, const char *dir,
                              akin_error *err)
{
    char *current = NULL;
    const char *name = import->options->model ? import->options->model : AKIN_IMPORT_NAME;
    akin_status status = current_model(import, dir, &current, err);
    if (status != AKIN_OK)
        return status;
    if (current || akin_model_exists(dir, name)) {
        status = akin_model_open(model, dir, current ? current : name, err);
    } else {
        status = akin_model_create_imported(model, name, import->dim, err);
        if (status == AKIN_OK)
            status = akin_model_save(*model, dir, err);
    }
    akin_free(current);
    return status == AKIN_OK ? check_model(import, *model, dir, err) : status;
}

static akin_status open_index(struct import *import, const akin_model *model, akin_pool *pool,
                              akin_error *err)
{
    const struct akin_model_info *info = akin_model_info(model);
    const struct akin_import_options *given = import->options;
    struct akin_index_options options;
    struct akin_index_stats stats;
    struct akin_file_stat there;
    char path[AKIN_PATH_MAX];
    akin_index_options_default(&options);
    options.dim = info->dim;
    options.model = info->fingerprint;
    options.ram_bytes = given->ram_bytes;
    options.pool = pool;
    options.talk = given->talk;
    akin_status status = index_path(path, import->catalog, info->name, err);
    if (status == AKIN_OK && akin_file_stat(&there, path, NULL) == AKIN_ERR_NOT_FOUND)
        options.metric = given->metric;
    if (status == AKIN_OK)
        status = akin_index_open(&import->index, path, AKIN_OPEN_WRITE, &options, err);
    if (status != AKIN_OK)
        return status;
    akin_index_stats(import->index, &stats);
    import->metric = stats.metric;
    snprintf(import->report->model, sizeof import->report->model, "%s", info->name);
    import->report->metric = import->metric;
    if (given->metric_given && import->metric != given->metric)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the vectors of '%s' are compared by %s, not %s",
                              akin_catalog_dir(import->catalog), metric_names[import->metric],
                              metric_names[given->metric]);
    return akin_catalog_value_set(import->catalog, AKIN_VALUE_MODEL, info->name, err);
}

/* ---- rows ---- */

static bool go_on(const struct import *import)
{
    const struct akin_progress progress = {"vectors", import->record.done, import->record.total,
                                           import->report->rows_before, NULL};
    return akin_progress(import->options->talk, &progress);
}

static akin_status take_rows(struct import *import, akin_error *err)
{
    struct import_record *record = &import->record;
    akin_status status = AKIN_OK;
    if (record->known)
        status = import_batch_again(import, err);
    else if (record->changed)
        status = import_replace(import->catalog, import->index, record->path, err);
    while (status == AKIN_OK && record->done < record->total) {
        const uint64_t left = record->total - record->done;
        if (!go_on(import))
            return akin_error_set(err, AKIN_ERR_CANCELLED, "stopped");
        status = import_batch_next(
            import, left < import->batch_rows ? (size_t)left : import->batch_rows, err);
    }
    if (status == AKIN_OK)
        status = akin_index_flush(import->index, err);
    if (status == AKIN_OK)
        status = import_batch_finish(import, err);
    if (status == AKIN_OK)
        index_settle(import->index, import->options->talk);
    return status;
}

/* Nothing to do where the record says that all rows were taken and their images settled. */
static akin_status run(struct import *import, akin_error *err)
{
    struct import_record *record = &import->record;
    record->total = akin_array_info(import->array)->rows;
    import->report->rows_before = record->done;
    if (record->known && record->begin == record->total)
        return AKIN_OK;
    akin_status status = import->checked ? AKIN_OK : import_columns_check(import->columns, err);
    if (status == AKIN_OK)
        status = import_batch_init(import, err);
    return status == AKIN_OK ? take_rows(import, err) : status;
}

static akin_status open_all(struct import *import, const char *dir, const char *path,
                            akin_pool *pool, akin_error *err)
{
    akin_model *model = NULL;
    akin_status status = open_catalog(import, dir, err);
    if (status == AKIN_OK)
        status = import_record_load(&import->record, import->catalog, path, import->options, err);
    if (status == AKIN_OK)
        status = open_model(import, &model, dir, err);
    if (status == AKIN_OK)
        status = open_index(import, model, pool, err);
    akin_model_free(model);
    return status;
}

/* What can be said of the file before a collection is made for it. */
static akin_status open_file(struct import *import, const char *path, akin_error *err)
{
    const char *name = import->options->model;
    akin_status status = name ? akin_model_check_name(name, err) : AKIN_OK;
    if (status == AKIN_OK)
        status = akin_array_open(&import->array, path, import->options->tensor, err);
    if (status != AKIN_OK)
        return status;
    const struct akin_array_info *info = akin_array_info(import->array);
    if (info->rank != 2)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' has one number a row: vectors are an array (rows, numbers)",
                              path);
    if (info->cols > AKIN_DIM_MAX || info->rows > UINT32_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT,
                              "'%s' has %" PRIu64
                              " vectors of %u numbers: up to %u of up to %d are "
                              "taken from a file",
                              path, info->rows, info->cols, UINT32_MAX, AKIN_DIM_MAX);
    import->dim = info->cols;
    import->report->dim = info->cols;
    import->report->rows = info->rows;
    return import_columns_open(&import->columns, import->options, info->rows, err);
}

akin_status akin_import(const char *dir, const char *path,
                        const struct akin_import_options *options,
                        struct akin_import_report *report, akin_error *err)
{
    struct akin_import_options defaults;
    struct akin_import_report unread;
    akin_pool *pool = NULL;
    if (!dir || !path)
        return akin_error_set(err, AKIN_ERR_INVALID, "no collection or no file given");
    akin_import_options_default(&defaults);
    struct import import = {.options = options ? options : &defaults,
                            .report = report ? report : &unread};
    *import.report = (struct akin_import_report){.rows = 0};
    const int64_t begin_ms = akin_time_now_ms();
    akin_status status = open_file(&import, path, err);
    if (status == AKIN_OK)
        status = akin_pool_create(&pool, import.options->threads, err);
    if (status == AKIN_OK)
        status = open_all(&import, dir, path, pool, err);
    if (status == AKIN_OK)
        status = run(&import, err);
    if (import.index) {
        struct akin_index_stats stats;
        akin_index_stats(import.index, &stats);
        import.report->tiles = stats.rows;
    }
    import.report->seconds = (double)(akin_time_now_ms() - begin_ms) / 1000;
    import_batch_fini(&import);
    import_columns_close(import.columns);
    akin_array_close(import.array);
    akin_index_close(import.index);
    akin_catalog_close(import.catalog);
    akin_pool_free(pool);
    return status;
}
