/*
 * How alike two vectors are: their cosine, 0 where one of them is nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_COSINE_H
#define AKIN_TESTS_COSINE_H

#include <math.h>
#include <stddef.h>

static inline double cosine(const float *a, const float *b, size_t n)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

#endif
