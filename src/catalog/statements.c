/*
 * Preparing the statements of statements.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "statements.h"

#include "database.h"

static const char *const texts[STATEMENT_COUNT] = {
#define X(name, sql) [STATEMENT_##name] = sql,
    STATEMENTS(X)
#undef X
};

const char *statement_sql(enum statement which)
{
    return texts[which];
}

akin_status statements_prepare(sqlite3_stmt **out, sqlite3 *db, akin_error *err)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        out[i] = NULL;
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        int rc = sqlite3_prepare_v3(db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &out[i], NULL);
        if (rc == SQLITE_OK)
            continue;
        statements_finalize(out);
        /* "no such table" is all that SQLITE_ERROR can mean here: the texts are constant. */
        if ((rc & 0xff) == SQLITE_ERROR)
            return akin_error_set(err, AKIN_ERR_CORRUPT,
                                  "'%s' lacks a part of its schema: %s; restore it from a copy",
                                  sqlite3_db_filename(db, "main"), sqlite3_errmsg(db));
        return database_fail(db, "read the schema", err);
    }
    return AKIN_OK;
}

void statements_finalize(sqlite3_stmt **statements)
{
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(statements[i]);
        statements[i] = NULL;
    }
}
