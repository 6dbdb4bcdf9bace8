/*
 * Chip packs: which file under DIR/chips has which keys.
 *
 * A key's top bit is flipped on its way to SQLite's signed integers and back: the order of u64 keys
 * stays (scene ids go up to 2^32 - 1, so that keys go above INT64_MAX), and so do ranges.
 *
 * Which ranges hold a key: their first key is not above it, and not further below than the widest
 * range is wide. The widest, in scenes, comes from an index of its own; ranges hardly overlap, so
 * that a few entries are read: 20 us among 10,000 packs, where reading all that begin below took
 * 1.3 ms.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "database.h"
#include "keys.h"

/* ids come from AUTOINCREMENT's own memory of the largest ever recorded, and from what this handle
 * gave out before it was recorded; one writer at a time sees to the rest. */
akin_status akin_catalog_pack_next(akin_catalog *catalog, uint64_t *id, akin_error *err)
{
    sqlite3_stmt *statement = catalog->statements[STATEMENT_PACK_LAST];
    bool row = false;
    akin_status status = database_check_write(catalog, "number a chip pack", err);
    if (status == AKIN_OK)
        status = database_step(catalog->db, statement, &row, "number a chip pack", err);
    if (status != AKIN_OK)
        return status;
    int64_t recorded = row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
    if (recorded > 0 && (uint64_t)recorded > catalog->pack_last)
        catalog->pack_last = (uint64_t)recorded;
    if (catalog->pack_last >= INT64_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "'%s' has no chip pack numbers left",
                              catalog->dir);
    *id = ++catalog->pack_last;
    return AKIN_OK;
}

static bool is_valid(const struct akin_pack_entry *pack)
{
    return pack->id >= 1 && pack->id <= INT64_MAX && pack->first_key <= pack->last_key &&
           pack->tiles >= 1 && pack->tiles <= INT64_MAX && pack->bytes <= INT64_MAX;
}

akin_status akin_catalog_pack_add(akin_catalog *catalog, const struct akin_pack_entry *pack,
                                  akin_error *err)
{
    if (!is_valid(pack))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "chip pack %016llx cannot be recorded: %llu tiles, keys %016llx to "
                              "%016llx",
                              (unsigned long long)pack->id, (unsigned long long)pack->tiles,
                              (unsigned long long)pack->first_key,
                              (unsigned long long)pack->last_key);
    sqlite3_stmt *statement = catalog->statements[STATEMENT_PACK_ADD];
    sqlite3_bind_int64(statement, 1, (int64_t)pack->id);
    sqlite3_bind_int64(statement, 2, key_to_sql(pack->first_key));
    sqlite3_bind_int64(statement, 3, key_to_sql(pack->last_key));
    sqlite3_bind_int64(statement, 4, (int64_t)pack->tiles);
    sqlite3_bind_int64(statement, 5, (int64_t)pack->bytes);
    akin_status status = database_write(catalog, statement, "record a chip pack", err);
    if (status == AKIN_ERR_EXISTS)
        return akin_error_set(err, status, "chip pack %016llx is in '%s' already",
                              (unsigned long long)pack->id, catalog->dir);
    return status;
}

akin_status akin_catalog_pack_remove(akin_catalog *catalog, uint64_t id, akin_error *err)
{
    sqlite3_stmt *statement = catalog->statements[STATEMENT_PACK_REMOVE];
    sqlite3_bind_int64(statement, 1, (int64_t)id);
    akin_status status = database_write(catalog, statement, "remove a chip pack", err);
    if (status == AKIN_OK && sqlite3_changes(catalog->db) == 0)
        status = akin_error_set(err, AKIN_ERR_NOT_FOUND, "there is no chip pack %016llx in '%s'",
                                (unsigned long long)id, catalog->dir);
    return status;
}

/* The entry that `row` stands on. */
static akin_status read_entry(const akin_catalog *catalog, sqlite3_stmt *row,
                              struct akin_pack_entry *out, akin_error *err)
{
    *out = (struct akin_pack_entry){.id = (uint64_t)sqlite3_column_int64(row, 0),
                                    .first_key = key_from_sql(sqlite3_column_int64(row, 1)),
                                    .last_key = key_from_sql(sqlite3_column_int64(row, 2)),
                                    .tiles = (uint64_t)sqlite3_column_int64(row, 3),
                                    .bytes = (uint64_t)sqlite3_column_int64(row, 4)};
    if (is_valid(out))
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_CORRUPT,
                          "chip pack %lld in '%s/" DATABASE_FILE "' has impossible numbers",
                          (long long)out->id, catalog->dir);
}

akin_status akin_catalog_packs_of(akin_catalog *catalog, uint64_t key, struct akin_pack_entry *out,
                                  size_t max, size_t *count, akin_error *err)
{
    sqlite3_stmt *statement = catalog->statements[STATEMENT_PACKS_OF];
    akin_status status = AKIN_OK;
    size_t found = 0;
    sqlite3_bind_int64(statement, 1, key_to_sql(key));
    sqlite3_bind_int64(statement, 2, max > INT32_MAX ? INT32_MAX : (int64_t)max);
    while (status == AKIN_OK && found < max) {
        bool row;
        status = database_step(catalog->db, statement, &row, "look for a chip pack", err);
        if (!row)
            break;
        status = read_entry(catalog, statement, &out[found++], err);
    }
    sqlite3_reset(statement);
    if (status == AKIN_OK)
        *count = found;
    return status;
}

akin_status akin_catalog_packs(akin_catalog *catalog, akin_pack_fn *fn, void *user, akin_error *err)
{
    sqlite3_stmt *statement = catalog->statements[STATEMENT_PACK_AFTER];
    uint64_t last = 0;
    for (;;) {
        struct akin_pack_entry pack;
        bool row;
        sqlite3_bind_int64(statement, 1, (int64_t)last);
        akin_status status = database_step(catalog->db, statement, &row, "list chip packs", err);
        if (!row)
            return status;
        status = read_entry(catalog, statement, &pack, err);
        sqlite3_reset(statement); /* fn may read, and list, too */
        if (status != AKIN_OK)
            return status;
        if (!fn(user, &pack))
            return AKIN_OK;
        last = pack.id;
    }
}
