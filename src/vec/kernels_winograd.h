/*
 * Winograd's convolution, written once over `lanes`, a vector of the tier that includes this (float
 * itself in the scalar one): the transforms of 3x3 kernels (Lavin and Gray, Fast Algorithms for
 * Convolutional Neural Networks, CVPR 2016) and the product between them. Every tier's file defines
 * lanes, LANES, LANES_MAX and STRIP_ROWS first and so compiles this with its own flags.
 *
 * A transform in two dimensions is its line, taken down the columns and then along the rows. Of a
 * 4x4 result: the points 0, 1/sqrt(2), -1/sqrt(2), sqrt(2), -sqrt(2) and infinity, the reciprocals
 * of each other: the largest error was a fifth of that of the usual 0, 1, -1, 2, -2, and about that
 * of a plain sum in f32. Of a whole map of 2x2 the zeros around it are known, so that 3 products a
 * line do where the general F(2,3) takes 4.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VEC_KERNELS_WINOGRAD_H
#define VEC_KERNELS_WINOGRAD_H

#include <string.h>

#include "akin/vec.h"

#define WINOGRAD_INLINE static inline __attribute__((always_inline))
#define SIDE_MAX 6
#define STRIP_LANES (AKIN_STRIP / LANES)

/* ---- lines of a 4x4 result: 6 frequencies ---- */

#define POINT 0.70710678f  /* 1 / sqrt(2); its square 1/2 */
#define POINT2 1.41421356f /* sqrt(2) */

WINOGRAD_INLINE void line4_input(lanes *to, const lanes *x)
{
    lanes even = x[4] - 2.0f * x[2], odd = x[3] - 2.0f * x[1];
    lanes even2 = x[4] - 0.5f * x[2], odd2 = x[3] - 0.5f * x[1];
    to[0] = x[0] + (x[4] - 2.5f * x[2]);
    to[1] = even + POINT * odd;
    to[2] = even - POINT * odd;
    to[3] = even2 + POINT2 * odd2;
    to[4] = even2 - POINT2 * odd2;
    to[5] = x[1] + (x[5] - 2.5f * x[3]);
}

WINOGRAD_INLINE void line4_output(lanes *to, const lanes *m)
{
    lanes sum = m[1] + m[2], difference = m[1] - m[2];
    lanes sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    to[0] = m[0] + sum + sum2;
    to[1] = POINT * difference + POINT2 * difference2;
    to[2] = 0.5f * sum + 2.0f * sum2;
    to[3] = m[5] + 0.5f * POINT * difference + 2.0f * POINT2 * difference2;
}

WINOGRAD_INLINE void line4_weights(lanes *to, const lanes *w)
{
    lanes even = (-2.0f / 3) * w[0] - (1.0f / 3) * w[2], odd = (-2.0f / 3) * POINT * w[1];
    lanes even2 = (1.0f / 6) * w[0] + (1.0f / 3) * w[2], odd2 = (1.0f / 6) * POINT2 * w[1];
    to[0] = w[0];
    to[1] = even + odd;
    to[2] = even - odd;
    to[3] = even2 + odd2;
    to[4] = even2 - odd2;
    to[5] = w[2];
}

/* The output's line transposed. */
WINOGRAD_INLINE void line4_output_gradient(lanes *to, const lanes *y)
{
    lanes even = y[0] + 0.5f * y[2], odd = y[1] + 0.5f * y[3];
    lanes even2 = y[0] + 2.0f * y[2], odd2 = y[1] + 2.0f * y[3];
    to[0] = y[0];
    to[1] = even + POINT * odd;
    to[2] = even - POINT * odd;
    to[3] = even2 + POINT2 * odd2;
    to[4] = even2 - POINT2 * odd2;
    to[5] = y[3];
}

/* The weights' line transposed. */
WINOGRAD_INLINE void line4_weight_gradient(lanes *to, const lanes *m)
{
    lanes sum = m[1] + m[2], difference = m[2] - m[1];
    lanes sum2 = m[3] + m[4], difference2 = m[3] - m[4];
    to[0] = m[0] - (2.0f / 3) * sum + (1.0f / 6) * sum2;
    to[1] = (2.0f / 3) * POINT * difference + (1.0f / 6) * POINT2 * difference2;
    to[2] = m[5] + (1.0f / 3) * (sum2 - sum);
}

/* ---- lines of a whole map of 2x2: 3 frequencies ----
 *
 * y0 = w1 x0 + w2 x1      m = w1 (x0 + x1)      y0 = m + (w2 - w1) x1
 * y1 = w0 x0 + w1 x1                            y1 = m + (w0 - w1) x0 */

WINOGRAD_INLINE void line2_input(lanes *to, const lanes *x)
{
    to[0] = x[0] + x[1];
    to[1] = x[1];
    to[2] = x[0];
}

WINOGRAD_INLINE void line2_output(lanes *to, const lanes *m)
{
    to[0] = m[0] + m[1];
    to[1] = m[0] + m[2];
}

WINOGRAD_INLINE void line2_weights(lanes *to, const lanes *w)
{
    to[0] = w[1];
    to[1] = w[2] - w[1];
    to[2] = w[0] - w[1];
}

WINOGRAD_INLINE void line2_output_gradient(lanes *to, const lanes *y)
{
    to[0] = y[0] + y[1];
    to[1] = y[0];
    to[2] = y[1];
}

WINOGRAD_INLINE void line2_weight_gradient(lanes *to, const lanes *m)
{
    to[0] = m[2];
    to[1] = m[0] - m[1] - m[2];
    to[2] = m[1];
}

/* ---- two dimensions ---- */

struct transform_sides {
    void (*line)(lanes *to, const lanes *from);
    size_t in, out;
};

WINOGRAD_INLINE lanes load_lanes(const float *from)
{
    lanes v;
    memcpy(&v, from, sizeof v);
    return v;
}

WINOGRAD_INLINE void store_lanes(float *to, lanes v)
{
    memcpy(to, &v, sizeof v);
}

WINOGRAD_INLINE void transform_whole(float *out, size_t out_row, size_t out_column, const float *in,
                                     size_t in_row, size_t in_column, struct transform_sides sides)
{
    lanes half[SIDE_MAX][SIDE_MAX];
    for (size_t j = 0; j < sides.in; j++, in += in_column) {
        lanes column[SIDE_MAX];
#pragma GCC unroll 6
        for (size_t i = 0; i < sides.in; i++)
            column[i] = load_lanes(in + i * in_row);
        sides.line(half[j], column);
    }
    for (size_t i = 0; i < sides.out; i++, out += out_row) {
        lanes row[SIDE_MAX], done[SIDE_MAX];
#pragma GCC unroll 6
        for (size_t j = 0; j < sides.in; j++)
            row[j] = half[j][i];
        sides.line(done, row);
#pragma GCC unroll 6
        for (size_t j = 0; j < sides.out; j++)
            store_lanes(out + j * out_column, done[j]);
    }
}

/* A square with nothing missing, beside those that have gaps or too few channels for `lanes`. */
#define ASIDE_ROW (SIDE_MAX * LANES)
#define ASIDE (SIDE_MAX * ASIDE_ROW)

/* The pixels that there are, n <= LANES channels of each; the others keep their zeros. */
WINOGRAD_INLINE void read_aside(float *aside, const struct akin_square *from, const float *in,
                                size_t n)
{
    for (size_t i = from->top; i < from->bottom; i++)
        for (size_t j = from->left; j < from->right; j++) {
            const float *pixel = in + (i - from->top) * from->row + (j - from->left) * from->column;
            if (n == LANES)
                store_lanes(aside + i * ASIDE_ROW + j * LANES, load_lanes(pixel));
            else
                memcpy(aside + i * ASIDE_ROW + j * LANES, pixel, n * sizeof *aside);
        }
}

/* relu(value + bias + what was there) */
WINOGRAD_INLINE lanes finish(lanes v, const float *pixel, const struct akin_square_end *end,
                             size_t channel)
{
    if (end->bias)
        v += load_lanes(end->bias + channel);
    if (end->add)
        v += load_lanes(pixel);
    return end->relu ? LANES_MAX(v, (lanes){0}) : v;
}

/* finish() of n < LANES channels, each in its turn. */
WINOGRAD_INLINE void finish_few(float *value, const float *pixel, const struct akin_square_end *end,
                                size_t channel, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        value[i] += (end->bias ? end->bias[channel + i] : 0) + (end->add ? pixel[i] : 0);
        value[i] = end->relu && !(value[i] > 0) ? 0 : value[i];
    }
}

WINOGRAD_INLINE void write_aside(float *out, const struct akin_square *to, float *aside,
                                 const struct akin_square_end *end, size_t channel, size_t n)
{
    for (size_t i = to->top; i < to->bottom; i++)
        for (size_t j = to->left; j < to->right; j++) {
            float *pixel = out + (i - to->top) * to->row + (j - to->left) * to->column;
            float *value = aside + i * ASIDE_ROW + j * LANES;
            if (n == LANES) {
                lanes v = load_lanes(value);
                store_lanes(pixel, end ? finish(v, pixel, end, channel) : v);
            } else {
                if (end)
                    finish_few(value, pixel, end, channel, n);
                memcpy(pixel, value, n * sizeof *pixel);
            }
        }
}

WINOGRAD_INLINE bool is_whole(const struct akin_square *square, size_t side)
{
    return square->top == 0 && square->left == 0 && square->bottom == side && square->right == side;
}

/* The squares come by value: through a pointer every store of a float could change them. */
WINOGRAD_INLINE void transform_runs(float *out, const struct akin_square to, const float *in,
                                    const struct akin_square from, size_t runs, size_t channels,
                                    const struct akin_square_end *end, struct transform_sides sides)
{
    float source[ASIDE], target[ASIDE];
    const bool reads = !is_whole(&from, sides.in) || channels % LANES;
    const bool writes = !is_whole(&to, sides.out) || channels % LANES || end;
    if (reads)
        memset(source, 0, sizeof source);
    for (size_t r = 0; r < runs; r++, in += from.run, out += to.run)
        for (size_t c = 0; c < channels; c += LANES) {
            const size_t n = channels - c < LANES ? channels - c : LANES;
            if (reads)
                read_aside(source, &from, in + c, n);
            transform_whole(writes ? target : out + c, writes ? ASIDE_ROW : to.row,
                            writes ? LANES : to.column, reads ? source : in + c,
                            reads ? ASIDE_ROW : from.row, reads ? LANES : from.column, sides);
            if (writes)
                write_aside(out + c, &to, target, end, r * channels + c, n);
        }
}

#define TRANSFORM(name, side_in, side_out, epilogue)                                               \
    static void transform##name(float *out, const struct akin_square *to, const float *in,         \
                                const struct akin_square *from, size_t runs, size_t channels,      \
                                const struct akin_square_end *end)                                 \
    {                                                                                              \
        (void)end;                                                                                 \
        transform_runs(out, *to, in, *from, runs, channels, epilogue,                              \
                       (struct transform_sides){line##name, side_in, side_out});                   \
    }

TRANSFORM(4_input, 6, 6, NULL)
TRANSFORM(4_output, 6, 4, end)
TRANSFORM(4_weights, 3, 6, NULL)
TRANSFORM(4_output_gradient, 4, 6, NULL)
TRANSFORM(4_weight_gradient, 6, 3, NULL)
TRANSFORM(2_input, 2, 3, NULL)
TRANSFORM(2_output, 3, 2, end)
TRANSFORM(2_weights, 3, 3, NULL)
TRANSFORM(2_output_gradient, 2, 3, NULL)
TRANSFORM(2_weight_gradient, 3, 3, NULL)

/* ---- the product ---- */

/* `rows` <= STRIP_ROWS, a constant where this is inlined: their sums stay in registers. */
WINOGRAD_INLINE void strip_rows(float *c, size_t c_stride, const struct akin_strip_left *a,
                                const float *b, size_t b_stride, size_t k, bool add, size_t rows)
{
    lanes sums[STRIP_ROWS][STRIP_LANES];
#pragma GCC unroll 24
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 16
        for (size_t v = 0; v < STRIP_LANES; v++)
            sums[i][v] = (lanes){0};
    const float *left = a->values;
    for (size_t p = 0; p < k; p++, left += a->column, b += b_stride) {
        lanes right[STRIP_LANES];
#pragma GCC unroll 16
        for (size_t v = 0; v < STRIP_LANES; v++)
            right[v] = load_lanes(b + v * LANES);
#pragma GCC unroll 24
        for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 16
            for (size_t v = 0; v < STRIP_LANES; v++)
                sums[i][v] += left[i * a->row] * right[v];
    }
#pragma GCC unroll 24
    for (size_t i = 0; i < rows; i++, c += c_stride) {
#pragma GCC unroll 16
        for (size_t v = 0; v < STRIP_LANES; v++) {
            lanes sum = sums[i][v];
            if (add)
                sum += load_lanes(c + v * LANES);
            store_lanes(c + v * LANES, sum);
        }
    }
}

static void multiply_strip(float *c, size_t c_stride, const struct akin_strip_left *a,
                           const float *b, size_t b_stride, size_t m, size_t k, bool add)
{
    struct akin_strip_left rest = *a;
    while (m > 0) {
        size_t rows = m >= STRIP_ROWS ? STRIP_ROWS : m >= 4 ? 4 : m >= 2 ? 2 : 1;
        if (rows == STRIP_ROWS)
            strip_rows(c, c_stride, &rest, b, b_stride, k, add, STRIP_ROWS);
        else if (rows == 4)
            strip_rows(c, c_stride, &rest, b, b_stride, k, add, 4);
        else if (rows == 2)
            strip_rows(c, c_stride, &rest, b, b_stride, k, add, 2);
        else
            strip_rows(c, c_stride, &rest, b, b_stride, k, add, 1);
        c += rows * c_stride;
        rest.values += rows * a->row;
        m -= rows;
    }
}

#define WINOGRAD_KERNELS                                                                           \
    .multiply_strip = multiply_strip,                                                              \
    .winograd4 = {transform4_input, transform4_output, transform4_weights,                         \
                  transform4_output_gradient, transform4_weight_gradient},                         \
    .winograd2 = {transform2_input, transform2_output, transform2_weights,                         \
                  transform2_output_gradient, transform2_weight_gradient}

#endif
