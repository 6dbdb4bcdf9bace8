/*
 * Private to index: which rows of a segment a filter can leave, by the sorted run (of time, place or keys) that leaves
 * fewest. INDEX.md asks for histograms of time x place instead; runs give exact counts by binary search, and
 * the rows too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_MATCHING_H
#define INDEX_MATCHING_H

#include "segment.h"

#define RUN_SPANS_MAX 64 /* stretches of the Hilbert curve, or scenes */

enum run_kind {
    RUN_ALL, /* no run leaves less: all rows, their qualities compared first */
    RUN_TIME,
    RUN_PLACE,
    RUN_SCENES
};

/* The rows rows[first[s] .. end[s]) of all spans s, or those numbers themselves where rows is NULL. */
struct matching {
    enum run_kind kind;
    const uint32_t *rows;
    size_t total, span_count;
    struct matching_span {
        size_t first, end;
    } spans[RUN_SPANS_MAX];
};

/* The best run; total 0 where nothing can match. */
void matching_choose(struct matching *out, const struct segment *segment,
                     const struct akin_filter *filter);
/* How many of *sample rows of the run match, taken at equal distances; *sample becomes how many were asked. */
#define MATCHING_SAMPLE_MAX 512
size_t matching_sample(const struct matching *run, const struct segment *segment,
                       const struct akin_filter *filter, size_t *sample);
/* Live rows that match into out (room for run->total); returns how many. */
size_t matching_list(const struct matching *run, const struct part *part,
                     const struct akin_filter *filter, uint32_t *out);

/* ---- packed qualities ---- */

/* The bounds of a row's packed quality that a filter sets. */
struct quality_bounds {
    uint32_t most;   /* by byte; texture counted from above, so that it is a most too */
    uint32_t mirror; /* the bytes counted from above */
};
struct quality_bounds matching_bounds(const struct akin_filter *filter);
/* Bit r: whether qualities[r] is within, r < rows <= 32. */
uint32_t matching_qualities(const struct quality_bounds *bounds, const uint32_t *qualities,
                            size_t rows);

#endif
