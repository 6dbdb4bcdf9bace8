/*
 * Eigenvectors of a real symmetric matrix: Householder tridiagonalisation, then the implicit QL
 * method with Wilkinson's shift (Golub and Van Loan, Matrix Computations, 8.3; Martin, Reinsch and
 * Wilkinson, Numerische Mathematik 11, 1968).
 *
 * Everything is arranged so that inner loops run along rows: the reflections use the lower triangle
 * only, and the eigenvectors are kept as rows, so that a rotation mixes two of them. The matrix is
 * first scaled to a largest entry of 1, so that no square over- or underflows to any effect.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/memory.h"
#include "akin/vec.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define ITERATIONS_MAX 60 /* for one eigenvalue; two or three are usual */

/* Divides by the largest entry by size, which is returned; NaN where one is not finite. */
static double scale_down(double *a, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n * n; i++) {
        if (!isfinite(a[i]))
            return NAN;
        largest = fmax(largest, fabs(a[i]));
    }
    for (size_t i = 0; i < n * n && largest > 0; i++)
        a[i] /= largest;
    return largest;
}

/* Turns x (n) into u with (I - u u^T / h) x = (0, ..., 0, edge) and returns h = u^T u / 2; 0 where
 * there is nothing to reflect. */
static double make_reflection(double *x, size_t n, double *edge)
{
    const struct akin_kernels *kernels = akin_kernels();
    double last = x[n - 1], rest = kernels->dot_f64(x, x, n - 1), square = rest + last * last;
    *edge = last;
    /* Beside the matrix's largest entry, 1, these are zeros; their squares have lost their
     * digits. */
    if (rest < DBL_MIN / DBL_EPSILON)
        return 0;
    *edge = last > 0 ? -sqrt(square) : sqrt(square);
    x[n - 1] = last - *edge;
    return square - last * *edge;
}

/* A <- P A P for P = I - u u^T / h on the leading (m, m), whose lower triangle alone is used. With
 * p = A u / h and q = p - u (u^T p) / 2h this is A - u q^T - q u^T. */
static void reflect_both_sides(double *a, size_t n, size_t m, const double *u, double h, double *q)
{
    const struct akin_kernels *kernels = akin_kernels();
    memset(q, 0, m * sizeof *q);
    for (size_t j = 0; j < m; j++) {
        const double *row = a + j * n;
        q[j] += kernels->dot_f64(row, u, j) + row[j] * u[j];
        kernels->axpy_f64(q, u[j], row, j);
    }
    double half = kernels->dot_f64(u, q, m) / (2 * h);
    for (size_t j = 0; j < m; j++)
        q[j] = (q[j] - half * u[j]) / h;
    for (size_t j = 0; j < m; j++) {
        kernels->axpy_f64(a + j * n, -u[j], q, j + 1);
        kernels->axpy_f64(a + j * n, -q[j], u, j + 1);
    }
}

/* A -> T = Q^T A Q with diagonal d and e[i] beside it, left of d[i]. Row i of A then holds the i-th
 * reflection's u and h[i] its divisor. q (n) is scratch. */
static void tridiagonalise(double *a, size_t n, double *d, double *e, double *h, double *q)
{
    for (size_t i = n; i-- > 0;) {
        double *row = a + i * n;
        d[i] = row[i];
        h[i] = e[i] = 0;
        if (i > 0)
            h[i] = make_reflection(row, i, &e[i]);
        if (h[i] > 0)
            reflect_both_sides(a, n, i, row, h[i], q);
    }
}

/* rows <- Q^T, reflection by reflection from the smallest: so far only the leading (i, i) has
 * changed. */
static void gather_reflections(double *rows, const double *a, const double *h, size_t n)
{
    const struct akin_kernels *kernels = akin_kernels();
    memset(rows, 0, n * n * sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        const double *u = a + i * n;
        rows[i * n + i] = 1;
        if (h[i] <= 0)
            continue;
        for (size_t j = 0; j < i; j++)
            kernels->axpy_f64(rows + j * n, -kernels->dot_f64(rows + j * n, u, i) / h[i], u, i);
    }
}

/* One implicit QL sweep over the unreduced block [first, last] of T; e[i] couples i and i + 1
 * here. */
static void sweep(double *rows, size_t n, double *d, double *e, size_t first, size_t last)
{
    const struct akin_kernels *kernels = akin_kernels();
    double g = (d[first + 1] - d[first]) / (2 * e[first]);
    double r = hypot(g, 1);
    g = d[last] - d[first] + e[first] / (g + copysign(r, g)); /* d[last] - shift */
    double s = 1, c = 1, p = 0;
    for (size_t i = last; i-- > first;) {
        double f = s * e[i], b = c * e[i];
        r = hypot(f, g);
        e[i + 1] = r;
        if (r == 0) { /* the block has come apart here: go on from where it is */
            d[i + 1] -= p;
            e[last] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        kernels->rotate_f64(rows + i * n, rows + (i + 1) * n, c, s, n);
    }
    d[first] -= p;
    e[first] = g;
    e[last] = 0;
}

/* T to its eigenvalues, each rotation applied to `rows` as well. False where it does not
 * converge. */
static bool diagonalise(double *rows, size_t n, double *d, double *e)
{
    double norm = 0;
    memmove(e, e + 1, (n - 1) * sizeof *e); /* e[i] now couples i and i + 1 */
    e[n - 1] = 0;
    for (size_t i = 0; i < n; i++)
        norm = fmax(norm, fabs(d[i]) + fabs(e[i]));
    for (size_t first = 0; first < n; first++) {
        for (unsigned iteration = 0;; iteration++) {
            size_t last = first;
            while (last + 1 < n && fabs(e[last]) > DBL_EPSILON * norm)
                last++;
            if (last == first)
                break;
            if (iteration == ITERATIONS_MAX)
                return false;
            sweep(rows, n, d, e, first, last);
        }
    }
    return true;
}

static void swap_rows(double *restrict x, double *restrict y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double other = x[i];
        x[i] = y[i];
        y[i] = other;
    }
}

/* Largest value first; each vector's largest component by size positive. */
static void put_in_order(double *values, double *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double *row = rows + i * n;
        size_t best = i, largest = 0;
        for (size_t j = i + 1; j < n; j++)
            if (values[j] > values[best])
                best = j;
        if (best != i) {
            swap_rows(values + i, values + best, 1);
            swap_rows(row, rows + best * n, n);
        }
        for (size_t j = 1; j < n; j++)
            if (fabs(row[j]) > fabs(row[largest]))
                largest = j;
        bool negative = row[largest] < 0;
        for (size_t j = 0; j < n && negative; j++)
            row[j] = -row[j];
    }
}

akin_status akin_eigen_symmetric(double *values, double *vectors, double *a, size_t n,
                                 akin_error *err)
{
    double scale = scale_down(a, n);
    if (isnan(scale))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "cannot find eigenvectors: the %zu x %zu matrix has a value that is "
                              "not a finite number",
                              n, n);
    double *scratch = akin_alloc(n, 3 * sizeof *scratch);
    if (!scratch)
        return akin_error_memory(err, n * 3 * sizeof *scratch, "eigenvectors");
    akin_status status = AKIN_OK;
    double *e = scratch, *h = e + n, *q = h + n;
    if (n > 0) {
        tridiagonalise(a, n, values, e, h, q);
        gather_reflections(vectors, a, h, n);
        if (!diagonalise(vectors, n, values, e))
            status = akin_error_set(err, AKIN_ERR_INVALID,
                                    "cannot find eigenvectors: no convergence for the %zu x %zu "
                                    "matrix",
                                    n, n);
    }
    if (status == AKIN_OK) {
        for (size_t i = 0; i < n; i++)
            values[i] *= scale;
        put_in_order(values, vectors, n);
    }
    akin_free(scratch);
    return status;
}
