/*
 * Kernels of nets that calculate in bf16 on activations that lie in bundles: AKIN_BUNDLE images side
 * by side, (n / 32, h, w, 32, c). A position of a bundle is then a matrix (32 images, c), which is
 * what a CPU's matrix tiles take; a convolution is a sum of matrix products between positions, with
 * taps that hang over the edge left out (nothing is padded, no product is wasted on zeros, on maps
 * of any size); and all that works by channel runs over rows without gaps.
 *
 * Channels are multiples of 32. Where a bundle has fewer images than 32, the rows behind them hold
 * finite numbers and, in gradients, zeros.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_VEC_BUNDLE_H
#define AKIN_VEC_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AKIN_BUNDLE 32
#define AKIN_BLOCK 1024  /* 32 x 32: elements of two tiles side by side */
#define AKIN_BLOCK8 2048 /* 64 x 32: the same in 8 bits */

/* bfloat16 by its bits. */
typedef uint16_t akin_bf16;

/* One product of a sum: numbers of steps from the two operands' first. */
struct akin_link {
    uint32_t x, y;
};

/* What becomes of a position's result. */
struct akin_bundle_end {
    const float *bias;    /* (32), or NULL */
    const akin_bf16 *add; /* rows as the result's, and may be it; or NULL */
    bool relu;            /* after both */
    double *sums;         /* (32), gains the sums of channels before rounding; or NULL */
    double *squares;      /* (32), with sums: of their squares */
    uint32_t count;       /* images that both count */
};

/* The same in 8 bits: a step count of the result is scale[c] * sum + bias[c] + add_scale * add,
 * rounded to nearest even, between 0 and 255 or, where it is s8, -128 and 127. */
struct akin_bundle_end8 {
    const float *scale, *bias; /* (32) */
    const void *add;           /* bytes, rows as the result's, and may be it; or NULL */
    float add_scale;
    bool add_signed, y_signed;
};

/* By channel: y = scale * x + shift. */
struct akin_affine {
    const float *scale, *shift;
};

struct akin_bundle_kernels {
    /* Around any number of calls of convolve and correlate on one thread: sets up its tiles, and
     * puts them away. */
    void (*begin)(void);
    void (*end)(void);

    /* y (32 images, 32 channels), rows y_row apart: the sum over `count` links of
     *     x[link.x * x_step] (32 images, 32 * depth), rows x_row apart
     *   * w[link.y * w_step] (depth, AKIN_BLOCK), as akin_bundle_weight lays it out. */
    void (*convolve)(akin_bf16 *y, size_t y_row, const akin_bf16 *x, size_t x_step, size_t x_row,
                     const akin_bf16 *w, size_t w_step, const struct akin_link *links, size_t count,
                     size_t depth, const struct akin_bundle_end *end);

    /* sums (2, 2, 16, 16), or += : (i, j) are tiles of 16 channels of x and of 16 of y, and
     *     the sum over `bundles` bundles and their links of
     *     x[link.x * x_step] (32 channels, 32 images) * y[link.y * y_step] (32 images, 32 channels)
     * with x from `transpose` and y from `pair`; a bundle further is x_bundle, y_bundle. */
    void (*correlate)(float *sums, const akin_bf16 *x, size_t x_step, size_t x_bundle,
                      const akin_bf16 *y, size_t y_step, size_t y_bundle,
                      const struct akin_link *links, size_t count, size_t bundles, bool add);
    /* (32 images, 32 channels), rows `row` apart -> (2, 16 channels, 32 images), of
     * relu(normal(x)) where `normal` is not NULL, relu where `relu`. */
    void (*transpose)(akin_bf16 *out, const akin_bf16 *in, size_t row,
                      const struct akin_affine *normal, bool relu);
    /* The same block -> (2, 16 pairs of images, 16 channels, 2). */
    void (*pair)(akin_bf16 *out, const akin_bf16 *in, size_t row);

    /* y (rows, c) = normal(x) [+ other, or other_normal(other)], relu where `relu`. */
    void (*normalise)(akin_bf16 *y, const akin_bf16 *x, const struct akin_affine *normal,
                      const akin_bf16 *other, const struct akin_affine *other_normal, bool relu,
                      size_t rows, size_t c);
    /* A gradient g (rows, c) is dy where the relu behind let through, else 0: where y is above 0 (g
     * is written over dy), or where normal(x) is, or everywhere (both NULL). sums (c) gains the sums
     * of g, of g * x and, other not NULL, of g * other: (3, c). */
    void (*gradient_sums)(double *sums, akin_bf16 *dy, const akin_bf16 *y,
                          const struct akin_affine *normal, const akin_bf16 *x,
                          const akin_bf16 *other, size_t rows, size_t c);
    /* dx (rows, c) = a g + b x + shift with g as above by `normal`, or dy itself; dx may be dy. Of
     * every 32 rows those from `count` on become 0. */
    void (*gradient)(akin_bf16 *dx, const akin_bf16 *dy, const akin_bf16 *x, const float *a,
                     const float *b, const float *shift, const struct akin_affine *normal,
                     size_t count, size_t rows, size_t c);

    /* `convolve` in 8 bits: x u8, a step of depth 64 channels, w in blocks of AKIN_BLOCK8 as
     * akin_bundle_weight8 lays them out. Of 32 channels the depth is 1 and the weights of the others
     * are 0: what lies behind a row is read, 32 bytes behind the last. */
    void (*convolve8)(void *y, size_t y_row, const uint8_t *x, size_t x_step, size_t x_row,
                      const int8_t *w, size_t w_step, const struct akin_link *links, size_t count,
                      size_t depth, const struct akin_bundle_end8 *end);
    /* out (n) = x * scale, rounded to nearest even, between 0 and 255; n a multiple of 32. */
    void (*quantise)(uint8_t *out, const akin_bf16 *x, float scale, size_t n);

    /* y = max(y, x) where x is greater, and marks = index there; n a multiple of 32. No value is
     * below 0 or not a number. */
    void (*max)(akin_bf16 *y, uint8_t *marks, const akin_bf16 *x, uint8_t index, size_t n);
    /* dx (n) = the sum over links of dy[link.x * n] where marks[link.x * n] are link.y. */
    void (*max_gradient)(akin_bf16 *dx, const akin_bf16 *dy, const uint8_t *marks,
                         const struct akin_link *links, size_t count, size_t n);

    /* out (channels / 32, side * side, depth, AKIN_BLOCK) in bf16 as convolve takes weights, from
     * plain f32 (channels, 32 * depth, taps); or, `turned`, of (32 * depth, channels, taps). */
    void (*weights)(akin_bf16 *out, const float *plain, size_t channels, size_t depth, size_t taps,
                    bool turned);
};

/* Where the weight from channel `in` of 32 to channel `out` of 32 lies in a block. */
static inline size_t akin_bundle_weight(size_t in, size_t out)
{
    return out / 16 * 512 + in / 2 * 32 + out % 16 * 2 + in % 2;
}

/* From channel `in` of 64, in 8 bits. */
static inline size_t akin_bundle_weight8(size_t in, size_t out)
{
    return out / 16 * 1024 + in / 4 * 64 + out % 16 * 4 + in % 4;
}

#endif
