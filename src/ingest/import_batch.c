/*
 * One batch of an import: read, checked, given keys, committed (import.h tells in which order).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "akin/vec.h"
#include "import.h"

#define BATCH_ROWS 8192
#define BATCH_BYTES ((size_t)32 << 20) /* of vectors */
#define TEXT_BYTES_MAX ((size_t)256 << 20)
#define F16_MAX 65504.0f

akin_status import_batch_init(struct import *import, akin_error *err)
{
    const size_t row_bytes = import->dim * sizeof *import->vectors;
    const size_t fit = BATCH_BYTES / row_bytes;
    import->batch_rows = fit < BATCH_ROWS ? fit : BATCH_ROWS;
    import->vectors = akin_alloc(import->batch_rows, row_bytes);
    import->rows = akin_alloc(import->batch_rows, sizeof *import->rows);
    import->keyed = akin_alloc_zero(import->batch_rows, sizeof *import->keyed);
    import->keys = akin_alloc(import->batch_rows, sizeof *import->keys);
    if (!import->vectors || !import->rows || !import->keyed || !import->keys)
        return akin_error_memory(err, import->batch_rows * row_bytes, "a batch of vectors");
    return akin_arena_create(&import->arena, TEXT_BYTES_MAX, err);
}

void import_batch_fini(struct import *import)
{
    akin_free(import->vectors);
    akin_free(import->rows);
    akin_free(import->keyed);
    akin_free(import->keys);
    akin_arena_free(import->arena);
    import_scenes_fini(&import->scenes);
    import_scenes_fini(&import->before);
}

/* ---- vectors ---- */

static akin_status row_error(const struct import *import, uint64_t row, akin_error *err,
                             const char *fault)
{
    return akin_error_set(err, AKIN_ERR_INVALID, "'%s' row %" PRIu64 " (counted from 0) %s",
                          import->record.path, row, fault);
}

static akin_status check_vector(const struct import *import, float *vector, uint64_t row,
                                akin_error *err)
{
    float most = 0;
    for (uint32_t i = 0; i < import->dim; i++) {
        if (!isfinite(vector[i]))
            return row_error(import, row, err, "holds NaN or infinity");
        most = fabsf(vector[i]) > most ? fabsf(vector[i]) : most;
    }
    if (import->metric == AKIN_METRIC_COSINE && akin_normalize(vector, import->dim) <= 0)
        return row_error(import, row, err,
                         "is all zeros: it has no direction that a cosine could compare");
    if (import->metric != AKIN_METRIC_COSINE && most > F16_MAX)
        return row_error(
            import, row, err,
            "holds a number above 65504: vectors are kept as 16-bit floats; scale them "
            "down");
    return AKIN_OK;
}

static akin_status read_vectors(struct import *import, uint64_t first, size_t n, akin_error *err)
{
    akin_status status = akin_array_floats(import->array, first, n, import->vectors, err);
    for (size_t i = 0; i < n && status == AKIN_OK; i++)
        status = check_vector(import, import->vectors + i * import->dim, first + i, err);
    return status;
}

/* ---- columns and keys ---- */

static int32_t to_e7(double degrees)
{
    return (int32_t)lround(degrees * 1e7);
}

/* A footprint is the box: upper left, upper right, lower right, lower left. */
static void set_place(struct akin_columns *columns, struct akin_bbox box)
{
    double lon, lat;
    if (!akin_bbox_known(box))
        return;
    akin_bbox_center(box, &lon, &lat);
    columns->hilbert = akin_hilbert_key(lon, lat);
    const int32_t w = to_e7(box.west), s = to_e7(box.south), e = to_e7(box.east),
                  n = to_e7(box.north);
    memcpy(columns->bbox_e7, (const int32_t[]){w, s, e, n}, sizeof columns->bbox_e7);
    memcpy(columns->corner_e7, (const int32_t[]){w, n, e, n, e, s, w, s},
           sizeof columns->corner_e7);
}

static akin_status give_key(struct import *import, size_t i, akin_error *err)
{
    const struct import_row *row = &import->rows[i];
    const char *uri = row->uri;
    uint32_t scene;
    if (!uri)
        uri = row->label
                  ? akin_arena_printf(import->arena, "%s#%s", import->record.path, row->label)
                  : import->record.path;
    if (!uri)
        return akin_error_memory(err, 0, "an image's address");
    akin_status status =
        import_scenes_meet(&import->scenes, import->catalog, uri, row->label, &scene, err);
    if (status != AKIN_OK)
        return status;
    akin_columns_init(&import->keyed[i], (uint64_t)scene << 32 | row->key);
    import->keyed[i].begin_ms = row->time.begin_ms;
    import->keyed[i].end_ms = row->time.end_ms;
    set_place(&import->keyed[i], row->bbox);
    return AKIN_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Counts the keys that are new: not in the index, nor twice in the batch. */
static void count_rows(struct import *import, size_t n)
{
    for (size_t i = 0; i < n; i++)
        import->keys[i] = import->keyed[i].key;
    qsort(import->keys, n, sizeof *import->keys, compare_keys);
    for (size_t i = 0; i < n; i++) {
        const uint64_t key = import->keys[i];
        if ((i && key == import->keys[i - 1]) ||
            akin_index_get(import->index, key, NULL, NULL, NULL) == AKIN_OK)
            import->report->rows_replaced++;
        else
            import_scenes_count(&import->scenes, akin_tile_scene(key));
    }
}

/* ---- commit ---- */

/* Step 1, within a transaction. */
static akin_status write_catalog(struct import *import, uint64_t first, size_t n, bool count,
                                 akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < n && status == AKIN_OK; i++) {
        status = give_key(import, i, err);
        if (status != AKIN_OK)
            return akin_error_context(err, status, "row %" PRIu64, first + i);
    }
    if (count)
        count_rows(import, n);
    status = import_scenes_write(&import->scenes, import->catalog, AKIN_SCENE_FOUND, err);
    if (status == AKIN_OK)
        status = import_scenes_settle(&import->before, &import->scenes, import->catalog, err);
    if (status == AKIN_OK) {
        import->record.begin = first;
        import->record.done = first + n;
        status = import_record_save(&import->record, import->catalog, err);
    }
    return status;
}

static akin_status in_transaction(struct import *import, uint64_t first, size_t n, bool count,
                                  akin_error *err)
{
    const struct import_record record = import->record;
    akin_status status = akin_catalog_begin(import->catalog, err);
    if (status != AKIN_OK)
        return status;
    status = write_catalog(import, first, n, count, err);
    if (status == AKIN_OK)
        status = akin_catalog_commit(import->catalog, err);
    if (status != AKIN_OK) {
        akin_catalog_rollback(import->catalog);
        import->record = record;
    }
    return status;
}

static akin_status take(struct import *import, uint64_t first, size_t n, bool count,
                        akin_error *err)
{
    akin_arena_reset(import->arena);
    akin_status status = read_vectors(import, first, n, err);
    if (status == AKIN_OK)
        status = import_columns_read(import->columns, first, n, import->rows, import->arena, err);
    if (status == AKIN_OK)
        status = in_transaction(import, first, n, count, err);
    if (status == AKIN_OK)
        status = akin_index_add(import->index, import->keyed, import->vectors, n, err);
    import_scenes_fini(&import->before);
    import->before = import->scenes;
    import->scenes = (struct import_scenes){0};
    return status;
}

akin_status import_batch_again(struct import *import, akin_error *err)
{
    akin_status status = AKIN_OK;
    const uint64_t end = import->record.done;
    /* At once but where another akin's batches were larger. */
    if (end - import->record.begin > import->batch_rows)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "the catalogue tells of a batch of %" PRIu64 " rows",
                              end - import->record.begin);
    if (end > import->record.begin)
        status =
            take(import, import->record.begin, (size_t)(end - import->record.begin), false, err);
    return status;
}

akin_status import_batch_next(struct import *import, size_t n, akin_error *err)
{
    return take(import, import->record.done, n, true, err);
}

akin_status import_batch_finish(struct import *import, akin_error *err)
{
    return in_transaction(import, import->record.done, 0, false, err);
}
