/*
 * Turnovers, and the flush, which is the plainest of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "turnover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PATHS_BYTES_MAX (256u << 20)

akin_status turnover_begin(struct turnover *turn, akin_index *index, size_t parts_max,
                           akin_error *err)
{
    *turn = (struct turnover){.index = index, .log_fd = -1};
    edit_init(&turn->edit);
    akin_buffer_init(&turn->made, PATHS_BYTES_MAX);
    akin_buffer_init(&turn->obsolete, PATHS_BYTES_MAX);
    return view_create(&turn->view, parts_max, err);
}

static akin_status note(struct akin_buffer *paths, const char *path, akin_error *err)
{
    return akin_buffer_append(paths, path, strlen(path) + 1, err);
}

static void remove_all(const struct akin_buffer *paths)
{
    for (size_t at = 0; at < paths->size; at += strlen(paths->data + at) + 1)
        akin_file_remove(paths->data + at, NULL); /* what stays is swept at the next open */
}

static akin_status save_tombstones(struct turnover *turn, struct part *part, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct change_tombstones change = {part->segment->id, turn->index->next_id++,
                                       part->dead->count};
    akin_status status = tomb_path(path, turn->index->path, change.segment, change.file, err);
    if (!status)
        status = note(&turn->made, path, err);
    if (!status)
        status =
            tomb_save(turn->index->path, change.segment, change.file, part->rows, part->dead, err);
    if (!status)
        status = edit_add(&turn->edit, CHANGE_TOMBSTONES, &change, sizeof change, err);
    part->tomb_file = change.file;
    part->tomb_count = change.count;
    return status;
}

akin_status turnover_add(struct turnover *turn, struct segment *segment, struct bitmap *dead,
                         akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct part *part = &turn->view->parts[turn->served];
    struct change_segment change = {.id = segment->id,
                                    .rows = segment->rows,
                                    .bytes = segment->bytes,
                                    .first_key = segment->first_key,
                                    .last_key = segment->last_key,
                                    .head_crc = segment->head_crc};
    *part = (struct part){.segment = segment, .rows = segment->rows, .dead = bitmap_ref(dead)};
    turn->served++;
    akin_status status = segment_path(path, turn->index->path, segment->id, err);
    if (!status)
        status = note(&turn->made, path, err);
    if (!status)
        status = edit_add(&turn->edit, CHANGE_SEGMENT, &change, sizeof change, err);
    return !status && dead && dead->count ? save_tombstones(turn, part, err) : status;
}

akin_status turnover_epoch(struct turnover *turn, const struct epoch *epoch, uint64_t rows,
                           akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct change_epoch change = {.id = epoch->id, .rows = rows, .file_crc = epoch->file_crc};
    akin_status status = epoch_path(path, turn->index->path, epoch->id, err);
    if (!status)
        status = note(&turn->made, path, err);
    return status ? status : edit_add(&turn->edit, CHANGE_EPOCH, &change, sizeof change, err);
}

static akin_status old_tombstones_go(struct turnover *turn, const struct part *part,
                                     akin_error *err)
{
    char path[AKIN_PATH_MAX];
    if (!part->tomb_file)
        return AKIN_OK;
    akin_status status =
        tomb_path(path, turn->index->path, part->segment->id, part->tomb_file, err);
    return status ? status : note(&turn->obsolete, path, err);
}

akin_status turnover_carry(struct turnover *turn, const struct part *part, akin_error *err)
{
    akin_status status = part_copy(&turn->view->parts[turn->served], part, err);
    turn->served += status == AKIN_OK;
    return status;
}

akin_status turnover_keep(struct turnover *turn, const struct part *part, akin_error *err)
{
    akin_status status = turnover_carry(turn, part, err);
    if (status || !part->dead || part->dead->count == part->tomb_count)
        return status;
    status = old_tombstones_go(turn, part, err);
    return status ? status : save_tombstones(turn, &turn->view->parts[turn->served - 1], err);
}

akin_status turnover_drop(struct turnover *turn, const struct part *part, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    akin_status status = old_tombstones_go(turn, part, err);
    if (!status)
        status = segment_path(path, turn->index->path, part->segment->id, err);
    if (!status)
        status = note(&turn->obsolete, path, err);
    return status ? status : edit_number(&turn->edit, CHANGE_DROP, part->segment->id, err);
}

akin_status turnover_forget(struct turnover *turn, const struct manifest_segment *is,
                            akin_error *err)
{
    char path[AKIN_PATH_MAX];
    akin_status status = segment_path(path, turn->index->path, is->is.id, err);
    if (!status)
        status = note(&turn->obsolete, path, err);
    if (!status && is->tomb_file)
        status = tomb_path(path, turn->index->path, is->is.id, is->tomb_file, err);
    if (!status && is->tomb_file)
        status = note(&turn->obsolete, path, err);
    return status ? status : edit_number(&turn->edit, CHANGE_DROP, is->is.id, err);
}

akin_status turnover_new_log(struct turnover *turn, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    const struct manifest *manifest = &turn->index->manifest;
    turn->log = manifest->log + 1;
    akin_status status = wal_path(path, turn->index->path, manifest->log, err);
    if (!status)
        status = note(&turn->obsolete, path, err);
    if (!status)
        status = wal_path(path, turn->index->path, turn->log, err);
    if (!status)
        status = note(&turn->made, path, err);
    if (!status)
        status = wal_create(turn->index->path, turn->log, manifest->dim, manifest->model, err);
    if (status)
        return status;
    turn->log_fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (turn->log_fd < 0)
        return akin_error_errno(err, errno, "cannot open '%s'", path);
    status = memtable_create(&turn->memtable, manifest->dim, err);
    return status ? status : edit_number(&turn->edit, CHANGE_LOG, turn->log, err);
}

/* The last part of the next view: a new memtable's, or that of the present one. */
static akin_status add_memtable(struct turnover *turn, akin_error *err)
{
    struct part *part = &turn->view->parts[turn->served];
    struct view *now = handle_view(turn->index);
    akin_status status = turn->memtable ? part_of_memtable(part, turn->memtable, err)
                                        : part_copy(part, &now->parts[now->part_count - 1], err);
    view_unref(now);
    turn->served += status == AKIN_OK;
    return status;
}

static bool epoch_used(const struct turnover *turn, uint64_t id)
{
    for (size_t i = 0; i < turn->served; i++) {
        const struct segment *segment = turn->view->parts[i].segment;
        if (segment && segment->coded.epoch_id == id)
            return true;
    }
    return false;
}

/* Epochs that no segment needs any more, but the newest, which is for segments to come, where it can be read. A
 * segment that is not served, being damaged, may need any of them. */
static akin_status drop_epochs(struct turnover *turn, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    const akin_index *index = turn->index;
    const struct manifest *manifest = &index->manifest;
    const struct epoch *newest = handle_epoch(index);
    akin_status status = AKIN_OK;
    for (size_t i = 0; !status && !index->segments_missing && i < manifest->epoch_count; i++) {
        uint64_t id = manifest->epochs[i].id;
        if (epoch_used(turn, id) || (newest && newest->id == id))
            continue;
        status = epoch_path(path, index->path, id, err);
        if (!status)
            status = note(&turn->obsolete, path, err);
        if (!status)
            status = edit_number(&turn->edit, CHANGE_EPOCH_DROP, id, err);
    }
    return status;
}

static void publish(struct turnover *turn)
{
    akin_index *index = turn->index;
    if (turn->log) {
        memtable_unref(index->memtable);
        index->memtable = turn->memtable;
        turn->memtable = NULL;
        close(index->wal_fd);
        index->wal_fd = turn->log_fd;
        turn->log_fd = -1;
        index->wal = (struct wal_state){.good_bytes = sizeof(struct log_head),
                                        .file_bytes = sizeof(struct log_head)};
    }
    for (size_t i = index->epochs.count; i-- > 0;) {
        uint64_t id = index->epochs.epochs[i]->id;
        if (!manifest_find_epoch(&index->manifest, id))
            epoch_set_remove(&index->epochs, id);
    }
    turn->view->part_count = turn->served;
    handle_publish(index, turn->view);
    turn->view = NULL;
}

akin_status turnover_end(struct turnover *turn, akin_status status, akin_error *err)
{
    akin_index *index = turn->index;
    bool broken = false;
    if (!status)
        status = add_memtable(turn, err);
    if (!status)
        status = drop_epochs(turn, err);
    if (!status)
        status = manifest_commit(&index->manifest, index->path, &turn->edit, &broken, err);
    if (!status) {
        publish(turn);
        remove_all(&turn->obsolete);
    } else if (broken) {
        /* The record may be there or not: neither the old files nor the new ones may go. */
        index->broken = "the manifest could not be put back after a failed write";
    } else {
        remove_all(&turn->made);
    }
    view_unref(turn->view);
    memtable_unref(turn->memtable);
    if (turn->log_fd >= 0)
        close(turn->log_fd);
    akin_buffer_fini(&turn->edit);
    akin_buffer_fini(&turn->made);
    akin_buffer_fini(&turn->obsolete);
    return status;
}

struct segment_recipe turnover_recipe(akin_index *index)
{
    return (struct segment_recipe){.dir = index->path,
                                   .id = index->next_id++,
                                   .dim = index->manifest.dim,
                                   .model = index->manifest.model,
                                   .metric = index->manifest.metric,
                                   .epoch = handle_epoch(index),
                                   .pool = index->pool};
}

/* The memtable's live rows as a segment. */
static akin_status build_memtable(struct turnover *turn, const struct part *part, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct segment_info info;
    struct segment *segment = NULL;
    struct segment_recipe recipe = turnover_recipe(turn->index);
    akin_status status = segment_path(path, recipe.dir, recipe.id, err);
    if (!status)
        status = note(&turn->made, path, err);
    if (!status)
        status = segment_build(&info, &recipe, part, 1, err);
    if (!status)
        status = segment_open(&segment, path, &turn->index->epochs, err);
    return status ? status : turnover_add(turn, segment, NULL, err);
}

akin_status flush_log(akin_index *index, akin_error *err)
{
    struct turnover turn;
    struct view *view = handle_view(index);
    size_t segments = view->part_count - 1;
    akin_status status = turnover_begin(&turn, index, view->part_count + 1, err);
    for (size_t i = 0; !status && i < segments; i++)
        status = part_live(&view->parts[i]) ? turnover_keep(&turn, &view->parts[i], err)
                                            : turnover_drop(&turn, &view->parts[i], err);
    if (!status && part_live(&view->parts[segments]))
        status = build_memtable(&turn, &view->parts[segments], err);
    if (!status)
        status = turnover_new_log(&turn, err);
    status = turnover_end(&turn, status, err);
    view_unref(view);
    return status;
}
