/*
 * Sections, checksums and head of a new segment's file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "segment_file.h"

#include <string.h>

#define SUMS_BYTES_MAX (1u << 28) /* of 4 TB */

akin_status segment_file_begin(struct segment_file *file, const char *path, akin_error *err)
{
    akin_buffer_init(&file->sums, SUMS_BYTES_MAX);
    file->buffer = akin_alloc(1, SUM_BYTES);
    if (!file->buffer)
        return akin_error_memory(err, SUM_BYTES, "writing a segment");
    akin_status status = akin_atomic_begin(&file->file, path, err);
    /* Its place; the numbers follow when they are known. */
    return status ? status : akin_atomic_write(file->file, file->head, sizeof file->head, err);
}

static struct section *section_of(struct segment_file *file, size_t i)
{
    return (struct section *)(file->head + sizeof(struct segment_head)) + i;
}

akin_status segment_file_section(struct segment_file *file, uint32_t type, uint32_t flags,
                                 akin_error *err)
{
    static const unsigned char zeros[SECTION_ALIGN];
    size_t past = (size_t)(akin_atomic_size(file->file) % SECTION_ALIGN);
    akin_status status =
        past ? akin_atomic_write(file->file, zeros, SECTION_ALIGN - past, err) : AKIN_OK;
    *section_of(file, segment_file_head(file)->section_count++) =
        (struct section){.type = type, .flags = flags, .offset = akin_atomic_size(file->file)};
    file->first_sum = file->sums.size / sizeof(uint32_t);
    return status;
}

/* One stretch that shares a checksum. */
static akin_status put_stretch(struct segment_file *file, const void *data, size_t bytes,
                               akin_error *err)
{
    uint32_t crc = akin_crc32c(0, data, bytes);
    akin_status status = akin_buffer_append(&file->sums, &crc, sizeof crc, err);
    return status ? status : akin_atomic_write(file->file, data, bytes, err);
}

static akin_status put_buffer(struct segment_file *file, akin_error *err)
{
    size_t bytes = file->used;
    file->used = 0;
    return bytes ? put_stretch(file, file->buffer, bytes, err) : AKIN_OK;
}

akin_status segment_file_put(struct segment_file *file, const void *data, size_t bytes,
                             akin_error *err)
{
    const unsigned char *from = data;
    akin_status status = AKIN_OK;
    while (!status && bytes) {
        size_t room = SUM_BYTES - file->used, part = bytes < room ? bytes : room;
        if (part == SUM_BYTES) {
            status = put_stretch(file, from, part, err);
        } else {
            memcpy(file->buffer + file->used, from, part);
            file->used += part;
            if (file->used == SUM_BYTES)
                status = put_buffer(file, err);
        }
        from += part;
        bytes -= part;
    }
    return status;
}

akin_status segment_file_section_end(struct segment_file *file, akin_error *err)
{
    akin_status status = put_buffer(file, err);
    struct section *section = section_of(file, segment_file_head(file)->section_count - 1);
    size_t first = file->first_sum * sizeof(uint32_t);
    section->bytes = akin_atomic_size(file->file) - section->offset;
    section->crc = akin_crc32c(0, file->sums.data + first, file->sums.size - first);
    return status;
}

akin_status segment_file_whole(struct segment_file *file, uint32_t type, uint32_t flags,
                               const void *data, size_t bytes, akin_error *err)
{
    akin_status status = segment_file_section(file, type, flags, err);
    if (!status)
        status = segment_file_put(file, data, bytes, err);
    return status ? status : segment_file_section_end(file, err);
}

static akin_status write_sums(struct segment_file *file, akin_error *err)
{
    akin_status status = segment_file_section(file, SECTION_SUMS, SECTION_REQUIRED, err);
    struct section *section = section_of(file, segment_file_head(file)->section_count - 1);
    if (!status)
        status = akin_atomic_write(file->file, file->sums.data, file->sums.size, err);
    section->bytes = file->sums.size;
    section->crc = akin_crc32c(0, file->sums.data, file->sums.size);
    return status;
}

akin_status segment_file_commit(struct segment_file *file, akin_error *err)
{
    struct segment_head *head = segment_file_head(file);
    akin_status status = write_sums(file, err);
    if (status)
        return status;
    head->bytes = akin_atomic_size(file->file);
    head->crc = akin_crc32c(0, file->head, sizeof file->head);
    status = akin_atomic_write_at(file->file, file->head, sizeof file->head, 0, err);
    if (status)
        return status;
    akin_atomic_file *done = file->file;
    file->file = NULL;
    return akin_atomic_commit(done, err);
}

void segment_file_fini(struct segment_file *file)
{
    akin_atomic_abort(file->file);
    akin_free(file->buffer);
    akin_buffer_fini(&file->sums);
}
