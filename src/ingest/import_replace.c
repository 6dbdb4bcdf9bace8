/*
 * A file that changed: its images are dropped, and get a new number when the file is taken again. The
 * catalogue says so first and keeps their count until the index has let go of their rows, as
 * elsewhere (add.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "import.h"

struct ids {
    const char *path;
    uint32_t *list;
    size_t count, max;
    bool out_of_memory;
};

static bool is_of(const struct akin_scene *scene, const char *path)
{
    const size_t length = strlen(path);
    return !strncmp(scene->uri, path, length) &&
           (!scene->uri[length] || (scene->uri[length] == '#' && scene->label &&
                                    !strcmp(scene->uri + length + 1, scene->label)));
}

static bool note(void *user, const struct akin_scene *scene)
{
    struct ids *ids = user;
    if (!is_of(scene, ids->path) || (scene->state == AKIN_SCENE_DROPPED && !scene->tiles_kept))
        return true;
    if (ids->count == ids->max) {
        const size_t more = ids->max ? 2 * ids->max : 16;
        uint32_t *list = akin_realloc(ids->list, ids->max * sizeof *list, more * sizeof *list);
        ids->out_of_memory = !list;
        if (!list)
            return false;
        ids->list = list;
        ids->max = more;
    }
    ids->list[ids->count++] = scene->id;
    return true;
}

/* Dropped, with or without its count. */
static akin_status mark(akin_catalog *catalog, uint32_t id, bool gone, akin_error *err)
{
    struct akin_scene scene;
    akin_scene_init(&scene);
    akin_status status = akin_catalog_scene_get(catalog, id, &scene, err);
    if (status == AKIN_OK) {
        scene.state = AKIN_SCENE_DROPPED;
        if (gone)
            scene.tiles_kept = 0;
        status = akin_catalog_scene_update(catalog, &scene, err);
    }
    akin_scene_fini(&scene);
    return status;
}

static akin_status drop(akin_catalog *catalog, akin_index *index, uint32_t id, akin_error *err)
{
    akin_status status = mark(catalog, id, false, err);
    if (status == AKIN_OK)
        status = akin_index_remove(index, akin_tile_key(id, 0, 0, 0),
                                   (uint64_t)id << 32 | UINT32_MAX, NULL, err);
    return status == AKIN_OK ? mark(catalog, id, true, err) : status;
}

akin_status import_replace(akin_catalog *catalog, akin_index *index, const char *path,
                           akin_error *err)
{
    const unsigned states =
        1u << AKIN_SCENE_FOUND | 1u << AKIN_SCENE_EMBEDDED | 1u << AKIN_SCENE_DROPPED;
    struct ids ids = {.path = path};
    akin_status status = akin_catalog_scenes(catalog, states, 0, note, &ids, err);
    if (status == AKIN_OK && ids.out_of_memory)
        status = akin_error_memory(err, ids.max * sizeof *ids.list, "images");
    for (size_t i = 0; i < ids.count && status == AKIN_OK; i++)
        status = drop(catalog, index, ids.list[i], err);
    akin_free(ids.list);
    return status;
}
