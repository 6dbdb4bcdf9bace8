/*
 * A scene's overview as the map's drawing sees it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_OVERVIEW_H
#define AKIN_SEARCH_OVERVIEW_H

#include "akin/search.h"
#include "akin/tile.h"

#define OVERVIEW_LEVELS_MAX 12

struct akin_overview {
    uint32_t scene;
    struct akin_grid grid;
    struct akin_bbox bbox;
    double pixel_deg; /* of the scene's own pixels, in latitude */
    struct akin_columns
        *tiles; /* those that lie beside each other first, then the overlapping ones */
    size_t tile_count;
    uint32_t bands;  /* 1 or 3 */
    uint32_t factor; /* level 0 is the scene reduced so many times */
    uint32_t level_count;
    struct akin_raster levels[OVERVIEW_LEVELS_MAX]; /* each half the one before; masked */
};

#endif
