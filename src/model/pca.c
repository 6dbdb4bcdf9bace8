/*
 * Principal components. The covariance is a product of two float matrices on the pool's threads (a
 * second of CPU in doubles, 30 ms so, for 4,096 rows of 512); what follows is in doubles.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pca.h"

#include <math.h>
#include <string.h>

#include "akin/vec.h"

/* Components weaker than this share of the strongest, or than this, are noise: they are not made
 * louder. Features lie between 0 and 1. */
#define EIGENVALUE_FLOOR_SHARE 1e-6
#define EIGENVALUE_FLOOR 1e-8

/* So many columns at a time that a row's share of them is read as a piece. */
#define COLUMNS 64

void pca_centre(float *rows, float *mean, size_t count, size_t n)
{
    for (size_t begin = 0; begin < n; begin += COLUMNS) {
        double sums[COLUMNS] = {0};
        size_t columns = n - begin < COLUMNS ? n - begin : COLUMNS;
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < columns; j++)
                sums[j] += rows[i * n + begin + j];
        for (size_t j = 0; j < columns; j++)
            mean[begin + j] = count ? (float)(sums[j] / (double)count) : 0;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < n; j++)
            rows[i * n + j] -= mean[j];
}

/* turned (n, count) = rows (count, n) turned over, in blocks whose lines stay in the cache. */
static void transpose(float *turned, const float *rows, size_t count, size_t n)
{
    enum { BLOCK = 16 };
    for (size_t top = 0; top < count; top += BLOCK)
        for (size_t j = 0; j < n; j++)
            for (size_t i = top; i < count && i < top + BLOCK; i++)
                turned[j * count + i] = rows[i * n + j];
}

akin_status pca_covariance(double *covariance, const float *rows, size_t count, size_t n,
                           akin_pool *pool, akin_error *err)
{
    akin_status status = AKIN_OK;
    float *turned = akin_alloc(n * sizeof *turned, count);
    float *product = akin_alloc(n * sizeof *product, n);
    if (!turned || !product) {
        status = akin_error_memory(err, n * (count + n) * sizeof *turned, "a covariance");
        goto out;
    }
    transpose(turned, rows, count, n);
    akin_matmul(pool, product, turned, rows, n, n, count);
    for (size_t i = 0; i < n; i++) /* exactly symmetric, whatever the rounding */
        for (size_t j = 0; j < n; j++)
            covariance[i * n + j] = ((double)product[i * n + j] + product[j * n + i]) /
                                    (2.0 * (double)(count + !count));
out:
    akin_free(turned);
    akin_free(product);
    return status;
}

static void scale_basis(struct pca *pca, const double *values, const double *vectors, double power)
{
    double floor = fmax(values[0] * EIGENVALUE_FLOOR_SHARE, EIGENVALUE_FLOOR);
    for (size_t i = 0; i < pca->out; i++) {
        double scale = pow(fmax(values[i], floor), -power / 2);
        for (size_t j = 0; j < pca->in; j++)
            pca->basis[i * pca->in + j] = (float)(vectors[i * pca->in + j] * scale);
    }
}

static size_t copy_used(float *out, const float *rows, const uint8_t *use, size_t count, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (use[i])
            memcpy(out + used++ * n, rows + i * n, n * sizeof *rows);
    return used;
}

akin_status pca_fit(struct pca *pca, const float *rows, const uint8_t *use, size_t count,
                    double power, akin_pool *pool, akin_error *err)
{
    akin_status status;
    size_t n = pca->in;
    float *centred = akin_alloc(count * n, sizeof *centred);
    double *doubles = akin_alloc((n + pca->out) * n + pca->out, sizeof *doubles);
    if (!centred || !doubles) {
        status = akin_error_memory(err, count * n * sizeof *centred, "principal components");
        goto out;
    }
    double *covariance = doubles, *vectors = covariance + n * n, *values = vectors + pca->out * n;
    count = copy_used(centred, rows, use, count, n);
    pca_centre(centred, pca->mean, count, n);
    status = pca_covariance(covariance, centred, count, n, pool, err);
    if (status == AKIN_OK)
        status = akin_eigen_symmetric(values, vectors, pca->out, covariance, n, err);
    if (status == AKIN_OK)
        scale_basis(pca, values, vectors, power);
out:
    akin_free(centred);
    akin_free(doubles);
    return status;
}

void pca_apply(const struct pca *pca, float *x, float *out)
{
    const struct akin_kernels *kernels = akin_kernels();
    for (size_t j = 0; j < pca->in; j++)
        x[j] -= pca->mean[j];
    for (size_t i = 0; i < pca->out; i++)
        out[i] = kernels->dot(pca->basis + i * pca->in, x, pca->in);
}
