/*
 * Fuzzes polygons as text. What is taken has a box, and meets the tiles of its own points.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "../../src/core/polygon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    akin_polygon *polygon = NULL;
    akin_error err = {0};
    if (akin_polygon_parse(&polygon, (const char *)data, size, "input", &err) != AKIN_OK) {
        if (polygon || !err.text[0])
            abort();
        return 0;
    }
    if (!akin_bbox_known(akin_polygon_bbox(polygon)))
        abort();
    for (size_t i = 0; i < polygon->edge_count && i < 100; i++) {
        const struct edge *edge = &polygon->edges[i];
        const double lon = akin_lon_wrap((double)edge->x1 / 1e7), lat = edge->y1 / 1e7;
        if (!akin_polygon_meets_box(polygon, (struct akin_bbox){lon, lat, lon, lat}))
            abort();
    }
    akin_polygon_free(polygon);
    return 0;
}
