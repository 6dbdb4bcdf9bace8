/*
 * The k best of a stream against sorting all of it: ties, duplicates, infinities, NaN, any order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "../check.h"
#include "akin/vec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_MAX 6000
#define K_MAX 1000

static struct akin_hit stream[STREAM_MAX], sorted[STREAM_MAX], buffer[2 * K_MAX];
static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) * below >> 31);
}

static int compare(const void *a, const void *b)
{
    return akin_hit_compare(a, b);
}

/* `levels` different scores: few make many ties. Every third key is a duplicate. */
static void fill_stream(size_t n, uint32_t levels)
{
    for (size_t i = 0; i < n; i++) {
        stream[i].score = (float)draw(levels) / (float)levels - 0.5f;
        stream[i].key = draw(3) ? 1000000 + i : draw(50);
        stream[i].row = (uint32_t)i;
    }
}

static void shuffle(size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = draw((uint32_t)i);
        struct akin_hit other = stream[i - 1];
        stream[i - 1] = stream[j];
        stream[j] = other;
    }
}

/* Whether the stream's k best are the first of `sorted`, which has n entries. */
static bool same_as_sorting(size_t stream_count, size_t n, size_t k)
{
    struct akin_topk topk;
    akin_topk_init(&topk, buffer, k);
    for (size_t i = 0; i < stream_count; i++)
        akin_topk_push(&topk, stream[i]);
    size_t expected = n < k ? n : k;
    if (akin_topk_finish(&topk) != expected)
        return false;
    for (size_t i = 0; i < expected; i++)
        if (akin_hit_compare(&buffer[i], &sorted[i]) != 0)
            return false;
    return true;
}

static void sort_stream(size_t n)
{
    memcpy(sorted, stream, n * sizeof *stream);
    qsort(sorted, n, sizeof *sorted, compare);
}

TEST(topk_is_what_sorting_gives)
{
    static const size_t ks[] = {1, 2, 3, 7, 64, 100, 999, 1000};
    static const size_t counts[] = {0, 1, 2, 3, 13, 127, 1000, 1999, 2000, 2001, 6000};
    static const uint32_t levels[] = {1, 2, 30, 1u << 30};
    for (size_t l = 0; l < 4; l++) {
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            fill_stream(counts[c], levels[l]);
            sort_stream(counts[c]);
            for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
                CHECK(same_as_sorting(counts[c], counts[c], ks[i]));
        }
    }
}

TEST(topk_does_not_depend_on_the_order_of_the_stream)
{
    size_t n = 3000;
    fill_stream(n, 40);
    sort_stream(n);
    memcpy(stream, sorted, n * sizeof *stream);
    CHECK(same_as_sorting(n, n, 100)); /* best first */
    for (size_t i = 0; i < n; i++)
        stream[i] = sorted[n - 1 - i];
    CHECK(same_as_sorting(n, n, 100)); /* best last */
    for (size_t i = 0; i < n; i++)
        stream[i] = sorted[i % 2 ? n - 1 - i / 2 : i / 2];
    CHECK(same_as_sorting(n, n, 100)); /* from both ends */
    for (int round = 0; round < 20; round++) {
        shuffle(n);
        CHECK(same_as_sorting(n, n, 100));
        CHECK(same_as_sorting(n, n, 1));
    }
}

/* Musser, Introspective Sorting, 1997: a stream made to split off two hits a round. */
TEST(topk_of_a_stream_against_the_median_of_three)
{
    size_t n = 2000, half = n / 2;
    for (size_t i = 0; i < half; i++) {
        size_t first = i % 2 ? half + i : i + 1;
        stream[i] = (struct akin_hit){.score = -(float)first, .key = i};
        stream[half + i] = (struct akin_hit){.score = -(float)(2 * (i + 1)), .key = half + i};
    }
    sort_stream(n);
    for (size_t k = 1; k <= 1000; k += 37)
        CHECK(same_as_sorting(n, n, k));
}

TEST(topk_leaves_nan_out_and_keeps_infinities)
{
    size_t n = 300, kept = 0;
    fill_stream(n, 10);
    for (size_t i = 0; i < n; i++) {
        uint32_t kind = draw(4);
        stream[i].score = kind == 0 ? NAN : kind == 1 ? -INFINITY : stream[i].score;
        if (draw(20) == 0)
            stream[i].score = INFINITY;
        if (!isnan(stream[i].score))
            sorted[kept++] = stream[i];
    }
    qsort(sorted, kept, sizeof *sorted, compare);
    CHECK(kept < n && kept > 150);
    CHECK_EQ(sorted[kept - 1].score == -INFINITY, 1);
    CHECK(same_as_sorting(n, kept, 1));
    CHECK(same_as_sorting(n, kept, 60));
    CHECK(same_as_sorting(n, kept, 1000)); /* the last of these are -infinity */
}

TEST(topk_takes_more_after_an_answer)
{
    size_t n = 500, k = 20;
    fill_stream(n, 100);
    sort_stream(n);
    struct akin_topk topk;
    akin_topk_init(&topk, buffer, k);
    for (size_t i = 0; i < n; i++) {
        akin_topk_push(&topk, stream[i]);
        if (i % 7 == 0)
            CHECK_EQ(akin_topk_finish(&topk), i + 1 < k ? i + 1 : k);
    }
    CHECK_EQ(akin_topk_finish(&topk), k);
    CHECK_EQ(akin_topk_finish(&topk), k);
    for (size_t i = 0; i < k; i++)
        CHECK_EQ(akin_hit_compare(&buffer[i], &sorted[i]), 0);
    CHECK(topk.threshold == sorted[k - 1].score);
}

TEST(hits_compare_by_score_then_key_then_row)
{
    struct akin_hit a = {.key = 5, .score = 1, .row = 2}, b = a;
    CHECK_EQ(akin_hit_compare(&a, &b), 0);
    b.row = 3;
    CHECK(akin_hit_compare(&a, &b) < 0 && akin_hit_compare(&b, &a) > 0);
    b.key = 4;
    CHECK(akin_hit_compare(&a, &b) > 0 && akin_hit_compare(&b, &a) < 0);
    b.score = 0.5f;
    CHECK(akin_hit_compare(&a, &b) < 0 && akin_hit_compare(&b, &a) > 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
