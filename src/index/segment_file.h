/*
 * Private to index: the file of a segment in the making: sections one behind the other, each 64 KB
 * with its checksum, the head last. It is there whole or not at all (akin_atomic_file).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_SEGMENT_FILE_H
#define INDEX_SEGMENT_FILE_H

#include "layout.h"

struct segment_file {
    akin_atomic_file *file;
    unsigned char *buffer; /* SUM_BYTES */
    size_t used;
    struct akin_buffer sums; /* u32 */
    size_t first_sum;        /* of the section being written */
    unsigned char head[SEGMENT_HEAD_BYTES];
};
/* The head's numbers are the caller's to fill in. */
static inline struct segment_head *segment_file_head(struct segment_file *file)
{
    return (struct segment_head *)file->head;
}
akin_status segment_file_begin(struct segment_file *file, const char *path, akin_error *err);
akin_status segment_file_section(struct segment_file *file, uint32_t type, uint32_t flags,
                                 akin_error *err);
akin_status segment_file_put(struct segment_file *file, const void *data, size_t bytes,
                             akin_error *err);
akin_status segment_file_section_end(struct segment_file *file, akin_error *err);
/* A section that is in memory. */
akin_status segment_file_whole(struct segment_file *file, uint32_t type, uint32_t flags,
                               const void *data, size_t bytes, akin_error *err);
/* Writes checksums and head, fsyncs, gives it its name. */
akin_status segment_file_commit(struct segment_file *file, akin_error *err);
void segment_file_fini(
    struct segment_file *file); /* takes a zeroed struct; what is not committed goes */

#endif
