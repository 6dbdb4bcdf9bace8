/*
 * The heap: counted, so that --ram and tests can ask, and made to fail on request, so that every
 * out-of-memory path can be walked. A block's size is asked of the C library
 * (malloc_usable_size); a header of our own in front would cost another 64 bytes a block.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"

static atomic_size_t used_bytes, peak_bytes;
static atomic_long fail_countdown = -1;

bool akin_size_mul(size_t *out, size_t a, size_t b)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

bool akin_size_add(size_t *out, size_t a, size_t b)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

void akin_memory_fail_at(long n)
{
    atomic_store(&fail_countdown, n);
}

/* Exactly one caller sees the count at 0, however many threads allocate. */
static bool must_fail(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) < 0)
        return false;
    return atomic_fetch_sub(&fail_countdown, 1) == 0;
}

size_t akin_memory_used(void)
{
    return atomic_load(&used_bytes);
}

size_t akin_memory_peak(void)
{
    return atomic_load(&peak_bytes);
}

static void *count_block(void *block)
{
    if (!block)
        return NULL;
    size_t bytes = malloc_usable_size(block);
    size_t now = atomic_fetch_add_explicit(&used_bytes, bytes, memory_order_relaxed) + bytes;
    size_t peak = atomic_load_explicit(&peak_bytes, memory_order_relaxed);
    while (now > peak && !atomic_compare_exchange_weak(&peak_bytes, &peak, now))
        ;
    return block;
}

void *heap_alloc_small(size_t bytes)
{
    return must_fail() ? NULL : count_block(malloc(bytes ? bytes : 1));
}

void *akin_alloc(size_t count, size_t size)
{
    size_t bytes;
    void *block = NULL;
    if (!akin_size_mul(&bytes, count, size) || bytes > PTRDIFF_MAX - AKIN_ALIGN || must_fail())
        return NULL;
    if (posix_memalign(&block, AKIN_ALIGN, bytes ? bytes : 1) != 0)
        return NULL;
    return count_block(block);
}

void *akin_alloc_zero(size_t count, size_t size)
{
    void *block = akin_alloc(count, size);
    if (block)
        memset(block, 0, count * size);
    return block;
}

void akin_free(void *block)
{
    if (!block)
        return;
    atomic_fetch_sub_explicit(&used_bytes, malloc_usable_size(block), memory_order_relaxed);
    free(block);
}

/* realloc() would lose the alignment. */
void *akin_realloc(void *block, size_t old_bytes, size_t new_bytes)
{
    void *grown = akin_alloc(new_bytes, 1);
    if (!grown)
        return NULL;
    if (block)
        memcpy(grown, block, old_bytes < new_bytes ? old_bytes : new_bytes);
    akin_free(block);
    return grown;
}

char *akin_strdup(const char *text)
{
    if (!text)
        return NULL;
    size_t bytes = strlen(text) + 1;
    char *copy = akin_alloc(bytes, 1);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}
