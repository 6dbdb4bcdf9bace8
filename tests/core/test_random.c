/*
 * Philox against the known answers of its authors (Random123, kat_vectors), and what is made of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/random.h"

#include <math.h>
#include <string.h>

#include "../check.h"

TEST(known_answers)
{
    CHECK(akin_random_u64(0, 0, 0) == 0xe169c58d6627e8d5u);
    CHECK(akin_random_u64(UINT64_MAX, UINT64_MAX, UINT64_MAX) == 0x41c83b0e408f276du);
    CHECK(akin_random_u64(0x299f31d0a4093822u, 0x0370734413198a2eu, 0x85a308d3243f6a88u) ==
          0x94fdccebd16cfe09u);
}

TEST(every_input_matters)
{
    uint64_t base = akin_random_u64(1, 2, 3);
    for (int bit = 0; bit < 64; bit++) {
        uint64_t flip = UINT64_C(1) << bit;
        CHECK(akin_random_u64(1 ^ flip, 2, 3) != base);
        CHECK(akin_random_u64(1, 2 ^ flip, 3) != base);
        CHECK(akin_random_u64(1, 2, 3 ^ flip) != base);
    }
}

TEST(below_is_below_and_even)
{
    enum { N = 10, DRAWS = 100000 };
    int hits[N] = {0};
    for (uint64_t i = 0; i < DRAWS; i++) {
        uint64_t value = akin_random_below(7, 1, i, N);
        REQUIRE(value < N);
        hits[value]++;
    }
    double chi_squared = 0;
    for (int i = 0; i < N; i++)
        chi_squared += pow(hits[i] - DRAWS / N, 2) / (DRAWS / N);
    CHECK(chi_squared < 27.9); /* 9 degrees of freedom, p = 0.001; the draws are fixed */
    CHECK_EQ(akin_random_below(7, 1, 5, 1), 0);
    CHECK(akin_random_below(7, 1, 5, UINT64_MAX) < UINT64_MAX);
}

TEST(unit_is_in_its_range)
{
    double sum = 0, least = 1, most = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        double value = akin_random_unit(3, 9, i);
        sum += value;
        least = fmin(least, value);
        most = fmax(most, value);
    }
    CHECK(least >= 0 && least < 1e-3);
    CHECK(most < 1 && most > 1 - 1e-3);
    CHECK_NEAR(sum / 100000, 0.5, 0.005);
}

TEST(permutation_holds_each_once)
{
    enum { N = 1000 };
    uint32_t order[N], again[N], other[N];
    unsigned char seen[N] = {0};
    akin_random_permutation(order, N, 42, 0);
    akin_random_permutation(again, N, 42, 0);
    akin_random_permutation(other, N, 42, 1);
    for (int i = 0; i < N; i++) {
        REQUIRE(order[i] < N);
        CHECK(!seen[order[i]]);
        seen[order[i]] = 1;
    }
    CHECK(memcmp(order, again, sizeof order) == 0);
    CHECK(memcmp(order, other, sizeof order) != 0);
    akin_random_permutation(order, 1, 42, 0);
    CHECK_EQ(order[0], 0);
    akin_random_permutation(NULL, 0, 42, 0);
}

TEST(permutation_is_even)
{
    int hits[6] = {0};
    for (uint64_t stream = 0; stream < 60000; stream++) {
        uint32_t order[3];
        akin_random_permutation(order, 3, 1, stream);
        hits[order[0] * 2 + (order[1] > order[2])]++;
    }
    for (int i = 0; i < 6; i++)
        CHECK_NEAR(hits[i], 10000, 400);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
