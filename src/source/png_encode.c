/*
 * PNG for pages and answers: 8 or 16 bits, grey or colour, the mask as alpha. (Reading PNG is
 * GDAL's: measured, libpng alone is no faster; docs/BENCHMARKS.md.)
 *
 * libpng reports errors by longjmp: what a jump must not lose lives in struct coder.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

#include "source_private.h"

struct coder {
    struct akin_buffer *out;
    png_structp png;
    png_infop info;
    uint8_t *row; /* at hand */
    bool no_room;
    char text[256];
};

static void on_error(png_structp png, png_const_charp text)
{
    struct coder *coder = png_get_error_ptr(png);
    snprintf(coder->text, sizeof coder->text, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_write(png_structp png, png_bytep from, size_t count)
{
    struct coder *coder = png_get_io_ptr(png);
    if (akin_buffer_append(coder->out, from, count, NULL) != AKIN_OK) {
        coder->no_room = true;
        png_error(png, "no room for more");
    }
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* Interleaves one row with the mask as alpha, at the raster's depth. */
static void mix_row(const struct akin_raster *raster, uint32_t y, uint8_t *row)
{
    const size_t size = akin_dtype_size(raster->dtype), pixel = size * raster->bands;
    const uint8_t *from = (const uint8_t *)raster->pixels + (size_t)y * raster->width * pixel;
    for (uint32_t x = 0; x < raster->width; x++, from += pixel) {
        memcpy(row, from, pixel);
        row += pixel;
        if (raster->valid) {
            memset(row, raster->valid[(size_t)y * raster->width + x], size);
            row += size;
        }
    }
}

static bool write_all(struct coder *coder, const struct akin_raster *raster)
{
    const int type = (raster->bands == 3 ? PNG_COLOR_MASK_COLOR : 0) |
                     (raster->valid ? PNG_COLOR_MASK_ALPHA : 0);
    if (setjmp(png_jmpbuf(coder->png)))
        return false;
    png_set_IHDR(coder->png, coder->info, raster->width, raster->height,
                 raster->dtype == AKIN_U8 ? 8 : 16, type, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(coder->png, coder->info);
    if (raster->dtype == AKIN_U16)
        png_set_swap(coder->png); /* PNG is big-endian, we are not */
    for (uint32_t y = 0; y < raster->height; y++) {
        mix_row(raster, y, coder->row);
        png_write_row(coder->png, coder->row);
    }
    png_write_end(coder->png, coder->info);
    return true;
}

akin_status akin_png_encode(const struct akin_raster *raster, struct akin_buffer *out,
                            akin_error *err)
{
    if ((raster->dtype != AKIN_U8 && raster->dtype != AKIN_U16) ||
        (raster->bands != 1 && raster->bands != 3) || !raster->width || !raster->height)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "PNG holds images of 1 or 3 bands of 8 or 16 bits, not %u x %u, %u "
                              "bands of type %s",
                              raster->width, raster->height, raster->bands,
                              akin_dtype_name(raster->dtype));
    struct coder coder = {.out = out};
    const size_t before = out->size;
    coder.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &coder, on_error, on_warning);
    coder.info = coder.png ? png_create_info_struct(coder.png) : NULL;
    coder.row = akin_alloc(raster->width, (raster->bands + 1) * akin_dtype_size(raster->dtype));
    akin_status status = AKIN_OK;
    if (!coder.info || !coder.row) {
        status = akin_error_memory(err, raster->width, "a PNG");
    } else {
        png_set_write_fn(coder.png, &coder, on_write, on_flush);
        if (!write_all(&coder, raster)) {
            out->size = before;
            status = akin_error_set(err, coder.no_room ? AKIN_ERR_LIMIT : AKIN_ERR_UNSUPPORTED,
                                    "cannot write a PNG of %u x %u pixels: %s", raster->width,
                                    raster->height, coder.text);
        }
    }
    png_destroy_write_struct(&coder.png, &coder.info);
    akin_free(coder.row);
    return status;
}
