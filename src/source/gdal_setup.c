/*
 * GDAL for the whole process: drivers, settings, and what becomes of its messages. GDAL keeps a
 * stack of error handlers a thread; ours writes into the struct of the call at hand, and a quiet
 * one lies under it, so that nothing ever reaches stderr.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gdal_api.h"
#include "source_private.h"

struct gdal_api gdal;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_bool loaded; /* written by load_once only */
static char why_not[256];
static atomic_ullong cache_max; /* asked for before there is a GDAL; 0 = leave */

/* Pointers to functions and to objects are the same size where there is dlsym (POSIX); ISO C wants
 * it said by memcpy. */
static bool find_functions(void *library)
{
#define X(name)                                                                                    \
    do {                                                                                           \
        void *address = dlsym(library, #name);                                                     \
        if (!address) {                                                                            \
            snprintf(why_not, sizeof why_not, "%s lacks %s", GDAL_SONAME, #name);                  \
            return false;                                                                          \
        }                                                                                          \
        memcpy(&gdal.name, &address, sizeof address);                                              \
    } while (0);
    GDAL_FUNCTIONS(X)
#undef X
    return true;
}

static void limit_cache(void)
{
    const unsigned long long cache = atomic_load(&cache_max);
    if (cache)
        gdal.GDALSetCacheMax64(cache > INT64_MAX ? INT64_MAX : (GIntBig)cache);
}

static void settle(void)
{
    static const char *const settings[][2] = {
        /* No statistics or histograms in .aux.xml files beside the user's images; where such a file
         * is there already it is read (gdal_open.c). */
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
    gdal.CPLSetErrorHandler(gdal.CPLQuietErrorHandler);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        gdal.CPLSetConfigOption(settings[i][0], settings[i][1]);
    gdal.GDALAllRegister();
    limit_cache();
}

static void load_once(void)
{
    void *library = dlopen(GDAL_SONAME, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(why_not, sizeof why_not, "%s", dlerror());
        return;
    }
    if (find_functions(library)) {
        settle();
        atomic_store(&loaded, true);
    }
}

akin_status gdal_load(akin_error *err)
{
    pthread_once(&once, load_once);
    return atomic_load(&loaded)
               ? AKIN_OK
               : akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                                "GDAL cannot be loaded (%s): install its library (Debian 12: "
                                "apt-get install libgdal32)",
                                why_not);
}

void akin_source_setup(uint64_t cache_bytes)
{
    if (!cache_bytes)
        return;
    atomic_store(&cache_max, cache_bytes);
    if (atomic_load(&loaded))
        limit_cache();
}

static void CPL_STDCALL hear(CPLErr level, CPLErrorNum number, const char *text)
{
    (void)number;
    struct gdal_talk *talk = gdal.CPLGetErrorHandlerUserData();
    if (strstr(text, "Premature end of JPEG") || strstr(text, "premature end of data segment"))
        talk->damaged = true;
    if (level >= CE_Failure && !talk->text[0])
        snprintf(talk->text, sizeof talk->text, "%s", text);
    else if (level == CE_Warning)
        snprintf(talk->warning, sizeof talk->warning, "%s", text);
}

void gdal_listen(struct gdal_talk *talk)
{
    *talk = (struct gdal_talk){0};
    gdal.CPLPushErrorHandlerEx(hear, talk);
}

void gdal_hush(void)
{
    gdal.CPLPopErrorHandler();
}

const char *gdal_reason(const struct gdal_talk *talk)
{
    return talk->text[0] ? talk->text : talk->warning[0] ? talk->warning : "no reason given";
}

/* Files that some raster driver claims by extension but that in a folder of imagery are documents,
 * tables, headers of other files or containers with their own treatment. A file given by name is
 * tried whatever it is called. */
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

/* The commonest, for which GDAL need not be loaded to be asked, and names that archives use and its
 * table lacks. */
static bool is_common(const char *extension)
{
    static const char *const common[] = {"jpg", "png", "tif",  "tiff", "webp", "gif",  "bmp",
                                         "jp2", "vrt", "jpeg", "jpe",  "jfif", "nc4",  "cdf",
                                         "he5", "he4", "hdf4", "h4",   "fit",  "fts",  "jpf",
                                         "jpx", "j2c", "jpc",  "pbm",  "heif", "grb1", "grib"};
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (strcmp(extension, common[i]) == 0)
            return true;
    return false;
}

static bool some_driver_claims(const char *extension)
{
    for (int d = 0; d < gdal.GDALGetDriverCount(); d++) {
        GDALDriverH driver = gdal.GDALGetDriver(d);
        const char *raster = gdal.GDALGetMetadataItem(driver, GDAL_DCAP_RASTER, NULL);
        const char *known = gdal.GDALGetMetadataItem(driver, GDAL_DMD_EXTENSIONS, NULL);
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

akin_status gdal_knows_extension(const char *extension, bool *known, akin_error *err)
{
    *known = false;
    if (!extension[0] || strchr(extension, ' ') || is_noise(extension))
        return AKIN_OK;
    *known = is_common(extension);
    if (*known)
        return AKIN_OK;
    const akin_status status = gdal_load(err);
    if (status == AKIN_OK)
        *known = some_driver_claims(extension);
    return status;
}
