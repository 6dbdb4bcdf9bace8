/*
 * The server about itself: health, metrics, status, sessions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "route.h"
#include "server.h"
#include "tokens.h"

void handle_healthz(struct request *request)
{
    akin_json *root = akin_json_object();
    akin_json_set(root, "status", akin_json_string("alive"));
    reply_json(request, 200, root);
}

void handle_readyz(struct request *request)
{
    struct server *server = request->server;
    if (server->stopping) {
        reply_error(request, 503, "the server is stopping");
        return;
    }
    for (size_t i = 0; i < server->collection_count; i++) {
        struct collection *collection = &server->collections[i];
        pthread_mutex_lock(&collection->mutex);
        const bool ready = collection->current;
        pthread_mutex_unlock(&collection->mutex);
        if (!ready) {
            reply_error(request, 503, "'%s' has nothing to search yet", collection->id);
            return;
        }
    }
    akin_json *root = akin_json_object();
    akin_json_set(root, "status", akin_json_string("ready"));
    reply_json(request, 200, root);
}

/* ---- sessions ---- */

void handle_log_in(struct request *request)
{
    const struct server *server = request->server;
    akin_json *body = NULL;
    const char *token = NULL;
    akin_error err = {0};
    akin_status status = akin_json_parse(&body, request->body.data ? request->body.data : "",
                                         request->body.size, "the body", &err);
    if (status == AKIN_OK)
        status = akin_json_get_text(&token, body, "token", "the body", &err);
    const enum token_scope scope = status != AKIN_OK ? SCOPE_NONE
                                   : server->tokens  ? tokens_scope(server->tokens, token)
                                                     : SCOPE_WRITE;
    if (status != AKIN_OK) {
        reply_status(request, status, &err);
    } else if (scope == SCOPE_NONE) {
        reply_error(request, 401, "there is no such token");
    } else {
        akin_json *root = akin_json_object();
        akin_json_set(root, "scope", akin_json_string(scope == SCOPE_WRITE ? "write" : "read"));
        reply_json(request, 200, root);
        struct akin_buffer cookie;
        akin_buffer_init(&cookie, 512);
        /* Tokens of the file are printable, but a semicolon would end the value. */
        if (server->tokens && !strpbrk(token, "; ,\"\\") &&
            akin_buffer_printf(
                &cookie, NULL, TOKENS_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict%s", token,
                server->options.base_url && !strncmp(server->options.base_url, "https:", 6)
                    ? "; Secure"
                    : "") == AKIN_OK)
            request->reply.cookie = akin_strdup(cookie.data);
        akin_buffer_fini(&cookie);
    }
    akin_json_free(body);
}

void handle_log_out(struct request *request)
{
    akin_json *root = akin_json_object();
    akin_json_set(root, "status", akin_json_string("logged out"));
    reply_json(request, 200, root);
    request->reply.cookie =
        akin_strdup(TOKENS_COOKIE "=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
}

/* ---- status ---- */

static akin_status collection_status(struct request *request, struct collection *collection,
                                     akin_json *list, akin_error *err)
{
    akin_catalog *catalog = NULL;
    struct akin_catalog_counts counts;
    akin_engine *engine = NULL;
    akin_error why = {0};
    akin_status status = worker_catalog(request->worker, collection, &catalog, err);
    if (status == AKIN_OK)
        status = akin_catalog_count(catalog, &counts, err);
    if (status != AKIN_OK)
        return status;
    akin_json *one = akin_json_object(), *scenes = akin_json_object();
    for (int s = 0; s < AKIN_SCENE_STATE_COUNT; s++)
        akin_json_set(scenes, akin_scene_state_name((enum akin_scene_state)s),
                      akin_json_integer((int64_t)counts.scenes[s]));
    akin_json_set(one, "id", akin_json_string(collection->id));
    akin_json_set(one, "scenes", scenes);
    akin_json_set(one, "tiles", akin_json_integer((int64_t)counts.tiles_kept));
    if (worker_engine(request->worker, collection, NULL, &engine, &why) == AKIN_OK) {
        struct akin_index_stats stats;
        akin_json *index = akin_json_object();
        akin_index_stats(akin_engine_index(engine), &stats);
        akin_json_set(one, "model", akin_json_string(akin_engine_model(engine)->name));
        akin_json_set(index, "rows", akin_json_integer((int64_t)stats.rows));
        akin_json_set(index, "rows_in_log", akin_json_integer((int64_t)stats.rows_in_log));
        akin_json_set(index, "segments", akin_json_integer((int64_t)stats.segments));
        akin_json_set(index, "segments_damaged",
                      akin_json_integer((int64_t)stats.segments_damaged));
        akin_json_set(index, "bytes", akin_json_integer((int64_t)stats.bytes));
        akin_json_set(index, "dim", akin_json_integer(stats.dim));
        akin_json_set(index, "rows_coded", akin_json_integer((int64_t)stats.rows_coded));
        akin_json_set(index, "recall",
                      stats.recall > 0 ? akin_json_number(stats.recall) : akin_json_null());
        akin_json_set(one, "index", index);
    } else {
        akin_json_set(one, "model", akin_json_null());
        akin_json_set(one, "why", akin_json_string(why.text));
    }
    akin_json_append(list, one);
    return AKIN_OK;
}

static akin_json *limits_json(const struct akin_server_options *options)
{
    akin_json *limits = akin_json_object();
    akin_json_set(limits, "body_bytes", akin_json_integer((int64_t)options->body_max));
    akin_json_set(limits, "pixels", akin_json_integer((int64_t)options->pixels_max));
    akin_json_set(limits, "k", akin_json_integer(options->k_max));
    akin_json_set(limits, "waiting", akin_json_integer(options->waiting_max));
    akin_json_set(limits, "connections", akin_json_integer(options->connections_max));
    akin_json_set(limits, "timeout_ms", akin_json_integer(options->timeout_ms));
    return limits;
}

static akin_json *pictures_json(const struct server *server)
{
    struct picture_cache_stats stats;
    akin_json *cache = akin_json_object();
    picture_cache_stats(server->pictures, &stats);
    akin_json_set(cache, "pictures", akin_json_integer((int64_t)stats.pictures));
    akin_json_set(cache, "bytes", akin_json_integer((int64_t)stats.bytes));
    akin_json_set(cache, "hits", akin_json_integer((int64_t)stats.hits));
    akin_json_set(cache, "misses", akin_json_integer((int64_t)stats.misses));
    return cache;
}

void handle_status(struct request *request)
{
    struct server *server = request->server;
    akin_json *root = akin_json_object(), *list = akin_json_array();
    akin_error err = {0};
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < server->collection_count && status == AKIN_OK; i++)
        status = collection_status(request, &server->collections[i], list, &err);
    akin_json_set(root, "collections", list);
    akin_json_set(root, "limits", limits_json(&server->options));
    akin_json_set(root, "picture_cache", pictures_json(server));
    akin_json_set(root, "workers", akin_json_integer(server->worker_count));
    akin_json_set(root, "uptime_ms", akin_json_integer(akin_time_now_ms() - server->started_ms));
    akin_json_set(root, "may_write",
                  akin_json_bool(server->tokens
                                     ? tokens_of_request(server->tokens, request) == SCOPE_WRITE
                                     : server->loopback));
    if (status == AKIN_OK) {
        reply_json(request, 200, root);
        return;
    }
    akin_json_free(root);
    reply_status(request, status, &err);
}

/* ---- metrics ---- */

static akin_status collection_metrics(struct request *request, struct collection *collection,
                                      struct akin_buffer *out, akin_error *err)
{
    akin_engine *engine = NULL;
    struct akin_index_stats stats = {0};
    if (worker_engine(request->worker, collection, NULL, &engine, NULL) == AKIN_OK)
        akin_index_stats(akin_engine_index(engine), &stats);
    return akin_buffer_printf(out, err,
                              "akin_index_rows{collection=\"%s\"} %llu\n"
                              "akin_index_bytes{collection=\"%s\"} %llu\n"
                              "akin_index_segments{collection=\"%s\"} %llu\n"
                              "akin_index_segments_damaged{collection=\"%s\"} %llu\n"
                              "akin_index_rows_coded{collection=\"%s\"} %llu\n"
                              "akin_index_recall{collection=\"%s\"} %g\n",
                              collection->id, (unsigned long long)stats.rows, collection->id,
                              (unsigned long long)stats.bytes, collection->id,
                              (unsigned long long)stats.segments, collection->id,
                              (unsigned long long)stats.segments_damaged, collection->id,
                              (unsigned long long)stats.rows_coded, collection->id,
                              stats.rows_coded && stats.recall > 0 ? stats.recall : 1.0);
}

static akin_status server_metrics(const struct server *server, struct akin_buffer *out,
                                  akin_error *err)
{
    struct picture_cache_stats pictures;
    picture_cache_stats(server->pictures, &pictures);
    return akin_buffer_printf(
        out, err,
        "# TYPE akin_requests_refused_busy_total counter\nakin_requests_refused_busy_total %llu\n"
        "# TYPE akin_slow_clients_total counter\nakin_slow_clients_total %llu\n"
        "# TYPE akin_refreshes_total counter\nakin_refreshes_total %llu\n"
        "# TYPE akin_refresh_errors_total counter\nakin_refresh_errors_total %llu\n"
        "# TYPE akin_picture_cache_hits_total counter\nakin_picture_cache_hits_total %llu\n"
        "# TYPE akin_picture_cache_misses_total counter\nakin_picture_cache_misses_total %llu\n"
        "# TYPE akin_picture_cache_bytes gauge\nakin_picture_cache_bytes %llu\n"
        "# TYPE akin_requests_alive gauge\nakin_requests_alive %u\n"
        "# TYPE akin_memory_bytes gauge\nakin_memory_bytes %zu\n"
        "# TYPE akin_uptime_seconds gauge\nakin_uptime_seconds %.3f\n"
        "# TYPE akin_index_rows gauge\n# TYPE akin_index_bytes gauge\n"
        "# TYPE akin_index_segments gauge\n# TYPE akin_index_segments_damaged gauge\n"
        "# TYPE akin_index_rows_coded gauge\n# HELP akin_index_recall Share of the ten nearest "
        "that "
        "searches by codes find, as the index measured it; 1 where every vector is scanned.\n"
        "# TYPE akin_index_recall gauge\n",
        (unsigned long long)server->metrics.refused_busy,
        (unsigned long long)server->metrics.slow_clients,
        (unsigned long long)server->metrics.refreshes,
        (unsigned long long)server->metrics.refresh_errors, (unsigned long long)pictures.hits,
        (unsigned long long)pictures.misses, (unsigned long long)pictures.bytes,
        server->requests_alive, akin_memory_used(),
        (double)(akin_time_now_ms() - server->started_ms) / 1e3);
}

void handle_metrics(struct request *request)
{
    struct server *server = request->server;
    struct akin_buffer *out = &request->reply.body;
    akin_error err = {0};
    akin_status status = metrics_text(&server->metrics, out, &err);
    if (status == AKIN_OK)
        status = server_metrics(server, out, &err);
    for (size_t i = 0; i < server->collection_count && status == AKIN_OK; i++)
        status = collection_metrics(request, &server->collections[i], out, &err);
    request->reply.status = 200;
    request->reply.type = "text/plain; version=0.0.4; charset=utf-8";
    if (status != AKIN_OK)
        reply_status(request, status, &err);
}
