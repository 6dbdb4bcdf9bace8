/*
 * Zones and filters: the same questions asked of a block and of a row.
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

void akin_filter_init(struct akin_filter *out)
{
    *out = (struct akin_filter){.bbox = akin_bbox_unknown(),
                                .time = akin_interval_unknown(),
                                .nodata_max = 1,
                                .gap_max = 1,
                                .texture_min = 0};
}

/* The first scene of the filter that is not below `scene`. */
static size_t scene_at_least(const struct akin_filter *filter, uint32_t scene)
{
    size_t low = 0, high = filter->scene_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (filter->scenes[middle] < scene)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Is a scene of the filter in [min, max]? */
static bool scenes_hit(const struct akin_filter *filter, uint32_t min, uint32_t max)
{
    if (!filter->scenes)
        return true;
    size_t at = scene_at_least(filter, min);
    return at < filter->scene_count && filter->scenes[at] <= max;
}

/* The cheap integer tests come first; the box, which needs doubles and wraps, last. */
bool akin_filter_matches(const struct akin_filter *filter, const struct akin_columns *columns)
{
    uint32_t scene = akin_tile_scene(columns->key);
    if (columns->nodata / 255.0 > filter->nodata_max || columns->gap / 255.0 > filter->gap_max ||
        columns->texture / 2.0 < filter->texture_min)
        return false;
    if (!scenes_hit(filter, scene, scene))
        return false;
    if (akin_interval_known(filter->time) &&
        !akin_interval_intersects(filter->time, akin_columns_interval(columns)))
        return false;
    return !akin_bbox_known(filter->bbox) ||
           akin_bbox_intersects(filter->bbox, akin_columns_bbox(columns));
}

bool zone_excludes(const struct zone *zone, const struct akin_filter *filter)
{
    if (zone->nodata_min / 255.0 > filter->nodata_max || zone->gap_min / 255.0 > filter->gap_max ||
        zone->texture_max / 2.0 < filter->texture_min)
        return true;
    if (!scenes_hit(filter, zone->scene_min, zone->scene_max))
        return true;
    /* Ends that only touch are left to the rows: an end may be open or an instant. */
    if (akin_interval_known(filter->time) &&
        (zone->begin_ms > filter->time.end_ms || zone->end_ms < filter->time.begin_ms))
        return true;
    if (!akin_bbox_known(filter->bbox))
        return false;
    if (zone->bbox_e7[0] > zone->bbox_e7[2])
        return true;
    struct akin_bbox box = {zone->bbox_e7[0] / 1e7, zone->bbox_e7[1] / 1e7, zone->bbox_e7[2] / 1e7,
                            zone->bbox_e7[3] / 1e7};
    return !akin_bbox_intersects(filter->bbox, box);
}

bool filter_is_open(const struct akin_filter *filter)
{
    return !filter || (!akin_bbox_known(filter->bbox) && !akin_interval_known(filter->time) &&
                       filter->nodata_max >= 1 && filter->gap_max >= 1 &&
                       filter->texture_min <= 0 && !filter->scenes);
}
