/*
 * The learning curve: what is written is read again, an epoch done again stands there once, damage
 * ends the reading, and the picture is one, whatever the numbers are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/learn/learn_private.h"
#include "../check.h"

#define BYTES_MAX ((size_t)8 << 20)

static struct curve_row row_of(uint32_t epoch, uint32_t epochs, double loss)
{
    return (struct curve_row){.epoch = {.epoch = epoch,
                                        .epochs = epochs,
                                        .loss = loss,
                                        .rate = 0.00087,
                                        .alignment = 0.61,
                                        .uniformity = -2.5,
                                        .spread = 0.9,
                                        .effective_rank = 57.25,
                                        .views_per_s = 812.5,
                                        .seconds = 6.25,
                                        .tiles_unread = 3,
                                        .collapsed = epoch % 3 == 0},
                              .kept_instant = NAN,
                              .kept_net = NAN,
                              .kept = epoch % 2 ? 0.83 : NAN};
}

static void fill(struct curve *curve, uint32_t count)
{
    for (uint32_t i = 1; i <= count; i++) {
        struct curve_row row = row_of(i, count, 4.0 / i);
        REQUIRE_OK(curve_add(curve, &row, err));
    }
}

static void write_csv(char path[AKIN_PATH_MAX], const char *text, size_t size)
{
    snprintf(path, AKIN_PATH_MAX, "%s/curve.csv", check_folder());
    REQUIRE_OK(akin_file_write_atomic(path, text, size, err));
}

TEST(a_table_there_and_back)
{
    struct curve curve = {0}, back = {0};
    struct akin_buffer csv, again;
    char path[AKIN_PATH_MAX];
    akin_buffer_init(&csv, BYTES_MAX);
    akin_buffer_init(&again, BYTES_MAX);
    fill(&curve, 100);
    REQUIRE_OK(curve_csv(&curve, &csv, err));
    write_csv(path, csv.data, csv.size);
    REQUIRE_OK(curve_load(&back, path, err));
    CHECK_EQ(back.count, 100);
    CHECK_EQ(back.rows[99].epoch.epoch, 100);
    CHECK_EQ(back.rows[99].epoch.tiles_unread, 3);
    CHECK(back.rows[98].epoch.collapsed && !back.rows[99].epoch.collapsed);
    CHECK_NEAR(back.rows[0].epoch.loss, 4, 0);
    CHECK_NEAR(back.rows[0].kept, 0.83, 1e-9);
    CHECK(isnan(back.rows[1].kept));
    REQUIRE_OK(curve_csv(&back, &again, err));
    CHECK(again.size == csv.size && !memcmp(again.data, csv.data, csv.size));
    curve_fini(&curve);
    curve_fini(&back);
    akin_buffer_fini(&csv);
    akin_buffer_fini(&again);
}

TEST(an_epoch_done_again_stands_there_once)
{
    struct curve curve = {0};
    fill(&curve, 10);
    struct curve_row row = row_of(7, 10, 0.5);
    REQUIRE_OK(curve_add(&curve, &row, err));
    CHECK_EQ(curve.count, 7);
    CHECK_NEAR(curve.rows[6].epoch.loss, 0.5, 0);
    curve_fini(&curve);
}

TEST(damage_ends_the_reading)
{
    static const char *const texts[] = {
        "",
        "epoch",
        "epoch,epochs\n",
        "h\n1,2\n",
        "h\n1,2,3,0,x,,,,,,,,,,\n",
        "h\n1,2,3,0,1,1,1,1,1,1,1",
        "h\n0,2,3,0,1,1,1,1,1,1,1,1,1,1,1\n",
        "h\n1,2,3,0,1,1,1,1,1,1,1,1,1,1,1,1\n",
        "h\n1,2,3,2,1,1,1,1,1,1,1,1,1,1,1\n",
    };
    struct curve curve = {0};
    char path[AKIN_PATH_MAX];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_csv(path, texts[i], strlen(texts[i]));
        REQUIRE_OK(curve_load(&curve, path, err));
        CHECK_EQ(curve.count, 0);
    }
    REQUIRE_OK(akin_file_remove(path, err));
    REQUIRE_OK(curve_load(&curve, path, err));
    CHECK_EQ(curve.count, 0);
    curve_fini(&curve);
}

/* ---- the picture ---- */

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

/* Every tag that opens closes, and no number is one that no viewer knows. */
static void check_svg(const struct curve *curve)
{
    struct akin_buffer svg;
    akin_buffer_init(&svg, BYTES_MAX);
    REQUIRE_OK(curve_svg(curve, "trained: epoch 3 of 3", &svg, err));
    CHECK_EQ(count_of(svg.data, "<svg "), 1);
    CHECK_EQ(count_of(svg.data, "</svg>"), 1);
    CHECK_EQ(count_of(svg.data, "<text"), count_of(svg.data, "</text>"));
    CHECK_EQ(count_of(svg.data, "nan") + count_of(svg.data, "inf"), 0);
    CHECK_EQ(count_of(svg.data, "<"), count_of(svg.data, ">"));
    char path[AKIN_PATH_MAX], command[AKIN_PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/curve.svg", check_folder());
    REQUIRE_OK(akin_file_write_atomic(path, svg.data, svg.size, err));
    snprintf(command, sizeof command, "! command -v xmllint >/dev/null || xmllint --noout '%s'",
             path);
    CHECK_EQ(system(command), 0);
    akin_buffer_fini(&svg);
}

TEST(a_picture_of_any_curve)
{
    static const double losses[] = {0, 5, -3, 1e-9, 1e9, NAN, INFINITY};
    struct curve curve = {0};
    check_svg(&curve);
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        struct curve_row row = row_of(1, 3, losses[i]);
        REQUIRE_OK(curve_add(&curve, &row, err));
        check_svg(&curve);
    }
    fill(&curve, 3);
    check_svg(&curve);
    fill(&curve, 20000); /* lines stay short */
    check_svg(&curve);
    curve_fini(&curve);
}

TEST(lines_begin_and_end_where_the_numbers_do)
{
    struct curve curve = {0};
    struct akin_buffer svg;
    akin_buffer_init(&svg, BYTES_MAX);
    fill(&curve, 4); /* losses 4 to 1 of 0 to 4 or less: the first is the highest */
    REQUIRE_OK(curve_svg(&curve, "t", &svg, err));
    CHECK_CONTAINS(svg.data, "points=\"226.5,60.0 ");
    CHECK_CONTAINS(svg.data, "696.0,270.0 ");
    CHECK_EQ(count_of(svg.data, "<polyline"), 2); /* nobody knows of the net or the instant part */
    curve_fini(&curve);
    akin_buffer_fini(&svg);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
