/*
 * The kernels of codes, int8 tiles and rotation for AArch64: TBL looks up the 16 entries of one nibble
 * position for 16 rows; widening adds keep u16 sums in the order of rows. Products of int8 widen to 16
 * bits and are added in pairs to 32 (SDOT is not in the base architecture).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VEC_KERNELS_CODES_NEON_H
#define VEC_KERNELS_CODES_NEON_H

#include "kernels_keep.h"

/* ---- int8 tiles ---- */

/* One tile by a few queries. A register holds four values each of four vectors: their products, two by
 * two, are four pairs of sums, and a last addition makes the four sums of them. */
INLINE void dots_tile(int32_t *out, size_t out_stride, const int8_t *queries, size_t query_count,
                      const int8_t *tile, size_t n4)
{
    int32x4_t low[2][4], high[2][4];
#pragma GCC unroll 2
    for (size_t q = 0; q < query_count; q++)
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++)
            low[q][v] = high[q][v] = vdupq_n_s32(0);
    for (size_t j = 0; j < n4; j++, tile += 64) {
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++) {
            int8x16_t values = vld1q_s8(tile + 16 * v);
#pragma GCC unroll 2
            for (size_t q = 0; q < query_count; q++) {
                int32_t four;
                memcpy(&four, queries + (q * n4 + j) * 4, sizeof four);
                int8x16_t query = vreinterpretq_s8_s32(vdupq_n_s32(four));
                low[q][v] =
                    vpadalq_s16(low[q][v], vmull_s8(vget_low_s8(values), vget_low_s8(query)));
                high[q][v] = vpadalq_s16(high[q][v], vmull_high_s8(values, query));
            }
        }
    }
#pragma GCC unroll 2
    for (size_t q = 0; q < query_count; q++)
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++)
            vst1q_s32(out + q * out_stride + 4 * v, vpaddq_s32(low[q][v], high[q][v]));
}

static void dots_i8_tiles(int32_t *out, size_t out_stride, const int8_t *queries,
                          size_t query_count, const int8_t *tiles, const int32_t *sums,
                          size_t tile_count, size_t n4)
{
    (void)sums;
    size_t pairs = query_count / 2 * 2;
    for (size_t t = 0; t < tile_count;
         t++) { /* a tile stays in L1 while all queries pass over it */
        for (size_t q = 0; q < pairs; q += 2)
            dots_tile(out + q * out_stride + t * 16, out_stride, queries + q * n4 * 4, 2,
                      tiles + t * n4 * 64, n4);
        if (pairs < query_count)
            dots_tile(out + pairs * out_stride + t * 16, 0, queries + pairs * n4 * 4, 1,
                      tiles + t * n4 * 64, n4);
    }
}

static void best_of_dots(float *best, uint32_t *at, const int32_t *dots, const float *scales,
                         const float *halves, size_t n, float scale, uint32_t first)
{
    for (size_t i = 0; i < n; i++) {
        float score = (float)dots[i] * scale * scales[i] - halves[i];
        if (score > *best) {
            *best = score;
            *at = first + (uint32_t)i;
        }
    }
}

/* ---- rotation ---- */

/* The two steps within 4 values. */
INLINE float32x4_t hadamard_4(float32x4_t v)
{
    float32x4_t sums = vpaddq_f32(v, v); /* a + b, c + d, again */
    float32x4_t even = vuzp1q_f32(v, v), odd = vuzp2q_f32(v, v);
    float32x4_t pairs = vzip1q_f32(sums, vsubq_f32(even, odd)); /* a + b, a - b, c + d, c - d */
    float32x2_t front = vget_low_f32(pairs), back = vget_high_f32(pairs);
    return vcombine_f32(vadd_f32(front, back), vsub_f32(front, back));
}

static void hadamard(float *x, const float *factors, size_t n)
{
    for (size_t i = 0; i < n; i += 4)
        vst1q_f32(x + i, hadamard_4(vmulq_f32(vld1q_f32(x + i), vld1q_f32(factors + i))));
    for (size_t half = 4; half < n; half *= 2) {
        for (size_t i = 0; i < n; i += 2 * half) {
            for (size_t j = i; j < i + half; j += 4) {
                float32x4_t a = vld1q_f32(x + j), b = vld1q_f32(x + j + half);
                vst1q_f32(x + j, vaddq_f32(a, b));
                vst1q_f32(x + j + half, vsubq_f32(a, b));
            }
        }
    }
}

/* ---- codes ---- */

#define CODE_AHEAD 2304 /* bytes: two blocks of 256 bits a row */
/* sums: rows 0-7, 8-15, 16-23, 24-31. */
INLINE void sum_block(uint16x8_t sums[4], const uint8_t *block, const uint8_t *table,
                      size_t nibbles)
{
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++)
        sums[i] = vdupq_n_u16(0);
    for (size_t p = 0; p < nibbles; p++, block += 16, table += 16) {
        if (p % 4 == 0)
            __builtin_prefetch(block + CODE_AHEAD);
        uint8x16_t codes = vld1q_u8(block), entries = vld1q_u8(table);
        uint8x16_t low = vqtbl1q_u8(entries, vandq_u8(codes, vdupq_n_u8(15)));
        uint8x16_t high = vqtbl1q_u8(entries, vshrq_n_u8(codes, 4));
        sums[0] = vaddw_u8(sums[0], vget_low_u8(low));
        sums[1] = vaddw_high_u8(sums[1], low);
        sums[2] = vaddw_u8(sums[2], vget_low_u8(high));
        sums[3] = vaddw_high_u8(sums[3], high);
    }
}

static void sum_codes(uint16_t sums[AKIN_CODE_ROWS], const uint8_t *block, const uint8_t *table,
                      size_t nibbles)
{
    uint16x8_t eights[4];
    sum_block(eights, block, table, nibbles);
    for (size_t i = 0; i < 4; i++)
        vst1q_u16(sums + 8 * i, eights[i]);
}

/* One block's survivors of those in `mask`. */
static size_t scan_block(struct akin_candidate *out, const struct akin_code_scan *scan,
                         const uint8_t *block, uint32_t first_row, float base, uint32_t mask)
{
    uint16x8_t sums[4];
    akin_f16 halves[2 * AKIN_CODE_ROWS];
    float terms[2 * AKIN_CODE_ROWS], estimates[AKIN_CODE_ROWS]; /* factors, addends */
    sum_block(sums, block, scan->table, scan->nibbles);
    memcpy(halves, block + scan->nibbles * 16, sizeof halves);
    f32_from_f16(terms, halves, 2 * AKIN_CODE_ROWS);
    uint32_t survive = 0;
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        static const uint32_t bits[4] = {1, 2, 4, 8};
        uint16x4_t four = i % 2 ? vget_high_u16(sums[i / 2]) : vget_low_u16(sums[i / 2]);
        float32x4_t sum = vcvtq_f32_u32(vmovl_u16(four));
        float32x4_t inner = vfmaq_n_f32(vdupq_n_f32(scan->offset), sum, scan->scale);
        float32x4_t addend =
            vaddq_f32(vld1q_f32(terms + AKIN_CODE_ROWS + 4 * i), vdupq_n_f32(base));
        float32x4_t estimate = vfmaq_f32(addend, vld1q_f32(terms + 4 * i), inner);
        vst1q_f32(estimates + 4 * i, estimate);
        uint32x4_t above = vcgeq_f32(estimate, vdupq_n_f32(scan->threshold));
        survive |= vaddvq_u32(vandq_u32(above, vld1q_u32(bits))) << 4 * i;
    }
    size_t count = 0;
    for (survive &= mask; survive; survive &= survive - 1) {
        uint32_t lane = (uint32_t)__builtin_ctz(survive);
        out[count++] = (struct akin_candidate){estimates[lane], first_row + lane};
    }
    return count;
}

static size_t scan_codes(struct akin_candidate *out, const struct akin_code_scan *scan,
                         const uint8_t *blocks, size_t rows, uint32_t first_row, float base,
                         const uint32_t *masks)
{
    size_t count = 0, block_bytes = scan->nibbles * 16 + 4 * AKIN_CODE_ROWS;
    for (size_t row = 0; row < rows; row += AKIN_CODE_ROWS, blocks += block_bytes) {
        uint32_t mask = masks ? masks[row / AKIN_CODE_ROWS] : UINT32_MAX;
        if (rows - row < AKIN_CODE_ROWS)
            mask &= (1u << (rows - row)) - 1u;
        if (mask)
            count += scan_block(out + count, scan, blocks, first_row + (uint32_t)row, base, mask);
    }
    return count;
}

#include "kernels_keep_plain.h"

#endif
