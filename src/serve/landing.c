/*
 * The front door: what there is, as a STAC Catalog, or the page; the API's contract; the classes of
 * conformance.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "links.h"
#include "openapi.h"
#include "route.h"

static const char conformance[] =
    "\"conformsTo\":[\"https://api.stacspec.org/v1.0.0/core\","
    "\"https://api.stacspec.org/v1.0.0/collections\","
    "\"https://api.stacspec.org/v1.0.0/item-search\","
    "\"https://api.stacspec.org/v1.0.0/ogcapi-features\","
    "\"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core\","
    "\"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30\","
    "\"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson\"]";

/* Whether text/html stands before application/json in Accept. */
static bool wants_html(const struct request *request)
{
    const char *accept = request_header(request, "Accept");
    const char *html = accept ? strstr(accept, "text/html") : NULL;
    const char *json = accept ? strstr(accept, "json") : NULL;
    return html && (!json || html < json);
}

static void send_file(struct request *request, const struct web_file *file)
{
    akin_error err = {0};
    akin_status status = akin_buffer_append(
        &request->reply.body, file->bytes.data ? file->bytes.data : "", file->bytes.size, &err);
    if (status != AKIN_OK) {
        reply_status(request, status, &err);
        return;
    }
    request->reply.status = 200;
    request->reply.type = file->type;
    request->reply.page = true;
    request->reply.cache = "no-cache";
    reply_etag(request, file->bytes.data, file->bytes.size);
}

static void landing_json(struct request *request)
{
    char base[LINK_BASE_MAX];
    struct json_out out;
    const struct server *server = request->server;
    put_init(&out, &request->reply.body);
    link_base(request, base);
    put_raw(&out, "{\"type\":\"Catalog\",\"stac_version\":\"1.0.0\",\"id\":\"akin\",\"title\":"
                  "\"akin\",\"description\":\"Reverse image search over collections of imagery\","
                  "\"stac_extensions\":[],");
    put_raw(&out, conformance);
    put_raw(&out, ",\"links\":[");
    static const char *const links[][3] = {
        {"self", TYPE_JSON, "/"},
        {"root", TYPE_JSON, "/"},
        {"conformance", TYPE_JSON, "/conformance"},
        {"data", TYPE_JSON, "/collections"},
        {"service-desc", "application/vnd.oai.openapi+json;version=3.0", "/api"}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        put_raw(&out, i ? "," : "");
        put_link(&out, links[i][0], links[i][1], base, links[i][2]);
    }
    for (int post = 0; post < 2; post++) {
        put_raw(&out, ",{\"rel\":\"search\",\"type\":\"" TYPE_GEOJSON "\",\"method\":\"");
        put_raw(&out, post ? "POST" : "GET");
        put_raw(&out, "\",\"href\":\"");
        put_inside(&out, base);
        put_raw(&out, "/search\"}");
    }
    for (size_t i = 0; i < server->collection_count; i++) {
        put_raw(&out, ",{\"rel\":\"child\",\"type\":\"" TYPE_JSON "\",\"title\":");
        put_text(&out, server->collections[i].id);
        put_raw(&out, ",\"href\":\"");
        put_inside(&out, base);
        put_raw(&out, "/collections/");
        put_inside(&out, server->collections[i].id);
        put_raw(&out, "\"}");
    }
    put_raw(&out, "]}");
    put_reply(request, &out, TYPE_JSON, AKIN_OK, NULL);
}

void handle_landing(struct request *request)
{
    const struct web_file *page = web_files_find(&request->server->web, "index.html");
    if (page && wants_html(request))
        send_file(request, page);
    else
        landing_json(request);
}

void handle_web_file(struct request *request)
{
    const struct web_file *file = web_files_find(&request->server->web, request->parts[0]);
    if (file)
        send_file(request, file);
    else
        reply_error(request, 404, "the page has no file '%.100s'", request->parts[0]);
}

void handle_api(struct request *request)
{
    akin_error err = {0};
    size_t size;
    const char *text = openapi_text(&size);
    akin_status status = akin_buffer_append(&request->reply.body, text, size, &err);
    request->reply.status = 200;
    request->reply.type = "application/vnd.oai.openapi+json;version=3.0";
    request->reply.cache = "no-cache";
    if (status == AKIN_OK)
        reply_etag(request, text, size);
    else
        reply_status(request, status, &err);
}

void handle_conformance(struct request *request)
{
    struct json_out out;
    put_init(&out, &request->reply.body);
    put_raw(&out, "{");
    put_raw(&out, conformance);
    put_raw(&out, "}");
    put_reply(request, &out, TYPE_JSON, AKIN_OK, NULL);
}
