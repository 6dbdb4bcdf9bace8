/*
 * Where tiles lie (footprint.c); private to the stage.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TILE_FOOTPRINT_H
#define AKIN_TILE_FOOTPRINT_H

#include "akin/tile.h"

/* Fills corners, bbox and Hilbert key of each tile; its window is that of its key in `grid`.
 * Unknown where the source has no place. */
akin_status footprint_of_tiles(akin_source *source, const struct akin_grid *grid,
                               struct akin_tile *tiles, size_t count, akin_error *err);

#endif
