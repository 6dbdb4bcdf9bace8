/*
 * The fast path: a plain JPEG or PNG, decoded whole at its first read and kept until close. Why it is
 * there: GDAL's opening and block cache cost more than decoding a small picture (docs/BENCHMARKS.md).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "source_private.h"

struct picture {
    struct akin_buffer owned; /* the file, or empty where it is borrowed */
    const void *bytes;
    size_t size;
    bool jpeg;
    unsigned denominator; /* at which `whole` was decoded; 0 = not yet */
    struct akin_raster whole;
};

bool picture_is_jpeg(const void *bytes, size_t size)
{
    return size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

bool picture_is_png(const void *bytes, size_t size)
{
    return size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static void picture_close(akin_source *source)
{
    struct picture *picture = source->image;
    if (!picture)
        return;
    akin_raster_fini(&picture->whole);
    akin_buffer_fini(&picture->owned);
    akin_free(picture);
    source->image = NULL;
}

/* level.index is the denominator of libjpeg's scaled decoding; -1 full. A picture that is decoded
 * already is not decoded again. */
static void picture_set_level(akin_source *source, uint32_t px)
{
    const struct picture *picture = source->image;
    unsigned denominator = 1;
    const uint32_t longer =
        source->info.width > source->info.height ? source->info.width : source->info.height;
    if (px != UINT32_MAX && picture->jpeg && picture->denominator != 1)
        while (denominator < 8 && jpeg_scaled(longer, denominator * 2) >= px)
            denominator *= 2;
    source->level.index = denominator == 1 ? -1 : (int)denominator;
    source->level.width = jpeg_scaled(source->info.width, denominator);
    source->level.height = jpeg_scaled(source->info.height, denominator);
}

static akin_status decode(akin_source *source, akin_error *err)
{
    struct picture *picture = source->image;
    const unsigned denominator = source->level.index < 0 ? 1 : (unsigned)source->level.index;
    if (picture->denominator == denominator)
        return AKIN_OK;
    akin_raster_fini(&picture->whole);
    picture->denominator = 0;
    struct akin_raster whole = {0};
    akin_status status = picture->jpeg
                             ? jpeg_decode(picture->bytes, picture->size, denominator, &whole, err)
                             : png_decode(picture->bytes, picture->size, &whole, err);
    if (status == AKIN_OK &&
        (whole.width != source->level.width || whole.height != source->level.height ||
         whole.bands != source->info.bands))
        status = akin_error_set(err, AKIN_ERR_CORRUPT, "its size is not what its header says");
    if (status != AKIN_OK) {
        akin_raster_fini(&whole);
        return akin_error_context(err, status, "cannot read '%s'", source->name);
    }
    picture->whole = whole;
    picture->denominator = denominator;
    return AKIN_OK;
}

static void copy_row(const struct akin_raster *whole, const uint8_t *from, const uint32_t *bands,
                     struct akin_raster *out, uint8_t *to)
{
    bool as_it_is = out->bands == whole->bands;
    for (uint32_t b = 0; b < out->bands; b++)
        as_it_is &= bands[b] == b;
    if (as_it_is) {
        memcpy(to, from, (size_t)out->width * out->bands);
        return;
    }
    for (uint32_t x = 0; x < out->width; x++, from += whole->bands)
        for (uint32_t b = 0; b < out->bands; b++)
            *to++ = from[bands[b]];
}

static akin_status picture_read(akin_source *source, struct akin_window w, const uint32_t *bands,
                                uint32_t count, struct akin_raster *out, akin_error *err)
{
    akin_status status = decode(source, err);
    if (status != AKIN_OK)
        return status;
    const struct akin_raster *whole = &((struct picture *)source->image)->whole;
    status = akin_raster_init(out, w.width, w.height, count, AKIN_U8, whole->valid != NULL, err);
    if (status != AKIN_OK)
        return status;
    for (uint32_t y = 0; y < w.height; y++) {
        const size_t from = (size_t)(w.y + y) * whole->width + w.x, to = (size_t)y * w.width;
        copy_row(whole, (const uint8_t *)whole->pixels + from * whole->bands, bands, out,
                 (uint8_t *)out->pixels + to * count);
        if (whole->valid)
            memcpy(out->valid + to, whole->valid + from, w.width);
    }
    return AKIN_OK;
}

static void describe(struct akin_source_info *info, uint32_t width, uint32_t height, uint32_t bands,
                     const char *driver)
{
    static const char *const colours[3] = {"red", "green", "blue"};
    info->width = width;
    info->height = height;
    info->bands = bands;
    info->dtype = AKIN_U8;
    for (uint32_t b = 0; b < bands; b++) {
        info->roles[b] = bands == 1 ? AKIN_BAND_GREY : AKIN_BAND_RED + (enum akin_band_role)b;
        snprintf(info->names[b], sizeof info->names[b], "%s", bands == 1 ? "1" : colours[b]);
    }
    snprintf(info->driver, sizeof info->driver, "%s", driver);
}

/* Whether libjpeg-turbo does this one. What it does not (12 bits, lossless, two components, a header that
 * makes no sense) is left to GDAL, which does it or says why not. */
static bool try_jpeg(akin_source *source, const void *bytes, size_t size, struct exif_times *times)
{
    struct jpeg_header header;
    if (!jpeg_read_header(bytes, size, &header) || header.bits != 8 || !header.plain ||
        (header.components != 1 && header.components != 3 && header.components != 4))
        return false;
    describe(&source->info, header.width, header.height, header.components == 1 ? 1 : 3,
             "libjpeg-turbo");
    source->info.whole_jpeg = header.components != 4;
    exif_read((const uint8_t *)bytes + header.exif, header.exif_size, times);
    return true;
}

static bool try_png(akin_source *source, const void *bytes, size_t size)
{
    struct png_header header;
    if (png_read_header(bytes, size, &header, NULL) != AKIN_OK || !header.known)
        return false;
    describe(&source->info, header.width, header.height, header.bands, "libpng");
    source->info.declares_nodata = header.alpha;
    return true;
}

akin_status picture_open(akin_source *source, struct akin_buffer *owned, const void *bytes,
                         size_t size, const struct akin_source_options *options, bool *taken,
                         akin_error *err)
{
    static const struct source_ops ops = {picture_read, picture_set_level, picture_close};
    struct exif_times times = {0};
    const bool jpeg = picture_is_jpeg(bytes, size);
    *taken = jpeg ? try_jpeg(source, bytes, size, &times) : try_png(source, bytes, size);
    const uint64_t pixels = (uint64_t)source->info.width * source->info.height;
    if (*taken && pixels > options->pixels_max)
        return akin_error_set(err, AKIN_ERR_LIMIT,
                              "'%s' has %u x %u pixels, more than the limit of %llu", source->name,
                              source->info.width, source->info.height,
                              (unsigned long long)options->pixels_max);
    *taken = *taken && pixels <= PICTURE_PIXELS_MAX;
    if (!*taken) {
        source->info = (struct akin_source_info){0};
        return AKIN_OK;
    }
    struct picture *picture = akin_alloc_zero(1, sizeof *picture);
    if (!picture)
        return akin_error_memory(err, sizeof *picture, "a picture");
    picture->bytes = bytes;
    picture->size = size;
    picture->jpeg = jpeg;
    if (owned) {
        picture->owned = *owned;
        *owned = (struct akin_buffer){0};
    }
    source->ops = &ops;
    source->image = picture;
    struct akin_interval taken_at = akin_interval_unknown(), written = akin_interval_unknown();
    when_parse(&taken_at, times.original);
    when_parse(&written, times.changed);
    return when_decide(source, options, source->name, taken_at, written, err);
}

akin_status akin_source_jpeg_bytes(akin_source *source, const void **bytes, size_t *size,
                                   akin_error *err)
{
    if (!source->info.whole_jpeg)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED, "'%s' is not a plain JPEG file",
                              source->name);
    const struct picture *picture = source->image;
    *bytes = picture->bytes;
    *size = picture->size;
    return AKIN_OK;
}
