/*
 * Probing: the lists in which a query's neighbours are likely to be. Lists' centroids are found as rows
 * are: supers are scored exactly, their lists estimated by codes, the best of these scored exactly
 * again. Of 2,064 lists of 256 dimensions that reads 0.1 MB instead of 0.5; all of it stays in the
 * cache where rows come and go.
 *
 * A super that is far from the query may hold lists that are near: the lists of the best 24 of 40 supers
 * had 0.5 points of recall less than all, for a quarter of the time. So all supers are looked into
 * while that is cheap. Of 16 lists wanted, 44 scored exactly are enough: 64 found 0.1 points more.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "epoch.h"

#define EXACT_MORE 2   /* times the lists wanted are scored exactly, */
#define EXACT_LEAST 12 /* and so many */
#define HELD_AHEAD 8   /* supers whose lists come first, by which a threshold is found */
#define SORTED_SMALL 48

akin_status epoch_query_create(struct epoch_query *out, const struct epoch *epoch, akin_error *err)
{
    size_t wide = epoch->shape.wide, lists = epoch->lists.count, supers = epoch->supers.count;
    size_t table = (size_t)epoch->shape.nibbles * 16;
    size_t bytes = table + wide * (sizeof(float) + 1) + lists * sizeof(struct probe) +
                   (supers + lists + AKIN_CODE_ROWS) * sizeof(struct akin_candidate) +
                   supers * sizeof(int32_t);
    char *memory = akin_alloc_zero(bytes, 1);
    if (!memory)
        return akin_error_memory(err, bytes, "query");
    struct epoch_query query = {.memory = memory};
    query.table = (uint8_t *)memory;
    query.rotated = (float *)(void *)(memory + table);
    query.quantized = (int8_t *)(query.rotated + wide);
    query.dots = (int32_t *)(void *)(query.quantized + wide);
    query.supers = (struct akin_candidate *)(void *)(query.dots + supers);
    query.held = query.supers + supers;
    query.probes = (struct probe *)(void *)(query.held + lists + AKIN_CODE_ROWS);
    *out = query;
    return AKIN_OK;
}

void epoch_query_fini(struct epoch_query *query)
{
    akin_free(query->memory);
    memset(query, 0, sizeof *query);
}

void epoch_query_set(const struct epoch *epoch, struct epoch_query *query, const float *vector)
{
    uint32_t wide = epoch->shape.wide;
    rotation_apply(&epoch->rotation, query->rotated, vector);
    query->half = akin_kernels()->dot(query->rotated, query->rotated, wide) / 2;
    code_query_init(&epoch->shape, &query->scan, query->table, query->rotated);
    query->quantized_scale = akin_quantize_i8(query->quantized, query->rotated, wide);
}

/* What lists are ordered by: <m, q>, less |m|^2 / 2 but for the inner product. */
static float order_score(const struct epoch *epoch, float product, float half)
{
    return epoch->shape.metric == AKIN_METRIC_DOT ? product : product - half;
}

/* The supers to look into, the best ones first; returns how many. */
static size_t find_supers(const struct epoch *epoch, struct epoch_query *query, size_t wanted)
{
    const struct centroids *supers = &epoch->supers;
    akin_kernels()->dots_i8_tiles(query->dots, 0, query->quantized, 1, supers->tiles, supers->sums,
                                  supers->count / TILE, epoch->shape.wide / 4);
    for (uint32_t s = 0; s < epoch->supers_used; s++) {
        float product = (float)query->dots[s] * query->quantized_scale * supers->scales[s];
        query->supers[s] =
            (struct akin_candidate){order_score(epoch, product, supers->halves[s]), s};
    }
    float threshold;
    size_t count = epoch->supers_used;
    if (wanted < count)
        count = akin_kernels()->keep_best(query->supers, count, wanted, &threshold);
    if (count > HELD_AHEAD) { /* an order by halves is enough */
        struct akin_candidate best[EPOCH_LISTS_SEARCHED / AKIN_CODE_ROWS];
        if (count > sizeof best / sizeof *best)
            return count;
        memcpy(best, query->supers, count * sizeof *best);
        size_t ahead = akin_kernels()->keep_best(best, count, HELD_AHEAD, &threshold),
               behind = ahead;
        for (size_t i = 0; i < count; i++)
            if (query->supers[i].score < threshold)
                best[behind++] = query->supers[i];
        memcpy(query->supers, best, count * sizeof *best);
    }
    return count;
}

/* The `wanted` best lists of these supers by their codes. */
static size_t estimate_lists(const struct epoch *epoch, struct epoch_query *query, size_t supers,
                             size_t wanted)
{
    struct akin_code_scan scan = query->scan;
    size_t held = 0, block_bytes = epoch->list_shape.block_bytes;
    scan.threshold = -INFINITY;
    for (size_t i = 0; i < supers; i++) {
        uint32_t super = query->supers[i].row, first = epoch->first_list[super];
        uint32_t end = epoch->first_list[super + 1];
        end = end < epoch->lists_used ? end : epoch->lists_used;
        held += akin_kernels()->scan_codes(
            query->held + held, &scan, epoch->list_blocks + first / AKIN_CODE_ROWS * block_bytes,
            end - first, first, query->supers[i].score, NULL);
        if (i + 1 == supers || held >= 2 * wanted + 2 * AKIN_CODE_ROWS)
            held = akin_kernels()->keep_best(query->held, held, wanted, &scan.threshold);
    }
    return held;
}

/* Their scores as they are. */
static void score_lists(const struct epoch *epoch, struct epoch_query *query, size_t held)
{
    uint32_t wide = epoch->shape.wide;
    for (size_t i = 0; i < held; i++) {
        uint32_t list = query->held[i].row;
        int32_t dot = akin_kernels()->dot_i8(epoch->list_values + (size_t)list * wide,
                                             query->quantized, wide);
        float product = (float)dot * query->quantized_scale * epoch->lists.scales[list];
        query->held[i].score = order_score(epoch, product, epoch->lists.halves[list]);
    }
}

static int compare_candidates(const void *a, const void *b)
{
    const struct akin_candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void sort_candidates(struct akin_candidate *c, size_t count)
{
    if (count > SORTED_SMALL) {
        qsort(c, count, sizeof *c, compare_candidates);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct akin_candidate one = c[i];
        size_t at = i;
        for (; at > 0 && compare_candidates(&c[at - 1], &one) > 0; at--)
            c[at] = c[at - 1];
        c[at] = one;
    }
}

/* What a list's rows' estimates begin with. */
static float base_of(const struct epoch *epoch, const struct epoch_query *query,
                     const struct akin_candidate *list)
{
    switch (epoch->shape.metric) {
    case AKIN_METRIC_L2:
        return list->score - query->half;
    case AKIN_METRIC_COSINE:
        return list->score + epoch->lists.halves[list->row];
    default:
        return list->score;
    }
}

size_t epoch_probe(const struct epoch *epoch, struct epoch_query *query, size_t count,
                   size_t wide_search)
{
    count = count < epoch->lists_used ? count : epoch->lists_used;
    if (!wide_search) {
        size_t lists = 16 * count < EPOCH_LISTS_SEARCHED ? EPOCH_LISTS_SEARCHED : 16 * count;
        wide_search = (lists * epoch->supers_used + epoch->lists_used - 1) / epoch->lists_used;
    }
    size_t supers = find_supers(epoch, query, wide_search);
    size_t held = estimate_lists(epoch, query, supers, EXACT_MORE * count + EXACT_LEAST);
    score_lists(epoch, query, held);
    float threshold;
    if (count < held)
        held = akin_kernels()->keep_best(query->held, held, count, &threshold);
    sort_candidates(query->held, held);
    count = count < held ? count : held;
    for (size_t i = 0; i < count; i++)
        query->probes[i] =
            (struct probe){base_of(epoch, query, &query->held[i]), query->held[i].row};
    return count;
}
