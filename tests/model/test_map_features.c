/*
 * Pooling: means and deviations of a net's maps against plain sums in doubles, with and without a
 * mask; cells that were missing count for nothing, those that were there in part count in part.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "../../src/model/map_features.h"
#include "../check.h"

#define BATCH 3

struct fixture {
    struct arch_table table;
    struct net net;
    uint32_t px;
    float *parameters, *statistics, *folded, *scratch, *map, *features;
    uint8_t *mask;
};

static akin_status setup(struct fixture *it, const char *preset, uint32_t bands, uint32_t px,
                         akin_error *err)
{
    struct arch arch;
    memset(it, 0, sizeof *it);
    it->px = px;
    akin_status status = arch_init(&arch, preset, bands, err);
    if (status != AKIN_OK)
        return status;
    arch_table_init(&it->table, &arch);
    it->parameters = akin_alloc_zero(it->table.parameter_count, sizeof(float));
    it->folded = akin_alloc_zero(it->table.parameter_count, sizeof(float));
    it->statistics = akin_alloc_zero(it->table.statistic_count, sizeof(float));
    it->scratch = akin_alloc_zero(map_features_scratch(&arch, px), sizeof(float));
    it->map = akin_alloc_zero((size_t)px * px, 4 * arch.width[ARCH_STAGES - 1]);
    it->features = akin_alloc_zero(map_features_size(&arch), sizeof(float));
    it->mask = akin_alloc((size_t)px * px, 1);
    memset(it->mask, 255, (size_t)px * px);
    arch_initialise(&it->table, 3, it->parameters, it->statistics);
    net_fold(&it->table, it->parameters, it->statistics, it->folded);
    const struct graph_options options = {.batch = BATCH, .parameters = it->folded};
    status = net_create_folded(&it->net, &it->table, px, &options, NULL, err);
    if (status != AKIN_OK)
        return status;
    float *x = graph_data(it->net.graph, it->net.input);
    for (size_t i = 0; i < (size_t)BATCH * bands * px * px; i++)
        x[i] = (float)akin_random_unit(1, 2, i) * 2 - 1;
    return graph_forward(it->net.graph, err);
}

static void teardown(struct fixture *it)
{
    net_fini(&it->net);
    akin_free(it->parameters);
    akin_free(it->statistics);
    akin_free(it->folded);
    akin_free(it->scratch);
    akin_free(it->map);
    akin_free(it->features);
    akin_free(it->mask);
}

/* How much of a cell was there, pixel by pixel of the whole tile. */
static double share_of(const struct fixture *it, uint32_t side, uint32_t row, uint32_t column)
{
    double there = 0, all = 0;
    for (uint32_t y = 0; y < it->px; y++)
        for (uint32_t x = 0; x < it->px; x++)
            if (y * side / it->px == row && x * side / it->px == column) {
                all++;
                there += it->mask[y * it->px + x] != 0;
            }
    return there / all;
}

/* Channel c of a map (side, side, channels): its weighted mean and standard deviation. */
static void moments(const struct fixture *it, uint32_t side, uint32_t channels, uint32_t c,
                    const double *share, double *mean, double *deviation)
{
    double total = 0, sum = 0, squares = 0;
    for (uint32_t i = 0; i < side * side; i++) {
        total += share[i];
        sum += share[i] * it->map[i * channels + c];
    }
    *mean = sum / total;
    for (uint32_t i = 0; i < side * side; i++) {
        double away = it->map[i * channels + c] - *mean;
        squares += share[i] * away * away;
    }
    *deviation = sqrt(squares / total);
}

/* features against the maps of image n under the mask: mean of stage 2, both of stages 3 and 4. */
static void check_features(struct fixture *it, size_t n)
{
    const float *at = it->features;
    static double share[64 * 64];
    for (unsigned s = 1; s < ARCH_STAGES; s++) {
        uint32_t channels, side;
        graph_map_size(it->net.graph, it->net.stage[s], &channels, &side);
        graph_read_map(it->net.graph, it->net.stage[s], n, it->map);
        for (uint32_t i = 0; i < side * side; i++)
            share[i] = share_of(it, side, i / side, i % side);
        for (uint32_t c = 0; c < channels; c++) {
            double mean, deviation;
            moments(it, side, channels, c, share, &mean, &deviation);
            CHECK_NEAR(at[c], mean, 1e-4 * (1 + fabs(mean)));
            if (s > 1) /* of a nearly constant channel the difference of squares is rounding */
                CHECK_NEAR(at[channels + c], deviation, 2e-3 * (1 + fabs(mean)));
        }
        at += s > 1 ? 2 * channels : channels;
    }
    CHECK_EQ(at - it->features, map_features_size(&it->table.arch));
}

static void check_preset(const char *preset, uint32_t bands, uint32_t px)
{
    struct fixture it;
    REQUIRE_OK(setup(&it, preset, bands, px, err));
    for (size_t n = 0; n < BATCH; n++) {
        memset(it.mask, 255, (size_t)px * px);
        CHECK(map_features_pool(&it.net, &it.table.arch, px, n, NULL, it.scratch, it.features));
        check_features(&it, n);
        CHECK(map_features_pool(&it.net, &it.table.arch, px, n, it.mask, it.scratch, it.features));
        check_features(&it, n);
        memset(it.mask, 0, (size_t)px * px / 2); /* the upper half */
        for (size_t i = 0; i < px; i++)          /* and a slanted edge, which cuts cells */
            memset(it.mask + i * px, 0, i / 3);
        CHECK(map_features_pool(&it.net, &it.table.arch, px, n, it.mask, it.scratch, it.features));
        check_features(&it, n);
    }
    teardown(&it);
}

TEST(of_r10h)
{
    check_preset("r10h", 3, 64);
}

TEST(of_r18h_at_a_side_that_halves_unevenly)
{
    check_preset("r18h", 8, 48);
}

TEST(of_r18_with_one_band)
{
    check_preset("r18", 1, 96);
}

TEST(one_pixel_decides_alone)
{
    struct fixture it;
    REQUIRE_OK(setup(&it, "r10h", 3, 64, err));
    memset(it.mask, 0, 64 * 64);
    it.mask[40 * 64 + 9] = 1; /* row 10, column 2 of stage 2, which is 16 x 16 */
    CHECK(map_features_pool(&it.net, &it.table.arch, 64, 1, it.mask, it.scratch, it.features));
    graph_read_map(it.net.graph, it.net.stage[1], 1, it.map);
    for (uint32_t c = 0; c < 64; c++)
        CHECK_NEAR(it.features[c], it.map[(10 * 16 + 2) * 64 + c], 1e-5);
    for (uint32_t c = 0; c < 128; c++)
        CHECK_NEAR(it.features[64 + 128 + c], 0, 2e-3); /* one cell does not deviate */
    teardown(&it);
}

TEST(nothing_there_is_nothing_said)
{
    struct fixture it;
    REQUIRE_OK(setup(&it, "r10h", 3, 64, err));
    const size_t size = map_features_size(&it.table.arch);
    CHECK_EQ(size, 64 + 2 * 128 + 2 * 256);
    memset(it.mask, 0, 64 * 64);
    memset(it.features, 1, size * sizeof *it.features);
    CHECK(!map_features_pool(&it.net, &it.table.arch, 64, 0, it.mask, it.scratch, it.features));
    for (size_t i = 0; i < size; i++)
        CHECK(it.features[i] == 0);
    teardown(&it);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
