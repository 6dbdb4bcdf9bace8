/*
 * Every kind of sample and colour: what comes out of each is compared with what was put in.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "make_raster.h"

#include <math.h>

static double sample(const struct akin_raster *r, uint32_t x, uint32_t y, uint32_t band)
{
    const size_t at = ((size_t)y * r->width + x) * r->bands + band;
    switch (r->dtype) {
    case AKIN_U8:
        return ((const uint8_t *)r->pixels)[at];
    case AKIN_U16:
        return ((const uint16_t *)r->pixels)[at];
    case AKIN_I16:
        return ((const int16_t *)r->pixels)[at];
    default:
        return ((const float *)r->pixels)[at];
    }
}

static bool holds_pattern(const struct akin_raster *r, double factor)
{
    for (uint32_t y = 0; y < r->height; y++)
        for (uint32_t x = 0; x < r->width; x++)
            for (uint32_t b = 0; b < r->bands; b++)
                if (sample(r, x, y, b) != factor * pattern((int)x, (int)y, (int)b))
                    return false;
    return true;
}

TEST(lossless_formats_give_their_samples_back)
{
    static const struct {
        const char *driver, *name, *option;
        int bands;
        GDALDataType type;
        enum akin_dtype dtype;
    } files[] = {
        {"PNG", "grey.png", NULL, 1, GDT_Byte, AKIN_U8},
        {"PNG", "rgb.png", NULL, 3, GDT_Byte, AKIN_U8},
        {"PNG", "deep.png", NULL, 3, GDT_UInt16, AKIN_U16},
        {"GTiff", "big.tif", "BIGTIFF=YES", 3, GDT_Byte, AKIN_U8},
        {"GTiff", "tiles.tif", "TILED=YES", 5, GDT_UInt16, AKIN_U16},
        {"GTiff", "i16.tif", "COMPRESS=LZW", 2, GDT_Int16, AKIN_I16},
        {"GTiff", "u32.tif", NULL, 1, GDT_UInt32, AKIN_F32},
        {"GTiff", "f64.tif", NULL, 2, GDT_Float64, AKIN_F32},
        {"GTiff", "complex.tif", NULL, 1, GDT_CFloat32, AKIN_F32},
        {"WEBP", "lossless.webp", "LOSSLESS=YES", 3, GDT_Byte, AKIN_U8},
        {"BMP", "rgb.bmp", NULL, 3, GDT_Byte, AKIN_U8},
        {"PNM", "rgb.ppm", NULL, 3, GDT_Byte, AKIN_U8},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[AKIN_PATH_MAX];
        struct akin_source_info info;
        struct akin_raster raster;
        in_folder(path, check_folder(), files[i].name);
        if (!save_as(make_memory(37, 29, files[i].bands, files[i].type), files[i].driver, path,
                     files[i].option)) {
            printf("# no driver for %s here\n", files[i].name);
            continue;
        }
        REQUIRE_OK(read_whole(path, NULL, &info, &raster, err));
        CHECK_EQ(info.bands, files[i].bands);
        CHECK_EQ(raster.dtype, files[i].dtype);
        CHECK(raster.valid == NULL);
        if (!holds_pattern(&raster, 1))
            check_text(files[i].name, "the same pixels", __FILE__, __LINE__, "read");
        akin_raster_fini(&raster);
    }
}

TEST(one_pixel_is_an_image)
{
    static const char *const files[][2] = {
        {"GTiff", "1.tif"}, {"PNG", "1.png"}, {"JPEG", "1.jpg"}, {"GIF", "1.gif"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[AKIN_PATH_MAX];
        struct akin_source_info info;
        struct akin_raster raster;
        in_folder(path, check_folder(), files[i][1]);
        CHECK(save_as(make_memory(1, 1, 1, GDT_Byte), files[i][0], path, NULL));
        REQUIRE_OK(read_whole(path, NULL, &info, &raster, err));
        CHECK_EQ(raster.width * raster.height * raster.bands, 1);
        CHECK_EQ(*(uint8_t *)raster.pixels, 0);
        akin_raster_fini(&raster);
    }
}

/* A palette of `grey` or coloured entries, entry 3 see-through. */
static GDALDatasetH make_palette(bool grey)
{
    GDALDatasetH dataset = make_memory(8, 8, 1, GDT_Byte);
    GDALRasterBandH band = GDALGetRasterBand(dataset, 1);
    GDALColorTableH table = GDALCreateColorTable(GPI_RGB);
    uint8_t index[64];
    for (int i = 0; i < 64; i++) {
        index[i] = (uint8_t)(i % 5);
        const short level = (short)(i * 4);
        const GDALColorEntry entry = {level, grey ? level : 10, grey ? level : 20,
                                      (short)(i == 3 ? 0 : 255)};
        GDALSetColorEntry(table, i, &entry);
    }
    CHECK(GDALRasterIO(band, GF_Write, 0, 0, 8, 8, index, 8, 8, GDT_Byte, 0, 0) == CE_None);
    GDALSetRasterColorTable(band, table);
    GDALDestroyColorTable(table);
    return dataset;
}

TEST(palettes_become_their_colours_and_see_through_is_missing)
{
    for (int grey = 0; grey < 2; grey++) {
        char path[AKIN_PATH_MAX];
        struct akin_source_info info;
        struct akin_raster raster;
        in_folder(path, check_folder(), grey ? "grey.png" : "colour.png");
        CHECK(save_as(make_palette(grey), "PNG", path, NULL));
        REQUIRE_OK(read_whole(path, NULL, &info, &raster, err));
        CHECK_EQ(info.bands, grey ? 1 : 3);
        CHECK(info.declares_nodata);
        REQUIRE(raster.valid);
        for (int i = 0; i < 64; i++) {
            const uint8_t *pixel = (const uint8_t *)raster.pixels + i * (grey ? 1 : 3);
            CHECK_EQ(raster.valid[i], i % 5 == 3 ? 0 : 255);
            CHECK_EQ(pixel[0], i % 5 * 4);
            CHECK(grey || (pixel[1] == 10 && pixel[2] == 20));
        }
        akin_raster_fini(&raster);
    }
}

TEST(black_and_white_is_0_and_255)
{
    static const char *const files[][3] = {{"PNG", "bits.png", "NBITS=1"},
                                           {"GTiff", "bits.tif", "NBITS=1"}};
    for (size_t f = 0; f < 2; f++) {
        char path[AKIN_PATH_MAX];
        struct akin_source_info info;
        struct akin_raster raster;
        GDALDatasetH dataset = GDALCreate((GDALAllRegister(), GDALGetDriverByName("MEM")), "", 9, 3,
                                          1, GDT_Byte, NULL);
        uint8_t bits[27];
        for (int i = 0; i < 27; i++)
            bits[i] = i % 2;
        CHECK(GDALRasterIO(GDALGetRasterBand(dataset, 1), GF_Write, 0, 0, 9, 3, bits, 9, 3,
                           GDT_Byte, 0, 0) == CE_None);
        in_folder(path, check_folder(), files[f][1]);
        CHECK(save_as(dataset, files[f][0], path, files[f][2]));
        REQUIRE_OK(read_whole(path, NULL, &info, &raster, err));
        CHECK_EQ(info.bands, 1);
        for (int i = 0; i < 27; i++)
            CHECK_EQ(((const uint8_t *)raster.pixels)[i], i % 2 ? 255 : 0);
        akin_raster_fini(&raster);
    }
}

TEST(signed_bytes_keep_their_sign)
{
    char path[AKIN_PATH_MAX];
    struct akin_source_info info;
    struct akin_raster raster;
    in_folder(path, check_folder(), "signed.tif");
    CHECK(save_as(make_memory(16, 16, 1, GDT_Byte), "GTiff", path, "PIXELTYPE=SIGNEDBYTE"));
    REQUIRE_OK(read_whole(path, NULL, &info, &raster, err));
    CHECK_EQ(raster.dtype, AKIN_I16);
    for (int i = 0; i < 256; i++)
        CHECK_EQ(((const int16_t *)raster.pixels)[i], (int8_t)(uint8_t)pattern(i % 16, i / 16, 0));
    akin_raster_fini(&raster);
}

/* Writes a CMYK JPEG as Adobe's programs do: 255 - ink. */
static void save_cmyk(const char *path, int sampling, const uint8_t inverted[4])
{
    uint8_t pixels[16 * 16][4];
    for (int i = 0; i < 256; i++)
        memcpy(pixels[i], inverted, 4);
    unsigned char *jpeg = NULL;
    unsigned long size = 0;
    tjhandle encoder = tjInitCompress();
    CHECK(tjCompress2(encoder, pixels[0], 16, 0, 16, TJPF_CMYK, &jpeg, &size, sampling, 100, 0) ==
          0);
    CHECK(akin_file_write_atomic(path, jpeg, size, NULL) == AKIN_OK);
    tjFree(jpeg);
    tjDestroy(encoder);
}

TEST(cmyk_jpeg_is_three_bands_of_light)
{
    const uint8_t inverted[4] = {200, 100, 50, 128};
    char path[AKIN_PATH_MAX];
    struct akin_source_info info;
    struct akin_raster raster;
    in_folder(path, check_folder(), "cmyk.jpg");
    save_cmyk(path, TJSAMP_444, inverted);
    REQUIRE_OK(read_whole(path, NULL, &info, &raster, err));
    CHECK_EQ(info.bands, 3);
    CHECK(!info.whole_jpeg);
    for (int c = 0; c < 3; c++) {
        CHECK_EQ(info.roles[c], AKIN_BAND_RED + c);
        CHECK_NEAR(((const uint8_t *)raster.pixels)[c], inverted[c] * 128 / 255.0, 2);
    }
    akin_raster_fini(&raster);
}

TEST(alpha_nodata_and_nan_are_missing)
{
    char path[AKIN_PATH_MAX];
    struct akin_source_info info;
    struct akin_raster raster;
    GDALDatasetH dataset = make_memory(8, 8, 4, GDT_Byte);
    for (int b = 1; b <= 4; b++)
        GDALSetRasterColorInterpretation(GDALGetRasterBand(dataset, b),
                                         b < 4 ? (GDALColorInterp)(GCI_RedBand + b - 1)
                                               : GCI_AlphaBand);
    in_folder(path, check_folder(), "alpha.png");
    CHECK(save_as(dataset, "PNG", path, NULL));
    REQUIRE_OK(read_whole(path, NULL, &info, &raster, err));
    CHECK_EQ(info.bands, 3);
    CHECK(info.declares_nodata);
    REQUIRE(raster.valid);
    for (int i = 0; i < 64; i++)
        CHECK_EQ(raster.valid[i], pattern(i % 8, i / 8, 3) >= 128 ? 255 : 0);
    akin_raster_fini(&raster);

    dataset = make_memory(4, 4, 2, GDT_Float32);
    const float odd[3] = {NAN, INFINITY, -7};
    CHECK(GDALRasterIO(GDALGetRasterBand(dataset, 2), GF_Write, 0, 1, 3, 1, (void *)(uintptr_t)odd,
                       3, 1, GDT_Float32, 0, 0) == CE_None);
    GDALSetRasterNoDataValue(GDALGetRasterBand(dataset, 1), -7);
    GDALSetRasterNoDataValue(GDALGetRasterBand(dataset, 2), -7);
    in_folder(path, check_folder(), "odd.tif");
    CHECK(save_as(dataset, "GTiff", path, NULL));
    REQUIRE_OK(read_whole(path, NULL, &info, &raster, err));
    REQUIRE(raster.valid);
    for (int i = 0; i < 16; i++)
        CHECK_EQ(raster.valid[i], i >= 4 && i < 7 ? 0 : 255);
    akin_raster_fini(&raster);
}

/* More than 64 bands: the first 64. Reading band 65 is refused. */
TEST(bands_past_the_maximum_are_left_out)
{
    char path[AKIN_PATH_MAX];
    struct akin_source_info info;
    struct akin_raster raster;
    in_folder(path, check_folder(), "many.tif");
    CHECK(save_as(make_memory(3, 3, 70, GDT_Byte), "GTiff", path, NULL));
    REQUIRE_OK(read_whole(path, NULL, &info, &raster, err));
    CHECK_EQ(info.bands, AKIN_BANDS_MAX);
    CHECK(holds_pattern(&raster, 1));
    akin_raster_fini(&raster);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
