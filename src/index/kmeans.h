/*
 * Private to index: k-means (Lloyd, 1982) over rows that are kept as floats, for the means, and as
 * int8, for the search for the nearest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_KMEANS_H
#define INDEX_KMEANS_H

#include "centroids.h"

/* Rows in an order of their own: row i is values + order[i] * wide, and quantized in place i. */
struct kmeans_rows {
    const float *values;
    const uint32_t *order;
    const int8_t *quantized; /* (n, wide) */
    const float *scales;     /* (n) */
    size_t n;
    uint32_t wide;
};

/* Which rows belong to which list: rows members[starts[l] .. starts[l + 1]) are list l's, ascending. */
struct kmeans_members {
    uint32_t *starts;  /* (lists + 1), owned */
    uint32_t *members; /* (n), owned */
};
akin_status kmeans_members_create(struct kmeans_members *out, uint32_t lists, size_t n,
                                  akin_error *err);
void kmeans_members_free(struct kmeans_members *members); /* takes a zeroed struct */
void kmeans_sort(struct kmeans_members *members, uint32_t lists, const uint32_t *nearest, size_t n);

/* Centroid l becomes the mean of list l's rows, unused without rows. */
akin_status kmeans_means(struct centroid_table *table, uint32_t lists,
                         const struct kmeans_rows *rows, const struct kmeans_members *members,
                         akin_pool *pool, akin_error *err);

/* At most `lists` centroids of the rows into table [0, lists), from rows spread over them; nearest (n) says
 * whose a row was in the last iteration. Equal rows leave lists unused. */
akin_status kmeans_run(struct centroid_table *table, uint32_t lists, uint32_t *nearest,
                       const struct kmeans_rows *rows, uint32_t iterations, akin_pool *pool,
                       akin_error *err);

#endif
