/*
 * The first encoder of a collection. The strips of the plan's sample are taken as they are read;
 * their chips go to the pack, their inputs are held; then the encoder is fitted on them, and
 * because fitting has to compute their features anyway, it returns their vectors too: nothing is
 * read or encoded twice.
 *
 * Until the encoder is saved nothing is committed, so that a run killed before starts over with the
 * same sample.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "ingest_private.h"

/* Where scenes of the sample fail, later jobs fill up to this many tiles. */
#define FIT_TILES_WANTED 256

struct held {
    uint8_t **inputs,
        **filled; /* inputs[i] owns one block: the input, and the mask if there is one */
    size_t count, max;
};

static void held_fini(struct held *held)
{
    for (size_t i = 0; i < held->count; i++)
        akin_free(held->inputs[i]);
    akin_free(held->inputs);
    akin_free(held->filled);
}

static akin_status held_grow(struct held *held, akin_error *err)
{
    size_t more = held->max ? 2 * held->max : 1024, entry = sizeof *held->inputs;
    uint8_t **inputs = akin_realloc(held->inputs, held->max * entry, more * entry);
    if (inputs)
        held->inputs = inputs;
    uint8_t **filled = akin_realloc(held->filled, held->max * entry, more * entry);
    if (filled)
        held->filled = filled;
    if (!inputs || !filled)
        return akin_error_memory(err, more * entry, "the sample of tiles");
    held->max = more;
    return AKIN_OK;
}

static akin_status hold(struct held *held, const struct akin_tile *tile, size_t cells,
                        uint32_t bands, akin_error *err)
{
    akin_status status = AKIN_OK;
    if (held->count == held->max && (status = held_grow(held, err)) != AKIN_OK)
        return status;
    size_t input_bytes = cells * bands;
    uint8_t *block = akin_alloc(1, input_bytes + (tile->filled ? cells : 0));
    if (!block)
        return akin_error_memory(err, input_bytes, "a tile of the sample");
    memcpy(block, tile->input, input_bytes);
    if (tile->filled)
        memcpy(block + input_bytes, tile->filled, cells);
    held->inputs[held->count] = block;
    held->filled[held->count++] = tile->filled ? block + input_bytes : NULL;
    return AKIN_OK;
}

struct sampler {
    struct held held;
    struct commit *commit;
    const struct akin_settings *settings;
    uint64_t windows;
};

static akin_status sample_strip(struct sampler *sampler, uint32_t scene,
                                const struct akin_strip *strip, akin_error *err)
{
    size_t cells = (size_t)sampler->settings->input_px * sampler->settings->input_px;
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < strip->count && status == AKIN_OK; i++) {
        status = hold(&sampler->held, &strip->tiles[i], cells, sampler->settings->bands, err);
        if (status == AKIN_OK)
            status = commit_tile(sampler->commit, &strip->tiles[i], NULL, err);
    }
    sampler->windows += strip->windows;
    commit_progress(sampler->commit, scene, strip);
    return status;
}

/* All strips of one job. */
static akin_status sample_job(struct sampler *sampler, struct pipeline *pipeline,
                              const struct plan *plan, size_t job, fit_progress_fn *progress,
                              void *progress_user, akin_error *err)
{
    uint32_t scene = plan->jobs[job].scene;
    for (;;) {
        struct work *work = NULL;
        bool ended = false;
        akin_status job_status = AKIN_OK;
        akin_error job_error = {0};
        if (!progress(progress_user, sampler->windows))
            return akin_error_set(err, AKIN_ERR_CANCELLED, "stopped before the encoder was fitted");
        pipeline_take(pipeline, job, false, &work, &ended, &job_status, &job_error);
        if (ended && ingest_is_fatal(job_status))
            return akin_error_set(err, job_status, "%s", job_error.text);
        if (ended) {
            commit_scene_ended(sampler->commit, scene, job_status, job_error.text);
            return AKIN_OK;
        }
        if (!work)
            continue;
        akin_status status = sample_strip(sampler, scene, &work->strip, err);
        pipeline_work_free(pipeline, work);
        if (status != AKIN_OK)
            return status;
    }
}

/* Fits on what is held and puts the vectors beside the rows that wait in the commit. */
static akin_status fit_held(akin_model **out, struct sampler *sampler, akin_pool *pool,
                            const struct akin_talk *talk, akin_error *err)
{
    struct commit *commit = sampler->commit;
    struct akin_instant_options options;
    akin_instant_options_default(&options, sampler->settings->input_px, sampler->settings->bands);
    options.seed = sampler->settings->seed;
    uint32_t dim = options.rcf_dim + options.histogram_dim;
    float *vectors = akin_alloc(commit->rows_max, dim * sizeof *vectors);
    if (!vectors)
        return akin_error_memory(err, commit->rows_max * dim * sizeof *vectors,
                                 "the sample's vectors");
    akin_status status =
        akin_instant_fit(out, AKIN_INSTANT_NAME, &options, sampler->held.count,
                         (const uint8_t *const *)sampler->held.inputs,
                         (const uint8_t *const *)sampler->held.filled, vectors, pool, talk, err);
    if (status != AKIN_OK) {
        akin_free(vectors);
        return status;
    }
    akin_free(commit->vectors);
    commit->vectors = vectors;
    commit->dim = dim;
    return akin_model_save(*out, commit->dir, err);
}

akin_status fit_run(akin_model **out, struct commit *commit, struct pipeline *pipeline,
                    const struct plan *plan, const struct akin_settings *settings, akin_pool *pool,
                    const struct akin_talk *talk, fit_progress_fn *progress, void *progress_user,
                    size_t *jobs_done, akin_error *err)
{
    struct sampler sampler = {.commit = commit, .settings = settings};
    akin_status status = AKIN_OK;
    size_t job = 0;
    *out = NULL;
    while (status == AKIN_OK && job < plan->job_count &&
           (job < plan->fit_jobs || sampler.held.count < FIT_TILES_WANTED))
        status = sample_job(&sampler, pipeline, plan, job++, progress, progress_user, err);
    if (status == AKIN_OK && sampler.held.count) {
        akin_log(talk, AKIN_LEVEL_INFO, STAGE, "fitting the encoder on %zu tiles",
                 sampler.held.count);
        status = fit_held(out, &sampler, pool, talk, err);
    }
    *jobs_done = job;
    held_fini(&sampler.held);
    if (status != AKIN_OK) {
        akin_model_free(*out);
        *out = NULL;
    }
    return status;
}
