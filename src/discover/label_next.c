/*
 * Which tiles to judge next. Everything works on copies of vectors: of the labelled tiles, of random
 * ones, and of the pool that picks come from.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "akin/discover.h"
#include "akin/vec.h"
#include "logistic.h"

#define RANDOM_TILES 500
#define POOL_TILES 2000
#define PENALTY 1e-3
#define RANDOM_SHARE 0.5 /* of the weight of all unlikes; of the likes' where there is none */
#define FOLDS 5
#define FOLD_MIN 5       /* labels of either kind */
#define DIVERSE_TIMES 10 /* as many of the most uncertain are looked at for each pick */

/* Tiles and their vectors. */
struct tiles {
    uint64_t *keys;
    float *vectors; /* (count, dim) */
    struct akin_columns *columns;
    size_t count, capacity;
    uint32_t dim;
};

struct learner {
    const akin_index *index;
    const struct akin_label_options *options;
    struct akin_label *labels; /* sorted by key, one each */
    size_t label_count;
    struct tiles likes, unlikes, random, pool;
    float *weights;
    float bias;
};

void akin_label_options_default(struct akin_label_options *out)
{
    *out = (struct akin_label_options){.mode = AKIN_LABEL_UNCERTAIN, .count = 12, .seed = 1};
}

/* ---- tiles ---- */

static akin_status tiles_init(struct tiles *tiles, size_t capacity, uint32_t dim, akin_error *err)
{
    *tiles = (struct tiles){.capacity = capacity ? capacity : 1, .dim = dim};
    tiles->keys = akin_alloc(tiles->capacity, sizeof *tiles->keys);
    tiles->vectors = akin_alloc(tiles->capacity, dim * sizeof *tiles->vectors);
    tiles->columns = akin_alloc(tiles->capacity, sizeof *tiles->columns);
    return tiles->keys && tiles->vectors && tiles->columns
               ? AKIN_OK
               : akin_error_memory(err, tiles->capacity * dim * sizeof *tiles->vectors,
                                   "tiles to learn from");
}

static void tiles_fini(struct tiles *tiles)
{
    akin_free(tiles->keys);
    akin_free(tiles->vectors);
    akin_free(tiles->columns);
}

/* A tile that is not in the index any more, or has no features, is left out. */
static void tiles_add(struct tiles *tiles, const akin_index *index, uint64_t key)
{
    float *vector = tiles->vectors + tiles->count * tiles->dim;
    if (tiles->count == tiles->capacity ||
        akin_index_get(index, key, &tiles->columns[tiles->count], vector, NULL) != AKIN_OK ||
        akin_normalize(vector, tiles->dim) <= 0)
        return;
    tiles->keys[tiles->count++] = key;
}

/* ---- labels ---- */

static int compare_labels(const void *a, const void *b)
{
    const uint64_t x = ((const struct akin_label *)a)->key, y = ((const struct akin_label *)b)->key;
    return (x > y) - (x < y);
}

/* Several people's labels of a tile become one: what more of them say, unsure where as many. */
static void settle(struct learner *learner)
{
    size_t kept = 0;
    qsort(learner->labels, learner->label_count, sizeof *learner->labels, compare_labels);
    for (size_t i = 0, end; i < learner->label_count; i = end) {
        int balance = 0;
        for (end = i;
             end < learner->label_count && learner->labels[end].key == learner->labels[i].key;
             end++)
            balance += learner->labels[end].kind == AKIN_MARK_LIKE     ? 1
                       : learner->labels[end].kind == AKIN_MARK_UNLIKE ? -1
                                                                       : 0;
        learner->labels[kept++] =
            (struct akin_label){learner->labels[i].key, balance > 0   ? AKIN_MARK_LIKE
                                                        : balance < 0 ? AKIN_MARK_UNLIKE
                                                                      : AKIN_MARK_UNSURE};
    }
    learner->label_count = kept;
}

static bool is_labelled(const struct learner *learner, uint64_t key)
{
    const struct akin_label wanted = {.key = key};
    return learner->label_count &&
           bsearch(&wanted, learner->labels, learner->label_count, sizeof wanted, compare_labels);
}

static bool is_excepted(const struct learner *learner, uint64_t key)
{
    const uint64_t *keys = learner->options->except;
    size_t low = 0, high = learner->options->except_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < learner->options->except_count && keys[low] == key;
}

static akin_status gather_labels(struct learner *learner, const struct akin_label *labels,
                                 size_t count, uint32_t dim, akin_error *err)
{
    learner->labels = akin_alloc(count ? count : 1, sizeof *learner->labels);
    if (!learner->labels)
        return akin_error_memory(err, count * sizeof *labels, "labels");
    if (count)
        memcpy(learner->labels, labels, count * sizeof *labels);
    learner->label_count = count;
    settle(learner);
    akin_status status = tiles_init(&learner->likes, learner->label_count, dim, err);
    if (status == AKIN_OK)
        status = tiles_init(&learner->unlikes, learner->label_count, dim, err);
    for (size_t i = 0; i < learner->label_count && status == AKIN_OK; i++)
        if (learner->labels[i].kind != AKIN_MARK_UNSURE)
            tiles_add(learner->labels[i].kind == AKIN_MARK_LIKE ? &learner->likes
                                                                : &learner->unlikes,
                      learner->index, learner->labels[i].key);
    if (status == AKIN_OK && !learner->likes.count)
        status = akin_error_set(err, AKIN_ERR_NOT_FOUND,
                                "nothing is liked yet: mark at least one tile with like");
    return status;
}

/* ---- the classifier ---- */

static akin_status gather_random(struct learner *learner, uint32_t dim, akin_error *err)
{
    uint64_t keys[RANDOM_TILES];
    size_t count = 0;
    akin_status status = tiles_init(&learner->random, RANDOM_TILES, dim, err);
    if (status == AKIN_OK)
        status = akin_index_sample(learner->index, learner->options->seed, keys, RANDOM_TILES,
                                   &count, err);
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        if (!is_labelled(learner, keys[i]))
            tiles_add(&learner->random, learner->index, keys[i]);
    return status;
}

/* Samples in the order likes, unlikes, random; the arrays are the caller's. */
static void weigh(const struct learner *learner, const float **x, float *target, float *weight)
{
    const struct tiles *sets[3] = {&learner->likes, &learner->unlikes, &learner->random};
    const float shares[3] = {1, 1, RANDOM_SHARE};
    size_t at = 0;
    for (int s = 0; s < 3; s++)
        for (size_t i = 0; i < sets[s]->count; i++, at++) {
            x[at] = sets[s]->vectors + i * sets[s]->dim;
            target[at] = s == 0 ? 1 : 0;
            weight[at] = shares[s] / (float)sets[s]->count;
        }
}

/* Learns from all labels but those of one fold, and counts what it says of these. */
static akin_status try_fold(const struct logistic_samples *samples, const struct learner *learner,
                            size_t fold, float *held, float *weights, size_t *taken, size_t *right,
                            akin_error *err)
{
    const size_t judged = learner->likes.count + learner->unlikes.count;
    struct logistic_samples part = *samples;
    float bias;
    for (size_t i = 0; i < samples->n; i++)
        held[i] = i < judged && i % FOLDS == fold ? 0 : samples->weight[i];
    part.weight = held;
    akin_status status = logistic_fit(&part, PENALTY, weights, &bias, err);
    for (size_t i = fold; i < judged && status == AKIN_OK; i += FOLDS)
        if (logistic_score(weights, bias, samples->x[i], samples->dim) > 0) {
            *taken += 1;
            *right += i < learner->likes.count;
        }
    return status;
}

static akin_status validate(const struct logistic_samples *samples, const struct learner *learner,
                            double *precision, akin_error *err)
{
    size_t taken = 0, right = 0;
    *precision = NAN;
    if (learner->likes.count < FOLD_MIN || learner->unlikes.count < FOLD_MIN)
        return AKIN_OK;
    float *held = akin_alloc(samples->n, sizeof *held);
    float *weights = akin_alloc(samples->dim, sizeof *weights);
    akin_status status =
        held && weights ? AKIN_OK
                        : akin_error_memory(err, samples->n * sizeof *held, "a classifier's test");
    for (size_t fold = 0; fold < FOLDS && status == AKIN_OK; fold++)
        status = try_fold(samples, learner, fold, held, weights, &taken, &right, err);
    akin_free(held);
    akin_free(weights);
    if (status == AKIN_OK && taken)
        *precision = (double)right / (double)taken;
    return status;
}

static akin_status learn(struct learner *learner, uint32_t dim, double *precision, akin_error *err)
{
    const size_t n = learner->likes.count + learner->unlikes.count + learner->random.count;
    const float **x = akin_alloc(n, sizeof *x);
    float *target = akin_alloc(n, sizeof *target), *weight = akin_alloc(n, sizeof *weight);
    learner->weights = akin_alloc(dim, sizeof *learner->weights);
    akin_status status = AKIN_OK;
    if (!x || !target || !weight || !learner->weights)
        status = akin_error_memory(err, n * sizeof *x, "samples");
    if (status == AKIN_OK) {
        weigh(learner, x, target, weight);
        const struct logistic_samples samples = {x, target, weight, n, dim};
        status = validate(&samples, learner, precision, err);
        if (status == AKIN_OK)
            status = logistic_fit(&samples, PENALTY, learner->weights, &learner->bias, err);
    }
    akin_free(x);
    akin_free(target);
    akin_free(weight);
    return status;
}

/* ---- picking ---- */

/* The tiles with the greatest scores, which are those nearest to the weights as a vector; then the
 * random ones that are not among them. */
static akin_status gather_pool(struct learner *learner, uint32_t dim, akin_error *err)
{
    struct akin_hit *hits = akin_alloc(POOL_TILES, sizeof *hits);
    float *vector = akin_alloc(dim, sizeof *vector);
    size_t count = 0;
    akin_status status = tiles_init(&learner->pool, POOL_TILES + RANDOM_TILES, dim, err);
    if (!hits || !vector)
        status = akin_error_memory(err, POOL_TILES * sizeof *hits, "tiles to pick from");
    if (status == AKIN_OK) {
        memcpy(vector, learner->weights, dim * sizeof *vector);
        akin_normalize(vector, dim);
        const struct akin_index_query query = {.vectors = vector,
                                               .count = 1,
                                               .best_of = true,
                                               .k = POOL_TILES,
                                               .threshold = -INFINITY};
        status = akin_index_search(learner->index, &query, hits, &count, NULL, err);
    }
    for (size_t i = 0; i < count && status == AKIN_OK; i++)
        if (!is_labelled(learner, hits[i].key) && !is_excepted(learner, hits[i].key))
            tiles_add(&learner->pool, learner->index, hits[i].key);
    const size_t likeliest = learner->pool.count;
    for (size_t i = 0; i < learner->random.count && status == AKIN_OK; i++) {
        const uint64_t key = learner->random.keys[i];
        bool there = is_excepted(learner, key);
        for (size_t p = 0; p < likeliest && !there; p++)
            there = learner->pool.keys[p] == key;
        if (!there)
            tiles_add(&learner->pool, learner->index, key);
    }
    akin_free(hits);
    akin_free(vector);
    return status;
}

/* A tile of the pool, in the order that the mode wants. */
struct candidate {
    double order; /* smaller first */
    double probability;
    size_t at;
};

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Moves into candidates[0..count) one after the other the one that is farthest from those chosen before,
 * the first staying where it is. Vectors have unit length: the nearest has the greatest product. */
static void spread(const struct learner *learner, struct candidate *candidates, size_t n,
                   size_t count)
{
    const struct akin_kernels *kernels = akin_kernels();
    const uint32_t dim = learner->pool.dim;
    for (size_t i = 0; i < n; i++)
        candidates[i].order = -2;
    for (size_t chosen = 1; chosen < count && chosen < n; chosen++) {
        const float *last = learner->pool.vectors + candidates[chosen - 1].at * dim;
        size_t farthest = chosen;
        for (size_t i = chosen; i < n; i++) {
            const double near =
                (double)kernels->dot(last, learner->pool.vectors + candidates[i].at * dim, dim);
            candidates[i].order = fmax(candidates[i].order, near);
            if (candidates[i].order < candidates[farthest].order)
                farthest = i;
        }
        const struct candidate swap = candidates[chosen];
        candidates[chosen] = candidates[farthest];
        candidates[farthest] = swap;
    }
}

static akin_status pick(const struct learner *learner, struct akin_label_next *out, akin_error *err)
{
    const struct akin_label_options *options = learner->options;
    const struct tiles *pool = &learner->pool;
    const size_t count = options->count < pool->count ? options->count : pool->count;
    struct candidate *candidates = akin_alloc(pool->count + 1, sizeof *candidates);
    out->picks = akin_alloc(count + 1, sizeof *out->picks);
    if (!candidates || !out->picks) {
        akin_free(candidates);
        return akin_error_memory(err, pool->count * sizeof *candidates, "picks");
    }
    for (size_t i = 0; i < pool->count; i++) {
        const double score = logistic_score(learner->weights, learner->bias,
                                            pool->vectors + i * pool->dim, pool->dim);
        candidates[i] = (struct candidate){options->mode == AKIN_LABEL_SURE ? -score : fabs(score),
                                           logistic_probability(score), i};
    }
    qsort(candidates, pool->count, sizeof *candidates, compare_candidates);
    if (options->mode == AKIN_LABEL_DIVERSE && pool->count)
        spread(learner, candidates,
               DIVERSE_TIMES * count < pool->count ? DIVERSE_TIMES * count : pool->count, count);
    for (size_t i = 0; i < count; i++)
        out->picks[i] =
            (struct akin_label_pick){pool->keys[candidates[i].at], candidates[i].probability,
                                     pool->columns[candidates[i].at]};
    out->count = count;
    akin_free(candidates);
    return AKIN_OK;
}

/* ---- the whole ---- */

static void learner_fini(struct learner *learner)
{
    akin_free(learner->labels);
    akin_free(learner->weights);
    tiles_fini(&learner->likes);
    tiles_fini(&learner->unlikes);
    tiles_fini(&learner->random);
    tiles_fini(&learner->pool);
}

akin_status akin_label_next(akin_engine *engine, const struct akin_label *labels,
                            size_t label_count, const struct akin_label_options *options,
                            struct akin_label_next *out, akin_error *err)
{
    struct akin_label_options defaults;
    struct akin_label_next next = {0};
    akin_label_options_default(&defaults);
    if (!engine || !out || (label_count && !labels))
        return akin_error_set(err, AKIN_ERR_INVALID, "no engine or labels given");
    if (!options)
        options = &defaults;
    if (options->count < 1 || options->count > 1000 || label_count > AKIN_LABELS_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "%zu picks by %zu labels: 1 to 1000 picks, at most %d labels",
                              options->count, label_count, AKIN_LABELS_MAX);
    const uint32_t dim = akin_engine_model(engine)->dim;
    struct learner learner = {.index = akin_engine_index(engine), .options = options};
    akin_status status = gather_labels(&learner, labels, label_count, dim, err);
    if (status == AKIN_OK)
        status = gather_random(&learner, dim, err);
    if (status == AKIN_OK)
        status = learn(&learner, dim, &next.precision, err);
    if (status == AKIN_OK)
        status = gather_pool(&learner, dim, err);
    if (status == AKIN_OK)
        status = pick(&learner, &next, err);
    next.likes = learner.likes.count;
    next.unlikes = learner.unlikes.count;
    next.random = learner.random.count;
    learner_fini(&learner);
    if (status == AKIN_OK)
        *out = next;
    else
        akin_label_next_free(&next);
    return status;
}

void akin_label_next_free(struct akin_label_next *next)
{
    if (!next)
        return;
    akin_free(next->picks);
    *next = (struct akin_label_next){0};
}
