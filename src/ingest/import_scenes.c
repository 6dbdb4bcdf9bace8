/*
 * Rows name their images by address, most often the one that the row before named; an image that was
 * met in this batch is found again by its id, which the catalogue tells of the address.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "import.h"

struct import_scene {
    struct akin_scene scene;
};

#define TABLE_SLOTS(max) (4 * (max))

static size_t slot_of(const struct import_scenes *scenes, uint32_t id)
{
    const size_t slots = TABLE_SLOTS(scenes->max);
    size_t slot = id * 2654435761u % slots; /* Knuth's multiplier */
    while (scenes->table[slot] && scenes->list[scenes->table[slot] - 1].scene.id != id)
        slot = (slot + 1) % slots;
    return slot;
}

static akin_status grow(struct import_scenes *scenes, akin_error *err)
{
    const size_t max = scenes->max ? 2 * scenes->max : 64;
    struct import_scene *list =
        akin_realloc(scenes->list, scenes->max * sizeof *list, max * sizeof *list);
    if (list)
        scenes->list = list;
    uint32_t *table = akin_alloc_zero(TABLE_SLOTS(max), sizeof *table);
    if (!list || !table) {
        akin_free(table);
        return akin_error_memory(err, max * sizeof *list, "the images of a batch");
    }
    akin_free(scenes->table);
    scenes->table = table;
    scenes->max = max;
    for (size_t i = 0; i < scenes->count; i++)
        table[slot_of(scenes, list[i].scene.id)] = (uint32_t)i + 1;
    return AKIN_OK;
}

bool import_scenes_have(const struct import_scenes *scenes, uint32_t id)
{
    return scenes->count && scenes->table[slot_of(scenes, id)];
}

/* A label may come later than its image's first row, but never another one. */
static akin_status take_label(struct akin_scene *scene, const char *label, akin_error *err)
{
    if (!label || (scene->label && !strcmp(scene->label, label)))
        return AKIN_OK;
    if (scene->label)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' is labelled '%s' here and '%s' before",
                              scene->uri, label, scene->label);
    scene->label = akin_strdup(label);
    return scene->label ? AKIN_OK : akin_error_memory(err, strlen(label) + 1, "a label");
}

static akin_status add_scene(struct akin_scene *scene, akin_catalog *catalog, const char *uri,
                             akin_error *err)
{
    scene->uri = akin_strdup(uri);
    scene->state = AKIN_SCENE_FOUND;
    if (!scene->uri)
        return akin_error_memory(err, strlen(uri) + 1, "an image's address");
    return akin_catalog_scene_add(catalog, scene, err);
}

/* Takes over `found`, unless it is there already. */
static akin_status push(struct import_scenes *scenes, struct akin_scene *found, akin_error *err)
{
    akin_status status = scenes->count == scenes->max ? grow(scenes, err) : AKIN_OK;
    const size_t slot = status == AKIN_OK ? slot_of(scenes, found->id) : 0;
    if (status != AKIN_OK || scenes->table[slot]) {
        scenes->last = status == AKIN_OK ? scenes->table[slot] - 1 : scenes->last;
        akin_scene_fini(found);
        return status;
    }
    scenes->last = scenes->count;
    scenes->list[scenes->count++].scene = *found;
    scenes->table[slot] = (uint32_t)scenes->count;
    return AKIN_OK;
}

akin_status import_scenes_meet(struct import_scenes *scenes, akin_catalog *catalog, const char *uri,
                               const char *label, uint32_t *id, akin_error *err)
{
    akin_status status = AKIN_OK;
    if (!scenes->count || strcmp(scenes->list[scenes->last].scene.uri, uri) != 0) {
        struct akin_scene found;
        akin_scene_init(&found);
        status = akin_catalog_scene_find(catalog, uri, &found, NULL);
        if (status == AKIN_ERR_NOT_FOUND)
            status = add_scene(&found, catalog, uri, err);
        else if (status != AKIN_OK)
            status = akin_catalog_scene_find(catalog, uri, &found, err);
        if (status == AKIN_OK)
            status = push(scenes, &found, err);
        else
            akin_scene_fini(&found);
    }
    if (status != AKIN_OK)
        return status;
    struct akin_scene *scene = &scenes->list[scenes->last].scene;
    *id = scene->id;
    return take_label(scene, label, err);
}

void import_scenes_count(struct import_scenes *scenes, uint32_t id)
{
    struct akin_scene *scene = &scenes->list[scenes->table[slot_of(scenes, id)] - 1].scene;
    scene->tiles_kept++;
    scene->tiles_done = scene->tiles_total = scene->tiles_kept;
}

akin_status import_scenes_write(struct import_scenes *scenes, akin_catalog *catalog,
                                enum akin_scene_state state, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < scenes->count && status == AKIN_OK; i++) {
        scenes->list[i].scene.state = state;
        status = akin_catalog_scene_update(catalog, &scenes->list[i].scene, err);
    }
    return status;
}

akin_status import_scenes_settle(const struct import_scenes *before,
                                 const struct import_scenes *scenes, akin_catalog *catalog,
                                 akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < before->count && status == AKIN_OK; i++) {
        struct akin_scene *scene = &before->list[i].scene;
        if (import_scenes_have(scenes, scene->id))
            continue;
        scene->state = AKIN_SCENE_EMBEDDED;
        status = akin_catalog_scene_update(catalog, scene, err);
    }
    return status;
}

void import_scenes_fini(struct import_scenes *scenes)
{
    for (size_t i = 0; i < scenes->count; i++)
        akin_scene_fini(&scenes->list[i].scene);
    akin_free(scenes->list);
    akin_free(scenes->table);
    *scenes = (struct import_scenes){0};
}
