/*
 * Why each check is there:
 * - Content-Length together with Transfer-Encoding, or an encoding other than chunked: libmicrohttpd
 *   takes it, a proxy before us may read it otherwise (request smuggling).
 * - Host: a page anywhere on the web may have its name resolve to 127.0.0.1 (DNS rebinding) and would
 *   then read everything with the browser's help. On loopback without tokens only names that mean
 *   loopback, or that of --base-url, are answered.
 * - Origin, for changes: another site's page can send them, though it cannot read the answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http_check.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "route.h"
#include "server.h"
#include "tokens.h"

bool http_id_is_fine(const char *id)
{
    size_t length = 0;
    for (; id[length]; length++)
        if (length >= REQUEST_ID_MAX - 1 ||
            !(isalnum((unsigned char)id[length]) || strchr("._-", id[length])))
            return false;
    return length > 0;
}

bool http_host_is_fine(const char *host)
{
    const size_t length = strlen(host);
    return length > 0 && length < 256 &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") ==
               length;
}

/* Length of the name in NAME:PORT or [IPv6]:PORT. */
static size_t name_length(const char *host)
{
    const char *end = host[0] == '[' ? strchr(host, ']') : NULL;
    return end ? (size_t)(end + 1 - host) : strcspn(host, ":");
}

bool http_host_is_loopback(const char *host)
{
    const size_t length = name_length(host);
    if ((length == 9 && !strncasecmp(host, "localhost", 9)) ||
        (length == 5 && !strncmp(host, "[::1]", 5)))
        return true;
    return length > 4 && !strncmp(host, "127.", 4) && strspn(host, "0123456789.") == length;
}

/* NAME[:PORT] of an address with a scheme: what follows "://". */
static const char *behind_scheme(const char *address)
{
    const char *at = strstr(address, "://");
    return at ? at + 3 : address;
}

static bool is_host_of(const char *host, const char *address)
{
    const char *at = behind_scheme(address);
    const size_t length = strcspn(at, "/");
    return strlen(host) == length && !strncasecmp(host, at, length);
}

static bool check_framing(struct request *request)
{
    const char *length = request_header(request, "Content-Length");
    const char *encoding = request_header(request, "Transfer-Encoding");
    if (encoding && length)
        reply_error(request, 400, "Content-Length together with Transfer-Encoding is not accepted");
    else if (encoding && strcasecmp(encoding, "chunked") != 0)
        reply_error(request, 400, "of transfer encodings only chunked is accepted");
    else if (length && strspn(length, "0123456789") != strlen(length))
        reply_error(request, 400, "Content-Length is not a number");
    else if (length && strtoull(length, NULL, 10) > request->server->options.body_max)
        reply_error(request, 413, "the body has %s bytes; at most %zu are accepted", length,
                    request->server->options.body_max);
    else
        return true;
    return false;
}

static bool check_host(struct request *request, const char *version)
{
    const struct server *server = request->server;
    const char *host = request_header(request, "Host");
    if (!host && !strcmp(version, MHD_HTTP_VERSION_1_0))
        return true;
    if (!host || !http_host_is_fine(host)) {
        reply_error(request, 400, "the Host header is missing or no host's name");
        return false;
    }
    if (!server->loopback || server->tokens || http_host_is_loopback(host) ||
        (server->options.base_url && is_host_of(host, server->options.base_url)))
        return true;
    reply_error(request, 403,
                "this server answers to localhost only: behind a proxy give --base-url, elsewhere "
                "--listen with --token-file");
    return false;
}

static bool check_origin(struct request *request)
{
    const char *origin = request_header(request, "Origin"), *host = request_header(request, "Host");
    const char *base = request->server->options.base_url;
    if (!origin || (host && is_host_of(host, origin)))
        return true;
    if (base) {
        const char *at = behind_scheme(base);
        const size_t length = (size_t)(at - base) + strcspn(at, "/");
        if (strlen(origin) == length && !strncasecmp(origin, base, length))
            return true;
    }
    reply_error(request, 403, "changes from pages of another site are not accepted");
    return false;
}

static bool check_rights(struct request *request)
{
    const struct server *server = request->server;
    const unsigned flags = request->route->flags;
    const bool write = flags & ROUTE_WRITE;
    if (strcmp(request->route->method, "GET") != 0 && !check_origin(request))
        return false;
    if (flags & ROUTE_OPEN)
        return true;
    if (!server->tokens) {
        if (!write || server->loopback)
            return true;
        reply_error(request, 403,
                    "nobody may change anything here: the server was started without tokens");
        return false;
    }
    const enum token_scope scope = tokens_of_request(server->tokens, request);
    if (write ? scope == SCOPE_WRITE : scope != SCOPE_NONE || server->options.open_read)
        return true;
    if (scope == SCOPE_NONE)
        reply_error(request, 401, "a token is needed: Authorization: Bearer TOKEN");
    else
        reply_error(request, 403, "the token is for reading only");
    return false;
}

static bool check_route(struct request *request)
{
    char allow[64];
    request->route = route_find(request, allow);
    if (request->route)
        return true;
    if (allow[0])
        reply_error(request, 405, "%s is not possible here, but %s", request->method, allow);
    else
        reply_error(request, 404, "there is no '%.200s' here: /api lists what there is",
                    request->path);
    return false;
}

bool http_check(struct request *request, const char *version)
{
    return check_framing(request) && check_host(request, version) && check_route(request) &&
           check_rights(request);
}
