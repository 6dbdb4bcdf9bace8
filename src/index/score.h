/*
 * Private to index: exact scores, those of the answers. Every way of searching ends here, so that a
 * row's score is the same to the last bit whichever way found it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_SCORE_H
#define INDEX_SCORE_H

#include "akin/index.h"
#include "akin/vec.h"

/* out[q * out_stride + r]: queries (query_count, dim) against rows (row_count, dim) that follow each
 * other. wide (dim): scratch, for L2 alone. */
void score_rows(enum akin_metric metric, float *out, size_t out_stride, const float *queries,
                size_t query_count, const akin_f16 *rows, size_t row_count, size_t dim,
                float *wide);

#endif
