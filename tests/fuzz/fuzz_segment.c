/*
 * Fuzzes segments: opened, walked in both orders, asked for keys, and verified. Where the head is
 * long enough its checksums are put right first, so that what lies behind them is reached; the
 * other half of the inputs comes as it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "../../src/index/segment.h"
#include "../index/fuzz_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *data, size_t size)
{
    struct segment_head head;
    memcpy(&head, data, sizeof head);
    head.preamble.crc = akin_crc32c(0, data, 12);
    head.bytes = size;
    head.crc = 0;
    memcpy(data, &head, sizeof head);
    head.crc = akin_crc32c(0, data, SEGMENT_HEAD_BYTES);
    memcpy(data, &head, sizeof head);
}

static void walk_all(const struct part *part)
{
    struct walk walk = {0};
    size_t rows = 0;
    if (walk_begin(&walk, part, NULL) == AKIN_OK)
        for (; walk.left; walk_next(&walk), rows++)
            (void)part_find(part, part_columns(part, walk.row)->key);
    if (rows > part->rows)
        abort();
    walk_fini(&walk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[AKIN_PATH_MAX];
    uint8_t *copy = malloc(size + 1);
    struct segment *segment = NULL;
    uint64_t faults = 0;
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    if (size >= SEGMENT_HEAD_BYTES && size % 2 == 0)
        mend(copy, size);
    const char *folder = fuzz_folder("segment-1.seg", copy, size);
    if (segment_path(path, folder, 1, NULL) == AKIN_OK &&
        segment_open(&segment, path, NULL, NULL) == AKIN_OK) {
        struct part part = {.segment = segment, .rows = segment->rows};
        walk_all(&part);
        (void)segment_verify(segment, "input", NULL, NULL, &faults, NULL);
    }
    segment_unref(segment);
    free(copy);
    return 0;
}
