/*
 * Private to index: the view, what a search sees. A view never changes once it is published; it
 * holds references to segments, bitmaps and the memtable, and goes when its last holder lets go of
 * it. A writer makes the next one aside and swaps the pointer under the index's mutex, so that
 * searches wait for nothing else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_VIEW_H
#define INDEX_VIEW_H

#include <stdatomic.h>

#include "akin/index.h"
#include "bitmap.h"
#include "manifest.h"
#include "memtable.h"

struct segment;
struct zone;

/* Rows that lie together: a segment, or the memtable's committed rows. */
struct part {
    struct segment *segment;   /* or NULL */
    struct memtable *memtable; /* where segment is NULL */
    struct chunk **chunks;     /* a copy of the memtable's pointers, owned */
    size_t rows;
    struct bitmap *dead;
    bool dead_is_own; /* not yet shared with a published view: may be changed in place */
    uint64_t tomb_file, tomb_count; /* what the disk has: 0, 0 without tombstones */
};

struct view {
    atomic_uint refs;
    size_t part_count; /* segments, then the memtable: at least 1 */
    struct part *parts;
    struct akin_index_stats stats;
    enum akin_metric metric;
    struct change_calibration calibration; /* .count 0: none yet */
};

/* A view with room for `parts` empty parts. */
akin_status view_create(struct view **out, size_t parts, akin_error *err);
struct view *view_ref(struct view *view);
void view_unref(struct view *view); /* takes NULL */
/* dst (empty) becomes src with new references. */
akin_status part_copy(struct part *dst, const struct part *src, akin_error *err);
akin_status part_of_memtable(struct part *dst, struct memtable *table, akin_error *err);

static inline size_t part_live(const struct part *part)
{
    return part->rows - (part->dead ? (size_t)part->dead->count : 0);
}
/* A bitmap of the part that may be written: copied where others hold it. */
akin_status part_own_dead(struct part *part, akin_error *err);

/* Rows [first, first + count) of a part, without a gap. */
struct block {
    const struct akin_columns *columns;
    const akin_f16 *vectors;
    const struct zone *zone; /* NULL in the memtable */
    size_t first, count;
};
static inline size_t part_blocks(const struct part *part)
{
    return (part->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
}
void part_block(struct block *out, const struct part *part, size_t index);
const struct akin_columns *part_columns(const struct part *part, size_t row);
const akin_f16 *part_vector(const struct part *part, size_t row);
/* The live row of a key, or SIZE_MAX. */
size_t part_find(const struct part *part, uint64_t key);

/*
 * A walk over a part's live rows by key: for (walk_begin(...); walk->left; walk_next(walk)). A segment
 * has a run of sorted keys; a memtable is sorted here.
 */
struct walk {
    const struct part *part;
    uint32_t *sorted; /* the memtable's rows in order, owned; NULL for a segment */
    size_t place, places;
    size_t row; /* the present one, while left */
    bool left;
};
akin_status walk_begin(struct walk *walk, const struct part *part, akin_error *err);
/* From the first row whose key is not below `first`. */
akin_status walk_begin_at(struct walk *walk, const struct part *part, uint64_t first,
                          akin_error *err);
void walk_next(struct walk *walk);
void walk_fini(struct walk *walk); /* takes a zeroed struct */
/* Which of the walks is at the smallest key; `count` where all have ended. */
size_t walk_least(const struct walk *walks, size_t count);

/* Negative where a comes before b in the order (Hilbert key, begin, key). */
int posting_compare(const struct akin_columns *a, const struct akin_columns *b);

#endif
