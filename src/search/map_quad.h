/*
 * A tile's footprint as a quadrangle, and where in it a place lies.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_MAP_QUAD_H
#define AKIN_SEARCH_MAP_QUAD_H

#include "akin/core.h"

/* Corners in the order of struct akin_columns, in a plane: longitude and latitude where the footprint
 * is a box of these, else the gnomonic projection around its middle. */
struct map_quad {
    bool flat; /* longitude and latitude */
    double west;
    double east[3], north[3], up[3]; /* the plane's axes on the unit sphere, not flat */
    double x[4], y[4];
};
/* False where the footprint is unknown, or too wide for the projection (60 degrees). */
bool map_quad_init(struct map_quad *quad, const struct akin_columns *columns);
/* Where the place lies: u to the right and v downwards, 0..1; false where outside. */
bool map_quad_find(const struct map_quad *quad, double lon_deg, double lat_deg, double *u,
                   double *v);

#endif
