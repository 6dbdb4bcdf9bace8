/*
 * Candidates: keeping the better part.
 *
 * An estimate's order is that of one integer (its float turned into an ordered one, and the row), so that a pass of
 * quickselect (Hoare, Find, 1961) is a loop without a branch that depends on the data: with branches, which
 * the CPU mispredicts every second time, the selections took a quarter of a query.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "candidates.h"

#include <string.h>

/* Larger is better: by estimate, then the smaller row. -0 comes right below 0; NaN does not occur (estimates
 * that are not >= a threshold do not survive). */
static inline uint64_t rank_of(struct akin_candidate item)
{
    uint32_t bits;
    memcpy(&bits, &item.score, sizeof bits);
    bits ^= (uint32_t)((int32_t)bits >> 31) | 0x80000000u;
    return (uint64_t)bits << 32 | (uint32_t)~item.row;
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

/* Items at or above the pivot come first; returns how many (Lomuto's partition, every step a swap). */
static size_t partition(struct akin_candidate *items, size_t n, uint64_t pivot)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct akin_candidate item = items[i];
        items[i] = items[kept];
        items[kept] = item;
        kept += rank_of(item) >= pivot;
    }
    return kept;
}

/* The median of three medians. `round` moves the places that are looked at, so that no order of the
 * items is slow round after round. */
static uint64_t pivot_of(const struct akin_candidate *items, size_t n, size_t round)
{
    size_t step = n / 9, shift = round * 7 % step;
    uint64_t ranks[9];
    for (size_t i = 0; i < 9; i++)
        ranks[i] = rank_of(items[i * step + shift]);
    return median(median(ranks[0], ranks[1], ranks[2]), median(ranks[3], ranks[4], ranks[5]),
                  median(ranks[6], ranks[7], ranks[8]));
}

static void sort_few(struct akin_candidate *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct akin_candidate item = items[i];
        uint64_t rank = rank_of(item);
        size_t at = i;
        for (; at > 0 && rank_of(items[at - 1]) < rank; at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

#define FEW 16

/* Brings the m best to the front for some m in [best, enough], and returns m; the worst of them is at *worst. */
static size_t bring(struct akin_candidate *items, size_t n, size_t best, size_t enough,
                    size_t *worst)
{
    size_t begin = 0, end = n;
    for (size_t round = 0; end - begin > FEW; round++) {
        uint64_t pivot = pivot_of(items + begin, end - begin, round);
        size_t kept = partition(items + begin, end - begin, pivot), middle = begin + kept;
        if (kept == end - begin)
            break; /* not with nine different ranks */
        if (middle < best) {
            begin = middle;
            continue;
        }
        if (middle <= enough) {
            *worst = begin;
            while (rank_of(items[*worst]) != pivot)
                ++*worst;
            return middle;
        }
        end = middle;
    }
    sort_few(items + begin, end - begin);
    *worst = best - 1;
    return best;
}

void candidates_select(struct akin_candidate *items, size_t count, size_t best)
{
    size_t worst;
    if (best > 0 && best < count)
        bring(items, count, best, best, &worst);
}

/* A quarter more than wanted is near enough, and saves a pass or two. */
void candidates_compact(struct candidates *candidates)
{
    size_t worst, wanted = candidates->wanted;
    if (candidates->count <= wanted)
        return;
    candidates->count =
        bring(candidates->items, candidates->count, wanted, wanted + wanted / 4, &worst);
    float least = candidates->items[worst].score;
    if (least > candidates->threshold)
        candidates->threshold = least;
}
