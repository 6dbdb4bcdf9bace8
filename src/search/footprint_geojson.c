/*
 * A footprint as GeoJSON text, written by hand: for servers, whose answers are many of these. What it says
 * is what geojson_feature.c says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "akin/search.h"
#include "geojson_rings.h"

/* A coordinate as text, 7 decimals at most: faster than printf, and of an answer of many
 * tiles most numbers are these. Returns its end. */
static char *write_degrees(char *to, double degrees)
{
    int64_t e7 = llround(degrees * 1e7);
    char digits[24];
    int count = 0;
    if (e7 < 0)
        *to++ = '-';
    uint64_t rest = e7 < 0 ? (uint64_t)-e7 : (uint64_t)e7;
    for (; count < 8 || rest; rest /= 10)
        digits[count++] = (char)('0' + rest % 10);
    while (count > 7)
        *to++ = digits[--count];
    int last = 0;
    while (last < 7 && digits[last] == '0')
        last++;
    if (last < 7)
        *to++ = '.';
    while (count > last)
        *to++ = digits[--count];
    return to;
}

#define POSITION_TEXT_MAX 32

static char *write_position(char *to, double lon, double lat)
{
    *to++ = '[';
    to = write_degrees(to, lon);
    *to++ = ',';
    to = write_degrees(to, lat);
    *to++ = ']';
    return to;
}

/* A polygon's coordinates: one closed ring. */
static char *write_polygon(char *to, const struct geojson_ring *ring)
{
    *to++ = '[';
    for (size_t i = 0; i <= ring->count; i++) {
        *to++ = i ? ',' : '[';
        to = write_position(to, ring->lon[i % ring->count], ring->lat[i % ring->count]);
    }
    *to++ = ']';
    *to++ = ']';
    return to;
}

akin_status akin_footprint_geojson(const struct akin_columns *columns, struct akin_buffer *out,
                                   akin_error *err)
{
    static const char point[] = "{\"type\":\"Point\",\"coordinates\":";
    static const char one[] = "{\"type\":\"Polygon\",\"coordinates\":";
    static const char more[] = "{\"type\":\"MultiPolygon\",\"coordinates\":[";
    char text[sizeof more + 2 * (GEOJSON_POINTS_MAX + 2) * POSITION_TEXT_MAX];
    struct geojson_ring rings[2];
    const size_t count = geojson_rings_make(columns, rings);
    if (!count)
        return akin_buffer_append(out, "null", 4, err);
    if (geojson_ring_is_point(&rings[0])) {
        memcpy(text, point, sizeof point - 1);
        char *to = write_position(text + sizeof point - 1, rings[0].lon[0], rings[0].lat[0]);
        *to++ = '}';
        return akin_buffer_append(out, text, (size_t)(to - text), err);
    }
    const size_t head = count == 1 ? sizeof one - 1 : sizeof more - 1;
    memcpy(text, count == 1 ? one : more, head);
    char *to = write_polygon(text + head, &rings[0]);
    if (count > 1) {
        *to++ = ',';
        to = write_polygon(to, &rings[1]);
        *to++ = ']';
    }
    *to++ = '}';
    return akin_buffer_append(out, text, (size_t)(to - text), err);
}
