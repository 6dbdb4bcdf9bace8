/*
 * The runs of a new segment: its rows by place and by time, and their quality close together.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "build.h"
#include "radix.h"

static void put_key(struct radix_entry *entry, const struct akin_columns *columns, bool place)
{
    entry->key = place ? run_place_key(columns) : radix_key(run_time_key(columns));
}

/* The rows sorted by one column, as two sections. */
static akin_status write_run(struct build *build, bool place, struct radix_entry *entries,
                             akin_error *err)
{
    size_t rows = build->rows, width = place ? sizeof(uint32_t) : sizeof(int64_t);
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < rows; i++) {
        entries[i].row = (uint32_t)i;
        put_key(&entries[i], build_columns(build, i), place);
    }
    radix_sort(entries, entries + rows, rows);
    status = segment_file_section(&build->file, place ? SECTION_PLACE_KEYS : SECTION_TIME_BEGINS, 0,
                                  err);
    for (size_t i = 0; !status && i < rows; i++) {
        uint64_t key = place ? entries[i].key : radix_key((int64_t)entries[i].key);
        status = segment_file_put(&build->file, &key, width, err);
    }
    if (!status)
        status = segment_file_section_end(&build->file, err);
    if (!status)
        status = segment_file_section(&build->file, place ? SECTION_PLACE_ROWS : SECTION_TIME_ROWS,
                                      0, err);
    for (size_t i = 0; !status && i < rows; i++)
        status = segment_file_put(&build->file, &entries[i].row, sizeof entries[i].row, err);
    return status ? status : segment_file_section_end(&build->file, err);
}

static akin_status write_quality(struct build *build, akin_error *err)
{
    akin_status status = segment_file_section(&build->file, SECTION_QUALITY, 0, err);
    for (size_t i = 0; !status && i < build->rows; i++) {
        uint32_t quality = run_quality(build_columns(build, i));
        status = segment_file_put(&build->file, &quality, sizeof quality, err);
    }
    return status ? status : segment_file_section_end(&build->file, err);
}

akin_status build_write_runs(struct build *build, akin_error *err)
{
    struct runs_head head = {0};
    for (size_t i = 0; i < build->rows; i++)
        runs_head_add(&head, build_columns(build, i));
    akin_status status = segment_file_whole(&build->file, SECTION_RUNS, 0, &head, sizeof head, err);
    struct radix_entry *entries = akin_alloc(build->rows, 2 * sizeof *entries);
    if (!entries)
        status = akin_error_memory(err, build->rows * 2 * sizeof *entries, "runs of a segment");
    if (!status)
        status = write_run(build, true, entries, err);
    if (!status)
        status = write_run(build, false, entries, err);
    if (!status)
        status = write_quality(build, err);
    akin_free(entries);
    return status;
}
