/*
 * Footprints: the four corners as a ring, cut in two at the antimeridian (RFC 7946, 3.1.9).
 *
 * The corners are walked the shorter way in longitude, so that the ring is whole somewhere in
 * -540..540. One half plane of the cut at 180 keeps what lies west of it, the other what lies east,
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

static void ring_of_box(struct geojson_ring *ring, double west, double south, double east,
                        double north)
{
    *ring = (struct geojson_ring){0};
    push(ring, west, south);
    push(ring, east, south);
    push(ring, east, north);
    push(ring, west, north);
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

/* The corners in one piece, its west end in -180..180; false where a corner is unknown. */
static bool ring_of_corners(struct geojson_ring *ring, const struct akin_columns *columns)
{
    *ring = (struct geojson_ring){0};
    double west = INFINITY;
    for (int i = 0; i < 4; i++) {
        if (columns->corner_e7[2 * i] == AKIN_E7_UNKNOWN)
            return false;
        double lon = columns->corner_e7[2 * i] * 1e-7;
        if (i)
            lon = ring->lon[i - 1] + akin_lon_wrap(lon - ring->lon[i - 1]);
        push(ring, lon, columns->corner_e7[2 * i + 1] * 1e-7);
        west = fmin(west, lon);
    }
    const double shift = west < -180 ? 360 : west >= 180 ? -360 : 0;
    for (size_t i = 0; i < ring->count; i++)
        ring->lon[i] += shift;
    return true;
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

static size_t rings_of_box(struct akin_bbox box, struct geojson_ring rings[2])
{
    if (box.west <= box.east) {
        ring_of_box(&rings[0], box.west, box.south, box.east, box.north);
        return 1;
    }
    ring_of_box(&rings[0], box.west, box.south, 180, box.north);
    ring_of_box(&rings[1], -180, box.south, box.east, box.north);
    return 2;
}

size_t geojson_rings_make(const struct akin_columns *columns, struct geojson_ring rings[2])
{
    const struct akin_bbox box = akin_columns_bbox(columns);
    struct geojson_ring whole;
    if (!akin_bbox_known(box))
        return 0;
    /* From half the globe on, the shorter way from corner to corner is not the tile's. */
    if (akin_bbox_width_deg(box) >= 180 || !ring_of_corners(&whole, columns))
        return rings_of_box(box, rings);
    turn_counter_clockwise(&whole);
    clip(&rings[0], &whole, 1);
    clip(&rings[1], &whole, -1);
    if (fabs(area_of(&rings[1])) > 0 && fabs(area_of(&rings[0])) > 0)
        return 2;
    if (fabs(area_of(&rings[0])) > 0)
        return 1;
    return rings_of_box(box, rings); /* a tile without extent */
}
