/*
 * The pipeline: workers read scenes into strips of tiles and encode strips into vectors, whichever
 * is more urgent; the committer (the thread that called akin_add) takes them in the jobs' order.
 *
 *        jobs ──claim──> [worker: open, cut] ──strips──> [worker: encode] ──take──> committer
 *
 * A job belongs to the worker that claimed it until it ends, so that a scene is read in order by
 * one handle. Jobs are claimed in order. Strips in flight are bounded by a budget; only the worker
 * of the oldest job that is not yet taken may exceed it, by one strip, so that the committer can
 * always go on: that is why this cannot deadlock.
 *
 * One mutex guards all of it. It is held for microseconds a strip, and a strip is a tile of a
 * photograph (about a millisecond of work) or more.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <time.h>

#include "ingest_private.h"

struct job_state {
    struct work *head, *tail; /* strips read and not yet taken, in order */
    bool ended;
    akin_status status;
    char *failure; /* of a failed job; owned */
};

struct pipeline {
    const struct plan *plan;
    const struct akin_settings *settings;
    const struct akin_add_options *options;
    const akin_model *model; /* NULL until there is one */
    size_t budget_bytes;

    pthread_mutex_t mutex;
    pthread_cond_t for_workers; /* something to do, room, or stop */
    pthread_cond_t for_taker;   /* a strip read or encoded, or a job ended */
    bool mutex_made, stop;
    size_t next_job;   /* to be claimed */
    size_t oldest_job; /* that is not wholly taken */
    struct work *unencoded, *unencoded_tail;
    size_t backlog;         /* strips on that list */
    size_t bytes;           /* in flight */
    struct job_state *jobs; /* (plan->job_count) */

    pthread_t *threads;
    unsigned thread_count, thread_max;
};

/* ---- encoding; the mutex is held at entry and exit, not in between ---- */

/* A worker's encoder is made when it is first needed: before that there may be no model. */
static bool encoder_ready(struct pipeline *p, akin_encoder **encoder)
{
    return *encoder || akin_encoder_create(encoder, p->model, NULL) == AKIN_OK;
}

static struct work *pop_unencoded(struct pipeline *p)
{
    struct work *work = p->unencoded;
    if (work) {
        p->unencoded = work->next_unencoded;
        if (!p->unencoded)
            p->unencoded_tail = NULL;
        p->backlog--;
        work->state = WORK_ENCODING;
    }
    return work;
}

static float *encode_tiles(akin_encoder *encoder, const struct akin_strip *strip, uint32_t dim)
{
    float *vectors = akin_alloc(strip->count, dim * sizeof *vectors);
    for (size_t i = 0; vectors && i < strip->count; i++)
        akin_encoder_run(encoder, strip->tiles[i].input, strip->tiles[i].filled, vectors + i * dim);
    return vectors;
}

/* Encodes the oldest waiting strip. False where there is none or it cannot be done. A strip without
 * vectors at WORK_ENCODED means out of memory: the committer sees it. */
static bool encode_one(struct pipeline *p, akin_encoder **encoder)
{
    if (!p->model || !p->unencoded)
        return false;
    struct work *work = pop_unencoded(p);
    pthread_mutex_unlock(&p->mutex);
    if (encoder_ready(p, encoder))
        work->vectors = encode_tiles(*encoder, &work->strip, akin_model_info(p->model)->dim);
    pthread_mutex_lock(&p->mutex);
    work->state = WORK_ENCODED;
    pthread_cond_signal(&p->for_taker);
    return true;
}

/* ---- reading ---- */

static void push_strip(struct pipeline *p, size_t job, struct work *work)
{
    struct job_state *state = &p->jobs[job];
    work->state = work->strip.count ? WORK_READ : WORK_ENCODED; /* all skipped: nothing to encode */
    if (state->tail)
        state->tail->next = work;
    else
        state->head = work;
    state->tail = work;
    p->bytes += work->strip.bytes;
    if (work->state == WORK_READ) {
        if (p->unencoded_tail)
            p->unencoded_tail->next_unencoded = work;
        else
            p->unencoded = work;
        p->unencoded_tail = work;
        p->backlog++;
    }
    pthread_cond_signal(&p->for_taker);
    pthread_cond_signal(&p->for_workers);
}

/* Waits, encoding meanwhile, until this job may read another strip; false to stop. Encodes, too,
 * whenever a few strips wait for it: reading on would only fill memory. */
static bool wait_for_room(struct pipeline *p, size_t job, akin_encoder **encoder)
{
    while (!p->stop) {
        if (p->model && p->backlog >= 2 * p->thread_max && encode_one(p, encoder))
            continue;
        if (job == p->oldest_job || p->bytes < p->budget_bytes)
            return true;
        if (!encode_one(p, encoder))
            pthread_cond_wait(&p->for_workers, &p->mutex);
    }
    return false;
}

/* An open scene and its cutter. */
struct reader {
    akin_source *source;
    akin_cutter *cutter;
    struct akin_cut_plan plan;
    uint64_t end;
};

static akin_status reader_open(struct reader *reader, struct pipeline *p, const struct job *job,
                               akin_error *err)
{
    const struct akin_scene *scene = &p->plan->scenes[job->scene];
    struct akin_source_options options = plan_source_options(scene, p->options);
    akin_status status = akin_source_open(&reader->source, scene->uri, &options, err);
    if (status != AKIN_OK)
        return status;
    const struct akin_source_info *info = akin_source_info(reader->source);
    if (info->width != scene->width || info->height != scene->height || info->dtype != scene->dtype)
        return akin_error_set(err, AKIN_ERR_IO,
                              "'%s' changed while it was being added: add it again", scene->uri);
    if (!p->plan->has_scaling[info->dtype])
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED, "'%s' has no valid pixel", scene->uri);
    status = akin_cut_plan_init(&reader->plan, p->settings, reader->source, scene->id,
                                &p->plan->scaling[info->dtype], err);
    if (status != AKIN_OK)
        return status;
    reader->plan.order_stride = scene->order_stride;
    reader->plan.start = job->start;
    reader->end = job->end;
    return akin_cutter_open(&reader->cutter, reader->source, &reader->plan, err);
}

static void reader_close(struct reader *reader)
{
    akin_cutter_close(reader->cutter);
    akin_source_close(reader->source);
}

static akin_status read_strip(struct reader *reader, struct work **out, akin_error *err)
{
    struct work *work = akin_alloc_zero(1, sizeof *work);
    if (!work)
        return akin_error_memory(err, sizeof *work, "a strip");
    akin_status status = akin_cutter_next(reader->cutter, &work->strip, err);
    if (status != AKIN_OK || work->strip.windows == 0) {
        akin_free(work);
        work = NULL;
    }
    *out = work;
    return status;
}

/* Takes a job to its end. The mutex is held at entry and exit. */
static void run_job(struct pipeline *p, size_t index, akin_encoder **encoder)
{
    const struct job *job = &p->plan->jobs[index];
    struct reader reader = {0};
    akin_error err = {0};
    uint64_t position = job->start;

    pthread_mutex_unlock(&p->mutex);
    akin_status status = reader_open(&reader, p, job, &err);
    pthread_mutex_lock(&p->mutex);
    while (status == AKIN_OK && position < job->end && wait_for_room(p, index, encoder)) {
        struct work *work = NULL;
        pthread_mutex_unlock(&p->mutex);
        status = read_strip(&reader, &work, &err);
        pthread_mutex_lock(&p->mutex);
        if (!work)
            break;
        position = work->strip.position + work->strip.windows;
        push_strip(p, index, work);
    }
    pthread_mutex_unlock(&p->mutex);
    reader_close(&reader);
    char *failure = status == AKIN_OK ? NULL : akin_strdup(err.text);
    pthread_mutex_lock(&p->mutex);
    p->jobs[index].status = status;
    p->jobs[index].failure = failure;
    p->jobs[index].ended = true;
    pthread_cond_signal(&p->for_taker);
}

static void *worker(void *user)
{
    struct pipeline *p = user;
    akin_encoder *encoder = NULL;
    pthread_mutex_lock(&p->mutex);
    while (!p->stop) {
        bool room = p->bytes < p->budget_bytes || p->next_job == p->oldest_job;
        if (p->backlog >= 2 * p->thread_max && encode_one(p, &encoder))
            continue;
        if (p->next_job < p->plan->job_count && room)
            run_job(p, p->next_job++, &encoder);
        else if (!encode_one(p, &encoder))
            pthread_cond_wait(&p->for_workers, &p->mutex);
    }
    pthread_mutex_unlock(&p->mutex);
    akin_encoder_free(encoder);
    return NULL;
}

/* ---- the committer's side ---- */

akin_status pipeline_start(struct pipeline **out, const struct plan *plan,
                           const struct akin_settings *settings,
                           const struct akin_add_options *options, const akin_model *model,
                           unsigned threads, size_t budget_bytes, akin_error *err)
{
    struct pipeline *p = akin_alloc_zero(1, sizeof *p);
    if (!p)
        return akin_error_memory(err, sizeof *p, "the pipeline");
    p->plan = plan;
    p->settings = settings;
    p->options = options;
    p->model = model;
    p->budget_bytes = budget_bytes;
    p->thread_max = threads;
    p->jobs = akin_alloc_zero(plan->job_count, sizeof *p->jobs);
    p->threads = akin_alloc(threads, sizeof *p->threads);
    akin_status status = AKIN_OK;
    if (!p->jobs || !p->threads) {
        status = akin_error_memory(err, plan->job_count * sizeof *p->jobs, "the pipeline");
        goto out;
    }
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->for_workers, NULL);
    pthread_cond_init(&p->for_taker, NULL);
    p->mutex_made = true;
    while (p->thread_count < threads) {
        int failed = pthread_create(&p->threads[p->thread_count], NULL, worker, p);
        if (failed) {
            status = akin_error_errno(err, failed, "cannot start a thread (give a smaller -j)");
            goto out;
        }
        p->thread_count++;
    }
    *out = p;
    p = NULL;
out:
    pipeline_stop(p);
    return status;
}

void pipeline_set_model(struct pipeline *p, const akin_model *model)
{
    pthread_mutex_lock(&p->mutex);
    p->model = model;
    pthread_cond_broadcast(&p->for_workers);
    pthread_mutex_unlock(&p->mutex);
}

/* The deadline of a wait that a progress bar must not find too long. */
static struct timespec soon(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += 100000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

/* Whether the job's first strip is as far as the committer wants it. */
static bool strip_ready(const struct job_state *state, bool encoded)
{
    return state->head && (!encoded || state->head->state == WORK_ENCODED);
}

/* A strip that is handed out before it was encoded leaves the list of those to encode. Only before
 * there is a model, so that no worker holds it; and in order, so that it is the first. */
static void forget_unencoded(struct pipeline *p, struct work *work)
{
    struct work **at = &p->unencoded, *before = NULL;
    while (*at && *at != work) {
        before = *at;
        at = &(*at)->next_unencoded;
    }
    if (!*at)
        return;
    *at = work->next_unencoded;
    if (p->unencoded_tail == work)
        p->unencoded_tail = before;
    p->backlog--;
}

void pipeline_take(struct pipeline *p, size_t job, bool encoded, struct work **out, bool *ended,
                   akin_status *job_status, akin_error *job_error)
{
    struct job_state *state = &p->jobs[job];
    struct timespec deadline = soon();
    *out = NULL;
    *ended = false;
    pthread_mutex_lock(&p->mutex);
    if (p->oldest_job != job) {
        p->oldest_job = job;
        pthread_cond_broadcast(&p->for_workers);
    }
    while (!strip_ready(state, encoded) && !(state->ended && !state->head))
        if (pthread_cond_timedwait(&p->for_taker, &p->mutex, &deadline))
            break;
    if (strip_ready(state, encoded)) {
        *out = state->head;
        state->head = state->head->next;
        if (!state->head)
            state->tail = NULL;
        if ((*out)->state == WORK_READ)
            forget_unencoded(p, *out);
    } else if (state->ended && !state->head) {
        *ended = true;
        *job_status = state->status;
        if (state->status != AKIN_OK)
            akin_error_set(job_error, state->status, "%s",
                           state->failure ? state->failure : akin_status_text(state->status));
    }
    pthread_mutex_unlock(&p->mutex);
}

static void free_work(struct work *work)
{
    akin_strip_free(&work->strip);
    akin_free(work->vectors);
    akin_free(work);
}

void pipeline_work_free(struct pipeline *p, struct work *work)
{
    pthread_mutex_lock(&p->mutex);
    p->bytes -= work->strip.bytes;
    pthread_cond_broadcast(&p->for_workers);
    pthread_mutex_unlock(&p->mutex);
    free_work(work);
}

static void free_job_state(struct job_state *state)
{
    while (state->head) {
        struct work *work = state->head;
        state->head = work->next;
        free_work(work);
    }
    akin_free(state->failure);
}

void pipeline_stop(struct pipeline *p)
{
    if (!p)
        return;
    if (p->mutex_made) {
        pthread_mutex_lock(&p->mutex);
        p->stop = true;
        pthread_cond_broadcast(&p->for_workers);
        pthread_mutex_unlock(&p->mutex);
    }
    for (unsigned i = 0; i < p->thread_count; i++)
        pthread_join(p->threads[i], NULL); /* NOLINT: as many as were started */
    if (p->mutex_made) {
        pthread_cond_destroy(&p->for_workers);
        pthread_cond_destroy(&p->for_taker);
        pthread_mutex_destroy(&p->mutex);
    }
    for (size_t j = 0; p->jobs && j < p->plan->job_count; j++)
        free_job_state(&p->jobs[j]);
    akin_free(p->jobs);
    akin_free(p->threads);
    akin_free(p);
}
