/*
 * One writer and many readers: searches in threads of the writer's process, and readers in other
 * processes, always see whole batches.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rows.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define BATCH 25

/* Rows come and go in whole batches of BATCH keys, one scene each: a view that holds part of one is
 * wrong. */
struct whole {
    uint32_t scene;
    size_t rows, scenes;
    bool good;
};

static bool whole_check(void *user, const struct akin_columns *columns, const float *vectors,
                        size_t n)
{
    struct whole *whole = user;
    (void)vectors;
    for (size_t i = 0; i < n; i++) {
        uint32_t scene = akin_tile_scene(columns[i].key);
        if (scene != whole->scene) {
            whole->good &= whole->rows % BATCH == 0;
            whole->scene = scene;
            whole->scenes++;
        }
        whole->rows++;
    }
    return true;
}

static bool sees_whole_batches(const akin_index *index)
{
    struct whole whole = {.good = true};
    return akin_index_each(index, whole_check, &whole, NULL) == AKIN_OK && whole.good &&
           whole.rows % BATCH == 0;
}

static bool searches_well(const akin_index *index, struct rows_random *random)
{
    float vectors[2 * ROWS_DIM];
    struct akin_hit hits[20];
    size_t counts[2];
    struct akin_index_query query = {
        .vectors = vectors, .count = 2, .k = 10, .threshold = -INFINITY};
    rows_vector(vectors, random);
    rows_vector(vectors + ROWS_DIM, random);
    query.recall = rows_below(random, 2) ? 1 : 0; /* exactly, or by codes where there are any */
    if (akin_index_search(index, &query, hits, counts, NULL, NULL) != AKIN_OK)
        return false;
    bool good = counts[0] == counts[1] || query.recall == 0;
    for (size_t i = 1; i < counts[0]; i++)
        good &= akin_hit_compare(&hits[i - 1], &hits[i]) < 0;
    return good;
}

static void write_some(akin_index *index, uint32_t from, uint32_t to, atomic_int *bad)
{
    struct rows_random random = {40, from};
    for (uint32_t scene = from; scene < to; scene++) {
        *bad += rows_add(index, NULL, scene, BATCH, &random, NULL) != AKIN_OK;
        if (scene % 3 == 0) /* replaced whole */
            *bad += rows_add(index, NULL, scene / 2 + 1, BATCH, &random, NULL) != AKIN_OK;
        if (scene % 4 == 0) {
            uint64_t first = akin_tile_key(scene / 3, 0, 0, 0);
            *bad += akin_index_remove(index, first, first | UINT32_MAX, NULL, NULL) != AKIN_OK;
        }
    }
}

struct threads {
    akin_index *index;
    atomic_bool done;
    atomic_int bad, looks;
};

static void *search_thread(void *user)
{
    struct threads *threads = user;
    struct rows_random random = {41, 0};
    do {
        struct akin_index_stats stats;
        threads->bad += !searches_well(threads->index, &random);
        threads->bad += !sees_whole_batches(threads->index);
        akin_index_stats(threads->index, &stats);
        threads->bad += stats.rows % BATCH != 0;
        (void)akin_index_get(threads->index, akin_tile_key(5, 0, 0, 5), NULL, NULL, NULL);
        threads->looks++;
    } while (!threads->done);
    return NULL;
}

static void search_beside_writer(bool coded)
{
    struct akin_index_options options;
    struct threads threads = {0};
    pthread_t searchers[3];
    akin_pool *pool = NULL;
    REQUIRE_OK(akin_pool_create(&pool, 2, err));
    akin_index_options_default(&options);
    options.dim = ROWS_DIM;
    options.memtable_rows = 300;
    options.pool = pool;
    if (coded) {
        options.coded_rows = 600;
        options.list_rows = 16;
    }
    REQUIRE_OK(akin_index_open(&threads.index, check_folder(), AKIN_OPEN_WRITE, &options, err));
    for (int i = 0; i < 3; i++)
        REQUIRE(pthread_create(&searchers[i], NULL, search_thread, &threads) == 0);
    write_some(threads.index, 1, (uint32_t)ROWS_STEPS(800), &threads.bad);
    if (coded)
        REQUIRE_OK(akin_index_settle(threads.index, true, err));
    threads.done = true;
    for (int i = 0; i < 3; i++)
        pthread_join(searchers[i], NULL);
    CHECK_EQ(threads.bad, 0);
    CHECK(threads.looks > 3);
    struct akin_index_stats stats;
    akin_index_stats(threads.index, &stats);
    CHECK(!coded || stats.segments_coded > 0);
    akin_index_close(threads.index);
    akin_pool_free(pool);
}

TEST(searches_in_threads_beside_the_writer)
{
    search_beside_writer(false);
}

TEST(searches_in_threads_beside_the_writer_and_upkeep)
{
    search_beside_writer(true);
}

/* What a reader has opened stays as it was, though its files are merged away, and epochs go. */
TEST(an_old_snapshot_survives_merges)
{
    const char *path = check_folder();
    struct rows_model model = {0}, later = {0};
    struct rows_random random = {44, 0};
    akin_index *index = rows_open_coded(path, 200, 400, false, NULL);
    REQUIRE(index != NULL);
    for (uint32_t scene = 1; scene <= 30; scene++)
        REQUIRE_OK(rows_add(index, &model, scene, 40, &random, err));
    akin_index *reader = rows_open(path, AKIN_OPEN_READ, 0);
    REQUIRE(reader != NULL);
    struct akin_index_stats before, after;
    akin_index_stats(reader, &before);
    CHECK(before.epoch != 0);
    REQUIRE_OK(akin_index_remove(index, 0, akin_tile_key(20, 0, 0, 0), NULL, err));
    for (uint32_t scene = 100; scene < 200; scene++)
        REQUIRE_OK(rows_add(index, &later, scene, 40, &random, err));
    REQUIRE_OK(akin_index_settle(index, true, err));
    akin_index_stats(index, &after);
    CHECK(after.epoch != before.epoch);
    for (int i = 0; i < 20; i++) {
        float vector[ROWS_DIM];
        struct akin_index_query query = {
            .vectors = vector, .count = 1, .k = 10, .threshold = -INFINITY, .recall = 1};
        rows_vector(vector, &random);
        CHECK(model_agrees(&model, reader, &query));
        CHECK(searches_well(reader, &random));
    }
    CHECK(model_is_whole(&model, reader));
    REQUIRE_OK(akin_index_refresh(reader, NULL, err));
    akin_index_stats(reader, &before);
    CHECK_EQ(before.rows, after.rows);
    akin_index_close(reader);
    akin_index_close(index);
    model_fini(&model);
    model_fini(&later);
}

TEST(a_reader_in_another_process)
{
    const char *path = check_folder();
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 120);
    atomic_int bad = 0;
    int result = 0, moved = 0;
    REQUIRE(index != NULL);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        write_some(index, 1, (uint32_t)ROWS_STEPS(1000), &bad);
        _exit(bad != 0);
    }
    struct rows_random random = {42, 0};
    akin_index *reader = rows_open(path, AKIN_OPEN_READ, 0);
    REQUIRE(reader != NULL);
    while (waitpid(child, &result, WNOHANG) == 0) {
        bool changed = false;
        akin_error why = {0};
        if (akin_index_refresh(reader, &changed, &why) != AKIN_OK) {
            printf("# refresh: %s\n", why.text);
            bad++;
        }
        moved += changed;
        bad += !sees_whole_batches(reader) || !searches_well(reader, &random);
        akin_index *fresh = rows_open(path, AKIN_OPEN_READ, 0);
        bad += !fresh || !sees_whole_batches(fresh);
        akin_index_close(fresh);
    }
    CHECK(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    CHECK_EQ(bad, 0);
    CHECK(moved > 0);
    struct akin_index_stats stats, last;
    bool changed = true;
    REQUIRE_OK(akin_index_refresh(reader, NULL, err));
    REQUIRE_OK(akin_index_refresh(reader, &changed, err));
    CHECK(!changed);
    akin_index_stats(reader, &stats);
    akin_index_close(reader);
    /* The forked child wrote through this handle's lock and descriptors; ours is only closed. */
    akin_index_close(index);
    index = rows_open(path, AKIN_OPEN_WRITE, 120);
    REQUIRE(index != NULL);
    akin_index_stats(index, &last);
    CHECK_EQ(stats.rows, last.rows);
    akin_index_close(index);
    CHECK_EQ(rows_verify(path, true), 0);
}

/* The same answer from one thread, from several, and through many lists at once. */
TEST(threads_do_not_change_an_answer)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct rows_random random = {43, 0};
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 2000);
    REQUIRE(index != NULL);
    for (uint32_t scene = 1; scene <= 8; scene++)
        REQUIRE_OK(rows_add(index, &model, scene, 900, &random, err));
    akin_index_close(index);
    for (unsigned threads = 1; threads <= 5; threads += 2) {
        struct akin_index_options options;
        akin_pool *pool = NULL;
        float vectors[130 * ROWS_DIM];
        struct akin_index_query query = {
            .vectors = vectors, .count = 130, .k = 9, .threshold = -INFINITY};
        for (int i = 0; i < 130; i++)
            rows_vector(vectors + i * ROWS_DIM, &random);
        REQUIRE_OK(akin_pool_create(&pool, threads, err));
        akin_index_options_default(&options);
        options.pool = pool;
        REQUIRE_OK(akin_index_open(&index, path, AKIN_OPEN_READ, &options, err));
        CHECK(model_agrees(&model, index, &query));
        query.best_of = true;
        CHECK(model_agrees(&model, index, &query));
        query.count = 1;
        query.k = 100000;
        CHECK(model_agrees(&model, index, &query));
        akin_index_close(index);
        akin_pool_free(pool);
    }
    model_fini(&model);
}

int main(int argc, char **argv)
{
    return rows_main(argc, argv);
}
