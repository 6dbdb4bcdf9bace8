/*
 * akin_learn: options and collection, then the epochs (lessons.c), then the encoder is saved and the
 * collection embedded. The collection is only read until then, so that it can be added to
 * meanwhile; what is added after the choice of tiles is not learnt from, but embedded like the rest.
 *
 * The checkpoint goes last of all: whenever the process is killed, a resume finds it and does what
 * is left, be it only to embed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "learn_private.h"

#define FOLDER_SUFFIX ".training"
#define WAIT_MS 500 /* between two tries at a collection that is being written to */

/* ---- what is there ---- */

static akin_status check_names(struct run *run)
{
    const char *name = run->report->name;
    char training[2 * AKIN_NAME_MAX];
    struct akin_file_stat stat;
    akin_error *err = run->err;
    snprintf(training, sizeof training, "%s" FOLDER_SUFFIX, name);
    if (akin_text_ends_with(name, FOLDER_SUFFIX) || akin_model_exists(run->dir, training))
        return akin_error_set(
            err, AKIN_ERR_INVALID,
            "'%s' is no name to learn under: " FOLDER_SUFFIX " marks what is learning", name);
    bool began = akin_file_stat(&stat, run->checkpoint, NULL) == AKIN_OK;
    bool there = akin_model_exists(run->dir, name);
    if (run->options->resume && !began)
        return there ? akin_error_set(err, AKIN_ERR_NOT_FOUND,
                                      "'%s' has learnt to its end: there is nothing to go on with "
                                      "('akin embed %s --model %s' embeds what it lacks)",
                                      name, run->dir, name)
                     : akin_error_set(err, AKIN_ERR_NOT_FOUND,
                                      "there is no checkpoint '%s' to go on from", run->checkpoint);
    if (run->options->resume || run->options->dry_run)
        return AKIN_OK;
    if (began)
        return akin_error_set(
            err, AKIN_ERR_EXISTS,
            "'%s' is learning, or was stopped while it did: --resume goes on with "
            "it, another --name begins anew",
            name);
    if (there)
        return akin_error_set(err, AKIN_ERR_EXISTS,
                              "there is an encoder '%s' already: take another --name", name);
    return AKIN_OK;
}

static akin_status open_collection(struct run *run)
{
    char models[AKIN_PATH_MAX], name[2 * AKIN_NAME_MAX], *used = NULL;
    snprintf(name, sizeof name, "%s" FOLDER_SUFFIX, run->report->name);
    akin_status status = akin_catalog_open(&run->catalog, run->dir, AKIN_OPEN_READ, run->err);
    if (status == AKIN_OK)
        status = akin_path_join(models, run->dir, "models", run->err);
    if (status == AKIN_OK)
        status = akin_path_join(run->folder, models, name, run->err);
    if (status == AKIN_OK)
        status = akin_path_join(run->checkpoint, run->folder, "checkpoint.bin", run->err);
    if (status != AKIN_OK)
        return status;
    if (!akin_catalog_settings(run->catalog)->chips)
        return akin_error_set(run->err, AKIN_ERR_UNSUPPORTED,
                              "'%s' keeps no chips (akin init --no-chips), so there is nothing to "
                              "learn from",
                              run->dir);
    status = akin_catalog_value_get(run->catalog, AKIN_VALUE_MODEL, &used, run->err);
    if (status == AKIN_ERR_NOT_FOUND)
        return akin_error_set(run->err, status,
                              "the collection has no tiles yet: take imagery in with 'akin add'");
    if (status == AKIN_OK)
        snprintf(run->used, sizeof run->used, "%s", used);
    akin_free(used);
    return status;
}

/* The run's folder, ours alone. */
static akin_status take_folder(struct run *run)
{
    char path[AKIN_PATH_MAX];
    akin_status status = akin_dir_create(run->folder, run->err);
    if (status == AKIN_OK)
        status = akin_path_join(path, run->folder, "lock", run->err);
    if (status == AKIN_OK)
        status = akin_lock_take(&run->lock, path, run->err);
    return status == AKIN_OK ? akin_dir_sweep(run->folder, run->err) : status;
}

/* ---- before the first epoch ---- */

static akin_status choose(struct run *run)
{
    const struct akin_learn_options *options = run->options;
    struct akin_catalog_counts counts;
    akin_status status = options->resume ? tiles_load(&run->choice, run->folder, run->err)
                                         : choose_tiles(&run->choice, run->catalog, run->used,
                                                        run->recipe.train.seed, run->err);
    if (status == AKIN_OK && !options->resume)
        status = choose_instant(run->recipe.instant, run->catalog, run->used, run->err);
    if (status == AKIN_OK)
        status = akin_model_open(&run->instant, run->dir, run->recipe.instant, run->err);
    if (status == AKIN_OK)
        status = choose_vectors(&run->choice, run->catalog, run->instant, run->err);
    if (status == AKIN_OK)
        status = akin_catalog_count(run->catalog, &counts, run->err);
    if (status != AKIN_OK)
        return status;
    run->report->tiles = run->choice.count;
    run->report->tiles_all = counts.tiles_kept;
    if (run->choice.all > AKIN_LEARN_TILES_MAX)
        akin_log(&run->talk, AKIN_LEVEL_INFO, STAGE,
                 "learning from %zu of %" PRIu64 " tiles, drawn at random", run->choice.count,
                 run->choice.all);
    return AKIN_OK;
}

static akin_status open_tiles(struct run *run)
{
    const struct akin_train_options *train = &run->recipe.train;
    akin_status status = akin_pool_create(&run->pool, train->replicas, run->err);
    if (status == AKIN_OK)
        status =
            tile_cache_create(&run->cache, run->dir, &run->choice, train->input_px * TILE_PX_A_VIEW,
                              train->replicas, &run->talk, run->err);
    if (status == AKIN_OK && run->recipe.same_place)
        status = partners_create(&run->partners, &run->choice, run->catalog, run->used, run->err);
    return status;
}

static akin_status begin_files(struct run *run)
{
    char path[AKIN_PATH_MAX];
    akin_status status = akin_path_join(path, run->folder, "curve.csv", run->err);
    if (status == AKIN_OK && run->options->resume)
        return curve_load(&run->curve, path, run->err);
    if (status == AKIN_OK)
        status = recipe_save(&run->recipe, run->folder, run->err);
    return status == AKIN_OK ? tiles_save(&run->choice, run->folder, run->err) : status;
}

static akin_status prepare(struct run *run)
{
    const struct akin_train_options *train = &run->recipe.train;
    akin_status status = choose(run);
    if (status == AKIN_OK)
        status = open_tiles(run);
    if (status == AKIN_OK)
        status = schedule_make(run);
    if (status != AKIN_OK || run->options->dry_run)
        return status;
    if (run->options->init)
        status = akin_trainer_load_weights(run->trainer, run->options->init, run->err);
    if (status == AKIN_OK)
        status = samples_create(
            &run->samples, run->cache, &run->choice, train->input_px * TILE_PX_A_VIEW,
            akin_catalog_settings(run->catalog)->bands, train->seed, run->pool, run->err);
    choose_drop_vectors(&run->choice);
    if (status == AKIN_OK && !run->lock)
        status = take_folder(run);
    if (status == AKIN_OK)
        status = begin_files(run);
    if (status == AKIN_OK && run->options->resume)
        status = akin_trainer_load(run->trainer, run->checkpoint, run->err);
    return status;
}

/* What only learning takes, before embedding takes its own. */
static void release(struct run *run)
{
    if (run->cache)
        run->report->tiles_unread = tile_cache_unread(run->cache);
    samples_free(run->samples);
    akin_trainer_free(run->trainer);
    partners_free(run->partners);
    tile_cache_free(run->cache);
    akin_pool_free(run->pool);
    choose_fini(&run->choice);
    curve_fini(&run->curve);
    akin_model_free(run->instant);
    akin_model_free(run->encoder);
    akin_catalog_close(run->catalog);
    run->samples = NULL;
    run->trainer = NULL;
    run->partners = NULL;
    run->cache = NULL;
    run->pool = NULL;
    run->instant = run->encoder = NULL;
    run->catalog = NULL;
}

/* ---- after the last ---- */

/* Whether to try again, where somebody else was writing to the collection. */
static bool try_again(struct run *run, akin_status status, bool *told)
{
    const struct timespec pause = {.tv_nsec = WAIT_MS * 1000000L};
    const struct akin_progress progress = {"waiting to write", 0, 0, 0, NULL};
    if (status != AKIN_ERR_BUSY)
        return false;
    if (!*told)
        akin_log(&run->talk, AKIN_LEVEL_INFO, STAGE, "waiting: %s", run->err->text);
    *told = true;
    nanosleep(&pause, NULL);
    return akin_progress(run->options->talk, &progress);
}

static akin_status save_encoder(struct run *run)
{
    akin_catalog *writer = NULL;
    akin_status status;
    bool told = false;
    do
        status = akin_catalog_open(&writer, run->dir, AKIN_OPEN_WRITE, run->err);
    while (try_again(run, status, &told));
    if (status == AKIN_OK)
        status = akin_model_save(run->encoder, run->dir, run->err);
    akin_catalog_close(writer);
    run->report->saved = status == AKIN_OK;
    return status;
}

static akin_status embed(struct run *run)
{
    const struct akin_embed_options options = {.model = run->report->name,
                                               .threads = run->recipe.train.replicas,
                                               .talk = run->options->talk};
    akin_status status;
    bool told = false;
    do
        status = akin_embed(run->dir, &options, NULL, run->err);
    while (try_again(run, status, &told));
    run->report->embedded = status == AKIN_OK;
    return status;
}

/* The encoder is saved: embeds with it, and takes away what a resume would need. */
static akin_status finish(struct run *run)
{
    char tiles[AKIN_PATH_MAX];
    akin_status status = AKIN_OK;
    if (run->report->collapsed)
        akin_log(
            &run->talk, AKIN_LEVEL_WARN, STAGE,
            "it has COLLAPSED: '%s' does not tell the tiles apart (spread %.3f, alignment %.3f). "
            "It is kept to be looked at, but nothing is embedded with it; are the tiles all "
            "alike, or were the epochs too few?",
            run->report->name, run->report->last.spread, run->report->last.alignment);
    else if (run->options->embed)
        status = embed(run);
    if (status == AKIN_OK)
        status = akin_path_join(tiles, run->folder, "tiles.bin", run->err);
    if (status == AKIN_OK)
        status = akin_file_remove(tiles, run->err);
    return status == AKIN_OK ? akin_file_remove(run->checkpoint, run->err) : status;
}

/* A run that was stopped after the encoder was saved: how it ended stands in the curve. */
static akin_status read_end(struct run *run)
{
    char path[AKIN_PATH_MAX];
    struct akin_learn_report *report = run->report;
    akin_status status = akin_path_join(path, run->folder, "curve.csv", run->err);
    if (status == AKIN_OK)
        status = curve_load(&run->curve, path, run->err);
    if (status == AKIN_OK && run->curve.count)
        report->last = run->curve.rows[run->curve.count - 1].epoch;
    report->collapsed = run->curve.count && report->last.collapsed;
    report->epochs = report->epochs_done = run->recipe.train.epochs;
    report->saved = true;
    return status;
}

/* ---- all of it ---- */

static bool forward_progress(void *user, const struct akin_progress *progress)
{
    struct run *run = user;
    struct akin_progress whole = *progress;
    if (!run->began)
        run->first_step = progress->resumed; /* each epoch counts from its own beginning */
    run->began = true;
    whole.resumed = run->first_step;
    return akin_progress(run->options->talk, &whole);
}

static void forward_log(void *user, enum akin_level level, const char *stage, const char *text)
{
    struct run *run = user;
    akin_log(run->options->talk, level, stage, "%s", text);
}

static akin_status learn(struct run *run)
{
    const struct akin_learn_options *options = run->options;
    akin_status status = open_collection(run);
    if (status == AKIN_OK)
        status = check_names(run);
    if (status == AKIN_OK && options->resume && !options->dry_run)
        status = take_folder(run); /* a new one is made when nothing else can fail */
    if (status == AKIN_OK)
        status = learn_settle(run);
    if (status == AKIN_OK && options->resume && akin_model_exists(run->dir, run->report->name)) {
        status = read_end(run);
    } else if (status == AKIN_OK) {
        status = prepare(run);
        if (status != AKIN_OK || options->dry_run)
            return status;
        status = lessons_run(run);
        if (status == AKIN_OK)
            status = save_encoder(run);
    }
    release(run);
    return status == AKIN_OK ? finish(run) : status;
}

akin_status akin_learn(const char *dir, const struct akin_learn_options *options,
                       struct akin_learn_report *report, akin_error *err)
{
    struct akin_learn_options defaults;
    struct akin_learn_report unused;
    akin_error own = {0};
    akin_learn_options_default(&defaults);
    options = options ? options : &defaults;
    report = report ? report : &unused;
    *report = (struct akin_learn_report){0};
    const char *name = options->name ? options->name : AKIN_TRAINED_NAME;
    akin_status status = akin_model_check_name(name, err);
    if (status != AKIN_OK)
        return status;
    snprintf(report->name, sizeof report->name, "%s", name);
    struct run *run = akin_alloc_zero(1, sizeof *run); /* holds paths: large for a stack */
    if (!run)
        return akin_error_memory(err, sizeof *run, "learning");
    run->dir = dir;
    run->options = options;
    run->report = report;
    run->err = err ? err : &own;
    run->talk = (struct akin_talk){forward_log, forward_progress, run};
    run->started = run_clock();
    status = learn(run);
    report->seconds = run_clock() - run->started;
    release(run);
    akin_lock_release(run->lock);
    akin_free(run);
    return status;
}
