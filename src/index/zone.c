/*
 * Zones: what the rows of a block can have.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "zone.h"

#include <string.h>

#define LON_MIN_E7 (-1800000000)
#define LON_MAX_E7 1800000000

void zone_init(struct zone *zone)
{
    memset(zone, 0, sizeof *zone);
    zone->begin_ms = AKIN_TIME_MAX;
    zone->end_ms = AKIN_TIME_MIN;
    for (int i = 0; i < 2; i++) {
        zone->bbox_e7[i] = INT32_MAX;
        zone->bbox_e7[2 + i] = INT32_MIN;
    }
    zone->scene_min = UINT32_MAX;
    zone->nodata_min = zone->gap_min = UINT8_MAX;
}

#define LOWER(a, b) ((a) = (b) < (a) ? (b) : (a))
#define RAISE(a, b) ((a) = (b) > (a) ? (b) : (a))

static void join_box(struct zone *zone, const int32_t box[4])
{
    LOWER(zone->bbox_e7[0], box[0]);
    LOWER(zone->bbox_e7[1], box[1]);
    RAISE(zone->bbox_e7[2], box[2]);
    RAISE(zone->bbox_e7[3], box[3]);
}

void zone_join(struct zone *zone, const struct zone *other)
{
    LOWER(zone->begin_ms, other->begin_ms);
    RAISE(zone->end_ms, other->end_ms);
    join_box(zone, other->bbox_e7);
    LOWER(zone->scene_min, other->scene_min);
    RAISE(zone->scene_max, other->scene_max);
    LOWER(zone->nodata_min, other->nodata_min);
    LOWER(zone->gap_min, other->gap_min);
    RAISE(zone->texture_max, other->texture_max);
}

void zone_add(struct zone *zone, const struct akin_columns *columns)
{
    if (akin_interval_known(akin_columns_interval(columns))) {
        LOWER(zone->begin_ms, columns->begin_ms);
        RAISE(zone->end_ms, columns->end_ms);
    }
    if (akin_bbox_known(akin_columns_bbox(columns))) {
        int32_t box[4];
        memcpy(box, columns->bbox_e7, sizeof box);
        if (box[0] > box[2]) {
            box[0] = LON_MIN_E7;
            box[2] = LON_MAX_E7;
        }
        join_box(zone, box);
    }
    uint32_t scene = akin_tile_scene(columns->key);
    LOWER(zone->scene_min, scene);
    RAISE(zone->scene_max, scene);
    LOWER(zone->nodata_min, columns->nodata);
    LOWER(zone->gap_min, columns->gap);
    RAISE(zone->texture_max, columns->texture);
}
