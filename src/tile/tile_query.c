/*
 * A picture given as a query becomes tiles through the cutter itself, so that it is treated
 * exactly like an indexed one; only chips are left out, and the strips are joined into one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "akin/tile.h"
#include "cut_plan.h"

/* Copies the tiles of `strip` behind those of `out`, whose arrays have room. */
static akin_status join(struct akin_strip *out, const struct akin_strip *strip, size_t input_bytes,
                        size_t cells, akin_error *err)
{
    for (size_t i = 0; i < strip->count; i++) {
        struct akin_tile *tile = &out->tiles[out->count];
        uint8_t *input = tile->input;
        *tile = strip->tiles[i];
        tile->input = memcpy(input, strip->tiles[i].input, input_bytes);
        if (tile->filled) {
            uint8_t *filled = akin_arena_alloc(out->memory, cells, 1);
            if (!filled)
                return akin_error_memory(err, cells, "a tile's mask");
            tile->filled = memcpy(filled, tile->filled, cells);
            out->bytes += cells;
        }
        out->count++;
    }
    out->skipped += strip->skipped;
    out->windows += strip->windows;
    return AKIN_OK;
}

static akin_status make_room(struct akin_strip *out, size_t windows, size_t input_bytes,
                             size_t cells, akin_error *err)
{
    akin_arena *arena = NULL;
    size_t each = sizeof *out->tiles + input_bytes + cells + 2 * AKIN_ALIGN, limit;
    if (!akin_size_mul(&limit, windows, each) || limit > SIZE_MAX / 4)
        return akin_error_memory(err, SIZE_MAX, "a query's tiles");
    akin_status status = akin_arena_create(&arena, 2 * limit + ((size_t)16 << 20), err);
    if (status != AKIN_OK)
        return status;
    out->memory = arena;
    out->tiles = akin_arena_alloc(arena, windows, sizeof *out->tiles);
    uint8_t *inputs = akin_arena_alloc(arena, windows, input_bytes);
    if (!out->tiles || !inputs)
        return akin_error_memory(err, windows * each, "a query's tiles");
    for (size_t i = 0; i < windows; i++)
        out->tiles[i] = (struct akin_tile){.input = inputs + i * input_bytes};
    out->bytes = windows * (sizeof *out->tiles + input_bytes);
    return AKIN_OK;
}

static akin_status cut_all(struct akin_strip *out, akin_source *source,
                           const struct akin_cut_plan *plan, akin_error *err)
{
    akin_cutter *cutter = NULL;
    struct akin_strip strip = {0};
    size_t input_bytes = cut_plan_input_bytes(plan);
    size_t cells = (size_t)plan->input_px * plan->input_px;
    akin_status status =
        make_room(out, (size_t)akin_grid_count(&plan->grid), input_bytes, cells, err);
    if (status == AKIN_OK)
        status = akin_cutter_open(&cutter, source, plan, err);
    while (status == AKIN_OK && (status = akin_cutter_next(cutter, &strip, err)) == AKIN_OK &&
           strip.windows) {
        status = join(out, &strip, input_bytes, cells, err);
        akin_strip_free(&strip);
    }
    akin_cutter_close(cutter);
    return status;
}

akin_status akin_tile_query(struct akin_strip *out, akin_source *source,
                            const struct akin_settings *settings,
                            const struct akin_scaling *scaling, uint32_t windows_max,
                            akin_error *err)
{
    struct akin_cut_plan plan;
    struct akin_strip strip = {0};
    akin_status status = akin_cut_plan_init(&plan, settings, source, 0, scaling, err);
    if (status != AKIN_OK)
        return status;
    uint64_t windows = akin_grid_count(&plan.grid);
    if (windows > windows_max)
        return akin_error_set(
            err, AKIN_ERR_LIMIT,
            "the query's picture of %ux%u pixels makes %llu tiles of %u pixels; at "
            "most %u are taken: cut out the part that matters",
            plan.grid.width, plan.grid.height, (unsigned long long)windows, plan.grid.tile_px,
            windows_max);
    plan.chips = false;
    status = cut_all(&strip, source, &plan, err);
    if (status == AKIN_OK)
        *out = strip;
    else
        akin_strip_free(&strip);
    return status;
}
