/*
 * Chip packs: there and back, damage of every byte and at every length, whole or not at all, and
 * the look-up through a collection's catalogue.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../check.h"
#include "akin/tile.h"

/* The chip under a key: its length and bytes follow from the key. */
static size_t chip_of(uint64_t key, char out[64])
{
    size_t size = 1 + key % 61;
    for (size_t i = 0; i < size; i++)
        out[i] = (char)(key * 31 + i);
    return size;
}

static akin_status append_chip(akin_pack_writer *writer, uint64_t key, akin_error *err)
{
    char chip[64];
    size_t size = chip_of(key, chip);
    return akin_pack_append(writer, key, chip, size, err);
}

/* Keys first, first - step, ...: backwards, so that they must be sorted. */
static akin_status write_pack(const char *path, uint64_t first, uint64_t count,
                              struct akin_pack_entry *entry, akin_error *err)
{
    akin_pack_writer *writer = NULL;
    akin_status status = akin_pack_create(&writer, path, err);
    for (uint64_t i = 0; status == AKIN_OK && i < count; i++)
        status = append_chip(writer, first + (count - 1 - i) * 3, err);
    if (status == AKIN_OK)
        return akin_pack_commit(writer, entry, err);
    akin_pack_abort(writer);
    return status;
}

static bool chip_is(const void *chip, size_t size, uint64_t key)
{
    char wanted[64];
    return size == chip_of(key, wanted) && !memcmp(chip, wanted, size);
}

static const char *in_folder(const char *folder, const char *name)
{
    static char path[AKIN_PATH_MAX];
    akin_path_join(path, folder, name, NULL);
    return path;
}

static void count_fault(void *user, const char *file, const char *text)
{
    (void)file, (void)text;
    ++*(int *)user;
}

TEST(chips_go_there_and_back)
{
    const char *path = in_folder(check_folder(), "a.pack");
    struct akin_pack_entry entry = {.id = 77};
    akin_pack *pack = NULL;
    const void *chip;
    size_t size;
    int faults = 0;
    REQUIRE_OK(write_pack(path, 1000, 500, &entry, err));
    CHECK_EQ(entry.id, 77);
    CHECK_EQ(entry.first_key, 1000);
    CHECK_EQ(entry.last_key, 1000 + 499 * 3);
    CHECK_EQ(entry.tiles, 500);
    struct akin_file_stat stat;
    REQUIRE_OK(akin_file_stat(&stat, path, err));
    CHECK_EQ(entry.bytes, stat.size_bytes);
    REQUIRE_OK(akin_pack_open(&pack, path, err));
    CHECK_EQ(akin_pack_count(pack), 500);
    for (uint64_t i = 0; i < 500; i++) {
        CHECK_EQ(akin_pack_key(pack, i), 1000 + i * 3);
        REQUIRE_OK(akin_pack_find(pack, 1000 + i * 3, &chip, &size, err));
        CHECK(chip_is(chip, size, 1000 + i * 3));
    }
    CHECK_EQ(akin_pack_find(pack, 1001, &chip, &size, NULL), AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_pack_find(pack, 999, &chip, &size, NULL), AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_pack_find(pack, UINT64_MAX, &chip, &size, NULL), AKIN_ERR_NOT_FOUND);
    REQUIRE_OK(akin_pack_verify(pack, count_fault, &faults, err));
    CHECK_EQ(faults, 0);
    akin_pack_close(pack);
    akin_pack_close(NULL);
}

TEST(a_key_given_twice_and_an_empty_pack_are_refused)
{
    const char *path = in_folder(check_folder(), "a.pack");
    struct akin_pack_entry entry = {0};
    akin_pack_writer *writer = NULL;
    akin_error failure = {0};
    REQUIRE_OK(akin_pack_create(&writer, path, err));
    REQUIRE_OK(append_chip(writer, 5, err));
    REQUIRE_OK(append_chip(writer, 4, err));
    REQUIRE_OK(append_chip(writer, 5, err));
    CHECK_EQ(akin_pack_append(writer, 6, "", 0, NULL), AKIN_ERR_LIMIT);
    CHECK_EQ(akin_pack_commit(writer, &entry, &failure), AKIN_ERR_INVALID);
    CHECK_CONTAINS(failure.text, "0000000000000005");
    REQUIRE_OK(akin_pack_create(&writer, path, err));
    CHECK_EQ(akin_pack_commit(writer, &entry, NULL), AKIN_ERR_INVALID);
    CHECK_EQ(entry.tiles, 0);
    CHECK(access(path, F_OK) != 0);
}

static size_t files_in(const char *folder)
{
    char **names = NULL;
    size_t count = 0;
    if (akin_dir_list(&names, &count, folder, 100, NULL) != AKIN_OK)
        return 99;
    akin_names_free(names, count);
    return count;
}

TEST(a_pack_is_there_whole_or_not_at_all)
{
    const char *folder = check_folder(), *path = in_folder(folder, "a.pack");
    akin_pack_writer *writer = NULL;
    struct akin_pack_entry entry = {0};
    akin_pack *before = NULL, *after = NULL;
    const void *chip;
    size_t size;
    REQUIRE_OK(akin_pack_create(&writer, path, err));
    REQUIRE_OK(append_chip(writer, 1, err));
    CHECK(access(path, F_OK) != 0);
    akin_pack_abort(writer);
    akin_pack_abort(NULL);
    CHECK_EQ(files_in(folder), 0);

    /* A reader keeps what it opened while the file is written anew. */
    REQUIRE_OK(write_pack(path, 100, 10, &entry, err));
    REQUIRE_OK(akin_pack_open(&before, path, err));
    REQUIRE_OK(write_pack(path, 200, 20, &entry, err));
    CHECK_EQ(akin_pack_count(before), 10);
    REQUIRE_OK(akin_pack_find(before, 103, &chip, &size, err));
    CHECK(chip_is(chip, size, 103));
    REQUIRE_OK(akin_pack_open(&after, path, err));
    CHECK_EQ(akin_pack_count(after), 20);
    CHECK_EQ(files_in(folder), 1);
    akin_pack_close(before);
    akin_pack_close(after);
}

/* Whether `data` opens as a pack. If so, each chip of it is intact or an error. */
static bool read_all(const char *path, const void *data, size_t size, int *bad)
{
    akin_pack *pack = NULL;
    akin_error failure = {0};
    FILE *file = fopen(path, "wb");
    bool written = file && fwrite(data, 1, size, file) == size;
    if (file)
        written &= fclose(file) == 0;
    CHECK(written);
    if (akin_pack_open(&pack, path, &failure) != AKIN_OK) {
        CHECK(failure.status == AKIN_ERR_CORRUPT || failure.status == AKIN_ERR_VERSION);
        CHECK_CONTAINS(failure.text, path);
        return false;
    }
    int faults = 0;
    *bad = 0;
    for (uint64_t i = 0; i < akin_pack_count(pack); i++) {
        const void *chip = NULL;
        size_t chip_size = 0;
        uint64_t key = akin_pack_key(pack, i);
        akin_status status = akin_pack_find(pack, key, &chip, &chip_size, NULL);
        CHECK(status == AKIN_ERR_CORRUPT || (status == AKIN_OK && chip_is(chip, chip_size, key)));
        *bad += status != AKIN_OK;
    }
    CHECK_EQ(akin_pack_verify(pack, count_fault, &faults, NULL), AKIN_OK);
    CHECK_EQ(faults, *bad);
    akin_pack_close(pack);
    return true;
}

TEST(a_damaged_pack_is_an_error_or_its_chips_are_intact)
{
    const char *folder = check_folder(), *path = in_folder(folder, "a.pack");
    struct akin_pack_entry entry = {0};
    struct akin_buffer whole;
    int bad = 0, in_chips = 0;
    akin_buffer_init(&whole, 1 << 20);
    REQUIRE_OK(write_pack(path, 40, 5, &entry, err));
    REQUIRE_OK(akin_file_read(&whole, path, err));
    for (size_t size = 0; size < whole.size; size++)
        CHECK(!read_all(path, whole.data, size, &bad));
    for (size_t i = 0; i < whole.size; i++) {
        whole.data[i] ^= (char)0x55;
        bool opened = read_all(path, whole.data, whole.size, &bad);
        bool is_chip = i >= 64 && i < whole.size - 48 - 5 * 24;
        CHECK_EQ(opened, is_chip);
        in_chips += opened && bad;
        whole.data[i] ^= (char)0x55;
    }
    CHECK(in_chips > 100); /* a flipped byte in a chip was told, but in the zeros behind it */
    REQUIRE_OK(akin_buffer_append(&whole, "x", 1, err));
    CHECK(!read_all(path, whole.data, whole.size, &bad));
    akin_buffer_fini(&whole);
    CHECK_EQ(akin_pack_open(&(akin_pack *){0}, in_folder(folder, "none"), NULL),
             AKIN_ERR_NOT_FOUND);
}

TEST(writing_without_memory_leaves_nothing)
{
    const char *folder = check_folder(), *path = in_folder(folder, "a.pack");
    struct akin_pack_entry entry = {0};
    size_t used = akin_memory_used();
    akin_status status = AKIN_ERR_NO_MEMORY;
    long n = 0;
    for (; status == AKIN_ERR_NO_MEMORY && n < 100; n++) {
        akin_memory_fail_at(n);
        status = write_pack(path, 1, 30, &entry, NULL);
        akin_memory_fail_at(-1);
        CHECK_EQ(files_in(folder), status == AKIN_OK);
        CHECK_EQ(akin_memory_used(), used);
    }
    CHECK_EQ(status, AKIN_OK);
    CHECK(n > 2);
}

/* ---- through the catalogue ---- */

static akin_status add_pack(akin_catalog *catalog, uint64_t first, uint64_t count, akin_error *err)
{
    struct akin_pack_entry entry = {0};
    char name[64], path[AKIN_PATH_MAX];
    akin_status status = akin_catalog_pack_next(catalog, &entry.id, err);
    if (status != AKIN_OK)
        return status;
    snprintf(name, sizeof name, "chips/%016llx.pack", (unsigned long long)entry.id);
    status = akin_path_join(path, akin_catalog_dir(catalog), name, err);
    if (status == AKIN_OK)
        status = write_pack(path, first, count, &entry, err);
    return status == AKIN_OK ? akin_catalog_pack_add(catalog, &entry, err) : status;
}

TEST(chips_of_a_collection_are_found_by_key)
{
    char dir[AKIN_PATH_MAX];
    akin_catalog *catalog = NULL;
    akin_chips *chips = NULL;
    const void *chip;
    size_t size;
    akin_error failure = {0};
    REQUIRE_OK(akin_path_join(dir, check_folder(), "c", err));
    REQUIRE_OK(akin_catalog_create(dir, NULL, err));
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, err));
    REQUIRE_OK(akin_catalog_begin(catalog, err));
    for (uint64_t i = 0; i < 40;
         i++) /* 3 packs share each range of keys; more packs than stay open */
        REQUIRE_OK(add_pack(catalog, 10000 * (i / 3) + i % 3, 100, err));
    REQUIRE_OK(akin_catalog_commit(catalog, err));
    REQUIRE_OK(akin_chips_open(&chips, catalog, err));
    for (uint64_t n = 0; n < 400; n++) {
        uint64_t i = n * 7 % 40, key = 10000 * (i / 3) + i % 3 + 3 * (n % 100);
        REQUIRE_OK(akin_chips_find(chips, key, &chip, &size, err));
        CHECK(chip_is(chip, size, key));
    }
    CHECK_EQ(akin_chips_find(chips, 5000, &chip, &size, &failure), AKIN_ERR_NOT_FOUND);
    akin_chips_close(chips);

    /* A pack that is gone is damage, not "no such tile". */
    struct akin_pack_entry entry;
    size_t count = 0;
    REQUIRE_OK(akin_catalog_packs_of(catalog, 10, &entry, 1, &count, err));
    REQUIRE(count >= 1);
    char name[64], path[AKIN_PATH_MAX];
    snprintf(name, sizeof name, "chips/%016llx.pack", (unsigned long long)entry.id);
    REQUIRE_OK(akin_path_join(path, dir, name, err));
    REQUIRE(unlink(path) == 0);
    REQUIRE_OK(akin_chips_open(&chips, catalog, err));
    CHECK_EQ(akin_chips_find(chips, 10, &chip, &size, &failure), AKIN_ERR_CORRUPT);
    CHECK_CONTAINS(failure.text, name);
    akin_chips_close(chips);
    akin_chips_close(NULL);
    akin_catalog_close(catalog);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
