/*
 * Everything there is, for other tools: one walk over the index fills all files that were asked for,
 * a batch at a time, so that memory does not depend on how much that is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdlib.h>

#include "akin/array.h"
#include "engine.h"
#include "geojson_feature.h"

#define PIECE_BYTES ((size_t)1 << 20) /* of text between two writes */
#define CSV_HEAD "tile,key,begin,end,west,south,east,north,uri,label\n"

/* A text file, written in pieces. */
struct text_file {
    akin_atomic_file *file; /* NULL: not asked for */
    struct akin_buffer text;
};

struct export
{
    akin_engine *engine;
    const struct akin_export_options *options;
    akin_npy_writer *npy;
    struct text_file csv, geojson;
    uint64_t rows, total;
    akin_status status; /* of the callback that walks */
    akin_error *err;
};

/* ---- text ---- */

static akin_status text_begin(struct text_file *file, const char *path, const char *head,
                              akin_error *err)
{
    akin_buffer_init(&file->text, 64 * PIECE_BYTES);
    akin_status status = akin_atomic_begin(&file->file, path, err);
    return status == AKIN_OK ? akin_buffer_printf(&file->text, err, "%s", head) : status;
}

static akin_status text_flush(struct text_file *file, akin_error *err)
{
    akin_status status = file->text.size
                             ? akin_atomic_write(file->file, file->text.data, file->text.size, err)
                             : AKIN_OK;
    akin_buffer_clear(&file->text);
    return status;
}

static akin_status text_commit(struct text_file *file, const char *tail, akin_error *err)
{
    akin_atomic_file *open = file->file;
    if (!open)
        return AKIN_OK;
    akin_status status = akin_buffer_printf(&file->text, err, "%s", tail);
    if (status == AKIN_OK)
        status = text_flush(file, err);
    if (status != AKIN_OK)
        return status;
    file->file = NULL;
    return akin_atomic_commit(open, err);
}

static void text_fini(struct text_file *file)
{
    akin_atomic_abort(file->file);
    akin_buffer_fini(&file->text);
}

/* ---- a row ---- */

static akin_status append_interval(struct akin_buffer *out, struct akin_interval interval,
                                   akin_error *err)
{
    char begin[AKIN_INTERVAL_TEXT_MAX], end[AKIN_INTERVAL_TEXT_MAX];
    if (!akin_interval_known(interval))
        return akin_buffer_printf(out, err, ",,");
    akin_time_format(begin, interval.begin_ms);
    akin_time_format(end, interval.end_ms);
    return akin_buffer_printf(out, err, "%s,%s,", begin, end);
}

/* 1e-7 degrees, exactly. */
static akin_status append_degrees(struct akin_buffer *out, int32_t e7, akin_error *err)
{
    const int64_t size = llabs((int64_t)e7);
    return akin_buffer_printf(out, err, "%s%" PRId64 ".%07" PRId64 ",", e7 < 0 ? "-" : "",
                              size / 10000000, size % 10000000);
}

static akin_status append_row(struct akin_buffer *out, const struct akin_columns *columns,
                              const struct akin_scene *scene, akin_error *err)
{
    char tile[AKIN_TILE_KEY_TEXT_MAX];
    const bool placed = akin_bbox_known(akin_columns_bbox(columns));
    akin_tile_key_format(tile, columns->key);
    akin_status status =
        akin_buffer_printf(out, err, "%s,%" PRIu32 ",", tile, (uint32_t)columns->key);
    if (status == AKIN_OK)
        status = append_interval(out, akin_columns_interval(columns), err);
    for (int i = 0; i < 4 && status == AKIN_OK; i++)
        status = placed ? append_degrees(out, columns->bbox_e7[i], err)
                        : akin_buffer_append(out, ",", 1, err);
    if (status == AKIN_OK)
        status = akin_csv_append(out, scene->uri, err);
    if (status == AKIN_OK)
        status = akin_buffer_append(out, ",", 1, err);
    if (status == AKIN_OK)
        status = akin_csv_append(out, scene->label, err);
    return status == AKIN_OK ? akin_buffer_append(out, "\n", 1, err) : status;
}

static akin_status append_feature(struct akin_buffer *out, const struct akin_columns *columns,
                                  const struct akin_scene *scene, bool first, akin_error *err)
{
    akin_json *properties = akin_json_object();
    geojson_feature_describe(properties, columns, scene);
    akin_json *feature = geojson_feature(columns->key, columns, properties);
    akin_status status = akin_buffer_printf(out, err, first ? "\n" : ",\n");
    if (status == AKIN_OK)
        status = akin_json_text(feature, false, out, err);
    akin_json_free(feature);
    return status;
}

static akin_status take_row(struct export *export, const struct akin_columns *columns, bool first)
{
    const struct akin_scene *scene;
    akin_error *err = export->err;
    akin_status status =
        akin_engine_scene(export->engine, akin_tile_scene(columns->key), &scene, err);
    if (status == AKIN_OK && export->csv.file)
        status = append_row(&export->csv.text, columns, scene, err);
    if (status == AKIN_OK && export->csv.text.size >= PIECE_BYTES)
        status = text_flush(&export->csv, err);
    if (status == AKIN_OK && export->geojson.file)
        status = append_feature(&export->geojson.text, columns, scene, first, err);
    if (status == AKIN_OK && export->geojson.text.size >= PIECE_BYTES)
        status = text_flush(&export->geojson, err);
    return status;
}

/* ---- the walk ---- */

static bool take_rows(void *user, const struct akin_columns *columns, const float *vectors,
                      size_t n)
{
    struct export *export = user;
    if (export->npy)
        export->status = akin_npy_append(export->npy, vectors, n, export->err);
    if (export->csv.file || export->geojson.file)
        for (size_t i = 0; i < n && export->status == AKIN_OK; i++)
            export->status = take_row(export, &columns[i], !export->rows && !i);
    export->rows += n;
    const struct akin_progress progress = {"tiles", export->rows, export->total, 0, NULL};
    if (export->status == AKIN_OK && !akin_progress(export->options->talk, &progress))
        export->status = akin_error_set(export->err, AKIN_ERR_CANCELLED, "stopped");
    return export->status == AKIN_OK;
}

static akin_status begin(struct export *export, akin_error *err)
{
    const struct akin_export_options *options = export->options;
    akin_status status = AKIN_OK;
    if (options->vectors)
        status = akin_npy_begin(&export->npy, options->vectors,
                                options->half ? AKIN_TENSOR_F16 : AKIN_TENSOR_F32,
                                export->engine->dim, err);
    if (status == AKIN_OK && options->columns)
        status = text_begin(&export->csv, options->columns, CSV_HEAD, err);
    if (status == AKIN_OK && options->geojson)
        status = text_begin(&export->geojson, options->geojson,
                            "{\"type\":\"FeatureCollection\",\"features\":[", err);
    return status;
}

static akin_status commit(struct export *export, akin_error *err)
{
    akin_npy_writer *npy = export->npy;
    akin_status status = text_commit(&export->csv, "", err);
    if (status == AKIN_OK)
        status = text_commit(&export->geojson, "\n]}\n", err);
    if (status != AKIN_OK || !npy)
        return status;
    export->npy = NULL;
    return akin_npy_commit(npy, err);
}

akin_status akin_export(akin_engine *engine, const struct akin_export_options *options,
                        uint64_t *rows, akin_error *err)
{
    if (!engine || !options)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine or options given");
    if (!options->vectors && !options->columns && !options->geojson)
        return akin_error_set(err, AKIN_ERR_INVALID, "no file given to export into");
    struct akin_index_stats stats;
    akin_index_stats(engine->index, &stats);
    struct export export = {.engine = engine, .options = options, .total = stats.rows, .err = err};
    akin_status status = begin(&export, err);
    if (status == AKIN_OK)
        status = akin_index_each(engine->index, take_rows, &export, err);
    if (status == AKIN_OK)
        status = export.status;
    if (status == AKIN_OK)
        status = commit(&export, err);
    akin_npy_abort(export.npy);
    text_fini(&export.csv);
    text_fini(&export.geojson);
    if (rows)
        *rows = export.rows;
    return status;
}
