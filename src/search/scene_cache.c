/*
 * A hash of chains for finding, a doubly linked list for age. Ids are dense small numbers, so the
 * low bits are the hash.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "scene_cache.h"

struct scene_entry {
    struct akin_scene scene;
    struct scene_entry *newer, *older; /* by when it was asked for last */
    struct scene_entry *chain;         /* next in its bucket */
};

static struct scene_entry **bucket_of(struct scene_cache *cache, uint32_t id)
{
    return &cache->buckets[id % SCENE_CACHE_MAX];
}

static void unlink_age(struct scene_cache *cache, struct scene_entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void link_newest(struct scene_cache *cache, struct scene_entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

static void entry_free(struct scene_entry *entry)
{
    akin_scene_fini(&entry->scene);
    akin_free(entry);
}

static void drop_oldest(struct scene_cache *cache)
{
    struct scene_entry *entry = cache->oldest;
    struct scene_entry **link = bucket_of(cache, entry->scene.id);
    while (*link != entry)
        link = &(*link)->chain;
    *link = entry->chain;
    unlink_age(cache, entry);
    entry_free(entry);
    cache->count--;
}

static akin_status load(struct scene_cache *cache, akin_catalog *catalog, uint32_t id,
                        struct scene_entry **out, akin_error *err)
{
    struct scene_entry *entry = akin_alloc_zero(1, sizeof *entry);
    if (!entry)
        return akin_error_memory(err, sizeof *entry, "a scene");
    akin_scene_init(&entry->scene);
    akin_status status = akin_catalog_scene_get(catalog, id, &entry->scene, err);
    if (status != AKIN_OK) {
        entry_free(entry);
        return status;
    }
    if (cache->count == SCENE_CACHE_MAX)
        drop_oldest(cache);
    struct scene_entry **bucket = bucket_of(cache, id);
    entry->chain = *bucket;
    *bucket = entry;
    link_newest(cache, entry);
    cache->count++;
    *out = entry;
    return AKIN_OK;
}

akin_status scene_cache_get(struct scene_cache *cache, akin_catalog *catalog, uint32_t id,
                            const struct akin_scene **out, akin_error *err)
{
    if (!cache->buckets) {
        cache->buckets = akin_alloc_zero(SCENE_CACHE_MAX, sizeof *cache->buckets);
        if (!cache->buckets)
            return akin_error_memory(err, SCENE_CACHE_MAX * sizeof *cache->buckets, "scenes");
    }
    struct scene_entry *entry = *bucket_of(cache, id);
    while (entry && entry->scene.id != id)
        entry = entry->chain;
    if (entry) {
        unlink_age(cache, entry);
        link_newest(cache, entry);
    } else {
        akin_status status = load(cache, catalog, id, &entry, err);
        if (status != AKIN_OK)
            return status;
    }
    *out = &entry->scene;
    return AKIN_OK;
}

void scene_cache_fini(struct scene_cache *cache)
{
    while (cache->oldest)
        drop_oldest(cache);
    akin_free(cache->buckets);
    *cache = (struct scene_cache){0};
}
