/*
 * How a scene is to be cut, and the memory that takes. Strips depend on the plan and the sample
 * type alone, so that a later run can go on at any strip's end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cut_plan.h"

#include "chip.h"

#define STRIP_BYTES_MAX ((size_t)64 << 20)
/* A pixel while the source reads it: one band as float, and a mask. */
#define READ_BYTES ((size_t)5)
/* Scratch beside the pixels: outlines of a batch, the reduction's rows, zstd's state. */
#define SCRATCH_BYTES ((size_t)4 << 20)

akin_status akin_cut_plan_init(struct akin_cut_plan *out, const struct akin_settings *settings,
                               akin_source *source, uint32_t scene,
                               const struct akin_scaling *scaling, akin_error *err)
{
    const struct akin_source_info *info = akin_source_info(source);
    struct akin_cut_plan plan = {
        .scene = scene,
        .band_count = settings->bands ? settings->bands : info->bands,
        .scaling = *scaling,
        .input_px = settings->input_px,
        .nodata_max = settings->nodata_max,
        .black_is_gap = settings->black_is_gap && info->has_place && info->dtype == AKIN_U8 &&
                        !info->declares_nodata,
        .chips = settings->chips,
        .order_stride = 1,
        .strip_bytes_max = STRIP_BYTES_MAX,
    };
    akin_status status = akin_source_map_bands(source, plan.band_count, plan.bands, err);
    if (status == AKIN_OK && scaling->bands != plan.band_count)
        status = akin_error_set(err, AKIN_ERR_INVALID,
                                "the scaling is for %u bands, the collection has %u",
                                scaling->bands, plan.band_count);
    if (status == AKIN_OK)
        status =
            akin_grid_init(&plan.grid, settings, info->width, info->height, info->has_place, err);
    if (status == AKIN_OK)
        *out = plan;
    return status;
}

/* Bytes in memory of one pixel with its mask. */
static size_t pixel_bytes(const struct akin_cut_plan *plan, enum akin_dtype dtype)
{
    return plan->band_count * akin_dtype_size(dtype) + 1;
}

/* Width and height of a tile's own raster. */
static struct akin_window tile_size(const struct akin_cut_plan *plan)
{
    struct akin_window size = akin_grid_window(&plan->grid, 0, 0);
    if (plan->grid.whole) {
        size.width = size.width < AKIN_CHIP_PX_MAX ? size.width : AKIN_CHIP_PX_MAX;
        size.height = size.height < AKIN_CHIP_PX_MAX ? size.height : AKIN_CHIP_PX_MAX;
    }
    return size;
}

uint32_t cut_plan_strip_cols(const struct akin_cut_plan *plan, enum akin_dtype dtype)
{
    struct akin_window tile = tile_size(plan);
    uint64_t wide = plan->strip_bytes_max / (tile.height * pixel_bytes(plan, dtype));
    uint64_t cols = wide > tile.width ? 1 + (wide - tile.width) / plan->grid.stride : 1;
    return cols < plan->grid.cols ? (uint32_t)cols : plan->grid.cols;
}

size_t cut_plan_input_bytes(const struct akin_cut_plan *plan)
{
    return (size_t)plan->input_px * plan->input_px * plan->band_count;
}

size_t akin_cut_plan_bytes(const struct akin_cut_plan *plan, enum akin_dtype dtype)
{
    struct akin_window tile = tile_size(plan);
    size_t cols = cut_plan_strip_cols(plan, dtype);
    size_t pixels = (size_t)tile.width * tile.height;
    size_t tile_bytes = pixels * pixel_bytes(plan, dtype);
    size_t width = tile.width + (cols - 1) * plan->grid.stride;
    size_t strip = (width < plan->grid.width ? width : plan->grid.width) * tile.height *
                   (pixel_bytes(plan, dtype) + READ_BYTES);
    size_t each = sizeof(struct akin_tile) + cut_plan_input_bytes(plan) +
                  (size_t)plan->input_px * plan->input_px;
    size_t chip = plan->chips ? chip_bytes_max(tile_bytes - pixels, pixels) : 0;
    /* The tile at hand, its copies masked and in planes, a chip in its growing buffer. */
    return strip + cols * (each + chip) + 3 * tile_bytes + 3 * chip + SCRATCH_BYTES;
}
