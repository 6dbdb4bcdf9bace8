/*
 * Other dates of the same place: against a plain search over all pairs, on tiles in a grid of
 * scenes; and what must not be a partner.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../src/learn/learn_private.h"
#include "../check.h"

#define DIM 8
#define DRAWS 64

struct world {
    akin_catalog *catalog;
    struct tile_choice choice;
    struct akin_columns columns[4096];
};

static void put_box(struct akin_columns *columns, double lon, double lat, double side)
{
    double corners[4] = {lon, lat, lon + side, lat + side};
    for (int i = 0; i < 4; i++)
        columns->bbox_e7[i] = (int32_t)lround(corners[i] * 1e7);
    for (int i = 0; i < 4; i++) {
        columns->corner_e7[2 * i] = columns->bbox_e7[i == 1 || i == 2 ? 2 : 0];
        columns->corner_e7[2 * i + 1] = columns->bbox_e7[i < 2 ? 3 : 1];
    }
}

static void add_tile(struct world *world, uint32_t scene, uint32_t col, double lon, double lat,
                     double side, int64_t begin_ms)
{
    struct akin_columns *columns = &world->columns[world->choice.count++];
    *columns = (struct akin_columns){.key = akin_tile_key(scene, 0, 0, col),
                                     .begin_ms = begin_ms,
                                     .end_ms = begin_ms,
                                     .hilbert = akin_hilbert_key(lon, lat)};
    put_box(columns, lon, lat, side);
}

/* A collection's index with the rows, and the choice of all of them. */
static akin_status store(struct world *world, akin_error *err)
{
    static float vectors[4096 * DIM];
    char dir[AKIN_PATH_MAX - 32], path[AKIN_PATH_MAX];
    struct akin_index_options options;
    akin_index *index = NULL;
    struct tile_choice *choice = &world->choice;
    snprintf(dir, sizeof dir, "%s/c", check_folder());
    snprintf(path, sizeof path, "%s/index/x", dir);
    akin_index_options_default(&options);
    options.dim = DIM;
    choice->keys = akin_alloc(choice->count, sizeof *choice->keys);
    for (size_t i = 0; i < choice->count; i++) {
        choice->keys[i] = world->columns[i].key;
        vectors[i * DIM] = 1;
    }
    akin_status status = akin_catalog_create(dir, NULL, err);
    if (status == AKIN_OK)
        status = akin_catalog_open(&world->catalog, dir, AKIN_OPEN_READ, err);
    if (status == AKIN_OK)
        status = akin_index_open(&index, path, AKIN_OPEN_WRITE, &options, err);
    if (status == AKIN_OK)
        status = akin_index_add(index, world->columns, vectors, choice->count, err);
    akin_index_close(index);
    return status;
}

static void world_fini(struct world *world)
{
    choose_fini(&world->choice);
    akin_catalog_close(world->catalog);
    world->catalog = NULL;
    world->choice = (struct tile_choice){0};
}

/* The definition, in numbers of the columns. */
static bool expected(const struct akin_columns *a, const struct akin_columns *b)
{
    double common = 1, area_a = 1, area_b = 1;
    for (int i = 0; i < 2; i++) {
        common *= fmax(0, fmin(a->bbox_e7[i + 2], b->bbox_e7[i + 2]) -
                              fmax(a->bbox_e7[i], b->bbox_e7[i]));
        area_a *= (double)a->bbox_e7[i + 2] - a->bbox_e7[i];
        area_b *= (double)b->bbox_e7[i + 2] - b->bbox_e7[i];
    }
    return akin_tile_scene(a->key) != akin_tile_scene(b->key) && a->begin_ms != b->begin_ms &&
           common > area_a / 2 && common > area_b / 2;
}

/* Scenes of 8 x 8 tiles that are shifted against each other and have tiles of different sizes. */
TEST(partners_are_those_that_a_search_over_all_finds)
{
    static struct world world;
    struct partners *partners = NULL;
    for (uint32_t scene = 1; scene <= 9; scene++)
        for (uint32_t i = 0; i < 64; i++) {
            double side = scene % 4 == 3 ? 3.0 : 1.0 + 0.1 * (scene % 3);
            add_tile(&world, scene, i, -60 + 0.317 * scene + i % 8 * side,
                     10 + 0.1131 * scene + i / 8 * side, side, scene < 9 ? 1000 * (scene / 2) : 5);
        }
    REQUIRE_OK(store(&world, err));
    REQUIRE_OK(partners_create(&partners, &world.choice, world.catalog, "x", err));
    size_t with = 0;
    for (size_t i = 0; i < world.choice.count; i++) {
        static bool drawn[4096];
        size_t there = 0, found = 0;
        memset(drawn, 0, sizeof drawn);
        for (uint64_t draw = 0; draw < DRAWS; draw++)
            drawn[partners_draw(partners, i, akin_random_u64(1, i, draw))] = true;
        for (size_t j = 0; j < world.choice.count; j++) {
            bool is = expected(&world.columns[i], &world.columns[j]);
            there += is;
            found += is && drawn[j];
            CHECK(is || j == i || !drawn[j]);
        }
        CHECK(drawn[i] == (there == 0));
        CHECK_EQ(found, there); /* at most a dozen: 64 draws meet each */
        with += there > 0;
    }
    CHECK(with > 100);
    CHECK(with < world.choice.count);
    partners_free(partners);
    world_fini(&world);
}

TEST(no_place_no_time_and_the_same_time_are_no_partners)
{
    static struct world world;
    struct partners *partners = NULL;
    add_tile(&world, 1, 0, 10, 10, 1, 100);
    add_tile(&world, 2, 0, 10, 10, 1, 100); /* the same time */
    add_tile(&world, 3, 0, 10, 10, 1, 0);   /* no time */
    world.columns[2].begin_ms = INT64_MAX;
    world.columns[2].end_ms = INT64_MIN;
    add_tile(&world, 4, 0, 10, 10, 1, 300); /* no place */
    for (int i = 0; i < 8; i++) {
        world.columns[3].corner_e7[i] = AKIN_E7_UNKNOWN;
        world.columns[3].bbox_e7[i % 4] = AKIN_E7_UNKNOWN;
    }
    world.columns[3].hilbert = UINT32_MAX;
    add_tile(&world, 5, 0, 10.6, 10, 1, 500); /* less than half */
    add_tile(&world, 6, 0, 10, 10, 3, 600);   /* covers it, but is much larger */
    REQUIRE_OK(store(&world, err));
    REQUIRE_OK(partners_create(&partners, &world.choice, world.catalog, "x", err));
    for (size_t i = 0; i < world.choice.count; i++)
        for (uint64_t draw = 0; draw < DRAWS; draw++)
            CHECK_EQ(partners_draw(partners, i, draw), i);
    partners_free(partners);
    world_fini(&world);
}

/* A crowd in one cell: bounded work, and still one of them, a different one each time. */
TEST(a_crowd_of_dates)
{
    static struct world world;
    struct partners *partners = NULL;
    static bool drawn[4096];
    size_t different = 0;
    for (uint32_t scene = 1; scene <= 2000; scene++)
        add_tile(&world, scene, 0, 10, 10, 1, scene);
    REQUIRE_OK(store(&world, err));
    REQUIRE_OK(partners_create(&partners, &world.choice, world.catalog, "x", err));
    for (uint64_t draw = 0; draw < 200; draw++)
        drawn[partners_draw(partners, 7, akin_random_u64(1, 2, draw))] = true;
    for (size_t i = 0; i < 2000; i++)
        different += drawn[i];
    CHECK(different > 150);
    CHECK(!drawn[7]);
    CHECK_EQ(partners_draw(partners, 7, 99), partners_draw(partners, 7, 99));
    partners_free(partners);
    world_fini(&world);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
