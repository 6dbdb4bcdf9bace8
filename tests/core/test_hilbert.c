/*
 * Covers of boxes by stretches of the Hilbert curve: nothing inside is left out, little outside is
 * taken in, at the antimeridian and at the poles too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "../check.h"
#include "akin/core.h"

#define RANGES 64

static double unit(uint64_t *counter)
{
    return akin_random_unit(3, 1, (*counter)++);
}

static bool holds(const struct akin_hilbert_range *ranges, size_t count, uint32_t key)
{
    for (size_t i = 0; i < count; i++)
        if (key >= ranges[i].first && key <= ranges[i].last)
            return true;
    return false;
}

static bool in_order(const struct akin_hilbert_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ranges[i].first > ranges[i].last || ranges[i].last == UINT32_MAX ||
            (i && ranges[i].first <= ranges[i - 1].last + 1))
            return false;
    return true;
}

/* Cells in the ranges, over those that the box touches. */
static double excess(const struct akin_hilbert_range *ranges, size_t count, struct akin_bbox box)
{
    double cells = 0, side = 65536;
    for (size_t i = 0; i < count; i++)
        cells += (double)ranges[i].last - ranges[i].first + 1;
    return cells / ((akin_bbox_width_deg(box) / 360 * side + 1) *
                    ((box.north - box.south) / 180 * side + 1));
}

/* Points of a box, its corners and edges among them. */
static void check_points(struct akin_bbox box, const struct akin_hilbert_range *ranges,
                         size_t count, uint64_t *counter)
{
    double width = akin_bbox_width_deg(box);
    for (int i = 0; i < 200; i++) {
        double x = i < 4 ? i % 2 : unit(counter), y = i < 8 ? i / 2 % 2 : unit(counter);
        double lon = akin_lon_wrap(box.west + x * width);
        double lat = fmin(box.north, box.south + y * (box.north - box.south));
        if (x == 1)
            lon = akin_lon_wrap(box.east);
        if (!akin_bbox_contains(box, lon, lat))
            continue;
        if (!CHECK(holds(ranges, count, akin_hilbert_key(lon, lat))))
            return;
    }
}

static void check_box(struct akin_bbox box, uint64_t *counter)
{
    struct akin_hilbert_range ranges[RANGES];
    for (size_t max = 4; max <= RANGES; max *= 4) {
        size_t count = akin_hilbert_cover(ranges, max, box);
        CHECK(count >= 1 && count <= max);
        CHECK(in_order(ranges, count));
        check_points(box, ranges, count, counter);
    }
}

TEST(a_cover_holds_every_place_of_its_box)
{
    uint64_t counter = 0;
    for (int i = 0; i < 300; i++) {
        double west = unit(&counter) * 360 - 180, width = pow(unit(&counter), 3) * 359;
        double south = unit(&counter) * 180 - 90, height = pow(unit(&counter), 3) * 180;
        double east = west + width;
        check_box((struct akin_bbox){west, south, east > 180 ? east - 360 : east,
                                     fmin(90, south + height)},
                  &counter);
    }
}

TEST(poles_the_antimeridian_points_and_the_globe)
{
    uint64_t counter = 0;
    const struct akin_bbox boxes[] = {
        {-180, -90, 180, 90}, {-180, 80, 180, 90}, {-180, -90, 180, -89.9}, {179, -10, -179, 10},
        {170, 5, 180, 6},     {-180, 5, -170, 6},  {180, 0, 180, 0},        {-180, 0, -180, 0},
        {10, 20, 10, 20},     {0, 90, 0, 90},      {0.001, 1, 0, 2},        {-90, -45, 90, 45}};
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++)
        check_box(boxes[i], &counter);
    struct akin_hilbert_range ranges[RANGES];
    CHECK_EQ(akin_hilbert_cover(ranges, RANGES, boxes[0]), 1);
    CHECK_EQ(ranges[0].first, 0);
    CHECK_EQ(ranges[0].last, UINT32_MAX - 1);
    CHECK_EQ(akin_hilbert_cover(ranges, RANGES, akin_bbox_unknown()), 0);
}

TEST(a_cover_of_many_ranges_holds_little_else)
{
    uint64_t counter = 5000;
    struct akin_hilbert_range ranges[RANGES];
    for (int i = 0; i < 100; i++) {
        double west = unit(&counter) * 300 - 180, south = unit(&counter) * 120 - 90;
        double size = 0.5 + unit(&counter) * 40;
        struct akin_bbox box = {west, south, west + size, south + size / 2};
        double fine = excess(ranges, akin_hilbert_cover(ranges, RANGES, box), box);
        double coarse = excess(ranges, akin_hilbert_cover(ranges, 4, box), box);
        CHECK(fine < 1.6);
        CHECK(coarse >= fine);
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
