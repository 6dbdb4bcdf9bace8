/*
 * Maps of cosines drawn over the tiles' pictures, side by side: a picture in grey below, the map
 * between its cells' centres bilinearly above it, from dark (the lowest value of all the maps) to
 * bright (the highest), so that the tiles can be compared.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "engine.h"
#include "thumbnail.h"

#define BOX_PX 256 /* longest side of a picture */
#define GAP_PX 4
#define COLUMNS 5

/* The colours of the scale, black-violet to yellow, as of the viridis family: even steps look even,
 * in grey and to colour-blind eyes too. */
static const uint8_t ramp[][3] = {{13, 8, 60},   {84, 15, 109},  {156, 41, 99},
                                  {221, 82, 58}, {249, 143, 17}, {246, 215, 70}};
#define RAMP_STEPS (sizeof ramp / sizeof *ramp - 1)

static void heat_colour(double share, double out[3])
{
    const double at = fmin(1, fmax(0, share)) * RAMP_STEPS;
    const size_t step = at >= RAMP_STEPS ? RAMP_STEPS - 1 : (size_t)at;
    for (int c = 0; c < 3; c++)
        out[c] = ramp[step][c] + (at - (double)step) * (ramp[step + 1][c] - ramp[step][c]);
}

/* Between the centres of `count` cells at x of 0..1: the lower one, and the weight of the next. */
static double between(double x, uint32_t count, uint32_t *lower)
{
    const double at = fmin(count - 1, fmax(0, x * count - 0.5));
    *lower = at >= count - 1 && count > 1 ? count - 2 : (uint32_t)at;
    return count > 1 ? at - *lower : 0;
}

static double score_at(const struct akin_where *map, double x, double y)
{
    uint32_t row, col;
    const double below = between(y, map->rows, &row), right = between(x, map->cols, &col);
    const float *upper = map->scores + (size_t)row * map->cols + col;
    const float *lower = map->rows > 1 ? upper + map->cols : upper;
    const size_t next = map->cols > 1;
    return (1 - below) * ((1 - right) * upper[0] + right * upper[next]) +
           below * ((1 - right) * lower[0] + right * lower[next]);
}

struct drawing {
    struct akin_raster *out; /* 3 bands */
    double low, high;        /* the scale's ends */
};

/* The best is the most visible: where nothing is alike the picture shows through. */
static void draw_pixel(uint8_t *to, const uint8_t *picture, uint32_t bands, double share)
{
    double colour[3];
    const double grey =
        bands < 3 ? picture[0] : 0.299 * picture[0] + 0.587 * picture[1] + 0.114 * picture[2];
    const double weight = 0.7 * share * share;
    heat_colour(share, colour);
    for (int c = 0; c < 3; c++)
        to[c] = (uint8_t)((1 - weight) * grey + weight * colour[c] + 0.5);
}

/* One side of a picture when its longest one fills the box. */
static uint32_t in_box(const struct akin_raster *picture, uint32_t side)
{
    const uint32_t longest = picture->width > picture->height ? picture->width : picture->height;
    const uint32_t px = (uint32_t)((uint64_t)side * BOX_PX / longest);
    return px ? px : 1;
}

/* `picture` (1 or 3 bands) enlarged to the box at left, top. */
static void draw_tile(const struct drawing *drawing, const struct akin_where *map,
                      const struct akin_raster *picture, uint32_t left, uint32_t top)
{
    const uint32_t width = in_box(picture, picture->width);
    const uint32_t height = in_box(picture, picture->height);
    const double span = drawing->high > drawing->low ? drawing->high - drawing->low : 1;
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            const size_t from = (size_t)(y * picture->height / height) * picture->width +
                                x * picture->width / width;
            const size_t to = (size_t)(top + y) * drawing->out->width + left + x;
            const double score = score_at(map, (x + 0.5) / width, (y + 0.5) / height);
            draw_pixel((uint8_t *)drawing->out->pixels + 3 * to,
                       (const uint8_t *)picture->pixels + from * picture->bands, picture->bands,
                       (score - drawing->low) / span);
        }
}

static void add_range(struct drawing *drawing, const struct akin_where *map)
{
    for (size_t c = 0; c < (size_t)map->rows * map->cols; c++) {
        drawing->low = fmin(drawing->low, map->scores[c]);
        drawing->high = fmax(drawing->high, map->scores[c]);
    }
}

/* The tile as people see it. */
static akin_status read_picture(akin_engine *engine, uint64_t key, struct akin_raster *picture,
                                akin_error *err)
{
    struct akin_raster raster = {0};
    struct akin_scaling scaling;
    akin_status status = engine_tile(engine, key, &raster, &scaling, err);
    if (status == AKIN_OK)
        status = thumbnail_reduce(&raster, &scaling, BOX_PX, picture, err);
    akin_raster_fini(&raster);
    return status;
}

static akin_status draw_all(akin_engine *engine, const struct drawing *drawing,
                            const struct akin_where *maps, size_t count, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < count && status == AKIN_OK; i++) {
        struct akin_raster picture = {0};
        status = read_picture(engine, maps[i].key, &picture, err);
        if (status == AKIN_OK)
            draw_tile(drawing, &maps[i], &picture,
                      GAP_PX + (uint32_t)(i % COLUMNS) * (BOX_PX + GAP_PX),
                      GAP_PX + (uint32_t)(i / COLUMNS) * (BOX_PX + GAP_PX));
        akin_raster_fini(&picture);
    }
    return status;
}

akin_status akin_where_tile_png(akin_engine *engine, const struct akin_where *map,
                                struct akin_buffer *out, akin_error *err)
{
    if (!engine || !map || !map->scores || !out)
        return akin_error_set(err, AKIN_ERR_INVALID, "no map to draw");
    struct akin_raster picture = {0}, drawn = {0};
    struct drawing drawing = {&drawn, INFINITY, -INFINITY};
    add_range(&drawing, map);
    akin_status status = read_picture(engine, map->key, &picture, err);
    if (status == AKIN_OK)
        status = akin_raster_init(&drawn, in_box(&picture, picture.width),
                                  in_box(&picture, picture.height), 3, AKIN_U8, false, err);
    if (status == AKIN_OK) {
        draw_tile(&drawing, map, &picture, 0, 0);
        status = akin_png_encode(&drawn, out, err);
    }
    akin_raster_fini(&picture);
    akin_raster_fini(&drawn);
    return status;
}

akin_status akin_where_png(akin_engine *engine, const struct akin_where *maps, size_t count,
                           struct akin_buffer *out, akin_error *err)
{
    if (!engine || !maps || !count || count > AKIN_WHERE_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "%zu maps to draw: 1 to %d are possible",
                              count, AKIN_WHERE_MAX);
    const uint32_t columns = count < COLUMNS ? (uint32_t)count : COLUMNS;
    const uint32_t rows = (uint32_t)((count + COLUMNS - 1) / COLUMNS);
    struct akin_raster sheet = {0};
    struct drawing drawing = {&sheet, INFINITY, -INFINITY};
    for (size_t i = 0; i < count; i++)
        add_range(&drawing, &maps[i]);
    akin_status status =
        akin_raster_init(&sheet, GAP_PX + columns * (BOX_PX + GAP_PX),
                         GAP_PX + rows * (BOX_PX + GAP_PX), 3, AKIN_U8, false, err);
    if (status != AKIN_OK)
        return status;
    memset(sheet.pixels, 255, (size_t)sheet.width * sheet.height * 3);
    status = draw_all(engine, &drawing, maps, count, err);
    if (status == AKIN_OK)
        status = akin_png_encode(&sheet, out, err);
    akin_raster_fini(&sheet);
    return status;
}
