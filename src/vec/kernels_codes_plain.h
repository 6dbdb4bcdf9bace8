/*
 * The kernels of an index's codes, int8 tiles and rotation in plain C: the definition of truth. The
 * including file brings f32_from_f16.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VEC_KERNELS_CODES_PLAIN_H
#define VEC_KERNELS_CODES_PLAIN_H

#include "kernels_keep.h"

static void dots_i8_tiles(int32_t *out, size_t out_stride, const int8_t *queries,
                          size_t query_count, const int8_t *tiles, const int32_t *sums,
                          size_t tile_count, size_t n4)
{
    (void)sums; /* for tiers whose products want one side without a sign */
    for (size_t q = 0; q < query_count; q++, queries += 4 * n4) {
        for (size_t v = 0; v < 16 * tile_count; v++) {
            const int8_t *tile = tiles + v / 16 * n4 * 64 + v % 16 * 4;
            int32_t sum = 0;
            for (size_t j = 0; j < 4 * n4; j++)
                sum += queries[j] * tile[j / 4 * 64 + j % 4];
            out[q * out_stride + v] = sum;
        }
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

/* Sums and differences at distances 1, 2, 4 ..., in this order in every tier: equal to the bit. */
static void hadamard(float *x, const float *factors, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= factors[i];
    for (size_t half = 1; half < n; half *= 2) {
        for (size_t i = 0; i < n; i += 2 * half) {
            for (size_t j = i; j < i + half; j++) {
                float a = x[j], b = x[j + half];
                x[j] = a + b;
                x[j + half] = a - b;
            }
        }
    }
}

static void sum_codes(uint16_t sums[AKIN_CODE_ROWS], const uint8_t *block, const uint8_t *table,
                      size_t nibbles)
{
    for (size_t v = 0; v < AKIN_CODE_ROWS; v++)
        sums[v] = 0;
    for (size_t p = 0; p < nibbles; p++, block += 16, table += 16) {
        for (size_t v = 0; v < 16; v++) {
            sums[v] = (uint16_t)(sums[v] + table[block[v] & 15]);
            sums[v + 16] = (uint16_t)(sums[v + 16] + table[block[v] >> 4]);
        }
    }
}

/* One block's survivors of those in `mask`. */
static size_t scan_block(struct akin_candidate *out, const struct akin_code_scan *scan,
                         const uint8_t *block, uint32_t first_row, float base, uint32_t mask)
{
    uint16_t sums[AKIN_CODE_ROWS];
    akin_f16 halves[2 * AKIN_CODE_ROWS];
    float terms[2 * AKIN_CODE_ROWS]; /* factors, addends */
    sum_codes(sums, block, scan->table, scan->nibbles);
    memcpy(halves, block + scan->nibbles * 16, sizeof halves);
    f32_from_f16(terms, halves, 2 * AKIN_CODE_ROWS);
    size_t count = 0;
    for (uint32_t v = 0; v < AKIN_CODE_ROWS; v++) {
        float estimate = base + terms[v] * (scan->scale * (float)sums[v] + scan->offset) +
                         terms[AKIN_CODE_ROWS + v];
        if (mask >> v & 1 && estimate >= scan->threshold)
            out[count++] = (struct akin_candidate){estimate, first_row + v};
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
