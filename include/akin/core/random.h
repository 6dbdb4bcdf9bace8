/*
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011). A number
 * depends only on (seed, stream, counter), so results do not depend on threads or on order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_RANDOM_H
#define AKIN_CORE_RANDOM_H

#include <stdint.h>

#pragma GCC visibility push(default)

/* The `counter`-th number of stream `stream` under `seed`, uniform over 64 bits. */
uint64_t akin_random_u64(uint64_t seed, uint64_t stream, uint64_t counter);
/* Uniform in [0, n), n > 0, without modulo bias worth speaking of (multiply-shift, 2^-64). */
uint64_t akin_random_below(uint64_t seed, uint64_t stream, uint64_t counter, uint64_t n);
/* Uniform in [0, 1), 53 bits. */
double akin_random_unit(uint64_t seed, uint64_t stream, uint64_t counter);
/* Fills order[n] with a permutation of 0..n-1 (Fisher-Yates). */
void akin_random_permutation(uint32_t *order, uint32_t n, uint64_t seed, uint64_t stream);

#pragma GCC visibility pop

#endif
