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

struct turnover {
    akin_index *index;
    struct akin_buffer edit;
    struct akin_buffer made, obsolete; /* paths, each with its NUL */
    struct view *view;                 /* the next one: parts are added to it */
    size_t served;                     /* parts in it so far */
    uint64_t next_id;
    uint64_t
        log; /* the new log's number and file, with an empty memtable; or 0: the present ones stay */
    int log_fd;
    struct memtable *memtable;
};
akin_status turnover_begin(struct turnover *turn, akin_index *index, size_t parts_max,
                           akin_error *err);
/* Writes the live rows of `parts` as a new segment. */
akin_status turnover_build(struct turnover *turn, const struct part *parts, size_t count,
                           akin_error *err);
/* Keeps a segment, with what is dead in it by now written down. */
akin_status turnover_keep(struct turnover *turn, const struct part *part, akin_error *err);
akin_status turnover_drop(struct turnover *turn, const struct part *part, akin_error *err);
/* The log begins anew. */
akin_status turnover_new_log(struct turnover *turn, akin_error *err);
/* Commits, or undoes everything; frees what the turnover holds either way. Pass the status so
 * far. */
akin_status turnover_end(struct turnover *turn, akin_status status, akin_error *err);

/* One merge, where there are too many segments or one is mostly dead; *done: there was nothing to
 * do. The log must be empty. */
akin_status merge_step(akin_index *index, bool *done, akin_error *err);

#endif
