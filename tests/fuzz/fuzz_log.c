/*
 * Fuzzes the write-ahead log: replayed into nothing, each record's rows read in full. Head
 * checksums of the records are put right, so that lengths and bodies are reached.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "../../src/index/record.h"
#include "../../src/index/wal.h"
#include "../index/fuzz_folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIM 4u /* as in the corpus */
#define NUMBER 4

static akin_status on_add(void *user, const struct akin_columns *columns, const akin_f16 *vectors,
                          size_t rows, akin_error *err)
{
    uint64_t *sum = user;
    (void)err;
    for (size_t i = 0; i < rows; i++)
        *sum += columns[i].key + columns[i].reserved;
    for (size_t i = 0; i < rows * DIM; i++)
        *sum += vectors[i];
    return AKIN_OK;
}

static akin_status on_remove(void *user, uint64_t first, uint64_t last, akin_error *err)
{
    (void)err;
    *(uint64_t *)user += first ^ last;
    return AKIN_OK;
}

/* Walks the records as their lengths say and mends the checksums of heads and bodies. */
static void mend(uint8_t *data, size_t size)
{
    size_t at = sizeof(struct log_head);
    struct record_head head;
    while (at + sizeof head <= size) {
        memcpy(&head, data + at, sizeof head);
        head.mark = RECORD_MARK;
        size_t left = size - at - sizeof head;
        if (head.bytes <= left)
            head.body_crc = akin_crc32c(0, data + at + sizeof head, (size_t)head.bytes);
        head.head_crc = akin_crc32c(0, &head, offsetof(struct record_head, head_crc));
        memcpy(data + at, &head, sizeof head);
        if (head.bytes > left)
            break;
        at += sizeof head + (size_t)head.bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct wal_reader_fns fns = {on_add, on_remove};
    struct wal_state state = {0};
    uint64_t sum = 0;
    uint8_t *copy = malloc(size + 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    if (size > sizeof(struct log_head) && size % 2 == 0)
        mend(copy, size);
    const char *folder = fuzz_folder("log-4.wal", copy, size);
    if (wal_replay(&state, folder, NUMBER, DIM, 0, &fns, &sum, NULL) == AKIN_OK &&
        (state.good_bytes > size || state.file_bytes != size))
        abort();
    free(copy);
    return 0;
}
