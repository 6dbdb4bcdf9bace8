/*
 * Candidates: keeping the better part, by a kernel that halves the range of scores instead of sorting (with
 * quickselect, whose branches the CPU mispredicts every second time, selections took a fifth of a query).
 *
 * Of candidates that are equally good those of smaller rows are kept, so that a batch, which comes by them in another
 * order, keeps the same. Where more than TIES_MAX would have to go (the same vector is stored many
 * times over) those that came first are kept instead.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "candidates.h"

#include <string.h>

#define TIES_MAX 64

/* Of `count` items all but `best` go, among those with the score of the worst, which is `least`. */
static void drop_ties(struct akin_candidate *items, size_t count, size_t best, float least)
{
    for (size_t over = count - best; over > 0 && over <= TIES_MAX; over--, count--) {
        size_t last = count;
        for (size_t i = 0; i < count; i++)
            if (items[i].score == least && (last == count || items[i].row > items[last].row))
                last = i;
        memmove(items + last, items + last + 1, (count - last - 1) * sizeof *items);
    }
}

size_t candidates_select(struct akin_candidate *items, size_t count, size_t best)
{
    float least;
    if (best == 0 || count <= best)
        return count < best ? count : best;
    size_t kept = akin_kernels()->keep_best(items, count, best, &least);
    drop_ties(items, kept, best, least);
    return best;
}

void candidates_compact(struct candidates *candidates)
{
    struct akin_candidate *items = candidates->items;
    size_t wanted = candidates->wanted;
    if (candidates->count <= wanted)
        return;
    size_t kept =
        akin_kernels()->keep_best(items, candidates->count, wanted, &candidates->threshold);
    drop_ties(items, kept, wanted, candidates->threshold);
    candidates->count = wanted;
}

float candidates_least(const struct akin_candidate *items, size_t count, size_t best,
                       struct akin_candidate *other)
{
    float threshold;
    memcpy(other, items, count * sizeof *items);
    akin_kernels()->keep_best(other, count, best, &threshold);
    return threshold;
}
