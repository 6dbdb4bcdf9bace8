/*
 * The pool runs every piece once, sleeps and wakes, and fails cleanly. Also run under TSan.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/thread.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"
#include "akin/core/memory.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { ITEMS = 5000, WORKERS_MAX = 16 };

struct tally {
    atomic_int visits[ITEMS];
    int per_worker[WORKERS_MAX]; /* not atomic: TSan tells if two share an index */
    size_t grain;
    atomic_int wrong;
};

static void visit(void *user, size_t begin, size_t end, unsigned worker)
{
    struct tally *tally = user;
    if (worker >= WORKERS_MAX || begin >= end || end > ITEMS ||
        (tally->grain && end - begin > tally->grain)) {
        atomic_fetch_add(&tally->wrong, 1);
        return;
    }
    for (size_t i = begin; i < end; i++)
        atomic_fetch_add(&tally->visits[i], 1);
    tally->per_worker[worker]++;
}

static void check_loop(akin_pool *pool, size_t count, size_t grain)
{
    static struct tally tally;
    memset(&tally, 0, sizeof tally);
    tally.grain = grain;
    akin_pool_for(pool, count, grain, visit, &tally);
    CHECK_EQ(atomic_load(&tally.wrong), 0);
    for (size_t i = 0; i < ITEMS; i++)
        if (!CHECK_EQ(atomic_load(&tally.visits[i]), i < count))
            return;
    for (unsigned w = akin_pool_threads(pool); w < WORKERS_MAX; w++)
        CHECK_EQ(tally.per_worker[w], 0);
}

static void check_loops(akin_pool *pool)
{
    static const size_t counts[] = {0, 1, 2, 3, 7, 64, 1000, ITEMS};
    static const size_t grains[] = {0, 1, 3, 64, ITEMS, SIZE_MAX};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (size_t g = 0; g < sizeof grains / sizeof *grains; g++)
            check_loop(pool, counts[c], grains[g]);
}

TEST(cpu_count_follows_the_affinity_mask)
{
    cpu_set_t before, one;
    CHECK(akin_cpu_count() >= 1);
    REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
            break;
        }
    REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
    unsigned count = akin_cpu_count();
    sched_setaffinity(0, sizeof before, &before);
    CHECK_EQ(count, 1);
}

TEST(no_pool_runs_here)
{
    CHECK_EQ(akin_pool_threads(NULL), 1);
    check_loops(NULL);
    akin_pool_free(NULL);
}

TEST(pools_of_every_size_run_each_piece_once)
{
    for (unsigned threads = 1; threads <= 9; threads += 2) {
        akin_pool *pool = NULL;
        REQUIRE_OK(akin_pool_create(&pool, threads, err));
        CHECK_EQ(akin_pool_threads(pool), threads);
        check_loops(pool);
        akin_pool_free(pool);
    }
}

TEST(zero_threads_means_the_cpus)
{
    akin_pool *pool = NULL;
    REQUIRE_OK(akin_pool_create(&pool, 0, err));
    CHECK_EQ(akin_pool_threads(pool), akin_cpu_count());
    akin_pool_free(pool);
}

TEST(a_pool_may_never_be_used)
{
    for (int i = 0; i < 50; i++) {
        akin_pool *pool = NULL;
        REQUIRE_OK(akin_pool_create(&pool, 4, err));
        akin_pool_free(pool);
    }
}

static void add(void *user, size_t begin, size_t end, unsigned worker)
{
    (void)worker;
    atomic_fetch_add((atomic_size_t *)user, end - begin);
}

TEST(many_short_loops)
{
    akin_pool *pool = NULL;
    atomic_size_t sum = 0;
    REQUIRE_OK(akin_pool_create(&pool, 3, err));
    for (int i = 0; i < 2000; i++)
        akin_pool_for(pool, 5, 1, add, &sum);
    CHECK_EQ(atomic_load(&sum), 10000);
    akin_pool_free(pool);
}

struct caller {
    akin_pool *pool;
    size_t plain; /* guarded by nothing but the pool's one loop at a time */
};

static void add_plain(void *user, size_t begin, size_t end, unsigned worker)
{
    (void)worker;
    *(size_t *)user += end - begin;
}

static void *call_often(void *user)
{
    struct caller *caller = user;
    for (int i = 0; i < 200; i++)
        akin_pool_for(caller->pool, 8, 8, add_plain, &caller->plain);
    return NULL;
}

TEST(callers_take_turns)
{
    struct caller caller = {0};
    pthread_t threads[4];
    REQUIRE_OK(akin_pool_create(&caller.pool, 2, err));
    for (int i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, call_often, &caller) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(caller.plain, 4 * 200 * 8);
    akin_pool_free(caller.pool);
}

struct meeting {
    pthread_barrier_t barrier;
    atomic_uint workers;
};

static void meet(void *user, size_t begin, size_t end, unsigned worker)
{
    struct meeting *meeting = user;
    (void)begin, (void)end;
    atomic_fetch_or(&meeting->workers, 1u << worker);
    pthread_barrier_wait(&meeting->barrier);
}

/* Four pieces that wait for one another end only if four threads run them. */
TEST(the_workers_really_run_side_by_side)
{
    akin_pool *pool = NULL;
    struct meeting meeting = {.workers = 0};
    REQUIRE_OK(akin_pool_create(&pool, 4, err));
    pthread_barrier_init(&meeting.barrier, NULL, 4);
    akin_pool_for(pool, 4, 1, meet, &meeting);
    CHECK_EQ(atomic_load(&meeting.workers), 15);
    pthread_barrier_destroy(&meeting.barrier);
    akin_pool_free(pool);
}

TEST(too_many_threads_are_refused)
{
    akin_pool *pool = NULL;
    akin_error why = {0};
    CHECK_EQ(akin_pool_create(&pool, 1025, &why), AKIN_ERR_LIMIT);
    CHECK_CONTAINS(why.text, "at most 1024");
    akin_memory_fail_at(0);
    CHECK_EQ(akin_pool_create(&pool, 2, &why), AKIN_ERR_NO_MEMORY);
    akin_memory_fail_at(-1);
    CHECK(!pool);
}

/* In a child, with too little address space for a hundred stacks: those started must end again. */
TEST(threads_that_do_not_start)
{
    if (SANITIZED) {
        check_skip("the sanitizers need the address space");
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        struct rlimit space = {(rlim_t)256 << 20, (rlim_t)256 << 20};
        akin_pool *pool = NULL;
        akin_error why = {0};
        size_t before = akin_memory_used();
        if (setrlimit(RLIMIT_AS, &space) != 0)
            _exit(1);
        akin_status status = akin_pool_create(&pool, 500, &why);
        bool told = strncmp(why.text, "cannot start thread ", 20) == 0;
        _exit(status == AKIN_ERR_LIMIT && !pool && told && akin_memory_used() == before ? 0 : 2);
    }
    int result = -1;
    REQUIRE(child > 0 && waitpid(child, &result, 0) == child);
    CHECK_EQ(result, 0);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
