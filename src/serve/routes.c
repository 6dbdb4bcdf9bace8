/*
 * The table of routes, and matching against it. A template's {name} stands for what is left of that
 * segment of the path, up to the literal behind it ({file}: for all the rest); earlier entries win.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "route.h"

#include <stdio.h>
#include <string.h>

#include "metrics.h"
#include "request.h"

const struct route routes[] = {
    {"GET", "/", ROUTE_INLINE | ROUTE_OPEN, handle_landing, NULL},
    {"GET", "/web/{file}", ROUTE_INLINE | ROUTE_OPEN, handle_web_file, NULL},
    {"GET", "/api", ROUTE_INLINE | ROUTE_OPEN, handle_api, NULL},
    {"GET", "/conformance", ROUTE_INLINE, handle_conformance, NULL},
    {"GET", "/healthz", ROUTE_INLINE | ROUTE_OPEN, handle_healthz, NULL},
    {"GET", "/readyz", ROUTE_INLINE | ROUTE_OPEN, handle_readyz, NULL},
    {"GET", "/status", 0, handle_status, NULL},
    {"GET", "/metrics", 0, handle_metrics, NULL},
    {"POST", "/session", ROUTE_INLINE | ROUTE_OPEN | ROUTE_BODY, handle_log_in, NULL},
    {"DELETE", "/session", ROUTE_INLINE | ROUTE_OPEN, handle_log_out, NULL},
    {"GET", "/collections", 0, handle_collections, NULL},
    {"GET", "/collections/{collection}", 0, handle_collection, NULL},
    {"GET", "/collections/{collection}/items", 0, handle_items, NULL},
    {"GET", "/collections/{collection}/items/{key}", 0, handle_item, NULL},
    {"GET", "/search", 0, handle_search_get, NULL},
    {"POST", "/search", ROUTE_BODY, handle_search_post, NULL},
    {"GET", "/tiles/{key}.jpg", 0, handle_tile, tile_at_hand},
    {"GET", "/chips/{key}", 0, handle_chip, chip_at_hand},
    {"GET", "/similarity/{key}", 0, handle_similarity, NULL},
    {"GET", "/scenes", 0, handle_scenes, NULL},
    {"GET", "/scenes/{scene}", 0, handle_scene, NULL},
    {"GET", "/scenes/{scene}/tiles.json", 0, handle_tilejson, NULL},
    {"GET", "/scenes/{scene}/{z}/{x}/{y}.jpg", 0, handle_map_tile, map_tile_at_hand},
    {"GET", "/scenes/{scene}/{z}/{x}/{y}.png", 0, handle_map_tile, map_tile_at_hand},
    {"GET", "/marks", 0, handle_mark_sets, NULL},
    {"GET", "/marks/{set}", 0, handle_marks, NULL},
    {"GET", "/marks/{set}/next", 0, handle_next_marks, NULL},
    {"POST", "/marks/{set}/undo", ROUTE_WRITE | ROUTE_BODY, handle_undo_mark, NULL},
    {"PUT", "/marks/{set}/{key}", ROUTE_WRITE | ROUTE_BODY, handle_mark, NULL},
    {"DELETE", "/marks/{set}/{key}", ROUTE_WRITE, handle_unmark, NULL},
};
const size_t route_count = sizeof routes / sizeof *routes;
_Static_assert(sizeof routes / sizeof *routes < METRICS_ROUTES_MAX,
               "each has a row in the metrics");

/* The literal behind a {name}, up to the end of the segment. */
static bool cut_segment(char *segment, const char *suffix, size_t suffix_length)
{
    const size_t length = strlen(segment);
    if (length <= suffix_length ||
        memcmp(segment + length - suffix_length, suffix, suffix_length) != 0)
        return false;
    segment[length - suffix_length] = 0;
    return true;
}

bool route_matches(const char *path_template, char *split, char **parts, size_t max)
{
    size_t count = 0;
    char *at = split;
    while (*path_template && *at) {
        if (*path_template != '{') {
            if (*path_template++ != *at++)
                return false;
            continue;
        }
        if (!strcmp(path_template, "{file}")) { /* the rest, with its slashes */
            parts[count] = at;
            return count < max;
        }
        const char *suffix = strchr(path_template, '}') + 1;
        const size_t suffix_length = strcspn(suffix, "/");
        char *end = at + strcspn(at, "/");
        const bool last = !*end;
        *end = 0;
        if (count == max || !cut_segment(at, suffix, suffix_length))
            return false;
        parts[count++] = at;
        path_template = suffix + suffix_length;
        if (last)
            return !*path_template;
        if (*path_template++ != '/')
            return false;
        at = end + 1;
    }
    return !*path_template && !*at;
}

const struct route *route_find(struct request *request, char allow[64])
{
    const size_t size = strlen(request->path) + 1;
    const bool head = !strcmp(request->method, "HEAD");
    size_t used = 0;
    allow[0] = 0;
    for (size_t i = 0; i < route_count; i++) {
        memcpy(request->split, request->path, size);
        if (!route_matches(routes[i].path, request->split, request->parts, REQUEST_PARTS_MAX))
            continue;
        if (!strcmp(routes[i].method, head ? "GET" : request->method))
            return &routes[i];
        used +=
            (size_t)snprintf(allow + used, 64 - used, "%s%s", used ? ", " : "", routes[i].method);
        if (used >= 64)
            break;
    }
    return NULL;
}
