/*
 * Private to index: zones. A zone says what the rows of one block can have, so that a filter passes
 * over the whole block without reading a row. Rows lie in Hilbert order of place, then time, which
 * makes zones small.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_ZONE_H
#define INDEX_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/index.h"

/* Stored as it is in SECTION_ZONES. */
struct zone {
    int64_t begin_ms, end_ms; /* over rows with a time; begin > end: there are none */
    int32_t bbox_e7[4]; /* over rows with a place, west <= east (a row that crosses the antimeridian
                                 counts as -180..180); west > east: there are none */
    uint32_t scene_min, scene_max;
    uint8_t nodata_min, gap_min, texture_max;
    uint8_t reserved[5];
};
_Static_assert(sizeof(struct zone) == 48, "stored as it is");

void zone_init(struct zone *zone); /* of no rows */
void zone_add(struct zone *zone, const struct akin_columns *columns);
void zone_join(struct zone *zone, const struct zone *other);
/* True only where no row in the zone can match. */
bool zone_excludes(const struct zone *zone, const struct akin_filter *filter);

/* ---- filters, in filter.c ---- */

/* Whether it asks for a place at all. */
bool filter_has_place(const struct akin_filter *filter);
/* A box outside of which nothing matches: of its box and its polygon's the smaller; unknown where it
 * asks for no place. */
struct akin_bbox filter_bbox(const struct akin_filter *filter);
/* Whether the filter lets everything through (then no row need be asked). */
bool filter_is_open(const struct akin_filter *filter);

#endif
