/*
 * The engine's inside, shared by the files of this stage: what was opened, and the little that
 * several of them need from it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_ENGINE_PRIVATE_H
#define AKIN_SEARCH_ENGINE_PRIVATE_H

#include "akin/search.h"
#include "akin/tile.h"
#include "scene_cache.h"

struct akin_engine {
    akin_catalog *catalog;
    akin_pool *pool;
    akin_model *model;
    akin_encoder_pool *encoders;
    akin_encoder *cells; /* for akin_where, made at the first */
    unsigned threads;
    akin_index *index;
    akin_chips *chips; /* opened at the first picture */
    struct scene_cache scenes;
    uint32_t dim;
    enum akin_metric metric;
    const struct akin_engine *base; /* whose encoder and index these are; NULL: its own */
    const struct akin_talk *talk;   /* borrowed; may be NULL */
};

/* How samples of this type become 8 bits in this collection; identity for 8-bit data of which the
 * catalogue says nothing. AKIN_ERR_NOT_FOUND where no scene of this type was ever taken in. */
akin_status engine_scaling(akin_engine *engine, enum akin_dtype dtype, struct akin_scaling *out,
                           akin_error *err);

/* The chip of a tile as it is stored, borrowed until the next. */
akin_status engine_chip(akin_engine *engine, uint64_t key, const void **chip, size_t *bytes,
                        akin_error *err);
/* Decodes it, and finds how its samples are scaled. */
akin_status engine_decode(akin_engine *engine, uint64_t key, const void *chip, size_t bytes,
                          struct akin_raster *raster, struct akin_scaling *scaling,
                          akin_error *err);
/* Both. */
akin_status engine_tile(akin_engine *engine, uint64_t key, struct akin_raster *raster,
                        struct akin_scaling *scaling, akin_error *err);

/* What the encoder sees of a tile: `*out` is the input, freed with akin_free; `*filled`, borrowed from
 * it, the mask. */
akin_status engine_input(akin_engine *engine, uint64_t key, uint8_t **out, uint8_t **filled,
                         akin_error *err);

/* A clock for measuring, ms. */
double engine_now_ms(void);

/* Encodes at most AKIN_QUERY_WINDOWS_MAX tiles on all threads; vectors (n, dim). */
akin_status engine_encode(akin_engine *engine, const struct akin_tile *tiles, size_t n,
                          float *vectors, akin_error *err);

#endif
