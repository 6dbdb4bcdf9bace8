/*
 * The kernels for AArch64, whose Advanced SIMD is always there. The same plan as kernels_avx2.c at
 * half the width and twice the registers. Tested under qemu, not measured: no such machine was at
 * hand.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>

#include "kernels_area_plain.h"
#include "kernels_f64.h"

typedef float32x4_t lanes;
#define LANES 4
#define LANES_MAX vmaxnmq_f32
#define STRIP_ROWS 6 /* 24 sums, 4 of B, 1 of A: 29 of the 32 registers */
#include "kernels_winograd.h"

#define INLINE static inline __attribute__((always_inline))

/* n < 4 values, zeros behind them. */
INLINE float32x4_t load_tail(const float *in, size_t n)
{
    float last[4] = {0};
    memcpy(last, in, n * sizeof *last);
    return vld1q_f32(last);
}

INLINE void store_tail(float *out, float32x4_t v, size_t n)
{
    float last[4];
    vst1q_f32(last, v);
    memcpy(out, last, n * sizeof *last);
}

/* sum + a * b, or sum + (a - b)^2. */
INLINE float32x4_t add_term(float32x4_t sum, float32x4_t a, float32x4_t b, bool distance)
{
    if (!distance)
        return vfmaq_f32(sum, a, b);
    float32x4_t difference = vsubq_f32(a, b);
    return vfmaq_f32(sum, difference, difference);
}

INLINE float reduce(const float *a, const float *b, size_t n, bool distance)
{
    float32x4_t sums[4] = {vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)};
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
        for (size_t s = 0; s < 4; s++)
            sums[s] =
                add_term(sums[s], vld1q_f32(a + i + 4 * s), vld1q_f32(b + i + 4 * s), distance);
    }
    for (; i + 4 <= n; i += 4)
        sums[0] = add_term(sums[0], vld1q_f32(a + i), vld1q_f32(b + i), distance);
    if (i < n)
        sums[1] = add_term(sums[1], load_tail(a + i, n - i), load_tail(b + i, n - i), distance);
    return vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3])));
}

static float dot(const float *a, const float *b, size_t n)
{
    return reduce(a, b, n, false);
}

static float squared_distance(const float *a, const float *b, size_t n)
{
    return reduce(a, b, n, true);
}

/* Products fit 16 bits, pairs of them are added into 32. */
INLINE int32x4_t add_products_i8(int32x4_t sum, int8x16_t a, int8x16_t b)
{
    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(sum, vmull_high_s8(a, b));
}

static int32_t dot_i8(const int8_t *a, const int8_t *b, size_t n)
{
    int32x4_t sum = vdupq_n_s32(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        sum = add_products_i8(sum, vld1q_s8(a + i), vld1q_s8(b + i));
    if (i < n) {
        int8_t last_a[16] = {0}, last_b[16] = {0};
        memcpy(last_a, a + i, n - i);
        memcpy(last_b, b + i, n - i);
        sum = add_products_i8(sum, vld1q_s8(last_a), vld1q_s8(last_b));
    }
    return vaddvq_s32(sum);
}

static void axpy(float *y, float a, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(y + i, vfmaq_n_f32(vld1q_f32(y + i), vld1q_f32(x + i), a));
    if (i < n)
        store_tail(y + i, vfmaq_n_f32(load_tail(y + i, n - i), load_tail(x + i, n - i), a), n - i);
}

INLINE uint16x4_t to_f16(float32x4_t v)
{
    return vreinterpret_u16_f16(vcvt_f16_f32(v));
}

static void f16_from_f32(akin_f16 *out, const float *in, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1_u16(out + i, to_f16(vld1q_f32(in + i)));
    if (i < n) {
        akin_f16 last[4];
        vst1_u16(last, to_f16(load_tail(in + i, n - i)));
        memcpy(out + i, last, (n - i) * sizeof *last);
    }
}

INLINE float32x4_t load_f16(const akin_f16 *in)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(in)));
}

/* n < 4 values, zeros behind them. */
INLINE float32x4_t load_f16_tail(const akin_f16 *in, size_t n)
{
    akin_f16 last[4] = {0};
    memcpy(last, in, n * sizeof *last);
    return load_f16(last);
}

static void f32_from_f16(float *out, const akin_f16 *in, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(out + i, load_f16(in + i));
    if (i < n)
        store_tail(out + i, load_f16_tail(in + i, n - i), n - i);
}

/* out (query_count, row_count): all pairs at once, a register each. */
INLINE void dots_pairs(float *out, size_t out_stride, const float *queries, size_t query_count,
                       const akin_f16 *rows, size_t row_count, size_t n)
{
    float32x4_t sums[4][4];
#pragma GCC unroll 4
    for (size_t q = 0; q < query_count; q++)
#pragma GCC unroll 4
        for (size_t r = 0; r < row_count; r++)
            sums[q][r] = vdupq_n_f32(0);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
#pragma GCC unroll 4
        for (size_t r = 0; r < row_count; r++) {
            float32x4_t row = load_f16(rows + r * n + i);
#pragma GCC unroll 4
            for (size_t q = 0; q < query_count; q++)
                sums[q][r] = vfmaq_f32(sums[q][r], vld1q_f32(queries + q * n + i), row);
        }
    }
    if (i < n) {
#pragma GCC unroll 4
        for (size_t r = 0; r < row_count; r++) {
            float32x4_t row = load_f16_tail(rows + r * n + i, n - i);
#pragma GCC unroll 4
            for (size_t q = 0; q < query_count; q++)
                sums[q][r] = vfmaq_f32(sums[q][r], load_tail(queries + q * n + i, n - i), row);
        }
    }
#pragma GCC unroll 4
    for (size_t q = 0; q < query_count; q++)
#pragma GCC unroll 4
        for (size_t r = 0; r < row_count; r++)
            out[q * out_stride + r] = vaddvq_f32(sums[q][r]);
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

/* 24 sums, 4 of B, 1 of A: 29 of the 32 registers. */
static void multiply_6x16(float *c, size_t c_stride, const float *a, const float *b, size_t k)
{
    float32x4_t sums[6][4];
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; i++)
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++)
            sums[i][v] = vdupq_n_f32(0);
    for (size_t p = 0; p < k; p++, a += 6, b += 16) {
        float32x4_t right[4] = {vld1q_f32(b), vld1q_f32(b + 4), vld1q_f32(b + 8),
                                vld1q_f32(b + 12)};
#pragma GCC unroll 6
        for (size_t i = 0; i < 6; i++)
#pragma GCC unroll 4
            for (size_t v = 0; v < 4; v++)
                sums[i][v] = vfmaq_n_f32(sums[i][v], right[v], a[i]);
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; i++, c += c_stride)
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++)
            vst1q_f32(c + 4 * v, vaddq_f32(vld1q_f32(c + 4 * v), sums[i][v]));
}

static void gemm(float *c, size_t c_stride, const float *a, size_t a_stride, const float *b,
                 size_t b_stride, size_t m, size_t n, size_t k)
{
    static const struct gemm_tile tile = {6, 16, multiply_6x16};
    gemm_blocked(&tile, c, c_stride, a, a_stride, b, b_stride, m, n, k);
}

/* What one block of 16 filters has gathered so far. */
struct rectified {
    float32x4_t positive[4], negative[4], floor; /* floor = -gap */
};

/* Five positions by 16 filters: 20 sums in registers. Of the last, incomplete five, the missing
 * ones are computed at the last position and left out. */
INLINE void convolve_5x16(struct rectified *sums, const float *x, size_t x_stride, size_t x_step,
                          size_t count, const float *w, const float *bias, size_t rows, size_t run)
{
    const float *at[5];
    float32x4_t y[5][4], zero = vdupq_n_f32(0);
#pragma GCC unroll 5
    for (size_t p = 0; p < 5; p++) {
        at[p] = x + (p < count ? p : count - 1) * x_step;
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++)
            y[p][v] = vld1q_f32(bias + 4 * v);
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < run; j++, w += 16) {
            float32x4_t weights[4] = {vld1q_f32(w), vld1q_f32(w + 4), vld1q_f32(w + 8),
                                      vld1q_f32(w + 12)};
#pragma GCC unroll 5
            for (size_t p = 0; p < 5; p++)
#pragma GCC unroll 4
                for (size_t v = 0; v < 4; v++)
                    y[p][v] = vfmaq_n_f32(y[p][v], weights[v], at[p][r * x_stride + j]);
        }
    }
#pragma GCC unroll 5
    for (size_t p = 0; p < 5; p++) {
#pragma GCC unroll 4
        for (size_t v = 0; v < 4 && p < count; v++) {
            float32x4_t below = vmaxnmq_f32(vsubq_f32(sums->floor, y[p][v]), zero);
            sums->positive[v] = vaddq_f32(sums->positive[v], vmaxnmq_f32(y[p][v], zero));
            sums->negative[v] = vaddq_f32(sums->negative[v], below);
        }
    }
}

static void conv_rectify_sum(float *positive, float *negative, const float *x, size_t x_stride,
                             size_t x_step, size_t count, const float *w, const float *bias,
                             size_t filters, size_t rows, size_t run, float gap)
{
    for (size_t f = 0; f < filters; f += 16, w += rows * run * 16) {
        struct rectified sums;
        memset(&sums, 0, sizeof sums);
        sums.floor = vdupq_n_f32(-gap);
        for (size_t p = 0; p < count; p += 5)
            convolve_5x16(&sums, x + p * x_step, x_stride, x_step, count - p, w, bias + f, rows,
                          run);
        for (size_t v = 0; v < 4; v++) {
            float *above = positive + f + 4 * v, *below = negative + f + 4 * v;
            vst1q_f32(above, vaddq_f32(vld1q_f32(above), sums.positive[v]));
            vst1q_f32(below, vaddq_f32(vld1q_f32(below), sums.negative[v]));
        }
    }
}

#include "kernels_codes_neon.h"

const struct akin_kernels kernels_neon = {
    .name = "neon",
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
