/*
 * CSV (RFC 4180), read strictly and a row at a time, so that a file may be larger than memory: a
 * fault names the line. And fields written.
 *
 *     akin_csv *csv;
 *     akin_csv_open(&csv, "columns.csv", &err);
 *     while (akin_csv_next(csv, &fields, &count, &end, &err) == AKIN_OK && !end) ...
 *     akin_csv_close(csv);
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_CSV_H
#define AKIN_CORE_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "akin/core/memory.h"
#include "akin/core/status.h"

#pragma GCC visibility push(default)

#define AKIN_CSV_ROW_BYTES_MAX ((size_t)16 << 20)
#define AKIN_CSV_FIELDS_MAX 1024

typedef struct akin_csv akin_csv;

/* A file, or a text that is borrowed until close; `name` is for messages. A byte order mark is
 * passed over. */
akin_status akin_csv_open(akin_csv **out, const char *path, akin_error *err);
akin_status akin_csv_parse(akin_csv **out, const char *text, size_t bytes, const char *name,
                           akin_error *err);
void akin_csv_close(akin_csv *csv); /* takes NULL */

/* The next row's fields, borrowed until the next call; lines end in LF or CRLF, blank ones are
 * passed over. *end where there are no more. AKIN_ERR_INVALID for a quote in or text after a quoted
 * field's end, a missing closing quote, a NUL, a carriage return without a line feed;
 * AKIN_ERR_LIMIT for a row that is too long. */
akin_status akin_csv_next(akin_csv *csv, char ***fields, size_t *count, bool *end, akin_error *err);
/* The same where every row has `count` fields: AKIN_ERR_INVALID where it has not. */
akin_status akin_csv_next_of(akin_csv *csv, char ***fields, size_t count, bool *end,
                             akin_error *err);
/* Of the row that was read last, from 1; its first one where a field has line ends in it. */
unsigned long akin_csv_line(const akin_csv *csv);

/* Appends a field, in quotes where it must be; NULL as an empty one. */
akin_status akin_csv_append(struct akin_buffer *out, const char *field, akin_error *err);

#pragma GCC visibility pop

#endif
