/*
 * All SQL that runs after a catalogue is open, in one list; each is prepared once, when it is
 * opened, which also shows that the tables and columns are there. (schema.c holds what makes the
 * tables.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CATALOG_STATEMENTS_H
#define AKIN_CATALOG_STATEMENTS_H

#include <sqlite3.h>

#include "akin/core.h"

/*
 * The columns of a scene but its id: COLUMN(name, kind, member of struct akin_scene, least, most).
 * For TEXT, `most` is the longest in bytes and `least` 1 where it must be there. One list makes the
 * SQL, the binding, the reading and the checks; the last column stands apart, since SQL has no
 * comma after it.
 */
#define SCENE_TILES_MAX ((int64_t)1 << 32) /* 14 + 14 bits of grid, 4 of level */
#define SCENE_COLUMNS(COLUMN)                                                                      \
    COLUMN(uri, TEXT, uri, 1, 8192)                                                                \
    COLUMN(label, TEXT, label, 0, 4096)                                                            \
    COLUMN(state, U32, state, 0, AKIN_SCENE_STATE_COUNT - 1)                                       \
    COLUMN(size_bytes, U64, size_bytes, 0, INT64_MAX)                                              \
    COLUMN(mtime_ns, I64, mtime_ns, INT64_MIN, INT64_MAX)                                          \
    COLUMN(width, U32, width, 0, UINT32_MAX)                                                       \
    COLUMN(height, U32, height, 0, UINT32_MAX)                                                     \
    COLUMN(bands, U32, bands, 0, UINT32_MAX)                                                       \
    COLUMN(dtype, U32, dtype, 0, AKIN_DTYPE_COUNT - 1)                                             \
    COLUMN(begin_ms, I64, time.begin_ms, INT64_MIN, INT64_MAX)                                     \
    COLUMN(end_ms, I64, time.end_ms, INT64_MIN, INT64_MAX)                                         \
    COLUMN(west, REAL, bbox.west, -180, 180)                                                       \
    COLUMN(south, REAL, bbox.south, -90, 90)                                                       \
    COLUMN(east, REAL, bbox.east, -180, 180)                                                       \
    COLUMN(north, REAL, bbox.north, -90, 90)                                                       \
    COLUMN(given_west, REAL, given_bbox[0], INT64_MIN, INT64_MAX)                                  \
    COLUMN(given_south, REAL, given_bbox[1], INT64_MIN, INT64_MAX)                                 \
    COLUMN(given_east, REAL, given_bbox[2], INT64_MIN, INT64_MAX)                                  \
    COLUMN(given_north, REAL, given_bbox[3], INT64_MIN, INT64_MAX)                                 \
    COLUMN(given_crs, TEXT, given_crs, 0, 65536)                                                   \
    COLUMN(order_stride, U32, order_stride, 1, UINT32_MAX)                                         \
    COLUMN(tiles_total, U64, tiles_total, 0, SCENE_TILES_MAX)                                      \
    COLUMN(tiles_done, U64, tiles_done, 0, SCENE_TILES_MAX)                                        \
    COLUMN(tiles_kept, U64, tiles_kept, 0, SCENE_TILES_MAX)                                        \
    COLUMN(tiles_skipped, U64, tiles_skipped, 0, SCENE_TILES_MAX)                                  \
    COLUMN(replaces, REFERENCE, replaces, 0, UINT32_MAX)                                           \
    COLUMN(failure, TEXT, failure, 0, 4096)
#define SCENE_LAST_COLUMN(COLUMN) COLUMN(attempts, U32, attempts, 0, UINT32_MAX)

/* The live states are the first ones, which lets an index be partial by a comparison. */
#define SCENE_LIVE_SQL "state < 5"

/* How many scenes further a pack's last key is than its first; indexed (schema.c, packs.c). */
#define PACK_SPAN_SQL "(last_key >> 32) - (first_key >> 32)"

#define SQL_NAME(name, ...) #name ", "
#define SQL_MARK(name, ...) "?, "
#define SQL_SET(name, ...) #name " = ?, "
#define SCENE_NAMES_SQL SCENE_COLUMNS(SQL_NAME) "attempts"

#define STATEMENTS(X)                                                                              \
    X(SCENE_ADD, "INSERT INTO scene(" SCENE_NAMES_SQL ") VALUES(" SCENE_COLUMNS(SQL_MARK) "?)")    \
    X(SCENE_UPDATE, "UPDATE scene SET " SCENE_COLUMNS(SQL_SET) "attempts = ? WHERE id = ?")        \
    X(SCENE_GET, "SELECT " SCENE_NAMES_SQL ", id FROM scene WHERE id = ?")                         \
    X(SCENE_FIND, "SELECT " SCENE_NAMES_SQL ", id FROM scene WHERE uri = ? AND " SCENE_LIVE_SQL)   \
    X(SCENE_NEXT, "SELECT id FROM scene WHERE state = ? AND id >= ? ORDER BY id LIMIT 1")          \
    X(SCENE_AFTER, "SELECT id FROM scene WHERE id > ? ORDER BY id LIMIT 1")                        \
    X(TALLY, "SELECT state, scenes, tiles_kept, tiles_skipped FROM tally")                         \
    X(PACK_LAST, "SELECT seq FROM sqlite_sequence WHERE name = 'pack'")                            \
    X(PACK_ADD, "INSERT INTO pack(id, first_key, last_key, tiles, bytes) VALUES(?, ?, ?, ?, ?)")   \
    X(PACK_REMOVE, "DELETE FROM pack WHERE id = ?")                                                \
    X(PACKS_OF, "SELECT id, first_key, last_key, tiles, bytes FROM pack"                           \
                " WHERE first_key <= ?1 AND last_key >= ?1 AND first_key >= max(-2147483648,"      \
                " (?1 >> 32) - (SELECT max(" PACK_SPAN_SQL ") FROM pack)) << 32"                   \
                " ORDER BY id DESC LIMIT ?2")                                                      \
    X(PACK_AFTER, "SELECT id, first_key, last_key, tiles, bytes FROM pack"                         \
                  " WHERE id > ? ORDER BY id LIMIT 1")                                             \
    X(VALUE_GET, "SELECT text FROM value WHERE name = ?")                                          \
    X(VALUE_SET, "INSERT INTO value(name, text) VALUES(?1, ?2)"                                    \
                 " ON CONFLICT(name) DO UPDATE SET text = ?2")                                     \
    X(MARK_OUTDATE, "UPDATE mark SET latest = 0"                                                   \
                    " WHERE set_name = ?1 AND key = ?2 AND person = ?3 AND latest = 1")            \
    X(MARK_ADD, "INSERT INTO mark(set_name, key, person, kind, at_ms, undone, latest)"             \
                " VALUES(?1, ?2, ?3, ?4, ?5, 0, 1)")                                               \
    X(MARK_NOW, "SELECT kind FROM mark"                                                            \
                " WHERE set_name = ?1 AND key = ?2 AND person = ?3 AND latest = 1")                \
    X(MARK_LAST, "SELECT id, key FROM mark WHERE set_name = ?1 AND person = ?2 AND undone = 0"     \
                 " ORDER BY id DESC LIMIT 1")                                                      \
    X(MARK_UNDO, "UPDATE mark SET undone = 1, latest = 0 WHERE id = ?1")                           \
    X(MARK_REVIVE, "UPDATE mark SET latest = 1 WHERE id = (SELECT max(id) FROM mark"               \
                   " WHERE set_name = ?1 AND person = ?3 AND key = ?2 AND undone = 0)")            \
    X(MARKS, "SELECT key, kind, person, at_ms FROM mark"                                           \
             " WHERE set_name = ?1 AND latest = 1 AND kind > 0 ORDER BY key, person")              \
    X(MARK_SETS, "SELECT set_name, sum(kind = 1), sum(kind = 2), sum(kind = 3) FROM mark"          \
                 " WHERE latest = 1 AND kind > 0 GROUP BY set_name ORDER BY set_name")             \
    X(SETTING_GET, "SELECT value FROM setting WHERE name = ?")                                     \
    X(SETTING_SET, "INSERT INTO setting(name, value) VALUES(?1, ?2)"                               \
                   " ON CONFLICT(name) DO UPDATE SET value = ?2")

enum statement {
#define X(name, sql) STATEMENT_##name,
    STATEMENTS(X)
#undef X
        STATEMENT_COUNT
};

const char *statement_sql(enum statement which);
/* Fills all STATEMENT_COUNT; on failure those that were made are finalized again. */
akin_status statements_prepare(sqlite3_stmt **out, sqlite3 *db, akin_error *err);
void statements_finalize(sqlite3_stmt **statements);

#endif
