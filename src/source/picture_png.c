/*
 * PNG by libpng: 8 bits or fewer, any colour type, interlaced or not. Grey of fewer bits is spread over
 * 0..255 (GDAL gives 0 and 1 for a bilevel picture); a palette becomes the colours it stands for;
 * alpha, or a transparent colour, becomes the mask. 16-bit files go to GDAL.
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

#define CHUNK_BYTES_MAX ((size_t)64 << 20) /* of text and colour profiles, unpacked */

struct coder {
    const uint8_t *bytes; /* what is read, or */
    size_t size, at;
    struct akin_buffer *out; /* what is written */
    png_structp png;
    png_infop info;
    uint8_t *samples, **rows;
    bool no_memory;
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

static void on_read(png_structp png, png_bytep to, size_t count)
{
    struct coder *coder = png_get_io_ptr(png);
    if (count > coder->size - coder->at)
        png_error(png, "the file ends early");
    memcpy(to, coder->bytes + coder->at, count);
    coder->at += count;
}

static void on_write(png_structp png, png_bytep from, size_t count)
{
    struct coder *coder = png_get_io_ptr(png);
    if (akin_buffer_append(coder->out, from, count, NULL) != AKIN_OK) {
        coder->no_memory = true;
        png_error(png, "no room for more");
    }
}

static void on_flush(png_structp png)
{
    (void)png;
}

static void coder_fini(struct coder *coder, bool reads)
{
    if (reads)
        png_destroy_read_struct(&coder->png, &coder->info, NULL);
    else
        png_destroy_write_struct(&coder->png, &coder->info);
    akin_free(coder->samples);
    akin_free(coder->rows);
}

static bool reader_init(struct coder *coder, const void *bytes, size_t size)
{
    *coder = (struct coder){.bytes = bytes, .size = size};
    coder->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, coder, on_error, on_warning);
    coder->info = coder->png ? png_create_info_struct(coder->png) : NULL;
    if (!coder->info)
        return false;
    png_set_user_limits(coder->png, INT32_MAX, INT32_MAX);
    png_set_chunk_malloc_max(coder->png, CHUNK_BYTES_MAX);
    png_set_read_fn(coder->png, coder, on_read);
    return true;
}

static bool read_info(struct coder *coder)
{
    if (setjmp(png_jmpbuf(coder->png)))
        return false;
    png_read_info(coder->png, coder->info);
    return true;
}

static bool palette_is_grey(struct coder *coder)
{
    png_colorp colours = NULL;
    int count = 0;
    if (!png_get_PLTE(coder->png, coder->info, &colours, &count))
        return false;
    for (int i = 0; i < count; i++)
        if (colours[i].red != colours[i].green || colours[i].green != colours[i].blue)
            return false;
    return true;
}

static void describe(struct coder *coder, struct png_header *out)
{
    const int type = png_get_color_type(coder->png, coder->info);
    out->width = png_get_image_width(coder->png, coder->info);
    out->height = png_get_image_height(coder->png, coder->info);
    out->alpha =
        (type & PNG_COLOR_MASK_ALPHA) || png_get_valid(coder->png, coder->info, PNG_INFO_tRNS);
    const bool colour = type == PNG_COLOR_TYPE_PALETTE ? !palette_is_grey(coder)
                                                       : (type & PNG_COLOR_MASK_COLOR) != 0;
    out->bands = colour ? 3 : 1;
    out->known = png_get_bit_depth(coder->png, coder->info) <= 8;
}

static akin_status damaged(const struct coder *coder, akin_error *err)
{
    return akin_error_set(err, AKIN_ERR_CORRUPT, "truncated or damaged PNG (%s)", coder->text);
}

akin_status png_read_header(const void *bytes, size_t size, struct png_header *out, akin_error *err)
{
    struct coder coder;
    *out = (struct png_header){0};
    akin_status status = AKIN_OK;
    if (!reader_init(&coder, bytes, size))
        status = akin_error_memory(err, 0, "a PNG reader");
    else if (!read_info(&coder))
        status = damaged(&coder, err);
    else
        describe(&coder, out);
    coder_fini(&coder, true);
    return status;
}

/* Everything to 8-bit samples, alpha last. False after an error. */
static bool prepare(struct coder *coder, size_t *row_bytes)
{
    if (setjmp(png_jmpbuf(coder->png)))
        return false;
    png_set_expand(coder->png);
    png_set_interlace_handling(coder->png);
    png_read_update_info(coder->png, coder->info);
    *row_bytes = png_get_rowbytes(coder->png, coder->info);
    return true;
}

static bool read_rows(struct coder *coder)
{
    if (setjmp(png_jmpbuf(coder->png)))
        return false;
    png_read_image(coder->png, coder->rows);
    png_read_end(coder->png, NULL);
    return true;
}

static bool allocate(struct coder *coder, uint32_t height, size_t row_bytes)
{
    coder->samples = akin_alloc(height, row_bytes);
    coder->rows = akin_alloc(height, sizeof *coder->rows);
    for (uint32_t y = 0; coder->samples && coder->rows && y < height; y++)
        coder->rows[y] = coder->samples + (size_t)y * row_bytes;
    return coder->samples && coder->rows;
}

/* From `channels` samples a pixel, the last of them alpha if `alpha`, to the raster. */
static void take_apart(const uint8_t *from, unsigned channels, bool alpha, struct akin_raster *out)
{
    const size_t pixels = (size_t)out->width * out->height;
    uint8_t *to = out->pixels;
    if (channels == out->bands) {
        memcpy(to, from, pixels * channels);
        return;
    }
    for (size_t i = 0; i < pixels; i++, from += channels) {
        for (uint32_t b = 0; b < out->bands; b++)
            *to++ = from[b];
        if (alpha)
            out->valid[i] = from[channels - 1] < 128 ? 0 : 255;
    }
}

static akin_status decode(struct coder *coder, struct akin_raster *out, akin_error *err)
{
    struct png_header header;
    size_t row_bytes = 0;
    if (!read_info(coder))
        return damaged(coder, err);
    describe(coder, &header);
    if (!header.known || (uint64_t)header.width * header.height > PICTURE_PIXELS_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "a PNG of %u x %u pixels is too large",
                              header.width, header.height);
    if (!prepare(coder, &row_bytes))
        return damaged(coder, err);
    if (!allocate(coder, header.height, row_bytes))
        return akin_error_memory(err, row_bytes * header.height, "a PNG");
    if (!read_rows(coder))
        return damaged(coder, err);
    const akin_status status = akin_raster_init(out, header.width, header.height, header.bands,
                                                AKIN_U8, header.alpha, err);
    if (status == AKIN_OK) {
        take_apart(coder->samples, (unsigned)(row_bytes / header.width), header.alpha, out);
        raster_drop_full_mask(out);
    }
    return status;
}

akin_status png_decode(const void *bytes, size_t size, struct akin_raster *out, akin_error *err)
{
    struct coder coder;
    *out = (struct akin_raster){0};
    const akin_status status = reader_init(&coder, bytes, size)
                                   ? decode(&coder, out, err)
                                   : akin_error_memory(err, 0, "a PNG reader");
    coder_fini(&coder, true);
    return status;
}

/* ---- writing ---- */

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
        mix_row(raster, y, coder->samples);
        png_write_row(coder->png, coder->samples);
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
    coder.samples = akin_alloc(raster->width, (raster->bands + 1) * akin_dtype_size(raster->dtype));
    akin_status status = AKIN_OK;
    if (!coder.info || !coder.samples) {
        status = akin_error_memory(err, raster->width, "a PNG");
    } else {
        png_set_write_fn(coder.png, &coder, on_write, on_flush);
        if (!write_all(&coder, raster)) {
            out->size = before;
            status = akin_error_set(err, coder.no_memory ? AKIN_ERR_LIMIT : AKIN_ERR_UNSUPPORTED,
                                    "cannot write a PNG of %u x %u pixels: %s", raster->width,
                                    raster->height, coder.text);
        }
    }
    coder_fini(&coder, false);
    return status;
}
