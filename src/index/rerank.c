/*
 * Reranking: candidates by int8 vectors, the best of those by f16, whose scores are the answer's.
 *
 * An int8 score errs by the rounding of row and query, which behaves like noise: with scales s_o and s_q its
 * standard deviation is about sqrt(|q|^2 s_o^2 + |o|^2 s_q^2) / sqrt(12). Only rows whose score lies within DOUBT of
 * these below the k-th best can belong to the k best, and only their f16 is read: of 256 d unit vectors
 * about 14 for ten answers. (int8 alone stops at a recall of .985; INDEX.md reads the f16 of 20.)
 *
 * All of it waits for memory: a candidate's vector is 4 lines at a random place. So each step ends by fetching what
 * the next one reads, and batch.c does a step of another vector in between.
 *
 * Tried and lost (500,000 x 256, 9 lists, 50 candidates, 16 us a query): fetching into the second cache only (no
 * difference); fetching a row's codes as soon as it survives the scan (2 us less here, 3 more there: half of
 * those rows are dropped again); scoring 19 candidates first and of the others only those whose estimate comes
 * within z deviations of the k-th best (at the same recall as many rows are read as with a fixed number: estimates
 * err alike for all rows, so that there is nothing to adapt to).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "score.h"
#include "search.h"

#define FETCH_CODES 16 /* rows fetched ahead */
#define FETCH_VECTORS 16
#define DOUBT 4.5f /* standard deviations of one score: 3.2 of a difference */
#define FEW 4      /* candidates beyond k that are not worth two steps */

/* A candidate's rows of the segment's arrays. */
struct place {
    const struct segment *segment;
    size_t row;
};

static struct place find_place(const struct search *search, uint32_t row)
{
    size_t low = 0, high = search->coded_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (search->coded[middle].base <= row)
            low = middle;
        else
            high = middle;
    }
    return (struct place){search->coded[low].part->segment, row - search->coded[low].base};
}

static inline void fetch(const void *at, size_t bytes)
{
    const char *line = (const char *)((uintptr_t)at & ~(uintptr_t)63),
               *end = (const char *)at + bytes;
    for (; line < end; line += 64)
        __builtin_prefetch(line);
}

static void fetch_codes(const struct search *search, uint32_t row)
{
    struct place place = find_place(search, row);
    fetch(place.segment->codes + place.row * search->dim, search->dim);
    __builtin_prefetch(place.segment->scales + place.row);
}

static void fetch_vector(const struct search *search, uint32_t row)
{
    struct place place = find_place(search, row);
    fetch(place.segment->vectors + place.row * search->dim, search->dim * sizeof(akin_f16));
    __builtin_prefetch(&place.segment->columns[place.row].key);
}

/* ---- int8 ---- */

struct i8_query {
    const int8_t *values;
    float scale, square; /* |q|^2 */
};

/* Like akin_quantize_i8, in which a call for each value takes longer than all of this file. */
static struct i8_query quantize(int8_t *out, const float *vector, size_t dim)
{
    float largest = 0, square = 0;
    for (size_t i = 0; i < dim; i++) {
        float size = fabsf(vector[i]);
        largest = size > largest ? size : largest;
        square += size * size;
    }
    float steps = largest > 0 ? 127 / largest : 0;
    for (size_t i = 0; i < dim; i++)
        out[i] = (int8_t)(int)(vector[i] * steps + (vector[i] < 0 ? -0.5f : 0.5f));
    return (struct i8_query){out, largest / 127, square};
}

/* Scores all by int8; returns the largest standard deviation of one. */
static float score_i8(const struct search *search, struct akin_candidate *items, size_t count,
                      const struct i8_query *query)
{
    const struct akin_kernels *kernels = akin_kernels();
    bool l2 = search->view->metric == AKIN_METRIC_L2;
    float largest = 0, square_max = 1;
    for (size_t i = 0; i < count; i++) {
        if (i + FETCH_CODES < count)
            fetch_codes(search, items[i + FETCH_CODES].row);
        struct place place = find_place(search, items[i].row);
        const int8_t *codes = place.segment->codes + place.row * search->dim;
        float scale = place.segment->scales[place.row];
        float product = (float)kernels->dot_i8(codes, query->values, search->dim) * scale;
        items[i].score = product * query->scale;
        if (search->view->metric != AKIN_METRIC_COSINE) {
            float square = (float)kernels->dot_i8(codes, codes, search->dim) * scale * scale;
            square_max = i == 0 || square > square_max ? square : square_max;
            if (l2)
                items[i].score = 2 * items[i].score - square - query->square;
        }
        largest = scale > largest ? scale : largest;
    }
    float variance = (query->square * largest * largest + square_max * query->scale * query->scale);
    return (l2 ? 2 : 1) * sqrtf(variance / 12);
}

/* Moves those that may be among the k best to the front; returns how many. */
static size_t keep_doubtful(struct akin_candidate *items, size_t count, size_t k, float deviation)
{
    float least = candidates_least(items, count, k, items + count) - DOUBT * deviation;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        items[kept] = items[i];
        kept += items[i].score >= least;
    }
    return kept;
}

/* ---- f16 ---- */

static void score_f16(const struct search *search, struct scratch *scratch,
                      const struct akin_candidate *items, size_t count, const float *vector,
                      struct akin_topk *list)
{
    for (size_t i = 0; i < count; i++) {
        float score;
        if (i + FETCH_VECTORS < count)
            fetch_vector(search, items[i + FETCH_VECTORS].row);
        struct place place = find_place(search, items[i].row);
        score_rows(search->view->metric, &score, 1, vector, 1,
                   place.segment->vectors + place.row * search->dim, 1, search->dim,
                   scratch->wide.data);
        uint64_t key = place.segment->columns[place.row].key;
        if (score >= search->threshold &&
            !(search->query->except_count && search_key_excepted(search->query, key)))
            akin_topk_push(list, (struct akin_hit){.key = key, .score = score});
    }
}

/* ---- the three steps ---- */

akin_status rerank_need(const struct search *search, struct scratch *scratch, akin_error *err)
{
    akin_status status = growing_need(&scratch->quantized, search->dim, 1, err);
    return status ? status : growing_need(&scratch->wide, search->dim, sizeof(float), err);
}

/* Candidates that are to be among the k best after scoring; exceptions are only known by then. */
static size_t best_of(const struct search *search)
{
    return search->k + search->query->except_count;
}

static void fetch_vectors(const struct search *search, const struct candidates *candidates)
{
    for (size_t i = 0; i < candidates->count && i < FETCH_VECTORS; i++)
        fetch_vector(search, candidates->items[i].row);
}

void rerank_select(const struct search *search, struct candidates *candidates)
{
    candidates->count = candidates_select(candidates->items, candidates->count, candidates->wanted);
    candidates->by_codes = candidates->count > best_of(search) + FEW;
    if (!candidates->by_codes) {
        fetch_vectors(search, candidates);
        return;
    }
    for (size_t i = 0; i < candidates->count && i < FETCH_CODES; i++)
        fetch_codes(search, candidates->items[i].row);
}

void rerank_by_codes(const struct search *search, struct scratch *scratch,
                     struct candidates *candidates, const float *vector)
{
    size_t count = candidates->count;
    if (!candidates->by_codes)
        return;
    struct i8_query query = quantize(scratch->quantized.data, vector, search->dim);
    float deviation = score_i8(search, candidates->items, count, &query);
    scratch->work.reranked_i8 += count;
    scratch->work.bytes_read += count * search->dim;
    candidates->count = keep_doubtful(candidates->items, count, best_of(search), deviation);
    fetch_vectors(search, candidates);
}

void rerank_by_vectors(const struct search *search, struct scratch *scratch,
                       struct candidates *candidates, const float *vector, struct akin_topk *list)
{
    score_f16(search, scratch, candidates->items, candidates->count, vector, list);
    scratch->work.reranked_f16 += candidates->count;
    scratch->work.bytes_read += candidates->count * search->dim * sizeof(akin_f16);
}
