/*
 * Housekeeping of an add: scenes whose files are gone, and packs that a killed run left unrecorded.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_private.h"

struct missing {
    const char *root; /* an absolute folder with a '/' at its end */
    struct akin_scene *scenes;
    size_t count, max;
    bool out_of_memory;
};

static bool gone(const char *path)
{
    struct akin_file_stat stat;
    return akin_file_stat(&stat, path, NULL) == AKIN_ERR_NOT_FOUND;
}

static bool note_missing(void *user, const struct akin_scene *scene)
{
    struct missing *missing = user;
    if (strncmp(scene->uri, missing->root, strlen(missing->root)) != 0 || !gone(scene->uri))
        return true;
    if (missing->count == missing->max) {
        size_t more = missing->max ? 2 * missing->max : 64, entry = sizeof *missing->scenes;
        struct akin_scene *scenes =
            akin_realloc(missing->scenes, missing->max * entry, more * entry);
        missing->out_of_memory = !scenes;
        if (!scenes)
            return false;
        missing->scenes = scenes;
        missing->max = more;
    }
    struct akin_scene copy = *scene;
    copy.uri = akin_strdup(scene->uri);
    copy.label = akin_strdup(scene->label);
    copy.given_crs = akin_strdup(scene->given_crs);
    copy.failure = akin_strdup(scene->failure);
    copy.state = AKIN_SCENE_DROPPED;
    missing->out_of_memory = !copy.uri;
    missing->scenes[missing->count++] = copy;
    return !missing->out_of_memory;
}

static akin_status drop_below(akin_catalog *catalog, const char *root, const struct akin_talk *talk,
                              uint64_t *dropped, akin_error *err)
{
    struct missing missing = {.root = root};
    unsigned states = 1u << AKIN_SCENE_FOUND | 1u << AKIN_SCENE_TILED | 1u << AKIN_SCENE_EMBEDDED |
                      1u << AKIN_SCENE_FAILED;
    akin_status status = akin_catalog_scenes(catalog, states, 0, note_missing, &missing, err);
    if (missing.out_of_memory)
        status = akin_error_memory(err, missing.max * sizeof *missing.scenes, "missing scenes");
    if (status == AKIN_OK)
        status = akin_catalog_begin(catalog, err);
    for (size_t i = 0; i < missing.count && status == AKIN_OK; i++) {
        akin_log(talk, AKIN_LEVEL_INFO, STAGE, "dropped, its file is gone: %s",
                 missing.scenes[i].uri);
        status = akin_catalog_scene_update(catalog, &missing.scenes[i], err);
    }
    if (status == AKIN_OK)
        status = akin_catalog_commit(catalog, err);
    else
        akin_catalog_rollback(catalog);
    if (status == AKIN_OK)
        *dropped += missing.count;
    for (size_t i = 0; i < missing.count; i++)
        akin_scene_fini(&missing.scenes[i]);
    akin_free(missing.scenes);
    return status;
}

akin_status drop_missing(akin_catalog *catalog, const char *const *sources, size_t source_count,
                         const struct akin_talk *talk, uint64_t *dropped, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < source_count && status == AKIN_OK; i++) {
        struct akin_file_stat stat;
        char root[AKIN_PATH_MAX];
        if (akin_file_stat(&stat, sources[i], NULL) != AKIN_OK || !stat.is_dir)
            continue; /* only a folder can say that something is missing from it */
        char *real = realpath(sources[i], NULL);
        status = real ? akin_path_join(root, real, "", err)
                      : akin_error_set(err, AKIN_ERR_IO, "cannot resolve '%s'", sources[i]);
        free(real);
        if (status == AKIN_OK)
            status = drop_below(catalog, root, talk, dropped, err);
    }
    return status;
}

/* ---- packs ---- */

struct known_packs {
    uint64_t *ids;
    size_t count, max;
    bool out_of_memory;
};

static bool note_pack(void *user, const struct akin_pack_entry *pack)
{
    struct known_packs *known = user;
    if (known->count == known->max) {
        size_t more = known->max ? 2 * known->max : 256;
        uint64_t *ids = akin_realloc(known->ids, known->max * sizeof *ids, more * sizeof *ids);
        known->out_of_memory = !ids;
        if (!ids)
            return false;
        known->ids = ids;
        known->max = more;
    }
    known->ids[known->count++] = pack->id;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The id in "0123456789abcdef.pack"; false for any other name. */
static bool pack_id_of(const char *name, uint64_t *id)
{
    unsigned long long value = 0;
    int used = 0;
    if (strlen(name) != 21 || sscanf(name, "%16llx.pack%n", &value, &used) != 1 || used != 21)
        return false;
    *id = value;
    return true;
}

static akin_status sweep_folder(const char *chips, const struct known_packs *known, akin_error *err)
{
    char **names = NULL;
    size_t count = 0;
    akin_status status = akin_dir_sweep(chips, err);
    if (status == AKIN_OK)
        status = akin_dir_list(&names, &count, chips, SIZE_MAX, err);
    for (size_t i = 0; i < count && status == AKIN_OK; i++) {
        char path[AKIN_PATH_MAX];
        uint64_t id;
        if (!pack_id_of(names[i], &id) ||
            bsearch(&id, known->ids, known->count, sizeof id, compare_ids))
            continue;
        status = akin_path_join(path, chips, names[i], err);
        if (status == AKIN_OK)
            status = akin_file_remove(path, err);
    }
    akin_names_free(names, count);
    return status;
}

akin_status sweep_packs(akin_catalog *catalog, akin_error *err)
{
    struct known_packs known = {0};
    char chips[AKIN_PATH_MAX];
    akin_status status = akin_catalog_packs(catalog, note_pack, &known, err);
    if (known.out_of_memory)
        status = akin_error_memory(err, known.max * sizeof *known.ids, "the list of packs");
    if (status == AKIN_OK)
        status = akin_path_join(chips, akin_catalog_dir(catalog), "chips", err);
    if (status == AKIN_OK && known.count)
        qsort(known.ids, known.count, sizeof *known.ids, compare_ids);
    if (status == AKIN_OK)
        status = sweep_folder(chips, &known, err);
    akin_free(known.ids);
    return status;
}
