/*
 * Verifying one segment: its checksums, and everything that its sections say about each other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "segment_check.h"

#define NORM_TOLERANCE 0.011 /* what add allows, and the rounding to f16 */
#define FAULTS_PER_FILE 20   /* then only counted: a destroyed file has one a row */

void segment_check_tell(struct segment_check *check, const char *format, ...)
{
    char text[256];
    va_list args;
    if (++check->faults > FAULTS_PER_FILE)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (check->fault)
        check->fault(check->user, check->name, text);
}

/* One section against its part of the checksums, from *sum on. `check` NULL: only says whether. */
static bool section_good(const struct segment *segment, const struct section *section, size_t *sum,
                         struct segment_check *check)
{
    size_t first = *sum;
    bool good = true;
    for (uint64_t done = 0; done < section->bytes; done += SUM_BYTES, ++*sum) {
        uint64_t left = section->bytes - done;
        uint32_t crc = akin_crc32c(0, segment->map.data + section->offset + done,
                                   left < SUM_BYTES ? (size_t)left : SUM_BYTES);
        if (crc == segment->sums[*sum])
            continue;
        good = false;
        if (check)
            segment_check_tell(check,
                               "section %u fails its checksum in the 64 KB from byte %" PRIu64,
                               section->type, section->offset + done);
    }
    if (akin_crc32c(0, segment->sums + first, (*sum - first) * sizeof *segment->sums) !=
        section->crc) {
        good = false;
        if (check)
            segment_check_tell(check, "the checksums of section %u fail their own", section->type);
    }
    return good;
}

/* All sections, and zeros between them. */
static bool sums_good(const struct segment *segment, struct segment_check *check)
{
    size_t count, sum = 0;
    const struct section *sections = segment_sections(segment, &count);
    uint64_t end = SEGMENT_HEAD_BYTES;
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        for (; end < sections[i].offset; end++)
            if (segment->map.data[end]) {
                good = false;
                if (check)
                    segment_check_tell(check, "byte %" PRIu64 " between two sections is not 0",
                                       end);
            }
        end = sections[i].offset + sections[i].bytes;
        if (sections[i].type != SECTION_SUMS)
            good &= section_good(segment, &sections[i], &sum, check);
    }
    if (end != segment->bytes) {
        good = false;
        if (check)
            segment_check_tell(check, "%" PRIu64 " bytes follow the last section",
                               segment->bytes - end);
    }
    return good;
}

bool segment_sums_good(const struct segment *segment)
{
    return sums_good(segment, NULL);
}

uint8_t *segment_section_good(const struct segment *segment, uint32_t type, akin_error *err)
{
    size_t count, sum = 0;
    const struct section *section = segment_sections(segment, &count);
    for (; section->type != type; section++) /* it is there: the segment was opened */
        if (section->type != SECTION_SUMS)
            sum += (size_t)((section->bytes + SUM_BYTES - 1) / SUM_BYTES);
    size_t stretches = (size_t)((section->bytes + SUM_BYTES - 1) / SUM_BYTES);
    uint8_t *good = akin_alloc(stretches, 1);
    if (!good) {
        akin_error_memory(err, stretches, "checksums");
        return NULL;
    }
    for (size_t i = 0; i < stretches; i++) {
        uint64_t done = (uint64_t)i * SUM_BYTES, left = section->bytes - done;
        uint32_t crc = akin_crc32c(0, segment->map.data + section->offset + done,
                                   left < SUM_BYTES ? (size_t)left : SUM_BYTES);
        good[i] = crc == segment->sums[sum + i];
    }
    return good;
}

static void check_vector(struct segment_check *check, size_t row)
{
    const struct segment *segment = check->segment;
    size_t dim = segment->dim;
    akin_kernels()->f32_from_f16(check->wide, segment->vectors + row * dim, dim);
    double length2 = akin_kernels()->dot(check->wide, check->wide, dim);
    if (!isfinite(length2)) {
        segment_check_tell(check, "row %zu: its vector holds NaN or infinity", row);
        return;
    }
    if (segment->metric == AKIN_METRIC_COSINE && length2 > 0 &&
        fabs(sqrt(length2) - 1) > NORM_TOLERANCE)
        segment_check_tell(check, "row %zu: its vector has length %g, not 1 or 0", row,
                           sqrt(length2));
    float scale = akin_quantize_i8(check->codes, check->wide, dim);
    if (memcmp(&scale, &segment->scales[row], sizeof scale) ||
        memcmp(check->codes, segment->codes + row * dim, dim))
        segment_check_tell(check, "row %zu: its int8 vector is not that of its f16 vector", row);
}

/* Whether two rows that follow each other lie in two lists. */
static bool list_between(const struct segment *segment, size_t row)
{
    if (!segment->coded.epoch_id)
        return false;
    return segment->coded.lists[segment_list_of(segment, row)].row == row;
}

static void check_block(struct segment_check *check, size_t block)
{
    const struct segment *segment = check->segment;
    size_t first = block * BLOCK_ROWS, end = first + BLOCK_ROWS;
    struct zone zone;
    zone_init(&zone);
    for (size_t row = first; row < end && row < segment->rows; row++) {
        zone_add(&zone, &segment->columns[row]);
        if (row && posting_compare(&segment->columns[row - 1], &segment->columns[row]) >= 0 &&
            !list_between(segment, row))
            segment_check_tell(check, "row %zu is not behind the one before it in posting order",
                               row);
        check_vector(check, row);
    }
    if (memcmp(&zone, &segment->zones[block], sizeof zone))
        segment_check_tell(check, "the zone of block %zu is not that of its rows", block);
}

/* A run: its keys ascend, each is that of its row, and its rows are all rows. */
static void check_run(struct segment_check *check, bool place)
{
    const struct segment *segment = check->segment;
    const struct segment_runs *runs = &segment->runs;
    const uint32_t *rows = place ? runs->place_rows : runs->time_rows;
    const char *name = place ? "place" : "time";
    memset(check->seen, 0, segment->rows);
    for (size_t i = 0; i < segment->rows; i++) {
        size_t row = rows[i];
        if (row >= segment->rows || check->seen[row]++) {
            segment_check_tell(check, "the run by %s names a row twice or none at place %zu", name,
                               i);
            continue;
        }
        bool ascends = !i || (place ? runs->place_keys[i - 1] <= runs->place_keys[i]
                                    : runs->time_begins[i - 1] <= runs->time_begins[i]);
        if (!ascends)
            segment_check_tell(check, "the run by %s does not ascend at place %zu", name, i);
        const struct akin_columns *columns = &segment->columns[row];
        if (place ? runs->place_keys[i] != run_place_key(columns)
                  : runs->time_begins[i] != run_time_key(columns))
            segment_check_tell(check, "the run by %s is wrong about row %zu", name, row);
    }
}

static void check_runs(struct segment_check *check)
{
    const struct segment *segment = check->segment;
    const struct segment_runs *runs = &segment->runs;
    struct runs_head head = {0};
    if (!runs->place_keys)
        return;
    for (size_t row = 0; row < segment->rows; row++) {
        runs_head_add(&head, &segment->columns[row]);
        if (runs->quality[row] != run_quality(&segment->columns[row]))
            segment_check_tell(check, "the quality of row %zu is not that of its columns", row);
    }
    if (head.duration_max_ms != runs->duration_max_ms ||
        head.half_width_deg != runs->half_width_deg ||
        head.half_height_deg != runs->half_height_deg)
        segment_check_tell(check, "the runs are wrong about the longest time or the largest box");
    check_run(check, true);
    check_run(check, false);
}

/* Keys that ascend and each lead to a row that has them name every row once. */
static void check_keys(struct segment_check *check)
{
    const struct segment *segment = check->segment;
    for (size_t place = 0; place < segment->rows; place++) {
        uint64_t key = segment->keys[place];
        size_t row = segment_key_row(segment, place);
        if (place && key <= segment->keys[place - 1])
            segment_check_tell(check, "key %016" PRIx64 " is not above the one before it", key);
        if (row == SIZE_MAX || segment->columns[row].key != key)
            segment_check_tell(check, "key %016" PRIx64 " does not lead to its row", key);
    }
    if (segment->keys[0] != segment->first_key ||
        segment->keys[segment->rows - 1] != segment->last_key)
        segment_check_tell(check, "the first or the last key is not that of the head");
}

akin_status segment_verify(const struct segment *segment, const char *name, akin_fault_fn *fault,
                           void *user, uint64_t *faults, akin_error *err)
{
    struct segment_check check = {.segment = segment, .name = name, .fault = fault, .user = user};
    check.wide = akin_alloc(segment->dim, sizeof *check.wide);
    check.codes = akin_alloc(segment->dim, 1);
    check.seen = akin_alloc(segment->rows, 1);
    akin_status status = AKIN_OK;
    if (!check.wide || !check.codes || !check.seen) {
        status =
            akin_error_memory(err, segment->dim * sizeof *check.wide + segment->rows, "verify");
        goto out;
    }
    sums_good(segment, &check);
    for (size_t block = 0; block < segment->blocks; block++)
        check_block(&check, block);
    check_keys(&check);
    check_runs(&check);
    if (segment->coded.epoch)
        status = segment_check_coded(&check, err);
    if (check.faults > FAULTS_PER_FILE && fault) {
        char text[64];
        snprintf(text, sizeof text, "and %" PRIu64 " faults more", check.faults - FAULTS_PER_FILE);
        fault(user, name, text);
    }
    *faults += check.faults;
out:
    akin_free(check.wide);
    akin_free(check.codes);
    akin_free(check.seen);
    return status;
}
