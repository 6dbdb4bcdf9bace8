/*
 * Boxes, rings and distances on the globe. Longitudes are a circle: everything here works with
 * "how far east of the box's west edge", which is never negative, so that the antimeridian is a
 * meridian like any other. Latitudes are a line. A box that reaches a pole holds it for the
 * longitudes of the box only, as RFC 7946 boxes do on a flat map.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/geo.h"

#include <math.h>

#include "akin/core/text.h"

#define EARTH_RADIUS_M 6371008.8 /* mean of the WGS 84 ellipsoid (IUGG R1) */
#define RADIANS(deg) ((deg) * (M_PI / 180))
/* Widths this near to the whole circle are the whole circle: 0.1 mm, far above rounding. */
#define FULL_WIDTH_DEG (360 - 1e-9)
/* Edges nearer than 0.01 mm touch, whichever way around the globe they were computed. */
#define TOUCH_DEG 1e-10
/* A point this near to a pole (1 cm) has no longitude. */
#define POLE_LAT_DEG (90 - 1e-7)

struct akin_bbox akin_bbox_unknown(void)
{
    return (struct akin_bbox){NAN, NAN, NAN, NAN};
}

bool akin_bbox_known(struct akin_bbox box)
{
    return isfinite(box.west) && isfinite(box.south) && isfinite(box.east) && isfinite(box.north);
}

akin_status akin_bbox_parse(struct akin_bbox *out, const char *text, akin_error *err)
{
    static const char *const names[] = {"west", "south", "east", "north"};
    double v[4];
    akin_status status = akin_parse_doubles(v, 4, text, "bbox W,S,E,N", err);
    if (status != AKIN_OK)
        return status;
    for (int i = 0; i < 4; i++) {
        double most = i % 2 ? 90 : 180;
        if (fabs(v[i]) > most)
            return akin_error_set(err, AKIN_ERR_INVALID, "bbox W,S,E,N: %s %g is not in %g..%g",
                                  names[i], v[i], -most, most);
    }
    if (v[1] > v[3])
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "bbox W,S,E,N: south %g is above north %g (longitude comes first)",
                              v[1], v[3]);
    *out = (struct akin_bbox){v[0], v[1], v[2], v[3]};
    return AKIN_OK;
}

double akin_lon_wrap(double lon_deg)
{
    if (lon_deg >= -180 && lon_deg < 180)
        return lon_deg; /* exactly as it came */
    double turned = fmod(lon_deg + 180, 360);
    if (turned < 0)
        turned += 360;
    return turned >= 360 ? -180 : turned - 180; /* a tiny negative rounds up to 360; NaN stays */
}

/* How far `lon_deg` lies east of `from_deg`, 0 <= result < 360. */
static double eastward(double from_deg, double lon_deg)
{
    double way = fmod(lon_deg - from_deg, 360);
    if (way < 0)
        way += 360;
    return way >= 360 ? 0 : way;
}

double akin_bbox_width_deg(struct akin_bbox box)
{
    if (box.east < box.west)
        return eastward(box.west, box.east);
    return fmin(box.east - box.west, 360);
}

void akin_bbox_center(struct akin_bbox box, double *lon_deg, double *lat_deg)
{
    bool known = akin_bbox_known(box);
    *lon_deg = known ? akin_lon_wrap(box.west + akin_bbox_width_deg(box) / 2) : NAN;
    *lat_deg = known ? (box.south + box.north) / 2 : NAN;
}

/* Whether the circle's arc of `box` holds the meridian. */
static bool arc_holds(struct akin_bbox box, double lon_deg)
{
    double width = akin_bbox_width_deg(box);
    if (width >= FULL_WIDTH_DEG)
        return true;
    return eastward(box.west - TOUCH_DEG, lon_deg) <= width + 2 * TOUCH_DEG;
}

bool akin_bbox_intersects(struct akin_bbox a, struct akin_bbox b)
{
    if (!akin_bbox_known(a) || !akin_bbox_known(b))
        return false;
    if (a.south > b.north || b.south > a.north)
        return false;
    /* Two arcs meet if and only if one begins within the other. */
    return arc_holds(a, b.west) || arc_holds(b, a.west);
}

bool akin_bbox_contains(struct akin_bbox box, double lon_deg, double lat_deg)
{
    if (!akin_bbox_known(box) || !isfinite(lon_deg) || !isfinite(lat_deg))
        return false;
    return box.south <= lat_deg && lat_deg <= box.north && arc_holds(box, lon_deg);
}

/* How far east of a's west edge one must go to have covered both arcs. */
static double width_of_both(struct akin_bbox a, struct akin_bbox b)
{
    double to_b_end = eastward(a.west, b.west) + akin_bbox_width_deg(b);
    return fmax(akin_bbox_width_deg(a), to_b_end);
}

/* The arc from a's west edge over both; its edges are those given, not recomputed. */
static void set_arc(struct akin_bbox *out, struct akin_bbox a, struct akin_bbox b, double width)
{
    out->west = a.west;
    out->east = akin_bbox_width_deg(a) >= width ? a.east : b.east;
}

struct akin_bbox akin_bbox_union(struct akin_bbox a, struct akin_bbox b)
{
    if (!akin_bbox_known(a) || !akin_bbox_known(b))
        return akin_bbox_known(a) ? a : b;
    struct akin_bbox both = {-180, fmin(a.south, b.south), 180, fmax(a.north, b.north)};
    double from_a = width_of_both(a, b), from_b = width_of_both(b, a);
    if (fmin(from_a, from_b) >= FULL_WIDTH_DEG)
        return both;
    if (from_a <= from_b)
        set_arc(&both, a, b, from_a);
    else
        set_arc(&both, b, a, from_b);
    return both;
}

double akin_geo_distance_m(double lon1_deg, double lat1_deg, double lon2_deg, double lat2_deg)
{
    double lat1 = RADIANS(lat1_deg), lat2 = RADIANS(lat2_deg);
    double across = sin((lat2 - lat1) / 2), along = sin(RADIANS(lon2_deg - lon1_deg) / 2);
    double h = across * across + cos(lat1) * cos(lat2) * along * along;
    if (isnan(h))
        return NAN;
    return 2 * EARTH_RADIUS_M * asin(sqrt(fmin(h, 1))); /* rounding may exceed 1 at antipodes */
}

/* ---- the box of a ring ---- */

/* The walk along a ring. Longitudes are unrolled: u = lon + 360 * turns, continuous. */
struct walk {
    bool begun;
    double lon, lat; /* the last point */
    double turns;    /* whole turns added to longitudes */
    double min_u, max_u, start_u;
    double south, north;
    double lat_sum; /* its sign tells which pole a ring goes around */
};

/* Turns to add for the step from the last point to this one, so that it goes the shorter way: as
 * written up to 180 degrees, else through the antimeridian. A step of exactly 360 along one
 * parallel is a walk around it, as from the upper left to the upper right corner of a world map. */
static double turns_of_step(const struct walk *walk, double lon, double lat)
{
    double step = lon - walk->lon;
    if (fabs(step) <= 180 || (fabs(step) == 360 && lat == walk->lat))
        return 0;
    return -floor((step + 180) / 360);
}

static void walk_to(struct walk *walk, double lon, double lat)
{
    if (walk->begun)
        walk->turns += turns_of_step(walk, lon, lat);
    double u = lon + 360 * walk->turns;
    if (!walk->begun) {
        walk->min_u = walk->max_u = walk->start_u = u;
        walk->begun = true;
    }
    walk->min_u = fmin(walk->min_u, u);
    walk->max_u = fmax(walk->max_u, u);
    walk->lon = lon;
    walk->lat = lat;
}

struct ring {
    const double *lon, *lat;
    size_t n;
};

static bool is_point(const struct ring *ring, size_t i)
{
    return isfinite(ring->lon[i]) && isfinite(ring->lat[i]);
}

static bool is_pole(const struct ring *ring, size_t i)
{
    return fabs(ring->lat[i]) >= POLE_LAT_DEG;
}

/* A corner that is the pole itself has whatever longitude the projection made up: it is passed
 * over. A run of such points is the edge of a world map and is walked as written. */
static bool is_lone_pole(const struct ring *ring, size_t i)
{
    size_t before = (i + ring->n - 1) % ring->n, after = (i + 1) % ring->n;
    return ring->n > 1 && is_pole(ring, i) && !is_pole(ring, before) && !is_pole(ring, after);
}

static void walk_ring(struct walk *walk, const struct ring *ring)
{
    size_t first = ring->n;
    for (size_t i = 0; i < ring->n; i++) {
        if (!is_point(ring, i))
            continue;
        double lat = fmax(-90, fmin(90, ring->lat[i]));
        walk->south = fmin(walk->south, lat);
        walk->north = fmax(walk->north, lat);
        walk->lat_sum += lat;
        if (is_lone_pole(ring, i))
            continue;
        if (first == ring->n)
            first = i;
        walk_to(walk, ring->lon[i], ring->lat[i]);
    }
    if (first < ring->n)
        walk_to(walk, ring->lon[first], ring->lat[first]); /* close it */
}

struct akin_bbox akin_bbox_of_ring(const double *lon_deg, const double *lat_deg, size_t n)
{
    struct ring ring = {lon_deg, lat_deg, n};
    struct walk walk = {.south = 90, .north = -90};
    walk_ring(&walk, &ring);
    struct akin_bbox box = {-180, walk.south, 180, walk.north};
    if (walk.south > walk.north)
        return akin_bbox_unknown();
    if (!walk.begun)
        return box; /* nothing but a pole, which has every longitude */
    double wound = walk.lon + 360 * walk.turns - walk.start_u;
    if (fabs(wound) > 180) { /* once around: the pole is inside */
        if (walk.lat_sum >= 0)
            box.north = 90;
        else
            box.south = -90;
        return box;
    }
    if (walk.max_u - walk.min_u >= FULL_WIDTH_DEG)
        return box;
    box.west = akin_lon_wrap(walk.min_u);
    box.east = walk.max_u + (box.west - walk.min_u);
    if (box.east > 180)
        box.east -= 360;
    return box;
}
