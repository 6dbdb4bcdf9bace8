/*
 * The rotation of an epoch. A round's signs and the factor that makes its transform orthonormal are
 * one table of factors, made from the seed: sign bit of Philox's number `j` of stream `round`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rotation.h"

#include <math.h>
#include <string.h>

#include "akin/vec.h"

#define STEP 64 /* divides `wide` */

uint32_t rotation_wide(uint32_t dim)
{
    return (dim + STEP - 1) / STEP * STEP;
}

/* Where a round's transform begins: the first or the last `span` dimensions. */
static uint32_t round_begin(const struct rotation *rotation, uint32_t round)
{
    return round % 2 ? rotation->wide - rotation->span : 0;
}

akin_status rotation_init(struct rotation *out, uint32_t dim, uint64_t seed, float unit,
                          akin_error *err)
{
    struct rotation r = {.dim = dim, .wide = rotation_wide(dim), .span = STEP, .unit = unit};
    while (2 * r.span <= r.wide)
        r.span *= 2;
    r.rounds = r.span == r.wide ? 3 : 4;
    r.factors = akin_alloc((size_t)r.rounds * r.wide, sizeof *r.factors);
    if (!r.factors)
        return akin_error_memory(err, (size_t)r.rounds * r.wide * sizeof *r.factors, "rotation");
    for (uint32_t round = 0; round < r.rounds; round++) {
        uint32_t begin = round_begin(&r, round);
        for (uint32_t j = 0; j < r.wide; j++) {
            bool inside = j >= begin && j < begin + r.span;
            float size = inside ? 1 / sqrtf((float)r.span) : 1;
            if (round == 0)
                size /= unit;
            r.factors[round * r.wide + j] = akin_random_u64(seed, round, j) >> 63 ? -size : size;
        }
    }
    *out = r;
    return AKIN_OK;
}

void rotation_fini(struct rotation *rotation)
{
    akin_free(rotation->factors);
    memset(rotation, 0, sizeof *rotation);
}

/* What a round does not transform: dimensions [begin, end), multiples of STEP. */
static void multiply(float *out, const float *factors, uint32_t begin, uint32_t end)
{
    for (uint32_t i = begin; i < end; i += STEP)
        for (uint32_t j = 0; j < STEP; j++)
            out[i + j] *= factors[i + j];
}

void rotation_apply(const struct rotation *rotation, float *out, const float *in)
{
    const struct akin_kernels *kernels = akin_kernels();
    memcpy(out, in, rotation->dim * sizeof *out);
    memset(out + rotation->dim, 0, (rotation->wide - rotation->dim) * sizeof *out);
    const float *factors = rotation->factors;
    for (uint32_t round = 0; round < rotation->rounds; round++, factors += rotation->wide) {
        uint32_t begin = round_begin(rotation, round), end = begin + rotation->span;
        multiply(out, factors, 0, begin);
        multiply(out, factors, end, rotation->wide);
        kernels->hadamard(out + begin, factors + begin, rotation->span);
    }
}
