/*
 * When upkeep runs, and how it is waited for and stopped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "upkeep.h"

#define STEPS_MAX                                                                                  \
    1000 /* of one run: each makes fewer segments or better ones, so that it never takes so many */

/* Passes progress on where someone waits for it. */
static bool work_progress(void *user, const struct akin_progress *progress)
{
    struct upkeep *upkeep = user;
    const struct akin_talk *listener = atomic_load(&upkeep->listener);
    if (listener && !akin_progress(listener, progress))
        atomic_store(&upkeep->cancel, true);
    return !atomic_load(&upkeep->cancel);
}

static void work_log(void *user, enum akin_level level, const char *stage, const char *text)
{
    const struct upkeep *upkeep = user;
    akin_log(upkeep->index->talk, level, stage, "%s", text);
}

akin_status upkeep_create(akin_index *index, akin_error *err)
{
    struct upkeep *upkeep = akin_alloc_zero(1, sizeof *upkeep);
    if (!upkeep)
        return akin_error_memory(err, sizeof *upkeep, "index");
    upkeep->index = index;
    upkeep->talk = (struct akin_talk){.log = work_log, .progress = work_progress, .user = upkeep};
    pthread_cond_init(&upkeep->changed, NULL);
    index->upkeep = upkeep;
    return AKIN_OK;
}

void upkeep_remove(const struct upkeep *upkeep, const char *path)
{
    akin_index *index = upkeep->index;
    pthread_mutex_lock(&index->writing);
    bool may_be_named = index->broken != NULL;
    pthread_mutex_unlock(&index->writing);
    if (!may_be_named)
        akin_file_remove(path, NULL);
}

static akin_status run(struct upkeep *upkeep, akin_error *err)
{
    akin_status status = AKIN_OK;
    bool did = true;
    for (int step = 0; !status && did && step < STEPS_MAX; step++) {
        status = renew_step(upkeep, &did, err);
        if (!status && !did)
            status = merge_step(upkeep, &did, err);
        if (!status && !did)
            status = calibrate_step(upkeep, &did, err);
    }
    return status;
}

/* Its own threads, so that searches need not wait for loops of the work; as many as searches have. */
static akin_status begin_pool(struct upkeep *upkeep, akin_error *err)
{
    unsigned threads = akin_pool_threads(upkeep->index->pool);
    return threads > 1 && !upkeep->pool ? akin_pool_create(&upkeep->pool, threads, err) : AKIN_OK;
}

static void *work(void *user)
{
    struct upkeep *upkeep = user;
    akin_index *index = upkeep->index;
    pthread_mutex_lock(&index->writing);
    while (!upkeep->stop) {
        if (!upkeep->wanted) {
            pthread_cond_wait(&upkeep->changed, &index->writing);
            continue;
        }
        akin_error why = {0};
        upkeep->wanted = false;
        upkeep->busy = true;
        pthread_mutex_unlock(&index->writing);
        akin_status status = begin_pool(upkeep, &why);
        if (!status)
            status = run(upkeep, &why);
        if (status && status != AKIN_ERR_CANCELLED)
            akin_log(index->talk, AKIN_LEVEL_WARN, "index", "%s: segments stay as they are: %s",
                     index->path, why.text);
        pthread_mutex_lock(&index->writing);
        upkeep->busy = false;
        upkeep->status = status;
        upkeep->error = why;
        pthread_cond_broadcast(&upkeep->changed);
    }
    pthread_mutex_unlock(&index->writing);
    return NULL;
}

/* With index->writing. */
static akin_status tell_thread(struct upkeep *upkeep, akin_error *err)
{
    if (!upkeep->started) {
        int code = pthread_create(&upkeep->thread, NULL, work, upkeep);
        if (code)
            return akin_error_errno(err, code, "%s: cannot begin a thread", upkeep->index->path);
        upkeep->started = true;
    }
    upkeep->wanted = true;
    pthread_cond_broadcast(&upkeep->changed);
    return AKIN_OK;
}

akin_status upkeep_wake(akin_index *index, akin_error *err)
{
    struct upkeep *upkeep = index->upkeep;
    if (!index->background) {
        upkeep->pool = index->pool;
        return run(upkeep, err);
    }
    pthread_mutex_lock(&index->writing);
    akin_status status = tell_thread(upkeep, err);
    pthread_mutex_unlock(&index->writing);
    return status;
}

/* Until the thread has nothing left to do; a settling that was stopped is taken back. */
static akin_status wait_for_thread(struct upkeep *upkeep, akin_error *err)
{
    akin_index *index = upkeep->index;
    pthread_mutex_lock(&index->writing);
    akin_status status = tell_thread(upkeep, err);
    while (!status && (upkeep->wanted || upkeep->busy))
        pthread_cond_wait(&upkeep->changed, &index->writing);
    if (!status) {
        status = upkeep->status;
        if (status && err)
            *err = upkeep->error;
    }
    pthread_mutex_unlock(&index->writing);
    return status;
}

/* What runs without being waited for goes on towards what is wanted now. */
static void quiet(struct upkeep *upkeep)
{
    pthread_mutex_lock(&upkeep->index->writing);
    while (upkeep->wanted || upkeep->busy)
        pthread_cond_wait(&upkeep->changed, &upkeep->index->writing);
    pthread_mutex_unlock(&upkeep->index->writing);
}

akin_status akin_index_settle(akin_index *index, bool whole, akin_error *err)
{
    struct upkeep *upkeep = index->upkeep;
    pthread_mutex_lock(&index->writing);
    akin_status status = handle_check_writer(index, err);
    pthread_mutex_unlock(&index->writing);
    if (status)
        return status;
    atomic_store(&upkeep->listener, index->talk);
    if (index->background)
        quiet(upkeep);
    upkeep->settling = true;
    upkeep->whole = whole;
    if (index->background) {
        status = wait_for_thread(upkeep, err);
    } else {
        upkeep->pool = index->pool;
        status = run(upkeep, err);
    }
    upkeep->settling = false;
    upkeep->whole = false;
    atomic_store(&upkeep->listener, NULL);
    atomic_store(&upkeep->cancel, false);
    return status;
}

void upkeep_free(struct upkeep *upkeep)
{
    if (!upkeep)
        return;
    if (upkeep->started) {
        pthread_mutex_lock(&upkeep->index->writing);
        upkeep->stop = true;
        atomic_store(&upkeep->cancel, true);
        pthread_cond_broadcast(&upkeep->changed);
        pthread_mutex_unlock(&upkeep->index->writing);
        pthread_join(upkeep->thread, NULL);
    }
    pthread_cond_destroy(&upkeep->changed);
    if (upkeep->pool != upkeep->index->pool)
        akin_pool_free(upkeep->pool);
    epoch_unref(upkeep->from);
    akin_free(upkeep->renumber);
    akin_free(upkeep);
}
