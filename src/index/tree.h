/*
 * Private to index: making a centroid tree out of lists' centroids.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_TREE_H
#define INDEX_TREE_H

#include "centroids.h"

/* A super's lists begin at a multiple of this: whole tiles, and whole blocks of codes. */
#define TREE_GROUP AKIN_CODE_ROWS

struct tree_built {
    struct centroid_table supers, lists;
    uint32_t *first_list; /* (supers.is.count + 1), owned */
    uint32_t *
        order; /* (lists.is.count), owned: which of the given centroids a list is; UINT32_MAX: unused */
    uint32_t lists_used;
};
/* Groups the used centroids of `from` into supers and copies them, bit for bit, to their new numbers. At
 * least one must be used. */
akin_status tree_build(struct tree_built *out, const struct centroids *from, uint32_t wide,
                       akin_error *err);
void tree_built_free(struct tree_built *built); /* takes a zeroed struct */
/* The supers become the means of their lists as those are now. */
akin_status tree_refresh(struct tree_built *built, akin_error *err);
struct centroid_tree tree_of(const struct tree_built *built);

#endif
