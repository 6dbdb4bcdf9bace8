/*
 * Clusters of points whose clusters are known, and what an epoch owes to every tile.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../../src/model/sampler.h"
#include "../check.h"
#include "akin/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- clusters ---- */

/* Row i is a unit vector near axis i % groups, off it by about `spread`. */
static float *make_points(size_t count, size_t dim, size_t groups, double spread)
{
    float *x = malloc(count * dim * sizeof *x);
    for (size_t i = 0; i < count; i++) {
        for (size_t d = 0; d < dim; d++)
            x[i * dim + d] = (float)(spread * (akin_random_unit(5, i, d) - 0.5));
        x[i * dim + i % groups] += 1;
        akin_normalize(x + i * dim, dim);
    }
    return x;
}

/* Sum of the cosines of all rows with their cluster's direction. */
static double fit_of(const float *x, const uint32_t *cluster, size_t count, size_t dim, size_t k)
{
    double fit = 0;
    for (size_t c = 0; c < k; c++) {
        float *sum = calloc(dim, sizeof *sum);
        for (size_t i = 0; i < count; i++)
            for (size_t d = 0; d < dim && cluster[i] == c; d++)
                sum[d] += x[i * dim + d];
        fit += akin_normalize(sum, dim);
        free(sum);
    }
    return fit;
}

TEST(groups_that_are_apart_are_found)
{
    enum { COUNT = 1000, DIM = 19, GROUPS = 12 };
    float *x = make_points(COUNT, DIM, GROUPS, 0.02);
    uint32_t cluster[COUNT];
    for (uint64_t seed = 0; seed < 5; seed++) {
        REQUIRE_OK(sampler_cluster(cluster, x, COUNT, DIM, GROUPS, 20, seed, NULL, err));
        for (size_t i = 0; i < COUNT; i++) {
            REQUIRE(cluster[i] < GROUPS);
            REQUIRE(cluster[i] == cluster[i % GROUPS]);
        }
        for (size_t i = 0; i < GROUPS; i++)
            for (size_t j = 0; j < i; j++)
                CHECK(cluster[i] != cluster[j]);
    }
    free(x);
}

TEST(rounds_make_it_fit_better_and_every_row_is_with_its_centre)
{
    enum { COUNT = 700, DIM = 8, K = 10 };
    float *x = make_points(COUNT, DIM, DIM, 3);
    uint32_t seeds[COUNT], best[COUNT];
    REQUIRE_OK(sampler_cluster(seeds, x, COUNT, DIM, K, 0, 1, NULL, err));
    REQUIRE_OK(sampler_cluster(best, x, COUNT, DIM, K, 100, 1, NULL, err));
    CHECK(fit_of(x, best, COUNT, DIM, K) > 1.02 * fit_of(x, seeds, COUNT, DIM, K));
    /* Converged: the direction of its own cluster is the nearest of all. */
    float centres[K][DIM] = {{0}};
    for (size_t i = 0; i < COUNT; i++)
        akin_kernels()->axpy(centres[best[i]], 1, x + i * DIM, DIM);
    for (size_t c = 0; c < K; c++)
        akin_normalize(centres[c], DIM);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t c = 0; c < K; c++)
            REQUIRE(akin_kernels()->dot(x + i * DIM, centres[c], DIM) <=
                    akin_kernels()->dot(x + i * DIM, centres[best[i]], DIM) + 1e-5f);
    free(x);
}

TEST(clusters_do_not_depend_on_threads)
{
    enum { COUNT = 3001, DIM = 33, K = 40 };
    float *x = make_points(COUNT, DIM, DIM, 2);
    uint32_t alone[COUNT], together[COUNT], other[COUNT];
    akin_pool *pool = NULL;
    REQUIRE_OK(akin_pool_create(&pool, 3, err));
    REQUIRE_OK(sampler_cluster(alone, x, COUNT, DIM, K, 7, 9, NULL, err));
    REQUIRE_OK(sampler_cluster(together, x, COUNT, DIM, K, 7, 9, pool, err));
    REQUIRE_OK(sampler_cluster(other, x, COUNT, DIM, K, 7, 10, pool, err));
    CHECK(memcmp(alone, together, sizeof alone) == 0);
    CHECK(memcmp(alone, other, sizeof alone) != 0);
    akin_pool_free(pool);
    free(x);
}

TEST(more_clusters_than_points_and_points_that_are_alike)
{
    float *x = make_points(5, 6, 5, 0.1);
    uint32_t cluster[300];
    REQUIRE_OK(sampler_cluster(cluster, x, 5, 6, 99, 10, 1, NULL, err));
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(cluster[i] < 5 && cluster[i] != cluster[j]);
    float *alike = calloc((size_t)300 * 6, sizeof *alike); /* 100 each of three points */
    for (size_t i = 0; i < 300; i++)
        alike[i * 6 + i % 3] = 1;
    REQUIRE_OK(sampler_cluster(cluster, alike, 300, 6, 8, 10, 1, NULL, err));
    for (size_t i = 0; i < 300; i++)
        REQUIRE(cluster[i] == cluster[i % 3] && cluster[i] < 8);
    CHECK(cluster[0] != cluster[1] && cluster[1] != cluster[2] && cluster[0] != cluster[2]);
    free(x);
    free(alike);
}

TEST(bad_shapes_are_refused)
{
    float x[2] = {1, 0};
    uint32_t cluster[2] = {7, 7};
    struct sampler *sampler = NULL;
    akin_error err = {0};
    CHECK_EQ(sampler_cluster(cluster, x, 0, 2, 1, 1, 1, NULL, &err), AKIN_ERR_INVALID);
    CHECK_CONTAINS(err.text, "0 tiles");
    CHECK_EQ(sampler_cluster(cluster, x, 1, 2, 0, 1, 1, NULL, &err), AKIN_ERR_INVALID);
    CHECK_EQ(cluster[0], 7);
    CHECK_EQ(sampler_create(&sampler, 0, NULL, 0, 0, 1, &err), AKIN_ERR_INVALID);
    CHECK_EQ(sampler_create(&sampler, 2, cluster, 7, 0.5, 1, &err), AKIN_ERR_INVALID);
    CHECK_CONTAINS(err.text, "tile 0 is in cluster 7 of 7");
    CHECK_EQ(sampler_create(&sampler, 2, cluster, 8, 1.5, 1, &err), AKIN_ERR_INVALID);
    CHECK_EQ(sampler_create(&sampler, 2, cluster, 8, NAN, 1, &err), AKIN_ERR_INVALID);
    CHECK(sampler == NULL);
    sampler_free(NULL);
}

TEST(running_out_of_memory_is_an_error)
{
    float *x = make_points(50, 4, 4, 0.5);
    uint32_t cluster[50] = {0};
    struct sampler *sampler = NULL;
    size_t used = akin_memory_used();
    for (long n = 0; n < 5; n++) {
        akin_memory_fail_at(n);
        CHECK_EQ(sampler_cluster(cluster, x, 50, 4, 4, 3, 1, NULL, NULL), AKIN_ERR_NO_MEMORY);
    }
    for (long n = 0; n < 4; n++) {
        akin_memory_fail_at(n);
        CHECK_EQ(sampler_create(&sampler, 50, cluster, 4, 0.5, 1, NULL), AKIN_ERR_NO_MEMORY);
    }
    akin_memory_fail_at(-1);
    CHECK(sampler == NULL);
    CHECK_EQ(akin_memory_used(), used);
    free(x);
}

/* ---- epochs ---- */

/* Of 1,000 tiles: 900 in cluster 0, 90 in 1, 10 in 3, none in 2. */
enum { TILES = 1000 };
static void make_clusters(uint32_t *cluster)
{
    for (size_t i = 0; i < TILES; i++)
        cluster[i] = i % 100 == 7 ? 3 : i % 10 == 3 ? 1 : 0;
    cluster[0] = 0;
}

static size_t cluster_size(const uint32_t *cluster, uint32_t which)
{
    size_t size = 0;
    for (size_t i = 0; i < TILES; i++)
        size += cluster[i] == which;
    return size;
}

TEST(with_power_0_every_tile_comes_once)
{
    uint32_t cluster[TILES], order[TILES];
    make_clusters(cluster);
    for (int alike = 0; alike < 2; alike++) {
        struct sampler *sampler = NULL;
        REQUIRE_OK(sampler_create(&sampler, TILES, alike ? NULL : cluster, 4, 0, 3, err));
        for (uint64_t epoch = 0; epoch < 50; epoch++) {
            unsigned seen[TILES] = {0};
            sampler_epoch(sampler, epoch, order);
            for (size_t i = 0; i < TILES; i++)
                REQUIRE(order[i] < TILES && seen[order[i]]++ == 0);
        }
        sampler_free(sampler);
    }
}

static void check_shares(double power)
{
    enum { EPOCHS = 400 };
    uint32_t cluster[TILES], order[TILES];
    unsigned *seen = calloc(TILES, sizeof *seen);
    struct sampler *sampler = NULL;
    make_clusters(cluster);
    REQUIRE_OK(sampler_create(&sampler, TILES, cluster, 4, power, 3, err));
    double weights = 0;
    for (size_t i = 0; i < TILES; i++)
        weights += pow((double)cluster_size(cluster, cluster[i]), -power);
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        sampler_epoch(sampler, epoch, order);
        unsigned now[TILES] = {0};
        for (size_t i = 0; i < TILES; i++)
            seen[order[i]]++, now[order[i]]++;
        for (size_t i = 0; i < TILES; i++) { /* never off by a whole draw */
            double rate = TILES * pow((double)cluster_size(cluster, cluster[i]), -power) / weights;
            REQUIRE(fabs(now[i] - rate) < 1);
        }
    }
    for (size_t i = 0; i < TILES; i++) {
        double rate = TILES * pow((double)cluster_size(cluster, cluster[i]), -power) / weights;
        CHECK_NEAR(seen[i] / (double)EPOCHS, rate, 5 * 0.5 / sqrt(EPOCHS));
    }
    sampler_free(sampler);
    free(seen);
}

TEST(chances_go_with_the_power_of_the_clusters_size)
{
    check_shares(0.5);
    check_shares(1);
}

TEST(the_draws_of_a_tile_are_spread_over_the_epoch)
{
    uint32_t cluster[TILES], order[TILES];
    struct sampler *sampler = NULL;
    make_clusters(cluster);
    REQUIRE_OK(sampler_create(&sampler, TILES, cluster, 4, 0.5, 3, err));
    for (uint64_t epoch = 0; epoch < 50; epoch++) { /* tiles come up to 8 times */
        unsigned now[TILES] = {0};
        size_t before[TILES] = {0};
        sampler_epoch(sampler, epoch, order);
        for (size_t i = 0; i < TILES; i++)
            now[order[i]]++;
        for (size_t i = 0; i < TILES; i++) {
            uint32_t tile = order[i];
            double usual = (double)TILES / now[tile];
            if (before[tile]) /* one place more than the one before; 0: none yet */
                REQUIRE((double)(i + 1 - before[tile]) > usual - 5 * sqrt(usual));
            before[tile] = i + 1;
        }
    }
    sampler_free(sampler);
}

TEST(an_epoch_is_fixed_by_its_seed_and_number_and_shuffled)
{
    uint32_t cluster[TILES], order[TILES], again[TILES];
    struct sampler *a = NULL, *b = NULL, *c = NULL;
    make_clusters(cluster);
    REQUIRE_OK(sampler_create(&a, TILES, cluster, 4, 0.5, 3, err));
    REQUIRE_OK(sampler_create(&b, TILES, cluster, 4, 0.5, 3, err));
    REQUIRE_OK(sampler_create(&c, TILES, cluster, 4, 0.5, 4, err));
    sampler_epoch(b, 11, order);
    sampler_epoch(a, 12, order);
    sampler_epoch(b, 12, again);
    CHECK(memcmp(order, again, sizeof order) == 0);
    sampler_epoch(c, 12, again);
    CHECK(memcmp(order, again, sizeof order) != 0);
    sampler_epoch(a, 13, again);
    CHECK(memcmp(order, again, sizeof order) != 0);
    double sum = 0, product = 0; /* no trend within an epoch, nor from one to the next */
    for (size_t i = 0; i < TILES; i++) {
        sum += (order[i] - 499.5) * ((double)i - 499.5) / (TILES * 83333.0);
        product += (order[i] - 499.5) * (again[i] - 499.5) / (TILES * 83333.0);
    }
    CHECK_NEAR(sum, 0, 5 / sqrt(TILES));
    CHECK_NEAR(product, 0, 5 / sqrt(TILES));
    sampler_free(a);
    sampler_free(b);
    sampler_free(c);
}

TEST(one_tile)
{
    uint32_t cluster = 2, order = 9;
    float x = 1;
    struct sampler *sampler = NULL;
    REQUIRE_OK(sampler_create(&sampler, 1, &cluster, 3, 0.5, 1, err));
    sampler_epoch(sampler, 5, &order);
    CHECK_EQ(order, 0);
    sampler_free(sampler);
    REQUIRE_OK(sampler_cluster(&cluster, &x, 1, 1, 64, 5, 1, NULL, err));
    CHECK_EQ(cluster, 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
