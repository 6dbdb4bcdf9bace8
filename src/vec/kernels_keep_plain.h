/*
 * The passes of keep_best in plain C, and keep_best by them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VEC_KERNELS_KEEP_PLAIN_H
#define VEC_KERNELS_KEEP_PLAIN_H

#include "kernels_keep.h"

static struct key_range find_range(const struct akin_candidate *candidates, size_t count)
{
    struct key_range range = {INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < count; i++) {
        int32_t key = key_of(candidates[i].score);
        range.low = key < range.low ? key : range.low;
        range.high = key > range.high ? key : range.high;
    }
    return range;
}

static size_t count_from(const struct akin_candidate *candidates, size_t count, int32_t key)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += key_of(candidates[i].score) >= key;
    return found;
}

static size_t move_from(struct akin_candidate *candidates, size_t count, int32_t key)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        if (key_of(candidates[i].score) >= key)
            candidates[found++] = candidates[i];
    return found;
}

static size_t keep_best(struct akin_candidate *candidates, size_t count, size_t keep,
                        float *threshold)
{
    return keep_best_by((struct keep_passes){find_range, count_from, move_from}, candidates, count,
                        keep, threshold);
}

#endif
