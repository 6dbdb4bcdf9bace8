/*
 * The kernels for AVX-512 (F, BW, VL, DQ, VNNI: Ice Lake 2019, Zen 4 2022 and later). The same plan
 * as kernels_avx2.c at twice the width; masked loads and stores do every tail, and 32 registers
 * allow larger tiles. Not measured: no such machine was at hand.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernels_area_avx2.h"
#include "kernels_f64.h"

typedef __m512 lanes;
#define LANES 16
#define LANES_MAX _mm512_max_ps
#define STRIP_ROWS 24 /* 24 sums, 1 of B; A is broadcast from memory */
#include "kernels_winograd.h"

#define INLINE static inline __attribute__((always_inline))

/* The first n lanes of 16; all of them for n >= 16. */
INLINE __mmask16 first_lanes(size_t n)
{
    return n < 16 ? (__mmask16)((1u << n) - 1u) : (__mmask16)0xffff;
}

/* sum + a * b, or sum + (a - b)^2. */
INLINE __m512 add_term(__m512 sum, __m512 a, __m512 b, bool distance)
{
    if (!distance)
        return _mm512_fmadd_ps(a, b, sum);
    __m512 difference = _mm512_sub_ps(a, b);
    return _mm512_fmadd_ps(difference, difference, sum);
}

INLINE float reduce(const float *a, const float *b, size_t n, bool distance)
{
    __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                      _mm512_setzero_ps()};
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
        for (size_t s = 0; s < 4; s++)
            sums[s] = add_term(sums[s], _mm512_loadu_ps(a + i + 16 * s),
                               _mm512_loadu_ps(b + i + 16 * s), distance);
    }
    for (; i < n; i += 16) {
        __mmask16 mask = first_lanes(n - i);
        sums[0] = add_term(sums[0], _mm512_maskz_loadu_ps(mask, a + i),
                           _mm512_maskz_loadu_ps(mask, b + i), distance);
    }
    return _mm512_reduce_add_ps(
        _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

static float dot(const float *a, const float *b, size_t n)
{
    return reduce(a, b, n, false);
}

static float squared_distance(const float *a, const float *b, size_t n)
{
    return reduce(a, b, n, true);
}

/* Signed by signed, so widened to 16 bits first; VNNI then multiplies and adds pairs at once. */
static int32_t dot_i8(const int8_t *a, const int8_t *b, size_t n)
{
    __m512i sum = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 32) {
        __mmask32 mask = n - i < 32 ? (__mmask32)((1u << (n - i)) - 1u) : (__mmask32)0xffffffffu;
        __m512i wide_a = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, a + i));
        __m512i wide_b = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, b + i));
        sum = _mm512_dpwssd_epi32(sum, wide_a, wide_b);
    }
    return _mm512_reduce_add_epi32(sum);
}

static void axpy(float *y, float a, const float *x, size_t n)
{
    __m512 factor = _mm512_set1_ps(a);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = first_lanes(n - i);
        __m512 sum = _mm512_fmadd_ps(factor, _mm512_maskz_loadu_ps(mask, x + i),
                                     _mm512_maskz_loadu_ps(mask, y + i));
        _mm512_mask_storeu_ps(y + i, mask, sum);
    }
}

static void f16_from_f32(akin_f16 *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = first_lanes(n - i);
        __m256i half = _mm512_cvtps_ph(_mm512_maskz_loadu_ps(mask, in + i),
                                       _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        _mm256_mask_storeu_epi16(out + i, mask, half);
    }
}

INLINE __m512 load_f16(const akin_f16 *in, __mmask16 mask)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, in));
}

static void f32_from_f16(float *out, const akin_f16 *in, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = first_lanes(n - i);
        _mm512_mask_storeu_ps(out + i, mask, load_f16(in + i, mask));
    }
}

/* out (query_count, row_count): all pairs at once, a register each. */
INLINE void dots_pairs(float *out, size_t out_stride, const float *queries, size_t query_count,
                       const akin_f16 *rows, size_t row_count, size_t n)
{
    __m512 sums[4][4];
#pragma GCC unroll 4
    for (size_t q = 0; q < query_count; q++)
#pragma GCC unroll 4
        for (size_t r = 0; r < row_count; r++)
            sums[q][r] = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = first_lanes(n - i);
#pragma GCC unroll 4
        for (size_t r = 0; r < row_count; r++) {
            __m512 row = load_f16(rows + r * n + i, mask);
#pragma GCC unroll 4
            for (size_t q = 0; q < query_count; q++)
                sums[q][r] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, queries + q * n + i), row,
                                             sums[q][r]);
        }
    }
#pragma GCC unroll 4
    for (size_t q = 0; q < query_count; q++)
#pragma GCC unroll 4
        for (size_t r = 0; r < row_count; r++)
            out[q * out_stride + r] = _mm512_reduce_add_ps(sums[q][r]);
}

static void dots_f16(float *out, const float *query, const akin_f16 *rows, size_t count, size_t n)
{
    size_t r = 0;
    for (; r + 4 <= count; r += 4)
        dots_pairs(out + r, 0, query, 1, rows + r * n, 4, n);
    for (; r < count; r++)
        dots_pairs(out + r, 0, query, 1, rows + r * n, 1, n);
}

/* Four queries against all rows. */
static void dots_four(float *out, size_t out_stride, const float *queries, const akin_f16 *rows,
                      size_t row_count, size_t n)
{
    size_t r = 0;
    for (; r + 4 <= row_count; r += 4)
        dots_pairs(out + r, out_stride, queries, 4, rows + r * n, 4, n);
    for (; r < row_count; r++)
        dots_pairs(out + r, out_stride, queries, 4, rows + r * n, 1, n);
}

/* A few rows at a time stay in L1 while all queries pass over them. */
#define ROWS_AT_ONCE 32
static void dots_f16_block(float *out, size_t out_stride, const float *queries, size_t query_count,
                           const akin_f16 *rows, size_t row_count, size_t n)
{
    for (size_t r = 0; r < row_count; r += ROWS_AT_ONCE) {
        size_t some = row_count - r < ROWS_AT_ONCE ? row_count - r : ROWS_AT_ONCE, q = 0;
        for (; q + 4 <= query_count; q += 4)
            dots_four(out + q * out_stride + r, out_stride, queries + q * n, rows + r * n, some, n);
        for (; q < query_count; q++)
            dots_f16(out + q * out_stride + r, queries + q * n, rows + r * n, some, n);
    }
}

/* 24 sums, 2 of B: 26 of the 32 registers; A is broadcast from memory. */
static void multiply_12x32(float *c, size_t c_stride, const float *a, const float *b, size_t k)
{
    __m512 sums[12][2];
#pragma GCC unroll 12
    for (size_t i = 0; i < 12; i++)
        sums[i][0] = sums[i][1] = _mm512_setzero_ps();
    for (size_t p = 0; p < k; p++, a += 12, b += 32) {
        __m512 left = _mm512_load_ps(b), right = _mm512_load_ps(b + 16);
#pragma GCC unroll 12
        for (size_t i = 0; i < 12; i++) {
            __m512 value = _mm512_set1_ps(a[i]);
            sums[i][0] = _mm512_fmadd_ps(value, left, sums[i][0]);
            sums[i][1] = _mm512_fmadd_ps(value, right, sums[i][1]);
        }
    }
#pragma GCC unroll 12
    for (size_t i = 0; i < 12; i++, c += c_stride) {
        _mm512_storeu_ps(c, _mm512_add_ps(_mm512_loadu_ps(c), sums[i][0]));
        _mm512_storeu_ps(c + 16, _mm512_add_ps(_mm512_loadu_ps(c + 16), sums[i][1]));
    }
}

static void gemm(float *c, size_t c_stride, const float *a, size_t a_stride, const float *b,
                 size_t b_stride, size_t m, size_t n, size_t k)
{
    static const struct gemm_tile tile = {12, 32, multiply_12x32};
    gemm_blocked(&tile, c, c_stride, a, a_stride, b, b_stride, m, n, k);
}

/* What one block of 16 filters has gathered so far. */
struct rectified {
    __m512 positive, negative, floor; /* floor = -gap */
};

/* Ten positions by 16 filters, a register each. Of the last, incomplete ten, the missing ones are
 * computed at the last position and left out. */
INLINE void convolve_10x16(struct rectified *sums, const float *x, size_t x_stride, size_t x_step,
                           size_t count, const float *w, const float *bias, size_t rows, size_t run)
{
    const float *at[10];
    __m512 y[10];
#pragma GCC unroll 10
    for (size_t p = 0; p < 10; p++) {
        at[p] = x + (p < count ? p : count - 1) * x_step;
        y[p] = _mm512_loadu_ps(bias);
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < run; j++, w += 16) {
            __m512 weights = _mm512_loadu_ps(w);
#pragma GCC unroll 10
            for (size_t p = 0; p < 10; p++)
                y[p] = _mm512_fmadd_ps(_mm512_set1_ps(at[p][r * x_stride + j]), weights, y[p]);
        }
    }
#pragma GCC unroll 10
    for (size_t p = 0; p < 10; p++) {
        if (p >= count)
            continue;
        __m512 zero = _mm512_setzero_ps();
        sums->positive = _mm512_add_ps(sums->positive, _mm512_max_ps(y[p], zero));
        __m512 below = _mm512_max_ps(_mm512_sub_ps(sums->floor, y[p]), zero);
        sums->negative = _mm512_add_ps(sums->negative, below);
    }
}

static void conv_rectify_sum(float *positive, float *negative, const float *x, size_t x_stride,
                             size_t x_step, size_t count, const float *w, const float *bias,
                             size_t filters, size_t rows, size_t run, float gap)
{
    for (size_t f = 0; f < filters; f += 16, w += rows * run * 16) {
        struct rectified sums = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_set1_ps(-gap)};
        for (size_t p = 0; p < count; p += 10)
            convolve_10x16(&sums, x + p * x_step, x_stride, x_step, count - p, w, bias + f, rows,
                           run);
        _mm512_storeu_ps(positive + f, _mm512_add_ps(_mm512_loadu_ps(positive + f), sums.positive));
        _mm512_storeu_ps(negative + f, _mm512_add_ps(_mm512_loadu_ps(negative + f), sums.negative));
    }
}

#include "kernels_codes_avx512.h"

const struct akin_kernels kernels_avx512 = {
    .name = "avx512",
    .dot = dot,
    .squared_distance = squared_distance,
    .dot_i8 = dot_i8,
    .dots_i8_tiles = dots_i8_tiles,
    .best_of_dots = best_of_dots,
    .hadamard = hadamard,
    .sum_codes = sum_codes,
    .scan_codes = scan_codes,
    .keep_best = keep_best,
    .axpy = axpy,
    .dot_f64 = dot_f64,
    .axpy_f64 = axpy_f64,
    .rotate_f64 = rotate_f64,
    .f16_from_f32 = f16_from_f32,
    .f32_from_f16 = f32_from_f16,
    .dots_f16 = dots_f16,
    .dots_f16_block = dots_f16_block,
    .gemm = gemm,
    .conv_rectify_sum = conv_rectify_sum,
    .weigh_rows_u8 = weigh_rows_u8,
    .sum_boxes = sum_boxes,
    .bytes_from_f64 = bytes_from_f64,
    WINOGRAD_KERNELS,
};

#endif
