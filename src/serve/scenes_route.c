/*
 * Scenes: what they are, page by page, and their maps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "links.h"
#include "route.h"

#define SCENES_MAX 10000
#define SCENES_DEFAULT 20

/* ---- as JSON ---- */

struct scene_list {
    const struct request *request;
    const struct collection *collection;
    struct json_out *out;
    char base[LINK_BASE_MAX], query[LINK_QUERY_MAX];
    struct akin_filter filter; /* bbox and time */
    size_t limit, written;
    uint32_t next; /* scene of the next page, 0: none */
};

static void write_scene(struct scene_list *list, const struct akin_scene *scene)
{
    struct json_out *out = list->out;
    char path[LINK_QUERY_MAX + 64];
    const bool placed = akin_bbox_known(scene->bbox);
    put_raw(out, "{\"id\":");
    put_integer(out, scene->id);
    put_raw(out, ",\"title\":");
    put_text(out, scene_title(scene));
    put_raw(out, ",\"label\":");
    put_text(out, scene->label);
    if (scene_uri_is_public(list->request->server, scene)) {
        put_raw(out, ",\"uri\":");
        put_text(out, scene->uri);
    }
    put_raw(out, ",\"width\":");
    put_integer(out, scene->width);
    put_raw(out, ",\"height\":");
    put_integer(out, scene->height);
    put_raw(out, ",\"bands\":");
    put_integer(out, scene->bands);
    put_raw(out, ",\"tiles\":");
    put_integer(out, (int64_t)scene->tiles_kept);
    put_times(out, scene->time);
    put_raw(out, ",\"bbox\":");
    if (placed)
        put_bbox(out, scene->bbox);
    else
        put_raw(out, "null");
    put_raw(out, ",\"links\":[");
    snprintf(path, sizeof path, "/scenes/%" PRIu32 "%s", scene->id, list->query);
    put_link(out, "self", TYPE_JSON, list->base, path);
    if (placed && list->collection->settings.chips) {
        put_raw(out, ",");
        snprintf(path, sizeof path, "/scenes/%" PRIu32 "/tiles.json%s", scene->id, list->query);
        put_link(out, "tilejson", TYPE_JSON, list->base, path);
    }
    put_raw(out, "]}");
}

static bool add_scene(void *user, const struct akin_scene *scene)
{
    struct scene_list *list = user;
    if ((akin_bbox_known(list->filter.bbox) &&
         !akin_bbox_intersects(list->filter.bbox, scene->bbox)) ||
        (akin_interval_known(list->filter.time) &&
         !akin_interval_intersects(list->filter.time, scene->time)))
        return true;
    if (list->written == list->limit) {
        list->next = scene->id;
        return false;
    }
    put_raw(list->out, list->written++ ? ",\n" : "\n");
    write_scene(list, scene);
    return true;
}

static akin_status list_begin(struct scene_list *list, const struct request *request,
                              struct json_out *out, akin_error *err)
{
    *list = (struct scene_list){.request = request, .out = out};
    list->collection = collections_of(request, err);
    if (!list->collection)
        return AKIN_ERR_NOT_FOUND;
    akin_filter_init(&list->filter);
    link_base(request, list->base);
    link_query(request->server, list->collection, list->query);
    return AKIN_OK;
}

static void write_next(const struct scene_list *list, int64_t limit)
{
    static const char *const kept[] = {"bbox", "datetime", "collection"};
    struct akin_buffer query;
    char text[64];
    akin_buffer_init(&query, 1 << 16);
    put_raw(list->out, ",{\"rel\":\"next\",\"type\":\"" TYPE_JSON "\",\"href\":\"");
    put_inside(list->out, list->base);
    snprintf(text, sizeof text, "/scenes?limit=%" PRId64 "&page=%" PRIu32, limit, list->next);
    put_raw(list->out, text);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const char *value = request_parameter(list->request, kept[i]);
        akin_buffer_clear(&query);
        if (value && akin_buffer_printf(&query, NULL, "&%s=", kept[i]) == AKIN_OK &&
            link_escape(&query, value, NULL) == AKIN_OK)
            put_raw(list->out, query.data);
    }
    put_raw(list->out, "\"}");
    akin_buffer_fini(&query);
}

static akin_status list_scenes(struct request *request, struct json_out *out, akin_error *err)
{
    struct scene_list list;
    akin_catalog *catalog = NULL;
    int64_t limit = 0, first = 0;
    const char *bbox = request_parameter(request, "bbox");
    const char *datetime = request_parameter(request, "datetime");
    akin_status status = list_begin(&list, request, out, err);
    if (status == AKIN_OK)
        status = request_integer(request, "limit", 1, SCENES_MAX, SCENES_DEFAULT, &limit, err);
    if (status == AKIN_OK)
        status = request_integer(request, "page", 0, UINT32_MAX, 0, &first, err);
    if (status == AKIN_OK && bbox)
        status = akin_bbox_parse(&list.filter.bbox, bbox, err);
    if (status == AKIN_OK && datetime)
        status = akin_interval_parse(&list.filter.time, datetime, err);
    if (status == AKIN_OK)
        status = worker_catalog(
            request->worker, &request->server->collections[list.collection->number], &catalog, err);
    if (status != AKIN_OK)
        return status;
    list.limit = (size_t)limit;
    put_raw(out, "{\"scenes\":[");
    status = akin_catalog_scenes(catalog, 1u << AKIN_SCENE_EMBEDDED, (uint32_t)first, add_scene,
                                 &list, err);
    put_raw(out, "],\"links\":[");
    put_link(out, "root", TYPE_JSON, list.base, "/");
    if (list.next)
        write_next(&list, limit);
    put_raw(out, "]}\n");
    return status;
}

void handle_scenes(struct request *request)
{
    akin_error err = {0};
    struct json_out out;
    put_init(&out, &request->reply.body);
    put_reply(request, &out, TYPE_JSON, list_scenes(request, &out, &err), &err);
}

/* The number in the path. */
static akin_status scene_id(const struct request *request, uint32_t *id, akin_error *err)
{
    uint64_t number = 0;
    if (akin_parse_u64(&number, request->parts[0], 1, UINT32_MAX, "scene", NULL) != AKIN_OK)
        return akin_error_set(err, AKIN_ERR_NOT_FOUND, "there is no scene '%.40s'",
                              request->parts[0]);
    *id = (uint32_t)number;
    return AKIN_OK;
}

/* A scene that has tiles; fini'ed by the caller on success. */
static akin_status read_scene(struct request *request, const struct collection *collection,
                              struct akin_scene *scene, akin_error *err)
{
    uint32_t id = 0;
    akin_catalog *catalog = NULL;
    akin_status status = scene_id(request, &id, err);
    if (status == AKIN_OK)
        status = worker_catalog(request->worker, &request->server->collections[collection->number],
                                &catalog, err);
    if (status != AKIN_OK)
        return status;
    akin_scene_init(scene);
    status = akin_catalog_scene_get(catalog, id, scene, NULL);
    if (status == AKIN_OK && scene->state == AKIN_SCENE_EMBEDDED)
        return AKIN_OK;
    akin_scene_fini(scene);
    return akin_error_set(err, AKIN_ERR_NOT_FOUND, "there is no scene %" PRIu32 " in '%s'", id,
                          collection->id);
}

void handle_scene(struct request *request)
{
    akin_error err = {0};
    struct json_out out;
    struct scene_list list;
    struct akin_scene scene;
    put_init(&out, &request->reply.body);
    akin_status status = list_begin(&list, request, &out, &err);
    if (status == AKIN_OK)
        status = read_scene(request, list.collection, &scene, &err);
    if (status == AKIN_OK) {
        write_scene(&list, &scene);
        akin_scene_fini(&scene);
    }
    put_reply(request, &out, TYPE_JSON, status, &err);
}

/* ---- maps ---- */

static akin_status read_grid(const struct request *request, enum akin_map_grid *grid,
                             akin_error *err)
{
    const char *text = request_parameter(request, "grid");
    *grid = AKIN_MAP_MERCATOR;
    if (!text || !strcmp(text, "WebMercatorQuad"))
        return AKIN_OK;
    *grid = AKIN_MAP_LONLAT;
    return strcmp(text, "WorldCRS84Quad")
               ? akin_error_set(err, AKIN_ERR_INVALID,
                                "grid is WebMercatorQuad or WorldCRS84Quad, not '%.60s'", text)
               : AKIN_OK;
}

/* The zoom at which a pixel of the map is no wider than one of the scene. */
static int zoom_of(double pixel_deg, enum akin_map_grid grid)
{
    const double world = (grid == AKIN_MAP_LONLAT ? 180.0 : 360.0) / AKIN_MAP_PX;
    const double zoom = ceil(log2(world / pixel_deg));
    return zoom < 0 ? 0 : zoom > AKIN_MAP_ZOOM_MAX ? AKIN_MAP_ZOOM_MAX : (int)zoom;
}

static akin_status get_overview(struct request *request, struct collection *collection,
                                akin_engine **engine, struct shared_overview **out, akin_error *err)
{
    struct akin_scene scene;
    akin_status status = read_scene(request, collection, &scene, err);
    if (status != AKIN_OK)
        return status;
    const uint32_t id = scene.id;
    akin_scene_fini(&scene);
    status = worker_engine(request->worker, collection, NULL, engine, err);
    if (status == AKIN_OK)
        status =
            overviews_get(&request->server->overviews, *engine, collection->number, id, out, err);
    return status == AKIN_ERR_UNSUPPORTED ? AKIN_ERR_NOT_FOUND : status;
}

static void write_tilejson(struct json_out *out, const struct request *request,
                           const struct collection *collection, const akin_overview *overview,
                           enum akin_map_grid grid)
{
    char base[LINK_BASE_MAX], query[LINK_QUERY_MAX], text[64];
    struct akin_bbox box = akin_overview_bbox(overview);
    const int zoom = zoom_of(akin_overview_pixel_deg(overview), grid);
    const bool lonlat = grid == AKIN_MAP_LONLAT;
    link_base(request, base);
    link_query(request->server, collection, query);
    /* TileJSON has no boxes across the antimeridian. */
    if (box.west > box.east) {
        box.west = -180;
        box.east = 180;
    }
    put_raw(out, "{\"tilejson\":\"3.0.0\",\"scheme\":\"xyz\",\"tiles\":[\"");
    put_inside(out, base);
    put_raw(out, "/scenes/");
    put_raw(out, request->parts[0]);
    put_raw(out, "/{z}/{x}/{y}.png");
    put_raw(out, query);
    if (lonlat)
        put_raw(out, query[0] ? "&grid=WorldCRS84Quad" : "?grid=WorldCRS84Quad");
    put_raw(out, "\"],\"crs\":\"");
    put_raw(out, lonlat ? "EPSG:4326" : "EPSG:3857");
    put_raw(out, "\",\"bounds\":");
    put_bbox(out, box);
    snprintf(text, sizeof text, ",\"minzoom\":0,\"maxzoom\":%d", zoom);
    put_raw(out, text);
    put_raw(out, ",\"center\":[");
    put_number(out, (box.west + box.east) / 2, 6);
    put_raw(out, ",");
    put_number(out, (box.south + box.north) / 2, 6);
    snprintf(text, sizeof text, ",%d]}\n", zoom > 3 ? zoom - 3 : 0);
    put_raw(out, text);
}

void handle_tilejson(struct request *request)
{
    akin_error err = {0};
    struct json_out out;
    akin_engine *engine = NULL;
    struct shared_overview *shared = NULL;
    enum akin_map_grid grid;
    struct collection *collection = collections_of(request, &err);
    put_init(&out, &request->reply.body);
    akin_status status = collection ? read_grid(request, &grid, &err) : AKIN_ERR_NOT_FOUND;
    if (status == AKIN_OK)
        status = get_overview(request, collection, &engine, &shared, &err);
    if (status == AKIN_OK)
        write_tilejson(&out, request, collection, shared->overview, grid);
    overview_unref(shared);
    put_reply(request, &out, TYPE_JSON, status, &err);
}

static akin_status read_square(const struct request *request, struct akin_map_square *square,
                               struct picture_key *key, struct collection **collection,
                               akin_error *err)
{
    uint64_t numbers[3] = {0};
    uint32_t id = 0;
    akin_status status = scene_id(request, &id, err);
    for (int i = 0; i < 3 && status == AKIN_OK; i++)
        if (akin_parse_u64(&numbers[i], request->parts[1 + i], 0, UINT32_MAX, "", NULL) != AKIN_OK)
            status =
                akin_error_set(err, AKIN_ERR_NOT_FOUND, "the map has no square %.20s/%.20s/%.20s",
                               request->parts[1], request->parts[2], request->parts[3]);
    if (status == AKIN_OK)
        status = read_grid(request, &square->grid, err);
    if (status != AKIN_OK)
        return status;
    *collection = collections_of(request, err);
    if (!*collection)
        return AKIN_ERR_NOT_FOUND;
    square->z = (uint32_t)numbers[0];
    square->x = (uint32_t)numbers[1];
    square->y = (uint32_t)numbers[2];
    const bool png = strstr(request->route->path, ".png");
    *key = (struct picture_key){.tile = (uint64_t)id << 32,
                                .kind = png ? PICTURE_MAP_PNG : PICTURE_MAP_JPEG,
                                .size = square->z,
                                .x = square->x,
                                .y = square->y,
                                .collection = (*collection)->number,
                                .grid = square->grid};
    return AKIN_OK;
}

static const char *type_of(const struct picture_key *key)
{
    return key->kind == PICTURE_MAP_PNG ? "image/png" : "image/jpeg";
}

bool map_tile_at_hand(struct request *request)
{
    struct akin_map_square square;
    struct picture_key key;
    struct collection *collection;
    if (read_square(request, &square, &key, &collection, NULL) != AKIN_OK)
        return false;
    struct picture *picture = picture_cache_find(request->server->pictures, &key);
    if (picture)
        reply_picture(request, picture, type_of(&key));
    return picture;
}

static akin_status draw(struct request *request, struct collection *collection,
                        const struct akin_map_square *square, bool png, struct akin_buffer *bytes,
                        akin_error *err)
{
    struct shared_overview *shared = NULL;
    akin_engine *engine = NULL;
    struct akin_raster raster = {0};
    akin_status status = get_overview(request, collection, &engine, &shared, err);
    if (status == AKIN_OK)
        status = akin_map_draw(engine, shared->overview, square, &raster, err);
    if (status == AKIN_OK)
        status =
            png ? akin_png_encode(&raster, bytes, err) : akin_jpeg_encode(&raster, 85, bytes, err);
    akin_raster_fini(&raster);
    overview_unref(shared);
    return status;
}

void handle_map_tile(struct request *request)
{
    akin_error err = {0};
    struct akin_map_square square;
    struct picture_key key;
    struct collection *collection;
    struct picture *picture = NULL;
    struct akin_buffer bytes;
    akin_buffer_init(&bytes, (size_t)16 << 20);
    akin_status status = read_square(request, &square, &key, &collection, &err);
    if (status == AKIN_OK)
        status = draw(request, collection, &square, key.kind == PICTURE_MAP_PNG, &bytes, &err);
    if (status == AKIN_OK)
        status = picture_cache_add(request->server->pictures, &key, &bytes, false, &picture, &err);
    akin_buffer_fini(&bytes);
    if (status == AKIN_OK)
        reply_picture(request, picture, type_of(&key));
    else
        reply_status(request, status, &err);
}
