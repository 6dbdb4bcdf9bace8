/*
 * What opening and reading whole small pictures costs through GDAL and past it: the reason for the fast
 * path of src/source/picture.c. Both ways run in turn over the same files, in memory of the operating
 * system after the first run; the median of the runs counts.
 *
 *     bench_decode FOLDER [RUNS]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gdal.h>

#include "akin/source.h"

#define RUNS_MAX 99

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Opens and reads all of one picture; false where it fails. */
static bool by_gdal(const char *path)
{
    GDALDatasetH dataset = GDALOpen(path, GA_ReadOnly);
    if (!dataset)
        return false;
    const int width = GDALGetRasterXSize(dataset), height = GDALGetRasterYSize(dataset);
    const int bands = GDALGetRasterCount(dataset);
    /* What has to be known of any image: its place, its time, its mask. */
    double transform[6];
    GDALGetGeoTransform(dataset, transform);
    GDALGetGCPCount(dataset);
    GDALGetMetadataItem(dataset, "EXIF_DateTimeOriginal", NULL);
    GDALGetMaskFlags(GDALGetRasterBand(dataset, 1));
    unsigned char *pixels = malloc((size_t)width * (size_t)height * (size_t)bands);
    const bool read = pixels && GDALDatasetRasterIOEx(dataset, GF_Read, 0, 0, width, height, pixels,
                                                      width, height, GDT_Byte, bands, NULL, bands,
                                                      (GSpacing)bands * width, 1, NULL) == CE_None;
    free(pixels);
    GDALClose(dataset);
    return read;
}

static bool by_akin(const char *path)
{
    akin_source *source;
    struct akin_raster raster;
    uint32_t bands[AKIN_BANDS_MAX];
    if (akin_source_open(&source, path, NULL, NULL) != AKIN_OK)
        return false;
    const struct akin_source_info *info = akin_source_info(source);
    for (uint32_t b = 0; b < info->bands; b++)
        bands[b] = b;
    const struct akin_window all = {0, 0, info->width, info->height};
    const bool read = akin_source_read(source, all, bands, info->bands, &raster, NULL) == AKIN_OK;
    if (read)
        akin_raster_fini(&raster);
    akin_source_close(source);
    return read;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double run(const struct akin_source_list *list, const char *suffix,
                  bool (*way)(const char *path), size_t *pictures)
{
    const double start = now_s();
    *pictures = 0;
    for (size_t i = 0; i < list->count; i++)
        if (akin_text_ends_with(list->items[i].uri, suffix))
            *pictures += way(list->items[i].uri);
    return now_s() - start;
}

static void compare(const struct akin_source_list *list, const char *suffix, int runs)
{
    double gdal[RUNS_MAX], akin[RUNS_MAX];
    size_t pictures = 0, same = 0;
    for (int i = 0; i < runs; i++) {
        gdal[i] = run(list, suffix, by_gdal, &same);
        akin[i] = run(list, suffix, by_akin, &pictures);
    }
    if (!pictures || pictures != same)
        return;
    qsort(gdal, (size_t)runs, sizeof *gdal, by_value);
    qsort(akin, (size_t)runs, sizeof *akin, by_value);
    const double g = gdal[runs / 2], a = akin[runs / 2];
    printf("| %s | %zu | %.3f | %.3f | %.2f |\n", suffix, pictures, 1e3 * g / (double)pictures,
           1e3 * a / (double)pictures, g / a);
}

int main(int argc, char **argv)
{
    akin_error err = {0};
    struct akin_source_list list;
    const char *folder = argc > 1 ? argv[1] : "../shared/data/rsscn7";
    uint64_t runs = 7;
    if ((argc > 2 && akin_parse_u64(&runs, argv[2], 1, RUNS_MAX, "RUNS", &err) != AKIN_OK) ||
        akin_source_find(&list, &folder, 1, NULL, &err) != AKIN_OK) {
        fprintf(stderr, "bench_decode: %s\n", err.text);
        return 1;
    }
    size_t warmed;
    run(&list, "", by_akin, &warmed);
    printf("| files | count | GDAL, ms each | fast path, ms each | times faster |\n"
           "| --- | --- | --- | --- | --- |\n");
    compare(&list, ".jpg", (int)runs);
    compare(&list, ".jpeg", (int)runs);
    compare(&list, ".png", (int)runs);
    akin_source_list_free(&list);
    return 0;
}
