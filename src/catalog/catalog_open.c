/*
 * Opening and closing a collection, and transactions.
 *
 * The writer holds DIR/lock from open to close, so that there is one writer a collection and not
 * only one a transaction: an index beside the catalogue has to agree with it. SQLite's own locks
 * see to the readers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "catalog_folder.h"
#include "database.h"
#include "schema.h"
#include "settings.h"

akin_status catalog_path(char out[AKIN_PATH_MAX], const char *dir, akin_error *err)
{
    if (!dir || !dir[0])
        return akin_error_set(err, AKIN_ERR_INVALID, "the collection's folder has no name");
    size_t length = strlen(dir);
    while (length > 1 && dir[length - 1] == '/')
        length--;
    if (length >= AKIN_PATH_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "the path '%.60s...' is too long", dir);
    memcpy(out, dir, length);
    out[length] = '\0';
    return AKIN_OK;
}

/* path = DIR/collection.sqlite, which is there. */
static akin_status find(char path[AKIN_PATH_MAX], const char *dir, akin_error *err)
{
    struct akin_file_stat st;
    akin_error why = {0};
    akin_status status = akin_path_join(path, dir, DATABASE_FILE, err);
    if (status != AKIN_OK)
        return status;
    status = akin_file_stat(&st, dir, &why);
    if (status == AKIN_OK && !st.is_dir)
        return akin_error_set(err, AKIN_ERR_NOT_FOUND,
                              "'%s' is not a folder, so not a collection (akin init makes one)",
                              dir);
    if (status == AKIN_OK)
        status = akin_file_stat(&st, path, &why);
    if (status == AKIN_ERR_NOT_FOUND)
        return akin_error_set(err, status, "'%s' is no collection; make one with: akin init '%s'",
                              dir, dir);
    if (status != AKIN_OK)
        return akin_error_set(err, status, "%s", why.text);
    return AKIN_OK;
}

static akin_status lock_for_writing(akin_catalog *catalog, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    akin_status status = akin_path_join(path, catalog->dir, CATALOG_LOCK, err);
    if (status == AKIN_OK)
        status = akin_lock_take(&catalog->lock, path, err);
    if (status == AKIN_ERR_BUSY)
        return akin_error_context(err, status, "another akin is writing to '%s'", catalog->dir);
    return status;
}

static akin_status migrate(akin_catalog *catalog, int64_t version, akin_error *err)
{
    if (version == AKIN_CATALOG_SCHEMA)
        return AKIN_OK;
    if (catalog->mode != AKIN_OPEN_WRITE)
        return akin_error_set(
            err, AKIN_ERR_VERSION,
            "'%s' was made by an older akin (schema %lld, now %d); bring it up to "
            "date with: akin add '%s'",
            catalog->dir, (long long)version, AKIN_CATALOG_SCHEMA, catalog->dir);
    return schema_migrate(catalog->db, version, err);
}

static akin_status open_into(akin_catalog *catalog, const char *dir, akin_error *err)
{
    char folder[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    int64_t version = 0;
    akin_status status = catalog_path(folder, dir, err);
    if (status == AKIN_OK)
        status = find(path, folder, err);
    if (status != AKIN_OK)
        return status;
    catalog->dir = akin_strdup(folder);
    if (!catalog->dir)
        return akin_error_memory(err, strlen(folder), "a path");
    if (catalog->mode == AKIN_OPEN_WRITE)
        status = lock_for_writing(catalog, err);
    if (status == AKIN_OK)
        status = database_open(&catalog->db, path, catalog->mode, &version, err);
    if (status == AKIN_OK)
        status = migrate(catalog, version, err);
    if (status == AKIN_OK)
        status = statements_prepare(catalog->statements, catalog->db, err);
    if (status == AKIN_OK)
        status = settings_load(catalog->db, &catalog->settings, err);
    if (status == AKIN_OK && catalog->mode == AKIN_OPEN_WRITE)
        status = catalog_make_subfolders(catalog->dir, err);
    return status;
}

akin_status akin_catalog_open(akin_catalog **out, const char *dir, enum akin_open mode,
                              akin_error *err)
{
    akin_catalog *catalog = akin_alloc_zero(1, sizeof *catalog);
    if (!catalog)
        return akin_error_memory(err, sizeof *catalog, "a catalogue");
    catalog->mode = mode;
    akin_status status = open_into(catalog, dir, err);
    if (status == AKIN_OK)
        *out = catalog;
    else
        akin_catalog_close(catalog);
    return status;
}

void akin_catalog_close(akin_catalog *catalog)
{
    if (!catalog)
        return;
    statements_finalize(catalog->statements);
    sqlite3_close(catalog->db); /* rolls back what is open */
    akin_lock_release(catalog->lock);
    akin_free(catalog->dir);
    akin_free(catalog);
}

const char *akin_catalog_dir(const akin_catalog *catalog)
{
    return catalog->dir;
}

const struct akin_settings *akin_catalog_settings(const akin_catalog *catalog)
{
    return &catalog->settings;
}

akin_status akin_catalog_begin(akin_catalog *catalog, akin_error *err)
{
    if (catalog->in_transaction)
        return akin_error_set(err, AKIN_ERR_INVALID, "a transaction on '%s' is open already",
                              catalog->dir);
    akin_status status = database_check_write(catalog, "begin a transaction", err);
    if (status == AKIN_OK)
        status = database_exec(catalog->db, "BEGIN IMMEDIATE", "begin a transaction", err);
    if (status == AKIN_OK) {
        catalog->in_transaction = true;
        catalog->bands_before = catalog->settings.bands;
    }
    return status;
}

akin_status akin_catalog_commit(akin_catalog *catalog, akin_error *err)
{
    if (!catalog->in_transaction)
        return akin_error_set(err, AKIN_ERR_INVALID, "no transaction on '%s' is open",
                              catalog->dir);
    akin_status status = database_check_write(catalog, "commit", err);
    if (status == AKIN_OK)
        status = database_exec(catalog->db, "COMMIT", "commit", err);
    if (status == AKIN_OK)
        catalog->in_transaction = false;
    else
        akin_catalog_rollback(catalog);
    return status;
}

void akin_catalog_rollback(akin_catalog *catalog)
{
    if (!catalog || !catalog->in_transaction)
        return;
    if (!sqlite3_get_autocommit(catalog->db))
        database_exec(catalog->db, "ROLLBACK", "roll back", NULL);
    catalog->in_transaction = false;
    catalog->settings.bands = catalog->bands_before;
}
