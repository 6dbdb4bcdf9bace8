/*
 * akin_add: plan, fit if there is no encoder yet, then stream: the workers read and encode, this
 * thread commits.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "ingest_private.h"

void akin_add_options_default(struct akin_add_options *out)
{
    memset(out, 0, sizeof *out);
    akin_source_options_default(&out->source);
    out->ram_bytes = (uint64_t)2 << 30;
}

/* What one add holds. */
struct add {
    const struct akin_add_options *options;
    struct akin_add_report *report;
    unsigned threads;
    akin_catalog *catalog;
    const struct akin_settings *settings;
    akin_pool *pool;
    akin_model *model;
    akin_index *index;
    struct budget budget;
    struct plan plan;
    struct commit commit;
    struct pipeline *pipeline;
    uint64_t windows; /* taken by this run */
};

static bool report_progress(struct add *add, const char *detail)
{
    struct akin_progress progress = {"tiles", add->plan.tiles_before + add->windows,
                                     add->plan.tiles_before + add->plan.tiles,
                                     add->plan.tiles_before, detail};
    return akin_progress(add->options->talk, &progress);
}

/* ---- encoder and index ---- */

/* The collection's default encoder; add->model stays NULL where it has none yet. */
static akin_status open_model(struct add *add, akin_error *err)
{
    char *name = NULL;
    akin_status status = akin_catalog_value_get(add->catalog, AKIN_VALUE_MODEL, &name, err);
    if (status ==
        AKIN_ERR_NOT_FOUND) /* a run may have been killed between the fit and the note of it */
        name = akin_strdup(AKIN_INSTANT_NAME);
    else if (status != AKIN_OK)
        return status;
    if (!name)
        return akin_error_memory(err, 0, "a name");
    bool fitted = akin_model_exists(akin_catalog_dir(add->catalog), name);
    if (fitted || status == AKIN_OK)
        status = akin_model_open(&add->model, akin_catalog_dir(add->catalog), name, err);
    else
        status = AKIN_OK;
    akin_free(name);
    if (status == AKIN_OK && add->model && !akin_model_encodes(add->model))
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "'%s' holds vectors that were made elsewhere ('akin import' adds to "
                              "it): imagery needs a collection of its own",
                              akin_catalog_dir(add->catalog));
    return status;
}

/* Opens (or makes) the index of the encoder, and makes the encoder the default where there is
 * none. */
static akin_status open_index(struct add *add, akin_error *err)
{
    const struct akin_model_info *info = akin_model_info(add->model);
    char path[AKIN_PATH_MAX];
    struct akin_index_options options;
    char *current = NULL;

    akin_index_options_default(&options);
    options.dim = info->dim;
    options.model = info->fingerprint;
    options.talk = add->options->talk;
    options.pool = add->pool;
    options.ram_bytes = add->options->ram_bytes / 4; /* beside the readers and the encoder */
    akin_status status = index_path(path, add->catalog, info->name, err);
    if (status == AKIN_OK)
        status = akin_index_open(&add->index, path, AKIN_OPEN_WRITE, &options, err);
    if (status != AKIN_OK)
        return status;
    add->commit.index = add->index;
    add->commit.model = info->name;
    add->commit.dim = info->dim;
    status = akin_catalog_value_get(add->catalog, AKIN_VALUE_MODEL, &current, err);
    akin_free(current);
    return status == AKIN_ERR_NOT_FOUND
               ? akin_catalog_value_set(add->catalog, AKIN_VALUE_MODEL, info->name, err)
               : status;
}

/* ---- scenes whose files are gone ---- */

/* Removes the tiles of scenes that were dropped: the catalogue says so first and keeps their count
 * until the index has let go of them, so that a crash in between is made good by the next add. */
struct dropped {
    uint32_t *ids;
    size_t count, max;
    bool out_of_memory;
};

static bool note_dropped(void *user, const struct akin_scene *scene)
{
    struct dropped *dropped = user;
    if (!scene->tiles_kept)
        return true;
    if (dropped->count == dropped->max) {
        size_t more = dropped->max ? 2 * dropped->max : 64;
        uint32_t *ids = akin_realloc(dropped->ids, dropped->max * sizeof *ids, more * sizeof *ids);
        dropped->out_of_memory = !ids;
        if (!ids)
            return false;
        dropped->ids = ids;
        dropped->max = more;
    }
    dropped->ids[dropped->count++] = scene->id;
    return true;
}

static akin_status remove_scene(struct add *add, uint32_t id, akin_error *err)
{
    struct akin_scene scene;
    akin_scene_init(&scene);
    akin_status status = scene_remove(add->catalog, add->index, add->commit.model, id, err);
    if (status == AKIN_OK)
        status = akin_catalog_scene_get(add->catalog, id, &scene, err);
    if (status == AKIN_OK) {
        scene.tiles_kept = 0;
        status = akin_catalog_scene_update(add->catalog, &scene, err);
    }
    akin_scene_fini(&scene);
    return status;
}

static akin_status finish_drops(struct add *add, akin_error *err)
{
    struct dropped dropped = {0};
    akin_status status =
        akin_catalog_scenes(add->catalog, 1u << AKIN_SCENE_DROPPED, 0, note_dropped, &dropped, err);
    if (dropped.out_of_memory)
        status = akin_error_memory(err, dropped.max * 8, "the dropped scenes");
    if (status == AKIN_OK && dropped.count)
        status = akin_catalog_begin(add->catalog, err);
    for (size_t i = 0; i < dropped.count && status == AKIN_OK; i++)
        status = remove_scene(add, dropped.ids[i], err);
    if (dropped.count && status == AKIN_OK)
        status = akin_catalog_commit(add->catalog, err);
    else if (dropped.count)
        akin_catalog_rollback(add->catalog);
    akin_free(dropped.ids);
    return status;
}

/* ---- the stream ---- */

static akin_status take_strip(struct add *add, uint32_t scene, const struct work *work,
                              akin_error *err)
{
    akin_status status = work->encode_status;
    if (status != AKIN_OK)
        return akin_error_set(err, status, "encoding tiles: %s",
                              work->encode_failure ? work->encode_failure
                                                   : akin_status_text(status));
    for (size_t i = 0; i < work->strip.count && status == AKIN_OK; i++)
        status = commit_tile(&add->commit, &work->strip.tiles[i],
                             work->vectors + i * add->commit.dim, err);
    if (status == AKIN_OK)
        commit_progress(&add->commit, scene, &work->strip);
    return status;
}

/* Takes a job to its end. A scene that failed in an earlier job of it has its strips thrown away:
 * what is kept of it is a prefix of its order. */
static akin_status take_job(struct add *add, size_t job, akin_error *err)
{
    uint32_t scene = add->plan.jobs[job].scene;
    const struct akin_scene *row = &add->plan.scenes[scene];
    for (;;) {
        struct work *work = NULL;
        bool ended = false;
        akin_status job_status = AKIN_OK, status = AKIN_OK;
        akin_error job_error = {0};
        if (!report_progress(add, NULL))
            return akin_error_set(err, AKIN_ERR_CANCELLED, "stopped");
        pipeline_take(add->pipeline, job, true, &work, &ended, &job_status, &job_error);
        if (ended && ingest_is_fatal(job_status))
            return akin_error_set(err, job_status, "%s", job_error.text);
        if (ended && row->state != AKIN_SCENE_FAILED)
            commit_scene_ended(&add->commit, scene, job_status, job_error.text);
        if (work) {
            add->windows += work->strip.windows;
            if (row->state != AKIN_SCENE_FAILED)
                status = take_strip(add, scene, work, err);
            pipeline_work_free(add->pipeline, work);
        }
        if (status == AKIN_OK && commit_is_due(&add->commit))
            status = commit_write(&add->commit, err);
        if (ended || status != AKIN_OK)
            return status;
    }
}

static bool fit_progress(void *user, uint64_t windows)
{
    struct add *add = user;
    add->windows = windows;
    return report_progress(add, "before the encoder is fitted");
}

/* Fits the first encoder and opens its index; *job is the first job not yet taken. */
static akin_status fit_first(struct add *add, size_t *job, akin_error *err)
{
    akin_status status =
        fit_run(&add->model, &add->commit, add->pipeline, &add->plan, add->settings, add->pool,
                add->options->talk, fit_progress, add, job, err);
    if (status != AKIN_OK || !add->model)
        return status;
    status = open_index(add, err);
    if (status == AKIN_OK)
        pipeline_set_model(add->pipeline, add->model);
    return status;
}

static akin_status stream(struct add *add, akin_error *err)
{
    size_t job = 0;
    akin_status status = pipeline_start(&add->pipeline, &add->plan, add->settings, add->options,
                                        add->model, add->threads, add->budget.flight_bytes, err);
    if (status == AKIN_OK && !add->model)
        status = fit_first(add, &job, err);
    while (status == AKIN_OK && job < add->plan.job_count)
        status = take_job(add, job++, err);
    /* A stop asked for by a person loses nothing that was finished. */
    if (status == AKIN_OK || (status == AKIN_ERR_CANCELLED && add->index)) {
        akin_status last = commit_write(&add->commit, status == AKIN_OK ? err : NULL);
        if (status == AKIN_OK)
            status = last;
    }
    pipeline_stop(add->pipeline);
    add->pipeline = NULL;
    return status;
}

/* ---- all of it ---- */

#define FLUSH_ROWS                                                                                 \
    8192 /* below this the log opens in a few ms, and a segment is not worth its fsyncs */

static akin_status flush_index(struct add *add, akin_error *err)
{
    struct akin_index_stats stats;
    akin_index_stats(add->index, &stats);
    akin_status status =
        stats.rows_in_log >= FLUSH_ROWS ? akin_index_flush(add->index, err) : AKIN_OK;
    if (status == AKIN_OK)
        index_settle(add->index, add->options->talk);
    return status;
}

static void fill_report(struct add *add)
{
    struct akin_add_report *report = add->report;
    for (size_t s = 0; s < add->plan.scene_count; s++) {
        const struct akin_scene *scene = &add->plan.scenes[s];
        if (scene->state == AKIN_SCENE_FAILED) {
            report->scenes_failed++;
            akin_log(add->options->talk, AKIN_LEVEL_ERROR, STAGE, "%s",
                     scene->failure ? scene->failure : scene->uri);
        } else if (scene->state == AKIN_SCENE_EMBEDDED) {
            report->scenes_added++;
        }
    }
    report->tiles_added = add->commit.tiles_kept;
    report->tiles_skipped = add->commit.tiles_skipped;
    report->scenes_added -= report->scenes_replaced < report->scenes_added ? report->scenes_replaced
                                                                           : report->scenes_added;
}

static akin_status open_collection(struct add *add, const char *dir, akin_error *err)
{
    enum akin_open mode = add->options->dry_run ? AKIN_OPEN_READ : AKIN_OPEN_WRITE;
    akin_status status = akin_catalog_open(&add->catalog, dir, mode, err);
    if (status != AKIN_OK)
        return status;
    add->settings = akin_catalog_settings(add->catalog);
    add->threads = add->options->threads ? add->options->threads : akin_cpu_count();
    status = budget_make(&add->budget, add->settings, add->options->ram_bytes, add->threads, err);
    if (status != AKIN_OK)
        return status;
    akin_source_setup(add->budget.cache_bytes);
    status = akin_pool_create(&add->pool, add->threads, err);
    return status == AKIN_OK ? open_model(add, err) : status;
}

static akin_status work(struct add *add, const char *const *sources, size_t source_count,
                        akin_error *err)
{
    uint64_t fit_tiles = add->model ? 0 : add->budget.fit_tiles;
    akin_status status = plan_make(&add->plan, add->catalog, sources, source_count, add->options,
                                   fit_tiles, add->pool, add->report, err);
    if (status != AKIN_OK)
        return status;
    add->report->tiles_expected = add->plan.tiles;
    status = budget_check(&add->budget, &add->plan, add->settings, add->model,
                          add->options->ram_bytes, add->threads, err);
    if (status != AKIN_OK)
        return status;
    if (add->options->dry_run)
        return forecast_make(&add->plan, add->settings, add->model, add->options, add->threads,
                             add->report, err);
    if ((status = sweep_packs(add->catalog, err)) != AKIN_OK)
        return status;
    status = commit_init(&add->commit, add->catalog, &add->plan, add->settings->chips, err);
    if (status == AKIN_OK && add->model)
        status = open_index(add, err);
    if (status == AKIN_OK && add->index && add->options->drop_missing)
        status = drop_missing(add->catalog, sources, source_count, add->options->talk,
                              &add->report->scenes_dropped, err);
    if (status == AKIN_OK && add->index)
        status = finish_drops(add, err);
    if (status == AKIN_OK && add->plan.job_count)
        status = stream(add, err);
    if (status == AKIN_OK && add->index)
        status = flush_index(add, err);
    fill_report(add);
    return status;
}

akin_status akin_add(const char *dir, const char *const *sources, size_t source_count,
                     const struct akin_add_options *options, struct akin_add_report *report,
                     akin_error *err)
{
    struct akin_add_options defaults;
    struct akin_add_report unused;
    akin_add_options_default(&defaults);
    struct add add = {.options = options ? options : &defaults,
                      .report = report ? report : &unused};
    memset(add.report, 0, sizeof *add.report);
    int64_t began = akin_time_now_ms();

    akin_status status = open_collection(&add, dir, err);
    if (status == AKIN_OK)
        status = work(&add, sources, source_count, err);

    add.report->seconds = (double)(akin_time_now_ms() - began) / 1000;
    commit_fini(&add.commit);
    plan_fini(&add.plan);
    akin_index_close(add.index);
    akin_model_free(add.model);
    akin_pool_free(add.pool);
    akin_catalog_close(add.catalog);
    return status;
}
