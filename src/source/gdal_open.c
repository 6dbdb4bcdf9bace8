/*
 * Opening a dataset: what its bands are and mean, and whether it is safe to read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "gdal_api.h"
#include "gdal_image.h"

/* A block is decoded whole, whatever the window: a file whose one strip is the whole image would be
 * read whole. */
#define BLOCK_BYTES_MAX ((uint64_t)1 << 30)

/* What people upload. None of these opens a second file or the network. */
static const char *const upload_drivers[] = {"GTiff", "JPEG", "PNG", "WEBP", NULL};

/* ---- bands ---- */

static enum akin_band_role role_of(GDALColorInterp meaning, uint32_t band_count)
{
    switch (meaning) {
    case GCI_RedBand:
        return AKIN_BAND_RED;
    case GCI_GreenBand:
        return AKIN_BAND_GREEN;
    case GCI_BlueBand:
        return AKIN_BAND_BLUE;
    case GCI_GrayIndex:
        /* GDAL calls the first of several unnamed bands grey as well. */
        return band_count == 1 ? AKIN_BAND_GREY : AKIN_BAND_OTHER;
    default:
        return AKIN_BAND_OTHER;
    }
}

static void name_band(char out[16], enum akin_band_role role, const char *description, uint32_t b)
{
    static const char *const colours[] = {
        [AKIN_BAND_RED] = "red", [AKIN_BAND_GREEN] = "green", [AKIN_BAND_BLUE] = "blue"};
    if (description && description[0])
        snprintf(out, 16, "%.15s", description);
    else if (role >= AKIN_BAND_RED)
        snprintf(out, 16, "%s", colours[role]);
    else
        snprintf(out, 16, "%u", b + 1);
}

static void set_colour_bands(struct akin_source_info *info, bool grey)
{
    info->bands = grey ? 1 : 3;
    info->dtype = AKIN_U8;
    for (uint32_t b = 0; b < info->bands; b++) {
        info->roles[b] = grey ? AKIN_BAND_GREY : AKIN_BAND_RED + (enum akin_band_role)b;
        name_band(info->names[b], info->roles[b], NULL, b);
    }
}

static bool is_signed_byte(GDALRasterBandH band)
{
    const char *type = gdal.GDALGetMetadataItem(band, "PIXELTYPE", "IMAGE_STRUCTURE");
    return gdal.GDALGetRasterDataType(band) == GDT_Byte && type && EQUAL(type, "SIGNEDBYTE");
}

/* The factor for samples of 1, 2 or 4 bits that GDAL gives as bytes 0..1, 0..3, 0..15; else 0. */
static unsigned bit_factor(const struct gdal_image *image)
{
    unsigned bits = 8;
    for (uint32_t b = 0; b < image->band_count; b++) {
        const char *text = gdal.GDALGetMetadataItem(image->bands[b], "NBITS", "IMAGE_STRUCTURE");
        const unsigned here = text && text[1] == '\0' ? (unsigned)(text[0] - '0') : 8;
        if (b && here != bits)
            return 0;
        bits = here;
    }
    return bits == 1 ? 255 : bits == 2 ? 85 : bits == 4 ? 17 : 0;
}

/* The smallest of our types that holds all bands exactly, or float. */
static enum akin_dtype common_dtype(struct gdal_image *image)
{
    const GDALDataType first = gdal.GDALGetRasterDataType(image->bands[0]);
    image->signed_bytes = is_signed_byte(image->bands[0]);
    for (uint32_t b = 1; b < image->band_count; b++)
        if (gdal.GDALGetRasterDataType(image->bands[b]) != first ||
            is_signed_byte(image->bands[b]) != image->signed_bytes)
            return AKIN_F32;
    switch (first) {
    case GDT_Byte:
        return image->signed_bytes ? AKIN_I16 : AKIN_U8;
    case GDT_UInt16:
        return AKIN_U16;
    case GDT_Int16:
        return AKIN_I16;
    default:
        return AKIN_F32;
    }
}

static akin_status load_palette(struct gdal_image *image, GDALColorTableH table, bool *grey,
                                akin_error *err)
{
    const int count = gdal.GDALGetColorEntryCount(table);
    *grey = true;
    if (count < 1 || count > 65536)
        return AKIN_OK;
    image->palette = akin_alloc((size_t)count, sizeof *image->palette);
    if (!image->palette)
        return akin_error_memory(err, (size_t)count * sizeof *image->palette, "a palette");
    for (int i = 0; i < count; i++) {
        GDALColorEntry entry = {0, 0, 0, 255};
        gdal.GDALGetColorEntryAsRGB(table, i, &entry);
        const short channels[4] = {entry.c1, entry.c2, entry.c3, entry.c4};
        for (int c = 0; c < 4; c++)
            image->palette[i][c] = (uint8_t)(channels[c] < 0     ? 0
                                             : channels[c] > 255 ? 255
                                                                 : channels[c]);
        *grey &= entry.c1 == entry.c2 && entry.c2 == entry.c3;
    }
    image->palette_count = (uint32_t)count;
    return AKIN_OK;
}

/* The alpha is kept apart; bands past the maximum are left out. */
static void list_bands(struct gdal_image *image)
{
    const int count = gdal.GDALGetRasterCount(image->dataset);
    for (int i = 1; i <= count; i++) {
        GDALRasterBandH band = gdal.GDALGetRasterBand(image->dataset, i);
        if (gdal.GDALGetRasterColorInterpretation(band) == GCI_AlphaBand && count > 1) {
            const GDALDataType type = gdal.GDALGetRasterDataType(band);
            image->alpha = band;
            /* 16-bit alpha is found with a full scale of 255 as well as of 65535. */
            image->alpha_half = type == GDT_Byte || type == GDT_UInt16 ? 128 : 0.5;
        } else if (image->band_count < AKIN_BANDS_MAX) {
            image->numbers[image->band_count] = i;
            image->bands[image->band_count++] = band;
        }
    }
}

static bool is_cmyk(const struct gdal_image *image)
{
    for (uint32_t b = 0; b < 4 && image->band_count == 4; b++)
        if (gdal.GDALGetRasterColorInterpretation(image->bands[b]) !=
                (GDALColorInterp)(GCI_CyanBand + b) ||
            gdal.GDALGetRasterDataType(image->bands[b]) != GDT_Byte)
            return false;
    return image->band_count == 4;
}

static akin_status describe_bands(struct gdal_image *image, struct akin_source_info *info,
                                  akin_error *err)
{
    list_bands(image);
    GDALColorTableH table =
        image->band_count == 1 ? gdal.GDALGetRasterColorTable(image->bands[0]) : NULL;
    const GDALDataType first = gdal.GDALGetRasterDataType(image->bands[0]);
    if (table && (first == GDT_Byte || first == GDT_UInt16)) {
        bool grey = true;
        const akin_status status = load_palette(image, table, &grey, err);
        if (status != AKIN_OK)
            return status;
        if (image->palette_count) {
            image->kind = GDAL_PALETTE;
            set_colour_bands(info, grey);
            return AKIN_OK;
        }
    }
    if (is_cmyk(image)) {
        image->kind = GDAL_CMYK;
        set_colour_bands(info, false);
        return AKIN_OK;
    }
    info->bands = image->band_count;
    info->dtype = common_dtype(image);
    image->stretch = info->dtype == AKIN_U8 ? bit_factor(image) : 0;
    for (uint32_t b = 0; b < info->bands; b++) {
        info->roles[b] =
            role_of(gdal.GDALGetRasterColorInterpretation(image->bands[b]), image->band_count);
        name_band(info->names[b], info->roles[b], gdal.GDALGetDescription(image->bands[b]), b);
    }
    return AKIN_OK;
}

/* ---- the dataset ---- */

static void describe_dataset(const struct gdal_image *image, struct akin_source_info *info)
{
    int block_width = 0, block_height = 0;
    gdal.GDALGetBlockSize(image->bands[0], &block_width, &block_height);
    info->sequential =
        (uint32_t)block_width >= info->width && (uint32_t)block_height < info->height;
    info->declares_nodata = image->alpha != NULL;
    for (uint32_t b = 0; b < image->band_count; b++)
        info->declares_nodata |= gdal_has_mask(image->bands[b]);
    for (uint32_t i = 0; i < image->palette_count; i++)
        info->declares_nodata |= image->palette[i][3] < 128;
    GDALDriverH driver = gdal.GDALGetDatasetDriver(image->dataset);
    snprintf(info->driver, sizeof info->driver, "%s",
             driver ? gdal.GDALGetDriverShortName(driver) : "");
}

static akin_status check_dataset(const akin_source *source, const struct gdal_image *image,
                                 const struct akin_source_options *options, akin_error *err)
{
    const int width = gdal.GDALGetRasterXSize(image->dataset);
    const int height = gdal.GDALGetRasterYSize(image->dataset);
    if (gdal.GDALGetRasterCount(image->dataset) < 1) {
        char **metadata = gdal.GDALGetMetadata(image->dataset, "SUBDATASETS");
        const char *first = gdal.CSLFetchNameValue(metadata, "SUBDATASET_1_NAME");
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              first ? "'%s' is a container of several rasters: give one of them, "
                                      "such as %s"
                                    : "'%s' has no raster in it%s",
                              source->name, first ? first : "");
    }
    if (width < 1 || height < 1)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "'%s' has a size of %d x %d pixels",
                              source->name, width, height);
    if ((uint64_t)width * (uint64_t)height > options->pixels_max)
        return akin_error_set(err, AKIN_ERR_LIMIT,
                              "'%s' has %d x %d pixels, more than the limit of %llu", source->name,
                              width, height, (unsigned long long)options->pixels_max);
    int block_width = 0, block_height = 0;
    GDALRasterBandH band = gdal.GDALGetRasterBand(image->dataset, 1);
    gdal.GDALGetBlockSize(band, &block_width, &block_height);
    const uint64_t bytes =
        (uint64_t)(block_width > 0 ? block_width : 1) *
        (uint64_t)(block_height > 0 ? block_height : 1) *
        (uint64_t)gdal.GDALGetDataTypeSizeBytes(gdal.GDALGetRasterDataType(band));
    if (bytes > BLOCK_BYTES_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT,
                              "'%s' is stored in blocks of %d x %d pixels, %llu bytes each, too "
                              "large to read: rewrite it in tiles (gdal_translate -co TILED=YES)",
                              source->name, block_width, block_height, (unsigned long long)bytes);
    return AKIN_OK;
}

static void gdal_close(akin_source *source)
{
    struct gdal_image *image = source->image;
    if (!image)
        return;
    struct gdal_talk talk;
    gdal_listen(&talk);
    if (image->dataset)
        gdal.GDALClose(image->dataset);
    if (image->memory_name[0])
        gdal.VSIUnlink(image->memory_name);
    gdal_hush();
    akin_free(image->palette);
    akin_free(image);
    source->image = NULL;
}

/* A name in GDAL's memory file system; the extension is kept, as some drivers go by it. */
static void name_memory(char out[64], const char *name)
{
    static atomic_ulong counter;
    char extension[9] = "";
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < 8; i++) {
        const char c = dot[1 + i];
        const bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain)
            break;
        extension[i] = c;
    }
    snprintf(out, 64, "/vsimem/akin-%lu/image.%s", atomic_fetch_add(&counter, 1UL) + 1,
             extension[0] ? extension : "bin");
}

/* "https://..." as GDAL's file system spells it. `out` holds AKIN_PATH_MAX + 16. */
static const char *gdal_address(char *out, const char *path)
{
    static const char *const schemes[][2] = {{"https://", "/vsicurl/https://"},
                                             {"http://", "/vsicurl/http://"},
                                             {"s3://", "/vsis3/"},
                                             {"gs://", "/vsigs/"},
                                             {"az://", "/vsiaz/"}};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        const size_t length = strlen(schemes[i][0]);
        if (strncmp(path, schemes[i][0], length) == 0) {
            snprintf(out, AKIN_PATH_MAX + 16, "%s%s", schemes[i][1], path + length);
            return out;
        }
    }
    return path;
}

/* GDAL's side file NAME.aux.xml may hold the georeference: read where it is there. Where it is not,
 * GDAL is kept from ever making one. */
static bool has_aux(const char *path)
{
    char name[AKIN_PATH_MAX + 32];
    VSIStatBufL stat;
    return path[0] == '/' && strncmp(path, "/vsi", 4) != 0 &&
           snprintf(name, sizeof name, "%s.aux.xml", path) < (int)sizeof name &&
           gdal.VSIStatL(name, &stat) == 0;
}

static GDALDatasetH open_dataset(struct gdal_image *image, const char *path, bool uploads)
{
    static const char *const alone[] = {"image", NULL};
    const unsigned flags = GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_VERBOSE_ERROR;
    char address[AKIN_PATH_MAX + 16];
    if (image->memory_name[0])
        return gdal.GDALOpenEx(image->memory_name, flags, uploads ? upload_drivers : NULL, NULL,
                               alone);
    const bool aux = has_aux(path);
    if (aux)
        gdal.CPLSetThreadLocalConfigOption("GDAL_PAM_ENABLED", "YES");
    GDALDatasetH dataset = gdal.GDALOpenEx(gdal_address(address, path), flags,
                                           uploads ? upload_drivers : NULL, NULL, NULL);
    if (aux)
        gdal.CPLSetThreadLocalConfigOption("GDAL_PAM_ENABLED", NULL);
    return dataset;
}

/* Everything that asks GDAL, between listen and hush. */
static akin_status open_and_describe(akin_source *source, const char *path,
                                     const struct akin_source_options *options,
                                     struct akin_interval time[2], struct gdal_talk *talk,
                                     akin_error *err)
{
    struct gdal_image *image = source->image;
    struct akin_source_info *info = &source->info;
    image->dataset = open_dataset(image, path, options->uploads);
    if (!image->dataset)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "cannot open '%s': not an image that can be read here, or damaged "
                              "(%s)",
                              source->name, gdal_reason(talk));
    akin_status status = check_dataset(source, image, options, err);
    if (status != AKIN_OK)
        return status;
    info->width = (uint32_t)gdal.GDALGetRasterXSize(image->dataset);
    info->height = (uint32_t)gdal.GDALGetRasterYSize(image->dataset);
    status = describe_bands(image, info, err);
    if (status != AKIN_OK)
        return status;
    if (image->band_count < 1)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED, "'%s' has only alpha bands", source->name);
    describe_dataset(image, info);
    when_from_gdal(image->dataset, &time[0], &time[1]);
    status = place_from_gdal(&source->place, image->dataset, options, err);
    info->place_from_file = source->place != NULL;
    return status;
}

akin_status gdal_open(akin_source *source, const char *path, const void *memory, size_t size,
                      const struct akin_source_options *options, akin_error *err)
{
    static const struct source_ops ops = {gdal_read, gdal_set_level, gdal_close};
    akin_status status = gdal_load(err);
    if (status != AKIN_OK)
        return status;
    struct gdal_image *image = akin_alloc_zero(1, sizeof *image);
    if (!image)
        return akin_error_memory(err, sizeof *image, "an image");
    source->ops = &ops;
    source->image = image;
    struct gdal_talk talk;
    gdal_listen(&talk);
    if (memory) {
        name_memory(image->memory_name, source->name);
        /* GDAL only reads it: opened read-only, and the name is ours alone. */
        VSILFILE *file =
            gdal.VSIFileFromMemBuffer(image->memory_name, (GByte *)(uintptr_t)memory, size, FALSE);
        if (file)
            gdal.VSIFCloseL(file);
    }
    struct akin_interval time[2] = {akin_interval_unknown(), akin_interval_unknown()};
    status = open_and_describe(source, path, options, time, &talk, err);
    gdal_hush();
    if (status == AKIN_OK)
        status = when_decide(source, options, source->name, time[0], time[1], err);
    return status;
}
