/*
 * Links, times and boxes, as STAC wants them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "links.h"

#include <stdio.h>
#include <string.h>

void link_base(const struct request *request, char out[LINK_BASE_MAX])
{
    const char *base = request->server->options.base_url;
    const char *host = request_header(request, "Host");
    if (base) {
        size_t length = strlen(base);
        while (length && base[length - 1] == '/')
            length--;
        snprintf(out, LINK_BASE_MAX, "%.*s", (int)length, base);
        return;
    }
    snprintf(out, LINK_BASE_MAX, "http://%s", host ? host : request->server->address);
}

void put_link(struct json_out *out, const char *rel, const char *type, const char *base,
              const char *path)
{
    put_raw(out, "{\"rel\":\"");
    put_raw(out, rel);
    if (type) {
        put_raw(out, "\",\"type\":\"");
        put_raw(out, type);
    }
    put_raw(out, "\",\"href\":\"");
    put_inside(out, base);
    put_raw(out, path);
    put_raw(out, "\"}");
}

void link_query(const struct server *server, const struct collection *collection,
                char out[LINK_QUERY_MAX])
{
    out[0] = 0;
    if (server->collection_count > 1)
        snprintf(out, LINK_QUERY_MAX, "?collection=%s", collection->id);
}

akin_status link_escape(struct akin_buffer *out, const char *text, akin_error *err)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    akin_status status = AKIN_OK;
    while (*text && status == AKIN_OK) {
        const size_t run = strspn(text, plain);
        status = akin_buffer_append(out, text, run, err);
        text += run;
        if (*text && status == AKIN_OK)
            status = akin_buffer_printf(out, err, "%%%02X", (unsigned)(unsigned char)*text++);
    }
    return status;
}

void put_times(struct json_out *out, struct akin_interval time)
{
    char begin[AKIN_INTERVAL_TEXT_MAX], end[AKIN_INTERVAL_TEXT_MAX], text[AKIN_INTERVAL_TEXT_MAX];
    if (!akin_interval_known(time)) {
        put_raw(out, ",\"datetime\":null,\"time\":null");
        return;
    }
    const bool instant = time.begin_ms == time.end_ms;
    akin_time_format(begin, time.begin_ms);
    akin_time_format(end, instant || time.end_ms == AKIN_TIME_MAX ? time.end_ms : time.end_ms - 1);
    akin_interval_format(text, time);
    put_raw(out, ",\"datetime\":");
    put_text(out, time.begin_ms == AKIN_TIME_MIN ? NULL : begin);
    if (time.begin_ms != AKIN_TIME_MIN && time.end_ms != AKIN_TIME_MAX) {
        put_raw(out, ",\"start_datetime\":");
        put_text(out, begin);
        put_raw(out, ",\"end_datetime\":");
        put_text(out, end);
    }
    put_raw(out, ",\"time\":");
    put_text(out, text);
}

void put_bbox(struct json_out *out, struct akin_bbox box)
{
    const double sides[4] = {box.west, box.south, box.east, box.north};
    for (int i = 0; i < 4; i++) {
        put_raw(out, i ? "," : "[");
        put_number(out, sides[i], 7);
    }
    put_raw(out, "]");
}

const char *scene_title(const struct akin_scene *scene)
{
    const char *slash = strrchr(scene->uri, '/');
    return slash && slash[1] ? slash + 1 : scene->uri;
}

bool scene_uri_is_public(const struct server *server, const struct akin_scene *scene)
{
    return server->options.show_paths || (strstr(scene->uri, "://") && scene->uri[0] != '/');
}

void put_reply(struct request *request, const struct json_out *out, const char *type,
               akin_status status, const akin_error *err)
{
    request->reply.status = 200;
    request->reply.type = type;
    if (status != AKIN_OK)
        reply_status(request, status, err);
    else if (out->status != AKIN_OK)
        reply_status(request, out->status, &out->err);
}
