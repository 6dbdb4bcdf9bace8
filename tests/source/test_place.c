/*
 * Places and times: every way of saying where an image lies, and when it was taken.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "make_raster.h"

#include <math.h>

static akin_source *open_or_fail(const char *path, const struct akin_source_options *options)
{
    akin_source *source = NULL;
    akin_error err = {0};
    if (akin_source_open(&source, path, options, &err) != AKIN_OK)
        check_text(err.text, "", __FILE__, __LINE__, path);
    return source;
}

static void save_placed(const char *path, const double transform[6], const char *crs)
{
    GDALDatasetH dataset = make_memory(36, 18, 1, GDT_Byte);
    OGRSpatialReferenceH srs = OSRNewSpatialReference(NULL);
    if (transform)
        GDALSetGeoTransform(dataset, (double *)(uintptr_t)transform);
    if (crs && OSRSetFromUserInput(srs, crs) == OGRERR_NONE)
        GDALSetSpatialRef(dataset, srs);
    OSRDestroySpatialReference(srs);
    CHECK(save_as(dataset, "GTiff", path, NULL));
}

static void expect_point(akin_source *source, double x, double y, double lon, double lat)
{
    double got_lon, got_lat;
    akin_error err = {0};
    CHECK_EQ(akin_source_lonlat(source, 1, &x, &y, &got_lon, &got_lat, &err), AKIN_OK);
    CHECK_NEAR(got_lon, lon, 1e-6);
    CHECK_NEAR(got_lat, lat, 1e-6);
}

static void expect_bbox(const akin_source *source, double west, double south, double east,
                        double north, double tolerance)
{
    const struct akin_bbox box = akin_source_info(source)->bbox;
    CHECK_NEAR(box.west, west, tolerance);
    CHECK_NEAR(box.south, south, tolerance);
    CHECK_NEAR(box.east, east, tolerance);
    CHECK_NEAR(box.north, north, tolerance);
}

TEST(degrees_in_the_file_the_globe_and_0_to_360)
{
    static const double globe[6] = {-180, 10, 0, 90, 0, -10}, pacific[6] = {170, 1, 0, 10, 0, -1},
                        positive[6] = {200, 1, 0, 10, 0, -1}, upside[6] = {-180, 10, 0, -90, 0, 10};
    char path[AKIN_PATH_MAX];
    akin_source *source;
    in_folder(path, check_folder(), "a.tif");

    save_placed(path, globe, "EPSG:4326");
    REQUIRE((source = open_or_fail(path, NULL)));
    expect_bbox(source, -180, -90, 180, 90, 1e-9);
    expect_point(source, 36, 0, 180, 90);
    expect_point(source, 9, 9, -90, 0);
    akin_source_close(source);

    save_placed(path, pacific, "EPSG:4326");
    REQUIRE((source = open_or_fail(path, NULL)));
    expect_bbox(source, 170, -8, -154, 10, 1e-9);
    akin_source_close(source);

    save_placed(path, positive, "EPSG:4326");
    REQUIRE((source = open_or_fail(path, NULL)));
    expect_bbox(source, -160, -8, -124, 10, 1e-9);
    akin_source_close(source);

    save_placed(path, upside, "EPSG:4326");
    REQUIRE((source = open_or_fail(path, NULL)));
    expect_bbox(source, -180, -90, 180, 90, 1e-9);
    expect_point(source, 0, 18, -180, 90);
    akin_source_close(source);
}

TEST(projected_rotated_and_polar)
{
    static const double mercator[6] = {0, 1000, 0, 0, 0, -1000};
    static const double rotated[6] = {10, 0.1, 0.05, 50, 0.05, -0.1};
    static const double polar[6] = {-1800000, 100000, 0, 900000, 0, -100000};
    char path[AKIN_PATH_MAX];
    akin_source *source;
    in_folder(path, check_folder(), "a.tif");

    save_placed(path, mercator, "EPSG:3857");
    REQUIRE((source = open_or_fail(path, NULL)));
    expect_point(source, 36, 0, 36000 / 6378137.0 * 180 / M_PI, 0);
    akin_source_close(source);

    save_placed(path, rotated, "EPSG:4326");
    REQUIRE((source = open_or_fail(path, NULL)));
    expect_point(source, 10, 4, 10 + 1 + 0.2, 50 + 0.5 - 0.4);
    akin_source_close(source);

    save_placed(path, polar, "EPSG:3413");
    REQUIRE((source = open_or_fail(path, NULL)));
    const struct akin_bbox box = akin_source_info(source)->bbox;
    CHECK_NEAR(box.north, 90, 1e-9);
    CHECK_NEAR(akin_bbox_width_deg(box), 360, 1e-9);
    akin_source_close(source);
}

TEST(gcps_world_files_and_aux_files)
{
    char path[AKIN_PATH_MAX], side[AKIN_PATH_MAX];
    const char *folder = check_folder();
    akin_source *source;
    GDALDatasetH dataset = make_memory(36, 18, 1, GDT_Byte);
    GDAL_GCP gcps[4];
    GDALInitGCPs(4, gcps);
    for (int i = 0; i < 4; i++) { /* on both sides of the antimeridian */
        gcps[i].dfGCPPixel = i % 2 * 36;
        gcps[i].dfGCPLine = i / 2 * 18;
        gcps[i].dfGCPX = i % 2 ? -178 : 178;
        gcps[i].dfGCPY = 10 - i / 2 * 2;
    }
    OGRSpatialReferenceH srs = OSRNewSpatialReference(NULL);
    OSRImportFromEPSG(srs, 4326);
    OSRSetAxisMappingStrategy(srs, OAMS_TRADITIONAL_GIS_ORDER);
    GDALSetGCPs2(dataset, 4, gcps, srs);
    OSRDestroySpatialReference(srs);
    GDALDeinitGCPs(4, gcps);
    in_folder(path, folder, "gcps.tif");
    CHECK(save_as(dataset, "GTiff", path, NULL));
    REQUIRE((source = open_or_fail(path, NULL)));
    expect_bbox(source, 178, 8, -178, 10, 1e-6);
    akin_source_close(source);

    in_folder(path, folder, "w.jpg");
    in_folder(side, folder, "w.jgw");
    CHECK(save_as(make_memory(36, 18, 3, GDT_Byte), "JPEG", path, NULL));
    static const char world[] = "0.5\n0\n0\n-0.5\n7.25\n49.75\n";
    REQUIRE_OK(akin_file_write_atomic(side, world, sizeof world - 1, err));
    REQUIRE((source = open_or_fail(path, NULL)));
    expect_bbox(source, 7, 41, 25, 50, 1e-9);
    CHECK(akin_source_info(source)->place_from_file);
    CHECK(!akin_source_info(source)->whole_jpeg);
    akin_source_close(source);

    /* The same numbers in metres of a projection that the caller names. */
    struct akin_source_options options;
    akin_source_options_default(&options);
    options.crs = "EPSG:3857";
    REQUIRE((source = open_or_fail(path, &options)));
    expect_point(source, 0, 0, 7 / 6378137.0 * 180 / M_PI, 50 / 6378137.0 * 180 / M_PI);
    akin_source_close(source);
}

TEST(bbox_of_the_caller_is_used_where_the_file_has_none)
{
    static const double globe[6] = {-180, 10, 0, 90, 0, -10};
    char path[AKIN_PATH_MAX], placed[AKIN_PATH_MAX];
    akin_source *source;
    struct akin_source_options options;
    akin_source_options_default(&options);
    const double across[4] = {170, -10, -170, 10}, metres[4] = {0, 0, 36000, 18000};
    in_folder(path, check_folder(), "a.jpg");
    in_folder(placed, check_folder(), "placed.tif");
    CHECK(save_as(make_memory(36, 18, 3, GDT_Byte), "JPEG", path, NULL));
    save_placed(placed, globe, "EPSG:4326");

    memcpy(options.bbox, across, sizeof across);
    REQUIRE((source = open_or_fail(path, &options)));
    expect_bbox(source, 170, -10, -170, 10, 1e-9);
    CHECK(akin_source_info(source)->has_place && !akin_source_info(source)->place_from_file);
    CHECK(akin_source_info(source)->whole_jpeg);
    akin_source_close(source);

    REQUIRE((source = open_or_fail(placed, &options)));
    expect_bbox(source, -180, -90, 180, 90, 1e-9);
    akin_source_close(source);

    memcpy(options.bbox, metres, sizeof metres);
    options.crs = "EPSG:3857";
    REQUIRE((source = open_or_fail(path, &options)));
    expect_point(source, 36, 18, 36000 / 6378137.0 * 180 / M_PI, 0);
    akin_source_close(source);

    static const char *const wrong[] = {"EPSG:999999", "nonsense", "/etc/passwd"};
    for (size_t i = 0; i < 3; i++) {
        akin_error err = {0};
        options.crs = wrong[i];
        CHECK_EQ(akin_source_open(&source, path, &options, &err), AKIN_ERR_INVALID);
        CHECK_CONTAINS(err.text, wrong[i]);
    }
    akin_error err = {0};
    options.crs = NULL;
    options.bbox[1] = 5;
    options.bbox[3] = -5;
    CHECK_EQ(akin_source_open(&source, path, &options, &err), AKIN_ERR_INVALID);
}

TEST(no_crs_or_another_planet_is_no_place)
{
    static const double somewhere[6] = {100, 2, 0, 200, 0, -2};
    static const char mars[] = "+proj=eqc +R=3396190 +units=m +no_defs";
    char path[AKIN_PATH_MAX];
    const char *const crs[] = {NULL, mars};
    in_folder(path, check_folder(), "a.tif");
    for (size_t i = 0; i < 2; i++) {
        akin_source *source;
        double one = 1, lon, lat;
        akin_error err = {0};
        save_placed(path, somewhere, crs[i]);
        REQUIRE((source = open_or_fail(path, NULL)));
        CHECK(!akin_source_info(source)->has_place);
        CHECK(!akin_bbox_known(akin_source_info(source)->bbox));
        CHECK_EQ(akin_source_lonlat(source, 1, &one, &one, &lon, &lat, &err), AKIN_ERR_UNSUPPORTED);
        CHECK_CONTAINS(err.text, "--bbox");
        akin_source_close(source);
    }
}

/* ---- time ---- */

static void expect_time(const char *path, const struct akin_source_options *options,
                        const char *expected)
{
    char text[AKIN_INTERVAL_TEXT_MAX];
    akin_source *source = open_or_fail(path, options);
    REQUIRE(source);
    akin_interval_format(text, akin_source_info(source)->time);
    CHECK_TEXT(text, expected);
    akin_source_close(source);
}

static void save_dated(const char *path, const char *key, const char *value)
{
    GDALDatasetH dataset = make_memory(8, 8, 1, GDT_Byte);
    if (key)
        GDALSetMetadataItem(dataset, key, value, NULL);
    CHECK(save_as(dataset, "GTiff", path, NULL));
}

TEST(time_is_from_flag_metadata_pattern_name_or_writing)
{
    char path[AKIN_PATH_MAX];
    struct akin_source_options options;
    akin_source_options_default(&options);
    in_folder(path, check_folder(), "x_20120731_y1999.tif");
    save_dated(path, NULL, NULL);
    expect_time(path, NULL, "2012-07-31");
    options.time_pattern = "y%Y";
    expect_time(path, &options, "1999");
    save_dated(path, "TIFFTAG_DATETIME", "2018:07:16 06:06:23");
    expect_time(path, NULL, "2012-07-31");
    save_dated(path, "ACQUISITION_DATE", "2015-03-04");
    expect_time(path, &options, "2015-03-04");
    save_dated(path, "SENSING_TIME", "2016-01-05T09:01:22.461072Z");
    expect_time(path, NULL, "2016-01-05T09:01:22.461Z");
    save_dated(path, "DATE_ACQUIRED", "0000:00:00");
    expect_time(path, NULL, "2012-07-31");
    REQUIRE_OK(akin_interval_parse(&options.time, "2001", err));
    expect_time(path, &options, "2001");

    in_folder(path, check_folder(), "plain.tif");
    save_dated(path, "TIFFTAG_DATETIME", "2018:07:16 06:06:23");
    expect_time(path, NULL, "2018-07-16T06:06:23Z");
    save_dated(path, NULL, NULL);
    expect_time(path, NULL, "");

    options.time = akin_interval_unknown();
    options.time_pattern = "%Q";
    akin_source *source;
    akin_error err = {0};
    CHECK_EQ(akin_source_open(&source, path, &options, &err), AKIN_ERR_INVALID);
}

/* A JPEG with an EXIF block whose DateTimeOriginal is `text`. */
static void save_photo(const char *path, const char text[20])
{
    static const unsigned char head[] = {
        0xFF, 0xD8, 0xFF, 0xE1, 0, 2 + 6 + 8 + 18 + 18 + 20,
        'E',  'x',  'i',  'f',  0, 0, /* */
        'M',  'M',  0,    42,   0, 0,
        0,    8, /* */
        0,    1,    0x87, 0x69, 0, 4,
        0,    0,    0,    1,    0, 0,
        0,    26,   0,    0,    0, 0, /* at 8 */
        0,    1,    0x90, 0x03, 0, 2,
        0,    0,    0,    20,   0, 0,
        0,    44,   0,    0,    0, 0, /* at 26 */
    };
    struct akin_buffer file;
    akin_buffer_init(&file, 1 << 20);
    REQUIRE_OK(akin_file_read(&file, path, err));
    struct akin_buffer photo;
    akin_buffer_init(&photo, 1 << 20);
    REQUIRE_OK(akin_buffer_append(&photo, head, sizeof head, err));
    REQUIRE_OK(akin_buffer_append(&photo, text, 20, err));
    REQUIRE_OK(akin_buffer_append(&photo, file.data + 2, file.size - 2, err));
    REQUIRE_OK(akin_file_write_atomic(path, photo.data, photo.size, err));
    akin_buffer_fini(&photo);
    akin_buffer_fini(&file);
}

TEST(a_photo_knows_when_it_was_taken)
{
    char path[AKIN_PATH_MAX];
    in_folder(path, check_folder(), "IMG_20200101.jpg");
    CHECK(save_as(make_memory(8, 8, 3, GDT_Byte), "JPEG", path, NULL));
    expect_time(path, NULL, "2020-01-01");
    save_photo(path, "2019:05:06 07:08:09");
    expect_time(path, NULL, "2019-05-06T07:08:09Z");
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
