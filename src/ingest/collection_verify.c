/*
 * akin verify: each part checks its own files; here is what they must say of each other.
 *
 *   an embedded scene has as many rows in the index as the catalogue says; one that is not finished
 *   may have any number
 *   a row belongs to a scene that is there
 *   a row has a chip (where chips are kept)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_private.h"

struct verifier {
    akin_fault_fn *fault;
    void *user;
    uint64_t faults;
    const struct akin_talk *talk;
    akin_catalog *catalog;
    akin_chips *chips;
    struct scene_rows {
        uint32_t id;
        enum akin_scene_state state;
        uint64_t expected, rows;
    } * scenes; /* by id */
    size_t scene_count, scene_max;
    uint64_t orphans, chipless;
    bool out_of_memory;
};

static void count_fault(void *user, const char *file, const char *text)
{
    struct verifier *v = user;
    v->faults++;
    if (v->fault)
        v->fault(v->user, file, text);
}

static void tell(struct verifier *v, const char *file, const char *format, ...) AKIN_PRINTF(3, 4);
static void tell(struct verifier *v, const char *file, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    count_fault(v, file, text);
}

/* ---- chip packs ---- */

struct pack_walk {
    struct verifier *v;
    uint64_t done;
    akin_status status;
    akin_error *err;
};

static void check_entry(struct verifier *v, const struct akin_pack *pack, const char *path,
                        const struct akin_pack_entry *entry)
{
    uint64_t count = akin_pack_count(pack);
    if (count != entry->tiles)
        tell(v, path, "holds %" PRIu64 " chips, the catalogue says %" PRIu64, count, entry->tiles);
    if (count && (akin_pack_key(pack, 0) != entry->first_key ||
                  akin_pack_key(pack, count - 1) != entry->last_key))
        tell(v, path, "its keys are not in the range that the catalogue says");
}

static bool verify_pack(void *user, const struct akin_pack_entry *entry)
{
    struct pack_walk *walk = user;
    struct verifier *v = walk->v;
    char name[64], path[AKIN_PATH_MAX];
    akin_pack *pack = NULL;
    akin_error why = {0};
    snprintf(name, sizeof name, "chips/%016" PRIx64 ".pack", entry->id);
    walk->status = akin_path_join(path, akin_catalog_dir(v->catalog), name, walk->err);
    if (walk->status != AKIN_OK)
        return false;
    if (akin_pack_open(&pack, path, &why) != AKIN_OK) {
        tell(v, path, "%s", why.text);
    } else {
        check_entry(v, pack, path, entry);
        walk->status = akin_pack_verify(pack, count_fault, v, walk->err);
    }
    akin_pack_close(pack);
    struct akin_progress progress = {"chip packs checked", ++walk->done, 0, 0, NULL};
    if (walk->status == AKIN_OK && !akin_progress(v->talk, &progress))
        walk->status = akin_error_set(walk->err, AKIN_ERR_CANCELLED, "stopped");
    return walk->status == AKIN_OK;
}

static akin_status verify_packs(struct verifier *v, akin_error *err)
{
    struct pack_walk walk = {.v = v, .err = err};
    akin_status status = akin_catalog_packs(v->catalog, verify_pack, &walk, err);
    return status == AKIN_OK ? walk.status : status;
}

/* ---- rows against scenes and chips ---- */

static bool note_scene(void *user, const struct akin_scene *scene)
{
    struct verifier *v = user;
    if (v->scene_count == v->scene_max) {
        size_t more = v->scene_max ? 2 * v->scene_max : 1024;
        struct scene_rows *scenes =
            akin_realloc(v->scenes, v->scene_max * sizeof *scenes, more * sizeof *scenes);
        v->out_of_memory = !scenes;
        if (!scenes)
            return false;
        v->scenes = scenes;
        v->scene_max = more;
    }
    v->scenes[v->scene_count++] =
        (struct scene_rows){scene->id, scene->state, scene->tiles_kept, 0};
    return true;
}

static int compare_scene_id(const void *key, const void *element)
{
    const uint32_t *id = key;
    const struct scene_rows *scene = element;
    return *id < scene->id ? -1 : *id > scene->id;
}

static bool check_rows(void *user, const struct akin_columns *columns, const float *vectors,
                       size_t n)
{
    struct verifier *v = user;
    (void)vectors;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = akin_tile_scene(columns[i].key);
        struct scene_rows *scene = v->scene_count ? bsearch(&id, v->scenes, v->scene_count,
                                                            sizeof *scene, compare_scene_id)
                                                  : NULL;
        const void *chip;
        size_t bytes;
        if (scene)
            scene->rows++;
        else
            v->orphans++;
        if (v->chips && akin_chips_find(v->chips, columns[i].key, &chip, &bytes, NULL) != AKIN_OK)
            v->chipless++;
    }
    struct akin_progress progress = {"rows checked", 0, 0, 0, NULL};
    return akin_progress(v->talk, &progress);
}

/* Whether the number of a scene's rows is final: not while it is being taken in or taken out. */
static bool settled(const struct scene_rows *scene)
{
    return scene->state == AKIN_SCENE_EMBEDDED ||
           (scene->state == AKIN_SCENE_DROPPED && scene->expected == 0);
}

static void compare_counts(struct verifier *v, const char *index_path)
{
    for (size_t i = 0; i < v->scene_count; i++) {
        const struct scene_rows *scene = &v->scenes[i];
        if (settled(scene) && scene->rows != scene->expected)
            tell(v, index_path, "scene %u has %" PRIu64 " rows, the catalogue says %" PRIu64,
                 scene->id, scene->rows, scene->expected);
    }
    if (v->orphans)
        tell(v, index_path, "%" PRIu64 " rows belong to no scene of the catalogue", v->orphans);
    if (v->chipless)
        tell(v, index_path, "%" PRIu64 " rows have no chip, or a damaged one", v->chipless);
}

static akin_status compare_index(struct verifier *v, const char *path, akin_error *err)
{
    akin_index *index = NULL;
    akin_error why = {0};
    akin_status status =
        akin_catalog_scenes(v->catalog, (1u << AKIN_SCENE_STATE_COUNT) - 1, 0, note_scene, v, err);
    if (v->out_of_memory)
        return akin_error_memory(err, v->scene_max * sizeof *v->scenes, "the scenes");
    if (status == AKIN_OK && akin_catalog_settings(v->catalog)->chips)
        status = akin_chips_open(&v->chips, v->catalog, err);
    if (status != AKIN_OK)
        return status;
    if (akin_index_open(&index, path, AKIN_OPEN_READ, NULL, &why) != AKIN_OK) {
        tell(v, path, "%s", why.text);
        return AKIN_OK;
    }
    status = akin_index_each(index, check_rows, v, err);
    if (status == AKIN_OK)
        compare_counts(v, path);
    akin_index_close(index);
    return status;
}

/* ---- encoders and their indexes ---- */

static akin_status verify_model(struct verifier *v, const char *name, const char *used,
                                akin_error *err)
{
    char path[AKIN_PATH_MAX], relative[AKIN_NAME_MAX + 8];
    const char *dir = akin_catalog_dir(v->catalog);
    akin_model *model = NULL;
    akin_error why = {0};
    uint64_t faults;
    struct akin_file_stat stat;
    snprintf(relative, sizeof relative, "models/%s", name);
    akin_status status = akin_path_join(path, dir, relative, err);
    if (status == AKIN_OK && akin_model_open(&model, dir, name, &why) != AKIN_OK)
        tell(v, path, "%s", why.text);
    akin_model_free(model);
    if (status == AKIN_OK)
        status = index_path(path, v->catalog, name, err);
    if (status != AKIN_OK)
        return status;
    if (akin_file_stat(&stat, path, NULL) != AKIN_OK) {
        if (used && !strcmp(name, used))
            tell(v, path, "the default encoder has no index");
        return AKIN_OK;
    }
    status = akin_index_verify(path, count_fault, v, &faults, v->talk, err);
    if (status == AKIN_OK && used && !strcmp(name, used))
        status = compare_index(v, path, err);
    return status;
}

static akin_status verify_models(struct verifier *v, akin_error *err)
{
    char **names = NULL, *used = NULL;
    size_t count = 0;
    const char *dir = akin_catalog_dir(v->catalog);
    akin_status status = akin_catalog_value_get(v->catalog, AKIN_VALUE_MODEL, &used, err);
    if (status == AKIN_ERR_NOT_FOUND)
        status = AKIN_OK;
    if (status == AKIN_OK)
        status = akin_model_list(&names, &count, dir, err);
    if (status == AKIN_OK && used && !akin_model_exists(dir, used))
        tell(v, dir, "the default encoder '%s' is not there", used);
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        status = verify_model(v, names[i], used, err);
    akin_names_free(names, count);
    akin_free(used);
    return status;
}

akin_status akin_verify(const char *dir, akin_fault_fn *fault, void *user, uint64_t *faults,
                        const struct akin_talk *talk, akin_error *err)
{
    struct verifier v = {.fault = fault, .user = user, .talk = talk};
    akin_status status = akin_catalog_open(&v.catalog, dir, AKIN_OPEN_READ, err);
    if (status == AKIN_OK)
        status = akin_catalog_verify(v.catalog, count_fault, &v, err);
    if (status == AKIN_OK)
        status = verify_packs(&v, err);
    if (status == AKIN_OK)
        status = verify_models(&v, err);
    if (faults)
        *faults = v.faults;
    akin_free(v.scenes);
    akin_chips_close(v.chips);
    akin_catalog_close(v.catalog);
    return status;
}
