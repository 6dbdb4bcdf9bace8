/*
 * Probing: the lists nearest to a vector are scanned by their codes (RaBitQ's estimator, see code.h), and the rows
 * with the best estimates become candidates.
 *
 * Lists are taken nearest first, so that the threshold rises soon and few rows survive the rest. While a
 * list is scanned the head of the next is on its way from memory.
 *
 * Dead rows are masked out before the scan: after it they would take candidates' places. Of a filter, what
 * blocks' zones and packed qualities say is in the mask where few rows match; the rest is asked of the
 * survivors, since asking a row costs ten times what its code does.
 *
 * A filter may go with the vectors (a place has its own kind of tiles), so that the lists nearest to a vector hold fewer
 * matching rows than others do; then more lists are looked into, until as many rows that match were scanned as a
 * filter at random would have given.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "matching.h"
#include "search.h"

#define ELSEWHERE 0.5 /* of the share that matches everywhere */
#define FETCH_BYTES                                                                                \
    1152 /* of a list that comes next: a block of 256 bits; the CPU sees the rest coming */

bool probe_find_span(struct probe_span *out, const struct coded_part *coded, uint32_t list)
{
    const struct segment *segment = coded->part->segment;
    const struct segment_lists *lists = &segment->coded;
    if (list >= lists->count)
        return false;
    /* A damaged file may say anything. */
    struct list_entry from = lists->lists[list], to = lists->lists[list + 1];
    if (to.row <= from.row || to.row > segment->rows)
        return false;
    size_t rows = to.row - from.row, blocks = (rows + AKIN_CODE_ROWS - 1) / AKIN_CODE_ROWS;
    if (from.block > lists->block_count || blocks > lists->block_count - from.block)
        return false;
    *out = (struct probe_span){coded,
                               lists->blocks + (size_t)from.block * lists->epoch->shape.block_bytes,
                               rows, from.row};
    return true;
}

void probe_fetch_head(const struct probe_span *span)
{
    for (size_t at = 0; at < FETCH_BYTES; at += 64)
        __builtin_prefetch(span->blocks + at, 0, 2);
}

/* ---- masks ---- */

/* Bits of 32 rows from `row` on. */
static uint32_t dead_bits(const struct bitmap *dead, size_t row)
{
    size_t word = row / 64, words = (dead->bits + 63) / 64;
    unsigned shift = row % 64;
    if (word >= words)
        return 0;
    uint64_t bits = dead->words[word] >> shift;
    if (shift > 32 && word + 1 < words)
        bits |= dead->words[word + 1] << (64 - shift);
    return (uint32_t)bits;
}

static uint32_t filter_bits(const struct search *search, const struct segment *segment,
                            size_t block, size_t row, size_t rows)
{
    if (zone_excludes(&segment->coded.block_zones[block], search->filter))
        return 0;
    if (!segment->runs.quality)
        return UINT32_MAX;
    return matching_qualities(&search->quality, segment->runs.quality + row,
                              rows < AKIN_CODE_ROWS ? rows : AKIN_CODE_ROWS);
}

/* One u32 for each block of rows [at, at + rows) of a span; NULL where all rows are in question. */
static const uint32_t *make_masks(const struct search *search, struct scratch *scratch,
                                  const struct probe_span *span, size_t at, size_t rows)
{
    const struct part *part = span->coded->part;
    const struct segment_lists *lists = &part->segment->coded;
    const struct bitmap *dead = part->dead && part->dead->count ? part->dead : NULL;
    bool filtered = search->route.way == AKIN_WAY_MASKED;
    uint32_t *masks = scratch->masks.data;
    if (!dead && !filtered)
        return NULL;
    size_t block = (size_t)(span->blocks - lists->blocks) / lists->epoch->shape.block_bytes;
    for (size_t r = 0; r < rows; r += AKIN_CODE_ROWS, masks++) {
        size_t row = span->first_row + at + r;
        *masks = dead ? ~dead_bits(dead, row) : UINT32_MAX;
        if (filtered && *masks)
            *masks &= filter_bits(search, part->segment, block + (at + r) / AKIN_CODE_ROWS, row,
                                  rows - r);
    }
    return scratch->masks.data;
}

/* ---- survivors ---- */

/* Leaves those that match the filter; returns how many. */
static size_t keep_matching(const struct search *search, struct scratch *scratch,
                            const struct coded_part *coded, struct akin_candidate *items,
                            size_t count)
{
    const struct akin_columns *columns = coded->part->segment->columns;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const char *column = (const char *)&columns[items[i].row - coded->base];
        __builtin_prefetch(column);
        __builtin_prefetch(column + 64);
    }
    for (size_t i = 0; i < count; i++)
        if (akin_filter_matches(search->filter, &columns[items[i].row - coded->base]))
            items[kept++] = items[i];
    scratch->work.bytes_read += count * sizeof *columns;
    scratch->work.rows_filtered += count - kept;
    return kept;
}

/* Asks the first row of each block, to know how many of those scanned match: whoever does not survive is not asked. */
static void count_matching(const struct search *search, struct candidates *candidates,
                           const struct probe_span *span)
{
    const struct akin_columns *columns = span->coded->part->segment->columns + span->first_row;
    for (size_t r = 0; r < span->rows; r += AKIN_CODE_ROWS) {
        candidates->asked++;
        candidates->yes += akin_filter_matches(search->filter, &columns[r]);
    }
    candidates->scanned += span->rows;
}

void probe_scan_span(const struct search *search, struct scratch *scratch,
                     struct candidates *candidates, struct akin_code_scan *scan,
                     const struct probe_span *span, float base)
{
    const struct akin_kernels *kernels = akin_kernels();
    size_t block_bytes = span->coded->part->segment->coded.epoch->shape.block_bytes;
    for (size_t at = 0; at < span->rows; at += PROBE_STEP_ROWS) {
        size_t left = span->rows - at, rows = left < PROBE_STEP_ROWS ? left : PROBE_STEP_ROWS;
        struct akin_candidate *out = candidates->items + candidates->count;
        scan->threshold = candidates->threshold;
        size_t found =
            kernels->scan_codes(out, scan, span->blocks + at / AKIN_CODE_ROWS * block_bytes, rows,
                                span->coded->base + span->first_row + (uint32_t)at, base,
                                make_masks(search, scratch, span, at, rows));
        if (search->filter)
            found = keep_matching(search, scratch, span->coded, out, found);
        candidates->count += found;
        if (candidates->count > candidates_full(candidates->wanted))
            candidates_compact(candidates);
    }
    if (search->filter)
        count_matching(search, candidates, span);
    scratch->work.codes_scanned += span->rows;
    scratch->work.bytes_read += (span->rows + AKIN_CODE_ROWS - 1) / AKIN_CODE_ROWS * block_bytes;
}

/* ---- one vector ---- */

/* Scans the lists of query->probes[0..count) in all parts of the epoch. */
static void scan_lists(const struct search *search, struct scratch *scratch,
                       const struct coded_epoch *epoch, struct epoch_query *query, size_t count)
{
    const struct coded_part *parts = search->coded + epoch->first;
    struct probe_span span;
    for (size_t i = 0; i < count; i++) {
        for (size_t p = 0; i + 1 < count && p < epoch->count; p++)
            if (probe_find_span(&span, &parts[p], query->probes[i + 1].list))
                probe_fetch_head(&span);
        for (size_t p = 0; p < epoch->count; p++)
            if (probe_find_span(&span, &parts[p], query->probes[i].list))
                probe_scan_span(search, scratch, &scratch->candidates, &query->scan, &span,
                                query->probes[i].base);
    }
    scratch->work.lists_probed += count;
}

static akin_status probe_epoch(const struct search *search, struct scratch *scratch,
                               const struct coded_epoch *epoch, const float *vector, size_t probes,
                               akin_error *err)
{
    akin_status status = scratch_need_query(scratch, epoch->epoch, err);
    if (status)
        return status;
    struct epoch_query *query = &scratch->slots[0].query;
    epoch_query_set(epoch->epoch, query, vector);
    scratch_stage(scratch, AKIN_STAGE_TABLE);
    size_t count = epoch_probe(epoch->epoch, query, probes, 0);
    scratch_stage(scratch, AKIN_STAGE_COARSE);
    scan_lists(search, scratch, epoch, query, count);
    scratch_stage(scratch, AKIN_STAGE_SCAN);
    return AKIN_OK;
}

/* The share of the scanned rows that match the filter. */
static double matching_share(const struct candidates *candidates)
{
    return candidates->asked ? (double)candidates->yes / (double)candidates->asked : 0;
}

bool probe_found_too_few(const struct search *search, const struct candidates *candidates)
{
    if (!search->filter)
        return candidates->count < search->k;
    return candidates->count < search->route.rerank ||
           (double)candidates->scanned * matching_share(candidates) < search->route.scan_matching;
}

/* How many lists are looked into next, after too few were found in `probes`. Where the filter leaves out just
 * the vector's own neighbourhood, its nearest rows are far away and in no list more than in others. */
static size_t more_probes(const struct search *search, const struct candidates *candidates,
                          size_t probes, size_t lists)
{
    bool elsewhere = search->filter && search->route.scan_matching > 0 &&
                     matching_share(candidates) < ELSEWHERE * search->route.share;
    probes *= elsewhere ? 24 : 3;
    return probes < lists ? probes : lists;
}

akin_status probe_need(const struct search *search, struct scratch *scratch, akin_error *err)
{
    akin_status status =
        growing_need(&scratch->items, probe_room(search), sizeof(struct akin_candidate), err);
    return status ? status
                  : growing_need(&scratch->masks, PROBE_STEP_ROWS / AKIN_CODE_ROWS,
                                 sizeof(uint32_t), err);
}

akin_status probe_vector(const struct search *search, struct scratch *scratch, const float *vector,
                         akin_error *err)
{
    size_t lists = 1, probes = search->route.probes;
    for (size_t e = 0; e < search->epoch_count; e++)
        if (search->epochs[e].epoch->lists_used > lists)
            lists = search->epochs[e].epoch->lists_used;
    akin_status status =
        growing_need(&scratch->items, probe_room(search), sizeof(struct akin_candidate), err);
    if (!status)
        status =
            growing_need(&scratch->masks, PROBE_STEP_ROWS / AKIN_CODE_ROWS, sizeof(uint32_t), err);
    for (bool again = true; again && !status;) {
        candidates_init(&scratch->candidates, scratch->items.data, search->route.rerank, -INFINITY);
        for (size_t e = 0; !status && e < search->epoch_count; e++)
            if (search->epochs[e].count)
                status = probe_epoch(search, scratch, &search->epochs[e], vector, probes, err);
        again = probes < lists && probe_found_too_few(search, &scratch->candidates);
        probes = more_probes(search, &scratch->candidates, probes, lists);
    }
    return status;
}
