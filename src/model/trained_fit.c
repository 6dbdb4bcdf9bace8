/*
 * From a trainer's weights to an encoder: features of a sample of tiles, principal components of
 * both parts, and how well each part keeps a tile's neighbours when the tile is turned (the judge
 * that needs no labels).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "model_kind.h"
#include "trained.h"
#include "trainer.h"

#define STREAM_SAMPLE 0x73616d706c65u
#define TILES_MAX 8192  /* that the components are fitted on */
#define JUDGED_MAX 1024 /* that the neighbours are compared on */
#define JUDGED_TURN 5   /* mirrored and a quarter turned */
#define NEIGHBOURS 10
#define POWER 0.3       /* of the net's whitening; the instant vector is whitened already */
#define NET_WEIGHT 0.7f /* beside the instant part's 1: docs/MODEL.md */

struct fit {
    const akin_trainer *trainer;
    struct trained *trained;
    struct trained_scratch **scratch; /* one a worker */
    uint8_t **pixels;                 /* (workers): a batch of tiles and masks, copied */
    size_t count, judged;
    uint32_t *sample; /* (count) */
    float *net, *instant, *turned_net, *turned_instant;
    bool *there;  /* (count) */
    uint8_t *use; /* (count): the same as pca_fit wants it */
    unsigned d4;
    size_t done;
    const struct akin_talk *talk;
    akin_status status;
    akin_error error;
};

/* ---- features of the sample ---- */

/* Reads tiles [first, first + n) of the sample; those that cannot be read are black, and not
 * there. */
static void read_batch(struct fit *fit, unsigned worker, size_t first, size_t n,
                       const uint8_t **inputs, const uint8_t **masks, bool *readable)
{
    const struct akin_train_tiles *tiles = &fit->trainer->tiles;
    const size_t pixels = (size_t)tiles->side_px * tiles->side_px;
    const size_t bytes = pixels * (tiles->bands + 1);
    for (size_t i = 0; i < n; i++) {
        uint8_t *copy = fit->pixels[worker] + i * bytes;
        const uint8_t *mask = NULL;
        const uint8_t *tile = tiles->get(tiles->user, fit->sample[first + i], worker, &mask);
        readable[i] = tile != NULL;
        inputs[i] = copy;
        masks[i] = tile && mask ? copy + pixels * tiles->bands : NULL;
        if (tile)
            memcpy(copy, tile, pixels * tiles->bands);
        else
            memset(copy, 0, pixels * tiles->bands);
        if (masks[i])
            memcpy(copy + pixels * tiles->bands, mask, pixels);
    }
}

static void features_loop(void *user, size_t begin, size_t end, unsigned worker)
{
    struct fit *fit = user;
    const size_t net = fit->trained->net_pca.in, instant = fit->trained->instant_pca.in;
    for (size_t b = begin; b < end && fit->status == AKIN_OK; b++) {
        const uint8_t *inputs[TRAINED_BATCH_MAX], *masks[TRAINED_BATCH_MAX];
        bool readable[TRAINED_BATCH_MAX], there[TRAINED_BATCH_MAX] = {false};
        const size_t batch = trained_batch();
        size_t first = b * batch, count = fit->d4 ? fit->judged : fit->count;
        size_t n = count - first < batch ? count - first : batch;
        akin_error err = {0};
        read_batch(fit, worker, first, n, inputs, masks, readable);
        akin_status status = trained_features(
            fit->trained, fit->scratch[worker], n, inputs, masks, fit->d4,
            (fit->d4 ? fit->turned_net : fit->net) + first * net,
            (fit->d4 ? fit->turned_instant : fit->instant) + first * instant, there, &err);
        for (size_t i = 0; i < n && !fit->d4; i++)
            fit->use[first + i] = fit->there[first + i] = there[i] && readable[i];
        if (status != AKIN_OK) {
            fit->error = err;
            fit->status = status;
        }
    }
}

static akin_status make_features(struct fit *fit, unsigned d4, akin_error *err)
{
    size_t count = d4 ? fit->judged : fit->count, batch = trained_batch();
    fit->d4 = d4;
    akin_pool_for(fit->trainer->pool, (count + batch - 1) / batch, 1, features_loop, fit);
    if (fit->status != AKIN_OK)
        return akin_error_set(err, fit->status, "%s", fit->error.text);
    return AKIN_OK;
}

/* ---- which part keeps its neighbours ---- */

static akin_status judge(struct fit *fit, akin_error *err)
{
    struct trained *trained = fit->trained;
    const size_t net = trained->net_pca.in, instant = trained->instant_pca.in, n = fit->judged;
    const size_t dim = (size_t)trained->net_pca.out + trained->instant_pca.out;
    float *plain = akin_alloc_zero(n, dim * sizeof *plain);
    float *turned = akin_alloc_zero(n, dim * sizeof *turned);
    float *work = akin_alloc(net + instant, sizeof *work);
    akin_status status = AKIN_OK;
    if (!plain || !turned || !work)
        status = akin_error_memory(err, n * dim * sizeof *plain, "vectors to compare");
    for (unsigned parts = 1; parts <= 3 && status == AKIN_OK; parts++) {
        double kept = 0;
        for (size_t i = 0; i < n; i++)
            for (int t = 0; t < 2; t++) {
                memcpy(work, (t ? fit->turned_net : fit->net) + i * net, net * sizeof *work);
                memcpy(work + net, (t ? fit->turned_instant : fit->instant) + i * instant,
                       instant * sizeof *work);
                trained_project(trained, work, work + net, parts, (t ? turned : plain) + i * dim);
            }
        status =
            watch_agreement(&kept, plain, dim, turned, dim, n, NEIGHBOURS, fit->trainer->pool, err);
        trained->agreement[parts - 1] = (float)kept;
    }
    akin_free(plain);
    akin_free(turned);
    akin_free(work);
    return status;
}

/* ---- all of it ---- */

static akin_status allocate(struct fit *fit, akin_error *err)
{
    const struct trained *trained = fit->trained;
    const struct akin_train_tiles *tiles = &fit->trainer->tiles;
    const unsigned workers = akin_pool_threads(fit->trainer->pool);
    const size_t floats = (size_t)trained->net_pca.in + trained->instant_pca.in;
    const size_t bytes = (size_t)tiles->side_px * tiles->side_px * (tiles->bands + 1);
    fit->net = akin_alloc(fit->count, floats * sizeof(float));
    fit->turned_net = akin_alloc(fit->judged, floats * sizeof(float));
    fit->there = akin_alloc_zero(fit->count, sizeof *fit->there);
    fit->use = akin_alloc_zero(fit->count, 1);
    fit->scratch = akin_alloc_zero(workers, sizeof(struct trained_scratch *));
    fit->pixels = akin_alloc_zero(workers, sizeof(uint8_t *));
    if (!fit->net || !fit->turned_net || !fit->there || !fit->use || !fit->scratch || !fit->pixels)
        return akin_error_memory(err, fit->count * floats * sizeof(float), "features to fit on");
    fit->instant = fit->net + fit->count * trained->net_pca.in;
    fit->turned_instant = fit->turned_net + fit->judged * trained->net_pca.in;
    for (unsigned i = 0; i < workers; i++) {
        fit->pixels[i] = akin_alloc(trained_batch(), bytes);
        if (!fit->pixels[i])
            return akin_error_memory(err, trained_batch() * bytes, "a batch of tiles");
        akin_status status = trained_scratch_create(&fit->scratch[i], trained, err);
        if (status != AKIN_OK)
            return status;
    }
    return AKIN_OK;
}

static void release(struct fit *fit)
{
    for (unsigned i = 0; i < akin_pool_threads(fit->trainer->pool); i++) {
        if (fit->scratch)
            trained_scratch_free(fit->scratch[i]);
        if (fit->pixels)
            akin_free(fit->pixels[i]);
    }
    akin_free(fit->scratch);
    akin_free(fit->pixels);
    akin_free(fit->net);
    akin_free(fit->turned_net);
    akin_free(fit->there);
    akin_free(fit->use);
    akin_free(fit->sample);
}

static akin_status draw_sample(struct fit *fit, akin_error *err)
{
    const akin_trainer *trainer = fit->trainer;
    size_t all = trainer->tiles.count;
    fit->sample = akin_alloc(all, sizeof *fit->sample);
    if (!fit->sample)
        return akin_error_memory(err, all * sizeof *fit->sample, "a sample");
    akin_random_permutation(fit->sample, (uint32_t)all, trainer->options.seed, STREAM_SAMPLE);
    fit->count = all < TILES_MAX ? all : TILES_MAX;
    fit->judged = all < JUDGED_MAX ? all : JUDGED_MAX;
    return AKIN_OK;
}

/* Weights as they are now, and the instant encoder's. */
static akin_status copy_weights(struct fit *fit, const struct instant *instant, akin_error *err)
{
    const akin_trainer *trainer = fit->trainer;
    const struct replica *replica = &trainer->replica[0];
    const struct akin_train_tiles *tiles = &trainer->tiles;
    akin_status status = trained_create(
        &fit->trained, trainer->table.arch.preset, tiles->side_px, trainer->options.input_px,
        (uint32_t)(trainer->step / trainer->steps), &instant->options, err);
    if (status != AKIN_OK)
        return status;
    struct trained *trained = fit->trained;
    memcpy(trained->mean, trainer->normal.mean, tiles->bands * sizeof(float));
    memcpy(trained->scale, trainer->normal.scale, tiles->bands * sizeof(float));
    memcpy(trained->parameters, replica->parameters,
           trained_parameter_count(&trained->table) * sizeof(float));
    memcpy(trained->statistics, replica->statistics,
           trained_statistic_count(&trained->table) * sizeof(float));
    memcpy(trained->instant->band_mean, instant->band_mean, instant->weight_count * sizeof(float));
    trained->part_weight[0] = 1;
    trained->part_weight[1] = NET_WEIGHT;
    return AKIN_OK;
}

/* Components of nothing would be an encoder that says nothing. */
static akin_status check_there(const struct fit *fit, akin_error *err)
{
    if (memchr(fit->use, 1, fit->count))
        return AKIN_OK;
    return akin_error_set(err, AKIN_ERR_CORRUPT,
                          "of none of %zu tiles there is anything to read: akin verify says why",
                          fit->count);
}

static akin_status fit_all(struct fit *fit, akin_error *err)
{
    struct trained *trained = fit->trained;
    akin_pool *pool = fit->trainer->pool;
    akin_status status = allocate(fit, err);
    if (status == AKIN_OK)
        status = make_features(fit, 0, err);
    if (status == AKIN_OK)
        status = check_there(fit, err);
    if (status == AKIN_OK)
        status = pca_fit(&trained->net_pca, fit->net, fit->use, fit->count, POWER, pool, err);
    if (status == AKIN_OK)
        status = pca_fit(&trained->instant_pca, fit->instant, fit->use, fit->count, 0, pool, err);
    if (status == AKIN_OK)
        status = make_features(fit, JUDGED_TURN, err);
    return status == AKIN_OK ? judge(fit, err) : status;
}

akin_status akin_trainer_encoder(akin_model **out, const akin_trainer *trainer,
                                 const akin_model *instant, const char *name,
                                 const struct akin_talk *talk, akin_error *err)
{
    struct fit fit = {.trainer = trainer, .talk = talk};
    akin_status status = akin_model_check_name(name, err);
    if (status == AKIN_OK && instant->kind != &instant_kind)
        status = akin_error_set(err, AKIN_ERR_INVALID, "'%s' is not an instant encoder",
                                instant->info.name);
    if (status == AKIN_OK && instant->info.bands != trainer->tiles.bands)
        status = akin_error_set(err, AKIN_ERR_INVALID, "'%s' has %u bands, the tiles have %u",
                                instant->info.name, instant->info.bands, trainer->tiles.bands);
    if (status != AKIN_OK)
        return status;
    akin_log(talk, AKIN_LEVEL_INFO, "model", "fitting the encoder's components");
    status = copy_weights(&fit, instant->state, err);
    if (status == AKIN_OK)
        status = draw_sample(&fit, err);
    if (status == AKIN_OK)
        status = fit_all(&fit, err);
    const struct akin_model_info info = {.seed = instant->info.seed, .fitted_tiles = fit.count};
    if (status == AKIN_OK)
        status = model_create(out, name, &trained_kind, fit.trained, &info, err);
    if (status != AKIN_OK)
        trained_free(fit.trained);
    release(&fit);
    return status;
}
