/*
 * GDAL for the whole process: drivers, settings, and what becomes of its messages. GDAL keeps a
 * stack of error handlers a thread; ours writes into the struct of the call at hand, and a quiet one
 * lies under it, so that nothing ever reaches stderr.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cpl_conv.h>
#include <cpl_error.h>
#include <cpl_string.h>
#include <gdal.h>

#include "source_private.h"

static pthread_once_t set_up = PTHREAD_ONCE_INIT;

static void set_up_once(void)
{
    static const char *const settings[][2] = {
        /* No statistics or histograms in .aux.xml files beside the user's images; where such a file is
         * there already it is read (gdal_open.c). */
        {"GDAL_PAM_ENABLED", "NO"},
        {"CPL_DEBUG", "OFF"},
        /* Side files are looked for by name: listing a folder of 2,800 files at every open costs
         * more than the open. */
        {"GDAL_DISABLE_READDIR_ON_OPEN", "TRUE"},
        /* A raw raster whose file is too short is damaged, not sparse. */
        {"RAW_CHECK_FILE_SIZE", "YES"},
        /* No code out of files. */
        {"GDAL_VRT_ENABLE_PYTHON", "NO"},
        {"GDAL_HTTP_CONNECTTIMEOUT", "15"},
        {"GDAL_HTTP_TIMEOUT", "120"},
        {"GDAL_HTTP_MAX_RETRY", "3"},
    };
    CPLSetErrorHandler(CPLQuietErrorHandler);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        CPLSetConfigOption(settings[i][0], settings[i][1]);
    GDALAllRegister();
}

void akin_source_setup(uint64_t cache_bytes)
{
    pthread_once(&set_up, set_up_once);
    if (cache_bytes)
        GDALSetCacheMax64(cache_bytes > INT64_MAX ? INT64_MAX : (GIntBig)cache_bytes);
}

static void CPL_STDCALL hear(CPLErr level, CPLErrorNum number, const char *text)
{
    (void)number;
    struct gdal_talk *talk = CPLGetErrorHandlerUserData();
    if (strstr(text, "Premature end of JPEG") || strstr(text, "premature end of data segment"))
        talk->damaged = true;
    if (level >= CE_Failure && !talk->text[0])
        snprintf(talk->text, sizeof talk->text, "%s", text);
    else if (level == CE_Warning)
        snprintf(talk->warning, sizeof talk->warning, "%s", text);
}

void gdal_listen(struct gdal_talk *talk)
{
    akin_source_setup(0);
    *talk = (struct gdal_talk){0};
    CPLPushErrorHandlerEx(hear, talk);
}

void gdal_hush(void)
{
    CPLPopErrorHandler();
}

const char *gdal_reason(const struct gdal_talk *talk)
{
    return talk->text[0] ? talk->text : talk->warning[0] ? talk->warning : "no reason given";
}

/* Files that some raster driver claims by extension but that in a folder of imagery are documents,
 * tables, headers of other files or containers with their own treatment. A file given by name is tried
 * whatever it is called. */
static bool is_noise(const char *extension)
{
    static const char *const noise[] = {"xml", "json", "txt",    "csv", "pdf",  "kml", "kmz", "db",
                                        "dbf", "shp",  "sqlite", "hdr", "lbl",  "err", "dat", "bin",
                                        "mem", "toc",  "gen",    "dwg", "gpkg", "cal", "rst", "prf",
                                        "gsb", "gvb",  "log",    "map", "rda"};
    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++)
        if (strcmp(extension, noise[i]) == 0)
            return true;
    return false;
}

/* Names that archives use and GDAL's table lacks. */
static bool is_alias(const char *extension)
{
    static const char *const alias[] = {"jpeg", "jpe", "jfif", "nc4",  "cdf", "he5", "he4",
                                        "hdf4", "h4",  "fit",  "fts",  "jpf", "jpx", "j2c",
                                        "jpc",  "pbm", "heif", "grb1", "grib"};
    for (size_t i = 0; i < sizeof alias / sizeof *alias; i++)
        if (strcmp(extension, alias[i]) == 0)
            return true;
    return false;
}

bool gdal_knows_extension(const char *extension)
{
    if (!extension[0] || strchr(extension, ' ') || is_noise(extension))
        return false;
    if (is_alias(extension))
        return true;
    akin_source_setup(0);
    for (int d = 0; d < GDALGetDriverCount(); d++) {
        GDALDriverH driver = GDALGetDriver(d);
        const char *raster = GDALGetMetadataItem(driver, GDAL_DCAP_RASTER, NULL);
        const char *known = GDALGetMetadataItem(driver, GDAL_DMD_EXTENSIONS, NULL);
        if (!raster || !known)
            continue;
        const size_t length = strlen(extension);
        for (const char *at = known; *at; at += strspn(at, " ")) {
            const size_t word = strcspn(at, " ");
            if (word == length && strncasecmp(at, extension, length) == 0)
                return true;
            at += word;
        }
    }
    return false;
}
