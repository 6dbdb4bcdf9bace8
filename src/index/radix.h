/*
 * Private to index: a stable sort of row numbers by a 64-bit key, for orders of millions of rows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_RADIX_H
#define INDEX_RADIX_H

#include <stddef.h>
#include <stdint.h>

struct radix_entry {
    uint64_t key;
    uint32_t row;
};
/* Ascending by key, equal keys in the order they came. scratch (n). Bytes that all keys share cost
 * nothing: time is n times the number of the others. */
void radix_sort(struct radix_entry *entries, struct radix_entry *scratch, size_t n);

/* A signed number as a key. */
static inline uint64_t radix_key(int64_t number)
{
    return (uint64_t)number ^ UINT64_C(1) << 63;
}

#endif
