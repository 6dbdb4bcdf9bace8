/*
 * A pool of threads that run one loop at a time. Pieces are handed out by an atomic counter, so
 * that uneven pieces even out; idle workers sleep on a condition, nobody spins.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "akin/core/thread.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "akin/core/memory.h"

#define THREADS_MAX 1024

/* One loop: set before the workers wake, unchanged until the last has finished. */
struct loop {
    akin_loop_fn *fn;
    void *user;
    size_t count, grain, pieces;
};

struct worker {
    akin_pool *pool;
    unsigned index;
    pthread_t thread;
};

struct akin_pool {
    pthread_mutex_t turn; /* held by the caller whose loop runs */
    pthread_mutex_t lock; /* guards what follows, but for next_piece */
    pthread_cond_t work, done;
    struct loop loop;
    uint64_t round;   /* counts the loops, so that a worker runs each once */
    unsigned running; /* workers that have not finished this round */
    bool stop;
    atomic_size_t next_piece;
    unsigned threads, started;
    struct worker workers[]; /* workers[0] is the caller, with no thread of its own */
};

unsigned akin_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than a cpu_set_t holds */
    return online > 0 ? (unsigned)online : 1;
}

static void run_pieces(akin_pool *pool, unsigned worker)
{
    const struct loop *loop = &pool->loop;
    size_t piece;
    while ((piece = atomic_fetch_add_explicit(&pool->next_piece, 1, memory_order_relaxed)) <
           loop->pieces) {
        size_t begin = piece * loop->grain, left = loop->count - begin;
        loop->fn(loop->user, begin, begin + (left < loop->grain ? left : loop->grain), worker);
    }
}

static void *worker_main(void *user)
{
    struct worker *self = user;
    akin_pool *pool = self->pool;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->round == seen && !pool->stop)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->stop)
            break;
        seen = pool->round;
        pthread_mutex_unlock(&pool->lock);
        run_pieces(pool, self->index);
        pthread_mutex_lock(&pool->lock);
        if (--pool->running == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* The workers take no signals: Ctrl-C goes to the program's own threads. */
static int start_workers(akin_pool *pool)
{
    sigset_t all, before;
    int reason = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 1; i < pool->threads && !reason; i++) {
        struct worker *worker = &pool->workers[i];
        *worker = (struct worker){.pool = pool, .index = i};
        reason = pthread_create(&worker->thread, NULL, worker_main, worker);
        pool->started += !reason;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return reason;
}

static void init_locks(akin_pool *pool)
{
    pthread_mutexattr_t checked;
    pthread_mutexattr_init(&checked);
    pthread_mutexattr_settype(&checked, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&pool->turn, &checked);
    pthread_mutexattr_destroy(&checked);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
}

akin_status akin_pool_create(akin_pool **out, unsigned threads, akin_error *err)
{
    if (threads > THREADS_MAX)
        return akin_error_set(err, AKIN_ERR_LIMIT, "%u threads are too many: at most %d", threads,
                              THREADS_MAX);
    if (threads == 0)
        threads = akin_cpu_count() < THREADS_MAX ? akin_cpu_count() : THREADS_MAX;
    size_t bytes = sizeof(akin_pool) + threads * sizeof(struct worker);
    akin_pool *pool = akin_alloc_zero(1, bytes);
    if (!pool)
        return akin_error_memory(err, bytes, "a thread pool");
    pool->threads = threads;
    init_locks(pool);
    int reason = start_workers(pool);
    if (reason) {
        akin_status status =
            akin_error_set(err, AKIN_ERR_LIMIT, "cannot start thread %u of %u: %s (use fewer, -j)",
                           pool->started + 2, threads, strerrordesc_np(reason));
        akin_pool_free(pool);
        return status;
    }
    *out = pool;
    return AKIN_OK;
}

void akin_pool_free(akin_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 1; i <= pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->turn);
    akin_free(pool);
}

unsigned akin_pool_threads(const akin_pool *pool)
{
    return pool ? pool->threads : 1;
}

static size_t default_grain(size_t count, unsigned threads)
{
    size_t grain = count / (8 * (size_t)threads);
    return grain ? grain : 1;
}

/* The pieces one after the other, here. */
static void run_alone(const struct loop *loop)
{
    for (size_t begin = 0; begin < loop->count;) {
        size_t left = loop->count - begin, end = begin + (left < loop->grain ? left : loop->grain);
        loop->fn(loop->user, begin, end, 0);
        begin = end;
    }
}

static void run_together(akin_pool *pool, const struct loop *loop)
{
    pthread_mutex_lock(&pool->lock);
    pool->loop = *loop;
    atomic_store(&pool->next_piece, 0);
    pool->running = pool->threads - 1;
    pool->round++;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);

    run_pieces(pool, 0);

    pthread_mutex_lock(&pool->lock);
    while (pool->running)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void akin_pool_for(akin_pool *pool, size_t count, size_t grain, akin_loop_fn *fn, void *user)
{
    struct loop loop = {.fn = fn, .user = user, .count = count};
    loop.grain = grain ? grain : default_grain(count, akin_pool_threads(pool));
    loop.pieces = count / loop.grain + (count % loop.grain != 0);
    if (!pool) {
        run_alone(&loop);
        return;
    }
    int nested = pthread_mutex_lock(&pool->turn);
    assert(!nested && "akin_pool_for inside the body of a loop of the same pool");
    if (nested) /* with assertions off, run it here rather than wait for ourselves */
        run_alone(&loop);
    else if (pool->threads == 1 || loop.pieces <= 1)
        run_alone(&loop);
    else
        run_together(pool, &loop);
    if (!nested)
        pthread_mutex_unlock(&pool->turn);
}
