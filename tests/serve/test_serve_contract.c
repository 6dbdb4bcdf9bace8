/*
 * The server against its own OpenAPI document: every route of the document is asked here and answers
 * well, every route asked here is in the document, and the server counts the same routes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>

#include "world.h"

#define TILE "0000000100004001"

static const struct asked {
    const char *method, *route, *path, *body;
    int status;
    const char *type, *text; /* the answer's content type, and something in it */
} script[] = {
    {"GET", "/", "/", NULL, 200, "application/json", "\"stac_version\":\"1.0.0\""},
    {"GET", "/web/{file}", "/web/icons/plus.svg", NULL, 200, "image/svg+xml", "<svg"},
    {"GET", "/api", "/api", NULL, 200, "application/vnd.oai.openapi+json", "\"openapi\""},
    {"GET", "/conformance", "/conformance", NULL, 200, "application/json", "item-search"},
    {"GET", "/healthz", "/healthz", NULL, 200, "application/json", "alive"},
    {"GET", "/readyz", "/readyz", NULL, 200, "application/json", "ready"},
    {"GET", "/status", "/status", NULL, 200, "application/json", "\"may_write\":true"},
    {"GET", "/metrics", "/metrics", NULL, 200, "text/plain; version=0.0.4",
     "akin_index_rows{collection=\"world\"}"},
    {"POST", "/session", "/session", "{\"token\":\"any\"}", 200, "application/json", "write"},
    {"DELETE", "/session", "/session", "", 200, "application/json", "logged out"},
    {"GET", "/collections", "/collections", NULL, 200, "application/json", "\"id\":\"world\""},
    {"GET", "/collections/{collection}", "/collections/world", NULL, 200, "application/json",
     "\"interval\":[[\"2004-01-01T00:00:00Z\""},
    {"GET", "/collections/{collection}/items", "/collections/world/items?limit=3", NULL, 200,
     "application/geo+json", "\"numberReturned\":3"},
    {"GET", "/collections/{collection}/items/{key}", "/collections/world/items/" TILE, NULL, 200,
     "application/geo+json", TILE},
    {"GET", "/search", "/search?limit=2&akin=%7B%22like%22:[%7B%22tile%22:%22" TILE "%22%7D]%7D",
     NULL, 200, "application/geo+json", "\"score\""},
    {"POST", "/search", "/search",
     "{\"limit\":2,\"akin\":{\"like\":[{\"lon\":10,\"lat\":20}],\"explain\":true}}", 200,
     "application/geo+json", "\"way\""},
    {"GET", "/tiles/{key}.jpg", "/tiles/" TILE ".jpg?size=16", NULL, 200, "image/jpeg", ""},
    {"GET", "/chips/{key}", "/chips/" TILE "?raw=true", NULL, 200, "application/vnd.akin.chip",
     "AKCP"},
    {"GET", "/similarity/{key}", "/similarity/" TILE "?to=0000000100000002", NULL, 200, "image/png",
     "PNG"},
    {"GET", "/scenes", "/scenes?datetime=2004-01", NULL, 200, "application/json", "2004-01.png"},
    {"GET", "/scenes/{scene}", "/scenes/1", NULL, 200, "application/json", "\"id\":1"},
    {"GET", "/scenes/{scene}/tiles.json", "/scenes/1/tiles.json", NULL, 200, "application/json",
     "{z}/{x}/{y}.png"},
    {"GET", "/scenes/{scene}/{z}/{x}/{y}.jpg", "/scenes/1/1/0/1.jpg", NULL, 200, "image/jpeg", ""},
    {"GET", "/scenes/{scene}/{z}/{x}/{y}.png", "/scenes/1/1/0/1.png", NULL, 200, "image/png",
     "PNG"},
    {"GET", "/marks/{set}/next", "/marks/snow/next", NULL, 409, "application/json",
     "nothing is liked yet"},
    {"PUT", "/marks/{set}/{key}", "/marks/snow/" TILE "?by=ann", "{\"mark\":\"like\"}", 200,
     "application/json", "\"counts\":{\"like\":1,\"unlike\":0,\"unsure\":0}"},
    {"PUT", "/marks/{set}/{key}", "/marks/snow/0000000100000002?by=ann", "{\"mark\":\"unlike\"}",
     200, "application/json", "\"unlike\":1"},
    {"PUT", "/marks/{set}/{key}", "/marks/snow/0000000100000002", "{\"mark\":\"unsure\"}", 200,
     "application/json", "\"by\":\"anonymous\""},
    {"PUT", "/marks/{set}/{key}", "/marks/snow/0000000100000002", "{\"mark\":\"maybe\"}", 400,
     "application/json", "'maybe'"},
    {"PUT", "/marks/{set}/{key}", "/marks/snow/00000009ffffffff", "{\"mark\":\"like\"}", 404,
     "application/json", "no tile"},
    {"PUT", "/marks/{set}/{key}", "/marks/.snow/" TILE, "{\"mark\":\"like\"}", 400,
     "application/json", "'.snow'"},
    {"GET", "/marks/{set}/next", "/marks/snow/next?n=5&mode=diverse", NULL, 200,
     "application/geo+json", "\"likes\":1,\"unlikes\":1"},
    {"GET", "/marks", "/marks", NULL, 200, "application/json",
     "{\"set\":\"snow\",\"counts\":{\"like\":1,\"unlike\":1,\"unsure\":1}}"},
    {"GET", "/marks/{set}", "/marks/snow", NULL, 200, "application/json", "\"mark\":\"like\""},
    {"GET", "/marks/{set}", "/marks/snow?format=geojson", NULL, 200, "application/geo+json",
     "\"coordinates\""},
    {"GET", "/marks/{set}", "/marks/snow?format=csv", NULL, 200, "text/csv", TILE ",like,\"ann\","},
    {"GET", "/marks/{set}", "/marks/snow?format=coco", NULL, 200, "application/json",
     "\"bbox\":[16,16,32,32]"},
    {"GET", "/marks/{set}", "/marks/snow?format=xml", NULL, 400, "application/json", "'xml'"},
    {"POST", "/marks/{set}/undo", "/marks/snow/undo?by=ann", "", 200, "application/json",
     "\"tile\":\"0000000100000002\",\"mark\":null"},
    {"DELETE", "/marks/{set}/{key}", "/marks/snow/" TILE "?by=ann", "", 200, "application/json",
     "\"counts\":{\"like\":0"},
    {"DELETE", "/marks/{set}/{key}", "/marks/snow/" TILE "?by=ann", "", 404, "application/json",
     "no mark"},
};
#define SCRIPT (sizeof script / sizeof *script)

static akin_status make_page(char folder[AKIN_PATH_MAX], akin_error *err)
{
    char path[AKIN_PATH_MAX];
    static const char html[] = "<!doctype html><title>akin</title>", svg[] = "<svg></svg>";
    path_of(folder, "web");
    akin_status status = akin_dir_create(folder, err);
    path_of(path, "web/icons");
    if (status == AKIN_OK)
        status = akin_dir_create(path, err);
    path_of(path, "web/index.html");
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, html, sizeof html - 1, err);
    path_of(path, "web/icons/plus.svg");
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, svg, sizeof svg - 1, err);
    return status;
}

static bool in_script(const char *method, const char *route)
{
    for (size_t i = 0; i < SCRIPT; i++)
        if (!strcasecmp(script[i].method, method) && !strcmp(script[i].route, route) &&
            script[i].status == 200)
            return true;
    return false;
}

static const akin_json *operation_of(const akin_json *document, const char *method,
                                     const char *route)
{
    char lower[16] = "";
    for (size_t i = 0; method[i] && i < sizeof lower - 1; i++)
        lower[i] = (char)tolower((unsigned char)method[i]);
    return akin_json_get(akin_json_get(akin_json_get(document, "paths"), route), lower);
}

/* Every $ref leads somewhere. */
static bool refs_lead(const akin_json *document, const akin_json *node, int depth)
{
    const char *ref = akin_json_text_value(akin_json_get(node, "$ref"));
    if (ref) {
        char part[128];
        const akin_json *at = document;
        const char *rest = strncmp(ref, "#/", 2) ? "" : ref + 2;
        while (at && *rest) {
            const size_t length = strcspn(rest, "/");
            snprintf(part, sizeof part, "%.*s", (int)length, rest);
            at = akin_json_get(at, part);
            rest += length + (rest[length] == '/');
        }
        if (!at || at == document) {
            printf("# %s\n", ref);
            return false;
        }
    }
    bool fine = depth < 40;
    if (akin_json_is_array(node))
        for (size_t i = 0; i < akin_json_count(node) && fine; i++)
            fine = refs_lead(document, akin_json_at(node, i), depth + 1);
    else
        for (const char *key = NULL; fine && (key = akin_json_key_after(node, key));)
            fine = refs_lead(document, akin_json_get(node, key), depth + 1);
    return fine;
}

TEST(every_route_of_the_contract_is_asked_and_every_route_asked_is_in_it)
{
    char dir[AKIN_PATH_MAX], web[AKIN_PATH_MAX];
    const char *dirs[] = {dir};
    akin_server *server = NULL;
    struct akin_server_options options;
    serve_options(&options);
    REQUIRE_OK(make_world(dir, err));
    REQUIRE_OK(add_months(dir, 1, 2, err));
    REQUIRE_OK(make_page(web, err));
    options.web = web;
    REQUIRE_OK(akin_server_start(&server, dirs, 1, &options, err));
    const unsigned port = port_of(server);
    akin_json *document = get_tree(port, "/api");
    REQUIRE(document);
    CHECK(refs_lead(document, document, 0));

    for (size_t i = 0; i < SCRIPT; i++) {
        const struct asked *asked = &script[i];
        struct http_answer answer =
            ask_http(port, asked->method, asked->path,
                     asked->body ? "Content-Type: application/json\r\n" : "", asked->body,
                     asked->body ? strlen(asked->body) : 0);
        char type[128];
        snprintf(type, sizeof type, "Content-Type: %s", asked->type);
        if (answer.status != asked->status)
            printf("# %s %s: %s\n", asked->method, asked->path, answer.body ? answer.body : "");
        CHECK_EQ(answer.status, asked->status);
        CHECK_CONTAINS(answer.text ? answer.text : "", type);
        CHECK(answer.body && memmem(answer.body, answer.size, asked->text, strlen(asked->text)));
        const akin_json *operation = operation_of(document, asked->method, asked->route);
        if (!operation)
            printf("# not in the document: %s %s\n", asked->method, asked->route);
        CHECK(operation && akin_json_get(operation, "operationId"));
        answer_free(&answer);
    }
    /* The other way around. */
    size_t operations = 0;
    const akin_json *paths = akin_json_get(document, "paths");
    for (const char *path = NULL; (path = akin_json_key_after(paths, path));)
        for (const char *method = NULL;
             (method = akin_json_key_after(akin_json_get(paths, path), method));) {
            if (!in_script(method, path))
                printf("# never asked: %s %s\n", method, path);
            CHECK(in_script(method, path));
            operations++;
        }
    /* The server has exactly these. */
    struct http_answer metrics = get(port, "/metrics");
    size_t counted = 0;
    for (const char *at = metrics.body;
         at && (at = strstr(at, "akin_http_request_seconds_count{method=\"")); at++)
        counted += strncmp(at + 39, "\",route=\"\"", 10) != 0;
    CHECK_EQ(counted, operations);
    answer_free(&metrics);
    akin_json_free(document);
    akin_server_stop(server);
}

TEST(a_browser_gets_the_page_and_a_program_the_catalogue)
{
    char dir[AKIN_PATH_MAX], web[AKIN_PATH_MAX];
    const char *dirs[] = {dir};
    akin_server *server = NULL;
    struct akin_server_options options;
    serve_options(&options);
    REQUIRE_OK(make_world(dir, err));
    REQUIRE_OK(make_page(web, err));
    options.web = web;
    REQUIRE_OK(akin_server_start(&server, dirs, 1, &options, err));
    struct http_answer page =
        ask_http(port_of(server), "GET", "/",
                 "Accept: text/html,application/xhtml+xml,application/json;q=0.9\r\n", NULL, 0);
    CHECK_EQ(page.status, 200);
    CHECK_CONTAINS(page.text ? page.text : "", "<title>akin</title>");
    CHECK_CONTAINS(page.text ? page.text : "", "script-src 'self'");
    answer_free(&page);
    page =
        ask_http(port_of(server), "GET", "/", "Accept: application/json, text/html\r\n", NULL, 0);
    CHECK_CONTAINS(page.body ? page.body : "", "\"Catalog\"");
    answer_free(&page);
    page = ask_http(port_of(server), "HEAD", "/web/index.html", "", NULL, 0);
    CHECK_EQ(page.status, 200);
    CHECK_EQ(page.size, 0);
    CHECK_CONTAINS(page.text ? page.text : "", "Content-Type: text/html");
    answer_free(&page);
    akin_server_stop(server);
    path_of(web, "nowhere");
    akin_error why = {0};
    CHECK_EQ(akin_server_start(&server, dirs, 1, &options, &why), AKIN_ERR_NOT_FOUND);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
