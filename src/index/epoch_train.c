/*
 * Training an epoch: hierarchical k-means. The sample is parted by about sqrt(lists) centroids, each
 * part is clustered into its share of the lists, and a few steps of Lloyd over all lists mend what
 * lies at the parts' borders. Cost O(n sqrt(lists)) a step instead of O(n lists); the steps over all
 * lists go through the tree.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "epoch_file.h"
#include "kmeans.h"

#define SAMPLE_ROWS 64u /* a list */
#define PART_ROUNDS 6u
#define LIST_ROUNDS 8u
#define LAST_ROUNDS 3u
#define FLAT_LISTS_MAX 256u /* as many are clustered without parts */

static uint32_t lists_wanted(const struct epoch_options *options)
{
    uint64_t rows = options->list_rows ? options->list_rows : options->rows < 16000000 ? 256 : 384;
    uint64_t lists = (options->rows + rows - 1) / rows;
    lists = (lists + TILE - 1) / TILE * TILE;
    return lists < TILE ? TILE : lists < EPOCH_LISTS_MAX ? (uint32_t)lists : EPOCH_LISTS_MAX;
}

uint64_t epoch_sample_rows(const struct epoch_options *options)
{
    uint64_t rows = (uint64_t)lists_wanted(options) * SAMPLE_ROWS;
    return rows < options->rows ? rows : options->rows;
}

struct training {
    const struct epoch_options *options;
    const float *sample;
    size_t n;
    uint32_t lists; /* wanted */
    akin_pool *pool;
    struct code_shape shape;
    struct rotation rotation;
    float *rotated;    /* (n, wide) */
    int8_t *quantized; /* (n, wide), and once more for the rows in the order of parts */
    float *scales;     /* (2, n) */
    uint32_t *nearest; /* (n) */
    uint32_t *order;   /* (n): 0, 1, 2 ... */
    struct centroid_table flat;
    struct tree_built built;
    double residual2;
};

/* The power of two next to the root mean square length of the sample. */
static float find_unit(const float *sample, size_t n, uint32_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)akin_kernels()->dot(sample + i * dim, sample + i * dim, dim);
    double length = n ? sqrt(sum / (double)n) : 0;
    return length > 0 && isfinite(length) ? exp2f(rintf(log2f((float)length))) : 1;
}

static void rotate_piece(void *user, size_t begin, size_t end, unsigned worker)
{
    (void)worker;
    struct training *t = user;
    size_t wide = t->shape.wide;
    for (size_t i = begin; i < end; i++) {
        rotation_apply(&t->rotation, t->rotated + i * wide, t->sample + i * t->options->dim);
        t->scales[i] = akin_quantize_i8(t->quantized + i * wide, t->rotated + i * wide, wide);
        t->order[i] = (uint32_t)i;
    }
}

static akin_status prepare(struct training *t, akin_error *err)
{
    const struct epoch_options *o = t->options;
    akin_status status = code_shape_init(&t->shape, o->metric, o->dim, o->bits, err);
    if (status)
        return status;
    size_t wide = t->shape.wide, n = t->n;
    float unit = o->metric == AKIN_METRIC_COSINE ? 1 : find_unit(t->sample, n, o->dim);
    status = rotation_init(&t->rotation, o->dim, o->seed, unit, err);
    if (status)
        return status;
    t->rotated = akin_alloc(n, wide * sizeof *t->rotated);
    t->quantized = akin_alloc(2 * n, wide);
    t->scales = akin_alloc(2 * n, sizeof *t->scales);
    t->nearest = akin_alloc_zero(n, sizeof *t->nearest);
    t->order = akin_alloc(n, sizeof *t->order);
    if (!t->rotated || !t->quantized || !t->scales || !t->nearest || !t->order)
        return akin_error_memory(err, n * wide * 6, "training an epoch");
    akin_pool_for(t->pool, n, 256, rotate_piece, t);
    return AKIN_OK;
}

/* ---- parts ---- */

struct parts {
    struct training *training;
    uint32_t count;
    struct kmeans_members members;
    uint32_t *first_list; /* (count + 1) */
    uint32_t *nearest;    /* (n), in the order of parts */
    akin_status *status;  /* (count) */
};

static size_t part_rows(const struct parts *parts, size_t p)
{
    return parts->members.starts[p + 1] - parts->members.starts[p];
}

/* Lists by rows, one at least where there are rows. */
static void share_lists(struct parts *parts)
{
    struct training *t = parts->training;
    parts->first_list[0] = 0;
    for (uint32_t p = 0; p < parts->count; p++) {
        size_t rows = part_rows(parts, p);
        double share = (double)t->lists * (double)rows / (double)t->n;
        uint32_t lists = rows == 0 ? 0 : share < 1 ? 1 : (uint32_t)(share + 0.5);
        parts->first_list[p + 1] = parts->first_list[p] + lists;
    }
}

static akin_status cluster_part(struct parts *parts, size_t p)
{
    struct training *t = parts->training;
    size_t wide = t->shape.wide, first = parts->members.starts[p], n = part_rows(parts, p);
    uint32_t lists = parts->first_list[p + 1] - parts->first_list[p];
    if (n == 0)
        return AKIN_OK;
    struct kmeans_rows rows = {t->rotated,
                               parts->members.members + first,
                               t->quantized + (t->n + first) * wide,
                               t->scales + t->n + first,
                               n,
                               t->shape.wide};
    struct centroid_table table;
    akin_status status = centroid_table_create(&table, lists, t->shape.wide, NULL);
    if (status)
        return status;
    status = kmeans_run(&table, lists, parts->nearest + first, &rows, LIST_ROUNDS, NULL, NULL);
    for (uint32_t l = 0; l < lists && !status; l++)
        centroid_table_copy(&t->flat, parts->first_list[p] + l, &table.is, l);
    centroid_table_free(&table);
    return status;
}

static void part_piece(void *user, size_t begin, size_t end, unsigned worker)
{
    (void)worker;
    struct parts *parts = user;
    for (size_t p = begin; p < end; p++)
        parts->status[p] = cluster_part(parts, p);
}

static void gather_piece(void *user, size_t begin, size_t end, unsigned worker)
{
    (void)worker;
    struct parts *parts = user;
    struct training *t = parts->training;
    size_t wide = t->shape.wide;
    for (size_t i = begin; i < end; i++) {
        size_t row = parts->members.members[i];
        memcpy(t->quantized + (t->n + i) * wide, t->quantized + row * wide, wide);
        t->scales[t->n + i] = t->scales[row];
    }
}

static akin_status cluster_parts(struct parts *parts, akin_error *err)
{
    struct training *t = parts->training;
    struct kmeans_rows rows = {t->rotated, t->order, t->quantized, t->scales, t->n, t->shape.wide};
    struct centroid_table table;
    akin_status status = centroid_table_create(&table, parts->count, t->shape.wide, err);
    if (status)
        return status;
    status = kmeans_run(&table, parts->count, t->nearest, &rows, PART_ROUNDS, t->pool, err);
    centroid_table_free(&table);
    if (!status)
        status = kmeans_members_create(&parts->members, parts->count, t->n, err);
    if (status)
        return status;
    kmeans_sort(&parts->members, parts->count, t->nearest, t->n);
    share_lists(parts);
    status = centroid_table_create(&t->flat, parts->first_list[parts->count], t->shape.wide, err);
    if (status)
        return status;
    akin_pool_for(t->pool, t->n, 1024, gather_piece, parts);
    akin_pool_for(t->pool, parts->count, 1, part_piece, parts);
    for (uint32_t p = 0; p < parts->count; p++)
        if (parts->status[p])
            return akin_error_set(err, parts->status[p], "k-means of a part: %s",
                                  akin_status_text(parts->status[p]));
    return AKIN_OK;
}

/* ---- all lists ---- */

/* Without parts, where there are few lists. */
static akin_status cluster_flat(struct training *t, akin_error *err)
{
    akin_status status = centroid_table_create(&t->flat, t->lists, t->shape.wide, err);
    if (status)
        return status;
    struct kmeans_rows rows = {t->rotated, t->order, t->quantized, t->scales, t->n, t->shape.wide};
    if (t->n)
        return kmeans_run(&t->flat, t->lists, t->nearest, &rows, LIST_ROUNDS, t->pool, err);
    float zeros[CODE_DIM_MAX] = {0}; /* no rows at all: one list, in the middle */
    centroid_table_set(&t->flat, 0, zeros);
    return AKIN_OK;
}

static akin_status cluster(struct training *t, akin_error *err)
{
    if (t->lists <= FLAT_LISTS_MAX || t->n <= t->lists)
        return cluster_flat(t, err);
    struct parts parts = {.training = t, .count = (uint32_t)sqrt((double)t->lists)};
    parts.first_list = akin_alloc((size_t)parts.count + 1, sizeof *parts.first_list);
    parts.nearest = akin_alloc(t->n, sizeof *parts.nearest);
    parts.status = akin_alloc_zero(parts.count, sizeof *parts.status);
    akin_status status = parts.first_list && parts.nearest && parts.status
                             ? cluster_parts(&parts, err)
                             : akin_error_memory(err, t->n * sizeof *parts.nearest, "k-means");
    kmeans_members_free(&parts.members);
    akin_free(parts.first_list);
    akin_free(parts.nearest);
    akin_free(parts.status);
    return status;
}

/* The sum of |r|^2 over the rows. */
static double sum_residuals(const struct training *t, const struct kmeans_members *members)
{
    float centroid[CODE_DIM_MAX];
    double sum = 0;
    for (uint32_t l = 0; l < t->built.lists.is.count; l++) {
        centroid_get(&t->built.lists.is, t->shape.wide, l, centroid);
        for (uint32_t i = members->starts[l]; i < members->starts[l + 1]; i++)
            sum += (double)akin_kernels()->squared_distance(
                t->rotated + (size_t)members->members[i] * t->shape.wide, centroid, t->shape.wide);
    }
    return sum;
}

/* Steps over all lists; those that end up without rows go. */
static akin_status refine(struct training *t, akin_error *err)
{
    akin_status status = tree_build(&t->built, &t->flat.is, t->shape.wide, err);
    struct kmeans_members members = {0};
    uint32_t lists = status ? 0 : t->built.lists.is.count;
    if (!status)
        status = kmeans_members_create(&members, lists, t->n, err);
    struct kmeans_rows rows = {t->rotated, t->order, t->quantized, t->scales, t->n, t->shape.wide};
    struct quantized_rows quantized = {t->quantized, t->scales, t->n};
    for (uint32_t round = 0; round < LAST_ROUNDS && t->n && !status; round++) {
        struct centroid_tree tree = tree_of(&t->built);
        status = tree_nearest(&tree, t->nearest, &quantized, t->pool, err);
        if (status)
            break;
        kmeans_sort(&members, lists, t->nearest, t->n);
        status = kmeans_means(&t->built.lists, lists, &rows, &members, t->pool, err);
        if (!status)
            status = tree_refresh(&t->built, err);
    }
    if (!status && t->n)
        t->residual2 = sum_residuals(t, &members) / (double)t->n;
    kmeans_members_free(&members);
    return status;
}

/* Lists that went leave gaps, and the others have moved: grouped anew. */
static akin_status regroup(struct training *t, akin_error *err)
{
    struct tree_built last = t->built;
    memset(&t->built, 0, sizeof t->built);
    akin_status status = tree_build(&t->built, &last.lists.is, t->shape.wide, err);
    tree_built_free(&last);
    return status;
}

static void training_free(struct training *t)
{
    rotation_fini(&t->rotation);
    akin_free(t->rotated);
    akin_free(t->quantized);
    akin_free(t->scales);
    akin_free(t->nearest);
    akin_free(t->order);
    centroid_table_free(&t->flat);
    tree_built_free(&t->built);
}

akin_status epoch_train(const char *dir, const struct epoch_options *options, const float *sample,
                        size_t n, akin_pool *pool, const struct akin_talk *talk, akin_error *err)
{
    struct training t = {.options = options, .sample = sample, .n = n, .pool = pool};
    t.lists = lists_wanted(options);
    if (n > UINT32_MAX / 2)
        return akin_error_set(err, AKIN_ERR_LIMIT, "a sample of %zu rows is too large", n);
    akin_status status = prepare(&t, err);
    if (!status)
        status = cluster(&t, err);
    if (!status)
        status = refine(&t, err);
    if (!status)
        status = regroup(&t, err);
    if (!status) {
        struct epoch_head head = {.id = options->id,
                                  .rows_trained = options->rows,
                                  .seed = options->seed,
                                  .dim = options->dim,
                                  .metric = options->metric,
                                  .bits = t.shape.bits,
                                  .unit = t.rotation.unit,
                                  .residual = (float)sqrt(t.residual2)};
        status = epoch_write(dir, &head, &t.built, err);
    }
    if (!status)
        akin_log(talk, AKIN_LEVEL_INFO, "index",
                 "lists: %u, from a sample of %zu rows; residuals of %.3f of a length",
                 t.built.lists_used, n, sqrt(t.residual2));
    training_free(&t);
    return status;
}
