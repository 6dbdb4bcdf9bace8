/*
 * Fuzzes the decoding of chips: the result is a refusal that says why, or a raster whose every
 * byte can be read and that can be encoded again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>

#include "akin/tile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Larger ones are left alone: that a header may ask for 2 GB is not what is sought. */
#define RAW_BYTES_MAX (1u << 22)

static void read_all(const struct akin_raster *raster)
{
    size_t pixels = (size_t)raster->width * raster->height;
    size_t bytes = pixels * raster->bands * akin_dtype_size(raster->dtype);
    uint32_t crc = akin_crc32c(0, raster->pixels, bytes);
    if (raster->valid)
        crc = akin_crc32c(crc, raster->valid, pixels);
    for (size_t i = 0; raster->valid && i < pixels; i++) {
        if (raster->valid[i] != 0 && raster->valid[i] != 255)
            abort();
    }
    struct akin_buffer again;
    akin_buffer_init(&again, (size_t)1 << 26);
    if (akin_chip_encode(raster, &again, NULL) != AKIN_OK)
        abort();
    akin_buffer_fini(&again);
    volatile uint32_t used = crc;
    (void)used;
}

static bool too_large(const uint8_t *data, size_t size)
{
    for (size_t i = 26; i < 32 && i < size; i++) { /* the upper bytes of raw_bytes */
        uint8_t limit = i == 26 ? RAW_BYTES_MAX >> 16 : 0;
        if (data[i] > limit)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct akin_raster raster = {0};
    const void *jpeg = NULL;
    size_t jpeg_bytes = 0;
    akin_error err = {0};
    if (too_large(data, size))
        return 0;
    if (akin_chip_jpeg(data, size, &jpeg, &jpeg_bytes, NULL) == AKIN_OK && jpeg &&
        ((const uint8_t *)jpeg < data || (const uint8_t *)jpeg + jpeg_bytes > data + size))
        abort();
    if (akin_chip_decode(data, size, &raster, &err) == AKIN_OK)
        read_all(&raster);
    else if (raster.pixels || !err.text[0])
        abort();
    akin_raster_fini(&raster);
    return 0;
}
