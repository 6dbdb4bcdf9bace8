/*
 * Polygons on the map, to ask which tiles meet them.
 *
 *     akin_polygon *polygon;
 *     akin_polygon_parse(&polygon, text, size, "lake.geojson", &err);
 *     if (akin_polygon_meets(polygon, &columns)) ...
 *     akin_polygon_free(polygon);
 *
 * Edges are straight lines in longitude and latitude (RFC 7946, 3.1.1), coordinates whole numbers of
 * 1e-7 degrees, as those of tiles; the answers are exact for those. Touching counts. Immutable once
 * made: any number of threads may ask.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_POLYGON_H
#define AKIN_CORE_POLYGON_H

#include <stdbool.h>
#include <stddef.h>

#include "akin/core/columns.h"
#include "akin/core/geo.h"
#include "akin/core/status.h"

#pragma GCC visibility push(default)

#define AKIN_POLYGON_POINTS_MAX (1u << 20) /* of all rings */

typedef struct akin_polygon akin_polygon;

/* From GeoJSON (a Polygon or MultiPolygon; a Feature, a FeatureCollection or a GeometryCollection of
 * nothing else) or WKT (POLYGON, MULTIPOLYGON; Z and M are passed over). Longitude first, WGS 84.
 * A ring ends where it began; what lies inside an even number of a polygon's rings (a hole) is
 * outside. One that crosses the antimeridian is cut there in two, as RFC 7946 (3.1.9) has it, or
 * its longitudes run past 180: -360..360 are taken. `what` names the text in errors:
 * AKIN_ERR_INVALID says which polygon and ring. */
akin_status akin_polygon_parse(akin_polygon **out, const char *text, size_t bytes, const char *what,
                               akin_error *err);
void akin_polygon_free(akin_polygon *polygon); /* takes NULL */
/* The box around all of it, west > east where it crosses the antimeridian. */
struct akin_bbox akin_polygon_bbox(const akin_polygon *polygon);

/* Whether a tile's footprint and the polygon share a point; false for a tile without a place. A
 * footprint half the globe wide or more is its box. O(log edges + edges in the tile's latitudes) for
 * each of the polygons whose box the tile meets. */
bool akin_polygon_meets(const akin_polygon *polygon, const struct akin_columns *columns);
bool akin_polygon_meets_box(const akin_polygon *polygon, struct akin_bbox box);

#pragma GCC visibility pop

#endif
