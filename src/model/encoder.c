/*
 * Running an encoder of any kind: one a thread (akin_encoder), or one for each thread of a pool
 * (akin_encoder_pool). Both split what they are given into calls of the size that the kind does
 * best; a tile's vector does not depend on the split.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <stdatomic.h>

#include "model_kind.h"

#define BATCH_MAX 256 /* of any kind: bounds the list of no masks */

struct akin_encoder {
    const akin_model *model; /* borrowed */
    void *scratch;
};

uint32_t akin_encoder_batch(const akin_model *model)
{
    uint32_t batch = model->kind->batch(model->state);
    return batch < 1 ? 1 : batch > BATCH_MAX ? BATCH_MAX : batch;
}

size_t akin_encoder_bytes(const akin_model *model)
{
    return sizeof(akin_encoder) + model->kind->scratch_bytes(model->state);
}

akin_status akin_encoder_create(akin_encoder **out, const akin_model *model, akin_error *err)
{
    if (!akin_model_encodes(model))
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "the vectors of '%s' were made elsewhere (akin import): akin has no "
                              "encoder for pictures; give --vector FILE or --tile KEY",
                              model->info.name);
    akin_encoder *encoder = akin_alloc_zero(1, sizeof *encoder);
    if (!encoder)
        return akin_error_memory(err, sizeof *encoder, "an encoder");
    encoder->model = model;
    akin_status status = model->kind->scratch_create(&encoder->scratch, model->state, err);
    if (status == AKIN_OK)
        *out = encoder;
    else
        akin_free(encoder);
    return status;
}

void akin_encoder_free(akin_encoder *encoder)
{
    if (!encoder)
        return;
    encoder->model->kind->scratch_free(encoder->scratch);
    akin_free(encoder);
}

akin_status akin_encoder_run(akin_encoder *encoder, size_t n, const uint8_t *const *inputs,
                             const uint8_t *const *filled, float *out, akin_error *err)
{
    static const uint8_t *const all_there[BATCH_MAX];
    const akin_model *model = encoder->model;
    const size_t batch = akin_encoder_batch(model);
    akin_status status = AKIN_OK;
    for (size_t at = 0; at < n && status == AKIN_OK; at += batch)
        status = model->kind->encode(
            model->state, encoder->scratch, n - at < batch ? n - at : batch, inputs + at,
            filled ? filled + at : all_there, out + at * model->info.dim, err);
    return status;
}

akin_status akin_encoder_cells(akin_encoder *encoder, const uint8_t *input, const uint8_t *filled,
                               uint32_t *rows, uint32_t *cols, float *cells, akin_error *err)
{
    const akin_model *model = encoder->model;
    if (!model->kind->cells)
        return akin_error_set(err, AKIN_ERR_UNSUPPORTED,
                              "encoder '%s' (%s) sees a tile only as a whole: it cannot tell where "
                              "inside",
                              model->info.name, model->info.kind);
    return model->kind->cells(model->state, encoder->scratch, input, filled, rows, cols, cells,
                              err);
}

/* ---- on all threads ---- */

struct akin_encoder_pool {
    const akin_model *model; /* borrowed, as is the pool */
    akin_pool *pool;
    akin_encoder **encoders; /* [threads], each made when it is first needed */
};

akin_status akin_encoder_pool_create(akin_encoder_pool **out, const akin_model *model,
                                     akin_pool *pool, akin_error *err)
{
    const unsigned threads = akin_pool_threads(pool);
    akin_encoder_pool *created = akin_alloc_zero(1, sizeof *created);
    akin_encoder **encoders = akin_alloc_zero(threads, sizeof(akin_encoder *));
    if (!created || !encoders) {
        akin_free(created);
        akin_free(encoders);
        return akin_error_memory(err, sizeof *created + threads * sizeof *encoders, "encoders");
    }
    *created = (struct akin_encoder_pool){model, pool, encoders};
    *out = created;
    return AKIN_OK;
}

void akin_encoder_pool_free(akin_encoder_pool *encoders)
{
    if (!encoders)
        return;
    for (unsigned i = 0; i < akin_pool_threads(encoders->pool); i++)
        akin_encoder_free(encoders->encoders[i]);
    akin_free(encoders->encoders);
    akin_free(encoders);
}

/* What a loop over the tiles shares; the first failure stays. */
struct run {
    akin_encoder_pool *encoders;
    size_t n, batch;
    const uint8_t *const *inputs, *const *filled;
    float *out;
    atomic_bool failed;
    pthread_mutex_t mutex; /* of status and *err */
    akin_status status;
    akin_error *err;
};

static void note_failure(struct run *run, const akin_error *why)
{
    pthread_mutex_lock(&run->mutex);
    if (run->status == AKIN_OK)
        run->status = akin_error_set(run->err, why->status, "%s", why->text);
    pthread_mutex_unlock(&run->mutex);
    atomic_store(&run->failed, true);
}

/* [begin, end) counts batches. */
static void run_batches(void *user, size_t begin, size_t end, unsigned worker)
{
    struct run *run = user;
    akin_encoder **encoder = &run->encoders->encoders[worker];
    const akin_model *model = run->encoders->model;
    const size_t first = begin * run->batch;
    const size_t last = end * run->batch < run->n ? end * run->batch : run->n;
    akin_error why = {0};
    if (atomic_load(&run->failed))
        return;
    akin_status status = *encoder ? AKIN_OK : akin_encoder_create(encoder, model, &why);
    if (status == AKIN_OK)
        status = akin_encoder_run(*encoder, last - first, run->inputs + first,
                                  run->filled ? run->filled + first : NULL,
                                  run->out + first * model->info.dim, &why);
    if (status != AKIN_OK)
        note_failure(run, &why);
}

akin_status akin_encoder_pool_run(akin_encoder_pool *encoders, size_t n,
                                  const uint8_t *const *inputs, const uint8_t *const *filled,
                                  float *out, akin_error *err)
{
    const size_t batch = akin_encoder_batch(encoders->model);
    const size_t batches = n / batch + (n % batch != 0);
    struct run run = {.encoders = encoders,
                      .n = n,
                      .batch = batch,
                      .inputs = inputs,
                      .filled = filled,
                      .out = out,
                      .mutex = PTHREAD_MUTEX_INITIALIZER,
                      .err = err};
    /* One batch, a question's, needs neither the threads nor their encoders' memory. */
    akin_pool_for(batches > 1 ? encoders->pool : NULL, batches, 0, run_batches, &run);
    pthread_mutex_destroy(&run.mutex);
    return run.status;
}
