/*
 * What opening and reading whole small pictures costs through GDAL, by the codec's library alone,
 * and through akin: why src/source/picture.c takes JPEG past GDAL and leaves PNG to it. The ways
 * run in turn over the same files, which are in memory after the first run; the median of the
 * processor time counts.
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
#include <png.h>
#include <turbojpeg.h>

#include "akin/source.h"
#include "bench.h"

#define RUNS_MAX 99

/* Of this process: other work on the machine is not counted. */
static double cpu_s(void)
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

static bool by_libjpeg(const struct akin_buffer *file)
{
    int width = 0, height = 0, sampling, colours;
    tjhandle decoder = tjInitDecompress();
    const unsigned char *bytes = (const unsigned char *)file->data;
    bool read = decoder && tjDecompressHeader3(decoder, bytes, file->size, &width, &height,
                                               &sampling, &colours) == 0;
    unsigned char *pixels = read ? malloc((size_t)width * (size_t)height * 3) : NULL;
    read = pixels &&
           tjDecompress2(decoder, bytes, file->size, pixels, width, 0, height, TJPF_RGB, 0) == 0;
    free(pixels);
    if (decoder)
        tjDestroy(decoder);
    return read;
}

static bool by_libpng(const struct akin_buffer *file)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&image, file->data, file->size))
        return false;
    image.format = PNG_FORMAT_RGB;
    void *pixels = malloc(PNG_IMAGE_SIZE(image));
    const bool read = pixels && png_image_finish_read(&image, NULL, pixels, 0, NULL);
    png_image_free(&image);
    free(pixels);
    return read;
}

/* Reads the file and decodes it: no less can be done. */
static bool by_codec(const char *path)
{
    struct akin_buffer file;
    akin_buffer_init(&file, (size_t)1 << 30);
    const bool read = akin_file_read(&file, path, NULL) == AKIN_OK &&
                      (file.data[0] == '\x89' ? by_libpng(&file) : by_libjpeg(&file));
    akin_buffer_fini(&file);
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

static double run(const struct akin_source_list *list, const char *suffix,
                  bool (*way)(const char *path), size_t *pictures)
{
    const double start = cpu_s();
    *pictures = 0;
    for (size_t i = 0; i < list->count; i++)
        if (akin_text_ends_with(list->items[i].uri, suffix))
            *pictures += way(list->items[i].uri);
    return cpu_s() - start;
}

static void compare(const struct akin_source_list *list, const char *suffix, int runs)
{
    static bool (*const ways[3])(const char *) = {by_gdal, by_codec, by_akin};
    double times[3][RUNS_MAX], ms[3];
    size_t pictures[3] = {0};
    for (int i = 0; i < runs; i++)
        for (int w = 0; w < 3; w++)
            times[w][i] = run(list, suffix, ways[w], &pictures[w]);
    if (!pictures[0] || pictures[0] != pictures[1] || pictures[0] != pictures[2])
        return; /* none, or some are damaged */
    for (int w = 0; w < 3; w++)
        ms[w] = 1e3 * bench_median(times[w], (size_t)runs) / (double)pictures[w];
    printf("| %s | %zu | %.3f | %.3f | %.3f | %.2f |\n", suffix, pictures[0], ms[0], ms[1], ms[2],
           ms[0] / ms[2]);
}

int main(int argc, char **argv)
{
    GDALAllRegister(); /* here GDAL is linked, for comparison; akin loads it by itself */
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
    printf("| files | count | GDAL, ms each | codec alone | akin | GDAL / akin |\n"
           "| --- | --- | --- | --- | --- | --- |\n");
    compare(&list, ".jpg", (int)runs);
    compare(&list, ".jpeg", (int)runs);
    compare(&list, ".png", (int)runs);
    akin_source_list_free(&list);
    return 0;
}
