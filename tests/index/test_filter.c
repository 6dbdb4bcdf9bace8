/*
 * Filters and zones: what each one lets through, that a zone never excludes a row that matches, and
 * that whole segments are passed over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../../src/index/zone.h"
#include "rows.h"

static struct akin_columns placed(uint64_t key, double west, double south, double east,
                                  double north)
{
    struct rows_random random = {30, 0};
    struct akin_columns columns = rows_columns(key, &random);
    columns.bbox_e7[0] = (int32_t)lround(west * 1e7);
    columns.bbox_e7[1] = (int32_t)lround(south * 1e7);
    columns.bbox_e7[2] = (int32_t)lround(east * 1e7);
    columns.bbox_e7[3] = (int32_t)lround(north * 1e7);
    return columns;
}

TEST(a_box_across_the_antimeridian)
{
    struct akin_filter filter;
    struct akin_columns fiji = placed(1, 179, -18, -179, -16),
                        west = placed(2, -175, -18, -174, -16);
    struct akin_columns africa = placed(3, 10, -18, 11, -16), nowhere = africa;
    for (int i = 0; i < 4; i++)
        nowhere.bbox_e7[i] = AKIN_E7_UNKNOWN;
    akin_filter_init(&filter);
    CHECK(akin_filter_matches(&filter, &nowhere));
    filter.bbox = (struct akin_bbox){170, -20, -170, -10};
    CHECK(akin_filter_matches(&filter, &fiji));
    CHECK(akin_filter_matches(&filter, &west));
    CHECK(!akin_filter_matches(&filter, &africa));
    CHECK(!akin_filter_matches(&filter, &nowhere));
    filter.bbox = (struct akin_bbox){-180, -20, -176, -10};
    CHECK(akin_filter_matches(&filter, &fiji));
    CHECK(!akin_filter_matches(&filter, &west));
}

TEST(a_polygon_asks_for_the_footprint)
{
    static const char text[] = "POLYGON((0 0,10 0,0 10,0 0))"; /* not the box's other half */
    struct akin_filter filter;
    struct akin_columns in = placed(1, 1, 1, 2, 2), out = placed(2, 8, 8, 9, 9), nowhere = in;
    akin_polygon *polygon = NULL;
    struct zone zone;
    for (int i = 0; i < 4; i++)
        nowhere.bbox_e7[i] = AKIN_E7_UNKNOWN;
    REQUIRE_OK(akin_polygon_parse(&polygon, text, sizeof text - 1, "given", err));
    akin_filter_init(&filter);
    CHECK(filter_is_open(&filter) && !akin_bbox_known(filter_bbox(&filter)));
    filter.polygon = polygon;
    CHECK(!filter_is_open(&filter) && filter_bbox(&filter).east == 10);
    CHECK(akin_filter_matches(&filter, &in));
    CHECK(!akin_filter_matches(&filter, &out));
    CHECK(!akin_filter_matches(&filter, &nowhere));
    zone_init(&zone);
    CHECK(zone_excludes(&zone, &filter));
    zone_add(&zone, &out);
    CHECK(zone_excludes(&zone, &filter));
    zone_add(&zone, &in);
    CHECK(!zone_excludes(&zone, &filter));
    filter.bbox = (struct akin_bbox){1.5, 1.5, 3, 3}; /* and the box */
    CHECK(akin_filter_matches(&filter, &in) && filter_bbox(&filter).east == 3);
    filter.bbox = (struct akin_bbox){3, 3, 4, 4};
    CHECK(!akin_filter_matches(&filter, &in));
    akin_polygon_free(polygon);
}

TEST(times_and_shares)
{
    struct akin_filter filter;
    struct akin_columns columns = placed(1, 0, 0, 1, 1);
    columns.begin_ms = 1000;
    columns.end_ms = 2000;
    columns.nodata = 51; /* 0.2 */
    columns.gap = 0;
    columns.texture = 20; /* 10 */
    akin_filter_init(&filter);
    filter.time = (struct akin_interval){1500, 1500};
    CHECK(akin_filter_matches(&filter, &columns));
    filter.time = (struct akin_interval){2000, 3000};
    CHECK(!akin_filter_matches(&filter, &columns));
    filter.time = (struct akin_interval){AKIN_TIME_MIN, 1001};
    CHECK(akin_filter_matches(&filter, &columns));
    columns.begin_ms = AKIN_TIME_MAX;
    columns.end_ms = AKIN_TIME_MIN;
    CHECK(!akin_filter_matches(&filter, &columns));
    filter.time = akin_interval_unknown();
    CHECK(akin_filter_matches(&filter, &columns));
    filter.nodata_max = 0.2;
    CHECK(akin_filter_matches(&filter, &columns));
    filter.nodata_max = 0.19;
    CHECK(!akin_filter_matches(&filter, &columns));
    filter.nodata_max = 1;
    filter.gap_max = 0;
    filter.texture_min = 10;
    CHECK(akin_filter_matches(&filter, &columns));
    filter.texture_min = 10.1;
    CHECK(!akin_filter_matches(&filter, &columns));
}

TEST(no_scene_at_all_matches_nothing)
{
    struct akin_filter filter;
    uint32_t scenes[] = {3, 5};
    struct akin_columns columns = placed(akin_tile_key(5, 0, 0, 0), 0, 0, 1, 1);
    akin_filter_init(&filter);
    filter.scenes = scenes;
    CHECK(!akin_filter_matches(&filter, &columns));
    filter.scene_count = 2;
    CHECK(akin_filter_matches(&filter, &columns));
    filter.scene_count = 1;
    CHECK(!akin_filter_matches(&filter, &columns));
}

/* A triangle in some 40 degrees. */
static akin_polygon *random_polygon(struct rows_random *random)
{
    char text[200];
    akin_polygon *polygon = NULL;
    double x[3], y[3], lon = rows_unit(random) * 360 - 180, lat = rows_unit(random) * 140 - 70;
    for (int i = 0; i < 3; i++) {
        x[i] = lon + rows_unit(random) * 40 - 20;
        y[i] = lat + rows_unit(random) * 40 - 20;
    }
    snprintf(text, sizeof text, "POLYGON((%.7f %.7f,%.7f %.7f,%.7f %.7f,%.7f %.7f))", x[0], y[0],
             x[1], y[1], x[2], y[2], x[0], y[0]);
    CHECK_EQ(akin_polygon_parse(&polygon, text, strlen(text), "random", NULL), AKIN_OK);
    return polygon;
}

static void random_filter(struct akin_filter *filter, uint32_t scenes[2],
                          struct rows_random *random)
{
    akin_filter_init(filter);
    if (rows_below(random, 2)) {
        double west = rows_unit(random) * 360 - 180, east = west + rows_unit(random) * 40;
        double south = rows_unit(random) * 170 - 90;
        filter->bbox = (struct akin_bbox){west, south, east > 180 ? east - 360 : east,
                                          south + rows_unit(random) * (90 - south)};
    }
    if (rows_below(random, 2)) {
        filter->time.begin_ms = (int64_t)rows_below(random, 1000) * 86400000;
        filter->time.end_ms = filter->time.begin_ms + (int64_t)rows_below(random, 9) * 86400000;
    }
    if (!rows_below(random, 4)) {
        scenes[0] = (uint32_t)rows_below(random, 50);
        scenes[1] = scenes[0] + 1 + (uint32_t)rows_below(random, 50);
        filter->scenes = scenes;
        filter->scene_count = 2;
    }
    if (!rows_below(random, 4))
        filter->texture_min = rows_unit(random) * 127;
    if (!rows_below(random, 4))
        filter->nodata_max = rows_unit(random);
    if (!rows_below(random, 4))
        filter->polygon = random_polygon(random);
}

TEST(a_zone_never_excludes_a_row_that_matches)
{
    struct rows_random random = {31, 0};
    int wrong = 0, excluded = 0, matched = 0;
    for (int round = 0; round < ROWS_STEPS(100000); round++) {
        struct akin_columns rows[4];
        struct akin_filter filter;
        struct zone zone;
        uint32_t scenes[2];
        bool any = false;
        size_t n = 1 + (size_t)rows_below(&random, 4);
        zone_init(&zone);
        random_filter(&filter, scenes, &random);
        for (size_t i = 0; i < n; i++) {
            rows[i] = rows_columns(rows_below(&random, 100) << 32 | i, &random);
            zone_add(&zone, &rows[i]);
            any |= akin_filter_matches(&filter, &rows[i]);
        }
        bool out = zone_excludes(&zone, &filter);
        wrong += out && any;
        excluded += out;
        matched += any;
        akin_polygon_free((akin_polygon *)filter.polygon);
    }
    CHECK_EQ(wrong, 0);
    CHECK(excluded > ROWS_STEPS(100000) / 20 && matched > ROWS_STEPS(100000) / 20);
}

/* Two segments on two continents: a box on one of them never reads the other. */
TEST(segments_and_blocks_are_passed_over_by_zone)
{
    akin_index *index = rows_open(check_folder(), AKIN_OPEN_WRITE, 100000);
    struct rows_random random = {32, 0};
    enum { N = 4000 };
    REQUIRE(index != NULL);
    for (uint32_t part = 0; part < 2; part++) {
        struct akin_columns *columns = calloc(N, sizeof *columns);
        float *vectors = calloc(N * ROWS_DIM, sizeof *vectors);
        for (uint32_t i = 0; i < N; i++) {
            double lon = part ? 100 : -100, lat = -40 + 80.0 * i / N, x, y;
            columns[i] = placed(akin_tile_key(1 + part, 0, 0, i), lon, lat, lon + 1, lat + 1);
            akin_bbox_center(akin_columns_bbox(&columns[i]), &x, &y);
            columns[i].hilbert = akin_hilbert_key(x, y);
            rows_vector(vectors + i * ROWS_DIM, &random);
        }
        REQUIRE_OK(akin_index_add(index, columns, vectors, N, err));
        REQUIRE_OK(akin_index_flush(index, err));
        free(columns);
        free(vectors);
    }
    struct akin_filter filter;
    struct akin_index_work work;
    struct akin_hit hits[5];
    size_t count;
    float vector[ROWS_DIM] = {1};
    struct akin_index_query query = {
        .vectors = vector, .count = 1, .k = 5, .threshold = -INFINITY, .filter = &filter};
    akin_filter_init(&filter);
    filter.bbox = (struct akin_bbox){99, -41, 102, -39};
    REQUIRE_OK(akin_index_search(index, &query, hits, &count, &work, err));
    CHECK_EQ(count, 5);
    CHECK_EQ(work.segments, 2);
    CHECK_EQ(work.segments_skipped, 1);
    CHECK_EQ(work.rows_scanned + work.rows_filtered, 2 * N);
    CHECK(work.rows_scanned <= 1024);
    filter.bbox = (struct akin_bbox){0, -41, 2, -39};
    REQUIRE_OK(akin_index_search(index, &query, hits, &count, &work, err));
    CHECK_EQ(count, 0);
    CHECK_EQ(work.segments_skipped, 2);
    CHECK_EQ(work.bytes_read, 0);
    akin_index_close(index);
}

int main(int argc, char **argv)
{
    return rows_main(argc, argv);
}
