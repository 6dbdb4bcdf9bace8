/*
 * The best of many candidates without sorting: the score from which on there are as many as asked for is
 * found by halving the range of scores, a pass over the candidates each time. Some ten passes over a
 * few hundred candidates in the L1 cache, with no branch that cannot be foreseen.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VEC_KERNELS_KEEP_H
#define VEC_KERNELS_KEEP_H

#include "akin/vec.h"

#include <math.h>
#include <string.h>

/* Whole numbers in the order of floats. */
static inline int32_t key_of(float score)
{
    int32_t bits;
    score += 0; /* -0 is 0 */
    memcpy(&bits, &score, sizeof bits);
    return bits < 0 ? bits ^ 0x7fffffff : bits;
}

static inline float score_of(int32_t key)
{
    float score;
    key = key < 0 ? key ^ 0x7fffffff : key;
    memcpy(&score, &key, sizeof score);
    return score;
}

struct key_range {
    int32_t low, high;
};

/* What a tier brings: passes over the candidates. */
struct keep_passes {
    struct key_range (*range)(const struct akin_candidate *candidates, size_t count);
    size_t (*count)(const struct akin_candidate *candidates, size_t count, int32_t key);
    size_t (*move)(struct akin_candidate *candidates, size_t count, int32_t key);
};

static inline __attribute__((always_inline)) size_t keep_best_by(struct keep_passes passes,
                                                                 struct akin_candidate *candidates,
                                                                 size_t count, size_t keep,
                                                                 float *threshold)
{
    *threshold = -INFINITY;
    if (count <= keep)
        return count;
    /* There are enough at and above `low`, too few above `high`. */
    struct key_range range = passes.range(candidates, count);
    while (range.low < range.high) {
        int32_t middle = (int32_t)(((int64_t)range.low + range.high + 1) >> 1);
        size_t found = passes.count(candidates, count, middle);
        if (found < keep)
            range.high = middle - 1;
        else
            range.low = middle;
        if (found == keep)
            break;
    }
    *threshold = score_of(range.low);
    return passes.move(candidates, count, range.low);
}

#endif
