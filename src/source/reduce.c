/*
 * An exact box filter over an image that passes by in strips of rows: each cell of the smaller
 * image is the average of the valid pixels under it, weighted by the area that lies in the cell. A
 * cell without a valid pixel is missing.
 *
 * Positions are kept in whole numbers: in units of 1/out_size of a pixel, pixel p covers [p*out,
 * (p+1)*out) and cell c covers [c*in, (c+1)*in), so that every overlap is exact. As out <= in, a
 * pixel touches two cells at most.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "source_private.h"

#define STRIP_BYTES_MAX ((size_t)32 << 20)

struct reducer {
    uint32_t in_width, in_height, next_row; /* row of the image that comes next */
    struct akin_raster out;
    double *row;  /* (out width, bands + 1): one row's weighted sums, then its weight */
    double *cell; /* the same for the row of cells now being filled */
    uint32_t cell_row;
};

static akin_status reducer_init(struct reducer *r, uint32_t in_width, uint32_t in_height,
                                uint32_t out_width, uint32_t out_height, uint32_t bands,
                                enum akin_dtype dtype, akin_error *err)
{
    *r = (struct reducer){.in_width = in_width, .in_height = in_height};
    akin_status status = akin_raster_init(&r->out, out_width, out_height, bands, dtype, true, err);
    if (status != AKIN_OK)
        return status;
    const size_t sums = (size_t)out_width * (bands + 1);
    r->row = akin_alloc(sums, sizeof(double));
    r->cell = akin_alloc_zero(sums, sizeof(double));
    if (!r->row || !r->cell)
        return akin_error_memory(err, 2 * sums * sizeof(double), "a reduced image");
    return AKIN_OK;
}

static void reducer_fini(struct reducer *r)
{
    akin_raster_fini(&r->out);
    akin_free(r->row);
    akin_free(r->cell);
}

/* Adds one row of pixels, weighted by their share of each cell, to `row`. */
#define SUM_ROW(name, type)                                                                        \
    static void name(const struct reducer *r, const void *pixels, const uint8_t *valid)            \
    {                                                                                              \
        const type *in = pixels;                                                                   \
        const uint32_t bands = r->out.bands;                                                       \
        const uint64_t wide = r->in_width, cells = r->out.width;                                   \
        uint64_t end = wide; /* of the cell at hand */                                             \
        double *cell = r->row;                                                                     \
        for (uint64_t x = 0; x < wide; x++, in += bands) {                                         \
            const uint64_t from = x * cells, to = from + cells;                                    \
            const double here = (double)((to < end ? to : end) - from);                            \
            const double next = to > end ? (double)(to - end) : 0;                                 \
            if (!valid || valid[x]) {                                                              \
                for (uint32_t b = 0; b < bands; b++)                                               \
                    cell[b] += here * (double)in[b];                                               \
                cell[bands] += here;                                                               \
            }                                                                                      \
            if (to < end)                                                                          \
                continue;                                                                          \
            cell += bands + 1;                                                                     \
            end += wide;                                                                           \
            if (next > 0 && (!valid || valid[x])) {                                                \
                for (uint32_t b = 0; b < bands; b++)                                               \
                    cell[b] += next * (double)in[b];                                               \
                cell[bands] += next;                                                               \
            }                                                                                      \
        }                                                                                          \
    }
SUM_ROW(sum_row_u8, uint8_t)
SUM_ROW(sum_row_u16, uint16_t)
SUM_ROW(sum_row_i16, int16_t)
SUM_ROW(sum_row_f32, float)

static void store(struct akin_raster *out, size_t sample, double value)
{
    switch (out->dtype) {
    case AKIN_U8:
        ((uint8_t *)out->pixels)[sample] = (uint8_t)lrint(value);
        break;
    case AKIN_U16:
        ((uint16_t *)out->pixels)[sample] = (uint16_t)lrint(value);
        break;
    case AKIN_I16:
        ((int16_t *)out->pixels)[sample] = (int16_t)lrint(value);
        break;
    default:
        ((float *)out->pixels)[sample] = (float)value;
    }
}

/* Turns the finished row of cells into pixels and begins the next. */
static void finish_cells(struct reducer *r)
{
    struct akin_raster *out = &r->out;
    const uint32_t bands = out->bands;
    for (uint32_t x = 0; x < out->width; x++) {
        const double *cell = r->cell + (size_t)x * (bands + 1);
        const size_t at = (size_t)r->cell_row * out->width + x;
        out->valid[at] = cell[bands] > 0 ? 255 : 0;
        for (uint32_t b = 0; b < bands; b++)
            store(out, at * bands + b, cell[bands] > 0 ? cell[b] / cell[bands] : 0);
    }
    memset(r->cell, 0, (size_t)out->width * (bands + 1) * sizeof(double));
    r->cell_row++;
}

static void add_row(struct reducer *r, double weight)
{
    const size_t sums = (size_t)r->out.width * (r->out.bands + 1);
    for (size_t i = 0; i < sums; i++)
        r->cell[i] += weight * r->row[i];
}

static void reducer_push(struct reducer *r, const struct akin_raster *strip)
{
    static void (*const sum_row[AKIN_DTYPE_COUNT])(const struct reducer *, const void *,
                                                   const uint8_t *) = {sum_row_u8, sum_row_u16,
                                                                       sum_row_i16, sum_row_f32};
    const size_t stride = (size_t)strip->width * strip->bands * akin_dtype_size(strip->dtype);
    const size_t sums = (size_t)r->out.width * (r->out.bands + 1);
    for (uint32_t y = 0; y < strip->height; y++, r->next_row++) {
        memset(r->row, 0, sums * sizeof(double));
        sum_row[strip->dtype](r, (const char *)strip->pixels + y * stride,
                              strip->valid ? strip->valid + (size_t)y * strip->width : NULL);
        const uint64_t from = (uint64_t)r->next_row * r->out.height, to = from + r->out.height;
        const uint64_t end = (uint64_t)(r->cell_row + 1) * r->in_height;
        add_row(r, (double)((to < end ? to : end) - from));
        if (to < end)
            continue;
        finish_cells(r);
        if (to > end)
            add_row(r, (double)(to - end));
    }
}

/* Pushes the whole of source->level through the reducer. */
static akin_status push_level(struct reducer *r, akin_source *source, const struct band_pick *pick,
                              akin_error *err)
{
    const size_t row_bytes =
        (size_t)source->level.width * (pick->load_count * akin_dtype_size(source->info.dtype) + 1);
    const size_t rows = row_bytes < STRIP_BYTES_MAX ? STRIP_BYTES_MAX / row_bytes : 1;
    for (uint32_t y = 0; y < source->level.height;) {
        const uint32_t left = source->level.height - y;
        const struct akin_window window = {0, y, source->level.width,
                                           left < rows ? left : (uint32_t)rows};
        struct akin_raster strip = {0};
        const akin_status status = source_read_level(source, window, pick, &strip, err);
        if (status != AKIN_OK)
            return status;
        reducer_push(r, &strip);
        akin_raster_fini(&strip);
        y += window.height;
    }
    return AKIN_OK;
}

/* `side` scaled by max / longer, at least 1. */
static uint32_t reduced_side(uint32_t side, uint32_t longer, uint32_t max_px)
{
    const uint64_t scaled = ((uint64_t)side * max_px + longer / 2) / longer;
    return scaled > 0 ? (uint32_t)scaled : 1;
}

akin_status akin_source_read_reduced(akin_source *source, uint32_t max_px, const uint32_t *bands,
                                     uint32_t band_count, struct akin_raster *out, akin_error *err)
{
    *out = (struct akin_raster){0};
    const struct akin_source_info *info = &source->info;
    const uint32_t longer = info->width > info->height ? info->width : info->height;
    if (!max_px)
        return akin_error_set(err, AKIN_ERR_INVALID, "an image cannot be reduced to 0 pixels");
    if (longer <= max_px)
        return akin_source_read(source, (struct akin_window){0, 0, info->width, info->height},
                                bands, band_count, out, err);
    struct band_pick pick;
    akin_status status = pick_plan(&pick, source, bands, band_count, err);
    if (status != AKIN_OK)
        return status;
    const uint32_t width = reduced_side(info->width, longer, max_px);
    const uint32_t height = reduced_side(info->height, longer, max_px);
    source->ops->set_level(source, max_px);
    if (source->level.width < width || source->level.height < height)
        source->ops->set_level(source, UINT32_MAX);
    struct reducer reducer;
    status = reducer_init(&reducer, source->level.width, source->level.height, width, height,
                          band_count, info->dtype, err);
    if (status == AKIN_OK)
        status = push_level(&reducer, source, &pick, err);
    if (status == AKIN_OK) {
        raster_drop_full_mask(&reducer.out);
        *out = reducer.out;
        reducer.out = (struct akin_raster){0};
    }
    reducer_fini(&reducer);
    return status;
}
