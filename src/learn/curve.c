/*
 * The learning curve as a table: a row an epoch, kept in memory and written whole each time, so that
 * a resumed run that does an epoch again does not leave it twice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "learn_private.h"

#define BYTES_MAX ((size_t)64 << 20)
#define ROWS_MAX 100000u /* as many as there are epochs at most */

/* The columns behind the whole numbers: epoch, epochs, tiles_unread, collapsed (0 or 1). */
static const struct column {
    const char *name;
    size_t offset; /* in struct curve_row */
    int digits;
} columns[] = {
    {"loss", offsetof(struct curve_row, epoch.loss), 5},
    {"rate", offsetof(struct curve_row, epoch.rate), 7},
    {"alignment", offsetof(struct curve_row, epoch.alignment), 4},
    {"uniformity", offsetof(struct curve_row, epoch.uniformity), 4},
    {"spread", offsetof(struct curve_row, epoch.spread), 4},
    {"effective_rank", offsetof(struct curve_row, epoch.effective_rank), 2},
    {"kept_instant", offsetof(struct curve_row, kept_instant), 4},
    {"kept_net", offsetof(struct curve_row, kept_net), 4},
    {"kept", offsetof(struct curve_row, kept), 4},
    {"views_per_s", offsetof(struct curve_row, epoch.views_per_s), 1},
    {"seconds", offsetof(struct curve_row, epoch.seconds), 2},
};
#define COLUMN_COUNT (sizeof columns / sizeof *columns)

static double *value_of(const struct column *column, struct curve_row *row)
{
    return (double *)((char *)row + column->offset);
}

akin_status curve_add(struct curve *curve, const struct curve_row *row, akin_error *err)
{
    while (curve->count && curve->rows[curve->count - 1].epoch.epoch >= row->epoch.epoch)
        curve->count--;
    if (curve->count == curve->max) {
        size_t more = curve->max ? 2 * curve->max : 64;
        struct curve_row *rows =
            akin_realloc(curve->rows, curve->max * sizeof *rows, more * sizeof *rows);
        if (!rows)
            return akin_error_memory(err, more * sizeof *rows, "the learning curve");
        curve->rows = rows;
        curve->max = more;
    }
    curve->rows[curve->count++] = *row;
    return AKIN_OK;
}

void curve_fini(struct curve *curve)
{
    akin_free(curve->rows);
    *curve = (struct curve){0};
}

/* ---- writing ---- */

static akin_status write_row(const struct curve_row *row, struct akin_buffer *out, akin_error *err)
{
    struct curve_row copy = *row;
    akin_status status =
        akin_buffer_printf(out, err, "%" PRIu32 ",%" PRIu32 ",%" PRIu64 ",%d", row->epoch.epoch,
                           row->epoch.epochs, row->epoch.tiles_unread, row->epoch.collapsed);
    for (size_t i = 0; i < COLUMN_COUNT && status == AKIN_OK; i++) {
        double value = *value_of(&columns[i], &copy);
        status = isfinite(value) ? akin_buffer_printf(out, err, ",%.*f", columns[i].digits, value)
                                 : akin_buffer_append(out, ",", 1, err);
    }
    return status == AKIN_OK ? akin_buffer_append(out, "\n", 1, err) : status;
}

akin_status curve_csv(const struct curve *curve, struct akin_buffer *out, akin_error *err)
{
    akin_status status = akin_buffer_printf(out, err, "epoch,epochs,tiles_unread,collapsed");
    for (size_t i = 0; i < COLUMN_COUNT && status == AKIN_OK; i++)
        status = akin_buffer_printf(out, err, ",%s", columns[i].name);
    if (status == AKIN_OK)
        status = akin_buffer_append(out, "\n", 1, err);
    for (size_t i = 0; i < curve->count && status == AKIN_OK; i++)
        status = write_row(&curve->rows[i], out, err);
    return status;
}

/* ---- reading ---- */

/* Cuts the next cell off the line; NULL at its end. */
static char *next_cell(char **line)
{
    char *cell = *line;
    if (cell) {
        char *comma = strchr(cell, ',');
        if (comma)
            *comma = 0;
        *line = comma ? comma + 1 : NULL;
    }
    return cell;
}

static bool read_row(struct curve_row *out, char *line)
{
    static const uint64_t least[] = {1, 1, 0, 0}, most[] = {ROWS_MAX, ROWS_MAX, UINT64_MAX, 1};
    uint64_t numbers[4];
    *out = (struct curve_row){0};
    for (int i = 0; i < 4; i++) {
        char *cell = next_cell(&line);
        if (!cell || akin_parse_u64(&numbers[i], cell, least[i], most[i], "", NULL) != AKIN_OK)
            return false;
    }
    out->epoch.epoch = (uint32_t)numbers[0];
    out->epoch.epochs = (uint32_t)numbers[1];
    out->epoch.tiles_unread = numbers[2];
    out->epoch.collapsed = numbers[3] != 0;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        char *cell = next_cell(&line);
        double *value = value_of(&columns[i], out);
        *value = NAN;
        if (!cell || (cell[0] && akin_parse_double(value, cell, -1e18, 1e18, "", NULL) != AKIN_OK))
            return false;
    }
    return !line;
}

akin_status curve_load(struct curve *curve, const char *path, akin_error *err)
{
    struct akin_buffer text;
    struct curve_row row;
    akin_buffer_init(&text, BYTES_MAX);
    akin_status status = akin_file_read(&text, path, err);
    char *line = status == AKIN_OK && text.data ? strchr(text.data, '\n') : NULL;
    if (status == AKIN_ERR_NOT_FOUND)
        status = AKIN_OK;
    while (status == AKIN_OK && line && *++line) {
        char *end = strchr(line, '\n');
        if (end)
            *end = 0;
        if (!end || !read_row(&row, line))
            break;
        status = curve_add(curve, &row, err);
        line = end;
    }
    akin_buffer_fini(&text);
    return status;
}
