/*
 * The kernels of codes, int8 tiles and rotation for AVX2.
 *
 * VPMADDUBSW multiplies unsigned by signed bytes and adds pairs in 16 bits, which would overflow with the usual
 * 128 added on; so the tile gives its size and the query takes its sign: 2 * 128 * 127 fits. Codes as
 * in kernels_codes_avx512.h, two nibble positions a register.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VEC_KERNELS_CODES_AVX2_H
#define VEC_KERNELS_CODES_AVX2_H

#include "kernels_keep.h"

/* ---- int8 tiles ---- */

/* One tile by a few queries: two sums of 8 vectors each for every query. */
INLINE void dots_tile(int32_t *out, size_t out_stride, const int8_t *queries, size_t query_count,
                      const int8_t *tile, size_t n4)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i dots[4][2];
#pragma GCC unroll 4
    for (size_t q = 0; q < query_count; q++)
        dots[q][0] = dots[q][1] = _mm256_setzero_si256();
    for (size_t j = 0; j < n4; j++, tile += 64) {
        __m256i values[2], sizes[2];
#pragma GCC unroll 2
        for (size_t h = 0; h < 2; h++) {
            values[h] = _mm256_loadu_si256((const __m256i *)(tile + 32 * h));
            sizes[h] = _mm256_abs_epi8(values[h]);
        }
#pragma GCC unroll 4
        for (size_t q = 0; q < query_count; q++) {
            int32_t four;
            memcpy(&four, queries + (q * n4 + j) * 4, sizeof four);
            __m256i query = _mm256_set1_epi32(four);
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; h++) {
                __m256i turned = _mm256_sign_epi8(query, values[h]);
                __m256i pairs = _mm256_maddubs_epi16(sizes[h], turned);
                dots[q][h] = _mm256_add_epi32(dots[q][h], _mm256_madd_epi16(pairs, ones));
            }
        }
    }
#pragma GCC unroll 4
    for (size_t q = 0; q < query_count; q++) {
        _mm256_storeu_si256((__m256i *)(out + q * out_stride), dots[q][0]);
        _mm256_storeu_si256((__m256i *)(out + q * out_stride + 8), dots[q][1]);
    }
}

/* Some tiles stay in L1 while all queries pass over them. */
#define TILES_AT_ONCE 8
static void dots_i8_tiles(int32_t *out, size_t out_stride, const int8_t *queries,
                          size_t query_count, const int8_t *tiles, const int32_t *sums,
                          size_t tile_count, size_t n4)
{
    (void)sums;
    size_t fours = query_count / 4 * 4;
    for (size_t t = 0; t < tile_count && fours; t += TILES_AT_ONCE) {
        size_t end = tile_count - t < TILES_AT_ONCE ? tile_count : t + TILES_AT_ONCE;
        for (size_t q = 0; q < fours; q += 4)
            for (size_t u = t; u < end; u++)
                dots_tile(out + q * out_stride + u * 16, out_stride, queries + q * n4 * 4, 4,
                          tiles + u * n4 * 64, n4);
    }
    for (size_t q = fours; q < query_count; q++)
        for (size_t t = 0; t < tile_count; t++)
            dots_tile(out + q * out_stride + t * 16, 0, queries + q * n4 * 4, 1,
                      tiles + t * n4 * 64, n4);
}

/* Where eight lanes' best is: the smaller index of equal ones. */
static void best_of_lanes(float *best, uint32_t *at, __m256 most, __m256i where, uint32_t first)
{
    float scores[8];
    uint32_t indices[8], index = 0;
    bool found = false;
    _mm256_storeu_ps(scores, most);
    _mm256_storeu_si256((__m256i *)indices, where);
    for (int i = 0; i < 8; i++) {
        if (scores[i] > *best || (found && scores[i] == *best && indices[i] < index)) {
            *best = scores[i];
            index = indices[i];
            found = true;
        }
    }
    if (found)
        *at = first + index;
}

static void best_of_dots(float *best, uint32_t *at, const int32_t *dots, const float *scales,
                         const float *halves, size_t n, float scale, uint32_t first)
{
    __m256 most = _mm256_set1_ps(-INFINITY), factor = _mm256_set1_ps(scale);
    __m256i where = _mm256_setzero_si256(), lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (size_t i = 0; i < n; i += 8) {
        __m256i mask = tail_mask(n - i < 8 ? n - i : 8);
        __m256 dot = _mm256_cvtepi32_ps(_mm256_maskload_epi32(dots + i, mask));
        __m256 size = _mm256_mul_ps(dot, factor);
        __m256 score = _mm256_fmsub_ps(size, _mm256_maskload_ps(scales + i, mask),
                                       _mm256_maskload_ps(halves + i, mask));
        __m256 above =
            _mm256_and_ps(_mm256_cmp_ps(score, most, _CMP_GT_OQ), _mm256_castsi256_ps(mask));
        most = _mm256_blendv_ps(most, score, above);
        where = _mm256_blendv_epi8(where, lane, _mm256_castps_si256(above));
        lane = _mm256_add_epi32(lane, _mm256_set1_epi32(8));
    }
    best_of_lanes(best, at, most, where, first);
}

/* ---- rotation ---- */

/* The three steps within 8 values: each is the permuted vector plus the vector with its upper halves'
 * signs turned. */
INLINE __m256 hadamard_8(__m256 v)
{
    const __m256 minus_1 = _mm256_setr_ps(0, -0.0f, 0, -0.0f, 0, -0.0f, 0, -0.0f);
    const __m256 minus_2 = _mm256_setr_ps(0, 0, -0.0f, -0.0f, 0, 0, -0.0f, -0.0f);
    const __m256 minus_4 = _mm256_setr_ps(0, 0, 0, 0, -0.0f, -0.0f, -0.0f, -0.0f);
    v = _mm256_add_ps(_mm256_permute_ps(v, 0xb1), _mm256_xor_ps(v, minus_1));
    v = _mm256_add_ps(_mm256_permute_ps(v, 0x4e), _mm256_xor_ps(v, minus_2));
    return _mm256_add_ps(_mm256_permute2f128_ps(v, v, 1), _mm256_xor_ps(v, minus_4));
}

/* Two steps at once, at distances `half` and 2 * half. */
INLINE void hadamard_two(float *x, size_t half)
{
    for (size_t j = 0; j < half; j += 8, x += 8) {
        __m256 a = _mm256_loadu_ps(x), b = _mm256_loadu_ps(x + half);
        __m256 c = _mm256_loadu_ps(x + 2 * half), d = _mm256_loadu_ps(x + 3 * half);
        __m256 ab = _mm256_add_ps(a, b), cd = _mm256_add_ps(c, d);
        __m256 a_b = _mm256_sub_ps(a, b), c_d = _mm256_sub_ps(c, d);
        _mm256_storeu_ps(x, _mm256_add_ps(ab, cd));
        _mm256_storeu_ps(x + half, _mm256_add_ps(a_b, c_d));
        _mm256_storeu_ps(x + 2 * half, _mm256_sub_ps(ab, cd));
        _mm256_storeu_ps(x + 3 * half, _mm256_sub_ps(a_b, c_d));
    }
}

static void hadamard(float *x, const float *factors, size_t n)
{
    for (size_t i = 0; i < n; i += 8)
        _mm256_storeu_ps(
            x + i, hadamard_8(_mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(factors + i))));
    size_t half = 8;
    for (; 4 * half <= n; half *= 4)
        for (size_t i = 0; i < n; i += 4 * half)
            hadamard_two(x + i, half);
    for (size_t j = 0; j < half && 2 * half <= n; j += 8) {
        __m256 a = _mm256_loadu_ps(x + j), b = _mm256_loadu_ps(x + half + j);
        _mm256_storeu_ps(x + j, _mm256_add_ps(a, b));
        _mm256_storeu_ps(x + half + j, _mm256_sub_ps(a, b));
    }
}

/* ---- codes ---- */

struct code_sums {
    __m256i words[2], odd[2];
};

/* found[half]: the entries of 32 codes. */
INLINE void look_up(__m256i found[2], const uint8_t *block, const uint8_t *table)
{
    const __m256i low = _mm256_set1_epi8(15);
    __m256i codes = _mm256_loadu_si256((const __m256i *)block);
    __m256i entries = _mm256_loadu_si256((const __m256i *)table);
    found[0] = _mm256_shuffle_epi8(entries, _mm256_and_si256(codes, low));
    found[1] = _mm256_shuffle_epi8(entries, _mm256_and_si256(_mm256_srli_epi16(codes, 4), low));
}

INLINE void add_entries(struct code_sums *sums, const __m256i found[2])
{
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        sums->words[half] = _mm256_add_epi16(sums->words[half], found[half]);
        sums->odd[half] = _mm256_add_epi16(sums->odd[half], _mm256_srli_epi16(found[half], 8));
    }
}

#define CODE_AHEAD 2304 /* bytes: two blocks of 256 bits a row */
/* Rows 0..15 and 16..31. */
INLINE void sum_block(__m256i out[2], const uint8_t *block, const uint8_t *table, size_t nibbles,
                      bool small)
{
    struct code_sums sums;
    memset(&sums, 0, sizeof sums);
    for (size_t at = 0; at < nibbles * 16; at += 128) {
        __m256i four[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
        _mm_prefetch((const char *)block + at + CODE_AHEAD, _MM_HINT_T0);
        _mm_prefetch((const char *)block + at + CODE_AHEAD + 64, _MM_HINT_T0);
#pragma GCC unroll 4
        for (size_t i = 0; i < 128; i += 32) {
            __m256i found[2];
            look_up(found, block + at + i, table + at + i);
            if (!small)
                add_entries(&sums, found);
            four[0] = _mm256_add_epi8(four[0], found[0]);
            four[1] = _mm256_add_epi8(four[1], found[1]);
        }
        if (small)
            add_entries(&sums, four);
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m256i odd = sums.odd[half];
        __m256i even = _mm256_sub_epi16(sums.words[half], _mm256_slli_epi16(odd, 8));
        __m256i rows_0 = _mm256_unpacklo_epi16(even, odd),
                rows_8 = _mm256_unpackhi_epi16(even, odd);
        out[half] = _mm256_add_epi16(_mm256_permute2x128_si256(rows_0, rows_8, 0x20),
                                     _mm256_permute2x128_si256(rows_0, rows_8, 0x31));
    }
}

static void sum_codes(uint16_t sums[AKIN_CODE_ROWS], const uint8_t *block, const uint8_t *table,
                      size_t nibbles)
{
    __m256i halves[2];
    sum_block(halves, block, table, nibbles, false);
    _mm256_storeu_si256((__m256i *)sums, halves[0]);
    _mm256_storeu_si256((__m256i *)(sums + 16), halves[1]);
}

struct scan_terms {
    __m256 scale, offset, base, threshold;
};

/* Eight rows' estimates, which of them survive as bits. */
INLINE uint32_t estimate_8(float *out, const struct scan_terms *s, __m128i sums,
                           const uint8_t *terms)
{
    __m256 sum = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(sums));
    __m256 factor = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)terms));
    __m256 addend = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(terms + 64)));
    __m256 estimate = _mm256_fmadd_ps(factor, _mm256_fmadd_ps(s->scale, sum, s->offset),
                                      _mm256_add_ps(s->base, addend));
    _mm256_storeu_ps(out, estimate);
    __m256 survives = _mm256_cmp_ps(estimate, s->threshold, _CMP_GE_OQ);
    return (uint32_t)_mm256_movemask_ps(survives);
}

INLINE size_t scan_block(struct akin_candidate *out, const struct scan_terms *s,
                         const uint8_t *block, const struct akin_code_scan *scan, uint32_t mask,
                         uint32_t row)
{
    __m256i sums[2];
    float estimates[AKIN_CODE_ROWS];
    const uint8_t *terms = block + scan->nibbles * 16;
    if (scan->small)
        sum_block(sums, block, scan->table, scan->nibbles, true);
    else
        sum_block(sums, block, scan->table, scan->nibbles, false);
    uint32_t survive = 0;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m128i eight =
            i % 2 ? _mm256_extracti128_si256(sums[i / 2], 1) : _mm256_castsi256_si128(sums[i / 2]);
        survive |= estimate_8(estimates + 8 * i, s, eight, terms + 16 * i) << 8 * i;
    }
    size_t count = 0;
    for (survive &= mask; survive; survive &= survive - 1) {
        uint32_t lane = (uint32_t)__builtin_ctz(survive);
        out[count++] = (struct akin_candidate){estimates[lane], row + lane};
    }
    return count;
}

static size_t scan_codes(struct akin_candidate *out, const struct akin_code_scan *scan,
                         const uint8_t *blocks, size_t rows, uint32_t first_row, float base,
                         const uint32_t *masks)
{
    struct scan_terms s = {_mm256_set1_ps(scan->scale), _mm256_set1_ps(scan->offset),
                           _mm256_set1_ps(base), _mm256_set1_ps(scan->threshold)};
    size_t count = 0, block_bytes = scan->nibbles * 16 + 4 * AKIN_CODE_ROWS;
    for (size_t row = 0; row < rows; row += AKIN_CODE_ROWS, blocks += block_bytes) {
        uint32_t mask = masks ? masks[row / AKIN_CODE_ROWS] : UINT32_MAX;
        if (rows - row < AKIN_CODE_ROWS)
            mask &= (1u << (rows - row)) - 1u;
        if (mask)
            count += scan_block(out + count, &s, blocks, scan, mask, first_row + (uint32_t)row);
    }
    return count;
}

/* ---- the best of many ---- */

/* The keys (see key_of) of eight candidates, in an order of their own. */
INLINE __m256i load_keys(const struct akin_candidate *candidates)
{
    __m256 front = _mm256_loadu_ps((const float *)(const void *)candidates);
    __m256 back = _mm256_loadu_ps((const float *)(const void *)(candidates + 4));
    __m256 scores = _mm256_shuffle_ps(front, back, 0x88);
    __m256i bits = _mm256_castps_si256(_mm256_add_ps(scores, _mm256_setzero_ps()));
    __m256i turn = _mm256_srli_epi32(_mm256_srai_epi32(bits, 31), 1);
    return _mm256_xor_si256(bits, turn);
}

static struct key_range find_range(const struct akin_candidate *candidates, size_t count)
{
    int32_t lows[8], highs[8];
    __m256i low = _mm256_set1_epi32(INT32_MAX), high = _mm256_set1_epi32(INT32_MIN);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i keys = load_keys(candidates + i);
        low = _mm256_min_epi32(low, keys);
        high = _mm256_max_epi32(high, keys);
    }
    _mm256_storeu_si256((__m256i *)lows, low);
    _mm256_storeu_si256((__m256i *)highs, high);
    struct key_range range = {INT32_MAX, INT32_MIN};
    for (size_t l = 0; l < 8; l++) {
        range.low = lows[l] < range.low ? lows[l] : range.low;
        range.high = highs[l] > range.high ? highs[l] : range.high;
    }
    for (; i < count; i++) {
        int32_t key = key_of(candidates[i].score);
        range.low = key < range.low ? key : range.low;
        range.high = key > range.high ? key : range.high;
    }
    return range;
}

static size_t count_from(const struct akin_candidate *candidates, size_t count, int32_t key)
{
    size_t found = 0, i = 0;
    __m256i below = _mm256_set1_epi32(key);
    for (; i + 8 <= count; i += 8) {
        __m256i less = _mm256_cmpgt_epi32(below, load_keys(candidates + i));
        found +=
            8 - (size_t)__builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(less)));
    }
    for (; i < count; i++)
        found += key_of(candidates[i].score) >= key;
    return found;
}

static size_t move_from(struct akin_candidate *candidates, size_t count, int32_t key)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) { /* always written, so that nothing need be foreseen */
        struct akin_candidate one = candidates[i];
        candidates[found] = one;
        found += key_of(one.score) >= key;
    }
    return found;
}

static size_t keep_best(struct akin_candidate *candidates, size_t count, size_t keep,
                        float *threshold)
{
    return keep_best_by((struct keep_passes){find_range, count_from, move_from}, candidates, count,
                        keep, threshold);
}

#endif
