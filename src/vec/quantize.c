/*
 * Vectors made ready to be stored: unit length, and int8 with one scale.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/vec.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define LENGTH_MIN 1e-20

float akin_normalize(float *x, size_t n)
{
    double square = 0; /* holds that of any float; NaN and infinity carry over */
    for (size_t i = 0; i < n; i++)
        square += (double)x[i] * x[i];
    double length = sqrt(square);
    if (!isfinite(length) || length < LENGTH_MIN) {
        for (size_t i = 0; i < n; i++)
            x[i] = 0;
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(x[i] / length);
    return length < FLT_MAX ? (float)length : FLT_MAX;
}

/* Steps of 16, which gcc -O2 turns into vectors. */
#define STEP 16

static int32_t size_bits(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffff;
}

/* The largest |x|; by its bits, so that infinity and NaN are the largest of all. */
static float largest_size(const float *x, size_t n)
{
    int32_t most[STEP] = {0};
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        for (size_t s = 0; s < STEP; s++) {
            int32_t bits = size_bits(x[i + s]);
            most[s] = bits > most[s] ? bits : most[s];
        }
    }
    for (; i < n; i++)
        most[0] = size_bits(x[i]) > most[0] ? size_bits(x[i]) : most[0];
    for (size_t s = 1; s < STEP; s++)
        most[0] = most[s] > most[0] ? most[s] : most[0];
    float largest;
    memcpy(&largest, most, sizeof largest);
    return largest;
}

/* Whole steps, ties to even: at 1.5 * 2^23 a float has no room for less. The clamp is for scales among
 * the subnormals, whose own rounding is coarse. */
static int8_t steps_of(float x, float scale)
{
    const float whole = 12582912;
    float steps = x / scale;
    steps = steps < 127 ? steps : 127;
    steps = steps > -127 ? steps : -127;
    return (int8_t)(int32_t)(steps + whole - whole);
}

float akin_quantize_i8(int8_t *q, const float *x, size_t n)
{
    float scale = largest_size(x, n) / 127.0f;
    if (!isfinite(scale) || scale == 0) {
        for (size_t i = 0; i < n; i++)
            q[i] = 0;
        return 0;
    }
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        int8_t steps[STEP]; /* q may be x for all that gcc knows */
        for (size_t s = 0; s < STEP; s++)
            steps[s] = steps_of(x[i + s], scale);
        memcpy(q + i, steps, sizeof steps);
    }
    for (; i < n; i++)
        q[i] = steps_of(x[i], scale);
    return scale;
}
