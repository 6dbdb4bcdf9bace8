/*
 * The layout of a chip pack, shared by its writer and its reader; private to the stage. Stored as
 * it lies in memory: little-endian, no padding. docs/FORMATS.md, "Chip packs", is the
 * specification.
 *
 *     header | chip | chip | ... | directory, sorted by key | footer
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TILE_PACK_H
#define AKIN_TILE_PACK_H

#include <stdint.h>

#define PACK_MAGIC "AKPACK\r\n"
#define PACK_END_MAGIC "AKPKEND\n"
#define PACK_VERSION 1u
#define PACK_ALIGN 8u
#define PACK_BYTES_MAX ((uint64_t)1 << 40)
#define PACK_CHIPS_MAX ((uint64_t)1 << 24)

struct pack_header {
    char magic[8];
    uint32_t version;
    uint8_t zero[48];
    uint32_t crc; /* of the bytes before it */
};
_Static_assert(sizeof(struct pack_header) == 64, "stored as it is");

struct pack_slot {
    uint64_t key, offset; /* from the start of the file, a multiple of PACK_ALIGN */
    uint32_t bytes, crc;  /* of the chip, without the zeros behind it */
};
_Static_assert(sizeof(struct pack_slot) == 24, "stored as it is");

struct pack_footer {
    char magic[8];
    uint64_t chips, directory_offset, file_bytes;
    uint32_t directory_crc, header_crc; /* of the whole header */
    uint32_t zero, crc;                 /* of the footer's bytes before it */
};
_Static_assert(sizeof(struct pack_footer) == 48, "stored as it is");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored as it is");

static inline uint64_t pack_padded(uint64_t bytes)
{
    return (bytes + PACK_ALIGN - 1) / PACK_ALIGN * PACK_ALIGN;
}

#endif
