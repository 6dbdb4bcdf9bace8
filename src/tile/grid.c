/*
 * The grid of tiles over a scene. Windows start every `stride` pixels; the last of each row and
 * column is shifted inward, so that it overlaps its neighbour more instead of being cut off:
 *
 *     |--tile--|
 *         |--tile--|
 *             |--tile--|
 *               |--tile--|        the scene's edge is here
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>

#include "akin/tile.h"

#define LINES_MAX ((uint64_t)AKIN_TILE_ROW_MAX + 1)
#define SETTING_TILE_MAX 4096u /* akin_settings.tile_px */

static uint32_t stride_of(uint32_t tile_px, double overlap)
{
    double stride = round(tile_px * (1.0 - overlap));
    return stride >= 1 ? (uint32_t)stride : 1;
}

/* How many windows cover `size` pixels. */
static uint64_t line_count(uint32_t size, uint32_t tile_px, uint32_t stride)
{
    if (size <= tile_px)
        return 1;
    return 1 + ((uint64_t)(size - tile_px) + stride - 1) / stride;
}

/* The smallest tile size that can be set with which `size` pixels fit the grid; 0: none. */
static uint32_t tile_that_fits(uint32_t size, uint32_t tile_px, double overlap)
{
    for (uint32_t tile = tile_px; tile <= SETTING_TILE_MAX; tile++) {
        if (line_count(size, tile, stride_of(tile, overlap)) <= LINES_MAX)
            return tile;
    }
    return 0;
}

static akin_status too_many_lines(const struct akin_grid *grid, double overlap, akin_error *err)
{
    uint32_t side = grid->width > grid->height ? grid->width : grid->height;
    uint32_t tile = tile_that_fits(side, grid->tile_px, overlap);
    if (!tile)
        return akin_error_set(
            err, AKIN_ERR_LIMIT,
            "a scene of %" PRIu32 "x%" PRIu32 " pixels has more than %" PRIu64
            " tiles in a row at any tile size with overlap %g: cut the scene up or "
            "lower --overlap",
            grid->width, grid->height, LINES_MAX, overlap);
    return akin_error_set(err, AKIN_ERR_LIMIT,
                          "a scene of %" PRIu32 "x%" PRIu32 " pixels has more than %" PRIu64
                          " tiles of %" PRIu32 " in a row: a collection with --tile %" PRIu32
                          " or more can take it",
                          grid->width, grid->height, LINES_MAX, grid->tile_px, tile);
}

akin_status akin_grid_init(struct akin_grid *out, const struct akin_settings *settings,
                           uint32_t width, uint32_t height, bool has_place, akin_error *err)
{
    if (!width || !height || !settings->tile_px || !(settings->overlap >= 0) ||
        !(settings->overlap < 1))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "cannot lay tiles of %" PRIu32 " pixels with overlap %g over %" PRIu32
                              "x%" PRIu32 " pixels",
                              settings->tile_px, settings->overlap, width, height);
    struct akin_grid grid = {.width = width,
                             .height = height,
                             .tile_px = settings->tile_px,
                             .stride = stride_of(settings->tile_px, settings->overlap),
                             .rows = 1,
                             .cols = 1,
                             .whole = !settings->tile_always && !has_place};
    if (!grid.whole) {
        uint64_t rows = line_count(height, grid.tile_px, grid.stride);
        uint64_t cols = line_count(width, grid.tile_px, grid.stride);
        if (rows > LINES_MAX || cols > LINES_MAX)
            return too_many_lines(&grid, settings->overlap, err);
        grid.rows = (uint32_t)rows;
        grid.cols = (uint32_t)cols;
    }
    *out = grid;
    return AKIN_OK;
}

/* Start and length of the index-th window along one side. */
static void line_at(uint32_t size, const struct akin_grid *grid, uint32_t index, uint32_t *start,
                    uint32_t *length)
{
    if (size <= grid->tile_px) {
        *start = 0;
        *length = size;
        return;
    }
    uint64_t at = (uint64_t)index * grid->stride;
    uint32_t last = size - grid->tile_px;
    *start = at < last ? (uint32_t)at : last;
    *length = grid->tile_px;
}

struct akin_window akin_grid_window(const struct akin_grid *grid, uint32_t row, uint32_t col)
{
    struct akin_window window = {0, 0, grid->width, grid->height};
    if (!grid->whole) {
        line_at(grid->width, grid, col, &window.x, &window.width);
        line_at(grid->height, grid, row, &window.y, &window.height);
    }
    return window;
}

uint64_t akin_grid_count(const struct akin_grid *grid)
{
    return (uint64_t)grid->rows * grid->cols;
}

uint32_t akin_grid_row_at(const struct akin_grid *grid, uint32_t order_stride, uint32_t position)
{
    if (order_stride < 2)
        return position;
    uint32_t sampled = (uint32_t)(((uint64_t)grid->rows + order_stride - 1) / order_stride);
    if (position < sampled)
        return position * order_stride;
    /* Between two sampled rows lie order_stride - 1 others. */
    uint32_t other = position - sampled, between = order_stride - 1;
    return other / between * order_stride + 1 + other % between;
}
