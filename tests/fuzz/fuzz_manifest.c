/*
 * Fuzzes the manifest: replayed, and where that works committed to and read again, which must give
 * the same. Checksums of the records are put right, so that the edits in them are reached.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "../../src/index/manifest.h"
#include "../../src/index/record.h"
#include "../index/fuzz_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *data, size_t size)
{
    size_t at = sizeof(struct preamble);
    struct record_head head;
    while (at + sizeof head <= size) {
        memcpy(&head, data + at, sizeof head);
        head.mark = RECORD_MARK;
        size_t left = size - at - sizeof head;
        if (head.bytes > left || head.bytes % 8)
            head.bytes = left / 8 * 8;
        head.body_crc = akin_crc32c(0, data + at + sizeof head, (size_t)head.bytes);
        head.head_crc = akin_crc32c(0, &head, offsetof(struct record_head, head_crc));
        memcpy(data + at, &head, sizeof head);
        at += sizeof head + (size_t)head.bytes;
    }
}

/* What was read, written anew and read again, is the same. */
static void check_rewrite(struct manifest *manifest, const char *folder)
{
    struct manifest again = {0};
    if (manifest_save(manifest, folder, NULL) != AKIN_OK ||
        manifest_read(&again, folder, NULL) != AKIN_OK)
        abort();
    if (again.dim != manifest->dim || again.model != manifest->model ||
        again.log != manifest->log || again.next_id != manifest->next_id ||
        again.count != manifest->count || again.damaged || again.good_bytes != again.file_bytes ||
        (again.count &&
         memcmp(again.segments, manifest->segments, again.count * sizeof *again.segments)))
        abort();
    manifest_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest manifest = {0};
    uint8_t *copy = malloc(size + 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    if (size % 2 == 0)
        mend(copy, size);
    const char *folder = fuzz_folder("MANIFEST", copy, size);
    if (manifest_read(&manifest, folder, NULL) == AKIN_OK)
        check_rewrite(&manifest, folder);
    manifest_fini(&manifest);
    free(copy);
    return 0;
}
