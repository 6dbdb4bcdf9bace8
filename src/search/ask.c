/*
 * From a question to its answers: vectors, one pass over the index, columns. With collapse=place
 * the pass is repeated for more until enough places are found or nothing is left, each time leaving
 * out what was seen, so that the answer is that of collapsing the whole ranking.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "engine.h"
#include "places.h"
#include "question_vectors.h"

#define ANSWERS_MAX 100000
#define PAGE_GROWTH 4 /* answers looked at first for each place wanted */

/* One question being answered. */
struct asking {
    akin_engine *engine;
    const struct akin_question *question;
    float *vectors; /* (count, dim) */
    size_t count;
    uint64_t *except; /* sorted */
    size_t except_count, except_capacity;
    struct akin_hit *hits; /* [page] */
    size_t page;           /* the most that one scan may find */
    struct akin_index_work work;
};

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Leaves keys out of further scans. */
static akin_status leave_out(struct asking *asking, const struct akin_hit *hits, size_t n,
                             akin_error *err)
{
    const size_t needed = asking->except_count + n;
    if (needed > asking->except_capacity) {
        size_t capacity = needed * 2;
        uint64_t *except = akin_realloc(asking->except, asking->except_capacity * sizeof *except,
                                        capacity * sizeof *except);
        if (!except)
            return akin_error_memory(err, capacity * sizeof *except, "answers already seen");
        asking->except = except;
        asking->except_capacity = capacity;
    }
    for (size_t i = 0; i < n; i++)
        asking->except[asking->except_count++] = hits[i].key;
    qsort(asking->except, asking->except_count, sizeof *asking->except, compare_keys);
    return AKIN_OK;
}

static akin_status leave_out_examples(struct asking *asking, akin_error *err)
{
    const struct akin_example_set *set = asking->question->examples;
    akin_status status = AKIN_OK;
    for (size_t i = 0; status == AKIN_OK && i < set->count; i++)
        if (set->items[i].has_key) {
            struct akin_hit hit = {.key = set->items[i].key};
            status = leave_out(asking, &hit, 1, err);
        }
    return status;
}

/* Room for the hits of one scan; what was in it is lost. */
static akin_status set_page(struct asking *asking, size_t page, akin_error *err)
{
    if (page > ANSWERS_MAX)
        page = ANSWERS_MAX;
    if (page <= asking->page)
        return AKIN_OK;
    akin_free(asking->hits);
    asking->page = 0;
    asking->hits = akin_alloc(page, sizeof *asking->hits);
    if (!asking->hits)
        return akin_error_memory(err, page * sizeof *asking->hits, "answers");
    asking->page = page;
    return AKIN_OK;
}

/* Sums over scans; of what does not add up the last scan's. */
static void add_work(struct akin_index_work *sum, const struct akin_index_work *work)
{
    sum->segments += work->segments;
    sum->segments_skipped += work->segments_skipped;
    sum->rows_scanned += work->rows_scanned;
    sum->rows_filtered += work->rows_filtered;
    sum->bytes_read += work->bytes_read;
    sum->lists_probed += work->lists_probed;
    sum->codes_scanned += work->codes_scanned;
    sum->reranked_i8 += work->reranked_i8;
    sum->reranked_f16 += work->reranked_f16;
    sum->way = work->way;
    sum->lists = work->lists;
    sum->matches_estimated = work->matches_estimated;
}

/* The asking->page best that are not left out, into asking->hits. */
static akin_status scan(struct asking *asking, size_t *found, akin_error *err)
{
    const struct akin_index_query query = {.vectors = asking->vectors,
                                           .count = asking->count,
                                           .best_of = true,
                                           .filter = &asking->question->filter,
                                           .k = asking->page,
                                           .threshold = asking->question->threshold,
                                           .recall = asking->question->recall,
                                           .except = asking->except,
                                           .except_count = asking->except_count};
    struct akin_index_work work = {0};
    akin_status status =
        akin_index_search(asking->engine->index, &query, asking->hits, found, &work, err);
    add_work(&asking->work, &work);
    return status;
}

static akin_status answer_of(const struct asking *asking, const struct akin_hit *hit,
                             struct akin_answer *out, akin_error *err)
{
    *out = (struct akin_answer){
        .key = hit->key, .score = hit->score, .scene = akin_tile_scene(hit->key)};
    if (asking->engine->metric == AKIN_METRIC_COSINE) /* vectors are kept as f16: not quite unit */
        out->score = fmaxf(-1, fminf(1, hit->score));
    return akin_index_get(asking->engine->index, hit->key, &out->columns, NULL, err);
}

static akin_status answer_plainly(struct asking *asking, struct akin_answer *answers, size_t *count,
                                  akin_error *err)
{
    akin_status status = set_page(asking, asking->question->k, err);
    if (status == AKIN_OK)
        status = scan(asking, count, err);
    for (size_t i = 0; status == AKIN_OK && i < *count; i++)
        status = answer_of(asking, &asking->hits[i], &answers[i], err);
    return status;
}

static akin_status add_page(struct asking *asking, struct places *places, size_t found,
                            akin_error *err)
{
    for (size_t i = 0; i < found; i++) {
        struct akin_answer answer;
        akin_status status = answer_of(asking, &asking->hits[i], &answer, err);
        if (status != AKIN_OK)
            return status;
        places_add(places, &answer);
    }
    return AKIN_OK;
}

static akin_status answer_by_place(struct asking *asking, struct akin_answer *answers,
                                   size_t *count, akin_error *err)
{
    const size_t k = asking->question->k;
    struct places places = {0};
    akin_status status = places_begin(&places, answers, k, err);
    for (bool more = true; status == AKIN_OK && more;) {
        size_t found = 0;
        status = set_page(asking, asking->page ? 2 * asking->page : PAGE_GROWTH * k, err);
        if (status == AKIN_OK)
            status = scan(asking, &found, err);
        if (status == AKIN_OK)
            status = add_page(asking, &places, found, err);
        more = found == asking->page && places.count < k;
        if (status == AKIN_OK && more)
            status = leave_out(asking, asking->hits, found, err);
    }
    *count = places.count;
    places_fini(&places);
    return status;
}

static akin_status check(const akin_engine *engine, const struct akin_question *question,
                         akin_error *err)
{
    if (question->k < 1 || question->k > ANSWERS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "%zu answers wanted: 1 to %d are possible",
                              question->k, ANSWERS_MAX);
    if (isnan(question->threshold))
        return akin_error_set(err, AKIN_ERR_INVALID, "the threshold is not a number");
    if (engine->metric == AKIN_METRIC_COSINE && fabsf(question->threshold) > 1 &&
        isfinite(question->threshold))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "a threshold of %g: scores are cosines, -1 to 1",
                              (double)question->threshold);
    if (!(question->recall >= 0 && question->recall <= 1))
        return akin_error_set(err, AKIN_ERR_INVALID, "a recall of %g: 0 to 1 are possible",
                              (double)question->recall);
    return AKIN_OK;
}

/* Best first, ties by key: again, because scores above 1 have become 1. */
static int compare_answers(const void *a, const void *b)
{
    const struct akin_answer *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return compare_keys(&x->key, &y->key);
}

static const char *const ways[] = {
    [AKIN_WAY_EXACT] = "exact scan",
    [AKIN_WAY_FILTERED] = "scan of the rows that match",
    [AKIN_WAY_MASKED] = "codes of the rows that match",
    [AKIN_WAY_CODES] = "codes",
};

static struct akin_explain explain(const struct asking *asking, double search_ms)
{
    const struct akin_example_set *set = asking->question->examples;
    struct akin_explain explain = {.way = ways[asking->work.way],
                                   .vectors = asking->count,
                                   .work = asking->work,
                                   .encode_ms = set->encode_ms,
                                   .search_ms = search_ms};
    for (size_t i = 0; i < set->count; i++)
        *(set->items[i].unlike ? &explain.unlikes : &explain.likes) += 1;
    return explain;
}

akin_status akin_ask(akin_engine *engine, const struct akin_question *question,
                     struct akin_answers *out, akin_error *err)
{
    if (!engine || !question || !out)
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine or question given");
    akin_status status = check(engine, question, err);
    if (status != AKIN_OK)
        return status;
    const double begin_ms = engine_now_ms();
    struct asking asking = {.engine = engine, .question = question};
    struct akin_answer *answers = akin_alloc(question->k, sizeof *answers);
    size_t count = 0;
    if (!answers) {
        status = akin_error_memory(err, question->k * sizeof *answers, "answers");
        goto out;
    }
    status = question_vectors_make(question->examples, engine->dim, engine->metric, &asking.vectors,
                                   &asking.count, err);
    if (status == AKIN_OK && !question->keep_examples)
        status = leave_out_examples(&asking, err);
    if (status == AKIN_OK)
        status = (question->collapse_place ? answer_by_place : answer_plainly)(&asking, answers,
                                                                               &count, err);
    if (status != AKIN_OK)
        goto out;
    qsort(answers, count, sizeof *answers, compare_answers);
    *out = (struct akin_answers){answers, count, explain(&asking, engine_now_ms() - begin_ms)};
    answers = NULL;
out:
    akin_free(answers);
    akin_free(asking.hits);
    akin_free(asking.vectors);
    akin_free(asking.except);
    return status;
}

void akin_answers_free(struct akin_answers *answers)
{
    if (!answers)
        return;
    akin_free(answers->answers);
    *answers = (struct akin_answers){0};
}
