/*
 * Commit: strips that came in order become durable, a batch at a time, in an order that a crash may
 * cut anywhere:
 *
 *   1. the chip pack is renamed into place        an unknown pack is swept by the next add
 *   2. the catalogue learns of the pack           chips without rows: harmless
 *   3. the index gets the rows (log, fsync)       rows of a scene that is still "found": added
 *   again on resume, same keys
 *   4. the catalogue gets the scenes' progress
 *
 * So no row is ever without its chip, and no scene says "embedded" whose rows are not all there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ingest_private.h"

#define BATCH_TILES 2048
#define BATCH_PACK_BYTES ((uint64_t)64 << 20)
#define BATCH_MS 5000

akin_status commit_init(struct commit *commit, akin_catalog *catalog, const struct plan *plan,
                        bool chips, akin_error *err)
{
    memset(commit, 0, sizeof *commit);
    commit->catalog = catalog;
    commit->plan = plan;
    commit->chips = chips;
    commit->last_write_ms = akin_time_now_ms();
    snprintf(commit->dir, sizeof commit->dir, "%s", akin_catalog_dir(catalog));
    commit->touched = akin_alloc(plan->scene_count, sizeof *commit->touched);
    commit->dirty = akin_alloc_zero(plan->scene_count, sizeof *commit->dirty);
    if (!commit->touched || !commit->dirty)
        return akin_error_memory(err, plan->scene_count * sizeof *commit->touched, "the scenes");
    return AKIN_OK;
}

void commit_fini(struct commit *commit)
{
    akin_pack_abort(commit->pack);
    akin_free(commit->columns);
    akin_free(commit->vectors);
    akin_free(commit->touched);
    akin_free(commit->dirty);
    memset(commit, 0, sizeof *commit);
}

static akin_status grow(struct commit *commit, akin_error *err)
{
    size_t more = commit->rows_max ? 2 * commit->rows_max : BATCH_TILES;
    size_t dim = commit->dim;
    struct akin_columns *columns =
        akin_realloc(commit->columns, commit->rows_max * sizeof *columns, more * sizeof *columns);
    if (!columns)
        return akin_error_memory(err, more * sizeof *columns, "a batch of tiles");
    commit->columns = columns;
    float *vectors = akin_realloc(commit->vectors, commit->rows_max * dim * sizeof *vectors,
                                  more * dim * sizeof *vectors);
    if (!vectors)
        return akin_error_memory(err, more * dim * sizeof *vectors, "a batch of vectors");
    commit->vectors = vectors;
    commit->rows_max = more;
    return AKIN_OK;
}

static akin_status pack_path(char out[AKIN_PATH_MAX], const struct commit *commit, akin_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "chips/%016" PRIx64 ".pack", commit->pack_id);
    return akin_path_join(out, commit->dir, name, err);
}

static akin_status keep_chip(struct commit *commit, const struct akin_tile *tile, akin_error *err)
{
    if (!commit->pack) {
        char path[AKIN_PATH_MAX];
        akin_status status = akin_catalog_pack_next(commit->catalog, &commit->pack_id, err);
        if (status == AKIN_OK)
            status = pack_path(path, commit, err);
        if (status == AKIN_OK)
            status = akin_pack_create(&commit->pack, path, err);
        if (status != AKIN_OK)
            return status;
    }
    commit->pack_bytes += tile->chip_bytes;
    return akin_pack_append(commit->pack, tile->columns.key, tile->chip, tile->chip_bytes, err);
}

akin_status commit_tile(struct commit *commit, const struct akin_tile *tile, const float *vector,
                        akin_error *err)
{
    akin_status status = AKIN_OK;
    if (commit->rows == commit->rows_max && (status = grow(commit, err)) != AKIN_OK)
        return status;
    if (commit->chips && (status = keep_chip(commit, tile, err)) != AKIN_OK)
        return status;
    if (vector)
        memcpy(commit->vectors + commit->rows * commit->dim, vector, commit->dim * sizeof *vector);
    commit->columns[commit->rows++] = tile->columns;
    return AKIN_OK;
}

static struct akin_scene *touch(struct commit *commit, uint32_t scene)
{
    if (!commit->dirty[scene])
        commit->touched[commit->touched_count++] = scene;
    commit->dirty[scene] = true;
    return &commit->plan->scenes[scene];
}

void commit_progress(struct commit *commit, uint32_t index, const struct akin_strip *strip)
{
    struct akin_scene *scene = touch(commit, index);
    if (strip->position == 0) { /* new, or a changed image whose old tiles go with this batch */
        scene->tiles_kept = 0;
        scene->tiles_skipped = 0;
    }
    scene->tiles_done = strip->position + strip->windows;
    scene->tiles_kept += strip->count;
    scene->tiles_skipped += strip->skipped;
    commit->tiles_kept += strip->count;
    commit->tiles_skipped += strip->skipped;
    if (scene->tiles_done == scene->tiles_total)
        scene->state = AKIN_SCENE_EMBEDDED;
}

void commit_scene_ended(struct commit *commit, uint32_t index, akin_status status,
                        const char *failure)
{
    if (status == AKIN_OK)
        return;
    struct akin_scene *scene = touch(commit, index);
    akin_free(scene->failure);
    scene->failure = akin_strdup(failure);
    scene->state = AKIN_SCENE_FAILED;
    scene->attempts++;
}

bool commit_is_due(const struct commit *commit)
{
    return commit->rows >= BATCH_TILES || commit->pack_bytes >= BATCH_PACK_BYTES ||
           commit->touched_count >= BATCH_TILES ||
           (commit->touched_count && akin_time_now_ms() - commit->last_write_ms >= BATCH_MS);
}

/* Steps 1 and 2. */
static akin_status write_pack(struct commit *commit, akin_error *err)
{
    struct akin_pack_entry entry = {.id = commit->pack_id};
    akin_pack_writer *pack = commit->pack;
    if (!pack)
        return AKIN_OK;
    commit->pack = NULL;
    akin_status status = akin_pack_commit(pack, &entry, err);
    return status == AKIN_OK ? akin_catalog_pack_add(commit->catalog, &entry, err) : status;
}

/* The tiles that a changed image had before. */
static akin_status remove_replaced(struct commit *commit, akin_error *err)
{
    for (size_t i = 0; i < commit->touched_count; i++) {
        struct akin_scene *scene = &commit->plan->scenes[commit->touched[i]];
        if (!scene->replaces || !scene->tiles_done)
            continue;
        akin_status status =
            scene_remove(commit->catalog, commit->index, commit->model, scene->id, err);
        if (status != AKIN_OK)
            return status;
        scene->replaces = 0;
    }
    return AKIN_OK;
}

/* Step 4. */
static akin_status write_scenes(struct commit *commit, akin_error *err)
{
    akin_status status = akin_catalog_begin(commit->catalog, err);
    if (status != AKIN_OK)
        return status;
    for (size_t i = 0; i < commit->touched_count && status == AKIN_OK; i++)
        status = akin_catalog_scene_update(commit->catalog,
                                           &commit->plan->scenes[commit->touched[i]], err);
    if (status == AKIN_OK)
        return akin_catalog_commit(commit->catalog, err);
    akin_catalog_rollback(commit->catalog);
    return status;
}

akin_status commit_write(struct commit *commit, akin_error *err)
{
    akin_status status = write_pack(commit, err);
    if (status == AKIN_OK && commit->index)
        status = remove_replaced(commit, err);
    if (status == AKIN_OK && commit->rows)
        status = akin_index_add(commit->index, commit->columns, commit->vectors, commit->rows, err);
    if (status == AKIN_OK && commit->touched_count)
        status = write_scenes(commit, err);
    if (status != AKIN_OK)
        return status;
    for (size_t i = 0; i < commit->touched_count; i++)
        commit->dirty[commit->touched[i]] = false;
    commit->touched_count = 0;
    commit->rows = 0;
    commit->pack_bytes = 0;
    commit->last_write_ms = akin_time_now_ms();
    return AKIN_OK;
}
