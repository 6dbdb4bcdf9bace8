/*
 * Private to core: what a polygon is made of, and how the parsers make one.
 *
 *     struct polygon_builder builder = {.what = "a.geojson"};
 *     polygon_point(&builder, lon, lat, err); ...     a ring, its last point the first again
 *     polygon_end_ring(&builder, err);                ... and its holes
 *     polygon_end_part(&builder, err);                ... and the other polygons
 *     polygon_finish(&out, &builder, err);
 *     polygon_builder_fini(&builder);
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CORE_POLYGON_H
#define CORE_POLYGON_H

#include <stdint.h>

#include "akin/core/polygon.h"

/* In 1e-7 degrees; y1 <= y2. */
struct edge {
    int64_t x1, x2;
    int32_t y1, y2;
    int32_t high; /* the highest y2 of the subtree that this edge is the root of */
};

/* One polygon with its holes: edges [first, first + count), sorted by y1. A sorted range is a
 * balanced tree whose root is its middle. */
struct part {
    int64_t west, east;
    int32_t south, north;
    size_t first, count;
};

struct akin_polygon {
    struct edge *edges;
    struct part *parts;
    size_t edge_count, part_count;
    struct akin_bbox bbox;
};

struct polygon_builder {
    const char *what; /* names the text in errors */
    struct edge *edges;
    struct part *parts;
    size_t edge_count, edge_max, part_count, part_max;
    size_t part_begin; /* first edge of the part that is being made */
    size_t ring_points, rings;
    int64_t first_x, x;
    int32_t first_y, y;
};
akin_status polygon_point(struct polygon_builder *builder, double lon_deg, double lat_deg,
                          akin_error *err);
akin_status polygon_end_ring(struct polygon_builder *builder, akin_error *err);
akin_status polygon_end_part(struct polygon_builder *builder, akin_error *err);
/* The builder is empty afterwards. */
akin_status polygon_finish(akin_polygon **out, struct polygon_builder *builder, akin_error *err);
void polygon_builder_fini(struct polygon_builder *builder);

#endif
