/*
 * Putting a scene together from its chips: each chip is reduced and laid where its window is; tiles that
 * overlap others are only used for what the others leave open.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "overview.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "thumbnail.h"

#define PAGE_ROWS 4096

/* ---- the scene's tiles ---- */

static akin_status read_tiles(akin_overview *overview, const akin_index *index, akin_error *err)
{
    uint64_t first = akin_tile_key(overview->scene, 0, 0, 0);
    const uint64_t behind = first + ((uint64_t)1 << 32);
    size_t capacity = 0;
    for (bool more = true; more && first < behind;) {
        size_t count = 0;
        if (overview->tile_count + PAGE_ROWS > capacity) {
            const size_t wanted = capacity ? 2 * capacity : PAGE_ROWS;
            struct akin_columns *tiles =
                akin_realloc(overview->tiles, capacity * sizeof *tiles, wanted * sizeof *tiles);
            if (!tiles)
                return akin_error_memory(err, wanted * sizeof *tiles, "a scene's tiles");
            overview->tiles = tiles;
            capacity = wanted;
        }
        struct akin_columns *page = overview->tiles + overview->tile_count;
        akin_status status =
            akin_index_page(index, first, NULL, page, PAGE_ROWS, &count, &first, &more, err);
        if (status != AKIN_OK)
            return status;
        for (size_t i = 0; i < count; i++)
            if (page[i].key < behind)
                overview->tile_count++;
        if (overview->tile_count > AKIN_OVERVIEW_TILES_MAX)
            return akin_error_set(err, AKIN_ERR_LIMIT,
                                  "scene %" PRIu32 " has more than %d tiles: too many for a map",
                                  overview->scene, AKIN_OVERVIEW_TILES_MAX);
    }
    return AKIN_OK;
}

/* Whether a tile belongs to the rows and columns that just cover the scene. */
static bool is_cover(const struct akin_grid *grid, uint64_t key)
{
    const uint32_t step = (grid->tile_px + grid->stride - 1) / grid->stride;
    const uint32_t row = akin_tile_row(key), col = akin_tile_col(key);
    return (row % step == 0 || row + 1 == grid->rows) && (col % step == 0 || col + 1 == grid->cols);
}

/* Stable: the covering ones first. */
static akin_status order_tiles(akin_overview *overview, akin_error *err)
{
    struct akin_columns *others = akin_alloc(overview->tile_count, sizeof *others);
    size_t kept = 0, put_by = 0;
    if (!others)
        return akin_error_memory(err, overview->tile_count * sizeof *others, "a scene's tiles");
    for (size_t i = 0; i < overview->tile_count; i++)
        if (is_cover(&overview->grid, overview->tiles[i].key))
            overview->tiles[kept++] = overview->tiles[i];
        else
            others[put_by++] = overview->tiles[i];
    memcpy(overview->tiles + kept, others, put_by * sizeof *others);
    akin_free(others);
    return AKIN_OK;
}

static void measure(akin_overview *overview)
{
    double height = 0;
    for (size_t i = 0; i < overview->tile_count; i++) {
        const struct akin_bbox box = akin_columns_bbox(&overview->tiles[i]);
        const struct akin_window window =
            akin_grid_window(&overview->grid, akin_tile_row(overview->tiles[i].key),
                             akin_tile_col(overview->tiles[i].key));
        overview->bbox = i ? akin_bbox_union(overview->bbox, box) : box;
        const double px = (box.north - box.south) / window.height;
        if (!i || px < height)
            height = px;
    }
    overview->pixel_deg = height > 1e-9 ? height : 1e-9;
}

/* ---- the pixels ---- */

/* Whether anything under a window is still open. */
static bool is_open(const struct akin_raster *raster, uint32_t x0, uint32_t y0, uint32_t x1,
                    uint32_t y1)
{
    for (uint32_t y = y0; y < y1; y++)
        if (memchr(raster->valid + (size_t)y * raster->width + x0, 0, x1 - x0))
            return true;
    return false;
}

static void lay(struct akin_raster *to, const struct akin_raster *from, uint32_t x0, uint32_t y0,
                uint32_t x1, uint32_t y1)
{
    for (uint32_t y = y0; y < y1; y++)
        for (uint32_t x = x0; x < x1; x++) {
            const size_t at = (size_t)y * to->width + x;
            if (to->valid[at])
                continue;
            const uint32_t fx = (uint32_t)((uint64_t)(x - x0) * from->width / (x1 - x0));
            const uint32_t fy = (uint32_t)((uint64_t)(y - y0) * from->height / (y1 - y0));
            memcpy((uint8_t *)to->pixels + at * to->bands,
                   (const uint8_t *)from->pixels + ((size_t)fy * from->width + fx) * from->bands,
                   to->bands);
            to->valid[at] = 255;
        }
}

static akin_status lay_tile(akin_overview *overview, akin_engine *engine, uint64_t key,
                            akin_error *err)
{
    struct akin_raster *to = &overview->levels[0], raster = {0}, small = {0};
    const struct akin_window window =
        akin_grid_window(&overview->grid, akin_tile_row(key), akin_tile_col(key));
    const uint32_t f = overview->factor, x0 = window.x / f, y0 = window.y / f;
    uint32_t x1 = (window.x + window.width + f - 1) / f,
             y1 = (window.y + window.height + f - 1) / f;
    x1 = x1 < to->width ? x1 : to->width;
    y1 = y1 < to->height ? y1 : to->height;
    if (x0 >= x1 || y0 >= y1 || !is_open(to, x0, y0, x1, y1))
        return AKIN_OK;
    struct akin_scaling scaling;
    const uint32_t longest = x1 - x0 > y1 - y0 ? x1 - x0 : y1 - y0;
    akin_status status = engine_tile(engine, key, &raster, &scaling, err);
    if (status == AKIN_OK)
        status = thumbnail_reduce(&raster, &scaling, longest, &small, err);
    if (status == AKIN_OK)
        lay(to, &small, x0, y0, x1, y1);
    akin_raster_fini(&raster);
    akin_raster_fini(&small);
    return status;
}

/* Half of each side: the mean of the pixels that are there. */
static akin_status halve(struct akin_raster *out, const struct akin_raster *from, akin_error *err)
{
    akin_status status = akin_raster_init(out, (from->width + 1) / 2, (from->height + 1) / 2,
                                          from->bands, AKIN_U8, true, err);
    if (status != AKIN_OK)
        return status;
    const uint8_t *pixels = from->pixels;
    for (uint32_t y = 0; y < out->height; y++)
        for (uint32_t x = 0; x < out->width; x++) {
            unsigned sum[3] = {0}, count = 0;
            for (uint32_t j = 2 * y; j < 2 * y + 2 && j < from->height; j++)
                for (uint32_t i = 2 * x; i < 2 * x + 2 && i < from->width; i++) {
                    const size_t at = (size_t)j * from->width + i;
                    if (!from->valid[at])
                        continue;
                    count++;
                    for (uint32_t b = 0; b < from->bands; b++)
                        sum[b] += pixels[at * from->bands + b];
                }
            const size_t to = (size_t)y * out->width + x;
            out->valid[to] = count ? 255 : 0;
            for (uint32_t b = 0; b < from->bands; b++)
                ((uint8_t *)out->pixels)[to * from->bands + b] =
                    (uint8_t)(count ? (sum[b] + count / 2) / count : 0);
        }
    return AKIN_OK;
}

static akin_status make_levels(akin_overview *overview, akin_engine *engine, akin_error *err)
{
    const struct akin_grid *grid = &overview->grid;
    const uint32_t longest = grid->width > grid->height ? grid->width : grid->height;
    overview->factor = 1;
    while ((longest + overview->factor - 1) / overview->factor > AKIN_OVERVIEW_PX)
        overview->factor *= 2;
    const uint32_t f = overview->factor;
    akin_status status =
        akin_raster_init(&overview->levels[0], (grid->width + f - 1) / f,
                         (grid->height + f - 1) / f, overview->bands, AKIN_U8, true, err);
    if (status != AKIN_OK)
        return status;
    overview->level_count = 1;
    const size_t cells = (size_t)overview->levels[0].width * overview->levels[0].height;
    memset(overview->levels[0].valid, 0, cells);
    memset(overview->levels[0].pixels, 0, cells * overview->bands);
    for (size_t i = 0; i < overview->tile_count && status == AKIN_OK; i++) {
        akin_error why = {0};
        status = lay_tile(overview, engine, overview->tiles[i].key, &why);
        if (status == AKIN_ERR_CORRUPT || status == AKIN_ERR_NOT_FOUND) {
            /* A damaged picture leaves a hole in the map. */
            akin_log(engine->talk, AKIN_LEVEL_WARN, "search", "%s", why.text);
            status = AKIN_OK;
        } else if (status != AKIN_OK) {
            return akin_error_set(err, status, "%s", why.text);
        }
    }
    while (status == AKIN_OK && overview->level_count < OVERVIEW_LEVELS_MAX &&
           overview->levels[overview->level_count - 1].width > 1 &&
           overview->levels[overview->level_count - 1].height > 1) {
        status = halve(&overview->levels[overview->level_count],
                       &overview->levels[overview->level_count - 1], err);
        overview->level_count += status == AKIN_OK;
    }
    return status;
}

/* ---- the whole ---- */

static akin_status look_up(akin_overview *overview, akin_engine *engine, akin_error *err)
{
    const struct akin_scene *scene;
    const struct akin_settings *settings = akin_catalog_settings(engine->catalog);
    akin_status status = akin_engine_scene(engine, overview->scene, &scene, err);
    if (status != AKIN_OK)
        return status;
    if (!akin_bbox_known(scene->bbox))
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "scene %" PRIu32 " has no place, so no map", overview->scene);
    if (!settings->chips)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "this collection keeps no pictures of its tiles (--no-chips)");
    overview->bands = settings->bands < 3 ? 1 : 3;
    return akin_grid_init(&overview->grid, settings, scene->width, scene->height, true, err);
}

akin_status akin_overview_create(akin_overview **out, akin_engine *engine, uint32_t scene,
                                 akin_error *err)
{
    if (!out || !engine)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine given");
    akin_overview *overview = akin_alloc_zero(1, sizeof *overview);
    if (!overview)
        return akin_error_memory(err, sizeof *overview, "an overview");
    overview->scene = scene;
    akin_status status = look_up(overview, engine, err);
    if (status == AKIN_OK)
        status = read_tiles(overview, engine->index, err);
    if (status == AKIN_OK && !overview->tile_count)
        status = akin_error_set(err, AKIN_ERR_NOT_FOUND, "scene %" PRIu32 " has no tiles", scene);
    if (status == AKIN_OK)
        status = order_tiles(overview, err);
    if (status == AKIN_OK) {
        measure(overview);
        status = make_levels(overview, engine, err);
    }
    if (status == AKIN_OK)
        *out = overview;
    else
        akin_overview_free(overview);
    return status;
}

void akin_overview_free(akin_overview *overview)
{
    if (!overview)
        return;
    for (uint32_t i = 0; i < overview->level_count; i++)
        akin_raster_fini(&overview->levels[i]);
    akin_free(overview->tiles);
    akin_free(overview);
}

size_t akin_overview_bytes(const akin_overview *overview)
{
    size_t bytes = sizeof *overview + overview->tile_count * sizeof *overview->tiles;
    for (uint32_t i = 0; i < overview->level_count; i++)
        bytes +=
            (size_t)overview->levels[i].width * overview->levels[i].height * (overview->bands + 1);
    return bytes;
}

struct akin_bbox akin_overview_bbox(const akin_overview *overview)
{
    return overview->bbox;
}

double akin_overview_pixel_deg(const akin_overview *overview)
{
    return overview->pixel_deg;
}
