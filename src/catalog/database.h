/*
 * The connection to SQLite and the handle that the stage's files share: opening with the right
 * settings, SQLite's result codes as ours, and the prepared statements' way to run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CATALOG_DATABASE_H
#define AKIN_CATALOG_DATABASE_H

#include <sqlite3.h>

#include "akin/catalog.h"
#include "statements.h"

#define DATABASE_FILE "collection.sqlite"
#define DATABASE_APPLICATION_ID 0x616b696e /* "akin", at offset 68 of the file */

struct akin_catalog {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    akin_lock *lock; /* NULL for a reader */
    char *dir;
    struct akin_settings settings;
    enum akin_open mode;
    bool in_transaction;   /* between akin_catalog_begin and commit or rollback */
    uint32_t bands_before; /* settings.bands when it began: what a rollback goes back to */
    uint64_t pack_last;    /* the largest pack id given out by this handle */
};

/* Opens the file, which must be there, checks that it is ours and sets the connection up. *version
 * is its schema's. */
akin_status database_open(sqlite3 **out, const char *path, enum akin_open mode, int64_t *version,
                          akin_error *err);
/* A new file in WAL mode with the newest schema and these settings; fsynced when it returns. */
akin_status database_create(const char *path, const struct akin_settings *settings,
                            akin_error *err);

/* The status for the last failure on `db`; the text is "cannot WHAT in 'FILE': why". */
akin_status database_fail(sqlite3 *db, const char *what, akin_error *err);
akin_status database_exec(sqlite3 *db, const char *sql, const char *what, akin_error *err);
/* The first column of the first row of `sql`. */
akin_status database_integer(sqlite3 *db, const char *sql, int64_t *out, akin_error *err);

/* Steps once; *row tells whether there is one. The statement is reset unless there is. */
akin_status database_step(sqlite3 *db, sqlite3_stmt *statement, bool *row, const char *what,
                          akin_error *err);
/* Runs a statement that gives no rows, for a catalogue that may be written to. */
akin_status database_write(akin_catalog *catalog, sqlite3_stmt *statement, const char *what,
                           akin_error *err);
/* AKIN_ERR_INVALID for a reader; the reason where SQLite gave the open transaction up. */
akin_status database_check_write(const akin_catalog *catalog, const char *what, akin_error *err);

/* A text column of at most `bytes_max` bytes, borrowed until the next step; NULL for SQL's NULL.
 * False where it is longer, of another type, or holds a NUL. */
bool database_text(const char **out, sqlite3_stmt *statement, int column, size_t bytes_max);

#endif
