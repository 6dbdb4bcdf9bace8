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

#include "segment.h"

#define NORM_TOLERANCE 0.011 /* what add allows, and the rounding to f16 */
#define FAULTS_PER_FILE 20   /* then only counted: a destroyed file has one a row */

struct check {
    const struct segment *segment;
    const char *name;
    akin_fault_fn *fault;
    void *user;
    uint64_t faults;
    float *wide;
    int8_t *codes;
};

static void tell(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void tell(struct check *check, const char *format, ...)
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
                         struct check *check)
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
            tell(check, "section %u fails its checksum in the 64 KB from byte %" PRIu64,
                 section->type, section->offset + done);
    }
    if (akin_crc32c(0, segment->sums + first, (*sum - first) * sizeof *segment->sums) !=
        section->crc) {
        good = false;
        if (check)
            tell(check, "the checksums of section %u fail their own", section->type);
    }
    return good;
}

/* All sections, and zeros between them. */
static bool sums_good(const struct segment *segment, struct check *check)
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
                    tell(check, "byte %" PRIu64 " between two sections is not 0", end);
            }
        end = sections[i].offset + sections[i].bytes;
        if (sections[i].type != SECTION_SUMS)
            good &= section_good(segment, &sections[i], &sum, check);
    }
    if (end != segment->bytes) {
        good = false;
        if (check)
            tell(check, "%" PRIu64 " bytes follow the last section", segment->bytes - end);
    }
    return good;
}

bool segment_sums_good(const struct segment *segment)
{
    return sums_good(segment, NULL);
}

static void check_vector(struct check *check, size_t row)
{
    const struct segment *segment = check->segment;
    size_t dim = segment->dim;
    akin_kernels()->f32_from_f16(check->wide, segment->vectors + row * dim, dim);
    double length2 = akin_kernels()->dot(check->wide, check->wide, dim);
    if (!isfinite(length2)) {
        tell(check, "row %zu: its vector holds NaN or infinity", row);
        return;
    }
    if (length2 > 0 && fabs(sqrt(length2) - 1) > NORM_TOLERANCE)
        tell(check, "row %zu: its vector has length %g, not 1 or 0", row, sqrt(length2));
    float scale = akin_quantize_i8(check->codes, check->wide, dim);
    if (memcmp(&scale, &segment->scales[row], sizeof scale) ||
        memcmp(check->codes, segment->codes + row * dim, dim))
        tell(check, "row %zu: its int8 vector is not that of its f16 vector", row);
}

static void check_block(struct check *check, size_t block)
{
    const struct segment *segment = check->segment;
    size_t first = block * BLOCK_ROWS, end = first + BLOCK_ROWS;
    struct zone zone;
    zone_init(&zone);
    for (size_t row = first; row < end && row < segment->rows; row++) {
        zone_add(&zone, &segment->columns[row]);
        if (row && posting_compare(&segment->columns[row - 1], &segment->columns[row]) >= 0)
            tell(check, "row %zu is not behind the one before it in posting order", row);
        check_vector(check, row);
    }
    if (memcmp(&zone, &segment->zones[block], sizeof zone))
        tell(check, "the zone of block %zu is not that of its rows", block);
}

/* Keys that ascend and each lead to a row that has them name every row once. */
static void check_keys(struct check *check)
{
    const struct segment *segment = check->segment;
    for (size_t place = 0; place < segment->rows; place++) {
        uint64_t key = segment->keys[place];
        size_t row = segment_key_row(segment, place);
        if (place && key <= segment->keys[place - 1])
            tell(check, "key %016" PRIx64 " is not above the one before it", key);
        if (row == SIZE_MAX || segment->columns[row].key != key)
            tell(check, "key %016" PRIx64 " does not lead to its row", key);
    }
    if (segment->keys[0] != segment->first_key ||
        segment->keys[segment->rows - 1] != segment->last_key)
        tell(check, "the first or the last key is not that of the head");
}

akin_status segment_verify(const struct segment *segment, const char *name, akin_fault_fn *fault,
                           void *user, uint64_t *faults, akin_error *err)
{
    struct check check = {.segment = segment, .name = name, .fault = fault, .user = user};
    check.wide = akin_alloc(segment->dim, sizeof *check.wide);
    check.codes = akin_alloc(segment->dim, 1);
    akin_status status = AKIN_OK;
    if (!check.wide || !check.codes) {
        status = akin_error_memory(err, segment->dim * sizeof *check.wide, "verify");
        goto out;
    }
    sums_good(segment, &check);
    for (size_t block = 0; block < segment->blocks; block++)
        check_block(&check, block);
    check_keys(&check);
    if (check.faults > FAULTS_PER_FILE && fault) {
        char text[64];
        snprintf(text, sizeof text, "and %" PRIu64 " faults more", check.faults - FAULTS_PER_FILE);
        fault(user, name, text);
    }
    *faults += check.faults;
out:
    akin_free(check.wide);
    akin_free(check.codes);
    return status;
}
