/*
 * Threads: a pool that runs loops in parallel. Scratch is per worker: the loop's body is told which
 * worker runs it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_THREAD_H
#define AKIN_CORE_THREAD_H

#include <stddef.h>

#include "akin/core/status.h"

#pragma GCC visibility push(default)

/* How many CPUs this process may use (affinity mask), at least 1. */
unsigned akin_cpu_count(void);

typedef struct akin_pool akin_pool;

/* A pool of `threads` workers, the calling thread among them (so threads - 1 are started; 0 means
 * akin_cpu_count()). At most 1024. */
akin_status akin_pool_create(akin_pool **out, unsigned threads, akin_error *err);
void akin_pool_free(akin_pool *pool);
unsigned akin_pool_threads(const akin_pool *pool); /* 1 for a NULL pool */

/* The body of a parallel loop over [begin, end); worker is in [0, akin_pool_threads). */
typedef void akin_loop_fn(void *user, size_t begin, size_t end, unsigned worker);

/* Runs fn over [0, count) in pieces of at most `grain` (0 = count / (8 * threads), at least 1),
 * each piece once, in any order; returns when all are done. A NULL pool runs it here. One loop at a
 * time a pool: calls from several threads take turns; a call from inside a body is an error of
 * ours. Which worker gets which piece is not deterministic: results must not depend on it. */
void akin_pool_for(akin_pool *pool, size_t count, size_t grain, akin_loop_fn *fn, void *user);

#pragma GCC visibility pop

#endif
