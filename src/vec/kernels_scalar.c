/*
 * The kernels in plain C: the definition of truth that every other tier is tested against, and what
 * runs where there is no other. Written to be read; the sums go from left to right.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels.h"
#include "kernels_area_plain.h"
#include "kernels_f64.h"

#include <math.h>
#include <string.h>

typedef float lanes;
#define LANES 1
#define LANES_MAX fmaxf
#define STRIP_ROWS 4
#include "kernels_winograd.h"

static float dot(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static float squared_distance(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

static int32_t dot_i8(const int8_t *a, const int8_t *b, size_t n)
{
    uint32_t sum = 0; /* unsigned: wraps like the vector instructions past the contract's n */
    for (size_t i = 0; i < n; i++)
        sum += (uint32_t)(a[i] * b[i]);
    return (int32_t)sum;
}

static void axpy(float *y, float a, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

/* value / 2^shift to the nearest, ties to even; 1 <= shift <= 31. */
static uint32_t shift_right_rounded(uint32_t value, unsigned shift)
{
    uint32_t half = 1u << (shift - 1), odd = value >> shift & 1u;
    return (value + half - 1u + odd) >> shift;
}

static akin_f16 f16_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) /* NaN: quiet, with the payload's upper bits */
        return (akin_f16)(sign | 0x7e00u | (size >> 13 & 0x3ffu));
    if (size >= 0x47800000u) /* 2^16 and above, infinity among them */
        return (akin_f16)(sign | 0x7c00u);
    if (size >=
        0x38800000u) /* 2^-14, normal: rebias; a carry out of the fraction is right, up to infinity */
        return (akin_f16)(sign | shift_right_rounded(size - 0x38000000u, 13));
    if (size < 0x33000000u) /* below half of the smallest subnormal, 2^-25 */
        return (akin_f16)sign;
    uint32_t fraction = (size & 0x7fffffu) | 0x800000u;
    return (akin_f16)(sign | shift_right_rounded(fraction, 126u - (size >> 23)));
}

static float f32_of(akin_f16 half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 31u;
    uint32_t fraction = half & 0x3ffu, bits;
    if (exponent == 0) {
        float size = (float)fraction * 0x1p-24f; /* zero and subnormals, exact */
        return sign ? -size : size;
    }
    if (exponent == 31)
        bits = sign | 0x7f800000u | fraction << 13 | (fraction ? 0x400000u : 0u);
    else
        bits = sign | (exponent + 112u) << 23 | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void f16_from_f32(akin_f16 *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = f16_of(in[i]);
}

static void f32_from_f16(float *out, const akin_f16 *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = f32_of(in[i]);
}

#include "kernels_codes_plain.h"

static void dots_f16(float *out, const float *query, const akin_f16 *rows, size_t count, size_t n)
{
    for (size_t r = 0; r < count; r++, rows += n) {
        float sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += query[i] * f32_of(rows[i]);
        out[r] = sum;
    }
}

static void dots_f16_block(float *out, size_t out_stride, const float *queries, size_t query_count,
                           const akin_f16 *rows, size_t row_count, size_t n)
{
    for (size_t q = 0; q < query_count; q++)
        dots_f16(out + q * out_stride, queries + q * n, rows, row_count, n);
}

static void gemm(float *c, size_t c_stride, const float *a, size_t a_stride, const float *b,
                 size_t b_stride, size_t m, size_t n, size_t k)
{
    for (size_t i = 0; i < m; i++)
        for (size_t p = 0; p < k; p++)
            axpy(c + i * c_stride, a[i * a_stride + p], b + p * b_stride, n);
}

/* y[16] = one position's answers to 16 filters. */
static void convolve(float y[16], const float *x, size_t x_stride, const float *w,
                     const float *bias, size_t rows, size_t run)
{
    memcpy(y, bias, 16 * sizeof *y);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < run; j++, w += 16)
            for (size_t f = 0; f < 16; f++)
                y[f] += w[f] * x[r * x_stride + j];
}

static void conv_rectify_sum(float *positive, float *negative, const float *x, size_t x_stride,
                             size_t x_step, size_t count, const float *w, const float *bias,
                             size_t filters, size_t rows, size_t run, float gap)
{
    for (size_t f0 = 0; f0 < filters; f0 += 16, w += rows * run * 16) {
        for (size_t p = 0; p < count; p++) {
            float y[16];
            convolve(y, x + p * x_step, x_stride, w, bias + f0, rows, run);
            for (size_t f = 0; f < 16; f++) {
                positive[f0 + f] += fmaxf(y[f], 0);
                negative[f0 + f] += fmaxf(-y[f] - gap, 0);
            }
        }
    }
}

const struct akin_kernels kernels_scalar = {
    .name = "scalar",
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
    .bundle = &bundle_scalar,
};
