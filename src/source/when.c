/*
 * When an image was taken. In order: the caller's --datetime; the time of acquisition in the
 * metadata; the caller's pattern, then the usual ones, on the file's name; the time at which the
 * file was written (TIFF's and EXIF's DateTime), which is often that of a later processing step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gdal_api.h"
#include "source_private.h"

static bool is_digits(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isdigit((unsigned char)text[i]))
            return false;
    return true;
}

bool when_parse(struct akin_interval *out, const char *text)
{
    char iso[64];
    if (!text)
        return false;
    while (isspace((unsigned char)*text) || *text == '"')
        text++;
    size_t length = strcspn(text, "\"");
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    if (length < 4 || length >= sizeof iso)
        return false;
    memcpy(iso, text, length);
    iso[length] = '\0';
    /* EXIF and TIFF write 2018:07:16 06:06:23; blanks stand where ISO has a T. */
    if (length >= 10 && is_digits(iso, 4) && strchr(":-/", iso[4]) && is_digits(iso + 5, 2) &&
        strchr(":-/", iso[7]) && is_digits(iso + 8, 2)) {
        iso[4] = iso[7] = '-';
        if (iso[10] == ' ')
            iso[10] = 'T';
        char *zone = strstr(iso, " UTC");
        if (zone)
            snprintf(zone, sizeof iso - (size_t)(zone - iso), "Z");
        /* More digits of a second than a millisecond has. */
        char *fraction = strchr(iso, '.');
        const size_t digits = fraction ? strspn(fraction + 1, "0123456789") : 0;
        if (digits > 3)
            memmove(fraction + 4, fraction + 1 + digits, strlen(fraction + 1 + digits) + 1);
    }
    /* "0000:00:00", "    :  :  ": a camera whose clock was never set. */
    struct akin_interval found;
    if (strncmp(iso, "0000", 4) == 0)
        return false;
    if (akin_interval_parse(&found, iso, NULL) != AKIN_OK && !akin_time_guess(&found, iso))
        return false;
    *out = found;
    return true;
}

/* Where products keep the time of acquisition: domain, the key of date or both, that of the time
 * alone. */
static const struct {
    const char *domain, *date, *time;
} taken_keys[] = {
    {"IMAGERY", "ACQUISITIONDATETIME", NULL}, /* GDAL's own, from the products it knows */
    {NULL, "ACQUISITION_DATE", "ACQUISITION_TIME"},
    {NULL, "ACQUISITIONDATETIME", NULL},
    {NULL, "DATE_ACQUIRED", "SCENE_CENTER_TIME"}, /* Landsat */
    {NULL, "SENSING_TIME", NULL},
    {NULL, "DATATAKE_1_DATATAKE_SENSING_START", NULL}, /* Sentinel-2 */
    {NULL, "PRODUCT_START_TIME", NULL},
    {NULL, "ACQUISITION_START_TIME", NULL},             /* Sentinel-1 */
    {NULL, "RANGEBEGINNINGDATE", "RANGEBEGINNINGTIME"}, /* MODIS, HDF-EOS */
    {NULL, "EXIF_DateTimeOriginal", NULL},
    {NULL, "NC_GLOBAL#time_coverage_start", NULL},
    {NULL, "time_coverage_start", NULL},
    {NULL, "NC_GLOBAL#start_date", NULL},
    {NULL, "DATE-OBS", NULL}, /* FITS */
    {NULL, "DATE", NULL},
};
static const char *const written_keys[] = {"TIFFTAG_DATETIME", "EXIF_DateTime"};

static const char *item(GDALDatasetH dataset, const char *key, const char *domain)
{
    return gdal.GDALGetMetadataItem(dataset, key, domain);
}

/* "hours since 1900-01-01 00:00:0.0" and a number (CF conventions, section 4.4). */
static bool time_since(struct akin_interval *out, const char *units, const char *value)
{
    static const struct {
        const char *name;
        double ms;
    } known[] = {{"sec", 1e3}, {"min", 6e4}, {"hour", 3.6e6}, {"day", 8.64e7}};
    const char *since = strstr(units, " since ");
    char *end;
    const double number = strtod(value, &end);
    struct akin_interval origin;
    char day[11];
    if (!since || end == value || !isfinite(number) || fabs(number) > 1e13)
        return false;
    snprintf(day, sizeof day, "%s", since + 7);
    if (!when_parse(&origin, day))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(units, known[i].name, strlen(known[i].name)) == 0) {
            const double ms = (double)origin.begin_ms + number * known[i].ms;
            if (fabs(ms) > 2e14)
                return false;
            out->begin_ms = out->end_ms = (int64_t)ms;
            return true;
        }
    return false;
}

/* The time of the first band: one slice of a netCDF cube, one message of a GRIB file. */
static bool time_of_band(struct akin_interval *out, GDALDatasetH dataset)
{
    GDALRasterBandH band = gdal.GDALGetRasterBand(dataset, 1);
    const char *value = gdal.GDALGetMetadataItem(band, "NETCDF_DIM_time", NULL);
    const char *units = item(dataset, "time#units", NULL);
    if (value && units && time_since(out, units, value))
        return true;
    const char *valid = gdal.GDALGetMetadataItem(band, "GRIB_VALID_TIME", NULL);
    return valid && time_since(out, "sec since 1970-01-01", valid + strspn(valid, " "));
}

void when_from_gdal(void *dataset, struct akin_interval *taken, struct akin_interval *written)
{
    for (size_t i = 0; i < sizeof taken_keys / sizeof *taken_keys; i++) {
        const char *date = item(dataset, taken_keys[i].date, taken_keys[i].domain);
        const char *time = date && taken_keys[i].time
                               ? item(dataset, taken_keys[i].time, taken_keys[i].domain)
                               : NULL;
        char both[80];
        if (time &&
            snprintf(both, sizeof both, "%.10sT%s", date + strspn(date, "\""),
                     time + strspn(time, "\"")) < (int)sizeof both &&
            when_parse(taken, both))
            return;
        if (date && when_parse(taken, date))
            return;
    }
    if (time_of_band(taken, dataset))
        return;
    for (size_t i = 0; i < sizeof written_keys / sizeof *written_keys; i++)
        if (when_parse(written, item(dataset, written_keys[i], NULL)))
            return;
}

akin_status when_decide(akin_source *source, const struct akin_source_options *options,
                        const char *name, struct akin_interval taken, struct akin_interval written,
                        akin_error *err)
{
    struct akin_interval *time = &source->info.time;
    *time = akin_interval_known(options->time) ? options->time : taken;
    if (akin_interval_known(*time))
        return AKIN_OK;
    const char *slash = strrchr(name, '/');
    const char *file = slash ? slash + 1 : name;
    if (options->time_pattern) {
        const akin_status status = akin_time_from_pattern(time, file, options->time_pattern, err);
        if (status == AKIN_OK)
            return AKIN_OK;
        if (status != AKIN_ERR_NOT_FOUND)
            return status;
    }
    if (!akin_time_guess(time, file))
        *time = written;
    return AKIN_OK;
}
