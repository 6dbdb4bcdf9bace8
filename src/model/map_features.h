/*
 * From a net's maps to one vector a tile: mean of stage 2, mean and standard deviation of stages 3
 * and 4, side by side. Several stages are worth more than the last one alone (docs/MODEL.md): the
 * last knows what training told it to, the earlier ones still know texture.
 *
 * Missing pixels are left out: a cell counts by the share of its pixels that were there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_MAP_FEATURES_H
#define MODEL_MAP_FEATURES_H

#include "net.h"

/* Whether of a stage (0 is the first) the mean is taken, and the deviation behind it. */
void map_features_taken(unsigned stage, bool *mean, bool *deviation);
/* Floats of a tile's features. */
size_t map_features_size(const struct arch *arch);
/* Floats of scratch that map_features_pool needs. */
size_t map_features_scratch(const struct arch *arch, uint32_t px);
/* Image n of the net's batch; filled (px, px) as akin_tile_input gives it (0 where missing), or NULL. out
 * (map_features_size); false, and zeros, where nothing was there. */
bool map_features_pool(const struct net *net, const struct arch *arch, uint32_t px, size_t n,
                       const uint8_t *filled, float *scratch, float *out);

#endif
