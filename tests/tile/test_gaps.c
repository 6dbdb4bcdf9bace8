/*
 * Black gaps: what is marked and, as important, what is not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "../check.h"
#include "akin/tile.h"

#define SIDE 256

static uint8_t noise(size_t i, unsigned from, unsigned range)
{
    return (uint8_t)(from + akin_random_below(11, 0, i, range));
}

/* A picture of noise in [from, from + range) in three bands. */
static akin_status paint(struct akin_raster *raster, unsigned from, unsigned range, akin_error *err)
{
    akin_status status = akin_raster_init(raster, SIDE, SIDE, 3, AKIN_U8, false, err);
    for (size_t i = 0; status == AKIN_OK && i < (size_t)SIDE * SIDE * 3; i++)
        ((uint8_t *)raster->pixels)[i] = noise(i, from, range);
    return status;
}

static void blacken(struct akin_raster *raster, uint32_t x0, uint32_t y0, uint32_t x1, uint32_t y1)
{
    for (uint32_t y = y0; y < y1; y++)
        memset((uint8_t *)raster->pixels + ((size_t)y * SIDE + x0) * 3, 0, (x1 - x0) * 3);
}

/* A swath gap as GIBS draws it: a slanted wedge from the upper edge on. */
static bool in_wedge(size_t i)
{
    double x = (double)(i % SIDE), y = (double)(i / SIDE);
    return y < 200 && x > 90 + y * 0.2 && x < 150 - y * 0.1;
}

static akin_status through_jpeg(struct akin_raster *raster, int quality, akin_error *err)
{
    struct akin_buffer jpeg;
    akin_buffer_init(&jpeg, 1 << 22);
    akin_status status = akin_jpeg_encode(raster, quality, &jpeg, err);
    akin_raster_fini(raster);
    if (status == AKIN_OK)
        status = akin_jpeg_decode(jpeg.data, jpeg.size, 1 << 20, raster, err);
    akin_buffer_fini(&jpeg);
    return status;
}

TEST(a_swath_gap_is_found_through_jpeg)
{
    for (int quality = 60; quality <= 100; quality += 20) {
        struct akin_raster raster = {0};
        double share = -1;
        size_t gap = 0, found = 0, wrong = 0;
        REQUIRE_OK(paint(&raster, 60, 60, err));
        for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
            if (in_wedge(i))
                memset((uint8_t *)raster.pixels + i * 3, 0, 3);
        }
        REQUIRE_OK(through_jpeg(&raster, quality, err));
        REQUIRE_OK(akin_tile_mark_gaps(&raster, &share, err));
        REQUIRE(raster.valid != NULL);
        for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
            bool marked = raster.valid[i] == 0;
            gap += in_wedge(i);
            found += in_wedge(i) && marked;
            wrong += !in_wedge(i) && marked;
            CHECK(raster.valid[i] == 0 || raster.valid[i] == 255);
        }
        CHECK(found > gap * 97 / 100);
        CHECK(wrong < gap * 35 / 100); /* the rim: 4 pixels on both sides of 60 to 0 */
        CHECK_NEAR(share, (double)(found + wrong) / (SIDE * SIDE), 1e-12);
        akin_raster_fini(&raster);
    }
}

/* A strip 12 pixels wide through bright red ground: JPEG's coarse colours make it reddish. */
TEST(a_narrow_gap_in_coloured_ground_is_found)
{
    static const uint8_t ground[3] = {190, 80, 40};
    struct akin_raster raster = {0};
    double share = -1;
    size_t found = 0;
    REQUIRE_OK(akin_raster_init(&raster, SIDE, SIDE, 3, AKIN_U8, false, err));
    for (size_t i = 0; i < (size_t)SIDE * SIDE * 3; i++) {
        const size_t x = i / 3 % SIDE;
        bool gap = x >= 101 && x < 113;
        ((uint8_t *)raster.pixels)[i] = gap ? 0 : (uint8_t)(ground[i % 3] + noise(i, 0, 30));
    }
    REQUIRE_OK(through_jpeg(&raster, 75, err));
    REQUIRE_OK(akin_tile_mark_gaps(&raster, &share, err));
    REQUIRE(raster.valid != NULL);
    for (size_t y = 0; y < SIDE; y++)
        for (size_t x = 101; x < 113; x++)
            found += raster.valid[y * SIDE + x] == 0;
    CHECK(found > (size_t)SIDE * 12 * 97 / 100);
    CHECK(share < 24.0 / SIDE);
    akin_raster_fini(&raster);
}

static double share_of(struct akin_raster *raster)
{
    double share = -1;
    CHECK_EQ(akin_tile_mark_gaps(raster, &share, NULL), AKIN_OK);
    CHECK((share > 0) == (raster->valid != NULL));
    akin_raster_fini(raster);
    return share;
}

TEST(dark_ground_is_no_gap)
{
    struct akin_raster raster = {0};
    REQUIRE_OK(paint(&raster, 10, 25, err)); /* the sea */
    CHECK_NEAR(share_of(&raster), 0, 0);
    REQUIRE_OK(paint(&raster, 0, 8, err)); /* night with a sensor's noise */
    CHECK_NEAR(share_of(&raster), 0, 0);
    REQUIRE_OK(paint(&raster, 0, 200, err)); /* single black pixels */
    CHECK_NEAR(share_of(&raster), 0, 0);
    REQUIRE_OK(paint(&raster, 40, 100, err));
    blacken(&raster, 100, 100, 130, 130); /* a shadow of 900 pixels */
    CHECK_NEAR(share_of(&raster), 0, 0);
    REQUIRE_OK(paint(&raster, 40, 100, err));
    blacken(&raster, 0, 0, 5, 5); /* too small even at the edge */
    CHECK_NEAR(share_of(&raster), 0, 0);
}

TEST(a_gap_needs_less_at_the_edge_than_inside)
{
    struct akin_raster raster = {0};
    REQUIRE_OK(paint(&raster, 40, 100, err));
    blacken(&raster, 0, 60, 8, 80);
    CHECK_NEAR(share_of(&raster), 12.0 * 28 / (SIDE * SIDE), 1e-12); /* a rim of 4 pixels */
    REQUIRE_OK(paint(&raster, 40, 100, err));
    blacken(&raster, 100, 100, 140, 140);
    CHECK_NEAR(share_of(&raster), 48.0 * 48 / (SIDE * SIDE), 1e-12);
}

TEST(all_black_is_all_gap_whatever_the_size)
{
    for (uint32_t width = 1; width <= 40; width += 3) {
        uint8_t pixels[40 * 40] = {0};
        struct akin_raster raster = {width, 40, 1, AKIN_U8, pixels, NULL};
        double share = -1;
        REQUIRE_OK(akin_tile_mark_gaps(&raster, &share, err));
        CHECK_NEAR(share, 1, 0);
        akin_free(raster.valid);
    }
}

TEST(what_was_missing_before_stays_missing_and_is_not_counted)
{
    struct akin_raster raster = {0};
    double share = -1;
    REQUIRE_OK(akin_raster_init(&raster, SIDE, SIDE, 3, AKIN_U8, true, err));
    memset(raster.pixels, 0, (size_t)SIDE * SIDE * 3);
    memset(raster.valid, 0, (size_t)SIDE * SIDE / 2);
    REQUIRE_OK(akin_tile_mark_gaps(&raster, &share, err));
    CHECK_NEAR(share, 0.5, 0);
    CHECK(!memchr(raster.valid, 255, (size_t)SIDE * SIDE));
    akin_raster_fini(&raster);
}

TEST(only_8_bit_pictures_have_black_gaps)
{
    uint16_t pixels[32 * 32] = {0};
    struct akin_raster raster = {32, 32, 1, AKIN_U16, pixels, NULL};
    double share;
    CHECK_EQ(akin_tile_mark_gaps(&raster, &share, NULL), AKIN_ERR_INVALID);
    raster.dtype = AKIN_U8;
    akin_memory_fail_at(0);
    CHECK_EQ(akin_tile_mark_gaps(&raster, &share, NULL), AKIN_ERR_NO_MEMORY);
    akin_memory_fail_at(1);
    CHECK_EQ(akin_tile_mark_gaps(&raster, &share, NULL), AKIN_ERR_NO_MEMORY);
    akin_memory_fail_at(-1);
    CHECK(!raster.valid);
}

/* Share of a picture's pixels that are marked, window by window. */
static double share_of_file(const char *data, const char *name)
{
    char path[AKIN_PATH_MAX];
    struct akin_buffer bytes;
    struct akin_raster whole = {0};
    double marked = 0;
    akin_buffer_init(&bytes, 1 << 26);
    snprintf(path, sizeof path, "%s/%s", data, name);
    CHECK_EQ(akin_file_read(&bytes, path, NULL), AKIN_OK);
    CHECK_EQ(akin_jpeg_decode(bytes.data, bytes.size, 1 << 25, &whole, NULL), AKIN_OK);
    for (uint32_t y = 0; y + SIDE <= whole.height; y += SIDE) {
        for (uint32_t x = 0; x + SIDE <= whole.width; x += SIDE) {
            struct akin_raster tile = {0};
            CHECK_EQ(akin_raster_init(&tile, SIDE, SIDE, 3, AKIN_U8, false, NULL), AKIN_OK);
            for (size_t row = 0; row < SIDE; row++)
                memcpy((uint8_t *)tile.pixels + row * SIDE * 3,
                       (uint8_t *)whole.pixels + ((y + row) * whole.width + x) * 3, SIDE * 3);
            marked += share_of(&tile) * SIDE * SIDE;
        }
    }
    double area = (double)whole.width * whole.height;
    akin_raster_fini(&whole);
    akin_buffer_fini(&bytes);
    return marked / area;
}

TEST(real_gaps_are_found_and_real_darkness_is_not)
{
    static const char *const dark[] = {"phenomena/dust.jpg", "phenomena/smoke.jpg",
                                       "phenomena/hurricane.jpg", "gibs/california_fire1.jpeg",
                                       "phenomena/clouds/Gravel.jpeg"};
    const char *data = check_shared_data();
    if (!data) {
        check_skip("shared data absent");
        return;
    }
    /* 5.3 % are exactly 0, 7.0 % at most 14; the windows leave out the lowest rows. */
    double share =
        share_of_file(data, "gibs/MODIS-Terra-CorrectedReflectance-TrueColor_2020-09-27.jpeg");
    CHECK(share > 0.06 && share < 0.075);
    for (size_t i = 0; i < sizeof dark / sizeof *dark; i++)
        CHECK_NEAR(share_of_file(data, dark[i]), 0, 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
