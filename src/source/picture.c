/*
 * The fast path: a plain JPEG, decoded whole at its first read and kept until close. Why it is
 * there: of the time that a small picture takes through GDAL, a third is not decoding; here it is a
 * tenth (docs/BENCHMARKS.md). And the file's own bytes are at hand to serve as the chip.
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
    unsigned denominator; /* at which `whole` was decoded; 0 = not yet */
    struct akin_raster whole;
};

bool picture_is_jpeg(const void *bytes, size_t size)
{
    return size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
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
    if (px != UINT32_MAX && picture->denominator != 1)
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
    akin_status status = jpeg_decode(picture->bytes, picture->size, denominator, &whole, err);
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

static bool is_as_it_is(const struct akin_raster *whole, const uint32_t *bands, uint32_t count)
{
    bool same = count == whole->bands;
    for (uint32_t b = 0; b < count; b++)
        same &= bands[b] == b;
    return same;
}

static void copy_row(const struct akin_raster *whole, const uint8_t *from, const uint32_t *bands,
                     bool as_it_is, struct akin_raster *out, uint8_t *to)
{
    if (as_it_is) {
        memcpy(to, from, (size_t)out->width * out->bands);
        return;
    }
    for (uint32_t x = 0; x < out->width; x++, from += whole->bands)
        for (uint32_t b = 0; b < out->bands; b++)
            *to++ = from[bands[b]];
}

/* A picture that is read whole is handed over, not copied: it is seldom read twice, and the second
 * set of fresh pages cost a third of the decoding. */
static akin_status picture_read(akin_source *source, struct akin_window w, const uint32_t *bands,
                                uint32_t count, struct akin_raster *out, akin_error *err)
{
    akin_status status = decode(source, err);
    if (status != AKIN_OK)
        return status;
    struct picture *picture = source->image;
    struct akin_raster *whole = &picture->whole;
    const bool as_it_is = is_as_it_is(whole, bands, count);
    if (as_it_is && w.width == whole->width && w.height == whole->height) {
        *out = *whole;
        *whole = (struct akin_raster){0};
        picture->denominator = 0;
        return AKIN_OK;
    }
    status = akin_raster_init(out, w.width, w.height, count, AKIN_U8, whole->valid != NULL, err);
    if (status != AKIN_OK)
        return status;
    for (uint32_t y = 0; y < w.height; y++) {
        const size_t from = (size_t)(w.y + y) * whole->width + w.x, to = (size_t)y * w.width;
        copy_row(whole, (const uint8_t *)whole->pixels + from * whole->bands, bands, as_it_is, out,
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

/* Whether libjpeg-turbo does this one. What it does not (12 bits, lossless, two components, a
 * header that makes no sense) is left to GDAL, which does it or says why not. */
static bool try_jpeg(akin_source *source, const void *bytes, size_t size, struct exif_times *times)
{
    struct jpeg_header header;
    if (!jpeg_header_read(bytes, size, &header) || header.bits != 8 || !header.plain ||
        (header.components != 1 && header.components != 3 && header.components != 4))
        return false;
    describe(&source->info, header.width, header.height, header.components == 1 ? 1 : 3,
             "libjpeg-turbo");
    source->info.whole_jpeg = header.components != 4;
    exif_read((const uint8_t *)bytes + header.exif, header.exif_size, times);
    return true;
}

akin_status picture_open(akin_source *source, struct akin_buffer *owned, const void *bytes,
                         size_t size, const struct akin_source_options *options, bool *taken,
                         akin_error *err)
{
    static const struct source_ops ops = {picture_read, picture_set_level, picture_close};
    struct exif_times times = {0};
    *taken = try_jpeg(source, bytes, size, &times);
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
