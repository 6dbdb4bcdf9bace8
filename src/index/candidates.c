/*
 * Candidates: keeping the better part, by a kernel that halves the range of scores instead of sorting (with
 * quickselect, whose branches the CPU mispredicts every second time, selections took a fifth of a query).
 *
 * Of candidates that are equally good those that came first are kept. There are more of them than
 * wanted only where the same vector is stored many times over.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "candidates.h"

#include <string.h>

size_t candidates_select(struct akin_candidate *items, size_t count, size_t best)
{
    float threshold;
    if (best == 0 || count <= best)
        return count < best ? count : best;
    akin_kernels()->keep_best(items, count, best, &threshold);
    return best;
}

void candidates_compact(struct candidates *candidates)
{
    float threshold;
    if (candidates->count <= candidates->wanted)
        return;
    akin_kernels()->keep_best(candidates->items, candidates->count, candidates->wanted, &threshold);
    candidates->count = candidates->wanted;
    candidates->threshold = threshold;
}

float candidates_least(const struct akin_candidate *items, size_t count, size_t best,
                       struct akin_candidate *other)
{
    float threshold;
    memcpy(other, items, count * sizeof *items);
    akin_kernels()->keep_best(other, count, best, &threshold);
    return threshold;
}
