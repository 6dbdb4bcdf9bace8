/*
 * From points to parts of sorted edges. Rings need not be told apart afterwards: whether a point is
 * inside is a matter of how many edges lie west of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "akin/core/memory.h"
#include "polygon.h"

#define LON_MAX_DEG 360
#define E7 1e7
#define CIRCLE_E7 ((int64_t)3600000000)

/* Where in the text: "'a.geojson': polygon 2, ring 1". */
#define WHERE "'%s': polygon %zu, ring %zu"
#define WHERE_ARGS(builder) (builder)->what, (builder)->part_count + 1, (builder)->rings + 1

static akin_status push_edge(struct polygon_builder *builder, int64_t x, int32_t y, akin_error *err)
{
    if (builder->edge_count == AKIN_POLYGON_POINTS_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT,
                              "'%s' has more than %u points: simplify it (ogr2ogr -simplify)",
                              builder->what, AKIN_POLYGON_POINTS_MAX);
    if (builder->edge_count == builder->edge_max) {
        const size_t more = builder->edge_max ? 2 * builder->edge_max : 64;
        struct edge *edges =
            akin_realloc(builder->edges, builder->edge_max * sizeof *edges, more * sizeof *edges);
        if (!edges)
            return akin_error_memory(err, more * sizeof *edges, "a polygon");
        builder->edges = edges;
        builder->edge_max = more;
    }
    struct edge *edge = &builder->edges[builder->edge_count++];
    *edge = builder->y <= y ? (struct edge){builder->x, x, builder->y, y, 0}
                            : (struct edge){x, builder->x, y, builder->y, 0};
    return AKIN_OK;
}

akin_status polygon_point(struct polygon_builder *builder, double lon_deg, double lat_deg,
                          akin_error *err)
{
    if (!(fabs(lon_deg) <= LON_MAX_DEG) || !(fabs(lat_deg) <= 90))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              WHERE ": %g,%g is no longitude of -%d..%d and latitude of -90..90 "
                                    "(longitude comes first; degrees, not metres)",
                              WHERE_ARGS(builder), lon_deg, lat_deg, LON_MAX_DEG, LON_MAX_DEG);
    const int64_t x = llround(lon_deg * E7);
    const int32_t y = (int32_t)lround(lat_deg * E7);
    akin_status status = AKIN_OK;
    if (builder->ring_points)
        status = push_edge(builder, x, y, err);
    else {
        builder->first_x = x;
        builder->first_y = y;
    }
    builder->x = x;
    builder->y = y;
    builder->ring_points++;
    return status;
}

akin_status polygon_end_ring(struct polygon_builder *builder, akin_error *err)
{
    if (builder->ring_points < 4)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              WHERE " has %zu points: 4 or more, the last one the first again",
                              WHERE_ARGS(builder), builder->ring_points);
    if (builder->x != builder->first_x || builder->y != builder->first_y)
        return akin_error_set(err, AKIN_ERR_INVALID, WHERE " does not end where it began",
                              WHERE_ARGS(builder));
    builder->ring_points = 0;
    builder->rings++;
    return AKIN_OK;
}

static int compare_edges(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;
    return (x->y1 > y->y1) - (x->y1 < y->y1);
}

/* Fills in `high` of the range's middle and of all below it. */
static int32_t set_high(struct edge *edges, size_t count)
{
    if (!count)
        return INT32_MIN;
    struct edge *root = &edges[count / 2];
    const int32_t left = set_high(edges, count / 2);
    const int32_t right = set_high(root + 1, count - count / 2 - 1);
    root->high = root->y2;
    if (left > root->high)
        root->high = left;
    if (right > root->high)
        root->high = right;
    return root->high;
}

static struct part part_of(struct edge *edges, size_t first, size_t count)
{
    struct part part = {INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN, first, count};
    for (size_t i = first; i < first + count; i++) {
        const struct edge *edge = &edges[i];
        const int64_t west = edge->x1 < edge->x2 ? edge->x1 : edge->x2;
        const int64_t east = edge->x1 < edge->x2 ? edge->x2 : edge->x1;
        part.west = west < part.west ? west : part.west;
        part.east = east > part.east ? east : part.east;
        part.south = edge->y1 < part.south ? edge->y1 : part.south;
        part.north = edge->y2 > part.north ? edge->y2 : part.north;
    }
    qsort(edges + first, count, sizeof *edges, compare_edges);
    set_high(edges + first, count);
    return part;
}

akin_status polygon_end_part(struct polygon_builder *builder, akin_error *err)
{
    if (!builder->rings)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s': polygon %zu has no ring", builder->what,
                              builder->part_count + 1);
    if (builder->part_count == builder->part_max) {
        const size_t more = builder->part_max ? 2 * builder->part_max : 4;
        struct part *parts =
            akin_realloc(builder->parts, builder->part_max * sizeof *parts, more * sizeof *parts);
        if (!parts)
            return akin_error_memory(err, more * sizeof *parts, "a polygon");
        builder->parts = parts;
        builder->part_max = more;
    }
    builder->parts[builder->part_count++] =
        part_of(builder->edges, builder->part_begin, builder->edge_count - builder->part_begin);
    builder->part_begin = builder->edge_count;
    builder->rings = 0;
    return AKIN_OK;
}

/* Longitudes past 180 back into -180..180. */
static struct akin_bbox box_of(const struct part *part)
{
    if (part->east - part->west >= CIRCLE_E7)
        return (struct akin_bbox){-180, part->south / E7, 180, part->north / E7};
    double west = (double)part->west / E7, east = (double)part->east / E7;
    if (west < -180 || east > 180) {
        west = akin_lon_wrap(west);
        east = akin_lon_wrap(east);
    }
    return (struct akin_bbox){west, part->south / E7, east, part->north / E7};
}

akin_status polygon_finish(akin_polygon **out, struct polygon_builder *builder, akin_error *err)
{
    if (!builder->part_count)
        return akin_error_set(err, AKIN_ERR_INVALID, "'%s' has no polygon in it", builder->what);
    akin_polygon *polygon = akin_alloc_zero(1, sizeof *polygon);
    if (!polygon)
        return akin_error_memory(err, sizeof *polygon, "a polygon");
    *polygon = (akin_polygon){builder->edges, builder->parts, builder->edge_count,
                              builder->part_count, akin_bbox_unknown()};
    for (size_t i = 0; i < polygon->part_count; i++)
        polygon->bbox = akin_bbox_union(polygon->bbox, box_of(&polygon->parts[i]));
    builder->edges = NULL;
    builder->parts = NULL;
    polygon_builder_fini(builder);
    *out = polygon;
    return AKIN_OK;
}

void polygon_builder_fini(struct polygon_builder *builder)
{
    akin_free(builder->edges);
    akin_free(builder->parts);
    *builder = (struct polygon_builder){.what = builder->what};
}
