/*
 * Search: checks the question, chooses a way, goes it, turn by turn where there are many vectors
 * and many answers, and counts what was done.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "search.h"

#include <math.h>
#include <string.h>

#include "handle.h"

#define QUERIES_MAX 4096
#define K_MAX 100000
#define ABOVE_FIRST 100 /* of a search by threshold: so many answers are looked for first, */
#define ABOVE_GROWTH 8  /* and so many times as many where they were not all */
#define HITS_BYTES_MAX (256u << 20) /* of all threads' hit buffers; above, the lists take turns */

bool search_excludes(const struct search *search, const struct part *part)
{
    return search->filter && part->segment && zone_excludes(&part->segment->whole, search->filter);
}

bool search_key_excepted(const struct akin_index_query *query, uint64_t key)
{
    size_t low = 0, high = query->except_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (query->except[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < query->except_count && query->except[low] == key;
}

akin_status search_take_scratches(const struct search *search, struct scratch **scratches,
                                  size_t count, akin_error *err)
{
    for (size_t i = 1; i < count; i++) {
        scratches[i] = scratch_take(search->scratches, search->query->stages);
        if (!scratches[i])
            return akin_error_memory(err, sizeof **scratches, "search");
    }
    return AKIN_OK;
}

void search_give_scratches(const struct search *search, struct scratch **scratches, size_t count,
                           struct akin_index_work *work)
{
    for (size_t i = 1; scratches && i < count; i++) {
        if (scratches[i])
            scratch_add_work(work, &scratches[i]->work);
        scratch_give(search->scratches, scratches[i]);
    }
}

void search_join(struct scratch *const *scratches, size_t count, size_t lists,
                 const struct answers *answers)
{
    for (size_t list = 0; list < lists; list++) {
        struct akin_topk *into = scratch_list(scratches[0], list);
        for (size_t i = 1; i < count; i++) {
            struct akin_topk *from = scratch_list(scratches[i], list);
            size_t found = akin_topk_finish(from);
            for (size_t h = 0; h < found; h++)
                akin_topk_push(into, from->hits[h]);
        }
        answers->counts[list] = akin_topk_finish(into);
        memcpy(answers->hits + list * answers->stride, into->hits,
               answers->counts[list] * sizeof *into->hits);
    }
}

/* The sum of squares is finite where all values are, but for values above 1e19. */
static bool vector_finite(const float *vector, size_t dim)
{
    if (isfinite(akin_kernels()->dot(vector, vector, dim)))
        return true;
    for (size_t i = 0; i < dim; i++)
        if (!isfinite(vector[i]))
            return false;
    return true;
}

static akin_status check_query(const struct akin_index_query *query, size_t dim, akin_error *err)
{
    if (query->count < 1 || query->count > QUERIES_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "%zu query vectors: 1..%d", query->count,
                              QUERIES_MAX);
    if (query->k < 1 || query->k > K_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID, "k = %zu: 1..%d", query->k, K_MAX);
    if (isnan(query->threshold))
        return akin_error_set(err, AKIN_ERR_INVALID, "the threshold is not a number");
    if (!(query->recall >= 0 && query->recall <= 1))
        return akin_error_set(err, AKIN_ERR_INVALID, "recall %g is not in 0..1", query->recall);
    for (size_t i = 0; i < query->count; i++)
        if (!vector_finite(query->vectors + i * dim, dim))
            return akin_error_set(err, AKIN_ERR_INVALID, "query vector %zu holds NaN or infinity",
                                  i);
    return AKIN_OK;
}

/* The present turn by the planned way. */
static akin_status go(const struct search *search, struct scratch *scratch,
                      const struct answers *answers, struct akin_index_work *work, akin_error *err)
{
    switch (search->route.way) {
    case AKIN_WAY_EXACT:
        return exact_search(search, scratch, answers, work, err);
    case AKIN_WAY_FILTERED:
        return filtered_search(search, scratch, answers, work, err);
    default:
        return coded_search(search, scratch, answers, work, err);
    }
}

/* As many lists at a time as their buffers may take memory. */
static akin_status take_turns(struct search *search, struct scratch *scratch,
                              const struct answers *answers, struct akin_index_work *work,
                              akin_error *err)
{
    const struct akin_index_query *query = search->query;
    size_t lists = query->best_of ? 1 : query->count;
    size_t list_bytes = 2 * search->k * sizeof(struct akin_hit) * akin_pool_threads(search->pool);
    size_t turn = HITS_BYTES_MAX / list_bytes ? HITS_BYTES_MAX / list_bytes : 1;
    akin_status status = AKIN_OK;
    for (size_t first = 0; !status && first < lists; first += turn) {
        size_t left = lists - first, now = left < turn ? left : turn;
        struct answers part = {answers->hits + first * answers->stride, answers->stride,
                               answers->counts + first};
        search->vectors = query->vectors + first * search->dim;
        search->vector_count = query->best_of ? query->count : now;
        status = go(search, scratch, &part, work, err);
    }
    return status;
}

/* Plans for search->k answers and finds them. */
static akin_status find(struct search *search, struct scratch *scratch,
                        const struct answers *answers, struct akin_index_work *work,
                        akin_error *err)
{
    route_make(search);
    work->way = search->route.way;
    work->matches_estimated = search->route.matches;
    scratch_stage(scratch, AKIN_STAGE_PLAN);
    return take_turns(search, scratch, answers, work, err);
}

/* Whether a list is as long as it may be and may not have come to the threshold. */
static bool any_full(const struct search *search, const size_t *counts)
{
    size_t lists = search->query->best_of ? 1 : search->query->count;
    for (size_t i = 0; i < lists; i++)
        if (counts[i] >= search->k)
            return true;
    return false;
}

/*
 * Everything above a threshold: how much that is, and so how far to look, is not known before. A search for the
 * best hundred that finds fewer has found as good a share of them as of any hundred; else more
 * are looked for.
 */
static akin_status find_above(struct search *search, struct scratch *scratch,
                              const struct answers *answers, struct akin_index_work *work,
                              akin_error *err)
{
    size_t most = search->k;
    akin_status status = AKIN_OK;
    for (size_t k = ABOVE_FIRST; !status; k *= ABOVE_GROWTH) {
        search->k = k < most ? k : most;
        status = find(search, scratch, answers, work, err);
        if (search->k == most || !any_full(search, answers->counts))
            break;
    }
    return status;
}

static void count_parts(struct akin_index_work *work, const struct search *search)
{
    work->segments = search->view->stats.segments;
    for (size_t p = 0; p < search->view->part_count; p++)
        work->segments_skipped += search_excludes(search, &search->view->parts[p]);
    for (size_t i = 0; i < search->epoch_count; i++)
        work->lists += search->epochs[i].epoch->lists_used;
}

akin_status search_view(const struct view *view, akin_pool *pool, struct scratch_pool *scratches,
                        const struct akin_index_query *query, struct akin_hit *hits, size_t *counts,
                        struct akin_index_work *work, akin_error *err)
{
    struct akin_index_work done = {0};
    size_t rows = (size_t)view->stats.rows;
    struct search search = {.view = view,
                            .query = query,
                            .dim = view->stats.dim,
                            .k = query->k < rows ? query->k
                                 : rows          ? rows
                                                 : 1,
                            .threshold = query->threshold,
                            .best_of = query->best_of && query->count > 1,
                            .pool = pool,
                            .scratches = scratches};
    search.filter = filter_is_open(query->filter) ? NULL : query->filter;
    if (search.filter)
        search.quality = matching_bounds(search.filter);
    struct scratch *scratch = NULL;
    akin_status status = check_query(query, search.dim, err);
    if (status)
        goto out;
    scratch = scratch_take(search.scratches, query->stages);
    if (!scratch) {
        status = akin_error_memory(err, sizeof *scratch, "search");
        goto out;
    }
    status = route_parts(&search, scratch, err);
    if (status)
        goto out;
    struct answers answers = {hits, query->k, counts};
    status = (search.threshold > -INFINITY && search.coded_count ? find_above : find)(
        &search, scratch, &answers, &done, err);
    if (!status && work) {
        count_parts(&done, &search);
        scratch_add_work(&done, &scratch->work);
        *work = done;
    }
out:
    scratch_give(search.scratches, scratch);
    return status;
}

akin_status akin_index_search(const akin_index *index, const struct akin_index_query *query,
                              struct akin_hit *hits, size_t *counts, struct akin_index_work *work,
                              akin_error *err)
{
    struct view *view = handle_view(index);
    akin_status status =
        search_view(view, index->pool, &index->shared->scratches, query, hits, counts, work, err);
    view_unref(view);
    return status;
}
