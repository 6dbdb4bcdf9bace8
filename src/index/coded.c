/*
 * The coded way: vectors shared out over threads in groups, each group's candidates found (one by one, or list by
 * list for all of them: batch.c), reranked, and joined with what the parts without codes give exactly.
 *
 * Best of several vectors: a row among the k best is among the k best of the vector that likes it most, so that
 * the vectors are answered one by one and their answers joined by key. A row that is only just in one vector's
 * answer has its score from that vector, which is its best.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "search.h"

#define GROUP_HITS_BYTES (16u << 20)
#define JOIN_BYTES_MAX (64u << 20) /* of hits of several vectors that are joined at a time */

struct groups {
    const struct search *search;
    struct scratch **scratches;
    const struct answers *answers; /* a list for each vector */
    size_t group;                  /* vectors of one */
    atomic_int failed;
};

static void finish_list(const struct answers *answers, size_t vector, struct akin_topk *list)
{
    answers->counts[vector] = akin_topk_finish(list);
    memcpy(answers->hits + vector * answers->stride, list->hits,
           answers->counts[vector] * sizeof *list->hits);
}

/* Into the scratch's list 0. */
static akin_status search_one(const struct search *search, struct scratch *scratch,
                              const float *vector, akin_error *err)
{
    akin_status status = probe_vector(search, scratch, vector, err);
    if (status)
        return status;
    rerank_select(search, &scratch->candidates);
    rerank_by_codes(search, scratch, &scratch->candidates, vector);
    rerank_by_vectors(search, scratch, &scratch->candidates, vector, scratch_list(scratch, 0));
    scratch_stage(scratch, AKIN_STAGE_RERANK);
    return AKIN_OK;
}

static akin_status search_group(const struct search *search, struct scratch *scratch, size_t first,
                                size_t count, const struct answers *answers, akin_error *err)
{
    akin_status status = scratch_need_lists(scratch, count, search->k, err);
    if (!status)
        status = rerank_need(search, scratch, err);
    if (!status)
        status = count == 1
                     ? search_one(search, scratch, search->vectors + first * search->dim, err)
                     : batch_search(search, scratch, first, count, err);
    for (size_t p = 0; !status && p < search->view->part_count; p++) {
        const struct part *part = &search->view->parts[p];
        if (search->is_coded[p] || !part->rows)
            continue;
        status = exact_need(search, scratch, err);
        if (!status)
            exact_part_each(search, scratch, part, first, count);
    }
    for (size_t i = 0; !status && i < count; i++)
        finish_list(answers, first + i, scratch_list(scratch, i));
    scratch_stage(scratch, AKIN_STAGE_EXACT);
    return status;
}

static void search_groups(void *user, size_t begin, size_t end, unsigned thread)
{
    struct groups *groups = user;
    size_t vectors = groups->search->vector_count;
    for (size_t g = begin; g < end && !groups->failed; g++) {
        size_t first = g * groups->group, left = vectors - first;
        akin_status status =
            search_group(groups->search, groups->scratches[thread], first,
                         left < groups->group ? left : groups->group, groups->answers, NULL);
        if (status)
            groups->failed = status;
    }
}

/* A list for each of the search's vectors. */
static akin_status search_each(const struct search *search, struct scratch *first,
                               const struct answers *answers, struct akin_index_work *work,
                               akin_error *err)
{
    if (search->vector_count == 1)
        return search_group(search, first, 0, 1, answers, err);
    size_t threads = akin_pool_threads(search->pool), vectors = search->vector_count;
    size_t list_bytes = 2 * search->k * sizeof(struct akin_hit), group = vectors / threads;
    if (group > GROUP_HITS_BYTES / list_bytes)
        group = GROUP_HITS_BYTES / list_bytes;
    if (group > batch_size(search))
        group = batch_size(search);
    group = group < 1 ? 1 : group;
    struct groups groups = {.search = search, .answers = answers, .group = group};
    groups.scratches = akin_alloc_zero(threads, sizeof *groups.scratches);
    if (!groups.scratches)
        return akin_error_memory(err, threads * sizeof *groups.scratches, "search");
    groups.scratches[0] = first;
    akin_status status = search_take_scratches(search, groups.scratches, threads, err);
    if (!status)
        akin_pool_for(search->pool, (vectors + group - 1) / group, 1, search_groups, &groups);
    if (!status && groups.failed)
        status = akin_error_set(err, (akin_status)groups.failed, "search: out of memory");
    search_give_scratches(search, groups.scratches, threads, work);
    akin_free(groups.scratches);
    return status;
}

/* ---- best of several vectors ---- */

/* By key, a key's best score first. */
static int compare_keys(const void *a, const void *b)
{
    const struct akin_hit *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->score < y->score) - (x->score > y->score);
}
static int compare_hits(const void *a, const void *b)
{
    return akin_hit_compare(a, b);
}

/* Sorts hits with repeated keys into the k best rows; returns how many. */
static size_t join_hits(struct akin_hit *hits, size_t count, size_t k)
{
    size_t unique = 0;
    qsort(hits, count, sizeof *hits, compare_keys);
    for (size_t i = 0; i < count; i++)
        if (!unique || hits[unique - 1].key != hits[i].key)
            hits[unique++] = hits[i];
    qsort(hits, unique, sizeof *hits, compare_hits);
    return unique < k ? unique : k;
}

static akin_status search_best_of(const struct search *search, struct scratch *first,
                                  const struct answers *answers, struct akin_index_work *work,
                                  akin_error *err)
{
    size_t k = search->k, turn = JOIN_BYTES_MAX / (k * sizeof(struct akin_hit)), total = 0;
    turn = turn < 1 ? 1 : turn > search->vector_count ? search->vector_count : turn;
    struct akin_hit *hits = akin_alloc(turn + 1, k * sizeof *hits);
    size_t *counts = akin_alloc(turn, sizeof *counts);
    akin_status status = AKIN_OK;
    if (!hits || !counts)
        status = akin_error_memory(err, (turn + 1) * k * sizeof *hits, "search");
    for (size_t done = 0; !status && done < search->vector_count; done += turn) {
        struct search part = *search;
        size_t left = search->vector_count - done;
        part.best_of = false;
        part.vectors += done * search->dim;
        part.vector_count = left < turn ? left : turn;
        status = search_each(&part, first, &(struct answers){hits + k, k, counts}, work, err);
        for (size_t i = 0; !status && i < part.vector_count; i++) {
            memmove(hits + total, hits + (i + 1) * k, counts[i] * sizeof *hits);
            total += counts[i];
        }
        total = join_hits(hits, status ? 0 : total, k);
    }
    if (!status) {
        answers->counts[0] = total;
        memcpy(answers->hits, hits, total * sizeof *hits);
    }
    akin_free(hits);
    akin_free(counts);
    return status;
}

akin_status coded_search(const struct search *search, struct scratch *first,
                         const struct answers *answers, struct akin_index_work *work,
                         akin_error *err)
{
    return (search->best_of ? search_best_of : search_each)(search, first, answers, work, err);
}
