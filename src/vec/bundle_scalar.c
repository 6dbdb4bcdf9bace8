/*
 * The bundle's kernels in plain C: what they mean (include/akin/vec/bundle.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels.h"

#include <math.h>
#include <string.h>

#define WIDTH 32
#define TILE 16

static float widen(akin_bf16 x)
{
    uint32_t bits = (uint32_t)x << 16;
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* Round to nearest even; NaN stays NaN. */
static akin_bf16 narrow(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (akin_bf16)(bits >> 16 | 0x40);
    return (akin_bf16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float rectify(float x)
{
    return x > 0 ? x : 0;
}

static void nothing(void)
{
}

static void finish(akin_bf16 *y, size_t y_row, const float *sums, const struct akin_bundle_end *end)
{
    for (size_t i = 0; i < AKIN_BUNDLE; i++)
        for (size_t c = 0; c < WIDTH; c++) {
            float x = sums[i * WIDTH + c];
            x += end->bias ? end->bias[c] : 0;
            x += end->add ? widen(end->add[i * y_row + c]) : 0;
            if (end->sums && i < end->count) {
                end->sums[c] += (double)x;
                end->squares[c] += (double)x * (double)x;
            }
            y[i * y_row + c] = narrow(end->relu ? rectify(x) : x);
        }
}

static void convolve(akin_bf16 *y, size_t y_row, const akin_bf16 *x, size_t x_step, size_t x_row,
                     const akin_bf16 *w, size_t w_step, const struct akin_link *links, size_t count,
                     size_t depth, const struct akin_bundle_end *end)
{
    float sums[AKIN_BUNDLE * WIDTH] = {0};
    for (size_t l = 0; l < count; l++)
        for (size_t i = 0; i < AKIN_BUNDLE; i++)
            for (size_t k = 0; k < depth * WIDTH; k++) {
                const float left = widen(x[links[l].x * x_step + i * x_row + k]);
                const akin_bf16 *right = w + links[l].y * w_step + k / WIDTH * AKIN_BLOCK;
                for (size_t c = 0; c < WIDTH; c++)
                    sums[i * WIDTH + c] += left * widen(right[akin_bundle_weight(k % WIDTH, c)]);
            }
    finish(y, y_row, sums, end);
}

/* One link's part; x (2, 16 channels, 32 images), y (2, 16 pairs of images, 16 channels, 2). */
static void correlate_block(float *sums, const akin_bf16 *x, const akin_bf16 *y)
{
    for (size_t a = 0; a < WIDTH; a++)
        for (size_t b = 0; b < WIDTH; b++) {
            float sum = 0;
            for (size_t n = 0; n < AKIN_BUNDLE; n++)
                sum += widen(x[a * AKIN_BUNDLE + n]) * widen(y[akin_bundle_weight(n, b)]);
            sums[((a / TILE * 2 + b / TILE) * TILE + a % TILE) * TILE + b % TILE] += sum;
        }
}

static void correlate(float *sums, const akin_bf16 *x, size_t x_step, size_t x_bundle,
                      const akin_bf16 *y, size_t y_step, size_t y_bundle,
                      const struct akin_link *links, size_t count, size_t bundles, bool add)
{
    if (!add)
        memset(sums, 0, AKIN_BLOCK * sizeof *sums);
    for (size_t b = 0; b < bundles; b++)
        for (size_t l = 0; l < count; l++)
            correlate_block(sums, x + b * x_bundle + links[l].x * x_step,
                            y + b * y_bundle + links[l].y * y_step);
}

static void transpose(akin_bf16 *out, const akin_bf16 *in, size_t row,
                      const struct akin_affine *normal, bool relu)
{
    for (size_t c = 0; c < WIDTH; c++)
        for (size_t n = 0; n < AKIN_BUNDLE; n++) {
            float x = widen(in[n * row + c]);
            if (normal)
                x = normal->scale[c] * x + normal->shift[c];
            out[c * AKIN_BUNDLE + n] = narrow(normal && relu ? rectify(x) : x);
        }
}

static void pair(akin_bf16 *out, const akin_bf16 *in, size_t row)
{
    for (size_t n = 0; n < AKIN_BUNDLE; n++)
        for (size_t c = 0; c < WIDTH; c++)
            out[akin_bundle_weight(n, c)] = in[n * row + c];
}

static void normalise(akin_bf16 *y, const akin_bf16 *x, const struct akin_affine *normal,
                      const akin_bf16 *other, const struct akin_affine *other_normal, bool relu,
                      size_t rows, size_t c)
{
    for (size_t i = 0; i < rows * c; i++) {
        float v = normal->scale[i % c] * widen(x[i]) + normal->shift[i % c];
        float scale = other_normal ? other_normal->scale[i % c] : 1;
        if (other)
            v += scale * widen(other[i]) + (other_normal ? other_normal->shift[i % c] : 0);
        y[i] = narrow(relu ? rectify(v) : v);
    }
}

static float gradient_at(akin_bf16 dy, akin_bf16 x, const struct akin_affine *normal, size_t c)
{
    bool through = !normal || normal->scale[c] * widen(x) + normal->shift[c] > 0;
    return through ? widen(dy) : 0;
}

static void gradient_sums(double *sums, akin_bf16 *dy, const akin_bf16 *y,
                          const struct akin_affine *normal, const akin_bf16 *x,
                          const akin_bf16 *other, size_t rows, size_t c)
{
    for (size_t i = 0; i < rows * c; i++) {
        if (y && !(widen(y[i]) > 0))
            dy[i] = 0;
        double g = (double)gradient_at(dy[i], x[i], y ? NULL : normal, i % c);
        sums[i % c] += g;
        sums[c + i % c] += g * (double)widen(x[i]);
        if (other)
            sums[2 * c + i % c] += g * (double)widen(other[i]);
    }
}

static void gradient(akin_bf16 *dx, const akin_bf16 *dy, const akin_bf16 *x, const float *a,
                     const float *b, const float *shift, const struct akin_affine *normal,
                     size_t count, size_t rows, size_t c)
{
    for (size_t i = 0; i < rows * c; i++) {
        float g = gradient_at(dy[i], x[i], normal, i % c);
        float value = a[i % c] * g + b[i % c] * widen(x[i]) + shift[i % c];
        dx[i] = i / c % AKIN_BUNDLE < count ? narrow(value) : 0;
    }
}

static long clamp(double x, long low, long high)
{
    long steps = lrint(x);
    return steps < low ? low : steps > high ? high : steps;
}

static void finish8(uint8_t *y, int32_t sum, size_t c, const struct akin_bundle_end8 *end,
                    const uint8_t *added)
{
    float x = (float)sum * end->scale[c] + end->bias[c];
    if (added)
        x += end->add_scale * (end->add_signed ? (float)(int8_t)*added : (float)*added);
    *y = (uint8_t)(end->y_signed ? clamp(x, -128, 127) : clamp(x, 0, 255));
}

static void convolve8(void *y, size_t y_row, const uint8_t *x, size_t x_step, size_t x_row,
                      const int8_t *w, size_t w_step, const struct akin_link *links, size_t count,
                      size_t depth, const struct akin_bundle_end8 *end)
{
    for (size_t i = 0; i < AKIN_BUNDLE; i++)
        for (size_t c = 0; c < WIDTH; c++) {
            int32_t sum = 0;
            for (size_t l = 0; l < count; l++)
                for (size_t k = 0; k < depth * 2 * WIDTH; k++)
                    sum += x[links[l].x * x_step + i * x_row + k] *
                           w[links[l].y * w_step + k / (2 * WIDTH) * AKIN_BLOCK8 +
                             akin_bundle_weight8(k % (2 * WIDTH), c)];
            const size_t at = i * y_row + c;
            finish8((uint8_t *)y + at, sum, c, end,
                    end->add ? (const uint8_t *)end->add + at : NULL);
        }
}

static void quantise(uint8_t *out, const akin_bf16 *x, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)clamp(widen(x[i]) * scale, 0, 255);
}

static void max(akin_bf16 *y, uint8_t *marks, const akin_bf16 *x, uint8_t index, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (widen(x[i]) > widen(y[i])) {
            y[i] = x[i];
            marks[i] = index;
        }
}

static void max_gradient(akin_bf16 *dx, const akin_bf16 *dy, const uint8_t *marks,
                         const struct akin_link *links, size_t count, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (size_t l = 0; l < count; l++)
            if (marks[links[l].x * n + i] == links[l].y)
                sum += widen(dy[links[l].x * n + i]);
        dx[i] = narrow(sum);
    }
}

static void weights(akin_bf16 *out, const float *plain, size_t channels, size_t depth, size_t taps,
                    bool turned)
{
    const size_t in = depth * WIDTH;
    for (size_t n = 0; n < channels; n++)
        for (size_t k = 0; k < in; k++)
            for (size_t t = 0; t < taps; t++) {
                float w = plain[(turned ? k * channels + n : n * in + k) * taps + t];
                size_t block = (n / WIDTH * taps + t) * depth + k / WIDTH;
                out[block * AKIN_BLOCK + akin_bundle_weight(k % WIDTH, n % WIDTH)] = narrow(w);
            }
}

const struct akin_bundle_kernels bundle_scalar = {
    .begin = nothing,
    .end = nothing,
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
