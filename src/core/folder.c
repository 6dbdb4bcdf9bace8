/*
 * Folders: joining paths, making, listing and syncing them, and sweeping out what an atomic write
 * left behind when its process died.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "akin/core/file.h"

akin_status akin_path_join(char *out, const char *dir, const char *name, akin_error *err)
{
    size_t dir_size = strlen(dir), name_size = strlen(name);
    size_t slash = dir_size && dir[dir_size - 1] != '/';
    if (dir_size >= AKIN_PATH_MAX || name_size >= AKIN_PATH_MAX - dir_size - slash)
        return akin_error_set(err, AKIN_ERR_LIMIT,
                              "the path '%.100s/%.100s' is longer than %d bytes", dir, name,
                              AKIN_PATH_MAX - 1);
    memmove(out, dir, dir_size); /* dir may be out itself */
    if (slash)
        out[dir_size] = '/';
    memcpy(out + dir_size + slash, name, name_size + 1);
    return AKIN_OK;
}

akin_status akin_dir_create(const char *path, akin_error *err)
{
    struct stat st;
    if (mkdir(path, 0777) == 0)
        return AKIN_OK;
    int reason = errno;
    if (reason == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return AKIN_OK;
    return akin_error_errno(err, reason, "cannot make the folder '%s'", path);
}

akin_status akin_dir_sync(const char *path, akin_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return akin_error_errno(err, errno, "cannot open the folder '%s'", path);
    int reason = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    /* Some network and FUSE file systems have no fsync for folders: nothing more can be done
     * there. */
    if (reason && reason != EINVAL && reason != ENOTSUP)
        return akin_error_errno(err, reason, "cannot sync the folder '%s'", path);
    return AKIN_OK;
}

struct names {
    char **list;
    size_t count, capacity;
};

static akin_status add_name(struct names *names, const char *name, akin_error *err)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 64;
        char **list =
            akin_realloc(names->list, names->count * sizeof *list, capacity * sizeof *list);
        if (!list)
            return akin_error_memory(err, capacity * sizeof *list, "a folder's names");
        names->list = list;
        names->capacity = capacity;
    }
    char *copy = akin_strdup(name);
    if (!copy)
        return akin_error_memory(err, strlen(name) + 1, "a file's name");
    names->list[names->count++] = copy;
    return AKIN_OK;
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static akin_status read_names(struct names *names, DIR *dir, const char *path, size_t max,
                              akin_error *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry)
            return errno ? akin_error_errno(err, errno, "cannot read the folder '%s'", path)
                         : AKIN_OK;
        if (is_dot(entry->d_name))
            continue;
        if (names->count == max)
            return akin_error_set(err, AKIN_ERR_LIMIT, "the folder '%s' has more than %zu entries",
                                  path, max);
        akin_status status = add_name(names, entry->d_name, err);
        if (status != AKIN_OK)
            return status;
    }
}

akin_status akin_dir_list(char ***out, size_t *out_count, const char *path, size_t max,
                          akin_error *err)
{
    struct names names = {0};
    DIR *dir = opendir(path);
    if (!dir)
        return akin_error_errno(err, errno, "cannot open the folder '%s'", path);
    akin_status status = read_names(&names, dir, path, max, err);
    closedir(dir);
    if (status != AKIN_OK) {
        akin_names_free(names.list, names.count);
        return status;
    }
    if (names.count)
        qsort(names.list, names.count, sizeof *names.list, compare_names);
    *out = names.list;
    *out_count = names.count;
    return AKIN_OK;
}

void akin_names_free(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++)
        akin_free(names[i]);
    akin_free(names);
}

/* Whether `name` ends in ".tmp-PID-N" as akin_atomic_begin makes it, N in decimal digits. */
static bool is_temporary(const char *name)
{
    static const char digits[] = "0123456789";
    const char *mark = NULL;
    for (const char *at = strstr(name, ".tmp-"); at; at = strstr(at + 1, ".tmp-"))
        mark = at;
    if (!mark)
        return false;
    mark += strlen(".tmp-");
    size_t pid = strspn(mark, digits);
    if (!pid || mark[pid] != '-')
        return false;
    size_t serial = strspn(mark + pid + 1, digits);
    return serial && mark[pid + 1 + serial] == '\0';
}

akin_status akin_dir_sweep(const char *path, akin_error *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? AKIN_OK
                               : akin_error_errno(err, errno, "cannot open the folder '%s'", path);
    akin_status status = AKIN_OK;
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (!is_temporary(entry->d_name))
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) != 0 && errno != ENOENT) {
            status = akin_error_errno(err, errno, "cannot remove the left-over '%s/%s'", path,
                                      entry->d_name);
            break;
        }
    }
    if (status == AKIN_OK && errno)
        status = akin_error_errno(err, errno, "cannot read the folder '%s'", path);
    closedir(dir);
    return status;
}
