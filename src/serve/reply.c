/*
 * Reading what a request says, and filling in its answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "request.h"

const char *request_parameter(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

akin_status request_integer(const struct request *request, const char *name, int64_t min,
                            int64_t max, int64_t otherwise, int64_t *out, akin_error *err)
{
    const char *text = request_parameter(request, name);
    uint64_t value = (uint64_t)otherwise;
    akin_status status = AKIN_OK;
    if (text)
        status = akin_parse_u64(&value, text, (uint64_t)min, (uint64_t)max, name, err);
    if (status == AKIN_OK)
        *out = (int64_t)value;
    return status;
}

akin_status request_flag(const struct request *request, const char *name, bool *out,
                         akin_error *err)
{
    const char *text = request_parameter(request, name);
    *out = text && !strcmp(text, "true");
    if (!text || *out || !strcmp(text, "false"))
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_INVALID, "%s is true or false, not '%s'", name, text);
}

akin_status request_key(const struct request *request, const char *part, uint64_t *key,
                        akin_error *err)
{
    (void)request;
    return akin_tile_key_parse(key, part, err) == AKIN_OK
               ? AKIN_OK
               : akin_error_set(err, AKIN_ERR_NOT_FOUND,
                                "'%.40s' is no tile: a key has 16 hex digits", part);
}

static void clear(struct reply *reply)
{
    picture_unref(reply->picture);
    reply->picture = NULL;
    akin_buffer_clear(&reply->body);
    reply->etag[0] = 0;
    reply->cache = NULL;
    reply->page = false;
}

void reply_json(struct request *request, unsigned status, akin_json *root)
{
    akin_error err = {0};
    clear(&request->reply);
    akin_status made = akin_json_text(root, false, &request->reply.body, &err);
    akin_json_free(root);
    request->reply.status = status;
    request->reply.type = "application/json";
    if (made != AKIN_OK)
        reply_status(request, made, &err);
}

void reply_error(struct request *request, unsigned status, const char *format, ...)
{
    char text[AKIN_ERROR_TEXT_MAX];
    akin_error safe = {0};
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* Through an error, which lets no control characters pass. */
    akin_error_set(&safe, AKIN_ERR_INVALID, "%s", text);
    akin_json *root = akin_json_object();
    akin_json_set(root, "code", akin_json_integer(status));
    akin_json_set(root, "description", akin_json_string(safe.text));
    akin_json_set(root, "request_id", akin_json_string(request->id));
    clear(&request->reply);
    if (akin_json_text(root, false, &request->reply.body, NULL) != AKIN_OK)
        akin_buffer_clear(&request->reply.body);
    akin_json_free(root);
    request->reply.status = status;
    request->reply.type = "application/json";
}

void reply_status(struct request *request, akin_status status, const akin_error *err)
{
    static const unsigned codes[AKIN_STATUS_COUNT] = {
        [AKIN_ERR_INVALID] = 400,   [AKIN_ERR_NOT_FOUND] = 404,   [AKIN_ERR_EXISTS] = 409,
        [AKIN_ERR_IO] = 500,        [AKIN_ERR_NO_SPACE] = 503,    [AKIN_ERR_DENIED] = 403,
        [AKIN_ERR_CORRUPT] = 500,   [AKIN_ERR_UNSUPPORTED] = 422, [AKIN_ERR_LIMIT] = 413,
        [AKIN_ERR_NO_MEMORY] = 503, [AKIN_ERR_BUSY] = 503,        [AKIN_ERR_CANCELLED] = 503,
        [AKIN_ERR_VERSION] = 500};
    const unsigned code = codes[status] ? codes[status] : 500;
    reply_error(request, code, "%s", err->text[0] ? err->text : akin_status_text(status));
    if (code == 503)
        request->reply.retry_after_s = 1;
}

/* Whether the client has what the etag names: one of a list, or *. */
static bool client_has(const struct request *request, const char *etag)
{
    const char *known = request_header(request, "If-None-Match");
    return known && (!strcmp(known, "*") || strstr(known, etag));
}

void reply_etag(struct request *request, const void *bytes, size_t size)
{
    snprintf(request->reply.etag, sizeof request->reply.etag, "\"%08x-%zx\"",
             akin_crc32c(0, bytes, size), size);
    if (!client_has(request, request->reply.etag))
        return;
    request->reply.status = 304;
    akin_buffer_clear(&request->reply.body);
}

void reply_picture(struct request *request, struct picture *picture, const char *type)
{
    struct reply *reply = &request->reply;
    clear(reply);
    memcpy(reply->etag, picture->etag, sizeof reply->etag);
    reply->type = type;
    reply->cache = "private, max-age=86400";
    reply->status = 200;
    reply->picture = picture;
    if (!client_has(request, picture->etag))
        return;
    reply->status = 304;
    reply->picture = NULL;
    picture_unref(picture);
}
