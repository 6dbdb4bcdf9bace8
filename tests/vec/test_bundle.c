/*
 * The bundle's kernels: every tier that has them against plain C, which is the definition, on values
 * of both signs, with every option on and off. Products are summed in another order, so that they
 * agree to rounding; what only moves or compares is equal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "akin/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POSITIONS 5
#define CHANNELS 64
#define DEPTH (CHANNELS / 32)
#define TAPS 9
#define ELEMENTS ((size_t)POSITIONS * AKIN_BUNDLE * CHANNELS)
#define SLACK 64 /* behind what is written: must stay */

static uint64_t seed;

static double draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-52 - 1;
}

static float widen(akin_bf16 x)
{
    uint32_t bits = (uint32_t)x << 16;
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

static akin_bf16 *draw_bf16(size_t n)
{
    akin_bf16 *out = malloc((n + SLACK) * sizeof *out);
    for (size_t i = 0; i < n + SLACK; i++) {
        float x = (float)draw();
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        out[i] = (akin_bf16)(bits >> 16);
    }
    return out;
}

static float *draw_f32(size_t n)
{
    float *out = malloc(n * sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)draw();
    return out;
}

static akin_bf16 *copy(const akin_bf16 *from, size_t n)
{
    akin_bf16 *out = malloc((n + SLACK) * sizeof *out);
    memcpy(out, from, (n + SLACK) * sizeof *out);
    return out;
}

/* The first n agree to a step of bf16 at `scale`, those behind are equal. */
static bool near(const akin_bf16 *a, const akin_bf16 *b, size_t n, double scale)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)widen(a[i]) - (double)widen(b[i])) <=
              scale * 0x1p-8 + 0x1p-7 * fabs((double)widen(b[i]))))
            return false;
    return !memcmp(a + n, b + n, SLACK * sizeof *a);
}

static bool near_f64(const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(a[i] - b[i]) <= 1e-4 * (1 + fabs(b[i]))))
            return false;
    return true;
}

/* Tiers but the first, which is the definition. */
static const struct akin_bundle_kernels *plain(void)
{
    return akin_kernels_named("scalar")->bundle;
}

#define EACH_TIER(kernels)                                                                         \
    for (const char *const *name_ = akin_kernels_list() + 1; *name_; name_++)                      \
        for (const struct akin_bundle_kernels *kernels = akin_kernels_named(*name_)->bundle;       \
             kernels; kernels = NULL)

TEST(convolve_in_every_tier)
{
    akin_bf16 *x = draw_bf16(ELEMENTS), *w = draw_bf16((size_t)TAPS * DEPTH * AKIN_BLOCK);
    akin_bf16 *y = draw_bf16((size_t)AKIN_BUNDLE * CHANNELS);
    float *bias = draw_f32(32);
    const struct akin_link links[] = {{4, 8}, {0, 3}, {2, 0}};
    EACH_TIER(kernels)
    for (unsigned options = 0; options < 16; options++)
        for (size_t count = 0; count <= 3; count += 3) {
            double sums[2][2][32] = {{{0}}};
            akin_bf16 *out[2];
            for (int i = 0; i < 2; i++) {
                const struct akin_bundle_kernels *k = i ? kernels : plain();
                out[i] = copy(y, (size_t)AKIN_BUNDLE * CHANNELS);
                struct akin_bundle_end end = {.bias = options & 1 ? bias : NULL,
                                              .add = options & 2 ? out[i] + 32 : NULL,
                                              .relu = options & 4,
                                              .count = 21};
                if (options == 8) { /* a convolution that learns has no bias and no relu */
                    end.sums = sums[i][0];
                    end.squares = sums[i][1];
                }
                k->begin();
                k->convolve(out[i] + 32, CHANNELS, x, (size_t)AKIN_BUNDLE * CHANNELS, CHANNELS, w,
                            (size_t)DEPTH * AKIN_BLOCK, links, count, DEPTH, &end);
                k->end();
            }
            CHECK(near(out[1], out[0], (size_t)AKIN_BUNDLE * CHANNELS, 4));
            CHECK(near_f64(sums[1][0], sums[0][0], 64));
            CHECK(options != 8 || !count || fabs(sums[0][0][3]) > 0);
            for (size_t i = 0; i < AKIN_BUNDLE; i++) /* other channels are let alone */
                CHECK(!memcmp(out[1] + i * CHANNELS, y + i * CHANNELS, 32 * sizeof *y));
            free(out[0]);
            free(out[1]);
        }
    free(x);
    free(w);
    free(y);
    free(bias);
}

/* Half a step may fall to either side; what is read behind the rows meets no weight. */
TEST(convolve_in_8_bits_in_every_tier)
{
    const size_t n = (size_t)AKIN_BUNDLE * CHANNELS;
    uint8_t *x = malloc(3 * n + 32), *first = malloc(n);
    int8_t *w = malloc((size_t)TAPS * AKIN_BLOCK8);
    float *values = draw_f32(64);
    const struct akin_link links[] = {{1, 8}, {0, 3}, {2, 0}};
    for (size_t i = 0; i < 3 * n + 32; i++)
        x[i] = (uint8_t)(draw() * 200);
    for (size_t i = 0; i < n; i++)
        first[i] = (uint8_t)(draw() * 127);
    for (size_t i = 0; i < (size_t)TAPS * AKIN_BLOCK8; i++)
        w[i] = (int8_t)(draw() * 120);
    for (size_t i = 0; i < 32; i++) {
        values[i] *= 0.003f;
        values[32 + i] *= 100;
    }
    EACH_TIER(kernels)
    for (unsigned options = 0; options < 8; options++) {
        uint8_t *out[2];
        for (int i = 0; i < 2; i++) {
            const struct akin_bundle_kernels *k = i ? kernels : plain();
            out[i] = malloc(n);
            memcpy(out[i], first, n);
            const struct akin_bundle_end8 end = {.scale = values,
                                                 .bias = values + 32,
                                                 .add = options & 1 ? out[i] + 32 : NULL,
                                                 .add_scale = 0.7f,
                                                 .add_signed = options & 2,
                                                 .y_signed = options & 4};
            k->begin();
            k->convolve8(out[i] + 32, CHANNELS, x, n, CHANNELS, w, AKIN_BLOCK8, links, 3, 1, &end);
            k->end();
        }
        size_t middle = 0;
        for (size_t i = 0; i < n; i++) {
            CHECK(abs((int8_t)(out[1][i] - out[0][i])) <= 1);
            CHECK(i % CHANNELS >= 32 || out[1][i] == first[i]);
            middle += out[1][i] > 0 && out[1][i] < 255;
        }
        CHECK(middle > n / 4);
        free(out[0]);
        free(out[1]);
    }
    free(x);
    free(first);
    free(w);
    free(values);
}

TEST(quantise_in_every_tier)
{
    akin_bf16 *x = draw_bf16(ELEMENTS);
    uint8_t *a = malloc(ELEMENTS), *b = malloc(ELEMENTS);
    EACH_TIER(kernels)
    {
        plain()->quantise(a, x, 300, ELEMENTS);
        kernels->quantise(b, x, 300, ELEMENTS);
        CHECK(!memcmp(a, b, ELEMENTS));
    }
    free(x);
    free(a);
    free(b);
}

TEST(correlate_in_every_tier)
{
    const size_t step = DEPTH * AKIN_BLOCK, bundle = 3 * step;
    akin_bf16 *x = draw_bf16(2 * bundle), *y = draw_bf16(2 * bundle);
    const struct akin_link links[] = {{0, 1}, {2, 0}, {1, 1}};
    EACH_TIER(kernels)
    for (int add = 0; add < 2; add++)
        for (size_t count = 0; count <= 3; count++) {
            float sums[2][AKIN_BLOCK];
            for (int i = 0; i < 2; i++) {
                const struct akin_bundle_kernels *k = i ? kernels : plain();
                for (size_t n = 0; n < AKIN_BLOCK; n++)
                    sums[i][n] = (float)(n % 7);
                k->begin();
                k->correlate(sums[i], x, step, bundle, y, step, bundle, links, count, 2, add);
                k->end();
            }
            for (size_t n = 0; n < AKIN_BLOCK; n++)
                CHECK(fabsf(sums[1][n] - sums[0][n]) <= 1e-4f);
            CHECK(count || sums[1][5] == (add ? 5.0f : 0.0f));
        }
    free(x);
    free(y);
}

TEST(blocks_turned_in_every_tier)
{
    const size_t n = (size_t)AKIN_BUNDLE * CHANNELS;
    akin_bf16 *x = draw_bf16(n), *first = draw_bf16(AKIN_BLOCK);
    float *scale = draw_f32(32), *shift = draw_f32(32);
    const struct akin_affine normal = {scale, shift};
    EACH_TIER(kernels)
    for (int options = 0; options < 4; options++) {
        akin_bf16 *a = copy(first, AKIN_BLOCK), *b = copy(first, AKIN_BLOCK);
        plain()->transpose(a, x + 32, CHANNELS, options & 1 ? &normal : NULL, options & 2);
        kernels->transpose(b, x + 32, CHANNELS, options & 1 ? &normal : NULL, options & 2);
        CHECK(options & 1 ? near(b, a, AKIN_BLOCK, 1e-3)
                          : !memcmp(a, b, (AKIN_BLOCK + SLACK) * sizeof *a));
        plain()->pair(a, x, CHANNELS);
        kernels->pair(b, x, CHANNELS);
        CHECK(!memcmp(a, b, (AKIN_BLOCK + SLACK) * sizeof *a));
        free(a);
        free(b);
    }
    free(x);
    free(first);
    free(scale);
    free(shift);
}

TEST(normalise_in_every_tier)
{
    akin_bf16 *x = draw_bf16(ELEMENTS), *other = draw_bf16(ELEMENTS), *y = draw_bf16(ELEMENTS);
    float *values = draw_f32(4 * (size_t)CHANNELS);
    const struct akin_affine normal = {values, values + CHANNELS},
                             second = {values + 2 * CHANNELS, values + 3 * CHANNELS};
    EACH_TIER(kernels)
    for (int options = 0; options < 6; options++) {
        akin_bf16 *a = copy(y, ELEMENTS), *b = copy(y, ELEMENTS);
        const akin_bf16 *added = options / 2 ? other : NULL;
        const struct akin_affine *by = options / 2 == 2 ? &second : NULL;
        plain()->normalise(a, x, &normal, added, by, options & 1, ELEMENTS / CHANNELS, CHANNELS);
        kernels->normalise(b, x, &normal, added, by, options & 1, ELEMENTS / CHANNELS, CHANNELS);
        CHECK(near(b, a, ELEMENTS, 1e-3));
        free(a);
        free(b);
    }
    free(x);
    free(other);
    free(y);
    free(values);
}

TEST(gradients_of_norms_in_every_tier)
{
    akin_bf16 *x = draw_bf16(ELEMENTS), *other = draw_bf16(ELEMENTS), *y = draw_bf16(ELEMENTS);
    akin_bf16 *dy = draw_bf16(ELEMENTS);
    float *values = draw_f32(5 * (size_t)CHANNELS);
    const struct akin_affine normal = {values, values + CHANNELS};
    EACH_TIER(kernels)
    for (int options = 0; options < 6; options++) {
        akin_bf16 *out[2];
        double sums[2][3 * CHANNELS] = {{0}};
        for (int i = 0; i < 2; i++) {
            const struct akin_bundle_kernels *k = i ? kernels : plain();
            const struct akin_affine *by = options / 2 == 1 ? &normal : NULL;
            out[i] = copy(dy, ELEMENTS);
            k->gradient_sums(sums[i], out[i], options / 2 == 2 ? y : NULL, by, x,
                             options & 1 && !by ? other : NULL, ELEMENTS / CHANNELS, CHANNELS);
            k->gradient(out[i], out[i], x, values + 2 * CHANNELS, values + 3 * CHANNELS,
                        values + 4 * CHANNELS, by, 19, ELEMENTS / CHANNELS, CHANNELS);
        }
        CHECK(near(out[1], out[0], ELEMENTS, 1e-2));
        CHECK(near_f64(sums[1], sums[0], 3 * CHANNELS));
        CHECK(fabs(sums[0][1]) + fabs(sums[0][2]) + fabs(sums[0][3]) > 0);
        for (size_t i = 0; i < ELEMENTS; i++)
            CHECK(i / CHANNELS % AKIN_BUNDLE < 19 || out[1][i] == 0);
        free(out[0]);
        free(out[1]);
    }
    free(x);
    free(other);
    free(y);
    free(dy);
    free(values);
}

TEST(pooling_in_every_tier)
{
    const size_t n = (size_t)AKIN_BUNDLE * CHANNELS;
    akin_bf16 *x = draw_bf16(ELEMENTS), *dy = draw_bf16(ELEMENTS);
    const struct akin_link links[] = {{1, 1}, {3, 2}};
    for (size_t i = 0; i < ELEMENTS; i++)
        x[i] = i % 3 ? x[i] & 0x7fff : 0; /* zeros are often equal */
    EACH_TIER(kernels)
    {
        akin_bf16 *y[2], *dx[2];
        uint8_t *marks[2];
        for (int i = 0; i < 2; i++) {
            const struct akin_bundle_kernels *k = i ? kernels : plain();
            y[i] = copy(x, ELEMENTS);
            dx[i] = copy(x, n);
            marks[i] = calloc(ELEMENTS + SLACK, 1);
            k->max(y[i], marks[i], x + n, 1, ELEMENTS - n);
            k->max(y[i] + n, marks[i] + n, x, 2, ELEMENTS - n);
            k->max_gradient(dx[i], dy, marks[i], links, 2, n);
        }
        CHECK(!memcmp(y[0], y[1], (ELEMENTS + SLACK) * sizeof **y));
        CHECK(!memcmp(marks[0], marks[1], ELEMENTS + SLACK));
        CHECK(near(dx[1], dx[0], n, 1e-3));
        for (int i = 0; i < 2; i++) {
            free(y[i]);
            free(dx[i]);
            free(marks[i]);
        }
    }
    free(x);
    free(dy);
}

TEST(weights_in_every_tier)
{
    const size_t n = (size_t)TAPS * DEPTH * AKIN_BLOCK;
    float *from = draw_f32(n);
    akin_bf16 *first = draw_bf16(n);
    EACH_TIER(kernels)
    for (int turned = 0; turned < 2; turned++) {
        akin_bf16 *a = copy(first, n), *b = copy(first, n);
        plain()->weights(a, from, 32, DEPTH, TAPS, turned);
        kernels->weights(b, from, 32, DEPTH, TAPS, turned);
        CHECK(!memcmp(a, b, (n + SLACK) * sizeof *a));
        free(a);
        free(b);
    }
    free(from);
    free(first);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
