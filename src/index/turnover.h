/*
 * Private to index: turnovers, the changes of which files there are. New files are written first;
 * one record of the manifest then makes them part of the index and the old ones not; the old ones
 * are removed last. A crash at any point is before that record or after it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_TURNOVER_H
#define INDEX_TURNOVER_H

#include "handle.h"

/* The holder of index->writing makes them, one at a time. */
struct turnover {
    akin_index *index;
    struct akin_buffer edit;
    struct akin_buffer made, obsolete; /* paths, each with its NUL */
    struct view *view;                 /* the next one: parts are added to it */
    size_t served;                     /* parts in it so far */
    uint64_t
        log; /* the new log's number and file, with an empty memtable; or 0: the present ones stay */
    int log_fd;
    struct memtable *memtable;
};
akin_status turnover_begin(struct turnover *turn, akin_index *index, size_t parts_max,
                           akin_error *err);
/* Adds a new segment, whose file is there; takes over the reference. dead (may be NULL; a reference is taken):
 * its rows that have died since it was begun. Its file goes where the turnover fails. */
akin_status turnover_add(struct turnover *turn, struct segment *segment, struct bitmap *dead,
                         akin_error *err);
/* Keeps a segment as it is, with what is written down of its tombstones and what the log knows. */
akin_status turnover_carry(struct turnover *turn, const struct part *part, akin_error *err);
/* Keeps a segment, with what is dead in it by now written down: before the log goes. */
akin_status turnover_keep(struct turnover *turn, const struct part *part, akin_error *err);
akin_status turnover_drop(struct turnover *turn, const struct part *part, akin_error *err);
/* Drops a segment that is not served. */
akin_status turnover_forget(struct turnover *turn, const struct manifest_segment *is,
                            akin_error *err);
/* A new epoch, whose file is there, in an index of so many rows: the next segments are coded in it. Its file
 * goes where the turnover fails. */
akin_status turnover_epoch(struct turnover *turn, const struct epoch *epoch, uint64_t rows,
                           akin_error *err);
/* The log begins anew. */
akin_status turnover_new_log(struct turnover *turn, akin_error *err);
/* Commits, or undoes everything; frees what the turnover holds either way. Epochs in which no segment is
 * coded any more go. Pass the status so far. */
akin_status turnover_end(struct turnover *turn, akin_status status, akin_error *err);

/* What a segment of this index, written now, is like. */
struct segment_recipe turnover_recipe(akin_index *index);
/* The log becomes a segment. */
akin_status flush_log(akin_index *index, akin_error *err);

#endif
