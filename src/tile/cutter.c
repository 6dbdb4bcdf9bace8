/*
 * Cuts a scene into strips of tiles. A strip's pixels are read once, its tiles are views of them;
 * what is handed out lies in one arena that the strip owns. Queries are cut by the same code.
 *
 * The texture is measured on the encoder's input, not on the tile's own pixels: a sixteenth of the
 * work at 256 to 64, and it tells flat from rich just as well. Filled cells are left out.
 *
 * A whole picture whose file is a JPEG no larger than a chip may be becomes a chip as it is: no
 * second loss, and no time spent on encoding.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "akin/tile.h"
#include "chip.h"
#include "cut_plan.h"
#include "footprint.h"

#define WRAP_BYTES_MAX ((size_t)1 << 20) /* a JPEG with more than that holds more than its pixels */
#define ARENA_SLACK ((size_t)16 << 20)   /* an arena takes whole blocks */

struct akin_cutter {
    akin_source *source;
    const struct akin_source_info *info;
    const struct akin_cut_plan *plan;
    uint32_t strip_cols;
    uint64_t position;
    struct chip_codec codec;
    struct akin_buffer chip; /* the one being made */
    struct akin_raster tile; /* copied out of the strip; the mask is always there */
    uint8_t *filled;         /* (input_px, input_px) */
};

static akin_status check_plan(const struct akin_cut_plan *plan, const struct akin_source_info *info,
                              uint32_t strip_cols, akin_error *err)
{
    if (plan->grid.width != info->width || plan->grid.height != info->height)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the plan is for %ux%u pixels, the image has %ux%u", plan->grid.width,
                              plan->grid.height, info->width, info->height);
    if (plan->start > akin_grid_count(&plan->grid) ||
        plan->start % plan->grid.cols % strip_cols != 0)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "cutting cannot go on at tile %llu: no strip begins there",
                              (unsigned long long)plan->start);
    return AKIN_OK;
}

static akin_status take_memory(akin_cutter *cutter, akin_error *err)
{
    const struct akin_cut_plan *plan = cutter->plan;
    size_t cells = (size_t)plan->input_px * plan->input_px;
    cutter->filled = akin_alloc(cells, 1);
    if (!cutter->filled)
        return akin_error_memory(err, cells, "cutting");
    akin_status status = AKIN_OK;
    if (!plan->grid.whole) {
        struct akin_window window = akin_grid_window(&plan->grid, 0, 0);
        status = akin_raster_init(&cutter->tile, window.width, window.height, plan->band_count,
                                  cutter->info->dtype, true, err);
    }
    chip_codec_init(&cutter->codec);
    return status;
}

akin_status akin_cutter_open(akin_cutter **out, akin_source *source,
                             const struct akin_cut_plan *plan, akin_error *err)
{
    const struct akin_source_info *info = akin_source_info(source);
    uint32_t strip_cols = cut_plan_strip_cols(plan, info->dtype);
    akin_status status = check_plan(plan, info, strip_cols, err);
    if (status != AKIN_OK)
        return status;
    akin_cutter *cutter = akin_alloc_zero(1, sizeof *cutter);
    if (!cutter)
        return akin_error_memory(err, sizeof *cutter, "cutting");
    cutter->source = source;
    cutter->info = info;
    cutter->plan = plan;
    cutter->strip_cols = strip_cols;
    cutter->position = plan->start;
    akin_buffer_init(&cutter->chip, akin_cut_plan_bytes(plan, info->dtype) + WRAP_BYTES_MAX);
    status = take_memory(cutter, err);
    if (status == AKIN_OK)
        *out = cutter;
    else
        akin_cutter_close(cutter);
    return status;
}

void akin_cutter_close(akin_cutter *cutter)
{
    if (!cutter)
        return;
    chip_codec_fini(&cutter->codec);
    akin_buffer_fini(&cutter->chip);
    akin_raster_fini(&cutter->tile);
    akin_free(cutter->filled);
    akin_free(cutter);
}

void akin_strip_free(struct akin_strip *strip)
{
    akin_arena_free(strip->memory);
    *strip = (struct akin_strip){0};
}

/* ---- one tile ---- */

static uint8_t share_to_u8(double share)
{
    double value = ceil(share * 255);
    return value < 255 ? (uint8_t)value : 255;
}

static double missing_share(const struct akin_raster *raster)
{
    if (!raster->valid)
        return 0;
    size_t count = (size_t)raster->width * raster->height, missing = 0;
    for (size_t i = 0; i < count; i++)
        missing += raster->valid[i] == 0;
    return (double)missing / (double)count;
}

/* Of the cells that are there: how many, and the sums of their greys (`bands` times the mean) and of
 * their squares. */
struct moments {
    uint64_t count, sum, sum_squared;
};

/* Called with a constant number of bands where speed matters. */
static inline __attribute__((always_inline)) struct moments
grey_moments(const uint8_t *input, const uint8_t *filled, size_t cells, uint32_t bands)
{
    struct moments m = {0};
    for (size_t i = 0; i < cells; i++) {
        uint32_t grey = 0;
        for (uint32_t c = 0; c < bands; c++)
            grey += input[i * bands + c];
        grey = filled[i] ? grey : 0;
        m.sum += grey;
        m.sum_squared += (uint64_t)grey * grey;
        m.count += filled[i] != 0;
    }
    return m;
}

/* Twice the standard deviation of the mean over the bands, of the cells that were there. */
static uint8_t texture_of(const uint8_t *input, const uint8_t *filled, size_t cells, uint32_t bands)
{
    struct moments m = bands == 3 ? grey_moments(input, filled, cells, 3)
                                  : grey_moments(input, filled, cells, bands);
    if (!m.count)
        return 0;
    double mean = (double)m.sum / (double)m.count;
    double variance = (double)m.sum_squared / (double)m.count - mean * mean;
    double halves = 2 * sqrt(variance > 0 ? variance : 0) / bands + 0.5;
    return halves < 255 ? (uint8_t)halves : 255;
}

/* `bytes` of the strip's memory, counted. */
static void *keep(struct akin_strip *strip, size_t bytes)
{
    strip->bytes += bytes;
    return akin_arena_alloc(strip->memory, bytes, 1);
}

static bool may_wrap(const akin_cutter *cutter, size_t jpeg_bytes)
{
    const struct akin_cut_plan *plan = cutter->plan;
    bool same_bands = plan->band_count == cutter->info->bands;
    for (uint32_t b = 0; same_bands && b < plan->band_count; b++)
        same_bands = plan->bands[b] == b;
    return same_bands && jpeg_bytes <= WRAP_BYTES_MAX;
}

static akin_status make_chip(akin_cutter *cutter, const struct akin_raster *raster, akin_error *err)
{
    const struct akin_source_info *info = cutter->info;
    akin_buffer_clear(&cutter->chip);
    if (cutter->plan->grid.whole && info->whole_jpeg && !raster->valid &&
        info->width <= AKIN_CHIP_PX_MAX && info->height <= AKIN_CHIP_PX_MAX) {
        const void *jpeg = NULL;
        size_t bytes = 0;
        akin_status status = akin_source_jpeg_bytes(cutter->source, &jpeg, &bytes, err);
        if (status != AKIN_OK)
            return status;
        if (may_wrap(cutter, bytes))
            return akin_chip_wrap_jpeg(jpeg, bytes, info->width, info->height, info->bands,
                                       &cutter->chip, err);
    }
    return chip_encode_with(&cutter->codec, raster, &cutter->chip, err);
}

static akin_status keep_chip(akin_cutter *cutter, const struct akin_raster *raster,
                             struct akin_strip *strip, struct akin_tile *tile, akin_error *err)
{
    akin_status status = make_chip(cutter, raster, err);
    if (status != AKIN_OK)
        return status;
    void *copy = keep(strip, cutter->chip.size);
    if (!copy)
        return akin_error_memory(err, cutter->chip.size, "a chip");
    memcpy(copy, cutter->chip.data, cutter->chip.size);
    tile->chip = copy;
    tile->chip_bytes = cutter->chip.size;
    return AKIN_OK;
}

static akin_status keep_filled(const akin_cutter *cutter, struct akin_strip *strip,
                               struct akin_tile *tile, akin_error *err)
{
    size_t cells = (size_t)cutter->plan->input_px * cutter->plan->input_px;
    if (!memchr(cutter->filled, 0, cells))
        return AKIN_OK;
    tile->filled = keep(strip, cells);
    if (!tile->filled)
        return akin_error_memory(err, cells, "a tile's mask");
    memcpy(tile->filled, cutter->filled, cells);
    return AKIN_OK;
}

/* Everything about one tile but its place; it is counted as kept or skipped. */
static akin_status add_tile(akin_cutter *cutter, struct akin_raster *raster, uint64_t key,
                            struct akin_strip *strip, akin_error *err)
{
    const struct akin_cut_plan *plan = cutter->plan;
    double gap = 0;
    akin_status status = AKIN_OK;
    if (plan->black_is_gap)
        status = akin_tile_mark_gaps(raster, &gap, err);
    if (status != AKIN_OK)
        return status;
    double nodata = missing_share(raster);
    if (nodata > plan->nodata_max) {
        strip->skipped++;
        return AKIN_OK;
    }
    struct akin_tile *tile = &strip->tiles[strip->count];
    status =
        akin_tile_input(raster, &plan->scaling, plan->input_px, tile->input, cutter->filled, err);
    if (status != AKIN_OK)
        return status;
    size_t cells = (size_t)plan->input_px * plan->input_px;
    struct akin_interval time = cutter->info->time;
    tile->columns = (struct akin_columns){
        .key = key,
        .begin_ms = time.begin_ms,
        .end_ms = time.end_ms,
        .nodata = share_to_u8(nodata),
        .gap = share_to_u8(gap),
        .texture = texture_of(tile->input, cutter->filled, cells, plan->band_count),
    };
    status = keep_filled(cutter, strip, tile, err);
    if (status == AKIN_OK && plan->chips)
        status = keep_chip(cutter, raster, strip, tile, err);
    strip->count += status == AKIN_OK;
    return status;
}

/* ---- one strip ---- */

/* Copies the tile that begins at column x of the strip, which is as high as the tile. */
static void copy_view(struct akin_raster *tile, const struct akin_raster *strip, uint32_t x)
{
    size_t pixel = tile->bands * akin_dtype_size(tile->dtype);
    for (size_t y = 0; y < tile->height; y++) {
        const uint8_t *row = (const uint8_t *)strip->pixels + (y * strip->width + x) * pixel;
        memcpy((uint8_t *)tile->pixels + y * tile->width * pixel, row, tile->width * pixel);
        if (strip->valid)
            memcpy(tile->valid + y * tile->width, strip->valid + y * strip->width + x, tile->width);
    }
}

static akin_status add_view(akin_cutter *cutter, const struct akin_raster *pixels, uint32_t x,
                            uint64_t key, struct akin_strip *strip, akin_error *err)
{
    copy_view(&cutter->tile, pixels, x);
    struct akin_raster tile = cutter->tile;
    if (!pixels->valid)
        tile.valid = NULL;
    akin_status status = add_tile(cutter, &tile, key, strip, err);
    if (!pixels->valid)
        akin_free(tile.valid); /* gaps were marked */
    return status;
}

/* Arena, tiles and their inputs for `cols` tiles. */
static akin_status strip_init(struct akin_strip *strip, const akin_cutter *cutter, uint32_t cols,
                              akin_error *err)
{
    akin_arena *arena = NULL;
    size_t each = cut_plan_input_bytes(cutter->plan);
    size_t limit = akin_cut_plan_bytes(cutter->plan, cutter->info->dtype) + ARENA_SLACK;
    *strip = (struct akin_strip){.position = cutter->position, .windows = cols};
    akin_status status = akin_arena_create(&arena, limit, err);
    if (status != AKIN_OK)
        return status;
    strip->memory = arena;
    strip->tiles = keep(strip, cols * sizeof *strip->tiles);
    uint8_t *inputs = keep(strip, cols * each);
    if (!strip->tiles || !inputs)
        return akin_error_memory(err, cols * each, "a strip of tiles");
    memset(strip->tiles, 0, cols * sizeof *strip->tiles);
    for (uint32_t i = 0; i < cols; i++)
        strip->tiles[i].input = inputs + i * each;
    return AKIN_OK;
}

static akin_status read_strip(akin_cutter *cutter, uint32_t row, uint32_t col, uint32_t cols,
                              struct akin_raster *out, akin_error *err)
{
    const struct akin_cut_plan *plan = cutter->plan;
    if (plan->grid.whole)
        return akin_source_read_reduced(cutter->source, AKIN_CHIP_PX_MAX, plan->bands,
                                        plan->band_count, out, err);
    struct akin_window window = akin_grid_window(&plan->grid, row, col);
    struct akin_window last = akin_grid_window(&plan->grid, row, col + cols - 1);
    window.width = last.x + last.width - window.x;
    return akin_source_read(cutter->source, window, plan->bands, plan->band_count, out, err);
}

static akin_status cut_strip(akin_cutter *cutter, uint32_t row, uint32_t col, uint32_t cols,
                             struct akin_strip *strip, akin_error *err)
{
    const struct akin_grid *grid = &cutter->plan->grid;
    struct akin_raster pixels = {0};
    akin_status status = strip_init(strip, cutter, cols, err);
    if (status == AKIN_OK)
        status = read_strip(cutter, row, col, cols, &pixels, err);
    uint32_t left = akin_grid_window(grid, row, col).x;
    for (uint32_t i = 0; status == AKIN_OK && i < cols; i++) {
        uint64_t key = akin_tile_key(cutter->plan->scene, 0, row, col + i);
        if (grid->whole)
            status = add_tile(cutter, &pixels, key, strip, err);
        else
            status = add_view(cutter, &pixels, akin_grid_window(grid, row, col + i).x - left, key,
                              strip, err);
    }
    akin_raster_fini(&pixels);
    if (status == AKIN_OK)
        status = footprint_of_tiles(cutter->source, grid, strip->tiles, strip->count, err);
    return status;
}

akin_status akin_cutter_next(akin_cutter *cutter, struct akin_strip *out, akin_error *err)
{
    const struct akin_grid *grid = &cutter->plan->grid;
    struct akin_strip strip = {.position = cutter->position};
    if (cutter->position >= akin_grid_count(grid)) {
        *out = strip;
        return AKIN_OK;
    }
    uint32_t col = (uint32_t)(cutter->position % grid->cols);
    uint32_t row = akin_grid_row_at(grid, cutter->plan->order_stride,
                                    (uint32_t)(cutter->position / grid->cols));
    uint32_t cols = grid->cols - col < cutter->strip_cols ? grid->cols - col : cutter->strip_cols;
    akin_status status = cut_strip(cutter, row, col, cols, &strip, err);
    if (status != AKIN_OK) {
        akin_strip_free(&strip);
        return status;
    }
    cutter->position += cols;
    *out = strip;
    return AKIN_OK;
}
