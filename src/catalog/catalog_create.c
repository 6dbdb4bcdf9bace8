/*
 * akin init: a collection's folder, whole or not at all.
 *
 * A folder that is not there yet is built as DIR.tmp-PID-N beside it and renamed. In an empty
 * folder that is there (it may be the working folder, or a mount point, and has somebody's rights)
 * the parts are made in place under the collection's lock, and the catalogue, which is what makes
 * it a collection, comes last, by a rename too. What a crash leaves in there does not count as
 * something, so that init can be run again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "catalog_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database.h"

#define LEFTOVER "collection.sqlite.tmp-"
#define ENTRIES_MAX 4096

static const char *const subfolders[] = {"chips", "models", "index"};
#define SUBFOLDER_COUNT (sizeof subfolders / sizeof subfolders[0])

akin_status catalog_make_subfolders(const char *dir, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < SUBFOLDER_COUNT && status == AKIN_OK; i++) {
        status = akin_path_join(path, dir, subfolders[i], err);
        if (status == AKIN_OK)
            status = akin_dir_create(path, err);
    }
    return status;
}

/* Whether `name` in `dir` is what an interrupted init leaves: our empty folders, the lock, a
 * catalogue that was not finished. */
static bool is_leftover(const char *dir, const char *name)
{
    if (!strncmp(name, LEFTOVER, strlen(LEFTOVER)) || !strcmp(name, CATALOG_LOCK))
        return true;
    char path[AKIN_PATH_MAX];
    char **names = NULL;
    size_t count = 1;
    for (size_t i = 0; i < SUBFOLDER_COUNT; i++)
        if (!strcmp(name, subfolders[i]) && akin_path_join(path, dir, name, NULL) == AKIN_OK &&
            akin_dir_list(&names, &count, path, 1, NULL) == AKIN_OK)
            akin_names_free(names, count);
    return count == 0;
}

static akin_status check_empty(const char *dir, akin_error *err)
{
    char **names = NULL;
    size_t count = 0;
    akin_status status = akin_dir_list(&names, &count, dir, ENTRIES_MAX, err);
    if (status == AKIN_ERR_LIMIT)
        return akin_error_set(err, AKIN_ERR_EXISTS, "'%s' is not empty: name a new folder", dir);
    for (size_t i = 0; i < count && status == AKIN_OK; i++) {
        if (!strcmp(names[i], DATABASE_FILE))
            status = akin_error_set(err, AKIN_ERR_EXISTS, "'%s' is a collection already", dir);
        else if (!is_leftover(dir, names[i]))
            status = akin_error_set(err, AKIN_ERR_EXISTS,
                                    "'%s' is not empty ('%s' is in it): name a new folder", dir,
                                    names[i]);
    }
    akin_names_free(names, count);
    return status;
}

/* Removes SQLite's file and whatever journals it may have left. */
static void remove_database(const char *path)
{
    static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
    char name[AKIN_PATH_MAX + 16];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        akin_file_remove(name, NULL);
    }
}

/* Everything in `dir`, which is there; the catalogue last. */
static akin_status fill(const char *dir, const struct akin_settings *settings, akin_error *err)
{
    char name[64], temporary[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    snprintf(name, sizeof name, LEFTOVER "%ld", (long)getpid());
    akin_status status = akin_path_join(temporary, dir, name, err);
    if (status == AKIN_OK)
        status = akin_path_join(path, dir, DATABASE_FILE, err);
    if (status == AKIN_OK)
        status = catalog_make_subfolders(dir, err);
    if (status != AKIN_OK)
        return status;
    remove_database(temporary); /* of a crashed process that had our number */
    status = database_create(temporary, settings, err);
    if (status == AKIN_OK)
        status = akin_dir_sync(dir, err);
    if (status == AKIN_OK && rename(temporary, path) != 0)
        status = akin_error_errno(err, errno, "cannot make '%s'", path);
    if (status == AKIN_OK)
        status = akin_dir_sync(dir, err);
    if (status != AKIN_OK)
        remove_database(temporary);
    return status;
}

/* What fill made of a folder, but for the catalogue itself. */
static void empty_again(const char *dir)
{
    char path[AKIN_PATH_MAX];
    for (size_t i = 0; i < SUBFOLDER_COUNT; i++)
        if (akin_path_join(path, dir, subfolders[i], NULL) == AKIN_OK)
            rmdir(path); /* only where it is empty */
    if (akin_path_join(path, dir, CATALOG_LOCK, NULL) == AKIN_OK)
        akin_file_remove(path, NULL);
}

static akin_status create_inside(const char *dir, const struct akin_settings *settings,
                                 akin_error *err)
{
    char path[AKIN_PATH_MAX];
    akin_lock *lock = NULL;
    akin_status status = check_empty(dir, err);
    if (status == AKIN_OK)
        status = akin_path_join(path, dir, CATALOG_LOCK, err);
    if (status == AKIN_OK)
        status = akin_lock_take(&lock, path, err);
    if (status != AKIN_OK)
        return status;
    status = check_empty(dir, err); /* again: another init may have been faster */
    if (status == AKIN_OK) {
        status = fill(dir, settings, err);
        if (status != AKIN_OK)
            empty_again(dir);
    }
    akin_lock_release(lock);
    return status;
}

/* A new folder beside `dir`. */
static akin_status make_sibling(char out[AKIN_PATH_MAX], const char *dir, akin_error *err)
{
    for (unsigned i = 0; i < 100; i++) {
        int n = snprintf(out, AKIN_PATH_MAX, "%s.tmp-%ld-%u", dir, (long)getpid(), i);
        if (n >= AKIN_PATH_MAX)
            return akin_error_set(err, AKIN_ERR_LIMIT, "the path '%.60s...' is too long", dir);
        if (mkdir(out, 0777) == 0)
            return AKIN_OK;
        if (errno != EEXIST)
            break;
    }
    return akin_error_errno(err, errno, "cannot make the folder '%s'", dir);
}

static akin_status sync_parent(const char *dir, akin_error *err)
{
    char parent[AKIN_PATH_MAX];
    snprintf(parent, sizeof parent, "%s", dir);
    char *slash = strrchr(parent, '/');
    if (!slash)
        return akin_dir_sync(".", err);
    slash[slash == parent] = '\0'; /* "/x" is in "/" */
    return akin_dir_sync(parent, err);
}

static akin_status create_beside(const char *dir, const struct akin_settings *settings,
                                 akin_error *err)
{
    char sibling[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    akin_status status = make_sibling(sibling, dir, err);
    if (status != AKIN_OK)
        return status;
    status = fill(sibling, settings, err);
    if (status == AKIN_OK && rename(sibling, dir) != 0)
        status = errno == ENOTEMPTY || errno == EEXIST
                     ? akin_error_set(err, AKIN_ERR_EXISTS, "'%s' was made meanwhile", dir)
                     : akin_error_errno(err, errno, "cannot make the folder '%s'", dir);
    if (status == AKIN_OK)
        return sync_parent(dir, err);
    if (akin_path_join(path, sibling, DATABASE_FILE, NULL) == AKIN_OK)
        remove_database(path);
    empty_again(sibling);
    rmdir(sibling);
    return status;
}

akin_status akin_catalog_create(const char *dir, const struct akin_settings *settings,
                                akin_error *err)
{
    struct akin_settings defaults;
    struct akin_file_stat st;
    char path[AKIN_PATH_MAX];
    akin_settings_default(&defaults);
    if (!settings)
        settings = &defaults;
    akin_status status = akin_settings_check(settings, err);
    if (status == AKIN_OK)
        status = catalog_path(path, dir, err);
    if (status != AKIN_OK)
        return status;
    akin_error why = {0};
    status = akin_file_stat(&st, path, &why);
    if (status == AKIN_ERR_NOT_FOUND)
        return create_beside(path, settings, err);
    if (status != AKIN_OK)
        return akin_error_set(err, status, "%s", why.text);
    if (!st.is_dir)
        return akin_error_set(err, AKIN_ERR_EXISTS, "'%s' is there and is not a folder", path);
    return create_inside(path, settings, err);
}
