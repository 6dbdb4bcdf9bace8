/*
 * Test imagery out of nothing but a seed: textured pictures through akin's own JPEG and PNG
 * writers, rasters of other sample types as ENVI (raw samples and a text header, which GDAL reads),
 * and headers that claim absurd sizes.
 *
 *     make_images picture OUT.jpg|OUT.png WIDTH HEIGHT SEED [KIND]     KIND: any of 0..5, black,
 *     gaps
 *     make_images raw OUT.img WIDTH HEIGHT BANDS TYPE SEED [KIND] [W,S,E,N]
 *                                   TYPE: u8 u16 i16 i32 f32 f64; KIND: texture, nan, inf, holes,
 *                                   constant
 *     make_images bomb OUT.jpg|OUT.png|OUT.tif
 *     make_images patch FILE OFFSET BYTE...       overwrites bytes; a negative offset counts from
 *     the end
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "akin/akin.h"

static int fail(const char *what)
{
    fprintf(stderr, "make_images: %s\n", what);
    return 1;
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

/* ---- texture: a value in 0..1 for each place, of a few families so that some pictures are more
 * alike ---- */

static double unit(uint64_t seed, uint64_t i)
{
    return (double)(akin_random_u64(seed, 1, i) >> 11) * 0x1p-53;
}

struct texture {
    unsigned kind;
    double angle, wave, phase;
    uint64_t seed;
};

static struct texture texture_of(unsigned kind, uint64_t seed)
{
    return (struct texture){kind % 6, 3.14159 * unit(seed, 1), 4 + 12 * unit(seed, 2),
                            6.28318 * unit(seed, 3), seed};
}

static double texture_at(const struct texture *t, uint32_t x, uint32_t y)
{
    double along = x * cos(t->angle) + y * sin(t->angle);
    double across = y * cos(t->angle) - x * sin(t->angle);
    double noise = unit(t->seed, 16 + ((uint64_t)y << 32 | x));
    switch (t->kind) {
    case 0: /* stripes */
        return 0.45 + 0.4 * sin(along / t->wave * 2 + t->phase) + 0.15 * (noise - 0.5);
    case 1: /* cells */
        return 0.5 + 0.25 * sin(along / t->wave + t->phase) + 0.25 * sin(across / t->wave);
    case 2: /* noise */
        return 0.2 + 0.7 * noise;
    case 3: /* squares */
        return ((unsigned)(x / t->wave) + (unsigned)(y / t->wave)) % 2 ? 0.8 : 0.25 + 0.1 * noise;
    case 4: /* a slope with ripples */
        return 0.3 + 0.5 * fabs(sin(along / 200 + t->phase)) + 0.1 * sin(across);
    default: /* dots on a plain ground */
        return noise > 0.97 ? 0.95 : 0.4 + 0.05 * sin(along / t->wave);
    }
}

/* ---- pictures ---- */

static void paint(struct akin_raster *raster, const char *kind, uint64_t seed)
{
    bool black = !strcmp(kind, "black"), gaps = !strcmp(kind, "gaps");
    struct texture texture = texture_of(black || gaps ? 1 : number(kind), seed);
    uint8_t *pixels = raster->pixels;
    for (uint32_t y = 0; y < raster->height; y++) {
        for (uint32_t x = 0; x < raster->width; x++) {
            bool missing = black || (gaps && (x + y / 4) % 200 < 60);
            double value = missing ? 0 : texture_at(&texture, x, y);
            for (uint32_t b = 0; b < raster->bands; b++)
                *pixels++ =
                    (uint8_t)(255 * fmin(1, fmax(0, value * (1 - 0.2 * b * (texture.kind % 3)))));
        }
    }
}

static int ends_with(const char *name, const char *suffix)
{
    return akin_text_ends_with(name, suffix);
}

static int make_picture(int argc, char **argv)
{
    struct akin_raster raster = {0};
    struct akin_buffer out;
    akin_error err = {0};
    if (argc < 6)
        return fail("picture OUT WIDTH HEIGHT SEED [KIND]");
    akin_buffer_init(&out, (size_t)1 << 30);
    uint64_t seed = number(argv[5]);
    char kind[16];
    snprintf(kind, sizeof kind, "%u", (unsigned)(seed % 6));
    akin_status status =
        akin_raster_init(&raster, number(argv[3]), number(argv[4]), 3, AKIN_U8, false, &err);
    if (status == AKIN_OK) {
        paint(&raster, argc > 6 ? argv[6] : kind, seed);
        status = ends_with(argv[2], ".png") ? akin_png_encode(&raster, &out, &err)
                                            : akin_jpeg_encode(&raster, 90, &out, &err);
    }
    if (status == AKIN_OK)
        status = akin_file_write_atomic(argv[2], out.data, out.size, &err);
    akin_raster_fini(&raster);
    akin_buffer_fini(&out);
    return status == AKIN_OK ? 0 : fail(err.text);
}

/* ---- ENVI ---- */

/* ENVI's numbers for sample types. */
static const struct sample_type {
    const char *name;
    int envi;
    size_t bytes;
} sample_types[] = {{"u8", 1, 1},  {"i16", 2, 2}, {"i32", 3, 4},
                    {"f32", 4, 4}, {"f64", 5, 8}, {"u16", 12, 2}};

static const struct sample_type *sample_type_of(const char *name)
{
    for (size_t i = 0; i < sizeof sample_types / sizeof *sample_types; i++)
        if (!strcmp(sample_types[i].name, name))
            return &sample_types[i];
    return NULL;
}

static void write_sample(FILE *file, const struct sample_type *type, double value)
{
    union {
        uint8_t u8;
        int16_t i16;
        int32_t i32;
        float f32;
        double f64;
        uint16_t u16;
    } sample;
    switch (type->envi) {
    case 1:
        sample.u8 = (uint8_t)(255 * value);
        break;
    case 2:
        sample.i16 = (int16_t)(4000 * value - 1000);
        break;
    case 3:
        sample.i32 = (int32_t)(1e6 * value - 1e5);
        break;
    case 4:
        sample.f32 = (float)(300 * value - 20);
        break;
    case 5:
        sample.f64 = 300 * value - 20;
        break;
    default:
        sample.u16 = (uint16_t)(12000 * value);
        break;
    }
    fwrite(&sample, type->bytes, 1, file);
}

static double raw_value(const struct texture *texture, const char *kind, uint32_t x, uint32_t y)
{
    if (!strcmp(kind, "nan") || (!strcmp(kind, "holes") && x / 40 % 3 == 0))
        return NAN;
    if (!strcmp(kind, "inf"))
        return (x + y) % 2 ? INFINITY : -INFINITY;
    return !strcmp(kind, "constant") ? 0.5 : texture_at(texture, x, y);
}

static int write_header(const char *path, uint32_t width, uint32_t height, uint32_t bands, int type,
                        const char *bbox)
{
    char name[AKIN_PATH_MAX];
    double box[4];
    snprintf(name, sizeof name, "%s", path);
    char *dot = strrchr(name, '.');
    snprintf(dot ? dot : name + strlen(name), 5, ".hdr");
    FILE *file = fopen(name, "wb");
    if (!file)
        return fail("cannot write the header");
    fprintf(
        file,
        "ENVI\nsamples = %u\nlines = %u\nbands = %u\nheader offset = 0\nfile type = ENVI Standard\n"
        "data type = %d\ninterleave = bsq\nbyte order = 0\n",
        width, height, bands, type);
    if (bbox && akin_parse_doubles(box, 4, bbox, "W,S,E,N", NULL) == AKIN_OK)
        fprintf(file,
                "map info = {Geographic Lat/Lon, 1, 1, %.12g, %.12g, %.12g, %.12g, WGS-84, "
                "units=Degrees}\n",
                box[0], box[3], (box[2] - box[0]) / width, (box[3] - box[1]) / height);
    return fclose(file) ? fail("cannot write the header") : 0;
}

static int make_raw(int argc, char **argv)
{
    if (argc < 8)
        return fail("raw OUT WIDTH HEIGHT BANDS TYPE SEED [KIND] [W,S,E,N]");
    uint32_t width = number(argv[3]), height = number(argv[4]), bands = number(argv[5]);
    const struct sample_type *type = sample_type_of(argv[6]);
    const char *kind = argc > 8 ? argv[8] : "texture";
    FILE *file = fopen(argv[2], "wb");
    if (!type || !file)
        return fail(type ? "cannot write the samples" : "no such sample type");
    for (uint32_t b = 0; b < bands; b++) {
        struct texture texture = texture_of(number(argv[7]) + b, number(argv[7]) + 100 * b);
        for (uint32_t y = 0; y < height; y++)
            for (uint32_t x = 0; x < width; x++)
                write_sample(file, type, raw_value(&texture, kind, x, y));
    }
    if (fclose(file))
        return fail("cannot write the samples");
    return write_header(argv[2], width, height, bands, type->envi, argc > 9 ? argv[9] : NULL);
}

/* ---- bombs ---- */

static void put_be(uint8_t *out, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static uint32_t png_crc(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

/* A good small picture whose header then claims 60000x60000: `at` is where the two numbers
 * stand. */
static int claim(const char *path, struct akin_buffer *out, bool png)
{
    uint8_t *bytes = (uint8_t *)out->data;
    size_t at = 0;
    while (!png && at + 9 < out->size && !(bytes[at] == 0xFF && bytes[at + 1] == 0xC0))
        at++;
    if (png) {
        put_be(bytes + 16, 60000, 4);
        put_be(bytes + 20, 60000, 4);
        put_be(bytes + 29, png_crc(bytes + 12, 17), 4);
    } else {
        put_be(bytes + at + 5, 60000, 2);
        put_be(bytes + at + 7, 60000, 2);
    }
    akin_error err = {0};
    return akin_file_write_atomic(path, out->data, out->size, &err) == AKIN_OK ? 0 : fail(err.text);
}

/* A TIFF of one strip that claims 2^31 - 1 pixels a side. */
static int tiff_bomb(const char *path)
{
    static const uint32_t tags[][3] = {/* tag, type (3 = 16 bits, 4 = 32), value */
                                       {256, 4, 0x7FFFFFFF}, {257, 4, 0x7FFFFFFF}, {258, 3, 8},
                                       {259, 3, 1},          {262, 3, 1},          {273, 4, 8},
                                       {277, 3, 1},          {278, 4, 0x7FFFFFFF}, {279, 4, 64}};
    enum { COUNT = sizeof tags / sizeof *tags };
    uint8_t bytes[8 + 2 + 12 * COUNT + 4] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, COUNT};
    for (int i = 0; i < COUNT; i++) {
        uint8_t *entry = bytes + 10 + 12 * i;
        put_be(entry, tags[i][0], 2);
        put_be(entry + 2, tags[i][1], 2);
        put_be(entry + 4, 1, 4);
        put_be(entry + 8, tags[i][2], tags[i][1] == 3 ? 2 : 4);
    }
    akin_error err = {0};
    return akin_file_write_atomic(path, bytes, sizeof bytes, &err) == AKIN_OK ? 0 : fail(err.text);
}

static int make_bomb(int argc, char **argv)
{
    struct akin_raster raster = {0};
    struct akin_buffer out;
    akin_error err = {0};
    if (argc < 3)
        return fail("bomb OUT");
    if (ends_with(argv[2], ".tif"))
        return tiff_bomb(argv[2]);
    bool png = ends_with(argv[2], ".png");
    akin_buffer_init(&out, 1 << 24);
    akin_status status = akin_raster_init(&raster, 64, 64, 3, AKIN_U8, false, &err);
    if (status == AKIN_OK) {
        paint(&raster, "1", 1);
        status =
            png ? akin_png_encode(&raster, &out, &err) : akin_jpeg_encode(&raster, 90, &out, &err);
    }
    int result = status == AKIN_OK ? claim(argv[2], &out, png) : fail(err.text);
    akin_raster_fini(&raster);
    akin_buffer_fini(&out);
    return result;
}

/* ---- damage ---- */

static int patch(int argc, char **argv)
{
    FILE *file = argc > 4 ? fopen(argv[2], "r+b") : NULL;
    if (!file)
        return fail("patch FILE OFFSET BYTE...");
    long offset = strtol(argv[3], NULL, 0);
    if (fseek(file, offset, offset < 0 ? SEEK_END : SEEK_SET))
        return fail("cannot go there");
    for (int i = 4; i < argc; i++)
        fputc((int)strtol(argv[i], NULL, 0), file);
    return fclose(file) ? fail("cannot write") : 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"picture", make_picture}, {"raw", make_raw}, {"bomb", make_bomb}, {"patch", patch}};
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc, argv);
    return fail("picture, raw, bomb or patch?");
}
