/*
 * Chips: each sample type, band count and mask there and back; damage of every byte.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "akin/tile.h"

#define CHIP_LIMIT ((size_t)64 << 20)

/* Smooth pictures with a little noise, so that JPEG has something to keep. */
static void paint(struct akin_raster *raster)
{
    size_t count = (size_t)raster->width * raster->height * raster->bands;
    for (size_t i = 0; i < count; i++) {
        double at = 100 + 80 * sin((double)(i / raster->bands % raster->width) / 9.0) +
                    (double)(akin_random_u64(3, 0, i) % 5);
        if (raster->dtype == AKIN_F32)
            ((float *)raster->pixels)[i] = i % 97 ? (float)at * 1.37f : NAN;
        else if (raster->dtype == AKIN_U8)
            ((uint8_t *)raster->pixels)[i] = (uint8_t)at;
        else
            ((uint16_t *)raster->pixels)[i] = (uint16_t)(at * 301);
    }
    for (size_t i = 0; raster->valid && i < (size_t)raster->width * raster->height; i++)
        raster->valid[i] = i % raster->width > raster->width / 2 ? 0 : 255;
}

static void there_and_back(uint32_t width, uint32_t height, uint32_t bands, enum akin_dtype dtype,
                           bool masked)
{
    struct akin_raster raster = {0}, back = {0};
    struct akin_buffer chip;
    const void *jpeg = &jpeg;
    size_t jpeg_bytes = 1, pixels = (size_t)width * height;
    bool lossy = dtype == AKIN_U8 && (bands == 1 || bands == 3);
    akin_buffer_init(&chip, CHIP_LIMIT);
    REQUIRE_OK(akin_raster_init(&raster, width, height, bands, dtype, masked, err));
    paint(&raster);
    REQUIRE_OK(akin_buffer_append(&chip, "before", 6, err));
    REQUIRE_OK(akin_chip_encode(&raster, &chip, err));
    REQUIRE_OK(akin_chip_decode(chip.data + 6, chip.size - 6, &back, err));
    CHECK(!memcmp(chip.data, "before", 6));
    CHECK(back.width == width && back.height == height && back.bands == bands &&
          back.dtype == dtype);
    if (masked && memchr(raster.valid, 0, pixels))
        CHECK(back.valid && !memcmp(back.valid, raster.valid, pixels));
    else
        CHECK(!back.valid);
    if (!lossy)
        CHECK(!memcmp(back.pixels, raster.pixels, pixels * bands * akin_dtype_size(dtype)));
    double sum = 0;
    for (size_t i = 0; lossy && i < pixels * bands; i++) {
        if (!raster.valid || raster.valid[i / bands])
            sum += abs(((uint8_t *)back.pixels)[i] - ((uint8_t *)raster.pixels)[i]);
    }
    CHECK(sum / (double)(pixels * bands) < 4);
    REQUIRE_OK(akin_chip_jpeg(chip.data + 6, chip.size - 6, &jpeg, &jpeg_bytes, err));
    CHECK((jpeg != NULL) == lossy && (jpeg_bytes > 0) == lossy);
    akin_raster_fini(&raster);
    akin_raster_fini(&back);
    akin_buffer_fini(&chip);
}

TEST(every_type_band_count_and_mask_goes_there_and_back)
{
    static const uint32_t bands[] = {1, 2, 3, 4, AKIN_BANDS_MAX};
    for (int dtype = 0; dtype < AKIN_DTYPE_COUNT; dtype++) {
        for (size_t b = 0; b < 5; b++) {
            there_and_back(61, 40, bands[b], (enum akin_dtype)dtype, false);
            there_and_back(61, 40, bands[b], (enum akin_dtype)dtype, true);
            there_and_back(1, 1, bands[b], (enum akin_dtype)dtype, true);
        }
    }
}

TEST(ringing_at_a_gap_does_not_get_into_what_is_there)
{
    struct akin_raster raster = {0}, back = {0};
    struct akin_buffer chip;
    akin_buffer_init(&chip, CHIP_LIMIT);
    REQUIRE_OK(akin_raster_init(&raster, 64, 64, 1, AKIN_U8, true, err));
    for (int i = 0; i < 64 * 64; i++) {
        bool gap = i % 64 > 33;
        raster.valid[i] = gap ? 0 : 255;
        ((uint8_t *)raster.pixels)[i] = gap ? 0 : 200;
    }
    REQUIRE_OK(akin_chip_encode(&raster, &chip, err));
    REQUIRE_OK(akin_chip_decode(chip.data, chip.size, &back, err));
    for (int i = 0; i < 64 * 64; i++)
        CHECK_NEAR(((uint8_t *)back.pixels)[i], 200, 1);
    akin_raster_fini(&raster);
    akin_raster_fini(&back);
    akin_buffer_fini(&chip);
}

TEST(a_jpeg_is_wrapped_as_it_is)
{
    struct akin_raster raster = {0}, back = {0};
    struct akin_buffer jpeg, chip;
    const void *inside = NULL;
    size_t bytes = 0;
    akin_buffer_init(&jpeg, CHIP_LIMIT);
    akin_buffer_init(&chip, CHIP_LIMIT);
    REQUIRE_OK(akin_raster_init(&raster, 33, 20, 3, AKIN_U8, false, err));
    paint(&raster);
    REQUIRE_OK(akin_jpeg_encode(&raster, 80, &jpeg, err));
    REQUIRE_OK(akin_chip_wrap_jpeg(jpeg.data, jpeg.size, 33, 20, 3, &chip, err));
    REQUIRE_OK(akin_chip_jpeg(chip.data, chip.size, &inside, &bytes, err));
    CHECK(bytes == jpeg.size && !memcmp(inside, jpeg.data, bytes));
    REQUIRE_OK(akin_chip_decode(chip.data, chip.size, &back, err));
    CHECK(back.width == 33 && back.bands == 3);
    akin_raster_fini(&back);

    /* A header that does not say what the JPEG is. */
    akin_buffer_clear(&chip);
    REQUIRE_OK(akin_chip_wrap_jpeg(jpeg.data, jpeg.size, 32, 20, 3, &chip, err));
    CHECK_EQ(akin_chip_decode(chip.data, chip.size, &back, NULL), AKIN_ERR_CORRUPT);
    CHECK_EQ(akin_chip_wrap_jpeg(jpeg.data, jpeg.size, 33, 20, 2, &chip, NULL), AKIN_ERR_INVALID);
    CHECK_EQ(akin_chip_wrap_jpeg(jpeg.data, 0, 33, 20, 3, &chip, NULL), AKIN_ERR_LIMIT);
    CHECK_EQ(akin_chip_wrap_jpeg(jpeg.data, jpeg.size, 20000, 20, 3, &chip, NULL), AKIN_ERR_LIMIT);
    akin_raster_fini(&raster);
    akin_buffer_fini(&jpeg);
    akin_buffer_fini(&chip);
}

/* Whatever comes out of a damaged chip is an error or a raster of honest size. */
static void decode_damaged(const char *bytes, size_t size)
{
    struct akin_raster back = {0};
    const void *jpeg;
    size_t jpeg_bytes;
    akin_error failure = {0};
    if (akin_chip_decode(bytes, size, &back, &failure) == AKIN_OK)
        CHECK(back.pixels && back.width && back.height && back.bands <= AKIN_BANDS_MAX);
    else
        CHECK(!back.pixels && failure.text[0]);
    akin_raster_fini(&back);
    if (akin_chip_jpeg(bytes, size, &jpeg, &jpeg_bytes, NULL) == AKIN_OK && jpeg)
        CHECK((const char *)jpeg + jpeg_bytes <= bytes + size);
}

static void damage_every_byte(uint32_t bands, enum akin_dtype dtype)
{
    struct akin_raster raster = {0};
    struct akin_buffer chip;
    akin_buffer_init(&chip, CHIP_LIMIT);
    REQUIRE_OK(akin_raster_init(&raster, 11, 9, bands, dtype, true, err));
    paint(&raster);
    REQUIRE_OK(akin_chip_encode(&raster, &chip, err));
    for (size_t size = 0; size < chip.size; size++) {
        char *cut = malloc(size ? size : 1); /* its end guarded by the sanitizer */
        REQUIRE(cut);
        memcpy(cut, chip.data, size);
        struct akin_raster back = {0};
        CHECK_EQ(akin_chip_decode(cut, size, &back, NULL), AKIN_ERR_CORRUPT);
        free(cut);
    }
    for (size_t i = 0; i < chip.size; i++) {
        for (int bit = 0; bit < 8; bit++) {
            chip.data[i] = (char)(chip.data[i] ^ 1 << bit);
            decode_damaged(chip.data, chip.size);
            chip.data[i] = (char)(chip.data[i] ^ 1 << bit);
        }
    }
    akin_raster_fini(&raster);
    akin_buffer_fini(&chip);
}

TEST(a_damaged_chip_is_an_error_or_a_picture)
{
    damage_every_byte(3, AKIN_U8);
    damage_every_byte(2, AKIN_U8);
    damage_every_byte(1, AKIN_F32);
}

TEST(what_an_encoder_sees_of_a_chip)
{
    struct akin_raster raster = {0}, back = {0};
    struct akin_scaling scaling[AKIN_DTYPE_COUNT];
    struct akin_buffer chip;
    uint8_t input[8 * 8 * 2], filled[8 * 8], expected[8 * 8 * 2], expected_filled[8 * 8];
    akin_error why = {0};
    akin_buffer_init(&chip, CHIP_LIMIT);
    for (int dtype = 0; dtype < AKIN_DTYPE_COUNT; dtype++)
        akin_scaling_identity(&scaling[dtype], 2);
    scaling[AKIN_U16].low[0] = 3000;
    scaling[AKIN_U16].high[0] = scaling[AKIN_U16].high[1] = 60000;
    REQUIRE_OK(akin_raster_init(&raster, 40, 32, 2, AKIN_U16, true, err));
    paint(&raster);
    REQUIRE_OK(akin_chip_encode(&raster, &chip, err));
    REQUIRE_OK(akin_chip_decode(chip.data, chip.size, &back, err));
    REQUIRE_OK(akin_tile_input(&back, &scaling[AKIN_U16], 8, expected, expected_filled, err));
    REQUIRE_OK(akin_chip_input(chip.data, chip.size, scaling, 8, input, filled, err));
    CHECK(!memcmp(input, expected, sizeof input));
    CHECK(!memcmp(filled, expected_filled, sizeof filled));
    CHECK(memchr(filled, 0, sizeof filled) != NULL);
    scaling[AKIN_U16].bands = 3;
    CHECK_EQ(akin_chip_input(chip.data, chip.size, scaling, 8, input, filled, &why),
             AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(why.text, "2 bands");
    akin_raster_fini(&raster);
    akin_raster_fini(&back);
    akin_buffer_fini(&chip);
}

TEST(a_newer_chip_says_so)
{
    struct akin_raster raster = {0}, back = {0};
    struct akin_buffer chip;
    akin_buffer_init(&chip, CHIP_LIMIT);
    REQUIRE_OK(akin_raster_init(&raster, 4, 4, 2, AKIN_U8, false, err));
    paint(&raster);
    REQUIRE_OK(akin_chip_encode(&raster, &chip, err));
    chip.data[4] = 2;
    CHECK_EQ(akin_chip_decode(chip.data, chip.size, &back, NULL), AKIN_ERR_VERSION);
    raster.bands = AKIN_BANDS_MAX + 1;
    CHECK_EQ(akin_chip_encode(&raster, &chip, NULL), AKIN_ERR_LIMIT);
    raster.bands = 2;
    akin_raster_fini(&raster);
    akin_buffer_fini(&chip);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
