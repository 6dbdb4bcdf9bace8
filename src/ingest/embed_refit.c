/*
 * The instant encoder fitted anew, on a sample of the collection as it is now. Which tiles are drawn
 * depends on their keys and the collection's seed alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed_batch.h"

#define STREAM_REFIT 0x7265666974u

struct draw {
    uint64_t rank; /* random by key: the smallest ones are the sample */
    struct akin_columns columns;
};

struct drawing {
    struct draw *draws;
    size_t count, max;
    uint64_t seed;
};

static int compare_draws(const void *a, const void *b)
{
    const struct draw *x = a, *y = b;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static bool draw_rows(void *user, const struct akin_columns *columns, const float *vectors,
                      size_t n)
{
    struct drawing *drawing = user;
    (void)vectors;
    for (size_t i = 0; i < n; i++) {
        if (drawing->count == drawing->max) { /* twice as many as wanted: keep the better half */
            qsort(drawing->draws, drawing->count, sizeof *drawing->draws, compare_draws);
            drawing->count = drawing->max / 2;
        }
        drawing->draws[drawing->count++] =
            (struct draw){akin_random_u64(drawing->seed, STREAM_REFIT, columns[i].key), columns[i]};
    }
    return true;
}

static akin_status draw_sample(struct drawing *drawing, akin_index *index, akin_error *err)
{
    drawing->max = 2 * AKIN_INSTANT_FIT_TILES;
    drawing->draws = akin_alloc(drawing->max, sizeof *drawing->draws);
    if (!drawing->draws)
        return akin_error_memory(err, drawing->max * sizeof *drawing->draws, "the sample");
    akin_status status = akin_index_each(index, draw_rows, drawing, err);
    qsort(drawing->draws, drawing->count, sizeof *drawing->draws, compare_draws);
    if (drawing->count > AKIN_INSTANT_FIT_TILES)
        drawing->count = AKIN_INSTANT_FIT_TILES;
    return status;
}

/* The inputs of the sample, in its order; a block a tile. */
struct sample {
    uint8_t **inputs, **filled;
    size_t count;
};

static void sample_fini(struct sample *sample)
{
    for (size_t i = 0; i < sample->count; i++)
        akin_free(sample->inputs[i]);
    akin_free(sample->inputs);
    akin_free(sample->filled);
}

static akin_status keep_batch(struct sample *sample, struct embed_batch *batch, akin_error *err)
{
    const size_t cells = (size_t)batch->input_px * batch->input_px;
    const size_t bytes = cells * batch->bands;
    embed_batch_decode(batch);
    for (size_t i = 0; i < batch->count; i++) {
        uint8_t *block = akin_alloc(1, bytes + cells);
        if (!block)
            return akin_error_memory(err, bytes, "a tile of the sample");
        memcpy(block, batch->inputs[i], bytes);
        memcpy(block + bytes, batch->filled[i], cells);
        sample->inputs[sample->count] = block;
        sample->filled[sample->count++] = block + bytes;
    }
    embed_batch_clear(batch);
    return AKIN_OK;
}

static akin_status read_sample(struct sample *sample, const struct drawing *drawing,
                               struct embed_batch *batch, akin_error *err)
{
    sample->inputs = akin_alloc(drawing->count, sizeof *sample->inputs);
    sample->filled = akin_alloc(drawing->count, sizeof *sample->filled);
    if (!sample->inputs || !sample->filled)
        return akin_error_memory(err, drawing->count * sizeof *sample->inputs, "the sample");
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < drawing->count && status == AKIN_OK; i++) {
        status = embed_batch_push(batch, &drawing->draws[i].columns, err);
        if (status == AKIN_OK && (embed_batch_is_full(batch) || i + 1 == drawing->count))
            status = keep_batch(sample, batch, err);
    }
    batch->failed = 0; /* they are met, and counted, again */
    if (status == AKIN_OK && !sample->count)
        status = akin_error_set(err, AKIN_ERR_NOT_FOUND, "no tile to fit an encoder on");
    return status;
}

static void free_name(char out[AKIN_NAME_MAX], const char *dir)
{
    for (unsigned n = 2; n < 1000000; n++) {
        snprintf(out, AKIN_NAME_MAX, AKIN_INSTANT_NAME "-%u", n);
        if (!akin_model_exists(dir, out))
            return;
    }
}

akin_status embed_refit(akin_model **out, akin_catalog *catalog, akin_index *index,
                        struct embed_batch *batch, akin_error *err)
{
    const struct akin_settings *settings = akin_catalog_settings(catalog);
    struct drawing drawing = {.seed = settings->seed};
    struct sample sample = {0};
    struct akin_instant_options options;
    char name[AKIN_NAME_MAX];
    akin_status status = draw_sample(&drawing, index, err);
    if (status == AKIN_OK)
        status = read_sample(&sample, &drawing, batch, err);
    akin_instant_options_default(&options, settings->input_px, settings->bands);
    options.seed = settings->seed;
    free_name(name, akin_catalog_dir(catalog));
    if (status == AKIN_OK)
        status = akin_instant_fit(
            out, name, &options, sample.count, (const uint8_t *const *)sample.inputs,
            (const uint8_t *const *)sample.filled, NULL, batch->pool, batch->talk, err);
    sample_fini(&sample);
    akin_free(drawing.draws);
    return status;
}
