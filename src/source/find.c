/*
 * What a SOURCE on the command line means: a folder, a file, a pattern that the shell left alone, a
 * list of sources in a file, or an address that only GDAL understands.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "find.h"

#define ITEMS_MAX ((size_t)1 << 26)
#define SKIPPED_MAX ((size_t)1 << 16)
#define LIST_BYTES_MAX ((size_t)256 << 20)

/* ---- the list ---- */

static akin_status grow(void **block, size_t count, size_t *capacity, size_t max, size_t size,
                        akin_error *err)
{
    if (count < *capacity)
        return AKIN_OK;
    if (count >= max)
        return akin_error_set(err, AKIN_ERR_LIMIT, "more than %zu files: give the sources in parts",
                              max);
    const size_t more = *capacity ? *capacity * 2 : 64;
    void *grown = akin_realloc(*block, *capacity * size, more * size);
    if (!grown)
        return akin_error_memory(err, more * size, "the list of files");
    *block = grown;
    *capacity = more;
    return AKIN_OK;
}

akin_status finder_add(struct finder *finder, const char *uri, const char *label,
                       const struct stat *stat, akin_error *err)
{
    struct akin_source_list *list = &finder->list;
    void *items = list->items;
    const akin_status status =
        grow(&items, list->count, &finder->item_capacity, ITEMS_MAX, sizeof *list->items, err);
    list->items = items;
    if (status != AKIN_OK)
        return status;
    struct akin_source_item item = {.uri = akin_strdup(uri), .label = akin_strdup(label)};
    if (!item.uri || (label && !item.label)) {
        akin_free(item.uri);
        akin_free(item.label);
        return akin_error_memory(err, strlen(uri), "a file's name");
    }
    if (stat) {
        item.size_bytes = (uint64_t)stat->st_size;
        item.mtime_ns = (int64_t)stat->st_mtim.tv_sec * 1000000000 + stat->st_mtim.tv_nsec;
    }
    list->items[list->count++] = item;
    return AKIN_OK;
}

akin_status finder_skip(struct finder *finder, const char *path, const char *why, akin_error *err)
{
    struct akin_source_list *list = &finder->list;
    if (list->skipped_count >= SKIPPED_MAX)
        return AKIN_OK;
    void *skipped = list->skipped;
    akin_status status = grow(&skipped, list->skipped_count, &finder->skipped_capacity, SKIPPED_MAX,
                              sizeof *list->skipped, err);
    list->skipped = skipped;
    if (status != AKIN_OK)
        return status;
    struct akin_buffer text;
    akin_buffer_init(&text, AKIN_PATH_MAX + AKIN_ERROR_TEXT_MAX + 64);
    status = akin_buffer_printf(&text, err, "%s: %s", path, why);
    if (status == AKIN_OK && !(list->skipped[list->skipped_count] = akin_strdup(text.data)))
        status = akin_error_memory(err, text.size, "a file's name");
    if (status == AKIN_OK)
        list->skipped_count++;
    akin_buffer_fini(&text);
    return status;
}

void akin_source_list_free(struct akin_source_list *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->count; i++) {
        akin_free(list->items[i].uri);
        akin_free(list->items[i].label);
    }
    for (size_t i = 0; i < list->skipped_count; i++)
        akin_free(list->skipped[i]);
    akin_free(list->items);
    akin_free(list->skipped);
    *list = (struct akin_source_list){0};
}

static int by_uri(const void *a, const void *b)
{
    return strcmp(((const struct akin_source_item *)a)->uri,
                  ((const struct akin_source_item *)b)->uri);
}

static void sort_and_unite(struct akin_source_list *list)
{
    size_t kept = 0;
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, by_uri);
    for (size_t i = 0; i < list->count; i++) {
        if (kept && strcmp(list->items[kept - 1].uri, list->items[i].uri) == 0) {
            akin_free(list->items[i].uri);
            akin_free(list->items[i].label);
            continue;
        }
        list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

/* ---- one source ---- */

/* /vsi..., scheme://..., DRIVER:... : not a path of ours. */
static bool is_address(const char *source)
{
    size_t i = 0;
    if (strncmp(source, "/vsi", 4) == 0)
        return true;
    while (isalnum((unsigned char)source[i]) || source[i] == '_')
        i++;
    return i >= 2 && source[i] == ':';
}

/* The path from the root, without . and .. and doubled slashes; links in the folder part are
 * resolved, so that the same file has one name, but the file's own name is kept. */
static akin_status absolute(char out[AKIN_PATH_MAX], const char *path, bool is_folder,
                            akin_error *err)
{
    char folder[AKIN_PATH_MAX], real[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = is_folder ? "" : slash ? slash + 1 : path;
    const size_t length = is_folder ? strlen(path) : slash ? (size_t)(slash - path) + 1 : 0;
    if (length >= sizeof folder)
        return akin_error_set(err, AKIN_ERR_LIMIT, "a path is longer than %d bytes", AKIN_PATH_MAX);
    memcpy(folder, path, length);
    folder[length] = '\0';
    if (!realpath(length ? folder : ".", real))
        return akin_error_errno(err, errno, "cannot find '%s'", path);
    if (is_folder)
        return snprintf(out, AKIN_PATH_MAX, "%s", real) < AKIN_PATH_MAX
                   ? AKIN_OK
                   : akin_error_set(err, AKIN_ERR_LIMIT, "a path is too long");
    return akin_path_join(out, real, name, err);
}

/* A file or folder that is there. */
static akin_status find_path(struct finder *finder, const char *path, const struct stat *stat,
                             akin_error *err)
{
    char full[AKIN_PATH_MAX];
    const bool folder = S_ISDIR(stat->st_mode);
    const akin_status status = absolute(full, path, folder, err);
    if (status != AKIN_OK)
        return status;
    return folder ? finder_walk(finder, full, err)
                  : finder_file(finder, full, NULL, stat, true, err);
}

static akin_status find_glob(struct finder *finder, const char *pattern, akin_error *err)
{
    glob_t found;
    akin_status status = AKIN_OK;
    const int result = glob(pattern, 0, NULL, &found);
    if (result == GLOB_NOMATCH)
        return akin_error_set(err, AKIN_ERR_NOT_FOUND, "nothing matches '%s'", pattern);
    if (result != 0)
        return akin_error_set(err, AKIN_ERR_IO, "cannot expand '%s'", pattern);
    for (size_t i = 0; i < found.gl_pathc && status == AKIN_OK; i++) {
        struct stat stat_of;
        status = stat(found.gl_pathv[i], &stat_of) == 0
                     ? find_path(finder, found.gl_pathv[i], &stat_of, err)
                     : finder_skip(finder, found.gl_pathv[i], strerror(errno), err);
    }
    globfree(&found);
    return status;
}

static akin_status find_list(struct finder *finder, const char *path, akin_error *err);

/* `listed`: from a list, where a list is not followed. */
static akin_status find_one(struct finder *finder, const char *source, bool listed, akin_error *err)
{
    struct stat stat_of;
    bool found = false;
    if (!source[0])
        return akin_error_set(err, AKIN_ERR_INVALID, "an empty name is no source");
    if (strncmp(source, "/vsi", 4) != 0 && stat(source, &stat_of) == 0)
        return find_path(finder, source, &stat_of, err);
    const int why = errno;
    if (source[0] == '@' && !listed)
        return find_list(finder, source + 1, err);
    if (is_address(source)) {
        const akin_status status =
            strncmp(source, "/vsi", 4) == 0 ? finder_virtual(finder, source, &found, err) : AKIN_OK;
        return status != AKIN_OK || found ? status : finder_add(finder, source, NULL, NULL, err);
    }
    if (strpbrk(source, "*?["))
        return find_glob(finder, source, err);
    return akin_error_errno(err, why, "cannot find '%s'", source);
}

/* One line of a list: relative paths are from the list's folder. */
static akin_status find_line(struct finder *finder, const char *list, const char *line,
                             akin_error *err)
{
    char path[AKIN_PATH_MAX];
    const char *slash = strrchr(list, '/');
    if (line[0] == '/' || is_address(line) || !slash)
        return find_one(finder, line, true, err);
    if (snprintf(path, sizeof path, "%.*s/%s", (int)(slash - list), list, line) >= (int)sizeof path)
        return akin_error_set(err, AKIN_ERR_LIMIT, "a path in '%s' is too long", list);
    return find_one(finder, path, true, err);
}

static akin_status find_list(struct finder *finder, const char *path, akin_error *err)
{
    struct akin_buffer text;
    akin_buffer_init(&text, LIST_BYTES_MAX);
    akin_status status = akin_file_read(&text, path, err);
    char *line = text.data;
    for (size_t number = 1; status == AKIN_OK && line && *line; number++) {
        char *next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        size_t length = strlen(line);
        while (length && (line[length - 1] == '\r' || line[length - 1] == ' '))
            line[--length] = '\0';
        line += strspn(line, " \t");
        if (*line && *line != '#') {
            status = find_line(finder, path, line, err);
            if (status != AKIN_OK)
                status = akin_error_context(err, status, "'%s' line %zu", path, number);
        }
        line = next;
    }
    akin_buffer_fini(&text);
    return status;
}

akin_status akin_source_find(struct akin_source_list *out, const char *const *sources,
                             size_t source_count, const struct akin_talk *talk, akin_error *err)
{
    struct finder finder = {.talk = talk};
    akin_status status = AKIN_OK;
    *out = (struct akin_source_list){0};
    for (size_t i = 0; i < source_count && status == AKIN_OK; i++)
        status = find_one(&finder, sources[i], false, err);
    if (status == AKIN_OK) {
        sort_and_unite(&finder.list);
        *out = finder.list;
        finder.list = (struct akin_source_list){0};
    }
    finder_fini(&finder);
    return status;
}
