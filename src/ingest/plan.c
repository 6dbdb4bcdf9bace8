/*
 * From sources to a plan: which images are new, changed, unfinished or gone, what each is (opened
 * once here for its size, type, place and time), and the catalogue rows that say so. All rows are
 * written in one transaction in the order of their addresses, so that ids do not depend on when an
 * earlier run was killed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_private.h"

/* An item of the sources and what became of it. */
struct candidate {
    const struct akin_source_item *item;
    struct akin_scene scene;
    bool known;     /* has a row already */
    bool work;      /* belongs in the plan */
    akin_error err; /* why it cannot be opened; status OK otherwise */
};

struct survey {
    akin_catalog *catalog;
    const struct akin_add_options *options;
    struct akin_settings settings; /* with the bands that they get here */
    struct candidate *candidates;
    size_t count;
    bool empty; /* the catalogue has no scene: nothing need be looked up */
    struct akin_add_report *report;
};

struct akin_source_options plan_source_options(const struct akin_scene *scene,
                                               const struct akin_add_options *options)
{
    struct akin_source_options out = options->source;
    if (!isnan(scene->given_bbox[0])) {
        memcpy(out.bbox, scene->given_bbox, sizeof out.bbox);
        out.crs = scene->given_crs;
    }
    if (akin_interval_known(scene->time)) /* found out when it was first opened */
        out.time = scene->time;
    return out;
}

/* ---- what is known already ---- */

static bool unchanged(const struct akin_scene *scene, const struct akin_source_item *item)
{
    return scene->size_bytes == item->size_bytes && scene->mtime_ns == item->mtime_ns;
}

static akin_status fresh_scene(struct candidate *candidate, const struct akin_add_options *options,
                               akin_error *err)
{
    struct akin_scene *scene = &candidate->scene;
    const struct akin_source_item *item = candidate->item;
    akin_scene_init(scene);
    scene->uri = akin_strdup(item->uri);
    scene->label = akin_strdup(item->label);
    scene->given_crs = akin_strdup(options->source.crs);
    if (!scene->uri || (item->label && !scene->label) || (options->source.crs && !scene->given_crs))
        return akin_error_memory(err, strlen(item->uri), "a scene");
    memcpy(scene->given_bbox, options->source.bbox, sizeof scene->given_bbox);
    scene->size_bytes = item->size_bytes;
    scene->mtime_ns = item->mtime_ns;
    return AKIN_OK;
}

/* The row starts over, its old tiles still in the index until the first new ones are ready:
 * `replaces` is its own id, which is how the committer knows. */
static akin_status start_over(struct candidate *candidate, const struct akin_add_options *options,
                              akin_error *err)
{
    uint32_t id = candidate->scene.id;
    uint64_t kept = candidate->scene.tiles_kept;
    uint32_t attempts = candidate->scene.attempts;
    akin_scene_fini(&candidate->scene);
    akin_status status = fresh_scene(candidate, options, err);
    candidate->scene.id = id;
    candidate->scene.replaces = id;
    candidate->scene.tiles_kept = kept;
    candidate->scene.attempts = attempts;
    return status;
}

/* Decides what an item is: new, changed, unfinished, failed before, or done. */
static akin_status look_up(struct survey *survey, struct candidate *candidate, akin_error *err)
{
    struct akin_scene *scene = &candidate->scene;
    akin_scene_init(scene);
    akin_status status =
        survey->empty ? AKIN_ERR_NOT_FOUND
                      : akin_catalog_scene_find(survey->catalog, candidate->item->uri, scene, err);
    if (status == AKIN_ERR_NOT_FOUND) {
        candidate->work = true;
        return fresh_scene(candidate, survey->options, err);
    }
    if (status != AKIN_OK)
        return status;
    candidate->known = true;
    bool same = unchanged(scene, candidate->item);
    if (!same) {
        candidate->work = true;
        survey->report->scenes_replaced += scene->state == AKIN_SCENE_EMBEDDED;
        return start_over(candidate, survey->options, err);
    }
    if (scene->state == AKIN_SCENE_EMBEDDED) {
        survey->report->scenes_unchanged++;
    } else if (scene->state == AKIN_SCENE_FAILED) {
        candidate->work = survey->options->retry_failed;
        survey->report->scenes_failed += !candidate->work;
        if (!candidate->work)
            akin_log(survey->options->talk, AKIN_LEVEL_WARN, STAGE, "'%s' failed before: %s",
                     scene->uri, scene->failure ? scene->failure : "no reason kept");
    } else {
        candidate->work = true;
    }
    return AKIN_OK;
}

/* ---- what each is ---- */

/* Opens one and notes what it is. Runs in parallel: touches its candidate only. */
static void inspect(struct survey *survey, struct candidate *candidate)
{
    struct akin_scene *scene = &candidate->scene;
    struct akin_source_options options = plan_source_options(scene, survey->options);
    akin_source *source = NULL;
    struct akin_grid grid;
    akin_error *err = &candidate->err;

    if ((err->status = akin_source_open(&source, scene->uri, &options, err)) != AKIN_OK)
        return;
    const struct akin_source_info *info = akin_source_info(source);
    scene->width = info->width;
    scene->height = info->height;
    scene->bands = info->bands;
    scene->dtype = info->dtype;
    scene->time = info->time;
    scene->bbox = info->bbox;
    err->status =
        akin_grid_init(&grid, &survey->settings, info->width, info->height, info->has_place, err);
    if (err->status == AKIN_OK)
        scene->tiles_total = akin_grid_count(&grid);
    akin_source_close(source);
}

static void inspect_loop(void *user, size_t begin, size_t end, unsigned worker)
{
    struct survey *survey = user;
    (void)worker;
    for (size_t i = begin; i < end; i++)
        if (survey->candidates[i].work && survey->candidates[i].scene.tiles_done == 0)
            inspect(survey, &survey->candidates[i]);
}

#define INSPECT_AT_ONCE 512

static akin_status inspect_all(struct survey *survey, akin_pool *pool, akin_error *err)
{
    for (size_t at = 0; at < survey->count; at += INSPECT_AT_ONCE) {
        struct survey part = *survey;
        struct akin_progress progress = {"images looked at", at, survey->count, 0, NULL};
        if (!akin_progress(survey->options->talk, &progress))
            return akin_error_set(err, AKIN_ERR_CANCELLED, "stopped; nothing was added");
        part.candidates += at;
        size_t count = survey->count - at < INSPECT_AT_ONCE ? survey->count - at : INSPECT_AT_ONCE;
        akin_pool_for(pool, count, 4, inspect_loop, &part);
        for (size_t i = 0; i < count; i++)
            if (ingest_is_fatal(part.candidates[i].err.status))
                return akin_error_set(err, part.candidates[i].err.status, "%s",
                                      part.candidates[i].err.text);
    }
    return AKIN_OK;
}

/* ---- bands and scaling ---- */

/* As many bands as most of the images have (of equally common numbers the larger): the first image
 * alone would make a collection grey for ever because a map lies before the photographs. 0 where
 * none could be opened. */
static uint32_t common_bands(const struct survey *survey)
{
    size_t images[AKIN_BANDS_MAX + 1] = {0};
    uint32_t best = 0;
    for (size_t i = 0; i < survey->count; i++) {
        const struct candidate *candidate = &survey->candidates[i];
        if (candidate->work && candidate->err.status == AKIN_OK &&
            candidate->scene.bands <= AKIN_BANDS_MAX)
            images[candidate->scene.bands]++;
    }
    for (uint32_t bands = 1; bands <= AKIN_BANDS_MAX; bands++)
        if (images[bands] && images[bands] >= images[best])
            best = bands;
    return best;
}

static akin_status fix_bands(struct survey *survey, akin_error *err)
{
    uint32_t bands = survey->settings.bands ? 0 : common_bands(survey);
    if (!bands)
        return AKIN_OK;
    survey->settings.bands = bands;
    akin_log(survey->options->talk, AKIN_LEVEL_INFO, STAGE, "bands: %u, as most images have",
             bands);
    return survey->options->dry_run ? AKIN_OK : akin_catalog_fix_bands(survey->catalog, bands, err);
}

/* Percentiles of one scene as the scaling of its type; *measured = false where it has no valid
 * pixel or cannot be read, which another scene of the type may make good. */
static akin_status measure_scaling(struct survey *survey, const struct akin_scene *scene,
                                   struct akin_scaling *out, bool *measured, akin_error *err)
{
    uint32_t bands[AKIN_BANDS_MAX];
    struct akin_source_options options = plan_source_options(scene, survey->options);
    akin_source *source = NULL;
    out->bands = survey->settings.bands;
    akin_status status = akin_source_open(&source, scene->uri, &options, err);
    if (status == AKIN_OK)
        status = akin_source_map_bands(source, out->bands, bands, err);
    if (status == AKIN_OK)
        status = akin_source_percentiles(source, bands, out->bands, out->low, out->high, err);
    akin_source_close(source);
    *measured = status == AKIN_OK;
    return ingest_is_fatal(status) ? status : AKIN_OK;
}

static akin_status fix_scaling(struct survey *survey, struct plan *plan, akin_error *err)
{
    for (enum akin_dtype dtype = AKIN_U8; dtype < AKIN_DTYPE_COUNT; dtype++) {
        akin_status status = akin_scaling_load(&plan->scaling[dtype], &plan->has_scaling[dtype],
                                               survey->catalog, dtype, survey->settings.bands, err);
        if (status != AKIN_OK)
            return status;
        for (size_t i = 0; i < survey->count && !plan->has_scaling[dtype]; i++) {
            const struct candidate *candidate = &survey->candidates[i];
            if (!candidate->work || candidate->err.status != AKIN_OK ||
                candidate->scene.dtype != dtype)
                continue;
            status = measure_scaling(survey, &candidate->scene, &plan->scaling[dtype],
                                     &plan->has_scaling[dtype], err);
            if (status != AKIN_OK)
                return status;
            if (!plan->has_scaling[dtype])
                continue;
            akin_log(survey->options->talk, AKIN_LEVEL_INFO, STAGE,
                     "%s values are scaled to 8 bits by the percentiles of '%s'",
                     akin_dtype_name(dtype), candidate->scene.uri);
            if (!survey->options->dry_run &&
                (status = akin_scaling_store(survey->catalog, dtype, &plan->scaling[dtype], err)) !=
                    AKIN_OK)
                return status;
        }
    }
    return AKIN_OK;
}

/* ---- rows ---- */

/* A changed image that no longer opens keeps its old tiles: only its row says that it failed. */
static void note_failure(struct survey *survey, struct candidate *candidate)
{
    struct akin_scene *scene = &candidate->scene;
    akin_free(scene->failure);
    scene->failure = akin_strdup(candidate->err.text);
    scene->state = AKIN_SCENE_FAILED;
    scene->attempts++;
    candidate->work = false;
    survey->report->scenes_failed++;
    akin_log(survey->options->talk, AKIN_LEVEL_ERROR, STAGE, "%s", candidate->err.text);
}

/* Gives every candidate a row; a dry run gives made-up ids instead. */
static akin_status write_rows(struct survey *survey, akin_error *err)
{
    for (size_t i = 0; i < survey->count; i++) {
        struct candidate *candidate = &survey->candidates[i];
        akin_status status = AKIN_OK;
        bool news = candidate->work;
        if (!news)
            continue;
        if (candidate->err.status != AKIN_OK)
            note_failure(survey, candidate);
        else if (candidate->scene.state == AKIN_SCENE_FAILED)
            candidate->scene.state = AKIN_SCENE_FOUND;
        if (survey->options->dry_run)
            candidate->scene.id = candidate->known ? candidate->scene.id : (uint32_t)i + 1;
        else if (candidate->known)
            status = akin_catalog_scene_update(survey->catalog, &candidate->scene, err);
        else
            status = akin_catalog_scene_add(survey->catalog, &candidate->scene, err);
        if (status != AKIN_OK)
            return status;
    }
    return AKIN_OK;
}

/* The orders that plan_order gave to scenes, so that a resume takes their tiles in the same one. */
static akin_status write_orders(akin_catalog *catalog, const struct plan *plan, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t s = 0; s < plan->scene_count && status == AKIN_OK; s++)
        if (plan->scenes[s].order_stride > 1)
            status = akin_catalog_scene_update(catalog, &plan->scenes[s], err);
    return status;
}

static int compare_scenes(const void *a, const void *b)
{
    const struct akin_scene *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Moves the scenes to work on from the candidates into the plan. */
static akin_status gather_scenes(struct survey *survey, struct plan *plan, akin_error *err)
{
    plan->scenes = akin_alloc(survey->count, sizeof *plan->scenes);
    if (!plan->scenes)
        return akin_error_memory(err, survey->count * sizeof *plan->scenes, "the list of scenes");
    for (size_t i = 0; i < survey->count; i++) {
        struct candidate *candidate = &survey->candidates[i];
        if (!candidate->work)
            continue;
        plan->tiles_before += candidate->scene.tiles_done;
        plan->scenes[plan->scene_count++] = candidate->scene;
        akin_scene_init(&candidate->scene);
    }
    qsort(plan->scenes, plan->scene_count, sizeof *plan->scenes, compare_scenes);
    return AKIN_OK;
}

static akin_status survey_items(struct survey *survey, const struct akin_source_list *list,
                                akin_error *err)
{
    survey->candidates = akin_alloc_zero(list->count, sizeof *survey->candidates);
    if (!survey->candidates)
        return akin_error_memory(err, list->count * sizeof *survey->candidates, "the sources");
    survey->count = list->count;
    survey->report->scenes_found = list->count;
    struct akin_catalog_counts counts;
    akin_status status = akin_catalog_count(survey->catalog, &counts, err);
    survey->empty = status == AKIN_OK;
    for (int state = 0; state < AKIN_SCENE_STATE_COUNT; state++)
        survey->empty &= counts.scenes[state] == 0;
    for (size_t i = 0; i < list->count && status == AKIN_OK; i++) {
        survey->candidates[i].item = &list->items[i];
        status = look_up(survey, &survey->candidates[i], err);
    }
    return status;
}

static akin_status make_within_transaction(struct survey *survey, struct plan *plan,
                                           uint64_t fit_tiles, akin_error *err)
{
    akin_status status = fix_bands(survey, err);
    if (status == AKIN_OK)
        status = fix_scaling(survey, plan, err);
    if (status == AKIN_OK)
        status = write_rows(survey, err);
    if (status == AKIN_OK)
        status = gather_scenes(survey, plan, err);
    if (status == AKIN_OK)
        status = plan_order(plan, &survey->settings, fit_tiles, err);
    plan->bands = survey->settings.bands;
    if (status == AKIN_OK && !survey->options->dry_run)
        status = write_orders(survey->catalog, plan, err);
    return status;
}

akin_status plan_make(struct plan *out, akin_catalog *catalog, const char *const *sources,
                      size_t source_count, const struct akin_add_options *options,
                      uint64_t fit_tiles, akin_pool *pool, struct akin_add_report *report,
                      akin_error *err)
{
    struct akin_source_list list = {0};
    struct survey survey = {.catalog = catalog,
                            .options = options,
                            .settings = *akin_catalog_settings(catalog),
                            .report = report};
    memset(out, 0, sizeof *out);
    akin_status status = akin_source_find(&list, sources, source_count, options->talk, err);
    if (status != AKIN_OK)
        goto out;
    report->paths_left_out = list.skipped_count;
    for (size_t i = 0; i < list.skipped_count; i++)
        akin_log(options->talk, AKIN_LEVEL_WARN, STAGE, "left out: %s", list.skipped[i]);
    if ((status = survey_items(&survey, &list, err)) != AKIN_OK)
        goto out;
    if ((status = inspect_all(&survey, pool, err)) != AKIN_OK)
        goto out;
    if (!options->dry_run && (status = akin_catalog_begin(catalog, err)) != AKIN_OK)
        goto out;
    status = make_within_transaction(&survey, out, fit_tiles, err);
    if (options->dry_run)
        goto out;
    if (status == AKIN_OK)
        status = akin_catalog_commit(catalog, err);
    else
        akin_catalog_rollback(catalog);
out:
    for (size_t i = 0; i < survey.count; i++)
        akin_scene_fini(&survey.candidates[i].scene);
    akin_free(survey.candidates);
    akin_source_list_free(&list);
    if (status != AKIN_OK)
        plan_fini(out);
    return status;
}

void plan_fini(struct plan *plan)
{
    for (size_t s = 0; s < plan->scene_count; s++)
        akin_scene_fini(&plan->scenes[s]);
    akin_free(plan->scenes);
    akin_free(plan->jobs);
    memset(plan, 0, sizeof *plan);
}
