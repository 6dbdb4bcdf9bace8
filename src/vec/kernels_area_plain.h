/*
 * The loops of the area average for tiers without vectors of their own for them: scalar, and NEON,
 * whose file compiles them with its flags.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VEC_KERNELS_AREA_PLAIN_H
#define VEC_KERNELS_AREA_PLAIN_H

#include "kernels_area.h"

/* Steps of sixteen, which gcc -O2 turns into vectors; it leaves loops of unknown length alone. */
#define STEP_U8 16

static void weigh_rows_u8(float *restrict out, const uint8_t *restrict rows, size_t count,
                          const float weights[3], size_t n)
{
    const float first = weights[0], middle = weights[1], last = count > 1 ? weights[2] : 0;
    const uint8_t *end = rows + (count - 1) * n;
    size_t i = 0;
    for (; i + STEP_U8 <= n; i += STEP_U8) {
        uint16_t sums[STEP_U8] = {0};
        for (const uint8_t *row = rows + n + i; row < end; row += n)
            for (size_t s = 0; s < STEP_U8; s++)
                sums[s] = (uint16_t)(sums[s] + row[s]);
        for (size_t s = 0; s < STEP_U8; s++)
            out[i + s] =
                middle * (float)sums[s] + first * (float)rows[i + s] + last * (float)end[i + s];
    }
    for (; i < n; i++)
        weigh_column_u8(out, rows, count, weights, n, i);
}

static void sum_boxes(double *out, const float *row, size_t width, const struct akin_box *boxes,
                      size_t cells, float middle, size_t bands)
{
    (void)width;
    for (size_t cell = 0; cell < cells; cell++)
        for (size_t b = 0; b < bands; b++)
            out[cell * bands + b] = sum_box(row + b, &boxes[cell], middle, bands);
}

static void bytes_from_f64(uint8_t *out, const double *in, const double *scale, const double *shift,
                           size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = byte_of(in[i] * scale[i] + shift[i]);
}

#endif
