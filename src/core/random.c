/*
 * Philox4x32-10, as published: ten rounds of two 32x32 multiplications and a key that grows by the
 * golden ratio and by sqrt(3) - 1. The 128-bit counter is (counter, stream); of the 128 bits that
 * come out, the first 64 are used.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/random.h"

#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u
#define WEYL_1 0xBB67AE85u
#define ROUNDS 10

uint64_t akin_random_u64(uint64_t seed, uint64_t stream, uint64_t counter)
{
    uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t p0 = (uint64_t)MULTIPLIER_0 * c0, p1 = (uint64_t)MULTIPLIER_1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += WEYL_0;
        k1 += WEYL_1;
    }
    return (uint64_t)c1 << 32 | c0;
}

uint64_t akin_random_below(uint64_t seed, uint64_t stream, uint64_t counter, uint64_t n)
{
    return (uint64_t)((unsigned __int128)akin_random_u64(seed, stream, counter) * n >> 64);
}

double akin_random_unit(uint64_t seed, uint64_t stream, uint64_t counter)
{
    return (double)(akin_random_u64(seed, stream, counter) >> 11) * 0x1p-53;
}

void akin_random_permutation(uint32_t *order, uint32_t n, uint64_t seed, uint64_t stream)
{
    for (uint32_t i = 0; i < n; i++) { /* inside out: fills and shuffles in one pass */
        uint32_t j = (uint32_t)akin_random_below(seed, stream, i, (uint64_t)i + 1);
        if (j != i)
            order[i] = order[j];
        order[j] = i;
    }
}
