/*
 * Private to index: the bytes of its four kinds of files, as docs/FORMATS.md specifies them. All
 * numbers are little-endian and written as they lie in memory.
 *
 * Every file starts with the same 16 bytes (struct preamble), so that any version of akin can tell
 * what a file is and whether it is too new for it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INDEX_LAYOUT_H
#define INDEX_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "akin/core.h"

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "index files are little-endian and written as they lie in memory"
#endif

#define INDEX_FORMAT 1u
#define INDEX_DIM_MAX 16384u
#define BLOCK_ROWS 1024u /* rows of a zone, of a memtable's chunk and of a step of the scan */
#define SEGMENT_ROWS_MAX                                                                           \
    (1u << 25) /* no merge makes a larger one: it needs 9 bytes of memory a row */

struct preamble {
    char magic[8];
    uint32_t version;
    uint32_t crc; /* CRC32C of the 12 bytes before */
};

#define MAGIC_MANIFEST "AKINMANI"
#define MAGIC_LOG "AKINXLOG"
#define MAGIC_SEGMENT "AKINSEGM"
#define MAGIC_TOMBSTONES "AKINTOMB"
#define MAGIC_EPOCH "AKINEPOC"

void preamble_fill(struct preamble *out, const char magic[8]);
/* CORRUPT, or VERSION where a newer akin wrote it. */
akin_status preamble_check(const struct preamble *preamble, const char magic[8], const char *path,
                           akin_error *err);

/* ---- log ---- */

struct log_head {
    struct preamble preamble;
    uint64_t number;
    uint32_t dim, model;
    uint32_t reserved;
    uint32_t crc; /* of the 36 bytes before */
};

enum log_record { LOG_ADD = 1, LOG_REMOVE = 2 };

/* LOG_ADD: this, then rows * 88 bytes of columns, then rows * dim f16, then zeros up to a multiple
 * of 8. */
struct log_add {
    uint64_t rows;
};
struct log_remove {
    uint64_t first, last;
};

/* ---- tombstones: this, then ceil(rows / 64) u64 with bit r % 64 of word r / 64 set for a dead row
 * r ---- */

struct tomb_head {
    struct preamble preamble;
    uint64_t segment, file, rows, count;
    uint32_t reserved;
    uint32_t crc; /* of the 52 bytes before, then of the words */
};

/* ---- segment ---- */

#define SEGMENT_HEAD_BYTES 4096u
#define SECTION_ALIGN 64u
#define SUM_BYTES 65536u /* of a section that share a checksum */

enum section_type {
    SECTION_SUMS = 1,    /* u32: CRC32C of each 64 KB of each other section, in the table's order */
    SECTION_ZONES = 2,   /* struct zone for each BLOCK_ROWS rows */
    SECTION_COLUMNS = 3, /* struct akin_columns, in posting order */
    SECTION_VECTORS = 4, /* f16 (rows, dim) */
    SECTION_CODES = 5,   /* int8 (rows, dim) */
    SECTION_SCALES = 6,  /* f32 */
    SECTION_KEYS = 7,    /* u64, ascending */
    SECTION_KEY_ROWS = 8, /* u32: the row of each key of SECTION_KEYS */
    /* Of coded segments only; see lists.h. */
    SECTION_CODED = 9,        /* struct coded_head */
    SECTION_LISTS = 10,       /* struct list_entry, the epoch's lists + 1 */
    SECTION_BLOCKS = 11,      /* code blocks */
    SECTION_BLOCK_ZONES = 12, /* struct zone, one a block */
    /* Runs, of all segments written since; see lists.h. */
    SECTION_RUNS = 13,        /* struct runs_head */
    SECTION_PLACE_KEYS = 14,  /* u32 Hilbert keys, ascending */
    SECTION_PLACE_ROWS = 15,  /* u32 their rows */
    SECTION_TIME_BEGINS = 16, /* i64 begin_ms, ascending */
    SECTION_TIME_ROWS = 17,   /* u32 their rows */
    SECTION_QUALITY = 18,     /* u32 by row: nodata, gap << 8, texture << 16, level << 24 */
    SECTION_KNOWN_END
};

struct coded_head {
    uint64_t epoch;
    uint32_t lists; /* the epoch's */
    uint32_t block_bytes;
    uint64_t blocks;
    float residual; /* root mean square length of its rows' residuals when they were encoded */
    uint32_t reserved;
};
struct runs_head {
    int64_t duration_max_ms; /* of rows with a time: end - begin; 0 where there are none */
    double half_width_deg, half_height_deg; /* largest half box of rows with a place */
};
#define LISTS_MAX (1u << 26)
#define CODE_BLOCK_BYTES_MAX (1024u * 16u + 128u)
#define SECTION_REQUIRED 1u /* a reader that does not know this type must not read the file */

struct section {
    uint32_t type, flags;
    uint64_t offset, bytes;
    uint32_t crc; /* SUMS: of itself; else of its part of SUMS */
    uint32_t reserved;
};

struct segment_head {
    struct preamble preamble;
    uint64_t id, rows, bytes;
    uint64_t first_key, last_key;
    uint32_t dim, model;
    uint32_t block_rows, section_count;
    uint32_t metric; /* enum akin_metric */
    uint8_t reserved[48];
    uint32_t crc; /* of the 4096 bytes with this field as 0 */
};
#define SECTION_MAX ((SEGMENT_HEAD_BYTES - 128u) / 32u)

_Static_assert(sizeof(struct preamble) == 16, "layout");
_Static_assert(sizeof(struct log_head) == 40, "layout");
_Static_assert(sizeof(struct tomb_head) == 56, "layout");
_Static_assert(sizeof(struct section) == 32, "layout");
_Static_assert(sizeof(struct segment_head) == 128, "layout");
_Static_assert(sizeof(struct coded_head) == 32, "layout");
_Static_assert(sizeof(struct runs_head) == 24, "layout");

#endif
