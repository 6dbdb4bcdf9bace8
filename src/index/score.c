/*
 * Exact scores by metric. Inner product and cosine are one kernel (rows of a cosine index are of unit
 * length). For L2 a row is widened and its difference taken: |o|^2 + |q|^2 - 2 <o, q> would need
 * no widening, but cancels where rows are near, which is where it matters.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "score.h"

void score_rows(enum akin_metric metric, float *out, size_t out_stride, const float *queries,
                size_t query_count, const akin_f16 *rows, size_t row_count, size_t dim, float *wide)
{
    const struct akin_kernels *kernels = akin_kernels();
    if (metric != AKIN_METRIC_L2) {
        kernels->dots_f16_block(out, out_stride, queries, query_count, rows, row_count, dim);
        return;
    }
    for (size_t r = 0; r < row_count; r++) {
        kernels->f32_from_f16(wide, rows + r * dim, dim);
        for (size_t q = 0; q < query_count; q++)
            out[q * out_stride + r] = 0 - kernels->squared_distance(queries + q * dim, wide, dim);
    }
}
