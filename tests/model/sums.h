/*
 * An encoder for tests that likes batches: it adds a tile's bytes up, counts what it is asked, and
 * refuses what it should never be given.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_TESTS_SUMS_H
#define AKIN_TESTS_SUMS_H

#include <stdatomic.h>

#include "../../src/model/model_kind.h"

#define SUMS_BANDS 3
#define SUMS_DIM 2
#define SUMS_FAILING 250 /* a first byte that it cannot bear */

struct sums {
    uint32_t px, batch;
    float weight;
    bool fails; /* whatever it is given */
    atomic_uint calls, tiles, scratches;
};

/* What a tile gives: whether it has a mask, and its bytes weighed by their place. */
static inline void sums_of(float out[SUMS_DIM], uint32_t px, const uint8_t *input,
                           const uint8_t *filled)
{
    out[0] = filled != NULL;
    out[1] = 0;
    for (size_t i = 0; i < (size_t)px * px * SUMS_BANDS; i++)
        out[1] += (float)(input[i] * (i % 7));
}

static inline void sums_describe(const void *state, struct model_header *out)
{
    out->input_px = ((const struct sums *)state)->px;
    out->bands = SUMS_BANDS;
    out->dim = SUMS_DIM;
}

static inline float *sums_weights(void *state, size_t *count)
{
    *count = 1;
    return &((struct sums *)state)->weight;
}

static inline uint32_t sums_batch(const void *state)
{
    return ((const struct sums *)state)->batch;
}

static inline akin_status sums_scratch_create(void **out, const void *state, akin_error *err)
{
    (void)err;
    *out = (void *)(uintptr_t)state;
    atomic_fetch_add(&((struct sums *)*out)->scratches, 1);
    return AKIN_OK;
}

static inline void sums_scratch_free(void *scratch)
{
    (void)scratch;
}

static inline size_t sums_scratch_bytes(const void *state)
{
    (void)state;
    return 1000;
}

static inline akin_status sums_encode(const void *state, void *scratch, size_t n,
                                      const uint8_t *const *inputs, const uint8_t *const *filled,
                                      float *out, akin_error *err)
{
    struct sums *sums = scratch;
    atomic_fetch_add(&sums->calls, 1);
    atomic_fetch_add(&sums->tiles, (unsigned)n);
    if (state != scratch || n < 1 || n > sums->batch)
        return akin_error_set(err, AKIN_ERR_LIMIT, "%zu tiles at once", n);
    for (size_t i = 0; i < n; i++) {
        if (sums->fails || inputs[i][0] == SUMS_FAILING)
            return akin_error_set(err, AKIN_ERR_IO, "the arithmetic failed");
        sums_of(out + SUMS_DIM * i, sums->px, inputs[i], filled[i]);
    }
    return AKIN_OK;
}

static const struct model_kind sums_kind = {.name = "sums",
                                            .free = akin_free,
                                            .describe = sums_describe,
                                            .weights = sums_weights,
                                            .batch = sums_batch,
                                            .scratch_create = sums_scratch_create,
                                            .scratch_free = sums_scratch_free,
                                            .scratch_bytes = sums_scratch_bytes,
                                            .encode = sums_encode};

/* The model owns *sums. */
static inline akin_status sums_make(akin_model **out, struct sums **sums, uint32_t px,
                                    uint32_t batch, akin_error *err)
{
    const struct akin_model_info info = {0};
    *sums = akin_alloc_zero(1, sizeof **sums);
    if (!*sums)
        return akin_error_memory(err, sizeof **sums, "sums");
    (*sums)->px = px;
    (*sums)->batch = batch;
    return model_create(out, "sums", &sums_kind, *sums, &info, err);
}

#endif
