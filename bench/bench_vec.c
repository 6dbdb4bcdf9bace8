/*
 * How fast the kernels run: every tier that runs here, one thread, beside the two walls there are:
 * reading memory and the FMA units. Each figure is the median of runs that alternate among tiers,
 * so that a busy machine is busy for all of them.
 *
 *     bench_vec [ROUNDS]     default 9
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/memory.h"
#include "akin/vec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_MAX 101
#define TIERS_MAX 4

#define SCAN_ROWS 400000u /* 205 MB: far more than any cache */
#define SCAN_N 256u
#define PRODUCT_N 512u
#define TILE_STRIDE 192u /* 64 pixels of 3 bands */
#define TILE_ROWS 30u
#define TILE_FILTERS 256u
#define SHORT_N 4096u
#define LISTS 2048u /* of SCAN_N int8 values: the coarse step of half a million rows */
#define LIST_QUERIES 48u
#define DOTS_STRIDE (LISTS + 16u) /* rows a multiple of 4 KB apart would share few places in L1 */
#define CODE_NIBBLES 64u          /* one bit for each of 256 dimensions */
#define CODE_BLOCK (CODE_NIBBLES * 16u + 128u) /* bytes of 32 rows */
#define CODE_FEW 512u                          /* blocks that stay in L2 */

static struct {
    akin_f16 *rows;   /* (SCAN_ROWS, SCAN_N) */
    float *scores;    /* (8, SCAN_ROWS) */
    float *a, *b, *c; /* (PRODUCT_N, PRODUCT_N) */
    int8_t *i8;       /* (2, SHORT_N) */
    akin_f16 *halves; /* (SHORT_N) */
    int8_t *tiles;    /* (LISTS + LIST_QUERIES, SCAN_N) */
    int32_t *dots;    /* (LIST_QUERIES + 1, DOTS_STRIDE); the last are the tiles' sums */
    uint8_t *table;   /* (CODE_NIBBLES, 16) */
    struct akin_candidate *found; /* as many as there are rows */
    volatile float sink;          /* keeps results that nobody reads */
} data;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void run_dot(const struct akin_kernels *k)
{
    for (int i = 0; i < 2000; i++)
        data.sink = k->dot(data.a, data.b, SHORT_N);
}

static void run_squared_distance(const struct akin_kernels *k)
{
    for (int i = 0; i < 2000; i++)
        data.sink = k->squared_distance(data.a, data.b, SHORT_N);
}

static void run_dot_i8(const struct akin_kernels *k)
{
    for (int i = 0; i < 2000; i++)
        data.sink = (float)k->dot_i8(data.i8, data.i8 + SHORT_N, SHORT_N);
}

static void run_axpy(const struct akin_kernels *k)
{
    for (int i = 0; i < 2000; i++)
        k->axpy(data.c, 1e-6f, data.a, SHORT_N);
}

static void run_f16_from_f32(const struct akin_kernels *k)
{
    for (int i = 0; i < 500; i++)
        k->f16_from_f32(data.halves, data.a, SHORT_N);
}

static void run_f32_from_f16(const struct akin_kernels *k)
{
    for (int i = 0; i < 500; i++)
        k->f32_from_f16(data.c, data.halves, SHORT_N);
}

static void run_dots_f16(const struct akin_kernels *k)
{
    k->dots_f16(data.scores, data.a, data.rows, SCAN_ROWS, SCAN_N);
}

static void run_dots_f16_block(const struct akin_kernels *k)
{
    k->dots_f16_block(data.scores, SCAN_ROWS, data.a, 8, data.rows, SCAN_ROWS, SCAN_N);
}

static void run_gemm(const struct akin_kernels *k)
{
    size_t n = PRODUCT_N;
    k->gemm(data.c, n, data.a, n, data.b, n, n, n, n);
}

/* One tile of the instant encoder: 64 pixels, 3 bands, 256 filters of 5 x 5, stride 2; ten
 * times. */
static void run_conv(const struct akin_kernels *k)
{
    float positive[TILE_FILTERS] = {0}, negative[TILE_FILTERS] = {0};
    for (size_t y = 0; y < 10 * TILE_ROWS; y++)
        k->conv_rectify_sum(positive, negative, data.a + y % TILE_ROWS * 2 * TILE_STRIDE,
                            TILE_STRIDE, 6, TILE_ROWS, data.b, data.b, TILE_FILTERS, 5, 15, 0.5f);
    data.sink = positive[0] + negative[0];
}

static void run_dots_i8_tiles(const struct akin_kernels *k)
{
    for (int i = 0; i < 100; i++)
        k->dots_i8_tiles(data.dots, DOTS_STRIDE, data.tiles + LISTS * SCAN_N, 1, data.tiles,
                         data.dots + LIST_QUERIES * DOTS_STRIDE, LISTS / 16, SCAN_N / 4);
}

static void run_dots_i8_tiles_block(const struct akin_kernels *k)
{
    for (int i = 0; i < 10; i++)
        k->dots_i8_tiles(data.dots, DOTS_STRIDE, data.tiles + LISTS * SCAN_N, LIST_QUERIES,
                         data.tiles, data.dots + LIST_QUERIES * DOTS_STRIDE, LISTS / 16,
                         SCAN_N / 4);
}

static void run_hadamard(const struct akin_kernels *k)
{
    memcpy(data.c, data.a, SCAN_N * sizeof *data.c);
    for (int i = 0; i < 2000; i++) /* factors of 1/16 in b keep the length */
        k->hadamard(data.c, data.b + PRODUCT_N * PRODUCT_N, SCAN_N);
}

/* The scan's rows stand for blocks: their bits do not matter. Hardly any row survives. */
static void scan_codes(const struct akin_kernels *k, size_t blocks)
{
    struct akin_code_scan scan = {data.table, CODE_NIBBLES, true, 0, 0, 1e30f};
    data.sink = (float)k->scan_codes(data.found, &scan, (const uint8_t *)data.rows,
                                     blocks * AKIN_CODE_ROWS, 0, 0, NULL);
}

static void run_scan_codes_few(const struct akin_kernels *k)
{
    for (int i = 0; i < 20; i++)
        scan_codes(k, CODE_FEW);
}

#define CODE_MANY (2u * SCAN_ROWS * SCAN_N / CODE_BLOCK)
static void run_scan_codes_many(const struct akin_kernels *k)
{
    scan_codes(k, CODE_MANY);
}

static const struct bench {
    const char *name;
    void (*run)(const struct akin_kernels *k);
    double bytes, operations; /* of a run */
} benches[] = {
    {"dot 4096", run_dot, 2000 * 8.0 * SHORT_N, 2000 * 2.0 * SHORT_N},
    {"squared_distance 4096", run_squared_distance, 2000 * 8.0 * SHORT_N, 2000 * 3.0 * SHORT_N},
    {"dot_i8 4096", run_dot_i8, 2000 * 2.0 * SHORT_N, 2000 * 2.0 * SHORT_N},
    {"axpy 4096", run_axpy, 2000 * 12.0 * SHORT_N, 2000 * 2.0 * SHORT_N},
    {"f16_from_f32 4096", run_f16_from_f32, 500 * 6.0 * SHORT_N, 0},
    {"f32_from_f16 4096", run_f32_from_f16, 500 * 6.0 * SHORT_N, 0},
    {"dots_f16 400k x 256", run_dots_f16, 2.0 * SCAN_ROWS *SCAN_N, 2.0 * SCAN_ROWS *SCAN_N},
    {"dots_f16_block of 8", run_dots_f16_block, 2.0 * SCAN_ROWS *SCAN_N, 16.0 * SCAN_ROWS *SCAN_N},
    {"dots_i8_tiles 2048 x 256", run_dots_i8_tiles, 100.0 * LISTS *SCAN_N, 200.0 * LISTS *SCAN_N},
    {"dots_i8_tiles of 48", run_dots_i8_tiles_block, 0, 20.0 * LIST_QUERIES *LISTS *SCAN_N},
    {"hadamard 256", run_hadamard, 0, 2000 * 9.0 * SCAN_N},
    {"scan_codes 16k rows", run_scan_codes_few, 20.0 * CODE_FEW *CODE_BLOCK, 0},
    {"scan_codes 5.7M rows", run_scan_codes_many, 1.0 * CODE_MANY *CODE_BLOCK, 0},
    {"gemm 512^3", run_gemm, 0, 2.0 * PRODUCT_N *PRODUCT_N *PRODUCT_N},
    {"conv_rectify_sum tile", run_conv, 0, 10 * 2.0 * TILE_ROWS *TILE_ROWS *TILE_FILTERS * 5 * 15},
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times, int n)
{
    qsort(times, (size_t)n, sizeof *times, compare);
    return times[n / 2];
}

static void print_figure(double work, double seconds)
{
    if (work > 0)
        printf(" %9.1f", work / seconds / 1e9);
    else
        printf(" %9s", "-");
}

static void print_row(const char *name, const char *tier, double bytes, double operations,
                      double seconds)
{
    printf("%-24s %-8s", name, tier);
    print_figure(bytes, seconds);
    print_figure(operations, seconds);
    printf("\n");
}

/* A plain sum of one word in each cache line of the scan's rows. */
static double read_s(void)
{
    const uint64_t *word = (const uint64_t *)(const void *)data.rows;
    uint64_t sum = 0;
    double start = now_s();
    for (size_t i = 0; i < (size_t)SCAN_ROWS * SCAN_N / 4; i += 8)
        sum += word[i];
    double seconds = now_s() - start;
    data.sink = (float)sum;
    return seconds;
}

#define FMA_ROUNDS 2000000
#if defined(__x86_64__)
#include <immintrin.h>

/* Twelve independent chains of 8-wide FMAs: all that two units can take. */
__attribute__((target("avx2,fma"))) static double fma_s(void)
{
    __m256 chain[12], factor = _mm256_set1_ps(0.5f);
    for (int i = 0; i < 12; i++)
        chain[i] = _mm256_set1_ps((float)i);
    double start = now_s();
    for (int round = 0; round < FMA_ROUNDS; round++) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) {
            chain[i] = _mm256_fmadd_ps(chain[i], factor, factor);
            __asm__ volatile("" : : "x"(chain[i])); /* one instruction each, as written */
        }
    }
    double seconds = now_s() - start;
    for (int i = 1; i < 12; i++)
        chain[0] = _mm256_add_ps(chain[0], chain[i]);
    data.sink = _mm256_cvtss_f32(chain[0]);
    return seconds;
}
#endif

static void bench_walls(int rounds)
{
    double read[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++)
        read[i] = read_s();
    print_row("read a word a line", "-", 2.0 * SCAN_ROWS * SCAN_N, 0, median(read, rounds));
#if defined(__x86_64__)
    double fma[ROUNDS_MAX];
    for (int i = 0; i < rounds && akin_kernels_named("avx2"); i++)
        fma[i] = fma_s();
    if (akin_kernels_named("avx2"))
        print_row("FMA units, 8 wide", "-", 0, FMA_ROUNDS * 12.0 * 16.0, median(fma, rounds));
#endif
}

static void bench_one(const struct bench *bench, int rounds)
{
    static double times[TIERS_MAX][ROUNDS_MAX];
    const char *const *names = akin_kernels_list();
    for (int round = -1; round < rounds; round++) { /* the first is for the caches */
        for (int tier = 0; names[tier]; tier++) {
            const struct akin_kernels *k = akin_kernels_named(names[tier]);
            double start = now_s();
            bench->run(k);
            times[tier][round < 0 ? 0 : round] = now_s() - start;
        }
    }
    for (int tier = 0; names[tier]; tier++)
        print_row(bench->name, names[tier], bench->bytes, bench->operations,
                  median(times[tier], rounds));
}

static bool make_data(void)
{
    size_t square = (size_t)PRODUCT_N * PRODUCT_N;
    data.rows = akin_alloc((size_t)SCAN_ROWS * SCAN_N, sizeof *data.rows);
    data.scores = akin_alloc_zero((size_t)SCAN_ROWS * 8, sizeof *data.scores);
    data.a = akin_alloc(square, sizeof *data.a);
    data.b = akin_alloc(square + SCAN_N, sizeof *data.b);
    data.c = akin_alloc_zero(square, sizeof *data.c);
    data.i8 = akin_alloc(2 * SHORT_N, 1);
    data.halves = akin_alloc(SHORT_N, sizeof *data.halves);
    data.tiles = akin_alloc((size_t)(LISTS + LIST_QUERIES) * SCAN_N, 1);
    data.dots = akin_alloc_zero((size_t)(LIST_QUERIES + 1) * DOTS_STRIDE, sizeof *data.dots);
    data.table = akin_alloc_zero((size_t)CODE_NIBBLES * 16, 1);
    data.found = akin_alloc((size_t)CODE_MANY * AKIN_CODE_ROWS, sizeof *data.found);
    if (!data.rows || !data.scores || !data.a || !data.b || !data.c || !data.i8 || !data.halves ||
        !data.tiles || !data.dots || !data.table || !data.found)
        return false;
    for (size_t i = 0; i < (size_t)(LISTS + LIST_QUERIES) * SCAN_N; i++)
        data.tiles[i] = (int8_t)(i * 31 % 255 - 127);
    for (size_t i = 0; i < SCAN_N; i++)
        data.b[square + i] = i % 3 ? 0.0625f : -0.0625f;
    for (size_t i = 0; i < square; i++) {
        data.a[i] = (float)(i * 7919 % 2003) / 1000.0f - 1;
        data.b[i] = (float)(i * 104729 % 1999) / 1000.0f - 1;
    }
    for (size_t i = 0; i < 2 * SHORT_N; i++)
        data.i8[i] = (int8_t)(i * 31 % 255);
    akin_kernels()->f16_from_f32(data.halves, data.a, SHORT_N);
    for (size_t i = 0; i < (size_t)SCAN_ROWS * SCAN_N; i += SHORT_N)
        memcpy(data.rows + i, data.halves, SHORT_N * sizeof *data.rows);
    return true;
}

static void free_data(void)
{
    akin_free(data.rows), akin_free(data.scores), akin_free(data.i8), akin_free(data.halves);
    akin_free(data.a), akin_free(data.b), akin_free(data.c);
    akin_free(data.tiles), akin_free(data.dots), akin_free(data.table), akin_free(data.found);
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 9;
    if (argc > 2 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_vec [ROUNDS], 1 to %d\n", ROUNDS_MAX);
        return 2;
    }
    bool ready = make_data();
    if (ready) {
        printf("%-24s %-8s %9s %9s\n", "kernel", "tier", "GB/s", "GFLOP/s");
        bench_walls((int)rounds);
        for (size_t i = 0; i < sizeof benches / sizeof *benches; i++)
            bench_one(&benches[i], (int)rounds);
    } else {
        fprintf(stderr, "bench_vec: out of memory\n");
    }
    free_data();
    return !ready;
}
