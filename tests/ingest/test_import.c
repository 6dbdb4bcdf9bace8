/*
 * Imports from inside: every allocation fails once and the next run makes it good; a stop after each
 * batch; all ends as an undisturbed import does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"
#include "akin/array.h"
#include "akin/ingest.h"

#define DIM 8

static char folder[AKIN_PATH_MAX - 100];

static const char *path_of(const char *name)
{
    static char paths[4][AKIN_PATH_MAX];
    static int at;
    at = (at + 1) % 4;
    snprintf(paths[at], sizeof paths[at], "%s/%s", folder, name);
    return paths[at];
}

/* v.npy and v.csv: rows of three images in turn. */
static void make_files(uint64_t rows)
{
    akin_npy_writer *writer = NULL;
    struct akin_buffer text;
    snprintf(folder, sizeof folder, "%s", check_folder());
    akin_buffer_init(&text, 1 << 24);
    REQUIRE_OK(akin_npy_begin(&writer, path_of("v.npy"), AKIN_TENSOR_F32, DIM, err));
    REQUIRE_OK(akin_buffer_printf(&text, err, "key,uri,label,lon,lat,time\n"));
    for (uint64_t i = 0; i < rows; i++) {
        float vector[DIM];
        for (uint64_t j = 0; j < DIM; j++)
            vector[j] = (float)akin_random_unit(1, i, j) - 0.5f;
        REQUIRE_OK(akin_npy_append(writer, vector, 1, err));
        REQUIRE_OK(akin_buffer_printf(&text, err, "%u,image-%u,l%u,%u,%u,2020-01-%02u\n",
                                      (unsigned)(i / 3), (unsigned)(i % 3), (unsigned)(i % 3),
                                      (unsigned)(i % 180), (unsigned)(i % 90),
                                      1 + (unsigned)(i % 31)));
    }
    REQUIRE_OK(akin_npy_commit(writer, err));
    REQUIRE_OK(akin_file_write_atomic(path_of("v.csv"), text.data, text.size, err));
    akin_buffer_fini(&text);
}

static akin_status import(const char *name, const struct akin_talk *talk,
                          struct akin_import_report *report, akin_error *err)
{
    struct akin_import_options options;
    akin_import_options_default(&options);
    options.columns = path_of("v.csv");
    options.threads = 1;
    options.talk = talk;
    return akin_import(path_of(name), path_of("v.npy"), &options, report, err);
}

static void count_fault(void *user, const char *file, const char *text)
{
    (void)user;
    fprintf(stderr, "# %s: %s\n", file, text);
}

static uint64_t faults_of(const char *name)
{
    uint64_t faults = 0;
    akin_error err = {0};
    if (akin_verify(path_of(name), count_fault, NULL, &faults, NULL, &err) != AKIN_OK)
        check_text(err.text, "", __FILE__, __LINE__, "verify");
    return faults;
}

/* A checksum over all rows, columns and images, in the order of their keys. */
struct sum {
    uint32_t crc;
    uint64_t rows;
};

static bool add_rows(void *user, const struct akin_columns *columns, const float *vectors, size_t n)
{
    struct sum *sum = user;
    sum->crc = akin_crc32c(sum->crc, columns, n * sizeof *columns);
    sum->crc = akin_crc32c(sum->crc, vectors, n * DIM * sizeof *vectors);
    sum->rows += n;
    return true;
}

static struct sum sum_of(const char *name)
{
    struct sum sum = {0};
    char path[AKIN_PATH_MAX];
    akin_index *index = NULL;
    akin_error err = {0};
    snprintf(path, sizeof path, "%s/index/imported", path_of(name));
    if (akin_index_open(&index, path, AKIN_OPEN_READ, NULL, &err) != AKIN_OK ||
        akin_index_each(index, add_rows, &sum, &err) != AKIN_OK)
        check_text(err.text, "", __FILE__, __LINE__, name);
    akin_index_close(index);
    return sum;
}

TEST(every_allocation_fails_once_and_the_next_run_makes_it_good)
{
    struct akin_import_report report;
    int failed = 0, worked = 0;
    make_files(300);
    REQUIRE_OK(import("good", NULL, &report, err));
    const struct sum good = sum_of("good");
    CHECK_EQ(good.rows, 300);
    /* Until it is never reached; some that fail are only warned of. */
    for (long n = 0; worked < 8; n += n < 50 ? 1 : 7) {
        char name[32];
        akin_error error = {0};
        snprintf(name, sizeof name, "n%ld", n);
        akin_memory_fail_at(n);
        const akin_status status = import(name, NULL, &report, &error);
        akin_memory_fail_at(-1);
        failed += status != AKIN_OK;
        worked = status == AKIN_OK ? worked + 1 : 0;
        CHECK(status == AKIN_OK || (status == AKIN_ERR_NO_MEMORY && error.text[0]));
        if (status != AKIN_OK)
            REQUIRE_OK(import(name, NULL, &report, err));
        const struct sum now = sum_of(name);
        CHECK(now.crc == good.crc && now.rows == good.rows);
        CHECK_EQ(faults_of(name), 0);
    }
    CHECK(failed > 30);
}

/* Stops at the n-th question. */
struct stopper {
    int after;
};

static bool stop(void *user, const struct akin_progress *progress)
{
    struct stopper *stopper = user;
    (void)progress;
    return stopper->after-- > 0;
}

TEST(a_stop_after_each_batch_costs_nothing)
{
    struct akin_import_report report;
    make_files(30000);
    REQUIRE_OK(import("good", NULL, &report, err));
    CHECK_EQ(report.rows_replaced, 0);
    const struct sum good = sum_of("good");
    CHECK_EQ(good.rows, 30000);
    for (int after = 0; after < 5; after++) {
        char name[32];
        akin_error error = {0};
        struct stopper stopper = {after};
        const struct akin_talk talk = {NULL, stop, &stopper};
        snprintf(name, sizeof name, "after-%d", after);
        const akin_status status = import(name, &talk, &report, &error);
        CHECK_EQ(status, after < 4 ? AKIN_ERR_CANCELLED : AKIN_OK);
        CHECK_EQ(faults_of(name), 0);
        REQUIRE_OK(import(name, NULL, &report, err));
        CHECK(report.rows_before == (after < 4 ? (uint64_t)after * 8192 : 30000));
        CHECK_EQ(report.rows_replaced, 0);
        CHECK_EQ(report.tiles, 30000);
        const struct sum now = sum_of(name);
        CHECK(now.crc == good.crc && now.rows == good.rows);
        CHECK_EQ(faults_of(name), 0);
    }
}

/* Memory does not depend on how much there is. */
TEST(a_file_is_imported_in_flat_memory)
{
    struct akin_import_report report;
    size_t more[2];
    for (int i = 0; i < 2; i++) {
        make_files(i ? 60000 : 20000);
        const size_t used = akin_memory_used();
        REQUIRE_OK(import("flat", NULL, &report, err));
        more[i] = akin_memory_peak() - used;
        CHECK_EQ(report.tiles, i ? 60000 : 20000);
        REQUIRE(akin_memory_used() == used);
    }
    CHECK(more[1] < more[0] + (24u << 20));
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
