/*
 * JPEG by libjpeg-turbo's TurboJPEG interface. A file that ends early is damaged, not grey: libjpeg
 * fills the rest in with a mere warning, and a grey tile would be found similar to other grey
 * tiles. TurboJPEG reports the first warning only; where that is a harmless one, the end of the
 * file must be there (an EOI marker) for the picture to count as whole.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <turbojpeg.h>

#include "source_private.h"

/* A stray tail (padding, appended data) longer than this behind a damaged stream is taken as
 * damage. */
#define TAIL_BYTES_MAX 4096

static uint32_t big_endian_16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

/* SOFn: bits, height, width, components. DHT, JPG and DAC share the range. */
static bool is_frame(uint8_t marker)
{
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

bool jpeg_header_read(const uint8_t *bytes, size_t size, struct jpeg_header *out)
{
    *out = (struct jpeg_header){0};
    if (!picture_is_jpeg(bytes, size))
        return false;
    for (size_t at = 2; at + 4 <= size;) {
        if (bytes[at] != 0xFF || bytes[at + 1] == 0xFF) {
            at++; /* fill bytes, and garbage that libjpeg skips too */
            continue;
        }
        const uint8_t marker = bytes[at + 1];
        if (marker == 0x00 || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {
            at += 2;
            continue;
        }
        const size_t length = big_endian_16(bytes + at + 2);
        const uint8_t *body = bytes + at + 4;
        if (length < 2 || length > size - at - 2 || marker == 0xD9 || marker == 0xDA)
            break;
        if (is_frame(marker) && length >= 8) {
            out->plain = marker <= 0xC2;
            out->bits = body[0];
            out->height = big_endian_16(body + 1);
            out->width = big_endian_16(body + 3);
            out->components = body[5];
        } else if (marker == 0xEE && length >= 14 && memcmp(body, "Adobe", 5) == 0) {
            out->adobe = true;
        } else if (marker == 0xE1 && length > 16 && memcmp(body, "Exif\0\0", 6) == 0) {
            out->exif = at + 10;
            out->exif_size = length - 8;
        }
        at += 2 + length;
    }
    return out->width > 0 && out->height > 0 && out->components > 0;
}

uint32_t jpeg_scaled(uint32_t px, unsigned denominator)
{
    return (px + denominator - 1) / denominator;
}

/* Ink to light. Adobe's programs, and nearly everybody after them, store 255 - ink. */
static void cmyk_to_rgb(const uint8_t *ink, bool inverted, uint8_t *rgb, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++, ink += 4)
        for (int c = 0; c < 3; c++) {
            const unsigned light = inverted ? ink[c] : 255u - ink[c];
            const unsigned black = inverted ? ink[3] : 255u - ink[3];
            *rgb++ = (uint8_t)((light * black + 127) / 255);
        }
}

static bool has_end(const uint8_t *bytes, size_t size)
{
    const size_t tail = size < TAIL_BYTES_MAX ? size : TAIL_BYTES_MAX;
    for (size_t i = 2; i <= tail; i++)
        if (bytes[size - i] == 0xFF && bytes[size - i + 1] == 0xD9)
            return true;
    return false;
}

/* Called after a decoder that failed or warned. */
static bool is_harmless(tjhandle decoder, const void *bytes, size_t size)
{
    const char *text = tjGetErrorStr2(decoder);
    return tjGetErrorCode(decoder) == TJERR_WARNING &&
           (strstr(text, "extraneous bytes") || strstr(text, "Unknown Adobe color transform") ||
            strstr(text, "unknown JFIF revision") || strstr(text, "Invalid SOS parameters")) &&
           has_end(bytes, size);
}

static akin_status decode_into(tjhandle decoder, const void *bytes, size_t size, void *pixels,
                               uint32_t width, uint32_t height, enum TJPF format, akin_error *err)
{
    if (tjDecompress2(decoder, bytes, size, pixels, (int)width, 0, (int)height, format, 0) == 0 ||
        is_harmless(decoder, bytes, size))
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_CORRUPT, "truncated or damaged JPEG (%s)",
                          tjGetErrorStr2(decoder));
}

/* Four components: through a second buffer. */
static akin_status decode_cmyk(tjhandle decoder, const void *bytes, size_t size,
                               struct akin_raster *out, akin_error *err)
{
    struct jpeg_header header;
    const size_t pixels = (size_t)out->width * out->height;
    uint8_t *ink = akin_alloc(pixels, 4);
    if (!ink)
        return akin_error_memory(err, pixels * 4, "a CMYK picture");
    jpeg_header_read(bytes, size, &header);
    const akin_status status =
        decode_into(decoder, bytes, size, ink, out->width, out->height, TJPF_CMYK, err);
    if (status == AKIN_OK)
        cmyk_to_rgb(ink, header.adobe, out->pixels, pixels);
    akin_free(ink);
    return status;
}

static akin_status decode_with(tjhandle decoder, const void *bytes, size_t size,
                               uint64_t pixels_max, unsigned denominator, struct akin_raster *out,
                               akin_error *err)
{
    int width = 0, height = 0, subsampling = 0, colours = 0;
    if (!picture_is_jpeg(bytes, size))
        return akin_error_set(err, AKIN_ERR_CORRUPT, "not a JPEG");
    if (tjDecompressHeader3(decoder, bytes, size, &width, &height, &subsampling, &colours) != 0 &&
        (tjGetErrorCode(decoder) != TJERR_WARNING || width < 1 || height < 1))
        return akin_error_set(err, AKIN_ERR_CORRUPT, "truncated or damaged JPEG header (%s)",
                              tjGetErrorStr2(decoder));
    if ((uint64_t)width * (uint64_t)height > pixels_max)
        return akin_error_set(err, AKIN_ERR_LIMIT,
                              "a JPEG of %d x %d pixels is over the limit of %llu pixels", width,
                              height, (unsigned long long)pixels_max);
    const bool cmyk = colours == TJCS_CMYK || colours == TJCS_YCCK;
    const bool grey = colours == TJCS_GRAY;
    akin_status status = akin_raster_init(out, jpeg_scaled((uint32_t)width, denominator),
                                          jpeg_scaled((uint32_t)height, denominator), grey ? 1 : 3,
                                          AKIN_U8, false, err);
    if (status != AKIN_OK)
        return status;
    status = cmyk ? decode_cmyk(decoder, bytes, size, out, err)
                  : decode_into(decoder, bytes, size, out->pixels, out->width, out->height,
                                grey ? TJPF_GRAY : TJPF_RGB, err);
    if (status != AKIN_OK)
        akin_raster_fini(out);
    return status;
}

static akin_status decode_limited(const void *bytes, size_t size, uint64_t pixels_max,
                                  unsigned denominator, struct akin_raster *out, akin_error *err)
{
    *out = (struct akin_raster){0};
    tjhandle decoder = tjInitDecompress();
    if (!decoder)
        return akin_error_memory(err, 0, "a JPEG decoder");
    const akin_status status = decode_with(decoder, bytes, size, pixels_max, denominator, out, err);
    tjDestroy(decoder);
    return status;
}

akin_status jpeg_decode(const void *bytes, size_t size, unsigned denominator,
                        struct akin_raster *out, akin_error *err)
{
    return decode_limited(bytes, size, PICTURE_PIXELS_MAX, denominator, out, err);
}

akin_status akin_jpeg_decode(const void *bytes, size_t size, uint64_t pixels_max,
                             struct akin_raster *out, akin_error *err)
{
    return decode_limited(bytes, size, pixels_max, 1, out, err);
}

akin_status akin_jpeg_encode(const struct akin_raster *raster, int quality, struct akin_buffer *out,
                             akin_error *err)
{
    if (raster->dtype != AKIN_U8 || (raster->bands != 1 && raster->bands != 3) || quality < 1 ||
        quality > 100 || !raster->width || !raster->height || raster->width > 65500 ||
        raster->height > 65500)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "JPEG holds 8-bit images of 1 or 3 bands up to 65500 pixels a side, "
                              "quality 1 to 100; not %u x %u, %u bands of type %s at quality %d",
                              raster->width, raster->height, raster->bands,
                              akin_dtype_name(raster->dtype), quality);
    /* Full colour resolution where quality matters, as Photoshop does. */
    const int sampling = raster->bands == 1 ? TJSAMP_GRAY : quality >= 90 ? TJSAMP_444 : TJSAMP_420;
    unsigned long size = tjBufSize((int)raster->width, (int)raster->height, sampling);
    unsigned char *bytes = akin_alloc(size, 1);
    tjhandle encoder = tjInitCompress();
    akin_status status = AKIN_OK;
    if (!bytes || !encoder)
        status = akin_error_memory(err, size, "a JPEG");
    else if (tjCompress2(encoder, raster->pixels, (int)raster->width, 0, (int)raster->height,
                         raster->bands == 1 ? TJPF_GRAY : TJPF_RGB, &bytes, &size, sampling,
                         quality, TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT) != 0)
        status = akin_error_set(err, AKIN_ERR_UNSUPPORTED, "cannot write a JPEG: %s",
                                tjGetErrorStr2(encoder));
    if (status == AKIN_OK)
        status = akin_buffer_append(out, bytes, size, err);
    if (encoder)
        tjDestroy(encoder);
    akin_free(bytes);
    return status;
}
