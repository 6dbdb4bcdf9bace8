/*
 * The connection to SQLite.
 *
 * The file is in WAL mode: readers see the last commit while a writer goes on. A reader of a WAL
 * file needs the index of the log (FILE-shm), in memory shared with the writer, and makes it where
 * it is not there. On a read-only file system, or in a folder where it may not write, it cannot;
 * then the file is opened as `immutable`, which needs neither index nor locks. That is right only
 * while nobody writes, so it is refused where a log with commits in it (FILE-wal) lies beside the
 * file; a reader without rights that lives on while somebody else becomes writer has to be opened
 * again.
 *
 * A file from elsewhere is not trusted: SQLite is told to be defensive, to check its cells, to run
 * no unsafe function from its schema, and to refuse values over 16 MB.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "database.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "schema.h"
#include "settings.h"

#define VALUE_BYTES_MAX (16 << 20)
#define BUSY_TIMEOUT_MS 10000
/* SQLite's unix layer takes 512 bytes of absolute path, and adds "-journal" to it. */
#define DATABASE_PATH_MAX 500

/* Settings of every connection, in the order in which they are made. */
static const char setup_sql[] = "PRAGMA trusted_schema = OFF;"
                                "PRAGMA cell_size_check = ON;"
                                "PRAGMA foreign_keys = ON;"
                                "PRAGMA synchronous = FULL;"
                                "PRAGMA journal_size_limit = 16777216;";

/* ---- errors ---- */

static akin_status status_of_system(int errno_value, akin_status otherwise)
{
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
        return AKIN_ERR_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return AKIN_ERR_DENIED;
    default:
        return otherwise;
    }
}

static akin_status status_of(sqlite3 *db)
{
    int extended = sqlite3_extended_errcode(db);
    if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY ||
        extended == SQLITE_CONSTRAINT_ROWID)
        return AKIN_ERR_EXISTS;
    if (extended == SQLITE_CONSTRAINT_CHECK)
        return AKIN_ERR_LIMIT; /* the only check is the range of scene ids */
    switch (extended & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
    case SQLITE_FORMAT:
        return AKIN_ERR_CORRUPT;
    case SQLITE_FULL:
        return AKIN_ERR_NO_SPACE;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        if (extended == SQLITE_IOERR_NOMEM)
            return AKIN_ERR_NO_MEMORY;
        return status_of_system(sqlite3_system_errno(db), AKIN_ERR_IO);
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
        return AKIN_ERR_DENIED;
    case SQLITE_NOMEM:
        return AKIN_ERR_NO_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return AKIN_ERR_BUSY;
    case SQLITE_TOOBIG:
    case SQLITE_NOLFS:
        return AKIN_ERR_LIMIT;
    case SQLITE_CONSTRAINT:
        return AKIN_ERR_INVALID;
    default:
        return AKIN_ERR_IO;
    }
}

static const char *advice(akin_status status)
{
    switch (status) {
    case AKIN_ERR_CORRUPT:
        return "; restore it from a copy";
    case AKIN_ERR_NO_SPACE:
        return "; what was committed stands: free some space and go on";
    case AKIN_ERR_BUSY:
        return "; try again";
    default:
        return "";
    }
}

akin_status database_fail(sqlite3 *db, const char *what, akin_error *err)
{
    if (!db)
        return akin_error_memory(err, 0, "the catalogue's connection");
    akin_status status = status_of(db);
    const char *file = sqlite3_db_filename(db, "main");
    int system_errno = sqlite3_system_errno(db);
    bool system = (sqlite3_errcode(db) & 0xff) == SQLITE_IOERR ||
                  (sqlite3_errcode(db) & 0xff) == SQLITE_CANTOPEN;
    return akin_error_set(err, status, "cannot %s in '%s': %s%s%s%s", what, file ? file : "?",
                          sqlite3_errmsg(db), system && system_errno ? ": " : "",
                          system && system_errno ? strerror(system_errno) : "", advice(status));
}

/* ---- running ---- */

akin_status database_exec(sqlite3 *db, const char *sql, const char *what, akin_error *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? AKIN_OK
                                                                : database_fail(db, what, err);
}

akin_status database_integer(sqlite3 *db, const char *sql, int64_t *out, akin_error *err)
{
    sqlite3_stmt *statement = NULL;
    akin_status status = AKIN_OK;
    bool row = false;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        status = database_fail(db, "read", err);
    if (status == AKIN_OK)
        status = database_step(db, statement, &row, "read", err);
    if (status == AKIN_OK && !row)
        status = akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' has no answer to %s",
                                sqlite3_db_filename(db, "main"), sql);
    if (status == AKIN_OK)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return status;
}

akin_status database_step(sqlite3 *db, sqlite3_stmt *statement, bool *row, const char *what,
                          akin_error *err)
{
    int rc = sqlite3_step(statement);
    *row = rc == SQLITE_ROW;
    if (*row)
        return AKIN_OK;
    akin_status status = rc == SQLITE_DONE ? AKIN_OK : database_fail(db, what, err);
    sqlite3_reset(statement);
    return status;
}

akin_status database_check_write(const akin_catalog *catalog, const char *what, akin_error *err)
{
    if (catalog->mode != AKIN_OPEN_WRITE)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "cannot %s in '%s': it was opened for reading only", what,
                              catalog->dir);
    /* After a full disk or an I/O error SQLite may give the whole transaction up by itself; what
     * came after would then be committed without what came before. */
    if (catalog->in_transaction && sqlite3_get_autocommit(catalog->db))
        return akin_error_set(err, AKIN_ERR_IO,
                              "cannot %s in '%s': the transaction was given up after an earlier "
                              "failure; roll back and begin again",
                              what, catalog->dir);
    if (!catalog->in_transaction && !sqlite3_get_autocommit(catalog->db))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "cannot %s in '%s' while its scenes are being listed", what,
                              catalog->dir);
    return AKIN_OK;
}

akin_status database_write(akin_catalog *catalog, sqlite3_stmt *statement, const char *what,
                           akin_error *err)
{
    bool row;
    akin_status status = database_check_write(catalog, what, err);
    if (status == AKIN_OK)
        status = database_step(catalog->db, statement, &row, what, err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

bool database_text(const char **out, sqlite3_stmt *statement, int column, size_t bytes_max)
{
    *out = NULL;
    int type = sqlite3_column_type(statement, column);
    if (type == SQLITE_NULL)
        return true;
    if (type != SQLITE_TEXT)
        return false;
    const char *text = (const char *)sqlite3_column_text(statement, column);
    size_t bytes = (size_t)sqlite3_column_bytes(statement, column);
    if (!text || bytes > bytes_max || strlen(text) != bytes)
        return false;
    *out = text;
    return true;
}

/* ---- opening ---- */

static bool plain_in_uri(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("/._-", c);
}

/* `path` as an address "file:...", every byte that is not plainly harmless escaped. All opening
 * goes by it, since a SQLite built with SQLITE_USE_URI takes a path that starts with "file:" as one
 * anyway. */
static akin_status append_uri(struct akin_buffer *out, const char *path, akin_error *err)
{
    size_t length = strlen(path);
    if (length > DATABASE_PATH_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT,
                              "the path '%.60s...' has %zu bytes, and SQLite takes %d: use a "
                              "shorter one, or one relative to the working folder",
                              path, length, DATABASE_PATH_MAX);
    akin_status status = akin_buffer_printf(out, err, path[0] == '/' ? "file://" : "file:./");
    for (const char *c = path; *c && status == AKIN_OK; c++)
        status = plain_in_uri(*c) ? akin_buffer_append(out, c, 1, err)
                                  : akin_buffer_printf(out, err, "%%%02x", (unsigned char)*c);
    return status;
}

/* On failure too *out may be a connection, which has the reason. */
static akin_status connect_to(sqlite3 **out, const char *path, int flags, bool immutable,
                              akin_error *err)
{
    struct akin_buffer uri;
    akin_buffer_init(&uri, 4 * DATABASE_PATH_MAX);
    akin_status status = append_uri(&uri, path, err);
    if (status == AKIN_OK && immutable)
        status = akin_buffer_printf(&uri, err, "?immutable=1");
    if (status == AKIN_OK) {
        flags |= SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
        if (sqlite3_open_v2(uri.data, out, flags, NULL) != SQLITE_OK)
            status = database_fail(*out, "open the catalogue", err);
    }
    akin_buffer_fini(&uri);
    if (status != AKIN_OK)
        return status;
    sqlite3_busy_timeout(*out, BUSY_TIMEOUT_MS);
    sqlite3_limit(*out, SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX);
    sqlite3_limit(*out, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_db_config(*out, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return database_exec(*out, setup_sql, "set up the connection", err);
}

/* That it is ours, before anything in it is used or changed. */
static akin_status check_ours(sqlite3 *db, int64_t *version, akin_error *err)
{
    int64_t application = 0;
    akin_status status = database_integer(db, "PRAGMA application_id", &application, err);
    if (status == AKIN_OK)
        status = database_integer(db, "PRAGMA user_version", version, err);
    if (status != AKIN_OK)
        return status;
    const char *file = sqlite3_db_filename(db, "main");
    if (application != DATABASE_APPLICATION_ID)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "'%s' is a database, but not a catalogue of akin (application id "
                              "%lld)",
                              file, (long long)application);
    if (*version > AKIN_CATALOG_SCHEMA)
        return akin_error_set(err, AKIN_ERR_VERSION,
                              "'%s' was made by a newer akin (schema %lld, this one knows %d): "
                              "install that one",
                              file, (long long)*version, AKIN_CATALOG_SCHEMA);
    if (*version < 1)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' has schema %lld, which never was", file,
                              (long long)*version);
    return AKIN_OK;
}

/* Whether FILE-wal has commits that are not yet in the file. */
static bool has_log(const char *path)
{
    char log[DATABASE_PATH_MAX + 8];
    struct akin_file_stat st;
    snprintf(log, sizeof log, "%s-wal", path);
    return akin_file_stat(&st, log, NULL) == AKIN_OK && st.size_bytes > 0;
}

static akin_status try_open(sqlite3 **out, const char *path, enum akin_open mode, bool immutable,
                            int64_t *version, akin_error *err)
{
    sqlite3 *db = NULL;
    int flags = mode != AKIN_OPEN_READ ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    akin_status status = connect_to(&db, path, flags, immutable, err);
    if (status == AKIN_OK)
        status = check_ours(db, version, err);
    if (status == AKIN_OK && mode != AKIN_OPEN_READ && sqlite3_db_readonly(db, "main"))
        status = akin_error_set(err, AKIN_ERR_DENIED, "there is no right to write to '%s'", path);
    if (status == AKIN_OK)
        *out = db;
    else
        sqlite3_close(db);
    return status;
}

akin_status database_open(sqlite3 **out, const char *path, enum akin_open mode, int64_t *version,
                          akin_error *err)
{
    struct akin_file_stat st;
    akin_status status = akin_file_stat(&st, path, err);
    if (status != AKIN_OK)
        return status;
    /* SQLite takes an empty file for a new database. */
    if (!st.is_regular || st.size_bytes == 0)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' is %s; restore it from a copy", path,
                              st.is_regular ? "empty" : "not a file");
    akin_error first = {0};
    status = try_open(out, path, mode, false, version, &first);
    bool no_index = status == AKIN_ERR_DENIED || status == AKIN_ERR_IO;
    if (status == AKIN_OK || mode != AKIN_OPEN_READ || !no_index) {
        if (status != AKIN_OK && err)
            *err = first;
        return status;
    }
    if (has_log(path))
        return akin_error_set(err, status,
                              "%s (a writer was interrupted, and its log '%s-wal' has to be taken "
                              "in by one who may write there)",
                              first.text, path);
    return try_open(out, path, mode, true, version, err);
}

akin_status database_create(const char *path, const struct akin_settings *settings, akin_error *err)
{
    sqlite3 *db = NULL;
    char pragma[64];
    snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d", DATABASE_APPLICATION_ID);
    akin_status status =
        connect_to(&db, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, false, err);
    if (status == AKIN_OK)
        status = database_exec(db, "BEGIN IMMEDIATE", "begin", err);
    if (status == AKIN_OK)
        status = database_exec(db, pragma, "mark it as akin's", err);
    if (status == AKIN_OK)
        status = schema_migrate(db, 0, err);
    if (status == AKIN_OK)
        status = settings_save(db, settings, err);
    if (status == AKIN_OK)
        status = database_exec(db, "COMMIT", "commit", err);
    /* Last, so that everything is in the file itself and nothing in a log when it is renamed. */
    if (status == AKIN_OK)
        status = database_exec(db, "PRAGMA journal_mode = WAL", "switch to a log", err);
    if (sqlite3_close(db) != SQLITE_OK && status == AKIN_OK)
        status = akin_error_set(err, AKIN_ERR_IO, "cannot close '%s'", path);
    return status;
}
