/*
 * Collections as STAC has them, with what a page needs to know before it asks anything. Extents come
 * from the scenes, of which there are thousands, not from the tiles.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "links.h"
#include "route.h"

struct extent {
    struct akin_bbox bbox;
    int64_t begin_ms, end_ms; /* over scenes with a time */
    bool timed;
};

static bool add_scene(void *user, const struct akin_scene *scene)
{
    struct extent *extent = user;
    if (akin_bbox_known(scene->bbox))
        extent->bbox = akin_bbox_known(extent->bbox) ? akin_bbox_union(extent->bbox, scene->bbox)
                                                     : scene->bbox;
    if (akin_interval_known(scene->time)) {
        if (!extent->timed || scene->time.begin_ms < extent->begin_ms)
            extent->begin_ms = scene->time.begin_ms;
        if (!extent->timed || scene->time.end_ms > extent->end_ms)
            extent->end_ms = scene->time.end_ms;
        extent->timed = true;
    }
    return true;
}

static void write_extent(struct json_out *out, const struct extent *extent)
{
    char begin[AKIN_INTERVAL_TEXT_MAX], end[AKIN_INTERVAL_TEXT_MAX];
    const struct akin_bbox world = {-180, -90, 180, 90};
    put_raw(out, ",\"extent\":{\"spatial\":{\"bbox\":[");
    put_bbox(out, akin_bbox_known(extent->bbox) ? extent->bbox : world);
    put_raw(out, "]},\"temporal\":{\"interval\":[[");
    if (extent->timed) {
        akin_time_format(begin, extent->begin_ms);
        akin_time_format(end, extent->end_ms);
    }
    put_text(out, extent->timed && extent->begin_ms != AKIN_TIME_MIN ? begin : NULL);
    put_raw(out, ",");
    put_text(out, extent->timed && extent->end_ms != AKIN_TIME_MAX ? end : NULL);
    put_raw(out, "]]}}");
}

/* Rows and vector length of an encoder's index; zeros where it has none. */
static struct akin_index_stats stats_of(const struct collection *collection, const char *model)
{
    char path[AKIN_PATH_MAX], name[AKIN_NAME_MAX + 8];
    akin_index *index = NULL;
    struct akin_index_stats stats = {0};
    snprintf(name, sizeof name, "index/%s", model);
    if (akin_path_join(path, collection->dir, name, NULL) == AKIN_OK &&
        akin_index_open(&index, path, AKIN_OPEN_READ, NULL, NULL) == AKIN_OK)
        akin_index_stats(index, &stats);
    akin_index_close(index);
    return stats;
}

static void write_model(struct json_out *out, const struct collection *collection, const char *name,
                        akin_engine *engine)
{
    const bool current = engine && !strcmp(akin_engine_model(engine)->name, name);
    struct akin_index_stats stats;
    if (current)
        akin_index_stats(akin_engine_index(engine), &stats);
    else
        stats = stats_of(collection, name);
    put_raw(out, "{\"name\":");
    put_text(out, name);
    if (current) {
        put_raw(out, ",\"kind\":");
        put_text(out, akin_engine_model(engine)->kind);
    }
    put_raw(out, ",\"dim\":");
    put_integer(out, stats.dim);
    put_raw(out, ",\"tiles\":");
    put_integer(out, (int64_t)stats.rows);
    put_raw(out, current ? ",\"default\":true}" : ",\"default\":false}");
}

static akin_status write_models(struct json_out *out, const struct collection *collection,
                                akin_engine *engine, akin_error *err)
{
    char **names = NULL;
    size_t count = 0;
    akin_status status = akin_model_list(&names, &count, collection->dir, err);
    if (status != AKIN_OK)
        return status;
    put_raw(out, ",\"models\":[");
    for (size_t i = 0; i < count; i++) {
        put_raw(out, i ? "," : "");
        write_model(out, collection, names[i], engine);
    }
    put_raw(out, "]");
    akin_names_free(names, count);
    return AKIN_OK;
}

static akin_status write_facts(struct json_out *out, const struct collection *collection,
                               akin_engine *engine, const struct extent *extent,
                               const struct akin_catalog_counts *counts, akin_error *err)
{
    const struct akin_settings *settings = &collection->settings;
    put_raw(out, ",\"akin\":{\"tiles\":");
    put_integer(out, (int64_t)counts->tiles_kept);
    put_raw(out, ",\"scenes\":");
    put_integer(out, (int64_t)counts->scenes[AKIN_SCENE_EMBEDDED]);
    put_raw(out, akin_bbox_known(extent->bbox) ? ",\"placed\":true" : ",\"placed\":false");
    put_raw(out, extent->timed ? ",\"timed\":true" : ",\"timed\":false");
    put_raw(out, settings->chips ? ",\"chips\":true" : ",\"chips\":false");
    put_raw(out, ",\"tile_px\":");
    put_integer(out, settings->tile_px);
    put_raw(out, ",\"bands\":");
    put_integer(out, engine ? (int64_t)akin_engine_model(engine)->bands : settings->bands);
    put_raw(out, ",\"model\":");
    put_text(out, engine ? akin_engine_model(engine)->name : NULL);
    akin_status status = write_models(out, collection, engine, err);
    put_raw(out, "}");
    return status;
}

static akin_status write_collection(struct request *request, struct json_out *out,
                                    struct collection *collection, akin_error *err)
{
    akin_catalog *catalog = NULL;
    akin_engine *engine = NULL; /* NULL: no tiles yet */
    struct akin_catalog_counts counts;
    struct extent extent = {.bbox = akin_bbox_unknown()};
    char base[LINK_BASE_MAX], path[AKIN_NAME_MAX + 32];
    akin_status status = worker_catalog(request->worker, collection, &catalog, err);
    if (status == AKIN_OK)
        status = akin_catalog_count(catalog, &counts, err);
    if (status == AKIN_OK)
        status =
            akin_catalog_scenes(catalog, 1u << AKIN_SCENE_EMBEDDED, 0, add_scene, &extent, err);
    if (status != AKIN_OK)
        return status;
    if (worker_engine(request->worker, collection, NULL, &engine, NULL) != AKIN_OK)
        engine = NULL;
    link_base(request, base);
    put_raw(out,
            "{\"type\":\"Collection\",\"stac_version\":\"1.0.0\",\"stac_extensions\":[],\"id\":");
    put_text(out, collection->id);
    put_raw(out, ",\"title\":");
    put_text(out, collection->id);
    put_raw(out, ",\"description\":\"Tiles of imagery, searchable by likeness\",\"license\":"
                 "\"proprietary\"");
    write_extent(out, &extent);
    put_raw(out, ",\"links\":[");
    snprintf(path, sizeof path, "/collections/%s", collection->id);
    put_link(out, "self", TYPE_JSON, base, path);
    put_raw(out, ",");
    put_link(out, "root", TYPE_JSON, base, "/");
    put_raw(out, ",");
    put_link(out, "parent", TYPE_JSON, base, "/");
    put_raw(out, ",");
    snprintf(path, sizeof path, "/collections/%s/items", collection->id);
    put_link(out, "items", TYPE_GEOJSON, base, path);
    put_raw(out, "]");
    status = write_facts(out, collection, engine, &extent, &counts, err);
    put_raw(out, "}");
    return status;
}

void handle_collection(struct request *request)
{
    akin_error err = {0};
    struct json_out out;
    struct collection *collection = collections_find(request->server, request->parts[0], &err);
    put_init(&out, &request->reply.body);
    put_reply(request, &out, TYPE_JSON,
              collection ? write_collection(request, &out, collection, &err) : AKIN_ERR_NOT_FOUND,
              &err);
}

void handle_collections(struct request *request)
{
    akin_error err = {0};
    struct json_out out;
    char base[LINK_BASE_MAX];
    akin_status status = AKIN_OK;
    link_base(request, base);
    put_init(&out, &request->reply.body);
    put_raw(&out, "{\"collections\":[");
    for (size_t i = 0; i < request->server->collection_count && status == AKIN_OK; i++) {
        put_raw(&out, i ? "," : "");
        status = write_collection(request, &out, &request->server->collections[i], &err);
    }
    put_raw(&out, "],\"links\":[");
    put_link(&out, "self", TYPE_JSON, base, "/collections");
    put_raw(&out, ",");
    put_link(&out, "root", TYPE_JSON, base, "/");
    put_raw(&out, "]}");
    put_reply(request, &out, TYPE_JSON, status, &err);
}
