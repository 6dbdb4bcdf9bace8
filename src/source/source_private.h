/*
 * What the files of this stage share. An open source is a table of operations (GDAL's, or those of
 * a JPEG decoded whole by libjpeg-turbo) and what was learned about the image at open. What every
 * way of reading has in common (checks, choice of bands, luma, reduction) is above that table, in
 * open.c, read.c and reduce.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SOURCE_PRIVATE_H
#define AKIN_SOURCE_PRIVATE_H

#include "akin/source.h"

/* A picture is decoded whole, and its file read whole, only up to these. */
#define PICTURE_PIXELS_MAX ((uint64_t)1 << 26)
#define PICTURE_BYTES_MAX ((size_t)1 << 30)

struct source_ops {
    /* Reads a window (within source->level) of `count` different bands of the image, in that
     * order. */
    akin_status (*read)(akin_source *source, struct akin_window window, const uint32_t *bands,
                        uint32_t count, struct akin_raster *out, akin_error *err);
    /* Sets source->level to the smallest size at hand whose longer side is at least px (overviews,
     * scaled decoding); UINT32_MAX for full resolution. */
    void (*set_level)(akin_source *source, uint32_t px);
    void (*close)(akin_source *source);
};

struct place;

struct akin_source {
    const struct source_ops *ops;
    struct akin_source_info info;
    char *name;          /* for messages */
    struct place *place; /* NULL where there is none */
    struct {
        int index; /* what it means is the reader's own affair; -1 = full resolution */
        uint32_t width, height;
    } level;
    void *image; /* the reader's own */
};

/* ---- gdal_setup.c ---- */

/* What GDAL said during a call on this thread. Listen, call, hush; never nested. */
struct gdal_talk {
    char text[512];    /* the first failure, or "" */
    char warning[256]; /* the last warning */
    bool damaged;      /* a codec warned that data ended early: GDAL goes on with grey pixels */
};
void gdal_listen(struct gdal_talk *talk);
void gdal_hush(void);
/* The text, or the last warning, or "no reason given". */
const char *gdal_reason(const struct gdal_talk *talk);
/* Whether some raster driver reads files with this extension (lower case, no dot). */
akin_status gdal_knows_extension(const char *extension, bool *known, akin_error *err);

/* ---- gdal_open.c ---- */

/* Fills in source->ops, image and info. `memory`, if not NULL, holds the file; else `path` is a
 * file or an address. */
akin_status gdal_open(akin_source *source, const char *path, const void *memory, size_t size,
                      const struct akin_source_options *options, akin_error *err);

/* ---- picture.c, picture_jpeg.c ---- */

/* Takes the fast path where the bytes are a JPEG that it can do; *taken says whether. `bytes`
 * is the file, kept until close: owned by the source if `owned`, and then handed over only
 * when taken. */
akin_status picture_open(akin_source *source, struct akin_buffer *owned, const void *bytes,
                         size_t size, const struct akin_source_options *options, bool *taken,
                         akin_error *err);
/* By the first bytes. */
bool picture_is_jpeg(const void *bytes, size_t size);

/* What a JPEG's markers say (ITU-T T.81 annex B), up to the first scan. */
struct jpeg_header {
    uint32_t width, height, components, bits;
    bool plain;             /* baseline, extended or progressive Huffman: what every reader knows */
    bool adobe;             /* an Adobe APP14 marker: CMYK is stored inverted */
    size_t exif, exif_size; /* the TIFF structure inside APP1; size 0 = none */
};
bool jpeg_header_read(const uint8_t *bytes, size_t size, struct jpeg_header *out);
/* Decodes at 1/denominator (1, 2, 4 or 8). CMYK becomes RGB. */
akin_status jpeg_decode(const void *bytes, size_t size, unsigned denominator,
                        struct akin_raster *out, akin_error *err);
uint32_t jpeg_scaled(uint32_t px, unsigned denominator);

/* ---- exif.c: DateTimeOriginal and DateTime, each "" where missing ---- */
struct exif_times {
    char original[32], changed[32];
};
void exif_read(const uint8_t *tiff, size_t size, struct exif_times *out);

/* ---- when.c ---- */

/* A time as metadata write it ("2018:07:16 06:06:23", ISO, compact); false where it is none. */
bool when_parse(struct akin_interval *out, const char *text);
/* Sets source->info.time by the rule of source.h from what the metadata say: `taken` is the time of
 * the image, `written` that of the file (weak). */
akin_status when_decide(akin_source *source, const struct akin_source_options *options,
                        const char *name, struct akin_interval taken, struct akin_interval written,
                        akin_error *err);
void when_from_gdal(void *dataset, struct akin_interval *taken, struct akin_interval *written);

/* ---- place.c ---- */

/* *out = NULL where the dataset has no place on Earth. */
akin_status place_from_gdal(struct place **out, void *dataset,
                            const struct akin_source_options *options, akin_error *err);
/* *out = NULL where options->bbox is not given. */
akin_status place_from_options(struct place **out, const struct akin_source_options *options,
                               uint32_t width, uint32_t height, akin_error *err);
void place_free(struct place *place);
void place_lonlat(struct place *place, size_t n, const double *x, const double *y, double *lon_deg,
                  double *lat_deg);
struct akin_bbox place_bbox(struct place *place, uint32_t width, uint32_t height);

/* ---- raster.c ---- */

void raster_drop_full_mask(struct akin_raster *raster);

/* ---- pick.c ---- */

/* How a call's bands (some twice, some luma) come from bands read once each. */
struct band_pick {
    uint32_t load[AKIN_BANDS_MAX + 3], load_count;
    uint32_t from[AKIN_BANDS_MAX], count; /* index into load, or AKIN_BAND_LUMA */
    uint32_t rgb[3];                      /* indices into load */
    bool plain;                           /* out is load */
};
akin_status pick_plan(struct band_pick *out, const akin_source *source, const uint32_t *bands,
                      uint32_t count, akin_error *err);
akin_status pick_apply(const struct band_pick *pick, struct akin_raster *loaded,
                       struct akin_raster *out, akin_error *err);

/* ---- read.c ---- */

/* akin_source_read within source->level. */
akin_status source_read_level(akin_source *source, struct akin_window window,
                              const struct band_pick *pick, struct akin_raster *out,
                              akin_error *err);

#endif
