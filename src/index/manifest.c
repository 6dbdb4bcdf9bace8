/*
 * The manifest: replay, commit, and the writing anew that keeps it short.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

#define EDIT_BYTES_MAX (16u << 20)
#define REWRITE_BYTES 65536u /* a manifest below this is left to grow */

void manifest_fini(struct manifest *manifest)
{
    akin_free(manifest->segments);
    *manifest = (struct manifest){0};
}

akin_status manifest_copy(struct manifest *out, const struct manifest *from, akin_error *err)
{
    *out = *from;
    out->capacity = from->count + 1;
    out->segments = akin_alloc(out->capacity, sizeof *out->segments);
    if (!out->segments)
        return akin_error_memory(err, out->capacity * sizeof *out->segments, "manifest");
    if (from->count)
        memcpy(out->segments, from->segments, from->count * sizeof *out->segments);
    return AKIN_OK;
}

static size_t place_of(const struct manifest *manifest, uint64_t id)
{
    size_t i = 0;
    while (i < manifest->count && manifest->segments[i].is.id != id)
        i++;
    return i;
}

const struct manifest_segment *manifest_find(const struct manifest *manifest, uint64_t id)
{
    size_t place = place_of(manifest, id);
    return place < manifest->count ? &manifest->segments[place] : NULL;
}

const struct change_epoch *manifest_find_epoch(const struct manifest *manifest, uint64_t id)
{
    for (size_t i = 0; i < manifest->epoch_count; i++)
        if (manifest->epochs[i].id == id)
            return &manifest->epochs[i];
    return NULL;
}

/* ---- replay ---- */

static bool id_used(struct manifest *manifest, uint64_t id)
{
    if (id == 0 || id >= UINT64_MAX - 1)
        return false;
    if (id >= manifest->next_id)
        manifest->next_id = id + 1;
    return true;
}

static akin_status apply_segment(struct manifest *manifest, const struct change_segment *change,
                                 bool *good, akin_error *err)
{
    *good = id_used(manifest, change->id) && !manifest_find(manifest, change->id) &&
            manifest->count < MANIFEST_SEGMENTS_MAX && change->rows > 0;
    if (!*good)
        return AKIN_OK;
    if (manifest->count == manifest->capacity) {
        size_t size = sizeof *manifest->segments, capacity = 2 * manifest->capacity + 8;
        struct manifest_segment *segments =
            akin_realloc(manifest->segments, manifest->capacity * size, capacity * size);
        if (!segments)
            return akin_error_memory(err, capacity * size, "manifest");
        manifest->segments = segments;
        manifest->capacity = capacity;
    }
    manifest->segments[manifest->count++] = (struct manifest_segment){.is = *change};
    return AKIN_OK;
}

static bool apply_drop(struct manifest *manifest, uint64_t id)
{
    size_t place = place_of(manifest, id);
    if (place == manifest->count)
        return false;
    memmove(&manifest->segments[place], &manifest->segments[place + 1],
            (manifest->count - place - 1) * sizeof *manifest->segments);
    manifest->count--;
    return true;
}

static bool apply_tombstones(struct manifest *manifest, const struct change_tombstones *change)
{
    size_t place = place_of(manifest, change->segment);
    if (place == manifest->count || !id_used(manifest, change->file) ||
        change->count > manifest->segments[place].is.rows)
        return false;
    manifest->segments[place].tomb_file = change->file;
    manifest->segments[place].tomb_count = change->count;
    return true;
}

static bool apply_epoch(struct manifest *manifest, const struct change_epoch *change)
{
    size_t count = manifest->epoch_count;
    if (!id_used(manifest, change->id) || count == MANIFEST_EPOCHS_MAX ||
        (count && change->id <= manifest->epochs[count - 1].id))
        return false;
    manifest->epochs[manifest->epoch_count++] = *change;
    return true;
}

static bool apply_epoch_drop(struct manifest *manifest, uint64_t id)
{
    size_t i = 0;
    while (i < manifest->epoch_count && manifest->epochs[i].id != id)
        i++;
    if (i == manifest->epoch_count)
        return false;
    memmove(&manifest->epochs[i], &manifest->epochs[i + 1],
            (--manifest->epoch_count - i) * sizeof *manifest->epochs);
    return true;
}

static bool apply_metric(struct manifest *manifest, uint64_t metric)
{
    if (metric > AKIN_METRIC_L2 || manifest->count)
        return false;
    manifest->metric = (enum akin_metric)metric;
    return true;
}

static bool apply_calibration(struct manifest *manifest, const struct change_calibration *change)
{
    if (change->count > CALIBRATION_POINTS)
        return false;
    manifest->calibration = *change;
    return true;
}

static size_t change_bytes(uint32_t kind)
{
    if (kind == CHANGE_CALIBRATION)
        return sizeof(struct change_calibration);
    static const size_t bytes[] = {[CHANGE_CREATED] = sizeof(struct change_created),
                                   [CHANGE_SEGMENT] = sizeof(struct change_segment),
                                   [CHANGE_DROP] = sizeof(struct change_number),
                                   [CHANGE_TOMBSTONES] = sizeof(struct change_tombstones),
                                   [CHANGE_LOG] = sizeof(struct change_number),
                                   [CHANGE_NEXT_ID] = sizeof(struct change_number),
                                   [CHANGE_METRIC] = sizeof(struct change_number),
                                   [CHANGE_EPOCH] = sizeof(struct change_epoch),
                                   [CHANGE_EPOCH_DROP] = sizeof(struct change_number)};
    return kind < sizeof bytes / sizeof *bytes ? bytes[kind] : 0;
}

/* One change of a known kind and the right size; *good says whether it makes sense. */
static akin_status apply_change(struct manifest *manifest, uint32_t kind, const void *data,
                                bool *good, akin_error *err)
{
    struct change_created created;
    struct change_segment segment;
    struct change_tombstones tombstones;
    struct change_epoch epoch;
    struct change_calibration calibration;
    uint64_t number;
    *good = true;
    switch (kind) {
    case CHANGE_CREATED:
        memcpy(&created, data, sizeof created);
        *good = manifest->dim == 0 && created.dim > 0 && created.dim <= INDEX_DIM_MAX;
        manifest->dim = created.dim;
        manifest->model = created.model;
        return AKIN_OK;
    case CHANGE_SEGMENT:
        memcpy(&segment, data, sizeof segment);
        return apply_segment(manifest, &segment, good, err);
    case CHANGE_TOMBSTONES:
        memcpy(&tombstones, data, sizeof tombstones);
        *good = apply_tombstones(manifest, &tombstones);
        return AKIN_OK;
    case CHANGE_EPOCH:
        memcpy(&epoch, data, sizeof epoch);
        *good = apply_epoch(manifest, &epoch);
        return AKIN_OK;
    case CHANGE_CALIBRATION:
        memcpy(&calibration, data, sizeof calibration);
        *good = apply_calibration(manifest, &calibration);
        return AKIN_OK;
    default:
        memcpy(&number, data, sizeof number);
        if (kind == CHANGE_DROP)
            *good = apply_drop(manifest, number);
        else if (kind == CHANGE_LOG)
            manifest->log = number;
        else if (kind == CHANGE_METRIC)
            *good = apply_metric(manifest, number);
        else if (kind == CHANGE_EPOCH_DROP)
            *good = apply_epoch_drop(manifest, number);
        else
            *good = id_used(manifest, number) || number == 0;
        return AKIN_OK;
    }
}

/* A whole edit; its changes' sizes must add up to the record's. */
static akin_status apply_edit(struct manifest *manifest, const char *data, size_t bytes,
                              const char *path, akin_error *err)
{
    size_t at = 0;
    while (at < bytes) {
        struct change_head head;
        bool good = bytes - at >= sizeof head;
        if (good) {
            memcpy(&head, data + at, sizeof head);
            at += sizeof head;
            good = head.bytes <= bytes - at && head.bytes % 8 == 0;
        }
        if (good && change_bytes(head.kind)) {
            good = change_bytes(head.kind) == head.bytes;
            akin_status status =
                good ? apply_change(manifest, head.kind, data + at, &good, err) : AKIN_OK;
            if (status)
                return status;
        } else if (good && !(head.kind & CHANGE_OPTIONAL)) {
            return akin_error_set(err, AKIN_ERR_VERSION,
                                  "%s: a change of kind %u that only a newer akin knows", path,
                                  head.kind);
        }
        if (!good)
            return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: an edit that makes no sense", path);
        at += head.bytes;
    }
    return AKIN_OK;
}

static akin_status replay(struct manifest *out, int fd, const char *path, akin_error *err)
{
    struct record_reader reader;
    enum record_state state = RECORD_GOOD;
    struct preamble preamble;
    struct manifest before = {0};
    record_reader_init(&reader, fd, path, sizeof preamble, out->file_bytes);
    akin_status status = akin_file_read_at(fd, &preamble, sizeof preamble, 0, path, err);
    if (!status)
        status = preamble_check(&preamble, MAGIC_MANIFEST, path, err);
    while (!status && state == RECORD_GOOD) {
        out->good_bytes = reader.at;
        status = record_next(&reader, &state, err);
        if (status || state != RECORD_GOOD)
            continue;
        /* An edit applies whole or not at all, also where its sum is right and its sense is not. */
        manifest_fini(&before);
        status = manifest_copy(&before, out, err);
        if (!status)
            status = apply_edit(out, reader.body.data, reader.body.size, path, err);
        if (status == AKIN_ERR_CORRUPT && before.dim) {
            struct manifest wrong = *out;
            *out = before;
            before = wrong;
            state = RECORD_DAMAGED;
            status = AKIN_OK;
        }
    }
    out->damaged = state == RECORD_DAMAGED;
    manifest_fini(&before);
    record_reader_fini(&reader);
    if (!status && !out->dim)
        status = akin_error_set(err, AKIN_ERR_CORRUPT,
                                "%s: its first record is damaged; restore this file from a backup",
                                path);
    return status;
}

akin_status manifest_read(struct manifest *out, const char *dir, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct manifest manifest = {.next_id = 1};
    struct stat st;
    akin_status status = akin_path_join(path, dir, "MANIFEST", err);
    if (status)
        return status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return akin_error_errno(err, errno, "cannot open '%s'", path);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        status = akin_error_set(err, AKIN_ERR_CORRUPT, "%s: not a regular file", path);
    } else {
        manifest.inode = st.st_ino;
        manifest.file_bytes = (uint64_t)st.st_size;
        status = replay(&manifest, fd, path, err);
    }
    close(fd);
    if (status) {
        manifest_fini(&manifest);
        return status;
    }
    *out = manifest;
    return AKIN_OK;
}

bool manifest_is_current(const struct manifest *manifest, const char *dir)
{
    char path[AKIN_PATH_MAX];
    struct stat st;
    return akin_path_join(path, dir, "MANIFEST", NULL) == AKIN_OK && stat(path, &st) == 0 &&
           st.st_ino == manifest->inode && (uint64_t)st.st_size == manifest->file_bytes;
}

/* ---- edits ---- */

void edit_init(struct akin_buffer *edit)
{
    akin_buffer_init(edit, EDIT_BYTES_MAX);
}

akin_status edit_add(struct akin_buffer *edit, uint32_t kind, const void *change, size_t bytes,
                     akin_error *err)
{
    struct change_head head = {.kind = kind, .bytes = (uint32_t)bytes};
    akin_status status = akin_buffer_append(edit, &head, sizeof head, err);
    return status ? status : akin_buffer_append(edit, change, bytes, err);
}

akin_status edit_number(struct akin_buffer *edit, enum change_kind kind, uint64_t number,
                        akin_error *err)
{
    struct change_number change = {number};
    return edit_add(edit, kind, &change, sizeof change, err);
}

/* The edit that makes *manifest out of nothing. */
static akin_status whole_edit(struct akin_buffer *edit, const struct manifest *manifest,
                              akin_error *err)
{
    struct change_created created = {manifest->dim, manifest->model};
    akin_status status = edit_add(edit, CHANGE_CREATED, &created, sizeof created, err);
    if (!status)
        status = edit_number(edit, CHANGE_NEXT_ID, manifest->next_id - 1, err);
    if (!status)
        status = edit_number(edit, CHANGE_LOG, manifest->log, err);
    if (!status && manifest->metric != AKIN_METRIC_COSINE)
        status = edit_number(edit, CHANGE_METRIC, (uint64_t)manifest->metric, err);
    for (size_t i = 0; !status && i < manifest->epoch_count; i++)
        status = edit_add(edit, CHANGE_EPOCH, &manifest->epochs[i], sizeof *manifest->epochs, err);
    if (!status && manifest->calibration.count)
        status = edit_add(edit, CHANGE_CALIBRATION, &manifest->calibration,
                          sizeof manifest->calibration, err);
    for (size_t i = 0; !status && i < manifest->count; i++) {
        const struct manifest_segment *segment = &manifest->segments[i];
        status = edit_add(edit, CHANGE_SEGMENT, &segment->is, sizeof segment->is, err);
        if (!status && segment->tomb_file) {
            struct change_tombstones tombstones = {segment->is.id, segment->tomb_file,
                                                   segment->tomb_count};
            status = edit_add(edit, CHANGE_TOMBSTONES, &tombstones, sizeof tombstones, err);
        }
    }
    return status;
}

akin_status manifest_save(struct manifest *manifest, const char *dir, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct akin_buffer edit;
    struct preamble preamble;
    struct record_head head;
    struct stat st;
    akin_atomic_file *file = NULL;
    edit_init(&edit);
    preamble_fill(&preamble, MAGIC_MANIFEST);
    akin_status status = akin_path_join(path, dir, "MANIFEST", err);
    if (!status)
        status = whole_edit(&edit, manifest, err);
    if (!status)
        status = akin_atomic_begin(&file, path, err);
    if (!status)
        status = akin_atomic_write(file, &preamble, sizeof preamble, err);
    if (!status) {
        record_head_fill(&head, RECORD_EDIT, edit.size, akin_crc32c(0, edit.data, edit.size));
        status = akin_atomic_write(file, &head, sizeof head, err);
    }
    if (!status)
        status = akin_atomic_write(file, edit.data, edit.size, err);
    if (status)
        akin_atomic_abort(file);
    else
        status = akin_atomic_commit(file, err);
    if (!status && stat(path, &st))
        status = akin_error_errno(err, errno, "cannot look at '%s'", path);
    if (!status) {
        manifest->inode = st.st_ino;
        manifest->good_bytes = manifest->file_bytes = (uint64_t)st.st_size;
        manifest->damaged = false;
    }
    akin_buffer_fini(&edit);
    return status;
}

/* Appends and fsyncs; where that fails the file is cut back to what it was. */
static akin_status append(struct manifest *manifest, const char *path,
                          const struct akin_buffer *edit, bool *broken, akin_error *err)
{
    struct record_head head;
    record_head_fill(&head, RECORD_EDIT, edit->size, akin_crc32c(0, edit->data, edit->size));
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return akin_error_errno(err, errno, "cannot open '%s'", path);
    akin_status status = akin_file_write_all(fd, &head, sizeof head, path, err);
    if (!status)
        status = akin_file_write_all(fd, edit->data, edit->size, path, err);
    if (!status && fsync(fd))
        status = akin_error_errno(err, errno, "cannot write '%s'", path);
    if (status)
        *broken = ftruncate(fd, (off_t)manifest->good_bytes) || fsync(fd);
    else
        manifest->good_bytes = manifest->file_bytes += sizeof head + edit->size;
    close(fd);
    return status;
}

akin_status manifest_commit(struct manifest *manifest, const char *dir,
                            const struct akin_buffer *edit, bool *broken, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct manifest next = {0};
    *broken = false;
    akin_status status = akin_path_join(path, dir, "MANIFEST", err);
    if (!status)
        status = manifest_copy(&next, manifest, err);
    if (!status)
        status = apply_edit(&next, edit->data, edit->size, path, err);
    if (status)
        goto out;
    uint64_t live = 128 + next.count * (sizeof(struct change_segment) + 48);
    if (next.good_bytes > REWRITE_BYTES && next.good_bytes > 4 * live)
        status = manifest_save(&next, dir, err);
    else
        status = append(&next, path, edit, broken, err);
    if (!status) {
        struct manifest old = *manifest;
        *manifest = next;
        next = old;
    }
out:
    manifest_fini(&next);
    return status;
}
