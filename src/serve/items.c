/*
 * One tile as a Feature, and the pages of a collection's tiles in the order of their keys.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "items.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "route.h"

#define ITEMS_MAX 10000
#define ITEMS_DEFAULT 20

#define ITEM_BYTES 1400 /* about, as text */

/* The links' constant parts: printing them for each item anew would take as long as the search. */
static void init_links(struct item_writer *writer, const char *query)
{
    const char *id = writer->collection->id, *base = writer->base;
    snprintf(writer->self, sizeof writer->self,
             ",\"links\":[{\"rel\":\"self\",\"type\":\"" TYPE_GEOJSON
             "\",\"href\":\"%s/collections/%s/items/",
             base, id);
    snprintf(writer->source, sizeof writer->source,
             "\"},{\"rel\":\"collection\",\"type\":\"" TYPE_JSON
             "\",\"href\":\"%s/collections/%s\"},{\"rel\":\"source\",\"type\":\"" TYPE_JSON
             "\",\"href\":\"%s/scenes/",
             base, id, base);
    snprintf(writer->source_end, sizeof writer->source_end, "%s\"}],\"assets\":{", query);
    snprintf(
        writer->thumbnail, sizeof writer->thumbnail,
        "\"thumbnail\":{\"type\":\"image/jpeg\",\"roles\":[\"thumbnail\"],\"href\":\"%s/tiles/",
        base);
    snprintf(writer->chip, sizeof writer->chip,
             ".jpg%s%ssize=256\"},\"chip\":{\"roles\":[\"data\"],\"href\":\"%s/chips/", query,
             query[0] ? "&" : "?", base);
    snprintf(writer->chip_end, sizeof writer->chip_end, "%s\"}", query);
}

void item_writer_init(struct item_writer *writer, struct json_out *out,
                      const struct request *request, const struct collection *collection,
                      akin_engine *engine, size_t items)
{
    char query[LINK_QUERY_MAX];
    writer->out = out;
    writer->engine = engine;
    writer->server = request->server;
    writer->collection = collection;
    writer->chips = collection->settings.chips;
    writer->time[0] = 0;
    link_base(request, writer->base);
    link_query(request->server, collection, query);
    init_links(writer, query);
    /* Growing bit by bit would copy all of it over and over; where it fails, so will the writing. */
    (void)akin_buffer_reserve(out->to, items * ITEM_BYTES, NULL);
}

/* The tiles of a scene, and often all of an answer, are of one time. */
static void write_times(struct item_writer *writer, struct akin_interval time)
{
    struct json_out *out = writer->out;
    if (writer->time[0] && time.begin_ms == writer->time_of.begin_ms &&
        time.end_ms == writer->time_of.end_ms) {
        put_raw(out, writer->time);
        return;
    }
    const size_t begin = out->to->size;
    put_times(out, time);
    const size_t size = out->status == AKIN_OK ? out->to->size - begin : 0;
    if (size < sizeof writer->time) {
        memcpy(writer->time, size ? out->to->data + begin : "", size);
        writer->time[size] = 0;
        writer->time_of = time;
    }
}

static void write_properties(struct json_out *out, struct item_writer *writer,
                             const struct akin_columns *columns, const struct akin_answer *answer,
                             size_t rank, const struct akin_scene *scene)
{
    put_raw(out, ",\"properties\":{\"scene\":");
    put_integer(out, scene->id);
    write_times(writer, akin_columns_interval(columns));
    if (answer) {
        put_raw(out, ",\"score\":");
        put_number(out, (double)answer->score, 6);
        put_raw(out, ",\"rank\":");
        put_integer(out, (int64_t)rank);
        if (answer->collapsed) {
            put_raw(out, ",\"collapsed\":");
            put_integer(out, answer->collapsed);
        }
    }
    put_raw(out, ",\"title\":");
    put_text(out, scene_title(scene));
    put_raw(out, ",\"label\":");
    put_text(out, scene->label);
    if (scene_uri_is_public(writer->server, scene)) {
        put_raw(out, ",\"uri\":");
        put_text(out, scene->uri);
    }
    put_raw(out, ",\"nodata\":");
    put_number(out, columns->nodata / 255.0, 3);
    put_raw(out, ",\"gap\":");
    put_number(out, columns->gap / 255.0, 3);
    put_raw(out, ",\"texture\":");
    put_number(out, columns->texture / 2.0, 1);
    put_raw(out, "}");
}

static void write_links(struct json_out *out, const struct item_writer *writer, const char *key,
                        uint32_t scene)
{
    put_raw(out, writer->self);
    put_raw(out, key);
    put_raw(out, writer->source);
    put_integer(out, scene);
    put_raw(out, writer->source_end);
    if (writer->chips) {
        put_raw(out, writer->thumbnail);
        put_raw(out, key);
        put_raw(out, writer->chip);
        put_raw(out, key);
        put_raw(out, writer->chip_end);
    }
    put_raw(out, "}");
}

static void key_text(char out[AKIN_TILE_KEY_TEXT_MAX], uint64_t key)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; i--, key >>= 4)
        out[i] = digits[key & 15];
    out[16] = 0;
}

akin_status item_write(struct item_writer *writer, const struct akin_columns *columns,
                       const struct akin_answer *answer, size_t rank, akin_error *err)
{
    struct json_out *out = writer->out;
    const struct akin_scene *scene;
    char key[AKIN_TILE_KEY_TEXT_MAX];
    akin_status status =
        akin_engine_scene(writer->engine, akin_tile_scene(columns->key), &scene, err);
    if (status != AKIN_OK)
        return status;
    key_text(key, columns->key);
    const struct akin_bbox box = akin_columns_bbox(columns);
    put_raw(out, "{\"type\":\"Feature\",\"stac_version\":\"1.0.0\",\"id\":\"");
    put_raw(out, key);
    put_raw(out, "\",\"collection\":");
    put_text(out, writer->collection->id);
    if (akin_bbox_known(box)) {
        put_raw(out, ",\"bbox\":");
        put_bbox(out, box);
    }
    put_raw(out, ",\"geometry\":");
    if (out->status == AKIN_OK)
        out->status = akin_footprint_geojson(columns, out->to, &out->err);
    write_properties(out, writer, columns, answer, rank, scene);
    write_links(out, writer, key, scene->id);
    put_raw(out, "}");
    if (out->status != AKIN_OK && err)
        *err = out->err;
    return out->status;
}

void items_begin(struct json_out *out)
{
    put_raw(out, "{\"type\":\"FeatureCollection\",\"features\":[");
}

void items_end(struct json_out *out, size_t returned)
{
    put_raw(out, "],\"numberReturned\":");
    put_integer(out, (int64_t)returned);
}

/* ---- the routes ---- */

void handle_item(struct request *request)
{
    akin_error err = {0};
    uint64_t key = 0;
    akin_engine *engine = NULL;
    struct akin_columns columns;
    struct json_out out;
    struct collection *collection = collections_find(request->server, request->parts[0], &err);
    akin_status status =
        collection ? request_key(request, request->parts[1], &key, &err) : AKIN_ERR_NOT_FOUND;
    if (status == AKIN_OK)
        status = worker_engine(request->worker, collection, NULL, &engine, &err);
    if (status == AKIN_OK)
        status = akin_index_get(akin_engine_index(engine), key, &columns, NULL, &err);
    if (status == AKIN_ERR_NOT_FOUND && collection && engine)
        akin_error_set(&err, status, "there is no tile %016" PRIx64 " in '%s'", key,
                       collection->id);
    put_init(&out, &request->reply.body);
    if (status == AKIN_OK) {
        struct item_writer writer;
        item_writer_init(&writer, &out, request, collection, engine, 1);
        status = item_write(&writer, &columns, NULL, 0, &err);
    }
    put_reply(request, &out, TYPE_GEOJSON, status, &err);
}

/* The next page: the same query with another `page`. */
static void write_next(struct json_out *out, const struct request *request, const char *base,
                       uint64_t next, int64_t limit)
{
    static const char *const kept[] = {"bbox", "datetime"};
    char text[64];
    struct akin_buffer query;
    akin_buffer_init(&query, 1 << 16);
    put_raw(out, ",{\"rel\":\"next\",\"type\":\"" TYPE_GEOJSON "\",\"href\":\"");
    put_inside(out, base);
    put_inside(out, request->path);
    snprintf(text, sizeof text, "?limit=%" PRId64 "&page=%016" PRIx64, limit, next);
    put_raw(out, text);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const char *value = request_parameter(request, kept[i]);
        akin_buffer_clear(&query);
        if (!value || akin_buffer_printf(&query, NULL, "&%s=", kept[i]) != AKIN_OK ||
            link_escape(&query, value, NULL) != AKIN_OK)
            continue;
        put_raw(out, query.data);
    }
    put_raw(out, "\"}");
    akin_buffer_fini(&query);
}

struct items_page {
    struct akin_filter filter;
    int64_t limit;
    uint64_t first;
};

static akin_status read_page(const struct request *request, struct items_page *page,
                             akin_error *err)
{
    const char *bbox = request_parameter(request, "bbox");
    const char *datetime = request_parameter(request, "datetime");
    const char *first = request_parameter(request, "page");
    akin_filter_init(&page->filter);
    page->first = 0;
    akin_status status =
        request_integer(request, "limit", 1, ITEMS_MAX, ITEMS_DEFAULT, &page->limit, err);
    if (status == AKIN_OK && bbox)
        status = akin_bbox_parse(&page->filter.bbox, bbox, err);
    if (status == AKIN_OK && datetime)
        status = akin_interval_parse(&page->filter.time, datetime, err);
    if (status == AKIN_OK && first)
        status = akin_tile_key_parse(&page->first, first, err);
    return status;
}

static akin_status write_page(struct request *request, struct json_out *out,
                              struct collection *collection, const struct items_page *page,
                              akin_error *err)
{
    akin_engine *engine = NULL;
    size_t count = 0;
    uint64_t next = 0;
    bool more = false;
    struct akin_columns *columns = akin_alloc((size_t)page->limit, sizeof *columns);
    if (!columns)
        return akin_error_memory(err, (size_t)page->limit * sizeof *columns, "a page of tiles");
    akin_status status = worker_engine(request->worker, collection, NULL, &engine, err);
    if (status == AKIN_OK)
        status = akin_index_page(akin_engine_index(engine), page->first, &page->filter, columns,
                                 (size_t)page->limit, &count, &next, &more, err);
    if (status == AKIN_OK) {
        struct item_writer writer;
        item_writer_init(&writer, out, request, collection, engine, count);
        items_begin(out);
        for (size_t i = 0; i < count && status == AKIN_OK; i++) {
            put_raw(out, i ? ",\n" : "\n");
            status = item_write(&writer, &columns[i], NULL, 0, err);
        }
        items_end(out, count);
        put_raw(out, ",\"links\":[");
        put_link(out, "root", TYPE_JSON, writer.base, "/");
        if (more)
            write_next(out, request, writer.base, next, page->limit);
        put_raw(out, "]}\n");
    }
    akin_free(columns);
    return status;
}

void handle_items(struct request *request)
{
    akin_error err = {0};
    struct items_page page;
    struct json_out out;
    struct collection *collection = collections_find(request->server, request->parts[0], &err);
    akin_status status = collection ? read_page(request, &page, &err) : AKIN_ERR_NOT_FOUND;
    put_init(&out, &request->reply.body);
    if (status == AKIN_OK)
        status = write_page(request, &out, collection, &page, &err);
    put_reply(request, &out, TYPE_GEOJSON, status, &err);
}
