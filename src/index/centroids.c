/*
 * Centroids as int8, and the nearest of them to many rows at once. Rows and centroids being int8,
 * a score is an exact whole number times two scales; the error of the row's rounding (0.2 % of
 * its length) is far below the differences that matter between lists.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "centroids.h"

#include <math.h>
#include <string.h>

static uint32_t round_up(uint32_t n, uint32_t to)
{
    return (n + to - 1) / to * to;
}

akin_status centroid_table_create(struct centroid_table *out, uint32_t count, uint32_t wide,
                                  akin_error *err)
{
    count = round_up(count, TILE);
    size_t bytes = (size_t)count * (wide + sizeof *out->sums + 2 * sizeof *out->scales);
    char *memory = akin_alloc_zero(bytes, 1);
    if (!memory)
        return akin_error_memory(err, bytes, "centroids");
    struct centroid_table table = {.wide = wide, .memory = memory, .tiles = (int8_t *)memory};
    table.sums = (int32_t *)(void *)(memory + (size_t)count * wide);
    table.scales = (float *)(void *)(table.sums + count);
    table.halves = table.scales + count;
    for (uint32_t i = 0; i < count; i++)
        table.halves[i] = INFINITY;
    table.is = (struct centroids){count, table.tiles, table.sums, table.scales, table.halves};
    *out = table;
    return AKIN_OK;
}

void centroid_table_free(struct centroid_table *table)
{
    akin_free(table->memory);
    memset(table, 0, sizeof *table);
}

/* Where four values of a centroid lie: values 4 * j4 .. 4 * j4 + 3. */
static size_t place(uint32_t wide, uint32_t index, uint32_t j4)
{
    return ((size_t)(index / TILE) * (wide / 4) + j4) * TILE * 4 + (size_t)(index % TILE) * 4;
}

float centroid_half(const int8_t *tiles, uint32_t wide, uint32_t index, float scale)
{
    int64_t square = 0;
    for (uint32_t j4 = 0; j4 < wide / 4; j4++) {
        const int8_t *v = tiles + place(wide, index, j4);
        square += v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + v[3] * v[3];
    }
    return scale == 0 ? INFINITY : (float)((double)square * scale * scale / 2);
}

void centroid_table_set(struct centroid_table *table, uint32_t index, const float *mean)
{
    int8_t values[CENTROID_WIDE_MAX];
    float scale = akin_quantize_i8(values, mean, table->wide);
    int32_t sum = 0;
    for (uint32_t j = 0; j < table->wide; j += 4) {
        memcpy(table->tiles + place(table->wide, index, j / 4), values + j, 4);
        sum += values[j] + values[j + 1] + values[j + 2] + values[j + 3];
    }
    table->sums[index] = sum;
    table->scales[index] = scale == 0 ? 1 : scale; /* all zeros, but used */
    table->halves[index] = centroid_half(table->tiles, table->wide, index, table->scales[index]);
}

void centroid_table_clear(struct centroid_table *table, uint32_t index)
{
    for (uint32_t j4 = 0; j4 < table->wide / 4; j4++)
        memset(table->tiles + place(table->wide, index, j4), 0, 4);
    table->sums[index] = 0;
    table->scales[index] = 0;
    table->halves[index] = INFINITY;
}

void centroid_table_copy(struct centroid_table *table, uint32_t index, const struct centroids *from,
                         uint32_t from_index)
{
    for (uint32_t j4 = 0; j4 < table->wide / 4; j4++)
        memcpy(table->tiles + place(table->wide, index, j4),
               from->tiles + place(table->wide, from_index, j4), 4);
    table->sums[index] = from->sums[from_index];
    table->scales[index] = from->scales[from_index];
    table->halves[index] = from->halves[from_index];
}

void centroid_get(const struct centroids *set, uint32_t wide, uint32_t index, float *out)
{
    float scale = set->scales[index];
    for (uint32_t j4 = 0; j4 < wide / 4; j4++) {
        const int8_t *v = set->tiles + place(wide, index, j4);
        for (int k = 0; k < 4; k++)
            out[4 * j4 + (uint32_t)k] = (float)v[k] * scale;
    }
}

/* ---- the nearest ---- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A few rows against a few lists at a time, so that both stay in the cache while they meet. */
void centroids_nearest(const struct centroids *set, uint32_t wide, uint32_t first, uint32_t end,
                       const struct quantized_rows *rows, float *best, uint32_t *at, int32_t *dots)
{
    const struct akin_kernels *kernels = akin_kernels();
    for (uint32_t l = first; l < end; l += NEAREST_LISTS) {
        size_t lists = least(NEAREST_LISTS, end - l);
        for (size_t r = 0; r < rows->n; r += NEAREST_ROWS) {
            size_t some = least(NEAREST_ROWS, rows->n - r);
            kernels->dots_i8_tiles(dots, lists, rows->values + r * wide, some,
                                   set->tiles + (size_t)l * wide, set->sums + l, lists / TILE,
                                   wide / 4);
            for (size_t i = 0; i < some; i++)
                kernels->best_of_dots(&best[r + i], &at[r + i], dots + i * lists, set->scales + l,
                                      set->halves + l, lists, rows->scales[r + i], l);
        }
    }
}

/* ---- through the tree ---- */

#define ROWS_AT_ONCE 512u
struct tree_scratch {
    size_t wanted; /* supers a row looks into */
    int32_t *dots;
    struct akin_candidate *scores; /* (supers) of one row */
    uint32_t *picks;               /* (ROWS_AT_ONCE, wanted) */
    uint32_t *starts;              /* (supers + 2): where a super's rows begin in */
    uint32_t *rows;                /* (ROWS_AT_ONCE * wanted) */
    /* The rows of one super, gathered; (ROWS_AT_ONCE) each. */
    int8_t *values;
    float *scales, *best;
    uint32_t *at;
    float *row_best; /* (ROWS_AT_ONCE) */
};
struct tree_job {
    const struct centroid_tree *tree;
    const struct quantized_rows *rows;
    uint32_t *lists;
    char *memory; /* a scratch a worker */
    size_t scratch_bytes;
};

static void *take(char *memory, size_t *used, size_t count, size_t size)
{
    size_t at = *used;
    *used += (count * size + AKIN_ALIGN - 1) / AKIN_ALIGN * AKIN_ALIGN;
    return memory ? memory + at : NULL;
}

/* 0: all lists. */
static size_t supers_wanted(const struct centroid_tree *tree)
{
    size_t lists = tree->lists.count, supers = 0;
    if (lists <= TREE_LISTS)
        return 0;
    for (size_t s = 0; s < tree->supers.count; s++)
        supers += tree->supers.scales[s] != 0;
    return (TREE_LISTS * supers + lists - 1) / lists;
}

/* Lays out one worker's scratch over memory (NULL: only its size); returns its size. */
static size_t lay_out(struct tree_scratch *s, char *memory, const struct centroid_tree *tree)
{
    size_t used = 0, supers = tree->supers.count, rows = ROWS_AT_ONCE;
    s->wanted = supers_wanted(tree);
    s->dots = take(memory, &used, supers > NEAREST_DOTS ? supers : NEAREST_DOTS, sizeof *s->dots);
    s->row_best = take(memory, &used, rows, sizeof *s->row_best);
    if (!s->wanted)
        return used;
    s->scores = take(memory, &used, supers, sizeof *s->scores);
    s->picks = take(memory, &used, rows * s->wanted, sizeof *s->picks);
    s->starts = take(memory, &used, supers + 2, sizeof *s->starts);
    s->rows = take(memory, &used, rows * s->wanted, sizeof *s->rows);
    s->values = take(memory, &used, rows * tree->wide, sizeof *s->values);
    s->scales = take(memory, &used, rows, sizeof *s->scales);
    s->best = take(memory, &used, rows, sizeof *s->best);
    s->at = take(memory, &used, rows, sizeof *s->at);
    return used;
}

/* The best supers of a row with these products. */
static void pick_supers(const struct tree_scratch *s, const struct centroids *supers,
                        const int32_t *dots, float scale, uint32_t *picks)
{
    size_t n = 0;
    for (uint32_t v = 0; v < supers->count; v++) {
        if (supers->scales[v] == 0)
            continue;
        float score = (float)dots[v] * scale * supers->scales[v] - supers->halves[v];
        s->scores[n++] = (struct akin_candidate){score, v};
    }
    float threshold;
    n = akin_kernels()->keep_best(s->scores, n, s->wanted, &threshold);
    for (size_t i = 0; i < s->wanted; i++)
        picks[i] = i < n ? s->scores[i].row : UINT32_MAX;
}

static void score_supers(struct tree_scratch *s, const struct centroid_tree *tree,
                         const struct quantized_rows *rows)
{
    const struct centroids *supers = &tree->supers;
    size_t together = NEAREST_DOTS / supers->count;
    together = together ? together : 1;
    for (size_t r = 0; r < rows->n; r += together) {
        size_t some = least(together, rows->n - r);
        akin_kernels()->dots_i8_tiles(s->dots, supers->count, rows->values + r * tree->wide, some,
                                      supers->tiles, supers->sums, supers->count / TILE,
                                      tree->wide / 4);
        for (size_t i = 0; i < some; i++)
            pick_supers(s, supers, s->dots + i * supers->count, rows->scales[r + i],
                        s->picks + (r + i) * s->wanted);
    }
}

/* Sorts the picks by super: whose rows begin where. */
static void sort_picks(struct tree_scratch *s, size_t supers, size_t n)
{
    memset(s->starts, 0, (supers + 2) * sizeof *s->starts);
    for (size_t i = 0; i < n * s->wanted; i++)
        if (s->picks[i] != UINT32_MAX)
            s->starts[s->picks[i] + 2]++;
    for (size_t i = 2; i < supers + 2; i++)
        s->starts[i] += s->starts[i - 1];
    for (size_t i = 0; i < n * s->wanted; i++)
        if (s->picks[i] != UINT32_MAX)
            s->rows[s->starts[s->picks[i] + 1]++] = (uint32_t)(i / s->wanted);
}

/* The rows that picked `super`, against its lists. */
static void visit_super(struct tree_scratch *s, const struct centroid_tree *tree,
                        const struct quantized_rows *rows, uint32_t super, uint32_t *lists)
{
    const uint32_t *picked = s->rows + s->starts[super];
    size_t n = s->starts[super + 1] - s->starts[super];
    for (size_t i = 0; i < n; i++) {
        memcpy(s->values + i * tree->wide, rows->values + picked[i] * (size_t)tree->wide,
               tree->wide);
        s->scales[i] = rows->scales[picked[i]];
        s->best[i] = s->row_best[picked[i]];
        s->at[i] = lists[picked[i]];
    }
    struct quantized_rows some = {s->values, s->scales, n};
    centroids_nearest(&tree->lists, tree->wide, tree->first_list[super],
                      tree->first_list[super + 1], &some, s->best, s->at, s->dots);
    for (size_t i = 0; i < n; i++) {
        s->row_best[picked[i]] = s->best[i];
        lists[picked[i]] = s->at[i];
    }
}

static void assign_block(struct tree_scratch *s, const struct centroid_tree *tree,
                         const struct quantized_rows *rows, uint32_t *lists)
{
    for (size_t i = 0; i < rows->n; i++)
        s->row_best[i] = -INFINITY, lists[i] = 0;
    if (!s->wanted) {
        centroids_nearest(&tree->lists, tree->wide, 0, tree->lists.count, rows, s->row_best, lists,
                          s->dots);
        return;
    }
    score_supers(s, tree, rows);
    sort_picks(s, tree->supers.count, rows->n);
    for (uint32_t super = 0; super < tree->supers.count; super++)
        visit_super(s, tree, rows, super, lists);
}

static void assign_piece(void *user, size_t begin, size_t end, unsigned worker)
{
    struct tree_job *job = user;
    struct tree_scratch s;
    lay_out(&s, job->memory + worker * job->scratch_bytes, job->tree);
    for (size_t i = begin; i < end; i += ROWS_AT_ONCE) {
        struct quantized_rows rows = {job->rows->values + i * job->tree->wide,
                                      job->rows->scales + i, least(ROWS_AT_ONCE, end - i)};
        assign_block(&s, job->tree, &rows, job->lists + i);
    }
}

akin_status tree_nearest(const struct centroid_tree *tree, uint32_t *lists,
                         const struct quantized_rows *rows, akin_pool *pool, akin_error *err)
{
    struct tree_job job = {.tree = tree, .rows = rows, .lists = lists};
    struct tree_scratch s;
    job.scratch_bytes = lay_out(&s, NULL, tree);
    job.memory = akin_alloc(akin_pool_threads(pool), job.scratch_bytes);
    if (!job.memory)
        return akin_error_memory(err, akin_pool_threads(pool) * job.scratch_bytes, "assignment");
    akin_pool_for(pool, rows->n, ROWS_AT_ONCE, assign_piece, &job);
    akin_free(job.memory);
    return AKIN_OK;
}
