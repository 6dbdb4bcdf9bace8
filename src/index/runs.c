/*
 * What the runs hold of a row: the same for whoever writes and whoever verifies them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "layout.h"
#include "lists.h"

uint32_t run_place_key(const struct akin_columns *columns)
{
    double lon, lat;
    struct akin_bbox box = akin_columns_bbox(columns);
    if (!akin_bbox_known(box))
        return UINT32_MAX;
    akin_bbox_center(box, &lon, &lat);
    return akin_hilbert_key(lon, lat);
}

int64_t run_time_key(const struct akin_columns *columns)
{
    return akin_interval_known(akin_columns_interval(columns)) ? columns->begin_ms : INT64_MAX;
}

uint32_t run_quality(const struct akin_columns *columns)
{
    return columns->nodata | (uint32_t)columns->gap << 8 | (uint32_t)columns->texture << 16 |
           (uint32_t)columns->level << 24;
}

void runs_head_add(struct runs_head *head, const struct akin_columns *columns)
{
    struct akin_bbox box = akin_columns_bbox(columns);
    if (akin_interval_known(akin_columns_interval(columns))) {
        /* Unsigned: an interval without a beginning or an end is longer than an i64 can say. */
        uint64_t duration = (uint64_t)columns->end_ms - (uint64_t)columns->begin_ms;
        if (duration > (uint64_t)head->duration_max_ms)
            head->duration_max_ms = duration > INT64_MAX ? INT64_MAX : (int64_t)duration;
    }
    if (akin_bbox_known(box)) {
        double width = akin_bbox_width_deg(box) / 2, height = (box.north - box.south) / 2;
        head->half_width_deg = width > head->half_width_deg ? width : head->half_width_deg;
        head->half_height_deg = height > head->half_height_deg ? height : head->half_height_deg;
    }
}
