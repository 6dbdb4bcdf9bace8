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

/* Sections come in groups: all of a group or none. */
enum group { GROUP_ROWS, GROUP_CODED, GROUP_RUNS, GROUP_COUNT };
static enum group group_of(uint32_t type)
{
    return type < SECTION_CODED ? GROUP_ROWS : type < SECTION_RUNS ? GROUP_CODED : GROUP_RUNS;
}

/* What the sections' sizes follow from. */
struct sizes {
    uint64_t rows, dim, blocks, sums;
    uint64_t lists, code_blocks, code_block_bytes;
};

/* How many bytes a section of this type must have. */
static uint64_t section_bytes(const struct sizes *of, uint32_t type)
{
    switch (type) {
    case SECTION_SUMS:
        return of->sums * sizeof(uint32_t);
    case SECTION_ZONES:
        return of->blocks * sizeof(struct zone);
    case SECTION_COLUMNS:
        return of->rows * sizeof(struct akin_columns);
    case SECTION_VECTORS:
        return of->rows * of->dim * sizeof(akin_f16);
    case SECTION_CODES:
        return of->rows * of->dim;
    case SECTION_SCALES:
        return of->rows * sizeof(float);
    case SECTION_KEYS:
    case SECTION_TIME_BEGINS:
        return of->rows * sizeof(uint64_t);
    case SECTION_CODED:
        return sizeof(struct coded_head);
    case SECTION_LISTS:
        return (of->lists + 1) * sizeof(struct list_entry);
    case SECTION_BLOCKS:
        return of->code_blocks * of->code_block_bytes;
    case SECTION_BLOCK_ZONES:
        return of->code_blocks * sizeof(struct zone);
    case SECTION_RUNS:
        return sizeof(struct runs_head);
    default:
        return of->rows * sizeof(uint32_t);
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
        head->block_rows != BLOCK_ROWS || head->first_key > head->last_key ||
        head->metric > AKIN_METRIC_L2)
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
    segment->metric = (enum akin_metric)head->metric;
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
    return AKIN_OK;
}

static const void *section_data(const struct segment *segment, const struct section *section)
{
    return segment->map.data + section->offset;
}

/* Which groups are there, whole, each section of the size that the numbers ask for. */
static akin_status check_groups(const struct segment *segment, const struct section *const *at,
                                const char *path, akin_error *err)
{
    struct sizes sizes = {.rows = segment->rows,
                          .dim = segment->dim,
                          .blocks = segment->blocks,
                          .sums = segment->sum_count};
    bool there[GROUP_COUNT] = {[GROUP_ROWS] = true};
    for (uint32_t type = 1; type < SECTION_KNOWN_END; type++)
        there[group_of(type)] |= at[type] != NULL;
    if (at[SECTION_CODED] && at[SECTION_CODED]->bytes == sizeof(struct coded_head)) {
        const struct coded_head *coded = section_data(segment, at[SECTION_CODED]);
        /* Every list takes 8 bytes and every block 32 of a row's at least: products cannot wrap. */
        if (coded->lists > LISTS_MAX || coded->blocks > segment->rows ||
            coded->block_bytes > CODE_BLOCK_BYTES_MAX)
            return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: its lists' numbers make no sense",
                                  path);
        sizes.lists = coded->lists;
        sizes.code_blocks = coded->blocks;
        sizes.code_block_bytes = coded->block_bytes;
    }
    for (uint32_t type = 1; type < SECTION_KNOWN_END; type++)
        if (there[group_of(type)] && (!at[type] || at[type]->bytes != section_bytes(&sizes, type)))
            return akin_error_set(err, AKIN_ERR_CORRUPT,
                                  "%s: section of type %u is missing or has the wrong size", path,
                                  type);
    return AKIN_OK;
}

/* One section by its checksums. */
static akin_status check_section(const struct segment *segment, const struct section *section,
                                 const char *what, const char *path, akin_error *err)
{
    size_t count, sum = 0;
    const struct section *sections = segment_sections(segment, &count);
    for (const struct section *s = sections; s < section; s++)
        sum += s->type == SECTION_SUMS ? 0 : (size_t)((s->bytes + SUM_BYTES - 1) / SUM_BYTES);
    for (uint64_t done = 0; done < section->bytes; done += SUM_BYTES, sum++) {
        uint64_t left = section->bytes - done;
        if (akin_crc32c(0, segment->map.data + section->offset + done,
                        left < SUM_BYTES ? left : SUM_BYTES) != segment->sums[sum])
            return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: the %s fail their checksum", path,
                                  what);
    }
    return AKIN_OK;
}

/* The checksums themselves, and by them what every search relies on. */
static akin_status check_sums(const struct segment *segment, const struct section *const *at,
                              const char *path, akin_error *err)
{
    static const struct {
        uint32_t type;
        const char *what;
    } relied[] = {{SECTION_ZONES, "zones"},
                  {SECTION_CODED, "numbers of the lists"},
                  {SECTION_LISTS, "lists"},
                  {SECTION_RUNS, "numbers of the runs"}};
    if (akin_crc32c(0, segment->sums, at[SECTION_SUMS]->bytes) != at[SECTION_SUMS]->crc)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: the checksums fail their checksum", path);
    akin_status status = AKIN_OK;
    for (size_t i = 0; !status && i < sizeof relied / sizeof *relied; i++)
        if (at[relied[i].type])
            status = check_section(segment, at[relied[i].type], relied[i].what, path, err);
    return status;
}

/* The lists' directory leads every search of codes: each list follows the one before, its blocks too,
 * and together they are all rows. */
static akin_status check_lists(const struct segment *segment, size_t count, const char *path,
                               akin_error *err)
{
    const struct segment_lists *lists = &segment->coded;
    const struct list_entry *at = lists->lists;
    bool good = at[0].row == 0 && at[0].block == 0 && at[count].row == segment->rows &&
                at[count].block == lists->block_count;
    for (size_t i = 0; good && i < count; i++)
        good = at[i].row <= at[i + 1].row && at[i].block <= at[i + 1].block &&
               at[i + 1].block - at[i].block ==
                   (at[i + 1].row - at[i].row + AKIN_CODE_ROWS - 1) / AKIN_CODE_ROWS;
    return good
               ? AKIN_OK
               : akin_error_set(err, AKIN_ERR_CORRUPT, "%s: the lists do not cover the rows", path);
}

static akin_status load_coded(struct segment *segment, const struct section *const *at,
                              const struct epoch_set *epochs, const char *path, akin_error *err)
{
    struct segment_lists *lists = &segment->coded;
    if (!at[SECTION_CODED])
        return AKIN_OK;
    const struct coded_head *coded = section_data(segment, at[SECTION_CODED]);
    struct epoch *epoch = epoch_set_find(epochs, coded->epoch);
    if (epoch && (coded->lists != epoch->lists.count ||
                  coded->block_bytes != epoch->shape.block_bytes || segment->dim != epoch->dim))
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: its lists are not those of epoch %llu",
                              path, (unsigned long long)coded->epoch);
    *lists = (struct segment_lists){.epoch_id = coded->epoch,
                                    .count = coded->lists,
                                    .lists = section_data(segment, at[SECTION_LISTS]),
                                    .blocks = section_data(segment, at[SECTION_BLOCKS]),
                                    .block_zones = section_data(segment, at[SECTION_BLOCK_ZONES]),
                                    .block_count = (size_t)coded->blocks,
                                    .residual = coded->residual};
    akin_status status = check_lists(segment, coded->lists, path, err);
    if (!status && epoch)
        lists->epoch = epoch_ref(epoch);
    return status;
}

static void load_runs(struct segment *segment, const struct section *const *at)
{
    if (!at[SECTION_RUNS])
        return;
    const struct runs_head *head = section_data(segment, at[SECTION_RUNS]);
    segment->runs =
        (struct segment_runs){.place_keys = section_data(segment, at[SECTION_PLACE_KEYS]),
                              .place_rows = section_data(segment, at[SECTION_PLACE_ROWS]),
                              .time_begins = section_data(segment, at[SECTION_TIME_BEGINS]),
                              .time_rows = section_data(segment, at[SECTION_TIME_ROWS]),
                              .duration_max_ms = head->duration_max_ms,
                              .half_width_deg = head->half_width_deg,
                              .half_height_deg = head->half_height_deg,
                              .quality = section_data(segment, at[SECTION_QUALITY])};
}

static akin_status load(struct segment *segment, const char *path, const struct epoch_set *epochs,
                        akin_error *err)
{
    const struct section *at[SECTION_KNOWN_END] = {0};
    akin_status status = akin_map_open(&segment->map, path, err);
    if (!status)
        status = check_head(segment, path, err);
    if (!status)
        status = check_table(segment, at, path, err);
    if (!status)
        status = check_groups(segment, at, path, err);
    if (status)
        return status;
    segment->columns = section_data(segment, at[SECTION_COLUMNS]);
    segment->vectors = section_data(segment, at[SECTION_VECTORS]);
    segment->codes = section_data(segment, at[SECTION_CODES]);
    segment->scales = section_data(segment, at[SECTION_SCALES]);
    segment->keys = section_data(segment, at[SECTION_KEYS]);
    segment->key_rows = section_data(segment, at[SECTION_KEY_ROWS]);
    segment->zones = section_data(segment, at[SECTION_ZONES]);
    segment->sums = section_data(segment, at[SECTION_SUMS]);
    status = check_sums(segment, at, path, err);
    if (!status)
        status = load_coded(segment, at, epochs, path, err);
    if (status)
        return status;
    load_runs(segment, at);
    zone_init(&segment->whole);
    for (size_t i = 0; i < segment->blocks; i++)
        zone_join(&segment->whole, &segment->zones[i]);
    return AKIN_OK;
}

akin_status segment_open(struct segment **out, const char *path, const struct epoch_set *epochs,
                         akin_error *err)
{
    struct segment *segment = akin_alloc_zero(1, sizeof *segment);
    if (!segment)
        return akin_error_memory(err, sizeof *segment, "segment");
    atomic_init(&segment->refs, 1);
    akin_status status = load(segment, path, epochs, err);
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
    epoch_unref(segment->coded.epoch);
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

uint32_t segment_list_of(const struct segment *segment, size_t row)
{
    const struct list_entry *lists = segment->coded.lists;
    uint32_t low = 0, high = segment->coded.count;
    while (low < high) { /* the last list that begins at or before the row */
        uint32_t middle = low + (high - low) / 2;
        if (lists[middle + 1].row <= row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
