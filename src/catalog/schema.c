/*
 * The schema of collection.sqlite, as a list of steps: step n takes a file from schema n to n + 1.
 * A step that was released never changes; a new schema is a new step (and AKIN_CATALOG_SCHEMA + 1).
 * Also described in docs/FORMATS.md.
 *
 * Every table is STRICT, so that a value of a wrong type is found by SQLite. Rows of scenes are
 * never deleted and ids are AUTOINCREMENT, so that a tile's key is never given twice. Tile keys are
 * u64; SQLite's integers are signed: they are stored with the top bit flipped, which keeps their
 * order (packs.c). The table tally holds the sums per state, kept by triggers, so that counting
 * does not read the scenes: 1 million scenes cost `akin status` as much as one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "schema.h"

#include <stdio.h>

#include "akin/catalog.h"
#include "database.h"

static const char *const steps[AKIN_CATALOG_SCHEMA] = {
    "CREATE TABLE setting(name TEXT PRIMARY KEY NOT NULL, value ANY) STRICT, WITHOUT ROWID;"
    "CREATE TABLE value(name TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL) STRICT, WITHOUT ROWID;"

    "CREATE TABLE scene("
    " id INTEGER PRIMARY KEY AUTOINCREMENT CHECK(id BETWEEN 1 AND 4294967295),"
    " uri TEXT NOT NULL, label TEXT, state INTEGER NOT NULL,"
    " size_bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,"
    " width INTEGER NOT NULL, height INTEGER NOT NULL, bands INTEGER NOT NULL,"
    " dtype INTEGER NOT NULL, begin_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL,"
    " west REAL, south REAL, east REAL, north REAL,"
    " given_west REAL, given_south REAL, given_east REAL, given_north REAL, given_crs TEXT,"
    " order_stride INTEGER NOT NULL, tiles_total INTEGER NOT NULL, tiles_done INTEGER NOT NULL,"
    " tiles_kept INTEGER NOT NULL, tiles_skipped INTEGER NOT NULL,"
    " replaces INTEGER REFERENCES scene(id), failure TEXT, attempts INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX scene_live_uri ON scene(uri) WHERE " SCENE_LIVE_SQL ";"
    "CREATE INDEX scene_state ON scene(state);" /* an index ends with the id: (state, id) */

    "CREATE TABLE tally(state INTEGER PRIMARY KEY, scenes INTEGER NOT NULL,"
    " tiles_kept INTEGER NOT NULL, tiles_skipped INTEGER NOT NULL) STRICT;"
    "INSERT INTO tally VALUES(0,0,0,0),(1,0,0,0),(2,0,0,0),(3,0,0,0),(4,0,0,0),(5,0,0,0),(6,0,0,0);"
    "CREATE TRIGGER scene_added AFTER INSERT ON scene BEGIN"
    " UPDATE tally SET scenes = scenes + 1, tiles_kept = tiles_kept + NEW.tiles_kept,"
    "  tiles_skipped = tiles_skipped + NEW.tiles_skipped WHERE state = NEW.state; END;"
    "CREATE TRIGGER scene_changed AFTER UPDATE OF state, tiles_kept, tiles_skipped ON scene BEGIN"
    " UPDATE tally SET scenes = scenes - 1, tiles_kept = tiles_kept - OLD.tiles_kept,"
    "  tiles_skipped = tiles_skipped - OLD.tiles_skipped WHERE state = OLD.state;"
    " UPDATE tally SET scenes = scenes + 1, tiles_kept = tiles_kept + NEW.tiles_kept,"
    "  tiles_skipped = tiles_skipped + NEW.tiles_skipped WHERE state = NEW.state; END;"

    "CREATE TABLE pack(id INTEGER PRIMARY KEY AUTOINCREMENT, first_key INTEGER NOT NULL,"
    " last_key INTEGER NOT NULL, tiles INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;"
    "CREATE INDEX pack_keys ON pack(first_key, last_key);"
    "CREATE INDEX pack_span ON pack(" PACK_SPAN_SQL ");",

    "CREATE TABLE mark(id INTEGER PRIMARY KEY AUTOINCREMENT, set_name TEXT NOT NULL,"
    " key INTEGER NOT NULL, person TEXT NOT NULL, kind INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    " undone INTEGER NOT NULL, latest INTEGER NOT NULL) STRICT;"
    "CREATE INDEX mark_latest ON mark(set_name, key, person) WHERE latest = 1;"
    "CREATE INDEX mark_done ON mark(set_name, person, id) WHERE undone = 0;",
};

_Static_assert(AKIN_SCENE_REPLACED == 5 && AKIN_SCENE_STATE_COUNT == 7,
               "SCENE_LIVE_SQL and the rows of tally go by these numbers");

static akin_status run_steps(sqlite3 *db, int64_t version, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (int64_t i = version; i < AKIN_CATALOG_SCHEMA && status == AKIN_OK; i++)
        status = database_exec(db, steps[i], "make the tables", err);
    if (status != AKIN_OK)
        return status;
    char pragma[64];
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", AKIN_CATALOG_SCHEMA);
    return database_exec(db, pragma, "set the schema's version", err);
}

akin_status schema_migrate(sqlite3 *db, int64_t version, akin_error *err)
{
    if (!sqlite3_get_autocommit(db))
        return run_steps(db, version, err);
    akin_status status = database_exec(db, "BEGIN IMMEDIATE", "begin to make the tables", err);
    if (status != AKIN_OK)
        return status;
    status = run_steps(db, version, err);
    if (status == AKIN_OK)
        status = database_exec(db, "COMMIT", "commit the tables", err);
    if (status != AKIN_OK && !sqlite3_get_autocommit(db))
        database_exec(db, "ROLLBACK", "roll back", NULL);
    return status;
}
