/*
 * add and remove: validate, stage, make the log record durable, commit. Whatever fails before the
 * record is durable leaves everything as it was; nothing fails after it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "handle.h"
#include "turnover.h"
#include "upkeep.h"

/* Rows must be of unit length or zero. f16 rounds a component by 2^-11 at most, so 1 % is far
 * outside of rounding; verify holds stored rows to the same. */
#define NORM_TOLERANCE 0.01
#define F16_MAX 65504.0

static akin_status check_columns(const struct akin_columns *columns, akin_error *err)
{
    const int32_t *box = columns->bbox_e7;
    if (box[0] == AKIN_E7_UNKNOWN && box[1] == AKIN_E7_UNKNOWN && box[2] == AKIN_E7_UNKNOWN &&
        box[3] == AKIN_E7_UNKNOWN)
        return AKIN_OK;
    for (int i = 0; i < 4; i++) {
        int32_t most = i % 2 ? 900000000 : 1800000000;
        if (box[i] < -most || box[i] > most)
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "tile %016" PRIx64 ": its box has a corner off the globe",
                                  columns->key);
    }
    if (box[1] > box[3])
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "tile %016" PRIx64 ": its box has its south above its north",
                              columns->key);
    return AKIN_OK;
}

static float largest(const float *vector, size_t dim)
{
    float most = 0;
    for (size_t i = 0; i < dim; i++)
        most = fabsf(vector[i]) > most ? fabsf(vector[i]) : most;
    return most;
}

static akin_status check_vector(const float *vector, size_t dim, enum akin_metric metric,
                                uint64_t key, akin_error *err)
{
    double length2 = akin_kernels()->dot(vector, vector, dim);
    float most = largest(vector, dim);
    if (isnan(length2) || isinf(most))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "tile %016" PRIx64 ": its vector holds NaN or infinity", key);
    if (metric == AKIN_METRIC_COSINE) {
        /* By the largest component, as squares may be too small for f32. */
        if (most > 0 && fabs(sqrt(length2) - 1) > NORM_TOLERANCE)
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "tile %016" PRIx64 ": its vector has length %g, not 1 or 0", key,
                                  fmax(sqrt(length2), most));
    } else if (most > F16_MAX) {
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "tile %016" PRIx64 ": its vector holds %g; vectors are kept as f16, "
                              "up to %g: scale them down",
                              key, most, F16_MAX);
    }
    return AKIN_OK;
}

static akin_status stage_rows(struct memtable *table, enum akin_metric metric,
                              const struct akin_columns *columns, const float *vectors, size_t n,
                              akin_error *err)
{
    akin_status status = memtable_reserve(table, n, err);
    for (size_t i = 0; !status && i < n; i++) {
        const float *vector = vectors + i * table->dim;
        status = check_columns(&columns[i], err);
        if (!status)
            status = check_vector(vector, table->dim, metric, columns[i].key, err);
        if (status)
            break;
        memtable_stage(table, table->rows + i, &columns[i]);
        akin_kernels()->f16_from_f32(memtable_vector(table, table->rows + i), vector, table->dim);
    }
    return status;
}

/* After a failed append: whether the file could be cut back. */
static void note_broken(akin_index *index, bool broken)
{
    if (broken)
        index->broken = "a failed write could not be undone";
}

/* A log that is long enough becomes a segment. The rows are safe either way, so that a failure here
 * is the next call's, which tries again first. */
static void flush_when_full(akin_index *index)
{
    akin_error err = {0};
    if (index->memtable->rows >= index->memtable_rows && flush_log(index, &err))
        akin_log(index->talk, AKIN_LEVEL_WARN, "index", "%s: the log stays as it is: %s",
                 index->path, err.text);
}

static akin_status add_rows(akin_index *index, const struct akin_columns *columns,
                            const float *vectors, size_t n, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct draft draft = {0};
    bool broken = false;
    akin_status status = handle_check_writer(index, err);
    if (!status && n && index->memtable->rows >= index->memtable_rows)
        status = flush_log(index, err);
    if (status || n == 0)
        return status;
    status = stage_rows(index->memtable, index->manifest.metric, columns, vectors, n, err);
    if (!status)
        status = draft_begin(&draft, index, err);
    if (!status)
        status = draft_stage_add(&draft, columns, n, err);
    if (!status)
        status = wal_path(path, index->path, index->manifest.log, err);
    if (!status)
        status =
            wal_append_rows(index->wal_fd, &index->wal, index->memtable, n, path, &broken, err);
    note_broken(index, broken);
    if (status) {
        draft_abort(&draft);
        return status;
    }
    draft_commit_add(&draft, columns, n);
    handle_publish(index, draft.view);
    flush_when_full(index);
    return AKIN_OK;
}

static akin_status remove_rows(akin_index *index, uint64_t first, uint64_t last, uint64_t *removed,
                               akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct draft draft = {0};
    uint64_t count = 0;
    bool broken = false;
    akin_status status = handle_check_writer(index, err);
    if (!status)
        status = draft_begin(&draft, index, err);
    if (!status)
        status = draft_stage_remove(&draft, first, last, &count, err);
    if (!status && count)
        status = wal_path(path, index->path, index->manifest.log, err);
    if (!status && count)
        status = wal_append_remove(index->wal_fd, &index->wal, first, last, path, &broken, err);
    note_broken(index, broken);
    if (status || !count) {
        draft_abort(&draft);
    } else {
        draft_commit_remove(&draft, first, last);
        handle_publish(index, draft.view);
    }
    if (!status && removed)
        *removed = count;
    return status;
}

/* The calls: the index is the caller's while they last, then upkeep is told what there may be to do. */

akin_status akin_index_add(akin_index *index, const struct akin_columns *columns,
                           const float *vectors, size_t n, akin_error *err)
{
    akin_error why = {0};
    pthread_mutex_lock(&index->writing);
    uint64_t log = index->manifest.log;
    akin_status status = add_rows(index, columns, vectors, n, err);
    bool flushed = index->manifest.log != log;
    pthread_mutex_unlock(&index->writing);
    /* The rows are in; what upkeep could not do is the next flush's. */
    if (flushed && upkeep_wake(index, &why))
        akin_log(index->talk, AKIN_LEVEL_WARN, "index", "%s: segments stay as they are: %s",
                 index->path, why.text);
    return status;
}

akin_status akin_index_remove(akin_index *index, uint64_t first, uint64_t last, uint64_t *removed,
                              akin_error *err)
{
    pthread_mutex_lock(&index->writing);
    akin_status status = remove_rows(index, first, last, removed, err);
    pthread_mutex_unlock(&index->writing);
    return status;
}

akin_status akin_index_flush(akin_index *index, akin_error *err)
{
    pthread_mutex_lock(&index->writing);
    akin_status status = handle_check_writer(index, err);
    if (!status && index->wal.good_bytes > sizeof(struct log_head))
        status = flush_log(index, err);
    pthread_mutex_unlock(&index->writing);
    return status ? status : upkeep_wake(index, err);
}
