/*
 * The instant encoder fitted anew, on a sample of the collection as it is now (embed_sample.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "embed_batch.h"

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

static akin_status read_sample(struct sample *sample, const struct akin_columns *columns,
                               size_t count, struct embed_batch *batch, akin_error *err)
{
    sample->inputs = akin_alloc(count, sizeof *sample->inputs);
    sample->filled = akin_alloc(count, sizeof *sample->filled);
    if (!sample->inputs || !sample->filled)
        return akin_error_memory(err, count * sizeof *sample->inputs, "the sample");
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < count && status == AKIN_OK; i++) {
        status = embed_batch_push(batch, &columns[i], err);
        if (status == AKIN_OK && (embed_batch_is_full(batch) || i + 1 == count))
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
    struct akin_columns *columns = NULL;
    size_t count = 0;
    struct sample sample = {0};
    struct akin_instant_options options;
    char name[AKIN_NAME_MAX];
    akin_status status =
        embed_sample(&columns, &count, index, settings->seed, AKIN_INSTANT_FIT_TILES, err);
    if (status == AKIN_OK)
        status = read_sample(&sample, columns, count, batch, err);
    akin_instant_options_default(&options, settings->input_px, settings->bands);
    options.seed = settings->seed;
    free_name(name, akin_catalog_dir(catalog));
    if (status == AKIN_OK)
        status = akin_instant_fit(
            out, name, &options, sample.count, (const uint8_t *const *)sample.inputs,
            (const uint8_t *const *)sample.filled, NULL, batch->pool, batch->talk, err);
    sample_fini(&sample);
    akin_free(columns);
    return status;
}
