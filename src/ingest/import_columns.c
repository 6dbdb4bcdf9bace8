/*
 * A CSV, read in order and from its beginning again where a resume needs it, or up to three arrays:
 * keys (n), times (n), places (n, 2) or (n, 4).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "import_columns.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PIECE_ROWS 4096

struct import_columns {
    uint64_t rows;
    char *csv_path; /* NULL: arrays, or nothing */
    struct import_csv *csv;
    uint64_t csv_row; /* the next that it gives */
    akin_array *keys, *times, *places;
    int64_t *integers; /* [PIECE_ROWS] */
    double *numbers;   /* [4 * PIECE_ROWS] */
};

bool import_columns_have_uri(const struct import_columns *columns)
{
    return columns->csv && import_csv_has_uri(columns->csv);
}

/* ---- arrays ---- */

static akin_status open_array(akin_array **out, const char *path, const char *what, uint64_t rows,
                              uint32_t cols1, uint32_t cols2, akin_error *err)
{
    if (!path)
        return AKIN_OK;
    akin_status status = akin_array_open(out, path, NULL, err);
    if (status != AKIN_OK)
        return status;
    const struct akin_array_info *info = akin_array_info(*out);
    if (info->rows != rows)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' has %" PRIu64 " %s for %" PRIu64 " vectors", path, info->rows,
                              what, rows);
    if (info->cols != cols1 && info->cols != cols2)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' has %u numbers a row; %s take %u%s",
                              path, info->cols, what, cols1,
                              cols2 != cols1 ? " (lon, lat) or 4 (west, south, east, north)" : "");
    return AKIN_OK;
}

/* Milliseconds since 1970 of a datetime64, whose least number is "not a time"; plain whole numbers
 * are milliseconds. */
static bool to_ms(int64_t value, const char *unit, struct akin_interval *out)
{
    static const struct {
        const char *unit;
        int64_t times, by;
    } units[] = {{"D", 86400000, 1}, {"h", 3600000, 1}, {"m", 60000, 1},    {"s", 1000, 1},
                 {"ms", 1, 1},       {"us", 1, 1000},   {"ns", 1, 1000000}, {"", 1, 1}};
    size_t i = 0;
    while (strcmp(units[i].unit, unit) != 0)
        i++;
    int64_t ms;
    if (value == INT64_MIN)
        return true;
    if (__builtin_mul_overflow(value, units[i].times, &ms))
        return false;
    ms = ms / units[i].by - (ms % units[i].by < 0);
    /* A day is all of it, anything finer an instant. */
    *out = (struct akin_interval){ms, ms + (i == 0 ? units[0].times : 0)};
    return true;
}

static akin_status read_keys(struct import_columns *columns, uint64_t first, size_t n,
                             struct import_row *rows, akin_error *err)
{
    if (!columns->keys)
        return AKIN_OK;
    akin_status status = akin_array_integers(columns->keys, first, n, columns->integers, err);
    for (size_t i = 0; i < n && status == AKIN_OK; i++) {
        if (columns->integers[i] < 0 || columns->integers[i] > UINT32_MAX)
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "row %" PRIu64 ": the key %" PRId64
                                  " is not in 0..4294967295 (give other names of rows as uri, in a "
                                  "CSV)",
                                  first + i, columns->integers[i]);
        rows[i].key = (uint32_t)columns->integers[i];
    }
    return status;
}

static akin_status read_times(struct import_columns *columns, uint64_t first, size_t n,
                              struct import_row *rows, akin_error *err)
{
    if (!columns->times)
        return AKIN_OK;
    const char *unit = akin_array_info(columns->times)->time_unit;
    akin_status status = akin_array_integers(columns->times, first, n, columns->integers, err);
    for (size_t i = 0; i < n && status == AKIN_OK; i++)
        if (!to_ms(columns->integers[i], unit, &rows[i].time))
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "row %" PRIu64 ": the time %" PRId64 " is too far away",
                                  first + i, columns->integers[i]);
    return status;
}

static bool place_is_valid(struct akin_bbox box)
{
    return fabs(box.west) <= 180 && fabs(box.east) <= 180 && fabs(box.south) <= 90 &&
           fabs(box.north) <= 90 && box.south <= box.north;
}

static akin_status read_places(struct import_columns *columns, uint64_t first, size_t n,
                               struct import_row *rows, akin_error *err)
{
    if (!columns->places)
        return AKIN_OK;
    const size_t cols = akin_array_info(columns->places)->cols;
    akin_status status = akin_array_doubles(columns->places, first, n, columns->numbers, err);
    for (size_t i = 0; i < n && status == AKIN_OK; i++) {
        const double *v = columns->numbers + i * cols;
        const struct akin_bbox box = cols == 2 ? (struct akin_bbox){v[0], v[1], v[0], v[1]}
                                               : (struct akin_bbox){v[0], v[1], v[2], v[3]};
        if (isnan(box.west) && isnan(box.south) && isnan(box.east) && isnan(box.north))
            continue; /* not known */
        if (!place_is_valid(box))
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "row %" PRIu64 ": %g,%g,%g,%g is no place: longitude first, "
                                  "-180 to 180, then latitude, -90 to 90",
                                  first + i, box.west, box.south, box.east, box.north);
        rows[i].bbox = box;
    }
    return status;
}

static akin_status read_arrays(struct import_columns *columns, uint64_t first, size_t n,
                               struct import_row *rows, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t at = 0, now; at < n && status == AKIN_OK; at += now) {
        now = n - at < PIECE_ROWS ? n - at : PIECE_ROWS;
        status = read_keys(columns, first + at, now, rows + at, err);
        if (status == AKIN_OK)
            status = read_times(columns, first + at, now, rows + at, err);
        if (status == AKIN_OK)
            status = read_places(columns, first + at, now, rows + at, err);
    }
    return status;
}

/* ---- a CSV ---- */

static akin_status next_row(struct import_columns *columns, struct import_row *row, akin_error *err)
{
    bool end;
    akin_status status = import_csv_next(columns->csv, row, &end, err);
    if (status == AKIN_OK && end)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' has %" PRIu64 " rows of columns for %" PRIu64 " vectors",
                              columns->csv_path, columns->csv_row, columns->rows);
    columns->csv_row++;
    return status;
}

/* To where row `first` comes next. */
static akin_status seek_row(struct import_columns *columns, uint64_t first, akin_error *err)
{
    struct import_row row;
    akin_status status = AKIN_OK;
    if (first < columns->csv_row) {
        import_csv_close(columns->csv);
        columns->csv = NULL;
        columns->csv_row = 0;
        status = import_csv_open(&columns->csv, columns->csv_path, err);
    }
    while (status == AKIN_OK && columns->csv_row < first)
        status = next_row(columns, &row, err);
    return status;
}

static akin_status keep_text(const char **text, akin_arena *arena, akin_error *err)
{
    if (!**text) {
        *text = NULL;
        return AKIN_OK;
    }
    *text = akin_arena_strdup(arena, *text);
    return *text ? AKIN_OK : akin_error_memory(err, 0, "the columns of a batch");
}

static akin_status read_csv(struct import_columns *columns, uint64_t first, size_t n,
                            struct import_row *rows, akin_arena *arena, akin_error *err)
{
    akin_status status = seek_row(columns, first, err);
    for (size_t i = 0; i < n && status == AKIN_OK; i++) {
        status = next_row(columns, &rows[i], err);
        if (status == AKIN_OK)
            status = keep_text(&rows[i].uri, arena, err);
        if (status == AKIN_OK)
            status = keep_text(&rows[i].label, arena, err);
    }
    return status;
}

akin_status import_columns_read(struct import_columns *columns, uint64_t first, size_t n,
                                struct import_row *rows, akin_arena *arena, akin_error *err)
{
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct import_row){.key = (uint32_t)(first + i),
                                      .time = akin_interval_unknown(),
                                      .bbox = akin_bbox_unknown()};
    return columns->csv_path ? read_csv(columns, first, n, rows, arena, err)
                             : read_arrays(columns, first, n, rows, err);
}

/* ---- both ---- */

akin_status import_columns_check(struct import_columns *columns, akin_error *err)
{
    struct import_row *rows = akin_alloc(PIECE_ROWS, sizeof *rows);
    akin_status status = rows ? AKIN_OK : akin_error_memory(err, 0, "the columns of a batch");
    bool end = true;
    if (columns->csv_path) {
        status = status == AKIN_OK ? seek_row(columns, columns->rows, err) : status;
        if (status == AKIN_OK)
            status = import_csv_next(columns->csv, rows, &end, err);
        columns->csv_row++;
        if (status == AKIN_OK && !end)
            status = akin_error_set(err, AKIN_ERR_INVALID,
                                    "'%s' has more rows of columns than the %" PRIu64 " vectors",
                                    columns->csv_path, columns->rows);
    } else {
        for (uint64_t at = 0; at < columns->rows && status == AKIN_OK; at += PIECE_ROWS) {
            const uint64_t left = columns->rows - at;
            status = import_columns_read(columns, at, left < PIECE_ROWS ? (size_t)left : PIECE_ROWS,
                                         rows, NULL, err);
        }
    }
    akin_free(rows);
    return status;
}

akin_status import_columns_open(struct import_columns **out,
                                const struct akin_import_options *options, uint64_t rows,
                                akin_error *err)
{
    if (options->columns && (options->keys || options->times || options->places))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "columns come from a CSV or from arrays, not from both");
    struct import_columns *columns = akin_alloc_zero(1, sizeof *columns);
    if (!columns)
        return akin_error_memory(err, sizeof *columns, "columns");
    columns->rows = rows;
    columns->integers = akin_alloc(PIECE_ROWS, sizeof *columns->integers);
    columns->numbers = akin_alloc(4 * PIECE_ROWS, sizeof *columns->numbers);
    columns->csv_path = akin_strdup(options->columns);
    akin_status status = AKIN_OK;
    if (!columns->integers || !columns->numbers || (options->columns && !columns->csv_path))
        status = akin_error_memory(err, 4 * PIECE_ROWS * sizeof *columns->numbers, "columns");
    if (status == AKIN_OK && options->columns)
        status = import_csv_open(&columns->csv, options->columns, err);
    if (status == AKIN_OK)
        status = open_array(&columns->keys, options->keys, "keys", rows, 1, 1, err);
    if (status == AKIN_OK)
        status = open_array(&columns->times, options->times, "times", rows, 1, 1, err);
    if (status == AKIN_OK)
        status = open_array(&columns->places, options->places, "places", rows, 2, 4, err);
    if (status == AKIN_OK)
        *out = columns;
    else
        import_columns_close(columns);
    return status;
}

void import_columns_close(struct import_columns *columns)
{
    if (!columns)
        return;
    import_csv_close(columns->csv);
    akin_array_close(columns->keys);
    akin_array_close(columns->times);
    akin_array_close(columns->places);
    akin_free(columns->csv_path);
    akin_free(columns->integers);
    akin_free(columns->numbers);
    akin_free(columns);
}
