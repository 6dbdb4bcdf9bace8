/*
 * Vectors for the scripts of tests/cli, in any format that akin import takes:
 *
 *     make_vectors FILE ROWS DIM SEED [first=N] [fortran] [scale=F] [nan=ROW] [zero=ROW] [inf=ROW]
 *
 * FILE ends in .npy, .fvecs, .bvecs or .safetensors. Rows lie around ten centres; row i depends on
 * SEED, DIM and first + i only. A file of bytes holds what is left of them as u8.
 *
 *     make_vectors keys.npy|times.npy|places.npy ROWS columns
 *
 * the columns of rows 0 .. ROWS - 1: keys 3 i + 1 (u32), times (datetime64, a day apart from
 * 2020-01-01), places (lon, lat: i mod 360 - 180, i mod 179 - 89).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "akin/akin.h"

#define CENTRES 10

struct plan {
    const char *path;
    uint64_t rows, first, seed, nan, zero, inf;
    uint32_t dim;
    double scale;
    bool fortran;
};

static double normal(uint64_t seed, uint64_t stream, uint64_t counter)
{
    const double u = 1 - akin_random_unit(seed, stream, 2 * counter);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * akin_random_unit(seed, stream, 2 * counter + 1));
}

static float value(const struct plan *plan, uint64_t row, uint32_t col)
{
    const uint64_t i = plan->first + row, centre = akin_random_below(plan->seed, 1, i, CENTRES);
    if (row == plan->nan && col == plan->dim - 1)
        return NAN;
    if (row == plan->inf && col == 0)
        return -INFINITY;
    if (row == plan->zero)
        return 0;
    return (float)(plan->scale *
                   (normal(plan->seed, 2 + centre, col) + 0.4 * normal(plan->seed, 100 + i, col)));
}

static void write_or_die(FILE *file, const void *bytes, size_t size)
{
    if (fwrite(bytes, 1, size, file) != size) {
        fprintf(stderr, "make_vectors: cannot write\n");
        exit(1);
    }
}

static void write_head(FILE *file, const char *descr, bool fortran, uint64_t rows, uint64_t cols)
{
    struct akin_buffer head;
    const uint64_t dims[2] = {rows, cols};
    akin_buffer_init(&head, 4096);
    if (akin_npy_head(&head, descr, dims, cols ? 2 : 1, NULL) != AKIN_OK)
        exit(1);
    char *order = fortran ? strstr(head.data + 10, "False, ") : NULL;
    if (order)
        memcpy(order, "True,  ", 7);
    write_or_die(file, head.data, head.size);
    akin_buffer_fini(&head);
}

static void write_value(FILE *file, const struct plan *plan, uint64_t row, uint32_t col, bool byte)
{
    const float real = value(plan, row, col);
    const uint8_t small = (uint8_t)(128 + 30 * real);
    write_or_die(file, byte ? (const void *)&small : &real, byte ? 1 : sizeof real);
}

static void write_rows(FILE *file, const struct plan *plan, bool prefix, bool byte)
{
    for (uint64_t r = 0; r < plan->rows; r++) {
        if (prefix)
            write_or_die(file, &plan->dim, sizeof plan->dim);
        for (uint32_t c = 0; c < plan->dim; c++)
            write_value(file, plan, r, c, byte);
    }
}

static void write_vectors(FILE *file, const struct plan *plan)
{
    const bool byte = akin_text_ends_with(plan->path, ".bvecs");
    if (akin_text_ends_with(plan->path, ".npy")) {
        write_head(file, "<f4", plan->fortran, plan->rows, plan->dim);
        if (!plan->fortran) {
            write_rows(file, plan, false, false);
            return;
        }
        for (uint32_t c = 0; c < plan->dim; c++)
            for (uint64_t r = 0; r < plan->rows; r++)
                write_value(file, plan, r, c, false);
    } else if (akin_text_ends_with(plan->path, ".safetensors")) {
        char header[256];
        const uint64_t bytes = plan->rows * plan->dim * sizeof(float);
        const int length =
            snprintf(header, sizeof header,
                     "{\"emb\":{\"dtype\":\"F32\",\"shape\":[%llu,%u],"
                     "\"data_offsets\":[0,%llu]}}",
                     (unsigned long long)plan->rows, plan->dim, (unsigned long long)bytes);
        const uint64_t size = (uint64_t)length;
        write_or_die(file, &size, sizeof size);
        write_or_die(file, header, (size_t)length);
        write_rows(file, plan, false, false);
    } else {
        write_rows(file, plan, true, byte);
    }
}

static void write_columns(FILE *file, const char *path, uint64_t rows)
{
    const bool keys = akin_text_ends_with(path, "keys.npy"),
               places = akin_text_ends_with(path, "places.npy");
    write_head(file, keys ? "<u4" : places ? "<f8" : "<M8[D]", false, rows, places ? 2 : 0);
    for (uint64_t i = 0; i < rows; i++) {
        const uint32_t key = (uint32_t)(3 * i + 1);
        const int64_t day = 18262 + (int64_t)i;
        const double place[2] = {(double)(i % 360) - 180, (double)(i % 179) - 89};
        write_or_die(file,
                     keys     ? (const void *)&key
                     : places ? (const void *)place
                              : &day,
                     keys     ? sizeof key
                     : places ? sizeof place
                              : sizeof day);
    }
}

static void set_option(struct plan *plan, const char *word)
{
    const char *equals = strchr(word, '=');
    const double number = equals ? strtod(equals + 1, NULL) : 0;
    if (!strcmp(word, "fortran"))
        plan->fortran = true;
    else if (!strncmp(word, "first=", 6))
        plan->first = (uint64_t)number;
    else if (!strncmp(word, "scale=", 6))
        plan->scale = number;
    else if (!strncmp(word, "nan=", 4))
        plan->nan = (uint64_t)number;
    else if (!strncmp(word, "zero=", 5))
        plan->zero = (uint64_t)number;
    else if (!strncmp(word, "inf=", 4))
        plan->inf = (uint64_t)number;
    else {
        fprintf(stderr, "make_vectors: what is '%s'?\n", word);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "make_vectors FILE ROWS DIM SEED [...]\n");
        return 2;
    }
    FILE *file = fopen(argv[1], "wb");
    if (!file) {
        fprintf(stderr, "make_vectors: cannot open '%s'\n", argv[1]);
        return 1;
    }
    struct plan plan = {.path = argv[1],
                        .rows = strtoull(argv[2], NULL, 10),
                        .nan = UINT64_MAX,
                        .zero = UINT64_MAX,
                        .inf = UINT64_MAX,
                        .scale = 1};
    if (!strcmp(argv[3], "columns")) {
        write_columns(file, plan.path, plan.rows);
    } else {
        plan.dim = (uint32_t)strtoul(argv[3], NULL, 10);
        plan.seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
        for (int i = 5; i < argc; i++)
            set_option(&plan, argv[i]);
        write_vectors(file, &plan);
    }
    return fclose(file) != 0;
}
