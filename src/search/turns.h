/*
 * A tile as a question, whichever way it lies: the mean of its eight turns' vectors.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SEARCH_TURNS_H
#define AKIN_SEARCH_TURNS_H

#include "engine.h"

/* vectors (n, dim), unit length, zeros for a tile about which nothing can be said. Encodes eight
 * times as much as engine_encode. */
akin_status turns_encode(akin_engine *engine, const struct akin_tile *tiles, size_t n,
                         float *vectors, akin_error *err);
/* The same of a tile of the collection, from its chip; vector (dim). AKIN_ERR_UNSUPPORTED where the
 * collection keeps none. */
akin_status turns_encode_key(akin_engine *engine, uint64_t key, float *vector, akin_error *err);

#endif
