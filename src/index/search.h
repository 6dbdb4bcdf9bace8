/*
 * Private to index: one search, and the ways it can go.
 *
 *     search.c    checks, chooses, shares out over threads, joins
 *     route.c      the choice: estimates what matches and what each way costs
 *     exact.c     every row that zones and filter leave, block by block
 *     filtered.c  the rows that match, found by sorted runs (matching.c)
 *     probe.c     codes of the nearest lists (batch.c: of many queries), then rerank.c
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_SEARCH_H
#define INDEX_SEARCH_H

#include "matching.h"
#include "scratch.h"
#include "segment.h"
#include "view.h"

/* A part whose codes are searched. Candidates count rows through all of these: this one's begin at `base`. */
struct coded_part {
    const struct part *part;
    uint32_t base;
};
struct coded_epoch {
    const struct epoch *epoch;
    size_t first, count; /* of coded parts, which are sorted by epoch */
};

/* How a search is to go. */
struct route {
    enum akin_index_way way;
    size_t probes, rerank; /* of codes */
    double share;          /* of rows that match */
    double scan_matching;  /* rows that match the filter and should be scanned by code */
    double matches;        /* estimated rows that match */
    uint64_t coded_rows;
};

/* One call of akin_index_search. Read by all its threads. */
struct search {
    const struct view *view;
    const struct akin_index_query *query;
    const struct akin_filter *filter; /* NULL where everything matches */
    struct quality_bounds quality;    /* of the filter */
    size_t dim, k;                    /* k: at most the view's rows */
    float threshold;
    bool best_of; /* of several vectors */
    akin_pool *pool;
    struct scratch_pool *scratches;
    const float *vectors; /* of this turn, */
    size_t vector_count;
    struct route route;
    /* Borrowed from the first scratch. */
    struct coded_epoch *epochs;
    struct coded_part *coded;
    size_t epoch_count, coded_count;
    bool *is_coded; /* by the view's parts */
};

/* Where hits go: hits + list * stride and counts[list]. */
struct answers {
    struct akin_hit *hits;
    size_t stride;
    size_t *counts;
};

/* akin_index_search in a view. */
akin_status search_view(const struct view *view, akin_pool *pool, struct scratch_pool *scratches,
                        const struct akin_index_query *query, struct akin_hit *hits, size_t *counts,
                        struct akin_index_work *work, akin_error *err);

/* Whether the filter leaves nothing of a segment, by its zone. */
bool search_excludes(const struct search *search, const struct part *part);
bool search_key_excepted(const struct akin_index_query *query, uint64_t key);
/* Scratches of all the pool's threads; scratches[0] is the caller's already. */
akin_status search_take_scratches(const struct search *search, struct scratch **scratches,
                                  size_t count, akin_error *err);
void search_give_scratches(const struct search *search, struct scratch **scratches, size_t count,
                           struct akin_index_work *work);
/* Joins what `count` scratches found for each of `lists` lists into answers. */
void search_join(struct scratch *const *scratches, size_t count, size_t lists,
                 const struct answers *answers);

/* ---- route.c ---- */

/* Which parts have codes that may be searched. Memory is the scratch's. */
akin_status route_parts(struct search *search, struct scratch *scratch, akin_error *err);
void route_make(struct search *search);

/* ---- exact.c ---- */

/* Scores all rows of all parts, shared out over the pool. */
akin_status exact_search(const struct search *search, struct scratch *first,
                         const struct answers *answers, struct akin_index_work *work,
                         akin_error *err);
/* What one thread needs for exact_part, beside lists. */
akin_status exact_need(const struct search *search, struct scratch *scratch, akin_error *err);
/* One part's rows, offered to the scratch's lists. */
void exact_part(const struct search *search, struct scratch *scratch, const struct part *part);
/* For vectors [first, first + count) alone, each offered to a list of its own, lists 0.., whatever best_of says. */
void exact_part_each(const struct search *search, struct scratch *scratch, const struct part *part,
                     size_t first, size_t count);

/* ---- filtered.c ---- */

akin_status filtered_search(const struct search *search, struct scratch *first,
                            const struct answers *answers, struct akin_index_work *work,
                            akin_error *err);

/* ---- coded.c, probe.c, batch.c, rerank.c ---- */

/* By codes, and what has none exactly. */
akin_status coded_search(const struct search *search, struct scratch *first,
                         const struct answers *answers, struct akin_index_work *work,
                         akin_error *err);

/* The best candidates for one vector, in scratch->candidates. */
akin_status probe_vector(const struct search *search, struct scratch *scratch, const float *vector,
                         akin_error *err);
/* Whether more lists should be looked into: a filter or deletions left too little of those. */
bool probe_found_too_few(const struct search *search, const struct candidates *candidates);
/* What scanning needs in a scratch. */
akin_status probe_need(const struct search *search, struct scratch *scratch, akin_error *err);
/* Rows of a list that are scanned in one go, and the room that a buffer of candidates needs for that, and for
 * a copy when it is reranked. */
#define PROBE_STEP_ROWS 512
static inline size_t probe_room(const struct search *search)
{
    return 2 * candidates_full(search->route.rerank) + PROBE_STEP_ROWS;
}
/* Rows of one list that one vector has still to look at: those of one coded part. */
struct probe_span {
    const struct coded_part *coded;
    const uint8_t *blocks;
    size_t rows;
    uint32_t first_row; /* in the part */
};
/* False where the list has no rows there. */
bool probe_find_span(struct probe_span *out, const struct coded_part *coded, uint32_t list);
/* Scans them for one vector. */
void probe_scan_span(const struct search *search, struct scratch *scratch,
                     struct candidates *candidates, struct akin_code_scan *scan,
                     const struct probe_span *span, float base);
void probe_fetch_head(const struct probe_span *span);

/* What rerank needs in a scratch. */
akin_status rerank_need(const struct search *search, struct scratch *scratch, akin_error *err);
/* The three steps, each of which fetches what the next one reads: choose the candidates with the best estimates;
 * score them by int8, unless they are few; score those in doubt by f16 and offer them to a list. */
void rerank_select(const struct search *search, struct candidates *candidates);
void rerank_by_codes(const struct search *search, struct scratch *scratch,
                     struct candidates *candidates, const float *vector);
void rerank_by_vectors(const struct search *search, struct scratch *scratch,
                       struct candidates *candidates, const float *vector, struct akin_topk *list);

/* ---- batch.c ---- */

/* Answers vectors [first, first + count) by codes, their hits into the scratch's lists. */
akin_status batch_search(const struct search *search, struct scratch *scratch, size_t first,
                         size_t count, akin_error *err);
/* Vectors that it should be given at a time. */
size_t batch_size(const struct search *search);

#endif
