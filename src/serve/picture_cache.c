/*
 * Hash chains for finding, a list for age, in 16 shards so that threads seldom meet.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "picture_cache.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SHARDS 16
#define BUCKETS 4096         /* a shard */
#define PICTURE_OVERHEAD 256 /* about what a picture takes beside its bytes */

struct shard {
    pthread_mutex_t mutex;
    struct picture **buckets;
    struct picture *newest, *oldest;
    uint64_t bytes, count, hits, misses;
};

struct picture_cache {
    struct shard shards[SHARDS];
    size_t shard_bytes_max;
};

_Static_assert(sizeof(struct picture_key) == 32, "compared and summed as bytes: no padding");

static uint64_t hash_of(const struct picture_key *key)
{
    const uint64_t sum = akin_crc32c(0, key, sizeof *key);
    return sum | (uint64_t)akin_crc32c(1, key, sizeof *key) << 32;
}

akin_status picture_cache_create(picture_cache **out, size_t bytes_max, akin_error *err)
{
    picture_cache *cache = akin_alloc_zero(1, sizeof *cache);
    if (!cache)
        return akin_error_memory(err, sizeof *cache, "the picture cache");
    cache->shard_bytes_max = bytes_max / SHARDS;
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_init(&cache->shards[i].mutex, NULL);
    for (int i = 0; i < SHARDS; i++) {
        cache->shards[i].buckets = akin_alloc_zero(BUCKETS, sizeof(struct picture *));
        if (!cache->shards[i].buckets) {
            picture_cache_free(cache);
            return akin_error_memory(err, BUCKETS * sizeof(struct picture *), "the picture cache");
        }
    }
    *out = cache;
    return AKIN_OK;
}

void picture_unref(struct picture *picture)
{
    if (!picture || atomic_fetch_sub(&picture->refs, 1) > 1)
        return;
    akin_free(picture->bytes);
    akin_free(picture);
}

static void unlink_age(struct shard *shard, struct picture *picture)
{
    *(picture->newer ? &picture->newer->older : &shard->newest) = picture->older;
    *(picture->older ? &picture->older->newer : &shard->oldest) = picture->newer;
}

static void link_newest(struct shard *shard, struct picture *picture)
{
    picture->newer = NULL;
    picture->older = shard->newest;
    *(shard->newest ? &shard->newest->newer : &shard->oldest) = picture;
    shard->newest = picture;
}

static void drop(struct shard *shard, struct picture *picture)
{
    struct picture **link = &shard->buckets[(hash_of(&picture->key) >> 8) % BUCKETS];
    while (*link && *link != picture)
        link = &(*link)->chain;
    if (*link)
        *link = picture->chain;
    unlink_age(shard, picture);
    shard->bytes -= picture->size + PICTURE_OVERHEAD;
    shard->count--;
    picture_unref(picture);
}

void picture_cache_free(picture_cache *cache)
{
    if (!cache)
        return;
    for (int i = 0; i < SHARDS; i++) {
        while (cache->shards[i].oldest)
            drop(&cache->shards[i], cache->shards[i].oldest);
        akin_free(cache->shards[i].buckets);
        pthread_mutex_destroy(&cache->shards[i].mutex);
    }
    akin_free(cache);
}

static struct picture *find(struct shard *shard, const struct picture_key *key, uint64_t hash)
{
    struct picture *picture = shard->buckets[(hash >> 8) % BUCKETS];
    while (picture && memcmp(&picture->key, key, sizeof *key) != 0)
        picture = picture->chain;
    if (picture)
        atomic_fetch_add(&picture->refs, 1);
    return picture;
}

struct picture *picture_cache_find(picture_cache *cache, const struct picture_key *key)
{
    const uint64_t hash = hash_of(key);
    struct shard *shard = &cache->shards[hash % SHARDS];
    pthread_mutex_lock(&shard->mutex);
    struct picture *picture = find(shard, key, hash);
    if (picture) {
        unlink_age(shard, picture);
        link_newest(shard, picture);
    }
    *(picture ? &shard->hits : &shard->misses) += 1;
    pthread_mutex_unlock(&shard->mutex);
    return picture;
}

akin_status picture_cache_add(picture_cache *cache, const struct picture_key *key,
                              struct akin_buffer *bytes, bool jpeg, struct picture **out,
                              akin_error *err)
{
    struct picture *picture = akin_alloc_zero(1, sizeof *picture);
    if (!picture)
        return akin_error_memory(err, sizeof *picture, "a picture");
    picture->key = *key;
    picture->jpeg = jpeg;
    picture->bytes = bytes->data;
    picture->size = bytes->size;
    snprintf(picture->etag, sizeof picture->etag, "\"%08x-%zx\"",
             akin_crc32c(0, bytes->data, bytes->size), bytes->size);
    akin_buffer_init(bytes, bytes->limit);
    atomic_init(&picture->refs, 1);
    *out = picture;
    const uint64_t hash = hash_of(key);
    struct shard *shard = &cache->shards[hash % SHARDS];
    if (picture->size + PICTURE_OVERHEAD > cache->shard_bytes_max)
        return AKIN_OK; /* too large to be kept */
    pthread_mutex_lock(&shard->mutex);
    struct picture *other = find(shard, key, hash);
    if (other) { /* somebody else was as quick */
        picture_unref(other);
    } else {
        struct picture **bucket = &shard->buckets[(hash >> 8) % BUCKETS];
        atomic_fetch_add(&picture->refs, 1);
        picture->chain = *bucket;
        *bucket = picture;
        link_newest(shard, picture);
        shard->count++;
        shard->bytes += picture->size + PICTURE_OVERHEAD;
        while (shard->bytes > cache->shard_bytes_max && shard->oldest)
            drop(shard, shard->oldest);
    }
    pthread_mutex_unlock(&shard->mutex);
    return AKIN_OK;
}

void picture_cache_stats(picture_cache *cache, struct picture_cache_stats *out)
{
    *out = (struct picture_cache_stats){0};
    for (int i = 0; i < SHARDS; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->mutex);
        out->hits += shard->hits;
        out->misses += shard->misses;
        out->pictures += shard->count;
        out->bytes += shard->bytes;
        pthread_mutex_unlock(&shard->mutex);
    }
}
