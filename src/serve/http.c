/*
 * libmicrohttpd's side: a few threads that wait on all sockets (epoll), read requests into memory up
 * to the limits, hand them to a worker and suspend the connection until the answer is there. Answers
 * that are at hand are given at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <netdb.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "http_check.h"
#include "listen.h"
#include "route.h"
#include "server.h"
#include "sockets.h"

#define HEADER_BYTES_MAX (32 << 10) /* a connection's memory: request line, headers, reading */
#define BODIES_MAX 8                /* all bodies together: so many of the largest */
#define SEND_BYTES_PER_MS 64        /* what the slowest client takes */

#define PAGE_POLICY                                                                                \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "        \
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self' blob:; "          \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#define DATA_POLICY "default-src 'none'; frame-ancestors 'none'"

double server_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* ---- a request's life ---- */

static struct socket_entry *entry_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void request_free(struct request *request)
{
    atomic_fetch_sub(&request->server->body_bytes, request->body_reserved);
    akin_buffer_fini(&request->body);
    akin_buffer_fini(&request->reply.body);
    picture_unref(request->reply.picture);
    akin_free((char *)(uintptr_t)request->reply.cookie);
    akin_free(request->path);
    akin_free(request->split);
    akin_free(request);
}

static void set_id(struct request *request)
{
    const char *given = request_header(request, "X-Request-Id");
    if (given && http_id_is_fine(given)) {
        snprintf(request->id, sizeof request->id, "%s", given);
        return;
    }
    const unsigned long long number = atomic_fetch_add(&request->server->ids, 1);
    snprintf(request->id, sizeof request->id, "%016llx",
             (unsigned long long)akin_random_u64(request->server->id_seed, 0, number));
}

static struct request *request_create(struct server *server, struct MHD_Connection *connection,
                                      const char *url, const char *method)
{
    struct request *request = akin_alloc_zero(1, sizeof *request);
    if (!request)
        return NULL;
    request->server = server;
    request->connection = connection;
    request->method = method;
    request->began_ms = server_now_ms();
    request->stages = (struct stages){-1, -1, -1, -1};
    akin_buffer_init(&request->body, server->options.body_max);
    akin_buffer_init(&request->reply.body, REPLY_BYTES_MAX);
    request->path = akin_strdup(url);
    request->split = akin_strdup(url);
    if (!request->path || !request->split) {
        request_free(request);
        return NULL;
    }
    atomic_fetch_add(&server->requests_alive, 1);
    return request;
}

static void log_access(const struct request *request, double ms)
{
    const struct server *server = request->server;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char from[64] = "";
    if (info && info->client_addr)
        getnameinfo(info->client_addr,
                    info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                             : sizeof(struct sockaddr_in),
                    from, sizeof from, NULL, 0, NI_NUMERICHOST);
    char now[AKIN_INTERVAL_TEXT_MAX], path[301];
    akin_time_format(now, akin_time_now_ms());
    snprintf(path, sizeof path, "%s", request->path);
    akin_json *line = akin_json_object();
    akin_json_set(line, "time", akin_json_string(now));
    akin_json_set(line, "id", akin_json_string(request->id));
    akin_json_set(line, "from", akin_json_string(from));
    akin_json_set(line, "method", akin_json_string(request->method));
    akin_json_set(line, "path", akin_json_string(path));
    akin_json_set(line, "route",
                  request->route ? akin_json_string(request->route->path) : akin_json_null());
    akin_json_set(line, "status", akin_json_integer(request->reply.status));
    akin_json_set(line, "in", akin_json_integer((int64_t)request->body.size));
    akin_json_set(line, "ms", akin_json_number(round(ms * 1e3) / 1e3));
    struct akin_buffer text;
    akin_buffer_init(&text, AKIN_ERROR_TEXT_MAX);
    if (akin_json_text(line, false, &text, NULL) == AKIN_OK)
        akin_log(server->options.talk, AKIN_LEVEL_INFO, "access", "%s", text.data);
    akin_buffer_fini(&text);
    akin_json_free(line);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct server *server = user;
    struct request *request = *state;
    (void)code;
    sockets_set(entry_of(connection), server_now_ms() + server->options.timeout_ms);
    if (!request)
        return;
    *state = NULL;
    const double ms = server_now_ms() - request->began_ms;
    if (!request->sent)
        request->reply.status = 408; /* the client went, or was too slow */
    metrics_count(&server->metrics,
                  request->route ? (size_t)(request->route - routes) : METRICS_ROUTES_MAX - 1,
                  request->reply.status, ms);
    if (server->options.access_log)
        log_access(request, ms);
    request_free(request);
    atomic_fetch_sub(&server->requests_alive, 1);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct server *server = user;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (info)
            *context = sockets_add(server->sockets, info->connect_fd,
                                   server_now_ms() + server->options.timeout_ms);
    } else {
        sockets_remove(server->sockets, *context);
        *context = NULL;
    }
}

/* ---- answers ---- */

static void free_body(void *body)
{
    akin_free(body);
}

static void free_picture(void *picture)
{
    picture_unref(picture);
}

/* Takes the reply's body or picture over. */
static struct MHD_Response *make_response(struct request *request)
{
    struct reply *reply = &request->reply;
    struct MHD_Response *response;
    if (reply->picture) {
        response = MHD_create_response_from_buffer_with_free_callback_cls(
            reply->picture->size, reply->picture->bytes, free_picture, reply->picture);
        if (response)
            reply->picture = NULL;
        return response;
    }
    if (!reply->body.size)
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    response = MHD_create_response_from_buffer_with_free_callback_cls(
        reply->body.size, reply->body.data, free_body, reply->body.data);
    if (response)
        akin_buffer_init(&reply->body, reply->body.limit);
    return response;
}

static enum MHD_Result send_reply(struct request *request)
{
    struct reply *reply = &request->reply;
    const size_t size = reply->picture ? reply->picture->size : reply->body.size;
    struct MHD_Response *response = make_response(request);
    if (!response)
        return MHD_NO;
    char retry[16], allow[64];
    MHD_add_response_header(response, "X-Request-Id", request->id);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "Content-Security-Policy",
                            reply->page ? PAGE_POLICY : DATA_POLICY);
    MHD_add_response_header(response, "Cache-Control", reply->cache ? reply->cache : "no-store");
    if (reply->type && reply->status != 304)
        MHD_add_response_header(response, "Content-Type", reply->type);
    if (reply->page)
        MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    if (reply->etag[0])
        MHD_add_response_header(response, "ETag", reply->etag);
    if (reply->cookie)
        MHD_add_response_header(response, "Set-Cookie", reply->cookie);
    if (reply->status == 401)
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"akin\"");
    if (reply->status == 405 && !request->route && !route_find(request, allow))
        MHD_add_response_header(response, "Allow", allow);
    if (reply->retry_after_s && (reply->status == 429 || reply->status == 503)) {
        snprintf(retry, sizeof retry, "%u", reply->retry_after_s);
        MHD_add_response_header(response, "Retry-After", retry);
    }
    if (request->server->stopping)
        MHD_add_response_header(response, "Connection", "close");
    sockets_set(entry_of(request->connection), server_now_ms() +
                                                   request->server->options.timeout_ms +
                                                   (double)size / SEND_BYTES_PER_MS);
    const enum MHD_Result result = MHD_queue_response(request->connection, reply->status, response);
    MHD_destroy_response(response);
    request->sent = result == MHD_YES;
    return result;
}

void http_resume(struct request *request)
{
    MHD_resume_connection(request->connection);
}

static enum MHD_Result answer(struct request *request)
{
    const struct route *route = request->route;
    struct server *server = request->server;
    if (route->flags & ROUTE_INLINE)
        route->handle(request);
    else if (!route->at_hand || !route->at_hand(request)) {
        if (server->stopping) {
            reply_error(request, 503, "the server is stopping");
            return send_reply(request);
        }
        sockets_set(entry_of(request->connection), INFINITY);
        request->state = REQUEST_WAITING;
        MHD_suspend_connection(request->connection);
        if (!workers_queue(server, request)) {
            atomic_fetch_add(&server->metrics.refused_busy, 1);
            reply_error(request, 429, "too many requests wait already; try again in a second");
            request->reply.retry_after_s = 1;
            request->state = REQUEST_ANSWERED;
            http_resume(request);
        }
        return MHD_YES;
    }
    return send_reply(request);
}

/* Keeps a piece of the body; a refused request's is thrown away, up to a point. */
static enum MHD_Result take_body(struct request *request, const char *data, size_t *size)
{
    struct server *server = request->server;
    const size_t all_max = BODIES_MAX * server->options.body_max;
    akin_error err = {0};
    if (request->state == REQUEST_REFUSED) {
        request->body_reserved += *size;
        atomic_fetch_add(&server->body_bytes, *size);
        const bool enough = request->body_reserved > 2 * server->options.body_max;
        *size = 0;
        return enough ? MHD_NO : MHD_YES;
    }
    if (!(request->route->flags & ROUTE_BODY))
        reply_error(request, 400, "%s %s takes no body", request->method, request->route->path);
    else if (request->body.size + *size > server->options.body_max)
        reply_error(request, 413, "the body is longer than the %zu bytes that are accepted",
                    server->options.body_max);
    else if (atomic_load(&server->body_bytes) + *size > all_max)
        reply_error(request, 503, "too many large bodies at once; try again in a second");
    else if (akin_buffer_append(&request->body, data, *size, &err) != AKIN_OK)
        reply_error(request, 503, "%s", err.text);
    else {
        request->body_reserved += *size;
        atomic_fetch_add(&server->body_bytes, *size);
        *size = 0;
        return MHD_YES;
    }
    request->reply.retry_after_s = 1;
    request->state = REQUEST_REFUSED;
    akin_buffer_fini(&request->body);
    akin_buffer_init(&request->body, server->options.body_max);
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    struct request *request = *state;
    if (!request) {
        request = request_create(user, connection, url, method);
        if (!request)
            return MHD_NO;
        *state = request;
        set_id(request);
        sockets_set(entry_of(connection), request->began_ms + request->server->options.timeout_ms);
        if (!http_check(request, version)) {
            request->state = REQUEST_REFUSED;
            return send_reply(request);
        }
        return MHD_YES;
    }
    if (*size)
        return take_body(request, data, size);
    if (request->state == REQUEST_REFUSED || request->state == REQUEST_ANSWERED)
        return send_reply(request);
    if (request->state == REQUEST_WAITING)
        return MHD_YES;
    return answer(request);
}

/* ---- start and stop ---- */

akin_status http_start(struct server *server, akin_error *err)
{
    int fd = -1;
    akin_status status = sockets_create(&server->sockets, err);
    if (status == AKIN_OK)
        status = listen_open(server, &fd, err);
    if (status != AKIN_OK)
        return status;
    const unsigned threads = server->worker_count > 4 ? server->worker_count / 4 + 1 : 1;
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, NULL, NULL,
        on_request, server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE,
        threads > 1 ? threads : 0, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_CONNECTION_LIMIT,
        server->options.connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEADER_BYTES_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (server->daemon)
        return AKIN_OK;
    close(fd);
    return akin_error_set(err, AKIN_ERR_IO, "the HTTP server does not start on %s",
                          server->options.listen);
}

void http_quiesce(struct server *server)
{
    const int fd = MHD_quiesce_daemon(server->daemon);
    if (fd >= 0)
        close(fd);
}

void http_stop(struct server *server)
{
    if (server->daemon)
        MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
    sockets_free(server->sockets);
    server->sockets = NULL;
}

void http_end_slow(struct server *server)
{
    atomic_fetch_add(&server->metrics.slow_clients,
                     sockets_end_late(server->sockets, server_now_ms()));
}
