/*
 * What an add would take, for --dry-run: a few strips of the plan are really read, cut and encoded,
 * and the rest is reckoned from them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <time.h>

#include "ingest_private.h"

#define SAMPLE_JOBS 8
#define SAMPLE_TILES 128
#define INDEX_BYTES_PER_TILE (sizeof(struct akin_columns) + 12 + 4) /* columns, key run, scale */

struct sample {
    uint64_t windows, tiles, chip_bytes;
    double read_s, encode_s;
    akin_model *fitted; /* where the collection has no encoder: fitted on the sample, to be timed */
    uint32_t dim;
};

static double now_s(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

/* Times the strip's tiles, over and over to a whole batch: an add fills its batches from many
 * strips. */
static void time_encoder(struct sample *sample, const akin_model *model,
                         const struct akin_strip *strip)
{
    akin_encoder *encoder = NULL;
    uint32_t dim = akin_model_info(model)->dim;
    size_t batch = akin_encoder_batch(model), n = strip->count > batch ? strip->count : batch;
    const uint8_t **inputs = akin_alloc(n, sizeof *inputs),
                  **filled = akin_alloc(n, sizeof *inputs);
    float *vectors = akin_alloc(n, dim * sizeof *vectors);
    if (inputs && filled && vectors && akin_encoder_create(&encoder, model, NULL) == AKIN_OK) {
        for (size_t i = 0; i < n; i++) {
            inputs[i] = strip->tiles[i % strip->count].input;
            filled[i] = strip->tiles[i % strip->count].filled;
        }
        double began = now_s();
        if (akin_encoder_run(encoder, n, inputs, filled, vectors, NULL) == AKIN_OK)
            sample->encode_s += (now_s() - began) * (double)strip->count / (double)n;
    }
    sample->dim = dim;
    akin_encoder_free(encoder);
    akin_free(vectors);
    akin_free(inputs);
    akin_free(filled);
}

/* An encoder fitted on one strip is no good for searching, and as fast as any. */
static const akin_model *model_to_time(struct sample *sample, const struct akin_settings *settings,
                                       const akin_model *model, const struct akin_strip *strip)
{
    const uint8_t *inputs[SAMPLE_TILES];
    struct akin_instant_options options;
    if (model || sample->fitted || !strip->count)
        return model ? model : sample->fitted;
    size_t count = strip->count < SAMPLE_TILES ? strip->count : SAMPLE_TILES;
    for (size_t i = 0; i < count; i++)
        inputs[i] = strip->tiles[i].input;
    akin_instant_options_default(&options, settings->input_px, settings->bands);
    akin_instant_fit(&sample->fitted, AKIN_INSTANT_NAME, &options, count, inputs, NULL, NULL, NULL,
                     NULL, NULL);
    return sample->fitted;
}

/* Reads and encodes the first strip of a job. A scene that fails here will fail when it is
 * added. */
static void try_job(struct sample *sample, const struct plan *plan, size_t job,
                    const struct akin_settings *settings, const akin_model *model,
                    const struct akin_add_options *options)
{
    const struct akin_scene *scene = &plan->scenes[plan->jobs[job].scene];
    struct akin_source_options source_options = plan_source_options(scene, options);
    akin_source *source = NULL;
    akin_cutter *cutter = NULL;
    struct akin_cut_plan cut;
    struct akin_strip strip = {0};
    double began = now_s();

    if (akin_source_open(&source, scene->uri, &source_options, NULL) == AKIN_OK &&
        akin_cut_plan_init(&cut, settings, source, scene->id, &plan->scaling[scene->dtype], NULL) ==
            AKIN_OK &&
        akin_cutter_open(&cutter, source, &cut, NULL) == AKIN_OK &&
        akin_cutter_next(cutter, &strip, NULL) == AKIN_OK) {
        sample->read_s += now_s() - began;
        sample->windows += strip.windows;
        sample->tiles += strip.count;
        for (size_t i = 0; i < strip.count; i++)
            sample->chip_bytes += strip.tiles[i].chip_bytes;
        const akin_model *timed = model_to_time(sample, settings, model, &strip);
        if (timed && strip.count)
            time_encoder(sample, timed, &strip);
    }
    akin_strip_free(&strip);
    akin_cutter_close(cutter);
    akin_source_close(source);
}

akin_status forecast_make(const struct plan *plan, const struct akin_settings *given,
                          const akin_model *model, const struct akin_add_options *options,
                          unsigned threads, struct akin_add_report *report, akin_error *err)
{
    struct akin_settings settings = *given;
    struct sample sample = {0};
    (void)err;
    if (!plan->job_count)
        return AKIN_OK;
    settings.bands = plan->bands;
    if (model)
        settings.input_px = akin_model_info(model)->input_px;
    size_t tries = plan->job_count < SAMPLE_JOBS ? plan->job_count : SAMPLE_JOBS;
    for (size_t i = 0; i < tries; i++)
        try_job(&sample, plan, i * plan->job_count / tries, &settings, model, options);
    if (sample.windows) {
        double share = (double)plan->tiles / (double)sample.windows;
        double row = (double)INDEX_BYTES_PER_TILE + 3.0 * sample.dim;
        report->seconds_expected = share * (sample.read_s + sample.encode_s) / threads;
        report->bytes_expected =
            (uint64_t)(share * ((double)sample.chip_bytes + row * (double)sample.tiles));
    }
    akin_model_free(sample.fitted);
    return AKIN_OK;
}
