/*
 * What the encoder sees: a tile averaged down to input_px by input_px, scaled to 8 bits, its
 * missing cells mirror-filled.
 *
 * Output cell i of n covers the pixels from i * size / n to (i + 1) * size / n; a pixel that two
 * cells share counts in each by its share. In units of 1/n pixel every weight is a whole number,
 * and the weights of a cell add up to `size`:
 *
 *     pixels   |---0---|---1---|---2---|---3---|---4---|     size = 5, n = 2
 *     cells    |---------0---------|---------1---------|     weights 2 2 1 | 1 2 2
 *
 * Sums go down the columns first, then along the row. For 8 bits, the hot path of tiling, kernels
 * make them (vec.h), and they are exact: whole numbers in u16, float and double within their range.
 * A mask is averaged in the same way as one more band, and missing pixels are set to 0 before, so
 * that the mean of the valid pixels is one sum over the other. Other sample types go through double.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "akin/tile.h"
#include "akin/vec.h"
#include "fill.h"

#define INPUT_PX_MAX 4096u
/* So many bytes can be added in 16 bits. */
#define FULL_ROWS_MAX 257u

static struct akin_box box_at(uint32_t size, uint32_t n, uint32_t cell)
{
    uint64_t begin = (uint64_t)cell * size, end = begin + size;
    struct akin_box box = {.first = (uint32_t)(begin / n), .last = (uint32_t)((end - 1) / n)};
    if (box.first == box.last) {
        box.head = size;
    } else {
        box.head = (uint32_t)((box.first + (uint64_t)1) * n - begin);
        box.tail = (uint32_t)(end - (uint64_t)box.last * n);
    }
    return box;
}

/* One call's state: the image, and scratch that all lies in one block. */
struct job {
    const struct akin_raster *raster;
    const uint8_t *pixels; /* of an 8-bit raster, missing ones set to 0 */
    uint32_t n;            /* cells a side */
    double gain[AKIN_BANDS_MAX], offset[AKIN_BANDS_MAX];
    struct akin_box *boxes; /* (n), along the row */
    double *sums;           /* (n, bands) of the row of cells at hand */
    double *scale, *shift;  /* (n, bands): from sums to bytes where no pixel is missing */
    double *weights;        /* (n) */
    double *values;         /* (width, bands): one row of pixels as double */
    double *column;         /* (width, bands): weighted sums of rows, as double */
    double *column_weight;  /* (width) */
    float *column_u8;       /* (width, bands): the same for 8 bits, exact */
    uint8_t *masked;        /* (height, width, bands) where an 8-bit raster has a mask */
    void *block;
};

/* ---- 8 bits ---- */

/* Columns, then cells, of one row of cells. At most 255 * height <= 2^24 in a column: exact. */
static void sum_row_u8(struct job *job, const uint8_t *pixels, uint32_t bands, struct akin_box rows,
                       double *sums)
{
    const struct akin_kernels *kernels = akin_kernels();
    const size_t width = job->raster->width;
    const float middle = (float)job->n;
    const float weights[3] = {(float)rows.head, middle, (float)rows.tail};
    kernels->weigh_rows_u8(job->column_u8, pixels + rows.first * width * bands,
                           rows.last - rows.first + 1, weights, width * bands);
    kernels->sum_boxes(sums, job->column_u8, width, job->boxes, job->n, middle, bands);
}

static void cells_of_row_u8(struct job *job, struct akin_box rows)
{
    const struct akin_raster *raster = job->raster;
    sum_row_u8(job, job->pixels, raster->bands, rows, job->sums);
    if (raster->valid) {
        sum_row_u8(job, raster->valid, 1, rows, job->weights);
        for (uint32_t cell = 0; cell < job->n; cell++)
            job->weights[cell] *= 1.0 / 255;
    }
}

/* ---- any sample type ---- */

static void load_row(const struct akin_raster *raster, uint32_t y, double *out)
{
    size_t count = (size_t)raster->width * raster->bands;
    const uint8_t *row =
        (const uint8_t *)raster->pixels + y * count * akin_dtype_size(raster->dtype);
#define LOAD_AS(type)                                                                              \
    do {                                                                                           \
        const type *values = (const type *)(const void *)row;                                      \
        for (size_t i = 0; i < count; i++)                                                         \
            out[i] = (double)values[i];                                                            \
    } while (0)
    switch (raster->dtype) {
    case AKIN_U16:
        LOAD_AS(uint16_t);
        break;
    case AKIN_I16:
        LOAD_AS(int16_t);
        break;
    case AKIN_F32:
        LOAD_AS(float);
        break;
    default:
        LOAD_AS(uint8_t);
        break;
    }
#undef LOAD_AS
}

/* A pixel with a value that is not finite is missing, whatever the mask says. */
static bool pixel_finite(const double *values, uint32_t bands)
{
    for (uint32_t c = 0; c < bands; c++) {
        if (!isfinite(values[c]))
            return false;
    }
    return true;
}

static void add_pixels(struct job *job, uint32_t y, double weight)
{
    const struct akin_raster *raster = job->raster;
    const uint8_t *valid = raster->valid ? raster->valid + (size_t)y * raster->width : NULL;
    uint32_t bands = raster->bands;
    bool check = raster->dtype == AKIN_F32;
    load_row(raster, y, job->values);
    for (uint32_t x = 0; x < raster->width; x++) {
        const double *values = job->values + (size_t)x * bands;
        if ((valid && !valid[x]) || (check && !pixel_finite(values, bands)))
            continue;
        job->column_weight[x] += weight;
        for (uint32_t c = 0; c < bands; c++)
            job->column[(size_t)x * bands + c] += weight * values[c];
    }
}

static void cells_of_row_any(struct job *job, struct akin_box rows)
{
    uint32_t bands = job->raster->bands, width = job->raster->width;
    memset(job->column, 0, (size_t)width * bands * sizeof *job->column);
    memset(job->column_weight, 0, width * sizeof *job->column_weight);
    for (uint32_t y = rows.first; y <= rows.last; y++)
        add_pixels(job, y, y == rows.first ? rows.head : y == rows.last ? rows.tail : job->n);

    memset(job->sums, 0, (size_t)job->n * bands * sizeof *job->sums);
    for (uint32_t cell = 0; cell < job->n; cell++) {
        struct akin_box box = job->boxes[cell];
        job->weights[cell] = 0;
        for (uint32_t x = box.first; x <= box.last; x++) {
            double weight = x == box.first ? box.head : x == box.last ? box.tail : job->n;
            job->weights[cell] += weight * job->column_weight[x];
            for (uint32_t c = 0; c < bands; c++)
                job->sums[(size_t)cell * bands + c] += weight * job->column[(size_t)x * bands + c];
        }
    }
}

/* ---- from sums to bytes ---- */

static uint8_t to_u8(double value)
{
    value = value < 255 ? value : 255; /* NaN, which a limitless gain might make, too */
    return value > 0 ? (uint8_t)value : 0;
}

/* One row of cells under which nothing is missing. */
static void write_whole_cells(const struct job *job, uint8_t *input, uint8_t *filled)
{
    akin_kernels()->bytes_from_f64(input, job->sums, job->scale, job->shift,
                                   (size_t)job->n * job->raster->bands);
    memset(filled, 255, job->n);
}

/* One row of cells; returns how many have nothing valid under them. */
static uint32_t write_cells(const struct job *job, uint8_t *input, uint8_t *filled)
{
    uint32_t bands = job->raster->bands, missing = 0;
    for (uint32_t cell = 0; cell < job->n; cell++) {
        double weight = job->weights[cell];
        double inverse = weight > 0 ? 1 / weight : 0;
        const double *sum = job->sums + (size_t)cell * bands;
        uint8_t *out = input + (size_t)cell * bands;
        for (uint32_t c = 0; c < bands; c++)
            out[c] = to_u8(sum[c] * inverse * job->gain[c] + job->offset[c]);
        filled[cell] = weight > 0 ? 255 : 0;
        missing += !(weight > 0);
    }
    return missing;
}

/* Means of bytes are multiples of 1 / (width * height) >= 2^-28 apart, so that this much more than
 * a half makes halves round up despite the last bit of a double, and moves nothing else. */
#define ROUND (0.5 + 1e-9)

static akin_status set_scaling(struct job *job, const struct akin_scaling *scaling, akin_error *err)
{
    for (uint32_t c = 0; c < job->raster->bands; c++) {
        double range = scaling->high[c] - scaling->low[c];
        if (!(range > 0) || !isfinite(range))
            return akin_error_set(err, AKIN_ERR_INVALID, "the scaling of band %u is from %g to %g",
                                  c + 1, scaling->low[c], scaling->high[c]);
        job->gain[c] = 255 / range;
        job->offset[c] = ROUND - scaling->low[c] * job->gain[c];
    }
    return AKIN_OK;
}

static bool exact_in_u8(const struct akin_raster *raster, uint32_t n)
{
    return raster->dtype == AKIN_U8 && raster->height / n < FULL_ROWS_MAX &&
           raster->height <= (1u << 24) / 255;
}

/* Cuts the next `count` * `size` bytes off the block; with a NULL block only adds up. */
static void *take(uint8_t *block, size_t *used, size_t count, size_t size)
{
    void *at = block ? block + *used : NULL;
    *used += (count * size + AKIN_ALIGN - 1) / AKIN_ALIGN * AKIN_ALIGN;
    return at;
}

static size_t lay_out(struct job *job, bool u8, uint8_t *block)
{
    const struct akin_raster *raster = job->raster;
    size_t used = 0, width = raster->width, row = width * raster->bands, n = job->n;
    job->boxes = take(block, &used, n, sizeof *job->boxes);
    job->sums = take(block, &used, n * raster->bands, sizeof *job->sums);
    job->weights = take(block, &used, n, sizeof *job->weights);
    if (u8) {
        job->column_u8 = take(block, &used, row, sizeof *job->column_u8);
        job->scale = take(block, &used, n * raster->bands, sizeof *job->scale);
        job->shift = take(block, &used, n * raster->bands, sizeof *job->shift);
        if (raster->valid)
            job->masked = take(block, &used, row, raster->height);
    } else {
        job->values = take(block, &used, row, sizeof *job->values);
        job->column = take(block, &used, row, sizeof *job->column);
        job->column_weight = take(block, &used, width, sizeof *job->column_weight);
    }
    return used;
}

/* Missing pixels must add nothing. Called with a constant number of bands where speed matters. */
static inline __attribute__((always_inline)) void mask_bytes(uint8_t *restrict out,
                                                             const uint8_t *restrict pixels,
                                                             const uint8_t *restrict valid,
                                                             size_t count, size_t bands)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t c = 0; c < bands; c++)
            out[i * bands + c] = pixels[i * bands + c] & valid[i];
    }
}

static void mask_pixels(struct job *job)
{
    const struct akin_raster *raster = job->raster;
    size_t count = (size_t)raster->width * raster->height;
    if (raster->bands == 3)
        mask_bytes(job->masked, raster->pixels, raster->valid, count, 3);
    else
        mask_bytes(job->masked, raster->pixels, raster->valid, count, raster->bands);
    job->pixels = job->masked;
}

/* The bands' gain and offset, cell after cell. */
static void spread_scaling(struct job *job)
{
    const uint32_t bands = job->raster->bands;
    const double area = (double)job->raster->width * job->raster->height;
    for (size_t i = 0; i < (size_t)job->n * bands; i++) {
        job->scale[i] = job->gain[i % bands] / area;
        job->shift[i] = job->offset[i % bands];
    }
}

static akin_status prepare(struct job *job, bool u8, akin_error *err)
{
    size_t bytes = lay_out(job, u8, NULL);
    job->block = akin_alloc(bytes, 1);
    if (!job->block)
        return akin_error_memory(err, bytes, "reducing a tile");
    lay_out(job, u8, job->block);
    job->pixels = job->raster->pixels;
    if (u8 && job->raster->valid)
        mask_pixels(job);
    for (uint32_t cell = 0; cell < job->n; cell++)
        job->boxes[cell] = box_at(job->raster->width, job->n, cell);
    if (u8)
        spread_scaling(job);
    return AKIN_OK;
}

static akin_status check_request(const struct akin_raster *raster,
                                 const struct akin_scaling *scaling, uint32_t input_px,
                                 akin_error *err)
{
    if (!raster->width || !raster->height || !raster->bands || raster->bands > AKIN_BANDS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "a picture of %ux%u pixels and %u bands",
                              raster->width, raster->height, raster->bands);
    if (scaling->bands != raster->bands)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the picture has %u bands, the collection's scaling %u",
                              raster->bands, scaling->bands);
    if (!input_px || input_px > INPUT_PX_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "an input side of %u pixels: 1 to %u",
                              input_px, INPUT_PX_MAX);
    return AKIN_OK;
}

/* filled is not NULL here. */
static akin_status reduce(struct job *job, uint8_t *input, uint8_t *filled, akin_error *err)
{
    const struct akin_raster *raster = job->raster;
    uint32_t n = job->n, missing = 0;
    bool u8 = exact_in_u8(raster, n);
    akin_status status = prepare(job, u8, err);
    if (status != AKIN_OK)
        return status;
    for (uint32_t row = 0; row < n; row++) {
        struct akin_box rows = box_at(raster->height, n, row);
        if (u8)
            cells_of_row_u8(job, rows);
        else
            cells_of_row_any(job, rows);
        uint8_t *out = input + (size_t)row * n * raster->bands, *there = filled + (size_t)row * n;
        if (u8 && !raster->valid)
            write_whole_cells(job, out, there);
        else
            missing += write_cells(job, out, there);
    }
    if (missing)
        status = fill_mirror(input, filled, n, n, raster->bands, err);
    akin_free(job->block);
    return status;
}

akin_status akin_tile_input(const struct akin_raster *raster, const struct akin_scaling *scaling,
                            uint32_t input_px, uint8_t *input, uint8_t *filled, akin_error *err)
{
    akin_status status = check_request(raster, scaling, input_px, err);
    if (status != AKIN_OK)
        return status;
    struct job job = {.raster = raster, .n = input_px};
    status = set_scaling(&job, scaling, err);
    if (status != AKIN_OK)
        return status;
    uint8_t *own = filled ? NULL : akin_alloc((size_t)input_px * input_px, 1);
    if (!filled && !own)
        return akin_error_memory(err, (size_t)input_px * input_px, "reducing a tile");
    status = reduce(&job, input, filled ? filled : own, err);
    akin_free(own);
    return status;
}
