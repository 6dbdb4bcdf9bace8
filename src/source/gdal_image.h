/*
 * A dataset as GDAL opened it, with what reading needs: shared by gdal_open.c and gdal_read.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_GDAL_IMAGE_H
#define AKIN_GDAL_IMAGE_H

#include "gdal_api.h"
#include "source_private.h"

/* How the file's bands become the image's. */
enum gdal_kind {
    GDAL_SAMPLES, /* as they are */
    GDAL_PALETTE, /* one band of indices -> 1 or 3 bands */
    GDAL_CMYK     /* four bands of ink -> 3 */
};

struct gdal_image {
    GDALDatasetH dataset;
    char memory_name[64]; /* the file's name in /vsimem, or "" */
    enum gdal_kind kind;
    uint32_t band_count; /* of the file, without alpha */
    GDALRasterBandH bands[AKIN_BANDS_MAX];
    int numbers[AKIN_BANDS_MAX]; /* GDAL's, from 1 */
    GDALRasterBandH alpha;       /* NULL without */
    double alpha_half;           /* from here on a pixel is there */
    bool signed_bytes;           /* PIXELTYPE=SIGNEDBYTE: read as 0..255, meant as -128..127 */
    unsigned stretch;      /* samples of fewer than 8 bits are spread over 0..255 by this, or 0 */
    uint8_t (*palette)[4]; /* RGBA */
    uint32_t palette_count;
};

akin_status gdal_read(akin_source *source, struct akin_window window, const uint32_t *bands,
                      uint32_t count, struct akin_raster *out, akin_error *err);
void gdal_set_level(akin_source *source, uint32_t px);
/* Whether pixels of the band can be missing by its mask, alpha aside. */
bool gdal_has_mask(GDALRasterBandH band);

#endif
