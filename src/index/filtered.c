/*
 * The filtered way: the rows that match are found first, segment by segment, and all of them are scored by their
 * vectors. Nothing is missed, however few they are and wherever they lie, which neither masks nor
 * post-filtering can say. The memtable, which has no runs, is scanned block by block.
 *
 * Scoring by int8 first (INDEX.md) was not needed: up to the 20,000 matches that go this way, finding the rows
 * costs as much as reading their f16.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "matching.h"
#include "score.h"
#include "search.h"

#define AHEAD 6        /* vectors fetched ahead */
#define GRAIN_ROWS 512 /* of a step of the parallel loop */

/* The matching rows of all segments behind each other. */
struct matches {
    const struct search *search;
    struct scratch **scratches;
    size_t *first; /* (parts + 1) */
    uint32_t *rows;
};

static void fetch(const akin_f16 *vector, size_t dim)
{
    for (size_t at = 0; at < dim * sizeof *vector; at += 64)
        __builtin_prefetch((const char *)vector + at);
}

/* Offers a row's scores against all vectors. */
static void offer(const struct search *search, struct scratch *scratch, uint64_t key,
                  const float *scores)
{
    float best = scores[0];
    for (size_t q = 0; q < search->vector_count; q++) {
        if (search->best_of)
            best = scores[q] > best ? scores[q] : best;
        else if (scores[q] >= search->threshold)
            akin_topk_push(scratch_list(scratch, q),
                           (struct akin_hit){.key = key, .score = scores[q]});
    }
    if (search->best_of && best >= search->threshold)
        akin_topk_push(scratch_list(scratch, 0), (struct akin_hit){.key = key, .score = best});
}

static void score_part(const struct matches *matches, struct scratch *scratch, size_t p,
                       size_t begin, size_t end)
{
    const struct search *search = matches->search;
    const struct segment *segment = search->view->parts[p].segment;
    float *scores = scratch->scores.data;
    for (size_t i = begin; i < end; i++) {
        size_t row = matches->rows[i];
        if (i + AHEAD < end)
            fetch(segment->vectors + matches->rows[i + AHEAD] * search->dim, search->dim);
        uint64_t key = segment->columns[row].key;
        if (search->query->except_count && search_key_excepted(search->query, key))
            continue;
        score_rows(search->view->metric, scores, 1, search->vectors, search->vector_count,
                   segment->vectors + row * search->dim, 1, search->dim, scratch->wide.data);
        offer(search, scratch, key, scores);
    }
    scratch->work.rows_scanned += end - begin;
    scratch->work.bytes_read +=
        (end - begin) * (search->dim * sizeof(akin_f16) + sizeof(struct akin_columns));
}

/* The body of the parallel loop: matches [begin, end) of all segments. */
static void score_matches(void *user, size_t begin, size_t end, unsigned thread)
{
    const struct matches *matches = user;
    size_t p = 0;
    while (begin < end) {
        while (begin >= matches->first[p + 1])
            p++;
        size_t stop = matches->first[p + 1] < end ? matches->first[p + 1] : end;
        score_part(matches, matches->scratches[thread], p, begin, stop);
        begin = stop;
    }
}

/* Rows of all segments that match, and how many do not. */
static akin_status find_matches(struct matches *matches, struct scratch *scratch, akin_error *err)
{
    const struct view *view = matches->search->view;
    const struct akin_filter *filter = matches->search->filter;
    size_t room = 0, count = 0;
    akin_status status =
        growing_need(&scratch->spans, view->part_count, sizeof(struct matching), err);
    struct matching *runs = scratch->spans.data;
    for (size_t p = 0; !status && p < view->part_count; p++) {
        if (!view->parts[p].segment)
            continue;
        matching_choose(&runs[p], view->parts[p].segment, filter);
        room += runs[p].total;
    }
    if (!status)
        status = growing_need(&scratch->rows, room + 1, sizeof *matches->rows, err);
    if (status)
        return status;
    matches->rows = scratch->rows.data;
    for (size_t p = 0; p < view->part_count; p++) {
        const struct part *part = &view->parts[p];
        matches->first[p] = count;
        if (!part->segment)
            continue;
        size_t found = matching_list(&runs[p], part, filter, matches->rows + count);
        scratch->work.rows_filtered += part->rows - found;
        scratch->work.bytes_read +=
            runs[p].total * (sizeof *matches->rows + sizeof(struct akin_columns));
        count += found;
    }
    matches->first[view->part_count] = count;
    return AKIN_OK;
}

static akin_status need(const struct search *search, struct scratch *scratch, akin_error *err)
{
    akin_status status = exact_need(search, scratch, err);
    if (!status)
        status = growing_need(&scratch->scores, search->vector_count, sizeof(float), err);
    if (!status)
        status =
            scratch_need_lists(scratch, search->best_of ? 1 : search->vector_count, search->k, err);
    return status;
}

akin_status filtered_search(const struct search *search, struct scratch *first,
                            const struct answers *answers, struct akin_index_work *work,
                            akin_error *err)
{
    const struct view *view = search->view;
    size_t threads = akin_pool_threads(search->pool);
    struct matches matches = {.search = search};
    akin_status status = AKIN_OK;
    matches.scratches = akin_alloc_zero(threads, sizeof *matches.scratches);
    matches.first = akin_alloc(view->part_count + 1, sizeof *matches.first);
    if (!matches.scratches || !matches.first) {
        status = akin_error_memory(err, view->part_count * sizeof *matches.first, "search");
        goto out;
    }
    matches.scratches[0] = first;
    status = search_take_scratches(search, matches.scratches, threads, err);
    for (size_t i = 0; !status && i < threads; i++)
        status = need(search, matches.scratches[i], err);
    if (!status)
        status = find_matches(&matches, first, err);
    if (status)
        goto out;
    scratch_stage(first, AKIN_STAGE_MATCH);
    akin_pool_for(search->pool, matches.first[view->part_count], GRAIN_ROWS, score_matches,
                  &matches);
    for (size_t p = 0; p < view->part_count; p++)
        if (!view->parts[p].segment)
            exact_part(search, first, &view->parts[p]);
    search_join(matches.scratches, threads, search->best_of ? 1 : search->vector_count, answers);
    scratch_stage(first, AKIN_STAGE_EXACT);
out:
    search_give_scratches(search, matches.scratches, threads, work);
    akin_free(matches.scratches);
    akin_free(matches.first);
    return status;
}
