/*
 * Private to index: which rows of a part are dead. A bitmap that a view holds never changes; a
 * writer copies it first. NULL is a bitmap with no bit set.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_BITMAP_H
#define INDEX_BITMAP_H

#include <stdatomic.h>
#include <stdbool.h>

#include "layout.h"

struct bitmap {
    atomic_uint refs;
    size_t bits;
    uint64_t count; /* of bits set */
    uint64_t words[];
};

/* A copy of `from` (may be NULL) with room for at least `bits`, one reference. NULL: out of
 * memory. */
struct bitmap *bitmap_copy(const struct bitmap *from, size_t bits);
struct bitmap *bitmap_ref(struct bitmap *bitmap); /* takes NULL, like unref */
void bitmap_unref(struct bitmap *bitmap);

static inline bool bitmap_test(const struct bitmap *bitmap, size_t bit)
{
    return bitmap && bit < bitmap->bits && (bitmap->words[bit / 64] >> bit % 64 & 1);
}
static inline void bitmap_set(struct bitmap *bitmap, size_t bit)
{
    bitmap->count += !bitmap_test(bitmap, bit);
    bitmap->words[bit / 64] |= (uint64_t)1 << bit % 64;
}

/* Tombstone files. The name is segment-<segment>.<file>.tomb in `dir`. */
akin_status tomb_save(const char *dir, uint64_t segment, uint64_t file, uint64_t rows,
                      const struct bitmap *bitmap, akin_error *err);
akin_status tomb_load(struct bitmap **out, const char *dir, uint64_t segment, uint64_t file,
                      uint64_t rows, akin_error *err);
akin_status tomb_path(char *out, const char *dir, uint64_t segment, uint64_t file, akin_error *err);
uint64_t tomb_file_bytes(uint64_t rows);

#endif
