/*
 * A tile's footprint as RFC 7946 wants it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_GEOJSON_RINGS_H
#define AKIN_SEARCH_GEOJSON_RINGS_H

#include <stdbool.h>

#include "akin/core.h"

/* Four corners cut by a line have at most eight. */
#define GEOJSON_POINTS_MAX 8
struct geojson_ring {
    double lon[GEOJSON_POINTS_MAX], lat[GEOJSON_POINTS_MAX];
    size_t count; /* not closed: the last point joins the first */
};
/* 0 rings without a place, 2 where the tile crosses the antimeridian. Counter-clockwise, longitudes
 * in -180..180. A tile that holds a pole or spans the globe is its box. */
size_t geojson_rings_make(const struct akin_columns *columns, struct geojson_ring rings[2]);
/* All its points are one, as imported vectors may have it. */
bool geojson_ring_is_point(const struct geojson_ring *ring);

#endif
