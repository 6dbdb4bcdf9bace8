/*
 * One query's measures. The whole ranking is sorted: three passes of a stable radix sort over the
 * scores' bits take less than the dot products that made them, keep rows of equal score in order,
 * and everything else is then one walk along the ranking.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "eval_score.h"

#include <string.h>

#define NEIGHBOURS 5
#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)
#define PASSES 3 /* 3 * 11 >= 32 */

/* The bits of a float so that a smaller number is a higher score. -0 counts as 0. */
static uint32_t order_of(float score)
{
    uint32_t bits;
    score += 0.0f;
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : ~(bits | 0x80000000u);
}

static void scatter(const struct eval_item *from, struct eval_item *to, size_t n,
                    uint32_t counts[DIGITS], int shift)
{
    uint32_t at = 0;
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        uint32_t count = counts[digit];
        counts[digit] = at;
        at += count;
    }
    for (size_t i = 0; i < n; i++)
        to[counts[from[i].order >> shift & (DIGITS - 1)]++] = from[i];
}

/* All rows but `self`, best first, in b. */
static void rank(const float *scores, size_t n, size_t self, struct eval_item *a,
                 struct eval_item *b)
{
    uint32_t counts[PASSES][DIGITS] = {{0}};
    size_t m = 0;
    for (size_t row = 0; row < n; row++) {
        if (row == self)
            continue;
        a[m] = (struct eval_item){order_of(scores[row]), (uint32_t)row};
        for (int pass = 0; pass < PASSES; pass++)
            counts[pass][a[m].order >> pass * DIGIT_BITS & (DIGITS - 1)]++;
        m++;
    }
    scatter(a, b, m, counts[0], 0);
    scatter(b, a, m, counts[1], DIGIT_BITS);
    scatter(a, b, m, counts[2], 2 * DIGIT_BITS);
}

/* The class of most of the nearest; of classes with equally many, the one that comes first. */
static int32_t vote(const struct eval_item *ranking, size_t n, const int32_t *classes)
{
    const size_t count = n < NEIGHBOURS ? n : NEIGHBOURS;
    size_t most = 0;
    int32_t winner = -1;
    for (size_t i = 0; i < count; i++) {
        size_t votes = 0;
        for (size_t j = 0; j < count; j++)
            votes += classes[ranking[j].row] == classes[ranking[i].row];
        if (votes > most) {
            most = votes;
            winner = classes[ranking[i].row];
        }
    }
    return winner;
}

struct eval_query eval_score_query(const float *scores, const int32_t *classes, size_t n,
                                   size_t self, struct eval_item *a, struct eval_item *b)
{
    rank(scores, n, self, a, b);
    const size_t m = n - 1, ten = m < 10 ? m : 10;
    size_t hits = 0, hits_in_ten = 0;
    double precisions = 0;
    for (size_t i = 0; i < m; i++) {
        if (classes[b[i].row] != classes[self])
            continue;
        precisions += (double)++hits / (double)(i + 1);
        hits_in_ten += i < ten;
    }
    return (struct eval_query){.p_at_1 = classes[b[0].row] == classes[self],
                               .p_at_10 = (double)hits_in_ten / (double)ten,
                               .ap = hits ? precisions / (double)hits : 0,
                               .knn5 = vote(b, m, classes) == classes[self],
                               .has_ap = hits > 0};
}
