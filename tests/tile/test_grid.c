/*
 * The grid: every pixel covered, no window outside, the order of rows a permutation, the limits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "../check.h"
#include "akin/tile.h"

static struct akin_settings settings_of(uint32_t tile_px, double overlap)
{
    struct akin_settings settings;
    akin_settings_default(&settings);
    settings.tile_px = tile_px;
    settings.overlap = overlap;
    return settings;
}

/* Along one side: windows start at 0, never leave more than a stride, and end at the edge. */
static bool line_is_right(const struct akin_grid *grid, bool rows)
{
    uint32_t count = rows ? grid->rows : grid->cols, covered = 0, before = 0;
    uint32_t size = rows ? grid->height : grid->width;
    uint32_t length = size < grid->tile_px ? size : grid->tile_px;
    for (uint32_t i = 0; i < count; i++) {
        struct akin_window w = akin_grid_window(grid, rows ? i : 0, rows ? 0 : i);
        uint32_t start = rows ? w.y : w.x, side = rows ? w.height : w.width;
        if (side != length || start > covered || start + side > size)
            return false;
        if (i && (start <= before || start - before > grid->stride))
            return false;
        before = start;
        covered = start + side;
    }
    return covered == size;
}

TEST(every_pixel_is_covered_and_no_window_is_outside)
{
    static const double overlaps[] = {0, 0.25, 0.5, 0.9};
    for (size_t o = 0; o < 4; o++) {
        for (uint32_t tile = 16; tile <= 40; tile += 3) {
            struct akin_settings settings = settings_of(tile, overlaps[o]);
            for (uint32_t size = 1; size < 150; size++) {
                struct akin_grid grid;
                REQUIRE_OK(akin_grid_init(&grid, &settings, size, 151 - size, true, err));
                REQUIRE(line_is_right(&grid, false) && line_is_right(&grid, true));
                REQUIRE(akin_grid_count(&grid) == (uint64_t)grid.rows * grid.cols);
            }
        }
    }
}

TEST(the_last_window_is_shifted_inward)
{
    struct akin_settings settings = settings_of(64, 0.5);
    struct akin_grid grid;
    REQUIRE_OK(akin_grid_init(&grid, &settings, 100, 64, true, err));
    CHECK_EQ(grid.stride, 32);
    CHECK_EQ(grid.cols, 3);
    CHECK_EQ(grid.rows, 1);
    CHECK_EQ(akin_grid_window(&grid, 0, 1).x, 32);
    CHECK_EQ(akin_grid_window(&grid, 0, 2).x, 36);
    CHECK_EQ(akin_grid_window(&grid, 0, 2).width, 64);
}

TEST(a_picture_without_a_place_is_one_tile_unless_told_otherwise)
{
    struct akin_settings settings = settings_of(64, 0.5);
    struct akin_grid grid;
    REQUIRE_OK(akin_grid_init(&grid, &settings, 1000, 300, false, err));
    CHECK(grid.whole);
    CHECK_EQ(akin_grid_count(&grid), 1);
    CHECK_EQ(akin_grid_window(&grid, 0, 0).width, 1000);
    CHECK_EQ(akin_grid_window(&grid, 0, 0).height, 300);
    settings.tile_always = true;
    REQUIRE_OK(akin_grid_init(&grid, &settings, 1000, 300, false, err));
    CHECK(!grid.whole);
    CHECK(akin_grid_count(&grid) > 100);
}

TEST(rows_are_taken_in_a_permutation)
{
    for (uint32_t rows = 1; rows <= 40; rows++) {
        for (uint32_t stride = 0; stride <= 45; stride++) {
            struct akin_grid grid = {.rows = rows, .cols = 1};
            bool seen[40] = {false};
            for (uint32_t i = 0; i < rows; i++) {
                uint32_t row = akin_grid_row_at(&grid, stride, i);
                REQUIRE(row < rows && !seen[row]);
                seen[row] = true;
            }
        }
    }
    struct akin_grid grid = {.rows = 10, .cols = 1};
    CHECK_EQ(akin_grid_row_at(&grid, 4, 0), 0);
    CHECK_EQ(akin_grid_row_at(&grid, 4, 2), 8);
    CHECK_EQ(akin_grid_row_at(&grid, 4, 3), 1);
    CHECK_EQ(akin_grid_row_at(&grid, 4, 9), 9);
    CHECK_EQ(akin_grid_row_at(&grid, 1, 7), 7);
}

TEST(too_many_tiles_in_a_row_names_a_tile_size_that_fits)
{
    struct akin_settings settings = settings_of(16, 0.5);
    struct akin_grid grid = {0};
    akin_error failure = {0};
    CHECK_EQ(akin_grid_init(&grid, &settings, 1000000, 100, true, &failure), AKIN_ERR_LIMIT);
    unsigned tile = 0;
    const char *at = strstr(failure.text, "--tile ");
    REQUIRE(at && sscanf(at, "--tile %u", &tile) == 1);
    settings.tile_px = tile;
    CHECK_EQ(akin_grid_init(&grid, &settings, 1000000, 100, true, NULL), AKIN_OK);
    settings.tile_px = tile - 1;
    CHECK_EQ(akin_grid_init(&grid, &settings, 1000000, 100, true, NULL), AKIN_ERR_LIMIT);
    CHECK_EQ(akin_grid_init(&grid, &settings, 4000000000u, 1, true, &failure), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(failure.text, "--overlap");
    CHECK_EQ(akin_grid_init(&grid, &settings, 0, 1, true, NULL), AKIN_ERR_INVALID);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
