/*
 * Fuzzes the reading of chip packs. Inputs rarely have right checksums, so each is tried as it is
 * and again with those of header, directory and footer put right: the checks behind them are what
 * is to be tried.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/tile/pack.h"
#include "akin/tile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_right(uint8_t *data, size_t size)
{
    struct pack_header header;
    struct pack_footer footer;
    if (size < sizeof header + sizeof footer)
        return;
    memcpy(&header, data, sizeof header);
    header.crc = akin_crc32c(0, &header, offsetof(struct pack_header, crc));
    memcpy(data, &header, sizeof header);
    uint64_t end = size - sizeof footer;
    memcpy(&footer, data + end, sizeof footer);
    footer.header_crc = akin_crc32c(0, &header, sizeof header);
    footer.file_bytes = size;
    if (footer.directory_offset <= end)
        footer.directory_crc =
            akin_crc32c(0, data + footer.directory_offset, end - footer.directory_offset);
    footer.crc = akin_crc32c(0, &footer, offsetof(struct pack_footer, crc));
    memcpy(data + end, &footer, sizeof footer);
}

static void count_fault(void *user, const char *file, const char *text)
{
    if (!file[0] || !text[0])
        abort();
    ++*(uint64_t *)user;
}

static void read_all(const akin_pack *pack)
{
    uint64_t faults = 0, bad = 0;
    for (uint64_t i = 0; i < akin_pack_count(pack); i++) {
        const void *chip = NULL;
        size_t bytes = 0;
        akin_status status = akin_pack_find(pack, akin_pack_key(pack, i), &chip, &bytes, NULL);
        if (status != AKIN_OK && status != AKIN_ERR_CORRUPT)
            abort(); /* a key of the directory is always found */
        if (status == AKIN_OK && !bytes)
            abort();
        bad += status != AKIN_OK;
    }
    if (akin_pack_verify(pack, count_fault, &faults, NULL) != AKIN_OK || faults != bad)
        abort();
}

/* Packs are read from files: one in memory. */
static void try_pack(const uint8_t *data, size_t size)
{
    akin_pack *pack = NULL;
    akin_error err = {0};
    char path[64];
    int fd = memfd_create("fuzz_pack", 0);
    if (fd < 0)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (akin_file_write_all(fd, data, size, path, NULL) != AKIN_OK)
        abort();
    if (akin_pack_open(&pack, path, &err) == AKIN_OK)
        read_all(pack);
    else if (!err.text[0])
        abort();
    akin_pack_close(pack);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_pack(data, size);
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    put_right(copy, size);
    try_pack(copy, size);
    free(copy);
    return 0;
}
