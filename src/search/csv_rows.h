/*
 * Rows of a CSV text (RFC 4180), strictly: a fault names the line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_CSV_ROWS_H
#define AKIN_SEARCH_CSV_ROWS_H

#include "akin/core.h"

/* Steps over `text` (size bytes and a NUL), which it takes apart in place. Zero `at` and `line` to
 * begin. */
struct csv_rows {
    char *text;
    size_t size, at;
    unsigned long line; /* of the row that was read last, from 1 */
    unsigned long next_line;
    const char *name; /* for messages */
};
void csv_rows_init(struct csv_rows *rows, char *text, size_t size, const char *name);

/* The next row's `count` fields, borrowed from the text; blank lines are passed over. *end where
 * there are no more. AKIN_ERR_INVALID for another count, a quote in or text after a quoted field's
 * end, a missing closing quote, a NUL or a carriage return without a line feed. */
akin_status csv_rows_next(struct csv_rows *rows, char **fields, size_t count, bool *end,
                          akin_error *err);

#endif
