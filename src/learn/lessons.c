/*
 * The epochs. After one: its row into the curve; now and then a look (an encoder of what has been
 * learnt, what it finds, how well tiles keep their neighbours), which costs as much as an epoch or
 * two and so is only taken when looks have cost no more than a twentieth of the time so far; files
 * written, the checkpoint last, so that whatever it says is there in the others, too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "learn_private.h"

#define LOOKS_SHARE 0.05 /* of the time spent learning */
#define SAVE_SECONDS 5.0 /* between two checkpoints at least: small collections have short epochs */
#define CSV_BYTES_MAX ((size_t)64 << 20)
#define SVG_BYTES_MAX ((size_t)4 << 20)
#define PNG_BYTES_MAX ((size_t)256 << 20)

double run_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

akin_status run_write(struct run *run, const char *name, const void *data, size_t bytes)
{
    char path[AKIN_PATH_MAX];
    akin_status status = akin_path_join(path, run->folder, name, run->err);
    return status == AKIN_OK ? akin_file_write_atomic(path, data, bytes, run->err) : status;
}

/* ---- files ---- */

static akin_status write_curve(struct run *run)
{
    const struct curve *curve = &run->curve;
    struct akin_buffer csv, svg;
    char title[160];
    akin_buffer_init(&csv, CSV_BYTES_MAX);
    akin_buffer_init(&svg, SVG_BYTES_MAX);
    const struct akin_train_epoch *last = &curve->rows[curve->count - 1].epoch;
    snprintf(title, sizeof title, "%s: epoch %" PRIu32 " of %" PRIu32 ", loss %.3f, %zu tiles",
             run->report->name, last->epoch, last->epochs, last->loss, run->choice.count);
    akin_status status = curve_csv(curve, &csv, run->err);
    if (status == AKIN_OK)
        status = curve_svg(curve, title, &svg, run->err);
    if (status == AKIN_OK)
        status = run_write(run, "curve.csv", csv.data, csv.size);
    if (status == AKIN_OK)
        status = run_write(run, "curve.svg", svg.data, svg.size);
    akin_buffer_fini(&csv);
    akin_buffer_fini(&svg);
    return status;
}

static akin_status save(struct run *run)
{
    akin_status status = run->curve.count ? write_curve(run) : AKIN_OK;
    if (status == AKIN_OK)
        status = akin_trainer_save(run->trainer, run->checkpoint, run->err);
    run->saved_at = run_clock();
    return status;
}

/* ---- looks ---- */

/* At the end the encoder is kept. */
static akin_status look(struct run *run, struct curve_row *row, bool at_the_end)
{
    struct akin_buffer png;
    akin_model *encoder = NULL;
    double began = run_clock();
    akin_buffer_init(&png, PNG_BYTES_MAX);
    akin_status status =
        akin_trainer_encoder(&encoder, run->trainer, run->instant, run->report->name,
                             at_the_end ? &run->talk : NULL, run->err);
    if (status == AKIN_OK)
        akin_model_kept(encoder, &row->kept_instant, &row->kept_net, &row->kept);
    if (status == AKIN_OK)
        status = samples_png(run->samples, encoder, &png, run->err);
    if (status == AKIN_OK)
        status = run_write(run, "samples.png", png.data, png.size);
    if (status == AKIN_OK && at_the_end)
        run->encoder = encoder;
    else
        akin_model_free(encoder);
    akin_buffer_fini(&png);
    run->look_s = run_clock() - began;
    run->looking_s += run->look_s;
    return status;
}

static bool look_is_due(const struct run *run, uint32_t epoch)
{
    return run->look_s > 0 ? run->looking_s + run->look_s <= LOOKS_SHARE * run->learning_s
                           : epoch == 1 || run->learning_s > 60;
}

/* ---- epochs ---- */

static void report_epoch(struct run *run, const struct akin_train_epoch *epoch)
{
    run->report->last = *epoch;
    run->report->epochs_done = epoch->epoch;
    run->report->collapsed = epoch->collapsed;
}

/* One epoch was learnt. */
static akin_status close_epoch(struct run *run, struct curve_row *row)
{
    const uint32_t epoch = row->epoch.epoch;
    bool done = akin_trainer_done(run->trainer);
    akin_status status = tile_cache_check(run->cache, run->err);
    report_epoch(run, &row->epoch);
    if (status == AKIN_OK && (done || look_is_due(run, epoch)))
        status = look(run, row, done);
    if (status == AKIN_OK)
        status = curve_add(&run->curve, row, run->err);
    bool due = epoch % run->options->every == 0 && run_clock() - run->saved_at >= SAVE_SECONDS;
    return status == AKIN_OK && (done || due) ? save(run) : status;
}

static akin_status stop(struct run *run)
{
    akin_error stopped = *run->err;
    akin_status status = save(run);
    if (status != AKIN_OK)
        return akin_error_context(run->err, status, "stopped, and the checkpoint is not saved");
    *run->err = stopped;
    return AKIN_ERR_CANCELLED;
}

static akin_status learn_epochs(struct run *run)
{
    while (!akin_trainer_done(run->trainer)) {
        struct curve_row row = {.kept_instant = NAN, .kept_net = NAN, .kept = NAN};
        double began = run_clock();
        akin_status status = akin_trainer_epoch(run->trainer, &row.epoch, &run->talk, run->err);
        run->learning_s += run_clock() - began;
        if (status == AKIN_ERR_CANCELLED)
            return stop(run);
        if (status == AKIN_OK)
            status = close_epoch(run, &row);
        if (status != AKIN_OK)
            return status;
    }
    return AKIN_OK;
}

/* A run whose last epoch was done before it was stopped: only the look at the end is left. */
static akin_status look_again(struct run *run)
{
    struct curve_row row = {
        .epoch = {.epoch = run->recipe.train.epochs, .epochs = run->recipe.train.epochs}};
    if (run->curve.count)
        row = run->curve.rows[run->curve.count - 1];
    report_epoch(run, &row.epoch);
    return look(run, &row, true);
}

/* Weights from elsewhere that are to stay so: all that there is to do is the look. */
static akin_status look_as_is(struct run *run)
{
    struct curve_row row = {0};
    run->report->epochs = 0;
    return look(run, &row, true);
}

akin_status lessons_run(struct run *run)
{
    akin_status status = AKIN_OK;
    if (run->options->as_is)
        return look_as_is(run);
    if (!run->options->resume)
        status = save(run); /* what cannot be written is better known now */
    run->saved_at = run_clock();
    if (status == AKIN_OK)
        status = learn_epochs(run);
    if (status == AKIN_OK && !run->encoder)
        status = look_again(run);
    return status;
}
