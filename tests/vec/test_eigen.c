/*
 * Eigenvectors: what they promise (A v = lambda v, orthonormal, in order, signed), on matrices of
 * every awkward kind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "akin/core/memory.h"
#include "akin/vec.h"

#include <math.h>
#include <string.h>

#define N_MAX 130

static double a[N_MAX * N_MAX], copy[N_MAX * N_MAX], vectors[N_MAX * N_MAX], values[N_MAX];
static uint64_t seed;

static double draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) * 0x1p-52 - 1;
}

static void fill_random(size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            a[i * n + j] = a[j * n + i] = draw();
}

/* a <- H diag(d) H for a random reflection H. */
static void fill_with_spectrum(const double *d, size_t n)
{
    double u[N_MAX], square = 0;
    for (size_t i = 0; i < n; i++) {
        u[i] = draw();
        square += u[i] * u[i];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++)
                sum += ((i == k) - 2 * u[i] * u[k] / square) * d[k] *
                       ((k == j) - 2 * u[k] * u[j] / square);
            a[i * n + j] = sum;
        }
}

/* Twenty times 7, twenty times 0, the rest below. */
static void fill_with_repeats(double *d, size_t n)
{
    for (size_t i = 0; i < n; i++)
        d[i] = i < 20 ? 7 : i < 40 ? 0 : -(double)i;
    fill_with_spectrum(d, n);
}

static double largest_entry(size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n * n; i++)
        largest = fmax(largest, fabs(copy[i]));
    return largest;
}

/* |A v - lambda v|, the largest component of it over the first vectors. */
static double worst_residual(size_t n, size_t count)
{
    double worst = 0;
    for (size_t v = 0; v < count; v++) {
        for (size_t i = 0; i < n; i++) {
            double sum = -values[v] * vectors[v * n + i];
            for (size_t j = 0; j < n; j++)
                sum += copy[i * n + j] * vectors[v * n + j];
            worst = fmax(worst, fabs(sum));
        }
    }
    return worst;
}

static double worst_product(size_t n, size_t count)
{
    double worst = 0;
    for (size_t v = 0; v < count; v++) {
        for (size_t w = 0; w <= v; w++) {
            double sum = -(v == w);
            for (size_t i = 0; i < n; i++)
                sum += vectors[v * n + i] * vectors[w * n + i];
            worst = fmax(worst, fabs(sum));
        }
    }
    return worst;
}

static bool positive_largest(const double *row, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fabs(row[i]) > fabs(largest) ? row[i] : largest;
    return largest > 0;
}

/* `a` again: the largest alone are the same as among all, and nothing else is written. */
static void check_largest(size_t n, size_t count)
{
    double all[N_MAX];
    memcpy(all, values, n * sizeof *all);
    memcpy(a, copy, n * n * sizeof *a);
    memset(vectors, 0, n * n * sizeof *vectors);
    memset(values, 0, n * sizeof *values);
    REQUIRE_OK(akin_eigen_symmetric(values, vectors, count, a, n, err));
    CHECK_EQ(memcmp(values, all, count * sizeof *all), 0);
    for (size_t i = count; i < n; i++)
        CHECK(values[i] == 0 && vectors[i * n] == 0 && vectors[i * n + n - 1] == 0);
    double tolerance = 4e-15 * (double)(n + 10);
    CHECK_NEAR(worst_residual(n, count), 0, tolerance * largest_entry(n) * sqrt((double)n));
    CHECK_NEAR(worst_product(n, count), 0, tolerance);
}

/* Decomposes the global `a` and checks every promise. */
static void check_decomposition(size_t n)
{
    memcpy(copy, a, n * n * sizeof *a);
    memset(vectors, 0xff, n * n * sizeof *vectors); /* NaN: nothing may be left as it was */
    memset(values, 0xff, n * sizeof *values);
    REQUIRE_OK(akin_eigen_symmetric(values, vectors, n, a, n, err));
    double tolerance = 1e-15 * (double)(n + 10);
    CHECK_NEAR(worst_residual(n, n), 0, 4 * tolerance * largest_entry(n) * sqrt((double)n));
    CHECK_NEAR(worst_product(n, n), 0, 4 * tolerance);
    for (size_t i = 0; i < n; i++) {
        CHECK(i == 0 || values[i] <= values[i - 1]);
        CHECK(positive_largest(vectors + i * n, n));
    }
}

TEST(eigen_of_random_matrices)
{
    for (size_t n = 1; n <= 40; n++) {
        fill_random(n);
        check_decomposition(n);
    }
    fill_random(N_MAX);
    check_decomposition(N_MAX);
}

TEST(eigen_of_the_largest_only)
{
    double d[60];
    for (size_t n = 1; n <= 40; n += 3) {
        fill_random(n);
        check_decomposition(n);
        check_largest(n, (n + 1) / 2);
    }
    for (size_t count = 0; count <= N_MAX; count += 65) {
        fill_random(N_MAX);
        check_decomposition(N_MAX);
        check_largest(N_MAX, count);
    }
    fill_with_repeats(d, 60); /* 10 of the 20 that are alike: any such 10 that are orthogonal */
    check_decomposition(60);
    check_largest(60, 10);
    CHECK_EQ(akin_eigen_symmetric(values, vectors, 61, a, 60, NULL), AKIN_ERR_INVALID);
}

TEST(eigen_of_one_two_and_none)
{
    a[0] = -3;
    check_decomposition(1);
    CHECK(values[0] == -3 && vectors[0] == 1);
    memcpy(a, (double[]){2, 1, 1, 2}, 4 * sizeof *a);
    check_decomposition(2);
    CHECK_NEAR(values[0], 3, 1e-15);
    CHECK_NEAR(values[1], 1, 1e-15);
    CHECK_NEAR(vectors[0], sqrt(0.5), 1e-15);
    CHECK_EQ(akin_eigen_symmetric(values, vectors, 0, a, 0, NULL), AKIN_OK);
}

TEST(eigen_finds_a_given_spectrum_with_repeats)
{
    enum { n = 60 };
    double d[n];
    fill_with_repeats(d, n);
    check_decomposition(n);
    for (size_t i = 0; i < n; i++)
        CHECK_NEAR(values[i], d[i], 1e-12);
}

TEST(eigen_of_zero_identity_and_rank_one)
{
    enum { n = 33 };
    memset(a, 0, sizeof a);
    check_decomposition(n);
    CHECK(values[0] == 0 && values[n - 1] == 0);
    for (size_t i = 0; i < n; i++)
        a[i * n + i] = 1;
    check_decomposition(n);
    CHECK(values[0] == 1 && values[n - 1] == 1);
    for (size_t i = 0; i < n * n; i++)
        a[i] = 1;
    check_decomposition(n);
    CHECK_NEAR(values[0], n, 1e-13);
    CHECK_NEAR(values[1], 0, 1e-13);
}

/* Couplings whose squares vanish beside, or below, everything else must still count. */
TEST(eigen_of_graded_and_of_extreme_matrices)
{
    enum { n = 24 };
    static const double ratios[] = {1e-3, 1e-9, 1e-12, 1e-40, 1e-160, 1e-200};
    for (size_t r = 0; r < sizeof ratios / sizeof *ratios; r++) {
        fill_random(n);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                a[i * n + j] *= (i + 1 == j || j + 1 == i) ? 1 : ratios[r];
        check_decomposition(n);
    }
    static const double scales[] = {1e300, 1e-300, 1e-12};
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
        fill_random(n);
        for (size_t i = 0; i < n * n; i++)
            a[i] *= scales[s];
        check_decomposition(n);
    }
}

TEST(eigen_refuses_what_is_not_finite)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t b = 0; b < 3; b++) {
        akin_error err = {0};
        fill_random(9);
        a[40] = bad[b];
        values[0] = 42;
        CHECK_EQ(akin_eigen_symmetric(values, vectors, 9, a, 9, &err), AKIN_ERR_INVALID);
        CHECK_CONTAINS(err.text, "9 x 9 matrix has a value that is not a finite number");
        CHECK(values[0] == 42);
    }
}

TEST(eigen_without_memory)
{
    int fails = 0;
    for (akin_status status = AKIN_ERR_NO_MEMORY; status != AKIN_OK; fails++) {
        akin_error err = {0};
        fill_random(9);
        akin_memory_fail_at(fails);
        status = akin_eigen_symmetric(values, vectors, 9, a, 9, &err);
        akin_memory_fail_at(-1);
        CHECK(status == AKIN_OK || (status == AKIN_ERR_NO_MEMORY && err.text[0]));
        CHECK_EQ(akin_memory_used(), 0);
    }
    CHECK(fails > 2); /* the scratch, the list of rotations, and a time without failure */
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
