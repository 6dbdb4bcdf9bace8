/*
 * The measures of one query, from its scores against all rows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_EVAL_SCORE_H
#define AKIN_SEARCH_EVAL_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row's place in a ranking: `order` grows as the score falls. */
struct eval_item {
    uint32_t order, row;
};
struct eval_query {
    double p_at_1, p_at_10, ap;
    bool knn5, has_ap; /* !has_ap: no other row of its class */
};
/* scores[n] of row `self` against every row; classes[n]; n >= 2. Rows with equal scores rank in
 * their order. a, b: scratch, n items each. */
struct eval_query eval_score_query(const float *scores, const int32_t *classes, size_t n,
                                   size_t self, struct eval_item *a, struct eval_item *b);

#endif
