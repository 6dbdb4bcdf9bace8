/*
 * Private to index: segments, the immutable files that hold most rows. Read through a mapping; a
 * segment whose file was unlinked stays valid while someone holds it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_SEGMENT_H
#define INDEX_SEGMENT_H

#include <stdatomic.h>

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
 * sums); the bulk is read by verify alone, so that opening does not depend on the number of
 * rows. */
akin_status segment_open(struct segment **out, const char *path, akin_error *err);
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

/* Writes the live rows of some parts as one segment: a flush has one part, a merge several. Fails
 * with INVALID where no row is live. *info says what the manifest keeps. */
struct segment_info {
    uint64_t id, rows, bytes, first_key, last_key;
    uint32_t head_crc;
};
akin_status segment_build(struct segment_info *info, const char *dir, uint64_t id,
                          const struct part *parts, size_t part_count, uint32_t dim, uint32_t model,
                          akin_error *err);

/* Whether all its bytes agree with its checksums. */
bool segment_sums_good(const struct segment *segment);
/* Every invariant of an open segment, told to `fault`; *faults is added to. */
akin_status segment_verify(const struct segment *segment, const char *name, akin_fault_fn *fault,
                           void *user, uint64_t *faults, akin_error *err);

#endif
