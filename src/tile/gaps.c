/*
 * Black areas that are no data: swath gaps and polar night in 8-bit imagery that declares none.
 * Left in, they make a search return pictures with a gap in the same place.
 *
 * The rule, from the window's own pixels only, so that a query's tile and an indexed one agree:
 *   1. cells of 4x4 pixels whose pixels are all at most 8 in every band are cores;
 *   2. cores at most 2 cells apart form areas (noise breaks thin gaps up). An area is a gap if it
 *      reaches the window's edge and has 4 cores (64 pixels), or has 64 cores anywhere, and at
 *      least half of its pixels are at most 2 on average over the bands: what was never measured
 *      is 0 but for JPEG's noise, what was measured is dark with noise of its own, and a shadow lies
 *      inside the window more often than across its edge;
 *   3. a gap takes in the pixels at most 24 in every band within 2 cells of its cores (ringing
 *      reaches as far as JPEG's 8x8 blocks) and everything 4 pixels around: gap and ground mixed,
 *      and ringing that is not dark. With 1 pixel around, that texture was mirrored into the fill
 *      and gap tiles found each other (docs/MODEL.md, "Gaps").
 *
 * Measured, in windows of 256: MODIS true colour of 2020-09-27, the whole globe: 6.9 % of all
 * pixels, which is every gap and the polar night to the eye; MODIS Aqua over the trades: 8.3 to
 * 10.2 % with gaps in view; smoke, dust, hurricanes, cloud streets, fires (dark sea, shadows) and
 * 2,800 aerial scenes: 0.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "akin/tile.h"

#define CELL 4u
#define CORE_MAX 8u
#define EDGE_MAX 24u
#define NOISE_MAX 2u
#define CORES_AT_EDGE_MIN 4u
#define CORES_MIN 64u
#define REACH 2u /* cells */
#define RIM_PX CELL

enum cell_state { CELL_OTHER, CELL_CORE, CELL_SEEN, CELL_GAP };

/* The raster in cells; the last of a row or column may be narrower. */
struct cells {
    const struct akin_raster *raster;
    uint32_t rows, cols;
    uint8_t *state;  /* (rows, cols) */
    uint8_t *blacks; /* (rows, cols): pixels that are black */
    uint32_t *queue; /* cells of the area at hand */
    void *block;
};

static inline uint32_t darkness(const uint8_t *pixel, uint32_t bands)
{
    uint32_t max = pixel[0];
    for (uint32_t c = 1; c < bands; c++)
        max = pixel[c] > max ? pixel[c] : max;
    return max;
}

/* By the mean of the bands: JPEG keeps colours coarsely, so that a narrow gap beside red ground is
 * reddish, but not bright. */
static inline bool is_black(const uint8_t *pixel, uint32_t bands)
{
    uint32_t sum = 0;
    for (uint32_t c = 0; c < bands; c++)
        sum += pixel[c];
    return sum <= NOISE_MAX * bands;
}

static const uint8_t *pixel_at(const struct akin_raster *raster, uint32_t x, uint32_t y)
{
    return (const uint8_t *)raster->pixels + ((size_t)y * raster->width + x) * raster->bands;
}

/* The bounds of a cell in pixels. */
static struct akin_window cell_window(const struct cells *cells, uint32_t row, uint32_t col)
{
    struct akin_window at = {col * CELL, row * CELL, CELL, CELL};
    if (at.x + CELL > cells->raster->width)
        at.width = cells->raster->width - at.x;
    if (at.y + CELL > cells->raster->height)
        at.height = cells->raster->height - at.y;
    return at;
}

static bool is_core(const struct cells *cells, uint32_t row, uint32_t col, uint8_t *blacks)
{
    struct akin_window at = cell_window(cells, row, col);
    uint32_t bands = cells->raster->bands;
    *blacks = 0;
    for (uint32_t y = at.y; y < at.y + at.height; y++) {
        const uint8_t *pixel = pixel_at(cells->raster, at.x, y);
        for (uint32_t x = 0; x < at.width; x++, pixel += bands) {
            if (darkness(pixel, bands) > CORE_MAX)
                return false;
            *blacks = (uint8_t)(*blacks + is_black(pixel, bands));
        }
    }
    return true;
}

/* Every core has a dark upper left pixel: most tiles are done after looking at those. */
static uint32_t dark_corners(const struct akin_raster *raster)
{
    uint32_t count = 0;
    for (uint32_t y = 0; y < raster->height; y += CELL) {
        for (uint32_t x = 0; x < raster->width; x += CELL)
            count += darkness(pixel_at(raster, x, y), raster->bands) <= CORE_MAX;
    }
    return count;
}

static void find_cores(struct cells *cells)
{
    for (uint32_t row = 0; row < cells->rows; row++) {
        for (uint32_t col = 0; col < cells->cols; col++) {
            size_t i = (size_t)row * cells->cols + col;
            cells->state[i] = is_core(cells, row, col, &cells->blacks[i]) ? CELL_CORE : CELL_OTHER;
        }
    }
}

/* Queues the cores near one cell; returns the new length of the queue. */
static size_t queue_neighbours(struct cells *cells, uint32_t cell, size_t length)
{
    uint32_t row = cell / cells->cols, col = cell % cells->cols; /* NOLINT: at least 1 */
    uint32_t row_end = row + REACH + 1 < cells->rows ? row + REACH + 1 : cells->rows;
    uint32_t col_end = col + REACH + 1 < cells->cols ? col + REACH + 1 : cells->cols;
    for (uint32_t r = row > REACH ? row - REACH : 0; r < row_end; r++) {
        for (uint32_t c = col > REACH ? col - REACH : 0; c < col_end; c++) {
            uint32_t i = r * cells->cols + c;
            if (cells->state[i] != CELL_CORE)
                continue;
            cells->state[i] = CELL_SEEN;
            cells->queue[length++] = i;
        }
    }
    return length;
}

static bool touches_edge(const struct cells *cells, uint32_t cell)
{
    uint32_t row = cell / cells->cols, col = cell % cells->cols; /* NOLINT: at least 1 */
    return !row || !col || row + 1 == cells->rows || col + 1 == cells->cols;
}

/* Walks the area that `first` belongs to and decides on all of it. Returns whether it is a gap. */
static bool judge_area(struct cells *cells, uint32_t first)
{
    size_t length = 1, pixels = 0, blacks = 0;
    bool at_edge = false;
    cells->queue[0] = first;
    cells->state[first] = CELL_SEEN;
    for (size_t i = 0; i < length; i++) {
        uint32_t cell = cells->queue[i];
        struct akin_window at = cell_window(cells, cell / cells->cols, cell % cells->cols);
        pixels += at.width * at.height;
        blacks += cells->blacks[cell];
        at_edge |= touches_edge(cells, cell);
        length = queue_neighbours(cells, cell, length);
    }
    bool gap = length >= (at_edge ? CORES_AT_EDGE_MIN : CORES_MIN) && blacks * 2 >= pixels;
    for (size_t i = 0; gap && i < length; i++)
        cells->state[cells->queue[i]] = CELL_GAP;
    return gap;
}

static bool near_gap(const struct cells *cells, uint32_t row, uint32_t col, uint32_t reach)
{
    uint32_t row_end = row + reach + 1 < cells->rows ? row + reach + 1 : cells->rows;
    uint32_t col_end = col + reach + 1 < cells->cols ? col + reach + 1 : cells->cols;
    for (uint32_t r = row > reach ? row - reach : 0; r < row_end; r++) {
        for (uint32_t c = col > reach ? col - reach : 0; c < col_end; c++) {
            if (cells->state[(size_t)r * cells->cols + c] == CELL_GAP)
                return true;
        }
    }
    return false;
}

/* Values of the mask while it is made. */
enum { VALID_MISSING = 0, VALID_DARK = 1, VALID_RIM = 2 };

static void mark_dark(const struct cells *cells, struct akin_window at, uint8_t *valid)
{
    const struct akin_raster *raster = cells->raster;
    for (uint32_t y = at.y; y < at.y + at.height; y++) {
        for (uint32_t x = at.x; x < at.x + at.width; x++) {
            uint8_t *mark = &valid[(size_t)y * raster->width + x];
            if (*mark && darkness(pixel_at(raster, x, y), raster->bands) <= EDGE_MAX)
                *mark = VALID_DARK;
        }
    }
}

static bool beside_dark(const struct akin_raster *raster, uint32_t x, uint32_t y)
{
    uint32_t x_end = x + RIM_PX + 1 < raster->width ? x + RIM_PX + 1 : raster->width;
    uint32_t y_end = y + RIM_PX + 1 < raster->height ? y + RIM_PX + 1 : raster->height;
    for (uint32_t v = y > RIM_PX ? y - RIM_PX : 0; v < y_end; v++) {
        for (uint32_t u = x > RIM_PX ? x - RIM_PX : 0; u < x_end; u++) {
            if (raster->valid[(size_t)v * raster->width + u] == VALID_DARK)
                return true;
        }
    }
    return false;
}

static void mark_rim(const struct akin_raster *raster, struct akin_window at)
{
    for (uint32_t y = at.y; y < at.y + at.height; y++) {
        for (uint32_t x = at.x; x < at.x + at.width; x++) {
            uint8_t *mark = &raster->valid[(size_t)y * raster->width + x];
            if (*mark > VALID_RIM && beside_dark(raster, x, y))
                *mark = VALID_RIM;
        }
    }
}

/* Returns how many pixels were marked in raster->valid, which is there. */
static size_t mark_gaps(const struct cells *cells, struct akin_raster *raster)
{
    for (uint32_t row = 0; row < cells->rows; row++) {
        for (uint32_t col = 0; col < cells->cols; col++) {
            if (near_gap(cells, row, col, REACH))
                mark_dark(cells, cell_window(cells, row, col), raster->valid);
        }
    }
    for (uint32_t row = 0; row < cells->rows; row++) {
        for (uint32_t col = 0; col < cells->cols; col++) {
            if (near_gap(cells, row, col, REACH + 1))
                mark_rim(raster, cell_window(cells, row, col));
        }
    }
    size_t marked = 0, area = (size_t)raster->width * raster->height;
    for (size_t i = 0; i < area; i++) {
        bool mark = raster->valid[i] == VALID_DARK || raster->valid[i] == VALID_RIM;
        marked += mark;
        raster->valid[i] = mark ? VALID_MISSING : raster->valid[i];
    }
    return marked;
}

static akin_status cells_init(struct cells *cells, const struct akin_raster *raster,
                              akin_error *err)
{
    *cells = (struct cells){.raster = raster,
                            .rows = (raster->height + CELL - 1) / CELL,
                            .cols = (raster->width + CELL - 1) / CELL};
    size_t count = (size_t)cells->rows * cells->cols;
    size_t each = sizeof *cells->queue + 2;
    cells->block = count <= UINT32_MAX ? akin_alloc(count, each) : NULL;
    if (!cells->block)
        return akin_error_memory(err, count * each, "finding gaps");
    cells->queue = cells->block;
    cells->state = (uint8_t *)(cells->queue + count);
    cells->blacks = cells->state + count;
    return AKIN_OK;
}

static bool find_gaps(struct cells *cells)
{
    bool any = false;
    find_cores(cells);
    uint32_t count = cells->rows * cells->cols;
    for (uint32_t i = 0; i < count; i++) {
        if (cells->state[i] == CELL_CORE)
            any |= judge_area(cells, i);
    }
    return any;
}

akin_status akin_tile_mark_gaps(struct akin_raster *raster, double *share, akin_error *err)
{
    if (raster->dtype != AKIN_U8 || !raster->bands || !raster->width || !raster->height)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "black gaps can be found in 8-bit pictures only");
    *share = 0;
    if (dark_corners(raster) < CORES_AT_EDGE_MIN)
        return AKIN_OK;
    struct cells cells;
    akin_status status = cells_init(&cells, raster, err);
    if (status != AKIN_OK)
        return status;
    size_t area = (size_t)raster->width * raster->height;
    if (find_gaps(&cells)) {
        if (!raster->valid && (raster->valid = akin_alloc(area, 1)))
            memset(raster->valid, 255, area);
        if (raster->valid)
            *share = (double)mark_gaps(&cells, raster) / (double)area;
        else
            status = akin_error_memory(err, area, "a mask");
    }
    akin_free(cells.block);
    return status;
}
