/*
 * Probing: the lists in which a query's neighbours are likely to be. All supers are scored, then the
 * lists of the best of them; both by int8 products, exact but for the rounding of the query.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "epoch.h"

akin_status epoch_query_create(struct epoch_query *out, const struct epoch *epoch, akin_error *err)
{
    size_t wide = epoch->shape.wide, lists = epoch->lists.count, supers = epoch->supers.count;
    size_t most = lists > supers ? lists : supers;
    size_t bytes = (size_t)epoch->shape.nibbles * 16 + wide * (sizeof(float) + 1) +
                   lists * sizeof(struct probe) + supers * sizeof(struct probe) +
                   most * sizeof(int32_t);
    char *memory = akin_alloc_zero(bytes, 1);
    if (!memory)
        return akin_error_memory(err, bytes, "query");
    struct epoch_query query = {.memory = memory};
    query.table = (uint8_t *)memory;
    memory += (size_t)epoch->shape.nibbles * 16;
    query.rotated = (float *)(void *)memory;
    memory += wide * sizeof(float);
    query.quantized = (int8_t *)memory;
    memory += wide;
    query.probes = (struct probe *)(void *)memory;
    query.supers = query.probes + lists;
    query.dots = (int32_t *)(void *)(query.supers + supers);
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

/* Appends the used centroids of [first, end) with their bases. */
static size_t score(const struct epoch *epoch, struct epoch_query *query, struct probe *out,
                    const struct centroids *set, uint32_t first, uint32_t end)
{
    uint32_t wide = epoch->shape.wide;
    size_t count = 0;
    akin_kernels()->dots_i8_tiles(query->dots, 0, query->quantized, 1,
                                  set->tiles + (size_t)first * wide, set->sums + first,
                                  (end - first) / TILE, wide / 4);
    for (uint32_t i = first; i < end; i++) {
        if (set->scales[i] == 0)
            continue;
        float base = (float)query->dots[i - first] * query->quantized_scale * set->scales[i];
        if (epoch->shape.metric == AKIN_METRIC_L2)
            base -= set->halves[i] + query->half;
        out[count++] = (struct probe){base, i};
    }
    return count;
}

static int compare_probes(const void *a, const void *b)
{
    const struct probe *x = a, *y = b;
    if (x->base != y->base)
        return x->base > y->base ? -1 : 1;
    return (x->list > y->list) - (x->list < y->list);
}

size_t epoch_probe(const struct epoch *epoch, struct epoch_query *query, size_t count,
                   size_t wide_search)
{
    size_t supers = score(epoch, query, query->supers, &epoch->supers, 0, epoch->supers.count);
    qsort(query->supers, supers, sizeof *query->supers, compare_probes);
    size_t found = 0;
    for (size_t s = 0; s < supers; s++) {
        if (wide_search ? s >= wide_search : s >= 8 && found >= 8 * count)
            break;
        uint32_t super = query->supers[s].list;
        found += score(epoch, query, query->probes + found, &epoch->lists, epoch->first_list[super],
                       epoch->first_list[super + 1]);
    }
    qsort(query->probes, found, sizeof *query->probes, compare_probes);
    return found < count ? found : count;
}
