/*
 * Footprints: the four corners as a ring, cut in two at the antimeridian (RFC 7946, 3.1.9).
 *
 * The ring in one piece (akin_columns_ring) may run past 180 degrees. One half plane of the cut at 180 keeps what lies west of it, the other what lies east,
 * moved back by 360 (Sutherland and Hodgman 1974; exact for the convex rings that tiles are).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "geojson_rings.h"

#include <math.h>

static void push(struct geojson_ring *ring, double lon, double lat)
{
    if (ring->count == GEOJSON_POINTS_MAX)
        return;
    ring->lon[ring->count] = lon;
    ring->lat[ring->count++] = lat;
}

/* Twice the signed area; positive where it runs counter-clockwise. */
static double area_of(const struct geojson_ring *ring)
{
    double area = 0;
    for (size_t i = 0; i < ring->count; i++) {
        size_t j = (i + 1) % ring->count;
        area += ring->lon[i] * ring->lat[j] - ring->lon[j] * ring->lat[i];
    }
    return area;
}

static void turn_counter_clockwise(struct geojson_ring *ring)
{
    if (area_of(ring) >= 0)
        return;
    for (size_t i = 0, j = ring->count - 1; i < j; i++, j--) {
        double lon = ring->lon[i], lat = ring->lat[i];
        ring->lon[i] = ring->lon[j];
        ring->lat[i] = ring->lat[j];
        ring->lon[j] = lon;
        ring->lat[j] = lat;
    }
}

/* What of `ring` lies on one side of 180 degrees: side +1 the west, -1 the east. */
static void clip(struct geojson_ring *out, const struct geojson_ring *ring, double side)
{
    *out = (struct geojson_ring){0};
    for (size_t i = 0; i < ring->count; i++) {
        size_t j = (i + 1) % ring->count;
        double a = side * (180 - ring->lon[i]), b = side * (180 - ring->lon[j]);
        if (a >= 0)
            push(out, ring->lon[i], ring->lat[i]);
        if ((a > 0 && b < 0) || (a < 0 && b > 0))
            push(out, 180, ring->lat[i] + (ring->lat[j] - ring->lat[i]) * a / (a - b));
    }
    for (size_t i = 0; side < 0 && i < out->count; i++)
        out->lon[i] -= 360;
}

size_t geojson_rings_make(const struct akin_columns *columns, struct geojson_ring rings[2])
{
    struct geojson_ring whole = {0};
    int64_t lon_e7[4];
    int32_t lat_e7[4];
    if (!akin_columns_ring(lon_e7, lat_e7, columns))
        return 0;
    for (int i = 0; i < 4; i++)
        push(&whole, (double)lon_e7[i] / 1e7, lat_e7[i] / 1e7);
    turn_counter_clockwise(&whole);
    clip(&rings[0], &whole, 1);
    clip(&rings[1], &whole, -1);
    if (fabs(area_of(&rings[1])) > 0 && fabs(area_of(&rings[0])) > 0)
        return 2;
    if (fabs(area_of(&rings[0])) == 0)
        rings[0] = whole; /* a tile without extent */
    return 1;
}

bool geojson_ring_is_point(const struct geojson_ring *ring)
{
    for (size_t i = 1; i < ring->count; i++)
        if (ring->lon[i] != ring->lon[0] || ring->lat[i] != ring->lat[0])
            return false;
    return true;
}
