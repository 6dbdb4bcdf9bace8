/*
 * akin verify's part of the catalogue: SQLite's own checks (pages, indexes, types, foreign keys),
 * that the schema is exactly ours (a file from elsewhere could bring triggers, or lack an index
 * that keeps addresses unique), every scene and pack by the rules of reading, what a scene's counts
 * say of each other, and the sums.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "database.h"
#include "schema.h"

#define FAULTS_PER_CHECK 100

struct verify {
    akin_catalog *catalog;
    akin_fault_fn *fault;
    void *user;
    akin_error *err;
};

static void tell(const struct verify *verify, const char *format, ...) AKIN_PRINTF(2, 3);
static void tell(const struct verify *verify, const char *format, ...)
{
    char text[AKIN_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    verify->fault(verify->user, DATABASE_FILE, text);
}

/* Runs `sql` and gives each row to `row`. Damage that SQLite meets on the way is a fault, any other
 * failure is ours to return. */
static akin_status each_row(const struct verify *verify, const char *sql,
                            void (*row)(const struct verify *, sqlite3_stmt *))
{
    sqlite3 *db = verify->catalog->db;
    sqlite3_stmt *statement = NULL;
    akin_error why = {0};
    akin_status status = AKIN_OK;
    bool more = true;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        status = database_fail(db, "verify", &why);
    while (status == AKIN_OK && more) {
        status = database_step(db, statement, &more, "verify", &why);
        if (status == AKIN_OK && more)
            row(verify, statement);
    }
    sqlite3_finalize(statement);
    if (status == AKIN_ERR_CORRUPT) {
        tell(verify, "%s", why.text);
        return AKIN_OK;
    }
    return status == AKIN_OK ? status : akin_error_set(verify->err, status, "%s", why.text);
}

static const char *column_text(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text ? text : "?";
}

static void integrity_row(const struct verify *verify, sqlite3_stmt *row)
{
    if (strcmp(column_text(row, 0), "ok") != 0)
        tell(verify, "%s", column_text(row, 0));
}

static void foreign_key_row(const struct verify *verify, sqlite3_stmt *row)
{
    tell(verify, "row %lld of table %s names a row of %s that is not there",
         (long long)sqlite3_column_int64(row, 1), column_text(row, 0), column_text(row, 2));
}

/* ---- the schema ---- */

/* SQLite's own tables (sqlite_sequence, ANALYZE's statistics) and automatic indexes have no sql or
 * a reserved name. */
#define SCHEMA_SQL                                                                                 \
    "SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%'"           \
    " ESCAPE '\\' ORDER BY name"

/* Both lists are sorted by name: walks them side by side. */
static void compare_lists(const struct verify *verify, sqlite3_stmt *ours, sqlite3_stmt *theirs)
{
    bool has_ours = sqlite3_step(ours) == SQLITE_ROW;
    bool has_theirs = sqlite3_step(theirs) == SQLITE_ROW;
    while (has_ours || has_theirs) {
        int order = !has_theirs ? -1
                    : !has_ours ? 1
                                : strcmp(column_text(ours, 0), column_text(theirs, 0));
        if (order < 0)
            tell(verify, "the schema lacks %s", column_text(ours, 0));
        else if (order > 0)
            tell(verify, "the schema has %s, which is not akin's", column_text(theirs, 0));
        else if (strcmp(column_text(ours, 1), column_text(theirs, 1)) != 0)
            tell(verify, "the schema has another %s than akin makes", column_text(theirs, 0));
        if (order <= 0)
            has_ours = sqlite3_step(ours) == SQLITE_ROW;
        if (order >= 0)
            has_theirs = sqlite3_step(theirs) == SQLITE_ROW;
    }
}

/* Against the schema that the same steps make in an empty database in memory. */
static akin_status check_schema(const struct verify *verify)
{
    sqlite3 *db = verify->catalog->db, *fresh = NULL;
    sqlite3_stmt *ours = NULL, *theirs = NULL;
    akin_status status = AKIN_OK;
    if (sqlite3_open(":memory:", &fresh) != SQLITE_OK)
        status = database_fail(fresh, "make a schema", verify->err);
    if (status == AKIN_OK)
        status = schema_migrate(fresh, 0, verify->err);
    if (status == AKIN_OK && sqlite3_prepare_v2(fresh, SCHEMA_SQL, -1, &ours, NULL) != SQLITE_OK)
        status = database_fail(fresh, "read the schema", verify->err);
    if (status == AKIN_OK && sqlite3_prepare_v2(db, SCHEMA_SQL, -1, &theirs, NULL) != SQLITE_OK)
        status = database_fail(db, "read the schema", verify->err);
    if (status == AKIN_OK)
        compare_lists(verify, ours, theirs);
    sqlite3_finalize(ours);
    sqlite3_finalize(theirs);
    sqlite3_close(fresh);
    return status;
}

/* ---- scenes, packs, sums ---- */

static void check_scene(const struct verify *verify, const struct akin_scene *scene)
{
    if (scene->state == AKIN_SCENE_REPLACED || scene->state == AKIN_SCENE_DROPPED)
        return;
    if (scene->tiles_done > scene->tiles_total)
        tell(verify, "scene %u has taken %" PRIu64 " of %" PRIu64 " tiles", scene->id,
             scene->tiles_done, scene->tiles_total);
    /* A changed image keeps its old tiles, and names itself, until the first new ones are in. */
    bool keeps_old = scene->replaces == scene->id;
    if (!keeps_old && scene->tiles_kept + scene->tiles_skipped > scene->tiles_done)
        tell(verify,
             "scene %u keeps %" PRIu64 " tiles and skips %" PRIu64 ", but has taken %" PRIu64,
             scene->id, scene->tiles_kept, scene->tiles_skipped, scene->tiles_done);
    if (scene->state == AKIN_SCENE_EMBEDDED && scene->tiles_done != scene->tiles_total)
        tell(verify, "scene %u is embedded with %" PRIu64 " of %" PRIu64 " tiles taken", scene->id,
             scene->tiles_done, scene->tiles_total);
}

static akin_status check_scenes(const struct verify *verify)
{
    akin_catalog *catalog = verify->catalog;
    sqlite3_stmt *statement = catalog->statements[STATEMENT_SCENE_AFTER];
    for (int64_t id = 0;;) {
        struct akin_scene scene;
        akin_error why = {0};
        bool row = false;
        sqlite3_bind_int64(statement, 1, id);
        akin_status status = database_step(catalog->db, statement, &row, "list scenes", &why);
        id = row ? sqlite3_column_int64(statement, 0) : id;
        sqlite3_reset(statement);
        akin_scene_init(&scene);
        if (status == AKIN_OK && row)
            status = akin_catalog_scene_get(catalog, (uint32_t)id, &scene, &why);
        if (status == AKIN_OK && row)
            check_scene(verify, &scene);
        akin_scene_fini(&scene);
        if (status == AKIN_ERR_CORRUPT || status == AKIN_ERR_NOT_FOUND) /* an id of over 32 bits */
            tell(verify, "%s", why.text);
        else if (status != AKIN_OK)
            return akin_error_set(verify->err, status, "%s", why.text);
        if (!row)
            return AKIN_OK;
    }
}

static bool ignore_pack(void *user, const struct akin_pack_entry *pack)
{
    (void)user, (void)pack;
    return true;
}

static akin_status check_packs(const struct verify *verify)
{
    akin_error why = {0};
    akin_status status = akin_catalog_packs(verify->catalog, ignore_pack, NULL, &why);
    if (status == AKIN_ERR_CORRUPT)
        tell(verify, "%s", why.text);
    else if (status != AKIN_OK)
        return akin_error_set(verify->err, status, "%s", why.text);
    return AKIN_OK;
}

static void tally_row(const struct verify *verify, sqlite3_stmt *row)
{
    tell(verify, "the sums of state %lld do not agree with the scenes",
         (long long)sqlite3_column_int64(row, 0));
}

/* States whose sums differ, on either side. */
#define TALLY_SQL                                                                                  \
    "WITH true_tally AS (SELECT state, count(*) AS n, sum(tiles_kept) AS kept,"                    \
    " sum(tiles_skipped) AS skipped FROM scene GROUP BY state)"                                    \
    " SELECT tally.state FROM tally LEFT JOIN true_tally USING(state)"                             \
    " WHERE (scenes, tiles_kept, tiles_skipped)"                                                   \
    " IS NOT (coalesce(n, 0), coalesce(kept, 0), coalesce(skipped, 0))"                            \
    " UNION SELECT state FROM true_tally WHERE state NOT IN (SELECT state FROM tally)"

static akin_status check_all(const struct verify *verify)
{
    char integrity[64];
    snprintf(integrity, sizeof integrity, "PRAGMA integrity_check(%d)", FAULTS_PER_CHECK);
    akin_status status = each_row(verify, integrity, integrity_row);
    if (status == AKIN_OK)
        status = each_row(verify, "PRAGMA foreign_key_check", foreign_key_row);
    if (status == AKIN_OK)
        status = check_schema(verify);
    if (status == AKIN_OK)
        status = check_scenes(verify);
    if (status == AKIN_OK)
        status = check_packs(verify);
    if (status == AKIN_OK)
        status = each_row(verify, TALLY_SQL, tally_row);
    return status;
}

akin_status akin_catalog_verify(akin_catalog *catalog, akin_fault_fn *fault, void *user,
                                akin_error *err)
{
    struct verify verify = {catalog, fault, user, err};
    bool own = sqlite3_get_autocommit(catalog->db) != 0;
    akin_status status =
        own ? database_exec(catalog->db, "BEGIN", "begin to verify", err) : AKIN_OK;
    if (status == AKIN_OK)
        status = check_all(&verify);
    if (own && !sqlite3_get_autocommit(catalog->db))
        database_exec(catalog->db, "ROLLBACK", "end verifying", NULL); /* nothing was written */
    return status;
}
