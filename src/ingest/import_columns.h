/*
 * What is known of imported vectors: a row of columns each, from a CSV or from arrays.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INGEST_IMPORT_COLUMNS_H
#define INGEST_IMPORT_COLUMNS_H

#include "akin/array.h"
#include "akin/ingest.h"

struct import_row {
    uint32_t key;            /* within its image; without such a column the row's number */
    const char *uri, *label; /* borrowed from the arena; NULL unknown */
    struct akin_interval time;
    struct akin_bbox bbox;
};

struct import_columns;

/* AKIN_ERR_INVALID for columns that do not go together, and for arrays that have not as many rows
 * as there are vectors. */
akin_status import_columns_open(struct import_columns **out,
                                const struct akin_import_options *options, uint64_t rows,
                                akin_error *err);
void import_columns_close(struct import_columns *columns); /* takes NULL */

/* Reads every row once, so that a fault in the last one is told before anything is written, and that
 * there are as many as vectors. */
akin_status import_columns_check(struct import_columns *columns, akin_error *err);
/* Rows [first, first + n); texts go into the arena. */
akin_status import_columns_read(struct import_columns *columns, uint64_t first, size_t n,
                                struct import_row *rows, akin_arena *arena, akin_error *err);
/* Whether every row has an image of its own, or no row has. */
bool import_columns_have_uri(const struct import_columns *columns);

/* ---- import_csv.c ---- */

struct import_csv;
akin_status import_csv_open(struct import_csv **out, const char *path, akin_error *err);
void import_csv_close(struct import_csv *csv);
bool import_csv_has_uri(const struct import_csv *csv);
/* The next row; *end where there is none. key is left as it is where there is no such column. Texts
 * are borrowed until the next call. */
akin_status import_csv_next(struct import_csv *csv, struct import_row *row, bool *end,
                            akin_error *err);

#endif
