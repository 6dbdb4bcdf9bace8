/*
 * Any raster of a collection as a small picture for people: 8 bits, grey or the first three bands,
 * reduced.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_THUMBNAIL_H
#define AKIN_SEARCH_THUMBNAIL_H

#include "akin/source.h"
#include "akin/tile.h"

#define THUMBNAIL_QUALITY 85

/* `out` (init'ed by the call): `raster` in 8 bits, 1 or 3 bands, its longest side at most max_px
 * (0 = as it is). Missing samples are black. */
akin_status thumbnail_reduce(const struct akin_raster *raster, const struct akin_scaling *scaling,
                             uint32_t max_px, struct akin_raster *out, akin_error *err);
/* Appends a JPEG of the same. */
akin_status thumbnail_encode(const struct akin_raster *raster, const struct akin_scaling *scaling,
                             uint32_t max_px, struct akin_buffer *out, akin_error *err);

#endif
