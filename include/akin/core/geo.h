/*
 * Places on the globe: longitude first, degrees, WGS 84. A box is west, south, east, north
 * (RFC 7946); west > east means that it crosses the antimeridian.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_GEO_H
#define AKIN_CORE_GEO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin/core/status.h"

#pragma GCC visibility push(default)

struct akin_bbox {
    double west, south, east, north;
};

struct akin_bbox akin_bbox_unknown(void); /* all NaN */
bool akin_bbox_known(struct akin_bbox box);
/* "W,S,E,N"; -180..180 and -90..90, south <= north. AKIN_ERR_INVALID says which number is wrong. */
akin_status akin_bbox_parse(struct akin_bbox *out, const char *text, akin_error *err);
/* Touching counts. Never true where either is unknown. Longitudes count at the poles too, as on a
 * flat map: two boxes that share nothing but the pole do not meet. */
bool akin_bbox_intersects(struct akin_bbox a, struct akin_bbox b);
bool akin_bbox_contains(struct akin_bbox box, double lon_deg, double lat_deg);
/* The smallest box around both, going the shorter way around the globe. */
struct akin_bbox akin_bbox_union(struct akin_bbox a, struct akin_bbox b);
/* Width in degrees, 0..360, and the centre, its longitude in [-180, 180). */
double akin_bbox_width_deg(struct akin_bbox box);
void akin_bbox_center(struct akin_bbox box, double *lon_deg, double *lat_deg);

/* Longitude into [-180, 180). 180 itself becomes -180. */
double akin_lon_wrap(double lon_deg);
/* Great-circle distance on the mean sphere (haversine, radius 6,371,008.8 m). */
double akin_geo_distance_m(double lon1_deg, double lat1_deg, double lon2_deg, double lat2_deg);

/* The box around a closed ring of n points walked in order (the last joins the first), each step
 * taken the shorter way in longitude. Give points along the edges, every few degrees or pixels: a
 * step of 180 degrees has no shorter way and is taken as written, and a step of exactly 360 along
 * one parallel is a walk around the globe. A lone point at a pole has no longitude. A ring that
 * winds once around a pole gives -180..180 and reaches that pole (the nearer one). n >= 1; NaN
 * points are left out; all NaN gives unknown. */
struct akin_bbox akin_bbox_of_ring(const double *lon_deg, const double *lat_deg, size_t n);

/* Position along a Hilbert curve of order 16 over lon x lat, 0..2^32-1: near places have near keys.
 * UINT32_MAX for NaN, and for nothing else. */
uint32_t akin_hilbert_key(double lon_deg, double lat_deg);
/* Keys first..last, both included. */
struct akin_hilbert_range {
    uint32_t first, last;
};
/* Ranges that hold the keys of all places in a box, into out[0..max), max >= 4: ascending, with gaps between
 * them. Returns how many: as many as `max` allows, because each more makes them hold fewer places outside.
 * A box with east at 180 holds the places at -180, which are the same ones. 0 for an unknown box. */
size_t akin_hilbert_cover(struct akin_hilbert_range *out, size_t max, struct akin_bbox box);

#pragma GCC visibility pop

#endif
