/*
 * Radix sort, least significant byte first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "radix.h"

#include <string.h>

/* One pass by byte `shift / 8`; counts are those of its values. */
static void pass(struct radix_entry *to, const struct radix_entry *from, size_t n, unsigned shift,
                 const size_t counts[256])
{
    size_t at[256], sum = 0;
    for (int value = 0; value < 256; value++) {
        at[value] = sum;
        sum += counts[value];
    }
    for (size_t i = 0; i < n; i++)
        to[at[from[i].key >> shift & 255]++] = from[i];
}

void radix_sort(struct radix_entry *entries, struct radix_entry *scratch, size_t n)
{
    struct radix_entry *from = entries, *to = scratch;
    for (unsigned shift = 0; n && shift < 64; shift += 8) {
        size_t counts[256] = {0};
        for (size_t i = 0; i < n; i++)
            counts[from[i].key >> shift & 255]++;
        if (counts[from[0].key >> shift & 255] == n)
            continue;
        pass(to, from, n, shift, counts);
        struct radix_entry *other = from;
        from = to;
        to = other;
    }
    if (from != entries)
        memcpy(entries, from, n * sizeof *entries);
}
