/*
 * Logistic regression by Nesterov's accelerated gradient with a fixed step and restarts (O'Donoghue and
 * Candes 2015). On vectors of unit length the gradient's Lipschitz constant is known, (1 + 1) / 4, so
 * that there is no step to search for; it ends when the gradient is small, or after 500 steps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "logistic.h"

#include <math.h>
#include <string.h>

#include "akin/vec.h"

#define STEPS_MAX 500
#define GRADIENT_SMALL 1e-5

double logistic_probability(double score)
{
    return score >= 0 ? 1 / (1 + exp(-score)) : exp(score) / (1 + exp(score));
}

double logistic_score(const float *weights, float bias, const float *x, uint32_t dim)
{
    return (double)akin_kernels()->dot(weights, x, dim) + (double)bias;
}

/* gradient[dim + 1] at point[dim + 1], the bias last. */
static void gradient_at(const struct logistic_samples *samples, double penalty, double total,
                        const float *point, float *gradient)
{
    const struct akin_kernels *kernels = akin_kernels();
    const uint32_t dim = samples->dim;
    double bias = 0;
    for (uint32_t d = 0; d < dim; d++)
        gradient[d] = (float)(penalty * (double)point[d]);
    for (size_t i = 0; i < samples->n; i++) {
        if (samples->weight[i] <= 0)
            continue;
        const double p =
            logistic_probability(logistic_score(point, point[dim], samples->x[i], dim));
        const double push = (p - (double)samples->target[i]) * (double)samples->weight[i] / total;
        kernels->axpy(gradient, (float)push, samples->x[i], dim);
        bias += push;
    }
    gradient[dim] = (float)bias;
}

akin_status logistic_fit(const struct logistic_samples *samples, double penalty, float *weights,
                         float *bias, akin_error *err)
{
    const size_t size = (size_t)samples->dim + 1;
    const double step = 1 / (0.5 + penalty);
    double total = 0, momentum = 1;
    float *scratch = akin_alloc_zero(4 * size, sizeof *scratch);
    if (!scratch)
        return akin_error_memory(err, 4 * size * sizeof *scratch, "a classifier");
    float *now = scratch, *before = now + size, *ahead = before + size, *gradient = ahead + size;
    for (size_t i = 0; i < samples->n; i++)
        total += (double)samples->weight[i];
    for (int i = 0; total > 0 && i < STEPS_MAX; i++) {
        double length = 0, uphill = 0;
        gradient_at(samples, penalty, total, ahead, gradient);
        memcpy(before, now, size * sizeof *now);
        for (size_t d = 0; d < size; d++) {
            now[d] = (float)((double)ahead[d] - step * (double)gradient[d]);
            length += (double)gradient[d] * (double)gradient[d];
            uphill += (double)gradient[d] * (double)(now[d] - before[d]);
        }
        if (sqrt(length) < GRADIENT_SMALL)
            break;
        const double next = uphill > 0 ? 1 : (1 + sqrt(1 + 4 * momentum * momentum)) / 2;
        const double share = uphill > 0 ? 0 : (momentum - 1) / next;
        momentum = next;
        for (size_t d = 0; d < size; d++)
            ahead[d] = (float)((double)now[d] + share * (double)(now[d] - before[d]));
    }
    memcpy(weights, now, samples->dim * sizeof *weights);
    *bias = now[samples->dim];
    akin_free(scratch);
    return AKIN_OK;
}
