/*
 * Making and opening collections: whole or not at all, settings, and every kind of thing that is no
 * collection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"

static bool is_folder(const char *dir, const char *name)
{
    char path[AKIN_PATH_MAX];
    struct stat st;
    join(path, dir, name);
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_there(const char *dir, const char *name)
{
    char path[AKIN_PATH_MAX];
    join(path, dir, name);
    return access(path, F_OK) == 0;
}

static size_t entries(const char *dir)
{
    char **names = NULL;
    size_t count = 0;
    if (akin_dir_list(&names, &count, dir, 1000, NULL) != AKIN_OK)
        return 9999;
    akin_names_free(names, count);
    return count;
}

static void write_file(const char *dir, const char *name, const void *bytes, size_t size)
{
    char path[AKIN_PATH_MAX];
    join(path, dir, name);
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, size, file) == size);
    if (file)
        fclose(file);
}

/* Opening must fail with this status, and a text with these words, and leave *out alone. */
static void check_refused(const char *dir, enum akin_open mode, akin_status status,
                          const char *words)
{
    akin_error why = {0};
    akin_catalog *catalog = NULL;
    CHECK_EQ(akin_catalog_open(&catalog, dir, mode, &why), status);
    CHECK(!catalog);
    CHECK_CONTAINS(why.text, words);
    akin_catalog_close(catalog);
}

TEST(create_makes_the_whole_folder)
{
    char dir[AKIN_PATH_MAX];
    REQUIRE(make_collection(dir, "new"));
    CHECK(is_folder(dir, "chips") && is_folder(dir, "models") && is_folder(dir, "index"));
    CHECK(is_there(dir, "collection.sqlite"));
    CHECK_EQ(entries(dir), 4); /* no journal, no temporary */
    struct faults faults = faults_of(dir);
    CHECK_TEXT(faults.text, "");
    CHECK_EQ(faults.count, 0);
}

TEST(create_leaves_nothing_beside)
{
    char dir[AKIN_PATH_MAX], parent[AKIN_PATH_MAX];
    REQUIRE(make_collection(dir, "one"));
    snprintf(parent, sizeof parent, "%s", dir);
    *strrchr(parent, '/') = '\0';
    CHECK_EQ(entries(parent), 1);
}

TEST(create_in_an_empty_folder_and_with_slashes_at_the_end)
{
    char dir[AKIN_PATH_MAX];
    snprintf(dir, sizeof dir, "%s/", check_folder());
    REQUIRE_OK(akin_catalog_create(dir, NULL, err));
    akin_catalog *catalog = NULL;
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, err));
    CHECK_EQ(akin_catalog_dir(catalog)[strlen(akin_catalog_dir(catalog)) - 1] == '/', false);
    akin_catalog_close(catalog);
    snprintf(dir, sizeof dir, "%s/deep//", check_folder());
    REQUIRE_OK(akin_catalog_create(dir, NULL, err));
    CHECK_EQ(faults_of(dir).count, 0);
}

TEST(create_refuses_what_is_there)
{
    char dir[AKIN_PATH_MAX];
    akin_error why = {0};
    REQUIRE(make_collection(dir, "twice"));
    CHECK_EQ(akin_catalog_create(dir, NULL, &why), AKIN_ERR_EXISTS);
    CHECK_CONTAINS(why.text, "is a collection already");

    const char *folder = check_folder();
    write_file(folder, "holiday.jpg", "x", 1);
    CHECK_EQ(akin_catalog_create(folder, NULL, &why), AKIN_ERR_EXISTS);
    CHECK_CONTAINS(why.text, "holiday.jpg");
    CHECK_EQ(entries(folder), 1);
    join(dir, folder, "holiday.jpg");
    CHECK_EQ(akin_catalog_create(dir, NULL, &why), AKIN_ERR_EXISTS);
    CHECK_CONTAINS(why.text, "not a folder");
    join(dir, folder, "a/b");
    CHECK_EQ(akin_catalog_create(dir, NULL, &why), AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_catalog_create("", NULL, &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_catalog_create(NULL, NULL, &why), AKIN_ERR_INVALID);
    remove(dir);
}

/* chips is one of ours, but not with something in it. */
TEST(create_goes_on_where_an_init_was_killed)
{
    char chips[AKIN_PATH_MAX];
    const char *folder = check_folder();
    join(chips, folder, "chips");
    REQUIRE(mkdir(chips, 0777) == 0);
    write_file(folder, "collection.sqlite.tmp-1", "half", 4);
    write_file(folder, "lock", "", 0);
    write_file(chips, "precious", "x", 1);
    akin_error why = {0};
    CHECK_EQ(akin_catalog_create(folder, NULL, &why), AKIN_ERR_EXISTS);
    CHECK_CONTAINS(why.text, "chips");
    CHECK(is_there(chips, "precious"));
    join(chips, folder, "chips/precious");
    REQUIRE(remove(chips) == 0);
    REQUIRE_OK(akin_catalog_create(folder, NULL, err));
    CHECK_EQ(faults_of(folder).count, 0);
}

TEST(settings_go_round)
{
    const char *folder = check_folder();
    char dir[AKIN_PATH_MAX];
    struct akin_settings settings;
    akin_settings_default(&settings);
    CHECK_EQ(settings.tile_px, 256);
    CHECK_NEAR(settings.overlap, 0.5, 0);
    CHECK_EQ(settings.input_px, 64);
    CHECK_EQ(settings.bands, 0);
    CHECK_NEAR(settings.nodata_max, 0.25, 0);
    CHECK(settings.chips && settings.black_is_gap && !settings.tile_always);
    CHECK_EQ(settings.seed, 1);

    settings = (struct akin_settings){.tile_px = 64,
                                      .tile_always = true,
                                      .overlap = 0.1,
                                      .input_px = 512,
                                      .bands = 13,
                                      .nodata_max = 1,
                                      .chips = false,
                                      .black_is_gap = false,
                                      .seed = UINT64_MAX - 1};
    join(dir, folder, "c");
    REQUIRE_OK(akin_catalog_create(dir, &settings, err));
    akin_catalog *catalog = NULL;
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, err));
    const struct akin_settings *read = akin_catalog_settings(catalog);
    CHECK_EQ(read->tile_px, 64);
    CHECK_EQ(read->input_px, 512);
    CHECK_EQ(read->bands, 13);
    CHECK_NEAR(read->overlap, 0.1, 0);
    CHECK_NEAR(read->nodata_max, 1, 0);
    CHECK(read->tile_always && !read->chips && !read->black_is_gap);
    CHECK(read->seed == UINT64_MAX - 1);
    akin_catalog_close(catalog);
}

TEST(settings_out_of_range_name_the_setting_and_its_range)
{
    struct akin_settings settings;
    akin_error why = {0};
    akin_settings_default(&settings);
    CHECK_EQ(akin_settings_check(&settings, &why), AKIN_OK);
    settings.tile_px = 15;
    CHECK_EQ(akin_settings_check(&settings, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "tile_px is 15");
    CHECK_CONTAINS(why.text, "16..4096");
    akin_settings_default(&settings);
    settings.overlap = NAN;
    CHECK_EQ(akin_settings_check(&settings, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "overlap");
    akin_settings_default(&settings);
    settings.bands = AKIN_BANDS_MAX + 1;
    char dir[AKIN_PATH_MAX];
    snprintf(dir, sizeof dir, "%s/c", check_folder());
    CHECK_EQ(akin_catalog_create(dir, &settings, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "bands");
    CHECK(access(dir, F_OK) != 0);
}

TEST(settings_from_a_hostile_database)
{
    static const char *const changes[] = {
        "UPDATE setting SET value = 5 WHERE name = 'tile_px'",
        "UPDATE setting SET value = 4294967360 WHERE name = 'input_px'", /* 2^32 + 64 */
        "UPDATE setting SET value = 'x' WHERE name = 'overlap'",
        "UPDATE setting SET value = 9e999 WHERE name = 'nodata_max'",
        "UPDATE setting SET value = NULL WHERE name = 'seed'",
        "UPDATE setting SET value = 1.5 WHERE name = 'bands'",
        "DELETE FROM setting WHERE name = 'chips'",
        "UPDATE setting SET value = 2 WHERE name = 'black_is_gap'",
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char dir[AKIN_PATH_MAX];
        REQUIRE(make_collection(dir, "c"));
        REQUIRE(run_sql(dir, changes[i]));
        check_refused(dir, AKIN_OPEN_READ, AKIN_ERR_CORRUPT, "no valid value for the setting");
    }
}

TEST(bands_are_fixed_once)
{
    char dir[AKIN_PATH_MAX];
    akin_error why = {0};
    akin_catalog *catalog = NULL;
    REQUIRE(make_collection(dir, "c"));
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, err));
    CHECK_EQ(akin_catalog_fix_bands(catalog, 0, &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_catalog_fix_bands(catalog, AKIN_BANDS_MAX + 1, &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_catalog_begin(catalog, &why), AKIN_OK);
    CHECK_EQ(akin_catalog_fix_bands(catalog, 4, &why), AKIN_OK);
    CHECK_EQ(akin_catalog_settings(catalog)->bands, 4);
    akin_catalog_rollback(catalog);
    CHECK_EQ(akin_catalog_settings(catalog)->bands, 0); /* undone here too */
    CHECK_EQ(akin_catalog_fix_bands(catalog, 3, &why), AKIN_OK);
    CHECK_EQ(akin_catalog_fix_bands(catalog, 3, &why), AKIN_OK);
    CHECK_EQ(akin_catalog_fix_bands(catalog, 4, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "3 bands, not 4");
    akin_catalog_close(catalog);
    catalog = NULL;
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, err));
    CHECK_EQ(akin_catalog_settings(catalog)->bands, 3);
    akin_catalog_close(catalog);
}

TEST(what_is_no_collection)
{
    const char *folder = check_folder();
    char path[AKIN_PATH_MAX];
    check_refused(folder, AKIN_OPEN_READ, AKIN_ERR_NOT_FOUND, "akin init");
    check_refused(folder, AKIN_OPEN_WRITE, AKIN_ERR_NOT_FOUND, "akin init");
    CHECK_EQ(entries(folder), 0); /* not even a lock */
    join(path, folder, "nowhere");
    check_refused(path, AKIN_OPEN_READ, AKIN_ERR_NOT_FOUND, "akin init");
    write_file(folder, "file", "x", 1);
    join(path, folder, "file");
    check_refused(path, AKIN_OPEN_READ, AKIN_ERR_NOT_FOUND, "not a folder");
    check_refused("", AKIN_OPEN_READ, AKIN_ERR_INVALID, "no name");
}

TEST(damaged_databases)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    static char noise[65536];
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)akin_random_u64(1, 2, i);
    REQUIRE(make_collection(dir, "c"));
    write_file(dir, "collection.sqlite", noise, sizeof noise);
    check_refused(dir, AKIN_OPEN_READ, AKIN_ERR_CORRUPT, "not a database");
    check_refused(dir, AKIN_OPEN_WRITE, AKIN_ERR_CORRUPT, "not a database");
    write_file(dir, "collection.sqlite", noise, 7);
    check_refused(dir, AKIN_OPEN_READ, AKIN_ERR_CORRUPT, "collection.sqlite");
    write_file(dir, "collection.sqlite", noise, 0);
    check_refused(dir, AKIN_OPEN_WRITE, AKIN_ERR_CORRUPT, "is empty");

    join(path, dir, "collection.sqlite");
    REQUIRE(remove(path) == 0 && mkdir(path, 0777) == 0);
    check_refused(dir, AKIN_OPEN_READ, AKIN_ERR_CORRUPT, "not a file");
}

/* Cut by a page or more, a catalogue is refused or has faults. (Less may only take zeros away,
 * which SQLite reads for what is not there: nothing is lost then.) */
TEST(truncated_databases)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    REQUIRE(make_collection(dir, "c"));
    join(path, dir, "collection.sqlite");
    struct stat st;
    REQUIRE(stat(path, &st) == 0);
    for (off_t size = st.st_size - 4096; size > 100; size -= 2047) {
        REQUIRE(truncate(path, size) == 0);
        CHECK(faults_of(dir).count != 0);
    }
}

/* One byte after another overwritten: opens or not, has faults or not, but never ends the
 * program. */
TEST(scribbled_databases)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    REQUIRE(make_collection(dir, "c"));
    join(path, dir, "collection.sqlite");
    struct akin_buffer whole;
    akin_buffer_init(&whole, 1 << 20);
    REQUIRE_OK(akin_file_read(&whole, path, err));
    int refused = 0;
    for (size_t i = 0; i < 300; i++) {
        size_t at = (size_t)akin_random_below(7, 0, i, i % 2 ? whole.size : 4096);
        char before = whole.data[at];
        whole.data[at] = (char)akin_random_u64(7, 1, i);
        write_file(dir, "collection.sqlite", whole.data, whole.size);
        refused += faults_of(dir).count != 0;
        whole.data[at] = before;
    }
    CHECK(refused > 10);
    akin_buffer_fini(&whole);
}

TEST(databases_of_others_and_of_other_versions)
{
    char dir[AKIN_PATH_MAX];
    REQUIRE(make_collection(dir, "c"));
    REQUIRE(run_sql(dir, "PRAGMA user_version = 3"));
    check_refused(dir, AKIN_OPEN_READ, AKIN_ERR_VERSION, "newer akin");
    check_refused(dir, AKIN_OPEN_WRITE, AKIN_ERR_VERSION, "schema 3");
    REQUIRE(run_sql(dir, "PRAGMA user_version = 0"));
    check_refused(dir, AKIN_OPEN_WRITE, AKIN_ERR_CORRUPT, "schema 0");
    REQUIRE(run_sql(dir, "PRAGMA user_version = 2; PRAGMA application_id = 17"));
    check_refused(dir, AKIN_OPEN_WRITE, AKIN_ERR_CORRUPT, "not a catalogue of akin");
    REQUIRE(run_sql(dir, "PRAGMA application_id = 1634429294; DROP TABLE pack"));
    check_refused(dir, AKIN_OPEN_READ, AKIN_ERR_CORRUPT, "lacks a part");
}

TEST(a_writer_makes_missing_folders_again)
{
    char dir[AKIN_PATH_MAX], path[AKIN_PATH_MAX];
    akin_catalog *catalog = NULL;
    REQUIRE(make_collection(dir, "c"));
    join(path, dir, "chips");
    REQUIRE(rmdir(path) == 0);
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_READ, err));
    akin_catalog_close(catalog);
    CHECK(!is_folder(dir, "chips"));
    REQUIRE_OK(akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, err));
    akin_catalog_close(catalog);
    CHECK(is_folder(dir, "chips"));
}

TEST(one_writer_at_a_time)
{
    char dir[AKIN_PATH_MAX];
    akin_catalog *writer = NULL, *reader = NULL;
    akin_error why = {0};
    REQUIRE(make_collection(dir, "c"));
    REQUIRE_OK(akin_catalog_open(&writer, dir, AKIN_OPEN_WRITE, err));
    check_refused(dir, AKIN_OPEN_WRITE, AKIN_ERR_BUSY, "another akin is writing");
    REQUIRE_OK(akin_catalog_open(&reader, dir, AKIN_OPEN_READ, err));
    CHECK_EQ(akin_catalog_begin(reader, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "opened for reading only");
    CHECK_EQ(akin_catalog_value_set(reader, "a", "b", &why), AKIN_ERR_INVALID);
    akin_catalog_close(writer);
    REQUIRE_OK(akin_catalog_open(&writer, dir, AKIN_OPEN_WRITE, err));
    akin_catalog_close(writer);
    akin_catalog_close(reader);
    akin_catalog_close(NULL);
}

TEST(names_that_an_address_would_misread)
{
    static const char *const names[] = {"with space",      "a?mode=memory", "50%20#1",
                                        "it's \"quoted\"", "line\nbreak",   "Gr\xc3\xb6nland",
                                        "latin\xe9",       "file:x"};
    const char *folder = check_folder();
    char before[AKIN_PATH_MAX];
    REQUIRE(getcwd(before, sizeof before) && chdir(folder) == 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        akin_catalog *catalog = NULL;
        CHECK_EQ(akin_catalog_create(names[i], NULL, NULL), AKIN_OK);
        CHECK(is_there(names[i], "collection.sqlite"));
        CHECK_EQ(akin_catalog_open(&catalog, names[i], AKIN_OPEN_WRITE, NULL), AKIN_OK);
        akin_catalog_close(catalog);
    }
    CHECK_EQ(entries("."), sizeof names / sizeof names[0]);
    CHECK(chdir(before) == 0);
}

TEST(a_path_too_long_for_sqlite)
{
    char dir[AKIN_PATH_MAX];
    int used = snprintf(dir, sizeof dir, "%s", check_folder());
    for (int i = 0; i < 5; i++) {
        used += snprintf(dir + used, sizeof dir - (size_t)used, "/%0120d", i);
        if (i < 4)
            REQUIRE(mkdir(dir, 0777) == 0);
    }
    akin_error why = {0};
    CHECK_EQ(akin_catalog_create(dir, NULL, &why), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(why.text, "SQLite takes");
    *strrchr(dir, '/') = '\0';
    CHECK_EQ(entries(dir), 0);
}

/* The n-th allocation fails, for every n: a status, nothing leaked, and nothing half made. */
TEST(out_of_memory_anywhere)
{
    char dir[AKIN_PATH_MAX];
    REQUIRE(make_collection(dir, "c"));
    size_t used = akin_memory_used();
    int failures = 0;
    for (long n = 0; n < 100; n++) {
        akin_catalog *catalog = NULL;
        akin_memory_fail_at(n);
        akin_status status = akin_catalog_open(&catalog, dir, AKIN_OPEN_WRITE, NULL);
        akin_memory_fail_at(-1);
        akin_catalog_close(catalog);
        CHECK(status == AKIN_OK || status == AKIN_ERR_NO_MEMORY);
        CHECK_EQ(akin_memory_used(), used);
        if (status == AKIN_OK)
            break;
        failures++;
    }
    CHECK(failures >= 2 && failures < 100);
}

TEST(sample_types)
{
    CHECK_EQ(akin_dtype_size(AKIN_U8), 1);
    CHECK_EQ(akin_dtype_size(AKIN_U16), 2);
    CHECK_EQ(akin_dtype_size(AKIN_I16), 2);
    CHECK_EQ(akin_dtype_size(AKIN_F32), 4);
    CHECK_EQ(akin_dtype_size((enum akin_dtype)99), 0);
    CHECK_TEXT(akin_dtype_name(AKIN_F32), "f32");
    CHECK_TEXT(akin_dtype_name((enum akin_dtype) - 1), "unknown");
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
