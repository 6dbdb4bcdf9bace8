/*
 * A batch's chips are read one after another (packs are mapped, so that costs little) and decoded on
 * all threads. It is full after so many tiles or so many bytes, whichever comes first: chips of many
 * bands are large.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "embed_batch.h"

#define CHIP_BYTES_FULL ((size_t)64 << 20)
#define INPUT_BYTES_MAX ((size_t)64 << 20)
#define TILES_MIN 16

akin_status embed_batch_create(struct embed_batch **out, akin_catalog *catalog, uint32_t input_px,
                               akin_pool *pool, const struct akin_talk *talk, akin_error *err)
{
    struct embed_batch *batch = akin_alloc_zero(1, sizeof *batch);
    if (!batch)
        return akin_error_memory(err, sizeof *batch, "a batch of tiles");
    batch->pool = pool;
    batch->talk = talk;
    batch->input_px = input_px;
    batch->bands = akin_catalog_settings(catalog)->bands;
    akin_buffer_init(&batch->bytes, (size_t)1 << 32);
    const size_t each = (size_t)input_px * input_px * (batch->bands + 1);
    const size_t tiles = INPUT_BYTES_MAX / each / TILES_MIN * TILES_MIN;
    batch->tiles_max = tiles < TILES_MIN           ? TILES_MIN
                       : tiles > EMBED_BATCH_TILES ? EMBED_BATCH_TILES
                                                   : tiles;
    batch->memory = akin_alloc(batch->tiles_max, each);
    akin_status status = AKIN_OK;
    if (!batch->memory)
        status = akin_error_memory(err, batch->tiles_max * each, "a batch of tiles");
    if (status == AKIN_OK)
        status = akin_scaling_load_all(batch->scaling, catalog, err);
    if (status == AKIN_OK)
        status = akin_chips_open(&batch->chips, catalog, err);
    if (status == AKIN_OK)
        *out = batch;
    else
        embed_batch_free(batch);
    return status;
}

void embed_batch_free(struct embed_batch *batch)
{
    if (!batch)
        return;
    akin_chips_close(batch->chips);
    akin_buffer_fini(&batch->bytes);
    akin_free(batch->memory);
    akin_free(batch);
}

void embed_batch_clear(struct embed_batch *batch)
{
    batch->count = 0;
    akin_buffer_clear(&batch->bytes);
}

bool embed_batch_is_full(const struct embed_batch *batch)
{
    return batch->count == batch->tiles_max || batch->bytes.size >= CHIP_BYTES_FULL;
}

static void leave_out(struct embed_batch *batch, uint64_t key, const char *why)
{
    char text[AKIN_TILE_KEY_TEXT_MAX];
    akin_tile_key_format(text, key);
    akin_log(batch->talk, AKIN_LEVEL_WARN, STAGE, "tile %s is left out: %s", text, why);
    batch->failed++;
}

akin_status embed_batch_push(struct embed_batch *batch, const struct akin_columns *columns,
                             akin_error *err)
{
    const void *chip = NULL;
    size_t bytes = 0;
    akin_error why = {0};
    akin_status status = akin_chips_find(batch->chips, columns->key, &chip, &bytes, &why);
    if (ingest_is_fatal(status))
        return akin_error_set(err, status, "%s", why.text);
    if (status != AKIN_OK) {
        leave_out(batch, columns->key, why.text);
        return AKIN_OK;
    }
    status = akin_buffer_append(&batch->bytes, chip, bytes, err);
    if (status != AKIN_OK)
        return status;
    batch->columns[batch->count] = *columns;
    batch->ends[batch->count++] = batch->bytes.size;
    return AKIN_OK;
}

/* Cells of one tile's input, and where it lies. */
static uint8_t *input_at(const struct embed_batch *batch, size_t i, size_t *cells)
{
    *cells = (size_t)batch->input_px * batch->input_px;
    return batch->memory + i * *cells * (batch->bands + 1);
}

static void decode(struct embed_batch *batch, size_t i)
{
    size_t cells, begin = i ? batch->ends[i - 1] : 0;
    uint8_t *input = input_at(batch, i, &cells);
    batch->usable[i] = akin_chip_input((const uint8_t *)batch->bytes.data + begin,
                                       batch->ends[i] - begin, batch->scaling, batch->input_px,
                                       input, input + cells * batch->bands, NULL) == AKIN_OK;
}

static void decode_loop(void *user, size_t begin, size_t end, unsigned worker)
{
    (void)worker;
    for (size_t i = begin; i < end; i++)
        decode(user, i);
}

void embed_batch_decode(struct embed_batch *batch)
{
    size_t kept = 0;
    akin_pool_for(batch->pool, batch->count, 4, decode_loop, batch);
    for (size_t i = 0; i < batch->count; i++) {
        size_t cells;
        const uint8_t *input = input_at(batch, i, &cells);
        if (!batch->usable[i]) {
            leave_out(batch, batch->columns[i].key, "its chip is damaged");
            continue;
        }
        batch->columns[kept] = batch->columns[i];
        batch->inputs[kept] = input;
        batch->filled[kept++] = input + cells * batch->bands;
    }
    batch->count = kept;
}
