/*
 * GeoJSON: a Feature a mark. CSV (RFC 4180): a line a mark. COCO (object detection): an image a scene,
 * an annotation a mark, whose box is the tile's window in the image's own pixels.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "marks_export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "akin/tile.h"
#include "links.h"

struct exporting {
    struct json_out *out;
    const struct collection *collection;
    akin_engine *engine;
    akin_status status;
    akin_error *err;
    size_t count;
    uint32_t scene; /* COCO: the last image that was written */
};

typedef void export_fn(struct exporting *exporting, const struct akin_mark *mark,
                       const struct akin_columns *columns, const struct akin_scene *scene);

struct visit {
    struct exporting *exporting;
    export_fn *fn;
};

static bool visit_mark(void *user, const struct akin_mark *mark)
{
    const struct visit *visit = user;
    struct exporting *exporting = visit->exporting;
    struct akin_columns columns;
    const struct akin_scene *scene;
    if (akin_index_get(akin_engine_index(exporting->engine), mark->key, &columns, NULL, NULL) !=
        AKIN_OK)
        return true;
    exporting->status =
        akin_engine_scene(exporting->engine, akin_tile_scene(mark->key), &scene, exporting->err);
    if (exporting->status == AKIN_OK)
        visit->fn(exporting, mark, &columns, scene);
    return exporting->status == AKIN_OK;
}

static akin_status visit_all(struct exporting *exporting, akin_catalog *catalog, const char *set,
                             export_fn *fn)
{
    struct visit visit = {exporting, fn};
    exporting->count = 0;
    akin_status status = akin_catalog_marks(catalog, set, visit_mark, &visit, exporting->err);
    return status == AKIN_OK ? exporting->status : status;
}

/* ---- GeoJSON ---- */

static void put_feature(struct exporting *exporting, const struct akin_mark *mark,
                        const struct akin_columns *columns, const struct akin_scene *scene)
{
    struct json_out *out = exporting->out;
    char text[AKIN_INTERVAL_TEXT_MAX];
    akin_tile_key_format(text, mark->key);
    put_raw(out, exporting->count++ ? ",\n" : "\n");
    put_raw(out, "{\"type\":\"Feature\",\"id\":\"");
    put_raw(out, text);
    put_raw(out, "\",\"geometry\":");
    if (out->status == AKIN_OK)
        out->status = akin_footprint_geojson(columns, out->to, &out->err);
    put_raw(out, ",\"properties\":{\"mark\":\"");
    put_raw(out, akin_mark_name(mark->kind));
    put_raw(out, "\",\"by\":");
    put_text(out, mark->by);
    akin_time_format(text, mark->at_ms);
    put_raw(out, ",\"at\":\"");
    put_raw(out, text);
    put_raw(out, "\"");
    put_times(out, akin_columns_interval(columns));
    put_raw(out, ",\"title\":");
    put_text(out, scene_title(scene));
    put_raw(out, "}}");
}

/* ---- CSV ---- */

/* A quoted field; one that a spreadsheet would take for a formula gets an apostrophe. */
static void put_field(struct json_out *out, const char *text)
{
    put_raw(out, strchr("=+-@", text[0]) && text[0] ? "\"'" : "\"");
    while (*text) {
        char run[256];
        const size_t length = strcspn(text, "\"");
        snprintf(run, sizeof run, "%.*s", (int)(length < 255 ? length : 255), text);
        put_raw(out, run);
        text += length < 255 ? length : 255;
        if (*text == '"') {
            put_raw(out, "\"\"");
            text++;
        }
    }
    put_raw(out, "\"");
}

static void put_row(struct exporting *exporting, const struct akin_mark *mark,
                    const struct akin_columns *columns, const struct akin_scene *scene)
{
    struct json_out *out = exporting->out;
    const struct akin_bbox box = akin_columns_bbox(columns);
    char key[AKIN_TILE_KEY_TEXT_MAX], at[AKIN_INTERVAL_TEXT_MAX], time[AKIN_INTERVAL_TEXT_MAX];
    akin_tile_key_format(key, mark->key);
    akin_time_format(at, mark->at_ms);
    akin_interval_format(time, akin_columns_interval(columns));
    put_raw(out, key);
    put_raw(out, ",");
    put_raw(out, akin_mark_name(mark->kind));
    put_raw(out, ",");
    put_field(out, mark->by);
    put_raw(out, ",");
    put_raw(out, at);
    put_raw(out, ",");
    if (akin_bbox_known(box)) {
        double lon, lat;
        akin_bbox_center(box, &lon, &lat);
        put_number(out, lon, 7);
        put_raw(out, ",");
        put_number(out, lat, 7);
    } else {
        put_raw(out, ",");
    }
    put_raw(out, ",");
    put_raw(out, time);
    put_raw(out, ",");
    put_field(out, scene_title(scene));
    put_raw(out, "\r\n");
}

/* ---- COCO ---- */

static struct akin_window window_of(const struct exporting *exporting,
                                    const struct akin_columns *columns,
                                    const struct akin_scene *scene)
{
    struct akin_grid grid;
    const struct akin_window whole = {0, 0, scene->width, scene->height};
    if (akin_grid_init(&grid, &exporting->collection->settings, scene->width, scene->height,
                       akin_bbox_known(scene->bbox), NULL) != AKIN_OK ||
        akin_tile_row(columns->key) >= grid.rows || akin_tile_col(columns->key) >= grid.cols)
        return whole;
    return akin_grid_window(&grid, akin_tile_row(columns->key), akin_tile_col(columns->key));
}

/* Marks come by key, so that a scene's follow each other. */
static void put_image(struct exporting *exporting, const struct akin_mark *mark,
                      const struct akin_columns *columns, const struct akin_scene *scene)
{
    struct json_out *out = exporting->out;
    char text[128];
    (void)mark;
    (void)columns;
    if (exporting->count && exporting->scene == scene->id)
        return;
    exporting->scene = scene->id;
    snprintf(text, sizeof text, "{\"id\":%" PRIu32 ",\"width\":%" PRIu32 ",\"height\":%" PRIu32,
             scene->id, scene->width, scene->height);
    put_raw(out, exporting->count++ ? ",\n" : "\n");
    put_raw(out, text);
    put_raw(out, ",\"file_name\":");
    put_text(out, scene_title(scene));
    put_raw(out, "}");
}

static void put_annotation(struct exporting *exporting, const struct akin_mark *mark,
                           const struct akin_columns *columns, const struct akin_scene *scene)
{
    struct json_out *out = exporting->out;
    const struct akin_window window = window_of(exporting, columns, scene);
    char text[256], key[AKIN_TILE_KEY_TEXT_MAX];
    akin_tile_key_format(key, mark->key);
    put_raw(out, exporting->count++ ? ",\n" : "\n");
    snprintf(text, sizeof text,
             "{\"id\":%zu,\"image_id\":%" PRIu32 ",\"category_id\":%d,\"bbox\":[%" PRIu32
             ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 "],\"area\":%" PRIu64
             ",\"iscrowd\":0,\"tile\":\"%s\",\"by\":",
             exporting->count, scene->id, (int)mark->kind, window.x, window.y, window.width,
             window.height, (uint64_t)window.width * window.height, key);
    put_raw(out, text);
    put_text(out, mark->by);
    put_raw(out, "}");
}

static akin_status export_coco(struct exporting *exporting, akin_catalog *catalog, const char *set)
{
    struct json_out *out = exporting->out;
    put_raw(out, "{\"info\":{\"description\":");
    put_text(out, set);
    put_raw(out, "},\"categories\":[{\"id\":1,\"name\":\"like\"},{\"id\":2,\"name\":\"unlike\"},"
                 "{\"id\":3,\"name\":\"unsure\"}],\"images\":[");
    akin_status status = visit_all(exporting, catalog, set, put_image);
    put_raw(out, "],\"annotations\":[");
    if (status == AKIN_OK)
        status = visit_all(exporting, catalog, set, put_annotation);
    put_raw(out, "]}\n");
    return status;
}

akin_status marks_export(struct request *request, struct json_out *out,
                         struct collection *collection, const char *format, const char **type,
                         akin_error *err)
{
    struct exporting exporting = {.out = out, .collection = collection, .err = err};
    akin_catalog *catalog = NULL;
    const char *set = request->parts[0];
    akin_status status = worker_engine(request->worker, collection, NULL, &exporting.engine, err);
    if (status == AKIN_OK)
        status = worker_catalog(request->worker, collection, &catalog, err);
    if (status != AKIN_OK)
        return status;
    if (!strcmp(format, "coco"))
        return export_coco(&exporting, catalog, set);
    if (!strcmp(format, "geojson")) {
        *type = TYPE_GEOJSON;
        put_raw(out, "{\"type\":\"FeatureCollection\",\"features\":[");
        status = visit_all(&exporting, catalog, set, put_feature);
        put_raw(out, "]}\n");
        return status;
    }
    if (!strcmp(format, "csv")) {
        *type = "text/csv; charset=utf-8";
        put_raw(out, "tile,mark,by,at,lon,lat,datetime,title\r\n");
        return visit_all(&exporting, catalog, set, put_row);
    }
    return akin_error_set(err, AKIN_ERR_INVALID,
                          "format is json, geojson, csv or coco, not '%.40s'", format);
}
