/*
 * Is it learning? What can be seen without labels: alignment and uniformity (Wang and Isola, ICML
 * 2020), deviation of z (collapse), effective rank of features (Roy and Vetterli, 2007), and whether
 * a tile's neighbours stay the same when the tile is turned.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_WATCH_H
#define MODEL_WATCH_H

#include "akin/core.h"

struct watch_report {
    double alignment;  /* mean cosine of the two views of a tile, -1..1: high is good */
    double uniformity; /* log mean exp(-2 |a - b|^2) over pairs of tiles in the same view: low is
                          good, 0 = all one point */
    double deviation;  /* of unit z per dimension, times sqrt(dim): 1 = spread, 0 = collapsed */
    double effective_rank; /* exp of the entropy of the singular values' shares: 1..dim */
};
#define WATCH_COLLAPSED 0.1 /* a deviation below this is a collapse */

/* z (rows, dim), rows i and i + rows / 2 views of one tile; of any length, all is told of their
 * directions (a vector that is not finite counts as zero). rows even, >= 4. One thread. */
akin_status watch_views(struct watch_report *out, const float *z, size_t rows, size_t dim,
                        akin_error *err);
/* Share of the k nearest neighbours (cosine) that two sets of vectors of the same `count` tiles have
 * in common, 0..1; a and b unit (count, dim_a), (count, dim_b); a tile is not its own neighbour.
 * count >= 2; k is reduced to count - 1. Equal scores go to the smaller tile, so that two collapsed
 * sets agree: see deviation. */
akin_status watch_agreement(double *out, const float *a, size_t dim_a, const float *b, size_t dim_b,
                            size_t count, size_t k, akin_pool *pool, akin_error *err);

#endif
