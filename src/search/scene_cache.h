/*
 * The scenes of answers, kept by id: the 4096 asked for last (LRU), so that a page of answers costs
 * one look into the catalogue a scene.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_SCENE_CACHE_H
#define AKIN_SEARCH_SCENE_CACHE_H

#include "akin/catalog.h"

#define SCENE_CACHE_MAX 4096 /* akin_engine_scene promises this number */

struct scene_entry;
/* Zero-initialised; owns its entries. */
struct scene_cache {
    struct scene_entry **buckets; /* [SCENE_CACHE_MAX], chains by id */
    struct scene_entry *newest, *oldest;
    size_t count;
};

/* Borrowed until SCENE_CACHE_MAX others were asked for. */
akin_status scene_cache_get(struct scene_cache *cache, akin_catalog *catalog, uint32_t id,
                            const struct akin_scene **out, akin_error *err);
void scene_cache_fini(struct scene_cache *cache); /* takes a zeroed struct */

#endif
