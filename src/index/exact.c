/*
 * Exact search: every row that zones and filter leave is scored. The rows are taken block by block
 * (1024 rows), shared out over the pool's threads; each thread keeps its own best hits, which are
 * joined at the end. Ties go by key, so that the answer depends neither on the threads nor on where
 * a row lies.
 *
 * A filter is asked in one of two ways, decided anew for each block by asking 32 of its rows: where
 * most match, all rows are scored and only those that could enter the answer are asked; where few
 * match, all are asked first and only those that match are scored.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "score.h"
#include "search.h"

#define QUERY_GROUP 64 /* vectors scored at a time: their scores stay in the cache */
#define SAMPLE_STEP 32
#define SAMPLE_FEW 4 /* a block with fewer than 1 in 4 matching is asked first */

enum { MATCH_UNKNOWN, MATCH_YES, MATCH_NO };

/* Some vectors on their way over the rows of one part, with one thread's scratch. */
struct pass {
    const struct search *search;
    struct scratch *scratch;
    const struct part *part;
    const float *vectors; /* (count, dim) */
    size_t count;
    bool best_of;
    float *scores; /* (QUERY_GROUP, BLOCK_ROWS) */
    float *best;   /* (BLOCK_ROWS) */
    uint8_t *match;
};

akin_status exact_need(const struct search *search, struct scratch *scratch, akin_error *err)
{
    size_t group = search->vector_count < QUERY_GROUP ? search->vector_count : QUERY_GROUP;
    akin_status status = growing_need(&scratch->scores, group, BLOCK_ROWS * sizeof(float), err);
    if (!status)
        status = growing_need(&scratch->best, BLOCK_ROWS, sizeof(float), err);
    if (!status)
        status = growing_need(&scratch->match, BLOCK_ROWS, 1, err);
    if (!status)
        status = growing_need(&scratch->wide, search->dim, sizeof(float), err);
    return status;
}

static struct pass begin_pass(const struct search *search, struct scratch *scratch,
                              const struct part *part)
{
    return (struct pass){.search = search,
                         .scratch = scratch,
                         .part = part,
                         .vectors = search->vectors,
                         .count = search->vector_count,
                         .best_of = search->best_of,
                         .scores = scratch->scores.data,
                         .best = scratch->best.data,
                         .match = scratch->match.data};
}

static bool row_matches(const struct pass *pass, const struct block *block, size_t r)
{
    if (pass->match[r] == MATCH_UNKNOWN) {
        pass->match[r] =
            akin_filter_matches(pass->search->filter, &block->columns[r]) ? MATCH_YES : MATCH_NO;
        pass->scratch->work.bytes_read += sizeof *block->columns;
    }
    return pass->match[r] == MATCH_YES;
}

/* Whether a row whose score is good enough may be in the answer. */
static bool row_counts(const struct pass *pass, const struct block *block, size_t r)
{
    const struct akin_index_query *query = pass->search->query;
    return !bitmap_test(pass->part->dead, block->first + r) &&
           (!pass->search->filter || row_matches(pass, block, r)) &&
           (!query->except_count || !search_key_excepted(query, block->columns[r].key));
}

/* Offers rows [begin, end) of a block to one list. */
static void offer(const struct pass *pass, struct akin_topk *list, const struct block *block,
                  const float *scores, size_t begin, size_t end)
{
    float bar = fmaxf(pass->search->threshold, list->threshold);
    for (size_t r = begin; r < end; r++) {
        if (!(scores[r] >= bar) || !row_counts(pass, block, r))
            continue;
        akin_topk_push(list, (struct akin_hit){.key = block->columns[r].key, .score = scores[r]});
        bar = fmaxf(pass->search->threshold, list->threshold);
    }
}

/* Scores rows [begin, end) against all vectors and offers them. */
static void scan_rows(const struct pass *pass, const struct block *block, size_t begin, size_t end)
{
    size_t dim = pass->search->dim, rows = end - begin;
    const akin_f16 *vectors = block->vectors + begin * dim;
    for (size_t q = 0; q < pass->count; q += QUERY_GROUP) {
        size_t left = pass->count - q, group = left < QUERY_GROUP ? left : QUERY_GROUP;
        score_rows(pass->search->view->metric, pass->scores + begin, BLOCK_ROWS,
                   pass->vectors + q * dim, group, vectors, rows, dim, pass->scratch->wide.data);
        for (size_t g = 0; g < group; g++) {
            const float *scores = pass->scores + g * BLOCK_ROWS;
            if (!pass->best_of) {
                offer(pass, scratch_list(pass->scratch, q + g), block, scores, begin, end);
                continue;
            }
            for (size_t r = begin; r < end; r++) /* NaN loses against any number */
                pass->best[r] = q + g == 0 ? scores[r] : fmaxf(pass->best[r], scores[r]);
        }
    }
    if (pass->best_of)
        offer(pass, scratch_list(pass->scratch, 0), block, pass->best, begin, end);
    pass->scratch->work.rows_scanned += rows;
    pass->scratch->work.bytes_read += rows * dim * sizeof *vectors;
}

static bool few_match(const struct pass *pass, const struct block *block)
{
    size_t asked = 0, yes = 0;
    for (size_t r = 0; r < block->count; r += SAMPLE_STEP, asked++)
        yes += row_matches(pass, block, r);
    return yes * SAMPLE_FEW < asked;
}

/* Asks every row, then scores the runs of those that match. */
static void scan_matching(const struct pass *pass, const struct block *block)
{
    for (size_t r = 0, end; r < block->count; r = end) {
        bool yes = row_matches(pass, block, r);
        for (end = r + 1; end < block->count; end++)
            if (row_matches(pass, block, end) != yes)
                break;
        if (yes)
            scan_rows(pass, block, r, end);
        else
            pass->scratch->work.rows_filtered += end - r;
    }
}

static void scan_block(const struct pass *pass, size_t index)
{
    const struct akin_filter *filter = pass->search->filter;
    struct block block;
    part_block(&block, pass->part, index);
    if (filter) {
        if (block.zone && zone_excludes(block.zone, filter)) {
            pass->scratch->work.rows_filtered += block.count;
            return;
        }
        memset(pass->match, MATCH_UNKNOWN, block.count);
        if (few_match(pass, &block)) {
            scan_matching(pass, &block);
            return;
        }
    }
    scan_rows(pass, &block, 0, block.count);
}

/* Every block of one part. */
static void scan_part(const struct pass *pass)
{
    if (search_excludes(pass->search, pass->part)) {
        pass->scratch->work.rows_filtered += pass->part->rows;
        return;
    }
    for (size_t b = 0; b < part_blocks(pass->part); b++)
        scan_block(pass, b);
}

void exact_part(const struct search *search, struct scratch *scratch, const struct part *part)
{
    struct pass pass = begin_pass(search, scratch, part);
    scan_part(&pass);
}

void exact_part_each(const struct search *search, struct scratch *scratch, const struct part *part,
                     size_t first, size_t count)
{
    struct pass pass = begin_pass(search, scratch, part);
    pass.vectors = search->vectors + first * search->dim;
    pass.count = count;
    pass.best_of = false;
    scan_part(&pass);
}

/* ---- all parts ---- */

struct scan {
    const struct search *search;
    struct scratch **scratches;
    size_t *first_block; /* of each part, in one numbering; part_count + 1 */
    bool *skipped;       /* parts that their zone excludes */
};

/* The body of the parallel loop: blocks [begin, end) of all parts. */
static void scan_blocks(void *user, size_t begin, size_t end, unsigned thread)
{
    const struct scan *scan = user;
    struct scratch *scratch = scan->scratches[thread];
    size_t p = 0;
    for (size_t b = begin; b < end; b++) {
        while (b >= scan->first_block[p + 1])
            p++;
        const struct part *part = &scan->search->view->parts[p];
        struct pass pass = begin_pass(scan->search, scratch, part);
        if (scan->skipped[p])
            scratch->work.rows_filtered +=
                b == scan->first_block[p] ? part->rows : 0; /* all at once, by its first block */
        else
            scan_block(&pass, b - scan->first_block[p]);
    }
}

static void number_blocks(struct scan *scan)
{
    const struct view *view = scan->search->view;
    scan->first_block[0] = 0;
    for (size_t i = 0; i < view->part_count; i++) {
        const struct part *part = &view->parts[i];
        scan->first_block[i + 1] = scan->first_block[i] + part_blocks(part);
        scan->skipped[i] = search_excludes(scan->search, part);
    }
}

akin_status exact_search(const struct search *search, struct scratch *first,
                         const struct answers *answers, struct akin_index_work *work,
                         akin_error *err)
{
    size_t threads = akin_pool_threads(search->pool), parts = search->view->part_count;
    size_t lists = search->best_of ? 1 : search->vector_count;
    struct scan scan = {.search = search};
    akin_status status = AKIN_OK;
    scan.scratches = akin_alloc_zero(threads, sizeof *scan.scratches);
    scan.first_block = akin_alloc(parts + 1, sizeof *scan.first_block);
    scan.skipped = akin_alloc(parts, sizeof *scan.skipped);
    if (!scan.scratches || !scan.first_block || !scan.skipped) {
        status = akin_error_memory(err, parts * sizeof *scan.first_block, "search");
        goto out;
    }
    scan.scratches[0] = first;
    status = search_take_scratches(search, scan.scratches, threads, err);
    for (size_t i = 0; !status && i < threads; i++) {
        status = exact_need(search, scan.scratches[i], err);
        if (!status)
            status = scratch_need_lists(scan.scratches[i], lists, search->k, err);
    }
    if (status)
        goto out;
    number_blocks(&scan);
    akin_pool_for(search->pool, scan.first_block[parts], 0, scan_blocks, &scan);
    search_join(scan.scratches, threads, lists, answers);
out:
    search_give_scratches(search, scan.scratches, threads, work);
    akin_free(scan.scratches);
    akin_free(scan.first_block);
    akin_free(scan.skipped);
    return status;
}
