/*
 * The k best of a stream. Hits collect in a buffer of 2k; when it is full, selection keeps the
 * better half and the worst of those becomes the threshold that most later hits do not pass.
 *
 * Selection is quickselect (Hoare, Find, 1961) with the median of three; where a bad stream makes
 * it slow, and for the final order, heapsort: in place, without memory, O(n log n) always.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/vec.h"

#include <math.h>

int akin_hit_compare(const struct akin_hit *a, const struct akin_hit *b)
{
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static bool before(const struct akin_hit *a, const struct akin_hit *b)
{
    return akin_hit_compare(a, b) < 0;
}

static void swap(struct akin_hit *a, struct akin_hit *b)
{
    struct akin_hit other = *a;
    *a = *b;
    *b = other;
}

/* Restores the heap (its worst hit at the root) below `root`. */
static void sift_down(struct akin_hit *hits, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && before(&hits[child], &hits[child + 1]))
            child++;
        if (!before(&hits[root], &hits[child]))
            return;
        swap(&hits[root], &hits[child]);
    }
}

static void sort(struct akin_hit *hits, size_t n)
{
    for (size_t root = n / 2; root-- > 0;)
        sift_down(hits, root, n);
    for (size_t last = n; last-- > 1;) {
        swap(&hits[0], &hits[last]);
        sift_down(hits, 0, last);
    }
}

/* Splits at the median of the first, middle and last: afterwards no hit in [0, result] comes after
 * one in (result, n), and both sides have a hit at least. n >= 2. */
static size_t partition(struct akin_hit *hits, size_t n)
{
    struct akin_hit *a = &hits[0], *b = &hits[(n - 1) / 2], *c = &hits[n - 1];
    if (before(b, a))
        swap(a, b);
    if (before(c, b))
        swap(b, c);
    if (before(b, a))
        swap(a, b);
    struct akin_hit pivot = *b;
    size_t left = 0, right = n - 1;
    for (;; left++, right--) {
        while (before(&hits[left], &pivot))
            left++;
        while (before(&pivot, &hits[right]))
            right--;
        if (left >= right)
            return right;
        swap(&hits[left], &hits[right]);
    }
}

/* Brings the k best of n to the front, the worst of them at k - 1; 1 <= k <= n. */
static void select_best(struct akin_hit *hits, size_t k, size_t n)
{
    unsigned rounds_left = 4; /* + log2 n: by then a fair stream has a handful of hits left */
    for (size_t size = n; size > 1; size /= 2)
        rounds_left++;
    size_t begin = 0, end = n; /* the k-th lies in here; all before is better, all behind worse */
    while (end - begin > 1) {
        if (rounds_left-- == 0) {
            sort(hits + begin, end - begin);
            return;
        }
        size_t middle = begin + partition(hits + begin, end - begin) + 1;
        if (k <= middle)
            end = middle;
        else
            begin = middle;
    }
}

/* Leaves the best k, or all where there are fewer. */
static void compact(struct akin_topk *topk)
{
    if (topk->count < topk->k)
        return;
    select_best(topk->hits, topk->k, topk->count);
    topk->count = topk->k;
    topk->threshold = topk->hits[topk->k - 1].score;
}

void akin_topk_init(struct akin_topk *topk, struct akin_hit *hits, size_t k)
{
    *topk = (struct akin_topk){.hits = hits, .k = k, .threshold = -INFINITY};
}

void akin_topk_push(struct akin_topk *topk, struct akin_hit hit)
{
    /* Written so that NaN fails. A tie may still win by its key. */
    if (!(hit.score >= topk->threshold))
        return;
    topk->hits[topk->count++] = hit;
    if (topk->count == 2 * topk->k)
        compact(topk);
}

size_t akin_topk_finish(struct akin_topk *topk)
{
    compact(topk);
    sort(topk->hits, topk->count);
    return topk->count;
}
