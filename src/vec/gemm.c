/*
 * The blocked matrix product around a tier's small tile (Goto and van de Geijn, Anatomy of
 * High-Performance Matrix Multiplication, 2008), on the stack alone.
 *
 * A block of A (144, 256) is packed once and stays in L2; against it goes one sliver of B (256,
 * tile columns) at a time, which stays in L1. B is thus packed anew for every 144 rows of A, at 1 %
 * of the time, which saves the paper's third level of blocking and megabytes of scratch. An
 * element's sum has the same order wherever it lies in C: sharing out rows among threads does not
 * change a bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/memory.h"
#include "kernels.h"

#include <string.h>

#define BLOCK_M 144
#define BLOCK_K 256

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* out (panels, k, rows): rows of A side by side, zeros below the last. */
static void pack_a(float *restrict out, const float *restrict a, size_t stride, size_t m, size_t k,
                   size_t rows)
{
    for (size_t i = 0; i < m; i += rows, out += k * rows) {
        size_t inside = smaller(m - i, rows);
        if (inside < rows)
            memset(out, 0, k * rows * sizeof *out);
        for (size_t r = 0; r < inside; r++) {
            const float *row = a + (i + r) * stride;
            for (size_t p = 0; p < k; p++)
                out[p * rows + r] = row[p];
        }
    }
}

/* out (k, cols): a sliver of B, zeros right of the last column. Whole slivers are copied in steps
 * of a known size, since calling memcpy for each 64 bytes took 12 % of the product. */
static void pack_b(float *restrict out, const float *restrict b, size_t stride, size_t n, size_t k,
                   size_t cols)
{
    for (size_t p = 0; p < k && n == cols; p++)
        for (size_t j = 0; j < cols; j += 8)
            memcpy(out + p * cols + j, b + p * stride + j, 8 * sizeof *out);
    for (size_t p = 0; p < k && n < cols; p++) {
        memcpy(out + p * cols, b + p * stride, n * sizeof *out);
        memset(out + p * cols + n, 0, (cols - n) * sizeof *out);
    }
}

/* A tile that hangs over the edge of C goes through a whole one beside it. */
static void multiply_edge(const struct gemm_tile *tile, float *c, size_t c_stride, const float *a,
                          const float *b, size_t m, size_t n, size_t k)
{
    _Alignas(AKIN_ALIGN) float whole[GEMM_ROWS_MAX * GEMM_COLS_MAX];
    memset(whole, 0, tile->rows * tile->cols * sizeof *whole);
    tile->multiply(whole, tile->cols, a, b, k);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            c[i * c_stride + j] += whole[i * tile->cols + j];
}

/* c (m, n) += the packed block of A (m, k) times one packed sliver of B (k, n <= tile->cols). */
static void multiply_sliver(const struct gemm_tile *tile, float *c, size_t c_stride, const float *a,
                            const float *b, size_t m, size_t n, size_t k)
{
    for (size_t i = 0; i < m; i += tile->rows, a += k * tile->rows) {
        if (m - i >= tile->rows && n == tile->cols)
            tile->multiply(c + i * c_stride, c_stride, a, b, k);
        else
            multiply_edge(tile, c + i * c_stride, c_stride, a, b, smaller(m - i, tile->rows), n, k);
    }
}

void gemm_blocked(const struct gemm_tile *tile, float *c, size_t c_stride, const float *a,
                  size_t a_stride, const float *b, size_t b_stride, size_t m, size_t n, size_t k)
{
    _Alignas(AKIN_ALIGN) float a_packed[BLOCK_M * BLOCK_K];
    _Alignas(AKIN_ALIGN) float b_packed[BLOCK_K * GEMM_COLS_MAX];
    if (n == 0)
        return;
    for (size_t p = 0; p < k; p += BLOCK_K) {
        size_t depth = smaller(k - p, BLOCK_K);
        for (size_t i = 0; i < m; i += BLOCK_M) {
            size_t height = smaller(m - i, BLOCK_M);
            pack_a(a_packed, a + i * a_stride + p, a_stride, height, depth, tile->rows);
            for (size_t j = 0; j < n; j += tile->cols) {
                size_t width = smaller(n - j, tile->cols);
                pack_b(b_packed, b + p * b_stride + j, b_stride, width, depth, tile->cols);
                multiply_sliver(tile, c + i * c_stride + j, c_stride, a_packed, b_packed, height,
                                width, depth);
            }
        }
    }
}
