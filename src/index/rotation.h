/*
 * Private to index: the random rotation P that spreads a vector's information evenly over its
 * dimensions, so that few bits each can hold it (RaBitQ, SIGMOD 2024, section 3.1).
 *
 * P is three rounds of random signs and fast Walsh-Hadamard transforms instead of a dense random
 * matrix: O(d log d), and as good in practice (RaBitQ library, "FHT"). Where `wide` is no power of
 * two, each round transforms the first and the last 2^m dimensions in turn. Orthonormal: lengths
 * and inner products of rotated vectors are those of the vectors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_ROTATION_H
#define INDEX_ROTATION_H

#include "akin/core.h"

struct rotation {
    uint32_t dim,
        wide; /* wide: dim rounded up to a multiple of 64; the rest is filled with zeros */
    uint64_t seed;
    float *signs; /* (rounds, wide) of +-1, owned */
};
uint32_t rotation_wide(uint32_t dim);
akin_status rotation_init(struct rotation *out, uint32_t dim, uint64_t seed, akin_error *err);
void rotation_fini(struct rotation *rotation); /* takes a zeroed struct */
/* out (wide) = P in (dim); they do not overlap. */
void rotation_apply(const struct rotation *rotation, float *out, const float *in);

#endif
