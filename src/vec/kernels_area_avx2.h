/*
 * The area average with AVX2, for the tiers that have it. Rows are added in registers, sixteen
 * columns at once, instead of in a buffer; along the row a vector holds four bands of one cell.
 *
 * Measured through akin_tile_input (one thread of an AMD EPYC, gcc-12): 200 to 64 px of 3 bands in
 * 23 us, 62 in plain C.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VEC_KERNELS_AREA_AVX2_H
#define VEC_KERNELS_AREA_AVX2_H

#include <immintrin.h>

#include "kernels_area.h"

static inline __m256 weigh_u8x8(__m256 sum, const uint8_t *row, __m256 weight)
{
    __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)row));
    return _mm256_fmadd_ps(weight, _mm256_cvtepi32_ps(wide), sum);
}

static void weigh_rows_u8(float *out, const uint8_t *rows, size_t count, const float weights[3],
                          size_t n)
{
    const __m256 first = _mm256_set1_ps(weights[0]), middle = _mm256_set1_ps(weights[1]);
    const __m256 last = count > 1 ? _mm256_set1_ps(weights[2]) : _mm256_setzero_ps();
    const uint8_t *end = rows + (count - 1) * n;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i sums = _mm256_setzero_si256();
        for (const uint8_t *row = rows + n; row < end; row += n) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(row + i));
            sums = _mm256_add_epi16(sums, _mm256_cvtepu8_epi16(bytes));
        }
        __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(sums));
        __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(sums, 1));
        for (size_t half = 0; half < 16; half += 8) {
            __m256 sum = _mm256_mul_ps(middle, _mm256_cvtepi32_ps(half ? high : low));
            sum = weigh_u8x8(sum, rows + i + half, first);
            sum = weigh_u8x8(sum, end + i + half, last);
            _mm256_storeu_ps(out + i + half, sum);
        }
    }
    for (; i < n; i++)
        weigh_column_u8(out, rows, count, weights, n, i);
}

/* So many cells from the front may be read and written in whole vectors: what these touch behind a
 * cell's bands is the next cell's, which comes later. */
static size_t cells_before_end(size_t width, const struct akin_box *boxes, size_t cells,
                               size_t bands)
{
    size_t span = (bands + 3) / 4 * 4, count = cells;
    while (count > 0 &&
           ((cells - count + 1) * bands < span || (width - boxes[count - 1].last) * bands < span))
        count--;
    return count;
}

static inline __m256d load_f64x4(const float *at)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(at));
}

static inline void sum_box_x4(double *out, const float *row, const struct akin_box *box,
                              __m256d middle, size_t bands)
{
    const float *at = row + box->first * bands, *last = row + box->last * bands;
    __m256d sum = _mm256_setzero_pd();
    for (const float *x = at + bands; x < last; x += bands)
        sum = _mm256_add_pd(sum, load_f64x4(x));
    sum = _mm256_mul_pd(sum, middle);
    sum = _mm256_fmadd_pd(load_f64x4(at), _mm256_set1_pd(box->head), sum);
    sum = _mm256_fmadd_pd(load_f64x4(last), _mm256_set1_pd(box->tail), sum);
    _mm256_storeu_pd(out, sum);
}

static void sum_boxes(double *out, const float *row, size_t width, const struct akin_box *boxes,
                      size_t cells, float middle, size_t bands)
{
    const __m256d weight = _mm256_set1_pd(middle);
    size_t before_end = cells_before_end(width, boxes, cells, bands), cell = 0;
    for (; cell < before_end; cell++)
        for (size_t b = 0; b < bands; b += 4)
            sum_box_x4(out + cell * bands + b, row + b, &boxes[cell], weight, bands);
    for (; cell < cells; cell++)
        for (size_t b = 0; b < bands; b++)
            out[cell * bands + b] = sum_box(row + b, &boxes[cell], middle, bands);
}

/* In this order the minimum of NaN is 255, as the contract says. */
static inline __m128i whole_f64x4(const double *in, const double *scale, const double *shift)
{
    __m256d value =
        _mm256_fmadd_pd(_mm256_loadu_pd(in), _mm256_loadu_pd(scale), _mm256_loadu_pd(shift));
    value = _mm256_min_pd(value, _mm256_set1_pd(255));
    return _mm256_cvttpd_epi32(_mm256_max_pd(value, _mm256_setzero_pd()));
}

static void bytes_from_f64(uint8_t *out, const double *in, const double *scale, const double *shift,
                           size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i four[4];
        for (size_t v = 0; v < 4; v++)
            four[v] = whole_f64x4(in + i + 4 * v, scale + i + 4 * v, shift + i + 4 * v);
        __m128i low = _mm_packus_epi32(four[0], four[1]);
        __m128i high = _mm_packus_epi32(four[2], four[3]);
        _mm_storeu_si128((__m128i *)(void *)(out + i), _mm_packus_epi16(low, high));
    }
    for (; i < n; i++)
        out[i] = byte_of(in[i] * scale[i] + shift[i]);
}

#endif
