/*
 * Answers for maps: one GeoJSON FeatureCollection (RFC 7946), a feature a line. Each feature is
 * written out before the next is made, so that 100,000 answers need the memory of their text alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/search.h"
#include "answers_json.h"
#include "geojson_rings.h"

static akin_json *position(double lon, double lat)
{
    akin_json *pair = akin_json_array();
    akin_json_append(pair, answers_json_degrees(lon));
    akin_json_append(pair, answers_json_degrees(lat));
    return pair;
}

/* A polygon's coordinates: one closed ring. */
static akin_json *polygon(const struct geojson_ring *ring)
{
    akin_json *points = akin_json_array();
    for (size_t i = 0; i <= ring->count; i++)
        akin_json_append(points, position(ring->lon[i % ring->count], ring->lat[i % ring->count]));
    akin_json *rings = akin_json_array();
    akin_json_append(rings, points);
    return rings;
}

static akin_json *geometry(const struct akin_columns *columns)
{
    struct geojson_ring rings[2];
    const size_t count = geojson_rings_make(columns, rings);
    if (!count)
        return akin_json_null();
    akin_json *object = akin_json_object();
    akin_json_set(object, "type", akin_json_string(count == 1 ? "Polygon" : "MultiPolygon"));
    if (count == 1) {
        akin_json_set(object, "coordinates", polygon(&rings[0]));
        return object;
    }
    akin_json *polygons = akin_json_array();
    for (size_t i = 0; i < count; i++)
        akin_json_append(polygons, polygon(&rings[i]));
    akin_json_set(object, "coordinates", polygons);
    return object;
}

static akin_json *feature(const struct akin_answer *answer, size_t rank,
                          const struct akin_scene *scene)
{
    char key[AKIN_TILE_KEY_TEXT_MAX];
    akin_tile_key_format(key, answer->key);
    const struct akin_bbox box = akin_columns_bbox(&answer->columns);
    akin_json *object = akin_json_object();
    akin_json_set(object, "type", akin_json_string("Feature"));
    akin_json_set(object, "id", akin_json_string(key));
    if (akin_bbox_known(box))
        akin_json_set(object, "bbox", answers_json_bbox(box));
    akin_json_set(object, "geometry", geometry(&answer->columns));
    akin_json *properties = akin_json_object();
    akin_json_set(properties, "score", answers_json_score(answer->score));
    akin_json_set(properties, "rank", akin_json_integer((int64_t)rank));
    akin_json_set(properties, "datetime",
                  answers_json_datetime(akin_columns_interval(&answer->columns)));
    akin_json_set(properties, "uri", akin_json_string(scene->uri));
    akin_json_set(properties, "label", answers_json_text(scene->label));
    if (answer->collapsed)
        akin_json_set(properties, "collapsed", akin_json_integer(answer->collapsed));
    akin_json_set(object, "properties", properties);
    return object;
}

akin_status akin_answers_geojson(akin_engine *engine, const struct akin_answers *answers,
                                 struct akin_buffer *out, akin_error *err)
{
    if (!engine || !answers || !out)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine or answers given");
    akin_status status =
        akin_buffer_printf(out, err, "{\"type\":\"FeatureCollection\",\"features\":[");
    for (size_t i = 0; status == AKIN_OK && i < answers->count; i++) {
        const struct akin_scene *scene;
        status = akin_engine_scene(engine, answers->answers[i].scene, &scene, err);
        if (status == AKIN_OK)
            status = akin_buffer_printf(out, err, i ? ",\n" : "\n");
        if (status != AKIN_OK)
            break;
        akin_json *object = feature(&answers->answers[i], i + 1, scene);
        status = akin_json_text(object, false, out, err);
        akin_json_free(object);
    }
    return status == AKIN_OK ? akin_buffer_printf(out, err, "\n]}\n") : status;
}
