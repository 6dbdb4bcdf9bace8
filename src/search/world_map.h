/*
 * A small map of the world as inline SVG: where the answers are, coloured by score, and the
 * examples.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_WORLD_MAP_H
#define AKIN_SEARCH_WORLD_MAP_H

#include "examples.h"

/* Six hex digits for a score between the sheet's lowest and highest: #rrggbb. */
#define WORLD_MAP_COLOR_MAX 8
void world_map_color(char out[WORLD_MAP_COLOR_MAX], double score, double low, double high);

/* Nothing where no answer and no example has a place. */
akin_status world_map_append(struct akin_buffer *out, const struct akin_answers *answers,
                             const struct akin_example_set *examples, akin_error *err);

#endif
