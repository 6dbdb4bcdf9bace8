/*
 * Private to index: candidates, the rows with the best estimates so far.
 *
 * A buffer that the scan appends to. When it is full it keeps its better part, and the worst estimate of
 * that is the threshold of what follows. Which rows are the `wanted` best does not depend on the order
 * in which they came: ties go to the smaller row number.
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
    bool by_codes;   /* rerank's: there are so many that int8 comes first */
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
/* Keeps the `wanted` best and perhaps some more, and raises the threshold. */
void candidates_compact(struct candidates *candidates);
/* Brings the `best` <= count best to the front, in no order. */
void candidates_select(struct akin_candidate *items, size_t count, size_t best);

#endif
