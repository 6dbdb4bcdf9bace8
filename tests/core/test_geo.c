/*
 * Boxes across the antimeridian, around poles and around the globe; rings; distances; curves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/geo.h"

#include <math.h>
#include <stdlib.h>

#include "../check.h"

static struct akin_bbox box(double west, double south, double east, double north)
{
    return (struct akin_bbox){west, south, east, north};
}

static bool same(struct akin_bbox a, double west, double south, double east, double north)
{
    bool west_south = CHECK_NEAR(a.west, west, 1e-9) && CHECK_NEAR(a.south, south, 1e-9);
    return CHECK_NEAR(a.east, east, 1e-9) && CHECK_NEAR(a.north, north, 1e-9) && west_south;
}

TEST(unknown_is_unknown)
{
    double lon, lat;
    struct akin_bbox unknown = akin_bbox_unknown(), known = box(0, 0, 1, 1);
    CHECK(!akin_bbox_known(unknown));
    CHECK(akin_bbox_known(known));
    CHECK(!akin_bbox_known(box(0, 0, INFINITY, 1)));
    CHECK(!akin_bbox_known(box(0, NAN, 1, 1)));
    CHECK(!akin_bbox_intersects(unknown, known));
    CHECK(!akin_bbox_intersects(known, unknown));
    CHECK(!akin_bbox_contains(unknown, 0, 0));
    CHECK(!akin_bbox_contains(known, NAN, 0));
    CHECK(!akin_bbox_contains(known, 0, NAN));
    same(akin_bbox_union(unknown, known), 0, 0, 1, 1);
    same(akin_bbox_union(known, unknown), 0, 0, 1, 1);
    CHECK(!akin_bbox_known(akin_bbox_union(unknown, unknown)));
    akin_bbox_center(unknown, &lon, &lat);
    CHECK(isnan(lon) && isnan(lat));
}

TEST(parsing)
{
    struct akin_bbox out;
    akin_error why = {0};
    REQUIRE_OK(akin_bbox_parse(&out, "-180,-90,180,90", err));
    same(out, -180, -90, 180, 90);
    REQUIRE_OK(akin_bbox_parse(&out, "170,-20.5,-170,10", err)); /* crosses the antimeridian */
    same(out, 170, -20.5, -170, 10);
    static const char *const bad[][2] = {{"-181,0,0,0", "west -181"},
                                         {"0,-91,0,0", "south -91"},
                                         {"0,0,180.5,0", "east 180.5"},
                                         {"0,0,0,90.1", "north 90.1"},
                                         {"0,10,1,5", "south 10 is above north 5"},
                                         {"0,0,1", "has 3 numbers"},
                                         {"0,0,1,nan", "number 4"},
                                         {"", "number 1"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(akin_bbox_parse(&out, bad[i][0], &why), AKIN_ERR_INVALID);
        CHECK_CONTAINS(why.text, bad[i][1]);
    }
    same(out, 170, -20.5, -170, 10);
    CHECK_EQ(akin_bbox_parse(&out, NULL, NULL), AKIN_ERR_INVALID);
}

TEST(longitudes_wrap)
{
    CHECK(akin_lon_wrap(0) == 0);
    CHECK(akin_lon_wrap(-180) == -180);
    CHECK(akin_lon_wrap(180) == -180);
    CHECK(akin_lon_wrap(190) == -170);
    CHECK(akin_lon_wrap(-190) == 170);
    CHECK(akin_lon_wrap(540) == -180);
    CHECK(akin_lon_wrap(-540) == -180);
    CHECK(akin_lon_wrap(720.5) == 0.5);
    CHECK(akin_lon_wrap(123.456789) == 123.456789);
    CHECK(isnan(akin_lon_wrap(NAN)));
    CHECK(isnan(akin_lon_wrap(INFINITY)));
    for (double lon = -180.0000001; lon > -181; lon = nextafter(lon, -181) - 1e-3)
        CHECK(akin_lon_wrap(lon) >= -180 && akin_lon_wrap(lon) < 180);
    double below = akin_lon_wrap(nextafter(-180, -181));
    CHECK(below >= -180 && below < 180);
}

TEST(widths_and_centres)
{
    static const struct {
        double west, east, width, center;
    } known[] = {{0, 10, 10, 5},       {170, -170, 20, -180},
                 {-180, 180, 360, 0},  {175, -175.5, 9.5, 179.75},
                 {5, 5, 0, 5},         {180, -180, 0, -180},
                 {10, 0, 350, -175},   {170, 190, 20, -180},
                 {-200, 300, 360, -20}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double lon, lat;
        struct akin_bbox b = box(known[i].west, -10, known[i].east, 20);
        CHECK_NEAR(akin_bbox_width_deg(b), known[i].width, 1e-9);
        akin_bbox_center(b, &lon, &lat);
        CHECK_NEAR(lon, known[i].center, 1e-9);
        CHECK_NEAR(lat, 5, 0);
    }
}

static bool meet(struct akin_bbox a, struct akin_bbox b)
{
    bool result = akin_bbox_intersects(a, b);
    CHECK_EQ(akin_bbox_intersects(b, a), result);
    return result;
}

TEST(intersections)
{
    CHECK(meet(box(0, 0, 10, 10), box(5, 5, 15, 15)));
    CHECK(meet(box(0, 0, 10, 10), box(2, 2, 3, 3)));
    CHECK(meet(box(0, 0, 10, 10), box(10, 10, 20, 20))); /* touching */
    CHECK(meet(box(0.1, 0, 10.3, 10), box(10.3, 0, 20.7, 10)));
    CHECK(!meet(box(0, 0, 10, 10), box(10.001, 0, 20, 10)));
    CHECK(!meet(box(0, 0, 10, 10), box(0, 11, 10, 20)));
    CHECK(meet(box(170, 0, -170, 10), box(175, 0, 178, 10)));
    CHECK(meet(box(170, 0, -170, 10), box(-178, 0, -175, 10)));
    CHECK(meet(box(170, 0, -170, 10), box(160, 0, -160, 10)));
    CHECK(!meet(box(170, 0, -170, 10), box(-169, 0, 169, 10)));
    CHECK(meet(box(170.3, 0, 180, 10), box(-180, 0, -170, 10))); /* touching there */
    CHECK(meet(box(-180, -90, 180, 90), box(179, 0, -179, 1)));
    CHECK(meet(box(-180, -90, 180, 90), box(33, 0, 33, 0)));
    CHECK(meet(box(180, 0, 180, 0), box(-180, 0, -180, 0)));
    CHECK(!meet(box(0, 80, 10, 90), box(100, 80, 110, 90))); /* the pole alone is not enough */
    CHECK(meet(box(350, 0, 365, 1), box(0, 0, 1, 1)));
}

TEST(containment)
{
    CHECK(akin_bbox_contains(box(170, 0, -170, 10), 180, 5));
    CHECK(akin_bbox_contains(box(170, 0, -170, 10), -180, 5));
    CHECK(akin_bbox_contains(box(170, 0, -170, 10), 530, 5));
    CHECK(akin_bbox_contains(box(170, 0, -170, 10), 170, 0));
    CHECK(akin_bbox_contains(box(170, 0, -170, 10), -170, 10));
    CHECK(!akin_bbox_contains(box(170, 0, -170, 10), 0, 5));
    CHECK(!akin_bbox_contains(box(170, 0, -170, 10), 180, 10.1));
    CHECK(akin_bbox_contains(box(-180, 80, 180, 90), 12, 90));
    CHECK(akin_bbox_contains(box(-180, -90, 180, 90), 180, 0));
    CHECK(!akin_bbox_contains(box(0, 0, 10, 10), 10.001, 5));
}

TEST(unions)
{
    same(akin_bbox_union(box(0, 0, 10, 10), box(5, -5, 20, 5)), 0, -5, 20, 10);
    same(akin_bbox_union(box(0, 0, 10, 10), box(2, 2, 3, 3)), 0, 0, 10, 10);
    same(akin_bbox_union(box(2, 2, 3, 3), box(0, 0, 10, 10)), 0, 0, 10, 10);
    same(akin_bbox_union(box(170, 0, 175, 1), box(-175, 0, -170, 1)), 170, 0, -170, 1);
    same(akin_bbox_union(box(-175, 0, -170, 1), box(170, 0, 175, 1)), 170, 0, -170, 1);
    same(akin_bbox_union(box(170, 0, 180, 1), box(-180, 0, -170, 1)), 170, 0, -170, 1);
    same(akin_bbox_union(box(-180, 0, 0, 1), box(0, 0, 180, 1)), -180, 0, 180, 1);
    same(akin_bbox_union(box(0, 0, -60, 1), box(-160, 0, 100, 1)), -180, 0, 180, 1);
    same(akin_bbox_union(box(-180, -90, 180, 90), box(3, 0, 4, 1)), -180, -90, 180, 90);
    same(akin_bbox_union(box(0, 0, 10, 1), box(350 - 360, 0, 5, 1)), -10, 0, 10, 1);
}

/* The widest arc that neither box covers, for edges on multiples of 5 degrees: the longest run of
 * middles of 5 degrees with no covered multiple between, twice around. */
static double widest_gap(struct akin_bbox a, struct akin_bbox b)
{
    int run = 0, widest = 0;
    for (int i = 0; i < 288; i++) {
        double lon = akin_lon_wrap(i * 2.5);
        bool covered = akin_bbox_contains(a, lon, 0) || akin_bbox_contains(b, lon, 0);
        run = covered ? 0 : run + i % 2;
        widest = run > widest ? run : widest;
    }
    return widest * 5;
}

/* Whatever the two boxes, the union holds both and leaves out the widest gap, so is the
 * smallest. */
TEST(unions_are_the_smallest_that_hold_both)
{
    srandom(1);
    for (int i = 0; i < 20000; i++) {
        double v[4];
        for (int j = 0; j < 4; j++)
            v[j] = (double)(random() % 73) * 5 - 180;
        struct akin_bbox a = box(v[0], 0, v[1], 1), b = box(v[2], 0, v[3], 1);
        struct akin_bbox u = akin_bbox_union(a, b);
        REQUIRE(CHECK_NEAR(akin_bbox_width_deg(u), 360 - widest_gap(a, b), 1e-9));
        CHECK(u.west >= -180 && u.west <= 180 && u.east >= -180 && u.east <= 180);
        for (double lon = -180; lon < 180; lon += 2.5) {
            bool inside = akin_bbox_contains(a, lon, 0) || akin_bbox_contains(b, lon, 0);
            REQUIRE(!inside || akin_bbox_contains(u, lon, 0));
        }
    }
}

TEST(distances)
{
    CHECK_NEAR(akin_geo_distance_m(0, 0, 0, 0), 0, 0);
    CHECK_NEAR(akin_geo_distance_m(0, 0, 180, 0), M_PI * 6371008.8, 1e-3);
    CHECK_NEAR(akin_geo_distance_m(0, 90, 77, -90), M_PI * 6371008.8, 1e-3);
    CHECK_NEAR(akin_geo_distance_m(179.5, 0, -179.5, 0), 6371008.8 * M_PI / 180, 1e-3);
    CHECK_NEAR(akin_geo_distance_m(-77.037852, 38.898556, -77.043934, 38.897147), 549.16, 0.1);
    CHECK_NEAR(akin_geo_distance_m(10, 50, 10, 50 + 1e-7), 0.01112, 1e-4);
    CHECK(isnan(akin_geo_distance_m(NAN, 0, 0, 0)));
    CHECK(isnan(akin_geo_distance_m(0, 0, 0, NAN)));
}

enum { RING_MAX = 4096 };
static double ring_lon[RING_MAX], ring_lat[RING_MAX];
static size_t ring_size;

static void add(double lon, double lat)
{
    ring_lon[ring_size] = lon;
    ring_lat[ring_size++] = lat;
}

static struct akin_bbox of_ring(void)
{
    struct akin_bbox result = akin_bbox_of_ring(ring_lon, ring_lat, ring_size);
    ring_size = 0;
    return result;
}

/* The corners' polygon with its edges cut in `steps`. */
static struct akin_bbox of_corners(const double (*corner)[2], size_t n, int steps)
{
    for (size_t i = 0; i < n; i++)
        for (int s = 0; s < steps; s++) {
            const double *a = corner[i], *b = corner[(i + 1) % n];
            double t = (double)s / steps;
            add(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t);
        }
    return of_ring();
}

TEST(ring_plain)
{
    static const double square[][2] = {{10, 20}, {30, 20}, {30, 5}, {10, 5}};
    same(of_corners(square, 4, 1), 10, 5, 30, 20);
    same(of_corners(square, 4, 20), 10, 5, 30, 20);
}

TEST(ring_of_one_point_and_of_none)
{
    add(7, 8);
    same(of_ring(), 7, 8, 7, 8);
    add(190, 8);
    same(of_ring(), -170, 8, -170, 8);
    add(NAN, 8);
    add(7, NAN);
    add(INFINITY, 1);
    CHECK(!akin_bbox_known(of_ring()));
    add(NAN, NAN);
    add(7, 8);
    add(9, 3);
    same(of_ring(), 7, 3, 9, 8);
    add(NAN, NAN);
    add(5, 90);
    same(of_ring(), -180, 90, 180, 90);
}

TEST(ring_across_the_antimeridian)
{
    static const double jump[][2] = {{170, 10}, {-170, 10}, {-170, -10}, {170, -10}};
    same(of_corners(jump, 4, 1), 170, -10, -170, 10);
    static const double beyond[][2] = {{170, 10}, {190, 10}, {190, -10}, {170, -10}};
    same(of_corners(beyond, 4, 7), 170, -10, -170, 10);
    static const double below[][2] = {{-190, 10}, {-170, 10}, {-170, -10}, {-190, -10}};
    same(of_corners(below, 4, 7), 170, -10, -170, 10);
}

TEST(ring_that_touches_the_antimeridian)
{
    static const double left[][2] = {{170, 10}, {180, 10}, {180, -10}, {170, -10}};
    same(of_corners(left, 4, 3), 170, -10, 180, 10);
    static const double right[][2] = {{-180, 10}, {-170, 10}, {-170, -10}, {-180, -10}};
    same(of_corners(right, 4, 3), -180, -10, -170, 10);
    /* along it, with either sign, as atan2 gives them */
    add(170, 10), add(180, 10), add(-180, 5), add(180, 0), add(-180, -10), add(170, -10);
    same(of_ring(), 170, -10, 180, 10);
}

TEST(ring_of_the_whole_globe)
{
    static const double globe[][2] = {{-180, 90}, {180, 90}, {180, -90}, {-180, -90}};
    for (int steps = 1; steps <= 200; steps++)
        same(of_corners(globe, 4, steps), -180, -90, 180, 90);
    static const double from_0[][2] = {{0, 90}, {360, 90}, {360, -90}, {0, -90}};
    same(of_corners(from_0, 4, 1), -180, -90, 180, 90);
    same(of_corners(from_0, 4, 36), -180, -90, 180, 90);
    static const double belt[][2] = {{-180, 60}, {180, 60}, {180, -60}, {-180, -60}};
    for (int steps = 1; steps <= 200; steps++)
        same(of_corners(belt, 4, steps), -180, -60, 180, 60);
    static const double half[][2] = {{0, 90}, {180, 90}, {180, -90}, {0, -90}};
    same(of_corners(half, 4, 9), 0, -90, 180, 90);
}

TEST(ring_around_a_pole)
{
    for (int direction = -1; direction <= 1; direction += 2) {
        for (int lon = 0; lon < 360; lon += 10)
            add(akin_lon_wrap(direction * lon), 70 + lon % 20);
        same(of_ring(), -180, 70, 180, 90);
        for (int lon = 0; lon < 360; lon += 10)
            add(akin_lon_wrap(direction * lon), -60);
        same(of_ring(), -180, -90, 180, -60);
    }
}

/* A square on the plane of a polar stereographic map, in units of 10 degrees from the pole. */
static struct akin_bbox of_polar_square(double x0, double y0, double side)
{
    static const double way[][2] = {{0, 0}, {1, 0}, {1, 1}, {0, 1}};
    for (int edge = 0; edge < 4; edge++)
        for (int s = 0; s < 16; s++) {
            double t = s / 16.0;
            const double *a = way[edge], *b = way[(edge + 1) % 4];
            double x = x0 + side * (a[0] + (b[0] - a[0]) * t);
            double y = y0 + side * (a[1] + (b[1] - a[1]) * t);
            add(atan2(x, -y) * 180 / M_PI, 90 - 10 * hypot(x, y));
        }
    return of_ring();
}

TEST(ring_of_tiles_near_a_pole)
{
    struct akin_bbox b = of_polar_square(-1, -1, 2); /* the pole in its middle */
    same(b, -180, 90 - 10 * sqrt(2), 180, 90);
    b = of_polar_square(0, -1, 1); /* the pole is its corner: a quarter of the longitudes */
    same(b, 0, 90 - 10 * sqrt(2), 90, 90);
    b = of_polar_square(0, 0, 1);
    same(b, 90, 90 - 10 * sqrt(2), 180, 90);
    b = of_polar_square(-1, 0, 1); /* begins at the antimeridian */
    CHECK_NEAR(akin_bbox_width_deg(b), 90, 1e-9);
    CHECK(akin_bbox_contains(b, -135, 85) && !akin_bbox_contains(b, 45, 85));
    b = of_polar_square(-0.5, 1, 1); /* across the antimeridian, the pole outside */
    CHECK(b.west > b.east);
    CHECK_NEAR(akin_bbox_width_deg(b), 2 * atan(0.5) * 180 / M_PI, 1e-9);
    CHECK(b.north < 81);
}

TEST(ring_latitudes_are_clamped)
{
    add(0, 95), add(10, 95), add(10, 80), add(0, 80);
    same(of_ring(), 0, 80, 10, 90);
}

TEST(hilbert_neighbours_are_neighbours)
{
    /* Along the curve each step goes to an adjacent cell: invert by walking cells of a coarse
     * grid. */
    CHECK_EQ(akin_hilbert_key(-180, -90), 0);
    CHECK_EQ(akin_hilbert_key(180, -90), 0); /* the same place */
    CHECK_EQ(akin_hilbert_key(NAN, 0), UINT32_MAX);
    CHECK_EQ(akin_hilbert_key(0, NAN), UINT32_MAX);
    CHECK(akin_hilbert_key(179.9999, -90) == UINT32_MAX - 1); /* kept apart from "no place" */
    CHECK(akin_hilbert_key(0, 90) == akin_hilbert_key(0, 89.999));
    CHECK(akin_hilbert_key(0, 95) == akin_hilbert_key(0, 90));
    enum { SIDE = 64 };
    static int x_of[SIDE * SIDE], y_of[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++)
        x_of[i] = -1;
    for (int x = 0; x < SIDE; x++)
        for (int y = 0; y < SIDE; y++) {
            double lon = (x + 0.5) * 360 / SIDE - 180, lat = (y + 0.5) * 180 / SIDE - 90;
            uint32_t cell = akin_hilbert_key(lon, lat) >> 20; /* the first 12 of 32 bits */
            REQUIRE(cell < SIDE * SIDE);
            CHECK_EQ(x_of[cell], -1); /* each cell once */
            x_of[cell] = x;
            y_of[cell] = y;
        }
    for (int i = 1; i < SIDE * SIDE; i++)
        CHECK_EQ(abs(x_of[i] - x_of[i - 1]) + abs(y_of[i] - y_of[i - 1]), 1);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
