/*
 * In which order tiles are taken. With an encoder at hand: scene by scene. Before there is one, the
 * first jobs must be a fair sample of all that is to come, because the encoder's statistics stand
 * on them: pieces of scenes drawn at random, each piece itself spread over its scene
 * (akin_grid_row_at), until there are fit_tiles of them. The rest follows scene by scene. Every
 * tile is taken once: the sample costs no second pass.
 *
 * Depends on the scenes, the settings and the seed only, so that a run killed before its encoder
 * was saved starts over with the same sample.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "ingest_private.h"

/* The sample comes from at least this many scenes where there are that many. */
#define SAMPLE_SCENES 64
#define STREAM_SAMPLE 0x73616d706c65u

static uint64_t scene_left(const struct akin_scene *scene)
{
    return scene->tiles_total - scene->tiles_done;
}

/* Whole rows of tiles that hold at least `quota` tiles; a scene that is nearly used up is taken
 * whole. */
static uint64_t sample_share(struct akin_scene *scene, const struct akin_settings *settings,
                             uint64_t quota)
{
    struct akin_grid grid;
    uint64_t share = scene_left(scene);
    if (share <= quota + quota / 4 ||
        akin_grid_init(&grid, settings, scene->width, scene->height, akin_bbox_known(scene->bbox),
                       NULL) != AKIN_OK ||
        grid.whole)
        return share;
    uint64_t rows = (quota + grid.cols - 1) / grid.cols;
    if (rows >= grid.rows)
        return share;
    scene->order_stride = (uint32_t)(grid.rows / rows);
    return rows * grid.cols;
}

static int compare_jobs(const void *a, const void *b)
{
    const struct job *x = a, *y = b;
    return x->scene < y->scene ? -1 : x->scene > y->scene;
}

/* The sample's jobs; taken[s] is how far into scene s they reach. */
static akin_status order_sample(struct plan *plan, const struct akin_settings *settings,
                                uint64_t fit_tiles, uint64_t *taken, akin_error *err)
{
    size_t count = plan->scene_count;
    uint32_t *order = akin_alloc(count, sizeof *order);
    if (!order)
        return akin_error_memory(err, count * sizeof *order, "the order of scenes");
    akin_random_permutation(order, (uint32_t)count, settings->seed, STREAM_SAMPLE);

    uint64_t spread = count < SAMPLE_SCENES ? count : SAMPLE_SCENES;
    uint64_t quota = (fit_tiles + spread - 1) / spread, sum = 0;
    for (size_t i = 0; i < count && sum < fit_tiles; i++) {
        struct akin_scene *scene = &plan->scenes[order[i]];
        uint64_t share = sample_share(scene, settings, quota);
        taken[order[i]] = scene->tiles_done + share;
        plan->jobs[plan->job_count++] = (struct job){order[i], scene->tiles_done, taken[order[i]]};
        sum += share;
    }
    akin_free(order);
    /* By id again: neighbours on disk are read together. */
    qsort(plan->jobs, plan->job_count, sizeof *plan->jobs, compare_jobs);
    plan->fit_jobs = plan->job_count;
    return AKIN_OK;
}

akin_status plan_order(struct plan *plan, const struct akin_settings *settings, uint64_t fit_tiles,
                       akin_error *err)
{
    akin_status status = AKIN_OK;
    size_t count = plan->scene_count;
    uint64_t *taken = akin_alloc(count, sizeof *taken);
    plan->jobs = akin_alloc(count, 2 * sizeof *plan->jobs);
    if (!taken || !plan->jobs) {
        status = akin_error_memory(err, count * 2 * sizeof *plan->jobs, "the list of jobs");
        goto out;
    }
    for (size_t s = 0; s < count; s++) {
        taken[s] = plan->scenes[s].tiles_done;
        plan->tiles += scene_left(&plan->scenes[s]);
    }
    if (fit_tiles && count &&
        (status = order_sample(plan, settings, fit_tiles, taken, err)) != AKIN_OK)
        goto out;
    for (size_t s = 0; s < count; s++)
        if (taken[s] < plan->scenes[s].tiles_total)
            plan->jobs[plan->job_count++] =
                (struct job){(uint32_t)s, taken[s], plan->scenes[s].tiles_total};
out:
    akin_free(taken);
    return status;
}
