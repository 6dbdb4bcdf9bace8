/*
 * Mirror fill of missing pixels (fill.c); private to the stage.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TILE_FILL_H
#define AKIN_TILE_FILL_H

#include <stdint.h>

#include "akin/core.h"

/* Overwrites the missing pixels (valid 0) of pixels (height, width, bands) with mirror images of
 * valid ones. All missing: zeros. */
akin_status fill_mirror(uint8_t *pixels, const uint8_t *valid, uint32_t width, uint32_t height,
                        uint32_t bands, akin_error *err);

#endif
