/*
 * From a place back into a tile: footprints in longitude and latitude, turned, around the pole and across
 * the antimeridian.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../../src/search/map_quad.h"

#include <math.h>

#include "../check.h"
#include "akin/search.h"

static struct akin_columns tile_of(const double *corners)
{
    struct akin_columns columns = {0};
    for (int i = 0; i < 8; i++)
        columns.corner_e7[i] = (int32_t)lround(corners[i] * 1e7);
    return columns;
}

TEST(a_box_of_longitude_and_latitude_is_exact)
{
    const double corners[8] = {-90, 60, 90, 60, 90, -30, -90, -30}; /* half the world wide */
    const struct akin_columns columns = tile_of(corners);
    struct map_quad quad;
    double u, v;
    REQUIRE(map_quad_init(&quad, &columns));
    CHECK(map_quad_find(&quad, 45, 15, &u, &v));
    CHECK_NEAR(u, 0.75, 1e-6);
    CHECK_NEAR(v, 0.5, 1e-6);
    CHECK(map_quad_find(&quad, -90, 60, &u, &v));
    CHECK(!map_quad_find(&quad, 91, 0, &u, &v));
    CHECK(!map_quad_find(&quad, 0, 61, &u, &v));
}

/* The corners of a square of `side` degrees in the plane that touches at lon, lat, turned. */
static void turned_square(double out[8], double lon, double lat, double side, double turn)
{
    const double deg = M_PI / 180, half = side * deg / 2;
    const double up[3] = {cos(lat * deg) * cos(lon * deg), cos(lat * deg) * sin(lon * deg),
                          sin(lat * deg)};
    const double east[3] = {-sin(lon * deg), cos(lon * deg), 0};
    const double north[3] = {-sin(lat * deg) * cos(lon * deg), -sin(lat * deg) * sin(lon * deg),
                             cos(lat * deg)};
    for (int i = 0; i < 4; i++) {
        const double angle = turn * deg + M_PI * (0.75 - 0.5 * i);
        const double x = sqrt(2) * half * cos(angle), y = sqrt(2) * half * sin(angle);
        double at[3];
        for (int c = 0; c < 3; c++)
            at[c] = up[c] + x * east[c] + y * north[c];
        out[2 * i] = atan2(at[1], at[0]) / deg;
        out[2 * i + 1] = atan2(at[2], hypot(at[0], at[1])) / deg;
    }
}

TEST(turned_squares_anywhere_on_the_globe)
{
    static const double places[][2] = {{10, 0},    {0, 45}, {179.5, 10}, {-180, -60},
                                       {30, 89.5}, {0, 90}, {77, -90},   {-120, 72}};
    for (size_t p = 0; p < sizeof places / sizeof *places; p++)
        for (int turn = 15; turn < 360; turn += 60) {
            double corners[8], u, v;
            struct map_quad quad;
            turned_square(corners, places[p][0], places[p][1], 4, turn);
            const struct akin_columns columns = tile_of(corners);
            REQUIRE(map_quad_init(&quad, &columns));
            CHECK(map_quad_find(&quad, places[p][0], places[p][1], &u, &v));
            CHECK_NEAR(u, 0.5, 1e-3);
            CHECK_NEAR(v, 0.5, 1e-3);
            /* Near each corner, from inside. */
            for (int i = 0; i < 4; i++) {
                double inner[8];
                turned_square(inner, places[p][0], places[p][1], 3.6, turn);
                CHECK(map_quad_find(&quad, inner[2 * i], inner[2 * i + 1], &u, &v));
                CHECK_NEAR(u, i == 1 || i == 2 ? 0.95 : 0.05, 2e-3);
                CHECK_NEAR(v, i >= 2 ? 0.95 : 0.05, 2e-3);
                turned_square(inner, places[p][0], places[p][1], 4.4, turn);
                CHECK(!map_quad_find(&quad, inner[2 * i], inner[2 * i + 1], &u, &v));
            }
            CHECK(!map_quad_find(&quad, places[p][0] + 180, -places[p][1], &u, &v));
        }
}

TEST(what_has_no_footprint_or_too_wide_a_one_is_left_out)
{
    struct map_quad quad;
    double corners[8];
    turned_square(corners, 0, 80, 80, 20);
    struct akin_columns columns = tile_of(corners);
    CHECK(!map_quad_init(&quad, &columns));
    columns.corner_e7[3] = AKIN_E7_UNKNOWN;
    CHECK(!map_quad_init(&quad, &columns));
    columns = (struct akin_columns){0}; /* no extent */
    double u, v;
    CHECK(!map_quad_init(&quad, &columns) || !map_quad_find(&quad, 0, 0, &u, &v));
}

TEST(squares_of_the_grids)
{
    struct akin_bbox box;
    struct akin_map_square square = {AKIN_MAP_MERCATOR, 0, 0, 0};
    REQUIRE_OK(akin_map_square_bbox(&square, &box, err));
    CHECK_NEAR(box.north, 85.0511287798, 1e-9);
    CHECK_NEAR(box.south, -85.0511287798, 1e-9);
    square = (struct akin_map_square){AKIN_MAP_MERCATOR, 2, 3, 1};
    REQUIRE_OK(akin_map_square_bbox(&square, &box, err));
    CHECK_NEAR(box.west, 90, 1e-9);
    CHECK_NEAR(box.east, 180, 1e-9);
    CHECK_NEAR(box.north, 66.5132604431, 1e-9);
    CHECK_NEAR(box.south, 0, 1e-9);
    square = (struct akin_map_square){AKIN_MAP_LONLAT, 1, 3, 1};
    REQUIRE_OK(akin_map_square_bbox(&square, &box, err));
    CHECK_NEAR(box.west, 90, 1e-9);
    CHECK_NEAR(box.north, 0, 1e-9);
    CHECK_NEAR(box.south, -90, 1e-9);
    square.x = 4;
    CHECK_EQ(akin_map_square_bbox(&square, &box, NULL), AKIN_ERR_INVALID);
    square = (struct akin_map_square){AKIN_MAP_MERCATOR, 25, 0, 0};
    CHECK_EQ(akin_map_square_bbox(&square, &box, NULL), AKIN_ERR_INVALID);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
