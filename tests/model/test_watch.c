/*
 * What is seen of embeddings whose figures are known: one point, a circle, axes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../../src/model/watch.h"
#include "../check.h"
#include "akin/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846

/* ---- views ---- */

TEST(one_point_is_a_collapse)
{
    float z[12][5];
    struct watch_report report;
    for (size_t i = 0; i < 12; i++)
        memcpy(z[i], (float[5]){0.5f, -2, 1, 0, 3}, sizeof z[i]);
    REQUIRE_OK(watch_views(&report, z[0], 12, 5, err));
    CHECK_NEAR(report.alignment, 1, 1e-6);
    CHECK_NEAR(report.uniformity, 0, 1e-5);
    CHECK_NEAR(report.deviation, 0, 1e-6);
    CHECK_NEAR(report.effective_rank, 1, 1e-5);
    CHECK(report.deviation < WATCH_COLLAPSED);
}

/* Row i of `half` lies at angle 2 pi i / half + shift in the plane of the orthonormal u and v. */
static void draw_circle(float *z, size_t half, size_t dim, const float *u, const float *v,
                        double shift, double length)
{
    for (size_t i = 0; i < half; i++) {
        double angle = 2 * PI * (double)i / (double)half + shift;
        for (size_t d = 0; d < dim; d++)
            z[i * dim + d] = (float)(length * (cos(angle) * u[d] + sin(angle) * v[d]));
    }
}

TEST(a_circle_whose_second_view_is_turned)
{
    enum { HALF = 1000 };
    static float z[2 * HALF][2];
    float u[2] = {1, 0}, v[2] = {0, 1};
    struct watch_report report;
    draw_circle(z[0], HALF, 2, u, v, 0, 1);
    draw_circle(z[HALF], HALF, 2, u, v, 0.7, 30); /* of another length: directions count */
    REQUIRE_OK(watch_views(&report, z[0], 2 * HALF, 2, err));
    CHECK_NEAR(report.alignment, cos(0.7), 1e-6);
    /* The mean of exp(4 cos - 4) over the circle is the Bessel function I0(4) / e^4; a point and
     * itself are no pair. */
    double all = 11.301921952136330 * exp(-4);
    CHECK_NEAR(report.uniformity, log((all * HALF - 1) / (HALF - 1)), 1e-5);
    CHECK_NEAR(report.deviation, 1, 1e-6);
    CHECK_NEAR(report.effective_rank, 2, 1e-6);
}

/* A plane askew in many dimensions: rounding must not look like rank. */
TEST(a_plane_in_many_dimensions_has_rank_2)
{
    enum { HALF = 300, DIM = 128 };
    static float z[2 * HALF][DIM];
    float u[DIM], v[DIM];
    struct watch_report report;
    for (size_t d = 0; d < DIM; d++) {
        u[d] = (float)akin_random_unit(1, 2, d) - 0.5f;
        v[d] = (float)akin_random_unit(1, 3, d) - 0.5f;
    }
    akin_normalize(u, DIM);
    akin_kernels()->axpy(v, -akin_kernels()->dot(u, v, DIM), u, DIM);
    akin_normalize(v, DIM);
    draw_circle(z[0], HALF, DIM, u, v, 0, 1);
    draw_circle(z[HALF], HALF, DIM, u, v, 0, 1);
    REQUIRE_OK(watch_views(&report, z[0], 2 * HALF, DIM, err));
    CHECK_NEAR(report.alignment, 1, 1e-6);
    CHECK_NEAR(report.effective_rank, 2, 1e-3);
    double expected = 0; /* on the circle, dimension d has deviation |(u, v)[d]| / sqrt(2) */
    for (size_t d = 0; d < DIM; d++)
        expected += hypot(u[d], v[d]) / sqrt(2.0 * DIM);
    CHECK_NEAR(report.deviation, expected, 1e-5);
}

TEST(axes_that_are_used_unevenly)
{
    enum { HALF = 160, DIM = 7 }; /* a half on axis 0, a quarter on 1 and on 2 */
    static float z[2 * HALF][DIM];
    struct watch_report report;
    for (size_t i = 0; i < (size_t)2 * HALF; i++)
        z[i][i % 4 < 2 ? 0 : i % 4 - 1] = 2;
    REQUIRE_OK(watch_views(&report, z[0], 2 * HALF, DIM, err));
    double values[3] = {sqrt(0.5), 0.5, 0.5}, entropy = 0, deviation = 0.5;
    for (int i = 0; i < 3; i++) {
        double share = values[i] / (1 + sqrt(0.5));
        entropy -= share * log(share);
    }
    deviation += 2 * sqrt(0.25 * 0.75);
    CHECK_NEAR(report.alignment, 1, 1e-6);
    CHECK_NEAR(report.effective_rank, exp(entropy), 1e-6);
    CHECK_NEAR(report.deviation, deviation / sqrt(DIM), 1e-6);
    double same = (80.0 * 79 + 2 * 40.0 * 39) / (160.0 * 159); /* ordered pairs on one axis */
    CHECK_NEAR(report.uniformity, log(same + (1 - same) * exp(-4)), 1e-6);
}

TEST(what_is_not_finite_is_told_as_collapse)
{
    float z[8 * 3];
    struct watch_report report;
    for (size_t i = 0; i < 8 * 3; i++)
        z[i] = i % 2 ? NAN : INFINITY;
    REQUIRE_OK(watch_views(&report, z, 8, 3, err));
    CHECK_NEAR(report.deviation, 0, 0);
    CHECK_NEAR(report.effective_rank, 1, 0);
    CHECK(isfinite(report.alignment) && isfinite(report.uniformity));
}

/* ---- agreement ---- */

/* Tile i at place i * step of `count` places on a circle, in dim >= 2. */
static float *make_circle(size_t count, size_t step, size_t dim)
{
    float *x = calloc(count * dim, sizeof *x);
    for (size_t i = 0; i < count; i++) {
        double angle = 2 * PI * (double)(i * step % count) / (double)count;
        x[i * dim + dim - 1] = (float)cos(angle);
        x[i * dim] = (float)sin(angle);
    }
    return x;
}

/* On one circle the neighbours of i are i +- 1, +- 2; with a step of 2 round an odd count, i +-
 * (count + 1) / 2 and i +- 1. */
TEST(neighbours_of_two_circles)
{
    enum { COUNT = 301 };
    float *a = make_circle(COUNT, 1, 2), *b = make_circle(COUNT, 2, 5);
    akin_pool *pool = NULL;
    REQUIRE_OK(akin_pool_create(&pool, 3, err));
    double share = -1;
    REQUIRE_OK(watch_agreement(&share, a, 2, b, 5, COUNT, 4, NULL, err));
    CHECK_NEAR(share, 0.5, 0);
    REQUIRE_OK(watch_agreement(&share, b, 5, a, 2, COUNT, 4, pool, err));
    CHECK_NEAR(share, 0.5, 0);
    REQUIRE_OK(watch_agreement(&share, a, 2, b, 5, COUNT, 2, pool, err));
    CHECK_NEAR(share, 0, 0);
    REQUIRE_OK(watch_agreement(&share, b, 5, b, 5, COUNT, 2, pool, err));
    CHECK_NEAR(share, 1, 0);
    REQUIRE_OK(watch_agreement(&share, a, 2, b, 5, COUNT, COUNT + 5, pool, err));
    CHECK_NEAR(share, 1, 0); /* all others are neighbours */
    akin_pool_free(pool);
    free(a);
    free(b);
}

static float *make_points(uint64_t stream, size_t count, size_t dim)
{
    float *x = malloc(count * dim * sizeof *x);
    for (size_t i = 0; i < count * dim; i++)
        x[i] = (float)akin_random_unit(4, stream, i) - 0.5f;
    for (size_t i = 0; i < count; i++)
        akin_normalize(x + i * dim, dim);
    return x;
}

TEST(what_has_nothing_in_common_agrees_by_chance)
{
    enum { COUNT = 600, K = 10 };
    float *a = make_points(1, COUNT, 24), *b = make_points(2, COUNT, 40);
    double share = 0, chance = K / (COUNT - 1.0);
    REQUIRE_OK(watch_agreement(&share, a, 24, b, 40, COUNT, K, NULL, err));
    CHECK_NEAR(share, chance, 5 * sqrt(chance / (COUNT * K)));
    CHECK(share > 0);
    free(a);
    free(b);
}

/* Against the definition, row by row. */
TEST(agreement_is_what_counting_gives)
{
    enum { COUNT = 150, DIM = 6, K = 7 };
    float *a = make_points(1, COUNT, DIM), *b = make_points(1, COUNT, DIM);
    for (size_t i = 0; i < COUNT; i++) {
        b[i * DIM] += 0.4f * (float)akin_random_unit(4, 9, i);
        akin_normalize(b + i * DIM, DIM);
    }
    size_t common = 0;
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < COUNT; j++) {
            size_t nearer_a = 0, nearer_b = 0;
            for (size_t n = 0; n < COUNT && j != i; n++) {
                const float *x = a + i * DIM, *y = b + i * DIM;
                nearer_a += n != i && akin_kernels()->dot(x, a + n * DIM, DIM) >
                                          akin_kernels()->dot(x, a + j * DIM, DIM);
                nearer_b += n != i && akin_kernels()->dot(y, b + n * DIM, DIM) >
                                          akin_kernels()->dot(y, b + j * DIM, DIM);
            }
            common += j != i && nearer_a < K && nearer_b < K;
        }
    }
    double share = 0;
    REQUIRE_OK(watch_agreement(&share, a, DIM, b, DIM, COUNT, K, NULL, err));
    CHECK_NEAR(share, (double)common / (COUNT * K), 1e-9);
    CHECK(share > 0.2 && share < 0.9);
    free(a);
    free(b);
}

/* ---- errors ---- */

TEST(bad_shapes_and_no_memory_leave_the_result_alone)
{
    float *z = make_points(1, 8, 4);
    struct watch_report report = {.alignment = 77};
    double share = 77;
    akin_error err = {0};
    CHECK_EQ(watch_views(&report, z, 3, 4, &err), AKIN_ERR_INVALID);
    CHECK_EQ(watch_views(&report, z, 2, 4, &err), AKIN_ERR_INVALID);
    CHECK_EQ(watch_views(&report, z, 8, 0, &err), AKIN_ERR_INVALID);
    CHECK_CONTAINS(err.text, "8 vectors of 0 values");
    CHECK_EQ(watch_agreement(&share, z, 4, z, 4, 1, 3, NULL, &err), AKIN_ERR_INVALID);
    CHECK_EQ(watch_agreement(&share, z, 4, z, 4, 8, 0, NULL, &err), AKIN_ERR_INVALID);
    size_t used = akin_memory_used();
    for (long n = 0; n < 8; n++) { /* 7 of its own, one of the eigenvectors' */
        akin_memory_fail_at(n);
        CHECK_EQ(watch_views(&report, z, 8, 4, NULL), AKIN_ERR_NO_MEMORY);
    }
    for (long n = 0; n < 7; n++) {
        akin_memory_fail_at(n);
        CHECK_EQ(watch_agreement(&share, z, 4, z, 4, 8, 3, NULL, NULL), AKIN_ERR_NO_MEMORY);
    }
    akin_memory_fail_at(-1);
    CHECK_EQ(akin_memory_used(), used);
    CHECK(report.alignment == 77 && share == 77);
    free(z);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
