/*
 * Averaging over turns when a question is asked, so that a picture and its turned copy ask the same;
 * an encoder that learnt that they are alike is only nearly convinced. Only the question pays for
 * that, not the index. On average the answers are no better for it (docs/MODEL.md): hence not the
 * default.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "turns.h"

#include <string.h>

#include "akin/vec.h"

/* Memory of one tile's turns. */
struct turned {
    uint8_t *inputs, *masks; /* (AKIN_TURNS, px, px, bands), (AKIN_TURNS, px, px) */
    float *vectors;          /* (AKIN_TURNS, dim) */
    void *block;
};

static akin_status turned_init(struct turned *out, const akin_engine *engine, akin_error *err)
{
    const struct akin_model_info *info = akin_model_info(engine->model);
    const size_t cells = (size_t)info->input_px * info->input_px;
    const size_t each = engine->dim * sizeof(float) + cells * (info->bands + 1);
    out->block = akin_alloc(AKIN_TURNS, each);
    if (!out->block)
        return akin_error_memory(err, AKIN_TURNS * each, "a tile's turns");
    out->vectors = out->block;
    out->inputs = (uint8_t *)(out->vectors + (size_t)AKIN_TURNS * engine->dim);
    out->masks = out->inputs + AKIN_TURNS * cells * info->bands;
    return AKIN_OK;
}

static akin_status encode_turns(akin_engine *engine, const struct turned *turned,
                                const uint8_t *input, const uint8_t *filled, float *vector,
                                akin_error *err)
{
    const struct akin_model_info *info = akin_model_info(engine->model);
    const size_t cells = (size_t)info->input_px * info->input_px, bytes = cells * info->bands;
    struct akin_tile tiles[AKIN_TURNS];
    for (unsigned d4 = 0; d4 < AKIN_TURNS; d4++) {
        tiles[d4] = (struct akin_tile){.input = turned->inputs + d4 * bytes,
                                       .filled = filled ? turned->masks + d4 * cells : NULL};
        akin_tile_turn(tiles[d4].input, input, info->input_px, info->bands, d4);
        if (filled)
            akin_tile_turn(tiles[d4].filled, filled, info->input_px, 1, d4);
    }
    akin_status status = engine_encode(engine, tiles, AKIN_TURNS, turned->vectors, err);
    memset(vector, 0, engine->dim * sizeof *vector);
    for (unsigned d4 = 0; d4 < AKIN_TURNS && status == AKIN_OK; d4++)
        akin_kernels()->axpy(vector, 1, turned->vectors + (size_t)d4 * engine->dim, engine->dim);
    akin_normalize(vector, engine->dim);
    return status;
}

akin_status turns_encode(akin_engine *engine, const struct akin_tile *tiles, size_t n,
                         float *vectors, akin_error *err)
{
    struct turned turned = {0};
    akin_status status = turned_init(&turned, engine, err);
    for (size_t i = 0; i < n && status == AKIN_OK; i++)
        status = encode_turns(engine, &turned, tiles[i].input, tiles[i].filled,
                              vectors + i * engine->dim, err);
    akin_free(turned.block);
    return status;
}

akin_status turns_encode_key(akin_engine *engine, uint64_t key, float *vector, akin_error *err)
{
    struct akin_tile tile = {0};
    akin_status status = engine_input(engine, key, &tile.input, &tile.filled, err);
    if (status == AKIN_OK)
        status = turns_encode(engine, &tile, 1, vector, err);
    akin_free(tile.input);
    return status;
}
