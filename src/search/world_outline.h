/*
 * The outline of the land, coarse enough to be a table: for the small map of a contact sheet only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_WORLD_OUTLINE_H
#define AKIN_SEARCH_WORLD_OUTLINE_H

#include "akin/core.h"

/* Appends an SVG path's data, x = longitude, y = -latitude; of the land, or of the lakes in it. */
akin_status world_outline_land(struct akin_buffer *out, akin_error *err);
akin_status world_outline_lakes(struct akin_buffer *out, akin_error *err);

#endif
