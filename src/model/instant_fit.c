/*
 * Fitting the instant encoder, in the order of its parts:
 *   1. channels: principal axes of the pixels' values;
 *   2. filters: patches of the tiles, contrast-normalised, ZCA-whitened, unit length (Coates and Ng
 *   2012);
 *   3. responses: mean and standard deviation of each filter, folded into its weights and bias.
 *   Both are
 *      linear in the patches' mean and covariance, so that no response is computed for it;
 *   4. features of all views; principal components of both parts.
 *
 * Nothing depends on threads: every number is a function of (seed, place), every sum is made by one
 * thread in a fixed order or by akin_matmul, whose sums do not depend on how rows are shared out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "akin/vec.h"
#include "instant.h"
#include "model_kind.h"

#define TILES_MAX 65536 /* their features are held in memory: 3.4 KB each */
#define VIEWS_MIN 1000  /* fewer tiles are made up to so many */
#define GROUPS 256      /* tiles looked at for pixels and patches */
#define GROUP_PIXELS 256
#define GROUP_PATCHES 32
#define PATCHES (GROUPS * GROUP_PATCHES)
#define PATCH_VARIANCE_FLOOR                                                                       \
    0.01 /* in units of the first channel's variance: flat patches stay faint */
#define WHITENING_FLOOR 0.1
#define RESPONSE_MIN 1e-4 /* standard deviation of a filter that never says anything */
#define BLOCK 256         /* views between two looks at whether to stop */

/* Streams of random numbers under the encoder's seed. */
enum { STREAM_PIXEL = 0x100, STREAM_PATCH, STREAM_TURN, STREAM_SIDE, STREAM_LEFT, STREAM_TOP };

struct fit {
    struct instant *instant;
    size_t tiles, views, begin; /* begin: of the block at work */
    const uint8_t *const *inputs, *const *filled;
    unsigned char *memory; /* (threads, memory_bytes): scratch, then a view's input and mask */
    size_t memory_bytes, scratch_bytes;
    float *rcf, *histogram; /* (views, rcf_size), (views, histogram_size) */
    uint8_t *use;           /* (views): 0 where there was nothing to see */
    float *embeddings;
};

static const uint8_t *filled_of(const struct fit *fit, size_t tile)
{
    return fit->filled ? fit->filled[tile] : NULL;
}

/* GROUPS tiles spread evenly over all; few tiles come several times. */
static size_t group_tile(const struct fit *fit, size_t group)
{
    return fit->tiles < GROUPS ? group % fit->tiles : group * fit->tiles / GROUPS;
}

/* ---- 1. channels ---- */

/* (GROUPS * GROUP_PIXELS, bands) random pixels that are not filled; returns how many there are. */
static size_t gather_pixels(const struct fit *fit, float *out)
{
    const struct akin_instant_options *options = &fit->instant->options;
    size_t pixels = (size_t)options->input_px * options->input_px, count = 0;
    for (size_t i = 0; i < (size_t)GROUPS * GROUP_PIXELS; i++) {
        size_t tile = group_tile(fit, i / GROUP_PIXELS);
        size_t at = akin_random_below(options->seed, STREAM_PIXEL, i, pixels);
        if (filled_of(fit, tile) && !filled_of(fit, tile)[at])
            continue;
        for (uint32_t band = 0; band < options->bands; band++)
            out[count * options->bands + band] = fit->inputs[tile][at * options->bands + band];
        count++;
    }
    return count;
}

/* Floors: a collection of nearly one colour must not have its noise taken for colours. */
static void set_channels(struct instant *instant, const double *values, const double *vectors)
{
    uint32_t bands = instant->options.bands;
    double first = fmax(sqrt(fmax(values[0], 0)), 2 * sqrt(bands));
    for (uint32_t c = 0; c < instant->channels; c++) {
        double deviation = c ? fmax(sqrt(fmax(values[c], 0)), 1) : first;
        instant->colour_scale[c] = (float)(first / deviation);
        for (uint32_t b = 0; b < bands; b++)
            instant->band_axes[c * bands + b] = (float)(vectors[c * bands + b] / first);
    }
}

static akin_status fit_channels(struct fit *fit, akin_pool *pool, akin_error *err)
{
    akin_status status;
    size_t bands = fit->instant->options.bands;
    float *pixels = akin_alloc((size_t)GROUPS * GROUP_PIXELS * bands, sizeof *pixels);
    double *doubles = akin_alloc(bands * (2 * bands + 1), sizeof *doubles);
    if (!pixels || !doubles) {
        status = akin_error_memory(err, (size_t)GROUPS * GROUP_PIXELS * bands * sizeof *pixels,
                                   "a sample of pixels");
        goto out;
    }
    double *covariance = doubles, *vectors = covariance + bands * bands;
    double *values = vectors + bands * bands;
    size_t count = gather_pixels(fit, pixels);
    pca_centre(pixels, fit->instant->band_mean, count, bands);
    status = pca_covariance(covariance, pixels, count, bands, pool, err);
    if (status == AKIN_OK)
        status = akin_eigen_symmetric(values, vectors, bands, covariance, bands, err);
    if (status == AKIN_OK)
        set_channels(fit->instant, values, vectors);
out:
    akin_free(pixels);
    akin_free(doubles);
    return status;
}

/* ---- 2. and 3. filters and their responses ---- */

static void gather_patches(const struct fit *fit, float *out)
{
    const struct instant *instant = fit->instant;
    const struct akin_instant_options *options = &instant->options;
    size_t px = options->input_px, patch = options->patch_px, places = px - patch + 1;
    for (size_t i = 0; i < PATCHES; i++) {
        size_t tile = group_tile(fit, i / GROUP_PATCHES);
        size_t at = akin_random_below(options->seed, STREAM_PATCH, i, places * places);
        size_t y = at / places, x = at % places;
        for (size_t row = 0; row < patch; row++, out += patch * instant->channels)
            instant_channels(instant, fit->inputs[tile] + ((y + row) * px + x) * options->bands,
                             patch, out);
    }
}

/* Zero mean, unit contrast where there is any. */
static void normalise_patch(float *patch, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        sum += patch[i];
    for (size_t i = 0; i < n; i++) {
        patch[i] -= (float)(sum / (double)n);
        squares += patch[i] * patch[i];
    }
    float scale = (float)(1 / sqrt(squares / (double)n + PATCH_VARIANCE_FLOOR));
    for (size_t i = 0; i < n; i++)
        patch[i] *= scale;
}

/* zca (n, n) = V^T diag(1 / sqrt(value + floor)) V: whitens and turns back, so that patches stay
 * patches. */
static void make_zca(float *zca, const double *values, const double *vectors, size_t n)
{
    float vector[INSTANT_PATCH_VALUES_MAX];
    memset(zca, 0, n * n * sizeof *zca);
    for (size_t e = 0; e < n; e++) {
        double scale = 1 / sqrt(fmax(values[e], 0) + WHITENING_FLOOR);
        for (size_t j = 0; j < n; j++)
            vector[j] = (float)vectors[e * n + j];
        for (size_t i = 0; i < n; i++)
            akin_kernels()->axpy(zca + i * n, (float)(vectors[e * n + i] * scale), vector, n);
    }
}

/* What steps 2 and 3 work with. n = instant->patch_values. */
struct patches {
    float *raw, *normal; /* (PATCHES, n) */
    float *zca;          /* (n, n) */
    float *mean;         /* (n) */
    double *covariance, *vectors, *values;
};

/* Filter f begins as one patch of tile f, in the ZCA's coordinates; multiplied by it once more, it
 * applies to raw patches. w, unit (n). */
static void make_filter(float *w, float *unit, const struct patches *patches, size_t f, size_t n)
{
    const struct akin_kernels *kernels = akin_kernels();
    const float *patch = patches->normal + (f % GROUPS * GROUP_PATCHES + f / GROUPS) * n;
    for (size_t i = 0; i < n; i++)
        unit[i] = kernels->dot(patches->zca + i * n, patch, n);
    akin_normalize(unit, n);
    for (size_t i = 0; i < n; i++)
        w[i] = kernels->dot(patches->zca + i * n, unit, n);
}

/* Packs w, scaled so that its responses have mean 0 and standard deviation 1 within a tile, less
 * the dead zone, as the kernel wants them. */
static void set_filter(struct instant *instant, size_t f, const float *w,
                       const struct patches *patches)
{
    size_t n = instant->patch_values;
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += patches->covariance[i * n + j] * w[j];
        variance += sum * w[i];
        mean += (double)patches->mean[i] * w[i];
    }
    double deviation = sqrt(fmax(variance, 0));
    double scale = deviation > RESPONSE_MIN ? 1 / deviation : 0;
    float *packed = instant->filters + f / 16 * n * 16 + f % 16;
    for (size_t i = 0; i < n; i++)
        packed[i * 16] = (float)(w[i] * scale);
    instant->bias[f] = (float)(-mean * scale) - INSTANT_DEAD_ZONE;
}

/* The mean of all patches, and what each differs by from its tile's mean. */
static void centre_groups(struct patches *patches, size_t n)
{
    float *tile_mean = patches->zca; /* free by now, and large enough */
    memset(patches->mean, 0, n * sizeof *patches->mean);
    for (size_t g = 0; g < GROUPS; g++) {
        pca_centre(patches->raw + g * GROUP_PATCHES * n, tile_mean, GROUP_PATCHES, n);
        akin_kernels()->axpy(patches->mean, 1.0f / GROUPS, tile_mean, n);
    }
}

static akin_status fit_from_patches(struct fit *fit, struct patches *patches, float *w,
                                    akin_pool *pool, akin_error *err)
{
    struct instant *instant = fit->instant;
    size_t n = instant->patch_values, filters = instant->options.filters;
    gather_patches(fit, patches->raw);
    memcpy(patches->normal, patches->raw, PATCHES * n * sizeof *patches->raw);
    for (size_t i = 0; i < PATCHES; i++)
        normalise_patch(patches->normal + i * n, n);
    pca_centre(patches->normal, patches->mean, PATCHES, n);
    akin_status status =
        pca_covariance(patches->covariance, patches->normal, PATCHES, n, pool, err);
    if (status == AKIN_OK)
        status =
            akin_eigen_symmetric(patches->values, patches->vectors, n, patches->covariance, n, err);
    if (status != AKIN_OK)
        return status;
    make_zca(patches->zca, patches->values, patches->vectors, n);
    for (size_t f = 0; f < filters; f++)
        make_filter(w + f * n, patches->mean, patches, f, n);
    centre_groups(patches, n);
    status = pca_covariance(patches->covariance, patches->raw, PATCHES, n, pool, err);
    for (size_t f = 0; status == AKIN_OK && f < filters; f++)
        set_filter(instant, f, w + f * n, patches);
    return status;
}

static akin_status fit_filters(struct fit *fit, akin_pool *pool, akin_error *err)
{
    akin_status status;
    size_t n = fit->instant->patch_values, filters = fit->instant->options.filters;
    size_t floats = n * (2 * (size_t)PATCHES + n + 1 + filters);
    float *memory = akin_alloc(floats, sizeof *memory);
    double *doubles = akin_alloc(n * (2 * n + 1), sizeof *doubles);
    if (!memory || !doubles) {
        status = akin_error_memory(err, floats * sizeof *memory, "a sample of patches");
        goto out;
    }
    struct patches patches = {.raw = memory,
                              .normal = memory + PATCHES * n,
                              .zca = memory + 2 * PATCHES * n,
                              .mean = memory + (2 * PATCHES + n) * n,
                              .covariance = doubles,
                              .vectors = doubles + n * n,
                              .values = doubles + 2 * n * n};
    status = fit_from_patches(fit, &patches, patches.mean + n, pool, err);
out:
    akin_free(memory);
    akin_free(doubles);
    return status;
}

/* ---- 4. features ---- */

/* Where a view's cell comes from in its tile: a square window, turned or mirrored in one of eight
 * ways. */
struct view {
    float left, top, step;
    unsigned turn;
};

static struct view choose_view(const struct akin_instant_options *options, size_t number)
{
    uint64_t seed = options->seed, px = options->input_px;
    uint64_t side = px - akin_random_below(seed, STREAM_SIDE, number, px / 2 + 1);
    struct view view = {
        .left = (float)akin_random_below(seed, STREAM_LEFT, number, px - side + 1),
        .top = (float)akin_random_below(seed, STREAM_TOP, number, px - side + 1),
        .step = (float)side / (float)px,
        .turn = (unsigned)akin_random_below(seed, STREAM_TURN, number, 8),
    };
    return view;
}

/* The lower of the two pixels around `at`, and the upper's share; px >= 2. */
static size_t lower_pixel(float at, size_t px, float *upper)
{
    at = at > 0 ? at : 0;
    size_t lower = (size_t)at < px - 2 ? (size_t)at : px - 2;
    *upper = at - (float)lower < 1 ? at - (float)lower : 1;
    return lower;
}

/* One cell of a view, between four pixels. `there` (may be NULL) of the nearest. */
static void sample(const uint8_t *input, const uint8_t *filled, size_t px, size_t bands, float x,
                   float y, uint8_t *out, uint8_t *there)
{
    float right, low;
    size_t column = lower_pixel(x, px, &right), row = lower_pixel(y, px, &low);
    const uint8_t *at = input + (row * px + column) * bands;
    for (size_t b = 0; b < bands; b++) {
        float above = (float)at[b] + right * ((float)at[bands + b] - (float)at[b]);
        const uint8_t *under = at + px * bands;
        float below = (float)under[b] + right * ((float)under[bands + b] - (float)under[b]);
        out[b] = (uint8_t)(above + low * (below - above) + 0.5f);
    }
    if (filled)
        *there = filled[(row + (low >= 0.5f)) * px + column + (right >= 0.5f)];
}

static void make_view(const struct fit *fit, size_t number, uint8_t *out, uint8_t *out_filled)
{
    const struct akin_instant_options *options = &fit->instant->options;
    size_t px = options->input_px, bands = options->bands, tile = number % fit->tiles;
    struct view view = choose_view(options, number);
    for (size_t i = 0; i < px * px; i++) {
        size_t x = i % px, y = i / px;
        x = view.turn & 1 ? px - 1 - x : x;
        y = view.turn & 2 ? px - 1 - y : y;
        size_t u = view.turn & 4 ? y : x, v = view.turn & 4 ? x : y;
        sample(fit->inputs[tile], filled_of(fit, tile), px, bands,
               view.left + ((float)u + 0.5f) * view.step - 0.5f,
               view.top + ((float)v + 0.5f) * view.step - 0.5f, out + i * bands, out_filled + i);
    }
}

static void features_body(void *user, size_t begin, size_t end, unsigned worker)
{
    struct fit *fit = user;
    const struct instant *instant = fit->instant;
    struct instant_scratch scratch;
    unsigned char *memory = fit->memory + worker * fit->memory_bytes;
    uint8_t *input = memory + fit->scratch_bytes;
    size_t pixels = (size_t)instant->options.input_px * instant->options.input_px;
    uint8_t *filled = input + pixels * instant->options.bands;
    instant_scratch_init(&scratch, instant, memory);
    for (size_t i = fit->begin + begin; i < fit->begin + end; i++) {
        const uint8_t *from = fit->inputs[i % fit->tiles], *mask = filled_of(fit, i % fit->tiles);
        if (i >= fit->tiles) {
            make_view(fit, i, input, filled);
            from = input;
            mask = mask ? filled : NULL;
        }
        fit->use[i] =
            instant_features(instant, &scratch, from, mask, fit->rcf + i * instant->rcf_size,
                             fit->histogram + i * instant->histogram_size);
    }
}

static akin_status make_features(struct fit *fit, akin_pool *pool, const struct akin_talk *talk,
                                 akin_error *err)
{
    for (fit->begin = 0; fit->begin < fit->views; fit->begin += BLOCK) {
        size_t left = fit->views - fit->begin;
        struct akin_progress progress = {
            .what = "tiles looked at", .done = fit->begin, .total = fit->views};
        if (!akin_progress(talk, &progress))
            return akin_error_set(err, AKIN_ERR_CANCELLED, "stopped while fitting the encoder");
        akin_pool_for(pool, left < BLOCK ? left : BLOCK, 1, features_body, fit);
    }
    return AKIN_OK;
}

static void embed_body(void *user, size_t begin, size_t end, unsigned worker)
{
    struct fit *fit = user;
    const struct instant *instant = fit->instant;
    size_t dim = instant->rcf.out + instant->histogram.out;
    (void)worker;
    for (size_t i = begin; i < end; i++) {
        if (fit->use[i])
            instant_project(instant, fit->rcf + i * instant->rcf_size,
                            fit->histogram + i * instant->histogram_size,
                            fit->embeddings + i * dim);
        else
            memset(fit->embeddings + i * dim, 0, dim * sizeof(float));
    }
}

static akin_status allocate(struct fit *fit, akin_pool *pool, akin_error *err)
{
    const struct instant *instant = fit->instant;
    size_t px = instant->options.input_px, threads = akin_pool_threads(pool);
    size_t row = instant->rcf_size + instant->histogram_size;
    fit->scratch_bytes = instant_scratch_bytes(instant);
    fit->memory_bytes = fit->scratch_bytes + px * px * (instant->options.bands + 1);
    fit->memory_bytes = (fit->memory_bytes + AKIN_ALIGN - 1) / AKIN_ALIGN * AKIN_ALIGN;
    fit->memory = akin_alloc(threads, fit->memory_bytes);
    fit->use = akin_alloc_zero(fit->views, 1);
    fit->rcf = akin_alloc(fit->views, row * sizeof(float));
    if (!fit->memory || !fit->use || !fit->rcf)
        return akin_error_memory(err, fit->views * row * sizeof(float), "features to fit on");
    fit->histogram = fit->rcf + fit->views * instant->rcf_size;
    return AKIN_OK;
}

/* The two analyses side by side: an eigenproblem keeps one thread busy, and the larger hides the smaller. */
struct components {
    struct fit *fit;
    akin_status status[2];
    akin_error error[2];
};

static void components_body(void *user, size_t begin, size_t end, unsigned worker)
{
    struct components *both = user;
    struct fit *fit = both->fit;
    struct instant *instant = fit->instant;
    (void)worker;
    for (size_t i = begin; i < end; i++)
        both->status[i] =
            pca_fit(i ? &instant->histogram : &instant->rcf, i ? fit->histogram : fit->rcf,
                    fit->use, fit->views, instant->options.power, NULL, &both->error[i]);
}

static akin_status fit_components(struct fit *fit, akin_pool *pool, akin_error *err)
{
    struct components both = {.fit = fit};
    akin_pool_for(pool, 2, 1, components_body, &both);
    for (int i = 0; i < 2; i++)
        if (both.status[i] != AKIN_OK)
            return akin_error_set(err, both.status[i], "%s", both.error[i].text);
    return AKIN_OK;
}

static akin_status fit_all(struct fit *fit, akin_pool *pool, const struct akin_talk *talk,
                           akin_error *err)
{
    akin_status status = allocate(fit, pool, err);
    if (status == AKIN_OK)
        status = fit_channels(fit, pool, err);
    if (status == AKIN_OK)
        status = fit_filters(fit, pool, err);
    if (status == AKIN_OK)
        status = make_features(fit, pool, talk, err);
    if (status == AKIN_OK)
        status = fit_components(fit, pool, err);
    if (status == AKIN_OK && fit->embeddings)
        akin_pool_for(pool, fit->tiles, 0, embed_body, fit);
    return status;
}

akin_status akin_instant_fit(akin_model **out, const char *name,
                             const struct akin_instant_options *options, size_t n,
                             const uint8_t *const *inputs, const uint8_t *const *filled,
                             float *embeddings, akin_pool *pool, const struct akin_talk *talk,
                             akin_error *err)
{
    akin_status status = akin_model_check_name(name, err);
    if (status != AKIN_OK)
        return status;
    if (n < 1 || n > TILES_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "the instant encoder is fitted on 1 to %d tiles, not on %zu",
                              TILES_MAX, n);
    struct fit fit = {.tiles = n,
                      .views = n < VIEWS_MIN ? VIEWS_MIN : n,
                      .inputs = inputs,
                      .filled = filled,
                      .embeddings = embeddings};
    struct akin_model_info info = {.seed = options->seed, .fitted_tiles = n};
    status = instant_create(&fit.instant, options, err);
    if (status == AKIN_OK)
        status = fit_all(&fit, pool, talk, err);
    if (status == AKIN_OK)
        status = model_create(out, name, &instant_kind, fit.instant, &info, err);
    if (status != AKIN_OK)
        instant_free(fit.instant);
    akin_free(fit.memory);
    akin_free(fit.use);
    akin_free(fit.rcf);
    return status;
}
