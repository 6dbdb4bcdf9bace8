/*
 * Unit length, and int8 with a scale.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "akin/vec.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed;

static float draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(seed >> 32) * 0x1p-31f;
}

static bool all_zero(const void *data, size_t bytes)
{
    const char *byte = data;
    for (size_t i = 0; i < bytes; i++)
        if (byte[i])
            return false;
    return true;
}

TEST(normalize_gives_unit_length_and_the_old_one)
{
    static const float scales[] = {1, 1e-12f, 1e15f, 1e25f, FLT_MAX / 2};
    float x[224];
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
        double square = 0, unit = 0;
        for (size_t i = 0; i < 224; i++) {
            x[i] = draw() * scales[s];
            square += (double)x[i] * x[i];
        }
        double length = akin_normalize(x, 224), expected = fmin(sqrt(square), FLT_MAX);
        for (size_t i = 0; i < 224; i++)
            unit += (double)x[i] * x[i];
        CHECK_NEAR(length / expected, 1, 1e-6);
        CHECK_NEAR(unit, 1, 1e-6);
    }
    float two[] = {3, -4};
    CHECK(akin_normalize(two, 2) == 5);
    CHECK(two[0] == 0.6f && two[1] == -0.8f);
}

TEST(normalize_of_what_has_no_direction)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY, 0, 1e-21f, -1e-38f};
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        float x[5] = {0, 0, bad[b], 0, isfinite(bad[b]) ? 0 : 7.0f};
        CHECK(akin_normalize(x, 5) == 0);
        CHECK(all_zero(x, sizeof x));
    }
    float barely[1] = {-2e-20f};
    CHECK(akin_normalize(barely, 1) == 2e-20f && barely[0] == -1);
    CHECK(akin_normalize(barely, 0) == 0);
}

TEST(quantize_is_within_half_a_step)
{
    static const float scales[] = {1, 1e-30f, 1e-44f, FLT_MAX};
    float x[300];
    int8_t q[300];
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
        float largest = 0, worst = 0;
        int reach = 0;
        for (size_t i = 0; i < 300; i++) {
            x[i] = draw() * scales[s];
            largest = fmaxf(largest, fabsf(x[i]));
        }
        float scale = akin_quantize_i8(q, x, 300);
        CHECK(scale == largest / 127);
        for (size_t i = 0; i < 300 && scale > 0; i++) {
            worst = fmaxf(worst, fabsf(x[i] / scale - (float)q[i]));
            reach = abs(q[i]) > reach ? abs(q[i]) : reach;
        }
        if (scale > FLT_MIN) {
            CHECK(worst <= 0.50001f);
            CHECK_EQ(reach, 127);
        }
    }
}

TEST(quantize_by_hand_ties_and_clamp)
{
    static const float x[] = {127, -127, 0.5f, 1.5f, -2.5f, 0, 126.49f};
    int8_t q[7];
    static const int8_t expected[] = {127, -127, 0, 2, -2, 0, 126};
    CHECK(akin_quantize_i8(q, x, 7) == 1);
    CHECK(!memcmp(q, expected, 7));
    /* The scale is rounded down to the smallest subnormal, so that the ratio is 142. */
    static const float tiny[] = {142 * 0x1p-149f, -142 * 0x1p-149f};
    CHECK(akin_quantize_i8(q, tiny, 2) == 0x1p-149f);
    CHECK(q[0] == 127 && q[1] == -127);
}

TEST(quantize_of_zeros_and_of_what_is_not_finite)
{
    static const float bad[] = {0, NAN, INFINITY, -INFINITY, 0x1p-149f};
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        for (size_t at = 0; at < 3; at++) {
            float x[3] = {0};
            int8_t q[3] = {1, 2, 3};
            x[at] = bad[b];
            x[(at + 1) % 3] = isfinite(bad[b]) ? 0 : 5.0f;
            CHECK(akin_quantize_i8(q, x, 3) == 0);
            CHECK(all_zero(q, 3));
        }
    }
    CHECK(akin_quantize_i8(NULL, NULL, 0) == 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
