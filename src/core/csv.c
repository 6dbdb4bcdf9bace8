/*
 * RFC 4180 with LF as well as CRLF at the ends of lines. A window over the text holds the row that
 * is read: first its end is looked for (the first line end outside of quotes), reading more as
 * needed; then it is taken apart in place. Unquoting only shortens a field, so fields are written
 * over the text they came from and each ends in a NUL where its comma or line end was.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "csv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "akin/core/file.h"

#define STEP_BYTES ((size_t)64 << 10)

struct akin_csv {
    char *name;
    int fd;           /* -1 where it is a text */
    const char *text; /* borrowed; what is not in the window yet */
    size_t text_bytes;
    size_t step;
    bool all_read;

    struct akin_buffer window; /* its data ends with a NUL */
    size_t at;                 /* where the reader is in it */
    unsigned long line, next_line;
    char **fields;
    size_t field_max;
};

static akin_status fault(const akin_csv *csv, akin_error *err, const char *what)
{
    return akin_error_set(err, AKIN_ERR_INVALID, "'%s' line %lu: %s", csv->name, csv->line, what);
}

/* ---- the window ---- */

static akin_status read_text(akin_csv *csv, akin_error *err)
{
    const size_t bytes = csv->step < csv->text_bytes ? csv->step : csv->text_bytes;
    csv->all_read = bytes == csv->text_bytes;
    akin_status status = bytes ? akin_buffer_append(&csv->window, csv->text, bytes, err) : AKIN_OK;
    csv->text += bytes;
    csv->text_bytes -= bytes;
    return status;
}

static akin_status read_file(akin_csv *csv, akin_error *err)
{
    akin_status status = akin_buffer_reserve(&csv->window, csv->step + 1, err);
    if (status != AKIN_OK)
        return status;
    ssize_t bytes;
    do
        bytes = read(csv->fd, csv->window.data + csv->window.size, csv->step);
    while (bytes < 0 && errno == EINTR);
    if (bytes < 0)
        return akin_error_errno(err, errno, "cannot read '%s'", csv->name);
    csv->all_read = bytes == 0;
    csv->window.size += (size_t)bytes;
    csv->window.data[csv->window.size] = '\0';
    return AKIN_OK;
}

/* What was read goes, what comes is appended. */
static akin_status read_more(akin_csv *csv, akin_error *err)
{
    if (csv->at) {
        memmove(csv->window.data, csv->window.data + csv->at, csv->window.size - csv->at);
        csv->window.size -= csv->at;
        csv->at = 0;
    }
    akin_status status = csv->fd >= 0 ? read_file(csv, err) : read_text(csv, err);
    return status == AKIN_ERR_LIMIT
               ? akin_error_set(err, status,
                                "'%s' line %lu: a row of more than %zu bytes (is a closing "
                                "quote missing?)",
                                csv->name, csv->next_line, AKIN_CSV_ROW_BYTES_MAX)
               : status;
}

/* *end: behind the row that begins at csv->at, its line end included. */
static akin_status find_end(akin_csv *csv, size_t *end, akin_error *err)
{
    bool quoted = false;
    for (size_t i = csv->at;; i++) {
        while (i == csv->window.size) {
            i -= csv->at; /* the window moves */
            if (csv->all_read) {
                *end = csv->window.size;
                return AKIN_OK;
            }
            akin_status status = read_more(csv, err);
            if (status != AKIN_OK)
                return status;
        }
        const char c = csv->window.data[i];
        quoted ^= c == '"';
        if (c == '\n' && !quoted) {
            *end = i + 1;
            return AKIN_OK;
        }
    }
}

/* ---- a row ---- */

/* What stands at the reader: a comma, a line's end (with its length) or the end of the row's text. */
enum mark { MARK_NONE, MARK_COMMA, MARK_LINE, MARK_END };

static enum mark mark_at(const akin_csv *csv, size_t end, size_t *length)
{
    const char *text = csv->window.data;
    *length = 1;
    if (csv->at >= end) {
        *length = 0;
        return MARK_END;
    }
    const char c = text[csv->at];
    if (c == ',')
        return MARK_COMMA;
    if (c == '\n')
        return MARK_LINE;
    if (c == '\r' && csv->at + 1 < end && text[csv->at + 1] == '\n') {
        *length = 2;
        return MARK_LINE;
    }
    return MARK_NONE;
}

/* Reads up to the closing quote; `to` is where the field is being written. */
static akin_status read_quoted(akin_csv *csv, size_t end, char **to, akin_error *err)
{
    const char *text = csv->window.data;
    for (csv->at++; csv->at < end; csv->at++) {
        const char c = text[csv->at];
        if (c == '"') {
            csv->at++;
            if (csv->at >= end || text[csv->at] != '"')
                return AKIN_OK;
        } else if (c == '\0') {
            return fault(csv, err, "a NUL byte: this is no text file");
        } else if (c == '\n') {
            csv->next_line++;
        }
        *(*to)++ = c;
    }
    return fault(csv, err, "the closing quote is missing");
}

static akin_status read_plain(akin_csv *csv, size_t end, char **to, enum mark *mark, size_t *length,
                              akin_error *err)
{
    while ((*mark = mark_at(csv, end, length)) == MARK_NONE) {
        const char c = csv->window.data[csv->at++];
        if (c == '"' || c == '\r' || c == '\0')
            return fault(csv, err,
                         c == '"' ? "a quote inside a field that is not quoted"
                                  : "a control character inside a field");
        (*to)++;
    }
    return AKIN_OK;
}

/* One field and the mark behind it; the field is terminated. */
static akin_status read_field(akin_csv *csv, size_t end, char **field, enum mark *mark,
                              akin_error *err)
{
    size_t length;
    char *to = *field = csv->window.data + csv->at;
    akin_status status;
    if (csv->at < end && csv->window.data[csv->at] == '"') {
        status = read_quoted(csv, end, &to, err);
        *mark = mark_at(csv, end, &length);
        if (status == AKIN_OK && *mark == MARK_NONE)
            status = fault(csv, err, "text after a closing quote");
    } else {
        status = read_plain(csv, end, &to, mark, &length, err);
    }
    if (status != AKIN_OK)
        return status;
    csv->at += length;
    csv->next_line += *mark == MARK_LINE;
    *to = '\0'; /* at the latest over the mark, which is behind us */
    return AKIN_OK;
}

static akin_status push_field(akin_csv *csv, size_t count, char *field, akin_error *err)
{
    if (count == AKIN_CSV_FIELDS_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "'%s' line %lu: more than %d fields", csv->name,
                              csv->line, AKIN_CSV_FIELDS_MAX);
    if (count == csv->field_max) {
        const size_t more = count ? 2 * count : 16;
        char **fields = akin_realloc(csv->fields, count * sizeof *fields, more * sizeof *fields);
        if (!fields)
            return akin_error_memory(err, more * sizeof *fields, "a row's fields");
        csv->fields = fields;
        csv->field_max = more;
    }
    csv->fields[count] = field;
    return AKIN_OK;
}

/* The end of the next row that is not blank; the window's end where there is none. */
static akin_status find_row(akin_csv *csv, size_t *end, akin_error *err)
{
    for (;;) {
        akin_status status = find_end(csv, end, err);
        if (status != AKIN_OK)
            return status;
        size_t length;
        if (mark_at(csv, *end, &length) != MARK_LINE)
            return AKIN_OK;
        csv->at = *end;
        csv->next_line++;
    }
}

akin_status akin_csv_next(akin_csv *csv, char ***fields, size_t *count, bool *end, akin_error *err)
{
    size_t row_end;
    akin_status status = find_row(csv, &row_end, err);
    if (status != AKIN_OK)
        return status;
    csv->line = csv->next_line;
    *count = 0;
    *end = csv->at >= row_end;
    enum mark mark = *end ? MARK_END : MARK_COMMA;
    while (mark == MARK_COMMA && status == AKIN_OK) {
        char *field;
        status = read_field(csv, row_end, &field, &mark, err);
        if (status == AKIN_OK)
            status = push_field(csv, (*count)++, field, err);
    }
    *fields = csv->fields;
    return status;
}

akin_status akin_csv_next_of(akin_csv *csv, char ***fields, size_t count, bool *end,
                             akin_error *err)
{
    size_t found;
    akin_status status = akin_csv_next(csv, fields, &found, end, err);
    if (status == AKIN_OK && !*end && found != count)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' line %lu: %zu field%s where %zu belong",
                              csv->name, csv->line, found, found == 1 ? "" : "s", count);
    return status;
}

unsigned long akin_csv_line(const akin_csv *csv)
{
    return csv->line;
}

/* ---- opening ---- */

/* A byte order mark, as spreadsheets write it. */
static akin_status skip_mark(akin_csv *csv, akin_error *err)
{
    static const char mark[] = "\xef\xbb\xbf";
    while (csv->window.size < 3 && !csv->all_read) {
        akin_status status = read_more(csv, err);
        if (status != AKIN_OK)
            return status;
    }
    if (csv->window.size >= 3 && !memcmp(csv->window.data, mark, 3))
        csv->at = 3;
    return AKIN_OK;
}

static akin_status csv_create(akin_csv **out, const char *name, akin_error *err)
{
    akin_csv *csv = akin_alloc_zero(1, sizeof *csv);
    if (!csv)
        return akin_error_memory(err, sizeof *csv, "a CSV reader");
    akin_buffer_init(&csv->window, AKIN_CSV_ROW_BYTES_MAX + 2 * STEP_BYTES);
    csv->fd = -1;
    csv->next_line = 1;
    csv->step = STEP_BYTES;
    csv->name = akin_strdup(name);
    if (!csv->name) {
        akin_csv_close(csv);
        return akin_error_memory(err, strlen(name) + 1, "a CSV reader");
    }
    *out = csv;
    return AKIN_OK;
}

akin_status akin_csv_open(akin_csv **out, const char *path, akin_error *err)
{
    struct akin_file_stat stat;
    akin_csv *csv = NULL;
    akin_status status = akin_file_stat(&stat, path, err);
    if (status == AKIN_OK && !stat.is_regular)
        status = akin_error_set(err, AKIN_ERR_INVALID, "'%s' is not a file", path);
    if (status == AKIN_OK)
        status = csv_create(&csv, path, err);
    if (status != AKIN_OK)
        return status;
    csv->fd = open(path, O_RDONLY | O_CLOEXEC);
    status =
        csv->fd >= 0 ? skip_mark(csv, err) : akin_error_errno(err, errno, "cannot open '%s'", path);
    if (status == AKIN_OK)
        *out = csv;
    else
        akin_csv_close(csv);
    return status;
}

akin_status csv_parse_stepped(akin_csv **out, const char *text, size_t bytes, size_t step,
                              const char *name, akin_error *err)
{
    akin_csv *csv = NULL;
    akin_status status = csv_create(&csv, name, err);
    if (status != AKIN_OK)
        return status;
    csv->text = text;
    csv->text_bytes = bytes;
    csv->step = step;
    status = skip_mark(csv, err);
    if (status == AKIN_OK)
        *out = csv;
    else
        akin_csv_close(csv);
    return status;
}

akin_status akin_csv_parse(akin_csv **out, const char *text, size_t bytes, const char *name,
                           akin_error *err)
{
    return csv_parse_stepped(out, text, bytes, STEP_BYTES, name, err);
}

void akin_csv_close(akin_csv *csv)
{
    if (!csv)
        return;
    if (csv->fd >= 0)
        close(csv->fd);
    akin_buffer_fini(&csv->window);
    akin_free(csv->fields);
    akin_free(csv->name);
    akin_free(csv);
}

/* ---- writing ---- */

akin_status akin_csv_append(struct akin_buffer *out, const char *field, akin_error *err)
{
    if (!field)
        return AKIN_OK;
    if (!strpbrk(field, ",\"\r\n"))
        return akin_buffer_append(out, field, strlen(field), err);
    akin_status status = akin_buffer_append(out, "\"", 1, err);
    for (const char *at = field; *at && status == AKIN_OK; at++)
        status = akin_buffer_append(out, *at == '"' ? "\"\"" : at, *at == '"' ? 2 : 1, err);
    return status == AKIN_OK ? akin_buffer_append(out, "\"", 1, err) : status;
}
