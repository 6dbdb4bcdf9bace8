/*
 * serve: the library over HTTP: a STAC API with one object of akin's own, pictures, map tiles, marks,
 * and the page. The only user of libmicrohttpd. The API's contract is src/serve/openapi.json, served
 * at /api.
 *
 *     struct akin_server_options options;
 *     akin_server_options_default(&options);
 *     akin_server *server;
 *     akin_server_start(&server, dirs, dir_count, &options, &err);
 *     printf("http://%s/\n", akin_server_address(server));
 *     ... until a signal ...
 *     akin_server_stop(server);
 *
 * Everything that a client sends is bounded, no path of a client's reaches the file system, and no
 * address of a client's is fetched. Collections may grow, and change their default encoder, while
 * they are served.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_H
#define AKIN_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin/core.h"

#pragma GCC visibility push(default)

#define AKIN_SERVE_COLLECTIONS_MAX 64

/* All texts are borrowed until stop. */
struct akin_server_options {
    const char *listen; /* ADDRESS:PORT, default "127.0.0.1:8080"; [::1]:8080; port 0: any free one.
                               Addresses that are not loopback need token_file or open_read */
    const char
        *token_file;      /* a token a line, "read TOKEN" or "write TOKEN" (16 characters at least);
                               NULL: no tokens. Read once */
    bool open_read;       /* reading needs no token. Without a token_file nobody may write where the
                               address is not loopback */
    const char *web;      /* folder of the page's files, read once at the start; NULL: no page */
    const char *base_url; /* "https://tiles.example.org/akin" behind a proxy: what links begin with;
                               NULL: what the client calls us */
    bool show_paths;      /* answers name images of this machine by their whole path */
    unsigned threads;     /* that answer: 1..256, 0 = akin_cpu_count() */
    size_t body_max;      /* bytes of a request's body; default 32 MiB */
    uint64_t pixels_max;  /* of an uploaded image; default 2^26 */
    uint32_t k_max;       /* answers of one question; default 100,000 */
    uint32_t waiting_max; /* requests that wait for a thread; above: 429. Default 256 */
    uint32_t connections_max; /* default 1,000 */
    uint32_t timeout_ms; /* for a client to send a request, or to take an answer (and a second for
                               each 64 KB), and for a request to wait; default 30,000 */
    size_t cache_bytes;  /* of encoded pictures; default 256 MiB */
    uint32_t refresh_ms; /* between looks for what is new in the collections; default 2,000 */
    bool access_log;     /* a JSON object a request through talk, stage "access" */
    const struct akin_talk *talk; /* borrowed; NULL: silence */
};
void akin_server_options_default(struct akin_server_options *out);

typedef struct akin_server akin_server;

/* Opens the collections and listens. A collection without tiles is served, and answers once it has
 * some. AKIN_ERR_INVALID for two collections of one name or an address that needs a token;
 * AKIN_ERR_BUSY where the port is taken. */
akin_status akin_server_start(akin_server **out, const char *const *dirs, size_t dir_count,
                              const struct akin_server_options *options, akin_error *err);
/* "127.0.0.1:8080", with the port that it got. Borrowed. */
const char *akin_server_address(const akin_server *server);
/* Takes no more connections, answers what it has begun, then frees everything. NULL is fine. */
void akin_server_stop(akin_server *server);

#pragma GCC visibility pop

#endif
