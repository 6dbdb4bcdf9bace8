/*
 * Opening segments, and finding keys in them. What a file says about itself is believed only after
 * it has been checked; what is not checked at open (a row number in the key run) is checked where
 * it is used.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

akin_status segment_path(char *out, const char *dir, uint64_t id, akin_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "segment-%" PRIu64 ".seg", id);
    return akin_path_join(out, dir, name, err);
}

const struct segment_head *segment_head(const struct segment *segment)
{
    return (const struct segment_head *)segment->map.data;
}

const struct section *segment_sections(const struct segment *segment, size_t *count)
{
    *count = segment_head(segment)->section_count;
    return (const struct section *)(segment->map.data + sizeof(struct segment_head));
}

/* How many bytes a section of this type must have. */
static uint64_t section_bytes(const struct segment *segment, uint32_t type)
{
    uint64_t rows = segment->rows, dim = segment->dim;
    switch (type) {
    case SECTION_SUMS:
        return segment->sum_count * sizeof(uint32_t);
    case SECTION_ZONES:
        return segment->blocks * sizeof(struct zone);
    case SECTION_COLUMNS:
        return rows * sizeof(struct akin_columns);
    case SECTION_VECTORS:
        return rows * dim * sizeof(akin_f16);
    case SECTION_CODES:
        return rows * dim;
    case SECTION_SCALES:
        return rows * sizeof(float);
    case SECTION_KEYS:
        return rows * sizeof(uint64_t);
    default:
        return rows * sizeof(uint32_t);
    }
}

static akin_status check_head(struct segment *segment, const char *path, akin_error *err)
{
    if (segment->map.size < SEGMENT_HEAD_BYTES)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: %zu bytes are too few for a segment",
                              path, segment->map.size);
    const struct segment_head *head = segment_head(segment);
    akin_status status = preamble_check(&head->preamble, MAGIC_SEGMENT, path, err);
    if (status)
        return status;
    static const uint32_t zero = 0;
    const unsigned char *data = segment->map.data;
    size_t at = offsetof(struct segment_head, crc);
    uint32_t crc = akin_crc32c(akin_crc32c(0, data, at), &zero, sizeof zero);
    crc = akin_crc32c(crc, data + at + sizeof zero, SEGMENT_HEAD_BYTES - at - sizeof zero);
    if (crc != head->crc)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: the head fails its checksum", path);
    if (head->bytes != segment->map.size)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: %zu bytes, should be %" PRIu64, path,
                              segment->map.size, head->bytes);
    if (head->rows == 0 || head->rows > UINT32_MAX / 2 || head->dim == 0 ||
        head->dim > INDEX_DIM_MAX || head->section_count > SECTION_MAX ||
        head->block_rows != BLOCK_ROWS || head->first_key > head->last_key)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: the head's numbers make no sense", path);
    segment->id = head->id;
    segment->bytes = head->bytes;
    segment->rows = (size_t)head->rows;
    segment->blocks = (segment->rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    segment->dim = head->dim;
    segment->model = head->model;
    segment->first_key = head->first_key;
    segment->last_key = head->last_key;
    segment->head_crc = head->crc;
    return AKIN_OK;
}

/* Fills at[type] with each known section's place; checks that sections lie in the file, aligned and
 * without overlap in the table's order, and counts the checksums they need. */
static akin_status check_table(struct segment *segment, const struct section **at, const char *path,
                               akin_error *err)
{
    size_t count;
    const struct section *sections = segment_sections(segment, &count);
    uint64_t end = SEGMENT_HEAD_BYTES;
    for (size_t i = 0; i < count; i++) {
        const struct section *section = &sections[i];
        if (section->offset % SECTION_ALIGN || section->offset < end ||
            section->offset > segment->bytes || section->bytes > segment->bytes - section->offset)
            return akin_error_set(err, AKIN_ERR_CORRUPT,
                                  "%s: section %zu (type %u) lies outside the file", path, i,
                                  section->type);
        end = section->offset + section->bytes;
        if (section->type != SECTION_SUMS)
            segment->sum_count += (size_t)((section->bytes + SUM_BYTES - 1) / SUM_BYTES);
        bool known = section->type > 0 && section->type < SECTION_KNOWN_END;
        if (!known && section->flags & SECTION_REQUIRED)
            return akin_error_set(err, AKIN_ERR_VERSION,
                                  "%s: has a section of type %u that only a newer akin reads", path,
                                  section->type);
        if (known && at[section->type])
            return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: two sections of type %u", path,
                                  section->type);
        if (known)
            at[section->type] = section;
    }
    for (uint32_t type = 1; type < SECTION_KNOWN_END; type++)
        if (!at[type] || at[type]->bytes != section_bytes(segment, type))
            return akin_error_set(err, AKIN_ERR_CORRUPT,
                                  "%s: section of type %u is missing or has the wrong size", path,
                                  type);
    return AKIN_OK;
}

/* The checksums themselves, and the zones by them. */
static akin_status check_sums(const struct segment *segment, const struct section *const *at,
                              const char *path, akin_error *err)
{
    const struct section *zones = at[SECTION_ZONES];
    if (akin_crc32c(0, segment->sums, at[SECTION_SUMS]->bytes) != at[SECTION_SUMS]->crc)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: the checksums fail their checksum", path);
    size_t count, sum = 0;
    const struct section *sections = segment_sections(segment, &count);
    for (const struct section *s = sections; s < zones; s++)
        sum += s->type == SECTION_SUMS ? 0 : (size_t)((s->bytes + SUM_BYTES - 1) / SUM_BYTES);
    for (uint64_t done = 0; done < zones->bytes; done += SUM_BYTES, sum++) {
        uint64_t left = zones->bytes - done;
        if (akin_crc32c(0, segment->map.data + zones->offset + done,
                        left < SUM_BYTES ? left : SUM_BYTES) != segment->sums[sum])
            return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: the zones fail their checksum", path);
    }
    return AKIN_OK;
}

static akin_status load(struct segment *segment, const char *path, akin_error *err)
{
    const struct section *at[SECTION_KNOWN_END] = {0};
    akin_status status = akin_map_open(&segment->map, path, err);
    if (!status)
        status = check_head(segment, path, err);
    if (!status)
        status = check_table(segment, at, path, err);
    if (status)
        return status;
    const unsigned char *data = segment->map.data;
    segment->columns = (const void *)(data + at[SECTION_COLUMNS]->offset);
    segment->vectors = (const void *)(data + at[SECTION_VECTORS]->offset);
    segment->codes = (const void *)(data + at[SECTION_CODES]->offset);
    segment->scales = (const void *)(data + at[SECTION_SCALES]->offset);
    segment->keys = (const void *)(data + at[SECTION_KEYS]->offset);
    segment->key_rows = (const void *)(data + at[SECTION_KEY_ROWS]->offset);
    segment->zones = (const void *)(data + at[SECTION_ZONES]->offset);
    segment->sums = (const void *)(data + at[SECTION_SUMS]->offset);
    status = check_sums(segment, at, path, err);
    if (status)
        return status;
    zone_init(&segment->whole);
    for (size_t i = 0; i < segment->blocks; i++)
        zone_join(&segment->whole, &segment->zones[i]);
    return AKIN_OK;
}

akin_status segment_open(struct segment **out, const char *path, akin_error *err)
{
    struct segment *segment = akin_alloc_zero(1, sizeof *segment);
    if (!segment)
        return akin_error_memory(err, sizeof *segment, "segment");
    atomic_init(&segment->refs, 1);
    akin_status status = load(segment, path, err);
    if (status) {
        segment_unref(segment);
        return status;
    }
    *out = segment;
    return AKIN_OK;
}

struct segment *segment_ref(struct segment *segment)
{
    if (segment)
        atomic_fetch_add(&segment->refs, 1);
    return segment;
}

void segment_unref(struct segment *segment)
{
    if (!segment || atomic_fetch_sub(&segment->refs, 1) != 1)
        return;
    akin_map_close(&segment->map);
    akin_free(segment);
}

size_t segment_lower_bound(const struct segment *segment, uint64_t key)
{
    size_t low = 0, high = segment->rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (segment->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* New scenes have larger keys than any segment: the range alone answers, without touching a
 * page. */
size_t segment_find(const struct segment *segment, uint64_t key)
{
    if (key < segment->first_key || key > segment->last_key)
        return SIZE_MAX;
    size_t place = segment_lower_bound(segment, key);
    if (place == segment->rows || segment->keys[place] != key)
        return SIZE_MAX;
    return segment_key_row(segment, place);
}
