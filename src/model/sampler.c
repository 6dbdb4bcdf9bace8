/*
 * Balanced epochs: k-means of unit vectors, and draws that favour the members of small clusters.
 *
 * Clustering is Lloyd's with k-means++ seeds (Arthur and Vassilvitskii, SODA 2007). Scores of a row
 * do not depend on its neighbours (akin/vec.h) and a centre is summed by one thread in the order of
 * its rows, so threads change nothing. A centre that lost all its rows moves to the row that is
 * worst off.
 *
 * An epoch gives each tile the whole number of draws below or above what its chance promises
 * (systematic resampling, Kitagawa 1996, along a fresh permutation): less chance than single draws,
 * and always `count` of them. The j-th of m draws of a tile gets a random time in the j-th m-th of
 * the epoch, the same within each, and time gives the order: copies lie 1 / m of the epoch apart.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sampler.h"

#include <math.h>
#include <string.h>

#include "akin/vec.h"

/* ---- clusters ---- */

#define BLOCK 128        /* rows scored at once */
#define SAMPLE_MAX 65536 /* rows that seeds are drawn from: beyond, each would cost a whole scan */
#define SAME_POINT 1e-6f /* of cosine: nearer than this is rounding */
#define STREAM_SEEDS 0x534d5001
#define STREAM_EPOCH 0x534d5002

struct clustering {
    const float *x;
    size_t count, dim, k;
    float *centres, *turned;     /* (k, dim) unit, and the same (dim, k) */
    float *scores;               /* (threads, BLOCK, k) */
    float *best;                 /* (count): cosine of each row with its centre */
    uint32_t *cluster, *members; /* (count); members: rows in the order of their clusters */
    uint32_t *first;             /* (k + 1): where in members a cluster begins */
    size_t newest;               /* the centre that seeding has just set */
    size_t sample;               /* rows that seeding looks at, evenly spaced */
};

static const float *sample_row(const struct clustering *c, size_t i)
{
    return c->x + i * c->count / c->sample * c->dim;
}

static void score_newest(void *user, size_t begin, size_t end, unsigned worker)
{
    (void)worker;
    const struct clustering *c = user;
    const float *centre = c->centres + c->newest * c->dim;
    for (size_t i = begin; i < end; i++) {
        float score = akin_kernels()->dot(sample_row(c, i), centre, c->dim);
        if (score > c->best[i])
            c->best[i] = score;
    }
}

/* Half the squared distance to the nearest centre. */
static double distance_of(const struct clustering *c, size_t row)
{
    return c->best[row] < 1 - SAME_POINT ? 1 - (double)c->best[row] : 0;
}

/* Of the sample, one with a chance proportional to its squared distance; any where all lie on
 * centres. */
static size_t draw_far_row(const struct clustering *c, uint64_t seed)
{
    double total = 0;
    for (size_t i = 0; i < c->sample; i++)
        total += distance_of(c, i);
    double left = akin_random_unit(seed, STREAM_SEEDS, c->newest) * total;
    size_t chosen = akin_random_below(seed, STREAM_SEEDS, c->newest, c->sample);
    for (size_t i = 0; i < c->sample && left >= 0 && total > 0; i++) {
        if (distance_of(c, i) > 0)
            chosen = i;
        left -= distance_of(c, i);
    }
    return chosen;
}

static void seed_centres(struct clustering *c, uint64_t seed, akin_pool *pool)
{
    for (size_t i = 0; i < c->sample; i++)
        c->best[i] = -1;
    for (c->newest = 0; c->newest < c->k; c->newest++) {
        size_t i =
            c->newest ? draw_far_row(c, seed) : akin_random_below(seed, STREAM_SEEDS, 0, c->sample);
        memcpy(c->centres + c->newest * c->dim, sample_row(c, i), c->dim * sizeof *c->x);
        akin_pool_for(pool, c->sample, 0, score_newest, c);
    }
}

static void assign_rows(void *user, size_t begin, size_t end, unsigned worker)
{
    const struct clustering *c = user;
    float *scores = c->scores + (size_t)worker * BLOCK * c->k;
    memset(scores, 0, (end - begin) * c->k * sizeof *scores);
    akin_kernels()->gemm(scores, c->k, c->x + begin * c->dim, c->dim, c->turned, c->k, end - begin,
                         c->k, c->dim);
    for (size_t row = begin; row < end; row++, scores += c->k) {
        size_t best = 0;
        for (size_t i = 1; i < c->k; i++)
            if (scores[i] > scores[best])
                best = i;
        c->cluster[row] = (uint32_t)best;
        c->best[row] = scores[best];
    }
}

/* Counting sort of the rows by cluster. */
static void list_members(struct clustering *c)
{
    memset(c->first, 0, (c->k + 1) * sizeof *c->first);
    for (size_t row = 0; row < c->count; row++)
        c->first[c->cluster[row] + 1]++;
    for (size_t i = 0; i < c->k; i++)
        c->first[i + 1] += c->first[i];
    for (size_t row = 0; row < c->count; row++)
        c->members[c->first[c->cluster[row]]++] = (uint32_t)row;
    memmove(c->first + 1, c->first, c->k * sizeof *c->first); /* each had moved to its end */
    c->first[0] = 0;
}

static void move_centres(void *user, size_t begin, size_t end, unsigned worker)
{
    (void)worker;
    const struct clustering *c = user;
    for (size_t i = begin; i < end; i++) {
        float *centre = c->centres + i * c->dim;
        if (c->first[i] == c->first[i + 1])
            continue;
        memset(centre, 0, c->dim * sizeof *centre);
        for (uint32_t m = c->first[i]; m < c->first[i + 1]; m++)
            akin_kernels()->axpy(centre, 1, c->x + c->members[m] * c->dim, c->dim);
        akin_normalize(centre, c->dim);
    }
}

/* Centres without rows go where the fit is worst, each to another row; where every row lies on its
 * centre there are fewer points than clusters, and they stay empty. */
static void fill_empty(struct clustering *c)
{
    for (size_t i = 0; i < c->k; i++) {
        size_t worst = 0;
        if (c->first[i] < c->first[i + 1])
            continue;
        for (size_t row = 1; row < c->count; row++)
            if (c->best[row] < c->best[worst])
                worst = row;
        if (distance_of(c, worst) == 0)
            return;
        memcpy(c->centres + i * c->dim, c->x + worst * c->dim, c->dim * sizeof *c->x);
        c->best[worst] = 1;
    }
}

/* Lloyd's rounds until nothing changes; the last act is an assignment to the centres as they
 * are. `before` (count) is scratch. */
static void refine(struct clustering *c, unsigned rounds, uint32_t *before, akin_pool *pool)
{
    for (unsigned round = 0;; round++) {
        for (size_t i = 0; i < c->k; i++)
            for (size_t d = 0; d < c->dim; d++)
                c->turned[d * c->k + i] = c->centres[i * c->dim + d];
        memcpy(before, c->cluster, c->count * sizeof *before);
        akin_pool_for(pool, c->count, BLOCK, assign_rows, c);
        if (round >= rounds ||
            (round > 0 && memcmp(before, c->cluster, c->count * sizeof *before) == 0))
            return;
        list_members(c);
        akin_pool_for(pool, c->k, 1, move_centres, c);
        fill_empty(c);
    }
}

static akin_status check_shape(const char *what, size_t count, size_t clusters, akin_error *err)
{
    if (count == 0 || clusters == 0)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "cannot %s: %zu tiles in %zu clusters; there must be one of each",
                              what, count, clusters);
    if (count >= UINT32_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "cannot %s: %zu tiles are more than %u", what,
                              count, UINT32_MAX - 1);
    return AKIN_OK;
}

akin_status sampler_cluster(uint32_t *cluster, const float *x, size_t count, size_t dim, size_t k,
                            unsigned rounds, uint64_t seed, akin_pool *pool, akin_error *err)
{
    akin_status status = check_shape("cluster", count, k, err);
    if (status != AKIN_OK)
        return status;
    k = k < count ? k : count;
    size_t threads = akin_pool_threads(pool), sample = k > SAMPLE_MAX ? k : SAMPLE_MAX;
    struct clustering c = {.x = x, .count = count, .dim = dim, .k = k};
    c.sample = sample < count ? sample : count;
    float *centres = akin_alloc(k, 2 * dim * sizeof *centres);
    float *scores = akin_alloc(threads * BLOCK, k * sizeof *scores);
    float *best = akin_alloc(count, sizeof *best);
    uint32_t *rows = akin_alloc(count, 3 * sizeof *rows);
    uint32_t *first = akin_alloc(k + 1, sizeof *first);
    if (!centres || !scores || !best || !rows || !first) {
        status =
            akin_error_memory(err, count * (sizeof *best + 3 * sizeof *rows), "clusters of tiles");
        goto out;
    }
    c.centres = centres;
    c.turned = centres + k * dim;
    c.scores = scores;
    c.best = best;
    c.cluster = rows;
    c.members = rows + count;
    c.first = first;
    memset(rows, 0, count * sizeof *rows);
    seed_centres(&c, seed, pool);
    refine(&c, rounds, rows + 2 * count, pool);
    memcpy(cluster, rows, count * sizeof *cluster);
out:
    akin_free(centres);
    akin_free(scores);
    akin_free(best);
    akin_free(rows);
    akin_free(first);
    return status;
}

/* ---- epochs ---- */

struct sampler {
    size_t count;
    uint64_t seed;
    uint32_t *cluster; /* (count), owned */
    double *rate;      /* (clusters): draws that a tile of it is promised in an epoch */
    uint64_t *draws;   /* (2, count): scratch of an epoch, time << 32 | tile */
};

enum { STREAM_ORDER, STREAM_START, STREAM_TIME }; /* under the epoch's key */

void sampler_free(struct sampler *sampler)
{
    if (!sampler)
        return;
    akin_free(sampler->cluster);
    akin_free(sampler->rate);
    akin_free(sampler->draws);
    akin_free(sampler);
}

/* rate (clusters), zero, <- size^-power, scaled so that the rates of all tiles add up to count. */
static void set_rates(struct sampler *sampler, size_t clusters, double power)
{
    double sum = 0;
    for (size_t tile = 0; tile < sampler->count; tile++)
        sampler->rate[sampler->cluster[tile]]++;
    for (size_t i = 0; i < clusters; i++) {
        double size = sampler->rate[i];
        sampler->rate[i] = size > 0 ? pow(size, -power) : 0;
        sum += size * sampler->rate[i];
    }
    for (size_t i = 0; i < clusters; i++)
        sampler->rate[i] *= (double)sampler->count / sum;
}

akin_status sampler_create(struct sampler **out, size_t count, const uint32_t *cluster,
                           size_t clusters, double power, uint64_t seed, akin_error *err)
{
    clusters = cluster ? clusters : 1;
    akin_status status = check_shape("balance an epoch", count, clusters, err);
    if (status != AKIN_OK)
        return status;
    if (!(power >= 0 && power <= 1))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "cannot balance an epoch: power %g is not from 0 to 1", power);
    for (size_t tile = 0; cluster && tile < count; tile++)
        if (cluster[tile] >= clusters)
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "cannot balance an epoch: tile %zu is in cluster %u of %zu", tile,
                                  cluster[tile], clusters);
    struct sampler *sampler = akin_alloc_zero(1, sizeof *sampler);
    if (!sampler)
        return akin_error_memory(err, sizeof *sampler, "a sampler");
    sampler->count = count;
    sampler->seed = seed;
    sampler->cluster = akin_alloc_zero(count, sizeof *sampler->cluster);
    sampler->rate = akin_alloc_zero(clusters, sizeof *sampler->rate);
    sampler->draws = akin_alloc(count, 2 * sizeof *sampler->draws);
    if (!sampler->cluster || !sampler->rate || !sampler->draws) {
        sampler_free(sampler);
        return akin_error_memory(err, count * 2 * sizeof *sampler->draws, "a sampler");
    }
    if (cluster)
        memcpy(sampler->cluster, cluster, count * sizeof *cluster);
    set_rates(sampler, clusters, power);
    *out = sampler;
    return AKIN_OK;
}

/* Fills draws (count); `walk` (count) is a permutation of the tiles. */
static void make_draws(const struct sampler *sampler, uint64_t key, const uint32_t *walk,
                       uint64_t *draws)
{
    /* So few bits that with rates of 1 no sum is rounded. */
    double promised = (double)(akin_random_u64(key, STREAM_START, 0) >> 44) * 0x1p-20;
    size_t drawn = 0;
    for (size_t i = 0; i < sampler->count; i++) {
        uint32_t tile = walk[i];
        promised += sampler->rate[sampler->cluster[tile]];
        /* Rounding must not make it one more or one less. */
        bool last = i + 1 == sampler->count || promised >= (double)sampler->count;
        size_t until = last ? sampler->count : (size_t)promised;
        uint64_t copies = until - drawn, time = akin_random_u64(key, STREAM_TIME, tile) >> 32;
        for (uint64_t j = 0; j < copies; j++)
            draws[drawn++] = ((j << 32 | time) / copies) << 32 | tile;
    }
}

/* By time: a radix sort in four passes, which end where they began. */
static void sort_draws(uint64_t *draws, uint64_t *other, size_t count)
{
    for (unsigned shift = 32; shift < 64; shift += 8) {
        size_t place[257] = {0};
        for (size_t i = 0; i < count; i++)
            place[(draws[i] >> shift & 255) + 1]++;
        for (size_t i = 0; i < 256; i++)
            place[i + 1] += place[i];
        for (size_t i = 0; i < count; i++)
            other[place[draws[i] >> shift & 255]++] = draws[i];
        uint64_t *sorted = other;
        other = draws;
        draws = sorted;
    }
}

void sampler_epoch(const struct sampler *sampler, uint64_t epoch, uint32_t *order)
{
    uint64_t key = akin_random_u64(sampler->seed, STREAM_EPOCH, epoch);
    akin_random_permutation(order, (uint32_t)sampler->count, key, STREAM_ORDER);
    make_draws(sampler, key, order, sampler->draws);
    sort_draws(sampler->draws, sampler->draws + sampler->count, sampler->count);
    for (size_t i = 0; i < sampler->count; i++)
        order[i] = (uint32_t)sampler->draws[i];
}
