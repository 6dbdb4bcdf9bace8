/*
 * Tiles of a collection on their way from chips to what an encoder sees, a batch at a time. What
 * cannot be had is named in the log, counted, and left out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_INGEST_EMBED_BATCH_H
#define AKIN_INGEST_EMBED_BATCH_H

#include "ingest_private.h"

#define EMBED_BATCH_TILES 1024

struct embed_batch {
    akin_pool *pool; /* borrowed, as is talk */
    const struct akin_talk *talk;
    akin_chips *chips;
    struct akin_scaling scaling[AKIN_DTYPE_COUNT];
    uint32_t input_px, bands;
    size_t tiles_max; /* <= EMBED_BATCH_TILES: less of large inputs */

    struct akin_buffer bytes; /* chips, one behind the other: a borrowed one lasts only until the
                                 next is asked for */
    size_t ends[EMBED_BATCH_TILES];
    uint8_t *memory; /* of inputs and masks */
    bool usable[EMBED_BATCH_TILES];

    /* The batch. inputs and filled are set by embed_batch_decode. */
    struct akin_columns columns[EMBED_BATCH_TILES];
    const uint8_t *inputs[EMBED_BATCH_TILES], *filled[EMBED_BATCH_TILES];
    size_t count;
    uint64_t failed; /* left out, since create */
};

akin_status embed_batch_create(struct embed_batch **out, akin_catalog *catalog, uint32_t input_px,
                               akin_pool *pool, const struct akin_talk *talk, akin_error *err);
void embed_batch_free(struct embed_batch *batch); /* takes NULL */
/* Takes a tile into a batch that is not full. */
akin_status embed_batch_push(struct embed_batch *batch, const struct akin_columns *columns,
                             akin_error *err);
bool embed_batch_is_full(const struct embed_batch *batch);
/* Decodes the chips, on all threads; the batch then holds the tiles that could be. */
void embed_batch_decode(struct embed_batch *batch);
void embed_batch_clear(struct embed_batch *batch);

/* A random sample of at most `max` of the tiles of `index`, ordered at random; freed with akin_free. */
akin_status embed_sample(struct akin_columns **out, size_t *count, akin_index *index, uint64_t seed,
                         size_t max, akin_error *err);

/* Whether embed_precision is going to calibrate, and needs an index to draw tiles from. */
bool embed_precision_measures(const akin_model *model, enum akin_precision wanted);
/* Chooses what the net calculates in, and remembers it with the encoder. int8 is calibrated on tiles
 * of `index` (else it may be NULL); what comes of it is logged. `batch` is used and left empty. */
akin_status embed_precision(akin_model *model, enum akin_precision wanted, akin_catalog *catalog,
                            akin_index *index, struct embed_batch *batch, akin_error *err);

/* Fits the instant encoder anew, under the first free name of instant-2, instant-3, ..., on a random
 * sample of the tiles of `index`; `batch` is used and left empty. */
akin_status embed_refit(akin_model **out, akin_catalog *catalog, akin_index *index,
                        struct embed_batch *batch, akin_error *err);

/* The encoder of an .onnx file, saved in the collection as `name` (NULL: the file's own). options may
 * be NULL; their bands are the collection's. AKIN_ERR_EXISTS where another encoder has the name. */
akin_status embed_import(akin_model **out, const akin_catalog *catalog, const char *name,
                         const char *path, const struct akin_onnx_options *options,
                         akin_error *err);

#endif
