/*
 * The bundle's kernels for CPUs with AMX in bf16 (Sapphire Rapids 2023 and later): two tiles of 16
 * images times two of 16 channels, so that each tile that is loaded serves two products. Measured on
 * one core: 3.3 TFLOP/s of products with operands from the second-level cache, where AVX-512 in f32
 * has 0.15; so what counts is that no operand is padded, copied or read from further away. Rows are
 * worked on in f32, two registers of 16 channels.
 *
 * A tier of its own behind AVX-512: all else is that tier's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#define WIDTH 32 /* channels of a step, and images of a block */

/* ---- bf16 and f32 ---- */

/* 32 channels. */
struct wide {
    __m512 low, high;
};

INLINE __m512 widen(__m256i x)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

INLINE struct wide load(const akin_bf16 *at)
{
    return (struct wide){widen(_mm256_loadu_si256((const __m256i *)at)),
                         widen(_mm256_loadu_si256((const __m256i *)(at + 16)))};
}

INLINE struct wide load_f32(const float *at)
{
    return (struct wide){_mm512_loadu_ps(at), _mm512_loadu_ps(at + 16)};
}

/* Rounds to nearest even. */
INLINE __m512i narrow(struct wide x)
{
    return (__m512i)_mm512_cvtne2ps_pbh(x.high, x.low);
}

INLINE struct wide add(struct wide a, struct wide b)
{
    return (struct wide){_mm512_add_ps(a.low, b.low), _mm512_add_ps(a.high, b.high)};
}

/* a * b + c */
INLINE struct wide multiply_add(struct wide a, struct wide b, struct wide c)
{
    return (struct wide){_mm512_fmadd_ps(a.low, b.low, c.low),
                         _mm512_fmadd_ps(a.high, b.high, c.high)};
}

INLINE struct wide rectify(struct wide x)
{
    const __m512 zero = _mm512_setzero_ps();
    return (struct wide){_mm512_max_ps(x.low, zero), _mm512_max_ps(x.high, zero)};
}

/* x where y is above 0, else 0. */
INLINE struct wide let_through(struct wide x, struct wide y)
{
    const __m512 zero = _mm512_setzero_ps();
    return (struct wide){_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y.low, zero, _CMP_GT_OQ), x.low),
                         _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y.high, zero, _CMP_GT_OQ), x.high)};
}

INLINE struct wide nothing(void)
{
    return (struct wide){_mm512_setzero_ps(), _mm512_setzero_ps()};
}

INLINE void gain_half(double *to, __m512 x)
{
    _mm512_storeu_pd(
        to, _mm512_add_pd(_mm512_loadu_pd(to), _mm512_cvtps_pd(_mm512_castps512_ps256(x))));
    _mm512_storeu_pd(to + 8, _mm512_add_pd(_mm512_loadu_pd(to + 8),
                                           _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1))));
}

/* to (32) += x */
INLINE void gain(double *to, struct wide x)
{
    gain_half(to, x.low);
    gain_half(to + 16, x.high);
}

/* ---- tiles ---- */

struct tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

static void begin(void)
{
    struct tile_config config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = 16;
    }
    __asm__ volatile("" ::: "memory");
    _tile_loadconfig(&config);
}

static void end(void)
{
    _tile_release();
}

INLINE void zero_tiles(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* The four tiles of a block of results, tile (i, j) at i * 2 + j. */
INLINE void store_tiles(void *sums)
{
    char *at = sums;
    _tile_stored(0, at, 64);
    _tile_stored(1, at + 1024, 64);
    _tile_stored(2, at + 2048, 64);
    _tile_stored(3, at + 3072, 64);
}

/* sums (2, 2, 16, 16) -> rows of bf16. */
INLINE void finish(akin_bf16 *y, size_t y_row, const float *sums, const struct akin_bundle_end *end,
                   bool biased, bool adds, bool counts)
{
    const struct wide bias = biased ? load_f32(end->bias) : nothing();
    struct wide sum = nothing(), square = nothing();
    for (size_t i = 0; i < AKIN_BUNDLE; i++) {
        const float *at = sums + i / 16 * 512 + i % 16 * 16;
        struct wide x = {_mm512_load_ps(at), _mm512_load_ps(at + 256)};
        if (biased)
            x = add(x, bias);
        if (adds)
            x = add(x, load(end->add + i * y_row));
        if (counts && i < end->count) {
            sum = add(sum, x);
            square = multiply_add(x, x, square);
        }
        if (end->relu)
            x = rectify(x);
        _mm512_storeu_si512(y + i * y_row, narrow(x));
    }
    if (counts) {
        gain(end->sums, sum);
        gain(end->squares, square);
    }
}

static void convolve(akin_bf16 *y, size_t y_row, const akin_bf16 *x, size_t x_step, size_t x_row,
                     const akin_bf16 *w, size_t w_step, const struct akin_link *links, size_t count,
                     size_t depth, const struct akin_bundle_end *end)
{
    float sums[AKIN_BLOCK] __attribute__((aligned(64)));
    __asm__ volatile("" ::: "memory");
    zero_tiles();
    for (size_t i = 0; i < count; i++) {
        const akin_bf16 *left = x + links[i].x * x_step, *right = w + links[i].y * w_step;
        for (size_t d = 0; d < depth; d++, left += WIDTH, right += AKIN_BLOCK) {
            _tile_loadd(4, left, x_row * sizeof *left);
            _tile_loadd(6, right, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, right + AKIN_BLOCK / 2, 64);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, left + 16 * x_row, x_row * sizeof *left);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    store_tiles(sums);
    if (end->sums)
        finish(y, y_row, sums, end, false, false, true);
    else if (end->bias && end->add)
        finish(y, y_row, sums, end, true, true, false);
    else if (end->bias)
        finish(y, y_row, sums, end, true, false, false);
    else if (end->add)
        finish(y, y_row, sums, end, false, true, false);
    else
        finish(y, y_row, sums, end, false, false, false);
}

static void correlate(float *sums, const akin_bf16 *x, size_t x_step, size_t x_bundle,
                      const akin_bf16 *y, size_t y_step, size_t y_bundle,
                      const struct akin_link *links, size_t count, size_t bundles, bool add)
{
    __asm__ volatile("" ::: "memory");
    if (add) {
        _tile_loadd(0, sums, 64);
        _tile_loadd(1, sums + 256, 64);
        _tile_loadd(2, sums + 512, 64);
        _tile_loadd(3, sums + 768, 64);
    } else {
        zero_tiles();
    }
    for (size_t b = 0; b < bundles; b++, x += x_bundle, y += y_bundle)
        for (size_t i = 0; i < count; i++) {
            const akin_bf16 *left = x + links[i].x * x_step, *right = y + links[i].y * y_step;
            _tile_loadd(4, left, 64);
            _tile_loadd(6, right, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, right + AKIN_BLOCK / 2, 64);
            _tile_dpbf16ps(1, 4, 7);
            _tile_loadd(5, left + AKIN_BLOCK / 2, 64);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    store_tiles(sums);
}

/* ---- 8 bits ---- */

INLINE __m512 widen8(const void *at, bool is_signed)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)at);
    return _mm512_cvtepi32_ps(is_signed ? _mm512_cvtepi8_epi32(x) : _mm512_cvtepu8_epi32(x));
}

/* 16 channels of an image. */
INLINE void finish8(uint8_t *y, const int32_t *sums, __m512 scale, __m512 bias,
                    const struct akin_bundle_end8 *end, const uint8_t *added)
{
    __m512 x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(sums)), scale, bias);
    if (added)
        x = _mm512_fmadd_ps(widen8(added, end->add_signed), _mm512_set1_ps(end->add_scale), x);
    __m512i steps = _mm512_cvtps_epi32(x);
    _mm_storeu_si128((__m128i *)y,
                     end->y_signed
                         ? _mm512_cvtsepi32_epi8(steps)
                         : _mm512_cvtusepi32_epi8(_mm512_max_epi32(steps, _mm512_setzero_si512())));
}

static void convolve8(void *y, size_t y_row, const uint8_t *x, size_t x_step, size_t x_row,
                      const int8_t *w, size_t w_step, const struct akin_link *links, size_t count,
                      size_t depth, const struct akin_bundle_end8 *end)
{
    int32_t sums[AKIN_BLOCK] __attribute__((aligned(64)));
    __asm__ volatile("" ::: "memory");
    zero_tiles();
    for (size_t i = 0; i < count; i++) {
        const uint8_t *left = x + links[i].x * x_step;
        const int8_t *right = w + links[i].y * w_step;
        for (size_t d = 0; d < depth; d++, left += 2 * WIDTH, right += AKIN_BLOCK8) {
            _tile_loadd(4, left, x_row);
            _tile_loadd(6, right, 64);
            _tile_dpbusd(0, 4, 6);
            _tile_loadd(7, right + AKIN_BLOCK8 / 2, 64);
            _tile_dpbusd(1, 4, 7);
            _tile_loadd(5, left + 16 * x_row, x_row);
            _tile_dpbusd(2, 5, 6);
            _tile_dpbusd(3, 5, 7);
        }
    }
    store_tiles(sums);
    const struct wide scale = load_f32(end->scale), bias = load_f32(end->bias);
    uint8_t *to = y;
    const uint8_t *added = end->add;
    for (size_t i = 0; i < AKIN_BUNDLE; i++, to += y_row) {
        const int32_t *at = sums + i / 16 * 512 + i % 16 * 16;
        finish8(to, at, scale.low, bias.low, end, added);
        finish8(to + 16, at + 256, scale.high, bias.high, end, added ? added + 16 : NULL);
        added = added ? added + y_row : NULL;
    }
}

static void quantise(uint8_t *out, const akin_bf16 *x, float scale, size_t n)
{
    const __m512 by = _mm512_set1_ps(scale);
    for (size_t i = 0; i < n; i += 16) {
        __m512 v = _mm512_mul_ps(widen(_mm256_loadu_si256((const __m256i *)(x + i))), by);
        _mm_storeu_si128((__m128i *)(out + i), _mm512_cvtusepi32_epi8(_mm512_max_epi32(
                                                   _mm512_cvtps_epi32(v), _mm512_setzero_si512())));
    }
}

/* ---- blocks turned ---- */

/* Two images' 32 channels -> pairs of them: channels 0 to 15, and 16 to 31. */
INLINE void interleave(__m512i *low, __m512i *high, __m512i first, __m512i second)
{
    static const uint16_t order[WIDTH] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,
                                          37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
                                          11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    const __m512i from = _mm512_loadu_si512(order);
    *low = _mm512_permutex2var_epi16(first, from, second);
    *high = _mm512_permutex2var_epi16(first, _mm512_add_epi16(from, _mm512_set1_epi16(16)), second);
}

static void pair(akin_bf16 *out, const akin_bf16 *in, size_t row)
{
    for (size_t i = 0; i < AKIN_BUNDLE; i += 2, out += WIDTH) {
        __m512i low, high;
        interleave(&low, &high, _mm512_loadu_si512(in + i * row),
                   _mm512_loadu_si512(in + (i + 1) * row));
        _mm512_storeu_si512(out, low);
        _mm512_storeu_si512(out + AKIN_BLOCK / 2, high);
    }
}

/* 16 x 16 elements of 32 bits, in place. */
INLINE void turn(__m512i *r)
{
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    /* r[4 k + c]: columns c, 4 + c, 8 + c, 12 + c of rows 4 k to 4 k + 3, a quarter each. */
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        t[c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0x88);
        t[4 + c] = _mm512_shuffle_i32x4(r[c], r[4 + c], 0xdd);
        t[8 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0x88);
        t[12 + c] = _mm512_shuffle_i32x4(r[8 + c], r[12 + c], 0xdd);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
        r[c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0x88);
        r[8 + c] = _mm512_shuffle_i32x4(t[c], t[8 + c], 0xdd);
        r[4 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0x88);
        r[12 + c] = _mm512_shuffle_i32x4(t[4 + c], t[12 + c], 0xdd);
    }
}

INLINE __m512i normal_row(const akin_bf16 *in, struct wide scale, struct wide shift, bool relu)
{
    struct wide x = multiply_add(load(in), scale, shift);
    return narrow(relu ? rectify(x) : x);
}

static void transpose(akin_bf16 *out, const akin_bf16 *in, size_t row,
                      const struct akin_affine *normal, bool relu)
{
    const struct wide scale = normal ? load_f32(normal->scale) : nothing();
    const struct wide shift = normal ? load_f32(normal->shift) : nothing();
    akin_bf16 pairs[AKIN_BLOCK] __attribute__((aligned(64)));
    if (!normal) {
        pair(pairs, in, row);
    } else {
        for (size_t i = 0; i < AKIN_BUNDLE; i += 2) {
            __m512i low, high;
            interleave(&low, &high, normal_row(in + i * row, scale, shift, relu),
                       normal_row(in + (i + 1) * row, scale, shift, relu));
            _mm512_store_si512(pairs + i / 2 * WIDTH, low);
            _mm512_store_si512(pairs + AKIN_BLOCK / 2 + i / 2 * WIDTH, high);
        }
    }
    for (size_t half = 0; half < 2; half++) {
        __m512i r[16];
#pragma GCC unroll 16
        for (size_t i = 0; i < 16; i++)
            r[i] = _mm512_load_si512(pairs + half * AKIN_BLOCK / 2 + i * WIDTH);
        turn(r);
#pragma GCC unroll 16
        for (size_t i = 0; i < 16; i++)
            _mm512_storeu_si512(out + half * AKIN_BLOCK / 2 + i * WIDTH, r[i]);
    }
}

/* ---- rows ---- */

#define ROWS 32 /* a piece of all channels' rows stays in the first cache */

INLINE void normalise_piece(akin_bf16 *y, const akin_bf16 *x, const struct akin_affine *normal,
                            const akin_bf16 *other, const struct akin_affine *other_normal,
                            bool relu, size_t rows, size_t c, size_t stride)
{
    const struct wide scale = load_f32(normal->scale + c), shift = load_f32(normal->shift + c);
    const struct wide other_scale = other_normal ? load_f32(other_normal->scale + c) : nothing();
    const struct wide other_shift = other_normal ? load_f32(other_normal->shift + c) : nothing();
    for (size_t i = c; i < rows * stride; i += stride) {
        struct wide v = multiply_add(load(x + i), scale, shift);
        if (other_normal)
            v = add(v, multiply_add(load(other + i), other_scale, other_shift));
        else if (other)
            v = add(v, load(other + i));
        if (relu)
            v = rectify(v);
        _mm512_storeu_si512(y + i, narrow(v));
    }
}

static void normalise(akin_bf16 *y, const akin_bf16 *x, const struct akin_affine *normal,
                      const akin_bf16 *other, const struct akin_affine *other_normal, bool relu,
                      size_t rows, size_t c)
{
    for (size_t row = 0; row < rows; row += ROWS) {
        const size_t some = rows - row < ROWS ? rows - row : ROWS, at = row * c;
        for (size_t k = 0; k < c; k += WIDTH) {
            if (!other)
                normalise_piece(y + at, x + at, normal, NULL, NULL, relu, some, k, c);
            else if (!other_normal)
                normalise_piece(y + at, x + at, normal, other + at, NULL, relu, some, k, c);
            else
                normalise_piece(y + at, x + at, normal, other + at, other_normal, relu, some, k, c);
        }
    }
}

INLINE void sums_piece(double *sums, akin_bf16 *dy, const akin_bf16 *y,
                       const struct akin_affine *normal, const akin_bf16 *x, const akin_bf16 *other,
                       size_t rows, size_t c, size_t stride)
{
    const struct wide scale = normal ? load_f32(normal->scale + c) : nothing();
    const struct wide shift = normal ? load_f32(normal->shift + c) : nothing();
    struct wide sum = nothing(), by_x = nothing(), by_other = nothing();
    for (size_t i = c; i < rows * stride; i += stride) {
        struct wide g = load(dy + i), v = load(x + i);
        if (y) {
            g = let_through(g, load(y + i));
            _mm512_storeu_si512(dy + i, narrow(g));
        } else if (normal) {
            g = let_through(g, multiply_add(v, scale, shift));
        }
        sum = add(sum, g);
        by_x = multiply_add(g, v, by_x);
        if (other)
            by_other = multiply_add(g, load(other + i), by_other);
    }
    gain(sums + c, sum);
    gain(sums + stride + c, by_x);
    if (other)
        gain(sums + 2 * stride + c, by_other);
}

static void gradient_sums(double *sums, akin_bf16 *dy, const akin_bf16 *y,
                          const struct akin_affine *normal, const akin_bf16 *x,
                          const akin_bf16 *other, size_t rows, size_t c)
{
    for (size_t row = 0; row < rows; row += ROWS) {
        const size_t some = rows - row < ROWS ? rows - row : ROWS, at = row * c;
        for (size_t k = 0; k < c; k += WIDTH) {
            if (y && other)
                sums_piece(sums, dy + at, y + at, NULL, x + at, other + at, some, k, c);
            else if (y)
                sums_piece(sums, dy + at, y + at, NULL, x + at, NULL, some, k, c);
            else if (normal)
                sums_piece(sums, dy + at, NULL, normal, x + at, NULL, some, k, c);
            else
                sums_piece(sums, dy + at, NULL, NULL, x + at, other ? other + at : NULL, some, k,
                           c);
        }
    }
}

INLINE void gradient_piece(akin_bf16 *dx, const akin_bf16 *dy, const akin_bf16 *x, const float *a,
                           const float *b, const float *shift, const struct akin_affine *normal,
                           size_t rows, size_t c, size_t stride)
{
    const struct wide by_g = load_f32(a + c), by_x = load_f32(b + c), plus = load_f32(shift + c);
    const struct wide scale = normal ? load_f32(normal->scale + c) : nothing();
    const struct wide edge = normal ? load_f32(normal->shift + c) : nothing();
    for (size_t i = c; i < rows * stride; i += stride) {
        struct wide g = load(dy + i), v = load(x + i);
        if (normal)
            g = let_through(g, multiply_add(v, scale, edge));
        _mm512_storeu_si512(dx + i, narrow(multiply_add(g, by_g, multiply_add(v, by_x, plus))));
    }
}

static void gradient(akin_bf16 *dx, const akin_bf16 *dy, const akin_bf16 *x, const float *a,
                     const float *b, const float *shift, const struct akin_affine *normal,
                     size_t count, size_t rows, size_t c)
{
    const __m512i zero = _mm512_setzero_si512();
    for (size_t row = 0; row < rows; row += AKIN_BUNDLE) {
        const size_t at = row * c;
        for (size_t k = 0; k < c; k += WIDTH) {
            if (normal)
                gradient_piece(dx + at, dy + at, x + at, a, b, shift, normal, count, k, c);
            else
                gradient_piece(dx + at, dy + at, x + at, a, b, shift, NULL, count, k, c);
        }
        for (size_t i = at + count * c; i < at + AKIN_BUNDLE * c; i += WIDTH)
            _mm512_storeu_si512(dx + i, zero);
    }
}

/* ---- pooling ---- */

/* Of numbers that are not below 0 the bits are in order, too. */
static void max(akin_bf16 *y, uint8_t *marks, const akin_bf16 *x, uint8_t index, size_t n)
{
    const __m256i mark = _mm256_set1_epi8((char)index);
    for (size_t i = 0; i < n; i += WIDTH) {
        __m512i a = _mm512_loadu_si512(y + i), b = _mm512_loadu_si512(x + i);
        __mmask32 more = _mm512_cmpgt_epi16_mask(b, a);
        _mm512_storeu_si512(y + i, _mm512_max_epi16(a, b));
        _mm256_mask_storeu_epi8(marks + i, more, mark);
    }
}

static void max_gradient(akin_bf16 *dx, const akin_bf16 *dy, const uint8_t *marks,
                         const struct akin_link *links, size_t count, size_t n)
{
    for (size_t i = 0; i < n; i += WIDTH) {
        struct wide sum = nothing();
        for (size_t l = 0; l < count; l++) {
            const size_t at = links[l].x * n + i;
            __mmask32 here =
                _mm256_cmpeq_epi8_mask(_mm256_loadu_si256((const __m256i *)(marks + at)),
                                       _mm256_set1_epi8((char)links[l].y));
            __m512i g = _mm512_maskz_loadu_epi16(here, dy + at);
            sum = add(sum, (struct wide){widen(_mm512_castsi512_si256(g)),
                                         widen(_mm512_extracti64x4_epi64(g, 1))});
        }
        _mm512_storeu_si512(dx + i, narrow(sum));
    }
}

/* ---- weights ---- */

/* One block: the tap's weights between 32 channels and 32, `in_step` and `out_step` floats apart. */
INLINE void weight_block(akin_bf16 *out, const float *plain, size_t in_step, size_t out_step)
{
    const __m512i lane =
        _mm512_mullo_epi32(_mm512_set1_epi32((int)out_step),
                           _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    const __m512i order = _mm512_loadu_si512(
        (const uint16_t[WIDTH]){0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31});
    for (size_t half = 0; half < 2; half++)
        for (size_t k = 0; k < WIDTH; k += 2, out += WIDTH) {
            const float *at = plain + half * 16 * out_step + k * in_step;
            struct wide both = {_mm512_i32gather_ps(lane, at, 4),
                                _mm512_i32gather_ps(lane, at + in_step, 4)};
            _mm512_storeu_si512(out, _mm512_permutexvar_epi16(order, narrow(both)));
        }
}

static void weights(akin_bf16 *out, const float *plain, size_t channels, size_t depth, size_t taps,
                    bool turned)
{
    const size_t in = depth * WIDTH;
    const size_t out_step = turned ? taps : in * taps, in_step = turned ? channels * taps : taps;
    for (size_t n = 0; n < channels; n += WIDTH)
        for (size_t t = 0; t < taps; t++)
            for (size_t d = 0; d < depth; d++, out += AKIN_BLOCK)
                weight_block(out, plain + n * out_step + d * WIDTH * in_step + t, in_step,
                             out_step);
}

const struct akin_bundle_kernels bundle_amx = {
    .begin = begin,
    .end = end,
    .convolve = convolve,
    .correlate = correlate,
    .transpose = transpose,
    .pair = pair,
    .normalise = normalise,
    .gradient_sums = gradient_sums,
    .gradient = gradient,
    .max = max,
    .max_gradient = max_gradient,
    .weights = weights,
    .convolve8 = convolve8,
    .quantise = quantise,
};

#endif
