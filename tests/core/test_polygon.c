/*
 * Polygons: every answer against OGR's (GEOS's exact predicates), cuts at the antimeridian, both
 * notations, and what is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/polygon.h"

#include <cpl_error.h>
#include <math.h>
#include <ogr_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "akin/core/memory.h"
#include "akin/core/random.h"

static akin_polygon *parse(const char *text)
{
    akin_polygon *polygon = NULL;
    akin_error err = {0};
    if (akin_polygon_parse(&polygon, text, strlen(text), "given", &err) != AKIN_OK)
        check_text(err.text, "", __FILE__, __LINE__, text);
    return polygon;
}

/* A tile whose corners these are, in 1e-7 degrees. */
static struct akin_columns tile(const int32_t corners[8])
{
    struct akin_columns columns = {0};
    double lon[4], lat[4];
    for (int i = 0; i < 4; i++) {
        lon[i] = corners[2 * i] / 1e7;
        lat[i] = corners[2 * i + 1] / 1e7;
    }
    const struct akin_bbox box = akin_bbox_of_ring(lon, lat, 4);
    memcpy(columns.corner_e7, corners, sizeof columns.corner_e7);
    columns.bbox_e7[0] = (int32_t)lround(box.west * 1e7);
    columns.bbox_e7[1] = (int32_t)lround(box.south * 1e7);
    columns.bbox_e7[2] = (int32_t)lround(box.east * 1e7);
    columns.bbox_e7[3] = (int32_t)lround(box.north * 1e7);
    return columns;
}

static bool meets_tile_at(const akin_polygon *polygon, double west, double south, double east,
                          double north)
{
    const int32_t w = (int32_t)lround(west * 1e7), s = (int32_t)lround(south * 1e7),
                  e = (int32_t)lround(east * 1e7), n = (int32_t)lround(north * 1e7);
    const struct akin_columns columns = tile((const int32_t[]){w, n, e, n, e, s, w, s});
    const bool box = akin_polygon_meets_box(polygon, (struct akin_bbox){west, south, east, north});
    CHECK_EQ(akin_polygon_meets(polygon, &columns), box);
    return box;
}

/* ---- against OGR ---- */

#define SEED 77
static uint64_t drawn;
static double unit(void)
{
    return akin_random_unit(SEED, 0, drawn++);
}

struct ring {
    int64_t x[2000], y[2000];
    int count;
};

/* Points around a centre at rising angles: a simple polygon, jagged, and on whole grid points of
 * `grid` so that shapes touch often. */
static void draw_star(struct ring *ring, double x, double y, double least, double most, int points,
                      double grid)
{
    ring->count = points;
    for (int i = 0; i < points; i++) {
        const double angle = 2 * M_PI * (i + 0.9 * unit()) / points;
        const double radius = least + (most - least) * unit();
        ring->x[i] = llround(round((x + radius * cos(angle)) / grid) * grid);
        ring->y[i] = llround(round((y + radius * sin(angle)) / grid) * grid);
    }
}

static void append_ring(struct akin_buffer *text, const struct ring *ring)
{
    akin_buffer_printf(text, NULL, "(");
    for (int i = 0; i <= ring->count; i++)
        akin_buffer_printf(text, NULL, "%s%.7f %.7f", i ? ", " : "",
                           (double)ring->x[i % ring->count] / 1e7,
                           (double)ring->y[i % ring->count] / 1e7);
    akin_buffer_printf(text, NULL, ")");
}

/* In whole numbers, in which GEOS is exact. */
static OGRGeometryH geometry(const struct ring *rings, int count)
{
    OGRGeometryH polygon = OGR_G_CreateGeometry(wkbPolygon);
    for (int r = 0; r < count; r++) {
        OGRGeometryH line = OGR_G_CreateGeometry(wkbLinearRing);
        for (int i = 0; i <= rings[r].count; i++)
            OGR_G_AddPoint_2D(line, (double)rings[r].x[i % rings[r].count],
                              (double)rings[r].y[i % rings[r].count]);
        OGR_G_AddGeometryDirectly(polygon, line);
    }
    return polygon;
}

/* A turned rectangle, on the grid. */
static void draw_tile(struct ring *ring, double x, double y, double half, double grid)
{
    const double turn = unit() < 0.3 ? 0 : 2 * M_PI * unit(), wide = half * (0.2 + unit());
    for (int i = 0; i < 4; i++) {
        const double u = (i == 1 || i == 2) ? wide : -wide, v = i < 2 ? half : -half;
        ring->x[i] = llround(round((x + u * cos(turn) - v * sin(turn)) / grid) * grid);
        ring->y[i] = llround(round((y + u * sin(turn) + v * cos(turn)) / grid) * grid);
    }
    ring->count = 4;
}

static struct akin_columns columns_of(const struct ring *ring)
{
    int32_t corners[8];
    for (int i = 0; i < 4; i++) {
        corners[2 * i] = (int32_t)ring->x[i];
        corners[2 * i + 1] = (int32_t)ring->y[i];
    }
    return tile(corners);
}

struct tally {
    int asked, meet, touch, wrong;
};

static void compare(struct tally *tally, const akin_polygon *polygon, OGRGeometryH shape,
                    struct ring *square, double reach, double grid)
{
    draw_tile(square, (2 * unit() - 1) * reach, (2 * unit() - 1) * reach, reach * 0.5 * unit(),
              grid);
    OGRGeometryH footprint = geometry(square, 1);
    if (OGR_G_IsValid(footprint)) {
        const struct akin_columns columns = columns_of(square);
        const bool meet = OGR_G_Intersects(shape, footprint);
        tally->asked++;
        tally->meet += meet;
        tally->touch += OGR_G_Touches(shape, footprint);
        tally->wrong += meet != akin_polygon_meets(polygon, &columns);
    }
    OGR_G_DestroyGeometry(footprint);
}

static void compare_polygon(struct tally *tally, struct ring *rings, int points, double grid)
{
    const double reach = 4e8;
    struct akin_buffer text;
    akin_buffer_init(&text, 1 << 20);
    draw_star(&rings[0], 0, 0, 0.4 * reach, reach, points, grid);
    draw_star(&rings[1], 0, 0, 0.05 * reach, 0.35 * reach, points, grid);
    const int count = unit() < 0.5 ? 1 : 2;
    OGRGeometryH shape = geometry(rings, count);
    if (OGR_G_IsValid(shape)) {
        akin_buffer_printf(&text, NULL, "POLYGON (");
        append_ring(&text, &rings[0]);
        if (count == 2) {
            akin_buffer_printf(&text, NULL, ", ");
            append_ring(&text, &rings[1]);
        }
        akin_buffer_printf(&text, NULL, ")");
        akin_polygon *polygon = parse(text.data);
        for (int i = 0; polygon && i < 50; i++)
            compare(tally, polygon, shape, &rings[2], reach, grid);
        akin_polygon_free(polygon);
    }
    OGR_G_DestroyGeometry(shape);
    akin_buffer_fini(&text);
}

TEST(every_answer_is_that_of_ogr)
{
    struct tally tally = {0};
    struct ring *rings = calloc(3, sizeof *rings);
    CPLPushErrorHandler(CPLQuietErrorHandler); /* of shapes that turned out invalid: left out */
    for (int round = 0; round < 120; round++)
        compare_polygon(&tally, rings, 3 + (int)(9 * unit()), round % 3 ? 5e7 : 1);
    for (int round = 0; round < 4; round++)
        compare_polygon(&tally, rings, 2000, 1);
    CPLPopErrorHandler();
    free(rings);
    CHECK_EQ(tally.wrong, 0);
    CHECK(tally.asked > 1500);
    CHECK(tally.meet > tally.asked / 10 && tally.meet < tally.asked * 9 / 10);
    CHECK(tally.touch > 20);
}

/* ---- around the globe ---- */

TEST(a_polygon_cut_at_the_antimeridian_is_one)
{
    akin_polygon *cut = parse("{\"type\":\"MultiPolygon\",\"coordinates\":["
                              "[[[170,-20],[180,-20],[180,-10],[170,-10],[170,-20]]],"
                              "[[[-180,-20],[-170,-20],[-170,-10],[-180,-10],[-180,-20]]]]}");
    akin_polygon *past = parse("POLYGON((170 -20,190 -20,190 -10,170 -10,170 -20))");
    akin_polygon *before = parse("polygon ((-190 -20,-170 -20,-170 -10,-190 -10,-190 -20))");
    const akin_polygon *all[] = {cut, past, before};
    for (int i = 0; i < 3; i++) {
        REQUIRE(all[i] != NULL);
        const struct akin_bbox box = akin_polygon_bbox(all[i]);
        CHECK_NEAR(box.west, 170, 1e-9);
        CHECK_NEAR(box.east, -170, 1e-9);
        CHECK(meets_tile_at(all[i], 175, -15, 176, -14));
        CHECK(meets_tile_at(all[i], -176, -15, -175, -14));
        CHECK(meets_tile_at(all[i], 179, -15, -179, -14)); /* a tile that crosses it, too */
        CHECK(meets_tile_at(all[i], -170, -15, -169, -14));
        CHECK(!meets_tile_at(all[i], -169.9, -15, -169, -14));
        CHECK(!meets_tile_at(all[i], 0, -15, 1, -14));
        CHECK(!meets_tile_at(all[i], 179, -25, -179, -21));
    }
    akin_polygon_free(cut);
    akin_polygon_free(past);
    akin_polygon_free(before);
}

TEST(a_hole_is_outside_and_its_rim_is_not)
{
    akin_polygon *ring = parse("POLYGON Z ((0 0 5, 10 0 5, 10 10 5, 0 10 5, 0 0 5),"
                               "(2 2 5, 8 2 5, 8 8 5, 2 8 5, 2 2 5))");
    REQUIRE(ring != NULL);
    CHECK(!meets_tile_at(ring, 3, 3, 7, 7));
    CHECK(meets_tile_at(ring, 2, 3, 7, 7));
    CHECK(meets_tile_at(ring, 0.5, 0.5, 1, 1));
    CHECK(meets_tile_at(ring, -5, -5, 15, 15)); /* it lies in the tile */
    CHECK(!meets_tile_at(ring, 10.0000001, 0, 11, 1));
    CHECK(meets_tile_at(ring, 10, 10, 11, 11)); /* a corner */
    akin_polygon_free(ring);
}

TEST(a_pole_and_the_whole_globe)
{
    akin_polygon *south = parse("POLYGON((-180 -90,180 -90,180 -60,-180 -60,-180 -90))");
    REQUIRE(south != NULL);
    struct akin_columns columns = {.bbox_e7 = {-1800000000, -900000000, 1800000000, -800000000}};
    for (int i = 0; i < 8; i++)
        columns.corner_e7[i] = i % 2 ? -800000000 : (i - 4) * 450000000;
    CHECK(
        akin_polygon_meets(south, &columns)); /* its box: four corners around a pole are no ring */
    columns.bbox_e7[1] = -500000000;
    columns.bbox_e7[3] = 900000000;
    CHECK(!akin_polygon_meets(south, &columns));
    CHECK(akin_bbox_width_deg(akin_polygon_bbox(south)) == 360);
    columns.bbox_e7[0] = AKIN_E7_UNKNOWN;
    CHECK(!akin_polygon_meets(south, &columns)); /* without a place */
    CHECK(!akin_polygon_meets_box(south, akin_bbox_unknown()));
    akin_polygon_free(south);
}

TEST(overlapping_parts_do_not_cancel_out)
{
    akin_polygon *two =
        parse("MULTIPOLYGON (((0 0,10 0,10 10,0 10,0 0)),((5 0,15 0,15 10,5 10,5 0)))");
    REQUIRE(two != NULL);
    CHECK(meets_tile_at(two, 6, 4, 7, 5));
    CHECK(meets_tile_at(two, 1, 4, 2, 5));
    CHECK(!meets_tile_at(two, 16, 4, 17, 5));
    akin_polygon_free(two);
}

/* ---- text ---- */

#define SQUARE "[[[0,0],[1,0],[1,1],[0,1],[0,0]]]"

TEST(features_and_collections_hold_polygons)
{
    static const char *const good[] = {
        "{\"type\":\"Polygon\",\"coordinates\":" SQUARE "}",
        "\n {\"type\":\"MultiPolygon\",\"coordinates\":[" SQUARE "]}",
        "{\"type\":\"Feature\",\"properties\":null,\"geometry\":{\"type\":\"Polygon\","
        "\"coordinates\":" SQUARE "}}",
        "{\"type\":\"FeatureCollection\",\"crs\":{\"type\":\"name\",\"properties\":{\"name\":"
        "\"urn:ogc:def:crs:OGC:1.3:CRS84\"}},\"features\":[{\"type\":\"Feature\",\"geometry\":"
        "{\"type\":\"GeometryCollection\",\"geometries\":[{\"type\":\"Polygon\","
        "\"coordinates\":" SQUARE "}]}}]}",
        " POLYGON((0 0,1 0,1 1,0 1,0 0))",
        "SRID=4326;MultiPolygon ( ( ( 0 0 , 1 0 , 1 1,0 1,0 0 ) ) ) ",
        "POLYGON ZM ((0 0 1 2,1 0 1 2,1 1 1 2,0 1 1 2,0 0 1 2))"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        akin_polygon *polygon = parse(good[i]);
        REQUIRE(polygon != NULL);
        CHECK(meets_tile_at(polygon, 0.4, 0.4, 0.5, 0.5));
        CHECK(!meets_tile_at(polygon, 1.4, 0.4, 1.5, 0.5));
        akin_polygon_free(polygon);
    }
}

TEST(what_is_no_polygon_is_refused_with_its_place)
{
    static const char *const bad[][2] = {
        {"", "neither GeoJSON nor POLYGON"},
        {"POINT (1 2)", "neither GeoJSON nor POLYGON"},
        {"[1,2]", "neither GeoJSON nor POLYGON"},
        {"{", "line 1"},
        {"{}", "not 'an object without a type'"},
        {"{\"type\":\"Point\",\"coordinates\":[1,2]}", "not 'Point'"},
        {"{\"type\":\"Feature\",\"geometry\":null}", "an object without a type"},
        {"{\"type\":\"FeatureCollection\",\"features\":[]}", "has no polygon in it"},
        {"{\"type\":\"Polygon\",\"coordinates\":[]}", "polygon 1 has no ring"},
        {"{\"type\":\"Polygon\"}", "polygon 1 has no ring"},
        {"{\"type\":\"MultiPolygon\",\"coordinates\":[" SQUARE ",[[[0,0],[1,0],[1,1],[0,1]]]]}",
         "polygon 2, ring 1 does not end where it began"},
        {"{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[1,\"a\"],[1,1],[0,0]]]}",
         "ring 1: point 2 is not [lon, lat]"},
        {"{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[1,0],[0,0]]]}", "has 3 points"},
        {"{\"type\":\"Polygon\",\"coordinates\":[[[500000,0],[1,0],[0,1],[500000,0]]]}",
         "degrees, not metres"},
        {"{\"type\":\"Polygon\",\"crs\":{\"properties\":{\"name\":\"EPSG:3857\"}},"
         "\"coordinates\":" SQUARE "}",
         "EPSG:3857"},
        {"POLYGON EMPTY", "'(' expected"},
        {"POLYGON ((0 0,1 0,1 1,0 0)", "',' or ')' expected"},
        {"POLYGON ((0 0,1 0,1 1,0 0)) 1", "the end expected before '1'"},
        {"POLYGON ((0 0,1 nan,1 1,0 0))", "nan"},
        {"POLYGON ((0 0,1,1 1,0 0))", "a point 'lon lat' expected"},
        {"POLYGON ((0 0,1 91,1 1,0 0))", "polygon 1, ring 1: 1,91"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        akin_polygon *polygon = NULL;
        akin_error err = {0};
        CHECK(akin_polygon_parse(&polygon, bad[i][0], strlen(bad[i][0]), "given", &err) != AKIN_OK);
        CHECK(polygon == NULL);
        CHECK_CONTAINS(err.text, bad[i][1]);
    }
}

TEST(each_allocation_may_fail)
{
    const char *text = "MULTIPOLYGON (((0 0,1 0,1 1,0 1,0 0)),((5 5,6 5,6 6,5 6,5 5)))";
    int failures = 0;
    for (long n = 0;; n++) {
        akin_polygon *polygon = NULL;
        akin_memory_fail_at(n);
        const akin_status status = akin_polygon_parse(&polygon, text, strlen(text), "t", NULL);
        akin_memory_fail_at(-1);
        akin_polygon_free(polygon);
        if (status == AKIN_OK)
            break;
        CHECK_EQ(status, AKIN_ERR_NO_MEMORY);
        failures++;
    }
    CHECK(failures >= 3);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
