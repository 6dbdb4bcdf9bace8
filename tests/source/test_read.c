/*
 * Reading: windows, choice of bands, reduction, percentiles; and pictures as bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "make_raster.h"

#include <math.h>
#include <sys/resource.h>

static akin_source *open_made(const char *driver, const char *name, int width, int height,
                              int bands, GDALDataType type)
{
    char path[AKIN_PATH_MAX];
    akin_source *source = NULL;
    akin_error err = {0};
    in_folder(path, check_folder(), name);
    CHECK(save_as(make_memory(width, height, bands, type), driver, path, NULL));
    if (akin_source_open(&source, path, NULL, &err) != AKIN_OK)
        check_text(err.text, "", __FILE__, __LINE__, path);
    return source;
}

TEST(windows_are_parts_of_the_whole)
{
    static const char *const kinds[][2] = {{"GTiff", "w.tif"}, {"JPEG", "w.jpg"}, {"PNG", "w.png"}};
    static const struct akin_window windows[] = {{0, 0, 40, 30}, {7, 5, 11, 13}, {39, 29, 1, 1}};
    const uint32_t all[3] = {0, 1, 2}, odd[3] = {2, 0, 2};
    for (size_t k = 0; k < 3; k++) {
        akin_source *source = open_made(kinds[k][0], kinds[k][1], 40, 30, 3, GDT_Byte);
        REQUIRE(source);
        struct akin_raster whole, part;
        REQUIRE_OK(akin_source_read(source, windows[0], all, 3, &whole, err));
        for (size_t w = 0; w < 3; w++) {
            REQUIRE_OK(akin_source_read(source, windows[w], odd, 3, &part, err));
            for (uint32_t i = 0; i < part.width * part.height; i++) {
                const uint32_t x = windows[w].x + i % part.width, y = windows[w].y + i / part.width;
                for (uint32_t b = 0; b < 3; b++)
                    CHECK_EQ(((const uint8_t *)part.pixels)[3 * i + b],
                             ((const uint8_t *)whole.pixels)[3 * (y * 40 + x) + odd[b]]);
            }
            akin_raster_fini(&part);
        }
        akin_raster_fini(&whole);
        akin_source_close(source);
    }
}

TEST(a_window_or_band_that_is_not_there_is_refused)
{
    static const struct akin_window wrong[] = {
        {0, 0, 0, 1}, {0, 0, 41, 1}, {40, 0, 1, 1}, {0, UINT32_MAX, 1, 2}, {39, 0, UINT32_MAX, 1}};
    const uint32_t first = 0, fourth = 3;
    akin_source *source = open_made("GTiff", "w.tif", 40, 30, 3, GDT_Byte);
    REQUIRE(source);
    struct akin_raster raster;
    akin_error err = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_EQ(akin_source_read(source, wrong[i], &first, 1, &raster, &err), AKIN_ERR_INVALID);
    const struct akin_window good = {0, 0, 1, 1};
    CHECK_EQ(akin_source_read(source, good, &fourth, 1, &raster, &err), AKIN_ERR_INVALID);
    CHECK_EQ(akin_source_read(source, good, &first, 0, &raster, &err), AKIN_ERR_INVALID);
    CHECK_EQ(akin_source_read(source, good, &first, AKIN_BANDS_MAX + 1, &raster, &err),
             AKIN_ERR_INVALID);
    CHECK(raster.pixels == NULL);
    const void *bytes;
    size_t size;
    CHECK_EQ(akin_source_jpeg_bytes(source, &bytes, &size, &err), AKIN_ERR_UNSUPPORTED);
    akin_source_close(source);
}

TEST(bands_are_mapped_by_what_they_are)
{
    uint32_t out[AKIN_BANDS_MAX];
    akin_error why = {0};
    akin_source *grey = open_made("GTiff", "1.tif", 4, 4, 1, GDT_Byte);
    akin_source *many = open_made("GTiff", "5.tif", 4, 4, 5, GDT_UInt16);
    akin_source *rgb = open_made("PNG", "3.png", 4, 4, 3, GDT_Byte);
    REQUIRE(grey && many && rgb);
    CHECK_EQ(akin_source_map_bands(grey, 3, out, &why), AKIN_OK);
    CHECK(out[0] == 0 && out[1] == 0 && out[2] == 0);
    CHECK_EQ(akin_source_map_bands(many, 3, out, &why), AKIN_OK);
    CHECK(out[0] == 0 && out[1] == 1 && out[2] == 2);
    CHECK_EQ(akin_source_map_bands(many, 1, out, &why), AKIN_OK);
    CHECK_EQ(out[0], 0);
    CHECK_EQ(akin_source_map_bands(many, 4, out, &why), AKIN_ERR_UNSUPPORTED);
    CHECK_CONTAINS(why.text, "5 bands");
    CHECK_EQ(akin_source_map_bands(many, 0, out, &why), AKIN_ERR_INVALID);

    CHECK_EQ(akin_source_map_bands(rgb, 1, out, &why), AKIN_OK);
    CHECK_EQ(out[0], AKIN_BAND_LUMA);
    struct akin_raster raster;
    REQUIRE_OK(akin_source_read(rgb, (struct akin_window){0, 0, 4, 4}, out, 1, &raster, err));
    for (int i = 0; i < 16; i++) {
        const double luma = 0.299 * pattern(i % 4, i / 4, 0) + 0.587 * pattern(i % 4, i / 4, 1) +
                            0.114 * pattern(i % 4, i / 4, 2);
        CHECK_NEAR(((const uint8_t *)raster.pixels)[i], luma, 0.501);
    }
    akin_raster_fini(&raster);
    CHECK_EQ(akin_source_read(many, (struct akin_window){0, 0, 4, 4}, out, 1, &raster, &why),
             AKIN_ERR_INVALID);
    akin_source_close(grey);
    akin_source_close(many);
    akin_source_close(rgb);
}

/* The area average of pixels [x0, x1) x [y0, y1) by brute force, of the valid ones. */
static double average(double x0, double x1, double y0, double y1, int band, double *weight)
{
    double sum = 0;
    *weight = 0;
    for (int y = (int)y0; y < y1; y++)
        for (int x = (int)x0; x < x1; x++) {
            const double value = pattern(x, y, band);
            const double area = (fmin(x1, x + 1) - fmax(x0, x)) * (fmin(y1, y + 1) - fmax(y0, y));
            if (value == 77 || area <= 0)
                continue;
            sum += area * value;
            *weight += area;
        }
    return *weight > 0 ? sum / *weight : 0;
}

TEST(reduction_is_the_exact_area_average_of_valid_pixels)
{
    static const uint32_t sizes[] = {1, 7, 20, 40, 52};
    char path[AKIN_PATH_MAX];
    akin_source *source;
    const uint32_t band = 0;
    GDALDatasetH dataset = make_memory(53, 31, 1, GDT_Float32);
    GDALSetRasterNoDataValue(GDALGetRasterBand(dataset, 1), 77);
    in_folder(path, check_folder(), "r.tif");
    CHECK(save_as(dataset, "GTiff", path, NULL));
    REQUIRE_OK(akin_source_open(&source, path, NULL, err));
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct akin_raster raster;
        REQUIRE_OK(akin_source_read_reduced(source, sizes[s], &band, 1, &raster, err));
        CHECK_EQ(raster.width, sizes[s]);
        CHECK_EQ(raster.height, fmax(1, floor(31.0 * sizes[s] / 53 + 0.5)));
        for (uint32_t i = 0; i < raster.width * raster.height; i++) {
            double weight;
            const double x = i % raster.width * 53.0 / raster.width, dx = 53.0 / raster.width;
            const double y = i / raster.width * 31.0 / raster.height, dy = 31.0 / raster.height;
            const double right = average(x, x + dx, y, y + dy, 0, &weight);
            if (weight > 1e-9)
                CHECK_NEAR(((const float *)raster.pixels)[i], right, 1e-3);
            CHECK_EQ(raster.valid && !raster.valid[i], weight <= 1e-9);
        }
        akin_raster_fini(&raster);
    }
    struct akin_raster same;
    REQUIRE_OK(akin_source_read_reduced(source, 53, &band, 1, &same, err));
    CHECK_EQ(same.width, 53);
    CHECK_EQ(((const float *)same.pixels)[1], pattern(1, 0, 0));
    akin_raster_fini(&same);
    akin_error err = {0};
    CHECK_EQ(akin_source_read_reduced(source, 0, &band, 1, &same, &err), AKIN_ERR_INVALID);
    akin_source_close(source);
}

/* A JPEG decoded at a half or less and averaged stays near the average of the whole. */
TEST(a_reduced_jpeg_is_near_the_average_of_the_whole)
{
    akin_source *source = open_made("JPEG", "r.jpg", 300, 200, 1, GDT_Byte);
    REQUIRE(source);
    const uint32_t band = 0;
    struct akin_raster small, whole;
    REQUIRE_OK(akin_source_read_reduced(source, 10, &band, 1, &small, err));
    REQUIRE_OK(
        akin_source_read(source, (struct akin_window){0, 0, 300, 200}, &band, 1, &whole, err));
    CHECK_EQ(small.width, 10);
    CHECK_EQ(small.height, 7);
    for (uint32_t x = 0; x < 10; x++) {
        double sum = 0;
        for (uint32_t i = 0; i < 30 * 28; i++)
            sum += ((const uint8_t *)whole.pixels)[i / 30 * 300 + x * 30 + i % 30];
        CHECK_NEAR(((const uint8_t *)small.pixels)[x], sum / (30 * 28), 4);
    }
    akin_raster_fini(&small);
    akin_raster_fini(&whole);
    akin_source_close(source);
}

TEST(percentiles_are_of_valid_pixels_and_repeatable)
{
    akin_source *source = open_made("GTiff", "p.tif", 400, 300, 2, GDT_Int16);
    REQUIRE(source);
    const uint32_t bands[2] = {1, 0};
    double low[2], high[2], again_low[2], again_high[2];
    REQUIRE_OK(akin_source_percentiles(source, bands, 2, low, high, err));
    REQUIRE_OK(akin_source_percentiles(source, bands, 2, again_low, again_high, err));
    for (int b = 0; b < 2; b++) {
        CHECK_NEAR(low[b], 5, 2);
        CHECK_NEAR(high[b], 250, 2);
        CHECK(low[b] == again_low[b] && high[b] == again_high[b]);
    }
    akin_source_close(source);

    /* One value everywhere, and none anywhere. */
    char path[AKIN_PATH_MAX];
    akin_error err_none = {0};
    for (int empty = 0; empty < 2; empty++) {
        GDALDatasetH dataset = make_memory(9, 9, 1, GDT_Float32);
        GDALFillRaster(GDALGetRasterBand(dataset, 1), 1e30, 0);
        if (empty)
            GDALSetRasterNoDataValue(GDALGetRasterBand(dataset, 1), (double)1e30f);
        in_folder(path, check_folder(), "q.tif");
        CHECK(save_as(dataset, "GTiff", path, NULL));
        REQUIRE_OK(akin_source_open(&source, path, NULL, err));
        const uint32_t band = 0;
        const akin_status status = akin_source_percentiles(source, &band, 1, low, high, &err_none);
        CHECK_EQ(status, empty ? AKIN_ERR_NOT_FOUND : AKIN_OK);
        CHECK(empty || low[0] < high[0]);
        akin_source_close(source);
    }
}

TEST(a_huge_raster_is_never_held_whole)
{
    const char *data = check_shared_data();
    if (!data) {
        check_skip("shared data absent");
        return;
    }
    char path[AKIN_PATH_MAX];
    akin_source *source;
    struct akin_raster raster;
    const uint32_t band = 0;
    double low, high;
    akin_source_setup(32 << 20);
    in_folder(path, data, "rasters/rio-tiler/cog_world.tif");
    REQUIRE_OK(akin_source_open(&source, path, NULL, err));
    REQUIRE_OK(akin_source_read_reduced(source, 512, &band, 1, &raster, err));
    CHECK_EQ(raster.width, 512);
    CHECK_EQ(raster.height, 256);
    akin_raster_fini(&raster);
    REQUIRE_OK(akin_source_percentiles(source, &band, 1, &low, &high, err));
    for (uint32_t y = 0; y < 18000; y += 512) {
        const struct akin_window row = {0, y, 36000, y + 512 < 18000 ? 512 : 18000 - y};
        REQUIRE_OK(akin_source_read(source, row, &band, 1, &raster, err));
        akin_raster_fini(&raster);
    }
    akin_source_close(source);
    CHECK(akin_memory_peak() < (size_t)256 << 20);
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(usage.ru_maxrss < 400 * 1024); /* KB */
#endif
}

/* ---- pictures as bytes ---- */

static struct akin_raster make_picture(uint32_t bands, enum akin_dtype dtype, bool mask)
{
    struct akin_raster raster = {0};
    CHECK(akin_raster_init(&raster, 21, 17, bands, dtype, mask, NULL) == AKIN_OK);
    for (uint32_t i = 0; i < 21 * 17; i++) {
        for (uint32_t b = 0; b < bands; b++) {
            const double value = 100 + (i % 21) * 3 + (i / 21) * 2 + b * 9;
            if (dtype == AKIN_U8)
                ((uint8_t *)raster.pixels)[i * bands + b] = (uint8_t)value;
            else
                ((uint16_t *)raster.pixels)[i * bands + b] = (uint16_t)(value * 250);
        }
        if (mask)
            raster.valid[i] = i % 7 ? 255 : 0;
    }
    return raster;
}

TEST(jpeg_goes_out_and_comes_back)
{
    for (uint32_t bands = 1; bands <= 3; bands += 2) {
        struct akin_raster raster = make_picture(bands, AKIN_U8, false), back;
        struct akin_buffer bytes;
        akin_buffer_init(&bytes, 1 << 20);
        REQUIRE_OK(akin_buffer_append(&bytes, "before", 6, err));
        REQUIRE_OK(akin_jpeg_encode(&raster, 95, &bytes, err));
        CHECK_EQ(memcmp(bytes.data, "before\xff\xd8", 8), 0);
        REQUIRE_OK(akin_jpeg_decode(bytes.data + 6, bytes.size - 6, 21 * 17, &back, err));
        CHECK_EQ(back.width, 21);
        CHECK_EQ(back.height, 17);
        CHECK_EQ(back.bands, bands);
        for (uint32_t i = 0; i < 21 * 17 * bands; i++)
            CHECK_NEAR(((const uint8_t *)back.pixels)[i], ((const uint8_t *)raster.pixels)[i], 8);
        akin_raster_fini(&back);
        akin_error err = {0};
        CHECK_EQ(akin_jpeg_decode(bytes.data + 6, bytes.size - 6, 21 * 17 - 1, &back, &err),
                 AKIN_ERR_LIMIT);
        CHECK_EQ(akin_jpeg_decode(bytes.data + 6, bytes.size / 2, 1 << 20, &back, &err),
                 AKIN_ERR_CORRUPT);
        CHECK_EQ(akin_jpeg_decode("no", 2, 1 << 20, &back, &err), AKIN_ERR_CORRUPT);
        CHECK_EQ(akin_jpeg_encode(&raster, 0, &bytes, &err), AKIN_ERR_UNSUPPORTED);
        raster.bands = 2;
        CHECK_EQ(akin_jpeg_encode(&raster, 90, &bytes, &err), AKIN_ERR_UNSUPPORTED);
        akin_raster_fini(&raster);
        akin_buffer_fini(&bytes);
    }
}

TEST(png_goes_out_and_comes_back_with_its_mask)
{
    for (int kind = 0; kind < 8; kind++) {
        const uint32_t bands = kind & 1 ? 3 : 1;
        const enum akin_dtype dtype = kind & 2 ? AKIN_U16 : AKIN_U8;
        struct akin_raster raster = make_picture(bands, dtype, kind & 4), back = {0};
        struct akin_buffer bytes;
        akin_source *source;
        const uint32_t all[3] = {0, 1, 2};
        akin_buffer_init(&bytes, 1 << 20);
        REQUIRE_OK(akin_png_encode(&raster, &bytes, err));
        REQUIRE_OK(akin_source_open_memory(&source, bytes.data, bytes.size, "x.png", NULL, err));
        CHECK_EQ(akin_source_info(source)->bands, bands);
        REQUIRE_OK(
            akin_source_read(source, (struct akin_window){0, 0, 21, 17}, all, bands, &back, err));
        CHECK_EQ(back.dtype, dtype);
        CHECK_EQ(memcmp(back.pixels, raster.pixels, 21 * 17 * bands * akin_dtype_size(dtype)), 0);
        CHECK_EQ(back.valid != NULL, raster.valid != NULL);
        CHECK(!back.valid || memcmp(back.valid, raster.valid, 21 * 17) == 0);
        akin_source_close(source);
        akin_raster_fini(&back);
        akin_raster_fini(&raster);
        akin_buffer_fini(&bytes);
    }
}

TEST(a_png_that_does_not_fit_leaves_the_buffer_as_it_was)
{
    struct akin_raster raster = make_picture(3, AKIN_U8, false);
    struct akin_buffer bytes;
    akin_error why = {0};
    akin_buffer_init(&bytes, 50);
    REQUIRE_OK(akin_buffer_append(&bytes, "before", 6, err));
    CHECK_EQ(akin_png_encode(&raster, &bytes, &why), AKIN_ERR_LIMIT);
    CHECK_EQ(bytes.size, 6);
    akin_buffer_fini(&bytes);
    akin_raster_fini(&raster);
}

TEST(a_raster_too_large_is_refused)
{
    struct akin_raster raster;
    akin_error err = {0};
    CHECK_EQ(akin_raster_init(&raster, UINT32_MAX, UINT32_MAX, 64, AKIN_F32, true, &err),
             AKIN_ERR_LIMIT);
    CHECK(raster.pixels == NULL);
    CHECK_EQ(akin_raster_init(&raster, 1u << 20, 1u << 11, 1, AKIN_U16, false, &err),
             AKIN_ERR_LIMIT);
    akin_raster_fini(NULL);
    akin_source_close(NULL);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
