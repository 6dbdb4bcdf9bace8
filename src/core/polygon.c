/*
 * Whether a footprint meets a polygon. Two closed shapes share a point if and only if an edge of
 * one meets an edge of the other, or one lies wholly inside the other; so: does any edge of the
 * polygon meet the footprint (cross or touch its border, or begin in it), else is a corner of the
 * footprint inside the polygon. Only edges whose latitudes the footprint shares can have a say in
 * either; a tree over the edges' latitudes finds them.
 *
 * Whole numbers throughout (Shewchuk's orientation test needs no care then): products of two
 * differences of 1e-7 degrees take 65 bits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "polygon.h"

#include <math.h>

#include "akin/core/memory.h"

#define CIRCLE_E7 ((int64_t)3600000000)
#define CORNERS 4

struct point {
    int64_t x, y;
};

/* A footprint: its corners in order, and the box around them. */
struct quad {
    struct point corner[CORNERS];
    int64_t west, east, south, north;
};

/* Which side of the line from a to b point c lies on: 1 left, -1 right, 0 on it. */
static int side_of(struct point a, struct point b, struct point c)
{
    const __int128 cross =
        (__int128)(b.x - a.x) * (c.y - a.y) - (__int128)(b.y - a.y) * (c.x - a.x);
    return (cross > 0) - (cross < 0);
}

static bool spans_meet(int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t low1 = a < b ? a : b, high1 = a < b ? b : a;
    const int64_t low2 = c < d ? c : d, high2 = c < d ? d : c;
    return low1 <= high2 && low2 <= high1;
}

/* Touching, overlapping and lines of no length count. */
static bool lines_meet(struct point a, struct point b, struct point c, struct point d)
{
    return spans_meet(a.x, b.x, c.x, d.x) && spans_meet(a.y, b.y, c.y, d.y) &&
           side_of(a, b, c) * side_of(a, b, d) <= 0 && side_of(c, d, a) * side_of(c, d, b) <= 0;
}

/* Whether going west from `point` crosses the line; a line's lower end is a part of it, the upper
 * one is not, so that a corner between two lines counts once. */
static bool crosses(struct point low, struct point high, struct point point)
{
    return low.y <= point.y && point.y < high.y && side_of(low, high, point) < 0;
}

static bool quad_holds(const struct quad *quad, struct point point)
{
    bool inside = false;
    for (int i = 0; i < CORNERS; i++) {
        struct point a = quad->corner[i], b = quad->corner[(i + 1) % CORNERS];
        inside ^= a.y <= b.y ? crosses(a, b, point) : crosses(b, a, point);
    }
    return inside;
}

static bool line_meets_quad(struct point a, struct point b, const struct quad *quad)
{
    if (!spans_meet(a.x, b.x, quad->west, quad->east) ||
        !spans_meet(a.y, b.y, quad->south, quad->north))
        return false;
    for (int i = 0; i < CORNERS; i++)
        if (lines_meet(a, b, quad->corner[i], quad->corner[(i + 1) % CORNERS]))
            return true;
    return quad_holds(quad, a);
}

/* ---- edges by latitude ---- */

/* One question to the edges of a part. */
struct visit {
    const struct quad *quad; /* NULL where only `point` is asked for */
    struct point point;
    int64_t south, north; /* edges within these are asked */
    bool meets;           /* one meets the quad: no need to go on */
    bool inside;          /* an odd number of edges lies west of the point */
};

static void ask_edge(struct visit *visit, const struct edge *edge)
{
    const struct point low = {edge->x1, edge->y1}, high = {edge->x2, edge->y2};
    if (visit->quad)
        visit->meets = line_meets_quad(low, high, visit->quad);
    visit->inside ^= crosses(low, high, visit->point);
}

static void ask_edges(struct visit *visit, const struct edge *edges, size_t count)
{
    while (count && !visit->meets) {
        const struct edge *root = &edges[count / 2];
        if (root->high < visit->south)
            return;
        if (root->y1 > visit->north) {
            count /= 2;
            continue;
        }
        ask_edges(visit, edges, count / 2);
        if (!visit->meets && root->y2 >= visit->south)
            ask_edge(visit, root);
        edges = root + 1;
        count -= (size_t)(count / 2) + 1;
    }
}

static bool part_meets(const struct akin_polygon *polygon, const struct part *part,
                       const struct quad *quad)
{
    if (!spans_meet(part->west, part->east, quad->west, quad->east) ||
        !spans_meet(part->south, part->north, quad->south, quad->north))
        return false;
    struct visit visit = {
        .quad = quad, .point = quad->corner[0], .south = quad->south, .north = quad->north};
    ask_edges(&visit, polygon->edges + part->first, part->count);
    return visit.meets || visit.inside;
}

/* ---- around the globe ---- */

static struct quad quad_of(const int64_t lon[CORNERS], const int32_t lat[CORNERS])
{
    struct quad quad = {
        .west = INT64_MAX, .east = INT64_MIN, .south = INT64_MAX, .north = INT64_MIN};
    for (int i = 0; i < CORNERS; i++) {
        const struct point corner = {lon[i], lat[i]};
        quad.corner[i] = corner;
        quad.west = corner.x < quad.west ? corner.x : quad.west;
        quad.east = corner.x > quad.east ? corner.x : quad.east;
        quad.south = corner.y < quad.south ? corner.y : quad.south;
        quad.north = corner.y > quad.north ? corner.y : quad.north;
    }
    return quad;
}

static void shift(struct quad *quad, int64_t by)
{
    quad->west += by;
    quad->east += by;
    for (int i = 0; i < CORNERS; i++)
        quad->corner[i].x += by;
}

/* The quad lies in -180..540 degrees, the polygon in -360..360: it is asked on every turn around the
 * globe on which they can meet. */
static bool quad_meets(const struct akin_polygon *polygon, struct quad quad)
{
    shift(&quad, -2 * CIRCLE_E7);
    for (int turn = -2; turn <= 1; turn++, shift(&quad, CIRCLE_E7))
        for (size_t i = 0; i < polygon->part_count; i++)
            if (part_meets(polygon, &polygon->parts[i], &quad))
                return true;
    return false;
}

bool akin_polygon_meets(const akin_polygon *polygon, const struct akin_columns *columns)
{
    int64_t lon[CORNERS];
    int32_t lat[CORNERS];
    return akin_columns_ring(lon, lat, columns) && quad_meets(polygon, quad_of(lon, lat));
}

bool akin_polygon_meets_box(const akin_polygon *polygon, struct akin_bbox box)
{
    if (!akin_bbox_known(box))
        return false;
    const int64_t west = llround(box.west * 1e7);
    const int64_t east = llround(box.east * 1e7) + (box.west > box.east ? CIRCLE_E7 : 0);
    const int32_t south = (int32_t)lround(box.south * 1e7),
                  north = (int32_t)lround(box.north * 1e7);
    return quad_meets(polygon, quad_of((const int64_t[]){west, east, east, west},
                                       (const int32_t[]){north, north, south, south}));
}

struct akin_bbox akin_polygon_bbox(const akin_polygon *polygon)
{
    return polygon->bbox;
}

void akin_polygon_free(akin_polygon *polygon)
{
    if (!polygon)
        return;
    akin_free(polygon->edges);
    akin_free(polygon->parts);
    akin_free(polygon);
}
