/*
 * Bitmaps of dead rows, and the sidecar files ("tombstones") that keep them beside a segment.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "bitmap.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct bitmap *bitmap_copy(const struct bitmap *from, size_t bits)
{
    if (from && from->bits > bits)
        bits = from->bits;
    size_t words = bits / 64 + (bits % 64 != 0);
    struct bitmap *out = akin_alloc_zero(1, sizeof *out + words * sizeof *out->words);
    if (!out)
        return NULL;
    atomic_init(&out->refs, 1);
    out->bits = bits;
    if (from) {
        out->count = from->count;
        memcpy(out->words, from->words, (from->bits + 63) / 64 * sizeof *out->words);
    }
    return out;
}

struct bitmap *bitmap_ref(struct bitmap *bitmap)
{
    if (bitmap)
        atomic_fetch_add(&bitmap->refs, 1);
    return bitmap;
}

void bitmap_unref(struct bitmap *bitmap)
{
    if (bitmap && atomic_fetch_sub(&bitmap->refs, 1) == 1)
        akin_free(bitmap);
}

akin_status tomb_path(char *out, const char *dir, uint64_t segment, uint64_t file, akin_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "segment-%" PRIu64 ".%" PRIu64 ".tomb", segment, file);
    return akin_path_join(out, dir, name, err);
}

static size_t word_bytes(uint64_t rows)
{
    return (size_t)((rows + 63) / 64 * 8);
}

uint64_t tomb_file_bytes(uint64_t rows)
{
    return sizeof(struct tomb_head) + word_bytes(rows);
}

static uint32_t tomb_crc(const struct tomb_head *head, const uint64_t *words, uint64_t rows)
{
    uint32_t crc = akin_crc32c(0, head, offsetof(struct tomb_head, crc));
    return akin_crc32c(crc, words, word_bytes(rows));
}

akin_status tomb_save(const char *dir, uint64_t segment, uint64_t file, uint64_t rows,
                      const struct bitmap *bitmap, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct tomb_head head = {
        .segment = segment, .file = file, .rows = rows, .count = bitmap->count};
    akin_atomic_file *out = NULL;
    akin_status status = tomb_path(path, dir, segment, file, err);
    if (status)
        return status;
    preamble_fill(&head.preamble, MAGIC_TOMBSTONES);
    head.crc = tomb_crc(&head, bitmap->words, rows);
    status = akin_atomic_begin(&out, path, err);
    if (!status)
        status = akin_atomic_write(out, &head, sizeof head, err);
    if (!status)
        status = akin_atomic_write(out, bitmap->words, word_bytes(rows), err);
    if (status) {
        akin_atomic_abort(out);
        return status;
    }
    return akin_atomic_commit(out, err);
}

static uint64_t bits_set(const struct bitmap *bitmap)
{
    uint64_t count = 0;
    for (size_t i = 0; i < (bitmap->bits + 63) / 64; i++)
        count += (uint64_t)__builtin_popcountll(bitmap->words[i]);
    return count;
}

static akin_status head_check(const struct tomb_head *head, const struct tomb_head *wanted,
                              const char *path, akin_error *err)
{
    akin_status status = preamble_check(&head->preamble, MAGIC_TOMBSTONES, path, err);
    if (status)
        return status;
    if (head->segment != wanted->segment || head->file != wanted->file ||
        head->rows != wanted->rows || head->reserved)
        return akin_error_set(err, AKIN_ERR_CORRUPT, "%s: its head is of another segment", path);
    return AKIN_OK;
}

akin_status tomb_load(struct bitmap **out, const char *dir, uint64_t segment, uint64_t file,
                      uint64_t rows, akin_error *err)
{
    char path[AKIN_PATH_MAX];
    struct akin_map map = {0};
    struct bitmap *bitmap = NULL;
    struct tomb_head head, wanted = {.segment = segment, .file = file, .rows = rows};
    akin_status status = tomb_path(path, dir, segment, file, err);
    if (!status)
        status = akin_map_open(&map, path, err);
    if (status)
        return status;
    if (map.size < sizeof head || map.size != tomb_file_bytes(rows)) {
        status = akin_error_set(err, AKIN_ERR_CORRUPT, "%s: %zu bytes, should be %" PRIu64, path,
                                map.size, tomb_file_bytes(rows));
        goto out;
    }
    memcpy(&head, map.data, sizeof head);
    status = head_check(&head, &wanted, path, err);
    if (status)
        goto out;
    bitmap = bitmap_copy(NULL, rows);
    if (!bitmap) {
        status = akin_error_memory(err, word_bytes(rows), "tombstones");
        goto out;
    }
    memcpy(bitmap->words, map.data + sizeof head, word_bytes(rows));
    bitmap->count = head.count;
    if (tomb_crc(&head, bitmap->words, rows) != head.crc)
        status = akin_error_set(err, AKIN_ERR_CORRUPT, "%s: fails its checksum", path);
    else if (bits_set(bitmap) != head.count || (rows % 64 && bitmap->words[rows / 64] >> rows % 64))
        status = akin_error_set(err, AKIN_ERR_CORRUPT,
                                "%s: the bits do not agree with its count of %" PRIu64, path,
                                head.count);
    if (!status) {
        *out = bitmap;
        bitmap = NULL;
    }
out:
    bitmap_unref(bitmap);
    akin_map_close(&map);
    return status;
}
