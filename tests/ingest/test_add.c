/*
 * akin_add as a library call: the same tiles and vectors however it was threaded, stopped or
 * resumed; what changed, vanished or failed; memory refused; allocations that fail. (kill -9 and
 * full disks: tests/cli/kill.sh and full.sh.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "../check.h"
#include "akin/index.h"
#include "akin/ingest.h"
#include "pictures.h"

/* Loops that try many moments try fewer of them where everything takes ten times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FEWER 5
#else
#define FEWER 1
#endif

/* ---- what is in a collection ---- */

struct sum {
    uint64_t rows;
    uint32_t crc;
};

static bool sum_rows(void *user, const struct akin_columns *columns, const float *vectors, size_t n)
{
    struct sum *sum = user;
    sum->rows += n;
    sum->crc = akin_crc32c(sum->crc, columns, n * sizeof *columns);
    sum->crc = akin_crc32c(sum->crc, vectors, n * 224 * sizeof *vectors);
    return true;
}

static struct sum contents(const char *name)
{
    char path[AKIN_PATH_MAX], relative[64];
    struct sum sum = {0};
    akin_index *index = NULL;
    akin_error err = {0};
    uint64_t faults = 1;
    snprintf(relative, sizeof relative, "%.32s/index/instant", name);
    if (akin_index_open(&index, at(path, relative), AKIN_OPEN_READ, NULL, &err) == AKIN_OK)
        CHECK(akin_index_each(index, sum_rows, &sum, &err) == AKIN_OK);
    CHECK_TEXT(err.text, "");
    akin_index_close(index);
    CHECK(akin_verify(at(path, name), NULL, NULL, &faults, NULL, &err) == AKIN_OK);
    CHECK_EQ(faults, 0);
    return sum;
}

static void check_same(struct sum a, struct sum b)
{
    CHECK_EQ(a.rows, b.rows);
    CHECK_EQ(a.crc, b.crc);
}

/* ---- cases ---- */

TEST(the_same_whatever_the_threads)
{
    struct sum first = {0};
    static const unsigned threads[] = {1, 2, 5};
    write_pictures(6);
    for (unsigned i = 0; i < 3; i++) {
        char name[32];
        struct akin_add_options options;
        struct akin_add_report report;
        snprintf(name, sizeof name, "c%u", threads[i]);
        make_collection(name, 32);
        akin_add_options_default(&options);
        options.threads = threads[i];
        REQUIRE_OK(add(name, &options, &report, err));
        CHECK_EQ(report.scenes_added, 6);
        CHECK_EQ(report.tiles_added, 6 * 81); /* 160 px, tiles of 32 every 16: 9 x 9 */
        struct sum sum = contents(name);
        CHECK_EQ(sum.rows, 6 * 81);
        if (i == 0)
            first = sum;
        check_same(sum, first);
    }
}

TEST(again_does_nothing)
{
    struct akin_add_options options;
    struct akin_add_report report;
    write_pictures(3);
    make_collection("c", 256);
    akin_add_options_default(&options);
    REQUIRE_OK(add("c", &options, &report, err));
    struct sum before = contents("c");
    REQUIRE_OK(add("c", &options, &report, err));
    CHECK_EQ(report.scenes_unchanged, 3);
    CHECK_EQ(report.scenes_added + report.tiles_added + report.scenes_failed, 0);
    check_same(contents("c"), before);
}

TEST(a_changed_file_replaces_its_tiles)
{
    struct akin_add_options options;
    struct akin_add_report report;
    write_pictures(3);
    make_collection("c", 32);
    make_collection("fresh", 32);
    akin_add_options_default(&options);
    REQUIRE_OK(add("c", &options, &report, err));
    write_picture("in/a1.png", 77, 96); /* smaller: fewer tiles */
    REQUIRE_OK(add("c", &options, &report, err));
    CHECK_EQ(report.scenes_replaced, 1);
    CHECK_EQ(report.scenes_added, 0);
    CHECK_EQ(report.scenes_unchanged, 2);
    CHECK_EQ(report.tiles_added, 25);
    CHECK_EQ(contents("c").rows, 2 * 81 + 25);
}

TEST(a_changed_file_that_broke_keeps_its_tiles)
{
    char path[AKIN_PATH_MAX];
    struct akin_add_options options;
    struct akin_add_report report;
    write_pictures(2);
    make_collection("c", 32);
    akin_add_options_default(&options);
    REQUIRE_OK(add("c", &options, &report, err));
    struct sum before = contents("c");
    REQUIRE_OK(akin_file_write_atomic(at(path, "in/a1.png"), "no picture", 10, err));
    REQUIRE_OK(add("c", &options, &report, err));
    CHECK_EQ(report.scenes_failed, 1);
    check_same(contents("c"), before);
}

TEST(a_file_that_is_gone_is_dropped_on_request)
{
    char path[AKIN_PATH_MAX];
    struct akin_add_options options;
    struct akin_add_report report;
    write_pictures(3);
    make_collection("c", 32);
    akin_add_options_default(&options);
    REQUIRE_OK(add("c", &options, &report, err));
    REQUIRE_OK(akin_file_remove(at(path, "in/a0.png"), err));
    REQUIRE_OK(add("c", &options, &report, err));
    CHECK_EQ(report.scenes_dropped, 0);
    CHECK_EQ(contents("c").rows, 3 * 81);
    options.drop_missing = true;
    REQUIRE_OK(add("c", &options, &report, err));
    CHECK_EQ(report.scenes_dropped, 1);
    CHECK_EQ(contents("c").rows, 2 * 81);
    write_picture("in/a0.png", 1, SIDE); /* back again: a new scene */
    REQUIRE_OK(add("c", &options, &report, err));
    CHECK_EQ(report.scenes_added, 1);
    CHECK_EQ(contents("c").rows, 3 * 81);
}

/* Stops at the n-th call that tells progress. */
static bool stop_later(void *user, const struct akin_progress *progress)
{
    long *left = user;
    (void)progress;
    return (*left)-- > 0;
}

TEST(stopped_anywhere_it_goes_on_to_the_same_end)
{
    struct akin_add_options options;
    struct akin_add_report report;
    write_pictures(5);
    make_collection("whole", 32);
    akin_add_options_default(&options);
    REQUIRE_OK(add("whole", &options, &report, err));
    struct sum whole = contents("whole");
    unsigned stopped = 0;
    for (long n = 0; n < 40; n += 3 * FEWER) {
        char name[32];
        long left = n;
        struct akin_talk talk = {.progress = stop_later, .user = &left};
        snprintf(name, sizeof name, "c%ld", n);
        make_collection(name, 32);
        options.talk = &talk;
        akin_status status = add(name, &options, &report, NULL);
        CHECK(status == AKIN_ERR_CANCELLED || status == AKIN_OK);
        stopped += status == AKIN_ERR_CANCELLED;
        options.talk = NULL;
        REQUIRE_OK(add(name, &options, &report, err));
        check_same(contents(name), whole);
    }
    CHECK(stopped > 1);
}

TEST(too_little_memory_is_refused_with_a_number)
{
    struct akin_add_options options;
    struct akin_add_report report;
    akin_error why = {0};
    write_pictures(1);
    make_collection("c", 32);
    akin_add_options_default(&options);
    options.ram_bytes = 50 << 20;
    CHECK_EQ(add("c", &options, &report, &why), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(why.text, "--ram");
    CHECK_CONTAINS(why.text, "MB");
}

TEST(a_dry_run_tells_and_changes_nothing)
{
    struct akin_add_options options;
    struct akin_add_report dry, wet;
    write_pictures(4);
    make_collection("c", 32);
    akin_add_options_default(&options);
    options.dry_run = true;
    REQUIRE_OK(add("c", &options, &dry, err));
    CHECK_EQ(dry.scenes_found, 4);
    CHECK_EQ(dry.tiles_expected, 4 * 81);
    CHECK(dry.bytes_expected > 4 * 81 * 500);
    CHECK(dry.seconds_expected > 0);
    options.dry_run = false;
    REQUIRE_OK(add("c", &options, &wet, err));
    CHECK_EQ(wet.scenes_added, 4);
    CHECK_EQ(wet.tiles_added, dry.tiles_expected);
}

TEST(allocations_that_fail_lose_nothing)
{
    struct akin_add_options options;
    struct akin_add_report report;
    write_pictures(2);
    make_collection("whole", 64);
    akin_add_options_default(&options);
    options.threads = 1;
    REQUIRE_OK(add("whole", &options, &report, err));
    struct sum whole = contents("whole");
    unsigned failed = 0;
    make_collection("c", 64);
    for (long n = 0; n < 3000; n += 1 + n * FEWER / 4) {
        akin_error why = {0};
        akin_memory_fail_at(n);
        akin_status status = add("c", &options, &report, &why);
        akin_memory_fail_at(-1);
        failed += status != AKIN_OK;
        CHECK(status == AKIN_OK || why.text[0]);
    }
    CHECK(failed > 3);
    options.retry_failed = true; /* a scene that met the failure may say so */
    REQUIRE_OK(add("c", &options, &report, err));
    check_same(contents("c"), whole);
}

TEST(a_wrong_place_says_so)
{
    char path[AKIN_PATH_MAX];
    struct akin_add_report report;
    akin_error why = {0};
    write_pictures(1);
    CHECK_EQ(add("nothing", NULL, &report, &why), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(why.text, "akin init");
    make_collection("c", 32);
    const char *sources[] = {"/no/such/folder"};
    CHECK_EQ(akin_add(at(path, "c"), sources, 1, NULL, &report, &why), AKIN_ERR_NOT_FOUND);
    CHECK_CONTAINS(why.text, "/no/such/folder");
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
