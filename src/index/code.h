/*
 * Private to index: codes, what a list keeps of a row to estimate its score without reading its
 * vector. 1, 2 or 4 bits a dimension of the rotated residual (RaBitQ, SIGMOD 2024, and its extension
 * to more bits), and two numbers.
 *
 * A row o in the list of centroid m has the residual r = P o - m (m lives in rotated space). Its
 * code c holds, for each dimension, the level next to r_j / rms(r); levels are those of Lloyd and
 * Max for a normal variable. With
 *     factor  f = |r|^2 / <r, c>
 *     addend  a = <r, m> - f <c, m>                 inner product and cosine
 *             a = -|r|^2 / 2 - f <c, m>             L2 (the score is -|o - q|^2 / 2)
 * and q the rotated query, the estimate is
 *     est = base + f <c, q> + a,    base = <m, q>, or -|m - q|^2 / 2 for L2
 * unbiased over rotations. <c, q> is a sum over nibbles of a table's entries: a nibble is 4
 * dimensions at 1 bit, 2 at 2 bits, 1 at 4, so that one kernel (akin_kernels.scan_codes) serves all
 * three and only the table differs. One table a query, not one a list as in the paper: what
 * depends on the list is in f and a.
 *
 * A block is AKIN_CODE_ROWS = 32 rows: nibbles, then f16 factor[32], then f16 addend[32]. Byte
 * p * 16 + v holds nibble p of row v (low half) and of row v + 16 (high half). Lanes without a row
 * have nibbles and factor 0 and the addend -65504, and no estimate of theirs survives.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_CODE_H
#define INDEX_CODE_H

#include "akin/index.h"
#include "akin/vec.h"

#define CODE_DIM_MAX 4096u /* rows of more dimensions are searched exactly */
#define CODE_NIBBLES_MAX                                                                           \
    1024u /* wide * bits <= 4096: a query's table has 6 bits an entry at least */

struct code_shape {
    uint32_t wide, bits;  /* dimensions of rotated space; 1, 2 or 4 */
    uint32_t nibbles;     /* wide * bits / 4: a multiple of 16 */
    uint32_t block_bytes; /* nibbles * 16 + 128 */
    enum akin_metric metric;
};
/* bits 0: chosen by wide so that a row has about 256: up to 64 dimensions 4, up to 192 2, above 1. */
akin_status code_shape_init(struct code_shape *out, enum akin_metric metric, uint32_t dim,
                            uint32_t bits, akin_error *err);

/* A row's code outside a block. */
struct code_row {
    uint8_t nibbles[CODE_NIBBLES_MAX]; /* the first shape.nibbles, one a byte */
    akin_f16 factor, addend;
};
/* residual (wide) = P o - m. Deterministic in every kernel tier: sums in doubles, in order. */
void code_encode(const struct code_shape *shape, struct code_row *out, const float *residual,
                 const float *centroid);

void code_block_clear(const struct code_shape *shape, uint8_t *block);
void code_block_put(const struct code_shape *shape, uint8_t *block, size_t lane,
                    const struct code_row *row);
void code_block_get(const struct code_shape *shape, const uint8_t *block, size_t lane,
                    struct code_row *row);

/* What a query brings to the scan: the table for its rotated vector. Entries are at most
 * 63, at 4 bits min(255, 65535 / nibbles), so that sums fit 16 bits. `table` (nibbles, 16) is 64-byte aligned and
 * the caller's. */
void code_query_init(const struct code_shape *shape, struct akin_code_scan *out, uint8_t *table,
                     const float *rotated);

#endif
