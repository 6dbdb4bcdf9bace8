/*
 * Writes a chip pack through an atomic file: chips as they come, the directory sorted at the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "akin/tile.h"
#include "pack.h"

struct akin_pack_writer {
    akin_atomic_file *file;
    struct akin_buffer slots; /* struct pack_slot each */
    uint32_t header_crc;
};

static void writer_free(akin_pack_writer *writer)
{
    if (!writer)
        return;
    akin_atomic_abort(writer->file);
    akin_buffer_fini(&writer->slots);
    akin_free(writer);
}

static akin_status write_header(akin_pack_writer *writer, akin_error *err)
{
    struct pack_header header = {.version = PACK_VERSION};
    memcpy(header.magic, PACK_MAGIC, sizeof header.magic);
    header.crc = akin_crc32c(0, &header, offsetof(struct pack_header, crc));
    writer->header_crc = akin_crc32c(0, &header, sizeof header);
    return akin_atomic_write(writer->file, &header, sizeof header, err);
}

akin_status akin_pack_create(akin_pack_writer **out, const char *path, akin_error *err)
{
    akin_pack_writer *writer = akin_alloc_zero(1, sizeof *writer);
    if (!writer)
        return akin_error_memory(err, sizeof *writer, "a pack's writer");
    akin_buffer_init(&writer->slots, PACK_CHIPS_MAX * sizeof(struct pack_slot));
    akin_status status = akin_atomic_begin(&writer->file, path, err);
    if (status == AKIN_OK)
        status = write_header(writer, err);
    if (status == AKIN_OK)
        *out = writer;
    else
        writer_free(writer);
    return status;
}

akin_status akin_pack_append(akin_pack_writer *writer, uint64_t key, const void *chip, size_t bytes,
                             akin_error *err)
{
    static const char zeros[PACK_ALIGN];
    uint64_t at = akin_atomic_size(writer->file);
    if (!bytes || bytes > UINT32_MAX || pack_padded(bytes) > PACK_BYTES_MAX - at)
        return akin_error_set(err, AKIN_ERR_LIMIT,
                              "a chip of %zu bytes does not fit a pack of %" PRIu64 " bytes", bytes,
                              at);
    struct pack_slot slot = {key, at, (uint32_t)bytes, akin_crc32c(0, chip, bytes)};
    akin_status status = akin_atomic_write(writer->file, chip, bytes, err);
    if (status == AKIN_OK)
        status = akin_atomic_write(writer->file, zeros, pack_padded(bytes) - bytes, err);
    if (status == AKIN_OK)
        status = akin_buffer_append(&writer->slots, &slot, sizeof slot, err);
    return status;
}

static int compare_slots(const void *a, const void *b)
{
    uint64_t x = ((const struct pack_slot *)a)->key, y = ((const struct pack_slot *)b)->key;
    return (x > y) - (x < y);
}

static akin_status sort_slots(struct pack_slot *slots, size_t count, akin_error *err)
{
    if (!count)
        return akin_error_set(err, AKIN_ERR_INVALID, "a pack without chips is not written");
    qsort(slots, count, sizeof *slots, compare_slots);
    for (size_t i = 1; i < count; i++) {
        if (slots[i].key == slots[i - 1].key)
            return akin_error_set(err, AKIN_ERR_INVALID,
                                  "the pack was given key %016" PRIx64 " twice", slots[i].key);
    }
    return AKIN_OK;
}

static akin_status write_end(akin_pack_writer *writer, const struct pack_slot *slots, size_t count,
                             akin_error *err)
{
    size_t directory_bytes = count * sizeof *slots;
    struct pack_footer footer = {.chips = count,
                                 .directory_offset = akin_atomic_size(writer->file),
                                 .directory_crc = akin_crc32c(0, slots, directory_bytes),
                                 .header_crc = writer->header_crc};
    memcpy(footer.magic, PACK_END_MAGIC, sizeof footer.magic);
    footer.file_bytes = footer.directory_offset + directory_bytes + sizeof footer;
    footer.crc = akin_crc32c(0, &footer, offsetof(struct pack_footer, crc));
    if (footer.file_bytes > PACK_BYTES_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "a pack of %" PRIu64 " bytes is too large",
                              footer.file_bytes);
    akin_status status = akin_atomic_write(writer->file, slots, directory_bytes, err);
    if (status == AKIN_OK)
        status = akin_atomic_write(writer->file, &footer, sizeof footer, err);
    return status;
}

akin_status akin_pack_commit(akin_pack_writer *writer, struct akin_pack_entry *entry,
                             akin_error *err)
{
    struct pack_slot *slots = (struct pack_slot *)(void *)writer->slots.data;
    size_t count = writer->slots.size / sizeof *slots;
    struct akin_pack_entry result = *entry;
    akin_status status = sort_slots(slots, count, err);
    if (status == AKIN_OK)
        status = write_end(writer, slots, count, err);
    if (status == AKIN_OK) {
        result.first_key = slots[0].key;
        result.last_key = slots[count - 1].key;
        result.tiles = count;
        result.bytes = akin_atomic_size(writer->file);
        status = akin_atomic_commit(writer->file, err);
        writer->file = NULL; /* freed by commit in any case */
    }
    writer_free(writer);
    if (status == AKIN_OK)
        *entry = result;
    return status;
}

void akin_pack_abort(akin_pack_writer *writer)
{
    writer_free(writer);
}
