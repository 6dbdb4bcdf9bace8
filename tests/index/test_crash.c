/*
 * What a crash, a full disk and a lack of memory leave behind: everything that was acknowledged,
 * and nothing half done.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rows.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* ---- kill -9 ---- */

/* Scene s is added with 20 rows; scene s - 3 is then removed. Each step that returned is written to
 * `fd`. */
static void writer_child(const char *path, int fd, uint32_t first, bool coded)
{
    akin_index *index =
        coded ? rows_open_coded(path, 60, 200, true, NULL) : rows_open(path, AKIN_OPEN_WRITE, 60);
    if (!index)
        _exit(3);
    for (uint32_t scene = first;; scene++) {
        struct rows_random random = {scene, 0};
        if (coded && scene % 16 == 0 && akin_index_settle(index, scene % 32 == 0, NULL) != AKIN_OK)
            _exit(6);
        if (rows_add(index, NULL, scene, 20, &random, NULL) != AKIN_OK ||
            write(fd, &scene, sizeof scene) != sizeof scene)
            _exit(4);
        uint32_t old = scene - 3, mark = old | 1u << 31;
        uint64_t key = akin_tile_key(old, 0, 0, 0);
        if (scene % 2 && scene > 3 &&
            (akin_index_remove(index, key, key | UINT32_MAX, NULL, NULL) != AKIN_OK ||
             write(fd, &mark, sizeof mark) != sizeof mark))
            _exit(5);
    }
}

struct scene_rows {
    uint32_t rows[65536];
    uint32_t last;
};

static bool count_scenes(void *user, const struct akin_columns *columns, const float *vectors,
                         size_t n)
{
    struct scene_rows *scenes = user;
    for (size_t i = 0; i < n; i++) {
        uint32_t scene = akin_tile_scene(columns[i].key) & 65535u;
        float length = 0;
        for (int d = 0; d < ROWS_DIM; d++)
            length += vectors[i * ROWS_DIM + d] * vectors[i * ROWS_DIM + d];
        scenes->rows[scene] += fabsf(length - 1) < 0.01f;
        scenes->last = scene > scenes->last ? scene : scenes->last;
    }
    return true;
}

/* After a kill: acknowledged scenes whole, removed ones gone, the one in flight whole or not there.
 * What was found counts as acknowledged from then on. */
static bool survived(const char *path, uint8_t *state, uint32_t *acknowledged_now, uint32_t *next)
{
    uint32_t acknowledged = *acknowledged_now;
    static struct scene_rows scenes;
    memset(&scenes, 0, sizeof scenes);
    akin_index *index = rows_open(path, AKIN_OPEN_READ, 60);
    if (!index || akin_index_each(index, count_scenes, &scenes, NULL) != AKIN_OK)
        return false;
    akin_index_close(index);
    bool good = CHECK(scenes.last <= acknowledged + 1);
    for (uint32_t scene = 1; scene <= acknowledged + 1; scene++) {
        uint32_t rows = scenes.rows[scene];
        bool may_be_gone = state[scene] == 2 || scene > acknowledged || scene + 3 >= acknowledged;
        bool may_be_there = state[scene] != 2;
        if (rows == 0 && may_be_gone && scene <= acknowledged)
            state[scene] = 2; /* its removal was durable, though the word of it did not get out */
        if ((rows == 20 && may_be_there) || (rows == 0 && may_be_gone))
            continue;
        printf("# scene %u (state %d) of %u acknowledged has %u rows\n", scene, state[scene],
               acknowledged, rows);
        good = false;
    }
    if (scenes.last > acknowledged)
        state[scenes.last] = 1;
    *acknowledged_now = scenes.last > acknowledged ? scenes.last : acknowledged;
    *next = *acknowledged_now + 1;
    return good;
}

static void acknowledge(uint32_t mark, uint8_t *state, uint32_t *acknowledged)
{
    state[mark & 65535u] = mark >> 31 ? 2 : 1;
    if (!(mark >> 31))
        *acknowledged = mark;
}

/* Kills a writer `rounds` times; each time all that it had acknowledged is there and every file is good.
 * Returns how often that was so. */
static int kill_rounds(int rounds, bool coded, uint64_t stream, uint32_t *scenes)
{
    static uint8_t state[65536]; /* 1 added, 2 removed, as acknowledged */
    char path[512];
    struct rows_random random = {stream, 0};
    uint32_t next = 1, acknowledged = 0;
    int round = 0;
    snprintf(path, sizeof path, "%s/index", check_folder());
    memset(state, 0, sizeof state);
    for (; round < rounds && next < 60000; round++) {
        int fds[2];
        uint32_t mark;
        if (!CHECK(pipe(fds) == 0))
            break;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            close(fds[0]);
            writer_child(path, fds[1], next, coded);
        }
        close(fds[1]);
        /* After so many words of it and a moment more; every fourth time at any moment from its
         * birth on. */
        uint32_t words = round % 4 ? rows_below(&random, coded ? 40 : 16) : 0;
        struct timespec pause = {0, (long)rows_below(&random, words ? 3000000 : 30000000)};
        for (uint32_t i = 0; i < words && read(fds[0], &mark, sizeof mark) == sizeof mark; i++)
            acknowledge(mark, state, &acknowledged);
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        int result;
        waitpid(child, &result, 0);
        CHECK(WIFSIGNALED(result));
        while (read(fds[0], &mark, sizeof mark) == sizeof mark)
            acknowledge(mark, state, &acknowledged);
        close(fds[0]);
        char manifest[600];
        snprintf(manifest, sizeof manifest, "%s/MANIFEST", path);
        if (access(manifest, F_OK) != 0 && acknowledged == 0)
            continue; /* killed before there was an index: the next writer makes it */
        if (!CHECK(survived(path, state, &acknowledged, &next)) ||
            !CHECK_EQ(rows_verify(path, true), 0)) {
            printf("# in round %d\n", round);
            break;
        }
    }
    *scenes = acknowledged;
    return round;
}

TEST(kill_at_100_random_moments)
{
    uint32_t scenes;
    int rounds = ROWS_STEPS(100);
    CHECK_EQ(kill_rounds(rounds, false, 20, &scenes), rounds);
    CHECK(scenes > 20);
}

/* The same beside merges, codes and new epochs; AKIN_KILLS=200 for as many as the index must survive. */
TEST(kill_at_random_moments_of_upkeep)
{
    const char *kills = getenv("AKIN_KILLS");
    int rounds = kills ? (int)strtol(kills, NULL, 10) : ROWS_STEPS(50);
    uint32_t scenes;
    CHECK_EQ(kill_rounds(rounds, true, 24, &scenes), rounds);
    CHECK(scenes > 20);
}

/* ---- no space ---- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* Writes fail at some size of the file; the index stays as it was and goes on when there is
 * room. */
TEST(a_full_disk)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct rows_random random = {21, 0};
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 100);
    int failed = 0;
    REQUIRE(index != NULL);
    signal(SIGXFSZ, SIG_IGN);
    for (uint32_t scene = 1; scene < 60; scene++) {
        akin_error why = {0};
        limit_files(100 + rows_below(&random, 40000));
        akin_status status = rows_add(index, &model, scene, 30, &random, &why);
        akin_status flushed = scene % 5 ? AKIN_OK : akin_index_flush(index, &why);
        limit_files(RLIM_INFINITY);
        failed += status || flushed;
        CHECK((status || flushed) == (why.text[0] != 0));
        if (!CHECK(model_is_whole(&model, index)))
            break;
        if (status)
            REQUIRE_OK(rows_add(index, &model, scene, 30, &random, err));
        CHECK(model_is_whole(&model, index));
        if (scene % 10 == 0) {
            akin_index_close(index);
            CHECK_EQ(rows_verify(path, true), 0);
            index = rows_open(path, AKIN_OPEN_WRITE, 100);
            REQUIRE(index != NULL);
        }
    }
    CHECK(failed > 5);
    REQUIRE_OK(akin_index_flush(index, err));
    CHECK(model_is_whole(&model, index));
    akin_index_close(index);
    CHECK_EQ(rows_verify(path, true), 0);
    model_fini(&model);
}

/* A merge or an epoch that does not fit: the old segments stay, and all is done when there is room. */
TEST(a_full_disk_in_upkeep)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct rows_random random = {25, 0};
    struct akin_index_stats stats;
    akin_index *index = rows_open_coded(path, 100, 300, false, NULL);
    int failed = 0;
    REQUIRE(index != NULL);
    signal(SIGXFSZ, SIG_IGN);
    for (uint32_t scene = 1; scene < (uint32_t)ROWS_STEPS(80); scene++) {
        akin_error why = {0};
        REQUIRE_OK(rows_add(index, &model, scene, 30, &random, err));
        limit_files(4096 + rows_below(&random, 400) * 1024);
        akin_status status =
            scene % 3 ? akin_index_flush(index, &why) : akin_index_settle(index, true, &why);
        limit_files(RLIM_INFINITY);
        failed += status != AKIN_OK;
        if (status)
            CHECK(why.text[0] != 0);
        if (!CHECK(model_is_whole(&model, index)) || !CHECK_EQ(rows_verify(path, true), 0))
            break;
    }
    CHECK(ROWS_SLOW || failed > 2);
    REQUIRE_OK(akin_index_flush(index, err));
    REQUIRE_OK(akin_index_settle(index, true, err));
    akin_index_stats(index, &stats);
    CHECK_EQ(stats.segments, 1);
    CHECK_EQ(stats.rows_coded, model.count);
    CHECK(model_is_whole(&model, index));
    akin_index_close(index);
    CHECK_EQ(rows_verify(path, true), 0);
    model_fini(&model);
}

/* ---- no memory ---- */

typedef akin_status step_fn(akin_index *index, struct rows_model *model, akin_error *err);

static akin_status step_add(akin_index *index, struct rows_model *model, akin_error *err)
{
    struct rows_random random = {22, 0};
    return rows_add(index, model, 2, 1500, &random, err); /* replaces rows of a segment, too */
}

static akin_status step_remove(akin_index *index, struct rows_model *model, akin_error *err)
{
    uint64_t first = akin_tile_key(2, 0, 0, 5);
    akin_status status = akin_index_remove(index, first, first + 20, NULL, err);
    if (!status)
        model_remove(model, first, first + 20);
    return status;
}

static akin_status step_flush(akin_index *index, struct rows_model *model, akin_error *err)
{
    (void)model;
    return akin_index_flush(index, err);
}

static akin_status step_search(akin_index *index, struct rows_model *model, akin_error *err)
{
    float vectors[3 * ROWS_DIM] = {1, 0, 1};
    struct akin_hit hits[3 * 7];
    size_t counts[3];
    struct akin_index_query query = {
        .vectors = vectors, .count = 3, .k = 7, .threshold = -INFINITY};
    (void)model;
    return akin_index_search(index, &query, hits, counts, NULL, err);
}

/* Fails the first, second, ... allocation of a step until it needs no more; after each failure
 * everything is as it was. */
static bool fail_each(step_fn *step, akin_index *index, struct rows_model *model)
{
    for (long n = 0; n < 2000; n++) {
        akin_error why = {0};
        akin_memory_fail_at(n);
        akin_status status = step(index, model, &why);
        akin_memory_fail_at(-1);
        if (!model_is_whole(model, index))
            return false;
        if (!status)
            return n > 2;
        if (status != AKIN_ERR_NO_MEMORY) {
            printf("# allocation %ld: %s\n", n, why.text);
            return false;
        }
    }
    return false;
}

TEST(each_allocation_fails_once)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct rows_random random = {23, 0};
    akin_index *index = rows_open(path, AKIN_OPEN_WRITE, 100000);
    REQUIRE(index != NULL);
    REQUIRE_OK(rows_add(index, &model, 1, 100, &random, err));
    REQUIRE_OK(rows_add(index, &model, 2, 1200, &random, err));
    REQUIRE_OK(akin_index_flush(index, err));
    REQUIRE_OK(rows_add(index, &model, 3, 10, &random, err));
    CHECK(fail_each(step_add, index, &model));
    CHECK(fail_each(step_remove, index, &model));
    CHECK(fail_each(step_search, index, &model));
    CHECK(fail_each(step_flush, index, &model));
    REQUIRE_OK(rows_add(index, &model, 4, 10, &random, err));
    akin_index_close(index);
    for (int mode = AKIN_OPEN_READ; mode <= AKIN_OPEN_WRITE; mode++) {
        akin_status status = AKIN_ERR_NO_MEMORY;
        for (long n = 0; n < 2000 && status == AKIN_ERR_NO_MEMORY; n++) {
            struct akin_index_options options;
            akin_index_options_default(&options);
            akin_memory_fail_at(n);
            status = akin_index_open(&index, path, (enum akin_open)mode, &options, NULL);
            akin_memory_fail_at(-1);
        }
        CHECK_EQ(status, AKIN_OK);
        if (status)
            break;
        CHECK(model_is_whole(&model, index));
        akin_index_close(index);
    }
    CHECK_EQ(rows_verify(path, true), 0);
    CHECK_EQ(akin_memory_used(), 0);
    model_fini(&model);
}

static akin_status step_settle(akin_index *index, struct rows_model *model, akin_error *err)
{
    (void)model;
    return akin_index_settle(index, true, err);
}

TEST(each_allocation_of_upkeep_fails_once)
{
    const char *path = check_folder();
    struct rows_model model = {0};
    struct rows_random random = {26, 0};
    akin_index *index = rows_open_coded(path, 100000, UINT32_MAX - 1, false, NULL);
    REQUIRE(index != NULL);
    for (uint32_t scene = 1; scene <= 3; scene++) {
        REQUIRE_OK(rows_add(index, &model, scene, 60, &random, err));
        REQUIRE_OK(akin_index_flush(index, err));
    }
    akin_index_close(index);
    index = rows_open_coded(path, 100000, 100, false, NULL);
    REQUIRE(index != NULL);
    CHECK(fail_each(step_settle, index, &model));
    akin_index_close(index);
    CHECK_EQ(rows_verify(path, true), 0);
    CHECK_EQ(akin_memory_used(), 0);
    model_fini(&model);
}

int main(int argc, char **argv)
{
    return rows_main(argc, argv);
}
