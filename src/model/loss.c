/*
 * NT-Xent, DCL and VICReg with their gradients, made of a few matrix products and one pass over
 * the matrix of similarities.
 *
 * Of the two contrastive losses, over all n rows, both views:
 *
 *   u_i = z_i / |z_i|,  s_ik = <u_i, u_k> / t,  p the other view of i
 *   loss = mean_i (log sum_k exp(s_ik) - s_ip),   k != i, and for DCL k != p
 *   P = softmax of the rows of s, less 1 at (i, p);  dloss/du = (P + P^T) u / (n t)
 *
 * The matrix is held whole (1 MB at 512 rows, in the second cache): in strips, a product more would
 * cost more than what the cache gives. A pass of exponentials over 512 x 512 takes 0.4 ms, the
 * whole loss 2.6 ms at 128 dimensions on a Zen 3 core, where a step takes 300 and more.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loss.h"

#include <math.h>
#include <string.h>

#include "akin/vec.h"

/* The rows of the matrix are padded to this, so that its loops have no remainder. */
#define LANES 16
/* Rows shorter than this have no direction: they count as zeros and get no gradient. */
#define LENGTH_MIN 1e-12
/* VICReg's weights, and what keeps its square root differentiable; from the paper. */
#define VICREG_INVARIANCE 25.0
#define VICREG_VARIANCE 25.0
#define VICREG_COVARIANCE 1.0
#define VICREG_EPSILON 1e-4

struct loss {
    enum loss_kind kind;
    size_t rows, dim, stride; /* stride: rows, padded */
    float inverse_temperature;
    float *block;  /* holds all that follows */
    float *square; /* (rows, stride): similarities; VICReg: covariance (dim, dim) */
    float *unit;   /* (rows, dim): u; VICReg: one view, centred (rows / 2, dim) */
    float *turned; /* the same, transposed */
    float *length; /* (rows): |z_i| */
};

static const char *const names[LOSS_KINDS] = {"ntxent", "dcl", "vicreg"};

const char *loss_name(enum loss_kind kind)
{
    return names[kind];
}

akin_status loss_find(enum loss_kind *out, const char *name, akin_error *err)
{
    for (int i = 0; i < LOSS_KINDS; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (enum loss_kind)i;
            return AKIN_OK;
        }
    }
    return akin_error_set(err, AKIN_ERR_INVALID,
                          "there is no loss '%s': use one of ntxent, dcl, vicreg", name);
}

static akin_status check_shape(enum loss_kind kind, size_t rows, size_t dim, double temperature,
                               akin_error *err)
{
    if (rows < 4 || rows % 2 != 0)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "a loss over %zu rows: it needs two views of two tiles or more",
                              rows);
    if (dim == 0)
        return akin_error_set(err, AKIN_ERR_INVALID, "a loss over vectors without dimensions");
    if (kind != LOSS_VICREG &&
        !(temperature > 0 && isfinite(temperature) && isfinite((float)(1 / temperature))))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "a temperature of %g: it must be more than 0 (0.2 is usual)",
                              temperature);
    return AKIN_OK;
}

/* Fills stride, and the floats of unit (and turned), of the square matrix, and of all; false where
 * they do not fit a size. */
static bool set_sizes(struct loss *loss, size_t *vectors, size_t *square, size_t *all)
{
    if (!akin_size_add(&loss->stride, loss->rows, LANES - 1))
        return false;
    loss->stride -= loss->stride % LANES;
    bool whole = loss->kind == LOSS_VICREG;
    return akin_size_mul(vectors, whole ? loss->rows / 2 : loss->rows, loss->dim) &&
           akin_size_mul(square, whole ? loss->dim : loss->rows,
                         whole ? loss->dim : loss->stride) &&
           akin_size_mul(all, *vectors, 2) && akin_size_add(all, *all, *square) &&
           akin_size_add(all, *all, loss->rows);
}

akin_status loss_create(struct loss **out, enum loss_kind kind, size_t rows, size_t dim,
                        double temperature, akin_error *err)
{
    akin_status status = check_shape(kind, rows, dim, temperature, err);
    if (status != AKIN_OK)
        return status;
    size_t vectors, square, all;
    struct loss *loss = akin_alloc_zero(1, sizeof *loss);
    if (!loss)
        return akin_error_memory(err, sizeof *loss, "a loss");
    loss->kind = kind;
    loss->rows = rows;
    loss->dim = dim;
    loss->inverse_temperature = kind == LOSS_VICREG ? 1.0f : (float)(1 / temperature);
    if (!set_sizes(loss, &vectors, &square, &all)) {
        status =
            akin_error_set(err, AKIN_ERR_LIMIT, "a loss over %zu rows of %zu: too many", rows, dim);
        goto out;
    }
    loss->block = akin_alloc(all, sizeof(float));
    if (!loss->block) {
        status = akin_error_memory(err, all * sizeof(float), "a loss");
        goto out;
    }
    loss->square = loss->block;
    loss->unit = loss->square + square;
    loss->turned = loss->unit + vectors;
    loss->length = loss->turned + vectors;
    *out = loss;
    loss = NULL;
out:
    loss_free(loss);
    return status;
}

void loss_free(struct loss *loss)
{
    if (!loss)
        return;
    akin_free(loss->block);
    akin_free(loss);
}

/* out (n, m) = in (m, n) transposed. */
static void transpose(float *restrict out, const float *restrict in, size_t m, size_t n)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            out[j * m + i] = in[i * n + j];
}

/* x to exp(scale * (x - shift)) for x <= shift, and their sum; n a multiple of LANES.
 *
 * exp(y) = 2^k exp(r) with k the nearest integer to y / ln 2, and exp(r) by its series to r^7, whose
 * remainder on |r| <= ln 2 / 2 is under 6e-9. Relative error: 1.03e-7 at most over every float of
 * [-64, 0]. Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits, from where a
 * shift takes it to the exponent. Below -64 the result is 0: it would not change a sum that has a 1
 * in it, and would bring in slow subnormals. */
static double exp_row(float *x, size_t n, float shift, float scale)
{
    const float round = 12582912.0f, ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    float sums[LANES] = {0};
    for (size_t at = 0; at < n; at += LANES) {
        float *chunk = x + at;
        for (size_t j = 0; j < LANES; j++) {
            float y = (chunk[j] - shift) * scale;
            float shifted = y * 1.44269504f + round;
            float k = shifted - round;
            float r = (y - k * ln2_high) - k * ln2_low;
            float e = 1.0f / 5040;
            e = e * r + 1.0f / 720;
            e = e * r + 1.0f / 120;
            e = e * r + 1.0f / 24;
            e = e * r + 1.0f / 6;
            e = e * r + 0.5f;
            e = e * r + 1.0f;
            e = e * r + 1.0f;
            uint32_t bits;
            memcpy(&bits, &shifted, sizeof bits);
            bits = (bits << 23) + 0x3f800000u;
            float power;
            memcpy(&power, &bits, sizeof power);
            e = y > -64.0f ? e * power : 0.0f;
            chunk[j] = e;
            sums[j] += e;
        }
    }
    double sum = 0;
    for (size_t j = 0; j < LANES; j++)
        sum += sums[j];
    return sum;
}

static float row_max(const float *x, size_t n)
{
    float best[LANES];
    memcpy(best, x, sizeof best);
    for (size_t at = LANES; at < n; at += LANES)
        for (size_t j = 0; j < LANES; j++)
            best[j] = x[at + j] > best[j] ? x[at + j] : best[j];
    for (size_t j = 1; j < LANES; j++)
        best[0] = best[j] > best[0] ? best[j] : best[0];
    return best[0];
}

static void scale_row(float *x, size_t n, float scale)
{
    for (size_t at = 0; at < n; at += LANES)
        for (size_t j = 0; j < LANES; j++)
            x[at + j] *= scale;
}

/* Row i of the cosines to its row of P; returns its part of the loss. */
static double soften_row(const struct loss *loss, size_t i)
{
    size_t half = loss->rows / 2, other = i < half ? i + half : i - half;
    float *row = loss->square + i * loss->stride;
    float positive = row[other];
    for (size_t k = loss->rows; k < loss->stride; k++)
        row[k] = -INFINITY;
    row[i] = -INFINITY;
    if (loss->kind == LOSS_DCL)
        row[other] = -INFINITY;
    /* Shifted by the largest, so that no temperature makes all of them 0. */
    float largest = row_max(row, loss->stride);
    double sum = exp_row(row, loss->stride, largest, loss->inverse_temperature);
    scale_row(row, loss->stride, (float)(1 / sum));
    row[other] -= 1;
    return log(sum) + ((double)largest - positive) * loss->inverse_temperature;
}

/* P + P^T in place, by squares that stay in the first cache. */
static void add_transpose(float *p, size_t n, size_t stride)
{
    for (size_t top = 0; top < n; top += LANES)
        for (size_t left = 0; left <= top; left += LANES)
            for (size_t i = top; i < n && i < top + LANES; i++)
                for (size_t j = left; j <= i && j < left + LANES; j++) {
                    float sum = p[i * stride + j] + p[j * stride + i];
                    p[i * stride + j] = sum;
                    p[j * stride + i] = sum;
                }
}

/* Fills unit and length; sums in doubles, so that no finite z is too long. */
static void normalise(struct loss *loss, const float *z)
{
    for (size_t i = 0; i < loss->rows; i++) {
        const float *x = z + i * loss->dim;
        double squares = 0;
        for (size_t j = 0; j < loss->dim; j++)
            squares += (double)x[j] * x[j];
        double length = sqrt(squares);
        /* NaN and infinity are not short: they stay in u, and show in the loss. */
        double inverse = length < LENGTH_MIN ? 0 : 1 / length;
        for (size_t j = 0; j < loss->dim; j++)
            loss->unit[i * loss->dim + j] = (float)(x[j] * inverse);
        loss->length[i] = (float)length;
    }
}

/* dz from dloss/du, times `scale`, in place: what points along u changes nothing. */
static void turn_gradient(const struct loss *loss, float *dz, double scale)
{
    const struct akin_kernels *kernels = akin_kernels();
    for (size_t i = 0; i < loss->rows; i++) {
        const float *u = loss->unit + i * loss->dim;
        float *d = dz + i * loss->dim;
        double length = loss->length[i];
        float along = kernels->dot(d, u, loss->dim);
        float factor = length < LENGTH_MIN ? 0 : (float)(scale / length);
        for (size_t j = 0; j < loss->dim; j++)
            d[j] = factor * (d[j] - along * u[j]);
    }
}

static double run_contrastive(struct loss *loss, const float *z, float *dz)
{
    size_t n = loss->rows, dim = loss->dim, stride = loss->stride;
    const struct akin_kernels *kernels = akin_kernels();
    double sum = 0;
    normalise(loss, z);
    transpose(loss->turned, loss->unit, n, dim);
    memset(loss->square, 0, n * stride * sizeof *loss->square);
    kernels->gemm(loss->square, stride, loss->unit, dim, loss->turned, n, n, n, dim);
    for (size_t i = 0; i < n; i++)
        sum += soften_row(loss, i);
    add_transpose(loss->square, n, stride);
    memset(dz, 0, n * dim * sizeof *dz);
    kernels->gemm(dz, dim, loss->square, stride, loss->unit, dim, n, dim, n);
    turn_gradient(loss, dz, (double)loss->inverse_temperature / (double)n);
    return sum / (double)n;
}

/* Mean squared distance of the views; dz is set. */
static double add_invariance(const struct loss *loss, const float *z, float *dz)
{
    size_t half = loss->rows / 2 * loss->dim;
    double sum = 0, scale = VICREG_INVARIANCE / (double)half;
    for (size_t i = 0; i < half; i++) {
        double difference = (double)z[i] - z[half + i];
        sum += difference * difference;
        dz[i] = (float)(2 * scale * difference);
        dz[half + i] = -dz[i];
    }
    return sum * scale;
}

/* unit = one view less the mean of its columns. */
static void centre(struct loss *loss, const float *z)
{
    size_t count = loss->rows / 2, dim = loss->dim;
    for (size_t j = 0; j < dim; j++) {
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += z[i * dim + j];
        double mean = sum / (double)count;
        for (size_t i = 0; i < count; i++)
            loss->unit[i * dim + j] = (float)(z[i * dim + j] - mean);
    }
}

/* From the scatter matrix X^T X of a centred view X to the matrix M with dloss/dX = X M; returns the
 * terms of variance (a hinge at a deviation of 1) and of covariance. */
static double spread_terms(struct loss *loss)
{
    size_t dim = loss->dim;
    double degrees = (double)(loss->rows / 2 - 1), deviation_sum = 0, covariance_sum = 0;
    double deviation_weight = VICREG_VARIANCE / (2 * (double)dim);
    double covariance_weight = VICREG_COVARIANCE / (double)dim;
    for (size_t i = 0; i < dim; i++) {
        float *row = loss->square + i * dim;
        double deviation = sqrt(row[i] / degrees + VICREG_EPSILON);
        for (size_t j = 0; j < dim; j++) {
            double covariance = row[j] / degrees;
            if (j != i)
                covariance_sum += covariance * covariance;
            row[j] = (float)(4 * covariance_weight * covariance / degrees);
        }
        row[i] = 0;
        if (deviation < 1) {
            deviation_sum += 1 - deviation;
            row[i] = (float)(-deviation_weight / (degrees * deviation));
        }
    }
    return deviation_weight * deviation_sum + covariance_weight * covariance_sum;
}

static double run_vicreg(struct loss *loss, const float *z, float *dz)
{
    size_t count = loss->rows / 2, dim = loss->dim;
    const struct akin_kernels *kernels = akin_kernels();
    double sum = add_invariance(loss, z, dz);
    for (int view = 0; view < 2; view++, z += count * dim, dz += count * dim) {
        centre(loss, z);
        transpose(loss->turned, loss->unit, count, dim);
        memset(loss->square, 0, dim * dim * sizeof *loss->square);
        kernels->gemm(loss->square, dim, loss->turned, count, loss->unit, dim, dim, dim, count);
        sum += spread_terms(loss);
        kernels->gemm(dz, dim, loss->unit, dim, loss->square, dim, count, dim, dim);
    }
    return sum;
}

double loss_run(struct loss *loss, const float *z, float *dz)
{
    return loss->kind == LOSS_VICREG ? run_vicreg(loss, z, dz) : run_contrastive(loss, z, dz);
}
