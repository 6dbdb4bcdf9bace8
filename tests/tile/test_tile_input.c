/*
 * Scaling as text, and the encoder's input against a plain reference in double precision.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "akin/tile.h"

TEST(scaling_goes_through_text_unchanged)
{
    struct akin_scaling scaling = {.bands = 3,
                                   .low = {0.1, -1e300, 0},
                                   .high = {1.0 / 3, 1e300, 65535}},
                        back;
    struct akin_buffer text;
    akin_buffer_init(&text, 4096);
    REQUIRE_OK(akin_scaling_text(&scaling, &text, err));
    REQUIRE_OK(akin_scaling_parse(&back, text.data, err));
    CHECK_EQ(back.bands, 3);
    for (int b = 0; b < 3; b++)
        CHECK(back.low[b] == scaling.low[b] && back.high[b] == scaling.high[b]);
    akin_buffer_fini(&text);
}

TEST(scaling_refuses_what_is_not_one)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"low\":[],\"high\":[]}",
        "{\"low\":[0]}",
        "{\"low\":[0],\"high\":[1,2]}",
        "{\"low\":[1],\"high\":[1]}",
        "{\"low\":[2],\"high\":[1]}",
        "{\"low\":[\"0\"],\"high\":[1]}",
        "{\"low\":[null],\"high\":[1]}",
        "{\"low\":0,\"high\":1}",
        "{\"low\":{\"0\":1},\"high\":[2]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct akin_scaling scaling;
        CHECK_EQ(akin_scaling_parse(&scaling, bad[i], NULL), AKIN_ERR_INVALID);
    }
}

/* ---- against a reference ---- */

static uint64_t state;
static uint32_t draw(void)
{
    return (uint32_t)akin_random_u64(7, 1, state++);
}

static double sample_at(const struct akin_raster *raster, size_t i)
{
    switch (raster->dtype) {
    case AKIN_U16:
        return ((const uint16_t *)raster->pixels)[i];
    case AKIN_I16:
        return ((const int16_t *)raster->pixels)[i];
    case AKIN_F32:
        return (double)((const float *)raster->pixels)[i];
    default:
        return ((const uint8_t *)raster->pixels)[i];
    }
}

static double overlap(double begin, double end, double pixel)
{
    double from = fmax(begin, pixel), to = fmin(end, pixel + 1);
    return to > from ? to - from : 0;
}

/* The mean under cell (row, col) of n, or NaN where nothing valid is. */
static double reference(const struct akin_raster *r, uint32_t n, uint32_t row, uint32_t col,
                        uint32_t band)
{
    double sum = 0, weight = 0;
    double y0 = (double)row * r->height / n, y1 = (double)(row + 1) * r->height / n;
    double x0 = (double)col * r->width / n, x1 = (double)(col + 1) * r->width / n;
    for (uint32_t y = (uint32_t)y0; y < r->height && y < y1; y++) {
        for (uint32_t x = (uint32_t)x0; x < r->width && x < x1; x++) {
            size_t at = (size_t)y * r->width + x;
            double w = overlap(y0, y1, y) * overlap(x0, x1, x);
            bool ok = !r->valid || r->valid[at];
            for (uint32_t b = 0; b < r->bands; b++)
                ok &= isfinite(sample_at(r, at * r->bands + b));
            if (w < 1e-9 || !ok)
                continue;
            sum += w * sample_at(r, at * r->bands + band);
            weight += w;
        }
    }
    return weight > 0 ? sum / weight : NAN;
}

static void fill_random(struct akin_raster *raster, int missing_percent)
{
    size_t pixels = (size_t)raster->width * raster->height;
    for (size_t i = 0; i < pixels * raster->bands; i++) {
        if (raster->dtype == AKIN_F32)
            ((float *)raster->pixels)[i] = (float)(draw() % 100000) / 100 - 300;
        else if (raster->dtype == AKIN_U8)
            ((uint8_t *)raster->pixels)[i] = (uint8_t)draw();
        else
            ((uint16_t *)raster->pixels)[i] = (uint16_t)draw();
    }
    for (size_t i = 0; raster->valid && i < pixels; i++)
        raster->valid[i] = draw() % 100 < (unsigned)missing_percent ? 0 : 255;
}

static struct akin_scaling scaling_for(enum akin_dtype dtype, uint32_t bands)
{
    struct akin_scaling scaling;
    akin_scaling_identity(&scaling, bands);
    for (uint32_t b = 0; dtype != AKIN_U8 && b < bands; b++) {
        scaling.low[b] = dtype == AKIN_U16 ? 1000 : -200;
        scaling.high[b] = dtype == AKIN_F32 ? 650 : 30000;
    }
    return scaling;
}

static void compare(uint32_t width, uint32_t height, uint32_t bands, enum akin_dtype dtype,
                    uint32_t n, int missing_percent)
{
    struct akin_raster raster = {0};
    struct akin_scaling scaling = scaling_for(dtype, bands);
    uint8_t *input = calloc((size_t)n * n, bands), *filled = calloc(n, n);
    REQUIRE(input && filled);
    REQUIRE_OK(akin_raster_init(&raster, width, height, bands, dtype, missing_percent > 0, err));
    fill_random(&raster, missing_percent);
    REQUIRE_OK(akin_tile_input(&raster, &scaling, n, input, filled, err));
    double worst = 0;
    bool there_is_right = true;
    for (uint32_t i = 0; i < n * n; i++) {
        for (uint32_t b = 0; b < bands; b++) {
            double mean = reference(&raster, n, i / n, i % n, b);
            there_is_right &= filled[i] == (isnan(mean) ? 0 : 255);
            if (isnan(mean))
                continue;
            double scaled = 255 * (mean - scaling.low[b]) / (scaling.high[b] - scaling.low[b]);
            scaled = fmin(fmax(scaled, 0), 255);
            worst = fmax(worst, fabs(scaled - input[(size_t)i * bands + b]));
        }
    }
    CHECK(there_is_right);
    CHECK_NEAR(worst, 0, 0.5 + 1e-6);
    akin_raster_fini(&raster);
    free(input);
    free(filled);
}

TEST(input_is_the_area_average)
{
    static const uint32_t sizes[][3] = {{256, 256, 64}, {200, 200, 64}, {64, 64, 64}, {65, 63, 64},
                                        {37, 201, 16},  {1, 1, 16},     {7, 300, 32}, {16, 16, 64},
                                        {511, 3, 16},   {127, 129, 20}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int dtype = 0; dtype < AKIN_DTYPE_COUNT; dtype++) {
            uint32_t bands = i % 2 ? 3 : 1 + (uint32_t)dtype;
            compare(sizes[i][0], sizes[i][1], bands, (enum akin_dtype)dtype, sizes[i][2], 0);
            compare(sizes[i][0], sizes[i][1], bands, (enum akin_dtype)dtype, sizes[i][2], 40);
        }
    }
    compare(16, 9000, 1, AKIN_U8, 16, 0); /* more rows a cell than 16 bits can add */
    compare(16, 9000, 1, AKIN_U8, 16, 99);
}

TEST(means_of_bytes_round_half_up)
{
    uint8_t pixels[4] = {0, 1, 3, 0}, input[1];
    struct akin_raster raster = {2, 2, 1, AKIN_U8, pixels, NULL};
    struct akin_scaling scaling;
    akin_scaling_identity(&scaling, 1);
    REQUIRE_OK(akin_tile_input(&raster, &scaling, 1, input, NULL, err));
    CHECK_EQ(input[0], 1);
    pixels[3] = 2; /* 6 / 4 */
    REQUIRE_OK(akin_tile_input(&raster, &scaling, 1, input, NULL, err));
    CHECK_EQ(input[0], 2);
}

TEST(no_nan_and_no_infinity_reaches_the_input)
{
    float pixels[16] = {NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 1, 2, 3,
                        4,   5,        6,         7,       8,        9, 1, 2};
    uint8_t input[16], filled[16];
    struct akin_raster raster = {4, 4, 1, AKIN_F32, pixels, NULL};
    struct akin_scaling scaling = {.bands = 1, .low = {0}, .high = {10}};
    REQUIRE_OK(akin_tile_input(&raster, &scaling, 4, input, filled, err));
    CHECK_EQ(filled[0], 0);
    CHECK_EQ(filled[2], 0);
    CHECK_EQ(filled[3], 255);
    CHECK_EQ(input[0], 255); /* mirrored from the one valid pixel of its row */
    CHECK_EQ(input[3], 255);
    CHECK_EQ(input[4], 0);
    CHECK_EQ(input[5], 26);
}

/* ---- filling ---- */

static void fill_case(const char *cells, const char *expected, uint32_t n)
{
    uint8_t pixels[81], valid[81], input[82] = {0};
    for (uint32_t i = 0; i < n * n; i++) {
        pixels[i] = (uint8_t)cells[i];
        valid[i] = cells[i] == '.' ? 0 : 255;
    }
    struct akin_raster raster = {n, n, 1, AKIN_U8, pixels, valid};
    struct akin_scaling scaling;
    akin_scaling_identity(&scaling, 1);
    REQUIRE_OK(akin_tile_input(&raster, &scaling, n, input, NULL, err));
    CHECK_TEXT((char *)input, expected);
}

TEST(gaps_are_filled_with_mirror_images)
{
    fill_case("abc......"
              "abcd....."
              "ab.....yz"
              ".bcdefgh."
              "........x"
              "......xyz"
              "a.c.e.g.i"
              "........."
              ".........",
              "abccbaabc"
              "abcddcbaa"
              "abbaazyyz"
              "bbcdefghh"
              "xxxxxxxxx"
              "xyzzyxxyz"
              "aacceeggi"
              "aacceeggi"
              "xyzzyxxyz",
              9);
}

TEST(a_tile_without_any_valid_pixel_is_zero)
{
    uint8_t pixels[48], valid[16] = {0}, input[12], filled[4];
    memset(pixels, 99, sizeof pixels);
    memset(input, 1, sizeof input);
    struct akin_raster raster = {4, 4, 3, AKIN_U8, pixels, valid};
    struct akin_scaling scaling;
    akin_scaling_identity(&scaling, 3);
    REQUIRE_OK(akin_tile_input(&raster, &scaling, 2, input, filled, err));
    for (int i = 0; i < 12; i++)
        CHECK_EQ(input[i], 0);
    CHECK_EQ(filled[0] + filled[1] + filled[2] + filled[3], 0);
}

TEST(what_cannot_be_reduced_is_refused)
{
    uint8_t pixels[48] = {0}, input[48];
    struct akin_raster raster = {4, 4, 3, AKIN_U8, pixels, NULL};
    struct akin_scaling scaling;
    akin_error failure = {0};
    akin_scaling_identity(&scaling, 1);
    CHECK_EQ(akin_tile_input(&raster, &scaling, 2, input, NULL, &failure), AKIN_ERR_INVALID);
    CHECK_CONTAINS(failure.text, "3 bands");
    akin_scaling_identity(&scaling, 3);
    CHECK_EQ(akin_tile_input(&raster, &scaling, 0, input, NULL, NULL), AKIN_ERR_INVALID);
    scaling.high[1] = scaling.low[1];
    CHECK_EQ(akin_tile_input(&raster, &scaling, 2, input, NULL, NULL), AKIN_ERR_INVALID);
    akin_scaling_identity(&scaling, 3);
    raster.width = 0;
    CHECK_EQ(akin_tile_input(&raster, &scaling, 2, input, NULL, NULL), AKIN_ERR_INVALID);
}

TEST(out_of_memory_is_a_status)
{
    uint8_t pixels[16] = {0}, valid[16] = {0, 255}, input[16];
    struct akin_raster raster = {4, 4, 1, AKIN_U8, pixels, valid};
    struct akin_scaling scaling;
    akin_scaling_identity(&scaling, 1);
    for (long n = 0; n < 3; n++) {
        akin_memory_fail_at(n);
        CHECK_EQ(akin_tile_input(&raster, &scaling, 4, input, NULL, NULL), AKIN_ERR_NO_MEMORY);
    }
    akin_memory_fail_at(3);
    CHECK_EQ(akin_tile_input(&raster, &scaling, 4, input, NULL, NULL), AKIN_OK);
    akin_memory_fail_at(-1);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
