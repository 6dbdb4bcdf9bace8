/*
 * Cutting whole scenes: the same tiles whatever the strips, resuming, footprints, missing pixels,
 * chips, and queries cut as the indexed are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "akin/tile.h"

#define TILES_MAX 4096

/* A scene of the test's own making, in a file. */
struct scene {
    char path[AKIN_PATH_MAX];
    akin_source *source;
    struct akin_settings settings;
    struct akin_scaling scaling;
    struct akin_cut_plan plan;
};

static void paint(struct akin_raster *raster)
{
    size_t count = (size_t)raster->width * raster->height * raster->bands;
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)raster->pixels)[i] =
            (uint8_t)(100 + 60 * sin((double)i / 50) + (double)akin_random_below(5, 0, i, 40));
}

static akin_status write_picture(const char *path, const struct akin_raster *raster, bool jpeg,
                                 akin_error *err)
{
    struct akin_buffer bytes;
    akin_buffer_init(&bytes, (size_t)1 << 28);
    akin_status status =
        jpeg ? akin_jpeg_encode(raster, 90, &bytes, err) : akin_png_encode(raster, &bytes, err);
    if (status == AKIN_OK)
        status = akin_file_write_atomic(path, bytes.data, bytes.size, err);
    akin_buffer_fini(&bytes);
    return status;
}

/* Opens scene->path with a bbox ("W,S,E,N" in crs, or NULL) and plans it. */
static akin_status scene_open(struct scene *scene, const char *bbox, const char *crs,
                              akin_error *err)
{
    struct akin_source_options options;
    akin_source_options_default(&options);
    akin_status status = AKIN_OK;
    if (bbox)
        status = akin_parse_doubles(options.bbox, 4, bbox, "bbox", err);
    options.crs = crs;
    if (status == AKIN_OK)
        status = akin_source_open(&scene->source, scene->path, &options, err);
    if (status != AKIN_OK)
        return status;
    const struct akin_source_info *info = akin_source_info(scene->source);
    uint32_t bands = scene->settings.bands ? scene->settings.bands : info->bands;
    akin_scaling_identity(&scene->scaling, bands);
    if (info->dtype != AKIN_U8) {
        for (uint32_t b = 0; b < bands; b++)
            scene->scaling.high[b] = 10000;
    }
    return akin_cut_plan_init(&scene->plan, &scene->settings, scene->source, 42, &scene->scaling,
                              err);
}

/* Writes and opens a painted picture. */
static akin_status scene_make(struct scene *scene, uint32_t width, uint32_t height, uint32_t tile,
                              double overlap, const char *bbox, const char *crs, akin_error *err)
{
    struct akin_raster raster = {0};
    memset(scene, 0, sizeof *scene);
    akin_settings_default(&scene->settings);
    scene->settings.tile_px = tile;
    scene->settings.overlap = overlap;
    scene->settings.input_px = 16;
    akin_status status = akin_path_join(scene->path, check_folder(), "a.png", err);
    if (status == AKIN_OK)
        status = akin_raster_init(&raster, width, height, 3, AKIN_U8, false, err);
    if (status != AKIN_OK)
        return status;
    paint(&raster);
    status = write_picture(scene->path, &raster, false, err);
    akin_raster_fini(&raster);
    return status == AKIN_OK ? scene_open(scene, bbox, crs, err) : status;
}

static void scene_close(struct scene *scene)
{
    akin_source_close(scene->source);
    scene->source = NULL;
}

/* All tiles' inputs and columns, in one buffer that can be compared, sorted by key. */
struct record {
    struct akin_columns columns;
    uint8_t input[16 * 16 * 3];
    uint64_t chip_crc;
};

static int compare_records(const void *a, const void *b)
{
    uint64_t x = ((const struct record *)a)->columns.key,
             y = ((const struct record *)b)->columns.key;
    return (x > y) - (x < y);
}

static void record_tiles(const struct akin_strip *strip, struct record *records, size_t *count)
{
    for (size_t i = 0; i < strip->count && *count < TILES_MAX; i++) {
        struct record *record = &records[(*count)++];
        record->columns = strip->tiles[i].columns;
        memcpy(record->input, strip->tiles[i].input, sizeof record->input);
        record->chip_crc = strip->tiles[i].chip
                               ? akin_crc32c(0, strip->tiles[i].chip, strip->tiles[i].chip_bytes)
                               : 0;
    }
}

/* Cuts all; *strips counts them. After `stop_at` strips another cutter goes on. */
static akin_status cut_all(struct scene *scene, struct record *records, size_t *count,
                           size_t *strips, size_t stop_at, akin_error *err)
{
    akin_cutter *cutter = NULL;
    struct akin_strip strip = {0};
    uint64_t position = scene->plan.start;
    *count = *strips = 0;
    akin_status status = akin_cutter_open(&cutter, scene->source, &scene->plan, err);
    while (status == AKIN_OK && (status = akin_cutter_next(cutter, &strip, err)) == AKIN_OK) {
        CHECK_EQ(strip.position, position);
        CHECK_EQ(strip.windows, strip.count + strip.skipped);
        if (!strip.windows)
            break;
        CHECK(strip.bytes <= akin_cut_plan_bytes(&scene->plan, AKIN_U8));
        position += strip.windows;
        record_tiles(&strip, records, count);
        akin_strip_free(&strip);
        if (++*strips == stop_at) {
            akin_cutter_close(cutter);
            cutter = NULL;
            scene->plan.start = position;
            status = akin_cutter_open(&cutter, scene->source, &scene->plan, err);
        }
    }
    akin_cutter_close(cutter);
    scene->plan.start = 0;
    CHECK_EQ(position, akin_grid_count(&scene->plan.grid));
    qsort(records, *count, sizeof *records, compare_records);
    return status;
}

TEST(strips_order_and_resuming_do_not_change_the_tiles)
{
    struct scene scene;
    size_t count, other_count, strips;
    struct record *all = calloc(TILES_MAX, sizeof *all), *other = calloc(TILES_MAX, sizeof *other);
    REQUIRE(all && other);
    REQUIRE_OK(scene_make(&scene, 300, 210, 64, 0.5, "-10,40,20,61", NULL, err));
    REQUIRE_OK(cut_all(&scene, all, &count, &strips, 0, err));
    CHECK_EQ(count, akin_grid_count(&scene.plan.grid));
    CHECK_EQ(strips, scene.plan.grid.rows);
    scene.plan.order_stride = 3;
    scene.plan.strip_bytes_max = 64 * 64 * 4 * 2;
    size_t total_strips = 2;
    for (size_t stop = 0; stop < total_strips; stop++) {
        REQUIRE_OK(cut_all(&scene, other, &other_count, &total_strips, stop, err));
        CHECK(total_strips >= 2 * scene.plan.grid.rows);
        CHECK_EQ(other_count, count);
        CHECK(!memcmp(all, other, count * sizeof *all));
    }
    akin_cutter *cutter = NULL;
    akin_error failure = {0};
    scene.plan.start = 1;
    CHECK_EQ(akin_cutter_open(&cutter, scene.source, &scene.plan, &failure), AKIN_ERR_INVALID);
    CHECK_CONTAINS(failure.text, "tile 1");
    scene.plan.start = akin_grid_count(&scene.plan.grid) + 1;
    CHECK_EQ(akin_cutter_open(&cutter, scene.source, &scene.plan, NULL), AKIN_ERR_INVALID);
    scene_close(&scene);
    free(all);
    free(other);
}

TEST(a_tile_is_its_window_reduced)
{
    struct scene scene;
    akin_cutter *cutter = NULL;
    struct akin_strip strip = {0};
    uint8_t input[16 * 16 * 3];
    REQUIRE_OK(scene_make(&scene, 200, 100, 64, 0.25, "0,0,20,10", NULL, err));
    REQUIRE_OK(akin_cutter_open(&cutter, scene.source, &scene.plan, err));
    REQUIRE_OK(akin_cutter_next(cutter, &strip, err));
    CHECK_EQ(strip.count, scene.plan.grid.cols);
    for (uint32_t i = 0; i < strip.count; i++) {
        const struct akin_tile *tile = &strip.tiles[i];
        struct akin_raster raster = {0}, chip = {0};
        struct akin_window window = akin_grid_window(&scene.plan.grid, 0, i);
        REQUIRE_OK(akin_source_read(scene.source, window, scene.plan.bands, 3, &raster, err));
        REQUIRE_OK(akin_tile_input(&raster, &scene.scaling, 16, input, NULL, err));
        CHECK(!memcmp(input, tile->input, sizeof input));
        CHECK_EQ(tile->columns.key, akin_tile_key(42, 0, 0, i));
        CHECK_EQ(tile->columns.nodata, 0);
        CHECK(!tile->filled);
        double sum = 0, squares = 0;
        for (int cell = 0; cell < 256; cell++) {
            double grey = (input[3 * cell] + input[3 * cell + 1] + input[3 * cell + 2]) / 3.0;
            sum += grey / 256, squares += grey * grey / 256;
        }
        CHECK_NEAR(tile->columns.texture / 2.0, sqrt(squares - sum * sum), 0.26);
        REQUIRE_OK(akin_chip_decode(tile->chip, tile->chip_bytes, &chip, err));
        CHECK(chip.width == 64 && chip.height == 64 && chip.bands == 3);
        akin_raster_fini(&raster);
        akin_raster_fini(&chip);
    }
    akin_strip_free(&strip);
    akin_strip_free(&strip);
    akin_cutter_close(cutter);
    scene_close(&scene);
}

/* ---- places ---- */

/* The columns of the tile at (row, col). */
static struct akin_columns columns_at(struct scene *scene, uint32_t row, uint32_t col)
{
    struct akin_columns columns = {0};
    akin_cutter *cutter = NULL;
    struct akin_strip strip = {0};
    scene->plan.chips = false;
    CHECK_EQ(akin_cutter_open(&cutter, scene->source, &scene->plan, NULL), AKIN_OK);
    while (cutter && akin_cutter_next(cutter, &strip, NULL) == AKIN_OK && strip.windows) {
        for (size_t i = 0; i < strip.count; i++) {
            CHECK(!strip.tiles[i].chip);
            if (strip.tiles[i].columns.key == akin_tile_key(42, 0, row, col))
                columns = strip.tiles[i].columns;
        }
        akin_strip_free(&strip);
    }
    akin_cutter_close(cutter);
    CHECK(columns.key != 0);
    return columns;
}

TEST(a_tile_in_degrees_lies_where_its_window_does)
{
    struct scene scene;
    REQUIRE_OK(scene_make(&scene, 360, 180, 60, 0, "-180,-90,180,90", "EPSG:4326", err));
    struct akin_columns columns = columns_at(&scene, 1, 2);
    static const int32_t corners[8] = {-60, 30, 0, 30, 0, -30, -60, -30};
    for (int i = 0; i < 8; i++)
        CHECK_NEAR(columns.corner_e7[i] / 1e7, corners[i], 1e-6);
    struct akin_bbox box = akin_columns_bbox(&columns);
    CHECK_NEAR(box.west, -60, 1e-6);
    CHECK_NEAR(box.south, -30, 1e-6);
    CHECK_NEAR(box.east, 0, 1e-6);
    CHECK_NEAR(box.north, 30, 1e-6);
    CHECK_EQ(columns.hilbert, akin_hilbert_key(-30, 0));
    CHECK_EQ(columns.begin_ms, akin_interval_unknown().begin_ms);
    scene_close(&scene);
}

TEST(the_whole_globe_as_one_tile_spans_it)
{
    struct scene scene;
    REQUIRE_OK(scene_make(&scene, 128, 64, 512, 0, "-180,-90,180,90", NULL, err));
    struct akin_columns columns = columns_at(&scene, 0, 0);
    struct akin_bbox box = akin_columns_bbox(&columns);
    CHECK_NEAR(akin_bbox_width_deg(box), 360, 1e-6);
    CHECK_NEAR(box.north, 90, 1e-6);
    CHECK_NEAR(box.south, -90, 1e-6);
    scene_close(&scene);
}

static void pole_case(const char *crs, double pole_lat)
{
    struct scene scene;
    /* Windows of 64 at 0 and 32: the pole at 48, 48 is inside of all four. */
    REQUIRE_OK(scene_make(&scene, 96, 96, 64, 0, "-960000,-960000,960000,960000", crs, err));
    for (uint32_t i = 0; i < 4; i++) {
        struct akin_columns columns = columns_at(&scene, i / 2, i % 2);
        struct akin_bbox box = akin_columns_bbox(&columns);
        CHECK_NEAR(akin_bbox_width_deg(box), 360, 1e-6);
        CHECK_NEAR(pole_lat > 0 ? box.north : box.south, pole_lat, 1e-6);
        CHECK(fabs(pole_lat > 0 ? box.south : box.north) < 81);
    }
    scene_close(&scene);
    /* Windows of 48: the pole is their common corner, each a quarter. */
    REQUIRE_OK(scene_make(&scene, 96, 96, 48, 0, "-960000,-960000,960000,960000", crs, err));
    for (uint32_t i = 0; i < 4; i++) {
        struct akin_columns columns = columns_at(&scene, i / 2, i % 2);
        struct akin_bbox box = akin_columns_bbox(&columns);
        CHECK_NEAR(akin_bbox_width_deg(box), 90, 1e-3);
        CHECK_NEAR(pole_lat > 0 ? box.north : box.south, pole_lat, 1e-6);
    }
    scene_close(&scene);
}

TEST(a_tile_that_holds_a_pole_knows_it)
{
    pole_case("EPSG:3413", 90);
    pole_case("EPSG:3031", -90);
}

TEST(an_edge_that_bulges_is_inside_the_box)
{
    struct scene scene;
    /* Off the pole: the middle of an edge lies nearer to the pole than its corners. */
    REQUIRE_OK(
        scene_make(&scene, 64, 64, 64, 0, "-1000000,-3000000,1000000,-1000000", "EPSG:3413", err));
    struct akin_columns columns = columns_at(&scene, 0, 0);
    struct akin_bbox box = akin_columns_bbox(&columns);
    double corner_north = -90;
    for (int i = 0; i < 4; i++)
        corner_north = fmax(corner_north, columns.corner_e7[2 * i + 1] / 1e7);
    CHECK(box.north > corner_north + 2);
    CHECK(akin_bbox_width_deg(box) < 180);
    scene_close(&scene);
}

TEST(a_picture_without_a_place_has_none)
{
    struct scene scene;
    REQUIRE_OK(scene_make(&scene, 100, 80, 64, 0, NULL, NULL, err));
    CHECK(scene.plan.grid.whole && !scene.plan.black_is_gap);
    struct akin_columns columns = columns_at(&scene, 0, 0);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(columns.corner_e7[i], AKIN_E7_UNKNOWN);
    CHECK(!akin_bbox_known(akin_columns_bbox(&columns)));
    CHECK_EQ(columns.hilbert, UINT32_MAX);
    scene_close(&scene);
}

/* Opens a file of the shared data; false (and the case skipped) without it. */
static bool shared_scene(struct scene *scene, const char *name, uint32_t tile)
{
    const char *data = check_shared_data();
    if (!data) {
        check_skip("shared data absent");
        return false;
    }
    akin_error failure = {0};
    memset(scene, 0, sizeof *scene);
    akin_settings_default(&scene->settings);
    scene->settings.tile_px = tile;
    scene->settings.input_px = 16;
    snprintf(scene->path, sizeof scene->path, "%s/%s", data, name);
    bool ok = scene_open(scene, NULL, NULL, &failure) == AKIN_OK;
    check_text(failure.text, "", __FILE__, __LINE__, name);
    return ok;
}

TEST(a_raster_across_the_antimeridian_has_tiles_on_both_sides)
{
    struct scene scene;
    if (!shared_scene(&scene, "rasters/rio-tiler/cog_dateline.tif", 256))
        return;
    akin_cutter *cutter = NULL;
    struct akin_strip strip = {0};
    size_t west = 0, east = 0, across = 0;
    scene.plan.nodata_max = 1;
    REQUIRE_OK(akin_cutter_open(&cutter, scene.source, &scene.plan, err));
    for (;;) {
        REQUIRE_OK(akin_cutter_next(cutter, &strip, err));
        if (!strip.windows)
            break;
        for (size_t i = 0; i < strip.count; i++) {
            struct akin_bbox box = akin_columns_bbox(&strip.tiles[i].columns);
            CHECK(akin_bbox_width_deg(box) < 2);
            across += box.west > box.east;
            west += box.west < box.east && box.east < 0;
            east += box.west < box.east && box.west > 0;
        }
        akin_strip_free(&strip);
    }
    CHECK(west > 0 && east > 0 && across > 0);
    akin_cutter_close(cutter);
    scene_close(&scene);
}

TEST(a_rotated_raster_has_rotated_footprints)
{
    struct scene scene;
    if (!shared_scene(&scene, "rasters/rio-tiler/cog_gcps.tif", 4096))
        return;
    const struct akin_source_info *info = akin_source_info(scene.source);
    scene.plan.nodata_max = 1;
    struct akin_columns columns = columns_at(&scene, 0, 0);
    double x[4] = {0, info->width, info->width, 0}, y[4] = {0, 0, info->height, info->height};
    double lon[4], lat[4];
    REQUIRE_OK(akin_source_lonlat(scene.source, 4, x, y, lon, lat, err));
    for (int i = 0; i < 4; i++) {
        CHECK_NEAR(columns.corner_e7[2 * i] / 1e7, lon[i], 1e-6);
        CHECK_NEAR(columns.corner_e7[2 * i + 1] / 1e7, lat[i], 1e-6);
    }
    CHECK(columns.corner_e7[1] != columns.corner_e7[3]);
    scene_close(&scene);
}

/* ---- missing pixels ---- */

TEST(a_tile_with_nothing_in_it_is_skipped_or_zero)
{
    struct scene scene;
    struct akin_raster black = {0};
    akin_cutter *cutter = NULL;
    struct akin_strip strip = {0};
    REQUIRE_OK(scene_make(&scene, 64, 64, 64, 0, "0,0,1,1", NULL, err));
    scene_close(&scene);
    REQUIRE_OK(akin_raster_init(&black, 64, 64, 3, AKIN_U8, false, err));
    memset(black.pixels, 0, 64 * 64 * 3);
    REQUIRE_OK(write_picture(scene.path, &black, false, err));
    akin_raster_fini(&black);
    REQUIRE_OK(scene_open(&scene, "0,0,1,1", NULL, err));
    CHECK(scene.plan.black_is_gap);
    REQUIRE_OK(akin_cutter_open(&cutter, scene.source, &scene.plan, err));
    REQUIRE_OK(akin_cutter_next(cutter, &strip, err));
    CHECK(strip.windows == 1 && strip.skipped == 1 && strip.count == 0);
    akin_strip_free(&strip);
    akin_cutter_close(cutter);

    scene.plan.nodata_max = 1;
    REQUIRE_OK(akin_cutter_open(&cutter, scene.source, &scene.plan, err));
    REQUIRE_OK(akin_cutter_next(cutter, &strip, err));
    REQUIRE(strip.count == 1);
    CHECK_EQ(strip.tiles[0].columns.nodata, 255);
    CHECK_EQ(strip.tiles[0].columns.gap, 255);
    CHECK_EQ(strip.tiles[0].columns.texture, 0);
    REQUIRE(strip.tiles[0].filled != NULL);
    for (int i = 0; i < 16 * 16 * 3; i++)
        CHECK_EQ(strip.tiles[0].input[i], 0);
    struct akin_raster chip = {0};
    REQUIRE_OK(akin_chip_decode(strip.tiles[0].chip, strip.tiles[0].chip_bytes, &chip, err));
    CHECK(chip.valid && !memchr(chip.valid, 255, 64 * 64));
    akin_raster_fini(&chip);
    akin_strip_free(&strip);
    akin_cutter_close(cutter);
    scene_close(&scene);
}

TEST(missing_pixels_are_counted_filled_and_kept_beside_the_chip)
{
    struct scene scene;
    struct akin_raster raster = {0}, chip = {0};
    akin_cutter *cutter = NULL;
    struct akin_strip strip = {0};
    REQUIRE_OK(scene_make(&scene, 64, 64, 64, 0, "0,0,1,1", NULL, err));
    scene_close(&scene);
    REQUIRE_OK(akin_raster_init(&raster, 64, 64, 3, AKIN_U8, false, err));
    paint(&raster);
    for (size_t y = 0; y < 64; y++)
        memset((uint8_t *)raster.pixels + y * 64 * 3, 0, 8 * 3);
    REQUIRE_OK(write_picture(scene.path, &raster, false, err));
    REQUIRE_OK(scene_open(&scene, "0,0,1,1", NULL, err));
    REQUIRE_OK(akin_cutter_open(&cutter, scene.source, &scene.plan, err));
    REQUIRE_OK(akin_cutter_next(cutter, &strip, err));
    REQUIRE(strip.count == 1);
    const struct akin_tile *tile = &strip.tiles[0];
    CHECK_EQ(tile->columns.gap, 48); /* 12 of 64 columns with the rim, of 255, rounded up */
    CHECK_EQ(tile->columns.nodata, 48);
    REQUIRE(tile->filled != NULL);
    CHECK_EQ(tile->filled[0], 0);
    CHECK_EQ(tile->filled[2], 0);
    CHECK_EQ(tile->filled[3], 255);
    for (int y = 0; y < 16; y++) /* cells 0 to 2 mirror 5 to 3 */
        for (int x = 0; x < 3; x++)
            CHECK(!memcmp(&tile->input[(y * 16 + x) * 3], &tile->input[(y * 16 + 5 - x) * 3], 3));
    REQUIRE_OK(akin_chip_decode(tile->chip, tile->chip_bytes, &chip, err));
    CHECK(chip.valid && chip.valid[11] == 0 && chip.valid[12] == 255);
    akin_raster_fini(&chip);
    akin_raster_fini(&raster);
    akin_strip_free(&strip);
    akin_cutter_close(cutter);
    scene_close(&scene);
}

TEST(nodata_and_nan_of_real_rasters)
{
    static const char *const names[] = {
        "rasters/rasterio/all-nodata.tif", "rasters/rasterio/float_nan.tif",
        "rasters/rio-tiler/cog_nodata_nan.tif", "rasters/rasterio/RGBA.byte.tif"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        struct scene scene;
        if (!shared_scene(&scene, names[n], 64))
            return;
        akin_cutter *cutter = NULL;
        struct akin_strip strip = {0};
        uint64_t total = 0, skipped = 0;
        REQUIRE_OK(akin_cutter_open(&cutter, scene.source, &scene.plan, err));
        for (;;) {
            REQUIRE_OK(akin_cutter_next(cutter, &strip, err));
            if (!strip.windows)
                break;
            total += strip.windows;
            skipped += strip.skipped;
            for (size_t i = 0; i < strip.count; i++)
                CHECK(strip.tiles[i].columns.nodata <= 64); /* a quarter, rounded up */
            akin_strip_free(&strip);
        }
        CHECK_EQ(total, akin_grid_count(&scene.plan.grid));
        CHECK(n > 0 || skipped == total);
        akin_cutter_close(cutter);
        scene_close(&scene);
    }
}

/* ---- whole pictures ---- */

/* The one chip of a whole picture written as a file. */
static void whole_case(uint32_t width, uint32_t height, uint32_t chip_width, uint32_t chip_height,
                       bool wrapped)
{
    struct scene scene = {0};
    struct akin_raster raster = {0}, chip = {0};
    akin_cutter *cutter = NULL;
    struct akin_strip strip = {0};
    const void *file = NULL, *jpeg = NULL;
    size_t file_bytes = 0, jpeg_bytes = 0;
    akin_settings_default(&scene.settings);
    scene.settings.input_px = 16;
    REQUIRE_OK(akin_path_join(scene.path, check_folder(), "a.jpg", err));
    REQUIRE_OK(akin_raster_init(&raster, width, height, 3, AKIN_U8, false, err));
    paint(&raster);
    REQUIRE_OK(write_picture(scene.path, &raster, true, err));
    REQUIRE_OK(scene_open(&scene, NULL, NULL, err));
    REQUIRE_OK(akin_cutter_open(&cutter, scene.source, &scene.plan, err));
    REQUIRE_OK(akin_cutter_next(cutter, &strip, err));
    REQUIRE(strip.count == 1);
    REQUIRE_OK(akin_chip_decode(strip.tiles[0].chip, strip.tiles[0].chip_bytes, &chip, err));
    CHECK_EQ(chip.width, chip_width);
    CHECK_EQ(chip.height, chip_height);
    REQUIRE_OK(akin_source_jpeg_bytes(scene.source, &file, &file_bytes, err));
    REQUIRE_OK(
        akin_chip_jpeg(strip.tiles[0].chip, strip.tiles[0].chip_bytes, &jpeg, &jpeg_bytes, err));
    CHECK_EQ(jpeg_bytes == file_bytes && !memcmp(jpeg, file, file_bytes), wrapped);
    akin_strip_free(&strip);
    REQUIRE_OK(akin_cutter_next(cutter, &strip, err));
    CHECK(strip.windows == 0 && !strip.memory);
    akin_raster_fini(&chip);
    akin_raster_fini(&raster);
    akin_cutter_close(cutter);
    scene_close(&scene);
}

TEST(a_whole_jpeg_becomes_the_chip_as_it_is_or_reduced)
{
    whole_case(200, 200, 200, 200, true);
    whole_case(512, 3, 512, 3, true);
    whole_case(1024, 600, 512, 300, false);
}

/* ---- queries ---- */

TEST(a_query_is_cut_as_the_indexed_are)
{
    struct scene scene;
    struct akin_strip query = {0};
    struct record *all = calloc(TILES_MAX, sizeof *all), *asked = calloc(TILES_MAX, sizeof *asked);
    size_t count, strips, asked_count = 0;
    akin_error failure = {0};
    REQUIRE(all && asked);
    REQUIRE_OK(scene_make(&scene, 300, 210, 64, 0.5, "-10,40,20,61", NULL, err));
    REQUIRE_OK(cut_all(&scene, all, &count, &strips, 0, err));
    REQUIRE_OK(akin_tile_query(&query, scene.source, &scene.settings, &scene.scaling, 1000, err));
    CHECK_EQ(query.windows, count);
    record_tiles(&query, asked, &asked_count);
    CHECK_EQ(asked_count, count);
    for (size_t i = 0; i < count && i < asked_count; i++) {
        CHECK(!memcmp(all[i].input, asked[i].input, sizeof all[i].input));
        CHECK(!query.tiles[i].chip);
        all[i].columns.key &= UINT32_MAX; /* a query has no scene */
        CHECK(!memcmp(&all[i].columns, &asked[i].columns, sizeof all[i].columns));
    }
    akin_strip_free(&query);
    CHECK_EQ(akin_tile_query(&query, scene.source, &scene.settings, &scene.scaling,
                             (uint32_t)count - 1, &failure),
             AKIN_ERR_LIMIT);
    CHECK_CONTAINS(failure.text, "300x210");
    scene_close(&scene);
    free(all);
    free(asked);
}

TEST(out_of_memory_at_any_point_is_a_status)
{
    struct scene scene;
    REQUIRE_OK(scene_make(&scene, 130, 64, 64, 0.5, "0,0,2,1", NULL, err));
    akin_status status = AKIN_ERR_NO_MEMORY;
    long n = 0;
    size_t used = akin_memory_used();
    for (; status != AKIN_OK && n < 300; n++) {
        akin_cutter *cutter = NULL;
        struct akin_strip strip = {0};
        akin_memory_fail_at(n);
        status = akin_cutter_open(&cutter, scene.source, &scene.plan, NULL);
        if (status == AKIN_OK)
            status = akin_cutter_next(cutter, &strip, NULL);
        akin_memory_fail_at(-1);
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
        CHECK(status == AKIN_OK || !strip.memory);
        akin_strip_free(&strip);
        akin_cutter_close(cutter);
    }
    CHECK(n > 5 && status == AKIN_OK);
    CHECK(akin_memory_used() < used + ((size_t)1 << 20)); /* what the source keeps */
    scene_close(&scene);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
