/*
 * Marks as a journal: every change is a row, the last of a person, tile and set that was not undone is
 * its `latest`. Undoing marks the row and makes the one before it the latest again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "database.h"
#include "keys.h"

#define NAME_BYTES_MAX 63

static const char *const names[AKIN_MARK_KINDS] = {"none", "like", "unlike", "unsure"};

const char *akin_mark_name(enum akin_mark_kind kind)
{
    return (unsigned)kind < AKIN_MARK_KINDS ? names[kind] : "?";
}

akin_status akin_mark_parse(enum akin_mark_kind *out, const char *text, akin_error *err)
{
    for (int i = AKIN_MARK_LIKE; i < AKIN_MARK_KINDS; i++)
        if (!strcmp(text, names[i])) {
            *out = (enum akin_mark_kind)i;
            return AKIN_OK;
        }
    return akin_error_set(err, AKIN_ERR_INVALID, "a mark is like, unlike or unsure, not '%.40s'",
                          text);
}

static akin_status check_set(const char *set, akin_error *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t length = set ? strlen(set) : 0;
    if (length >= 1 && length <= NAME_BYTES_MAX && set[0] != '.' && strspn(set, allowed) == length)
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_INVALID,
                          "a set of marks is called by 1 to %d of A-Z a-z 0-9 . _ -, not '%.70s'",
                          NAME_BYTES_MAX, set ? set : "");
}

static akin_status check_person(const char *by, akin_error *err)
{
    const size_t length = by ? strlen(by) : 0;
    bool fine = length >= 1 && length <= NAME_BYTES_MAX;
    for (size_t i = 0; i < length && fine; i++)
        fine = (unsigned char)by[i] >= 0x20 && by[i] != 0x7f;
    return fine ? AKIN_OK
                : akin_error_set(err, AKIN_ERR_INVALID,
                                 "a person's name has 1 to %d bytes and no control characters",
                                 NAME_BYTES_MAX);
}

static akin_status begin(akin_catalog *catalog, akin_error *err)
{
    if (catalog->mode == AKIN_OPEN_READ)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' was opened for reading only",
                              catalog->dir);
    if (!sqlite3_get_autocommit(catalog->db))
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' is being written to or listed",
                              catalog->dir);
    return database_exec(catalog->db, "BEGIN IMMEDIATE", "begin to mark", err);
}

static akin_status end(akin_catalog *catalog, akin_status status, akin_error *err)
{
    if (status == AKIN_OK)
        status = database_exec(catalog->db, "COMMIT", "commit a mark", err);
    if (status != AKIN_OK && !sqlite3_get_autocommit(catalog->db))
        database_exec(catalog->db, "ROLLBACK", "roll back", NULL);
    return status;
}

/* Binds what a statement about one tile, set and person begins with. */
static sqlite3_stmt *prepare(akin_catalog *catalog, enum statement which, const char *set,
                             uint64_t key, const char *by)
{
    sqlite3_stmt *statement = catalog->statements[which];
    sqlite3_bind_text(statement, 1, set, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, key_to_sql(key));
    sqlite3_bind_text(statement, 3, by, -1, SQLITE_STATIC);
    return statement;
}

static akin_status run(akin_catalog *catalog, sqlite3_stmt *statement, akin_error *err)
{
    bool row;
    akin_status status = database_step(catalog->db, statement, &row, "mark a tile", err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

/* What counts now; NONE where nothing does. */
static akin_status mark_now(akin_catalog *catalog, const char *set, uint64_t key, const char *by,
                            enum akin_mark_kind *out, akin_error *err)
{
    sqlite3_stmt *statement = prepare(catalog, STATEMENT_MARK_NOW, set, key, by);
    bool row = false;
    akin_status status = database_step(catalog->db, statement, &row, "read a mark", err);
    const int64_t kind = status == AKIN_OK && row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    *out = kind > 0 && kind < AKIN_MARK_KINDS ? (enum akin_mark_kind)kind : AKIN_MARK_NONE;
    return status;
}

static akin_status add(akin_catalog *catalog, const char *set, const struct akin_mark *mark,
                       akin_error *err)
{
    enum akin_mark_kind now;
    akin_status status = mark_now(catalog, set, mark->key, mark->by, &now, err);
    if (status == AKIN_OK && mark->kind == AKIN_MARK_NONE && now == AKIN_MARK_NONE)
        status = akin_error_set(err, AKIN_ERR_NOT_FOUND, "'%s' has no mark of tile %016llx by '%s'",
                                set, (unsigned long long)mark->key, mark->by);
    if (status == AKIN_OK)
        status =
            run(catalog, prepare(catalog, STATEMENT_MARK_OUTDATE, set, mark->key, mark->by), err);
    if (status != AKIN_OK)
        return status;
    sqlite3_stmt *statement = prepare(catalog, STATEMENT_MARK_ADD, set, mark->key, mark->by);
    sqlite3_bind_int64(statement, 4, mark->kind);
    sqlite3_bind_int64(statement, 5, mark->at_ms);
    return run(catalog, statement, err);
}

akin_status akin_catalog_mark(akin_catalog *catalog, const char *set, const struct akin_mark *mark,
                              akin_error *err)
{
    akin_status status = check_set(set, err);
    if (status == AKIN_OK)
        status = check_person(mark->by, err);
    if (status == AKIN_OK && (unsigned)mark->kind >= AKIN_MARK_KINDS)
        status = akin_error_set(err, AKIN_ERR_INVALID, "there is no such kind of mark: %d",
                                (int)mark->kind);
    if (status == AKIN_OK)
        status = begin(catalog, err);
    return status == AKIN_OK ? end(catalog, add(catalog, set, mark, err), err) : status;
}

static akin_status undo(akin_catalog *catalog, const char *set, const char *by,
                        struct akin_mark *out, akin_error *err)
{
    sqlite3_stmt *last = catalog->statements[STATEMENT_MARK_LAST];
    bool row = false;
    sqlite3_bind_text(last, 1, set, -1, SQLITE_STATIC);
    sqlite3_bind_text(last, 2, by, -1, SQLITE_STATIC);
    akin_status status = database_step(catalog->db, last, &row, "read a mark", err);
    const int64_t id = row ? sqlite3_column_int64(last, 0) : 0;
    out->key = row ? key_from_sql(sqlite3_column_int64(last, 1)) : 0;
    sqlite3_reset(last);
    sqlite3_clear_bindings(last);
    if (status == AKIN_OK && !row)
        return akin_error_set(err, AKIN_ERR_NOT_FOUND, "'%s' has nothing by '%s' to undo", set, by);
    if (status == AKIN_OK) {
        sqlite3_stmt *statement = catalog->statements[STATEMENT_MARK_UNDO];
        sqlite3_bind_int64(statement, 1, id);
        status = run(catalog, statement, err);
    }
    if (status == AKIN_OK)
        status = run(catalog, prepare(catalog, STATEMENT_MARK_REVIVE, set, out->key, by), err);
    return status == AKIN_OK ? mark_now(catalog, set, out->key, by, &out->kind, err) : status;
}

akin_status akin_catalog_mark_undo(akin_catalog *catalog, const char *set, const char *by,
                                   struct akin_mark *out, akin_error *err)
{
    struct akin_mark mark = {.by = by};
    akin_status status = check_set(set, err);
    if (status == AKIN_OK)
        status = check_person(by, err);
    if (status == AKIN_OK)
        status = begin(catalog, err);
    if (status == AKIN_OK)
        status = end(catalog, undo(catalog, set, by, &mark, err), err);
    if (status == AKIN_OK)
        *out = mark;
    return status;
}

akin_status akin_catalog_marks(akin_catalog *catalog, const char *set, akin_mark_fn *fn, void *user,
                               akin_error *err)
{
    sqlite3_stmt *statement = catalog->statements[STATEMENT_MARKS];
    akin_status status = check_set(set, err);
    bool row = true;
    if (status != AKIN_OK)
        return status;
    sqlite3_bind_text(statement, 1, set, -1, SQLITE_STATIC);
    while (status == AKIN_OK) {
        struct akin_mark mark;
        status = database_step(catalog->db, statement, &row, "read the marks", err);
        if (status != AKIN_OK || !row)
            break;
        const int64_t kind = sqlite3_column_int64(statement, 1);
        if (kind < 1 || kind >= AKIN_MARK_KINDS ||
            !database_text(&mark.by, statement, 2, NAME_BYTES_MAX) || !mark.by) {
            status = akin_error_set(err, AKIN_ERR_CORRUPT, "a mark of '%s' in '%s' is damaged", set,
                                    catalog->dir);
            break;
        }
        mark.key = key_from_sql(sqlite3_column_int64(statement, 0));
        mark.kind = (enum akin_mark_kind)kind;
        mark.at_ms = sqlite3_column_int64(statement, 3);
        if (!fn(user, &mark))
            break;
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

akin_status akin_catalog_mark_sets(akin_catalog *catalog, akin_mark_set_fn *fn, void *user,
                                   akin_error *err)
{
    sqlite3_stmt *statement = catalog->statements[STATEMENT_MARK_SETS];
    akin_status status = AKIN_OK;
    bool row = true;
    while (status == AKIN_OK) {
        const char *set;
        uint64_t counts[AKIN_MARK_KINDS] = {0};
        status = database_step(catalog->db, statement, &row, "read the sets of marks", err);
        if (status != AKIN_OK || !row)
            break;
        if (!database_text(&set, statement, 0, NAME_BYTES_MAX) || !set) {
            status = akin_error_set(err, AKIN_ERR_CORRUPT, "a set of marks in '%s' is damaged",
                                    catalog->dir);
            break;
        }
        for (int i = 1; i < AKIN_MARK_KINDS; i++)
            counts[i] = (uint64_t)sqlite3_column_int64(statement, i);
        if (!fn(user, set, counts))
            break;
    }
    sqlite3_reset(statement);
    return status;
}
