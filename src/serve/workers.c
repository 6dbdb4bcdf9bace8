/*
 * Workers: threads with engines of their own, and the queue before them. A worker looks at a number to
 * see whether a collection's default encoder is another now, so that no lock is taken on the way of a
 * question.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "route.h"
#include "server.h"

/* ---- the queue ---- */

bool workers_queue(struct server *server, struct request *request)
{
    pthread_mutex_lock(&server->queue_mutex);
    const bool room = server->queue_length < server->options.waiting_max && !server->queue_ended;
    if (room) {
        request->next = NULL;
        *(server->queue_tail ? &server->queue_tail->next : &server->queue_head) = request;
        server->queue_tail = request;
        server->queue_length++;
        pthread_cond_signal(&server->queue_wake);
    }
    pthread_mutex_unlock(&server->queue_mutex);
    return room;
}

/* NULL when it has ended and is empty. */
static struct request *take(struct server *server)
{
    pthread_mutex_lock(&server->queue_mutex);
    while (!server->queue_head && !server->queue_ended)
        pthread_cond_wait(&server->queue_wake, &server->queue_mutex);
    struct request *request = server->queue_head;
    if (request) {
        server->queue_head = request->next;
        if (!server->queue_head)
            server->queue_tail = NULL;
        server->queue_length--;
    }
    pthread_mutex_unlock(&server->queue_mutex);
    return request;
}

/* ---- engines ---- */

static void clone_close(struct clone *clone)
{
    akin_engine_close(clone->engine);
    group_unref(clone->group);
    *clone = (struct clone){0};
}

/* Takes over the reference to the group. */
static akin_status clone_open(struct clone *clone, struct group *group, akin_error *err)
{
    akin_engine *engine = NULL;
    akin_status status = akin_engine_clone(&engine, group->base, err);
    if (status != AKIN_OK) {
        group_unref(group);
        return status;
    }
    clone_close(clone);
    *clone = (struct clone){group, engine};
    return AKIN_OK;
}

static akin_status default_engine(struct worker *worker, struct collection *collection,
                                  akin_engine **out, akin_error *err)
{
    struct worker_collection *mine = &worker->collections[collection->number];
    const unsigned version = atomic_load(&collection->version);
    if (!mine->current.engine || mine->version != version) {
        struct group *group;
        akin_status status = collections_group(worker->server, collection, NULL, &group, err);
        if (status == AKIN_OK)
            status = clone_open(&mine->current, group, err);
        if (status != AKIN_OK)
            return status;
        mine->version = version;
    }
    *out = mine->current.engine;
    return AKIN_OK;
}

akin_status worker_engine(struct worker *worker, struct collection *collection, const char *model,
                          akin_engine **out, akin_error *err)
{
    struct worker_collection *mine = &worker->collections[collection->number];
    if (!model)
        return default_engine(worker, collection, out, err);
    for (size_t i = 0; i < mine->other_count; i++)
        if (!strcmp(mine->others[i].group->model, model)) {
            *out = mine->others[i].engine;
            return AKIN_OK;
        }
    struct group *group;
    akin_status status = collections_group(worker->server, collection, model, &group, err);
    if (status == AKIN_OK && mine->other_count == MODELS_MAX) {
        group_unref(group);
        return akin_error_set(err, AKIN_ERR_BUSY, "more than %d encoders in use", MODELS_MAX);
    }
    if (status == AKIN_OK)
        status = clone_open(&mine->others[mine->other_count], group, err);
    if (status == AKIN_OK)
        *out = mine->others[mine->other_count++].engine;
    return status;
}

akin_status worker_catalog(struct worker *worker, struct collection *collection, akin_catalog **out,
                           akin_error *err)
{
    struct worker_collection *mine = &worker->collections[collection->number];
    akin_status status = AKIN_OK;
    if (!mine->catalog)
        status = akin_catalog_open(&mine->catalog, collection->dir, AKIN_OPEN_READ, err);
    if (status == AKIN_OK)
        *out = mine->catalog;
    return status;
}

/* ---- threads ---- */

static void *work(void *user)
{
    struct worker *worker = user;
    struct server *server = worker->server;
    for (struct request *request; (request = take(server));) {
        request->worker = worker;
        if (server_now_ms() - request->began_ms > 2.0 * server->options.timeout_ms) {
            reply_error(request, 503, "waited too long for a free thread; try again");
            request->reply.retry_after_s = 1;
        } else {
            request->route->handle(request);
        }
        request->worker = NULL;
        if (request->stages.search_ms >= 0)
            metrics_stages(&server->metrics, &request->stages);
        request->state = REQUEST_ANSWERED;
        http_resume(request);
    }
    return NULL;
}

static void worker_fini(struct worker *worker)
{
    for (size_t c = 0; worker->collections && c < worker->server->collection_count; c++) {
        struct worker_collection *mine = &worker->collections[c];
        clone_close(&mine->current);
        for (size_t i = 0; i < mine->other_count; i++)
            clone_close(&mine->others[i]);
        akin_catalog_close(mine->catalog);
        akin_catalog_close(mine->marks);
    }
    akin_free(worker->collections);
}

akin_status workers_start(struct server *server, akin_error *err)
{
    const unsigned wanted = server->options.threads ? server->options.threads : akin_cpu_count();
    server->workers = akin_alloc_zero(wanted, sizeof *server->workers);
    if (!server->workers)
        return akin_error_memory(err, wanted * sizeof *server->workers, "the workers");
    while (server->worker_count < wanted) {
        struct worker *worker = &server->workers[server->worker_count];
        worker->server = server;
        worker->number = server->worker_count;
        worker->collections =
            akin_alloc_zero(server->collection_count, sizeof *worker->collections);
        if (!worker->collections)
            return akin_error_memory(err, sizeof *worker->collections, "a worker");
        const int failed = pthread_create(&worker->thread, NULL, work, worker);
        if (failed) {
            worker_fini(worker);
            return akin_error_errno(err, failed, "cannot start worker %u of %u", worker->number + 1,
                                    wanted);
        }
        server->worker_count++;
    }
    return AKIN_OK;
}

void workers_stop(struct server *server)
{
    pthread_mutex_lock(&server->queue_mutex);
    server->queue_ended = true;
    pthread_cond_broadcast(&server->queue_wake);
    pthread_mutex_unlock(&server->queue_mutex);
    for (unsigned i = 0; i < server->worker_count; i++)
        pthread_join(server->workers[i].thread, NULL);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_fini(&server->workers[i]);
    akin_free(server->workers);
    server->workers = NULL;
    server->worker_count = 0;
}
