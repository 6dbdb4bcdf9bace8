/*
 * Private to index: candidates, the rows with the best estimates so far.
 *
 * A buffer that the scan appends to. When it is full it keeps its better part, and the worst estimate of that is
 * the threshold of what follows: which rows are the `wanted` best does not depend on the order in which they
 * came.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_CANDIDATES_H
#define INDEX_CANDIDATES_H

#include "akin/vec.h"

struct candidates {
    struct akin_candidate *items; /* borrowed; room for more than candidates_full() says */
    size_t count, wanted;
    float threshold; /* estimates below it are not among the wanted best */
    /* With a filter: rows whose codes were scanned, and of some of them, one a block, how many match. */
    size_t scanned, asked, yes;
    bool by_codes; /* rerank's: there are so many that int8 comes first */
};
static inline void candidates_init(struct candidates *candidates, struct akin_candidate *items,
                                   size_t wanted, float threshold)
{
    *candidates = (struct candidates){.items = items, .wanted = wanted, .threshold = threshold};
}
static inline size_t candidates_full(size_t wanted)
{
    return wanted + wanted / 2 + 64;
}
/* Keeps the `wanted` best and raises the threshold. */
void candidates_compact(struct candidates *candidates);
/* Moves the best to the front, in their order; returns how many: `best`, or all where there are fewer. */
size_t candidates_select(struct akin_candidate *items, size_t count, size_t best);
/* The score of the best-th best, 1 <= best < count, who all stay where they are. other (count): scratch. */
float candidates_least(const struct akin_candidate *items, size_t count, size_t best,
                       struct akin_candidate *other);

#endif
