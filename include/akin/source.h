/*
 * source: where pixels come from. Finds images (folders, globs, single rasters, lists of
 * addresses), opens whatever GDAL opens, and reads windows of them as plain arrays with a validity
 * mask. Plain JPEG goes past GDAL straight to libjpeg-turbo (why, and why PNG does not:
 * docs/BENCHMARKS.md). The only user of GDAL, libjpeg-turbo and libpng.
 *
 *     akin_source *source;
 *     akin_source_open(&source, "a.tif", NULL, &err);
 *     const struct akin_source_info *info = akin_source_info(source);
 *     akin_source_read(source, window, bands, band_count, &raster, &err);
 *     akin_source_close(source);
 *
 * A handle belongs to one thread at a time; several may be open on one file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SOURCE_H
#define AKIN_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/catalog.h"
#include "akin/core.h"

#pragma GCC visibility push(default)

/* ---- pixels ---- */

/* An image in memory: (height, width, bands), bands innermost, no padding. `valid` is (height,
 * width): 0 missing, 255 there; NULL where nothing is missing. Owns both; fini takes a zeroed
 * struct. */
struct akin_raster {
    uint32_t width, height, bands;
    enum akin_dtype dtype;
    void *pixels;
    uint8_t *valid;
};
/* Pixels not cleared; a mask (all 255) if asked for. AKIN_ERR_LIMIT above 2^31 bytes. */
akin_status akin_raster_init(struct akin_raster *raster, uint32_t width, uint32_t height,
                             uint32_t bands, enum akin_dtype dtype, bool with_mask,
                             akin_error *err);
void akin_raster_fini(struct akin_raster *raster);
/* The sample at (y * width + x) * bands + band, whatever its type. */
static inline float akin_raster_value(const struct akin_raster *raster, size_t index)
{
    switch (raster->dtype) {
    case AKIN_U8:
        return ((const uint8_t *)raster->pixels)[index];
    case AKIN_U16:
        return ((const uint16_t *)raster->pixels)[index];
    case AKIN_I16:
        return ((const int16_t *)raster->pixels)[index];
    default:
        return ((const float *)raster->pixels)[index];
    }
}

struct akin_window {
    uint32_t x, y, width, height;
};

/* ---- finding ---- */

struct akin_source_item {
    char *uri;   /* absolute path, or the address as given */
    char *label; /* the file's folder below SOURCE (its first part), NULL at the top */
    uint64_t size_bytes;
    int64_t mtime_ns;
};
struct akin_source_list {
    struct akin_source_item *items; /* sorted by uri, no two alike */
    size_t count;
    char **skipped; /* what could not be looked into: "path: why" */
    size_t skipped_count;
};
/* Expands each of `sources`: a folder (recursively; files whose extension some raster driver here
 * knows; hidden files and our own collections left out; symbolic links followed, each folder once),
 * a file, a glob that the shell left ("*.tif"), "@FILE" (one address a line, # comments; relative
 * paths from the list's folder), or an address GDAL knows (/vsi..., https://, s3://, gs://,
 * DRIVER:...). A container (netCDF, HDF, zip) with several rasters gives one item each (GDAL's
 * subdatasets, /vsizip/). A source that is not there is AKIN_ERR_NOT_FOUND and nothing else is
 * done. */
akin_status akin_source_find(struct akin_source_list *out, const char *const *sources,
                             size_t source_count, const struct akin_talk *talk, akin_error *err);
void akin_source_list_free(struct akin_source_list *list);

/* ---- opening ---- */

struct akin_source_options {
    double bbox[4];  /* W,S,E,N in `crs`, all NaN = none; used where the file has no georeference */
    const char *crs; /* of bbox, and of a georeference that names none; NULL = EPSG:4326. A code
                        or text that GDAL understands */
    /* --datetime; unknown = the time of acquisition in the metadata, else from the name, else the
     * time of writing (TIFF's and EXIF's DateTime) */
    struct akin_interval time;
    const char *time_pattern; /* --time-from: akin_time_from_pattern on the file's name; or NULL */
    uint64_t pixels_max;      /* of a whole image: default 2^40. (A JPEG of up to 2^26 is decoded
                                 whole at its first read, a larger one by rows) */
    bool uploads;             /* only the common raster drivers, no network, no other file */
};
void akin_source_options_default(struct akin_source_options *out);

enum akin_band_role {
    AKIN_BAND_OTHER,
    AKIN_BAND_GREY,
    AKIN_BAND_RED,
    AKIN_BAND_GREEN,
    AKIN_BAND_BLUE
};

struct akin_source_info {
    uint32_t width, height;
    uint32_t bands;        /* without alpha; a palette counts as the 3 (or 1) bands it stands for,
                              CMYK and YCCK as 3 */
    enum akin_dtype dtype; /* what read gives: the smallest of the four that holds all bands */
    enum akin_band_role roles[AKIN_BANDS_MAX];
    char names[AKIN_BANDS_MAX][16]; /* "red", "B8", "1" */
    bool has_place;                 /* from the file, a world file, GCPs, or options->bbox */
    bool place_from_file;
    struct akin_bbox bbox; /* of the whole image, edges densified; unknown where !has_place */
    struct akin_interval time;
    bool declares_nodata; /* a no-data value, a mask or alpha */
    bool sequential; /* rows are cheap only in order (JPEG, interlaced or striped compression) */
    bool whole_jpeg; /* the file itself is a plain baseline or progressive JPEG, 1 or 3 bands of 8
                        bits, whose bytes may serve as the chip */
    char driver[24]; /* "JPEG", "GTiff", "libjpeg-turbo" */
};

typedef struct akin_source akin_source;

/* Opens and checks: zero sizes, more than AKIN_BANDS_MAX bands (only the first are used), too many
 * pixels (AKIN_ERR_LIMIT with the numbers), containers without a raster. The error names the file,
 * what is wrong and what to do. */
akin_status akin_source_open(akin_source **out, const char *uri,
                             const struct akin_source_options *options, akin_error *err);
/* The same for a file's bytes (a query, an upload); borrowed until close. `name` is for messages
 * and the time rule. */
akin_status akin_source_open_memory(akin_source **out, const void *bytes, size_t size,
                                    const char *name, const struct akin_source_options *options,
                                    akin_error *err);
void akin_source_close(akin_source *source);
const struct akin_source_info *akin_source_info(const akin_source *source); /* borrowed */

/* Which of the image's bands stand for a collection's `wanted` bands: out[wanted] are band indices.
 * Same count: in order. 1 -> 3: the grey band thrice. More than 3 -> 3: red, green and blue by
 * their roles, else the first three. 3 -> 1 or more -> 1: grey by role, else luma is formed at read
 * (out[0] = AKIN_BAND_LUMA) where red, green and blue are known, else the first. Otherwise
 * AKIN_ERR_UNSUPPORTED with both counts. */
#define AKIN_BAND_LUMA UINT32_MAX
akin_status akin_source_map_bands(const akin_source *source, uint32_t wanted,
                                  uint32_t out[AKIN_BANDS_MAX], akin_error *err);

/* Reads a window at full resolution into `out` (init'ed by the call; fini'ed by the caller on
 * success). Missing pixels: no-data value (any band), mask or alpha 0 (below half: 128), NaN or
 * infinite in any band. Reads by blocks: memory is that of the window plus GDAL's cache. */
akin_status akin_source_read(akin_source *source, struct akin_window window, const uint32_t *bands,
                             uint32_t band_count, struct akin_raster *out, akin_error *err);
/* The whole image reduced (area average, or overviews of a raster) so that its longer side is at
 * most max_px; a whole image that is not larger is not touched. */
akin_status akin_source_read_reduced(akin_source *source, uint32_t max_px, const uint32_t *bands,
                                     uint32_t band_count, struct akin_raster *out, akin_error *err);
/* The file's own bytes where info->whole_jpeg: borrowed until close. */
akin_status akin_source_jpeg_bytes(akin_source *source, const void **bytes, size_t *size,
                                   akin_error *err);
/* Where pixels lie: n points in pixel coordinates (0,0 = the outer corner of the first pixel) to
 * lon, lat in degrees; NaN for points that have no place. AKIN_ERR_UNSUPPORTED where !has_place. */
akin_status akin_source_lonlat(akin_source *source, size_t n, const double *x, const double *y,
                               double *lon_deg, double *lat_deg, akin_error *err);
/* Robust limits of each band for scaling to 8 bits: the 2nd and 98th percentile (of valid, finite
 * values) of up to 2^20 pixels in windows spread over the image; low[b] < high[b].
 * AKIN_ERR_NOT_FOUND where no pixel is valid. */
akin_status akin_source_percentiles(akin_source *source, const uint32_t *bands, uint32_t band_count,
                                    double *low, double *high, akin_error *err);

/* ---- pictures as bytes ---- */

/* 8-bit, 1 or 3 bands; 1..100, from 90 on in full colour resolution. The mask is not kept. Appends
 * to `out`. */
akin_status akin_jpeg_encode(const struct akin_raster *raster, int quality, struct akin_buffer *out,
                             akin_error *err);
/* Into `out` (init'ed by the call), 1 or 3 bands as the file has. AKIN_ERR_LIMIT above
 * pixels_max. */
akin_status akin_jpeg_decode(const void *bytes, size_t size, uint64_t pixels_max,
                             struct akin_raster *out, akin_error *err);
/* 8 or 16 bits (u8, u16), 1 or 3 bands; the mask becomes alpha. Appends to `out`. */
akin_status akin_png_encode(const struct akin_raster *raster, struct akin_buffer *out,
                            akin_error *err);

/* Limits GDAL's block cache in this process (0 = leave). GDAL itself is loaded when an
 * image first needs it; its messages go to the calls' akin_error, never to stderr. */
void akin_source_setup(uint64_t cache_bytes);

#pragma GCC visibility pop

#endif
