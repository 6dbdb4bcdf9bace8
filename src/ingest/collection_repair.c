/*
 * akin verify --repair: each index mends itself; here it is found out which scenes lost tiles, and they are made
 * unfinished, so that the next akin add takes them from the beginning.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_private.h"

struct repairer {
    akin_fault_fn *told;
    void *user;
    const struct akin_talk *talk;
    akin_catalog *catalog;
    struct akin_repair_report *report;
    struct scene_count {
        uint32_t id;
        uint64_t expected, rows;
    } * scenes; /* embedded ones, by id */
    size_t count, max;
    bool out_of_memory;
};

static bool note_scene(void *user, const struct akin_scene *scene)
{
    struct repairer *repairer = user;
    if (repairer->count == repairer->max) {
        size_t size = sizeof *repairer->scenes, more = repairer->max ? 2 * repairer->max : 1024;
        struct scene_count *scenes =
            akin_realloc(repairer->scenes, repairer->max * size, more * size);
        repairer->out_of_memory = !scenes;
        if (!scenes)
            return false;
        repairer->scenes = scenes;
        repairer->max = more;
    }
    repairer->scenes[repairer->count++] =
        (struct scene_count){.id = scene->id, .expected = scene->tiles_kept};
    return true;
}

static int compare_id(const void *key, const void *element)
{
    const uint32_t *id = key;
    const struct scene_count *scene = element;
    return *id < scene->id ? -1 : *id > scene->id;
}

static bool count_rows(void *user, const struct akin_columns *columns, const float *vectors,
                       size_t n)
{
    struct repairer *repairer = user;
    (void)vectors;
    for (size_t i = 0; i < n && repairer->count; i++) {
        uint32_t id = akin_tile_scene(columns[i].key);
        struct scene_count *scene =
            bsearch(&id, repairer->scenes, repairer->count, sizeof *repairer->scenes, compare_id);
        if (scene)
            scene->rows++;
    }
    return true;
}

/* Unfinished from its first tile on, and in the place of itself: what is left of it goes when its first new
 * tiles come, as for an image that was changed. */
static akin_status take_again(struct repairer *repairer, const struct scene_count *lost,
                              akin_error *err)
{
    struct akin_scene scene;
    char text[256];
    akin_scene_init(&scene);
    akin_status status = akin_catalog_scene_get(repairer->catalog, lost->id, &scene, err);
    if (status == AKIN_OK) {
        scene.state = AKIN_SCENE_FOUND;
        scene.tiles_done = scene.tiles_skipped = 0;
        scene.tiles_kept = lost->rows;
        scene.replaces = scene.id;
        status = akin_catalog_scene_update(repairer->catalog, &scene, err);
    }
    if (status == AKIN_OK) {
        snprintf(text, sizeof text,
                 "has %" PRIu64 " of its %" PRIu64 " tiles: akin add takes it again", lost->rows,
                 lost->expected);
        repairer->report->scenes_again++;
        if (repairer->told)
            repairer->told(repairer->user, scene.uri, text);
    }
    akin_scene_fini(&scene);
    return status;
}

static akin_status take_all_again(struct repairer *repairer, akin_error *err)
{
    akin_status status = akin_catalog_begin(repairer->catalog, err);
    if (status != AKIN_OK)
        return status;
    for (size_t i = 0; i < repairer->count && status == AKIN_OK; i++)
        if (repairer->scenes[i].rows != repairer->scenes[i].expected)
            status = take_again(repairer, &repairer->scenes[i], err);
    if (status == AKIN_OK)
        return akin_catalog_commit(repairer->catalog, err);
    akin_catalog_rollback(repairer->catalog);
    return status;
}

/* The default encoder's index against the catalogue. */
static akin_status compare_scenes(struct repairer *repairer, const char *path, akin_error *err)
{
    akin_index *index = NULL;
    akin_status status = akin_catalog_scenes(repairer->catalog, 1u << AKIN_SCENE_EMBEDDED, 0,
                                             note_scene, repairer, err);
    if (repairer->out_of_memory)
        status = akin_error_memory(err, repairer->max * sizeof *repairer->scenes, "the scenes");
    if (status == AKIN_OK)
        status = akin_index_open(&index, path, AKIN_OPEN_READ, NULL, err);
    if (status == AKIN_OK)
        status = akin_index_each(index, count_rows, repairer, err);
    akin_index_close(index);
    return status == AKIN_OK ? take_all_again(repairer, err) : status;
}

static akin_status repair_index(struct repairer *repairer, const char *name, const char *used,
                                akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct akin_file_stat stat;
    struct akin_index_repair done = {0};
    akin_status status = index_path(path, repairer->catalog, name, err);
    if (status != AKIN_OK || akin_file_stat(&stat, path, NULL) != AKIN_OK)
        return status;
    status = akin_index_repair(path, repairer->told, repairer->user, &done, repairer->talk, err);
    repairer->report->segments_rebuilt += done.segments_rebuilt;
    repairer->report->segments_dropped += done.segments_dropped;
    repairer->report->rows_lost += done.rows_lost;
    if (status == AKIN_ERR_NOT_FOUND) /* never begun: there is nothing to mend */
        return AKIN_OK;
    if (status == AKIN_OK && used && !strcmp(name, used))
        return compare_scenes(repairer, path, err);
    if (status == AKIN_OK && done.rows_lost && repairer->told)
        repairer->told(repairer->user, path, "akin embed fills in what it lost");
    return status;
}

akin_status akin_repair(const char *dir, akin_fault_fn *told, void *user,
                        struct akin_repair_report *report, const struct akin_talk *talk,
                        akin_error *err)
{
    struct akin_repair_report unused;
    struct repairer repairer = {
        .told = told, .user = user, .talk = talk, .report = report ? report : &unused};
    char **names = NULL, *used = NULL;
    size_t count = 0;
    *repairer.report = (struct akin_repair_report){0};
    akin_status status = akin_catalog_open(&repairer.catalog, dir, AKIN_OPEN_WRITE, err);
    if (status == AKIN_OK)
        status = akin_catalog_value_get(repairer.catalog, AKIN_VALUE_MODEL, &used, err);
    if (status == AKIN_ERR_NOT_FOUND)
        status = AKIN_OK;
    if (status == AKIN_OK)
        status = akin_model_list(&names, &count, dir, err);
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        status = repair_index(&repairer, names[i], used, err);
    akin_names_free(names, count);
    akin_free(used);
    akin_free(repairer.scenes);
    akin_catalog_close(repairer.catalog);
    return status;
}
