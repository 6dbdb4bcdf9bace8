/*
 * Private to index: upkeep, the work that keeps an index fast: merges, codes, new epochs. It looks at a view,
 * writes new files beside the writer's calls and the searches, and takes the index (index->writing) only to
 * commit what it has made: one record of the manifest, in which rows that were removed or replaced meanwhile
 * are carried over by key. In a thread of its own, begun when there is first something to do, or
 * (options.background false) at the end of each flush.
 *
 * Whatever goes wrong leaves the index as it was; the next flush tries again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_UPKEEP_H
#define INDEX_UPKEEP_H

#include "handle.h"

struct upkeep {
    akin_index *index;
    /* Under index->writing. */
    pthread_t thread;
    pthread_cond_t changed;
    bool started, wanted, busy, stop;
    akin_status status; /* of the last run */
    akin_error error;
    /* The rest belongs to whoever does the work. */
    bool settling; /* someone waits in akin_index_settle; set while nothing runs, as `whole` */
    bool whole;    /* all rows shall be one segment */
    atomic_bool cancel;
    _Atomic(const struct akin_talk *) listener; /* to whom progress goes, or NULL */
    struct akin_talk talk;                      /* what the work is given */
    akin_pool *pool;
    /* After a split: the epoch before, and its lists' new numbers, until all is written anew. */
    struct epoch *from;
    uint32_t *renumber;
    uint64_t split_id; /* the epoch that it gave */
};
akin_status upkeep_create(akin_index *index, akin_error *err);
void upkeep_free(struct upkeep *upkeep); /* stops it; takes NULL */
/* There may be something to do: tells the thread, or does it. The caller does not hold index->writing. */
akin_status upkeep_wake(akin_index *index, akin_error *err);

/* The steps; each does one thing, if there is one to do: *did. */

/* A new epoch where it is due. */
akin_status renew_step(struct upkeep *upkeep, bool *did, akin_error *err);
/* One merge, or one segment written anew. */
akin_status merge_step(struct upkeep *upkeep, bool *did, akin_error *err);

/* Measures the recall of searches by codes, where that is due: the last of a run's steps. */
akin_status calibrate_step(struct upkeep *upkeep, bool *did, akin_error *err);

/* Root mean square of the residuals of all segments' rows; 0 where not all are coded in `epoch`. */
double upkeep_residual(const struct view *view, const struct epoch *epoch);
/* Removes a file that could not be committed, but where the manifest may name it. */
void upkeep_remove(const struct upkeep *upkeep, const char *path);
/* Live rows of the segments. */
uint64_t upkeep_rows(const struct view *view);
/* Whether the part's codes are there and of this epoch (NULL: no). */
bool upkeep_coded_in(const struct part *part, const struct epoch *epoch);

#endif
