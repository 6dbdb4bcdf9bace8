/*
 * The loops over doubles, written once: every tier's file includes this and so compiles them with its own flags. For
 * akin_eigen_symmetric, where AVX2 and FMA halve the time of two doubles at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VEC_KERNELS_F64_H
#define VEC_KERNELS_F64_H

#include <stddef.h>

/* Steps of eight, which gcc -O2 turns into vectors; it leaves loops of unknown length alone. */
#define STEP_F64 8

static double dot_f64(const double *restrict x, const double *restrict y, size_t n)
{
    double sums[STEP_F64] = {0}, sum = 0;
    size_t i = 0;
    for (; i + STEP_F64 <= n; i += STEP_F64)
        for (size_t s = 0; s < STEP_F64; s++)
            sums[s] += x[i + s] * y[i + s];
    for (; i < n; i++)
        sum += x[i] * y[i];
    for (size_t s = 0; s < STEP_F64; s++)
        sum += sums[s];
    return sum;
}

static void axpy_f64(double *restrict y, double factor, const double *restrict x, size_t n)
{
    size_t i = 0;
    for (; i + STEP_F64 <= n; i += STEP_F64)
        for (size_t s = 0; s < STEP_F64; s++)
            y[i + s] += factor * x[i + s];
    for (; i < n; i++)
        y[i] += factor * x[i];
}

static void rotate_f64(double *restrict upper, double *restrict lower, double c, double s, size_t n)
{
    size_t i = 0;
    for (; i + STEP_F64 <= n; i += STEP_F64) {
        for (size_t t = 0; t < STEP_F64; t++) {
            double u = upper[i + t], l = lower[i + t];
            upper[i + t] = c * u - s * l;
            lower[i + t] = s * u + c * l;
        }
    }
    for (; i < n; i++) {
        double u = upper[i], l = lower[i];
        upper[i] = c * u - s * l;
        lower[i] = s * u + c * l;
    }
}

#endif
