/*
 * Private to index: centroids as int8, in tiles that the kernels read, and the tree over them.
 *
 * Two levels: `supers` stand for runs of lists that are near to each other. A super's lists begin at a
 * multiple of 32, and only the last super may have unused ones, at its end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_CENTROIDS_H
#define INDEX_CENTROIDS_H

#include "akin/core.h"
#include "akin/vec.h"

#define TILE 16u /* centroids of a tile */
#define CENTROID_WIDE_MAX 4096u

/* 16 * tiles vectors of `wide` int8 values, as akin_kernels.dots_i8_tiles reads them. Borrowed. A centroid
 * is exactly value * scale. */
struct centroids {
    uint32_t count; /* a multiple of 16 */
    const int8_t *tiles;
    const int32_t *sums; /* of each vector's values */
    const float *scales; /* 0 where unused; 1 for a centroid of zeros */
    const float *halves; /* |m|^2 / 2; infinite where unused */
};

struct centroid_tree {
    uint32_t wide;
    struct centroids supers, lists;
    /* (supers.count + 1): a super's lists are [first_list[s], first_list[s + 1]) */
    const uint32_t *first_list;
};

/* ---- centroids that are being made ---- */

struct centroid_table {
    struct centroids is; /* into the memory below */
    uint32_t wide;
    int8_t *tiles;
    int32_t *sums;
    float *scales, *halves;
    void *memory; /* the one allocation, owned */
};
/* `count` unused ones, rounded up to a multiple of 16. */
akin_status centroid_table_create(struct centroid_table *out, uint32_t count, uint32_t wide,
                                  akin_error *err);
void centroid_table_free(struct centroid_table *table); /* takes a zeroed struct */
/* Centroid `index` becomes what int8 says of mean (wide), or unused. */
void centroid_table_set(struct centroid_table *table, uint32_t index, const float *mean);
void centroid_table_clear(struct centroid_table *table, uint32_t index);
/* A copy bit for bit. */
void centroid_table_copy(struct centroid_table *table, uint32_t index, const struct centroids *from,
                         uint32_t from_index);

/* m (wide) of one. */
void centroid_get(const struct centroids *set, uint32_t wide, uint32_t index, float *out);
/* |m|^2 / 2 as it must be for these values; also what `halves` holds. */
float centroid_half(const int8_t *tiles, uint32_t wide, uint32_t index, float scale);

/* ---- the nearest ---- */

/* Rows as int8 with a scale each (akin_quantize_i8). */
struct quantized_rows {
    const int8_t *values; /* (n, wide) */
    const float *scales;
    size_t n;
};

#define NEAREST_ROWS 48u
#define NEAREST_LISTS 512u
#define NEAREST_DOTS (NEAREST_ROWS * NEAREST_LISTS)
/* best[i], at[i]: what is there already, or a centroid of [first, end) (multiples of 16) whose score
 * <m, row> - |m|^2 / 2 is above best[i]; ties to the smaller number. dots: NEAREST_DOTS of scratch. */
void centroids_nearest(const struct centroids *set, uint32_t wide, uint32_t first, uint32_t end,
                       const struct quantized_rows *rows, float *best, uint32_t *at, int32_t *dots);

/* lists[i]: the nearest list of row i. With more than TREE_LISTS lists, only those of the nearest
 * supers that hold about so many are looked into. Shared out over the pool. */
#define TREE_LISTS 4096u
akin_status tree_nearest(const struct centroid_tree *tree, uint32_t *lists,
                         const struct quantized_rows *rows, akin_pool *pool, akin_error *err);

#endif
