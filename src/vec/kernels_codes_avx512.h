/*
 * The kernels of codes, int8 tiles and rotation for AVX-512 (BW, VNNI).
 *
 * VPDPBUSD multiplies unsigned by signed bytes: queries are moved up by 128, and 128 times the sum of a
 * vector's values is taken off again. Codes: a register holds four nibble positions of 16 rows, VPSHUFB
 * looks up all 64 at once; u8 entries are added to u16 sums without unpacking: the even rows' sums
 * gather whole words, from which the odd ones' (the words' upper halves) are taken off at the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VEC_KERNELS_CODES_AVX512_H
#define VEC_KERNELS_CODES_AVX512_H

#include "kernels_keep.h"

/* ---- int8 tiles ---- */

#define TILE_QUERIES 6
#define N4_MAX 4096

/* 24 sums of 6 queries by 4 tiles: 4 loads and 6 broadcasts for 24 products. */
INLINE void dots_tiles(int32_t *out, size_t out_stride, const uint8_t *queries, size_t query_count,
                       const int8_t *tiles, const int32_t *sums, size_t tile_count, size_t n4)
{
    __m512i dots[TILE_QUERIES][4];
#pragma GCC unroll 6
    for (size_t q = 0; q < query_count; q++)
#pragma GCC unroll 4
        for (size_t t = 0; t < tile_count; t++)
            dots[q][t] = _mm512_setzero_si512();
    for (size_t j = 0; j < n4; j++) {
        __m512i tile[4];
#pragma GCC unroll 4
        for (size_t t = 0; t < tile_count; t++)
            tile[t] = _mm512_loadu_si512(tiles + (t * n4 + j) * 64);
#pragma GCC unroll 6
        for (size_t q = 0; q < query_count; q++) {
            int32_t four;
            memcpy(&four, queries + (q * n4 + j) * 4, sizeof four);
            __m512i query = _mm512_set1_epi32(four);
#pragma GCC unroll 4
            for (size_t t = 0; t < tile_count; t++)
                dots[q][t] = _mm512_dpbusd_epi32(dots[q][t], query, tile[t]);
        }
    }
#pragma GCC unroll 4
    for (size_t t = 0; t < tile_count; t++) {
        __m512i moved = _mm512_slli_epi32(_mm512_loadu_si512(sums + t * 16), 7);
#pragma GCC unroll 6
        for (size_t q = 0; q < query_count; q++)
            _mm512_storeu_si512(out + q * out_stride + t * 16, _mm512_sub_epi32(dots[q][t], moved));
    }
}

/* One query: a tile is one stream of memory, with four sums to keep the units busy. */
INLINE void dots_one(int32_t *out, const uint8_t *query, const int8_t *tile, const int32_t *sums,
                     size_t n4)
{
    __m512i dots[4];
#pragma GCC unroll 4
    for (size_t s = 0; s < 4; s++)
        dots[s] = _mm512_setzero_si512();
    size_t j = 0;
    for (; j + 4 <= n4; j += 4) {
#pragma GCC unroll 4
        for (size_t s = 0; s < 4; s++) {
            int32_t four;
            memcpy(&four, query + (j + s) * 4, sizeof four);
            dots[s] = _mm512_dpbusd_epi32(dots[s], _mm512_set1_epi32(four),
                                          _mm512_loadu_si512(tile + (j + s) * 64));
        }
    }
    for (; j < n4; j++) {
        int32_t four;
        memcpy(&four, query + j * 4, sizeof four);
        dots[0] = _mm512_dpbusd_epi32(dots[0], _mm512_set1_epi32(four),
                                      _mm512_loadu_si512(tile + j * 64));
    }
    __m512i sum =
        _mm512_add_epi32(_mm512_add_epi32(dots[0], dots[1]), _mm512_add_epi32(dots[2], dots[3]));
    __m512i moved = _mm512_slli_epi32(_mm512_loadu_si512(sums), 7);
    _mm512_storeu_si512(out, _mm512_sub_epi32(sum, moved));
}

INLINE void move_up(uint8_t *out, const int8_t *in, size_t n)
{
    __m512i high = _mm512_set1_epi8(-128);
    for (size_t i = 0; i < n; i += 64) {
        __mmask64 mask = n - i < 64 ? ((__mmask64)1 << (n - i)) - 1 : ~(__mmask64)0;
        __m512i v = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, in + i), high);
        _mm512_mask_storeu_epi8(out + i, mask, v);
    }
}

/* Four tiles at least, and as many as stay in L1 while all queries pass over them. */
INLINE size_t tiles_at_once(size_t n4)
{
    size_t tiles = n4 ? 32768 / (n4 * 64) / 4 * 4 : 4;
    return tiles > 4 ? tiles : 4;
}

/* Six queries, moved up, over a few tiles. */
INLINE void dots_six(int32_t *out, size_t out_stride, const uint8_t *queries, const int8_t *tiles,
                     const int32_t *sums, size_t tile_count, size_t n4)
{
    size_t t = 0;
    for (; t + 4 <= tile_count; t += 4)
        dots_tiles(out + t * 16, out_stride, queries, TILE_QUERIES, tiles + t * n4 * 64,
                   sums + t * 16, 4, n4);
    for (; t < tile_count; t++)
        dots_tiles(out + t * 16, out_stride, queries, TILE_QUERIES, tiles + t * n4 * 64,
                   sums + t * 16, 1, n4);
}

static void dots_i8_tiles(int32_t *out, size_t out_stride, const int8_t *queries,
                          size_t query_count, const int8_t *tiles, const int32_t *sums,
                          size_t tile_count, size_t n4)
{
    uint8_t moved[TILE_QUERIES * N4_MAX * 4];
    size_t sixes = query_count / TILE_QUERIES * TILE_QUERIES, step = tiles_at_once(n4);
    for (size_t t = 0; t < tile_count && sixes; t += step) {
        size_t some = tile_count - t < step ? tile_count - t : step;
        for (size_t q = 0; q < sixes; q += TILE_QUERIES) {
            move_up(moved, queries + q * n4 * 4, TILE_QUERIES * n4 * 4);
            dots_six(out + q * out_stride + t * 16, out_stride, moved, tiles + t * n4 * 64,
                     sums + t * 16, some, n4);
        }
    }
    for (size_t q = sixes; q < query_count; q++) {
        move_up(moved, queries + q * n4 * 4, n4 * 4);
        for (size_t t = 0; t < tile_count; t++)
            dots_one(out + q * out_stride + t * 16, moved, tiles + t * n4 * 64, sums + t * 16, n4);
    }
}

static void best_of_dots(float *best, uint32_t *at, const int32_t *dots, const float *scales,
                         const float *halves, size_t n, float scale, uint32_t first)
{
    __m512 most = _mm512_set1_ps(-INFINITY), factor = _mm512_set1_ps(scale);
    __m512i where = _mm512_setzero_si512(), step = _mm512_set1_epi32(16);
    __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 mask = first_lanes(n - i);
        __m512 dot = _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(mask, dots + i));
        __m512 size = _mm512_mul_ps(dot, factor);
        __m512 score = _mm512_fmsub_ps(size, _mm512_maskz_loadu_ps(mask, scales + i),
                                       _mm512_maskz_loadu_ps(mask, halves + i));
        __mmask16 above = _mm512_mask_cmp_ps_mask(mask, score, most, _CMP_GT_OQ);
        most = _mm512_mask_mov_ps(most, above, score);
        where = _mm512_mask_mov_epi32(where, above, lane);
        lane = _mm512_add_epi32(lane, step);
    }
    float largest = _mm512_reduce_max_ps(most);
    if (!(largest > *best))
        return;
    __mmask16 equal = _mm512_cmp_ps_mask(most, _mm512_set1_ps(largest), _CMP_EQ_OQ);
    *best = largest;
    *at = first + _mm512_mask_reduce_min_epu32(equal, where);
}

/* ---- rotation ---- */

/* The four steps within 16 values: each is the permuted vector plus the vector with its upper
 * halves' signs turned. */
INLINE __m512 hadamard_16(__m512 v)
{
    const __m512i all = _mm512_set1_epi32((int)0x80000000u);
    __m512 minus_1 = _mm512_castsi512_ps(_mm512_maskz_mov_epi32(0xaaaa, all));
    __m512 minus_2 = _mm512_castsi512_ps(_mm512_maskz_mov_epi32(0xcccc, all));
    __m512 minus_4 = _mm512_castsi512_ps(_mm512_maskz_mov_epi32(0xf0f0, all));
    __m512 minus_8 = _mm512_castsi512_ps(_mm512_maskz_mov_epi32(0xff00, all));
    v = _mm512_add_ps(_mm512_permute_ps(v, 0xb1), _mm512_xor_ps(v, minus_1));
    v = _mm512_add_ps(_mm512_permute_ps(v, 0x4e), _mm512_xor_ps(v, minus_2));
    v = _mm512_add_ps(_mm512_shuffle_f32x4(v, v, 0xb1), _mm512_xor_ps(v, minus_4));
    return _mm512_add_ps(_mm512_shuffle_f32x4(v, v, 0x4e), _mm512_xor_ps(v, minus_8));
}

/* Two steps at once, at distances `half` and 2 * half. */
INLINE void hadamard_two(float *x, size_t half)
{
    for (size_t j = 0; j < half; j += 16, x += 16) {
        __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + half);
        __m512 c = _mm512_loadu_ps(x + 2 * half), d = _mm512_loadu_ps(x + 3 * half);
        __m512 ab = _mm512_add_ps(a, b), cd = _mm512_add_ps(c, d);
        __m512 a_b = _mm512_sub_ps(a, b), c_d = _mm512_sub_ps(c, d);
        _mm512_storeu_ps(x, _mm512_add_ps(ab, cd));
        _mm512_storeu_ps(x + half, _mm512_add_ps(a_b, c_d));
        _mm512_storeu_ps(x + 2 * half, _mm512_sub_ps(ab, cd));
        _mm512_storeu_ps(x + 3 * half, _mm512_sub_ps(a_b, c_d));
    }
}

static void hadamard(float *x, const float *factors, size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        _mm512_storeu_ps(x + i, hadamard_16(_mm512_mul_ps(_mm512_loadu_ps(x + i),
                                                          _mm512_loadu_ps(factors + i))));
    size_t half = 16;
    for (; 4 * half <= n; half *= 4)
        for (size_t i = 0; i < n; i += 4 * half)
            hadamard_two(x + i, half);
    for (size_t j = 0; j < half && 2 * half <= n; j += 16) {
        __m512 a = _mm512_loadu_ps(x + j), b = _mm512_loadu_ps(x + half + j);
        _mm512_storeu_ps(x + j, _mm512_add_ps(a, b));
        _mm512_storeu_ps(x + half + j, _mm512_sub_ps(a, b));
    }
}

/* ---- codes ---- */

/* What of 16-bit words is gathered: even rows plus 256 times odd ones, and odd ones; for rows 0-15
 * and 16-31. Four 128-bit lanes are four nibble positions. */
struct code_sums {
    __m512i words[2], odd[2];
};

/* found[half]: the entries of 64 codes. */
INLINE void look_up(__m512i found[2], const uint8_t *block, const uint8_t *table)
{
    const __m512i low = _mm512_set1_epi8(15);
    __m512i codes = _mm512_loadu_si512(block), entries = _mm512_loadu_si512(table);
    found[0] = _mm512_shuffle_epi8(entries, _mm512_and_si512(codes, low));
    found[1] = _mm512_shuffle_epi8(entries, _mm512_and_si512(_mm512_srli_epi16(codes, 4), low));
}

INLINE void add_entries(struct code_sums *sums, const __m512i found[2])
{
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        sums->words[half] = _mm512_add_epi16(sums->words[half], found[half]);
        sums->odd[half] = _mm512_add_epi16(sums->odd[half], _mm512_srli_epi16(found[half], 8));
    }
}

/* Rows 0..31 in order. */
INLINE __m512i sums_in_order(const struct code_sums *sums)
{
    __m512i two[2];
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        __m512i odd = sums->odd[half];
        __m512i even = _mm512_sub_epi16(sums->words[half], _mm512_slli_epi16(odd, 8));
        __m512i rows_0 = _mm512_unpacklo_epi16(even, odd),
                rows_8 = _mm512_unpackhi_epi16(even, odd);
        two[half] = _mm512_add_epi16(_mm512_shuffle_i64x2(rows_0, rows_8, 0x44),
                                     _mm512_shuffle_i64x2(rows_0, rows_8, 0xee));
    }
    return _mm512_add_epi16(_mm512_shuffle_i64x2(two[0], two[1], 0x88),
                            _mm512_shuffle_i64x2(two[0], two[1], 0xdd));
}

#define CODE_AHEAD 2304 /* bytes: two blocks of 256 bits a row */
/* Small entries are added by fours as bytes before they are added to the sums: 32 instructions for 256
 * bytes instead of 44. */
INLINE __m512i sum_block(const uint8_t *block, const uint8_t *table, size_t nibbles, bool small)
{
    struct code_sums sums;
    memset(&sums, 0, sizeof sums);
    for (size_t at = 0; at < nibbles * 16; at += 256) {
        __m512i four[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
#pragma GCC unroll 4
        for (size_t i = 0; i < 256; i += 64) {
            __m512i found[2];
            _mm_prefetch((const char *)block + at + i + CODE_AHEAD, _MM_HINT_T0);
            look_up(found, block + at + i, table + at + i);
            if (!small)
                add_entries(&sums, found);
            four[0] = _mm512_add_epi8(four[0], found[0]);
            four[1] = _mm512_add_epi8(four[1], found[1]);
        }
        if (small)
            add_entries(&sums, four);
    }
    return sums_in_order(&sums);
}

static void sum_codes(uint16_t sums[AKIN_CODE_ROWS], const uint8_t *block, const uint8_t *table,
                      size_t nibbles)
{
    _mm512_storeu_si512(sums, sum_block(block, table, nibbles, false));
}

/* The rows' scores and numbers side by side, those of `mask` first. */
INLINE void put_candidates(struct akin_candidate *out, __m512 scores, __mmask16 mask, uint32_t row)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i front = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i back =
        _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    __m512i rows = _mm512_add_epi32(lane, _mm512_set1_epi32((int)row));
    __m512i a = _mm512_castps_si512(_mm512_maskz_compress_ps(mask, scores));
    __m512i b = _mm512_maskz_compress_epi32(mask, rows);
    _mm512_storeu_si512(out, _mm512_permutex2var_epi32(a, front, b));
    _mm512_storeu_si512(out + 8, _mm512_permutex2var_epi32(a, back, b));
}

struct scan_terms {
    __m512 scale, offset, base, threshold;
};

/* 16 rows' survivors among `mask`; terms are their factors, addends lie 64 bytes behind. */
INLINE size_t scan_half(struct akin_candidate *out, const struct scan_terms *s, __m256i sums,
                        const uint8_t *terms, __mmask16 mask, uint32_t row)
{
    __m512 sum = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sums));
    __m512 factor = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)terms));
    __m512 addend = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(terms + 64)));
    __m512 estimate = _mm512_fmadd_ps(factor, _mm512_fmadd_ps(s->scale, sum, s->offset),
                                      _mm512_add_ps(s->base, addend));
    mask = _mm512_mask_cmp_ps_mask(mask, estimate, s->threshold, _CMP_GE_OQ);
    if (mask)
        put_candidates(out, estimate, mask, row);
    return (size_t)_mm_popcnt_u32(mask);
}

static size_t scan_codes(struct akin_candidate *out, const struct akin_code_scan *scan,
                         const uint8_t *blocks, size_t rows, uint32_t first_row, float base,
                         const uint32_t *masks)
{
    struct scan_terms s = {_mm512_set1_ps(scan->scale), _mm512_set1_ps(scan->offset),
                           _mm512_set1_ps(base), _mm512_set1_ps(scan->threshold)};
    size_t count = 0, code_bytes = scan->nibbles * 16;
    for (size_t row = 0; row < rows; row += AKIN_CODE_ROWS, blocks += code_bytes + 128) {
        uint32_t mask = masks ? masks[row / AKIN_CODE_ROWS] : UINT32_MAX;
        if (rows - row < AKIN_CODE_ROWS)
            mask &= (1u << (rows - row)) - 1u;
        if (!mask)
            continue;
        __m512i sums = scan->small ? sum_block(blocks, scan->table, scan->nibbles, true)
                                   : sum_block(blocks, scan->table, scan->nibbles, false);
        const uint8_t *terms = blocks + code_bytes;
        uint32_t number = first_row + (uint32_t)row;
        _mm_prefetch((const char *)terms + CODE_AHEAD, _MM_HINT_T0);
        _mm_prefetch((const char *)terms + CODE_AHEAD + 64, _MM_HINT_T0);
        count += scan_half(out + count, &s, _mm512_castsi512_si256(sums), terms, (__mmask16)mask,
                           number);
        count += scan_half(out + count, &s, _mm512_extracti64x4_epi64(sums, 1), terms + 32,
                           (__mmask16)(mask >> 16), number + 16);
    }
    return count;
}

/* ---- the best of many ---- */

/* The keys (see key_of) of the first n candidates, 16 at most. */
INLINE __m512i load_keys(const struct akin_candidate *candidates, size_t n)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    __mmask16 mask = first_lanes(n);
    __m512 front = _mm512_castsi512_ps(_mm512_maskz_loadu_epi64((__mmask8)mask, candidates));
    __m512 back = _mm512_castsi512_ps(
        _mm512_maskz_loadu_epi64((__mmask8)(mask >> 8), (const char *)candidates + 64));
    __m512 scores = _mm512_permutex2var_ps(front, even, back);
    __m512i bits = _mm512_castps_si512(_mm512_add_ps(scores, _mm512_setzero_ps()));
    __m512i turned = _mm512_xor_si512(bits, _mm512_set1_epi32(0x7fffffff));
    return _mm512_mask_mov_epi32(bits, _mm512_movepi32_mask(bits), turned);
}

static struct key_range find_range(const struct akin_candidate *candidates, size_t count)
{
    __m512i low = _mm512_set1_epi32(INT32_MAX), high = _mm512_set1_epi32(INT32_MIN);
    for (size_t i = 0; i < count; i += 16) {
        __m512i keys = load_keys(candidates + i, count - i);
        low = _mm512_mask_min_epi32(low, first_lanes(count - i), low, keys);
        high = _mm512_mask_max_epi32(high, first_lanes(count - i), high, keys);
    }
    return (struct key_range){_mm512_reduce_min_epi32(low), _mm512_reduce_max_epi32(high)};
}

static size_t count_from(const struct akin_candidate *candidates, size_t count, int32_t key)
{
    size_t found = 0, i = 0;
    __m512i least = _mm512_set1_epi32(key);
    for (; i + 16 <= count; i += 16)
        found +=
            (size_t)_mm_popcnt_u32(_mm512_cmpge_epi32_mask(load_keys(candidates + i, 16), least));
    if (i < count)
        found += (size_t)_mm_popcnt_u32(_mm512_mask_cmpge_epi32_mask(
            first_lanes(count - i), load_keys(candidates + i, count - i), least));
    return found;
}

static size_t move_from(struct akin_candidate *candidates, size_t count, int32_t key)
{
    size_t found = 0;
    __m512i least = _mm512_set1_epi32(key);
    for (size_t i = 0; i < count; i += 16) {
        __mmask16 valid = first_lanes(count - i);
        __m512i front = _mm512_maskz_loadu_epi64((__mmask8)valid, candidates + i);
        __m512i back =
            _mm512_maskz_loadu_epi64((__mmask8)(valid >> 8), (const char *)(candidates + i) + 64);
        __mmask16 mask =
            _mm512_mask_cmpge_epi32_mask(valid, load_keys(candidates + i, count - i), least);
        _mm512_mask_compressstoreu_epi64(candidates + found, (__mmask8)mask, front);
        found += (size_t)_mm_popcnt_u32(mask & 0xffu);
        _mm512_mask_compressstoreu_epi64(candidates + found, (__mmask8)(mask >> 8), back);
        found += (size_t)_mm_popcnt_u32(mask >> 8);
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
