/*
 * Private to vec: the tables of the instruction sets, and the blocked matrix product that all but
 * the scalar one share.
 *
 * A tier is one file, kernels_TIER.c, compiled with that tier's flags and empty elsewhere; nothing
 * but its table leaves it, so that no function built with those flags can be called by mistake.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VEC_KERNELS_H
#define VEC_KERNELS_H

#include "akin/vec.h"

extern const struct akin_kernels kernels_scalar;
extern const struct akin_bundle_kernels bundle_scalar;
#if defined(__x86_64__)
extern const struct akin_kernels kernels_avx2, kernels_avx512;
extern const struct akin_bundle_kernels bundle_amx; /* the tier amx: avx512, and this */
#elif defined(__aarch64__)
extern const struct akin_kernels kernels_neon;
#endif

/* What a tier brings to the blocked product: c (rows, cols) += a (k, rows)^T * b (k, cols), where a
 * and b are packed without gaps and 64-byte aligned, c is anywhere. */
#define GEMM_ROWS_MAX 12
#define GEMM_COLS_MAX 32
struct gemm_tile {
    size_t rows, cols; /* rows divides 144; at most GEMM_ROWS_MAX, GEMM_COLS_MAX */
    void (*multiply)(float *c, size_t c_stride, const float *a, const float *b, size_t k);
};

/* akin_kernels.gemm by tiles. */
void gemm_blocked(const struct gemm_tile *tile, float *c, size_t c_stride, const float *a,
                  size_t a_stride, const float *b, size_t b_stride, size_t m, size_t n, size_t k);

#endif
