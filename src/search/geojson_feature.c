/*
 * A tile's footprint and what is known of it, as RFC 7946 has it: cut at the antimeridian, a null
 * geometry where there is no place.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "geojson_feature.h"

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
    if (geojson_ring_is_point(&rings[0])) {
        akin_json_set(object, "type", akin_json_string("Point"));
        akin_json_set(object, "coordinates", position(rings[0].lon[0], rings[0].lat[0]));
        return object;
    }
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

void geojson_feature_describe(akin_json *properties, const struct akin_columns *columns,
                              const struct akin_scene *scene)
{
    akin_json_set(properties, "datetime", answers_json_datetime(akin_columns_interval(columns)));
    akin_json_set(properties, "uri", akin_json_string(scene->uri));
    akin_json_set(properties, "label", answers_json_text(scene->label));
}

akin_json *geojson_feature(uint64_t key, const struct akin_columns *columns, akin_json *properties)
{
    char text[AKIN_TILE_KEY_TEXT_MAX];
    const struct akin_bbox box = akin_columns_bbox(columns);
    akin_json *object = akin_json_object();
    akin_tile_key_format(text, key);
    akin_json_set(object, "type", akin_json_string("Feature"));
    akin_json_set(object, "id", akin_json_string(text));
    if (akin_bbox_known(box))
        akin_json_set(object, "bbox", answers_json_bbox(box));
    akin_json_set(object, "geometry", geometry(columns));
    akin_json_set(object, "properties", properties);
    return object;
}
