/*
 * Private to index: segments, the immutable files that hold most rows. Read through a mapping; a
 * segment whose file was unlinked stays valid while someone holds it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_SEGMENT_H
#define INDEX_SEGMENT_H

#include <stdatomic.h>

#include "epoch_set.h"
#include "layout.h"
#include "lists.h"
#include "view.h"
#include "zone.h"

struct segment {
    atomic_uint refs;
    struct akin_map map;
    uint64_t id, bytes;
    size_t rows, blocks;
    uint32_t dim, model, head_crc;
    enum akin_metric metric;
    bool damaged; /* upkeep's own mark: its bulk was read, and is not what it was */
    uint64_t first_key, last_key;
    /* Into the mapping. */
    const struct akin_columns *columns;
    const akin_f16 *vectors;
    const int8_t *codes;
    const float *scales;
    const uint64_t *keys;
    const uint32_t *key_rows;
    const struct zone *zones;
    const uint32_t *sums;
    size_t sum_count;
    struct zone whole;          /* of all blocks */
    struct segment_lists coded; /* .epoch NULL: has no codes */
    struct segment_runs runs;   /* .place_keys NULL: written before there were runs */
};

akin_status segment_path(char *out, const char *dir, uint64_t id, akin_error *err);
/* Checks head, table and sizes in full, and the checksums of what every search relies on (zones,
 * sums, the lists' directory); the bulk is read by verify alone, so that opening hardly depends on the
 * number of rows. `epochs` (NULL = none) are those that it may be coded in; coded in another, it has
 * codes that nobody can read and is searched exactly. */
akin_status segment_open(struct segment **out, const char *path, const struct epoch_set *epochs,
                         akin_error *err);
struct segment *segment_ref(struct segment *segment);
void segment_unref(struct segment *segment); /* takes NULL */

const struct segment_head *segment_head(const struct segment *segment);
const struct section *segment_sections(const struct segment *segment, size_t *count);

/* The first place in the key run whose key is not below `key`. */
size_t segment_lower_bound(const struct segment *segment, uint64_t key);
/* The row of a key; SIZE_MAX where it has none. */
size_t segment_find(const struct segment *segment, uint64_t key);
/* The row at a place of the key run; SIZE_MAX where a damaged file says nonsense. */
static inline size_t segment_key_row(const struct segment *segment, size_t place)
{
    uint32_t row = segment->key_rows[place];
    return row < segment->rows ? row : SIZE_MAX;
}

/* The list that a row of a coded segment lies in. */
uint32_t segment_list_of(const struct segment *segment, size_t row);
/* The codes of a row of list `list`: its block, and its lane there. */
static inline const uint8_t *segment_code(const struct segment *segment, uint32_t list, size_t row,
                                          size_t *lane)
{
    const struct list_entry *entry = &segment->coded.lists[list];
    size_t place = row - entry->row, block = entry->block + place / AKIN_CODE_ROWS;
    *lane = place % AKIN_CODE_ROWS;
    return segment->coded.blocks + block * segment->coded.epoch->shape.block_bytes;
}

/* How a segment is to be written. */
struct segment_recipe {
    const char *dir;
    uint64_t id;
    uint32_t dim, model;
    enum akin_metric metric;
    const struct epoch *epoch; /* codes are made in it; NULL = none */
    /* An epoch that it was split from: rows of the lists that have a number in it (renumber, one for each of
     * from->lists.count; UINT32_MAX = none) are copied as if they were coded in `epoch`. NULL = none. */
    const struct epoch *from;
    const uint32_t *renumber;
    akin_pool *pool;              /* may be NULL */
    const struct akin_talk *talk; /* progress, and whether to stop; may be NULL */
};
struct segment_info {
    uint64_t id, rows, bytes, first_key, last_key;
    uint32_t head_crc;
};
#define SEGMENT_BUILD_ROW_BYTES 56u /* memory for each row of the parts */
/* Writes the live rows of some parts as one segment: a flush has one part, a merge several. Fails
 * with INVALID where no row is live, CANCELLED where talk says so. *info says what the manifest keeps. */
akin_status segment_build(struct segment_info *info, const struct segment_recipe *recipe,
                          const struct part *parts, size_t part_count, akin_error *err);

/* Whether all its bytes agree with its checksums. */
bool segment_sums_good(const struct segment *segment);
/* Which stretches of SUM_BYTES of a section agree with their checksums: an array of 0 and 1, the caller's. NULL: out of
 * memory. */
uint8_t *segment_section_good(const struct segment *segment, uint32_t type, akin_error *err);
/* Every invariant of an open segment, told to `fault`; *faults is added to. */
akin_status segment_verify(const struct segment *segment, const char *name, akin_fault_fn *fault,
                           void *user, uint64_t *faults, akin_error *err);

#endif
