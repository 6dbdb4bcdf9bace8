/*
 * Private to index: the manifest, an append-only list of edits. What it says is what is committed:
 * a file that it does not name is not part of the index. One record is one edit and may hold
 * several changes, so that "this segment comes, these tombstones change, the log starts anew"
 * happens at once or not at all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_MANIFEST_H
#define INDEX_MANIFEST_H

#include <stdbool.h>
#include <sys/types.h>

#include "akin/index.h"
#include "layout.h"

#define CHANGE_OPTIONAL 0x80000000u /* in a kind: a reader that does not know it may go on */

enum change_kind {
    CHANGE_CREATED = 1,    /* struct change_created; the first of all */
    CHANGE_SEGMENT = 2,    /* struct change_segment */
    CHANGE_DROP = 3,       /* struct change_number: this segment and its tombstones go */
    CHANGE_TOMBSTONES = 4, /* struct change_tombstones, in place of those before */
    CHANGE_LOG = 5,        /* struct change_number: the log that holds what comes after */
    CHANGE_NEXT_ID = 6,    /* struct change_number: ids up to this one were used */
    CHANGE_METRIC = 7,     /* struct change_number: enum akin_metric; without it cosine */
    CHANGE_EPOCH = 8,      /* struct change_epoch: new segments are coded in this epoch */
    CHANGE_EPOCH_DROP = 9  /* struct change_number: no segment is coded in it any more */
};
/* CHANGE_OPTIONAL | 10: struct change_calibration, in place of the one before. */
#define CHANGE_CALIBRATION (CHANGE_OPTIONAL | 10u)

struct change_head {
    uint32_t kind, bytes; /* a multiple of 8, follow */
};
struct change_created {
    uint32_t dim, model;
};
struct change_segment {
    uint64_t id, rows, bytes, first_key, last_key;
    uint32_t head_crc, reserved;
};
struct change_number {
    uint64_t number;
};
struct change_tombstones {
    uint64_t segment, file, count;
};

struct change_epoch {
    uint64_t id, rows; /* of the index when it was trained */
    uint32_t file_crc, reserved;
};
/* What the index measured of itself: to find `recall` of the ten nearest, this many lists and reranked candidates. */
#define CALIBRATION_POINTS 8
struct calibration_point {
    float recall; /* that it is good for; measured: a little more, for a sample may be lucky */
    uint32_t probes, rerank;
    float measured;
};
struct change_calibration {
    uint64_t epoch, rows; /* of the index then */
    uint32_t queries, count;
    float residual; /* root mean square over the coded rows when this epoch's first one was made */
    uint32_t reserved;
    struct calibration_point points[CALIBRATION_POINTS]; /* ascending by recall */
};

#define MANIFEST_SEGMENTS_MAX 65536u
#define MANIFEST_EPOCHS_MAX 16u
#define RECORD_EDIT 1u

struct manifest_segment {
    struct change_segment is;
    uint64_t tomb_file, tomb_count; /* 0, 0 without tombstones */
};

struct manifest {
    uint32_t dim, model;
    uint64_t log, next_id;
    struct manifest_segment *segments; /* owned */
    size_t count, capacity;
    enum akin_metric metric;
    struct change_epoch epochs[MANIFEST_EPOCHS_MAX]; /* by id ascending: the newest is the last */
    size_t epoch_count;
    struct change_calibration calibration; /* count 0: none */
    /* The file: which it was, and how much of it is good. */
    ino_t inode;
    uint64_t good_bytes, file_bytes;
    bool damaged; /* there are wrong bytes behind good_bytes, not only an unfinished record */
};
void manifest_fini(struct manifest *manifest); /* takes a zeroed struct */
akin_status manifest_copy(struct manifest *out, const struct manifest *from, akin_error *err);
const struct manifest_segment *manifest_find(const struct manifest *manifest, uint64_t id);
const struct change_epoch *manifest_find_epoch(const struct manifest *manifest, uint64_t id);

/* Reads DIR/MANIFEST up to its last good record. NOT_FOUND, CORRUPT where not even the first record
 * is good, VERSION. */
akin_status manifest_read(struct manifest *out, const char *dir, akin_error *err);
/* Whether the file is still the one, and of the size, that was read. */
bool manifest_is_current(const struct manifest *manifest, const char *dir);

/* An edit is a buffer of changes. */
void edit_init(struct akin_buffer *edit);
akin_status edit_add(struct akin_buffer *edit, uint32_t kind, const void *change, size_t bytes,
                     akin_error *err);
akin_status edit_number(struct akin_buffer *edit, enum change_kind kind, uint64_t number,
                        akin_error *err);

/* Makes the edit part of the file and of *manifest: appended and fsynced, or the file written anew
 * where it has grown long. On failure both are as before; *broken says that even that failed, and
 * nothing may be written any more. */
akin_status manifest_commit(struct manifest *manifest, const char *dir,
                            const struct akin_buffer *edit, bool *broken, akin_error *err);
/* Writes the whole file anew, without the history. */
akin_status manifest_save(struct manifest *manifest, const char *dir, akin_error *err);

#endif
