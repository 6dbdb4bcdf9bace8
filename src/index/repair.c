/*
 * Repair: what verify names and can be mended. Columns and vectors are what an index knows; all else of a segment
 * follows from them. So a segment with any fault is written anew from the rows whose bytes are good, and without
 * codes that nobody can read; one that cannot be opened at all, and the bytes that are wrong, are lost, and said
 * to be. All of it is one record of the manifest. The log and the manifest themselves are put right by opening.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "turnover.h"

#define CHUNK_ROWS 131072u /* of a new segment: they pass through memory; upkeep merges them */

struct repair {
    akin_index *index;
    struct view *view; /* a reference */
    struct turnover turn;
    struct memtable *rows; /* good rows of the segment at hand */
    float *wide;           /* dim */
    akin_fault_fn *told;
    void *user;
    struct akin_index_repair report;
    bool changed;
};

static void tell(struct repair *repair, uint64_t segment, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void tell(struct repair *repair, uint64_t segment, const char *format, ...)
{
    char name[64], text[256];
    va_list args;
    snprintf(name, sizeof name, "segment-%" PRIu64 ".seg", segment);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (repair->told)
        repair->told(repair->user, name, text);
}

/* ---- rows that are good ---- */

/* Whether bytes [first, first + bytes) of a section lie in stretches whose checksums agree. `good`: one a stretch. */
static bool bytes_good(const uint8_t *good, uint64_t first, size_t bytes)
{
    for (uint64_t at = first / SUM_BYTES; at <= (first + bytes - 1) / SUM_BYTES; at++)
        if (!good[at])
            return false;
    return true;
}

/* Whether the row is a later one's, or one that the log has: a damaged key run may not have led to it. */
static bool known_elsewhere(const struct repair *repair, const struct part *part, uint64_t key)
{
    if (memtable_find(repair->index->memtable, key) != SIZE_MAX)
        return true;
    for (size_t i = 0; i + 1 < repair->view->part_count; i++) {
        const struct part *other = &repair->view->parts[i];
        if (other != part && part_find(other, key) != SIZE_MAX)
            return true;
    }
    return false;
}

static bool vector_good(struct repair *repair, const akin_f16 *vector)
{
    size_t dim = repair->index->manifest.dim;
    akin_kernels()->f32_from_f16(repair->wide, vector, dim);
    for (size_t i = 0; i < dim; i++)
        if (!isfinite(repair->wide[i]))
            return false;
    return true;
}

/* The rows in memory become a segment. */
static akin_status write_rows(struct repair *repair, akin_error *err)
{
    akin_index *index = repair->index;
    struct part part = {0};
    struct segment *segment = NULL;
    struct segment_info info;
    char path[AKIN_PATH_MAX];
    if (!repair->rows || !repair->rows->rows)
        return AKIN_OK;
    struct segment_recipe recipe = turnover_recipe(index);
    akin_status status = part_of_memtable(&part, repair->rows, err);
    if (!status)
        status = segment_path(path, recipe.dir, recipe.id, err);
    if (!status)
        status = segment_build(&info, &recipe, &part, 1, err);
    if (!status)
        status = segment_open(&segment, path, &index->epochs, err);
    if (!status)
        status = turnover_add(&repair->turn, segment, NULL, err);
    memtable_unref(part.memtable);
    akin_free(part.chunks);
    memtable_unref(repair->rows);
    repair->rows = NULL;
    return status;
}

static akin_status keep_row(struct repair *repair, const struct segment *segment, size_t row,
                            akin_error *err)
{
    akin_status status = AKIN_OK;
    if (!repair->rows)
        status = memtable_create(&repair->rows, segment->dim, err);
    if (!status)
        status = memtable_reserve(repair->rows, 1, err);
    if (status)
        return status;
    struct memtable *table = repair->rows;
    memtable_stage(table, table->rows, &segment->columns[row]);
    memcpy(memtable_vector(table, table->rows), segment->vectors + row * segment->dim,
           segment->dim * sizeof(akin_f16));
    (void)memtable_commit(table);
    return table->rows == CHUNK_ROWS ? write_rows(repair, err) : AKIN_OK;
}

/* Writes the part's good live rows anew. */
static akin_status salvage(struct repair *repair, const struct part *part, akin_error *err)
{
    const struct segment *segment = part->segment;
    size_t vector_bytes = segment->dim * sizeof(akin_f16);
    uint64_t kept = 0, live = part_live(part);
    uint8_t *columns = segment_section_good(segment, SECTION_COLUMNS, err);
    uint8_t *vectors = segment_section_good(segment, SECTION_VECTORS, err);
    akin_status status = columns && vectors ? AKIN_OK : AKIN_ERR_NO_MEMORY;
    for (size_t row = 0; !status && row < part->rows; row++) {
        if (bitmap_test(part->dead, row) ||
            !bytes_good(columns, row * sizeof *segment->columns, sizeof *segment->columns) ||
            !bytes_good(vectors, row * vector_bytes, vector_bytes) ||
            !vector_good(repair, segment->vectors + row * segment->dim))
            continue;
        uint64_t key = segment->columns[row].key;
        kept++;
        if (!known_elsewhere(repair, part, key) &&
            (!repair->rows || memtable_find(repair->rows, key) == SIZE_MAX))
            status = keep_row(repair, segment, row, err);
    }
    if (!status)
        status = write_rows(repair, err);
    if (!status)
        status = turnover_drop(&repair->turn, part, err);
    akin_free(columns);
    akin_free(vectors);
    repair->report.rows_lost += live - kept;
    repair->report.segments_rebuilt++;
    tell(repair, segment->id, "is written anew; %" PRIu64 " of its %" PRIu64 " rows are lost",
         live - kept, live);
    return status;
}

/* ---- segments ---- */

static akin_status mend_part(struct repair *repair, const struct part *part, akin_error *err)
{
    const struct segment *segment = part->segment;
    uint64_t faults = 0;
    bool unreadable = segment->coded.epoch_id && !segment->coded.epoch;
    akin_status status = segment_verify(segment, "", NULL, NULL, &faults, err);
    if (status)
        return status;
    if (!faults && !unreadable)
        return turnover_carry(&repair->turn, part, err);
    repair->changed = true;
    return salvage(repair, part, err);
}

/* Segments that could not be opened. */
static akin_status drop_missing(struct repair *repair, akin_error *err)
{
    const struct manifest *manifest = &repair->index->manifest;
    akin_status status = AKIN_OK;
    for (size_t i = 0; !status && i < manifest->count; i++) {
        const struct manifest_segment *is = &manifest->segments[i];
        bool served = false;
        for (size_t p = 0; p + 1 < repair->view->part_count; p++)
            served |= repair->view->parts[p].segment->id == is->is.id;
        if (served)
            continue;
        uint64_t lost = is->is.rows - is->tomb_count;
        status = turnover_forget(&repair->turn, is, err);
        repair->changed = true;
        repair->report.segments_dropped++;
        repair->report.rows_lost += lost;
        tell(repair, is->is.id, "could not be read and is removed; its %" PRIu64 " rows are lost",
             lost);
    }
    return status;
}

static size_t parts_needed(const struct view *view)
{
    size_t parts = view->part_count + 1;
    for (size_t i = 0; i + 1 < view->part_count; i++)
        parts += view->parts[i].rows / CHUNK_ROWS + 1;
    return parts;
}

static akin_status mend(struct repair *repair, akin_error *err)
{
    akin_index *index = repair->index;
    uint64_t missing = index->segments_missing;
    size_t epochs = index->manifest.epoch_count;
    repair->view = handle_view(index);
    akin_status status = turnover_begin(&repair->turn, index, parts_needed(repair->view), err);
    repair->wide = akin_alloc(index->manifest.dim, sizeof *repair->wide);
    if (!status && !repair->wide)
        status = akin_error_memory(err, index->manifest.dim * sizeof *repair->wide, "repair");
    for (size_t i = 0; !status && i + 1 < repair->view->part_count; i++)
        status = mend_part(repair, &repair->view->parts[i], err);
    if (!status)
        status = drop_missing(repair, err);
    index->segments_missing = 0; /* so that epochs which only they were coded in go, too */
    repair->changed |= epochs > index->epochs.count;
    if (!status && !repair->changed)
        status = AKIN_ERR_CANCELLED; /* nothing to commit */
    bool nothing = status == AKIN_ERR_CANCELLED && !repair->changed;
    status = turnover_end(&repair->turn, status, err);
    if (status)
        index->segments_missing = missing;
    repair->report.epochs_dropped = epochs - index->manifest.epoch_count;
    memtable_unref(repair->rows);
    akin_free(repair->wide);
    view_unref(repair->view);
    return nothing ? AKIN_OK : status;
}

akin_status akin_index_repair(const char *path, akin_fault_fn *told, void *user,
                              struct akin_index_repair *report, const struct akin_talk *talk,
                              akin_error *err)
{
    struct repair repair = {.told = told, .user = user};
    struct akin_index_options options;
    akin_index_options_default(&options);
    options.talk = talk;
    akin_status status = akin_index_open(&repair.index, path, AKIN_OPEN_WRITE, &options, err);
    if (status)
        return status;
    pthread_mutex_lock(&repair.index->writing);
    status = mend(&repair, err);
    pthread_mutex_unlock(&repair.index->writing);
    /* Codes are made again, where there are rows enough. */
    if (!status && repair.changed)
        status = akin_index_settle(repair.index, false, err);
    akin_index_close(repair.index);
    if (report)
        *report = repair.report;
    return status;
}
