/*
 * Drawing a scene into a square of a map: tile by tile, each pixel of the square that lies in a tile's
 * footprint takes the pixel of the overview, or of the tile's chip, that is there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "engine.h"
#include "map_quad.h"
#include "overview.h"
#include "thumbnail.h"

#define MERCATOR_LAT_MAX 85.0511287798066

/* ---- the grids ---- */

static double lon_at(const struct akin_map_square *square, double px)
{
    const double across = ldexp(square->grid == AKIN_MAP_LONLAT ? 2 : 1, (int)square->z);
    return (square->x + px / AKIN_MAP_PX) / across * 360 - 180;
}

static double lat_at(const struct akin_map_square *square, double py)
{
    const double share = (square->y + py / AKIN_MAP_PX) / ldexp(1, (int)square->z);
    if (square->grid == AKIN_MAP_LONLAT)
        return 90 - 180 * share;
    return atan(sinh(M_PI * (1 - 2 * share))) * (180 / M_PI);
}

/* Pixel from the square's left, from its top; may lie outside. */
static double px_of(const struct akin_map_square *square, double lon_deg)
{
    const double across = ldexp(square->grid == AKIN_MAP_LONLAT ? 2 : 1, (int)square->z);
    return ((lon_deg + 180) / 360 * across - square->x) * AKIN_MAP_PX;
}

static double py_of(const struct akin_map_square *square, double lat_deg)
{
    double share;
    if (square->grid == AKIN_MAP_LONLAT) {
        share = (90 - lat_deg) / 180;
    } else {
        const double lat = fmax(-MERCATOR_LAT_MAX, fmin(MERCATOR_LAT_MAX, lat_deg));
        share = 0.5 - asinh(tan(lat * (M_PI / 180))) / (2 * M_PI);
    }
    return (share * ldexp(1, (int)square->z) - square->y) * AKIN_MAP_PX;
}

akin_status akin_map_square_bbox(const struct akin_map_square *square, struct akin_bbox *out,
                                 akin_error *err)
{
    const uint64_t down = (uint64_t)1 << (square->z & 31);
    const uint64_t across = square->grid == AKIN_MAP_LONLAT ? 2 * down : down;
    if (square->z > AKIN_MAP_ZOOM_MAX || square->x >= across || square->y >= down)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the grid has no square %" PRIu32 "/%" PRIu32 "/%" PRIu32, square->z,
                              square->x, square->y);
    *out = (struct akin_bbox){lon_at(square, 0), lat_at(square, AKIN_MAP_PX),
                              lon_at(square, AKIN_MAP_PX), lat_at(square, 0)};
    return AKIN_OK;
}

/* ---- drawing ---- */

struct drawing {
    akin_engine *engine;
    const akin_overview *overview;
    const struct akin_map_square *square;
    struct akin_raster *out;
    uint32_t level;                            /* of the overview */
    bool use_chips;                            /* the overview is too coarse */
    uint32_t reduce;                           /* chips are reduced so many times */
    double lon[AKIN_MAP_PX], lat[AKIN_MAP_PX]; /* of pixel centres */
};

/* Where the pixels of one tile come from. */
struct picture {
    const struct akin_raster *raster;
    double x0, y0, x_span, y_span; /* the tile's window in it */
};

/* Pixels of the square that a footprint may touch: columns [x0, x1), rows [y0, y1). */
struct reach {
    uint32_t x0, x1, y0, y1;
};

static uint32_t clamp(double px)
{
    return px <= 0 ? 0 : px >= AKIN_MAP_PX ? AKIN_MAP_PX : (uint32_t)px;
}

static struct reach reach_of(const struct drawing *drawing, struct akin_bbox box)
{
    struct reach reach = {.x1 = AKIN_MAP_PX,
                          .y0 = clamp(floor(py_of(drawing->square, box.north))),
                          .y1 = clamp(ceil(py_of(drawing->square, box.south)) + 1)};
    if (box.west <= box.east) {
        reach.x0 = clamp(floor(px_of(drawing->square, box.west)));
        reach.x1 = clamp(ceil(px_of(drawing->square, box.east)) + 1);
    }
    return reach;
}

static bool any_open(const struct akin_raster *out, const struct reach *reach)
{
    for (uint32_t y = reach->y0; y < reach->y1 && reach->x0 < reach->x1; y++)
        if (memchr(out->valid + (size_t)y * AKIN_MAP_PX + reach->x0, 0, reach->x1 - reach->x0))
            return true;
    return false;
}

static uint32_t pixel_at(double begin, double span, double share, uint32_t size)
{
    const double at = begin + span * share;
    return at <= 0 ? 0 : at >= size - 1 ? size - 1 : (uint32_t)at;
}

static void paint(struct drawing *drawing, const struct map_quad *quad, const struct reach *reach,
                  const struct picture *picture)
{
    struct akin_raster *out = drawing->out;
    const struct akin_raster *from = picture->raster;
    double u, v;
    for (uint32_t y = reach->y0; y < reach->y1; y++)
        for (uint32_t x = reach->x0; x < reach->x1; x++) {
            const size_t to = (size_t)y * AKIN_MAP_PX + x;
            if (out->valid[to] || !map_quad_find(quad, drawing->lon[x], drawing->lat[y], &u, &v))
                continue;
            const size_t at =
                (size_t)pixel_at(picture->y0, picture->y_span, v, from->height) * from->width +
                pixel_at(picture->x0, picture->x_span, u, from->width);
            if (from->valid && !from->valid[at])
                continue;
            memcpy((uint8_t *)out->pixels + to * out->bands,
                   (const uint8_t *)from->pixels + at * from->bands, out->bands);
            out->valid[to] = 255;
        }
}

static void paint_overview(struct drawing *drawing, const struct map_quad *quad,
                           const struct reach *reach, uint64_t key)
{
    const struct akin_window window =
        akin_grid_window(&drawing->overview->grid, akin_tile_row(key), akin_tile_col(key));
    const double scale = 1.0 / ldexp(drawing->overview->factor, (int)drawing->level);
    const struct picture picture = {&drawing->overview->levels[drawing->level], window.x * scale,
                                    window.y * scale, window.width * scale, window.height * scale};
    paint(drawing, quad, reach, &picture);
}

static akin_status paint_chip(struct drawing *drawing, const struct map_quad *quad,
                              const struct reach *reach, uint64_t key, akin_error *err)
{
    struct akin_raster raster = {0}, small = {0};
    struct akin_scaling scaling;
    akin_status status = engine_tile(drawing->engine, key, &raster, &scaling, err);
    if (status == AKIN_ERR_CORRUPT || status == AKIN_ERR_NOT_FOUND)
        return AKIN_OK; /* a hole, of which the overview has warned */
    const uint32_t longest = raster.width > raster.height ? raster.width : raster.height;
    if (status == AKIN_OK)
        status = thumbnail_reduce(&raster, &scaling,
                                  longest / drawing->reduce ? longest / drawing->reduce : 1, &small,
                                  err);
    if (status == AKIN_OK && small.bands == drawing->out->bands) {
        const struct picture picture = {&small, 0, 0, small.width, small.height};
        paint(drawing, quad, reach, &picture);
    }
    akin_raster_fini(&raster);
    akin_raster_fini(&small);
    return status;
}

static akin_status draw(struct drawing *drawing, struct akin_bbox square_box, akin_error *err)
{
    const akin_overview *overview = drawing->overview;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < overview->tile_count && status == AKIN_OK; i++) {
        const struct akin_columns *tile = &overview->tiles[i];
        const struct akin_bbox box = akin_columns_bbox(tile);
        struct map_quad quad;
        if (!akin_bbox_intersects(box, square_box))
            continue;
        const struct reach reach = reach_of(drawing, box);
        if (!any_open(drawing->out, &reach) || !map_quad_init(&quad, tile))
            continue;
        if (drawing->use_chips)
            status = paint_chip(drawing, &quad, &reach, tile->key, err);
        else
            paint_overview(drawing, &quad, &reach, tile->key);
    }
    return status;
}

/* From how wide the square's pixels are at its middle. */
static void choose_level(struct drawing *drawing)
{
    const double height =
        lat_at(drawing->square, AKIN_MAP_PX / 2.0) - lat_at(drawing->square, AKIN_MAP_PX / 2.0 + 1);
    double pixels = height / drawing->overview->pixel_deg; /* of the scene under one of the map */
    drawing->reduce = 1;
    drawing->use_chips = drawing->overview->factor > 1 && pixels < drawing->overview->factor;
    for (; drawing->use_chips && pixels >= 2; pixels /= 2)
        drawing->reduce *= 2;
    pixels /= drawing->overview->factor;
    for (;
         !drawing->use_chips && pixels >= 2 && drawing->level + 1 < drawing->overview->level_count;
         pixels /= 2)
        drawing->level++;
}

akin_status akin_map_draw(akin_engine *engine, const akin_overview *overview,
                          const struct akin_map_square *square, struct akin_raster *out,
                          akin_error *err)
{
    struct akin_bbox box;
    if (!engine || !overview || !square || !out)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine, overview or square given");
    akin_status status = akin_map_square_bbox(square, &box, err);
    if (status != AKIN_OK)
        return status;
    if (!akin_bbox_intersects(box, overview->bbox))
        return akin_error_set(err, AKIN_ERR_NOT_FOUND,
                              "scene %" PRIu32 " is not in square %" PRIu32 "/%" PRIu32 "/%" PRIu32,
                              overview->scene, square->z, square->x, square->y);
    struct drawing *drawing = akin_alloc_zero(1, sizeof *drawing);
    if (!drawing)
        return akin_error_memory(err, sizeof *drawing, "a map");
    struct akin_raster raster = {0};
    *drawing =
        (struct drawing){.engine = engine, .overview = overview, .square = square, .out = &raster};
    for (int i = 0; i < AKIN_MAP_PX; i++) {
        drawing->lon[i] = lon_at(square, i + 0.5);
        drawing->lat[i] = lat_at(square, i + 0.5);
    }
    choose_level(drawing);
    status =
        akin_raster_init(&raster, AKIN_MAP_PX, AKIN_MAP_PX, overview->bands, AKIN_U8, true, err);
    if (status == AKIN_OK) {
        memset(raster.valid, 0, (size_t)AKIN_MAP_PX * AKIN_MAP_PX);
        memset(raster.pixels, 0, (size_t)AKIN_MAP_PX * AKIN_MAP_PX * raster.bands);
        status = draw(drawing, box, err);
    }
    akin_free(drawing);
    if (status == AKIN_OK)
        *out = raster;
    else
        akin_raster_fini(&raster);
    return status;
}
