/*
 * Private to index: a coded segment's lists, and the runs that find rows by place and time.
 *
 * The rows of a coded segment lie in the order (list, Hilbert key, begin, key), in columns, vectors
 * and everything else; rows [lists[l].row, lists[l + 1].row) are list l's, and its blocks begin at
 * lists[l].block: row r of list l is lane (r - lists[l].row) % 32 of block lists[l].block + (r - lists[l].row) / 32.
 * A segment without codes has none of these and lies in the order (Hilbert key, begin, key).
 *
 * Runs are in every segment written since format 2 of the sections, coded or not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_LISTS_H
#define INDEX_LISTS_H

#include "epoch.h"
#include "zone.h"

/* Stored as it is in SECTION_LISTS: epoch->lists.count + 1 of them. */
struct list_entry {
    uint32_t row, block;
};
_Static_assert(sizeof(struct list_entry) == 8, "stored as it is");

/* Into the mapping. */
struct segment_lists {
    struct epoch *epoch; /* a reference; NULL: the segment has no codes, or none that can be read */
    uint64_t epoch_id;   /* 0: no codes; its rows lie in lists where this is not 0 */
    uint32_t count;      /* the epoch's lists: lists[count] is the end */
    const struct list_entry *lists;
    const uint8_t *blocks;          /* (block_count, shape.block_bytes) */
    const struct zone *block_zones; /* (block_count): for filters */
    size_t block_count;
    float residual; /* root mean square over its rows when they were encoded */
};

/* Rows sorted by one column, to find those of a small filter without reading all. Into the mapping; each (rows).
 * All NULL in a segment written before there were runs. Place keys are made anew from the centre of each
 * row's bbox_e7: columns.hilbert is what the caller said, and an answer must not depend on that. Row numbers
 * are not checked when a segment is opened: whoever follows one compares it with `rows` first. */
struct segment_runs {
    const uint32_t *place_keys,
        *place_rows;            /* Hilbert keys ascending, and their rows; places unknown last */
    const int64_t *time_begins; /* begin_ms ascending, unknown last, */
    const uint32_t *time_rows;
    int64_t duration_max_ms;                /* of its rows: end - begin */
    double half_width_deg, half_height_deg; /* largest half box of its rows, for place */
    const uint32_t *quality; /* by row: nodata | gap << 8 | texture << 16 | level << 24 */
};
/* A row's keys in them. */
uint32_t run_place_key(const struct akin_columns *columns); /* UINT32_MAX: place unknown */
int64_t run_time_key(const struct akin_columns *columns);   /* INT64_MAX: time unknown */
uint32_t run_quality(const struct akin_columns *columns);
void runs_head_add(struct runs_head *head, const struct akin_columns *columns); /* a zeroed head */

#endif
