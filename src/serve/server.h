/*
 * The server's inside, shared by the files of this stage.
 *
 *     sockets (http.c) -> queue -> workers (workers.c) -> handlers -> sockets
 *
 * The HTTP library's own threads read and write; whatever takes longer than a look into a table waits
 * in one queue for a worker. The queue is bounded: a server that is asked too much says so (429)
 * instead of growing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_SERVER_H
#define AKIN_SERVE_SERVER_H

#include <pthread.h>

#include "metrics.h"
#include "overviews.h"
#include "request.h"
#include "web_files.h"

/* ---- collections ---- */

#define MODELS_MAX 16 /* of one collection in use at once */

/* One encoder's engine, which workers clone. */
struct group {
    atomic_uint refs;
    char model[AKIN_NAME_MAX];
    akin_engine *base;
};
void group_unref(struct group *group); /* takes NULL */

struct collection {
    uint32_t number; /* in server->collections */
    char *dir;
    char id[AKIN_NAME_MAX];
    struct akin_settings settings;
    pthread_mutex_t mutex; /* over what follows; held for moments only, but while a model opens */
    struct group *current; /* of the default model; NULL: no tiles yet */
    struct group *others[MODELS_MAX]; /* opened because somebody named them */
    size_t other_count;
    char why_not[AKIN_ERROR_TEXT_MAX]; /* where current is NULL */
    atomic_uint version;               /* moves whenever `current` does */
};

/* Opens every collection's folder; those without tiles are fine. */
akin_status collections_open(struct server *server, const char *const *dirs, size_t count,
                             akin_error *err);
void collections_close(struct server *server);
/* Looks for new segments and a new default encoder everywhere. */
void collections_refresh(struct server *server);
/* By its id; NULL and an error that lists the names. A NULL id is the first. */
struct collection *collections_find(const struct server *server, const char *id, akin_error *err);
/* The one that a request means: in its path, or its parameter `collection`. */
struct collection *collections_of(const struct request *request, akin_error *err);
/* With a reference of the caller's; NULL name: the default. */
akin_status collections_group(struct server *server, struct collection *collection,
                              const char *model, struct group **out, akin_error *err);

/* ---- workers ---- */

struct clone {
    struct group *group;
    akin_engine *engine;
};
struct worker {
    struct server *server;
    unsigned number;
    pthread_t thread;
    struct worker_collection {
        akin_catalog *catalog; /* for what needs no encoder */
        akin_catalog *marks;   /* the same, that may mark; opened at the first mark */
        unsigned version;      /* of the default clone */
        struct clone current;
        struct clone others[MODELS_MAX];
        size_t other_count;
    } * collections; /* [server->collection_count] */
};
akin_status workers_start(struct server *server, akin_error *err);
/* Answers what waits, then ends them. */
void workers_stop(struct server *server);
/* False where the queue is full. */
bool workers_queue(struct server *server, struct request *request);
/* This worker's engine for a collection and a model (NULL: the default). Borrowed until the next call
 * for the same collection. */
akin_status worker_engine(struct worker *worker, struct collection *collection, const char *model,
                          akin_engine **out, akin_error *err);
/* This worker's own connection to the catalogue. Borrowed. */
akin_status worker_catalog(struct worker *worker, struct collection *collection, akin_catalog **out,
                           akin_error *err);

/* ---- the whole ---- */

struct socket_watch;
struct tokens;
struct server {
    struct akin_server_options options;
    char address[128];
    bool loopback;
    struct collection *collections;
    size_t collection_count;
    picture_cache *pictures;
    struct overviews overviews;
    struct web_files web;
    struct tokens *tokens; /* NULL: none */
    struct metrics metrics;
    uint64_t id_seed;
    atomic_ullong ids;          /* requests so far */
    atomic_size_t body_bytes;   /* of bodies in memory */
    atomic_uint requests_alive; /* headers read, answer not yet sent */
    atomic_bool stopping;
    int64_t started_ms;
    struct MHD_Daemon *daemon;
    struct socket_watch *sockets;
    /* the queue */
    pthread_mutex_t queue_mutex;
    pthread_cond_t queue_wake;
    struct request *queue_head, *queue_tail;
    size_t queue_length;
    bool queue_ended;
    struct worker *workers;
    unsigned worker_count;
    /* the thread that refreshes and watches slow clients */
    pthread_t keeper;
    bool keeper_runs;
    pthread_mutex_t keeper_mutex;
    pthread_cond_t keeper_wake;
};

/* http.c: listening, and handing an answer back. */
akin_status http_start(struct server *server, akin_error *err);
void http_quiesce(struct server *server);
void http_stop(struct server *server);
void http_resume(struct request *request);
/* Ends the connections whose client is too slow. */
void http_end_slow(struct server *server);

double server_now_ms(void);

#endif
