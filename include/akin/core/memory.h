/*
 * Memory: checked sizes, 64-byte aligned blocks, growing buffers with a declared maximum, arenas.
 *
 * All heap memory of the library comes through akin_alloc and its kin, so that tests can make the
 * n-th allocation fail. Out of memory is a status, never an abort.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_CORE_MEMORY_H
#define AKIN_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "akin/core/status.h"

#pragma GCC visibility push(default)

/* Enough for every vector register and a cache line. */
#define AKIN_ALIGN 64

/* *out = a * b (or a + b); false, with *out untouched, where that does not fit. */
bool akin_size_mul(size_t *out, size_t a, size_t b);
bool akin_size_add(size_t *out, size_t a, size_t b);

/* A block of count * size bytes aligned to AKIN_ALIGN; NULL when out of memory or on overflow.
 * A zero-byte block is valid. akin_alloc_zero clears it. akin_free takes NULL. */
void *akin_alloc(size_t count, size_t size);
void *akin_alloc_zero(size_t count, size_t size);
void akin_free(void *block);
/* Grows or shrinks, keeping the first min(old_bytes, new_bytes); NULL leaves `block` as it was. */
void *akin_realloc(void *block, size_t old_bytes, size_t new_bytes);
/* A copy of a string, freed with akin_free; NULL for NULL or when out of memory. */
char *akin_strdup(const char *text);

/* For tests: the n-th allocation from now on (0 = the next) fails once; -1 turns it off. */
void akin_memory_fail_at(long n);
/* For tests and --ram: bytes now allocated through akin_alloc, and the most there ever were. */
size_t akin_memory_used(void);
size_t akin_memory_peak(void);

/* A growing byte buffer. Init with a limit; append fails with AKIN_ERR_LIMIT above it. The owner
 * is the struct; fini frees. `data` is always followed by a NUL that `size` does not count once
 * anything was appended. */
struct akin_buffer {
    char *data;
    size_t size, capacity, limit;
};
void akin_buffer_init(struct akin_buffer *buffer, size_t limit_bytes);
void akin_buffer_fini(struct akin_buffer *buffer);
void akin_buffer_clear(struct akin_buffer *buffer); /* size = 0, capacity kept */
akin_status akin_buffer_reserve(struct akin_buffer *buffer, size_t more_bytes, akin_error *err);
akin_status akin_buffer_append(struct akin_buffer *buffer, const void *data, size_t bytes,
                               akin_error *err);
akin_status akin_buffer_printf(struct akin_buffer *buffer, akin_error *err, const char *format, ...)
    AKIN_PRINTF(3, 4);

/* An arena for one job (scene, batch, query): allocate freely, free all at once. Not
 * thread-safe. */
typedef struct akin_arena akin_arena;
akin_status akin_arena_create(akin_arena **out, size_t limit_bytes, akin_error *err);
void akin_arena_free(akin_arena *arena);
/* Keeps the largest block for the next job. */
void akin_arena_reset(akin_arena *arena);
/* Aligned to AKIN_ALIGN for blocks of 64 bytes and more, to 16 below; NULL past the limit. */
void *akin_arena_alloc(akin_arena *arena, size_t count, size_t size);
char *akin_arena_strdup(akin_arena *arena, const char *text);
char *akin_arena_printf(akin_arena *arena, const char *format, ...) AKIN_PRINTF(2, 3);

#pragma GCC visibility pop

#endif
