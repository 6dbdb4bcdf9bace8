/*
 * Encoded pictures in memory, the least recently used one goes first. Safe from any thread: 16 shards
 * with a mutex each; a picture lives until its last reference goes, so that an answer that is being
 * sent does not mind its eviction.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_PICTURE_CACHE_H
#define AKIN_SERVE_PICTURE_CACHE_H

#include <stdatomic.h>

#include "akin/core.h"

/* What a picture is of. Everything in a key is stable: a tile's pixels never change. */
struct picture_key {
    uint64_t tile; /* key, or scene << 32 for map tiles */
    uint32_t kind; /* PICTURE_* */
    uint32_t size; /* longest side, 0 as stored; zoom of a map tile */
    uint32_t x, y; /* of a map tile, else 0 */
    uint32_t collection;
    uint32_t grid;
};
enum { PICTURE_TILE, PICTURE_CHIP, PICTURE_RAW, PICTURE_MAP_JPEG, PICTURE_MAP_PNG };

struct picture {
    struct picture_key key;
    atomic_uint refs;
    char *bytes; /* owned */
    size_t size;
    char etag[40];
    bool jpeg; /* of a chip: its type */
    struct picture *newer, *older, *chain;
};

typedef struct picture_cache picture_cache;
akin_status picture_cache_create(picture_cache **out, size_t bytes_max, akin_error *err);
void picture_cache_free(picture_cache *cache); /* pictures that are held live on */
/* With a reference of the caller's; NULL where it is not there. */
struct picture *picture_cache_find(picture_cache *cache, const struct picture_key *key);
/* Takes the buffer's bytes over (it is empty afterwards); *out with a reference of the caller's. */
akin_status picture_cache_add(picture_cache *cache, const struct picture_key *key,
                              struct akin_buffer *bytes, bool jpeg, struct picture **out,
                              akin_error *err);
void picture_unref(struct picture *picture); /* takes NULL */

struct picture_cache_stats {
    uint64_t hits, misses, pictures, bytes;
};
void picture_cache_stats(picture_cache *cache, struct picture_cache_stats *out);

#endif
