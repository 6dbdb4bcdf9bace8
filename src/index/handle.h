/*
 * Private to index: the handle, and drafts, the way in which every change comes about.
 *
 * A draft is the next view in the making. Each operation on it has two halves: stage, which may
 * fail and changes nothing that anyone sees, and commit, which cannot fail. Between the two the
 * writer makes its log record durable; a replay has nothing to do there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_HANDLE_H
#define INDEX_HANDLE_H

#include <pthread.h>

#include "epoch_set.h"
#include "manifest.h"
#include "scratch.h"
#include "segment.h"
#include "view.h"
#include "wal.h"

/* What searches share with the writer. */
struct shared_view {
    pthread_mutex_t mutex;
    struct view *view;
    struct scratch_pool scratches;
};

struct akin_index {
    char path[AKIN_PATH_MAX];
    enum akin_open mode;
    uint32_t memtable_rows, coded_rows, code_bits, list_rows;
    bool background;
    uint64_t ram_bytes;
    akin_pool *pool;              /* borrowed */
    const struct akin_talk *talk; /* borrowed */
    struct shared_view *shared;   /* on the heap, so that a const handle can be searched */
    struct upkeep *upkeep;        /* of a writer; NULL in a reader */
    /* The rest belongs to whoever holds `writing`: a call of the writer, or upkeep when it commits. In a
     * reader, to the thread that refreshes. */
    pthread_mutex_t writing;
    akin_lock *lock;
    struct manifest manifest;
    struct epoch_set epochs; /* those of the manifest that could be opened */
    uint64_t next_id;        /* of a file; ahead of the manifest's while files are being written */
    struct memtable *memtable;
    struct wal_state wal;
    int wal_fd;                /* -1 in a reader */
    bool log_missing;          /* the manifest names a log that is not there, or not one */
    uint64_t segments_missing; /* damaged or gone: named in the manifest, not served */
    const char *broken;        /* why nothing may be written any more, or NULL */
};

/* The present view with a reference of the caller's. */
struct view *handle_view(const akin_index *index);
/* Takes over `view` (filled in but for its stats) and makes it the present one. */
void handle_publish(akin_index *index, struct view *view);
/* The epoch that new segments are coded in; borrowed; NULL where there is none, or only a damaged one. */
struct epoch *handle_epoch(const akin_index *index);
/* Errors of a handle that cannot write. */
akin_status handle_check_writer(const akin_index *index, akin_error *err);
akin_status handle_open_log(akin_index *index, akin_error *err);

/* ---- drafts ---- */

struct draft {
    struct memtable *memtable; /* borrowed */
    struct view *view;         /* owned until published */
};
akin_status draft_begin(struct draft *draft, const akin_index *index, akin_error *err);
void draft_abort(struct draft *draft); /* takes a zeroed or published draft */

/* The rows are staged in the memtable; these make room for what their keys replace. */
akin_status draft_stage_add(struct draft *draft, const struct akin_columns *columns, size_t rows,
                            akin_error *err);
void draft_commit_add(struct draft *draft, const struct akin_columns *columns, size_t rows);
/* *removed: how many live rows are in the range. */
akin_status draft_stage_remove(struct draft *draft, uint64_t first, uint64_t last,
                               uint64_t *removed, akin_error *err);
void draft_commit_remove(struct draft *draft, uint64_t first, uint64_t last);

/* ---- recovery ---- */

/* Reads what is committed into the handle and publishes it: manifest, segments (those already open
 * are kept), tombstones, log. */
akin_status recovery_load(akin_index *index, akin_error *err);
/* Replays what the log has beyond index->wal. */
akin_status recovery_follow_log(akin_index *index, akin_error *err);
/* Writer: puts right what recovery_load found: unfinished records cut off, damage kept aside, files
 * that no one names removed. */
akin_status recovery_repair(akin_index *index, akin_error *err);
/* Writer: makes an index where there is none. */
akin_status recovery_create(const char *path, uint32_t dim, uint32_t model, enum akin_metric metric,
                            akin_error *err);
/* For a folder without a manifest: AKIN_ERR_CORRUPT where files are left whose rows may still be saved, so
 * that no index may be begun anew over them. */
akin_status recovery_refuse_remains(const char *path, akin_error *err);

/* Kinds of files by their names in the folder. */
enum file_kind { FILE_FOREIGN, FILE_OURS, FILE_TEMPORARY, FILE_ASIDE };
enum file_kind recovery_file_kind(const char *name);
/* Whether the manifest owns the file, or the index as such does (MANIFEST, LOCK). */
bool recovery_file_owned(const struct manifest *manifest, const char *name);

#endif
