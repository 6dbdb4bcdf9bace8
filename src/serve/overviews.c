/*
 * A short list under a mutex; the one that was used longest ago goes first. An overview goes stale when
 * its scene's tiles change, which a new scene id comes with.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "overviews.h"

void overviews_init(struct overviews *overviews)
{
    *overviews = (struct overviews){0};
    pthread_mutex_init(&overviews->mutex, NULL);
}

void overview_unref(struct shared_overview *shared)
{
    if (!shared || atomic_fetch_sub(&shared->refs, 1) > 1)
        return;
    akin_overview_free(shared->overview);
    akin_free(shared);
}

void overviews_fini(struct overviews *overviews)
{
    for (size_t i = 0; i < overviews->count; i++)
        overview_unref(overviews->items[i]);
    pthread_mutex_destroy(&overviews->mutex);
}

static struct shared_overview *find(struct overviews *overviews, uint32_t collection,
                                    uint32_t scene)
{
    for (size_t i = 0; i < overviews->count; i++) {
        struct shared_overview *shared = overviews->items[i];
        if (shared->collection != collection || shared->scene != scene)
            continue;
        shared->used = ++overviews->clock;
        atomic_fetch_add(&shared->refs, 1);
        return shared;
    }
    return NULL;
}

static void drop_oldest(struct overviews *overviews)
{
    size_t oldest = 0;
    for (size_t i = 1; i < overviews->count; i++)
        if (overviews->items[i]->used < overviews->items[oldest]->used)
            oldest = i;
    overviews->bytes -= akin_overview_bytes(overviews->items[oldest]->overview);
    overview_unref(overviews->items[oldest]);
    overviews->items[oldest] = overviews->items[--overviews->count];
}

static void keep(struct overviews *overviews, struct shared_overview *shared)
{
    const size_t bytes = akin_overview_bytes(shared->overview);
    while (overviews->count &&
           (overviews->count == OVERVIEWS_MAX || overviews->bytes + bytes > OVERVIEWS_BYTES_MAX))
        drop_oldest(overviews);
    shared->used = ++overviews->clock;
    atomic_fetch_add(&shared->refs, 1);
    overviews->items[overviews->count++] = shared;
    overviews->bytes += bytes;
}

akin_status overviews_get(struct overviews *overviews, akin_engine *engine, uint32_t collection,
                          uint32_t scene, struct shared_overview **out, akin_error *err)
{
    pthread_mutex_lock(&overviews->mutex);
    *out = find(overviews, collection, scene);
    pthread_mutex_unlock(&overviews->mutex);
    if (*out)
        return AKIN_OK;
    struct shared_overview *shared = akin_alloc_zero(1, sizeof *shared);
    if (!shared)
        return akin_error_memory(err, sizeof *shared, "an overview");
    atomic_init(&shared->refs, 1);
    shared->collection = collection;
    shared->scene = scene;
    akin_status status = akin_overview_create(&shared->overview, engine, scene, err);
    if (status != AKIN_OK) {
        akin_free(shared);
        return status;
    }
    pthread_mutex_lock(&overviews->mutex);
    struct shared_overview *other = find(overviews, collection, scene);
    if (!other)
        keep(overviews, shared);
    pthread_mutex_unlock(&overviews->mutex);
    if (other)
        overview_unref(shared);
    *out = other ? other : shared;
    return AKIN_OK;
}
