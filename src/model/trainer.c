/*
 * Self-supervised training over all replicas of this process: set-up, epochs, what is reported. The
 * work of a step is in replica.c, checkpoints in checkpoint.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "trainer.h"

#define STREAM_NORMAL 0x6e6f726d616cu
#define NORMAL_TILES 1024 /* that the bands' means and deviations are taken from */
#define CLUSTERS 64       /* of the balanced sampling */
#define CLUSTER_ROUNDS 12
#define TILES_MIN 4

void akin_train_options_default(struct akin_train_options *out)
{
    *out = (struct akin_train_options){.preset = "r10h",
                                       .input_px = 64,
                                       .epochs = 20,
                                       .batch = 128,
                                       .replicas = akin_cpu_count(),
                                       .seed = 1,
                                       .loss = "ntxent",
                                       .optimiser = "adamw",
                                       .temperature = 0.2,
                                       .weight_decay = 0.01,
                                       .crop_min = 0.35,
                                       .balance = 0.5};
}

/* ---- checking ---- */

static akin_status out_of_range(akin_error *err, const char *what, double value, double low,
                                double high)
{
    return akin_error_set(err, AKIN_ERR_INVALID, "%s %g: it must be from %g to %g", what, value,
                          low, high);
}

static akin_status check(const struct akin_train_options *options,
                         const struct akin_train_tiles *tiles, akin_error *err)
{
    const struct {
        const char *what;
        double value, low, high;
    } ranges[] = {
        {"input", options->input_px, 32, 256},
        {"tiles of a side of", tiles->side_px, 32, 384}, /* as trained_create */
        {"epochs", options->epochs, 1, 100000},
        {"batch", options->batch, TILES_MIN, 4096},
        {"replicas", options->replicas, 1, 256},
        {"temperature", options->temperature, 0.01, 10},
        {"rate", options->rate, 0, 10},
        {"weight decay", options->weight_decay, 0, 1},
        {"smallest crop", options->crop_min, 0.05, 1},
        {"balance", options->balance, 0, 1},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            return out_of_range(err, ranges[i].what, ranges[i].value, ranges[i].low,
                                ranges[i].high);
    if (options->input_px % 32)
        return akin_error_set(err, AKIN_ERR_INVALID, "input %u: it must be a multiple of 32",
                              options->input_px);
    if (tiles->side_px % 16)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "tiles of a side of %u: it must be a multiple of 16", tiles->side_px);
    if (tiles->count < TILES_MIN || tiles->count > UINT32_MAX)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "%zu tiles: learning needs at least %d to tell from each other",
                              tiles->count, TILES_MIN);
    return AKIN_OK;
}

/* ---- set-up ---- */

/* Means and deviations of the bands, over a sample of tiles. */
static akin_status measure_bands(akin_trainer *trainer, akin_error *err)
{
    const struct akin_train_tiles *tiles = &trainer->tiles;
    const size_t pixels = (size_t)tiles->side_px * tiles->side_px;
    size_t count = tiles->count < NORMAL_TILES ? tiles->count : NORMAL_TILES, read = 0;
    double sum[AKIN_BANDS_MAX] = {0}, squares[AKIN_BANDS_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        size_t index = count == tiles->count ? i
                                             : akin_random_below(trainer->options.seed,
                                                                 STREAM_NORMAL, i, tiles->count);
        const uint8_t *tile = tiles->get(tiles->user, index, 0, NULL);
        if (!tile)
            continue;
        read++;
        for (uint32_t b = 0; b < tiles->bands; b++) {
            uint64_t total = 0, square = 0; /* exact: at most 512^2 * 255^2 */
            for (size_t p = b; p < pixels * tiles->bands; p += tiles->bands) {
                total += tile[p];
                square += (uint64_t)tile[p] * tile[p];
            }
            sum[b] += (double)total;
            squares[b] += (double)square;
        }
    }
    if (!read)
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "none of %zu tiles can be read: akin verify says why", count);
    for (uint32_t b = 0; b < tiles->bands; b++) {
        double n = (double)(read * pixels), mean = sum[b] / n;
        double variance = squares[b] / n - mean * mean;
        trainer->normal.mean[b] = (float)mean;
        trainer->normal.scale[b] = (float)(1 / sqrt(variance > 1 ? variance : 1));
    }
    return AKIN_OK;
}

static akin_status make_sampler(akin_trainer *trainer, akin_error *err)
{
    const struct akin_train_tiles *tiles = &trainer->tiles;
    const uint64_t seed = trainer->options.seed;
    uint32_t *cluster = NULL;
    akin_status status = AKIN_OK;
    if (tiles->instant && trainer->options.balance > 0) {
        cluster = akin_alloc(tiles->count, sizeof *cluster);
        status = cluster
                     ? sampler_cluster(cluster, tiles->instant, tiles->count, tiles->instant_dim,
                                       CLUSTERS, CLUSTER_ROUNDS, seed, trainer->pool, err)
                     : akin_error_memory(err, tiles->count * sizeof *cluster, "clusters");
    }
    if (status == AKIN_OK)
        status = sampler_create(&trainer->sampler, tiles->count, cluster, CLUSTERS,
                                cluster ? trainer->options.balance : 0, seed, err);
    akin_free(cluster);
    return status;
}

static akin_status make_replicas(akin_trainer *trainer, akin_error *err)
{
    trainer->replica = akin_alloc_zero(trainer->replicas, sizeof *trainer->replica);
    trainer->handles = akin_alloc_zero(trainer->replicas, sizeof(struct comm *));
    if (!trainer->replica || !trainer->handles)
        return akin_error_memory(err, trainer->replicas * sizeof *trainer->replica, "replicas");
    akin_status status = comm_threads_create(trainer->handles, trainer->replicas, err);
    for (unsigned i = 0; i < trainer->replicas && status == AKIN_OK; i++)
        status = replica_init(&trainer->replica[i], trainer, i, trainer->handles[i], err);
    return status;
}

static akin_status read_options(akin_trainer *trainer, akin_error *err)
{
    struct akin_train_options *options = &trainer->options;
    struct arch arch;
    enum optimiser_kind optimiser;
    akin_status status = arch_init(&arch, options->preset, trainer->tiles.bands, err);
    if (status == AKIN_OK)
        status = loss_find(&trainer->loss, options->loss, err);
    if (status == AKIN_OK)
        status = optimiser_find(&optimiser, options->optimiser, err);
    if (status != AKIN_OK)
        return status;
    arch_table_init(&trainer->table, &arch);
    augment_options_default(&trainer->augment);
    trainer->augment.crop_min = options->crop_min;
    optimiser_options_default(&trainer->optimiser, optimiser);
    trainer->optimiser.weight_decay = options->weight_decay;
    if (options->rate > 0)
        trainer->optimiser.rate = options->rate;
    /* Few tiles: fewer replicas, so that each has at least two, and a smaller batch. */
    size_t batch = options->batch < trainer->tiles.count ? options->batch : trainer->tiles.count;
    trainer->replicas = options->replicas;
    while (batch / trainer->replicas < 2)
        trainer->replicas--;
    trainer->share = (uint32_t)(batch / trainer->replicas);
    trainer->batch = trainer->share * trainer->replicas;
    trainer->steps = trainer->tiles.count / trainer->batch;
    return AKIN_OK;
}

akin_status akin_trainer_create(akin_trainer **out, const struct akin_train_tiles *tiles,
                                const struct akin_train_options *options, akin_error *err)
{
    akin_status status = check(options, tiles, err);
    if (status != AKIN_OK)
        return status;
    akin_trainer *trainer = akin_alloc_zero(1, sizeof *trainer);
    if (!trainer)
        return akin_error_memory(err, sizeof *trainer, "a trainer");
    trainer->options = *options;
    trainer->tiles = *tiles;
    status = read_options(trainer, err);
    if (status == AKIN_OK)
        status = akin_pool_create(&trainer->pool, trainer->replicas, err);
    if (status == AKIN_OK) {
        trainer->decay = akin_alloc(trainer->table.parameter_count, 1);
        trainer->order = akin_alloc(tiles->count, sizeof *trainer->order);
        if (!trainer->decay || !trainer->order)
            status = akin_error_memory(err, tiles->count * sizeof *trainer->order, "a trainer");
    }
    if (status == AKIN_OK) {
        arch_decay_mask(&trainer->table, trainer->decay);
        status = measure_bands(trainer, err);
    }
    if (status == AKIN_OK)
        status = make_sampler(trainer, err);
    if (status == AKIN_OK)
        status = make_replicas(trainer, err);
    if (status == AKIN_OK)
        *out = trainer;
    else
        akin_trainer_free(trainer);
    return status;
}

void akin_trainer_free(akin_trainer *trainer)
{
    if (!trainer)
        return;
    for (unsigned i = 0; trainer->replica && i < trainer->replicas; i++)
        replica_fini(&trainer->replica[i]);
    if (trainer->handles)
        comm_threads_free(trainer->handles, trainer->replicas);
    akin_free(trainer->handles);
    akin_free(trainer->replica);
    sampler_free(trainer->sampler);
    akin_free(trainer->order);
    akin_free(trainer->decay);
    akin_pool_free(trainer->pool);
    akin_free(trainer);
}

size_t akin_trainer_bytes(const akin_trainer *trainer)
{
    size_t bytes = sizeof *trainer;
    for (unsigned i = 0; i < trainer->replicas; i++)
        bytes += replica_bytes(&trainer->replica[i]);
    return bytes;
}

/* ---- epochs ---- */

static void replica_loop(void *user, size_t begin, size_t end, unsigned worker)
{
    akin_trainer *trainer = user;
    (void)worker;
    for (size_t i = begin; i < end; i++)
        replica_run(&trainer->replica[i]);
}

/* Who has left a meeting place has left it for good: after a failure there is another one. */
static akin_status meet_again(akin_trainer *trainer, akin_error *err)
{
    if (!trainer->apart)
        return AKIN_OK;
    comm_threads_free(trainer->handles, trainer->replicas);
    akin_status status = comm_threads_create(trainer->handles, trainer->replicas, err);
    for (unsigned i = 0; i < trainer->replicas && status == AKIN_OK; i++)
        trainer->replica[i].comm = trainer->handles[i];
    trainer->apart = status != AKIN_OK;
    return status;
}

/* The first failure that is not the mere echo of another's leaving. */
static akin_status first_failure(akin_trainer *trainer, akin_error *err)
{
    akin_status echo = AKIN_OK;
    for (unsigned i = 0; i < trainer->replicas; i++) {
        const struct replica *replica = &trainer->replica[i];
        if (replica->status == AKIN_ERR_CANCELLED)
            echo = replica->status;
        else if (replica->status != AKIN_OK) {
            trainer->apart = true;
            return akin_error_set(err, replica->status, "%s", replica->error.text);
        }
    }
    return echo == AKIN_OK ? AKIN_OK : akin_error_set(err, echo, "stopped");
}

/* Nothing is told apart: z is one point, or two views of a tile are no more alike than views of two
 * tiles (which is all that can be seen where the tiles are equal: their views still differ). Of pairs
 * with one and the same cosine c, uniformity is 4 c - 4; it is higher where the cosines differ. */
static bool is_collapsed(const struct watch_report *watch)
{
    return watch->deviation < WATCH_COLLAPSED || 4 * watch->alignment - 4 <= watch->uniformity;
}

static akin_status fill_report(akin_trainer *trainer, struct akin_train_epoch *report,
                               akin_error *err)
{
    const uint64_t in_epoch = (trainer->step - 1) % trainer->steps + 1;
    const size_t rows = 2 * (size_t)trainer->batch;
    struct watch_report watch;
    akin_status status = watch_views(&watch, trainer->replica[0].z, rows, ARCH_OUT, err);
    if (status != AKIN_OK)
        return status;
    *report =
        (struct akin_train_epoch){.epoch = (uint32_t)(trainer->step / trainer->steps),
                                  .epochs = trainer->options.epochs,
                                  .loss = trainer->loss_sum / (double)in_epoch,
                                  .rate = optimiser_rate(&trainer->optimiser, trainer->step - 1,
                                                         trainer->steps * trainer->options.epochs),
                                  .seconds = trainer_clock() - trainer->started,
                                  .alignment = watch.alignment,
                                  .uniformity = watch.uniformity,
                                  .spread = watch.deviation,
                                  .effective_rank = watch.effective_rank,
                                  .collapsed = is_collapsed(&watch)};
    report->views_per_s =
        (double)rows * (double)(trainer->step - trainer->first_step) / report->seconds;
    for (unsigned i = 0; i < trainer->replicas; i++)
        report->tiles_unread += trainer->replica[i].unread;
    return AKIN_OK;
}

akin_status akin_trainer_epoch(akin_trainer *trainer, struct akin_train_epoch *report,
                               const struct akin_talk *talk, akin_error *err)
{
    if (akin_trainer_done(trainer))
        return akin_error_set(err, AKIN_ERR_INVALID, "all %u epochs are done",
                              trainer->options.epochs);
    if (trainer->failed)
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "training failed in the middle of a step: it goes on from a "
                              "checkpoint only");
    akin_status status = meet_again(trainer, err);
    if (status != AKIN_OK)
        return status;
    if (trainer->step % trainer->steps == 0)
        trainer->loss_sum = 0;
    sampler_epoch(trainer->sampler, trainer->step / trainer->steps, trainer->order);
    trainer->talk = talk;
    trainer->started = trainer_clock();
    trainer->first_step = trainer->step;
    akin_pool_for(trainer->pool, trainer->replicas, 1, replica_loop, trainer);
    status = first_failure(trainer, err);
    trainer->failed = status != AKIN_OK && status != AKIN_ERR_CANCELLED;
    if (trainer->failed)
        return status;
    trainer->step = trainer->done_step;
    trainer->loss_sum += trainer->replica[0].loss_sum;
    if (trainer->step == trainer->first_step)
        return status;
    akin_status reported = fill_report(trainer, report, err);
    return status == AKIN_OK ? reported : status;
}

bool akin_trainer_done(const akin_trainer *trainer)
{
    return trainer->step >= trainer->steps * trainer->options.epochs;
}

uint64_t akin_trainer_steps(const akin_trainer *trainer)
{
    return trainer->steps;
}

static void measure_loop(void *user, size_t begin, size_t end, unsigned worker)
{
    akin_trainer *trainer = user;
    (void)worker;
    for (size_t i = begin; i < end; i++)
        replica_rehearse(&trainer->replica[i]);
}

akin_status akin_trainer_measure(akin_trainer *trainer, double *seconds, akin_error *err)
{
    akin_status status = meet_again(trainer, err);
    if (status != AKIN_OK)
        return status;
    sampler_epoch(trainer->sampler, 0, trainer->order);
    for (int i = 0; i < 2; i++) { /* the first warms caches */
        double started = trainer_clock();
        akin_pool_for(trainer->pool, trainer->replicas, 1, measure_loop, trainer);
        status = first_failure(trainer, err);
        if (status != AKIN_OK)
            return status;
        *seconds = trainer_clock() - started;
    }
    return AKIN_OK;
}
