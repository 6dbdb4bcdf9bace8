/*
 * A walk over the folder, once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "web_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 1000
#define BYTES_MAX ((size_t)64 << 20)
#define DEPTH_MAX 4

static const char *type_of(const char *name)
{
    static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
                                           {".js", "text/javascript; charset=utf-8"},
                                           {".mjs", "text/javascript; charset=utf-8"},
                                           {".css", "text/css; charset=utf-8"},
                                           {".json", "application/json"},
                                           {".map", "application/json"},
                                           {".geojson", "application/geo+json"},
                                           {".webmanifest", "application/manifest+json"},
                                           {".svg", "image/svg+xml"},
                                           {".png", "image/png"},
                                           {".jpg", "image/jpeg"},
                                           {".webp", "image/webp"},
                                           {".ico", "image/x-icon"},
                                           {".woff2", "font/woff2"},
                                           {".txt", "text/plain; charset=utf-8"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (akin_text_ends_with(name, types[i][0]))
            return types[i][1];
    return NULL;
}

struct walk_state {
    struct web_files *files;
    size_t bytes;
};

static akin_status take_file(struct walk_state *state, const char *path, const char *name,
                             akin_error *err)
{
    struct web_files *files = state->files;
    const char *type = type_of(name);
    if (!type)
        return AKIN_OK;
    if (files->count == FILES_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "more than %d files for the page", FILES_MAX);
    struct web_file *file = &files->items[files->count];
    *file = (struct web_file){.name = akin_strdup(name), .type = type};
    akin_buffer_init(&file->bytes, BYTES_MAX - state->bytes);
    files->count++;
    if (!file->name)
        return akin_error_memory(err, strlen(name), "a file's name");
    akin_status status = akin_file_read(&file->bytes, path, err);
    state->bytes += file->bytes.size;
    return status;
}

static akin_status walk(struct walk_state *state, const char *folder, const char *prefix, int depth,
                        akin_error *err)
{
    char **names = NULL;
    size_t count = 0;
    akin_status status = akin_dir_list(&names, &count, folder, FILES_MAX, err);
    for (size_t i = 0; i < count && status == AKIN_OK; i++) {
        char path[AKIN_PATH_MAX], name[AKIN_PATH_MAX];
        struct akin_file_stat st;
        if (names[i][0] == '.')
            continue;
        status = akin_path_join(path, folder, names[i], err);
        if (status == AKIN_OK)
            status = akin_file_stat(&st, path, err);
        if (status == AKIN_OK && snprintf(name, sizeof name, "%s%s%s", prefix, names[i],
                                          st.is_dir ? "/" : "") >= (int)sizeof name)
            status = akin_error_set(err, AKIN_ERR_LIMIT, "the path '%.60s...' is too long", name);
        if (status == AKIN_OK && st.is_regular)
            status = take_file(state, path, name, err);
        if (status == AKIN_OK && st.is_dir && depth < DEPTH_MAX)
            status = walk(state, path, name, depth + 1, err);
    }
    akin_names_free(names, count);
    return status;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct web_file *)a)->name, ((const struct web_file *)b)->name);
}

akin_status web_files_load(struct web_files *out, const char *folder, akin_error *err)
{
    struct web_files files = {0};
    struct walk_state state = {&files, 0};
    files.items = akin_alloc_zero(FILES_MAX, sizeof *files.items);
    akin_status status =
        files.items ? AKIN_OK
                    : akin_error_memory(err, FILES_MAX * sizeof *files.items, "the page's files");
    if (status == AKIN_OK)
        status = walk(&state, folder, "", 0, err);
    if (status == AKIN_OK) {
        qsort(files.items, files.count, sizeof *files.items, compare);
        if (!web_files_find(&files, "index.html"))
            status = akin_error_set(err, AKIN_ERR_NOT_FOUND,
                                    "'%s' has no index.html: it is not the page's folder", folder);
    }
    if (status == AKIN_OK)
        *out = files;
    else
        web_files_free(&files);
    return status;
}

void web_files_free(struct web_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        akin_free(files->items[i].name);
        akin_buffer_fini(&files->items[i].bytes);
    }
    akin_free(files->items);
    *files = (struct web_files){0};
}

const struct web_file *web_files_find(const struct web_files *files, const char *name)
{
    const struct web_file wanted = {.name = (char *)(uintptr_t)name};
    return files->count ? bsearch(&wanted, files->items, files->count, sizeof wanted, compare)
                        : NULL;
}
