/*
 * Recovery: from the files to a handle. Reading changes nothing on disk and is the same for a
 * reader and a writer; what a writer then puts right is in recovery_repair. Nothing that could hold
 * rows is deleted while there is a sign that the manifest has lost something: it is set aside under
 * a name that says so.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"

#define FOLDER_FILES_MAX 1000000u
#define RETRIES_MAX 100

/* ---- loading ---- */

static akin_status replay_add(void *user, const struct akin_columns *columns,
                              const akin_f16 *vectors, size_t rows, akin_error *err)
{
    struct draft *draft = user;
    struct memtable *table = draft->memtable;
    akin_status status = memtable_reserve(table, rows, err);
    for (size_t i = 0; !status && i < rows; i++) {
        memtable_stage(table, table->rows + i, &columns[i]);
        memcpy(memtable_vector(table, table->rows + i), vectors + i * table->dim,
               table->dim * sizeof *vectors);
    }
    if (!status)
        status = draft_stage_add(draft, columns, rows, err);
    if (!status)
        draft_commit_add(draft, columns, rows);
    return status;
}

static akin_status replay_remove(void *user, uint64_t first, uint64_t last, akin_error *err)
{
    uint64_t removed;
    akin_status status = draft_stage_remove(user, first, last, &removed, err);
    if (!status)
        draft_commit_remove(user, first, last);
    return status;
}

static const struct wal_reader_fns replay_fns = {replay_add, replay_remove};

/* Everything that loading makes, until it becomes the handle's. */
struct load {
    akin_index *index;
    struct manifest manifest;
    struct epoch_set epochs;
    struct view *view;
    struct memtable *memtable;
    struct wal_state wal;
    uint64_t missing;
    bool log_missing;
    bool moved; /* a file is gone because a writer has gone on: read the manifest again */
};

static void load_fini(struct load *load)
{
    view_unref(load->view);
    memtable_unref(load->memtable);
    epoch_set_fini(&load->epochs);
    manifest_fini(&load->manifest);
}

/* A file that cannot be served: gone with a newer manifest, or a loss to be told. Another status is
 * passed on. */
static akin_status file_lost(struct load *load, akin_status status, const akin_error *why,
                             const char *consequence)
{
    if (status != AKIN_ERR_NOT_FOUND && status != AKIN_ERR_CORRUPT)
        return status;
    if (!manifest_is_current(&load->manifest, load->index->path)) {
        load->moved = true;
        return status;
    }
    akin_log(load->index->talk, AKIN_LEVEL_WARN, "index", "%s; %s", why->text, consequence);
    return AKIN_OK;
}

static akin_status open_epoch(struct epoch **out, const struct load *load,
                              const struct change_epoch *is, akin_error *err)
{
    struct epoch *epoch = epoch_set_find(&load->index->epochs, is->id);
    if (epoch && epoch->file_crc == is->file_crc) {
        *out = epoch_ref(epoch);
        return AKIN_OK;
    }
    akin_status status = epoch_open(&epoch, load->index->path, is->id, err);
    if (status)
        return status;
    if (epoch->file_crc != is->file_crc || epoch->dim != load->manifest.dim ||
        epoch->shape.metric != load->manifest.metric) {
        epoch_unref(epoch);
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "%s: epoch %" PRIu64 " is not the one that the manifest names",
                              load->index->path, is->id);
    }
    *out = epoch;
    return AKIN_OK;
}

/* Without its epoch a segment's codes say nothing, but its rows are all there. */
static akin_status load_epochs(struct load *load, akin_error *err)
{
    akin_status status = AKIN_OK;
    for (size_t i = 0; !status && i < load->manifest.epoch_count; i++) {
        struct epoch *epoch = NULL;
        akin_error why = {0};
        status = open_epoch(&epoch, load, &load->manifest.epochs[i], &why);
        if (!status) {
            status = epoch_set_add(&load->epochs, epoch, err);
            continue;
        }
        status = file_lost(load, status, &why,
                           "segments that are coded in this epoch are searched exactly");
        if (status && err)
            *err = why;
    }
    return status;
}

static struct segment *already_open(const akin_index *index, const struct change_segment *is)
{
    struct view *view = index->shared->view;
    for (size_t i = 0; view && i + 1 < view->part_count; i++) {
        struct segment *segment = view->parts[i].segment;
        if (segment->id == is->id && segment->head_crc == is->head_crc)
            return segment_ref(segment);
    }
    return NULL;
}

static akin_status open_segment(struct segment **out, const struct load *load,
                                const struct change_segment *is, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct segment *segment = already_open(load->index, is);
    akin_status status = AKIN_OK;
    if (!segment)
        status = segment_path(path, load->index->path, is->id, err);
    if (!segment && !status)
        status = segment_open(&segment, path, &load->epochs, err);
    if (status)
        return status;
    if (segment->id != is->id || segment->rows != is->rows || segment->bytes != is->bytes ||
        segment->head_crc != is->head_crc || segment->first_key != is->first_key ||
        segment->last_key != is->last_key || segment->dim != load->manifest.dim ||
        segment->model != load->manifest.model || segment->metric != load->manifest.metric) {
        segment_unref(segment);
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "%s: is not the segment that the manifest names", path);
    }
    *out = segment;
    return AKIN_OK;
}

/* A segment with its tombstones; without them it would serve what was removed, so both or
 * neither. */
static akin_status open_part(struct part *part, const struct load *load,
                             const struct manifest_segment *is, akin_error *err)
{
    struct segment *segment = NULL;
    struct bitmap *dead = NULL;
    akin_status status = open_segment(&segment, load, &is->is, err);
    if (!status && is->tomb_file)
        status = tomb_load(&dead, load->index->path, is->is.id, is->tomb_file, is->is.rows, err);
    if (!status && dead && dead->count != is->tomb_count)
        status = akin_error_set(err, AKIN_ERR_CORRUPT,
                                "%s: the tombstones of segment %" PRIu64
                                " are not those that the manifest names",
                                load->index->path, is->is.id);
    if (status) {
        segment_unref(segment);
        bitmap_unref(dead);
        return status;
    }
    part->segment = segment;
    part->rows = segment->rows;
    part->dead = dead;
    part->tomb_file = is->tomb_file;
    part->tomb_count = is->tomb_count;
    return AKIN_OK;
}

static akin_status load_segments(struct load *load, akin_error *err)
{
    const struct manifest *manifest = &load->manifest;
    size_t served = 0;
    akin_status status = view_create(&load->view, manifest->count + 1, err);
    for (size_t i = 0; !status && i < manifest->count; i++) {
        akin_error why = {0};
        status = open_part(&load->view->parts[served], load, &manifest->segments[i], &why);
        served += status == AKIN_OK;
        if (!status)
            continue;
        status = file_lost(load, status, &why, "this segment is not served");
        if (status && err)
            *err = why;
        load->missing++;
    }
    if (load->view)
        load->view->part_count = served + 1;
    return status;
}

static akin_status load_log(struct load *load, akin_error *err)
{
    const struct manifest *manifest = &load->manifest;
    struct part *memory = &load->view->parts[load->view->part_count - 1];
    akin_error why = {0};
    akin_status status = memtable_create(&load->memtable, manifest->dim, err);
    if (!status)
        status = part_of_memtable(memory, load->memtable, err);
    if (status)
        return status;
    struct draft draft = {.memtable = load->memtable, .view = load->view};
    status = wal_replay(&load->wal, load->index->path, manifest->log, manifest->dim,
                        manifest->model, &replay_fns, &draft, &why);
    if (!status)
        return AKIN_OK;
    load->log_missing = true;
    status = file_lost(load, status, &why, "the rows in this log are not served");
    if (status && err)
        *err = why;
    return status;
}

static akin_status load_once(struct load *load, akin_error *err)
{
    akin_status status = manifest_read(&load->manifest, load->index->path, err);
    if (!status)
        status = load_epochs(load, err);
    if (!status)
        status = load_segments(load, err);
    return status ? status : load_log(load, err);
}

static void tell_tail(const akin_index *index, const char *file, uint64_t good, uint64_t bytes,
                      bool damaged)
{
    if (damaged)
        akin_log(index->talk, AKIN_LEVEL_WARN, "index",
                 "%s/%s: damaged at byte %" PRIu64 ": %" PRIu64 " bytes from there on are not read",
                 index->path, file, good, bytes - good);
    else if (bytes > good && index->mode == AKIN_OPEN_WRITE)
        akin_log(index->talk, AKIN_LEVEL_WARN, "index",
                 "%s/%s: ends in an unfinished record, whose %" PRIu64 " bytes are cut off",
                 index->path, file, bytes - good);
}

static void log_name(char name[64], uint64_t number)
{
    snprintf(name, 64, "log-%" PRIu64 ".wal", number);
}

static void take_load(struct load *load)
{
    akin_index *index = load->index;
    char name[64];
    struct manifest old_manifest = index->manifest;
    struct memtable *old_memtable = index->memtable;
    struct epoch_set old_epochs = index->epochs;
    index->manifest = load->manifest;
    index->epochs = load->epochs;
    index->next_id = load->manifest.next_id;
    index->memtable = load->memtable;
    index->wal = load->wal;
    index->segments_missing = load->missing;
    index->log_missing = load->log_missing;
    handle_publish(index, load->view);
    load->view = NULL;
    load->memtable = old_memtable;
    load->epochs = old_epochs;
    load->manifest = old_manifest;
    log_name(name, index->manifest.log);
    tell_tail(index, "MANIFEST", index->manifest.good_bytes, index->manifest.file_bytes,
              index->manifest.damaged);
    tell_tail(index, name, index->wal.good_bytes, index->wal.file_bytes, index->wal.damaged);
}

akin_status recovery_load(akin_index *index, akin_error *err)
{
    for (int tries = 0;; tries++) {
        struct load load = {.index = index};
        akin_status status = load_once(&load, err);
        if (!status)
            take_load(&load);
        load_fini(&load);
        if (!status || !load.moved)
            return status;
        if (tries == RETRIES_MAX)
            return akin_error_context(err, status, "the writer was faster %d times", tries);
    }
}

akin_status recovery_follow_log(akin_index *index, akin_error *err)
{
    struct draft draft = {0};
    char name[64];
    bool damaged = index->wal.damaged;
    akin_status status = draft_begin(&draft, index, err);
    if (status)
        return status;
    status = wal_replay(&index->wal, index->path, index->manifest.log, index->manifest.dim,
                        index->manifest.model, &replay_fns, &draft, err);
    /* Also after a failure: the records before it are whole, and index->wal has moved past them. */
    handle_publish(index, draft.view);
    log_name(name, index->manifest.log);
    if (!damaged)
        tell_tail(index, name, index->wal.good_bytes, index->wal.file_bytes, index->wal.damaged);
    return status == AKIN_ERR_NOT_FOUND ? recovery_load(index, err) : status;
}

/* ---- repair ---- */

/* A free name DIR/NAME.N.WORD. */
static akin_status aside_path(char *out, const char *dir, const char *name, const char *word,
                              akin_error *err)
{
    char aside[512];
    struct stat st;
    for (unsigned n = 1; n < 10000; n++) {
        snprintf(aside, sizeof aside, "%s.%u.%s", name, n, word);
        akin_status status = akin_path_join(out, dir, aside, err);
        if (status || lstat(out, &st))
            return status;
    }
    return akin_error_set(err, AKIN_ERR_LIMIT, "%s: too many files set aside; remove some", dir);
}

static akin_status move_aside(const akin_index *index, const char *name, const char *word,
                              akin_error *err)
{
    char from[AKIN_PATH_MAX], to[AKIN_PATH_MAX];
    akin_status status = akin_path_join(from, index->path, name, err);
    if (!status)
        status = aside_path(to, index->path, name, word, err);
    if (!status && rename(from, to) && errno != ENOENT)
        status = akin_error_errno(err, errno, "cannot rename '%s'", from);
    if (!status)
        akin_log(index->talk, AKIN_LEVEL_WARN, "index", "%s is kept as %s", from, to);
    return status;
}

static akin_status copy_aside(const akin_index *index, const char *name, akin_error *err)
{
    char from[AKIN_PATH_MAX], to[AKIN_PATH_MAX];
    struct akin_map map = {0};
    akin_status status = akin_path_join(from, index->path, name, err);
    if (!status)
        status = aside_path(to, index->path, name, "damaged", err);
    if (!status)
        status = akin_map_open(&map, from, err);
    if (!status)
        status = akin_file_write_atomic(to, map.data, map.size, err);
    akin_map_close(&map);
    if (!status)
        akin_log(index->talk, AKIN_LEVEL_WARN, "index", "%s: a copy is kept as %s", from, to);
    return status;
}

static akin_status repair_manifest(akin_index *index, akin_error *err)
{
    if (index->manifest.good_bytes == index->manifest.file_bytes)
        return AKIN_OK;
    akin_status status = index->manifest.damaged ? copy_aside(index, "MANIFEST", err) : AKIN_OK;
    return status ? status : manifest_save(&index->manifest, index->path, err);
}

/* The log that the manifest names is not there or not a log: a new one takes its place. */
static akin_status replace_log(akin_index *index, const char *name, akin_error *err)
{
    struct akin_buffer edit;
    uint64_t number = index->manifest.log + 1;
    bool broken = false;
    edit_init(&edit);
    akin_status status = move_aside(index, name, "damaged", err);
    if (!status)
        status = wal_create(index->path, number, index->manifest.dim, index->manifest.model, err);
    if (!status)
        status = edit_number(&edit, CHANGE_LOG, number, err);
    if (!status)
        status = manifest_commit(&index->manifest, index->path, &edit, &broken, err);
    if (!status)
        index->wal = (struct wal_state){.good_bytes = sizeof(struct log_head),
                                        .file_bytes = sizeof(struct log_head)};
    akin_buffer_fini(&edit);
    return status;
}

static akin_status repair_log(akin_index *index, akin_error *err)
{
    char name[64], path[AKIN_PATH_MAX];
    log_name(name, index->manifest.log);
    akin_status status = wal_path(path, index->path, index->manifest.log, err);
    if (!status && index->log_missing)
        status = replace_log(index, name, err);
    else if (!status && index->wal.damaged)
        status = copy_aside(index, name, err);
    if (!status)
        status = handle_open_log(index, err);
    if (status || index->wal.good_bytes == index->wal.file_bytes)
        return status;
    if (ftruncate(index->wal_fd, (off_t)index->wal.good_bytes) || fsync(index->wal_fd))
        return akin_error_errno(err, errno, "cannot cut off the end of '%s'", path);
    index->wal.file_bytes = index->wal.good_bytes;
    index->wal.damaged = false;
    return AKIN_OK;
}

/* Files that no one names are what an interrupted flush or merge left. But where the manifest may
 * have lost its end, they may be what it named. */
static akin_status sweep(const akin_index *index, bool suspect, akin_error *err)
{
    char **names = NULL, path[AKIN_PATH_MAX];
    size_t count = 0;
    akin_status status = akin_dir_list(&names, &count, index->path, FOLDER_FILES_MAX, err);
    for (size_t i = 0; !status && i < count; i++) {
        if (recovery_file_kind(names[i]) != FILE_OURS ||
            recovery_file_owned(&index->manifest, names[i]))
            continue;
        if (suspect)
            status = move_aside(index, names[i], "lost", err);
        else
            status = akin_path_join(path, index->path, names[i], err);
        if (!status && !suspect)
            status = akin_file_remove(path, err);
    }
    akin_names_free(names, count);
    return status ? status : akin_dir_sweep(index->path, err);
}

akin_status recovery_repair(akin_index *index, akin_error *err)
{
    /* An unfinished record alone is what a crash leaves; its old files are still there. Where they
     * are gone, the record had been whole. */
    bool suspect = index->log_missing || index->segments_missing || index->manifest.damaged;
    akin_status status = repair_manifest(index, err);
    /* Before a new log takes a number that a forgotten one may have. */
    if (!status)
        status = sweep(index, suspect, err);
    if (!status)
        status = repair_log(index, err);
    if (!status)
        index->log_missing = false;
    return status;
}

akin_status recovery_create(const char *path, uint32_t dim, uint32_t model, enum akin_metric metric,
                            akin_error *err)
{
    struct manifest manifest = {
        .dim = dim, .model = model, .metric = metric, .log = 1, .next_id = 1};
    akin_status status = recovery_refuse_remains(path, err);
    if (!status)
        status = wal_create(path, manifest.log, dim, model, err);
    return status ? status : manifest_save(&manifest, path, err);
}
