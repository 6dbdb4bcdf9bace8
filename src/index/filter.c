/*
 * Filters: the same questions asked of a row and of a zone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "zone.h"

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

/* The cheap integer tests come first; the box, which needs doubles and wraps, and the polygon last. */
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
    if (akin_bbox_known(filter->bbox) &&
        !akin_bbox_intersects(filter->bbox, akin_columns_bbox(columns)))
        return false;
    return !filter->polygon || akin_polygon_meets(filter->polygon, columns);
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
    if (!filter_has_place(filter))
        return false;
    if (zone->bbox_e7[0] > zone->bbox_e7[2])
        return true;
    struct akin_bbox box = {zone->bbox_e7[0] / 1e7, zone->bbox_e7[1] / 1e7, zone->bbox_e7[2] / 1e7,
                            zone->bbox_e7[3] / 1e7};
    if (akin_bbox_known(filter->bbox) && !akin_bbox_intersects(filter->bbox, box))
        return true;
    return filter->polygon && !akin_polygon_meets_box(filter->polygon, box);
}

bool filter_has_place(const struct akin_filter *filter)
{
    return akin_bbox_known(filter->bbox) || filter->polygon;
}

/* In square degrees. */
static double area_of(struct akin_bbox box)
{
    return akin_bbox_width_deg(box) * (box.north - box.south);
}

struct akin_bbox filter_bbox(const struct akin_filter *filter)
{
    if (!filter->polygon)
        return filter->bbox;
    const struct akin_bbox box = akin_polygon_bbox(filter->polygon);
    return akin_bbox_known(filter->bbox) && area_of(filter->bbox) < area_of(box) ? filter->bbox
                                                                                 : box;
}

bool filter_is_open(const struct akin_filter *filter)
{
    return !filter || (!filter_has_place(filter) && !akin_interval_known(filter->time) &&
                       filter->nodata_max >= 1 && filter->gap_max >= 1 &&
                       filter->texture_min <= 0 && !filter->scenes);
}
