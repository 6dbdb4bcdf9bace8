/*
 * The kernels for AVX2 with FMA and F16C (Haswell 2013, Zen 2017 and later).
 *
 * Sums run in several registers side by side, since an FMA takes 4 cycles and two can start in
 * each. Tails are loaded by mask, never past the end. Every row of a scan is summed in one order,
 * whether it stands alone, among others or under several queries. On a Zen 3 with 102 GFLOP/s of
 * FMA, one thread: product of 512^3 80-89, convolution 85-91 GFLOP/s; scan 14-15 GB/s where a plain
 * read has 17.
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

typedef __m256 lanes;
#define LANES 8
#define LANES_MAX _mm256_max_ps
#define STRIP_ROWS 6 /* 12 sums, 2 of B, 1 of A: 15 of the 16 registers */
#include "kernels_winograd.h"

#define INLINE static inline __attribute__((always_inline))

/* The first n < 8 lanes. */
INLINE __m256i tail_mask(size_t n)
{
    static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(ones + 8 - n));
}

INLINE float sum_of(__m256 v)
{
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

/* sum + a * b, or sum + (a - b)^2. */
INLINE __m256 add_term(__m256 sum, __m256 a, __m256 b, bool distance)
{
    if (!distance)
        return _mm256_fmadd_ps(a, b, sum);
    __m256 difference = _mm256_sub_ps(a, b);
    return _mm256_fmadd_ps(difference, difference, sum);
}

INLINE float reduce(const float *a, const float *b, size_t n, bool distance)
{
    __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                      _mm256_setzero_ps()};
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
        for (size_t s = 0; s < 4; s++)
            sums[s] = add_term(sums[s], _mm256_loadu_ps(a + i + 8 * s),
                               _mm256_loadu_ps(b + i + 8 * s), distance);
    }
    for (; i + 8 <= n; i += 8)
        sums[0] = add_term(sums[0], _mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), distance);
    if (i < n) {
        __m256i mask = tail_mask(n - i);
        sums[1] = add_term(sums[1], _mm256_maskload_ps(a + i, mask),
                           _mm256_maskload_ps(b + i, mask), distance);
    }
    return sum_of(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
}

static float dot(const float *a, const float *b, size_t n)
{
    return reduce(a, b, n, false);
}

static float squared_distance(const float *a, const float *b, size_t n)
{
    return reduce(a, b, n, true);
}

/* 16 products, widened to 16 bits first: two of them always fit 32. (maddubs would saturate.) */
INLINE __m256i add_products_i8(__m256i sum, const int8_t *a, const int8_t *b)
{
    __m256i wide_a = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)a));
    __m256i wide_b = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)b));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(wide_a, wide_b));
}

static int32_t dot_i8(const int8_t *a, const int8_t *b, size_t n)
{
    __m256i even = _mm256_setzero_si256(), odd = even;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        even = add_products_i8(even, a + i, b + i);
        odd = add_products_i8(odd, a + i + 16, b + i + 16);
    }
    for (; i + 16 <= n; i += 16)
        even = add_products_i8(even, a + i, b + i);
    if (i < n) {
        int8_t last_a[16] = {0}, last_b[16] = {0};
        memcpy(last_a, a + i, n - i);
        memcpy(last_b, b + i, n - i);
        odd = add_products_i8(odd, last_a, last_b);
    }
    even = _mm256_add_epi32(even, odd);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
    sum = _mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_srli_epi64(sum, 32)));
}

static void axpy(float *y, float a, const float *x, size_t n)
{
    __m256 factor = _mm256_set1_ps(a);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i,
                         _mm256_fmadd_ps(factor, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
    if (i < n) {
        __m256i mask = tail_mask(n - i);
        __m256 sum = _mm256_fmadd_ps(factor, _mm256_maskload_ps(x + i, mask),
                                     _mm256_maskload_ps(y + i, mask));
        _mm256_maskstore_ps(y + i, mask, sum);
    }
}

INLINE __m128i to_f16(__m256 v)
{
    return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static void f16_from_f32(akin_f16 *out, const float *in, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(out + i), to_f16(_mm256_loadu_ps(in + i)));
    if (i < n) {
        akin_f16 last[8];
        _mm_storeu_si128((__m128i *)last, to_f16(_mm256_maskload_ps(in + i, tail_mask(n - i))));
        memcpy(out + i, last, (n - i) * sizeof *last);
    }
}

INLINE __m256 load_f16(const akin_f16 *in)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)in));
}

/* n < 8 values, zeros behind them. */
INLINE __m256 load_f16_tail(const akin_f16 *in, size_t n)
{
    akin_f16 last[8] = {0};
    memcpy(last, in, n * sizeof *last);
    return load_f16(last);
}

static void f32_from_f16(float *out, const akin_f16 *in, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, load_f16(in + i));
    if (i < n)
        _mm256_maskstore_ps(out + i, tail_mask(n - i), load_f16_tail(in + i, n - i));
}

/* out (query_count, row_count): all pairs at once, a register each. */
INLINE void dots_pairs(float *out, size_t out_stride, const float *queries, size_t query_count,
                       const akin_f16 *rows, size_t row_count, size_t n)
{
    __m256 sums[4][4];
#pragma GCC unroll 4
    for (size_t q = 0; q < query_count; q++)
#pragma GCC unroll 4
        for (size_t r = 0; r < row_count; r++)
            sums[q][r] = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
#pragma GCC unroll 4
        for (size_t r = 0; r < row_count; r++) {
            __m256 row = load_f16(rows + r * n + i);
#pragma GCC unroll 4
            for (size_t q = 0; q < query_count; q++)
                sums[q][r] = _mm256_fmadd_ps(_mm256_loadu_ps(queries + q * n + i), row, sums[q][r]);
        }
    }
    if (i < n) {
        __m256i mask = tail_mask(n - i);
#pragma GCC unroll 4
        for (size_t r = 0; r < row_count; r++) {
            __m256 row = load_f16_tail(rows + r * n + i, n - i);
#pragma GCC unroll 4
            for (size_t q = 0; q < query_count; q++)
                sums[q][r] =
                    _mm256_fmadd_ps(_mm256_maskload_ps(queries + q * n + i, mask), row, sums[q][r]);
        }
    }
#pragma GCC unroll 4
    for (size_t q = 0; q < query_count; q++)
#pragma GCC unroll 4
        for (size_t r = 0; r < row_count; r++)
            out[q * out_stride + r] = sum_of(sums[q][r]);
}

/* A scan of memory: the hardware's prefetcher alone reaches 60 % of what a plain read does, since
 * rows side by side look like several short streams; asking 4 KB ahead reaches 85 % (1, 2, 8 KB:
 * less). */
#define AHEAD_BYTES 4096
INLINE void prefetch_rows(const akin_f16 *rows, size_t values)
{
    const char *ahead = (const char *)rows + AHEAD_BYTES;
    for (size_t byte = 0; byte < values * sizeof *rows; byte += 64)
        _mm_prefetch(ahead + byte, _MM_HINT_T0);
}

static void dots_f16(float *out, const float *query, const akin_f16 *rows, size_t count, size_t n)
{
    size_t r = 0;
    for (; r + 4 <= count; r += 4) {
        prefetch_rows(rows + r * n, 4 * n);
        dots_pairs(out + r, 0, query, 1, rows + r * n, 4, n);
    }
    for (; r < count; r++)
        dots_pairs(out + r, 0, query, 1, rows + r * n, 1, n);
}

/* Four queries against all rows. */
static void dots_four(float *out, size_t out_stride, const float *queries, const akin_f16 *rows,
                      size_t row_count, size_t n)
{
    size_t r = 0;
    for (; r + 2 <= row_count; r += 2) {
        prefetch_rows(rows + r * n, 2 * n);
        dots_pairs(out + r, out_stride, queries, 4, rows + r * n, 2, n);
    }
    if (r < row_count)
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

/* 12 sums, 2 of B, 1 of A: 15 of the 16 registers. */
static void multiply_6x16(float *c, size_t c_stride, const float *a, const float *b, size_t k)
{
    __m256 sums[6][2];
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; i++) {
        _mm_prefetch((const char *)(c + i * c_stride), _MM_HINT_T0); /* there when the sums are */
        sums[i][0] = sums[i][1] = _mm256_setzero_ps();
    }
    for (size_t p = 0; p < k; p++, a += 6, b += 16) {
        __m256 left = _mm256_load_ps(b), right = _mm256_load_ps(b + 8);
#pragma GCC unroll 6
        for (size_t i = 0; i < 6; i++) {
            __m256 value = _mm256_broadcast_ss(a + i);
            sums[i][0] = _mm256_fmadd_ps(value, left, sums[i][0]);
            sums[i][1] = _mm256_fmadd_ps(value, right, sums[i][1]);
        }
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; i++, c += c_stride) {
        _mm256_storeu_ps(c, _mm256_add_ps(_mm256_loadu_ps(c), sums[i][0]));
        _mm256_storeu_ps(c + 8, _mm256_add_ps(_mm256_loadu_ps(c + 8), sums[i][1]));
    }
}

static void gemm(float *c, size_t c_stride, const float *a, size_t a_stride, const float *b,
                 size_t b_stride, size_t m, size_t n, size_t k)
{
    static const struct gemm_tile tile = {6, 16, multiply_6x16};
    gemm_blocked(&tile, c, c_stride, a, a_stride, b, b_stride, m, n, k);
}

/* What one block of 16 filters has gathered so far. */
struct rectified {
    __m256 positive[2], negative[2], floor; /* floor = -gap */
};

INLINE void rectify(struct rectified *sums, const __m256 y[2])
{
#pragma GCC unroll 2
    for (size_t v = 0; v < 2; v++) {
        __m256 above = _mm256_max_ps(y[v], _mm256_setzero_ps());
        __m256 below = _mm256_max_ps(_mm256_sub_ps(sums->floor, y[v]), _mm256_setzero_ps());
        sums->positive[v] = _mm256_add_ps(sums->positive[v], above);
        sums->negative[v] = _mm256_add_ps(sums->negative[v], below);
    }
}

/* Six positions by 16 filters: 12 sums in registers, as in the product above. Of the last,
 * incomplete six, the missing ones are computed at the last position and left out. */
INLINE void convolve_6x16(struct rectified *sums, const float *x, size_t x_stride, size_t x_step,
                          size_t count, const float *w, const float *bias, size_t rows, size_t run)
{
    const float *at[6];
    __m256 y[6][2];
#pragma GCC unroll 6
    for (size_t p = 0; p < 6; p++) {
        at[p] = x + (p < count ? p : count - 1) * x_step;
        y[p][0] = _mm256_loadu_ps(bias);
        y[p][1] = _mm256_loadu_ps(bias + 8);
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < run; j++, w += 16) {
            __m256 left = _mm256_loadu_ps(w), right = _mm256_loadu_ps(w + 8);
#pragma GCC unroll 6
            for (size_t p = 0; p < 6; p++) {
                __m256 value = _mm256_broadcast_ss(at[p] + r * x_stride + j);
                y[p][0] = _mm256_fmadd_ps(value, left, y[p][0]);
                y[p][1] = _mm256_fmadd_ps(value, right, y[p][1]);
            }
        }
    }
#pragma GCC unroll 6
    for (size_t p = 0; p < 6; p++)
        if (p < count)
            rectify(sums, y[p]);
}

INLINE void add_to(float *out, __m256 v)
{
    _mm256_storeu_ps(out, _mm256_add_ps(_mm256_loadu_ps(out), v));
}

static void conv_rectify_sum(float *positive, float *negative, const float *x, size_t x_stride,
                             size_t x_step, size_t count, const float *w, const float *bias,
                             size_t filters, size_t rows, size_t run, float gap)
{
    for (size_t f = 0; f < filters; f += 16, w += rows * run * 16) {
        struct rectified sums;
        memset(&sums, 0, sizeof sums);
        sums.floor = _mm256_set1_ps(-gap);
        for (size_t p = 0; p < count; p += 6)
            convolve_6x16(&sums, x + p * x_step, x_stride, x_step, count - p, w, bias + f, rows,
                          run);
        for (size_t v = 0; v < 2; v++) {
            add_to(positive + f + 8 * v, sums.positive[v]);
            add_to(negative + f + 8 * v, sums.negative[v]);
        }
    }
}

#include "kernels_codes_avx2.h"

const struct akin_kernels kernels_avx2 = {
    .name = "avx2",
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
