/*
 * Principal components with partial whitening: y = (x - mean) * axes / eigenvalue^(power / 2).
 *
 * Power 0 only turns, 1 makes every component equally loud; between them frequent and rare
 * properties are balanced (Jegou and Chum, Negative evidences and co-occurrences in image
 * retrieval, 2012).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_PCA_H
#define MODEL_PCA_H

#include "akin/core.h"

/* Borrows its arrays: they are part of the encoder's weights. */
struct pca {
    uint32_t in, out; /* out <= in */
    float *mean;      /* (in) */
    float *basis;     /* (out, in), scaled */
};

/* Fits on those of rows (count, in) whose `use` is not 0; fills mean and basis. Finite for any
 * finite rows, however few or alike. */
akin_status pca_fit(struct pca *pca, const float *rows, const uint8_t *use, size_t count,
                    double power, akin_pool *pool, akin_error *err);
/* x (in) is centred in place, out (out). */
void pca_apply(const struct pca *pca, float *x, float *out);

/* covariance (n, n) = rows^T rows / count, of rows (count, n) that are centred already. */
akin_status pca_covariance(double *covariance, const float *rows, size_t count, size_t n,
                           akin_pool *pool, akin_error *err);
/* Takes the mean of its columns off `rows` (count, n); mean (n) receives it. */
void pca_centre(float *rows, float *mean, size_t count, size_t n);

#endif
