/*
 * The area average element by element, in plain C: the definition of truth, and what is left over at
 * the ends of vectors. Sums of bytes are whole numbers within what u16, float and double hold, so
 * that every tier gives the same bits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VEC_KERNELS_AREA_H
#define VEC_KERNELS_AREA_H

#include "akin/vec.h"

static inline void weigh_column_u8(float *out, const uint8_t *rows, size_t count,
                                   const float weights[3], size_t n, size_t i)
{
    uint32_t middle = 0;
    for (size_t r = 1; r + 1 < count; r++)
        middle += rows[r * n + i];
    float sum = weights[0] * (float)rows[i] + weights[1] * (float)middle;
    out[i] = count > 1 ? sum + weights[2] * (float)rows[(count - 1) * n + i] : sum;
}

/* One band of one cell. */
static inline double sum_box(const float *row, const struct akin_box *box, double middle,
                             size_t bands)
{
    const float *at = row + box->first * bands, *last = row + box->last * bands;
    double sum = 0;
    for (const float *x = at + bands; x < last; x += bands)
        sum += (double)*x;
    return sum * middle + (double)*at * box->head + (double)*last * box->tail;
}

static inline uint8_t byte_of(double value)
{
    value = value < 255 ? value : 255;
    return value > 0 ? (uint8_t)value : 0;
}

#endif
