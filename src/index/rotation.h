/*
 * Private to index: the random rotation P that spreads a vector's information evenly over its
 * dimensions, so that few bits each can hold it (RaBitQ, SIGMOD 2024, section 3.1).
 *
 * P is rounds of random signs and fast Walsh-Hadamard transforms instead of a dense random matrix:
 * O(d log d), and as good in practice (RaBitQ's library calls it FHT). Three rounds where `wide` is a
 * power of two; else four, over the first and the last 2^m dimensions in turn. Orthonormal: lengths and
 * inner products of rotated vectors are those of the vectors, in units of `unit`, a power of two that
 * brings vectors of any size near length 1 (f16 factors of codes would not hold others).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_ROTATION_H
#define INDEX_ROTATION_H

#include "akin/core.h"

#define ROTATION_ROUNDS_MAX 4

struct rotation {
    uint32_t dim;
    uint32_t wide;         /* dim rounded up to a multiple of 64; the rest is filled with zeros */
    uint32_t rounds, span; /* span: the power of two that is transformed */
    float unit;
    float *factors; /* (rounds, wide), owned: +-1, and what keeps a round's length */
};
uint32_t rotation_wide(uint32_t dim);
/* unit: a power of two. */
akin_status rotation_init(struct rotation *out, uint32_t dim, uint64_t seed, float unit,
                          akin_error *err);
void rotation_fini(struct rotation *rotation); /* takes a zeroed struct */
/* out (wide) = P in (dim) / unit, bit-equal in every kernel tier; they do not overlap. */
void rotation_apply(const struct rotation *rotation, float *out, const float *in);

#endif
