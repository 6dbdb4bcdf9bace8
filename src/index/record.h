/*
 * Private to index: the records of the manifest and of the log. A record's head has a checksum of
 * its own, so that what a crash leaves (a file that ends inside a record) can be told from damage
 * (bytes that are there and wrong).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_RECORD_H
#define INDEX_RECORD_H

#include <stdbool.h>

#include "layout.h"

#define RECORD_MARK 0x43455241u /* "AREC" */
#define RECORD_BYTES_MAX (1u << 30)

/* Followed by `bytes` bytes (a multiple of 8). */
struct record_head {
    uint32_t mark, type;
    uint64_t bytes;
    uint32_t body_crc;
    uint32_t head_crc; /* of the 20 bytes before */
};
_Static_assert(sizeof(struct record_head) == 24, "layout");

void record_head_fill(struct record_head *out, uint32_t type, uint64_t bytes, uint32_t body_crc);

enum record_state {
    RECORD_GOOD,
    RECORD_END,    /* the file ends here, as it should */
    RECORD_TORN,   /* the file ends inside a record: an append that was cut off */
    RECORD_DAMAGED /* bytes are wrong */
};

/* Reads one record after the other from [at, size) of an open file. The caller owns fd and path and
 * sets them, at and size; `body` is valid until the next. */
struct record_reader {
    int fd;
    const char *path;
    uint64_t at, size; /* `at` stays where the first bad record begins */
    uint32_t type;
    struct akin_buffer body;
};
void record_reader_init(struct record_reader *reader, int fd, const char *path, uint64_t at,
                        uint64_t size);
void record_reader_fini(struct record_reader *reader);
/* Another status only where reading or memory fails. */
akin_status record_next(struct record_reader *reader, enum record_state *state, akin_error *err);

#endif
