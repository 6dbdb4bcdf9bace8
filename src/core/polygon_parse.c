/*
 * Polygons out of text: GeoJSON (RFC 7946) where it begins with a brace, else well-known text (OGC
 * 06-103r4, chapter 7). Each is walked once, and its points go to the builder.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <strings.h>

#include "akin/core/json.h"
#include "akin/core/text.h"
#include "polygon.h"

/* ---- GeoJSON ---- */

static akin_status json_ring(struct polygon_builder *builder, const akin_json *ring,
                             akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < akin_json_count(ring) && status == AKIN_OK; i++) {
        const akin_json *position = akin_json_at(ring, i);
        double lon, lat;
        if (!akin_json_is_array(position) || akin_json_count(position) < 2 ||
            !akin_json_number_value(&lon, akin_json_at(position, 0)) ||
            !akin_json_number_value(&lat, akin_json_at(position, 1)))
            return akin_error_set(
                err, AKIN_ERR_INVALID, "'%s': polygon %zu, ring %zu: point %zu is not [lon, lat]",
                builder->what, builder->part_count + 1, builder->rings + 1, i + 1);
        status = polygon_point(builder, lon, lat, err);
    }
    return status == AKIN_OK ? polygon_end_ring(builder, err) : status;
}

static akin_status json_rings(struct polygon_builder *builder, const akin_json *rings,
                              akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < akin_json_count(rings) && status == AKIN_OK; i++)
        status = json_ring(builder, akin_json_at(rings, i), err);
    return status == AKIN_OK ? polygon_end_part(builder, err) : status;
}

static akin_status json_object(struct polygon_builder *builder, const akin_json *object,
                               unsigned depth, akin_error *err);

/* Every element of the array under `key`. */
static akin_status json_members(struct polygon_builder *builder, const akin_json *object,
                                const char *key, unsigned depth, akin_error *err)
{
    const akin_json *array = akin_json_get(object, key);
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < akin_json_count(array) && status == AKIN_OK; i++)
        status = json_object(builder, akin_json_at(array, i), depth + 1, err);
    return status;
}

static akin_status json_polygons(struct polygon_builder *builder, const akin_json *polygons,
                                 akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < akin_json_count(polygons) && status == AKIN_OK; i++)
        status = json_rings(builder, akin_json_at(polygons, i), err);
    return status;
}

#define DEPTH_MAX 16 /* of collections within collections */

static akin_status json_object(struct polygon_builder *builder, const akin_json *object,
                               unsigned depth, akin_error *err)
{
    const char *type = akin_json_text_value(akin_json_get(object, "type"));
    const akin_json *coordinates = akin_json_get(object, "coordinates");
    if (type && depth < DEPTH_MAX) {
        if (!strcmp(type, "Polygon"))
            return json_rings(builder, coordinates, err);
        if (!strcmp(type, "MultiPolygon"))
            return json_polygons(builder, coordinates, err);
        if (!strcmp(type, "Feature"))
            return json_object(builder, akin_json_get(object, "geometry"), depth + 1, err);
        if (!strcmp(type, "FeatureCollection"))
            return json_members(builder, object, "features", depth, err);
        if (!strcmp(type, "GeometryCollection"))
            return json_members(builder, object, "geometries", depth, err);
    }
    return akin_error_set(err, AKIN_ERR_INVALID,
                          "'%s': Polygon, MultiPolygon, or Features and collections of those are "
                          "taken, not '%.40s'",
                          builder->what, type ? type : "an object without a type");
}

/* The "crs" of GeoJSON before RFC 7946: anything but degrees would be read as degrees. */
static akin_status json_crs(const akin_json *root, const char *what, akin_error *err)
{
    const akin_json *properties = akin_json_get(akin_json_get(root, "crs"), "properties");
    const char *name = akin_json_text_value(akin_json_get(properties, "name"));
    if (!name || strstr(name, "CRS84") || strstr(name, "4326"))
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                          "'%s' is in '%.60s': longitude and latitude are needed (ogr2ogr -t_srs "
                          "EPSG:4326)",
                          what, name);
}

static akin_status parse_json(struct polygon_builder *builder, const char *text, size_t bytes,
                              akin_error *err)
{
    akin_json *root = NULL;
    akin_status status = akin_json_parse(&root, text, bytes, builder->what, err);
    if (status == AKIN_OK)
        status = json_crs(root, builder->what, err);
    if (status == AKIN_OK)
        status = json_object(builder, root, 0, err);
    akin_json_free(root);
    return status;
}

/* ---- well-known text ---- */

struct wkt {
    const char *at, *end;
    struct polygon_builder *builder;
    akin_error *err;
};

#define BLANKS " \t\r\n"

static bool is_blank(char c)
{
    return c && strchr(BLANKS, c);
}

static void skip_blanks(struct wkt *wkt)
{
    while (wkt->at < wkt->end && is_blank(*wkt->at))
        wkt->at++;
}

/* Steps over `c` where it stands here. */
static bool take(struct wkt *wkt, char c)
{
    skip_blanks(wkt);
    if (wkt->at == wkt->end || *wkt->at != c)
        return false;
    wkt->at++;
    return true;
}

/* A run of characters that are none of blanks and "(),"; cut where it is longer than out holds. */
static size_t take_word(struct wkt *wkt, char *out, size_t size)
{
    size_t length = 0;
    skip_blanks(wkt);
    for (; wkt->at < wkt->end && !is_blank(*wkt->at) && *wkt->at && !strchr("(),", *wkt->at);
         wkt->at++)
        if (length + 1 < size)
            out[length++] = *wkt->at;
    out[length] = '\0';
    return length;
}

static akin_status expected(const struct wkt *wkt, const char *what)
{
    const size_t left = (size_t)(wkt->end - wkt->at);
    return akin_error_set(wkt->err, AKIN_ERR_INVALID, "'%s': %s expected before '%.*s'",
                          wkt->builder->what, what, (int)(left < 20 ? left : 20), wkt->at);
}

/* "x y", and z and m after it. */
static akin_status wkt_point(struct wkt *wkt)
{
    char word[64];
    double lon_lat[2], other;
    int count = 0;
    while (take_word(wkt, word, sizeof word)) {
        akin_status status = akin_parse_double(count < 2 ? &lon_lat[count] : &other, word, -1e300,
                                               1e300, wkt->builder->what, wkt->err);
        if (status != AKIN_OK)
            return status;
        count++;
    }
    if (count < 2 || count > 4)
        return expected(wkt, "a point 'lon lat'");
    return polygon_point(wkt->builder, lon_lat[0], lon_lat[1], wkt->err);
}

/* "(" item {"," item} ")", then `end`. */
static akin_status wkt_list(struct wkt *wkt, akin_status (*item)(struct wkt *),
                            akin_status (*end)(struct polygon_builder *, akin_error *))
{
    if (!take(wkt, '('))
        return expected(wkt, "'('");
    do {
        akin_status status = item(wkt);
        if (status != AKIN_OK)
            return status;
    } while (take(wkt, ','));
    if (!take(wkt, ')'))
        return expected(wkt, "',' or ')'");
    return end ? end(wkt->builder, wkt->err) : AKIN_OK;
}

static akin_status wkt_ring(struct wkt *wkt)
{
    return wkt_list(wkt, wkt_point, polygon_end_ring);
}

static akin_status wkt_polygon(struct wkt *wkt)
{
    return wkt_list(wkt, wkt_ring, polygon_end_part);
}

static akin_status parse_wkt(struct polygon_builder *builder, const char *text, size_t bytes,
                             akin_error *err)
{
    struct wkt wkt = {text, text + bytes, builder, err};
    char word[32];
    take_word(&wkt, word, sizeof word);
    if (!strncasecmp(word, "SRID=4326;", 10))
        memmove(word, word + 10, strlen(word) - 9);
    const bool many = !strcasecmp(word, "MULTIPOLYGON");
    if (!many && strcasecmp(word, "POLYGON") != 0)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' is neither GeoJSON nor POLYGON or MULTIPOLYGON in well-known "
                              "text",
                              builder->what);
    skip_blanks(&wkt);
    if (wkt.at < wkt.end && *wkt.at != '(')
        take_word(&wkt, word, sizeof word); /* Z, M, ZM; EMPTY is told as a missing '(' */
    akin_status status = many ? wkt_list(&wkt, wkt_polygon, NULL) : wkt_polygon(&wkt);
    skip_blanks(&wkt);
    if (status == AKIN_OK && wkt.at < wkt.end)
        return expected(&wkt, "the end");
    return status;
}

akin_status akin_polygon_parse(akin_polygon **out, const char *text, size_t bytes, const char *what,
                               akin_error *err)
{
    struct polygon_builder builder = {.what = what};
    size_t begin = 0;
    while (begin < bytes && is_blank(text[begin]))
        begin++;
    akin_status status = begin < bytes && text[begin] == '{'
                             ? parse_json(&builder, text, bytes, err)
                             : parse_wkt(&builder, text, bytes, err);
    if (status == AKIN_OK)
        status = polygon_finish(out, &builder, err);
    polygon_builder_fini(&builder);
    return status;
}
