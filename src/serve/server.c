/*
 * The server's life: collections, tokens and page files are opened before anybody can ask; a keeper
 * thread looks for what is new in the collections and ends connections of clients that are too slow.
 *
 * Stopping: no new connections; what was begun is answered; then the workers end, then the sockets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <time.h>

#include "server.h"
#include "tokens.h"

#define KEEPER_STEP_MS 250
#define GRACE_MS 30000 /* for answers that clients take slowly, when stopping */

struct akin_server {
    struct server inner;
};

void akin_server_options_default(struct akin_server_options *out)
{
    *out = (struct akin_server_options){.listen = "127.0.0.1:8080",
                                        .body_max = (size_t)32 << 20,
                                        .pixels_max = (uint64_t)1 << 26,
                                        .k_max = 100000,
                                        .waiting_max = 256,
                                        .connections_max = 1000,
                                        .timeout_ms = 30000,
                                        .cache_bytes = (size_t)256 << 20,
                                        .refresh_ms = 2000};
}

/* It is written into answers as it is. */
static bool is_base(const char *address)
{
    const size_t length = strlen(address);
    return length < 200 &&
           strspn(address,
                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/[]%") ==
               length &&
           strstr(address, "://");
}

static akin_status check(const struct akin_server_options *options, akin_error *err)
{
    if (options->base_url && !is_base(options->base_url))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' is no address of a server (https://tiles.example.org/akin)",
                              options->base_url);
    if (!options->listen || options->threads > 256 || options->body_max < 1024 ||
        options->body_max > (size_t)1 << 30 || options->pixels_max < 1 || options->k_max < 1 ||
        options->k_max > 100000 || options->waiting_max < 1 || options->connections_max < 1 ||
        options->timeout_ms < 100 || options->refresh_ms < 10)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "an option of the server is out of its range (akin/serve.h)");
    return AKIN_OK;
}

/* ---- the keeper ---- */

static struct timespec in_ms(unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}

static void *keep(void *user)
{
    struct server *server = user;
    double next_ms = server_now_ms() + server->options.refresh_ms;
    const unsigned step =
        server->options.refresh_ms < KEEPER_STEP_MS ? server->options.refresh_ms : KEEPER_STEP_MS;
    pthread_mutex_lock(&server->keeper_mutex);
    while (!server->stopping) {
        const struct timespec until = in_ms(step);
        pthread_cond_timedwait(&server->keeper_wake, &server->keeper_mutex, &until);
        pthread_mutex_unlock(&server->keeper_mutex);
        http_end_slow(server);
        if (!server->stopping && server_now_ms() >= next_ms) {
            collections_refresh(server);
            next_ms = server_now_ms() + server->options.refresh_ms;
        }
        pthread_mutex_lock(&server->keeper_mutex);
    }
    pthread_mutex_unlock(&server->keeper_mutex);
    return NULL;
}

static akin_status keeper_start(struct server *server, akin_error *err)
{
    const int failed = pthread_create(&server->keeper, NULL, keep, server);
    if (failed)
        return akin_error_errno(err, failed, "cannot start a thread");
    server->keeper_runs = true;
    return AKIN_OK;
}

static void keeper_stop(struct server *server)
{
    pthread_mutex_lock(&server->keeper_mutex);
    server->stopping = true;
    pthread_cond_broadcast(&server->keeper_wake);
    pthread_mutex_unlock(&server->keeper_mutex);
    if (server->keeper_runs)
        pthread_join(server->keeper, NULL);
    server->keeper_runs = false;
}

/* ---- start and stop ---- */

static akin_status open_all(struct server *server, const char *const *dirs, size_t dir_count,
                            akin_error *err)
{
    const struct akin_server_options *options = &server->options;
    akin_status status = check(options, err);
    if (status == AKIN_OK && options->token_file)
        status = tokens_load(&server->tokens, options->token_file, err);
    if (status == AKIN_OK && options->web)
        status = web_files_load(&server->web, options->web, err);
    if (status == AKIN_OK)
        status = picture_cache_create(&server->pictures, options->cache_bytes, err);
    if (status == AKIN_OK)
        status = collections_open(server, dirs, dir_count, err);
    if (status == AKIN_OK)
        status = workers_start(server, err);
    if (status == AKIN_OK)
        status = http_start(server, err);
    return status == AKIN_OK ? keeper_start(server, err) : status;
}

akin_status akin_server_start(akin_server **out, const char *const *dirs, size_t dir_count,
                              const struct akin_server_options *options, akin_error *err)
{
    if (!out || !dirs)
        return akin_error_set(err, AKIN_ERR_INVALID, "no collection to serve");
    akin_server *whole = akin_alloc_zero(1, sizeof *whole);
    if (!whole)
        return akin_error_memory(err, sizeof *whole, "the server");
    struct server *server = &whole->inner;
    if (options)
        server->options = *options;
    else
        akin_server_options_default(&server->options);
    pthread_mutex_init(&server->queue_mutex, NULL);
    pthread_cond_init(&server->queue_wake, NULL);
    pthread_mutex_init(&server->keeper_mutex, NULL);
    pthread_cond_init(&server->keeper_wake, NULL);
    overviews_init(&server->overviews);
    server->started_ms = akin_time_now_ms();
    server->id_seed = (uint64_t)server->started_ms * 1000003u + (uint64_t)(uintptr_t)server;
    akin_status status = open_all(server, dirs, dir_count, err);
    if (status == AKIN_OK)
        *out = whole;
    else
        akin_server_stop(whole);
    return status;
}

const char *akin_server_address(const akin_server *server)
{
    return server->inner.address;
}

static void nap(long ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000000};
    nanosleep(&time, NULL);
}

void akin_server_stop(akin_server *whole)
{
    if (!whole)
        return;
    struct server *server = &whole->inner;
    keeper_stop(server);
    if (server->daemon) {
        http_quiesce(server);
        for (int waited = 0; waited < GRACE_MS && server->requests_alive; waited += 5)
            nap(5);
    }
    workers_stop(server);
    http_stop(server);
    overviews_fini(&server->overviews);
    collections_close(server);
    picture_cache_free(server->pictures);
    web_files_free(&server->web);
    tokens_free(server->tokens);
    pthread_mutex_destroy(&server->queue_mutex);
    pthread_cond_destroy(&server->queue_wake);
    pthread_mutex_destroy(&server->keeper_mutex);
    pthread_cond_destroy(&server->keeper_wake);
    akin_free(whole);
}
