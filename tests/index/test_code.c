/*
 * Codes: what they estimate against what is true, for each number of bits and each metric; blocks
 * there and back; the rotation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../../src/index/code.h"
#include "../../src/index/rotation.h"
#include "../check.h"
#include "akin/core.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static uint64_t drawn;

/* A normal variable. */
static float draw(void)
{
    uint32_t sum = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t four = akin_random_u64(1, 2, drawn++);
        sum += (uint32_t)(four & 65535) + (uint32_t)(four >> 16 & 65535) +
               (uint32_t)(four >> 32 & 65535) + (uint32_t)(four >> 48);
    }
    return (float)sum / 65536 - 6;
}

static void draw_vector(float *out, uint32_t n, float size)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = draw() * size;
}

static float dot(const float *a, const float *b, uint32_t n)
{
    return akin_kernels_named("scalar")->dot(a, b, n);
}

/* ---- rotation ---- */

TEST(rotation_keeps_lengths_and_products)
{
    static const uint32_t dims[] = {1, 3, 32, 64, 65, 100, 128, 200, 256, 320, 768, 784, 4096};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        uint32_t dim = dims[i];
        struct rotation rotation;
        REQUIRE_OK(rotation_init(&rotation, dim, 5, 2, err));
        CHECK_EQ(rotation.wide % 64, 0);
        CHECK(rotation.wide >= dim && rotation.wide < dim + 64);
        float a[4096], b[4096], pa[4096], pb[4096];
        draw_vector(a, dim, 1), draw_vector(b, dim, 1);
        rotation_apply(&rotation, pa, a), rotation_apply(&rotation, pb, b);
        double size = sqrt((double)dot(a, a, dim) * dot(b, b, dim));
        CHECK_NEAR(4 * dot(pa, pb, rotation.wide), dot(a, b, dim), 1e-5 * size + 1e-6);
        CHECK_NEAR(4 * dot(pa, pa, rotation.wide), dot(a, a, dim), 1e-5 * size + 1e-6);
        rotation_fini(&rotation);
    }
}

/* One dimension alone ends up in all of them, none of which has much more than its share. */
TEST(rotation_spreads_single_dimensions)
{
    static const uint32_t dims[] = {64, 128, 192, 256, 320, 448, 768, 1000};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        struct rotation rotation;
        REQUIRE_OK(rotation_init(&rotation, dims[i], 7, 1, err));
        double worst = 0;
        for (uint32_t j = 0; j < dims[i]; j++) {
            float one[1024] = {0}, out[1024];
            one[j] = 1;
            rotation_apply(&rotation, out, one);
            for (uint32_t k = 0; k < rotation.wide; k++)
                worst = fmax(worst, fabs(out[k]) * sqrt(rotation.wide));
        }
        if (!CHECK(worst < 8)) /* of some 10^5 to 10^6 normal variables about 5 */
            printf("# %u dimensions: %.2f times its share\n", dims[i], worst);
        rotation_fini(&rotation);
    }
}

/* ---- codes ---- */

#define QUERIES 16
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS 300
#else
#define ROUNDS 1500
#endif

/* An estimate's error in units of |r| |q - m| / sqrt(wide): its mean is 0, its size what the bits leave. */
static void check_estimates(uint32_t dim, uint32_t bits, enum akin_metric metric, double error_max)
{
    struct code_shape shape;
    REQUIRE_OK(code_shape_init(&shape, metric, dim, bits, err));
    static struct code_row row;
    static uint8_t block[CODE_NIBBLES_MAX * 16 + 128];
    static _Alignas(64) uint8_t table[CODE_NIBBLES_MAX * 16];
    static float query[1024], centroid[1024], residual[1024], vector[1024], apart[1024];
    double mean = 0, square = 0, count = 0;
    for (int q = 0; q < QUERIES; q++) {
        draw_vector(query, shape.wide, 1), draw_vector(centroid, shape.wide, 0.5f);
        for (uint32_t j = 0; j < shape.wide; j++)
            apart[j] = query[j] - centroid[j];
        struct akin_code_scan scan;
        code_query_init(&shape, &scan, table, query);
        scan.threshold = -INFINITY;
        float base = metric == AKIN_METRIC_L2 ? -dot(apart, apart, shape.wide) / 2
                                              : dot(centroid, query, shape.wide);
        for (int round = 0; round < ROUNDS; round++) {
            draw_vector(residual, shape.wide, 0.7f);
            for (uint32_t j = 0; j < shape.wide; j++)
                vector[j] = centroid[j] + residual[j];
            code_encode(&shape, &row, residual, centroid);
            code_block_clear(&shape, block);
            code_block_put(&shape, block, 19, &row);
            struct akin_candidate out[AKIN_CODE_ROWS];
            uint32_t mask = 1u << 19;
            akin_kernels()->scan_codes(out, &scan, block, 32, 0, base, &mask);
            double exact = dot(vector, query, shape.wide);
            if (metric == AKIN_METRIC_L2)
                exact -= (dot(vector, vector, shape.wide) + dot(query, query, shape.wide)) / 2;
            double unit = sqrt((double)dot(residual, residual, shape.wide) *
                               dot(apart, apart, shape.wide) / shape.wide);
            double error = (out[0].score - exact) / unit;
            mean += error, square += error * error, count++;
        }
    }
    mean /= count, square /= count;
    /* A table's rounding moves all estimates of its query by the same, which reorders nothing. */
    bool right = CHECK(fabs(mean) < 5 * sqrt(square / count) + (bits > 1 ? 0.03 : 0.003));
    right &= CHECK(sqrt(square) < error_max && sqrt(square) > error_max / 2);
    if (!right)
        printf("# %u bits, metric %d: mean %.4f, size %.4f\n", bits, metric, mean, sqrt(square));
}

/* sqrt(1 - s) / sqrt(s), s the share of the variance that the levels keep: 0.6366, 0.8825, 0.9905. */
TEST(estimates_are_unbiased_and_as_good_as_their_bits)
{
    for (int metric = 0; metric < 3; metric++) {
        check_estimates(256, 1, (enum akin_metric)metric, 0.80);
        check_estimates(128, 2, (enum akin_metric)metric, 0.40);
        check_estimates(64, 4, (enum akin_metric)metric, 0.12);
        check_estimates(960, 4, (enum akin_metric)metric, 0.16); /* with a coarser table */
    }
}

TEST(shapes_by_dimension)
{
    static const struct {
        uint32_t dim, bits, nibbles;
    } cases[] = {{1, 4, 64},   {64, 4, 64},  {100, 2, 64},
                 {192, 2, 96}, {193, 1, 64}, {4096, 1, 1024}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct code_shape shape;
        REQUIRE_OK(code_shape_init(&shape, AKIN_METRIC_COSINE, cases[i].dim, 0, err));
        CHECK_EQ(shape.bits, cases[i].bits);
        CHECK_EQ(shape.nibbles, cases[i].nibbles);
        CHECK_EQ(shape.block_bytes, cases[i].nibbles * 16 + 128);
    }
    struct code_shape shape;
    akin_error err = {0};
    CHECK_EQ(code_shape_init(&shape, AKIN_METRIC_DOT, 0, 0, &err), AKIN_ERR_INVALID);
    CHECK_EQ(code_shape_init(&shape, AKIN_METRIC_DOT, 4097, 0, &err), AKIN_ERR_INVALID);
    CHECK_EQ(code_shape_init(&shape, AKIN_METRIC_DOT, 100, 3, &err), AKIN_ERR_INVALID);
    CHECK_EQ(code_shape_init(&shape, AKIN_METRIC_DOT, 2049, 2, &err), AKIN_ERR_INVALID);
    CHECK_CONTAINS(err.text, "2049 dimensions");
}

TEST(blocks_give_back_what_was_put)
{
    static struct code_row rows[AKIN_CODE_ROWS], back;
    static uint8_t block[CODE_NIBBLES_MAX * 16 + 128];
    for (uint32_t bits = 1; bits <= 4; bits *= 2) {
        struct code_shape shape;
        REQUIRE_OK(code_shape_init(&shape, AKIN_METRIC_COSINE, 200, bits, err));
        code_block_clear(&shape, block);
        float residual[256], centroid[256];
        for (size_t lane = 0; lane < AKIN_CODE_ROWS; lane++) {
            draw_vector(residual, 256, 1), draw_vector(centroid, 256, 1);
            code_encode(&shape, &rows[lane], residual, centroid);
            code_block_put(&shape, block, 31 - lane, &rows[lane]);
        }
        code_block_put(&shape, block, 31, &rows[0]); /* again, over what is there */
        for (size_t lane = 0; lane < AKIN_CODE_ROWS; lane++) {
            code_block_get(&shape, block, 31 - lane, &back);
            CHECK(!memcmp(back.nibbles, rows[lane].nibbles, shape.nibbles));
            CHECK_EQ(back.factor, rows[lane].factor);
            CHECK_EQ(back.addend, rows[lane].addend);
        }
    }
}

/* Zero residuals and queries, and lengths far beyond f16: numbers all the same. */
TEST(extreme_rows_and_queries_have_finite_estimates)
{
    static const float sizes[] = {0, 1e-30f, 1e-6f, 1, 1e4f, 1e15f};
    for (uint32_t bits = 1; bits <= 4; bits *= 2) {
        struct code_shape shape;
        REQUIRE_OK(code_shape_init(&shape, AKIN_METRIC_L2, 64, bits, err));
        for (size_t i = 0; i < 36; i++) {
            static struct code_row row;
            static uint8_t block[64 * 16 + 128];
            static _Alignas(64) uint8_t table[64 * 16];
            float residual[64], centroid[64], query[64];
            draw_vector(residual, 64, sizes[i % 6]), draw_vector(centroid, 64, 1);
            draw_vector(query, 64, sizes[i / 6]);
            code_encode(&shape, &row, residual, centroid);
            code_block_clear(&shape, block);
            code_block_put(&shape, block, 0, &row);
            struct akin_code_scan scan;
            code_query_init(&shape, &scan, table, query);
            scan.threshold = -INFINITY;
            struct akin_candidate out[AKIN_CODE_ROWS];
            CHECK_EQ(akin_kernels()->scan_codes(out, &scan, block, 1, 0, 0, NULL), 1);
            CHECK(isfinite(out[0].score));
        }
    }
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
