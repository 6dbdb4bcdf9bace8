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
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "handle.h"

#define QUERIES_MAX 4096
#define K_MAX 100000
#define QUERY_GROUP 64              /* vectors scored at a time: their scores stay in the cache */
#define HITS_BYTES_MAX (256u << 20) /* of all threads' hit buffers; above, the lists take turns */
#define SAMPLE_STEP 32
#define SAMPLE_FEW 4 /* a block with fewer than 1 in 4 matching is asked first */

/* One thread's scratch; its lists' buffers lie behind each other in `hits`. */
struct worker {
    struct akin_hit *hits; /* (lists, 2 * k) */
    struct akin_topk *lists;
    float *scores;  /* (QUERY_GROUP, BLOCK_ROWS) */
    float *best;    /* BLOCK_ROWS, for best_of */
    uint8_t *match; /* BLOCK_ROWS: MATCH_* */
    struct akin_index_work work;
};
enum { MATCH_UNKNOWN, MATCH_YES, MATCH_NO };

struct scan {
    const struct view *view;
    const struct akin_index_query *query;
    const struct akin_filter *filter; /* NULL where everything matches */
    const float *vectors;             /* of this turn */
    size_t vector_count, lists, k;
    size_t *first_block; /* of each part, in one numbering; part_count + 1 */
    bool *skipped;       /* parts that their zone excludes */
    struct worker *workers;
    size_t worker_count;
};

static bool key_excepted(const struct akin_index_query *query, uint64_t key)
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

static bool row_matches(const struct scan *scan, struct worker *worker, const struct block *block,
                        size_t r)
{
    if (worker->match[r] == MATCH_UNKNOWN) {
        worker->match[r] =
            akin_filter_matches(scan->filter, &block->columns[r]) ? MATCH_YES : MATCH_NO;
        worker->work.bytes_read += sizeof *block->columns;
    }
    return worker->match[r] == MATCH_YES;
}

/* Whether a row whose score is good enough may be in the answer. */
static bool row_counts(const struct scan *scan, struct worker *worker, const struct part *part,
                       const struct block *block, size_t r)
{
    return !bitmap_test(part->dead, block->first + r) &&
           (!scan->filter || row_matches(scan, worker, block, r)) &&
           (!scan->query->except_count || !key_excepted(scan->query, block->columns[r].key));
}

/* Offers rows [begin, end) of a block to one list. */
static void offer(const struct scan *scan, struct worker *worker, struct akin_topk *list,
                  const struct part *part, const struct block *block, const float *scores,
                  size_t begin, size_t end)
{
    float bar = fmaxf(scan->query->threshold, list->threshold);
    for (size_t r = begin; r < end; r++) {
        if (!(scores[r] >= bar) || !row_counts(scan, worker, part, block, r))
            continue;
        akin_topk_push(list, (struct akin_hit){.key = block->columns[r].key, .score = scores[r]});
        bar = fmaxf(scan->query->threshold, list->threshold);
    }
}

/* Scores rows [begin, end) against all vectors and offers them. */
static void scan_rows(const struct scan *scan, struct worker *worker, const struct part *part,
                      const struct block *block, size_t begin, size_t end)
{
    const struct akin_kernels *kernels = akin_kernels();
    size_t dim = scan->view->stats.dim, rows = end - begin;
    const akin_f16 *vectors = block->vectors + begin * dim;
    bool best_of = scan->query->best_of && scan->vector_count > 1;
    for (size_t q = 0; q < scan->vector_count; q += QUERY_GROUP) {
        size_t left = scan->vector_count - q, group = left < QUERY_GROUP ? left : QUERY_GROUP;
        kernels->dots_f16_block(worker->scores + begin, BLOCK_ROWS, scan->vectors + q * dim, group,
                                vectors, rows, dim);
        for (size_t g = 0; g < group; g++) {
            const float *scores = worker->scores + g * BLOCK_ROWS;
            if (!best_of) {
                offer(scan, worker, &worker->lists[q + g], part, block, scores, begin, end);
                continue;
            }
            for (size_t r = begin; r < end; r++) /* NaN loses against any number */
                worker->best[r] = q + g == 0 ? scores[r] : fmaxf(worker->best[r], scores[r]);
        }
    }
    if (best_of)
        offer(scan, worker, worker->lists, part, block, worker->best, begin, end);
    worker->work.rows_scanned += rows;
    worker->work.bytes_read += rows * dim * sizeof *vectors;
}

static bool few_match(const struct scan *scan, struct worker *worker, const struct block *block)
{
    size_t asked = 0, yes = 0;
    for (size_t r = 0; r < block->count; r += SAMPLE_STEP, asked++)
        yes += row_matches(scan, worker, block, r);
    return yes * SAMPLE_FEW < asked;
}

/* Asks every row, then scores the runs of those that match. */
static void scan_matching(const struct scan *scan, struct worker *worker, const struct part *part,
                          const struct block *block)
{
    for (size_t r = 0, end; r < block->count; r = end) {
        bool yes = row_matches(scan, worker, block, r);
        for (end = r + 1; end < block->count; end++)
            if (row_matches(scan, worker, block, end) != yes)
                break;
        if (yes)
            scan_rows(scan, worker, part, block, r, end);
        else
            worker->work.rows_filtered += end - r;
    }
}

static void scan_block(const struct scan *scan, struct worker *worker, const struct part *part,
                       size_t index)
{
    struct block block;
    part_block(&block, part, index);
    if (scan->filter) {
        if (block.zone && zone_excludes(block.zone, scan->filter)) {
            worker->work.rows_filtered += block.count;
            return;
        }
        memset(worker->match, MATCH_UNKNOWN, block.count);
        if (few_match(scan, worker, &block)) {
            scan_matching(scan, worker, part, &block);
            return;
        }
    }
    scan_rows(scan, worker, part, &block, 0, block.count);
}

/* The body of the parallel loop: blocks [begin, end) of all parts. */
static void scan_blocks(void *user, size_t begin, size_t end, unsigned thread)
{
    const struct scan *scan = user;
    struct worker *worker = &scan->workers[thread];
    size_t p = 0;
    for (size_t b = begin; b < end; b++) {
        while (b >= scan->first_block[p + 1])
            p++;
        const struct part *part = &scan->view->parts[p];
        if (scan->skipped[p])
            worker->work.rows_filtered +=
                b == scan->first_block[p] ? part->rows : 0; /* all at once, by its first block */
        else
            scan_block(scan, worker, part, b - scan->first_block[p]);
    }
}

/* ---- set-up ---- */

static void free_workers(struct scan *scan)
{
    for (size_t i = 0; scan->workers && i < scan->worker_count; i++) {
        akin_free(scan->workers[i].hits);
        akin_free(scan->workers[i].lists);
        akin_free(scan->workers[i].scores);
        akin_free(scan->workers[i].best);
        akin_free(scan->workers[i].match);
    }
    akin_free(scan->workers);
    akin_free(scan->first_block);
    akin_free(scan->skipped);
}

static akin_status make_worker(struct worker *worker, size_t lists, size_t k, size_t group,
                               akin_error *err)
{
    worker->hits = akin_alloc(lists, 2 * k * sizeof *worker->hits);
    worker->lists = akin_alloc(lists, sizeof *worker->lists);
    worker->scores = akin_alloc(group, BLOCK_ROWS * sizeof *worker->scores);
    worker->best = akin_alloc(BLOCK_ROWS, sizeof *worker->best);
    worker->match = akin_alloc(BLOCK_ROWS, 1);
    if (worker->hits && worker->lists && worker->scores && worker->best && worker->match)
        return AKIN_OK;
    return akin_error_memory(err, lists * 2 * k * sizeof *worker->hits, "search");
}

static void number_blocks(struct scan *scan, struct akin_index_work *work)
{
    const struct view *view = scan->view;
    scan->first_block[0] = 0;
    for (size_t i = 0; i < view->part_count; i++) {
        const struct part *part = &view->parts[i];
        scan->first_block[i + 1] = scan->first_block[i] + part_blocks(part);
        scan->skipped[i] =
            scan->filter && part->segment && zone_excludes(&part->segment->whole, scan->filter);
        work->segments += part->segment != NULL;
        work->segments_skipped += scan->skipped[i];
    }
}

static akin_status scan_init(struct scan *scan, akin_pool *pool, size_t lists,
                             struct akin_index_work *work, akin_error *err)
{
    size_t parts = scan->view->part_count;
    scan->worker_count = akin_pool_threads(pool);
    scan->workers = akin_alloc_zero(scan->worker_count, sizeof *scan->workers);
    scan->first_block = akin_alloc(parts + 1, sizeof *scan->first_block);
    scan->skipped = akin_alloc_zero(parts, sizeof *scan->skipped);
    if (!scan->workers || !scan->first_block || !scan->skipped)
        return akin_error_memory(err, parts * sizeof *scan->first_block, "search");
    size_t vectors = scan->query->count, group = vectors < QUERY_GROUP ? vectors : QUERY_GROUP;
    for (size_t i = 0; i < scan->worker_count; i++) {
        akin_status status = make_worker(&scan->workers[i], lists, scan->k, group, err);
        if (status)
            return status;
    }
    number_blocks(scan, work);
    return AKIN_OK;
}

/* One pass over the rows for lists [first, first + lists). */
static void scan_pass(struct scan *scan, akin_pool *pool, struct akin_hit *hits, size_t *counts)
{
    for (size_t i = 0; i < scan->worker_count; i++)
        for (size_t list = 0; list < scan->lists; list++)
            akin_topk_init(&scan->workers[i].lists[list],
                           scan->workers[i].hits + list * 2 * scan->k, scan->k);
    akin_pool_for(pool, scan->first_block[scan->view->part_count], 0, scan_blocks, scan);
    for (size_t list = 0; list < scan->lists; list++) {
        struct akin_topk *into = &scan->workers[0].lists[list];
        for (size_t i = 1; i < scan->worker_count; i++) {
            struct akin_topk *from = &scan->workers[i].lists[list];
            size_t count = akin_topk_finish(from);
            for (size_t h = 0; h < count; h++)
                akin_topk_push(into, from->hits[h]);
        }
        counts[list] = akin_topk_finish(into);
        memcpy(hits + list * scan->query->k, into->hits, counts[list] * sizeof *hits);
    }
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
    for (size_t i = 0; i < query->count * dim; i++)
        if (!isfinite(query->vectors[i]))
            return akin_error_set(err, AKIN_ERR_INVALID, "query vector %zu holds NaN or infinity",
                                  i / dim);
    return AKIN_OK;
}

static void add_work(struct akin_index_work *out, const struct scan *scan)
{
    for (size_t i = 0; i < scan->worker_count; i++) {
        const struct akin_index_work *work = &scan->workers[i].work;
        out->rows_scanned += work->rows_scanned;
        out->rows_filtered += work->rows_filtered;
        out->bytes_read += work->bytes_read;
    }
}

akin_status akin_index_search(const akin_index *index, const struct akin_index_query *query,
                              struct akin_hit *hits, size_t *counts, struct akin_index_work *work,
                              akin_error *err)
{
    struct akin_index_work done = {0};
    struct view *view = handle_view(index);
    struct scan scan = {.view = view, .query = query};
    size_t dim = view->stats.dim, rows = (size_t)view->stats.rows;
    akin_status status = check_query(query, dim, err);
    if (status)
        goto out;
    size_t lists = query->best_of ? 1 : query->count;
    scan.filter = filter_is_open(query->filter) ? NULL : query->filter;
    scan.k = query->k < rows ? query->k : rows ? rows : 1;
    /* As many lists at a time as their buffers may take memory. */
    size_t list_bytes = 2 * scan.k * sizeof *hits * akin_pool_threads(index->pool);
    size_t turn = HITS_BYTES_MAX / list_bytes ? HITS_BYTES_MAX / list_bytes : 1;
    turn = turn < lists ? turn : lists;
    status = scan_init(&scan, index->pool, turn, &done, err);
    for (size_t first = 0; !status && first < lists; first += turn) {
        scan.lists = lists - first < turn ? lists - first : turn;
        scan.vectors = query->vectors + first * dim;
        scan.vector_count = query->best_of ? query->count : scan.lists;
        scan_pass(&scan, index->pool, hits + first * query->k, counts + first);
    }
    if (!status && work) {
        add_work(&done, &scan);
        *work = done;
    }
out:
    free_workers(&scan);
    view_unref(view);
    return status;
}
