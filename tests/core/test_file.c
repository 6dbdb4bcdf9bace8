/*
 * Files on a real disk: read, map, write atomically, lock; with every failure that can be brought
 * about by an ordinary process.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"

static char path_text[AKIN_PATH_MAX];

/* "FOLDER/name" of this case's folder; valid until the next call. */
static const char *in(const char *folder, const char *name)
{
    return akin_path_join(path_text, folder, name, NULL) == AKIN_OK ? path_text : "";
}

static bool holds(const char *path, const char *text)
{
    struct akin_buffer buffer;
    akin_buffer_init(&buffer, 1 << 20);
    bool same = akin_file_read(&buffer, path, NULL) == AKIN_OK && buffer.size == strlen(text) &&
                memcmp(buffer.data, text, buffer.size) == 0;
    akin_buffer_fini(&buffer);
    return same;
}

static size_t entries(const char *folder)
{
    char **names = NULL;
    size_t count = 999;
    if (akin_dir_list(&names, &count, folder, 100, NULL) != AKIN_OK)
        return 999;
    akin_names_free(names, count);
    return count;
}

TEST(paths_join)
{
    char out[AKIN_PATH_MAX], name[AKIN_PATH_MAX];
    REQUIRE_OK(akin_path_join(out, "a/b", "c", err));
    CHECK_TEXT(out, "a/b/c");
    REQUIRE_OK(akin_path_join(out, "/", "c", err));
    CHECK_TEXT(out, "/c");
    REQUIRE_OK(akin_path_join(out, "", "c", err));
    CHECK_TEXT(out, "c");
    REQUIRE_OK(akin_path_join(out, out, "d", err));
    CHECK_TEXT(out, "c/d");
    memset(name, 'n', sizeof name);
    name[AKIN_PATH_MAX - 3] = '\0'; /* "d/" + 4093 + NUL = 4096 */
    REQUIRE_OK(akin_path_join(out, "d", name, err));
    akin_error why = {0};
    CHECK_EQ(akin_path_join(out, "dd", name, &why), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(why.text, "longer than 4095 bytes");
}

TEST(folders_are_made_and_listed_in_order)
{
    const char *folder = check_folder();
    akin_error why = {0};
    char sub[AKIN_PATH_MAX];
    REQUIRE_OK(akin_path_join(sub, folder, "sub", err));
    REQUIRE_OK(akin_dir_create(sub, err));
    REQUIRE_OK(akin_dir_create(sub, err));
    REQUIRE_OK(akin_dir_sync(sub, err));
    CHECK_EQ(entries(sub), 0);
    static const char *const made[] = {"b", "a", "\xc3\xa9", "B", "a b\n"};
    for (int i = 0; i < 5; i++)
        REQUIRE_OK(akin_file_write_atomic(in(sub, made[i]), "x", 1, err));
    char **names = NULL;
    size_t count = 0;
    REQUIRE_OK(akin_dir_list(&names, &count, sub, 5, err));
    CHECK_EQ(count, 5);
    CHECK_TEXT(names[0], "B");
    CHECK_TEXT(names[1], "a");
    CHECK_TEXT(names[2], "a b\n");
    CHECK_TEXT(names[4], "\xc3\xa9");
    akin_names_free(names, count);
    akin_names_free(NULL, 0);
    CHECK_EQ(akin_dir_list(&names, &count, sub, 4, &why), AKIN_ERR_LIMIT);
    CHECK_EQ(akin_dir_list(&names, &count, in(sub, "none"), 4, &why), AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_dir_create(in(sub, "no/deeper"), &why), AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_dir_create(in(sub, "a"), &why), AKIN_ERR_EXISTS);
    CHECK_CONTAINS(why.text, "cannot make the folder");
    CHECK_EQ(akin_dir_sync(in(sub, "none"), &why), AKIN_ERR_NOT_FOUND);
}

TEST(listing_survives_failed_allocations)
{
    const char *folder = check_folder();
    REQUIRE_OK(akin_file_write_atomic(in(folder, "a"), "", 0, err));
    REQUIRE_OK(akin_file_write_atomic(in(folder, "b"), "", 0, err));
    size_t before = akin_memory_used();
    for (long n = 0; n < 3; n++) {
        char **names = NULL;
        size_t count = 0;
        akin_memory_fail_at(n);
        CHECK_EQ(akin_dir_list(&names, &count, folder, 10, NULL), AKIN_ERR_NO_MEMORY);
        akin_memory_fail_at(-1);
        CHECK(!names);
        CHECK_EQ(akin_memory_used(), before);
    }
}

TEST(stat_tells_size_kind_and_time)
{
    const char *folder = check_folder();
    struct akin_file_stat st;
    akin_error why = {0};
    REQUIRE_OK(akin_file_write_atomic(in(folder, "a"), "12345", 5, err));
    REQUIRE_OK(akin_file_stat(&st, in(folder, "a"), err));
    CHECK_EQ(st.size_bytes, 5);
    CHECK(st.is_regular && !st.is_dir);
    CHECK(st.mtime_ns > INT64_C(1600000000) * 1000000000);
    struct timespec times[2] = {{1, 5}, {1000, 7}};
    REQUIRE(utimensat(AT_FDCWD, in(folder, "a"), times, 0) == 0);
    REQUIRE_OK(akin_file_stat(&st, in(folder, "a"), err));
    CHECK_EQ(st.mtime_ns, 1000 * INT64_C(1000000000) + 7);
    REQUIRE_OK(akin_file_stat(&st, folder, err));
    CHECK(st.is_dir && !st.is_regular);
    CHECK_EQ(akin_file_stat(&st, in(folder, "none"), &why), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(why.text, "none");
}

TEST(read_appends_within_the_limit)
{
    const char *folder = check_folder();
    struct akin_buffer buffer;
    akin_error why = {0};
    akin_buffer_init(&buffer, 12);
    REQUIRE_OK(akin_file_write_atomic(in(folder, "a"), "12345", 5, err));
    REQUIRE_OK(akin_file_read(&buffer, in(folder, "a"), err));
    REQUIRE_OK(akin_file_read(&buffer, in(folder, "a"), err));
    CHECK_TEXT(buffer.data, "1234512345");
    CHECK_EQ(akin_file_read(&buffer, in(folder, "a"), &why), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(why.text, "cannot read '");
    CHECK_TEXT(buffer.data, "1234512345");
    CHECK_EQ(akin_file_read(&buffer, in(folder, "none"), &why), AKIN_ERR_NOT_FOUND);
    akin_buffer_fini(&buffer);
}

TEST(read_of_exactly_the_limit_and_of_nothing)
{
    const char *folder = check_folder();
    struct akin_buffer buffer;
    char large[5000];
    memset(large, 'x', sizeof large);
    REQUIRE_OK(akin_file_write_atomic(in(folder, "large"), large, sizeof large, err));
    REQUIRE_OK(akin_file_write_atomic(in(folder, "empty"), NULL, 0, err));
    akin_buffer_init(&buffer, sizeof large);
    REQUIRE_OK(akin_file_read(&buffer, in(folder, "large"), err));
    CHECK_EQ(buffer.size, sizeof large);
    REQUIRE_OK(akin_file_read(&buffer, in(folder, "empty"), err));
    CHECK_EQ(buffer.size, sizeof large);
    akin_buffer_fini(&buffer);
    akin_buffer_init(&buffer, 0);
    REQUIRE_OK(akin_file_read(&buffer, in(folder, "empty"), err));
    CHECK_EQ(buffer.size, 0);
    CHECK_EQ(akin_file_read(&buffer, in(folder, "large"), NULL), AKIN_ERR_LIMIT);
    akin_buffer_fini(&buffer);
}

TEST(read_of_a_file_that_says_it_is_empty)
{
    struct akin_buffer buffer;
    akin_buffer_init(&buffer, 1 << 20);
    REQUIRE_OK(akin_file_read(&buffer, "/proc/self/status", err));
    CHECK(buffer.size > 500);
    CHECK_CONTAINS(buffer.data, "voluntary_ctxt_switches");
    akin_buffer_fini(&buffer);
    akin_buffer_init(&buffer, 300);
    CHECK_EQ(akin_file_read(&buffer, "/proc/self/status", NULL), AKIN_ERR_LIMIT);
    CHECK_EQ(buffer.size, 0);
    akin_buffer_fini(&buffer);
}

TEST(folders_pipes_and_devices_are_not_read)
{
    const char *folder = check_folder();
    struct akin_buffer buffer;
    struct akin_map map = {0};
    akin_error why = {0};
    akin_buffer_init(&buffer, 100);
    CHECK_EQ(akin_file_read(&buffer, folder, &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "is a folder");
    REQUIRE(mkfifo(in(folder, "pipe"), 0600) == 0);
    CHECK_EQ(akin_file_read(&buffer, in(folder, "pipe"), &why), AKIN_ERR_INVALID);
    CHECK_CONTAINS(why.text, "pipe or device");
    CHECK_EQ(akin_map_open(&map, in(folder, "pipe"), &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_file_read(&buffer, "/dev/zero", &why), AKIN_ERR_INVALID);
    akin_buffer_fini(&buffer);
}

TEST(read_at_wants_every_byte)
{
    const char *folder = check_folder();
    char out[8] = {0};
    akin_error why = {0};
    REQUIRE_OK(akin_file_write_atomic(in(folder, "a"), "0123456789", 10, err));
    int fd = open(in(folder, "a"), O_RDONLY);
    REQUIRE(fd >= 0);
    REQUIRE_OK(akin_file_read_at(fd, out, 4, 6, "a", err));
    CHECK_TEXT(out, "6789");
    REQUIRE_OK(akin_file_read_at(fd, out, 0, 99, "a", err));
    CHECK_EQ(akin_file_read_at(fd, out, 5, 6, "a", &why), AKIN_ERR_CORRUPT);
    CHECK_TEXT(why.text, "'a' is cut short: it ends at byte 10 of 11");
    CHECK_EQ(akin_file_read_at(fd, out, 5, UINT64_MAX, "a", &why), AKIN_ERR_CORRUPT);
    CHECK_EQ(akin_file_read_at(fd, out, SIZE_MAX, 1, "a", &why), AKIN_ERR_CORRUPT);
    close(fd);
    CHECK_EQ(akin_file_read_at(-1, out, 1, 0, "a", &why), AKIN_ERR_IO);
    CHECK_EQ(akin_file_write_all(-1, out, 1, "a", &why), AKIN_ERR_IO);
}

TEST(remove_is_content_with_nothing)
{
    const char *folder = check_folder();
    akin_error why = {0};
    REQUIRE_OK(akin_file_write_atomic(in(folder, "a"), "x", 1, err));
    REQUIRE_OK(akin_file_remove(in(folder, "a"), err));
    REQUIRE_OK(akin_file_remove(in(folder, "a"), err));
    CHECK(akin_file_remove(folder, &why) != AKIN_OK);
    CHECK_CONTAINS(why.text, "cannot remove");
}

TEST(maps_show_the_bytes)
{
    const char *folder = check_folder();
    struct akin_map map = {0};
    akin_error why = {0};
    REQUIRE_OK(akin_file_write_atomic(in(folder, "a"), "mapped", 6, err));
    REQUIRE_OK(akin_map_open(&map, in(folder, "a"), err));
    CHECK_EQ(map.size, 6);
    CHECK(memcmp(map.data, "mapped", 6) == 0);
    REQUIRE_OK(akin_file_remove(in(folder, "a"), err));
    CHECK(map.data[5] == 'd'); /* the mapping outlives the name */
    akin_map_close(&map);
    akin_map_close(&map);
    akin_map_close(NULL);
    CHECK(!map.data && map.size == 0);
    REQUIRE_OK(akin_file_write_atomic(in(folder, "empty"), "", 0, err));
    REQUIRE_OK(akin_map_open(&map, in(folder, "empty"), err));
    CHECK(!map.data && map.size == 0);
    akin_map_close(&map);
    CHECK_EQ(akin_map_open(&map, in(folder, "none"), &why), AKIN_ERR_NOT_FOUND);
    CHECK_EQ(akin_map_open(&map, folder, &why), AKIN_ERR_INVALID);
}

TEST(atomic_files_appear_only_at_commit)
{
    const char *folder = check_folder();
    char path[AKIN_PATH_MAX];
    akin_atomic_file *file = NULL;
    REQUIRE_OK(akin_path_join(path, folder, "a", err));
    REQUIRE_OK(akin_file_write_atomic(path, "old", 3, err));
    REQUIRE_OK(akin_atomic_begin(&file, path, err));
    REQUIRE_OK(akin_atomic_write(file, "new", 3, err));
    CHECK_EQ(akin_atomic_size(file), 3);
    CHECK(holds(path, "old"));
    CHECK_EQ(entries(folder), 2);
    REQUIRE_OK(akin_atomic_commit(file, err));
    CHECK(holds(path, "new"));
    CHECK_EQ(entries(folder), 1);

    REQUIRE_OK(akin_atomic_begin(&file, path, err));
    REQUIRE_OK(akin_atomic_write(file, "never", 5, err));
    akin_atomic_abort(file);
    akin_atomic_abort(NULL);
    CHECK(holds(path, "new"));
    CHECK_EQ(entries(folder), 1);
}

TEST(atomic_files_of_many_pieces)
{
    const char *folder = check_folder();
    char path[AKIN_PATH_MAX];
    static unsigned char data[700000];
    akin_atomic_file *file = NULL;
    akin_error why = {0};
    struct akin_map map;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 7 + i / 251);
    REQUIRE_OK(akin_path_join(path, folder, "a", err));
    REQUIRE_OK(akin_atomic_begin(&file, path, err));
    size_t done = 0;
    for (size_t step = 1; done < sizeof data; step = step * 3 + 1) { /* small, large, huge */
        size_t bytes = step < sizeof data - done ? step : sizeof data - done;
        REQUIRE_OK(akin_atomic_write(file, data + done, bytes, err));
        done += bytes;
    }
    CHECK_EQ(akin_atomic_size(file), sizeof data);
    REQUIRE_OK(akin_atomic_write_at(file, "HEAD", 4, 0, err));
    REQUIRE_OK(akin_atomic_write_at(file, "TAIL", 4, sizeof data - 4, err));
    CHECK_EQ(akin_atomic_write_at(file, "TAIL", 4, sizeof data - 3, &why), AKIN_ERR_INVALID);
    CHECK_EQ(akin_atomic_write_at(file, "TAIL", 4, UINT64_MAX, &why), AKIN_ERR_INVALID);
    REQUIRE_OK(akin_atomic_write(file, "more", 4, err)); /* goes on at the end */
    REQUIRE_OK(akin_atomic_commit(file, err));
    REQUIRE_OK(akin_map_open(&map, path, err));
    REQUIRE(map.size == sizeof data + 4);
    CHECK(memcmp(map.data, "HEAD", 4) == 0);
    CHECK(memcmp(map.data + 4, data + 4, sizeof data - 8) == 0);
    CHECK(memcmp(map.data + sizeof data - 4, "TAILmore", 8) == 0);
    akin_map_close(&map);
}

TEST(atomic_files_where_there_is_no_folder)
{
    const char *folder = check_folder();
    akin_error why = {0};
    char name[300];
    akin_atomic_file *file = NULL;
    CHECK_EQ(akin_atomic_begin(&file, in(folder, "no/a"), &why), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(why.text, "cannot make '");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CHECK_EQ(akin_atomic_begin(&file, in(folder, name), &why), AKIN_ERR_LIMIT);
    char path[AKIN_PATH_MAX + 8];
    memset(path, '/', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    CHECK_EQ(akin_atomic_begin(&file, path, &why), AKIN_ERR_LIMIT);
    akin_memory_fail_at(0);
    CHECK_EQ(akin_atomic_begin(&file, in(folder, "a"), &why), AKIN_ERR_NO_MEMORY);
    akin_memory_fail_at(-1);
    CHECK(!file);
    REQUIRE(mkdir(in(folder, "a"), 0777) == 0);
    CHECK(akin_file_write_atomic(in(folder, "a"), "x", 1, &why) != AKIN_OK);
    CHECK_CONTAINS(why.text, "into its place");
    CHECK_EQ(entries(folder), 1); /* no temporary stays */
}

TEST(atomic_files_of_two_writers)
{
    const char *folder = check_folder();
    char path[AKIN_PATH_MAX];
    akin_atomic_file *a = NULL, *b = NULL;
    REQUIRE_OK(akin_path_join(path, folder, "a", err));
    REQUIRE_OK(akin_atomic_begin(&a, path, err));
    REQUIRE_OK(akin_atomic_begin(&b, path, err));
    REQUIRE_OK(akin_atomic_write(a, "first", 5, err));
    REQUIRE_OK(akin_atomic_write(b, "second", 6, err));
    REQUIRE_OK(akin_atomic_commit(b, err));
    REQUIRE_OK(akin_atomic_commit(a, err));
    CHECK(holds(path, "first"));
    CHECK_EQ(entries(folder), 1);
}

/* A limit on the size of files stands for the full disk: the same call fails half-way. */
TEST(atomic_files_that_cannot_be_written)
{
    const char *folder = check_folder();
    char path[AKIN_PATH_MAX];
    static char data[100000];
    akin_error why = {0};
    struct rlimit old;
    REQUIRE_OK(akin_path_join(path, folder, "a", err));
    REQUIRE_OK(akin_file_write_atomic(path, "old", 3, err));
    REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit small = {.rlim_cur = 50000, .rlim_max = old.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    akin_status whole = akin_file_write_atomic(path, data, sizeof data, &why);
    akin_atomic_file *file = NULL;
    akin_status pieces = akin_atomic_begin(&file, path, NULL);
    akin_status late = akin_atomic_write(file, data, sizeof data, NULL);
    akin_status early = akin_atomic_write_at(file, "x", 1, 0, NULL);
    akin_status end = akin_atomic_commit(file, NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK_EQ(whole, AKIN_ERR_LIMIT);
    CHECK_CONTAINS(why.text, "cannot write '");
    CHECK_CONTAINS(why.text, "ulimit -f");
    CHECK_EQ(pieces, AKIN_OK);
    CHECK_EQ(late, AKIN_OK); /* still gathered */
    CHECK_EQ(early, AKIN_ERR_LIMIT);
    CHECK(end != AKIN_OK); /* a file whose write failed is never put into place */
    CHECK(holds(path, "old"));
    CHECK_EQ(entries(folder), 1);
}

TEST(a_full_disk_is_no_space)
{
    akin_error why = {0};
    int fd = open("/dev/full", O_WRONLY);
    if (fd < 0) {
        check_skip("no /dev/full here");
        return;
    }
    CHECK_EQ(akin_file_write_all(fd, "x", 1, "the disk", &why), AKIN_ERR_NO_SPACE);
    CHECK_CONTAINS(why.text, "cannot write 'the disk': No space left on device (free");
    close(fd);
}

/* In a child that is nobody, since root may write everywhere. */
TEST(folders_without_rights)
{
    const char *folder = check_folder();
    char path[AKIN_PATH_MAX];
    REQUIRE_OK(akin_path_join(path, folder, "a", err));
    REQUIRE_OK(akin_file_write_atomic(path, "x", 1, err));
    REQUIRE(chmod(path, 0400) == 0 && chmod(folder, 0500) == 0);
    pid_t child = fork();
    if (child == 0) {
        akin_error why = {0};
        akin_lock *lock = NULL;
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)
            _exit(1);
        bool denied = akin_file_write_atomic(path, "y", 1, &why) == AKIN_ERR_DENIED &&
                      strstr(why.text, "Permission denied") &&
                      akin_lock_take(&lock, path, NULL) == AKIN_ERR_DENIED;
        _exit(denied ? 0 : 2);
    }
    int result = -1;
    REQUIRE(child > 0 && waitpid(child, &result, 0) == child);
    CHECK_EQ(result, 0);
    REQUIRE(chmod(folder, 0700) == 0);
    CHECK(holds(path, "x"));
}

TEST(sweep_removes_only_temporaries)
{
    const char *folder = check_folder();
    static const char *const stay[] = {"a",        "a.tmp-",     "a.tmp-1",
                                       "a.tmp-1-", "a.tmp-1-2x", "x.tmp-a-1"};
    static const char *const go[] = {"a.tmp-1-2", "b.tmp-12345-0", "c.tmp-x.tmp-7-8"};
    akin_error why = {0};
    for (int i = 0; i < 6; i++)
        REQUIRE_OK(akin_file_write_atomic(in(folder, stay[i]), "", 0, err));
    for (int i = 0; i < 3; i++)
        REQUIRE_OK(akin_file_write_atomic(in(folder, go[i]), "", 0, err));
    CHECK_EQ(entries(folder), 9);
    REQUIRE_OK(akin_dir_sweep(folder, err));
    CHECK_EQ(entries(folder), 6);
    REQUIRE_OK(akin_dir_sweep(in(folder, "none"), err));
    CHECK(akin_dir_sweep(in(folder, "a"), &why) != AKIN_OK);
    CHECK_CONTAINS(why.text, "cannot open the folder");
}

TEST(a_killed_writer_leaves_the_old_file)
{
    const char *folder = check_folder();
    char path[AKIN_PATH_MAX];
    REQUIRE_OK(akin_path_join(path, folder, "a", err));
    REQUIRE_OK(akin_file_write_atomic(path, "old", 3, err));
    pid_t child = fork();
    if (child == 0) {
        akin_atomic_file *file = NULL;
        akin_atomic_begin(&file, path, NULL);
        akin_atomic_write(file, "new", 3, NULL);
        kill(getpid(), SIGKILL);
    }
    REQUIRE(child > 0);
    waitpid(child, NULL, 0);
    CHECK(holds(path, "old"));
    CHECK_EQ(entries(folder), 2);
    REQUIRE_OK(akin_dir_sweep(folder, err));
    CHECK_EQ(entries(folder), 1);
}

TEST(a_lock_is_held_by_one)
{
    const char *folder = check_folder();
    char path[AKIN_PATH_MAX], pid[64];
    akin_lock *lock = NULL, *other = NULL;
    akin_error why = {0};
    REQUIRE_OK(akin_path_join(path, folder, "lock", err));
    REQUIRE_OK(akin_lock_take(&lock, path, err));
    snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    CHECK(holds(path, pid));
    CHECK_EQ(akin_lock_take(&other, path, &why), AKIN_ERR_BUSY);
    CHECK(!other);
    snprintf(pid, sizeof pid, "another akin (pid %ld) is writing", (long)getpid());
    CHECK_CONTAINS(why.text, pid);
    CHECK_CONTAINS(why.text, "wait for it to end");
    akin_lock_release(lock);
    akin_lock_release(NULL);
    CHECK(holds(path, ""));
    REQUIRE_OK(akin_lock_take(&other, path, err));
    akin_lock_release(other);
    CHECK_EQ(akin_lock_take(&lock, in(folder, "no/lock"), &why), AKIN_ERR_NOT_FOUND);
    akin_memory_fail_at(0);
    CHECK_EQ(akin_lock_take(&lock, path, &why), AKIN_ERR_NO_MEMORY);
    akin_memory_fail_at(-1);
}

TEST(a_lock_file_with_anything_in_it)
{
    const char *folder = check_folder();
    char path[AKIN_PATH_MAX];
    akin_lock *lock = NULL, *other = NULL;
    akin_error why = {0};
    REQUIRE_OK(akin_path_join(path, folder, "lock", err));
    REQUIRE_OK(akin_file_write_atomic(path, "99999999999999999999 no pid at all", 34, err));
    REQUIRE_OK(akin_lock_take(&lock, path, err));
    int fd = open(path, O_WRONLY | O_TRUNC);
    REQUIRE(fd >= 0 && write(fd, "nonsense", 8) == 8);
    close(fd);
    CHECK_EQ(akin_lock_take(&other, path, &why), AKIN_ERR_BUSY);
    CHECK_CONTAINS(why.text, "another akin is writing");
    akin_lock_release(lock);
}

TEST(a_lock_ends_with_its_process)
{
    const char *folder = check_folder();
    char path[AKIN_PATH_MAX], byte;
    int ready[2];
    akin_lock *lock = NULL;
    REQUIRE_OK(akin_path_join(path, folder, "lock", err));
    REQUIRE(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        akin_lock_take(&lock, path, NULL);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    REQUIRE(child > 0 && read(ready[0], &byte, 1) == 1);
    akin_error why = {0};
    CHECK_EQ(akin_lock_take(&lock, path, &why), AKIN_ERR_BUSY);
    char pid[64];
    snprintf(pid, sizeof pid, "(pid %ld)", (long)child);
    CHECK_CONTAINS(why.text, pid);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    REQUIRE_OK(akin_lock_take(&lock, path, err));
    akin_lock_release(lock);
    close(ready[0]);
    close(ready[1]);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
