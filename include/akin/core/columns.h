/*
 * What every stage knows about a tile: its key and its columns (place, time, quality).
 *
 * The key is stable for the life of a collection: scene 32 bits, level 4, row 14, column 14, from
 * the most significant down, so that a scene's tiles are one range of keys.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_COLUMNS_H
#define AKIN_CORE_COLUMNS_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/core/geo.h"
#include "akin/core/status.h"
#include "akin/core/time.h"

#pragma GCC visibility push(default)

#define AKIN_TILE_LEVEL_MAX 15u
#define AKIN_TILE_ROW_MAX 16383u /* rows and columns of the grid, not pixels */

static inline uint64_t akin_tile_key(uint32_t scene, uint32_t level, uint32_t row, uint32_t col)
{
    return (uint64_t)scene << 32 | (uint64_t)(level & 15u) << 28 | (uint64_t)(row & 16383u) << 14 |
           (col & 16383u);
}
static inline uint32_t akin_tile_scene(uint64_t key)
{
    return (uint32_t)(key >> 32);
}
static inline uint32_t akin_tile_row(uint64_t key)
{
    return (uint32_t)(key >> 14) & 16383u;
}
static inline uint32_t akin_tile_col(uint64_t key)
{
    return (uint32_t)key & 16383u;
}

/* 16 lower-case hex digits and a NUL. Parse takes upper case too, nothing before or behind. */
#define AKIN_TILE_KEY_TEXT_MAX 17
void akin_tile_key_format(char out[AKIN_TILE_KEY_TEXT_MAX], uint64_t key);
akin_status akin_tile_key_parse(uint64_t *out, const char *text, akin_error *err);

/* One tile's columns, exactly as a segment stores them (little-endian, 88 bytes, no padding).
 * The footprint's corners are the window's upper left, upper right, lower right and lower left
 * in 1e-7 degrees; AKIN_E7_UNKNOWN in all eight where there is no place. A footprint whose
 * bbox has west > east crosses the antimeridian; one whose bbox is 360 degrees wide holds a pole
 * or spans the globe. */
#define AKIN_E7_UNKNOWN INT32_MIN
struct akin_columns {
    uint64_t key;
    int64_t begin_ms, end_ms; /* struct akin_interval */
    int32_t corner_e7[8];     /* lon, lat of the four corners */
    int32_t bbox_e7[4];       /* west, south, east, north */
    uint32_t hilbert;  /* akin_hilbert_key of the bbox's centre; UINT32_MAX without a place */
    uint32_t tags;     /* bits for later use, 0 */
    uint8_t nodata;    /* share of missing pixels, 0..255 = 0..1, rounded up so that 0 is none */
    uint8_t gap;       /* share of black-gap pixels, the same scale */
    uint8_t texture;   /* standard deviation of the 8-bit grey value, 0..127.5, in halves */
    uint8_t level;     /* of the pyramid, 0 = full resolution */
    uint32_t reserved; /* 0 */
};
_Static_assert(sizeof(struct akin_columns) == 88, "columns are stored as they are");

/* Of a tile of which nothing is known but its key: no place, no time. */
void akin_columns_init(struct akin_columns *out, uint64_t key);
struct akin_bbox akin_columns_bbox(const struct akin_columns *columns);
struct akin_interval akin_columns_interval(const struct akin_columns *columns);
/* The footprint in one piece: its corners, walked the shorter way in longitude, so that one that
 * crosses the antimeridian runs past 180 degrees; its west end lies in [-180, 180). From half the
 * globe on the shorter way from corner to corner is not the tile's: then it is the box, as where a
 * corner is unknown. False without a place. */
bool akin_columns_ring(int64_t lon_e7[4], int32_t lat_e7[4], const struct akin_columns *columns);

#pragma GCC visibility pop

#endif
