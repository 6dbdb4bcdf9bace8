/*
 * A linear classifier.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_DISCOVER_LOGISTIC_H
#define AKIN_DISCOVER_LOGISTIC_H

#include <stdbool.h>
#include <stdint.h>

#include "akin/core.h"

/* n samples of dim numbers; x[i] of length at most 1. */
struct logistic_samples {
    const float *const *x;
    const float *target; /* 1 like, 0 not */
    const float *weight; /* >= 0; 0 leaves it out */
    size_t n;
    uint32_t dim;
};
/* weights[dim] and *bias that make sum(weight * loss) / sum(weight) + penalty / 2 * |weights|^2 least. */
akin_status logistic_fit(const struct logistic_samples *samples, double penalty, float *weights,
                         float *bias, akin_error *err);
double logistic_score(const float *weights, float bias, const float *x, uint32_t dim);
double logistic_probability(double score);

#endif
