/*
 * For the catalogue's tests: collecting what verify tells, and changing a collection behind akin's
 * back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_CATALOG_FAULTS_H
#define AKIN_TESTS_CATALOG_FAULTS_H

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "../check.h"
#include "akin/catalog.h"

/* out = "dir/name". */
static inline void join(char out[AKIN_PATH_MAX], const char *dir, const char *name)
{
    CHECK_EQ(akin_path_join(out, dir, name, NULL), AKIN_OK);
}

/* A scene borrows its texts, so that a constant will do. */
#define BORROWED(text) ((char *)(text))

struct faults {
    int count;
    char text[4096]; /* all of them, a line each */
};

static inline void faults_add(void *user, const char *file, const char *text)
{
    struct faults *faults = user;
    size_t used = strlen(faults->text);
    faults->count++;
    snprintf(faults->text + used, sizeof faults->text - used, "%s: %s\n", file, text);
}

/* What verify says of the collection; count -1 where it could not be run. */
static inline struct faults faults_of(const char *dir)
{
    struct faults faults = {0};
    akin_error why = {0};
    akin_catalog *catalog = NULL;
    akin_status status = akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, &why);
    if (status == AKIN_OK)
        status = akin_catalog_verify(catalog, faults_add, &faults, &why);
    if (status != AKIN_OK)
        faults = (struct faults){.count = -1};
    if (status != AKIN_OK)
        snprintf(faults.text, sizeof faults.text, "%s", why.text);
    akin_catalog_close(catalog);
    return faults;
}

/* Runs SQL on DIR/collection.sqlite, as somebody else's program would. */
static inline bool run_sql(const char *dir, const char *sql)
{
    char path[AKIN_PATH_MAX];
    char *message = NULL;
    sqlite3 *db = NULL;
    join(path, dir, "collection.sqlite");
    bool done = sqlite3_open(path, &db) == SQLITE_OK &&
                sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK;
    if (!done)
        printf("# %s: %s\n", sql, message ? message : "cannot open");
    sqlite3_free(message);
    sqlite3_close(db);
    return done;
}

/* path = FOLDER/NAME; a fresh collection with default settings there. */
static inline bool make_collection(char path[AKIN_PATH_MAX], const char *name)
{
    akin_error why = {0};
    join(path, check_folder(), name);
    bool made = akin_catalog_create(path, NULL, &why) == AKIN_OK;
    if (!made)
        printf("# %s\n", why.text);
    return made;
}

#endif
