/*
 * The examples of a question put together (Rocchio 1971).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_QUESTION_VECTORS_H
#define AKIN_SEARCH_QUESTION_VECTORS_H

#include "examples.h"

/* *out (count, dim), unit vectors (those of AKIN_METRIC_COSINE) of which the best counts; freed with akin_free. `set` may be NULL
 * (no example yet) and of another encoder than one of `dim`: AKIN_ERR_INVALID. */
akin_status question_vectors_make(const struct akin_example_set *set, uint32_t dim,
                                  enum akin_metric metric, float **out, size_t *count,
                                  akin_error *err);

#endif
