/*
 * Texts under a name, for the stages that have something small to remember about the collection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "database.h"

#define VALUE_TEXT_MAX (1 << 20)

static akin_status bind_name(akin_catalog *catalog, sqlite3_stmt *statement, const char *name,
                             akin_error *err)
{
    size_t length = name ? strlen(name) : 0;
    if (length < 1 || length > AKIN_NAME_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "a value's name has 1..%d bytes, not %zu",
                              AKIN_NAME_MAX, length);
    if (sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC) != SQLITE_OK)
        return database_fail(catalog->db, "look for a value", err);
    return AKIN_OK;
}

akin_status akin_catalog_value_get(akin_catalog *catalog, const char *name, char **text,
                                   akin_error *err)
{
    sqlite3_stmt *statement = catalog->statements[STATEMENT_VALUE_GET];
    const char *found = NULL;
    char *copy = NULL;
    bool row = false;
    akin_status status = bind_name(catalog, statement, name, err);
    if (status == AKIN_OK)
        status = database_step(catalog->db, statement, &row, "read a value", err);
    if (status == AKIN_OK && !row)
        status =
            akin_error_set(err, AKIN_ERR_NOT_FOUND, "'%s' has no value '%s'", catalog->dir, name);
    if (status == AKIN_OK && (!database_text(&found, statement, 0, VALUE_TEXT_MAX) || !found))
        status = akin_error_set(err, AKIN_ERR_CORRUPT, "the value '%s' of '%s' is not a text", name,
                                catalog->dir);
    if (status == AKIN_OK && !(copy = akin_strdup(found)))
        status = akin_error_memory(err, strlen(found), "a value");
    sqlite3_reset(statement);
    if (status == AKIN_OK)
        *text = copy;
    return status;
}

akin_status akin_catalog_value_set(akin_catalog *catalog, const char *name, const char *text,
                                   akin_error *err)
{
    sqlite3_stmt *statement = catalog->statements[STATEMENT_VALUE_SET];
    akin_status status = bind_name(catalog, statement, name, err);
    if (status != AKIN_OK)
        return status;
    if (!text || strlen(text) > VALUE_TEXT_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "the value '%s' is %s", name,
                              text ? "longer than 1 MB" : "missing");
    if (sqlite3_bind_text(statement, 2, text, -1, SQLITE_STATIC) != SQLITE_OK)
        return database_fail(catalog->db, "record a value", err);
    return database_write(catalog, statement, "record a value", err);
}
