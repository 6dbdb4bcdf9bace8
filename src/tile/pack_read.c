/*
 * Reads chip packs through a mapping. Opening checks everything but the chips' own bytes: footer,
 * header, directory, and that the chips fill the file between them, so that a lookup needs no more
 * checks than the chip's checksum.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "akin/tile.h"
#include "pack.h"

struct akin_pack {
    struct akin_map map;
    const struct pack_slot *slots; /* in the mapping, sorted by key */
    uint64_t count;
    char *path;
};

static akin_status damaged(const akin_pack *pack, const char *what, akin_error *err)
{
    return akin_error_set(err, AKIN_ERR_CORRUPT,
                          "chip pack '%s' is damaged: %s; restore it, or take its scenes in again",
                          pack->path, what);
}

static akin_status check_header(const akin_pack *pack, uint32_t *crc, akin_error *err)
{
    struct pack_header header;
    if (pack->map.size < sizeof header + sizeof(struct pack_footer))
        return damaged(pack, "it is cut short", err);
    memcpy(&header, pack->map.data, sizeof header);
    if (memcmp(header.magic, PACK_MAGIC, sizeof header.magic) != 0)
        return damaged(pack, "it does not begin as a chip pack", err);
    if (header.crc != akin_crc32c(0, &header, offsetof(struct pack_header, crc)))
        return damaged(pack, "its header's checksum is wrong", err);
    if (header.version > PACK_VERSION)
        return akin_error_set(err, AKIN_ERR_VERSION,
                              "chip pack '%s' has format version %" PRIu32
                              "; this akin knows up to %u",
                              pack->path, header.version, PACK_VERSION);
    if (header.version != PACK_VERSION)
        return damaged(pack, "its version is 0", err);
    *crc = akin_crc32c(0, &header, sizeof header);
    return AKIN_OK;
}

static akin_status check_footer(const akin_pack *pack, uint32_t header_crc,
                                struct pack_footer *footer, akin_error *err)
{
    uint64_t end = pack->map.size - sizeof *footer;
    memcpy(footer, pack->map.data + end, sizeof *footer);
    if (memcmp(footer->magic, PACK_END_MAGIC, sizeof footer->magic) != 0 ||
        footer->crc != akin_crc32c(0, footer, offsetof(struct pack_footer, crc)))
        return damaged(pack, "its end is missing or damaged", err);
    if (footer->header_crc != header_crc || footer->zero || footer->file_bytes != pack->map.size ||
        footer->file_bytes > PACK_BYTES_MAX)
        return damaged(pack, "its end belongs to another file", err);
    if (!footer->chips || footer->chips > PACK_CHIPS_MAX || footer->directory_offset % PACK_ALIGN ||
        footer->directory_offset < sizeof(struct pack_header) || footer->directory_offset > end ||
        end - footer->directory_offset != footer->chips * sizeof(struct pack_slot))
        return damaged(pack, "its counts do not agree", err);
    return AKIN_OK;
}

/* Each chip lies between header and directory, and their lengths add up to the room there. */
static akin_status check_directory(const akin_pack *pack, const struct pack_footer *footer,
                                   akin_error *err)
{
    uint64_t begin = sizeof(struct pack_header), end = footer->directory_offset, total = 0;
    if (akin_crc32c(0, pack->slots, pack->count * sizeof *pack->slots) != footer->directory_crc)
        return damaged(pack, "its directory's checksum is wrong", err);
    for (uint64_t i = 0; i < pack->count; i++) {
        struct pack_slot slot = pack->slots[i];
        if (i && slot.key <= pack->slots[i - 1].key)
            return damaged(pack, "its directory is not sorted", err);
        if (slot.offset % PACK_ALIGN || slot.offset < begin || slot.offset > end || !slot.bytes ||
            pack_padded(slot.bytes) > end - slot.offset)
            return damaged(pack, "a chip lies outside of it", err);
        total += pack_padded(slot.bytes);
    }
    return total == end - begin ? AKIN_OK : damaged(pack, "its chips do not fill it", err);
}

static akin_status check_pack(akin_pack *pack, akin_error *err)
{
    struct pack_footer footer;
    uint32_t header_crc = 0;
    akin_status status = check_header(pack, &header_crc, err);
    if (status == AKIN_OK)
        status = check_footer(pack, header_crc, &footer, err);
    if (status != AKIN_OK)
        return status;
    pack->slots =
        (const struct pack_slot *)(const void *)(pack->map.data + footer.directory_offset);
    pack->count = footer.chips;
    return check_directory(pack, &footer, err);
}

akin_status akin_pack_open(akin_pack **out, const char *path, akin_error *err)
{
    akin_status status = AKIN_OK;
    akin_pack *pack = akin_alloc_zero(1, sizeof *pack);
    if (!pack || !(pack->path = akin_strdup(path)))
        status = akin_error_memory(err, sizeof *pack, "a pack");
    if (status == AKIN_OK)
        status = akin_map_open(&pack->map, path, err);
    if (status == AKIN_OK)
        status = check_pack(pack, err);
    if (status == AKIN_OK)
        *out = pack;
    else
        akin_pack_close(pack);
    return status;
}

void akin_pack_close(akin_pack *pack)
{
    if (!pack)
        return;
    akin_map_close(&pack->map);
    akin_free(pack->path);
    akin_free(pack);
}

uint64_t akin_pack_count(const akin_pack *pack)
{
    return pack->count;
}

uint64_t akin_pack_key(const akin_pack *pack, uint64_t index)
{
    return pack->slots[index].key;
}

static int compare_key(const void *key, const void *slot)
{
    uint64_t x = *(const uint64_t *)key, y = ((const struct pack_slot *)slot)->key;
    return (x > y) - (x < y);
}

static bool chip_intact(const akin_pack *pack, const struct pack_slot *slot)
{
    return akin_crc32c(0, pack->map.data + slot->offset, slot->bytes) == slot->crc;
}

akin_status akin_pack_find(const akin_pack *pack, uint64_t key, const void **chip, size_t *bytes,
                           akin_error *err)
{
    const struct pack_slot *slot =
        bsearch(&key, pack->slots, pack->count, sizeof *pack->slots, compare_key);
    if (!slot)
        return akin_error_set(err, AKIN_ERR_NOT_FOUND, "chip pack '%s' has no tile %016" PRIx64,
                              pack->path, key);
    if (!chip_intact(pack, slot))
        return akin_error_set(err, AKIN_ERR_CORRUPT,
                              "the chip of tile %016" PRIx64 " in '%s' is damaged", key,
                              pack->path);
    *chip = pack->map.data + slot->offset;
    *bytes = slot->bytes;
    return AKIN_OK;
}

akin_status akin_pack_verify(const akin_pack *pack, akin_fault_fn *fault, void *user,
                             akin_error *err)
{
    for (uint64_t i = 0; i < pack->count; i++) {
        if (chip_intact(pack, &pack->slots[i]))
            continue;
        char text[64 + AKIN_TILE_KEY_TEXT_MAX], key[AKIN_TILE_KEY_TEXT_MAX];
        akin_tile_key_format(key, pack->slots[i].key);
        snprintf(text, sizeof text, "the chip of tile %s is damaged", key);
        fault(user, pack->path, text);
    }
    (void)err; /* reading a mapping cannot fail in a way that we could tell */
    return AKIN_OK;
}
