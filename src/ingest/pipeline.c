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
 * An encoder may do a batch of tiles faster than one after another: a worker then takes as many
 * waiting strips at once as fill a few batches, and reads on until then as long as there is room.
 *
 * One mutex guards all of it. It is held for microseconds a strip, and a strip is a tile of a
 * photograph (about a millisecond of work) or more. The committer is not woken for each: a switch of
 * threads costs more than what it does with one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <time.h>

#include "ingest_private.h"

/* The committer sleeps until there is so much news, a worker has nothing to do, or 100 ms. */
#define NEWS_WORTH_WAKING 32

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
    size_t together;   /* tiles wanted for a call of the encoder; 1 until there is one */
    uint32_t input_px; /* what tiles are cut for */

    pthread_mutex_t mutex;
    pthread_cond_t for_workers; /* something to do, room, or stop */
    pthread_cond_t for_taker;   /* strips read or encoded, or jobs ended */
    unsigned news;              /* of these since the committer was last woken */
    bool mutex_made, stop;
    size_t next_job;   /* to be claimed */
    size_t oldest_job; /* that is not wholly taken */
    struct work *unencoded, *unencoded_tail;
    size_t backlog, backlog_tiles; /* strips on that list, and the tiles in them */
    size_t bytes;                  /* in flight */
    struct job_state *jobs;        /* (plan->job_count) */

    pthread_t *threads;
    unsigned thread_count, thread_max;
};

/* ---- waiting and waking; the mutex is held at entry and exit ---- */

static void wake_taker(struct pipeline *p)
{
    p->news = 0;
    pthread_cond_signal(&p->for_taker);
}

static void note_news(struct pipeline *p)
{
    if (++p->news >= NEWS_WORTH_WAKING)
        wake_taker(p);
}

/* A worker without work: what there is may be what the committer waits for, and that what the
 * worker does. */
static void wait_for_work(struct pipeline *p)
{
    wake_taker(p);
    pthread_cond_wait(&p->for_workers, &p->mutex);
}

/* ---- encoding; the mutex is held at entry and exit, not in between ---- */

/* A worker's encoder is made when it is first needed: before that there may be no model. */
static akin_status encoder_ready(struct pipeline *p, akin_encoder **encoder, akin_error *err)
{
    return *encoder ? AKIN_OK : akin_encoder_create(encoder, p->model, err);
}

#define BATCHES 4 /* the last one of a call is seldom full: of four that costs little */

static size_t tiles_together(const akin_model *model)
{
    size_t batch = akin_encoder_batch(model);
    return batch > 1 ? BATCHES * batch : 1;
}

/* Takes from the head of the list until there are enough; a list by next_unencoded. */
static struct work *pop_unencoded(struct pipeline *p, size_t *tiles)
{
    struct work *first = p->unencoded, *last = NULL;
    *tiles = 0;
    while (p->unencoded && *tiles < p->together) {
        last = p->unencoded;
        last->state = WORK_ENCODING;
        *tiles += last->strip.count;
        p->unencoded = last->next_unencoded;
        p->backlog--;
    }
    if (last)
        last->next_unencoded = NULL;
    if (!p->unencoded)
        p->unencoded_tail = NULL;
    p->backlog_tiles -= *tiles;
    return first;
}

/* Gives each strip its part of the vectors of all. */
static akin_status share_out(struct work *works, const float *vectors, uint32_t dim,
                             akin_error *err)
{
    for (struct work *work = works; work; work = work->next_unencoded) {
        size_t count = work->strip.count;
        work->vectors = akin_alloc(count, dim * sizeof *vectors);
        if (!work->vectors)
            return akin_error_memory(err, count * dim * sizeof *vectors, "a strip's vectors");
        memcpy(work->vectors, vectors, count * dim * sizeof *vectors);
        vectors += count * dim;
    }
    return AKIN_OK;
}

static akin_status encode_tiles(akin_encoder *encoder, struct work *works, size_t tiles,
                                uint32_t dim, akin_error *err)
{
    const uint8_t **inputs = akin_alloc(tiles, sizeof *inputs);
    const uint8_t **filled = akin_alloc(tiles, sizeof *filled);
    float *vectors = akin_alloc(tiles, dim * sizeof *vectors);
    size_t n = 0;
    akin_status status = inputs && filled && vectors
                             ? AKIN_OK
                             : akin_error_memory(err, tiles * dim * sizeof *vectors, "vectors");
    for (struct work *work = works; work && status == AKIN_OK; work = work->next_unencoded)
        for (size_t i = 0; i < work->strip.count; i++, n++) {
            inputs[n] = work->strip.tiles[i].input;
            filled[n] = work->strip.tiles[i].filled;
        }
    if (status == AKIN_OK)
        status = akin_encoder_run(encoder, n, inputs, filled, vectors, err);
    if (status == AKIN_OK)
        status = share_out(works, vectors, dim, err);
    akin_free(inputs);
    akin_free(filled);
    akin_free(vectors);
    return status;
}

/* Encodes the oldest waiting strips. False where there is none or no encoder yet. A
 * failure goes with the strips: the committer sees it. */
static bool encode_some(struct pipeline *p, akin_encoder **encoder)
{
    if (!p->model || !p->unencoded)
        return false;
    akin_error err = {0};
    size_t tiles;
    struct work *works = pop_unencoded(p, &tiles), *next;
    pthread_mutex_unlock(&p->mutex);
    akin_status status = encoder_ready(p, encoder, &err);
    if (status == AKIN_OK)
        status = encode_tiles(*encoder, works, tiles, akin_model_info(p->model)->dim, &err);
    pthread_mutex_lock(&p->mutex);
    for (; works; works = next) {
        next = works->next_unencoded; /* read before the committer may take and free it */
        works->encode_status = status;
        works->encode_failure = status == AKIN_OK ? NULL : akin_strdup(err.text);
        works->state = WORK_ENCODED;
    }
    note_news(p);
    return true;
}

/* Whether encoding is more urgent than reading on: enough tiles wait, and more would only fill
 * memory. */
static bool encode_is_due(const struct pipeline *p)
{
    return p->backlog >= 2 * (size_t)p->thread_max &&
           (p->backlog_tiles >= p->together || p->bytes >= p->budget_bytes);
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
        p->backlog_tiles += work->strip.count;
    }
    note_news(p);
    pthread_cond_signal(&p->for_workers);
}

/* Waits, encoding meanwhile, until this job may read another strip; false to stop. Encodes, too,
 * whenever a few strips wait for it: reading on would only fill memory. */
static bool wait_for_room(struct pipeline *p, size_t job, akin_encoder **encoder)
{
    while (!p->stop) {
        if (encode_is_due(p) && encode_some(p, encoder))
            continue;
        if (job == p->oldest_job || p->bytes < p->budget_bytes)
            return true;
        if (!encode_some(p, encoder))
            wait_for_work(p);
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
    reader->plan.input_px = p->input_px;
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
    note_news(p);
}

static void *worker(void *user)
{
    struct pipeline *p = user;
    akin_encoder *encoder = NULL;
    pthread_mutex_lock(&p->mutex);
    while (!p->stop) {
        bool room = p->bytes < p->budget_bytes || p->next_job == p->oldest_job;
        if (encode_is_due(p) && encode_some(p, &encoder))
            continue;
        if (p->next_job < p->plan->job_count && room)
            run_job(p, p->next_job++, &encoder);
        else if (!encode_some(p, &encoder))
            wait_for_work(p);
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
    p->together = model ? tiles_together(model) : 1;
    p->input_px = model ? akin_model_info(model)->input_px : settings->input_px;
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
    p->together = tiles_together(model);
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
    p->backlog_tiles -= work->strip.count;
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
    akin_free(work->encode_failure);
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
