/*
 * binary16 in every tier: all 65,536 patterns both ways, and the places where rounding turns.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "akin/vec.h"

#include <math.h>
#include <string.h>

#define PATTERNS 65536

static akin_f16 halves[PATTERNS], again[PATTERNS];
static float floats[PATTERNS];

/* By the standard's words (IEEE 754, 3.4), not by bits. */
static double value_of(unsigned half)
{
    unsigned exponent = half >> 10 & 31, fraction = half & 1023;
    double size = exponent == 0    ? ldexp(fraction, -24)
                  : exponent == 31 ? (fraction ? NAN : INFINITY)
                                   : ldexp(1024 + fraction, (int)exponent - 25);
    return half & 0x8000 ? -size : size;
}

static akin_f16 convert(const struct akin_kernels *k, double value)
{
    float in[9] = {0, 0, (float)value}; /* in the main loop of every tier, or its tail */
    akin_f16 out[9];
    k->f16_from_f32(out, in, 9);
    in[8] = (float)value;
    k->f16_from_f32(out + 8, in + 8, 1);
    CHECK_EQ(out[2], out[8]);
    return out[2];
}

TEST(f16_every_pattern_both_ways)
{
    for (unsigned i = 0; i < PATTERNS; i++)
        halves[i] = (akin_f16)i;
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        k->f32_from_f16(floats, halves, PATTERNS);
        k->f16_from_f32(again, floats, PATTERNS);
        unsigned wrong = 0;
        for (unsigned i = 0; i < PATTERNS; i++) {
            double value = value_of(i);
            if (isnan(value))
                wrong += !isnan(floats[i]) || !isnan(value_of(again[i]));
            else
                wrong +=
                    floats[i] != value || !signbit(floats[i]) != !signbit(value) || again[i] != i;
        }
        CHECK_EQ(wrong, 0);
    }
}

/* Between each two neighbours: the middle goes to the even one, a hair beside it to the nearer. */
TEST(f16_rounds_to_nearest_and_ties_to_even)
{
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        unsigned wrong = 0;
        for (unsigned half = 0; half < 0x7c00; half++) {
            float low = (float)value_of(half);
            /* Above the largest the next would be 2^16: from the middle on it is infinity. */
            float high = half == 0x7bff ? 65536.0f : (float)value_of(half + 1);
            float middle = (low + high) / 2;
            floats[0] = middle, floats[1] = nextafterf(middle, low);
            floats[2] = nextafterf(middle, high), floats[3] = -middle;
            k->f16_from_f32(again, floats, 4);
            unsigned even = half + (half & 1);
            wrong += again[0] != even || again[3] != (even | 0x8000) || again[1] != half ||
                     again[2] != half + 1;
        }
        CHECK_EQ(wrong, 0);
    }
}

TEST(f16_at_the_ends_of_the_range)
{
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        const struct akin_kernels *k = akin_kernels_named(*name);
        CHECK_EQ(convert(k, 65504), 0x7bff);
        CHECK_EQ(convert(k, 65519.99), 0x7bff);
        CHECK_EQ(convert(k, 65520), 0x7c00);
        CHECK_EQ(convert(k, -1e30), 0xfc00);
        CHECK_EQ(convert(k, INFINITY), 0x7c00);
        CHECK_EQ(convert(k, 0x1p-24), 1);
        CHECK_EQ(convert(k, 0x1p-25), 0);
        CHECK_EQ(convert(k, 0x1.8p-24), 2);
        CHECK_EQ(convert(k, -0x1p-26), 0x8000);
        CHECK_EQ(convert(k, -0.0), 0x8000);
        CHECK_EQ(convert(k, 1e-45), 0); /* itself subnormal */
        CHECK(isnan(value_of(convert(k, NAN))));
    }
}

/* NaNs whose payload lies wholly in the bits that are cut off must not become infinity. */
TEST(f16_keeps_nan_with_a_low_payload)
{
    static const uint32_t bits[] = {0x7f800001u, 0xff800001u, 0x7f801fffu, 0x7fffffffu};
    for (const char *const *name = akin_kernels_list(); *name; name++) {
        for (size_t i = 0; i < 4; i++) {
            memcpy(&floats[i], &bits[i], sizeof bits[i]);
            akin_kernels_named(*name)->f16_from_f32(&again[i], &floats[i], 1);
            CHECK(isnan(value_of(again[i])));
        }
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
