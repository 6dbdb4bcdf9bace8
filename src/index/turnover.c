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
#define MERGES_MAX 64 /* at one flush */

akin_status turnover_begin(struct turnover *turn, akin_index *index, size_t parts_max,
                           akin_error *err)
{
    *turn = (struct turnover){.index = index, .log_fd = -1, .next_id = index->manifest.next_id};
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

akin_status turnover_build(struct turnover *turn, const struct part *parts, size_t count,
                           akin_error *err)
{
    char path[AKIN_PATH_MAX];
    const akin_index *index = turn->index;
    struct segment_info info;
    struct part *part = &turn->view->parts[turn->served];
    uint64_t id = turn->next_id++;
    struct segment_recipe recipe = {.dir = index->path,
                                    .id = id,
                                    .dim = index->manifest.dim,
                                    .model = index->manifest.model,
                                    .pool = index->pool};
    akin_status status = segment_path(path, index->path, id, err);
    if (!status)
        status = note(&turn->made, path, err);
    if (!status)
        status = segment_build(&info, &recipe, parts, count, err);
    if (!status)
        status = segment_open(&part->segment, path, NULL, err);
    if (status)
        return status;
    part->rows = part->segment->rows;
    turn->served++;
    struct change_segment change = {.id = id,
                                    .rows = info.rows,
                                    .bytes = info.bytes,
                                    .first_key = info.first_key,
                                    .last_key = info.last_key,
                                    .head_crc = info.head_crc};
    return edit_add(&turn->edit, CHANGE_SEGMENT, &change, sizeof change, err);
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

akin_status turnover_keep(struct turnover *turn, const struct part *part, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct part *kept = &turn->view->parts[turn->served];
    akin_status status = part_copy(kept, part, err);
    if (status)
        return status;
    turn->served++;
    if (!part->dead || part->dead->count == part->tomb_count)
        return AKIN_OK;
    struct change_tombstones change = {part->segment->id, turn->next_id++, part->dead->count};
    status = old_tombstones_go(turn, part, err);
    if (!status)
        status = tomb_path(path, turn->index->path, change.segment, change.file, err);
    if (!status)
        status = note(&turn->made, path, err);
    if (!status)
        status =
            tomb_save(turn->index->path, change.segment, change.file, part->rows, part->dead, err);
    if (!status)
        status = edit_add(&turn->edit, CHANGE_TOMBSTONES, &change, sizeof change, err);
    kept->tomb_file = change.file;
    kept->tomb_count = change.count;
    return status;
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

/* The last part of the next view. */
static akin_status add_memtable(struct turnover *turn, akin_error *err)
{
    struct memtable *table = turn->memtable ? turn->memtable : turn->index->memtable;
    akin_status status = part_of_memtable(&turn->view->parts[turn->served], table, err);
    turn->served += status == AKIN_OK;
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

static akin_status flush_log(akin_index *index, akin_error *err)
{
    struct turnover turn;
    struct view *view = handle_view(index);
    size_t segments = view->part_count - 1;
    akin_status status = turnover_begin(&turn, index, view->part_count + 1, err);
    for (size_t i = 0; !status && i < segments; i++)
        status = part_live(&view->parts[i]) ? turnover_keep(&turn, &view->parts[i], err)
                                            : turnover_drop(&turn, &view->parts[i], err);
    if (!status && part_live(&view->parts[segments]))
        status = turnover_build(&turn, &view->parts[segments], 1, err);
    if (!status)
        status = turnover_new_log(&turn, err);
    status = turnover_end(&turn, status, err);
    view_unref(view);
    return status;
}

akin_status akin_index_flush(akin_index *index, akin_error *err)
{
    bool done = false;
    akin_status status = handle_check_writer(index, err);
    if (!status && index->wal.good_bytes > sizeof(struct log_head))
        status = flush_log(index, err);
    for (int i = 0; !status && !done && i < MERGES_MAX; i++)
        status = merge_step(index, &done, err);
    return status;
}
