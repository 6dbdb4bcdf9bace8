/*
 * One request: what came in, who asks, and the answer in the making. The HTTP library stays in http.c;
 * handlers see this.
 *
 * A handler runs on a worker's thread, where it has engines, or inline on the thread that reads the
 * sockets (routes marked so), where it must be quick. It fills request->reply and returns.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_REQUEST_H
#define AKIN_SERVE_REQUEST_H

#include <microhttpd.h>

#include "akin/search.h"
#include "akin/serve.h"
#include "picture_cache.h"

#define REQUEST_ID_MAX 65
#define REQUEST_PARTS_MAX 6 /* of a path that a template leaves open */
#define REPLY_BYTES_MAX ((size_t)1 << 30)

struct route;
struct server;
struct worker;

/* What is sent. Either `body` or a cached picture. */
struct reply {
    unsigned status;
    const char *type; /* of static storage */
    struct akin_buffer body;
    struct picture *picture; /* a reference of ours, or NULL */
    char etag[40];           /* with quotes; "" for none */
    const char *cache;       /* Cache-Control; NULL: no-store */
    const char *cookie;      /* Set-Cookie, in the request's arena; or NULL */
    bool page;               /* send the page's Content-Security-Policy */
    unsigned retry_after_s;  /* 0: none */
};

/* Times of a search, for the metrics; ms, negative: not done. */
struct stages {
    double read_ms, encode_ms, search_ms, write_ms;
};

enum request_state { REQUEST_READING, REQUEST_REFUSED, REQUEST_WAITING, REQUEST_ANSWERED };

struct request {
    struct server *server;
    struct MHD_Connection *connection;
    const struct route *route; /* NULL: none matched */
    enum request_state state;
    char id[REQUEST_ID_MAX];
    const char *method;             /* borrowed from the connection */
    char *path;                     /* owned */
    char *parts[REQUEST_PARTS_MAX]; /* of the path, in the template's order; inside `split` */
    char *split;                    /* owned */
    struct akin_buffer body;
    size_t body_reserved; /* of the server's memory for bodies */
    double began_ms;
    struct worker *worker; /* while a worker has it */
    struct reply reply;
    struct stages stages;
    struct request *next; /* in the queue */
    bool sent;            /* the answer was handed over to the HTTP library */
};

/* A query parameter, a header; NULL where it is not there. Borrowed. */
const char *request_parameter(const struct request *request, const char *name);
const char *request_header(const struct request *request, const char *name);
/* An integer parameter in [min, max]; `otherwise` where it is not there. */
akin_status request_integer(const struct request *request, const char *name, int64_t min,
                            int64_t max, int64_t otherwise, int64_t *out, akin_error *err);
/* "true" or "false"; false where it is not there. */
akin_status request_flag(const struct request *request, const char *name, bool *out,
                         akin_error *err);
/* A part of the path as a tile's key; AKIN_ERR_NOT_FOUND where it is none. */
akin_status request_key(const struct request *request, const char *part, uint64_t *key,
                        akin_error *err);

/* ---- answers ---- */

/* The JSON tree as the answer; frees it. */
void reply_json(struct request *request, unsigned status, akin_json *root);
/* {code, description, request_id}; whatever was in the reply is gone. */
void reply_error(struct request *request, unsigned status, const char *format, ...)
    AKIN_PRINTF(3, 4);
/* The same for a failed call, its HTTP status by its kind: NOT_FOUND 404, INVALID 400, ... */
void reply_status(struct request *request, akin_status status, const akin_error *err);
/* For an etag: of these bytes. */
void reply_etag(struct request *request, const void *bytes, size_t size);
/* A picture from the cache, whose reference the reply takes over; 304 where the client has it. */
void reply_picture(struct request *request, struct picture *picture, const char *type);

#endif
