/*
 * Where a tile lies: its four corners, and the box around its outline. The outline is walked with
 * 16 points an edge, since a straight edge in a projection is a curve in lon, lat: the top of a
 * tile in a polar projection bulges past its corners, and a tile that holds the pole has it inside
 * of all of them. akin_bbox_of_ring does the turning round the globe.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "footprint.h"

#include <math.h>

#define EDGE_POINTS 16u
#define RING_POINTS (4u * EDGE_POINTS)
#define BATCH_TILES 64u

/* Outlines of a batch of tiles, one after the other. */
struct outlines {
    double x[BATCH_TILES * RING_POINTS], y[BATCH_TILES * RING_POINTS];
    double lon_deg[BATCH_TILES * RING_POINTS], lat_deg[BATCH_TILES * RING_POINTS];
};

/* From the upper left corner clockwise on the picture; corners are points 0, 16, 32 and 48. */
static void walk_outline(double *x, double *y, struct akin_window window)
{
    for (uint32_t i = 0; i < EDGE_POINTS; i++) {
        double part = (double)i / EDGE_POINTS;
        double along_x = window.width * part, along_y = window.height * part;
        double left = window.x, top = window.y;
        double right = left + window.width, bottom = top + window.height;
        x[i] = left + along_x, y[i] = top;
        x[EDGE_POINTS + i] = right, y[EDGE_POINTS + i] = top + along_y;
        x[2 * EDGE_POINTS + i] = right - along_x, y[2 * EDGE_POINTS + i] = bottom;
        x[3 * EDGE_POINTS + i] = left, y[3 * EDGE_POINTS + i] = bottom - along_y;
    }
}

static int32_t to_e7(double deg)
{
    return (int32_t)lround(deg * 1e7);
}

static bool corner_known(double lon_deg, double lat_deg)
{
    return fabs(lon_deg) <= 360 && fabs(lat_deg) <= 90; /* false for NaN */
}

static void set_unknown(struct akin_columns *columns)
{
    for (uint32_t i = 0; i < 8; i++)
        columns->corner_e7[i] = AKIN_E7_UNKNOWN;
    for (uint32_t i = 0; i < 4; i++)
        columns->bbox_e7[i] = AKIN_E7_UNKNOWN;
    columns->hilbert = UINT32_MAX;
}

/* Where a corner has no place (beyond the limb of a disk picture) all corners are unknown, and the
 * box is that of the points that have one. */
static void set_corners(struct akin_columns *columns, const double *lon_deg, const double *lat_deg)
{
    for (uint32_t i = 0; i < 4; i++) {
        double lon = lon_deg[i * EDGE_POINTS], lat = lat_deg[i * EDGE_POINTS];
        if (!corner_known(lon, lat))
            return;
    }
    for (uint32_t i = 0; i < 4; i++) {
        double lon = lon_deg[i * EDGE_POINTS], lat = lat_deg[i * EDGE_POINTS];
        columns->corner_e7[2 * i] = to_e7(fabs(lon) <= 180 ? lon : akin_lon_wrap(lon));
        columns->corner_e7[2 * i + 1] = to_e7(lat);
    }
}

static void set_place(struct akin_columns *columns, const double *lon_deg, const double *lat_deg)
{
    set_unknown(columns);
    struct akin_bbox box = akin_bbox_of_ring(lon_deg, lat_deg, RING_POINTS);
    if (!akin_bbox_known(box))
        return;
    set_corners(columns, lon_deg, lat_deg);
    columns->bbox_e7[0] = to_e7(box.west);
    columns->bbox_e7[1] = to_e7(box.south);
    columns->bbox_e7[2] = to_e7(box.east);
    columns->bbox_e7[3] = to_e7(box.north);
    double lon, lat;
    akin_bbox_center(box, &lon, &lat);
    columns->hilbert = akin_hilbert_key(lon, lat);
}

static akin_status place_batch(akin_source *source, const struct akin_grid *grid,
                               struct akin_tile *tiles, size_t count, struct outlines *outlines,
                               akin_error *err)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t key = tiles[i].columns.key;
        walk_outline(outlines->x + i * RING_POINTS, outlines->y + i * RING_POINTS,
                     akin_grid_window(grid, akin_tile_row(key), akin_tile_col(key)));
    }
    akin_status status = akin_source_lonlat(source, count * RING_POINTS, outlines->x, outlines->y,
                                            outlines->lon_deg, outlines->lat_deg, err);
    for (size_t i = 0; status == AKIN_OK && i < count; i++)
        set_place(&tiles[i].columns, outlines->lon_deg + i * RING_POINTS,
                  outlines->lat_deg + i * RING_POINTS);
    return status;
}

akin_status footprint_of_tiles(akin_source *source, const struct akin_grid *grid,
                               struct akin_tile *tiles, size_t count, akin_error *err)
{
    if (!akin_source_info(source)->has_place) {
        for (size_t i = 0; i < count; i++)
            set_unknown(&tiles[i].columns);
        return AKIN_OK;
    }
    struct outlines *outlines = akin_alloc(1, sizeof *outlines);
    if (!outlines)
        return akin_error_memory(err, sizeof *outlines, "footprints");
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < count && status == AKIN_OK; i += BATCH_TILES) {
        size_t batch = count - i < BATCH_TILES ? count - i : BATCH_TILES;
        status = place_batch(source, grid, tiles + i, batch, outlines, err);
    }
    akin_free(outlines);
    return status;
}
