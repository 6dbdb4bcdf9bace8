/*
 * The collections that are served, and which encoder answers for each. A collection without tiles has
 * no engine yet; every refresh tries again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

void group_unref(struct group *group)
{
    if (!group || atomic_fetch_sub(&group->refs, 1) > 1)
        return;
    akin_engine_close(group->base);
    akin_free(group);
}

static akin_status group_open(struct group **out, const struct server *server, const char *dir,
                              const char *model, akin_error *err)
{
    struct group *group = akin_alloc_zero(1, sizeof *group);
    if (!group)
        return akin_error_memory(err, sizeof *group, "an engine");
    atomic_init(&group->refs, 1);
    const struct akin_engine_options options = {
        .model = model, .threads = 1, .talk = server->options.talk};
    akin_status status = akin_engine_open(&group->base, dir, &options, err);
    if (status != AKIN_OK) {
        akin_free(group);
        return status;
    }
    snprintf(group->model, sizeof group->model, "%s", akin_engine_model(group->base)->name);
    *out = group;
    return AKIN_OK;
}

/* ---- opening ---- */

/* The folder's own name; what may not stand in a path becomes a dash. */
static akin_status set_id(struct collection *collection, akin_error *err)
{
    char *real = realpath(collection->dir, NULL);
    if (!real)
        return akin_error_set(err, AKIN_ERR_NOT_FOUND, "there is no '%s'", collection->dir);
    const char *name = strrchr(real, '/');
    snprintf(collection->id, sizeof collection->id, "%s", name && name[1] ? name + 1 : "root");
    free(real);
    for (char *at = collection->id; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *at))
            *at = '-';
    return AKIN_OK;
}

/* A reader cannot bring an older schema up to date; a writer does, by opening. */
static akin_status open_catalog(akin_catalog **out, const char *dir, akin_error *err)
{
    akin_status status = akin_catalog_open(out, dir, AKIN_OPEN_READ, err);
    if (status != AKIN_ERR_VERSION)
        return status;
    akin_catalog *writer = NULL;
    status = akin_catalog_open(&writer, dir, AKIN_OPEN_WRITE, err);
    akin_catalog_close(writer);
    return status == AKIN_OK ? akin_catalog_open(out, dir, AKIN_OPEN_READ, err) : status;
}

static akin_status open_one(struct server *server, struct collection *collection, const char *dir,
                            akin_error *err)
{
    akin_catalog *catalog = NULL;
    akin_error why = {0};
    collection->dir = akin_strdup(dir);
    if (!collection->dir)
        return akin_error_memory(err, strlen(dir), "a path");
    akin_status status = open_catalog(&catalog, dir, err);
    if (status == AKIN_OK) {
        collection->settings = *akin_catalog_settings(catalog);
        status = set_id(collection, err);
    }
    akin_catalog_close(catalog);
    if (status != AKIN_OK)
        return status;
    for (size_t i = 0; i < server->collection_count; i++)
        if (!strcmp(server->collections[i].id, collection->id))
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "two of the collections are called '%s': serve them apart, or "
                                  "rename a folder",
                                  collection->id);
    if (group_open(&collection->current, server, dir, NULL, &why) == AKIN_OK)
        return AKIN_OK;
    if (why.status != AKIN_ERR_NOT_FOUND)
        return akin_error_set(err, why.status, "%s", why.text);
    snprintf(collection->why_not, sizeof collection->why_not, "%s", why.text);
    akin_log(server->options.talk, AKIN_LEVEL_WARN, "serve", "%s", why.text);
    return AKIN_OK;
}

akin_status collections_open(struct server *server, const char *const *dirs, size_t count,
                             akin_error *err)
{
    if (count < 1 || count > AKIN_SERVE_COLLECTIONS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "%zu collections to serve: 1 to %d", count,
                              AKIN_SERVE_COLLECTIONS_MAX);
    server->collections = akin_alloc_zero(count, sizeof *server->collections);
    if (!server->collections)
        return akin_error_memory(err, count * sizeof *server->collections, "collections");
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < count && status == AKIN_OK; i++) {
        struct collection *collection = &server->collections[i];
        collection->number = (uint32_t)i;
        pthread_mutex_init(&collection->mutex, NULL);
        status = open_one(server, collection, dirs[i], err);
        server->collection_count++;
    }
    return status;
}

void collections_close(struct server *server)
{
    for (size_t i = 0; i < server->collection_count; i++) {
        struct collection *collection = &server->collections[i];
        group_unref(collection->current);
        for (size_t o = 0; o < collection->other_count; o++)
            group_unref(collection->others[o]);
        pthread_mutex_destroy(&collection->mutex);
        akin_free(collection->dir);
    }
    akin_free(server->collections);
    server->collections = NULL;
    server->collection_count = 0;
}

/* ---- finding ---- */

struct collection *collections_find(const struct server *server, const char *id, akin_error *err)
{
    char names[512] = "";
    size_t used = 0;
    if (!id)
        return &server->collections[0];
    for (size_t i = 0; i < server->collection_count; i++) {
        if (!strcmp(server->collections[i].id, id))
            return &server->collections[i];
        if (used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                     server->collections[i].id);
    }
    akin_error_set(err, AKIN_ERR_NOT_FOUND, "no collection '%.80s' is served here, but: %s", id,
                   names);
    return NULL;
}

struct collection *collections_of(const struct request *request, akin_error *err)
{
    return collections_find(request->server, request_parameter(request, "collection"), err);
}

akin_status collections_group(struct server *server, struct collection *collection,
                              const char *model, struct group **out, akin_error *err)
{
    struct group *found = NULL;
    akin_status status = AKIN_OK;
    pthread_mutex_lock(&collection->mutex);
    if (!model || (collection->current && !strcmp(collection->current->model, model)))
        found = collection->current;
    for (size_t i = 0; i < collection->other_count && !found; i++)
        if (model && !strcmp(collection->others[i]->model, model))
            found = collection->others[i];
    if (!found && !model)
        status = akin_error_set(err, AKIN_ERR_BUSY, "%s", collection->why_not);
    else if (!found && collection->other_count == MODELS_MAX)
        status = akin_error_set(err, AKIN_ERR_BUSY, "more than %d encoders in use", MODELS_MAX);
    else if (!found) {
        status = group_open(&found, server, collection->dir, model, err);
        if (status == AKIN_OK)
            collection->others[collection->other_count++] = found;
    }
    if (status == AKIN_OK) {
        atomic_fetch_add(&found->refs, 1);
        *out = found;
    }
    pthread_mutex_unlock(&collection->mutex);
    return status;
}

/* ---- refreshing ---- */

static void report(struct server *server, const struct collection *collection,
                   const akin_error *err)
{
    atomic_fetch_add(&server->metrics.refresh_errors, 1);
    akin_log(server->options.talk, AKIN_LEVEL_WARN, "serve", "'%s' goes on as it was: %s",
             collection->id, err->text);
}

/* The default encoder's name now; "" where it cannot be told. */
static void default_name(char out[AKIN_NAME_MAX], const struct collection *collection)
{
    akin_catalog *catalog = NULL;
    char *name = NULL;
    out[0] = 0;
    if (akin_catalog_open(&catalog, collection->dir, AKIN_OPEN_READ, NULL) == AKIN_OK &&
        akin_catalog_value_get(catalog, AKIN_VALUE_MODEL, &name, NULL) == AKIN_OK)
        snprintf(out, AKIN_NAME_MAX, "%s", name);
    akin_free(name);
    akin_catalog_close(catalog);
}

static void set_current(struct collection *collection, struct group *group)
{
    pthread_mutex_lock(&collection->mutex);
    struct group *before = collection->current;
    collection->current = group;
    atomic_fetch_add(&collection->version, 1);
    pthread_mutex_unlock(&collection->mutex);
    group_unref(before);
}

static void refresh_group(struct server *server, const struct collection *collection,
                          struct group *group)
{
    akin_error err = {0};
    bool changed = false;
    if (akin_engine_refresh(group->base, &changed, &err) != AKIN_OK)
        report(server, collection, &err);
    else if (changed)
        atomic_fetch_add(&server->metrics.refreshes, 1);
}

static void refresh_one(struct server *server, struct collection *collection)
{
    char name[AKIN_NAME_MAX];
    struct group *fresh = NULL;
    akin_error err = {0};
    default_name(name, collection);
    if (!collection->current || (name[0] && strcmp(name, collection->current->model) != 0)) {
        akin_status status = group_open(&fresh, server, collection->dir, NULL, &err);
        if (status == AKIN_OK) {
            akin_log(server->options.talk, AKIN_LEVEL_INFO, "serve", "'%s' answers with '%s' now",
                     collection->id, fresh->model);
            set_current(collection, fresh);
            atomic_fetch_add(&server->metrics.refreshes, 1);
        } else if (collection->current) {
            report(server, collection, &err);
        }
    }
    /* Only this thread changes `current`, and others are only ever added. */
    if (collection->current)
        refresh_group(server, collection, collection->current);
    pthread_mutex_lock(&collection->mutex);
    const size_t others = collection->other_count;
    pthread_mutex_unlock(&collection->mutex);
    for (size_t i = 0; i < others; i++)
        refresh_group(server, collection, collection->others[i]);
}

void collections_refresh(struct server *server)
{
    for (size_t i = 0; i < server->collection_count; i++)
        refresh_one(server, &server->collections[i]);
}
