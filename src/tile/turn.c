/*
 * The eight ways to lay a square: a tile seen from above has no up.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "akin/tile.h"

void akin_tile_turn(uint8_t *out, const uint8_t *in, uint32_t px, size_t pixel_bytes, unsigned d4)
{
    for (size_t row = 0; row < px; row++)
        for (size_t column = 0; column < px; column++, out += pixel_bytes) {
            size_t y = d4 & 4 ? column : row, x = d4 & 4 ? row : column;
            y = d4 & 2 ? px - 1 - y : y;
            x = d4 & 1 ? px - 1 - x : x;
            memcpy(out, in + (y * px + x) * pixel_bytes, pixel_bytes);
        }
}
