/*
 * Scenes: rows of table `scene` to and from struct akin_scene, by the list of columns in
 * statements.h. What is written is checked by the same rules as what is read (the file may come
 * from anywhere): types, ranges, lengths, boxes and intervals that are one. An unknown double is
 * SQL's NULL.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "database.h"

enum column_kind {
    COLUMN_TEXT,
    COLUMN_U32,
    COLUMN_U64,
    COLUMN_I64,
    COLUMN_REAL,
    COLUMN_REFERENCE /* a u32, 0 for SQL's NULL */
};

struct column {
    const char *name;
    enum column_kind kind;
    size_t offset;
    int64_t least, most;
};

#define COLUMN(name, kind, member, least, most)                                                    \
    {#name, COLUMN_##kind, offsetof(struct akin_scene, member), least, most},
static const struct column columns[] = {SCENE_COLUMNS(COLUMN) SCENE_LAST_COLUMN(COLUMN)};
#define COLUMN_COUNT ((int)(sizeof columns / sizeof columns[0]))

_Static_assert(sizeof(enum akin_scene_state) == 4 && sizeof(enum akin_dtype) == 4,
               "both are read and written as u32");

static const char *const state_names[AKIN_SCENE_STATE_COUNT] = {
#define X(name, text) text,
    AKIN_SCENE_STATES(X)
#undef X
};

const char *akin_scene_state_name(enum akin_scene_state state)
{
    return (unsigned)state < AKIN_SCENE_STATE_COUNT ? state_names[state] : "unknown";
}

void akin_scene_init(struct akin_scene *scene)
{
    *scene = (struct akin_scene){.time = akin_interval_unknown(),
                                 .bbox = akin_bbox_unknown(),
                                 .given_bbox = {NAN, NAN, NAN, NAN},
                                 .order_stride = 1};
}

void akin_scene_fini(struct akin_scene *scene)
{
    if (!scene)
        return;
    akin_free(scene->uri);
    akin_free(scene->label);
    akin_free(scene->given_crs);
    akin_free(scene->failure);
    akin_scene_init(scene);
}

/* ---- the rules ---- */

static bool text_is_valid(const char *text, const struct column *column)
{
    size_t length = text ? strlen(text) : 0;
    return length >= (size_t)column->least && length <= (size_t)column->most;
}

static bool value_is_valid(const struct akin_scene *scene, const struct column *column)
{
    const void *at = (const char *)scene + column->offset;
    switch (column->kind) {
    case COLUMN_TEXT:
        return text_is_valid(*(char *const *)at, column);
    case COLUMN_U32:
    case COLUMN_REFERENCE:
        return *(const uint32_t *)at >= column->least && *(const uint32_t *)at <= column->most;
    case COLUMN_U64:
        return *(const uint64_t *)at <= (uint64_t)column->most;
    case COLUMN_I64:
        return true;
    case COLUMN_REAL:
        return isnan(*(const double *)at) || (*(const double *)at >= (double)column->least &&
                                              *(const double *)at <= (double)column->most);
    }
    return false;
}

/* Four numbers or none, and not upside down. */
static bool box_is_valid(double west, double south, double east, double north)
{
    int unknown = !!isnan(west) + !!isnan(south) + !!isnan(east) + !!isnan(north);
    return unknown == 4 || (unknown == 0 && south <= north);
}

static const char *fault_of(const struct akin_scene *scene)
{
    const double *given = scene->given_bbox;
    for (int i = 0; i < COLUMN_COUNT; i++)
        if (!value_is_valid(scene, &columns[i]))
            return columns[i].name;
    if (!box_is_valid(scene->bbox.west, scene->bbox.south, scene->bbox.east, scene->bbox.north))
        return "bbox";
    if (!box_is_valid(given[0], given[1], given[2], given[3]))
        return "given_bbox";
    struct akin_interval time = scene->time, unknown = akin_interval_unknown();
    if (time.begin_ms > time.end_ms &&
        (time.begin_ms != unknown.begin_ms || time.end_ms != unknown.end_ms))
        return "time";
    return NULL;
}

static akin_status check(const struct akin_scene *scene, akin_error *err)
{
    const char *fault = fault_of(scene);
    if (!fault)
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_INVALID,
                          "cannot record the scene '%s': its %s is missing or out of range",
                          scene->uri ? scene->uri : "", fault);
}

/* ---- rows ---- */

static int bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    return sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static int bind_column(sqlite3_stmt *statement, int at, const struct akin_scene *scene,
                       const struct column *column)
{
    const void *value = (const char *)scene + column->offset;
    switch (column->kind) {
    case COLUMN_TEXT:
        return bind_text(statement, at, *(char *const *)value);
    case COLUMN_U32:
        return sqlite3_bind_int64(statement, at, *(const uint32_t *)value);
    case COLUMN_REFERENCE:
        return *(const uint32_t *)value
                   ? sqlite3_bind_int64(statement, at, *(const uint32_t *)value)
                   : sqlite3_bind_null(statement, at);
    case COLUMN_U64:
        return sqlite3_bind_int64(statement, at, (int64_t) * (const uint64_t *)value);
    case COLUMN_I64:
        return sqlite3_bind_int64(statement, at, *(const int64_t *)value);
    case COLUMN_REAL:
        return sqlite3_bind_double(statement, at, *(const double *)value); /* NaN becomes NULL */
    }
    return SQLITE_MISUSE;
}

/* Binds every column to 1.. COLUMN_COUNT. */
static akin_status bind(akin_catalog *catalog, sqlite3_stmt *statement,
                        const struct akin_scene *scene, akin_error *err)
{
    for (int i = 0; i < COLUMN_COUNT; i++)
        if (bind_column(statement, i + 1, scene, &columns[i]) != SQLITE_OK)
            return database_fail(catalog->db, "record a scene", err);
    return AKIN_OK;
}

/* False where the type is wrong or the value does not fit; a text's copy may be missing for want of
 * memory, which *memory tells. */
static bool read_column(struct akin_scene *out, sqlite3_stmt *row, int at,
                        const struct column *column, bool *memory)
{
    void *value = (char *)out + column->offset;
    int type = sqlite3_column_type(row, at);
    int64_t integer = sqlite3_column_int64(row, at);
    const char *text;
    switch (column->kind) {
    case COLUMN_TEXT:
        if (!database_text(&text, row, at, (size_t)column->most))
            return false;
        *(char **)value = akin_strdup(text);
        *memory &= !text || *(char **)value;
        return true;
    case COLUMN_REFERENCE:
        *(uint32_t *)value = (uint32_t)integer;
        return type == SQLITE_NULL ||
               (type == SQLITE_INTEGER && integer > 0 && integer <= column->most);
    case COLUMN_U32:
        *(uint32_t *)value = (uint32_t)integer;
        return type == SQLITE_INTEGER && integer >= column->least && integer <= column->most;
    case COLUMN_U64:
        *(uint64_t *)value = (uint64_t)integer;
        return type == SQLITE_INTEGER && integer >= 0;
    case COLUMN_I64:
        *(int64_t *)value = integer;
        return type == SQLITE_INTEGER;
    case COLUMN_REAL:
        *(double *)value = type == SQLITE_NULL ? NAN : sqlite3_column_double(row, at);
        return type == SQLITE_NULL || type == SQLITE_FLOAT;
    }
    return false;
}

/* The row that the statement stands on, into an empty *out. */
static akin_status read_row(akin_catalog *catalog, sqlite3_stmt *row, struct akin_scene *out,
                            akin_error *err)
{
    const char *fault = NULL;
    bool memory = true;
    int64_t id = sqlite3_column_int64(row, COLUMN_COUNT);
    for (int i = 0; i < COLUMN_COUNT && !fault; i++)
        if (!read_column(out, row, i, &columns[i], &memory))
            fault = columns[i].name;
    if (!memory)
        return akin_error_memory(err, 0, "a scene's texts");
    if (id < 1 || id > UINT32_MAX)
        fault = "id";
    out->id = (uint32_t)id;
    if (!fault)
        fault = fault_of(out);
    if (fault)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "scene %lld in '%s/" DATABASE_FILE "' has an impossible %s",
                              (long long)id, catalog->dir, fault);
    return AKIN_OK;
}

/* Steps a select that gives one scene or none. */
static akin_status take_one(akin_catalog *catalog, sqlite3_stmt *statement, struct akin_scene *out,
                            bool *found, akin_error *err)
{
    struct akin_scene scene;
    akin_scene_init(&scene);
    akin_status status = database_step(catalog->db, statement, found, "read a scene", err);
    if (status == AKIN_OK && *found)
        status = read_row(catalog, statement, &scene, err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (status == AKIN_OK && *found) {
        akin_scene_fini(out);
        *out = scene;
    } else {
        akin_scene_fini(&scene);
    }
    return status;
}

/* ---- one scene ---- */

static akin_status explain_write(akin_status status, const struct akin_scene *scene,
                                 akin_error *err)
{
    if (status == AKIN_ERR_EXISTS)
        return akin_error_set(err, status, "'%s' is in the collection already", scene->uri);
    if (status == AKIN_ERR_LIMIT)
        return akin_error_context(err, status, "cannot record '%s'", scene->uri);
    return status;
}

akin_status akin_catalog_scene_add(akin_catalog *catalog, struct akin_scene *scene, akin_error *err)
{
    sqlite3_stmt *statement = catalog->statements[STATEMENT_SCENE_ADD];
    akin_status status = check(scene, err);
    if (status == AKIN_OK)
        status = bind(catalog, statement, scene, err);
    if (status == AKIN_OK)
        status =
            explain_write(database_write(catalog, statement, "record a scene", err), scene, err);
    if (status == AKIN_OK)
        scene->id = (uint32_t)sqlite3_last_insert_rowid(catalog->db); /* in range by a CHECK */
    return status;
}

static akin_status no_such_scene(const akin_catalog *catalog, uint32_t id, akin_error *err)
{
    return akin_error_set(err, AKIN_ERR_NOT_FOUND, "there is no scene %u in '%s'", id,
                          catalog->dir);
}

akin_status akin_catalog_scene_update(akin_catalog *catalog, const struct akin_scene *scene,
                                      akin_error *err)
{
    sqlite3_stmt *statement = catalog->statements[STATEMENT_SCENE_UPDATE];
    akin_status status = check(scene, err);
    if (status == AKIN_OK)
        status = bind(catalog, statement, scene, err);
    if (status == AKIN_OK)
        sqlite3_bind_int64(statement, COLUMN_COUNT + 1, scene->id);
    if (status == AKIN_OK)
        status =
            explain_write(database_write(catalog, statement, "update a scene", err), scene, err);
    if (status == AKIN_OK && sqlite3_changes(catalog->db) == 0)
        status = no_such_scene(catalog, scene->id, err);
    return status;
}

akin_status akin_catalog_scene_get(akin_catalog *catalog, uint32_t id, struct akin_scene *out,
                                   akin_error *err)
{
    bool found = false;
    sqlite3_stmt *statement = catalog->statements[STATEMENT_SCENE_GET];
    sqlite3_bind_int64(statement, 1, id);
    akin_status status = take_one(catalog, statement, out, &found, err);
    return status == AKIN_OK && !found ? no_such_scene(catalog, id, err) : status;
}

akin_status akin_catalog_scene_find(akin_catalog *catalog, const char *uri, struct akin_scene *out,
                                    akin_error *err)
{
    bool found = false;
    sqlite3_stmt *statement = catalog->statements[STATEMENT_SCENE_FIND];
    if (bind_text(statement, 1, uri) != SQLITE_OK)
        return database_fail(catalog->db, "look for a scene", err);
    akin_status status = take_one(catalog, statement, out, &found, err);
    if (status == AKIN_OK && !found)
        status = akin_error_set(err, AKIN_ERR_NOT_FOUND, "'%s' is not in the collection '%s'", uri,
                                catalog->dir);
    return status;
}

/* ---- many ---- */

#define ID_NONE UINT64_MAX

/* The first id >= `first` in this state, or ID_NONE. */
static akin_status next_in_state(akin_catalog *catalog, int state, uint64_t first, uint64_t *id,
                                 akin_error *err)
{
    bool row = false;
    sqlite3_stmt *statement = catalog->statements[STATEMENT_SCENE_NEXT];
    sqlite3_bind_int(statement, 1, state);
    sqlite3_bind_int64(statement, 2, (int64_t)first);
    akin_status status = database_step(catalog->db, statement, &row, "list scenes", err);
    *id = row ? (uint64_t)sqlite3_column_int64(statement, 0) : ID_NONE;
    sqlite3_reset(statement);
    return status;
}

/* Merges the states' own orders by id, so that a few failed scenes among a million are found
 * by the index. No statement is left open while fn runs: it may read, and list, too. */
static akin_status walk(akin_catalog *catalog, unsigned states, uint32_t first, akin_scene_fn *fn,
                        void *user, akin_error *err)
{
    uint64_t next[AKIN_SCENE_STATE_COUNT];
    akin_status status = AKIN_OK;
    for (int i = 0; i < AKIN_SCENE_STATE_COUNT && status == AKIN_OK; i++) {
        next[i] = ID_NONE;
        if (states >> i & 1)
            status = next_in_state(catalog, i, first, &next[i], err);
    }
    bool more = true;
    while (status == AKIN_OK && more) {
        int least = 0;
        for (int i = 1; i < AKIN_SCENE_STATE_COUNT; i++)
            least = next[i] < next[least] ? i : least;
        if (next[least] > UINT32_MAX)
            break;
        struct akin_scene scene;
        akin_scene_init(&scene);
        status = akin_catalog_scene_get(catalog, (uint32_t)next[least], &scene, err);
        more = status == AKIN_OK && fn(user, &scene);
        akin_scene_fini(&scene);
        if (more)
            status = next_in_state(catalog, least, next[least] + 1, &next[least], err);
    }
    return status;
}

akin_status akin_catalog_scenes(akin_catalog *catalog, unsigned states, uint32_t first,
                                akin_scene_fn *fn, void *user, akin_error *err)
{
    /* One state of the catalogue for the whole walk, whatever a writer does meanwhile. */
    bool own = sqlite3_get_autocommit(catalog->db) != 0;
    akin_status status =
        own ? database_exec(catalog->db, "BEGIN", "begin to list scenes", err) : AKIN_OK;
    if (status == AKIN_OK)
        status = walk(catalog, states, first, fn, user, err);
    if (own && !sqlite3_get_autocommit(catalog->db))
        database_exec(catalog->db, "ROLLBACK", "end the list", NULL); /* nothing was written */
    return status;
}

akin_status akin_catalog_count(akin_catalog *catalog, struct akin_catalog_counts *out,
                               akin_error *err)
{
    sqlite3_stmt *statement = catalog->statements[STATEMENT_TALLY];
    struct akin_catalog_counts counts = {0};
    akin_status status = AKIN_OK;
    bool row = true;
    while (status == AKIN_OK) {
        status = database_step(catalog->db, statement, &row, "count scenes", err);
        if (!row)
            break;
        int64_t state = sqlite3_column_int64(statement, 0);
        int64_t scenes = sqlite3_column_int64(statement, 1);
        int64_t kept = sqlite3_column_int64(statement, 2);
        int64_t skipped = sqlite3_column_int64(statement, 3);
        if (state < 0 || state >= AKIN_SCENE_STATE_COUNT || scenes < 0 || kept < 0 || skipped < 0) {
            status = akin_error_set(err, AKIN_ERR_CORRUPT,
                                    "the sums in '%s/" DATABASE_FILE "' are impossible; restore it "
                                    "from a copy",
                                    catalog->dir);
            break;
        }
        counts.scenes[state] = (uint64_t)scenes;
        bool live = state != AKIN_SCENE_REPLACED && state != AKIN_SCENE_DROPPED;
        counts.tiles_kept += live ? (uint64_t)kept : 0;
        counts.tiles_skipped += live ? (uint64_t)skipped : 0;
    }
    sqlite3_reset(statement);
    if (status == AKIN_OK)
        *out = counts;
    return status;
}
