/*
 * vec: the numeric kernels everything else is made of, in the manner of dav1d: a scalar version
 * that is the definition of truth, one file per instruction set, a table of pointers chosen once.
 *
 *     const struct akin_kernels *k = akin_kernels();
 *     float s = k->dot(a, b, 224);
 *
 * AKIN_KERNELS=scalar|neon|avx2|avx512|amx forces one; a name that this CPU cannot run falls back to
 * the best one before it in that list, and an unknown name is ignored. Kernels take any n, n = 0
 * among them, and any alignment (of their elements); they write no byte past what their contract
 * names and read none past their inputs. Buffers do not overlap unless said. Integer results are
 * bit-equal in every tier; floating-point results differ in rounding only (the order of the sum).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_VEC_H
#define AKIN_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin/core/status.h"
#include "akin/core/thread.h"
#include "akin/vec/bundle.h"

#pragma GCC visibility push(default)

/* IEEE 754 binary16 by its bits. */
typedef uint16_t akin_f16;

/* One cell of an area average along one axis: pixels first..last, the outer two by their share. */
struct akin_box {
    uint32_t first, last;
    double head, tail; /* weights of first and of last; tail is 0 where they are one pixel */
};

/* The left side of a strip's product: element (i, p) is values[i * row + p * column]. */
#define AKIN_STRIP 16
struct akin_strip_left {
    const float *values;
    size_t row, column;
};

/* Where the pixels of a small square lie: `runs` runs of channels each, pixel (i, j) of run r at
 * (i - top) * row + (j - left) * column + r * run. Only those of rows top..bottom and columns
 * left..right (ends left out) are there: others are read as zeros and not written. */
struct akin_square {
    size_t row, column, run;
    uint32_t top, bottom, left, right;
};

/* What becomes of an output: relu(value + bias[channel] + what was there); relu makes NaN 0. */
struct akin_square_end {
    const float *bias; /* NULL: none */
    bool add, relu;
};

/* Winograd's transforms (Lavin and Gray, CVPR 2016), each over all channels at once: `runs` runs of
 * `channels`. end is for outputs and may be NULL. */
typedef void akin_transform(float *out, const struct akin_square *to, const float *in,
                            const struct akin_square *from, size_t runs, size_t channels,
                            const struct akin_square_end *end);
struct akin_winograd {
    akin_transform *input;           /* pixels -> frequencies */
    akin_transform *output;          /* frequencies -> pixels */
    akin_transform *weights;         /* 3x3 -> frequencies */
    akin_transform *output_gradient; /* gradients of outputs -> frequencies */
    akin_transform *weight_gradient; /* frequencies -> gradient, 3x3 */
};

/* Codes of an index's rows (src/index/code.h says what they mean): a block is AKIN_CODE_ROWS rows,
 * (nibbles, 16) bytes whose byte p * 16 + v holds nibble p of row v in its low half and of row v + 16
 * in its high half, then f16 factor[32], f16 addend[32]. */
#define AKIN_CODE_ROWS 32
struct akin_code_scan {
    const uint8_t *table; /* (nibbles, 16), 64-byte aligned; nibbles * the largest entry <= 65535 */
    size_t nibbles;       /* a multiple of 16 */
    bool small;           /* no entry is above 63: four of them fit a byte, which is faster */
    float scale, offset;  /* what a sum s of entries stands for: scale * s + offset */
    float threshold;      /* estimates below it do not survive */
};
struct akin_candidate {
    float score;
    uint32_t row;
};

struct akin_kernels {
    const char *name; /* "scalar", "avx2", "avx512", "amx", "neon" */

    /* Sums over i < n of a[i] * b[i], and of (a[i] - b[i])^2. */
    float (*dot)(const float *a, const float *b, size_t n);
    float (*squared_distance)(const float *a, const float *b, size_t n);
    /* Exact for n <= 131,071 (products of at most 2^14); beyond that it may wrap around. */
    int32_t (*dot_i8)(const int8_t *a, const int8_t *b, size_t n);
    /* Tiles of 16 int8 vectors of n4 * 4 values: value j of vector v of tile t is
     * tiles[((t * n4 + j / 4) * 16 + v) * 4 + j % 4]; sums (tile_count * 16) are those of each vector's
     * values. out[q * out_stride + t * 16 + v] = <queries[q], vector>, exactly, for queries of n4 * 4 int8
     * values in [-127, 127] that follow each other. n4 <= 4096. */
    void (*dots_i8_tiles)(int32_t *out, size_t out_stride, const int8_t *queries,
                          size_t query_count, const int8_t *tiles, const int32_t *sums,
                          size_t tile_count, size_t n4);
    /* The largest score dots[i] * scale * scales[i] - halves[i], i < n: where it is above *best, it becomes
     * *best and *at first + i. The smaller i of equal ones. No NaN among them. */
    void (*best_of_dots)(float *best, uint32_t *at, const int32_t *dots, const float *scales,
                         const float *halves, size_t n, float scale, uint32_t first);
    /* x[i] * factors[i], then times the Walsh-Hadamard matrix, not normalised, in place; n a power of
     * two, 16 at least. Bit-equal in every tier. */
    void (*hadamard)(float *x, const float *factors, size_t n);
    /* sums[v] = sum over nibbles p of table[p * 16 + nibble p of row v], of one block. */
    void (*sum_codes)(uint16_t sums[AKIN_CODE_ROWS], const uint8_t *block, const uint8_t *table,
                      size_t nibbles);
    /* Estimates rows [0, rows) of a list, base + factor * (scale * sum + offset) + addend each, whose blocks
     * follow each other; appends those at or above scan->threshold to `out` (room for `rows`, rounded up to 32) in
     * the order of rows, row r as first_row + r, and returns how many. masks (one u32 a block; NULL = all): a row
     * whose bit is not set does not survive; a block without bits is not read. Reads ahead past the list's end are only hints. */
    size_t (*scan_codes)(struct akin_candidate *out, const struct akin_code_scan *scan,
                         const uint8_t *blocks, size_t rows, uint32_t first_row, float base,
                         const uint32_t *masks);
    /* Of `count` candidates the `keep` >= 1 best, and all that are as good as the last of them: moved to the
     * front, in their order; returns how many. *threshold: those kept are at or above it, the others
     * below; -INFINITY where all are kept. No NaN among the scores. */
    size_t (*keep_best)(struct akin_candidate *candidates, size_t count, size_t keep,
                        float *threshold);
    /* y[i] += a * x[i]. */
    void (*axpy)(float *y, float a, const float *x, size_t n);

    /* The same over doubles, and a rotation: (u, l) <- (c u - s l, s u + c l). */
    double (*dot_f64)(const double *a, const double *b, size_t n);
    void (*axpy_f64)(double *y, double a, const double *x, size_t n);
    void (*rotate_f64)(double *u, double *l, double c, double s, size_t n);

    /* Round to nearest even; beyond the range becomes infinity, NaN stays NaN. Exact back. */
    void (*f16_from_f32)(akin_f16 *out, const float *in, size_t n);
    void (*f32_from_f16)(float *out, const akin_f16 *in, size_t n);

    /* out[r] = <query, rows[r]> for `count` rows of n values that follow each other without a gap:
     * the exact scan. Runs at memory speed. A row is summed in the same order wherever it stands,
     * here and in dots_f16_block: its score does not depend on its neighbours, to the last bit. */
    void (*dots_f16)(float *out, const float *query, const akin_f16 *rows, size_t count, size_t n);
    /* out[q * out_stride + r] = <queries[q * n ..], rows[r]> for a block of queries: each row is
     * read once for all of them. */
    void (*dots_f16_block)(float *out, size_t out_stride, const float *queries, size_t query_count,
                           const akin_f16 *rows, size_t row_count, size_t n);

    /* C (m, n) += A (m, k) * B (k, n), all row-major with the given strides in elements. One
     * thread. Blocked and packed inside; scratch is on the stack (under 200 KB). An element's sum
     * has the same order wherever it lies in C. */
    void (*gemm)(float *c, size_t c_stride, const float *a, size_t a_stride, const float *b,
                 size_t b_stride, size_t m, size_t n, size_t k);

    /* A strip of a product: C (m, AKIN_STRIP) = A (m, k) * B (k, AKIN_STRIP), or += where `add`. b
     * and c are the first of their rows, at those strides. Nothing is packed: for products whose
     * operands lie in the cache. */
    void (*multiply_strip)(float *c, size_t c_stride, const struct akin_strip_left *a,
                           const float *b, size_t b_stride, size_t m, size_t k, bool add);
    /* The transforms of 3x3 convolutions: of results of 4x4 pixels, whose inputs are 6x6, in 6x6
     * frequencies; of whole maps of 2x2 pixels with zeros around them, in 3x3. */
    struct akin_winograd winograd4, winograd2;

    /* The instant encoder's inner loop: a convolution that is never written down, rectified on both
     * sides and summed (random convolutional features; Rolf et al., MOSAIKS, 2021).
     *
     * For one row of `count` output positions, and for each of `filters` (a multiple of 16) filters
     *     y[p][f] = bias[f] + sum_{r < rows} sum_{j < run}
     *                         w[(r * run + j)][f] * x[r * x_stride + p * x_step + j]
     *     positive[f] += sum_p max(y[p][f], 0),   negative[f] += sum_p max(-y[p][f] - gap, 0)
     * where w is packed (filters / 16, rows * run, 16). Pixels are floats, bands innermost, so that
     * a filter row of k pixels is one run of k * bands floats and x_step = stride * bands.
     * `gap` >= 0 is the dead zone between the two sides. */
    void (*conv_rectify_sum)(float *positive, float *negative, const float *x, size_t x_stride,
                             size_t x_step, size_t count, const float *w, const float *bias,
                             size_t filters, size_t rows, size_t run, float gap);

    /* The area average's loops (akin_tile_input). Down the columns, for `count` >= 1 rows of n
     * bytes without gaps, 257 between the outer two at most:
     *     out[i] = weights[0] * first[i] + weights[1] * (the sum of those between)[i]
     *            + weights[2] * last[i]       (of one row weights[0] counts alone)
     * Exact where weights are whole and out is at most 2^24. */
    void (*weigh_rows_u8)(float *out, const uint8_t *rows, size_t count, const float weights[3],
                          size_t n);
    /* Along a row (width, bands): out (cells, bands) = the pixels of each box, the outer two times
     * head and tail, those between times `middle`. first <= last < width. */
    void (*sum_boxes)(double *out, const float *row, size_t width, const struct akin_box *boxes,
                      size_t cells, float middle, size_t bands);
    /* out[i] = in[i] * scale[i] + shift[i], cut off below 0 and above 255 (NaN becomes 255),
     * rounded towards 0. */
    void (*bytes_from_f64)(uint8_t *out, const double *in, const double *scale, const double *shift,
                           size_t n);

    /* Of nets in bf16: NULL in tiers without matrix instructions for it, which have no better way
     * than oneDNN's. */
    const struct akin_bundle_kernels *bundle;
};

/* The table chosen for this process: the same pointer from every thread, for ever. */
const struct akin_kernels *akin_kernels(void);
/* One tier by name, for tests and benches; NULL where this CPU or build does not have it. */
const struct akin_kernels *akin_kernels_named(const char *name);
/* The names in this build that this CPU can run, best last, whatever AKIN_KERNELS says;
 * NULL-terminated. */
const char *const *akin_kernels_list(void);

/* Scales x to unit length in place and returns the length it had; a vector of length below 1e-20,
 * or with a value that is not finite, becomes all zeros and returns 0. */
float akin_normalize(float *x, size_t n);

/* int8 with one scale: q[i] = round(x[i] / scale), ties to even, scale = max|x| / 127. All zeros,
 * and a vector with a value that is not finite, give zeros and scale 0. */
float akin_quantize_i8(int8_t *q, const float *x, size_t n);

/* C = A * B over a pool's threads (may be NULL): rows of A are shared out. C is overwritten. */
void akin_matmul(akin_pool *pool, float *c, const float *a, const float *b, size_t m, size_t n,
                 size_t k);

/*
 * The `count` <= n largest eigenvalues of a real symmetric matrix and their vectors (Householder
 * tridiagonalisation, then the implicit QL method; Golub and Van Loan, Matrix Computations, 8.3).
 * a (n, n) row-major is destroyed; only its lower triangle counts, but every value in it must be
 * finite. On success row i of `vectors` (count, n) is the unit eigenvector of values[i] (count),
 * largest value first, its sign such that the largest component by size is positive.
 * AKIN_ERR_INVALID where a value is not finite or it does not converge; AKIN_ERR_NO_MEMORY (scratch
 * of about 40 n^2 bytes).
 */
akin_status akin_eigen_symmetric(double *values, double *vectors, size_t count, double *a, size_t n,
                                 akin_error *err);

/* A hit: what every search returns. */
struct akin_hit {
    uint64_t key;
    float score;
    uint32_t row; /* the searcher's own mark, carried along */
};

/*
 * The k best of a stream of hits: higher score first, then the smaller key, then the smaller row,
 * so that the answer does not depend on the order of the stream. Buffer of 2k with a threshold:
 * amortised O(1) a hit. The struct borrows `hits` (2 * k entries, k >= 1) from its maker.
 */
struct akin_topk {
    struct akin_hit *hits;
    size_t k, count;
    float threshold; /* hits below it cannot enter; -INFINITY until k have been seen */
};
void akin_topk_init(struct akin_topk *topk, struct akin_hit *hits, size_t k);
/* NaN scores are left out. */
void akin_topk_push(struct akin_topk *topk, struct akin_hit hit);
/* Sorts; hits[0..returned) are the answer, at most k. The struct can take more afterwards. */
size_t akin_topk_finish(struct akin_topk *topk);
/* The order of answers: negative where a comes before b. */
int akin_hit_compare(const struct akin_hit *a, const struct akin_hit *b);

#pragma GCC visibility pop

#endif
