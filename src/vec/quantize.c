/*
 * Vectors made ready to be stored: unit length, and int8 with one scale.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/vec.h"

#include <float.h>
#include <math.h>

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

float akin_quantize_i8(int8_t *q, const float *x, size_t n)
{
    float largest = 0;
    for (size_t i = 0; i < n; i++) {
        float size = fabsf(x[i]);
        if (!(size <= largest)) /* NaN gets in, and stays */
            largest = size;
        if (!isfinite(size))
            break;
    }
    float scale = largest / 127.0f;
    if (!isfinite(scale) || scale == 0) {
        for (size_t i = 0; i < n; i++)
            q[i] = 0;
        return 0;
    }
    /* Adding and taking away 1.5 * 2^23 rounds as rintf does, ties to even, where the machine has no
     * instruction for it (4 times faster). The clamp is for scales among the subnormals, whose own
     * rounding is coarse. */
    const float whole = 12582912.0f;
    for (size_t i = 0; i < n; i++) {
        float steps = x[i] / scale;
        steps = steps < -127 ? -127 : steps;
        steps = steps > 127 ? 127 : steps;
        q[i] = (int8_t)(int)(steps + whole - whole);
    }
    return scale;
}
