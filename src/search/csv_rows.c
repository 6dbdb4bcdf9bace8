/*
 * RFC 4180 with LF as well as CRLF at the ends of lines. Unquoting only shortens a field, so fields
 * are written over the text they came from and each ends in a NUL where its comma or line end was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "csv_rows.h"

#include <string.h>

void csv_rows_init(struct csv_rows *rows, char *text, size_t size, const char *name)
{
    static const char mark[] = "\xef\xbb\xbf"; /* a byte order mark, as spreadsheets write it */
    const size_t skip = size >= 3 && !memcmp(text, mark, 3) ? 3 : 0;
    *rows = (struct csv_rows){.text = text, .size = size, .at = skip, .next_line = 1, .name = name};
}

static akin_status fault(const struct csv_rows *rows, akin_error *err, const char *what)
{
    return akin_error_set(err, AKIN_ERR_INVALID, "'%s' line %lu: %s", rows->name, rows->line, what);
}

/* What stands at the reader: a comma, a line's end (with its length) or the end of the text. */
enum mark { MARK_NONE, MARK_COMMA, MARK_LINE, MARK_END };

static enum mark mark_at(const struct csv_rows *rows, size_t *length)
{
    *length = 1;
    if (rows->at >= rows->size) {
        *length = 0;
        return MARK_END;
    }
    const char c = rows->text[rows->at];
    if (c == ',')
        return MARK_COMMA;
    if (c == '\n')
        return MARK_LINE;
    if (c == '\r' && rows->at + 1 < rows->size && rows->text[rows->at + 1] == '\n') {
        *length = 2;
        return MARK_LINE;
    }
    return MARK_NONE;
}

/* Reads up to the closing quote; `to` is where the field is being written. */
static akin_status read_quoted(struct csv_rows *rows, char **to, akin_error *err)
{
    for (rows->at++; rows->at < rows->size; rows->at++) {
        char c = rows->text[rows->at];
        if (c == '"') {
            rows->at++;
            if (rows->at >= rows->size || rows->text[rows->at] != '"')
                return AKIN_OK;
        } else if (c == '\0') {
            return fault(rows, err, "a NUL byte: this is no text file");
        } else if (c == '\n') {
            rows->next_line++;
        }
        *(*to)++ = c;
    }
    return fault(rows, err, "the closing quote is missing");
}

/* One field and the mark behind it; the field is terminated. */
static akin_status read_field(struct csv_rows *rows, char **field, enum mark *mark, akin_error *err)
{
    size_t length;
    char *to = *field = rows->text + rows->at;
    if (rows->at < rows->size && rows->text[rows->at] == '"') {
        akin_status status = read_quoted(rows, &to, err);
        if (status != AKIN_OK)
            return status;
        *mark = mark_at(rows, &length);
        if (*mark == MARK_NONE)
            return fault(rows, err, "text after a closing quote");
    } else {
        while ((*mark = mark_at(rows, &length)) == MARK_NONE) {
            char c = rows->text[rows->at++];
            if (c == '"' || c == '\r' || c == '\0')
                return fault(rows, err,
                             c == '"' ? "a quote inside a field that is not quoted"
                                      : "a control character inside a field");
            to++;
        }
    }
    rows->at += length;
    rows->next_line += *mark == MARK_LINE;
    *to = '\0'; /* at the latest over the mark, which is behind us */
    return AKIN_OK;
}

static void skip_blank_lines(struct csv_rows *rows)
{
    size_t length;
    while (mark_at(rows, &length) == MARK_LINE) {
        rows->at += length;
        rows->next_line++;
    }
}

akin_status csv_rows_next(struct csv_rows *rows, char **fields, size_t count, bool *end,
                          akin_error *err)
{
    skip_blank_lines(rows);
    rows->line = rows->next_line;
    *end = rows->at >= rows->size;
    if (*end)
        return AKIN_OK;
    enum mark mark = MARK_COMMA;
    size_t found = 0;
    while (mark == MARK_COMMA) {
        char *field;
        akin_status status = read_field(rows, &field, &mark, err);
        if (status != AKIN_OK)
            return status;
        if (found < count)
            fields[found] = field;
        found++;
    }
    if (found != count)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' line %lu: %zu field%s where %zu belong",
                              rows->name, rows->line, found, found == 1 ? "" : "s", count);
    return AKIN_OK;
}
