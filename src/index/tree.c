/*
 * The upper level of the tree. Lists are halved again and again by 2-means of their centroids, each
 * cut at a multiple of 32, until a group is small: near to each other, of nearly equal size, and
 * no lane is wasted but in the last group. (k-means gave groups of any size, each of which leaves half
 * a block empty on average.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HALVING_ROUNDS 8

struct side {
    float difference; /* nearer to the first mean where negative */
    uint32_t index;
};
struct halving {
    const float *means; /* (from->count, wide) */
    uint32_t wide;
    uint32_t *order, group_max;
    struct side *sides;
    float *poles; /* (2, wide) */
    uint32_t *ends, groups;
};

static int compare_sides(const void *a, const void *b)
{
    const struct side *x = a, *y = b;
    if (x->difference != y->difference)
        return x->difference < y->difference ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static const float *mean_of(const struct halving *h, uint32_t i)
{
    return h->means + (size_t)i * h->wide;
}

/* The one of order [begin, end) that is farthest from `point`. */
static uint32_t farthest(const struct halving *h, uint32_t begin, uint32_t end, const float *point)
{
    float most = -1;
    uint32_t best = h->order[begin];
    for (uint32_t i = begin; i < end; i++) {
        float d = akin_kernels()->squared_distance(mean_of(h, h->order[i]), point, h->wide);
        if (d > most)
            most = d, best = h->order[i];
    }
    return best;
}

static void compute_sides(struct halving *h, uint32_t begin, uint32_t end)
{
    for (uint32_t i = begin; i < end; i++) {
        const float *mean = mean_of(h, h->order[i]);
        float a = akin_kernels()->squared_distance(mean, h->poles, h->wide);
        float b = akin_kernels()->squared_distance(mean, h->poles + h->wide, h->wide);
        h->sides[i] = (struct side){a - b, h->order[i]};
    }
}

/* Poles to the means of their sides; a side without any stays. */
static void move_poles(struct halving *h, uint32_t begin, uint32_t end)
{
    for (int pole = 0; pole < 2; pole++) {
        float *sum = h->poles + (size_t)pole * h->wide;
        uint32_t count = 0;
        for (uint32_t i = begin; i < end; i++) {
            if ((h->sides[i].difference < 0) == pole)
                continue;
            if (count++ == 0)
                memset(sum, 0, h->wide * sizeof *sum);
            akin_kernels()->axpy(sum, 1, mean_of(h, h->sides[i].index), h->wide);
        }
        for (uint32_t j = 0; j < h->wide && count; j++)
            sum[j] /= (float)count;
    }
}

/* Sorts order [begin, end) by side and says where to cut: at the multiple of 32 next to where the
 * sides change, a quarter from either end at least. */
static uint32_t halve(struct halving *h, uint32_t begin, uint32_t end)
{
    uint32_t one = farthest(h, begin, end, mean_of(h, h->order[begin]));
    memcpy(h->poles, mean_of(h, one), h->wide * sizeof *h->poles);
    uint32_t other = farthest(h, begin, end, h->poles);
    memcpy(h->poles + h->wide, mean_of(h, other), h->wide * sizeof *h->poles);
    for (int round = 0; round < HALVING_ROUNDS; round++) {
        compute_sides(h, begin, end);
        move_poles(h, begin, end);
    }
    compute_sides(h, begin, end);
    qsort(h->sides + begin, end - begin, sizeof *h->sides, compare_sides);
    uint32_t change = begin;
    for (uint32_t i = begin; i < end; i++) {
        h->order[i] = h->sides[i].index;
        change += h->sides[i].difference < 0;
    }
    uint32_t units = (end - begin + TREE_GROUP - 1) / TREE_GROUP, least = (units + 3) / 4;
    uint32_t cut = (change - begin + TREE_GROUP / 2) / TREE_GROUP;
    cut = cut < least ? least : cut > units - least ? units - least : cut;
    return begin + cut * TREE_GROUP;
}

/* In depth, the left half first, so that groups come in the order of `order`. */
static void split_group(struct halving *h, uint32_t begin, uint32_t end)
{
    while (end - begin > h->group_max) { /* the right half of the rest, again and again */
        uint32_t cut = halve(h, begin, end);
        split_group(h, begin, cut);
        begin = cut;
    }
    h->ends[h->groups++] = end;
}

/* Lists of a group at most: about as many as there are groups, 64 at least. */
static uint32_t group_size(uint32_t used)
{
    uint32_t size = ((uint32_t)sqrt((double)used) + TREE_GROUP - 1) / TREE_GROUP * TREE_GROUP;
    return size < 2 * TREE_GROUP ? 2 * TREE_GROUP : size;
}

static akin_status halving_create(struct halving *h, const struct centroids *from, uint32_t used,
                                  akin_error *err)
{
    size_t bytes = (size_t)used * h->wide * sizeof *h->means;
    float *means = akin_alloc((size_t)from->count, h->wide * sizeof *means);
    h->means = means;
    h->order = akin_alloc(from->count, sizeof *h->order);
    h->sides = akin_alloc(used, sizeof *h->sides);
    h->poles = akin_alloc((size_t)2 * h->wide, sizeof *h->poles);
    h->ends = akin_alloc(used, sizeof *h->ends);
    if (!h->means || !h->order || !h->sides || !h->poles || !h->ends)
        return akin_error_memory(err, bytes, "centroid tree");
    for (uint32_t i = 0, n = 0; i < from->count; i++) {
        if (from->scales[i] == 0)
            continue;
        centroid_get(from, h->wide, i, means + (size_t)i * h->wide);
        h->order[n++] = i;
    }
    return AKIN_OK;
}

static void halving_free(struct halving *h)
{
    akin_free((void *)(uintptr_t)h->means);
    akin_free(h->order);
    akin_free(h->sides);
    akin_free(h->poles);
    akin_free(h->ends);
}

/* What the halving found, as tables. */
static akin_status copy_groups(struct tree_built *built, const struct halving *h,
                               const struct centroids *from, akin_error *err)
{
    uint32_t room = (built->lists_used + TREE_GROUP - 1) / TREE_GROUP * TREE_GROUP;
    akin_status status = centroid_table_create(&built->lists, room, h->wide, err);
    if (!status)
        status = centroid_table_create(&built->supers, h->groups, h->wide, err);
    if (status)
        return status;
    uint32_t supers = built->supers.is.count, lists = built->lists.is.count;
    built->first_list = akin_alloc((size_t)supers + 1, sizeof *built->first_list);
    built->order = akin_alloc(lists, sizeof *built->order);
    if (!built->first_list || !built->order)
        return akin_error_memory(err, lists * sizeof *built->order, "centroid tree");
    for (uint32_t i = 0; i < lists; i++) {
        built->order[i] = i < built->lists_used ? h->order[i] : UINT32_MAX;
        if (i < built->lists_used)
            centroid_table_copy(&built->lists, i, from, h->order[i]);
    }
    built->first_list[0] = 0;
    for (uint32_t s = 0; s < supers; s++)
        built->first_list[s + 1] = s + 1 < h->groups ? h->ends[s] : lists;
    return tree_refresh(built, err);
}

akin_status tree_build(struct tree_built *out, const struct centroids *from, uint32_t wide,
                       akin_error *err)
{
    struct tree_built built = {0};
    for (uint32_t i = 0; i < from->count; i++)
        built.lists_used += from->scales[i] != 0;
    struct halving h = {.wide = wide, .group_max = group_size(built.lists_used)};
    akin_status status = halving_create(&h, from, built.lists_used, err);
    if (!status) {
        split_group(&h, 0, built.lists_used);
        status = copy_groups(&built, &h, from, err);
    }
    halving_free(&h);
    if (status) {
        tree_built_free(&built);
        return status;
    }
    *out = built;
    return AKIN_OK;
}

void tree_built_free(struct tree_built *built)
{
    centroid_table_free(&built->supers);
    centroid_table_free(&built->lists);
    akin_free(built->first_list);
    akin_free(built->order);
    memset(built, 0, sizeof *built);
}

akin_status tree_refresh(struct tree_built *built, akin_error *err)
{
    uint32_t wide = built->lists.wide;
    float *mean = akin_alloc((size_t)2 * wide, sizeof *mean);
    if (!mean)
        return akin_error_memory(err, 2 * wide * sizeof *mean, "centroid tree");
    float *one = mean + wide;
    for (uint32_t s = 0; s < built->supers.is.count; s++) {
        uint32_t count = 0;
        memset(mean, 0, wide * sizeof *mean);
        for (uint32_t l = built->first_list[s]; l < built->first_list[s + 1]; l++) {
            if (built->lists.scales[l] == 0)
                continue;
            centroid_get(&built->lists.is, wide, l, one);
            akin_kernels()->axpy(mean, 1, one, wide);
            count++;
        }
        for (uint32_t j = 0; j < wide && count; j++)
            mean[j] /= (float)count;
        if (count)
            centroid_table_set(&built->supers, s, mean);
        else
            centroid_table_clear(&built->supers, s);
    }
    akin_free(mean);
    return AKIN_OK;
}

struct centroid_tree tree_of(const struct tree_built *built)
{
    return (struct centroid_tree){built->lists.wide, built->supers.is, built->lists.is,
                                  built->first_list};
}
